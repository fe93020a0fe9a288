#include "kernels/map_loss.h"

#include <math.h>
#include <string.h>

#include "kernels/map_loss_simd.h"
#include "parallel/reduce.h"

/* Every sample is cut into `parts` even runs of rows, a number that the size of the whole batch fixes; sums of a part
 * are added to those of its sample in their order, samples to their shard's, and shards along the batch's tree. */
enum { CHUNKS = 64, GRAIN = 16384 /* values in a part, about */ };

/* Sums of a part, then of a sample: of each class p where it is the label, p, rows of this label; then these. */
enum { LOSS, WEIGHT, COUNTED, EXTRA };

typedef struct {
    const ps_map_loss *loss;
    const ps_map_batch *batch;
    size_t c, parts, width; /* width: sums of a part */
    double *sums;           /* [samples][parts][width] */
    double *factor;     /* [samples][2][c]: of each class 2 / denominator and dice / denominator, over their number */
    double *factor_dot; /* the same moved; of the tangent */
    double weights;     /* sum of weights of the batch; 0: no cross-entropy */
    float *dx;
    const float *x_dot;
} job;

static size_t most_parts(size_t samples) {
    size_t whole = ps_reduce_batch(samples), parts = 1;
    while (parts * 2 * whole <= CHUNKS) parts *= 2;
    return parts;
}

static size_t width_of(size_t c) { return 3 * c + EXTRA; }

/* Parts' sums twice (of the tangent's pass, too), factors twice. */
size_t ps_map_loss_room(size_t samples, int c) {
    size_t most = samples * most_parts(samples);
    if (most < CHUNKS) most = CHUNKS; /* fewer samples have more parts each */
    return most * width_of((size_t)c) + samples * 4 * (size_t)c;
}

static job job_of(const ps_map_loss *loss, const ps_map_batch *batch, double *room) {
    job j = {.loss = loss, .batch = batch, .c = (size_t)batch->c, .sums = room};
    size_t most = most_parts(batch->samples);
    j.width = width_of(j.c);
    j.parts = 1;
    while (j.parts < most && j.parts * GRAIN < batch->rows * j.c) j.parts *= 2;
    j.factor = j.sums + batch->samples * j.parts * j.width;
    j.factor_dot = j.factor + batch->samples * 2 * j.c;
    return j;
}

static size_t first_row(const job *j, size_t part) { return ps_threads_chunk_start(j->batch->rows, j->parts, part); }
static size_t chunks_of(const job *j) { return j->batch->samples * j->parts; }

static double weight_of(const job *j, int32_t label) {
    return j->loss->weight != NULL ? (double)j->loss->weight[label] : 1.0;
}

/* ---- sums ---- */

/* Probabilities p[k][r] of a block's rows, and what is added up of them. */
static void add_row(const job *j, const int32_t *label, size_t r, const float *p, double surprise, double *sums) {
    size_t c = j->c, k = (size_t)label[r];
    double *extra = sums + 3 * c;
    extra[COUNTED]++;
    if (k >= c) {
        extra[LOSS] = (double)NAN;
        return;
    }
    double weight = weight_of(j, label[r]);
    if (weight > 0) extra[LOSS] += weight * surprise;
    extra[WEIGHT] += weight;
    sums[k] += (double)p[k * PS_MAP_BLOCK + r];
    sums[2 * c + k]++;
}

/* p[k][r] to [r][k]. */
static void turn_back(const float *p, size_t rows, size_t c, float *to) {
    for (size_t r = 0; r < rows; r++, to += c)
        for (size_t k = 0; k < c; k++) to[k] = p[k * PS_MAP_BLOCK + r];
}

static void add_block(const job *j, size_t row, size_t rows, double *sums) {
    float p[PS_MAP_LOSS_MOST_CHANNELS * PS_MAP_BLOCK], top[PS_MAP_BLOCK], sum[PS_MAP_BLOCK], on[PS_MAP_BLOCK] = {0};
    const float *x = j->batch->x + row * j->c;
    const int32_t *label = j->batch->label + row;
    PS_SIMD_SELECT(ps_map_softmax)(x, rows, j->c, p, top, sum);
    for (size_t r = 0; r < rows; r++) {
        if (label[r] < 0) continue;
        on[r] = 1;
        size_t k = (size_t)label[r] < j->c ? (size_t)label[r] : 0;
        double surprise = j->loss->cross_entropy ? log((double)sum[r]) - ((double)x[r * j->c + k] - (double)top[r]) : 0;
        add_row(j, label, r, p, surprise, sums);
    }
    if (j->loss->dice) PS_SIMD_SELECT(ps_map_add)(p, on, j->c, sums + j->c);
    if (j->dx != NULL) turn_back(p, rows, j->c, j->dx + row * j->c);
}

