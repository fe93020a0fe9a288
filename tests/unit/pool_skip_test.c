/* Pool Skip by every method against a naive double-precision reference: all options, odd sizes, volumes, ties, NaN,
 * threads.
 */
#include "kernels/pool_skip.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/status.h"
#include "tests/lib/kernel_test.h"

static size_t at(ps_shape s, int n, int z, int y, int x, int c) {
    return ((((size_t)n * (size_t)s.d + (size_t)z) * (size_t)s.h + (size_t)y) * (size_t)s.w + (size_t)x) * (size_t)s.c +
           (size_t)c;
}

/* ---- Reference ---- */

enum { SUMS = 8 };

typedef struct {
    ps_pool_skip_options o;
    size_t count, c, taps, weights;
    float *y, *w, *bias, *d_o;
    double *factor; /* u = factor * y: 0 where nothing is kept, else the scale */
    double *u, *path, *out, *du, *dy, *dw, *dbias;
    double *sums[SUMS], *magnitude[SUMS]; /* [c] each, in the order of ps_pool_skip_sums; sums of absolute values */
} problem;

/* Marks the kept position of one window and channel; returns its value's square. */
static double keep(const problem *p, const float *y, ps_pool_skip_select select, int n, int z, int h, int w, int c,
                   double *factor) {
    ps_shape s = p->o.shape;
    int ed = s.d > 1 ? p->o.e : 1;
    size_t best = at(s, n, z, h, w, c);
    for (int t = 1; select == PS_POOL_SKIP_MAX && t < ed * p->o.e * p->o.e; t++) {
        size_t i = at(s, n, z + t / (p->o.e * p->o.e), h + t / p->o.e % p->o.e, w + t % p->o.e, c);
        if (y[i] > y[best] || isnan(y[i])) best = i;
    }
    factor[best] = 1;
    return (double)y[best] * (double)y[best];
}

static void reference_select(problem *p) {
    ps_shape s = p->o.shape;
    int e = p->o.e, ed = s.d > 1 ? e : 1;
    double *ignored = kt_room(p->count, sizeof(double));
    for (int c = 0; c < s.c; c++) {
        double wanted = 0, present = 0, scale = 1;
        for (int n = 0; n < s.n; n++)
            for (int z = 0; z + ed <= s.d; z += ed)
                for (int h = 0; h + e <= s.h; h += e)
                    for (int w = 0; w + e <= s.w; w += e) {
                        present += keep(p, p->y, p->o.select, n, z, h, w, c, p->factor);
                        if (p->o.match_energy) wanted += keep(p, p->y, PS_POOL_SKIP_MAX, n, z, h, w, c, ignored);
                    }
        if (p->o.match_energy && present > 0) scale = sqrt(wanted / present);
        for (size_t i = (size_t)c; i < p->count; i += p->c) p->factor[i] *= scale;
    }
    free(ignored);
}

/* Calls with every (output position, tap, input position) of the 3x3 (x3) convolution. */
static void reference_conv(problem *p) {
    ps_shape s = p->o.shape;
    size_t positions = p->count / p->c, plane = (size_t)s.h * (size_t)s.w;
    int depth = s.d > 1 ? 3 : 1;
    for (size_t out = 0; out < positions; out++) {
        int n = (int)(out / (plane * (size_t)s.d)), z = (int)(out / plane) % s.d, h = (int)(out % plane) / s.w,
            w = (int)(out % plane) % s.w;
        for (size_t k = 0; k < p->c; k++)
            p->path[out * p->c + k] = (double)p->bias[k], p->dbias[k] += (double)p->d_o[out * p->c + k];
        for (int t = 0; t < depth * 9; t++) {
            int iz = z + t / 9 - depth / 2, ih = h + t / 3 % 3 - 1, iw = w + t % 3 - 1;
            if (iz < 0 || iz >= s.d || ih < 0 || ih >= s.h || iw < 0 || iw >= s.w) continue;
            size_t in = at(s, n, iz, ih, iw, 0);
            for (size_t k = 0; k < p->c; k++)
                for (size_t c = 0; c < p->c; c++) {
                    size_t place = (k * p->taps + (size_t)t) * p->c + c;
                    double g = (double)p->d_o[out * p->c + k];
                    p->path[out * p->c + k] += (double)p->w[place] * p->u[in + c];
                    p->du[in + c] += (double)p->w[place] * g;
                    p->dw[place] += g * p->u[in + c];
                }
        }
    }
}

