/* How many nodes are dead, near-dead, on the edge and dormant at each probe, by layer, stage and network; flows between
 * probes. */
#include <math.h>
#include <string.h>

#include "analysis/metric.h"
#include "analysis/scope.h"
#include "analysis/stats/order.h"
#include "core/digest.h"
#include "core/memory.h"

typedef struct {
    double nodes, dead, near, edge, edge_known; /* nodes: whose state was recorded, those on the edge among them */
    double eval_known, eval_dead, dormant_known, dormant[3], train_known, train_dead;
} activity_counts;

typedef struct {
    double dead_before, not_dead_before, revivals, deaths;
} flow_counts;

/* Time averages of the dead share under each definition, for the network's private gates. */
#define DEFINITION_LIST(DEFINITION)                                \
    DEFINITION(mean_dead, c->dead, c->nodes)                       \
    DEFINITION(mean_near_dead, c->dead + c->near, c->nodes)        \
    DEFINITION(mean_dead_eval, c->eval_dead, c->eval_known)        \
    DEFINITION(mean_dead_train, c->train_dead, c->train_known)     \
    DEFINITION(mean_dormant_0, c->dormant[0], c->dormant_known)    \
    DEFINITION(mean_dormant_0025, c->dormant[1], c->dormant_known) \
    DEFINITION(mean_dormant_01, c->dormant[2], c->dormant_known)
enum {
#define DEFINITION(name, part, whole) DEFINITION_##name,
    DEFINITION_LIST(DEFINITION)
#undef DEFINITION
        DEFINITIONS
};
static const char *const definition_names[] = {
#define DEFINITION(name, part, whole) #name,
    DEFINITION_LIST(DEFINITION)
#undef DEFINITION
};

typedef struct {
    ps_metric_input in;
    ps_scopes scopes;        /* under a variation, which writes no rows, the first alone: the network's private gates */
    activity_counts *layers; /* scratch, one a layer */
    unsigned char *zeros_known, *all_zero; /* per node, of the latest window */
    double *zeros_mean, *inert_share;      /* per layer, of the latest window */
    bool had_window;
    double sums[DEFINITIONS], counts[DEFINITIONS];
    double dead_start, dead_end, dead_all_start, dead_all_end, near_end, eval_end, edge_end, edge_sum, edge_probes;
    uint64_t line;
} activity_state;

static double share(double part, double whole) { return whole > 0 ? part / whole : ps_absent(); }

static ps_status begin(const ps_metric_input *input, void **out) {
    activity_state *state;
    size_t layers = (size_t)input->run->layer_count + 1, nodes = (size_t)input->run->node_count + 1;
    PS_TRY(PS_ALLOC(1, &state, "activity metric"));
    *out = state;
    state->in = *input;
    state->dead_all_start = state->dead_all_end = ps_absent();
    state->dead_start = state->dead_end = state->near_end = state->eval_end = state->edge_end = ps_absent();
    PS_TRY(ps_scopes_init(&state->scopes, input->run));
    if (input->tables == NULL) state->scopes.count = 1;
    PS_TRY(PS_ALLOC(layers, &state->layers, "counts of layers"));
    PS_TRY(PS_ALLOC(layers, &state->zeros_mean, "zeros of layers"));
    PS_TRY(PS_ALLOC(layers, &state->inert_share, "mobility of layers"));
    PS_TRY(PS_ALLOC(nodes, &state->zeros_known, "zeros of nodes"));
    return PS_ALLOC(nodes, &state->all_zero, "zeros of nodes");
}

static void destroy(void *context) {
    activity_state *state = context;
    ps_scopes_clear(&state->scopes);
    ps_free(state->layers);
    ps_free(state->zeros_mean);
    ps_free(state->inert_share);
    ps_free(state->zeros_known);
    ps_free(state->all_zero);
    ps_free(state);
}

