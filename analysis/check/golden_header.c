#include "analysis/check/golden_header.h"

#include <stdlib.h>
#include <string.h>

#include "core/json.h"

typedef struct {
    const ps_trace_pair *pair;
    ps_check_suite *suite;
    int result;
    bool part;
} header_check;

/* Keys that are no part of what the run is. The values behind paths are compared by their digests (pairing,
 * data.digest). */
static const struct {
    const char *path;
    bool only_in_part;
} left_out[] = {
    {"type", false},        {"version", false},      {"producer", false},         {"machine", false},
    {"layers", false},      {"quantities", false},   {"config.data", false},      {"config.graph", false},
    {"config.init", false}, {"config.fork", false},  {"data.source", false},      {"steps", true},
    {"config.steps", true}, {"pairing.steps", true}, {"config.eval_every", true}, {"config.checkpoint_every", false},
};

static bool is_left_out(const header_check *h, const char *path) {
    for (size_t i = 0; i < sizeof left_out / sizeof *left_out; i++)
        if (strcmp(left_out[i].path, path) == 0 && (h->part || !left_out[i].only_in_part)) return true;
    return false;
}

static ps_status add(const header_check *h, ps_check_finding_kind kind, const char *quantity, const char *node,
                     const cJSON *expected, const cJSON *found, const char *message) {
    ps_check_finding finding = ps_check_finding_make(kind, h->result, message);
    char *left = NULL, *right = NULL;
    ps_status status = PS_OK;
    PS_TRY_CLEANUP(ps_json_text(expected, &left));
    PS_TRY_CLEANUP(ps_json_text(found, &right));
    finding.quantity = quantity;
    finding.node = node;
    finding.layer = node;
    finding.expected = left;
    finding.found = right;
    finding.line = finding.golden_line = 1;
    status = ps_check_suite_add_finding(h->suite, &finding);
cleanup:
    cJSON_free(left);
    cJSON_free(right);
    return status;
}

static ps_status compare_items(const header_check *h, const char *path, const cJSON *expected, const cJSON *found) {
    const cJSON *item;
    if (is_left_out(h, path)) return PS_OK;
    if (found == NULL && strcmp(path, PS_KEY(HEADER, arm_is)) == 0) return PS_OK; /* a trace of version 1 */
    h->suite->results[h->result].compared++;
    if (found == NULL) return add(h, PS_CHECK_FINDING_HEADER, path, NULL, expected, NULL, "is missing in the header");
    if (!cJSON_IsObject(expected) || !cJSON_IsObject(found))
        return cJSON_Compare(expected, found, true)
                   ? PS_OK
                   : add(h, PS_CHECK_FINDING_HEADER, path, NULL, expected, found, NULL);
    cJSON_ArrayForEach(item, expected) {
        char inner[200];
        snprintf(inner, sizeof inner, "%.100s%s%.90s", path, path[0] != '\0' ? "." : "", item->string);
        PS_TRY(compare_items(h, inner, item, cJSON_GetObjectItemCaseSensitive(found, item->string)));
    }
    return PS_OK;
}

/* Names inside a layer follow from its own name, so one renamed layer is one finding, not one a reference. */
static bool is_name_key(const char *key) {
    static const char *const keys[] = {"name", "gate", "norm", "pool_skip", "inputs"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (strcmp(keys[i], key) == 0) return true;
    return false;
}

static ps_status compare_layer(const header_check *h, int l, const cJSON *expected, const cJSON *found,
                               bool renamed_any) {
    const char *name = h->pair->golden.header->layers[l].name;
    const cJSON *item;
    cJSON_ArrayForEach(item, expected) {
        const cJSON *twin = cJSON_GetObjectItemCaseSensitive(found, item->string);
        h->suite->results[h->result].compared++;
        if ((renamed_any && is_name_key(item->string)) || (twin != NULL && cJSON_Compare(item, twin, true))) continue;
        char path[120];
        snprintf(path, sizeof path, "layers.%.100s", item->string);
        PS_TRY(
            add(h, PS_CHECK_FINDING_HEADER, path, name, item, twin, twin == NULL ? "is missing in the header" : NULL));
    }
    return PS_OK;
}

static ps_status place_layer(const header_check *h, int l) {
    const ps_trace_header *golden = h->pair->golden.header, *found = h->pair->found.header;
    int m = h->pair->layer_of[l];
    char message[400];
    if (m < 0) {
        snprintf(message, sizeof message, "layer \"%.200s\" is missing", golden->layers[l].name);
        return add(h, PS_CHECK_FINDING_HEADER, "layers", golden->layers[l].name, NULL, NULL, message);
    }
    if (h->pair->renamed[l]) {
        snprintf(message, sizeof message, "layer \"%.150s\" is called \"%.150s\" now", golden->layers[l].name,
                 found->layers[m].name);
        return add(h, PS_CHECK_FINDING_RENAMED_LAYER, "layers", golden->layers[l].name, NULL, NULL, message);
    }
    if (m == l) return PS_OK;
    snprintf(message, sizeof message, "layer \"%.200s\" stands at place %d, in the golden trace at %d",
             golden->layers[l].name, m, l);
    return add(h, PS_CHECK_FINDING_HEADER, "layers", golden->layers[l].name, NULL, NULL, message);
}

static ps_status compare_layers(const header_check *h) {
    const ps_trace_header *golden = h->pair->golden.header, *found = h->pair->found.header;
    const cJSON *left = cJSON_GetObjectItemCaseSensitive(golden->document, PS_KEY(HEADER, layers)),
                *right = cJSON_GetObjectItemCaseSensitive(found->document, PS_KEY(HEADER, layers));
    bool renamed_any = false;
    for (int l = 0; l < golden->layer_count; l++) renamed_any = renamed_any || h->pair->renamed[l];
    for (int l = 0; l < golden->layer_count; l++) {
        PS_TRY(place_layer(h, l));
        int m = h->pair->layer_of[l];
        if (m >= 0) PS_TRY(compare_layer(h, l, cJSON_GetArrayItem(left, l), cJSON_GetArrayItem(right, m), renamed_any));
    }
    for (int m = 0; m < found->layer_count; m++) {
        char message[300];
        if (!h->pair->layer_extra[m]) continue;
        snprintf(message, sizeof message, "layer \"%.200s\" is extra: the golden trace has none",
                 found->layers[m].name);
        PS_TRY(add(h, PS_CHECK_FINDING_HEADER, "layers", found->layers[m].name, NULL, NULL, message));
    }
    return PS_OK;
}

ps_status ps_golden_compare_headers(const ps_trace_pair *pair, bool part, ps_check_suite *suite) {
    header_check h = {.pair = pair, .suite = suite, .part = part};
    PS_TRY(ps_check_suite_add_result(suite, "golden header", &h.result));
    PS_TRY(compare_items(&h, "", pair->golden.header->document, pair->found.header->document));
    return compare_layers(&h);
}
