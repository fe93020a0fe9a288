/* Follows a growing trace: hands out whole lines as they come. A run that was resumed cuts its trace back; that is
 * noticed (the file is shorter, another one, or no longer holds what was read last), and reading starts anew. */
#ifndef PS_WATCH_FOLLOW_H
#define PS_WATCH_FOLLOW_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "core/status.h"

enum { PS_FOLLOW_MEMORY = 64 };

typedef struct {
    char *path;
    FILE *stream;
    uint64_t inode, device;
    int64_t offset;              /* behind the last whole line read */
    char last[PS_FOLLOW_MEMORY]; /* the bytes before the offset */
    int last_length;
    bool gone; /* there is no such file any more; what was read stays */
    char *line;
    size_t capacity;
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
