/* One linear map of every position: y [samples][rows][k] = x [samples][rows][c] w[k][c]^T + bias[k]. Sums over samples
 * go along the batch's tree (parallel/reduce.h). */
#ifndef PS_KERNELS_PROJECTION_H
#define PS_KERNELS_PROJECTION_H

#include <stdbool.h>
#include <stddef.h>

#include "parallel/threads.h"

typedef struct {
    int samples, rows; /* rows: positions of a sample */
    int c, k;
} ps_projection;

/* bias may be NULL. */
void ps_projection_forward(const ps_projection *p, const float *x, const float *w, const float *bias, float *y,
                           ps_threads *threads);
void ps_projection_input_gradient(const ps_projection *p, const float *dy, const float *w, float *dx, bool accumulate,
                                  ps_threads *threads);
/* Both overwrite. workspace: ps_projection_workspace_bytes. */
void ps_projection_weight_gradient(const ps_projection *p, const float *x, const float *dy, float *dw, void *workspace,
                                   ps_threads *threads);
/* The same without other processes' samples. */
void ps_projection_sum_weights(const ps_projection *p, const float *x, const float *dy, float *dw, void *workspace,
                               ps_threads *threads);
void ps_projection_bias_gradient(const ps_projection *p, const float *dy, float *db, void *workspace,
                                 ps_threads *threads);
size_t ps_projection_workspace_bytes(const ps_projection *p, int threads);

/* out[j] = the sum of x[sample][row][j], j < count, in double. A sample is `stride` floats: `rows` rows of `count`, and
 * what is left out. workspace: ps_row_sums_bytes. */
typedef struct {
    size_t samples, stride, rows, count;
} ps_row_sums;
void ps_row_sums_add_up(const ps_row_sums *sums, const float *x, float *out, void *workspace, ps_threads *threads);
size_t ps_row_sums_bytes(const ps_row_sums *sums);

#endif
