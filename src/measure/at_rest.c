#include "measure/at_rest.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/causes.h"
#include "analysis/findings/alike.h"
#include "analysis/json_scan.h"
#include "analysis/spectra/rank.h"
#include "core/memory.h"
#include "data/census.h"
#include "measure/incoming.h"
#include "probe/probe.h"
#include "trace/node_state.h"

static const char recorded[] =
    "nonzero,images_active,weight_l2,weight_l1,pre_max,pre_max_low,pre_max_high,mean,mean_abs,rms,image_spread,"
    "activation_l2";

/* Shares below which a node is near-dead, and a normalised gate shut whatever comes. */
static const double near_dead_share = 0.01, shut_scales = 3.0902323; /* a normal number is above it once in 1000 */

/* Sums over the probe set of what a normalisation reads, by channel. */
typedef struct {
    int norm, op;     /* the normalisation; whose output it reads */
    int unit;         /* whose values it decides on: its own, or a shared gate behind it */
    double *mean;     /* [channels] mean of the batches' means */
    double *variance; /* and of their variances */
} moments;

/* The worst of a unit's normalisations; ps_absent(): not known. */
typedef struct {
    double gap, scale, low;
} unit_modes;

typedef struct {
    ps_checkpoint_session *checkpoint;
    ps_session *session;
    const ps_units *units;
    ps_facts *facts;
    long long step;
    moments *moments; /* [norms] */
    int norms;
    unit_modes *modes; /* [units] */
    int batches;       /* added up so far */
    int most;          /* channels of the widest unit */
    double *value[9];  /* [most] each */
} looking;

static ps_status add(looking *l, int unit, ps_layer_fact fact, double value) {
    if (ps_is_absent(value)) return PS_OK;
    return ps_fact_add(&l->facts->layers[unit].series[fact], l->step, value, 0);
}

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Sorts the values; ps_absent(): one of them is not a number, or there is none. */
static double median(double *value, int count) {
    if (count == 0) return ps_absent();
    for (int i = 0; i < count; i++)
        if (isnan(value[i])) return ps_absent();
    qsort(value, (size_t)count, sizeof *value, by_size);
    return count % 2 ? value[count / 2] : (value[count / 2 - 1] + value[count / 2]) / 2;
}

/* ---- what the settings say ---- */

static ps_status describe_layers(looking *l) {
    ps_facts *f = l->facts;
    const ps_graph *graph = ps_net_graph(l->session->net);
    PS_TRY(PS_ALLOC((size_t)l->units->count, &f->layers, "facts of layers"));
    f->layer_count = l->units->count;
    for (int u = 0; u < l->units->count; u++) {
        const ps_unit *unit = &l->units->unit[u];
        ps_layer_facts *out = &f->layers[u];
        ps_gate gate = {.activation = ""};
        const ps_op *op = &graph->op[unit->gate_op];
        if (op->type->gate != NULL) (void)op->type->gate(op->config, &gate);
        PS_TRY(ps_string_copy(unit->name, &out->name));
        PS_TRY(ps_string_copy(gate.activation, &out->activation));
        out->position = u;
        out->nodes = unit->channels;
        out->fan_in = unit->fan_in > 0 ? unit->fan_in : ps_absent();
        out->own_gate = !unit->shared;
        out->normalised = unit->norm_op >= 0;
        out->over_batch = out->normalised && graph->op[unit->norm_op].type->batch_eps != NULL;
        out->has_module = unit->pool_skip_op >= 0;
    }
    return PS_OK;
}

