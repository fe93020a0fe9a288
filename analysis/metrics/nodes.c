/* Every node's history and end state, with the cause of what is wrong with it; planted nodes apart. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/causes.h"
#include "analysis/story.h"
#include "core/memory.h"

enum { LIFELINE = 120 };

/* What is kept of a probe or window for every node. */
static const ps_trace_quantity kept[] = {PS_Q_weight_l2,     PS_Q_bias,
                                         PS_Q_gamma,         PS_Q_beta,
                                         PS_Q_out_l2,        PS_Q_pre_max,
                                         PS_Q_pre_max_low,   PS_Q_pre_max_high,
                                         PS_Q_images_active, PS_Q_path_gradient,
                                         PS_Q_path_decay,    PS_Q_weight_start_l2,
                                         PS_Q_grad_norm_rms, PS_Q_grad_zero_steps,
                                         PS_Q_mean_abs,      PS_Q_image_spread,
                                         PS_Q_nonzero_eval,  PS_Q_saturated,
                                         PS_Q_at_ceiling,    PS_Q_head_share};
enum { KEPT = sizeof kept / sizeof *kept };

typedef struct {
    double *node[KEPT];                /* [node] */
    double *in_alive, *images;         /* [layer] */
    double *path_median, *grad_median; /* [layer], alive nodes, of the latest window */
    double *steps;                     /* [layer], recorded ones of the latest window */
    int probe, window;                 /* index, -1: none */
    bool recorded[PS_Q_COUNT];         /* announced by the header, or seen in some record */
} snapshot;

typedef struct {
    ps_metric_input in;
    snapshot now;
    double *scratch;
    ps_cause *first_cause;
    ps_condition *first_condition;
} nodes_state;

static void note_announced(snapshot *s, const ps_run *run) {
    const cJSON *item;
    cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(run->header->document, PS_KEY(HEADER, quantities))) {
        const cJSON *name = cJSON_GetObjectItemCaseSensitive(item, PS_KEY(QUANTITY, name));
        for (int q = 0; cJSON_IsString(name) && q < PS_Q_COUNT; q++)
            s->recorded[q] |=
                !run->header->untold[q] && strcmp(name->valuestring, ps_quantity_name((ps_trace_quantity)q)) == 0;
    }
}

static ps_status init_snapshot(snapshot *s, const ps_run *run) {
    size_t nodes = (size_t)run->node_count + 1, layers = (size_t)run->layer_count + 1;
    s->probe = s->window = -1;
    for (int k = 0; k < KEPT; k++) {
        PS_TRY(PS_ALLOC(nodes, &s->node[k], "latest values"));
        for (size_t i = 0; i < nodes; i++) s->node[k][i] = ps_absent();
    }
    note_announced(s, run);
    double **per_layer[] = {&s->in_alive, &s->images, &s->path_median, &s->grad_median, &s->steps};
    for (size_t a = 0; a < sizeof per_layer / sizeof *per_layer; a++) {
        PS_TRY(PS_ALLOC(layers, per_layer[a], "latest values of layers"));
        for (size_t l = 0; l < layers; l++) (*per_layer[a])[l] = ps_absent();
    }
    return PS_OK;
}

static void clear_snapshot(snapshot *s) {
    for (int k = 0; k < KEPT; k++) ps_free(s->node[k]);
    ps_free(s->in_alive);
    ps_free(s->images);
    ps_free(s->path_median);
    ps_free(s->grad_median);
    ps_free(s->steps);
}

static ps_status begin(const ps_metric_input *input, void **out) {
    nodes_state *state;
    size_t nodes = (size_t)input->run->node_count + 1;
    PS_TRY(PS_ALLOC(1, &state, "nodes metric"));
    *out = state;
    state->in = *input;
    PS_TRY(init_snapshot(&state->now, input->run));
    PS_TRY(PS_ALLOC(nodes, &state->scratch, "scratch"));
    PS_TRY(PS_ALLOC(nodes, &state->first_cause, "causes at the start"));
    return PS_ALLOC(nodes, &state->first_condition, "conditions at the start");
}

static void destroy(void *context) {
    nodes_state *state = context;
    clear_snapshot(&state->now);
    ps_free(state->scratch);
    ps_free(state->first_cause);
    ps_free(state->first_condition);
    ps_free(state);
}