static void reference_run(problem *p) {
    const ps_pool_skip_options *o = &p->o;
    if (o->select == PS_POOL_SKIP_DENSE)
        for (size_t i = 0; i < p->count; i++) p->factor[i] = 1;
    else reference_select(p);
    for (size_t i = 0; i < p->count; i++) p->u[i] = p->factor[i] != 0 ? p->factor[i] * (double)p->y[i] : 0;
    if (o->conv) reference_conv(p);
    for (size_t i = 0; i < p->count; i++) {
        size_t c = i % p->c;
        if (!o->conv) p->path[i] = p->u[i], p->du[i] = (double)p->d_o[i];
        double identity = o->skip ? (double)p->y[i] : 0, back = o->skip ? (double)p->d_o[i] : 0;
        double path = p->factor[i] != 0 && !o->cut_gradient ? p->factor[i] * p->du[i] : 0;
        p->out[i] = identity + (o->cut_forward ? 0 : p->path[i]);
        p->dy[i] = back + path;
        double cross = o->cut_forward ? 0 : identity * p->path[i];
        const double terms[SUMS] = {identity * identity,
                                    p->path[i] * p->path[i],
                                    p->out[i] * p->out[i],
                                    back * back,
                                    path * path,
                                    p->dy[i] * p->dy[i],
                                    cross,
                                    back * path};
        for (int k = 0; k < SUMS; k++) p->sums[k][c] += terms[k], p->magnitude[k][c] += fabs(terms[k]);
    }
}

static problem problem_of(ps_pool_skip_options o, float coarse) {
    problem p = {.o = o, .count = ps_shape_elements(o.shape), .c = (size_t)o.shape.c, .taps = o.shape.d > 1 ? 27 : 9};
    p.weights = p.c * p.taps * p.c;
    p.y = coarse > 0 ? kt_coarse("y", p.count, coarse) : kt_numbers("y", p.count);
    p.w = kt_numbers("w", p.weights), p.bias = kt_numbers("bias", p.c), p.d_o = kt_numbers("d_o", p.count);
    for (size_t i = 0; i < p.weights; i++) p.w[i] /= sqrtf((float)(p.c * p.taps) / 4);
    double **arrays[] = {&p.factor, &p.u, &p.path, &p.out, &p.du, &p.dy};
    for (int i = 0; i < 6; i++) *arrays[i] = kt_room(p.count, sizeof(double));
    p.dw = kt_room(p.weights, sizeof(double)), p.dbias = kt_room(p.c, sizeof(double));
    for (int k = 0; k < SUMS; k++)
        p.sums[k] = kt_room(p.c, sizeof(double)), p.magnitude[k] = kt_room(p.c, sizeof(double));
    return p;
}

static void problem_free(problem *p) {
    void *arrays[] = {p->y, p->w, p->bias, p->d_o, p->factor, p->u, p->path, p->out, p->du, p->dy, p->dw, p->dbias};
    for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++) free(arrays[i]);
    for (int k = 0; k < SUMS; k++) free(p->sums[k]), free(p->magnitude[k]);
}

/* ---- The kernel on a problem ---- */

typedef struct {
    float *o, *dy, *dw, *dbias;
    double *sums; /* [SUMS][c] */
} results;

