/* The rules of nnU-Net's default planner, step by step in its order and with its roundings (half to even). */
#include "data/plan.h"

#include <math.h>
#include <string.h>
#include <strings.h>

#include "core/memory.h"

enum { LEAST_SIDE = 4 /* of the lowest map */, FEATURES = 32, BATCH_LEAST = 2 };
static const double anisotropy = 3, covered_most = 0.05, low_resolution_below = 0.25, spacing_step = 1.03;

/* What the sizes of networks are bounded by, in two and three dimensions. */
typedef struct {
    double reference, start; /* values in maps; positions of the patch that is shrunk */
    int reference_batch, features_most;
} budget;
static const budget budget_flat = {85e6, 2048.0 * 2048.0, 12, 512},
                    budget_full = {560e6, 256.0 * 256.0 * 256.0, 2, 320};

/* ---- spacing and axes ---- */

static ps_status percentile_of(const ps_fingerprint *f, int axis, bool of_shapes, double share, double *out) {
    double *value = NULL;
    PS_TRY(PS_ALLOC((size_t)f->cases, &value, "planning"));
    for (int i = 0; i < f->cases; i++) value[i] = of_shapes ? f->shape[i][axis] : f->mm[i][axis];
    *out = ps_percentile(value, f->cases, share);
    ps_free(value);
    return PS_OK;
}

static int coarsest(const double mm[3]) {
    int found = 0;
    for (int i = 1; i < 3; i++)
        if (mm[i] > mm[found]) found = i;
    return found;
}

/* Medians; of slices that lie far apart a finer spacing, so that cases with more of them do not lose what they have. */
static ps_status choose_spacing(const ps_fingerprint *f, double mm[3]) {
    double size[3], fine;
    for (int i = 0; i < 3; i++) {
        PS_TRY(percentile_of(f, i, false, 0.5, &mm[i]));
        PS_TRY(percentile_of(f, i, true, 0.5, &size[i]));
    }
    int worst = coarsest(mm), a = (worst + 1) % 3, b = (worst + 2) % 3;
    double other = fmax(mm[a], mm[b]);
    if (!(mm[worst] > anisotropy * other) || !(size[worst] * anisotropy < fmin(size[a], size[b]))) return PS_OK;
    PS_TRY(percentile_of(f, worst, false, 0.1, &fine));
    mm[worst] = fine < other ? other + 1e-5 : fine;
    return PS_OK;
}

static void order_axes(const double mm[3], int axis[3]) {
    int next = 1;
    axis[0] = coarsest(mm);
    for (int i = 0; i < 3; i++)
        if (i != axis[0]) axis[next++] = i;
}

static ps_status median_shape(const ps_fingerprint *f, const double mm[3], double out[3]) {
    double *value = NULL;
    PS_TRY(PS_ALLOC((size_t)f->cases, &value, "planning"));
    for (int axis = 0; axis < 3; axis++) {
        for (int i = 0; i < f->cases; i++) value[i] = rint(f->mm[i][axis] / mm[axis] * f->shape[i][axis]);
        out[axis] = ps_percentile(value, f->cases, 0.5);
    }
    ps_free(value);
    return PS_OK;
}

/* ---- the shape of a network ---- */

/* What halving is left to decide: sizes and spacings, which axes still halve, and so on. */
typedef struct {
    int axes;
    double mm[3], size[3];
    int halvings[3], divisor[3];
    int stages, stride[PS_PLAN_STAGES][3], kernel[PS_PLAN_STAGES][3];
} topology;

/* Axes that are large enough, and not much coarser than the finest of those. */
static int axes_to_halve(const topology *t, bool halve[3]) {
    double finest = INFINITY;
    int count = 0, last = 0;
    for (int i = 0; i < t->axes; i++)
        if (t->size[i] >= 2 * LEAST_SIDE) finest = fmin(finest, t->mm[i]);
    for (int i = 0; i < t->axes; i++) {
        halve[i] = t->size[i] >= 2 * LEAST_SIDE && t->mm[i] / finest < 2;
        if (halve[i]) count++, last = i;
    }
    return count == 1 && t->size[last] < 3 * LEAST_SIDE ? 0 : count;
}

/* Whether a kernel goes over an axis: from when on its spacing is near enough to the finest. */
static void choose_kernel(const topology *t, int kernel[3]) {
    double finest = INFINITY;
    for (int i = 0; i < t->axes; i++) finest = fmin(finest, t->mm[i]);
    for (int i = 0; i < t->axes; i++)
        if (t->mm[i] / finest < 2) kernel[i] = 3;
}

