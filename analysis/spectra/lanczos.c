#include "analysis/spectra/lanczos.h"

#include <lapacke.h>
#include <math.h>
#include <string.h>

#include "core/memory.h"
#include "core/rng.h"

/* Vectors are cut into pieces of this many elements; inner products are added in the order of the pieces, in double. */
enum { PIECE = 1 << 16 };

typedef struct {
    const float *a;
    const float *const *many; /* basis vectors */
    float *y;
    const double *factor;
    double *sums; /* [pieces][count] */
    int count;
    size_t dimension;
} vector_job;

static size_t pieces_of(size_t dimension) { return ps_threads_chunks(dimension, PIECE); }

static void dot_piece(void *context, size_t piece, int worker) {
    (void)worker;
    const vector_job *job = context;
    size_t first = piece * PIECE, last = first + PIECE < job->dimension ? first + PIECE : job->dimension;
    for (int k = 0; k < job->count; k++) {
        double sum = 0;
        for (size_t i = first; i < last; i++) sum += (double)job->a[i] * (double)job->many[k][i];
        job->sums[piece * (size_t)job->count + (size_t)k] = sum;
    }
}

static void subtract_piece(void *context, size_t piece, int worker) {
    (void)worker;
    const vector_job *job = context;
    size_t first = piece * PIECE, last = first + PIECE < job->dimension ? first + PIECE : job->dimension;
    for (size_t i = first; i < last; i++) {
        double value = (double)job->y[i];
        for (int k = 0; k < job->count; k++) value -= job->factor[k] * (double)job->many[k][i];
        job->y[i] = (float)value;
    }
}

typedef struct {
    const ps_operator *operator;
    ps_threads *threads;
    int steps;
    float **basis; /* [steps] */
    float *w;
    double *alpha, *beta, *sums, *factor;
} iteration;

/* result[k] = <w, basis[k]> for k < count. */
static void project(iteration *it, const float *w, int count, const float *const *basis, double *result) {
    size_t pieces = pieces_of(it->operator->dimension);
    vector_job job = {.a = w, .many = basis, .sums = it->sums, .count = count, .dimension = it->operator->dimension };
    ps_threads_run(it->threads, pieces, dot_piece, &job);
    for (int k = 0; k < count; k++) result[k] = 0;
    for (size_t p = 0; p < pieces; p++)
        for (int k = 0; k < count; k++) result[k] += it->sums[p * (size_t)count + (size_t)k];
}

static double norm_of(iteration *it, const float *w) {
    double square;
    project(it, w, 1, &w, &square);
    return sqrt(square);
}

/* Twice is enough (Kahan, in Parlett 1980): after two passes w is orthogonal to the basis to working precision. */
static void reorthogonalise(iteration *it, int count) {
    for (int pass = 0; pass < 2; pass++) {
        project(it, it->w, count, (const float *const *)it->basis, it->factor);
        vector_job job = {.y = it->w,
                          .many = (const float *const *)it->basis,
                          .factor = it->factor,
                          .count = count,
                          .dimension = it->operator->dimension };
        ps_threads_run(it->threads, pieces_of(job.dimension), subtract_piece, &job);
    }
}

static void start_vector(iteration *it, uint64_t seed, int probe) {
    ps_rng_key key = ps_rng_key_fold(ps_rng_key_of(seed, "lanczos"), (uint64_t)probe);
    float unit = (float)(1.0 / sqrt((double)it->operator->dimension));
    for (size_t i = 0; i < it->operator->dimension; i++) it->basis[0][i] = ps_rng_u32(key, i) & 1 ? unit : -unit;
}

