#include "net/plan.h"

#include <stdlib.h>
#include <string.h>

#include "core/memory.h"

/* One array on the time line. `owner` is the index of the array that holds its memory (itself, unless in place). */
typedef struct {
    size_t bytes, offset;
    int first, last, owner;
} interval;

typedef struct {
    const ps_graph *graph;
    interval *array; /* outputs [0, N), gradients [N, 2N), saves [2N, 3N) */
    int ops;
    int *consumers; /* how many inputs read each operation */
} planner;

static int backward_time(const planner *p, int op) { return 2 * p->ops - op; }

static int larger(int a, int b) { return a > b ? a : b; }

static void read_until(interval *array, int time) { array->last = larger(array->last, time); }

static void set_intervals(planner *p, int batch, const ps_layer_sizes *sizes) {
    int n = p->ops;
    for (int i = 0; i < n; i++) {
        const ps_op *op = &p->graph->op[i];
        size_t bytes = ps_shape_elements(ps_shape_with_batch(op->shape, batch)) * sizeof(float);
        bool output = ps_graph_is_output(p->graph, i);
        int last = output ? n : i; /* the loss reads it, and writes its gradient */
        p->array[i] = (interval){bytes, 0, i, op->type->needs_output ? backward_time(p, i) : last, i};
        p->array[n + i] = (interval){bytes, 0, output ? n : 2 * n, backward_time(p, i), n + i};
        if (output && i < n - 1) p->consumers[i]++;
        p->array[2 * n + i] = (interval){sizes[i].save_bytes, 0, i, backward_time(p, i), 2 * n + i};
    }
    for (int i = 0; i < n; i++) {
        const ps_op *op = &p->graph->op[i];
        for (int k = 0; k < op->inputs; k++) {
            int source = op->input[k];
            if (source < 0) continue;
            p->consumers[source]++;
            read_until(&p->array[source], op->type->needs_input ? backward_time(p, i) : i);
            interval *gradient = &p->array[n + source];
            if (gradient->first > backward_time(p, i)) gradient->first = backward_time(p, i);
        }
    }
}

static void merge(planner *p, int into, int from) {
    interval *a = &p->array[into], *b = &p->array[from];
    if (b->first < a->first) a->first = b->first;
    read_until(a, b->last);
    b->owner = into;
}

/* An in-place operation writes over its input when nobody else reads that input and its producer does not need it in
 * backward. */
static void share_in_place(planner *p) {
    for (int i = 0; i < p->ops; i++) {
        const ps_op *op = &p->graph->op[i];
        int source = op->inputs > 0 ? op->input[0] : -1;
        if (source < 0 || p->consumers[source] != 1) continue;
        const ps_layer_type *producer = p->graph->op[source].type;
        if (op->type->in_place && !op->type->needs_input && !producer->needs_output)
            merge(p, p->array[source].owner, i);
        if (op->type->in_place || op->type->gradient_in_place) merge(p, p->array[p->ops + source].owner, p->ops + i);
    }
    /* Chains of gradients merge from the input's side, so an owner may itself have been merged later. */
    for (int a = 0; a < 3 * p->ops; a++) {
        int owner = a;
        while (p->array[owner].owner != owner) owner = p->array[owner].owner;
        if (owner != a) merge(p, owner, a);
    }
}

typedef struct {
    interval *array;
    int index;
} candidate;

static int by_size(const void *left, const void *right) {
    const candidate *a = left, *b = right;
    size_t x = a->array->bytes, y = b->array->bytes;
    if (x != y) return x < y ? 1 : -1;
    return a->index - b->index;
}

static int by_offset(const void *left, const void *right) {
    const interval *a = *(interval *const *)left, *b = *(interval *const *)right;
    return a->offset < b->offset ? -1 : a->offset > b->offset;
}

static size_t aligned(size_t bytes) { return (bytes + PS_ALIGNMENT - 1) / PS_ALIGNMENT * PS_ALIGNMENT; }

/* Lowest offset from `offset` on at which the array meets no placed array that lives at the same time. `placed` is
 * sorted by offset. */
static size_t lowest_offset(size_t offset, const interval *array, interval *const *placed, int count) {
    for (int i = 0; i < count; i++) {
        const interval *other = placed[i];
        if (other->last < array->first || other->first > array->last) continue;
        if (other->offset >= offset + array->bytes) break;
        size_t end = other->offset + aligned(other->bytes);
        if (end > offset) offset = end;
    }
    return offset;
}

static void insert_by_offset(interval **placed, int count, interval *array) {
    int at = count;
    while (at > 0 && by_offset(&placed[at - 1], &array) > 0) {
        placed[at] = placed[at - 1];
        at--;
    }
    placed[at] = array;
}

static ps_status place(planner *p, size_t *block_bytes) {
    int total = 3 * p->ops, count = 0, placed_count = 0;
    candidate *order = NULL;
    interval **placed = NULL;
    ps_status status = PS_OK;
    PS_TRY_CLEANUP(PS_ALLOC((size_t)total, &order, "memory plan"));
    PS_TRY_CLEANUP(PS_ALLOC((size_t)total, &placed, "memory plan"));
    for (int a = 0; a < total; a++)
        if (p->array[a].owner == a && p->array[a].bytes > 0) order[count++] = (candidate){&p->array[a], a};
    qsort(order, (size_t)count, sizeof *order, by_size);
    *block_bytes = 0;
    for (int i = 0; i < count; i++) {
        interval *array = order[i].array;
        array->offset = lowest_offset(0, array, placed, placed_count);
        insert_by_offset(placed, placed_count++, array);
        if (array->offset + aligned(array->bytes) > *block_bytes) *block_bytes = array->offset + aligned(array->bytes);
    }
cleanup:
    ps_free(order);
    ps_free(placed);
    return status;
}

