#include "kernels/processor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LARGE_BYTES = 1 << 20 };

atomic_int ps_processor_code;

static int code_of(ps_processor_class class) { return 1 + 2 * (int)class.simd + class.large_cache; }

/* ---- names ---- */

static const char *cache_word(bool large) { return large ? "large" : "small"; }

const char *ps_processor_name(ps_processor_class class, char *name) {
    snprintf(name, PS_PROCESSOR_NAME, "%s-%s", ps_simd_name(class.simd), cache_word(class.large_cache));
    return name;
}

bool ps_processor_named(const char *name, ps_processor_class *class) {
    char known[PS_PROCESSOR_NAME];
    for (int i = 0; i < 2 * (PS_SIMD_AVX512 + 1); i++) {
        *class = (ps_processor_class){(ps_simd_level)(i / 2), i % 2 == 1};
        if (strcmp(name, ps_processor_name(*class, known)) == 0) return true;
    }
    return false;
}

/* ---- the processor's own ---- */

bool ps_processor_is_large(size_t bytes) { return bytes >= LARGE_BYTES; }

/* The first word of a file; false: there is none. */
static bool read_word(const char *folder, int index, const char *file, char word[32]) {
    char path[512];
    snprintf(path, sizeof path, "%s/index%d/%s", folder, index, file);
    FILE *stream = fopen(path, "r");
    if (stream == NULL) return false;
    bool read = fscanf(stream, "%31s", word) == 1;
    fclose(stream);
    return read;
}

/* "1024K". */
static size_t bytes_of(const char *size) {
    char *unit;
    unsigned long number = strtoul(size, &unit, 10);
    if (number > 1UL << 20) return 0; /* no cache is so large */
    return strcmp(unit, "K") == 0 ? number << 10 : strcmp(unit, "M") == 0 ? number << 20 : 0;
}

size_t ps_processor_described_cache(const char *folder) {
    char level[32], size[32];
    for (int index = 0; read_word(folder, index, "level", level); index++)
        if (strcmp(level, "2") == 0 && read_word(folder, index, "size", size)) return bytes_of(size);
    return 0;
}

static size_t second_level_bytes(void) {
#if defined(_SC_LEVEL2_CACHE_SIZE)
    long bytes = sysconf(_SC_LEVEL2_CACHE_SIZE);
    if (bytes > 0) return (size_t)bytes;
#endif
    return ps_processor_described_cache("/sys/devices/system/cpu/cpu0/cache");
}

/* Of the processor that PS_SIMD_MOST may stand for. */
static bool own_cache_is_large(void) {
    const char *text = getenv("PS_SIMD_MOST");
    ps_processor_class class;
    if (text != NULL && ps_processor_named(text, &class)) return class.large_cache;
    return ps_processor_is_large(second_level_bytes());
}

/* ---- what the environment asks for ---- */

/* What is named there, and is known. */
typedef struct {
    const char *simd_text, *class_text;
    bool simd_known, class_known;
    ps_simd_level simd;
    ps_processor_class class;
} request;

static request read_environment(void) {
    request r = {.simd_text = getenv("PS_SIMD"), .class_text = getenv("PS_CLASS")};
    r.simd_known = r.simd_text != NULL && ps_simd_named(r.simd_text, &r.simd);
    r.class_known = r.class_text != NULL && ps_processor_named(r.class_text, &r.class);
    return r;
}

static ps_status check_simd(const request *r) {
    if (r->simd_text == NULL) return PS_OK;
    if (!r->simd_known)
        return ps_fail(PS_ERR_USAGE, "PS_SIMD=%s: there is no such instruction set; base, avx2 and avx512 are known",
                       r->simd_text);
    if (r->simd <= ps_simd_most()) return PS_OK;
    return ps_fail(PS_ERR_USAGE, "PS_SIMD=%s: this processor has no more than %s; PS_SIMD can only lower the level",
                   r->simd_text, ps_simd_name(ps_simd_most()));
}

static ps_status check_class(const request *r) {
    if (r->class_text == NULL) return PS_OK;
    if (!r->class_known)
        return ps_fail(PS_ERR_USAGE,
                       "PS_CLASS=%s: there is no such processor class; one is an instruction set (base, avx2, avx512) "
                       "and a second-level cache (large, small), as in avx2-small",
                       r->class_text);
    if (r->class.simd <= ps_simd_most()) return PS_OK;
    return ps_fail(PS_ERR_USAGE,
                   "PS_CLASS=%s: this processor has no more than %s; PS_CLASS can only lower the instruction set",
                   r->class_text, ps_simd_name(ps_simd_most()));
}

ps_status ps_processor_check(void) {
    request r = read_environment();
    PS_TRY(check_simd(&r));
    PS_TRY(check_class(&r));
    if (r.simd_text == NULL || r.class_text == NULL || r.simd == r.class.simd) return PS_OK;
    return ps_fail(PS_ERR_USAGE, "PS_SIMD=%s and PS_CLASS=%s name two instruction sets; leave one of them out",
                   r.simd_text, r.class_text);
}

/* ---- the class in use ---- */

static ps_simd_level lower(ps_simd_level a, ps_simd_level b) { return a < b ? a : b; }

/* By several threads at once where they come first: all find the same. */
ps_processor_class ps_processor_find(void) {
    request r = read_environment();
    ps_processor_class class = {ps_simd_most(), false};
    if (r.class_known) class.simd = lower(class.simd, r.class.simd);
    if (r.simd_known) class.simd = lower(class.simd, r.simd);
    class.large_cache = r.class_known ? r.class.large_cache : own_cache_is_large();
    atomic_store_explicit(&ps_processor_code, code_of(class), memory_order_relaxed);
    return class;
}

static bool same_class(ps_processor_class a, ps_processor_class b) {
    return a.simd == b.simd && a.large_cache == b.large_cache;
}

/* Of what the environment asks for, the variable that this class contradicts; NULL: none. */
static const char *contradicted(const request *r, ps_processor_class class) {
    if (r->class_known && !same_class(r->class, class)) return "PS_CLASS";
    return r->simd_known && r->simd != class.simd ? "PS_SIMD" : NULL;
}

bool ps_processor_can_use(ps_processor_class class) {
    request r = read_environment();
    return class.simd <= ps_simd_most() && contradicted(&r, class) == NULL;
}

ps_status ps_processor_use(ps_processor_class class, const char *whose) {
    request r = read_environment();
    char name[PS_PROCESSOR_NAME];
    const char *other = contradicted(&r, class);
    ps_processor_name(class, name);
    if (class.simd > ps_simd_most())
        return ps_fail(PS_ERR_INPUT,
                       "%s: the run was begun in the processor class %s, and this processor has no more than %s; go on "
                       "with it on one that has %s, or start another run with --out",
                       whose, name, ps_simd_name(ps_simd_most()), ps_simd_name(class.simd));
    if (other != NULL)
        return ps_fail(PS_ERR_INPUT,
                       "%s: the run was begun in the processor class %s, and %s=%s asks for another; leave %s out, or "
                       "start another run with --out",
                       whose, name, other, getenv(other), other);
    atomic_store_explicit(&ps_processor_code, code_of(class), memory_order_relaxed);
    return PS_OK;
}
