#include "net/compensation.h"

#include <math.h>
#include <string.h>

#include "layers/attributes.h"
#include "core/memory.h"
#include "kernels/conv.h"
#include "kernels/pooling.h"
#include "kernels/pointwise.h"

/* Everything runs on ordinary convolutions with masked weights: slow, short and easy to check. With pieces of the
 * kernel chosen by tap, inside_t holds the weights whose input lies in the receptive field of the position that reads
 * by tap t. */
struct ps_compensation_job {
    ps_compensation sums;
    ps_threads *threads;
    ps_conv_shape source, module;
    ps_conv_plan source_plan, module_plan;
    ps_pool_window window;
    bool keeps_all, keeps_first, skip;
    const float *source_weight, *source_bias, *module_weight, *module_bias;
    const float *gamma, *beta; /* of the normalisation behind the module; NULL: none */
    double eps;
    float *piece_weight, *tap_weight; /* masked copies */
    float *piece, *selected, *path;   /* maps [n d h w c] */
    float *part[PS_PARTS];
    int32_t *index;
    float *pooled;
    void *workspace;
};

const char *ps_compensation_part_name(ps_compensation_part part) {
    static const char *const names[] = {
#define PART(name, word) word,
        PS_COMPENSATION_PARTS(PART)
#undef PART
    };
    return names[part];
}

/* ---- construction ---- */

ps_status ps_compensation_check(const ps_op *op) {
    const char *mode = ps_attribute_text(op->type, op->attributes, "mode");
    if (strcmp(mode, "pool+skip") != 0 && strncmp(mode, "grid-energy", 11) != 0 &&
        !cJSON_HasObjectItem(op->attributes, "cut"))
        return PS_OK;
    return ps_fail(PS_ERR_USAGE,
                   "node \"%s\": compensation is defined for modules with a convolution, an unscaled selection and no "
                   "cut, not for mode %s",
                   op->name, mode);
}

static ps_status read_module(ps_compensation_job *job, const ps_op *op) {
    const char *mode = ps_attribute_text(op->type, op->attributes, "mode");
    int e = ps_attribute_int(op->type, op->attributes, "pool_size");
    PS_TRY(ps_compensation_check(op));
    ps_shape s = op->shape;
    s.n = job->source.n;
    int ed = s.d > 1 ? e : 1;
    job->keeps_all = strcmp(mode, "conv+skip") == 0 || e == 1;
    job->keeps_first = strcmp(mode, "grid+conv+skip") == 0;
    job->skip = strcmp(mode, "pool+conv") != 0;
    job->window = (ps_pool_window){.in = s,
                                   .out = {s.n, s.c, s.d / ed, s.h / e, s.w / e},
                                   .kd = ed,
                                   .kh = e,
                                   .kw = e,
                                   .stride_d = ed,
                                   .stride_h = e,
                                   .stride_w = e};
    job->module = (ps_conv_shape){.n = s.n,
                                  .c = s.c,
                                  .d = s.d,
                                  .h = s.h,
                                  .w = s.w,
                                  .k = s.c,
                                  .kd = s.d > 1 ? 3 : 1,
                                  .kh = 3,
                                  .kw = 3,
                                  .stride_d = 1,
                                  .stride_h = 1,
                                  .stride_w = 1,
                                  .pad_d = s.d > 1,
                                  .pad_h = 1,
                                  .pad_w = 1,
                                  .dilation_d = 1,
                                  .dilation_h = 1,
                                  .dilation_w = 1,
                                  .groups = 1};
    return PS_OK;
}

static float *value_of(ps_net *net, int op, const char *suffix) {
    int param = ps_net_op_param(net, op, suffix);
    return param >= 0 ? ps_net_param(net, param)->value : NULL;
}

static size_t source_weights(const ps_compensation_job *job) {
    const ps_conv_shape *s = &job->source;
    return (size_t)s->k * (size_t)(s->kd * s->kh * s->kw) * (size_t)(s->c / s->groups);
}

static int module_taps(const ps_compensation_job *job) { return job->module.kd * 9; }

