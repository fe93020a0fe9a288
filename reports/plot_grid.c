/* "grid": means over the cells of two axes, for heat maps. */
#include "reports/plot_data_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/memory.h"
#include "reports/escape.h"

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
        in->count ? bsearch(&value, in->values, (size_t)in->count, sizeof value, ps_plot_compare_numbers) : NULL;
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

static ps_status write_cells(const ps_plot_output *out, const int *rows, int count, const axis *x, const axis *y,
                             double *largest) {
    const ps_table *table = &out->source->table;
    int columns[2] = {ps_table_column(table, out->request->x), ps_table_column(table, out->request->y)};
    ps_plot_amount of;
    size_t cells = (size_t)x->cells * (size_t)y->cells + 1;
    double *sums = NULL;
    int *counts = NULL;
    ps_plot_grouping arms = {0};
    if (!ps_plot_amount_parse(table, out->request->value, &of))
        return ps_fail(PS_ERR_INPUT, "the data set %s draws \"%s\", which is no column", out->request->name,
                       out->request->value);
    ps_status status = PS_OK;
    PS_TRY_CLEANUP(PS_ALLOC(cells, &sums, "a heat map"));
    PS_TRY_CLEANUP(PS_ALLOC(cells, &counts, "a heat map"));
    PS_TRY_CLEANUP(ps_plot_group_arms(out->source, rows, count, &arms));
    fputs("# column\trow\tvalue\n", out->stream);
    for (int a = 0; a < arms.count; a++) {
        memset(sums, 0, cells * sizeof *sums);
        memset(counts, 0, cells * sizeof *counts);
        for (int i = arms.start[a]; i < arms.start[a + 1]; i++) {
            int row = rows[arms.order[i]];
            int c = axis_cell(x, ps_table_number(table, row, columns[0])),
                r = axis_cell(y, ps_table_number(table, row, columns[1]));
            double value = ps_plot_amount_value(table, &of, row);
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
    ps_plot_grouping_clear(&arms);
    return status;
}

static ps_status write_size(const char *path, const axis *x, const axis *y, double largest) {
    ps_file_writer writer;
    PS_TRY(ps_file_writer_open(&writer, path));
    fprintf(writer.stream, "# columns\trows\tlargest\n%d\t%d\t", x->cells, y->cells);
    ps_plot_print_number(writer.stream, largest);
    fputc('\n', writer.stream);
    return ps_file_writer_commit(&writer);
}

ps_status ps_plot_write_grid(const ps_plot_output *out, const int *rows, int count, const char *plot) {
    const ps_table *table = &out->source->table;
    const ps_plot_query *request = out->request;
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
