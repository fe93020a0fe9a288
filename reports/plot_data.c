#include "reports/plot_data.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/digest.h"
#include "core/file.h"
#include "core/memory.h"
#include "reports/escape.h"

enum { most_filters = 6, most_columns = 3, most_picks = 16, most_series = 8 };

typedef struct {
    char *column, *values;
} filter;

typedef struct {
    char *name, *kind, *table;
    filter filters[most_filters];
    int filter_count;
    char *split[most_columns], *by[most_columns], *picks[most_picks];
    int split_count, by_count, pick_count;
    char *x, *y, *value, *label, *columns;
    int thin, rows;
    bool steps;
} query;

/* Rows of a table put into groups; `order` lists the rows group by group. */
typedef struct {
    int count;
    int *group; /* of the i-th row given */
    int *start; /* count + 1 positions in order */
    int *order; /* indices into the rows given */
} grouping;

/* ---- reading the request ---- */

static int cut_list(char *text, char **items, int most) {
    int count = 0;
    for (char *save = NULL, *item = strtok_r(text, ",", &save); item && count < most; item = strtok_r(NULL, ",", &save))
        items[count++] = item;
    return count;
}

static bool parse_filter(query *request, char *word) {
    char *equals = strchr(word, '=');
    if (!equals || request->filter_count == most_filters) return false;
    *equals = '\0';
    request->filters[request->filter_count++] = (filter){word, equals + 1};
    return true;
}

/* One keyword with its argument; false where it is not known. */
static bool parse_word(query *request, const char *keyword, char *argument) {
    if (strcmp(keyword, "where") == 0) return parse_filter(request, argument);
    if (strcmp(keyword, "split") == 0)
        return (request->split_count = cut_list(argument, request->split, most_columns)) > 0;
    if (strcmp(keyword, "by") == 0) return (request->by_count = cut_list(argument, request->by, most_columns)) > 0;
    if (strcmp(keyword, "pick") == 0) return (request->pick_count = cut_list(argument, request->picks, most_picks)) > 0;
    if (strcmp(keyword, "thin") == 0) return (request->thin = atoi(argument)) > 0;
    if (strcmp(keyword, "rows") == 0) return (request->rows = atoi(argument)) > 0;
    char **slot = strcmp(keyword, "x") == 0         ? &request->x
                  : strcmp(keyword, "y") == 0       ? &request->y
                  : strcmp(keyword, "value") == 0   ? &request->value
                  : strcmp(keyword, "label") == 0   ? &request->label
                  : strcmp(keyword, "columns") == 0 ? &request->columns
                                                    : NULL;
    if (slot) *slot = argument;
    return slot != NULL;
}

