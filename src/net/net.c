#include "net/net.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/memory.h"
#include "core/text.h"
#include "kernels/pointwise.h"
#include "kernels/softmax.h"
#include "net/bounds.h"
#include "net/outputs.h"
#include "net/plan.h"

/* An operation ready to run: the call with all its pointers, prepared once. */
typedef struct {
    ps_layer_call call;
    ps_shape in_shape[PS_LAYER_MAX_INPUTS];
    const float *x[PS_LAYER_MAX_INPUTS];
    float *dx[PS_LAYER_MAX_INPUTS];
    bool accumulate[PS_LAYER_MAX_INPUTS];
    const void *in_save[PS_LAYER_MAX_INPUTS];
    const float *in_bound[PS_LAYER_MAX_INPUTS];
    float *param[PS_LAYER_MAX_PARAMS], *grad[PS_LAYER_MAX_PARAMS], *state[PS_LAYER_MAX_STATES];
    size_t param_count[PS_LAYER_MAX_PARAMS];
    double *sums[PS_SUMS];
    uint64_t name_hash; /* dropout's randomness follows the name, which is the same in every arm */
    float *y, *dy;
} runner;

struct ps_net {
    ps_graph *graph;
    ps_units units;
    ps_threads *threads;
    int batch;
    ps_shape input;   /* n = batch */
    ps_mode sum_mode; /* of the passes that add to sums; TRAIN is zero */
    runner *runner;
    ps_layer_sizes *sizes;
    ps_memory_plan plan;
    char *block, *workspace;
    size_t workspace_bytes, parameter_bytes;
    ps_param *param;
    int param_count;
    size_t param_capacity;
    ps_outputs outputs;
    float *part_gradient; /* of the parts of a step before the one at hand, parameter after parameter; NULL: no parts */
    size_t parts_bytes;
    ps_bounds_plan bounds_plan; /* made by ps_net_prepare_bounds; nothing before */
    char *more_bounds;          /* those that find no place in the block */
    float *input_bounds, *edges;
    double *edge_squares;
    bool *bounded;    /* per operation: a pass with bounds knows its own */
    ps_op_time *time; /* per operation; NULL: nobody asks */
};

static ps_shape batched(const ps_net *net, ps_shape shape) { return ps_shape_with_batch(shape, net->batch); }

/* ---- construction ---- */

ps_status ps_param_name(const char *op, const char *suffix, char **name) {
    return ps_string_format(name, "%s%s%s", op, suffix[0] != '\0' ? "." : "", suffix);
}

static ps_status add_param(ps_net *net, int op, const ps_param_spec *spec, bool learned) {
    const ps_op *n = &net->graph->op[op];
    PS_TRY(PS_GROW(&net->param, &net->param_capacity, (size_t)net->param_count + 1, "parameters"));
    ps_param *p = &net->param[net->param_count++];
    *p = (ps_param){.op = op, .module = n->module, .learned = learned, .spec = *spec, .count = 1};
    for (int d = 0; d < spec->rank; d++) p->count *= (size_t)spec->dims[d];
    p->row_length = p->count / (size_t)spec->rows;
    PS_TRY(ps_param_name(n->name, spec->suffix, &p->name));
    PS_TRY(ps_param_name(n->file_name, spec->suffix, &p->file_name));
    PS_TRY(PS_ALLOC(p->count, &p->value, p->name));
    if (learned) PS_TRY(PS_ALLOC(p->count, &p->grad, p->name));
    net->parameter_bytes += p->count * sizeof(float) * (learned ? 2 : 1);
    return PS_OK;
}

typedef int specs_of(const void *config, const ps_shape *in, ps_shape out, ps_param_spec *specs);

