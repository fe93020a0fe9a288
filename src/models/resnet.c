/* Residual networks (He et al. 2016, arXiv 1512.03385) for CIFAR-sized input: a 3x3 stem of stride 1, no max-pooling,
 * four stages of basic or bottleneck blocks. Names follow the modules of the Pool Skip authors' PyTorch code: conv1.N,
 * conv2_x.BLOCK.residual_function.N, conv2_x.BLOCK.shortcut.N, fc. */
#include <stdio.h>

#include "models/builder.h"
#include "models/family.h"

enum { MOST_STAGES = 7, BASIC = 1, BOTTLENECK = 4 /* the expansion of its last convolution */ };
static const char *const stage_names[] = {"conv1",   "conv2_x", "conv3_x", "conv4_x",
                                          "conv5_x", "conv6_x", "conv7_x", "conv8_x"};

static ps_status add_norm_gate(ps_builder *b, ps_sequence *sequence) {
    PS_TRY(ps_sequence_norm(b, sequence));
    return ps_sequence_gate(b, sequence);
}

static ps_status add_stem(ps_builder *b, int base) {
    ps_sequence stem = {.prefix = "conv1"};
    ps_builder_conv_spec spec = {.channels = ps_builder_width(b, base), .kernel = 3, .stride = 1, .outside = true};
    PS_TRY(ps_sequence_conv(b, &stem, &spec));
    return add_norm_gate(b, &stem);
}

static ps_status add_residual_function(ps_builder *b, const char *prefix, int expansion, int planes, int stride) {
    ps_sequence sequence = {.prefix = prefix};
    ps_builder_conv_spec reduce = {.channels = planes, .kernel = 1, .stride = 1};
    ps_builder_conv_spec middle = {.channels = planes, .kernel = 3, .stride = stride};
    ps_builder_conv_spec last = {.channels = planes * expansion, .kernel = expansion == BASIC ? 3 : 1, .stride = 1};
    if (expansion == BOTTLENECK) {
        PS_TRY(ps_sequence_conv(b, &sequence, &reduce));
        PS_TRY(add_norm_gate(b, &sequence));
    }
    PS_TRY(ps_sequence_conv(b, &sequence, &middle));
    PS_TRY(add_norm_gate(b, &sequence));
    PS_TRY(ps_sequence_conv(b, &sequence, &last));
    return ps_sequence_norm(b, &sequence);
}

/* A 1x1 convolution where width or size changes, else the block's input itself. Leaves the tail where it was. */
static ps_status add_shortcut(ps_builder *b, const char *prefix, int from, int channels, int stride, int *shortcut) {
    int tail = b->tail;
    *shortcut = from;
    if (stride == 1 && b->graph->op[from].shape.c == channels) return PS_OK;
    ps_sequence sequence = {.prefix = prefix};
    ps_builder_conv_spec spec = {.channels = channels, .kernel = 1, .stride = stride, .outside = true};
    b->tail = from;
    PS_TRY(ps_sequence_conv(b, &sequence, &spec));
    PS_TRY(ps_sequence_norm(b, &sequence));
    *shortcut = b->tail;
    b->tail = tail;
    return PS_OK;
}

static ps_status add_block(ps_builder *b, int number, int expansion, int planes, int stride) {
    const char *stage = stage_names[b->stage];
    char residual[64], shortcut[64], add[64], gate[64];
    int from = b->tail, other;
    snprintf(residual, sizeof residual, "%s.%d.residual_function", stage, number);
    snprintf(shortcut, sizeof shortcut, "%s.%d.shortcut", stage, number);
    snprintf(add, sizeof add, "%s.%d.add", stage, number);
    snprintf(gate, sizeof gate, "%s.%d.relu", stage, number);
    PS_TRY(add_residual_function(b, residual, expansion, planes, stride));
    PS_TRY(add_shortcut(b, shortcut, from, planes * expansion, stride, &other));
    PS_TRY(ps_builder_add(b, "add", add, NULL, other, "{}"));
    return ps_builder_gate(b, gate, NULL);
}

