/* Pool Skip: o = y + conv3x3(unpool_e(pool_e(y))), its ablations and its grid controls (Sun et al. 2025, arXiv
 * 2409.13154). y, o [n][d][h][w][c]; conv.weight [c][3][3][c] (with depth [c][3][3][3][c]), conv.bias [c]. */
#include <stdio.h>
#include <string.h>

#include "core/json.h"
#include "core/memory.h"
#include "kernels/pool_skip.h"
#include "layers/attributes.h"
#include "layers/list.h"

/* The kernel numbers a window's places in one byte: 16 x 16, or 6 x 6 x 6 with depth. */
enum { LARGEST_WINDOW = 16, LARGEST_WINDOW_3D = 6 };

typedef struct {
    const char *name;
    ps_pool_skip_select select;
    bool skip, conv, match_energy;
} mode_row;

static const char *const mode_names[] = {
    "full", "pool+skip", "conv+skip", "pool+conv", "grid+conv+skip", "grid-energy+conv+skip", NULL};
static const mode_row modes[] = {{"full", PS_POOL_SKIP_MAX, true, true, false},
                                 {"pool+skip", PS_POOL_SKIP_MAX, true, false, false},
                                 {"conv+skip", PS_POOL_SKIP_DENSE, true, true, false},
                                 {"pool+conv", PS_POOL_SKIP_MAX, false, true, false},
                                 {"grid+conv+skip", PS_POOL_SKIP_GRID, true, true, false},
                                 {"grid-energy+conv+skip", PS_POOL_SKIP_GRID, true, true, true}};
_Static_assert(sizeof modes / sizeof *modes + 1 == sizeof mode_names / sizeof *mode_names, "a row for every mode");

enum { CUT_NONE, CUT_FORWARD, CUT_GRADIENT };
static const char *const cut_names[] = {
    [CUT_NONE] = "none", [CUT_FORWARD] = "forward", [CUT_GRADIENT] = "gradient", NULL};

typedef struct {
    int pool_size, mode_index, cut;
    const mode_row *mode;
    bool zero_init, cut_forward, cut_gradient;
} pool_skip_config;

#define AT(field) offsetof(pool_skip_config, field)
static const ps_attribute pool_skip_attributes[] = {
    {"pool_size", PS_ATTRIBUTE_INT, AT(pool_size), "2", 1, LARGEST_WINDOW, NULL,
     "side e of the windows, at most 6 for maps with depth"},
    {"mode", PS_ATTRIBUTE_WORD, AT(mode_index), "full", 0, 0, mode_names, "which variant"},
    {"zero_init", PS_ATTRIBUTE_FLAG, AT(zero_init), "false", 0, 0, NULL, "the convolution starts at zero"},
    {"cut", PS_ATTRIBUTE_WORD, AT(cut), "none", 0, 0, cut_names, "which way of the path's effect is cut"},
    {0}};
#undef AT

static ps_status pool_skip_complete(void *config_, const char *where) {
    pool_skip_config *config = config_;
    config->mode = &modes[config->mode_index];
    config->cut_forward = config->cut == CUT_FORWARD;
    config->cut_gradient = config->cut == CUT_GRADIENT;
    if (config->cut != CUT_NONE && !config->mode->skip)
        return ps_fail(PS_ERR_INPUT,
                       "%s: \"cut\" needs a mode with a skip, since \"%s\" has nothing but the path to cut", where,
                       config->mode->name);
    if (config->zero_init && !config->mode->conv)
        return ps_fail(PS_ERR_INPUT, "%s: \"zero_init\" needs a mode with a convolution, and \"%s\" has none", where,
                       config->mode->name);
    return PS_OK;
}

static bool pools(const pool_skip_config *config) { return config->mode->select != PS_POOL_SKIP_DENSE; }

