/* "from": rows as they are, or one row for every group. */
#include "reports/plot_data_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "reports/escape.h"

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

typedef struct {
    pick_kind kind;
    ps_plot_amount of;
} pick;

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
    if (!open) return ps_plot_amount_parse(table, expression, &out->of);
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
        return ps_plot_amount_parse(table, inner, &out->of);
    }
    return false;
}

/* values is changed (sorted). */
static double aggregate(pick_kind kind, double *values, int count) {
    if (kind == pick_count) return count;
    if (count == 0) return NAN;
    qsort(values, (size_t)count, sizeof *values, ps_plot_compare_numbers);
    if (kind == pick_min) return values[0];
    if (kind == pick_max) return values[count - 1];
    if (kind == pick_median) return 0.5 * (values[(count - 1) / 2] + values[count / 2]);
    double sum = 0;
    for (int i = 0; i < count; i++) sum += values[i];
    return kind == pick_sum ? sum : sum / count;
}

typedef struct {
    const ps_plot_source *source;
    const ps_plot_query *request;
    FILE *stream;
    pick picks[PS_PLOT_MOST_PICKS];
    double *scratch;
    int last_row; /* of the block, for stairs; -1 at its start */
} emitter;

static void print_pick(FILE *stream, const ps_plot_source *source, const pick *item, const int *rows, int count,
                       double *scratch) {
    const ps_table *table = &source->table;
    if (item->kind == pick_text) ps_escape_plot(stream, ps_table_text(table, rows[0], item->of.column));
    else if (item->kind == pick_arm) fprintf(stream, "%d", ps_plot_arm_of(source, rows[0], item->of.column) + 1);
    else if (item->kind == pick_number) ps_plot_print_number(stream, ps_plot_amount_value(table, &item->of, rows[0]));
    else {
        int finite = 0;
        for (int i = 0; i < count; i++) {
            double value = ps_plot_amount_value(table, &item->of, rows[i]);
            if (isfinite(value)) scratch[finite++] = value;
        }
        ps_plot_print_number(stream, aggregate(item->kind, scratch, finite));
    }
}

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

/* Reorders groups by the number in their first `by` column; text sorts after numbers, as it came. */
static void sort_groups(const ps_table *table, const int *rows, int column, const ps_plot_grouping *groups,
                        ps_plot_key *keys) {
    for (int g = 0; g < groups->count; g++) {
        double number = ps_table_number(table, rows[groups->order[groups->start[g]]], column);
        keys[g] = (ps_plot_key){isnan(number) ? INFINITY : number, g};
    }
    qsort(keys, (size_t)groups->count, sizeof *keys, ps_plot_compare_keys);
}

static ps_status emit_groups(emitter *out, const int *rows, int count) {
    const ps_table *table = &out->source->table;
    int columns[PS_PLOT_MOST_COLUMNS];
    ps_plot_find_columns(table, out->request->by, out->request->by_count, columns);
    ps_plot_grouping groups;
    ps_plot_key *keys = NULL;
    int *members = NULL;
    ps_status status = PS_OK;
    PS_TRY(ps_plot_group_rows(table, rows, count, columns, out->request->by_count, &groups));
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
    ps_plot_grouping_clear(&groups);
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

static ps_status group_blocks(const ps_plot_source *source, const ps_plot_query *request, const int *rows, int count,
                              ps_plot_grouping *blocks) {
    if (request->split_count == 1 && strcmp(request->split[0], "arm") == 0)
        return ps_plot_group_arms(source, rows, count, blocks);
    int columns[PS_PLOT_MOST_COLUMNS];
    ps_plot_find_columns(&source->table, request->split, request->split_count, columns);
    return ps_plot_group_rows(&source->table, rows, count, columns, request->split_count, blocks);
}

static ps_status write_blocks(emitter *out, const int *rows, int count) {
    ps_plot_grouping blocks;
    int *members = NULL;
    PS_TRY(group_blocks(out->source, out->request, rows, count, &blocks));
    ps_status status = PS_ALLOC((size_t)count + 1, &members, "the rows of a plot");
    for (int b = 0; b < blocks.count && status == PS_OK; b++) {
        int size = blocks.start[b + 1] - blocks.start[b];
        for (int i = 0; i < size; i++) members[i] = rows[blocks.order[blocks.start[b] + i]];
        if (b) fputs("\n\n", out->stream);
        status = emit_block(out, members, size);
    }
    ps_free(members);
    ps_plot_grouping_clear(&blocks);
    return status;
}

ps_status ps_plot_write_rows(const ps_plot_output *out, const int *rows, int count) {
    const ps_plot_query *request = out->request;
    emitter emit = {.source = out->source, .request = request, .stream = out->stream};
    for (int i = 0; i < request->pick_count; i++) {
        if (!resolve_pick(&out->source->table, request->picks[i], &emit.picks[i]))
            return ps_fail(PS_ERR_INPUT, "the data set %s picks \"%s\", which is neither a column nor a known function",
                           request->name, request->picks[i]);
    }
    fputc('#', out->stream);
    for (int i = 0; i < request->pick_count; i++) fprintf(out->stream, "%s%s", i ? "\t" : " ", request->picks[i]);
    fputc('\n', out->stream);
    PS_TRY(PS_ALLOC((size_t)count + 1, &emit.scratch, "the rows of a plot"));
    ps_status status = write_blocks(&emit, rows, count);
    ps_free(emit.scratch);
    return status;
}