static ps_status add_params(ps_net *net, int op, specs_of *specs_of_node, bool learned) {
    if (specs_of_node == NULL) return PS_OK;
    ps_param_spec specs[PS_LAYER_MAX_PARAMS > PS_LAYER_MAX_STATES ? PS_LAYER_MAX_PARAMS : PS_LAYER_MAX_STATES];
    ps_shape in[PS_LAYER_MAX_INPUTS];
    memset(specs, 0, sizeof specs);
    ps_graph_input_shapes(net->graph, op, in);
    const ps_op *n = &net->graph->op[op];
    int count = specs_of_node(n->config, in, n->shape, specs);
    for (int i = 0; i < count; i++) PS_TRY(add_param(net, op, &specs[i], learned));
    return PS_OK;
}

/* Points the runner at its parameters; the array of parameters no longer moves. */
static void bind_params(ps_net *net) {
    for (int i = 0; i < net->param_count; i++) {
        ps_param *p = &net->param[i];
        runner *r = &net->runner[p->op];
        float **slot = p->learned ? r->param : r->state;
        int at = 0;
        while (slot[at] != NULL) at++;
        slot[at] = p->value;
        if (p->learned) {
            r->grad[at] = p->grad;
            r->param_count[at] = p->count;
        }
    }
}

static ps_status plan_layers(ps_net *net) {
    int count = ps_threads_count(net->threads);
    for (int i = 0; i < net->graph->count; i++) {
        const ps_op *op = &net->graph->op[i];
        runner *r = &net->runner[i];
        ps_graph_input_shapes(net->graph, i, r->in_shape);
        for (int k = 0; k < op->inputs; k++) r->in_shape[k] = batched(net, r->in_shape[k]);
        r->call.type = op->type;
        r->call.config = op->config;
        r->call.out_shape = batched(net, op->shape);
        if (op->type->plan != NULL)
            PS_TRY(op->type->plan(op->config, r->in_shape, op->inputs, r->call.out_shape, count, &r->call.plan,
                                  &net->sizes[i]));
        size_t sums = ps_pointwise_workspace_bytes(r->call.out_shape);
        size_t input_sums = ps_pointwise_workspace_bytes(r->in_shape[0]);
        if (net->sizes[i].workspace_bytes > net->workspace_bytes) net->workspace_bytes = net->sizes[i].workspace_bytes;
        if (sums > net->workspace_bytes) net->workspace_bytes = sums;
        if (input_sums > net->workspace_bytes) net->workspace_bytes = input_sums;
    }
    return PS_OK;
}

static void *at(const ps_net *net, size_t offset) { return offset == PS_PLAN_NONE ? NULL : net->block + offset; }

/* Consumers run backward in reverse order: the last one writes the gradient first, the others add to it; to one that
 * the loss has written all do. */
static bool written_before(const ps_graph *graph, int consumer, int slot, int source) {
    if (ps_graph_is_output(graph, source)) return true;
    for (int k = 0; k < slot; k++)
        if (graph->op[consumer].input[k] == source) return true;
    for (int j = consumer + 1; j < graph->count; j++)
        for (int k = 0; k < graph->op[j].inputs; k++)
            if (graph->op[j].input[k] == source) return true;
    return false;
}

static void bind_input(ps_net *net, int i, int k) {
    const ps_op *op = &net->graph->op[i];
    runner *r = &net->runner[i];
    int source = op->input[k];
    if (source < 0) return;
    r->x[k] = net->runner[source].y;
    r->dx[k] = net->runner[source].dy;
    r->accumulate[k] = written_before(net->graph, i, k, source);
    r->in_save[k] = net->runner[source].call.save;
}

static void bind(ps_net *net) {
    for (int i = 0; i < net->graph->count; i++) {
        const ps_op *op = &net->graph->op[i];
        runner *r = &net->runner[i];
        r->y = at(net, net->plan.op[i].output);
        r->dy = at(net, net->plan.op[i].gradient);
        r->call.save = at(net, net->plan.op[i].save);
        for (int k = 0; k < op->inputs; k++) bind_input(net, i, k);
        r->name_hash = ps_rng_key_of(0, op->name).word[0];
        ps_layer_call *call = &r->call;
        call->threads = net->threads;
        call->inputs = op->inputs;
        call->in_shape = r->in_shape;
        call->x = r->x;
        call->dx = r->dx;
        call->accumulate = r->accumulate;
        call->param = r->param;
        call->param_count = r->param_count;
        call->grad = r->grad;
        call->state = r->state;
        call->in_save = r->in_save;
        call->workspace = net->workspace;
        call->sums = r->sums;
    }
}

