/* Processor classes: an instruction set and a size of the second-level cache, written "avx512-large", "avx2-small". The
 * cache is large from 1 MB on, small below, and where its size is not known; one that processors share counts whole for
 * each of them.
 *
 * How work is cut, and by which method it is done, may rest on a shape and on the class in use, on nothing else of a
 * machine: in the same class a run has the same bits, but for convolutions by the method gemm, whose sums are
 * OpenBLAS's and rest on its version and the core that it takes the processor for. The default rule takes that method
 * where it estimates no other to be as fast; --profile names methods.
 *
 * A run keeps its class when it goes on elsewhere. */
#ifndef PS_KERNELS_PROCESSOR_H
#define PS_KERNELS_PROCESSOR_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "core/status.h"
#include "kernels/simd.h"

typedef struct {
    ps_simd_level simd;
    bool large_cache;
} ps_processor_class;

/* The processor's own, found once; lowered by PS_SIMD=avx2 in the environment or named by PS_CLASS=avx2-small, of which
 * the instruction set can only be lowered and the cache may be either. Asked for by rows of some kernels: once it is
 * found, a load is all there is to it. */
static inline ps_processor_class ps_processor_in_use(void);

/* Refuses a PS_SIMD or a PS_CLASS that would have no effect: unknown, above what the processor has, or one against the
 * other. main asks before anything else. */
ps_status ps_processor_check(void);
/* From here on, for what has not begun yet (plans, workspaces). PS_ERR_INPUT where the processor has no such
 * instruction set or the environment asks for another class; the sentence begins with `whose`, a run's trace. */
ps_status ps_processor_use(ps_processor_class class, const char *whose);
/* Whether that would be done. */
bool ps_processor_can_use(ps_processor_class class);

enum { PS_PROCESSOR_NAME = 32 };
/* "avx2-small", into name[PS_PROCESSOR_NAME], which it returns. */
const char *ps_processor_name(ps_processor_class class, char *name);
/* false: no class is called so. */
bool ps_processor_named(const char *name, ps_processor_class *class);

/* Whether a cache of so many bytes is a large one; 0: not known. */
bool ps_processor_is_large(size_t bytes);
/* Bytes of the second-level cache as Linux describes caches in a folder (/sys/devices/system/cpu/cpu0/cache); 0: not
 * known. */
size_t ps_processor_described_cache(const char *folder);

/* The class in use as a number, 0: not found yet. Written by processor.c alone. */
extern atomic_int ps_processor_code;
ps_processor_class ps_processor_find(void);

static inline ps_processor_class ps_processor_in_use(void) {
    int code = atomic_load_explicit(&ps_processor_code, memory_order_relaxed) - 1;
    if (code < 0) return ps_processor_find();
    return (ps_processor_class){(ps_simd_level)(code / 2), code % 2 == 1};
}

/* One of two sizes of a block. Those for large caches are tuned, on a processor with 1 MB; those for small ones are
 * chosen so that the block takes about half of 256 KB, and were measured for what they give and cost on that same
 * processor, not tuned on one with a small cache. */
static inline size_t ps_processor_choose(size_t large, size_t small) {
    return ps_processor_in_use().large_cache ? large : small;
}

#endif