static ps_status describe_data(const ps_dataset *set, ps_data_facts *out) {
    const ps_census_counts *census = ps_dataset_census(set);
    int most = (int)(sizeof out->mean / sizeof *out->mean), channels = ps_dataset_sample_shape(set).c;
    out->channels = channels < most ? channels : most;
    out->known = true;
    for (int c = 0; c < out->channels; c++) ps_dataset_input_moments(set, c, &out->mean[c], &out->sd[c]);
    out->out_of_range = (double)census->no_class;
    bool all = ps_dataset_looked_at(set) == 0; /* else few were looked at, and nothing is known of the others */
    out->constant = all ? census->constant : (double)NAN;
    out->duplicates = all ? census->identical : (double)NAN;
    if (!isnan(census->probe_distance)) out->probe_distance = census->probe_distance;
    if (out->classes == 0 || !all) return PS_OK;
    PS_TRY(PS_ALLOC((size_t)out->classes, &out->class_count, "facts of the data"));
    for (int i = 0; i < out->classes; i++)
        out->class_count[i] = (double)ps_dataset_count_labels(set, PS_SPLIT_TRAIN, i);
    return PS_OK;
}

static ps_status describe(looking *l, const char *target) {
    ps_facts *f = l->facts;
    const ps_run_config *c = &l->checkpoint->config;
    int classes = ps_dataset_classes(l->session->dataset);
    double images = ps_dataset_count(l->session->dataset, PS_SPLIT_TRAIN);
    bool trained = !l->checkpoint->weights_only;
    f->at_rest = true;
    f->task = l->session->described;
    if (classes > 1 && ps_trace_task_is_cross_entropy(&f->task)) f->chance_loss = log((double)classes);
    f->data.classes = classes;
    f->data.train = images;
    f->data.test = f->test_images = ps_dataset_count(l->session->dataset, PS_SPLIT_TEST);
    PS_TRY(describe_data(l->session->dataset, &f->data));
    if (trained) {
        f->steps_planned = c->steps;
        f->steps = (double)l->checkpoint->step;
        f->batch = c->batch;
        f->window = c->window;
        f->epoch_given = c->epoch_steps > 0;
        f->epoch_steps = f->epoch_given ? c->epoch_steps : floor(images / ((double)c->batch * c->accumulate));
        f->weight_decay = c->weight_decay;
        f->clip_limit = c->clip;
        f->warmup = c->warmup_epochs > 0 ? c->warmup_epochs * f->epoch_steps : c->warmup;
    }
    PS_TRY(ps_string_copy(target, &f->target));
    if (trained) PS_TRY(ps_string_copy(c->optimiser, &f->optimiser));
    return describe_layers(l);
}

/* ---- parameters that no network can have ---- */

static ps_status add_broken(looking *l) {
    ps_facts *f = l->facts;
    for (int i = -1; (i = ps_net_find_broken(l->session->net, i + 1)) >= 0;) {
        const ps_param *p = ps_net_param(l->session->net, i);
        PS_TRY(PS_GROW(&f->nonfinite, &f->nonfinite_capacity, f->nonfinite_count + 1, "values that are not finite"));
        ps_nonfinite_fact *fact = &f->nonfinite[f->nonfinite_count++];
        *fact = (ps_nonfinite_fact){.step = l->step, .channel = -1};
        PS_TRY(ps_string_copy(p->learned ? "weights" : "running statistics", &fact->what));
        PS_TRY(ps_string_copy(p->name, &fact->layer));
    }
    return PS_OK;
}

/* ---- one look at the probe set ---- */

/* Mean and variance of a channel of a batch, in two passes. */
static void add_moments(moments *m, const float *y, size_t positions, size_t channels) {
    for (size_t c = 0; c < channels; c++) {
        double sum = 0, squares = 0;
        for (size_t p = 0; p < positions; p++) sum += (double)y[p * channels + c];
        double mean = sum / (double)positions;
        for (size_t p = 0; p < positions; p++) {
            double from_mean = (double)y[p * channels + c] - mean;
            squares += from_mean * from_mean;
        }
        m->mean[c] += mean;
        m->variance[c] += squares / (double)positions;
    }
}

static void after_op(void *self, int op, ps_shape shape, const float *y) {
    looking *l = self;
    for (int i = 0; i < l->norms; i++)
        if (l->moments[i].op == op) add_moments(&l->moments[i], y, ps_shape_positions(shape), (size_t)shape.c);
}

