/* Inner loops of the stem method, one table per instruction set. Private to src/kernels. See conv_winograd.h for the
 * algorithm: its 36 products here have `planes` terms each. */
#ifndef PS_KERNELS_CONV_STEM_H
#define PS_KERNELS_CONV_STEM_H

#include <stdbool.h>
#include <stddef.h>

#include "kernels/simd.h"

enum { PS_STEM_PRODUCTS = 36, PS_STEM_PLANES = 5, PS_STEM_CHANNELS = 4, PS_STEM_INPUTS = 6 };

/* Kernels of 3x3 make tiles of 4x4 outputs, those of 5x5 tiles of 2x2. A plane is a channel of a depth tap. */
typedef struct {
    int taps, planes, kd, c, k;
} ps_stem_filters;

static inline int ps_stem_outputs(int taps) { return taps == 3 ? 4 : 2; }

/* Tiles of some lines of one output slice, row by row. `lines` holds what they read, padded: [kd][lines][line], a depth
 * tap `slice` floats after the one before, and a vector more than the last line. */
typedef struct {
    ps_stem_filters filters;
    const float *lines;
    size_t line, slice, tiles, tiles_w;
    int height, width; /* outputs of the unit */
    float *y;          /* its first one; lines lie width positions apart */
    const float *dy;
    size_t ahead, ahead_end; /* from there to there after the first output, memory is fetched meanwhile for later */
} ps_stem_unit;

typedef struct {
    int lanes;
    /* w [k][kd][taps][taps][c] to u [vectors of filters][product][plane][lanes]. */
    void (*weights)(const ps_stem_filters *filters, const float *w, float *u);
    /* y = bias (may be NULL) + the convolution. */
    void (*forward)(const ps_stem_unit *unit, const float *u, const float *bias);
    /* The products' sums over the unit's tiles, laid out like u, overwritten or added to. */
    void (*outer)(const ps_stem_unit *unit, float *sums, bool accumulate);
    /* dw from those. */
    void (*gradient)(const ps_stem_filters *filters, const float *sums, float *dw);
} ps_stem_kernels;

PS_SIMD_DECLARE(const ps_stem_kernels *, ps_stem_kernels_of, void);

#endif
