#include "data/samples.h"

#include <pthread.h>
#include <string.h>

#include "core/memory.h"
#include "data/foreground.h"
#include "data/resize.h"

/* Where a sample begins in what is held. */
typedef struct {
    ps_sample_size size;
    size_t pixel, label, count; /* in elements */
} place;

/* Room for one sample as stored, where it must be resized, and what resizes it. */
typedef struct {
    void *pixel;
    int16_t *label;
    ps_resizer *pixels, *mask;
    ps_sample_size of; /* what the resizers take */
} workshop;

struct ps_samples {
    ps_source source;
    ps_samples_options options;
    int count; /* of all splits */
    bool differ;
    place common;                  /* the first, and all where they do not differ */
    place *places;                 /* [count] where they differ */
    size_t pixels, labels, counts; /* elements in all */
    size_t most_pixels, most_labels, most_counts, most_stored_pixels, most_stored_labels; /* of one sample */
    bool held;
    void *pixel; /* of all samples where they are held, else of the one that is looked at */
    int16_t *label;
    uint32_t *foreground;
    workshop work;
    pthread_mutex_t looking; /* not held: one at a time */
};

static size_t pixel_bytes(const ps_samples *s) {
    return s->source.type == PS_PIXEL_BYTE ? sizeof(uint8_t) : sizeof(float);
}

static size_t pixel_count(const ps_sample_size *size) { return ps_shape_elements(size->pixels); }

static size_t label_count(const ps_samples *s, const ps_sample_size *size) {
    if (s->source.labels == PS_LABEL_MASK) return ps_shape_positions(size->mask);
    return s->source.labels == PS_LABEL_CLASS ? 1 : 0;
}

static size_t foreground_count(const ps_samples *s, const ps_sample_size *size) {
    if (!s->options.foreground || s->source.labels != PS_LABEL_MASK) return 0;
    return ps_foreground_counts(ps_shape_positions(size->mask), s->source.classes);
}

static size_t row_of(const ps_samples *s, ps_split split, int index) {
    size_t row = (size_t)index;
    for (int before = 0; before < (int)split; before++) row += (size_t)s->options.choice.count[before];
    return row;
}

/* ---- sizes ---- */

static bool same_size(const ps_sample_size *a, const ps_sample_size *b) {
    return ps_shape_equal(a->pixels, b->pixels) && ps_shape_equal(a->mask, b->mask);
}

static size_t larger(size_t a, size_t b) { return a > b ? a : b; }

static ps_sample_size stored_size(const ps_samples *s, ps_split split, int index) {
    ps_source_place at = ps_samples_place(s, split, index);
    ps_sample_size size = {{0, 0, 0, 0, 0}, {0, 0, 0, 0, 0}};
    s->source.functions->size(&s->source, at.part, at.index, &size);
    return size;
}

/* An image and its mask are resized to the same sides. */
static ps_sample_size wanted_size(const ps_samples *s, ps_sample_size stored) {
    ps_sample_size size = stored;
    if (s->options.side == 0) return size;
    size.pixels = ps_resize_target(stored.pixels, s->options.side);
    if (s->source.labels != PS_LABEL_MASK) return size;
    size.mask = size.pixels;
    size.mask.c = 1;
    return size;
}

/* What formats promise in source.h; a broken promise would be a wild read later. */
static bool is_possible(const ps_samples *s, const ps_sample_size *size) {
    bool masked = s->source.labels == PS_LABEL_MASK;
    if (size->pixels.n != 1 || size->pixels.c < 1 || ps_shape_positions(size->pixels) < 1) return false;
    if (s->common.size.pixels.n == 1 && size->pixels.c != s->common.size.pixels.c) return false;
    if (!masked) return ps_shape_elements(size->mask) == 0;
    return size->mask.n == 1 && size->mask.c == 1 && ps_shape_positions(size->mask) >= 1;
}

static ps_status measure_one(ps_samples *s, const char *name, ps_split split, int index, bool first) {
    ps_sample_size stored = stored_size(s, split, index), size;
    if (!is_possible(s, &stored))
        return ps_fail(PS_ERR_INTERNAL, "data \"%s\": the format gave an impossible shape", name);
    size = wanted_size(s, stored);
    if (first) s->common.size = size;
    s->differ = s->differ || !same_size(&s->common.size, &size);
    s->pixels += pixel_count(&size);
    s->labels += label_count(s, &size);
    s->counts += foreground_count(s, &size);
    s->most_counts = larger(s->most_counts, foreground_count(s, &size));
    s->most_pixels = larger(s->most_pixels, pixel_count(&size));
    s->most_labels = larger(s->most_labels, label_count(s, &size));
    s->most_stored_pixels = larger(s->most_stored_pixels, pixel_count(&stored));
    s->most_stored_labels = larger(s->most_stored_labels, label_count(s, &stored));
    return PS_OK;
}

