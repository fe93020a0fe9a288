/* What follows from other settings, once all are given. */
#ifndef PS_RUN_SETTLE_H
#define PS_RUN_SETTLE_H

#include "run/config.h"

/* What `recipe` says and nobody else did, and whether soft Dice counts class 0. Refuses settings that contradict each
 * other. A configuration that was settled stays as it is, here and below. */
ps_status ps_run_settle(ps_run_config *config);

/* What follows from the data, which are looked at: how many of them the probe has, patch and batch of a plan, the steps
 * of `epochs`, a pass over what is left of the training images without the probe set, in whole steps; and the window,
 * which follows from all of these (looks.h). Not where nothing is to be run. */
ps_status ps_run_settle_on_data(ps_run_config *config);

#endif
