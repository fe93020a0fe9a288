/* What training images look like as a whole, counted while every sample in use is looked at anyway (dataset.c): images
 * without content, images that are there twice, labels that are no class, and how far the probe set lies from the
 * training set. The caller clears. */
#ifndef PS_DATA_CENSUS_H
#define PS_DATA_CENSUS_H

#include <stdint.h>

#include "data/samples.h"

struct ps_census_counts {
    int constant;          /* training images of one value in each channel */
    int identical;         /* training images whose pixels are those of an earlier one */
    size_t no_class;       /* labels of the training images that are no class */
    double probe_distance; /* largest |probe mean - training mean| over channels, in the training images' standard
                              deviations; NaN: no probe set */
};

typedef struct {
    ps_census_counts counts;
    uint64_t *digest; /* [training images] */
    size_t images;
    double *probe_sum, probe_positions; /* [c] */
} ps_census;

ps_status ps_census_init(ps_census *census, int training_images, int channels);
void ps_census_clear(ps_census *census);
/* Each sample of the training and the probe split once; of others it takes nothing. */
void ps_census_add_pixels(ps_census *census, ps_split split, const ps_sample_view *view, ps_pixel_type type);
void ps_census_add_labels(ps_census *census, ps_split split, const ps_sample_view *view);
/* mean, deviation [c]: of the training images, in units of their pixels. */
void ps_census_end(ps_census *census, const double *mean, const double *deviation, int channels);

#endif