static ps_status build(ps_net *net, const ps_graph *graph) {
    PS_TRY(ps_graph_fuse(graph, &net->graph));
    if (net->graph->count == 0) return ps_fail(PS_ERR_INPUT, "network %s: has no layers; add some", graph->name);
    PS_TRY(ps_units_create(net->graph, &net->units));
    net->input = batched(net, net->graph->input);
    size_t count = (size_t)net->graph->count;
    PS_TRY(PS_ALLOC(count, &net->runner, "network"));
    PS_TRY(PS_ALLOC(count, &net->sizes, "network"));
    PS_TRY(plan_layers(net));
    PS_TRY(ps_memory_plan_create(net->graph, net->batch, net->sizes, &net->plan));
    PS_TRY(PS_ALLOC(net->plan.block_bytes, &net->block, "activations and gradients"));
    PS_TRY(PS_ALLOC(net->workspace_bytes, &net->workspace, "workspace"));
    for (int i = 0; i < net->graph->count; i++) PS_TRY(add_params(net, i, net->graph->op[i].type->params, true));
    for (int i = 0; i < net->graph->count; i++) PS_TRY(add_params(net, i, net->graph->op[i].type->states, false));
    bind(net);
    bind_params(net);
    PS_TRY(ps_outputs_init(&net->outputs, net->graph, net->batch));
    for (int i = 0; i < net->param_count; i++)
        for (size_t j = 0; j < net->param[i].count && net->param[i].spec.init == PS_INIT_ONES; j++)
            net->param[i].value[j] = 1.0f;
    return PS_OK;
}

ps_status ps_net_create(const ps_graph *graph, int batch, ps_threads *threads, ps_net **out) {
    ps_net *net = NULL;
    *out = NULL;
    if (batch < 1) return ps_fail(PS_ERR_USAGE, "batch must be at least 1, not %d", batch);
    PS_TRY(PS_ALLOC(1, &net, "network"));
    net->batch = batch;
    net->threads = threads;
    ps_status status = build(net, graph);
    if (status == PS_OK) *out = net;
    else ps_net_destroy(net);
    return status;
}

static void clear_runner(const ps_op *op, runner *r) {
    if (r->call.plan != NULL && op->type->unplan != NULL) op->type->unplan(r->call.plan);
    for (int s = 0; s < PS_SUMS; s++) ps_free(r->sums[s]);
}

void ps_net_destroy(ps_net *net) {
    if (net == NULL) return;
    for (int i = 0; net->runner != NULL && i < net->graph->count; i++)
        clear_runner(&net->graph->op[i], &net->runner[i]);
    for (int i = 0; i < net->param_count; i++) {
        free(net->param[i].name);
        free(net->param[i].file_name);
        ps_free(net->param[i].value);
        ps_free(net->param[i].grad);
    }
    ps_free_array(net->param);
    ps_free(net->runner);
    ps_free(net->sizes);
    ps_free(net->block);
    ps_free(net->workspace);
    ps_free(net->part_gradient);
    ps_memory_plan_clear(&net->plan);
    ps_bounds_plan_clear(&net->bounds_plan);
    ps_free(net->more_bounds);
    ps_free(net->input_bounds);
    ps_free(net->edges);
    ps_free(net->edge_squares);
    ps_free(net->bounded);
    ps_free(net->time);
    ps_outputs_clear(&net->outputs);
    ps_units_clear(&net->units);
    ps_graph_destroy(net->graph);
    ps_free(net);
}

/* ---- looking in ---- */

