/* Units: which gates are private, what feeds and reads them, on fused and unfused graphs alike. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>

#include <stdlib.h>
#include <string.h>

#include "graph/units.h"
#include "tests/lib/graphs.h"

#define CONV(name) "{\"name\": \"" name "\", \"type\": \"conv\", \"channels\": 4, \"padding\": 1}"
#define NODE(name, type) "{\"name\": \"" name "\", \"type\": \"" type "\"}"
#define FROM(name, type, inputs) "{\"name\": \"" name "\", \"type\": \"" type "\", \"inputs\": [" inputs "]}"
#define HEAD NODE("pool", "global_avg_pool") ", {\"name\": \"fc\", \"type\": \"linear\", \"features\": 2}"
#define SKIP(name) "{\"name\": \"" name "\", \"type\": \"pool_skip\", \"pool_size\": 2, \"module\": true}"

static ps_graph *graph;
static ps_units units;

static void open_units(const char *nodes) {
    graph = graph_of(nodes);
    assert_int_equal(ps_units_create(graph, &units), PS_OK);
}

static int close_units(void **state) {
    (void)state;
    ps_units_clear(&units);
    ps_graph_destroy(graph);
    graph = NULL;
    return 0;
}

static const ps_unit *unit(const char *name) {
    int index = ps_units_find(&units, name);
    if (index < 0) fail_msg("no unit is named %s", name);
    return &units.unit[index];
}

static int node(const char *name) { return ps_graph_find(graph, name); }

static void a_gate_behind_norm_and_pool_skip_is_private(void **state) {
    (void)state;
    open_units(CONV("a") "," SKIP("a.pool_skip") "," NODE("n", "batch_norm") "," NODE(
        "r", "relu") "," CONV("b") "," NODE("s", "relu") "," HEAD);
    assert_int_equal(units.count, 2);
    const ps_unit *u = unit("a");
    assert_false(u->shared);
    assert_string_equal(u->gate, "r");
    assert_int_equal(u->gate_op, node("r"));
    assert_int_equal(u->source_op, node("a"));
    assert_int_equal(u->norm_op, node("n"));
    assert_int_equal(u->pool_skip_op, node("a.pool_skip"));
    assert_int_equal(u->entry_op, node("n"));
    assert_int_equal(u->channels, 4);
    assert_int_equal(u->elements, 64);
    assert_int_equal(u->depth, 1); /* the module's own convolution does not count: depths are alike in every arm */
    assert_int_equal(u->fan_in, 27);
    assert_true(u->bias);
    assert_int_equal(u->feeds, 1);
    assert_int_equal(u->feed[0].unit, -1);
    assert_int_equal(u->feed[0].channels, 3);
    assert_int_equal(u->readers, 1);
    assert_int_equal(u->reader[0].op, node("b"));
    assert_false(u->identity_path);
    u = unit("b");
    assert_int_equal(u->depth, 2);
    assert_int_equal(u->norm_op, -1);
    assert_int_equal(u->pool_skip_op, -1);
    assert_int_equal(u->entry_op, node("s"));
    assert_int_equal(u->feed[0].unit, 0);
    assert_int_equal(u->reader[0].op, node("fc")); /* through the pooling */
    assert_int_equal(u->reader[0].stride, 1);
}

/* An embedding or a token adds values of its own: a dead node's channel is constant behind it, and a gate behind it
 * is nobody's own. */
static void channels_pass_through_tokens(void **state) {
    (void)state;
    open_units(CONV("a") "," NODE("r", "relu") "," NODE("cls", "class_token") "," NODE("pos", "position_embedding") ","
               "{\"name\": \"b\", \"type\": \"linear\", \"features\": 6}," NODE("s", "relu") ","
               NODE("path", "drop_path") ","
               NODE("first", "token") ",{\"name\": \"fc\", \"type\": \"linear\", \"features\": 2}");
    const ps_unit *a = unit("a"), *b = unit("b");
    assert_int_equal(a->readers, 1);
    assert_int_equal(a->reader[0].op, node("b"));
    assert_int_equal(a->reader[0].way.of_zero, PS_CHANNEL_CONSTANT);
    assert_false(a->identity_path);
    assert_int_equal(b->elements, 65);
    assert_int_equal(b->feed[0].dead, PS_CHANNEL_CONSTANT);
    assert_int_equal(b->reader[0].op, node("fc"));
    assert_int_equal(b->reader[0].way.of_zero, PS_CHANNEL_ZERO);
    close_units(state);
    open_units(CONV("a") "," NODE("pos", "position_embedding") "," NODE("r", "relu") "," HEAD);
    char text[128];
    assert_true(unit("r")->shared);
    ps_unit_sharing_text(graph, unit("r"), text, sizeof text);
    assert_string_equal(text, "behind pos (position_embedding), which adds learned values of its own");
}

