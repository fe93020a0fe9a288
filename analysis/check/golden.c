#include "analysis/check/golden.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/check/golden_header.h"
#include "analysis/check/pair_records.h"
#include "core/file.h"
#include "core/json.h"
#include "core/memory.h"

typedef struct {
    char *quantity;
    int result;
    uint64_t both_nan, on_edge;
    ps_tolerance allowed; /* zeros: exact */
    bool exact;           /* no tolerance was given */
    bool tells_death;     /* 0 against anything else is no matter of tolerance */
} quantity_state;

/* What is counted for "how much of it matched": a step, a window, a probing, each with all its records. */
typedef struct {
    ps_record_type type;
    double number;
    bool failed;
} unit;

typedef struct {
    ps_trace_pair pair;
    ps_check_suite *suite;
    const ps_tolerances *tolerances;
    int structure; /* result of missing, extra and reordered records */
    quantity_state *quantities;
    size_t quantity_count, quantity_capacity;
    unit *units;
    size_t unit_count, unit_capacity;
    bool record_failed; /* of the pair of records at hand */
    /* of the arrays at hand, which a value of a channel stands in; NULL: a single value */
    const cJSON *expected, *found;
} comparison;

/* ---- one value ---- */

typedef enum { VALUE_NUMBER, VALUE_SPECIAL, VALUE_TEXT, VALUE_OTHER } value_class;

/* NaN, infinity and null stand apart from numbers: no tolerance reaches them. */
static value_class class_of(const cJSON *item) {
    if (cJSON_IsNumber(item)) return VALUE_NUMBER;
    if (cJSON_IsNull(item)) return VALUE_SPECIAL;
    if (!cJSON_IsString(item)) return VALUE_OTHER;
    const char *text = item->valuestring;
    return strcmp(text, "NaN") == 0 || strcmp(text, "Infinity") == 0 || strcmp(text, "-Infinity") == 0 ? VALUE_SPECIAL
                                                                                                       : VALUE_TEXT;
}

/* The shortest of 9 and 17 digits that reads back as the same number. */
static const char *print_value(const cJSON *item, char *buffer, size_t size) {
    if (cJSON_IsNumber(item)) {
        snprintf(buffer, size, "%.9g", item->valuedouble);
        if (strtod(buffer, NULL) != item->valuedouble) snprintf(buffer, size, "%.17g", item->valuedouble);
    } else if (cJSON_IsString(item)) {
        snprintf(buffer, size, "%s", item->valuestring);
    } else {
        snprintf(buffer, size, "%s",
                 cJSON_IsNull(item)     ? "null"
                 : cJSON_IsArray(item)  ? "an array"
                 : cJSON_IsObject(item) ? "an object"
                 : cJSON_IsTrue(item)   ? "true"
                                        : "false");
    }
    return buffer;
}

static ps_status add_finding(comparison *c, ps_check_finding *finding, const ps_pair_place *place, int channel) {
    const ps_check_record *record = place->golden != NULL ? place->golden : place->found;
    char node[300];
    if (record->layer >= 0) {
        const ps_trace_header *header = place->golden != NULL ? c->pair.golden.header : c->pair.found.header;
        const char *layer = header->layers[record->layer].name;
        finding->layer = layer;
        if (channel >= 0) snprintf(node, sizeof node, "%.280s:%d", layer, channel);
        else snprintf(node, sizeof node, "%.280s", layer);
        finding->node = node;
    }
    finding->record = record->key;
    finding->step = ps_is_absent(record->step) ? -1 : record->step;
    finding->window = record->type == PS_RECORD_WINDOW ? record->window : -1;
    finding->line = place->found != NULL ? place->found->line : 0;
    finding->golden_line = place->golden != NULL ? place->golden->line : 0;
    c->record_failed = true;
    return ps_check_suite_add_finding(c->suite, finding);
}

static bool is_flip(const quantity_state *q, double expected, double found) {
    return q->tells_death && (expected == 0) != (found == 0);
}

/* What rounding decides is no difference of state: with a tolerance it is counted, without one it is a value that is
 * not the same. */
static bool is_edge(const comparison *c, const quantity_state *q, int channel) {
    return channel >= 0 && c->expected != NULL && ps_pair_on_edge(q->quantity, c->expected, c->found, channel);
}