/* The loss of the probe set in a mode; with batch statistics the moments on the way. */
static ps_status add_loss(looking *l, ps_mode mode, ps_fact_series *series) {
    ps_session *s = l->session;
    ps_net_hook hook = {l, after_op};
    double sum = 0, counted = 0;
    for (int b = 0; b < s->probe_batches; b++) {
        PS_TRY(ps_loader_plain_batch(s->loader, PS_SPLIT_PROBE, b, s->x, s->label, NULL, s->threads));
        ps_net_forward(s->net, s->x, mode, (ps_rng_key){{0, 0}}, mode == PS_MODE_PROBE ? &hook : NULL);
        l->batches += mode == PS_MODE_PROBE;
        ps_loss loss = ps_net_loss(s->net, &s->loss, s->label, false);
        if (loss.counted == 0) continue;
        sum += loss.loss * (double)loss.counted;
        counted += (double)loss.counted;
    }
    return counted > 0 ? ps_fact_add(series, l->step, sum / counted, 0) : PS_OK;
}

/* How far a gate hands on what enters it, whatever that is; ps_absent(): neither ReLU nor LeakyReLU. */
static double linear_share(const looking *l, const ps_unit *unit, double never_shut) {
    ps_gate gate = {.slope = NAN};
    const ps_op *op = &ps_net_graph(l->session->net)->op[unit->gate_op];
    if (op->type->gate == NULL || !op->type->gate(op->config, &gate)) return ps_absent();
    if (strcmp(gate.activation, "relu") == 0) return never_shut / unit->channels;
    return strcmp(gate.activation, "leaky_relu") == 0 ? (double)gate.slope >= PS_FINDINGS_NO_GATE : ps_absent();
}

/* Incoming weights that point where another node's do, or are a sum of others'. */
static ps_status add_overlap(looking *l, int u) {
    static const double cosine = 0.999, left = 0.001; /* as `poolscope ranks` has them */
    const ps_unit *unit = &l->units->unit[u];
    ps_overlap_list same = {0};
    double *rows = NULL, *marked = l->value[0], *residual = l->value[1], count = 0;
    int columns = 0, n = unit->channels;
    if (unit->shared || unit->source_op < 0 || n < 2) return PS_OK;
    ps_status status = ps_incoming_rows(l->session->net, unit, &rows, &columns);
    for (int c = 0; c < n; c++) marked[c] = residual[c] = 0;
    for (size_t i = 0; status == PS_OK && i < (size_t)n * (size_t)columns; i++)
        if (!isfinite(rows[i])) goto cleanup; /* of such weights nothing can be said */
    if (status == PS_OK) status = ps_overlap_find(rows, n, columns, cosine, &same, NULL);
    for (int p = 0; status == PS_OK && p < same.count; p++)
        marked[same.pair[p].first] = marked[same.pair[p].second] = 1;
    bool testable = ps_dependence_testable(n, columns);
    if (status == PS_OK && testable) status = ps_dependence_residuals(rows, n, columns, residual);
    for (int c = 0; c < n; c++) count += marked[c] > 0 || (testable && residual[c] < left);
    if (status == PS_OK) status = add(l, u, PS_FACT_overlapping, count / n);
cleanup:
    ps_overlap_list_clear(&same);
    ps_free(rows);
    return status;
}

