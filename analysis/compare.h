/* Compares the runs of any number of arms, side by side, and writes what TABLES.md and verdict.schema.json describe.
 *
 * A run is named by a trace file, or by a directory that holds `trace.jsonl`. The reference is the arm named
 * "baseline", else the first. Arms may differ in anything that their headers declare (relation.h): runs whose `pairing`
 * objects are equal are pairs; of others it is said what they differ in, whole runs are compared by seed or by index,
 * and predictions that need pairs are not testable. Other data is an error that names both digests, another task one
 * that names both (PS_ERR_INPUT): nothing is comparable there. A seed that the reference or the arm lacks
 * is said and left out of paired statistics; two runs of one arm with one seed are an error. A diverged run stays in
 * (README.md says how); an unfinished one stays in up to its last whole record. All strings are borrowed for the
 * call. */
#ifndef PS_ANALYSIS_COMPARE_H
#define PS_ANALYSIS_COMPARE_H

#include <stdbool.h>

#include "core/file_set.h"
#include "trace/trace_registration.h"

typedef struct {
    const char *name;
    const char *const *runs;
    int run_count;
} ps_compare_arm;

typedef struct {
    const char *out_directory;
    const char *question; /* what the experiment asks, for the report's first line; NULL or "": none */
    /* What the experiment's file registers, to be told from what the traces say was registered before them; NULL: the
     * traces alone decide */
    const ps_registration *registration;
    bool *settled; /* set: the primary question is answered, or no later look can answer it; may be NULL */
    bool quiet;
    /* Adds what else belongs to the comparison (measurements gathered from the runs); NULL: nothing. */
    ps_status (*gather)(void *self, ps_file_set *set);
    void *gather_self;
} ps_compare_options;

/* How to make a comparison anew, for ps_file_set_check(directory, PS_COMPARE_SET, PS_COMPARE_REMEDY). */
#define PS_COMPARE_SET "comparison"
#define PS_COMPARE_REMEDY "run `poolscope compare` again"

/* Writes out_directory/tables/(name).tsv and out_directory/verdict.json as one set of files (core/file_set.h; an
 * earlier comparison there is replaced whole) and prints the summary to stdout, unless quiet. With one arm alone it
 * writes everything but contrasts. PS_OK also where predictions are refuted; PS_ERR_CHECK (exit 1) where an instrument
 * check did not hold: all files are written then, too. */
ps_status ps_compare_run(const ps_compare_arm *arms, int arm_count, const ps_compare_options *options);

#endif
