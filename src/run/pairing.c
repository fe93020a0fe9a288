#include "run/pairing.h"

#include <stdlib.h>
#include <string.h>

#include "core/digest.h"
#include "core/json.h"
#include "core/memory.h"
#include "core/text.h"
#include "probe/probe.h"
#include "probe/quantity.h"
#include "probe/record.h"

/* ---- what a header says ---- */

static ps_pairing_entry *add(ps_pairing *pairing, const char *key) {
    int i = 0;
    while (pairing->entry[i].key != NULL) i++;
    pairing->entry[i].key = key;
    return &pairing->entry[i];
}

static void add_count(ps_pairing *pairing, const char *key, int count) {
    ps_pairing_entry *entry = add(pairing, key);
    snprintf(entry->value, sizeof entry->value, "%d", count);
}

static void add_order(const ps_run_config *c, ps_pairing *pairing) {
    ps_digest digest = ps_digest_start();
    ps_digest_u64(&digest, (uint64_t)c->seed);
    ps_digest_u64(&digest, (uint64_t)c->crop_pad);
    ps_digest_u64(&digest, c->flip);
    ps_digest_hex(&digest, add(pairing, "order")->value);
}

static void add_optimiser(const ps_run_config *c, ps_pairing *pairing) {
    ps_pairing_entry *entry = add(pairing, "optimiser");
    snprintf(entry->value, sizeof entry->value,
             "%s lr=%.9g momentum=%.9g nesterov=%d decay=%.9g beta=%.9g,%.9g eps=%.9g clip=%.9g %s milestones=%s "
             "factor=%.9g warmup=%d",
             c->optimiser, c->lr, c->momentum, c->nesterov, c->weight_decay, c->beta1, c->beta2, c->eps, c->clip,
             c->schedule, c->milestones, c->step_factor, c->warmup);
}

/* What follows from the configuration alone. */
static void add_settings(const ps_run_config *c, ps_pairing *pairing) {
    add_order(c, pairing);
    add_optimiser(c, pairing);
    add_count(pairing, "steps", c->steps);
    add_count(pairing, "batch", c->batch);
    add_count(pairing, "window", c->window);
}

void ps_pairing_of(const ps_session *session, ps_pairing *pairing) {
    memset(pairing, 0, sizeof *pairing);
    ps_probe_backbone_digest(session->net, add(pairing, "backbone")->value);
    ps_pairing_entry *data = add(pairing, "data");
    snprintf(data->value, sizeof data->value, "%s", ps_dataset_digest(session->dataset));
    add_settings(session->config, pairing);
    add_count(pairing, "probe", session->probe_batches * session->config->batch);
}

/* ---- before the first run ---- */

typedef struct {
    const ps_run_config *reference, *arm;
    const char *where;
    int threads;
} check;

/* "order" is a digest, which says nothing to a reader: the settings behind it do. */
static void say(const ps_run_config *c, const ps_pairing_entry *entry, char *text, size_t size) {
    if (strcmp(entry->key, "order") == 0)
        snprintf(text, size, "crop_pad=%d flip=%s", c->crop_pad, c->flip ? "yes" : "no");
    else snprintf(text, size, "%s", entry->value);
}

static ps_status compare(const check *c, const ps_pairing *reference, const ps_pairing *arm) {
    for (int i = 0; i < PS_PAIRING_KEYS && arm->entry[i].key != NULL; i++) {
        char own[512], other[512], left[512], right[512];
        if (strcmp(reference->entry[i].value, arm->entry[i].value) == 0) continue;
        say(c->arm, &arm->entry[i], own, sizeof own);
        say(c->reference, &reference->entry[i], other, sizeof other);
        ps_text_difference(own, other, left, sizeof left);
        ps_text_difference(other, own, right, sizeof right);
        return ps_fail(
            PS_ERR_INPUT,
            "%s: arm \"%s\" would be no pair with the reference \"%s\": \"%s\" is \"%s\" in it and \"%s\" in the "
            "reference; give all arms the same, or make it an experiment of its own",
            c->where, c->arm->arm, c->reference->arm, arm->entry[i].key, left, right);
    }
    return PS_OK;
}

/* Settings on which the start of the network, the data or the layers that are recorded depend. */
static const char decisive[] = "Network,Data,!crop_pad,!flip,init_scheme,init,fork,plant,record";

