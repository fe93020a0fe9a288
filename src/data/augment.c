#include "data/augment.h"

#include <stddef.h>

#include "data/augment_turn.h"
#include "data/source.h"

static const ps_augmentation *const operations[] = {
#define PS_AUGMENT(name) &ps_augment_##name,
#include "data/augment_list.def"
#undef PS_AUGMENT
};

/* ---- the plan ---- */

/* What an operation that is no mere moving of cells wants of the data. */
static ps_status check_side(const ps_augmentation *operation, const ps_dataset *dataset) {
    const char *source = ps_dataset_source(dataset);
    if (operation->side == PS_AUGMENT_CELLS || operation->side == PS_AUGMENT_VALUES) return PS_OK;
    if (ps_dataset_sample_shape(dataset).d > 1)
        return ps_fail(PS_ERR_USAGE, "%s: %s is for flat images, and these have a depth of %d; leave it out", source,
                       operation->name, ps_dataset_sample_shape(dataset).d);
    if (ps_dataset_labels_per_sample(dataset) > 1 && !operation->keeps_places)
        return ps_fail(PS_ERR_USAGE,
                       "%s: %s would move images and not their masks; leave it out (crop_pad and flip move both)",
                       source, operation->name);
    if (operation->side == PS_AUGMENT_BYTES && ps_dataset_grey(dataset) == NULL)
        return ps_fail(PS_ERR_USAGE,
                       "%s: %s works on 8-bit images, and these data are of other numbers; leave it out, or use 8-bit "
                       "data",
                       source, operation->name);
    return PS_OK;
}

static ps_status check_scale(const ps_augment_range *scale, const ps_dataset *dataset) {
    const char *source = ps_dataset_source(dataset);
    if (scale->high == 0 && scale->low == 0) return PS_OK;
    if (!(scale->low >= 0.1 && scale->low <= scale->high && scale->high <= 10))
        return ps_fail(PS_ERR_USAGE, "patch_scale needs two numbers from 0.1 to 10, the smaller first, not %g,%g",
                       scale->low, scale->high);
    if (!ps_dataset_has_patch(dataset))
        return ps_fail(PS_ERR_USAGE,
                       "%s: patch_scale resizes samples before patches are cut, and whole samples are used; give "
                       "patch_size, too, or leave it out",
                       source);
    if (ps_dataset_sample_shape(dataset).d == 1) return PS_OK;
    return ps_fail(PS_ERR_USAGE,
                   "%s: patch_scale is for flat images, and these patches have a depth of %d; leave it out", source,
                   ps_dataset_sample_shape(dataset).d);
}

ps_status ps_augment_plan_init(ps_augment_plan *plan, const ps_augment_options *options, const ps_dataset *dataset,
                               uint64_t seed) {
    *plan = (ps_augment_plan){.dataset = dataset,
                              .options = *options,
                              .patch_key = ps_rng_key_of(seed, "data/patch"),
                              .scale_key = ps_rng_key_of(seed, "data/augment/patch_scale")};
    PS_TRY(check_scale(&options->patch_scale, dataset));
    plan->turn_key = ps_rng_key_of(seed, "data/augment/turn");
    PS_TRY(ps_augment_turn_check(options, dataset));
    for (int i = 0; i < PS_AUGMENTATIONS; i++) {
        const ps_augmentation *operation = operations[i];
        if (operation->check != NULL) PS_TRY(operation->check(options, dataset));
        if (!operation->used(options)) continue;
        PS_TRY(check_side(operation, dataset));
        plan->key[plan->count] = ps_rng_key_of(seed, operation->stream);
        plan->operation[plan->count++] = operation;
        if (operation->side == PS_AUGMENT_BYTES) plan->before = plan->count;
    }
    return PS_OK;
}

/* ---- one sample ---- */

static ps_rng_key key_of(ps_rng_key key, const ps_augment_item *item) {
    return ps_rng_key_fold(ps_rng_key_fold(key, item->epoch), item->draw);
}

static void apply(const ps_augment_plan *plan, int first, int last, const ps_augment_item *item,
                  ps_augment_sample *sample) {
    for (int i = first; i < last; i++) {
        ps_rng_key key = key_of(plan->key[i], item);
        plan->operation[i]->apply(&plan->options, key, sample);
    }
}

