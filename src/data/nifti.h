/* NIfTI-1 and NIfTI-2 in one file, .nii and .nii.gz: headers without voxels, voxels as floats, label maps, and label
 * maps written in the geometry of a file that was read.
 *
 * Axes are brought to the closest canonical order (x to the right, y to the front, z up: RAS+) by the sform, else the
 * qform, else as files without either are taken (x to the left), which is what nibabel's as_closest_canonical does:
 * axes are exchanged and turned round, and nothing is interpolated. x is the fastest in memory: our [d = z][h = y]
 * [w = x].
 *
 * A file is never believed. Its header is checked against its length before anybody can ask for memory by it: of a .gz
 * file by the length that it ends with, and by inflating all of it into a small buffer where that says otherwise. */
#ifndef PS_DATA_NIFTI_H
#define PS_DATA_NIFTI_H

#include <stdbool.h>
#include <stdint.h>

#include "core/shape.h"
#include "core/status.h"

typedef struct {
    ps_shape shape; /* n = 1; c: the fourth dimension, 1 without; d, h, w in the canonical order */
    double mm[3];   /* size of a voxel along d, h, w */
    int version;    /* 1 or 2 */
    int type;       /* NIfTI's code of what a voxel is, one of those that can be read */
    int type_bytes;
    bool swapped; /* in the other byte order than this machine's */
    bool compressed;
    bool scaled; /* values are slope * voxel + intercept */
    double slope, intercept;
    uint64_t offset; /* of the voxels */
    /* Canonical axis k (0: x, 1: y, 2: z) is this axis of the file, and runs the other way where `flip`. */
    int axis[3];
    bool flip[3];
    /* Where the sform or the qform puts voxel (i, j, k) of the file, in mm: place[r][0] i + place[r][1] j + place[r][2]
     * k + place[r][3]. Not `placed`: the file has neither. */
    double place[3][4];
    bool placed;
} ps_nifti;

/* Reads and checks the header. */
ps_status ps_nifti_open(const char *path, ps_nifti *out);

/* value [d][h][w][c] of the header's shape: a voxel of the file's channel t goes to element `channel` + t of c `width`
 * elements (for channels that have a file each; 0 and shape.c for a file by itself). What is not finite is refused by
 * its place in the file. `header` is what ps_nifti_open gave; a file that has changed since is refused. From any
 * thread. */
ps_status ps_nifti_read(const char *path, const ps_nifti *header, int channel, int width, float *value);

typedef struct {
    int classes;   /* labels are whole numbers in [0, classes) */
    int ignored;   /* but for this one, which becomes -1: it does not count; -1: there is none */
    int looked_at; /* label maps that the classes were found in, of more; 0: they are known */
} ps_nifti_labels;

/* label [d][h][w] of a header with one channel. Values as near as 0.001 to a whole number are rounded; anything else is
 * refused by its place in the file. */
ps_status ps_nifti_read_labels(const char *path, const ps_nifti *header, const ps_nifti_labels *labels, int16_t *label);

/* The same row by row, in the order of the file: `count` values of one channel, at positions first, first + step, .. of
 * [d][h][w]. No map of the volume is held. */
typedef struct {
    int64_t first, step;
    int count, channel;
} ps_nifti_row;
typedef ps_status ps_nifti_row_taker(void *context, const ps_nifti_row *row, const float *value);
typedef ps_status ps_nifti_label_taker(void *context, const ps_nifti_row *row, const int16_t *label);
ps_status ps_nifti_each_row(const char *path, const ps_nifti *header, ps_nifti_row_taker *take, void *context);
ps_status ps_nifti_each_label_row(const char *path, const ps_nifti *header, const ps_nifti_labels *labels,
                                  ps_nifti_label_taker *take, void *context);

enum { PS_NIFTI_LABELS = 256 };
/* Marks the values that occur in a label map; no map of the volume is held. Values must be whole and below
 * PS_NIFTI_LABELS. */
ps_status ps_nifti_find_labels(const char *path, const ps_nifti *header, bool seen[PS_NIFTI_LABELS]);

/* Writes label [d][h][w], in the canonical order, as a file of the same geometry as `input`: its axes, spacing, forms
 * and version, one volume of bytes (of 16-bit numbers where labels do not fit). Compressed where `path` ends in ".gz".
 * Extensions of the input's header are left out. */
ps_status ps_nifti_write_like(const char *input, const int16_t *label, const char *path);
/* The same of no file's geometry: axes x to the right, y to the front and z up, cells of mm along d, h, w. */
ps_status ps_nifti_write_plain(ps_shape shape, const double mm[3], const int16_t *label, const char *path);

#endif
