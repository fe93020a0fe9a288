/* One run: what a first pass over its trace collects (the states of every node at every probe, small), and a second
 * pass that hands out the recorded values window by window and probe by probe, so that memory does not grow with the
 * trace. ps_run_close frees everything; frames and records are borrowed for the call of a visitor. */
#ifndef PS_ANALYSIS_RUN_H
#define PS_ANALYSIS_RUN_H

#include "analysis/trace_reader.h"

/* Definitions of deadness, as bits of a node's state at a probe. */
enum {
    PS_STATE_KNOWN = 1, /* nonzero was recorded, and the node is not on the edge */
    PS_STATE_DEAD = 2,  /* no gate output differs from 0 on the probe set, batch mode: the primary definition */
    PS_STATE_NEAR = 4,  /* at least PS_FIXED_NEAR_DEAD (fixed.h) are 0, but not all */
    PS_STATE_EVAL_KNOWN = 8,
    PS_STATE_EVAL_DEAD = 16, /* the same in evaluation mode */
    PS_STATE_DORMANT_KNOWN = 32,
    PS_STATE_DORMANT_0 = 64, /* mean |h| over the layer's mean |h| <= 0, 0.025, 0.1 (Sokar et al. 2023) */
    PS_STATE_DORMANT_025 = 128,
    PS_STATE_DORMANT_100 = 256,
    PS_STATE_TRAIN_KNOWN = 512,
    PS_STATE_TRAIN_DEAD = 1024, /* shut on every training batch of the window that ends at the probe */
    PS_STATE_PART_KNOWN = 2048, /* nonzero_half and nonzero_quarter were recorded */
    PS_STATE_HALF_DEAD = 4096,  /* as DEAD and NEAR, on the first half and the first quarter of the probe images */
    PS_STATE_HALF_NEAR = 8192,
    PS_STATE_QUARTER_DEAD = 16384,
    PS_STATE_QUARTER_NEAR = 32768,
    PS_STATE_NEAR_LOW = 65536, /* as NEAR, from PS_FIXED_NEAR_DEAD_LOW and from PS_FIXED_NEAR_DEAD_HIGH on */
    PS_STATE_NEAR_HIGH = 131072,
    PS_STATE_EDGE_KNOWN = 262144, /* pre_max_low and pre_max_high were recorded */
    /* Rounding decides whether the gate ever opens: the largest value that enters it may be above 0 or not. Neither
     * dead nor alive, so not KNOWN. The other definitions have no edge of their own. */
    PS_STATE_EDGE = 524288
};

/* Which of these bits make a node known, dead and near-dead (of the last two dead goes first). */
typedef struct {
    unsigned known, dead, near;
} ps_dead_rule;

/* When gradient-driven movement over the weights' norm counts as none: below `below`, or, where `relative` is not 0,
 * below `relative` times the median of the layer's alive nodes. */
typedef struct {
    double below, relative;
} ps_inert_rule;
/* P1 and P4 count the nodes dead at a window's start, or, conditioned on the outcome, at both of its ends; P3 those
 * alive at the first probe, or those near-dead there. */
typedef enum {
    PS_POPULATION_AS_STATED,
    PS_POPULATION_DEAD_THROUGH,
    PS_POPULATION_DEAD_AT_START,
    PS_POPULATION_NEAR_DEAD_COHORT
} ps_population;
extern const ps_inert_rule ps_inert_primary; /* below PS_FIXED_INERT */

static inline bool ps_state_dead(unsigned state) { return (state & PS_STATE_DEAD) != 0; }
static inline bool ps_state_near(unsigned state) { return (state & PS_STATE_NEAR) != 0; }
static inline bool ps_state_known(unsigned state) { return (state & PS_STATE_KNOWN) != 0; }
static inline bool ps_state_edge(unsigned state) { return (state & PS_STATE_EDGE) != 0; }
/* Recorded by the run's rule: dead, near-dead, alive or on the edge. What shares of nodes are shares of. */
static inline bool ps_state_seen(unsigned state) { return (state & (PS_STATE_KNOWN | PS_STATE_EDGE)) != 0; }
static inline bool ps_state_alive(unsigned state) {
    return (state & (PS_STATE_KNOWN | PS_STATE_DEAD | PS_STATE_NEAR)) == PS_STATE_KNOWN;
}

typedef struct {
    long long step;
    double images; /* largest over the layers, 0 where not said */
    bool blown;    /* some output was not finite: no state is known */
} ps_probe_info;

typedef struct {
    long long window, first, last;
    int before, after; /* the latest probe at or before `first`, the earliest one behind `last`; -1: none */
    double lr_sum;     /* sum of the learning rates of its steps, ps_absent() where not recorded */
} ps_window_info;

typedef struct {
    long long step;
    double lr; /* ps_absent(): not recorded */
} ps_run_rate;

/* nonfinite: came to its end, but of the last probing no node's state is known, as outputs were not finite there (or
 * values are null that earlier ones have): its last known states are not those of its end. */
#define PS_RUN_STATUSES(STATUS)      \
    STATUS(UNFINISHED, "unfinished") \
    STATUS(FINISHED, "finished")     \
    STATUS(NONFINITE, "nonfinite")   \
    STATUS(DIVERGED, "diverged")
typedef enum {
#define STATUS(name, word) PS_RUN_##name,
    PS_RUN_STATUSES(STATUS)
#undef STATUS
} ps_run_status;

