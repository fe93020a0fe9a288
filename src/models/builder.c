#include "models/builder.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/json.h"
#include "core/memory.h"
#include "layers/attributes.h"
#include "layers/layer.h"

enum { NAME_SIZE = 192, MODULE_SIZE = 256 };

/* ---- placement ---- */

static int find_stage(const ps_builder *b, const char *name, size_t length) {
    for (int i = 0; i < b->stage_count; i++)
        if (strlen(b->stage_names[i]) == length && strncmp(b->stage_names[i], name, length) == 0) return i;
    return -1;
}

static ps_status placement_unknown(const ps_builder *b, const char *word, size_t length) {
    char stages[512] = "";
    for (int i = 0; i < b->stage_count; i++)
        snprintf(stages + strlen(stages), sizeof stages - strlen(stages), "%s%s", i ? ", " : "", b->stage_names[i]);
    return ps_fail(PS_ERR_USAGE,
                   "Pool Skip placement: \"%.*s\" is unknown; use \"blocks\", \"all\", \"1x1\", or a stage or range "
                   "\"a..b\" of the stages "
                   "of %s: %s",
                   (int)(length < 80 ? length : 80), word, b->graph->name, stages);
}

static bool word_is(const char *word, size_t length, const char *what) {
    return strlen(what) == length && strncmp(word, what, length) == 0;
}

static ps_status parse_range(ps_builder *b, const char *word, size_t length) {
    const char *dots = NULL;
    for (size_t i = 0; i + 1 < length && dots == NULL; i++)
        if (word[i] == '.' && word[i + 1] == '.') dots = word + i;
    int first = find_stage(b, word, dots != NULL ? (size_t)(dots - word) : length);
    int last = dots != NULL ? find_stage(b, dots + 2, length - (size_t)(dots + 2 - word)) : first;
    if (first < 0 || last < 0) return placement_unknown(b, word, length);
    if (first > last)
        return ps_fail(PS_ERR_USAGE, "Pool Skip placement: \"%.*s\" runs backwards; write \"%s..%s\"", (int)length,
                       word, b->stage_names[last], b->stage_names[first]);
    for (int i = first; i <= last; i++) b->selected[i] = true;
    return PS_OK;
}

/* Words are joined by commas: kinds narrow down or widen what counts, ranges add up. */
static ps_status parse_placement(ps_builder *b, const char *text) {
    for (const char *word = text; word != NULL;) {
        const char *comma = strchr(word, ',');
        while (*word == ' ') word++;
        size_t length = comma != NULL ? (size_t)(comma - word) : strlen(word);
        while (length > 0 && word[length - 1] == ' ') length--;
        if (word_is(word, length, "all")) {
            b->all = true;
        } else if (word_is(word, length, "1x1")) {
            b->only_1x1 = true;
        } else if (!word_is(word, length, "blocks")) {
            PS_TRY(parse_range(b, word, length));
            b->ranges = true;
        }
        word = comma != NULL ? comma + 1 : NULL;
    }
    for (int i = 0; i < b->stage_count && !b->ranges; i++) b->selected[i] = true;
    return PS_OK;
}

void ps_builder_usual_stages(ps_builder *b, int first, int last) {
    for (int i = 0; i < b->stage_count && !b->ranges && !b->all; i++) b->selected[i] = i >= first && i <= last;
}

static bool is_placed(const ps_builder *b, const ps_builder_conv_spec *spec) {
    if (b->options->pool_skip.pool_size == 0 || b->stage >= b->stage_count || !b->selected[b->stage]) return false;
    if (spec->outside && !b->all) return false;
    return !b->only_1x1 || (spec->kernel == 1 && spec->kernels.side[2] <= 1);
}

