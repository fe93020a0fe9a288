/* nnU-Net (Isensee et al. 2021, arXiv 1904.08128), version 2: a U-Net of convolution, instance normalisation and
 * LeakyReLU, two a level; the first of each level takes the stride; how many levels, which strides and kernels is
 * planned from the data, or from the input's shape where there is no plan. The loss reads a map of every level of the
 * way up. Names follow MIC-DKFZ/dynamic-network-architectures: encoder.stages.S.0.convs.N.conv, decoder.transpconvs.I,
 * decoder.stages.I.convs.N.conv, decoder.seg_layers.I.
 *
 * Pool Skip goes behind all convolutions of the encoder, as in the paper. */
#include <stdio.h>

#include "models/builder.h"
#include "models/family.h"

enum {
    PREFIX_SIZE = 96,
    NAME_SIZE = 128,
    CONVS = 2,
    SMALLEST_HALVED = 8,
    SMALLEST_HALVED_ALONE = 12,
    STAGES = 2 * PS_UNET_MOST_STAGES
};
static const char *const stage_names[STAGES] = {
    "encoder0", "encoder1", "encoder2",  "encoder3",  "encoder4",  "encoder5",  "encoder6",  "encoder7",
    "encoder8", "encoder9", "encoder10", "encoder11", "encoder12", "encoder13", "encoder14", "encoder15",
    "decoder0", "decoder1", "decoder2",  "decoder3",  "decoder4",  "decoder5",  "decoder6",  "decoder7",
    "decoder8", "decoder9", "decoder10", "decoder11", "decoder12", "decoder13", "decoder14", "decoder15"};

typedef struct {
    ps_builder *builder;
    ps_unet_plan plan;
    bool deep;
} nnunet;

/* ---- the plan that follows from the shape ---- */

static bool may_halve(const int side[3], int axis, int axes) {
    return side[axis] >= (axes == 1 ? SMALLEST_HALVED_ALONE : SMALLEST_HALVED);
}

/* The published rules for cells of equal sides (nnunetv2, network_topology.py). */
static void plan_by_shape(ps_shape input, ps_unet_plan *plan) {
    int side[3] = {input.d, input.h, input.w}, most = input.d > 1 ? 320 : 512;
    *plan = (ps_unet_plan){.stages = 1, .stride = {{1, 1, 1}}};
    while (plan->stages < PS_UNET_MOST_STAGES) {
        int axes = 0, *stride = plan->stride[plan->stages];
        for (int i = 0; i < 3; i++) axes += side[i] >= SMALLEST_HALVED;
        if (axes == 0) break;
        bool any = false;
        for (int i = 0; i < 3; i++) {
            stride[i] = may_halve(side, i, axes) ? 2 : 1;
            side[i] = (side[i] + stride[i] - 1) / stride[i];
            any = any || stride[i] > 1;
        }
        if (!any) break;
        plan->stages++;
    }
    for (int s = 0; s < plan->stages; s++) {
        for (int i = 0; i < 3; i++) plan->kernel[s][i] = i == 0 && input.d == 1 ? 1 : 3;
        plan->channels[s] = 32 << s < most ? 32 << s : most;
    }
}

static ps_status check_plan(const ps_builder *b, const ps_unet_plan *plan) {
    ps_builder_extent factor = {{1, 1, 1}};
    if (plan->stages < 2)
        return ps_fail(PS_ERR_USAGE,
                       "%s: an input of %d x %d x %d (d, h, w) is too small to be halved; take larger "
                       "patches",
                       b->graph->name, b->options->input.d, b->options->input.h, b->options->input.w);
    for (int s = 1; s < plan->stages; s++)
        for (int i = 0; i < 3; i++) factor.side[i] *= plan->stride[s][i];
    return ps_builder_check_divides(b, &factor);
}

/* ---- the network ---- */

static ps_builder_extent extent_of(const int side[3]) { return (ps_builder_extent){{side[0], side[1], side[2]}}; }

static ps_status add_conv(const nnunet *n, const char *prefix, const ps_builder_conv_spec *spec) {
    ps_builder *b = n->builder;
    char name[NAME_SIZE];
    snprintf(name, sizeof name, "%s.conv", prefix);
    PS_TRY(ps_builder_conv(b, spec, name, NULL, NULL));
    snprintf(name, sizeof name, "%s.norm", prefix);
    PS_TRY(ps_builder_add(b, "instance_norm", name, NULL, -1, "{}"));
    snprintf(name, sizeof name, "%s.nonlin", prefix);
    return ps_builder_gate(b, name, NULL);
}

