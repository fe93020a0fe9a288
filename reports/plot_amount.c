/* Numbers of cells, as they are taken and as they are written. */
#include "reports/plot_data_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

bool ps_plot_amount_parse(const ps_table *table, const char *expression, ps_plot_amount *out) {
    char text[96], *name = text;
    int length = snprintf(text, sizeof text, "%s", expression);
    *out = (ps_plot_amount){-1, -1, 1};
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

double ps_plot_amount_value(const ps_table *table, const ps_plot_amount *of, int row) {
    double value = of->factor * ps_table_number(table, row, of->column);
    return of->divisor >= 0 ? value / ps_table_number(table, row, of->divisor) : value;
}

void ps_plot_print_number(FILE *stream, double value) {
    if (isfinite(value)) fprintf(stream, "%.9g", value);
    else fputs("NA", stream);
}

int ps_plot_compare_numbers(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}
