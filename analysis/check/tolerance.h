/* Tolerances per quantity, and the file they stand in (tolerances.schema.json). A quantity is named by its record's
 * type and its own name: "step.loss", "window.path", "probe.nonzero". A value passes when its absolute error and its
 * relative error (to the larger magnitude of the two, so that it is at most 2) both stay within; quantities not listed
 * are compared exactly. Dead or alive is no matter of tolerance: a count that says it (ps_tolerance_tells_death) must
 * be zero in both traces or in neither. ps_tolerances_clear frees everything. */
#ifndef PS_ANALYSIS_CHECK_TOLERANCE_H
#define PS_ANALYSIS_CHECK_TOLERANCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

#define PS_TOLERANCES_FORMAT "poolscope-tolerances"

typedef struct {
    char *quantity;
    double absolute, relative;                 /* allowed */
    double largest_absolute, largest_relative; /* measured */
    double magnitude;                          /* largest of the values */
    uint64_t values, differing;
    uint64_t flips; /* how often it was zero in one run only, where that tells dead from alive */
} ps_tolerance;

typedef struct {
    ps_tolerance *entries;
    size_t count, capacity;
    long long first_steps; /* they hold for so many steps from the start; 0: for whole traces */
} ps_tolerances;

double ps_relative_error(double expected, double found);
/* The counts of a probing in which zero means dead: nonzero, nonzero_eval, nonzero_half, nonzero_quarter and
 * images_active. */
bool ps_tolerance_tells_death(const char *quantity);

const ps_tolerance *ps_tolerances_find(const ps_tolerances *tolerances, const char *quantity); /* NULL: not listed */
/* Finds or adds; borrowed until the next call. */
ps_status ps_tolerances_at(ps_tolerances *tolerances, const char *quantity, ps_tolerance **entry);
ps_status ps_tolerances_read(const char *path, ps_tolerances *tolerances);
void ps_tolerances_clear(ps_tolerances *tolerances);

#endif