static void norm_before_pool_skip_is_private_too(void **state) {
    (void)state;
    open_units(CONV("a") "," NODE("n", "batch_norm") "," SKIP("p") "," NODE("r", "relu") "," HEAD);
    const ps_unit *u = unit("a");
    assert_int_equal(u->norm_op, node("n"));
    assert_int_equal(u->pool_skip_op, node("p"));
    assert_int_equal(u->entry_op, node("r")); /* what enters the gate is the module's output */
}

static void pooling_and_dropout_before_a_gate_leave_it_private(void **state) {
    (void)state;
#define POOLED CONV("a") "," NODE("m", "max_pool") "," NODE("d", "dropout") "," NODE("r", "relu") ","
#define NORMED CONV("b") "," NODE("n", "batch_norm") "," NODE("p", "avg_pool") "," NODE("s", "relu") ","
#define FLAT CONV("c") "," NODE("g", "global_avg_pool") "," NODE("f", "flatten") "," NODE("n2", "batch_norm") ","
    open_units(POOLED NORMED FLAT NODE("t", "relu") ",{\"name\": \"fc\", \"type\": \"linear\", \"features\": 2}");
    const ps_unit *a = unit("a"), *b = unit("b"), *c = unit("c");
    assert_false(a->shared || b->shared || c->shared);
    assert_int_equal(a->source_op, node("a"));
    assert_int_equal(a->elements, 16); /* of the gate, behind the pooling */
    assert_int_equal(a->fan_in, 27);
    assert_true(a->bias);
    assert_int_equal(b->norm_op, node("n"));
    assert_int_equal(b->entry_op, node("s")); /* the pooling stands between the normalisation and the gate */
    assert_int_equal(b->feed[0].unit, ps_units_find(&units, "a"));
    assert_int_equal(c->elements, 1);
    assert_int_equal(c->entry_op, node("n2"));
    for (int i = 0; i < units.count; i++) assert_int_equal(units.unit[i].sharing, PS_SHARING_NONE);
}

