#define _GNU_SOURCE
#include "core/file.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/memory.h"

bool ps_file_exists(const char *path) {
    struct stat info;
    return stat(path, &info) == 0;
}

bool ps_file_is_directory(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

/* Eight bytes of length, the low ones first; JSON has no zero bytes. */
bool ps_file_begins_as_weights(const char *bytes, size_t count) {
    return count >= 9 && bytes[8] == '{' && memchr(bytes + 4, 0, 4) != NULL;
}

/* The first bytes of a regular file, for what a pipe gives is gone then; their count. */
static size_t first_bytes(const char *path, char *bytes, size_t size) {
    struct stat info;
    bool is_regular = stat(path, &info) == 0 && S_ISREG(info.st_mode);
    FILE *stream = is_regular ? fopen(path, "rb") : NULL;
    size_t count = stream != NULL ? fread(bytes, 1, size, stream) : 0;
    if (stream != NULL) fclose(stream);
    return count;
}

bool ps_file_is_weights(const char *path) {
    char bytes[9] = "";
    return ps_file_begins_as_weights(bytes, first_bytes(path, bytes, sizeof bytes));
}

/* A pickle says its protocol first, 2 to 5 in all that PyTorch ever wrote. */
bool ps_file_is_pickle(const char *path) {
    char bytes[4];
    if (first_bytes(path, bytes, sizeof bytes) != sizeof bytes) return false;
    return memcmp(bytes, "PK\3\4", 4) == 0 || (bytes[0] == '\x80' && bytes[1] >= 2 && bytes[1] <= 5);
}

ps_status ps_file_size(const char *path, uint64_t *size_bytes) {
    struct stat info;
    if (stat(path, &info) != 0) return ps_fail(PS_ERR_IO, "%s: %s; check the path", path, strerror(errno));
    if (!S_ISREG(info.st_mode)) return ps_fail(PS_ERR_INPUT, "%s: is not a regular file; give a file", path);
    *size_bytes = (uint64_t)info.st_size;
    return PS_OK;
}

ps_status ps_file_refuse_tilde(const char *text) {
    for (const char *p = strchr(text, '~'); p != NULL; p = strchr(p + 1, '~')) {
        char path[4096];
        size_t length = strcspn(p, ",");
        if ((p > text && strchr(":=,", p[-1]) == NULL) || (p[1] != '/' && length != 1)) continue;
        snprintf(path, sizeof path, "%.*s", (int)length, p);
        if (ps_file_exists(path)) continue;
        return ps_fail(PS_ERR_USAGE,
                       "\"%s\": the shell leaves this ~ as it is (it puts the home folder there only at the start of a "
                       "word); write \"$HOME%s\", or the whole path",
                       text, path + 1);
    }
    return PS_OK;
}

ps_status ps_file_read(const char *path, char **content, size_t *size_bytes) {
    uint64_t size;
    char *block = NULL;
    *content = NULL;
    PS_TRY(ps_file_size(path, &size));
    FILE *stream = fopen(path, "rb");
    if (stream == NULL) return ps_fail(PS_ERR_IO, "%s: %s; check its permissions", path, strerror(errno));
    ps_status status = PS_OK;
    block = malloc((size_t)size + 1);
    if (block == NULL) {
        status = ps_fail(PS_ERR_MEMORY, "%s: no memory for its %llu bytes", path, (unsigned long long)size);
    } else if (fread(block, 1, (size_t)size, stream) != size) {
        status = ps_fail(PS_ERR_IO, "%s: could not read all of its %llu bytes", path, (unsigned long long)size);
    }
    fclose(stream);
    if (status != PS_OK) {
        free(block);
        return status;
    }
    block[size] = '\0';
    *content = block;
    if (size_bytes != NULL) *size_bytes = (size_t)size;
    return PS_OK;
}

ps_status ps_file_write(const char *path, const void *content, size_t size_bytes) {
    ps_file_writer writer;
    PS_TRY(ps_file_writer_open(&writer, path));
    if (size_bytes > 0) fwrite(content, 1, size_bytes, writer.stream); /* commit reports the stream's error */
    return ps_file_writer_commit(&writer);
}

ps_status ps_file_make_directories(const char *path) {
    char *partial;
    ps_status status = PS_OK;
    if (path[0] == '\0') return ps_fail(PS_ERR_USAGE, "the name of a directory is empty; give one");
    PS_TRY(ps_string_copy(path, &partial));
    for (char *p = partial + 1; status == PS_OK; p++) {
        if (*p != '/' && *p != '\0') continue;
        char held = *p;
        *p = '\0';
        int reason = mkdir(partial, 0777) != 0 ? errno : 0; /* the question below overwrites errno */
        if (reason != 0 && !ps_file_is_directory(partial))
            status = ps_fail(PS_ERR_IO, "%s: could not make this directory (%s); choose another place", partial,
                             reason == EEXIST ? "a file of that name is in the way" : strerror(reason));
        *p = held;
        if (held == '\0') break;
    }
    free(partial);
    return status;
}

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *place) {
    (void)info, (void)kind, (void)place;
    (void)remove(path);
    return 0;
}