static size_t offset_of(const planner *p, int array) {
    return p->array[array].bytes == 0 ? PS_PLAN_NONE : p->array[p->array[array].owner].offset;
}

ps_status ps_memory_plan_create(const ps_graph *graph, int batch, const ps_layer_sizes *sizes, ps_memory_plan *out) {
    planner p = {graph, NULL, graph->count, NULL};
    ps_status status = PS_OK;
    memset(out, 0, sizeof *out);
    PS_TRY_CLEANUP(PS_ALLOC((size_t)(3 * graph->count), &p.array, "memory plan"));
    PS_TRY_CLEANUP(PS_ALLOC((size_t)graph->count, &p.consumers, "memory plan"));
    PS_TRY_CLEANUP(PS_ALLOC((size_t)graph->count, &out->op, "memory plan"));
    set_intervals(&p, batch, sizes);
    for (int i = 0; i + 1 < graph->count; i++)
        if (p.consumers[i] == 0)
            PS_TRY_CLEANUP(ps_fail(PS_ERR_INPUT,
                                   "network %s: nothing reads the output of operation \"%s\"; remove it or use it",
                                   graph->name, graph->op[i].name));
    share_in_place(&p);
    PS_TRY_CLEANUP(place(&p, &out->block_bytes));
    for (int i = 0; i < graph->count; i++)
        out->op[i] = (ps_plan_op){offset_of(&p, i), offset_of(&p, p.ops + i), offset_of(&p, 2 * p.ops + i)};
cleanup:
    if (status != PS_OK) ps_memory_plan_clear(out);
    ps_free(p.array);
    ps_free(p.consumers);
    return status;
}

/* ---- room besides ---- */

/* Outputs live until their last reader's forward, or the loss; saves from their forward on. They lie where they lie. */
static void set_forward_intervals(planner *p, const ps_memory_plan *plan, int batch, const ps_layer_sizes *sizes) {
    int n = p->ops;
    for (int i = 0; i < n; i++) {
        size_t bytes = ps_shape_elements(ps_shape_with_batch(p->graph->op[i].shape, batch)) * sizeof(float);
        p->array[i] = (interval){bytes, plan->op[i].output, i, ps_graph_is_output(p->graph, i) ? n : i, i};
        p->array[n + i] = (interval){sizes[i].save_bytes, plan->op[i].save, i, n, n + i};
        for (int k = 0; k < p->graph->op[i].inputs; k++)
            if (p->graph->op[i].input[k] >= 0) read_until(&p->array[p->graph->op[i].input[k]], i);
    }
}

static void place_room(ps_plan_room *room, interval *array, interval **placed, int count, size_t block_bytes) {
    array->offset = lowest_offset(0, array, placed, count);
    if (array->offset + array->bytes > block_bytes) array->offset = lowest_offset(block_bytes, array, placed, count);
    insert_by_offset(placed, count, array);
    room->offset = array->offset;
}

ps_status ps_memory_plan_place(const ps_memory_plan *plan, const ps_graph *graph, int batch,
                               const ps_layer_sizes *sizes, ps_plan_room *room, int count, size_t *more_bytes) {
    planner p = {graph, NULL, graph->count, NULL};
    size_t arrays = 2 * (size_t)graph->count, all = arrays + (size_t)count;
    int placed_count = 0;
    candidate *order = NULL;
    interval **placed = NULL;
    ps_status status = PS_OK;
    *more_bytes = 0;
    PS_TRY_CLEANUP(PS_ALLOC(all, &p.array, "memory plan"));
    PS_TRY_CLEANUP(PS_ALLOC(all, &order, "memory plan"));
    PS_TRY_CLEANUP(PS_ALLOC(all, &placed, "memory plan"));
    set_forward_intervals(&p, plan, batch, sizes);
    for (size_t i = 0; i < arrays; i++)
        if (p.array[i].bytes > 0) insert_by_offset(placed, placed_count++, &p.array[i]);
    for (int i = 0; i < count; i++) {
        interval *array = &p.array[arrays + (size_t)i];
        *array = (interval){room[i].bytes, 0, room[i].first, room[i].last, (int)arrays + i};
        order[i] = (candidate){array, i};
    }
    qsort(order, (size_t)count, sizeof *order, by_size);
    for (int i = 0; i < count; i++) {
        ps_plan_room *r = &room[order[i].index];
        place_room(r, order[i].array, placed, placed_count++, plan->block_bytes);
        size_t end = r->offset + aligned(r->bytes);
        if (end > plan->block_bytes + *more_bytes) *more_bytes = end - plan->block_bytes;
    }
cleanup:
    ps_free(p.array);
    ps_free(order);
    ps_free(placed);
    return status;
}

void ps_memory_plan_clear(ps_memory_plan *plan) {
    ps_free(plan->op);
    memset(plan, 0, sizeof *plan);
}