const ps_graph *ps_net_graph(const ps_net *net) { return net->graph; }
const ps_units *ps_net_units(const ps_net *net) { return &net->units; }
ps_threads *ps_net_threads(const ps_net *net) { return net->threads; }
int ps_net_batch(const ps_net *net) { return net->batch; }

static const ps_op *last_op(const ps_net *net) { return &net->graph->op[net->graph->count - 1]; }

int ps_net_classes(const ps_net *net) { return last_op(net)->shape.c; }
size_t ps_net_labels_per_sample(const ps_net *net) { return ps_shape_positions(last_op(net)->shape); }
int ps_net_param_count(const ps_net *net) { return net->param_count; }
ps_param *ps_net_param(ps_net *net, int index) { return &net->param[index]; }

int ps_net_find_param(const ps_net *net, const char *name) {
    for (int i = 0; i < net->param_count; i++)
        if (strcmp(net->param[i].name, name) == 0) return i;
    for (int i = 0; i < net->param_count; i++)
        if (strcmp(net->param[i].file_name, name) == 0) return i;
    return -1;
}

int ps_net_op_param(const ps_net *net, int op, const char *suffix) {
    for (int i = 0; i < net->param_count; i++)
        if (net->param[i].op == op && strcmp(net->param[i].spec.suffix, suffix) == 0) return i;
    return -1;
}

ps_net_memory ps_net_memory_use(const ps_net *net) {
    return (ps_net_memory){net->plan.block_bytes, net->parameter_bytes, net->workspace_bytes, net->parts_bytes};
}

void ps_net_describe_op(const ps_net *net, int op, char *text, size_t size) {
    const ps_layer_call *call = &net->runner[op].call;
    text[0] = '\0';
    if (call->type->describe != NULL) call->type->describe(call->config, call->plan, text, size);
}

/* ---- time ---- */

ps_status ps_net_time_ops(ps_net *net) {
    return net->time != NULL ? PS_OK : PS_ALLOC((size_t)net->graph->count, &net->time, "times of operations");
}

const ps_op_time *ps_net_op_times(const ps_net *net) { return net->time; }

static uint64_t now(const ps_net *net) { return net->time != NULL ? ps_clock_ns() : 0; }

/* ---- running ---- */

/* Sums the layer does not add up itself cost a pass of their own. */
static void add_zeros(const ps_net *net, const ps_op *op, const runner *r) {
    double *zeros = r->call.sums[PS_SUM_ZEROS];
    if (zeros == NULL || (op->type->fused_sums & (1u << PS_SUM_ZEROS)) != 0) return;
    ps_shape s = r->call.out_shape;
    /* zeros = rows - nonzero: count downwards in place. */
    for (int c = 0; c < s.c; c++) zeros[c] = -(zeros[c] + (double)ps_shape_positions(s));
    ps_channel_summarise(r->y, s, (ps_channel_sums){.nonzero = zeros}, net->workspace, net->threads);
    for (int c = 0; c < s.c; c++) zeros[c] = -zeros[c];
}

static void add_gradient_squares(const ps_net *net, const ps_op *op, const runner *r) {
    double *squares = r->call.sums[PS_SUM_INPUT_GRAD_SQUARES];
    if (squares == NULL || (op->type->fused_sums & (1u << PS_SUM_INPUT_GRAD_SQUARES)) != 0 || r->dx[0] == NULL) return;
    ps_shape s = r->in_shape[0];
    ps_channel_sum_squares(r->dx[0], s, squares, net->workspace, net->threads);
}

size_t ps_param_find_broken(const ps_param *param, size_t from) {
    const float *value = param->value;
    while (from < param->count && isfinite(value[from]) && !(param->spec.variance && value[from] < 0)) from++;
    return from;
}

int ps_net_find_broken(ps_net *net, int from) {
    for (int i = from; i < net->param_count; i++)
        if (ps_param_find_broken(&net->param[i], 0) < net->param[i].count) return i;
    return -1;
}