static void module_attributes(const ps_pool_skip_config *skip, int pool_size, char text[MODULE_SIZE]) {
    char cut[64] = "";
    if (skip->cut != NULL) snprintf(cut, sizeof cut, ", \"cut\": \"%s\"", skip->cut);
    snprintf(text, MODULE_SIZE, "{\"pool_size\": %d, \"mode\": \"%s\"%s%s}", pool_size,
             skip->mode != NULL ? skip->mode : "full", skip->zero_init ? ", \"zero_init\": true" : "", cut);
}

ps_status ps_model_check_pool_skip(const ps_pool_skip_config *skip) {
    const ps_layer_type *type;
    char text[MODULE_SIZE];
    cJSON *attributes;
    void *config = NULL;
    module_attributes(skip, 1, text);
    PS_TRY(ps_layer_find("pool_skip", "Pool Skip", &type));
    PS_TRY(ps_json_parse(text, "Pool Skip", &attributes));
    ps_status status = ps_attributes_read(type, attributes, "Pool Skip", &config);
    cJSON_Delete(attributes);
    ps_free(config);
    return status;
}

/* ---- begin and end ---- */

static const char *const activations[] = {"relu", "leaky_relu", "relu6", "elu", "gelu", "silu", "prelu", NULL};

static ps_status check_activation(const char *name, const ps_model_options *o) {
    char known[128] = "";
    if (o->activation == NULL || o->activation[0] == '\0') return PS_OK;
    if (o->leaky_slope > 0 && strcmp(o->activation, "leaky_relu") != 0)
        return ps_fail(PS_ERR_USAGE,
                       "%s: the slope %g is of LeakyReLU, but the activation is to be \"%.40s\"; leave one of both out",
                       name, o->leaky_slope, o->activation);
    for (int i = 0; activations[i] != NULL; i++) {
        if (strcmp(o->activation, activations[i]) == 0) return PS_OK;
        snprintf(known + strlen(known), sizeof known - strlen(known), "%s%s", i > 0 ? ", " : "", activations[i]);
    }
    return ps_fail(PS_ERR_USAGE, "%s: activation \"%.40s\" is unknown; use one of %s", name, o->activation, known);
}

static ps_status check_options(const char *name, const ps_model_options *o) {
    if (!(o->width > 0 && o->width <= 64))
        return ps_fail(PS_ERR_USAGE, "%s: width is %g; it must be above 0 and at most 64", name, o->width);
    if (o->classes < 1) return ps_fail(PS_ERR_USAGE, "%s: needs at least one class, not %d", name, o->classes);
    if (!(o->leaky_slope >= 0 && o->leaky_slope < 1))
        return ps_fail(PS_ERR_USAGE, "%s: the slope of LeakyReLU is %g; it must be from 0 (ReLU) to below 1", name,
                       o->leaky_slope);
    PS_TRY(check_activation(name, o));
    if (o->tokens.heads != 0 || o->tokens.patch != 0 || o->tokens.tokenizer_kernel != 0 || o->drop_path > 0)
        return ps_fail(PS_ERR_USAGE,
                       "%s: heads, patch, tokenizer and drop path are options of transformers; leave them out here, or "
                       "take vit_7_4_32, cvt_7_4_32 or cct_7_3x1_32",
                       name);
    const ps_segmentation_options *s = &o->segmentation;
    if (s->output_stride != 0 || s->kernel != 0 || s->no_deep_supervision || s->plan != NULL)
        return ps_fail(PS_ERR_USAGE,
                       "%s: the output stride is an option of deeplabv3plus networks, the kernel one of vnet, deep "
                       "supervision and plans are of nnunet2d and nnunet3d; leave them out here",
                       name);
    if (!(o->dropout < 1)) return ps_fail(PS_ERR_USAGE, "%s: dropout is %g; it must be below 1", name, o->dropout);
    int largest = o->input.d > 1 ? 6 : 16; /* what the layer takes (kernels/pool_skip.h) */
    if (o->pool_skip.pool_size < 0 || o->pool_skip.pool_size > largest)
        return ps_fail(
            PS_ERR_USAGE,
            "%s: Pool Skip's pool size is %d; use 1, 2, 4 or any number up to %d here, or 0 for no Pool Skip", name,
            o->pool_skip.pool_size, largest);
    return PS_OK;
}

