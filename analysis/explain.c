#include "analysis/explain.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "analysis/compare.h"
#include "analysis/explain_internal.h"
#include "analysis/trace_reader.h"
#include "core/file.h"
#include "core/json.h"
#include "core/memory.h"
#include "core/text.h"
#include "trace/trace_input.h"

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

static bool is_same_file(const char *a, const char *b) {
    char *x = realpath(a, NULL), *y = realpath(b, NULL);
    bool same = x != NULL && y != NULL && strcmp(x, y) == 0;
    free(x);
    free(y);
    return same;
}

/* The trace as seen from where the program runs; free with free(). */
ps_status ps_explain_find_trace(const ps_explain_place *at, const char *path, char **found) {
    char *start = NULL;
    if (path[0] == '/' || at->traces_from[0] == '\0') return ps_string_copy(path, found);
    PS_TRY(ps_file_join(at->directory, at->traces_from, &start));
    ps_status status = ps_file_join(start, path, found);
    free(start);
    if (status != PS_OK || !is_same_file(*found, path)) return status;
    free(*found); /* shorter, as it was given */
    return ps_string_copy(path, found);
}

/* Prints the head of the line of the trace. */
ps_status ps_explain_show_line(const char *path, uint64_t line, FILE *stream) {
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
        status = ps_fail(PS_ERR_INPUT, "%s: has no line %llu any more; compare the runs again", path,
                         (unsigned long long)line);
    ps_trace_reader_destroy(reader);
    return status;
}

static ps_status show_line(const ps_explain_place *at, const char *path, uint64_t line, FILE *stream) {
    char *found = NULL;
    if (line == 0 || path[0] == '\0') return PS_OK;
    ps_status status = ps_explain_find_trace(at, path, &found);
    bool unnamed = status == PS_OK && strstr(found, "\xEF\xBF\xBD") != NULL && !ps_file_exists(found);
    if (unnamed)
        fprintf(stream, "      %s:%llu (the name is no UTF-8, so the verdict cannot lead there)\n", path,
                (unsigned long long)line);
    else if (status == PS_OK) status = ps_explain_show_line(found, line, stream);
    free(found);
    return status;
}

/* ---- tables: rows of cells, found by the names of their columns ---- */

enum { SHOWN_ROWS = 3 };

static void split(char *text, const char **cells, int *count) {
    *count = 0;
    for (char *rest = text, *cell; *count < PS_EXPLAIN_MOST_CELLS && (cell = strsep(&rest, "\t")) != NULL;)
        cells[(*count)++] = cell;
}

/* False at the end. Longer lines than fit are cut; the columns asked for stand before the long ones. */
static bool next_line(ps_explain_rows *t) {
    if (*t->next == '\0') return false;
    size_t length = strcspn(t->next, "\n");
    snprintf(t->text, sizeof t->text, "%.*s", (int)(length < PS_EXPLAIN_MOST_LINE ? length : PS_EXPLAIN_MOST_LINE - 1),
             t->next);
    t->next += length + (t->next[length] == '\n');
    t->line++;
    return true;
}

bool ps_explain_next_row(ps_explain_rows *t) {
    int count;
    if (!next_line(t)) return false;
    strcpy(t->cut, t->text);
    split(t->cut, t->cells, &count);
    for (; count < t->columns; count++) t->cells[count] = "";
    return true;
}

ps_status ps_explain_open_table(const ps_explain_place *at, const char *name, ps_explain_rows *t) {
    memset(t, 0, sizeof *t);
    PS_TRY(ps_string_format(&t->path, "%s/tables/%s.tsv", at->directory, name));
    PS_TRY(ps_file_read(t->path, &t->content, NULL));
    t->next = t->content;
    if (next_line(t)) strcpy(t->header, t->text);
    split(t->header, t->names, &t->columns);
    return PS_OK;
}

void ps_explain_close_table(ps_explain_rows *t) {
    free(t->path);
    free(t->content);
}

/* "" where there is no such column. */
const char *ps_explain_cell(const ps_explain_rows *t, const char *name) {
    for (int c = 0; c < t->columns; c++)
        if (strcmp(t->names[c], name) == 0) return t->cells[c];
    return "";
}

static bool is_of(const ps_explain_rows *t, const char *arm, const char *seed) {
    const char *of = ps_explain_cell(t, "seed");
    return strcmp(ps_explain_cell(t, "arm"), arm) == 0 && (of[0] == '\0' || strcmp(of, seed) == 0);
}

