/* Images of a batch mixed with each other: mixup (Zhang et al. 2018) and cutmix (Yun et al. 2019) as timm's Mixup has
 * them, one mixture for a whole batch. Row r of a batch of n is mixed with row n - 1 - r; the middle one of an odd
 * batch is its own partner and stays as it is. What is drawn is a function of (seed, step) alone: arms share it. */
#ifndef PS_DATA_MIX_H
#define PS_DATA_MIX_H

#include <stdbool.h>
#include <stdint.h>

#include "core/rng.h"
#include "core/shape.h"
#include "core/status.h"

/* All zero: nothing is mixed. */
typedef struct {
    double mixup, cutmix; /* alpha of Beta(alpha, alpha), which the share is drawn from; 0: not this one */
    double cutmix_share;  /* of batches, where both are in use */
    int until_epoch;      /* from this epoch on nothing is mixed; 0: always */
} ps_mix_options;

/* The mixture of one batch. */
typedef struct {
    double share;                 /* of a row's own image; 1: nothing is mixed */
    bool cut;                     /* a box is the partner's, and all else the row's own; else both are added up */
    int top, left, bottom, right; /* of that box: its last row and column are before bottom and right */
} ps_mix;

bool ps_mix_used(const ps_mix_options *options);
/* Refuses (PS_ERR_USAGE) what makes no sense. */
ps_status ps_mix_check(const ps_mix_options *options);
/* key: of the seed's stream "data/mix". */
ps_mix ps_mix_draw(const ps_mix_options *options, ps_rng_key key, uint64_t step, uint64_t epoch, ps_shape shape);
/* Entropy of a target of one of so many classes, made of two labels (one and the same or not) with that share, and
 * smoothed. */
double ps_mix_entropy(double share, bool same, double smoothing, int classes);
/* Two rows [d][h][w][c] with each other, in place. */
void ps_mix_pair(const ps_mix *mix, ps_shape shape, float *a, float *b);

#endif
