#include "kernels/update.h"

#include <math.h>
#include <string.h>

#include "core/memory.h"
#include "kernels/update_simd.h"

enum { CHUNK_FLOATS = 16384 };

ps_status ps_update_account_create(size_t rows, size_t row_length, bool sgd, ps_update_account **out) {
    *out = NULL;
    ps_status status = PS_OK;
    size_t count = rows * row_length;
    ps_update_account *a = NULL;
    PS_TRY_CLEANUP(PS_ALLOC(1, &a, "update account"));
    a->rows = rows, a->row_length = row_length, a->sgd = sgd, a->carried_factor = 1;
    PS_TRY_CLEANUP(PS_ALLOC(PS_UPDATE_SUMS * rows, &a->sums, "update account"));
    PS_TRY_CLEANUP(PS_ALLOC(PS_UPDATE_NETS * rows, &a->nets, "update account"));
    PS_TRY_CLEANUP(PS_ALLOC(count, &a->weights_start, "update account"));
    PS_TRY_CLEANUP(PS_ALLOC(count, &a->gradient_sum, "update account"));
    PS_TRY_CLEANUP(PS_ALLOC(count, &a->decay_sum, "update account"));
    PS_TRY_CLEANUP(PS_ALLOC(count, &a->window_buffer, "update account"));
    if (!sgd) PS_TRY_CLEANUP(PS_ALLOC(count, &a->carried_sum, "update account"));
    if (sgd) {
        PS_TRY_CLEANUP(PS_ALLOC(count, &a->decay_buffer, "update account"));
        PS_TRY_CLEANUP(PS_ALLOC(count, &a->carried_start, "update account"));
    }
    *out = a;
    return PS_OK;
cleanup:
    ps_update_account_destroy(a);
    return status;
}

void ps_update_account_destroy(ps_update_account *account) {
    if (account == NULL) return;
    ps_free(account->sums);
    ps_free(account->nets);
    ps_free(account->weights_start);
    ps_free(account->gradient_sum);
    ps_free(account->decay_sum);
    ps_free(account->carried_sum);
    ps_free(account->window_buffer);
    ps_free(account->decay_buffer);
    ps_free(account->carried_start);
    ps_free(account);
}

bool ps_update_account_area(ps_update_account *account, int index, void **data, size_t *size_bytes) {
    size_t floats = account->rows * account->row_length * sizeof(float);
    const struct {
        void *data;
        size_t size;
    } areas[] = {
        {&account->steps, sizeof account->steps},
        {&account->carried_factor, sizeof account->carried_factor},
        {&account->carried_moved, sizeof account->carried_moved},
        {account->sums, PS_UPDATE_SUMS * account->rows * sizeof(double)},
        {account->weights_start, floats},
        {account->gradient_sum, floats},
        {account->decay_sum, floats},
        {account->window_buffer, floats},
        {account->sgd ? account->decay_buffer : account->carried_sum, floats},
        {account->carried_start, floats},
    };
    int count = account->sgd ? 10 : 9;
    if (index < 0 || index >= count) return false;
    *data = areas[index].data;
    *size_bytes = areas[index].size;
    return true;
}

/* Chunks of whole rows, or of elements when nothing is summed. */
typedef struct {
    size_t items, chunks;
} cut;

static cut cut_elements(size_t rows, size_t row_length) {
    size_t count = rows * row_length;
    return (cut){count, ps_threads_chunks(count, CHUNK_FLOATS)};
}

static cut cut_rows(size_t rows, size_t row_length) {
    size_t chunks = ps_threads_chunks(rows * row_length, CHUNK_FLOATS);
    return (cut){rows, chunks < rows ? chunks : rows};
}

typedef struct {
    cut cut;
    ps_update_account *account;
    const float *w, *momentum;
} account_run;

static void begin_task(void *context, size_t chunk, int worker) {
    (void)worker;
    const account_run *run = context;
    ps_update_account *a = run->account;
    size_t begin = ps_threads_chunk_start(run->cut.items, run->cut.chunks, chunk);
    size_t end = ps_threads_chunk_start(run->cut.items, run->cut.chunks, chunk + 1);
    memcpy(a->weights_start + begin, run->w + begin, (end - begin) * sizeof(float));
    float *const cleared[] = {a->gradient_sum, a->decay_sum, a->window_buffer, a->carried_sum};
    for (size_t i = 0; i < sizeof cleared / sizeof *cleared; i++)
        if (cleared[i] != NULL) memset(cleared[i] + begin, 0, (end - begin) * sizeof(float));
    if (!a->sgd) return;
    for (size_t i = begin; i < end; i++) a->carried_start[i] = run->momentum[i] - a->decay_buffer[i];
}

void ps_update_account_begin(ps_update_account *account, const float *w, const float *momentum, ps_threads *threads) {
    account_run run = {cut_elements(account->rows, account->row_length), account, w, momentum};
    account->steps = 0;
    account->carried_factor = 1;
    account->carried_moved = 0;
    memset(account->sums, 0, PS_UPDATE_SUMS * account->rows * sizeof(double));
    ps_threads_run(threads, run.cut.chunks, begin_task, &run);
}

static void close_task(void *context, size_t chunk, int worker) {
    (void)worker;
    const account_run *run = context;
    ps_update_account *a = run->account;
    const ps_update_net_job job = {.w = run->w,
                                   .start = a->weights_start,
                                   .gradient_sum = a->gradient_sum,
                                   .carried = a->sgd ? a->carried_start : a->carried_sum,
                                   .decay_sum = a->decay_sum,
                                   .factor = a->sgd ? a->carried_moved : 1};
    size_t end = ps_threads_chunk_start(run->cut.items, run->cut.chunks, chunk + 1);
    for (size_t row = ps_threads_chunk_start(run->cut.items, run->cut.chunks, chunk); row < end; row++) {
        double nets[PS_UPDATE_NETS];
        size_t at = row * a->row_length;
        PS_SIMD_SELECT(ps_update_net_row)(&job, at, at + a->row_length, nets);
        for (int k = 0; k < PS_UPDATE_NETS; k++)
            a->nets[(size_t)k * a->rows + row] = k == PS_UPDATE_L1 ? nets[k] : sqrt(nets[k]);
    }
}

