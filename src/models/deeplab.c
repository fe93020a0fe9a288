/* DeepLabv3+ (Chen et al. 2018, arXiv 1802.02611) as VainF/DeepLabV3Plus-Pytorch has it: a backbone whose last strides
 * became dilations, atrous spatial pyramid pooling (ASPP) over its end, and a decoder that joins this with an early
 * map. Names: backbone.*, classifier.project, classifier.aspp.convs.N, classifier.aspp.project, classifier.classifier.
 *
 * Pool Skip goes, as in the paper, to the head's first convolution (project), the three atrous ones and the first of
 * the classifier. Sizes that its pooling does not divide follow our rule (what is left over goes unchanged): the
 * published module cannot run on VOC's crop of 513, whose maps have sides of 129 and 33. */
#include <stdio.h>

#include "models/builder.h"
#include "models/family.h"

enum { PREFIX_SIZE = 96, NAME_SIZE = 128, ASPP = 256, LOW = 48, ATROUS = 3 };
/* The head's are "project" and what follows. */
static const char *const mobilenet_stages[] = {"stem",   "block1", "block2",  "block3", "block4",    "block5",
                                               "block6", "block7", "project", "aspp",   "classifier"};
static const char *const resnet_stages[] = {"stem",   "layer1",  "layer2", "layer3",
                                            "layer4", "project", "aspp",   "classifier"};

typedef struct {
    ps_builder *builder;
    int low, out; /* ends of the early and the last map */
    int output_stride;
} deeplab;

static ps_status add_named(ps_builder *b, const char *type, const char *prefix, const char *part, int second) {
    char name[NAME_SIZE];
    snprintf(name, sizeof name, "%s.%s", prefix, part);
    return ps_builder_add(b, type, name, NULL, second, "{}");
}

static ps_status add_norm_gate(ps_builder *b, ps_sequence *sequence) {
    PS_TRY(ps_sequence_norm(b, sequence));
    return ps_sequence_gate(b, sequence);
}

static ps_status add_conv_norm_gate(ps_builder *b, ps_sequence *sequence, const ps_builder_conv_spec *spec) {
    PS_TRY(ps_sequence_conv(b, sequence, spec));
    return add_norm_gate(b, sequence);
}

/* ---- MobileNetV2 (Sandler et al. 2018, arXiv 1801.04381) ---- */

typedef struct {
    int expansion, channels, count, stride;
} mobile_setting;

typedef struct {
    int number, channels, expansion, stride, dilation;
} mobile_block;

/* The public code pads the input of a block by zeros, before the expansion, and no convolution: what the depthwise one
 * meets at the border is what the expansion makes of 0. */
static ps_status add_padding(ps_builder *b, const char *prefix, int dilation) {
    char name[NAME_SIZE], attributes[64];
    snprintf(name, sizeof name, "%s.pad", prefix);
    snprintf(attributes, sizeof attributes, "{\"before\": %d}", dilation);
    return ps_builder_add(b, "pad", name, NULL, -1, attributes);
}

static ps_status add_mobile_convs(ps_builder *b, const char *prefix, const mobile_block *k, int entering) {
    char place[NAME_SIZE];
    int inner = entering * k->expansion, index = 0;
    ps_builder_conv_spec expand = {.channels = inner, .kernel = 1, .stride = 1},
                         depthwise = {.channels = inner,
                                      .kernel = 3,
                                      .stride = k->stride,
                                      .groups = inner,
                                      .dilation = k->dilation,
                                      .unpadded = true},
                         project = {.channels = k->channels, .kernel = 1, .stride = 1};
    const ps_builder_conv_spec *specs[2] = {&expand, &depthwise};
    for (int i = k->expansion == 1; i < 2; i++) {
        snprintf(place, sizeof place, "%s.conv.%d", prefix, index++);
        ps_sequence sequence = {.prefix = place};
        PS_TRY(add_conv_norm_gate(b, &sequence, specs[i]));
    }
    snprintf(place, sizeof place, "%s.conv", prefix);
    ps_sequence sequence = {.prefix = place, .index = index, .file_index = index};
    PS_TRY(ps_sequence_conv(b, &sequence, &project));
    return ps_sequence_norm(b, &sequence);
}

