#include "data/dataset.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "data/foreground.h"
#include "data/patch.h"
#include "data/resize.h"
#include "data/samples.h"
#include "data/survey.h"

enum { BYTE_VALUES = 256 };

struct ps_dataset {
    char *source;
    ps_samples *samples;
    ps_sample_size size; /* of every sample, where they do not differ */
    ps_shape patch;      /* what networks are given of one; n = 0: all of it */
    int beyond;          /* label of a patch's positions beyond the sample */
    ps_rng_key fixed_key;
    int classes;
    ps_survey survey;
    double *mean, *deviation; /* [c], by which pixels are normalised */
    float *byte_value;        /* [c][256]: every byte normalised; NULL for float pixels */
    uint8_t *grey;            /* [c]; NULL for float pixels */
    uint8_t *outside_bytes;   /* [2][c], the mean and black; NULL for float pixels */
    float *outside;           /* [2][c], likewise */
    bool raw;                 /* pixels are given as stored */
};

/* ---- opening ---- */

static ps_status check_options(const ps_dataset_options *options) {
    enum { LARGEST = 4096 };
    if (options->size < 0 || options->size > LARGEST)
        return ps_fail(PS_ERR_USAGE, "size must be 1 to %d, or 0 for the size as stored, not %d", LARGEST,
                       options->size);
    if (options->probe_count < 0)
        return ps_fail(PS_ERR_USAGE, "the probe cannot hold %d images; give 0 or more", options->probe_count);
    if (options->train_limit < 0 || options->test_limit < 0)
        return ps_fail(PS_ERR_USAGE, "a limit of %d images makes no sense; give 1 or more, or 0 for all",
                       options->train_limit < 0 ? options->train_limit : options->test_limit);
    for (int c = 0; c < options->moments; c++)
        if (!isfinite(options->mean[c]) || !(options->deviation[c] > 0) || !isfinite(options->deviation[c]))
            return ps_fail(PS_ERR_USAGE,
                           "mean %g and deviation %g of channel %d are no moments; a deviation is above 0",
                           options->mean[c], options->deviation[c], c);
    for (int i = 0; i < (options->patch_sides > 0 ? 3 : 0); i++)
        if (options->patch[i] < 1 || options->patch[i] > LARGEST)
            return ps_fail(PS_ERR_USAGE, "sides of a patch must be 1 to %d, not %d", LARGEST, options->patch[i]);
    return PS_OK;
}

/* ---- normalisation ---- */

/* The moments by which pixels are normalised: those that were found, those that are given, or none. */
static ps_status set_moments(ps_dataset *dataset, const ps_dataset_options *o) {
    const ps_survey *found = &dataset->survey;
    size_t channels = (size_t)dataset->size.pixels.c;
    bool bytes = ps_samples_source(dataset->samples)->type == PS_PIXEL_BYTE;
    if (o->moments > 0 && (size_t)o->moments != channels)
        return ps_fail(PS_ERR_USAGE, "%s: means and deviations of %d channels are given, and images have %zu",
                       dataset->source, o->moments, channels);
    for (size_t c = 0; c < channels; c++) {
        double scale = bytes ? BYTE_VALUES - 1 : 1, deviation = found->deviation[c];
        dataset->mean[c] = found->mean[c];
        dataset->deviation[c] = deviation > 0.0 ? deviation : 1.0; /* a channel that never changes is only centred */
        if (o->moments > 0) {
            dataset->mean[c] = scale * o->mean[c];
            dataset->deviation[c] = scale * o->deviation[c];
        }
        if (!dataset->raw) continue;
        dataset->mean[c] = 0;
        dataset->deviation[c] = 1;
    }
    return PS_OK;
}

static void fill_tables(ps_dataset *dataset) {
    size_t channels = (size_t)dataset->size.pixels.c;
    for (size_t c = 0; c < channels; c++)
        dataset->outside[channels + c] = (float)((0 - dataset->mean[c]) / dataset->deviation[c]);
    for (size_t c = 0; c < channels && dataset->byte_value != NULL; c++) {
        dataset->grey[c] = (uint8_t)lrint(dataset->survey.mean[c]);
        dataset->outside_bytes[c] = (uint8_t)lrint(fmin(fmax(dataset->mean[c], 0), BYTE_VALUES - 1));
        for (size_t v = 0; v < BYTE_VALUES; v++)
            dataset->byte_value[c * BYTE_VALUES + v] = (float)(((double)v - dataset->mean[c]) / dataset->deviation[c]);
    }
}

