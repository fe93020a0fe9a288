/* The part of a volume that is not zero: volumes that were cut out of their surroundings on purpose (skull-stripped
 * heads) are cropped to it. */
#ifndef PS_DATA_CROP_BOX_H
#define PS_DATA_CROP_BOX_H

#include <stddef.h>

#include "core/shape.h"

typedef struct {
    int first[3], count[3]; /* along d, h, w */
} ps_crop_box;

/* Of pixels [d][h][w][c]: the smallest box with all positions at which a channel is not 0; the whole of a volume that
 * is 0 everywhere. */
ps_crop_box ps_crop_box_find(const float *pixel, ps_shape shape);

#endif
