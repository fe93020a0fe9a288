/* What long work says while it runs: on a terminal one line that redraws itself (bar, share, rate, time left, a tail
 * the caller composes), elsewhere a plain line now and then; nothing when quiet. Writes to stderr, so stdout stays
 * clean. */
#ifndef PS_CORE_PROGRESS_H
#define PS_CORE_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    const char *title;    /* borrowed */
    uint64_t total, done; /* in steps of the work */
    uint64_t start_ns, shown_ns, started_at;
    bool quiet, terminal;
} ps_progress;

/* already: how much was done before (a resumed run), so that the rate counts only this session's work. */
void ps_progress_start(ps_progress *progress, const char *title, uint64_t total, uint64_t already, bool quiet);
/* tail: "loss 1.234  812 images/s  dead 3.1 %"; may be NULL. Draws at most ten times a second. */
void ps_progress_update(ps_progress *progress, uint64_t done, const char *tail);
/* The line of a bar, at most `columns` long (0: of any length). On a narrow terminal the tail is cut first, then goes
 * the bar, then the title; the time left is what people look for. */
void ps_progress_format(char *line, size_t size, int columns, const ps_progress *progress, const char *bar,
                        const char *tail, const char *left);
/* Ends the line, leaving the last state visible. */
void ps_progress_end(ps_progress *progress, const char *tail);

#endif
