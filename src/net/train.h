/* The training loop: steps, windows, probing times, evaluation, checkpoints, stopping. It knows nothing of what is
 * recorded: instruments attach through ps_train_hooks. */
#ifndef PS_NET_TRAIN_H
#define PS_NET_TRAIN_H

#include "net/checkpoint.h"

/* Where the time of a step went, in ns: waiting for its input, and the passes over all of its parts. */
typedef struct {
    uint64_t input, forward, loss, backward, update;
} ps_step_time;

typedef struct {
    uint64_t step; /* of this batch, from 0 */
    ps_loss loss;  /* counted 0: a batch without labels, which has no loss and is no broken step */
    ps_update_report update;
    uint64_t step_ns;
    ps_step_time time;
} ps_train_step;

/* Whether loss and gradient were finite. */
bool ps_train_step_finite(const ps_train_step *step);

/* Where batches come from, and what is minimised; x and label are the loop's own buffers, of `parts` batches of the net
 * each. A batch that cannot be had stops the run. soft: how the labels of the latest batch become targets (of all its
 * parts), NULL for labels as they are. */
typedef struct {
    void *self;
    ps_status (*train_batch)(void *self, uint64_t step, float *x, int32_t *label);
    const ps_loss_function *loss;
    int parts; /* forward and backward passes of a step, whose gradient is that of all their images; 0: 1 */
    const ps_soft_labels *soft;
} ps_train_source;

/* The images of a step. */
int ps_train_images(const ps_net *net, const ps_train_source *source);
/* One step up to its gradient, which stands in the parameters afterwards: the loss over all its parts.
 * ps_net_prepare_parts first where there are several. What it took is added to *time. */
ps_status ps_train_gradient(ps_net *net, const ps_train_source *source, ps_rng_key dropout, uint64_t step, float *x,
                            int32_t *label, ps_loss *loss, ps_step_time *time);

/* Any member may be NULL. Failures stop the run. All run between steps, on the loop's thread. */
typedef struct {
    void *self;
    ps_status (*begin)(void *self, uint64_t step);          /* once, before the first step of this session */
    ps_status (*after_backward)(void *self, uint64_t step); /* gradients are there, weights not yet updated */
    ps_status (*after_step)(void *self, const ps_train_step *step);
    ps_status (*end_window)(void *self, uint64_t first, uint64_t last); /* steps first..last are done */
    ps_status (*end)(void *self, uint64_t steps, bool diverged);
} ps_train_hooks;

typedef struct {
    uint64_t steps, window, seed;
    uint64_t start;        /* first step of this session: 0, or where a checkpoint stood */
    uint64_t broken_steps; /* how many steps in a row before it had a loss or gradient that was not finite */
    ps_train_source source;
    const ps_train_hooks *hooks; /* hook_count sets, called in order */
    int hook_count;
    volatile const int *stop; /* non-zero: finish the window, then return PS_ERR_STOPPED; may be NULL */
} ps_train_options;

/* Runs from start to steps. A loss or gradient that is not finite, three windows long, or weights that are not finite
 * end the run as diverged (that is a result, not an error). *diverged_at: the step, or UINT64_MAX. */
ps_status ps_train_run(ps_net *net, ps_optimiser *optimiser, const ps_train_options *options, uint64_t *diverged_at);

#endif