static void take_window_layer(activity_state *state, const ps_frame *frame, int l) {
    const ps_trace_layer *layer = &state->in.run->layers[l];
    double zeros_sum = 0, zeros_count = 0, inert = 0, judged = 0;
    for (int node = layer->first_node; node < layer->first_node + layer->channels; node++) {
        double zeros = ps_frame_value(frame, PS_Q_zeros, node);
        ps_mobility mobility = ps_mobility_of(state->in.run, frame, node);
        state->zeros_known[node] = !ps_is_absent(zeros);
        state->all_zero[node] = zeros == 1;
        if (!ps_is_absent(zeros)) {
            zeros_sum += zeros;
            zeros_count++;
        }
        judged += mobility == PS_MOBILITY_MOVING || mobility == PS_MOBILITY_INERT;
        inert += mobility == PS_MOBILITY_INERT;
    }
    state->zeros_mean[l] = share(zeros_sum, zeros_count);
    state->inert_share[l] = share(inert, judged);
}

static void count_layer(const activity_state *state, int probe, int l) {
    const ps_run *run = state->in.run;
    const ps_trace_layer *layer = &run->layers[l];
    activity_counts *counts = &state->layers[l];
    memset(counts, 0, sizeof *counts);
    for (int node = layer->first_node; node < layer->first_node + layer->channels; node++) {
        unsigned s = ps_run_node_state(run, probe, node);
        counts->nodes += ps_state_seen(s);
        counts->edge += ps_state_edge(s);
        counts->edge_known += (s & PS_STATE_EDGE_KNOWN) != 0;
        counts->dead += ps_state_dead(s);
        counts->near += ps_state_near(s);
        counts->eval_known += (s & PS_STATE_EVAL_KNOWN) != 0;
        counts->eval_dead += (s & PS_STATE_EVAL_DEAD) != 0;
        counts->dormant_known += (s & PS_STATE_DORMANT_KNOWN) != 0;
        counts->dormant[0] += (s & PS_STATE_DORMANT_0) != 0;
        counts->dormant[1] += (s & PS_STATE_DORMANT_025) != 0;
        counts->dormant[2] += (s & PS_STATE_DORMANT_100) != 0;
        counts->train_known += state->had_window && state->zeros_known[node];
        counts->train_dead += state->had_window && state->all_zero[node];
    }
}

static activity_counts sum_scope(const activity_state *state, const ps_scope *scope) {
    activity_counts sum;
    memset(&sum, 0, sizeof sum);
    for (int l = 0; l < state->in.run->layer_count; l++) {
        if (!ps_scope_has(scope, &state->in.run->layers[l], l)) continue;
        const double *from = (const double *)&state->layers[l];
        double *to = (double *)&sum; /* a struct of doubles alone */
        for (size_t i = 0; i < sizeof sum / sizeof(double); i++) to[i] += from[i];
    }
    return sum;
}

/* Share of the nodes on the edge; ps_absent() where the trace does not say. */
static double edge_share(const activity_counts *c) {
    return c->edge_known > 0 ? share(c->edge, c->nodes) : ps_absent();
}

static void note_edge(activity_state *state, const activity_counts *c) {
    double edge = edge_share(c);
    state->edge_end = edge;
    if (ps_is_absent(edge)) return;
    state->edge_sum += edge;
    state->edge_probes++;
}

static void note_definitions(activity_state *state, const activity_counts *c) {
    const double shares[] = {
#define DEFINITION(name, part, whole) share(part, whole),
        DEFINITION_LIST(DEFINITION)
#undef DEFINITION
    };
    for (int d = 0; d < DEFINITIONS; d++) {
        if (ps_is_absent(shares[d])) continue;
        state->sums[d] += shares[d];
        state->counts[d]++;
    }
    if (ps_is_absent(shares[DEFINITION_mean_dead])) return;
    if (ps_is_absent(state->dead_start)) state->dead_start = shares[DEFINITION_mean_dead];
    state->dead_end = shares[DEFINITION_mean_dead];
    state->near_end = share(c->near, c->nodes);
    note_edge(state, c);
    state->eval_end = shares[DEFINITION_mean_dead_eval];
}