static results run(const problem *p, const char *method, bool accumulate, bool with_sums, ps_threads *pool) {
    results r = {kt_numbers("junk o", p->count), kt_numbers("old dy", p->count), kt_numbers("junk w", p->weights),
                 kt_numbers("junk b", p->c), kt_room(SUMS * p->c, sizeof(double))};
    ps_pool_skip_plan *plan = NULL;
    assert_int_equal(ps_pool_skip_plan_create(&p->o, &plan), PS_OK);
    if (method != NULL) assert_int_equal(ps_pool_skip_plan_force(plan, method), PS_OK);
    for (size_t k = 0; k < SUMS * p->c; k++) r.sums[k] = 2;
    void *save = kt_workspace(ps_pool_skip_save_bytes(plan));
    size_t bytes = ps_pool_skip_workspace_bytes(plan, ps_threads_count(pool)), c = p->c;
    ps_pool_skip_sums sums = {r.sums,         r.sums + c,     r.sums + 2 * c, r.sums + 3 * c,
                              r.sums + 4 * c, r.sums + 5 * c, r.sums + 6 * c, r.sums + 7 * c},
                      none = {0};
    const float *w = p->o.conv ? p->w : NULL, *bias = p->o.conv ? p->bias : NULL;
    void *workspace = kt_workspace(bytes);
    ps_pool_skip_forward(plan, p->y, w, bias, r.o, save, with_sums ? sums : none, workspace, pool);
    kt_workspace_free(workspace);
    workspace = kt_workspace(bytes); /* nothing may survive in it */
    ps_pool_skip_backward(plan, p->y, w, p->d_o, save, r.dy, accumulate, p->o.conv ? r.dw : NULL,
                          p->o.conv ? r.dbias : NULL, with_sums ? sums : none, workspace, pool);
    kt_workspace_free(workspace);
    kt_workspace_free(save);
    ps_pool_skip_plan_destroy(plan);
    return r;
}

static void results_free(results *r) { free(r->o), free(r->dy), free(r->dw), free(r->dbias), free(r->sums); }

static bool can(const problem *p, const char *method) {
    ps_pool_skip_plan *plan = NULL;
    assert_int_equal(ps_pool_skip_plan_create(&p->o, &plan), PS_OK);
    bool possible = ps_pool_skip_plan_force(plan, method) == PS_OK;
    ps_pool_skip_plan_destroy(plan);
    return possible;
}

enum { METHODS = 3 };
static const char *const methods[METHODS] = {NULL, "dense", "sparse"};

/* Energy of the whole = energies of the parts + 2 cross, forward and backward; each sum began at 2. */
static void check_parts_add_up(const problem *p, const double *sums, bool with_sums) {
    for (size_t k = 0; with_sums && k < p->c; k++) {
        const double *s = sums + k;
        size_t c = p->c;
        double path = p->o.cut_forward ? 2 : s[c], parts = s[0] + path + 2 * s[6 * c] - 8, energy = s[0] + path;
        double back = s[3 * c] + s[4 * c] + 2 * s[7 * c] - 8, back_energy = s[3 * c] + s[4 * c];
        assert_true(fabs(s[2 * c] - 2 - parts) <= 1e-5 * energy || isnan(parts));
        assert_true(fabs(s[5 * c] - 2 - back) <= 1e-5 * back_energy || isnan(back));
    }
}

static void check(const problem *p, const char *method, bool accumulate, bool with_sums) {
    results r = run(p, method, accumulate, with_sums, kt_pool(1));
    float *old = kt_numbers("old dy", p->count);
    double *dy = kt_room(p->count, sizeof(double));
    for (size_t i = 0; i < p->count; i++) dy[i] = p->dy[i] + (accumulate ? (double)old[i] : 0);
    kt_assert_close(r.o, p->out, p->count, 3e-6);
    kt_assert_close(r.dy, dy, p->count, 3e-6);
    if (p->o.conv) kt_assert_close(r.dw, p->dw, p->weights, 5e-6);
    if (p->o.conv) kt_assert_close(r.dbias, p->dbias, p->c, 2e-6);
    for (size_t k = 0; k < SUMS * p->c; k++) {
        double want = 2 + (with_sums ? p->sums[k / p->c][k % p->c] : 0), size = 2 + p->magnitude[k / p->c][k % p->c];
        assert_true(fabs(r.sums[k] - want) <= 1e-4 * size || isnan(want));
    }
    check_parts_add_up(p, r.sums, with_sums);
    free(old), free(dy);
    results_free(&r);
}

static void check_all(ps_pool_skip_options o, float coarse) {
    problem p = problem_of(o, coarse);
    reference_run(&p);
    for (int m = 0; m < METHODS; m++) {
        if (methods[m] != NULL && !can(&p, methods[m])) continue;
        check(&p, methods[m], false, true);
        check(&p, methods[m], true, false);
    }
    problem_free(&p);
}

