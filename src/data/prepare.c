#include "data/prepare.h"

#include <math.h>
#include <string.h>

#include "core/memory.h"
#include "core/progress.h"
#include "data/crop_box.h"

typedef struct {
    ps_crop_box box; /* along the file's d, h, w */
    double mm[3];    /* of the file and wanted, in the plan's order of axes */
    double wanted[3];
    int cropped[3], side[3]; /* likewise: before and after resampling */
    int nearest;
    bool bad; /* it cannot be read */
} prepared;

typedef struct {
    ps_source inner;
    ps_plan plan;
    ps_plan_network network;
    ps_resampling resampling;
    prepared *cases[PS_SOURCE_PARTS];
} prepared_set;

/* ---- geometry ---- */

static void fit(const prepared_set *set, prepared *p) {
    for (int i = 0; i < 3; i++) {
        p->wanted[i] = set->network.spacing[i] > 0 ? set->network.spacing[i] : p->mm[i];
        p->cropped[i] = p->box.count[set->plan.axis[i]];
        p->side[i] = ps_resample_side(p->cropped[i], p->mm[i], p->wanted[i]);
    }
    p->nearest = ps_resample_nearest_axis(p->mm, p->wanted);
}

/* Element of the file's array [d][h][w] of a position of the cropped volume in the plan's order. */
typedef struct {
    size_t start, step[3];
} walk;

static walk walk_of(const prepared_set *set, const prepared *p, ps_shape file) {
    const size_t step[3] = {(size_t)file.h * (size_t)file.w, (size_t)file.w, 1};
    walk way = {.start = 0};
    for (int i = 0; i < 3; i++) {
        way.start += (size_t)p->box.first[i] * step[i];
        way.step[i] = step[set->plan.axis[i]];
    }
    return way;
}

/* ---- values ---- */

static bool is_zero(const float *pixel, int channels) {
    for (int c = 0; c < channels; c++)
        if (pixel[c] != 0) return false;
    return true;
}

/* Positions that can be reached from outside over zeros are no part of the mask; holes are. out: what is. */
static ps_status find_mask(const float *pixel, const int side[3], int channels, bool *out) {
    size_t count = (size_t)side[0] * (size_t)side[1] * (size_t)side[2], open = 0;
    const size_t step[3] = {(size_t)side[1] * (size_t)side[2], (size_t)side[2], 1};
    uint32_t *stack = NULL;
    PS_TRY(PS_ALLOC(count, &stack, "a mask"));
    for (size_t i = 0; i < count; i++) {
        size_t at[3] = {i / step[0], i / step[1] % (size_t)side[1], i % (size_t)side[2]};
        bool border = false;
        for (int a = 0; a < 3; a++) border = border || at[a] == 0 || at[a] + 1 == (size_t)side[a];
        out[i] = !(border && is_zero(pixel + i * (size_t)channels, channels));
        if (!out[i]) stack[open++] = (uint32_t)i;
    }
    while (open > 0) {
        size_t i = stack[--open], at[3] = {i / step[0], i / step[1] % (size_t)side[1], i % (size_t)side[2]};
        for (int k = 0; k < 6; k++) {
            int a = k / 2;
            if (k % 2 ? at[a] + 1 == (size_t)side[a] : at[a] == 0) continue;
            size_t next = k % 2 ? i + step[a] : i - step[a];
            if (!out[next] || !is_zero(pixel + next * (size_t)channels, channels)) continue;
            out[next] = false;
            stack[open++] = (uint32_t)next;
        }
    }
    ps_free(stack);
    return PS_OK;
}

/* One channel: (v - centre) / scale where the mask allows it (NULL: everywhere), clipped before. */
typedef struct {
    double low, high, centre, scale;
    const bool *mask;
} change;

static void apply(const change *how, float *pixel, size_t count, size_t channels) {
    for (size_t i = 0; i < count; i++) {
        if (how->mask != NULL && !how->mask[i]) continue;
        double v = fmin(fmax(pixel[i * channels], how->low), how->high);
        pixel[i * channels] = (float)((v - how->centre) / how->scale);
    }
}

static void take_moments(const float *pixel, size_t count, size_t channels, change *how) {
    double sum = 0, squares = 0, n = 0;
    for (size_t i = 0; i < count; i++)
        if (how->mask == NULL || how->mask[i]) sum += pixel[i * channels], n++;
    how->centre = n > 0 ? sum / n : 0;
    for (size_t i = 0; i < count; i++) {
        double d = pixel[i * channels] - how->centre;
        if (how->mask == NULL || how->mask[i]) squares += d * d;
    }
    how->scale = fmax(n > 0 ? sqrt(squares / n) : 0, 1e-8);
}

