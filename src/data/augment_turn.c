#include "data/augment_turn.h"

#include <math.h>
#include <string.h>

#include "data/augment_values.h"

ps_status ps_augment_turn_check(const ps_augment_options *options, const ps_dataset *dataset) {
    if (ps_dataset_has_patch(dataset) || (options->patch_turn <= 0 && options->patch_zoom <= 0)) return PS_OK;
    return ps_fail(PS_ERR_USAGE,
                   "patch_turn and patch_zoom turn and scale patches where they are cut, and whole samples are used; "
                   "give patch_size, too, or leave them out");
}

/* turn = turn times a rotation in the plane of two axes. */
static void rotate(double turn[3][3], int a, int b, double degrees) {
    double angle = degrees * 3.14159265358979323846 / 180, c = cos(angle), s = sin(angle);
    for (int i = 0; i < 3; i++) {
        double at_a = turn[i][a], at_b = turn[i][b];
        turn[i][a] = c * at_a + s * at_b;
        turn[i][b] = c * at_b - s * at_a;
    }
}

static double most_degrees(ps_shape patch, bool flat) {
    int longer = patch.h > patch.w ? patch.h : patch.w, shorter = patch.h > patch.w ? patch.w : patch.h;
    if (!flat) return 30;
    return patch.d == 1 && longer > 1.5 * shorter ? 15 : 180;
}

bool ps_augment_turn_draw(const ps_augment_options *options, ps_shape patch, ps_rng_key key, double turn[3][3]) {
    bool flat = patch.d == 1 || ps_values_are_slices(patch);
    bool turned = (double)ps_rng_uniform(key, 0) < options->patch_turn;
    bool scaled = (double)ps_rng_uniform(key, 1) < options->patch_zoom;
    double most = most_degrees(patch, flat), scale = scaled ? ps_values_between(key, 2, 0.7, 1.4) : 1;
    memset(turn, 0, 9 * sizeof turn[0][0]);
    for (int i = 0; i < 3; i++) turn[i][i] = i == 0 && flat ? 1 : scale;
    if (turned && !flat) rotate(turn, 0, 1, ps_values_between(key, 5, -most, most));
    if (turned && !flat) rotate(turn, 2, 0, ps_values_between(key, 4, -most, most));
    if (turned) rotate(turn, 1, 2, ps_values_between(key, 3, -most, most));
    return turned || scaled;
}
