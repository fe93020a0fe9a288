/* Attention within each head (Vaswani et al. 2017): of a sample's positions i, j,
 *     p(i, j) = softmax over j of q(i) . k(j) / sqrt(size),   y(i) = sum over j of p(i, j) v(j).
 * qkv [samples][positions][heads][3][size] holds q, k and v; y is [samples][positions][heads][size].
 *
 * Scores are made for a block of queries of one sample and head at a time, whatever the length. Few positions' weights
 * are kept for backward; those of many, which would take far more room than y, are made again there. Dropout multiplies
 * p(i, j) by 0 or 1 / (1 - p): by ps_rng_uniform of the key and the index of the score in
 * [samples][heads][positions][positions], so that backward draws it again. */
#ifndef PS_KERNELS_ATTENTION_H
#define PS_KERNELS_ATTENTION_H

#include <stdbool.h>
#include <stddef.h>

#include "core/rng.h"
#include "parallel/threads.h"

typedef struct {
    int samples, positions, heads, size; /* size: channels of a head */
    double dropout;                      /* share of the p that become 0; 0: none */
    ps_rng_key key;
} ps_attention;

/* Kept from forward to backward: of every query its largest score and one over the sum of exponentials,
 * [samples][heads][positions][2]; with at most twice as many positions as a head has channels also the weights p before
 * dropout, [samples][heads][positions][positions]. */
size_t ps_attention_kept_floats(const ps_attention *a);
size_t ps_attention_workspace_bytes(const ps_attention *a, int threads);

void ps_attention_forward(const ps_attention *a, const float *qkv, float *y, float *kept, void *workspace,
                          ps_threads *threads);
/* dqkv is overwritten. */
void ps_attention_backward(const ps_attention *a, const float *qkv, const float *y, const float *kept, const float *dy,
                           float *dqkv, void *workspace, ps_threads *threads);

/* After forward without dropout, of the first `samples`: entropy[head] += the sum over queries of -sum over j of
 * p log p; squares[head] += the sum of squares of what the head adds to a projection of y by w[out][heads * size]. */
void ps_attention_measure(const ps_attention *a, const float *qkv, const float *y, const float *kept, const float *w,
                          int out, int samples, double *entropy, double *squares, void *workspace, ps_threads *threads);
size_t ps_attention_measure_bytes(const ps_attention *a, int out, int threads);

#endif