static void take_range(const float *pixel, size_t count, size_t channels, change *how) {
    double least = INFINITY, most = -INFINITY;
    for (size_t i = 0; i < count; i++) {
        least = fmin(least, pixel[i * channels]);
        most = fmax(most, pixel[i * channels]);
    }
    how->centre = least;
    how->scale = fmax(most - least, 1e-8);
}

static void normalise(const prepared_set *set, const bool *mask, float *pixel, size_t count) {
    size_t channels = (size_t)set->plan.channels;
    for (size_t c = 0; c < channels; c++) {
        const ps_plan_channel *channel = &set->plan.channel[c];
        change how = {.low = -INFINITY, .high = INFINITY, .scale = 1};
        switch (channel->normalisation) {
            case PS_NORMALISE_CT:
                how.low = channel->intensity.percentile[0], how.high = channel->intensity.percentile[2];
                how.centre = channel->intensity.mean, how.scale = fmax(channel->intensity.deviation, 1e-8);
                break;
            case PS_NORMALISE_Z:
                how.mask = mask;
                take_moments(pixel + c, count, channels, &how);
                break;
            case PS_NORMALISE_UNIT: take_range(pixel + c, count, channels, &how); break;
            case PS_NORMALISE_RGB: how.scale = 255; break;
            default: continue;
        }
        apply(&how, pixel + c, count, channels);
    }
}

/* ---- a sample ---- */

/* As the file has it, and cropped in the plan's order of axes. */
typedef struct {
    float *stored, *cropped;
    int16_t *stored_label, *label;
    bool *mask;
} workroom;

static void clear(workroom *w) {
    ps_free(w->stored);
    ps_free(w->cropped);
    ps_free(w->stored_label);
    ps_free(w->label);
    ps_free(w->mask);
}

/* What a case takes at its largest is what it takes to read it, and to crop it. */
static void let_go_of_stored(workroom *w) {
    ps_free(w->stored);
    ps_free(w->stored_label);
    w->stored = NULL;
    w->stored_label = NULL;
}

static ps_status read_stored(const prepared_set *set, ps_source_part part, int index, workroom *w) {
    ps_sample_size size;
    set->inner.functions->size(&set->inner, part, index, &size);
    PS_TRY(PS_ALLOC(ps_shape_elements(size.pixels), &w->stored, "a volume"));
    PS_TRY(PS_ALLOC(ps_shape_positions(size.mask), &w->stored_label, "a label map"));
    return set->inner.functions->decode(&set->inner, part, index, w->stored, w->stored_label);
}

static void crop(const prepared_set *set, const prepared *p, ps_shape file, workroom *w) {
    walk way = walk_of(set, p, file);
    size_t i = 0, channels = (size_t)file.c;
    for (int z = 0; z < p->cropped[0]; z++)
        for (int y = 0; y < p->cropped[1]; y++)
            for (int x = 0; x < p->cropped[2]; x++, i++) {
                size_t from = way.start + (size_t)z * way.step[0] + (size_t)y * way.step[1] + (size_t)x * way.step[2];
                memcpy(w->cropped + i * channels, w->stored + from * channels, channels * sizeof *w->cropped);
                w->label[i] = w->stored_label[from];
            }
}

static ps_status make_sample(const prepared_set *set, ps_source_part part, int index, workroom *w, float *pixel,
                             int16_t *label) {
    const prepared *p = &set->cases[part][index];
    size_t count = (size_t)p->cropped[0] * (size_t)p->cropped[1] * (size_t)p->cropped[2];
    ps_sample_size size;
    set->inner.functions->size(&set->inner, part, index, &size);
    PS_TRY(read_stored(set, part, index, w));
    PS_TRY(PS_ALLOC(count * (size_t)size.pixels.c, &w->cropped, "a volume"));
    PS_TRY(PS_ALLOC(count, &w->label, "a label map"));
    crop(set, p, size.pixels, w);
    let_go_of_stored(w);
    if (set->plan.masked) {
        PS_TRY(PS_ALLOC(count, &w->mask, "a mask"));
        PS_TRY(find_mask(w->cropped, p->cropped, size.pixels.c, w->mask));
    }
    normalise(set, w->mask, w->cropped, count);
    PS_TRY(ps_resample_values(set->resampling, w->cropped, p->cropped, size.pixels.c, p->nearest, p->side, pixel));
    return ps_resample_labels(w->label, p->cropped, p->nearest, p->side, label);
}