static ps_status compute_normalisation(ps_dataset *dataset, const ps_dataset_options *options) {
    size_t channels = (size_t)dataset->size.pixels.c;
    PS_TRY(PS_ALLOC(channels, &dataset->mean, "data set"));
    PS_TRY(PS_ALLOC(channels, &dataset->deviation, "data set"));
    PS_TRY(PS_ALLOC(2 * channels, &dataset->outside, "data set"));
    if (ps_samples_source(dataset->samples)->type == PS_PIXEL_BYTE) {
        PS_TRY(PS_ALLOC(channels * BYTE_VALUES, &dataset->byte_value, "data set"));
        PS_TRY(PS_ALLOC(channels, &dataset->grey, "data set"));
        PS_TRY(PS_ALLOC(2 * channels, &dataset->outside_bytes, "data set"));
    }
    PS_TRY(set_moments(dataset, options));
    fill_tables(dataset);
    return PS_OK;
}

static ps_status take_survey(ps_dataset *dataset, const ps_dataset_options *o) {
    char given[PS_MOST_MOMENTS * 64] = "";
    for (int c = 0; c < o->moments; c++)
        snprintf(given + strlen(given), sizeof given - strlen(given), " %.17g %.17g", o->mean[c], o->deviation[c]);
    ps_survey_options options = {dataset->source, given, dataset->classes, dataset->raw};
    return ps_survey_run(dataset->samples, &options, &dataset->survey);
}

/* ---- opening ---- */

static ps_status check_source(const char *name, const ps_source *source) {
    if (source->functions != NULL && source->count[PS_SOURCE_TRAIN] >= 0 && source->count[PS_SOURCE_TEST] >= 0 &&
        (source->labels == PS_LABEL_NONE || source->classes >= 1))
        return PS_OK;
    return ps_fail(PS_ERR_INTERNAL, "data \"%s\": the format gave no samples, or labels without classes", name);
}

static ps_status name_classes(ps_source *source, int classes) {
    if (source->class_names != NULL) return PS_OK;
    PS_TRY(PS_ALLOC((size_t)classes, &source->class_names, "class names"));
    for (int i = 0; i < classes; i++) snprintf(source->class_names[i], PS_CLASS_NAME_SIZE, "%d", i);
    return PS_OK;
}

/* One side for all axes that samples have. */
static bool is_flat(const ps_samples *samples) {
    for (int split = 0; split < PS_SPLITS; split++)
        for (int i = 0; i < ps_samples_count(samples, (ps_split)split); i++)
            if (ps_samples_size(samples, (ps_split)split, i).pixels.d > 1) return false;
    return true;
}

static ps_status check_masks(const ps_dataset *dataset) {
    const ps_samples *samples = dataset->samples;
    if (ps_samples_source(samples)->labels != PS_LABEL_MASK) return PS_OK;
    for (int split = 0; split < PS_SPLITS; split++) {
        for (int i = 0; i < ps_samples_count(samples, (ps_split)split); i++) {
            ps_sample_size size = ps_samples_size(samples, (ps_split)split, i);
            if (ps_shape_positions(size.mask) == ps_shape_positions(size.pixels) && size.mask.h == size.pixels.h &&
                size.mask.w == size.pixels.w)
                continue;
            return ps_fail(PS_ERR_USAGE,
                           "%s: masks of %d x %d x %d are not as large as their images of %d x %d x %d, so that no "
                           "patch can be cut of both; bring both to one size with --size",
                           dataset->source, size.mask.d, size.mask.h, size.mask.w, size.pixels.d, size.pixels.h,
                           size.pixels.w);
        }
    }
    return PS_OK;
}

static ps_status set_patch(ps_dataset *dataset, const ps_dataset_options *options) {
    const int *side = options->patch;
    dataset->beyond = options->pad_background ? 0 : -1;
    dataset->fixed_key = ps_rng_key_of(0, "data/fixed-patch");
    if (options->patch_sides == 0) return PS_OK;
    dataset->patch = (ps_shape){1, dataset->size.pixels.c, side[0], side[1], side[2]};
    if (options->patch_sides == 2 || (options->patch_sides == 1 && is_flat(dataset->samples))) dataset->patch.d = 1;
    return check_masks(dataset);
}

