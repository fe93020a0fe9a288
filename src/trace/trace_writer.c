#include "trace/trace_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <zlib.h>
#include <zstd.h>

#include "core/digest.h"
#include "core/file.h"
#include "core/json.h"
#include "core/memory.h"
#include "trace/trace_input.h"

enum { MAX_DEPTH = 16, FLUSH_BYTES = 1 << 20 };

struct ps_trace_writer {
    char *path;
    int file;
    ps_trace_packing packing;
    void *packed; /* room for what is written, with packing */
    size_t packed_capacity;
    char *buffer;
    size_t length, capacity;
    size_t ended;     /* bytes of the buffer that are whole records */
    uint64_t written; /* bytes of text already in the file */
    ps_digest digest; /* of these */
    ps_status status; /* of the first failure */
    char closing[MAX_DEPTH];
    int depth;
    bool first; /* nothing stands in the innermost object or array yet */
};

/* ---- the buffer ---- */

/* Room for `count` more bytes, or NULL after a failure. */
static char *room(ps_trace_writer *writer, size_t count) {
    if (writer->status == PS_OK)
        writer->status = PS_GROW(&writer->buffer, &writer->capacity, writer->length + count, "trace buffer");
    return writer->status == PS_OK ? writer->buffer + writer->length : NULL;
}

static void put(ps_trace_writer *writer, const char *text, size_t count) {
    char *to = room(writer, count);
    if (to == NULL) return;
    memcpy(to, text, count);
    writer->length += count;
}

/* ---- opening ---- */

static ps_status open_file(const char *path, int flags, ps_trace_writer **out) {
    ps_trace_writer *writer;
    *out = NULL;
    PS_TRY(PS_ALLOC(1, &writer, "trace writer"));
    writer->file = -1;
    writer->digest = ps_digest_start();
    writer->packing = ps_packing_of_name(path);
    ps_status status = ps_string_copy(path, &writer->path);
    if (status == PS_OK && (writer->file = open(path, flags | O_CLOEXEC, 0666)) < 0)
        status =
            ps_fail(PS_ERR_IO, "%s: the trace cannot be written (%s); choose another place or mend its permissions",
                    path, strerror(errno));
    if (status != PS_OK) {
        free(writer->path);
        ps_free(writer);
        return status;
    }
    *out = writer;
    return PS_OK;
}

ps_status ps_trace_create(const char *path, ps_trace_writer **out) {
    return open_file(path, O_WRONLY | O_CREAT | O_TRUNC, out);
}

/* What stays of a trace: so many bytes of text, or as many as there are. */
typedef struct {
    uint64_t bytes;
    ps_digest digest;
    char last;                    /* the last of them; '\n' where there is none */
    ps_trace_place_of_file whole; /* the last place among them at which packed data begin anew */
} start_of_trace;

/* rest: NULL, or the writer whose buffer takes what stands behind `from`. */
static ps_status read_start(const char *path, uint64_t offset_bytes, ps_trace_writer *rest, uint64_t from,
                            start_of_trace *start) {
    char block[1 << 16];
    ps_trace_input *input;
    size_t count = 1;
    *start = (start_of_trace){.digest = ps_digest_start(), .last = '\n'};
    PS_TRY(ps_trace_input_open(path, &input));
    ps_status status = PS_OK;
    while (status == PS_OK && count > 0 && start->bytes < offset_bytes) {
        uint64_t end = rest != NULL && start->bytes < from ? from : offset_bytes, left = end - start->bytes;
        status = ps_trace_input_read(input, block, left < sizeof block ? (size_t)left : sizeof block, &count);
        if (status != PS_OK || count == 0) break; /* shorter: other bytes, then */
        if (rest != NULL && start->bytes >= from) put(rest, block, count);
        else ps_digest_bytes(&start->digest, block, count);
        start->bytes += count;
        start->last = block[count - 1];
        if (ps_trace_input_whole(input).text <= start->bytes) start->whole = ps_trace_input_whole(input);
    }
    /* The end of packed data may stand right behind their last byte of text. */
    if (status == PS_OK && count > 0) status = ps_trace_input_read(input, block, 1, &count);
    if (status == PS_OK && ps_trace_input_whole(input).text <= start->bytes) start->whole = ps_trace_input_whole(input);
    if (ps_trace_input_packing(input) == PS_PACKING_NONE)
        start->whole = (ps_trace_place_of_file){start->bytes, start->bytes};
    ps_trace_input_close(input);
    return status;
}

