#include "trace/imported.h"

#include <math.h>

#include "core/version.h"
#include "trace/trace_arm.h"
#include "trace/trace_format.h"
#include "trace/trace_records.h"
#include "trace/trace_schema.h"

/* ---- what is checked ---- */

static ps_status check_range(const ps_scalar_series *s, const char *what, ps_trace_range range) {
    for (size_t i = 0; s != NULL && i < s->count; i++) {
        double value = s->points[i].value;
        if (range == PS_RANGE_ANY || !(value < 0 || (range == PS_RANGE_SHARE && value > 1))) continue;
        return ps_fail(PS_ERR_INPUT, "\"%.60s\" is %g at step %lld, which is no %s: it must be %s", s->tag, value,
                       (long long)s->points[i].step, what, range == PS_RANGE_SHARE ? "from 0 to 1" : "0 or more");
    }
    return PS_OK;
}

/* Shares as they were logged. */
static ps_status check_measure(const ps_scalar_series *s, const ps_trace_measure *measure, bool percent) {
    const double most = percent ? 100 : 1;
    if (s == NULL || !ps_trace_measure_is_share(measure)) return PS_OK;
    for (size_t i = 0; i < s->count; i++) {
        double value = s->points[i].value;
        if (!(value < 0 || value > most)) continue;
        return ps_fail(PS_ERR_INPUT, "\"%.60s\" is %g at step %lld, and %s must be from 0 to %g%s", s->tag, value,
                       (long long)s->points[i].step, measure->name, most,
                       !percent && value >= 0 && value <= 100 ? "; give --percent where it is in percent" : "");
    }
    return PS_OK;
}

/* An evaluation without a count of its own would be one of `images`, of which nobody said a number. */
static ps_status check_count(const ps_imported *run, const ps_scalar_series *s) {
    size_t at = 0;
    for (size_t i = 0; s != NULL && run->count != NULL && i < s->count; i++) {
        while (at < run->count->count && run->count->points[at].step < s->points[i].step) at++;
        if (at < run->count->count && run->count->points[at].step == s->points[i].step) continue;
        return ps_fail(PS_ERR_INPUT, "\"%.60s\" has a value at step %lld, and \"%.60s\" has none; give --test-images N",
                       s->tag, (long long)s->points[i].step, run->count->tag);
    }
    return PS_OK;
}

static ps_status check_counts(const ps_imported *run) {
    for (size_t i = 0; run->count != NULL && i < run->count->count; i++) {
        double count = run->count->points[i].value;
        if (!(count >= 1 && count <= PS_TRACE_MOST_WHOLE && count == floor(count)))
            return ps_fail(PS_ERR_INPUT,
                           "\"%.60s\" is %g at step %lld, which is no number of images; give "
                           "--test-images N",
                           run->count->tag, count, (long long)run->count->points[i].step);
    }
    PS_TRY(check_count(run, run->test_loss));
    for (int m = 0; m < run->task.measures; m++) PS_TRY(check_count(run, run->measure[m]));
    return PS_OK;
}

ps_status ps_imported_check(const ps_imported *run) {
    PS_TRY(check_counts(run));
    for (int q = 0; q < PS_STEP_COUNT; q++)
        PS_TRY(check_range(run->step[q], ps_trace_step_quantities[q].name, ps_trace_step_quantities[q].range));
    for (int m = 0; m < run->task.measures; m++)
        PS_TRY(check_measure(run->measure[m], &run->task.measure[m], run->percent));
    return PS_OK;
}

/* ---- the header ---- */

