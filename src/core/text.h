/* Text helpers shared by option parsing, error sentences and what is printed. */
#ifndef PS_CORE_TEXT_H
#define PS_CORE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* Levenshtein distance, for "did you mean"; words longer than 63 characters compare by their first 63. */
int ps_text_distance(const char *a, const char *b);
/* Shell-style match of names with * and ?, for choosing layers and quantities. */
bool ps_text_matches(const char *pattern, const char *text);

/* Bytes of the character that begins here, 0 where the bytes are no UTF-8 (RFC 3629). At the end of the text: 1. */
int ps_text_utf8_length(const char *text);
/* The first byte that is no UTF-8, NULL: all are. */
const char *ps_text_find_foreign(const char *text);
/* Whether a file begins as one in UTF-16 does (its zero bytes end the text). */
bool ps_text_is_utf16(const char *text);
/* Behind a byte order mark, where the text begins with one: it is no part of the text, here as everywhere. */
const char *ps_text_skip_mark(const char *text);

/* Names of traces and files are others' words, and a terminal obeys some of them. Every character that is not to be
 * shown as it stands (control characters, also those of Latin-1; marks that turn the direction of writing or have no
 * width; what is no UTF-8) becomes '?'; tabs stay, newlines where `keep_lines`. In place, as the text never grows. */
void ps_text_make_showable(char *text, bool keep_lines);
/* Whether that would leave it as it is (tabs and newlines are none to be shown here). */
bool ps_text_is_showable(const char *text);
/* The same on the way out, up to `columns` characters; returns how many. Tabs and newlines become '?', too. */
int ps_text_put(FILE *stream, const char *text, int columns);

/* What stands in `a` where `b` has something else: the words that differ where both have as many words, else all of
 * `a`; where that has no room, from a little before the first difference on, "..." for what is left out. */
void ps_text_difference(const char *a, const char *b, char *out, size_t size);

/* A number as %g with so many digits writes it; what is not finite is "NaN", "Infinity" or "-Infinity", as in a trace
 * (the C library knows a "-nan"). Returns `buffer`, of 32 bytes. */
const char *ps_text_number(double value, int digits, char *buffer);
/* The same with so many decimals (%f). */
const char *ps_text_decimal(double value, int decimals, char *buffer);

#endif
