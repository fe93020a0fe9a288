/* What the rules of findings look at: one run, or a network at rest, boiled down to series over steps and to numbers by
 * layer. Filled from a trace (facts_of_trace.c; also of a run under way, or another program's) or from a checkpoint and
 * its data (src/measure/at_rest.c). Everything that was not recorded is ps_absent(), an empty series, or false under
 * `knows`: a rule that needs it cannot judge, and never says "healthy". ps_facts_clear frees everything. */
#ifndef PS_ANALYSIS_FINDINGS_FACTS_H
#define PS_ANALYSIS_FINDINGS_FACTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/status.h"
#include "trace/trace_task.h"

/* A number over the course of a run: value[i] at step[i] (steps trained before it; of a window its last step), line[i]
 * of the trace, 0: none. */
typedef struct {
    double *value;
    long long *step;
    uint64_t *line;
    size_t count, capacity;
} ps_fact_series;

ps_status ps_fact_add(ps_fact_series *series, long long step, double value, uint64_t line);
void ps_fact_clear(ps_fact_series *series);
double ps_fact_first(const ps_fact_series *series); /* ps_absent(): empty */
double ps_fact_last(const ps_fact_series *series);

/* By layer (a gate with the nodes it decides on), one line each: PS_LAYER_FACT(name, words). Shares are of the layer's
 * nodes whose state is known. */
#define PS_LAYER_FACTS(FACT)                                                                                           \
    FACT(dead, "share of dead nodes")                                                                                  \
    FACT(near_dead, "share of near-dead nodes")                                                                        \
    FACT(rarely_open, "share of nodes that are open on less than a tenth of the probe set, dead ones included")        \
    FACT(edge, "share of nodes on the edge")                                                                           \
    FACT(constant, "share of nodes that do not vary over the probe images")                                            \
    FACT(saturated, "share of outputs at which the gate's derivative is below 1e-3 though it is no 0 of a ReLU")       \
    FACT(inert_alive, "share of alive nodes whose gradient moved them by less than 1e-3 of their weights in a window") \
    FACT(grad_rms, "median over nodes of the gradient norm of the incoming weights, root mean square over steps")      \
    FACT(grad_zero, "share of node-steps with a gradient of exactly 0")                                                \
    FACT(update_ratio, "median over nodes of the path of a step over the norm of the weights")                         \
    FACT(decay_ratio, "path of weight decay over path of gradients, median over nodes")                                \
    FACT(carried_ratio, "path of carried momentum over whole path, median over nodes")                                 \
    FACT(weight_rms, "root mean square of the incoming weights")                                                       \
    FACT(output_rms, "root mean square of the gate's outputs on the probe set")                                        \
    FACT(mode_gap, "mean over nodes of |running mean - batch mean| over the batch's standard deviation")               \
    FACT(mode_scale, "largest |log(running variance / batch variance)| over nodes, median over the layer")             \
    FACT(mode_follow, "share of what the running means were off at a probe that the window behind it closed")          \
    FACT(variance_low, "share of nodes whose batch variance is below its epsilon")                                     \
    FACT(shut_by_norm, "share of nodes whose scale and shift shut the gate whatever comes (P(active) < 1e-3)")         \
    FACT(rank_share, "live nodes over nodes: an upper bound of the rank that passes")                                  \
    FACT(linear, "share of nodes whose gate hands on what enters it, or nearly, whatever comes")                       \
    FACT(overlapping, "share of nodes whose incoming weights point where another's do, or are a sum of others'")       \
    FACT(alike, "share of nodes that are twins: live, and equal to another one in norms of weights and in outputs")

/* Open on less than this share of the probe set: rarely open. */
#define PS_FINDINGS_RARELY 0.1

/* A LeakyReLU of this slope or more hands on what is below 0, too. */
#define PS_FINDINGS_NO_GATE 0.9

typedef enum {
#define FACT(name, words) PS_FACT_##name,
    PS_LAYER_FACTS(FACT)
#undef FACT
        PS_FACT_COUNT
} ps_layer_fact;
const char *ps_layer_fact_name(ps_layer_fact fact);
const char *ps_layer_fact_words(ps_layer_fact fact);

typedef struct {
    char *name, *activation;
    int position, nodes; /* in forward order */
    double fan_in;       /* ps_absent(): not said */
    bool own_gate, normalised, has_module;
    bool over_batch;                      /* normalised by statistics of the batch, not of each sample */
    bool frozen;                          /* its weights are not trained, as the trace says */
    ps_fact_series series[PS_FACT_COUNT]; /* one point a window or probe; of a network at rest one point at its step */
} ps_layer_facts;

/* Something of which the trace has an event, or a value that was not finite. */
typedef struct {
    long long step;
    char *what, *layer; /* "loss", "weights", "outputs", "gradient"; layer NULL: of the whole network */
    int channel;        /* -1: not one node */
    uint64_t line;
} ps_nonfinite_fact;

/* Of the data, from the header ("data") or from the source itself. */
typedef struct {
    bool known;            /* moments and counts below */
    double mean[8], sd[8]; /* of the input, by channel, training images */
    int channels;
    double *class_count; /* [classes] of the training labels */
    int classes;
    double train, test, constant, duplicates; /* images; constant: of one value all over; duplicates: of another one */
    double out_of_range;                      /* labels that are no class */
    double probe_distance; /* largest |probe mean - training mean| over channels, in training standard deviations */
    double loss_floor;     /* least training loss that softened labels allow; 0: they are not */
    double order_repeats;  /* share of neighbouring samples of the first epoch in file order; 1: no shuffling */
} ps_data_facts;

typedef struct {
    char *target;    /* path, for sentences */
    char *trace;     /* the file that lines stand in; NULL: at rest */
    bool at_rest;    /* a checkpoint or weights: no series over steps */
    bool unfinished; /* goes on, or was cut off */
    bool diverged;
    ps_trace_task task;
    double chance_loss; /* loss of a uniform guess (log of the number of classes); ps_absent(): not known */
    double steps_planned, steps, batch, window;
    double epoch_steps; /* training images over batch, or what the run calls an epoch */
    bool epoch_given;   /* the latter, of which samples are drawn with replacement */
    char *optimiser;    /* "sgd", "adamw"; NULL: not said */
    double weight_decay, clip_limit, warmup;
    ps_fact_series loss, lr, grad_norm, clip;         /* by step */
    ps_fact_series test_loss, test_measure;           /* by evaluation */
    ps_fact_series probe_loss_batch, probe_loss_eval; /* on the probe set, by probe, in the two modes */
    double test_images;
    ps_nonfinite_fact *nonfinite;
    size_t nonfinite_count, nonfinite_capacity;
    ps_layer_facts *layers;
    int layer_count;
    ps_data_facts data;
} ps_facts;

/* Nothing known: numbers are ps_absent(), series empty. */
void ps_facts_init(ps_facts *facts);
ps_status ps_facts_of_trace(const char *path, ps_facts *facts);
void ps_facts_clear(ps_facts *facts);

#endif
