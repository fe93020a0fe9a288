/* MobileNet (Howard et al. 2017, arXiv 1704.04861) for CIFAR-sized input: a 3x3 stem of stride 1, then blocks of a
 * depthwise 3x3 convolution (no bias) and a pointwise one (with bias), each normalised and rectified. Names follow
 * weiaicunzai/pytorch-cifar100, models/mobilenet.py, whose widths are floor(width * C): stem.0.conv,
 * stem.1.depthwise.N, stem.1.pointwise.N, conv1.BLOCK.depthwise.N, ..., fc. */
#include <math.h>
#include <stdio.h>

#include "models/builder.h"
#include "models/family.h"

enum { MOST_STAGES = 7, FIRST_WIDTH = 32 };
static const char *const stage_names[] = {"stem", "conv1", "conv2", "conv3", "conv4", "conv5", "conv6"};

static int width_of(const ps_builder *b, int channels) {
    double width = floor(channels * b->options->width);
    return width < 1 ? 1 : (int)width;
}

static ps_status add_stem_conv(ps_builder *b) {
    ps_builder_conv_spec spec = {.channels = width_of(b, FIRST_WIDTH), .kernel = 3, .stride = 1};
    PS_TRY(ps_builder_conv(b, &spec, "stem.0.conv", NULL, "stem.0.pool_skip"));
    PS_TRY(ps_builder_norm(b, "stem.0.bn", NULL));
    return ps_builder_gate(b, "stem.0.relu", NULL);
}

static ps_status add_half(ps_builder *b, int block, const char *half, const ps_builder_conv_spec *spec) {
    char prefix[64];
    snprintf(prefix, sizeof prefix, "%s.%d.%s", stage_names[b->stage], block, half);
    ps_sequence sequence = {.prefix = prefix};
    PS_TRY(ps_sequence_conv(b, &sequence, spec));
    PS_TRY(ps_sequence_norm(b, &sequence));
    return ps_sequence_gate(b, &sequence);
}

/* The stem's own first member is its convolution, so that its blocks count from 1. */
static ps_status add_block(ps_builder *b, int number, int channels, int stride) {
    int inputs = ps_builder_shape(b).c, block = number + (b->stage == 0);
    ps_builder_conv_spec depthwise = {.channels = inputs, .kernel = 3, .stride = stride, .groups = inputs};
    ps_builder_conv_spec pointwise = {.channels = channels, .kernel = 1, .stride = 1, .bias = true};
    PS_TRY(add_half(b, block, "depthwise", &depthwise));
    return add_half(b, block, "pointwise", &pointwise);
}

static ps_status add_all(ps_builder *b, const int *stages, int count) {
    for (b->stage = 0; b->stage < count; b->stage++) {
        if (b->stage == 0) PS_TRY(add_stem_conv(b));
        for (int i = 0; i < stages[b->stage]; i++)
            PS_TRY(add_block(b, i, width_of(b, 2 * FIRST_WIDTH << b->stage), b->stage > 0 && i == 0 ? 2 : 1));
    }
    PS_TRY(ps_builder_add(b, "global_avg_pool", "avg", NULL, -1, "{}"));
    PS_TRY(ps_builder_dropout(b, 0, "dropout"));
    return ps_builder_linear(b, b->options->classes, "fc");
}

static ps_status build_mobilenet(const ps_model_options *options, ps_graph **out) {
    static const int own[] = {1, 2, 2, 6, 2};
    const int *stages;
    int count;
    ps_builder b;
    *out = NULL;
    PS_TRY(ps_builder_stages("mobilenet", options, own, 5, MOST_STAGES, &stages, &count));
    ps_status status = ps_builder_begin(&b, "mobilenet", options, stage_names, count, "head");
    if (status == PS_OK) status = add_all(&b, stages, count);
    if (status == PS_OK) status = ps_builder_finish(&b, out);
    ps_builder_discard(&b);
    return status;
}

extern const ps_model ps_models_mobilenet[];
const ps_model ps_models_mobilenet[] = {
    {"mobilenet", "27 convolutions: a stem, 13 blocks [1,2,2,6,2] of a depthwise 3x3 and a pointwise one",
     build_mobilenet, PS_FAMILY_DEFAULTS},
    {0}};
