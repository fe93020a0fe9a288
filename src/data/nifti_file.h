/* A NIfTI file that is open, for nifti.c and nifti_write.c alone. */
#ifndef PS_DATA_NIFTI_FILE_H
#define PS_DATA_NIFTI_FILE_H

#include <nifti2_io.h>
#include <zlib.h>

#include "data/nifti.h"

typedef struct {
    gzFile stream; /* behind the header */
    const char *path;
    uint64_t size;      /* of the file as it is */
    nifti_1_header one; /* of version 1, in this machine's byte order */
    nifti_2_header two; /* of both versions, where version 1 has what it needs of it */
    ps_nifti header;
} ps_nifti_file;

/* Opens and checks. To be closed after a failure too. */
ps_status ps_nifti_file_open(const char *path, ps_nifti_file *out);
void ps_nifti_file_close(ps_nifti_file *file);

/* Where the voxels of a file lie in an array [d][h][w] of canonical order: position (i, j, k) of the file is at start +
 * i step[0] + j step[1] + k step[2]; count: along the file's axes. */
typedef struct {
    int64_t start, step[3];
    int count[3];
} ps_nifti_walk;
ps_nifti_walk ps_nifti_walk_of(const ps_nifti *header);

#endif
