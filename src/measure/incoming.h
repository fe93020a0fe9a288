/* A layer's nodes as rows of their incoming weights, as overlap and dependence look at them. */
#ifndef PS_MEASURE_INCOMING_H
#define PS_MEASURE_INCOMING_H

#include "net/net.h"

/* *rows: [channels][*columns], the caller's to free (ps_free): incoming weights and, where there is one, the bias of
 * each node; but not a bias that a normalisation directly behind takes out again. The unit must not be shared. */
ps_status ps_incoming_rows(ps_net *net, const ps_unit *unit, double **rows, int *columns);

#endif
