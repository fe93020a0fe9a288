/* How often the words of a verdict are false, and how often they are found, from drawn differences of pairs, and how
 * pairs vote whose hazards are compared. Prints Markdown tables. */
#ifndef PS_TESTS_CALIBRATE_VERDICTS_H
#define PS_TESTS_CALIBRATE_VERDICTS_H

#include "core/status.h"

/* scale: multiplies the number of drawn experiments (20,000 a row). *wrong grows where words are false more often than
 * the exact size and chance allow, a power is not the computed one or not
 * that of the design, or a fair vote is not fair. */
ps_status ps_calibrate_verdicts(double scale, int *wrong);

#endif
