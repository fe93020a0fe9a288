#include "data/mix.h"

#include <math.h>
#include <stddef.h>

bool ps_mix_used(const ps_mix_options *options) { return options->mixup > 0 || options->cutmix > 0; }

ps_status ps_mix_check(const ps_mix_options *options) {
    bool alphas = options->mixup >= 0 && options->cutmix >= 0 && isfinite(options->mixup) && isfinite(options->cutmix);
    if (!alphas || !(options->cutmix_share >= 0 && options->cutmix_share <= 1) || options->until_epoch < 0)
        return ps_fail(
            PS_ERR_USAGE,
            "mixup and cutmix must be 0 (none) or more, the share of cutmix 0 to 1, and the epoch from which "
            "nothing is mixed 0 (never) or more, not %g, %g, %g and %d",
            options->mixup, options->cutmix, options->cutmix_share, options->until_epoch);
    return PS_OK;
}

/* ---- drawing ---- */

/* Natural logarithm of a number in (0, 1). */
static double log_uniform(ps_rng_key key, uint64_t index) {
    return log(((double)ps_rng_u32(key, index) + 0.5) * 0x1p-32);
}

/* Natural logarithm of a gamma variate (Marsaglia and Tsang 2000): of one of a + 1, and what makes it one of a. Of
 * small a the variate itself would vanish. */
static double log_gamma_variate(double a, ps_rng_key key) {
    double d = a + 1 - 1.0 / 3, c = 1 / sqrt(9 * d);
    for (uint64_t i = 1;; i += 2) {
        double x = (double)ps_rng_normal(key, i), v = 1 + c * x;
        if (v <= 0) continue;
        v = v * v * v;
        if (log_uniform(key, i + 1) < 0.5 * x * x + d - d * v + d * log(v)) return log(d * v) + log_uniform(key, 0) / a;
    }
}

/* Beta(a, a). */
static double draw_share(double a, ps_rng_key key) {
    double own = log_gamma_variate(a, ps_rng_key_fold(key, 0)), other = log_gamma_variate(a, ps_rng_key_fold(key, 1));
    return 1 / (1 + exp(other - own));
}

static int within(int place, int size) { return place < 0 ? 0 : place > size ? size : place; }

/* A box of 1 - share of the image about a random place, cut at the border; what is left of it decides on the share. */
static void draw_box(ps_mix *mix, ps_rng_key key, ps_shape shape) {
    double ratio = sqrt(1 - mix->share);
    int h = (int)(shape.h * ratio), w = (int)(shape.w * ratio);
    int y = (int)ps_rng_below(key, 1, (uint32_t)shape.h), x = (int)ps_rng_below(key, 2, (uint32_t)shape.w);
    mix->top = within(y - h / 2, shape.h);
    mix->bottom = within(y + (h + 1) / 2, shape.h);
    mix->left = within(x - w / 2, shape.w);
    mix->right = within(x + (w + 1) / 2, shape.w);
    double area = (double)(mix->bottom - mix->top) * (mix->right - mix->left);
    mix->share = 1 - area / ((double)shape.h * shape.w);
}

ps_mix ps_mix_draw(const ps_mix_options *options, ps_rng_key key, uint64_t step, uint64_t epoch, ps_shape shape) {
    ps_rng_key own = ps_rng_key_fold(key, step);
    ps_mix mix = {.share = 1};
    bool over = options->until_epoch > 0 && epoch >= (uint64_t)options->until_epoch;
    if (!ps_mix_used(options) || over) return mix;
    mix.cut = options->cutmix > 0;
    if (mix.cut && options->mixup > 0) mix.cut = (double)ps_rng_uniform(own, 0) < options->cutmix_share;
    mix.share = draw_share(mix.cut ? options->cutmix : options->mixup, own);
    if (mix.cut) draw_box(&mix, own, shape);
    return mix;
}

static double entropy(double weight) { return weight > 0 ? -weight * log(weight) : 0; }

double ps_mix_entropy(double share, bool same, double smoothing, int classes) {
    double each = smoothing / classes, own = (1 - smoothing) * (same ? 1 : share), other = 1 - smoothing - own;
    if (same || share == 1) return entropy(own + each) + (classes - 1) * entropy(each);
    return entropy(own + each) + entropy(other + each) + (classes - 2) * entropy(each);
}

/* ---- mixing ---- */

static float mixed(const ps_mix *mix, float own, float other) {
    return (float)mix->share * own + (float)(1 - mix->share) * other;
}

static void mix_values(const ps_mix *mix, float *a, float *b, size_t count) {
    for (size_t i = 0; i < count; i++) {
        float own = a[i], other = b[i];
        a[i] = mixed(mix, own, other);
        b[i] = mixed(mix, other, own);
    }
}

/* Where the part of the box in one of its rows begins, of [d][h]; its values. */
static size_t box_start(const ps_mix *mix, ps_shape s, int z, int y) {
    return (((size_t)z * (size_t)s.h + (size_t)y) * (size_t)s.w + (size_t)mix->left) * (size_t)s.c;
}

static size_t box_values(const ps_mix *mix, ps_shape s) { return (size_t)(mix->right - mix->left) * (size_t)s.c; }

static void swap_values(float *a, float *b, size_t count) {
    for (size_t i = 0; i < count; i++) {
        float held = a[i];
        a[i] = b[i];
        b[i] = held;
    }
}

void ps_mix_pair(const ps_mix *mix, ps_shape shape, float *a, float *b) {
    if (!mix->cut) {
        mix_values(mix, a, b, ps_shape_elements(shape));
        return;
    }
    for (int z = 0; z < shape.d; z++) {
        for (int y = mix->top; y < mix->bottom; y++) {
            size_t at = box_start(mix, shape, z, y);
            swap_values(a + at, b + at, box_values(mix, shape));
        }
    }
}