/* line: what follows "#data ", cut in place. */
static bool parse_query(char *line, query *request) {
    *request = (query){0};
    char *save = NULL;
    request->name = strtok_r(line, " ", &save);
    request->kind = strtok_r(NULL, " ", &save);
    request->table = strtok_r(NULL, " ", &save);
    if (!request->table) return false;
    for (char *word = strtok_r(NULL, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
        if (strcmp(word, "steps") == 0) {
            request->steps = true;
            continue;
        }
        char *argument = strtok_r(NULL, " ", &save);
        if (!argument || !parse_word(request, word, argument)) return false;
    }
    if (strcmp(request->kind, "from") == 0) return request->pick_count > 0;
    if (strcmp(request->kind, "grid") == 0)
        return request->x && request->y && request->value && request->columns && atoi(request->columns) > 0 &&
               request->rows > 0;
    return strcmp(request->kind, "pivot") == 0 && request->columns && request->value;
}

/* ---- grouping ---- */

static bool same_cells(const ps_table *table, int a, int b, const int *columns, int count) {
    for (int i = 0; i < count; i++)
        if (strcmp(ps_table_text(table, a, columns[i]), ps_table_text(table, b, columns[i])) != 0) return false;
    return true;
}

static uint64_t hash_cells(const ps_table *table, int row, const int *columns, int count) {
    ps_digest digest = ps_digest_start();
    for (int i = 0; i < count; i++) {
        const char *text = ps_table_text(table, row, columns[i]);
        ps_digest_bytes(&digest, text, strlen(text) + 1);
    }
    return ps_digest_value(&digest);
}

static void clear_grouping(grouping *groups) {
    ps_free(groups->group);
    ps_free(groups->start);
    ps_free(groups->order);
    *groups = (grouping){0};
}

/* Fills start and order from group (a counting sort, so rows keep their order within a group). */
static ps_status order_groups(grouping *groups, int row_count) {
    PS_TRY(PS_ALLOC((size_t)groups->count + 1, &groups->start, "the groups of a plot"));
    PS_TRY(PS_ALLOC((size_t)row_count + 1, &groups->order, "the rows of a plot"));
    for (int i = 0; i < row_count; i++) groups->start[groups->group[i]]++;
    for (int g = 0, sum = 0; g <= groups->count; g++) {
        int here = g < groups->count ? groups->start[g] : 0;
        groups->start[g] = sum;
        sum += here;
    }
    int *next = NULL;
    PS_TRY(PS_ALLOC((size_t)groups->count + 1, &next, "the groups of a plot"));
    memcpy(next, groups->start, (size_t)groups->count * sizeof *next);
    for (int i = 0; i < row_count; i++) groups->order[next[groups->group[i]]++] = i;
    ps_free(next);
    return PS_OK;
}

/* Groups rows by the text of some columns, groups in order of first appearance. */
static ps_status group_rows(const ps_table *table, const int *rows, int row_count, const int *columns, int column_count,
                            grouping *groups) {
    size_t slots = 64;
    while (slots < (size_t)row_count * 2) slots *= 2;
    int *first = NULL, *number = NULL;
    ps_status status = PS_OK;
    *groups = (grouping){0};
    PS_TRY_CLEANUP(PS_ALLOC(slots, &first, "the groups of a plot"));
    PS_TRY_CLEANUP(PS_ALLOC(slots, &number, "the groups of a plot"));
    PS_TRY_CLEANUP(PS_ALLOC((size_t)row_count + 1, &groups->group, "the groups of a plot"));
    for (int i = 0; i < row_count; i++) {
        size_t slot = hash_cells(table, rows[i], columns, column_count) & (slots - 1);
        while (first[slot] && !same_cells(table, first[slot] - 1, rows[i], columns, column_count))
            slot = (slot + 1) & (slots - 1);
        if (!first[slot]) {
            first[slot] = rows[i] + 1;
            number[slot] = groups->count++;
        }
        groups->group[i] = number[slot];
    }
    status = order_groups(groups, row_count);
cleanup:
    ps_free(first);
    ps_free(number);
    if (status != PS_OK) clear_grouping(groups);
    return status;
}

static void find_columns(const ps_table *table, char *const *names, int count, int *columns) {
    for (int i = 0; i < count; i++) columns[i] = ps_table_column(table, names[i]);
}

/* Index of the row's arm in arms.tsv, -1 where it is not listed there. */
static int arm_of(const ps_plot_source *source, int row, int arm_column) {
    return ps_table_find(&source->arms, 0, ps_table_column(&source->arms, "arm"),
                         ps_table_text(&source->table, row, arm_column));
}

/* As group_rows over the arm, but with a group for every arm of arms.tsv; rows of unknown arms go to the last group,
 * which is not drawn. */
static ps_status group_arms(const ps_plot_source *source, const int *rows, int row_count, grouping *groups) {
    int column = ps_table_column(&source->table, "arm"), last = -1;
    *groups = (grouping){.count = source->arms.rows + 1};
    ps_status status = PS_ALLOC((size_t)row_count + 1, &groups->group, "the groups of a plot");
    for (int i = 0; i < row_count && status == PS_OK; i++) {
        /* Rows of an arm stand together, so the row before mostly knows. */
        if (i == 0 || strcmp(ps_table_text(&source->table, rows[i], column),
                             ps_table_text(&source->table, rows[i - 1], column)) != 0)
            last = arm_of(source, rows[i], column);
        groups->group[i] = last < 0 ? source->arms.rows : last;
    }
    if (status == PS_OK) status = order_groups(groups, row_count);
    if (status != PS_OK) clear_grouping(groups);
    else groups->count = source->arms.rows;
    return status;
}

/* ---- filtering ---- */

static bool list_has(const char *list, const char *text) {
    size_t length = strlen(text);
    for (const char *at = list; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL)
        if (strncmp(at, text, length) == 0 && (at[length] == ',' || at[length] == '\0')) return true;
    return false;
}

static int keep_listed(const ps_table *table, int column, const char *values, int *rows, int count) {
    int kept = 0;
    for (int i = 0; i < count; i++)
        if (column >= 0 && list_has(values, ps_table_text(table, rows[i], column))) rows[kept++] = rows[i];
    return kept;
}

/* Whether the table has no end of a run with that status: evaluations stand where the last probing is not finite. */
static bool lacks_end(const ps_plot_source *source, const char *status) {
    bool evaluated = strcmp(source->table_name, "eval") == 0;
    return strcmp(status, "unfinished") == 0 || (strcmp(status, "nonfinite") == 0 && !evaluated);
}

/* Whether runs.tsv calls the run of that arm and seed unfinished, or not finite at its end. */
static bool is_unfinished(const ps_plot_source *source, const char *arm, const char *seed) {
    const ps_table *runs = &source->runs;
    int arm_column = ps_table_column(runs, "arm"), seed_column = ps_table_column(runs, "seed"),
        status = ps_table_column(runs, "status");
    for (int row = ps_table_find(runs, 0, arm_column, arm); row >= 0 && status >= 0;
         row = ps_table_find(runs, row + 1, arm_column, arm))
        if (strcmp(ps_table_text(runs, row, seed_column), seed) == 0)
            return lacks_end(source, ps_table_text(runs, row, status));
    return false;
}

/* Drops the rows of unfinished runs; those of a run mostly stand together. */
static int keep_whole_runs(const ps_plot_source *source, int *rows, int count) {
    const ps_table *table = &source->table;
    int arm = ps_table_column(table, "arm"), seed = ps_table_column(table, "seed"), kept = 0, last = -1;
    bool unfinished = false;
    if (arm < 0 || seed < 0) return count;
    for (int i = 0; i < count; i++) {
        int row = rows[i];
        if (last < 0 || !same_cells(table, last, row, (int[]){arm, seed}, 2))
            unfinished = is_unfinished(source, ps_table_text(table, row, arm), ps_table_text(table, row, seed));
        last = row;
        if (!unfinished) rows[kept++] = row;
    }
    return kept;
}

/* Keeps the rows with the largest number of a column within their arm and seed. */
static ps_status keep_last(const ps_table *table, int column, int *rows, int *count) {
    int keys[2] = {ps_table_column(table, "arm"), ps_table_column(table, "seed")};
    grouping groups;
    PS_TRY(group_rows(table, rows, *count, keys, 2, &groups));
    double *largest = NULL;
    ps_status status = PS_ALLOC((size_t)groups.count + 1, &largest, "the groups of a plot");
    if (status == PS_OK) {
        for (int g = 0; g < groups.count; g++) largest[g] = -INFINITY;
        for (int i = 0; i < *count; i++)
            largest[groups.group[i]] = fmax(largest[groups.group[i]], ps_table_number(table, rows[i], column));
        int kept = 0;
        for (int i = 0; i < *count; i++)
            if (ps_table_number(table, rows[i], column) == largest[groups.group[i]]) rows[kept++] = rows[i];
        *count = kept;
    }
    ps_free(largest);
    clear_grouping(&groups);
    return status;
}

static ps_status filter_rows(const ps_plot_source *source, const query *request, int **rows, int *count) {
    const ps_table *table = &source->table;
    bool of_end = strcmp(request->kind, "pivot") == 0;
    PS_TRY(PS_ALLOC((size_t)table->rows + 1, rows, "the rows of a plot"));
    *count = table->rows;
    for (int row = 0; row < table->rows; row++) (*rows)[row] = row;
    for (int i = 0; i < request->filter_count; i++) of_end = of_end || strcmp(request->filters[i].values, "@last") == 0;
    if (of_end) *count = keep_whole_runs(source, *rows, *count);
    for (int i = 0; i < request->filter_count; i++) {
        int column = ps_table_column(table, request->filters[i].column);
        if (strcmp(request->filters[i].values, "@last") == 0) PS_TRY(keep_last(table, column, *rows, count));
        else *count = keep_listed(table, column, request->filters[i].values, *rows, *count);
    }
    return PS_OK;
}

/* ---- from: rows, or one row for every group ---- */

typedef enum {
    pick_number,
    pick_text,
    pick_arm,
    pick_mean,
    pick_median,
    pick_min,
    pick_max,
    pick_sum,
    pick_count
} pick_kind;

/* What numbers are taken: a column, or as FACTOR*COLUMN/DIVISOR. gnuplot can reckon, too, but takes long over it. */
typedef struct {
    int column, divisor; /* divisor -1: none */
    double factor;
} amount;

typedef struct {
    pick_kind kind;
    amount of;
} pick;

static bool resolve_amount(const ps_table *table, const char *expression, amount *out) {
    char text[96], *name = text;
    int length = snprintf(text, sizeof text, "%s", expression);
    *out = (amount){-1, -1, 1};
    if (length >= (int)sizeof text) return false;
    if (strchr(name, '*')) {
        out->factor = strtod(name, &name);
        if (*name++ != '*') return false;
    }
    char *divisor = strchr(name, '/');
    if (divisor) {
        *divisor++ = '\0';
        out->divisor = ps_table_column(table, divisor);
        if (out->divisor < 0) out->factor = NAN;
    }
    out->column = ps_table_column(table, name);
    return true;
}

/* NaN where a part of it has no value. */
static double amount_of_row(const ps_table *table, const amount *of, int row) {
    double value = of->factor * ps_table_number(table, row, of->column);
    return of->divisor >= 0 ? value / ps_table_number(table, row, of->divisor) : value;
}

static bool resolve_pick(const ps_table *table, const char *expression, pick *out) {
    static const struct {
        const char *name;
        pick_kind kind;
    } functions[] = {{"text", pick_text}, {"mean", pick_mean}, {"median", pick_median}, {"min", pick_min},
                     {"max", pick_max},   {"sum", pick_sum},   {"count", pick_count}};
    if (strcmp(expression, "arm#") == 0) {
        *out = (pick){pick_arm, {ps_table_column(table, "arm"), -1, 1}};
        return true;
    }
    const char *open = strchr(expression, '(');
    out->kind = pick_number;
    if (!open) return resolve_amount(table, expression, &out->of);
    char inner[64];
    size_t length = strcspn(open + 1, ")");
    if (open[1 + length] != ')' || length >= sizeof inner) return false;
    memcpy(inner, open + 1, length);
    inner[length] = '\0';
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        if (strncmp(expression, functions[i].name, (size_t)(open - expression)) != 0 ||
            functions[i].name[open - expression])
            continue;
        out->kind = functions[i].kind;
        return resolve_amount(table, inner, &out->of);
    }
    return false;
}