static ps_status check_start(const char *path, uint64_t offset_bytes, const ps_digest *found, uint64_t digest) {
    if (digest == ps_digest_value(found)) return PS_OK;
    return ps_fail(PS_ERR_INPUT,
                   "%s: its first %llu bytes are not those that the run wrote before its checkpoint: the trace was "
                   "changed or damaged; take a copy that is whole, or run again from the start",
                   path, (unsigned long long)offset_bytes);
}

ps_status ps_trace_check_start(const char *path, uint64_t offset_bytes, uint64_t digest) {
    start_of_trace start;
    PS_TRY(read_start(path, offset_bytes, NULL, 0, &start));
    return check_start(path, offset_bytes, &start.digest, digest);
}

/* Where packed data do not begin anew at the offset, what stands between is written again. */
static ps_status cut_back(ps_trace_writer *writer, uint64_t offset_bytes, const start_of_trace *start) {
    start_of_trace before;
    writer->digest = start->digest;
    writer->written = offset_bytes;
    if (start->whole.text < offset_bytes) {
        PS_TRY(read_start(writer->path, offset_bytes, writer, start->whole.text, &before));
        PS_TRY(writer->status);
        writer->digest = before.digest;
        writer->written = start->whole.text;
        writer->ended = writer->length;
    }
    if (ftruncate(writer->file, (off_t)start->whole.file) == 0 && lseek(writer->file, 0, SEEK_END) >= 0) return PS_OK;
    return ps_fail(PS_ERR_IO, "%s: the trace could not be cut back to %llu bytes (%s); mend its permissions",
                   writer->path, (unsigned long long)start->whole.file, strerror(errno));
}

ps_status ps_trace_resume_at(const char *path, uint64_t offset_bytes, const uint64_t *digest, ps_trace_writer **out) {
    start_of_trace start;
    PS_TRY(open_file(path, O_RDWR, out));
    ps_trace_writer *writer = *out;
    ps_status status = read_start(path, offset_bytes, NULL, 0, &start);
    if (status == PS_OK && start.bytes < offset_bytes)
        status = ps_fail(PS_ERR_INPUT,
                         "%s: the trace has %llu bytes, but the run goes on from byte %llu; run again from the start",
                         path, (unsigned long long)start.bytes, (unsigned long long)offset_bytes);
    else if (status == PS_OK && start.last != '\n')
        status = ps_fail(PS_ERR_INPUT, "%s: byte %llu is not the end of a record; run again from the start", path,
                         (unsigned long long)offset_bytes);
    if (status == PS_OK && digest != NULL) status = check_start(path, offset_bytes, &start.digest, *digest);
    if (status == PS_OK) status = cut_back(writer, offset_bytes, &start);
    if (status != PS_OK) {
        writer->length = writer->ended = 0; /* it is left as it is */
        ps_trace_close(writer);
        *out = NULL;
    }
    return status;
}

/* ---- writing out ---- */

uint64_t ps_trace_offset(const ps_trace_writer *writer) { return writer->written + writer->ended; }

uint64_t ps_trace_digest(const ps_trace_writer *writer) { return ps_digest_value(&writer->digest); }

static ps_status could_not_write(const ps_trace_writer *writer, int reason) {
    return ps_fail(PS_ERR_IO,
                   "%s: the trace could not be written (%s); %s (the run can go on from its last checkpoint)",
                   writer->path, strerror(reason), ps_file_remedy(reason));
}

static ps_status room_for_packed(ps_trace_writer *writer, size_t size) {
    if (size <= writer->packed_capacity) return PS_OK;
    void *grown = realloc(writer->packed, size);
    if (grown == NULL) return ps_fail(PS_ERR_MEMORY, "%s: no memory to pack the trace", writer->path);
    writer->packed = grown;
    writer->packed_capacity = size;
    return PS_OK;
}

