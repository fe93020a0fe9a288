/* Runs on volumes by a plan (data/plan.h): `plan` names its file, or "auto", which plans from the run's own data
 * without a fold that is held out, or is the plan itself (JSON), as checkpoints keep it: what a network was trained by
 * is what it is used by, whatever data it is shown. */
#ifndef PS_RUN_PLANNED_H
#define PS_RUN_PLANNED_H

#include "data/plan.h"
#include "run/config.h"

/* Whether there is one. */
bool ps_planned(const ps_run_config *config);
/* The plan, and the network of it that `plan_network` asks for (points into it). Data that are planned from are read
 * once for a run of calls with the same data. */
ps_status ps_planned_read(const ps_run_config *config, const ps_dataset_options *data, ps_plan *plan,
                          const ps_plan_network **network);
/* Batch and patch of the plan where nobody gave others, and values as they are prepared. */
ps_status ps_planned_apply(ps_run_config *config, const ps_dataset_options *data);
/* The plan as JSON; NULL where there is none. The caller frees. */
ps_status ps_planned_text(const ps_run_config *config, const ps_dataset_options *data, char **text);
/* Opens the data as the plan prepares them. */
ps_status ps_planned_open(const ps_run_config *config, const ps_dataset_options *data, ps_dataset **out);

#endif