static ps_status add_mobile_block(ps_builder *b, const mobile_block *k) {
    char prefix[PREFIX_SIZE];
    int from = b->tail, entering = ps_builder_shape(b).c;
    snprintf(prefix, sizeof prefix, "backbone.%s_level_features.%d", k->number < 4 ? "low" : "high", k->number);
    PS_TRY(add_padding(b, prefix, k->dilation));
    PS_TRY(add_mobile_convs(b, prefix, k, entering));
    return k->stride == 1 && entering == k->channels ? add_named(b, "add", prefix, "add", from) : PS_OK;
}

/* From the output stride on strides become dilations; the first block of a setting keeps the dilation before it. */
static ps_status add_mobile_setting(deeplab *d, const mobile_setting *s, int *number, int *stride, int *dilation) {
    ps_builder *b = d->builder;
    mobile_block block = {.channels = ps_builder_width(b, s->channels),
                          .expansion = s->expansion,
                          .stride = s->stride,
                          .dilation = *dilation};
    if (*stride == d->output_stride) {
        block.stride = 1;
        *dilation *= s->stride;
    }
    *stride *= block.stride;
    for (int i = 0; i < s->count; i++) {
        block.number = (*number)++;
        PS_TRY(add_mobile_block(b, &block));
        block.stride = 1;
        block.dilation = *dilation;
        if (block.number == 3) d->low = b->tail;
    }
    return PS_OK;
}

static ps_status add_mobilenet(deeplab *d) {
    static const mobile_setting settings[] = {{1, 16, 1, 1}, {6, 24, 2, 2},  {6, 32, 3, 2}, {6, 64, 4, 2},
                                              {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1}};
    ps_builder *b = d->builder;
    int number = 1, stride = 2, dilation = 1;
    ps_sequence stem = {.prefix = "backbone.low_level_features.0"};
    ps_builder_conv_spec spec = {
        .channels = ps_builder_width(b, 32), .kernel = 3, .stride = 2, .unpadded = true, .outside = true};
    b->activation = "relu6";
    PS_TRY(add_conv_norm_gate(b, &stem, &spec));
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
        b->stage++;
        PS_TRY(add_mobile_setting(d, &settings[i], &number, &stride, &dilation));
    }
    d->out = b->tail;
    b->activation = "relu";
    return PS_OK;
}

/* ---- ResNet-101 (He et al. 2016), as torchvision names it ---- */

typedef struct {
    char prefix[PREFIX_SIZE];
    int planes, stride, dilation;
    bool shortcut;
} bottleneck;

static ps_status add_numbered(ps_builder *b, const bottleneck *k, int number, const ps_builder_conv_spec *spec) {
    char conv[NAME_SIZE], norm[NAME_SIZE];
    snprintf(conv, sizeof conv, "%s.conv%d", k->prefix, number);
    snprintf(norm, sizeof norm, "%s.bn%d", k->prefix, number);
    PS_TRY(ps_builder_conv(b, spec, conv, NULL, NULL));
    return ps_builder_norm(b, norm, NULL);
}

static ps_status add_gate(ps_builder *b, const bottleneck *k, const char *part) {
    char name[NAME_SIZE];
    snprintf(name, sizeof name, "%s.%s", k->prefix, part);
    return ps_builder_gate(b, name, NULL);
}

static ps_status add_shortcut(ps_builder *b, const bottleneck *k, int from, int *shortcut) {
    char place[NAME_SIZE];
    int tail = b->tail;
    snprintf(place, sizeof place, "%s.downsample", k->prefix);
    ps_sequence sequence = {.prefix = place};
    ps_builder_conv_spec spec = {.channels = 4 * k->planes, .kernel = 1, .stride = k->stride, .outside = true};
    *shortcut = from;
    if (!k->shortcut) return PS_OK;
    b->tail = from;
    PS_TRY(ps_sequence_conv(b, &sequence, &spec));
    PS_TRY(ps_sequence_norm(b, &sequence));
    *shortcut = b->tail;
    b->tail = tail;
    return PS_OK;
}

