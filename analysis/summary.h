/* What is kept of a run after its trace has been read: named numbers, and the spells of deadness of its nodes.
 * ps_summary_clear frees what a summary holds. */
#ifndef PS_ANALYSIS_SUMMARY_H
#define PS_ANALYSIS_SUMMARY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/status.h"
#include "trace/trace_task.h"

typedef struct {
    char name[48];
    double value;
    double cases;        /* what it was counted from: node-windows, nodes, spells; 0 where nothing is counted */
    uint64_t first_line; /* a line of the trace it rests on (the first such record), 0: none */
} ps_summary_item;

/* A spell of deadness of a private node, in steps of probes. */
typedef struct {
    int layer, channel, node;
    long long start, end; /* probes that saw it dead first, and alive again (or the last probe) */
    bool revived, at_start;
} ps_summary_spell;

/* The first time a private node of the cohort (alive at the first probe, not near-dead) was seen dead (or the last
 * probe). */
typedef struct {
    int layer, channel, node;
    long long end;
    bool died;
    /* 1; under a variation nodes of one layer and fate are counted together, and channel and node are those of the
     * first */
    int nodes;
} ps_summary_cohort;

typedef struct {
    ps_summary_item *items;
    size_t item_count, item_capacity;
    ps_summary_spell *spells;
    size_t spell_count, spell_capacity;
    ps_summary_cohort *alive;
    size_t alive_count, alive_capacity;
    int *alive_of;          /* [node]: the entry it is counted in, -1: none; kept under a variation alone */
    long long start_step;   /* of the first probe with known states, from which the cohorts' times count; 0: none */
    long long *probe_steps; /* [probe] */
    uint64_t *probe_lines;  /* [probe][layer]: line of the record, 0: none; not kept under a variation */
    int probe_count, layer_count;
    uint64_t probe_digest; /* of the steps of the probes with known states */
    char *start_states;    /* [node], at the first probe: of the letters of nodes.tsv's lifelines */
    int start_nodes;
} ps_summary;

/* "test_mean_iou": what a measure of the task is called in summaries and tables, at the end and on the test split. */
typedef char ps_test_name[48];
void ps_summary_test_name(const ps_trace_measure *measure, ps_test_name out);

/* "test_mean_iou class 3": the same of one class. */
typedef char ps_class_measure[48];
void ps_summary_class_name(const ps_trace_measure *measure, int class_index, ps_class_measure out);

ps_status ps_summary_set(ps_summary *summary, const char *name, double value, double cases, uint64_t first_line);
/* NULL when it was not set. */
const ps_summary_item *ps_summary_find(const ps_summary *summary, const char *name);
/* ps_absent() when it was not set. */
double ps_summary_get(const ps_summary *summary, const char *name);
/* Makes missing what a run that stopped early cannot say: all but what was measured at its start, and the checks. */
void ps_summary_forget_end(ps_summary *summary);
/* The same of a run that came to its end, but for its last probing: its evaluation is what was measured. */
void ps_summary_forget_probes(ps_summary *summary);
/* Loss, or a measure of the task: no probing has a part in it. */
bool ps_summary_is_of_loss(const char *name);
/* A line of the trace that the number rests on, 0: none, or it was not set. */
uint64_t ps_summary_line(const ps_summary *summary, const char *name);
/* Line of the layer's probe at that step, 0: none. */
uint64_t ps_summary_probe_line(const ps_summary *summary, long long step, int layer);
/* Whether the nodes of two runs start in equal states, as far as neither sees them on the edge: which side of it they
 * are on neither run knows. */
bool ps_summary_same_start(const ps_summary *a, const ps_summary *b);
/* Whether the node was on the edge at the first probe. */
bool ps_summary_starts_on_edge(const ps_summary *summary, int node);
void ps_summary_clear(ps_summary *summary);

#endif