static void keep_values(snapshot *s, const ps_run *run, const ps_frame *frame) {
    for (int q = 0; q < PS_Q_COUNT; q++) s->recorded[q] |= frame->node[q] != NULL || frame->layer[q] != NULL;
    for (int l = 0; frame->is_window && l < run->layer_count; l++) s->steps[l] = frame->sampled[l];
    for (int k = 0; k < KEPT; k++) {
        if (ps_quantity_is_window(kept[k]) != frame->is_window) continue;
        for (int node = 0; node < run->node_count; node++) s->node[k][node] = ps_frame_value(frame, kept[k], node);
    }
}

static double kept_value(const snapshot *s, ps_trace_quantity quantity, int node) {
    for (int k = 0; k < KEPT; k++)
        if (kept[k] == quantity) return s->node[k][node];
    return ps_absent();
}

/* Channels that a layer reads and that are not dead: as recorded, else counted from the states of the layers it
 * reads, where it reads nothing else. */
static double inputs_alive(const nodes_state *state, int l) {
    const ps_run *run = state->in.run;
    const ps_trace_layer *layer = &run->layers[l];
    double alive = state->now.in_alive[l];
    if (!ps_is_absent(alive) || layer->input_count == 0 || layer->ungated_inputs) return alive;
    alive = 0;
    for (int i = 0; i < layer->input_count; i++) {
        const ps_trace_layer *input = &run->layers[layer->inputs[i]];
        for (int node = input->first_node; node < input->first_node + input->channels; node++) {
            unsigned s = ps_run_node_state(run, state->now.probe, node);
            if (!ps_state_seen(s)) return ps_absent();
            alive += !ps_state_dead(s);
        }
    }
    return alive;
}

/* The same for the nodes of one group alone, where the layer reads one gate in groups: counted from their states, as
 * what is recorded is of all groups. */
static double group_alive(const nodes_state *state, int l, int channel, double all) {
    const ps_run *run = state->in.run;
    const ps_trace_layer *layer = &run->layers[l];
    const ps_trace_layer *input = layer->input_count == 1 ? &run->layers[layer->inputs[0]] : NULL;
    bool told = layer->groups > 1 && input != NULL && !layer->ungated_inputs && layer->inputs_known;
    if (!told || input->channels % layer->groups != 0 || layer->channels % layer->groups != 0) return all;
    int size = input->channels / layer->groups, first = channel / (layer->channels / layer->groups) * size;
    double alive = 0;
    for (int node = input->first_node + first; node < input->first_node + first + size; node++) {
        unsigned s = ps_run_node_state(run, state->now.probe, node);
        if (!ps_state_seen(s)) return ps_absent();
        alive += !ps_state_dead(s);
    }
    return alive;
}

/* What a node of the layer may have and the trace does not hold. Where a layer has none, the header says so: `norm`
 * null, `bias` false, `inputs` without a trace layer. Some of what it reads is alive where no gate shuts it. */
static unsigned lacks(const nodes_state *state, int l, double alive_inputs) {
    const ps_run *run = state->in.run;
    const ps_trace_layer *layer = &run->layers[l];
    const bool *recorded = state->now.recorded, normalised = layer->norm != NULL;
    const cJSON *said =
        cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(run->header->document, PS_KEY(HEADER, layers)), l);
    bool no_bias = cJSON_IsFalse(cJSON_GetObjectItemCaseSensitive(said, PS_KEY(LAYER, bias)));
    bool no_inputs = layer->ungated_inputs || (layer->inputs_known && layer->input_count == 0);
    unsigned found = 0;
    bool never_dies = !layer->heads && layer->death == PS_DEATH_NEVER && !layer->tells_dead;
    if (!recorded[layer->heads ? PS_Q_head_share : PS_Q_nonzero] && !never_dies) found |= PS_LACKS_NONZERO;
    if (!recorded[PS_Q_saturated] && never_dies) found |= PS_LACKS_SATURATED;
    if (!recorded[PS_Q_weight_l2]) found |= PS_LACKS_WEIGHT_L2;
    if (!recorded[PS_Q_in_alive] && ps_is_absent(alive_inputs) && !no_inputs) found |= PS_LACKS_INPUTS;
    if (!recorded[PS_Q_gamma] && normalised) found |= PS_LACKS_GAMMA;
    if (!recorded[PS_Q_beta] && normalised) found |= PS_LACKS_BETA;
    if (!recorded[PS_Q_bias] && !normalised && !no_bias) found |= PS_LACKS_BIAS;
    if (!recorded[PS_Q_pre_max] && !normalised) found |= PS_LACKS_PRE_MAX;
    if (!recorded[PS_Q_out_l2]) found |= PS_LACKS_OUT_L2;
    if (!recorded[PS_Q_grad_zero_steps]) found |= PS_LACKS_GRAD_ZERO;
    if (!recorded[PS_Q_path_decay]) found |= PS_LACKS_PATH_DECAY;
    return found;
}

