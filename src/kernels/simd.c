#include "kernels/simd.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static ps_simd_level best_level;
static pthread_once_t found = PTHREAD_ONCE_INIT;

static ps_simd_level level_there_is(void) {
#if defined(__x86_64__)
    /* The builtins also ask whether the operating system saves the wide registers. */
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("fma"))
        return PS_SIMD_AVX512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return PS_SIMD_AVX2;
#endif
    return PS_SIMD_BASE;
}

/* The level that PS_SIMD names, -1: none. */
static int level_named(const char *name) {
    for (int level = PS_SIMD_BASE; level <= PS_SIMD_AVX512; level++)
        if (strcmp(name, ps_simd_name((ps_simd_level)level)) == 0) return level;
    return -1;
}

static ps_simd_level level_of_processor(void) {
    const char *most = getenv("PS_SIMD_MOST");
    int level = most != NULL ? level_named(most) : -1;
    ps_simd_level best = level_there_is();
    return level >= 0 && level < (int)best ? (ps_simd_level)level : best;
}

static void find_level(void) {
    const char *wanted = getenv("PS_SIMD");
    int level = wanted != NULL ? level_named(wanted) : -1;
    best_level = level_of_processor();
    if (level >= 0 && level < (int)best_level) best_level = (ps_simd_level)level;
}

ps_status ps_simd_check(void) {
    const char *wanted = getenv("PS_SIMD");
    int level = wanted != NULL ? level_named(wanted) : PS_SIMD_BASE;
    if (level < 0)
        return ps_fail(PS_ERR_USAGE, "PS_SIMD=%s: there is no such instruction set; base, avx2 and avx512 are known",
                       wanted);
    if (level > (int)level_of_processor())
        return ps_fail(PS_ERR_USAGE, "PS_SIMD=%s: this processor has no more than %s; PS_SIMD can only lower the level",
                       wanted, ps_simd_name(level_of_processor()));
    return PS_OK;
}

/* Asked for by every row of some kernels: once it is found, a load is all there is to it. */
ps_simd_level ps_simd_detect(void) {
    static atomic_int known; /* level + 1; 0: not yet */
    int level = atomic_load_explicit(&known, memory_order_acquire);
    if (level > 0) return (ps_simd_level)(level - 1);
    pthread_once(&found, find_level);
    atomic_store_explicit(&known, (int)best_level + 1, memory_order_release);
    return best_level;
}

const char *ps_simd_name(ps_simd_level level) {
    switch (level) {
        case PS_SIMD_AVX512: return "avx512";
        case PS_SIMD_AVX2: return "avx2";
        default: return "base";
    }
}

bool ps_simd_half_width(size_t columns) {
    enum { WIDE = 16, HALF = 8, MOST = 40 };
    bool wasteful = (columns + WIDE - 1) / WIDE * WIDE > (columns + HALF - 1) / HALF * HALF;
    return ps_simd_detect() == PS_SIMD_AVX512 && columns <= MOST && wasteful;
}
