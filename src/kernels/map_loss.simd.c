#include "kernels/map_loss_simd.h"
#include "kernels/simd_exp.h"

enum { BLOCK = PS_MAP_BLOCK };

/* Rows become lanes: channels are few, and rows many. */
static void turn(const float *x, size_t rows, size_t c, float *p) {
    for (size_t r = 0; r < rows; r++)
        for (size_t k = 0; k < c; k++) p[k * BLOCK + r] = x[r * c + k];
    for (size_t k = 0; k < c; k++)
        for (size_t r = rows; r < BLOCK; r++) p[k * BLOCK + r] = 0;
}

void PS_SIMD_NAME(ps_map_softmax)(const float *x, size_t rows, size_t c, float *p, float *top, float *sum) {
    turn(x, rows, c, p);
    for (size_t r = 0; r < rows; r += LANES) {
        vf most = load(p + r), all = splat(0.0f);
        for (size_t k = 1; k < c; k++) {
            vf v = load(p + k * BLOCK + r);
            most = pick(v > most, v, most);
        }
        for (size_t k = 0; k < c; k++) {
            vf e = load(p + k * BLOCK + r) - most;
            exp_of(1, &e, &e);
            all += e;
            store(p + k * BLOCK + r, e);
        }
        vf share = splat(1.0f) / all;
        for (size_t k = 0; k < c; k++) store(p + k * BLOCK + r, load(p + k * BLOCK + r) * share);
        store(top + r, most);
        store(sum + r, all);
    }
}

void PS_SIMD_NAME(ps_map_add)(const float *p, const float *on, size_t c, double *sum) {
    for (size_t k = 0; k < c; k++, p += BLOCK) {
        vf all = splat(0.0f);
        for (size_t r = 0; r < BLOCK; r += LANES) all += load(p + r) * load(on + r);
        double total = 0;
        for (int i = 0; i < LANES; i++) total += (double)all[i];
        sum[k] += total;
    }
}
