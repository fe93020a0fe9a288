/* Ranks, overlap and dependence on matrices whose answer is known. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "analysis/spectra/rank.h"
#include "core/memory.h"
#include "core/rng.h"

enum { ROWS = 24, COLUMNS = 60, DRAWS = 40 };

static void draw(double *a, int rows, int columns, uint64_t seed) {
    ps_rng_key key = ps_rng_key_of(seed, "rank");
    for (int i = 0; i < rows * columns; i++) a[i] = (double)ps_rng_normal(key, (uint64_t)i);
}

/* Row `to` becomes factor times row `from`, as floats keep it. */
static void copy_row(double *a, int columns, int from, int to, double factor) {
    for (int c = 0; c < columns; c++) a[to * columns + c] = (double)(float)(factor * a[from * columns + c]);
}

static void near(double value, double expected, double tolerance) {
    if (!(fabs(value - expected) <= tolerance)) fail_msg("%.12g, expected %.12g", value, expected);
}

/* Rows k+1 times the k-th axis, mixed by a reflection of the columns: the singular values are 1 to ROWS. */
static void test_singular_values(void **state) {
    (void)state;
    double a[ROWS * COLUMNS] = {0}, u[COLUMNS], value[ROWS], squared = 0;
    draw(u, 1, COLUMNS, 1);
    for (int c = 0; c < COLUMNS; c++) squared += u[c] * u[c];
    for (int r = 0; r < ROWS; r++)
        for (int c = 0; c < COLUMNS; c++) a[r * COLUMNS + c] = (r + 1) * ((r == c) - 2 * u[r] * u[c] / squared);
    assert_int_equal(ps_rank_singular_values(a, ROWS, COLUMNS, value), PS_OK);
    for (int k = 0; k < ROWS; k++) near(value[k], ROWS - k, 1e-10);
    /* Sum of k^2 / ROWS^2. */
    near(ps_rank_stable(value, ROWS), ROWS * (ROWS + 1) * (2 * ROWS + 1) / 6.0 / (ROWS * ROWS), 1e-10);
}

static void test_orthogonal_rows_have_full_rank(void **state) {
    (void)state;
    double a[ROWS * COLUMNS] = {0}, value[ROWS];
    for (int r = 0; r < ROWS; r++) a[r * COLUMNS + 2 * r] = 3;
    assert_int_equal(ps_rank_singular_values(a, ROWS, COLUMNS, value), PS_OK);
    near(ps_rank_effective(value, ROWS), ROWS, 1e-9);
    near(ps_rank_stable(value, ROWS), ROWS, 1e-9);
    near(ps_rank_saturation(value, ROWS, 0.99), 1, 0);
}

/* a = sum of `rank` products: no more than that many values differ from zero, however tall or wide. */
static void test_planted_rank(void **state) {
    (void)state;
    enum { RANK = 5 };
    double left[COLUMNS * RANK], right[RANK * COLUMNS], a[COLUMNS * COLUMNS], value[COLUMNS];
    for (int rows = 12; rows <= COLUMNS; rows += 48) {
        int columns = COLUMNS + 12 - rows;
        draw(left, rows, RANK, 2);
        draw(right, RANK, columns, 3);
        for (int r = 0; r < rows; r++)
            for (int c = 0; c < columns; c++) {
                a[r * columns + c] = 0;
                for (int k = 0; k < RANK; k++) a[r * columns + c] += left[r * RANK + k] * right[k * columns + c];
            }
        assert_int_equal(ps_rank_singular_values(a, rows, columns, value), PS_OK);
        assert_true(value[RANK - 1] > 1);
        for (int k = RANK; k < 12; k++) assert_true(value[k] < 1e-12 * value[0]);
        assert_true(ps_rank_effective(value, 12) > 1 && ps_rank_effective(value, 12) < RANK);
        assert_true(ps_rank_stable(value, 12) > 1 && ps_rank_stable(value, 12) < RANK);
    }
}

/* p = 1/2, 1/4, 1/4: exp(ln 2 / 2 + 2 ln 4 / 4) = 2 sqrt 2. */
static void test_formulas_by_hand(void **state) {
    (void)state;
    const double value[] = {2, 1, 1, 0}, none[] = {0, 0, 0};
    near(ps_rank_effective(value, 4), 2 * sqrt(2.0), 1e-12);
    near(ps_rank_stable(value, 4), 6.0 / 4.0, 1e-12);
    near(ps_rank_saturation(value, 4, 0.99), 0.75, 0);
    near(ps_rank_saturation(value, 4, 0.5), 0.25, 0);
    near(ps_rank_saturation(value, 4, 1), 0.75, 0);
    near(ps_rank_effective(none, 3), 0, 0);
    near(ps_rank_stable(none, 3), 0, 0);
    near(ps_rank_saturation(none, 3, 0.99), 0, 0);
}

