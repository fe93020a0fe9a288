#include "data/survey.h"

#include <math.h>
#include <string.h>
#include <sys/stat.h>

#include "core/digest.h"
#include "core/memory.h"

/* A survey under way. */
typedef struct {
    const ps_samples *samples;
    const ps_survey_options *options;
    ps_survey *out;
    bool bytes;
    size_t channels;
    struct channel_sums *channel; /* [c] */
    size_t positions;
    bool around_mean; /* the second pass over floats */
    ps_digest digest;
    ps_census census;
} survey;

/* Of one channel. Bytes are counted, so their moments are exact; floats take two passes in double, or, of a large set,
 * one around the first value. */
typedef struct channel_sums {
    uint64_t byte_sum, byte_squares;
    double sum, squares, first;
    bool begun;
} channel_sums;

typedef ps_status visitor(survey *s, ps_split split, const ps_sample_view *view);

/* Samples that are looked at soon: those behind number i. */
static void expect(const survey *s, ps_split split, int i, int count) {
    enum { SOON = 16 };
    uint32_t next[SOON];
    size_t n = 0;
    for (; n < SOON && i + 1 + (int)n < count; n++) next[n] = (uint32_t)(i + 1 + (int)n);
    ps_samples_expect(s->samples, split, next, n);
}

static ps_status visit_split(survey *s, ps_split split, visitor *function) {
    int count = ps_samples_count(s->samples, split);
    for (int i = 0; i < count; i++) {
        ps_sample_view view;
        PS_TRY(ps_samples_get(s->samples, split, i, &view));
        expect(s, split, i, count);
        ps_status status = function(s, split, &view);
        ps_samples_release(s->samples, &view);
        PS_TRY(status);
    }
    return PS_OK;
}

/* ---- moments ---- */

static void add_bytes(channel_sums *sums, const uint8_t *pixel, size_t positions, size_t channels) {
    uint64_t sum = 0, squares = 0;
    for (size_t i = 0; i < positions; i++) {
        uint64_t value = pixel[i * channels];
        sum += value;
        squares += value * value;
    }
    sums->byte_sum += sum;
    sums->byte_squares += squares;
}

static void add_floats(channel_sums *sums, const float *pixel, size_t positions, size_t channels) {
    for (size_t i = 0; i < positions; i++) sums->sum += pixel[i * channels];
}

static void add_float_squares(channel_sums *sums, double mean, const float *pixel, size_t positions, size_t channels) {
    for (size_t i = 0; i < positions; i++) {
        double from_mean = pixel[i * channels] - mean;
        sums->squares += from_mean * from_mean;
    }
}

static ps_status add_to_moments(survey *s, ps_split split, const ps_sample_view *view) {
    size_t positions = ps_shape_positions(view->size.pixels);
    (void)split;
    for (size_t c = 0; c < s->channels; c++) {
        if (s->bytes) add_bytes(&s->channel[c], (const uint8_t *)view->pixel + c, positions, s->channels);
        else if (!s->around_mean) add_floats(&s->channel[c], (const float *)view->pixel + c, positions, s->channels);
        else add_float_squares(&s->channel[c], s->out->mean[c], (const float *)view->pixel + c, positions, s->channels);
    }
    if (!s->around_mean) s->positions += positions;
    return PS_OK;
}

static ps_status sum_up(survey *s) {
    PS_TRY(visit_split(s, PS_SPLIT_TRAIN, add_to_moments));
    double positions = (double)s->positions;
    for (size_t c = 0; c < s->channels; c++)
        s->out->mean[c] = (s->bytes ? (double)s->channel[c].byte_sum : s->channel[c].sum) / positions;
    s->around_mean = true;
    if (!s->bytes) PS_TRY(visit_split(s, PS_SPLIT_TRAIN, add_to_moments));
    for (size_t c = 0; c < s->channels; c++) {
        double mean = s->out->mean[c];
        s->out->deviation[c] = s->bytes ? sqrt(fmax(0.0, (double)s->channel[c].byte_squares / positions - mean * mean))
                                        : sqrt(s->channel[c].squares / positions);
    }
    return PS_OK;
}

/* ---- every sample in use ---- */

static void digest_size(ps_digest *digest, ps_shape size) {
    const int sides[3] = {size.d, size.h, size.w};
    for (int i = 0; i < 3; i++) ps_digest_u64(digest, (uint64_t)sides[i]);
}

static size_t pixel_bytes(const survey *s, const ps_sample_view *view) {
    return ps_shape_elements(view->size.pixels) * (s->bytes ? sizeof(uint8_t) : sizeof(float));
}

static ps_status digest_pixels(survey *s, ps_split split, const ps_sample_view *view) {
    if (ps_samples_differ(s->samples)) digest_size(&s->digest, view->size.pixels);
    ps_digest_bytes(&s->digest, view->pixel, pixel_bytes(s, view));
    ps_census_add_pixels(&s->census, split, view, ps_samples_source(s->samples)->type);
    return PS_OK;
}

