/* Follows a growing trace: hands out whole lines as they come. A run that was resumed cuts its trace back; that is
 * noticed (the file is shorter, another one, or no longer holds what was read last), and reading starts anew. */
#ifndef PS_WATCH_FOLLOW_H
#define PS_WATCH_FOLLOW_H

#include <stdbool.h>
#include <stdint.h>

#include "trace/trace_input.h"

typedef struct {
    char *path;
    ps_trace_input *input;
    bool gone; /* there is no such file any more; what was read stays */
} ps_follow;

/* Only regular files: reading goes back and forth. */
ps_status ps_follow_open(ps_follow *follow, const char *path);
void ps_follow_close(ps_follow *follow);

/* *restarted: everything read so far no longer counts, and lines come from the first one again. Ask before each series
 * of lines. */
ps_status ps_follow_check(ps_follow *follow, bool *restarted);
/* The next whole line without its end, NULL: none yet. Borrowed until the next call. */
ps_status ps_follow_line(ps_follow *follow, char **line);

#endif
