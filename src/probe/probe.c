#include "probe/probe.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/clock.h"
#include "core/memory.h"
#include "kernels/pointwise.h"
#include "probe/instruments.h"
#include "probe/probe_internal.h"
#include "probe/q_gate.h"
#include "probe/record.h"
#include "trace/trace_records.h"

/* ---- life ---- */

static int find_param(const ps_net *net, int node, const char *suffix) {
    return node >= 0 ? ps_net_op_param(net, node, suffix) : -1;
}

static void look_up_readers(const ps_net *net, const ps_unit *unit, ps_probe_reader *reader) {
    for (int i = 0; i < unit->readers; i++) {
        ps_shape in[PS_LAYER_MAX_INPUTS];
        ps_graph_input_shapes(ps_net_graph(net), unit->reader[i].op, in);
        reader[i] = (ps_probe_reader){find_param(net, unit->reader[i].op, "weight"), in[0].c};
    }
}

static ps_status look_up_all_readers(ps_probe *probe) {
    const ps_units *units = ps_net_units(probe->net);
    size_t count = 0;
    for (int i = 0; i < units->count; i++) count += (size_t)units->unit[i].readers;
    PS_TRY(PS_ALLOC(count + 1, &probe->reader, "probe")); /* nothing may read the last layer */
    ps_probe_reader *next = probe->reader;
    for (int i = 0; i < units->count; next += units->unit[i++].readers) {
        probe->layer[i].reader = next;
        look_up_readers(probe->net, &units->unit[i], next);
    }
    return PS_OK;
}

static int parts_of(const ps_probe *probe) { return probe->options.parts > 1 ? probe->options.parts : 1; }

static void look_up(ps_probe *probe, int index) {
    const ps_unit *unit = &ps_net_units(probe->net)->unit[index];
    int norm = unit->norm_op >= 0 ? unit->norm_op : unit->gain_op;
    probe->layer[index] =
        (ps_probe_layer){.unit = unit,
                         .index = index,
                         .net = probe->net,
                         .step_outputs = (double)ps_net_batch(probe->net) * parts_of(probe) * unit->elements,
                         .probe = probe,
                         .optimiser = probe->optimiser,
                         .weight = find_param(probe->net, unit->source_op, unit->heads ? "qkv.weight" : "weight"),
                         .projection = unit->heads ? find_param(probe->net, unit->source_op, "proj.weight") : -1,
                         .bias = find_param(probe->net, unit->source_op, "bias"),
                         .gamma = find_param(probe->net, norm, "weight"),
                         .beta = find_param(probe->net, norm, "bias"),
                         .pool_weight = find_param(probe->net, unit->pool_skip_op, "conv.weight"),
                         .pool_bias = find_param(probe->net, unit->pool_skip_op, "conv.bias")};
}

static ps_status build(ps_probe *probe) {
    const ps_units *units = ps_net_units(probe->net);
    size_t layers = (size_t)units->count, params = (size_t)ps_net_param_count(probe->net);
    probe->layers = units->count;
    probe->quantity = ps_quantities(&probe->quantities);
    PS_TRY(PS_ALLOC(layers, &probe->layer, "probe"));
    PS_TRY(PS_ALLOC(layers, &probe->record_layer, "probe"));
    PS_TRY(PS_ALLOC(layers, &probe->activation_reported, "probe"));
    PS_TRY(PS_ALLOC(params, &probe->gradient_reported, "probe"));
    PS_TRY(PS_ALLOC((size_t)probe->quantities, &probe->record_quantity, "probe"));
    for (int i = 0; i < units->count; i++) look_up(probe, i);
    PS_TRY(look_up_all_readers(probe));
    PS_TRY(ps_record_parse(probe->options.record, units, probe->record_quantity, probe->record_layer));
    PS_TRY(ps_probe_attach(probe));
    return ps_probe_prepare_passes(probe);
}

