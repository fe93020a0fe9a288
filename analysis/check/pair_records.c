#include "analysis/check/pair_records.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/json.h"
#include "core/memory.h"
#include "trace/node_state.h"
#include "trace/trace_schema.h"

/* ---- layers ---- */

static int layer_named(const ps_trace_header *header, const char *name) {
    for (int l = 0; l < header->layer_count; l++)
        if (strcmp(header->layers[l].name, name) == 0) return l;
    return -1;
}

/* A layer whose name is gone was renamed when at its place stands one of the same shape whose name is new. */
static bool is_renamed(const ps_trace_pair *pair, int l) {
    const ps_trace_header *golden = pair->golden.header, *found = pair->found.header;
    if (l >= found->layer_count || layer_named(golden, found->layers[l].name) >= 0) return false;
    return golden->layers[l].channels == found->layers[l].channels &&
           golden->layers[l].shared == found->layers[l].shared;
}

static ps_status match_layers(ps_trace_pair *pair) {
    const ps_trace_header *golden = pair->golden.header, *found = pair->found.header;
    size_t golden_count = (size_t)golden->layer_count + 1, found_count = (size_t)found->layer_count + 1;
    PS_TRY(PS_ALLOC(golden_count, &pair->layer_of, "matching of layers"));
    PS_TRY(PS_ALLOC(golden_count, &pair->renamed, "matching of layers"));
    PS_TRY(PS_ALLOC(found_count, &pair->layer_extra, "matching of layers"));
    PS_TRY(PS_ALLOC(found_count, &pair->names, "matching of layers"));
    for (int m = 0; m < found->layer_count; m++) {
        pair->names[m] = found->layers[m].name;
        pair->layer_extra[m] = true;
    }
    for (int l = 0; l < golden->layer_count; l++) {
        int m = l < found->layer_count && strcmp(golden->layers[l].name, found->layers[l].name) == 0
                    ? l
                    : layer_named(found, golden->layers[l].name);
        pair->renamed[l] = m < 0 && is_renamed(pair, l);
        if (pair->renamed[l]) m = l;
        pair->layer_of[l] = m;
        if (m < 0) continue;
        pair->layer_extra[m] = false;
        pair->names[m] = golden->layers[l].name;
    }
    return PS_OK;
}

ps_status ps_trace_pair_open(const char *golden, const char *found, long long first_steps, ps_trace_pair *pair) {
    *pair = (ps_trace_pair){0};
    PS_TRY(ps_check_trace_read(golden, first_steps, &pair->golden));
    PS_TRY(ps_check_trace_read(found, first_steps, &pair->found));
    PS_TRY(match_layers(pair));
    PS_TRY(ps_check_trace_index(&pair->golden, NULL));
    return ps_check_trace_index(&pair->found, pair->names);
}

void ps_trace_pair_close(ps_trace_pair *pair) {
    ps_check_trace_clear(&pair->golden);
    ps_check_trace_clear(&pair->found);
    ps_free(pair->layer_of);
    ps_free(pair->renamed);
    ps_free(pair->layer_extra);
    ps_free(pair->names);
}

/* ---- order ---- */

typedef struct {
    size_t *found, *golden; /* per matched record, in golden order: its index on either side */
    size_t *tails, *before; /* of the longest increasing chain */
    bool *in_chain;
    size_t count;
} chain;

static ps_status allocate_chain(chain *c, size_t room) {
    PS_TRY(PS_ALLOC(room, &c->found, "order of records"));
    PS_TRY(PS_ALLOC(room, &c->golden, "order of records"));
    PS_TRY(PS_ALLOC(room, &c->tails, "order of records"));
    PS_TRY(PS_ALLOC(room, &c->before, "order of records"));
    return PS_ALLOC(room, &c->in_chain, "order of records");
}

static void clear_chain(chain *c) {
    ps_free(c->found);
    ps_free(c->golden);
    ps_free(c->tails);
    ps_free(c->before);
    ps_free(c->in_chain);
}

/* The longest increasing subsequence (Schensted 1961): the most records that keep their order; the others are the
 * fewest that must have moved. */
