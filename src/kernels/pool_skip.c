#include "kernels/pool_skip.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/memory.h"
#include "kernels/conv_method.h"
#include "kernels/conv_winograd.h"
#include "kernels/pointwise.h"
#include "kernels/pool_skip_method.h"
#include "kernels/pool_skip_sparse.h"
#include "kernels/rounding.h"
#include "kernels/rows.h"

/* ---- Plan ---- */

static ps_pool_skip_grid grid_of(ps_shape s, int e) {
    ps_pool_skip_grid g = {.shape = s, .e = e, .ed = s.d > 1 ? e : 1};
    g.windows_d = s.d / g.ed, g.windows_h = s.h / e, g.windows_w = s.w / e;
    g.bands_d = (s.d + g.ed - 1) / g.ed, g.bands_h = (s.h + e - 1) / e;
    g.bands = (size_t)s.n * (size_t)g.bands_d * (size_t)g.bands_h;
    g.pooled = (size_t)s.n * (size_t)g.windows_d * (size_t)g.windows_h * (size_t)g.windows_w;
    return g;
}

static ps_status check_options(const ps_pool_skip_options *o) {
    ps_shape s = o->shape;
    int largest = s.d > 1 ? 6 : 16; /* a window's places are numbered in one byte */
    if (s.n < 1 || s.c < 1 || s.d < 1 || s.h < 1 || s.w < 1)
        return ps_fail(PS_ERR_USAGE, "pool skip: a map of %d x %d x %d with %d channels has no elements", s.d, s.h, s.w,
                       s.c);
    if (o->e < 1 || o->e > largest) return ps_fail(PS_ERR_USAGE, "pool skip: e is %d, must be 1 to %d", o->e, largest);
    if (o->select != PS_POOL_SKIP_DENSE && (s.h < o->e || s.w < o->e || (s.d > 1 && s.d < o->e)))
        return ps_fail(PS_ERR_USAGE,
                       "pool skip: a map of %d x %d x %d holds no window of size %d; use a smaller e or leave the "
                       "module out here",
                       s.d, s.h, s.w, o->e);
    if (o->match_energy && o->select != PS_POOL_SKIP_GRID)
        return ps_fail(PS_ERR_USAGE, "pool skip: match_energy needs select \"grid\"");
    if ((o->cut_forward || o->cut_gradient) && !o->skip)
        return ps_fail(PS_ERR_USAGE, "pool skip: cut_forward and cut_gradient need skip, or nothing would be left");
    return PS_OK;
}

static ps_conv_shape conv_shape_of(ps_shape s) {
    bool volume = s.d > 1;
    return (ps_conv_shape){.n = s.n,
                           .c = s.c,
                           .d = s.d,
                           .h = s.h,
                           .w = s.w,
                           .k = s.c,
                           .kd = volume ? 3 : 1,
                           .kh = 3,
                           .kw = 3,
                           .stride_d = 1,
                           .stride_h = 1,
                           .stride_w = 1,
                           .pad_d = volume ? 1 : 0,
                           .pad_h = 1,
                           .pad_w = 1,
                           .dilation_d = 1,
                           .dilation_h = 1,
                           .dilation_w = 1,
                           .groups = 1};
}

ps_status ps_pool_skip_plan_create(const ps_pool_skip_options *options, ps_pool_skip_plan **out) {
    *out = NULL;
    ps_status status = PS_OK;
    ps_pool_skip_plan *plan = NULL;
    PS_TRY(check_options(options));
    PS_TRY(PS_ALLOC(1, &plan, "pool skip plan"));
    plan->options = *options;
    plan->pools = options->select != PS_POOL_SKIP_DENSE && options->e > 1;
    plan->grid = grid_of(options->shape, plan->pools ? options->e : 1);
    if (options->conv) {
        ps_conv_shape shape = conv_shape_of(options->shape);
        PS_TRY_CLEANUP(ps_conv_plan_init(&plan->conv, &shape));
    }
    plan->sparse = ps_pool_skip_sparse_wins(plan);
    *out = plan;
    return PS_OK;
cleanup:
    ps_pool_skip_plan_destroy(plan);
    return status;
}

