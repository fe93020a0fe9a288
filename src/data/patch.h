/* Patches: what a network sees of a sample that is larger, or smaller, than its input. A patch is cut out of a sample
 * by a map from the cells of the patch to places in the sample: a shift, or any affine one, so that turning and scaling
 * are the same cut and see what lies beyond the patch. Nothing here allocates; all functions are pure. */
#ifndef PS_DATA_PATCH_H
#define PS_DATA_PATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "core/rng.h"
#include "core/shape.h"

/* Axes are in the order d, h, w. Cell p of the patch lies at shift + p in the sample; where it is turned, at
 * origin + turn p, in cells of the sample, of which the first is at 0. */
typedef struct {
    int shift[3];
    bool turned;
    bool votes; /* labels: the one with the most weight of the cells around a place, and not that of the nearest */
    double origin[3], turn[3][3];
} ps_cut;

/* ---- where ---- */

/* Anywhere that keeps the patch within the sample; along an axis on which it is longer, the sample within the patch,
 * as near to its middle as whole cells allow. */
ps_cut ps_cut_random(ps_shape sample, ps_shape patch, ps_rng_key key);
ps_cut ps_cut_centre(ps_shape sample, ps_shape patch);
/* Around a position of the sample [d][h][w], moved as far as it takes to hold to the same; or, with `beyond`, only to
 * begin no earlier: it may reach beyond the far ends of the sample, as nnU-Net's do. */
ps_cut ps_cut_around(ps_shape sample, ps_shape patch, size_t position, bool beyond);

/* Height and width times a factor, rounded down, at least 1. */
ps_shape ps_cut_scaled_shape(ps_shape sample, double factor);
/* The position of the resized sample in which the middle of one of the sample lies. */
size_t ps_cut_scaled_position(ps_shape sample, ps_shape scaled, size_t position);
/* A cut of a sample that was resized, as one of the sample as it is: cell i of the former lies at (i + 1/2) s/t - 1/2
 * of the latter, s being the side of the sample and t that of the resized one. Before any turn. */
void ps_cut_scale(ps_cut *cut, ps_shape sample, ps_shape scaled);
/* Turns the cut about the centre of the patch: what was `turn` p from it in the patch is seen at p. Composes with an
 * earlier turn. Its labels vote from then on. */
void ps_cut_turn(ps_cut *cut, ps_shape patch, const double turn[3][3]);

/* ---- cutting ---- */

/* Pixels of a sample [d][h][w][c] as they are stored, and what makes floats of them: of bytes a table [c][256], of
 * floats (value - mean) / deviation. */
typedef struct {
    ps_shape shape;
    const void *pixel;
    const float *byte_value; /* NULL: pixels are floats */
    const double *mean, *deviation;
} ps_cut_source;

/* x [patch], normalised; outside [c]: what lies outside of the sample. Turned cuts are interpolated linearly between
 * centres of cells, which `outside` lies around. */
void ps_cut_floats(const ps_cut *cut, const ps_cut_source *source, ps_shape patch, const float *outside, float *x);
/* The same of bytes that stay bytes, rounded to nearest. */
void ps_cut_bytes(const ps_cut *cut, ps_shape shape, const uint8_t *pixel, ps_shape patch, const uint8_t *outside,
                  uint8_t *x);
/* Label of the nearest cell; where labels vote, the one whose cells have the most of the weight that pixels are
 * interpolated with, of equal ones that of the nearest cell, else the least. What lies outside has one vote, too, and
 * is labelled `outside`. */
void ps_cut_labels(const ps_cut *cut, ps_shape shape, const int16_t *mask, ps_shape patch, int outside, int32_t *label);

#endif
