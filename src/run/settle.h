/* What follows from other settings, once all are given. */
#ifndef PS_RUN_SETTLE_H
#define PS_RUN_SETTLE_H

#include "run/config.h"

/* What `recipe` says and nobody else did. Refuses settings that contradict each other. A configuration that was settled
 * stays as it is, here and below. */
ps_status ps_run_settle(ps_run_config *config);

/* The steps of `epochs`, for which the data are looked at: a pass over what is left of the training images without the
 * probe set, in whole steps. */
ps_status ps_run_count_epochs(ps_run_config *config);

#endif
