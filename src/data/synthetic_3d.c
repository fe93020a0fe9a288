/* Synthetic volumes: no files, and no real data - ellipsoids in noise, of three classes beside the background. A large
 * body; a core within it, and a node outside of it, which are equally bright, so that a voxel's value does not tell
 * them apart; a slope of brightness over the volume. Samples differ in size and in the spacing of their slices, so that
 * whatever works on volumes has something to do.
 *
 * Arithmetic is +, -, *, / and floor on floats and doubles (all exactly rounded), so that every machine makes the same
 * values. A volume is a function of seed, part and number: it is drawn when it is asked for. */
#include <math.h>
#include <stdio.h>

#include "core/memory.h"
#include "core/rng.h"
#include "data/source.h"

enum {
    CLASSES = 4,
    TRAIN_DEFAULT = 64,
    TEST_DEFAULT = 16,
    COUNT_MOST = 100000,
    SIDE_DEFAULT = 32,
    SIDE_LEAST = 12,
    SIDE_MOST = 256
};

static const char class_names[CLASSES][PS_CLASS_NAME_SIZE] = {"background", "body", "core", "node"};
static const float brightness[CLASSES] = {60, 110, 165, 165};
static const float noise_deviation = 20.0f, slope_most = 30.0f;
static const double spacings[] = {1.0, 1.25, 1.5};

typedef struct {
    ps_rng_key key[PS_SOURCE_PARTS];
    int side; /* 0: sides differ about the default */
} bodies;

typedef struct {
    float centre[3], radius[3]; /* as shares of the sides, along d, h, w */
} ellipsoid;

static ps_rng_key key_of(const bodies *b, ps_source_part part, int index) {
    return ps_rng_key_fold(b->key[part], (uint64_t)index);
}

static float between(ps_rng_key key, uint64_t index, float low, float high) {
    return low + (high - low) * ps_rng_uniform(key, index);
}

static void size_of(const ps_source *source, ps_source_part part, int index, ps_sample_size *out) {
    enum { SPREAD = 9 };
    const bodies *b = source->state;
    int side[3] = {b->side, b->side, b->side};
    for (int i = 0; b->side == 0 && i < 3; i++)
        side[i] = SIDE_DEFAULT - SPREAD / 2 + (int)ps_rng_below(key_of(b, part, index), (uint64_t)i, SPREAD);
    out->pixels = out->mask = (ps_shape){1, 1, side[0], side[1], side[2]};
}

static double slice_spacing(const bodies *b, ps_source_part part, int index) {
    return spacings[ps_rng_below(key_of(b, part, index), 3, sizeof spacings / sizeof spacings[0])];
}

static bool holds(const ellipsoid *e, const float at[3]) {
    float sum = 0;
    for (int i = 0; i < 3; i++) {
        float t = (at[i] - e->centre[i]) / e->radius[i];
        sum += t * t;
    }
    return sum <= 1;
}

/* The node keeps to a corner that the body leaves free. */
static void draw_shapes(ps_rng_key key, ellipsoid shape[CLASSES]) {
    for (uint64_t i = 0; i < 3; i++) {
        shape[1].centre[i] = between(key, 10 + i, 0.52f, 0.60f);
        shape[1].radius[i] = between(key, 20 + i, 0.26f, 0.36f);
        shape[2].radius[i] = shape[1].radius[i] * between(key, 30 + i, 0.40f, 0.55f);
        shape[2].centre[i] = shape[1].centre[i] + shape[1].radius[i] * between(key, 40 + i, -0.25f, 0.25f);
        shape[3].radius[i] = between(key, 50 + i, 0.09f, 0.13f);
        shape[3].centre[i] = between(key, 60 + i, 0.14f, 0.20f);
    }
}

/* Nearly normal, mean 0, deviation 1: the sum of four bytes. */
static float noise(ps_rng_key key, uint64_t index) {
    uint32_t word = ps_rng_u32(key, index);
    uint32_t sum = (word & 255) + (word >> 8 & 255) + (word >> 16 & 255) + (word >> 24);
    return ((float)sum - 510.0f) / 147.8f;
}

