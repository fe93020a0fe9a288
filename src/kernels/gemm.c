#include "kernels/gemm.h"

#include <cblas.h>
#include <stdio.h>

void ps_gemm(bool transpose_a, bool transpose_b, int m, int n, int k, const float *a, int lda, const float *b, int ldb,
             bool accumulate, float *c, int ldc) {
    if (m <= 0 || n <= 0) return;
    if (k <= 0) {
        /* An empty sum is zero; BLAS libraries differ in whether they write it. */
        for (int i = 0; i < m && !accumulate; i++) {
            for (int j = 0; j < n; j++) c[(size_t)i * (size_t)ldc + (size_t)j] = 0.0f;
        }
        return;
    }
    cblas_sgemm(CblasRowMajor, transpose_a ? CblasTrans : CblasNoTrans, transpose_b ? CblasTrans : CblasNoTrans, m, n,
                k, 1.0f, a, lda, b, ldb, accumulate ? 1.0f : 0.0f, c, ldc);
}

typedef struct {
    bool transpose_a, transpose_b, accumulate;
    int m, n, k, lda, ldb, ldc;
    const float *a, *b;
    float *c;
    size_t chunks;
} gemm_job;

static void gemm_chunk(void *context, size_t chunk, int worker) {
    (void)worker;
    const gemm_job *job = context;
    size_t first = ps_threads_chunk_start((size_t)job->m, job->chunks, chunk);
    size_t last = ps_threads_chunk_start((size_t)job->m, job->chunks, chunk + 1);
    const float *a = job->a + (job->transpose_a ? first : first * (size_t)job->lda);
    ps_gemm(job->transpose_a, job->transpose_b, (int)(last - first), job->n, job->k, a, job->lda, job->b, job->ldb,
            job->accumulate, job->c + first * (size_t)job->ldc, job->ldc);
}

/* Rows of c per chunk: enough multiplications to be worth a claim (about 4 M), few enough chunks that packing b again
 * in every one of them stays cheap. */
static size_t rows_per_chunk(int m, int n, int k) {
    size_t rows = (size_t)4000000 / ((size_t)n * (size_t)k + 1) + 1;
    size_t least = (size_t)m / 64 + 1;
    return rows > least ? rows : least;
}

void ps_gemm_parallel(bool transpose_a, bool transpose_b, int m, int n, int k, const float *a, int lda, const float *b,
                      int ldb, bool accumulate, float *c, int ldc, ps_threads *threads) {
    if (m <= 0 || n <= 0) return;
    gemm_job job = {transpose_a, transpose_b, accumulate, m, n, k, lda, ldb, ldc, a, b, c, 0};
    job.chunks = ps_threads_chunks((size_t)m, rows_per_chunk(m, n, k < 0 ? 0 : k));
    ps_threads_run(threads, job.chunks, gemm_chunk, &job);
}

const char *ps_gemm_library(void) {
    static char text[96];
    if (text[0] == '\0') {
        char name[24] = "", version[24] = "";
        /* The core is chosen at run time (OPENBLAS_CORETYPE), whatever PS_SIMD says, and decides how products round. */
        const char *core = openblas_get_corename();
        if (sscanf(openblas_get_config(), "%23s %23s", name, version) == 2)
            snprintf(text, sizeof text, "%s %s %.32s", name, version, core);
        else snprintf(text, sizeof text, "OpenBLAS %.32s", core);
    }
    return text;
}

void ps_gemm_setup(void) { openblas_set_num_threads(1); }
