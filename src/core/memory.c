#include "core/memory.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

/* Streams that begin at the same place of a page share cache sets: neighbours begin so many bytes apart. */
enum { LARGE_PAGE = 2 << 20, LARGE_BLOCK = 2 * LARGE_PAGE, STAGGER = 17 * PS_ALIGNMENT, STAGGERED = 16 };

#if defined(__SANITIZE_ADDRESS__)
#define EXACT true /* every block ends where its allocation does */
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define EXACT true
#endif
#endif
#ifndef EXACT
#define EXACT false
#endif

/* Before a block stands the address of the allocation that it lies in. */
static void *block_at(char *whole, size_t offset) {
    char *block = whole + offset;
    memcpy(block - sizeof whole, &whole, sizeof whole);
    return block;
}

/* Ends where the allocation does, so that sanitizers see what reaches beyond. */
static void *small_block(size_t bytes) {
    void *whole = NULL;
    if (posix_memalign(&whole, PS_ALIGNMENT, PS_ALIGNMENT + bytes) != 0) return NULL;
    memset(whole, 0, PS_ALIGNMENT + bytes);
    return block_at(whole, PS_ALIGNMENT);
}

/* Asks for large pages as far as whole ones lie inside it: then arithmetic on long arrays waits less for addresses.
 * Where the system has none, small pages do. calloc knows which memory comes fresh from the system, and so is zero
 * already: nothing clears that once more, and pages that nobody touches cost nothing. */
static void *large_block(size_t bytes) {
    static atomic_uint blocks;
    size_t stagger = atomic_fetch_add(&blocks, 1) % STAGGERED * STAGGER, before = PS_ALIGNMENT + LARGE_PAGE;
    char *whole = calloc(1, before + STAGGERED * STAGGER + bytes);
    if (whole == NULL) return NULL;
    char *page = whole + before - ((uintptr_t)whole + before) % LARGE_PAGE; /* PS_ALIGNMENT or more past the start */
#ifdef MADV_HUGEPAGE
    (void)madvise(page, (stagger + bytes) / LARGE_PAGE * LARGE_PAGE, MADV_HUGEPAGE);
#endif
    return block_at(whole, (size_t)(page - whole) + stagger);
}

ps_status ps_alloc(size_t count, size_t size, const char *what, void **out) {
    *out = NULL;
    if (count == 0 || size == 0) return PS_OK;
    if (count > (SIZE_MAX - 2 * LARGE_BLOCK) / size)
        return ps_fail(PS_ERR_MEMORY, "%s: %zu x %zu bytes is more than this machine can address", what, count, size);
    size_t bytes = (count * size + PS_ALIGNMENT - 1) / PS_ALIGNMENT * PS_ALIGNMENT;
    *out = EXACT || bytes < LARGE_BLOCK ? small_block(bytes) : large_block(bytes);
    if (*out != NULL) return PS_OK;
    return ps_fail(PS_ERR_MEMORY, "%s: could not allocate %.1f MiB; use a smaller batch, width or input size", what,
                   (double)bytes / 1048576.0);
}

void ps_free(void *block) {
    void *whole;
    if (block == NULL) return;
    memcpy(&whole, (char *)block - sizeof whole, sizeof whole);
    free(whole);
}

ps_status ps_grow(void **array, size_t *capacity, size_t count, size_t size, const char *what) {
    if (count <= *capacity) return PS_OK;
    size_t wanted = *capacity ? *capacity : 8;
    while (wanted < count) wanted = wanted > SIZE_MAX / 2 ? count : wanted * 2;
    if (wanted > SIZE_MAX / size) return ps_fail(PS_ERR_MEMORY, "%s: too many elements (%zu)", what, count);
    char *grown = realloc(*array, wanted * size);
    if (grown == NULL) return ps_fail(PS_ERR_MEMORY, "%s: could not allocate %zu elements", what, wanted);
    memset(grown + *capacity * size, 0, (wanted - *capacity) * size);
    *array = grown;
    *capacity = wanted;
    return PS_OK;
}

void ps_free_array(void *array) { free(array); }

ps_status ps_string_copy(const char *text, char **out) { return ps_string_format(out, "%s", text); }

ps_status ps_string_format(char **out, const char *format, ...) {
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    *out = length < 0 ? NULL : malloc((size_t)length + 1);
    if (*out != NULL) vsnprintf(*out, (size_t)length + 1, format, again);
    va_end(again);
    return *out != NULL ? PS_OK : ps_fail(PS_ERR_MEMORY, "could not allocate a string");
}

ps_status ps_memory_stream_close(FILE *stream, char **text, const char *what) {
    if (fclose(stream) == 0 && *text != NULL) return PS_OK;
    free(*text);
    *text = NULL;
    return ps_fail(PS_ERR_MEMORY, "no memory for %s; free some and run again", what);
}

/* Linux keeps the largest resident size of a process across exec, so getrusage answers for whoever started it as well:
 * a small run started by a large program would look large. VmHWM belongs to this program alone. */
static size_t high_water_bytes(void) {
    char line[128];
    unsigned long long kib = 0;
    FILE *status = fopen("/proc/self/status", "r");
    if (status == NULL) return 0;
    while (kib == 0 && fgets(line, sizeof line, status) != NULL) (void)sscanf(line, "VmHWM: %llu kB", &kib);
    fclose(status);
    return (size_t)kib * 1024;
}

size_t ps_memory_peak_bytes(void) {
    struct rusage usage;
    size_t bytes = high_water_bytes();
    if (bytes > 0) return bytes;
    return getrusage(RUSAGE_SELF, &usage) == 0 ? (size_t)usage.ru_maxrss * 1024 : 0;
}
