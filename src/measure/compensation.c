#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "measure/measurement.h"
#include "core/memory.h"
#include "core/progress.h"
#include "net/compensation.h"

static int batches;

const ps_option ps_compensation_options[] = {
    PS_WHOLE("batches", batches, "N", "1", 1, PS_OPTION_ANY, "batches of the probe set"),
    {0},
};

static const double EXACT = 1e-5;

typedef enum { IDENTITY, PATH, TOTAL, GRADIENTS } gradient;

/* One Pool Skip and what was measured of it, per channel. */
typedef struct {
    int node, source, input; /* input: node whose output the convolution reads, -1: the network input */
    const ps_unit *unit;     /* whose gate it stands before; NULL: behind it comes an add */
    ps_compensation_job *job;
    double *gradient[GRADIENTS], *nonzero;
    float *x, *y, *o; /* maps of the present batch */
} module;

typedef struct {
    const ps_measure *m;
    ps_session *session;
    module *module;
    bool *reached; /* per node of the graph, scratch of position_of */
    int count;
    ps_progress progress;
    FILE *table; /* NULL: none is wanted */
    bool exact;
} work;

static const ps_graph *graph_of(const work *w) { return ps_net_graph(w->session->net); }

static size_t map_elements(const work *w, int node) {
    ps_shape shape = node < 0 ? graph_of(w)->input : graph_of(w)->op[node].shape;
    return (size_t)w->session->config->batch * ps_shape_elements(shape);
}

/* ---- one module's maps and sums ---- */

static ps_status open_module(work *w, module *m) {
    size_t c = (size_t)graph_of(w)->op[m->node].shape.c;
    static const ps_sum sums[GRADIENTS] = {PS_SUM_POOL_GRAD_IDENTITY, PS_SUM_POOL_GRAD_PATH, PS_SUM_POOL_GRAD_TOTAL};
    PS_TRY(ps_compensation_create(w->session->net, m->node, m->source, &m->job));
    PS_TRY(PS_ALLOC(map_elements(w, m->input), &m->x, "compensation"));
    PS_TRY(PS_ALLOC(map_elements(w, m->node), &m->y, "compensation"));
    PS_TRY(PS_ALLOC(map_elements(w, m->node), &m->o, "compensation"));
    PS_TRY(PS_ALLOC(c, &m->nonzero, "compensation"));
    for (int g = 0; g < GRADIENTS; g++) PS_TRY(ps_net_request_sum(w->session->net, m->node, sums[g], &m->gradient[g]));
    return PS_OK;
}

static void close_module(module *m) {
    ps_compensation_destroy(m->job);
    ps_free(m->x);
    ps_free(m->y);
    ps_free(m->o);
    ps_free(m->nonzero);
    *m = (module){.node = m->node, .source = m->source, .input = m->input, .unit = m->unit}; /* closing twice is fine */
}

static void keep_maps(void *self, int node, ps_shape shape, const float *y) {
    module *m = self;
    size_t bytes = ps_shape_elements(shape) * sizeof *y;
    if (node == m->input) memcpy(m->x, y, bytes);
    if (node == m->source) memcpy(m->y, y, bytes);
    if (node == m->node) memcpy(m->o, y, bytes);
    if (m->unit == NULL || node != m->unit->gate_op) return;
    for (size_t i = 0; i < ps_shape_elements(shape); i++) m->nonzero[i % (size_t)shape.c] += y[i] != 0;
}

/* As the probe sees the network: statistics of the batch, no dropout. */
static ps_status measure_batch(work *w, module *m, int index) {
    ps_session *session = w->session;
    ps_net_hook hook = {m, keep_maps};
    PS_TRY(ps_loader_plain_batch(session->loader, PS_SPLIT_PROBE, index, session->x, session->label, NULL,
                                 session->threads));
    if (m->input < 0) memcpy(m->x, session->x, map_elements(w, -1) * sizeof *m->x);
    ps_net_forward(session->net, session->x, PS_MODE_PROBE, (ps_rng_key){{0, 0}}, &hook);
    ps_net_loss(session->net, &session->loss, session->label, true);
    ps_net_backward(session->net);
    ps_compensation_add(m->job, m->x, m->y, m->o);
    return PS_OK;
}

