/* Optimiser updates against scalar double references, closed forms of the accounting, and bit-identity with and without
 * it.
 */
#include "kernels/update.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/kernel_test.h"

typedef struct {
    size_t rows, length, count;
    float *w, *b, *g, *v; /* weights, momentum (or m), gradient, second moment */
} parameter;

static parameter parameter_of(size_t rows, size_t length) {
    parameter p = {rows, length, rows * length, NULL, NULL, NULL, NULL};
    p.w = kt_numbers("w", p.count), p.g = kt_numbers("g", p.count);
    p.b = kt_room(p.count, sizeof(float)), p.v = kt_room(p.count, sizeof(float));
    return p;
}

static void parameter_free(parameter *p) { free(p->w), free(p->b), free(p->g), free(p->v); }

static const size_t shapes[][2] = {{1, 1},    {3, 1},     {5, 15},    {4, 16},  {7, 17},
                                   {64, 576}, {33, 1000}, {1, 40000}, {3000, 9}};
enum { SHAPES = sizeof shapes / sizeof shapes[0] };

static void new_gradient(parameter *p, int step) {
    char name[32];
    snprintf(name, sizeof name, "g%d", step);
    float *g = kt_numbers(name, p->count);
    memcpy(p->g, g, p->count * sizeof *g);
    free(g);
}

static void sgd_follows_a_double_reference(void **state) {
    (void)state;
    for (int variant = 0; variant < 8; variant++) {
        ps_update_sgd_step s = {.lr = 0.1,
                                .momentum = variant & 1 ? 0.9 : 0,
                                .decay = variant & 2 ? 5e-3 : 0,
                                .clip = 0.7,
                                .nesterov = variant & 4};
        parameter p = parameter_of(7, 17);
        double w[7 * 17], b[7 * 17] = {0};
        for (size_t i = 0; i < p.count; i++) w[i] = (double)p.w[i];
        for (int t = 0; t < 12; t++) {
            new_gradient(&p, t);
            for (size_t i = 0; i < p.count; i++) {
                double g = s.clip * (double)p.g[i] + s.decay * w[i];
                b[i] = s.momentum * b[i] + g;
                w[i] -= s.lr * (s.nesterov ? g + s.momentum * b[i] : b[i]);
            }
            ps_update_sgd(&s, p.rows, p.length, p.g, p.w, p.b, NULL, kt_pool(1));
        }
        kt_assert_close(p.w, w, p.count, 5e-7);
        kt_assert_close(p.b, b, p.count, 5e-7);
        parameter_free(&p);
    }
}

static void adamw_follows_a_double_reference(void **state) {
    (void)state;
    parameter p = parameter_of(7, 17);
    double w[7 * 17], m[7 * 17] = {0}, v[7 * 17] = {0};
    for (size_t i = 0; i < p.count; i++) w[i] = (double)p.w[i];
    for (int t = 1; t <= 12; t++) {
        ps_update_adamw_step s = {
            .lr = 0.01, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .decay = 0.05, .clip = 0.7, .step = (uint64_t)t};
        new_gradient(&p, t);
        for (size_t i = 0; i < p.count; i++) {
            double g = s.clip * (double)p.g[i];
            m[i] = s.beta1 * m[i] + (1 - s.beta1) * g;
            v[i] = s.beta2 * v[i] + (1 - s.beta2) * g * g;
            w[i] *= 1 - s.lr * s.decay;
            w[i] -= s.lr * m[i] / (1 - pow(s.beta1, t)) / (sqrt(v[i] / (1 - pow(s.beta2, t))) + s.eps);
        }
        ps_update_adamw(&s, p.rows, p.length, p.g, p.w, p.b, p.v, NULL, kt_pool(1));
    }
    kt_assert_close(p.w, w, p.count, 1e-6);
    kt_assert_close(p.b, m, p.count, 1e-6);
    kt_assert_close(p.v, v, p.count, 1e-5); /* 1 - beta2 is rounded to single precision */
    parameter_free(&p);
}

