/* A trace against a golden one. A golden file is a trace itself, without its timing records. */
#ifndef PS_ANALYSIS_CHECK_GOLDEN_H
#define PS_ANALYSIS_CHECK_GOLDEN_H

#include "analysis/check/check_report.h"
#include "analysis/check/tolerance.h"

/* Adds results and findings to the suite. tolerances NULL: exact. first_steps 0: the whole trace. An error only where a
 * file cannot be read or there is nothing to compare; that traces differ is no error. */
ps_status ps_golden_compare(const char *trace, const char *golden, const ps_tolerances *tolerances,
                            long long first_steps, ps_check_suite *suite);

/* Raises the largest deviations of every quantity to those between two runs (of other seeds, too); refuses runs whose
 * records differ in kind, or where NaN stands on one side only, as no tolerance covers that. */
ps_status ps_golden_measure(const char *trace, const char *reference, long long first_steps, ps_tolerances *deviations);

/* Writes the trace without its timing records as the golden file; *records counts them. Refuses a trace without end. */
ps_status ps_golden_bless(const char *trace, const char *golden, uint64_t *records);

#endif