void ps_pool_skip_plan_destroy(ps_pool_skip_plan *plan) { ps_free(plan); }

void ps_pool_skip_plan_describe(const ps_pool_skip_plan *plan, char *text, size_t size) {
    char conv[160] = "no convolution";
    if (plan->options.conv) ps_conv_plan_describe(&plan->conv, conv, sizeof conv);
    if (plan->sparse) snprintf(text, size, "sparse");
    else snprintf(text, size, "dense (%s)", conv);
}

ps_status ps_pool_skip_plan_force(ps_pool_skip_plan *plan, const char *method_name) {
    bool dense = strcmp(method_name, "dense") == 0;
    if (!dense && (strcmp(method_name, "sparse") != 0 || !ps_pool_skip_sparse_can(plan)))
        return ps_fail(PS_ERR_USAGE, "pool skip: no method \"%s\" for this shape and these options", method_name);
    plan->sparse = !dense;
    return PS_OK;
}

/* ---- Memory ----
 * save: winners' places, their values and order (sparse), the energy scale. workspace: u where it is built (in backward
 * also its gradient; sparse: the gradient at the winners), vectors of c floats, slots of partial sums, and what the
 * convolution and the sums ask for. */

static size_t rounded(size_t bytes) { return (bytes + PS_ALIGNMENT - 1) / PS_ALIGNMENT * PS_ALIGNMENT; }

/* The dense grid needs no list of winners: they are the first positions. */
static bool keeps_winners(const ps_pool_skip_plan *plan) {
    return plan->pools && (plan->sparse || plan->options.select == PS_POOL_SKIP_MAX);
}

static size_t pooled_elements(const ps_pool_skip_plan *plan) { return plan->grid.pooled * (size_t)plan->grid.shape.c; }
static size_t winners_bytes(const ps_pool_skip_plan *plan) {
    return keeps_winners(plan) ? rounded(pooled_elements(plan)) : 0;
}
static size_t values_bytes(const ps_pool_skip_plan *plan) {
    return plan->sparse ? rounded(pooled_elements(plan) * sizeof(float)) : 0;
}
static size_t order_bytes(const ps_pool_skip_plan *plan) {
    return plan->sparse ? rounded(pooled_elements(plan) * sizeof(uint16_t)) : 0;
}

size_t ps_pool_skip_save_bytes(const ps_pool_skip_plan *plan) {
    size_t scale = plan->options.match_energy && plan->pools ? rounded((size_t)plan->grid.shape.c * sizeof(float)) : 0;
    return winners_bytes(plan) + values_bytes(plan) + order_bytes(plan) + scale;
}

/* Runs of bands. */
static ps_leaves band_leaves(const ps_pool_skip_plan *plan) {
    size_t n = (size_t)plan->grid.shape.n, batch = ps_reduce_batch(plan->grid.bands);
    return ps_leaves_of(n, plan->grid.bands / n, batch < PS_ROWS_MAX_CHUNKS ? batch : PS_ROWS_MAX_CHUNKS);
}

/* Offsets in bytes. */
typedef struct {
    size_t zeros, ones, energy, slots, rest;
} layout;

static layout layout_of(const ps_pool_skip_plan *plan) {
    size_t c = (size_t)plan->grid.shape.c, vector = rounded(c * sizeof(float));
    layout at;
    bool whole = !plan->sparse || plan->options.match_energy;
    at.zeros = rounded((whole ? ps_shape_elements(plan->grid.shape) : pooled_elements(plan)) * sizeof(float));
    at.ones = at.zeros + vector;
    at.energy = at.ones + vector;
    at.slots = at.energy + rounded(2 * c * sizeof(double));
    at.rest = at.slots + band_leaves(plan).count * ps_rows_slot_bytes(c, PS_POOL_SKIP_COLUMNS);
    return at;
}

