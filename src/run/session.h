/* Everything a run is made of, put together in order: data, network, weights, optimiser. Shared by training, evaluation
 * and estimates. */
#ifndef PS_RUN_SESSION_H
#define PS_RUN_SESSION_H

#include "net/checkpoint.h"
#include "probe/plant.h"
#include "run/config.h"
#include "task/task.h"

enum { PS_MAX_MILESTONES = 16, PS_MAX_CLASS_WEIGHTS = 256 };

typedef struct {
    const ps_run_config *config; /* borrowed */
    ps_threads *threads;
    ps_dataset *dataset;
    const ps_task *task;   /* of these data */
    ps_task_options asked; /* of the configuration */
    double class_weight[PS_MAX_CLASS_WEIGHTS];
    ps_loss_function loss;   /* the task's */
    ps_trace_task described; /* and what the trace says of it */
    ps_loader *loader;
    ps_graph *graph;
    ps_net *net;
    ps_optimiser_options optimiser_options;
    double milestones[PS_MAX_MILESTONES];
    ps_optimiser *optimiser;
    int probe_batches;
    ps_weights_note weights; /* what ps_session_init_weights met in a file */
    char *planted;           /* and what was planted in it (run/planted.h); owned */
    float *x;                /* room for the inputs and labels of a step, and so of a batch */
    int32_t *label;
    double *per_class;   /* room for what an evaluation finds of each class */
    ps_soft_labels soft; /* of the latest training batch */
    uint64_t data_ns;    /* what it took to open and read the data */
} ps_session;

/* graph: the network to use (borrowed), or NULL to build the configuration's. */
ps_status ps_session_open(ps_session *session, const ps_run_config *config, const ps_graph *graph, int threads);
void ps_session_close(ps_session *session);

/* How it says that data are opened, but for patches and moments; borrows its texts. */
ps_dataset_options ps_session_data_options(const ps_run_config *config);
/* Moments that it gives, by which pixels are normalised. */
ps_status ps_session_read_moments(const ps_run_config *config, ps_dataset_options *data);
/* Refuses folds of which none is held out, unless that is said (fold -1), as of a checkpoint that knows of folds. */
ps_status ps_session_check_fold(const ps_run_config *config);
/* The data that a configuration names; closed by the caller. */
ps_status ps_session_open_data(const ps_run_config *config, ps_dataset **dataset);

/* A session rebuilt from a checkpoint alone: its network, configuration and weights; or from weights alone
 * (run/subject.h). Weights may be looked at whoever changed them: where a checkpoint's do not agree with its digests, a
 * note on stderr says so, and `changed` is true. */
typedef struct {
    ps_session session;
    ps_run_config config;
    ps_graph *graph;
    char *config_text; /* as it stands in the checkpoint; NULL for weights alone */
    uint64_t step;     /* means nothing for weights alone */
    bool weights_only;
    char *path; /* the file; NULL where ps_checkpoint_session_open was called by itself */
    bool changed;
} ps_checkpoint_session;
/* given: settings that go before the checkpoint's own (its data, for example), or NULL. */
ps_status ps_checkpoint_session_open(ps_checkpoint_session *s, const char *path, const ps_run_settings *given,
                                     int threads);
/* Its parts, for sessions on other data: what the checkpoint says of its run, with the settings given; and, once there
 * is a net, its weights. */
ps_status ps_checkpoint_session_config(ps_checkpoint_session *s, const char *path, const ps_run_settings *given);
ps_status ps_checkpoint_session_weights(ps_checkpoint_session *s, const char *path);
void ps_checkpoint_session_close(ps_checkpoint_session *s);

/* Starting weights: scheme, then --init or --fork. directory: the run's, from which a fork of "run:PATH" is seen.
 * *fork_digest (17 characters, "" without a fork): of the tensors and the step that it starts from. */
ps_status ps_session_init_weights(ps_session *session, const char *directory, char *fork_digest);

/* Batches of the probe set, and the training batches, as the instruments and the loop want them. */
ps_probe_source ps_session_probe_source(ps_session *session);
ps_train_source ps_session_train_source(ps_session *session);

/* Entropy of the targets that labels are softened to, as expected for the last tenth of the steps: no training loss is
 * lower. NaN where they are not softened. */
double ps_session_loss_floor(const ps_session *session);

/* What the task is given of a split; borrows of the session. */
ps_task_split ps_session_split(ps_session *session, ps_split split);
/* Evaluation mode over a whole split, as the task measures it. */
ps_status ps_session_evaluate(ps_session *session, ps_split split, ps_evaluation *out);

#endif