static ps_status allocate(ps_compensation_job *job) {
    size_t map = ps_shape_elements(job->window.in), c = (size_t)job->module.k,
           pooled = ps_shape_elements(job->window.out);
    size_t a = ps_conv_workspace_bytes(&job->source_plan, ps_threads_count(job->threads));
    size_t b = ps_conv_workspace_bytes(&job->module_plan, ps_threads_count(job->threads));
    PS_TRY(ps_alloc(a > b ? a : b, 1, "compensation", &job->workspace));
    PS_TRY(PS_ALLOC(source_weights(job), &job->piece_weight, "compensation"));
    PS_TRY(PS_ALLOC(c * c * (size_t)module_taps(job), &job->tap_weight, "compensation"));
    PS_TRY(PS_ALLOC(map, &job->piece, "compensation"));
    PS_TRY(PS_ALLOC(map, &job->selected, "compensation"));
    PS_TRY(PS_ALLOC(map, &job->path, "compensation"));
    PS_TRY(PS_ALLOC(pooled, &job->index, "compensation"));
    PS_TRY(PS_ALLOC(pooled, &job->pooled, "compensation"));
    ps_compensation *s = &job->sums;
    s->channels = job->module.k;
    double **whole[] = {&s->y_energy, &s->path_energy, &s->o_energy};
    for (int i = 0; i < 3; i++) PS_TRY(PS_ALLOC(c, whole[i], "compensation"));
    for (int i = 0; i < PS_FLIPS; i++) PS_TRY(PS_ALLOC(c, &s->flips[i], "compensation"));
    for (int i = 0; i < PS_PARTS; i++) {
        PS_TRY(PS_ALLOC(map, &job->part[i], "compensation"));
        PS_TRY(PS_ALLOC(c, &s->energy[i], "compensation"));
        PS_TRY(PS_ALLOC(c, &s->with_y[i], "compensation"));
        for (int j = i + 1; j < PS_PARTS; j++) PS_TRY(PS_ALLOC(c, &s->cross[i][j], "compensation"));
    }
    return PS_OK;
}

/* The first batch normalisation that reads the module, whether its gate is the module's own or stands behind an add. */
static void find_norm(ps_compensation_job *job, ps_net *net, int pool_skip_op) {
    const ps_graph *graph = ps_net_graph(net);
    int at = pool_skip_op + 1;
    while (at < graph->count && !(graph->op[at].type->batch_eps != NULL && graph->op[at].input[0] == pool_skip_op))
        at++;
    job->sums.norm_op = at < graph->count ? at : -1;
    if (at == graph->count) return;
    job->gamma = value_of(net, at, "weight");
    job->beta = value_of(net, at, "bias");
    job->eps = graph->op[at].type->batch_eps(graph->op[at].config);
}

static ps_status build(ps_compensation_job *job, ps_net *net, int pool_skip_op, int source_op) {
    const ps_graph *graph = ps_net_graph(net);
    ps_shape in[PS_LAYER_MAX_INPUTS];
    ps_graph_input_shapes(graph, source_op, in);
    const ps_op *source = &graph->op[source_op];
    if (source->type->conv_shape == NULL)
        return ps_fail(
            PS_ERR_USAGE,
            "node \"%s\": compensation is defined behind a convolution, and \"%s\" before it is a %s; look at "
            "a network without this module",
            graph->op[pool_skip_op].name, source->name, source->type->name);
    source->type->conv_shape(source->config, ps_shape_with_batch(in[0], ps_net_batch(net)), &job->source);
    PS_TRY(read_module(job, &graph->op[pool_skip_op]));
    find_norm(job, net, pool_skip_op);
    PS_TRY(ps_conv_plan_init(&job->source_plan, &job->source));
    PS_TRY(ps_conv_plan_init(&job->module_plan, &job->module));
    job->source_weight = value_of(net, source_op, "weight");
    job->source_bias = value_of(net, source_op, "bias");
    job->module_weight = value_of(net, pool_skip_op, "conv.weight");
    job->module_bias = value_of(net, pool_skip_op, "conv.bias");
    return allocate(job);
}

ps_status ps_compensation_create(ps_net *net, int pool_skip_op, int source_op, ps_compensation_job **out) {
    ps_compensation_job *job = NULL;
    *out = NULL;
    PS_TRY(PS_ALLOC(1, &job, "compensation"));
    job->threads = ps_net_threads(net);
    ps_status status = build(job, net, pool_skip_op, source_op);
    if (status == PS_OK) *out = job;
    else ps_compensation_destroy(job);
    return status;
}