static ps_cause_evidence evidence_of(const nodes_state *state, int node, double alive_inputs, unsigned missing) {
    const ps_run *run = state->in.run;
    const snapshot *s = &state->now;
    int l = run->node_layer[node];
    double start = kept_value(s, PS_Q_weight_start_l2, node), path = kept_value(s, PS_Q_path_gradient, node);
    ps_cause_evidence e;
    e.state = ps_run_node_state(run, s->probe, node);
    e.lacks = missing;
    e.shared = run->layers[l].shared;
    e.heads = run->layers[l].heads;
    e.head_share = kept_value(s, PS_Q_head_share, node);
    e.has_norm = run->layers[l].norm != NULL;
    e.never_dies = run->layers[l].death == PS_DEATH_NEVER;
    e.saturated = kept_value(s, PS_Q_saturated, node);
    e.at_ceiling = kept_value(s, PS_Q_at_ceiling, node);
    e.ceiling = run->layers[l].ceiling;
    e.weight_l2 = kept_value(s, PS_Q_weight_l2, node);
    e.bias = kept_value(s, PS_Q_bias, node);
    e.gamma = kept_value(s, PS_Q_gamma, node);
    e.beta = kept_value(s, PS_Q_beta, node);
    e.out_l2 = kept_value(s, PS_Q_out_l2, node);
    e.pre_max = kept_value(s, PS_Q_pre_max, node);
    e.pre_max_low = kept_value(s, PS_Q_pre_max_low, node);
    e.pre_max_high = kept_value(s, PS_Q_pre_max_high, node);
    e.images_active = kept_value(s, PS_Q_images_active, node);
    e.images_active_eval = (e.state & PS_STATE_EVAL_DEAD) != 0 ? 0 : ps_absent();
    e.nonzero_eval = kept_value(s, PS_Q_nonzero_eval, node);
    e.running_mean = e.running_var = ps_absent();
    e.mean_abs = kept_value(s, PS_Q_mean_abs, node);
    e.image_spread = kept_value(s, PS_Q_image_spread, node);
    e.inputs_alive = group_alive(state, l, node - run->layers[l].first_node, alive_inputs);
    e.path_gradient = ps_ratio(path, start);
    e.path_decay = ps_ratio(kept_value(s, PS_Q_path_decay, node), start);
    e.weight_start_l2 = start;
    e.grad_zero_share = ps_ratio(kept_value(s, PS_Q_grad_zero_steps, node), s->steps[l]);
    e.layer_path_median = s->path_median[l];
    e.mobility = run->layers[l].weight_frozen            ? PS_MOBILITY_FROZEN
                 : !isfinite(path) || !isfinite(start)   ? PS_MOBILITY_UNKNOWN
                 : start == 0                            ? PS_MOBILITY_UNDEFINED
                 : path / start < ps_inert_primary.below ? PS_MOBILITY_INERT
                                                         : PS_MOBILITY_MOVING;
    if (e.heads) e.state |= ps_cause_head_state(&e);
    return e;
}

static void diagnose_start(nodes_state *state) {
    const ps_run *run = state->in.run;
    for (int l = 0; l < run->layer_count; l++) {
        double alive = inputs_alive(state, l);
        unsigned missing = lacks(state, l, alive);
        for (int c = 0; c < run->layers[l].channels; c++) {
            int node = run->layers[l].first_node + c;
            ps_cause_evidence e = evidence_of(state, node, alive, missing);
            state->first_cause[node] = ps_cause_of(&e, &state->first_condition[node]);
        }
    }
}

