#define _GNU_SOURCE
#include "core/file.h"

#include <errno.h>
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

ps_status ps_file_size(const char *path, uint64_t *size_bytes) {
    struct stat info;
    if (stat(path, &info) != 0) return ps_fail(PS_ERR_IO, "%s: %s; check the path", path, strerror(errno));
    if (!S_ISREG(info.st_mode)) return ps_fail(PS_ERR_INPUT, "%s: is not a regular file; give a file", path);
    *size_bytes = (uint64_t)info.st_size;
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
        if (mkdir(partial, 0777) != 0 && !ps_file_is_directory(partial))
            status = ps_fail(PS_ERR_IO, "%s: could not make this directory (%s); choose another place", partial,
                             errno == EEXIST ? "a file of that name is in the way" : strerror(errno));
        *p = held;
        if (held == '\0') break;
    }
    free(partial);
    return status;
}

ps_status ps_file_join(const char *directory, const char *name, char **path) {
    size_t length = strlen(directory);
    return ps_string_format(path, "%s%s%s", directory, length > 0 && directory[length - 1] == '/' ? "" : "/", name);
}

ps_status ps_file_writer_open(ps_file_writer *writer, const char *path) {
    memset(writer, 0, sizeof *writer);
    PS_TRY(ps_string_copy(path, &writer->path));
    ps_status status = ps_string_format(&writer->temporary, "%s.tmp%ld", path, (long)getpid());
    if (status == PS_OK && (writer->stream = fopen(writer->temporary, "wb")) == NULL)
        status = ps_fail(PS_ERR_IO, "%s: cannot be written (%s); choose another place or mend its permissions", path,
                         strerror(errno));
    if (status != PS_OK) ps_file_writer_discard(writer);
    return status;
}

ps_status ps_file_writer_commit(ps_file_writer *writer) {
    ps_status status = PS_OK;
    int failed = fflush(writer->stream) != 0 || ferror(writer->stream) || fsync(fileno(writer->stream)) != 0;
    int reason = errno;
    failed |= fclose(writer->stream) != 0;
    writer->stream = NULL;
    if (!failed && rename(writer->temporary, writer->path) != 0) {
        failed = 1;
        reason = errno;
    }
    if (failed)
        status = ps_fail(PS_ERR_IO, "%s: could not be written completely (%s); free some space and run again", writer->path,
                         strerror(reason));
    else {
        free(writer->temporary);
        writer->temporary = NULL;
    }
    ps_file_writer_discard(writer);
    return status;
}

void ps_file_writer_discard(ps_file_writer *writer) {
    if (writer->stream != NULL) fclose(writer->stream);
    if (writer->temporary != NULL) unlink(writer->temporary);
    free(writer->temporary);
    free(writer->path);
    memset(writer, 0, sizeof *writer);
}
