/* Standard normal distribution function and its inverse (Acklam's approximation with one Newton step). */
#ifndef PS_ANALYSIS_STATS_NORMAL_H
#define PS_ANALYSIS_STATS_NORMAL_H

double ps_stats_normal(double z);
/* For tests and calibrations. */
double ps_stats_normal_inverse(double p);

#endif