/* What of the nodes of a layer a probing tells. */
static ps_status add_states(looking *l, const ps_probe *probe, int u) {
    enum { NONZERO, LOW, HIGH, MEAN, MEAN_ABS, RMS, SPREAD, L2, L1 };
    static const char *const names[] = {"nonzero", "pre_max_low",  "pre_max_high", "mean",     "mean_abs",
                                        "rms",     "image_spread", "weight_l2",    "weight_l1"};
    const ps_unit *unit = &l->units->unit[u];
    bool there[9];
    int n = unit->channels, dead = 0, edge = 0, near = 0, constant = 0, rare = 0, never_shut = 0;
    double images = (double)l->session->probe_batches * ps_net_batch(l->session->net), squares = 0;
    double outputs = images * unit->elements;
    for (int i = 0; i < 9; i++) {
        there[i] = ps_probe_read(probe, names[i], u, l->value[i]);
        for (int c = 0; !there[i] && c < n; c++) l->value[i][c] = ps_absent();
    }
    for (int c = 0; c < n; c++) {
        ps_node_state state = there[NONZERO]
                                  ? ps_node_state_of(l->value[NONZERO][c], l->value[LOW][c], l->value[HIGH][c])
                                  : PS_NODE_ALIVE;
        dead += state == PS_NODE_DEAD;
        edge += state == PS_NODE_EDGE;
        near += there[NONZERO] && state == PS_NODE_ALIVE && l->value[NONZERO][c] < near_dead_share * outputs;
        never_shut += there[NONZERO] && l->value[NONZERO][c] >= outputs;
        rare += there[NONZERO] && l->value[NONZERO][c] < PS_FINDINGS_RARELY * outputs;
        constant += state != PS_NODE_DEAD && l->value[MEAN_ABS][c] > 0 &&
                    l->value[SPREAD][c] <= PS_CONSTANT_WITHIN * l->value[MEAN_ABS][c];
        squares += l->value[RMS][c] * l->value[RMS][c];
    }
    PS_TRY(add(l, u, PS_FACT_linear, linear_share(l, unit, never_shut)));
    if (there[NONZERO]) {
        PS_TRY(add(l, u, PS_FACT_dead, (double)dead / n));
        PS_TRY(add(l, u, PS_FACT_near_dead, (double)near / n));
        PS_TRY(add(l, u, PS_FACT_rarely_open, (double)rare / n));
        if (there[LOW]) PS_TRY(add(l, u, PS_FACT_edge, (double)edge / n));
    }
    if (there[SPREAD]) PS_TRY(add(l, u, PS_FACT_constant, (double)constant / n));
    if (there[NONZERO] || there[SPREAD]) PS_TRY(add(l, u, PS_FACT_rank_share, (double)(n - dead - constant) / n));
    if (there[RMS]) PS_TRY(add(l, u, PS_FACT_output_rms, sqrt(squares / n)));
    if (!there[L2]) return PS_OK;
    if (there[RMS] && there[MEAN] && there[L1])
        PS_TRY(
            add(l, u, PS_FACT_alike, ps_findings_alike(n, l->value[L2], l->value[L1], l->value[MEAN], l->value[RMS])));
    squares = 0;
    for (int c = 0; c < n; c++) squares += l->value[L2][c] * l->value[L2][c];
    return unit->fan_in > 0 ? add(l, u, PS_FACT_weight_rms, sqrt(squares / n / unit->fan_in)) : PS_OK;
}

static ps_status look(looking *l) {
    ps_probe_options options = {
        .record = recorded, .steps = 1, .window = 1, .source = ps_session_probe_source(l->session)};
    ps_probe *probe = NULL;
    ps_status status = ps_probe_create(l->session->net, NULL, &options, &probe);
    if (status == PS_OK) status = ps_probe_measure(probe);
    for (int u = 0; status == PS_OK && u < l->units->count; u++) status = add_states(l, probe, u);
    for (int u = 0; status == PS_OK && u < l->units->count; u++) status = add_overlap(l, u);
    ps_probe_destroy(probe);
    return status;
}

/* ---- normalisations: running against batch statistics, scale and shift ---- */

static const float *values_of(ps_net *net, int op, const char *suffix) {
    int param = ps_net_op_param(net, op, suffix);
    return param >= 0 ? ps_net_param(net, param)->value : NULL;
}

static double worse(double a, double b) { return ps_is_absent(a) || b > a ? b : a; }

/* Both modes must be known, and the variance above the smallest that counts: where nothing varies a ratio says
 * nothing. */
