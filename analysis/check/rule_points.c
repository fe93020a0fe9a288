/* What a term of a rule stands for: values of a trace with the step they count under. States of nodes come from the
 * run; everything else is read from the trace, so that quantities of other programs are found by their name, too. */
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "analysis/check/rule.h"
#include "analysis/fixed.h"
#include "core/memory.h"
#include "core/text.h"

typedef struct {
    ps_run *run;
    const ps_rule_term *term;
    ps_rule_points *out;
    bool *chosen;           /* per node */
    bool by_node, any;      /* a selector names nodes; some node is chosen */
    double *values, *norms; /* scratch for the channels of one layer */
} collector;

static ps_status add_point(ps_rule_points *out, double number, double value) {
    out->recorded = true;
    if (ps_is_absent(value)) return PS_OK;
    PS_TRY(PS_GROW(&out->points, &out->capacity, out->count + 1, "values of a rule"));
    out->points[out->count++] = (ps_rule_point){number, value};
    return PS_OK;
}

/* ---- selectors ---- */

static bool text_fits(const ps_rule_selector *selector, const char *text) {
    return selector->is_pattern ? regexec(&selector->pattern, text, 0, NULL, 0) == 0
                                : strcmp(selector->text, text) == 0;
}

static bool layer_fits(const ps_rule_term *term, const ps_trace_layer *layer) {
    for (int s = 0; s < term->selector_count; s++) {
        const ps_rule_selector *selector = &term->selectors[s];
        if (selector->kind == PS_SELECT_LAYER && !text_fits(selector, layer->name)) return false;
        if (selector->kind == PS_SELECT_STAGE && !text_fits(selector, layer->stage)) return false;
    }
    return true;
}

static bool node_fits(const ps_rule_term *term, const ps_trace_layer *layer, int channel) {
    char node[1024];
    bool named = false;
    for (int s = 0; s < term->selector_count; s++) {
        if (term->selectors[s].kind != PS_SELECT_NODE) continue;
        if (!named) snprintf(node, sizeof node, "%s:%d", layer->name, channel);
        named = true;
        if (!text_fits(&term->selectors[s], node)) return false;
    }
    return true;
}

/* Of states, nodes with a gate of their own, unless the rule says otherwise: by selectors, or by the series of all. */
static bool is_left_out(const collector *c, const ps_trace_layer *layer) {
    const ps_series_entry *entry = c->term->entry; /* NULL: a measure of the task, or a recorded quantity */
    if (entry != NULL && entry->source == PS_SOURCE_RATIO && layer->weight_frozen)
        return true; /* not inert by itself */
    bool of_states = entry != NULL && (entry->source == PS_SOURCE_STATE || entry->source == PS_SOURCE_FLOW);
    return layer->shared && of_states && c->term->selector_count == 0 && strcmp(entry->field, "ALL_DEAD") != 0;
}

static void choose(collector *c) {
    for (int s = 0; s < c->term->selector_count; s++)
        c->by_node = c->by_node || c->term->selectors[s].kind == PS_SELECT_NODE;
    for (int l = 0; l < c->run->layer_count; l++) {
        const ps_trace_layer *layer = &c->run->layers[l];
        bool fits = layer_fits(c->term, layer) && !is_left_out(c, layer);
        for (int channel = 0; fits && channel < layer->channels; channel++) {
            c->chosen[layer->first_node + channel] = node_fits(c->term, layer, channel);
            c->any = c->any || c->chosen[layer->first_node + channel];
        }
    }
}

/* ---- states ---- */

static const struct {
    const char *field;
    unsigned known, wanted;
    bool count;
} state_fields[] = {
    {"DEAD", PS_STATE_KNOWN | PS_STATE_EDGE, PS_STATE_DEAD, false}, /* of all nodes, those on the edge among them */
    {"DEAD_COUNT", PS_STATE_KNOWN | PS_STATE_EDGE, PS_STATE_DEAD, true},
    {"ALL_DEAD", PS_STATE_KNOWN | PS_STATE_EDGE, PS_STATE_DEAD, false},
    {"NEAR", PS_STATE_KNOWN | PS_STATE_EDGE, PS_STATE_NEAR, false},
    {"EDGE", PS_STATE_EDGE_KNOWN, PS_STATE_EDGE, false},
    {"EDGE_COUNT", PS_STATE_EDGE_KNOWN, PS_STATE_EDGE, true},
    {"EVAL_DEAD", PS_STATE_EVAL_KNOWN, PS_STATE_EVAL_DEAD, false},
};

/* A probing that met outputs which are not finite is no gap: where states are recorded its number is NaN, so that a
 * rule on the last one does not hold by the one before. */
