/* Headers of a golden trace and of a trace: do they describe the same run? */
#ifndef PS_ANALYSIS_CHECK_GOLDEN_HEADER_H
#define PS_ANALYSIS_CHECK_GOLDEN_HEADER_H

#include "analysis/check/pair_records.h"

/* Adds one result and its findings. What may differ between machines (producer, machine, paths) is left out, and so are
 * keys that the golden header does not have; `part`: also what follows from the number of steps, as only the first ones
 * are compared. */
ps_status ps_golden_compare_headers(const ps_trace_pair *pair, bool part, ps_check_suite *suite);

#endif
