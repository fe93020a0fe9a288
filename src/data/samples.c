#include "data/samples.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "data/cache.h"
#include "data/foreground.h"
#include "data/resize.h"
#include "parallel/threads.h"

/* Threads that decode what is needed next. */
enum { AHEAD = 2 };

/* A sample in what is held, or in a block of the cache. */
typedef struct {
    ps_sample_size size;
    size_t pixel, label, count; /* in elements */
} place;

/* Room for one sample as stored, where it must be resized, and what resizes it: one for each that decodes now. */
typedef struct workshop {
    void *pixel;
    int16_t *label;
    ps_resizer *pixels, *mask;
    ps_sample_size of; /* what the resizers take */
    struct workshop *next;
} workshop;

/* A sample that could not be decoded when all were. */
typedef struct {
    size_t row;
    ps_status status;
    char *sentence;
} bad_sample;

struct ps_samples {
    ps_source source;
    ps_samples_options options;
    size_t rows; /* samples of all splits, in their order */
    bool differ;
    ps_sample_size common;                         /* of the first, and of all where they do not differ */
    place *places;                                 /* [rows] of what is held, where they differ */
    size_t pixels, labels, counts;                 /* elements in all */
    size_t most_stored_pixels, most_stored_labels; /* of one sample */
    bool held, large;
    void *pixel; /* of all samples where they are held */
    int16_t *label;
    uint32_t *foreground;
    ps_cache *cache; /* where they are not */
    workshop *idle;
    pthread_mutex_t lock; /* of the workshops and of what is bad */
    bad_sample *bad;
    size_t bad_count, bad_room;
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

static ps_sample_size stored_size(const ps_samples *s, size_t row) {
    ps_source_place at = s->options.choice.place[row];
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

static ps_sample_size size_of(const ps_samples *s, size_t row) {
    if (!s->differ) return s->common;
    return s->places != NULL ? s->places[row].size : wanted_size(s, stored_size(s, row));
}

/* What formats promise in source.h; a broken promise would be a wild read later. */
static bool is_possible(const ps_samples *s, const ps_sample_size *size) {
    bool masked = s->source.labels == PS_LABEL_MASK;
    if (size->pixels.n != 1 || size->pixels.c < 1 || ps_shape_positions(size->pixels) < 1) return false;
    if (s->common.pixels.n == 1 && size->pixels.c != s->common.pixels.c) return false;
    if (!masked) return ps_shape_elements(size->mask) == 0;
    return size->mask.n == 1 && size->mask.c == 1 && ps_shape_positions(size->mask) >= 1;
}

static ps_status measure_one(ps_samples *s, const char *name, size_t row) {
    ps_sample_size stored = stored_size(s, row), size;
    if (!is_possible(s, &stored))
        return ps_fail(PS_ERR_INTERNAL, "data \"%s\": the format gave an impossible shape", name);
    size = wanted_size(s, stored);
    if (row == 0) s->common = size;
    s->differ = s->differ || !same_size(&s->common, &size);
    s->pixels += pixel_count(&size);
    s->labels += label_count(s, &size);
    s->counts += foreground_count(s, &size);
    s->most_stored_pixels = larger(s->most_stored_pixels, pixel_count(&stored));
    s->most_stored_labels = larger(s->most_stored_labels, label_count(s, &stored));
    return PS_OK;
}

static ps_status measure(ps_samples *s, const char *name) {
    for (int split = 0; split < PS_SPLITS; split++) s->rows += (size_t)s->options.choice.count[split];
    for (size_t row = 0; row < s->rows; row++) PS_TRY(measure_one(s, name, row));
    return PS_OK;
}

/* ---- decoding ---- */

static void destroy_workshop(workshop *w) {
    ps_resizer_destroy(w->pixels);
    ps_resizer_destroy(w->mask);
    ps_free(w->pixel);
    ps_free(w->label);
    ps_free(w);
}

static ps_status take_workshop(ps_samples *s, workshop **out) {
    pthread_mutex_lock(&s->lock);
    *out = s->idle;
    if (s->idle != NULL) s->idle = s->idle->next;
    pthread_mutex_unlock(&s->lock);
    if (*out != NULL) return PS_OK;
    PS_TRY(PS_ALLOC(1, out, "resizing"));
    ps_status status = ps_alloc(s->most_stored_pixels, pixel_bytes(s), "resizing", &(*out)->pixel);
    if (status == PS_OK) status = PS_ALLOC(s->most_stored_labels, &(*out)->label, "resizing");
    if (status != PS_OK) destroy_workshop(*out);
    return status;
}

static void give_workshop(ps_samples *s, workshop *w) {
    pthread_mutex_lock(&s->lock);
    w->next = s->idle;
    s->idle = w;
    pthread_mutex_unlock(&s->lock);
}

static ps_status prepare_work(const ps_samples *s, workshop *w, const ps_sample_size *from, const ps_sample_size *to) {
    if (w->pixels != NULL && same_size(&w->of, from)) return PS_OK;
    ps_resizer_destroy(w->pixels);
    ps_resizer_destroy(w->mask);
    w->pixels = w->mask = NULL;
    PS_TRY(ps_resizer_create(from->pixels, to->pixels, &w->pixels));
    w->of = *from;
    return s->source.labels == PS_LABEL_MASK ? ps_resizer_create(from->mask, to->mask, &w->mask) : PS_OK;
}

/* A sample as it is wanted, and where it goes. */
typedef struct {
    ps_source_place at;
    ps_sample_size from, to;
    void *pixel;
    int16_t *label;
    uint32_t *foreground;
} order;

static ps_status decode_resized(ps_samples *s, const order *o, workshop *w) {
    PS_TRY(prepare_work(s, w, &o->from, &o->to));
    PS_TRY(s->source.functions->decode(&s->source, o->at.part, o->at.index, w->pixel, w->label));
    if (s->source.type == PS_PIXEL_BYTE) ps_resize_bytes(w->pixels, w->pixel, o->pixel);
    else ps_resize_floats(w->pixels, w->pixel, o->pixel);
    if (w->mask != NULL) ps_resize_labels(w->mask, w->label, o->label);
    else if (s->source.labels == PS_LABEL_CLASS) *o->label = *w->label;
    return PS_OK;
}

static ps_status decode_pixels(ps_samples *s, const order *o) {
    workshop *w;
    if (same_size(&o->from, &o->to))
        return s->source.functions->decode(&s->source, o->at.part, o->at.index, o->pixel, o->label);
    PS_TRY(take_workshop(s, &w));
    ps_status status = decode_resized(s, o, w);
    give_workshop(s, w);
    return status;
}

static ps_status decode(ps_samples *s, size_t row, void *pixel, int16_t *label, uint32_t *foreground) {
    ps_sample_size from = stored_size(s, row);
    order o = {s->options.choice.place[row], from, wanted_size(s, from), pixel, label, foreground};
    PS_TRY(decode_pixels(s, &o));
    if (foreground_count(s, &o.to) > 0)
        ps_foreground_count(label, label_count(s, &o.to), s->source.classes, foreground);
    return PS_OK;
}

/* ---- held ---- */

static place place_of(const ps_samples *s, size_t row) {
    const ps_sample_size *size = &s->common;
    if (s->differ) return s->places[row];
    return (place){*size, row * pixel_count(size), row * label_count(s, size), row * foreground_count(s, size)};
}

static ps_status set_places(ps_samples *s) {
    place at = {.pixel = 0}, *places = NULL;
    if (!s->differ) return PS_OK;
    PS_TRY(PS_ALLOC(s->rows, &places, "data set"));
    for (size_t row = 0; row < s->rows; row++) {
        ps_sample_size size = size_of(s, row);
        at.size = size;
        places[row] = at;
        at.pixel += pixel_count(&size);
        at.label += label_count(s, &size);
        at.count += foreground_count(s, &size);
    }
    s->places = places;
    return PS_OK;
}

static void see_held(const ps_samples *s, size_t row, ps_sample_view *view) {
    place at = place_of(s, row);
    view->pixel = (const char *)s->pixel + at.pixel * pixel_bytes(s);
    view->label = s->labels > 0 ? s->label + at.label : s->label;
    view->foreground = s->counts > 0 ? s->foreground + at.count : NULL;
}

static void note_bad(ps_samples *s, size_t row, ps_status status) {
    char *sentence = NULL;
    pthread_mutex_lock(&s->lock);
    ps_status copied = ps_string_copy(ps_status_message(), &sentence);
    if (copied == PS_OK) copied = PS_GROW(&s->bad, &s->bad_room, s->bad_count + 1, "bad samples");
    if (copied == PS_OK) s->bad[s->bad_count++] = (bad_sample){row, status, sentence};
    else free(sentence);
    pthread_mutex_unlock(&s->lock);
}

static void hold_row(void *context, size_t row, int worker) {
    ps_samples *s = context;
    place at = place_of(s, row);
    char *pixel = (char *)s->pixel + at.pixel * pixel_bytes(s);
    (void)worker;
    ps_status status = decode(s, row, pixel, s->labels > 0 ? s->label + at.label : NULL,
                              s->counts > 0 ? s->foreground + at.count : NULL);
    if (status != PS_OK) note_bad(s, row, status);
}

/* Where all are read anyway, each into the cache. */
static void pass_row(void *context, size_t row, int worker) {
    ps_samples *s = context;
    const void *block;
    (void)worker;
    ps_status status = ps_cache_get(s->cache, row, &block);
    if (status == PS_OK) ps_cache_release(s->cache, row);
    else note_bad(s, row, status);
}

static int compare_bad(const void *a_, const void *b_) {
    const bad_sample *a = a_, *b = b_;
    return (a->row > b->row) - (a->row < b->row);
}

/* Every sample is decoded once, by all processors, and those that cannot be are noted. */
static ps_status read_all(ps_samples *s, ps_threads_task *task) {
    ps_threads *threads;
    PS_TRY(ps_threads_create(0, &threads));
    ps_threads_run(threads, s->rows, task, s);
    ps_threads_destroy(threads);
    if (s->bad_count > 1) qsort(s->bad, s->bad_count, sizeof *s->bad, compare_bad);
    for (size_t i = 0; i < s->bad_count; i++)
        if (s->bad[i].status != PS_ERR_INPUT && s->bad[i].status != PS_ERR_IO)
            return ps_fail(s->bad[i].status, "%s", s->bad[i].sentence);
    return PS_OK;
}

static ps_status hold(ps_samples *s) {
    PS_TRY(set_places(s));
    PS_TRY(ps_alloc(s->pixels, pixel_bytes(s), "data set", &s->pixel));
    PS_TRY(PS_ALLOC(s->labels, &s->label, "data set"));
    PS_TRY(PS_ALLOC(s->counts, &s->foreground, "data set"));
    return read_all(s, hold_row);
}

/* ---- not held ---- */

/* A block: pixels, labels, counts. */
static size_t labels_at(const ps_samples *s, const ps_sample_size *size) {
    return (pixel_count(size) * pixel_bytes(s) + 7) / 8 * 8;
}

static size_t counts_at(const ps_samples *s, const ps_sample_size *size) {
    return labels_at(s, size) + (label_count(s, size) * sizeof(int16_t) + 7) / 8 * 8;
}

static size_t block_size(void *self, size_t row) {
    const ps_samples *s = self;
    ps_sample_size size = size_of(s, row);
    return counts_at(s, &size) + foreground_count(s, &size) * sizeof(uint32_t);
}

static ps_status fill_block(void *self, size_t row, void *block) {
    ps_samples *s = self;
    ps_sample_size size = size_of(s, row);
    void *label = (char *)block + labels_at(s, &size), *count = (char *)block + counts_at(s, &size);
    return decode(s, row, block, label_count(s, &size) > 0 ? label : NULL, count);
}

static ps_status see_cached(const ps_samples *s, size_t row, ps_sample_view *view) {
    const void *block;
    PS_TRY(ps_cache_get(s->cache, row, &block));
    view->pixel = block;
    view->label = (const void *)((const char *)block + labels_at(s, &view->size));
    if (foreground_count(s, &view->size) > 0)
        view->foreground = (const void *)((const char *)block + counts_at(s, &view->size));
    return PS_OK;
}

static ps_status open_cache(ps_samples *s) {
    const ps_cache_maker maker = {s, block_size, fill_block};
    size_t most = s->options.most_bytes > 0 ? s->options.most_bytes : SIZE_MAX;
    return ps_cache_create(&maker, s->rows, most, AHEAD, &s->cache);
}

/* ---- from first to last ---- */

static void clear_workshops(ps_samples *s) {
    while (s->idle != NULL) {
        workshop *w = s->idle;
        s->idle = w->next;
        destroy_workshop(w);
    }
}

/* What is held needs its files no more, unless someone may ask for their names or what leads back to them; names of
 * classes stay. */
static void let_go(ps_samples *s) {
    const ps_source_functions *f = s->source.functions;
    clear_workshops(s);
    if (f->name != NULL || f->path != NULL || f->original != NULL || f->truth != NULL || f->restore != NULL) return;
    s->source.functions->close(&s->source);
    s->source.functions = NULL;
    s->source.state = NULL;
}

static size_t large_bytes(const ps_samples *s) {
    return s->options.large_bytes > 0 ? s->options.large_bytes : PS_LARGE_BYTES;
}

static ps_status open(ps_samples *s, const char *name) {
    PS_TRY(measure(s, name));
    size_t bytes = s->pixels * pixel_bytes(s) + s->labels * sizeof *s->label;
    s->large = bytes > large_bytes(s);
    s->held = !s->large && (s->options.most_bytes == 0 || bytes <= s->options.most_bytes);
    if (s->held) return hold(s);
    PS_TRY(open_cache(s));
    return s->large ? PS_OK : read_all(s, pass_row);
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
    pthread_mutex_init(&s->lock, NULL);
    status = open(s, name);
    if (status != PS_OK) ps_samples_destroy(s);
    else *out = s;
    return status;
}

ps_status ps_samples_close_files(ps_samples *s, ps_source *out, bool *bad[PS_SOURCE_PARTS]) {
    for (size_t i = 0; i < s->bad_count; i++) {
        ps_source_place at = s->options.choice.place[s->bad[i].row];
        PS_TRY(ps_source_leave_out(&s->source, ps_fail(s->bad[i].status, "%s", s->bad[i].sentence)));
        bad[at.part][at.index] = true;
    }
    *out = s->source;
    memset(&s->source, 0, sizeof s->source);
    return PS_OK;
}

size_t ps_samples_bad(const ps_samples *s) { return s->bad_count; }

void ps_samples_settle(ps_samples *s) {
    if (s->held) let_go(s);
}

void ps_samples_destroy(ps_samples *s) {
    if (s == NULL) return;
    ps_cache_destroy(s->cache);
    clear_workshops(s);
    ps_source_close(&s->source);
    for (size_t i = 0; i < s->bad_count; i++) free(s->bad[i].sentence);
    ps_free_array(s->bad);
    pthread_mutex_destroy(&s->lock);
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
bool ps_samples_are_large(const ps_samples *s) { return s->large; }

bool ps_samples_want_rows(const ps_samples *s, ps_split split, int index) {
    if (!s->large || s->source.functions->each_row == NULL) return false;
    size_t row = row_of(s, split, index);
    ps_sample_size stored = stored_size(s, row), size = size_of(s, row);
    size_t bytes = pixel_count(&stored) * pixel_bytes(s) + label_count(s, &stored) * sizeof *s->label;
    return same_size(&stored, &size) && bytes > large_bytes(s) / 16;
}

size_t ps_samples_mean_bytes(const ps_samples *s) {
    size_t bytes = s->pixels * pixel_bytes(s) + s->labels * sizeof *s->label;
    return s->rows > 0 ? bytes / s->rows : 0;
}

ps_sample_size ps_samples_common_size(const ps_samples *s) {
    ps_sample_size size = s->common;
    if (!s->differ) return size;
    return (ps_sample_size){.pixels = {1, size.pixels.c, 0, 0, 0}, .mask = {size.mask.n, size.mask.c, 0, 0, 0}};
}

ps_sample_size ps_samples_size(const ps_samples *s, ps_split split, int index) {
    return size_of(s, row_of(s, split, index));
}

ps_sample_size ps_samples_stored_size(const ps_samples *s, ps_split split, int index) {
    size_t row = row_of(s, split, index);
    return s->source.functions != NULL ? stored_size(s, row) : size_of(s, row);
}

ps_source_place ps_samples_place(const ps_samples *s, ps_split split, int index) {
    return s->options.choice.place[row_of(s, split, index)];
}

ps_status ps_samples_get(const ps_samples *s, ps_split split, int index, ps_sample_view *out) {
    size_t row = row_of(s, split, index);
    ps_sample_size size = size_of(s, row);
    *out = (ps_sample_view){.size = size, .labels = label_count(s, &size), .row = row};
    if (!s->held) return see_cached(s, row, out);
    see_held(s, row, out);
    return PS_OK;
}

void ps_samples_release(const ps_samples *s, const ps_sample_view *view) {
    if (!s->held) ps_cache_release(s->cache, view->row);
}

void ps_samples_forget(const ps_samples *s) {
    if (!s->held) ps_cache_forget(s->cache);
}

void ps_samples_expect(const ps_samples *s, ps_split split, const uint32_t *index, size_t count) {
    size_t rows[PS_CACHE_EXPECTED];
    if (s->held) return;
    if (count > PS_CACHE_EXPECTED) count = PS_CACHE_EXPECTED;
    for (size_t i = 0; i < count; i++) rows[i] = row_of(s, split, (int)index[i]);
    ps_cache_expect(s->cache, rows, count);
}

bool ps_samples_are_held(const ps_samples *s) { return s->held; }