static ps_status pool_skip_infer(const void *config_, const ps_layer_input *in, int inputs, const char *where,
                                 ps_shape *out) {
    (void)inputs;
    const pool_skip_config *config = config_;
    ps_shape x = in[0].shape;
    char text[48];
    int e = config->pool_size;
    *out = x;
    if (x.d > 1 && e > LARGEST_WINDOW_3D)
        return ps_fail(PS_ERR_INPUT, "%s: \"pool_size\" must be at most %d for maps with depth, not %d", where,
                       LARGEST_WINDOW_3D, e);
    if (pools(config) && (e > x.h || e > x.w || (x.d > 1 && e > x.d)))
        return ps_fail(PS_ERR_INPUT,
                       "%s: \"pool_size\" %d is larger than the map of its input %s (c x d x h x w); take a smaller "
                       "\"pool_size\" here",
                       where, e, ps_shape_text(x, text));
    return PS_OK;
}

static int pool_skip_params(const void *config_, const ps_shape *in, ps_shape out, ps_param_spec *specs) {
    const pool_skip_config *config = config_;
    if (!config->mode->conv) return 0;
    int c = out.c, rank = in[0].d > 1 ? 5 : 4, fan_in = c * (rank == 5 ? 27 : 9);
    specs[0] = (ps_param_spec){.suffix = "conv.weight",
                               .rank = rank,
                               .dims = {c, c, 3, 3, rank == 5 ? 3 : 0},
                               .channels_last = true,
                               .rows = c,
                               .init = config->zero_init ? PS_INIT_ZEROS : PS_INIT_WEIGHT,
                               .fan_in = fan_in};
    specs[1] = (ps_param_spec){.suffix = "conv.bias",
                               .rank = 1,
                               .dims = {c},
                               .rows = c,
                               .init = config->zero_init ? PS_INIT_ZEROS : PS_INIT_BIAS,
                               .fan_in = fan_in};
    return 2;
}

static ps_pool_skip_options options_of(const pool_skip_config *config, ps_shape shape) {
    bool whole = config->pool_size == 1; /* one-element windows keep everything: every selection is the dense one */
    return (ps_pool_skip_options){.shape = shape,
                                  .e = config->pool_size,
                                  .select = whole ? PS_POOL_SKIP_DENSE : config->mode->select,
                                  .skip = config->mode->skip,
                                  .conv = config->mode->conv,
                                  .match_energy = config->mode->match_energy && !whole,
                                  .cut_forward = config->cut_forward,
                                  .cut_gradient = config->cut_gradient};
}

static ps_status pool_skip_plan(const void *config, const ps_shape *in, int inputs, ps_shape out, int threads,
                                void **plan_, ps_layer_sizes *sizes) {
    (void)inputs, (void)out;
    ps_pool_skip_options options = options_of(config, in[0]);
    ps_pool_skip_plan *plan;
    *plan_ = NULL;
    PS_TRY(ps_pool_skip_plan_create(&options, &plan));
    *sizes = (ps_layer_sizes){.save_bytes = ps_pool_skip_save_bytes(plan),
                              .workspace_bytes = ps_pool_skip_workspace_bytes(plan, threads)};
    *plan_ = plan;
    return PS_OK;
}

static void pool_skip_unplan(void *plan) { ps_pool_skip_plan_destroy(plan); }

static void pool_skip_describe(const void *config, const void *plan, char *text, size_t size) {
    (void)config;
    ps_pool_skip_plan_describe(plan, text, size);
}

/* Of the direct algorithm: the share of non-zeros in u times a 3 x 3 convolution. */
static double pool_skip_macs(const void *config_, const ps_shape *in, ps_shape out) {
    const pool_skip_config *config = config_;
    (void)in;
    if (!config->mode->conv) return 0.0;
    double e = config->pool_size, window = !pools(config) ? 1.0 : out.d > 1 ? e * e * e : e * e;
    return (double)ps_shape_elements(out) * out.c * (out.d > 1 ? 27.0 : 9.0) / window;
}

static ps_pool_skip_sums sums_of(const ps_layer_call *call) {
    double *const *s = call->sums;
    return (ps_pool_skip_sums){s[PS_SUM_POOL_IDENTITY],      s[PS_SUM_POOL_PATH],      s[PS_SUM_POOL_OUTPUT],
                               s[PS_SUM_POOL_GRAD_IDENTITY], s[PS_SUM_POOL_GRAD_PATH], s[PS_SUM_POOL_GRAD_TOTAL],
                               s[PS_SUM_POOL_CROSS],         s[PS_SUM_POOL_GRAD_CROSS]};
}

