#include "data/fingerprint.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "core/progress.h"
#include "core/rng.h"
#include "data/choice.h"
#include "data/crop_box.h"

enum { DRAWN_MOST = 100000, DRAWN_LEAST = 1000, DRAWN_IN_ALL = 20000000 };

/* Slices of images without depth: so far apart that no axis of theirs is taken for a fine one (nnU-Net: 999). */
static const double no_depth_mm = 999;

/* ---- values that are drawn ---- */

typedef struct {
    float *value[PS_FINGERPRINT_CHANNELS]; /* [cases x drawn] */
    size_t count;                          /* of each */
    int drawn;                             /* of a case */
} sample_pool;

static ps_status create_pool(sample_pool *pool, int cases, int channels) {
    int drawn = DRAWN_IN_ALL / (cases * channels);
    pool->drawn = drawn > DRAWN_MOST ? DRAWN_MOST : drawn < DRAWN_LEAST ? DRAWN_LEAST : drawn;
    for (int c = 0; c < channels; c++)
        PS_TRY(PS_ALLOC((size_t)cases * (size_t)pool->drawn, &pool->value[c], "values of the foreground"));
    return PS_OK;
}

/* With replacement, so that a case with a small organ weighs as much as one with a large one. */
static ps_status draw_values(sample_pool *pool, int index, ps_shape shape, const float *pixel, const int16_t *label) {
    size_t positions = ps_shape_positions(shape), found = 0;
    uint32_t *place = NULL;
    PS_TRY(PS_ALLOC(positions, &place, "positions of the foreground"));
    for (size_t i = 0; i < positions; i++)
        if (label[i] > 0) place[found++] = (uint32_t)i;
    ps_rng_key key = ps_rng_key_fold(ps_rng_key_of(1234, "data/fingerprint"), (uint64_t)index);
    for (int i = 0; found > 0 && i < pool->drawn; i++, pool->count++) {
        size_t at = place[ps_rng_below(key, (uint64_t)i, (uint32_t)found)];
        for (int c = 0; c < shape.c; c++) pool->value[c][pool->count] = pixel[at * (size_t)shape.c + (size_t)c];
    }
    ps_free(place);
    return PS_OK;
}

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static int by_float(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

double ps_percentile(double *value, int count, double share) {
    qsort(value, (size_t)count, sizeof *value, by_size);
    double place = share * (count - 1);
    int low = (int)floor(place), high = low + 1 < count ? low + 1 : low;
    return value[low] + (place - low) * (value[high] - value[low]);
}

static double percentile_of(const float *sorted, size_t count, double share) {
    double place = share * (double)(count - 1);
    size_t low = (size_t)place, high = low + 1 < count ? low + 1 : low;
    return sorted[low] + (place - (double)low) * ((double)sorted[high] - sorted[low]);
}

static void sum_up(float *value, size_t count, ps_intensity *out) {
    static const double shares[3] = {0.005, 0.5, 0.995};
    double sum = 0, squares = 0;
    qsort(value, count, sizeof *value, by_float);
    for (size_t i = 0; i < count; i++) sum += value[i];
    out->mean = sum / (double)count;
    for (size_t i = 0; i < count; i++) squares += (value[i] - out->mean) * (value[i] - out->mean);
    out->deviation = sqrt(squares / (double)count);
    out->least = value[0];
    out->most = value[count - 1];
    for (int i = 0; i < 3; i++) out->percentile[i] = percentile_of(value, count, shares[i]);
}

/* ---- cases ---- */

typedef struct {
    float *pixel;
    int16_t *label;
    double *kept; /* [cases] */
    int *index;   /* [cases]: which samples of the training part they are */
    sample_pool pool;
} workroom;

static ps_status read_case(const ps_source *source, int index, int i, workroom *w, ps_fingerprint *out) {
    ps_sample_size size;
    ps_shape shape;
    source->functions->size(source, PS_SOURCE_TRAIN, index, &size);
    source->functions->original(source, PS_SOURCE_TRAIN, index, &shape, out->mm[i]);
    PS_TRY(source->functions->decode(source, PS_SOURCE_TRAIN, index, w->pixel, w->label));
    ps_crop_box box = ps_crop_box_find(w->pixel, size.pixels);
    double positions = 1;
    for (int k = 0; k < 3; k++) {
        out->shape[i][k] = box.count[k];
        positions *= box.count[k];
    }
    if (shape.d == 1) out->mm[i][0] = no_depth_mm;
    w->kept[i] = positions / (double)ps_shape_positions(size.pixels);
    return draw_values(&w->pool, index, size.pixels, w->pixel, w->label);
}

static ps_status read_cases(ps_source *source, const char *title, bool quiet, workroom *w, ps_fingerprint *out) {
    ps_progress progress;
    ps_status status = PS_OK;
    int cases = out->cases;
    ps_progress_start(&progress, title, (uint64_t)cases, 0, quiet);
    out->cases = 0;
    for (int i = 0; status == PS_OK && i < cases; i++) {
        status = read_case(source, w->index[i], out->cases, w, out);
        if (status == PS_OK) out->cases++;
        else status = ps_source_leave_out(source, status);
        ps_progress_update(&progress, (uint64_t)i + 1, NULL);
    }
    ps_progress_end(&progress, NULL);
    return status;
}

static ps_status sum_up_all(workroom *w, ps_fingerprint *out) {
    if (w->pool.count == 0)
        return ps_fail(PS_ERR_INPUT,
                       "no position of the training cases has a label above 0; are these the label maps?");
    for (int c = 0; c < out->channels; c++) sum_up(w->pool.value[c], w->pool.count, &out->intensity[c]);
    out->kept = ps_percentile(w->kept, out->cases, 0.5);
    return PS_OK;
}

static ps_status prepare(const ps_source *source, workroom *w, ps_fingerprint *out) {
    size_t pixels = 0, labels = 0;
    for (int i = 0; i < out->cases; i++) {
        ps_sample_size size;
        source->functions->size(source, PS_SOURCE_TRAIN, w->index[i], &size);
        out->channels = size.pixels.c;
        if (ps_shape_elements(size.pixels) > pixels) pixels = ps_shape_elements(size.pixels);
        if (ps_shape_positions(size.mask) > labels) labels = ps_shape_positions(size.mask);
    }
    if (out->channels > PS_FINGERPRINT_CHANNELS)
        return ps_fail(PS_ERR_INPUT, "samples of %d channels cannot be planned for; at most %d can", out->channels,
                       PS_FINGERPRINT_CHANNELS);
    for (int c = 0; source->channel_names != NULL && c < out->channels; c++)
        memcpy(out->channel_name[c], source->channel_names[c], PS_CLASS_NAME_SIZE);
    size_t cases = (size_t)out->cases;
    PS_TRY(PS_ALLOC(cases, &out->shape, "fingerprint"));
    PS_TRY(PS_ALLOC(cases, &out->mm, "fingerprint"));
    PS_TRY(PS_ALLOC(cases, &w->kept, "fingerprint"));
    PS_TRY(PS_ALLOC(pixels, &w->pixel, "a volume"));
    PS_TRY(PS_ALLOC(labels, &w->label, "a label map"));
    return create_pool(&w->pool, out->cases, out->channels);
}

ps_status ps_fingerprint_take(ps_source *source, const char *name, const ps_dataset_options *options, bool quiet,
                              ps_fingerprint *out) {
    workroom w = {0};
    memset(out, 0, sizeof *out);
    if (source->functions->original == NULL || source->labels != PS_LABEL_MASK || source->type != PS_PIXEL_FLOAT)
        return ps_fail(PS_ERR_USAGE,
                       "plans are made for volumes with label maps, as msd:DIR, btcv:DIR and synthetic-3d have "
                       "them; these data are none");
    PS_TRY(ps_choice_training(name, source, options, &w.index, &out->cases));
    out->classes = source->classes;
    ps_status status = prepare(source, &w, out);
    if (status == PS_OK) status = read_cases(source, name, quiet, &w, out);
    if (status == PS_OK) status = ps_source_check_bad(source, name, options->skip_bad);
    if (status == PS_OK) status = sum_up_all(&w, out);
    for (int c = 0; c < PS_FINGERPRINT_CHANNELS; c++) ps_free(w.pool.value[c]);
    ps_free(w.index);
    ps_free(w.kept);
    ps_free(w.pixel);
    ps_free(w.label);
    return status;
}

void ps_fingerprint_clear(ps_fingerprint *fingerprint) {
    ps_free(fingerprint->shape);
    ps_free(fingerprint->mm);
    memset(fingerprint, 0, sizeof *fingerprint);
}