static size_t workspace_bytes(const ps_pool_skip_plan *plan, int threads) {
    ps_shape s = plan->grid.shape;
    size_t rest = 0;
    if (plan->sparse) rest = ps_pool_skip_sparse_workspace_bytes(plan, threads);
    else if (plan->options.conv) rest = ps_conv_workspace_bytes(&plan->conv, threads);
    if (plan->options.match_energy) {
        size_t sums = ps_pointwise_workspace_bytes(s), winners = pooled_elements(plan);
        if (rest < sums) rest = sums;
        if (rest < winners) rest = winners;
    }
    return layout_of(plan).rest + rest;
}

typedef struct {
    float *u, *zeros, *ones;
    double *energy; /* two per channel */
    void *slots, *rest;
} areas;

static areas areas_of(const ps_pool_skip_plan *plan, void *workspace) {
    layout at = layout_of(plan);
    char *base = workspace;
    areas a = {.u = workspace,
               .zeros = (float *)(base + at.zeros),
               .ones = (float *)(base + at.ones),
               .energy = (double *)(base + at.energy),
               .slots = base + at.slots,
               .rest = base + at.rest};
    for (int k = 0; k < plan->grid.shape.c; k++) a.zeros[k] = 0, a.ones[k] = 1;
    return a;
}

/* ---- Passes over bands ---- */

typedef struct {
    const ps_pool_skip_grid *grid;
    ps_leaves leaves;
    const float *y, *scale;
    const float *bound; /* winners: near-ties are turned; NULL: they are not */
    uint8_t *winners;
    float *values;
    uint16_t *order; /* NULL: not wanted */
    const ps_pool_skip_merge *merge;
    void *slots; /* NULL: nothing is summed */
} band_run;

static void order_band(const band_run *run, const ps_pool_skip_band *band) {
    if (run->order == NULL || band->window < 0) return;
    for (int x = 0; x < run->grid->windows_w; x++)
        ps_pool_skip_sparse_order(run->grid, run->winners, (size_t)band->window + (size_t)x, run->order);
}

static void winners_task(void *context, size_t chunk, int worker) {
    (void)worker;
    const band_run *run = context;
    size_t end = ps_leaves_start(&run->leaves, chunk + 1);
    for (size_t b = ps_leaves_start(&run->leaves, chunk); b < end; b++) {
        ps_pool_skip_band band = ps_pool_skip_band_at(run->grid, b);
        if (band.window >= 0)
            PS_SIMD_SELECT(ps_pool_skip_find_winners)(run->grid, &band, run->y, run->winners, run->values);
        if (band.window >= 0 && run->bound != NULL) PS_SIMD_SELECT(ps_pool_skip_turn_winners)
        (run->grid, &band, run->y, run->bound, run->winners, run->values);
        order_band(run, &band);
    }
}

/* The grid's winners are the first positions; their values, times the energy scale. */
static void grid_task(void *context, size_t chunk, int worker) {
    (void)worker;
    const band_run *run = context;
    const ps_pool_skip_grid *g = run->grid;
    size_t c = (size_t)g->shape.c, end = ps_leaves_start(&run->leaves, chunk + 1);
    for (size_t b = ps_leaves_start(&run->leaves, chunk); b < end; b++) {
        ps_pool_skip_band band = ps_pool_skip_band_at(g, b);
        const float *row = run->y + ps_pool_skip_row(g, band.image, band.z, band.y);
        for (int x = 0; band.window >= 0 && x < g->windows_w; x++) {
            size_t to = ((size_t)band.window + (size_t)x) * c, from = (size_t)x * (size_t)g->e * c;
            memset(run->winners + to, 0, c);
            for (size_t k = 0; k < c; k++) run->values[to + k] = row[from + k] * run->scale[k];
        }
        order_band(run, &band);
    }
}

static void merge_task(void *context, size_t chunk, int worker) {
    (void)worker;
    const band_run *run = context;
    size_t c = (size_t)run->grid->shape.c, end = ps_leaves_start(&run->leaves, chunk + 1);
    double *slot = NULL;
    if (run->slots) {
        slot = ps_rows_slot(run->slots, c, PS_POOL_SKIP_COLUMNS, chunk);
        memset(slot, 0, ps_rows_slot_bytes(c, PS_POOL_SKIP_COLUMNS));
    }
    for (size_t b = ps_leaves_start(&run->leaves, chunk); b < end; b++) {
        ps_pool_skip_band band = ps_pool_skip_band_at(run->grid, b);
        PS_SIMD_SELECT(ps_pool_skip_merge_band)(run->merge, &band, slot);
    }
}

