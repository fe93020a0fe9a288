/* Heads of attention as nodes: how they are described, what is measured of them against a naive recomputation in
 * double, and planted truth: in 100 random plantings the heads that are called unread are those whose change changes
 * nothing. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "measure/diagnose.h"
#include "net/train.h"
#include "probe/plant.h"
#include "task/task.h"
#include "tests/lib/graphs.h"

enum { BATCH = 6, BATCHES = 2, IMAGES = BATCH + 4, PLANTINGS = 100, INPUT = 3 * 8 * 8 };

#define ATTENTION(name, heads) "{\"name\": \"" name "\", \"type\": \"attention\", \"heads\": " heads "},"
#define LINEAR(name, features) "{\"name\": \"" name "\", \"type\": \"linear\", \"features\": " features "},"
static const char nodes[] =
    "{\"name\": \"patch\", \"type\": \"conv\", \"channels\": 12, \"kernel\": 2, \"stride\": 2},"
    "{\"name\": \"pos\", \"type\": \"position_embedding\"}," ATTENTION("a.attn", "4")
    "{\"name\": \"a.sum\", \"type\": \"add\", \"inputs\": [\"a.attn\", \"pos\"]}," LINEAR("a.mlp", "20")
    "{\"name\": \"a.gate\", \"type\": \"gelu\"}," LINEAR("a.out", "12") ATTENTION("b.attn", "3")
    "{\"name\": \"b.sum\", \"type\": \"add\", \"inputs\": [\"b.attn\", \"a.out\"]},"
    "{\"name\": \"pool\", \"type\": \"sequence_pool\"}, {\"name\": \"fc\", \"type\": \"linear\", \"features\": 5}";

typedef struct {
    ps_graph *graph;
    ps_net *net;
    float **kept, *x;
    int32_t label[BATCH];
} bed;

static void must(ps_status status) {
    if (status != PS_OK) fail_msg("%s", ps_status_message());
}

/* The second batch is not full. */
static ps_status fill_batch(void *self, int index, float *x, int *images) {
    (void)self;
    ps_rng_key key = ps_rng_key_of((uint64_t)index, "heads/x");
    for (size_t i = 0; i < (size_t)BATCH * INPUT; i++) x[i] = ps_rng_normal(key, i);
    *images = index == 0 ? BATCH : IMAGES - BATCH;
    return PS_OK;
}

static const ps_probe_source source = {.batches = BATCHES, .batch = fill_batch};

static void open_bed(bed *b) {
    memset(b, 0, sizeof *b);
    b->graph = graph_of(nodes);
    must(ps_net_create(b->graph, BATCH, NULL, &b->net));
    must(ps_net_init(b->net, "torch", 4));
    must(PS_ALLOC((size_t)BATCH * INPUT, &b->x, "x"));
    must(PS_ALLOC((size_t)ps_net_param_count(b->net), &b->kept, "weights"));
    for (int i = 0; i < ps_net_param_count(b->net); i++) {
        const ps_param *p = ps_net_param(b->net, i);
        must(PS_ALLOC(p->count, &b->kept[i], "weights"));
        memcpy(b->kept[i], p->value, p->count * sizeof(float));
    }
}

static void restore(bed *b) {
    for (int i = 0; i < ps_net_param_count(b->net); i++) {
        ps_param *p = ps_net_param(b->net, i);
        memcpy(p->value, b->kept[i], p->count * sizeof(float));
    }
}

static void close_bed(bed *b) {
    for (int i = 0; i < ps_net_param_count(b->net); i++) ps_free(b->kept[i]);
    ps_free(b->kept), ps_free(b->x);
    ps_net_destroy(b->net);
    ps_graph_destroy(b->graph);
}

static ps_param *param(const bed *b, const char *name) {
    int index = ps_net_find_param(b->net, name);
    if (index < 0) fail_msg("there is no %s", name);
    return ps_net_param(b->net, index);
}

static void heads_are_nodes(void **state) {
    (void)state;
    bed b;
    open_bed(&b);
    const ps_units *units = ps_net_units(b.net);
    assert_int_equal(units->count, 3);
    const ps_unit *first = &units->unit[0], *mlp = &units->unit[1], *second = &units->unit[2];
    assert_string_equal(first->name, "a.attn");
    assert_true(first->heads && !first->shared && !first->rectifies && !mlp->heads && second->heads);
    assert_int_equal(first->channels, 4);
    assert_int_equal(first->elements, 16);
    assert_int_equal(first->fan_in, 3 * 3 * 12);
    assert_int_equal(first->depth, 2); /* behind the convolution */
    assert_int_equal(mlp->depth, 4);   /* behind the queries and the projection, too */
    assert_int_equal(second->depth, 6);
    assert_int_equal(mlp->feed[0].unit, -1); /* what attention gives is no head's own */
    assert_int_equal(first->readers, 0);
    assert_int_equal(mlp->readers, 1); /* the neurons are read by the second linear layer alone */
    assert_false(mlp->identity_path);
    assert_int_equal(param(&b, "a.attn.qkv.weight")->row_length, 3 * 3 * 12);
    close_bed(&b);
}