static void find_chain(chain *c) {
    size_t length = 0;
    for (size_t i = 0; i < c->count; i++) {
        size_t low = 0, high = length;
        while (low < high) {
            size_t middle = (low + high) / 2;
            if (c->found[c->tails[middle]] < c->found[i]) low = middle + 1;
            else high = middle;
        }
        c->before[i] = low > 0 ? c->tails[low - 1] : SIZE_MAX;
        c->tails[low] = i;
        if (low == length) length++;
    }
    for (size_t i = length > 0 ? c->tails[length - 1] : SIZE_MAX; i != SIZE_MAX; i = c->before[i])
        c->in_chain[i] = true;
}

static ps_status report_moved(const ps_trace_pair *pair, const chain *c, const ps_pair_visitor *visitor) {
    for (size_t i = 0; i < c->count; i++) {
        if (c->in_chain[i]) continue;
        ps_pair_place place = {&pair->golden.records[c->golden[i]], &pair->found.records[c->found[i]]};
        char message[400];
        const char *now = c->found[i] > 0 ? pair->found.records[c->found[i] - 1].key : "header";
        const char *then = c->golden[i] > 0 ? pair->golden.records[c->golden[i] - 1].key : "header";
        snprintf(message, sizeof message,
                 "record \"%.100s\" stands behind \"%.100s\", in the golden trace behind \"%.100s\"", place.golden->key,
                 now, then);
        PS_TRY(visitor->trouble(visitor->context, PS_CHECK_FINDING_REORDERED_RECORD, &place, NULL, message));
    }
    return PS_OK;
}

static ps_status report_unmatched(const ps_check_trace *own, const ps_check_trace *other, ps_check_finding_kind kind,
                                  const ps_pair_visitor *visitor) {
    for (size_t i = 0; i < own->count; i++) {
        const ps_check_record *record = &own->records[i];
        if (ps_check_trace_find(other, record->key) != NULL) continue;
        char message[200];
        bool missing = kind == PS_CHECK_FINDING_MISSING_RECORD;
        ps_pair_place place = {missing ? record : NULL, missing ? NULL : record};
        snprintf(message, sizeof message, "record \"%.120s\" is %s", record->key,
                 missing ? "missing" : "extra: the golden trace has none");
        PS_TRY(visitor->trouble(visitor->context, kind, &place, NULL, message));
    }
    return PS_OK;
}

ps_status ps_trace_pair_structure(const ps_trace_pair *pair, const ps_pair_visitor *visitor) {
    chain c = {0};
    ps_status status = PS_OK;
    PS_TRY_CLEANUP(report_unmatched(&pair->golden, &pair->found, PS_CHECK_FINDING_MISSING_RECORD, visitor));
    PS_TRY_CLEANUP(report_unmatched(&pair->found, &pair->golden, PS_CHECK_FINDING_EXTRA_RECORD, visitor));
    PS_TRY_CLEANUP(allocate_chain(&c, pair->golden.count + 1));
    for (size_t i = 0; i < pair->golden.count; i++) {
        const ps_check_record *found = ps_check_trace_find(&pair->found, pair->golden.records[i].key);
        if (found == NULL) continue;
        c.golden[c.count] = i;
        c.found[c.count++] = (size_t)(found - pair->found.records);
    }
    find_chain(&c);
    status = report_moved(pair, &c, visitor);
cleanup:
    clear_chain(&c);
    return status;
}

/* ---- values ---- */

static bool is_identity(const char *key) {
    /* These are in the record's key already (a layer perhaps under another name). */
    return strcmp(key, PS_TRACE_TYPE) == 0 || strcmp(key, PS_KEY(WINDOW, layer)) == 0;
}

static ps_status pair_objects(const ps_pair_place *place, const char *type, const cJSON *expected, const cJSON *found,
                              const ps_pair_visitor *visitor);