/* Runs until steps are done or the Krylov space is exhausted; returns the steps done. */
static int iterate(iteration *it) {
    double scale = 0;
    for (int j = 0; j < it->steps; j++) {
        it->operator->apply(it->operator->self, it->basis[j], it->w);
        project(it, it->w, 1, (const float *const *)&it->basis[j], &it->alpha[j]);
        reorthogonalise(it, j + 1);
        it->beta[j] = norm_of(it, it->w);
        scale = fmax(scale, fabs(it->alpha[j]) + it->beta[j]);
        if (j + 1 == it->steps || !(it->beta[j] > 1e-6 * scale))
            return j + 1; /* below: rounding of the product, no new direction */
        for (size_t i = 0; i < it->operator->dimension; i++)
            it->basis[j + 1][i] = (float)((double)it->w[i] / it->beta[j]);
    }
    return it->steps;
}

static ps_status solve_tridiagonal(const double *diagonal, const double *beside, int n, ps_lanczos *out) {
    double *vectors = NULL, *copy = NULL;
    size_t bytes = (size_t)n * sizeof *diagonal;
    ps_status status = PS_OK;
    double **const kept[] = {&out->value, &out->weight, &out->diagonal, &out->beside, &copy};
    for (int i = 0; i < 5; i++) PS_TRY_CLEANUP(PS_ALLOC((size_t)n, kept[i], "Ritz values"));
    PS_TRY_CLEANUP(PS_ALLOC((size_t)n * (size_t)n, &vectors, "Ritz vectors"));
    memcpy(out->diagonal, diagonal, bytes);
    memcpy(out->beside, beside, bytes);
    /* dstev overwrites both. */
    memcpy(out->value, diagonal, bytes);
    memcpy(copy, beside, bytes);
    if (LAPACKE_dstev(LAPACK_ROW_MAJOR, 'V', n, out->value, copy, vectors, n) != 0)
        PS_TRY_CLEANUP(ps_fail(
            PS_ERR_INPUT, "spectrum: the tridiagonal eigenproblem did not converge (are there NaN in the weights?)"));
    for (int k = 0; k < n; k++) out->weight[k] = vectors[k] * vectors[k]; /* row 0: first components */
    out->steps = n;
cleanup:
    ps_free(vectors);
    ps_free(copy);
    if (status != PS_OK) ps_lanczos_clear(out);
    return status;
}

static ps_status open_iteration(iteration *it) {
    size_t steps = (size_t)it->steps, dimension = it->operator->dimension;
    PS_TRY(PS_ALLOC(steps, &it->basis, "Lanczos basis"));
    for (size_t j = 0; j < steps; j++)
        PS_TRY(PS_ALLOC(dimension, &it->basis[j], "Lanczos basis; take fewer --steps or a narrower network"));
    PS_TRY(PS_ALLOC(dimension, &it->w, "Lanczos basis"));
    PS_TRY(PS_ALLOC(steps, &it->alpha, "Lanczos"));
    PS_TRY(PS_ALLOC(steps, &it->beta, "Lanczos"));
    PS_TRY(PS_ALLOC(steps, &it->factor, "Lanczos"));
    return PS_ALLOC(pieces_of(dimension) * steps, &it->sums, "Lanczos");
}

static void close_iteration(iteration *it) {
    for (int j = 0; it->basis != NULL && j < it->steps; j++) ps_free(it->basis[j]);
    ps_free(it->basis);
    ps_free(it->w);
    ps_free(it->alpha);
    ps_free(it->beta);
    ps_free(it->factor);
    ps_free(it->sums);
}

ps_status ps_lanczos_run(const ps_operator *operator, int steps, uint64_t seed, int probe, ps_threads *threads,
                         ps_lanczos *out) {
    memset(out, 0, sizeof *out);
    if (steps < 1) return ps_fail(PS_ERR_USAGE, "spectrum: at least one Lanczos step is needed, not %d", steps);
    if ((size_t)steps > operator->dimension) steps = (int)operator->dimension;
    iteration it = {.operator= operator, .threads = threads, .steps = steps};
    ps_status status = open_iteration(&it);
    if (status == PS_OK) {
        start_vector(&it, seed, probe);
        int done = iterate(&it);
        status = solve_tridiagonal(it.alpha, it.beta, done, out);
    }
    close_iteration(&it);
    return status;
}

