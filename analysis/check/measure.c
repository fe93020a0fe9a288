/* Deviations between repeated runs, for tolerances. */
#include <math.h>
#include <string.h>

#include "analysis/check/golden.h"
#include "analysis/check/pair_records.h"

typedef struct {
    ps_trace_pair pair;
    ps_tolerances *deviations;
} measurement;

static ps_status refuse(const measurement *m, const ps_pair_place *place, const char *what) {
    const ps_check_record *record = place->golden != NULL ? place->golden : place->found;
    return ps_fail(PS_ERR_INPUT,
                   "%s and %s: record \"%s\": %s; no tolerance covers that, so calibrate with runs of the same network "
                   "and schedule",
                   m->pair.golden.header->path, m->pair.found.header->path, record->key, what);
}

static bool is_flip(const ps_tolerance *entry, const cJSON *expected, const cJSON *found) {
    return ps_tolerance_tells_death(entry->quantity) && cJSON_IsNumber(expected) && cJSON_IsNumber(found) &&
           (expected->valuedouble == 0) != (found->valuedouble == 0);
}

/* edge: of a node that stands on the edge, where 0 against another count is no other state. */
static ps_status measure_value(const measurement *m, const ps_pair_place *place, ps_tolerance *entry,
                               const cJSON *expected, const cJSON *found, bool edge) {
    if (!cJSON_IsNumber(expected) || !cJSON_IsNumber(found))
        return cJSON_Compare(expected, found, true)
                   ? PS_OK
                   : refuse(m, place, "NaN, infinity, null or a text stands on one side only");
    double absolute = fabs(found->valuedouble - expected->valuedouble),
           relative = ps_relative_error(expected->valuedouble, found->valuedouble);
    entry->largest_absolute = fmax(entry->largest_absolute, absolute);
    entry->largest_relative = fmax(entry->largest_relative, relative);
    entry->magnitude = fmax(entry->magnitude, fmax(fabs(expected->valuedouble), fabs(found->valuedouble)));
    entry->values++;
    entry->differing += absolute > 0;
    entry->flips += !edge && is_flip(entry, expected, found);
    return PS_OK;
}

static ps_status visit_value(void *context, const ps_pair_place *place, const char *quantity, const cJSON *expected,
                             const cJSON *found) {
    measurement *m = context;
    ps_tolerance *entry;
    PS_TRY(ps_tolerances_at(m->deviations, quantity, &entry));
    if (!cJSON_IsArray(expected) || !cJSON_IsArray(found))
        return measure_value(m, place, entry, expected, found, false);
    const cJSON *left = expected->child, *right = found->child;
    for (int channel = 0; left != NULL && right != NULL; left = left->next, right = right->next, channel++) {
        bool edge = is_flip(entry, left, right) && ps_pair_on_edge(quantity, expected, found, channel);
        PS_TRY(measure_value(m, place, entry, left, right, edge));
    }
    return left == right ? PS_OK : refuse(m, place, "arrays of different lengths");
}

static bool is_event(const ps_pair_place *place) {
    const ps_check_record *record = place->golden != NULL ? place->golden : place->found;
    return record->type == PS_RECORD_EVENT;
}

static ps_status visit_trouble(void *context, ps_check_finding_kind kind, const ps_pair_place *place,
                               const char *quantity, const char *message) {
    (void)quantity;
    (void)kind;
    return is_event(place) ? PS_OK
                           : refuse(context, place, message); /* what happened to nodes may differ with the seed */
}

ps_status ps_golden_measure(const char *trace, const char *reference, long long first_steps,
                            ps_tolerances *deviations) {
    measurement m = {.deviations = deviations};
    ps_pair_visitor visitor = {&m, visit_value, visit_trouble};
    ps_status status;
    PS_TRY_CLEANUP(ps_trace_pair_open(reference, trace, first_steps, &m.pair));
    PS_TRY_CLEANUP(ps_trace_pair_structure(&m.pair, &visitor));
    for (size_t i = 0; i < m.pair.golden.count; i++) {
        ps_pair_place place = {&m.pair.golden.records[i], NULL};
        place.found = ps_check_trace_find(&m.pair.found, place.golden->key);
        if (place.found == NULL || is_event(&place)) continue;
        PS_TRY_CLEANUP(ps_trace_pair_values(&place, &visitor));
    }
cleanup:
    ps_trace_pair_close(&m.pair);
    return status;
}
