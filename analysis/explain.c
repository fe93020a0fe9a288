#include "analysis/explain.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "analysis/trace_reader.h"
#include "core/file.h"
#include "core/json.h"
#include "core/memory.h"
#include "core/text.h"

static const char *text_of(const cJSON *object, const char *key) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    return cJSON_IsString(item) ? item->valuestring : "";
}

/* Numbers of the verdict as they stand there: also null and "NaN". */
static const char *shown(const cJSON *object, const char *key, char *buffer, size_t size) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    if (cJSON_IsNumber(item)) snprintf(buffer, size, "%.6g", item->valuedouble);
    else snprintf(buffer, size, "%s", cJSON_IsString(item) ? item->valuestring : "-");
    return buffer;
}

static void list_predictions(const cJSON *predictions, FILE *stream) {
    const cJSON *item;
    cJSON_ArrayForEach(item, predictions)
        fprintf(stream, "%-4s %-13s %s\n", text_of(item, "id"), text_of(item, "verdict"), text_of(item, "title"));
}

static ps_status find_prediction(const cJSON *predictions, const char *id, const cJSON **found) {
    const cJSON *item;
    char known[512] = "";
    cJSON_ArrayForEach(item, predictions) {
        size_t used = strlen(known);
        *found = item;
        if (strcasecmp(text_of(item, "id"), id) == 0) return PS_OK;
        snprintf(known + used, sizeof known - used, "%s%s", used > 0 ? ", " : "", text_of(item, "id"));
    }
    return ps_fail(PS_ERR_USAGE, "there is no prediction \"%s\"; known are %s", id, known);
}

/* Prints the head of the record the counting began with. */
static ps_status show_line(const char *path, uint64_t line, FILE *stream) {
    ps_trace_reader *reader;
    PS_TRY(ps_trace_reader_open(path, &reader));
    ps_status status = PS_OK;
    bool more = true;
    while (status == PS_OK && more && ps_trace_reader_line(reader) < line) {
        ps_trace_record record;
        status = ps_trace_reader_next(reader, &record, &more);
        if (status == PS_OK && more && record.line == line)
            fprintf(stream, "      %s:%llu: %.100s%s\n", path, (unsigned long long)line, record.text,
                    strlen(record.text) > 100 ? " ..." : "");
    }
    if (status == PS_OK && ps_trace_reader_line(reader) < line)
        status =
            ps_fail(PS_ERR_INPUT, "%s: has no line %llu any more; compare the runs again", path, (unsigned long long)line);
    ps_trace_reader_destroy(reader);
    return status;
}

static bool starts_with_cells(const char *row, const char *arm, const char *seed) {
    size_t a = strlen(arm), s = strlen(seed);
    return strncmp(row, arm, a) == 0 && row[a] == '\t' && strncmp(row + a + 1, seed, s) == 0 &&
           (row[a + 1 + s] == '\t' || row[a + 1 + s] == '\n');
}

/* The rows of a table that belong to the arm and seed: how many, which lines, and the first of them under the table's
 * header. */
static ps_status show_table(const char *directory, const char *table, const char *arm, const char *seed, FILE *stream) {
    char *path = NULL, *content = NULL, *rest, *line, *header = NULL, *first = NULL;
    int number = 0, rows = 0, from = 0, to = 0;
    ps_status status = ps_string_format(&path, "%s/tables/%s.tsv", directory, table);
    if (status == PS_OK) status = ps_file_read(path, &content, NULL);
    for (rest = content; status == PS_OK && (line = strsep(&rest, "\n")) != NULL;) {
        if (++number == 1) header = line;
        if (number == 1 || !starts_with_cells(line, arm, seed)) continue;
        if (rows++ == 0) {
            first = line;
            from = number;
        }
        to = number;
    }
    if (status == PS_OK) fprintf(stream, "    %s: %d rows, lines %d to %d\n", path, rows, from, to);
    if (status == PS_OK && rows > 0) fprintf(stream, "      %s\n      %s\n", header, first);
    free(content);
    free(path);
    return status;
}