static ps_status take(void *context, const ps_frame *frame) {
    nodes_state *state = context;
    const ps_run *run = state->in.run;
    size_t count;
    keep_values(&state->now, run, frame);
    if (frame->is_window) {
        state->now.window = frame->index;
        for (int l = 0; l < run->layer_count; l++) {
            state->now.path_median[l] = ps_group_median(run, frame, l, PS_GROUP_ALIVE, PS_Q_path_gradient,
                                                        PS_Q_weight_start_l2, state->scratch, &count);
            state->now.grad_median[l] =
                ps_group_median(run, frame, l, PS_GROUP_ALIVE, PS_Q_grad_norm_rms, PS_Q_COUNT, state->scratch, &count);
        }
        return PS_OK;
    }
    state->now.probe = frame->index;
    for (int l = 0; l < run->layer_count; l++) {
        state->now.in_alive[l] = ps_frame_layer(frame, PS_Q_in_alive, l);
        state->now.images[l] = frame->images[l] > 0 ? frame->images[l] : ps_absent();
    }
    if (frame->index == 0) diagnose_start(state);
    return PS_OK;
}

typedef struct {
    double first_death, reopened, dead_share;
    int deaths, revivals;
    char lifeline[LIFELINE + 1];
} history;

static history history_of(const ps_run *run, int node) {
    history h = {ps_absent(), ps_absent(), ps_absent(), 0, 0, ""};
    int known = 0, dead = 0, edge = 0, length = 0, stride = 1 + (run->probe_count - 1) / LIFELINE;
    bool was_dead = false;
    for (int p = 0; p < run->probe_count; p++) {
        unsigned s = ps_run_node_state(run, p, node);
        if (p % stride == 0) h.lifeline[length++] = ps_activity_letter(s);
        edge += ps_state_edge(s);
        if (!ps_state_known(s)) continue;
        bool is_dead = ps_state_dead(s);
        if (is_dead && ps_is_absent(h.first_death)) h.first_death = (double)run->probes[p].step;
        if (known > 0 && is_dead && !was_dead) h.deaths++;
        if (known > 0 && !is_dead && was_dead) {
            h.revivals++;
            if (ps_is_absent(h.reopened)) h.reopened = (double)run->probes[p].step;
        }
        was_dead = is_dead;
        known++;
        dead += is_dead;
    }
    if (known + edge > 0) h.dead_share = (double)dead / (known + edge);
    return h;
}

typedef struct {
    int counts[PS_CAUSE_COUNT][PS_CONDITION_COUNT];
} cause_counts;

static const char *evaluated_name(unsigned state) {
    if (!(state & PS_STATE_EVAL_KNOWN)) return NULL;
    return (state & PS_STATE_EVAL_DEAD) ? "dead" : "not_dead";
}

