#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "core/text.h"
#include "trace/scalar_log.h"
#include "trace/trace_format.h"
#include "trace/trace_input.h"

enum { MOST_COLUMNS = 4000 };

/* A row is a line, or several where a line ends inside of quotation marks. */
typedef struct {
    ps_scalar_log *log;
    ps_trace_input *input;
    uint64_t line, first; /* read so far; at which the row begins */
    char *row;
    size_t capacity;
    bool whole; /* the row ends with its line */
    char between;
    char *head, *names[MOST_COLUMNS], *cells[MOST_COLUMNS];
    int columns, step, split; /* split: names what the row is of, as "test"; -1: there is none */
} table;

static ps_status wrong(const table *t, const char *what) {
    return ps_fail(PS_ERR_INPUT, "%s:%llu: %s", t->log->path, (unsigned long long)t->first, what);
}

static bool is_open(const char *text) {
    bool open = false;
    for (; *text != '\0'; text++) open ^= *text == '"';
    return open;
}

/* *more false: the end. */
static ps_status next_row(table *t, bool *more) {
    size_t used = 0, length;
    char *line;
    *more = false;
    t->first = t->line + 1;
    do {
        PS_TRY(ps_trace_input_line(t->input, &line, &length));
        if (length == 0) return used == 0 ? PS_OK : wrong(t, "begins a cell in quotation marks that never ends");
        t->line++;
        if (used + length > PS_TRACE_LONGEST_LINE) return wrong(t, "has a cell in quotation marks without an end");
        if (memchr(line, '\0', length) != NULL) return wrong(t, "holds a zero byte, so it is no table");
        PS_TRY(PS_GROW(&t->row, &t->capacity, used + length + 1, "a row"));
        memcpy(t->row + used, line, length);
        used += length;
        t->row[used] = '\0';
        t->whole = line[length - 1] == '\n';
    } while (is_open(t->row));
    while (used > 0 && (t->row[used - 1] == '\n' || t->row[used - 1] == '\r')) t->row[--used] = '\0';
    *more = true;
    return PS_OK;
}

static void trim(char **cell) {
    while (**cell == ' ' || **cell == '\t') (*cell)++;
    for (size_t n = strlen(*cell); n > 0 && ((*cell)[n - 1] == ' ' || (*cell)[n - 1] == '\t'); n--)
        (*cell)[n - 1] = '\0';
}

/* Cuts a row into cells, in place; quotation marks around one are taken off. -1: they are too many. */
static int split(char *row, char between, char **cells) {
    int count = 0;
    for (char *at = row;; at++) {
        char *to = at;
        bool quoted = *at == '"';
        if (count == MOST_COLUMNS) return -1;
        cells[count] = to;
        for (at += quoted; *at != '\0' && (quoted || *at != between); at++) {
            if (quoted && *at == '"' && at[1] != '"') {
                quoted = false;
                continue;
            }
            at += quoted && *at == '"';
            *to++ = *at;
        }
        bool more = *at != '\0';
        *to = '\0';
        trim(&cells[count++]);
        if (!more) return count;
    }
}

/* What stands most often in the head line. */
static char separator(const char *head) {
    static const char separators[] = ",;\t";
    size_t most = 0;
    char best = ',';
    for (const char *s = separators; *s != '\0'; s++) {
        size_t count = 0;
        for (const char *p = head; *p != '\0'; p++) count += *p == *s;
        if (count > most) {
            most = count;
            best = *s;
        }
    }
    return best;
}

static int find_column(const table *t, const char *name) {
    for (int c = 0; c < t->columns; c++)
        if (strcmp(t->names[c], name) == 0) return c;
    return -1;
}

static ps_status find_step(table *t) {
    t->step = -1;
    if (t->log->step_name != NULL) t->step = find_column(t, t->log->step_name);
    else
        for (int i = 0; t->step < 0 && ps_scalar_step_names[i] != NULL; i++)
            t->step = find_column(t, ps_scalar_step_names[i]);
    if (t->step >= 0) return PS_OK;
    if (t->log->step_name != NULL)
        return ps_fail(PS_ERR_USAGE, "--step: %s has no column \"%.60s\"", t->log->path, t->log->step_name);
    t->step = find_column(t, PS_SCALAR_EPOCH);
    t->log->by_epoch = t->step >= 0;
    return t->step >= 0 ? PS_OK
                        : wrong(t,
                                "names no column \"step\" (or global_step, _step, iteration, iter, epoch); name it "
                                "with --step");
}

