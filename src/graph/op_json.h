/* Inside src/graph only: the JSON object of an operation. */
#ifndef PS_GRAPH_OP_JSON_H
#define PS_GRAPH_OP_JSON_H

#include <cjson/cJSON.h>

#include "core/status.h"

/* A copy of an operation's JSON object without the keys that belong to the operation itself, so that the layer sees its
 * own attributes alone. Refuses a key that stands twice and numbers too large to be written again. NULL gives an empty
 * object. Free with cJSON_Delete. */
ps_status ps_graph_strip_attributes(const cJSON *op, const char *where, cJSON **out);
/* Refuses an object in which a key stands twice, or with more keys than any has. */
ps_status ps_graph_check_keys(const cJSON *object, const char *where);

#endif