ps_status ps_builder_begin(ps_builder *b, const char *name, const ps_model_options *options,
                           const char *const *stage_names, int stage_count, const char *head) {
    *b = (ps_builder){
        .options = options, .stage_names = stage_names, .stage_count = stage_count, .head = head, .tail = -1};
    b->activation = "relu";
    b->own_momentum = PS_NORM_MOMENTUM;
    PS_TRY(check_options(name, options));
    PS_TRY(ps_graph_create(name, options->input, &b->graph));
    if (options->pool_skip.pool_size == 0) PS_TRY(ps_model_check_pool_skip(&options->pool_skip));
    return parse_placement(b, options->pool_skip.placement != NULL ? options->pool_skip.placement : "blocks");
}

static ps_status check_inserted(const ps_builder *b) {
    const ps_pool_skip_config *skip = &b->options->pool_skip;
    if (skip->pool_size == 0) return PS_OK;
    if (b->inserted == 0)
        return ps_fail(PS_ERR_USAGE,
                       "Pool Skip placement \"%s\" selects no convolution of %s; choose another placement",
                       skip->placement != NULL ? skip->placement : "blocks", b->graph->name);
    if (b->fitting == 0)
        return ps_fail(PS_ERR_USAGE,
                       "Pool Skip's pool size %d is larger than every map of %s it would stand on; use at most %d",
                       skip->pool_size, b->graph->name, b->largest_side);
    return PS_OK;
}

ps_status ps_builder_finish(ps_builder *b, ps_graph **out) {
    *out = NULL;
    PS_TRY(check_inserted(b));
    *out = b->graph;
    b->graph = NULL;
    return PS_OK;
}

void ps_builder_discard(ps_builder *b) {
    ps_graph_destroy(b->graph);
    b->graph = NULL;
}

ps_status ps_builder_stages(const char *name, const ps_model_options *options, const int *own, int own_count, int most,
                            const int **stages, int *count) {
    *stages = options->stages != NULL ? options->stages : own;
    *count = options->stages != NULL ? options->stage_count : own_count;
    if (*count < 1 || *count > most)
        return ps_fail(PS_ERR_USAGE, "%s: takes a list of 1 to %d stages, not %d", name, most, *count);
    for (int i = 0; i < *count; i++)
        if ((*stages)[i] < 1 || (*stages)[i] > PS_BUILDER_MAX_BLOCKS)
            return ps_fail(PS_ERR_USAGE, "%s: stage %d has %d blocks; each stage takes 1 to %d", name, i + 1,
                           (*stages)[i], PS_BUILDER_MAX_BLOCKS);
    return PS_OK;
}

ps_status ps_builder_fixed_stages(const char *name, const ps_model_options *options) {
    if (options->stages == NULL) return PS_OK;
    return ps_fail(PS_ERR_USAGE, "%s: its blocks are fixed, so that \"stages\" has nothing to choose; leave it out",
                   name);
}

int ps_builder_width(const ps_builder *b, int channels) {
    double width = floor(channels * b->options->width + 0.5);
    return width < 1 ? 1 : (int)width;
}

static const char *stage_name(const ps_builder *b) {
    return b->stage < b->stage_count ? b->stage_names[b->stage] : b->head;
}

bool ps_builder_is_3d(const ps_builder *b) { return b->options->input.d > 1; }

ps_status ps_builder_check_dims(const ps_builder *b, bool volumes) {
    if (ps_builder_is_3d(b) == volumes) return PS_OK;
    return ps_fail(
        PS_ERR_USAGE, "%s: takes %s, and the input has a depth of %d; %s", b->graph->name,
        volumes ? "volumes" : "flat images", b->options->input.d,
        volumes ? "give it volumes, or patches of three sides" : "take a model for volumes (unet3d, vnet, nnunet)");
}