static void add_sum(const double *total, size_t c, double *sum) {
    for (size_t k = 0; sum != NULL && k < c; k++) sum[k] += total[k];
}

/* sums: identity, path, whole, identity times path; any may be NULL. */
static void run_merge(const ps_pool_skip_plan *plan, const ps_pool_skip_merge *merge,
                      double *const sums[PS_POOL_SKIP_SUMS], const areas *a, ps_threads *threads) {
    const ps_pool_skip_grid *g = &plan->grid;
    bool summed = sums != NULL && (sums[0] || sums[1] || sums[2] || sums[3]);
    if (merge->out == NULL && !summed) return;
    band_run run = {.grid = g, .leaves = band_leaves(plan), .merge = merge, .slots = summed ? a->slots : NULL};
    ps_threads_run(threads, run.leaves.count, merge_task, &run);
    if (!summed) return;
    ps_rows rows = {.c = (size_t)g->shape.c, .width = (size_t)g->shape.c, .chunks = run.leaves.count};
    const double *total = ps_rows_reduce(a->slots, &rows, PS_POOL_SKIP_COLUMNS);
    for (int k = 0; k < PS_POOL_SKIP_SUMS; k++) add_sum(total + (size_t)k * rows.c, rows.c, sums[k]);
}

/* bound (near-ties are turned), values and order may be NULL. */
static void find_winners(const ps_pool_skip_plan *plan, const float *y, const float *bound, uint8_t *winners,
                         float *values, uint16_t *order, ps_threads *threads) {
    band_run run = {.grid = &plan->grid,
                    .leaves = band_leaves(plan),
                    .y = y,
                    .bound = bound,
                    .winners = winners,
                    .values = values,
                    .order = order};
    ps_threads_run(threads, run.leaves.count, winners_task, &run);
}

static void take_grid(const ps_pool_skip_plan *plan, const float *y, const float *scale, uint8_t *winners,
                      float *values, uint16_t *order, ps_threads *threads) {
    band_run run = {.grid = &plan->grid,
                    .leaves = band_leaves(plan),
                    .y = y,
                    .scale = scale,
                    .winners = winners,
                    .values = values,
                    .order = order};
    ps_threads_run(threads, run.leaves.count, grid_task, &run);
}

/* out = y at the winners (NULL: at the first positions) times scale, 0 elsewhere. */
static void unpool(const ps_pool_skip_plan *plan, const float *y, const uint8_t *winners, const float *scale,
                   float *out, const areas *a, ps_threads *threads) {
    ps_pool_skip_merge merge = {.grid = &plan->grid,
                                .added = y,
                                .select = true,
                                .winners = winners,
                                .scale = scale,
                                .out = out,
                                .zeros = a->zeros};
    run_merge(plan, &merge, NULL, a, threads);
}

/* ---- Forward and backward ---- */

static uint8_t *winners_of(const ps_pool_skip_plan *plan, const void *save) {
    return keeps_winners(plan) ? (uint8_t *)(uintptr_t)save : NULL;
}

static float *values_of(const ps_pool_skip_plan *plan, const void *save) {
    return plan->sparse ? (float *)(uintptr_t)((const char *)save + winners_bytes(plan)) : NULL;
}

static uint16_t *order_of(const ps_pool_skip_plan *plan, const void *save) {
    return plan->sparse ? (uint16_t *)(uintptr_t)((const char *)save + winners_bytes(plan) + values_bytes(plan)) : NULL;
}

static ps_pool_skip_kept kept_of(const ps_pool_skip_plan *plan, const void *save) {
    return (ps_pool_skip_kept){save, values_of(plan, save), order_of(plan, save)};
}

static const float *scale_of(const ps_pool_skip_plan *plan, const void *save, const areas *a) {
    if (!plan->options.match_energy || !plan->pools) return a->ones;
    return (const float *)((const char *)save + winners_bytes(plan) + values_bytes(plan) + order_bytes(plan));
}

