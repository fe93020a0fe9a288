/* Gradients from layer to layer: of a weight, so that layers of other widths can be compared. */
#ifndef PS_ANALYSIS_FINDINGS_BY_DEPTH_H
#define PS_ANALYSIS_FINDINGS_BY_DEPTH_H

#include "analysis/findings/finding.h"
#include "analysis/json_scan.h"

/* Of the layers with weights of their own of which gradients other than 0 are known: the gradient of a weight, root
 * mean square, in the median over the last half of the run; of a network at rest that of one batch. */
typedef struct {
    int layers, first, last; /* how many; the first and the last of them */
    double ratio;            /* geometric mean over the first third of them over that of the last third */
    double first_rms, last_rms;
} ps_depth_gradients;
ps_depth_gradients ps_depth_gradients_of(const ps_facts *facts);

#endif
