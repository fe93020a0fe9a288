#include "net/bounds.h"

#include <string.h>

#include "core/memory.h"

typedef struct {
    size_t floats;
    int free_after; /* the last operation that reads what it holds */
} slot;

typedef struct {
    const ps_graph *graph;
    ps_bounds_plan *plan;
    int *last; /* per operation: the last that reads its bounds, -1: none */
    slot *slot;
    size_t *of; /* per operation: its slot */
    int slots, batch;
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

static size_t floats_of(const planner *p, int op) {
    return ps_shape_elements(ps_shape_with_batch(p->graph->op[op].shape, p->batch));
}

/* The smallest that is large enough, else the largest, which grows; a new one where none is free. */
static int choose_slot(const planner *p, int op) {
    int found = -1;
    size_t floats = floats_of(p, op);
    for (int i = 0; i < p->slots; i++) {
        if (p->slot[i].free_after >= op) continue;
        bool fits = p->slot[i].floats >= floats, found_fits = found >= 0 && p->slot[found].floats >= floats;
        if (found < 0 || (fits && (!found_fits || p->slot[i].floats < p->slot[found].floats)) ||
            (!fits && !found_fits && p->slot[i].floats > p->slot[found].floats))
            found = i;
    }
    return found >= 0 ? found : p->slots;
}

static void give_slots(planner *p) {
    for (int i = 0; i < p->graph->count; i++) {
        if (p->last[i] < 0) continue;
        int chosen = choose_slot(p, i);
        if (chosen == p->slots) p->slot[p->slots++] = (slot){0, -1};
        if (p->slot[chosen].floats < floats_of(p, i)) p->slot[chosen].floats = floats_of(p, i);
        p->slot[chosen].free_after = p->last[i];
        p->of[i] = (size_t)chosen;
    }
}

static void place(planner *p) {
    for (int i = 0; i < p->graph->count; i++) {
        p->plan->at[i] = PS_BOUNDS_NONE;
        if (p->last[i] < 0) continue;
        p->plan->at[i] = 0;
        for (size_t s = 0; s < p->of[i]; s++) p->plan->at[i] += (p->slot[s].floats + 15) / 16 * 16;
    }
    for (int s = 0; s < p->slots; s++) p->plan->floats += (p->slot[s].floats + 15) / 16 * 16;
}

static void find_edges(const ps_graph *graph, const ps_units *units, ps_bounds_plan *plan) {
    for (int i = 0; i < units->count; i++) {
        const ps_unit *unit = &units->unit[i];
        if (!unit->rectifies || graph->op[unit->gate_op].type->edges == NULL) continue;
        plan->edges[unit->gate_op] = true;
        if (unit->channels > plan->channels) plan->channels = unit->channels;
    }
}

ps_status ps_bounds_plan_create(const ps_graph *graph, const ps_units *units, int batch, ps_bounds_plan *out) {
    size_t count = (size_t)graph->count;
    planner p = {.graph = graph, .plan = out, .batch = batch};
    ps_status status = PS_OK;
    memset(out, 0, sizeof *out);
    PS_TRY_CLEANUP(PS_ALLOC(count, &out->at, "bounds"));
    PS_TRY_CLEANUP(PS_ALLOC(count, &out->edges, "bounds"));
    PS_TRY_CLEANUP(PS_ALLOC(count, &p.last, "bounds"));
    PS_TRY_CLEANUP(PS_ALLOC(count, &p.slot, "bounds"));
    PS_TRY_CLEANUP(PS_ALLOC(count, &p.of, "bounds"));
    for (size_t i = 0; i < count; i++) p.last[i] = -1;
    find_edges(graph, units, out);
    find_readers(&p);
    give_slots(&p);
    place(&p);
    if (out->input_floats > 0) out->input_floats = ps_shape_elements(ps_shape_with_batch(graph->input, batch));
cleanup:
    if (status != PS_OK) ps_bounds_plan_clear(out);
    ps_free(p.last);
    ps_free(p.slot);
    ps_free(p.of);
    return status;
}

void ps_bounds_plan_clear(ps_bounds_plan *plan) {
    ps_free(plan->at);
    ps_free(plan->edges);
    memset(plan, 0, sizeof *plan);
}
