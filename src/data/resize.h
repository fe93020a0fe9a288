/* Resizing of samples, channels-last [d][h][w][c], one axis after the other (d, h, w), each on its own:
 *   smaller: area average - every source position counts by the part of it that falls into the target position;
 *   larger: linear interpolation between position centres, edges held;
 *   equal: untouched.
 * Accumulated in float in a fixed order, so the result is the same everywhere; bytes are rounded to nearest, halves up.
 * Labels per position take the source position under the target's centre. The caller owns all buffers. */
#ifndef PS_DATA_RESIZE_H
#define PS_DATA_RESIZE_H

#include <stdint.h>

#include "core/shape.h"
#include "core/status.h"

typedef struct ps_resizer ps_resizer;

/* from.c must equal to.c; n is ignored. The resizer keeps its weights and room for a row (where the depth changes, for
 * a slice), for many samples of one shape. */
ps_status ps_resizer_create(ps_shape from, ps_shape to, ps_resizer **out);
void ps_resizer_destroy(ps_resizer *resizer);

void ps_resize_floats(ps_resizer *resizer, const float *from, float *to);
void ps_resize_bytes(ps_resizer *resizer, const uint8_t *from, uint8_t *to);
void ps_resize_labels(const ps_resizer *resizer, const int16_t *from, int16_t *to);

/* The shape of a sample after --size: height and width, and depth of a volume, become `size`; 0 keeps all. */
ps_shape ps_resize_target(ps_shape shape, int size);

#endif
