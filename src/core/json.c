#include "core/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/text.h"

ps_status ps_json_read(const char *path, cJSON **document) {
    char *content;
    size_t size;
    *document = NULL;
    PS_TRY(ps_file_read(path, &content, &size));
    ps_status status = strlen(content) == size
                           ? ps_json_parse(content, path, document)
                           : ps_fail(PS_ERR_INPUT, "%s: holds a zero byte, so it is not JSON text", path);
    free(content);
    return status;
}

ps_status ps_json_parse(const char *text, const char *where, cJSON **document) {
    const char *end = NULL;
    *document = cJSON_ParseWithOpts(text, &end, true);
    if (*document != NULL) return PS_OK;
    int line = 1, column = 1;
    for (const char *p = text; p < end && *p != '\0'; p++) {
        column = *p == '\n' ? 1 : column + 1;
        line += *p == '\n';
    }
    return ps_fail(PS_ERR_INPUT, "%s:%d:%d: is not valid JSON here; mend the text at this place", where, line, column);
}

static const char *nearest(const char *word, const char *const *known) {
    const char *best = NULL;
    int best_distance = 4; /* further away is no typing mistake */
    for (int i = 0; known[i] != NULL; i++) {
        int distance = ps_text_distance(word, known[i]);
        if (distance < best_distance) {
            best_distance = distance;
            best = known[i];
        }
    }
    return best;
}

ps_status ps_json_check_keys(const cJSON *object, const char *const *known, const char *where) {
    if (!cJSON_IsObject(object)) return ps_fail(PS_ERR_INPUT, "%s: must be a JSON object {...}", where);
    for (const cJSON *item = object->child; item != NULL; item = item->next) {
        bool found = false;
        for (int i = 0; known[i] != NULL && !found; i++) found = strcmp(item->string, known[i]) == 0;
        if (found) continue;
        const char *guess = nearest(item->string, known);
        if (guess != NULL)
            return ps_fail(PS_ERR_INPUT, "%s: unknown key \"%s\"; did you mean \"%s\"?", where, item->string, guess);
        char list[1024] = "";
        for (int i = 0; known[i] != NULL; i++)
            snprintf(list + strlen(list), sizeof list - strlen(list), "%s%s", i ? ", " : "", known[i]);
        return ps_fail(PS_ERR_INPUT, "%s: unknown key \"%s\"; known here: %s", where, item->string, list);
    }
    return PS_OK;
}

static ps_status find(const cJSON *object, const char *key, bool required, const char *where, const cJSON **item) {
    *item = cJSON_GetObjectItemCaseSensitive(object, key);
    if (*item == NULL && required) return ps_fail(PS_ERR_INPUT, "%s: needs the key \"%s\"", where, key);
    return PS_OK;
}

ps_status ps_json_get_double(const cJSON *object, const char *key, bool required, double low, double high,
                             const char *where, double *value) {
    const cJSON *item;
    PS_TRY(find(object, key, required, where, &item));
    if (item == NULL) return PS_OK;
    if (!cJSON_IsNumber(item) || !(item->valuedouble >= low && item->valuedouble <= high))
        return ps_fail(PS_ERR_INPUT, "%s: \"%s\" must be a number from %g to %g", where, key, low, high);
    *value = item->valuedouble;
    return PS_OK;
}

ps_status ps_json_get_int(const cJSON *object, const char *key, bool required, int low, int high, const char *where,
                          int *value) {
    double number = *value;
    PS_TRY(ps_json_get_double(object, key, required, low, high, where, &number));
    if (number != floor(number))
        return ps_fail(PS_ERR_INPUT, "%s: \"%s\" must be a whole number from %d to %d, not %g", where, key, low, high,
                       number);
    *value = (int)number;
    return PS_OK;
}

ps_status ps_json_get_bool(const cJSON *object, const char *key, bool required, const char *where, bool *value) {
    const cJSON *item;
    PS_TRY(find(object, key, required, where, &item));
    if (item == NULL) return PS_OK;
    if (!cJSON_IsBool(item)) return ps_fail(PS_ERR_INPUT, "%s: \"%s\" must be true or false", where, key);
    *value = cJSON_IsTrue(item);
    return PS_OK;
}

ps_status ps_json_get_text(const cJSON *object, const char *key, bool required, const char *where, const char **value) {
    const cJSON *item;
    PS_TRY(find(object, key, required, where, &item));
    if (item == NULL) return PS_OK;
    if (!cJSON_IsString(item)) return ps_fail(PS_ERR_INPUT, "%s: \"%s\" must be a text in quotes", where, key);
    *value = item->valuestring;
    return PS_OK;
}

void ps_json_print_text(FILE *stream, const char *text) {
    putc('"', stream);
    for (const unsigned char *p = (const unsigned char *)text; *p != '\0'; p++) {
        if (*p == '"' || *p == '\\') fprintf(stream, "\\%c", *p);
        else if (*p < 0x20) fprintf(stream, "\\u%04x", *p);
        else putc(*p, stream);
    }
    putc('"', stream);
}

static int format_special(char *buffer, double value) {
    return snprintf(buffer, 32, "%s", isnan(value) ? "\"NaN\"" : value > 0 ? "\"Infinity\"" : "\"-Infinity\"");
}

int ps_json_format_float(char *buffer, float value) {
    if (!isfinite(value)) return format_special(buffer, value);
    return snprintf(buffer, 32, "%.9g", (double)value);
}

int ps_json_format_double(char *buffer, double value) {
    if (!isfinite(value)) return format_special(buffer, value);
    return snprintf(buffer, 32, "%.17g", value);
}

void ps_json_print_float(FILE *stream, float value) {
    char buffer[32];
    ps_json_format_float(buffer, value);
    fputs(buffer, stream);
}

void ps_json_print_double(FILE *stream, double value) {
    char buffer[32];
    ps_json_format_double(buffer, value);
    fputs(buffer, stream);
}
