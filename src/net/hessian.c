#include "net/outputs.h"
#include "net/hessian.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "kernels/pointwise.h"
#include "kernels/softmax.h"

/* A node with its arrays (index 0: values, 1: derivatives in the direction). An edge's gradient is written aside and
 * added, so no layer accumulates. */
typedef struct {
    ps_layer_call call;
    ps_shape in_shape[PS_LAYER_MAX_INPUTS];
    const float *x[PS_LAYER_MAX_INPUTS], *x_dot[PS_LAYER_MAX_INPUTS];
    float *dx[PS_LAYER_MAX_INPUTS];
    const void *in_save[PS_LAYER_MAX_INPUTS];
    float *param[PS_LAYER_MAX_PARAMS], *param_dot[PS_LAYER_MAX_PARAMS], *grad[PS_LAYER_MAX_PARAMS],
        *grad_dot[PS_LAYER_MAX_PARAMS];
    float *state[PS_LAYER_MAX_STATES];
    size_t param_count[PS_LAYER_MAX_PARAMS];
    float *y[2], *dy[2];
    void *save;
} node_arrays;

struct ps_hessian {
    ps_graph *graph; /* written out */
    ps_net *net;
    ps_mode mode;
    ps_hessian_source source;
    ps_threads *threads;
    int batch;
    ps_outputs outputs;
    node_arrays *op;
    size_t *offset; /* of each learned parameter of the net */
    int learned;
    size_t dimension;
    float *direction, *product, *gradient; /* the layers' parameter arrays point into these */
    float *x, *x_zero, *edge, *scratch[2];
    int32_t *label;
    void *workspace;
};

static const bool overwrite[PS_LAYER_MAX_INPUTS] = {false};
static double *const no_sums[PS_SUMS] = {NULL};

/* ---- construction ---- */

static size_t larger(size_t a, size_t b) { return a > b ? a : b; }

static ps_status count_parameters(ps_hessian *h) {
    while (h->learned < ps_net_param_count(h->net) && ps_net_param(h->net, h->learned)->learned) h->learned++;
    PS_TRY(PS_ALLOC((size_t)h->learned + 1, &h->offset, "Hessian"));
    for (int i = 0; i < h->learned; i++) {
        h->offset[i] = h->dimension;
        h->dimension += ps_net_param(h->net, i)->count;
    }
    PS_TRY(PS_ALLOC(h->dimension, &h->direction, "Hessian vector"));
    PS_TRY(PS_ALLOC(h->dimension, &h->product, "Hessian vector"));
    return PS_ALLOC(h->dimension, &h->gradient, "Hessian vector");
}

typedef int specs_of(const void *config, const ps_shape *in, ps_shape out, ps_param_spec *specs);

static ps_status bind_parameters(ps_hessian *h, int i, specs_of *specs_of_node, bool learned) {
    if (specs_of_node == NULL) return PS_OK;
    const ps_op *op = &h->graph->op[i];
    ps_param_spec specs[PS_LAYER_MAX_PARAMS];
    ps_shape in[PS_LAYER_MAX_INPUTS];
    memset(specs, 0, sizeof specs);
    ps_graph_input_shapes(h->graph, i, in);
    int count = specs_of_node(op->config, in, op->shape, specs);
    for (int p = 0; p < count; p++) {
        char *name;
        PS_TRY(ps_param_name(op->name, specs[p].suffix, &name));
        int index = ps_net_find_param(h->net, name);
        free(name);
        if (index < 0)
            return ps_fail(PS_ERR_INTERNAL, "Hessian: operation \"%s\" has a parameter that the network has not",
                           op->name);
        const ps_param *param = ps_net_param(h->net, index);
        node_arrays *a = &h->op[i];
        if (!learned) {
            a->state[p] = param->value;
            continue;
        }
        a->param[p] = param->value;
        a->param_count[p] = param->count;
        a->param_dot[p] = h->direction + h->offset[index];
        a->grad[p] = h->gradient + h->offset[index];
        a->grad_dot[p] = h->product + h->offset[index];
    }
    return PS_OK;
}

static ps_status refuse(const ps_op *op) {
    if (op->type->tangent_forward == NULL)
        return ps_fail(PS_ERR_USAGE, "node \"%s\": layers of type %s have no Hessian-vector products", op->name,
                       op->type->name);
    const char *reason = op->type->tangent_refuse != NULL ? op->type->tangent_refuse(op->config) : NULL;
    return reason == NULL ? PS_OK
                          : ps_fail(PS_ERR_USAGE, "node \"%s\": has no Hessian-vector product (%s)", op->name, reason);
}