/* ---- the source ---- */

static void size_of(const ps_source *source, ps_source_part part, int index, ps_sample_size *out) {
    const prepared_set *set = source->state;
    const prepared *p = &set->cases[part][index];
    out->pixels = out->mask = (ps_shape){1, set->plan.channels, p->side[0], p->side[1], p->side[2]};
    out->mask.c = 1;
}

static ps_status decode(const ps_source *source, ps_source_part part, int index, void *pixel, int16_t *label) {
    workroom w = {0};
    ps_status status = make_sample(source->state, part, index, &w, pixel, label);
    clear(&w);
    return status;
}

static const char *name_of(const ps_source *source, ps_source_part part, int index) {
    const ps_source *inner = &((const prepared_set *)source->state)->inner;
    return inner->functions->name != NULL ? inner->functions->name(inner, part, index) : NULL;
}

static const char *path_of(const ps_source *source, ps_source_part part, int index) {
    const ps_source *inner = &((const prepared_set *)source->state)->inner;
    return inner->functions->path != NULL ? inner->functions->path(inner, part, index) : NULL;
}

static void original(const ps_source *source, ps_source_part part, int index, ps_shape *shape, double mm[3]) {
    const ps_source *inner = &((const prepared_set *)source->state)->inner;
    inner->functions->original(inner, part, index, shape, mm);
}

static ps_status stored(const ps_source *source, ps_source_part part, int index, void *pixel, int16_t *label) {
    const ps_source *inner = &((const prepared_set *)source->state)->inner;
    return inner->functions->decode(inner, part, index, pixel, label);
}

static ps_status truth(const ps_source *source, ps_source_part part, int index, int16_t *label) {
    const prepared_set *set = source->state;
    workroom w = {0};
    ps_sample_size size;
    if (set->inner.functions->truth != NULL) return set->inner.functions->truth(&set->inner, part, index, label);
    set->inner.functions->size(&set->inner, part, index, &size);
    ps_status status = read_stored(set, part, index, &w);
    if (status == PS_OK) memcpy(label, w.stored_label, ps_shape_positions(size.mask) * sizeof *label);
    clear(&w);
    return status;
}

static void put_back(const prepared_set *set, const prepared *p, ps_shape file, const int16_t *cropped,
                     int16_t *label) {
    walk way = walk_of(set, p, file);
    memset(label, 0, ps_shape_positions(file) * sizeof *label);
    for (int z = 0; z < p->cropped[0]; z++)
        for (int y = 0; y < p->cropped[1]; y++)
            for (int x = 0; x < p->cropped[2]; x++)
                label[way.start + (size_t)z * way.step[0] + (size_t)y * way.step[1] + (size_t)x * way.step[2]] =
                    *cropped++;
}

static ps_status restore(const ps_source *source, ps_source_part part, int index, const float *score, int classes,
                         int16_t *label) {
    const prepared_set *set = source->state;
    const prepared *p = &set->cases[part][index];
    int16_t *cropped = NULL;
    ps_sample_size size;
    /* On the way back the spacings change their parts. */
    int nearest = ps_resample_nearest_axis(p->wanted, p->mm);
    set->inner.functions->size(&set->inner, part, index, &size);
    PS_TRY(PS_ALLOC((size_t)p->cropped[0] * (size_t)p->cropped[1] * (size_t)p->cropped[2], &cropped, "a label map"));
    ps_status status = ps_resample_scores(score, p->side, classes, nearest, p->cropped, cropped);
    if (status == PS_OK) put_back(set, p, size.mask, cropped, label);
    ps_free(cropped);
    return status;
}

static void close_set(ps_source *source) {
    prepared_set *set = source->state;
    for (int part = 0; part < PS_SOURCE_PARTS; part++) ps_free(set->cases[part]);
    ps_source_close(&set->inner);
    ps_free(set);
}

static bool is_bad(const ps_source *source, ps_source_part part, int index) {
    return ((const prepared_set *)source->state)->cases[part][index].bad;
}

static const ps_source_functions functions = {.size = size_of,
                                              .decode = decode,
                                              .close = close_set,
                                              .name = name_of,
                                              .path = path_of,
                                              .original = original,
                                              .truth = truth,
                                              .stored = stored,
                                              .restore = restore,
                                              .bad = is_bad};

/* ---- making ---- */

