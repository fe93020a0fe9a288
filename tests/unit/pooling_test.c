/* Pooling and unpooling against a scalar reference: 2D and 3D, padding, overlap, ties, NaN, accumulation. */
#include "kernels/pooling.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/kernel_test.h"

/* kernel, stride, pad per dimension (d, h, w) */
#define WINDOW(n, c, d, h, w, kd, kh, kw, sd, sh, sw, pd, ph, pw)                                \
    {{n, c, d, h, w},                                                                            \
     {n, c, (d + 2 * pd - kd) / sd + 1, (h + 2 * ph - kh) / sh + 1, (w + 2 * pw - kw) / sw + 1}, \
     kd,                                                                                         \
     kh,                                                                                         \
     kw,                                                                                         \
     sd,                                                                                         \
     sh,                                                                                         \
     sw,                                                                                         \
     pd,                                                                                         \
     ph,                                                                                         \
     pw}

static const ps_pool_window windows[] = {
    WINDOW(1, 1, 1, 2, 2, 1, 2, 2, 1, 2, 2, 0, 0, 0),   WINDOW(2, 3, 1, 7, 9, 1, 2, 2, 1, 2, 2, 0, 0, 0),
    WINDOW(3, 17, 1, 8, 6, 1, 3, 3, 1, 2, 2, 0, 1, 1),  WINDOW(2, 64, 1, 5, 5, 1, 3, 3, 1, 1, 1, 0, 1, 1),
    WINDOW(2, 130, 1, 6, 6, 1, 2, 3, 1, 2, 1, 0, 1, 0), WINDOW(2, 5, 4, 6, 5, 2, 2, 2, 2, 2, 2, 0, 0, 0),
    WINDOW(1, 20, 5, 5, 7, 3, 3, 3, 2, 2, 2, 1, 1, 1),  WINDOW(9, 4, 1, 4, 4, 1, 4, 4, 1, 4, 4, 0, 0, 0),
    WINDOW(2, 6, 1, 9, 9, 1, 2, 2, 1, 3, 3, 0, 0, 0),
};
enum { WINDOWS = sizeof windows / sizeof windows[0] };

static size_t at(ps_shape s, int n, int z, int y, int x, int c) {
    return ((((size_t)n * (size_t)s.d + (size_t)z) * (size_t)s.h + (size_t)y) * (size_t)s.w + (size_t)x) * (size_t)s.c +
           (size_t)c;
}

/* Calls visit for every pair of an output element and an input element of its window, in scan order. */
typedef void visitor(void *context, size_t out, size_t in, int32_t place);
static void visit_windows(const ps_pool_window *k, visitor *visit, void *context) {
    for (int n = 0; n < k->out.n; n++)
        for (int z = 0; z < k->out.d; z++)
            for (int y = 0; y < k->out.h; y++)
                for (int x = 0; x < k->out.w; x++)
                    for (int c = 0; c < k->out.c; c++)
                        for (int t = 0; t < k->kd * k->kh * k->kw; t++) {
                            int iz = z * k->stride_d - k->pad_d + t / (k->kh * k->kw);
                            int iy = y * k->stride_h - k->pad_h + t / k->kw % k->kh,
                                ix = x * k->stride_w - k->pad_w + t % k->kw;
                            if (iz < 0 || iz >= k->in.d || iy < 0 || iy >= k->in.h || ix < 0 || ix >= k->in.w) continue;
                            visit(context, at(k->out, n, z, y, x, c), at(k->in, n, iz, iy, ix, c),
                                  (iz * k->in.h + iy) * k->in.w + ix);
                        }
}

typedef struct {
    const float *from;
    double *sum;
    int32_t *place;
    size_t *winner;
    double share;
} reference;

static void take_maximum(void *context, size_t out, size_t in, int32_t place) {
    reference *r = context;
    double value = (double)r->from[in];
    if (r->place[out] >= 0 && !(value > r->sum[out]) && !isnan(value)) return;
    r->sum[out] = value, r->place[out] = place, r->winner[out] = in;
}

static void add_to_out(void *context, size_t out, size_t in, int32_t place) {
    (void)place;
    reference *r = context;
    r->sum[out] += r->share * (double)r->from[in];
}

static void add_to_in(void *context, size_t out, size_t in, int32_t place) {
    (void)place;
    reference *r = context;
    r->sum[in] += r->share * (double)r->from[out];
}