static void write_arm(ps_trace_writer *trace, int role) {
    const ps_arm_role_line *line = &ps_arm_roles[role];
    ps_trace_begin_object(trace, PS_KEY(HEADER, arm_is));
    ps_trace_add_text(trace, PS_KEY(ARM_IS, role), ps_words_at(PS_WORDS_ROLE, role));
    ps_trace_add_whole(trace, PS_KEY(ARM_IS, pool_size), 0);
    ps_trace_add_bool(trace, PS_KEY(ARM_IS, zero_init), false);
    ps_trace_add_text(trace, PS_KEY(ARM_IS, cut), ps_arm_cut_word(line->cut));
    ps_trace_add_text(trace, PS_KEY(ARM_IS, activation), line->leaky ? PS_WORD(ACTIVATION, LEAKY_RELU) : "");
    ps_trace_add_whole(trace, PS_KEY(ARM_IS, reinit_dead), line->renewed);
    ps_trace_close_scope(trace);
}

static void write_quantity(ps_trace_writer *trace, const ps_trace_quantity_line *line) {
    ps_trace_begin_object(trace, NULL);
    ps_trace_add_text(trace, PS_KEY(QUANTITY, name), line->name);
    ps_trace_add_text(trace, PS_KEY(QUANTITY, unit), line->unit);
    ps_trace_add_text(trace, PS_KEY(QUANTITY, per), ps_words_at(PS_WORDS_PER, PS_PER_STEP));
    ps_trace_add_text(trace, PS_KEY(QUANTITY, record), ps_record_word(PS_RECORD_STEP));
    ps_trace_add_text(trace, PS_KEY(QUANTITY, description), line->description);
    ps_trace_close_scope(trace);
}

static void write_empty(ps_trace_writer *trace, const char *key) {
    ps_trace_begin_object(trace, key);
    ps_trace_close_scope(trace);
}

static ps_status write_header(ps_trace_writer *trace, const ps_imported *run, int64_t steps) {
    ps_trace_begin_record(trace, PS_RECORD_HEADER);
    ps_trace_add_text(trace, PS_KEY(HEADER, format), PS_WORD(FORMAT, TRACE));
    ps_trace_add_whole(trace, PS_KEY(HEADER, version), PS_TRACE_VERSION);
    ps_trace_add_text(trace, PS_KEY(HEADER, producer), PS_IMPORTED_BY PS_VERSION);
    ps_trace_add_text(trace, PS_KEY(HEADER, arm), run->arm != NULL ? run->arm : "");
    write_arm(trace, run->role);
    ps_trace_add_whole(trace, PS_KEY(HEADER, seed), run->seed);
    write_empty(trace, PS_KEY(HEADER, config));
    ps_trace_begin_object(trace, PS_KEY(HEADER, pairing));
    for (int k = 0; k < run->pairing_count; k++) ps_trace_add_text(trace, run->pairing[2 * k], run->pairing[2 * k + 1]);
    ps_trace_close_scope(trace);
    write_empty(trace, PS_KEY(HEADER, data));
    if (run->says_task) ps_trace_add_task(trace, &run->task);
    write_empty(trace, PS_KEY(HEADER, machine));
    write_empty(trace, PS_KEY(HEADER, model));
    ps_trace_add_whole(trace, PS_KEY(HEADER, window), steps > 0 ? steps : 1);
    ps_trace_add_whole(trace, PS_KEY(HEADER, steps), steps);
    ps_trace_begin_array(trace, PS_KEY(HEADER, layers));
    ps_trace_close_scope(trace);
    ps_trace_begin_array(trace, PS_KEY(HEADER, quantities));
    for (int q = 0; q < PS_STEP_COUNT; q++)
        if (run->step[q] != NULL) write_quantity(trace, &ps_trace_step_quantities[q]);
    ps_trace_close_scope(trace);
    return ps_trace_end_record(trace);
}

/* ---- records: each series is walked once ---- */

typedef struct {
    const ps_scalar_series *series;
    size_t at;
} cursor;

enum { COUNT, TEST_LOSS, MEASURES, EVALUATION_CURSORS = MEASURES + PS_TRACE_MOST_MEASURES };

/* The least step at which any of these has a value that was not taken yet; -1: none. */
static int64_t next_step(const cursor *of, int count) {
    int64_t least = -1;
    for (int c = 0; c < count; c++)
        if (of[c].series != NULL && of[c].at < of[c].series->count &&
            (least < 0 || of[c].series->points[of[c].at].step < least))
            least = of[c].series->points[of[c].at].step;
    return least;
}

