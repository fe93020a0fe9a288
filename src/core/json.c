#include "core/json.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/text.h"

static ps_status no_memory(const char *what) {
    return ps_fail(PS_ERR_MEMORY, "%s: no memory for its JSON; free some and run again", what);
}

ps_status ps_json_try(const char *text, cJSON **document) {
    errno = 0; /* malloc sets it, a text that is no JSON does not */
    *document = cJSON_Parse(text);
    return *document == NULL && errno == ENOMEM ? no_memory("a line") : PS_OK;
}

ps_status ps_json_copy(const cJSON *item, cJSON **copy) {
    *copy = item != NULL ? cJSON_Duplicate(item, true) : NULL;
    return *copy == NULL && item != NULL ? no_memory("a copy") : PS_OK;
}

ps_status ps_json_text(const cJSON *item, char **text) {
    *text = item != NULL ? cJSON_PrintUnformatted(item) : NULL;
    return *text == NULL && item != NULL ? no_memory("a text") : PS_OK;
}

ps_status ps_json_text_lines(const cJSON *item, char **text) {
    *text = item != NULL ? cJSON_Print(item) : NULL;
    return *text == NULL && item != NULL ? no_memory("a text") : PS_OK;
}

ps_status ps_json_read(const char *path, cJSON **document) {
    char *content;
    size_t size;
    *document = NULL;
    PS_TRY(ps_file_read(path, &content, &size));
    ps_status status = strlen(content) == size || ps_text_is_utf16(content) ? ps_json_parse(content, path, document)
                       : ps_file_begins_as_weights(content, size)
                           ? ps_fail(PS_ERR_INPUT,
                                     "%s: is a file of weights (safetensors), and JSON is wanted here; give the JSON "
                                     "file (of a run: its config.json)",
                                     path)
                           : ps_fail(PS_ERR_INPUT, "%s: holds a zero byte, so it is not JSON text", path);
    free(content);
    return status;
}

/* ---- grammar ---- */

typedef struct {
    const char *why; /* set where the general sentence says too little */
} grammar;

