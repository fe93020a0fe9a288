#include "core/digest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"

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

ps_status ps_digest_file(const char *path, char hex[17]) {
    char *content;
    size_t size;
    PS_TRY(ps_file_read(path, &content, &size));
    ps_digest digest = ps_digest_start();
    ps_digest_bytes(&digest, content, size);
    ps_digest_hex(&digest, hex);
    free(content);
    return PS_OK;
}