static void step_once(parameter *p, bool sgd, bool nesterov, int t, ps_update_account *account, ps_threads *pool) {
    ps_update_sgd_step s = {
        .lr = 0.1 / (1 + t), .momentum = 0.9, .decay = 5e-4, .clip = t % 3 ? 1 : 0.37, .nesterov = nesterov};
    ps_update_adamw_step a = {
        .lr = 1e-3, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .decay = 0.01, .clip = 0.9, .step = (uint64_t)t + 1};
    new_gradient(p, t);
    if (sgd) ps_update_sgd(&s, p->rows, p->length, p->g, p->w, p->b, account, pool);
    else ps_update_adamw(&a, p->rows, p->length, p->g, p->w, p->b, p->v, account, pool);
}

static void accounting_changes_no_bit_and_threads_neither(void **state) {
    (void)state;
    for (int i = 0; i < SHAPES; i++)
        for (int kind = 0; kind < 3; kind++) {
            bool sgd = kind < 2, nesterov = kind == 1;
            parameter plain = parameter_of(shapes[i][0], shapes[i][1]);
            double *first = NULL;
            for (int t = 0; t < 6; t++) step_once(&plain, sgd, nesterov, t, NULL, kt_pool(1));
            for (int pool = 0; pool < KT_POOLS; pool++) {
                parameter p = parameter_of(shapes[i][0], shapes[i][1]);
                ps_update_account *account = NULL;
                assert_int_equal(ps_update_account_create(p.rows, p.length, sgd, true, &account), PS_OK);
                for (int t = 0; t < 6; t++) {
                    if (t == 0 || t == 3) ps_update_account_begin(account, p.w, sgd ? p.b : NULL, kt_pool(pool));
                    step_once(&p, sgd, nesterov, t, account, kt_pool(pool));
                }
                ps_update_account_close(account, p.w, p.b, kt_pool(pool));
                assert_true(account->steps == 3);
                kt_assert_same_bits(p.w, plain.w, p.count);
                kt_assert_same_bits(p.b, plain.b, p.count);
                kt_assert_same_bits(p.v, plain.v, p.count);
                size_t sums = PS_UPDATE_SUMS * p.rows, nets = PS_UPDATE_NETS * p.rows;
                if (first == NULL) {
                    first = kt_room(sums + nets, sizeof(double));
                    memcpy(first, account->sums, sums * sizeof *first);
                    memcpy(first + sums, account->nets, nets * sizeof *first);
                }
                kt_assert_same_bits(account->sums, first, sums);
                kt_assert_same_bits(account->nets, first + sums, nets);
                ps_update_account_destroy(account);
                parameter_free(&p);
            }
            free(first);
            parameter_free(&plain);
        }
}

/* Scalar double twin of the whole accounting, element by element; sums over a row at the end. */
typedef struct {
    double w, start, b, v, window, decay, carried, gradient_sum, decay_sum; /* b: momentum, or AdamW's m */
} twin;

static double update_of(const ps_update_sgd_step *s, double term, double buffer) {
    return -s->lr * (s->nesterov ? term + s->momentum * buffer : buffer);
}

static void add_parts(twin *e, double g, double dw, double gradient, double carried, double decay, double *squares) {
    e->w += dw;
    e->gradient_sum += gradient + carried;
    e->decay_sum += decay;
    squares[PS_UPDATE_PATH] += dw * dw;
    squares[PS_UPDATE_PATH_GRADIENT] += gradient * gradient;
    squares[PS_UPDATE_PATH_CARRIED] += carried * carried;
    squares[PS_UPDATE_PATH_DECAY] += decay * decay;
    squares[PS_UPDATE_GRAD_SQUARES] += g * g;
}

static void twin_step(const ps_update_sgd_step *s, twin *e, double g, double squares[PS_UPDATE_SUMS]) {
    double clipped = s->clip * g, decayed = s->decay * e->w;
    e->window = s->momentum * e->window + clipped;
    e->decay = s->momentum * e->decay + decayed;
    e->carried *= s->momentum;
    e->b = s->momentum * e->b + clipped + decayed;
    double gradient = update_of(s, clipped, e->window), carried = update_of(s, 0, e->carried),
           decay = update_of(s, decayed, e->decay);
    double dw = update_of(s, clipped + decayed, e->b);
    add_parts(e, g, dw, gradient, carried, decay, squares);
}

