/* Resizing of maps by interpolation, on channels-last arrays. Along an axis of `in` positions, output o lies at
 *   nearest:                 floor(o in / out)
 *   linear:                  (o + 1/2) in / out - 1/2, not below 0
 *   linear, align_corners:   o (in - 1) / (out - 1); 0 where out is 1
 * and linear interpolation takes a + l (b - a) of the two positions around it, l being the distance from the first,
 * along w last (the conventions of PyTorch's interpolate). A channel that is constant stays exactly so. */
#ifndef PS_KERNELS_RESIZE_H
#define PS_KERNELS_RESIZE_H

#include <stdbool.h>
#include <stddef.h>

#include "core/shape.h"
#include "core/status.h"
#include "parallel/threads.h"

typedef struct {
    bool linear, align_corners;
} ps_resize_options;

typedef struct ps_resize_plan ps_resize_plan;

/* in and out may differ in d, h and w alone. The caller destroys the plan. */
ps_status ps_resize_plan_create(ps_resize_options options, ps_shape in, ps_shape out, ps_resize_plan **plan);
void ps_resize_plan_destroy(ps_resize_plan *plan);
size_t ps_resize_workspace_bytes(const ps_resize_plan *plan, int threads);

/* y is overwritten. */
void ps_resize_forward(const ps_resize_plan *plan, const float *x, float *y, void *workspace, ps_threads *threads);
/* dx is overwritten, or added to when accumulate: every input gathers from the outputs it has a part in. */
void ps_resize_backward(const ps_resize_plan *plan, const float *dy, float *dx, bool accumulate, void *workspace,
                        ps_threads *threads);

#endif