static int compare_doubles(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* values is changed (sorted). */
static double aggregate(pick_kind kind, double *values, int count) {
    if (kind == pick_count) return count;
    if (count == 0) return NAN;
    qsort(values, (size_t)count, sizeof *values, compare_doubles);
    if (kind == pick_min) return values[0];
    if (kind == pick_max) return values[count - 1];
    if (kind == pick_median) return 0.5 * (values[(count - 1) / 2] + values[count / 2]);
    double sum = 0;
    for (int i = 0; i < count; i++) sum += values[i];
    return kind == pick_sum ? sum : sum / count;
}

static void print_number(FILE *stream, double value) {
    if (isfinite(value)) fprintf(stream, "%.9g", value);
    else fputs("NA", stream);
}

static void print_pick(FILE *stream, const ps_plot_source *source, const pick *item, const int *rows, int count,
                       double *scratch) {
    const ps_table *table = &source->table;
    if (item->kind == pick_text) ps_escape_plot(stream, ps_table_text(table, rows[0], item->of.column));
    else if (item->kind == pick_arm) fprintf(stream, "%d", arm_of(source, rows[0], item->of.column) + 1);
    else if (item->kind == pick_number) print_number(stream, amount_of_row(table, &item->of, rows[0]));
    else {
        int finite = 0;
        for (int i = 0; i < count; i++) {
            double value = amount_of_row(table, &item->of, rows[i]);
            if (isfinite(value)) scratch[finite++] = value;
        }
        print_number(stream, aggregate(item->kind, scratch, finite));
    }
}

typedef struct {
    const ps_plot_source *source;
    const query *request;
    FILE *stream;
    pick picks[most_picks];
    double *scratch;
    int last_row; /* of the block, for stairs; -1 at its start */
} emitter;

/* One output row from `count` table rows that belong together. */
static void emit_row(emitter *out, const int *rows, int count) {
    if (out->request->steps && out->last_row >= 0) {
        for (int i = 0; i < out->request->pick_count; i++) {
            if (i) fputc('\t', out->stream);
            print_pick(out->stream, out->source, &out->picks[i], i == 0 ? rows : &out->last_row, 1, out->scratch);
        }
        fputc('\n', out->stream);
    }
    for (int i = 0; i < out->request->pick_count; i++) {
        if (i) fputc('\t', out->stream);
        print_pick(out->stream, out->source, &out->picks[i], rows, count, out->scratch);
    }
    fputc('\n', out->stream);
    out->last_row = rows[0];
}

typedef struct {
    double key;
    int group;
} group_key;

static int compare_keys(const void *a, const void *b) {
    const group_key *x = a, *y = b;
    if (x->key != y->key) return x->key < y->key ? -1 : 1;
    return (x->group > y->group) - (x->group < y->group);
}

/* Reorders groups by the number in their first `by` column; text sorts after numbers, as it came. */
static void sort_groups(const ps_table *table, const int *rows, int column, const grouping *groups, group_key *keys) {
    for (int g = 0; g < groups->count; g++) {
        double number = ps_table_number(table, rows[groups->order[groups->start[g]]], column);
        keys[g] = (group_key){isnan(number) ? INFINITY : number, g};
    }
    qsort(keys, (size_t)groups->count, sizeof *keys, compare_keys);
}

static ps_status emit_groups(emitter *out, const int *rows, int count) {
    const ps_table *table = &out->source->table;
    int columns[most_columns];
    find_columns(table, out->request->by, out->request->by_count, columns);
    grouping groups;
    group_key *keys = NULL;
    int *members = NULL;
    ps_status status = PS_OK;
    PS_TRY(group_rows(table, rows, count, columns, out->request->by_count, &groups));
    PS_TRY_CLEANUP(PS_ALLOC((size_t)groups.count + 1, &keys, "the groups of a plot"));
    PS_TRY_CLEANUP(PS_ALLOC((size_t)count + 1, &members, "the rows of a plot"));
    sort_groups(table, rows, columns[0], &groups, keys);
    for (int k = 0; k < groups.count; k++) {
        int g = keys[k].group, size = groups.start[g + 1] - groups.start[g];
        for (int i = 0; i < size; i++) members[i] = rows[groups.order[groups.start[g] + i]];
        emit_row(out, members, size);
    }
cleanup:
    ps_free(keys);
    ps_free(members);
    clear_grouping(&groups);
    return status;
}

static void emit_rows(emitter *out, const int *rows, int count) {
    int limit = out->request->thin && out->request->thin < count ? out->request->thin : count;
    for (int i = 0; i < limit; i++) emit_row(out, &rows[(int64_t)i * count / limit], 1);
}

static ps_status emit_block(emitter *out, const int *rows, int count) {
    out->last_row = -1;
    if (count == 0) {
        for (int i = 0; i < out->request->pick_count; i++) fputs(i ? "\tNA" : "NA", out->stream);
        fputc('\n', out->stream);
        return PS_OK;
    }
    if (out->request->by_count > 0) return emit_groups(out, rows, count);
    emit_rows(out, rows, count);
    return PS_OK;
}

static ps_status group_blocks(const ps_plot_source *source, const query *request, const int *rows, int count,
                              grouping *blocks) {
    if (request->split_count == 1 && strcmp(request->split[0], "arm") == 0)
        return group_arms(source, rows, count, blocks);
    int columns[most_columns];
    find_columns(&source->table, request->split, request->split_count, columns);
    return group_rows(&source->table, rows, count, columns, request->split_count, blocks);
}

static ps_status write_from(emitter *out, const int *rows, int count) {
    const query *request = out->request;
    for (int i = 0; i < request->pick_count; i++) {
        if (!resolve_pick(&out->source->table, request->picks[i], &out->picks[i]))
            return ps_fail(PS_ERR_INPUT, "the data set %s picks \"%s\", which is neither a column nor a known function",
                           request->name, request->picks[i]);
    }
    fputc('#', out->stream);
    for (int i = 0; i < request->pick_count; i++) fprintf(out->stream, "%s%s", i ? "\t" : " ", request->picks[i]);
    fputc('\n', out->stream);
    grouping blocks;
    int *members = NULL;
    PS_TRY(group_blocks(out->source, request, rows, count, &blocks));
    ps_status status = PS_ALLOC((size_t)count + 1, &members, "the rows of a plot");
    for (int b = 0; b < blocks.count && status == PS_OK; b++) {
        int size = blocks.start[b + 1] - blocks.start[b];
        for (int i = 0; i < size; i++) members[i] = rows[blocks.order[blocks.start[b] + i]];
        if (b) fputs("\n\n", out->stream);
        status = emit_block(out, members, size);
    }
    ps_free(members);
    clear_grouping(&blocks);
    return status;
}

/* ---- grid ---- */

typedef struct {
    double *values; /* sorted, distinct */
    int *rows;      /* a table row for each, for its label */
    int count, cells;
} axis;

typedef struct {
    double value;
    int row;
} axis_entry;

static int compare_entries(const void *a, const void *b) {
    const axis_entry *x = a, *y = b;
    if (x->value != y->value) return x->value < y->value ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

static ps_status make_axis(const ps_table *table, int column, const int *rows, int count, int cells, axis *out) {
    axis_entry *entries = NULL;
    ps_status status = PS_OK;
    *out = (axis){0};
    PS_TRY_CLEANUP(PS_ALLOC((size_t)count + 1, &entries, "the axis of a plot"));
    PS_TRY_CLEANUP(PS_ALLOC((size_t)count + 1, &out->values, "the axis of a plot"));
    PS_TRY_CLEANUP(PS_ALLOC((size_t)count + 1, &out->rows, "the axis of a plot"));
    int finite = 0;
    for (int i = 0; i < count; i++) {
        double value = ps_table_number(table, rows[i], column);
        if (isfinite(value)) entries[finite++] = (axis_entry){value, rows[i]};
    }
    qsort(entries, (size_t)finite, sizeof *entries, compare_entries);
    for (int i = 0; i < finite; i++) {
        if (out->count && out->values[out->count - 1] == entries[i].value) continue;
        out->values[out->count] = entries[i].value;
        out->rows[out->count++] = entries[i].row;
    }
    out->cells = out->count < cells ? out->count : cells;
cleanup:
    ps_free(entries);
    return status;
}

static void clear_axis(axis *out) {
    ps_free(out->values);
    ps_free(out->rows);
}

/* Cell of a value; -1 for NA. */
static int axis_cell(const axis *in, double value) {
    const double *found =
        in->count ? bsearch(&value, in->values, (size_t)in->count, sizeof value, compare_doubles) : NULL;
    return found ? (int)((int64_t)(found - in->values) * in->cells / in->count) : -1;
}

/* Position and label of at most `most` ticks, evenly apart. */
static ps_status write_ticks(const ps_plot_source *source, const char *path, const axis *in, int label, int most) {
    ps_file_writer writer;
    PS_TRY(ps_file_writer_open(&writer, path));
    int distance = in->cells > most ? (in->cells + most - 2) / (most - 1) : 1;
    for (int cell = 0; cell < in->cells; cell += distance) {
        int at = (int)(((int64_t)cell * in->count + in->cells - 1) / in->cells);
        fprintf(writer.stream, "%d\t", cell);
        ps_escape_plot(writer.stream, ps_table_text(&source->table, in->rows[at], label));
        fputc('\n', writer.stream);
    }
    return ps_file_writer_commit(&writer);
}

static void emit_grid(FILE *stream, const double *sums, const int *counts, const axis *x, const axis *y,
                      double *largest) {
    for (int r = 0; r < y->cells; r++) {
        for (int c = 0; c < x->cells; c++) {
            size_t cell = (size_t)r * (size_t)x->cells + (size_t)c;
            fprintf(stream, "%d\t%d\t", c, r);
            if (counts[cell]) {
                fprintf(stream, "%.6g\n", sums[cell] / counts[cell]);
                *largest = fmax(*largest, sums[cell] / counts[cell]);
            } else {
                fputs("NaN\n", stream);
            }
        }
    }
}

static ps_status write_cells(emitter *out, const int *rows, int count, const axis *x, const axis *y, double *largest) {
    const ps_table *table = &out->source->table;
    int columns[2] = {ps_table_column(table, out->request->x), ps_table_column(table, out->request->y)};
    amount of;
    size_t cells = (size_t)x->cells * (size_t)y->cells + 1;
    double *sums = NULL;
    int *counts = NULL;
    grouping arms = {0};
    if (!resolve_amount(table, out->request->value, &of))
        return ps_fail(PS_ERR_INPUT, "the data set %s draws \"%s\", which is no column", out->request->name,
                       out->request->value);
    ps_status status = PS_OK;
    PS_TRY_CLEANUP(PS_ALLOC(cells, &sums, "a heat map"));
    PS_TRY_CLEANUP(PS_ALLOC(cells, &counts, "a heat map"));
    PS_TRY_CLEANUP(group_arms(out->source, rows, count, &arms));
    fputs("# column\trow\tvalue\n", out->stream);
    for (int a = 0; a < arms.count; a++) {
        memset(sums, 0, cells * sizeof *sums);
        memset(counts, 0, cells * sizeof *counts);
        for (int i = arms.start[a]; i < arms.start[a + 1]; i++) {
            int row = rows[arms.order[i]];
            int c = axis_cell(x, ps_table_number(table, row, columns[0])),
                r = axis_cell(y, ps_table_number(table, row, columns[1]));
            double value = amount_of_row(table, &of, row);
            if (c < 0 || r < 0 || !isfinite(value)) continue;
            sums[(size_t)r * (size_t)x->cells + (size_t)c] += value;
            counts[(size_t)r * (size_t)x->cells + (size_t)c]++;
        }
        if (a) fputs("\n\n", out->stream);
        emit_grid(out->stream, sums, counts, x, y, largest);
    }
cleanup:
    ps_free(sums);
    ps_free(counts);
    clear_grouping(&arms);
    return status;
}

static ps_status write_size(const char *path, const axis *x, const axis *y, double largest) {
    ps_file_writer writer;
    PS_TRY(ps_file_writer_open(&writer, path));
    fprintf(writer.stream, "# columns\trows\tlargest\n%d\t%d\t", x->cells, y->cells);
    print_number(writer.stream, largest);
    fputc('\n', writer.stream);
    return ps_file_writer_commit(&writer);
}

static ps_status write_grid(emitter *out, const int *rows, int count, const char *plot) {
    const ps_table *table = &out->source->table;
    const query *request = out->request;
    int x_column = ps_table_column(table, request->x), y_column = ps_table_column(table, request->y);
    int label = request->label ? ps_table_column(table, request->label) : y_column;
    axis x = {0}, y = {0};
    char *x_path = NULL, *y_path = NULL, *size_path = NULL;
    double largest = NAN;
    ps_status status = PS_OK;
    PS_TRY_CLEANUP(make_axis(table, x_column, rows, count, atoi(request->columns), &x));
    PS_TRY_CLEANUP(make_axis(table, y_column, rows, count, request->rows, &y));
    PS_TRY_CLEANUP(ps_string_format(&x_path, "%s/%s.%s.x.tsv", out->source->data, plot, request->name));
    PS_TRY_CLEANUP(ps_string_format(&y_path, "%s/%s.%s.y.tsv", out->source->data, plot, request->name));
    PS_TRY_CLEANUP(ps_string_format(&size_path, "%s/%s.%s.size.tsv", out->source->data, plot, request->name));
    PS_TRY_CLEANUP(write_cells(out, rows, count, &x, &y, &largest));
    PS_TRY_CLEANUP(write_size(size_path, &x, &y, largest));
    PS_TRY_CLEANUP(write_ticks(out->source, x_path, &x, x_column, 5));
    PS_TRY_CLEANUP(write_ticks(out->source, y_path, &y, label, 20));
cleanup:
    clear_axis(&x);
    clear_axis(&y);
    free(x_path);
    free(y_path);
    free(size_path);
    return status;
}

/* ---- pivot ---- */

enum { counts_rows = -2 };

/* Column that is summed, or counts_rows where every row counts as one. */
static int amount_column(const ps_table *table, const query *request) {
    return strcmp(request->value, "#") == 0 ? counts_rows : ps_table_column(table, request->value);
}

static double cell_amount(const ps_table *table, int row, int column) {
    if (column == counts_rows) return 1;
    double number = ps_table_number(table, row, column);
    return isfinite(number) ? number : 0;
}

/* Orders series by their sum over everything, largest first, so that the commonest get the colours. */
static void sort_series(const ps_table *table, const int *rows, int value, const grouping *series, group_key *keys) {
    for (int s = 0; s < series->count; s++) {
        double sum = 0;
        for (int i = series->start[s]; i < series->start[s + 1]; i++)
            sum += cell_amount(table, rows[series->order[i]], value);
        keys[s] = (group_key){-sum, s};
    }
    qsort(keys, (size_t)series->count, sizeof *keys, compare_keys);
}

/* Those that came to their end, at least 1. */
static int runs_of_arm(const ps_plot_source *source, const char *arm) {
    int column = ps_table_column(&source->runs, "arm"), status = ps_table_column(&source->runs, "status"), count = 0;
    for (int row = ps_table_find(&source->runs, 0, column, arm); row >= 0;
         row = ps_table_find(&source->runs, row + 1, column, arm))
        count += status < 0 || !lacks_end(source, ps_table_text(&source->runs, row, status));
    return count > 0 ? count : 1;
}

static double series_sum(const emitter *out, const int *rows, const grouping *series, int s, const char *arm) {
    const ps_table *table = &out->source->table;
    int arm_column = ps_table_column(table, "arm"), value = amount_column(table, out->request);
    double sum = 0;
    for (int i = series->start[s]; i < series->start[s + 1]; i++) {
        int row = rows[series->order[i]];
        if (strcmp(ps_table_text(table, row, arm_column), arm) == 0) sum += cell_amount(table, row, value);
    }
    return sum;
}

static ps_status write_pivot(emitter *out, const int *rows, int count) {
    const ps_plot_source *source = out->source;
    int column = ps_table_column(&source->table, out->request->columns),
        arm_column = ps_table_column(&source->arms, "arm");
    grouping series;
    group_key *keys = NULL;
    PS_TRY(group_rows(&source->table, rows, count, &column, 1, &series));
    ps_status status = PS_ALLOC((size_t)series.count + 1, &keys, "the series of a plot");
    if (status != PS_OK) goto cleanup;
    sort_series(&source->table, rows, amount_column(&source->table, out->request), &series, keys);
    int shown = series.count > most_series ? most_series - 1 : series.count;
    fputs("row\tarm", out->stream);
    for (int k = 0; k < shown; k++) {
        fputc('\t', out->stream);
        ps_escape_plot(out->stream,
                       ps_table_text(&source->table, rows[series.order[series.start[keys[k].group]]], column));
    }
    fputs(shown < series.count ? "\tother\n" : "\n", out->stream);
    for (int a = 0; a < source->arms.rows; a++) {
        const char *arm = ps_table_text(&source->arms, a, arm_column);
        double runs = runs_of_arm(source, arm), rest = 0;
        fprintf(out->stream, "%d\t", a);
        ps_escape_plot(out->stream, arm);
        for (int k = 0; k < series.count; k++) {
            double sum = series_sum(out, rows, &series, keys[k].group, arm) / runs;
            if (k < shown) fprintf(out->stream, "\t%.6g", sum);
            else rest += sum;
        }
        if (shown < series.count) fprintf(out->stream, "\t%.6g", rest);
        fputc('\n', out->stream);
    }
cleanup:
    ps_free(keys);
    clear_grouping(&series);
    return status;
}

/* ---- a script's requests ---- */

static ps_status write_query(ps_plot_source *source, const char *plot, const query *request) {
    char *path = NULL;
    int *rows = NULL, count = 0;
    emitter out = {.source = source, .request = request};
    ps_file_writer writer = {0};
    ps_status status = PS_OK;
    PS_TRY_CLEANUP(ps_plot_source_load(source, request->table));
    PS_TRY_CLEANUP(filter_rows(source, request, &rows, &count));
    PS_TRY_CLEANUP(PS_ALLOC((size_t)count + 1, &out.scratch, "the rows of a plot"));
    PS_TRY_CLEANUP(ps_string_format(&path, "%s/%s.%s.tsv", source->data, plot, request->name));
    PS_TRY_CLEANUP(ps_file_writer_open(&writer, path));
    out.stream = writer.stream;
    status = strcmp(request->kind, "from") == 0   ? write_from(&out, rows, count)
             : strcmp(request->kind, "grid") == 0 ? write_grid(&out, rows, count, plot)
                                                  : write_pivot(&out, rows, count);
    if (status == PS_OK) status = ps_file_writer_commit(&writer);
    else ps_file_writer_discard(&writer);
cleanup:
    ps_free(rows);
    ps_free(out.scratch);
    free(path);
    return status;
}

ps_status ps_plot_data_write(ps_plot_source *source, const char *plot, const char *script_path) {
    char *script = NULL;
    size_t size = 0;
    PS_TRY(ps_file_read(script_path, &script, &size));
    ps_status status = PS_OK;
    int number = 0;
    for (char *line = script, *next; line && status == PS_OK; line = next) {
        number++;
        next = strchr(line, '\n');
        if (next) *next++ = '\0';
        if (strncmp(line, "#data ", 6) != 0) continue;
        query request;
        status = parse_query(line + 6, &request)
                     ? write_query(source, plot, &request)
                     : ps_fail(PS_ERR_INPUT,
                               "%s:%d asks for data in words that are not understood; reports/plot_data.h lists them",
                               script_path, number);
    }
    free(script);
    return status;
}

ps_status ps_plot_source_open(const char *tables, const char *data, ps_plot_source *source) {
    *source = (ps_plot_source){.tables = tables, .data = data};
    PS_TRY(ps_table_read_named(tables, "arms", &source->arms));
    return ps_table_read_named(tables, "runs", &source->runs);
}

void ps_plot_source_close(ps_plot_source *source) {
    ps_table_clear(&source->arms);
    ps_table_clear(&source->runs);
    ps_table_clear(&source->table);
}

ps_status ps_plot_source_load(ps_plot_source *source, const char *name) {
    if (strcmp(source->table_name, name) == 0) return PS_OK;
    ps_table_clear(&source->table);
    snprintf(source->table_name, sizeof source->table_name, "%s", name);
    return ps_table_read_named(source->tables, name, &source->table);
}

static bool has_value(const ps_table *table, const char *name) {
    int column = ps_table_column(table, name);
    if (column < 0) return false;
    for (int row = 0; row < table->rows; row++)
        if (!ps_table_missing(table, row, column)) return true;
    return false;
}

ps_status ps_plot_data_recorded(ps_plot_source *source, const char *needs, bool *recorded, char **missing) {
    char *text = NULL;
    *missing = NULL;
    *recorded = true;
    PS_TRY(ps_string_copy(needs, &text));
    ps_status status = PS_OK;
    char *save = NULL;
    for (char *part = strtok_r(text, ";", &save); part && *recorded && status == PS_OK;
         part = strtok_r(NULL, ";", &save)) {
        char *columns = strchr(part, ':');
        if (columns) *columns++ = '\0';
        status = ps_plot_source_load(source, part);
        char *columns_save = NULL;
        for (char *name = columns ? strtok_r(columns, ",", &columns_save) : NULL; name && status == PS_OK && *recorded;
             name = strtok_r(NULL, ",", &columns_save)) {
            if (has_value(&source->table, name)) continue;
            *recorded = false;
            status = ps_string_format(missing, "tables/%s.tsv, column %s", part, name);
        }
    }
    free(text);
    return status;
}