/* The rows of a table that belong to the arm and seed: how many, which lines, and the first of them. */
static ps_status show_table(const ps_explain_place *at, const char *table, const char *arm, const char *seed,
                            FILE *stream) {
    ps_explain_rows *t;
    char first[PS_EXPLAIN_MOST_LINE] = "";
    int rows = 0, from = 0, to = 0;
    PS_TRY(PS_ALLOC(1, &t, "rows of a table"));
    ps_status status = ps_explain_open_table(at, table, t);
    while (status == PS_OK && ps_explain_next_row(t)) {
        if (!is_of(t, arm, seed)) continue;
        if (rows++ == 0) {
            strcpy(first, t->text);
            from = t->line;
        }
        to = t->line;
    }
    if (status == PS_OK && rows > 0)
        fprintf(stream, "    %s: %d row%s of arm %s, line%s %d to %d\n      %s\n", t->path, rows, rows == 1 ? "" : "s",
                arm, rows == 1 ? "" : "s", from, to, first);
    ps_explain_close_table(t);
    ps_free(t);
    return status;
}

/* ---- the terms of a number ---- */

typedef struct {
    int rows;
    double amount, weight;
    char trace[PS_EXPLAIN_MOST_LINE],
        against_trace[PS_EXPLAIN_MOST_LINE]; /* the latter of pairs' terms, "" for others */
    uint64_t line, against_line;             /* of the first term */
} term_sum;

static bool is_there(const char *text) { return text[0] != '\0' && strcmp(text, "NA") != 0; }

static void show_term(const ps_explain_rows *t, FILE *stream) {
    fprintf(stream, "      %s, window %s, step %s: %s of %s  <- %s:%s", ps_explain_cell(t, "layer"),
            ps_explain_cell(t, "window"), ps_explain_cell(t, "step"), ps_explain_cell(t, "amount"),
            ps_explain_cell(t, "weight"), ps_explain_cell(t, "trace"), ps_explain_cell(t, "line"));
    if (is_there(ps_explain_cell(t, "against_trace")))
        fprintf(stream, " and %s:%s", ps_explain_cell(t, "against_trace"), ps_explain_cell(t, "against_line"));
    putc('\n', stream);
}

static void add_term(const ps_explain_rows *t, term_sum *sum) {
    if (sum->rows++ == 0) {
        snprintf(sum->trace, sizeof sum->trace, "%s", ps_explain_cell(t, "trace"));
        sum->line = strtoull(ps_explain_cell(t, "line"), NULL, 10);
        snprintf(sum->against_trace, sizeof sum->against_trace, "%s",
                 is_there(ps_explain_cell(t, "against_trace")) ? ps_explain_cell(t, "against_trace") : "");
        sum->against_line = strtoull(ps_explain_cell(t, "against_line"), NULL, 10);
    }
    sum->amount += strtod(ps_explain_cell(t, "amount"), NULL);
    sum->weight += strtod(ps_explain_cell(t, "weight"), NULL);
}

static void show_sum(const term_sum *sum, FILE *stream) {
    char amount[32], weight[32], mean[32];
    fprintf(stream, "      sum %s of %s = %s\n", ps_text_number(sum->amount, 9, amount),
            ps_text_number(sum->weight, 9, weight),
            ps_text_number(sum->weight != 0 ? sum->amount / sum->weight : 0, 9, mean));
}

/* Adds the terms of the measure up again, and shows the first of them. */
static ps_status sum_terms(const ps_explain_place *at, const char *measure, const char *arm, const char *seed,
                           term_sum *sum, FILE *stream) {
    ps_explain_rows *t;
    PS_TRY(PS_ALLOC(1, &t, "rows of a table"));
    ps_status status = ps_explain_open_table(at, "prediction_rows", t);
    memset(sum, 0, sizeof *sum);
    while (status == PS_OK && ps_explain_next_row(t)) {
        if (strcmp(ps_explain_cell(t, "measure"), measure) != 0 || !is_of(t, arm, seed)) continue;
        add_term(t, sum);
        if (sum->rows == 1) fprintf(stream, "    %s of arm %s, term by term (%s)\n", measure, arm, t->path);
        if (sum->rows <= SHOWN_ROWS) show_term(t, stream);
    }
    if (status == PS_OK && sum->rows > SHOWN_ROWS) fprintf(stream, "      ... %d more\n", sum->rows - SHOWN_ROWS);
    if (status == PS_OK && sum->rows > 0) show_sum(sum, stream);
    ps_explain_close_table(t);
    ps_free(t);
    if (status == PS_OK && sum->rows > 0) status = show_line(at, sum->trace, sum->line, stream);
    if (status == PS_OK && sum->rows > 0) status = show_line(at, sum->against_trace, sum->against_line, stream);
    return status;
}