static void adamw_twin_step(const ps_update_adamw_step *s, twin *e, double g, double squares[PS_UPDATE_SUMS]) {
    double t = (double)s->step, clipped = s->clip * g;
    e->b = s->beta1 * e->b + (1 - s->beta1) * clipped;
    e->window = s->beta1 * e->window + (1 - s->beta1) * clipped;
    e->carried *= s->beta1;
    e->v = s->beta2 * e->v + (1 - s->beta2) * clipped * clipped;
    double scale = s->lr / (1 - pow(s->beta1, t)) / (sqrt(e->v / (1 - pow(s->beta2, t))) + s->eps);
    double decay = -s->lr * s->decay * e->w;
    add_parts(e, g, decay - scale * e->b, -scale * e->window, -scale * e->carried, decay, squares);
}

static void check_row(const ps_update_account *account, size_t row, const double *sums, const twin *e) {
    double nets[PS_UPDATE_NETS] = {0};
    for (size_t i = 0; i < account->row_length; i++) {
        nets[PS_UPDATE_NET] += pow(e[i].w - e[i].start, 2);
        nets[PS_UPDATE_NET_GRADIENT] += pow(e[i].gradient_sum, 2);
        nets[PS_UPDATE_NET_DECAY] += pow(e[i].decay_sum, 2);
        nets[PS_UPDATE_L1] += fabs(e[i].w);
        nets[PS_UPDATE_L2] += e[i].w * e[i].w;
        nets[PS_UPDATE_L2_START] += e[i].start * e[i].start;
    }
    for (int k = 0; k < PS_UPDATE_NETS; k++)
        kt_assert_near(account->nets[(size_t)k * account->rows + row], k == PS_UPDATE_L1 ? nets[k] : sqrt(nets[k]),
                       2e-6);
    for (int k = 0; k < PS_UPDATE_SUMS; k++) {
        if (k == PS_UPDATE_PATH_RESIDUAL || k == PS_UPDATE_ZERO_GRADIENT_STEPS) continue;
        kt_assert_near(account->sums[(size_t)k * account->rows + row], sums[k], 2e-6);
    }
    double path = account->sums[PS_UPDATE_PATH * account->rows + row];
    assert_true(account->sums[PS_UPDATE_PATH_RESIDUAL * account->rows + row] < 1e-5 * (path + 1));
}

enum { ROWS = 5, LENGTH = 19, WINDOWS = 3, STEPS = 7 };

/* One step of the engine and of the twins; rows that learn nothing from the second window on live by what is carried.
 */
static void account_step(int kind, int window, int t, parameter *p, twin *e, ps_update_account *account,
                         double sums[ROWS][PS_UPDATE_SUMS]) {
    ps_update_sgd_step sgd = {
        .lr = 0.1 / (1 + window), .momentum = 0.9, .decay = 0.02, .clip = t == 3 ? 0.2 : 1, .nesterov = kind == 1};
    ps_update_adamw_step adamw = {.lr = 0.01 / (1 + window),
                                  .beta1 = 0.9,
                                  .beta2 = 0.99,
                                  .eps = 1e-8,
                                  .decay = 0.1,
                                  .clip = t == 3 ? 0.2 : 1,
                                  .step = (uint64_t)(window * STEPS + t + 1)};
    new_gradient(p, window * STEPS + t);
    if (window > 0) memset(p->g, 0, 2 * LENGTH * sizeof *p->g);
    for (size_t row = 0; row < ROWS; row++) {
        double squares[PS_UPDATE_SUMS] = {0};
        for (size_t i = row * LENGTH; i < (row + 1) * LENGTH; i++) {
            if (kind < 2) twin_step(&sgd, e + i, (double)p->g[i], squares);
            else adamw_twin_step(&adamw, e + i, (double)p->g[i], squares);
        }
        for (int k = 0; k < PS_UPDATE_SUMS; k++)
            sums[row][k] += k == PS_UPDATE_GRAD_SQUARES ? squares[k] : sqrt(squares[k]);
    }
    if (kind < 2) ps_update_sgd(&sgd, ROWS, LENGTH, p->g, p->w, p->b, account, kt_pool(1));
    else ps_update_adamw(&adamw, ROWS, LENGTH, p->g, p->w, p->b, p->v, account, kt_pool(1));
}

