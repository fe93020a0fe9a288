/* Tolerances measured from repeated runs. */
#ifndef PS_ANALYSIS_CHECK_CALIBRATE_H
#define PS_ANALYSIS_CHECK_CALIBRATE_H

#include <stdio.h>

#include "core/status.h"

/* Measures them and writes them (tolerances.schema.json), with their derivation, to `out`. Runs of the same arm and
 * seed are a group: each is compared with the first of its group, and the largest deviations of all groups count, times
 * the factor. Where every run is the only one of its arm and seed, they are compared with the first run (their spread
 * over seeds). Where any value differs, the least tolerance is the factor times one rounding of the recorded numbers
 * (fp32), as a value that happened to agree in these runs need not in others. What a user must know about the result is
 * printed to `notes`. */
ps_status ps_tolerances_calibrate(const char *const *runs, int run_count, long long first_steps, double factor,
                                  const char *out, FILE *notes);

#endif
