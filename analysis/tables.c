#include "analysis/tables.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/json_scan.h"
#include "core/file.h"
#include "core/memory.h"

static const struct {
    const char *name, *columns;
} list[] = {
#define PS_TABLE(id, columns) {#id, columns},
#include "analysis/table_list.def"
#undef PS_TABLE
};

struct ps_tables {
    FILE *streams[PS_TABLE_COUNT]; /* the set's */
    int columns[PS_TABLE_COUNT], cells[PS_TABLE_COUNT];
    int faulty; /* id of a table that got a row of wrong width, -1: none */
};

const char *ps_tables_columns(ps_table_id id) { return list[id].columns; }
const char *ps_tables_name(ps_table_id id) { return list[id].name; }

/* Columns of the task's measures, where `text` begins with their place; its length, 0: it does not. */
static size_t print_measures(FILE *stream, const char *text, const ps_trace_task *task) {
    static const struct {
        const char *place, *prefix;
    } places[] = {{"{measures}", ""}, {"{test_measures}", "test_"}};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        size_t length = strlen(places[i].place);
        if (strncmp(text, places[i].place, length) != 0) continue;
        for (int m = 0; m < task->measures; m++)
            fprintf(stream, "%s%s%s", m > 0 ? "\t" : "", places[i].prefix, task->measure[m].name);
        return length;
    }
    return 0;
}

static int print_header(FILE *stream, const char *columns, const ps_trace_task *task) {
    int count = 1;
    for (const char *p = columns; *p != '\0';) {
        size_t length = print_measures(stream, p, task);
        count += length > 0 ? task->measures - 1 : *p == ' ';
        if (length == 0) putc(*p == ' ' ? '\t' : *p, stream);
        p += length > 0 ? length : 1;
    }
    putc('\n', stream);
    return count;
}

static ps_status open_table(ps_tables *tables, ps_file_set *set, const ps_trace_task *task, int id) {
    char *member = NULL;
    PS_TRY(ps_string_format(&member, "tables/%s.tsv", list[id].name));
    ps_status status = ps_file_set_add(set, member, &tables->streams[id]);
    free(member);
    if (status == PS_OK) tables->columns[id] = print_header(tables->streams[id], list[id].columns, task);
    return status;
}

ps_status ps_tables_open(ps_file_set *set, const ps_trace_task *task, ps_tables **out) {
    ps_status status = PS_OK;
    *out = NULL;
    ps_tables *tables = calloc(1, sizeof *tables);
    if (tables == NULL) return ps_fail(PS_ERR_MEMORY, "no memory for the tables");
    tables->faulty = -1;
    for (int id = 0; id < PS_TABLE_COUNT; id++) PS_TRY_CLEANUP(open_table(tables, set, task, id));
    *out = tables;
    tables = NULL;
cleanup:
    ps_tables_close(tables);
    return status;
}

void ps_tables_format(char *buffer, double value) {
    if (ps_is_absent(value)) strcpy(buffer, "NA");
    else if (isnan(value)) strcpy(buffer, "NaN");
    else if (isinf(value)) strcpy(buffer, value > 0 ? "Inf" : "-Inf");
    else snprintf(buffer, 32, "%.9g", value == 0 ? 0.0 : value); /* no "-0" in tables */
}

void ps_tables_format_exact(char *buffer, double value) {
    ps_tables_format(buffer, value);
    for (int digits = 15; isfinite(value) && digits <= 17 && strtod(buffer, NULL) != value; digits++)
        snprintf(buffer, 32, "%.*g", digits, value);
}

/* With 9 digits, sums of differences that are equal differ, and a p-value computed anew is another one. */
static bool is_exact(ps_table_id id) {
    static const ps_table_id exact[] = {PS_TABLE_runs,
                                        PS_TABLE_eval,
                                        PS_TABLE_comparison,
                                        PS_TABLE_pairs,
                                        PS_TABLE_definitions,
                                        PS_TABLE_predictions,
                                        PS_TABLE_sensitivity,
                                        PS_TABLE_dead_time,
                                        PS_TABLE_prediction_seeds,
                                        PS_TABLE_prediction_rows,
                                        PS_TABLE_sweep};
    for (size_t i = 0; i < sizeof exact / sizeof *exact; i++)
        if (exact[i] == id) return true;
    return false;
}

static void print_text(FILE *stream, const char *text) {
    if (text == NULL) text = "NA";
    for (; *text != '\0'; text++) putc_unlocked((unsigned char)*text < 0x20 ? ' ' : *text, stream);
}

/* One thread writes the tables, so no cell takes a lock of its own; whole numbers, which most cells are, need no
 * printf. */
static void print_whole(FILE *stream, long long value) {
    char buffer[24], *p = buffer + sizeof buffer;
    unsigned long long rest = value < 0 ? 0 - (unsigned long long)value : (unsigned long long)value;
    do *--p = (char)('0' + rest % 10);
    while ((rest /= 10) > 0);
    if (value < 0) *--p = '-';
    while (p < buffer + sizeof buffer) putc_unlocked(*p++, stream);
}

static void print_number(FILE *stream, double value, bool exact) {
    char buffer[32];
    if (fabs(value) < 1e9 && value == (double)(long long)value) { /* as %.9g prints it */
        print_whole(stream, (long long)value);
        return;
    }
    if (exact) ps_tables_format_exact(buffer, value);
    else ps_tables_format(buffer, value);
    for (const char *p = buffer; *p != '\0'; p++) putc_unlocked(*p, stream);
}

static void print_cells(ps_tables *tables, ps_table_id id, const char *format, va_list arguments) {
    FILE *stream = tables->streams[id];
    bool exact = is_exact(id);
    for (; *format != '\0'; format++) {
        if (tables->cells[id]++ > 0) putc_unlocked('\t', stream);
        switch (*format) {
            case 's': print_text(stream, va_arg(arguments, const char *)); break;
            case 'i': print_whole(stream, va_arg(arguments, int)); break;
            case 'l': print_whole(stream, va_arg(arguments, long long)); break;
            default: print_number(stream, va_arg(arguments, double), exact);
        }
    }
}

void ps_tables_cells(ps_tables *tables, ps_table_id id, const char *format, ...) {
    va_list arguments;
    if (tables == NULL) return;
    va_start(arguments, format);
    print_cells(tables, id, format, arguments);
    va_end(arguments);
}

void ps_tables_end_row(ps_tables *tables, ps_table_id id) {
    if (tables == NULL) return;
    if (tables->cells[id] != tables->columns[id]) tables->faulty = (int)id;
    tables->cells[id] = 0;
    putc_unlocked('\n', tables->streams[id]);
}

void ps_tables_row(ps_tables *tables, ps_table_id id, const char *format, ...) {
    va_list arguments;
    if (tables == NULL) return;
    va_start(arguments, format);
    print_cells(tables, id, format, arguments);
    va_end(arguments);
    ps_tables_end_row(tables, id);
}

ps_status ps_tables_check(const ps_tables *tables) {
    if (tables->faulty >= 0)
        return ps_fail(PS_ERR_INTERNAL, "table %s got a row whose width is not that of its header",
                       list[tables->faulty].name);
    return PS_OK;
}

void ps_tables_close(ps_tables *tables) { free(tables); }
