/* "pivot": one row an arm, one column a value. */
#include "reports/plot_data_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "reports/escape.h"

enum { counts_rows = -2, most_series = 8 };

/* Column that is summed, or counts_rows where every row counts as one. */
static int amount_column(const ps_table *table, const ps_plot_query *request) {
    return strcmp(request->value, "#") == 0 ? counts_rows : ps_table_column(table, request->value);
}

static double cell_amount(const ps_table *table, int row, int column) {
    if (column == counts_rows) return 1;
    double number = ps_table_number(table, row, column);
    return isfinite(number) ? number : 0;
}

/* Orders series by their sum over everything, largest first, so that the commonest get the colours. */
static void sort_series(const ps_table *table, const int *rows, int value, const ps_plot_grouping *series,
                        ps_plot_key *keys) {
    for (int s = 0; s < series->count; s++) {
        double sum = 0;
        for (int i = series->start[s]; i < series->start[s + 1]; i++)
            sum += cell_amount(table, rows[series->order[i]], value);
        keys[s] = (ps_plot_key){-sum, s};
    }
    qsort(keys, (size_t)series->count, sizeof *keys, ps_plot_compare_keys);
}

/* Those that came to their end, at least 1. */
static int runs_of_arm(const ps_plot_source *source, const char *arm) {
    int column = ps_table_column(&source->runs, "arm"), status = ps_table_column(&source->runs, "status"), count = 0;
    for (int row = ps_table_find(&source->runs, 0, column, arm); row >= 0;
         row = ps_table_find(&source->runs, row + 1, column, arm))
        count += status < 0 || !ps_plot_lacks_end(source, ps_table_text(&source->runs, row, status));
    return count > 0 ? count : 1;
}

static double series_sum(const ps_plot_output *out, const int *rows, const ps_plot_grouping *series, int s,
                         const char *arm) {
    const ps_table *table = &out->source->table;
    int arm_column = ps_table_column(table, "arm"), value = amount_column(table, out->request);
    double sum = 0;
    for (int i = series->start[s]; i < series->start[s + 1]; i++) {
        int row = rows[series->order[i]];
        if (strcmp(ps_table_text(table, row, arm_column), arm) == 0) sum += cell_amount(table, row, value);
    }
    return sum;
}

ps_status ps_plot_write_pivot(const ps_plot_output *out, const int *rows, int count) {
    const ps_plot_source *source = out->source;
    int column = ps_table_column(&source->table, out->request->columns),
        arm_column = ps_table_column(&source->arms, "arm");
    ps_plot_grouping series;
    ps_plot_key *keys = NULL;
    PS_TRY(ps_plot_group_rows(&source->table, rows, count, &column, 1, &series));
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
    ps_plot_grouping_clear(&series);
    return status;
}