static ps_status show_seed(const char *directory, const cJSON *prediction, const cJSON *value, FILE *stream) {
    char seed[64], number[64], cases[64];
    const cJSON *table, *line = cJSON_GetObjectItemCaseSensitive(value, "first_line"), *diverged;
    shown(value, "seed", seed, sizeof seed);
    diverged = cJSON_GetObjectItemCaseSensitive(value, "diverged");
    fprintf(stream, "\n  seed %s: %s%s, counted from %s cases\n", seed, shown(value, "value", number, sizeof number),
            cJSON_IsTrue(diverged) ? " (diverged: ranked worst)" : "", shown(value, "cases", cases, sizeof cases));
    cJSON_ArrayForEach(table, cJSON_GetObjectItemCaseSensitive(prediction, "tables")) {
        if (!cJSON_IsString(table)) continue;
        PS_TRY(show_table(directory, table->valuestring, text_of(prediction, "arm"), seed, stream));
        if (text_of(prediction, "against")[0] != '\0')
            PS_TRY(show_table(directory, table->valuestring, text_of(prediction, "against"), seed, stream));
    }
    if (!cJSON_IsNumber(line) || !(line->valuedouble >= 1)) return PS_OK;
    fprintf(stream, "    trace rows, from\n");
    return show_line(text_of(value, "trace"), (uint64_t)line->valuedouble, stream);
}

static ps_status show_prediction(const char *directory, const cJSON *p, FILE *stream) {
    char a[64], b[64], c[64], d[64];
    const cJSON *value;
    fprintf(stream, "%s  %s\n\n  %s\n  counted over: %s\n  statistic:    %s\n  supports it:  %s\n  refutes it:   %s\n\n",
            text_of(p, "id"), text_of(p, "title"), text_of(p, "statement"), text_of(p, "population"),
            text_of(p, "statistic"), text_of(p, "supports"), text_of(p, "refutes"));
    fprintf(stream, "  verdict: %s\n  %s\n", text_of(p, "verdict"), text_of(p, "sentence"));
    fprintf(stream, "  estimate %s, margin %s, p %s, after Holm %s", shown(p, "estimate", a, sizeof a),
            shown(p, "margin", b, sizeof b), shown(p, "p", c, sizeof c), shown(p, "p_holm", d, sizeof d));
    fprintf(stream, "; best possible p %s\n", shown(p, "best_p", a, sizeof a));
    cJSON_ArrayForEach(value, cJSON_GetObjectItemCaseSensitive(p, "values")) PS_TRY(show_seed(directory, p, value, stream));
    return PS_OK;
}

static ps_status explain(const char *directory, const char *prediction, FILE *stream) {
    char *path = NULL;
    cJSON *document = NULL;
    const cJSON *found = NULL;
    ps_status status = ps_file_join(directory, "verdict.json", &path);
    if (status == PS_OK) status = ps_json_read(path, &document);
    const cJSON *predictions = cJSON_GetObjectItemCaseSensitive(document, "predictions");
    if (status == PS_OK && !cJSON_IsArray(predictions))
        status = ps_fail(PS_ERR_INPUT, "%s: has no \"predictions\"; is it a verdict of poolscope compare?", path);
    if (status == PS_OK && prediction == NULL) list_predictions(predictions, stream);
    if (status == PS_OK && prediction != NULL) status = find_prediction(predictions, prediction, &found);
    if (status == PS_OK && prediction != NULL) status = show_prediction(directory, found, stream);
    cJSON_Delete(document);
    free(path);
    return status;
}

/* Texts of the verdict, the tables and the trace are in it: what a terminal would obey is taken out. */
ps_status ps_explain(const char *directory, const char *prediction, FILE *stream) {
    char *text = NULL;
    size_t size;
    FILE *memory = open_memstream(&text, &size);
    if (memory == NULL) return ps_fail(PS_ERR_MEMORY, "no memory for an explanation");
    ps_status status = explain(directory, prediction, memory);
    if (fclose(memory) != 0 && status == PS_OK) status = ps_fail(PS_ERR_MEMORY, "no memory for an explanation");
    if (status == PS_OK) {
        ps_text_make_showable(text, true);
        fputs(text, stream);
    }
    free(text);
    return status;
}
