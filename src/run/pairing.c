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
#include "run/arm.h"

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

/* What decides, beside crop_pad, flip and shuffle, which images a run sees and what is asked of them. */
static const char images[] = "Augmentation,!crop_pad,!flip,patch_size,foreground,pad_background,epoch_steps";

static void add_order(const ps_run_config *c, ps_pairing *pairing) {
    char changed[2000];
    ps_digest digest = ps_digest_start();
    ps_digest_u64(&digest, (uint64_t)c->seed);
    ps_digest_u64(&digest, (uint64_t)c->crop_pad);
    ps_digest_u64(&digest, c->flip);
    if (!c->shuffle) ps_digest_u64(&digest, !c->shuffle);
    ps_run_config_say_changed(c, images, changed, sizeof changed);
    if (changed[0] != '\0') ps_digest_text(&digest, changed);
    ps_digest_hex(&digest, add(pairing, "order")->value);
}

/* What of the rate is not as always; each begins with a space. */
static void say_rate(const ps_run_config *c, char *text, size_t size) {
    text[0] = '\0';
    if (c->lr_min > 0) snprintf(text + strlen(text), size - strlen(text), " lr_min=%.9g", c->lr_min);
    if (strcmp(c->schedule, "polynomial") == 0)
        snprintf(text + strlen(text), size - strlen(text), " power=%.9g", c->poly_power);
    if (c->cooldown_epochs > 0)
        snprintf(text + strlen(text), size - strlen(text), " cooldown_epochs=%.9g", c->cooldown_epochs);
    if (c->lr_by_epoch) snprintf(text + strlen(text), size - strlen(text), " by_epoch");
    if (c->backbone_lr_factor != 1)
        snprintf(text + strlen(text), size - strlen(text), " backbone=%.9g", c->backbone_lr_factor);
    if (c->warmup_from >= 0) snprintf(text + strlen(text), size - strlen(text), " warmup_from=%.9g", c->warmup_from);
}

/* The loss of masks, and how they are measured, where anything is not as always. */
static void add_task(const ps_run_config *c, ps_pairing_entry *entry) {
    size_t used = strlen(entry->value);
    ps_run_config_say_changed(c, "Task", entry->value + used, sizeof entry->value - used);
}

static void add_optimiser(const ps_run_config *c, ps_pairing *pairing) {
    ps_pairing_entry *entry = add(pairing, "optimiser");
    const char *frozen = c->freeze[0] != '\0' ? " freeze=" : "";
    char rate[160], warmup[48] = "", exempt[64] = "";
    say_rate(c, rate, sizeof rate);
    if (c->warmup_epochs > 0) snprintf(warmup, sizeof warmup, " warmup_epochs=%.9g", c->warmup_epochs);
    if (strcmp(c->decay_exempt, "none") != 0) snprintf(exempt, sizeof exempt, " decay_exempt=%.40s", c->decay_exempt);
    snprintf(entry->value, sizeof entry->value,
             "%s lr=%.9g momentum=%.9g nesterov=%d decay=%.9g beta=%.9g,%.9g eps=%.9g clip=%.9g %s milestones=%s "
             "factor=%.9g warmup=%d%s%s%s%s%s",
             c->optimiser, c->lr, c->momentum, c->nesterov, c->weight_decay, c->beta1, c->beta2, c->eps, c->clip,
             c->schedule, c->milestones, c->step_factor, c->warmup, warmup, rate, exempt, frozen, c->freeze);
    add_task(c, entry);
}

