/* gnuplot's SVG made part of a page. */
#ifndef PS_REPORTS_SVG_H
#define PS_REPORTS_SVG_H

#include <stdbool.h>
#include <stdio.h>

#include "core/status.h"

/* Prints the drawing of the file as an inline <svg>: prefix goes before every id (pages hold many drawings), the
 * style's own colours become the page's variables (so that a drawing follows light and dark), hover titles are left
 * out. Only elements and attributes that gnuplot is known to write are let through; *allowed is false, and nothing is
 * printed, where the file holds any other. */
ps_status ps_svg_inline(FILE *stream, const char *path, const char *prefix, const char *label_ids, bool *allowed);

#endif