ps_status ps_net_check_finite(ps_net *net, ps_status code, const char *path) {
    int first = ps_net_find_broken(net, 0), more = 0;
    if (first < 0) return PS_OK;
    for (int i = first; (i = ps_net_find_broken(net, i + 1)) >= 0;) more++;
    const ps_param *p = &net->param[first];
    size_t at = ps_param_find_broken(p, 0);
    char others[48] = "", value[32];
    ps_text_number(p->value[at], 9, value);
    if (more > 0) snprintf(others, sizeof others, " (and %d more parameters and states)", more);
    return ps_fail(code,
                   "%s: %s %s%s holds a value that is %s (%s at %zu), so that nothing behind it can be judged%s; "
                   "take an earlier checkpoint",
                   path, p->learned ? "parameter" : "state", p->name, others,
                   isfinite(p->value[at]) ? "a variance below 0" : "not finite", value, at,
                   more > 0 ? "; `poolscope diagnose` lists all of them" : "");
}

ps_status ps_net_check_statistics(const ps_net *net) {
    for (int i = 0; i < net->graph->count; i++) {
        const ps_op *op = &net->graph->op[i];
        size_t values = ps_shape_positions(net->runner[i].call.out_shape);
        if (values < (size_t)op->type->least_values)
            return ps_fail(
                PS_ERR_USAGE,
                "%s: a batch of %d gives this %s one value a channel (the map is 1 x 1), which is its own mean, so "
                "that its output would be the shift whatever comes in; raise --batch, or normalise where the map "
                "is larger",
                op->name, net->batch, op->type->name);
    }
    return PS_OK;
}

/* ---- bounds of rounding ---- */

/* Whether the layer states its rounding, and those before it whose bounds it carries on are known. */
static bool knows_rounding(const ps_net *net, int i) {
    const ps_op *op = &net->graph->op[i];
    bool known = op->type->rounding != NULL;
    for (int k = 0; k < op->inputs && op->type->carries_bounds; k++)
        known = known && (op->input[k] < 0 || net->bounded[op->input[k]]);
    return known;
}

/* And whether somebody asks. */
static bool is_bounded(const ps_net *net, int i) {
    return knows_rounding(net, i) && (net->bounds_plan.at[i] != PS_BOUNDS_NONE || net->bounds_plan.edges[i]);
}

ps_status ps_net_prepare_bounds(ps_net *net) {
    if (net->bounded != NULL) return PS_OK;
    PS_TRY(ps_bounds_plan_create(net->graph, &net->units, net->batch, &net->plan, net->sizes, &net->bounds_plan));
    size_t channels = (size_t)net->bounds_plan.channels;
    PS_TRY(PS_ALLOC(net->bounds_plan.more_bytes, &net->more_bounds, "bounds of rounding"));
    PS_TRY(PS_ALLOC(net->bounds_plan.input_floats, &net->input_bounds, "bounds of rounding"));
    PS_TRY(PS_ALLOC(4 * channels, &net->edges, "bounds of rounding"));
    PS_TRY(PS_ALLOC(channels, &net->edge_squares, "bounds of rounding"));
    PS_TRY(PS_ALLOC((size_t)net->graph->count, &net->bounded, "bounds of rounding"));
    for (int i = 0; i < net->graph->count; i++) net->bounded[i] = is_bounded(net, i);
    return PS_OK;
}

bool ps_net_shows_edges(const ps_net *net, int op) {
    return net->bounded != NULL && net->bounds_plan.edges[op] && net->bounded[op];
}

bool ps_net_selects(const ps_net *net) {
    for (int i = 0; i < net->graph->count; i++) {
        const ps_op *op = &net->graph->op[i];
        if (op->type->selects != NULL && op->type->selects(op->config)) return true;
    }
    return false;
}

/* NULL: nobody asks for this operation's. */
static float *bounds_of(const ps_net *net, int op) {
    size_t at = net->bounds_plan.at[op], block = net->plan.block_bytes;
    if (at == PS_BOUNDS_NONE) return NULL;
    return (float *)(void *)(at < block ? net->block + at : net->more_bounds + (at - block));
}

