#include "trace/trace_input.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <zlib.h>
#include <zstd.h>

#include "core/file.h"
#include "core/memory.h"
#include "trace/trace_format.h"

enum { PACKED_BYTES = 1 << 16, LINE_BYTES = 1 << 20, TAIL_BYTES = 64 };

static const struct {
    const char *word, *suffix;
} packings[] = {
#define PACKING(id, word, suffix) {word, suffix},
    PS_TRACE_PACKINGS(PACKING)
#undef PACKING
};

struct ps_trace_input {
    char *path;
    int file;
    ps_trace_packing packing;
    z_stream gzip;
    ZSTD_DStream *zstd;
    unsigned char *packed; /* [start, end) is still to be unpacked */
    size_t start, end;
    uint64_t taken, done;  /* bytes of the file that were taken from it; bytes of text handed out */
    char tail[TAIL_BYTES]; /* the bytes of the file before `taken` */
    size_t tail_length;
    bool between; /* at the beginning, or behind a whole member or frame */
    ps_trace_place_of_file whole;
    char *line; /* [from, to) was read and not yet handed out by ps_trace_input_line */
    size_t from, to, capacity;
    uint64_t lines; /* handed out */
};

const char *ps_packing_suffix(ps_trace_packing packing) { return packings[packing].suffix; }

ps_status ps_packing_parse(const char *word, const char *option, ps_trace_packing *out) {
    *out = PS_PACKING_NONE;
    if (word == NULL) return PS_OK;
    for (int p = 0; p < PS_PACKINGS; p++)
        if (strcmp(packings[p].word, word) == 0) {
            *out = (ps_trace_packing)p;
            return PS_OK;
        }
    return ps_fail(PS_ERR_USAGE, "--%s: \"%.40s\" is none of none, gzip and zstd", option, word);
}

ps_trace_packing ps_packing_of_name(const char *path) {
    size_t length = strlen(path);
    for (int p = PS_PACKINGS - 1; p > 0; p--) {
        size_t size = strlen(packings[p].suffix);
        if (length > size && strcmp(path + length - size, packings[p].suffix) == 0) return (ps_trace_packing)p;
    }
    return PS_PACKING_NONE;
}

/* ---- where it lies ---- */

ps_status ps_trace_find(const char *directory, char **path) {
    char *found = NULL, *other = NULL;
    ps_status status = PS_OK;
    *path = NULL;
    for (int p = 0; p < PS_PACKINGS && status == PS_OK; p++) {
        char name[32];
        snprintf(name, sizeof name, "trace.jsonl%s", packings[p].suffix);
        status = ps_file_join(directory, name, &other);
        if (status == PS_OK && ps_file_exists(other)) {
            if (found != NULL)
                status = ps_fail(PS_ERR_INPUT,
                                 "%s: holds the trace twice, as %s and as %s; remove the one that is not "
                                 "wanted",
                                 directory, strrchr(found, '/') + 1, name);
            free(found);
            found = other;
            other = NULL;
        }
        free(other);
    }
    if (status == PS_OK && found == NULL) return ps_file_join(directory, "trace.jsonl", path);
    if (status == PS_OK) *path = found;
    else free(found);
    return status;
}

ps_status ps_trace_path(const char *given, char **path) {
    return ps_file_is_directory(given) ? ps_trace_find(given, path) : ps_string_copy(given, path);
}

/* ---- opening ---- */

const char *ps_trace_file_fault(const char *bytes, size_t count) {
    static const struct {
        const char *bytes, *fault;
    } known[] = {{"\xFD\x37", "is compressed with xz; unpack it (unxz), or pack it with gzip or zstd"},
                 {"BZ", "is compressed with bzip2; unpack it (bunzip2), or pack it with gzip or zstd"},
                 {"\x04\x22", "is compressed with lz4; unpack it (unlz4), or pack it with gzip or zstd"},
                 {"\x1F\x9D", "is compressed with compress; unpack it (uncompress), or pack it with gzip or zstd"},
                 {"7z", "is a 7z archive; unpack it (7z x)"},
                 {"PK", "is a zip archive; unpack it (unzip)"},
                 {"\xFF\xFE", "is UTF-16; save it as UTF-8"},
                 {"\xFE\xFF", "is UTF-16; save it as UTF-8"}};
    if (ps_file_begins_as_weights(bytes, count))
        return "is a file of weights (safetensors), and a trace is wanted here; give the directory of the run, or its "
               "trace.jsonl";
    for (size_t i = 0; count >= 2 && i < sizeof known / sizeof *known; i++)
        if (memcmp(bytes, known[i].bytes, 2) == 0) return known[i].fault;
    return NULL;
}

