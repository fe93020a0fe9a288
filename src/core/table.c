#include "core/table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/memory.h"

static const char *const text_columns[] = {
#define PS_TEXT_COLUMN(name) #name,
#include "core/text_column_list.def"
#undef PS_TEXT_COLUMN
};

static int count_cells(const char *line, const char *end) {
    int count = 1;
    for (; line < end; line++) count += *line == '\t';
    return count;
}

static int count_lines(const char *content, size_t size) {
    int lines = 0;
    for (const char *at = content, *end = content + size; at < end; lines++) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        at = newline ? newline + 1 : end;
    }
    return lines;
}

/* Cuts one line into cells: every tab becomes a terminator. */
static void cut_line(ps_table *table, char *line, char *end, uint32_t *cells) {
    if (end > line && end[-1] == '\r') *--end = '\0';
    int cell = 0;
    cells[cell++] = (uint32_t)(line - table->content);
    for (char *at = line; at < end; at++) {
        if (*at != '\t') continue;
        *at = '\0';
        cells[cell++] = (uint32_t)(at + 1 - table->content);
    }
    *end = '\0';
}

static ps_status cut_content(const char *path, size_t size, ps_table *table) {
    char *end = table->content + size;
    int lines = count_lines(table->content, size);
    char *first_end = memchr(table->content, '\n', size);
    int columns = count_cells(table->content, first_end ? first_end : end);
    PS_TRY(ps_alloc((size_t)lines * (size_t)columns, sizeof *table->cells, "the cells of a table",
                    (void **)&table->cells));
    char *at = table->content;
    for (int line = 0; line < lines; line++) {
        char *stop = memchr(at, '\n', (size_t)(end - at));
        if (!stop) stop = end;
        int found = count_cells(at, stop);
        if (found != columns)
            return ps_fail(PS_ERR_INPUT,
                           "%s:%d has %d cells where the first line names %d columns; make the tables anew with "
                           "`poolscope compare`",
                           path, line + 1, found, columns);
        cut_line(table, at, stop, table->cells + (size_t)line * (size_t)columns);
        at = stop < end ? stop + 1 : end;
    }
    table->columns = columns;
    table->rows = lines - 1;
    return PS_OK;
}

/* ---- damaged numbers ---- */

/* `value` belongs to its row's key in tables that have keys, and is a number elsewhere. */
static bool is_text_column(const ps_table *table, int column) {
    const char *name = ps_table_name(table, column);
    if (strcmp(name, "value") == 0) return ps_table_column(table, "key") >= 0;
    for (size_t i = 0; i < sizeof text_columns / sizeof *text_columns; i++)
        if (strcmp(name, text_columns[i]) == 0) return true;
    return false;
}

static bool is_number(const char *text) {
    char *end = NULL;
    if (text[0] == '\0' || text[strspn(text, "+-.0123456789eE")] != '\0') return false;
    (void)strtod(text, &end);
    return *end == '\0';
}

static bool stands_for_number(const char *text) {
    static const char *const words[] = {"", "NA", "NaN", "Inf", "-Inf"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(text, words[i]) == 0) return true;
    return false;
}

/* A column of an older or newer version that is text throughout passes; one number makes it a column of numbers. */
static ps_status check_column(const char *path, const ps_table *table, int column) {
    int numbers = 0, damaged = -1;
    for (int row = 0; row < table->rows && (numbers == 0 || damaged < 0); row++) {
        const char *text = ps_table_text(table, row, column);
        if (is_number(text)) numbers++;
        else if (damaged < 0 && !stands_for_number(text)) damaged = row;
    }
    if (numbers == 0 || damaged < 0) return PS_OK;
    return ps_fail(PS_ERR_INPUT,
                   "%s:%d: \"%.40s\" in column %s is no number; make the tables anew with `poolscope compare`", path,
                   damaged + 2, ps_table_text(table, damaged, column), ps_table_name(table, column));
}

static ps_status check_numbers(const char *path, const ps_table *table) {
    for (int column = 0; column < table->columns; column++)
        if (!is_text_column(table, column)) PS_TRY(check_column(path, table, column));
    return PS_OK;
}

ps_status ps_table_read(const char *path, ps_table *table) {
    *table = (ps_table){0};
    if (!ps_file_exists(path)) return PS_OK;
    size_t size = 0;
    PS_TRY(ps_file_read(path, &table->content, &size));
    ps_status status = PS_OK;
    if (size >= UINT32_MAX)
        status =
            ps_fail(PS_ERR_INPUT,
                    "%s is larger than 4 GiB, which the reports cannot read; record fewer windows or layers", path);
    else if (size > 0) status = cut_content(path, size, table);
    if (status == PS_OK && size > 0) status = check_numbers(path, table);
    if (status != PS_OK || size == 0) ps_table_clear(table);
    return status;
}

ps_status ps_table_read_named(const char *directory, const char *name, ps_table *table) {
    *table = (ps_table){0};
    char *path = NULL;
    PS_TRY(ps_string_format(&path, "%s/%s.tsv", directory, name));
    ps_status status = ps_table_read(path, table);
    free(path);
    return status;
}

void ps_table_clear(ps_table *table) {
    free(table->content);
    ps_free(table->cells);
    *table = (ps_table){0};
}

static const char *cell(const ps_table *table, int line, int column) {
    return table->content + table->cells[(size_t)line * (size_t)table->columns + (size_t)column];
}

int ps_table_column(const ps_table *table, const char *name) {
    for (int column = 0; column < table->columns; column++)
        if (strcmp(cell(table, 0, column), name) == 0) return column;
    return -1;
}

const char *ps_table_name(const ps_table *table, int column) { return cell(table, 0, column); }

const char *ps_table_text(const ps_table *table, int row, int column) {
    return column < 0 ? "NA" : cell(table, row + 1, column);
}

bool ps_table_missing(const ps_table *table, int row, int column) {
    const char *text = ps_table_text(table, row, column);
    return text[0] == '\0' || strcmp(text, "NA") == 0;
}

double ps_table_number(const ps_table *table, int row, int column) {
    const char *text = ps_table_text(table, row, column);
    char *end = NULL;
    double value = strtod(text, &end);
    return end == text || *end != '\0' ? NAN : value;
}

int ps_table_find(const ps_table *table, int from, int column, const char *text) {
    for (int row = from; row < table->rows; row++)
        if (strcmp(ps_table_text(table, row, column), text) == 0) return row;
    return -1;
}
