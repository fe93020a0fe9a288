#include "kernels/peaks.h"

#include "core/clock.h"
#include "core/memory.h"
#include "kernels/peaks_simd.h"
#include "kernels/pointwise.h"

enum {
    ROUNDS = 1 << 14,
    TASKS = 16, /* a thread: one that wakes up late must not leave all of its share to the others */
    REPEATS = 5,
    STREAM_FLOATS = 8 << 20
};

typedef struct {
    double flops;
    volatile float kept; /* what came out, so that the compiler must work it out */
} multiply_run;

static void multiply_task(void *context, size_t chunk, int worker) {
    multiply_run *run = context;
    double flops;
    float sum = PS_SIMD_SELECT(ps_peak_multiply_adds)(ROUNDS, &flops);
    (void)worker;
    if (chunk > 0) return;
    run->kept = sum;
    run->flops = flops;
}

static double seconds_since(uint64_t start) { return (double)(ps_clock_ns() - start) * 1e-9; }

static double measure_multiply_adds(ps_threads *threads) {
    size_t count = TASKS * (size_t)ps_threads_count(threads);
    double best = 0;
    for (int i = 0; i < REPEATS; i++) {
        multiply_run run = {0};
        uint64_t start = ps_clock_ns();
        ps_threads_run(threads, count, multiply_task, &run);
        double rate = run.flops * (double)count / seconds_since(start);
        if (rate > best) best = rate;
    }
    return best;
}

static double measure_streams(ps_threads *threads, float *room) {
    double best = 0;
    for (int i = 0; i < REPEATS; i++) {
        uint64_t start = ps_clock_ns();
        ps_vector_add(room, room + STREAM_FLOATS, STREAM_FLOATS, room + 2 * (size_t)STREAM_FLOATS, threads);
        double rate = 3.0 * STREAM_FLOATS * sizeof(float) / seconds_since(start);
        if (i > 0 && rate > best) best = rate; /* the first meets pages that nobody has touched */
    }
    return best;
}

ps_status ps_peaks_measure(ps_threads *threads, ps_peaks *peaks) {
    float *room;
    *peaks = (ps_peaks){0};
    PS_TRY(PS_ALLOC(3 * (size_t)STREAM_FLOATS, &room, "measuring the machine's peaks"));
    ps_vector_fill(room, 2 * (size_t)STREAM_FLOATS, 1.0f, threads);
    peaks->flops = measure_multiply_adds(threads);
    peaks->bytes = measure_streams(threads, room);
    ps_free(room);
    return PS_OK;
}