static ps_status add_all(ps_builder *b, int expansion, int base, const int *stages, int count) {
    PS_TRY(add_stem(b, base));
    for (int s = 0; s < count; s++) {
        b->stage = s + 1;
        for (int i = 0; i < stages[s]; i++)
            PS_TRY(add_block(b, i, expansion, ps_builder_width(b, base << s), s > 0 && i == 0 ? 2 : 1));
    }
    b->stage = b->stage_count;
    PS_TRY(ps_builder_add(b, "global_avg_pool", "avg_pool", NULL, -1, "{}"));
    PS_TRY(ps_builder_dropout(b, 0, "dropout"));
    return ps_builder_linear(b, b->options->classes, "fc");
}

static ps_status build(const char *name, int expansion, int base, const int *own, int own_count,
                       const ps_model_options *options, ps_graph **out) {
    const int *stages;
    int count;
    ps_builder b;
    *out = NULL;
    PS_TRY(ps_builder_stages(name, options, own, own_count, MOST_STAGES, &stages, &count));
    ps_status status = ps_builder_begin(&b, name, options, stage_names, count + 1, "head");
    if (status == PS_OK) status = add_all(&b, expansion, base, stages, count);
    if (status == PS_OK) status = ps_builder_finish(&b, out);
    ps_builder_discard(&b);
    return status;
}

#define RESNET(id, expansion, base, ...)                                                          \
    static ps_status build_##id(const ps_model_options *options, ps_graph **out) {                \
        static const int own[] = {__VA_ARGS__};                                                   \
        return build(#id, expansion, base, own, (int)(sizeof own / sizeof own[0]), options, out); \
    }
RESNET(resnet18, BASIC, 64, 2, 2, 2, 2)
RESNET(resnet34, BASIC, 64, 3, 4, 6, 3)
RESNET(resnet50, BOTTLENECK, 64, 3, 4, 6, 3)
RESNET(resnet101, BOTTLENECK, 64, 3, 4, 23, 3)
RESNET(resnet152, BOTTLENECK, 64, 3, 8, 36, 3)
RESNET(resnet200, BOTTLENECK, 64, 3, 24, 36, 3)
RESNET(resnet350, BOTTLENECK, 64, 4, 36, 72, 4)
RESNET(resnet420, BOTTLENECK, 64, 4, 44, 87, 4)
RESNET(d110, BOTTLENECK, 4, 3, 10, 20, 3)

extern const ps_model ps_models_resnet[];
const ps_model ps_models_resnet[] = {
    {"resnet18", "basic blocks [2,2,2,2]", build_resnet18, PS_FAMILY_DEFAULTS},
    {"resnet34", "basic blocks [3,4,6,3]", build_resnet34, PS_FAMILY_DEFAULTS},
    {"resnet50", "bottleneck blocks [3,4,6,3]", build_resnet50, PS_FAMILY_DEFAULTS},
    {"resnet101", "bottleneck blocks [3,4,23,3]", build_resnet101, PS_FAMILY_DEFAULTS},
    {"resnet152", "bottleneck blocks [3,8,36,3]", build_resnet152, PS_FAMILY_DEFAULTS},
    {"resnet200", "bottleneck blocks [3,24,36,3]", build_resnet200, PS_FAMILY_DEFAULTS},
    {"resnet350", "bottleneck blocks [4,36,72,4]", build_resnet350, PS_FAMILY_DEFAULTS},
    {"resnet420", "bottleneck blocks [4,44,87,4]", build_resnet420, PS_FAMILY_DEFAULTS},
    {"d110", "narrow bottleneck blocks [3,10,20,3] of widths 4 to 32", build_d110, PS_FAMILY_DEFAULTS},
    {0}};
