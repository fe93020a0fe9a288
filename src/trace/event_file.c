#include "trace/event_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"

enum { MOST_TAG = 4096 };
static const uint64_t longest = (uint64_t)256 << 20;

uint32_t ps_event_crc(const void *bytes, uint64_t size) {
    static const uint32_t of_half[16] = {0x00000000u, 0x105EC76Fu, 0x20BD8EDEu, 0x30E349B1u, 0x417B1DBCu, 0x5125DAD3u,
                                         0x61C69362u, 0x7198540Du, 0x82F63B78u, 0x92A8FC17u, 0xA24BB5A6u, 0xB21572C9u,
                                         0xC38D26C4u, 0xD3D3E1ABu, 0xE330A81Au, 0xF36E6F75u};
    const unsigned char *p = bytes;
    uint32_t crc = 0xFFFFFFFFu;
    for (uint64_t i = 0; i < size; i++) {
        crc ^= p[i];
        crc = of_half[crc & 15u] ^ (crc >> 4);
        crc = of_half[crc & 15u] ^ (crc >> 4);
    }
    crc ^= 0xFFFFFFFFu;
    return ((crc >> 15) | (crc << 17)) + 0xA282EAD8u;
}

/* ---- protocol buffers ---- */

typedef struct {
    const unsigned char *at, *end;
} span;

/* A field of a message: its number, and its value as a number or as bytes. */
typedef struct {
    int number, wire;
    uint64_t value;
    span bytes;
} field;

static bool read_varint(span *s, uint64_t *value) {
    *value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
        if (s->at == s->end) return false;
        unsigned char byte = *s->at++;
        *value |= (uint64_t)(byte & 0x7F) << shift;
        if (byte < 0x80) return true;
    }
    return false;
}

static bool read_fixed(span *s, int size, uint64_t *value) {
    if (s->end - s->at < size) return false;
    *value = 0;
    for (int i = size - 1; i >= 0; i--) *value = *value << 8 | s->at[i];
    s->at += size;
    return true;
}

/* False at the end of the message, and where it is none (*sound). */
static bool next_field(span *s, field *f, bool *sound) {
    uint64_t key, length;
    if (s->at == s->end) return false;
    *sound = false;
    if (!read_varint(s, &key) || key >> 3 == 0 || key >> 3 > 536870911) return false;
    *f = (field){.number = (int)(key >> 3), .wire = (int)(key & 7)};
    switch (f->wire) {
        case 0: *sound = read_varint(s, &f->value); break;
        case 1: *sound = read_fixed(s, 8, &f->value); break;
        case 5: *sound = read_fixed(s, 4, &f->value); break;
        case 2:
            if (!read_varint(s, &length) || length > (uint64_t)(s->end - s->at)) return false;
            f->bytes = (span){s->at, s->at + length};
            s->at += length;
            *sound = true;
            break;
        default: return false;
    }
    return *sound;
}

static double as_float(uint64_t bits) {
    uint32_t low = (uint32_t)bits;
    float value;
    memcpy(&value, &low, sizeof value);
    return (double)value;
}