static void test_covariance(void **state) {
    (void)state;
    const double covariance[] = {5, 4, 0, 4, 5, 0, 0, 0, 0}; /* eigenvalues 9, 1, 0 */
    double value[3];
    assert_int_equal(ps_rank_covariance_values(covariance, 3, value), PS_OK);
    near(value[0], 3, 1e-12);
    near(value[1], 1, 1e-12);
    near(value[2], 0, 1e-7);
    near(ps_rank_saturation(value, 3, 0.9), 1.0 / 3, 0);
    near(ps_rank_saturation(value, 3, 0.99), 2.0 / 3, 0);
}

/* SciPy 1.10, NumPy 1.24: i, j = numpy.indices((4, 6)); a = ((7*i + 3*j*j + 2*i*j) % 11 - 5).astype(float); the calls
 * stand beside the figures. */
static void test_figures_of_scipy(void **state) {
    (void)state;
    double a[4 * 6], value[6], residual[4];
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 6; j++) a[i * 6 + j] = (7 * i + 3 * j * j + 2 * i * j) % 11 - 5;
    /* s = scipy.linalg.svdvals(a) */
    static const double singular[] = {11.368889424145422, 8.858841828478125, 7.579759931442818, 4.88021660392801};
    assert_int_equal(ps_rank_singular_values(a, 4, 6, value), PS_OK);
    for (int k = 0; k < 4; k++) near(value[k], singular[k], 1e-12);
    near(ps_rank_effective(value, 4), 3.8343225051258494, 1e-12); /* numpy.exp(scipy.stats.entropy(s / s.sum())) */
    near(ps_rank_stable(value, 4), 2.2359483015703625,
         1e-12); /* (numpy.linalg.norm(a, 'fro') / numpy.linalg.norm(a, 2)) ** 2 */
    /* o = numpy.delete(a, r, 0); x = numpy.linalg.lstsq(o.T, a[r])[0]; norm(a[r] - o.T @ x) / norm(a[r]) */
    static const double left[] = {0.7896638118289256, 0.9170429335290053, 0.7941839324141691, 0.9530049985786612};
    assert_int_equal(ps_dependence_residuals(a, 4, 6, residual), PS_OK);
    for (int r = 0; r < 4; r++) near(residual[r], left[r], 1e-12);
    /* 1 - scipy.spatial.distance.cosine(a[p], a[q]) */
    static const double cosine[] = {0.1257237114187424,   0.5029954548278568,  -0.21997067253202984,
                                    -0.23804761428476162, 0.06531972647421802, 0.011433239009500551};
    ps_overlap_list same, opposite;
    assert_int_equal(ps_overlap_find(a, 4, 6, 0.01, &same, &opposite), PS_OK);
    assert_int_equal(same.count, 4);
    assert_int_equal(opposite.count, 2);
    for (int p = 0, s = 0, o = 0; p < 6; p++)
        near((cosine[p] > 0 ? same.pair[s++] : opposite.pair[o++]).cosine, cosine[p], 1e-12);
    ps_overlap_list_clear(&same);
    ps_overlap_list_clear(&opposite);
}

/* Outputs: six channels seen four times. w = numpy.linalg.eigvalsh(numpy.cov(a, rowvar=False, bias=True))[::-1] */
static void test_figures_of_numpy_for_outputs(void **state) {
    (void)state;
    double a[4 * 6], covariance[36] = {0}, mean[6] = {0}, value[6];
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 6; j++) {
            a[i * 6 + j] = (7 * i + 3 * j * j + 2 * i * j) % 11 - 5;
            mean[j] += a[i * 6 + j] / 4;
        }
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 36; j++)
            covariance[j] += (a[i * 6 + j / 6] - mean[j / 6]) * (a[i * 6 + j % 6] - mean[j % 6]) / 4;
    assert_int_equal(ps_rank_covariance_values(covariance, 6, value), PS_OK);
    static const double roots[] = {5.268569559896173, 4.2386722623514235, 2.441993498129777}; /* numpy.sqrt(w) */
    for (int k = 0; k < 3; k++) near(value[k], roots[k], 1e-12);
    near(ps_rank_effective(value, 6), 2.866834624834724,
         2e-6); /* exp(entropy) of the roots' shares; the zero ones are rounding */
    near(ps_rank_saturation(value, 6, 0.9), 3.0 / 6,
         0); /* (numpy.searchsorted(w.cumsum() / w.sum(), 0.9) + 1) / 6; shares 0.537, 0.885, 1 */
    near(ps_rank_saturation(value, 6, 0.85), 2.0 / 6, 0);
}