static ps_status pack_gzip(ps_trace_writer *writer, size_t *size) {
    z_stream z = {0};
    if (deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        return ps_fail(PS_ERR_MEMORY, "%s: no memory to pack the trace", writer->path);
    ps_status status = room_for_packed(writer, deflateBound(&z, (uLong)writer->ended));
    z.next_in = (Bytef *)writer->buffer;
    z.avail_in = (uInt)writer->ended;
    z.next_out = writer->packed;
    z.avail_out = (uInt)writer->packed_capacity;
    if (status == PS_OK && deflate(&z, Z_FINISH) != Z_STREAM_END)
        status = ps_fail(PS_ERR_INTERNAL, "%s: the trace could not be packed", writer->path);
    *size = z.total_out;
    deflateEnd(&z);
    return status;
}

static ps_status pack_zstd(ps_trace_writer *writer, size_t *size) {
    PS_TRY(room_for_packed(writer, ZSTD_compressBound(writer->ended)));
    *size = ZSTD_compress(writer->packed, writer->packed_capacity, writer->buffer, writer->ended, ZSTD_CLEVEL_DEFAULT);
    if (ZSTD_isError(*size))
        return ps_fail(PS_ERR_INTERNAL, "%s: the trace could not be packed (%s)", writer->path,
                       ZSTD_getErrorName(*size));
    return PS_OK;
}

static void write_bytes(ps_trace_writer *writer, const char *bytes, size_t size) {
    for (size_t done = 0; writer->status == PS_OK && done < size;) {
        ssize_t count = write(writer->file, bytes + done, size - done);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) writer->status = could_not_write(writer, errno);
        else done += (size_t)count;
    }
}

/* Writes the ended records and moves what follows them to the front. Packed they are a member (gzip) or frame (zstd) of
 * their own, so that what was written is whole at every flush, and can be cut back to there. */
static void write_out(ps_trace_writer *writer) {
    size_t done = writer->ended, size = 0;
    if (writer->ended == 0 || writer->status != PS_OK) return;
    if (writer->packing == PS_PACKING_NONE) {
        write_bytes(writer, writer->buffer, writer->ended);
    } else {
        writer->status = writer->packing == PS_PACKING_GZIP ? pack_gzip(writer, &size) : pack_zstd(writer, &size);
        write_bytes(writer, writer->packed, size);
    }
    if (writer->status != PS_OK) return;
    ps_digest_bytes(&writer->digest, writer->buffer, done);
    memmove(writer->buffer, writer->buffer + done, writer->length - done);
    writer->written += done;
    writer->length -= done;
    writer->ended = 0;
}

ps_status ps_trace_flush(ps_trace_writer *writer, bool sync) {
    write_out(writer);
    if (writer->status == PS_OK && sync && fdatasync(writer->file) != 0 && errno != EINVAL)
        writer->status = ps_fail(PS_ERR_IO, "%s: the trace could not be brought to the disk (%s); check the disk",
                                 writer->path, strerror(errno));
    return writer->status;
}

ps_status ps_trace_close(ps_trace_writer *writer) {
    if (writer == NULL) return PS_OK;
    write_out(writer);
    ps_status status = writer->status;
    if (close(writer->file) != 0 && status == PS_OK) status = could_not_write(writer, errno);
    free(writer->path);
    ps_free_array(writer->buffer);
    free(writer->packed);
    ps_free(writer);
    return status;
}

/* ---- text ---- */

/* Length of the UTF-8 sequence at p, 0 where there is none (stray, overlong, surrogate or cut-off bytes). */
static int utf8_length(const unsigned char *p) {
    if (p[0] < 0x80) return 1;
    int length = p[0] >= 0xf0 && p[0] <= 0xf4 ? 4 : p[0] >= 0xe0 ? 3 : p[0] >= 0xc2 ? 2 : 0;
    if (p[0] > 0xf4) return 0;
    for (int i = 1; i < length; i++)
        if ((p[i] & 0xc0) != 0x80) return 0;
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] >= 0xa0)) return 0;
    if ((p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] >= 0x90)) return 0;
    return length;
}

static void put_quoted(ps_trace_writer *writer, const char *text) {
    char *to = room(writer, 6 * strlen(text) + 3); /* every byte may become \u00XX; sprintf ends with a zero */
    if (to == NULL) return;
    char *start = to;
    *to++ = '"';
    for (const unsigned char *p = (const unsigned char *)text; *p != '\0'; p++) {
        int length = utf8_length(p);
        if (*p == '"' || *p == '\\') {
            *to++ = '\\';
            *to++ = (char)*p;
        } else if (length == 0 || *p < 0x20 || *p == 0x7f) {
            to += sprintf(to, "\\u%04x", length == 0 ? 0xfffd : *p);
        } else {
            memcpy(to, p, (size_t)length);
            to += length;
            p += length - 1;
        }
    }
    *to++ = '"';
    writer->length += (size_t)(to - start);
}

