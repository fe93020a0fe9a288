/* Measures of each class, of tasks whose evaluations have them: rows of each evaluation, and the last one on the test
 * split as numbers of the run ("test_mean_iou class 3"). */
#include <stdlib.h>
#include <string.h>

#include "analysis/json_scan.h"
#include "analysis/metric.h"
#include "core/json.h"
#include "core/memory.h"
#include "trace/trace_schema.h"

typedef struct {
    ps_metric_input in;
    int classes;
    double *last; /* [PS_TRACE_MOST_MEASURES][classes] */
    uint64_t line;
} classes_state;

static ps_status begin(const ps_metric_input *input, void **out) {
    classes_state *state;
    PS_TRY(PS_ALLOC(1, &state, "measures of classes"));
    *out = state;
    state->in = *input;
    state->classes = ps_trace_classes(input->run->header->document);
    size_t count = (size_t)PS_TRACE_MOST_MEASURES * (size_t)state->classes;
    PS_TRY(PS_ALLOC(count + 1, &state->last, "measures of classes"));
    for (size_t i = 0; i < count; i++) state->last[i] = ps_absent();
    return PS_OK;
}

static const char *name_of(const classes_state *state, int k, char number[16]) {
    const char *name = ps_trace_class_name(state->in.run->header->document, k);
    snprintf(number, 16, "%d", k);
    return name != NULL ? name : number;
}

static void take_measure(classes_state *state, const ps_trace_record *record, int m, const cJSON *values) {
    const ps_run *run = state->in.run;
    const cJSON *item;
    int k = 0;
    cJSON_ArrayForEach(item, values) {
        char number[16];
        if (k == state->classes) return;
        double value = cJSON_IsNull(item) ? ps_absent() : ps_value_of(item);
        state->last[m * state->classes + k] = value;
        if (record->type == PS_RECORD_EVAL)
            ps_tables_row(state->in.tables, PS_TABLE_eval_classes, "sldssisd", run->arm, run->header->seed,
                          record->step, record->split, run->header->task.measure[m].name, k, name_of(state, k, number),
                          value);
        k++;
    }
}

/* The end record repeats the last evaluation, and is all there is where none was recorded. */
static ps_status take(void *context, const ps_trace_record *record) {
    classes_state *state = context;
    const ps_trace_task *task = &state->in.run->header->task;
    bool end = record->type == PS_RECORD_END;
    cJSON *document;
    if (state->classes == 0 || (record->type != PS_RECORD_EVAL && !end) || (end && state->line != 0)) return PS_OK;
    if (!ps_trace_record_is_of_test(record)) return PS_OK;
    PS_TRY(ps_json_try(record->text, &document));
    const cJSON *classes = cJSON_GetObjectItemCaseSensitive(document, PS_KEY(EVAL, classes));
    for (int m = 0; m < task->measures; m++)
        take_measure(state, record, m, cJSON_GetObjectItemCaseSensitive(classes, task->measure[m].name));
    if (classes != NULL) state->line = record->line;
    cJSON_Delete(document);
    return PS_OK;
}

static ps_status end(void *context) {
    classes_state *state = context;
    const ps_run *run = state->in.run;
    for (int m = 0; m < run->header->task.measures && state->line != 0; m++)
        for (int k = 0; k < state->classes; k++) {
            char number[16];
            ps_class_measure name;
            double value = state->last[m * state->classes + k];
            ps_summary_class_name(&run->header->task.measure[m], k, name);
            PS_TRY(ps_summary_set(state->in.summary, name, value, 1, state->line));
            if (!ps_is_absent(value))
                ps_tables_row(state->in.tables, PS_TABLE_classes, "slsisd", run->arm, run->header->seed,
                              run->header->task.measure[m].name, k, name_of(state, k, number), value);
        }
    return PS_OK;
}

static void destroy(void *context) {
    classes_state *state = context;
    ps_free(state->last);
    ps_free(state);
}

const ps_metric ps_metric_classes = {"classes", begin, NULL, take, end, destroy, 0};
