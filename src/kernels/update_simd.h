/* Inside of update.c and update_account.c: the loops over spans and rows, compiled once per instruction set. Not for
 * other rooms. */
#ifndef PS_KERNELS_UPDATE_SIMD_H
#define PS_KERNELS_UPDATE_SIMD_H

#include <stdbool.h>
#include <stddef.h>

#include "kernels/simd.h"
#include "kernels/update.h"

typedef struct {
    float lr, momentum, decay, clip;
    bool nesterov;
    float carried; /* factor of carried_start at this step */
    const float *g;
    float *w, *buffer;
    float *window_buffer, *gradient_sum, *decay_sum; /* accounted only; decay_sum NULL: no decay */
    const float *carried_start;
} ps_update_sgd_job;

typedef struct {
    float beta1, beta2, rest1, rest2; /* rest: 1 - beta */
    float eps, clip, keep, decay;     /* keep = 1 - lr lambda, decay = lr lambda */
    float scale, root;                /* lr / (1 - b1^t), sqrt(1 - b2^t) */
    const float *g;
    float *w, *m, *v;
    float *window_buffer, *gradient_sum, *carried_sum, *decay_sum; /* accounted only; decay_sum NULL: no decay */
} ps_update_adamw_job;

/* Elements [begin, end). */
PS_SIMD_DECLARE(void, ps_update_sgd_span, const ps_update_sgd_job *job, size_t begin, size_t end);
PS_SIMD_DECLARE(void, ps_update_adamw_span, const ps_update_adamw_job *job, size_t begin, size_t end);
/* One row [begin, end); squares [PS_UPDATE_SUMS] receives the squared norms of this step's vectors and the zero
 * flag. */
PS_SIMD_DECLARE(void, ps_update_sgd_row, const ps_update_sgd_job *job, size_t begin, size_t end, double *squares);
PS_SIMD_DECLARE(void, ps_update_adamw_row, const ps_update_adamw_job *job, size_t begin, size_t end, double *squares);
/* Between windows of SGD with decay. carried_start holds B_c's start in an open window, B_d otherwise; the first
 * becomes B_c at the next window's start, the second turns B_c's start into B_d. */
typedef struct {
    const float *momentum, *window_buffer;
    float factor;
    bool open;
    float *carried_start;
} ps_update_carry_job;
PS_SIMD_DECLARE(void, ps_update_carry_span, const ps_update_carry_job *job, size_t begin, size_t end);
PS_SIMD_DECLARE(void, ps_update_share_span, const ps_update_carry_job *job, size_t begin, size_t end);
/* Nets of one row as squares (L1 as it is). Updates by what was carried are factor * carried; decay_sum NULL: none by
 * decay. */
typedef struct {
    const float *w, *start, *gradient_sum, *carried, *decay_sum;
    double factor;
} ps_update_net_job;
PS_SIMD_DECLARE(void, ps_update_net_row, const ps_update_net_job *job, size_t begin, size_t end, double *nets);

#endif
