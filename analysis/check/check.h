/* `poolscope check`: traces against golden traces and rules, and a report of what did not hold. */
#ifndef PS_ANALYSIS_CHECK_H
#define PS_ANALYSIS_CHECK_H

#include "analysis/check/check_report.h"

typedef struct {
    const char *const *traces;
    int trace_count;
    const char *const *goldens; /* none, one for all traces, or one a trace */
    int golden_count;
    const char *const *expectations;
    int expectation_count;
    const char *checks;    /* a file of rules, NULL: none */
    const char *tolerance; /* a tolerance file, NULL: exact */
    long long first_steps; /* 0: as the tolerance file says, else all */
    bool unfinished;       /* rules may be checked on a trace without end record; else that does not hold */
} ps_check_request;

/* Fills the report; that checks do not hold is no error here. */
ps_status ps_check_run(const ps_check_request *request, ps_check_report *report);

#endif