/* ---- measured against a recomputation ---- */

typedef struct {
    const bed *b;
    const char *name;
    int heads, images;
    const float *input; /* of the attention */
    double squares[4], entropy[4];
} recomputation;

static double row_dot(const float *x, const float *w, size_t count) {
    double sum = 0;
    for (size_t j = 0; j < count; j++) sum += (double)x[j] * (double)w[j];
    return sum;
}

/* One image and head: what each position adds to the output, with weights from the softmax in double. */
static void recompute_head(recomputation *r, const float *x, int head) {
    enum { C = 12, T = 16 };
    char name[64];
    size_t size = (size_t)(C / r->heads), h = (size_t)head;
    snprintf(name, sizeof name, "%s.qkv.weight", r->name);
    const float *w = param(r->b, name)->value + h * 3 * size * C;
    snprintf(name, sizeof name, "%s.qkv.bias", r->name);
    const float *bias = param(r->b, name)->value + h * 3 * size;
    snprintf(name, sizeof name, "%s.proj.weight", r->name);
    const float *proj = param(r->b, name)->value;
    double qkv[3][T][C], p[T], o[C];
    for (size_t part = 0; part < 3; part++)
        for (size_t t = 0; t < T; t++)
            for (size_t d = 0; d < size; d++)
                qkv[part][t][d] = (double)bias[part * size + d] + row_dot(x + t * C, w + (part * size + d) * C, C);
    for (size_t t = 0; t < T; t++) {
        double sum = 0;
        for (size_t s = 0; s < T; s++) {
            p[s] = 0;
            for (size_t d = 0; d < size; d++) p[s] += qkv[0][t][d] * qkv[1][s][d];
            sum += p[s] = exp(p[s] / sqrt((double)size));
        }
        memset(o, 0, sizeof o);
        for (size_t s = 0; s < T; s++) {
            p[s] /= sum;
            r->entropy[h] -= p[s] * log(p[s]);
            for (size_t d = 0; d < size; d++) o[d] += p[s] * qkv[2][s][d];
        }
        for (size_t k = 0; k < C; k++) {
            double y = 0;
            for (size_t d = 0; d < size; d++) y += (double)proj[k * C + h * size + d] * o[d];
            r->squares[h] += y * y;
        }
    }
}

static void after_op(void *self, int op, ps_shape shape, const float *y) {
    recomputation *r = self;
    const ps_graph *graph = ps_net_graph(r->b->net);
    if (op + 1 >= graph->count || strcmp(graph->op[op + 1].name, r->name) != 0) return;
    assert_int_equal(shape.c * shape.h * shape.w, 12 * 16);
    for (int i = 0; i < r->images; i++)
        for (int h = 0; h < r->heads; h++) recompute_head(r, y + (size_t)i * 12 * 16, h);
}

static void expect(const char *what, const double *got, const double *wanted, int count) {
    for (int i = 0; i < count; i++)
        if (!(fabs(got[i] - wanted[i]) <= 1e-5 * (1 + fabs(wanted[i]))))
            fail_msg("%s of head %d is %g, not %g", what, i, got[i], wanted[i]);
}

static void what_heads_do_is_measured(void **state) {
    (void)state;
    bed b;
    open_bed(&b);
    ps_probe *probe;
    ps_probe_options options = {
        .record = "head_share,head_entropy,out_l2,weight_l2,nonzero,bias", .steps = 1, .window = 1, .source = source};
    must(ps_probe_create(b.net, NULL, &options, &probe));
    must(ps_probe_measure(probe));
    for (int layer = 0; layer < 3; layer += 2) {
        recomputation r = {.b = &b, .name = layer == 0 ? "a.attn" : "b.attn", .heads = layer == 0 ? 4 : 3};
        ps_net_hook hook = {&r, after_op};
        double got[4], share[4], out[4] = {0}, sum = 0;
        for (int i = 0; i < BATCHES; i++) {
            must(fill_batch(NULL, i, b.x, &r.images));
            ps_net_forward(b.net, b.x, PS_MODE_PROBE, ps_rng_key_of(1, "x"), &hook);
        }
        for (int h = 0; h < r.heads; h++) sum += share[h] = sqrt(r.squares[h]);
        for (int h = 0; h < r.heads; h++) share[h] /= sum, r.entropy[h] /= IMAGES * 16;
        assert_true(ps_probe_read(probe, "head_share", layer, got));
        expect("share", got, share, r.heads);
        assert_true(ps_probe_read(probe, "head_entropy", layer, got));
        expect("entropy", got, r.entropy, r.heads);
        const float *proj = param(&b, layer == 0 ? "a.attn.proj.weight" : "b.attn.proj.weight")->value;
        for (int i = 0; i < 144; i++) out[i % 12 / (12 / r.heads)] += (double)proj[i] * (double)proj[i];
        for (int h = 0; h < r.heads; h++) out[h] = sqrt(out[h]);
        assert_true(ps_probe_read(probe, "out_l2", layer, got));
        expect("norm of the columns", got, out, r.heads);
        assert_true(ps_probe_read(probe, "weight_l2", layer, got));
        assert_false(ps_probe_read(probe, "nonzero", layer, got)); /* no head has what gates have */
        assert_false(ps_probe_read(probe, "bias", layer, got));
    }
    ps_probe_destroy(probe);
    close_bed(&b);
}

