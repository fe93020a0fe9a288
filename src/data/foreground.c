#include "data/foreground.h"

#include <string.h>

enum { BLOCK = 4096 };

static size_t blocks_of(size_t positions) { return (positions + BLOCK - 1) / BLOCK; }

size_t ps_foreground_counts(size_t positions, int classes) { return blocks_of(positions) * (size_t)classes; }

void ps_foreground_count(const int16_t *mask, size_t positions, int classes, uint32_t *count) {
    memset(count, 0, ps_foreground_counts(positions, classes) * sizeof *count);
    for (size_t i = 0; i < positions; i++)
        if (mask[i] >= 0 && mask[i] < classes) count[i / BLOCK * (size_t)classes + (size_t)mask[i]]++;
}

static uint64_t count_of(size_t positions, int classes, const uint32_t *count, int which) {
    uint64_t sum = 0;
    for (size_t b = 0; b < blocks_of(positions); b++) sum += count[b * (size_t)classes + (size_t)which];
    return sum;
}

/* The class that is the `number`-th of those that occur; 0: there are fewer. */
static int class_present(size_t positions, int classes, const uint32_t *count, uint32_t number) {
    for (int k = 1; k < classes; k++)
        if (count_of(positions, classes, count, k) > 0 && number-- == 0) return k;
    return 0;
}

static size_t find(const int16_t *mask, size_t positions, int classes, const uint32_t *count, int which,
                   uint64_t number) {
    size_t at = 0;
    for (size_t b = 0; b < blocks_of(positions); b++, at += BLOCK) {
        uint32_t here = count[b * (size_t)classes + (size_t)which];
        if (number < here) break;
        number -= here;
    }
    for (; at < positions; at++)
        if (mask[at] == which && number-- == 0) break;
    return at;
}

bool ps_foreground_draw(const int16_t *mask, size_t positions, int classes, const uint32_t *count, ps_rng_key key,
                        size_t *position) {
    uint32_t present = 0;
    for (int k = 1; k < classes; k++) present += count_of(positions, classes, count, k) > 0;
    if (present == 0) return false;
    int which = class_present(positions, classes, count, ps_rng_below(key, 0, present));
    uint64_t voxels = count_of(positions, classes, count, which);
    uint64_t most = voxels < UINT32_MAX ? voxels : UINT32_MAX;
    *position = find(mask, positions, classes, count, which, ps_rng_below(key, 1, (uint32_t)most));
    return true;
}