/* SGD, Nesterov, AdamW. */
static void accounts_follow_a_double_reference_over_windows(void **state) {
    (void)state;
    for (int kind = 0; kind < 3; kind++) {
        parameter p = parameter_of(ROWS, LENGTH);
        static twin e[ROWS * LENGTH];
        ps_update_account *account = NULL;
        assert_int_equal(ps_update_account_create(ROWS, LENGTH, kind < 2, true, &account), PS_OK);
        for (size_t i = 0; i < p.count; i++) e[i] = (twin){.w = (double)p.w[i]};
        for (int window = 0; window < WINDOWS; window++) {
            double sums[ROWS][PS_UPDATE_SUMS] = {{0}};
            for (size_t i = 0; i < p.count; i++) {
                e[i].start = e[i].w, e[i].carried = e[i].b - (kind < 2 ? e[i].decay : 0);
                e[i].window = e[i].gradient_sum = e[i].decay_sum = 0;
            }
            ps_update_account_begin(account, p.w, kind < 2 ? p.b : NULL, kt_pool(1));
            for (int t = 0; t < STEPS; t++) account_step(kind, window, t, &p, e, account, sums);
            ps_update_account_close(account, p.w, p.b, kt_pool(1));
            for (size_t row = 0; row < ROWS; row++) check_row(account, row, sums[row], e + row * LENGTH);
        }
        ps_update_account_destroy(account);
        parameter_free(&p);
    }
}

static double sum_of(const ps_update_account *a, ps_update_sum kind, size_t row) {
    return a->sums[(size_t)kind * a->rows + row];
}
static double net_of(const ps_update_account *a, ps_update_net kind, size_t row) {
    return a->nets[(size_t)kind * a->rows + row];
}

/* Constant gradient g without momentum: after T steps w has moved by lr T g, and path, net and gradient part agree. */
static void a_constant_gradient_moves_in_a_straight_line(void **state) {
    (void)state;
    float w[4] = {0}, b[4] = {0}, g[4] = {3, 0, 4, 0};
    ps_update_sgd_step s = {.lr = 0.125, .clip = 1};
    ps_update_account *a = NULL;
    assert_int_equal(ps_update_account_create(2, 2, true, false, &a), PS_OK);
    ps_update_account_begin(a, w, b, NULL);
    for (int t = 0; t < 8; t++) ps_update_sgd(&s, 2, 2, g, w, b, a, NULL);
    ps_update_account_close(a, w, b, NULL);
    assert_true(w[0] == -3 && w[2] == -4);
    for (size_t row = 0; row < 2; row++) {
        double length = row ? 4 : 3;
        assert_true(sum_of(a, PS_UPDATE_PATH, row) == length && sum_of(a, PS_UPDATE_PATH_GRADIENT, row) == length);
        assert_true(net_of(a, PS_UPDATE_NET, row) == length && net_of(a, PS_UPDATE_NET_GRADIENT, row) == length);
        assert_true(net_of(a, PS_UPDATE_NET_DECAY, row) == 0 && sum_of(a, PS_UPDATE_PATH_RESIDUAL, row) == 0);
        assert_true(sum_of(a, PS_UPDATE_GRAD_SQUARES, row) == 8 * length * length);
        assert_true(sum_of(a, PS_UPDATE_ZERO_GRADIENT_STEPS, row) == 0);
    }
    ps_update_account_destroy(a);
}

