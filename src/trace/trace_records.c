#include "trace/trace_records.h"

#include <math.h>

static void begin_event(ps_trace_writer *writer, uint64_t step, ps_event_kind event) {
    ps_trace_begin_record(writer, PS_RECORD_EVENT);
    ps_trace_add_whole(writer, PS_KEY(EVENT, step), (int64_t)step);
    ps_trace_add_text(writer, PS_KEY(EVENT, event), ps_event_word(event));
}

static void add_measured(ps_trace_writer *writer, const char *key, double value, uint64_t count) {
    if (count > 0) ps_trace_add_double(writer, key, value);
    else ps_trace_add_null(writer, key);
}

static void add_class_measure(ps_trace_writer *writer, const char *name, const double *value, int classes) {
    bool any = false;
    for (int k = 0; k < classes; k++) any = any || !isnan(value[k]);
    if (!any) return;
    ps_trace_begin_array(writer, name);
    for (int k = 0; k < classes; k++) {
        if (isnan(value[k])) ps_trace_add_null(writer, NULL);
        else ps_trace_add_double(writer, NULL, value[k]);
    }
    ps_trace_close_scope(writer);
}

static void add_classes(ps_trace_writer *writer, const ps_trace_score *score) {
    if (score->per_class == NULL || score->count == 0) return;
    ps_trace_begin_object(writer, PS_KEY(EVAL, classes));
    for (int m = 0; m < score->task->measures; m++)
        add_class_measure(writer, score->task->measure[m].name, score->per_class + (size_t)m * (size_t)score->classes,
                          score->classes);
    ps_trace_close_scope(writer);
}

static void add_score(ps_trace_writer *writer, const ps_trace_score *score) {
    add_measured(writer, PS_KEY(EVAL, loss), score->loss, score->count);
    for (int m = 0; m < score->task->measures; m++)
        add_measured(writer, score->task->measure[m].name, score->value[m], score->count);
}

ps_status ps_trace_write_eval(ps_trace_writer *writer, uint64_t step, const char *split, const ps_trace_score *score) {
    ps_trace_begin_record(writer, PS_RECORD_EVAL);
    ps_trace_add_whole(writer, PS_KEY(EVAL, step), (int64_t)step);
    ps_trace_add_text(writer, PS_KEY(EVAL, split), split);
    add_score(writer, score);
    ps_trace_add_whole(writer, PS_KEY(EVAL, count), (int64_t)score->count);
    add_classes(writer, score);
    return ps_trace_end_record(writer);
}

ps_status ps_trace_write_probe_loss(ps_trace_writer *writer, uint64_t step, const ps_trace_mode_loss *loss,
                                    uint64_t images) {
    ps_trace_begin_record(writer, PS_RECORD_EVAL);
    ps_trace_add_whole(writer, PS_KEY(EVAL, step), (int64_t)step);
    ps_trace_add_text(writer, PS_KEY(EVAL, split), "probe");
    if (loss->knows_eval) ps_trace_add_double(writer, PS_KEY(EVAL, loss), loss->eval);
    if (loss->knows_batch) ps_trace_add_double(writer, PS_KEY(EVAL, loss_batch), loss->batch);
    ps_trace_add_whole(writer, PS_KEY(EVAL, count), (int64_t)images);
    return ps_trace_end_record(writer);
}

ps_status ps_trace_write_nonfinite(ps_trace_writer *writer, uint64_t step, const char *what, const char *layer,
                                   int channel) {
    begin_event(writer, step, PS_EVENT_NONFINITE);
    ps_trace_add_text(writer, PS_KEY(NONFINITE, what), what);
    ps_trace_add_text(writer, PS_KEY(NONFINITE, layer), layer);
    if (channel >= 0) ps_trace_add_whole(writer, PS_KEY(NONFINITE, channel), channel);
    return ps_trace_end_record(writer);
}

ps_status ps_trace_write_diverged(ps_trace_writer *writer, uint64_t step) {
    begin_event(writer, step, PS_EVENT_DIVERGED);
    return ps_trace_end_record(writer);
}