static void begin_bounds(const ps_net *net, int i, const ps_net_bounds *bounds) {
    const ps_op *op = &net->graph->op[i];
    runner *r = &net->runner[i];
    for (int k = 0; k < op->inputs && op->type->carries_bounds; k++)
        r->in_bound[k] = op->input[k] < 0 ? net->input_bounds : bounds_of(net, op->input[k]);
    r->call.in_bound = r->in_bound;
    r->call.bound = bounds_of(net, i);
    r->call.turn = bounds->turn && knows_rounding(net, i) && r->in_bound[0] != NULL;
}

static void measure_bounds(const ps_net *net, int i, const ps_net_bounds *bounds) {
    if (net->bounded[i] && net->runner[i].call.bound != NULL) net->graph->op[i].type->rounding(&net->runner[i].call);
    size_t channels = (size_t)net->bounds_plan.channels;
    ps_layer_edges edges = {net->edges, net->edges + channels, net->edges + 2 * channels, net->edges + 3 * channels,
                            net->edge_squares};
    if (!ps_net_shows_edges(net, i)) return;
    net->graph->op[i].type->edges(&net->runner[i].call, bounds->images, edges);
    bounds->gate(bounds->self, i, edges);
}

/* ---- forward ---- */

static void forward_op(const ps_net *net, int i, const ps_net_bounds *bounds) {
    const ps_op *op = &net->graph->op[i];
    runner *r = &net->runner[i];
    if (bounds == NULL) {
        op->type->forward(&r->call);
        return;
    }
    begin_bounds(net, i, bounds);
    if (op->type->in_place) measure_bounds(net, i, bounds);
    op->type->forward(&r->call);
    if (!op->type->in_place) measure_bounds(net, i, bounds);
    r->call.turn = false;
    r->call.in_bound = NULL;
}

static const float *run_forward(ps_net *net, const float *x, ps_mode mode, ps_rng_key key, const ps_net_hook *hook,
                                bool plain, const ps_net_bounds *bounds) {
    static double *const no_sums[PS_SUMS];
    for (int i = 0; i < net->graph->count; i++)
        for (int k = 0; k < net->graph->op[i].inputs; k++)
            if (net->graph->op[i].input[k] < 0) net->runner[i].x[k] = x;
    for (int i = 0; i < net->graph->count; i++) {
        const ps_op *op = &net->graph->op[i];
        runner *r = &net->runner[i];
        r->call.mode = mode;
        r->call.key = ps_rng_key_fold(key, r->name_hash);
        r->call.y = r->y;
        r->call.dy = NULL;
        r->call.sums = mode == net->sum_mode && !plain ? r->sums : no_sums;
        r->call.plain = plain;
        uint64_t began = now(net);
        forward_op(net, i, bounds);
        if (!plain) add_zeros(net, op, r);
        if (net->time != NULL && mode == PS_MODE_TRAIN) net->time[i].forward_ns += ps_clock_ns() - began;
        if (hook != NULL) hook->after(hook->self, i, r->call.out_shape, r->y);
    }
    return net->runner[net->graph->count - 1].y;
}

const float *ps_net_forward(ps_net *net, const float *x, ps_mode mode, ps_rng_key key, const ps_net_hook *hook) {
    return run_forward(net, x, mode, key, hook, false, NULL);
}

const float *ps_net_forward_plain(ps_net *net, const float *x, ps_mode mode, const ps_net_hook *hook,
                                  const ps_net_bounds *bounds) {
    return run_forward(net, x, mode, ps_rng_key_of(0, "probe"), hook, true, bounds);
}

const float *ps_net_entering(ps_net *net, int op, ps_mode mode, float *room) {
    runner *r = &net->runner[op];
    if (r->call.type->entering == NULL) return r->x[0];
    r->call.mode = mode;
    r->call.type->entering(&r->call, room);
    return room;
}

void ps_net_count_flat(ps_net *net, int op, const float *v, int images, double *count) {
    ps_layer_call call = net->runner[op].call;
    call.out_shape.n = images;
    call.type->flat(&call, v, count);
}

