#include "core/progress.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "core/clock.h"

enum { BAR_CELLS = 24 };
static const uint64_t TERMINAL_PERIOD_NS = 100000000ull;
static const uint64_t PLAIN_PERIOD_NS = 10000000000ull;

void ps_progress_start(ps_progress *progress, const char *title, uint64_t total, uint64_t already, bool quiet) {
    *progress = (ps_progress){.title = title, .total = total, .done = already, .started_at = already, .quiet = quiet};
    progress->terminal = isatty(STDERR_FILENO);
    progress->start_ns = progress->shown_ns = ps_clock_ns();
}

static int terminal_columns(void) {
    struct winsize size;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

static void format_duration(char *buffer, size_t size, double seconds) {
    long s = (long)(seconds + 0.5);
    if (s >= 3600) snprintf(buffer, size, "%ldh%02ldm", s / 3600, s / 60 % 60);
    else if (s >= 60) snprintf(buffer, size, "%ldm%02lds", s / 60, s % 60);
    else snprintf(buffer, size, "%lds", s);
}

static void format_bar(char *bar, double share) {
    int full = (int)(share * BAR_CELLS + 0.5);
    for (int i = 0; i < BAR_CELLS; i++) bar[i] = i < full ? '#' : '.';
    bar[BAR_CELLS] = '\0';
}

void ps_progress_format(char *line, size_t size, int columns, const ps_progress *progress, const char *bar,
                        const char *tail, const char *left) {
    char head[128], end[64], brackets[64];
    const char *gap = tail != NULL ? "  " : "";
    if (tail == NULL) tail = "";
    snprintf(head, sizeof head, "%llu/%llu", (unsigned long long)progress->done, (unsigned long long)progress->total);
    snprintf(end, sizeof end, "left %s", left);
    snprintf(brackets, sizeof brackets, "[%s] ", bar);
    snprintf(line, size, "%s %s%s  %s%s%s", progress->title, brackets, head, tail, gap, end);
    if (columns == 0 || (int)strlen(line) <= columns) return;
    /* What the number done and the time left do not need goes: first the tail's end, then the tail, the bar, the
     * title. */
    int fixed = (int)(strlen(progress->title) + 1 + strlen(brackets) + strlen(head) + 4 + strlen(end));
    if (columns - fixed >= 8) {
        snprintf(line, size, "%s %s%s  %.*s  %s", progress->title, brackets, head, columns - fixed, tail, end);
        return;
    }
    const char *const titles[] = {progress->title, progress->title, ""}, *const bars[] = {brackets, "", ""};
    for (int i = 0; i < 3; i++) {
        snprintf(line, size, "%s%s%s%s  %s", titles[i], titles[i][0] != '\0' ? " " : "", bars[i], head, end);
        if ((int)strlen(line) <= columns) return;
    }
    snprintf(line, size, "%.*s", columns, end);
}

static void draw(const ps_progress *progress, const char *tail) {
    char bar[BAR_CELLS + 1], left[32] = "?", line[640];
    double share = progress->total ? (double)progress->done / (double)progress->total : 1.0;
    double seconds = (double)(ps_clock_ns() - progress->start_ns) * 1e-9;
    uint64_t here = progress->done - progress->started_at;
    if (here > 0)
        format_duration(left, sizeof left, seconds / (double)here * (double)(progress->total - progress->done));
    format_bar(bar, share);
    ps_progress_format(line, sizeof line, progress->terminal ? terminal_columns() - 1 : 0, progress, bar, tail, left);
    fprintf(stderr, progress->terminal ? "\r%s\033[K" : "%s\n", line);
    fflush(stderr);
}

void ps_progress_update(ps_progress *progress, uint64_t done, const char *tail) {
    progress->done = done < progress->total ? done : progress->total;
    uint64_t now = ps_clock_ns();
    uint64_t period = progress->terminal ? TERMINAL_PERIOD_NS : PLAIN_PERIOD_NS;
    if (progress->quiet || now - progress->shown_ns < period) return;
    progress->shown_ns = now;
    draw(progress, tail);
}

void ps_progress_end(ps_progress *progress, const char *tail) {
    if (progress->quiet) return;
    draw(progress, tail);
    if (progress->terminal) fputc('\n', stderr);
}
