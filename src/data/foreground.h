/* How often each class occurs in a mask, counted by blocks of positions: any one of a class's positions, all as likely,
 * is found by counting, without a list of them. Nothing here allocates. */
#ifndef PS_DATA_FOREGROUND_H
#define PS_DATA_FOREGROUND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/rng.h"

/* How many counts a mask of so many positions has. */
size_t ps_foreground_counts(size_t positions, int classes);
/* Fills them: [blocks][classes]. */
void ps_foreground_count(const int16_t *mask, size_t positions, int classes, uint32_t *count);

/* Draws a class of those from 1 on that the mask has, each as likely, then one of its positions. Class 0 is the
 * background. false: there are none. */
bool ps_foreground_draw(const int16_t *mask, size_t positions, int classes, const uint32_t *count, ps_rng_key key,
                        size_t *position);

#endif