static const struct {
    ps_shape shape;
    int e;
} shapes[] = {
    {{2, 16, 1, 8, 8}, 2},  {{2, 16, 1, 8, 8}, 4},   {{1, 1, 1, 2, 2}, 2},    {{3, 5, 1, 7, 9}, 2},
    {{2, 17, 1, 9, 11}, 4}, {{2, 32, 1, 16, 12}, 4}, {{1, 33, 1, 6, 6}, 3},   {{2, 64, 1, 4, 4}, 4},
    {{2, 12, 2, 4, 6}, 2},  {{1, 16, 5, 7, 6}, 2},   {{1, 20, 4, 8, 5}, 4},   {{2, 48, 1, 5, 4}, 4},
    {{1, 4, 1, 16, 16}, 4}, {{1, 70, 1, 8, 8}, 4},   {{1, 3, 1, 10, 10}, 5},  {{5, 40, 1, 4, 8}, 2},
    {{1, 64, 2, 6, 6}, 2},  {{1, 96, 1, 12, 12}, 4}, {{9, 8, 1, 4, 4}, 4},    {{1, 6, 7, 7, 7}, 3},
    {{17, 66, 1, 4, 4}, 4}, {{2, 66, 1, 11, 9}, 2},  {{2, 24, 8, 12, 11}, 2},
};
enum { SHAPES = sizeof shapes / sizeof shapes[0] };

/* Those two are large enough for Winograd, which selects the kept values itself. */
enum { WINOGRAD_SHAPE = SHAPES - 2, WINOGRAD_VOLUME = SHAPES - 1 };

static ps_pool_skip_options usual(int i) {
    return (ps_pool_skip_options){.shape = shapes[i].shape, .e = shapes[i].e, .skip = true, .conv = true};
}

static void every_method_matches_the_reference(void **state) {
    (void)state;
    for (int i = 0; i < SHAPES; i++) check_all(usual(i), 0);
}

static void ties_go_to_the_first(void **state) {
    (void)state;
    for (int i = 0; i < SHAPES; i++) check_all(usual(i), 1);
}

static void the_dense_method_is_tested_with_winograd(void **state) {
    (void)state;
    for (int i = WINOGRAD_SHAPE; i <= WINOGRAD_VOLUME; i++) {
        ps_pool_skip_options o = usual(i);
        ps_pool_skip_plan *plan = NULL;
        char text[256];
        assert_int_equal(ps_pool_skip_plan_create(&o, &plan), PS_OK);
        assert_int_equal(ps_pool_skip_plan_force(plan, "dense"), PS_OK);
        ps_pool_skip_plan_describe(plan, text, sizeof text);
        assert_non_null(strstr(text, "forward winograd4"));
        assert_non_null(strstr(text, "backward-weights winograd4"));
        ps_pool_skip_plan_destroy(plan);
    }
}

/* Every combination of options that is allowed, on flat maps with a remainder and on a volume. */
static void every_option_matches_the_reference(void **state) {
    (void)state;
    static const int chosen[] = {4, 9, 0, WINOGRAD_SHAPE};
    for (int i = 0; i < 4; i++)
        for (int v = 0; v < 96; v++) {
            ps_pool_skip_options o = usual(chosen[i]);
            o.select = (ps_pool_skip_select)(v % 3);
            o.skip = v / 3 % 2, o.conv = v / 6 % 2, o.match_energy = v / 12 % 2, o.cut_forward = v / 24 % 2,
            o.cut_gradient = v / 48 % 2;
            ps_pool_skip_plan *plan = NULL;
            bool allowed =
                (!o.match_energy || o.select == PS_POOL_SKIP_GRID) && (o.skip || !(o.cut_forward || o.cut_gradient));
            assert_int_equal(ps_pool_skip_plan_create(&o, &plan), allowed ? PS_OK : PS_ERR_USAGE);
            ps_pool_skip_plan_destroy(plan);
            if (allowed) check_all(o, 0);
        }
}

static void no_pooling_is_a_plain_convolution(void **state) {
    (void)state;
    ps_pool_skip_options o = usual(3);
    o.e = 1;
    check_all(o, 0);
    o.select = PS_POOL_SKIP_GRID;
    check_all(o, 0);
}