void ps_probe_destroy(ps_probe *probe) {
    if (probe == NULL) return;
    for (int i = 0; probe->attached != NULL && i < probe->instruments * probe->layers; i++) {
        ps_free(probe->attached[i].state);
        ps_free(probe->attached[i].row_squares);
        ps_free(probe->attached[i].maps);
    }
    ps_free_array(probe->point);
    ps_free_array(probe->block);
    void *const blocks[] = {probe->layer,
                            probe->record_layer,
                            probe->record_quantity,
                            probe->activation_reported,
                            probe->seen,
                            probe->x,
                            probe->gradient_reported,
                            probe->entering,
                            probe->batch_max,
                            probe->chunk_max,
                            probe->edges,
                            probe->summary.sums,
                            probe->workspace,
                            probe->out,
                            probe->attached,
                            probe->reader};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) ps_free(blocks[i]);
    ps_free(probe);
}

/* ---- windows ---- */

static void clear_sums(double *const *sums, int channels) {
    for (int s = 0; s < PS_SUMS; s++)
        if (sums[s] != NULL) memset(sums[s], 0, (size_t)channels * sizeof *sums[s]);
}

static void begin_window(ps_probe *probe) {
    for (int i = 0; i < probe->layers; i++) {
        ps_probe_layer *layer = &probe->layer[i];
        clear_sums(layer->gate_sum, layer->unit->channels);
        clear_sums(layer->entry_sum, layer->unit->channels);
        clear_sums(layer->pool_sum, layer->unit->channels);
        probe->activation_reported[i] = false;
    }
    for (int i = 0; i < probe->instruments * probe->layers; i++) {
        ps_attachment *a = &probe->attached[i];
        if (a->instrument != NULL && (a->instrument->rows != NULL || a->instrument->step != NULL))
            ps_attachment_clear(probe, a);
    }
    for (int i = 0; i < ps_net_param_count(probe->net); i++) probe->gradient_reported[i] = false;
    probe->loss_reported = probe->weights_reported = false;
    probe->window_steps = 0;
    probe->window_ns = 0;
}

static void row_block(void *context, size_t chunk, int worker) {
    (void)worker;
    const ps_row_block *block = (const ps_row_block *)context + chunk;
    for (size_t row = 0; row < block->rows; row++) {
        const float *g = block->gradient + row * block->row_length;
        double sum[4] = {0, 0, 0, 0}; /* four chains, or each addition would wait for the one before */
        size_t i = 0;
        for (; i + 4 <= block->row_length; i += 4)
            for (size_t k = 0; k < 4; k++) sum[k] += (double)g[i + k] * (double)g[i + k];
        for (; i < block->row_length; i++) sum[0] += (double)g[i] * (double)g[i];
        block->squares[row] = (sum[0] + sum[1]) + (sum[2] + sum[3]);
    }
}

/* Of one instrument on one layer: each writes to its own state alone. */
static void step_attachment(void *context, size_t chunk, int worker) {
    (void)worker;
    const ps_probe *probe = context;
    const ps_attachment *a = &probe->attached[chunk];
    if (a->instrument != NULL && a->instrument->step != NULL) a->instrument->step(&probe->layer[a->layer], a->state);
}

static ps_status after_backward(void *self, uint64_t step) {
    (void)step;
    ps_probe *probe = self;
    uint64_t start = ps_clock_ns();
    if (probe->blocks > 0) ps_threads_run(ps_net_threads(probe->net), probe->blocks, row_block, probe->block);
    for (int i = 0; probe->blocks > 0 && i < probe->instruments * probe->layers; i++) {
        ps_attachment *a = &probe->attached[i];
        if (a->row_squares != NULL) a->instrument->rows(&probe->layer[a->layer], a->row_squares, a->state);
    }
    size_t attachments = (size_t)(probe->instruments * probe->layers);
    if (probe->stepping) ps_threads_run(ps_net_threads(probe->net), attachments, step_attachment, probe);
    probe->record_ns += ps_clock_ns() - start;
    return PS_OK;
}

/* ---- records ---- */

static void add_quantity(ps_probe *probe, const ps_quantity *q, const ps_probe_layer *layer, const double *state) {
    ps_trace_writer *trace = probe->options.trace;
    size_t count = q->per == PS_PER_LAYER ? 1 : (size_t)layer->unit->channels;
    bool exists = q->compute(layer, state, probe->out);
    if (q->per == PS_PER_LAYER && exists) ps_trace_add_value(trace, q->name, probe->out[0]);
    else if (q->per == PS_PER_LAYER) ps_trace_add_null(trace, q->name);
    else if (exists) ps_trace_add_values(trace, q->name, probe->out, count);
    else ps_trace_add_nulls(trace, q->name, count);
}

