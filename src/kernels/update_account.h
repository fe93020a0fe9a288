/* The accounting of what moved each row of a parameter over a window of optimiser steps (kernels/update.h: row = one
 * node's incoming weights). It only watches: with it and without, weights and buffers are the same bit for bit.
 *
 * SGD (c: clip coefficient, lambda: weight decay, mu: momentum): B is split linearly into the gradients of this window
 * (B_w, zero at the window's start), the weight decay of all steps (B_d) and the gradient momentum carried over the
 * window's start (B_c, which only fades: mu^t of its start):
 *   B_w <- mu B_w + c g     B_c <- mu B_c     B = B_w + B_d + B_c, so that B_d <- mu B_d + lambda w
 *   dw = -lr (nesterov ? c g + mu B_w : B_w)              path_gradient
 *        -lr (nesterov ? lambda w + mu B_d : B_d)         path_decay
 *        -lr (nesterov ? mu B_c : B_c)                    path_carried
 *        + residual                                       rounding
 * It is an accounting, not a causal split: through w the parts drive each other. Norms of parts do not add up; vectors
 * do. B_c is a known factor times its start, and B_d what B_w and B_c leave of B (within the rounding of B): of the
 * three, B_w and the start of B_c are kept. Without weight decay B_d is 0 and nothing is kept of it.
 *
 * AdamW: the first moment is split as SGD's momentum is; s is the step's own and shared by the parts:
 *   m_w <- b1 m_w + (1 - b1) c g, zero at the window's start     m_c = m - m_w, which only fades
 *   dw = -s m_w                                              path_gradient
 *        -s m_c                                              path_carried
 *        -lr lambda w                                        path_decay
 *        + residual                                          rounding
 * s holds the second moment, and with it gradients from before the window: it scales the parts and moves nothing by
 * itself. A window without gradient has path_gradient exactly 0; one without earlier moments has path_carried exactly
 * 0.
 *
 * Net displacements are sums of each part's own updates, never differences of others: a part that was 0 at every step
 * has a net of exactly 0. */
#ifndef PS_KERNELS_UPDATE_ACCOUNT_H
#define PS_KERNELS_UPDATE_ACCOUNT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/status.h"
#include "parallel/threads.h"

/* Per-row sums over the steps of a window (double). Vector norms are L2. */
typedef enum {
    PS_UPDATE_PATH,                /* sum of ||dw|| */
    PS_UPDATE_PATH_GRADIENT,       /* sum of ||part of this window's gradients|| */
    PS_UPDATE_PATH_CARRIED,        /* sum of ||part of the momentum (first moment) carried over the window's start|| */
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
    PS_UPDATE_NET_DECAY,    /* ||sum of the updates by weight decay|| */
    PS_UPDATE_L1,           /* of w now */
    PS_UPDATE_L2,           /* of w now */
    PS_UPDATE_L2_START,     /* of w at the window's start */
    PS_UPDATE_NETS
} ps_update_net;

/* Owns its memory. Nobody but these functions writes to it. */
typedef struct {
    size_t rows, row_length;
    bool sgd, decays, open; /* decays: some steps have weight decay; open: a window has begun and is not closed */
    uint64_t steps;         /* in this window so far */
    double carried_factor;  /* product of the momenta of this window's steps */
    float carried;          /* the same as steps take it: 0 where it is far below any rounding */
    double carried_moved;   /* what multiplies carried_start in the updates so far, added up */
    double *sums;           /* [PS_UPDATE_SUMS][rows] */
    double *nets;           /* [PS_UPDATE_NETS][rows], valid after ps_update_account_close */
    /* All [rows][row_length]. The updates so far by this window's gradients, by decay, and by what was carried. */
    float *weights_start, *gradient_sum;
    float *decay_sum;     /* NULL without decay */
    float *carried_sum;   /* AdamW; SGD's is carried_moved carried_start */
    float *window_buffer; /* momentum (first moment) of this window's gradients */
    float *carried_start; /* SGD: B_c at the window's start; once the window is closed B_d, which outlives it */
} ps_update_account;

/* decays: whether steps will have weight decay. */
ps_status ps_update_account_create(size_t rows, size_t row_length, bool sgd, bool decays, ps_update_account **out);
void ps_update_account_destroy(ps_update_account *account); /* NULL is fine */
/* Begins a window at weights w: clears the sums; momentum: the optimiser's B (NULL for AdamW, whose m is carried as it
 * stands). What B holds beyond the decay's share becomes carried; on the first call all of B does. */
void ps_update_account_begin(ps_update_account *account, const float *w, const float *momentum, ps_threads *threads);
/* Ends a window: works out nets from the weights as they are now, and what share of momentum (as for
 * ps_update_account_begin) is the decay's. Call ps_update_account_begin to start the next. */
void ps_update_account_close(ps_update_account *account, const float *w, const float *momentum, ps_threads *threads);
/* What has to outlive a window, and so to stand in a checkpoint: the decay's share of the momentum between windows
 * [rows][row_length]; NULL where there is none. */
float *ps_update_account_decay_share(ps_update_account *account);

#endif
