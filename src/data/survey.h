/* What opening a data set finds out about its samples: moments of the training pixels, counts of labels, the census,
 * and the digest. Of a set that is not large every sample is looked at; of a large one a few, evenly spread, and the
 * digest is one of names, sizes and lengths of files, and of what was looked at. The caller clears. */
#ifndef PS_DATA_SURVEY_H
#define PS_DATA_SURVEY_H

#include "data/census.h"

typedef struct {
    double *mean, *deviation; /* [c], of the training samples' pixels as stored; a deviation may be 0 */
    uint64_t *label_count;    /* [PS_SPLITS][classes] */
    ps_census_counts census;  /* of a large set without constant and identical samples, and without a distance (NaN) */
    char digest[17];
    int looked_at; /* training samples all this was taken from; 0: all of them */
} ps_survey;

/* name: of the data; given: other numbers for the network, which the digest tells apart, in a text ("": none). raw: as
 * in ps_dataset_options. */
typedef struct {
    const char *name, *given;
    int classes;
    bool raw;
} ps_survey_options;

ps_status ps_survey_run(const ps_samples *samples, const ps_survey_options *options, ps_survey *out);
void ps_survey_clear(ps_survey *found);

#endif
