#include "reports/content.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/file_set.h"
#include "core/json.h"
#include "core/memory.h"
#include "core/title.h"
#include "reports/escape.h"
#include "reports/pictures.h"

const char *ps_report_text(const cJSON *object, const char *key) {
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));
    return text ? text : "";
}

double ps_report_number(const cJSON *object, const char *key) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    if (cJSON_IsNumber(item)) return item->valuedouble;
    const char *text = cJSON_GetStringValue(item);
    if (text && strcmp(text, "Infinity") == 0) return INFINITY;
    if (text && strcmp(text, "-Infinity") == 0) return -INFINITY;
    return NAN;
}

const char *ps_report_verdict_word(const char *verdict) {
    static const char *const words[][2] = {
        {"not_testable", "not testable"}, {"not_judged", "not judged"}, {"shown_not", "shown not to hold"}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(verdict, words[i][0]) == 0) return words[i][1];
    return verdict;
}

/* The item of a list of verdict.json whose key has this text. */
static const cJSON *find_item(const ps_report_content *content, const char *list, const char *key, const char *text) {
    const cJSON *item;
    cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(content->verdict, list)) {
        if (strcmp(ps_report_text(item, key), text) == 0) return item;
    }
    return NULL;
}

const cJSON *ps_report_question(const ps_report_content *content, const char *place) {
    return find_item(content, "predictions", "place", place);
}

const cJSON *ps_report_outcome(const ps_report_content *content, const char *arm) {
    return find_item(content, "outcomes", "arm", arm);
}

const cJSON *ps_report_deciding_part(const cJSON *prediction) {
    double part = ps_report_number(prediction, "part");
    const cJSON *parts = cJSON_GetObjectItemCaseSensitive(prediction, "parts");
    return cJSON_GetArrayItem(parts, isfinite(part) && part >= 1 && part <= 64 ? (int)part - 1 : 0);
}

int ps_report_unlearned(const cJSON *outcome) {
    double unlearned = ps_report_number(outcome, "unlearned"), diverged = ps_report_number(outcome, "diverged");
    return (int)((isfinite(unlearned) ? unlearned : 0) + (isfinite(diverged) ? diverged : 0));
}

bool ps_report_is_serious(const ps_report_content *content, int row) {
    const char *level = ps_table_text(&content->findings, row, ps_table_column(&content->findings, "level"));
    return strcmp(level, "serious") == 0 || strcmp(level, "critical") == 0;
}

int ps_report_answer_sentences(const ps_report_content *content) {
    double count = ps_report_number(content->verdict, "answer_sentences");
    return isfinite(count) && count >= 1 && count < 1000 ? (int)count : 1;
}

const char *ps_report_meta(const ps_report_content *content, const char *key) {
    int row = ps_table_find(&content->meta, 0, ps_table_column(&content->meta, "key"), key);
    return row < 0 ? "" : ps_table_text(&content->meta, row, ps_table_column(&content->meta, "value"));
}

void ps_report_write_seeds(const char *list, char *text, size_t size) {
    size_t used = 0;
    snprintf(text, size, "%s", list);
    if (list[0] == '\0' || strspn(list, "0123456789,") != strlen(list)) return;
    for (const char *at = list; *at != '\0' && used < size;) {
        char *end;
        unsigned long long first = strtoull(at, &end, 10), last = first;
        while (*end == ',' && strtoull(end + 1, NULL, 10) == last + 1) {
            strtoull(end + 1, &end, 10);
            last++;
        }
        const char *before = at == list ? "" : ", ";
        used += (size_t)(last > first + 1 ? snprintf(text + used, size - used, "%s%llu to %llu", before, first, last)
                         : last > first   ? snprintf(text + used, size - used, "%s%llu, %llu", before, first, last)
                                          : snprintf(text + used, size - used, "%s%llu", before, first));
        at = *end == ',' ? end + 1 : end;
    }
}

