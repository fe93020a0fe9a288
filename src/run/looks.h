/* How often a run probes its network where nobody said. */
#ifndef PS_RUN_LOOKS_H
#define PS_RUN_LOOKS_H

#include "run/config.h"

/* Passes over all probe images in a run of these steps, window and probe_eval_every, with batch and running statistics,
 * where the network tells both apart. */
double ps_looks_passes(const ps_run_config *config);

/* What all probings of a run may take of its training where nobody says how often to probe: recording as a whole is to
 * stay within 5 %, and the instruments that look at every step have the rest. */
#define PS_LOOKS_SHARE 0.025

/* Settles `window` where it was not given: the fewest steps, in tens and from what stands there on, by which all
 * probings of the run keep within PS_LOOKS_SHARE of its training; but at most half of the run, so that it is looked at
 * on its way, too. Steps, batch and probe are settled before.
 *
 * Both are counted by the work of the backbone without modules: of a training step it is three forward passes of the
 * batch's images, of a probing one pass of the probe images in each mode. So its shape cancels, and all arms of an
 * experiment have one value, whatever modules they have. A pass of a probing counts half a training step of as many
 * images, and not a third: its methods err as a plain sum does and are slower than training's (src/probe/README.md). */
void ps_looks_settle(ps_run_config *config);

#endif
