/* Which rows of a table a request is about. */
#include "reports/plot_data_internal.h"

#include <math.h>
#include <string.h>

#include "core/memory.h"

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

bool ps_plot_lacks_end(const ps_plot_source *source, const char *status) {
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
            return ps_plot_lacks_end(source, ps_table_text(runs, row, status));
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
        if (last < 0 || !ps_plot_same_cells(table, last, row, (int[]){arm, seed}, 2))
            unfinished = is_unfinished(source, ps_table_text(table, row, arm), ps_table_text(table, row, seed));
        last = row;
        if (!unfinished) rows[kept++] = row;
    }
    return kept;
}

/* Keeps the rows with the largest number of a column within their arm and seed. */
static ps_status keep_last(const ps_table *table, int column, int *rows, int *count) {
    int keys[2] = {ps_table_column(table, "arm"), ps_table_column(table, "seed")};
    ps_plot_grouping groups;
    PS_TRY(ps_plot_group_rows(table, rows, *count, keys, 2, &groups));
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
    ps_plot_grouping_clear(&groups);
    return status;
}

ps_status ps_plot_filter_rows(const ps_plot_source *source, const ps_plot_query *request, int **rows, int *count) {
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