static bool records_any(const ps_probe *probe, ps_record_type record, int layer) {
    for (int i = 0; i < probe->quantities; i++)
        if (probe->quantity[i].record == record && ps_probe_records(probe, i, layer)) return true;
    return false;
}

static ps_status end_values(ps_probe *probe, ps_record_type record, int layer) {
    ps_trace_begin_object(probe->options.trace, PS_KEY(WINDOW, values)); /* and PROBE's */
    for (int i = 0; i < probe->quantities; i++) {
        const ps_quantity *q = &probe->quantity[i];
        if (q->record != record || !ps_probe_records(probe, i, layer)) continue;
        add_quantity(probe, q, &probe->layer[layer], ps_probe_attachment(probe, q->instrument, layer)->state);
    }
    return ps_trace_end_record(probe->options.trace);
}

static ps_status write_windows(ps_probe *probe, uint64_t first, uint64_t last) {
    ps_trace_writer *trace = probe->options.trace;
    for (int i = 0; i < probe->layers; i++) {
        probe->layer[i].steps = (double)probe->window_steps;
        if (!records_any(probe, PS_RECORD_WINDOW, i)) continue;
        ps_trace_begin_record(trace, PS_RECORD_WINDOW);
        ps_trace_add_whole(trace, PS_KEY(WINDOW, window), (int64_t)(first / probe->options.window));
        ps_trace_add_whole(trace, PS_KEY(WINDOW, first), (int64_t)first);
        ps_trace_add_whole(trace, PS_KEY(WINDOW, last), (int64_t)last);
        ps_trace_add_text(trace, PS_KEY(WINDOW, layer), probe->layer[i].unit->name);
        PS_TRY(end_values(probe, PS_RECORD_WINDOW, i));
    }
    return PS_OK;
}

static ps_status report_activations(ps_probe *probe, uint64_t step) {
    for (int i = 0; i < probe->layers; i++) {
        const double *state = ps_probe_state(probe, &ps_instrument_gate, i);
        int channels = probe->layer[i].unit->channels;
        int first = 0;
        while (state != NULL && first < channels && isfinite(state[PS_GATE_SUM_SQUARES * channels + first])) first++;
        if (state == NULL || first == channels || probe->activation_reported[i]) continue;
        probe->activation_reported[i] = true;
        PS_TRY(ps_trace_write_nonfinite(probe->options.trace, step, "activation", probe->layer[i].unit->name, first));
    }
    return PS_OK;
}

/* Without normalisation both modes are one, and so was the pass. */
ps_trace_mode_loss ps_probe_loss_of(const ps_probe *probe) {
    const ps_probe_loss *batch = &probe->loss[0], *eval = &probe->loss[probe->modes_differ];
    return (ps_trace_mode_loss){.eval = eval->counted > 0 ? eval->sum / eval->counted : 0,
                                .batch = batch->counted > 0 ? batch->sum / batch->counted : 0,
                                .knows_eval = eval->counted > 0,
                                .knows_batch = batch->counted > 0};
}

static ps_status write_loss(ps_probe *probe, uint64_t step) {
    ps_trace_mode_loss loss = ps_probe_loss_of(probe);
    if (!loss.knows_eval && !loss.knows_batch) return PS_OK;
    return ps_trace_write_probe_loss(probe->options.trace, step, &loss, probe->probed_images);
}

/* Whether the probing at this step, an end of one window and the start of another, is to know both modes. */
static bool evaluates_at(const ps_probe *probe, uint64_t step) {
    const ps_probe_options *o = &probe->options;
    uint64_t every = o->eval_every > 1 ? (uint64_t)o->eval_every : 1, window = o->window;
    uint64_t windows = (o->steps + window - 1) / window, before = (step + window - 1) / window;
    if (every == 1 || o->probe_every > 1 || before >= windows) return true;
    uint64_t left = windows - before;
    return (before > 0 && left % every == 0) || (left - 1) % every == 0;
}

