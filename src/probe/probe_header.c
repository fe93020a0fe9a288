/* The trace's header: what the run is, its gates, and what is recorded of them. */
#include <math.h>

#include "core/digest.h"
#include "probe/probe_internal.h"

void ps_probe_backbone_digest(ps_net *net, char hex[17]) {
    ps_digest digest = ps_digest_start();
    for (int i = 0; i < ps_net_param_count(net); i++) {
        const ps_param *p = ps_net_param(net, i);
        if (p->module || !p->learned) continue;
        ps_digest_text(&digest, p->name);
        ps_digest_u64(&digest, p->count);
        ps_digest_bytes(&digest, p->value, p->count * sizeof *p->value);
    }
    ps_digest_hex(&digest, hex);
}

static void add_arm(ps_trace_writer *trace, const ps_trace_arm *given) {
    static const ps_trace_arm unknown = {.role = PS_ARM_OTHER, .activation = ""};
    const ps_trace_arm *arm = given != NULL ? given : &unknown;
    ps_trace_begin_object(trace, PS_KEY(HEADER, arm_is));
    ps_trace_add_text(trace, PS_KEY(ARM_IS, role), ps_arm_roles[arm->role].word);
    ps_trace_add_whole(trace, PS_KEY(ARM_IS, pool_size), arm->pool_size);
    ps_trace_add_bool(trace, PS_KEY(ARM_IS, zero_init), arm->zero_init);
    ps_trace_add_text(trace, PS_KEY(ARM_IS, cut), ps_arm_cut_word(arm->cut));
    ps_trace_add_text(trace, PS_KEY(ARM_IS, activation), arm->activation);
    ps_trace_add_whole(trace, PS_KEY(ARM_IS, reinit_dead), arm->reinit_dead);
    ps_trace_close_scope(trace);
}

static void add_run(ps_trace_writer *trace, const ps_probe_run *run) {
    ps_trace_add_text(trace, PS_KEY(HEADER, format), PS_WORD(FORMAT, TRACE));
    ps_trace_add_whole(trace, PS_KEY(HEADER, version), PS_TRACE_VERSION);
    ps_trace_add_text(trace, PS_KEY(HEADER, producer), run->producer);
    ps_trace_add_text(trace, PS_KEY(HEADER, arm), run->arm != NULL ? run->arm : "");
    add_arm(trace, run->arm_is);
    ps_trace_add_whole(trace, PS_KEY(HEADER, seed), (int64_t)run->seed);
    ps_trace_add_json(trace, PS_KEY(HEADER, config), run->config != NULL ? run->config : "{}");
    if (run->registration != NULL) ps_trace_add_json(trace, PS_KEY(HEADER, registration), run->registration);
    ps_trace_begin_object(trace, PS_KEY(HEADER, pairing));
    for (size_t i = 0; i < sizeof run->pairing / sizeof *run->pairing && run->pairing[i].key != NULL; i++)
        ps_trace_add_text(trace, run->pairing[i].key, run->pairing[i].value);
    ps_trace_close_scope(trace);
}

static void add_known(ps_trace_writer *trace, const char *key, double value) {
    if (isnan(value)) ps_trace_add_null(trace, key);
    else ps_trace_add_value(trace, key, value);
}

