/* U-Nets. unet2d (Ronneberger et al. 2015, arXiv 1505.04597) as milesial/Pytorch-UNet has it: padded and normalised
 * convolutions, transposed convolutions on the way up; names inc, down1 .. down4, up1 .. up4, outc. unet3d (Cicek et
 * al. 2016, arXiv 1606.06650): four levels, the width doubled by the second convolution of each; its names follow the
 * same pattern.
 *
 * Pool Skip goes behind the convolutions of the way down, as in the paper's nnU-Net. */
#include <stdio.h>

#include "models/builder.h"
#include "models/family.h"

enum { MOST_LEVELS = 5, NAME_SIZE = 96 };
static const char *const stage_names[] = {"inc", "down1", "down2", "down3", "down4", "up1", "up2", "up3", "up4"};

typedef struct {
    const char *name;
    int levels, base;
    bool volumes, widens; /* widens: the first convolution of a level has half of the second's channels */
} variant;

static ps_status add_double_conv(ps_builder *b, const char *prefix, int first, int second, bool outside) {
    ps_sequence sequence = {.prefix = prefix};
    const int channels[2] = {first, second};
    for (int i = 0; i < 2; i++) {
        ps_builder_conv_spec spec = {.channels = channels[i], .kernel = 3, .stride = 1, .outside = outside};
        PS_TRY(ps_sequence_conv(b, &sequence, &spec));
        PS_TRY(ps_sequence_norm(b, &sequence));
        PS_TRY(ps_sequence_gate(b, &sequence));
    }
    return PS_OK;
}

static int channels_of(const ps_builder *b, const variant *v, int level) {
    return ps_builder_width(b, v->base << level);
}

static ps_status add_level_down(ps_builder *b, const variant *v, int level) {
    char pool[NAME_SIZE], prefix[NAME_SIZE] = "inc.double_conv";
    int channels = channels_of(b, v, level);
    if (level > 0) {
        snprintf(pool, sizeof pool, "down%d.maxpool_conv.0", level);
        snprintf(prefix, sizeof prefix, "down%d.maxpool_conv.1.double_conv", level);
        PS_TRY(ps_builder_add(b, "max_pool", pool, NULL, -1, "{\"kernel\": 2, \"stride\": 2}"));
    }
    b->stage = level;
    return add_double_conv(b, prefix, v->widens ? ps_builder_width(b, (v->base << level) / 2) : channels, channels,
                           false);
}

/* The map of the way down comes first where both are joined. unet3d keeps the channels of what it enlarges. */
static ps_status add_level_up(ps_builder *b, const variant *v, int level, int skip) {
    static const ps_builder_extent twice = {{2, 2, 2}};
    char prefix[NAME_SIZE], up[NAME_SIZE], join[NAME_SIZE];
    int number = v->levels - 1 - level, channels = channels_of(b, v, level);
    snprintf(up, sizeof up, "up%d.up", number);
    snprintf(join, sizeof join, "up%d.concat", number);
    snprintf(prefix, sizeof prefix, "up%d.conv.double_conv", number);
    b->stage = MOST_LEVELS - 1 + number;
    PS_TRY(ps_builder_conv_transpose(b, v->widens ? channels_of(b, v, level + 1) : channels, &twice, true, up, NULL));
    PS_TRY(ps_builder_join(b, "concat", join, skip));
    return add_double_conv(b, prefix, channels, channels, true);
}

static ps_status add_all(ps_builder *b, const variant *v) {
    int skip[MOST_LEVELS], factor = 1 << (v->levels - 1);
    ps_builder_extent factors = {{v->volumes ? factor : 1, factor, factor}};
    PS_TRY(ps_builder_check_dims(b, v->volumes));
    PS_TRY(ps_builder_check_divides(b, &factors));
    ps_builder_usual_stages(b, 0, v->levels - 1);
    for (int level = 0; level < v->levels; level++) {
        PS_TRY(add_level_down(b, v, level));
        skip[level] = b->tail;
    }
    for (int level = v->levels - 2; level >= 0; level--) PS_TRY(add_level_up(b, v, level, skip[level]));
    b->stage = b->stage_count;
    return ps_builder_classes(b, "outc.conv", NULL, NULL);
}

static ps_status build_unet(const variant *v, const ps_model_options *options, ps_graph **out) {
    ps_builder b;
    *out = NULL;
    PS_TRY(ps_builder_fixed_stages(v->name, options));
    ps_status status =
        ps_builder_begin(&b, v->name, options, stage_names, sizeof stage_names / sizeof *stage_names, "outc");
    if (status == PS_OK) status = add_all(&b, v);
    if (status == PS_OK) status = ps_builder_finish(&b, out);
    ps_builder_discard(&b);
    return status;
}

static ps_status build_unet2d(const ps_model_options *options, ps_graph **out) {
    static const variant flat = {"unet2d", 5, 64, false, false};
    return build_unet(&flat, options, out);
}

static ps_status build_unet3d(const ps_model_options *options, ps_graph **out) {
    static const variant volumes = {"unet3d", 4, 64, true, true};
    return build_unet(&volumes, options, out);
}

extern const ps_model ps_models_unet[];
const ps_model ps_models_unet[] = {
    {"unet2d", "segmentation: five levels of two 3x3 convolutions down and up again", build_unet2d,
     PS_FAMILY_SEGMENTATION(1, 64, 64)},
    {"unet3d", "segmentation of volumes: four levels of two 3x3x3 convolutions down and up again", build_unet3d,
     PS_FAMILY_SEGMENTATION(32, 32, 32)},
    {0}};