/* Samples of which some cannot be decoded are chosen anew without them, or refused. One alone says it itself. */
static ps_status open_samples(ps_dataset *dataset, const ps_dataset_options *options, ps_source *source,
                              bool *bad[PS_SOURCE_PARTS]) {
    for (;;) {
        ps_samples_options samples = {.side = options->size,
                                      .most_bytes = options->most_bytes,
                                      .large_bytes = options->large_bytes,
                                      .foreground = options->patch_sides > 0};
        PS_TRY(ps_choice_make(dataset->source, source, options, bad, &samples.choice));
        PS_TRY(ps_samples_create(dataset->source, source, &samples, &dataset->samples));
        if (ps_samples_bad(dataset->samples) == 0) return PS_OK;
        PS_TRY(ps_samples_close_files(dataset->samples, source, bad));
        ps_samples_destroy(dataset->samples);
        dataset->samples = NULL;
        PS_TRY(ps_source_check_bad(source, dataset->source, options->skip_bad));
    }
}

static ps_status choose_samples(ps_dataset *dataset, const ps_dataset_options *options, ps_source *source) {
    bool *bad[PS_SOURCE_PARTS] = {NULL};
    ps_status status = PS_OK;
    for (int part = 0; part < PS_SOURCE_PARTS; part++)
        PS_TRY_CLEANUP(PS_ALLOC((size_t)source->count[part], &bad[part], "data set"));
    for (int part = 0; part < PS_SOURCE_PARTS && source->functions->bad != NULL; part++)
        for (int i = 0; i < source->count[part]; i++)
            bad[part][i] = source->functions->bad(source, (ps_source_part)part, i);
    status = open_samples(dataset, options, source, bad);
cleanup:
    for (int part = 0; part < PS_SOURCE_PARTS; part++) ps_free(bad[part]);
    return status;
}

static ps_status fill(ps_dataset *dataset, const ps_dataset_options *options, ps_source *source) {
    dataset->raw = options->raw;
    PS_TRY(check_source(dataset->source, source));
    PS_TRY(ps_source_check_bad(source, dataset->source, options->skip_bad));
    dataset->classes = source->labels == PS_LABEL_NONE ? 0 : source->classes;
    PS_TRY(name_classes(source, dataset->classes));
    PS_TRY(choose_samples(dataset, options, source));
    dataset->size = ps_samples_common_size(dataset->samples);
    PS_TRY(set_patch(dataset, options));
    PS_TRY(take_survey(dataset, options));
    ps_samples_settle(dataset->samples);
    return compute_normalisation(dataset, options);
}

ps_status ps_dataset_of_source(const char *name, const ps_dataset_options *options, ps_source *source,
                               ps_dataset **out) {
    ps_dataset *dataset = NULL;
    *out = NULL;
    ps_status status = check_options(options);
    if (status == PS_OK) status = PS_ALLOC(1, &dataset, "data set");
    if (status == PS_OK) status = ps_string_copy(name, &dataset->source);
    if (status == PS_OK) status = fill(dataset, options, source);
    ps_source_close(source);
    if (status == PS_OK) *out = dataset;
    else ps_dataset_close(dataset);
    return status;
}

ps_status ps_dataset_open(const char *name, const ps_dataset_options *options, ps_dataset **out) {
    ps_source source;
    *out = NULL;
    PS_TRY(check_options(options));
    ps_status status = ps_source_open(name, options, &source);
    if (status == PS_OK) return ps_dataset_of_source(name, options, &source, out);
    ps_source_close(&source);
    return status;
}

void ps_dataset_close(ps_dataset *dataset) {
    if (dataset == NULL) return;
    ps_samples_destroy(dataset->samples);
    ps_survey_clear(&dataset->survey);
    ps_free(dataset->mean);
    ps_free(dataset->deviation);
    ps_free(dataset->byte_value);
    ps_free(dataset->grey);
    ps_free(dataset->outside_bytes);
    ps_free(dataset->outside);
    free(dataset->source);
    ps_free(dataset);
}

