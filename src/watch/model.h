/* What the dashboard knows of a run: series gathered line by line from its trace. The creator clears it. */
#ifndef PS_WATCH_MODEL_H
#define PS_WATCH_MODEL_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/status.h"
#include "trace/trace_rules.h"
#include "trace/trace_task.h"

typedef struct {
    double *values;
    size_t count, capacity;
} ps_series;

/* The latest value, NaN: none. */
double ps_series_last(const ps_series *series);

typedef struct {
    char *name;
    int channels, first_node, position;
    bool shared;     /* a gate behind a sum, whose channels belong to no one node */
    bool tells_dead; /* outputs of exactly 0 tell that a node is dead */
    bool frozen;     /* its weights are not trained: that they stand still says nothing */
    ps_series dead,
        inertia; /* shares per probing; medians per window of the gradient-driven path relative to the norm */
} ps_watch_layer;

typedef struct {
    double step;
    int layer, channel;
    bool revival;
} ps_watch_change;

/* Nodes of a probing. */
typedef struct {
    double known, dead, edge;
} ps_watch_counts;

enum { PS_WATCH_CHANGES = 256 };

typedef struct {
    bool has_header;
    char *model, *arm, *status; /* status: of the end record, NULL: goes on, or was cut off */
    double seed, steps, step;   /* planned, done */
    double images_per_second, peak_memory_bytes;
    bool volumes; /* samples have a depth */
    ps_watch_layer *layers;
    int layer_count, node_count;
    signed char *dead; /* per node: 1, 0, -1 unknown; of a node on the edge what it was before */
    double *scratch;
    ps_trace_task task;
    bool leaky;                           /* a control with LeakyReLU */
    ps_series loss, measure;              /* measure: the first of the task */
    ps_series dead_share, dead_all_share; /* of the two populations of trace/dead_shares.h */
    double probe_step;                    /* of the probing whose records are coming, -1: none yet */
    ps_watch_counts probe_own, probe_all;
    bool probe_blown; /* some output of the probing so far was not finite: nobody is known to be dead or alive */
    bool knows_edge;  /* the trace says which nodes are on the edge */
    ps_watch_change changes[PS_WATCH_CHANGES]; /* a ring: change_count - 1 is the newest */
    size_t change_count;
    int nonfinite;
    /* Lines that break the format (no JSON among them, which are passed over), and what is wrong with the first. */
    ps_trace_rules *rules;
    uint64_t line, broken, first_broken;
    char *first_fault; /* NULL: none */
    bool is_broken;    /* the line at hand */
} ps_watch_model;

ps_status ps_watch_model_take(ps_watch_model *model, const char *line);
void ps_watch_model_clear(ps_watch_model *model);

#endif
