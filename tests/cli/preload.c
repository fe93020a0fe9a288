/* What can go wrong around a program, on demand: loaded into it by LD_PRELOAD (tests/cli/preload.py builds it), told by
 * the environment. Acts in poolscope itself alone, not in what it starts.
 *   PRELOAD_COUNT=FILE      writes there how many calls of each kind were made
 *   PRELOAD_KILL=N          the N-th change of the file system (fsync, rename, unlink) is the last thing that happens
 *   PRELOAD_REFUSE=N        the N-th such call fails instead: no space is left
 *   PRELOAD_NO_MEMORY=N     the N-th allocation fails
 *   PRELOAD_CLOCK=X         the clock runs X times as fast */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *block, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);

static long changes, allocations; /* so far */
static long kill_at, refuse_at, no_memory_at;
static double clock_factor;
static const char *count_file;

static long number_of(const char *name) {
    const char *text = getenv(name);
    return text != NULL ? atol(text) : 0;
}

__attribute__((constructor)) static void start(void) {
    char path[4096];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    if (length < 9 || strncmp(path + length - 9, "poolscope", 9) != 0) return;
    kill_at = number_of("PRELOAD_KILL");
    refuse_at = number_of("PRELOAD_REFUSE");
    no_memory_at = number_of("PRELOAD_NO_MEMORY");
    clock_factor = (double)number_of("PRELOAD_CLOCK");
    count_file = getenv("PRELOAD_COUNT");
    allocations = 0; /* those of the loader and of the libraries' own start do not count */
}

__attribute__((destructor)) static void stop(void) {
    char text[64];
    if (count_file == NULL) return;
    int file = open(count_file, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    int length = snprintf(text, sizeof text, "%ld %ld\n", changes, allocations);
    if (file >= 0 && write(file, text, (size_t)length) == length) close(file);
}

/* ---- files ---- */

static int refused(void) {
    changes++;
    if (changes == kill_at) kill(getpid(), SIGKILL);
    if (changes != refuse_at) return 0;
    errno = ENOSPC;
    return 1;
}

int fsync(int file) { return refused() ? -1 : ((int (*)(int))dlsym(RTLD_NEXT, "fsync"))(file); }
int fdatasync(int file) { return refused() ? -1 : ((int (*)(int))dlsym(RTLD_NEXT, "fdatasync"))(file); }
int unlink(const char *path) { return refused() ? -1 : ((int (*)(const char *))dlsym(RTLD_NEXT, "unlink"))(path); }
int rename(const char *from, const char *to) {
    return refused() ? -1 : ((int (*)(const char *, const char *))dlsym(RTLD_NEXT, "rename"))(from, to);
}

/* ---- memory ---- */

static int no_memory(void) {
    if (__atomic_add_fetch(&allocations, 1, __ATOMIC_RELAXED) != no_memory_at) return 0;
    errno = ENOMEM;
    return 1;
}

void *malloc(size_t size) { return no_memory() ? NULL : __libc_malloc(size); }
void *calloc(size_t count, size_t size) { return no_memory() ? NULL : __libc_calloc(count, size); }
void *realloc(void *block, size_t size) { return no_memory() ? NULL : __libc_realloc(block, size); }
void *aligned_alloc(size_t alignment, size_t size) { return no_memory() ? NULL : __libc_memalign(alignment, size); }

/* ---- the clock ---- */

int clock_gettime(clockid_t clock, struct timespec *now) {
    int result = ((int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime"))(clock, now);
    if (clock_factor > 0) {
        double ns = ((double)now->tv_sec * 1e9 + (double)now->tv_nsec) * clock_factor;
        now->tv_sec = (time_t)(ns / 1e9);
        now->tv_nsec = (long)(ns - (double)now->tv_sec * 1e9);
    }
    return result;
}