static ps_status search_row(void *context, const ps_source_row *row) {
    ps_crop_add(context, row->first, row->step, row->pixel, row->count);
    return PS_OK;
}

static ps_status pass_labels(void *context, const ps_source_row *row) {
    (void)context, (void)row;
    return PS_OK;
}

/* Read row by row: sizes are wanted, and no case is held for them. Labels are read for whether they can be. */
static ps_status find_box(const ps_source *inner, ps_source_part part, int index, ps_shape shape, ps_crop_box *box) {
    ps_crop_search search;
    ps_crop_begin(&search, shape);
    PS_TRY(ps_source_each_row(inner, part, index, PS_ROWS_OF_PIXELS, search_row, &search));
    *box = ps_crop_end(&search);
    if (inner->functions->each_row == NULL) return PS_OK; /* decoded with the pixels */
    return ps_source_each_row(inner, part, index, PS_ROWS_OF_LABELS, pass_labels, NULL);
}

static ps_status look_at(prepared_set *set, ps_source_part part, int index) {
    prepared *p = &set->cases[part][index];
    ps_sample_size size;
    ps_shape shape;
    double mm[3];
    set->inner.functions->size(&set->inner, part, index, &size);
    set->inner.functions->original(&set->inner, part, index, &shape, mm);
    if (size.pixels.c != set->plan.channels)
        return ps_fail(PS_ERR_USAGE, "the plan is for data of %d channels, and these have %d; plan anew",
                       set->plan.channels, size.pixels.c);
    ps_status status = find_box(&set->inner, part, index, size.pixels, &p->box);
    for (int i = 0; i < 3; i++) p->mm[i] = mm[set->plan.axis[i]];
    if (status == PS_OK) fit(set, p);
    return status;
}

/* One that cannot be read is named by the source, which does not give it. */
static ps_status note_bad(prepared_set *set, ps_source *out, ps_source_part part, int index, ps_status status) {
    if (status == PS_OK) return PS_OK;
    set->cases[part][index].bad = true;
    return ps_source_leave_out(out, status);
}

static ps_status look_at_all(prepared_set *set, ps_source *out, const char *name, bool quiet) {
    ps_progress progress;
    uint64_t done = 0, total = 0;
    ps_status status = PS_OK;
    for (int part = 0; part < PS_SOURCE_PARTS; part++) total += (uint64_t)set->inner.count[part];
    ps_progress_start(&progress, name, total, 0, quiet);
    for (int part = 0; part < PS_SOURCE_PARTS && status == PS_OK; part++) {
        status = PS_ALLOC((size_t)set->inner.count[part], &set->cases[part], "cases");
        for (int i = 0; i < set->inner.count[part] && status == PS_OK; i++, done++) {
            status = note_bad(set, out, (ps_source_part)part, i, look_at(set, (ps_source_part)part, i));
            ps_progress_update(&progress, done + 1, NULL);
        }
    }
    ps_progress_end(&progress, NULL);
    return status;
}

/* What a source says of itself goes on to the one that stands for it. */
static void hand_on(prepared_set *set, ps_source *out) {
    *out = set->inner;
    out->functions = &functions;
    out->state = set;
    set->inner.class_names = NULL;
    set->inner.channel_names = NULL;
    set->inner.bad = NULL;
    set->inner.bad_count = set->inner.bad_room = 0;
}

ps_status ps_prepare(ps_source *source, const char *name, const ps_plan *plan, const ps_prepare_options *options) {
    prepared_set *set = NULL;
    const ps_plan_network *network = options->dimensions == 2 ? &plan->flat : &plan->full;
    if (source->functions->original == NULL || source->labels != PS_LABEL_MASK || source->type != PS_PIXEL_FLOAT)
        return ps_fail(PS_ERR_USAGE, "%s: a plan is for volumes with label maps, and these data are none; leave it out",
                       name);
    if (plan->classes != source->classes)
        return ps_fail(PS_ERR_INPUT, "%s: has %d classes, and the plan is for %d; plan anew", name, source->classes,
                       plan->classes);
    if (network->dimensions != options->dimensions)
        return ps_fail(PS_ERR_USAGE, "%s: the plan has no network in %d dimensions", name, options->dimensions);
    PS_TRY(PS_ALLOC(1, &set, "data set"));
    set->plan = *plan;
    set->network = *network;
    set->resampling = options->resampling;
    set->inner = *source;
    hand_on(set, source);
    return look_at_all(set, source, name, options->quiet);
}
