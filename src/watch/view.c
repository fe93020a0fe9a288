#include "watch/view.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "core/text.h"
#include "trace/dead_shares.h"

enum { NAME_WIDTH = 24, CHANGES_SHOWN = 5, FIXED_ROWS = 8 };

typedef struct {
    FILE *stream;
    const ps_watch_model *model;
    ps_watch_view *view;
    int row;
} painter;

/* ---- text ---- */

/* The last row belongs to the keys: nobody must be left without the way out. */
static bool has_room(const painter *p) { return p->view->height == 0 || p->row < p->view->height - 1; }

static void __attribute__((format(printf, 2, 3))) put_line(painter *p, const char *format, ...) {
    char *line = NULL;
    va_list arguments;
    if (!has_room(p)) return;
    va_start(arguments, format);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    line = length >= 0 ? malloc((size_t)length + 1) : NULL;
    if (line == NULL) return;
    va_start(arguments, format);
    vsnprintf(line, (size_t)length + 1, format, arguments);
    va_end(arguments);
    ps_text_put(p->stream, line, p->view->width);
    free(line);
    p->row++;
    fputc('\n', p->stream);
}

static void put_keys(painter *p, const char *keys) {
    if (p->view->height > 0) ps_text_put(p->stream, keys, p->view->width);
}

/* ---- sparklines ---- */

