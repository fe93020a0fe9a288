/* Inside src/graph only: what graph.c needs of the JSON side. */
#ifndef PS_GRAPH_GRAPH_JSON_H
#define PS_GRAPH_GRAPH_JSON_H

#include "graph/graph.h"

/* A copy of an operation's JSON object without the keys that belong to the operation itself, so that the layer sees its
 * own attributes alone. Refuses a key that stands twice and numbers too large to be written again. NULL gives an empty
 * object. Free with cJSON_Delete. */
ps_status ps_graph_strip_attributes(const cJSON *op, const char *where, cJSON **out);

#endif
