#include "core/digest.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

ps_digest ps_digest_start(void) { return (ps_digest){14695981039346656037ull}; }

void ps_digest_bytes(ps_digest *digest, const void *bytes, size_t count) {
    const unsigned char *p = bytes;
    uint64_t state = digest->state;
    for (size_t i = 0; i < count; i++) state = (state ^ p[i]) * 1099511628211ull;
    digest->state = state;
}

/* Spelled out, which compilers take for one load. */
static uint64_t little_endian(const unsigned char *p) {
    return (uint64_t)p[0] | (uint64_t)p[1] << 8 | (uint64_t)p[2] << 16 | (uint64_t)p[3] << 24 | (uint64_t)p[4] << 32 |
           (uint64_t)p[5] << 40 | (uint64_t)p[6] << 48 | (uint64_t)p[7] << 56;
}

void ps_digest_block(ps_digest *digest, const void *bytes, size_t count) {
    const unsigned char *p = bytes;
    uint64_t state = digest->state;
    for (; count >= 8; count -= 8, p += 8) {
        state = (state ^ little_endian(p)) * 0x9E3779B97F4A7C15ull;
        state ^= state >> 32; /* or the highest bits of two words could cancel each other */
    }
    digest->state = state;
    ps_digest_bytes(digest, p, count);
}

void ps_digest_text(ps_digest *digest, const char *text) { ps_digest_bytes(digest, text, strlen(text)); }

void ps_digest_u64(ps_digest *digest, uint64_t value) {
    unsigned char bytes[8];
    for (int i = 0; i < 8; i++) bytes[i] = (unsigned char)(value >> (8 * i));
    ps_digest_bytes(digest, bytes, sizeof bytes);
}

uint64_t ps_digest_value(const ps_digest *digest) { return digest->state; }

void ps_digest_hex(const ps_digest *digest, char hex[17]) {
    snprintf(hex, 17, "%016llx", (unsigned long long)digest->state);
}

ps_status ps_digest_file(const char *path, char hex[17]) {
    unsigned char block[1 << 16];
    size_t count;
    FILE *stream = fopen(path, "rb");
    if (stream == NULL) return ps_fail(PS_ERR_IO, "%s: %s; check its permissions", path, strerror(errno));
    setvbuf(stream, NULL, _IONBF, 0);
    ps_digest digest = ps_digest_start();
    while ((count = fread(block, 1, sizeof block, stream)) > 0) ps_digest_bytes(&digest, block, count);
    ps_status status = ferror(stream) ? ps_fail(PS_ERR_IO, "%s: could not be read to its end", path) : PS_OK;
    fclose(stream);
    ps_digest_hex(&digest, hex);
    return status;
}
