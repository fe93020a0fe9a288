/* What a set of volumes is like: all that a plan (data/plan.h) is made from. Every case asked for is passed over once,
 * row by row, and none is held. The definitions are those of nnU-Net's fingerprint (Isensee et al., Nature Methods
 * 2021; version 2). */
#ifndef PS_DATA_FINGERPRINT_H
#define PS_DATA_FINGERPRINT_H

#include <stdbool.h>

#include "data/source.h"

enum { PS_FINGERPRINT_CHANNELS = 64 };

/* Of values at positions with a label above 0, equally many drawn of each case that has such. */
typedef struct {
    double mean, deviation, least, most;
    double percentile[3]; /* 0.5 %, 50 %, 99.5 % */
} ps_intensity;

typedef struct {
    int cases, channels, classes;
    int (*shape)[3]; /* [cases]: d, h, w after cropping to what is not zero */
    double (*mm)[3]; /* [cases]: spacing along d, h, w; images without depth count as slices that lie far apart */
    double kept;     /* share of its positions that cropping leaves of a case: the median */
    ps_intensity intensity[PS_FINGERPRINT_CHANNELS];
    char channel_name[PS_FINGERPRINT_CHANNELS][PS_CLASS_NAME_SIZE]; /* "" where it is not known */
} ps_fingerprint;

/* Of the training part of a source of floats with masks and a unit (`original`), its cases without a fold that is held
 * out (fold, folds, split_file of the options). Cases that cannot be decoded are left out of the source's list of such,
 * too (skip_bad), or refused. name: of the data, for sentences and the progress line. *out is to be cleared after a
 * failure, too. */
ps_status ps_fingerprint_take(ps_source *source, const char *name, const ps_dataset_options *options, bool quiet,
                              ps_fingerprint *out);
void ps_fingerprint_clear(ps_fingerprint *fingerprint);

/* The value below which a share (0 to 1) of the values lie, linear between neighbours, as numpy.percentile has it; the
 * values become sorted. count at least 1. */
double ps_percentile(double *value, int count, double share);

#endif