static ps_status differ(const ps_run_config *a, const ps_run_config *b, bool *differ) {
    cJSON *x = NULL, *y = NULL;
    const cJSON *item;
    *differ = false;
    ps_status status = ps_run_config_to_json(a, &x);
    if (status == PS_OK) status = ps_run_config_to_json(b, &y);
    if (status == PS_OK) cJSON_ArrayForEach(item, x) {
            const cJSON *other = cJSON_GetObjectItemCaseSensitive(y, item->string);
            *differ |= ps_run_config_in(decisive, item->string) && !cJSON_Compare(item, other, true);
        }
    cJSON_Delete(x);
    cJSON_Delete(y);
    return status;
}

/* A run up to its first step. A fork's parent need not be there yet, and is the same for all arms: what is asked then
 * is whether both networks would take the same from it. */
typedef struct {
    ps_run_config config;
    ps_session session;
    ps_pairing pairing;
    bool *layer; /* which gates are recorded */
    int layers;
} start;

static void end_start(start *s) {
    ps_session_close(&s->session);
    ps_run_config_clear(&s->config);
    ps_free(s->layer);
}

static ps_status note_layers(start *s) {
    const ps_units *units = ps_net_units(s->session.net);
    int quantities;
    bool *quantity = NULL;
    (void)ps_quantities(&quantities);
    s->layers = units->count;
    PS_TRY(PS_ALLOC((size_t)units->count, &s->layer, "layers"));
    PS_TRY(PS_ALLOC((size_t)quantities, &quantity, "quantities"));
    ps_status status = ps_record_parse(s->config.record, units, quantity, s->layer);
    ps_free(quantity);
    return status;
}

static ps_status begin_start(const ps_run_config *config, int threads, start *s) {
    char digest[17];
    ps_planting_list planted = {NULL, 0, 0};
    PS_TRY(ps_run_config_copy(config, &s->config));
    s->config.fork[0] = '\0';
    PS_TRY(ps_session_open(&s->session, &s->config, NULL, threads));
    PS_TRY(ps_session_init_weights(&s->session, ".", digest));
    ps_probe_source source = ps_session_probe_source(&s->session);
    ps_status status = config->plant[0] != '\0' ? ps_plant(s->session.net, config->plant, &source, &planted) : PS_OK;
    ps_planting_list_clear(&planted);
    PS_TRY(status);
    ps_pairing_of(&s->session, &s->pairing);
    return note_layers(s);
}

static ps_status compare_layers(const check *c, const start *reference, const start *arm) {
    const ps_units *units = ps_net_units(arm->session.net);
    for (int u = 0; u < arm->layers && arm->layers == reference->layers; u++)
        if (arm->layer[u] != reference->layer[u])
            return ps_fail(
                PS_ERR_INPUT,
                "%s: arm \"%s\" would be no pair with the reference \"%s\": with record = \"%s\" layer %s is "
                "recorded in one of them and with \"%s\" not in the other; record the same layers in both",
                c->where, c->arm->arm, c->reference->arm, arm->layer[u] ? c->arm->record : c->reference->record,
                units->unit[u].name, arm->layer[u] ? c->reference->record : c->arm->record);
    return PS_OK;
}

static ps_status compare_starts(const check *c) {
    start reference = {0}, arm = {0};
    ps_status status = begin_start(c->reference, c->threads, &reference);
    if (status == PS_OK) status = begin_start(c->arm, c->threads, &arm);
    if (status == PS_OK) status = compare(c, &reference.pairing, &arm.pairing);
    if (status == PS_OK) status = compare_layers(c, &reference, &arm);
    end_start(&reference);
    end_start(&arm);
    return status;
}

ps_status ps_pairing_check(const ps_run_config *reference, const ps_run_config *arm, const char *where, int threads) {
    check c = {reference, arm, where, threads};
    ps_pairing mine = {0}, theirs = {0};
    bool starts_differ;
    add_settings(arm, &mine);
    add_settings(reference, &theirs);
    PS_TRY(compare(&c, &theirs, &mine));
    PS_TRY(differ(reference, arm, &starts_differ));
    return starts_differ ? compare_starts(&c) : PS_OK;
}