static void add_found(ps_trace_writer *trace, const ps_probe_data *data, int classes) {
    ps_trace_add_values(trace, PS_KEY(DATA, input_mean), data->input_mean, (size_t)data->channels);
    ps_trace_add_values(trace, PS_KEY(DATA, input_sd), data->input_sd, (size_t)data->channels);
    if (data->looked_at > 0) ps_trace_add_whole(trace, PS_KEY(DATA, looked_at), data->looked_at);
    ps_trace_begin_array(trace, PS_KEY(DATA, class_counts));
    for (int i = 0; i < classes; i++) ps_trace_add_whole(trace, NULL, (int64_t)data->class_count[i]);
    ps_trace_close_scope(trace);
    if (data->class_name != NULL) {
        ps_trace_begin_array(trace, PS_KEY(DATA, class_names));
        for (int i = 0; i < classes; i++) ps_trace_add_text(trace, NULL, data->class_name[i]);
        ps_trace_close_scope(trace);
    }
    ps_trace_add_whole(trace, PS_KEY(DATA, no_class), (int64_t)data->no_class);
    if (data->looked_at == 0) {
        ps_trace_add_whole(trace, PS_KEY(DATA, constant), (int64_t)data->constant);
        ps_trace_add_whole(trace, PS_KEY(DATA, identical), (int64_t)data->identical);
    }
    add_known(trace, PS_KEY(DATA, probe_distance), data->probe_distance);
    add_known(trace, PS_KEY(DATA, file_order), data->file_order);
    if (!isnan(data->loss_floor)) ps_trace_add_double(trace, PS_KEY(DATA, loss_floor), data->loss_floor);
}

static void add_data(ps_trace_writer *trace, const ps_probe_run *run) {
    const int sample[] = {run->sample.c, run->sample.d, run->sample.h, run->sample.w};
    ps_trace_begin_object(trace, PS_KEY(HEADER, data));
    ps_trace_add_text(trace, PS_KEY(DATA, source), run->data_source);
    ps_trace_add_text(trace, PS_KEY(DATA, digest), run->data_digest);
    ps_trace_add_wholes(trace, PS_KEY(DATA, sample), sample, 4);
    ps_trace_add_whole(trace, PS_KEY(DATA, classes), run->classes);
    ps_trace_add_whole(trace, PS_KEY(DATA, train), run->train_count);
    ps_trace_add_whole(trace, PS_KEY(DATA, probe), run->probe_count);
    ps_trace_add_whole(trace, PS_KEY(DATA, test), run->test_count);
    if (run->data != NULL) add_found(trace, run->data, run->classes);
    ps_trace_close_scope(trace);
}

static void add_machine(ps_trace_writer *trace, const ps_probe_run *run) {
    ps_trace_begin_object(trace, PS_KEY(HEADER, machine));
    ps_trace_add_text(trace, PS_KEY(MACHINE, arch), run->arch);
    ps_trace_add_text(trace, PS_KEY(MACHINE, simd), run->simd);
    ps_trace_add_text(trace, PS_KEY(MACHINE, class), run->processor_class);
    ps_trace_begin_object(trace, PS_KEY(MACHINE, library));
    for (size_t i = 0; i < sizeof run->library / sizeof *run->library && run->library[i].name != NULL; i++)
        ps_trace_add_text(trace, run->library[i].name, run->library[i].version);
    ps_trace_close_scope(trace);
    ps_trace_close_scope(trace);
}

static void add_model(ps_trace_writer *trace, const ps_graph *graph) {
    size_t backbone, module;
    double macs;
    ps_graph_count(graph, &backbone, &module, &macs);
    ps_trace_begin_object(trace, PS_KEY(HEADER, model));
    ps_trace_add_text(trace, PS_KEY(MODEL, name), graph->name);
    ps_trace_add_whole(trace, PS_KEY(MODEL, parameters), (int64_t)backbone);
    ps_trace_add_whole(trace, PS_KEY(MODEL, module_parameters), (int64_t)module);
    ps_trace_add_whole(trace, PS_KEY(MODEL, macs), (int64_t)macs);
    ps_trace_close_scope(trace);
}

static const char *node_name(const ps_graph *graph, int node) { return node >= 0 ? graph->op[node].name : NULL; }

static const char *kind_of(const ps_graph *graph, const ps_unit *unit) {
    if (unit->shared) return PS_WORD(KIND, SHARED);
    if (unit->heads) return PS_WORD(KIND, ATTENTION);
    return graph->op[unit->source_op].type->role == PS_ROLE_LINEAR ? PS_WORD(KIND, LINEAR) : PS_WORD(KIND, CONV);
}

static bool named_before(const ps_unit *unit, int feed) {
    for (int i = 0; i < feed; i++)
        if (unit->feed[i].unit == unit->feed[feed].unit) return true;
    return false;
}