/* ---- use ---- */

bool ps_dataset_has_patch(const ps_dataset *dataset) { return dataset->patch.n > 0; }

ps_shape ps_dataset_sample_shape(const ps_dataset *dataset) {
    return ps_dataset_has_patch(dataset) ? dataset->patch : dataset->size.pixels;
}

int ps_dataset_classes(const ps_dataset *dataset) { return dataset->classes; }
const char *ps_dataset_source(const ps_dataset *dataset) { return dataset->source; }
const char *ps_dataset_digest(const ps_dataset *dataset) { return dataset->survey.digest; }

size_t ps_dataset_labels_per_sample(const ps_dataset *dataset) {
    ps_label_kind kind = ps_samples_source(dataset->samples)->labels;
    if (kind != PS_LABEL_MASK) return kind == PS_LABEL_CLASS;
    return ps_shape_positions(ps_dataset_has_patch(dataset) ? dataset->patch : dataset->size.mask);
}

bool ps_dataset_has_masks(const ps_dataset *dataset) {
    return ps_samples_source(dataset->samples)->labels == PS_LABEL_MASK;
}

bool ps_dataset_samples_differ(const ps_dataset *dataset) { return ps_samples_differ(dataset->samples); }

ps_shape ps_dataset_shape_of(const ps_dataset *dataset, ps_split split, int index, ps_shape *mask) {
    ps_sample_size size = ps_samples_size(dataset->samples, split, index);
    if (mask != NULL) *mask = size.mask;
    return size.pixels;
}

int ps_dataset_looked_at(const ps_dataset *dataset) { return dataset->survey.looked_at; }

void ps_dataset_expect(const ps_dataset *dataset, ps_split split, const uint32_t *index, size_t count) {
    ps_samples_expect(dataset->samples, split, index, count);
}

bool ps_dataset_is_held(const ps_dataset *dataset) { return ps_samples_are_held(dataset->samples); }

const char *ps_dataset_left_out(const ps_dataset *dataset, int index) {
    const ps_source *source = ps_samples_source(dataset->samples);
    return (size_t)index < source->bad_count ? source->bad[index] : NULL;
}

const char *ps_dataset_class_name(const ps_dataset *dataset, int class_index) {
    if (class_index < 0 || class_index >= dataset->classes) return "?";
    return ps_samples_source(dataset->samples)->class_names[class_index];
}

int ps_dataset_count(const ps_dataset *dataset, ps_split split) { return ps_samples_count(dataset->samples, split); }

size_t ps_dataset_count_labels(const ps_dataset *dataset, ps_split split, int class_index) {
    return dataset->survey.label_count[(size_t)split * (size_t)dataset->classes + (size_t)class_index];
}

/* Pixels are normalised one by one, and so are their moments. */
void ps_dataset_input_moments(const ps_dataset *dataset, int channel, double *mean, double *deviation) {
    *mean = (dataset->survey.mean[channel] - dataset->mean[channel]) / dataset->deviation[channel];
    *deviation = dataset->survey.deviation[channel] / dataset->deviation[channel];
}

void ps_dataset_normalisation(const ps_dataset *dataset, int channel, double *mean, double *deviation) {
    double scale = ps_dataset_has_bytes(dataset) ? BYTE_VALUES - 1 : 1;
    *mean = dataset->mean[channel] / scale;
    *deviation = dataset->deviation[channel] / scale;
}

const ps_census_counts *ps_dataset_census(const ps_dataset *dataset) { return &dataset->survey.census; }

static void normalise_bytes(const ps_dataset *dataset, const uint8_t *pixel, size_t positions, size_t channels,
                            float *x) {
    for (size_t i = 0; i < positions; i++) {
        for (size_t c = 0; c < channels; c++) *x++ = dataset->byte_value[c * BYTE_VALUES + *pixel++];
    }
}

static void normalise_floats(const ps_dataset *dataset, const float *pixel, size_t positions, size_t channels,
                             float *x) {
    for (size_t i = 0; i < positions; i++) {
        for (size_t c = 0; c < channels; c++) *x++ = (float)((*pixel++ - dataset->mean[c]) / dataset->deviation[c]);
    }
}