void ps_compensation_destroy(ps_compensation_job *job) {
    if (job == NULL) return;
    for (int i = 0; i < PS_PARTS; i++) {
        ps_free(job->part[i]);
        ps_free(job->sums.energy[i]);
        ps_free(job->sums.with_y[i]);
        for (int j = 0; j < PS_PARTS; j++) ps_free(job->sums.cross[i][j]);
    }
    for (int i = 0; i < PS_FLIPS; i++) ps_free(job->sums.flips[i]);
    void *const blocks[] = {
        job->sums.y_energy, job->sums.path_energy, job->sums.o_energy, job->piece_weight, job->tap_weight,
        job->piece,         job->selected,         job->path,          job->index,        job->pooled,
        job->workspace};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) ps_free(blocks[i]);
    ps_free(job);
}

/* ---- pieces ---- */

typedef struct {
    int d, h, w; /* displacement of a tap: -1, 0 or 1 (d: 0 in two dimensions) */
} displacement;

static displacement tap_displacement(const ps_compensation_job *job, int tap) {
    return (displacement){job->module.kd == 3 ? tap / 9 - 1 : 0, tap / 3 % 3 - 1, tap % 3 - 1};
}

/* Kernel place `at` of q = p + t reads an input that place `at + t stride / dilation` of p reads, if there is such a
 * place. */
static bool reaches(int at, int t, int stride, int dilation, int size) {
    int moved = at * dilation + t * stride;
    return moved >= 0 && moved % dilation == 0 && moved / dilation < size;
}

static void mask_source(ps_compensation_job *job, displacement t, bool inside) {
    const ps_conv_shape *s = &job->source;
    size_t channels = (size_t)(s->c / s->groups), i = 0;
    for (int k = 0; k < s->k; k++)
        for (int z = 0; z < s->kd; z++)
            for (int y = 0; y < s->kh; y++)
                for (int x = 0; x < s->kw; x++, i += channels) {
                    bool in = reaches(z, t.d, s->stride_d, s->dilation_d, s->kd) &&
                              reaches(y, t.h, s->stride_h, s->dilation_h, s->kh) &&
                              reaches(x, t.w, s->stride_w, s->dilation_w, s->kw);
                    for (size_t c = 0; c < channels; c++)
                        job->piece_weight[i + c] = in == inside ? job->source_weight[i + c] : 0.0f;
                }
}

/* Only this tap of the module, and of it only the output's own channel or only the others. */
static void mask_module(ps_compensation_job *job, int tap, bool same) {
    size_t c = (size_t)job->module.k, taps = (size_t)module_taps(job);
    memset(job->tap_weight, 0, c * c * taps * sizeof(float));
    for (size_t k = 0; k < c; k++)
        for (size_t j = 0; j < c; j++) {
            size_t at = (k * taps + (size_t)tap) * c + j;
            if ((k == j) == same) job->tap_weight[at] = job->module_weight[at];
        }
}

static void select_places(ps_compensation_job *job, const float *map) {
    size_t count = ps_shape_elements(job->window.in);
    if (job->keeps_all) {
        memcpy(job->selected, map, count * sizeof *map);
        return;
    }
    ps_maxunpool_backward(job->window.out, job->window.in, map, job->index, job->pooled, false, job->threads);
    ps_maxunpool_forward(job->window.out, job->window.in, job->pooled, job->index, job->selected, job->threads);
}

static void find_places(ps_compensation_job *job, const float *y) {
    if (job->keeps_all) return;
    ps_maxpool_forward(&job->window, y, job->pooled, job->index, job->threads);
    if (!job->keeps_first) return;
    const ps_pool_window *w = &job->window;
    size_t i = 0;
    for (int n = 0; n < w->out.n; n++)
        for (int z = 0; z < w->out.d; z++)
            for (int row = 0; row < w->out.h; row++)
                for (int x = 0; x < w->out.w; x++)
                    for (int c = 0; c < w->out.c; c++)
                        job->index[i++] = (z * w->stride_d * w->in.h + row * w->stride_h) * w->in.w + x * w->stride_w;
}

/* part += module's tap, same or other channels, of the selected places of `piece`. */
static void add_tap(ps_compensation_job *job, int tap, bool same, float *part) {
    size_t count = ps_shape_elements(job->window.in);
    mask_module(job, tap, same);
    ps_conv_forward(&job->module_plan, job->selected, job->tap_weight, NULL, job->path, job->workspace, job->threads);
    ps_vector_add(part, job->path, count, part, job->threads);
}