/* Energy of the max-pooled map over the grid's, per channel. An empty grid keeps scale 1: there is nothing to scale. */
static void match_energy(const ps_pool_skip_plan *plan, const float *y, float *scale, const areas *a,
                         ps_threads *threads) {
    size_t c = (size_t)plan->grid.shape.c;
    double *wanted = a->energy, *present = a->energy + c;
    for (size_t k = 0; k < 2 * c; k++) a->energy[k] = 0;
    uint8_t *winners = (uint8_t *)a->rest;
    find_winners(plan, y, NULL, winners, NULL, NULL, threads);
    unpool(plan, y, winners, a->ones, a->u, a, threads);
    ps_channel_sum_squares(a->u, plan->grid.shape, wanted, a->rest, threads);
    unpool(plan, y, NULL, a->ones, a->u, a, threads);
    ps_channel_sum_squares(a->u, plan->grid.shape, present, a->rest, threads);
    for (size_t k = 0; k < c; k++) scale[k] = present[k] == 0 ? 1.0f : (float)sqrt(wanted[k] / present[k]);
}

/* Whether the convolution reads the kept values of y itself, so that u need not be built. */
static bool selects(const ps_pool_skip_plan *plan, ps_conv_pass pass) {
    return plan->pools && !plan->sparse && plan->options.conv && !plan->options.match_energy &&
           plan->conv.method[pass] == &ps_conv_method_winograd4 && ps_winograd_can_select(&plan->conv.shape);
}

static ps_winograd_selection selection_of(const ps_pool_skip_plan *plan, const uint8_t *winners) {
    const ps_pool_skip_grid *g = &plan->grid;
    return (ps_winograd_selection){winners, g->e, g->ed, g->windows_d, g->windows_h, g->windows_w};
}

/* conv(u) into o. */
static void convolve_forward(const ps_pool_skip_plan *plan, const float *y, const float *w, const float *bias,
                             const uint8_t *winners, const float *scale, float *o, const areas *a,
                             ps_threads *threads) {
    if (selects(plan, PS_CONV_FORWARD)) {
        ps_winograd_selection selection = selection_of(plan, winners);
        ps_winograd_forward_selected(&plan->conv.shape, y, &selection, w, bias, o, a->rest, threads);
        return;
    }
    if (plan->pools) unpool(plan, y, winners, scale, a->u, a, threads);
    ps_conv_forward(&plan->conv, plan->pools ? a->u : y, w, bias, o, a->rest, threads);
}

static void convolve_backward_weights(const ps_pool_skip_plan *plan, const float *y, const float *d_o,
                                      const uint8_t *winners, const float *scale, float *dw, float *dbias,
                                      const areas *a, ps_threads *threads) {
    if (selects(plan, PS_CONV_BACKWARD_WEIGHTS)) {
        ps_winograd_selection selection = selection_of(plan, winners);
        ps_winograd_backward_weights_selected(&plan->conv.shape, y, &selection, d_o, dw, a->rest, threads);
        ps_reduce_across(dw, ps_conv_weights(&plan->conv.shape));
        ps_conv_backward_bias(&plan->conv, d_o, dbias, a->rest, threads);
        return;
    }
    if (plan->pools) unpool(plan, y, winners, scale, a->u, a, threads);
    ps_conv_backward_weights(&plan->conv, plan->pools ? a->u : y, d_o, dw, dbias, a->rest, threads);
}

/* The path's values: returns what to merge, with the convolution's result in o. */
static ps_pool_skip_merge forward_path(const ps_pool_skip_plan *plan, const float *y, const float *w, const float *bias,
                                       float *o, const void *save, const areas *a, ps_threads *threads) {
    ps_pool_skip_merge merge = {.grid = &plan->grid,
                                .added = y,
                                .select = plan->pools,
                                .winners = winners_of(plan, save),
                                .scale = scale_of(plan, save, a),
                                .zeros = a->zeros};
    if (!plan->options.conv) return merge;
    convolve_forward(plan, y, w, bias, merge.winners, merge.scale, o, a, threads);
    return (ps_pool_skip_merge){.grid = &plan->grid, .added = o, .scale = a->ones, .zeros = a->zeros};
}