/* Known answer: one channel, a 4 x 4 map, identity filter of weight 2 at the centre. */
static void a_map_done_by_hand(void **state) {
    (void)state;
    const float y[16] = {1, 2, 0, 0, 3, 3, -1, -2, 5, 0, -4, -3, 0, 0, -2, -1};
    const float want[16] = {1, 2, 0, 0, 9, 3, -1, -2, 15, 0, -4, -3, 0, 0, -2, -3};
    float w[9] = {0, 0, 0, 0, 2, 0, 0, 0, 0}, bias[1] = {0}, o[16], dy[16], dw[9], dbias[1], ones[16];
    ps_pool_skip_options options = {.shape = {1, 1, 1, 4, 4}, .e = 2, .skip = true, .conv = true};
    ps_pool_skip_plan *plan = NULL;
    assert_int_equal(ps_pool_skip_plan_create(&options, &plan), PS_OK);
    void *save = kt_workspace(ps_pool_skip_save_bytes(plan)),
         *workspace = kt_workspace(ps_pool_skip_workspace_bytes(plan, 1));
    for (int i = 0; i < 16; i++) ones[i] = 1;
    ps_pool_skip_forward(plan, y, w, bias, o, save, (ps_pool_skip_sums){0}, workspace, NULL);
    for (int i = 0; i < 16; i++) kt_assert_near(o[i], want[i], 1e-5);
    ps_pool_skip_backward(plan, y, w, ones, save, dy, false, dw, dbias, (ps_pool_skip_sums){0}, workspace, NULL);
    for (int i = 0; i < 16; i++) kt_assert_near(dy[i], i == 4 || i == 2 || i == 8 || i == 15 ? 3 : 1, 1e-5);
    kt_assert_near(dbias[0], 16, 1e-6);
    kt_assert_near(dw[4], 3 + 0 + 5 - 1, 1e-5);
    kt_workspace_free(save), kt_workspace_free(workspace);
    ps_pool_skip_plan_destroy(plan);
}

static void gradients_match_finite_differences(void **state) {
    (void)state;
    ps_pool_skip_options o = {.shape = {2, 3, 1, 5, 6}, .e = 2, .skip = true, .conv = true};
    problem p = problem_of(o, 0);
    results r = run(&p, NULL, false, false, kt_pool(0));
    struct {
        float *x, *gradient;
        size_t count;
    } groups[] = {{p.y, r.dy, p.count}, {p.w, r.dw, p.weights}, {p.bias, r.dbias, p.c}};
    for (int g = 0; g < 3; g++)
        for (size_t i = 0; i < groups[g].count; i++) {
            double loss[2];
            float old = groups[g].x[i], reach = 1.0f / 65536;
            for (int side = 0; side < 2; side++) {
                groups[g].x[i] = side ? old + reach : old - reach;
                loss[side] = 0;
                problem q = problem_of(o, 0);
                memcpy(q.y, p.y, p.count * sizeof(float)), memcpy(q.w, p.w, p.weights * sizeof(float));
                memcpy(q.bias, p.bias, p.c * sizeof(float));
                reference_run(&q);
                for (size_t j = 0; j < p.count; j++) loss[side] += q.out[j] * (double)p.d_o[j];
                problem_free(&q);
            }
            groups[g].x[i] = old;
            /* The function is linear but for the change of winners, which these numbers do not come near. */
            kt_assert_near(groups[g].gradient[i], (loss[1] - loss[0]) / ((double)(old + reach) - (double)(old - reach)),
                           1e-4);
        }
    results_free(&r);
    problem_free(&p);
}

/* A NaN wins its window and reaches the outputs around it, and nothing else. */
static void not_a_number_wins_its_window(void **state) {
    (void)state;
    for (int m = 0; m < METHODS; m++) {
        ps_pool_skip_options o = usual(5);
        problem p = problem_of(o, 0);
        size_t place = at(o.shape, 1, 0, 5, 6, 7);
        p.y[place] = NAN;
        if (methods[m] == NULL || can(&p, methods[m])) {
            results r = run(&p, methods[m], false, false, kt_pool(1));
            for (int n = 0; n < o.shape.n; n++)
                for (int h = 0; h < o.shape.h; h++)
                    for (int w = 0; w < o.shape.w; w++) {
                        bool near = n == 1 && abs(h - 5) <= 1 && abs(w - 6) <= 1;
                        bool far =
                            n != 1 || abs(h - 5) > 4 || abs(w - 6) > 4; /* transforms may spread it within their tile */
                        float value = r.o[at(o.shape, n, 0, h, w, 3)];
                        assert_true(!near || isnan(value));
                        assert_true(!far || !isnan(value));
                    }
            assert_true(isnan(r.dw[4 * p.c + 7]));
            assert_true(!isnan(r.dy[at(o.shape, 0, 0, 0, 0, 0)]));
            results_free(&r);
        }
        problem_free(&p);
    }
}

