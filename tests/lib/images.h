/* Data sets of samples that a test has made up in memory, all of one size: a source (data/source.h) whose decoding is a
 * copy. */
#ifndef PS_TESTS_IMAGES_H
#define PS_TESTS_IMAGES_H

#include "data/source.h"

/* pixel: [count][d][h][w][c] of uint8_t or float by the type of the set; label: [count][labels_per_sample]. */
typedef struct {
    int count;
    void *pixel;
    int16_t *label;
} ps_image_split;

typedef struct {
    ps_shape shape; /* of one sample, n = 1 */
    ps_pixel_type type;
    int classes;
    size_t labels_per_sample; /* 1, or d * h * w */
    ps_image_split train, test;
} ps_images;

/* Makes room for `count` samples, zeroed, and says that there are so many (shape, type and labels_per_sample must be
 * set). */
ps_status ps_images_reserve(const ps_images *images, ps_image_split *split, size_t count);
/* Takes the images over, also on failure. */
ps_status ps_dataset_from_images(const char *name, const ps_dataset_options *options, ps_images *images,
                                 ps_dataset **out);

#endif