static void add_pieces(ps_compensation_job *job, const float *x) {
    size_t count = ps_shape_elements(job->window.in), c = (size_t)job->module.k;
    for (int tap = 0; tap < module_taps(job); tap++) {
        for (int inside = 1; inside >= 0; inside--) {
            mask_source(job, tap_displacement(job, tap), inside);
            ps_conv_forward(&job->source_plan, x, job->piece_weight, NULL, job->piece, job->workspace, job->threads);
            select_places(job, job->piece);
            add_tap(job, tap, true, job->part[inside ? PS_PART_AFFINE_SAME : PS_PART_DIMENSIONAL_SAME]);
            add_tap(job, tap, false, job->part[inside ? PS_PART_AFFINE_CROSS : PS_PART_DIMENSIONAL_CROSS]);
        }
        if (job->source_bias == NULL) continue;
        for (size_t i = 0; i < count; i++) job->piece[i] = job->source_bias[i % c];
        select_places(job, job->piece);
        add_tap(job, tap, true, job->part[PS_PART_BIAS_SAME]);
        add_tap(job, tap, false, job->part[PS_PART_BIAS_CROSS]);
    }
    for (size_t i = 0; i < count; i++) job->part[PS_PART_BIAS_SAME][i] += job->module_bias[i % c];
}

/* ---- sums ---- */

static void sum_position(ps_compensation_job *job, size_t i, size_t channel, const float *y, const float *o) {
    ps_compensation *s = &job->sums;
    double part[PS_PARTS], path = 0, identity = job->skip ? (double)y[i] : 0.0;
    for (int p = 0; p < PS_PARTS; p++) path += part[p] = (double)job->part[p][i];
    for (int p = 0; p < PS_PARTS; p++) {
        s->energy[p][channel] += part[p] * part[p];
        s->with_y[p][channel] += part[p] * (double)y[i];
        for (int q = p + 1; q < PS_PARTS; q++) s->cross[p][q][channel] += part[p] * part[q];
    }
    double residual = (double)o[i] - identity - path;
    s->y_energy[channel] += (double)y[i] * (double)y[i];
    s->path_energy[channel] += path * path;
    s->o_energy[channel] += (double)o[i] * (double)o[i];
    s->residual_energy += residual * residual;
    s->whole_energy += (double)o[i] * (double)o[i];
}

/* ---- signs ---- */

/* v -> gamma (v - mean) / deviation + beta */
typedef struct {
    double gamma, beta, mean, deviation;
} affine_map;

static affine_map norm_of(const ps_compensation_job *job, const float *map, size_t rows, size_t channel) {
    size_t channels = (size_t)job->module.k;
    double sum = 0, squares = 0;
    if (job->gamma == NULL) return (affine_map){1, 0, 0, 1};
    for (size_t r = 0; r < rows; r++) sum += (double)map[r * channels + channel];
    double mean = sum / (double)rows;
    for (size_t r = 0; r < rows; r++) squares += pow((double)map[r * channels + channel] - mean, 2);
    return (affine_map){(double)job->gamma[channel], (double)job->beta[channel], mean,
                        sqrt(squares / (double)rows + job->eps)};
}

static bool is_open(affine_map n, float value) { return n.gamma * ((double)value - n.mean) / n.deviation + n.beta > 0; }

static void count_flips(ps_compensation_job *job, const float *y, const float *o) {
    size_t channels = (size_t)job->module.k, rows = ps_shape_positions(job->window.in);
    for (size_t c = 0; c < channels; c++) {
        affine_map of_o = norm_of(job, o, rows, c), of_y = norm_of(job, y, rows, c);
        for (size_t i = c; i < rows * channels; i += channels) {
            bool after = is_open(of_o, o[i]), frozen = is_open(of_o, y[i]), own = is_open(of_y, y[i]);
            job->sums.flips[PS_OPENED_FROZEN][c] += after && !frozen;
            job->sums.flips[PS_SHUT_FROZEN][c] += !after && frozen;
            job->sums.flips[PS_OPENED_OWN][c] += after && !own;
            job->sums.flips[PS_SHUT_OWN][c] += !after && own;
        }
    }
}

void ps_compensation_add(ps_compensation_job *job, const float *x, const float *y, const float *o) {
    size_t count = ps_shape_elements(job->window.in), c = (size_t)job->module.k;
    for (int p = 0; p < PS_PARTS; p++) memset(job->part[p], 0, count * sizeof(float));
    find_places(job, y);
    add_pieces(job, x);
    for (size_t i = 0; i < count; i++) sum_position(job, i, i % c, y, o);
    count_flips(job, y, o);
}

const ps_compensation *ps_compensation_sums(const ps_compensation_job *job) { return &job->sums; }