/* What formats promise in source.h; a broken promise would be a wild read later. */
static ps_status count_labels(survey *s, ps_split split, const ps_sample_view *view) {
    uint64_t *count = s->out->label_count + (size_t)split * (size_t)s->options->classes;
    for (size_t i = 0; i < view->labels; i++) {
        int label = view->label[i];
        if (label < -1 || label >= s->options->classes)
            return ps_fail(PS_ERR_INTERNAL, "data \"%s\": the format gave label %d of %d classes", s->options->name,
                           label, s->options->classes);
        if (label >= 0) count[label]++;
    }
    ps_census_add_labels(&s->census, split, view);
    return PS_OK;
}

static ps_status digest_labels(survey *s, ps_split split, const ps_sample_view *view) {
    PS_TRY(count_labels(s, split, view));
    if (ps_samples_differ(s->samples)) digest_size(&s->digest, view->size.mask);
    ps_digest_bytes(&s->digest, view->label, view->labels * sizeof *view->label);
    return PS_OK;
}

static void digest_kind(survey *s) {
    ps_shape size = ps_samples_common_size(s->samples).pixels;
    const int shape[6] = {size.c, size.d, size.h, size.w, s->options->classes, ps_samples_source(s->samples)->type};
    for (int i = 0; i < 6; i++) ps_digest_u64(&s->digest, (uint64_t)shape[i]);
    if (s->options->raw) ps_digest_u64(&s->digest, 1); /* other numbers for the network */
    if (s->options->given[0] != '\0') ps_digest_text(&s->digest, s->options->given);
}

static ps_status look_at_all(survey *s) {
    PS_TRY(sum_up(s));
    digest_kind(s);
    for (int split = 0; split < PS_SPLITS; split++) {
        ps_digest_u64(&s->digest, (uint64_t)ps_samples_count(s->samples, (ps_split)split));
        PS_TRY(visit_split(s, (ps_split)split, digest_pixels));
        PS_TRY(visit_split(s, (ps_split)split, digest_labels));
    }
    ps_census_end(&s->census, s->out->mean, s->out->deviation, (int)s->channels);
    s->out->census = s->census.counts;
    return PS_OK;
}

/* ---- a large set ---- */

/* So much is decoded of the training samples, and an eighth of it of others, but at least and at most so many. */
static int looked_at(const survey *s, ps_split split) {
    enum { BYTES = 1 << 28, LEAST = 4, MOST = 512 };
    size_t bytes = ps_samples_mean_bytes(s->samples), all = (size_t)ps_samples_count(s->samples, split);
    size_t fit = (split == PS_SPLIT_TRAIN ? BYTES : BYTES / 8) / (bytes > 0 ? bytes : 1);
    size_t least = split == PS_SPLIT_TRAIN ? LEAST : 1, wanted = fit < least ? least : fit > MOST ? MOST : fit;
    return (int)(wanted < all ? wanted : all);
}

/* Samples evenly spread over the split: number i of `count`. */
static uint32_t spread(const survey *s, ps_split split, int i, int count) {
    return (uint32_t)((int64_t)i * ps_samples_count(s->samples, split) / count);
}

static void add_floats_once(channel_sums *sums, const float *pixel, size_t positions, size_t channels) {
    if (!sums->begun) sums->first = pixel[0];
    sums->begun = true;
    for (size_t i = 0; i < positions; i++) {
        double from_first = pixel[i * channels] - sums->first;
        sums->sum += from_first;
        sums->squares += from_first * from_first;
    }
}

static ps_status look(survey *s, ps_split split, const ps_sample_view *view) {
    size_t positions = ps_shape_positions(view->size.pixels);
    ps_digest_block(&s->digest, view->pixel, pixel_bytes(s, view));
    ps_digest_block(&s->digest, view->label, view->labels * sizeof *view->label);
    for (size_t c = 0; split == PS_SPLIT_TRAIN && c < s->channels; c++) {
        if (s->bytes) add_bytes(&s->channel[c], (const uint8_t *)view->pixel + c, positions, s->channels);
        else add_floats_once(&s->channel[c], (const float *)view->pixel + c, positions, s->channels);
    }
    if (split == PS_SPLIT_TRAIN) s->positions += positions;
    return count_labels(s, split, view);
}

/* ---- large samples of a large set ---- */

typedef struct {
    survey *s;
    ps_split split;
} row_look;

static ps_status look_at_pixels(void *context, const ps_source_row *row) {
    const row_look *look = context;
    survey *s = look->s;
    ps_digest_block(&s->digest, row->pixel, (size_t)row->count * sizeof *row->pixel);
    if (look->split != PS_SPLIT_TRAIN) return PS_OK;
    add_floats_once(&s->channel[row->channel], row->pixel, (size_t)row->count, 1);
    if (row->channel == 0) s->positions += (size_t)row->count;
    return PS_OK;
}

static ps_status look_at_labels(void *context, const ps_source_row *row) {
    const row_look *look = context;
    ps_sample_view view = {.label = row->label, .labels = (size_t)row->count};
    ps_digest_block(&look->s->digest, row->label, view.labels * sizeof *row->label);
    return count_labels(look->s, look->split, &view);
}

