/* Inner loops of the direct method (implicit matrix product), one table per instruction set. Private to src/kernels.
 *
 * A sweep writes a regular grid of target positions, each the sum over the same taps of source channels times weights:
 *   target(q * target_step + target_first) = sum over taps of source(q * source_step + delta(tap)) * weights(tap)
 * Forward is one sweep over y. Backward-data is one sweep over dx per residue of the stride, with that residue's taps only. */
#ifndef PS_KERNELS_CONV_DIRECT_H
#define PS_KERNELS_CONV_DIRECT_H

#include <stdbool.h>
#include <stddef.h>

#include "kernels/simd.h"

enum { PS_DIRECT_TAPS = 32, PS_DIRECT_RANGE = 192 }; /* most taps of an axis; most positions of a range */

typedef struct {
    int count;                               /* positions */
    int source_size, source_step;
    int target_size, target_step, target_first;
    int taps, delta[PS_DIRECT_TAPS], tap[PS_DIRECT_TAPS]; /* tap: its place in the weights */
} ps_direct_axis;

typedef struct {
    int n;
    ps_direct_axis d, h, w;
    int source_channels, target_channels;    /* of the arrays */
    int source_group, target_group, groups;  /* channels of one group */
    bool wide_rows;                          /* taps of a row are neighbours in the source and may be copied together */
    bool in_place;                           /* source rows are the matrix already (1x1) */
    size_t depth;                            /* taps * source_group: columns of the matrix */
    size_t positions;                        /* n * d.count * h.count * w.count */
} ps_direct_sweep;

typedef struct {
    int lanes; /* of a vector; panels of weights are two vectors wide */
    int rows;  /* of a register block of two vectors */
    /* The sources of positions [first, first + count) of a group as rows of a matrix; columns up to row_step are zeroed
     * as far as the next whole vector. */
    void (*gather)(const ps_direct_sweep *sweep, const float *source, int group, size_t first, size_t count, float *matrix,
                   size_t row_step);
    /* Weights [rows of k][depth] of one group, filters from k on, as a panel [depth][2 vectors] (one vector where that is enough). */
    void (*pack_forward)(const float *w, size_t depth, int k, int filters, float *panel);
    /* The same for backward-data: w points at the group's filters [source_group][taps][target_group], c is the first channel. */
    void (*pack_backward)(const ps_direct_sweep *sweep, int kernel_taps, int kh, int kw, const float *w, int c, float *panel);
    /* Rows of the matrix times a panel to channels [channel, channel + channels) of the group, at most two vectors. */
    void (*multiply)(const ps_direct_sweep *sweep, size_t count, const float *matrix, size_t row_step, const float *panel,
                     int channels, const float *bias, bool accumulate, float *const *target);
    /* dw [filters][dw_step] (+)= dy' matrix, over `count` rows; dy rows are dy_step apart, columns whole vectors. */
    void (*outer)(size_t count, int filters, int columns, const float *dy, size_t dy_step, const float *matrix, size_t row_step,
                  float *dw, size_t dw_step, bool accumulate);
    /* sum[i] = parts[0][i] + parts[1][i] + ... in order, part_step apart. */
    void (*add_parts)(const float *parts, size_t count, size_t part_step, size_t floats, float *sum);
} ps_direct_kernels;

PS_SIMD_DECLARE(const ps_direct_kernels *, ps_direct_kernels_of, void);

#endif