static bool take_at(cursor *of, int64_t step, double *value) {
    if (of->series == NULL || of->at >= of->series->count || of->series->points[of->at].step != step) return false;
    *value = of->series->points[of->at++].value;
    return true;
}

static ps_status write_step(ps_trace_writer *trace, cursor *of, int64_t step) {
    double value;
    ps_trace_begin_record(trace, PS_RECORD_STEP);
    ps_trace_add_whole(trace, PS_KEY(STEP, step), step);
    for (int q = 0; q < PS_STEP_COUNT; q++)
        if (take_at(&of[q], step, &value)) ps_trace_add_double(trace, ps_trace_step_quantities[q].name, value);
    return ps_trace_end_record(trace);
}

static ps_status write_evaluation(ps_trace_writer *trace, const ps_imported *run, cursor *of, int64_t step) {
    double value, count = run->images;
    if (take_at(&of[COUNT], step, &value)) count = value;
    ps_trace_begin_record(trace, PS_RECORD_EVAL);
    ps_trace_add_whole(trace, PS_KEY(EVAL, step), step);
    ps_trace_add_text(trace, PS_KEY(EVAL, split), PS_WORD(LOSS_OF, TEST));
    if (take_at(&of[TEST_LOSS], step, &value)) ps_trace_add_double(trace, PS_KEY(EVAL, loss), value);
    for (int m = 0; m < run->task.measures; m++) {
        const ps_trace_measure *measure = &run->task.measure[m];
        if (!take_at(&of[MEASURES + m], step, &value)) continue;
        if (run->percent && ps_trace_measure_is_share(measure)) value /= 100;
        ps_trace_add_double(trace, measure->name, value);
    }
    ps_trace_add_whole(trace, PS_KEY(EVAL, count), (int64_t)count);
    return ps_trace_end_record(trace);
}

static ps_status write_end(ps_trace_writer *trace, int64_t steps) {
    ps_trace_begin_record(trace, PS_RECORD_END);
    ps_trace_add_whole(trace, PS_KEY(END, steps), steps);
    ps_trace_add_text(trace, PS_KEY(END, status), PS_WORD(STATUS, FINISHED));
    return ps_trace_end_record(trace);
}

/* A step that is logged was trained; an evaluation is of the state before its step. */
static void extend(const ps_scalar_series *s, bool trained, int64_t *steps) {
    if (s == NULL || s->count == 0) return;
    int64_t done = s->points[s->count - 1].step + trained;
    if (done > *steps) *steps = done;
}

ps_status ps_imported_write(ps_trace_writer *trace, const ps_imported *run) {
    cursor training[PS_STEP_COUNT] = {{NULL, 0}}, testing[EVALUATION_CURSORS] = {{NULL, 0}};
    int64_t steps = 0, step, tested;
    for (int q = 0; q < PS_STEP_COUNT; q++) {
        training[q].series = run->step[q];
        extend(run->step[q], true, &steps);
    }
    testing[COUNT].series = run->count;
    testing[TEST_LOSS].series = run->test_loss;
    for (int m = 0; m < run->task.measures; m++) testing[MEASURES + m].series = run->measure[m];
    for (int c = 0; c < EVALUATION_CURSORS; c++) extend(testing[c].series, false, &steps);
    PS_TRY(write_header(trace, run, steps));
    while (step = next_step(training, PS_STEP_COUNT), tested = next_step(testing, EVALUATION_CURSORS),
           step >= 0 || tested >= 0) {
        if (tested >= 0 && (step < 0 || tested <= step)) PS_TRY(write_evaluation(trace, run, testing, tested));
        else PS_TRY(write_step(trace, training, step));
    }
    if (run->finished) PS_TRY(write_end(trace, steps));
    return ps_trace_flush(trace, true);
}