static ps_status open_regular(const char *path, int *file) {
    struct stat info;
    if (stat(path, &info) == 0 && !S_ISREG(info.st_mode)) /* opening a pipe would wait for its writer */
        return ps_fail(PS_ERR_INPUT, "%s: is no regular file, and a trace is read more than once; give a file", path);
    *file = open(path, O_RDONLY | O_CLOEXEC);
    if (*file >= 0) return PS_OK;
    return ps_fail(PS_ERR_IO, "%s: cannot be opened (%s); give a trace or the directory of a run", path,
                   strerror(errno));
}

static void keep_tail(ps_trace_input *input, const char *bytes, size_t count) {
    size_t fresh = count < TAIL_BYTES ? count : TAIL_BYTES;
    size_t old = input->tail_length < TAIL_BYTES - fresh ? input->tail_length : TAIL_BYTES - fresh;
    memmove(input->tail, input->tail + input->tail_length - old, old);
    memcpy(input->tail + old, bytes + count - fresh, fresh);
    input->tail_length = old + fresh;
}

static ps_status take(ps_trace_input *input, void *bytes, size_t room, size_t *count) {
    ssize_t got;
    do got = read(input->file, bytes, room);
    while (got < 0 && errno == EINTR);
    if (got < 0) return ps_fail(PS_ERR_IO, "%s: could not be read further (%s)", input->path, strerror(errno));
    *count = (size_t)got;
    input->taken += (size_t)got;
    keep_tail(input, bytes, (size_t)got);
    return PS_OK;
}

bool ps_trace_input_still_holds(const ps_trace_input *input) {
    struct stat now, then;
    char bytes[TAIL_BYTES];
    bool same = stat(input->path, &now) == 0 && fstat(input->file, &then) == 0 && now.st_ino == then.st_ino &&
                now.st_dev == then.st_dev && (uint64_t)now.st_size >= input->taken;
    size_t length = input->tail_length;
    return same && pread(input->file, bytes, length, (off_t)(input->taken - length)) == (ssize_t)length &&
           memcmp(bytes, input->tail, length) == 0;
}

static ps_trace_packing packing_of(const unsigned char *bytes, size_t count) {
    static const unsigned char gzip[] = {0x1F, 0x8B}, zstd[] = {0x28, 0xB5, 0x2F, 0xFD};
    if (count >= sizeof gzip && memcmp(bytes, gzip, sizeof gzip) == 0) return PS_PACKING_GZIP;
    if (count >= sizeof zstd && memcmp(bytes, zstd, sizeof zstd) == 0) return PS_PACKING_ZSTD;
    /* A frame to be passed over stands first in files of some writers. */
    bool skippable = count >= 4 && (bytes[0] & 0xF0) == 0x50 && memcmp(bytes + 1, "\x2A\x4D\x18", 3) == 0;
    return skippable ? PS_PACKING_ZSTD : PS_PACKING_NONE;
}

static ps_status no_memory(const ps_trace_input *input) {
    return ps_fail(PS_ERR_MEMORY, "%s: no memory to unpack it", input->path);
}

bool ps_trace_is_packed(const char *bytes, size_t count) {
    return packing_of((const unsigned char *)bytes, count) != PS_PACKING_NONE;
}

static ps_status start_unpacking(ps_trace_input *input) {
    if (input->packing == PS_PACKING_GZIP && inflateInit2(&input->gzip, 16 + MAX_WBITS) != Z_OK)
        return no_memory(input);
    if (input->packing != PS_PACKING_ZSTD) return PS_OK;
    input->zstd = ZSTD_createDStream();
    return input->zstd != NULL ? PS_OK : no_memory(input);
}

