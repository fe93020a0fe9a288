#include "trace/scalar_log.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/memory.h"
#include "core/text.h"
#include "trace/event_file.h"
#include "trace/trace_format.h"
#include "trace/trace_input.h"

enum { MOST_TAGS = 10000, LONGEST_TAG = 4500 };

const char *const ps_scalar_step_names[] = {"step", "Step", "trainer/global_step", "global_step", "_step", "iteration",
                                            "iter", NULL};

const ps_scalar_series *ps_scalar_log_find(const ps_scalar_log *log, const char *tag) {
    for (size_t i = 0; i < log->count; i++)
        if (log->series[i].count > 0 && strcmp(log->series[i].tag, tag) == 0) return &log->series[i];
    return NULL;
}

/* ---- values ---- */

/* Tags mostly come in the same order again and again. */
static ps_status find_or_add(ps_scalar_log *log, const char *tag, ps_scalar_series **found) {
    char shown[LONGEST_TAG];
    size_t i = log->guess;
    snprintf(shown, sizeof shown, "%s%s", log->folder != NULL ? log->folder : "", tag);
    ps_text_make_showable(shown, false);
    if (i >= log->count || strcmp(log->series[i].tag, shown) != 0)
        for (i = 0; i < log->count && strcmp(log->series[i].tag, shown) != 0;) i++;
    if (i == log->count) {
        if (log->count == MOST_TAGS)
            return ps_fail(PS_ERR_INPUT, "%s: holds more than %d tags; is it a log of scalars?", log->path, MOST_TAGS);
        PS_TRY(PS_GROW(&log->series, &log->capacity, log->count + 1, "tags"));
        log->series[log->count] = (ps_scalar_series){.part = log->part};
        PS_TRY(ps_string_copy(shown, &log->series[log->count].tag));
        log->count++;
    }
    log->guess = i + 1;
    *found = &log->series[i];
    return PS_OK;
}

static void drop_from(ps_scalar_series *s, int64_t step) {
    size_t kept = 0;
    for (size_t i = 0; i < s->count; i++)
        if (s->points[i].step < step) s->points[kept++] = s->points[i];
    s->replaced += s->count - kept;
    s->count = kept;
}

ps_status ps_scalar_log_take(void *self, const char *tag, int64_t step, double value) {
    ps_scalar_log *log = self;
    ps_scalar_series *s;
    if (step < 0 || (double)step > PS_TRACE_MOST_WHOLE)
        return ps_fail(PS_ERR_INPUT, "%s: \"%.60s\" has a value at step %lld, which is none", log->path, tag,
                       (long long)step);
    PS_TRY(find_or_add(log, tag, &s));
    if (s->part != log->part) drop_from(s, step);
    s->part = log->part;
    PS_TRY(PS_GROW(&s->points, &s->capacity, s->count + 1, "values of a tag"));
    s->points[s->count++] = (ps_scalar_point){step, log->taken++, value};
    return PS_OK;
}

ps_status ps_scalar_log_take_text(ps_scalar_log *log, const char *tag) {
    ps_scalar_series *s;
    PS_TRY(find_or_add(log, tag, &s));
    s->foreign++;
    return PS_OK;
}

ps_status ps_scalar_log_is_cut(ps_scalar_log *log, const char *path) {
    return log->cut == NULL ? ps_string_copy(path, &log->cut) : PS_OK;
}

static int by_step(const void *a, const void *b) {
    const ps_scalar_point *x = a, *y = b;
    if (x->step != y->step) return x->step < y->step ? -1 : 1;
    return (x->order > y->order) - (x->order < y->order);
}

static void put_in_order(ps_scalar_series *s) {
    size_t kept = 0;
    if (s->count > 0) qsort(s->points, s->count, sizeof *s->points, by_step);
    for (size_t i = 0; i < s->count; i++) {
        if (kept > 0 && s->points[kept - 1].step == s->points[i].step) kept--;
        s->points[kept++] = s->points[i];
    }
    s->replaced += s->count - kept;
    s->count = kept;
}

/* ---- event files, and folders of them ---- */

/* The end of a name, whatever it is packed with. */
static bool ends_in(const char *path, const char *end) {
    size_t length = strlen(path) - strlen(ps_packing_suffix(ps_packing_of_name(path))), size = strlen(end);
    return length >= size && strncmp(path + length - size, end, size) == 0;
}

static ps_status read_events(const char *path, ps_scalar_log *log) {
    bool cut;
    log->part++;
    PS_TRY(ps_event_file_read(path, ps_scalar_log_take, log, &cut));
    return cut ? ps_scalar_log_is_cut(log, path) : PS_OK;
}

static int is_event_file(const struct dirent *entry) { return strstr(entry->d_name, "tfevents") != NULL; }
static int is_visible(const struct dirent *entry) { return entry->d_name[0] != '.'; }

/* Numbers within names by their value: the tenth file of a process stands behind the ninth. */
static int by_name(const struct dirent **a, const struct dirent **b) {
    const char *x = (*a)->d_name, *y = (*b)->d_name;
    while (*x != '\0' && *y != '\0') {
        size_t p = strspn(x, "0123456789"), q = strspn(y, "0123456789");
        if (p > 0 && q > 0 && p != q && *x != '0' && *y != '0') return p < q ? -1 : 1;
        if (*x != *y) break;
        x++;
        y++;
    }
    return (unsigned char)*x - (unsigned char)*y;
}

