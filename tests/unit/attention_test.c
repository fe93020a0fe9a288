/* The attention kernel: blocks of queries against the formula in double. */
#include "kernels/attention.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/memory.h"

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

/* Several blocks of queries, the last one shorter; scores far apart, so that some weights are below any float. */
static void long_rows_are_weighed_as_in_double(void **state) {
    (void)state;
    ps_attention a = {.samples = 2, .positions = 301, .heads = 3, .size = 5};
    size_t step = 45, count = 2 * 301 * step;
    float *qkv, *y, *kept;
    double p[301];
    void *workspace;
    assert_int_equal(PS_ALLOC(count, &qkv, "qkv"), PS_OK);
    assert_int_equal(PS_ALLOC(count / 3, &y, "y"), PS_OK);
    assert_int_equal(PS_ALLOC(ps_attention_kept_floats(&a), &kept, "kept"), PS_OK);
    assert_int_equal(ps_alloc(ps_attention_workspace_bytes(&a, 1), 1, "workspace", &workspace), PS_OK);
    ps_rng_key key = ps_rng_key_of(3, "qkv");
    for (size_t i = 0; i < count; i++) qkv[i] = 4 * ps_rng_normal(key, i);
    ps_attention_forward(&a, qkv, y, kept, workspace, NULL);
    for (int sample = 0; sample < 2; sample++)
        for (int head = 0; head < 3; head++)
            for (int query = 0; query < 301; query++) {
                weights_of(&a, qkv, sample, head, query, p);
                for (int d = 0; d < 5; d++) {
                    double wanted = 0;
                    for (int j = 0; j < 301; j++)
                        wanted += p[j] *
                                  (double)qkv[((size_t)sample * 301 + (size_t)j) * step + (size_t)(head * 15 + 10 + d)];
                    double got = (double)y[((size_t)sample * 301 + (size_t)query) * 15 + (size_t)(head * 5 + d)];
                    if (!(fabs(got - wanted) <= 1e-4)) fail_msg("query %d is %g, not %g", query, got, wanted);
                }
            }
    ps_free(qkv), ps_free(y), ps_free(kept), ps_free(workspace);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(long_rows_are_weighed_as_in_double)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