/* Whether the terms give the number of the verdict; PS_ERR_INPUT where they do not: table and verdict are of two
 * comparisons. */
static ps_status compare_with(double given, double sum, const char *what, FILE *stream) {
    if (fabs(given - sum) > 1e-6 * fmax(1, fabs(sum)))
        return ps_fail(PS_ERR_INPUT,
                       "the terms in prediction_rows.tsv give %.9g, verdict.json says %.9g; compare the runs again",
                       sum, given);
    fprintf(stream, "    recomputed: %s%.9g, as in verdict.json\n", what, sum);
    return PS_OK;
}

static ps_status compare_sum(const cJSON *value, double sum, FILE *stream) {
    const cJSON *given = cJSON_GetObjectItemCaseSensitive(value, "value");
    return cJSON_IsNumber(given) ? compare_with(given->valuedouble, sum, "", stream) : PS_OK;
}

/* Of a hazard ratio the terms make its score at the margin, whose sign is the pair's vote. */
static ps_status compare_score(const cJSON *value, double score, FILE *stream) {
    const cJSON *observed = cJSON_GetObjectItemCaseSensitive(value, "observed");
    const cJSON *expected = cJSON_GetObjectItemCaseSensitive(value, "expected");
    if (!cJSON_IsNumber(observed) || !cJSON_IsNumber(expected)) return PS_OK;
    return compare_with(observed->valuedouble - expected->valuedouble, score, "score at the margin ", stream);
}

static double ratio_of(const term_sum *sum) { return sum->weight != 0 ? sum->amount / sum->weight : 0; }

/* Of a median, whose terms are the values in the middle: that no more than half of the values lie below it. */
static ps_status show_below(const ps_explain_place *at, const char *measure, const char *arm, const char *seed,
                            term_sum *sum, FILE *stream) {
    char name[128];
    snprintf(name, sizeof name, "%s_below", measure);
    PS_TRY(sum_terms(at, name, arm, seed, sum, stream));
    if (sum->rows > 0 && 2 * sum->amount > sum->weight)
        return ps_fail(PS_ERR_INPUT,
                       "in prediction_rows.tsv %.9g of %.9g values lie below their median; compare the runs again",
                       sum->amount, sum->weight);
    return PS_OK;
}

static ps_status show_terms(const ps_explain_place *at, const cJSON *part, const cJSON *value, const char *seed,
                            FILE *stream) {
    const char *measure = text_of(part, "measure"), *against = text_of(part, "against");
    bool paired = against[0] != '\0' && measure[0] != '@';
    term_sum *sums;
    PS_TRY(PS_ALLOC(2, &sums, "terms of a number"));
    ps_status status = sum_terms(at, measure, text_of(part, "arm"), seed, &sums[0], stream);
    if (status == PS_OK && paired) status = sum_terms(at, measure, against, seed, &sums[1], stream);
    if (status == PS_OK && sums[0].rows > 0 && measure[0] == '@') status = compare_score(value, sums[0].amount, stream);
    else if (status == PS_OK && sums[0].rows > 0 && (!paired || sums[1].rows > 0))
        status = compare_sum(value, ratio_of(&sums[0]) - (paired ? ratio_of(&sums[1]) : 0), stream);
    else if (status == PS_OK && cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(value, "no_event"))) {
        fprintf(stream, "    no event in either arm: its score is 0, and there is no term\n");
    } else if (status == PS_OK)
        status = ps_fail(PS_ERR_INPUT,
                         "prediction_rows.tsv has no term of %s for arm %s and seed %s; compare the runs again",
                         measure, text_of(part, "arm"), seed);
    if (status == PS_OK && !paired) status = show_below(at, measure, text_of(part, "arm"), seed, &sums[0], stream);
    ps_free(sums);
    return status;
}

static ps_status show_tables(const ps_explain_place *at, const cJSON *prediction, const char *arm, const char *seed,
                             FILE *stream) {
    const cJSON *table;
    cJSON_ArrayForEach(
        table, cJSON_GetObjectItemCaseSensitive(prediction, "tables")) if (cJSON_IsString(table) && arm[0] != '\0')
        PS_TRY(show_table(at, table->valuestring, arm, seed, stream));
    return PS_OK;
}

