#include "kernels/peaks_simd.h"
#include "kernels/simd_vector.h"

/* Chains that do not wait for each other: two units of four cycles' latency need eight. */
#define CHAINS 12

float PS_SIMD_NAME(ps_peak_multiply_adds)(size_t rounds, double *flops) {
    vf sum[CHAINS], factor = splat(0.9999f), addend = splat(1e-4f);
    for (int c = 0; c < CHAINS; c++) sum[c] = splat((float)c);
    for (size_t r = 0; r < rounds; r++) {
#pragma GCC unroll 12
        for (int c = 0; c < CHAINS; c++) sum[c] = fma_(sum[c], factor, addend);
    }
    vf all = splat(0.0f);
    for (int c = 0; c < CHAINS; c++) all += sum[c];
    *flops = 2.0 * CHAINS * LANES * (double)rounds;
    return all[0];
}