ps_image ps_augment_image(const ps_augment_sample *sample) {
    ps_shape s = sample->shape;
    return (ps_image){.h = s.h, .w = s.w, .c = s.c, .pixel = sample->pixel, .room = sample->room};
}

static double draw_scale(const ps_augment_plan *plan, const ps_augment_item *item) {
    const ps_augment_range *scale = &plan->options.patch_scale;
    if (scale->high == 0) return 0;
    return scale->low + (scale->high - scale->low) * (double)ps_rng_uniform(key_of(plan->scale_key, item), 0);
}

static ps_patch_place place_of(const ps_augment_plan *plan, const ps_augment_item *item, double turn[3][3]) {
    ps_patch_place place = {
        .key = key_of(plan->patch_key, item), .foreground = item->foreground, .scale = draw_scale(plan, item)};
    ps_shape patch = ps_dataset_sample_shape(plan->dataset);
    if (ps_augment_turn_draw(&plan->options, patch, key_of(plan->turn_key, item), turn)) place.turn = turn;
    return place;
}

static ps_status read_bytes(const ps_augment_plan *plan, const ps_augment_item *item, ps_augment_sample *sample,
                            int32_t *label) {
    double turn[3][3];
    ps_patch_place place = place_of(plan, item, turn);
    if (!ps_dataset_has_patch(plan->dataset))
        return ps_dataset_sample_bytes(plan->dataset, PS_SPLIT_TRAIN, (int)item->index, sample->pixel, label);
    return ps_dataset_patch_bytes(plan->dataset, PS_SPLIT_TRAIN, (int)item->index, &place, sample->outside,
                                  sample->pixel, label);
}

static ps_status read_floats(const ps_augment_plan *plan, const ps_augment_item *item, float *x, int32_t *label) {
    double turn[3][3];
    ps_patch_place place = place_of(plan, item, turn);
    if (!ps_dataset_has_patch(plan->dataset))
        return ps_dataset_sample(plan->dataset, PS_SPLIT_TRAIN, (int)item->index, x, label);
    return ps_dataset_patch(plan->dataset, PS_SPLIT_TRAIN, (int)item->index, &place,
                            ps_dataset_outside(plan->dataset, plan->options.crop_black), x, label);
}

/* Labels that are moved along with pixels. */
static int32_t *moved_label(const ps_augment_plan *plan, int32_t *label) {
    return ps_dataset_labels_per_sample(plan->dataset) > 1 ? label : NULL;
}

/* The bytes lie in the last quarter of the floats that they become; the room is before them. */
static ps_status load_bytes(const ps_augment_plan *plan, const ps_augment_item *item, ps_shape shape, float *x,
                            int32_t *label) {
    size_t elements = ps_shape_elements(shape);
    uint8_t *bytes = (uint8_t *)x;
    ps_augment_sample sample = {.shape = shape,
                                .pixel = bytes + (sizeof *x - 1) * elements,
                                .cell = (size_t)shape.c,
                                .outside = ps_dataset_outside_bytes(plan->dataset, plan->options.crop_black),
                                .grey = ps_dataset_grey(plan->dataset),
                                .room = bytes,
                                .label = moved_label(plan, label)};
    PS_TRY(read_bytes(plan, item, &sample, label));
    apply(plan, 0, plan->before, item, &sample);
    ps_dataset_normalise(plan->dataset, sample.pixel, x);
    return PS_OK;
}

ps_status ps_augment_load(const ps_augment_plan *plan, const ps_augment_item *item, float *x, int32_t *label) {
    ps_shape shape = ps_dataset_sample_shape(plan->dataset);
    if (plan->before > 0) PS_TRY(load_bytes(plan, item, shape, x, label));
    else PS_TRY(read_floats(plan, item, x, label));
    ps_augment_sample sample = {.shape = shape,
                                .pixel = x,
                                .cell = (size_t)shape.c * sizeof *x,
                                .outside = ps_dataset_outside(plan->dataset, plan->options.crop_black),
                                .label = moved_label(plan, label)};
    apply(plan, plan->before, plan->count, item, &sample);
    return PS_OK;
}