static ps_status write_probes(ps_probe *probe, uint64_t step) {
    ps_trace_writer *trace = probe->options.trace;
    if (probe->options.source.batches == 0) return PS_OK;
    PS_TRY(ps_probe_measure_modes(probe, evaluates_at(probe, step)));
    for (int i = 0; i < probe->layers; i++) {
        if (!records_any(probe, PS_RECORD_PROBE, i)) continue;
        ps_trace_begin_record(trace, PS_RECORD_PROBE);
        ps_trace_add_whole(trace, PS_KEY(PROBE, step), (int64_t)step);
        ps_trace_add_text(trace, PS_KEY(PROBE, layer), probe->layer[i].unit->name);
        ps_trace_add_whole(trace, PS_KEY(PROBE, images), (int64_t)probe->probed_images);
        ps_trace_add_whole(trace, PS_KEY(PROBE, elements),
                           (int64_t)probe->probed_images * probe->layer[i].unit->elements);
        PS_TRY(end_values(probe, PS_RECORD_PROBE, i));
    }
    PS_TRY(write_loss(probe, step));
    return report_activations(probe, step);
}

static const char *step_name(ps_trace_step_quantity quantity) { return ps_trace_step_quantities[quantity].name; }

static ps_status write_step(ps_probe *probe, const ps_train_step *step) {
    ps_trace_writer *trace = probe->options.trace;
    ps_trace_begin_record(trace, PS_RECORD_STEP);
    ps_trace_add_whole(trace, PS_KEY(STEP, step), (int64_t)step->step);
    if (step->loss.counted > 0) ps_trace_add_double(trace, step_name(PS_STEP_loss), step->loss.loss);
    else ps_trace_add_null(trace, step_name(PS_STEP_loss));
    ps_trace_add_double(trace, step_name(PS_STEP_lr), step->update.lr);
    ps_trace_add_double(trace, step_name(PS_STEP_grad_norm), step->update.grad_norm);
    ps_trace_add_double(trace, step_name(PS_STEP_grad_norm_module), step->update.grad_norm_module);
    ps_trace_add_double(trace, step_name(PS_STEP_clip), step->update.clip);
    ps_trace_add_double(trace, step_name(PS_STEP_clip_module), step->update.clip_module);
    return ps_trace_end_record(trace);
}

/* ---- what is not finite ---- */

static const char *layer_of(const ps_probe *probe, const ps_param *p) {
    return ps_net_graph(probe->net)->op[p->op].name;
}

/* The row, which is a node's, of the first value that is not finite. */
static int first_row(const ps_param *p, const float *value) {
    size_t i = 0;
    while (i < p->count && isfinite(value[i])) i++;
    return i < p->count ? (int)(i / p->row_length) : -1;
}

/* Each layer is named once per window, so that a resumed run writes the same events. */
static ps_status report_gradients(ps_probe *probe, uint64_t step) {
    for (int i = 0; i < ps_net_param_count(probe->net); i++) {
        const ps_param *p = ps_net_param(probe->net, i);
        if (!p->learned || probe->gradient_reported[i] || ps_vector_all_finite(p->grad, p->count)) continue;
        for (int k = 0; k < ps_net_param_count(probe->net); k++)
            if (ps_net_param(probe->net, k)->op == p->op) probe->gradient_reported[k] = true;
        PS_TRY(ps_trace_write_nonfinite(probe->options.trace, step, "gradient", layer_of(probe, p),
                                        first_row(p, p->grad)));
    }
    return PS_OK;
}

static ps_status report_weights(ps_probe *probe, uint64_t step) {
    int last_op = -1;
    for (int i = 0; i < ps_net_param_count(probe->net); i++) {
        const ps_param *p = ps_net_param(probe->net, i);
        if (!p->learned || p->op == last_op || ps_vector_all_finite(p->value, p->count)) continue;
        last_op = p->op;
        PS_TRY(
            ps_trace_write_nonfinite(probe->options.trace, step, "weight", layer_of(probe, p), first_row(p, p->value)));
    }
    return PS_OK;
}

