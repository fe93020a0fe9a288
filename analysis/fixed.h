/* Numbers that are part of what is predicted: the files of predictions/ name them (`fixed`), the metrics count by
 * them, and they stand here alone. */
#ifndef PS_ANALYSIS_FIXED_H
#define PS_ANALYSIS_FIXED_H

enum {
    PS_FIXED_AHEAD = 2, /* W3: windows after a death upstream in which a node may turn inert */
    PS_FIXED_LEAD_LAYERS =
        2, /* W4: fewer layers with deaths, or fewer intervals between probes, and too little is left when */
    PS_FIXED_LEAD_INTERVALS = 6, /* what is common to an interval and a line per layer are taken out: not testable */
    PS_FIXED_PARTS =
        3 /* "shallow" and "late" layers, "early" and "late" windows: the first and the last of so many equal parts */
};

#define PS_FIXED_NEAR_DEAD \
    0.99 /* from this share of zeros on the probe set on a node is near-dead, and no more alive */
#define PS_FIXED_NEAR_DEAD_LOW 0.95 /* the same under the variations of that threshold */
#define PS_FIXED_NEAR_DEAD_HIGH 0.999
#define PS_FIXED_SATURATED_GRADIENT \
    0.01 /* from this share of the median of its layer's other nodes on a saturated node's gradient counts */
#define PS_FIXED_INERT \
    1e-3 /* a node whose gradient moves it by less over a window, as a share of its weights, is inert */

#endif