void ps_net_heads(ps_net *net, int op, int images, double *squares, double *entropy) {
    net->runner[op].call.type->heads(&net->runner[op].call, images, squares, entropy);
}

ps_loss ps_net_loss(ps_net *net, const ps_loss_function *function, const int32_t *label, bool want_gradient) {
    return ps_net_soft_loss(net, function, label, NULL, want_gradient);
}

ps_loss ps_net_soft_loss(ps_net *net, const ps_loss_function *function, const int32_t *label,
                         const ps_soft_labels *soft, bool want_gradient) {
    ps_loss whole = {0};
    ps_outputs_bring_labels(&net->outputs, label);
    for (int i = 0; i < net->outputs.count; i++) {
        const ps_output *output = &net->outputs.output[i];
        const runner *r = &net->runner[output->op];
        ps_loss_call call = {.output = r->y,
                             .label = output->label,
                             .soft = soft,
                             .samples = (size_t)net->batch,
                             .rows = output->rows,
                             .channels = r->call.out_shape.c,
                             .threads = net->threads};
        ps_loss own = function->value(function->self, &call, want_gradient ? r->dy : NULL);
        if (want_gradient) ps_output_scale(output, r->dy, output->weight);
        whole = ps_outputs_add_loss(whole, own, output);
    }
    return whole;
}

void ps_net_scale_loss(ps_net *net, double share) {
    for (int i = 0; i < net->outputs.count; i++) {
        const ps_output *output = &net->outputs.output[i];
        ps_output_scale(output, net->runner[output->op].dy, share);
    }
}

ps_status ps_net_prepare_parts(ps_net *net) {
    size_t count = 0;
    for (int i = 0; i < net->param_count; i++) count += net->param[i].learned ? net->param[i].count : 0;
    if (net->part_gradient != NULL || count == 0) return PS_OK;
    net->parts_bytes = count * sizeof *net->part_gradient;
    return PS_ALLOC(count, &net->part_gradient, "gradients of a step's parts");
}

void ps_net_add_part(ps_net *net, int part, int parts) {
    float *before = net->part_gradient;
    for (int i = 0; parts > 1 && i < net->param_count; i++) {
        const ps_param *p = &net->param[i];
        if (!p->learned) continue;
        if (part == 0) ps_vector_copy(p->grad, p->count, before, net->threads);
        else ps_vector_add(before, p->grad, p->count, part == parts - 1 ? p->grad : before, net->threads);
        before += p->count;
    }
}

void ps_net_backward(ps_net *net) {
    for (int i = net->graph->count - 1; i >= 0; i--) {
        const ps_op *op = &net->graph->op[i];
        runner *r = &net->runner[i];
        r->call.dy = r->dy;
        uint64_t began = now(net);
        op->type->backward(&r->call);
        add_gradient_squares(net, op, r);
        if (net->time != NULL && r->call.mode == PS_MODE_TRAIN) net->time[i].backward_ns += ps_clock_ns() - began;
    }
}

ps_status ps_net_request_sum(ps_net *net, int op, ps_sum sum, double **accumulator) {
    const ps_op *n = &net->graph->op[op];
    bool generic = sum == PS_SUM_ZEROS || sum == PS_SUM_INPUT_GRAD_SQUARES;
    if (!generic && (n->type->fused_sums & (1u << sum)) == 0)
        return ps_fail(PS_ERR_INTERNAL, "operation \"%s\" (%s) has no sum %d", n->name, n->type->name, (int)sum);
    runner *r = &net->runner[op];
    int channels = n->shape.c > r->in_shape[0].c ? n->shape.c : r->in_shape[0].c;
    if (r->sums[sum] == NULL) PS_TRY(PS_ALLOC((size_t)channels, &r->sums[sum], "instrument sums"));
    *accumulator = r->sums[sum];
    return PS_OK;
}

void ps_net_sum_in(ps_net *net, ps_mode mode) { net->sum_mode = mode; }
