#include "trace/validate.h"

#include <cjson/cJSON.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/json.h"
#include "core/text.h"
#include "trace/trace_format.h"
#include "trace/trace_input.h"
#include "trace/trace_rules.h"

enum { MOST_TEXT = 400 };

typedef struct {
    const char *path;
    FILE *stream;
    uint64_t limit, line;
    ps_trace_check check;
    ps_trace_rules *rules;
} validation;

static void report(void *context, const char *sentence, bool passed) {
    validation *v = context;
    (void)passed;
    v->check.problems++;
    if (v->limit > 0 && v->check.problems > v->limit) return;
    ps_text_put(v->stream, v->path, INT_MAX);
    fprintf(v->stream, ":%llu: ", (unsigned long long)v->line);
    ps_text_put(v->stream, sentence, INT_MAX); /* names of the trace are in it */
    fputc('\n', v->stream);
}

static ps_status check_line(validation *v, char *line, size_t length) {
    char buffer[MOST_TEXT];
    bool ends = line[length - 1] == '\n';
    if (ends) line[--length] = '\0';
    if (strlen(line) != length) {
        report(v, "the line holds a zero byte", false);
        return PS_OK;
    }
    const char *text = v->line == 1 ? ps_text_skip_mark(line) : line;
    const char *fault = ps_trace_line_fault(text, buffer, sizeof buffer);
    v->check.cut_off = fault != NULL && !ends;
    if (fault != NULL) {
        static const char cut[] =
            "the line is cut off (the run was killed while it was written, or still goes on); "
            "everything before it can be read";
        report(v, ends ? fault : cut, false);
        return PS_OK;
    }
    cJSON *record;
    PS_TRY(ps_json_try(text, &record));
    ps_status status = record != NULL ? ps_trace_rules_record(v->rules, record)
                                      : ps_fail(PS_ERR_MEMORY, "%s:%llu: no memory for a line of %zu bytes", v->path,
                                                (unsigned long long)v->line, length);
    cJSON_Delete(record);
    return status;
}

static ps_status check_lines(validation *v, ps_trace_input *input) {
    char *line;
    size_t length;
    for (;;) {
        PS_TRY(ps_trace_input_line(input, &line, &length));
        if (length == 0) return PS_OK;
        v->line++;
        PS_TRY(check_line(v, line, length));
    }
}

static void count(validation *v) {
    const ps_trace_counts *counts = ps_trace_rules_counts(v->rules);
    v->check.lines = v->line;
    v->check.unknown_records = counts->unknown_records;
    v->check.layers = counts->layers;
    v->check.steps = counts->steps;
    v->check.windows = counts->windows;
    v->check.probings = counts->probings;
    v->check.ended = counts->ended;
}

ps_status ps_trace_validate(const char *path, FILE *stream, uint64_t limit, ps_trace_check *check) {
    validation v = {.path = path, .stream = stream, .limit = limit};
    ps_trace_input *input;
    PS_TRY(ps_trace_input_open(path, &input));
    ps_status status = ps_trace_rules_create(report, &v, &v.rules);
    if (status == PS_OK) status = check_lines(&v, input);
    if (status == PS_OK && (v.line == 0 || (v.line == 1 && v.check.cut_off))) {
        if (v.line == 0) v.line = 1;
        report(&v, "there is no header", false);
    }
    if (status == PS_OK) {
        ps_trace_rules_finish(v.rules);
        count(&v);
    }
    ps_trace_input_close(input);
    ps_trace_rules_destroy(v.rules);
    if (check != NULL) *check = v.check;
    PS_TRY(status);
    if (limit > 0 && v.check.problems > limit)
        fprintf(stream, "%s: and %llu more\n", path, (unsigned long long)(v.check.problems - limit));
    if (v.check.problems == 0) return PS_OK;
    return ps_fail(PS_ERR_CHECK, "%s: does not follow the trace format (%llu problems)", path,
                   (unsigned long long)v.check.problems);
}