/* The sentence names the node where the way back from the gate ended, and says what it is. */
static void a_shared_gate_says_why(void **state) {
    (void)state;
    static const struct {
        const char *nodes, *gate, *text;
    } cases[] = {
        {NODE("r", "relu") "," HEAD, "r", "no weights between the network's input and it"},
        {NODE("p", "max_pool") "," NODE("r", "relu") "," HEAD, "r", "no weights between the network's input and it"},
        {CONV("a") "," CONV("b") "," FROM("sum", "add", "\"a\", \"b\"") "," NODE("r", "relu") "," HEAD, "r",
         "behind sum (add), which adds several nodes up"},
        {CONV("a") "," NODE("s", "relu") "," FROM("j", "concat", "\"s\", \"input\"") "," NODE("r", "relu") "," HEAD,
         "r", "behind j (concat), which joins the channels of several nodes"},
        {CONV("a") "," NODE("f", "flatten") "," NODE(
             "r", "relu") ",{\"name\": \"fc\", \"type\": \"linear\", \"features\": 2}",
         "r", "behind f (flatten), which makes several features of a channel"},
        {CONV("a") "," NODE("p", "max_pool") "," NODE("r", "relu") "," FROM("sum", "add", "\"r\", \"p\"") "," HEAD, "r",
         "p (max_pool) before it is read otherwise too"},
        {CONV("a") "," NODE("s", "relu") "," NODE("p", "max_pool") "," NODE("r", "leaky_relu") "," HEAD, "r",
         "behind s (relu), which ends in a gate itself"},
        {CONV("a") "," NODE("n", "batch_norm") "," NODE("p", "max_pool") "," NODE("n2", "batch_norm") "," NODE(
             "r", "relu") "," HEAD,
         "r", "behind n (batch_norm), the second of its kind before this gate"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[256];
        open_units(cases[i].nodes);
        const ps_unit *u = unit(cases[i].gate);
        assert_true(u->shared && u->source_op < 0 && u->norm_op < 0);
        assert_int_equal(u->entry_op, u->gate_op);
        ps_unit_sharing_text(graph, u, text, sizeof text);
        assert_string_equal(text, cases[i].text);
        if (i + 1 < sizeof cases / sizeof *cases) close_units(NULL);
    }
}

static void a_source_read_elsewhere_makes_the_gate_shared(void **state) {
    (void)state;
    /* The convolution gets gradient past its gate: "a shut gate silences the filter" would not hold for it. */
    open_units(CONV("a") "," NODE("r", "relu") "," FROM("sum", "add", "\"r\", \"a\"") "," HEAD);
    assert_int_equal(ps_units_find(&units, "a"), -1);
    const ps_unit *u = unit("r");
    assert_true(u->shared);
    assert_true(u->identity_path);
    assert_int_equal(u->source_op, -1);
    assert_int_equal(u->fan_in, 0);
    assert_int_equal(u->feeds, 0);
    assert_int_equal(u->readers, 0);
}

static void two_gates_on_one_convolution_are_shared(void **state) {
    (void)state;
    open_units(CONV("a") "," NODE("r", "relu") "," FROM("l", "leaky_relu", "\"a\"") "," FROM("c", "concat",
                                                                                             "\"r\", \"l\"") "," HEAD);
    assert_int_equal(units.count, 2);
    assert_true(unit("r")->shared && unit("l")->shared);
    assert_true(unit("r")->rectifies && !unit("l")->rectifies);
}

/* A shut gate behind a layer norm still hands gradient to its convolution's row, through the others' moments. */
static void a_gate_behind_a_layer_norm_is_shared_but_its_gain_is_its_own(void **state) {
    (void)state;
    open_units(
        CONV("a") "," NODE("n", "layer_norm") "," NODE("r", "relu6") "," CONV("b") "," NODE("g", "gelu") "," HEAD);
    const ps_unit *r = unit("r"), *b = unit("b");
    assert_true(r->shared && r->sharing == PS_SHARING_OTHER);
    assert_int_equal(r->gain_op, node("n"));
    assert_true(r->norm_op == -1 && r->rectifies && r->ceiling == 6);
    assert_true(!b->shared && b->gain_op == -1 && !b->rectifies && isinf(b->ceiling));
    assert_int_equal(b->feeds, 1);
    assert_int_equal(b->feed[0].unit, ps_units_find(&units, "r"));
}

static void the_groups_of_a_source_are_known(void **state) {
    (void)state;
    open_units("{\"name\": \"a\", \"type\": \"conv\", \"channels\": 4, \"padding\": 1}," NODE(
        "r",
        "relu") ","
                "{\"name\": \"b\", \"type\": \"conv\", \"channels\": 8, \"padding\": 1, \"groups\": 4}," NODE(
                    "s", "relu") "," HEAD);
    assert_int_equal(unit("a")->groups, 1);
    assert_int_equal(unit("b")->groups, 4);
}

static void readers_are_found_through_pool_flatten_and_concat(void **state) {
    (void)state;
    open_units(CONV("a") "," NODE("r", "relu") ","
               "{\"name\": \"b\", \"type\": \"conv\", \"channels\": 6, \"padding\": 1, \"inputs\": [\"input\"]},"
               NODE("s", "relu") ","
               FROM("c", "concat", "\"r\", \"input\", \"s\"") "," NODE("m", "max_pool") ","
               NODE("d", "dropout") "," NODE("f", "flatten") ","
               "{\"name\": \"fc\", \"type\": \"linear\", \"features\": 2}");
    const ps_unit *a = unit("a"), *b = unit("b");
    assert_int_equal(a->readers, 1);
    assert_int_equal(a->reader[0].op, node("fc"));
    assert_int_equal(a->reader[0].first_input, 0);
    assert_int_equal(a->reader[0].stride, 16);
    assert_int_equal(b->reader[0].first_input, (4 + 3) * 16);
    assert_int_equal(b->reader[0].stride, 16);
    assert_false(a->identity_path || b->identity_path);
    assert_int_equal(b->feeds, 1);
    assert_int_equal(b->feed[0].unit, -1);
}

static void feeds_name_the_units_that_are_read(void **state) {
    (void)state;
    open_units(CONV("a") "," NODE("r", "relu") "," FROM("c", "concat", "\"input\", \"r\"") "," CONV("b") ","
               NODE("s", "relu") "," FROM("f", "flatten", "\"s\"") ","
               "{\"name\": \"l\", \"type\": \"linear\", \"features\": 5}," NODE("t", "relu") ","
               "{\"name\": \"fc\", \"type\": \"linear\", \"features\": 2}");
    const ps_unit *b = unit("b"), *l = unit("l");
    assert_int_equal(b->feeds, 2);
    assert_int_equal(b->feed[0].unit, -1);
    assert_int_equal(b->feed[0].channels, 3);
    assert_int_equal(b->feed[1].unit, ps_units_find(&units, "a"));
    assert_int_equal(b->feed[1].first_channel, 3);
    assert_int_equal(b->feed[1].channels, 4);
    assert_int_equal(unit("a")->reader[0].first_input, 3);
    assert_int_equal(l->feeds, 1);
    assert_int_equal(l->feed[0].unit, ps_units_find(&units, "b"));
    assert_int_equal(l->feed[0].channels, 4 * 64);
    assert_int_equal(l->fan_in, 4 * 64);
    assert_int_equal(l->elements, 1);
    assert_int_equal(l->depth, 3);
}

static void unpooling_hands_its_values_on(void **state) {
    (void)state;
    open_units(CONV("a") "," NODE("r", "relu") "," NODE("m", "max_pool") "," CONV("b") "," NODE("s", "relu") "," FROM(
        "u", "max_unpool", "\"s\", \"m\"") "," CONV("c") "," HEAD);
    assert_int_equal(unit("b")->readers, 1);
    assert_int_equal(unit("b")->reader[0].op, node("c"));
    assert_int_equal(unit("a")->readers, 1); /* where its maxima were is no value of it */
    assert_int_equal(unit("a")->reader[0].op, node("b"));
    assert_false(unit("a")->identity_path);
}

static void what_leaves_the_network_has_an_identity_path(void **state) {
    (void)state;
    open_units(CONV("a") "," NODE("r", "relu") "," NODE("m", "global_avg_pool"));
    assert_true(unit("a")->identity_path);
    assert_int_equal(unit("a")->readers, 0);
}

static void a_norm_behind_a_gate_hands_its_channels_on(void **state) {
    (void)state;
#define VECTOR(name) "{\"name\": \"" name "\", \"type\": \"linear\", \"features\": 5}"
    open_units(CONV("a") "," NODE("r", "relu") "," NODE("n", "batch_norm") "," CONV("b") "," NODE("s", "relu") ","
               NODE("m", "max_pool") "," NODE("n2", "batch_norm") "," NODE("f", "flatten") "," VECTOR("l") ","
               NODE("t", "relu") ",{\"name\": \"fc\", \"type\": \"linear\", \"features\": 2}");
    const ps_unit *a = unit("a"), *b = unit("b"), *l = unit("l");
    assert_false(a->identity_path || b->identity_path || l->identity_path);
    assert_int_equal(a->readers, 1);
    assert_int_equal(a->reader[0].op, node("b"));
    assert_int_equal(a->reader[0].way.of_zero, PS_CHANNEL_CONSTANT);
    assert_int_equal(b->feeds, 1);
    assert_int_equal(b->feed[0].unit, ps_units_find(&units, "a"));
    assert_int_equal(b->feed[0].dead, PS_CHANNEL_CONSTANT);
    assert_int_equal(b->reader[0].op, node("l"));
    assert_int_equal(b->reader[0].stride, 16);
    assert_int_equal(l->feed[0].channels, 4 * 16);
    assert_int_equal(l->feed[0].dead, PS_CHANNEL_CONSTANT);
    assert_int_equal(l->reader[0].way.of_zero, PS_CHANNEL_ZERO);
}

/* The second gate is what the weights read; they silence the first one, too. */
static void a_gate_behind_a_gate_hands_its_channels_on(void **state) {
    (void)state;
    open_units(CONV("a") "," NODE("r", "relu") "," NODE("n", "batch_norm") "," NODE("q", "leaky_relu") ","
               FROM("c", "concat", "\"input\", \"q\"") "," CONV("b") "," NODE("s", "relu") "," NODE("s2", "relu") ","
               NODE("f", "flatten") ",{\"name\": \"fc\", \"type\": \"linear\", \"features\": 2}");
    const ps_unit *a = unit("a"), *q = unit("q"), *b = unit("b"), *s2 = unit("s2");
    assert_true(q->shared && s2->shared);
    assert_false(a->identity_path || q->identity_path || b->identity_path || s2->identity_path);
    assert_int_equal(b->feeds, 2);
    assert_int_equal(b->feed[1].unit, ps_units_find(&units, "q"));
    assert_int_equal(b->feed[1].dead, PS_CHANNEL_ZERO);
    for (int i = 0; i < 2; i++) {
        const ps_unit *before = i == 0 ? a : q;
        assert_int_equal(before->readers, 1);
        assert_int_equal(before->reader[0].op, node("b"));
        assert_int_equal(before->reader[0].first_input, 3);
        assert_int_equal(before->reader[0].stride, 1);
        assert_int_equal(before->reader[0].way.of_zero, i == 0 ? PS_CHANNEL_CONSTANT : PS_CHANNEL_ZERO);
    }
    assert_int_equal(b->reader[0].op, node("fc"));
    assert_int_equal(b->reader[0].stride, 64);
    assert_int_equal(b->reader[0].way.of_zero, PS_CHANNEL_ZERO);
}

/* Another input that says only how large the output is moves nothing: a constant stays one. Instance norm makes a
 * constant of a dead node as batch norm does; a transposed convolution reads it like any convolution. */
static void resizing_keeps_constants(void **state) {
    (void)state;
    open_units(CONV("a") "," NODE("r", "relu") "," NODE("n", "instance_norm") "," NODE("m", "max_pool") ","
               FROM("z", "resize", "\"m\", \"r\"") ","
               FROM("q", "pad", "\"z\", \"m\"") ","
               "{\"name\": \"c\", \"type\": \"conv_transpose\", "
               "\"channels\": 6, \"groups\": 2}," NODE("t", "relu") "," HEAD);
    assert_int_equal(unit("c")->feed[0].unit, ps_units_find(&units, "a"));
    assert_int_equal(unit("c")->feed[0].dead, PS_CHANNEL_CONSTANT);
    assert_int_equal(unit("a")->readers, 1);
    assert_int_equal(unit("a")->reader[0].op, node("c"));
    assert_int_equal(unit("c")->fan_in, 2 * 4);
    assert_int_equal(unit("c")->groups, 2);
}

/* Where a constant stands, another input decides; a 0 is one everywhere. */
static void unpooling_tells_a_constant_from_a_zero(void **state) {
    (void)state;
    open_units(CONV("a") "," NODE("r", "relu") "," NODE("m", "max_pool") "," CONV("b") "," NODE("s", "relu") ","
               NODE("n", "batch_norm") "," FROM("u", "max_unpool", "\"n\", \"m\"") "," CONV("c") ","
               NODE("t", "relu") ","
               FROM("v", "max_unpool", "\"s\", \"m\"") "," NODE("n2", "batch_norm") "," CONV("d") ","
               NODE("w", "relu") ","
               FROM("sum", "add", "\"t\", \"w\"") "," HEAD);
    assert_int_equal(unit("c")->feed[0].unit, ps_units_find(&units, "b"));
    assert_int_equal(unit("c")->feed[0].dead, PS_CHANNEL_OPEN);
    assert_int_equal(unit("d")->feed[0].unit, ps_units_find(&units, "b"));
    assert_int_equal(unit("d")->feed[0].dead, PS_CHANNEL_CONSTANT);
    assert_int_equal(unit("b")->readers, 2);
    assert_false(unit("b")->identity_path);
    assert_true(unit("c")->identity_path);
}

static void a_way_past_the_norm_stays_one(void **state) {
    (void)state;
    /* Pre-activation order: the gate after the norm of an add is shared; what the first gate feeds past the norm is no
     * unit. */
    open_units(CONV("a") "," NODE("r", "relu") "," NODE("n", "batch_norm") "," CONV("b") "," FROM(
        "sum", "add", "\"b\", \"n\"") "," NODE("n2", "batch_norm") "," NODE("s", "relu") "," HEAD);
    assert_true(unit("a")->identity_path);
    assert_int_equal(unit("a")->readers, 1);
    const ps_unit *s = unit("s");
    assert_true(s->shared);
    assert_int_equal(s->norm_op, -1);
    assert_int_equal(s->entry_op, node("s")); /* what the add and the normalisation give */
}

static void a_graph_without_gates_has_no_units(void **state) {
    (void)state;
    open_units(CONV("a") "," HEAD);
    assert_int_equal(units.count, 0);
    assert_int_equal(ps_units_find(&units, "a"), -1);
}

static const char *node_name(const ps_graph *g, int index) { return index < 0 ? "(none)" : g->op[index].name; }

static void assert_same_units(const ps_graph *ga, const ps_units *a, const ps_graph *gb, const ps_units *b) {
    assert_int_equal(a->count, b->count);
    for (int i = 0; i < a->count; i++) {
        const ps_unit *x = &a->unit[i], *y = &b->unit[i];
        assert_string_equal(x->name, y->name);
        assert_string_equal(x->gate, y->gate);
        assert_string_equal(x->stage, y->stage);
        assert_string_equal(node_name(ga, x->source_op), node_name(gb, y->source_op));
        assert_string_equal(node_name(ga, x->norm_op), node_name(gb, y->norm_op));
        assert_string_equal(node_name(ga, x->pool_skip_op), node_name(gb, y->pool_skip_op));
        if (x->shared) assert_true(x->entry_op == x->gate_op && y->entry_op == y->gate_op);
        else assert_string_equal(node_name(ga, x->entry_op), node_name(gb, y->entry_op));
        assert_string_equal(x->activation, y->activation);
        assert_true(x->shared == y->shared && x->bias == y->bias && x->identity_path == y->identity_path &&
                    x->rectifies == y->rectifies);
        assert_int_equal(x->channels, y->channels);
        assert_int_equal(x->elements, y->elements);
        assert_int_equal(x->depth, y->depth);
        assert_int_equal(x->fan_in, y->fan_in);
        assert_int_equal(x->feeds, y->feeds);
        if (x->feeds > 0) assert_memory_equal(x->feed, y->feed, (size_t)x->feeds * sizeof *x->feed);
        assert_int_equal(x->readers, y->readers);
        for (int k = 0; k < x->readers; k++) {
            assert_string_equal(node_name(ga, x->reader[k].op), node_name(gb, y->reader[k].op));
            assert_int_equal(x->reader[k].first_input, y->reader[k].first_input);
            assert_int_equal(x->reader[k].stride, y->reader[k].stride);
            assert_int_equal(x->reader[k].way.of_zero, y->reader[k].way.of_zero);
        }
    }
}

static void fused_and_unfused_agree_on_gates_behind_gates(void **state) {
    (void)state;
    ps_graph *fused;
    ps_units own;
    open_units(
        CONV("a") "," NODE("r", "relu") "," NODE("n", "batch_norm") "," NODE("q", "leaky_relu") "," CONV("b") "," NODE(
            "n2", "batch_norm") "," NODE("s", "relu") "," NODE("n3", "batch_norm") "," NODE("s2", "relu") "," HEAD);
    assert_int_equal(ps_graph_fuse(graph, &fused), PS_OK);
    assert_true(fused->count < graph->count);
    assert_int_equal(ps_units_create(fused, &own), PS_OK);
    assert_same_units(graph, &units, fused, &own);
    ps_units_clear(&own);
    ps_graph_destroy(fused);
}

static void fused_and_unfused_agree(void **state) {
    (void)state;
    static const char *const models[] = {"plain9", "vgg16", "resnet18", "resnet50", "d110", NULL};
    for (int i = 0; models[i] != NULL; i++)
        for (int e = 0; e <= 2; e += 2) {
            ps_model_options options = model_options(models[i]);
            options.width = 0.1;
            options.pool_skip.pool_size = e;
            options.leaky_slope = e == 2 ? 0.125 : 0;
            ps_graph *plain = model_graph(models[i], &options), *fused;
            ps_units a, b;
            assert_int_equal(ps_graph_fuse(plain, &fused), PS_OK);
            assert_true(fused->count < plain->count);
            assert_int_equal(ps_units_create(plain, &a), PS_OK);
            assert_int_equal(ps_units_create(fused, &b), PS_OK);
            assert_true(a.count > 0);
            assert_same_units(plain, &a, fused, &b);
            ps_units_clear(&a);
            ps_units_clear(&b);
            ps_graph_destroy(plain);
            ps_graph_destroy(fused);
        }
}

static void residual_networks_have_private_and_shared_gates(void **state) {
    (void)state;
    ps_model_options options = model_options("resnet18");
    options.width = 0.125;
    options.pool_skip.pool_size = 2;
    graph = model_graph("resnet18", &options);
    assert_int_equal(ps_units_create(graph, &units), PS_OK);
    assert_int_equal(units.count, 1 + 8 * 2);
    const ps_unit *stem = unit("conv1.0"), *inner = unit("conv3_x.0.residual_function.0"),
                  *outer = unit("conv3_x.0.relu");
    assert_true(stem->identity_path); /* the first block's shortcut is the identity */
    assert_int_equal(stem->pool_skip_op, -1);
    assert_false(inner->identity_path);
    assert_true(inner->pool_skip_op >= 0);
    assert_true(outer->shared && outer->identity_path);
    assert_int_equal(outer->pool_skip_op, -1);
    /* Before a block that changes the width, the gate is read by two convolutions and by nothing else. */
    const ps_unit *before = unit("conv2_x.1.relu");
    assert_int_equal(before->readers, 2);
    assert_false(before->identity_path);
    assert_int_equal(inner->depth, 6);
    assert_int_equal(outer->depth, 7);
    assert_string_equal(inner->stage, "conv3_x");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_gate_behind_norm_and_pool_skip_is_private, close_units),
        cmocka_unit_test_teardown(channels_pass_through_tokens, close_units),
        cmocka_unit_test_teardown(norm_before_pool_skip_is_private_too, close_units),
        cmocka_unit_test_teardown(pooling_and_dropout_before_a_gate_leave_it_private, close_units),
        cmocka_unit_test_teardown(a_shared_gate_says_why, close_units),
        cmocka_unit_test_teardown(a_source_read_elsewhere_makes_the_gate_shared, close_units),
        cmocka_unit_test_teardown(two_gates_on_one_convolution_are_shared, close_units),
        cmocka_unit_test_teardown(readers_are_found_through_pool_flatten_and_concat, close_units),
        cmocka_unit_test_teardown(feeds_name_the_units_that_are_read, close_units),
        cmocka_unit_test_teardown(unpooling_hands_its_values_on, close_units),
        cmocka_unit_test_teardown(what_leaves_the_network_has_an_identity_path, close_units),
        cmocka_unit_test_teardown(a_norm_behind_a_gate_hands_its_channels_on, close_units),
        cmocka_unit_test_teardown(a_gate_behind_a_gate_hands_its_channels_on, close_units),
        cmocka_unit_test_teardown(unpooling_tells_a_constant_from_a_zero, close_units),
        cmocka_unit_test_teardown(a_gate_behind_a_layer_norm_is_shared_but_its_gain_is_its_own, close_units),
        cmocka_unit_test_teardown(the_groups_of_a_source_are_known, close_units),
        cmocka_unit_test_teardown(a_way_past_the_norm_stays_one, close_units),
        cmocka_unit_test_teardown(a_graph_without_gates_has_no_units, close_units),
        cmocka_unit_test(fused_and_unfused_agree),
        cmocka_unit_test(resizing_keeps_constants),
        cmocka_unit_test_teardown(fused_and_unfused_agree_on_gates_behind_gates, close_units),
        cmocka_unit_test_teardown(residual_networks_have_private_and_shared_gates, close_units)};
    return cmocka_run_group_tests_name("units", tests, NULL, NULL);
}
