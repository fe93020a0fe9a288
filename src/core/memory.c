#include "core/memory.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

enum { LARGE_PAGE = 2 << 20, LARGE_BLOCK = 2 * LARGE_PAGE };

/* A large block begins with a large page, and asks for such pages as far as whole ones lie inside it: then arithmetic
 * on long arrays waits less for addresses. Where the system has none, small pages do. */
static void *aligned_block(size_t bytes) {
    void *block = NULL;
    if (posix_memalign(&block, bytes < LARGE_BLOCK ? PS_ALIGNMENT : LARGE_PAGE, bytes) != 0) return NULL;
#ifdef MADV_HUGEPAGE
    if (bytes >= LARGE_BLOCK) (void)madvise(block, bytes / LARGE_PAGE * LARGE_PAGE, MADV_HUGEPAGE);
#endif
    return block;
}

ps_status ps_alloc(size_t count, size_t size, const char *what, void **out) {
    *out = NULL;
    if (count == 0 || size == 0) return PS_OK;
    if (count > (SIZE_MAX - PS_ALIGNMENT) / size)
        return ps_fail(PS_ERR_MEMORY, "%s: %zu x %zu bytes is more than this machine can address", what, count, size);
    size_t bytes = (count * size + PS_ALIGNMENT - 1) / PS_ALIGNMENT * PS_ALIGNMENT;
    void *block = aligned_block(bytes);
    if (block == NULL)
        return ps_fail(PS_ERR_MEMORY, "%s: could not allocate %.1f MiB; use a smaller batch, width or input size", what,
                       (double)bytes / 1048576.0);
    memset(block, 0, bytes);
    *out = block;
    return PS_OK;
}

void ps_free(void *block) { free(block); }

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