/* An empty file may grow into any kind, so the first bytes are looked at when there are some. */
static ps_status look(ps_trace_input *input) {
    if (input->taken > 0) return PS_OK;
    PS_TRY(take(input, input->packed, PACKED_BYTES, &input->end));
    if (input->end == 0) return PS_OK;
    input->packing = packing_of(input->packed, input->end);
    const char *fault =
        input->packing == PS_PACKING_NONE ? ps_trace_file_fault((const char *)input->packed, input->end) : NULL;
    return fault != NULL ? ps_fail(PS_ERR_INPUT, "%s: %s", input->path, fault) : start_unpacking(input);
}

ps_status ps_trace_input_open(const char *path, ps_trace_input **out) {
    ps_trace_input *input;
    ps_status status = PS_OK;
    *out = NULL;
    PS_TRY(PS_ALLOC(1, &input, "trace input"));
    input->file = -1;
    input->between = true;
    PS_TRY_CLEANUP(ps_string_copy(path, &input->path));
    PS_TRY_CLEANUP(PS_ALLOC(PACKED_BYTES, &input->packed, "trace input"));
    PS_TRY_CLEANUP(open_regular(path, &input->file));
    PS_TRY_CLEANUP(look(input));
    *out = input;
    input = NULL;
cleanup:
    ps_trace_input_close(input);
    return status;
}

void ps_trace_input_close(ps_trace_input *input) {
    if (input == NULL) return;
    if (input->packing == PS_PACKING_GZIP) inflateEnd(&input->gzip);
    ZSTD_freeDStream(input->zstd);
    if (input->file >= 0) close(input->file);
    free(input->path);
    free(input->line);
    ps_free(input->packed);
    ps_free(input);
}

/* ---- reading ---- */

static ps_status damaged(const ps_trace_input *input, const char *reason) {
    return ps_fail(PS_ERR_INPUT,
                   "%s: is damaged: what %s packed cannot be unpacked behind byte %llu of the file (%s); take a copy "
                   "that is whole",
                   input->path, packings[input->packing].word,
                   (unsigned long long)(input->taken - (input->end - input->start)), reason);
}

static void note_whole(ps_trace_input *input, uint64_t text) {
    input->between = true;
    input->whole = (ps_trace_place_of_file){input->taken - (input->end - input->start), text};
}

/* As much as there is room for, of what is at hand. */
static ps_status inflate_some(ps_trace_input *input, char *text, size_t room, size_t *count) {
    z_stream *z = &input->gzip;
    uInt most = room < (1u << 30) ? (uInt)room : 1u << 30;
    if (input->between && inflateReset(z) != Z_OK) return damaged(input, "the unpacker is out of order");
    z->next_in = input->packed + input->start;
    z->avail_in = (uInt)(input->end - input->start);
    z->next_out = (Bytef *)text;
    z->avail_out = most;
    input->between = false;
    int result = inflate(z, Z_NO_FLUSH);
    input->start = input->end - z->avail_in;
    *count = most - z->avail_out;
    if (result == Z_STREAM_END) note_whole(input, input->done + *count);
    else if (result == Z_MEM_ERROR) return no_memory(input);
    else if (result != Z_OK && result != Z_BUF_ERROR)
        return damaged(input, z->msg != NULL ? z->msg : "the data are no such");
    return PS_OK;
}

static ps_status unpack_zstd(ps_trace_input *input, char *text, size_t room, size_t *count) {
    ZSTD_inBuffer in = {input->packed, input->end, input->start};
    ZSTD_outBuffer out = {text, room, 0};
    input->between = false;
    size_t result = ZSTD_decompressStream(input->zstd, &out, &in);
    input->start = in.pos;
    *count = out.pos;
    if (ZSTD_isError(result)) return damaged(input, ZSTD_getErrorName(result));
    if (result == 0) note_whole(input, input->done + *count);
    return PS_OK;
}

