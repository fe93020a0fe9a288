#include "data/cache.h"

#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#include "core/memory.h"

enum { MOST_THREADS = 8 };
enum { ABSENT, FILLING, READY };

/* Ends of the list of ready blocks that nobody uses; the next to go is first. */
typedef struct {
    size_t first, last;
} idle_list;
static const size_t nowhere = SIZE_MAX;

typedef struct {
    void *block;
    size_t before, behind; /* in the list of idle blocks */
    int users;
    int state;
} entry;

struct ps_cache {
    ps_cache_maker maker;
    entry *entries;
    size_t most, used; /* bytes */
    idle_list idle;
    size_t expected[PS_CACHE_EXPECTED], expected_count, expected_next;
    bool over;
    pthread_mutex_t lock;
    pthread_cond_t filled, wanted; /* a block is ready or was given up; there is something to make, or it is over */
    pthread_t thread[MOST_THREADS];
    int threads;
};

/* ---- bookkeeping, under the lock ---- */

static void unlink_idle(ps_cache *c, entry *e) {
    if (e->before == nowhere) c->idle.first = e->behind;
    else c->entries[e->before].behind = e->behind;
    if (e->behind == nowhere) c->idle.last = e->before;
    else c->entries[e->behind].before = e->before;
    e->before = e->behind = nowhere;
}

static void append_idle(ps_cache *c, entry *e) {
    size_t number = (size_t)(e - c->entries);
    e->before = c->idle.last;
    e->behind = nowhere;
    if (c->idle.last == nowhere) c->idle.first = number;
    else c->entries[c->idle.last].behind = number;
    c->idle.last = number;
}

static void drop(ps_cache *c, entry *e) {
    ps_free(e->block);
    e->block = NULL;
    e->state = ABSENT;
    c->used -= c->maker.size(c->maker.self, (size_t)(e - c->entries));
}

/* Idle blocks go until so many more bytes fit, or there are none. */
static bool make_room(ps_cache *c, size_t bytes) {
    while (c->used + bytes > c->most && c->idle.first != nowhere) {
        entry *e = &c->entries[c->idle.first];
        unlink_idle(c, e);
        drop(c, e);
    }
    return c->used + bytes <= c->most;
}

static void let_go(ps_cache *c, entry *e) {
    if (--e->users > 0) return;
    append_idle(c, e);
    make_room(c, 0);
}

/* Makes a block that is absent, for one user; the lock is given up meanwhile. */
static ps_status make(ps_cache *c, size_t number) {
    entry *e = &c->entries[number];
    void *block = NULL;
    size_t bytes = c->maker.size(c->maker.self, number);
    e->state = FILLING;
    c->used += bytes;
    pthread_mutex_unlock(&c->lock);
    ps_status status = ps_alloc(bytes, 1, "a sample", &block);
    if (status == PS_OK) status = c->maker.fill(c->maker.self, number, block);
    pthread_mutex_lock(&c->lock);
    e->block = block;
    e->state = READY;
    e->users = 1;
    if (status != PS_OK) {
        e->users = 0;
        drop(c, e);
    }
    pthread_cond_broadcast(&c->filled);
    return status;
}

/* ---- use ---- */

ps_status ps_cache_get(ps_cache *c, size_t number, const void **block) {
    entry *e = &c->entries[number];
    ps_status status = PS_OK;
    pthread_mutex_lock(&c->lock);
    while (e->state == FILLING) pthread_cond_wait(&c->filled, &c->lock);
    if (e->state == ABSENT) {
        make_room(c, c->maker.size(c->maker.self, number));
        status = make(c, number);
    } else if (e->users++ == 0) unlink_idle(c, e);
    *block = e->block;
    pthread_mutex_unlock(&c->lock);
    return status;
}

void ps_cache_release(ps_cache *c, size_t number) {
    pthread_mutex_lock(&c->lock);
    let_go(c, &c->entries[number]);
    pthread_cond_signal(&c->wanted); /* there may be room again */
    pthread_mutex_unlock(&c->lock);
}

