/* An uncompressed zip archive whose members' sizes are known beforehand, written in any order: a member is begun with
 * its name and size, and its bytes come piece by piece, each at its end, while others grow beside it. So arrays of a
 * trace are written as it is read, with memory for none of them. The stream must be a regular file. */
#ifndef PS_ANALYSIS_ZIP_STORE_H
#define PS_ANALYSIS_ZIP_STORE_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "core/status.h"

typedef struct {
    char *name;
    uint64_t size, done; /* bytes in all, bytes written */
    uint64_t place;      /* of its first byte in the file */
    uint32_t crc;
} ps_zip_member;

typedef struct {
    FILE *stream;
    ps_zip_member *members;
    size_t count, capacity;
    uint64_t end; /* of the last member */
} ps_zip_store;

/* A member behind those that were added; *index names it. Nothing is written yet. */
ps_status ps_zip_add(ps_zip_store *zip, const char *name, uint64_t size, size_t *index);
/* The next bytes of a member. PS_ERR_INTERNAL behind its size. */
ps_status ps_zip_put(ps_zip_store *zip, size_t index, const void *bytes, size_t size);
/* Heads and the directory; every member must be whole. Frees all, also after a failure. */
ps_status ps_zip_finish(ps_zip_store *zip);
void ps_zip_clear(ps_zip_store *zip);

#endif
