#include "watch/follow.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/memory.h"

/* Asked before opening, for opening a pipe waits for its writer. */
static ps_status check_kind(const char *path) {
    struct stat status;
    if (stat(path, &status) != 0 || S_ISREG(status.st_mode))
        return PS_OK; /* opening says what is wrong with a missing one */
    if (S_ISFIFO(status.st_mode))
        return ps_fail(PS_ERR_INPUT,
                       "%s: is a pipe, in which nobody can go back; write the trace to a file and watch that", path);
    return ps_fail(PS_ERR_INPUT, "%s: is not a regular file; give a trace or the directory of a run", path);
}

static ps_status reopen(ps_follow *follow) {
    ps_trace_input_close(follow->input);
    follow->input = NULL;
    PS_TRY(check_kind(follow->path));
    return ps_trace_input_open(follow->path, &follow->input);
}

ps_status ps_follow_open(ps_follow *follow, const char *path) {
    *follow = (ps_follow){0};
    PS_TRY(ps_string_copy(path, &follow->path));
    return reopen(follow);
}

void ps_follow_close(ps_follow *follow) {
    ps_trace_input_close(follow->input);
    free(follow->path);
    *follow = (ps_follow){0};
}

ps_status ps_follow_check(ps_follow *follow, bool *restarted) {
    struct stat status;
    *restarted = false;
    follow->gone = stat(follow->path, &status) != 0; /* for a moment while it is replaced, or for good */
    /* Cut back and grown again between two looks, a file has its old length or more, but other bytes where reading
     * stopped. */
    if (follow->gone || (follow->input != NULL && ps_trace_input_still_holds(follow->input))) return PS_OK;
    *restarted = true;
    return reopen(follow);
}

ps_status ps_follow_line(ps_follow *follow, char **line) {
    char *text;
    size_t length;
    *line = NULL;
    PS_TRY(ps_trace_input_line(follow->input, &text, &length));
    if (length == 0) return PS_OK;
    if (text[length - 1] != '\n') { /* half a line: the rest is still to come */
        ps_trace_input_return(follow->input, length);
        return PS_OK;
    }
    text[length - 1] = '\0';
    *line = text;
    return PS_OK;
}
