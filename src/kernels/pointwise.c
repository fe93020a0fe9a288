#include "kernels/pointwise.h"

#include "kernels/pointwise_simd.h"
#include "kernels/rows.h"

/* Workspace: one wide row of zeros, then the slots. Summaries have chunks of their own, which may be more. */
static size_t wide_bytes(size_t width) { return (width * sizeof(float) + 63) / 64 * 64; }
static void *slots_of(void *workspace, size_t width) { return (char *)workspace + wide_bytes(width); }

/* Chunks of whole samples, of some work each: slots of small maps with many channels cost more than the maps. */
static ps_leaves sample_leaves(ps_shape shape) {
    size_t batch = ps_reduce_batch((size_t)shape.n), most = batch < PS_ROWS_MAX_CHUNKS ? batch : PS_ROWS_MAX_CHUNKS;
    size_t wanted = ps_threads_chunks(batch * ps_shape_elements(ps_shape_with_batch(shape, 1)), PS_ROWS_GRAIN);
    return ps_leaves_of((size_t)shape.n, 1, wanted < most ? wanted : most);
}

size_t ps_pointwise_workspace_bytes(ps_shape shape) {
    ps_rows r = ps_rows_of(shape);
    size_t samples = sample_leaves(shape).count, slots = r.chunks > samples ? r.chunks : samples;
    return wide_bytes(r.width) + slots * ps_rows_slot_bytes(r.width, PS_POINTWISE_MOST_SUMS);
}

typedef struct {
    const ps_rows *rows;
    const float *x, *dy, *zero_row;
    float slope, *out;
    bool accumulate;
    void *slots; /* NULL: nothing is counted */
} rows_run;

static double *slot_of(const rows_run *run, size_t chunk) {
    return run->slots ? ps_rows_slot(run->slots, run->rows->width, 1, chunk) : NULL;
}

/* Adds the single sum of every slot to result[c]. */
static void add_totals(const rows_run *run, double *result) {
    if (result == NULL) return;
    const double *total = ps_rows_reduce(run->slots, run->rows, 1);
    for (size_t k = 0; k < run->rows->c; k++) result[k] += total[k];
}

static void forward_task(void *context, size_t chunk, int worker) {
    (void)worker;
    const rows_run *run = context;
    PS_SIMD_SELECT(ps_activation_forward_chunk)
    (run->x, run->slope, run->out, run->rows->width, ps_rows_chunk_start(run->rows, chunk),
     ps_rows_chunk_start(run->rows, chunk + 1), slot_of(run, chunk));
}

void ps_activation_forward(const float *x, ps_shape shape, float slope, float *y, double *zeros, void *workspace,
                           ps_threads *threads) {
    ps_rows r = ps_rows_of(shape);
    if (r.count == 0) return;
    rows_run run = {.rows = &r, .x = x, .slope = slope, .out = y, .slots = zeros ? slots_of(workspace, r.width) : NULL};
    ps_threads_run(threads, r.chunks, forward_task, &run);
    add_totals(&run, zeros);
}

static void backward_task(void *context, size_t chunk, int worker) {
    (void)worker;
    const rows_run *run = context;
    PS_SIMD_SELECT(ps_activation_backward_chunk)
    (run->x, run->dy, run->slope, run->out, run->accumulate, run->zero_row, run->rows->width,
     ps_rows_chunk_start(run->rows, chunk), ps_rows_chunk_start(run->rows, chunk + 1), slot_of(run, chunk));
}

void ps_activation_backward(const float *y, const float *dy, ps_shape shape, float slope, float *dx, bool accumulate,
                            double *dx_squares, void *workspace, ps_threads *threads) {
    ps_rows r = ps_rows_of(shape);
    if (r.count == 0) return;
    memset(workspace, 0, r.width * sizeof(float));
    rows_run run = {
        .rows = &r, .x = y, .dy = dy, .zero_row = workspace, .slope = slope, .out = dx, .accumulate = accumulate};
    run.slots = dx_squares ? slots_of(workspace, r.width) : NULL;
    ps_threads_run(threads, r.chunks, backward_task, &run);
    add_totals(&run, dx_squares);
}

static void squares_task(void *context, size_t chunk, int worker) {
    (void)worker;
    const rows_run *run = context;
    PS_SIMD_SELECT(ps_squares_chunk)
    (run->x, run->rows->width, ps_rows_chunk_start(run->rows, chunk), ps_rows_chunk_start(run->rows, chunk + 1),
     slot_of(run, chunk));
}

void ps_channel_sum_squares(const float *x, ps_shape shape, double *squares, void *workspace, ps_threads *threads) {
    ps_rows r = ps_rows_of(shape);
    if (r.count == 0) return;
    rows_run run = {.rows = &r, .x = x, .slots = slots_of(workspace, r.width)};
    ps_threads_run(threads, r.chunks, squares_task, &run);
    add_totals(&run, squares);
}

typedef struct {
    const float *x;
    size_t image_count, c, width; /* image_count: floats of an image */
    ps_leaves leaves;
    void *slots;
} summary_run;

/* A chunk is a run of whole images, so that each image's own activity is known when its walk ends. */
static void summary_task(void *context, size_t chunk, int worker) {
    (void)worker;
    const summary_run *run = context;
    size_t first = ps_leaves_start(&run->leaves, chunk), last = ps_leaves_start(&run->leaves, chunk + 1);
    PS_SIMD_SELECT(ps_summarise_images)
    (run->x + first * run->image_count, last - first, run->image_count, run->c, run->width,
     ps_rows_slot(run->slots, run->width, PS_POINTWISE_MOST_SUMS, chunk));
}

