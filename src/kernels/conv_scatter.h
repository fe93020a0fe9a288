/* Inner loops of the scatter method, one table per instruction set. Private to src/kernels. */
#ifndef PS_KERNELS_CONV_SCATTER_H
#define PS_KERNELS_CONV_SCATTER_H

#include <stddef.h>

#include "kernels/simd.h"

enum { PS_SCATTER_GRAIN = 32 }; /* positions are rounded up to a multiple of this: two vectors of the widest set */

typedef struct {
    /* turned[i][p] = rows[p][i] for p < count (zero up to the next grain) and i < channels; rows of turned are `step`
     * apart. */
    void (*turn)(const float *rows, size_t count, size_t channels, float *turned, size_t step);
    /* out[j][p] = sum over i of w[i][j] * turned[i][p], for j < outputs and p < step. */
    void (*multiply)(const float *w, size_t outputs, size_t channels, const float *turned, size_t step, float *out);
    /* to[i] += from[i] */
    void (*add)(const float *from, size_t count, float *to);
} ps_scatter_kernels;

PS_SIMD_DECLARE(const ps_scatter_kernels *, ps_scatter_kernels_of, void);

#endif