static ps_status plan_node(ps_hessian *h, int i, size_t *workspace, size_t *largest) {
    const ps_op *op = &h->graph->op[i];
    node_arrays *a = &h->op[i];
    ps_layer_sizes sizes = {0, 0};
    PS_TRY(refuse(op));
    ps_graph_input_shapes(h->graph, i, a->in_shape);
    for (int k = 0; k < op->inputs; k++) {
        a->in_shape[k].n = h->batch;
        *largest = larger(*largest, ps_shape_elements(a->in_shape[k]));
    }
    a->call.out_shape = ps_shape_with_batch(op->shape, h->batch);
    size_t elements = ps_shape_elements(a->call.out_shape);
    *largest = larger(*largest, elements);
    if (op->type->plan != NULL)
        PS_TRY(op->type->plan(op->config, a->in_shape, op->inputs, a->call.out_shape, ps_threads_count(h->threads),
                              &a->call.plan, &sizes));
    *workspace = larger(*workspace, sizes.workspace_bytes);
    PS_TRY(bind_parameters(h, i, op->type->params, true));
    PS_TRY(bind_parameters(h, i, op->type->states, false));
    for (int p = 0; p < PS_LAYER_MAX_PARAMS; p++) *largest = larger(*largest, a->param_count[p]);
    for (int d = 0; d < 2; d++) {
        PS_TRY(PS_ALLOC(elements, &a->y[d], "Hessian arrays"));
        PS_TRY(PS_ALLOC(elements, &a->dy[d], "Hessian arrays"));
    }
    return ps_alloc(sizes.save_bytes, 1, "Hessian arrays", &a->save);
}

static void bind_call(ps_hessian *h, int i) {
    const ps_op *op = &h->graph->op[i];
    node_arrays *a = &h->op[i];
    for (int k = 0; k < op->inputs; k++) {
        int source = op->input[k];
        a->x[k] = source < 0 ? h->x : h->op[source].y[0];
        a->x_dot[k] = source < 0 ? h->x_zero : h->op[source].y[1];
        a->in_save[k] = source < 0 ? NULL : h->op[source].save;
    }
    a->call = (ps_layer_call){.type = op->type,
                              .config = op->config,
                              .plan = a->call.plan,
                              .threads = h->threads,
                              .mode = h->mode,
                              .inputs = op->inputs,
                              .in_shape = a->in_shape,
                              .out_shape = a->call.out_shape,
                              .x = a->x,
                              .y = a->y[0],
                              .dy = a->dy[0],
                              .dx = a->dx,
                              .accumulate = overwrite,
                              .param = a->param,
                              .param_count = a->param_count,
                              .grad = a->grad,
                              .state = a->state,
                              .save = a->save,
                              .in_save = a->in_save,
                              .workspace = h->workspace,
                              .sums = no_sums};
}

static ps_status build(ps_hessian *h, const ps_graph *graph) {
    size_t workspace = 0, largest = 0;
    PS_TRY(ps_graph_expand(graph, &h->graph));
    PS_TRY(count_parameters(h));
    PS_TRY(PS_ALLOC((size_t)h->graph->count, &h->op, "Hessian"));
    size_t input = (size_t)h->batch * ps_shape_elements(h->graph->input);
    PS_TRY(PS_ALLOC(input, &h->x, "Hessian arrays"));
    PS_TRY(PS_ALLOC(input, &h->x_zero, "Hessian arrays"));
    PS_TRY(PS_ALLOC((size_t)h->batch * ps_net_labels_per_sample(h->net), &h->label, "Hessian arrays"));
    PS_TRY(ps_outputs_init(&h->outputs, h->graph, h->batch));
    for (int i = 0; i < h->graph->count; i++) PS_TRY(plan_node(h, i, &workspace, &largest));
    PS_TRY(ps_alloc(workspace, 1, "Hessian workspace", &h->workspace));
    PS_TRY(PS_ALLOC(largest, &h->edge, "Hessian workspace"));
    for (int d = 0; d < 2; d++) PS_TRY(PS_ALLOC(largest, &h->scratch[d], "Hessian workspace"));
    for (int i = 0; i < h->graph->count; i++) bind_call(h, i);
    return PS_OK;
}

ps_status ps_hessian_create(const ps_graph *graph, ps_net *net, ps_mode mode, const ps_hessian_source *source,
                            ps_hessian **out) {
    ps_hessian *h = NULL;
    *out = NULL;
    if (source->loss->tangent == NULL)
        return ps_fail(PS_ERR_USAGE, "the loss of this task has no second derivative here, so no Hessian is measured");
    if (mode != PS_MODE_EVAL) PS_TRY(ps_net_check_statistics(net));
    PS_TRY(PS_ALLOC(1, &h, "Hessian"));
    *h = (ps_hessian){
        .net = net, .mode = mode, .source = *source, .threads = ps_net_threads(net), .batch = ps_net_batch(net)};
    ps_status status = build(h, graph);
    if (status == PS_OK) *out = h;
    else ps_hessian_destroy(h);
    return status;
}

static void clear_node(const ps_op *op, node_arrays *a) {
    if (a->call.plan != NULL && op->type->unplan != NULL) op->type->unplan(a->call.plan);
    for (int d = 0; d < 2; d++) {
        ps_free(a->y[d]);
        ps_free(a->dy[d]);
    }
    ps_free(a->save);
}

