#include "kernels/simd.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static ps_simd_level best_level;
static pthread_once_t found = PTHREAD_ONCE_INIT;

static ps_simd_level level_of_processor(void) {
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

static void find_level(void) {
    best_level = level_of_processor();
    const char *wanted = getenv("PS_SIMD");
    if (wanted == NULL) return;
    for (ps_simd_level level = PS_SIMD_BASE; level < best_level; level++) {
        if (strcmp(wanted, ps_simd_name(level)) == 0) best_level = level;
    }
}

ps_simd_level ps_simd_detect(void) {
    pthread_once(&found, find_level);
    return best_level;
}

const char *ps_simd_name(ps_simd_level level) {
    switch (level) {
        case PS_SIMD_AVX512: return "avx512";
        case PS_SIMD_AVX2: return "avx2";
        default: return "base";
    }
}
