#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/json.h"
#include "core/memory.h"
#include "core/text.h"
#include "trace/scalar_log.h"
#include "trace/trace_format.h"
#include "trace/trace_input.h"
#include "trace/trace_schema.h"

/* Rows that have a step, and rows that have an epoch alone: these count where no row has a step. */
typedef struct {
    ps_scalar_log *by_step, by_epoch;
    bool any_step;
} rows;

/* Python writes what is not finite as NaN, Infinity and -Infinity, which JSON does not have: with quotation marks, as
 * in a trace. Free with free. */
static ps_status quote_specials(const char *text, char **quoted) {
    static const char *const words[] = {"NaN", "Infinity", "-Infinity"};
    char *to = malloc(2 * strlen(text) + 1);
    bool inside = false;
    *quoted = to;
    if (to == NULL) return ps_fail(PS_ERR_MEMORY, "no memory for a line of a log");
    while (*text != '\0') {
        size_t length = 0;
        for (size_t i = 0; !inside && i < 3; i++)
            if (strncmp(text, words[i], strlen(words[i])) == 0) length = strlen(words[i]);
        if (length > 0) {
            to += sprintf(to, "\"%.*s\"", (int)length, text);
            text += length;
            continue;
        }
        if (inside && *text == '\\' && text[1] != '\0') *to++ = *text++;
        else inside ^= *text == '"';
        *to++ = *text++;
    }
    *to = '\0';
    return PS_OK;
}

static ps_status parse(const char *text, const char *where, cJSON **document) {
    char *quoted;
    *document = NULL;
    PS_TRY(quote_specials(text, &quoted));
    ps_status status = ps_json_parse(quoted, where, document);
    free(quoted);
    return status;
}

/* Members of objects within are named "outer/inner", as event files have them. */
static ps_status take_members(ps_scalar_log *log, const cJSON *object, const cJSON *step_item, const char *outer,
                              int64_t step) {
    const cJSON *item;
    cJSON_ArrayForEach(item, object) {
        char *name;
        ps_status status = PS_OK;
        if (item == step_item || item->string == NULL) continue;
        PS_TRY(ps_string_format(&name, "%s%s%s", outer, outer[0] != '\0' ? "/" : "", item->string));
        if (cJSON_IsNumber(item) || ps_value_is_special(item))
            status = ps_scalar_log_take(log, name, step, ps_value_of(item));
        else if (cJSON_IsString(item)) status = ps_scalar_log_take_text(log, name);
        else if (cJSON_IsObject(item)) status = take_members(log, item, NULL, name, step);
        free(name);
        PS_TRY(status);
    }
    return PS_OK;
}

static const cJSON *step_of(const rows *r, const cJSON *object) {
    const cJSON *step = NULL;
    if (r->by_step->step_name != NULL) return cJSON_GetObjectItemCaseSensitive(object, r->by_step->step_name);
    for (int i = 0; step == NULL && ps_scalar_step_names[i] != NULL; i++)
        step = cJSON_GetObjectItemCaseSensitive(object, ps_scalar_step_names[i]);
    return step;
}

static ps_status read_object(rows *r, const cJSON *object, uint64_t number) {
    const cJSON *step = step_of(r, object), *epoch = cJSON_GetObjectItemCaseSensitive(object, PS_SCALAR_EPOCH);
    if (!cJSON_IsObject(object))
        return ps_fail(PS_ERR_INPUT, "%s:%llu: is no JSON object", r->by_step->path, (unsigned long long)number);
    if (step == NULL || cJSON_IsNull(step)) {
        r->by_step->without_step++;
        if (r->any_step || !ps_value_is_whole(epoch, 0, PS_TRACE_MOST_WHOLE)) return PS_OK;
        return take_members(&r->by_epoch, object, epoch, "", (int64_t)epoch->valuedouble);
    }
    if (!ps_value_is_whole(step, 0, PS_TRACE_MOST_WHOLE))
        return ps_fail(PS_ERR_INPUT, "%s:%llu: its \"%.40s\" is no step, which is a whole number from 0 on",
                       r->by_step->path, (unsigned long long)number, step->string);
    r->any_step = true;
    return take_members(r->by_step, object, step, "", (int64_t)step->valuedouble);
}

static ps_status read_line(rows *r, char *line, size_t length, uint64_t number) {
    char where[4200];
    cJSON *object;
    bool ends = line[length - 1] == '\n';
    while (length > 0 && (line[length - 1] == '\n' || line[length - 1] == '\r')) line[--length] = '\0';
    if (length == 0) return PS_OK;
    if (strlen(line) != length)
        return ps_fail(PS_ERR_INPUT, "%s:%llu: holds a zero byte, so it is not a line of JSON", r->by_step->path,
                       (unsigned long long)number);
    snprintf(where, sizeof where, "%.4000s:%llu", r->by_step->path, (unsigned long long)number);
    ps_status status = parse(ps_text_skip_mark(line), where, &object);
    if (status == PS_ERR_INPUT && !ends && number > 1) { /* the run was killed while it was written, or goes on */
        ps_status_reset();
        return ps_scalar_log_is_cut(r->by_step, r->by_step->path);
    }
    if (status == PS_OK) status = read_object(r, object, number);
    cJSON_Delete(object);
    return status;
}

static ps_status read_lines(const char *path, rows *r) {
    ps_trace_input *input;
    char *line;
    size_t length;
    PS_TRY(ps_trace_input_open(path, &input));
    ps_status status = PS_OK;
    for (uint64_t number = 1; status == PS_OK; number++) {
        status = ps_trace_input_line(input, &line, &length);
        if (status != PS_OK || length == 0) break;
        status = read_line(r, line, length, number);
    }
    ps_trace_input_close(input);
    return status;
}

/* An array of rows, or an object that has one: a trainer_state.json of Hugging Face. */
static ps_status read_document(const char *path, rows *r) {
    char *text;
    size_t size;
    cJSON *document;
    PS_TRY(ps_file_read(path, &text, &size));
    ps_status status = parse(ps_text_skip_mark(text), path, &document);
    free(text);
    PS_TRY(status);
    const cJSON *list = cJSON_IsObject(document) ? cJSON_GetObjectItemCaseSensitive(document, "log_history") : document;
    const cJSON *item;
    uint64_t number = 0;
    if (!cJSON_IsArray(list))
        status = ps_fail(PS_ERR_INPUT, "%s: is neither an array of objects nor an object with a \"log_history\"", path);
    cJSON_ArrayForEach(item, list) if (status == PS_OK) status = read_object(r, item, ++number);
    cJSON_Delete(document);
    return status;
}

ps_status ps_scalar_json_read(const char *path, bool whole, ps_scalar_log *log) {
    rows r = {.by_step = log, .by_epoch = {.path = log->path}};
    ps_status status = whole ? read_document(path, &r) : read_lines(path, &r);
    if (status == PS_OK && !r.any_step) {
        if (r.by_epoch.count == 0)
            status = ps_fail(PS_ERR_INPUT,
                             "%s: no row has a \"step\" (or global_step, _step, iteration, iter, epoch); name it with "
                             "--step",
                             path);
        ps_scalar_log found = r.by_epoch;
        r.by_epoch = *log;
        r.by_epoch.cut = NULL;
        found.cut = log->cut;
        found.by_epoch = true;
        *log = found;
    }
    ps_scalar_log_clear(&r.by_epoch);
    return status;
}
