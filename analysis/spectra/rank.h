/* Overlap and linear dependence: the singularities of a layer beside elimination (a node that is zero; causes.h). Ranks
 * and the saturation of a layer's outputs. Everything in double; eigenvalues and singular values are LAPACKE's. */
#ifndef PS_ANALYSIS_SPECTRA_RANK_H
#define PS_ANALYSIS_SPECTRA_RANK_H

#include <stdbool.h>
#include <stddef.h>

#include "core/status.h"

/* Singular values of a [rows][columns], descending: value[min(rows, columns)], the caller's. a is left as it is. */
ps_status ps_rank_singular_values(const double *a, int rows, int columns, double *value);
/* Singular values of a set of centred observations from its covariance [n][n]: roots of its eigenvalues, descending
 * (negative rounding is zero). */
ps_status ps_rank_covariance_values(const double *covariance, int n, double *value);

/* exp of the entropy of the values' shares, exp(-sum p ln p) (Roy & Vetterli 2007): 1 to count; 0 where all are
 * zero. */
double ps_rank_effective(const double *value, int count);
/* Sum of squares over the largest square: 1 to count; 0 where all are zero. */
double ps_rank_stable(const double *value, int count);
/* How many of the leading squares make up `share` of their sum, over count (Richter et al. 2021, Delve: share 0.99); 0
 * where all are zero. */
double ps_rank_saturation(const double *value, int count, double share);

/* Two rows that point the same way, or opposite ways. */
typedef struct {
    int first, second; /* first < second */
    double cosine;
} ps_overlap;
typedef struct {
    ps_overlap *pair; /* by first, then second */
    int count;
    size_t capacity;
} ps_overlap_list;
/* same: pairs of rows with cosine >= threshold (Orhan & Pitkow 2018: overlap singularities: the two nodes do the same).
 * opposite (NULL: not wanted): pairs with cosine <= -threshold, which are linearly dependent but do not overlap: behind
 * a gate one is active where the other is shut. Zero rows have no direction and are passed over. */
ps_status ps_overlap_find(const double *a, int rows, int columns, double threshold, ps_overlap_list *same,
                          ps_overlap_list *opposite);
void ps_overlap_list_clear(ps_overlap_list *list);

/* Random rows in hardly more columns than rows come close to dependence by chance: with k = columns - rows + 1 the
 * squared residual of a row goes as chi squared with k degrees of freedom. Below this many spare columns nothing is
 * said. */
enum { PS_RANK_SPARE_COLUMNS = 4 };
bool ps_dependence_testable(int rows, int columns);
/* residual[rows]: what least squares leaves of each row when it is fitted by all others, over the row's length; NaN for
 * zero rows (which do not count as the others either). Needs ps_dependence_testable. */
ps_status ps_dependence_residuals(const double *a, int rows, int columns, double *residual);

#endif
