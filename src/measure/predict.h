/* What a checkpoint makes of the samples of a split, written as label maps in the geometry of their files: NIfTI of
 * volumes (with the header of the input), PNG with PASCAL VOC's palette of pictures; measures of each case and class
 * beside them, and pictures of prediction beside truth. */
#ifndef PS_MEASURE_PREDICT_H
#define PS_MEASURE_PREDICT_H

#include "run/session.h"

typedef struct {
    const char *out; /* a directory that is not there yet, or empty */
    ps_split split;
    bool pictures, quiet;
    bool unlabelled;        /* nothing is known of the samples: label maps alone are written */
    const char *checkpoint; /* as it was named */
} ps_predict_options;

/* Fails where the task has no label maps. found: measures of the whole split (count 0: nothing is known of it). */
ps_status ps_predict(ps_session *session, const ps_predict_options *options, ps_evaluation *found);

#endif
