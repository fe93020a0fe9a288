#define _GNU_SOURCE
#include "parallel/threads.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/memory.h"
#include "parallel/processors.h"

/* One job at a time. `ticket` holds the job's generation and which of its chunks, first to last, nobody has claimed
 * yet: a worker that comes late finds another generation or nothing left and touches nothing, so the caller waits for
 * chunks to be done, never for workers to wake up. Even workers claim from the front, odd ones from the back: a thread
 * then works on the same part of a batch in one kernel after the other, whose data are still in its own cache.
 * Task, context and chunks are read after a claim only: the job cannot end, nor be replaced, before the claimed chunk
 * is done. */
struct ps_threads {
    /* What changes with every chunk lies on a cache line of its own: the processors pass these lines to and fro. */
    _Alignas(
        PS_ALIGNMENT) _Atomic uint64_t ticket; /* generation << 40 | end of the unclaimed chunks << 20 | their first */
    _Alignas(PS_ALIGNMENT) atomic_size_t done; /* chunks finished */
    _Alignas(PS_ALIGNMENT) size_t chunks;
    ps_threads_task *task;
    void *context;
    atomic_int sleeping; /* workers that wait for job_posted */
    atomic_bool caller_waits, stopping;
    int count;
    pthread_t *workers;
    pthread_mutex_t lock;
    pthread_cond_t job_posted, job_done;
    cpu_set_t allowed; /* processors this process may use */
    int seats;         /* threads in the end, while `count` is of those that have started */
    atomic_int
        *processor; /* on which each thread was last seen, -1: not yet; NULL: there are fewer processors than threads */
};

typedef struct {
    ps_threads *pool;
    int index;
} worker_start;

/* Some 150 microseconds: longer than the gap between two kernels of a step, shorter than a time slice. */
enum { SPIN_ROUNDS = 6000 };

enum { TICKET_BITS = 20, MOST_CHUNKS = (1 << TICKET_BITS) - 1, GENERATIONS = (1 << 24) - 1 };

static uint32_t generation_of(uint64_t ticket) { return (uint32_t)(ticket >> (2 * TICKET_BITS)); }
static uint32_t end_of(uint64_t ticket) { return (uint32_t)(ticket >> TICKET_BITS) & MOST_CHUNKS; }
static uint32_t first_of(uint64_t ticket) { return (uint32_t)ticket & MOST_CHUNKS; }
static uint64_t make_ticket(uint32_t generation, size_t end) {
    return (uint64_t)generation << (2 * TICKET_BITS) | (uint64_t)end << TICKET_BITS;
}

