/* The learning rate from step to step. Shares are of all steps but the cool-down; with hold the rate of a step is that
 * of the latest multiple of hold:
 *   constant     lr
 *   step         lr step_factor^(milestones at or before the share)
 *   cosine       minimum + (lr - minimum) (1 + cos(pi share)) / 2, without restart (Loshchilov & Hutter 2017)
 *   polynomial   the larger of lr (1 - share)^power and minimum
 * In the first `warmup` steps t = 0, 1, .. it is from + (lr - from) t / warmup, or without `from` the above times
 * (t + 1) / warmup. */
#ifndef PS_NET_LEARNING_RATE_H
#define PS_NET_LEARNING_RATE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/status.h"

typedef struct {
    double lr, minimum;
    const char *schedule;     /* "constant", "step", "cosine", "polynomial" */
    const double *milestones; /* shares, rising, e.g. 0.3 0.6 0.8; those above 1 lie behind the end */
    int milestone_count;
    double step_factor, power;
    uint64_t warmup, cooldown, hold; /* steps; hold 0: 1 */
    bool from_given;
    double from;
} ps_lr_options;
ps_status ps_lr_check(const ps_lr_options *options, uint64_t steps);
/* Learning rate of step t of `steps`. */
double ps_lr_of(const ps_lr_options *options, uint64_t step, uint64_t steps);

#endif
