/* Small helpers over cJSON for documents that people write (configurations, graphs): case-sensitive look-ups with
 * one-sentence errors, unknown keys refused by name, exact numbers out. `where` names the document and place
 * ("plan.json: arms[1]") and leads every sentence. Returned strings and items are borrowed from the document. */
#ifndef PS_CORE_JSON_H
#define PS_CORE_JSON_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "core/status.h"

/* NULL where the text is one value of RFC 8259 with blanks around it, in UTF-8, nested at most PS_JSON_MOST_DEPTH deep;
 * else where it ceases to be, and *why, the half of a sentence behind "is not valid JSON: it ". cJSON itself takes
 * more (leading zeros, control characters), and other readers of the same text would not. */
enum { PS_JSON_MOST_DEPTH = 64, PS_JSON_LONGEST_NUMBER = 63 };
const char *ps_json_find_fault(const char *text, const char **why);

/* Length of the escape that begins at this backslash (of a pair of surrogates both), 0 where JSON has none such. */
int ps_json_escape_length(const char *text);

/* Parses a whole file or text; a syntax error names line and column. A byte order mark at its start is passed over. The
 * caller frees with cJSON_Delete. */
ps_status ps_json_read(const char *path, cJSON **document);
ps_status ps_json_parse(const char *text, const char *where, cJSON **document);

/* cJSON answers NULL alike for what is not there, for text that is no JSON, and for a machine without memory. These
 * tell them apart: PS_ERR_MEMORY is the last alone; with PS_OK, NULL is one of the others. No source but json.c calls
 * cJSON_Parse, cJSON_Duplicate or cJSON_Print* itself (`make lint` looks). */
/* The text's first value; NULL where it is no JSON. The caller frees with cJSON_Delete. */
ps_status ps_json_try(const char *text, cJSON **document);
/* A whole copy; NULL for NULL. The caller frees with cJSON_Delete. */
ps_status ps_json_copy(const cJSON *item, cJSON **copy);
/* The text of an item on one line; NULL for NULL. The caller frees with cJSON_free. */
ps_status ps_json_text(const cJSON *item, char **text);
/* The same on lines of its own for each member. */
ps_status ps_json_text_lines(const cJSON *item, char **text);

/* Refuses keys of `object` that are not in the NULL-terminated list, naming the key, the nearest known one and all
 * known. */
ps_status ps_json_check_keys(const cJSON *object, const char *const *known, const char *where);

/* Typed look-ups. Absent keys leave *value as it is (set the default first) unless `required`. */
ps_status ps_json_get_int(const cJSON *object, const char *key, bool required, int low, int high, const char *where,
                          int *value);
ps_status ps_json_get_double(const cJSON *object, const char *key, bool required, double low, double high,
                             const char *where, double *value);
ps_status ps_json_get_bool(const cJSON *object, const char *key, bool required, const char *where, bool *value);
ps_status ps_json_get_text(const cJSON *object, const char *key, bool required, const char *where, const char **value);

/* Writing without a tree: a quoted, escaped string (bytes that are no UTF-8 become U+FFFD, for JSON has no others); a
 * number that reads back as the same double (17 significant digits); NaN and infinity as the strings
 * "NaN", "Infinity", "-Infinity", which JSON has no numbers for. */
void ps_json_print_text(FILE *stream, const char *text);
void ps_json_print_double(FILE *stream, double value);
/* The same into a buffer of at least 32 bytes; returns the length. */
int ps_json_format_double(char *buffer, double value);

#endif