static void relax(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static void finish_chunk(ps_threads *pool, size_t chunks) {
    if (atomic_fetch_add(&pool->done, 1) + 1 != chunks || !atomic_load(&pool->caller_waits)) return;
    pthread_mutex_lock(&pool->lock);
    pthread_cond_signal(&pool->job_done);
    pthread_mutex_unlock(&pool->lock);
}

/* Claims and runs chunks of one generation until there are none left. */
static void work(ps_threads *pool, uint32_t generation, int worker) {
    bool from_front = worker % 2 == 0;
    uint64_t ticket = atomic_load(&pool->ticket);
    while (generation_of(ticket) == generation && first_of(ticket) < end_of(ticket)) {
        size_t chunk = from_front ? first_of(ticket) : end_of(ticket) - 1;
        uint64_t claimed = from_front ? ticket + 1 : ticket - ((uint64_t)1 << TICKET_BITS);
        if (!atomic_compare_exchange_weak(&pool->ticket, &ticket, claimed)) continue;
        pool->task(pool->context, chunk, worker);
        finish_chunk(pool, pool->chunks);
        ticket = atomic_load(&pool->ticket);
    }
}

static bool has_news(ps_threads *pool, uint32_t seen) {
    return generation_of(atomic_load(&pool->ticket)) != seen || atomic_load(&pool->stopping);
}

/* The processors on which no other thread was last seen. */
static cpu_set_t free_processors(ps_threads *pool, int worker) {
    cpu_set_t free_ones = pool->allowed;
    for (int other = 0; other < pool->seats; other++) {
        int there = other != worker ? atomic_load(&pool->processor[other]) : -1;
        if (there >= 0) CPU_CLR((size_t)there, &free_ones);
    }
    return free_ones;
}

/* The kernel may wake a thread on the processor of the one that wakes it, where the two take turns while another
 * processor idles. A worker that finds itself on another's processor moves to a free one; it stays free to be moved
 * anywhere later. */
static void step_aside(ps_threads *pool, int worker) {
    if (pool->processor == NULL) return;
    int here = sched_getcpu();
    cpu_set_t free_ones = free_processors(pool, worker);
    if (here >= 0 && !CPU_ISSET((size_t)here, &free_ones) && CPU_COUNT(&free_ones) > 0 &&
        sched_setaffinity(0, sizeof free_ones, &free_ones) == 0) {
        here = sched_getcpu();
        sched_setaffinity(0, sizeof pool->allowed, &pool->allowed);
    }
    atomic_store(&pool->processor[worker], here);
}

static void wait_for_job(ps_threads *pool, uint32_t seen) {
    for (int i = 0; i < SPIN_ROUNDS; i++) {
        if (has_news(pool, seen)) return;
        relax();
    }
    pthread_mutex_lock(&pool->lock);
    atomic_fetch_add(&pool->sleeping,
                     1); /* before the last look: post() looks the other way round, so one sees the other */
    while (!has_news(pool, seen)) pthread_cond_wait(&pool->job_posted, &pool->lock);
    atomic_fetch_sub(&pool->sleeping, 1);
    pthread_mutex_unlock(&pool->lock);
}

static void *worker_main(void *argument) {
    worker_start start = *(worker_start *)argument;
    ps_free_array(argument);
    uint32_t seen = 0;
    for (;;) {
        step_aside(start.pool, start.index);
        wait_for_job(start.pool, seen);
        if (atomic_load(&start.pool->stopping)) return NULL;
        seen = generation_of(atomic_load(&start.pool->ticket));
        work(start.pool, seen, start.index);
    }
}

static void wake_sleepers(ps_threads *pool) {
    if (atomic_load(&pool->sleeping) == 0) return;
    pthread_mutex_lock(&pool->lock);
    pthread_cond_broadcast(&pool->job_posted);
    pthread_mutex_unlock(&pool->lock);
}

static ps_status start_worker(ps_threads *pool, int index) {
    worker_start *start = NULL;
    size_t capacity = 0;
    PS_TRY(PS_GROW(&start, &capacity, 1, "thread start"));
    *start = (worker_start){pool, index};
    if (pthread_create(&pool->workers[index - 1], NULL, worker_main, start) != 0) {
        ps_free_array(start);
        return ps_fail(PS_ERR_IO, "could not start thread %d of %d; ask for fewer with --threads", index + 1,
                       pool->count);
    }
    return PS_OK;
}

ps_status ps_threads_create(int threads, ps_threads **out) {
    *out = NULL;
    if (threads < 0 || threads > 1024) return ps_fail(PS_ERR_USAGE, "threads must be 0 (all) to 1024, not %d", threads);
    ps_threads *pool = NULL;
    ps_status status = PS_OK;
    PS_TRY_CLEANUP(PS_ALLOC(1, &pool, "thread pool"));
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->job_posted, NULL);
    pthread_cond_init(&pool->job_done, NULL);
    int processors = sched_getaffinity(0, sizeof pool->allowed, &pool->allowed) == 0 ? CPU_COUNT(&pool->allowed) : 1;
    pool->seats = threads > 0 ? threads : ps_processors();
    PS_TRY_CLEANUP(PS_ALLOC((size_t)pool->seats, &pool->workers, "thread pool"));
    if (pool->seats <= processors) PS_TRY_CLEANUP(PS_ALLOC((size_t)pool->seats, &pool->processor, "thread pool"));
    for (int i = 0; pool->processor != NULL && i < pool->seats; i++) atomic_store(&pool->processor[i], -1);
    for (pool->count = 1; pool->count < pool->seats; pool->count++) PS_TRY_CLEANUP(start_worker(pool, pool->count));
    *out = pool;
    return PS_OK;
cleanup:
    ps_threads_destroy(pool);
    return status;
}

void ps_threads_destroy(ps_threads *pool) {
    if (pool == NULL) return;
    atomic_store(&pool->stopping, true);
    wake_sleepers(pool);
    for (int i = 1; i < pool->count; i++) pthread_join(pool->workers[i - 1], NULL);
    pthread_mutex_destroy(&pool->lock);
    pthread_cond_destroy(&pool->job_posted);
    pthread_cond_destroy(&pool->job_done);
    ps_free(pool->workers);
    ps_free(pool->processor);
    ps_free(pool);
}

int ps_threads_count(const ps_threads *pool) { return pool != NULL ? pool->count : 1; }

static void run_here(size_t chunks, ps_threads_task *task, void *context) {
    for (size_t chunk = 0; chunk < chunks; chunk++) task(context, chunk, 0);
}

static void wait_until_done(ps_threads *pool, size_t chunks) {
    for (int i = 0; i < SPIN_ROUNDS; i++) {
        if (atomic_load(&pool->done) == chunks) return;
        relax();
    }
    pthread_mutex_lock(&pool->lock);
    atomic_store(&pool->caller_waits, true);
    while (atomic_load(&pool->done) != chunks) pthread_cond_wait(&pool->job_done, &pool->lock);
    atomic_store(&pool->caller_waits, false);
    pthread_mutex_unlock(&pool->lock);
}

void ps_threads_run(ps_threads *pool, size_t chunks, ps_threads_task *task, void *context) {
    if (pool == NULL || pool->count == 1 || chunks <= 1 || chunks > MOST_CHUNKS) {
        run_here(chunks, task, context);
        return;
    }
    uint32_t generation = (generation_of(atomic_load(&pool->ticket)) + 1) & GENERATIONS;
    pool->task = task;
    pool->context = context;
    pool->chunks = chunks;
    if (pool->processor != NULL) atomic_store(&pool->processor[0], sched_getcpu());
    atomic_store(&pool->done, 0);
    atomic_store(&pool->ticket, make_ticket(generation, chunks));
    wake_sleepers(pool);
    work(pool, generation, 0);
    wait_until_done(pool, chunks);
}

size_t ps_threads_chunks(size_t items, size_t grain) {
    if (items == 0) return 0;
    return grain == 0 ? items : (items + grain - 1) / grain;
}

size_t ps_threads_chunk_start(size_t items, size_t chunks, size_t chunk) {
    size_t each = items / chunks, left = items % chunks;
    return chunk * each + (chunk < left ? chunk : left);
}