/* Row by row, in the order of its files: it is never held. */
static ps_status look_by_rows(survey *s, ps_split split, int index) {
    row_look look = {s, split};
    const ps_source *source = ps_samples_source(s->samples);
    ps_source_place at = ps_samples_place(s->samples, split, index);
    PS_TRY(ps_source_each_row(source, at.part, at.index, PS_ROWS_OF_PIXELS, look_at_pixels, &look));
    return ps_source_each_row(source, at.part, at.index, PS_ROWS_OF_LABELS, look_at_labels, &look);
}

static ps_status look_at_sample(survey *s, ps_split split, int index) {
    ps_sample_view view;
    if (ps_samples_want_rows(s->samples, split, index)) return look_by_rows(s, split, index);
    PS_TRY(ps_samples_get(s->samples, split, index, &view));
    ps_status status = look(s, split, &view);
    ps_samples_release(s->samples, &view);
    ps_samples_forget(s->samples); /* opening takes no memory but for one */
    return status;
}

static void end_moments(survey *s) {
    double positions = (double)s->positions;
    for (size_t c = 0; c < s->channels; c++) {
        const channel_sums *sums = &s->channel[c];
        double mean = (s->bytes ? (double)sums->byte_sum : sums->sum) / positions;
        double squares = (s->bytes ? (double)sums->byte_squares : sums->squares) / positions;
        s->out->mean[c] = (s->bytes ? 0 : sums->first) + mean;
        s->out->deviation[c] = sqrt(fmax(0.0, squares - mean * mean));
    }
}

/* By its name, the length of its file (0: none), and its size here. */
static void digest_header(survey *s, ps_split split, int index) {
    const ps_source *source = ps_samples_source(s->samples);
    const ps_source_functions *f = source->functions;
    ps_source_place at = ps_samples_place(s->samples, split, index);
    ps_sample_size size = ps_samples_size(s->samples, split, index);
    const char *name = f->name != NULL ? f->name(source, at.part, at.index) : NULL;
    const char *path = f->path != NULL ? f->path(source, at.part, at.index) : NULL;
    struct stat file = {0};
    if (path != NULL && stat(path, &file) != 0) file.st_size = 0;
    ps_digest_u64(&s->digest, (uint64_t)at.part);
    ps_digest_u64(&s->digest, (uint64_t)at.index);
    ps_digest_text(&s->digest, name != NULL ? name : "");
    ps_digest_u64(&s->digest, (uint64_t)file.st_size);
    digest_size(&s->digest, size.pixels);
    digest_size(&s->digest, size.mask);
}

static ps_status look_at_some(survey *s) {
    digest_kind(s);
    for (int split = 0; split < PS_SPLITS; split++) {
        int count = ps_samples_count(s->samples, (ps_split)split), some = looked_at(s, (ps_split)split);
        ps_digest_u64(&s->digest, (uint64_t)count);
        for (int i = 0; i < count; i++) digest_header(s, (ps_split)split, i);
        for (int i = 0; i < some; i++)
            PS_TRY(look_at_sample(s, (ps_split)split, (int)spread(s, (ps_split)split, i, some)));
        if (split == PS_SPLIT_TRAIN) s->out->looked_at = some;
    }
    end_moments(s);
    s->out->census = s->census.counts;
    s->out->census.constant = s->out->census.identical = 0;
    return PS_OK;
}

/* ---- the whole ---- */

static ps_status run(survey *s) {
    PS_TRY(PS_ALLOC(s->channels, &s->out->mean, "data set"));
    PS_TRY(PS_ALLOC(s->channels, &s->out->deviation, "data set"));
    PS_TRY(PS_ALLOC((size_t)PS_SPLITS * (size_t)s->options->classes, &s->out->label_count, "data set"));
    PS_TRY(PS_ALLOC(s->channels, &s->channel, "data set"));
    PS_TRY(ps_census_init(&s->census, ps_samples_count(s->samples, PS_SPLIT_TRAIN), (int)s->channels));
    PS_TRY(ps_samples_are_large(s->samples) ? look_at_some(s) : look_at_all(s));
    ps_digest_hex(&s->digest, s->out->digest);
    return PS_OK;
}

ps_status ps_survey_run(const ps_samples *samples, const ps_survey_options *options, ps_survey *out) {
    survey s = {.samples = samples,
                .options = options,
                .out = out,
                .bytes = ps_samples_source(samples)->type == PS_PIXEL_BYTE,
                .channels = (size_t)ps_samples_common_size(samples).pixels.c,
                .digest = ps_digest_start()};
    *out = (ps_survey){0};
    ps_status status = run(&s);
    ps_free(s.channel);
    ps_census_clear(&s.census);
    return status;
}

void ps_survey_clear(ps_survey *found) {
    ps_free(found->mean);
    ps_free(found->deviation);
    ps_free(found->label_count);
    *found = (ps_survey){0};
}
