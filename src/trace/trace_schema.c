#include "trace/trace_schema.h"

#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "trace/trace_arm.h"
#include "trace/trace_registration.h"
#include "trace/trace_quantity.h"
#include "trace/trace_task.h"

/* ---- objects ---- */

enum { NO = false, YES = true };
static const struct {
    const char *word;
    bool quantities;
} objects[PS_OBJECT_COUNT] = {
#define PS_TRACE_RECORD(id, word, quantities) {word, quantities},
#include "trace/record_list.def"
#undef PS_TRACE_RECORD
#define PS_TRACE_EVENT(id, word, meaning) {word, NO},
#include "trace/event_list.def"
#undef PS_TRACE_EVENT
#define PS_TRACE_PART(id, word) {word, NO},
#include "trace/part_list.def"
#undef PS_TRACE_PART
};

const char *ps_object_word(ps_trace_object object) { return objects[object].word; }

ps_record_type ps_record_find(const char *word, size_t length) {
    for (int i = 0; i < PS_RECORD_COUNT; i++)
        if (strlen(objects[i].word) == length && memcmp(objects[i].word, word, length) == 0) return (ps_record_type)i;
    return PS_RECORD_UNKNOWN;
}

ps_trace_object ps_event_find(const char *word) {
    static const ps_trace_object events[] = {
#define PS_TRACE_EVENT(id, word, meaning) PS_OBJECT_##id,
#include "trace/event_list.def"
#undef PS_TRACE_EVENT
    };
    for (size_t i = 0; i < sizeof events / sizeof *events; i++)
        if (strcmp(objects[events[i]].word, word) == 0) return events[i];
    return PS_OBJECT_COUNT;
}

/* ---- words ---- */

/* Those of word_list.def first, as ps_trace_word has them. */
static const struct {
    ps_trace_words list;
    const char *word;
} words[] = {
#define PS_TRACE_WORD(list, id, word) {PS_WORDS_##list, word},
#include "trace/word_list.def"
#undef PS_TRACE_WORD
#define PS_TRACE_ROLE(id, word, ...) {PS_WORDS_ROLE, word},
#include "trace/arm_role_list.def"
#undef PS_TRACE_ROLE
#define CUT(id, word) {PS_WORDS_CUT, word},
    PS_TRACE_CUTS(CUT)
#undef CUT
#define DIRECTION(id, word) {PS_WORDS_DIRECTION, word},
        PS_DIRECTIONS(DIRECTION)
#undef DIRECTION
#define PER(id, word) {PS_WORDS_PER, word},
            PS_QUANTITY_PERS(PER)
#undef PER
};

const char *ps_word_text(ps_trace_word word) { return words[word].word; }

static const char *holder_at(int index) {
    for (int type = 0; type < PS_RECORD_COUNT; type++)
        if (objects[type].quantities && index-- == 0) return objects[type].word;
    return NULL;
}

const char *ps_words_at(ps_trace_words list, int index) {
    if (list == PS_WORDS_HOLDER) return holder_at(index);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (words[i].list == list && index-- == 0) return words[i].word;
    return NULL;
}

int ps_words_find(ps_trace_words list, const char *word) {
    const char *known;
    for (int i = 0; (known = ps_words_at(list, i)) != NULL; i++)
        if (strcmp(known, word) == 0) return i;
    return -1;
}

/* ---- keys ---- */

