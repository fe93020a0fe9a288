/* Tasks: what a network is trained for. One task is one .c file and one line in task_list.def (README.md). A task says
 * which labels it takes, what the loss is, what an evaluation measures, and what guessing would reach.
 *
 * A ps_task is a table of functions without state, and constant. What is handed to a function is borrowed for the call;
 * what it fills is the caller's. A loss allocates when it is opened, an evaluation may between training steps; nothing
 * else does. */
#ifndef PS_TASK_TASK_H
#define PS_TASK_TASK_H

#include "data/loader.h"
#include "net/net.h"
#include "trace/trace_task.h"

/* What is asked of a task: the options of a run (run/option_list.def, "Task"). */
typedef struct {
    const char *loss;           /* "ce", "dice" or "ce+dice" */
    const double *class_weight; /* of each class in cross-entropy, class_weights of them; none: all 1 */
    int class_weights;
    bool batch_dice, dice_background;
    double dice_smooth;
    double tolerance_mm; /* of the normalised surface Dice */
    bool mirror;         /* evaluation takes the mean over mirror images, too */
    bool softened;       /* labels are smoothed or mixed with others in training */
} ps_task_options;

/* What an evaluation found. */
typedef struct {
    double loss;                          /* mean over the labels that count; NaN: not measured */
    double value[PS_TRACE_MOST_MEASURES]; /* of the task's measures, in their order; NaN: not measured */
    const double *per_class; /* [measures][classes], NaN: none; NULL: not of each class. Borrowed of the split's room */
    int classes;
    int count; /* images; where it is 0 nothing was measured */
} ps_evaluation;

/* What is evaluated, and the room for it. */
typedef struct {
    ps_net *net;
    ps_loader *loader;
    const ps_dataset *dataset;
    const ps_task_options *asked;
    const ps_loss_function *loss;
    ps_split split;
    int images;        /* in the split */
    double *per_class; /* [PS_TRACE_MOST_MEASURES][classes] */
    float *x;          /* a batch [batch][d][h][w][c] of inputs */
    int32_t *label;    /* and its labels [batch][labels_per_sample] */
} ps_task_split;

typedef struct {
    const char *name; /* as in its line of task_list.def */
    /* Whether the task is one for data with such labels. */
    bool (*takes)(const ps_dataset *dataset);
    /* Name and measures, with the chance level that these data give (of the test split). */
    void (*describe)(const ps_dataset *dataset, const ps_task_options *options, ps_trace_task *out);
    /* The loss of these options for batches of so many samples or fewer: outputs [batch][positions][channels], labels
     * [batch][positions]. Fails where an option does not fit the data. */
    ps_status (*open_loss)(const ps_dataset *dataset, const ps_task_options *options, int batch, ps_loss_function *out);
    /* Evaluation mode over a whole split: image by image, or, where a task cuts patches, by a window that slides over
     * each; which of them is the task's own affair. */
    ps_status (*evaluate)(const ps_task_split *on, ps_evaluation *out);
    /* Pictures of a few samples of the split, a set of files in a folder of its own (task/pictures.h). NULL: there is
     * nothing to be seen. */
    ps_status (*draw)(const ps_task_split *on, int count, const char *folder);
} ps_task;

/* Frees what open_loss made. */
void ps_task_close_loss(ps_loss_function *loss);

/* Softmax cross-entropy as classification has it; it needs no opening. */
extern const ps_loss_function ps_cross_entropy;

#define PS_TASK(name) extern const ps_task ps_task_##name;
#include "task/task_list.def"
#undef PS_TASK

/* The first of the list that takes the data; fails, naming all, where none does. */
ps_status ps_task_of(const ps_dataset *dataset, const ps_task **out);

/* An evaluation in which nothing was measured. */
ps_evaluation ps_evaluation_nothing(void);

#endif