ps_status ps_builder_check_divides(const ps_builder *b, const ps_builder_extent *factor) {
    ps_shape in = b->options->input;
    const int side[3] = {in.d, in.h, in.w}, *f = factor->side;
    int up[3];
    bool fits = true;
    for (int i = 0; i < 3; i++) {
        up[i] = (side[i] + f[i] - 1) / f[i] * f[i];
        fits = fits && (up[i] == side[i] || (i == 0 && in.d == 1));
    }
    if (fits) return PS_OK;
    return ps_fail(PS_ERR_USAGE,
                   "%s: an input of %d x %d x %d (d, h, w) does not divide by %d x %d x %d, by which its maps become "
                   "smaller and meet again; take patches (or an input) of %d,%d,%d",
                   b->graph->name, in.d, in.h, in.w, f[0], f[1], f[2], in.d == 1 ? 1 : up[0], up[1], up[2]);
}

ps_shape ps_builder_shape(const ps_builder *b) { return b->tail < 0 ? b->graph->input : b->graph->op[b->tail].shape; }

/* ---- operations ---- */

ps_status ps_builder_add(ps_builder *b, const char *type, const char *name, const char *file_name, int second,
                         const char *attributes) {
    ps_op_spec spec = {.name = name, .file_name = file_name, .stage = stage_name(b), .type = type, .inputs = 1};
    spec.input[0] = b->tail;
    if (second >= 0) spec.input[spec.inputs++] = second;
    return ps_graph_add(b->graph, &spec, &b->tail, "%s", attributes);
}

static int smallest_side(ps_shape s) {
    int side = s.h < s.w ? s.h : s.w;
    return s.d > 1 && s.d < side ? s.d : side;
}

/* Placement is automatic here, so an e that does not fit the map is clipped to it; the operation keeps what was asked
 * for. */
static ps_status insert_pool_skip(ps_builder *b, const char *conv_name, const char *file_name) {
    const ps_pool_skip_config *skip = &b->options->pool_skip;
    char name[NAME_SIZE + 16], attributes[MODULE_SIZE];
    int side = smallest_side(ps_builder_shape(b)), e = skip->pool_size;
    /* conv+skip never pools, so any e fits it. */
    if (e > side && !(skip->mode != NULL && strcmp(skip->mode, "conv+skip") == 0)) e = side;
    snprintf(name, sizeof name, "%s.pool_skip", conv_name);
    module_attributes(skip, e, attributes);
    ps_op_spec spec = {.name = name,
                       .file_name = file_name,
                       .stage = stage_name(b),
                       .module = true,
                       .type = "pool_skip",
                       .inputs = 1,
                       .input = {b->tail},
                       .pool_size_asked = e < skip->pool_size ? skip->pool_size : 0};
    b->inserted++;
    b->fitting += e == skip->pool_size;
    if (side > b->largest_side) b->largest_side = side;
    return ps_graph_add(b->graph, &spec, &b->tail, "%s", attributes);
}

static ps_builder_extent extent_or(const ps_builder_extent *extent, int side) {
    if (extent->side[0] > 0 || extent->side[1] > 0 || extent->side[2] > 0) return *extent;
    return (ps_builder_extent){{side, side, side}};
}

/* A number where all sides are the same. */
static const char *extent_text(const ps_builder *b, const ps_builder_extent *extent, char text[48]) {
    const int *side = extent->side;
    bool deep = ps_builder_is_3d(b);
    if (side[1] == side[2] && (!deep || side[0] == side[1])) snprintf(text, 48, "%d", side[1]);
    else if (deep) snprintf(text, 48, "[%d, %d, %d]", side[0], side[1], side[2]);
    else snprintf(text, 48, "[%d, %d]", side[1], side[2]);
    return text;
}

ps_status ps_builder_join(ps_builder *b, const char *type, const char *name, int first) {
    ps_op_spec spec = {.name = name, .stage = stage_name(b), .type = type, .inputs = 2, .input = {first, b->tail}};
    return ps_graph_add(b->graph, &spec, &b->tail, "{}");
}

