#include "kernels/update_account.h"

#include <math.h>
#include <string.h>

#include "core/memory.h"
#include "kernels/update_cut.h"
#include "kernels/update_simd.h"

ps_status ps_update_account_create(size_t rows, size_t row_length, bool sgd, bool decays, ps_update_account **out) {
    *out = NULL;
    ps_status status = PS_OK;
    size_t count = rows * row_length;
    ps_update_account *a = NULL;
    PS_TRY_CLEANUP(PS_ALLOC(1, &a, "update account"));
    a->rows = rows, a->row_length = row_length, a->sgd = sgd, a->decays = decays, a->carried_factor = 1;
    PS_TRY_CLEANUP(PS_ALLOC(PS_UPDATE_SUMS * rows, &a->sums, "update account"));
    PS_TRY_CLEANUP(PS_ALLOC(PS_UPDATE_NETS * rows, &a->nets, "update account"));
    PS_TRY_CLEANUP(PS_ALLOC(count, &a->weights_start, "update account"));
    PS_TRY_CLEANUP(PS_ALLOC(count, &a->gradient_sum, "update account"));
    if (decays) PS_TRY_CLEANUP(PS_ALLOC(count, &a->decay_sum, "update account"));
    PS_TRY_CLEANUP(PS_ALLOC(count, &a->window_buffer, "update account"));
    PS_TRY_CLEANUP(PS_ALLOC(count, sgd ? &a->carried_start : &a->carried_sum, "update account"));
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
    ps_free(account->carried_start);
    ps_free(account);
}

typedef struct {
    ps_update_cut cut;
    ps_update_account *account;
    const float *w, *momentum;
    ps_update_carry_job carry;
} account_run;

static void begin_task(void *context, size_t chunk, int worker) {
    (void)worker;
    const account_run *run = context;
    ps_update_account *a = run->account;
    size_t begin = ps_threads_chunk_start(run->cut.items, run->cut.chunks, chunk);
    size_t end = ps_threads_chunk_start(run->cut.items, run->cut.chunks, chunk + 1);
    size_t bytes = (end - begin) * sizeof(float);
    memcpy(a->weights_start + begin, run->w + begin, bytes);
    if (a->sgd && a->decays) PS_SIMD_SELECT(ps_update_carry_span)(&run->carry, begin, end);
    else if (a->sgd) memcpy(a->carried_start + begin, run->momentum + begin, bytes);
    float *const cleared[] = {a->gradient_sum, a->decay_sum, a->window_buffer, a->carried_sum};
    for (size_t i = 0; i < sizeof cleared / sizeof *cleared; i++)
        if (cleared[i] != NULL) memset(cleared[i] + begin, 0, bytes);
}

/* From the arrays of the window that ends, closed or not. */
static ps_update_carry_job carry_job(const ps_update_account *account, const float *momentum) {
    return (ps_update_carry_job){.momentum = momentum,
                                 .window_buffer = account->window_buffer,
                                 .factor = account->carried,
                                 .open = account->open,
                                 .carried_start = account->carried_start};
}

void ps_update_account_begin(ps_update_account *account, const float *w, const float *momentum, ps_threads *threads) {
    account_run run = {ps_update_cut_elements(account->rows, account->row_length), account, w, momentum,
                       carry_job(account, momentum)};
    account->steps = 0;
    account->open = true;
    account->carried_factor = account->carried = 1;
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
        if (ps_update_account_decay_share(a) != NULL)
            PS_SIMD_SELECT(ps_update_share_span)(&run->carry, at, at + a->row_length);
    }
}

void ps_update_account_close(ps_update_account *account, const float *w, const float *momentum, ps_threads *threads) {
    account_run run = {ps_update_cut_rows(account->rows, account->row_length), account, w, momentum,
                       carry_job(account, momentum)};
    ps_threads_run(threads, run.cut.chunks, close_task, &run);
    account->open = false;
}

float *ps_update_account_decay_share(ps_update_account *account) {
    return account->sgd && account->decays ? account->carried_start : NULL;
}