ps_status ps_dataset_sample(const ps_dataset *dataset, ps_split split, int index, float *x, int32_t *label) {
    ps_sample_view view;
    PS_TRY(ps_samples_get(dataset->samples, split, index, &view));
    size_t channels = (size_t)view.size.pixels.c, positions = ps_shape_positions(view.size.pixels);
    if (dataset->byte_value != NULL) normalise_bytes(dataset, view.pixel, positions, channels, x);
    else normalise_floats(dataset, view.pixel, positions, channels, x);
    for (size_t i = 0; i < view.labels; i++) label[i] = view.label[i];
    ps_samples_release(dataset->samples, &view);
    return PS_OK;
}

ps_status ps_dataset_sample_bytes(const ps_dataset *dataset, ps_split split, int index, uint8_t *pixel,
                                  int32_t *label) {
    ps_sample_view view;
    PS_TRY(ps_samples_get(dataset->samples, split, index, &view));
    memcpy(pixel, view.pixel, ps_shape_elements(view.size.pixels));
    for (size_t i = 0; i < view.labels; i++) label[i] = view.label[i];
    ps_samples_release(dataset->samples, &view);
    return PS_OK;
}

/* ---- patches ---- */

static ps_cut cut_of(const ps_dataset *dataset, const ps_sample_view *view, const ps_patch_place *place) {
    ps_rng_key where = ps_rng_key_fold(place->key, 0), what = ps_rng_key_fold(place->key, 1);
    size_t position;
    bool drawn = place->foreground && view->foreground != NULL &&
                 ps_foreground_draw(view->label, view->labels, dataset->classes, view->foreground, what, &position);
    ps_shape sample = view->size.pixels, scaled = place->scale > 0 ? ps_cut_scaled_shape(sample, place->scale) : sample;
    ps_cut cut = drawn ? ps_cut_around(scaled, dataset->patch, ps_cut_scaled_position(sample, scaled, position), true)
                       : ps_cut_random(scaled, dataset->patch, where);
    ps_cut_scale(&cut, sample, scaled);
    if (place->turn != NULL) ps_cut_turn(&cut, dataset->patch, place->turn);
    return cut;
}

static void cut_labels(const ps_dataset *dataset, const ps_sample_view *view, const ps_cut *cut, int32_t *label) {
    bool mask = ps_samples_source(dataset->samples)->labels == PS_LABEL_MASK;
    if (mask) ps_cut_labels(cut, view->size.mask, view->label, dataset->patch, dataset->beyond, label);
    else if (view->labels > 0) *label = *view->label;
}

static void cut_floats(const ps_dataset *dataset, const ps_sample_view *view, const ps_cut *cut, const float *outside,
                       float *x, int32_t *label) {
    ps_cut_source from = {.shape = view->size.pixels,
                          .pixel = view->pixel,
                          .byte_value = dataset->byte_value,
                          .mean = dataset->mean,
                          .deviation = dataset->deviation};
    ps_cut_floats(cut, &from, dataset->patch, outside, x);
    cut_labels(dataset, view, cut, label);
}

ps_status ps_dataset_patch(const ps_dataset *dataset, ps_split split, int index, const ps_patch_place *place,
                           const float *outside, float *x, int32_t *label) {
    ps_sample_view view;
    PS_TRY(ps_samples_get(dataset->samples, split, index, &view));
    ps_cut cut = cut_of(dataset, &view, place);
    cut_floats(dataset, &view, &cut, outside, x, label);
    ps_samples_release(dataset->samples, &view);
    return PS_OK;
}

ps_status ps_dataset_patch_bytes(const ps_dataset *dataset, ps_split split, int index, const ps_patch_place *place,
                                 const uint8_t *outside, uint8_t *pixel, int32_t *label) {
    ps_sample_view view;
    PS_TRY(ps_samples_get(dataset->samples, split, index, &view));
    ps_cut cut = cut_of(dataset, &view, place);
    ps_cut_bytes(&cut, view.size.pixels, view.pixel, dataset->patch, outside, pixel);
    cut_labels(dataset, &view, &cut, label);
    ps_samples_release(dataset->samples, &view);
    return PS_OK;
}