static ps_status add_convs(const nnunet *n, const char *stage, int level, bool encoder) {
    const int one[3] = {1, 1, 1};
    char prefix[PREFIX_SIZE];
    for (int i = 0; i < CONVS; i++) {
        ps_builder_conv_spec spec = {.channels = ps_builder_width(n->builder, n->plan.channels[level]),
                                     .kernels = extent_of(n->plan.kernel[level]),
                                     .strides = extent_of(encoder && i == 0 ? n->plan.stride[level] : one),
                                     .bias = true,
                                     .outside = !encoder};
        snprintf(prefix, sizeof prefix, "%s.convs.%d", stage, i);
        PS_TRY(add_conv(n, prefix, &spec));
    }
    return PS_OK;
}

/* Of decoder stage i, from the lowest on: halved with every level away from the last, the lowest 0, 1 in all. */
static double loss_weight(const nnunet *n, int i) {
    int heads = n->plan.stages - 1;
    double sum = 0;
    if (heads == 1) return 1;
    for (int k = 1; k < heads; k++) sum += 1.0 / (double)(1 << (heads - 1 - k));
    return i == 0 ? 0 : 1.0 / (double)(1 << (heads - 1 - i)) / sum;
}

static ps_status add_head(const nnunet *n, int i) {
    ps_builder *b = n->builder;
    char name[NAME_SIZE];
    int from = b->tail;
    double weight = n->deep ? loss_weight(n, i) : 1;
    bool last = i == n->plan.stages - 2;
    if (!last && !n->deep) return PS_OK;
    snprintf(name, sizeof name, "decoder.seg_layers.%d", i);
    PS_TRY(ps_builder_classes(b, name, NULL, &weight));
    if (!last) b->tail = from;
    return PS_OK;
}

static ps_status add_decoder_stage(const nnunet *n, int i, int skip) {
    ps_builder *b = n->builder;
    int level = n->plan.stages - 2 - i;
    char name[NAME_SIZE];
    ps_builder_extent stride = extent_of(n->plan.stride[level + 1]);
    b->stage = PS_UNET_MOST_STAGES + i;
    snprintf(name, sizeof name, "decoder.transpconvs.%d", i);
    PS_TRY(ps_builder_conv_transpose(b, ps_builder_width(b, n->plan.channels[level]), &stride, true, name, NULL));
    snprintf(name, sizeof name, "decoder.concat.%d", i);
    PS_TRY(ps_builder_add(b, "concat", name, NULL, skip, "{}"));
    snprintf(name, sizeof name, "decoder.stages.%d", i);
    PS_TRY(add_convs(n, name, level, false));
    return add_head(n, i);
}

static ps_status add_all(nnunet *n, bool volumes) {
    ps_builder *b = n->builder;
    int skip[PS_UNET_MOST_STAGES];
    char name[NAME_SIZE];
    PS_TRY(ps_builder_check_dims(b, volumes));
    if (n->plan.stages == 0) plan_by_shape(b->options->input, &n->plan);
    PS_TRY(check_plan(b, &n->plan));
    b->activation = "leaky_relu";
    b->own_slope = 0.01;
    ps_builder_usual_stages(b, 0, PS_UNET_MOST_STAGES - 1);
    for (int level = 0; level < n->plan.stages; level++) {
        b->stage = level;
        snprintf(name, sizeof name, "encoder.stages.%d.0", level);
        PS_TRY(add_convs(n, name, level, true));
        skip[level] = b->tail;
    }
    for (int i = 0; i < n->plan.stages - 1; i++) PS_TRY(add_decoder_stage(n, i, skip[n->plan.stages - 2 - i]));
    return PS_OK;
}

static ps_status build_nnunet(const char *name, bool volumes, const ps_model_options *options, ps_graph **out) {
    ps_builder b;
    nnunet n = {.builder = &b, .deep = !options->segmentation.no_deep_supervision};
    *out = NULL;
    if (options->segmentation.plan != NULL) n.plan = *options->segmentation.plan;
    PS_TRY(ps_builder_fixed_stages(name, options));
    ps_model_options others = *options;
    others.segmentation.no_deep_supervision = false;
    others.segmentation.plan = NULL;
    ps_status status = ps_builder_begin(&b, name, &others, stage_names, STAGES, "head");
    if (status == PS_OK) status = add_all(&n, volumes);
    if (status == PS_OK) status = ps_builder_finish(&b, out);
    ps_builder_discard(&b);
    return status;
}

static ps_status build_nnunet2d(const ps_model_options *options, ps_graph **out) {
    return build_nnunet("nnunet2d", false, options, out);
}

static ps_status build_nnunet3d(const ps_model_options *options, ps_graph **out) {
    return build_nnunet("nnunet3d", true, options, out);
}

extern const ps_model ps_models_nnunet[];
const ps_model ps_models_nnunet[] = {
    {"nnunet2d", "segmentation: U-Net planned from the data, instance norm, LeakyReLU, deep supervision",
     build_nnunet2d, PS_FAMILY_PLANNED(1, 64, 64)},
    {"nnunet3d", "the same for volumes", build_nnunet3d, PS_FAMILY_PLANNED(32, 32, 32)},
    {0}};
