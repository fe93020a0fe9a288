/* Loops of the scatter method for one instruction set; see conv_scatter.h. */
#include "kernels/conv_scatter.h"
#include "kernels/simd_vector.h"

static void turn(const float *rows, size_t count, size_t channels, float *turned, size_t step) {
    for (size_t i = 0; i < channels; i += LANES) {
        size_t height = channels - i < LANES ? channels - i : LANES;
        for (size_t p = 0; p < step; p += LANES) {
            vf square[LANES];
            for (size_t r = 0; r < LANES; r++) {
                square[r] = p + r < count ? load_upto(rows + (p + r) * channels + i, (int)height) : splat(0.0f);
            }
            transpose(square);
            for (size_t r = 0; r < height; r++) store(turned + (i + r) * step + p, square[r]);
        }
    }
}

static void multiply(const float *w, size_t outputs, size_t channels, const float *turned, size_t step, float *out) {
    size_t blocks = (outputs + ROWS - 1) / ROWS;
    for (size_t block = 0; block < blocks; block++) {
        size_t j = outputs * block / blocks;
        int rows = (int)(outputs * (block + 1) / blocks - j);
        for (size_t p = 0; p < step; p += 2 * LANES) {
#define CALL(n) product_block(n, 2, w + j, 1, outputs, turned + p, step, channels, out + j * step + p, step, 0)
            WITH_CONSTANT_ROWS(rows, CALL)
#undef CALL
        }
    }
}

static void add(const float *from, size_t count, float *to) {
    size_t i = 0;
    for (; i + LANES <= count; i += LANES) store(to + i, load(to + i) + load(from + i));
    if (i < count)
        store_part(to + i, load_part(to + i, (int)(count - i)) + load_part(from + i, (int)(count - i)),
                   (int)(count - i));
}

const ps_scatter_kernels *PS_SIMD_NAME(ps_scatter_kernels_of)(void) {
    static const ps_scatter_kernels kernels = {turn, multiply, add};
    return &kernels;
}