static int class_at(const ellipsoid shape[CLASSES], const float at[3]) {
    for (int k = CLASSES - 1; k > 0; k--)
        if (holds(&shape[k], at)) return k;
    return 0;
}

static ps_status decode(const ps_source *source, ps_source_part part, int index, void *pixel, int16_t *label) {
    const bodies *b = source->state;
    ps_rng_key key = key_of(b, part, index), noise_key = ps_rng_key_fold(key, 1);
    ps_sample_size size;
    ellipsoid shape[CLASSES];
    float slope[3], *value = pixel;
    size_t i = 0;
    size_of(source, part, index, &size);
    draw_shapes(key, shape);
    for (uint64_t a = 0; a < 3; a++) slope[a] = between(key, 70 + a, -slope_most, slope_most);
    const ps_shape s = size.pixels;
    for (int z = 0; z < s.d; z++) {
        for (int y = 0; y < s.h; y++) {
            for (int x = 0; x < s.w; x++, i++) {
                const float at[3] = {((float)z + 0.5f) / (float)s.d, ((float)y + 0.5f) / (float)s.h,
                                     ((float)x + 0.5f) / (float)s.w};
                label[i] = (int16_t)class_at(shape, at);
                float tilt = slope[0] * (at[0] - 0.5f) + slope[1] * (at[1] - 0.5f) + slope[2] * (at[2] - 0.5f);
                value[i] = brightness[label[i]] + tilt + noise_deviation * noise(noise_key, i);
            }
        }
    }
    return PS_OK;
}

static void original(const ps_source *source, ps_source_part part, int index, ps_shape *shape, double mm[3]) {
    ps_sample_size size;
    size_of(source, part, index, &size);
    *shape = size.pixels;
    mm[0] = slice_spacing(source->state, part, index);
    mm[1] = mm[2] = 1;
}

static void free_bodies(ps_source *source) { ps_free(source->state); }

static const ps_source_functions functions = {
    .size = size_of, .decode = decode, .close = free_bodies, .original = original};

static ps_status check_options(const ps_dataset_options *options) {
    if (options->size != 0 && (options->size < SIDE_LEAST || options->size > SIDE_MOST))
        return ps_fail(PS_ERR_USAGE, "synthetic volumes can be %d to %d voxels wide, not %d; change the size",
                       SIDE_LEAST, SIDE_MOST, options->size);
    if (options->train_limit > COUNT_MOST || options->test_limit > COUNT_MOST || options->probe_count > COUNT_MOST)
        return ps_fail(PS_ERR_USAGE,
                       "synthetic data holds at most %d volumes for training, probe and test each; ask for fewer",
                       COUNT_MOST);
    return PS_OK;
}

ps_status ps_synthetic_3d_open(const char *argument, const ps_dataset_options *options, ps_source *out) {
    (void)argument;
    bodies *b = NULL;
    int train = options->train_limit > 0 ? options->train_limit : TRAIN_DEFAULT;
    int test = options->test_limit > 0 ? options->test_limit : TEST_DEFAULT;
    PS_TRY(check_options(options));
    PS_TRY(PS_ALLOC(1, &b, "data set"));
    b->key[PS_SOURCE_TRAIN] = ps_rng_key_of(options->seed, "synthetic-3d/train");
    b->key[PS_SOURCE_TEST] = ps_rng_key_of(options->seed, "synthetic-3d/test");
    b->side = options->size;
    *out = (ps_source){.functions = &functions,
                       .state = b,
                       .count = {train + options->probe_count, test},
                       .made = true,
                       .type = PS_PIXEL_FLOAT,
                       .labels = PS_LABEL_MASK,
                       .classes = CLASSES};
    PS_TRY(PS_ALLOC(CLASSES, &out->class_names, "class names"));
    for (int i = 0; i < CLASSES; i++) snprintf(out->class_names[i], PS_CLASS_NAME_SIZE, "%s", class_names[i]);
    return PS_OK;
}
