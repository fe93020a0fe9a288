/* V-Net (Milletari et al. 2016, arXiv 1606.04797) as JiYuanFeng/AMOS and MONAI have it: 5x5x5 convolutions without
 * bias, normalised, ELU; every level adds what it began with to what its convolutions made of it; halved by strided,
 * doubled by transposed convolutions. Names: in_tr, down_tr32 .. down_tr256, up_tr256 .. up_tr32, out_tr.
 *
 * Pool Skip goes to the first two encoder stages, as in the paper. No gate but a ReLU can be exactly dead: with ELU see
 * the saturated share. */
#include <stdio.h>

#include "models/builder.h"
#include "models/family.h"

enum { PREFIX_SIZE = 96, NAME_SIZE = 128, STAGES = 9, LEVELS = 4 };
static const char *const stage_names[STAGES] = {"in_tr",    "down_tr32", "down_tr64", "down_tr128", "down_tr256",
                                                "up_tr256", "up_tr128",  "up_tr64",   "up_tr32"};
/* Convolutions of each level; whether what enters it is dropped by half. */
static const struct {
    int channels, convs;
    bool dropped;
} down[LEVELS] = {{32, 1, false}, {64, 2, false}, {128, 3, true}, {256, 2, true}},
  up[LEVELS] = {{256, 2, true}, {128, 2, true}, {64, 1, false}, {32, 1, false}};

typedef struct {
    ps_builder *builder;
    int kernel;
} vnet;

/* Of a part of the present stage, into `name` of NAME_SIZE bytes, which is returned. */
static const char *name_of(const vnet *v, const char *part, char *name) {
    int stage = v->builder->stage;
    snprintf(name, NAME_SIZE, "%s.%s", stage < STAGES ? stage_names[stage] : "out_tr", part);
    return name;
}

static ps_status add_part(const vnet *v, const char *type, const char *part, int second, const char *attributes) {
    char name[NAME_SIZE];
    return ps_builder_add(v->builder, type, name_of(v, part, name), NULL, second, attributes);
}

static ps_status add_gate(const vnet *v, const char *part) {
    char name[NAME_SIZE];
    return ps_builder_gate(v->builder, name_of(v, part, name), NULL);
}

static ps_status add_norm(const vnet *v, const char *part) {
    char name[NAME_SIZE];
    return ps_builder_norm(v->builder, name_of(v, part, name), NULL);
}

/* Convolution and normalisation, as MONAI's Convolution has them. */
static ps_status add_conv(const vnet *v, const char *prefix, const ps_builder_conv_spec *spec) {
    ps_builder *b = v->builder;
    char name[NAME_SIZE], norm[NAME_SIZE];
    snprintf(name, sizeof name, "%s.conv_block.conv", prefix);
    snprintf(norm, sizeof norm, "%s.conv_block.adn.N", prefix);
    PS_TRY(ps_builder_conv(b, spec, name, NULL, NULL));
    return ps_builder_norm(b, norm, NULL);
}

static ps_status add_dropout(const vnet *v, double own, const char *part) {
    char name[NAME_SIZE];
    return ps_builder_channel_dropout(v->builder, own, name_of(v, part, name));
}

/* What the level began with is added behind the last normalisation, in front of its gate. */
static ps_status add_ops(const vnet *v, int count, int channels, bool outside, int from) {
    char prefix[PREFIX_SIZE], gate[PREFIX_SIZE];
    ps_builder_conv_spec spec = {.channels = channels, .kernel = v->kernel, .stride = 1, .outside = outside};
    for (int i = 0; i < count; i++) {
        snprintf(prefix, sizeof prefix, "%s.ops.%d", stage_names[v->builder->stage], i);
        snprintf(gate, sizeof gate, "ops.%d.act_function", i);
        PS_TRY(add_conv(v, prefix, &spec));
        PS_TRY(add_gate(v, gate));
    }
    PS_TRY(add_part(v, "add", "add", from, "{}"));
    return add_gate(v, "act_function2");
}

/* The input itself, so often that it has as many channels as the convolution, is added to it. */
static ps_status add_repeated_input(const vnet *v, int channels, int *repeated) {
    ps_builder *b = v->builder;
    int own = b->options->input.c, times = channels / own;
    ps_op_spec spec = {.name = "in_tr.repeat", .stage = "in_tr", .type = "concat", .inputs = times};
    if (channels % own != 0 || times > PS_LAYER_MAX_INPUTS)
        return ps_fail(
            PS_ERR_USAGE,
            "vnet: its first %d channels must be 1 to %d times the input's %d, which is repeated to be added "
            "to them; choose another --width",
            channels, PS_LAYER_MAX_INPUTS, own);
    for (int i = 0; i < times; i++) spec.input[i] = -1;
    *repeated = -1;
    return times > 1 ? ps_graph_add(b->graph, &spec, repeated, "{}") : PS_OK;
}

