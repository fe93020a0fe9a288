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
#include "data/marks.h"

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

/* Positions of a case that were drawn: with replacement, so that a case with a small organ weighs as much as one with a
 * large one. */
typedef struct {
    ps_marks foreground, drawn;
    size_t *position; /* [drawn of a case] */
    float *value;     /* [different positions][channels] */
    int channels;
    ps_crop_search box;
} case_draw;

static ps_status mark_foreground(void *context, const ps_source_row *row) {
    case_draw *draw = context;
    for (int i = 0; i < row->count; i++)
        if (row->label[i] > 0) ps_marks_add(&draw->foreground, (size_t)(row->first + i * row->step));
    return PS_OK;
}

static void draw_positions(case_draw *draw, int index, int count) {
    ps_rng_key key = ps_rng_key_fold(ps_rng_key_of(1234, "data/fingerprint"), (uint64_t)index);
    ps_marks_count(&draw->foreground);
    for (int i = 0; i < (draw->foreground.count > 0 ? count : 0); i++) {
        uint32_t rank = ps_rng_below(key, (uint64_t)i, (uint32_t)draw->foreground.count);
        draw->position[i] = ps_marks_at(&draw->foreground, rank);
        ps_marks_add(&draw->drawn, draw->position[i]);
    }
    ps_marks_count(&draw->drawn);
}

static ps_status take_values(void *context, const ps_source_row *row) {
    case_draw *draw = context;
    ps_crop_add(&draw->box, row->first, row->step, row->pixel, row->count);
    for (int i = 0; i < row->count; i++) {
        size_t position = (size_t)(row->first + i * row->step);
        if (!ps_marks_have(&draw->drawn, position)) continue;
        size_t rank = ps_marks_rank(&draw->drawn, position);
        draw->value[rank * (size_t)draw->channels + (size_t)row->channel] = row->pixel[i];
    }
    return PS_OK;
}

static void pool_values(const case_draw *draw, sample_pool *pool) {
    if (draw->foreground.count == 0) return;
    for (int i = 0; i < pool->drawn; i++, pool->count++) {
        const float *value = draw->value + ps_marks_rank(&draw->drawn, draw->position[i]) * (size_t)draw->channels;
        for (int c = 0; c < draw->channels; c++) pool->value[c][pool->count] = value[c];
    }
}

/* Two passes over a case, neither of which holds it: its labels, then its values. */
static ps_status draw_case(const ps_source *source, int index, int count, case_draw *draw) {
    ps_sample_size size;
    source->functions->size(source, PS_SOURCE_TRAIN, index, &size);
    draw->channels = size.pixels.c;
    ps_crop_begin(&draw->box, size.pixels);
    PS_TRY(ps_marks_create(&draw->foreground, ps_shape_positions(size.mask)));
    PS_TRY(ps_marks_create(&draw->drawn, ps_shape_positions(size.mask)));
    PS_TRY(PS_ALLOC((size_t)count, &draw->position, "positions of the foreground"));
    PS_TRY(ps_source_each_row(source, PS_SOURCE_TRAIN, index, PS_ROWS_OF_LABELS, mark_foreground, draw));
    draw_positions(draw, index, count);
    PS_TRY(PS_ALLOC(draw->drawn.count * (size_t)draw->channels, &draw->value, "values of the foreground"));
    return ps_source_each_row(source, PS_SOURCE_TRAIN, index, PS_ROWS_OF_PIXELS, take_values, draw);
}

static void clear_draw(case_draw *draw) {
    ps_marks_clear(&draw->foreground);
    ps_marks_clear(&draw->drawn);
    ps_free(draw->position);
    ps_free(draw->value);
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
    double *kept; /* [cases] */
    int *index;   /* [cases]: which samples of the training part they are */
    sample_pool pool;
} workroom;

static ps_status read_case(const ps_source *source, int index, int i, workroom *w, ps_fingerprint *out) {
    ps_sample_size size;
    ps_shape shape;
    case_draw draw = {.position = NULL};
    source->functions->size(source, PS_SOURCE_TRAIN, index, &size);
    source->functions->original(source, PS_SOURCE_TRAIN, index, &shape, out->mm[i]);
    ps_status status = draw_case(source, index, w->pool.drawn, &draw);
    if (status == PS_OK) pool_values(&draw, &w->pool);
    ps_crop_box box = ps_crop_end(&draw.box);
    clear_draw(&draw);
    PS_TRY(status);
    double positions = 1;
    for (int k = 0; k < 3; k++) {
        out->shape[i][k] = box.count[k];
        positions *= box.count[k];
    }
    if (shape.d == 1) out->mm[i][0] = no_depth_mm;
    w->kept[i] = positions / (double)ps_shape_positions(size.pixels);
    return PS_OK;
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
    ps_sample_size size;
    source->functions->size(source, PS_SOURCE_TRAIN, w->index[0], &size);
    out->channels = size.pixels.c;
    if (out->channels > PS_FINGERPRINT_CHANNELS)
        return ps_fail(PS_ERR_INPUT, "samples of %d channels cannot be planned for; at most %d can", out->channels,
                       PS_FINGERPRINT_CHANNELS);
    for (int c = 0; source->channel_names != NULL && c < out->channels; c++)
        memcpy(out->channel_name[c], source->channel_names[c], PS_CLASS_NAME_SIZE);
    size_t cases = (size_t)out->cases;
    PS_TRY(PS_ALLOC(cases, &out->shape, "fingerprint"));
    PS_TRY(PS_ALLOC(cases, &out->mm, "fingerprint"));
    PS_TRY(PS_ALLOC(cases, &w->kept, "fingerprint"));
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
    return status;
}

void ps_fingerprint_clear(ps_fingerprint *fingerprint) {
    ps_free(fingerprint->shape);
    ps_free(fingerprint->mm);
    memset(fingerprint, 0, sizeof *fingerprint);
}