static bool is_lost(const collector *c, int probe) {
    if (!c->run->probes[probe].blown || !c->any) return false;
    for (int p = 0; p < c->run->probe_count; p++)
        for (int node = 0; node < c->run->node_count; node++)
            if (ps_run_node_state(c->run, p, node) != 0) return true;
    return false;
}

static ps_status collect_state(collector *c) {
    size_t f = 0;
    while (strcmp(state_fields[f].field, c->term->entry->field) != 0) f++;
    for (int p = 0; p < c->run->probe_count; p++) {
        double known = 0, wanted = 0;
        if (is_lost(c, p)) PS_TRY(add_point(c->out, (double)c->run->probes[p].step - 1, NAN));
        for (int node = 0; node < c->run->node_count; node++) {
            unsigned state = ps_run_node_state(c->run, p, node);
            c->out->recorded = c->out->recorded || (state & state_fields[f].known) != 0;
            if (!c->chosen[node] || (state & state_fields[f].known) == 0) continue;
            known++;
            wanted += (state & state_fields[f].wanted) != 0;
        }
        if (known > 0)
            PS_TRY(
                add_point(c->out, (double)c->run->probes[p].step - 1, state_fields[f].count ? wanted : wanted / known));
    }
    return PS_OK;
}

static ps_status collect_flow(collector *c) {
    bool revivals = strcmp(c->term->entry->field, "REVIVALS") == 0;
    for (int p = 1; p < c->run->probe_count; p++) {
        double known = 0, count = 0;
        if (is_lost(c, p) || is_lost(c, p - 1)) PS_TRY(add_point(c->out, (double)c->run->probes[p].step - 1, NAN));
        for (int node = 0; node < c->run->node_count; node++) {
            unsigned before = ps_run_standing(c->run, p - 1, node), after = ps_run_standing(c->run, p, node);
            if (!ps_state_known(before) || !ps_state_known(after)) continue;
            c->out->recorded = true;
            if (!c->chosen[node]) continue;
            known++;
            count += revivals ? ps_state_dead(before) && !ps_state_dead(after)
                              : !ps_state_dead(before) && ps_state_dead(after);
        }
        if (known > 0) PS_TRY(add_point(c->out, (double)c->run->probes[p].step - 1, count));
    }
    return PS_OK;
}

/* ---- records ---- */

static ps_status find_value(const collector *c, const ps_trace_record *record, const char *name, const char **value) {
    const char *key, *at = record->values + 1;
    size_t length, wanted = strlen(name);
    bool done;
    *value = NULL;
    for (bool first = true;; first = false) {
        at = ps_scan_key(at, first, &key, &length, &done);
        if (at != NULL && done) return PS_OK;
        if (at != NULL && length == wanted && memcmp(key, name, length) == 0) {
            *value = at;
            return PS_OK;
        }
        if (at == NULL || (at = ps_scan_skip(at)) == NULL)
            return ps_fail(PS_ERR_INPUT, "%s:%llu: the object \"values\" is malformed", c->run->header->path,
                           (unsigned long long)record->line);
    }
}

/* One number a channel; *count is 1 for a quantity per layer, 0 where there is none. */
static ps_status read_values(const collector *c, const ps_trace_record *record, const char *name, double *values,
                             size_t *count) {
    const char *value;
    size_t channels = (size_t)c->run->layers[record->layer].channels;
    *count = 0;
    PS_TRY(find_value(c, record, name, &value));
    if (value == NULL) return PS_OK;
    if (*value == '[' && ps_scan_array(value, values, channels, count) != NULL && *count == channels) return PS_OK;
    *count = 1;
    if (*value != '[' && ps_scan_number(value, values) != NULL) return PS_OK;
    return ps_fail(PS_ERR_INPUT, "%s:%llu: \"%s\" must be one number, or one for each of %zu channels",
                   c->run->header->path, (unsigned long long)record->line, name, channels);
}

static double number_of(const ps_trace_record *record) {
    return record->type == PS_RECORD_WINDOW ? record->last : record->step - 1;
}

static ps_status take_quantity(collector *c, const ps_trace_record *record) {
    size_t count;
    if (record->values == NULL || record->layer < 0) return PS_OK;
    const ps_trace_layer *layer = &c->run->layers[record->layer];
    const char *value;
    PS_TRY(read_values(c, record, c->term->name, c->values, &count));
    if (count == 0) return PS_OK;
    c->out->recorded = true;
    PS_TRY(find_value(c, record, c->term->name, &value));
    if (*value == '[') {
        for (int i = 0; i < layer->channels; i++)
            if (c->chosen[layer->first_node + i]) PS_TRY(add_point(c->out, number_of(record), c->values[i]));
        return PS_OK;
    }
    return layer_fits(c->term, layer) && !c->by_node ? add_point(c->out, number_of(record), c->values[0]) : PS_OK;
}

