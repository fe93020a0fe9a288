/* Text helpers shared by option parsing and error sentences. */
#ifndef PS_CORE_TEXT_H
#define PS_CORE_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* Levenshtein distance, for "did you mean"; words longer than 63 characters compare by their first 63. */
int ps_text_distance(const char *a, const char *b);
/* Shell-style match of names with * and ?, for choosing layers and quantities. */
bool ps_text_matches(const char *pattern, const char *text);

#endif
