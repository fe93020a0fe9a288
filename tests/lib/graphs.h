/* Graphs for tests, and sentences that a failure must hold. */
#ifndef PS_TESTS_GRAPHS_H
#define PS_TESTS_GRAPHS_H

#include "graph/graph.h"
#include "models/model.h"

/* A graph of the nodes in JSON ("{...}, {...}") on an input of 3 x 8 x 8; fails the test where it is none. */
ps_graph *graph_of(const char *nodes);
/* The same, returning the status; the graph is freed. */
ps_status graph_status(const char *nodes);
/* Written as text; free with free(). */
char *graph_text(const ps_graph *graph);
/* A named model at a small width, and its default options. */
ps_model_options model_options(const char *model);
ps_graph *model_graph(const char *model, const ps_model_options *options);
ps_status model_status(const char *model, const ps_model_options *options);
/* Fails the test unless the status is a failure whose sentence holds every text (NULL-terminated list). */
void assert_sentence(ps_status status, ...);

#endif