static ps_status show_first_line(const ps_explain_place *at, const cJSON *value, const char *trace, const char *line,
                                 FILE *stream) {
    const cJSON *number = cJSON_GetObjectItemCaseSensitive(value, line);
    if (!cJSON_IsNumber(number) || !(number->valuedouble >= 1)) return PS_OK;
    fprintf(stream, "    trace rows, from\n");
    return show_line(at, text_of(value, trace), (uint64_t)number->valuedouble, stream);
}

static ps_status show_seed(const ps_explain_place *at, const cJSON *prediction, const cJSON *part, const cJSON *value,
                           FILE *stream) {
    char seed[64], number[64], cases[64];
    bool diverged = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(value, "diverged"));
    shown(value, "seed", seed, sizeof seed);
    fprintf(stream, "\n  seed %s: %s%s, counted from %s cases\n", seed, shown(value, "value", number, sizeof number),
            diverged ? " (diverged: ranked worst, its partner's divergence best)" : "",
            shown(value, "cases", cases, sizeof cases));
    if (!diverged) PS_TRY(show_terms(at, part, value, seed, stream));
    PS_TRY(show_tables(at, prediction, text_of(part, "arm"), seed, stream));
    PS_TRY(show_tables(at, prediction, text_of(part, "against"), seed, stream));
    PS_TRY(show_first_line(at, value, "trace", "first_line", stream));
    return show_first_line(at, value, "against_trace", "against_line", stream);
}

static ps_status show_part(const ps_explain_place *at, const cJSON *prediction, const cJSON *part, FILE *stream) {
    char a[64], b[64], c[64], d[64], e[64];
    const cJSON *item;
    fprintf(stream, "\n  %s in %s%s%s: %s (%s %s to %s), margin %s", text_of(part, "measure"), text_of(part, "arm"),
            text_of(part, "against")[0] != '\0' ? " against " : "", text_of(part, "against"),
            shown(part, "estimate", a, sizeof a), text_of(part, "interval"), shown(part, "low", b, sizeof b),
            shown(part, "high", c, sizeof c), shown(part, "margin", d, sizeof d));
    fprintf(stream, ", p %s for, %s against\n", shown(part, "p", d, sizeof d), shown(part, "p_refute", e, sizeof e));
    cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(part, "left_out"))
        fprintf(stream, "  left out: seed %s %s\n", shown(item, "seed", a, sizeof a), text_of(item, "reason"));
    cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(part, "values"))
        PS_TRY(show_seed(at, prediction, part, item, stream));
    return PS_OK;
}

/* "  needs:  a, b", "-" for none. */
static void show_words(const cJSON *prediction, const char *key, const char *label, FILE *stream) {
    const cJSON *item, *list = cJSON_GetObjectItemCaseSensitive(prediction, key);
    fprintf(stream, "  %-13s ", label);
    cJSON_ArrayForEach(item, list)
        fprintf(stream, "%s%s", item != list->child ? ", " : "", cJSON_IsString(item) ? item->valuestring : "?");
    fprintf(stream, "%s\n", cJSON_GetArraySize(list) > 0 ? "" : "-");
}

static void show_fixed(const cJSON *prediction, FILE *stream) {
    const cJSON *item, *list = cJSON_GetObjectItemCaseSensitive(prediction, "fixed");
    char value[64];
    fprintf(stream, "  %-13s ", "fixed:");
    cJSON_ArrayForEach(item, list) fprintf(stream, "%s%s = %s", item != list->child ? ", " : "", text_of(item, "name"),
                                           shown(item, "value", value, sizeof value));
    fprintf(stream, "%s\n", cJSON_GetArraySize(list) > 0 ? "" : "-");
}

/* What was fixed before any run was read, and what of it these runs lack. */
static void show_design(const cJSON *p, FILE *stream) {
    static const char *const keys[][2] = {{"population", "counted over:"}, {"statistic", "statistic:"},
                                          {"claim_of", "whose claim:"},    {"place", "place:"},
                                          {"supports", "supports it:"},    {"refutes", "refutes it:"}};
    char margin[64];
    fprintf(stream, "%s  %s\n\n  %s\n", text_of(p, "id"), text_of(p, "title"), text_of(p, "statement"));
    for (size_t k = 0; k < sizeof keys / sizeof *keys; k++)
        fprintf(stream, "  %-13s %s\n", keys[k][1], text_of(p, keys[k][0]));
    fprintf(stream, "  %-13s %s than the margin %s\n", "direction:", text_of(p, "direction"),
            shown(p, "margin", margin, sizeof margin));
    show_fixed(p, stream);
    show_words(p, "needs", "needs:", stream);
    show_words(p, "missing", "not recorded:", stream);
}

