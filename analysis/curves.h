/* Kaplan-Meier curves of dead spells: survival.tsv (TABLES.md). Nodes of one run are no independent replicates, so a
 * run's curve has no band; an arm's curve is the mean over its runs at each time, with their range. Runs' curves end at
 * different times, and a mean over those left would jump wherever one leaves. A curve that has ended therefore goes on
 * in proportion to the mean of those still observed, so that the arm's mean falls by their share: it never rises, stays
 * within the range, and is the plain mean for as long as all are observed. (A curve that ended at 0 stays there.) No
 * entry times are used: a spell whose death was seen is observed from its first step on, and of one present at the
 * first probe nobody knows how long it had lasted, so that its age at entry, which left truncation needs, does not
 * exist; these make curves of their own, counted from the first probe. */
#ifndef PS_ANALYSIS_CURVES_H
#define PS_ANALYSIS_CURVES_H

#include "analysis/arms.h"
#include "analysis/collect.h"
#include "analysis/tables.h"

/* Of all runs of the arm, from their summaries; labels: name and stage of each private layer, noted by the spells
 * metric under PS_TABLE_survival and the layer's index. */
ps_status ps_curves_write(ps_tables *tables, const ps_arm *arm, const ps_collector *labels);

#endif
