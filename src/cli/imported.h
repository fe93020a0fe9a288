/* Scalars of a run that somebody else logged: TensorBoard's event files, tables (.csv), JSON lines (.jsonl). Values of
 * a tag by rising step; of two at one step the later one (a run that was gone on with). The creator clears. */
#ifndef PS_CLI_IMPORTED_H
#define PS_CLI_IMPORTED_H

#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

typedef struct {
    int64_t step;
    size_t order; /* in which they were read */
    double value;
} ps_imported_point;

typedef struct {
    char *tag;
    ps_imported_point *points;
    size_t count, capacity;
} ps_imported_series;

typedef struct {
    const char *path; /* borrowed */
    ps_imported_series *series;
    size_t count, capacity;
} ps_imported;

/* After a failure ps_imported_clear is still right. */
ps_status ps_imported_read(const char *path, ps_imported *out);
void ps_imported_clear(ps_imported *log);
/* NULL: there is no such tag. */
const ps_imported_series *ps_imported_find(const ps_imported *log, const char *tag);

#endif
