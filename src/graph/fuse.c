/* Fusing batch normalisation with what follows it, on the graph: the merged operation computes the same function in one
 * pass over memory. */
#include <stdlib.h>
#include <string.h>

#include "core/json.h"
#include "core/memory.h"
#include "graph/graph.h"

/* A normalisation that nothing is merged into yet, that can merge with this gate, and that only the operation in
 * question reads. */
static bool is_free_norm(const ps_graph *graph, int at, const ps_layer_type *gate, const int *readers) {
    if (at < 0) return false;
    const ps_op *op = &graph->op[at];
    return op->type->role == PS_ROLE_NORM && op->type->merges != NULL && op->type->merges(gate) && op->gate == NULL &&
           op->inputs == 1 && readers[at] == 1;
}

static bool is_sum_of_two(const ps_graph *graph, int at, const int *readers) {
    return at >= 0 && graph->op[at].type->role == PS_ROLE_SUM && graph->op[at].inputs == 2 && readers[at] == 1;
}

int ps_graph_fusable_norm(const ps_graph *graph, int gate, const int *readers, int *add, int *residual) {
    const ps_op *g = &graph->op[gate];
    *add = -1;
    if (g->type->role != PS_ROLE_GATE || g->inputs != 1 || g->output) return -1;
    int before = g->input[0];
    if (is_free_norm(graph, before, g->type, readers)) {
        *residual = before;
        return before;
    }
    if (!is_sum_of_two(graph, before, readers)) return -1;
    /* The first branch is the residual function in every builder: both arms then merge the same normalisation. */
    for (int k = 0; k < 2; k++) {
        int norm = graph->op[before].input[k];
        if (!is_free_norm(graph, norm, g->type, readers)) continue;
        *add = before;
        *residual = graph->op[before].input[1 - k];
        return norm;
    }
    return -1;
}

typedef struct {
    int gate, add, residual; /* for a norm that is merged: with which; gate -1: none */
    bool dropped;            /* an add or gate that goes away, or a norm, which moves to where its gate stood */
    int merged;              /* for a gate: its norm, else -1 */
} fusion;

/* The merged operation stands where the gate stood: the other branch of the add may come after the norm. */
static void plan_fusions(const ps_graph *graph, const int *readers, fusion *plan) {
    for (int i = 0; i < graph->count; i++) plan[i] = (fusion){.gate = -1, .merged = -1};
    for (int i = 0; i < graph->count; i++) {
        int add, residual, norm = ps_graph_fusable_norm(graph, i, readers, &add, &residual);
        if (norm < 0) continue;
        plan[norm] = (fusion){.gate = i, .add = add, .residual = residual, .dropped = true, .merged = -1};
        plan[i].merged = norm;
        if (add >= 0) plan[add].dropped = true;
    }
}

static ps_status copy_merged(const ps_graph *from, int norm, const fusion *plan, const int *index, ps_graph *to,
                             int *at) {
    const ps_op *op = &from->op[norm], *gate = &from->op[plan[norm].gate];
    int input[2] = {op->input[0], plan[norm].residual}, inputs = plan[norm].add >= 0 ? 2 : 1;
    cJSON *attributes = op->type->merged(op->attributes, gate->type, gate->config, gate->attributes);
    if (attributes == NULL)
        return ps_fail(PS_ERR_MEMORY, "operation \"%s\": could not allocate its attributes", op->name);
    ps_status status = ps_graph_copy_op(from, op, gate->name, attributes, input, inputs, index, to, at);
    cJSON_Delete(attributes);
    return status;
}

static ps_status copy_all(const ps_graph *from, const fusion *plan, int *index, ps_graph *to) {
    for (int i = 0; i < from->count; i++) {
        const ps_op *op = &from->op[i];
        if (plan[i].merged >= 0) {
            PS_TRY(copy_merged(from, plan[i].merged, plan, index, to, &index[i]));
        } else if (!plan[i].dropped) {
            PS_TRY(ps_graph_copy_op(from, op, op->gate, op->attributes, op->input, op->inputs, index, to, &index[i]));
        }
    }
    return PS_OK;
}

ps_status ps_graph_fuse(const ps_graph *graph, ps_graph **out) {
    ps_status status;
    int *readers = NULL, *index = NULL;
    fusion *plan = NULL;
    *out = NULL;
    PS_TRY_CLEANUP(PS_ALLOC((size_t)graph->count, &readers, "fusing"));
    PS_TRY_CLEANUP(PS_ALLOC((size_t)graph->count, &index, "fusing"));
    PS_TRY_CLEANUP(PS_ALLOC((size_t)graph->count, &plan, "fusing"));
    PS_TRY_CLEANUP(ps_graph_create_like(graph, out));
    ps_graph_count_readers(graph, readers);
    plan_fusions(graph, readers, plan);
    status = copy_all(graph, plan, index, *out);
cleanup:
    if (status != PS_OK) {
        ps_graph_destroy(*out);
        *out = NULL;
    }
    ps_free(readers);
    ps_free(index);
    ps_free(plan);
    return status;
}