/* What backward needs: the scale, then the winners and their values. */
static void select_kept(const ps_pool_skip_plan *plan, const float *y, const float *bound, void *save, const areas *a,
                        ps_threads *threads) {
    const float *scale = scale_of(plan, save, a);
    if (scale != a->ones) match_energy(plan, y, (float *)(uintptr_t)scale, a, threads);
    if (!keeps_winners(plan)) return;
    if (plan->options.select == PS_POOL_SKIP_MAX)
        find_winners(plan, y, bound, save, values_of(plan, save), order_of(plan, save), threads);
    else take_grid(plan, y, scale, save, values_of(plan, save), order_of(plan, save), threads);
}

/* The path is worked out only where somebody looks at it; o = y. */
static void forward_cut(const ps_pool_skip_plan *plan, const float *y, const float *w, const float *bias, float *o,
                        const void *save, ps_pool_skip_sums sums, const areas *a, ps_threads *threads) {
    double *const path_only[PS_POOL_SKIP_SUMS] = {NULL, sums.forward_path, NULL, NULL};
    if (sums.forward_path != NULL && plan->sparse) {
        ps_pool_skip_sparse_run_forward(plan, kept_of(plan, save), NULL, w, bias, NULL, path_only, a->rest, threads);
    } else if (sums.forward_path != NULL) {
        ps_pool_skip_merge path = forward_path(plan, y, w, bias, o, save, a, threads);
        run_merge(plan, &path, path_only, a, threads);
    }
    ps_pool_skip_merge alone = {.grid = &plan->grid, .identity = y, .out = o, .zeros = a->zeros};
    run_merge(plan, &alone, (double *const[]){sums.forward_identity, NULL, sums.forward_output, NULL}, a, threads);
}

static void forward(const ps_pool_skip_plan *plan, const float *y, const float *y_bound, const float *w,
                    const float *bias, float *o, void *save, ps_pool_skip_sums sums, void *workspace,
                    ps_threads *threads) {
    const ps_pool_skip_options *options = &plan->options;
    areas a = areas_of(plan, workspace);
    const float *identity = options->skip ? y : NULL;
    double *const wanted[PS_POOL_SKIP_SUMS] = {identity ? sums.forward_identity : NULL, sums.forward_path,
                                               sums.forward_output, sums.forward_cross};
    select_kept(plan, y, y_bound, save, &a, threads);
    if (options->cut_forward) {
        forward_cut(plan, y, w, bias, o, save, sums, &a, threads);
        return;
    }
    if (plan->sparse) {
        ps_pool_skip_sparse_run_forward(plan, kept_of(plan, save), identity, w, bias, o, wanted, a.rest, threads);
        return;
    }
    ps_pool_skip_merge merge = forward_path(plan, y, w, bias, o, save, &a, threads);
    merge.identity = identity;
    merge.out = o;
    run_merge(plan, &merge, wanted, &a, threads);
}

void ps_pool_skip_forward(const ps_pool_skip_plan *plan, const float *y, const float *w, const float *bias, float *o,
                          void *save, ps_pool_skip_sums sums, void *workspace, ps_threads *threads) {
    forward(plan, y, NULL, w, bias, o, save, sums, workspace, threads);
}

/* The kept values multiplied one after another where that can be done, else the dense map by a plain convolution. What
 * training keeps for backward may lack the values, so that this keeps its own in the workspace. */
static ps_pool_skip_plan plain_plan(const ps_pool_skip_plan *plan) {
    ps_pool_skip_plan plain = *plan;
    plain.sparse = ps_pool_skip_sparse_can(plan);
    plain.conv.method[PS_CONV_FORWARD] = plan->conv.plain;
    return plain;
}

/* What the plain forward pass takes of the workspace. */
static size_t plain_bytes(const ps_pool_skip_plan *plain, int threads) {
    return rounded(ps_pool_skip_save_bytes(plain)) + rounded(workspace_bytes(plain, threads));
}

