#include "kernels/softmax.h"

#include <math.h>
#include <stdbool.h>

#include "parallel/reduce.h"

enum { MAX_CHUNKS = 64, SUMS = 2 };

typedef struct {
    const float *logits;
    const int32_t *label;
    const ps_soft_labels *soft; /* NULL: none */
    size_t c;
    ps_leaves leaves;
    double counted;
    float *dlogits;
    double sums[MAX_CHUNKS][SUMS]; /* loss, correct rows */
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

/* What a row is to be: its label; of soft ones also the other, its own label's weight and that of every channel. */
typedef struct {
    size_t label, other;
    double own, rest, everywhere;
} target;

static target target_of(const softmax_run *run, size_t row) {
    target t = {.label = (size_t)run->label[row], .other = (size_t)run->label[row], .own = 1};
    if (run->soft == NULL) return t;
    double weight = 1 - run->soft->smoothing, share = run->soft->other != NULL ? run->soft->share : 1;
    if (run->soft->other != NULL) t.other = (size_t)run->soft->other[row];
    t.own = weight * share;
    t.rest = weight * (1 - share);
    t.everywhere = run->soft->smoothing / (double)run->c;
    return t;
}

static double weight_of(const target *t, size_t k) {
    return t->everywhere + (k == t->label ? t->own : 0.0) + (k == t->other ? t->rest : 0.0);
}

/* Sum over the target's weights of how far outputs lie below the largest. */
static double distance(const float *x, size_t c, const target *t, double maximum) {
    double sum = t->own * ((double)x[t->label] - maximum);
    if (t->rest > 0) sum += t->rest * ((double)x[t->other] - maximum);
    for (size_t k = 0; k < c && t->everywhere > 0; k++) sum += t->everywhere * ((double)x[k] - maximum);
    return sum;
}

/* Loss of one row that counts; its gradient where wanted. */
static double row_loss(const float *x, size_t c, const target *t, size_t best, double counted, float *gradient) {
    double maximum = x[best], sum = 0;
    for (size_t k = 0; k < c; k++) sum += exp((double)x[k] - maximum);
    if (gradient != NULL) {
        for (size_t k = 0; k < c; k++)
            gradient[k] = (float)((exp((double)x[k] - maximum) / sum - weight_of(t, k)) / counted);
    }
    return t->label < c && t->other < c ? log(sum) - distance(x, c, t, maximum) : (double)NAN;
}

static void softmax_task(void *context, size_t chunk, int worker) {
    (void)worker;
    softmax_run *run = context;
    size_t last = ps_leaves_start(&run->leaves, chunk + 1), correct = 0;
    double loss = 0;
    for (size_t i = ps_leaves_start(&run->leaves, chunk); i < last; i++) {
        const float *x = run->logits + i * run->c;
        float *gradient = run->dlogits ? run->dlogits + i * run->c : NULL;
        if (run->label[i] < 0) {
            if (gradient != NULL) clear_row(gradient, run->c);
            continue;
        }
        target t = target_of(run, i);
        size_t best = first_maximum(x, run->c);
        correct += best == (t.own < t.rest ? t.other : t.label);
        loss += row_loss(x, run->c, &t, best, run->counted, gradient);
    }
    run->sums[chunk][0] = loss;
    run->sums[chunk][1] = (double)correct;
}

size_t ps_softmax_count(const int32_t *label, size_t rows) {
    double counted = 0;
    for (size_t i = 0; i < rows; i++) counted += label[i] >= 0;
    ps_reduce_doubles(&counted, 1, 1, 1);
    return (size_t)counted;
}

double ps_softmax_cross_entropy(const float *logits, const int32_t *label, const ps_soft_labels *soft, size_t samples,
                                size_t rows_per_sample, int c, float *dlogits, size_t *correct, size_t *counted,
                                ps_threads *threads) {
    softmax_run run = {.logits = logits, .label = label, .soft = soft, .c = (size_t)c, .dlogits = dlogits};
    size_t rows = samples * rows_per_sample, wanted = ps_threads_chunks(ps_reduce_batch(rows) * run.c, 2048);
    *counted = ps_softmax_count(label, rows);
    run.counted = (double)*counted;
    run.leaves = ps_leaves_of(samples, rows_per_sample, wanted < MAX_CHUNKS ? wanted : MAX_CHUNKS);
    ps_threads_run(threads, run.leaves.count, softmax_task, &run);
    ps_reduce_doubles(run.sums[0], run.leaves.count, SUMS, SUMS);
    *correct = (size_t)run.sums[0][1];
    return run.sums[0][0];
}
