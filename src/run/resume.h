/* Whether what lies in a run's directory belongs together, so that the run may go on from it. A checkpoint has digests
 * of its own tensors, of the trace up to it and of the data, and the configuration. A run goes on only where all agree;
 * an edited configuration is refused by the key's name. The place of the data and of a forked run's parent may change:
 * neither is part of what the run is, their digests are. */
#ifndef PS_RUN_RESUME_H
#define PS_RUN_RESUME_H

#include "core/json.h"
#include "data/dataset.h"
#include "graph/graph.h"
#include "kernels/processor.h"
#include "run/config.h"

/* What a checkpoint says of the run it belongs to, beside its tensors: how long the trace was and what stood in it, so
 * that a resumed run cuts the trace back to exactly the state its weights have; the data; and the configuration. */
typedef struct {
    uint64_t trace_bytes, trace_digest, broken_steps;
    char data[17];
    cJSON *config;
} ps_run_record;

/* The checkpoint's network (the caller's to destroy), record and step; nothing but what its digests vouch for.
 * record->config is the caller's, here and below: cJSON_Delete. */
ps_status ps_run_open_checkpoint(const char *path, ps_graph **graph, ps_run_record *record, uint64_t *step);
/* Before the first checkpoint: what the trace's header has of it, which is nothing where the trace has no whole one. */
ps_status ps_run_open_header(const char *trace_path, ps_run_record *record);

/* The processor class that a trace's header names; known: whether it names one. */
ps_status ps_run_read_class(const char *trace_path, bool *known, ps_processor_class *class);
/* Takes that class, if there is one, for what follows in this process; before any plan is made. Refused where this
 * processor or the environment does not allow it: in another class the rest of the run would be of other bits. Of a
 * trace that does not say it whole, a note names the class that is taken; has_steps: there is a checkpoint, so that the
 * trace is gone on with and not begun anew. */
ps_status ps_run_keep_class(const char *trace_path, bool has_steps);

/* PS_ERR_INPUT with the key that differs between config.json (as one text) and what the run was started with. */
ps_status ps_run_refuse_edits(const char *directory, const char *config_text, const cJSON *then);
ps_status ps_run_refuse_other_data(const char *directory, const ps_run_config *config, const ps_dataset *dataset,
                                   const ps_run_record *record);
/* All of it, as a run that goes on from there would ask. */
ps_status ps_run_check_whole(const char *directory, const ps_run_config *config);

#endif
