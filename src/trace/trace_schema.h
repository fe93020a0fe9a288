/* The trace's records, events, keys and words as record_list.def, event_list.def, part_list.def, key_list.def and
 * word_list.def have them: by these the writer names keys, the rules check them and readers find them; schema.json and
 * the tables of FORMAT.md are made from them (make golden-update). Constants; nothing to free. */
#ifndef PS_TRACE_SCHEMA_H
#define PS_TRACE_SCHEMA_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>

#include "trace/trace_format.h"

/* ---- objects: what has keys ---- */

typedef enum {
#define PS_TRACE_RECORD(id, ...) PS_OBJECT_##id,
#include "trace/record_list.def"
#undef PS_TRACE_RECORD
#define PS_TRACE_EVENT(id, ...) PS_OBJECT_##id,
#include "trace/event_list.def"
#undef PS_TRACE_EVENT
#define PS_TRACE_PART(id, ...) PS_OBJECT_##id,
#include "trace/part_list.def"
#undef PS_TRACE_PART
    PS_OBJECT_COUNT
} ps_trace_object;

typedef enum {
    PS_RECORD_UNKNOWN = -1,
#define PS_TRACE_RECORD(id, ...) PS_RECORD_##id = PS_OBJECT_##id,
#include "trace/record_list.def"
#undef PS_TRACE_RECORD
    PS_RECORD_COUNT
} ps_record_type;

typedef enum {
#define PS_TRACE_EVENT(id, ...) PS_EVENT_##id = PS_OBJECT_##id,
#include "trace/event_list.def"
#undef PS_TRACE_EVENT
} ps_event_kind;

/* A record's "type", an event's "event", the name of a part. */
const char *ps_object_word(ps_trace_object object);
static inline const char *ps_record_word(ps_record_type type) { return ps_object_word((ps_trace_object)type); }
static inline const char *ps_event_word(ps_event_kind kind) { return ps_object_word((ps_trace_object)kind); }
/* Of this word and length among the records; PS_RECORD_UNKNOWN: none. */
ps_record_type ps_record_find(const char *word, size_t length);
/* Of this word among the events; PS_OBJECT_COUNT: none. */
ps_trace_object ps_event_find(const char *word);

/* ---- words: what a text may be ---- */

typedef enum { /* the lists of word_list.def, and those that stand elsewhere */
               PS_WORDS_FORMAT,
               PS_WORDS_KIND,
               PS_WORDS_ACTIVATION,
               PS_WORDS_DEATH,
               PS_WORDS_BETTER,
               PS_WORDS_STATUS,
               PS_WORDS_NORM_OVER,
               PS_WORDS_LOSS_OF,
               PS_WORDS_NONFINITE,
               PS_WORDS_FROZEN,
               PS_WORDS_ROLE,      /* arm_role_list.def */
               PS_WORDS_CUT,       /* PS_TRACE_CUTS */
               PS_WORDS_DIRECTION, /* PS_DIRECTIONS */
               PS_WORDS_PER,       /* PS_QUANTITY_PERS */
               PS_WORDS_HOLDER     /* records that hold quantities */
} ps_trace_words;

typedef enum {
#define PS_TRACE_WORD(list, id, word) PS_WORD_##list##_##id,
#include "trace/word_list.def"
#undef PS_TRACE_WORD
} ps_trace_word;
/* PS_WORD(KIND, CONV) is "conv". */
#define PS_WORD(list, id) ps_word_text(PS_WORD_##list##_##id)
const char *ps_word_text(ps_trace_word word);
/* The words of a list, from index 0 on; NULL behind the last one. */
const char *ps_words_at(ps_trace_words list, int index);
/* The index of a word in its list, -1: it is none of them. */
int ps_words_find(ps_trace_words list, const char *word);

/* ---- keys ---- */

/* The shapes of values, with the words behind "must be". Those of whole numbers and words name their bounds and lists
 * besides. */
