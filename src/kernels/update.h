/* One optimiser step over one parameter. Parameters, gradients and buffers are [rows][row_length] floats (row = one
 * node's incoming weights; a bias or a batch-norm vector has rows of one element). With an account the step also writes
 * down what moved each row (kernels/update_account.h); weights and buffers are bit for bit those without.
 *
 * Everything is cut by rows, so that results do not depend on the number of threads.
 *
 * SGD, in PyTorch's order (c: clip coefficient, lambda: weight decay, mu: momentum), B starting at zero:
 *   g' = c g + lambda w     B <- mu B + g'     w <- w - lr (nesterov ? g' + mu B : B)
 *
 * AdamW (Loshchilov & Hutter 2019), t = 1 at the first step:
 *   m <- b1 m + (1 - b1) c g     v <- b2 v + (1 - b2) (c g)^2
 *   s  = lr / (1 - b1^t) / (sqrt(v / (1 - b2^t)) + eps)       w <- w (1 - lr lambda) - s m */
#ifndef PS_KERNELS_UPDATE_H
#define PS_KERNELS_UPDATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/update_account.h"
#include "parallel/threads.h"

typedef struct {
    double lr, momentum, decay, clip; /* clip: coefficient that scales the loss gradient (1: no clipping) */
    bool nesterov;
} ps_update_sgd_step;

typedef struct {
    double lr, beta1, beta2, eps, decay, clip;
    uint64_t step; /* 1 at the first */
} ps_update_adamw_step;

/* w, momentum are updated. account NULL: plain. */
void ps_update_sgd(const ps_update_sgd_step *step, size_t rows, size_t row_length, const float *g, float *w,
                   float *momentum, ps_update_account *account, ps_threads *threads);
/* w, m, v are updated. account NULL: plain. */
void ps_update_adamw(const ps_update_adamw_step *step, size_t rows, size_t row_length, const float *g, float *w,
                     float *m, float *v, ps_update_account *account, ps_threads *threads);

#endif
