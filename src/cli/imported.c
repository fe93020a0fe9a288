#include "cli/imported.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/json.h"
#include "core/memory.h"
#include "core/text.h"
#include "trace/event_file.h"
#include "trace/trace_format.h"
#include "trace/trace_input.h"
#include "trace/trace_schema.h"

enum { MOST_TAGS = 10000, MOST_COLUMNS = 1000 };

const ps_imported_series *ps_imported_find(const ps_imported *log, const char *tag) {
    for (size_t i = 0; i < log->count; i++)
        if (strcmp(log->series[i].tag, tag) == 0) return &log->series[i];
    return NULL;
}

static ps_status take(void *self, const char *tag, int64_t step, double value) {
    ps_imported *log = self;
    size_t i = 0;
    if (step < 0 || (double)step > PS_TRACE_MOST_WHOLE)
        return ps_fail(PS_ERR_INPUT, "%s: \"%.60s\" has a value at step %lld, which is none", log->path, tag,
                       (long long)step);
    while (i < log->count && strcmp(log->series[i].tag, tag) != 0) i++;
    if (i == log->count) {
        if (log->count == MOST_TAGS)
            return ps_fail(PS_ERR_INPUT, "%s: holds more than %d tags; is it a log of scalars?", log->path, MOST_TAGS);
        PS_TRY(PS_GROW(&log->series, &log->capacity, log->count + 1, "tags"));
        log->series[log->count++] = (ps_imported_series){NULL, NULL, 0, 0};
        PS_TRY(ps_string_copy(tag, &log->series[i].tag));
        ps_text_make_showable(log->series[i].tag, false);
    }
    ps_imported_series *s = &log->series[i];
    PS_TRY(PS_GROW(&s->points, &s->capacity, s->count + 1, "values of a tag"));
    s->points[s->count] = (ps_imported_point){step, s->count, value};
    s->count++;
    return PS_OK;
}

/* ---- event files ---- */

static ps_status read_events(const char *path, ps_imported *log) {
    bool cut;
    PS_TRY(ps_event_file_read(path, take, log, &cut));
    if (cut) fprintf(stderr, "note: %s: its last record is cut off; all before it was read\n", path);
    return PS_OK;
}

static int is_event_file(const struct dirent *entry) { return strstr(entry->d_name, "tfevents") != NULL; }

static ps_status read_directory(const char *path, ps_imported *log) {
    struct dirent **entries;
    int count = scandir(path, &entries, is_event_file, alphasort);
    ps_status status = PS_OK;
    if (count < 0) return ps_fail(PS_ERR_IO, "%s: cannot be opened (%s)", path, strerror(errno));
    for (int i = 0; i < count; i++) {
        char *file = NULL;
        if (status == PS_OK) status = ps_file_join(path, entries[i]->d_name, &file);
        if (status == PS_OK) status = read_events(file, log);
        free(file);
        free(entries[i]);
    }
    free(entries);
    if (status == PS_OK && count == 0)
        return ps_fail(PS_ERR_INPUT,
                       "%s: holds no event files of TensorBoard (their names hold \"tfevents\"); give the "
                       "folder that does, or a .csv or .jsonl file",
                       path);
    return status;
}

/* ---- tables and JSON lines ---- */

static bool is_step(const char *name) {
    static const char *const names[] = {"step", "Step", "global_step", "iteration", "trainer/global_step"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(names[i], name) == 0) return true;
    return false;
}

/* Cuts a line into cells, in place; quotation marks around one are taken off. */
static int split(char *line, char **cells) {
    int count = 0;
    for (char *at = line; count < MOST_COLUMNS; at++) {
        char *to = at;
        bool quoted = *at == '"';
        cells[count++] = to;
        for (at += quoted; *at != '\0' && (quoted || *at != ','); at++) {
            if (quoted && *at == '"' && at[1] != '"') {
                quoted = false;
                continue;
            }
            at += quoted && *at == '"';
            *to++ = *at;
        }
        bool more = *at == ',';
        *to = '\0';
        if (!more) break;
    }
    return count;
}

static ps_status read_row(ps_imported *log, char *const *names, int columns, int step_column, char *line,
                          uint64_t number) {
    char *cells[MOST_COLUMNS], *end;
    int count = split(line, cells);
    if (count == 1 && cells[0][0] == '\0') return PS_OK;
    double step = step_column < count ? strtod(cells[step_column], &end) : NAN;
    if (!(step >= 0 && step <= PS_TRACE_MOST_WHOLE && step == floor(step)) || *end != '\0')
        return ps_fail(PS_ERR_INPUT, "%s:%llu: \"%.40s\" is no step, which is a whole number from 0 on", log->path,
                       (unsigned long long)number, step_column < count ? cells[step_column] : "");
    for (int c = 0; c < columns && c < count; c++) {
        double value = strtod(cells[c], &end);
        if (c == step_column || cells[c][0] == '\0' || end == cells[c] || *end != '\0') continue; /* no number */
        PS_TRY(take(log, names[c], (int64_t)step, value));
    }
    return PS_OK;
}