static ps_status value_differs(comparison *c, const ps_pair_place *place, const quantity_state *q, int channel,
                               const cJSON *expected, const cJSON *found) {
    value_class left = class_of(expected), right = class_of(found);
    bool special = left == VALUE_SPECIAL || right == VALUE_SPECIAL;
    ps_check_finding finding = ps_check_finding_make(special         ? PS_CHECK_FINDING_NAN
                                                     : left == right ? PS_CHECK_FINDING_VALUE
                                                                     : PS_CHECK_FINDING_KIND,
                                                     q->result, NULL);
    char texts[2][128];
    finding.quantity = q->quantity;
    finding.expected = print_value(expected, texts[0], sizeof texts[0]);
    finding.found = print_value(found, texts[1], sizeof texts[1]);
    if (left == VALUE_NUMBER && right == VALUE_NUMBER) {
        finding.absolute_error = fabs(found->valuedouble - expected->valuedouble);
        finding.relative_error = ps_relative_error(expected->valuedouble, found->valuedouble);
        finding.absolute_allowed = q->allowed.absolute;
        finding.relative_allowed = q->allowed.relative;
        if (is_flip(q, expected->valuedouble, found->valuedouble))
            finding.message = is_edge(c, q, channel) ? "on the edge, where rounding decides: no difference of state"
                                                     : "dead in one trace only";
    }
    return add_finding(c, &finding, place, channel);
}

static bool is_within(const quantity_state *q, double expected, double found) {
    return expected == found || (!is_flip(q, expected, found) && fabs(found - expected) <= q->allowed.absolute &&
                                 ps_relative_error(expected, found) <= q->allowed.relative);
}

static bool is_same(quantity_state *q, const cJSON *expected, const cJSON *found) {
    value_class left = class_of(expected);
    if (left != class_of(found)) return false;
    if (left == VALUE_NUMBER) return is_within(q, expected->valuedouble, found->valuedouble);
    if (left == VALUE_SPECIAL && cJSON_IsString(expected) && cJSON_IsString(found) &&
        strcmp(expected->valuestring, "NaN") == 0)
        q->both_nan += strcmp(found->valuestring, "NaN") == 0;
    return cJSON_Compare(expected, found, true);
}

static ps_status compare_value(comparison *c, const ps_pair_place *place, quantity_state *q, int channel,
                               const cJSON *expected, const cJSON *found) {
    c->suite->results[q->result].compared++;
    if (!q->exact && cJSON_IsNumber(expected) && cJSON_IsNumber(found) &&
        is_flip(q, expected->valuedouble, found->valuedouble) && is_edge(c, q, channel)) {
        q->on_edge++;
        return PS_OK;
    }
    return is_same(q, expected, found) ? PS_OK : value_differs(c, place, q, channel, expected, found);
}

/* ---- one quantity of one record ---- */

static ps_status quantity_at(comparison *c, const char *name, quantity_state **out) {
    for (size_t i = 0; i < c->quantity_count; i++)
        if (strcmp(c->quantities[i].quantity, name) == 0) {
            *out = &c->quantities[i];
            return PS_OK;
        }
    char result[200];
    PS_TRY(PS_GROW(&c->quantities, &c->quantity_capacity, c->quantity_count + 1, "quantities"));
    *out = &c->quantities[c->quantity_count++];
    const ps_tolerance *allowed = ps_tolerances_find(c->tolerances, name);
    if (allowed != NULL) (*out)->allowed = *allowed;
    (*out)->exact = allowed == NULL;
    (*out)->tells_death = ps_tolerance_tells_death(name);
    snprintf(result, sizeof result, "golden %s", name);
    PS_TRY(ps_check_suite_add_result(c->suite, result, &(*out)->result));
    return ps_string_copy(name, &(*out)->quantity);
}

static ps_status visit_trouble(void *context, ps_check_finding_kind kind, const ps_pair_place *place,
                               const char *quantity, const char *message) {
    comparison *c = context;
    ps_check_finding finding = ps_check_finding_make(kind, c->structure, message);
    finding.quantity = quantity;
    return add_finding(c, &finding, place, -1);
}

static ps_status compare_arrays(comparison *c, const ps_pair_place *place, quantity_state *q, const cJSON *expected,
                                const cJSON *found) {
    const cJSON *left = expected->child, *right = found->child;
    int channel = 0;
    c->expected = expected;
    c->found = found;
    for (; left != NULL && right != NULL; left = left->next, right = right->next)
        PS_TRY(compare_value(c, place, q, channel++, left, right));
    c->expected = c->found = NULL;
    if (left == right) return PS_OK; /* both at their end */
    char message[128];
    snprintf(message, sizeof message, "has %d values, in the golden record %d", cJSON_GetArraySize(found),
             cJSON_GetArraySize(expected));
    return visit_trouble(c, left != NULL ? PS_CHECK_FINDING_MISSING_VALUE : PS_CHECK_FINDING_EXTRA_VALUE, place,
                         q->quantity, message);
}

