/* Instruction sets. Files named *.simd.c are compiled once per instruction set with -DPS_ISA=base|avx2|avx512 and
 * define their functions through PS_SIMD_NAME(f) = f_base, f_avx2, f_avx512; a table of function pointers chooses at
 * run time. */
#ifndef PS_KERNELS_SIMD_H
#define PS_KERNELS_SIMD_H

#include <stdbool.h>
#include <stddef.h>

typedef enum { PS_SIMD_BASE, PS_SIMD_AVX2, PS_SIMD_AVX512 } ps_simd_level;

/* The level that is used: that of the processor class in use (kernels/processor.h). */
ps_simd_level ps_simd_detect(void);
/* The best one of this processor. PS_SIMD_MOST=avx2 in the environment stands for a processor that has no more than
 * this level, PS_SIMD_MOST=avx2-small for one of this class: what asks for more is refused, as it would be there. */
ps_simd_level ps_simd_most(void);
const char *ps_simd_name(ps_simd_level level);
/* false: no level is called so. */
bool ps_simd_named(const char *name, ps_simd_level *level);
/* Whether so many columns of a product are better cut into AVX2's vectors than into those of AVX-512: where these waste
 * more lanes; processors with both run the narrower ones at twice the rate. */
bool ps_simd_half_width(size_t columns);

#define PS_SIMD_PASTE2(a, b) a##_##b
#define PS_SIMD_PASTE(a, b) PS_SIMD_PASTE2(a, b)
#define PS_SIMD_NAME(function) PS_SIMD_PASTE(function, PS_ISA)

/* Declares function_base (and _avx2, _avx512 on x86-64) with one prototype. */
#if defined(__x86_64__)
#define PS_SIMD_DECLARE(result, function, ...) \
    result function##_base(__VA_ARGS__);       \
    result function##_avx2(__VA_ARGS__);       \
    result function##_avx512(__VA_ARGS__)
/* The function of this name for this processor. */
#define PS_SIMD_SELECT(function)                            \
    (ps_simd_detect() == PS_SIMD_AVX512 ? function##_avx512 \
     : ps_simd_detect() == PS_SIMD_AVX2 ? function##_avx2   \
                                        : function##_base)
#else
#define PS_SIMD_DECLARE(result, function, ...) result function##_base(__VA_ARGS__)
#define PS_SIMD_SELECT(function) function##_base
#endif

#endif