static void test_overlapping_pairs_are_found(void **state) {
    (void)state;
    double a[ROWS * COLUMNS];
    ps_overlap_list same, opposite;
    for (int d = 0; d < DRAWS; d++) {
        draw(a, ROWS, COLUMNS, 10 + (uint64_t)d);
        assert_int_equal(ps_overlap_find(a, ROWS, COLUMNS, 0.999, &same, &opposite), PS_OK);
        assert_int_equal(same.count + opposite.count, 0);
        ps_overlap_list_clear(&same);
        ps_overlap_list_clear(&opposite);
        copy_row(a, COLUMNS, 2, 7, 3.5);
        copy_row(a, COLUMNS, 20, 9, -0.01);
        memset(a + 4 * COLUMNS, 0, COLUMNS * sizeof *a); /* two zero rows are no pair */
        memset(a + 5 * COLUMNS, 0, COLUMNS * sizeof *a);
        assert_int_equal(ps_overlap_find(a, ROWS, COLUMNS, 0.999, &same, &opposite), PS_OK);
        assert_int_equal(same.count, 1);
        assert_true(same.pair[0].first == 2 && same.pair[0].second == 7 && same.pair[0].cosine > 0.999999);
        assert_int_equal(opposite.count, 1); /* one is active where the other is shut: no overlap */
        assert_true(opposite.pair[0].first == 9 && opposite.pair[0].second == 20 &&
                    opposite.pair[0].cosine < -0.999999);
        ps_overlap_list_clear(&same);
        ps_overlap_list_clear(&opposite);
        assert_int_equal(ps_overlap_find(a, ROWS, COLUMNS, 0.999, &same, NULL), PS_OK);
        assert_int_equal(same.count, 1);
        ps_overlap_list_clear(&same);
    }
}

/* Row `to` becomes a combination of rows 1, 6 and 11, as floats keep it. */
static void combine(double *a, int to) {
    for (int c = 0; c < COLUMNS; c++)
        a[to * COLUMNS + c] = (double)(float)(0.5 * a[COLUMNS + c] - 2 * a[6 * COLUMNS + c] + a[11 * COLUMNS + c]);
}

static void test_dependent_rows_are_found(void **state) {
    (void)state;
    double a[ROWS * COLUMNS], residual[ROWS];
    for (int d = 0; d < DRAWS; d++) {
        draw(a, ROWS, COLUMNS, 100 + (uint64_t)d);
        assert_int_equal(ps_dependence_residuals(a, ROWS, COLUMNS, residual), PS_OK);
        for (int r = 0; r < ROWS; r++) assert_true(residual[r] > 0.1 && residual[r] <= 1);
        combine(a, 17);
        memset(a + 3 * COLUMNS, 0, COLUMNS * sizeof *a);
        memset(a + (ROWS - 1) * COLUMNS, 0, COLUMNS * sizeof *a);
        assert_int_equal(ps_dependence_residuals(a, ROWS, COLUMNS, residual), PS_OK);
        for (int r = 0; r < ROWS; r++) {
            bool zero = r == 3 || r == ROWS - 1, takes_part = r == 1 || r == 6 || r == 11 || r == 17;
            assert_true(zero ? isnan(residual[r]) : takes_part ? residual[r] < 1e-6 : residual[r] > 0.1);
        }
    }
}

/* Against the distance by Gram-Schmidt: row 0 is the only one outside the span of three axes, by a known angle. */
static void test_residual_is_the_sine_of_the_angle(void **state) {
    (void)state;
    double a[3 * 8] = {0}, residual[3];
    a[0] = 3, a[1] = 4e-3; /* nearly along axis 0: sine 4e-3 / sqrt(9 + 16e-6) */
    a[8] = 7;              /* along axis 0 */
    a[16 + 2] = 1;
    assert_int_equal(ps_dependence_residuals(a, 3, 8, residual), PS_OK);
    near(residual[0], 4e-3 / sqrt(9 + 16e-6), 1e-12);
    near(residual[1], 4e-3 / sqrt(9 + 16e-6), 1e-12);
    near(residual[2], 1, 1e-12);
}

static void test_narrow_layers_are_left_alone(void **state) {
    (void)state;
    assert_true(ps_dependence_testable(24, 28));
    assert_false(ps_dependence_testable(24, 27));
    assert_false(ps_dependence_testable(64, 27));
}

static void test_all_zero_and_not_finite(void **state) {
    (void)state;
    double a[2 * 8] = {0}, residual[2], value[2];
    assert_int_equal(ps_dependence_residuals(a, 2, 8, residual), PS_OK);
    assert_true(isnan(residual[0]) && isnan(residual[1]));
    a[5] = INFINITY;
    assert_int_equal(ps_rank_singular_values(a, 2, 8, value), PS_ERR_INPUT);
    assert_int_equal(ps_rank_covariance_values(a, 2, value), PS_OK);
    a[0] = NAN;
    assert_int_equal(ps_rank_covariance_values(a, 2, value), PS_ERR_INPUT);
    ps_status_reset();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_singular_values),
        cmocka_unit_test(test_orthogonal_rows_have_full_rank),
        cmocka_unit_test(test_planted_rank),
        cmocka_unit_test(test_formulas_by_hand),
        cmocka_unit_test(test_figures_of_scipy),
        cmocka_unit_test(test_figures_of_numpy_for_outputs),
        cmocka_unit_test(test_covariance),
        cmocka_unit_test(test_overlapping_pairs_are_found),
        cmocka_unit_test(test_dependent_rows_are_found),
        cmocka_unit_test(test_residual_is_the_sine_of_the_angle),
        cmocka_unit_test(test_narrow_layers_are_left_alone),
        cmocka_unit_test(test_all_zero_and_not_finite),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