static ps_status report_step(ps_probe *probe, const ps_train_step *step) {
    if (step->loss.counted > 0 && !isfinite(step->loss.loss) && !probe->loss_reported) {
        probe->loss_reported = true;
        PS_TRY(ps_trace_write_nonfinite(probe->options.trace, step->step, "loss", "", -1));
    }
    if (step->update.finite) return PS_OK;
    PS_TRY(report_gradients(probe, step->step));
    if (probe->weights_reported) return PS_OK;
    probe->weights_reported = true;
    return report_weights(probe, step->step);
}

/* ---- hooks ---- */

static ps_status write_start(ps_probe *probe, uint64_t step) {
    ps_trace_writer *trace = probe->options.trace;
    char text[32] = "";
    time_t now = time(NULL);
    struct tm utc;
    if (gmtime_r(&now, &utc) != NULL) strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
    ps_trace_begin_record(trace, PS_RECORD_TIMING);
    ps_trace_add_whole(trace, PS_KEY(TIMING, step), (int64_t)step);
    ps_trace_add_whole(trace, PS_KEY(TIMING, threads), ps_threads_count(ps_net_threads(probe->net)));
    ps_trace_add_text(trace, PS_KEY(TIMING, started), text);
    if (step > 0) ps_trace_add_bool(trace, PS_KEY(TIMING, resumed), true);
    return ps_trace_end_record(trace);
}

static ps_status begin(void *self, uint64_t step) {
    ps_probe *probe = self;
    begin_window(probe);
    if (step == 0) PS_TRY(write_probes(probe, 0));
    PS_TRY(write_start(probe, step));
    return ps_trace_flush(probe->options.trace, false);
}

static ps_status after_step(void *self, const ps_train_step *step) {
    ps_probe *probe = self;
    uint64_t start = ps_clock_ns();
    probe->window_steps++;
    probe->window_ns += step->step_ns;
    probe->train_ns += step->step_ns;
    PS_TRY(write_step(probe, step));
    PS_TRY(report_step(probe, step));
    probe->record_ns += ps_clock_ns() - start;
    return PS_OK;
}

static ps_status write_timing(ps_probe *probe, uint64_t step) {
    ps_trace_writer *trace = probe->options.trace;
    double seconds = (double)probe->window_ns * 1e-9;
    ps_trace_begin_record(trace, PS_RECORD_TIMING);
    ps_trace_add_whole(trace, PS_KEY(TIMING, step), (int64_t)step);
    ps_trace_add_whole(trace, PS_KEY(TIMING, threads), ps_threads_count(ps_net_threads(probe->net)));
    ps_trace_add_whole(trace, PS_KEY(TIMING, step_ns), (int64_t)(probe->window_ns / probe->window_steps));
    ps_trace_add_whole(trace, PS_KEY(TIMING, record_ns), (int64_t)probe->record_ns);
    ps_trace_add_whole(trace, PS_KEY(TIMING, probe_ns), (int64_t)probe->probe_ns);
    ps_trace_add_whole(trace, PS_KEY(TIMING, train_ns), (int64_t)probe->train_ns);
    ps_trace_add_value(trace, PS_KEY(TIMING, images_per_second),
                       (double)probe->window_steps * ps_net_batch(probe->net) * parts_of(probe) / seconds);
    ps_trace_add_whole(trace, PS_KEY(TIMING, peak_memory_bytes), (int64_t)ps_memory_peak_bytes());
    return ps_trace_end_record(trace);
}

static bool probes_at(const ps_probe *probe, uint64_t first, uint64_t last) {
    uint64_t every = probe->options.probe_every > 0 ? (uint64_t)probe->options.probe_every : 1;
    return (first / probe->options.window + 1) % every == 0 || last + 1 == probe->options.steps;
}

static ps_status end_window(void *self, uint64_t first, uint64_t last) {
    ps_probe *probe = self;
    uint64_t start = ps_clock_ns(), probing = probe->probe_ns;
    PS_TRY(write_windows(probe, first, last));
    if (probes_at(probe, first, last)) PS_TRY(write_probes(probe, last + 1));
    probe->record_ns += ps_clock_ns() - start - (probe->probe_ns - probing);
    PS_TRY(write_timing(probe, last + 1));
    begin_window(probe);
    return ps_trace_flush(probe->options.trace, false);
}

