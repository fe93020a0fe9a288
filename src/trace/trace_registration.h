/* The questions that were registered before training: the header's object "registration" (FORMAT.md). What is judged,
 * in which order and by which seeds is fixed there; all else that a comparison shows is exploratory. The digest ties a
 * trace to its registration: one that is changed later has another. Plain values; nothing to free. */
#ifndef PS_TRACE_TRACE_REGISTRATION_H
#define PS_TRACE_TRACE_REGISTRATION_H

#include <cjson/cJSON.h>
#include <stdbool.h>

#include "core/status.h"

enum { PS_REGISTRATION_MOST_SECONDARY = 16, PS_REGISTRATION_MOST_SEEDS = 256, PS_REGISTRATION_NAME = 65 };

/* What is claimed of the arm against the other one: a difference beyond the margin, or none beyond it. */
#define PS_DIRECTIONS(DIRECTION)        \
    DIRECTION(HIGHER, "higher")         \
    DIRECTION(LOWER, "lower")           \
    DIRECTION(NOT_HIGHER, "not higher") \
    DIRECTION(NOT_LOWER, "not lower")
typedef enum {
#define DIRECTION(name, word) PS_DIRECTION_##name,
    PS_DIRECTIONS(DIRECTION)
#undef DIRECTION
        PS_DIRECTION_COUNT
} ps_direction;
const char *ps_direction_word(ps_direction direction);
/* Whether what is claimed lies above the mark: of "higher" and "not lower". */
bool ps_direction_is_up(ps_direction direction);
/* Whether it is that a difference stays within the margin: "not higher" and "not lower". */
bool ps_direction_is_within(ps_direction direction);

typedef struct {
    char prediction[PS_REGISTRATION_NAME]; /* id of the list; "": a contrast of the user's own, by the fields below */
    char measure[PS_REGISTRATION_NAME];    /* a number of a run, as comparison.tsv names it */
    char arm[PS_REGISTRATION_NAME], against[PS_REGISTRATION_NAME]; /* of a prediction "" where roles name the arms */
    ps_direction direction;
    double margin; /* from 0 on, in the unit of the measure; above 0 for "not higher" and "not lower" */
    /* For planning alone, in the unit of the statistic: the difference that is thought to be true, and its standard
     * deviation from seed to seed. NaN: not said. */
    double effect, sd;
} ps_question;

typedef struct {
    ps_question primary, secondary[PS_REGISTRATION_MOST_SECONDARY]; /* the latter in the order they are judged in */
    int secondaries;
    long long seed[PS_REGISTRATION_MOST_SEEDS]; /* in the order they are looked at */
    int seeds;
    bool sequential;       /* looks after 5, 8, 12, 16 and 20 of them (analysis/stats/sequential.h) */
    double collapse_below; /* a run whose first test measure is worse collapsed; NaN: no such level */
    char digest[17];       /* of the text without it; "" until ps_registration_text has been asked */
} ps_registration;

/* Reads {"primary": Q, "secondary": [Q, ..], "seeds": [..], "sequential": true, "collapse_below": X}, where Q is "P2",
 * {"prediction": "P2", "arm": "ps2"} or {"measure": "dead_end", "arm": "ps2", "against": "baseline",
 * "direction": "higher", "margin": 0.01}, each with "effect" and "sd" if wanted. Only "primary" and "seeds" must be
 * there. Sets the digest. PS_ERR_INPUT names the place. */
ps_status ps_registration_parse(const cJSON *document, const char *where, ps_registration *out);

/* The same as one line of JSON, with its digest; the caller frees with free. */
ps_status ps_registration_text(const ps_registration *registration, char **text);

/* Of a header: false where it has none. *fault: what is wrong with it as a sentence in a buffer that lasts until the
 * next failure of this thread; NULL: nothing. */
bool ps_registration_read(const cJSON *header, ps_registration *out, const char **fault);

bool ps_registration_has_seed(const ps_registration *registration, long long seed);

/* "P2", "dead_end of ps2 higher than of baseline by more than 0.01": to be named in a sentence. */
enum { PS_QUESTION_TITLE = 320 };
const char *ps_question_title(const ps_question *question, char title[PS_QUESTION_TITLE]);

#endif
