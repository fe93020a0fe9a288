#include "kernels/update.h"

#include <math.h>

#include "kernels/update_cut.h"
#include "kernels/update_simd.h"

/* Adds one step's squared norms to a row's sums. */
static void add_row(ps_update_account *account, size_t row, const double *squares) {
    for (int k = 0; k < PS_UPDATE_SUMS; k++) {
        bool norm = k <= PS_UPDATE_PATH_RESIDUAL;
        account->sums[(size_t)k * account->rows + row] += norm ? sqrt(squares[k]) : squares[k];
    }
}

typedef struct {
    ps_update_cut cut;
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
    run->cut = account ? ps_update_cut_rows(rows, row_length) : ps_update_cut_elements(rows, row_length);
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
        account->carried = account->carried_factor < 1e-30 ? 0 : (float)account->carried_factor;
        run.sgd.carried = account->carried;
        account->carried_moved -= step->lr * (step->nesterov ? step->momentum : 1) * (double)run.sgd.carried;
        run.sgd.window_buffer = account->window_buffer;
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
