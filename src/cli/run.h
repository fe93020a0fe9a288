/* One run from configuration to finished trace. A run's directory holds
 *   config.json             the whole configuration, as it was run
 *   trace.jsonl             the trace (src/trace/FORMAT.md); it ends with an `end` record when the run is finished
 *   checkpoint.safetensors  the latest window's weights and optimiser state, from which the run can be resumed or
 *                           forked
 * The three belong together: a checkpoint holds digests of its own tensors, of the trace up to it and of the data, and
 * the configuration. A run goes on only where all agree; an edited configuration is refused by the key's name. The
 * place of the data and of a forked run's parent may change: neither is part of what the run is, their digests are. */
#ifndef PS_CLI_RUN_H
#define PS_CLI_RUN_H

#include <stdatomic.h>
#include <stdint.h>

#include "cli/run_config.h"
#include "parallel/threads.h"

/* How far a run is; may lie in memory shared between processes. Numbers are for display only. */
typedef struct {
    _Atomic uint64_t step, nonfinite; /* nonfinite: events of that kind in the trace of a run that came to its end */
    _Atomic float loss, dead_share, accuracy;
    _Atomic bool finished, diverged;
} ps_run_state;

typedef struct {
    const char *directory;
    bool
        resume; /* go on from the directory's checkpoint; its configuration must be `config`, but for where the data are
                  */
    bool force; /* replace an earlier run in the directory */
    bool quiet;
    int threads;              /* 0: all */
    volatile const int *stop; /* set by a signal handler; may be NULL */
    ps_run_state *state;      /* may be NULL */
} ps_run_options;

ps_status ps_run_execute(const ps_run_config *config, const ps_run_options *options);
/* Whether a run may go to options->directory: it has a name, is no file, and holds no run that is neither resumed nor
 * replaced. */
ps_status ps_run_check_place(const ps_run_options *options);

/* Whether the directory holds a run that reached its end; whether that end was divergence; whether its end says that
 * values were not finite on the way. */
bool ps_run_finished(const char *directory);
bool ps_run_nonfinite(const char *directory);
bool ps_run_diverged(const char *directory);
/* Whether configuration, trace and checkpoint there belong together, as a run that goes on from them would ask. */
ps_status ps_run_check_whole(const char *directory, const ps_run_config *config);
/* Reads directory/config.json. */
ps_status ps_run_read_config(const char *directory, ps_run_config *config);

/* What a run will need, measured on a few steps of it (nothing is written). Refuses every configuration that the run
 * would. */
typedef struct {
    double step_seconds, probe_seconds, total_seconds;
    double memory_bytes, disk_bytes;
    size_t parameters;
} ps_run_estimate;
ps_status ps_run_measure(const ps_run_config *config, int threads, ps_run_estimate *estimate);

#endif