typedef ps_status read_entry(const char *path, const char *name, ps_scalar_log *log, size_t *files);

static ps_status each_entry(const char *path, int (*wanted)(const struct dirent *), read_entry *read,
                            ps_scalar_log *log, size_t *files) {
    struct dirent **entries;
    int count = scandir(path, &entries, wanted, by_name);
    ps_status status = PS_OK;
    if (count < 0) return ps_fail(PS_ERR_IO, "%s: cannot be opened (%s)", path, strerror(errno));
    for (int i = 0; i < count; i++) {
        char *file = NULL;
        if (status == PS_OK) status = ps_file_join(path, entries[i]->d_name, &file);
        if (status == PS_OK) status = read(file, entries[i]->d_name, log, files);
        free(file);
        free(entries[i]);
    }
    free(entries);
    return status;
}

static ps_status read_one(const char *path, const char *name, ps_scalar_log *log, size_t *files) {
    (void)name;
    (*files)++;
    return read_events(path, log);
}

/* add_scalars of PyTorch and Keras write a folder for each curve. */
static ps_status read_folder(const char *path, const char *name, ps_scalar_log *log, size_t *files) {
    char folder[300];
    if (!ps_file_is_directory(path)) return PS_OK;
    snprintf(folder, sizeof folder, "%s/", name);
    log->folder = folder;
    ps_status status = each_entry(path, is_event_file, read_one, log, files);
    log->folder = NULL;
    return status;
}

/* What else lies in folders of logs, by its name. */
static ps_status read_named(const char *path, const char *name, ps_scalar_log *log, bool *there) {
    const char *given = log->path;
    char *file;
    PS_TRY(ps_file_join(path, name, &file));
    ps_status status = PS_OK;
    *there = ps_file_exists(file);
    log->path = file;
    if (*there) status = ends_in(name, ".csv") ? ps_scalar_table_read(file, log) : ps_scalar_json_read(file, true, log);
    log->path = given;
    free(file);
    return status;
}

static ps_status refuse_directory(const char *path) {
    char *trace;
    PS_TRY(ps_trace_find(path, &trace));
    bool run = ps_file_exists(trace);
    free(trace);
    if (run) return ps_fail(PS_ERR_USAGE, "%s: is a run of poolscope, whose trace needs no import", path);
    return ps_fail(PS_ERR_INPUT,
                   "%s: holds no event files of TensorBoard (their names hold \"tfevents\"), metrics.csv or "
                   "trainer_state.json; give the folder that does, or a .csv, .json or .jsonl file",
                   path);
}

/* The tables of `poolscope export`: the first one's columns are of the training. */
static ps_status read_exported(const char *path, ps_scalar_log *log, bool *there) {
    bool tested;
    log->folder = "train/";
    ps_status status = read_named(path, "steps.csv", log, there);
    log->folder = NULL;
    return status == PS_OK && *there ? read_named(path, "evals.csv", log, &tested) : status;
}

static ps_status read_directory(const char *path, ps_scalar_log *log) {
    static const char *const others[] = {"metrics.csv", "trainer_state.json"};
    size_t files = 0;
    bool exported;
    PS_TRY(read_exported(path, log, &exported));
    if (exported) return PS_OK;
    PS_TRY(each_entry(path, is_event_file, read_one, log, &files));
    PS_TRY(each_entry(path, is_visible, read_folder, log, &files));
    if (files > 0) return PS_OK;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        bool there;
        PS_TRY(read_named(path, others[i], log, &there));
        if (there) return PS_OK;
    }
    return refuse_directory(path);
}

/* ---- the whole ---- */

static ps_status read_any(const char *path, ps_scalar_log *log) {
    if (ps_file_is_directory(path)) return read_directory(path, log);
    if (ends_in(path, ".csv") || ends_in(path, ".tsv")) return ps_scalar_table_read(path, log);
    if (ends_in(path, ".jsonl") || ends_in(path, ".ndjson")) return ps_scalar_json_read(path, false, log);
    if (ends_in(path, ".json")) return ps_scalar_json_read(path, true, log);
    return read_events(path, log);
}

ps_status ps_scalar_log_read(const char *path, const char *step_name, ps_scalar_log *out) {
    *out = (ps_scalar_log){.path = path, .step_name = step_name};
    PS_TRY(read_any(path, out));
    size_t values = 0;
    for (size_t i = 0; i < out->count; i++) {
        put_in_order(&out->series[i]);
        values += out->series[i].count;
    }
    return values > 0 ? PS_OK : ps_fail(PS_ERR_INPUT, "%s: holds no scalars", path);
}

void ps_scalar_log_clear(ps_scalar_log *log) {
    for (size_t i = 0; i < log->count; i++) {
        free(log->series[i].tag);
        ps_free_array(log->series[i].points);
    }
    ps_free_array(log->series);
    free(log->cut);
    *log = (ps_scalar_log){.path = NULL};
}