static ps_status unpack(ps_trace_input *input, char *text, size_t room, size_t *count) {
    for (bool drained = false; *count == 0; drained = true) {
        size_t before = input->end - input->start, got = 0;
        if (before == 0 && drained) { /* nothing is left within the unpacker */
            input->start = input->end = 0;
            PS_TRY(take(input, input->packed, PACKED_BYTES, &got));
            input->end = got;
            if (got == 0) return PS_OK;
        }
        if (input->start == input->end && input->between) continue;
        PS_TRY(input->packing == PS_PACKING_GZIP ? inflate_some(input, text, room, count)
                                                 : unpack_zstd(input, text, room, count));
    }
    return PS_OK;
}

ps_status ps_trace_input_read(ps_trace_input *input, char *text, size_t room, size_t *count) {
    *count = 0;
    PS_TRY(look(input));
    if (input->packing != PS_PACKING_NONE) {
        PS_TRY(unpack(input, text, room, count));
    } else if (input->start < input->end) {
        *count = input->end - input->start < room ? input->end - input->start : room;
        memcpy(text, input->packed + input->start, *count);
        input->start += *count;
    } else {
        PS_TRY(take(input, text, room, count));
    }
    input->done += *count;
    if (input->packing == PS_PACKING_NONE) input->whole = (ps_trace_place_of_file){input->done, input->done};
    return PS_OK;
}

/* Room behind what is there, which is moved to the front. */
static ps_status make_room(ps_trace_input *input) {
    size_t length = input->to - input->from;
    if (input->from > 0) memmove(input->line, input->line + input->from, length);
    input->from = 0;
    input->to = length;
    if (length + LINE_BYTES + 1 <= input->capacity) return PS_OK;
    size_t wanted = 2 * input->capacity + LINE_BYTES + 1;
    char *grown = realloc(input->line, wanted);
    if (grown == NULL) return ps_fail(PS_ERR_MEMORY, "%s: no memory for a line of %zu bytes", input->path, length);
    input->line = grown;
    input->capacity = wanted;
    return PS_OK;
}

ps_status ps_trace_input_line(ps_trace_input *input, char **line, size_t *length) {
    size_t searched = 0;
    for (;;) {
        size_t held = input->to - input->from, count = 0;
        char *begin = held > 0 ? input->line + input->from : NULL;
        char *end = held > searched ? memchr(begin + searched, '\n', held - searched) : NULL;
        if (end == NULL && held > PS_TRACE_LONGEST_LINE)
            return ps_fail(PS_ERR_INPUT,
                           "%s:%llu: the line is longer than %zu MiB, the most that a trace may have; is it a trace at "
                           "all?",
                           input->path, (unsigned long long)input->lines + 1, PS_TRACE_LONGEST_LINE >> 20);
        if (end == NULL) {
            searched = held;
            PS_TRY(make_room(input));
            PS_TRY(ps_trace_input_read(input, input->line + input->to, input->capacity - input->to - 1, &count));
            input->to += count;
            if (count > 0) continue;
        }
        *line = input->line + input->from;
        *length = end != NULL ? (size_t)(end - *line) + 1 : held;
        input->from += *length;
        input->lines += *length > 0;
        if (*length > 0 && end == NULL) (*line)[*length] = '\0';
        return PS_OK;
    }
}

void ps_trace_input_skip_to_tail(ps_trace_input *input, size_t bytes) {
    struct stat info;
    if (fstat(input->file, &info) != 0 || (uint64_t)info.st_size <= input->taken + bytes) return;
    if (lseek(input->file, info.st_size - (off_t)bytes, SEEK_SET) < 0) return;
    input->start = input->end = 0;
    input->taken = input->done = (uint64_t)info.st_size - bytes;
}

void ps_trace_input_return(ps_trace_input *input, size_t length) {
    input->from -= length;
    input->lines--;
}

ps_trace_place_of_file ps_trace_input_whole(const ps_trace_input *input) { return input->whole; }
ps_trace_packing ps_trace_input_packing(const ps_trace_input *input) { return input->packing; }
