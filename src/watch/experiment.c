#include "watch/experiment.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/memory.h"
#include "core/text.h"

enum { ARM_WIDTH = 20, LONGEST_LINE = 512, HEAD_ROWS = 2 };

bool ps_watch_is_experiment(const char *directory) {
    char *runs = NULL;
    bool is = ps_file_join(directory, "runs", &runs) == PS_OK && ps_file_is_directory(runs);
    free(runs);
    return is;
}

/* ---- which runs there are ---- */

static const ps_watch_run *find(const ps_watch_experiment *e, const char *arm, int seed) {
    for (int i = 0; i < e->count; i++)
        if (e->runs[i].seed == seed && strcmp(e->runs[i].arm, arm) == 0) return &e->runs[i];
    return NULL;
}

/* Runs that others start from go first, then the arm the others are compared with. */
static int rank_of(const char *arm) { return strcmp(arm, "parent") == 0 ? 0 : strcmp(arm, "baseline") == 0 ? 1 : 2; }

static int by_place(const void *a, const void *b) {
    const ps_watch_run *x = a, *y = b;
    int order = rank_of(x->arm) - rank_of(y->arm);
    if (order == 0) order = strcmp(x->arm, y->arm);
    return order != 0 ? order : (x->seed > y->seed) - (x->seed < y->seed);
}

static ps_status add_run(ps_watch_experiment *e, const char *arm, int seed) {
    if (find(e, arm, seed) != NULL) return PS_OK;
    PS_TRY(PS_GROW(&e->runs, &e->capacity, (size_t)e->count + 1, "runs"));
    ps_watch_run *run = &e->runs[e->count++];
    *run = (ps_watch_run){.seed = seed};
    PS_TRY(ps_string_copy(arm, &run->arm));
    return ps_string_format(&run->directory, "%s/runs/%s/seed-%d", e->directory, arm, seed);
}

static ps_status find_seeds(ps_watch_experiment *e, const char *runs, const char *arm) {
    char *path = NULL;
    ps_status status = PS_OK;
    PS_TRY(ps_file_join(runs, arm, &path));
    DIR *folder = opendir(path);
    free(path);
    for (const struct dirent *entry; folder != NULL && status == PS_OK && (entry = readdir(folder)) != NULL;) {
        char *end;
        if (strncmp(entry->d_name, "seed-", 5) != 0) continue;
        long seed = strtol(entry->d_name + 5, &end, 10);
        if (end != entry->d_name + 5 && *end == '\0' && seed >= 0 && seed <= 2147483647L)
            status = add_run(e, arm, (int)seed);
    }
    if (folder != NULL) closedir(folder);
    return status;
}

static ps_status find_runs(ps_watch_experiment *e) {
    char *runs = NULL;
    int before = e->count;
    ps_status status = PS_OK;
    PS_TRY(ps_file_join(e->directory, "runs", &runs));
    DIR *folder = opendir(runs);
    if (folder == NULL)
        status =
            ps_fail(PS_ERR_IO, "%s: cannot be opened (%s); give the directory of an experiment", runs, strerror(errno));
    for (const struct dirent *entry; status == PS_OK && (entry = readdir(folder)) != NULL;)
        if (entry->d_name[0] != '.') status = find_seeds(e, runs, entry->d_name);
    if (folder != NULL) closedir(folder);
    free(runs);
    if (e->count > before) qsort(e->runs, (size_t)e->count, sizeof *e->runs, by_place);
    return status;
}

ps_status ps_watch_experiment_open(ps_watch_experiment *experiment, const char *directory) {
    *experiment = (ps_watch_experiment){0};
    PS_TRY(ps_string_copy(directory, &experiment->directory));
    return find_runs(experiment);
}

void ps_watch_experiment_clear(ps_watch_experiment *experiment) {
    for (int i = 0; i < experiment->count; i++) {
        ps_watch_run *run = &experiment->runs[i];
        free(run->arm);
        free(run->directory);
        ps_follow_close(&run->follow);
        ps_watch_model_clear(&run->model);
    }
    ps_free_array(experiment->runs);
    free(experiment->directory);
    *experiment = (ps_watch_experiment){0};
}

/* ---- what they say ---- */

static ps_status read_lines(ps_watch_run *run, bool *changed) {
    bool restarted;
    char *line;
    PS_TRY(ps_follow_check(&run->follow, &restarted));
    if (restarted) ps_watch_model_clear(&run->model);
    *changed |= restarted;
    for (;;) {
        PS_TRY(ps_follow_line(&run->follow, &line));
        if (line == NULL) return PS_OK;
        if (line[0] == '\0') continue;
        *changed = true;
        PS_TRY(ps_watch_model_take(&run->model, line));
    }
}

static ps_status read_run(ps_watch_run *run, bool *changed) {
    if (run->model.status != NULL) return PS_OK; /* it has ended */
    if (!run->open) {
        char *trace;
        PS_TRY(ps_trace_find(run->directory, &trace));
        bool begun = ps_file_exists(trace);
        ps_status status = begun ? ps_follow_open(&run->follow, trace) : PS_OK;
        free(trace);
        if (status != PS_OK || !begun) return status;
    }
    run->open = true;
    PS_TRY(read_lines(run, changed));
    if (run->model.status == NULL) return PS_OK;
    ps_follow_close(&run->follow); /* experiments may have more runs than a process may have files */
    run->open = false;
    return PS_OK;
}

