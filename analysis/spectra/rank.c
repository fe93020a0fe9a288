#include "analysis/spectra/rank.h"

#include <lapacke.h>
#include <math.h>
#include <string.h>

#include "core/memory.h"

/* LAPACK wants columns; a row-major [rows][columns] is its transpose there, which has the same singular values, and
 * whose right singular vectors are our rows' left ones. right: [rows][rows], column k of row i's coefficients at
 * right[i * rows + k], or NULL. */
static ps_status decompose(const double *a, int rows, int columns, double *value, double *right) {
    double *copy = NULL, *rest = NULL;
    int least = rows < columns ? rows : columns;
    ps_status status = PS_OK;
    PS_TRY_CLEANUP(PS_ALLOC((size_t)rows * (size_t)columns, &copy, "singular values"));
    PS_TRY_CLEANUP(PS_ALLOC((size_t)least, &rest, "singular values"));
    memcpy(copy, a, (size_t)rows * (size_t)columns * sizeof *copy);
    for (size_t i = 0; i < (size_t)rows * (size_t)columns; i++)
        if (!isfinite(copy[i]))
            PS_TRY_CLEANUP(
                ps_fail(PS_ERR_INPUT, "ranks: a value is not finite (the run diverged); take an earlier checkpoint"));
    if (LAPACKE_dgesvd(LAPACK_COL_MAJOR, 'N', right != NULL ? 'A' : 'N', columns, rows, copy, columns, value, NULL, 1,
                       right, right != NULL ? rows : 1, rest) != 0)
        PS_TRY_CLEANUP(ps_fail(PS_ERR_INPUT, "ranks: the singular values did not converge"));
cleanup:
    ps_free(copy);
    ps_free(rest);
    return status;
}

ps_status ps_rank_singular_values(const double *a, int rows, int columns, double *value) {
    return decompose(a, rows, columns, value, NULL);
}

ps_status ps_rank_covariance_values(const double *covariance, int n, double *value) {
    double *copy = NULL;
    ps_status status = PS_OK;
    PS_TRY_CLEANUP(PS_ALLOC((size_t)n * (size_t)n, &copy, "eigenvalues"));
    memcpy(copy, covariance, (size_t)n * (size_t)n * sizeof *copy);
    for (size_t i = 0; i < (size_t)n * (size_t)n; i++)
        if (!isfinite(copy[i]))
            PS_TRY_CLEANUP(
                ps_fail(PS_ERR_INPUT, "ranks: an output is not finite (the run diverged); take an earlier checkpoint"));
    if (LAPACKE_dsyev(LAPACK_ROW_MAJOR, 'N', 'L', n, copy, n, value) != 0)
        PS_TRY_CLEANUP(ps_fail(PS_ERR_INPUT, "ranks: the eigenvalues did not converge"));
    for (int i = 0; i < n; i++) value[i] = sqrt(fmax(0.0, value[i]));
    for (int i = 0; i < n / 2; i++) {
        double small = value[i];
        value[i] = value[n - 1 - i];
        value[n - 1 - i] = small;
    }
cleanup:
    ps_free(copy);
    return status;
}

double ps_rank_effective(const double *value, int count) {
    double sum = 0, entropy = 0;
    for (int i = 0; i < count; i++) sum += value[i];
    if (!(sum > 0)) return 0;
    for (int i = 0; i < count; i++) {
        double p = value[i] / sum;
        if (p > 0) entropy -= p * log(p);
    }
    return exp(entropy);
}

static double sum_of_squares(const double *value, int count) {
    double sum = 0;
    for (int i = 0; i < count; i++) sum += value[i] * value[i];
    return sum;
}

double ps_rank_stable(const double *value, int count) {
    return count > 0 && value[0] > 0 ? sum_of_squares(value, count) / (value[0] * value[0]) : 0;
}

double ps_rank_saturation(const double *value, int count, double share) {
    double wanted = share * sum_of_squares(value, count), sum = 0;
    int leading = 0;
    if (!(wanted > 0)) return 0;
    /* The last squares may be lost in rounding: never more than there are. */
    while (leading < count && sum < wanted) {
        sum += value[leading] * value[leading];
        leading++;
    }
    return (double)leading / count;
}

/* ---- overlap ---- */

/* Rows of unit length; a zero row stays zero. */
static ps_status unit_rows(const double *a, int rows, int columns, double **out) {
    PS_TRY(PS_ALLOC((size_t)rows * (size_t)columns, out, "incoming weights"));
    for (int r = 0; r < rows; r++) {
        const double *row = a + (size_t)r * (size_t)columns;
        double length = sqrt(sum_of_squares(row, columns));
        for (int c = 0; c < columns && length > 0; c++)
            (*out)[(size_t)r * (size_t)columns + (size_t)c] = row[c] / length;
    }
    return PS_OK;
}

