/* The essential numbers of the report for other programs (report.schema.json): identity, verdict, what was drawn. */
#include <math.h>
#include <string.h>

#include "core/file.h"
#include "core/json.h"
#include "reports/content.h"

static void print_key(FILE *stream, const char *separator, const char *key) {
    fprintf(stream, "%s\"%s\":", separator, key);
}

/* A value of the verdict as it is; what stands for it where there is none. */
static ps_status print_part(FILE *stream, const ps_report_content *content, const char *key, const char *absent) {
    const cJSON *part = cJSON_GetObjectItemCaseSensitive(content->verdict, key);
    print_key(stream, ",\n", key);
    if (!part) {
        fputs(absent, stream);
        return PS_OK;
    }
    char *text;
    PS_TRY(ps_json_text(part, &text));
    fputs(text, stream);
    cJSON_free(text);
    return PS_OK;
}

static void print_pairs(FILE *stream, const ps_table *meta) {
    for (int row = 0; row < meta->rows; row++) {
        if (row) fputc(',', stream);
        ps_json_print_text(stream, ps_table_text(meta, row, ps_table_column(meta, "key")));
        fputc(':', stream);
        ps_json_print_text(stream, ps_table_text(meta, row, ps_table_column(meta, "value")));
    }
}

static void print_findings(FILE *stream, const ps_table *t) {
    static const char *const texts[] = {"arm", "id", "level", "sentence", "remedy"};
    int seed = ps_table_column(t, "seed"), since = ps_table_column(t, "since");
    for (int row = 0; row < t->rows; row++) {
        fprintf(stream, "%s\n{\"seed\":", row ? "," : "");
        ps_json_print_text(stream, ps_table_text(t, row, seed));
        for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
            print_key(stream, ",", texts[i]);
            ps_json_print_text(stream, ps_table_text(t, row, ps_table_column(t, texts[i])));
        }
        double step = ps_table_number(t, row, since);
        print_key(stream, ",", "since");
        if (isfinite(step)) fprintf(stream, "%.0f}", step);
        else fputs("null}", stream);
    }
}

static void print_plots(FILE *stream, const ps_plots *plots) {
    static const char *const states[] = {
#define STATE(name, word) word,
        PS_PLOT_STATES(STATE)
#undef STATE
    };
    for (int i = 0; i < plots->count; i++) {
        fputs(i ? ",\n{\"id\":" : "\n{\"id\":", stream);
        ps_json_print_text(stream, plots->plots[i].id);
        fputs(",\"title\":", stream);
        ps_json_print_text(stream, plots->plots[i].title);
        fprintf(stream, ",\"state\":\"%s\",\"note\":", states[plots->plots[i].state]);
        if (plots->plots[i].note) ps_json_print_text(stream, plots->plots[i].note);
        else fputs("null", stream);
        fputc('}', stream);
    }
}

static ps_status print_document(FILE *stream, const ps_report_content *content) {
    double cost = ps_report_runs_mean(content, "record_cost");
    fputs("{\"format\":\"poolscope-report\",\"version\":2,\n\"question\":", stream);
    ps_json_print_text(stream, content->question);
    print_key(stream, ",\n", "answer");
    ps_json_print_text(stream, content->answer);
    print_key(stream, ",\n", "numbers");
    if (content->numbers) ps_json_print_text(stream, content->numbers);
    else fputs("null", stream);
    fprintf(stream, ",\n\"faulty\":%s,\n\"runs\":%d,\n\"record_cost\":",
            cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(content->verdict, "faulty")) ? "true" : "false",
            content->runs.rows);
    if (isfinite(cost)) ps_json_print_double(stream, cost);
    else fputs("null", stream);
    fputs(",\n\"meta\":{", stream);
    print_pairs(stream, &content->meta);
    fputc('}', stream);
    static const char *const values[] = {"registration", "next"};
    static const char *const lists[] = {"outcomes", "summary", "arms", "checks", "predictions", "comparison"};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) PS_TRY(print_part(stream, content, values[i], "null"));
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) PS_TRY(print_part(stream, content, lists[i], "[]"));
    fputs(",\n\"findings\":[", stream);
    print_findings(stream, &content->findings);
    fputs("],\n\"plots\":[", stream);
    print_plots(stream, &content->plots);
    fputs("]}\n", stream);
    return PS_OK;
}

ps_status ps_report_write_json(const ps_report_content *content, const char *path) {
    ps_file_writer writer;
    PS_TRY(ps_file_writer_open(&writer, path));
    ps_status status = print_document(writer.stream, content);
    if (status == PS_OK) return ps_file_writer_commit(&writer);
    ps_file_writer_discard(&writer);
    return status;
}
