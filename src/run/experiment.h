/* Experiments: arms x seeds of one base configuration. The file is JSON:
 *
 *   {"name": "quickstart", "question": "Does ...?", "description": "...",
 *    "base": {run keys}, "arms": [{"name": "baseline"}, {"name": "ps2", "pool_skip": 2}, ...], "seeds": [1, 2, 3],
 *    "fork": {run keys of a parent run},
 *    "measure": ["compensation", "ranks", "spectrum"],
 *    "primary": "P2", "secondary": [...], "sequential": false, "collapse_below": 0.2}
 *
 * With "fork", each seed first trains a parent (base + these keys, arm "parent"); every arm then starts from its
 * checkpoint with modules at zero. With "measure", these measurements (measure/measurement_list.def) are made on the
 * last checkpoint of every run of every arm; options are those of the commands, as {"ranks": {}, "spectrum":
 * {"probes": 2, "steps": 20}}. The last four keys register the questions that the experiment is to answer
 * (trace/trace_registration.h); they go into every trace before its first step. Layout of the directory:
 *   experiment.json         what was run
 *   runs/ARM/seed-N/        one run each (run/run.h); its tables/ holds what was measured on its checkpoint
 *   tables/, verdict.json   of the comparison;  report.html and plots/ of the report */
#ifndef PS_RUN_EXPERIMENT_H
#define PS_RUN_EXPERIMENT_H

#include "core/json.h"
#include "run/config.h"
#include "trace/trace_registration.h"

enum { PS_EXPERIMENT_MAX_ARMS = 32, PS_EXPERIMENT_MAX_SEEDS = 256 };

typedef struct {
    ps_run_config config;
    char *directory;
    int arm; /* index; -1: a parent to fork from */
    int seed;
    int parent;   /* index of the run that must be finished first; -1: none */
    bool present; /* of those that were not asked for: it is there and finished (ps_schedule_find_present) */
} ps_experiment_run;

typedef struct {
    char *name, *question;
    char *arm[PS_EXPERIMENT_MAX_ARMS]; /* all of the file */
    bool wanted[PS_EXPERIMENT_MAX_ARMS];
    int arms, reference; /* reference: what all others are compared with, "baseline" or the first; always wanted */
    int seed[PS_EXPERIMENT_MAX_SEEDS];
    int seeds, all_seeds; /* the wanted ones stand first */
    cJSON *measure;  /* what to measure on every run but the parents, as the file says (measure/measurement.h); owned */
    bool registered; /* the file has a "primary" */
    ps_registration registration; /* with all of the file's seeds, in its order */
    char *registration_text;      /* for ps_run_options; NULL: none */
    ps_experiment_run *run;       /* those wanted: parents first, then arm after arm */
    int runs;
    size_t capacity;
    ps_experiment_run *other; /* the rest of the file's, without parents: they stay in the comparison where they are */
    int others;
    size_t other_capacity;
} ps_experiment;

/* Which of the file's seeds and arms are wanted: lists with commas between, NULL: all. What the file does not have is
 * refused, and what it has is named. The reference arm is wanted whether it is listed or not. */
typedef struct {
    const char *seeds, *arms;
    bool sequential; /* the registration is one of looks, whatever the file says */
} ps_experiment_subset;

/* overrides: options of the command line, applied to every run (may be NULL). directory: where the runs will be. subset
 * may be NULL: all. */
typedef ps_status ps_experiment_override(const void *context, ps_run_config *config);
ps_status ps_experiment_read(const char *path, const char *directory, ps_experiment_override *override,
                             const void *context, const ps_experiment_subset *subset, ps_experiment *out);
/* What follows from the data (run/settle.h), of every run. Not where nothing is to be run. */
ps_status ps_experiment_settle_on_data(ps_experiment *experiment);
void ps_experiment_clear(ps_experiment *experiment);

#endif
