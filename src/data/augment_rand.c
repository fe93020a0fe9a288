/* RandAugment as timm has it: which operations there are, what a magnitude means to each, and how both are drawn. */
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "data/augment.h"

/* What one operation is to do. */
typedef struct {
    double level;  /* 0 to 1 */
    bool negative; /* of those that go either way */
    bool cubic;    /* of those that move pixels: bicubic, else bilinear */
    bool increasing;
    const uint8_t *grey; /* [c]: what is shown outside */
} strength;

typedef void operation(ps_image *image, const strength *s);

/* ---- what a level means ---- */

static double signed_level(const strength *s, double most) { return s->negative ? -s->level * most : s->level * most; }

/* 1 is no change. Increasing: away from it, to either side; else from 0.1 to 1.9. */
static float factor_of(const strength *s) {
    return (float)(s->increasing ? fmax(0.1, 1 + signed_level(s, 0.9)) : s->level * 1.8 + 0.1);
}

static void autocontrast(ps_image *image, const strength *s) {
    (void)s;
    ps_image_autocontrast(image);
}
static void equalize(ps_image *image, const strength *s) {
    (void)s;
    ps_image_equalize(image);
}
static void invert(ps_image *image, const strength *s) {
    (void)s;
    ps_image_invert(image);
}
static void posterize(ps_image *image, const strength *s) {
    int bits = (int)(s->level * 4);
    ps_image_posterize(image, s->increasing ? 4 - bits : bits);
}
static void solarize(ps_image *image, const strength *s) {
    int threshold = (int)(s->level * 256);
    ps_image_solarize(image, s->increasing ? 256 - threshold : threshold);
}
static void solarize_add(ps_image *image, const strength *s) { ps_image_solarize_add(image, (int)(s->level * 110)); }
static void color(ps_image *image, const strength *s) { ps_image_color(image, factor_of(s)); }
static void contrast(ps_image *image, const strength *s) { ps_image_contrast(image, factor_of(s)); }
static void brightness(ps_image *image, const strength *s) { ps_image_brightness(image, factor_of(s)); }
static void sharpness(ps_image *image, const strength *s) { ps_image_sharpness(image, factor_of(s)); }

static void warp(ps_image *image, const strength *s, const double m[6]) {
    ps_image_warp(image, m, s->cubic ? PS_FILTER_BICUBIC : PS_FILTER_BILINEAR, s->grey);
}
static void rotate(ps_image *image, const strength *s) {
    double m[6];
    ps_image_rotation(image, signed_level(s, 30), m);
    warp(image, s, m);
}
static void shear_x(ps_image *image, const strength *s) {
    warp(image, s, (double[]){1, signed_level(s, 0.3), 0, 0, 1, 0});
}
static void shear_y(ps_image *image, const strength *s) {
    warp(image, s, (double[]){1, 0, 0, signed_level(s, 0.3), 1, 0});
}
static void translate_x(ps_image *image, const strength *s) {
    warp(image, s, (double[]){1, 0, signed_level(s, 0.45) * image->w, 0, 1, 0});
}
static void translate_y(ps_image *image, const strength *s) {
    warp(image, s, (double[]){1, 0, 0, 0, 1, signed_level(s, 0.45) * image->h});
}

static operation *const operations[] = {autocontrast, equalize,     invert,  rotate,      posterize,
                                        solarize,     solarize_add, color,   contrast,    brightness,
                                        sharpness,    shear_x,      shear_y, translate_x, translate_y};
enum { OPERATIONS = sizeof operations / sizeof *operations };

/* ---- drawing ---- */

/* Numbers of a layer's key. */
enum { WHICH, WHETHER, MAGNITUDE, SIGN, FILTER };

static double draw_magnitude(const ps_rand_augment *rand, ps_rng_key key) {
    double magnitude = rand->magnitude;
    if (isinf(rand->deviation)) magnitude *= (double)ps_rng_uniform(key, MAGNITUDE);
    else if (rand->deviation > 0) magnitude += rand->deviation * (double)ps_rng_normal(key, MAGNITUDE);
    return fmax(0, fmin(magnitude, 10));
}