static void check_maxpool(const ps_pool_window *k, float *x) {
    size_t ins = ps_shape_elements(k->in), outs = ps_shape_elements(k->out);
    reference r = {x, kt_room(outs, sizeof(double)), kt_room(outs, sizeof(int32_t)), kt_room(outs, sizeof(size_t)), 1};
    float *y = kt_room(outs, sizeof(float)), *without = kt_room(outs, sizeof(float)), *dy = kt_numbers("dy", outs);
    int32_t *index = kt_room(outs, sizeof(int32_t));
    for (size_t i = 0; i < outs; i++) r.place[i] = -1;
    visit_windows(k, take_maximum, &r);
    ps_maxpool_forward(k, x, y, index, kt_pool(2));
    ps_maxpool_forward(k, x, without, NULL, kt_pool(2));
    kt_assert_same_bits(y, without, outs);
    kt_assert_same_bits(index, r.place, outs);
    kt_assert_close(y, r.sum, outs, 0);
    for (int accumulate = 0; accumulate < 2; accumulate++) {
        float *dx = kt_numbers("dx", ins);
        double *want = kt_room(ins, sizeof(double));
        for (size_t i = 0; i < ins; i++) want[i] = accumulate ? (double)dx[i] : 0;
        for (size_t i = 0; i < outs; i++) want[r.winner[i]] += (double)dy[i];
        ps_maxpool_backward(k, dy, index, dx, accumulate, kt_pool(2));
        kt_assert_close(dx, want, ins, 2e-7);
        free(dx), free(want);
    }
    free(r.sum), free(r.place), free(r.winner), free(y), free(without), free(dy), free(index);
}

static void maxpool_matches_the_reference(void **state) {
    (void)state;
    for (int i = 0; i < WINDOWS; i++) {
        size_t count = ps_shape_elements(windows[i].in);
        float *x = kt_numbers("x", count), *ties = kt_coarse("ties", count, 1);
        check_maxpool(&windows[i], x);
        check_maxpool(&windows[i], ties);
        for (size_t j = 0; j < count; j++) x[j] = -1 - fabsf(x[j]); /* padding, were it zero, would win */
        check_maxpool(&windows[i], x);
        for (size_t j = 0; j < count; j += 5) ties[j] = j % 3 ? NAN : -INFINITY;
        check_maxpool(&windows[i], ties);
        free(x), free(ties);
    }
}

static void the_first_of_equal_values_wins(void **state) {
    (void)state;
    const ps_pool_window k = WINDOW(1, 1, 1, 2, 2, 1, 2, 2, 1, 2, 2, 0, 0, 0);
    const float x[] = {1, 3, 3, 3};
    float y;
    int32_t index;
    ps_maxpool_forward(&k, x, &y, &index, NULL);
    assert_true(y == 3 && index == 1);
}

static void unpooling_puts_back_and_gathers(void **state) {
    (void)state;
    for (int i = 0; i < WINDOWS; i++) {
        const ps_pool_window *k = &windows[i];
        if (k->stride_d < k->kd || k->stride_h < k->kh || k->stride_w < k->kw) continue;
        size_t ins = ps_shape_elements(k->in), outs = ps_shape_elements(k->out), c = (size_t)k->in.c;
        float *x = kt_numbers("x", ins), *y = kt_room(outs, sizeof(float)), *u = kt_numbers("junk", ins);
        int32_t *index = kt_room(outs, sizeof(int32_t));
        ps_maxpool_forward(k, x, y, index, kt_pool(1));
        ps_maxunpool_forward(k->out, k->in, y, index, u, kt_pool(2));
        size_t kept = 0;
        for (size_t j = 0; j < ins; j++) {
            assert_true(u[j] == 0 || u[j] == x[j]);
            kept += u[j] != 0;
        }
        assert_true(kept == outs);
        for (int accumulate = 0; accumulate < 2; accumulate++) {
            float *dx = kt_numbers("dx", outs), *old = kt_copy(dx, outs);
            ps_maxunpool_backward(k->out, k->in, x, index, dx, accumulate, kt_pool(2));
            for (size_t j = 0; j < outs; j++) {
                size_t image = j / (outs / (size_t)k->out.n),
                       place = (image * (ins / (size_t)k->in.n / c) + (size_t)index[j]) * c + j % c;
                assert_true(dx[j] == (accumulate ? old[j] + x[place] : x[place]));
            }
            free(dx), free(old);
        }
        free(x), free(y), free(u), free(index);
    }
}