/* Pure decay: w shrinks by (1 - lr lambda) a step; nothing is put down to gradients. */
static void pure_decay_is_put_down_to_decay(void **state) {
    (void)state;
    parameter p = parameter_of(3, 20);
    memset(p.g, 0, p.count * sizeof(float));
    ps_update_sgd_step s = {.lr = 0.5, .decay = 0.1, .clip = 1};
    ps_update_account *a = NULL;
    assert_int_equal(ps_update_account_create(3, 20, true, true, &a), PS_OK);
    ps_update_account_begin(a, p.w, p.b, NULL);
    for (int t = 0; t < 10; t++) ps_update_sgd(&s, 3, 20, p.g, p.w, p.b, a, NULL);
    ps_update_account_close(a, p.w, p.b, NULL);
    for (size_t row = 0; row < 3; row++) {
        double start = net_of(a, PS_UPDATE_L2_START, row), lost = start * (1 - pow(0.95, 10));
        kt_assert_near(net_of(a, PS_UPDATE_NET, row), lost, 1e-6);
        kt_assert_near(net_of(a, PS_UPDATE_NET_DECAY, row), lost, 1e-6);
        kt_assert_near(sum_of(a, PS_UPDATE_PATH_DECAY, row), lost, 1e-6);
        assert_true(net_of(a, PS_UPDATE_NET_GRADIENT, row) == 0 && sum_of(a, PS_UPDATE_PATH_GRADIENT, row) == 0);
        assert_true(sum_of(a, PS_UPDATE_PATH_CARRIED, row) == 0 && sum_of(a, PS_UPDATE_ZERO_GRADIENT_STEPS, row) == 10);
    }
    ps_update_account_destroy(a);
    parameter_free(&p);
}

/* A gradient that dies before the window: the node still moves, all of it by carried momentum, a geometric series. */
static void momentum_outlives_the_gradient_as_carried(void **state) {
    (void)state;
    float w[2] = {1, 1}, b[2] = {0}, g[2] = {1, 0};
    ps_update_sgd_step s = {.lr = 0.1, .momentum = 0.5, .clip = 1};
    ps_update_account *a = NULL;
    assert_int_equal(ps_update_account_create(2, 1, true, false, &a), PS_OK);
    ps_update_account_begin(a, w, b, NULL);
    for (int t = 0; t < 3; t++) ps_update_sgd(&s, 2, 1, g, w, b, a, NULL);
    g[0] = 0;
    ps_update_account_begin(a, w, b, NULL);
    for (int t = 0; t < 4; t++) ps_update_sgd(&s, 2, 1, g, w, b, a, NULL);
    ps_update_account_close(a, w, b, NULL);
    double carried = 0.1 * 1.75 * (0.5 + 0.25 + 0.125 + 0.0625);
    kt_assert_near(sum_of(a, PS_UPDATE_PATH, 0), carried, 1e-6);
    kt_assert_near(sum_of(a, PS_UPDATE_PATH_CARRIED, 0), carried, 1e-6);
    kt_assert_near(net_of(a, PS_UPDATE_NET_GRADIENT, 0), carried, 1e-6);
    assert_true(sum_of(a, PS_UPDATE_PATH_GRADIENT, 0) == 0 && sum_of(a, PS_UPDATE_ZERO_GRADIENT_STEPS, 0) == 4);
    assert_true(sum_of(a, PS_UPDATE_PATH, 1) == 0 && net_of(a, PS_UPDATE_NET, 1) == 0);
    ps_update_account_destroy(a);
}

/* Rows with gradients in some windows and none in others (bit w of the mask: silent in window w); the last is silent at
 * every step but one of each window. Between zeros stand those with a sign, as a product with 0 leaves them. */
enum { SOME_ROWS = 5, SOME_LENGTH = 33, SOME_WINDOWS = 6, SOME_STEPS = 7 };
static const unsigned silent_in[SOME_ROWS] = {0x3f, 0x3e, 0x14, 0x31, 0};

static void some_gradient(parameter *p, int window, int t) {
    new_gradient(p, window * SOME_STEPS + t);
    for (size_t row = 0; row < SOME_ROWS; row++) {
        bool silent = silent_in[row] >> window & 1 || (row == SOME_ROWS - 1 && t != window % SOME_STEPS);
        for (size_t i = 0; silent && i < SOME_LENGTH; i++) p->g[row * SOME_LENGTH + i] = i % 2 ? -0.0f : 0.0f;
    }
}

/* What moved a row: by this window's gradients exactly if it had any, by what was carried exactly if it learned
 * before, by decay exactly if there is one; and the parts of each weight add up to what it moved by. */