static ps_status visit_value(void *context, const ps_pair_place *place, const char *quantity, const cJSON *expected,
                             const cJSON *found) {
    comparison *c = context;
    quantity_state *q;
    PS_TRY(quantity_at(c, quantity, &q));
    if (cJSON_IsArray(expected) && cJSON_IsArray(found)) return compare_arrays(c, place, q, expected, found);
    return compare_value(c, place, q, -1, expected, found);
}

/* ---- the whole ---- */

static double unit_number(const ps_check_record *record) {
    return record->type == PS_RECORD_WINDOW ? record->window : record->step;
}

/* Records of one unit stand together in a golden trace. */
static ps_status unit_at(comparison *c, const ps_check_record *record, unit **out) {
    double number = unit_number(record);
    *out = NULL;
    if (record->type != PS_RECORD_STEP && record->type != PS_RECORD_WINDOW && record->type != PS_RECORD_PROBE)
        return PS_OK;
    unit *last = c->unit_count > 0 ? &c->units[c->unit_count - 1] : NULL;
    if (last == NULL || last->type != record->type || last->number != number) {
        PS_TRY(PS_GROW(&c->units, &c->unit_capacity, c->unit_count + 1, "steps of a trace"));
        last = &c->units[c->unit_count++];
        last->type = record->type;
        last->number = number;
    }
    *out = last;
    return PS_OK;
}

static ps_status compare_records(comparison *c, const ps_pair_visitor *visitor) {
    for (size_t i = 0; i < c->pair.golden.count; i++) {
        ps_pair_place place = {&c->pair.golden.records[i], NULL};
        unit *own;
        PS_TRY(unit_at(c, place.golden, &own));
        place.found = ps_check_trace_find(&c->pair.found, place.golden->key);
        c->record_failed = place.found == NULL;
        if (place.found != NULL) PS_TRY(ps_trace_pair_values(&place, visitor));
        if (own != NULL) own->failed = own->failed || c->record_failed;
    }
    return PS_OK;
}

typedef struct {
    int all, matched;
} coverage;

static coverage count_units(const comparison *c, ps_record_type type) {
    coverage count = {0, 0};
    for (size_t i = 0; i < c->unit_count; i++) {
        if (c->units[i].type != type) continue;
        count.all++;
        count.matched += !c->units[i].failed;
    }
    return count;
}

static const char *machine_text(const ps_trace_header *header, const char *object, const char *key) {
    const cJSON *machine = cJSON_GetObjectItemCaseSensitive(header->document, PS_KEY(HEADER, machine));
    if (object != NULL) machine = cJSON_GetObjectItemCaseSensitive(machine, object);
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(machine, key));
    return text != NULL ? text : "";
}

/* Other kernels round otherwise: what looks like a changed training may be another machine. */
static void say_machines(const comparison *c, char *text, size_t size) {
    static const char *const objects[] = {NULL, NULL, "library"}, *const keys[] = {"simd", "class", "blas"};
    static const char *const names[] = {"instruction set", "processor class", "OpenBLAS"};
    bool any = false;
    text[0] = '\0';
    for (int i = 0; i < 3; i++) {
        if (i == 1 && any) continue; /* of two instruction sets the classes differ, too */
        const char *then = machine_text(c->pair.golden.header, objects[i], keys[i]);
        const char *now = machine_text(c->pair.found.header, objects[i], keys[i]);
        if (then[0] == '\0' || now[0] == '\0' || strcmp(then, now) == 0) continue;
        size_t used = strlen(text);
        snprintf(text + used, size - used, "; %s: %.60s in the golden trace, %.60s in this one", names[i], then, now);
        any = true;
    }
    size_t used = strlen(text);
    if (any)
        snprintf(text + used, size - used,
                 ", so values round otherwise: measure tolerances with --calibrate from runs of both, and give them by "
                 "--tolerance");
}

static ps_status check_coverage(comparison *c, long long first_steps) {
    int result;
    char message[1400], limit[64] = "", machines[960] = "";
    coverage steps = count_units(c, PS_RECORD_STEP), windows = count_units(c, PS_RECORD_WINDOW),
             probes = count_units(c, PS_RECORD_PROBE);
    if (first_steps > 0) snprintf(limit, sizeof limit, " of the first %lld steps", first_steps);
    bool complete = steps.matched == steps.all && windows.matched == windows.all && probes.matched == probes.all;
    if (!complete) say_machines(c, machines, sizeof machines);
    snprintf(message, sizeof message, "%d of %d steps (%.4g %%), %d of %d windows, %d of %d probings matched%s%s%s",
             steps.matched, steps.all, steps.all > 0 ? 100.0 * steps.matched / steps.all : 100.0, windows.matched,
             windows.all, probes.matched, probes.all, limit, c->pair.found.cut ? "; the trace ends within a line" : "",
             machines);
    PS_TRY(ps_check_suite_add_result(c->suite, "golden coverage", &result));
    PS_TRY(ps_check_suite_set_detail(c->suite, result, "%s", message));
    if (complete && !(c->pair.found.cut && first_steps == 0)) return PS_OK;
    ps_check_finding finding = ps_check_finding_make(PS_CHECK_FINDING_PARTIAL, result, message);
    return ps_check_suite_add_finding(c->suite, &finding);
}