const char *ps_report_identity(const ps_report_content *content, const char *key) {
    int row = ps_table_find(&content->identity, 0, ps_table_column(&content->identity, "key"), key);
    return row < 0 ? "" : ps_table_text(&content->identity, row, ps_table_column(&content->identity, "value"));
}

bool ps_report_never_dies(const ps_report_content *content, const char *arm) {
    const ps_table *arms = &content->arms;
    int death = ps_table_column(arms, "death"), row = ps_table_find(arms, 0, ps_table_column(arms, "arm"), arm);
    return death >= 0 && row >= 0 && strcmp(ps_table_text(arms, row, death), "saturated") == 0;
}

/* arm NULL: of all. */
double ps_report_arm_mean(const ps_report_content *content, const char *arm, const char *column) {
    int at = ps_table_column(&content->runs, column), count = 0, arms = ps_table_column(&content->runs, "arm");
    double sum = 0;
    for (int row = 0; row < content->runs.rows; row++) {
        if (arm && strcmp(ps_table_text(&content->runs, row, arms), arm) != 0) continue;
        double value = ps_table_number(&content->runs, row, at);
        if (!isfinite(value)) continue;
        sum += value;
        count++;
    }
    return count ? sum / count : NAN;
}

int ps_report_arm_runs(const ps_report_content *content, int row) {
    double runs = ps_table_number(&content->arms, row, ps_table_column(&content->arms, "runs"));
    return runs >= 0 && runs < 1e6 ? (int)runs : 0;
}

double ps_report_runs_mean(const ps_report_content *content, const char *column) {
    return ps_report_arm_mean(content, NULL, column);
}

int ps_report_is_share(const char *unit) {
    static const char *const words[] = {"share", "fraction", "rate", "1"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(unit, words[i]) == 0) return 1;
    return strncmp(unit, "share", 5) == 0 || strncmp(unit, "fraction", 8) == 0;
}

/* It stands behind the loss. */
const char *ps_report_measure(const ps_report_content *content) {
    int loss = ps_table_column(&content->runs, "test_loss");
    if (loss < 0 || loss + 1 >= content->runs.columns) return "";
    return ps_table_name(&content->runs, loss + 1);
}

const char *ps_report_measure_title(const ps_report_content *content, char *text, size_t size) {
    ps_title_of_key(ps_report_measure(content), text, size);
    if (text[0] >= 'a' && text[0] <= 'z') text[0] = (char)(text[0] - 'a' + 'A');
    return text;
}

int ps_report_measure_is_share(const ps_report_content *content) {
    return ps_report_meta(content, "measure_unit")[0] == '\0';
}

static const char *choose_question(const ps_report_content *content) {
    const char *asked = ps_report_meta(content, "question");
    if (asked[0] != '\0') return asked;
    bool pool_skip = ps_table_find(&content->arms, 0, ps_table_column(&content->arms, "pool_skip"), "1") >= 0;
    if (content->single) return "What is wrong with this run?";
    if (content->arms.rows < 2) return "Which nodes died, where, when and why?";
    return pool_skip ? "Does Pool Skip bring dead nodes back to life?" : "Do the arms differ in what dies?";
}

static const char *choose_answer(const ps_report_content *content) {
    const cJSON *summary = cJSON_GetObjectItemCaseSensitive(content->verdict, "summary");
    const char *first = cJSON_GetStringValue(cJSON_GetArrayItem(summary, 0));
    if (first && *first) return first;
    return content->verdict ? "The comparison drew no conclusion."
                            : "No verdict was written beside these tables; `poolscope compare` makes one.";
}

enum { MOST_ARMS_IN_NUMBERS = 3 };

/* "Nodes dead, time average: baseline 47.9 %; ps2 25.0 %, less in 3 of 3 seeds; ..." from the rows of one measure.
 * Nothing where the reference has none: its nodes cannot be exactly dead, or nobody looked. */
