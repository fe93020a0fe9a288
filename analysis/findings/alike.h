/* Twins: nodes of a layer that are alive and have the same norms of their weights and the same outputs, bit for bit, as
 * another one. A constant start makes them, and nothing that treats both alike ever parts them. */
#ifndef PS_ANALYSIS_FINDINGS_ALIKE_H
#define PS_ANALYSIS_FINDINGS_ALIKE_H

/* Share of the nodes that have a twin; ps_absent(): none of them is known. Arrays [nodes]; rms 0, NaN or absent: dead
 * or not known, and nobody's twin. */
double ps_findings_alike(int nodes, const double *weight_l2, const double *weight_l1, const double *mean,
                         const double *rms);

#endif