ps_status ps_lanczos_leading(const ps_lanczos *lanczos, int steps, ps_lanczos *out) {
    memset(out, 0, sizeof *out);
    if (steps > lanczos->steps) steps = lanczos->steps;
    return solve_tridiagonal(lanczos->diagonal, lanczos->beside, steps > 1 ? steps : 1, out);
}

void ps_lanczos_clear(ps_lanczos *lanczos) {
    ps_free(lanczos->value);
    ps_free(lanczos->weight);
    ps_free(lanczos->diagonal);
    ps_free(lanczos->beside);
    memset(lanczos, 0, sizeof *lanczos);
}

/* ---- estimates over probes ---- */

typedef double probe_statistic(const ps_lanczos *probe, double argument);

static double mean_over(const ps_lanczos *probes, int count, probe_statistic *statistic, double argument,
                        double *error) {
    double sum = 0, squares = 0;
    for (int p = 0; p < count; p++) {
        double value = statistic(&probes[p], argument);
        sum += value;
        squares += value * value;
    }
    double mean = sum / count;
    if (error != NULL) *error = count > 1 ? sqrt(fmax(0.0, squares / count - mean * mean) / (count - 1)) : 0.0;
    return mean;
}

static double first_moment(const ps_lanczos *probe, double unused) {
    (void)unused;
    double sum = 0;
    for (int k = 0; k < probe->steps; k++) sum += probe->weight[k] * probe->value[k];
    return sum;
}

static double mass_below(const ps_lanczos *probe, double bound) {
    double sum = 0;
    for (int k = 0; k < probe->steps; k++) sum += fabs(probe->value[k]) <= bound ? probe->weight[k] : 0.0;
    return sum;
}

ps_spectrum_summary ps_spectrum_summarise(const ps_lanczos *probes, int count, size_t dimension) {
    ps_spectrum_summary s = {.largest = -INFINITY, .smallest = INFINITY};
    for (int p = 0; p < count; p++) {
        s.smallest = fmin(s.smallest, probes[p].value[0]);
        s.largest = fmax(s.largest, probes[p].value[probes[p].steps - 1]);
    }
    s.trace = (double)dimension * mean_over(probes, count, first_moment, 0, &s.trace_error);
    s.trace_error *= (double)dimension;
    return s;
}

double ps_spectrum_mass_near_zero(const ps_lanczos *probes, int count, double epsilon, double *error) {
    ps_spectrum_summary s = ps_spectrum_summarise(probes, count, 1);
    return mean_over(probes, count, mass_below, epsilon * fmax(fabs(s.largest), fabs(s.smallest)), error);
}

ps_status ps_spectrum_mass_left_out(const ps_lanczos *probes, int count, double epsilon, double *lowest,
                                    double *highest) {
    ps_lanczos *others; /* borrowed copies of all but one */
    *lowest = *highest = NAN;
    if (count < 2) return PS_OK;
    PS_TRY(PS_ALLOC((size_t)count, &others, "probes"));
    for (int out = 0; out < count; out++) {
        memcpy(others, probes, (size_t)out * sizeof *others);
        memcpy(others + out, probes + out + 1, (size_t)(count - out - 1) * sizeof *others);
        double mass = ps_spectrum_mass_near_zero(others, count - 1, epsilon, NULL);
        *lowest = fmin(*lowest, mass); /* passes over the NaN at the start */
        *highest = fmax(*highest, mass);
    }
    ps_free(others);
    return PS_OK;
}

double ps_spectrum_density(const ps_lanczos *probes, int count, double lambda, double sigma) {
    double sum = 0;
    for (int p = 0; p < count; p++)
        for (int k = 0; k < probes[p].steps; k++) {
            double z = (lambda - probes[p].value[k]) / sigma;
            sum += probes[p].weight[k] * exp(-0.5 * z * z);
        }
    return sum / (count * sigma * sqrt(6.283185307179586));
}
