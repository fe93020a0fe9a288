/* Compact transformers (Hassani et al. 2021, arXiv 2104.05704): 7 blocks of 4 heads on 256 channels, the hidden layer
 * of an MLP twice as wide. ViT and CVT cut the image into patches of 4 x 4; CCT makes its tokens by a 3x3 convolution,
 * rectified and pooled. ViT reads a class token, the others a weighted sum of all tokens. Names follow
 * SHI-Labs/Compact-Transformers: tokenizer.conv_layers.N.0, classifier.blocks.N.self_attn.qkv, ..., classifier.fc.
 *
 * Pool Skip goes behind the convolutions that make the tokens. Elsewhere there are none, and no gate can be exactly
 * dead but those of CCT's tokenizer. */
#include <math.h>
#include <stdio.h>

#include "models/builder.h"
#include "models/family.h"

typedef struct {
    const char *name;
    bool class_token, patches; /* else: sequence pooling, convolutional tokenizer */
} variant;

enum { DEPTH = 7, HEADS = 4, WIDTH = 256, PATCH = 4, KERNEL = 3, INNER_WIDTH = 64, MLP_RATIO = 2, NAME_SIZE = 96 };
static const double own_attention_dropout = 0.1, own_drop_path = 0.1;
static const char *const stage_names[] = {"tokenizer", "encoder"};

typedef struct {
    ps_builder *builder;
    const variant *variant;
    ps_token_options tokens; /* with the model's own filled in */
    int depth, channels;
    double attention_dropout, drop_path;
} transformer;

/* ---- tokens ---- */

static ps_status check_patches(const transformer *t) {
    const ps_model_options *o = t->builder->options;
    int patch = t->tokens.patch, h = o->input.h, w = o->input.w, d = o->input.d;
    if (h % patch == 0 && w % patch == 0 && (d == 1 || d % patch == 0)) return PS_OK;
    return ps_fail(
        PS_ERR_USAGE,
        "%s: images of %d x %d do not divide into patches of %d; choose another --patch, or give it images resized "
        "to %d x %d",
        t->variant->name, h, w, patch, (h + patch - 1) / patch * patch, (w + patch - 1) / patch * patch);
}

static ps_status add_patches(const transformer *t) {
    ps_builder *b = t->builder;
    ps_builder_conv_spec spec = {
        .channels = t->channels, .kernel = t->tokens.patch, .stride = t->tokens.patch, .unpadded = true, .bias = true};
    ps_sequence sequence = {.prefix = "tokenizer.conv_layers.0"};
    PS_TRY(check_patches(t));
    return ps_sequence_conv(b, &sequence, &spec);
}

/* Stride and padding follow the kernel as in the public code's builders. */
static ps_status add_tokenizer_layer(const transformer *t, int number) {
    int kernel = t->tokens.tokenizer_kernel, stride = kernel / 2 - 1;
    bool last = number == t->tokens.tokenizer_layers - 1;
    char prefix[64];
    snprintf(prefix, sizeof prefix, "tokenizer.conv_layers.%d", number);
    ps_sequence sequence = {.prefix = prefix};
    ps_builder_conv_spec spec = {.channels = last ? t->channels : ps_builder_width(t->builder, INNER_WIDTH),
                                 .kernel = kernel,
                                 .stride = stride < 1 ? 1 : stride};
    PS_TRY(ps_sequence_conv(t->builder, &sequence, &spec));
    PS_TRY(ps_sequence_gate(t->builder, &sequence));
    return ps_sequence_add(t->builder, &sequence, "max_pool", "{\"kernel\": 3, \"stride\": 2, \"padding\": 1}");
}

static ps_status add_tokens(const transformer *t) {
    ps_builder *b = t->builder;
    for (int i = 0; i < t->tokens.tokenizer_layers && !t->variant->patches; i++) PS_TRY(add_tokenizer_layer(t, i));
    if (t->variant->patches) PS_TRY(add_patches(t));
    b->stage++;
    if (t->variant->class_token) PS_TRY(ps_builder_add(b, "class_token", "classifier.class_emb", NULL, -1, "{}"));
    return ps_builder_add(b, "position_embedding", "classifier.positional_emb", NULL, -1, "{}");
}

/* ---- blocks ---- */

typedef struct {
    char prefix[64];
    double drop_path;
} block;

static ps_status add_part(ps_builder *b, const block *k, const char *type, const char *part, int second,
                          const char *attributes) {
    char name[NAME_SIZE];
    snprintf(name, sizeof name, "%s.%s", k->prefix, part);
    return ps_builder_add(b, type, name, NULL, second, attributes);
}

static ps_status add_dropped_sum(ps_builder *b, const block *k, const char *drop, const char *sum, int residual) {
    char attributes[64];
    snprintf(attributes, sizeof attributes, "{\"p\": %.9g}", k->drop_path);
    if (k->drop_path > 0) PS_TRY(add_part(b, k, "drop_path", drop, -1, attributes));
    return add_part(b, k, "add", sum, residual, "{}");
}

static ps_status add_attention(const transformer *t, const block *k) {
    ps_builder *b = t->builder;
    char attributes[128];
    int residual = b->tail;
    snprintf(attributes, sizeof attributes, "{\"heads\": %d, \"qkv_bias\": false, \"dropout\": %.9g}", t->tokens.heads,
             t->attention_dropout);
    PS_TRY(add_part(b, k, "layer_norm", "pre_norm", -1, "{}"));
    PS_TRY(add_part(b, k, "attention", "self_attn", -1, attributes));
    return add_dropped_sum(b, k, "drop_path_attn", "add_attn", residual);
}

static ps_status add_linear(ps_builder *b, const block *k, const char *part, int features) {
    char attributes[64];
    snprintf(attributes, sizeof attributes, "{\"features\": %d}", features);
    return add_part(b, k, "linear", part, -1, attributes);
}

