/* How many training images are held apart for the probe, where nobody said. */
#ifndef PS_RUN_HELD_APART_H
#define PS_RUN_HELD_APART_H

#include "run/config.h"

/* Settles `probe` where it was not given: what stands there, or a batch where that is more, but at most a quarter of
 * the training images that no fold holds out, and at least one. That goes by data and batch alone, so that it is the
 * same in all arms of an experiment, and in a fork the images that its parent did not see either. Data that are made
 * get theirs on top, and keep it. From now on it counts as given. */
ps_status ps_held_apart_settle(ps_run_config *config);

/* Of a configuration that comes from other data: settled as above where its probe would leave nothing of these. */
ps_status ps_held_apart_refit(ps_run_config *config);

/* Training images that are left beside the probe. Fails where what is wanted of the data cannot be had (limits and
 * probe). By headers alone: before anything that takes long. */
ps_status ps_held_apart_count(const ps_run_config *config, int *training);

#endif