static ps_status write_numbers(ps_report_content *content) {
    const ps_table *table = &content->comparison;
    int measure = ps_table_column(table, "measure"), row = ps_table_find(table, 0, measure, "dead_mean");
    char number[PS_ESCAPE_NUMBER];
    size_t size = 0;
    double reference = row >= 0 ? ps_table_number(table, row, ps_table_column(table, "mean_reference")) : NAN;
    if (!isfinite(reference)) return PS_OK;
    FILE *stream = open_memstream(&content->numbers, &size);
    if (!stream) return ps_fail(PS_ERR_MEMORY, "could not allocate a sentence of the report");
    fprintf(stream, "Dead of the nodes with a gate of their own, averaged over time: %s %s %%",
            ps_table_text(table, row, ps_table_column(table, "reference")), ps_escape_percent(number, reference, 0));
    for (int shown = 0; row >= 0; row = ps_table_find(table, row + 1, measure, "dead_mean"), shown++) {
        if (shown >= MOST_ARMS_IN_NUMBERS) continue;
        fprintf(stream, "; %s %s %%, ", ps_table_text(table, row, ps_table_column(table, "arm")),
                ps_escape_percent(number, ps_table_number(table, row, ps_table_column(table, "mean_arm")), 0));
        fprintf(stream, "fewer in %s of %s seeds", ps_table_text(table, row, ps_table_column(table, "wins")),
                ps_table_text(table, row, ps_table_column(table, "n")));
    }
    fputs(content->arms.rows > MOST_ARMS_IN_NUMBERS + 1 ? "; the other arms stand below." : ".", stream);
    return ps_memory_stream_close(stream, &content->numbers, "a sentence of the report");
}

enum { VERDICT_VERSION = 2 };

static ps_status read_verdict(ps_report_content *content) {
    char *path = NULL;
    PS_TRY(ps_file_join(content->directory, "verdict.json", &path));
    ps_status status = ps_file_exists(path) ? ps_json_read(path, &content->verdict) : PS_OK;
    if (status == PS_OK && content->verdict &&
        strcmp(ps_report_text(content->verdict, "format"), "poolscope-verdict") != 0)
        status = ps_fail(
            PS_ERR_INPUT,
            "%s: is no verdict (\"format\" is not \"poolscope-verdict\"); make it anew with `poolscope compare`", path);
    if (status == PS_OK && content->verdict && ps_report_number(content->verdict, "version") != VERDICT_VERSION)
        status = ps_fail(PS_ERR_INPUT,
                         "%s: has \"version\" %g, and this program shows version %d; make it anew with `poolscope "
                         "compare`",
                         path, ps_report_number(content->verdict, "version"), VERDICT_VERSION);
    free(path);
    return status;
}

ps_status ps_report_content_find(const char *directory) {
    char *tables;
    if (!ps_file_is_directory(directory))
        return ps_fail(PS_ERR_INPUT, "%s: %s; give a directory that `poolscope compare` wrote", directory,
                       ps_file_exists(directory) ? "is not a directory" : "does not exist");
    PS_TRY(ps_file_join(directory, "tables", &tables));
    bool there = ps_file_is_directory(tables);
    free(tables);
    if (there) return PS_OK;
    return ps_fail(PS_ERR_INPUT, "%s holds no folder `tables`; run `poolscope compare --out %s` first", directory,
                   directory);
}

ps_status ps_report_content_check(const char *directory, bool quiet, bool *known) {
    PS_TRY(ps_file_set_check(directory, PS_COMPARISON_SET, "run `poolscope compare` again", known));
    if (!*known && !quiet)
        fprintf(stderr,
                "note: %s holds no %s, so nothing says whether its tables and its verdict belong together; `poolscope "
                "compare` writes one\n",
                directory, PS_COMPARISON_MANIFEST);
    /* What was measured here on a checkpoint is a set of its own. */
    return ps_file_set_check(directory, "measurements", "measure again, or remove what is measured there", NULL);
}