/* Four sums, so that one addition need not wait for the one before it. */
static double inner(const double *x, const double *y, int count) {
    double sum[4] = {0, 0, 0, 0};
    int i = 0;
    for (; i + 4 <= count; i += 4)
        for (int k = 0; k < 4; k++) sum[k] += x[i + k] * y[i + k];
    for (; i < count; i++) sum[0] += x[i] * y[i];
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

static ps_status add_pair(ps_overlap_list *list, ps_overlap pair) {
    PS_TRY(PS_GROW(&list->pair, &list->capacity, (size_t)list->count + 1, "overlapping nodes"));
    list->pair[list->count++] = pair;
    return PS_OK;
}

ps_status ps_overlap_find(const double *a, int rows, int columns, double threshold, ps_overlap_list *same,
                          ps_overlap_list *opposite) {
    double *unit = NULL;
    ps_status status = PS_OK;
    memset(same, 0, sizeof *same);
    if (opposite != NULL) memset(opposite, 0, sizeof *opposite);
    PS_TRY_CLEANUP(unit_rows(a, rows, columns, &unit));
    for (int i = 0; i < rows; i++)
        for (int j = i + 1; j < rows; j++) {
            double cosine = inner(unit + (size_t)i * (size_t)columns, unit + (size_t)j * (size_t)columns, columns);
            if (cosine >= threshold) PS_TRY_CLEANUP(add_pair(same, (ps_overlap){i, j, cosine}));
            else if (cosine <= -threshold && opposite != NULL)
                PS_TRY_CLEANUP(add_pair(opposite, (ps_overlap){i, j, cosine}));
        }
cleanup:
    ps_free(unit);
    if (status == PS_OK) return status;
    ps_overlap_list_clear(same);
    if (opposite != NULL) ps_overlap_list_clear(opposite);
    return status;
}

void ps_overlap_list_clear(ps_overlap_list *list) {
    ps_free_array(list->pair);
    memset(list, 0, sizeof *list);
}

/* ---- dependence ---- */

bool ps_dependence_testable(int rows, int columns) { return columns - rows >= PS_RANK_SPARE_COLUMNS; }

/* The distance of row i from the span of the others is 1 / sqrt of the i-th diagonal element of (A A')^-1 = U S^-2 U'.
 * Singular values below rounding are lifted to it: they still outweigh all others where the row takes part in the
 * dependence. */
static double residual_of(const double *coefficient, const double *value, int rows) {
    double floor = 1e-13 * value[0], sum = 0;
    for (int k = 0; k < rows; k++) {
        double ratio = coefficient[k] / fmax(value[k], floor);
        sum += ratio * ratio;
    }
    return 1.0 / sqrt(sum);
}

static ps_status measure_residuals(const double *unit, int rows, int columns, double *residual) {
    double *value = NULL, *right = NULL;
    ps_status status = PS_OK;
    PS_TRY_CLEANUP(PS_ALLOC((size_t)rows, &value, "dependent nodes"));
    PS_TRY_CLEANUP(PS_ALLOC((size_t)rows * (size_t)rows, &right, "dependent nodes"));
    PS_TRY_CLEANUP(decompose(unit, rows, columns, value, right));
    for (int i = 0; i < rows; i++) residual[i] = residual_of(right + (size_t)i * (size_t)rows, value, rows);
cleanup:
    ps_free(value);
    ps_free(right);
    return status;
}

ps_status ps_dependence_residuals(const double *a, int rows, int columns, double *residual) {
    double *unit = NULL, *of_kept = NULL;
    int kept = 0;
    size_t length = (size_t)columns;
    ps_status status = PS_OK;
    PS_TRY_CLEANUP(unit_rows(a, rows, columns, &unit));
    PS_TRY_CLEANUP(PS_ALLOC((size_t)rows, &of_kept, "dependent nodes"));
    for (int i = 0; i < rows; i++) {
        residual[i] = sum_of_squares(unit + (size_t)i * length, columns) > 0 ? 0.0 : (double)NAN;
        if (!isnan(residual[i]))
            memmove(unit + (size_t)kept++ * length, unit + (size_t)i * length, length * sizeof *unit);
    }
    if (kept > 0) PS_TRY_CLEANUP(measure_residuals(unit, kept, columns, of_kept));
    for (int i = 0, next = 0; i < rows; i++)
        if (!isnan(residual[i])) residual[i] = of_kept[next++];
cleanup:
    ps_free(unit);
    ps_free(of_kept);
    return status;
}
