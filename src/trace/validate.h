/* Checks a trace against FORMAT.md: every line's shape, and the rules between lines (order, steps, windows, layers). */
#ifndef PS_TRACE_VALIDATE_H
#define PS_TRACE_VALIDATE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "core/status.h"

typedef struct {
    uint64_t lines, problems, unknown_records;
    uint64_t layers, steps, windows, probings;
    bool cut_off; /* the last line is not whole */
    bool ended;   /* there is an `end` record */
} ps_trace_check;

/* Prints one sentence per problem ("PATH:LINE: ...") to stream, at most `limit` of them (0: all) and how many more
 * there are. PS_OK: the trace follows the format; PS_ERR_CHECK: it does not; other codes: it could not be read. Keys
 * and record types it does not know are passed over. check may be NULL. */
ps_status ps_trace_validate(const char *path, FILE *stream, uint64_t limit, ps_trace_check *check);

#endif
