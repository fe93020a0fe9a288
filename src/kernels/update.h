/* One optimiser step over one parameter, and the accounting of what moved each of its rows (row = one node's incoming
 * weights; a bias or a batch-norm vector has rows of one element). Parameters, gradients and buffers are
 * [rows][row_length] floats.
 *
 * The accounted functions give bit for bit the weights and buffers of the plain ones; they only watch. Everything is
 * cut by rows, so that results do not depend on the number of threads.
 *
 * SGD, in PyTorch's order (c: clip coefficient, lambda: weight decay, mu: momentum), B starting at zero:
 *   g' = c g + lambda w     B <- mu B + g'     w <- w - lr (nesterov ? g' + mu B : B)
 * Accounting splits B linearly into the gradients of this window (B_w, zero at the window's start), the weight decay of
 * all steps (B_d) and the gradient momentum carried over the window's start (B_c, which only fades: mu^t of its start):
 *   B_w <- mu B_w + c g     B_d <- mu B_d + lambda w     B_c <- mu B_c     B = B_w + B_d + B_c
 *   dw = -lr (nesterov ? c g + mu B_w : B_w)              path_gradient
 *        -lr (nesterov ? lambda w + mu B_d : B_d)         path_decay
 *        -lr (nesterov ? mu B_c : B_c)                    path_carried
 *        + residual                                       rounding
 * It is an accounting, not a causal split: through w the parts drive each other. Norms of parts do not add up; vectors
 * do.
 *
 * AdamW (Loshchilov & Hutter 2019), t = 1 at the first step:
 *   m <- b1 m + (1 - b1) c g     v <- b2 v + (1 - b2) (c g)^2
 *   w <- w (1 - lr lambda) - lr / (1 - b1^t)  m / (sqrt(v / (1 - b2^t)) + eps)
 * Its step is not linear in the gradients, so nothing is set apart as carried: the m/v term is the gradient part (a
 * dead node keeps moving by it until m has faded, and is reported as moving), -lr lambda w the decay part. */
#ifndef PS_KERNELS_UPDATE_H
#define PS_KERNELS_UPDATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/pool.h"
#include "core/status.h"

typedef struct {
    double lr, momentum, decay, clip; /* clip: coefficient that scales the loss gradient (1: no clipping) */
    bool nesterov;
} ps_update_sgd_step;

typedef struct {
    double lr, beta1, beta2, eps, decay, clip;
    uint64_t step; /* 1 at the first */
} ps_update_adamw_step;

/* Per-row sums over the steps of a window (double). Vector norms are L2. */
typedef enum {
    PS_UPDATE_PATH,                /* sum of ||dw|| */
    PS_UPDATE_PATH_GRADIENT,       /* sum of ||part of this window's gradients|| (AdamW: the m/v term) */
    PS_UPDATE_PATH_CARRIED,        /* sum of ||part of momentum carried over the window's start|| (AdamW: 0) */
    PS_UPDATE_PATH_DECAY,          /* sum of ||part of weight decay|| */
    PS_UPDATE_PATH_RESIDUAL,       /* sum of ||dw - the three parts||: rounding */
    PS_UPDATE_GRAD_SQUARES,        /* sum of ||g||^2 of the loss gradient, before clipping */
    PS_UPDATE_ZERO_GRADIENT_STEPS, /* steps at which every element of g was exactly 0 */
    PS_UPDATE_SUMS
} ps_update_sum;

/* Per-row results at a window's end (double). */
typedef enum {
    PS_UPDATE_NET,          /* ||w - w at the window's start|| */
    PS_UPDATE_NET_GRADIENT, /* ||sum of the gradient-driven updates, carried ones included|| */
    PS_UPDATE_NET_DECAY,    /* ||(w - w at the start) - that sum||: what decay (and rounding) moved */
    PS_UPDATE_L1,           /* of w now */
    PS_UPDATE_L2,           /* of w now */
    PS_UPDATE_L2_START,     /* of w at the window's start */
    PS_UPDATE_NETS
} ps_update_net;

/* Owns its memory. Nobody but these functions writes to it. */
typedef struct {
    size_t rows, row_length;
    bool sgd;
    uint64_t steps;                      /* in this window so far */
    double carried_factor;               /* product of the momenta of this window's steps */
    double carried_moved;                /* what multiplies carried_start in the updates so far, added up */
    double *sums;                        /* [PS_UPDATE_SUMS][rows] */
    double *nets;                        /* [PS_UPDATE_NETS][rows], valid after ps_update_account_close */
    float *weights_start, *gradient_sum; /* [rows][row_length] */
    float *window_buffer, *decay_buffer, *carried_start; /* the same; NULL for AdamW */
} ps_update_account;

ps_status ps_update_account_create(size_t rows, size_t row_length, bool sgd, ps_update_account **out);
void ps_update_account_destroy(ps_update_account *account); /* NULL is fine */
/* Begins a window at weights w: clears the sums; momentum: the optimiser's B (NULL for AdamW). What B holds beyond the
 * decay's share becomes carried; on the first call all of B does. */
void ps_update_account_begin(ps_update_account *account, const float *w, const float *momentum, ps_pool *pool);
/* Ends a window: works out nets from the weights as they are now. Call ps_update_account_begin to start the next. */
void ps_update_account_close(ps_update_account *account, const float *w, ps_pool *pool);
/* Net displacement of one weight so far in the window by its gradients alone, without what momentum carried over its
 * start (AdamW: with it). Not exactly 0 but for rounding where both cancel in single precision. */
static inline double ps_update_account_gradient_net(const ps_update_account *account, size_t at) {
    double carried = account->sgd ? account->carried_moved * (double)account->carried_start[at] : 0;
    return (double)account->gradient_sum[at] - carried;
}
/* Everything that must survive a checkpoint within a window, as memory areas to save and load as they are: area
 * `index`, false past the last. Areas of floats and of doubles; never NULL or empty. */
bool ps_update_account_area(ps_update_account *account, int index, void **data, size_t *size_bytes);

/* w, momentum are updated. account NULL: plain. */
void ps_update_sgd(const ps_update_sgd_step *step, size_t rows, size_t row_length, const float *g, float *w,
                   float *momentum, ps_update_account *account, ps_pool *pool);
/* w, m, v are updated. account NULL: plain. */
void ps_update_adamw(const ps_update_adamw_step *step, size_t rows, size_t row_length, const float *g, float *w,
                     float *m, float *v, ps_update_account *account, ps_pool *pool);

#endif
