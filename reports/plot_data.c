/* The requests of a plot's script, one by one; which tables there are. */
#include "reports/plot_data_internal.h"

#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/memory.h"

static ps_status write_query(ps_plot_source *source, const char *plot, const ps_plot_query *request) {
    char *path = NULL;
    int *rows = NULL, count = 0;
    ps_plot_output out = {.source = source, .request = request};
    ps_file_writer writer = {0};
    ps_status status = PS_OK;
    PS_TRY_CLEANUP(ps_plot_source_load(source, request->table));
    PS_TRY_CLEANUP(ps_plot_filter_rows(source, request, &rows, &count));
    PS_TRY_CLEANUP(ps_string_format(&path, "%s/%s.%s.tsv", source->data, plot, request->name));
    PS_TRY_CLEANUP(ps_file_writer_open(&writer, path));
    out.stream = writer.stream;
    status = strcmp(request->kind, "from") == 0   ? ps_plot_write_rows(&out, rows, count)
             : strcmp(request->kind, "grid") == 0 ? ps_plot_write_grid(&out, rows, count, plot)
                                                  : ps_plot_write_pivot(&out, rows, count);
    if (status == PS_OK) status = ps_file_writer_commit(&writer);
    else ps_file_writer_discard(&writer);
cleanup:
    ps_free(rows);
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
        ps_plot_query request;
        status = ps_plot_query_parse(line + 6, &request)
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