static void write_node(const nodes_state *state, int node, const ps_cause_evidence *e, cause_counts *counts) {
    const ps_run *run = state->in.run;
    const snapshot *s = &state->now;
    ps_tables *tables = state->in.tables;
    int l = run->node_layer[node], channel = node - run->layers[l].first_node;
    const ps_trace_layer *layer = &run->layers[l];
    char name[256], evidence[256];
    ps_condition condition;
    ps_cause cause = ps_cause_of(e, &condition);
    history h = history_of(run, node);
    snprintf(name, sizeof name, "%s:%d", layer->name, channel);
    ps_cause_explain(e, cause, evidence, sizeof evidence);
    counts->counts[cause][condition]++;
    ps_tables_cells(tables, PS_TABLE_nodes, "slsidssis", run->arm, run->header->seed, layer->name, layer->position,
                    layer->depth, layer->stage, layer->shared ? "shared" : "private", channel, name);
    ps_tables_cells(tables, PS_TABLE_nodes, "ssdiidssss", ps_activity_name(e->state), evaluated_name(e->state),
                    h.first_death, h.revivals, h.deaths, h.dead_share, h.lifeline, ps_cause_name(cause), evidence,
                    ps_mobility_name(e->mobility));
    ps_tables_cells(tables, PS_TABLE_nodes, "dddddddddddd", e->path_gradient, e->path_decay,
                    ps_ratio(kept_value(s, PS_Q_grad_norm_rms, node), s->grad_median[l]), e->grad_zero_share,
                    e->weight_l2, e->bias, e->gamma, e->beta, e->out_l2, e->pre_max,
                    kept_value(s, PS_Q_images_active, node), s->images[l]);
    unsigned first = run->probe_count > 0 ? ps_run_node_state(run, 0, node) : 0;
    ps_tables_cells(tables, PS_TABLE_nodes, "sssss", run->planted[node], ps_condition_name(condition),
                    ps_activity_name(first), ps_cause_name(state->first_cause[node]),
                    ps_condition_name(state->first_condition[node]));
    ps_tables_end_row(tables, PS_TABLE_nodes);
    if (run->planted[node] == NULL) return;
    ps_tables_row(tables, PS_TABLE_planted, "slsissssssd", run->arm, run->header->seed, layer->name, channel, name,
                  run->planted[node], ps_activity_name(first), ps_cause_name(state->first_cause[node]),
                  ps_activity_name(e->state), ps_cause_name(cause), h.reopened);
}

static void write_causes(const nodes_state *state, const ps_trace_layer *layer, const cause_counts *counts) {
    const ps_run *run = state->in.run;
    for (int cause = PS_CAUSE_NONE + 1; cause < PS_CAUSE_COUNT; cause++)
        for (int condition = PS_CONDITION_NONE + 1; condition < PS_CONDITION_COUNT; condition++)
            if (condition != PS_CONDITION_UNKNOWN && counts->counts[cause][condition] > 0)
                ps_tables_row(state->in.tables, PS_TABLE_causes, "slsisssi", run->arm, run->header->seed, layer->name,
                              layer->position, layer->stage, ps_cause_name((ps_cause)cause),
                              ps_condition_name((ps_condition)condition), counts->counts[cause][condition]);
}

static ps_status end(void *context) {
    nodes_state *state = context;
    const ps_run *run = state->in.run;
    for (int l = 0; l < run->layer_count; l++) {
        const ps_trace_layer *layer = &run->layers[l];
        cause_counts counts;
        memset(&counts, 0, sizeof counts);
        double alive = inputs_alive(state, l);
        unsigned missing = lacks(state, l, alive);
        for (int node = layer->first_node; node < layer->first_node + layer->channels; node++) {
            ps_cause_evidence e = evidence_of(state, node, alive, missing);
            write_node(state, node, &e, &counts);
        }
        write_causes(state, layer, &counts);
    }
    return PS_OK;
}

const ps_metric ps_metric_nodes = {"nodes", begin, take, NULL, end, destroy, 0};

/* ---- one node's story ---- */

typedef struct {
    nodes_state *state;
    int node;
    ps_story_visitor *visit;
    void *self;
    ps_node_moment moment;
} story;

static ps_status tell(void *context, const ps_frame *frame) {
    story *s = context;
    int l = s->state->in.run->node_layer[s->node];
    PS_TRY(take(s->state, frame));
    s->moment.frame = frame;
    if (!frame->is_window) {
        double alive = inputs_alive(s->state, l);
        s->moment.evidence = evidence_of(s->state, s->node, alive, lacks(s->state, l, alive));
        s->moment.cause = ps_cause_of(&s->moment.evidence, &s->moment.condition);
    }
    return s->visit(s->self, &s->moment);
}

static ps_status pass_over(void *context, const ps_trace_record *record) {
    (void)context;
    (void)record;
    return PS_OK;
}

ps_status ps_node_story(ps_run *run, int node, ps_story_visitor *visit, void *self) {
    ps_metric_input input = {.run = run};
    void *state = NULL;
    ps_status status = begin(&input, &state);
    story s = {.state = state, .node = node, .visit = visit, .self = self};
    ps_run_visitor visitor = {.context = &s, .frame = tell, .record = pass_over};
    if (status == PS_OK) status = ps_run_stream(run, &visitor);
    if (state != NULL) destroy(state);
    return status;
}