/* The second residual starts behind the norm: x = norm1(x); x + mlp(x). */
static ps_status add_mlp(const transformer *t, const block *k) {
    ps_builder *b = t->builder;
    char gate[NAME_SIZE];
    snprintf(gate, sizeof gate, "%s.activation", k->prefix);
    PS_TRY(add_part(b, k, "layer_norm", "norm1", -1, "{}"));
    int residual = b->tail;
    PS_TRY(add_linear(b, k, "linear1", MLP_RATIO * t->channels));
    PS_TRY(ps_builder_gate(b, gate, NULL));
    PS_TRY(add_linear(b, k, "linear2", t->channels));
    return add_dropped_sum(b, k, "drop_path_mlp", "add_mlp", residual);
}

static ps_status add_blocks(const transformer *t) {
    t->builder->activation = "gelu";
    for (int i = 0; i < t->depth; i++) {
        block k = {.drop_path = t->depth > 1 ? t->drop_path * i / (t->depth - 1) : 0};
        snprintf(k.prefix, sizeof k.prefix, "classifier.blocks.%d", i);
        PS_TRY(add_attention(t, &k));
        PS_TRY(add_mlp(t, &k));
    }
    return PS_OK;
}

static ps_status add_head(const transformer *t) {
    ps_builder *b = t->builder;
    b->stage = b->stage_count;
    PS_TRY(ps_builder_add(b, "layer_norm", "classifier.norm", NULL, -1, "{}"));
    if (t->variant->class_token) PS_TRY(ps_builder_add(b, "token", "classifier.class_of", NULL, -1, "{\"index\": 0}"));
    else PS_TRY(ps_builder_add(b, "sequence_pool", "classifier.attention_pool", NULL, -1, "{}"));
    return ps_builder_linear(b, b->options->classes, "classifier.fc");
}

/* ---- options ---- */

static ps_status check_tokens(const variant *v, const ps_token_options *tokens) {
    if (!v->patches && tokens->patch != 0)
        return ps_fail(PS_ERR_USAGE,
                       "%s: makes its tokens by convolutions, not patches; leave --patch out, or use --tokenizer",
                       v->name);
    if (v->patches && tokens->tokenizer_kernel != 0)
        return ps_fail(PS_ERR_USAGE,
                       "%s: makes its tokens of patches, not by convolutions; leave --tokenizer out, or use --patch",
                       v->name);
    if (tokens->tokenizer_kernel % 2 == 0 && tokens->tokenizer_kernel != 0)
        return ps_fail(PS_ERR_USAGE, "%s: the tokenizer's kernel is %d; take an odd one, as 3 or 7", v->name,
                       tokens->tokenizer_kernel);
    return PS_OK;
}

static int or_own(int asked, int own) { return asked > 0 ? asked : own; }

/* A whole number of channels a head. */
static int channels_of(const ps_builder *b, int heads) {
    double each = floor(WIDTH * b->options->width / heads + 0.5);
    return heads * (each < 1 ? 1 : (int)each);
}

static ps_status build(const variant *v, const ps_model_options *asked, ps_graph **out) {
    static const int own[] = {DEPTH};
    ps_model_options options = *asked;
    ps_builder b;
    const int *stages;
    int count;
    *out = NULL;
    PS_TRY(check_tokens(v, &asked->tokens));
    PS_TRY(ps_builder_stages(v->name, asked, own, 1, 1, &stages, &count));
    /* The builder knows nothing of them. */
    options.tokens = (ps_token_options){0};
    options.drop_path = 0;
    ps_status status = ps_builder_begin(&b, v->name, &options, stage_names, 2, "head");
    transformer t = {.builder = &b,
                     .variant = v,
                     .tokens = {.heads = or_own(asked->tokens.heads, HEADS),
                                .patch = or_own(asked->tokens.patch, PATCH),
                                .tokenizer_kernel = or_own(asked->tokens.tokenizer_kernel, KERNEL),
                                .tokenizer_layers = or_own(asked->tokens.tokenizer_layers, 1)},
                     .depth = stages[0],
                     .attention_dropout = asked->dropout < 0 ? own_attention_dropout : asked->dropout,
                     .drop_path = asked->drop_path < 0 ? own_drop_path : asked->drop_path};
    t.channels = channels_of(&b, t.tokens.heads);
    if (status == PS_OK) status = add_tokens(&t);
    if (status == PS_OK) status = add_blocks(&t);
    if (status == PS_OK) status = add_head(&t);
    if (status == PS_OK) status = ps_builder_finish(&b, out);
    ps_builder_discard(&b);
    return status;
}

#define TRANSFORMER(id, class_token, patches)                                      \
    static ps_status build_##id(const ps_model_options *options, ps_graph **out) { \
        static const variant v = {#id, class_token, patches};                      \
        return build(&v, options, out);                                            \
    }
TRANSFORMER(vit_7_4_32, true, true)
TRANSFORMER(cvt_7_4_32, false, true)
TRANSFORMER(cct_7_3x1_32, false, false)

#define DEFAULTS {PS_FAMILY_FIELDS, .init_scheme = "transformer"}
extern const ps_model ps_models_transformer[];
const ps_model ps_models_transformer[] = {
    {"vit_7_4_32", "transformer of 7 blocks on 4x4 patches, class token", build_vit_7_4_32, DEFAULTS},
    {"cvt_7_4_32", "transformer of 7 blocks on 4x4 patches, sequence pooling", build_cvt_7_4_32, DEFAULTS},
    {"cct_7_3x1_32", "transformer of 7 blocks on tokens of one 3x3 convolution, sequence pooling", build_cct_7_3x1_32,
     DEFAULTS},
    {0}};