static void sum_chunk(void *context, size_t chunk, int worker) {
    (void)worker;
    const job *j = context;
    size_t start = chunk / j->parts * j->batch->rows, part = chunk % j->parts, end = start + first_row(j, part + 1);
    double *sums = j->sums + chunk * j->width;
    memset(sums, 0, j->width * sizeof *sums);
    for (size_t row = start + first_row(j, part); row < end; row += PS_MAP_BLOCK)
        add_block(j, row, end - row < PS_MAP_BLOCK ? end - row : PS_MAP_BLOCK, sums);
}

static double *sums_of(const job *j, size_t sample) { return j->sums + sample * j->parts * j->width; }

/* Into the sums of each sample's first part. */
static void add_parts(const job *j) {
    for (size_t n = 0; n < j->batch->samples; n++)
        for (size_t part = 1; part < j->parts; part++)
            for (size_t i = 0; i < j->width; i++) sums_of(j, n)[i] += sums_of(j, n)[part * j->width + i];
}

/* Of `count` sums of each sample, from number `from` on: those of the batch, along its tree. */
static void add_samples(const job *j, size_t from, size_t count, double *total) {
    ps_shards shards = ps_shards_of(j->batch->samples);
    for (size_t i = 0; i < count; i++) {
        double part[PS_SHARDS_MOST] = {0};
        for (size_t s = 0; s < shards.count; s++)
            for (size_t n = ps_shards_start(&shards, s); n < ps_shards_start(&shards, s + 1); n++)
                part[s] += sums_of(j, n)[from + i];
        ps_reduce_doubles(part, shards.count, 1, 1);
        total[i] = part[0];
    }
}

/* Where Dice runs over the batch every sample has the batch's sums. */
static void share_sums(const job *j, size_t from, size_t count) {
    for (size_t i = from; i < from + count; i++) {
        double total;
        add_samples(j, i, 1, &total);
        for (size_t n = 0; n < j->batch->samples; n++) sums_of(j, n)[i] = total;
    }
}

/* ---- Dice of the sums ---- */

static double denominator(const job *j, const double *sums, size_t k) {
    return fmax(sums[j->c + k] + sums[2 * j->c + k] + j->loss->smooth, 1e-8);
}

static double dice_of(const job *j, const double *sums, size_t k) {
    return (2 * sums[k] + j->loss->smooth) / denominator(j, sums, k);
}

static size_t first_class(const job *j) { return j->loss->background ? 0 : 1; }

/* Dice of how many classes and samples the mean is taken over. */
static double terms(const job *j) {
    double samples = j->loss->batch_dice ? 1.0 : (double)ps_reduce_batch(j->batch->samples);
    return samples * (double)(j->c - first_class(j));
}

/* 1 - the mean, and what each class's p and label are multiplied with in the gradient. */
static double set_dice(const job *j) {
    size_t c = j->c, samples = j->batch->samples;
    double count = terms(j), part[PS_SHARDS_MOST] = {0};
    ps_shards shards = ps_shards_of(samples);
    for (size_t s = 0; s < shards.count; s++)
        for (size_t n = ps_shards_start(&shards, s); n < ps_shards_start(&shards, s + 1); n++) {
            double *factor = j->factor + n * 2 * c;
            memset(factor, 0, 2 * c * sizeof *factor);
            for (size_t k = first_class(j); k < c; k++) {
                double below = denominator(j, sums_of(j, n), k), dice = dice_of(j, sums_of(j, n), k);
                part[s] += dice;
                factor[k] = 2 / below / count;
                factor[c + k] = dice / below / count;
            }
        }
    if (j->loss->batch_dice) return 1 - part[0] / (double)(ps_shards_start(&shards, 1)) / count;
    ps_reduce_doubles(part, shards.count, 1, 1);
    return 1 - part[0] / count;
}

/* ---- gradient: p in dx becomes it ---- */

