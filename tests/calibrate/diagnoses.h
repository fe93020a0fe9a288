/* Recall and false alarms of the diagnoses: nodes planted in small trained networks, and near misses, against what the
 * program says of each node. Prints Markdown tables. */
#ifndef PS_TESTS_CALIBRATE_DIAGNOSES_H
#define PS_TESTS_CALIBRATE_DIAGNOSES_H

#include "core/status.h"

/* scale: multiplies the number of seeds (16) of every planting. folder: for the traces of made-up runs. *wrong grows
 * where an exact planting is missed or an unplanted node is called something. */
ps_status ps_calibrate_diagnoses(double scale, const char *folder, int *wrong);

/* 95 % interval of a share, by Wilson's score: scipy.stats.binomtest(12, 54).proportion_ci(method='wilson') is 0.13195
 * to 0.34939. */
void ps_calibrate_interval(int found, int count, double *low, double *high);

#endif
