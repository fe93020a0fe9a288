/* NIfTI-1 files of a test's own, right ones and such as lie. */
#ifndef PS_TESTS_NIFTI_FILES_H
#define PS_TESTS_NIFTI_FILES_H

#include <stddef.h>
#include <stdint.h>

/* What there is to say in a header, at its place in the bytes; a zero at the end. */
typedef struct {
    int at;    /* byte */
    char kind; /* 's': 16-bit number, 'i': 32-bit, 'f': float, 'b': byte */
    double value;
} made_field;

typedef struct {
    int side[4];         /* x, y, z, channels; 0: 1 */
    float mm[3];         /* 0: 1 */
    int type;            /* NIfTI's code: 2 (bytes; also for 0), 4 (16 bits) or 16 (floats) */
    const double *value; /* [channels][z][y][x]; NULL: element number modulo 7 */
    size_t kept;         /* bytes of the voxels that are written; 0: all */
    const made_field *fields;
} made_nifti;

/* Compressed where the name ends in ".gz". Axes run as ours do. */
void write_nifti(const char *path, const made_nifti *what);
/* Leaves the first `bytes` bytes of a file. */
void cut_nifti(const char *path, long bytes);
long length_of_file(const char *path);

#endif