static ps_status take_ratio(collector *c, const ps_trace_record *record) {
    size_t paths, norms;
    if (record->type != PS_RECORD_WINDOW) return PS_OK;
    const ps_trace_layer *layer = &c->run->layers[record->layer];
    PS_TRY(read_values(c, record, "path_gradient", c->values, &paths));
    PS_TRY(read_values(c, record, "weight_start_l2", c->norms, &norms));
    if (paths != (size_t)layer->channels || norms != paths) return PS_OK;
    c->out->recorded = true;
    for (int i = 0; i < layer->channels; i++) {
        if (!c->chosen[layer->first_node + i] || ps_is_absent(c->values[i]) || ps_is_absent(c->norms[i])) continue;
        if (c->norms[i] == 0) continue; /* weights of nothing but 0: how far they move beside their norm is undefined */
        PS_TRY(add_point(c->out, record->last, c->values[i] / c->norms[i]));
    }
    return PS_OK;
}

static const struct {
    const char *name;
    size_t offset;
} fields[] = {
#define FIELD(name) {#name, offsetof(ps_trace_record, name)}
    FIELD(loss), FIELD(lr), FIELD(grad_norm), FIELD(grad_norm_module), FIELD(clip), FIELD(clip_module),
#undef FIELD
};

static double field_of(const ps_trace_record *record, const char *name) {
    size_t f = 0;
    while (strcmp(fields[f].name, name) != 0) f++;
    return *(const double *)((const char *)record + fields[f].offset);
}

static ps_status take_field(collector *c, const ps_trace_record *record) {
    bool eval = c->term->entry->source == PS_SOURCE_EVAL;
    if (record->type != (eval ? PS_RECORD_EVAL : PS_RECORD_STEP)) return PS_OK;
    if (eval && strcmp(record->split, "test") != 0) return PS_OK;
    double value = field_of(record, c->term->entry->field);
    return ps_is_absent(value) ? PS_OK : add_point(c->out, eval ? record->step - 1 : record->step, value);
}

/* Which measure of the task the term names, -1: none. */
static int measure_of(const collector *c) {
    const ps_trace_task *task = &c->run->header->task;
    for (int m = 0; c->term->entry == NULL && m < task->measures; m++)
        if (strcmp(task->measure[m].name, c->term->name) == 0) return m;
    return -1;
}

static ps_status take_measure(collector *c, const ps_trace_record *record) {
    if (record->type != PS_RECORD_EVAL || strcmp(record->split, "test") != 0) return PS_OK;
    double value = record->measured[measure_of(c)];
    return ps_is_absent(value) ? PS_OK : add_point(c->out, record->step - 1, value);
}

static ps_status take_nonfinite(collector *c, const ps_trace_record *record) {
    c->out->points[0].value += ps_trace_record_is_event(record, PS_EVENT_NONFINITE);
    return PS_OK;
}

typedef ps_status take_record(collector *c, const ps_trace_record *record);

static ps_status read_trace(collector *c, take_record *take) {
    ps_trace_reader *reader;
    ps_trace_record record;
    bool more = true;
    PS_TRY(ps_trace_reader_open(c->run->header->path, &reader));
    ps_status status = PS_OK;
    while (status == PS_OK && more) {
        status = ps_trace_reader_next(reader, &record, &more);
        if (status == PS_OK && more) status = take(c, &record);
    }
    ps_trace_reader_destroy(reader);
    return status;
}

/* Nodes of one window stand together in a window's records, so their shares can be counted in one go. */
static ps_status share_of_inert(ps_rule_points *out) {
    size_t kept = 0;
    for (size_t i = 0; i < out->count;) {
        size_t end = i, inert = 0, nan = 0;
        for (; end < out->count && out->points[end].number == out->points[i].number; end++) {
            inert += out->points[end].value < PS_FIXED_INERT;
            nan += isnan(out->points[end].value) != 0;
        }
        double share = nan > 0 ? NAN : (double)inert / (double)(end - i);
        out->points[kept++] = (ps_rule_point){out->points[i].number, share};
        i = end;
    }
    out->count = kept;
    return PS_OK;
}

/* ---- the run as a whole ---- */

