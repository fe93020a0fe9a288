#include "analysis/check/tolerance.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/check/golden.h"
#include "analysis/trace_reader.h"
#include "core/file.h"
#include "core/json.h"
#include "core/memory.h"

static const char format_name[] = "poolscope-tolerances";

double ps_relative_error(double expected, double found) {
    double larger = fmax(fabs(expected), fabs(found));
    return larger > 0 ? fabs(found - expected) / larger : 0;
}

const ps_tolerance *ps_tolerances_find(const ps_tolerances *tolerances, const char *quantity) {
    for (size_t i = 0; tolerances != NULL && i < tolerances->count; i++)
        if (strcmp(tolerances->entries[i].quantity, quantity) == 0) return &tolerances->entries[i];
    return NULL;
}

ps_status ps_tolerances_at(ps_tolerances *tolerances, const char *quantity, ps_tolerance **entry) {
    const ps_tolerance *known = ps_tolerances_find(tolerances, quantity);
    if (known != NULL) {
        *entry = &tolerances->entries[known - tolerances->entries];
        return PS_OK;
    }
    PS_TRY(PS_GROW(&tolerances->entries, &tolerances->capacity, tolerances->count + 1, "tolerances"));
    *entry = &tolerances->entries[tolerances->count++];
    return ps_string_copy(quantity, &(*entry)->quantity);
}

void ps_tolerances_clear(ps_tolerances *tolerances) {
    for (size_t i = 0; i < tolerances->count; i++) free(tolerances->entries[i].quantity);
    ps_free_array(tolerances->entries);
    *tolerances = (ps_tolerances){0};
}

/* ---- reading ---- */

static ps_status read_entry(const cJSON *item, const char *path, ps_tolerances *tolerances) {
    static const char *const known[] = {"absolute",  "relative", "largest_absolute", "largest_relative", "values",
                                        "differing", NULL};
    ps_tolerance *entry;
    char *where;
    PS_TRY(ps_tolerances_at(tolerances, item->string, &entry));
    PS_TRY(ps_string_format(&where, "%s: quantities.%s", path, item->string));
    ps_status status =
        cJSON_IsObject(item) ? ps_json_check_keys(item, known, where) : ps_fail(PS_ERR_INPUT, "%s must be an object", where);
    if (status == PS_OK) status = ps_json_get_double(item, "absolute", true, 0, DBL_MAX, where, &entry->absolute);
    if (status == PS_OK) status = ps_json_get_double(item, "relative", true, 0, DBL_MAX, where, &entry->relative);
    free(where);
    return status;
}

static ps_status read_document(const cJSON *document, const char *path, ps_tolerances *tolerances) {
    static const char *const known[] = {"format", "version", "first_steps", "factor", "derivation", "quantities", NULL};
    const char *format = "";
    double first_steps = 0;
    const cJSON *quantities = cJSON_GetObjectItemCaseSensitive(document, "quantities"), *item;
    PS_TRY(ps_json_check_keys(document, known, path));
    PS_TRY(ps_json_get_text(document, "format", true, path, &format));
    if (strcmp(format, format_name) != 0)
        return ps_fail(PS_ERR_INPUT, "%s: \"format\" is not \"%s\"; `poolscope check --calibrate` writes such files", path,
                       format_name);
    PS_TRY(ps_json_get_double(document, "first_steps", false, 0, 9e15, path, &first_steps));
    tolerances->first_steps = (long long)first_steps;
    if (!cJSON_IsObject(quantities))
        return ps_fail(PS_ERR_INPUT, "%s: \"quantities\" must be an object of tolerances", path);
    cJSON_ArrayForEach(item, quantities) PS_TRY(read_entry(item, path, tolerances));
    return PS_OK;
}

ps_status ps_tolerances_read(const char *path, ps_tolerances *tolerances) {
    cJSON *document;
    *tolerances = (ps_tolerances){0};
    PS_TRY(ps_json_read(path, &document));
    ps_status status = read_document(document, path, tolerances);
    cJSON_Delete(document);
    if (status != PS_OK) ps_tolerances_clear(tolerances);
    return status;
}

/* ---- calibration ---- */

static ps_status write_run(FILE *stream, const char *path) {
    ps_trace_reader *reader;
    PS_TRY(ps_trace_reader_open(path, &reader));
    const ps_trace_header *header = ps_trace_reader_header(reader);
    char *machine = cJSON_PrintUnformatted(cJSON_GetObjectItemCaseSensitive(header->document, "machine"));
    fputs("{\"trace\":", stream);
    ps_json_print_text(stream, header->path);
    fputs(",\"producer\":", stream);
    ps_json_print_text(stream, header->producer);
    fprintf(stream, ",\"seed\":%lld,\"machine\":%s}", header->seed, machine != NULL ? machine : "null");
    free(machine);
    ps_trace_reader_destroy(reader);
    return PS_OK;
}

static void write_entry(FILE *stream, const ps_tolerance *entry, double factor) {
    ps_json_print_text(stream, entry->quantity);
    const double numbers[] = {entry->largest_absolute * factor, entry->largest_relative * factor, entry->largest_absolute,
                              entry->largest_relative};
    static const char *const keys[] = {"absolute", "relative", "largest_absolute", "largest_relative"};
    fputs(":{", stream);
    for (int i = 0; i < 4; i++) {
        fprintf(stream, "\"%s\":", keys[i]);
        ps_json_print_double(stream, numbers[i]);
        fputc(',', stream);
    }
    fprintf(stream, "\"values\":%llu,\"differing\":%llu}", (unsigned long long)entry->values,
            (unsigned long long)entry->differing);
}

static ps_status write_tolerances(FILE *stream, const ps_tolerances *measured, const char *const *runs, int run_count,
                                  double factor) {
    fprintf(stream, "{\"format\":\"%s\",\"version\":1,\"first_steps\":%lld,\"factor\":", format_name, measured->first_steps);
    ps_json_print_double(stream, factor);
    fputs(",\n\"derivation\":{\"method\":", stream);
    ps_json_print_text(stream,
                       "Every run was compared, record by record, with the first. Per quantity: the largest absolute "
                       "deviation and the largest relative "
                       "deviation (to the larger magnitude of the two), each times the factor. A value passes when both "
                       "errors are within.");
    fputs(",\"runs\":[\n", stream);
    for (int r = 0; r < run_count; r++) {
        if (r > 0) fputs(",\n", stream);
        PS_TRY(write_run(stream, runs[r]));
    }
    fputs("]},\n\"quantities\":{", stream);
    for (size_t i = 0; i < measured->count; i++) {
        fputs(i > 0 ? ",\n" : "\n", stream);
        write_entry(stream, &measured->entries[i], factor);
    }
    fputs("\n}}\n", stream);
    return PS_OK;
}

ps_status ps_tolerances_calibrate(const char *const *runs, int run_count, long long first_steps, double factor,
                                  const char *out) {
    ps_tolerances measured = {.first_steps = first_steps};
    ps_file_writer writer;
    ps_status status = PS_OK;
    for (int r = 1; r < run_count; r++) PS_TRY_CLEANUP(ps_golden_measure(runs[r], runs[0], first_steps, &measured));
    PS_TRY_CLEANUP(ps_file_writer_open(&writer, out));
    status = write_tolerances(writer.stream, &measured, runs, run_count, factor);
    if (status == PS_OK) status = ps_file_writer_commit(&writer);
    else ps_file_writer_discard(&writer);
cleanup:
    ps_tolerances_clear(&measured);
    return status;
}
