/* Sweeps: three arms or more that differ in one and the same numeric setting alone (relation.h), with three values of
 * it at least. */
#ifndef PS_ANALYSIS_SWEEP_H
#define PS_ANALYSIS_SWEEP_H

#include "analysis/relation.h"
#include "analysis/tables.h"

enum { PS_SWEEP_MOST_ARMS = 64 };

typedef struct {
    const char *factor; /* the setting; borrowed from the arms, as all here */
    int count;          /* of arms; those beyond PS_SWEEP_MOST_ARMS are left out */
    const ps_arm *arm[PS_SWEEP_MOST_ARMS];
    double value[PS_SWEEP_MOST_ARMS];
    double low, high; /* of the values */
} ps_sweep;

/* The sweep of this number, from 0; false: there are no more. */
bool ps_sweep_find(const ps_arms *arms, int number, ps_sweep *sweep);
/* sweep.tsv, once the summaries are filled. */
ps_status ps_sweeps_write(ps_tables *tables, const ps_arms *arms);

#endif
