/* Loss, learning rate and gradient norm over time; evaluations; events. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/metric.h"
#include "core/json.h"
#include "core/memory.h"

enum { MOST_ROWS = 500, COLUMNS = 6 };

typedef struct {
    ps_metric_input in;
    double *losses;
    uint64_t *lines; /* of the steps, as losses */
    size_t count, capacity, line_capacity;
    long long per_row, row_start, row_steps;
    double sums[COLUMNS];
    uint64_t
        test_line; /* of the evaluation that the run's measures on the test split are from, else of the end record */
} loss_state;

static ps_status begin(const ps_metric_input *input, void **out) {
    loss_state *state;
    PS_TRY(PS_ALLOC(1, &state, "loss metric"));
    state->in = *input;
    state->per_row = 1 + (input->run->steps_done - 1) / MOST_ROWS;
    *out = state;
    return PS_OK;
}

static void write_row(loss_state *state) {
    const ps_run *run = state->in.run;
    if (state->row_steps == 0) return;
    ps_tables_cells(state->in.tables, PS_TABLE_loss, "slli", run->arm, run->header->seed, state->row_start,
                    (int)state->row_steps);
    for (int i = 0; i < COLUMNS; i++) {
        /* A column that any step lacks is missing as a whole; a NaN loss stays NaN. */
        double mean = ps_is_absent(state->sums[i]) ? ps_absent() : state->sums[i] / (double)state->row_steps;
        ps_tables_cells(state->in.tables, PS_TABLE_loss, "d", mean);
    }
    ps_tables_end_row(state->in.tables, PS_TABLE_loss);
    state->row_steps = 0;
}

static ps_status take_step(loss_state *state, const ps_trace_record *record) {
    const double values[COLUMNS] = {record->loss, record->lr,         record->grad_norm, record->grad_norm_module,
                                    record->clip, record->clip_module};
    PS_TRY(PS_GROW(&state->losses, &state->capacity, state->count + 1, "losses"));
    PS_TRY(PS_GROW(&state->lines, &state->line_capacity, state->count + 1, "lines of steps"));
    state->lines[state->count] = record->line;
    state->losses[state->count++] = record->loss;
    if (state->row_steps == 0) {
        state->row_start = (long long)record->step;
        memset(state->sums, 0, sizeof state->sums);
    }
    for (int i = 0; i < COLUMNS; i++) {
        if (ps_is_absent(values[i])) state->sums[i] = ps_absent();
        else if (!ps_is_absent(state->sums[i])) state->sums[i] += values[i];
    }
    if (++state->row_steps == state->per_row) write_row(state);
    return PS_OK;
}

/* The event's own words, without the keys that have columns of their own. */
static ps_status write_event(const loss_state *state, const ps_trace_record *record) {
    const ps_run *run = state->in.run;
    cJSON *event = NULL;
    char *copy = NULL, *detail = NULL;
    ps_status status = PS_OK;
    PS_TRY_CLEANUP(ps_json_try(record->text, &event));
    const char *const known[] = {PS_TRACE_TYPE, PS_KEY(EVENT, step), PS_KEY(EVENT, event), PS_KEY(PLANTED, layer)};
    const cJSON *layer = cJSON_GetObjectItemCaseSensitive(event, PS_KEY(PLANTED, layer));
    if (cJSON_IsString(layer)) PS_TRY_CLEANUP(ps_string_copy(layer->valuestring, &copy));
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) cJSON_DeleteItemFromObjectCaseSensitive(event, known[i]);
    PS_TRY_CLEANUP(ps_json_text(event, &detail));
    ps_tables_row(state->in.tables, PS_TABLE_events, "sldsss", run->arm, run->header->seed, record->step, record->event,
                  copy, detail != NULL ? detail : "");
cleanup:
    cJSON_free(detail);
    free(copy);
    cJSON_Delete(event);
    return status;
}

/* The losses of the probe images are no evaluation of the task; findings take them from the trace. */
static void write_evaluation(const loss_state *state, const ps_trace_record *record) {
    const ps_run *run = state->in.run;
    if (strcmp(record->split, "probe") == 0) return;
    ps_tables_cells(state->in.tables, PS_TABLE_eval, "sldsd", run->arm, run->header->seed, record->step, record->split,
                    record->loss);
    for (int m = 0; m < run->header->task.measures; m++)
        ps_tables_cells(state->in.tables, PS_TABLE_eval, "d", record->measured[m]);
    ps_tables_cells(state->in.tables, PS_TABLE_eval, "d", record->count);
    ps_tables_end_row(state->in.tables, PS_TABLE_eval);
}

static ps_status take(void *context, const ps_trace_record *record) {
    loss_state *state = context;
    switch (record->type) {
        case PS_RECORD_STEP: return take_step(state, record);
        case PS_RECORD_EVENT: return write_event(state, record);
        case PS_RECORD_EVAL:
            write_evaluation(state, record);
            if (ps_trace_record_is_of_test(record) && ps_trace_record_measured(record)) state->test_line = record->line;
            return PS_OK;
        case PS_RECORD_END:
            if (state->test_line == 0 && ps_trace_record_is_of_test(record)) state->test_line = record->line;
            return PS_OK;
        default: return PS_OK;
    }
}

static double mean_of(const double *values, size_t count) {
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        if (ps_is_absent(values[i])) return ps_absent();
        sum += values[i];
    }
    return count > 0 ? sum / (double)count : ps_absent();
}

static ps_status set_measure(const loss_state *state, int m) {
    const ps_run *run = state->in.run;
    ps_test_name name;
    double value = run->test_measure[m];
    ps_summary_test_name(&run->header->task.measure[m], name);
    ps_metric_term(&state->in, (ps_term){name, NULL, -1, run->steps_done, value, 1, state->test_line});
    return ps_summary_set(state->in.summary, name, value, 1, state->test_line);
}

static ps_status end(void *context) {
    loss_state *state = context;
    const ps_run *run = state->in.run;
    ps_summary *summary = state->in.summary;
    size_t window = run->header->window > 0 ? (size_t)run->header->window : 1;
    if (window > state->count) window = state->count;
    write_row(state);
    size_t last = state->count - window; /* the last window's first step */
    const double *ending = state->count > 0 ? state->losses + last : NULL;
    uint64_t first_line = state->count > 0 ? state->lines[0] : 0, last_line = state->count > 0 ? state->lines[last] : 0;
    PS_TRY(ps_summary_set(summary, "loss_start", mean_of(state->losses, window), (double)window, first_line));
    PS_TRY(ps_summary_set(summary, "loss_end", mean_of(ending, window), (double)window, last_line));
    PS_TRY(ps_summary_set(summary, "test_loss", run->test_loss, 0, state->test_line));
    PS_TRY(ps_summary_set(summary, "test_images", run->test_images, 0, state->test_line));
    for (int m = 0; m < run->header->task.measures; m++) PS_TRY(set_measure(state, m));
    double recording = run->record_ns + run->probe_ns; /* missing when either is */
    if (ps_is_absent(run->record_ns) || ps_is_absent(run->probe_ns)) recording = ps_absent();
    return ps_summary_set(summary, "record_cost", ps_ratio(recording, run->train_ns), 0, 0);
}

static void destroy(void *context) {
    loss_state *state = context;
    ps_free_array(state->losses);
    ps_free_array(state->lines);
    ps_free(state);
}

const ps_metric ps_metric_loss = {"loss", begin, NULL, take, end, destroy, 0};
