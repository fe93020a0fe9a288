/* What the dashboard knows of an experiment's directory: one line a run (runs/ARM/seed-N). Runs that start later are
 * found when they do; the traces of runs that have ended are closed. The creator clears it. */
#ifndef PS_WATCH_EXPERIMENT_H
#define PS_WATCH_EXPERIMENT_H

#include "watch/follow.h"
#include "watch/view.h"

typedef struct {
    char *arm, *directory;
    int seed;
    bool open; /* the trace is followed */
    ps_follow follow;
    ps_watch_model model;
} ps_watch_run;

typedef struct {
    char *directory;
    ps_watch_run *runs; /* parents first, then by arm and seed */
    int count;
    size_t capacity;
} ps_watch_experiment;

/* Whether the directory is laid out as one of an experiment. */
bool ps_watch_is_experiment(const char *directory);
ps_status ps_watch_experiment_open(ps_watch_experiment *experiment, const char *directory);
void ps_watch_experiment_clear(ps_watch_experiment *experiment);
/* Reads what is new. */
ps_status ps_watch_experiment_read(ps_watch_experiment *experiment, bool *changed);
/* As ps_watch_draw. */
ps_status ps_watch_experiment_draw(FILE *stream, const ps_watch_experiment *experiment, ps_watch_view *view);

#endif