static double as_double(uint64_t bits) {
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* One number of 4 or 8 bytes, packed or not. */
static bool take_fixed(const field *f, int size, uint64_t *bits) {
    span s = f->bytes;
    *bits = f->value;
    return f->wire != 2 || (s.end - s.at == size && read_fixed(&s, size, bits));
}

static bool take_whole(const field *f, uint64_t *value) {
    span s = f->bytes;
    *value = f->value;
    return f->wire != 2 || (read_varint(&s, value) && s.at == s.end);
}

enum { TYPE_FLOAT = 1, TYPE_DOUBLE = 2, TYPE_INT32 = 3, TYPE_INT64 = 9 };

/* A tensor of one number: TensorProto's dtype (1), tensor_content (4), float_val (5), double_val (6), int_val (7),
 * int64_val (10). */
static bool read_tensor(span s, double *value, bool *sound) {
    uint64_t type = 0, bits;
    bool found = false;
    field f;
    while (next_field(&s, &f, sound)) {
        if (f.number == 1 && f.wire == 0) type = f.value;
        int size = type == TYPE_DOUBLE || type == TYPE_INT64 ? 8 : 4;
        if (f.number == 4 && f.bytes.end - f.bytes.at == size && take_fixed(&f, size, &bits)) {
            found = true;
            *value = type == TYPE_FLOAT    ? as_float(bits)
                     : type == TYPE_DOUBLE ? as_double(bits)
                     : type == TYPE_INT32  ? (double)(int32_t)(uint32_t)bits
                                           : (double)(int64_t)bits;
            found = type == TYPE_FLOAT || type == TYPE_DOUBLE || type == TYPE_INT32 || type == TYPE_INT64;
        } else if (f.number == 5 && type == TYPE_FLOAT && take_fixed(&f, 4, &bits)) {
            found = true;
            *value = as_float(bits);
        } else if (f.number == 6 && type == TYPE_DOUBLE && take_fixed(&f, 8, &bits)) {
            found = true;
            *value = as_double(bits);
        } else if ((f.number == 7 && type == TYPE_INT32) || (f.number == 10 && type == TYPE_INT64)) {
            found = take_whole(&f, &bits);
            *value = (double)(int64_t)bits;
        }
    }
    return found;
}

/* Summary.Value: tag (1), simple_value (2), tensor (8). */
static ps_status read_value(span s, int64_t step, ps_scalar_take *take, void *self, bool *sound) {
    char tag[MOST_TAG];
    double value = 0;
    bool found = false;
    field f;
    tag[0] = '\0';
    while (next_field(&s, &f, sound)) {
        if (f.number == 1 && f.wire == 2) {
            size_t length = (size_t)(f.bytes.end - f.bytes.at);
            if (length >= sizeof tag) return *sound = false, PS_OK; /* cut short it could be another one */
            memcpy(tag, f.bytes.at, length);
            tag[length] = '\0';
        } else if (f.number == 2 && f.wire == 5) {
            found = true;
            value = as_float(f.value);
        } else if (f.number == 8 && f.wire == 2) {
            found = read_tensor(f.bytes, &value, sound) || found;
            if (!*sound) return PS_OK;
        }
    }
    return *sound && found && tag[0] != '\0' ? take(self, tag, step, value) : PS_OK;
}

/* Event: step (2), summary (5), whose values are its fields 1. */
static ps_status read_event(span s, ps_scalar_take *take, void *self, bool *sound) {
    span summary = {NULL, NULL};
    int64_t step = 0;
    field f;
    *sound = true;
    while (next_field(&s, &f, sound)) {
        if (f.number == 2 && f.wire == 0) step = (int64_t)f.value;
        if (f.number == 5 && f.wire == 2) summary = f.bytes;
    }
    while (*sound && summary.at != NULL && next_field(&summary, &f, sound))
        if (f.number == 1 && f.wire == 2) PS_TRY(read_value(f.bytes, step, take, self, sound));
    return PS_OK;
}

/* ---- records ---- */

static uint64_t number_of(const unsigned char *bytes, int size) {
    uint64_t value;
    span s = {bytes, bytes + size};
    read_fixed(&s, size, &value);
    return value;
}

typedef struct {
    const char *path;
    FILE *stream;
    unsigned char *bytes;
    size_t capacity;
    uint64_t number; /* of the record, from 1 */
} reader;

static ps_status wrong(const reader *r, const char *what) {
    return ps_fail(PS_ERR_INPUT, "%s: record %llu %s; is it an event file of TensorBoard, and whole?", r->path,
                   (unsigned long long)r->number, what);
}

static ps_status make_room(reader *r, uint64_t size) {
    if (size <= r->capacity) return PS_OK;
    void *grown = realloc(r->bytes, (size_t)size);
    if (grown == NULL)
        return ps_fail(PS_ERR_MEMORY, "%s: no memory for a record of %llu bytes", r->path, (unsigned long long)size);
    r->bytes = grown;
    r->capacity = (size_t)size;
    return PS_OK;
}

/* *size 0 with *more false: the end. */
static ps_status next_record(reader *r, uint64_t *size, bool *more, bool *cut) {
    unsigned char head[12];
    size_t got = fread(head, 1, sizeof head, r->stream);
    r->number++;
    *more = false;
    *cut = got > 0 && got < sizeof head;
    if (got < sizeof head) return PS_OK;
    *size = number_of(head, 8);
    if (ps_event_crc(head, 8) != number_of(head + 8, 4)) return wrong(r, "has a length whose checksum does not hold");
    if (*size > longest) return wrong(r, "is longer than 256 MiB");
    PS_TRY(make_room(r, *size + 4));
    *cut = fread(r->bytes, 1, (size_t)*size + 4, r->stream) < *size + 4;
    if (*cut) return PS_OK;
    if (ps_event_crc(r->bytes, *size) != number_of(r->bytes + *size, 4))
        return wrong(r, "holds bytes whose checksum does not hold");
    *more = true;
    return PS_OK;
}

ps_status ps_event_file_read(const char *path, ps_scalar_take *take, void *self, bool *cut) {
    reader r = {.path = path};
    ps_status status = PS_OK;
    bool more = true, sound;
    uint64_t size;
    *cut = false;
    PS_TRY(ps_file_size(path, &size)); /* of a pipe there is no end */
    r.stream = fopen(path, "rb");
    if (r.stream == NULL) return ps_fail(PS_ERR_IO, "%s: cannot be read (%s)", path, strerror(errno));
    while (status == PS_OK) {
        status = next_record(&r, &size, &more, cut);
        if (status != PS_OK || !more) break;
        status = read_event((span){r.bytes, r.bytes + size}, take, self, &sound);
        if (status == PS_OK && !sound) status = wrong(&r, "is no protocol buffer");
    }
    fclose(r.stream);
    free(r.bytes);
    return status;
}