/* With g the derivative by p, dx[k] = p[k] (g[k] - sum p g); of Dice g[k] = factor[c + k] - [label is k] factor[k]. */
static void turn_row(const job *j, int32_t label, const double *factor, float *p) {
    size_t c = j->c, own = (size_t)label;
    double entropy = j->loss->cross_entropy && j->weights > 0 ? weight_of(j, label) / j->weights : 0, inner = 0;
    float mass = (float)entropy;
    if (!j->loss->dice) {
        for (size_t k = 0; k < c; k++) p[k] *= mass;
        p[own] -= mass;
        return;
    }
    const double *all = factor + c;
    double at_label = (double)p[own];
    for (size_t k = 0; k < c; k++) inner += (double)p[k] * all[k];
    inner -= at_label * factor[own];
    for (size_t k = 0; k < c; k++) p[k] = (float)((double)p[k] * (all[k] - inner + entropy));
    p[own] -= (float)(at_label * factor[own] + entropy);
}

static void gradient_chunk(void *context, size_t chunk, int worker) {
    (void)worker;
    const job *j = context;
    size_t sample = chunk / j->parts, start = sample * j->batch->rows, part = chunk % j->parts;
    for (size_t row = start + first_row(j, part); row < start + first_row(j, part + 1); row++) {
        int32_t label = j->batch->label[row];
        float *p = j->dx + row * j->c;
        if (label < 0 || (size_t)label >= j->c) memset(p, 0, j->c * sizeof *p);
        else turn_row(j, label, j->factor + sample * 2 * j->c, p);
    }
}

/* Sums of the batch; returns the loss, sets factors and weights. */
static double add_up(job *j, size_t *counted, ps_threads *threads) {
    double extra[EXTRA], loss = 0;
    ps_threads_run(threads, chunks_of(j), sum_chunk, j);
    add_parts(j);
    add_samples(j, 3 * j->c, EXTRA, extra);
    j->weights = extra[WEIGHT];
    *counted = extra[WEIGHT] > 0 || j->loss->dice || isnan(extra[LOSS]) ? (size_t)extra[COUNTED] : 0;
    if (j->loss->dice) {
        if (j->loss->batch_dice) share_sums(j, 0, 3 * j->c);
        loss += set_dice(j);
    }
    if (j->loss->cross_entropy && (extra[WEIGHT] > 0 || !j->loss->dice)) loss += extra[LOSS] / extra[WEIGHT];
    if (isnan(extra[LOSS]) || *counted == 0) return (double)NAN;
    return loss;
}

double ps_map_loss_value(const ps_map_loss *loss, const ps_map_batch *batch, float *dx, size_t *counted, double *room,
                         ps_threads *threads) {
    job j = job_of(loss, batch, room);
    j.dx = dx;
    double value = add_up(&j, counted, threads);
    if (dx != NULL) ps_threads_run(threads, chunks_of(&j), gradient_chunk, &j);
    return value;
}

/* ---- tangent ---- */

/* p of a row in doubles, and how it moves; both [c]. */
typedef struct {
    double p[PS_MAP_LOSS_MOST_CHANNELS], dot[PS_MAP_LOSS_MOST_CHANNELS];
} moving;

static void move_row(const job *j, size_t row, moving *m) {
    const float *x = j->batch->x + row * j->c, *x_dot = j->x_dot + row * j->c;
    double top = (double)x[0], sum = 0, inner = 0;
    for (size_t k = 1; k < j->c; k++) top = fmax(top, (double)x[k]);
    for (size_t k = 0; k < j->c; k++) sum += m->p[k] = exp((double)x[k] - top);
    for (size_t k = 0; k < j->c; k++) inner += (m->p[k] /= sum) * (double)x_dot[k];
    for (size_t k = 0; k < j->c; k++) m->dot[k] = m->p[k] * ((double)x_dot[k] - inner);
}

static bool counts(const job *j, size_t row) {
    return j->batch->label[row] >= 0 && (size_t)j->batch->label[row] < j->c;
}

/* How the sums of p move, in the place of the sums of p (which have become factors). */
static void sum_dot_chunk(void *context, size_t chunk, int worker) {
    (void)worker;
    const job *j = context;
    moving m;
    size_t c = j->c, start = chunk / j->parts * j->batch->rows, part = chunk % j->parts;
    double *sums = j->sums + chunk * j->width;
    memset(sums, 0, 2 * c * sizeof *sums);
    for (size_t row = start + first_row(j, part); row < start + first_row(j, part + 1); row++) {
        if (!counts(j, row)) continue;
        move_row(j, row, &m);
        sums[j->batch->label[row]] += m.dot[j->batch->label[row]];
        for (size_t k = 0; k < c; k++) sums[c + k] += m.dot[k];
    }
}

