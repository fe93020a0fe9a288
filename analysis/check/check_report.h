/* What checks found: one suite a trace, in it one result a check, and one finding for all failures of one kind, layer
 * and quantity: the first place and the worst, and how many there are, for one changed learning rate makes thousands
 * of values differ. Texts given to the add functions are copied; ps_check_report_clear frees everything. Of very many
 * findings the first PS_CHECK_MOST_FINDINGS of a suite are kept and all are counted. */
#ifndef PS_ANALYSIS_CHECK_REPORT_H
#define PS_ANALYSIS_CHECK_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "core/status.h"

enum { PS_CHECK_MOST_FINDINGS = 10000, PS_CHECK_SHOWN = 5, PS_CHECK_RESULTS = 50 };

typedef enum {
#define PS_CHECK_FINDING(name, id, description) PS_CHECK_FINDING_##name,
#include "analysis/check/finding_list.def"
#undef PS_CHECK_FINDING
    PS_CHECK_FINDING_COUNT
} ps_check_finding_kind;

const char *ps_check_finding_id(ps_check_finding_kind kind);
const char *ps_check_finding_description(ps_check_finding_kind kind);

/* Texts may be NULL: does not apply. Steps and windows below 0 and errors that are NaN: the same. */
typedef struct ps_check_finding {
    ps_check_finding_kind kind;
    int check;         /* index of the suite's result it belongs to */
    const char *layer; /* whose failures are told together; NULL: of no layer */
    const char *record, *node, *quantity, *expected, *found, *message;
    double step, window;
    double absolute_error, relative_error, absolute_allowed, relative_allowed;
    uint64_t line, golden_line;     /* 0: none */
    uint64_t count;                 /* of a kept finding: failures it stands for */
    struct ps_check_finding *worst; /* of a kept finding: the one of largest relative error, NULL: the first itself */
    char *text;                     /* of a finding of a suite that was told: one line for people; else NULL */
} ps_check_finding;

/* A finding about nothing yet: numbers say "does not apply". */
ps_check_finding ps_check_finding_make(ps_check_finding_kind kind, int check, const char *message);

typedef struct {
    char *name, *detail; /* detail may be NULL */
    uint64_t compared, failed;
    bool held;
} ps_check_result;

typedef struct {
    char *trace, *golden; /* golden NULL: none */
    ps_check_result *results;
    ps_check_finding *findings;
    size_t result_count, result_capacity, finding_count, finding_capacity;
    uint64_t findings_total; /* failures, not groups of them */
    size_t *slots;           /* open-addressing hash of what findings are told together by: index + 1, 0 is empty */
    size_t slot_count;
} ps_check_suite;

typedef struct {
    ps_check_suite *suites;
    size_t count, capacity;
} ps_check_report;

/* The suite is borrowed and holds until the next call. */
ps_status ps_check_report_add_suite(ps_check_report *report, const char *trace, const char *golden,
                                    ps_check_suite **suite);
/* A new check holds until a finding is added to it. */
ps_status ps_check_suite_add_result(ps_check_suite *suite, const char *name, int *index);
ps_status ps_check_suite_set_detail(ps_check_suite *suite, int index, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
ps_status ps_check_suite_add_finding(ps_check_suite *suite, const ps_check_finding *finding);
void ps_check_report_clear(ps_check_report *report);

uint64_t ps_check_report_results(const ps_check_report *report);
uint64_t ps_check_report_failures(const ps_check_report *report);

/* One line for people: what differs where, how often, and where most; without the suite's paths. */
void ps_check_finding_print(FILE *stream, const ps_check_finding *finding);
/* The same as a heap string, NULL without memory; free with free(). */
char *ps_check_finding_text(const ps_check_finding *finding);
/* Makes the `text` of every finding of a suite that is complete, so that no writer can lack the memory for it. */
ps_status ps_check_suite_tell(ps_check_suite *suite);

/* Output formats: text, json, junit, sarif. Of text `most` bounds the findings of a check, of the others those of the
 * whole report; what is left out is counted. */
typedef void ps_check_writer(FILE *stream, const ps_check_report *report, int most);
ps_check_writer *ps_check_writer_find(const char *format); /* NULL: no such format */
#define PS_CHECK_FORMAT(name, summary) ps_check_writer ps_check_write_##name;
#include "analysis/check/format_list.def"
#undef PS_CHECK_FORMAT

/* A path as a URI reference (RFC 3986), quoted: everything but unreserved characters and '/' in per cent. */
void ps_sarif_print_uri(FILE *stream, const char *path);

#endif
