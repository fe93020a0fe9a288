/* 64-bit content digests (FNV-1a, Fowler/Noll/Vo, over bytes): identity of data sets, configurations and names.
 * Not cryptographic: it tells accidents apart, not attacks. */
#ifndef PS_CORE_DIGEST_H
#define PS_CORE_DIGEST_H

#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

typedef struct {
    uint64_t state;
} ps_digest;

ps_digest ps_digest_start(void);
void ps_digest_bytes(ps_digest *digest, const void *bytes, size_t count);
/* A faster kind for large blocks of numbers, eight bytes at a time: another value than ps_digest_bytes of the same.
 * Blocks given in pieces have the digest of the whole where all pieces but the last are multiples of eight bytes long.
 * Both kinds see every change of a single byte, always. */
void ps_digest_block(ps_digest *digest, const void *bytes, size_t count);
void ps_digest_text(ps_digest *digest, const char *text);
void ps_digest_u64(ps_digest *digest, uint64_t value);
uint64_t ps_digest_value(const ps_digest *digest);
/* Writes 16 lower-case hexadecimal digits and a terminator. */
void ps_digest_hex(const ps_digest *digest, char hex[17]);
/* The same of a whole file's bytes. */
ps_status ps_digest_file(const char *path, char hex[17]);

#endif