static void end_line(char *line, size_t *length) {
    while (*length > 0 && (line[*length - 1] == '\n' || line[*length - 1] == '\r')) (*length)--;
    line[*length] = '\0';
}

static ps_status read_table(ps_trace_input *input, ps_imported *log) {
    char *line, *head = NULL, *names[MOST_COLUMNS];
    size_t length;
    int columns = 0, step = 0;
    ps_status status = PS_OK;
    for (uint64_t number = 1; status == PS_OK; number++) {
        status = ps_trace_input_line(input, &line, &length);
        if (status != PS_OK || length == 0) break;
        end_line(line, &length);
        if (number > 1) {
            status = read_row(log, names, columns, step, line, number);
            continue;
        }
        status = ps_string_copy(ps_text_skip_mark(line), &head);
        if (status != PS_OK) break;
        columns = split(head, names);
        while (step < columns && !is_step(names[step])) step++;
        if (step == columns)
            status =
                ps_fail(PS_ERR_INPUT, "%s: its first line names no column \"step\" (or Step, global_step, iteration)",
                        log->path);
    }
    free(head);
    return status;
}

static ps_status read_object(ps_imported *log, const cJSON *object, uint64_t number) {
    const cJSON *item, *step = NULL;
    cJSON_ArrayForEach(item, object) if (step == NULL && is_step(item->string)) step = item;
    if (!ps_value_is_whole(step, 0, PS_TRACE_MOST_WHOLE))
        return ps_fail(PS_ERR_INPUT, "%s:%llu: has no \"step\" (or global_step, iteration), a whole number from 0 on",
                       log->path, (unsigned long long)number);
    cJSON_ArrayForEach(item, object) {
        if (item == step || !(cJSON_IsNumber(item) || ps_value_is_special(item))) continue;
        PS_TRY(take(log, item->string, (int64_t)step->valuedouble, ps_value_of(item)));
    }
    return PS_OK;
}

static ps_status read_lines(ps_trace_input *input, ps_imported *log) {
    char *line;
    size_t length;
    for (uint64_t number = 1;; number++) {
        cJSON *object = NULL;
        PS_TRY(ps_trace_input_line(input, &line, &length));
        if (length == 0) return PS_OK;
        end_line(line, &length);
        if (length == 0) continue;
        PS_TRY(ps_json_try(ps_text_skip_mark(line), &object));
        ps_status status = cJSON_IsObject(object) ? read_object(log, object, number)
                                                  : ps_fail(PS_ERR_INPUT, "%s:%llu: is no JSON object", log->path,
                                                            (unsigned long long)number);
        cJSON_Delete(object);
        PS_TRY(status);
    }
}

static bool ends_in(const char *path, const char *end) {
    size_t length = strlen(path), size = strlen(end);
    return length >= size && strcmp(path + length - size, end) == 0;
}

static ps_status read_text(const char *path, bool table, ps_imported *log) {
    ps_trace_input *input;
    PS_TRY(ps_trace_input_open(path, &input));
    ps_status status = table ? read_table(input, log) : read_lines(input, log);
    ps_trace_input_close(input);
    return status;
}

/* ---- the whole ---- */

static int by_step(const void *a, const void *b) {
    const ps_imported_point *x = a, *y = b;
    if (x->step != y->step) return x->step < y->step ? -1 : 1;
    return (x->order > y->order) - (x->order < y->order);
}

static void put_in_order(ps_imported_series *s) {
    size_t kept = 0;
    qsort(s->points, s->count, sizeof *s->points, by_step);
    for (size_t i = 0; i < s->count; i++) {
        if (kept > 0 && s->points[kept - 1].step == s->points[i].step) kept--;
        s->points[kept++] = s->points[i];
    }
    s->count = kept;
}

ps_status ps_imported_read(const char *path, ps_imported *out) {
    *out = (ps_imported){.path = path};
    if (ps_file_is_directory(path)) PS_TRY(read_directory(path, out));
    else if (ends_in(path, ".csv") || ends_in(path, ".csv.gz")) PS_TRY(read_text(path, true, out));
    else if (ends_in(path, ".jsonl") || ends_in(path, ".jsonl.gz")) PS_TRY(read_text(path, false, out));
    else PS_TRY(read_events(path, out));
    for (size_t i = 0; i < out->count; i++) put_in_order(&out->series[i]);
    if (out->count > 0) return PS_OK;
    return ps_fail(PS_ERR_INPUT, "%s: holds no scalars", path);
}

void ps_imported_clear(ps_imported *log) {
    for (size_t i = 0; i < log->count; i++) {
        free(log->series[i].tag);
        ps_free_array(log->series[i].points);
    }
    ps_free_array(log->series);
    *log = (ps_imported){NULL, NULL, 0, 0};
}