static void pool_skip_forward(const ps_layer_call *call) {
    bool conv = ((const pool_skip_config *)call->config)->mode->conv;
    const float *weight = conv ? call->param[0] : NULL, *bias = conv ? call->param[1] : NULL;
    if (call->plain)
        ps_pool_skip_forward_plain(call->plan, call->x[0], call->turn ? call->in_bound[0] : NULL, weight, bias, call->y,
                                   call->workspace, call->threads);
    else
        ps_pool_skip_forward(call->plan, call->x[0], weight, bias, call->y, call->save, sums_of(call), call->workspace,
                             call->threads);
}

static void pool_skip_rounding(const ps_layer_call *call) {
    bool conv = ((const pool_skip_config *)call->config)->mode->conv;
    ps_pool_skip_rounding(call->plan, call->x[0], call->in_bound[0], conv ? call->param[0] : NULL,
                          conv ? call->param[1] : NULL, call->bound, call->workspace, call->threads);
}

static bool pool_skip_selects(const void *config_) {
    const pool_skip_config *config = config_;
    return config->mode->select == PS_POOL_SKIP_MAX && config->pool_size > 1 && !config->cut_forward;
}

static void pool_skip_backward(const ps_layer_call *call) {
    bool conv = ((const pool_skip_config *)call->config)->mode->conv;
    ps_pool_skip_backward(call->plan, call->x[0], conv ? call->param[0] : NULL, call->dy, call->save, call->dx[0],
                          call->accumulate[0], conv ? call->grad[0] : NULL, conv ? call->grad[1] : NULL, sums_of(call),
                          call->workspace, call->threads);
}

static const char *const pool_skip_samples[] = {
    "{\"inputs\": [[2, 3, 1, 6, 8]], \"attributes\": {}}",
    "{\"inputs\": [[2, 3, 1, 7, 5]], \"attributes\": {\"pool_size\": 2}}",
    "{\"inputs\": [[1, 4, 1, 9, 10]], \"attributes\": {\"pool_size\": 4}}",
    "{\"inputs\": [[2, 3, 1, 4, 3]], \"attributes\": {\"pool_size\": 1}}",
    "{\"inputs\": [[2, 3, 1, 7, 5]], \"attributes\": {\"mode\": \"pool+skip\"}}",
    "{\"inputs\": [[2, 3, 1, 4, 5]], \"attributes\": {\"mode\": \"conv+skip\"}}",
    "{\"inputs\": [[2, 3, 1, 5, 4]], \"attributes\": {\"mode\": \"pool+conv\"}}",
    "{\"inputs\": [[2, 3, 1, 5, 6]], \"attributes\": {\"mode\": \"grid+conv+skip\"}}",
    "{\"inputs\": [[2, 3, 1, 5, 6]], \"attributes\": {\"mode\": \"grid-energy+conv+skip\"}}",
    "{\"inputs\": [[2, 3, 1, 6, 5]], \"attributes\": {\"cut\": \"forward\"}}",
    "{\"inputs\": [[2, 3, 1, 6, 5]], \"attributes\": {\"cut\": \"gradient\"}}",
    "{\"inputs\": [[1, 3, 1, 9, 8]], \"attributes\": {\"cut\": \"gradient\", \"pool_size\": 4}}",
    "{\"inputs\": [[1, 2, 5, 4, 3]], \"attributes\": {}}",
    "{\"inputs\": [[2, 32, 1, 8, 8]], \"attributes\": {}}",
    "{\"inputs\": [[1, 32, 1, 9, 11]], \"attributes\": {\"pool_size\": 4}}",
    "{\"inputs\": [[1, 2, 4, 4, 4]], \"attributes\": {\"mode\": \"grid+conv+skip\"}}",
    NULL};

/* ---- in primitive layers ---- */