ps_status ps_builder_conv_transpose(ps_builder *b, int channels, const ps_builder_extent *strides, bool bias,
                                    const char *name, const char *file_name) {
    char extent[48], attributes[160];
    extent_text(b, strides, extent);
    snprintf(attributes, sizeof attributes, "{\"channels\": %d, \"kernel\": %s, \"stride\": %s, \"bias\": %s%s}",
             channels, extent, extent, bias ? "true" : "false", ps_builder_is_3d(b) ? ", \"dims\": 3" : "");
    return ps_builder_add(b, "conv_transpose", name, file_name, -1, attributes);
}

ps_status ps_builder_classes(ps_builder *b, const char *name, const char *file_name, const double *weight) {
    ps_op_spec spec = {.name = name,
                       .file_name = file_name,
                       .stage = stage_name(b),
                       .type = "conv",
                       .inputs = 1,
                       .input = {b->tail},
                       .output = weight != NULL,
                       .loss_weight = weight != NULL ? *weight : 0};
    return ps_graph_add(b->graph, &spec, &b->tail, "{\"channels\": %d, \"kernel\": 1%s}", b->options->classes,
                        ps_builder_is_3d(b) ? ", \"dims\": 3" : "");
}

ps_status ps_builder_conv(ps_builder *b, const ps_builder_conv_spec *spec, const char *name, const char *file_name,
                          const char *skip_file_name) {
    ps_op_spec op = {
        .name = name, .file_name = file_name, .stage = stage_name(b), .type = "conv", .inputs = 1, .input = {b->tail}};
    int dilation = spec->dilation > 1 ? spec->dilation : 1;
    ps_builder_extent kernels = extent_or(&spec->kernels, spec->kernel), padding = {{0, 0, 0}};
    ps_builder_extent strides = extent_or(&spec->strides, spec->stride);
    for (int i = 0; i < 3 && !spec->unpadded; i++) padding.side[i] = dilation * (kernels.side[i] / 2);
    char parts[2][32] = {"", ""}, extents[3][48];
    if (spec->groups > 1) snprintf(parts[0], sizeof parts[0], ", \"groups\": %d", spec->groups);
    if (dilation > 1) snprintf(parts[1], sizeof parts[1], ", \"dilation\": %d", dilation);
    PS_TRY(ps_graph_add(b->graph, &op, &b->tail,
                        "{\"channels\": %d, \"kernel\": %s, \"stride\": %s, \"padding\": %s, \"bias\": %s%s%s%s}",
                        spec->channels, extent_text(b, &kernels, extents[0]), extent_text(b, &strides, extents[1]),
                        extent_text(b, &padding, extents[2]), spec->bias ? "true" : "false", parts[0], parts[1],
                        ps_builder_is_3d(b) ? ", \"dims\": 3" : ""));
    return is_placed(b, spec) ? insert_pool_skip(b, name, skip_file_name) : PS_OK;
}

/* eps 0: the layer's own. */
static void norm_attributes(const ps_builder *b, double eps, char *text, size_t size) {
    double asked = b->options->norm_momentum, momentum = asked != PS_NORM_MOMENTUM ? asked : b->own_momentum;
    char parts[2][48] = {"", ""};
    if (momentum != PS_NORM_MOMENTUM) snprintf(parts[0], sizeof parts[0], "\"momentum\": %.9g", momentum);
    if (eps > 0) snprintf(parts[1], sizeof parts[1], "\"eps\": %.9g", eps);
    snprintf(text, size, "{%s%s%s}", parts[0], parts[0][0] && parts[1][0] ? ", " : "", parts[1]);
}

ps_status ps_builder_norm(ps_builder *b, const char *name, const char *file_name) {
    char attributes[128];
    norm_attributes(b, 0, attributes, sizeof attributes);
    return ps_builder_add(b, "batch_norm", name, file_name, -1, attributes);
}