/* ---- results: sums over the channels of a group ---- */

#define GROUP_LIST(GROUP) GROUP(ALL, "all") GROUP(ALIVE, "alive") GROUP(DEAD, "dead")
typedef enum {
#define GROUP(name, word) name,
    GROUP_LIST(GROUP)
#undef GROUP
        GROUPS
} group;
static const char *const group_names[] = {
#define GROUP(name, word) word,
    GROUP_LIST(GROUP)
#undef GROUP
};

static bool belongs(const module *m, int channel, group g) {
    return g == ALL || (m->unit != NULL && (g == DEAD) == (m->nonzero[channel] == 0));
}

static double total(const module *m, const double *values, group g) {
    double sum = 0;
    for (int c = 0; c < ps_compensation_sums(m->job)->channels; c++) sum += belongs(m, c, g) ? values[c] : 0.0;
    return sum;
}

static double ratio(double part, double whole) { return whole > 0 ? part / whole : NAN; }

static void put_value(FILE *stream, double value) {
    if (isnan(value)) fprintf(stream, "\tNA");
    else fprintf(stream, "\t%.9g", value);
}

static ps_status open_table(work *w) {
    char *columns;
    size_t size;
    FILE *text = open_memstream(&columns, &size);
    if (text == NULL) return ps_fail(PS_ERR_MEMORY, "no memory for a line of a table");
    fprintf(text, "layer\tposition\tgroup\tchannels\tnorm\ty_energy\tpath_energy\to_energy");
    for (int p = 0; p < PS_PARTS; p++) fprintf(text, "\t%s", ps_compensation_part_name(p));
    for (int p = 0; p < PS_PARTS; p++) fprintf(text, "\t%s_y", ps_compensation_part_name(p));
    for (int p = 0; p < PS_PARTS; p++)
        for (int q = p + 1; q < PS_PARTS; q++)
            fprintf(text, "\t%s_%s", ps_compensation_part_name(p), ps_compensation_part_name(q));
    fprintf(text, "\topened_frozen\tshut_frozen\topened_own\tshut_own\tgrad_identity\tgrad_path\tgrad_total\tresidual");
    for (int p = 0; p < PS_PARTS; p++) fprintf(text, "\t%s_share", ps_compensation_part_name(p));
    ps_status status = ps_memory_stream_close(text, &columns, "a line of a table");
    if (status == PS_OK) status = ps_measure_table(w->m, "compensation", columns, &w->table);
    free(columns);
    return status;
}

static bool reads_any(const ps_op *node, const bool *reached) {
    for (int k = 0; k < node->inputs; k++)
        if (node->input[k] >= 0 && reached[node->input[k]]) return true;
    return false;
}

/* Position of the first gate that a node leads to: the number that layers have everywhere else, the same in all arms.
 * Several convolutions that are added before one gate share it. Past the last gate: the number of gates. */
static int position_of(const work *w, int node) {
    const ps_graph *graph = graph_of(w);
    const ps_units *units = ps_net_units(w->session->net);
    memset(w->reached, 0, (size_t)graph->count * sizeof *w->reached);
    w->reached[node] = true;
    for (int i = node; i < graph->count; i++) {
        if (i > node && !reads_any(&graph->op[i], w->reached)) continue;
        w->reached[i] = true;
        for (int u = 0; u < units->count; u++)
            if (units->unit[u].gate_op == i) return u;
    }
    return units->count;
}

static const char *norm_of(const work *w, const module *m) {
    int norm = ps_compensation_sums(m->job)->norm_op;
    return norm >= 0 ? graph_of(w)->op[norm].name : "NA";
}

