/* Modules written out as primitive layers, for work that needs to see inside them (Hessian-vector products). */
#include <stdio.h>

#include "core/json.h"
#include "core/memory.h"
#include "graph/graph.h"

ps_status ps_graph_copy_op(const ps_graph *from, const ps_op *op, const char *gate, const cJSON *attributes,
                           const int *input, int inputs, const int *index, ps_graph *to, int *at) {
    ps_op_spec spec = {.name = op->name,
                       .file_name = op->file_name,
                       .stage = op->stage,
                       .gate = gate,
                       .module = op->module,
                       .pool_size_asked = op->pool_size_asked,
                       .output = op->output,
                       .loss_weight = op->loss_weight,
                       .type = op->type->name,
                       .inputs = inputs};
    for (int i = 0; i < inputs; i++) spec.input[i] = input[i] < 0 ? -1 : index[input[i]];
    return ps_graph_add_json(to, &spec, attributes, from->name, at);
}

static ps_status add_piece(const ps_op *op, const ps_layer_piece *piece, const int *placed, int first, ps_graph *to,
                           int *at) {
    char name[256];
    cJSON *attributes;
    snprintf(name, sizeof name, "%s%s", op->name, piece->suffix);
    ps_op_spec spec = {.name = name, .stage = op->stage, .module = true, .type = piece->type};
    for (int k = 0; k < 2 && piece->input[k] >= -1; k++)
        spec.input[spec.inputs++] = piece->input[k] < 0 ? first : placed[piece->input[k]];
    PS_TRY(ps_json_parse(piece->attributes, name, &attributes));
    ps_status status = ps_graph_add_json(to, &spec, attributes, op->name, at);
    cJSON_Delete(attributes);
    return status;
}

static ps_status expand_op(const ps_graph *from, const ps_op *op, const int *index, ps_graph *to, int *at) {
    ps_layer_piece piece[PS_LAYER_MAX_PIECES];
    int placed[PS_LAYER_MAX_PIECES], count, first = op->input[0] < 0 ? -1 : index[op->input[0]];
    char where[512];
    snprintf(where, sizeof where, "network %s: operation \"%s\"", from->name, op->name);
    PS_TRY(op->type->pieces(op->config, op->shape, where, piece, &count));
    *at = first;
    for (int i = 0; i < count; i++) {
        PS_TRY(add_piece(op, &piece[i], placed, first, to, &placed[i]));
        *at = placed[i];
    }
    return PS_OK;
}

static ps_status expand_all(const ps_graph *graph, int *index, ps_graph *to) {
    for (int i = 0; i < graph->count; i++) {
        const ps_op *op = &graph->op[i];
        PS_TRY(op->type->pieces != NULL ? expand_op(graph, op, index, to, &index[i])
                                        : ps_graph_copy_op(graph, op, op->gate, op->attributes, op->input, op->inputs,
                                                           index, to, &index[i]));
    }
    return PS_OK;
}

ps_status ps_graph_expand(const ps_graph *graph, ps_graph **out) {
    int *index = NULL;
    ps_status status;
    *out = NULL;
    PS_TRY_CLEANUP(PS_ALLOC((size_t)graph->count, &index, "writing out modules"));
    PS_TRY_CLEANUP(ps_graph_create_like(graph, out));
    status = expand_all(graph, index, *out);
cleanup:
    if (status != PS_OK) {
        ps_graph_destroy(*out);
        *out = NULL;
    }
    ps_free(index);
    return status;
}