/* What is there already is the last to go, the first of it before the others. */
static void keep_expected(ps_cache *c) {
    for (size_t i = 0; i < c->expected_count; i++) {
        entry *e = &c->entries[c->expected[i]];
        if (e->state != READY || e->users > 0) continue;
        unlink_idle(c, e);
        append_idle(c, e);
    }
}

void ps_cache_expect(ps_cache *c, const size_t *number, size_t count) {
    size_t bytes = 0;
    pthread_mutex_lock(&c->lock);
    c->expected_count = c->expected_next = 0;
    for (size_t i = 0; i < count && i < PS_CACHE_EXPECTED; i++) {
        bytes += c->maker.size(c->maker.self, number[i]);
        if (bytes > c->most / 2) break;
        c->expected[c->expected_count++] = number[i];
    }
    keep_expected(c);
    pthread_cond_broadcast(&c->wanted);
    pthread_mutex_unlock(&c->lock);
}

void ps_cache_forget(ps_cache *c) {
    pthread_mutex_lock(&c->lock);
    while (c->idle.first != nowhere) {
        entry *e = &c->entries[c->idle.first];
        unlink_idle(c, e);
        drop(c, e);
    }
    pthread_mutex_unlock(&c->lock);
}

size_t ps_cache_bytes(ps_cache *c) {
    pthread_mutex_lock(&c->lock);
    size_t bytes = c->used;
    pthread_mutex_unlock(&c->lock);
    return bytes;
}

/* ---- threads of its own ---- */

/* The next block to make beforehand; false: none is wanted, or there is no room for it. */
static bool next_expected(ps_cache *c, size_t *number) {
    while (c->expected_next < c->expected_count) {
        *number = c->expected[c->expected_next];
        if (c->entries[*number].state == ABSENT) return make_room(c, c->maker.size(c->maker.self, *number));
        c->expected_next++;
    }
    return false;
}

/* A block that cannot be made is left to whoever gets it. */
static void *work(void *context) {
    ps_cache *c = context;
    size_t number;
    pthread_mutex_lock(&c->lock);
    while (!c->over) {
        if (!next_expected(c, &number)) {
            pthread_cond_wait(&c->wanted, &c->lock);
            continue;
        }
        c->expected_next++;
        if (make(c, number) == PS_OK) let_go(c, &c->entries[number]);
    }
    pthread_mutex_unlock(&c->lock);
    return NULL;
}

ps_status ps_cache_create(const ps_cache_maker *maker, size_t blocks, size_t most_bytes, int threads, ps_cache **out) {
    ps_cache *c = NULL;
    *out = NULL;
    PS_TRY(PS_ALLOC(1, &c, "cache"));
    *c = (ps_cache){.maker = *maker, .most = most_bytes, .idle = {nowhere, nowhere}};
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->filled, NULL);
    pthread_cond_init(&c->wanted, NULL);
    ps_status status = PS_ALLOC(blocks, &c->entries, "cache");
    if (status != PS_OK) {
        ps_cache_destroy(c);
        return status;
    }
    for (size_t i = 0; i < blocks; i++) c->entries[i].before = c->entries[i].behind = nowhere;
    /* Threads that cannot be had make nothing worse but slower. */
    for (int i = 0; i < threads && i < MOST_THREADS; i++)
        if (pthread_create(&c->thread[c->threads], NULL, work, c) == 0) c->threads++;
    *out = c;
    return PS_OK;
}

void ps_cache_destroy(ps_cache *c) {
    if (c == NULL) return;
    pthread_mutex_lock(&c->lock);
    c->over = true;
    pthread_cond_broadcast(&c->wanted);
    pthread_mutex_unlock(&c->lock);
    for (int i = 0; i < c->threads; i++) pthread_join(c->thread[i], NULL);
    ps_cache_forget(c);
    ps_free(c->entries);
    pthread_mutex_destroy(&c->lock);
    pthread_cond_destroy(&c->filled);
    pthread_cond_destroy(&c->wanted);
    ps_free(c);
}
