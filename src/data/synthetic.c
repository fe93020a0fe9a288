/* Synthetic images: no files, and no real data - textures whose class is their arrangement, not their pixels.
 *
 * Ten classes: five patterns (rows, columns, diagonals, grids, rings), each fine (about 3 pixels a period) or coarse
 * (about 7). Phase, slant, centre, contrast, colour and sign are random, so a class's mean image says little: only a
 * tint per class (weaker than the random tint of every image) is open to a linear model. All classes survive a
 * horizontal flip.
 *
 * Arithmetic is +, -, *, /, floor and sqrt on floats (all exactly rounded), so that every machine makes the same
 * bytes. An image is a function of seed, part and number: it is drawn when it is asked for. */
#include <math.h>
#include <stdio.h>

#include "core/memory.h"
#include "core/rng.h"
#include "data/source.h"

enum {
    CLASSES = 10,
    CHANNELS = 3,
    TRAIN_DEFAULT = 4096,
    TEST_DEFAULT = 1024,
    COUNT_MOST = 1000000,
    SIDE_DEFAULT = 16,
    SIDE_LEAST = 8,
    SIDE_MOST = 512
};

static const char class_names[CLASSES][PS_CLASS_NAME_SIZE] = {
    "fine rows",        "coarse rows", "fine columns", "coarse columns", "fine diagonals",
    "coarse diagonals", "fine grids",  "coarse grids", "fine rings",     "coarse rings"};
/* Directions of the tints, spread over the colour cube. */
static const float tints[CLASSES][CHANNELS] = {{1, 1, 1},  {-1, -1, -1}, {1, -1, 0},  {-1, 1, 0}, {0, 1, -1},
                                               {0, -1, 1}, {1, 0, 1},    {-1, 0, -1}, {1, 1, -1}, {-1, -1, 1}};
static const float tint_strength = 22.0f, tint_spread = 40.0f, noise_deviation = 20.0f;

/* What one image is made of. */
typedef struct {
    int pattern; /* 0 rows, 1 columns, 2 diagonals, 3 grids, 4 rings */
    float period, slant, phase[2], centre[2], turn;
    float contrast[CHANNELS], base[CHANNELS];
} recipe;

static float between(ps_rng_key key, uint64_t index, float low, float high) {
    return low + (high - low) * ps_rng_uniform(key, index);
}
static float sign(ps_rng_key key, uint64_t index) { return ps_rng_u32(key, index) & 1 ? 1.0f : -1.0f; }

static recipe draw_recipe(ps_rng_key key, int label, int side) {
    recipe r = {.pattern = label / 2};
    r.period = label % 2 ? between(key, 1, 6.0f, 8.0f) : between(key, 1, 3.0f, 4.0f);
    r.slant = between(key, 2, -0.15f, 0.15f);
    r.turn = sign(key, 3);
    float strength = between(key, 4, 45.0f, 85.0f) * sign(key, 5);
    for (uint64_t i = 0; i < 2; i++) {
        r.phase[i] = ps_rng_uniform(key, 6 + i);
        r.centre[i] = between(key, 8 + i, 0.2f, 0.8f) * (float)side;
    }
    for (uint64_t c = 0; c < CHANNELS; c++) {
        r.contrast[c] = strength * between(key, 10 + c, 0.3f, 1.0f);
        r.base[c] = 128.0f + tint_strength * tints[label][c] + between(key, 13 + c, -tint_spread, tint_spread);
    }
    return r;
}

/* Triangle wave of period 1 in [-1, 1]: a sine would come from libm, and libms differ. */
static float wave(float t) { return 4.0f * fabsf(t - floorf(t) - 0.5f) - 1.0f; }

static float pattern_at(const recipe *r, float y, float x) {
    float rows = (y + r->slant * x) / r->period + r->phase[0], columns = (x - r->slant * y) / r->period + r->phase[1];
    float dy = y - r->centre[0], dx = x - r->centre[1];
    switch (r->pattern) {
        case 0: return wave(rows);
        case 1: return wave(columns);
        case 2: return wave((y + r->turn * (1.0f + r->slant) * x) / (1.4142135f * r->period) + r->phase[0]);
        case 3: return 1.5f * wave(rows) * wave(columns);
        default: return wave(sqrtf(dy * dy + dx * dx) / r->period + r->phase[0]);
    }
}