void ps_file_remove_directory(const char *path) { (void)nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS); }

ps_status ps_file_join(const char *directory, const char *name, char **path) {
    size_t length = strlen(directory);
    return ps_string_format(path, "%s%s%s", directory, length > 0 && directory[length - 1] == '/' ? "" : "/", name);
}

static ps_status real_path(const char *path, char **real) {
    *real = realpath(path, NULL);
    return *real != NULL ? PS_OK : ps_fail(PS_ERR_IO, "%s: %s; check the path", path, strerror(errno));
}

/* Length of the whole names that two absolute paths begin with in common. */
static size_t common_length(const char *a, const char *b) {
    size_t common = 0;
    for (size_t i = 0;; i++) {
        bool a_ends = a[i] == '\0' || a[i] == '/', b_ends = b[i] == '\0' || b[i] == '/';
        if (a_ends && b_ends) common = i;
        if (a[i] != b[i] || a[i] == '\0') return common;
    }
}

ps_status ps_file_way(const char *from, const char *to, char **way) {
    char *a = NULL, *b = NULL, *up = NULL;
    ps_status status = PS_OK;
    *way = NULL;
    PS_TRY_CLEANUP(real_path(from, &a));
    PS_TRY_CLEANUP(real_path(to, &b));
    size_t common = common_length(a, b), length = 0;
    PS_TRY_CLEANUP(PS_ALLOC(2 * strlen(a) + 1, &up, "a relative path")); /* "../" for each "/x" or more */
    for (const char *p = a + common; *p != '\0'; p++)
        if (p[0] == '/' && p[1] != '\0') length += (size_t)sprintf(up + length, "%s..", length > 0 ? "/" : "");
    const char *down = b + common + (b[common] == '/');
    const char *between = length > 0 && down[0] != '\0' ? "/" : "";
    PS_TRY_CLEANUP(ps_string_format(way, "%s%s%s", length == 0 && down[0] == '\0' ? "." : up, between, down));
cleanup:
    free(a);
    free(b);
    ps_free(up);
    return status;
}

/* ---- to the disk ---- */

static int sync_at(const char *path, int flags) {
    int file = open(path, O_RDONLY | O_CLOEXEC | flags);
    int result = file >= 0 ? fsync(file) : -1, reason = errno;
    if (file >= 0) close(file);
    errno = reason;
    return result;
}

ps_status ps_file_sync(const char *path) {
    if (sync_at(path, 0) == 0) return PS_OK;
    int reason = errno;
    return ps_fail(PS_ERR_IO, "%s: could not be brought to the disk (%s); %s", path, strerror(reason),
                   ps_file_remedy(reason));
}

void ps_file_sync_directory(const char *directory) { (void)sync_at(directory, O_DIRECTORY); }

/* A name that was renamed into place is on the disk when its directory is. */
static void sync_folder_of(char *path) {
    char *slash = strrchr(path, '/');
    if (slash == NULL) ps_file_sync_directory(".");
    else if (slash == path) ps_file_sync_directory("/");
    else {
        *slash = '\0';
        ps_file_sync_directory(path);
        *slash = '/';
    }
}

/* ---- writing ---- */

const char *ps_file_remedy(int reason) {
    switch (reason) {
        case ENOSPC:
        case EDQUOT: return "free some space and run again";
        case EFBIG: return "files may not grow so large here (ulimit -f); raise the limit or choose another place";
        case EACCES:
        case EPERM:
        case EROFS: return "choose another place or mend its permissions";
        case EISDIR: return "give the name of a file";
        case ENOENT:
        case ENOTDIR: return "make its folder first, or choose another place";
        case EPIPE: return "whoever read it has gone; run again";
        default: return "check the place (is there space left?) and run again";
    }
}

/* The name a chain of symbolic links ends in, also where nothing is there yet. */
static ps_status follow_links(const char *path, char **end) {
    enum { MOST_LINKS = 40 };
    char target[PATH_MAX];
    PS_TRY(ps_string_copy(path, end));
    for (int links = 0; links < MOST_LINKS; links++) {
        ssize_t length = readlink(*end, target, sizeof target - 1);
        if (length < 0) return PS_OK; /* no link, or nothing at all */
        target[length] = '\0';
        char *slash = strrchr(*end, '/'), *next;
        ps_status status = target[0] == '/' || slash == NULL
                               ? ps_string_copy(target, &next)
                               : ps_string_format(&next, "%.*s/%s", (int)(slash - *end), *end, target);
        free(*end);
        *end = NULL;
        PS_TRY(status);
        *end = next;
    }
    free(*end);
    *end = NULL;
    return ps_fail(PS_ERR_IO, "%s: symbolic links in a circle; mend them", path);
}

bool ps_file_reader_is_gone(FILE *stream) {
    struct pollfd out = {fileno(stream), POLLOUT, 0};
    return poll(&out, 1, 0) == 1 && (out.revents & (POLLERR | POLLHUP)) != 0;
}