static const char *skip_blanks(const char *p) {
    while (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r') p++;
    return p;
}

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

static bool is_hex(char c) { return is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f'); }

/* What programs and people write in the place of a value. */
static const char *foreign_value(const char *p) {
    static const struct {
        const char *text, *why;
    } known[] = {
        {"NaN", "holds a bare NaN, which JSON does not have; write the text \"NaN\""},
        {"nan", "holds a bare nan, which JSON does not have; write the text \"NaN\""},
        {"-nan", "holds a bare -nan, which JSON does not have; write the text \"NaN\""},
        {"-NaN", "holds a bare -NaN, which JSON does not have; write the text \"NaN\""},
        {"Infinity", "holds a bare Infinity, which JSON does not have; write the text \"Infinity\""},
        {"-Infinity", "holds a bare -Infinity, which JSON does not have; write the text \"-Infinity\""},
        {"inf", "holds a bare inf, which JSON does not have; write the text \"Infinity\""},
        {"-inf", "holds a bare -inf, which JSON does not have; write the text \"-Infinity\""},
        {"None", "holds None, which JSON does not have; write null"},
        {"True", "holds True, which JSON does not have; write true"},
        {"False", "holds False, which JSON does not have; write false"},
        {"'", "holds a single quotation mark; JSON has texts in double ones"},
        {"//", "holds a comment, which JSON does not have"},
        {"/*", "holds a comment, which JSON does not have"},
        {"#", "holds a comment, which JSON does not have"},
        {"\xEF\xBB\xBF", "holds a byte order mark, which may stand at the very beginning alone"},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strncmp(p, known[i].text, strlen(known[i].text)) == 0) return known[i].why;
    if (*p == '\0') return "ends where a value is due";
    return *p == ']' || *p == '}' ? "lacks a value here (is there a comma too many?)" : NULL;
}

/* The four digits behind \\u, -1: they are none. */
static int code_of(const char *text) {
    int code = 0;
    if (text[0] != '\\' || text[1] != 'u') return -1;
    for (int i = 2; i < 6; i++) {
        if (!is_hex(text[i])) return -1;
        code = 16 * code + (is_digit(text[i]) ? text[i] - '0' : (text[i] | 0x20) - 'a' + 10);
    }
    return code;
}

int ps_json_escape_length(const char *text) {
    int code = code_of(text);
    if (code < 0) return text[1] != '\0' && strchr("\"\\/bfnrt", text[1]) != NULL ? 2 : 0;
    if (code < 0xD800 || code > 0xDFFF) return 6;
    int low = code < 0xDC00 ? code_of(text + 6) : -1;
    return low >= 0xDC00 && low <= 0xDFFF ? 12 : 0;
}

/* Each of these returns where it stopped, and false where the text is no JSON there. */
static bool pass_string(grammar *g, const char **at) {
    const char *p = *at + 1;
    while (*p != '"') {
        int length = 1;
        if ((unsigned char)*p < 0x20) {
            g->why = *p == '\0' ? "ends within a text" : "holds a control character within a text; write it as \\u00XX";
        } else if (*p == '\\') {
            length = ps_json_escape_length(p);
            if (length == 0) g->why = "holds an escape that JSON does not have";
        } else if ((unsigned char)*p >= 0x80 && (length = ps_text_utf8_length(p)) == 0) {
            g->why = "holds bytes that are no UTF-8; save it as UTF-8";
        }
        *at = p;
        if (g->why != NULL) return false;
        p += length;
    }
    *at = p + 1;
    return true;
}

static bool pass_number(grammar *g, const char **at) {
    const char *p = *at + (**at == '-');
    bool zero = *p == '0';
    if (!is_digit(*p)) return false;
    while (is_digit(*p)) p++;
    if (zero && is_digit(p[-1]) && p - *at - (**at == '-') > 1) {
        g->why = "holds a number with a leading zero, which JSON does not have";
        return false;
    }
    for (int part = 0; part < 2; part++) {
        if (part == 0 ? *p != '.' : (*p | 0x20) != 'e') continue;
        p++;
        p += part == 1 && (*p == '-' || *p == '+');
        if (!is_digit(*p)) {
            g->why = "holds a number that lacks a digit";
            *at = p;
            return false;
        }
        while (is_digit(*p)) p++;
    }
    if (p - *at > PS_JSON_LONGEST_NUMBER) { /* cJSON reads no more of it */
        g->why = "holds a number of more than 63 characters";
        return false;
    }
    *at = p;
    return true;
}

static bool pass_value(grammar *g, const char **at, int depth);

static bool pass_key(grammar *g, const char **at) {
    *at = skip_blanks(*at);
    if (**at != '"') {
        g->why =
            **at == '}' ? "lacks a key here (is there a comma too many?)" : "lacks a key in double quotation marks";
        return false;
    }
    if (!pass_string(g, at)) return false;
    *at = skip_blanks(*at);
    if (*(*at) == ':') {
        ++*at;
        return true;
    }
    g->why = "lacks a colon behind a key";
    return false;
}

static bool pass_container(grammar *g, const char **at, int depth) {
    char close = **at == '{' ? '}' : ']';
    if (depth == 0) {
        g->why = "is nested deeper than 64 levels";
        return false;
    }
    *at = skip_blanks(*at + 1);
    if (**at == close) {
        ++*at;
        return true;
    }
    for (;;) {
        if (close == '}' && !pass_key(g, at)) return false;
        if (!pass_value(g, at, depth - 1)) return false;
        *at = skip_blanks(*at);
        if (**at == close) {
            ++*at;
            return true;
        }
        if (**at != ',') {
            g->why = **at == '\0' ? "ends within an object or array" : "lacks a comma or the end of an object or array";
            return false;
        }
        ++*at;
    }
}

static bool pass_value(grammar *g, const char **at, int depth) {
    *at = skip_blanks(*at);
    const char *p = *at;
    if (*p == '"') return pass_string(g, at);
    if (*p == '{' || *p == '[') return pass_container(g, at, depth);
    static const char *const words[] = {"true", "false", "null"};
    for (int w = 0; w < 3; w++)
        if (strncmp(p, words[w], strlen(words[w])) == 0) {
            *at += strlen(words[w]);
            return true;
        }
    g->why = foreign_value(p);
    return g->why == NULL && pass_number(g, at);
}

const char *ps_json_find_fault(const char *text, const char **why) {
    grammar g = {NULL};
    const char *at = text;
    *why = "holds something else than a value here; mend the text at this place";
    if (pass_value(&g, &at, PS_JSON_MOST_DEPTH)) {
        at = skip_blanks(at);
        if (*at == '\0') return NULL;
        g.why = "goes on behind the end of its value";
    }
    if (g.why != NULL) *why = g.why;
    return at;
}

ps_status ps_json_parse(const char *text, const char *where, cJSON **document) {
    const char *why, *start = ps_text_skip_mark(text), *fault = ps_json_find_fault(start, &why);
    *document = NULL;
    if (ps_text_is_utf16(text)) return ps_fail(PS_ERR_INPUT, "%s: is UTF-16; save it as UTF-8", where);
    if (fault == NULL) {
        *document = cJSON_Parse(start);
        return *document != NULL ? PS_OK : ps_fail(PS_ERR_MEMORY, "%s: no memory for its content", where);
    }
    int line = 1, column = 1;
    for (const char *p = start; p < fault; p++) {
        column = *p == '\n' ? 1 : column + 1;
        line += *p == '\n';
    }
    return ps_fail(PS_ERR_INPUT, "%s:%d:%d: is not valid JSON: it %s", where, line, column, why);
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
    for (const char *p = text; *p != '\0';) {
        int length = ps_text_utf8_length(p);
        if (*p == '"' || *p == '\\') fprintf(stream, "\\%c", *p);
        else if ((unsigned char)*p < 0x20) fprintf(stream, "\\u%04x", (unsigned)*p);
        else if (length == 0) fputs("\\ufffd", stream);
        else fwrite(p, 1, (size_t)length, stream);
        p += length > 0 ? length : 1;
    }
    putc('"', stream);
}

static int format_special(char *buffer, double value) {
    return snprintf(buffer, 32, "%s", isnan(value) ? "\"NaN\"" : value > 0 ? "\"Infinity\"" : "\"-Infinity\"");
}

int ps_json_format_double(char *buffer, double value) {
    if (!isfinite(value)) return format_special(buffer, value);
    return snprintf(buffer, 32, "%.17g", value);
}

void ps_json_print_double(FILE *stream, double value) {
    char buffer[32];
    ps_json_format_double(buffer, value);
    fputs(buffer, stream);
}
