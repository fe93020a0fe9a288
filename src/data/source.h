/* Data sources: what a data format gives. A format is one .c file with one function of type ps_source_open_function and
 * one line in dataset_list.def; all else (limits, probe, resizing, moments, digest, batches) is done with what stands
 * here (dataset.c, loader.c).
 *
 * Opening reads headers: how many samples there are, how large each is, what their labels mean. It reads no pixels and
 * no masks, so that a set of any size opens at once; they are decoded sample by sample, when they are asked for. A
 * source is the opener's, who closes it; what `decode` fills is the caller's. */
#ifndef PS_DATA_SOURCE_H
#define PS_DATA_SOURCE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/shape.h"
#include "core/status.h"
#include "data/dataset.h"

enum { PS_CLASS_NAME_SIZE = 64 /* with the terminating zero */ };

typedef enum { PS_PIXEL_BYTE, PS_PIXEL_FLOAT } ps_pixel_type;

/* What the label of a sample is. A class is in [0, classes), or -1 for "no label here", which no loss counts. */
typedef enum {
    PS_LABEL_NONE,  /* nothing: samples to predict on */
    PS_LABEL_CLASS, /* one class */
    PS_LABEL_MASK   /* a map of classes */
} ps_label_kind;

/* As the files are kept. What is held apart of the training samples for the probe is the data set's affair. */
typedef enum { PS_SOURCE_TRAIN, PS_SOURCE_TEST, PS_SOURCE_PARTS } ps_source_part;

/* n = 1 in both; 2D is d = 1. The channels of pixels are those of all samples of a source; a mask has one, and is most
 * often as large as the image, but need not be. */
typedef struct {
    ps_shape pixels, mask; /* mask: all zero where labels are no masks */
} ps_sample_size;

typedef struct ps_source ps_source;

/* A row of a sample: so many of its values, of one channel, or so many of its labels, at positions first, first + step,
 * .. of [d][h][w], which lie along one axis. */
typedef struct {
    int64_t first, step;
    int count, channel;
    const float *pixel; /* NULL: labels */
    const int16_t *label;
} ps_source_row;
typedef ps_status ps_source_row_taker(void *context, const ps_source_row *row);
typedef enum { PS_ROWS_OF_PIXELS, PS_ROWS_OF_LABELS } ps_source_rows;

typedef struct {
    /* Of one sample, from what opening has read. Samples may differ, where the format's do. */
    void (*size)(const ps_source *source, ps_source_part part, int index, ps_sample_size *out);
    /* Pixels, channels-last [d][h][w][c], of uint8_t or float by the type of the source, and the label: one class, a
     * mask [d][h][w], or nothing (NULL may be given then), both of the size that `size` says. Called for any samples
     * from any threads at the same time. A failure is one sentence that names the file, the place in it, what was
     * expected and what to do. File contents are never trusted. */
    ps_status (*decode)(const ps_source *source, ps_source_part part, int index, void *pixel, int16_t *label);
    /* Frees `state`; called after a failed opening too, with whatever there is. */
    void (*close)(ps_source *source);
    /* What a sample is called in sentences, lists and outputs ("case_004"), and the file that its image was read from,
     * whose header a label map that is written takes over. Borrowed. NULL: samples have a number alone. */
    const char *(*name)(const ps_source *source, ps_source_part part, int index);
    const char *(*path)(const ps_source *source, ps_source_part part, int index);
    /* Of samples of files with a unit, and of those that were prepared out of what the file holds (another spacing, a
     * part of the volume): shape of the file's image and the size of its cells in mm along d, h, w. NULL: samples are
     * as files are, and have no unit. */
    void (*original)(const ps_source *source, ps_source_part part, int index, ps_shape *shape, double mm[3]);
    /* The label map as the file has it, without the image; NULL: it comes from `decode` alone. */
    ps_status (*truth)(const ps_source *source, ps_source_part part, int index, int16_t *label);
    /* Of prepared samples alone: pixels and label map as the file has them, of the shape that `original` says, and the
     * way back, from scores [positions of the prepared sample][classes] to labels of that shape. NULL: of others. */
    ps_status (*stored)(const ps_source *source, ps_source_part part, int index, void *pixel, int16_t *label);
    ps_status (*restore)(const ps_source *source, ps_source_part part, int index, const float *score, int classes,
                         int16_t *label);
    /* Whether it is known already that a sample cannot be decoded (and left out, below). NULL: of none. */
    bool (*bad)(const ps_source *source, ps_source_part part, int index);
    /* What `decode` gives of floats with masks, row by row in the order of the files, for whoever need not hold a
     * sample. NULL: there is no such way. */
    ps_status (*each_row)(const ps_source *source, ps_source_part part, int index, ps_source_rows what,
                          ps_source_row_taker *take, void *context);
} ps_source_functions;

struct ps_source {
    const ps_source_functions *functions;
    void *state;                /* the format's own */
    int count[PS_SOURCE_PARTS]; /* the test part may be empty */
    ps_pixel_type type;
    ps_label_kind labels;
    bool
        in_groups; /* neighbours in their order are alike (streets of a city, frames of a film): the probe set is spread
                       over the training samples, and not cut from their end */
    bool made;     /* as many as are asked for, the probe's on top */
    int classes;   /* 1 or more where there are labels */
    char (*class_names)[PS_CLASS_NAME_SIZE];   /* [classes], from ps_alloc, freed for the format; NULL: numbers */
    char (*channel_names)[PS_CLASS_NAME_SIZE]; /* [c of pixels], likewise: "CT", "T1"; NULL: not known */
    char **bad; /* [bad_count]: sentences of samples that are left out (ps_source_leave_out); freed for the format */
    size_t bad_count, bad_room;
};

/* argument: what follows the colon of the name, NULL where there is none. *out is zero before. Of the options `size`,
 * `seed` and the counts matter to formats that make their samples; all others may ignore them. */
typedef ps_status ps_source_open_function(const char *argument, const ps_dataset_options *options, ps_source *out);

/* The opening functions of all formats. */
#define PS_FORMAT(name, argument, background, open, help) ps_source_open_function open;
#include "data/dataset_list.def"
#undef PS_FORMAT

/* Opens "format:argument", as told on the command line. *out is to be closed after a failure too. */
ps_status ps_source_open(const char *name, const ps_dataset_options *options, ps_source *out);
void ps_source_close(ps_source *source);
/* The rows of a sample of floats with a mask: of `each_row`, else of what `decode` gives, in the order of [d][h][w]. */
ps_status ps_source_each_row(const ps_source *source, ps_source_part part, int index, ps_source_rows what,
                             ps_source_row_taker *take, void *context);
/* Whether samples of "format:argument" have masks whose class 0 is what none of the others is, and no class of things
 * like them (as sky and road are). Opens nothing. */
bool ps_source_has_background(const char *name);

/* For formats: a sample whose file opening could not make sense of (its failure is `status`) is in no part of the
 * source, or `bad`, and named; all others are looked at nevertheless, so that all that are bad are known at once.
 * Whether that is the end, the data set decides when the source is open (ps_dataset_options.skip_bad). Failures that
 * are no fault of a file (no memory) are handed on: PS_TRY(ps_source_leave_out(source, status)). */
ps_status ps_source_leave_out(ps_source *source, ps_status status);
/* Fails where samples were left out that may not be. */
ps_status ps_source_check_bad(const ps_source *source, const char *name, bool skip);

/* For formats: reads names, one a line, from a text file where it exists; keeps numbers where it does not have one for
 * every class. */
ps_status ps_source_read_class_names(ps_source *source, const char *path);

#endif
