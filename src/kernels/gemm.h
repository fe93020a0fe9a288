/* Dense matrix product; the only user of cblas.h. OpenBLAS runs single-threaded inside our own threads. Row-major. */
#ifndef PS_KERNELS_GEMM_H
#define PS_KERNELS_GEMM_H

#include <stdbool.h>
#include <stddef.h>

#include "parallel/threads.h"

/* c[m][n] = op(a) op(b) (+ c when accumulate), on the calling thread. op transposes where asked; leading dimensions in
 * floats. */
void ps_gemm(bool transpose_a, bool transpose_b, int m, int n, int k, const float *a, int lda, const float *b, int ldb,
             bool accumulate, float *c, int ldc);

/* The same cut into row blocks of c over the threads; the blocks depend on m, n, k alone. */
void ps_gemm_parallel(bool transpose_a, bool transpose_b, int m, int n, int k, const float *a, int lda, const float *b,
                      int ldb, bool accumulate, float *c, int ldc, ps_threads *threads);

/* Name, version and core (the processor it computes for) of the BLAS in use, e.g. "OpenBLAS 0.3.21 Haswell";
 * borrowed. */
const char *ps_gemm_library(void);
/* Keeps the BLAS from starting threads of its own; called once at start-up. */
void ps_gemm_setup(void);

#endif