/* Padded: size rounded up to what halves so often. */
static void find_topology(int axes, const double mm[3], const double size[3], topology *t) {
    int kernel[3] = {1, 1, 1};
    bool halve[3];
    memset(t, 0, sizeof *t);
    t->axes = axes;
    for (int i = 0; i < axes; i++) t->mm[i] = mm[i], t->size[i] = size[i], t->stride[0][i] = 1;
    t->stages = 1;
    while (t->stages < PS_PLAN_STAGES && axes_to_halve(t, halve) > 0) {
        choose_kernel(t, kernel);
        memcpy(t->kernel[t->stages - 1], kernel, sizeof kernel);
        for (int i = 0; i < axes; i++) {
            t->stride[t->stages][i] = halve[i] ? 2 : 1;
            if (!halve[i]) continue;
            t->halvings[i]++;
            t->mm[i] *= 2;
            t->size[i] = ceil(t->size[i] / 2);
        }
        t->stages++;
    }
    for (int i = 0; i < axes; i++) {
        t->kernel[t->stages - 1][i] = 3;
        t->divisor[i] = 1 << t->halvings[i];
        t->size[i] = ceil(size[i] / t->divisor[i]) * t->divisor[i];
    }
}

static int features_of(int stage, int most) { return stage < 5 && FEATURES << stage < most ? FEATURES << stage : most; }

/* Values of all maps that are kept for a sample: two convolutions a stage, and on the way up a transposed one besides,
 * and the scores. */
static double count_values(const topology *t, int features_most, int classes) {
    double size[3], values = 0, positions = 1;
    for (int i = 0; i < t->axes; i++) size[i] = t->size[i];
    for (int s = 0; s < t->stages; s++) {
        positions = 1;
        for (int i = 0; i < t->axes; i++) {
            size[i] = floor(size[i] / t->stride[s][i]);
            positions *= size[i];
        }
        values += (s < t->stages - 1 ? 5 : 2) * positions * features_of(s, features_most);
        if (s == 0) values += classes * positions * (t->stages > 1);
    }
    return values;
}

static void start_patch(const budget *b, int axes, const double mm[3], const double median[3], double patch[3]) {
    double product = 1;
    for (int i = 0; i < axes; i++) product *= 1 / mm[i];
    double scale = pow(b->start / product, 1.0 / axes);
    for (int i = 0; i < axes; i++) patch[i] = fmin(rint(1 / mm[i] * scale), median[i]);
}

/* The axis that is largest beside the cases; the last of equal ones. */
static int axis_to_shrink(const topology *t, const double median[3]) {
    int found = 0;
    for (int i = 1; i < t->axes; i++)
        if (t->size[i] / median[i] >= t->size[found] / median[found]) found = i;
    return found;
}

/* A step is the divisor that the smaller patch would have: that of the larger one would leap over sizes. */
static void shrink(topology *t, const double mm[3], const double median[3]) {
    int axis = axis_to_shrink(t, median), axes = t->axes;
    double size[3], smaller[3];
    topology next;
    memcpy(size, t->size, sizeof size);
    memcpy(smaller, t->size, sizeof smaller);
    smaller[axis] -= t->divisor[axis];
    find_topology(axes, mm, smaller, &next);
    size[axis] -= next.divisor[axis];
    find_topology(axes, mm, size, t);
}

static ps_status plan_sizes(const budget *b, int axes, const double mm[3], const double median[3], int classes,
                            topology *t, double *estimate) {
    double patch[3];
    start_patch(b, axes, mm, median, patch);
    find_topology(axes, mm, patch, t);
    while ((*estimate = count_values(t, b->features_most, classes)) / b->reference_batch * 2 > b->reference) {
        shrink(t, mm, median);
        for (int i = 0; i < axes; i++)
            if (t->size[i] < 1)
                return ps_fail(PS_ERR_INPUT, "no patch of these data keeps a network of %d classes within bounds",
                               classes);
    }
    return PS_OK;
}

static int choose_batch(const budget *b, const topology *t, double estimate, double all_positions) {
    double positions = 1;
    for (int i = 0; i < t->axes; i++) positions *= t->size[i];
    double batch =
        fmin(rint(b->reference / estimate * b->reference_batch), rint(all_positions * covered_most / positions));
    return batch > BATCH_LEAST ? (int)batch : BATCH_LEAST;
}

