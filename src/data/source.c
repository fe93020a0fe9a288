/* Sources by their names: which format, and what it is told. */
#include "data/source.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "core/text.h"

typedef struct {
    const char *name, *argument, *help;
    bool background;
    ps_source_open_function *open;
} format;

#define PS_FORMAT(name, argument, background, open, help) {#name, argument, help, background, open},
static const format formats[] = {
#include "data/dataset_list.def"
};
#undef PS_FORMAT
enum { FORMATS = sizeof formats / sizeof formats[0] };

static void list_formats(char *text, size_t size) {
    size_t used = 0;
    text[0] = '\0';
    for (int i = 0; i < FORMATS && used < size; i++) {
        const format *f = &formats[i];
        used += (size_t)snprintf(text + used, size - used, "%s%s%s%s", i ? ", " : "", f->name,
                                 f->argument[0] ? ":" : "", f->argument);
    }
}

static ps_status find_format(const char *source, const format **out) {
    size_t length = strcspn(source, ":");
    char known[512], word[64];
    const format *nearest = &formats[0];
    snprintf(word, sizeof word, "%.*s", (int)(length < sizeof word ? length : sizeof word - 1), source);
    for (int i = 0; i < FORMATS; i++) {
        if (strcmp(formats[i].name, word) == 0) {
            *out = &formats[i];
            return PS_OK;
        }
        if (ps_text_distance(word, formats[i].name) < ps_text_distance(word, nearest->name)) nearest = &formats[i];
    }
    list_formats(known, sizeof known);
    if (ps_text_distance(word, nearest->name) <= 2)
        return ps_fail(PS_ERR_USAGE, "data \"%s\": no format \"%s\"; did you mean %s? Known are %s", source, word,
                       nearest->name, known);
    return ps_fail(PS_ERR_USAGE, "data \"%s\": no format \"%s\"; write FORMAT:DIR, one of %s", source, word, known);
}

static ps_status split_source(const char *source, const format **found, const char **argument) {
    PS_TRY(find_format(source, found));
    const char *colon = strchr(source, ':');
    *argument = colon != NULL && colon[1] != '\0' ? colon + 1 : NULL;
    bool wants = (*found)->argument[0] != '\0';
    if (wants && *argument == NULL)
        return ps_fail(PS_ERR_USAGE, "data \"%s\": say where the files are, as %s:%s", source, (*found)->name,
                       (*found)->argument);
    if (!wants && *argument != NULL)
        return ps_fail(PS_ERR_USAGE, "data \"%s\": %s takes no argument; write just %s", source, (*found)->name,
                       (*found)->name);
    return PS_OK;
}

ps_status ps_source_open(const char *name, const ps_dataset_options *options, ps_source *out) {
    const format *found = NULL;
    const char *argument = NULL;
    memset(out, 0, sizeof *out);
    PS_TRY(split_source(name, &found, &argument));
    return found->open(argument, options, out);
}

bool ps_source_has_background(const char *name) {
    size_t length = strcspn(name, ":");
    for (int i = 0; i < FORMATS; i++)
        if (strlen(formats[i].name) == length && strncmp(formats[i].name, name, length) == 0)
            return formats[i].background;
    return false;
}

/* ---- rows ---- */

typedef struct {
    float *pixel, *row;
    int16_t *label;
} decoded;

static ps_status walk_labels(const decoded *from, ps_shape mask, ps_source_row_taker *take, void *context) {
    int64_t rows = (int64_t)mask.d * mask.h;
    for (int64_t i = 0; i < rows; i++) {
        ps_source_row row = {.first = i * mask.w, .step = 1, .count = mask.w, .label = from->label + i * mask.w};
        PS_TRY(take(context, &row));
    }
    return PS_OK;
}

static ps_status walk_pixels(const decoded *from, ps_shape shape, ps_source_row_taker *take, void *context) {
    int64_t rows = (int64_t)shape.d * shape.h;
    for (int c = 0; c < shape.c; c++) {
        for (int64_t i = 0; i < rows; i++) {
            ps_source_row row = {i * shape.w, 1, shape.w, c, from->row, NULL};
            for (int64_t x = 0; x < shape.w; x++) from->row[x] = from->pixel[(row.first + x) * shape.c + c];
            PS_TRY(take(context, &row));
        }
    }
    return PS_OK;
}

static ps_status walk_decoded(const ps_source *source, ps_source_part part, int index, ps_source_rows what,
                              ps_source_row_taker *take, void *context) {
    decoded from = {NULL, NULL, NULL};
    ps_sample_size size;
    source->functions->size(source, part, index, &size);
    ps_status status = PS_ALLOC(ps_shape_elements(size.pixels), &from.pixel, "a sample");
    if (status == PS_OK) status = PS_ALLOC((size_t)size.pixels.w, &from.row, "a row");
    if (status == PS_OK) status = PS_ALLOC(ps_shape_positions(size.mask), &from.label, "a label map");
    if (status == PS_OK) status = source->functions->decode(source, part, index, from.pixel, from.label);
    if (status == PS_OK && what == PS_ROWS_OF_LABELS) status = walk_labels(&from, size.mask, take, context);
    if (status == PS_OK && what == PS_ROWS_OF_PIXELS) status = walk_pixels(&from, size.pixels, take, context);
    ps_free(from.pixel);
    ps_free(from.row);
    ps_free(from.label);
    return status;
}

ps_status ps_source_each_row(const ps_source *source, ps_source_part part, int index, ps_source_rows what,
                             ps_source_row_taker *take, void *context) {
    if (source->functions->each_row == NULL) return walk_decoded(source, part, index, what, take, context);
    return source->functions->each_row(source, part, index, what, take, context);
}

/* ---- what cannot be read ---- */

ps_status ps_source_leave_out(ps_source *source, ps_status status) {
    if (status != PS_ERR_INPUT && status != PS_ERR_IO) return status;
    char *sentence = NULL;
    PS_TRY(ps_string_copy(ps_status_message(), &sentence));
    status = PS_GROW(&source->bad, &source->bad_room, source->bad_count + 1, "samples that are left out");
    if (status == PS_OK) source->bad[source->bad_count++] = sentence;
    else free(sentence);
    return status;
}

ps_status ps_source_check_bad(const ps_source *source, const char *name, bool skip) {
    enum { READ_AT_ONCE = 360 /* characters; one sample is named whatever it takes */ };
    char all[800] = "";
    size_t used = 0, shown = 0;
    if (skip || source->bad_count == 0) return PS_OK;
    if (source->bad_count == 1) return ps_fail(PS_ERR_INPUT, "%s (or leave it out with --skip-bad)", source->bad[0]);
    for (; shown < source->bad_count && used < sizeof all; shown++) {
        if (shown > 0 && used + strlen(source->bad[shown]) > READ_AT_ONCE) break;
        used += (size_t)snprintf(all + used, sizeof all - used, "%s%s", shown > 0 ? " | " : "", source->bad[shown]);
    }
    return ps_fail(PS_ERR_INPUT, "%s: %zu samples cannot be read%s: %s; mend them, or leave them out with --skip-bad",
                   name, source->bad_count,
                   shown == source->bad_count ? ""
                   : shown == 1               ? ", of which the first is"
                                              : ", of which the first are",
                   all);
}

void ps_source_close(ps_source *source) {
    if (source->functions != NULL) source->functions->close(source);
    ps_free(source->class_names);
    for (size_t i = 0; i < source->bad_count; i++) free(source->bad[i]);
    ps_free_array(source->bad);
    ps_free(source->channel_names);
    memset(source, 0, sizeof *source);
}
