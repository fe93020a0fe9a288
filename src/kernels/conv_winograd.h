/* Inner loops of the Winograd method, one table per instruction set. Private to src/kernels.
 *
 * F(4x4, 3x3): an output tile of 4x4 comes from an input tile of 6x6 by 36 products instead of 144. The 36 products of
 * all tiles and channels are 36 matrix products, numbered t = 6 i + j. Tiles are numbered over images, depth, rows,
 * columns. In 3D the products of the depth taps are added up: what is transformed is a slice of the input, and every
 * output slice takes its taps' slices from there.
 * Source: Lavin & Gray, "Fast algorithms for convolutional neural networks", 2016; interpolation points 0, +-5/8, +-3/2
 * and infinity, whose smaller powers lose about half as many digits as 0, +-1, +-2 do. */
#ifndef PS_KERNELS_CONV_WINOGRAD_H
#define PS_KERNELS_CONV_WINOGRAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/conv.h"
#include "kernels/simd.h"

/* Stride 2 (padding 1): along each axis, the outer two taps and the middle one read alternate inputs. The outer two are
 * a kernel of 2 with stride 1, F(4, 2) with points 0, 1, -1, 2 and infinity: 5 products for 4 outputs; the middle one
 * takes 4 products that share a weight. 81 products of 36 different weights replace 144; t = 9 i + j, with weights 6
 * min(i, 5) + min(j, 5). */
typedef enum {
    PS_WINOGRAD_UNIT,       /* stride 1: 6x6 inputs to 4x4 outputs */
    PS_WINOGRAD_STRIDED,    /* stride 2: 9x9 inputs to 4x4 outputs */
    PS_WINOGRAD_TRANSPOSED, /* backward-data of stride 2: 5x5 inputs to 8x8 outputs */
    PS_WINOGRAD_FIVE,       /* kernels of 5x5, stride 1: F(2x2, 5x5), 6x6 inputs to 2x2 outputs, the same points */
    PS_WINOGRAD_KINDS
} ps_winograd_kind;

enum { PS_WINOGRAD_WEIGHTS = 36 };
static inline size_t ps_winograd_products(ps_winograd_kind kind) {
    return kind == PS_WINOGRAD_STRIDED || kind == PS_WINOGRAD_TRANSPOSED ? 81 : 36;
}
/* Taps of a kernel in two dimensions. */
static inline size_t ps_winograd_taps(ps_winograd_kind kind) { return kind == PS_WINOGRAD_FIVE ? 25 : 9; }

/* What Pool Skip keeps of a map: of every window of ed x e x e positions and channel, the one whose number (in scan
 * order) is in `winners` [n][windows_d][windows_h][windows_w][c]; NULL: the first one. Everything else, the remainder
 * of the map included, counts as zero. */
typedef struct {
    const uint8_t *winners;
    int e, ed, windows_d, windows_h, windows_w;
} ps_winograd_selection;

/* Whether the method takes this shape with a selection: then these are ps_conv_method_winograd4's forward and
 * backward-weights passes on the unpooled map, which is never built. Same workspace. */
bool ps_winograd_can_select(const ps_conv_shape *shape);
void ps_winograd_forward_selected(const ps_conv_shape *shape, const float *x, const ps_winograd_selection *selection,
                                  const float *w, const float *bias, float *y, void *workspace, ps_threads *threads);
void ps_winograd_backward_weights_selected(const ps_conv_shape *shape, const float *x,
                                           const ps_winograd_selection *selection, const float *dy, float *dw,
                                           void *workspace, ps_threads *threads);

typedef struct {
    int first, end;
} ps_winograd_channels;