static void set_places(ps_samples *s) {
    place at = {.pixel = 0};
    int row = 0;
    for (int split = 0; split < PS_SPLITS; split++) {
        for (int i = 0; i < s->options.choice.count[split]; i++) {
            at.size = wanted_size(s, stored_size(s, (ps_split)split, i));
            s->places[row++] = at;
            at.pixel += pixel_count(&at.size);
            at.label += label_count(s, &at.size);
            at.count += foreground_count(s, &at.size);
        }
    }
}

static ps_status measure(ps_samples *s, const char *name) {
    for (int split = 0; split < PS_SPLITS; split++)
        for (int i = 0; i < s->options.choice.count[split]; i++, s->count++)
            PS_TRY(measure_one(s, name, (ps_split)split, i, s->count == 0));
    if (!s->differ) return PS_OK;
    PS_TRY(PS_ALLOC((size_t)s->count, &s->places, "data set"));
    set_places(s);
    return PS_OK;
}

static place place_of(const ps_samples *s, ps_split split, int index) {
    const ps_sample_size *size = &s->common.size;
    size_t row = row_of(s, split, index);
    if (s->differ) return s->places[row];
    return (place){*size, row * pixel_count(size), row * label_count(s, size), row * foreground_count(s, size)};
}

/* ---- decoding ---- */

static ps_status prepare_work(ps_samples *s, const ps_sample_size *from, const ps_sample_size *to) {
    workshop *w = &s->work;
    if (w->pixel == NULL) {
        PS_TRY(ps_alloc(s->most_stored_pixels, pixel_bytes(s), "resizing", &w->pixel));
        PS_TRY(PS_ALLOC(s->most_stored_labels, &w->label, "resizing"));
    }
    if (w->pixels != NULL && same_size(&w->of, from)) return PS_OK;
    ps_resizer_destroy(w->pixels);
    ps_resizer_destroy(w->mask);
    w->pixels = w->mask = NULL;
    PS_TRY(ps_resizer_create(from->pixels, to->pixels, &w->pixels));
    w->of = *from;
    return s->source.labels == PS_LABEL_MASK ? ps_resizer_create(from->mask, to->mask, &w->mask) : PS_OK;
}

static ps_status decode_pixels(ps_samples *s, ps_split split, int index, void *pixel, int16_t *label) {
    ps_source_place at = ps_samples_place(s, split, index);
    ps_sample_size from = stored_size(s, split, index), to = wanted_size(s, from);
    workshop *w = &s->work;
    if (same_size(&from, &to)) return s->source.functions->decode(&s->source, at.part, at.index, pixel, label);
    PS_TRY(prepare_work(s, &from, &to));
    PS_TRY(s->source.functions->decode(&s->source, at.part, at.index, w->pixel, w->label));
    if (s->source.type == PS_PIXEL_BYTE) ps_resize_bytes(w->pixels, w->pixel, pixel);
    else ps_resize_floats(w->pixels, w->pixel, pixel);
    if (w->mask != NULL) ps_resize_labels(w->mask, w->label, label);
    else if (s->source.labels == PS_LABEL_CLASS) *label = *w->label;
    return PS_OK;
}

static ps_status decode(ps_samples *s, ps_split split, int index, void *pixel, int16_t *label, uint32_t *foreground) {
    PS_TRY(decode_pixels(s, split, index, pixel, label));
    ps_sample_size size = place_of(s, split, index).size;
    if (foreground_count(s, &size) > 0)
        ps_foreground_count(label, label_count(s, &size), s->source.classes, foreground);
    return PS_OK;
}

static ps_status hold(ps_samples *s) {
    for (int split = 0; split < PS_SPLITS; split++) {
        for (int i = 0; i < s->options.choice.count[split]; i++) {
            place at = place_of(s, (ps_split)split, i);
            char *pixel = (char *)s->pixel + at.pixel * pixel_bytes(s);
            int16_t *label = s->labels > 0 ? s->label + at.label : NULL;
            PS_TRY(decode(s, (ps_split)split, i, pixel, label, s->counts > 0 ? s->foreground + at.count : NULL));
        }
    }
    return PS_OK;
}

