/* A cache of blocks that can be made again: as many of those used last as its memory allows, and those that are said
 * to be needed next, made by threads of its own while others work. What a block holds is a function of its number
 * alone, so nobody sees what was cached. Blocks are made by several threads at once; the one lock is held for
 * bookkeeping only. */
#ifndef PS_DATA_CACHE_H
#define PS_DATA_CACHE_H

#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

typedef struct {
    void *self;
    size_t (*size)(void *self, size_t number); /* of a block, in bytes; from any thread, under the lock */
    /* Fills it; from several threads at once, without the lock. */
    ps_status (*fill)(void *self, size_t number, void *block);
} ps_cache_maker;

typedef struct ps_cache ps_cache;

/* most_bytes: blocks that nobody uses take no more; those in use come on top where they do not fit. threads: of its
 * own, 0 for none. */
ps_status ps_cache_create(const ps_cache_maker *maker, size_t blocks, size_t most_bytes, int threads, ps_cache **out);
void ps_cache_destroy(ps_cache *cache);

/* A block, which stays where it is until it was released as often as it was got. A failure is that of `fill`, anew in
 * each call. From any thread. */
ps_status ps_cache_get(ps_cache *cache, size_t number, const void **block);
void ps_cache_release(ps_cache *cache, size_t number);

/* What will be got next, in this order, in the place of what was said before. As many are made beforehand as half of
 * the memory holds. Does not wait, and allocates nothing; more than PS_CACHE_EXPECTED are not remembered. */
enum { PS_CACHE_EXPECTED = 256 };
void ps_cache_expect(ps_cache *cache, const size_t *number, size_t count);

/* Lets go of every block that nobody uses. */
void ps_cache_forget(ps_cache *cache);
/* For tests: bytes held now. */
size_t ps_cache_bytes(ps_cache *cache);

#endif