/* One convolution from an array [n][d][h][w][c] to [n][od][oh][ow][k]. Backward-data is one from dy to dx. */
typedef struct {
    ps_winograd_kind kind;
    int n, d, h, w, c, od, oh, ow, k, kd, pad_d, pad_h, pad_w, tiles_h, tiles_w;
    int x_pixel, y_pixel;       /* floats from a pixel to the next in the arrays: the channels of all groups */
    int dilation_h, dilation_w; /* taps lie so far apart: a tile's inputs and outputs do too */
    int grids_h, grids_w;       /* interleaved grids of outputs that tiles belong to: 1 without dilation */
    int down_d, up_d;           /* output slice d and tap t meet input slice (d * down_d + t - pad_d) / up_d */
    int slice_order;            /* input() counts slices 0, 2, 4, ..., 1, 3, ... where this is 2; 1: as they lie */
    size_t tiles;               /* n * od * tiles_h * tiles_w */
    size_t depth;               /* kd * c */
    ps_winograd_channels columns,
        rows;           /* which channels input() and gradient() transform: 0 to c, 0 to k unless a task wants a part */
    const float *zeros; /* c (or k, the larger) floats of zero, rounded up to whole vectors: what padding reads */
    const ps_winograd_selection *selection; /* of the input; NULL: all of it. Stride 1 only */
} ps_winograd_map;

/* Matrices of floats: element (t, row, column) at data[t * step + row * row_step + column]. With panel > 0 the columns
 * are cut into panels of that many, panel_step apart, and `column` counts within the panel: a panel of all rows lies in
 * one piece. */
typedef struct {
    float *data;
    size_t step, row_step, panel, panel_step;
} ps_winograd_matrices;

/* m (+)= sum over `taps` of v u for `count` tiles, `depth` columns and a panel of 1 or 2 vectors; from tap to tap v
 * moves v_tap floats on, u u_tap. */
typedef struct {
    ps_winograd_kind kind;
    size_t count, depth, taps, v_tap, u_tap;
    int vectors;
    bool accumulate;
} ps_winograd_product;

typedef struct {
    int lanes; /* of a vector; panels of weights are two vectors wide, the last one may be one vector wide */
    int rows;  /* of a register block */
    /* Tiles [first, first + count) of the input's slices, as if they were those of the output, into rows of v:
     * map.columns and zeros up to a whole vector. */
    void (*input)(const ps_winograd_map *map, const float *x, size_t first, size_t count, ps_winograd_matrices v);
    /* 4x4 (5x5 kernels: 2x2) tiles of dy [n][od][oh][ow][k] into rows of v, channels map.rows, for backward-weights. */
    void (*gradient)(const ps_winograd_map *map, const float *dy, size_t first, size_t count, ps_winograd_matrices v);
    /* Weights [map.k][kd][kh][kw][map.c] (flipped: the forward weights [map.c][kd][kh][kw][map.k] turned round, for
     * backward-data), channels [first, last) of panel `panel`, into rows of u: row td * (last - first) + channel -
     * first holds a panel. */
    void (*weights)(const ps_winograd_map *map, const float *w, bool flipped, int panel, int first, int last,
                    ps_winograd_matrices u);
    void (*multiply)(const ps_winograd_product *product, ps_winograd_matrices v, ps_winograd_matrices u,
                     ps_winograd_matrices m);
    /* Output tiles from m (one panel's channels from `channel` on) to y, with bias (may be NULL), overwriting or
     * adding. */
    void (*output)(const ps_winograd_map *map, ps_winograd_matrices m, size_t first, size_t count, int channel,
                   int vectors, const float *bias, bool accumulate, float *y);
    /* u (+)= g' v over `count` tiles: rows [0, rows) of g's columns by `columns` (whole vectors) columns of v. */
    void (*outer)(ps_winograd_kind kind, size_t count, int rows, int columns, ps_winograd_matrices g,
                  ps_winograd_matrices v, ps_winograd_matrices u, bool accumulate);
    /* dw [k][kd][kh][kw][c]: filters [k0, k0 + rows), depth tap td, channels [c0, c0 + channels), from the sum of
     * `groups` matrices u (group_step floats apart, added in order) whose row 0, column 0 is filter k0, channel c0. */
    void (*weights_gradient)(const ps_winograd_map *map, ps_winograd_matrices u, size_t groups, size_t group_step,
                             int k0, int rows, int td, int c0, int channels, float *dw);
} ps_winograd_kernels;

PS_SIMD_DECLARE(const ps_winograd_kernels *, ps_winograd_kernels_of, void);

#endif