/* What follows from the configuration alone. */
static void add_settings(const ps_run_config *c, ps_pairing *pairing) {
    add_order(c, pairing);
    add_optimiser(c, pairing);
    add_count(pairing, "steps", c->steps);
    ps_pairing_entry *batch = add(pairing, "batch");
    size_t used = (size_t)snprintf(batch->value, sizeof batch->value, c->accumulate > 1 ? "%d accumulate=%d" : "%d",
                                   c->batch, c->accumulate);
    if (c->epoch_steps > 0)
        snprintf(batch->value + used, sizeof batch->value - used, " epoch_steps=%d", c->epoch_steps);
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

/* Settings on which the start of the network, the data or the layers that are recorded depend. */
static const char decisive[] = "Network,Data,!shuffle,init_scheme,init,fork,plant,record";

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

ps_status ps_pairing_may_differ(const ps_run_config *a, const ps_run_config *b, bool *may) {
    ps_pairing own = {0}, other = {0};
    add_settings(a, &own);
    add_settings(b, &other);
    PS_TRY(differ(a, b, may));
    for (int i = 0; i < PS_PAIRING_KEYS && own.entry[i].key != NULL; i++)
        *may |= strcmp(own.entry[i].value, other.entry[i].value) != 0;
    return PS_OK;
}

static ps_status note_layers(const ps_session *session, ps_pairing_arm *arm) {
    const ps_units *units = ps_net_units(session->net);
    int quantities;
    bool *quantity = NULL;
    (void)ps_quantities(&quantities);
    PS_TRY(PS_ALLOC((size_t)units->count, &arm->layer, "layers"));
    PS_TRY(PS_ALLOC((size_t)units->count, &arm->channels, "layers"));
    PS_TRY(PS_ALLOC((size_t)units->count, &arm->recorded, "layers"));
    for (int u = 0; u < units->count; u++) {
        PS_TRY(ps_string_copy(units->unit[u].name, &arm->layer[u]));
        arm->channels[u] = units->unit[u].channels;
        arm->layers = u + 1;
    }
    PS_TRY(PS_ALLOC((size_t)quantities, &quantity, "quantities"));
    ps_status status = ps_record_parse(session->config->record, units, quantity, arm->recorded);
    ps_free(quantity);
    return status;
}

static ps_status begin(const ps_run_config *config, ps_session *session, int threads, ps_pairing_arm *arm) {
    char digest[17];
    ps_planting_list planted = {NULL, 0, 0};
    PS_TRY(ps_session_open(session, config, NULL, threads));
    PS_TRY(ps_session_init_weights(session, ".", digest));
    ps_probe_source source = ps_session_probe_source(session);
    ps_status status = config->plant[0] != '\0' ? ps_plant(session->net, config->plant, &source, &planted) : PS_OK;
    ps_planting_list_clear(&planted);
    PS_TRY(status);
    ps_pairing_of(session, &arm->pairing);
    ps_run_arm_of(session->net, config->reinit_dead, &arm->is);
    arm->is.activation = "";
    return note_layers(session, arm);
}

/* A fork's parent need not be there yet, and is the same for all arms: what is asked then is whether both networks
 * would take the same from it. */
ps_status ps_pairing_arm_of(const ps_run_config *config, int threads, ps_pairing_arm *arm) {
    ps_run_config alone = {0};
    ps_session session = {0};
    memset(arm, 0, sizeof *arm);
    arm->config = config;
    ps_status status = ps_run_config_copy(config, &alone);
    if (status == PS_OK) {
        alone.fork[0] = '\0';
        status = begin(&alone, &session, threads, arm);
    }
    ps_session_close(&session);
    ps_run_config_clear(&alone);
    return status;
}

void ps_pairing_arm_clear(ps_pairing_arm *arm) {
    for (int l = 0; l < arm->layers; l++) free(arm->layer[l]);
    ps_free(arm->layer);
    ps_free(arm->channels);
    ps_free(arm->recorded);
    memset(arm, 0, sizeof *arm);
}

static bool same_layers(const ps_pairing_arm *a, const ps_pairing_arm *b) {
    if (a->layers != b->layers) return false;
    for (int l = 0; l < a->layers; l++)
        if (strcmp(a->layer[l], b->layer[l]) != 0 || a->channels[l] != b->channels[l]) return false;
    return true;
}

/* Digests say nothing to a reader: of "order" the settings behind it do. */
static void say(const ps_run_config *c, const ps_pairing_entry *entry, char *text, size_t size) {
    char changed[2000];
    ps_run_config_say_changed(c, images, changed, sizeof changed);
    if (strcmp(entry->key, "order") == 0)
        snprintf(text, size, "crop_pad=%d flip=%s%s%s", c->crop_pad, c->flip ? "yes" : "no",
                 c->shuffle ? "" : " shuffle=no", changed);
    else if (strcmp(entry->key, "backbone") == 0) text[0] = '\0';
    else snprintf(text, size, "%s", entry->value);
}

int ps_pairing_differences(const ps_pairing_arm *arm, const ps_pairing_arm *against, ps_pairing_difference *list) {
    int count = 0;
    for (int i = 0; i < PS_PAIRING_KEYS && arm->pairing.entry[i].key != NULL; i++) {
        const ps_pairing_entry *own = &arm->pairing.entry[i], *other = &against->pairing.entry[i];
        char mine[2100], theirs[2100];
        if (strcmp(own->value, other->value) == 0) continue;
        ps_pairing_difference *d = &list[count++];
        d->key = own->key;
        say(arm->config, own, mine, sizeof mine);
        say(against->config, other, theirs, sizeof theirs);
        ps_text_difference(mine, theirs, d->own, sizeof d->own);
        ps_text_difference(theirs, mine, d->other, sizeof d->other);
    }
    if (!same_layers(arm, against)) list[count++] = (ps_pairing_difference){.key = "layers"};
    return count;
}

static const ps_pairing_entry *find(const ps_pairing *pairing, const char *key) {
    for (int i = 0; i < PS_PAIRING_KEYS && pairing->entry[i].key != NULL; i++)
        if (strcmp(pairing->entry[i].key, key) == 0) return &pairing->entry[i];
    return NULL;
}

static bool agree(const ps_pairing_arm *a, const ps_pairing_arm *b, const char *key) {
    return strcmp(find(&a->pairing, key)->value, find(&b->pairing, key)->value) == 0;
}

static ps_status check_recorded(const ps_pairing_arm *reference, const ps_pairing_arm *arm, const char *where) {
    for (int l = 0; l < arm->layers; l++)
        for (int k = 0; k < reference->layers; k++)
            if (strcmp(arm->layer[l], reference->layer[k]) == 0 && arm->recorded[l] != reference->recorded[k])
                return ps_fail(PS_ERR_INPUT,
                               "%s: arm \"%s\" could not be compared with the reference \"%s\": with record = \"%s\" "
                               "layer %s is recorded in one of them and with \"%s\" not in the other; record the same "
                               "layers in both",
                               where, arm->config->arm, reference->config->arm,
                               arm->recorded[l] ? arm->config->record : reference->config->record, arm->layer[l],
                               arm->recorded[l] ? reference->config->record : arm->config->record);
    return PS_OK;
}

ps_status ps_pairing_check(const ps_pairing_arm *reference, const ps_pairing_arm *arm, const char *where) {
    bool forked = reference->config->fork[0] != '\0' && arm->config->fork[0] != '\0';
    if (!agree(reference, arm, "data"))
        return ps_fail(
            PS_ERR_INPUT,
            "%s: arm \"%s\" could not be compared with the reference \"%s\": \"data\" (training, probe and "
            "test images) is \"%s\" in it and \"%s\" in the reference; give all arms the same images, or make "
            "it an experiment of its own",
            where, arm->config->arm, reference->config->arm, find(&arm->pairing, "data")->value,
            find(&reference->pairing, "data")->value);
    if (forked && !agree(reference, arm, "backbone"))
        return ps_fail(
            PS_ERR_INPUT,
            "%s: arm \"%s\" cannot be forked from the parent of the reference \"%s\": \"backbone\" is \"%s\" "
            "in it and \"%s\" in the reference; give all arms the same network, or leave \"fork\" out",
            where, arm->config->arm, reference->config->arm, find(&arm->pairing, "backbone")->value,
            find(&reference->pairing, "backbone")->value);
    return check_recorded(reference, arm, where);
}