static ps_status add_bottleneck(ps_builder *b, const bottleneck *k) {
    int from = b->tail, shortcut;
    ps_builder_conv_spec reduce = {.channels = k->planes, .kernel = 1, .stride = 1},
                         middle = {.channels = k->planes, .kernel = 3, .stride = k->stride, .dilation = k->dilation},
                         expand = {.channels = 4 * k->planes, .kernel = 1, .stride = 1};
    PS_TRY(add_numbered(b, k, 1, &reduce));
    PS_TRY(add_gate(b, k, "relu1"));
    PS_TRY(add_numbered(b, k, 2, &middle));
    PS_TRY(add_gate(b, k, "relu2"));
    PS_TRY(add_numbered(b, k, 3, &expand));
    PS_TRY(add_shortcut(b, k, from, &shortcut));
    PS_TRY(add_named(b, "add", k->prefix, "add", shortcut));
    return add_gate(b, k, "relu");
}

/* Where the output stride is reached, a layer's stride becomes a dilation, which its first block does not have yet. */
static ps_status add_resnet_layer(deeplab *d, int layer, int blocks, int *stride, int *dilation) {
    ps_builder *b = d->builder;
    int before = *dilation, wanted = layer == 1 ? 1 : 2;
    bottleneck k = {
        .planes = ps_builder_width(b, 64 << (layer - 1)), .stride = wanted, .dilation = before, .shortcut = true};
    if (*stride == d->output_stride && wanted > 1) {
        k.stride = 1;
        *dilation *= wanted;
    }
    *stride *= k.stride;
    for (int i = 0; i < blocks; i++) {
        snprintf(k.prefix, sizeof k.prefix, "backbone.layer%d.%d", layer, i);
        PS_TRY(add_bottleneck(b, &k));
        k.stride = 1;
        k.dilation = *dilation;
        k.shortcut = false;
    }
    return PS_OK;
}

static ps_status add_resnet(deeplab *d) {
    static const int blocks[4] = {3, 4, 23, 3};
    ps_builder *b = d->builder;
    int stride = 4, dilation = 1;
    ps_builder_conv_spec spec = {.channels = ps_builder_width(b, 64), .kernel = 7, .stride = 2, .outside = true};
    PS_TRY(ps_builder_conv(b, &spec, "backbone.conv1", NULL, NULL));
    PS_TRY(ps_builder_norm(b, "backbone.bn1", NULL));
    PS_TRY(ps_builder_gate(b, "backbone.relu", NULL));
    PS_TRY(
        ps_builder_add(b, "max_pool", "backbone.maxpool", NULL, -1, "{\"kernel\": 3, \"stride\": 2, \"padding\": 1}"));
    for (int layer = 1; layer <= 4; layer++) {
        b->stage++;
        PS_TRY(add_resnet_layer(d, layer, blocks[layer - 1], &stride, &dilation));
        if (layer == 1) d->low = b->tail;
    }
    d->out = b->tail;
    return PS_OK;
}

/* ---- the head ---- */

static ps_status add_image_pooling(const deeplab *d) {
    ps_builder *b = d->builder;
    ps_sequence sequence = {.prefix = "classifier.aspp.convs.4"};
    ps_builder_conv_spec spec = {.channels = ps_builder_width(b, ASPP), .kernel = 1, .stride = 1, .outside = true};
    PS_TRY(ps_sequence_add(b, &sequence, "global_avg_pool", "{}"));
    PS_TRY(add_conv_norm_gate(b, &sequence, &spec));
    return ps_builder_resize(b, "classifier.aspp.convs.4.resize", d->out);
}

static ps_status add_aspp(const deeplab *d) {
    ps_builder *b = d->builder;
    int first = d->output_stride == 8 ? 12 : 6, channels = ps_builder_width(b, ASPP);
    ps_op_spec join = {.name = "classifier.aspp.concat", .stage = "aspp", .type = "concat", .inputs = ATROUS + 2};
    for (int i = 0; i <= ATROUS; i++) {
        char prefix[PREFIX_SIZE];
        snprintf(prefix, sizeof prefix, "classifier.aspp.convs.%d", i);
        ps_sequence sequence = {.prefix = prefix};
        ps_builder_conv_spec spec = {
            .channels = channels, .kernel = i == 0 ? 1 : 3, .stride = 1, .dilation = first * i, .outside = i == 0};
        b->tail = d->out;
        PS_TRY(add_conv_norm_gate(b, &sequence, &spec));
        join.input[i] = b->tail;
    }
    b->tail = d->out;
    PS_TRY(add_image_pooling(d));
    join.input[ATROUS + 1] = b->tail;
    PS_TRY(ps_graph_add(b->graph, &join, &b->tail, "{}"));
    ps_sequence project = {.prefix = "classifier.aspp.project"};
    ps_builder_conv_spec spec = {.channels = channels, .kernel = 1, .stride = 1, .outside = true};
    PS_TRY(add_conv_norm_gate(b, &project, &spec));
    return ps_builder_dropout(b, 0.1, "classifier.aspp.project.3");
}