static void write_group(work *w, const module *m, group g) {
    const ps_compensation *s = ps_compensation_sums(m->job);
    int channels = 0;
    for (int c = 0; c < s->channels; c++) channels += belongs(m, c, g);
    double elements = (double)channels * (double)(map_elements(w, m->node) / (size_t)s->channels) * batches;
    fprintf(w->table, "%s\t%d\t%s\t%d\t%s", graph_of(w)->op[m->source].name, position_of(w, m->source), group_names[g],
            channels, norm_of(w, m));
    put_value(w->table, total(m, s->y_energy, g));
    put_value(w->table, total(m, s->path_energy, g));
    put_value(w->table, total(m, s->o_energy, g));
    for (int p = 0; p < PS_PARTS; p++) put_value(w->table, total(m, s->energy[p], g));
    for (int p = 0; p < PS_PARTS; p++) put_value(w->table, total(m, s->with_y[p], g));
    for (int p = 0; p < PS_PARTS; p++)
        for (int q = p + 1; q < PS_PARTS; q++) put_value(w->table, total(m, s->cross[p][q], g));
    for (int f = 0; f < PS_FLIPS; f++) put_value(w->table, ratio(total(m, s->flips[f], g), elements));
    for (int k = 0; k < GRADIENTS; k++) put_value(w->table, total(m, m->gradient[k], g));
    put_value(w->table, sqrt(ratio(s->residual_energy, s->whole_energy)));
    double parts = 0;
    for (int p = 0; p < PS_PARTS; p++) parts += total(m, s->energy[p], g);
    for (int p = 0; p < PS_PARTS; p++) put_value(w->table, ratio(total(m, s->energy[p], g), parts));
    fputc('\n', w->table);
}

/* Groups without channels, or without any gradient, have no share. */
static void format_share(double share, char text[16]) {
    if (isnan(share)) snprintf(text, 16, "-");
    else snprintf(text, 16, "%.4f", share);
}

/* A shared gate is shut by more than this module's channel: nobody is dead there. */
static void format_dead(const module *m, char text[16]) {
    int dead = 0;
    for (int c = 0; c < ps_compensation_sums(m->job)->channels; c++) dead += belongs(m, c, DEAD);
    if (m->unit == NULL) snprintf(text, 16, "-");
    else snprintf(text, 16, "%d", dead);
}

static void print_module(const work *w, const module *m) {
    const ps_compensation *s = ps_compensation_sums(m->job);
    double y = total(m, s->y_energy, ALL),
           affine = total(m, s->energy[PS_PART_AFFINE_SAME], ALL) + total(m, s->energy[PS_PART_AFFINE_CROSS], ALL);
    double dimensional =
        total(m, s->energy[PS_PART_DIMENSIONAL_SAME], ALL) + total(m, s->energy[PS_PART_DIMENSIONAL_CROSS], ALL);
    double bias = total(m, s->energy[PS_PART_BIAS_SAME], ALL) + total(m, s->energy[PS_PART_BIAS_CROSS], ALL);
    double elements = (double)map_elements(w, m->node) * batches;
    char dead[16], live_share[16], dead_share[16];
    format_dead(m, dead);
    format_share(ratio(total(m, m->gradient[PATH], ALIVE), total(m, m->gradient[TOTAL], ALIVE)), live_share);
    format_share(ratio(total(m, m->gradient[PATH], DEAD), total(m, m->gradient[TOTAL], DEAD)), dead_share);
    fprintf(w->m->text, "%-34s %9.4f %9.4f %9.4f %8.2f %7.2f%s %7s %9s %9s %10.2g\n", graph_of(w)->op[m->source].name,
            sqrt(ratio(affine, y)), sqrt(ratio(dimensional, y)), sqrt(ratio(bias, y)),
            100 * total(m, s->flips[PS_OPENED_FROZEN], ALL) / elements,
            100 * total(m, s->flips[PS_SHUT_FROZEN], ALL) / elements, s->norm_op < 0 ? "*" : " ", dead, live_share,
            dead_share, sqrt(ratio(s->residual_energy, s->whole_energy)));
}

