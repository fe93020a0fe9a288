/* A run's directory:
 *   config.json             the whole configuration, as it was run
 *   trace.jsonl             the trace (src/trace/FORMAT.md); it ends with an `end` record when the run is finished;
 *                           packed it is trace.jsonl.gz or trace.jsonl.zst
 *   registration.json       the questions that were registered before it was trained, where there are such
 *   checkpoint.safetensors  the latest window's weights and optimiser state, from which the run can be resumed or
 *                           forked
 *   pictures/               what the network makes of a few test samples at the end, where its task has any to show
 *                           (task/pictures.h)
 * Whether they belong together, run/resume.h says. */
#ifndef PS_RUN_DIRECTORY_H
#define PS_RUN_DIRECTORY_H

#include "run/config.h"

/* Whether a run may go there: it has a name, is no file, and holds no run (occupied: it may hold one, which is resumed
 * or replaced). */
ps_status ps_run_check_place(const char *directory, bool occupied);
/* Makes the directory and takes its lock, which close(*lock) gives back; -1 where there is none. PS_ERR_USAGE where
 * another process runs there. */
ps_status ps_run_lock(const char *directory, int *lock);
/* With the lock held. */
void ps_run_remove_half_written(const char *directory);

/* Whether the directory holds a run that reached its end; whether that end was divergence; whether its end says that
 * values were not finite on the way. */
bool ps_run_finished(const char *directory);
bool ps_run_nonfinite(const char *directory);
bool ps_run_diverged(const char *directory);

/* Reads directory/config.json. */
ps_status ps_run_read_config(const char *directory, ps_run_config *config);
ps_status ps_run_write_config(const char *path, const ps_run_config *config);
/* On one line, as traces and checkpoints hold it; free with free. */
ps_status ps_run_config_text(const ps_run_config *config, char **text);

/* directory/registration.json (trace/trace_registration.h): written, or with text NULL removed; read back as one line,
 * NULL where there is none. Free with free. */
ps_status ps_run_write_registration(const char *directory, const char *text);
ps_status ps_run_read_registration(const char *directory, char **text);

/* The file of weights that a word of the command line names: of a directory its checkpoint.safetensors. Free with free.
 * PS_ERR_INPUT where a directory has none. */
ps_status ps_run_weights_path(const char *given, char **path);

#endif
