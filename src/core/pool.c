#define _GNU_SOURCE
#include "core/pool.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "core/memory.h"

/* One job at a time. `next` hands out chunks; `generation` tells sleeping workers that a job has come. */
struct ps_pool {
    int threads;
    pthread_t *workers;
    pthread_mutex_t lock;
    pthread_cond_t job_posted, job_done;
    atomic_uint generation;
    bool stopping;
    atomic_int working; /* workers that have not finished the current job */
    atomic_size_t next;
    size_t chunks;
    ps_pool_task *task;
    void *context;
};

typedef struct {
    ps_pool *pool;
    int index;
} worker_start;

/* About 20 microseconds: longer than the gap between two kernels of a step, shorter than a time slice. */
enum { SPIN_ROUNDS = 2000 };

static void relax(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static void work(ps_pool *pool, int worker) {
    for (;;) {
        size_t chunk = atomic_fetch_add_explicit(&pool->next, 1, memory_order_relaxed);
        if (chunk >= pool->chunks) return;
        pool->task(pool->context, chunk, worker);
    }
}

static unsigned wait_for_job(ps_pool *pool, unsigned seen) {
    for (int i = 0; i < SPIN_ROUNDS; i++) {
        unsigned generation = atomic_load_explicit(&pool->generation, memory_order_acquire);
        if (generation != seen) return generation;
        relax();
    }
    pthread_mutex_lock(&pool->lock);
    while (atomic_load(&pool->generation) == seen) pthread_cond_wait(&pool->job_posted, &pool->lock);
    unsigned generation = atomic_load(&pool->generation);
    pthread_mutex_unlock(&pool->lock);
    return generation;
}

static void *worker_main(void *argument) {
    worker_start start = *(worker_start *)argument;
    ps_free_array(argument);
    ps_pool *pool = start.pool;
    unsigned seen = 0;
    for (;;) {
        seen = wait_for_job(pool, seen);
        if (pool->stopping) return NULL;
        work(pool, start.index);
        if (atomic_fetch_sub_explicit(&pool->working, 1, memory_order_acq_rel) == 1) {
            pthread_mutex_lock(&pool->lock);
            pthread_cond_signal(&pool->job_done);
            pthread_mutex_unlock(&pool->lock);
        }
    }
}

static void post(ps_pool *pool) {
    pthread_mutex_lock(&pool->lock);
    atomic_fetch_add_explicit(&pool->generation, 1, memory_order_release);
    pthread_cond_broadcast(&pool->job_posted);
    pthread_mutex_unlock(&pool->lock);
}

static int available_processors(void) {
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
}

static ps_status start_worker(ps_pool *pool, int index) {
    worker_start *start = NULL;
    size_t capacity = 0;
    PS_TRY(PS_GROW(&start, &capacity, 1, "thread start"));
    *start = (worker_start){pool, index};
    if (pthread_create(&pool->workers[index - 1], NULL, worker_main, start) != 0) {
        ps_free_array(start);
        return ps_fail(PS_ERR_IO, "could not start thread %d of %d; ask for fewer with --threads", index + 1, pool->threads);
    }
    return PS_OK;
}

ps_status ps_pool_create(int threads, ps_pool **out) {
    *out = NULL;
    if (threads < 0 || threads > 1024) return ps_fail(PS_ERR_USAGE, "threads must be 0 (all) to 1024, not %d", threads);
    int wanted = threads > 0 ? threads : available_processors();
    ps_pool *pool = NULL;
    ps_status status = PS_OK;
    PS_TRY_CLEANUP(PS_ALLOC(1, &pool, "thread pool"));
    PS_TRY_CLEANUP(PS_ALLOC((size_t)wanted, &pool->workers, "thread pool"));
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->job_posted, NULL);
    pthread_cond_init(&pool->job_done, NULL);
    for (pool->threads = 1; pool->threads < wanted; pool->threads++) PS_TRY_CLEANUP(start_worker(pool, pool->threads));
    *out = pool;
    return PS_OK;
cleanup:
    if (pool != NULL && pool->threads > 0) ps_pool_destroy(pool);
    else ps_free(pool);
    return status;
}

void ps_pool_destroy(ps_pool *pool) {
    if (pool == NULL) return;
    pool->stopping = true;
    post(pool);
    for (int i = 1; i < pool->threads; i++) pthread_join(pool->workers[i - 1], NULL);
    pthread_mutex_destroy(&pool->lock);
    pthread_cond_destroy(&pool->job_posted);
    pthread_cond_destroy(&pool->job_done);
    ps_free(pool->workers);
    ps_free(pool);
}

int ps_pool_threads(const ps_pool *pool) { return pool != NULL ? pool->threads : 1; }

static void run_here(size_t chunks, ps_pool_task *task, void *context) {
    for (size_t chunk = 0; chunk < chunks; chunk++) task(context, chunk, 0);
}

static void wait_until_done(ps_pool *pool) {
    for (int i = 0; i < SPIN_ROUNDS; i++) {
        if (atomic_load_explicit(&pool->working, memory_order_acquire) == 0) return;
        relax();
    }
    pthread_mutex_lock(&pool->lock);
    while (atomic_load_explicit(&pool->working, memory_order_acquire) != 0) pthread_cond_wait(&pool->job_done, &pool->lock);
    pthread_mutex_unlock(&pool->lock);
}

void ps_pool_run(ps_pool *pool, size_t chunks, ps_pool_task *task, void *context) {
    if (pool == NULL || pool->threads == 1 || chunks <= 1) {
        run_here(chunks, task, context);
        return;
    }
    pool->task = task;
    pool->context = context;
    pool->chunks = chunks;
    atomic_store(&pool->next, 0);
    atomic_store(&pool->working, pool->threads - 1);
    post(pool);
    work(pool, 0);
    wait_until_done(pool);
}

size_t ps_pool_chunks(size_t items, size_t grain) {
    if (items == 0) return 0;
    return grain == 0 ? items : (items + grain - 1) / grain;
}

size_t ps_pool_chunk_start(size_t items, size_t chunks, size_t chunk) {
    size_t each = items / chunks, left = items % chunks;
    return chunk * each + (chunk < left ? chunk : left);
}