/* Nearly normal, mean 0, deviation 1: the sum of four bytes. */
static float noise(ps_rng_key key, uint64_t index) {
    uint32_t word = ps_rng_u32(key, index);
    uint32_t sum = (word & 255) + (word >> 8 & 255) + (word >> 16 & 255) + (word >> 24);
    return ((float)sum - 510.0f) / 147.8f;
}

static void draw_image(ps_rng_key key, int label, int side, uint8_t *pixel) {
    recipe r = draw_recipe(key, label, side);
    ps_rng_key noise_key = ps_rng_key_fold(key, 1);
    size_t at = 0;
    for (int y = 0; y < side; y++) {
        for (int x = 0; x < side; x++) {
            float pattern = pattern_at(&r, (float)y, (float)x);
            for (int c = 0; c < CHANNELS; c++, at++) {
                float value = r.base[c] + r.contrast[c] * pattern + noise_deviation * noise(noise_key, at);
                pixel[at] = (uint8_t)fminf(fmaxf(floorf(value + 0.5f), 0.0f), 255.0f);
            }
        }
    }
}

typedef struct {
    ps_rng_key key[PS_SOURCE_PARTS];
    int side;
} textures;

static void size_of(const ps_source *source, ps_source_part part, int index, ps_sample_size *out) {
    const textures *t = source->state;
    (void)part;
    (void)index;
    *out = (ps_sample_size){.pixels = {1, CHANNELS, 1, t->side, t->side}};
}

/* Classes in turn: every run of ten images, so every limit and probe, is balanced; the loader shuffles. */
static ps_status decode(const ps_source *source, ps_source_part part, int index, void *pixel, int16_t *label) {
    const textures *t = source->state;
    *label = (int16_t)(index % CLASSES);
    draw_image(ps_rng_key_fold(t->key[part], (uint64_t)index), *label, t->side, pixel);
    return PS_OK;
}

static void free_textures(ps_source *source) { ps_free(source->state); }

static const ps_source_functions functions = {.size = size_of, .decode = decode, .close = free_textures};

ps_status ps_synthetic_open(const char *argument, const ps_dataset_options *options, ps_source *out) {
    (void)argument;
    textures *t = NULL;
    int side = options->size > 0 ? options->size : SIDE_DEFAULT;
    int train = options->train_limit > 0 ? options->train_limit : TRAIN_DEFAULT;
    int test = options->test_limit > 0 ? options->test_limit : TEST_DEFAULT;
    if (side < SIDE_LEAST || side > SIDE_MOST)
        return ps_fail(PS_ERR_USAGE, "synthetic images can be %d to %d pixels wide, not %d; change the size",
                       SIDE_LEAST, SIDE_MOST, side);
    if (train > COUNT_MOST || test > COUNT_MOST || options->probe_count > COUNT_MOST)
        return ps_fail(PS_ERR_USAGE,
                       "synthetic data holds at most %d images for training, probe and test each; ask for fewer",
                       COUNT_MOST);
    PS_TRY(PS_ALLOC(1, &t, "data set"));
    t->key[PS_SOURCE_TRAIN] = ps_rng_key_of(options->seed, "synthetic/train");
    t->key[PS_SOURCE_TEST] = ps_rng_key_of(options->seed, "synthetic/test");
    t->side = side;
    *out = (ps_source){.functions = &functions,
                       .state = t,
                       .count = {train + options->probe_count, test},
                       .made = true,
                       .type = PS_PIXEL_BYTE,
                       .labels = PS_LABEL_CLASS,
                       .classes = CLASSES};
    PS_TRY(PS_ALLOC(CLASSES, &out->class_names, "class names"));
    for (int i = 0; i < CLASSES; i++) snprintf(out->class_names[i], PS_CLASS_NAME_SIZE, "%s", class_names[i]);
    return PS_OK;
}