ps_status ps_dataset_fixed(const ps_dataset *dataset, ps_split split, int index, float *x, int32_t *label) {
    ps_sample_view view;
    size_t position;
    if (!ps_dataset_has_patch(dataset)) return ps_dataset_sample(dataset, split, index, x, label);
    PS_TRY(ps_samples_get(dataset->samples, split, index, &view));
    ps_rng_key key = ps_rng_key_fold(dataset->fixed_key, (uint64_t)index);
    bool drawn = split == PS_SPLIT_PROBE && view.foreground != NULL &&
                 ps_foreground_draw(view.label, view.labels, dataset->classes, view.foreground, key, &position);
    ps_cut cut = drawn ? ps_cut_around(view.size.pixels, dataset->patch, position, false)
                       : ps_cut_centre(view.size.pixels, dataset->patch);
    cut_floats(dataset, &view, &cut, ps_dataset_outside(dataset, false), x, label);
    ps_samples_release(dataset->samples, &view);
    return PS_OK;
}

/* ---- files ---- */

static const ps_source_functions *functions_of(const ps_dataset *dataset) {
    static const ps_source_functions none;
    const ps_source_functions *f = ps_samples_source(dataset->samples)->functions;
    return f != NULL ? f : &none;
}

/* --size made it another. */
static bool is_resized(const ps_dataset *dataset, ps_split split, int index) {
    return !ps_shape_same_sides(ps_samples_stored_size(dataset->samples, split, index).pixels,
                                ps_samples_size(dataset->samples, split, index).pixels);
}

ps_dataset_file ps_dataset_file_of(const ps_dataset *dataset, ps_split split, int index) {
    ps_source_place at = ps_samples_place(dataset->samples, split, index);
    const ps_source *source = ps_samples_source(dataset->samples);
    const ps_source_functions *f = functions_of(dataset);
    ps_sample_size stored = ps_samples_stored_size(dataset->samples, split, index);
    ps_dataset_file file = {.shape = stored.pixels, .mm = {1, 1, 1}};
    if (source->labels == PS_LABEL_MASK) file.shape = stored.mask;
    if (f->name != NULL) file.name = f->name(source, at.part, at.index);
    if (f->path != NULL) file.path = f->path(source, at.part, at.index);
    file.has_unit = f->original != NULL;
    if (file.has_unit) f->original(source, at.part, at.index, &file.shape, file.mm);
    return file;
}

static ps_status see_stored(const ps_dataset *dataset, ps_split split, int index, void *pixel, int16_t *label) {
    ps_sample_view view;
    PS_TRY(ps_samples_get(dataset->samples, split, index, &view));
    size_t bytes = ps_dataset_has_bytes(dataset) ? sizeof(uint8_t) : sizeof(float);
    if (pixel != NULL) memcpy(pixel, view.pixel, ps_shape_elements(view.size.pixels) * bytes);
    memcpy(label, view.label, view.labels * sizeof *label);
    ps_samples_release(dataset->samples, &view);
    return PS_OK;
}

ps_status ps_dataset_stored(const ps_dataset *dataset, ps_split split, int index, void *pixel, int16_t *label) {
    ps_source_place at = ps_samples_place(dataset->samples, split, index);
    const ps_source *source = ps_samples_source(dataset->samples);
    const ps_source_functions *f = functions_of(dataset);
    if (f->stored != NULL) return f->stored(source, at.part, at.index, pixel, label);
    if (is_resized(dataset, split, index)) return f->decode(source, at.part, at.index, pixel, label);
    return see_stored(dataset, split, index, pixel, label);
}

static ps_status decode_truth(const ps_dataset *dataset, ps_split split, int index, int16_t *label) {
    ps_sample_size stored = ps_samples_stored_size(dataset->samples, split, index);
    float *pixel;
    PS_TRY(PS_ALLOC(ps_shape_elements(stored.pixels), &pixel, "a sample as its file has it"));
    ps_status status = ps_dataset_stored(dataset, split, index, pixel, label);
    ps_free(pixel);
    return status;
}

