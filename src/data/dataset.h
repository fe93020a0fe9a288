/* Data sets: the samples of a source (data/source.h) that are in use, as networks take them. A source is named on
 * the command line as "format:argument", e.g. "cifar10:/data/cifar", "idx:/data/mnist", "synthetic" (no argument).
 * A data set reads the headers of its source, chooses samples, and gives them as floats, channels-last [d][h][w][c],
 * resized where that is asked for and normalised per channel with the training split's moments. Those, and the
 * digest, need every sample in use once; of large sets a few are looked at. Splits: `train` and `test` as the format
 * says; the probe set is cut from the END of the training split, or spread over it where neighbours are alike
 * (source.h), and never trained on (a fixed, held-apart set for deadness). */
#ifndef PS_DATA_DATASET_H
#define PS_DATA_DATASET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/rng.h"
#include "core/shape.h"
#include "core/status.h"

typedef enum { PS_SPLIT_TRAIN, PS_SPLIT_PROBE, PS_SPLIT_TEST, PS_SPLITS } ps_split;

enum { PS_MOST_MOMENTS = 16 };

typedef struct {
    int size;        /* wanted height and width (and depth in 3D); 0: as stored */
    int probe_count; /* images held apart for the probe */
    int train_limit; /* use at most this many training images (first ones, after the probe is cut); 0: all */
    int test_limit;  /* likewise; 0: all */
    bool raw;        /* pixels as stored, neither centred nor scaled */
    uint64_t seed;   /* synthetic data only */
    /* Samples are held in memory where all of them take no more; else a cache of that size holds those used last, and
     * those that are used next (ps_dataset_expect). 0: no bound. What is read is the same, bit for bit. */
    size_t most_bytes;
    /* A set whose samples take more is large, whatever may be held: opening it looks at a few samples (data/survey.h).
     * 0: 1 GiB. */
    size_t large_bytes;
    /* Moments by which pixels are normalised, instead of the training samples' own; of bytes in shares of 255. 0:
     * none. */
    int moments;
    double mean[PS_MOST_MOMENTS], deviation[PS_MOST_MOMENTS];
    /* What a network sees of a sample, where it is not all of it (data/patch.h): its sides d, h, w; with patch_sides 2
     * h and w of one slice, with 1 one number for all sides that samples have, with 0 whole samples. */
    int patch[3], patch_sides;
    bool pad_background; /* labels of a patch beyond its sample are class 0, and not "no label here" */
    /* A fold held out as the test split (data/choice.h): which one, counted from 0, of how many, or of a file's lists
     * of names ([{"train": [..], "val": [..]}, ..]). 0 folds and NULL: the parts of the source. */
    int fold, folds;
    const char *split_file;
    bool
        skip_bad; /* samples that cannot be read are left out, and named (ps_source_leave_out); else they are refused */
} ps_dataset_options;

typedef struct ps_dataset ps_dataset;

/* Opens "format:argument". Errors name file, record and byte, what was expected and what to do. For tests: a run takes
 * a source that was opened before, where there is one (run/opened.h). */
ps_status ps_dataset_open(const char *source, const ps_dataset_options *options, ps_dataset **out);
/* The same of a source that is open already, and is taken over, also on failure. */
struct ps_source;
ps_status ps_dataset_of_source(const char *name, const ps_dataset_options *options, struct ps_source *source,
                               ps_dataset **out);
void ps_dataset_close(ps_dataset *dataset);

/* Shape of one sample (n = 1) as a network is given it: of a patch, where one is cut. Number of classes (0: no labels),
 * number of label entries per sample (1: a class per image; d * h * w of the mask: a class per position; 0: no labels).
 * Where whole samples differ in size, d, h, w and the positions of masks are 0 here, and each has its own shape. */
ps_shape ps_dataset_sample_shape(const ps_dataset *dataset);
int ps_dataset_classes(const ps_dataset *dataset);
size_t ps_dataset_labels_per_sample(const ps_dataset *dataset);
/* Whether labels are masks, a class for each position. */
bool ps_dataset_has_masks(const ps_dataset *dataset);
bool ps_dataset_samples_differ(const ps_dataset *dataset);
/* Whether networks are given patches of samples, and not whole ones. */
bool ps_dataset_has_patch(const ps_dataset *dataset);
/* Of one whole sample, and of its mask (NULL: not wanted; all zero where labels are no masks). */
ps_shape ps_dataset_shape_of(const ps_dataset *dataset, ps_split split, int index, ps_shape *mask);
int ps_dataset_count(const ps_dataset *dataset, ps_split split);
/* The source as given, and the 16-digit digest of all pixels and labels used (after resizing and limits), of a large
 * set of names, sizes and lengths of files, and of what was looked at; borrowed. */
const char *ps_dataset_source(const ps_dataset *dataset);
const char *ps_dataset_digest(const ps_dataset *dataset);
/* Training samples of a large set that moments and counts were taken from; 0: all were. */
int ps_dataset_looked_at(const ps_dataset *dataset);
/* Whether all samples are in memory; and, where they are not, which will be used next, in this order, so that they can
 * be decoded meanwhile. */
