/* GoogLeNet (Szegedy et al. 2015, arXiv 1409.4842) for CIFAR-sized input, as weiaicunzai/pytorch-cifar100 has it
 * (models/googlenet.py): three 3x3 convolutions, nine Inception blocks whose 5x5 branch is two 3x3 convolutions, every
 * convolution normalised and rectified, no auxiliary heads. Names: prelayer.N, a3.b1.N ... b5.b4.N, linear. */
#include <stdio.h>

#include "models/builder.h"
#include "models/family.h"

typedef struct {
    const char *name;
    /* outputs of the four branches, reductions in front of the 3x3 and the 5x5 */
    int n1x1, reduce3, n3x3, reduce5, n5x5, pool;
    bool pooled; /* a 3x3 max-pooling of stride 2 goes before */
} inception;

static const inception inceptions[] = {
    {"a3", 64, 96, 128, 16, 32, 32, true},      {"b3", 128, 128, 192, 32, 96, 64, false},
    {"a4", 192, 96, 208, 16, 48, 64, true},     {"b4", 160, 112, 224, 24, 64, 64, false},
    {"c4", 128, 128, 256, 24, 64, 64, false},   {"d4", 112, 144, 288, 32, 64, 64, false},
    {"e4", 256, 160, 320, 32, 128, 128, false}, {"a5", 256, 160, 320, 32, 128, 128, true},
    {"b5", 384, 192, 384, 48, 128, 128, false}};
enum { INCEPTIONS = sizeof inceptions / sizeof *inceptions, STAGES = 1 + INCEPTIONS };
static const char *const stage_names[STAGES] = {"prelayer", "a3", "b3", "a4", "b4", "c4", "d4", "e4", "a5", "b5"};

#define POOL_HALF "{\"kernel\": 3, \"stride\": 2, \"padding\": 1}"
#define POOL_SAME "{\"kernel\": 3, \"stride\": 1, \"padding\": 1}"

/* eps 0: the normalisation's own. */
static ps_status add_conv(ps_builder *b, ps_sequence *sequence, int channels, int kernel, bool bias, double eps) {
    ps_builder_conv_spec spec = {
        .channels = ps_builder_width(b, channels), .kernel = kernel, .stride = 1, .bias = bias};
    PS_TRY(ps_sequence_conv(b, sequence, &spec));
    PS_TRY(ps_sequence_norm_eps(b, sequence, eps));
    return ps_sequence_gate(b, sequence);
}

static ps_status add_prelayer(ps_builder *b) {
    ps_sequence sequence = {.prefix = "prelayer"};
    PS_TRY(add_conv(b, &sequence, 64, 3, false, 0));
    PS_TRY(add_conv(b, &sequence, 64, 3, false, 0));
    return add_conv(b, &sequence, 192, 3, false, 0);
}

/* Branch 2 (one 3x3) and branch 3 (two of them). The public code hands the channel count to the first 3x3
 * normalisation of branch 3 once too often, where eps is expected: its weights were trained with that eps. */
static ps_status add_branch(ps_builder *b, const inception *block, int number) {
    bool two = number == 3;
    int channels = two ? block->n5x5 : block->n3x3;
    char prefix[16];
    snprintf(prefix, sizeof prefix, "%s.b%d", block->name, number);
    ps_sequence sequence = {.prefix = prefix};
    PS_TRY(add_conv(b, &sequence, two ? block->reduce5 : block->reduce3, 1, true, 0));
    PS_TRY(add_conv(b, &sequence, channels, 3, true, two ? ps_builder_width(b, channels) : 0));
    return two ? add_conv(b, &sequence, channels, 3, true, 0) : PS_OK;
}

static ps_status add_edge_branch(ps_builder *b, const inception *block, int number) {
    char prefix[16];
    snprintf(prefix, sizeof prefix, "%s.b%d", block->name, number);
    ps_sequence sequence = {.prefix = prefix};
    if (number == 4) PS_TRY(ps_sequence_add(b, &sequence, "max_pool", POOL_SAME));
    return add_conv(b, &sequence, number == 4 ? block->pool : block->n1x1, 1, true, 0);
}

static ps_status join(ps_builder *b, const inception *block, const int branch[4]) {
    char name[16];
    snprintf(name, sizeof name, "%s.concat", block->name);
    ps_op_spec spec = {.name = name, .stage = block->name, .type = "concat", .inputs = 4};
    for (int i = 0; i < 4; i++) spec.input[i] = branch[i];
    return ps_graph_add(b->graph, &spec, &b->tail, "{}");
}

static ps_status add_inception(ps_builder *b, const inception *block) {
    int branch[4];
    if (block->pooled) {
        char name[32];
        snprintf(name, sizeof name, "pool_before_%s", block->name);
        PS_TRY(ps_builder_add(b, "max_pool", name, NULL, -1, POOL_HALF));
    }
    int from = b->tail;
    for (int i = 0; i < 4; i++) {
        b->tail = from;
        PS_TRY(i == 1 || i == 2 ? add_branch(b, block, i + 1) : add_edge_branch(b, block, i + 1));
        branch[i] = b->tail;
    }
    return join(b, block, branch);
}

static ps_status add_all(ps_builder *b) {
    PS_TRY(add_prelayer(b));
    for (int i = 0; i < INCEPTIONS; i++) {
        b->stage = i + 1;
        PS_TRY(add_inception(b, &inceptions[i]));
    }
    b->stage = b->stage_count;
    PS_TRY(ps_builder_add(b, "global_avg_pool", "avgpool", NULL, -1, "{}"));
    /* The public code drops whole channels here, of one position each: elements. */
    PS_TRY(ps_builder_dropout(b, 0.4, "dropout"));
    return ps_builder_linear(b, b->options->classes, "linear");
}

static ps_status build_googlenet(const ps_model_options *options, ps_graph **out) {
    ps_builder b;
    *out = NULL;
    PS_TRY(ps_builder_fixed_stages("googlenet", options));
    ps_status status = ps_builder_begin(&b, "googlenet", options, stage_names, STAGES, "head");
    if (status == PS_OK) status = add_all(&b);
    if (status == PS_OK) status = ps_builder_finish(&b, out);
    ps_builder_discard(&b);
    return status;
}

extern const ps_model ps_models_googlenet[];
const ps_model ps_models_googlenet[] = {
    {"googlenet", "66 convolutions: three, then nine Inception blocks of four branches", build_googlenet,
     PS_FAMILY_DEFAULTS},
    {0}};
