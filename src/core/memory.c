#include "core/memory.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

enum { LARGE_PAGE = 2 << 20, LARGE_BLOCK = 2 * LARGE_PAGE };

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

/* Begins with a large page, and asks for such pages as far as whole ones lie inside it: then arithmetic on long arrays
 * waits less for addresses. Where the system has none, small pages do. calloc knows which memory comes fresh from the
 * system, and so is zero already: nothing clears that once more, and pages that nobody touches cost nothing. */
static void *large_block(size_t bytes) {
    char *whole = calloc(1, bytes + LARGE_PAGE + PS_ALIGNMENT);
    if (whole == NULL) return NULL;
    size_t past = ((uintptr_t)whole + PS_ALIGNMENT) % LARGE_PAGE;
    void *block = block_at(whole, PS_ALIGNMENT + (LARGE_PAGE - past) % LARGE_PAGE);
#ifdef MADV_HUGEPAGE
    (void)madvise(block, bytes / LARGE_PAGE * LARGE_PAGE, MADV_HUGEPAGE);
#endif
    return block;
}

ps_status ps_alloc(size_t count, size_t size, const char *what, void **out) {
    *out = NULL;
    if (count == 0 || size == 0) return PS_OK;
    if (count > (SIZE_MAX - 2 * LARGE_BLOCK) / size)
        return ps_fail(PS_ERR_MEMORY, "%s: %zu x %zu bytes is more than this machine can address", what, count, size);
    size_t bytes = (count * size + PS_ALIGNMENT - 1) / PS_ALIGNMENT * PS_ALIGNMENT;
    *out = bytes < LARGE_BLOCK ? small_block(bytes) : large_block(bytes);
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