static void avgpool_matches_the_reference(void **state) {
    (void)state;
    for (int i = 0; i < WINDOWS; i++) {
        const ps_pool_window *k = &windows[i];
        size_t ins = ps_shape_elements(k->in), outs = ps_shape_elements(k->out);
        float *x = kt_numbers("x", ins), *y = kt_room(outs, sizeof(float)), *dy = kt_numbers("dy", outs);
        reference r = {.from = x, .sum = kt_room(outs, sizeof(double)), .share = 1.0 / (k->kd * k->kh * k->kw)};
        visit_windows(k, add_to_out, &r);
        ps_avgpool_forward(k, x, y, kt_pool(2));
        kt_assert_close(y, r.sum, outs, 2e-7);
        free(r.sum);
        for (int accumulate = 0; accumulate < 2; accumulate++) {
            float *dx = kt_numbers("dx", ins);
            r.from = dy, r.sum = kt_room(ins, sizeof(double));
            for (size_t j = 0; j < ins; j++) r.sum[j] = accumulate ? (double)dx[j] : 0;
            visit_windows(k, add_to_in, &r);
            ps_avgpool_backward(k, dy, dx, accumulate, kt_pool(2));
            kt_assert_close(dx, r.sum, ins, 2e-7);
            free(dx), free(r.sum);
        }
        free(x), free(y), free(dy);
    }
}

static void global_mean_and_its_gradient(void **state) {
    (void)state;
    static const ps_shape shapes[] = {
        {1, 1, 1, 1, 1}, {3, 70, 1, 4, 5}, {2, 5, 3, 4, 5}, {2, 512, 1, 2, 2}, {1, 3, 1, 100, 100}};
    for (int i = 0; i < 5; i++) {
        ps_shape s = shapes[i];
        size_t count = ps_shape_elements(s), c = (size_t)s.c, outs = (size_t)s.n * c, per_image = count / (size_t)s.n;
        float *x = kt_numbers("x", count), *y = kt_room(outs, sizeof(float)), *dy = kt_numbers("dy", outs);
        double *want = kt_room(count, sizeof(double)), share = (double)c / (double)per_image;
        for (size_t j = 0; j < count; j++) want[j / per_image * c + j % c] += share * (double)x[j];
        ps_global_avgpool_forward(s, x, y, kt_pool(2));
        kt_assert_close(y, want, outs, 1e-7);
        for (int accumulate = 0; accumulate < 2; accumulate++) {
            float *dx = kt_numbers("dx", count);
            for (size_t j = 0; j < count; j++)
                want[j] = (accumulate ? (double)dx[j] : 0) + share * (double)dy[j / per_image * c + j % c];
            ps_global_avgpool_backward(s, dy, dx, accumulate, kt_pool(2));
            kt_assert_close(dx, want, count, 1e-7);
            free(dx);
        }
        free(x), free(y), free(dy), free(want);
    }
}

static void any_number_of_threads_gives_the_same_bits(void **state) {
    (void)state;
    for (int i = 0; i < WINDOWS; i++) {
        const ps_pool_window *k = &windows[i];
        size_t ins = ps_shape_elements(k->in), outs = ps_shape_elements(k->out);
        float *x = kt_numbers("x", ins), *dy = kt_numbers("dy", outs), *first = NULL;
        int32_t *index = kt_room(outs, sizeof(int32_t));
        for (int p = 0; p < KT_POOLS; p++) {
            float *all = kt_room(2 * (ins + outs), sizeof(float));
            ps_maxpool_forward(k, x, all, index, kt_pool(p));
            ps_maxpool_backward(k, dy, index, all + outs, false, kt_pool(p));
            ps_avgpool_forward(k, x, all + outs + ins, kt_pool(p));
            ps_avgpool_backward(k, dy, all + 2 * outs + ins, false, kt_pool(p));
            if (first != NULL) kt_assert_same_bits(all, first, 2 * (ins + outs));
            if (first == NULL) first = all;
            else free(all);
        }
        free(x), free(dy), free(first), free(index);
    }
}

int main(int argc, char **argv) {
    (void)argc;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(maxpool_matches_the_reference),   cmocka_unit_test(the_first_of_equal_values_wins),
        cmocka_unit_test(unpooling_puts_back_and_gathers), cmocka_unit_test(avgpool_matches_the_reference),
        cmocka_unit_test(global_mean_and_its_gradient),    cmocka_unit_test(any_number_of_threads_gives_the_same_bits),
    };
    return kt_main(argv[0], tests);
}
