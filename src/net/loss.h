/* How outputs are judged against labels. A task gives the function (src/task); a net runs it on its last operation and
 * knows nothing of what it means. Pure functions of their inputs: the same bits for any number of threads. All arrays
 * are the caller's; nothing is allocated. A net with several outputs calls it once for each. */
#ifndef PS_NET_LOSS_H
#define PS_NET_LOSS_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/softmax.h"
#include "parallel/threads.h"

typedef struct {
    double loss;    /* mean over what counts; NaN where nothing does: nothing was measured */
    size_t counted; /* labels that count */
} ps_loss;

typedef struct {
    const float *output; /* [rows][channels], rows: all positions of the batch */
    const int32_t *label;
    const ps_soft_labels *soft; /* how they become targets, in training alone; NULL: each is all of its target */
    size_t samples, rows;       /* as many rows to each sample */
    int channels;
    ps_threads *threads;
} ps_loss_call;

typedef struct {
    /* gradient [rows][channels], overwritten: dloss/doutput; NULL: not wanted. */
    ps_loss (*value)(void *self, const ps_loss_call *call, float *gradient);
    /* gradient_dot [rows][channels], overwritten: the derivative of that gradient as the outputs move along output_dot.
     * NULL: the loss has none, and no Hessian is measured. */
    void (*tangent)(void *self, const ps_loss_call *call, const float *output_dot, float *gradient_dot);
    void *self; /* its options and scratch memory: one call at a time. Borrowed */
} ps_loss_function;

#endif
