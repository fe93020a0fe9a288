/* The attention kernel and its gradients against the formulas in double. */
#include "kernels/attention.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "tests/lib/kernel_test.h"

/* Weights of one query in double. */
static void weights_of(const ps_attention *a, const float *qkv, int sample, int head, int query, double *p) {
    size_t step = 3 * (size_t)a->heads * (size_t)a->size;
    const float *base = qkv + (size_t)sample * (size_t)a->positions * step + (size_t)head * 3 * (size_t)a->size;
    double most = -INFINITY, sum = 0;
    for (int j = 0; j < a->positions; j++) {
        p[j] = 0;
        for (int d = 0; d < a->size; d++)
            p[j] +=
                (double)base[(size_t)query * step + (size_t)d] * (double)base[(size_t)j * step + (size_t)(a->size + d)];
        p[j] /= sqrt((double)a->size);
        most = fmax(most, p[j]);
    }
    for (int j = 0; j < a->positions; j++) sum += p[j] = exp(p[j] - most);
    for (int j = 0; j < a->positions; j++) p[j] /= sum;
}

typedef struct {
    ps_attention a;
    size_t step, count; /* floats of a position of qkv, and of all */
    float *qkv, *y, *kept, *dy, *dqkv;
    void *workspace;
} attention_case;

/* Scores far apart, so that some weights are below any float. */
static attention_case case_of(ps_attention a) {
    attention_case c = {.a = a, .step = 3 * (size_t)a.heads * (size_t)a.size};
    c.count = (size_t)a.samples * (size_t)a.positions * c.step;
    assert_int_equal(PS_ALLOC(c.count, &c.qkv, "qkv"), PS_OK);
    assert_int_equal(PS_ALLOC(c.count / 3, &c.y, "y"), PS_OK);
    assert_int_equal(PS_ALLOC(c.count, &c.dqkv, "dqkv"), PS_OK);
    assert_int_equal(PS_ALLOC(c.count / 3, &c.dy, "dy"), PS_OK);
    assert_int_equal(PS_ALLOC(ps_attention_kept_floats(&a), &c.kept, "kept"), PS_OK);
    assert_int_equal(ps_alloc(ps_attention_workspace_bytes(&a, 1), 1, "workspace", &c.workspace), PS_OK);
    ps_rng_key key = ps_rng_key_of(3, "qkv");
    for (size_t i = 0; i < c.count; i++) c.qkv[i] = 4 * ps_rng_normal(key, i);
    for (size_t i = 0; i < c.count / 3; i++) c.dy[i] = ps_rng_normal(key, c.count + i);
    ps_attention_forward(&a, c.qkv, c.y, c.kept, c.workspace, NULL);
    ps_attention_backward(&a, c.qkv, c.y, c.kept, c.dy, c.dqkv, c.workspace, NULL);
    return c;
}

static void clear(attention_case *c) {
    ps_free(c->qkv), ps_free(c->y), ps_free(c->kept), ps_free(c->dy), ps_free(c->dqkv), ps_free(c->workspace);
}

/* The place of q (0), k (1) or v (2) in qkv, and of a head's output in y. */
static size_t part_at(const attention_case *c, int sample, int head, int position, int part) {
    size_t row = (size_t)sample * (size_t)c->a.positions + (size_t)position;
    return row * c->step + (size_t)(head * 3 + part) * (size_t)c->a.size;
}
static size_t output_at(const attention_case *c, int sample, int head, int position) {
    size_t row = (size_t)sample * (size_t)c->a.positions + (size_t)position;
    return row * c->step / 3 + (size_t)head * (size_t)c->a.size;
}

static double product_of(const float *x, const float *y, int size) {
    double sum = 0;
    for (int d = 0; d < size; d++) sum += (double)x[d] * (double)y[d];
    return sum;
}

static void expect(const char *what, int query, const float *got, const double *wanted, int size, double bound) {
    for (int d = 0; d < size; d++)
        if (!(fabs((double)got[d] - wanted[d]) <= bound))
            fail_msg("%s of %d is %g, not %g", what, query, (double)got[d], wanted[d]);
}

enum { MOST_POSITIONS = 301, MOST_SIZE = 64 };

/* What dropout multiplies the weight of query i and position j by. */
static double factor_of(const attention_case *c, int sample, int head, int i, int j) {
    uint64_t row = ((uint64_t)sample * (uint64_t)c->a.heads + (uint64_t)head) * (uint64_t)c->a.positions + (uint64_t)i;
    if (c->a.dropout <= 0) return 1;
    float drawn = ps_rng_uniform(c->a.key, row * (uint64_t)c->a.positions + (uint64_t)j);
    return drawn < (float)c->a.dropout ? 0 : 1 / (1 - c->a.dropout);
}

