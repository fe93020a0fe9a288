/* Facts of a run, filled by whoever reads its trace: the metric of findings, in the pass that all metrics share. The
 * run must outlive the filler, and the facts are the caller's to clear, after a failure too. */
#ifndef PS_ANALYSIS_FINDINGS_FACTS_OF_RUN_H
#define PS_ANALYSIS_FINDINGS_FACTS_OF_RUN_H

#include "analysis/findings/facts.h"
#include "analysis/run.h"

typedef struct ps_facts_filler ps_facts_filler;

ps_status ps_facts_begin(const ps_run *run, ps_facts *facts, ps_facts_filler **out);
/* Visitors of ps_run_stream; self is the filler. */
ps_status ps_facts_take_frame(void *self, const ps_frame *frame);
ps_status ps_facts_take_record(void *self, const ps_trace_record *record);
/* Frees the filler, NULL is fine. */
void ps_facts_end(ps_facts_filler *filler);

#endif