static void look_at_modes(looking *l, const moments *m) {
    const ps_op *norm = &ps_net_graph(l->session->net)->op[m->norm];
    const float *mean = values_of(l->session->net, m->norm, "running_mean"),
                *variance = values_of(l->session->net, m->norm, "running_var");
    double gap = 0, *scale = l->value[0], eps = norm->type->batch_eps(norm->config);
    int low = 0, used = 0, channels = l->units->unit[m->unit].channels;
    unit_modes *out = &l->modes[m->unit];
    for (int c = 0; c < channels; c++) {
        double batch_mean = m->mean[c] / l->batches, batch_variance = m->variance[c] / l->batches;
        low += batch_variance < eps;
        if (mean == NULL || variance == NULL || batch_variance < eps) continue;
        gap += fabs((double)mean[c] - batch_mean) / sqrt(batch_variance);
        scale[used++] = fabs(log(((double)variance[c] + eps) / (batch_variance + eps)));
    }
    out->low = worse(out->low, (double)low / channels);
    if (used == 0) return;
    out->gap = worse(out->gap, gap / used);
    out->scale = worse(out->scale, median(scale, used));
}

static ps_status add_modes(looking *l) {
    if (l->batches == 0) return PS_OK;
    for (int u = 0; u < l->units->count; u++) l->modes[u] = (unit_modes){ps_absent(), ps_absent(), ps_absent()};
    for (int i = 0; i < l->norms; i++) look_at_modes(l, &l->moments[i]);
    for (int u = 0; u < l->units->count; u++) {
        PS_TRY(add(l, u, PS_FACT_variance_low, l->modes[u].low));
        PS_TRY(add(l, u, PS_FACT_mode_gap, l->modes[u].gap));
        PS_TRY(add(l, u, PS_FACT_mode_scale, l->modes[u].scale));
    }
    return PS_OK;
}

/* Values that are normalised have mean 0 and deviation 1, whatever comes. */
static ps_status add_shut(looking *l, int u) {
    const ps_unit *unit = &l->units->unit[u];
    const float *gamma = values_of(l->session->net, unit->norm_op, "weight"),
                *beta = values_of(l->session->net, unit->norm_op, "bias");
    int shut = 0;
    bool meets_gate = unit->rectifies && !unit->shared && unit->pool_skip_op < 0;
    if (gamma == NULL || beta == NULL || !meets_gate) return PS_OK;
    for (int c = 0; c < unit->channels; c++)
        shut += beta[c] <= 0 && (gamma[c] == 0 || (double)beta[c] < -shut_scales * fabs((double)gamma[c]));
    return add(l, u, PS_FACT_shut_by_norm, (double)shut / unit->channels);
}

static ps_status add_norms(looking *l) {
    const ps_graph *graph = ps_net_graph(l->session->net);
    PS_TRY(add_modes(l));
    for (int u = 0; u < l->units->count; u++) {
        int norm = l->units->unit[u].norm_op;
        if (norm >= 0 && graph->op[norm].type->standardises) PS_TRY(add_shut(l, u));
    }
    return PS_OK;
}

/* The unit that a normalisation belongs to, else the shared gate that comes next behind it; -1: there is none. */
static int unit_behind(const looking *l, int norm, int channels) {
    int behind = -1;
    for (int u = 0; u < l->units->count; u++) {
        const ps_unit *unit = &l->units->unit[u];
        if (unit->norm_op == norm) return u;
        bool later = unit->shared && unit->channels == channels && unit->gate_op >= norm;
        if (later && (behind < 0 || unit->gate_op < l->units->unit[behind].gate_op)) behind = u;
    }
    return behind;
}

static ps_status prepare_moments(looking *l) {
    const ps_graph *graph = ps_net_graph(l->session->net);
    PS_TRY(PS_ALLOC((size_t)graph->count + 1, &l->moments, "moments"));
    PS_TRY(PS_ALLOC((size_t)l->units->count + 1, &l->modes, "moments"));
    for (int op = 0; op < graph->count; op++) {
        int channels = graph->op[op].shape.c;
        if (graph->op[op].type->batch_eps == NULL || graph->op[op].input[0] < 0) continue;
        int unit = unit_behind(l, op, channels);
        if (unit < 0) continue;
        moments *m = &l->moments[l->norms++];
        *m = (moments){.norm = op, .op = graph->op[op].input[0], .unit = unit};
        l->facts->layers[unit].normalised = l->facts->layers[unit].over_batch = true;
        PS_TRY(PS_ALLOC((size_t)channels, &m->mean, "moments"));
        PS_TRY(PS_ALLOC((size_t)channels, &m->variance, "moments"));
    }
    return PS_OK;
}

