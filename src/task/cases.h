/* Whole samples of data with masks, one by one: what a net makes of each, as a label map in the geometry of its file,
 * beside the true one. Shared by evaluation and prediction. Memory is one sample's: its input, its scores, its maps. */
#ifndef PS_TASK_CASES_H
#define PS_TASK_CASES_H

#include "task/task.h"
#include "task/windows.h"

typedef struct {
    const ps_task_split *on; /* borrowed */
    int classes;
    ps_windows *windows; /* NULL: nets whose outputs are no map as large as their input take samples as they are */
    /* Room, which grows with the largest sample so far. */
    float *x, *score, *weight;
    int32_t *label;
    int16_t *truth, *predicted;
    uint64_t *count; /* [classes][classes] */
    size_t x_room, score_room, map_room, file_room;
} ps_cases;

/* One of them; borrowed until the next. */
typedef struct {
    ps_dataset_file file;
    ps_shape shape;                   /* of the maps */
    const int16_t *truth, *predicted; /* [d][h][w]; where nothing is known of a position truth is -1 */
    bool known;                       /* some position has a class */
    const uint64_t *count;            /* their confusion matrix (overlap.h) */
    /* As the net was given the sample, and what it made of it: x [d][h][w][channels] of `given`; label and score [..][
     * classes] of `map`, the logarithms of probabilities. */
    ps_shape given, map;
    const float *x, *score;
    const int32_t *label;
    ps_loss loss; /* of the scores, as logarithms of probabilities, against the sample's labels */
} ps_case;

/* The caller closes, also after a failure. */
ps_status ps_cases_open(const ps_task_split *on, ps_cases *cases);
void ps_cases_close(ps_cases *cases);
ps_status ps_cases_run(ps_cases *cases, ps_split split, int index, ps_case *out);

#endif
