#include <math.h>
#include <string.h>

#include "analysis/export/export.h"
#include "trace/event_write.h"

/* A folder of its own, as TensorBoard takes a folder for a run. Windows stand at their last step. */
static const char member[] = "tensorboard/events.out.tfevents.0000000000.poolscope";

typedef struct {
    const ps_export *export;
    FILE *stream;
    int probe; /* index of the probing that is read */
} events;

static ps_status put(const events *e, double step, const char *group, const char *name, double value) {
    char tag[3000];
    if (ps_is_absent(value) || ps_is_absent(step)) return PS_OK;
    snprintf(tag, sizeof tag, "%.400s/%.2500s", group, name);
    return ps_event_write_scalar(e->stream, (int64_t)step, tag, value);
}

static ps_status write_step(const events *e, const ps_trace_record *record) {
    double value[PS_STEP_COUNT];
    ps_export_step_read(record, value);
    for (int q = 0; q < PS_STEP_COUNT; q++)
        PS_TRY(put(e, record->step, "train", ps_trace_step_quantities[q].name, value[q]));
    return PS_OK;
}

static ps_status write_evaluation(const events *e, const ps_trace_record *record) {
    const ps_trace_task *task = &e->export->header->task;
    ps_export_evaluation evaluation;
    PS_TRY(ps_export_evaluation_read(record, &evaluation));
    PS_TRY(put(e, record->step, record->split, PS_KEY(EVAL, loss), evaluation.loss));
    PS_TRY(put(e, record->step, record->split, PS_KEY(EVAL, loss_batch), evaluation.loss_batch));
    for (int m = 0; m < task->measures; m++)
        PS_TRY(put(e, record->step, record->split, task->measure[m].name, evaluation.measured[m]));
    return put(e, record->step, record->split, PS_KEY(EVAL, count), record->count);
}

static ps_status take_record(void *self, const ps_trace_record *record) {
    if (record->type == PS_RECORD_STEP) return write_step(self, record);
    return record->type == PS_RECORD_EVAL ? write_evaluation(self, record) : PS_OK;
}

/* Of the nodes whose state is known at the probing. */
static double dead_share(const events *e, const ps_trace_layer *layer) {
    int seen = 0, dead = 0;
    for (int k = 0; k < layer->channels; k++) {
        unsigned state = ps_run_node_state(e->export->run, e->probe, layer->first_node + k);
        seen += ps_state_seen(state);
        dead += ps_state_dead(state);
    }
    return seen > 0 ? (double)dead / seen : ps_absent();
}

/* Of all its nodes together; not known where that of one is not. */
static double layer_norm(const double *value, int count) {
    double squares = 0;
    for (int k = 0; k < count; k++) {
        if (ps_is_absent(value[k])) return ps_absent();
        squares += value[k] * value[k];
    }
    return sqrt(squares);
}

static ps_status write_quantity(const events *e, const ps_trace_record *record, const ps_export_quantity *quantity,
                                const double *value) {
    const ps_trace_layer *layer = &e->export->header->layers[record->layer];
    double step = record->type == PS_RECORD_WINDOW ? record->last : record->step;
    char tag[3000];
    if (!quantity->per_node) return put(e, step, quantity->name, layer->name, value[0]);
    if (strcmp(quantity->name, ps_quantity_name(PS_Q_grad_norm_rms)) == 0)
        PS_TRY(put(e, step, "layer_grad_norm", layer->name, layer_norm(value, layer->channels)));
    snprintf(tag, sizeof tag, "%.400s/%.2500s", quantity->name, layer->name);
    return ps_event_write_histogram(e->stream, (int64_t)step, tag, value, (size_t)layer->channels);
}

static ps_status take_layer(void *self, const ps_trace_record *record, const double *const *value) {
    events *e = self;
    const ps_export *export = e->export;
    const ps_run *run = export->run;
    if (record->type == PS_RECORD_PROBE) {
        while (e->probe < run->probe_count - 1 && (double)run->probes[e->probe].step < record->step) e->probe++;
        const ps_trace_layer *layer = &export->header->layers[record->layer];
        PS_TRY(put(e, record->step, "dead_share", layer->name, dead_share(e, layer)));
    }
    for (int q = 0; q < export->quantity_count; q++)
        if (value[q] != NULL) PS_TRY(write_quantity(e, record, &export->quantities[q], value[q]));
    return PS_OK;
}

ps_status ps_export_write_tensorboard(const ps_export *export) {
    events e = {.export = export};
    const ps_export_visitor visitor = {&e, take_record, take_layer};
    PS_TRY(ps_export_add(export, member, &e.stream));
    ps_event_write_version(e.stream);
    return ps_export_stream(export, &visitor);
}