static ps_status collect_run(collector *c) {
    const ps_run *run = c->run;
    const struct {
        const char *field;
        double value;
    } values[] = {{"STEPS", (double)run->steps_done},
                  {"NODES", run->node_count},
                  {"FINISHED", run->status == PS_RUN_FINISHED || run->status == PS_RUN_NONFINITE},
                  {"DIVERGED", run->status == PS_RUN_DIVERGED},
                  {"NONFINITE", 0}};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        if (strcmp(values[i].field, c->term->entry->field) == 0)
            PS_TRY(add_point(c->out, (double)run->steps_done - 1, values[i].value));
    return strcmp(c->term->entry->field, "NONFINITE") == 0 ? read_trace(c, take_nonfinite) : PS_OK;
}

static ps_status collect_source(collector *c) {
    c->out->is_measure = measure_of(c) >= 0;
    if (c->out->is_measure) return read_trace(c, take_measure);
    switch (c->term->entry == NULL ? PS_SOURCE_QUANTITY : c->term->entry->source) {
        case PS_SOURCE_STEP:
        case PS_SOURCE_EVAL: return read_trace(c, take_field);
        case PS_SOURCE_STATE: return collect_state(c);
        case PS_SOURCE_FLOW: return collect_flow(c);
        case PS_SOURCE_RUN: return collect_run(c);
        case PS_SOURCE_QUANTITY: return read_trace(c, take_quantity);
        case PS_SOURCE_RATIO:
            PS_TRY(read_trace(c, take_ratio));
            return strcmp(c->term->entry->field, "SHARE") == 0 ? share_of_inert(c->out) : PS_OK;
    }
    return PS_OK;
}

static void nearest_name(const collector *c, const char *candidate, int *best, const char **near) {
    int distance = candidate != NULL ? ps_text_distance(c->term->name, candidate) : *best;
    if (distance >= *best) return;
    *best = distance;
    *near = candidate;
}

/* The name in the trace that is nearest to the term's, or is it; NULL: none is near. */
static const char *near_name(const collector *c) {
    const cJSON *quantities = cJSON_GetObjectItemCaseSensitive(c->run->header->document, PS_KEY(HEADER, quantities)),
                *item;
    const ps_trace_task *task = &c->run->header->task;
    const char *near = NULL;
    int best = 4;
    for (int m = 0; m < task->measures; m++) nearest_name(c, task->measure[m].name, &best, &near);
    for (size_t i = 0; ps_series_at(i) != NULL; i++) nearest_name(c, ps_series_at(i)->name, &best, &near);
    cJSON_ArrayForEach(item, quantities) nearest_name(
        c, cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(item, PS_KEY(QUANTITY, name))), &best, &near);
    return near;
}

/* Names that nothing is called here may be measures of another task. */
static void name_measures(const collector *c) {
    const ps_trace_task *task = &c->run->header->task;
    ps_rule_points *out = c->out;
    snprintf(out->reason, sizeof out->reason, "not recorded; the task of this trace, %s, is measured by %s", task->name,
             task->measure[0].name);
    for (int m = 1; m < task->measures; m++) {
        size_t used = strlen(out->reason);
        snprintf(out->reason + used, sizeof out->reason - used, "%s%s", m + 1 < task->measures ? ", " : " and ",
                 task->measure[m].name);
    }
}

static void explain(const collector *c) {
    ps_rule_points *out = c->out;
    if (out->count > 0) return;
    if (out->recorded) {
        snprintf(out->reason, sizeof out->reason, "%s",
                 !c->any      ? "is recorded, but no layer or node fits the selectors"
                 : c->by_node ? "has no value for these nodes"
                              : "has no values (null) there");
        return;
    }
    const char *near = near_name(c);
    if (near == NULL) name_measures(c);
    else if (strcmp(near, c->term->name) == 0) snprintf(out->reason, sizeof out->reason, "not recorded");
    else snprintf(out->reason, sizeof out->reason, "not recorded (did you mean %.100s?)", near);
}

ps_status ps_rule_collect(ps_run *run, const ps_rule_term *term, ps_rule_points *points) {
    collector c = {.run = run, .term = term, .out = points};
    size_t nodes = (size_t)run->node_count + 1;
    ps_status status = PS_OK;
    *points = (ps_rule_points){0};
    PS_TRY_CLEANUP(PS_ALLOC(nodes, &c.chosen, "chosen nodes"));
    PS_TRY_CLEANUP(PS_ALLOC(nodes, &c.values, "values of a layer"));
    PS_TRY_CLEANUP(PS_ALLOC(nodes, &c.norms, "values of a layer"));
    choose(&c);
    points->fits = c.any;
    PS_TRY_CLEANUP(collect_source(&c));
    explain(&c);
cleanup:
    ps_free(c.chosen);
    ps_free(c.values);
    ps_free(c.norms);
    if (status != PS_OK) ps_free_array(points->points);
    return status;
}