static ps_status read_tables(ps_report_content *content) {
    PS_TRY(ps_report_content_find(content->directory));
    PS_TRY(ps_file_join(content->directory, "tables", &content->tables));
    PS_TRY(ps_table_read_named(content->tables, "meta", &content->meta));
    PS_TRY(ps_table_read_named(content->tables, "arms", &content->arms));
    PS_TRY(ps_table_read_named(content->tables, "runs", &content->runs));
    PS_TRY(ps_table_read_named(content->tables, "identity", &content->identity));
    PS_TRY(ps_table_read_named(content->tables, "comparison", &content->comparison));
    PS_TRY(ps_table_read_named(content->tables, "layer_arm", &content->layers));
    PS_TRY(ps_table_read_named(content->tables, "classes", &content->classes));
    PS_TRY(ps_table_read_named(content->tables, "unmeasured", &content->unmeasured));
    PS_TRY(ps_table_read_named(content->tables, "findings", &content->findings));
    PS_TRY(ps_table_read_named(content->tables, "findings_open", &content->findings_open));
    content->single = content->runs.rows == 1 && content->arms.rows == 1;
    if (content->arms.rows < 1 || ps_table_column(&content->arms, "arm") < 0)
        return ps_fail(PS_ERR_INPUT, "%s/arms.tsv names no arm; make the tables anew with `poolscope compare`",
                       content->tables);
    return PS_OK;
}

static bool same_cell(const ps_table *table, int a, int b, const char *column) {
    int place = ps_table_column(table, column);
    return strcmp(ps_table_text(table, a, place), ps_table_text(table, b, place)) == 0;
}

/* Runs of one arm stand together. */
ps_status ps_report_next_lack(const ps_report_content *content, const char *plot, int *row, char **sentence) {
    const ps_table *t = &content->unmeasured;
    char seeds[256], list[256] = "";
    int first = *row;
    *sentence = NULL;
    first = ps_table_find(t, first, ps_table_column(t, "measurement"), plot);
    if (first < 0 || t->rows == 0) return PS_OK;
    for (*row = first; *row < t->rows && same_cell(t, first, *row, "measurement") && same_cell(t, first, *row, "arm");
         ++*row)
        snprintf(list + strlen(list), sizeof list - strlen(list), "%s%s", *row > first ? "," : "",
                 ps_table_text(t, *row, ps_table_column(t, "seed")));
    ps_report_write_seeds(list, seeds, sizeof seeds);
    return ps_string_format(sentence, "Not measured in arm %s (seeds %s): %s.",
                            ps_table_text(t, first, ps_table_column(t, "arm")), seeds,
                            ps_table_text(t, first, ps_table_column(t, "why")));
}

ps_status ps_report_content_read(const char *directory, ps_report_content *content) {
    *content = (ps_report_content){.directory = directory};
    ps_status status = read_tables(content);
    if (status == PS_OK) status = read_verdict(content);
    if (status == PS_OK) status = write_numbers(content);
    if (status == PS_OK) status = ps_plots_find_share(&content->share);
    if (status != PS_OK) ps_report_content_clear(content);
    else {
        content->question = choose_question(content);
        content->answer = choose_answer(content);
    }
    return status;
}

void ps_report_content_clear(ps_report_content *content) {
    free(content->share);
    free(content->tables);
    cJSON_Delete(content->verdict);
    ps_table_clear(&content->meta);
    ps_table_clear(&content->arms);
    ps_table_clear(&content->runs);
    ps_table_clear(&content->comparison);
    ps_table_clear(&content->identity);
    ps_table_clear(&content->layers);
    ps_table_clear(&content->classes);
    ps_table_clear(&content->unmeasured);
    ps_table_clear(&content->findings);
    ps_table_clear(&content->findings_open);
    free(content->numbers);
    ps_report_pictures_clear(&content->pictures);
    ps_plots_clear(&content->plots);
    *content = (ps_report_content){0};
}