static ps_status add_head(const deeplab *d) {
    ps_builder *b = d->builder;
    ps_sequence project = {.prefix = "classifier.project"}, last = {.prefix = "classifier.classifier"};
    ps_builder_conv_spec low = {.channels = ps_builder_width(b, LOW), .kernel = 1, .stride = 1},
                         spec = {.channels = ps_builder_width(b, ASPP), .kernel = 3, .stride = 1};
    char file_name[NAME_SIZE];
    b->stage++;
    b->tail = d->low;
    PS_TRY(add_conv_norm_gate(b, &project, &low));
    int early = b->tail;
    b->stage++;
    PS_TRY(add_aspp(d));
    PS_TRY(ps_builder_resize(b, "classifier.resize", early));
    b->stage++;
    PS_TRY(ps_builder_join(b, "concat", "classifier.concat", early));
    PS_TRY(add_conv_norm_gate(b, &last, &spec));
    snprintf(file_name, sizeof file_name, "%s.%d", last.prefix, last.file_index);
    PS_TRY(ps_builder_classes(b, "classifier.classifier.3", file_name, NULL));
    return ps_builder_resize(b, "resize", -1);
}

static ps_status build_deeplab(const char *name, bool mobile, const ps_model_options *options, ps_graph **out) {
    ps_builder b;
    deeplab d = {.builder = &b, .output_stride = options->segmentation.output_stride};
    int stages =
        mobile ? sizeof mobilenet_stages / sizeof *mobilenet_stages : sizeof resnet_stages / sizeof *resnet_stages;
    *out = NULL;
    if (d.output_stride == 0) d.output_stride = 16;
    if (d.output_stride != 16 && d.output_stride != 8)
        return ps_fail(PS_ERR_USAGE, "%s: its output stride is 16 or 8, not %d", name, d.output_stride);
    PS_TRY(ps_builder_fixed_stages(name, options));
    ps_model_options others = *options;
    others.segmentation.output_stride = 0;
    ps_status status = ps_builder_begin(&b, name, &others, mobile ? mobilenet_stages : resnet_stages, stages, "head");
    if (status == PS_OK) status = ps_builder_check_dims(&b, false);
    if (status == PS_OK) {
        ps_builder_usual_stages(&b, stages - 3, stages - 1);
        b.own_momentum = 0.01; /* of the backbone */
        status = mobile ? add_mobilenet(&d) : add_resnet(&d);
    }
    b.own_momentum = PS_NORM_MOMENTUM;
    if (status == PS_OK) status = add_head(&d);
    if (status == PS_OK) status = ps_builder_finish(&b, out);
    ps_builder_discard(&b);
    return status;
}

static ps_status build_mobile(const ps_model_options *options, ps_graph **out) {
    return build_deeplab("deeplabv3plus-mobilenetv2", true, options, out);
}

static ps_status build_resnet(const ps_model_options *options, ps_graph **out) {
    return build_deeplab("deeplabv3plus-resnet101", false, options, out);
}

extern const ps_model ps_models_deeplab[];
const ps_model ps_models_deeplab[] = {
    {"deeplabv3plus-mobilenetv2", "segmentation: atrous pyramid and decoder on a MobileNetV2", build_mobile,
     PS_FAMILY_SEGMENTATION_INIT(1, 65, 65, "he")},
    {"deeplabv3plus-resnet101", "the same on a ResNet-101", build_resnet, PS_FAMILY_SEGMENTATION_INIT(1, 65, 65, "he")},
    {0}};
