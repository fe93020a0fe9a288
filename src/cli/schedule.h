/* Runs an experiment's runs, several at a time, each in a process of its own: narrow networks use two processors far
 * better as two runs of one thread than as one run of two, and a crash takes one run with it, not the experiment. */
#ifndef PS_CLI_SCHEDULE_H
#define PS_CLI_SCHEDULE_H

#include "cli/experiment.h"

typedef struct {
    int jobs;    /* runs at a time; 0: as many as processors */
    int threads; /* of each run; 0: processors / jobs */
    bool force, quiet;
    volatile const int *stop;
} ps_schedule_options;

/* Marks which of the runs that were not asked for are there and finished. Refuses those that were run with other
 * settings than the file's and the command line's: beside the new ones they would make no comparison. */
ps_status ps_schedule_find_present(ps_experiment *experiment);

/* Finished runs of the same configuration are skipped, unfinished ones resumed; then what the experiment wants measured
 * is measured on the run's last checkpoint, unless it was, or the run diverged. Returns when all are done, one has
 * failed, or the user asked to stop (PS_ERR_STOPPED). */
ps_status ps_schedule_run(const ps_experiment *experiment, const ps_schedule_options *options);

#endif
