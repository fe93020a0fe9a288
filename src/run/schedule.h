/* Runs an experiment's runs, several at a time, each in a process of its own: narrow networks use two processors far
 * better as two runs of one thread than as one run of two, and a crash takes one run with it, not the experiment. */
#ifndef PS_RUN_SCHEDULE_H
#define PS_RUN_SCHEDULE_H

#include "run/experiment.h"
#include "trace/trace_input.h"

/* What is done with a finished run's directory, in the run's own process: measurements of its checkpoint. */
typedef struct {
    const void *self;
    int count; /* of pieces of work, for the progress bar; 0: none */
    bool (*done)(const void *self, const char *directory);
    /* *current names the piece under way: constant text, which another process can read at the same address. */
    ps_status (*run)(const void *self, const char *directory, int threads, const char **current);
} ps_schedule_then;

typedef struct {
    ps_schedule_then then;
    int jobs;                 /* runs at a time; 0: as many as processors */
    int threads;              /* of each run; 0: processors / jobs */
    ps_trace_packing packing; /* of traces of runs that begin */
    bool force, quiet, no_pictures;
    volatile const int *stop;
} ps_schedule_options;

/* Marks which of the runs that were not asked for are there and finished. Refuses those that were run with other
 * settings than the file's and the command line's: beside the new ones they would make no comparison. */
ps_status ps_schedule_find_present(ps_experiment *experiment);

/* Finished runs of the same configuration are skipped, unfinished ones resumed; then `then` follows for the runs of
 * arms, unless it is done, or the run diverged. Runs that have yet to begin take the processor class of the first that
 * has begun, where this processor can; where not, a note names both classes. Returns when all are done, one has failed,
 * or the user asked to stop (PS_ERR_STOPPED). */
ps_status ps_schedule_run(const ps_experiment *experiment, const ps_schedule_options *options);

#endif