void ps_hessian_destroy(ps_hessian *h) {
    if (h == NULL) return;
    for (int i = 0; h->op != NULL && i < h->graph->count; i++) clear_node(&h->graph->op[i], &h->op[i]);
    ps_free(h->op);
    ps_outputs_clear(&h->outputs);
    ps_graph_destroy(h->graph);
    ps_free(h->offset);
    ps_free(h->direction);
    ps_free(h->product);
    ps_free(h->gradient);
    ps_free(h->x);
    ps_free(h->x_zero);
    ps_free(h->edge);
    ps_free(h->scratch[0]);
    ps_free(h->scratch[1]);
    ps_free(h->label);
    ps_free(h->workspace);
    ps_free(h);
}

size_t ps_hessian_dimension(const ps_hessian *hessian) { return hessian->dimension; }
size_t ps_hessian_offset(const ps_hessian *hessian, int param) { return hessian->offset[param]; }

/* ---- one product ---- */

static ps_layer_tangent tangent_of(const ps_hessian *h, node_arrays *a) {
    return (ps_layer_tangent){.x = a->x_dot,
                              .y = a->y[1],
                              .dy = a->dy[1],
                              .dx = a->dx,
                              .param = a->param_dot,
                              .grad = a->grad_dot,
                              .scratch = {h->scratch[0], h->scratch[1]}};
}

static void run_forward(ps_hessian *h) {
    for (int i = 0; i < h->graph->count; i++) {
        node_arrays *a = &h->op[i];
        ps_layer_tangent tangent = tangent_of(h, a);
        a->call.type->forward(&a->call);
        a->call.type->tangent_forward(&a->call, &tangent);
    }
}

static double run_loss(ps_hessian *h) {
    const ps_loss_function *function = h->source.loss;
    ps_loss whole = {0};
    ps_outputs_bring_labels(&h->outputs, h->label);
    for (int i = 0; i < h->outputs.count; i++) {
        const ps_output *output = &h->outputs.output[i];
        node_arrays *a = &h->op[output->op];
        ps_loss_call call = {.output = a->y[0],
                             .label = output->label,
                             .samples = (size_t)output->shape.n,
                             .rows = output->rows,
                             .channels = output->shape.c,
                             .threads = h->threads};
        ps_loss own = function->value(function->self, &call, a->dy[0]);
        function->tangent(function->self, &call, a->y[1], a->dy[1]);
        for (int which = 0; which < 2; which++) ps_output_scale(output, a->dy[which], output->weight);
        whole = ps_outputs_add_loss(whole, own, output);
    }
    return whole.loss;
}

/* The gradient of every edge in turn, added to its source's. tangent: of the derivatives, else of the values. */
static void backward_edges(ps_hessian *h, int i, int which) {
    const ps_op *op = &h->graph->op[i];
    node_arrays *a = &h->op[i];
    ps_layer_tangent tangent = tangent_of(h, a);
    bool ran = false;
    for (int k = 0; k < op->inputs; k++) {
        int source = op->input[k];
        if (source < 0) continue;
        for (int j = 0; j < op->inputs; j++) a->dx[j] = j == k ? h->edge : NULL;
        if (which == 0) a->call.type->backward(&a->call);
        else a->call.type->tangent_backward(&a->call, &tangent);
        float *sum = h->op[source].dy[which];
        ps_vector_add(sum, h->edge, ps_shape_elements(a->in_shape[k]), sum, h->threads);
        ran = true;
    }
    for (int j = 0; j < op->inputs; j++) a->dx[j] = NULL;
    if (ran) return;
    if (which == 0) a->call.type->backward(&a->call);
    else a->call.type->tangent_backward(&a->call, &tangent);
}

static void run_backward(ps_hessian *h) {
    for (int i = 0; i < h->graph->count; i++)
        for (int d = 0; d < 2 && !ps_graph_is_output(h->graph, i); d++)
            ps_vector_fill(h->op[i].dy[d], ps_shape_elements(h->op[i].call.out_shape), 0.0f, h->threads);
    for (int i = h->graph->count - 1; i >= 0; i--)
        for (int which = 0; which < 2; which++) backward_edges(h, i, which);
}

ps_status ps_hessian_product(ps_hessian *h, const float *direction, float *product, float *gradient, double *loss) {
    float share = 1.0f / (float)h->source.batches;
    double sum = 0;
    memcpy(h->direction, direction, h->dimension * sizeof *direction);
    memset(product, 0, h->dimension * sizeof *product);
    if (gradient != NULL) memset(gradient, 0, h->dimension * sizeof *gradient);
    for (int b = 0; b < h->source.batches; b++) {
        PS_TRY(h->source.batch(h->source.self, b, h->x, h->label));
        run_forward(h);
        sum += run_loss(h);
        run_backward(h);
        ps_vector_axpy(share, h->product, h->dimension, product, h->threads);
        if (gradient != NULL) ps_vector_axpy(share, h->gradient, h->dimension, gradient, h->threads);
    }
    if (loss != NULL) *loss = sum / h->source.batches;
    return PS_OK;
}
