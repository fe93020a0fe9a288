/* Inner loops of the direct method (implicit matrix product), one table per instruction set. Private to src/kernels.
 * See conv_sweep.h for sweeps. */
#ifndef PS_KERNELS_CONV_DIRECT_H
#define PS_KERNELS_CONV_DIRECT_H

#include <stdbool.h>
#include <stddef.h>

#include "kernels/conv_sweep.h"
#include "kernels/simd.h"

enum { PS_DIRECT_RANGE = 192 }; /* most positions of a range */

typedef struct {
    int lanes; /* of a vector; panels of weights are two vectors wide */
    int rows;  /* of a register block of two vectors */
    /* The sources of positions [first, first + count) of a group as rows of a matrix; columns up to row_step are zeroed
     * as far as the next whole vector. */
    void (*gather)(const ps_conv_sweep *sweep, const float *source, int group, size_t first, size_t count,
                   float *matrix, size_t row_step);
    /* Weights [rows of k][depth] of one group, filters from k on, as a panel [depth][2 vectors] (one vector where that
     * is enough). */
    void (*pack_forward)(const float *w, size_t depth, int k, int filters, float *panel);
    /* The same for backward-data: w points at the group's filters [source_group][taps][target_group], c is the first
     * channel. */
    void (*pack_backward)(const ps_conv_sweep *sweep, int kernel_taps, int kh, int kw, const float *w, int c,
                          float *panel);
    /* Rows of the matrix times a panel to channels [channel, channel + channels) of the group, at most two vectors. */
    void (*multiply)(const ps_conv_sweep *sweep, size_t count, const float *matrix, size_t row_step, const float *panel,
                     int channels, const float *bias, bool accumulate, float *const *target);
    /* dw [filters][dw_step] (+)= dy' matrix, over `count` rows; dy rows are dy_step apart, columns whole vectors. */
    void (*outer)(size_t count, int filters, int columns, const float *dy, size_t dy_step, const float *matrix,
                  size_t row_step, float *dw, size_t dw_step, bool accumulate);
} ps_direct_kernels;

PS_SIMD_DECLARE(const ps_direct_kernels *, ps_direct_kernels_of, void);

#endif