ps_status ps_watch_experiment_read(ps_watch_experiment *experiment, bool *changed) {
    int before = experiment->count;
    PS_TRY(find_runs(experiment));
    *changed = experiment->count > before;
    for (int i = 0; i < experiment->count; i++) PS_TRY(read_run(&experiment->runs[i], changed));
    return PS_OK;
}

/* ---- drawing ---- */

static const char *state_of(const ps_watch_run *run) {
    if (run->model.status != NULL) return run->model.status;
    return run->model.has_header ? "no end yet" : "no trace yet";
}

static void format_number(double value, double factor, const char *format, char *text, size_t size) {
    if (isnan(value)) snprintf(text, size, "-");
    else if (isinf(value)) snprintf(text, size, "%sInfinity", value < 0 ? "-" : "");
    else snprintf(text, size, format, factor * value);
}

static void format_run(const ps_watch_run *run, char *line, size_t size) {
    const ps_watch_model *m = &run->model;
    char steps[48] = "-", broken[48] = "", loss[32], measured[32], dead[32], name[4 * ARM_WIDTH + 1] = "";
    FILE *memory = fmemopen(name, sizeof name, "w");
    if (memory != NULL) {
        for (int column = ps_text_put(memory, run->arm, ARM_WIDTH); column < ARM_WIDTH; column++) fputc(' ', memory);
        fclose(memory);
    }
    if (m->has_header && m->steps > 0) snprintf(steps, sizeof steps, "%.0f/%.0f", m->step, m->steps);
    else if (m->has_header) snprintf(steps, sizeof steps, "%.0f", m->step);
    format_number(ps_series_last(&m->loss), 1, "%.4g", loss, sizeof loss);
    bool share = ps_trace_measure_is_share(&m->task.measure[0]);
    format_number(ps_series_last(&m->measure), share ? 100 : 1, share ? "%.1f %%" : "%.4g", measured, sizeof measured);
    format_number(ps_series_last(&m->dead_share), 100, "%.1f %%", dead, sizeof dead);
    if (m->broken > 0)
        snprintf(broken, sizeof broken, "  %llu LINE%s BROKEN", (unsigned long long)m->broken,
                 m->broken > 1 ? "S" : "");
    snprintf(line, size, "%s %6d  %-12s %13s %9s %9s %8s%s%s", name, run->seed, state_of(run), steps, loss, measured,
             dead, m->nonfinite > 0 ? "  NON-FINITE VALUES" : "", broken);
}

static void put(FILE *stream, const char *line, int width) {
    ps_text_put(stream, line, width);
    fputc('\n', stream);
}

/* What the runs are trained for: as the first of them that has begun says. */
static const char *measure_of(const ps_watch_experiment *e, char *title) {
    for (int i = 0; i < e->count; i++)
        if (e->runs[i].model.has_header) return ps_trace_measure_title(&e->runs[i].model.task.measure[0], title);
    return "measure";
}

static void put_head(FILE *stream, const ps_watch_experiment *e, const ps_watch_view *view) {
    char line[LONGEST_LINE], title[PS_TRACE_TASK_TEXT];
    int ended = 0;
    for (int i = 0; i < e->count; i++) ended += e->runs[i].model.status != NULL;
    snprintf(line, sizeof line, "poolscope watch  %s  %d of the %d runs begun so far have ended%s", view->path, ended,
             e->count, view->paused ? "  paused (the runs go on)" : "");
    put(stream, line, view->width);
    snprintf(line, sizeof line, "%-*s %6s  %-12s %13s %9s %9s %8s", ARM_WIDTH, "arm", "seed", "state", "steps", "loss",
             measure_of(e, title), "dead");
    put(stream, line, view->width);
}

static void put_help(FILE *stream, const ps_watch_view *view) {
    static const char *const lines[] = {"keys",
                                        "  q, Ctrl-C       quit",
                                        "  p               pause and go on (runs are not touched)",
                                        "  down, j / up, k next or previous runs; page keys: a screenful",
                                        "  h, ?            this help",
                                        "",
                                        "One run in full: poolscope watch DIR/runs/ARM/seed-N"};
    for (int i = 0; i < (int)(sizeof lines / sizeof *lines) && (view->height == 0 || i < view->height - 1); i++)
        put(stream, lines[i], view->width);
}

ps_status ps_watch_experiment_draw(FILE *stream, const ps_watch_experiment *experiment, ps_watch_view *view) {
    int rows = view->height > 0 ? view->height - HEAD_ROWS - 1 : experiment->count;
    if (view->help) {
        put_help(stream, view);
    } else {
        if (rows < 1) rows = 1;
        if (view->scroll > experiment->count - rows) view->scroll = experiment->count - rows;
        if (view->scroll < 0) view->scroll = 0;
        if (view->height == 0 || view->height > HEAD_ROWS) put_head(stream, experiment, view);
        for (int i = view->scroll; i < experiment->count && i < view->scroll + rows && view->height != 1; i++) {
            char line[LONGEST_LINE];
            format_run(&experiment->runs[i], line, sizeof line);
            put(stream, line, view->width);
        }
    }
    if (view->height > 0)
        ps_text_put(stream, view->help ? "q quit  h back" : "q quit  p pause  up/down scroll  h help", view->width);
    return PS_OK;
}
