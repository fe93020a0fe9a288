#include "graph/graph.h"

#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "core/json.h"
#include "core/memory.h"
#include "layers/attributes.h"
#include "core/text.h"
#include "graph/op_json.h"

enum { LONGEST_NAME = 200, LARGEST_SIDE = 1 << 20 };

/* Names end up in tables, traces and file names of tensors: nothing that is not to be shown as it stands, no endless
 * ones. */
static ps_status check_name(const char *name, const char *what, const char *where) {
    if (name[0] == '\0') return ps_fail(PS_ERR_INPUT, "%s: the %s must not be empty", where, what);
    if (strlen(name) > LONGEST_NAME)
        return ps_fail(PS_ERR_INPUT, "%s: the %s is longer than %d characters; shorten it", where, what, LONGEST_NAME);
    if (!ps_text_is_showable(name))
        return ps_fail(PS_ERR_INPUT,
                       "%s: the %s holds a control character, one that is not seen, or no UTF-8; use printable ones",
                       where, what);
    return PS_OK;
}

ps_status ps_graph_create(const char *name, ps_shape input, ps_graph **out) {
    *out = NULL;
    PS_TRY(check_name(name, "network's name", "graph"));
    const int side[] = {input.c, input.d, input.h, input.w};
    for (int i = 0; i < 4; i++)
        if (side[i] < 1 || side[i] > LARGEST_SIDE)
            return ps_fail(PS_ERR_INPUT, "%s: the input is %d x %d x %d x %d (c, d, h, w); each must be from 1 to %d",
                           name, input.c, input.d, input.h, input.w, LARGEST_SIDE);
    input.n = 1;
    if ((double)input.c * input.d * input.h * input.w > INT_MAX)
        return ps_fail(PS_ERR_INPUT, "%s: one input sample has more than 2^31 values; use a smaller input", name);
    PS_TRY(PS_ALLOC(1, out, "graph"));
    (*out)->input = input;
    ps_status status = ps_string_copy(name, &(*out)->name);
    if (status != PS_OK) {
        ps_graph_destroy(*out);
        *out = NULL;
    }
    return status;
}

ps_status ps_graph_create_like(const ps_graph *from, ps_graph **out) {
    PS_TRY(ps_graph_create(from->name, from->input, out));
    (*out)->leaky_control = from->leaky_control;
    return PS_OK;
}

static void op_clear(ps_op *op) {
    ps_free(op->config);
    cJSON_Delete(op->attributes);
    free(op->name);
    free(op->file_name);
    free(op->stage);
    free(op->gate);
    memset(op, 0, sizeof *op);
}

void ps_graph_destroy(ps_graph *graph) {
    if (graph == NULL) return;
    for (int i = 0; i < graph->count; i++) op_clear(&graph->op[i]);
    ps_free_array(graph->op);
    free(graph->name);
    ps_free(graph);
}

int ps_graph_find(const ps_graph *graph, const char *name) {
    for (int i = 0; i < graph->count; i++)
        if (strcmp(graph->op[i].name, name) == 0) return i;
    return -1;
}

void ps_graph_input_shapes(const ps_graph *graph, int op, ps_shape *shape) {
    const ps_op *n = &graph->op[op];
    for (int i = 0; i < n->inputs; i++) shape[i] = n->input[i] < 0 ? graph->input : graph->op[n->input[i]].shape;
}

static ps_status check_inputs(const ps_graph *graph, const ps_op_spec *spec, const ps_layer_type *type,
                              const char *where) {
    if (spec->inputs < type->min_inputs || spec->inputs > type->max_inputs) {
        if (type->min_inputs == type->max_inputs)
            return ps_fail(PS_ERR_INPUT, "%s: %s takes %d input%s, not %d", where, type->name, type->min_inputs,
                           type->min_inputs == 1 ? "" : "s", spec->inputs);
        return ps_fail(PS_ERR_INPUT, "%s: %s takes %d to %d inputs, not %d", where, type->name, type->min_inputs,
                       type->max_inputs, spec->inputs);
    }
    for (int i = 0; i < spec->inputs; i++)
        if (spec->input[i] < -1 || spec->input[i] >= graph->count)
            return ps_fail(PS_ERR_INPUT, "%s: input %d does not stand before it; operations stand in forward order",
                           where, i + 1);
    return PS_OK;
}

static ps_status op_infer(const ps_graph *graph, ps_op *op, const char *where) {
    ps_layer_input in[PS_LAYER_MAX_INPUTS] = {0};
    for (int i = 0; i < op->inputs; i++) {
        if (op->input[i] < 0) {
            in[i].shape = in[i].producer_input = graph->input;
            continue;
        }
        const ps_op *producer = &graph->op[op->input[i]];
        in[i].shape = producer->shape;
        in[i].producer = producer->type;
        in[i].producer_config = producer->config;
        in[i].producer_input = producer->input[0] < 0 ? graph->input : graph->op[producer->input[0]].shape;
    }
    PS_TRY(op->type->infer(op->config, in, op->inputs, where, &op->shape));
    op->shape.n = 1;
    if ((double)op->shape.c * op->shape.d * op->shape.h * op->shape.w > INT_MAX)
        return ps_fail(PS_ERR_INPUT,
                       "%s: its output has more than 2^31 values a sample; use fewer channels or a smaller input",
                       where);
    return PS_OK;
}

