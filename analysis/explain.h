/* Shows where a number of the verdict comes from, and what became of a node. */
#ifndef PS_ANALYSIS_EXPLAIN_H
#define PS_ANALYSIS_EXPLAIN_H

#include <stdio.h>

#include "core/status.h"

/* Prints what a prediction in directory/verdict.json was tested by and found, with its sensitivity, then the chain from
 * the verdict over the table rows of each seed to the trace rows (path:line) they were counted from, and adds up the
 * terms in prediction_rows.tsv again: PS_ERR_INPUT where they do not give the verdict's number. Relative paths of
 * traces start where traces_from of the verdict leads from directory. `prediction` is an id such as "W1", in any case;
 * NULL lists the predictions.
 * PS_ERR_USAGE when there is no such prediction (the known ones are named), PS_ERR_IO or PS_ERR_INPUT for a directory
 * without a verdict or with a trace that has changed since. */
ps_status ps_explain(const char *directory, const char *prediction, FILE *stream);

/* The node "LAYER:CHANNEL" of a run (its directory or its trace), or of the runs of a comparison, of which arm and seed
 * choose (NULL: all). Of one run it tells the story: what the node was at each probe and why, what moved it, and all
 * that the last probe and the window before it say of it; of several it shows a row of nodes.tsv each. PS_ERR_USAGE
 * where there is no such node. */
typedef struct {
    const char *directory, *node, *arm, *seed;
} ps_explain_node;
ps_status ps_explain_node_story(const ps_explain_node *what, FILE *stream);

/* Prints what the conditions and causes of nodes mean (condition_list.def, cause_list.def). */
void ps_explain_causes(FILE *stream);

#endif