/* Of all gates' channels: also of those behind sums, whose channels belong to no one node. */
static void note_all_gates(activity_state *state) {
    double dead = 0, nodes = 0;
    if (ps_is_absent(state->dead_end)) return; /* not known of the others either */
    for (int l = 0; l < state->in.run->layer_count; l++) {
        dead += state->layers[l].dead;
        nodes += state->layers[l].nodes;
    }
    if (nodes == 0) return;
    state->dead_all_end = dead / nodes;
    if (ps_is_absent(state->dead_all_start)) state->dead_all_start = state->dead_all_end;
}

static ps_status write_scope(activity_state *state, int index, int probe) {
    const ps_run *run = state->in.run;
    const ps_scope *scope = &state->scopes.scopes[index];
    activity_counts c = sum_scope(state, scope);
    long long step = run->probes[probe].step;
    double dead = share(c.dead, c.nodes), near = share(c.near, c.nodes), edge = edge_share(&c);
    if (c.nodes == 0 && c.dormant_known == 0) return PS_OK;
    ps_tables_row(state->in.tables, PS_TABLE_dead_time, "sllssddddddddddddd", run->arm, run->header->seed, step,
                  scope->level, scope->name, c.nodes, c.dead, c.near, c.nodes - c.dead - c.near - c.edge, dead, near,
                  share(c.eval_dead, c.eval_known), share(c.dormant[0], c.dormant_known),
                  share(c.dormant[1], c.dormant_known), share(c.dormant[2], c.dormant_known),
                  share(c.train_dead, c.train_known), c.edge_known > 0 ? c.edge : ps_absent(), edge);
    if (index == 0) note_definitions(state, &c);
    if (index == 0) note_all_gates(state);
    if (scope->layer >= 0) return PS_OK;
    PS_TRY(ps_collect_name(state->in.collector, PS_TABLE_dead_arm, index, 0, scope->level, scope->name, NULL));
    return ps_collect_note(state->in.collector, PS_TABLE_dead_arm, index, step, dead, near, edge);
}

static ps_status write_layer(activity_state *state, const ps_frame *frame, int l) {
    const ps_run *run = state->in.run;
    const ps_trace_layer *layer = &run->layers[l];
    const activity_counts *c = &state->layers[l];
    long long step = run->probes[frame->index].step;
    double rms_sum = 0, rms_count = 0, dead = share(c->dead, c->nodes), edge = edge_share(c);
    double zeros = state->had_window ? state->zeros_mean[l] : ps_absent();
    double inert = state->had_window ? state->inert_share[l] : ps_absent();
    for (int node = layer->first_node; node < layer->first_node + layer->channels; node++) {
        double rms = ps_frame_value(frame, PS_Q_rms, node);
        if (ps_is_absent(rms)) continue;
        rms_sum += rms;
        rms_count++;
    }
    if (frame->line[l] == 0) return PS_OK;
    const char *kind = layer->shared ? "shared" : "private";
    ps_tables_row(state->in.tables, PS_TABLE_layer_time, "sllsidssidddddd", run->arm, run->header->seed, step,
                  layer->name, layer->position, layer->depth, layer->stage, kind, layer->channels, dead,
                  share(c->near, c->nodes), zeros, inert, share(rms_sum, rms_count), edge);
    PS_TRY(
        ps_collect_name(state->in.collector, PS_TABLE_layer_arm, l, layer->position, layer->name, layer->stage, kind));
    return ps_collect_note(state->in.collector, PS_TABLE_layer_arm, l, step, dead, inert, edge);
}

/* dead_mean is the mean over probes of the network's share: each layer's part of it; dead_end that of the last
 * probe. */
