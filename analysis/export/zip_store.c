#include "analysis/export/zip_store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <zlib.h>

#include "core/memory.h"

/* Sizes and places of 8 bytes stand in an extra field (zip64), in every member alike: so a large archive is no case of
 * its own. */
enum { HEAD = 30, EXTRA = 20, ENTRY = 46, ENTRY_EXTRA = 28, END = 98 };
static const uint32_t in_extra = 0xFFFFFFFFu;
enum { VERSION = 45, UTF8 = 0x0800, DATE = 0x21 /* 1980-01-01: archives of one trace are the same bytes */ };

typedef struct {
    unsigned char bytes[128];
    size_t size;
} block;

static void put(block *b, uint64_t value, int size) {
    for (int i = 0; i < size; i++) b->bytes[b->size++] = (unsigned char)(value >> (8 * i));
}

static ps_status failed(void) { return ps_fail(PS_ERR_IO, "an archive cannot be written (%s)", strerror(errno)); }

static ps_status write_at(ps_zip_store *zip, uint64_t place, const void *bytes, size_t size) {
    if (fseeko(zip->stream, (off_t)place, SEEK_SET) != 0 || fwrite(bytes, 1, size, zip->stream) != size)
        return failed();
    return PS_OK;
}

ps_status ps_zip_add(ps_zip_store *zip, const char *name, uint64_t size, size_t *index) {
    if (strlen(name) > 60000) return ps_fail(PS_ERR_INPUT, "the name \"%.60s...\" is too long for an archive", name);
    PS_TRY(PS_GROW(&zip->members, &zip->capacity, zip->count + 1, "members of an archive"));
    ps_zip_member *m = &zip->members[zip->count];
    PS_TRY(ps_string_copy(name, &m->name));
    *index = zip->count++;
    m->size = size;
    m->done = 0;
    m->crc = (uint32_t)crc32(0, NULL, 0);
    m->place = zip->end + HEAD + strlen(name) + EXTRA;
    zip->end = m->place + size;
    return PS_OK;
}

ps_status ps_zip_put(ps_zip_store *zip, size_t index, const void *bytes, size_t size) {
    ps_zip_member *m = &zip->members[index];
    if (size > m->size - m->done) return ps_fail(PS_ERR_INTERNAL, "%s: more bytes than were said", m->name);
    PS_TRY(write_at(zip, m->place + m->done, bytes, size));
    m->crc = (uint32_t)crc32_z(m->crc, bytes, size);
    m->done += size;
    return PS_OK;
}

/* What head and directory have in common: from the version that is needed to the length of the extra field. */
static void put_common(block *b, const ps_zip_member *m, size_t extra) {
    put(b, VERSION, 2);
    put(b, UTF8, 2);
    put(b, 0, 2); /* stored */
    put(b, 0, 2);
    put(b, DATE, 2);
    put(b, m->crc, 4);
    put(b, in_extra, 4);
    put(b, in_extra, 4);
    put(b, strlen(m->name), 2);
    put(b, extra, 2);
}

static void put_extra(block *b, const ps_zip_member *m, size_t size) {
    put(b, 1, 2);
    put(b, size - 4, 2);
    put(b, m->size, 8);
    put(b, m->size, 8);
}

static ps_status write_head(ps_zip_store *zip, const ps_zip_member *m) {
    block head = {.size = 0}, extra = {.size = 0};
    uint64_t place = m->place - EXTRA - strlen(m->name) - HEAD;
    put(&head, 0x04034b50, 4);
    put_common(&head, m, EXTRA);
    put_extra(&extra, m, EXTRA);
    PS_TRY(write_at(zip, place, head.bytes, head.size));
    PS_TRY(write_at(zip, place + HEAD, m->name, strlen(m->name)));
    return write_at(zip, m->place - EXTRA, extra.bytes, extra.size);
}

/* At *end, which moves on. */
static ps_status write_entry(ps_zip_store *zip, const ps_zip_member *m, uint64_t *end) {
    block entry = {.size = 0}, extra = {.size = 0};
    put(&entry, 0x02014b50, 4);
    put(&entry, VERSION, 2);
    put_common(&entry, m, ENTRY_EXTRA);
    put(&entry, 0, 2); /* comment, disk, attributes */
    put(&entry, 0, 2);
    put(&entry, 0, 2);
    put(&entry, 0, 4);
    put(&entry, in_extra, 4);
    put_extra(&extra, m, ENTRY_EXTRA);
    put(&extra, m->place - EXTRA - strlen(m->name) - HEAD, 8);
    PS_TRY(write_at(zip, *end, entry.bytes, entry.size));
    PS_TRY(write_at(zip, *end + ENTRY, m->name, strlen(m->name)));
    PS_TRY(write_at(zip, *end + ENTRY + strlen(m->name), extra.bytes, extra.size));
    *end += ENTRY + strlen(m->name) + ENTRY_EXTRA;
    return PS_OK;
}

/* The end of a zip64 directory, where it stands, and the old end, which says to look there. */
static ps_status write_end(ps_zip_store *zip, uint64_t directory, uint64_t end) {
    block b = {.size = 0};
    put(&b, 0x06064b50, 4);
    put(&b, 44, 8);
    put(&b, VERSION, 2);
    put(&b, VERSION, 2);
    put(&b, 0, 4);
    put(&b, 0, 4);
    put(&b, zip->count, 8);
    put(&b, zip->count, 8);
    put(&b, end - directory, 8);
    put(&b, directory, 8);
    put(&b, 0x07064b50, 4);
    put(&b, 0, 4);
    put(&b, end, 8);
    put(&b, 1, 4);
    put(&b, 0x06054b50, 4);
    put(&b, 0, 4);
    put(&b, 0xFFFF, 2);
    put(&b, 0xFFFF, 2);
    put(&b, in_extra, 4);
    put(&b, in_extra, 4);
    put(&b, 0, 2);
    return b.size == END ? write_at(zip, end, b.bytes, b.size) : ps_fail(PS_ERR_INTERNAL, "an archive's end is wrong");
}

static ps_status finish(ps_zip_store *zip) {
    uint64_t end = zip->end;
    for (size_t i = 0; i < zip->count; i++) {
        if (zip->members[i].done != zip->members[i].size)
            return ps_fail(PS_ERR_INTERNAL, "%s: fewer bytes than were said", zip->members[i].name);
        PS_TRY(write_head(zip, &zip->members[i]));
    }
    for (size_t i = 0; i < zip->count; i++) PS_TRY(write_entry(zip, &zip->members[i], &end));
    return write_end(zip, zip->end, end);
}

ps_status ps_zip_finish(ps_zip_store *zip) {
    ps_status status = finish(zip);
    ps_zip_clear(zip);
    return status;
}

void ps_zip_clear(ps_zip_store *zip) {
    for (size_t i = 0; i < zip->count; i++) free(zip->members[i].name);
    ps_free_array(zip->members);
    *zip = (ps_zip_store){.stream = NULL};
}