ps_status ps_dataset_truth(const ps_dataset *dataset, ps_split split, int index, int16_t *label) {
    ps_source_place at = ps_samples_place(dataset->samples, split, index);
    const ps_source_functions *f = functions_of(dataset);
    bool other = f->restore != NULL || is_resized(dataset, split, index);
    if (!other) return see_stored(dataset, split, index, NULL, label);
    if (f->truth != NULL) return f->truth(ps_samples_source(dataset->samples), at.part, at.index, label);
    return decode_truth(dataset, split, index, label);
}

bool ps_dataset_has_bytes(const ps_dataset *dataset) {
    return ps_samples_source(dataset->samples)->type == PS_PIXEL_BYTE;
}

void ps_labels_of_scores(const float *score, size_t positions, int classes, int16_t *label) {
    for (size_t i = 0; i < positions; i++, score += classes) {
        label[i] = 0;
        for (int k = 1; k < classes; k++)
            if (score[k] > score[label[i]]) label[i] = (int16_t)k;
    }
}

/* Class by class, so that no more than two volumes of the file's size are held. */
typedef struct {
    ps_resizer *resizer;
    float *from, *to, *best; /* best: largest so far, at each position of the file */
} enlarging;

static void take_class(enlarging *e, const float *score, size_t positions, size_t file, int classes, int k,
                       int16_t *label) {
    for (size_t i = 0; i < positions; i++) e->from[i] = score[i * (size_t)classes + (size_t)k];
    ps_resize_floats(e->resizer, e->from, e->to);
    for (size_t i = 0; i < file; i++) {
        if (k > 0 && !(e->to[i] > e->best[i])) continue;
        e->best[i] = e->to[i];
        label[i] = (int16_t)k;
    }
}

static ps_status open_enlarging(enlarging *e, ps_shape from, ps_shape to) {
    PS_TRY(ps_resizer_create(from, to, &e->resizer));
    PS_TRY(PS_ALLOC(ps_shape_positions(from), &e->from, "scores in the size of a file"));
    PS_TRY(PS_ALLOC(ps_shape_positions(to), &e->to, "scores in the size of a file"));
    return PS_ALLOC(ps_shape_positions(to), &e->best, "scores in the size of a file");
}

static ps_status enlarge(const float *score, ps_shape from, ps_shape to, int classes, int16_t *label) {
    enlarging e = {.resizer = NULL};
    from.c = to.c = 1;
    ps_status status = open_enlarging(&e, from, to);
    for (int k = 0; status == PS_OK && k < classes; k++)
        take_class(&e, score, ps_shape_positions(from), ps_shape_positions(to), classes, k, label);
    ps_resizer_destroy(e.resizer);
    ps_free(e.from);
    ps_free(e.to);
    ps_free(e.best);
    return status;
}

ps_status ps_dataset_restore(const ps_dataset *dataset, ps_split split, int index, const float *score, int16_t *label) {
    ps_source_place at = ps_samples_place(dataset->samples, split, index);
    const ps_source_functions *f = functions_of(dataset);
    ps_shape mask, file = ps_dataset_file_of(dataset, split, index).shape;
    if (f->restore != NULL)
        return f->restore(ps_samples_source(dataset->samples), at.part, at.index, score, dataset->classes, label);
    ps_dataset_shape_of(dataset, split, index, &mask);
    if (!ps_shape_same_sides(mask, file)) return enlarge(score, mask, file, dataset->classes, label);
    ps_labels_of_scores(score, ps_shape_positions(mask), dataset->classes, label);
    return PS_OK;
}

/* In the order of the values: what is written never overtakes what is still to be read, where the bytes are the last
 * quarter of x. */
void ps_dataset_normalise(const ps_dataset *dataset, const uint8_t *pixel, float *x) {
    ps_shape shape = ps_dataset_sample_shape(dataset);
    normalise_bytes(dataset, pixel, ps_shape_positions(shape), (size_t)shape.c, x);
}

const uint8_t *ps_dataset_grey(const ps_dataset *dataset) { return dataset->grey; }
const float *ps_dataset_outside(const ps_dataset *dataset, bool black) {
    return dataset->outside + (black ? dataset->size.pixels.c : 0);
}

const uint8_t *ps_dataset_outside_bytes(const ps_dataset *dataset, bool black) {
    return dataset->outside_bytes + (black ? dataset->size.pixels.c : 0);
}

bool ps_dataset_raw(const ps_dataset *dataset) { return dataset->raw; }