/* Kinds are their shapes, but for these: */
#define KIND_ANY {.shape = PS_SHAPE_ANY}
#define KIND_TEXT {.shape = PS_SHAPE_TEXT}
#define KIND_NAME {.shape = PS_SHAPE_NAME}
#define KIND_NAME_OF_KEY {.shape = PS_SHAPE_NAME_OF_KEY}
#define KIND_TEXT_OR_NULL {.shape = PS_SHAPE_TEXT_OR_NULL}
#define KIND_SWITCH {.shape = PS_SHAPE_SWITCH}
#define KIND_NUMBER {.shape = PS_SHAPE_NUMBER}
#define KIND_NUMBER_OR_NULL {.shape = PS_SHAPE_NUMBER_OR_NULL}
#define KIND_VALUE {.shape = PS_SHAPE_VALUE}
#define KIND_WHOLES {.shape = PS_SHAPE_WHOLES}
#define KIND_NUMBERS {.shape = PS_SHAPE_NUMBERS}
#define KIND_FOUR_WHOLES {.shape = PS_SHAPE_FOUR_WHOLES}
#define KIND_NAMES_OR_NULL {.shape = PS_SHAPE_NAMES_OR_NULL}
#define KIND_NAMES {.shape = PS_SHAPE_NAMES}
#define KIND_TEXTS {.shape = PS_SHAPE_TEXTS}
#define KIND_TEXTS_OR_NULLS {.shape = PS_SHAPE_TEXTS_OR_NULLS}
#define KIND_FREE {.shape = PS_SHAPE_FREE}
#define KIND_VALUES {.shape = PS_SHAPE_VALUES}
#define KIND_VERSION {.shape = PS_SHAPE_WHOLE, .low = 1, .high = PS_TRACE_VERSION}
#define KIND_SEED {.shape = PS_SHAPE_WHOLE, .low = -PS_TRACE_MOST_WHOLE, .high = PS_TRACE_MOST_WHOLE}
#define KIND_WHOLE {.shape = PS_SHAPE_WHOLE, .low = 0, .high = PS_TRACE_MOST_WHOLE}
#define KIND_WHOLE_OR_NULL {.shape = PS_SHAPE_WHOLE_OR_NULL, .low = 0, .high = PS_TRACE_MOST_WHOLE}
#define KIND_POSITIVE_OR_NULL {.shape = PS_SHAPE_WHOLE_OR_NULL, .low = 1, .high = PS_TRACE_MOST_WHOLE}
#define KIND_POSITIVE {.shape = PS_SHAPE_WHOLE, .low = 1, .high = PS_TRACE_MOST_WHOLE}
#define KIND_CHANNELS {.shape = PS_SHAPE_WHOLE, .low = 1, .high = PS_TRACE_MOST_CHANNELS}
#define KIND_COUNT {.shape = PS_SHAPE_WHOLE, .low = 0, .high = INT_MAX}
#define KIND_WORD(list) {.shape = PS_SHAPE_WORD, .of = PS_WORDS_##list}
#define KIND_OBJECT(part) {.shape = PS_SHAPE_OBJECT, .of = PS_OBJECT_##part}
#define KIND_OWN(part) {.shape = PS_SHAPE_OWN, .of = PS_OBJECT_##part}
#define KIND_LIST(part) {.shape = PS_SHAPE_LIST, .of = PS_OBJECT_##part}
#define KIND_MEASURES {.shape = PS_SHAPE_LIST, .low = 1, .high = PS_TRACE_MOST_MEASURES, .of = PS_OBJECT_MEASURE}
enum { OPTIONAL = 0 };

