/* Plain networks: 3x3 convolutions in stages, no shortcuts. The first convolution of a later stage has stride 2 and
 * twice the width; global average pooling and one linear layer end it. Layout of the plain nets in He et al. 2016
 * (arXiv 1512.03385, 4.2). */
#include <stdio.h>

#include "models/builder.h"
#include "models/family.h"

enum { MOST_STAGES = 7 };
static const char *const stage_names[] = {"stage1", "stage2", "stage3", "stage4", "stage5", "stage6", "stage7"};

/* Every convolution counts as one of a block, the first too: the paper's plain networks have it "after every
 * convolution". */
static ps_status add_layer(ps_builder *b, const char *stage, int number, int channels, int stride) {
    bool batch_norm = b->options->batch_norm;
    char conv[64], skip[64], norm[64], gate[64];
    snprintf(conv, sizeof conv, "%s.%d.conv", stage, number);
    snprintf(skip, sizeof skip, "%s.%d.pool_skip", stage, number);
    snprintf(norm, sizeof norm, "%s.%d.norm", stage, number);
    snprintf(gate, sizeof gate, "%s.%d.relu", stage, number);
    ps_builder_conv_spec spec = {.channels = channels, .kernel = 3, .stride = stride, .bias = !batch_norm};
    PS_TRY(ps_builder_conv(b, &spec, conv, NULL, skip));
    if (batch_norm) PS_TRY(ps_builder_norm(b, norm, NULL));
    return ps_builder_gate(b, gate, NULL);
}

static ps_status add_layers(ps_builder *b, const int *stages, int count, int base) {
    for (b->stage = 0; b->stage < count; b->stage++)
        for (int i = 0; i < stages[b->stage]; i++)
            PS_TRY(add_layer(b, stage_names[b->stage], i, ps_builder_width(b, base << b->stage),
                             b->stage > 0 && i == 0 ? 2 : 1));
    b->stage = b->stage_count;
    PS_TRY(ps_builder_add(b, "global_avg_pool", "avg_pool", NULL, -1, "{}"));
    PS_TRY(ps_builder_dropout(b, 0, "dropout"));
    return ps_builder_linear(b, b->options->classes, "fc");
}

static ps_status build(const char *name, const int *own, int own_count, int base, const ps_model_options *options,
                       ps_graph **out) {
    const int *stages;
    int count;
    ps_builder b;
    *out = NULL;
    PS_TRY(ps_builder_stages(name, options, own, own_count, MOST_STAGES, &stages, &count));
    ps_status status = ps_builder_begin(&b, name, options, stage_names, count, "head");
    if (status == PS_OK) status = add_layers(&b, stages, count, base);
    if (status == PS_OK) status = ps_builder_finish(&b, out);
    ps_builder_discard(&b);
    return status;
}

#define PLAIN(id, base, ...)                                                           \
    static ps_status build_##id(const ps_model_options *options, ps_graph **out) {     \
        static const int own[] = {__VA_ARGS__};                                        \
        return build(#id, own, (int)(sizeof own / sizeof own[0]), base, options, out); \
    }
PLAIN(plain9, 12, 3, 3, 3)
PLAIN(plain20, 16, 7, 6, 6)

extern const ps_model ps_models_plain[];
const ps_model ps_models_plain[] = {
    {"plain9", "9 3x3 convolutions in stages [3,3,3] of widths 12, 24, 48, no shortcuts", build_plain9,
     PS_FAMILY_DEFAULTS},
    {"plain20", "19 3x3 convolutions in stages [7,6,6] of widths 16, 32, 64, no shortcuts", build_plain20,
     PS_FAMILY_DEFAULTS},
    {0}};