static ps_status open_stream(ps_file_writer *writer, const char *name) {
    writer->stream = fopen(name, "wb");
    if (writer->stream != NULL) return PS_OK;
    int reason = errno;
    return ps_fail(PS_ERR_IO, "%s: cannot be written (%s); %s", writer->path, strerror(reason), ps_file_remedy(reason));
}

/* Standard output may be a regular file; replacing that would tear it from what is printed besides. */
static bool is_standard_output(const struct stat *info) {
    struct stat own;
    return fstat(STDOUT_FILENO, &own) == 0 && own.st_dev == info->st_dev && own.st_ino == info->st_ino;
}

static ps_status open_standard_output(ps_file_writer *writer) {
    fflush(stdout);
    int copy = dup(STDOUT_FILENO);
    writer->stream = copy >= 0 ? fdopen(copy, "wb") : NULL;
    if (writer->stream != NULL) return PS_OK;
    if (copy >= 0) close(copy);
    return ps_fail(PS_ERR_IO, "%s: standard output cannot be written (%s); check the place it goes to", writer->path,
                   strerror(errno));
}

static ps_status open_target(ps_file_writer *writer) {
    struct stat info;
    bool exists = stat(writer->path, &info) == 0;
    if (writer->path[0] == '\0') return ps_fail(PS_ERR_USAGE, "the name of a file to write is empty; give one");
    if (exists && S_ISDIR(info.st_mode))
        return ps_fail(PS_ERR_USAGE, "%s: is a directory and cannot be written as a file; give the name of a file",
                       writer->path);
    if (exists && is_standard_output(&info)) return open_standard_output(writer);
    /* A device or a pipe is written to; replacing it would take it from everyone else. */
    if (exists && !S_ISREG(info.st_mode)) return open_stream(writer, writer->path);
    PS_TRY(follow_links(writer->path, &writer->target));
    PS_TRY(ps_string_format(&writer->temporary, "%s.tmp%ld", writer->target, (long)getpid()));
    return open_stream(writer, writer->temporary);
}

ps_status ps_file_writer_open(ps_file_writer *writer, const char *path) {
    memset(writer, 0, sizeof *writer);
    ps_status status = ps_string_copy(path, &writer->path);
    if (status == PS_OK) status = open_target(writer);
    if (status != PS_OK) ps_file_writer_discard(writer);
    return status;
}

/* Closes the stream in any case. */
ps_status ps_file_writer_finish(ps_file_writer *writer) {
    bool replaces = writer->temporary != NULL;
    errno = 0;
    bool failed =
        fflush(writer->stream) != 0 || ferror(writer->stream) || (replaces && fsync(fileno(writer->stream)) != 0);
    int reason = errno;
    bool gone = !replaces && ps_file_reader_is_gone(writer->stream);
    if (fclose(writer->stream) != 0 && !failed) {
        failed = true;
        reason = errno;
    }
    writer->stream = NULL;
    if (!failed || gone) return PS_OK;
    return ps_fail(PS_ERR_IO, "%s: could not be written completely (%s); %s", writer->path,
                   reason != 0 ? strerror(reason) : "an earlier write failed", ps_file_remedy(reason));
}

ps_status ps_file_writer_put(ps_file_writer *writer) {
    if (writer->temporary == NULL) return PS_OK;
    if (rename(writer->temporary, writer->target) != 0) {
        int reason = errno;
        ps_status status = ps_fail(PS_ERR_IO, "%s: could not be replaced (%s); %s", writer->path, strerror(reason),
                                   ps_file_remedy(reason));
        errno = reason;
        return status;
    }
    free(writer->temporary);
    writer->temporary = NULL;
    return PS_OK;
}

ps_status ps_file_writer_commit(ps_file_writer *writer) {
    bool replaces = writer->temporary != NULL;
    ps_status status = ps_file_writer_finish(writer);
    if (status == PS_OK) status = ps_file_writer_put(writer);
    if (status == PS_OK && replaces) sync_folder_of(writer->target);
    ps_file_writer_discard(writer);
    return status;
}

static ps_status put_all(ps_file_writer *writers, int count) {
    for (int i = 0; i < count; i++) PS_TRY(ps_file_writer_finish(&writers[i]));
    for (int i = 0; count > 1 && i < count; i++)
        if (writers[i].temporary != NULL) unlink(writers[i].target);
    for (int i = 0; i < count; i++) PS_TRY(ps_file_writer_put(&writers[i]));
    for (int i = 0; i < count; i++)
        if (writers[i].target != NULL) sync_folder_of(writers[i].target);
    return PS_OK;
}

ps_status ps_file_writers_commit(ps_file_writer *writers, int count) {
    ps_status status = put_all(writers, count);
    for (int i = 0; i < count; i++) ps_file_writer_discard(&writers[i]);
    return status;
}

void ps_file_writer_discard(ps_file_writer *writer) {
    if (writer->stream != NULL) fclose(writer->stream);
    if (writer->temporary != NULL) unlink(writer->temporary);
    free(writer->temporary);
    free(writer->target);
    free(writer->path);
    memset(writer, 0, sizeof *writer);
}