static void show_numbers(const cJSON *p, FILE *stream) {
    char a[64], b[64], c[64], d[64];
    fprintf(stream, "\n  verdict: %s\n  %s\n", text_of(p, "verdict"), text_of(p, "sentence"));
    fprintf(stream, "  median %s over %s seeds, bounds %s to %s", shown(p, "estimate", a, sizeof a),
            shown(p, "n", b, sizeof b), shown(p, "low", c, sizeof c), shown(p, "high", d, sizeof d));
    fprintf(stream, " (coverage %s), margin %s\n", shown(p, "coverage", a, sizeof a), shown(p, "margin", b, sizeof b));
    fprintf(stream, "  exact sign test: %s seeds beyond the margin, %s short of it; p %s for it, %s against\n",
            shown(p, "beyond", a, sizeof a), shown(p, "against_it", b, sizeof b), shown(p, "p", c, sizeof c),
            shown(p, "p_against", d, sizeof d));
}

/* The sentence, and the verdict under each variation that touches it. */
static void show_sensitivity(const cJSON *prediction, FILE *stream) {
    const cJSON *sensitivity = cJSON_GetObjectItemCaseSensitive(prediction, "sensitivity"), *row;
    char a[64], b[64], c[64], d[64];
    fprintf(stream, "\n  sensitivity: %s\n", text_of(sensitivity, "sentence"));
    cJSON_ArrayForEach(row, cJSON_GetObjectItemCaseSensitive(sensitivity, "variations")) {
        if (strcmp(text_of(row, "verdict"), "not_affected") == 0) continue;
        fprintf(stream, "    %-13s %s: %s (%s to %s) over %s seeds", text_of(row, "verdict"), text_of(row, "title"),
                shown(row, "estimate", a, sizeof a), shown(row, "low", b, sizeof b), shown(row, "high", c, sizeof c),
                shown(row, "n", d, sizeof d));
        fprintf(stream, "%s%s\n", text_of(row, "note")[0] != '\0' ? "; " : "", text_of(row, "note"));
    }
}

static ps_status show_prediction(const ps_explain_place *at, const cJSON *p, FILE *stream) {
    const cJSON *part;
    show_design(p, stream);
    show_numbers(p, stream);
    show_sensitivity(p, stream);
    cJSON_ArrayForEach(part, cJSON_GetObjectItemCaseSensitive(p, "parts")) if (text_of(part, "arm")[0] != '\0')
        PS_TRY(show_part(at, p, part, stream));
    return PS_OK;
}

/* A run by itself has no verdict. */
static ps_status check_comparison(const char *directory) {
    char *trace = NULL, *verdict = NULL;
    ps_status status = ps_trace_find(directory, &trace);
    if (status == PS_OK) status = ps_file_join(directory, "verdict.json", &verdict);
    if (status == PS_OK && !ps_file_exists(verdict) && (!ps_file_is_directory(directory) || ps_file_exists(trace)))
        status = ps_fail(PS_ERR_USAGE,
                         "%s: is a run, which has no verdict; name one of its nodes, as LAYER:CHANNEL, or give the "
                         "directory of a comparison",
                         directory);
    free(trace);
    free(verdict);
    return status;
}

static ps_status explain(const char *directory, const char *prediction, FILE *stream) {
    char *path = NULL;
    cJSON *document = NULL;
    const cJSON *found = NULL;
    ps_status status = check_comparison(directory);
    if (status == PS_OK) status = ps_file_set_check(directory, PS_COMPARE_SET, PS_COMPARE_REMEDY, NULL);
    if (status == PS_OK) status = ps_file_join(directory, "verdict.json", &path);
    if (status == PS_OK) status = ps_json_read(path, &document);
    const cJSON *predictions = cJSON_GetObjectItemCaseSensitive(document, "predictions");
    if (status == PS_OK && !cJSON_IsArray(predictions))
        status = ps_fail(PS_ERR_INPUT, "%s: has no \"predictions\"; is it a verdict of poolscope compare?", path);
    const ps_explain_place at = {directory, text_of(document, "traces_from")};
    if (status == PS_OK && prediction == NULL) list_predictions(predictions, stream);
    if (status == PS_OK && prediction != NULL) status = find_prediction(predictions, prediction, &found);
    if (status == PS_OK && prediction != NULL) status = show_prediction(&at, found, stream);
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
    ps_status closed = ps_memory_stream_close(memory, &text, "an explanation");
    if (status == PS_OK) status = closed;
    if (status == PS_OK) {
        ps_text_make_showable(text, true);
        fputs(text, stream);
    }
    free(text);
    return status;
}