ps_status ps_builder_gate(ps_builder *b, const char *name, const char *file_name) {
    char attributes[64] = "{}";
    const char *asked = b->options->activation;
    bool sloped = b->options->leaky_slope > 0, given = asked != NULL && asked[0] != '\0';
    double slope = sloped ? b->options->leaky_slope : !given ? b->own_slope : 0;
    bool leaky = sloped || (given && strcmp(asked, "leaky_relu") == 0);
    b->graph->leaky_control = leaky && strcmp(b->activation, "leaky_relu") != 0;
    if (slope > 0) snprintf(attributes, sizeof attributes, "{\"slope\": %.9g}", slope);
    return ps_builder_add(b, sloped ? "leaky_relu" : given ? asked : b->activation, name, file_name, -1, attributes);
}

ps_status ps_builder_linear(ps_builder *b, int features, const char *name) {
    char attributes[64];
    snprintf(attributes, sizeof attributes, "{\"features\": %d}", features);
    return ps_builder_add(b, "linear", name, NULL, -1, attributes);
}

static ps_status add_dropout(ps_builder *b, double own, const char *name, const char *more) {
    char attributes[64];
    double rate = b->options->dropout < 0 ? own : b->options->dropout;
    if (rate == 0) return PS_OK;
    snprintf(attributes, sizeof attributes, "{\"p\": %.9g%s}", rate, more);
    return ps_builder_add(b, "dropout", name, NULL, -1, attributes);
}

ps_status ps_builder_dropout(ps_builder *b, double own, const char *name) { return add_dropout(b, own, name, ""); }

ps_status ps_builder_channel_dropout(ps_builder *b, double own, const char *name) {
    return add_dropout(b, own, name, ", \"channels\": true");
}

ps_status ps_builder_resize(ps_builder *b, const char *name, int like) {
    ps_op_spec spec = {.name = name, .stage = stage_name(b), .type = "resize", .inputs = 2, .input = {b->tail, like}};
    return ps_graph_add(b->graph, &spec, &b->tail, "{}");
}

/* ---- members of a sequence ---- */

typedef struct {
    char name[NAME_SIZE], file_name[NAME_SIZE], skip_file_name[NAME_SIZE];
} member;

static void name_member(const ps_sequence *sequence, member *m) {
    snprintf(m->name, sizeof m->name, "%s.%d", sequence->prefix, sequence->index);
    snprintf(m->file_name, sizeof m->file_name, "%s.%d", sequence->prefix, sequence->file_index);
    snprintf(m->skip_file_name, sizeof m->skip_file_name, "%s.%d", sequence->prefix, sequence->file_index + 1);
}

ps_status ps_sequence_conv(ps_builder *b, ps_sequence *sequence, const ps_builder_conv_spec *spec) {
    member m;
    name_member(sequence, &m);
    sequence->index++;
    sequence->file_index += is_placed(b, spec) ? 2 : 1;
    return ps_builder_conv(b, spec, m.name, m.file_name, m.skip_file_name);
}

ps_status ps_sequence_add(ps_builder *b, ps_sequence *sequence, const char *type, const char *attributes) {
    member m;
    name_member(sequence, &m);
    sequence->index++;
    sequence->file_index++;
    return ps_builder_add(b, type, m.name, m.file_name, -1, attributes);
}

ps_status ps_sequence_norm_eps(ps_builder *b, ps_sequence *sequence, double eps) {
    char attributes[128];
    norm_attributes(b, eps, attributes, sizeof attributes);
    return ps_sequence_add(b, sequence, "batch_norm", attributes);
}

ps_status ps_sequence_norm(ps_builder *b, ps_sequence *sequence) { return ps_sequence_norm_eps(b, sequence, 0); }

ps_status ps_sequence_gate(ps_builder *b, ps_sequence *sequence) {
    member m;
    name_member(sequence, &m);
    sequence->index++;
    sequence->file_index++;
    return ps_builder_gate(b, m.name, m.file_name);
}