static ps_status op_fill(const ps_graph *graph, ps_op *op, const ps_op_spec *spec, const char *where) {
    const ps_layer_type *type = op->type;
    PS_TRY(ps_string_copy(spec->name, &op->name));
    PS_TRY(ps_string_copy(spec->file_name != NULL ? spec->file_name : spec->name, &op->file_name));
    PS_TRY(ps_string_copy(spec->stage != NULL ? spec->stage : "", &op->stage));
    op->module = spec->module;
    op->pool_size_asked = spec->pool_size_asked;
    op->output = spec->output;
    op->loss_weight = spec->loss_weight;
    op->inputs = spec->inputs;
    memcpy(op->input, spec->input, sizeof op->input);
    PS_TRY(ps_attributes_read(op->type, op->attributes, where, &op->config));
    PS_TRY(op_infer(graph, op, where));
    ps_gate gate;
    if (type->gate != NULL && type->gate(op->config, &gate))
        return ps_string_copy(spec->gate != NULL ? spec->gate : spec->name, &op->gate);
    if (spec->gate != NULL)
        return ps_fail(PS_ERR_INPUT, "%s: has a \"gate\" but no activation that could be one", where);
    return PS_OK;
}

static ps_status add_checked(ps_graph *graph, const ps_op_spec *spec, const cJSON *attributes, const char *where) {
    PS_TRY(check_name(spec->name, "name", where));
    if (spec->file_name != NULL) PS_TRY(check_name(spec->file_name, "file_name", where));
    if (spec->stage != NULL && spec->stage[0] != '\0') PS_TRY(check_name(spec->stage, "stage", where));
    if (spec->gate != NULL) PS_TRY(check_name(spec->gate, "gate", where));
    if (strcmp(spec->name, "input") == 0)
        return ps_fail(PS_ERR_INPUT, "%s: \"input\" is the name of the network's input; choose another", where);
    if (ps_graph_find(graph, spec->name) >= 0)
        return ps_fail(PS_ERR_INPUT, "%s: an earlier operation has this name already; names must be unique", where);
    const ps_layer_type *type;
    PS_TRY(ps_layer_find(spec->type, where, &type));
    PS_TRY(check_inputs(graph, spec, type, where));
    PS_TRY(PS_GROW(&graph->op, &graph->capacity, (size_t)graph->count + 1, "graph"));
    ps_op *op = &graph->op[graph->count];
    op->type = type;
    PS_TRY(ps_graph_strip_attributes(attributes, where, &op->attributes));
    ps_status status = op_fill(graph, op, spec, where);
    if (status == PS_OK) graph->count++;
    else op_clear(op);
    return status;
}

ps_status ps_graph_add_json(ps_graph *graph, const ps_op_spec *spec, const cJSON *attributes, const char *where,
                            int *index) {
    char *place;
    PS_TRY(ps_string_format(&place, "%s: operation \"%.*s\"", where, LONGEST_NAME, spec->name));
    ps_status status = add_checked(graph, spec, attributes, place);
    free(place);
    if (status == PS_OK && index != NULL) *index = graph->count - 1;
    return status;
}

ps_status ps_graph_add(ps_graph *graph, const ps_op_spec *spec, int *index, const char *attributes, ...) {
    char text[1024];
    va_list arguments;
    va_start(arguments, attributes);
    int length = vsnprintf(text, sizeof text, attributes, arguments);
    va_end(arguments);
    if (length < 0 || (size_t)length >= sizeof text)
        return ps_fail(PS_ERR_INTERNAL, "%s: operation \"%s\": its attributes do not fit %zu bytes", graph->name,
                       spec->name, sizeof text);
    cJSON *parsed;
    PS_TRY(ps_json_parse(text, spec->name, &parsed));
    ps_status status = ps_graph_add_json(graph, spec, parsed, graph->name, index);
    cJSON_Delete(parsed);
    return status;
}

bool ps_graph_is_output(const ps_graph *graph, int op) { return op == graph->count - 1 || graph->op[op].output; }

double ps_graph_loss_weight(const ps_graph *graph, int op) {
    return graph->op[op].output ? graph->op[op].loss_weight : 1.0;
}

static size_t parameters(const ps_op *op, const ps_shape *in) {
    ps_param_spec spec[PS_LAYER_MAX_PARAMS];
    int count = op->type->params != NULL ? op->type->params(op->config, in, op->shape, spec) : 0;
    size_t total = 0;
    for (int i = 0; i < count; i++) {
        size_t size = 1;
        for (int k = 0; k < spec[i].rank; k++) size *= (size_t)spec[i].dims[k];
        total += size;
    }
    return total;
}

void ps_graph_count(const ps_graph *graph, size_t *backbone_parameters, size_t *module_parameters, double *macs) {
    *backbone_parameters = *module_parameters = 0;
    *macs = 0;
    for (int i = 0; i < graph->count; i++) {
        const ps_op *op = &graph->op[i];
        ps_shape in[PS_LAYER_MAX_INPUTS];
        ps_graph_input_shapes(graph, i, in);
        *(op->module ? module_parameters : backbone_parameters) += parameters(op, in);
        if (op->type->macs != NULL) *macs += op->type->macs(op->config, in, op->shape);
    }
}

void ps_graph_count_readers(const ps_graph *graph, int *readers) {
    if (graph->count == 0) return;
    memset(readers, 0, (size_t)graph->count * sizeof *readers);
    for (int i = 0; i < graph->count; i++)
        for (int k = 0; k < graph->op[i].inputs; k++)
            if (graph->op[i].input[k] >= 0) readers[graph->op[i].input[k]]++;
    for (int i = 0; i < graph->count; i++) readers[i] += ps_graph_is_output(graph, i);
}
