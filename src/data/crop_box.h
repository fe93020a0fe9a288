/* The part of a volume that is not zero: volumes that were cut out of their surroundings on purpose (skull-stripped
 * heads) are cropped to it. */
#ifndef PS_DATA_CROP_BOX_H
#define PS_DATA_CROP_BOX_H

#include <stdint.h>

#include "core/shape.h"

typedef struct {
    int first[3], count[3]; /* along d, h, w */
} ps_crop_box;

/* Of a volume that is read row by row: begin, then each row of each channel, its values at positions first, first +
 * step, .. of [d][h][w] along one axis; then the smallest box with all positions at which a channel is not 0: the whole
 * of a volume that is 0 everywhere. */
typedef struct {
    int side[3], low[3], high[3];
} ps_crop_search;
void ps_crop_begin(ps_crop_search *search, ps_shape shape);
void ps_crop_add(ps_crop_search *search, int64_t first, int64_t step, const float *value, int count);
ps_crop_box ps_crop_end(const ps_crop_search *search);

#endif