static ps_status note_apart(comparison *c) {
    for (size_t i = 0; i < c->quantity_count; i++) {
        const quantity_state *q = &c->quantities[i];
        if (q->both_nan > 0)
            PS_TRY(ps_check_suite_set_detail(c->suite, q->result, "%llu of them NaN in both traces",
                                             (unsigned long long)q->both_nan));
        if (q->on_edge > 0)
            PS_TRY(ps_check_suite_set_detail(c->suite, q->result,
                                             "%llu of them 0 in one trace only, of nodes on the edge: rounding decides "
                                             "there, which is no difference of state",
                                             (unsigned long long)q->on_edge));
    }
    return PS_OK;
}

/* Fewer golden steps than were to be compared would leave the rest unchecked without a word. */
static ps_status check_golden(const ps_check_trace *golden, long long first_steps) {
    long long steps = 0;
    for (size_t i = 0; i < golden->count; i++) steps += golden->records[i].type == PS_RECORD_STEP;
    if (golden->count == 0) return ps_fail(PS_ERR_INPUT, "%s: has no records to compare with", golden->header->path);
    if (golden->cut)
        return ps_fail(PS_ERR_INPUT, "%s: ends within a line, so it is no golden trace; bless a finished run",
                       golden->header->path);
    if (steps < first_steps)
        return ps_fail(PS_ERR_INPUT,
                       "%s: has %lld steps, and %lld were to be compared; give --first-steps %lld or less",
                       golden->header->path, steps, first_steps, steps);
    return PS_OK;
}

static void clear_comparison(comparison *c) {
    for (size_t i = 0; i < c->quantity_count; i++) free(c->quantities[i].quantity);
    ps_free_array(c->quantities);
    ps_free_array(c->units);
    ps_trace_pair_close(&c->pair);
}

ps_status ps_golden_compare(const char *trace, const char *golden, const ps_tolerances *tolerances,
                            long long first_steps, ps_check_suite *suite) {
    comparison c = {.suite = suite, .tolerances = tolerances};
    ps_pair_visitor visitor = {&c, visit_value, visit_trouble};
    ps_status status;
    PS_TRY_CLEANUP(ps_trace_pair_open(golden, trace, first_steps, &c.pair));
    PS_TRY_CLEANUP(check_golden(&c.pair.golden, first_steps));
    PS_TRY_CLEANUP(ps_golden_compare_headers(&c.pair, first_steps > 0, suite));
    PS_TRY_CLEANUP(ps_check_suite_add_result(suite, "golden records", &c.structure));
    PS_TRY_CLEANUP(ps_trace_pair_structure(&c.pair, &visitor));
    PS_TRY_CLEANUP(compare_records(&c, &visitor));
    PS_TRY_CLEANUP(note_apart(&c));
    status = check_coverage(&c, first_steps);
cleanup:
    clear_comparison(&c);
    return status;
}

/* ---- bless ---- */

static bool is_finished(const ps_check_trace *trace) {
    bool ended = false;
    for (size_t i = 0; i < trace->count; i++) ended = ended || trace->records[i].type == PS_RECORD_END;
    return ended && !trace->cut;
}

ps_status ps_golden_bless(const char *trace, const char *golden, uint64_t *records) {
    ps_check_trace content;
    ps_file_writer writer;
    *records = 0;
    ps_status status = ps_check_trace_read(trace, 0, &content);
    if (status == PS_OK && !is_finished(&content))
        status = ps_fail(PS_ERR_INPUT, "%s: %s; bless a finished run", content.header->path,
                         content.cut ? "ends within a line" : "has no end record, so the run was cut off or goes on");
    if (status == PS_OK) status = ps_file_writer_open(&writer, golden);
    if (status == PS_OK) {
        char *header;
        status = ps_json_text(content.header->document, &header);
        if (status == PS_OK) fprintf(writer.stream, "%s\n", header);
        for (size_t i = 0; i < content.count; i++) fprintf(writer.stream, "%s\n", content.records[i].text);
        *records = content.count;
        cJSON_free(header);
        if (status == PS_OK) status = ps_file_writer_commit(&writer);
        else ps_file_writer_discard(&writer);
    }
    ps_check_trace_clear(&content);
    return status;
}
