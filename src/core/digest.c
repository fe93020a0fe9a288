#include "core/digest.h"

#include <stdio.h>
#include <string.h>

ps_digest ps_digest_start(void) { return (ps_digest){14695981039346656037ull}; }

void ps_digest_bytes(ps_digest *digest, const void *bytes, size_t count) {
    const unsigned char *p = bytes;
    uint64_t state = digest->state;
    for (size_t i = 0; i < count; i++) state = (state ^ p[i]) * 1099511628211ull;
    digest->state = state;
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
