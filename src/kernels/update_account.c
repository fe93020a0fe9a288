#include "kernels/update_account.h"

#include <math.h>
#include <string.h>

#include "core/memory.h"
#include "kernels/update_cut.h"
#include "kernels/update_simd.h"

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

typedef struct {
    ps_update_cut cut;
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
    account_run run = {ps_update_cut_elements(account->rows, account->row_length), account, w, momentum};
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
    account_run run = {ps_update_cut_rows(account->rows, account->row_length), account, w, NULL};
    ps_threads_run(threads, run.cut.chunks, close_task, &run);
}