static void add_sum(const summary_run *run, const double *total, double *result) {
    if (result == NULL) return;
    for (size_t k = 0; k < run->c; k++) result[k] += total[k];
}

void ps_channel_summarise(const float *x, ps_shape shape, ps_channel_sums sums, void *workspace, ps_threads *threads) {
    ps_rows r = ps_rows_of(shape);
    if (r.count == 0) return;
    summary_run run = {.x = x, .image_count = r.leaves.items * r.c, .c = r.c, .width = r.width};
    run.slots = slots_of(workspace, r.width);
    run.leaves = sample_leaves(shape);
    r.chunks = run.leaves.count;
    ps_threads_run(threads, r.chunks, summary_task, &run);
    const double *total = ps_rows_reduce(run.slots, &r, PS_POINTWISE_MOST_SUMS);
    add_sum(&run, total, sums.nonzero);
    add_sum(&run, total + r.width, sums.sum);
    add_sum(&run, total + 2 * r.width, sums.sum_abs);
    add_sum(&run, total + 3 * r.width, sums.sum_squares);
    add_sum(&run, total + 4 * r.width, sums.images_active);
}

typedef struct {
    const float *a, *b;
    float *y, scalar;
    size_t count, chunks, images;
    double partial[PS_ROWS_MAX_CHUNKS];
} vector_run;

static vector_run vector_of(size_t count) {
    vector_run run = {.count = count, .chunks = ps_threads_chunks(count, 32768)};
    if (run.chunks > PS_ROWS_MAX_CHUNKS) run.chunks = PS_ROWS_MAX_CHUNKS;
    return run;
}

static size_t span(const vector_run *run, size_t chunk, size_t *start) {
    *start = ps_threads_chunk_start(run->count, run->chunks, chunk);
    return ps_threads_chunk_start(run->count, run->chunks, chunk + 1) - *start;
}

static void fill_task(void *context, size_t chunk, int worker) {
    (void)worker;
    vector_run *run = context;
    size_t at, count = span(run, chunk, &at);
    PS_SIMD_SELECT(ps_vector_fill_span)(run->y + at, count, run->scalar);
}

void ps_vector_fill(float *y, size_t count, float value, ps_threads *threads) {
    vector_run run = vector_of(count);
    run.y = y, run.scalar = value;
    ps_threads_run(threads, run.chunks, fill_task, &run);
}

static void copy_task(void *context, size_t chunk, int worker) {
    (void)worker;
    vector_run *run = context;
    size_t at, count = span(run, chunk, &at);
    memmove(run->y + at, run->a + at, count * sizeof(float));
}

void ps_vector_copy(const float *x, size_t count, float *y, ps_threads *threads) {
    vector_run run = vector_of(count);
    run.a = x, run.y = y;
    ps_threads_run(threads, run.chunks, copy_task, &run);
}

static void add_task(void *context, size_t chunk, int worker) {
    (void)worker;
    vector_run *run = context;
    size_t at, count = span(run, chunk, &at);
    PS_SIMD_SELECT(ps_vector_add_span)(run->a + at, run->b + at, count, run->y + at);
}

void ps_vector_add(const float *a, const float *b, size_t count, float *y, ps_threads *threads) {
    vector_run run = vector_of(count);
    run.a = a, run.b = b, run.y = y;
    ps_threads_run(threads, run.chunks, add_task, &run);
}

static void axpy_task(void *context, size_t chunk, int worker) {
    (void)worker;
    vector_run *run = context;
    size_t at, count = span(run, chunk, &at);
    PS_SIMD_SELECT(ps_vector_axpy_span)(run->scalar, run->a + at, count, run->y + at);
}

void ps_vector_axpy(float alpha, const float *x, size_t count, float *y, ps_threads *threads) {
    vector_run run = vector_of(count);
    run.a = x, run.y = y, run.scalar = alpha;
    ps_threads_run(threads, run.chunks, axpy_task, &run);
}

static void spread_task(void *context, size_t chunk, int worker) {
    (void)worker;
    vector_run *run = context;
    size_t at, count = span(run, chunk, &at);
    PS_SIMD_SELECT(ps_vector_spread_span)(run->a + at, run->images, run->count, count, run->b + at, run->y + at);
}

/* Chunks are spans of an image, each walked through all images: nothing is left to be joined. */
void ps_vector_spread(const float *x, size_t images, size_t count, const float *first, float *most,
                      ps_threads *threads) {
    vector_run run = vector_of(count);
    run.chunks = ps_threads_chunks(count, 2048);
    if (run.chunks > PS_ROWS_MAX_CHUNKS) run.chunks = PS_ROWS_MAX_CHUNKS;
    run.a = x, run.b = first, run.y = most, run.images = images;
    ps_threads_run(threads, run.chunks, spread_task, &run);
}

static void vector_squares_task(void *context, size_t chunk, int worker) {
    (void)worker;
    vector_run *run = context;
    size_t at, count = span(run, chunk, &at);
    run->partial[chunk] = PS_SIMD_SELECT(ps_vector_squares_span)(run->a + at, count);
}

double ps_vector_sum_squares(const float *x, size_t count, ps_threads *threads) {
    vector_run run = vector_of(count);
    run.a = x;
    ps_threads_run(threads, run.chunks, vector_squares_task, &run);
    double total = 0;
    for (size_t chunk = 0; chunk < run.chunks; chunk++) total += run.partial[chunk];
    return total;
}

bool ps_vector_all_finite(const float *x, size_t count) {
    enum { SPAN = 4096 }; /* short enough to stop early, long enough to run at full speed */
    for (size_t at = 0; at < count; at += SPAN)
        if (!PS_SIMD_SELECT(ps_vector_finite_span)(x + at, count - at < SPAN ? count - at : SPAN)) return false;
    return true;
}
