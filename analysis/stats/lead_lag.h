/* Which of two series of a panel goes before the other: for each group (a layer), how much better x goes with the y of
 * the next time than with the y of the time before. x and y are both of the same times (what happened in a window), so
 * that the two sides mirror each other.
 *
 * Taken out of both series first, by least squares over the whole panel: an effect of each time (what is common to all
 * groups), an effect of each group, and a straight line in time of each group. What is left is ranked within each group
 * and centred, and with a = ranks of x, b = ranks of y,
 *
 *     lead = sum_t (a_t b_{t+1} - a_{t+1} b_t) / sqrt(sum_t a_t^2 sum_t b_t^2)
 *
 * the cross-correlation at +1 less that at -1 (Haugh 1976), over neighbouring times that are both there, between -2 and
 * 2.
 *
 * Why it has no bias from trends. Write M for the projection that takes the effects out (the same for both), S for the
 * antisymmetric matrix of the sum; before ranking the sum is x' M S M y, and M S M is antisymmetric too.
 *   - A trend common to all groups, and a straight line of each group, are in what M takes out.
 *   - Other trends mu of x and nu of y leave mu' M S M nu: 0 where their residuals have one shape in a group, whatever
 *     their sizes (a form with S antisymmetric vanishes on equal vectors); with different shapes what remains is the
 *     little by which two smooth residuals are shifted against each other, of either sign.
 *   - Noise: if x and y do not depend on each other, the mean of x' M S M y is 0 however strongly each of them depends
 *   on its own past.
 *   - If x and y go together at once (deaths change the weights in the same window), the mean is the trace of M S M
 *     times their cross-covariance: 0 wherever that is symmetric in time. An x that answers a y in later times is what
 *     the second term is for: it lowers the lead where the answer has y's sign, and raises it where it has not (a
 *     change of x that is taken back at once counts as such).
 * Ranks keep the first three: equal residuals have equal ranks. tests/calibrate counts the false alarms of all four. */
#ifndef PS_ANALYSIS_STATS_LEAD_LAG_H
#define PS_ANALYSIS_STATS_LEAD_LAG_H

#include "core/status.h"

/* x and y are [group][time], spent; NaN in either: nothing there, in both. at: of each time, growing. lead: [group],
 * ps_absent() where nothing is left of x or of y. */
ps_status ps_stats_lead_lag(double *x, double *y, const double *at, int groups, int times, double *lead);

#endif
