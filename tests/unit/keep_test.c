/* Which elements are kept at random: the factors are core/rng.h's, number by number, on any number of threads. */
#include "kernels/keep.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/keep_simd.h"
#include "tests/lib/kernel_test.h"

/* Across the end of the lower word of the index, and in rows that fill no vector. */
static void factors_are_those_of_the_generator(void **state) {
    (void)state;
    ps_rng_key key = ps_rng_key_of(7, "factors");
    const uint64_t first[] = {0, 5, (1ull << 32) - 19, (1ull << 40) + 3};
    float factor[71];
    for (size_t f = 0; f < sizeof first / sizeof *first; f++)
        for (size_t count = 1; count <= 70; count += 23) {
            factor[count] = 17.0f;
            PS_SIMD_SELECT(ps_keep_factors)(key, first[f], count, 0.3f, 1.5f, factor);
            for (size_t i = 0; i < count; i++)
                assert_true(factor[i] == (ps_rng_uniform(key, first[f] + i) < 0.3f ? 0.0f : 1.5f));
            assert_true(factor[count] == 17.0f); /* nothing past the end */
        }
}

static void numbers_are_those_of_the_generator(void **state) {
    (void)state;
    ps_rng_key key = ps_rng_key_of(8, "numbers");
    const uint64_t first[] = {0, (1ull << 32) - 19};
    float out[72];
    for (size_t f = 0; f < sizeof first / sizeof *first; f++)
        for (size_t count = 0; count <= 70; count += 7) {
            out[count] = 17.0f;
            ps_keep_uniforms(key, first[f], count, out);
            for (size_t i = 0; i < count; i++) assert_true(out[i] == ps_rng_uniform(key, first[f] + i));
            assert_true(out[count] == 17.0f); /* nothing past the end */
        }
}

static float factor_of(const ps_keep *keep, uint64_t i) {
    return ps_rng_uniform(keep->key, i) < keep->p ? 0.0f : keep->scale;
}

/* y[i] (+)= x[i] times the factor of i / block, bit for bit; in place where y is x. */
static void check(const ps_keep *keep, size_t blocks, size_t block, bool add, bool in_place, int pool) {
    size_t count = blocks * block;
    float *x = kt_numbers("x", count), *y = kt_numbers("y", count), *before = kt_numbers("y", count);
    x[count / 2] = NAN;
    if (in_place) memcpy(y, x, count * sizeof *y), memcpy(before, x, count * sizeof *y);
    const float *from = in_place ? y : x;
    if (block == 1) ps_keep_scale(keep, from, count, add, y, kt_pool(pool));
    else ps_keep_scale_blocks(keep, from, blocks, block, add, y, kt_pool(pool));
    for (size_t i = 0; i < count; i++) {
        float product = x[i] * factor_of(keep, i / block), wanted = add ? before[i] + product : product;
        assert_true(y[i] == wanted || (isnan(y[i]) && isnan(wanted)));
    }
    free(x), free(y), free(before);
}

static void elements_and_blocks_are_scaled(void **state) {
    (void)state;
    ps_keep keep = {ps_rng_key_of(3, "keep"), 0.4f, 1.0f / 0.6f};
    const size_t sizes[][2] = {{1, 1}, {37, 1}, {100000, 1}, {1, 5}, {9, 36}, {7, 4099}};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
        for (int pool = 0; pool < KT_POOLS; pool++)
            for (int way = 0; way < 3; way++) check(&keep, sizes[s][0], sizes[s][1], way == 1, way == 2, pool);
}

int main(int argc, char **argv) {
    (void)argc;
    const struct CMUnitTest tests[] = {cmocka_unit_test(factors_are_those_of_the_generator),
                                       cmocka_unit_test(numbers_are_those_of_the_generator),
                                       cmocka_unit_test(elements_and_blocks_are_scaled)};
    return kt_main(argv[0], tests);
}
