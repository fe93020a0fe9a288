/* Cells of any size, moved about: pixels of bytes or floats with all their channels, labels. For operations of
 * augmentation. */
#ifndef PS_DATA_AUGMENT_CELLS_H
#define PS_DATA_AUGMENT_CELLS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline void ps_cells_fill(char *target, size_t cells, size_t cell, const void *value) {
    for (size_t i = 0; i < cells; i++) memcpy(target + i * cell, value, cell);
}

static inline void ps_cells_swap(char *a, char *b, size_t cell) {
    size_t i = 0;
    for (; i + sizeof(uint32_t) <= cell; i += sizeof(uint32_t)) {
        uint32_t held_a, held_b;
        memcpy(&held_a, a + i, sizeof held_a);
        memcpy(&held_b, b + i, sizeof held_b);
        memcpy(a + i, &held_b, sizeof held_b);
        memcpy(b + i, &held_a, sizeof held_a);
    }
    for (; i < cell; i++) {
        char held = a[i];
        a[i] = b[i];
        b[i] = held;
    }
}

#endif