#define PS_TRACE_SHAPES(SHAPE)                                                          \
    SHAPE(ANY, "anything")                                                              \
    SHAPE(TEXT, "a text")                                                               \
    SHAPE(NAME, "a text that is not empty")                                             \
    SHAPE(NAME_OF_KEY, "a text of small letters, digits and \"_\" (at most 31)")        \
    SHAPE(TEXT_OR_NULL, "a text or null")                                               \
    SHAPE(WORD, "")                                                                     \
    SHAPE(WHOLE, "a whole number")                                                      \
    SHAPE(SWITCH, "true or false")                                                      \
    SHAPE(NUMBER, "a number")                                                           \
    SHAPE(NUMBER_OR_NULL, "a number or null")                                           \
    SHAPE(VALUE, "a number, null, \"NaN\", \"Infinity\" or \"-Infinity\"")              \
    SHAPE(WHOLE_OR_NULL, "null or a whole number")                                      \
    SHAPE(WHOLES, "an array of whole numbers from 0 on")                                \
    SHAPE(NUMBERS, "an array of numbers, null, \"NaN\", \"Infinity\" or \"-Infinity\"") \
    SHAPE(FOUR_WHOLES, "an array of four whole numbers from 0 on")                      \
    SHAPE(NAMES_OR_NULL, "an array of names, or null where they are not known")         \
    SHAPE(NAMES, "an array of names")                                                   \
    SHAPE(TEXTS, "an object of texts")                                                  \
    SHAPE(TEXTS_OR_NULLS, "an object of texts or nulls")                                \
    SHAPE(FREE, "an object")                                                            \
    SHAPE(VALUES, "an object")                                                          \
    SHAPE(OBJECT, "an object")                                                          \
    SHAPE(OWN, "an object")                                                             \
    SHAPE(LIST, "an array")
typedef enum {
#define SHAPE(id, words) PS_SHAPE_##id,
    PS_TRACE_SHAPES(SHAPE)
#undef SHAPE
} ps_trace_shape;

typedef struct {
    ps_trace_shape shape;
    double low, high; /* of whole numbers; of a LIST how many: 0, 0: any number */
    int of; /* of a WORD its ps_trace_words; of an OBJECT, of an OWN and of a LIST's items the ps_trace_object */
} ps_trace_kind;

typedef struct {
    ps_trace_object object;
    const char *name, *meaning, *more;
    ps_trace_kind kind;
    int need; /* the version from which on it must stand there; 0: it may be left out */
} ps_trace_key_line;

typedef enum {
#define PS_TRACE_KEY(object, key, ...) PS_KEY_##object##_##key,
#include "trace/key_list.def"
#undef PS_TRACE_KEY
    PS_KEY_COUNT
} ps_trace_key;
/* The keys of an object stand together. */
extern const ps_trace_key_line ps_trace_keys[PS_KEY_COUNT];
/* PS_KEY(HEADER, seed) is "seed"; no key is written out elsewhere. */
#define PS_KEY(object, key) (ps_trace_keys[PS_KEY_##object##_##key].name)

/* Whether a value, NULL where there is none, is of the key's kind. Keys inside of an OBJECT or LIST are not asked for;
 * nor is anything of an OWN, whose reader asks itself. */
bool ps_key_is_sound(const ps_trace_key_line *key, const cJSON *item);
/* What it must be, with its meaning: "\"window\" must be a whole number from 1 to ...: steps per window". Returns
 * text. */
const char *ps_key_breach(const ps_trace_key_line *key, const cJSON *item, char *text, size_t size);
/* What it must be in words, for documents: "conv, linear or shared". Returns text. */
const char *ps_key_demand(const ps_trace_key_line *key, char *text, size_t size);

/* "NaN", "Infinity" or "-Infinity"; a number, null or one of these; and which number it is, NaN for null. */
bool ps_value_is_special(const cJSON *item);
bool ps_value_is_sound(const cJSON *item);
double ps_value_of(const cJSON *item);
/* A whole number within these bounds. */
bool ps_value_is_whole(const cJSON *item, double low, double high);

#endif
