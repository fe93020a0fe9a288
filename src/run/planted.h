/* What was planted in a run's nodes, as it stands in checkpoints and is handed on to forks: a JSON array of
 * {"layer": NAME, "cause": CAUSE, "channels": [..]}. A fork starts from weights in which its parent's nodes were
 * planted, so its trace says so, too, and what became of them can be asked of every arm. Texts are owned by the
 * caller; free(). */
#ifndef PS_RUN_PLANTED_H
#define PS_RUN_PLANTED_H

#include "probe/plant.h"

/* What was planted before ("" or "[]": nothing) and what is planted now, in that order. */
ps_status ps_planted_join(const char *before, const ps_planting_list *now, char **text);
/* As a checkpoint says in its metadata: "[]" where it says nothing, or `path` holds weights alone. */
ps_status ps_planted_of_checkpoint(const char *path, char **text);
/* One `planted` event for each entry, at step 0. */
ps_status ps_planted_record(const char *text, ps_trace_writer *trace);

#endif