static void write_terms(const activity_state *state, const ps_frame *frame) {
    const ps_run *run = state->in.run;
    double nodes = sum_scope(state, &state->scopes.scopes[0]).nodes;
    for (int l = 0; nodes > 0 && l < run->layer_count; l++) {
        const activity_counts *c = &state->layers[l];
        if (!ps_scope_has(&state->scopes.scopes[0], &run->layers[l], l)) continue;
        ps_term term = {"dead_mean",      &run->layers[l], -1, run->probes[frame->index].step, c->dead / nodes,
                        c->nodes / nodes, frame->line[l]};
        ps_metric_term(&state->in, term);
        term.measure = "dead_end";
        if (frame->index == run->probe_count - 1) ps_metric_term(&state->in, term);
    }
}

static ps_status take(void *context, const ps_frame *frame) {
    activity_state *state = context;
    int layers = state->in.run->layer_count;
    if (frame->is_window && state->in.tables == NULL) return PS_OK;
    if (frame->is_window) {
        for (int l = 0; l < layers; l++) take_window_layer(state, frame, l);
        state->had_window = true;
        return PS_OK;
    }
    if (state->line == 0 && layers > 0) state->line = frame->line[0];
    for (int l = 0; l < layers; l++) count_layer(state, frame->index, l);
    for (int s = 0; s < state->scopes.count; s++) PS_TRY(write_scope(state, s, frame->index));
    write_terms(state, frame);
    for (int l = 0; l < layers && state->in.tables != NULL; l++) PS_TRY(write_layer(state, frame, l));
    return PS_OK;
}

/* ---- between probes: from the states alone ---- */

enum { ALIVE, NEAR, DEAD, EDGE, STATES };

typedef struct {
    double counts[STATES][STATES]; /* from and to */
} step_matrix;

static int state_index(unsigned state) {
    return ps_state_edge(state) ? EDGE : ps_state_dead(state) ? DEAD : ps_state_near(state) ? NEAR : ALIVE;
}

/* What a flow counts: of a node on the edge the state it had before (ps_run_standing), so that edge takes no part. */
static void count_flow(const ps_run *run, int before, int after, step_matrix *layers) {
    for (int node = 0; node < run->node_count; node++) {
        unsigned from = ps_run_standing(run, before, node), to = ps_run_standing(run, after, node);
        if (ps_state_known(from) && ps_state_known(to))
            layers[run->node_layer[node]].counts[state_index(from)][state_index(to)]++;
    }
}

/* States as both probes saw them. */
static void count_steps(const ps_run *run, int before, int after, step_matrix *layers) {
    for (int node = 0; node < run->node_count; node++) {
        unsigned from = ps_run_node_state(run, before, node), to = ps_run_node_state(run, after, node);
        if (ps_state_seen(from) && ps_state_seen(to))
            layers[run->node_layer[node]].counts[state_index(from)][state_index(to)]++;
    }
}

static step_matrix sum_steps(const ps_run *run, const ps_scope *scope, const step_matrix *layers) {
    step_matrix sum;
    memset(&sum, 0, sizeof sum);
    for (int l = 0; l < run->layer_count; l++)
        for (int cell = 0; ps_scope_has(scope, &run->layers[l], l) && cell < STATES * STATES; cell++)
            sum.counts[cell / STATES][cell % STATES] += layers[l].counts[cell / STATES][cell % STATES];
    return sum;
}

static flow_counts flow_of(const step_matrix *m) {
    flow_counts flow = {0, 0, m->counts[DEAD][ALIVE] + m->counts[DEAD][NEAR],
                        m->counts[ALIVE][DEAD] + m->counts[NEAR][DEAD]};
    flow.dead_before = flow.revivals + m->counts[DEAD][DEAD];
    flow.not_dead_before =
        flow.deaths + m->counts[ALIVE][ALIVE] + m->counts[ALIVE][NEAR] + m->counts[NEAR][ALIVE] + m->counts[NEAR][NEAR];
    return flow;
}

