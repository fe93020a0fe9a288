/* Prepared volumes: a source of volumes, made into one of what networks of a plan are given. Cases are cropped to what
 * is not zero, their axes ordered (the coarsest first), values normalised, and resampled to the plan's spacing (cubic;
 * thick slices nearest; labels linear by class), in the order and by the rules of nnU-Net (version 2). The way back
 * leads to the geometry of the file: scores are resampled linearly, and what was cropped is background.
 *
 * Sizes are known when it is made: every case is passed over once, row by row, for the box that is not zero. */
#ifndef PS_DATA_PREPARE_H
#define PS_DATA_PREPARE_H

#include "data/plan.h"
#include "data/resample.h"
#include "data/source.h"

typedef struct {
    int dimensions; /* 3: at the spacing of 3d_fullres; 2: at that of 2d, where slices stay as far apart as they are */
    ps_resampling resampling;
    bool quiet;
} ps_prepare_options;

/* Replaces *source, which it takes over; closed by ps_source_close as ever, after a failure too. Fails where data and
 * plan do not belong together. name: of the data, for sentences. */
ps_status ps_prepare(ps_source *source, const char *name, const ps_plan *plan, const ps_prepare_options *options);

#endif