void ps_update_account_close(ps_update_account *account, const float *w, ps_threads *threads) {
    account_run run = {cut_rows(account->rows, account->row_length), account, w, NULL};
    ps_threads_run(threads, run.cut.chunks, close_task, &run);
}

/* Adds one step's squared norms to a row's sums. */
static void add_row(ps_update_account *account, size_t row, const double *squares) {
    for (int k = 0; k < PS_UPDATE_SUMS; k++) {
        bool norm = k <= PS_UPDATE_PATH_RESIDUAL;
        account->sums[(size_t)k * account->rows + row] += norm ? sqrt(squares[k]) : squares[k];
    }
}

typedef struct {
    cut cut;
    size_t row_length;
    ps_update_account *account; /* NULL: plain */
    ps_update_sgd_job sgd;
    ps_update_adamw_job adamw;
    bool is_sgd;
} update_run;

static void plain_task(void *context, size_t chunk, int worker) {
    (void)worker;
    const update_run *run = context;
    size_t begin = ps_threads_chunk_start(run->cut.items, run->cut.chunks, chunk);
    size_t end = ps_threads_chunk_start(run->cut.items, run->cut.chunks, chunk + 1);
    if (run->is_sgd) PS_SIMD_SELECT(ps_update_sgd_span)(&run->sgd, begin, end);
    else PS_SIMD_SELECT(ps_update_adamw_span)(&run->adamw, begin, end);
}

static void accounted_task(void *context, size_t chunk, int worker) {
    (void)worker;
    const update_run *run = context;
    size_t end = ps_threads_chunk_start(run->cut.items, run->cut.chunks, chunk + 1);
    for (size_t row = ps_threads_chunk_start(run->cut.items, run->cut.chunks, chunk); row < end; row++) {
        double squares[PS_UPDATE_SUMS];
        size_t at = row * run->row_length;
        if (run->is_sgd) PS_SIMD_SELECT(ps_update_sgd_row)(&run->sgd, at, at + run->row_length, squares);
        else PS_SIMD_SELECT(ps_update_adamw_row)(&run->adamw, at, at + run->row_length, squares);
        add_row(run->account, row, squares);
    }
}

static void run_update(update_run *run, size_t rows, size_t row_length, ps_update_account *account,
                       ps_threads *threads) {
    run->row_length = row_length;
    run->account = account;
    run->cut = account ? cut_rows(rows, row_length) : cut_elements(rows, row_length);
    ps_threads_run(threads, run->cut.chunks, account ? accounted_task : plain_task, run);
    if (account != NULL) account->steps++;
}

void ps_update_sgd(const ps_update_sgd_step *step, size_t rows, size_t row_length, const float *g, float *w,
                   float *momentum, ps_update_account *account, ps_threads *threads) {
    update_run run = {.is_sgd = true};
    run.sgd = (ps_update_sgd_job){.lr = (float)step->lr,
                                  .momentum = (float)step->momentum,
                                  .decay = (float)step->decay,
                                  .clip = (float)step->clip,
                                  .nesterov = step->nesterov,
                                  .g = g,
                                  .w = w,
                                  .buffer = momentum};
    if (account != NULL) {
        account->carried_factor *= step->momentum;
        /* Long after the window's start what was carried is far below any rounding; denormal numbers would only cost
         * time.
         */
        run.sgd.carried = account->carried_factor < 1e-30 ? 0 : (float)account->carried_factor;
        account->carried_moved -= step->lr * (step->nesterov ? step->momentum : 1) * (double)run.sgd.carried;
        run.sgd.window_buffer = account->window_buffer;
        run.sgd.decay_buffer = account->decay_buffer;
        run.sgd.carried_start = account->carried_start;
        run.sgd.gradient_sum = account->gradient_sum;
        run.sgd.decay_sum = account->decay_sum;
    }
    run_update(&run, rows, row_length, account, threads);
}

void ps_update_adamw(const ps_update_adamw_step *step, size_t rows, size_t row_length, const float *g, float *w,
                     float *m, float *v, ps_update_account *account, ps_threads *threads) {
    update_run run = {.is_sgd = false};
    double t = (double)step->step;
    run.adamw = (ps_update_adamw_job){.beta1 = (float)step->beta1,
                                      .beta2 = (float)step->beta2,
                                      .rest1 = (float)(1 - step->beta1),
                                      .rest2 = (float)(1 - step->beta2),
                                      .eps = (float)step->eps,
                                      .clip = (float)step->clip,
                                      .keep = (float)(1 - step->lr * step->decay),
                                      .decay = (float)(step->lr * step->decay),
                                      .scale = (float)(step->lr / (1 - pow(step->beta1, t))),
                                      .root = (float)sqrt(1 - pow(step->beta2, t)),
                                      .g = g,
                                      .w = w,
                                      .m = m,
                                      .v = v};
    if (account != NULL) {
        run.adamw.window_buffer = account->window_buffer;
        run.adamw.gradient_sum = account->gradient_sum;
        run.adamw.carried_sum = account->carried_sum;
        run.adamw.decay_sum = account->decay_sum;
    }
    run_update(&run, rows, row_length, account, threads);
}