static ps_status add_in(const vnet *v) {
    ps_builder *b = v->builder;
    int channels = ps_builder_width(b, 16), repeated;
    ps_builder_conv_spec spec = {.channels = channels, .kernel = v->kernel, .stride = 1};
    PS_TRY(add_repeated_input(v, channels, &repeated));
    b->tail = -1;
    PS_TRY(add_conv(v, "in_tr", &spec));
    ps_op_spec add = {.name = "in_tr.add", .stage = "in_tr", .type = "add", .inputs = 2, .input = {b->tail, repeated}};
    PS_TRY(ps_graph_add(b->graph, &add, &b->tail, "{}"));
    return add_gate(v, "act_function");
}

static ps_status add_down(const vnet *v, int level) {
    ps_builder *b = v->builder;
    char name[NAME_SIZE];
    int channels = ps_builder_width(b, down[level].channels);
    ps_builder_conv_spec spec = {.channels = channels, .kernel = 2, .stride = 2, .unpadded = true};
    PS_TRY(ps_builder_conv(b, &spec, name_of(v, "down_conv", name), NULL, NULL));
    PS_TRY(add_norm(v, "bn1"));
    PS_TRY(add_gate(v, "act_function1"));
    int from = b->tail;
    if (down[level].dropped) PS_TRY(add_dropout(v, 0.5, "dropout"));
    return add_ops(v, down[level].convs, channels, false, from);
}

static ps_status add_up(const vnet *v, int level, int skip) {
    static const ps_builder_extent twice = {{2, 2, 2}};
    ps_builder *b = v->builder;
    char name[NAME_SIZE];
    int tail = b->tail;
    b->tail = skip;
    PS_TRY(add_dropout(v, 0.5, "dropout2"));
    skip = b->tail;
    b->tail = tail;
    if (up[level].dropped) PS_TRY(add_dropout(v, 0.5, "dropout"));
    PS_TRY(ps_builder_conv_transpose(b, ps_builder_width(b, up[level].channels / 2), &twice, true,
                                     name_of(v, "up_conv", name), NULL));
    PS_TRY(add_norm(v, "bn1"));
    PS_TRY(add_gate(v, "act_function1"));
    PS_TRY(add_part(v, "concat", "concat", skip, "{}"));
    return add_ops(v, up[level].convs, ps_builder_shape(b).c, true, b->tail);
}

static ps_status add_out(const vnet *v) {
    ps_builder *b = v->builder;
    ps_builder_conv_spec spec = {.channels = b->options->classes, .kernel = v->kernel, .stride = 1, .outside = true};
    b->stage = b->stage_count;
    PS_TRY(add_conv(v, "out_tr", &spec));
    PS_TRY(add_gate(v, "act_function1"));
    return ps_builder_classes(b, "out_tr.conv2", NULL, NULL);
}

static ps_status add_all(const vnet *v) {
    static const ps_builder_extent factor = {{16, 16, 16}};
    ps_builder *b = v->builder;
    int skip[LEVELS];
    PS_TRY(ps_builder_check_dims(b, true));
    PS_TRY(ps_builder_check_divides(b, &factor));
    b->activation = "elu";
    ps_builder_usual_stages(b, 0, 1);
    PS_TRY(add_in(v));
    for (int level = 0; level < LEVELS; level++) {
        skip[level] = b->tail;
        b->stage = 1 + level;
        PS_TRY(add_down(v, level));
    }
    for (int level = 0; level < LEVELS; level++) {
        b->stage = 1 + LEVELS + level;
        PS_TRY(add_up(v, level, skip[LEVELS - 1 - level]));
    }
    return add_out(v);
}

static ps_status build_vnet(const ps_model_options *options, ps_graph **out) {
    ps_builder b;
    vnet v = {&b, options->segmentation.kernel != 0 ? options->segmentation.kernel : 5};
    *out = NULL;
    PS_TRY(ps_builder_fixed_stages("vnet", options));
    if (v.kernel != 5 && v.kernel != 3)
        return ps_fail(PS_ERR_USAGE, "vnet: its kernels have a side of 5 or 3, not %d", v.kernel);
    ps_model_options others = *options;
    others.segmentation.kernel = 0;
    ps_status status = ps_builder_begin(&b, "vnet", &others, stage_names, STAGES, "out_tr");
    if (status == PS_OK) status = add_all(&v);
    if (status == PS_OK) status = ps_builder_finish(&b, out);
    ps_builder_discard(&b);
    return status;
}

extern const ps_model ps_models_vnet[];
const ps_model ps_models_vnet[] = {{"vnet", "segmentation of volumes: residual levels of 5x5x5 convolutions, ELU",
                                    build_vnet, PS_FAMILY_SEGMENTATION(32, 32, 32)},
                                   {0}};
