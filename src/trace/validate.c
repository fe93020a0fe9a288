#include "trace/validate.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/json.h"
#include "core/text.h"
#include "trace/trace_format.h"
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
    const char *kind = v->line == 1 ? ps_trace_file_fault(line, length) : NULL;
    if (kind != NULL) return ps_fail(PS_ERR_INPUT, "%s: %s", v->path, kind);
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

static ps_status check_lines(validation *v, FILE *file) {
    char *line = NULL;
    size_t capacity = 0, length = 0;
    ps_status status = PS_OK;
    while (status == PS_OK) {
        status = ps_file_read_line(file, v->path, v->line + 1, PS_TRACE_LONGEST_LINE, &line, &capacity, &length);
        if (status != PS_OK || length == 0) break;
        v->line++;
        status = check_line(v, line, length);
    }
    free(line);
    return status;
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
    FILE *file = fopen(path, "rb");
    if (file == NULL) return ps_fail(PS_ERR_IO, "%s: cannot be read (%s); check the path", path, strerror(errno));
    ps_status status = ps_trace_rules_create(report, &v, &v.rules);
    if (status == PS_OK) status = check_lines(&v, file);
    if (status == PS_OK && (v.line == 0 || (v.line == 1 && v.check.cut_off))) {
        if (v.line == 0) v.line = 1;
        report(&v, "there is no header", false);
    }
    if (status == PS_OK) {
        ps_trace_rules_finish(v.rules);
        count(&v);
    }
    fclose(file);
    ps_trace_rules_destroy(v.rules);
    if (check != NULL) *check = v.check;
    PS_TRY(status);
    if (limit > 0 && v.check.problems > limit)
        fprintf(stream, "%s: and %llu more\n", path, (unsigned long long)(v.check.problems - limit));
    if (v.check.problems == 0) return PS_OK;
    return ps_fail(PS_ERR_CHECK, "%s: does not follow the trace format (%llu problems)", path,
                   (unsigned long long)v.check.problems);
}