static ps_status end(void *self, uint64_t steps, bool diverged) {
    ps_probe *probe = self;
    if (diverged) PS_TRY(ps_trace_write_diverged(probe->options.trace, steps));
    return ps_trace_flush(probe->options.trace, false);
}

ps_status ps_probe_create(ps_net *net, ps_optimiser *optimiser, const ps_probe_options *options, ps_probe **out) {
    ps_probe *probe;
    *out = NULL;
    if (options->source.batches > 0) PS_TRY(ps_net_check_statistics(net));
    PS_TRY(PS_ALLOC(1, &probe, "probe"));
    probe->net = net;
    probe->optimiser = optimiser;
    probe->options = *options;
    probe->hooks = (ps_train_hooks){.self = probe,
                                    .begin = begin,
                                    .after_backward = after_backward,
                                    .after_step = after_step,
                                    .end_window = end_window,
                                    .end = end};
    ps_status status = build(probe);
    probe->options.record = NULL; /* read; the caller may free it */
    if (status == PS_OK) *out = probe;
    else ps_probe_destroy(probe);
    return status;
}

const ps_train_hooks *ps_probe_hooks(ps_probe *probe) { return &probe->hooks; }

/* ---- looking in ---- */

/* Dead or on the edge, of a node; by the bounds where they were measured. */
typedef struct {
    double dead, edge, nodes;
    bool blown;
} node_counts;

static void count_layer(const ps_probe *probe, int layer, const double *gate, node_counts *n) {
    int channels = probe->layer[layer].unit->channels;
    const double *edges = ps_probe_state(probe, &ps_instrument_edge, layer);
    bool known = edges != NULL && ps_quantity_pre_max_high(&probe->layer[layer], edges, probe->out);
    for (int c = 0; c < channels; c++) {
        bool dead = known ? probe->out[c] <= 0 : gate[PS_GATE_NONZERO * channels + c] == 0;
        n->dead += dead;
        n->edge += known && !dead;
    }
    if (known) ps_quantity_pre_max_low(&probe->layer[layer], edges, probe->out);
    for (int c = 0; known && c < channels; c++) n->edge -= probe->out[c] > 0;
    n->nodes += channels;
}

/* A NaN is no 0, and would pass for an output that is alive. */
static bool is_finite_layer(const double *gate, int channels) {
    for (int c = 0; c < channels; c++)
        if (!isfinite(gate[PS_GATE_SUM_SQUARES * channels + c])) return false;
    return true;
}

/* all: of all gates' channels, else of the nodes with a gate of their own. */
static node_counts count_nodes(const ps_probe *probe, bool all) {
    node_counts n = {0};
    for (int i = 0; probe->probed && i < probe->layers; i++) {
        const ps_unit *unit = probe->layer[i].unit;
        const double *gate = ps_probe_state(probe, &ps_instrument_gate, i);
        if ((unit->shared && !all) || gate == NULL) continue;
        if (!is_finite_layer(gate, unit->channels)) return (node_counts){.blown = true};
        if (unit->tells_dead) count_layer(probe, i, gate, &n);
    }
    return n;
}

ps_dead_shares ps_probe_dead_shares(const ps_probe *probe) {
    node_counts own = count_nodes(probe, false), all = count_nodes(probe, true);
    bool known = false;
    for (int i = 0; i < probe->layers; i++) known = known || ps_probe_state(probe, &ps_instrument_edge, i) != NULL;
    return (ps_dead_shares){.own = own.nodes > 0 ? own.dead / own.nodes : NAN,
                            .all = all.nodes > 0 ? all.dead / all.nodes : NAN,
                            .edge = known && own.nodes > 0 ? own.edge / own.nodes : NAN,
                            .blown = own.blown};
}

void ps_probe_cost(const ps_probe *probe, uint64_t *record_ns, uint64_t *probe_ns) {
    *record_ns = probe->record_ns;
    *probe_ns = probe->probe_ns;
}

bool ps_probe_read(const ps_probe *probe, const char *quantity, int layer, double *out) {
    int index = ps_quantity_find(quantity);
    if (index < 0 || !ps_probe_records(probe, index, layer)) return false;
    const ps_quantity *q = &probe->quantity[index];
    return q->compute(&probe->layer[layer], ps_probe_attachment(probe, q->instrument, layer)->state, out);
}