static ps_status pair_member(const ps_pair_place *place, const char *type, const cJSON *expected, const cJSON *found,
                             const ps_pair_visitor *visitor) {
    char quantity[160];
    if (cJSON_IsObject(expected) && cJSON_IsObject(found)) return pair_objects(place, type, expected, found, visitor);
    snprintf(quantity, sizeof quantity, "%.60s.%.90s", type, expected->string);
    return visitor->value(visitor->context, place, quantity, expected, found);
}

static const cJSON *twin_of(const cJSON *guess, const cJSON *object, const char *key) {
    if (guess != NULL && strcmp(guess->string, key) == 0) return guess;
    return cJSON_GetObjectItemCaseSensitive(object, key);
}

static ps_status pair_objects(const ps_pair_place *place, const char *type, const cJSON *expected, const cJSON *found,
                              const ps_pair_visitor *visitor) {
    const cJSON *item, *guess = found->child;
    char quantity[160];
    cJSON_ArrayForEach(item, expected) {
        if (is_identity(item->string)) continue;
        const cJSON *twin = twin_of(guess, found, item->string);
        guess = twin != NULL ? twin->next : guess;
        snprintf(quantity, sizeof quantity, "%.60s.%.90s", type, item->string);
        if (twin != NULL) PS_TRY(pair_member(place, type, item, twin, visitor));
        else
            PS_TRY(visitor->trouble(visitor->context, PS_CHECK_FINDING_MISSING_VALUE, place, quantity,
                                    "is not in the record"));
    }
    cJSON_ArrayForEach(item, found) {
        if (is_identity(item->string) || cJSON_GetObjectItemCaseSensitive(expected, item->string) != NULL) continue;
        snprintf(quantity, sizeof quantity, "%.60s.%.90s", type, item->string);
        PS_TRY(visitor->trouble(visitor->context, PS_CHECK_FINDING_EXTRA_VALUE, place, quantity,
                                "is not in the golden record"));
    }
    return PS_OK;
}

ps_status ps_trace_pair_values(const ps_pair_place *place, const ps_pair_visitor *visitor) {
    cJSON *expected, *found = NULL;
    ps_status status = ps_json_try(place->golden->text, &expected);
    if (status == PS_OK) status = ps_json_try(place->found->text, &found);
    if (status != PS_OK) {
        /* said already */
    } else if (expected == NULL || found == NULL) {
        status = ps_fail(PS_ERR_INPUT, "record \"%s\" (line %llu and golden line %llu) is not JSON that can be read",
                         place->golden->key, (unsigned long long)place->found->line,
                         (unsigned long long)place->golden->line);
    } else {
        const char *type = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(expected, PS_TRACE_TYPE));
        status = pair_objects(place, type != NULL ? type : "?", expected, found, visitor);
    }
    cJSON_Delete(expected);
    cJSON_Delete(found);
    return status;
}

/* ---- nodes on the edge ---- */

/* A member of the same object. cJSON's lists have prev of the first lead to the last, whose next is NULL. */
static const cJSON *member_beside(const cJSON *item, const char *name) {
    while (item->prev != NULL && item->prev->next != NULL) item = item->prev;
    while (item != NULL && (item->string == NULL || strcmp(item->string, name) != 0)) item = item->next;
    return item;
}

static double number_beside(const cJSON *item, const char *name, int channel) {
    const cJSON *array = member_beside(item, name), *value = cJSON_GetArrayItem(array, channel);
    return cJSON_IsNumber(value) ? value->valuedouble : NAN;
}

bool ps_pair_on_edge(const char *quantity, const cJSON *expected, const cJSON *found, int channel) {
    const cJSON *sides[] = {expected, found};
    bool edge = false;
    if (strncmp(quantity, "probe.", 6) == 0 && strcmp(quantity + 6, ps_quantity_name(PS_Q_nonzero_eval)) == 0)
        return false;
    for (int i = 0; i < 2; i++) {
        double low = number_beside(sides[i], ps_quantity_name(PS_Q_pre_max_low), channel),
               high = number_beside(sides[i], ps_quantity_name(PS_Q_pre_max_high), channel);
        if (isnan(low) || isnan(high)) return false;
        edge = edge || ps_node_state_of(NAN, low, high) == PS_NODE_EDGE;
    }
    return edge;
}
