#include "analysis/export/export.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/json.h"
#include "core/memory.h"

/* ---- formats ---- */

static const struct {
    const char *name;
    ps_export_writer *write;
} formats[] = {
#define PS_EXPORT_FORMAT(name, summary) {#name, ps_export_write_##name},
#include "analysis/export/format_list.def"
#undef PS_EXPORT_FORMAT
};
enum { FORMATS = sizeof formats / sizeof *formats };

const char *ps_export_formats(void) {
    static const char all[] = ""
#define PS_EXPORT_FORMAT(name, summary) ", " #name
#include "analysis/export/format_list.def"
#undef PS_EXPORT_FORMAT
        ;
    return all + 2;
}

/* One name of the list, each once; *at behind it. */
static ps_status next_format(const char **at, bool *chosen) {
    size_t length = strcspn(*at, ",");
    int f = 0;
    while (f < FORMATS && (strlen(formats[f].name) != length || strncmp(formats[f].name, *at, length) != 0)) f++;
    if (f == FORMATS)
        return ps_fail(PS_ERR_USAGE, "--format: \"%.*s\" is none of %s", length > 40 ? 40 : (int)length, *at,
                       ps_export_formats());
    chosen[f] = true;
    *at += length;
    return PS_OK;
}

static ps_status choose_formats(const char *list, bool *chosen) {
    for (const char *at = list;; at++) {
        PS_TRY(next_format(&at, chosen));
        if (*at == '\0') return PS_OK;
    }
}

/* ---- files ---- */

ps_status ps_export_add(const ps_export *export, const char *member, FILE **stream) {
    char *path;
    PS_TRY(ps_file_join(export->directory, member, &path));
    ps_status status = PS_OK;
    if (!export->force && ps_file_exists(path))
        status = ps_fail(PS_ERR_USAGE, "%s: is there already; choose another --out, or replace it with --force", path);
    free(path);
    return status == PS_OK ? ps_file_set_add(export->set, member, stream) : status;
}

ps_status ps_export_leave_out(const ps_export *export, const char *member) {
    return ps_file_set_remove(export->set, member);
}

/* ---- the run ---- */

static ps_record_type record_of(const cJSON *item) {
    const char *word = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(item, PS_KEY(QUANTITY, record)));
    return word != NULL ? ps_record_find(word, strlen(word)) : PS_RECORD_UNKNOWN;
}

static const char *text_of(const cJSON *item, const char *key) {
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(item, key));
    return text != NULL ? text : "";
}

static ps_status list_quantities(ps_export *export) {
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(export->header->document, PS_KEY(HEADER, quantities)), *item;
    PS_TRY(PS_ALLOC((size_t)cJSON_GetArraySize(list), &export->quantities, "quantities"));
    cJSON_ArrayForEach(item, list) {
        ps_record_type record = record_of(item);
        if ((record != PS_RECORD_WINDOW && record != PS_RECORD_PROBE) || !ps_trace_header_tells(export->header, item))
            continue;
        export->quantities[export->quantity_count++] = (ps_export_quantity){
            text_of(item, PS_KEY(QUANTITY, name)), text_of(item, PS_KEY(QUANTITY, unit)),
            text_of(item, PS_KEY(QUANTITY, description)), record,
            strcmp(text_of(item, PS_KEY(QUANTITY, per)), ps_words_at(PS_WORDS_PER, PS_PER_NODE)) == 0};
    }
    return PS_OK;
}

/* ---- streaming ---- */

typedef struct {
    const ps_export *export;
    ps_trace_reader *reader;
    double *values; /* [quantities][widest layer] */
    const double **value;
    size_t widest;
} stream;

static int find_quantity(const ps_export *export, ps_record_type record, const char *name, size_t length, int guess) {
    for (int i = 0; i < export->quantity_count; i++) {
        int q = (guess + i) % export->quantity_count;
        const ps_export_quantity *known = &export->quantities[q];
        if (known->record == record && strlen(known->name) == length && strncmp(known->name, name, length) == 0)
            return q;
    }
    return -1;
}

static const char *read_value(const ps_export_quantity *quantity, const char *at, int channels, double *out) {
    size_t count;
    return quantity->per_node ? ps_scan_array(at, out, (size_t)channels, &count) : ps_scan_number(at, out);
}

static ps_status read_values(stream *s, const ps_trace_record *record) {
    const ps_export *export = s->export;
    const char *at = record->values, *key;
    size_t length;
    int guess = 0;
    bool done = at == NULL;
    for (int q = 0; q < export->quantity_count; q++) s->value[q] = NULL;
    for (bool first = true; !done && at != NULL; first = false) {
        at = ps_scan_key(first ? at + 1 : at, first, &key, &length, &done);
        if (done || at == NULL) break;
        int q = find_quantity(export, record->type, key, length, guess);
        if (q < 0) {
            at = ps_scan_skip(at);
            continue;
        }
        double *out = s->values + (size_t)q * s->widest;
        at = read_value(&export->quantities[q], at, export->header->layers[record->layer].channels, out);
        s->value[q] = out;
        guess = q + 1;
    }
    return at != NULL || record->values == NULL ? PS_OK
                                                : ps_fail(PS_ERR_INPUT, "%s:%llu: its values cannot be read",
                                                          export->header->path, (unsigned long long)record->line);
}

