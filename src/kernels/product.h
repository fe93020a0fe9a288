/* Matrix products by register blocks of our own: c[m][n] (+)= a[m][k] b[k][n]. Either factor may lie transposed. Every
 * element is one sum over k in sequence, by fused multiply-adds where the instruction set has them, however the product
 * is cut: its bits depend on its own row of a, its own column of b and nothing else, neither threads nor the sizes of
 * the rest.
 *
 * As Goto & van de Geijn, "Anatomy of high-performance matrix multiplication", 2008: slices of k; of each slice a block
 * of b is packed into panels of two vectors, which stay in the second-level cache while rows of a pass by. Two things
 * are ours: rows of a are read where they lie unless they would fall on the same cache sets, and the rows to come
 * are fetched while the block at hand is multiplied, so that memory is read behind the arithmetic. Products of few
 * rows are bound by the reading of b: it is not packed but read where it lies, once, in long pieces; where it lies
 * turned, the factors change places. */
#ifndef PS_KERNELS_PRODUCT_H
#define PS_KERNELS_PRODUCT_H

#include <stdbool.h>
#include <stddef.h>

#include "parallel/threads.h"

/* Element (i, j) at data[i * row + j * column], in floats; one of the two steps is 1. */
typedef struct {
    const float *data;
    size_t row, column;
} ps_matrix;
/* One whose rows lie `step` floats apart, and one whose columns do. */
static inline ps_matrix ps_matrix_rows(const float *data, size_t step) { return (ps_matrix){data, step, 1}; }
static inline ps_matrix ps_matrix_turned(const float *data, size_t step) { return (ps_matrix){data, 1, step}; }

typedef struct {
    size_t m, n, k;
    ps_matrix a, b; /* [m][k], [k][n] */
    float *c;       /* [m][n], rows c_row floats apart; overlaps neither factor */
    size_t c_row;
    const float *bias; /* [n], where every sum of a column starts; NULL: 0. Not together with accumulate */
    bool accumulate;   /* sums start from what c holds */
} ps_product;

/* On this thread. */
void ps_product_here(const ps_product *product);
/* Cut into blocks of c over the threads. */
void ps_product_run(const ps_product *product, ps_threads *threads);

#endif