/* A flow belongs to the stretch between two probes; where they bracket one window, that is the window. */
static void write_flow(const activity_state *state, const ps_scope *scope, int after, const step_matrix *layers) {
    const ps_run *run = state->in.run;
    step_matrix sum = sum_steps(run, scope, layers);
    flow_counts f = flow_of(&sum);
    if (f.dead_before + f.not_dead_before == 0) return;
    ps_tables_row(state->in.tables, PS_TABLE_flow, "slillssdddddd", run->arm, run->header->seed, after - 1,
                  run->probes[after - 1].step, run->probes[after].step - 1, scope->level, scope->name, f.dead_before,
                  f.not_dead_before, f.revivals, f.deaths, share(f.revivals, f.dead_before),
                  share(f.deaths, f.not_dead_before));
}

static void write_transitions(const activity_state *state, const ps_scope *scope, const step_matrix *layers) {
    static const char *const names[STATES] = {
        [ALIVE] = "alive", [NEAR] = "near_dead", [DEAD] = "dead", [EDGE] = "edge"};
    const ps_run *run = state->in.run;
    step_matrix sum = sum_steps(run, scope, layers);
    int states = ps_run_knows_edge(run) ? STATES : EDGE;
    for (int from = 0; from < states; from++) {
        double all = 0;
        for (int to = 0; to < states; to++) all += sum.counts[from][to];
        for (int to = 0; to < states; to++)
            ps_tables_row(state->in.tables, PS_TABLE_transitions, "slsssssdd", run->arm, run->header->seed, "activity",
                          scope->level, scope->name, names[from], names[to], sum.counts[from][to],
                          share(sum.counts[from][to], all));
    }
}

static ps_status write_between(const activity_state *state, flow_counts *network) {
    const ps_run *run = state->in.run;
    size_t layers = (size_t)run->layer_count + 1;
    step_matrix *now = NULL, *total = NULL, *steps = NULL, sum;
    ps_status status = PS_ALLOC(layers, &now, "flows of layers");
    if (status == PS_OK) status = PS_ALLOC(layers, &total, "flows of layers");
    if (status == PS_OK) status = PS_ALLOC(layers, &steps, "steps of layers");
    for (int p = 1; status == PS_OK && p < run->probe_count; p++) {
        memset(now, 0, layers * sizeof *now);
        if (state->in.tables == NULL) break; /* rates of flow stand in no prediction */
        count_flow(run, p - 1, p, now);
        count_flow(run, p - 1, p, total);
        count_steps(run, p - 1, p, steps);
        for (int s = 0; s < state->scopes.count; s++) write_flow(state, &state->scopes.scopes[s], p, now);
    }
    if (status == PS_OK) {
        for (int s = 0; s < state->scopes.count; s++) write_transitions(state, &state->scopes.scopes[s], steps);
        sum = sum_steps(run, &state->scopes.scopes[0], total);
        *network = flow_of(&sum);
    }
    ps_free(now);
    ps_free(total);
    ps_free(steps);
    return status;
}

/* Dead at every probe but for those that saw it on the edge, and not at all of them on it. */
static double never_alive_share(const ps_run *run) {
    double nodes = 0, never = 0;
    for (int node = 0; node < run->node_count; node++) {
        int seen = 0, known = 0, dead = 0;
        for (int p = 0; p < run->probe_count; p++) {
            unsigned state = ps_run_node_state(run, p, node);
            seen += ps_state_seen(state);
            known += ps_state_known(state);
            dead += ps_state_dead(state);
        }
        if (run->layers[run->node_layer[node]].shared || seen == 0) continue;
        nodes++;
        never += dead > 0 && dead == known;
    }
    return share(never, nodes);
}

/* Private nodes that one probe at least saw on the edge, of *all. */
static double edge_nodes(const ps_run *run, double *all) {
    double nodes = 0;
    *all = 0;
    for (int node = 0; node < run->node_count; node++) {
        bool edge = false;
        if (run->layers[run->node_layer[node]].shared) continue;
        for (int p = 0; p < run->probe_count && !edge; p++) edge = ps_state_edge(ps_run_node_state(run, p, node));
        nodes += edge;
        ++*all;
    }
    return nodes;
}