static void check_parts(const ps_update_account *a, const ps_update_adamw_step *s, const parameter *p, size_t row,
                        int window) {
    bool silent = silent_in[row] >> window & 1, learned = (~silent_in[row] & ((1u << window) - 1)) != 0;
    double zeros = silent ? SOME_STEPS : row == SOME_ROWS - 1 ? SOME_STEPS - 1 : 0;
    assert_true(sum_of(a, PS_UPDATE_ZERO_GRADIENT_STEPS, row) == zeros);
    assert_true((sum_of(a, PS_UPDATE_PATH_GRADIENT, row) == 0) == silent);
    assert_true((sum_of(a, PS_UPDATE_PATH_CARRIED, row) == 0) == (!learned || s->beta1 == 0));
    assert_true((sum_of(a, PS_UPDATE_PATH_DECAY, row) == 0) == (s->decay == 0));
    assert_true((net_of(a, PS_UPDATE_NET_DECAY, row) == 0) == (s->decay == 0));
    assert_true((net_of(a, PS_UPDATE_NET_GRADIENT, row) == 0) == (silent && (!learned || s->beta1 == 0)));
    double size = 0;
    for (size_t i = row * SOME_LENGTH; i < (row + 1) * SOME_LENGTH; i++) {
        double start = (double)a->weights_start[i], moved = (double)p->w[i] - start;
        double gradient = (double)a->gradient_sum[i], carried = (double)a->carried_sum[i],
               decay = a->decay_sum != NULL ? (double)a->decay_sum[i] : 0;
        assert_true(gradient == 0 || !silent);
        double largest = fabs(start) + fabs(gradient) + fabs(carried) + fabs(decay);
        assert_true(fabs(moved - (gradient + carried + decay)) <= 4e-7 * SOME_STEPS * largest);
        size += largest;
    }
    assert_true(sum_of(a, PS_UPDATE_PATH_RESIDUAL, row) <= 4e-7 * SOME_STEPS * size);
}

static void adamw_run(ps_update_adamw_step s) {
    parameter p = parameter_of(SOME_ROWS, SOME_LENGTH);
    ps_update_account *a = NULL;
    assert_int_equal(ps_update_account_create(SOME_ROWS, SOME_LENGTH, false, s.decay > 0, &a), PS_OK);
    for (int window = 0; window < SOME_WINDOWS; window++) {
        ps_update_account_begin(a, p.w, NULL, NULL);
        for (int t = 0; t < SOME_STEPS; t++) {
            some_gradient(&p, window, t);
            s.step = (uint64_t)(window * SOME_STEPS + t + 1);
            s.clip = t == 3 ? 0.2 : 1;
            ps_update_adamw(&s, SOME_ROWS, SOME_LENGTH, p.g, p.w, p.b, p.v, a, NULL);
        }
        ps_update_account_close(a, p.w, p.b, NULL);
        for (size_t row = 0; row < SOME_ROWS; row++) check_parts(a, &s, &p, row, window);
    }
    ps_update_account_destroy(a);
    parameter_free(&p);
}

/* AdamW's moments outlive the gradient, and what they move is carried, whatever the rates: a window without gradient
 * has no part of this window's gradients, one without earlier gradients carries nothing. */
static void adamw_moments_outlive_the_gradient_as_carried(void **state) {
    (void)state;
    const double betas[][2] = {{0, 0.9}, {0.5, 0.99}, {0.9, 0.999}, {0.9, 0.95}, {0.99, 0.9999}};
    const double decays[] = {0, 1e-4, 0.1, 2};
    for (int b = 0; b < 5; b++)
        for (int d = 0; d < 4; d++)
            adamw_run((ps_update_adamw_step){
                .lr = 0.01, .beta1 = betas[b][0], .beta2 = betas[b][1], .eps = 1e-8, .decay = decays[d]});
}