typedef struct {
    ps_trace_reader *reader; /* owns the header */
    const ps_trace_header *header;
    const char *arm; /* name in the comparison; borrowed from the caller */
    int layer_count, node_count;
    const ps_trace_layer *layers;
    int *node_layer;              /* layer of each node */
    bool *in_windows, *in_probes; /* per layer: has records of that type */
    ps_probe_info *probes;
    ps_window_info *windows;
    int probe_count, window_count;
    /* [probe][node], 0 (unknown) at a probe at which some mean_abs or rms is not finite; in a view: of the run it looks
     * at, through probe_map */
    uint32_t *states;
    const int *probe_map; /* of a view (view.h): which of the run's probes its own are; NULL: the same */
    ps_dead_rule dead_rule;
    ps_inert_rule inert_rule;
    ps_population population;
    char **planted; /* per node: cause named by a planted event, NULL: none; borrowed from planted_causes */
    char **planted_causes;
    size_t planted_cause_count;
    ps_run_status status;
    bool forked, cut;
    bool has_end; /* with fewer steps than the header plans the run is unfinished all the same */
    long long steps_done;
    /* Of the last evaluation on the test split, else of the end record: the loss, and the measures of the task. */
    double test_images; /* of the latest evaluation, ps_absent(): not said */
    double test_loss, test_measure[PS_TRACE_MOST_MEASURES];
    double record_ns, probe_ns, train_ns, peak_memory_bytes;
    uint64_t lines; /* whole lines in the first pass; the second stops there, should the run still go on */
    size_t probe_capacity, window_capacity, state_capacity, lr_capacity, planted_capacity;
    ps_run_rate *lr; /* of the steps that have a record, which rise */
    size_t lr_count;
} ps_run;

/* The bits as recorded, with KNOWN, DEAD, NEAR and EDGE as the run's rule has them: EDGE where it goes by what enters
 * the gate in a probe pass. */
static inline unsigned ps_run_node_state(const ps_run *run, int probe, int node) {
    if (probe < 0) return 0;
    size_t place = (size_t)(run->probe_map != NULL ? run->probe_map[probe] : probe);
    unsigned recorded = run->states[place * (size_t)run->node_count + (size_t)node];
    unsigned by_rule = PS_STATE_KNOWN | PS_STATE_DEAD | PS_STATE_NEAR;
    if (run->dead_rule.known != PS_STATE_KNOWN) by_rule |= PS_STATE_EDGE | PS_STATE_EDGE_KNOWN;
    unsigned state = recorded & ~by_rule;
    if ((recorded & run->dead_rule.known) == 0) return state;
    if ((recorded & run->dead_rule.dead) != 0) return state | PS_STATE_KNOWN | PS_STATE_DEAD;
    return state | PS_STATE_KNOWN | ((recorded & run->dead_rule.near) != 0 ? PS_STATE_NEAR : 0u);
}

/* What a node counts as between probes: its state at the latest probe up to this one at which it was not on the edge.
 * A spell or a life goes on through probes on the edge, so that no step into or out of it is a death or a revival. Not
 * known where all probes so far saw it on the edge. */
static inline unsigned ps_run_standing(const ps_run *run, int probe, int node) {
    unsigned state = ps_run_node_state(run, probe, node);
    while (ps_state_edge(state)) state = ps_run_node_state(run, --probe, node);
    return state;
}

/* Values of one window or one probe of all layers. node[q] (one value a node) and layer[q] (one a layer) are NULL where
 * no layer recorded the quantity; single values that are missing are ps_absent(). */
typedef struct {
    bool is_window;
    int index; /* into run->windows or run->probes */
    const double *node[PS_Q_COUNT], *layer[PS_Q_COUNT];
    const double
        *inert_below;     /* per layer, of a window: below it a relative path counts as none; set by ps_metrics_run */
    const uint64_t *line; /* per layer: line of its record, 0: none */
    const double *images, *elements; /* per layer, of a probe; 0 where not said */
    const double *sampled; /* per layer, of a window: steps that were recorded; 0 where the layer has no record */
} ps_frame;

typedef struct {
    void *context;
    ps_status (*frame)(void *context, const ps_frame *frame);
    ps_status (*record)(void *context, const ps_trace_record *record); /* steps, events, evaluations, timing, end */
} ps_run_visitor;

/* First pass. */
ps_status ps_run_open(const char *path, const char *arm, ps_run **out);
void ps_run_close(ps_run *run);
/* Second pass, in the order of the trace. */
ps_status ps_run_stream(ps_run *run, const ps_run_visitor *visitor);

/* Joins windows to the probes around them and sums their learning rates: of the run itself, or of a view with its
 * own. */
void ps_run_link_windows(ps_run *run);

const char *ps_run_status_name(ps_run_status status);
/* What was probed last does not belong to its end. */
bool ps_run_lacks_end(ps_run_status status);
/* Whether the trace says which nodes are on the edge, at one probe at least, and the run's rule asks for it. */
bool ps_run_knows_edge(const ps_run *run);
/* The first probe at which the state of any node is known by the run's rule, or is on the edge; -1: none. */
int ps_run_first_known(const ps_run *run);
/* Whether what a window says of its nodes is counted: in a run that diverged only up to the last finite probe, that is
 * where a probe with known states ends it. Always where the run did not diverge. */
bool ps_run_counts(const ps_run *run, const ps_window_info *window);

#endif