/* ---- planted truth ---- */

/* Whether a change of all that the head reads changes any output of the network. */
static bool is_heard(bed *b, const char *layer, int head) {
    char name[64];
    float before[BATCHES][BATCH * 5];
    bool heard = false;
    int images;
    snprintf(name, sizeof name, "%s.qkv.weight", layer);
    ps_param *p = param(b, name);
    for (int change = 0; change < 2; change++) {
        for (size_t i = 0; change == 1 && i < p->row_length; i++) p->value[(size_t)head * p->row_length + i] *= -3;
        for (int i = 0; i < BATCHES; i++) {
            must(fill_batch(NULL, i, b->x, &images));
            const float *y = ps_net_forward(b->net, b->x, PS_MODE_PROBE, ps_rng_key_of(1, "x"), NULL);
            if (change == 0) memcpy(before[i], y, sizeof before[i]);
            else heard = heard || memcmp(before[i], y, sizeof before[i]) != 0;
        }
    }
    for (size_t i = 0; i < p->row_length; i++) p->value[(size_t)head * p->row_length + i] /= -3;
    return heard;
}

static bool was_planted(const ps_planting_list *list, const char *layer, int head) {
    for (int i = 0; i < list->count; i++)
        for (int k = 0; k < list->planting[i].channels; k++)
            if (strcmp(list->planting[i].layer, layer) == 0 && list->planting[i].channel[k] == head) return true;
    return false;
}

static void judge(bed *b, const char *text, const ps_planting_list *list) {
    ps_diagnosis d;
    must(ps_diagnose(b->net, &source, &d));
    assert_int_equal(d.count, 4 + 20 + 3);
    for (int i = 0; i < d.count; i++) {
        const ps_diagnosed_node *n = &d.node[i];
        bool head = strstr(n->layer, "attn") != NULL, planted = was_planted(list, n->layer, n->channel);
        bool unread = n->condition == PS_CONDITION_UNUSED && n->cause == PS_CAUSE_ZERO_OUTGOING;
        if (unread != planted || (!unread && n->cause != PS_CAUSE_NONE) ||
            (head && is_heard(b, n->layer, n->channel) == unread))
            fail_msg("\"%s\": %s:%d is called %s by %s", text, n->layer, n->channel, ps_condition_name(n->condition),
                     ps_cause_name(n->cause));
    }
    ps_diagnosis_clear(&d);
}

static void unread_heads_are_found(void **state) {
    (void)state;
    static const char *const layers[] = {"*.attn", "a.attn", "b.attn"};
    bed b;
    int wanted = 0;
    open_bed(&b);
    judge(&b, "nothing planted", &(ps_planting_list){NULL, 0, 0});
    for (int number = 0; number < PLANTINGS; number++) {
        char text[96];
        ps_planting_list list;
        restore(&b);
        snprintf(text, sizeof text, "layers=%s,count=%d,cause=weights-out,seed=%d", layers[number % 3], 1 + number % 2,
                 number);
        must(ps_plant(b.net, text, NULL, &list));
        for (int i = 0; i < list.count; i++) wanted += list.planting[i].channels;
        judge(&b, text, &list);
        ps_planting_list_clear(&list);
    }
    assert_true(wanted >= PLANTINGS);
    close_bed(&b);
}

/* One that reads nothing gives the same wherever it looks, one whose values are 0 adds nothing: other causes. */
static void other_faults_of_heads_have_their_own_causes(void **state) {
    (void)state;
    bed b;
    ps_diagnosis d;
    open_bed(&b);
    ps_param *w = param(&b, "a.attn.qkv.weight"), *bias = param(&b, "a.attn.qkv.bias");
    memset(w->value + w->row_length, 0, w->row_length * sizeof(float));
    memset(w->value + 2 * w->row_length + 2 * w->row_length / 3, 0, w->row_length / 3 * sizeof(float));
    memset(bias->value + 2 * 9 + 6, 0, 3 * sizeof(float));
    must(ps_diagnose(b.net, &source, &d));
    assert_int_equal(d.node[0].cause, PS_CAUSE_NONE);
    assert_int_equal(d.node[1].cause, PS_CAUSE_ZERO_INCOMING);
    assert_int_equal(d.node[2].cause, PS_CAUSE_SILENT);
    assert_int_equal(d.node[2].condition, PS_CONDITION_DEAD);
    assert_int_equal(d.node[3].cause, PS_CAUSE_NONE);
    ps_diagnosis_clear(&d);
    w->value[0] = NAN;
    must(ps_diagnose(b.net, &source, &d));
    assert_int_equal(d.node[0].cause, PS_CAUSE_NONFINITE_PARAMETER);
    ps_diagnosis_clear(&d);
    close_bed(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(heads_are_nodes), cmocka_unit_test(what_heads_do_is_measured),
                                       cmocka_unit_test(unread_heads_are_found),
                                       cmocka_unit_test(other_faults_of_heads_have_their_own_causes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
