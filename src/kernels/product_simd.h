/* Inside of product.c, attention.c and conv_patches.c: packing and products for one instruction set. Not for other
 * rooms. */
#ifndef PS_KERNELS_PRODUCT_SIMD_H
#define PS_KERNELS_PRODUCT_SIMD_H

#include <stdbool.h>
#include <stddef.h>

#include "kernels/simd.h"

enum { PS_PRODUCT_LINE = 16 }; /* floats of a cache line */

/* A matrix that will be wanted soon: `rows` of `lines` cache lines, `step` floats apart. rows 0: none. */
typedef struct {
    const float *data;
    size_t rows, lines, step;
} ps_product_next;

/* c (+)= a times packed panels [panels][depth][2 vectors], the last of them one vector wide where that is enough; or
 * times rows of whole vectors as they lie, b_step floats apart (0: packed). */
typedef struct {
    const float *a, *b, *bias; /* element (i, d) of a at a[i * row_step + d * depth_step] */
    size_t rows, depth, columns, row_step, depth_step, b_step;
    float *c;
    size_t c_row;
    bool accumulate, stream;
    ps_product_next next[2]; /* fetched one after the other */
} ps_product_block;

typedef struct {
    size_t panel; /* columns of one: two vectors */
    /* Lines of `length` floats to where they are to_step apart. */
    void (*copy)(const float *from, size_t from_step, size_t lines, size_t length, float *to, size_t to_step);
    /* b[depth][columns] into panels: rows of b `step` floats apart, or, turned, its columns. */
    void (*pack)(const float *b, size_t step, size_t depth, size_t columns, float *panels);
    void (*pack_turned)(const float *b, size_t step, size_t depth, size_t columns, float *panels);
    void (*multiply)(const ps_product_block *block);
} ps_product_kernels;

PS_SIMD_DECLARE(const ps_product_kernels *, ps_product_kernels_of, void);
/* For a product of so many columns. product.c. */
const ps_product_kernels *ps_product_kernels_for(size_t columns);

#endif
