/* Synthetic pictures with label maps: no files, and no real data - discs, squares, rings and stripes, turned and of
 * many sizes, on a texture. What a pixel is, is told by the shape around it: texture and colour of shapes and ground
 * are random, but for a tint of each class that is weaker than they are.
 *
 * Arithmetic is +, -, *, /, floor and sqrt on floats (all exactly rounded), so that every machine makes the same bytes.
 * A sample is a function of seed, part and number: it is drawn when it is asked for. */
#include <math.h>
#include <stdio.h>

#include "core/memory.h"
#include "core/rng.h"
#include "data/source.h"

enum {
    GROUND,
    DISC,
    SQUARE,
    RING,
    STRIPE,
    CLASSES,
    CHANNELS = 3,
    SHAPES_LEAST = 2,
    SHAPES_MOST = 4,
    TRAIN_DEFAULT = 512,
    TEST_DEFAULT = 128,
    COUNT_MOST = 1000000,
    SIDE_DEFAULT = 64,
    SIDE_LEAST = 16,
    SIDE_MOST = 1024
};

static const char *const class_names[CLASSES] = {"background", "disc", "square", "ring", "stripe"};
static const float tints[CLASSES][CHANNELS] = {{0, 0, 0}, {1, 0, -1}, {-1, 1, 0}, {0, -1, 1}, {1, 1, -1}};
static const float tint_strength = 18.0f, noise_deviation = 12.0f;

/* A surface: the ground, or a shape upon it. */
typedef struct {
    int class_index;
    float centre[2], radius; /* in pixels */
    float along[2];          /* unit vector of its turn */
    float wave[2], phase;    /* of its texture: waves a pixel along y and x */
    float base[CHANNELS], contrast[CHANNELS];
} surface;

typedef struct {
    ps_rng_key key;
    int side, count;
    surface surface[1 + SHAPES_MOST]; /* the last lies on top */
} scene;

static float between(ps_rng_key key, uint64_t index, float low, float high) {
    return low + (high - low) * ps_rng_uniform(key, index);
}

/* A unit vector of any direction, without a sine, which would come from libm, and libms differ: (1 - t^2, 2 t) / (1 +
 * t^2) goes around a half of the circle, and a sign around the other. */
static void draw_direction(ps_rng_key key, uint64_t index, float out[2]) {
    float t = between(key, index, -1.0f, 1.0f), length = 1.0f + t * t;
    float sign = ps_rng_u32(key, index + 1) & 1 ? 1.0f : -1.0f;
    out[0] = sign * (1.0f - t * t) / length;
    out[1] = sign * 2.0f * t / length;
}

static surface draw_surface(ps_rng_key key, int class_index, int side) {
    surface s = {.class_index = class_index};
    float wave[2], waves = 1.0f / between(key, 0, 3.0f, 9.0f), contrast = between(key, 1, 15.0f, 45.0f);
    draw_direction(key, 2, s.along);
    draw_direction(key, 4, wave);
    s.phase = ps_rng_uniform(key, 6);
    s.radius = between(key, 7, 0.14f, 0.30f) * (float)side;
    for (uint64_t i = 0; i < 2; i++) {
        s.wave[i] = wave[i] * waves;
        s.centre[i] = between(key, 8 + i, 0.1f, 0.9f) * (float)side;
    }
    for (uint64_t c = 0; c < CHANNELS; c++) {
        s.base[c] = between(key, 10 + c, 50.0f, 205.0f) + tint_strength * tints[class_index][c];
        s.contrast[c] = contrast * between(key, 13 + c, 0.3f, 1.0f);
    }
    return s;
}

/* The class of the first shape goes round, so that every run of four samples has each. */
static void draw_scene(ps_rng_key key, int index, int side, scene *out) {
    int shapes = SHAPES_LEAST + (int)ps_rng_below(key, 0, SHAPES_MOST - SHAPES_LEAST + 1);
    *out = (scene){.key = key, .side = side, .count = 1 + shapes};
    out->surface[0] = draw_surface(ps_rng_key_fold(key, 0), GROUND, side);
    for (int i = 1; i <= shapes; i++) {
        int kind = (i == 1 ? index : (int)ps_rng_below(key, (uint64_t)i, CLASSES - 1)) % (CLASSES - 1);
        /* what lies on top is never hidden: the first is drawn last */
        out->surface[shapes + 1 - i] = draw_surface(ps_rng_key_fold(key, (uint64_t)i), DISC + kind, side);
    }
}

