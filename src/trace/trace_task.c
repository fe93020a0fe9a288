#include "trace/trace_task.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/title.h"
#include "trace/trace_schema.h"

/* Of poolscope's first traces, which had no "task": written by its classification, and read so. */
void ps_trace_task_default(ps_trace_task *task) {
    *task = (ps_trace_task){.name = "classification",
                            .measures = 1,
                            .measure = {{.name = "accuracy", .unit = "%", .higher_is_better = true, .chance = NAN}}};
}

static const cJSON *get(const cJSON *object, const char *key) { return cJSON_GetObjectItemCaseSensitive(object, key); }

/* Keys that evaluations and end records have already, and columns of tables; a measure of that name could not be told
 * from them. */
static bool is_taken(const char *name) {
    for (int k = 0; k < PS_KEY_COUNT; k++) {
        ps_trace_object object = ps_trace_keys[k].object;
        if ((object == PS_OBJECT_EVAL || object == PS_OBJECT_END) && strcmp(ps_trace_keys[k].name, name) == 0)
            return true;
    }
    return strcmp(name, PS_TRACE_TYPE) == 0 || strcmp(name, PS_KEY(HEADER, arm)) == 0 ||
           strcmp(name, PS_KEY(HEADER, seed)) == 0;
}

static bool copy_name(const ps_trace_key_line *key, const cJSON *object, char out[PS_TRACE_TASK_TEXT]) {
    const cJSON *item = get(object, key->name);
    if (!ps_key_is_sound(key, item)) return false;
    snprintf(out, PS_TRACE_TASK_TEXT, "%s", cJSON_GetStringValue(item));
    return true;
}

static bool copy_text(const cJSON *item, char out[PS_TRACE_TASK_TEXT]) {
    const char *text = cJSON_GetStringValue(item);
    if (text == NULL || strlen(text) >= PS_TRACE_TASK_TEXT) return false;
    for (const char *p = text; *p != '\0'; p++)
        if (iscntrl((unsigned char)*p)) return false;
    snprintf(out, PS_TRACE_TASK_TEXT, "%s", text);
    return true;
}

static const char *read_measure(const cJSON *item, ps_trace_task *task) {
    ps_trace_measure *measure = &task->measure[task->measures];
    const char *better = cJSON_GetStringValue(get(item, PS_KEY(MEASURE, better)));
    const cJSON *chance = get(item, PS_KEY(MEASURE, chance));
    if (!copy_name(&ps_trace_keys[PS_KEY_MEASURE_name], item, measure->name) || is_taken(measure->name))
        return "the \"name\" of a measure must be of small letters, digits and \"_\" (at most 31), and no other key of "
               "an evaluation";
    for (int m = 0; m < task->measures; m++)
        if (strcmp(task->measure[m].name, measure->name) == 0) return "two measures have the same \"name\"";
    if (!copy_text(get(item, PS_KEY(MEASURE, unit)), measure->unit))
        return "the \"unit\" of a measure must be a text of at most 31 bytes (\"\" for none)";
    if (better == NULL || ps_words_find(PS_WORDS_BETTER, better) < 0)
        return "\"better\" of a measure must be \"higher\" or \"lower\"";
    if (chance != NULL && !cJSON_IsNull(chance) && !cJSON_IsNumber(chance))
        return "\"chance\" of a measure must be a number, or null where it is not known";
    measure->higher_is_better = strcmp(better, PS_WORD(BETTER, HIGHER)) == 0;
    measure->chance = cJSON_IsNumber(chance) ? chance->valuedouble : (double)NAN;
    const char *rule = cJSON_GetStringValue(get(item, PS_KEY(MEASURE, rule)));
    if (get(item, PS_KEY(MEASURE, rule)) != NULL && (rule == NULL || strlen(rule) >= PS_TRACE_RULE_TEXT))
        return "\"rule\" of a measure must be a text of at most 255 bytes";
    snprintf(measure->rule, sizeof measure->rule, "%s", rule != NULL ? rule : "");
    if (ps_trace_measure_is_share(measure) && (measure->chance < 0 || measure->chance > 1))
        return "\"chance\" of a measure in % is a share from 0 to 1";
    task->measures++;
    return NULL;
}

static const char *read_task(const cJSON *item, ps_trace_task *task) {
    const cJSON *measures = get(item, PS_KEY(TASK, measures)), *measure;
    *task = (ps_trace_task){.measures = 0};
    if (!cJSON_IsObject(item) || !copy_name(&ps_trace_keys[PS_KEY_TASK_name], item, task->name))
        return "must be an object with a \"name\" of small letters, digits and \"_\" (at most 31)";
    if (get(item, PS_KEY(TASK, loss)) != NULL && !copy_text(get(item, PS_KEY(TASK, loss)), task->loss))
        return "\"loss\" must be a text of at most 31 bytes";
    if (!cJSON_IsArray(measures) || measures->child == NULL || cJSON_GetArraySize(measures) > PS_TRACE_MOST_MEASURES)
        return "\"measures\" must be an array of 1 to 4 measures";
    cJSON_ArrayForEach(measure, measures) {
        const char *fault = read_measure(measure, task);
        if (fault != NULL) return fault;
    }
    return NULL;
}

const char *ps_trace_task_read(const cJSON *header, ps_trace_task *task) {
    const cJSON *item = get(header, PS_KEY(HEADER, task));
    const char *fault = item != NULL ? read_task(item, task) : NULL;
    if (item == NULL || fault != NULL) ps_trace_task_default(task);
    return fault;
}

bool ps_trace_task_is_cross_entropy(const ps_trace_task *task) {
    return strcmp(task->loss, "ce") == 0 || (task->loss[0] == '\0' && strcmp(task->name, "classification") == 0);
}

int ps_trace_classes(const cJSON *header) {
    const cJSON *classes = get(get(header, PS_KEY(HEADER, data)), PS_KEY(DATA, classes));
    return ps_value_is_whole(classes, 0, PS_TRACE_MOST_CHANNELS) ? classes->valueint : 0;
}

const char *ps_trace_class_name(const cJSON *header, int class_index) {
    const cJSON *names = get(get(header, PS_KEY(HEADER, data)), PS_KEY(DATA, class_names));
    return cJSON_GetStringValue(cJSON_GetArrayItem(names, class_index));
}

bool ps_trace_measure_is_share(const ps_trace_measure *measure) { return strcmp(measure->unit, "%") == 0; }

const char *ps_trace_measure_title(const ps_trace_measure *measure, char *text) {
    return ps_title_of_key(measure->name, text, PS_TRACE_TASK_TEXT);
}

const char *ps_trace_measure_show(const ps_trace_measure *measure, double value, int decimals, char *text,
                                  size_t size) {
    double factor = ps_trace_measure_is_share(measure) ? 100 : 1;
    if (isnan(value)) snprintf(text, size, "NaN");
    else if (isinf(value)) snprintf(text, size, "%sInfinity", value < 0 ? "-" : "");
    else snprintf(text, size, "%.*f%s%s", decimals, factor * value, measure->unit[0] != '\0' ? " " : "", measure->unit);
    return text;
}
