#include "net/bounds.h"

#include <string.h>

#include "core/memory.h"

typedef struct {
    const ps_graph *graph;
    ps_bounds_plan *plan;
    int *last; /* per operation: the last that reads its bounds, -1: none */
    ps_plan_room *room;
    int *op; /* per room */
    int rooms, batch;
} planner;

/* An operation's bounds are wanted by gates and by operations that select, through any that hand them on. */
static bool wants(const planner *p, int op) {
    const ps_op *n = &p->graph->op[op];
    if (!n->type->carries_bounds) return false;
    return p->plan->edges[op] || p->last[op] >= 0 || (n->type->selects != NULL && n->type->selects(n->config));
}

static void find_readers(planner *p) {
    for (int i = p->graph->count - 1; i >= 0; i--) {
        const ps_op *op = &p->graph->op[i];
        if (!wants(p, i)) continue;
        for (int k = 0; k < op->inputs; k++) {
            if (op->input[k] < 0) p->plan->input_floats = 1;
            else if (p->last[op->input[k]] < 0) p->last[op->input[k]] = i;
        }
    }
}

static size_t bytes_of(const planner *p, int op) {
    return ps_shape_elements(ps_shape_with_batch(p->graph->op[op].shape, p->batch)) * sizeof(float);
}

static void make_rooms(planner *p) {
    for (int i = 0; i < p->graph->count; i++) {
        p->plan->at[i] = PS_BOUNDS_NONE;
        if (p->last[i] < 0) continue;
        p->op[p->rooms] = i;
        p->room[p->rooms++] = (ps_plan_room){.bytes = bytes_of(p, i), .first = i, .last = p->last[i]};
    }
}

static void find_edges(const ps_graph *graph, const ps_units *units, ps_bounds_plan *plan) {
    for (int i = 0; i < units->count; i++) {
        const ps_unit *unit = &units->unit[i];
        if (!unit->rectifies || graph->op[unit->gate_op].type->edges == NULL) continue;
        plan->edges[unit->gate_op] = true;
        if (unit->channels > plan->channels) plan->channels = unit->channels;
    }
}

ps_status ps_bounds_plan_create(const ps_graph *graph, const ps_units *units, int batch, const ps_memory_plan *memory,
                                const ps_layer_sizes *sizes, ps_bounds_plan *out) {
    size_t count = (size_t)graph->count;
    planner p = {.graph = graph, .plan = out, .batch = batch};
    ps_status status = PS_OK;
    memset(out, 0, sizeof *out);
    PS_TRY_CLEANUP(PS_ALLOC(count, &out->at, "bounds"));
    PS_TRY_CLEANUP(PS_ALLOC(count, &out->edges, "bounds"));
    PS_TRY_CLEANUP(PS_ALLOC(count, &p.last, "bounds"));
    PS_TRY_CLEANUP(PS_ALLOC(count, &p.room, "bounds"));
    PS_TRY_CLEANUP(PS_ALLOC(count, &p.op, "bounds"));
    for (size_t i = 0; i < count; i++) p.last[i] = -1;
    find_edges(graph, units, out);
    find_readers(&p);
    make_rooms(&p);
    PS_TRY_CLEANUP(ps_memory_plan_place(memory, graph, batch, sizes, p.room, p.rooms, &out->more_bytes));
    for (int i = 0; i < p.rooms; i++) out->at[p.op[i]] = p.room[i].offset;
    if (out->input_floats > 0) out->input_floats = ps_shape_elements(ps_shape_with_batch(graph->input, batch));
cleanup:
    if (status != PS_OK) ps_bounds_plan_clear(out);
    ps_free(p.last);
    ps_free(p.room);
    ps_free(p.op);
    return status;
}

void ps_bounds_plan_clear(ps_bounds_plan *plan) {
    ps_free(plan->at);
    ps_free(plan->edges);
    memset(plan, 0, sizeof *plan);
}