/* The comma and the key that precede a value. */
static void put_key(ps_trace_writer *writer, const char *key) {
    if (!writer->first) put(writer, ",", 1);
    writer->first = false;
    if (key == NULL) return;
    put_quoted(writer, key);
    put(writer, ":", 1);
}

static void begin_scope(ps_trace_writer *writer, const char *key, char opening, char closing) {
    put_key(writer, key);
    put(writer, &opening, 1);
    writer->first = true;
    if (writer->depth == MAX_DEPTH) {
        if (writer->status == PS_OK)
            writer->status = ps_fail(PS_ERR_INTERNAL, "%s: a record nests deeper than %d", writer->path, MAX_DEPTH);
        return;
    }
    writer->closing[writer->depth++] = closing;
}

/* ---- records ---- */

void ps_trace_begin_record(ps_trace_writer *writer, ps_record_type type) {
    writer->length = writer->ended; /* a record that was not ended is dropped */
    writer->depth = 0;
    writer->first = true;
    begin_scope(writer, NULL, '{', '}');
    ps_trace_add_text(writer, PS_TRACE_TYPE, ps_record_word(type));
}

void ps_trace_begin_object(ps_trace_writer *writer, const char *key) { begin_scope(writer, key, '{', '}'); }

void ps_trace_begin_array(ps_trace_writer *writer, const char *key) { begin_scope(writer, key, '[', ']'); }

void ps_trace_close_scope(ps_trace_writer *writer) {
    if (writer->depth == 0) return;
    put(writer, &writer->closing[--writer->depth], 1);
    writer->first = false;
}

ps_status ps_trace_end_record(ps_trace_writer *writer) {
    while (writer->depth > 0) ps_trace_close_scope(writer);
    put(writer, "\n", 1);
    if (writer->status != PS_OK) return writer->status;
    writer->ended = writer->length;
    if (writer->ended >= FLUSH_BYTES) write_out(writer);
    return writer->status;
}

/* ---- values ---- */

void ps_trace_add_text(ps_trace_writer *writer, const char *key, const char *text) {
    if (text == NULL) {
        ps_trace_add_null(writer, key);
        return;
    }
    put_key(writer, key);
    put_quoted(writer, text);
}

void ps_trace_add_whole(ps_trace_writer *writer, const char *key, int64_t value) {
    char buffer[32];
    put_key(writer, key);
    put(writer, buffer, (size_t)snprintf(buffer, sizeof buffer, "%lld", (long long)value));
}

void ps_trace_add_bool(ps_trace_writer *writer, const char *key, bool value) {
    put_key(writer, key);
    put(writer, value ? "true" : "false", value ? 4 : 5);
}

void ps_trace_add_null(ps_trace_writer *writer, const char *key) {
    put_key(writer, key);
    put(writer, "null", 4);
}

void ps_trace_add_value(ps_trace_writer *writer, const char *key, double value) {
    char buffer[32];
    put_key(writer, key);
    put(writer, buffer, (size_t)ps_trace_format_value(buffer, value));
}

void ps_trace_add_double(ps_trace_writer *writer, const char *key, double value) {
    char buffer[32];
    put_key(writer, key);
    put(writer, buffer, (size_t)ps_json_format_double(buffer, value));
}

void ps_trace_add_json(ps_trace_writer *writer, const char *key, const char *json) {
    if (json == NULL) {
        ps_trace_add_null(writer, key);
        return;
    }
    put_key(writer, key);
    size_t length = strlen(json);
    char *to = room(writer, length);
    if (to == NULL) return;
    /* A raw line end is legal JSON only between tokens, and would end the record. */
    for (size_t i = 0; i < length; i++) to[i] = json[i] == '\n' || json[i] == '\r' ? ' ' : json[i];
    writer->length += length;
}

/* ---- arrays ---- */

enum { VALUE_BYTES = 32 };

