#include "trace/event_write.h"

#include <math.h>
#include <string.h>

#include "core/memory.h"
#include "trace/event_file.h"

enum { BUCKETS = 30, ROOM = 1024, MOST_TAG = 4000 };

/* A message under way; tags are at most MOST_TAG long, so that all fits. */
typedef struct {
    unsigned char bytes[ROOM + MOST_TAG];
    size_t size;
} message;

static void put_bytes(message *m, const void *bytes, size_t size) {
    memcpy(m->bytes + m->size, bytes, size);
    m->size += size;
}

static void put_varint(message *m, uint64_t value) {
    for (; value >= 0x80; value >>= 7) m->bytes[m->size++] = (unsigned char)(value & 0x7F) | 0x80;
    m->bytes[m->size++] = (unsigned char)value;
}

static void put_fixed(message *m, uint64_t value, int size) {
    for (int i = 0; i < size; i++) m->bytes[m->size++] = (unsigned char)(value >> (8 * i));
}

static void put_double(message *m, double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    put_fixed(m, bits, 8);
}

static void put_key(message *m, int number, int wire) { put_varint(m, (uint64_t)number << 3 | (uint64_t)wire); }

static void put_part(message *m, int number, const void *bytes, size_t size) {
    put_key(m, number, 2);
    put_varint(m, size);
    put_bytes(m, bytes, size);
}

static void write_record(FILE *stream, const message *m) {
    message head = {.size = 0}, tail = {.size = 0};
    put_fixed(&head, m->size, 8);
    put_fixed(&head, ps_event_crc(head.bytes, 8), 4);
    put_fixed(&tail, ps_event_crc(m->bytes, m->size), 4);
    fwrite(head.bytes, 1, head.size, stream);
    fwrite(m->bytes, 1, m->size, stream);
    fwrite(tail.bytes, 1, tail.size, stream);
}

/* Event: wall_time (1), step (2). */
static void begin_event(message *m, int64_t step) {
    m->size = 0;
    put_key(m, 1, 1);
    put_double(m, (double)step);
    put_key(m, 2, 0);
    put_varint(m, (uint64_t)step);
}

void ps_event_write_version(FILE *stream) {
    static const char version[] = "brain.Event:2";
    message m;
    begin_event(&m, 0);
    put_part(&m, 3, version, sizeof version - 1);
    write_record(stream, &m);
}

/* Summary.Value: its tag (1), and what is put behind it. */
static ps_status begin_value(message *value, const char *tag) {
    size_t length = strlen(tag);
    if (length > MOST_TAG - 200)
        return ps_fail(PS_ERR_INPUT, "the tag \"%.60s...\" is too long for an event file", tag);
    value->size = 0;
    put_part(value, 1, tag, length);
    return PS_OK;
}

/* Event's summary (5), its one value (1). */
static void write_value(FILE *stream, int64_t step, const message *value) {
    message event, summary = {.size = 0};
    put_part(&summary, 1, value->bytes, value->size);
    begin_event(&event, step);
    put_part(&event, 5, summary.bytes, summary.size);
    write_record(stream, &event);
}

ps_status ps_event_write_scalar(FILE *stream, int64_t step, const char *tag, double value) {
    message m;
    float single = (float)value;
    uint32_t bits;
    PS_TRY(begin_value(&m, tag));
    memcpy(&bits, &single, sizeof bits);
    put_key(&m, 2, 5);
    put_fixed(&m, bits, 4);
    write_value(stream, step, &m);
    return PS_OK;
}

typedef struct {
    double min, max, sum, squares, bucket[BUCKETS];
    size_t count;
} histogram;

static void count_values(histogram *h, const double *value, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(value[i])) continue;
        if (h->count == 0 || value[i] < h->min) h->min = value[i];
        if (h->count == 0 || value[i] > h->max) h->max = value[i];
        h->sum += value[i];
        h->squares += value[i] * value[i];
        h->count++;
    }
    const double width = (h->max - h->min) / BUCKETS;
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(value[i])) continue;
        double place = width > 0 ? floor((value[i] - h->min) / width) : 0;
        h->bucket[place < BUCKETS - 1 ? (int)place : BUCKETS - 1]++;
    }
}

/* HistogramProto: min (1), max (2), num (3), sum (4), sum_squares (5), bucket_limit (6), bucket (7). */
ps_status ps_event_write_histogram(FILE *stream, int64_t step, const char *tag, const double *value, size_t count) {
    histogram h = {.count = 0};
    message m, proto = {.size = 0}, part = {.size = 0};
    count_values(&h, value, count);
    if (h.count == 0) return PS_OK;
    const double numbers[] = {h.min, h.max, (double)h.count, h.sum, h.squares};
    for (int i = 0; i < 5; i++) {
        put_key(&proto, i + 1, 1);
        put_double(&proto, numbers[i]);
    }
    for (int i = 1; i < BUCKETS; i++) put_double(&part, h.min + (h.max - h.min) * i / BUCKETS);
    put_double(&part, h.max);
    put_part(&proto, 6, part.bytes, part.size);
    part.size = 0;
    for (int i = 0; i < BUCKETS; i++) put_double(&part, h.bucket[i]);
    put_part(&proto, 7, part.bytes, part.size);
    PS_TRY(begin_value(&m, tag));
    put_part(&m, 5, proto.bytes, proto.size);
    write_value(stream, step, &m);
    return PS_OK;
}