static ps_status measure_module(work *w, module *m) {
    PS_TRY(open_module(w, m));
    for (int b = 0; b < batches; b++) PS_TRY(measure_batch(w, m, b));
    print_module(w, m);
    for (group g = ALL; w->table != NULL && g < (m->unit != NULL ? GROUPS : ALIVE); g++) write_group(w, m, g);
    const ps_compensation *s = ps_compensation_sums(m->job);
    w->exact = w->exact && s->residual_energy <= EXACT * EXACT * s->whole_energy;
    close_module(m);
    return PS_OK;
}

/* ---- all modules ---- */

/* A Pool Skip behind another node. */
static bool is_module(const ps_graph *graph, int node) {
    return graph->op[node].type->role == PS_ROLE_POOL_SKIP && graph->op[node].input[0] >= 0;
}

static ps_status find_modules(work *w) {
    const ps_graph *graph = graph_of(w);
    const ps_units *units = ps_net_units(w->session->net);
    PS_TRY(PS_ALLOC((size_t)graph->count, &w->module, "compensation"));
    PS_TRY(PS_ALLOC((size_t)graph->count, &w->reached, "compensation"));
    for (int i = 0; i < graph->count; i++) {
        if (!is_module(graph, i)) continue;
        module *m = &w->module[w->count++];
        m->node = i;
        m->source = graph->op[i].input[0];
        m->input = graph->op[m->source].input[0];
        for (int u = 0; u < units->count; u++)
            if (units->unit[u].pool_skip_op == i && !units->unit[u].shared) m->unit = &units->unit[u];
    }
    if (batches > w->session->probe_batches)
        return ps_fail(PS_ERR_USAGE, "--batches must be 1 to %d: the probe set holds no more",
                       w->session->probe_batches);
    return PS_OK;
}

static ps_status measure_all(work *w) {
    PS_TRY(ps_net_check_statistics(w->session->net));
    PS_TRY(find_modules(w));
    ps_net_sum_in(w->session->net, PS_MODE_PROBE);
    fprintf(w->m->text,
            "Energies of the parts as RMS over RMS of y; non-positive region in %% of all elements (behind the "
            "normalisation, statistics of o; \"*\": none follows,\n"
            "signs of o and y); pool path's share of the gradient's energy; -: the module has no gate of its own\n");
    fprintf(w->m->text, "%-34s %9s %9s %9s %8s %8s %7s %9s %9s %10s\n", "convolution", "affine", "dimens.", "bias",
            "opened", "shut", "dead", "grad.live", "grad.dead", "residual");
    ps_progress_start(&w->progress, "compensation", (uint64_t)w->count, 0, w->m->quiet);
    for (int i = 0; i < w->count; i++) {
        PS_TRY(measure_module(w, &w->module[i]));
        ps_progress_update(&w->progress, (uint64_t)i + 1, NULL);
    }
    ps_progress_end(&w->progress, NULL);
    return PS_OK;
}

static const char *lacks(const ps_checkpoint_session *checkpoint) {
    const ps_graph *graph = checkpoint->graph;
    int modules = 0;
    for (int i = 0; i < graph->count; i++) {
        if (!is_module(graph, i)) continue;
        if (ps_compensation_check(&graph->op[i]) != PS_OK) return ps_status_message();
        modules++;
    }
    return modules > 0 ? NULL : "this network has no Pool Skip; give a checkpoint of an arm that has";
}

static ps_status run(work *w) {
    if (w->m->out != NULL) PS_TRY(open_table(w));
    return measure_all(w);
}

static ps_status measure(const ps_measure *m) {
    work w = {.m = m, .session = &m->checkpoint->session, .exact = true};
    ps_status status = run(&w);
    for (int i = 0; w.module != NULL && i < w.count; i++) close_module(&w.module[i]);
    ps_free(w.module);
    ps_free(w.reached);
    if (status == PS_OK && !w.exact)
        status = ps_fail(PS_ERR_CHECK,
                         "the parts of a module's output do not add up to the whole (relative error above %g)", EXACT);
    return status;
}

const ps_measurement ps_measurement_compensation = {
    .name = "compensation",
    .options = ps_compensation_options,
    .tables = "compensation",
    .lacks = lacks,
    .measure = measure,
};