void ps_pool_skip_forward_plain(const ps_pool_skip_plan *plan, const float *y, const float *turn_bound, const float *w,
                                const float *bias, float *o, void *workspace, ps_threads *threads) {
    ps_pool_skip_plan plain = plain_plan(plan);
    forward(&plain, y, turn_bound, w, bias, o, workspace, (ps_pool_skip_sums){0},
            (char *)workspace + rounded(ps_pool_skip_save_bytes(&plain)), threads);
}

/* ---- What rounding may do ---- */

/* Scratch, behind what the plain forward pass left: of every position the norm of the kept values and the largest
 * bound of one of them, and factors of rows. */
typedef struct {
    float *norm, *moved, *row, *row_moved;
} rounding_areas;

static rounding_areas rounding_areas_of(const ps_pool_skip_plan *plan, char *at) {
    size_t vector = rounded((size_t)plan->grid.shape.c * sizeof(float)),
           map = rounded(ps_shape_positions(plan->grid.shape) * sizeof(float));
    return (rounding_areas){.norm = (float *)at,
                            .moved = (float *)(at + map),
                            .row = (float *)(at + 2 * map),
                            .row_moved = (float *)(at + 2 * map + vector)};
}

static size_t rounding_bytes(const ps_pool_skip_plan *plan) {
    return 2 * rounded(ps_shape_positions(plan->grid.shape) * sizeof(float)) +
           2 * rounded((size_t)plan->grid.shape.c * sizeof(float));
}

size_t ps_pool_skip_workspace_bytes(const ps_pool_skip_plan *plan, int threads) {
    ps_pool_skip_plan plain = plain_plan(plan);
    size_t training = workspace_bytes(plan, threads), probing = plain_bytes(&plain, threads) + rounding_bytes(plan);
    return training > probing ? training : probing;
}

typedef struct {
    const ps_pool_skip_plan *plan;
    const rounding_areas *areas;
    ps_pool_skip_kept kept;
    const float *bound, *scale;
} kept_run;

/* The position of a window's place, among the map's positions. */
static size_t place_at(const ps_pool_skip_grid *g, const ps_pool_skip_band *band, int window, int place) {
    int z = place / g->e / g->e, y = place / g->e % g->e, x = place % g->e;
    return ps_pool_skip_row(g, band->image, band->z + z, band->y + y) / (size_t)g->shape.c +
           (size_t)(window * g->e + x);
}

static void kept_window(const kept_run *run, const ps_pool_skip_band *band, int x) {
    const ps_pool_skip_grid *g = &run->plan->grid;
    size_t c = (size_t)g->shape.c, at = ((size_t)band->window + (size_t)x) * c, position[256];
    double squares[256];
    int places = g->e * g->e * g->ed;
    for (int place = 0; place < places; place++) position[place] = place_at(g, band, x, place), squares[place] = 0;
    for (size_t k = 0; k < c; k++) {
        int place = run->kept.winners[at + k];
        double value = (double)run->kept.values[at + k];
        float moved = run->bound[position[place] * c + k] * run->scale[k], *most = run->areas->moved + position[place];
        squares[place] += value * value;
        *most = moved > *most ? moved : *most;
    }
    for (int place = 0; place < places; place++) run->areas->norm[position[place]] = (float)sqrt(squares[place]);
}

static void kept_band(void *context, size_t number, int worker) {
    (void)worker;
    const kept_run *run = context;
    const ps_pool_skip_grid *g = &run->plan->grid;
    ps_pool_skip_band band = ps_pool_skip_band_at(g, number);
    for (int row = 0; row < band.slices * band.rows; row++) {
        size_t at =
            ps_pool_skip_row(g, band.image, band.z + row / band.rows, band.y + row % band.rows) / (size_t)g->shape.c;
        memset(run->areas->norm + at, 0, (size_t)g->shape.w * sizeof(float));
        memset(run->areas->moved + at, 0, (size_t)g->shape.w * sizeof(float));
    }
    for (int x = 0; band.window >= 0 && x < g->windows_w; x++) kept_window(run, &band, x);
}

