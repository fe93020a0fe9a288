/* Shapes. Logical order n, c, d, h, w (2D is d = 1; a vector is d = h = w = 1);
 * memory order channels-last: index = (((n * d_ + z) * h_ + y) * w_ + x) * c_ + channel. */
#ifndef PS_CORE_SHAPE_H
#define PS_CORE_SHAPE_H

#include <stdbool.h>
#include <stddef.h>

typedef struct {
    int n, c, d, h, w;
} ps_shape;

static inline size_t ps_shape_positions(ps_shape s) { return (size_t)s.n * (size_t)s.d * (size_t)s.h * (size_t)s.w; }
static inline size_t ps_shape_elements(ps_shape s) { return ps_shape_positions(s) * (size_t)s.c; }
static inline bool ps_shape_equal(ps_shape a, ps_shape b) {
    return a.n == b.n && a.c == b.c && a.d == b.d && a.h == b.h && a.w == b.w;
}
static inline bool ps_shape_same_sides(ps_shape a, ps_shape b) { return a.d == b.d && a.h == b.h && a.w == b.w; }
static inline ps_shape ps_shape_with_batch(ps_shape s, int n) {
    s.n = n;
    return s;
}

#endif
