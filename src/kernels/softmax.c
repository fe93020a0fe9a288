#include "kernels/softmax.h"

#include <math.h>
#include <stdbool.h>

enum { MAX_CHUNKS = 64 };

typedef struct {
    const float *logits;
    const int32_t *label;
    size_t rows, c, chunks;
    double counted;
    float *dlogits;
    double loss[MAX_CHUNKS];
    size_t correct[MAX_CHUNKS];
} softmax_run;

/* First maximum; a NaN counts as larger than everything, as in PyTorch. */
static size_t first_maximum(const float *x, size_t c) {
    size_t best = 0;
    for (size_t k = 1; k < c && !isnan(x[best]); k++)
        if (x[k] > x[best] || isnan(x[k])) best = k;
    return best;
}

static void clear_row(float *row, size_t c) {
    for (size_t k = 0; k < c; k++) row[k] = 0;
}

/* Loss of one row that counts; its gradient where wanted. */
static double row_loss(const float *x, size_t c, size_t label, size_t best, double counted, float *gradient) {
    double maximum = x[best], sum = 0;
    for (size_t k = 0; k < c; k++) sum += exp((double)x[k] - maximum);
    if (gradient != NULL) {
        for (size_t k = 0; k < c; k++)
            gradient[k] = (float)((exp((double)x[k] - maximum) / sum - (k == label ? 1.0 : 0.0)) / counted);
    }
    return label < c ? log(sum) - ((double)x[label] - maximum) : (double)NAN;
}

static void softmax_task(void *context, size_t chunk, int worker) {
    (void)worker;
    softmax_run *run = context;
    size_t last = ps_threads_chunk_start(run->rows, run->chunks, chunk + 1), correct = 0;
    double loss = 0;
    for (size_t i = ps_threads_chunk_start(run->rows, run->chunks, chunk); i < last; i++) {
        const float *x = run->logits + i * run->c;
        float *gradient = run->dlogits ? run->dlogits + i * run->c : NULL;
        if (run->label[i] < 0) {
            if (gradient != NULL) clear_row(gradient, run->c);
            continue;
        }
        size_t label = (size_t)run->label[i], best = first_maximum(x, run->c);
        correct += best == label;
        loss += row_loss(x, run->c, label, best, run->counted, gradient);
    }
    run->loss[chunk] = loss;
    run->correct[chunk] = correct;
}

static size_t count_rows(const int32_t *label, size_t rows) {
    size_t counted = 0;
    for (size_t i = 0; i < rows; i++) counted += label[i] >= 0;
    return counted;
}

double ps_softmax_cross_entropy(const float *logits, const int32_t *label, size_t rows, int c, float *dlogits,
                                size_t *correct, size_t *counted, ps_threads *threads) {
    softmax_run run = {.logits = logits, .label = label, .rows = rows, .c = (size_t)c, .dlogits = dlogits};
    *counted = count_rows(label, rows);
    *correct = 0;
    run.counted = (double)*counted;
    run.chunks = ps_threads_chunks(rows * run.c, 2048);
    if (run.chunks > MAX_CHUNKS) run.chunks = MAX_CHUNKS;
    if (run.chunks > rows) run.chunks = rows;
    ps_threads_run(threads, run.chunks, softmax_task, &run);
    double loss = 0;
    for (size_t chunk = 0; chunk < run.chunks; chunk++) {
        loss += run.loss[chunk];
        *correct += run.correct[chunk];
    }
    return loss;
}