/* a = 2 / D / count and b = dice / D / count, D the denominator, which moves as the sum of p does. */
static void set_factors_dot(const job *j) {
    size_t c = j->c;
    double count = terms(j);
    for (size_t n = 0; n < j->batch->samples; n++) {
        const double *factor = j->factor + n * 2 * c, *dot = sums_of(j, n);
        double *out = j->factor_dot + n * 2 * c;
        memset(out, 0, 2 * c * sizeof *out);
        for (size_t k = first_class(j); k < c; k++) {
            double below = 2 / (factor[k] * count), dice = factor[c + k] * below * count;
            double dice_dot = (2 * dot[k] - dice * dot[c + k]) / below;
            out[k] = -factor[k] * dot[c + k] / below;
            out[c + k] = (dice_dot - dice * dot[c + k] / below) / below / count;
        }
    }
}

static void tangent_row(const job *j, size_t sample, size_t row, const moving *m, float *out) {
    size_t c = j->c, own = (size_t)j->batch->label[row];
    double entropy = j->loss->cross_entropy && j->weights > 0 ? weight_of(j, (int32_t)own) / j->weights : 0;
    const double *a = j->factor + sample * 2 * c, *b = a + c, *a_dot = j->factor_dot + sample * 2 * c,
                 *b_dot = a_dot + c;
    double inner = 0, inner_dot = 0;
    for (size_t k = 0; k < c && j->loss->dice; k++) {
        double g = b[k] - (k == own ? a[k] : 0.0), g_dot = b_dot[k] - (k == own ? a_dot[k] : 0.0);
        inner += m->p[k] * g;
        inner_dot += m->dot[k] * g + m->p[k] * g_dot;
    }
    for (size_t k = 0; k < c; k++) {
        double moved = entropy * m->dot[k];
        if (j->loss->dice) {
            double g = b[k] - (k == own ? a[k] : 0.0), g_dot = b_dot[k] - (k == own ? a_dot[k] : 0.0);
            moved += m->dot[k] * (g - inner) + m->p[k] * (g_dot - inner_dot);
        }
        out[k] = (float)moved;
    }
}

static void tangent_chunk(void *context, size_t chunk, int worker) {
    (void)worker;
    const job *j = context;
    moving m;
    size_t sample = chunk / j->parts, start = sample * j->batch->rows, part = chunk % j->parts;
    for (size_t row = start + first_row(j, part); row < start + first_row(j, part + 1); row++) {
        float *out = j->dx + row * j->c;
        memset(out, 0, j->c * sizeof *out);
        if (!counts(j, row)) continue;
        move_row(j, row, &m);
        tangent_row(j, sample, row, &m, out);
    }
}

void ps_map_loss_tangent(const ps_map_loss *loss, const ps_map_batch *batch, const float *x_dot, float *dx_dot,
                         double *room, ps_threads *threads) {
    job j = job_of(loss, batch, room);
    size_t counted;
    add_up(&j, &counted, threads);
    j.x_dot = x_dot;
    j.dx = dx_dot;
    if (loss->dice) {
        ps_threads_run(threads, chunks_of(&j), sum_dot_chunk, &j);
        add_parts(&j);
        if (loss->batch_dice) share_sums(&j, 0, 2 * j.c);
        set_factors_dot(&j);
    }
    ps_threads_run(threads, chunks_of(&j), tangent_chunk, &j);
}

/* ---- probabilities alone ---- */

typedef struct {
    const float *x;
    size_t rows, c, chunks;
    float *p;
} softmax_job;

static void softmax_chunk(void *context, size_t chunk, int worker) {
    (void)worker;
    const softmax_job *s = context;
    float p[PS_MAP_LOSS_MOST_CHANNELS * PS_MAP_BLOCK], top[PS_MAP_BLOCK], sum[PS_MAP_BLOCK];
    size_t end = ps_threads_chunk_start(s->rows, s->chunks, chunk + 1);
    for (size_t row = ps_threads_chunk_start(s->rows, s->chunks, chunk); row < end; row += PS_MAP_BLOCK) {
        size_t rows = end - row < PS_MAP_BLOCK ? end - row : PS_MAP_BLOCK;
        PS_SIMD_SELECT(ps_map_softmax)(s->x + row * s->c, rows, s->c, p, top, sum);
        turn_back(p, rows, s->c, s->p + row * s->c);
    }
}

void ps_map_probabilities(const float *x, size_t rows, int c, float *p, ps_threads *threads) {
    softmax_job s = {x, rows, (size_t)c, ps_threads_chunks(rows * (size_t)c, GRAIN), p};
    ps_threads_run(threads, s.chunks, softmax_chunk, &s);
}