/* What a part did not do at any step is exactly 0 at the window's end, whatever the other parts rounded. */
static void a_part_that_did_nothing_has_moved_nothing(void **state) {
    (void)state;
    enum { SILENT_ROWS = 3, LONG_ROW = 300 };
    for (int kind = 0; kind < 6; kind++) {
        bool sgd = kind % 3 < 2, silent = kind >= 3; /* no weight decay; or no gradient since before the window */
        parameter p = parameter_of(SILENT_ROWS, LONG_ROW);
        ps_update_account *a = NULL;
        assert_int_equal(ps_update_account_create(SILENT_ROWS, LONG_ROW, sgd, silent, &a), PS_OK);
        double decay = silent ? 0.03 : 0;
        for (int t = 0; t < 80; t++) {
            ps_update_sgd_step s = {
                .lr = 0.03 + 0.001 * t, .momentum = 0.9, .decay = decay, .clip = 0.8, .nesterov = kind % 3 == 1};
            ps_update_adamw_step w = {.lr = 0.003 + 0.0001 * t,
                                      .beta1 = 0.9,
                                      .beta2 = 0.999,
                                      .eps = 1e-8,
                                      .decay = decay,
                                      .clip = 0.8,
                                      .step = (uint64_t)t + 1};
            if (t % 40 == 0) ps_update_account_begin(a, p.w, sgd ? p.b : NULL, NULL);
            new_gradient(&p, t);
            if (silent && t >= 40) memset(p.g, 0, p.count * sizeof *p.g);
            if (sgd) ps_update_sgd(&s, SILENT_ROWS, LONG_ROW, p.g, p.w, p.b, a, NULL);
            else ps_update_adamw(&w, SILENT_ROWS, LONG_ROW, p.g, p.w, p.b, p.v, a, NULL);
        }
        ps_update_account_close(a, p.w, p.b, NULL);
        for (size_t row = 0; row < SILENT_ROWS; row++) {
            if (!silent) {
                assert_true(net_of(a, PS_UPDATE_NET_DECAY, row) == 0 && sum_of(a, PS_UPDATE_PATH_DECAY, row) == 0);
                continue;
            }
            assert_true(net_of(a, PS_UPDATE_NET_DECAY, row) > 0 && sum_of(a, PS_UPDATE_PATH_GRADIENT, row) == 0);
            for (size_t i = 0; i < LONG_ROW; i++) assert_true(a->gradient_sum[row * LONG_ROW + i] == 0);
        }
        ps_update_account_destroy(a);
        parameter_free(&p);
    }
}

static void not_a_number_is_not_a_zero_gradient(void **state) {
    (void)state;
    parameter p = parameter_of(3, 20);
    ps_update_account *a = NULL;
    assert_int_equal(ps_update_account_create(3, 20, true, false, &a), PS_OK);
    memset(p.g, 0, p.count * sizeof(float));
    p.g[25] = NAN, p.g[47] = -0.0f;
    ps_update_sgd_step s = {.lr = 0.1, .momentum = 0.9, .clip = 1};
    ps_update_account_begin(a, p.w, p.b, NULL);
    ps_update_sgd(&s, 3, 20, p.g, p.w, p.b, a, NULL);
    assert_true(isnan(p.w[25]) && isfinite(p.w[24]) && isnan(sum_of(a, PS_UPDATE_PATH, 1)));
    assert_true(sum_of(a, PS_UPDATE_ZERO_GRADIENT_STEPS, 0) == 1 && sum_of(a, PS_UPDATE_ZERO_GRADIENT_STEPS, 1) == 0);
    assert_true(sum_of(a, PS_UPDATE_ZERO_GRADIENT_STEPS, 2) == 1 && sum_of(a, PS_UPDATE_PATH, 2) == 0);
    ps_update_account_destroy(a);
    parameter_free(&p);
}

int main(int argc, char **argv) {
    (void)argc;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sgd_follows_a_double_reference),
        cmocka_unit_test(adamw_follows_a_double_reference),
        cmocka_unit_test(accounting_changes_no_bit_and_threads_neither),
        cmocka_unit_test(accounts_follow_a_double_reference_over_windows),
        cmocka_unit_test(a_constant_gradient_moves_in_a_straight_line),
        cmocka_unit_test(pure_decay_is_put_down_to_decay),
        cmocka_unit_test(momentum_outlives_the_gradient_as_carried),
        cmocka_unit_test(adamw_moments_outlive_the_gradient_as_carried),
        cmocka_unit_test(a_part_that_did_nothing_has_moved_nothing),
        cmocka_unit_test(not_a_number_is_not_a_zero_gradient),
    };
    return kt_main(argv[0], tests);
}
