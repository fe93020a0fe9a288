/* Turns a directory of tables into something people read: plots and one page. Reads `directory`/tables/(name).tsv and
 * `directory`/verdict.json as analysis/TABLES.md describes them, and nothing else (never a trace).
 *
 * Writes into `directory`: plots/ (for every plot its gnuplot script, its data, SVG and PNG; PDF on demand), and as
 * asked report.html (one self-contained page), report.md, report.json, report.pdf. Tables that are missing or hold no
 * such column give a panel that says so. */
#ifndef PS_REPORTS_REPORT_H
#define PS_REPORTS_REPORT_H

#include <stdbool.h>

#include "core/status.h"

typedef struct {
    const char *formats; /* comma list of html, md, json, pdf; NULL: "html" */
    bool open;           /* show the page in the desktop's browser when done */
    bool quiet;          /* print nothing on success */
} ps_report_options;

/* Makes the report. PS_ERR_USAGE for an unknown format, PS_ERR_INPUT for a directory without tables or with tables that
 * cannot be read, PS_ERR_IO where files cannot be written. A missing gnuplot or a plot that could not be drawn is no
 * failure: page and stderr say it. */
ps_status ps_report_write(const char *directory /* holds tables/ and verdict.json */, const ps_report_options *options);

/* For those who work for hours before they report: whether what a report is made of can be found. PS_ERR_IO says how to
 * set it right. */
ps_status ps_report_ready(void);

/* Where the report beside the comparison was not made from it as it is now: says so on stderr, and how to renew it. */
void ps_report_note_older(const char *directory);

#endif
