#include "watch/follow.h"

#include <errno.h>
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
    struct stat status;
    if (follow->stream != NULL) fclose(follow->stream);
    follow->stream = NULL;
    PS_TRY(check_kind(follow->path));
    follow->stream = fopen(follow->path, "rb");
    if (follow->stream == NULL || fstat(fileno(follow->stream), &status) != 0)
        return ps_fail(PS_ERR_IO, "%s: cannot be opened (%s); give a trace or the directory of a run", follow->path,
                       strerror(errno));
    follow->inode = (uint64_t)status.st_ino;
    follow->device = (uint64_t)status.st_dev;
    follow->offset = 0;
    follow->last_length = 0;
    return PS_OK;
}

ps_status ps_follow_open(ps_follow *follow, const char *path) {
    *follow = (ps_follow){0};
    PS_TRY(ps_string_copy(path, &follow->path));
    return reopen(follow);
}

void ps_follow_close(ps_follow *follow) {
    if (follow->stream != NULL) fclose(follow->stream);
    free(follow->path);
    free(follow->line);
    *follow = (ps_follow){0};
}

/* Cut back and grown again between two looks, a file has its old length or more, but other bytes where reading
 * stopped. */
static bool still_holds(ps_follow *follow) {
    char bytes[PS_FOLLOW_MEMORY];
    size_t length = (size_t)follow->last_length;
    if (fseeko(follow->stream, (off_t)(follow->offset - follow->last_length), SEEK_SET) != 0) return false;
    return fread(bytes, 1, length, follow->stream) == length && memcmp(bytes, follow->last, length) == 0;
}

ps_status ps_follow_check(ps_follow *follow, bool *restarted) {
    struct stat status;
    *restarted = false;
    follow->gone = stat(follow->path, &status) != 0; /* for a moment while it is replaced, or for good */
    if (follow->gone) return PS_OK;
    bool same = (uint64_t)status.st_ino == follow->inode && (uint64_t)status.st_dev == follow->device;
    if (same && (int64_t)status.st_size >= follow->offset && still_holds(follow)) return PS_OK;
    *restarted = true;
    return reopen(follow);
}

static void remember(ps_follow *follow, size_t length) {
    size_t kept = length < PS_FOLLOW_MEMORY ? length : PS_FOLLOW_MEMORY;
    memcpy(follow->last, follow->line + length - kept, kept);
    follow->last_length = (int)kept;
    follow->offset += (int64_t)length;
}

ps_status ps_follow_line(ps_follow *follow, char **line) {
    *line = NULL;
    clearerr(follow->stream); /* the end of the file may have moved */
    if (fseeko(follow->stream, (off_t)follow->offset, SEEK_SET) != 0)
        return ps_fail(PS_ERR_IO, "%s: cannot be read from the middle (%s); give a regular file", follow->path,
                       strerror(errno));
    ssize_t length = getline(&follow->line, &follow->capacity, follow->stream);
    if (length <= 0)
        return ferror(follow->stream)
                   ? ps_fail(PS_ERR_IO, "%s: could not be read further (%s)", follow->path, strerror(errno))
                   : PS_OK;
    if (follow->line[length - 1] != '\n') return PS_OK; /* half a line: the rest is still to come */
    remember(follow, (size_t)length);
    follow->line[length - 1] = '\0';
    *line = follow->line;
    return PS_OK;
}