static void any_number_of_threads_gives_the_same_bits(void **state) {
    (void)state;
    for (int i = 0; i < SHAPES; i++)
        for (int m = 1; m < METHODS; m++) {
            problem p = problem_of(usual(i), 0);
            if (can(&p, methods[m])) {
                results first = run(&p, methods[m], true, true, kt_pool(0));
                for (int pool = 1; pool < KT_POOLS; pool++) {
                    results r = run(&p, methods[m], true, true, kt_pool(pool));
                    kt_assert_same_bits(r.o, first.o, p.count);
                    kt_assert_same_bits(r.dy, first.dy, p.count);
                    kt_assert_same_bits(r.dw, first.dw, p.weights);
                    kt_assert_same_bits(r.dbias, first.dbias, p.c);
                    kt_assert_same_bits(r.sums, first.sums, SUMS * p.c);
                    results_free(&r);
                }
                results_free(&first);
            }
            problem_free(&p);
        }
}

static void senseless_options_are_refused(void **state) {
    (void)state;
    const ps_pool_skip_options bad[] = {
        {.shape = {1, 4, 1, 2, 2}, .e = 4, .skip = true, .conv = true},
        {.shape = {1, 4, 1, 8, 8}, .e = 0, .skip = true},
        {.shape = {1, 4, 1, 8, 8}, .e = -2, .skip = true},
        {.shape = {1, 4, 8, 8, 8}, .e = 7, .skip = true},
        {.shape = {1, 4, 1, 64, 64}, .e = 17, .skip = true},
        {.shape = {0, 4, 1, 8, 8}, .e = 2, .skip = true},
        {.shape = {1, 4, 2, 8, 8}, .e = 4, .skip = true},
        {.shape = {1, 4, 1, 8, 8}, .e = 2, .cut_forward = true},
        {.shape = {1, 4, 1, 8, 8}, .e = 2, .cut_gradient = true},
        {.shape = {1, 4, 1, 8, 8}, .e = 2, .skip = true, .match_energy = true},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ps_pool_skip_plan *plan = NULL;
        assert_int_equal(ps_pool_skip_plan_create(&bad[i], &plan), PS_ERR_USAGE);
        assert_null(plan);
        assert_true(strlen(ps_status_message()) > 10);
    }
    ps_pool_skip_options o = usual(0);
    ps_pool_skip_plan *plan = NULL;
    char text[200];
    assert_int_equal(ps_pool_skip_plan_create(&o, &plan), PS_OK);
    assert_int_equal(ps_pool_skip_plan_force(plan, "cleverest"), PS_ERR_USAGE);
    ps_pool_skip_plan_describe(plan, text, sizeof text);
    assert_true(strstr(text, "dense") != NULL || strstr(text, "sparse") != NULL);
    ps_pool_skip_plan_destroy(plan);
    ps_pool_skip_plan_destroy(NULL);
}

int main(int argc, char **argv) {
    (void)argc;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_method_matches_the_reference),
        cmocka_unit_test(ties_go_to_the_first),
        cmocka_unit_test(the_dense_method_is_tested_with_winograd),
        cmocka_unit_test(every_option_matches_the_reference),
        cmocka_unit_test(no_pooling_is_a_plain_convolution),
        cmocka_unit_test(a_map_done_by_hand),
        cmocka_unit_test(gradients_match_finite_differences),
        cmocka_unit_test(not_a_number_wins_its_window),
        cmocka_unit_test(any_number_of_threads_gives_the_same_bits),
        cmocka_unit_test(senseless_options_are_refused),
    };
    return kt_main(argv[0], tests);
}
