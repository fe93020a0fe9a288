/* Numbers that are part of what is predicted: the entries of predictions.def name them (`fixed`), the metrics count by them, and they
 * stand here alone. */
#ifndef PS_ANALYSIS_FIXED_H
#define PS_ANALYSIS_FIXED_H

enum {
    PS_FIXED_AHEAD = 2, /* W3: windows after a death upstream in which a node may turn inert */
    PS_FIXED_PARTS = 3  /* "shallow" and "late" layers, "early" and "late" windows: the first and the last of so many equal parts */
};

#endif
