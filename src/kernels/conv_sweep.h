/* Sweeps: convolutions as walks over regular grids, shared by the direct and the depthwise method. Private to
 * src/kernels.
 *
 * A sweep writes a regular grid of target positions, each the sum over the same taps of source channels times weights:
 *   target(q * target_step + target_first) = sum over taps of source(q * source_step + delta(tap)) * weights(tap)
 * Forward is one sweep over y. Backward-data is one sweep over dx per residue of the stride, with that residue's taps
 * only. */
#ifndef PS_KERNELS_CONV_SWEEP_H
#define PS_KERNELS_CONV_SWEEP_H

#include <stdbool.h>
#include <stddef.h>

#include "kernels/conv.h"

enum { PS_SWEEP_TAPS = 32 }; /* most taps of an axis */

typedef struct {
    int count; /* positions */
    int source_size, source_step;
    int target_size, target_step, target_first;
    int taps, delta[PS_SWEEP_TAPS], tap[PS_SWEEP_TAPS]; /* tap: its place in the weights */
} ps_conv_axis;

typedef struct {
    int n;
    ps_conv_axis d, h, w;
    int source_channels, target_channels;   /* of the arrays */
    int source_group, target_group, groups; /* channels of one group */
    bool wide_rows;                         /* taps of a row are neighbours in the source and may be copied together */
    bool in_place;                          /* source rows are the matrix already (1x1) */
    size_t depth;                           /* taps * source_group: columns of the matrix */
    size_t positions;                       /* n * d.count * h.count * w.count */
} ps_conv_sweep;

/* Whether the kernel's taps fit an axis. */
bool ps_conv_sweep_fits(const ps_conv_shape *shape);
ps_conv_sweep ps_conv_sweep_forward(const ps_conv_shape *shape);
/* Residues 0 to stride_d * stride_h * stride_w - 1; a residue beyond the input has no positions, one without taps no
 * depth. */
ps_conv_sweep ps_conv_sweep_backward(const ps_conv_shape *shape, int residue);
int ps_conv_sweep_residues(const ps_conv_shape *shape);

#endif