static void apply(const ps_augment_options *options, ps_rng_key key, ps_augment_sample *sample) {
    const ps_rand_augment *rand = &options->rand;
    ps_image image = ps_augment_image(sample);
    for (int i = 0; i < rand->layers; i++) {
        ps_rng_key layer = ps_rng_key_fold(key, (uint64_t)i);
        if (!((double)ps_rng_uniform(layer, WHETHER) < rand->probability)) continue;
        strength s = {.level = draw_magnitude(rand, layer) / 10,
                      .negative = (ps_rng_u32(layer, SIGN) & 1) != 0,
                      .cubic = (ps_rng_u32(layer, FILTER) & 1) != 0,
                      .increasing = rand->increasing,
                      .grey = sample->grey};
        operations[ps_rng_below(layer, WHICH, OPERATIONS)](&image, &s);
    }
}

/* ---- options ---- */

static bool used(const ps_augment_options *options) { return options->rand.layers > 0; }

static ps_status check(const ps_augment_options *options, const ps_dataset *dataset) {
    int channels = ps_dataset_sample_shape(dataset).c;
    if (!used(options) || channels == 1 || channels == 3) return PS_OK;
    return ps_fail(PS_ERR_USAGE, "%s: rand_augment is for images of 1 or 3 channels, and these have %d; leave it out",
                   ps_dataset_source(dataset), channels);
}

/* A section of the text: a name and a number behind it. */
typedef struct {
    const char *name;
    double low, high;
    double *value;
} section;

static ps_status refuse(const char *text, const char *at) {
    return ps_fail(
        PS_ERR_USAGE,
        "rand_augment \"%s\": cannot read \"%.*s\"; sections are m (magnitude, 0 to 10), n (operations, 1 to "
        "15), p (probability), mstd (deviation of the magnitude) and inc (0 or 1), each once, as in "
        "m9-mstd0.5-inc1",
        text, (int)strcspn(at, "-"), at);
}

/* *at: moved behind the section. */
static ps_status read_section(const char *text, const char **at, section *sections, int count) {
    size_t name = 0;
    char *end;
    while (islower((unsigned char)(*at)[name])) name++;
    section *s = NULL;
    for (int i = 0; i < count; i++)
        if (strlen(sections[i].name) == name && strncmp(sections[i].name, *at, name) == 0) s = &sections[i];
    bool digits = isdigit((unsigned char)(*at)[name]) || (*at)[name] == '.';
    if (s == NULL || s->value == NULL || !digits) return refuse(text, *at);
    *s->value = strtod(*at + name, &end);
    if ((*end != '-' && *end != '\0') || (*end == '-' && end[1] == '\0') ||
        !(*s->value >= s->low && *s->value <= s->high))
        return refuse(text, *at);
    s->value = NULL;
    *at = *end == '-' ? end + 1 : end;
    return PS_OK;
}

ps_status ps_rand_augment_parse(const char *text, ps_rand_augment *out) {
    double layers = 2, increasing = 0;
    const char *at = strncmp(text, "rand-", 5) == 0 ? text + 5 : text;
    *out = (ps_rand_augment){.probability = 0.5, .magnitude = 10};
    section sections[] = {{"m", 0, 10, &out->magnitude},
                          {"n", 1, 15, &layers},
                          {"p", 0, 1, &out->probability},
                          {"mstd", 0, INFINITY, &out->deviation},
                          {"inc", 0, 1, &increasing}};
    if (text[0] == '\0') return PS_OK;
    if (at[0] == '\0') return refuse(text, text);
    while (at[0] != '\0') PS_TRY(read_section(text, &at, sections, sizeof sections / sizeof *sections));
    if (layers != floor(layers) || increasing != floor(increasing)) return refuse(text, text);
    if (out->deviation > 100) out->deviation = INFINITY;
    out->layers = (int)layers;
    out->increasing = increasing != 0;
    return PS_OK;
}

const ps_augmentation ps_augment_rand = {.name = "rand_augment",
                                         .stream = "data/augment/rand",
                                         .side = PS_AUGMENT_BYTES,
                                         .used = used,
                                         .check = check,
                                         .apply = apply};
