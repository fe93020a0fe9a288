/* The gate instrument's columns, for instruments that read its state. */
#ifndef PS_PROBE_Q_GATE_H
#define PS_PROBE_Q_GATE_H

enum { PS_GATE_NONZERO, PS_GATE_IMAGES_ACTIVE, PS_GATE_SUM, PS_GATE_SUM_ABS, PS_GATE_SUM_SQUARES, PS_GATE_COLUMNS };

#endif