static bool reads_ungated(const ps_unit *unit) {
    for (int i = 0; i < unit->feeds; i++)
        if (unit->feed[i].unit < 0) return true;
    return false;
}

static void add_norm_eps(ps_trace_writer *trace, const ps_op *op) {
    if (op->type->batch_eps != NULL)
        ps_trace_add_value(trace, PS_KEY(LAYER, norm_eps), op->type->batch_eps(op->config));
}

static void add_norm(ps_trace_writer *trace, const ps_graph *graph, const ps_unit *unit) {
    int op = unit->norm_op >= 0 ? unit->norm_op : unit->gain_op;
    ps_trace_add_text(trace, PS_KEY(LAYER, norm), node_name(graph, op));
    if (op >= 0 && graph->op[op].type->batch_eps == NULL)
        ps_trace_add_text(trace, PS_KEY(LAYER, norm_over), PS_WORD(NORM_OVER, SAMPLE));
}

static void add_death(ps_trace_writer *trace, const ps_unit *unit) {
    bool cut_off = unit->rectifies && isfinite(unit->ceiling);
    ps_trace_add_text(trace, PS_KEY(LAYER, dead_means),
                      !unit->rectifies ? PS_WORD(DEATH, SATURATED)
                      : cut_off        ? PS_WORD(DEATH, CEILING)
                                       : PS_WORD(DEATH, ZERO));
    if (cut_off) ps_trace_add_value(trace, PS_KEY(LAYER, ceiling), (double)unit->ceiling);
}

/* Whether there are weights that read the gate, and all of them are frozen. */
static bool has_frozen_readers(const ps_probe_layer *layer) {
    bool all = layer->unit->readers > 0;
    for (int r = 0; r < layer->unit->readers; r++)
        all = all && ps_optimiser_freezes(layer->optimiser, layer->reader[r].weight);
    return all;
}

static void add_frozen(ps_trace_writer *trace, const ps_probe_layer *layer) {
    const struct {
        const char *word;
        int param;
    } own[] = {{"weight", layer->weight},
               {"bias", layer->bias},
               {"norm.weight", layer->gamma},
               {"norm.bias", layer->beta},
               {"pool_skip.weight", layer->pool_weight},
               {"pool_skip.bias", layer->pool_bias}};
    bool readers = layer->optimiser != NULL && has_frozen_readers(layer), any = readers;
    for (size_t i = 0; layer->optimiser != NULL && i < sizeof own / sizeof *own; i++)
        any = any || ps_optimiser_freezes(layer->optimiser, own[i].param);
    if (!any) return;
    ps_trace_begin_array(trace, PS_KEY(LAYER, frozen));
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        if (ps_optimiser_freezes(layer->optimiser, own[i].param)) ps_trace_add_text(trace, NULL, own[i].word);
    if (readers) ps_trace_add_text(trace, NULL, "readers");
    ps_trace_close_scope(trace);
}

static void add_slope(ps_trace_writer *trace, const ps_op *op) {
    ps_gate gate = {.slope = NAN};
    if (op->type->gate != NULL && op->type->gate(op->config, &gate) && !gate.rectifies && !isnan(gate.slope))
        ps_trace_add_value(trace, PS_KEY(LAYER, slope), (double)gate.slope);
}

