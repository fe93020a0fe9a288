/* One run from configuration to finished trace, in a directory of its own (run/directory.h). */
#ifndef PS_RUN_RUN_H
#define PS_RUN_RUN_H

#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>

#include "run/config.h"
#include "parallel/threads.h"
#include "trace/trace_input.h"

/* How far a run is; may lie in memory shared between processes. Numbers are for display only. */
typedef struct {
    _Atomic uint64_t step, nonfinite; /* nonfinite: events of that kind in the trace of a run that came to its end */
    _Atomic float loss, dead_share;
    _Atomic bool finished, diverged;
} ps_run_state;

typedef struct {
    const char *directory;
    bool
        resume; /* go on from the directory's checkpoint; its configuration must be `config`, but for where the data are
                  */
    bool force; /* replace an earlier run in the directory */
    bool quiet;
    bool no_pictures; /* of what the network makes of some test samples, where its task has any */
    const char
        *registration; /* of a run that begins: what its trace is to say (trace/trace_registration.h); NULL: none */
    int threads;       /* 0: all */
    FILE *profile;     /* where to write where the time went (run/profile.h); NULL: it is not measured */
    uint64_t began_ns; /* by core/clock.h, when the command began, for the profile */
    ps_trace_packing packing; /* of the trace of a run that begins */
    volatile const int *stop; /* set by a signal handler; may be NULL */
    ps_run_state *state;      /* may be NULL */
    /* Asked at the end of every window but the last, with the trace whole up to there and the number of windows: *stop
     * true ends the run there as a signal does (PS_ERR_STOPPED, with a checkpoint). May be NULL. */
    ps_status (*is_hopeless)(void *self, const char *trace, uint64_t windows, bool *stop);
    void *is_hopeless_self;
} ps_run_options;

ps_status ps_run_execute(const ps_run_config *config, const ps_run_options *options);

#endif
