/* Loops of resize.c for one instruction set; see resize_simd.h. */
#include "kernels/resize_simd.h"

#include "kernels/simd_vector.h"

INLINE void between(const float *a, const float *b, float l, size_t count, float *out) {
    vf share = splat(l);
    size_t i = 0;
    for (; i + LANES <= count; i += LANES) {
        vf from = load(a + i);
        store(out + i, fma_(share, load(b + i) - from, from));
    }
    if (i == count) return;
    int rest = (int)(count - i);
    vf from = load_part(a + i, rest);
    store_part(out + i, fma_(share, load_part(b + i, rest) - from, from), rest);
}

void PS_SIMD_NAME(ps_resize_between)(const float *a, const float *b, float l, size_t count, float *out) {
    between(a, b, l, count, out);
}

INLINE void copy(const float *from, size_t count, float *to) {
    size_t i = 0;
    for (; i + LANES <= count; i += LANES) store(to + i, load(from + i));
    if (i < count) store_part(to + i, load_part(from + i, (int)(count - i)), (int)(count - i));
}

void PS_SIMD_NAME(ps_resize_along)(const float *line, const int *first, const int *second, const float *l,
                                   size_t positions, size_t c, float *out) {
    for (size_t o = 0; o < positions; o++, out += c) {
        const float *a = line + (size_t)first[o] * c, *b = line + (size_t)second[o] * c;
        if (l[o] == 0) copy(a, c, out);
        else between(a, b, l[o], c, out);
    }
}

void PS_SIMD_NAME(ps_resize_add)(const float *x, float weight, size_t count, float *sum) {
    vf factor = splat(weight);
    size_t i = 0;
    for (; i + LANES <= count; i += LANES) store(sum + i, fma_(factor, load(x + i), load(sum + i)));
    if (i == count) return;
    int rest = (int)(count - i);
    store_part(sum + i, fma_(factor, load_part(x + i, rest), load_part(sum + i, rest)), rest);
}