static void add_layer(ps_trace_writer *trace, const ps_probe *probe, const ps_graph *graph, const ps_units *units,
                      int index) {
    const ps_unit *unit = &units->unit[index];
    ps_trace_begin_object(trace, NULL);
    ps_trace_add_text(trace, PS_KEY(LAYER, name), unit->name);
    ps_trace_add_text(trace, PS_KEY(LAYER, gate), unit->gate);
    ps_trace_add_text(trace, PS_KEY(LAYER, kind), kind_of(graph, unit));
    ps_trace_add_whole(trace, PS_KEY(LAYER, channels), unit->channels);
    ps_trace_add_whole(trace, PS_KEY(LAYER, position), index);
    ps_trace_add_whole(trace, PS_KEY(LAYER, depth), unit->depth);
    ps_trace_add_text(trace, PS_KEY(LAYER, stage), unit->stage != NULL ? unit->stage : "");
    ps_trace_add_text(trace, PS_KEY(LAYER, activation), unit->activation);
    if (!unit->heads) add_death(trace, unit);
    add_norm(trace, graph, unit);
    ps_trace_add_text(trace, PS_KEY(LAYER, pool_skip), node_name(graph, unit->pool_skip_op));
    if (unit->norm_op >= 0) add_norm_eps(trace, &graph->op[unit->norm_op]);
    add_slope(trace, &graph->op[unit->gate_op]);
    ps_trace_add_bool(trace, PS_KEY(LAYER, bias), unit->bias);
    ps_trace_add_whole(trace, PS_KEY(LAYER, fan_in), unit->fan_in);
    if (unit->groups > 1) ps_trace_add_whole(trace, PS_KEY(LAYER, groups), unit->groups);
    ps_trace_begin_array(trace, PS_KEY(LAYER, inputs));
    for (int i = 0; i < unit->feeds; i++)
        if (unit->feed[i].unit >= 0 && !named_before(unit, i))
            ps_trace_add_text(trace, NULL, units->unit[unit->feed[i].unit].name);
    ps_trace_close_scope(trace);
    ps_trace_add_bool(trace, PS_KEY(LAYER, ungated_inputs), reads_ungated(unit));
    add_frozen(trace, &probe->layer[index]);
    ps_trace_add_whole(trace, PS_KEY(LAYER, elements), unit->elements);
    ps_trace_close_scope(trace);
}

/* A quantity is listed where it is recorded of at least one layer. */
static bool is_recorded(const ps_probe *probe, int quantity) {
    if (probe->quantity[quantity].record == PS_RECORD_STEP) return true;
    for (int i = 0; i < probe->layers; i++)
        if (ps_probe_records(probe, quantity, i)) return true;
    return false;
}

static void add_quantities(ps_trace_writer *trace, const ps_probe *probe) {
    ps_trace_begin_array(trace, PS_KEY(HEADER, quantities));
    for (int i = 0; i < probe->quantities; i++) {
        const ps_quantity *q = &probe->quantity[i];
        if (!is_recorded(probe, i)) continue;
        ps_trace_begin_object(trace, NULL);
        ps_trace_add_text(trace, PS_KEY(QUANTITY, name), q->name);
        ps_trace_add_text(trace, PS_KEY(QUANTITY, unit), q->unit);
        ps_trace_add_text(trace, PS_KEY(QUANTITY, per), ps_words_at(PS_WORDS_PER, (int)q->per));
        ps_trace_add_text(trace, PS_KEY(QUANTITY, record), ps_record_word(q->record));
        ps_trace_add_text(trace, PS_KEY(QUANTITY, description), q->description);
        ps_trace_close_scope(trace);
    }
    ps_trace_close_scope(trace);
}

ps_status ps_probe_write_header(ps_probe *probe, const ps_probe_run *run) {
    ps_trace_writer *trace = probe->options.trace;
    const ps_graph *graph = ps_net_graph(probe->net);
    const ps_units *units = ps_net_units(probe->net);
    ps_trace_begin_record(trace, PS_RECORD_HEADER);
    add_run(trace, run);
    add_data(trace, run);
    if (run->task != NULL) ps_trace_add_task(trace, run->task);
    add_machine(trace, run);
    add_model(trace, graph);
    ps_trace_add_whole(trace, PS_KEY(HEADER, window), (int64_t)probe->options.window);
    ps_trace_add_whole(trace, PS_KEY(HEADER, steps), (int64_t)probe->options.steps);
    ps_trace_begin_array(trace, PS_KEY(HEADER, layers));
    for (int i = 0; i < units->count; i++) add_layer(trace, probe, graph, units, i);
    ps_trace_close_scope(trace);
    add_quantities(trace, probe);
    PS_TRY(ps_trace_end_record(trace));
    return ps_trace_flush(trace, false);
}