/* "loss [nats]" is a loss. */
static void drop_unit(char *name) {
    size_t length = strlen(name);
    char *unit = strstr(name, " [");
    if (unit != NULL && unit > name && name[length - 1] == ']') *unit = '\0';
}

static ps_status read_head(table *t) {
    free(t->head);
    PS_TRY(ps_string_copy(ps_text_skip_mark(t->row), &t->head));
    t->between = separator(t->head);
    t->columns = split(t->head, t->between, t->names);
    if (t->columns < 0) return wrong(t, "has more than 4000 columns");
    for (int c = 0; c < t->columns; c++) drop_unit(t->names[c]);
    t->split = find_column(t, "split");
    return find_step(t);
}

static bool is_missing(const char *cell) {
    static const char *const words[] = {"", "NA", "N/A", "None", "null", "-"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(words[i], cell) == 0) return true;
    return false;
}

/* A row of the split "test" holds "test/loss". */
static ps_status take_cell(table *t, const char *name, const char *split, int64_t step, const char *cell) {
    char tag[600], *end;
    double value = strtod(cell, &end);
    if (split[0] != '\0') {
        snprintf(tag, sizeof tag, "%.80s/%.500s", split, name);
        name = tag;
    }
    return *end == '\0' ? ps_scalar_log_take(t->log, name, step, value) : ps_scalar_log_take_text(t->log, name);
}

static ps_status read_cells(table *t, int count, int64_t step) {
    const char *split = t->split >= 0 && t->split < count ? t->cells[t->split] : "";
    for (int c = 0; c < t->columns && c < count; c++) {
        if (c == t->step || c == t->split || is_missing(t->cells[c]) || t->names[c][0] == '\0') continue;
        PS_TRY(take_cell(t, t->names[c], split, step, t->cells[c]));
    }
    return PS_OK;
}

static ps_status read_row(table *t) {
    char *end;
    int count = split(t->row, t->between, t->cells);
    if (count == 1 && t->cells[0][0] == '\0') return PS_OK;
    if (count < t->columns && !t->whole) return ps_scalar_log_is_cut(t->log, t->log->path);
    while (count > t->columns && t->cells[count - 1][0] == '\0') count--;
    if (count < 0 || count > t->columns)
        return ps_fail(PS_ERR_INPUT, "%s:%llu: has more cells than the line of names, %d; is a comma in a number?",
                       t->log->path, (unsigned long long)t->first, t->columns);
    if (t->step >= count || is_missing(t->cells[t->step])) {
        t->log->without_step++;
        return PS_OK;
    }
    double step = strtod(t->cells[t->step], &end);
    if (*end != '\0' || !(step >= 0 && step <= PS_TRACE_MOST_WHOLE && step == floor(step)))
        return ps_fail(PS_ERR_INPUT, "%s:%llu: \"%.40s\" is no step, which is a whole number from 0 on", t->log->path,
                       (unsigned long long)t->first, t->cells[t->step]);
    return read_cells(t, count, (int64_t)step);
}

/* Whether the row is a line of names again, as a run that goes on writes it. */
static bool is_head(const table *t) {
    char *copy, *cells[MOST_COLUMNS];
    bool again = false;
    if (ps_string_copy(t->row, &copy) != PS_OK) return false;
    int count = split(copy, t->between, cells);
    again = t->step < count && strcmp(cells[t->step], t->names[t->step]) == 0;
    free(copy);
    return again;
}

static ps_status read_rows(table *t) {
    bool more = true;
    for (;;) {
        PS_TRY(next_row(t, &more));
        if (!more) return PS_OK;
        if (t->head == NULL || is_head(t)) {
            t->log->part++;
            PS_TRY(read_head(t));
        } else {
            PS_TRY(read_row(t));
        }
    }
}

ps_status ps_scalar_table_read(const char *path, ps_scalar_log *log) {
    table *t = calloc(1, sizeof *t);
    if (t == NULL) return ps_fail(PS_ERR_MEMORY, "%s: no memory for a table", path);
    t->log = log;
    ps_status status = ps_trace_input_open(path, &t->input);
    if (status == PS_OK) status = read_rows(t);
    ps_trace_input_close(t->input);
    ps_free_array(t->row);
    free(t->head);
    free(t);
    return status;
}
