/* Volumes at another number of positions along d, h, w, as nnU-Net resamples them: borders of the first and the last
 * position stay where they are (position i of n is at (i + 1/2) m / n - 1/2 of m), and what lies beyond is the nearest
 * border's. One axis, that of thick slices, may be taken nearest while the others are interpolated. */
#ifndef PS_DATA_RESAMPLE_H
#define PS_DATA_RESAMPLE_H

#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

typedef enum { PS_RESAMPLE_CUBIC /* splines */, PS_RESAMPLE_LINEAR } ps_resampling;

/* Along which axis positions are taken nearest, -1: none: where one spacing is more than 3 times the least, of the
 * spacing that is left, else of that which is wanted, and no other axis is as coarse. */
int ps_resample_nearest_axis(const double from_mm[3], const double to_mm[3]);
/* Positions that a side comes to at another spacing. */
int ps_resample_side(int side, double from_mm, double to_mm);

/* in [from][channels], out [to][channels]. Cubic values are held within those of the volume (of their slice, where an
 * axis is nearest), as splines swing beyond. */
ps_status ps_resample_values(ps_resampling kind, const float *in, const int from[3], int channels, int nearest_axis,
                             const int to[3], float *out);
/* A position has the class, -1 for one, whose indicator is at least 1/2 there when interpolated linearly; class 0 where
 * none is, the larger of two. */
ps_status ps_resample_labels(const int16_t *in, const int from[3], int nearest_axis, const int to[3], int16_t *out);
/* Scores [from][classes] are interpolated linearly; a position has the class of the largest, the first of equals. */
ps_status ps_resample_scores(const float *in, const int from[3], int classes, int nearest_axis, const int to[3],
                             int16_t *out);

#endif
