/* Untrusted text on its way out. Names and labels come from traces that anyone may have written: every one of them goes
 * through one of these. Control characters and malformed UTF-8 become U+FFFD everywhere. Streams and strings are
 * borrowed.
 */
#ifndef PS_REPORTS_ESCAPE_H
#define PS_REPORTS_ESCAPE_H

#include <stddef.h>
#include <stdio.h>

/* For HTML and SVG, as element text and inside quoted attributes. */
void ps_escape_html(FILE *stream, const char *text);
/* For a cell of a Markdown table: also escapes what Markdown reads as markup. */
void ps_escape_markdown(FILE *stream, const char *text);
/* For a cell of a plot's data: no tabs, newlines or double quotes, at most 48 characters (the middle is cut), never
 * empty. gnuplot reads such cells as data, so nothing in them can run as a command. */
void ps_escape_plot(FILE *stream, const char *text);

/* A number for people: three significant digits, "–" where it does not exist, "∞" where it is infinite. Returns
 * buffer. */
#define PS_ESCAPE_NUMBER 32
char *ps_escape_number(char buffer[PS_ESCAPE_NUMBER], double value);
/* The same for a share of 1, in per cent; signed puts a plus before gains (percentage points). */
char *ps_escape_percent(char buffer[PS_ESCAPE_NUMBER], double share, int is_signed);

#endif
