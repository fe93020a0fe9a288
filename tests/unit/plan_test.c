/* Room besides in a forward pass: it meets no output that lives then, and no other room. */
#include "net/plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/memory.h"
#include "models/model.h"

static bool meet(size_t a, size_t a_bytes, size_t b, size_t b_bytes) { return a < b + b_bytes && b < a + a_bytes; }

static int last_reader(const ps_graph *graph, int op) {
    int last = ps_graph_is_output(graph, op) ? graph->count : op;
    for (int i = op; i < graph->count; i++)
        for (int k = 0; k < graph->op[i].inputs; k++)
            if (graph->op[i].input[k] == op && i > last) last = i;
    return last;
}

static void check_room(const ps_graph *graph, const ps_memory_plan *plan, int batch, const ps_plan_room *room,
                       int index, size_t more_bytes) {
    const ps_plan_room *own = &room[index];
    assert_true(own->offset + own->bytes <= plan->block_bytes || own->offset >= plan->block_bytes);
    assert_true(own->offset + own->bytes <= plan->block_bytes + more_bytes);
    for (int i = 0; i < graph->count; i++) {
        size_t bytes = ps_shape_elements(ps_shape_with_batch(graph->op[i].shape, batch)) * sizeof(float);
        bool both = i <= own->last && last_reader(graph, i) >= own->first;
        assert_false(both && meet(own->offset, own->bytes, plan->op[i].output, bytes));
    }
    for (int i = 0; i < index; i++)
        if (room[i].first <= own->last && room[i].last >= own->first)
            assert_false(meet(own->offset, own->bytes, room[i].offset, room[i].bytes));
}

/* One for each operation, until the second next. */
static void check_model(const char *name, int batch) {
    const ps_model *model;
    ps_model_options options;
    ps_graph *graph;
    ps_memory_plan plan;
    ps_layer_sizes *sizes;
    ps_plan_room *room;
    size_t more_bytes, all = 0;
    assert_int_equal(ps_model_find(name, &model), PS_OK);
    ps_model_options_init(model, &options);
    options.width = 0.25;
    assert_int_equal(model->build(&options, &graph), PS_OK);
    size_t count = (size_t)graph->count;
    assert_int_equal(PS_ALLOC(count, &sizes, "test"), PS_OK);
    assert_int_equal(PS_ALLOC(count, &room, "test"), PS_OK);
    assert_int_equal(ps_memory_plan_create(graph, batch, sizes, &plan), PS_OK);
    for (int i = 0; i < graph->count; i++) {
        int last = i + 2 < graph->count ? i + 2 : graph->count - 1;
        size_t bytes = ps_shape_elements(ps_shape_with_batch(graph->op[i].shape, batch)) * sizeof(float);
        room[i] = (ps_plan_room){.bytes = bytes, .first = i, .last = last};
        all += bytes;
    }
    assert_int_equal(ps_memory_plan_place(&plan, graph, batch, sizes, room, graph->count, &more_bytes), PS_OK);
    for (int i = 0; i < graph->count; i++) check_room(graph, &plan, batch, room, i, more_bytes);
    assert_true(more_bytes < all / 4); /* most of it lies where outputs are dead */
    ps_memory_plan_clear(&plan);
    ps_free(sizes);
    ps_free(room);
    ps_graph_destroy(graph);
}

static void rooms_lie_where_nothing_lives(void **state) {
    (void)state;
    const char *const names[] = {"plain9", "resnet18", "googlenet", "unet2d"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) check_model(names[i], 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(rooms_lie_where_nothing_lives)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
