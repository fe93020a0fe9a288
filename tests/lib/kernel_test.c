#include "tests/lib/kernel_test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/rng.h"
#include "kernels/gemm.h"
#include "kernels/processor.h"

static void *exact(size_t bytes) {
    void *memory = malloc(bytes ? bytes : 1);
    if (memory == NULL) abort();
    return memory;
}

float *kt_numbers(const char *name, size_t count) {
    float *values = exact(count * sizeof *values);
    ps_rng_key key = ps_rng_key_of(7, name);
    for (size_t i = 0; i < count; i++) values[i] = ps_rng_normal(key, i);
    return values;
}

float *kt_coarse(const char *name, size_t count, float step) {
    float *values = kt_numbers(name, count);
    for (size_t i = 0; i < count; i++) values[i] = roundf(values[i] / step) * step;
    return values;
}

float *kt_copy(const float *values, size_t count) {
    return memcpy(exact(count * sizeof *values), values, count * sizeof *values);
}

void *kt_room(size_t count, size_t size) { return memset(exact(count * size), 0, count * size); }

/* The size is kept in a block before the scratch memory. */
enum { HEAD = 64, GUARD = 256 };

void *kt_workspace(size_t bytes) {
    char *block = aligned_alloc(64, (HEAD + bytes + GUARD + 63) / 64 * 64);
    if (block == NULL) abort();
    memcpy(block, &bytes, sizeof bytes);
    memset(block + HEAD, 0xff, bytes);
    memset(block + HEAD + bytes, 0x5a, GUARD);
    return block + HEAD;
}

void kt_workspace_free(void *workspace) {
    char *block = (char *)workspace - HEAD, guard[GUARD];
    size_t bytes;
    memcpy(&bytes, block, sizeof bytes);
    memset(guard, 0x5a, GUARD);
    int whole = memcmp(block + HEAD + bytes, guard, GUARD) == 0;
    free(block);
    assert_true(whole);
}

static ps_threads *pools[KT_POOLS];

ps_threads *kt_pool(int which) {
    static const int threads[KT_POOLS] = {1, 2, 3, 8};
    if (pools[which] == NULL) assert_int_equal(ps_threads_create(threads[which], &pools[which]), PS_OK);
    return pools[which];
}

double kt_relative_error(const float *got, const double *want, size_t count) {
    double error = 0, size = 0;
    for (size_t i = 0; i < count; i++) {
        if (isnan(want[i]) && isnan(got[i])) continue;
        if (isinf(want[i]) && (double)got[i] == want[i]) continue;
        double difference = (double)got[i] - want[i];
        error += difference * difference;
        size += want[i] * want[i];
    }
    return size > 0 ? sqrt(error / size) : sqrt(error);
}

void kt_assert_close_at(const float *got, const double *want, size_t count, double tolerance, const char *file,
                        int line) {
    double error = kt_relative_error(got, want, count);
    if (error <= tolerance) return; /* NaN does not pass */
    print_error("relative error %.3g, more than %.3g\n", error, tolerance);
    _fail(file, line);
}

void kt_assert_near_at(double got, double want, double tolerance, const char *file, int line) {
    if (fabs(got - want) <= tolerance * fmax(1, fabs(want))) return;
    print_error("%.17g is not near %.17g\n", got, want);
    _fail(file, line);
}

static int run_in(const char *program, ps_processor_class class) {
    char name[PS_PROCESSOR_NAME];
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        setenv("PS_CLASS", ps_processor_name(class, name), 1);
        execl(program, program, (char *)NULL);
        _exit(127);
    }
    int status = 0;
    return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

int kt_run_other_classes(const char *program) {
    ps_processor_class own = ps_processor_in_use(), other = own;
    int failures = 0;
    ps_gemm_setup();
    if (getenv("PS_SIMD") != NULL || getenv("PS_CLASS") != NULL) return 0;
    for (other.simd = PS_SIMD_BASE; other.simd < own.simd; other.simd++) failures += run_in(program, other);
    other.large_cache = !own.large_cache;
    return failures + run_in(program, other);
}

int kt_end(void **state) {
    (void)state;
    for (int i = 0; i < KT_POOLS; i++) ps_threads_destroy(pools[i]);
    return 0;
}