/* Values within reach of an output: a kernel of three touches two windows along each dimension. */
static double terms_of(const ps_pool_skip_plan *plan) {
    int dims = plan->grid.shape.d > 1 ? 3 : 2;
    return pow(plan->pools ? 2 : 3, dims) * plan->grid.shape.c;
}

void ps_pool_skip_rounding(const ps_pool_skip_plan *plan, const float *y, const float *y_bound, const float *w,
                           const float *bias, float *bound, void *workspace, ps_threads *threads) {
    ps_pool_skip_plan plain = plain_plan(plan);
    const ps_pool_skip_options *options = &plan->options;
    size_t positions = ps_shape_positions(plan->grid.shape);
    int c = plan->grid.shape.c;
    areas a = areas_of(&plain, (char *)workspace + rounded(ps_pool_skip_save_bytes(&plain)));
    rounding_areas r = rounding_areas_of(
        plan, (char *)workspace + plain_bytes(&plain, threads != NULL ? ps_threads_count(threads) : 1));
    if (options->cut_forward || !options->conv) {
        /* o is y, or y and at one place of each window y once more */
        ps_vector_copy(y_bound, positions * (size_t)c, bound, threads);
        if (!options->cut_forward) ps_vector_add(bound, y_bound, positions * (size_t)c, bound, threads);
        return;
    }
    if (plain.sparse) {
        kept_run run = {plan, &r, kept_of(&plain, workspace), y_bound, scale_of(&plain, workspace, &a)};
        ps_threads_run(threads, plan->grid.bands, kept_band, &run);
    } else { /* all of y is more than what is kept of it */
        ps_rounding_norms(y, positions, 1, c, r.norm, threads);
        ps_rounding_largest(y_bound, positions, c, r.moved, threads);
    }
    size_t taps = plan->grid.shape.d > 1 ? 27 : 9;
    float factor = ps_rounding_of_sum(terms_of(plan));
    ps_rounding_row_norms(w, (size_t)c, taps * (size_t)c, 1.0f, r.row_moved);
    ps_rounding_row_norms(w, (size_t)c, taps * (size_t)c, factor, r.row);
    ps_rounding_reach reach = {.shape = &plan->conv.shape,
                               .norm = r.norm,
                               .moved = r.moved,
                               .added_to = y,
                               .start = options->skip ? y_bound : NULL,
                               .row = r.row,
                               .row_moved = r.row_moved,
                               .bias = bias,
                               .factor = factor,
                               .bound = bound};
    ps_rounding_spread(&reach, threads);
}

void ps_pool_skip_backward(const ps_pool_skip_plan *plan, const float *y, const float *w, const float *d_o,
                           const void *save, float *dy, bool accumulate, float *dw, float *dbias,
                           ps_pool_skip_sums sums, void *workspace, ps_threads *threads) {
    const ps_pool_skip_options *options = &plan->options;
    areas a = areas_of(plan, workspace);
    const float *scale = scale_of(plan, save, &a);
    const uint8_t *winners = winners_of(plan, save);
    double *const wanted[PS_POOL_SKIP_SUMS] = {options->skip ? sums.backward_identity : NULL, sums.backward_path,
                                               sums.backward_total, sums.backward_cross};
    const float *du = d_o;
    if (plan->sparse) {
        du = a.u;
        ps_pool_skip_sparse_run_backward(plan, kept_of(plan, save), w, d_o, options->cut_gradient ? NULL : a.u, dw,
                                         dbias, a.rest, threads);
    } else if (options->conv) {
        convolve_backward_weights(plan, y, d_o, winners, scale, dw, dbias, &a, threads);
        if (!options->cut_gradient) ps_conv_backward_data(&plan->conv, d_o, w, a.u, false, a.rest, threads);
        du = a.u;
    }
    ps_pool_skip_merge merge = {.grid = &plan->grid,
                                .identity = options->skip ? d_o : NULL,
                                .added = options->cut_gradient ? NULL : du,
                                .select = plan->pools,
                                .packed = plan->sparse,
                                .winners = winners,
                                .scale = scale,
                                .out = dy,
                                .accumulate = accumulate,
                                .zeros = a.zeros};
    run_merge(plan, &merge, wanted, &a, threads);
}
