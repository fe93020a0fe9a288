/* Direct scanning of one line of JSON in place: no tree, no allocation. Used by the trace reader, whose lines are
 * mostly long arrays of numbers. The text must end in a zero byte. On malformed text a scanner returns NULL; on
 * success, where it stopped. */
#ifndef PS_ANALYSIS_JSON_SCAN_H
#define PS_ANALYSIS_JSON_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* A value that was null or not recorded: a NaN of its own, apart from a measured NaN. */
#define PS_ABSENT_BITS 0x7ff8000000abce17u
static inline double ps_absent(void) {
    const uint64_t bits = PS_ABSENT_BITS;
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}
static inline bool ps_is_absent(double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits == PS_ABSENT_BITS;
}

/* Skips blanks. */
const char *ps_scan_blanks(const char *text);
/* A number, the text "NaN", "Infinity" or "-Infinity", or null (gives ps_absent). Correctly rounded, as strtod. */
const char *ps_scan_number(const char *text, double *value);
/* A string; the span excludes the quotes and is not unescaped (*escaped says whether it holds a backslash). */
const char *ps_scan_string(const char *text, const char **begin, size_t *length, bool *escaped);
/* Any value, checked for balance and plausible tokens: numbers of flat arrays are left to who reads them. */
const char *ps_scan_skip(const char *text);
/* Any value, its numbers too. */
const char *ps_scan_check(const char *text);
/* An array of numbers: stores up to `room` and counts all. */
const char *ps_scan_array(const char *text, double *values, size_t room, size_t *count);

/* Counts the numbers of an array without working them out, and finds as many as ps_scan_array would: for arrays of
 * which nothing else is asked. NULL for what is not common (blanks, texts, null, no number at all), which ps_scan_array
 * may take all the same, and where not_negative is asked and a number has a sign. */
const char *ps_scan_count(const char *text, bool not_negative, size_t *count);

/* Next key of an object: `text` points behind '{' or behind the previous value; *done at '}'. Gives the place of the
 * value.
 */
const char *ps_scan_key(const char *text, bool first, const char **key, size_t *key_length, bool *done);

#endif
