/* A set of positions of a volume, one bit each: what is to be found again in a volume that is read row by row. First
 * all are added, then they are counted, then it is asked. The caller clears. */
#ifndef PS_DATA_MARKS_H
#define PS_DATA_MARKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

typedef struct {
    uint64_t *word;
    uint32_t *before; /* positions in the words before */
    size_t words, count;
} ps_marks;

/* Of so many positions, of which none is in it. */
ps_status ps_marks_create(ps_marks *marks, size_t positions);
void ps_marks_clear(ps_marks *marks);
void ps_marks_add(ps_marks *marks, size_t position);
/* Counts them; to be called when all are added. */
void ps_marks_count(ps_marks *marks);

bool ps_marks_have(const ps_marks *marks, size_t position);
/* How many lie before this one, and the one that so many lie before (below `count`). */
size_t ps_marks_rank(const ps_marks *marks, size_t position);
size_t ps_marks_at(const ps_marks *marks, size_t rank);

#endif