static const char *const blocks[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
static const char *const letters[] = {"_", ".", ":", "-", "=", "+", "*", "#"};
enum { LEVELS = sizeof blocks / sizeof *blocks, MOST_COLUMNS = 200, SPARK_BYTES = 4 * MOST_COLUMNS + 1 };
_Static_assert((int)(sizeof letters / sizeof *letters) == (int)LEVELS, "a letter for every block");

static double mean_between(const ps_series *series, size_t begin, size_t end) {
    double sum = 0;
    for (size_t i = begin; i < end; i++) sum += series->values[i];
    return sum / (double)(end - begin);
}

/* Columns are means of equal stretches, between the smallest and largest of them (`from_zero`: between 0 and the
 * largest); "!" stands for what is not finite. */
static void draw_spark(const painter *p, const ps_series *series, int width, bool from_zero, char *text) {
    double columns[MOST_COLUMNS], low = from_zero ? 0 : INFINITY, high = from_zero ? 0 : -INFINITY;
    size_t count = series->count < (size_t)width ? series->count : (size_t)width;
    if (count > MOST_COLUMNS) count = MOST_COLUMNS;
    for (size_t i = 0; i < count; i++) {
        columns[i] = mean_between(series, i * series->count / count, (i + 1) * series->count / count);
        if (!isfinite(columns[i])) continue;
        low = fmin(low, columns[i]);
        high = fmax(high, columns[i]);
    }
    text[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        int level = high > low ? (int)lround((columns[i] - low) / (high - low) * (LEVELS - 1)) : 0;
        strcat(text, !isfinite(columns[i]) ? "!" : p->view->ascii ? letters[level] : blocks[level]);
    }
}

/* Fills up to the width in columns, as printf counts bytes. */
static void pad_spark(char *text, int width) {
    int columns = 0;
    for (const char *p = text; *p != '\0'; p++) columns += ((unsigned char)*p & 0xC0) != 0x80;
    size_t length = strlen(text);
    for (; columns < width && length + 1 < SPARK_BYTES; columns++) text[length++] = ' ';
    text[length] = '\0';
}

/* ---- parts ---- */

static const char *format_share(double share, char *text, size_t size) {
    if (isnan(share)) snprintf(text, size, "-");
    else snprintf(text, size, "%.1f %%", 100 * share);
    return text;
}

static const char *format_value(double value, char *text, size_t size) {
    if (isnan(value)) snprintf(text, size, "-");
    else {
        char number[32];
        snprintf(text, size, "%s", ps_text_number(value, 4, number));
    }
    return text;
}

static const char *format_whole(double value, char *text, size_t size) {
    if (isnan(value)) snprintf(text, size, "-");
    else snprintf(text, size, "%.0f", value);
    return text;
}

/* "12 of 80 (15 %)"; of a trace that does not say how many there will be, "12". */
static const char *format_steps(const ps_watch_model *m, char *text, size_t size) {
    if (m->steps > 0) snprintf(text, size, "%.0f of %.0f (%.0f %%)", m->step, m->steps, 100 * m->step / m->steps);
    else snprintf(text, size, "%.0f", m->step);
    return text;
}

static void put_title(painter *p) {
    put_line(p, "poolscope watch  %s%s", p->view->gone ? "THE FILE IS GONE  " : "", p->view->path);
}

static void put_head(painter *p) {
    const ps_watch_model *m = p->model;
    char rate[32], seed[32], steps[96];
    const char *state = m->status != NULL ? m->status : p->view->paused ? "paused (the run goes on)" : "no end yet";
    put_title(p);
    put_line(p, "%s%s%s  seed %s  step %s  %s%s  %s %s/s", m->model, m->arm[0] != '\0' ? "  arm " : "", m->arm,
             format_whole(m->seed, seed, sizeof seed), format_steps(m, steps, sizeof steps), state,
             m->nonfinite > 0 ? "  NON-FINITE VALUES" : "", format_value(m->images_per_second, rate, sizeof rate),
             m->volumes ? "volumes" : "images");
}

/* Numbers of a trace that breaks its format may be wrong, and nobody must take them for sound. */
static void put_broken(painter *p) {
    const ps_watch_model *m = p->model;
    if (m->broken == 0) return;
    put_line(p, "%llu %s the trace format; poolscope validate lists them. First, line %llu: %s",
             (unsigned long long)m->broken, m->broken == 1 ? "LINE BREAKS" : "LINES BREAK",
             (unsigned long long)m->first_broken, m->first_fault != NULL ? m->first_fault : "?");
}

static void put_series(painter *p, const char *title, const ps_series *series, bool share, bool from_zero) {
    char spark[SPARK_BYTES], value[32];
    double last = ps_series_last(series);
    int width = p->view->width - 22;
    draw_spark(p, series, width > 4 ? width : 4, from_zero, spark);
    if (series->count == 0)
        snprintf(spark, sizeof spark, p->model->status != NULL ? "not recorded" : "not recorded yet");
    put_line(p, "%-10s %8s  %s", title,
             share ? format_share(last, value, sizeof value) : format_value(last, value, sizeof value), spark);
}

/* Without gates behind sums both populations are one. */
static bool has_shared(const ps_watch_model *model) {
    for (int l = 0; l < model->layer_count; l++)
        if (model->layers[l].shared) return true;
    return false;
}

/* Stands where a blank line would: beside the dead, and above the layers. */
static void put_edge(painter *p) {
    const ps_watch_model *m = p->model;
    if (m->dead_share.count == 0) put_line(p, "%s", "");
    else if (!m->knows_edge) put_line(p, "on the edge: not known");
    else put_line(p, "on the edge %7.0f  of %.0f nodes, neither dead nor alive", m->probe_own.edge, m->probe_own.known);
}

static void put_layer(painter *p, const ps_watch_layer *layer, int spark_width) {
    char name[4 * NAME_WIDTH + 1] = "", dead_spark[SPARK_BYTES], inertia_spark[SPARK_BYTES], dead[32], inertia[32];
    FILE *memory = fmemopen(name, sizeof name, "w");
    if (memory != NULL) {
        for (int column = ps_text_put(memory, layer->name, NAME_WIDTH); column < NAME_WIDTH; column++)
            fputc(' ', memory);
        fclose(memory);
    }
    draw_spark(p, &layer->dead, spark_width, true, dead_spark);
    draw_spark(p, &layer->inertia, spark_width, true, inertia_spark);
    pad_spark(dead_spark, spark_width);
    put_line(p, "%s %5d %8s %s %9s %s", name, layer->channels,
             format_share(ps_series_last(&layer->dead), dead, sizeof dead), dead_spark,
             format_value(ps_series_last(&layer->inertia), inertia, sizeof inertia), inertia_spark);
}

/* ---- layers ---- */

static int by_position(const void *a, const void *b) {
    return (*(ps_watch_layer *const *)a)->position - (*(ps_watch_layer *const *)b)->position;
}

/* Unknown values go last. */
static int by_number(double left, double right) {
    if (isnan(left) || isnan(right)) return (isnan(left) != 0) - (isnan(right) != 0);
    return (left > right) - (left < right);
}

static int by_dead(const void *a, const void *b) {
    double left = ps_series_last(&(*(ps_watch_layer *const *)a)->dead),
           right = ps_series_last(&(*(ps_watch_layer *const *)b)->dead);
    int order = isnan(left) || isnan(right) ? by_number(left, right) : by_number(right, left);
    return order != 0 ? order : by_position(a, b);
}

static int by_inertia(const void *a, const void *b) {
    int order = by_number(ps_series_last(&(*(ps_watch_layer *const *)a)->inertia),
                          ps_series_last(&(*(ps_watch_layer *const *)b)->inertia));
    return order != 0 ? order : by_position(a, b);
}

static const struct {
    const char *title;
    int (*compare)(const void *a, const void *b);
} sorts[] = {
#define PS_WATCH_SORT(name, title) {title, by_##name},
#include "watch/sort_list.def"
#undef PS_WATCH_SORT
};

static int finding_rows(const painter *p) {
    int most = p->view->height > 0 ? (p->view->height - FIXED_ROWS) / 3 : PS_WATCH_FINDINGS;
    int shown = p->view->findings < most ? p->view->findings : most;
    return p->view->finding == NULL || most < 1 ? 0 : shown + 1;
}

static int rows_for_layers(const painter *p, int changes) {
    if (p->view->height == 0) return p->model->layer_count;
    int rows = p->view->height - FIXED_ROWS - has_shared(p->model) - (p->model->broken > 0) -
               (changes > 0 ? changes + 1 : 0) - finding_rows(p);
    return rows > 1 ? rows : 1;
}

static ps_status put_layers(painter *p, int rows) {
    const ps_watch_model *m = p->model;
    ps_watch_layer **order;
    int spark = (p->view->width - NAME_WIDTH - 28) / 2;
    spark = spark < 4 ? 4 : spark > 40 ? 40 : spark;
    if (p->view->scroll > m->layer_count - rows) p->view->scroll = m->layer_count - rows;
    if (p->view->scroll < 0) p->view->scroll = 0;
    PS_TRY(PS_ALLOC((size_t)m->layer_count + 1, &order, "order of layers"));
    for (int l = 0; l < m->layer_count; l++) order[l] = &m->layers[l];
    qsort(order, (size_t)m->layer_count, sizeof *order, sorts[p->view->sort].compare);
    put_line(p, "%-*s nodes     dead %-*s   inertia (by %s, %d layers)", NAME_WIDTH, "layer", spark, "",
             sorts[p->view->sort].title, m->layer_count);
    for (int l = p->view->scroll; l < m->layer_count && l < p->view->scroll + rows; l++) put_layer(p, order[l], spark);
    ps_free(order);
    return PS_OK;
}

static void put_changes(painter *p, int shown) {
    const ps_watch_model *m = p->model;
    if (shown == 0) return;
    put_line(p, "newest deaths and revivals (%zu in all)", m->change_count);
    for (int i = 0; i < shown; i++) {
        const ps_watch_change *change = &m->changes[(m->change_count - 1 - (size_t)i) % PS_WATCH_CHANGES];
        put_line(p, "  step %-8.0f %s  %s:%d", change->step, change->revival ? "revived" : "died   ",
                 m->layers[change->layer].name, change->channel);
    }
}

static void put_findings(painter *p) {
    int rows = finding_rows(p);
    if (rows == 0) return;
    put_line(p, "findings: %d%s", p->view->findings_all,
             p->view->findings_all > 0 ? "  (poolscope diagnose says why)" : "");
    for (int i = 0; i < rows - 1; i++)
        put_line(p, "  %s%s", p->view->finding[i].is_new ? "NEW " : "", p->view->finding[i].text);
}

static void put_help(painter *p) {
    static const char *const lines[] = {
        "keys",
        "  q, Ctrl-C       quit",
        "  p               pause and go on (the run is not touched)",
        "  down, j / up, k next or previous layers; page keys: a screenful",
        "  s               sort layers: position, dead share, least movement",
        "  h, ?            this help",
        "",
        "dead: share of " PS_DEAD_OWN " that are zero on the whole probe set",
        "dead, all: the same of " PS_DEAD_ALL ", those behind sums among them",
        ("on the edge: rounding decides whether the gate ever opens; a step into or out of it is no death and no "
         "revival"),
        "inertia: median over nodes of the gradient-driven path of the weights relative to their norm, per window"};
    int count = (int)(sizeof lines / sizeof *lines), last = p->view->height > 0 ? count - (p->view->height - 1) : 0;
    if (p->view->help_scroll > last) p->view->help_scroll = last;
    if (p->view->help_scroll < 0) p->view->help_scroll = 0;
    for (int i = p->view->help_scroll; i < count; i++) put_line(p, "%s", lines[i]);
}

static ps_status put_dashboard(painter *p) {
    const ps_watch_model *model = p->model;
    int height = p->view->height;
    put_head(p);
    put_broken(p);
    put_series(p, "loss", &model->loss, false, false);
    const ps_trace_measure *of = &model->task.measure[0];
    char title[PS_TRACE_TASK_TEXT];
    put_series(p, ps_trace_measure_title(of, title), &model->measure, ps_trace_measure_is_share(of),
               ps_trace_measure_is_share(of));
    put_series(p, "dead", &model->dead_share, true, true);
    if (has_shared(model)) put_series(p, "dead, all", &model->dead_all_share, true, true);
    put_edge(p);
    put_findings(p);
    int changes = model->change_count < CHANGES_SHOWN ? (int)model->change_count : CHANGES_SHOWN;
    if (height > 0 && height < FIXED_ROWS + has_shared(model) + (model->broken > 0) + 4 + changes) changes = 0;
    PS_TRY(put_layers(p, rows_for_layers(p, changes)));
    put_changes(p, changes);
    return PS_OK;
}

ps_status ps_watch_draw(FILE *stream, const ps_watch_model *model, ps_watch_view *view) {
    painter p = {stream, model, view, 0};
    if (view->help) {
        put_help(&p);
        put_keys(&p, "q quit  up/down scroll  h back");
        return PS_OK;
    }
    if (model->has_header) {
        PS_TRY(put_dashboard(&p));
    } else {
        put_title(&p);
        put_line(&p, "no header yet");
    }
    put_keys(&p, "q quit  p pause  up/down scroll  s sort  h help");
    return PS_OK;
}