static ps_status stream_records(stream *s, const ps_export_visitor *visitor) {
    ps_trace_record record;
    bool more = true;
    while (ps_trace_reader_line(s->reader) < s->export->run->lines) {
        PS_TRY(ps_trace_reader_next(s->reader, &record, &more));
        if (!more) return PS_OK;
        if (record.type == PS_RECORD_WINDOW || record.type == PS_RECORD_PROBE) {
            if (visitor->layer == NULL || record.layer < 0) continue;
            PS_TRY(read_values(s, &record));
            PS_TRY(visitor->layer(visitor->context, &record, s->value));
        } else if (visitor->record != NULL) {
            PS_TRY(visitor->record(visitor->context, &record));
        }
    }
    return PS_OK;
}

ps_status ps_export_stream(const ps_export *export, const ps_export_visitor *visitor) {
    stream s = {.export = export, .widest = 1};
    size_t quantities = (size_t)export->quantity_count + 1;
    ps_status status = PS_OK;
    for (int l = 0; l < export->header->layer_count; l++)
        if ((size_t)export->header->layers[l].channels > s.widest)
            s.widest = (size_t)export->header->layers[l].channels;
    PS_TRY_CLEANUP(PS_ALLOC(quantities * s.widest, &s.values, "values of a record"));
    PS_TRY_CLEANUP(PS_ALLOC(quantities, &s.value, "values of a record"));
    PS_TRY_CLEANUP(ps_trace_reader_open(export->header->path, &s.reader));
    ps_trace_reader_trust(s.reader);
    PS_TRY_CLEANUP(stream_records(&s, visitor));
cleanup:
    ps_trace_reader_destroy(s.reader);
    ps_free(s.values);
    ps_free(s.value);
    return status;
}

/* ---- single records ---- */

ps_status ps_export_evaluation_read(const ps_trace_record *record, ps_export_evaluation *out) {
    cJSON *tree;
    PS_TRY(ps_json_try(record->text, &tree));
    const cJSON *batch = cJSON_GetObjectItemCaseSensitive(tree, PS_KEY(EVAL, loss_batch));
    out->loss = record->loss;
    out->loss_batch = batch == NULL || cJSON_IsNull(batch) ? ps_absent() : ps_value_of(batch);
    memcpy(out->measured, record->measured, sizeof out->measured);
    cJSON_Delete(tree);
    return PS_OK;
}

void ps_export_step_read(const ps_trace_record *record, double *out) {
#define PS_TRACE_QUANTITY(...)
#define PS_TRACE_STEP_QUANTITY(name, ...) out[PS_STEP_##name] = record->name;
#include "trace/quantity_list.def"
#undef PS_TRACE_STEP_QUANTITY
#undef PS_TRACE_QUANTITY
}

const char *ps_export_number(double value, char *buffer) {
    static const int digits[] = {9, 15, 17};
    if (ps_is_absent(value)) return "";
    if (isnan(value)) return "NaN";
    if (isinf(value)) return value > 0 ? "Inf" : "-Inf";
    for (int i = 0; i < 3; i++) {
        snprintf(buffer, 32, "%.*g", digits[i], value);
        if (i == 2 || strtod(buffer, NULL) == value) break;
    }
    return buffer;
}

/* ---- the whole ---- */

static ps_status write_formats(ps_export *export, const bool *chosen) {
    ps_status status = ps_file_set_begin(export->directory, "export", "run `poolscope export` again", &export->set);
    for (int f = 0; f < FORMATS && status == PS_OK; f++)
        if (chosen[f]) status = formats[f].write(export);
    if (status == PS_OK) status = ps_file_set_keep_others(export->set); /* those of other formats */
    if (status == PS_OK) return ps_file_set_commit(export->set);
    ps_file_set_discard(export->set);
    return status;
}

ps_status ps_export_run(const char *path, const ps_export_options *options, bool *cut) {
    ps_export export = {.directory = options->directory, .force = options->force, .units = options->units};
    bool chosen[FORMATS] = {false};
    ps_status status = PS_OK;
    PS_TRY(choose_formats(options->formats, chosen));
    PS_TRY(ps_run_open(path, "", &export.run));
    export.header = export.run->header;
    *cut = export.run->cut;
    PS_TRY_CLEANUP(list_quantities(&export));
    PS_TRY_CLEANUP(write_formats(&export, chosen));
cleanup:
    ps_free(export.quantities);
    ps_run_close(export.run);
    return status;
}