static bool covers(const surface *s, float y, float x) {
    float dy = y - s->centre[0], dx = x - s->centre[1], r = s->radius, distance = dy * dy + dx * dx;
    float u = fabsf(dx * s->along[0] + dy * s->along[1]), v = fabsf(dy * s->along[0] - dx * s->along[1]);
    switch (s->class_index) {
        case DISC: return distance <= r * r;
        case SQUARE: return u <= 0.85f * r && v <= 0.85f * r;
        case RING: return distance <= r * r && distance >= 0.3f * r * r;
        case STRIPE: return u <= 1.4f * r && v <= 0.3f * r;
        default: return true;
    }
}

/* Nearly normal, mean 0, deviation 1: the sum of four bytes. */
static float noise(ps_rng_key key, uint64_t index) {
    uint32_t word = ps_rng_u32(key, index);
    uint32_t sum = (word & 255) + (word >> 8 & 255) + (word >> 16 & 255) + (word >> 24);
    return ((float)sum - 510.0f) / 147.8f;
}

static void draw_pixel(const scene *s, const surface *on, float y, float x, uint64_t at, uint8_t *pixel) {
    float t = y * on->wave[0] + x * on->wave[1] + on->phase, wave = 4.0f * fabsf(t - floorf(t) - 0.5f) - 1.0f;
    for (int c = 0; c < CHANNELS; c++) {
        float value = on->base[c] + on->contrast[c] * wave + noise_deviation * noise(s->key, at + (uint64_t)c);
        pixel[c] = (uint8_t)fminf(fmaxf(floorf(value + 0.5f), 0.0f), 255.0f);
    }
}

static void draw_sample(const scene *s, uint8_t *pixel, int16_t *label) {
    enum { FIRST_NOISE = 16 };
    for (int y = 0; y < s->side; y++) {
        for (int x = 0; x < s->side; x++, pixel += CHANNELS) {
            int top = s->count - 1;
            uint64_t at = (uint64_t)y * (uint64_t)s->side + (uint64_t)x;
            while (!covers(&s->surface[top], (float)y, (float)x)) top--; /* the ground covers all */
            *label++ = (int16_t)s->surface[top].class_index;
            draw_pixel(s, &s->surface[top], (float)y, (float)x, FIRST_NOISE + CHANNELS * at, pixel);
        }
    }
}

/* ---- the source ---- */

typedef struct {
    ps_rng_key key[PS_SOURCE_PARTS];
    int side;
} shapes;

static void size_of(const ps_source *source, ps_source_part part, int index, ps_sample_size *out) {
    const shapes *s = source->state;
    (void)part;
    (void)index;
    *out = (ps_sample_size){.pixels = {1, CHANNELS, 1, s->side, s->side}, .mask = {1, 1, 1, s->side, s->side}};
}

static ps_status decode(const ps_source *source, ps_source_part part, int index, void *pixel, int16_t *label) {
    const shapes *s = source->state;
    scene drawn;
    draw_scene(ps_rng_key_fold(s->key[part], (uint64_t)index), index, s->side, &drawn);
    draw_sample(&drawn, pixel, label);
    return PS_OK;
}

static void free_shapes(ps_source *source) { ps_free(source->state); }

static const ps_source_functions functions = {.size = size_of, .decode = decode, .close = free_shapes};

ps_status ps_synthetic_2d_open(const char *argument, const ps_dataset_options *options, ps_source *out) {
    shapes *s = NULL;
    int side = options->size > 0 ? options->size : SIDE_DEFAULT;
    int train = options->train_limit > 0 ? options->train_limit : TRAIN_DEFAULT;
    int test = options->test_limit > 0 ? options->test_limit : TEST_DEFAULT;
    (void)argument;
    if (side < SIDE_LEAST || side > SIDE_MOST)
        return ps_fail(PS_ERR_USAGE, "synthetic-2d pictures can be %d to %d pixels wide, not %d; change the size",
                       SIDE_LEAST, SIDE_MOST, side);
    if (train > COUNT_MOST || test > COUNT_MOST || options->probe_count > COUNT_MOST)
        return ps_fail(PS_ERR_USAGE,
                       "synthetic data holds at most %d images for training, probe and test each; ask for fewer",
                       COUNT_MOST);
    PS_TRY(PS_ALLOC(1, &s, "data set"));
    s->key[PS_SOURCE_TRAIN] = ps_rng_key_of(options->seed, "synthetic-2d/train");
    s->key[PS_SOURCE_TEST] = ps_rng_key_of(options->seed, "synthetic-2d/test");
    s->side = side;
    *out = (ps_source){.functions = &functions,
                       .state = s,
                       .count = {train + options->probe_count, test},
                       .made = true,
                       .type = PS_PIXEL_BYTE,
                       .labels = PS_LABEL_MASK,
                       .classes = CLASSES};
    PS_TRY(PS_ALLOC(CLASSES, &out->class_names, "class names"));
    for (int i = 0; i < CLASSES; i++) snprintf(out->class_names[i], PS_CLASS_NAME_SIZE, "%s", class_names[i]);
    return PS_OK;
}
