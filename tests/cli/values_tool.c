/* nnU-Net's augmentations by themselves, each with the numbers that it draws, for tests/cli/nnunet_augment_test.py:
 *   values_tool NAME SEED D H W C < values > numbers-and-values
 *   values_tool turn SEED D H W 1 PD PH PW < values-and-labels > numbers-and-values-and-labels
 *   values_tool box D H W PD PH PW Z Y X > first-cell
 * The last: where a patch begins that is cut around a position of the foreground. Values [d][h][w][c] are floats,
 * labels [d][h][w] 16-bit numbers in, 32-bit ones out. What was drawn is a text line: of every channel "happens
 * NUMBER..", of mirror the axes as bits, of turn three angles and the scale. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/augment_turn.h"
#include "data/augment_values.h"
#include "data/patch.h"

static const ps_augment_options all = {.noise = 1,
                                       .blur = 1,
                                       .brightness = 1,
                                       .contrast = 1,
                                       .low_resolution = 1,
                                       .gamma_inverted = 1,
                                       .gamma = 1,
                                       .mirror = true,
                                       .patch_turn = 1,
                                       .patch_zoom = 1};

static const ps_augmentation *const operations[] = {
    &ps_augment_blur,           &ps_augment_brightness, &ps_augment_contrast, &ps_augment_low_resolution,
    &ps_augment_gamma_inverted, &ps_augment_gamma,      &ps_augment_mirror};
enum { OPERATIONS = sizeof operations / sizeof *operations };

/* The numbers that an operation draws, in its own order. */
static void say_drawn(const char *name, ps_rng_key key, int channels) {
    if (strcmp(name, "mirror") == 0) printf("%u", ps_rng_u32(key, 0) & 7);
    for (int c = 0; c < channels && strcmp(name, "mirror") != 0; c++) {
        ps_rng_key own = ps_values_channel(key, c);
        bool half = strcmp(name, "blur") == 0 || strcmp(name, "low_resolution") == 0;
        printf("%d ", !half || ps_values_happens(0.5, own));
        if (strcmp(name, "blur") == 0)
            for (uint64_t i = 1; i <= 3; i++) printf("%.17g ", ps_values_between(own, i, 0.5, 1));
        else if (half) printf("%.17g ", ps_values_between(own, 1, 0.5, 1));
        else if (strncmp(name, "gamma", 5) == 0) printf("%.17g ", ps_values_factor(own, 0, 0.7, 1.5));
        else printf("%.17g ", ps_values_factor(own, 0, 0.75, 1.25));
    }
    printf("\n");
}

static int change(const char *name, ps_rng_key key, ps_shape shape) {
    size_t count = ps_shape_elements(shape);
    float *x = malloc(count * sizeof *x);
    ps_augment_sample sample = {.shape = shape, .pixel = x, .cell = (size_t)shape.c * sizeof *x};
    bool done = x != NULL && fread(x, sizeof *x, count, stdin) == count, known = false;
    for (int i = 0; done && i < OPERATIONS; i++) {
        if (strcmp(operations[i]->name, name) != 0) continue;
        known = true;
        operations[i]->apply(&all, key, &sample);
    }
    if (known) say_drawn(name, key, shape.c);
    done = known && fwrite(x, sizeof *x, count, stdout) == count;
    free(x);
    return done ? 0 : 1;
}

static void say_turn(ps_rng_key key, double most) {
    for (uint64_t i = 3; i <= 5; i++) printf("%.17g ", ps_values_between(key, i, -most, most));
    printf("%.17g\n", ps_values_between(key, 2, 0.7, 1.4));
}

static int turn(ps_rng_key key, ps_shape shape, ps_shape patch) {
    static const double mean[1] = {0}, deviation[1] = {1};
    static const float outside[1] = {0};
    size_t count = ps_shape_positions(shape), seen = ps_shape_positions(patch);
    float *pixel = malloc(count * sizeof *pixel), *x = malloc(seen * sizeof *x);
    int16_t *mask = malloc(count * sizeof *mask);
    int32_t *label = malloc(seen * sizeof *label);
    double more[3][3];
    bool done = pixel != NULL && x != NULL && mask != NULL && label != NULL &&
                fread(pixel, sizeof *pixel, count, stdin) == count && fread(mask, sizeof *mask, count, stdin) == count;
    if (done) {
        ps_cut cut = ps_cut_centre(shape, patch);
        ps_augment_turn_draw(&all, patch, key, more);
        ps_cut_turn(&cut, patch, more);
        ps_cut_floats(&cut, &(ps_cut_source){shape, pixel, NULL, mean, deviation}, patch, outside, x);
        ps_cut_labels(&cut, shape, mask, patch, -1, label);
        say_turn(key, patch.d > 1 && !ps_values_are_slices(patch) ? 30 : 180);
        done = fwrite(x, sizeof *x, seen, stdout) == seen && fwrite(label, sizeof *label, seen, stdout) == seen;
    }
    free(pixel);
    free(x);
    free(mask);
    free(label);
    return done ? 0 : 1;
}

static int box(char **word) {
    int n[9];
    for (int i = 0; i < 9; i++) n[i] = atoi(word[i]);
    const ps_shape sample = {1, 1, n[0], n[1], n[2]}, patch = {1, 1, n[3], n[4], n[5]};
    size_t position = ((size_t)n[6] * (size_t)n[1] + (size_t)n[7]) * (size_t)n[2] + (size_t)n[8];
    ps_cut cut = ps_cut_around(sample, patch, position, true);
    printf("%d %d %d\n", cut.shift[0], cut.shift[1], cut.shift[2]);
    return 0;
}

int main(int argc, char **argv) {
    if (argc == 11 && strcmp(argv[1], "box") == 0) return box(argv + 2);
    if (argc != 7 && argc != 10) return 2;
    ps_rng_key key = ps_rng_key_of(strtoull(argv[2], NULL, 10), "test");
    ps_shape shape = {1, atoi(argv[6]), atoi(argv[3]), atoi(argv[4]), atoi(argv[5])};
    if (argc == 7) return change(argv[1], key, shape);
    return turn(key, shape, (ps_shape){1, 1, atoi(argv[7]), atoi(argv[8]), atoi(argv[9])});
}