static ps_status plan_network(const budget *b, int axes, const double mm[3], const double median[3], int classes,
                              double all_positions, ps_plan_network *out) {
    topology t;
    int skip = 3 - axes;
    memset(out, 0, sizeof *out);
    PS_TRY(plan_sizes(b, axes, mm + skip, median + skip, classes, &t, &out->estimate));
    out->dimensions = axes;
    out->stages = t.stages;
    out->batch = choose_batch(b, &t, out->estimate, all_positions);
    for (int s = 0; s < t.stages; s++) out->features[s] = features_of(s, b->features_most);
    for (int i = 0; i < 3; i++) {
        bool used = i >= skip;
        out->spacing[i] = used ? mm[i] : 0;
        out->median[i] = used ? median[i] : 1;
        out->patch[i] = used ? (int)t.size[i - skip] : 1;
        for (int s = 0; s < t.stages; s++) {
            out->stride[s][i] = used ? t.stride[s][i - skip] : 1;
            out->kernel[s][i] = used ? t.kernel[s][i - skip] : 1;
        }
    }
    return PS_OK;
}

static double product(const double v[3]) { return v[0] * v[1] * v[2]; }

/* Whether there would be a network of a lower resolution: where a patch sees less than a quarter of a case, spacings
 * grow, those of fine axes first, until it does not; unless cases are hardly smaller then. */
static ps_status look_for_low(const ps_plan_network *full, const double mm[3], const double median[3], int classes,
                              int cases, bool *found) {
    double spacing[3], low[3], voxels = product(median), patch = 1;
    *found = false;
    memcpy(spacing, mm, sizeof spacing);
    for (int i = 0; i < 3; i++) patch *= full->patch[i];
    while (patch / voxels < low_resolution_below) {
        double most = fmax(spacing[0], fmax(spacing[1], spacing[2]));
        bool uneven = false, grows[3];
        for (int i = 0; i < 3; i++) uneven = uneven || (grows[i] = most / spacing[i] > 2);
        for (int i = 0; i < 3; i++)
            if (grows[i] || !uneven) spacing[i] *= spacing_step;
        voxels = 1;
        for (int i = 0; i < 3; i++) {
            voxels *= mm[i] / spacing[i] * median[i];
            low[i] = rint(mm[i] / spacing[i] * median[i]);
        }
        ps_plan_network network;
        PS_TRY(plan_network(&budget_full, 3, spacing, low, classes, voxels * cases, &network));
        patch = (double)network.patch[0] * network.patch[1] * network.patch[2];
        *found = true;
    }
    *found = *found && product(median) / voxels >= 2;
    return PS_OK;
}

/* ---- normalisation ---- */

static const char *const normalisation_names[] = {"zscore", "ct", "nonorm", "rescale_to_0_1", "rgb_to_0_1"};

const char *ps_normalisation_name(ps_normalisation normalisation) { return normalisation_names[normalisation]; }

/* By the name of the channel: "CT" is the one that has a scale of its own. */
static ps_normalisation normalisation_of(const char *channel) {
    for (int i = 0; i < PS_NORMALISATIONS; i++)
        if (strcasecmp(channel, normalisation_names[i]) == 0) return (ps_normalisation)i;
    return PS_NORMALISE_Z;
}

static void plan_channels(const ps_fingerprint *f, ps_plan *out) {
    out->masked = f->kept < 0.75;
    for (int c = 0; c < f->channels; c++) {
        memcpy(out->channel[c].name, f->channel_name[c], PS_CLASS_NAME_SIZE);
        out->channel[c].normalisation = normalisation_of(f->channel_name[c]);
        out->channel[c].intensity = f->intensity[c];
    }
}

ps_status ps_plan_make(const ps_fingerprint *f, ps_plan *out) {
    double stored_mm[3], stored_median[3], mm[3], median[3];
    memset(out, 0, sizeof *out);
    out->cases = f->cases, out->channels = f->channels, out->classes = f->classes;
    PS_TRY(choose_spacing(f, stored_mm));
    PS_TRY(median_shape(f, stored_mm, stored_median));
    order_axes(stored_mm, out->axis);
    for (int i = 0; i < 3; i++) mm[i] = stored_mm[out->axis[i]], median[i] = stored_median[out->axis[i]];
    plan_channels(f, out);
    double all_positions = product(median) * f->cases;
    if (median[0] != 1) {
        PS_TRY(plan_network(&budget_full, 3, mm, median, f->classes, all_positions, &out->full));
        PS_TRY(look_for_low(&out->full, mm, median, f->classes, f->cases, &out->low_resolution));
        out->full.batch_dice = out->low_resolution;
    }
    PS_TRY(plan_network(&budget_flat, 2, mm, median, f->classes, all_positions, &out->flat));
    out->flat.batch_dice = true;
    return PS_OK;
}