ps_status ps_trace_write_planted(ps_trace_writer *writer, uint64_t step, const char *layer, const char *cause,
                                 const int *channel, int channels) {
    begin_event(writer, step, PS_EVENT_PLANTED);
    ps_trace_add_text(writer, PS_KEY(PLANTED, layer), layer);
    ps_trace_add_wholes(writer, PS_KEY(PLANTED, channels), channel, (size_t)channels);
    ps_trace_add_text(writer, PS_KEY(PLANTED, cause), cause);
    return ps_trace_end_record(writer);
}

ps_status ps_trace_write_reinitialised(ps_trace_writer *writer, uint64_t step, const char *layer, const int *channel,
                                       int channels) {
    begin_event(writer, step, PS_EVENT_REINITIALISED);
    ps_trace_add_text(writer, PS_KEY(REINITIALISED, layer), layer);
    ps_trace_add_wholes(writer, PS_KEY(REINITIALISED, channels), channel, (size_t)channels);
    return ps_trace_end_record(writer);
}

ps_status ps_trace_write_clipped_e(ps_trace_writer *writer, uint64_t step, const char *layer, int from, int to) {
    begin_event(writer, step, PS_EVENT_CLIPPED_E);
    ps_trace_add_text(writer, PS_KEY(CLIPPED_E, layer), layer);
    ps_trace_add_whole(writer, PS_KEY(CLIPPED_E, from), from);
    ps_trace_add_whole(writer, PS_KEY(CLIPPED_E, to), to);
    return ps_trace_end_record(writer);
}

ps_status ps_trace_write_forked(ps_trace_writer *writer, uint64_t step, const char *checkpoint) {
    begin_event(writer, step, PS_EVENT_FORKED);
    ps_trace_add_text(writer, PS_KEY(FORKED, checkpoint), checkpoint);
    return ps_trace_end_record(writer);
}

ps_status ps_trace_write_end(ps_trace_writer *writer, uint64_t steps, const char *status, const ps_trace_score *score,
                             uint64_t nonfinite) {
    ps_trace_begin_record(writer, PS_RECORD_END);
    ps_trace_add_whole(writer, PS_KEY(END, steps), (int64_t)steps);
    ps_trace_add_text(writer, PS_KEY(END, status), status);
    add_score(writer, score);
    if (nonfinite > 0) ps_trace_add_whole(writer, PS_KEY(END, nonfinite), (int64_t)nonfinite);
    add_classes(writer, score);
    return ps_trace_end_record(writer);
}

void ps_trace_add_task(ps_trace_writer *writer, const ps_trace_task *task) {
    ps_trace_begin_object(writer, PS_KEY(HEADER, task));
    ps_trace_add_text(writer, PS_KEY(TASK, name), task->name);
    if (task->loss[0] != '\0') ps_trace_add_text(writer, PS_KEY(TASK, loss), task->loss);
    ps_trace_begin_array(writer, PS_KEY(TASK, measures));
    for (int m = 0; m < task->measures; m++) {
        const ps_trace_measure *measure = &task->measure[m];
        ps_trace_begin_object(writer, NULL);
        ps_trace_add_text(writer, PS_KEY(MEASURE, name), measure->name);
        ps_trace_add_text(writer, PS_KEY(MEASURE, unit), measure->unit);
        ps_trace_add_text(writer, PS_KEY(MEASURE, better),
                          measure->higher_is_better ? PS_WORD(BETTER, HIGHER) : PS_WORD(BETTER, LOWER));
        if (isnan(measure->chance)) ps_trace_add_null(writer, PS_KEY(MEASURE, chance));
        else ps_trace_add_double(writer, PS_KEY(MEASURE, chance), measure->chance);
        if (measure->rule[0] != '\0') ps_trace_add_text(writer, PS_KEY(MEASURE, rule), measure->rule);
        ps_trace_close_scope(writer);
    }
    ps_trace_close_scope(writer);
    ps_trace_close_scope(writer);
}
