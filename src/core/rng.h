/* Counter-based random numbers (Philox 4x32-10: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
 *
 * A number is a function of (seed, name, index) and of nothing else: no state, no order of drawing. Arms of an
 * experiment therefore share backbone weights, data order and augmentation whatever else differs between them,
 * and any number of threads draws the same numbers. */
#ifndef PS_CORE_RNG_H
#define PS_CORE_RNG_H

#include <stdint.h>

typedef struct {
    uint32_t word[2];
} ps_rng_key;

/* Key of a named stream, e.g. ps_rng_key_of(seed, "init/conv1.0.weight"). */
ps_rng_key ps_rng_key_of(uint64_t seed, const char *name);
/* Key derived from a key and a number (an epoch, a step, a sample). */
ps_rng_key ps_rng_key_fold(ps_rng_key key, uint64_t number);

uint32_t ps_rng_u32(ps_rng_key key, uint64_t index);
/* Uniform in [0, 1): 24 bits, exactly representable. */
float ps_rng_uniform(ps_rng_key key, uint64_t index);
/* Standard normal (Box-Muller on two words of one counter). */
float ps_rng_normal(ps_rng_key key, uint64_t index);
/* Four of them, on all words of one counter; the first is ps_rng_normal's. */
void ps_rng_normals(ps_rng_key key, uint64_t index, float out[4]);
/* Uniform integer in [0, bound), bound >= 1 (multiply-shift on 64 bits; bias below 2^-32). */
uint32_t ps_rng_below(ps_rng_key key, uint64_t index, uint32_t bound);
/* Fills order[0..count) with a permutation of 0..count-1 (Fisher-Yates). */
void ps_rng_permutation(ps_rng_key key, uint32_t count, uint32_t *order);

#endif