const ps_trace_key_line ps_trace_keys[PS_KEY_COUNT] = {
#define PS_TRACE_KEY(object, key, kind, need, held, meaning, more) \
    {PS_OBJECT_##object, #key, meaning, more, KIND_##kind, need},
#include "trace/key_list.def"
#undef PS_TRACE_KEY
};

static const char *const shape_words[] = {
#define SHAPE(id, words) words,
    PS_TRACE_SHAPES(SHAPE)
#undef SHAPE
};

/* ---- values ---- */

bool ps_value_is_whole(const cJSON *item, double low, double high) {
    return cJSON_IsNumber(item) && item->valuedouble == floor(item->valuedouble) && item->valuedouble >= low &&
           item->valuedouble <= high;
}

bool ps_value_is_special(const cJSON *item) {
    const char *text = cJSON_GetStringValue(item);
    return text != NULL && (strcmp(text, PS_TRACE_NAN) == 0 || strcmp(text, PS_TRACE_INFINITY) == 0 ||
                            strcmp(text, PS_TRACE_MINUS_INFINITY) == 0);
}

bool ps_value_is_sound(const cJSON *item) {
    return cJSON_IsNumber(item) || cJSON_IsNull(item) || ps_value_is_special(item);
}

double ps_value_of(const cJSON *item) {
    if (cJSON_IsNumber(item)) return item->valuedouble;
    const char *text = cJSON_GetStringValue(item);
    if (text == NULL || strcmp(text, PS_TRACE_NAN) == 0) return NAN;
    return text[0] == '-' ? -INFINITY : INFINITY;
}

static bool are_wholes(const cJSON *array, int count) {
    const cJSON *item;
    if (!cJSON_IsArray(array) || (count > 0 && cJSON_GetArraySize(array) != count)) return false;
    cJSON_ArrayForEach(item, array) if (!ps_value_is_whole(item, 0, PS_TRACE_MOST_WHOLE)) return false;
    return true;
}

static bool are_values(const cJSON *array) {
    const cJSON *item;
    if (!cJSON_IsArray(array)) return false;
    cJSON_ArrayForEach(item, array) if (!ps_value_is_sound(item)) return false;
    return true;
}

static bool are_texts(const cJSON *items, bool nulls) {
    const cJSON *item;
    cJSON_ArrayForEach(item, items) if (!cJSON_IsString(item) && !(nulls && cJSON_IsNull(item))) return false;
    return true;
}

/* Names of measures become keys, columns and parts of rules. */
static bool is_name_of_key(const char *text) {
    if (text == NULL || text[0] == '\0' || strlen(text) >= PS_TRACE_TASK_TEXT) return false;
    for (const char *p = text; *p != '\0'; p++)
        if (!(*p >= 'a' && *p <= 'z') && !(*p >= '0' && *p <= '9' && p > text) && *p != '_') return false;
    return true;
}

bool ps_key_is_sound(const ps_trace_key_line *key, const cJSON *item) {
    const char *text = cJSON_GetStringValue(item);
    switch (key->kind.shape) {
        case PS_SHAPE_ANY:
        case PS_SHAPE_OWN: return true;
        case PS_SHAPE_TEXT: return text != NULL;
        case PS_SHAPE_NAME: return text != NULL && text[0] != '\0';
        case PS_SHAPE_NAME_OF_KEY: return is_name_of_key(text);
        case PS_SHAPE_TEXT_OR_NULL: return text != NULL || cJSON_IsNull(item);
        case PS_SHAPE_WORD: return text != NULL && ps_words_find((ps_trace_words)key->kind.of, text) >= 0;
        case PS_SHAPE_WHOLE: return ps_value_is_whole(item, key->kind.low, key->kind.high);
        case PS_SHAPE_WHOLE_OR_NULL:
            return cJSON_IsNull(item) || ps_value_is_whole(item, key->kind.low, key->kind.high);
        case PS_SHAPE_SWITCH: return cJSON_IsBool(item);
        case PS_SHAPE_NUMBER: return cJSON_IsNumber(item);
        case PS_SHAPE_NUMBER_OR_NULL: return cJSON_IsNumber(item) || cJSON_IsNull(item);
        case PS_SHAPE_VALUE: return ps_value_is_sound(item);
        case PS_SHAPE_NUMBERS: return are_values(item);
        case PS_SHAPE_WHOLES: return are_wholes(item, 0);
        case PS_SHAPE_FOUR_WHOLES: return are_wholes(item, 4);
        case PS_SHAPE_NAMES: return cJSON_IsArray(item) && are_texts(item, false);
        case PS_SHAPE_NAMES_OR_NULL: return cJSON_IsNull(item) || (cJSON_IsArray(item) && are_texts(item, false));
        case PS_SHAPE_TEXTS:
        case PS_SHAPE_TEXTS_OR_NULLS:
            return cJSON_IsObject(item) && are_texts(item, key->kind.shape == PS_SHAPE_TEXTS_OR_NULLS);
        case PS_SHAPE_FREE:
        case PS_SHAPE_VALUES:
        case PS_SHAPE_OBJECT: return cJSON_IsObject(item);
        case PS_SHAPE_LIST: return cJSON_IsArray(item);
    }
    return false;
}

/* ---- sentences ---- */

static void __attribute__((format(printf, 3, 4))) append(char *text, size_t size, const char *format, ...) {
    size_t length = strlen(text);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text + length, size - length, format, arguments);
    va_end(arguments);
}

static void append_words(char *text, size_t size, ps_trace_words list) {
    const char *word;
    if (ps_words_at(list, 4) != NULL) append(text, size, "one of ");
    for (int i = 0; (word = ps_words_at(list, i)) != NULL; i++)
        append(text, size, "%s%s", i == 0 ? "" : ps_words_at(list, i + 1) != NULL ? ", " : " or ", word);
}

const char *ps_key_demand(const ps_trace_key_line *key, char *text, size_t size) {
    const ps_trace_kind *kind = &key->kind;
    snprintf(text, size, "%s", shape_words[kind->shape]);
    if (kind->shape == PS_SHAPE_WORD) append_words(text, size, (ps_trace_words)kind->of);
    if (kind->shape == PS_SHAPE_WHOLE || kind->shape == PS_SHAPE_WHOLE_OR_NULL)
        append(text, size, " from %.0f to %.0f%s", kind->low, kind->high,
               kind->high >= PS_TRACE_MOST_WHOLE ? " (2^53)" : "");
    if (kind->shape == PS_SHAPE_LIST && kind->high > 0) append(text, size, " of %.0f to %.0f", kind->low, kind->high);
    return text;
}

const char *ps_key_breach(const ps_trace_key_line *key, const cJSON *item, char *text, size_t size) {
    const char *given = cJSON_GetStringValue(item);
    char demand[512];
    snprintf(text, size, "\"%s\" must be %s", key->name, ps_key_demand(key, demand, sizeof demand));
    if (key->need == OPTIONAL) append(text, size, ", or left out");
    if (key->kind.shape == PS_SHAPE_WORD && given != NULL) append(text, size, ", not \"%.200s\"", given);
    append(text, size, ": %s", key->meaning);
    return text;
}