/* One head: y, and the gradients of q, k and v by the formula. */
static void check_head(const attention_case *c, int sample, int head) {
    int positions = c->a.positions, size = c->a.size;
    static double p[MOST_POSITIONS], f[MOST_POSITIONS], dk[MOST_POSITIONS][MOST_SIZE], dv[MOST_POSITIONS][MOST_SIZE];
    memset(dk, 0, sizeof dk), memset(dv, 0, sizeof dv);
    for (int i = 0; i < positions; i++) {
        double y[MOST_SIZE] = {0}, dq[MOST_SIZE] = {0}, mean = 0;
        const float *dy = c->dy + output_at(c, sample, head, i), *q = c->qkv + part_at(c, sample, head, i, 0);
        weights_of(&c->a, c->qkv, sample, head, i, p);
        for (int j = 0; j < positions; j++) {
            const float *v = c->qkv + part_at(c, sample, head, j, 2);
            f[j] = factor_of(c, sample, head, i, j);
            mean += p[j] * f[j] * product_of(dy, v, size);
            for (int d = 0; d < size; d++) y[d] += p[j] * f[j] * (double)v[d], dv[j][d] += p[j] * f[j] * (double)dy[d];
        }
        for (int j = 0; j < positions; j++) {
            const float *k = c->qkv + part_at(c, sample, head, j, 1), *v = k + size;
            double ds = p[j] * (f[j] * product_of(dy, v, size) - mean) / sqrt((double)size);
            for (int d = 0; d < size; d++) dq[d] += ds * (double)k[d], dk[j][d] += ds * (double)q[d];
        }
        expect("y", i, c->y + output_at(c, sample, head, i), y, size, 1e-4);
        expect("dq", i, c->dqkv + part_at(c, sample, head, i, 0), dq, size, 1e-3);
    }
    for (int j = 0; j < positions; j++) {
        expect("dk", j, c->dqkv + part_at(c, sample, head, j, 1), dk[j], size, 1e-3);
        expect("dv", j, c->dqkv + part_at(c, sample, head, j, 2), dv[j], size, 1e-3);
    }
}

static void check(ps_attention a) {
    attention_case c = case_of(a);
    for (int sample = 0; sample < a.samples; sample++)
        for (int head = 0; head < a.heads; head++) check_head(&c, sample, head);
    clear(&c);
}

/* Several blocks of queries, the last one shorter; weights are made again in backward. */
static void long_rows_are_weighed_as_in_double(void **state) {
    (void)state;
    check((ps_attention){.samples = 2, .positions = 301, .heads = 3, .size = 5});
}

/* Weights are kept; positions beyond whole vectors: one, some, and so many that they are a vector of their own; several
 * heads in a task. */
static void short_rows_are_weighed_as_in_double(void **state) {
    (void)state;
    check((ps_attention){.samples = 17, .positions = 65, .heads = 2, .size = 64});
    check((ps_attention){.samples = 1, .positions = 36, .heads = 3, .size = 24});
    check((ps_attention){.samples = 2, .positions = 21, .heads = 1, .size = 40});
    check((ps_attention){.samples = 16, .positions = 3, .heads = 2, .size = 7});
}

/* The factors that forward drew are those of backward, with weights kept and made again. */
static void dropped_weights_are_those_of_the_formula(void **state) {
    (void)state;
    ps_rng_key key = ps_rng_key_of(3, "dropout");
    check((ps_attention){.samples = 3, .positions = 37, .heads = 2, .size = 24, .dropout = 0.3, .key = key});
    check((ps_attention){.samples = 2, .positions = 301, .heads = 2, .size = 5, .dropout = 0.3, .key = key});
}

/* y and dqkv of the same numbers, by so many threads and for the first `samples` alone. */
static void expect_the_same_bits(const attention_case *c, int samples, ps_threads *pool) {
    ps_attention a = c->a;
    a.samples = samples;
    size_t count = c->count / (size_t)c->a.samples * (size_t)samples;
    float *y = kt_room(count / 3, sizeof *y), *dqkv = kt_room(count, sizeof *dqkv);
    float *kept = kt_room(ps_attention_kept_floats(&a), sizeof *kept);
    void *workspace = kt_workspace(ps_attention_workspace_bytes(&a, ps_threads_count(pool)));
    ps_attention_forward(&a, c->qkv, y, kept, workspace, pool);
    ps_attention_backward(&a, c->qkv, y, kept, c->dy, dqkv, workspace, pool);
    kt_assert_same_bits(y, c->y, count / 3);
    kt_assert_same_bits(dqkv, c->dqkv, count);
    kt_workspace_free(workspace);
    free(y), free(dqkv), free(kept);
}

static void bits_depend_on_neither_threads_nor_other_samples(void **state) {
    (void)state;
    ps_rng_key key = ps_rng_key_of(3, "dropout");
    const ps_attention cases[] = {{.samples = 16, .positions = 37, .heads = 2, .size = 24, .dropout = 0.3, .key = key},
                                  {.samples = 16, .positions = 65, .heads = 3, .size = 40},
                                  {.samples = 16, .positions = 101, .heads = 2, .size = 5, .dropout = 0.3, .key = key}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        attention_case c = case_of(cases[i]);
        for (int pool = 0; pool < 3; pool++)
            for (int samples = 15; samples <= 16; samples++) expect_the_same_bits(&c, samples, kt_pool(pool));
        clear(&c);
    }
}

int main(int argc, char **argv) {
    (void)argc;
    const struct CMUnitTest tests[] = {cmocka_unit_test(long_rows_are_weighed_as_in_double),
                                       cmocka_unit_test(short_rows_are_weighed_as_in_double),
                                       cmocka_unit_test(dropped_weights_are_those_of_the_formula),
                                       cmocka_unit_test(bits_depend_on_neither_threads_nor_other_samples)};
    return kt_main(argv[0], tests);
}