void ps_trace_add_values(ps_trace_writer *writer, const char *key, const double *value, size_t count) {
    begin_scope(writer, key, '[', ']');
    char *to = room(writer, count * VALUE_BYTES);
    if (to == NULL) return;
    char *start = to;
    for (size_t i = 0; i < count; i++) {
        if (i > 0) *to++ = ',';
        to += ps_trace_format_value(to, value[i]);
    }
    writer->length += (size_t)(to - start);
    ps_trace_close_scope(writer);
}

void ps_trace_add_wholes(ps_trace_writer *writer, const char *key, const int *value, size_t count) {
    begin_scope(writer, key, '[', ']');
    for (size_t i = 0; i < count; i++) ps_trace_add_whole(writer, NULL, value[i]);
    ps_trace_close_scope(writer);
}

void ps_trace_add_nulls(ps_trace_writer *writer, const char *key, size_t count) {
    begin_scope(writer, key, '[', ']');
    for (size_t i = 0; i < count; i++) ps_trace_add_null(writer, NULL);
    ps_trace_close_scope(writer);
}

/* ---- numbers ---- */

static int format_whole(char *buffer, uint64_t value) {
    char reversed[24];
    int count = 0;
    do reversed[count++] = (char)('0' + value % 10);
    while ((value /= 10) > 0);
    for (int i = 0; i < count; i++) buffer[i] = reversed[count - 1 - i];
    return count;
}

/* `digits` (100000000 to 999999999, the first stands at 10^exponent) as %.9g lays them out. */
static int lay_out(char *buffer, uint64_t digits, int exponent) {
    char text[24], *to = buffer;
    int count = 9;
    format_whole(text, digits);
    while (count > 1 && text[count - 1] == '0') count--;
    if (exponent < -4 || exponent >= 9) {
        *to++ = text[0];
        if (count > 1) *to++ = '.';
        for (int i = 1; i < count; i++) *to++ = text[i];
        *to++ = 'e';
        *to++ = exponent < 0 ? '-' : '+';
        if (abs(exponent) < 10) *to++ = '0';
        to += format_whole(to, (uint64_t)abs(exponent));
    } else if (exponent < 0) {
        *to++ = '0';
        *to++ = '.';
        for (int i = -1; i > exponent; i--) *to++ = '0';
        for (int i = 0; i < count; i++) *to++ = text[i];
    } else {
        for (int i = 0; i < count || i <= exponent; i++) {
            if (i == exponent + 1) *to++ = '.';
            *to++ = i < count ? text[i] : '0';
        }
    }
    return (int)(to - buffer);
}

/* Powers of ten that doubles hold exactly. */
static const double TEN[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                             1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

/* Scales a positive value to 9 digits before the point with one rounding of 2^-53, at most 1.2e-7 of the last digit
 * kept here. Where that could change the rounding of the digit (or the power of ten is not exact) it declines and
 * printf decides. */
static bool nine_digits(double value, uint64_t *digits, int *exponent) {
    int binary;
    frexp(value, &binary);
    int guess = (int)floor((binary - 1) * 0.30102999566398120); /* floor(log10(value)), or one less */
    int scale = 8 - guess;
    if (scale > 21 || scale < -21) return false;
    double scaled = scale >= 0 ? value * TEN[scale] : value / TEN[-scale];
    if (scaled >= 999999999.5) {
        guess++;
        scale--;
        scaled = scale >= 0 ? value * TEN[scale] : value / TEN[-scale];
    }
    double whole = floor(scaled), part = scaled - whole;
    if (fabs(part - 0.5) < 1e-6 || scaled < 99999999.9 || scaled >= 999999999.4) return false;
    *digits = (uint64_t)whole + (part > 0.5);
    *exponent = guess;
    return *digits >= 100000000u;
}

int ps_trace_format_value(char *buffer, double value) {
    uint64_t digits;
    int exponent, sign = 0;
    if (!isfinite(value)) return ps_json_format_double(buffer, value);
    if (signbit(value)) {
        buffer[0] = '-';
        sign = 1;
        value = -value;
    }
    if (value < 1e9 && value == floor(value)) return sign + format_whole(buffer + sign, (uint64_t)value);
    if (nine_digits(value, &digits, &exponent)) return sign + lay_out(buffer + sign, digits, exponent);
    return sign + snprintf(buffer + sign, VALUE_BYTES - 1, "%.9g", value);
}