static ps_status set_edge(const activity_state *state) {
    const ps_run *run = state->in.run;
    ps_summary *summary = state->in.summary;
    double probes = state->edge_probes, all, nodes = edge_nodes(run, &all);
    PS_TRY(ps_summary_set(summary, "edge_mean", share(state->edge_sum, probes), probes, state->line));
    PS_TRY(ps_summary_set(summary, "edge_end", state->edge_end, 1, state->line));
    return ps_summary_set(summary, "edge_nodes", probes > 0 ? nodes : ps_absent(), all, state->line);
}

static ps_status set_measures(activity_state *state, const flow_counts *flow) {
    const ps_run *run = state->in.run;
    ps_summary *summary = state->in.summary;
    double images = 0;
    for (int p = 0; p < run->probe_count; p++) images = fmax(images, run->probes[p].images);
    if (images == 0) images = ps_absent(); /* no probing, or none that says how many */
    PS_TRY(ps_summary_set(summary, "probe_images", images, 1, state->line));
    double probes = state->counts[DEFINITION_mean_dead], mean = share(state->sums[DEFINITION_mean_dead], probes);
    PS_TRY(ps_summary_set(summary, "dead_start", state->dead_start, 1, state->line));
    PS_TRY(ps_summary_set(summary, "dead_end", state->dead_end, 1, state->line));
    PS_TRY(ps_summary_set(summary, "dead_all_start", state->dead_all_start, 1, state->line));
    PS_TRY(ps_summary_set(summary, "dead_all_end", state->dead_all_end, 1, state->line));
    PS_TRY(ps_summary_set(summary, "dead_mean", mean, probes, state->line));
    PS_TRY(ps_summary_set(summary, "near_dead_end", state->near_end, 1, state->line));
    PS_TRY(ps_summary_set(summary, "dead_eval_end", state->eval_end, 1, state->line));
    PS_TRY(ps_summary_set(summary, "never_alive", never_alive_share(run), probes, state->line));
    PS_TRY(ps_summary_set(summary, "revival_rate", share(flow->revivals, flow->dead_before), flow->dead_before,
                          state->line));
    PS_TRY(ps_summary_set(summary, "death_rate", share(flow->deaths, flow->not_dead_before), flow->not_dead_before,
                          state->line));
    for (int d = 0; d < DEFINITIONS; d++)
        PS_TRY(ps_summary_set(summary, definition_names[d], share(state->sums[d], state->counts[d]), state->counts[d],
                              state->line));
    return set_edge(state);
}

static ps_status note_start(const activity_state *state) {
    const ps_run *run = state->in.run;
    ps_summary *summary = state->in.summary;
    int first = ps_run_first_known(run);
    ps_digest probes = ps_digest_start();
    if (first < 0) return PS_OK;
    for (int p = first; p < run->probe_count; p++) ps_digest_u64(&probes, (uint64_t)run->probes[p].step);
    summary->probe_digest = ps_digest_value(&probes);
    PS_TRY(PS_ALLOC((size_t)run->node_count + 1, &summary->start_states, "states at the start"));
    summary->start_nodes = run->node_count;
    for (int node = 0; node < run->node_count; node++)
        summary->start_states[node] = ps_activity_letter(ps_run_node_state(run, first, node));
    return PS_OK;
}

static ps_status end(void *context) {
    activity_state *state = context;
    flow_counts network;
    PS_TRY(write_between(state, &network));
    PS_TRY(note_start(state));
    return set_measures(state, &network);
}

const ps_metric ps_metric_activity = {
    "activity", begin, take, NULL, end, destroy, PS_RESTS_DEATH | PS_RESTS_WINDOWS | PS_RESTS_COHORT | PS_RESTS_NEAR};
