/* Tables and a verdict made by hand, of any size, as analysis/TABLES.md describes them: what the tests of the reports
 * read.
 */
#ifndef PS_TESTS_REPORT_TABLES_H
#define PS_TESTS_REPORT_TABLES_H

#include <stdbool.h>

typedef struct {
    int arms, seeds, layers, channels, windows; /* up to 64 arms */
    bool hostile; /* names of arms, layers and causes try to break out of HTML, SVG, Markdown and gnuplot */
} report_tables;

/* Writes directory/tables/(every table).tsv and directory/verdict.json; the folders are made. False where a file could
 * not be written or the arms are too many. */
bool report_tables_write(const char *directory, const report_tables *spec);

#endif
