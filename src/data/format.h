/* What a data format must give. A format is one .c file with one function of type ps_format_read and one line in
 * dataset_list.def; dataset.c does everything after that (limits, probe, resizing, moments, digest).
 *
 * The function fills *out with whole splits in stored order, channels-last, and may leave the test split empty.
 * Everything in *out is freed by the caller with ps_images_clear, after a failure too. A format whose samples differ in
 * size must bring them to one size itself (data/resize.h; options->size says which). It may ignore all other
 * options. */
#ifndef PS_DATA_FORMAT_H
#define PS_DATA_FORMAT_H

#include <stdint.h>

#include "core/shape.h"
#include "core/status.h"
#include "data/dataset.h"

#define PS_CLASS_NAME_SIZE 64 /* with the terminating zero */

typedef enum { PS_PIXEL_BYTE, PS_PIXEL_FLOAT } ps_pixel_type;

/* One split. pixel: [count][d][h][w][c] of uint8_t or float by the type of the set; label: [count][labels_per_sample],
 * each in [0, classes), or -1 for "no label here". Both are owned, from ps_alloc; see ps_image_split_reserve. */
typedef struct {
    int count;
    void *pixel;
    int16_t *label;
    size_t capacity; /* samples there is room for */
} ps_image_split;

typedef struct {
    ps_shape shape; /* of one sample, n = 1 */
    ps_pixel_type type;
    int classes;
    size_t labels_per_sample; /* 1, or d * h * w */
    ps_image_split train, test;
    char (*class_names)[PS_CLASS_NAME_SIZE]; /* [classes], owned; NULL: numbers */
} ps_images;

/* argument: what follows the colon of the source, NULL where there is none. */
typedef ps_status ps_format_read(const char *argument, const ps_dataset_options *options, ps_images *out);

/* The reading functions of all formats. */
#define PS_FORMAT(name, argument, read, help) ps_format_read read;
#include "data/dataset_list.def"
#undef PS_FORMAT

/* Bytes of one sample's pixels. */
size_t ps_images_sample_bytes(const ps_images *images);
/* Makes room for at least `count` samples (shape, type and labels_per_sample must be set), keeping those there are. */
ps_status ps_images_reserve(const ps_images *images, ps_image_split *split, size_t count);
/* Reads names, one a line, from a text file where it exists; keeps numbers where it does not have one for every
 * class. */
ps_status ps_images_read_class_names(ps_images *images, const char *path);
void ps_images_clear(ps_images *images);

/* A data set of images that are in memory already; takes them over, also on failure. ps_dataset_open ends here. */
ps_status ps_dataset_from_images(const char *source, const ps_dataset_options *options, ps_images *images,
                                 ps_dataset **out);

#endif
