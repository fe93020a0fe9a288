/* A metric reads one run's stream and writes table rows and named numbers. One file in metrics/, one line in
 * metric_list.def. */
#ifndef PS_ANALYSIS_METRIC_H
#define PS_ANALYSIS_METRIC_H

#include "analysis/collect.h"
#include "analysis/run.h"
#include "analysis/summary.h"
#include "analysis/tables.h"

/* Under a variation run is a view (view.h), and tables and collector are NULL: rows and notes go nowhere. */
typedef struct {
    const ps_run *run;
    ps_tables *tables;
    ps_summary *summary;
    ps_collector *collector; /* of the arm */
    unsigned
        asked; /* PS_RESTS_...: measures that rest on none of these need not be set; all bits without a variation */
} ps_metric_input;

/* What a measure rests on: a variation (variation.h) changes some of it. */
enum {
    PS_RESTS_DEATH = 1,    /* which nodes are dead, near-dead or alive */
    PS_RESTS_MOBILITY = 2, /* which are inert */
    PS_RESTS_WINDOWS = 4,  /* which windows and probes there are */
    PS_RESTS_STAYING = 8,  /* whether nodes that reopen within a window count among its dead */
    PS_RESTS_COHORT = 16,  /* which nodes the cohort that may die is made of */
    PS_RESTS_NEAR = 32,    /* which of those not dead are near-dead, which alive */
    PS_RESTS_LEAVING = 64  /* the same as STAYING, of a measure that leaves them out */
};

/* begin allocates *state (destroy frees it, also after a failed begin; it may be NULL); frame, record, end may be NULL.
 * end writes what is known only at the end. */
typedef struct {
    const char *name;
    ps_status (*begin)(const ps_metric_input *input, void **state);
    ps_status (*frame)(void *state, const ps_frame *frame);
    ps_status (*record)(void *state, const ps_trace_record *record);
    ps_status (*end)(void *state);
    void (*destroy)(void *state);
    /* PS_RESTS_...: it runs again under the variations that change them; 0: no prediction uses it, or nothing that
     * varies touches it */
    unsigned rests;
} ps_metric;

#define PS_METRIC(id) extern const ps_metric ps_metric_##id;
#include "analysis/metric_list.def"
#undef PS_METRIC

/* Runs every metric over the run, without variations. For tests and the calibration. */
ps_status ps_metrics_run(ps_run *run, ps_tables *tables, ps_summary *summary, ps_collector *collector);
/* The same, and in the same pass those whose measures vary under each variation, into varied[variations]. */
ps_status ps_metrics_run_varied(ps_run *run, ps_tables *tables, ps_summary *summary, ps_collector *collector,
                                ps_summary *varied);

/* ---- what metrics share ---- */

static inline double ps_frame_value(const ps_frame *frame, ps_trace_quantity quantity, int node) {
    return frame->node[quantity] != NULL ? frame->node[quantity][node] : ps_absent();
}
static inline double ps_frame_layer(const ps_frame *frame, ps_trace_quantity quantity, int layer) {
    return frame->layer[quantity] != NULL ? frame->layer[quantity][layer] : ps_absent();
}

/* a / b; ps_absent() where either is missing or b is 0: a ratio without a denominator is not a number, and is said to
 * be missing. */
double ps_ratio(double a, double b);

/* One term of a measure, for prediction_rows.tsv: the measure is the sum of the terms' amounts over the sum of their
 * weights (which `explain` adds up again). layer NULL, window or step below 0: none; line: of the trace. Terms without
 * weight are not written. */
typedef struct {
    const char *measure;
    const ps_trace_layer *layer;
    long long window, step;
    double amount, weight;
    uint64_t line;
} ps_term;
void ps_metric_term(const ps_metric_input *input, ps_term term);

/* Mobility of a node in a window. */
#define PS_MOBILITIES(MOBILITY)      \
    MOBILITY(UNKNOWN, NULL)          \
    MOBILITY(MOVING, "moving")       \
    MOBILITY(INERT, "inert")         \
    MOBILITY(UNDEFINED, "undefined") \
    MOBILITY(FROZEN, "frozen")
typedef enum {
#define MOBILITY(name, word) PS_MOBILITY_##name,
    PS_MOBILITIES(MOBILITY)
#undef MOBILITY
        PS_MOBILITY_COUNT
} ps_mobility;
/* By the run's rule (frame->inert_below). */
ps_mobility ps_mobility_of(const ps_run *run, const ps_frame *frame, int node);
/* The same of the weights that read the node, by this window's gradients and with the same threshold. */
ps_mobility ps_outgoing_mobility_of(const ps_run *run, const ps_frame *frame, int node);
const char *ps_mobility_name(ps_mobility mobility);

/* "dead", "near_dead", "alive", "edge", NULL when not recorded. */
const char *ps_activity_name(unsigned state);
/* 'D', 'n', 'A', 'e', '?'. */
char ps_activity_letter(unsigned state);

/* Groups of nodes a window's rows are told apart by. */
#define PS_GROUPS(GROUP)     \
    GROUP(ALL, "all")        \
    GROUP(ALIVE, "alive")    \
    GROUP(NEAR, "near_dead") \
    GROUP(DEAD, "dead")      \
    GROUP(DEAD_THROUGH, "dead_through")
typedef enum {
#define GROUP(name, word) PS_GROUP_##name,
    PS_GROUPS(GROUP)
#undef GROUP
        PS_GROUP_COUNT
} ps_group;
const char *ps_group_name(ps_group group);
/* The dead nodes that the run's population rule names. */
static inline ps_group ps_group_of_dead(const ps_run *run) {
    return run->population == PS_POPULATION_DEAD_THROUGH ? PS_GROUP_DEAD_THROUGH : PS_GROUP_DEAD;
}
bool ps_group_has(const ps_run *run, const ps_window_info *window, ps_group group, int node);

/* Median over the layer's nodes of the group of quantity (over `over` unless PS_Q_COUNT); missing values and, with
 * positive_only, zeros are left out. scratch holds node_count doubles; *count says how many took part. */
double ps_group_median(const ps_run *run, const ps_frame *frame, int layer, ps_group group, ps_trace_quantity quantity,
                       ps_trace_quantity over, double *scratch, size_t *count);

#endif
