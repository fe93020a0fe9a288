/* From a configuration to a network: a named model or the user's own graph. */
#ifndef PS_RUN_NETWORK_H
#define PS_RUN_NETWORK_H

#include "run/config.h"
#include "graph/graph.h"

/* input (n = 1) and classes come from the data. option: the one by which the command's user chooses the input's shape,
 * for the sentence on a graph that takes another. Free with ps_graph_destroy. */
ps_status ps_network_build(const ps_run_config *config, ps_shape input, int classes, const char *option,
                           ps_graph **out);

/* How the weights start (ps_net_init): as asked for, else as the named model does by itself, else "torch". Borrowed. */
const char *ps_network_init_scheme(const ps_run_config *config);

#endif