/* Windows of one element also fit where a whole window does not: then the pieces would keep more than the grid does. */
static bool windows_fill(ps_shape s, int pool_size) {
    return s.h % pool_size == 0 && s.w % pool_size == 0 && (s.d == 1 || s.d % pool_size == 0);
}

static ps_status check_pieces(const pool_skip_config *config, ps_shape in, const char *where) {
    bool cut = config->cut_forward || config->cut_gradient;
    if (config->mode->match_energy || cut)
        return ps_fail(PS_ERR_USAGE,
                       "%s (mode %s, cut %s) cannot be written out as primitive layers; take a run with another mode "
                       "than grid-energy+conv+skip and no cut",
                       where, config->mode->name,
                       config->cut_forward    ? "forward"
                       : config->cut_gradient ? "gradient"
                                              : "none");
    if (config->mode->select == PS_POOL_SKIP_GRID && !windows_fill(in, config->pool_size))
        return ps_fail(PS_ERR_USAGE,
                       "%s (mode %s) cannot be written out as primitive layers, because its map is no multiple of its "
                       "pool_size %d; take another pool_size or a run with mode full",
                       where, config->mode->name, config->pool_size);
    return PS_OK;
}

/* The grid's fixed place, the first of every window, is the maximum of a window of one element. */
static ps_status pool_skip_pieces(const void *config_, ps_shape in, const char *where, ps_layer_piece *piece,
                                  int *count) {
    const pool_skip_config *config = config_;
    PS_TRY(check_pieces(config, in, where));
    bool dense = config->mode->select == PS_POOL_SKIP_DENSE || config->pool_size == 1;
    int at = -1, n = 0, kernel = config->mode->select == PS_POOL_SKIP_GRID ? 1 : config->pool_size;
    if (!dense) {
        piece[n] = (ps_layer_piece){.suffix = ".pool", .type = "max_pool", .input = {at, -2}};
        snprintf(piece[n].attributes, sizeof piece[n].attributes, "{\"kernel\": %d, \"stride\": %d}", kernel,
                 config->pool_size);
        at = n++;
        piece[n] = (ps_layer_piece){".unpool", "max_unpool", {at, at}, "{}"};
        at = n++;
    }
    if (config->mode->conv) {
        piece[n] = (ps_layer_piece){.suffix = ".conv", .type = "conv", .input = {at, -2}};
        snprintf(piece[n].attributes, sizeof piece[n].attributes, "{\"channels\": %d, \"padding\": 1}", in.c);
        at = n++;
    }
    if (config->mode->skip) piece[n++] = (ps_layer_piece){"", "add", {-1, at}, "{}"};
    *count = n;
    return PS_OK;
}

const ps_layer_type ps_layer_pool_skip = {
    .name = "pool_skip",
    .summary = "Pool Skip module: identity plus a 3x3 convolution of the max-pooled and unpooled map",
    .attributes = pool_skip_attributes,
    .config_bytes = sizeof(pool_skip_config),
    .role = PS_ROLE_POOL_SKIP,
    .min_inputs = 1,
    .max_inputs = 1,
    .needs_input = true,
    .fused_sums = 1u << PS_SUM_POOL_IDENTITY | 1u << PS_SUM_POOL_PATH | 1u << PS_SUM_POOL_OUTPUT |
                  1u << PS_SUM_POOL_GRAD_IDENTITY | 1u << PS_SUM_POOL_GRAD_PATH | 1u << PS_SUM_POOL_GRAD_TOTAL |
                  1u << PS_SUM_POOL_CROSS | 1u << PS_SUM_POOL_GRAD_CROSS,
    .complete = pool_skip_complete,
    .infer = pool_skip_infer,
    .params = pool_skip_params,
    .pieces = pool_skip_pieces,
    .plan = pool_skip_plan,
    .unplan = pool_skip_unplan,
    .describe = pool_skip_describe,
    .macs = pool_skip_macs,
    .forward = pool_skip_forward,
    .backward = pool_skip_backward,
    .rounding = pool_skip_rounding,
    .carries_bounds = true,
    .selects = pool_skip_selects,
    .samples = pool_skip_samples,
};