/* ---- the gradient of a training batch ---- */

static ps_status add_gradient(looking *l, int u) {
    const ps_unit *unit = &l->units->unit[u];
    int index = unit->source_op >= 0 ? ps_net_op_param(l->session->net, unit->source_op, "weight") : -1, zero = 0;
    if (index < 0) return PS_OK;
    const ps_param *p = ps_net_param(l->session->net, index);
    for (int c = 0; c < unit->channels; c++) {
        double squares = 0;
        for (size_t i = 0; i < p->row_length; i++) {
            double g = (double)p->grad[(size_t)c * p->row_length + i];
            squares += g * g;
        }
        zero += squares == 0;
        l->value[0][c] = sqrt(squares);
    }
    PS_TRY(add(l, u, PS_FACT_grad_zero, (double)zero / unit->channels));
    return add(l, u, PS_FACT_grad_rms, median(l->value[0], unit->channels));
}

static ps_status add_gradients(looking *l) {
    ps_session *s = l->session;
    double squares = 0;
    ps_train_source source = ps_session_train_source(s);
    PS_TRY(source.train_batch(source.self, 0, s->x, s->label));
    ps_net_forward(s->net, s->x, PS_MODE_PROBE, (ps_rng_key){{0, 0}}, NULL);
    ps_loss loss = ps_net_soft_loss(s->net, source.loss, s->label, source.soft, true);
    if (loss.counted == 0) return PS_OK;
    PS_TRY(ps_fact_add(&l->facts->loss, l->step, loss.loss, 0));
    ps_net_backward(s->net);
    for (int i = 0; i < ps_net_param_count(s->net); i++) {
        const ps_param *p = ps_net_param(s->net, i);
        for (size_t k = 0; p->learned && !p->module && k < p->count; k++)
            squares += (double)p->grad[k] * (double)p->grad[k];
    }
    PS_TRY(ps_fact_add(&l->facts->grad_norm, l->step, sqrt(squares), 0));
    for (int u = 0; u < l->units->count; u++) PS_TRY(add_gradient(l, u));
    return PS_OK;
}

/* ---- all of it ---- */

static ps_status gather(looking *l, const char *target) {
    PS_TRY(describe(l, target));
    PS_TRY(add_broken(l));
    for (int u = 0; u < l->units->count; u++)
        if (l->units->unit[u].channels > l->most) l->most = l->units->unit[u].channels;
    for (int i = 0; i < 9; i++) PS_TRY(PS_ALLOC((size_t)l->most + 1, &l->value[i], "nodes"));
    PS_TRY(prepare_moments(l));
    PS_TRY(ps_net_check_statistics(l->session->net));
    PS_TRY(look(l));
    PS_TRY(add_loss(l, PS_MODE_PROBE, &l->facts->probe_loss_batch));
    PS_TRY(add_loss(l, PS_MODE_EVAL, &l->facts->probe_loss_eval));
    PS_TRY(add_norms(l));
    return add_gradients(l);
}

ps_status ps_facts_at_rest(ps_checkpoint_session *checkpoint, const char *target, ps_facts *facts) {
    looking l = {.checkpoint = checkpoint,
                 .session = &checkpoint->session,
                 .units = ps_net_units(checkpoint->session.net),
                 .facts = facts,
                 .step = checkpoint->weights_only ? 0 : (long long)checkpoint->step};
    ps_facts_init(facts);
    ps_status status = gather(&l, target);
    for (int i = 0; i < l.norms; i++) {
        ps_free(l.moments[i].mean);
        ps_free(l.moments[i].variance);
    }
    ps_free(l.moments);
    ps_free(l.modes);
    for (int i = 0; i < 9; i++) ps_free(l.value[i]);
    return status;
}