static void clear_work(workshop *w) {
    ps_resizer_destroy(w->pixels);
    ps_resizer_destroy(w->mask);
    ps_free(w->pixel);
    ps_free(w->label);
    memset(w, 0, sizeof *w);
}

/* What is held needs its files no more, unless someone may ask for their names or what leads back to them; names of
 * classes stay. */
static void let_go(ps_samples *s) {
    const ps_source_functions *f = s->source.functions;
    clear_work(&s->work);
    if (f->name != NULL || f->path != NULL || f->original != NULL || f->truth != NULL || f->restore != NULL) return;
    s->source.functions->close(&s->source);
    s->source.functions = NULL;
    s->source.state = NULL;
}

ps_status ps_samples_create(const char *name, ps_source *source, ps_samples_options *options, ps_samples **out) {
    ps_samples *s = NULL;
    *out = NULL;
    ps_status status = PS_ALLOC(1, &s, "data set");
    if (status != PS_OK) {
        ps_source_close(source);
        ps_choice_clear(&options->choice);
        return status;
    }
    s->source = *source;
    memset(source, 0, sizeof *source);
    s->options = *options;
    options->choice = (ps_choice){NULL, {0, 0, 0}};
    pthread_mutex_init(&s->looking, NULL);
    PS_TRY_CLEANUP(measure(s, name));
    size_t bytes = s->pixels * pixel_bytes(s) + s->labels * sizeof *s->label;
    s->held = options->most_bytes == 0 || bytes <= options->most_bytes;
    PS_TRY_CLEANUP(ps_alloc(s->held ? s->pixels : s->most_pixels, pixel_bytes(s), "data set", &s->pixel));
    PS_TRY_CLEANUP(PS_ALLOC(s->held ? s->labels : s->most_labels, &s->label, "data set"));
    PS_TRY_CLEANUP(PS_ALLOC(s->held ? s->counts : s->most_counts, &s->foreground, "data set"));
    if (s->held) {
        PS_TRY_CLEANUP(hold(s));
        let_go(s);
    }
    *out = s;
    return PS_OK;
cleanup:
    ps_samples_destroy(s);
    return status;
}

void ps_samples_destroy(ps_samples *s) {
    if (s == NULL) return;
    clear_work(&s->work);
    ps_source_close(&s->source);
    pthread_mutex_destroy(&s->looking);
    ps_free(s->places);
    ps_free(s->pixel);
    ps_free(s->label);
    ps_free(s->foreground);
    ps_choice_clear(&s->options.choice);
    ps_free(s);
}

/* ---- use ---- */

const ps_source *ps_samples_source(const ps_samples *s) { return &s->source; }
int ps_samples_count(const ps_samples *s, ps_split split) { return s->options.choice.count[split]; }
bool ps_samples_differ(const ps_samples *s) { return s->differ; }

ps_sample_size ps_samples_common_size(const ps_samples *s) {
    ps_sample_size size = s->common.size;
    if (!s->differ) return size;
    return (ps_sample_size){.pixels = {1, size.pixels.c, 0, 0, 0}, .mask = {size.mask.n, size.mask.c, 0, 0, 0}};
}

ps_sample_size ps_samples_size(const ps_samples *s, ps_split split, int index) {
    return place_of(s, split, index).size;
}

ps_source_place ps_samples_place(const ps_samples *s, ps_split split, int index) {
    return s->options.choice.place[row_of(s, split, index)];
}

ps_status ps_samples_get(ps_samples *s, ps_split split, int index, ps_sample_view *out) {
    place at = place_of(s, split, index);
    *out = (ps_sample_view){.size = at.size, .labels = label_count(s, &at.size), .pixel = s->pixel, .label = s->label};
    if (s->held) {
        out->pixel = (const char *)s->pixel + at.pixel * pixel_bytes(s);
        if (s->labels > 0) out->label = s->label + at.label;
        if (s->counts > 0) out->foreground = s->foreground + at.count;
        return PS_OK;
    }
    if (s->counts > 0) out->foreground = s->foreground;
    pthread_mutex_lock(&s->looking);
    ps_status status = decode(s, split, index, s->pixel, s->label, s->foreground);
    if (status != PS_OK) pthread_mutex_unlock(&s->looking);
    return status;
}

void ps_samples_release(ps_samples *s) {
    if (!s->held) pthread_mutex_unlock(&s->looking);
}