bool ps_dataset_is_held(const ps_dataset *dataset);
void ps_dataset_expect(const ps_dataset *dataset, ps_split split, const uint32_t *index, size_t count);
/* Sentences of samples that were left out, as they cannot be read; NULL past the last. Borrowed. */
const char *ps_dataset_left_out(const ps_dataset *dataset, int index);
/* As the source names it, else its number. For tests: nothing shows the names of classes yet. */
const char *ps_dataset_class_name(const ps_dataset *dataset, int class_index);

/* How many labels of a split are this class (in [0, classes)); all positions count, where they have labels of their
 * own. Counted once, at opening. */
size_t ps_dataset_count_labels(const ps_dataset *dataset, ps_split split, int class_index);

/* Mean and standard deviation of a channel over the training images as a network is given them, before augmentation: 0
 * and 1 where it is normalised; a deviation of 0 where a channel never changes. */
void ps_dataset_input_moments(const ps_dataset *dataset, int channel, double *mean, double *deviation);
/* Mean and standard deviation by which its pixels are normalised, as options say them: of bytes in shares of 255. */
void ps_dataset_normalisation(const ps_dataset *dataset, int channel, double *mean, double *deviation);
/* What was counted at opening (data/census.h); borrowed. */
typedef struct ps_census_counts ps_census_counts;
const ps_census_counts *ps_dataset_census(const ps_dataset *dataset);

/* x [d][h][w][c] and label [labels] of one whole sample, normalised, not augmented; index in [0, count). From any
 * thread. It fails where a sample that is not held cannot be read any more. */
ps_status ps_dataset_sample(const ps_dataset *dataset, ps_split split, int index, float *x, int32_t *label);

/* Where a patch is cut out of its sample. */
typedef struct {
    ps_rng_key key;
    bool foreground; /* around a position of a class that is drawn of those from 1 on that the sample has, and perhaps
                        beyond the far ends of the sample; where it has none, or no mask, anywhere */
    double scale;    /* height and width are resized by this first, the depth is not; 0: neither */
    const double (*turn)[3]; /* [3][3], of ps_cut_turn; NULL: none */
} ps_patch_place;
/* The same of a patch of it, of the shape of ps_dataset_sample_shape. outside [c]: pixels beyond the sample. */
ps_status ps_dataset_patch(const ps_dataset *dataset, ps_split split, int index, const ps_patch_place *place,
                           const float *outside, float *x, int32_t *label);
/* What a network is given of a sample that is only measured: all of it, or a patch that is the same for every seed: of
 * the probe set around a position of the foreground, of other splits the middle. */
ps_status ps_dataset_fixed(const ps_dataset *dataset, ps_split split, int index, float *x, int32_t *label);

/* A sample as its file has it, before it was prepared or resized, for what is measured, written or shown there: its
 * name and file (NULL where it has none), its shape and the size of its cells in mm (1 and *has_unit false where there
 * is no unit); its label map (of data with masks); its pixels (uint8_t or float, [..][c] as stored) with that map; and
 * the labels that scores [positions of the sample's mask][classes] come to in that shape: the class of the largest
 * score, the first of equal ones. Scores are resized linearly on the way back, averaged where the file is smaller. */
typedef struct {
    const char *name, *path;
    ps_shape shape;
    double mm[3];
    bool has_unit;
} ps_dataset_file;
ps_dataset_file ps_dataset_file_of(const ps_dataset *dataset, ps_split split, int index);
ps_status ps_dataset_truth(const ps_dataset *dataset, ps_split split, int index, int16_t *label);
ps_status ps_dataset_stored(const ps_dataset *dataset, ps_split split, int index, void *pixel, int16_t *label);
ps_status ps_dataset_restore(const ps_dataset *dataset, ps_split split, int index, const float *score, int16_t *label);
/* Whether pixels are stored as bytes. */
bool ps_dataset_has_bytes(const ps_dataset *dataset);
/* That class at each of so many positions, for whoever wants no way back. */
void ps_labels_of_scores(const float *score, size_t positions, int classes, int16_t *label);

/* The same in two steps, for data of bytes: the bytes [d][h][w][c], resized; and floats made of such bytes. The bytes
 * may lie in the last quarter of x itself. */
ps_status ps_dataset_sample_bytes(const ps_dataset *dataset, ps_split split, int index, uint8_t *pixel, int32_t *label);
ps_status ps_dataset_patch_bytes(const ps_dataset *dataset, ps_split split, int index, const ps_patch_place *place,
                                 const uint8_t *outside, uint8_t *pixel, int32_t *label);
void ps_dataset_normalise(const ps_dataset *dataset, const uint8_t *pixel, float *x);
/* [c], borrowed: the mean of the training images in use, rounded to a byte; NULL where data are no bytes. */
const uint8_t *ps_dataset_grey(const ps_dataset *dataset);
/* [c], borrowed: what may be shown outside of an image, as a network is given it: black, or 0, which is the mean where
 * pixels are normalised. And the byte nearest to it (where data are bytes). */
const float *ps_dataset_outside(const ps_dataset *dataset, bool black);
const uint8_t *ps_dataset_outside_bytes(const ps_dataset *dataset, bool black);
/* Whether pixels are neither centred nor scaled. */
bool ps_dataset_raw(const ps_dataset *dataset);

#endif
