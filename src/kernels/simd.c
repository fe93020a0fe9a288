#include "kernels/simd.h"

#include <stdlib.h>
#include <string.h>

#include "kernels/processor.h"

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

bool ps_simd_named(const char *name, ps_simd_level *level) {
    for (int i = PS_SIMD_BASE; i <= PS_SIMD_AVX512; i++) {
        *level = (ps_simd_level)i;
        if (strcmp(name, ps_simd_name(*level)) == 0) return true;
    }
    return false;
}

ps_simd_level ps_simd_most(void) {
    const char *text = getenv("PS_SIMD_MOST");
    ps_processor_class class;
    ps_simd_level most, there_is = level_there_is();
    if (text == NULL) return there_is;
    if (ps_processor_named(text, &class)) most = class.simd;
    else if (!ps_simd_named(text, &most)) return there_is;
    return most < there_is ? most : there_is;
}

ps_simd_level ps_simd_detect(void) { return ps_processor_in_use().simd; }

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
