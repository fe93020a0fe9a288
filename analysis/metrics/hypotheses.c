/* The primary statistics of the predictions that are counted within one run (analysis/predictions says what each
 * means). */
#include <math.h>
#include <string.h>

#include "analysis/fixed.h"
#include "analysis/metric.h"
#include "analysis/stats/lead_lag.h"
#include "analysis/stats/order.h"
#include "analysis/stats/two_way.h"
#include "core/memory.h"

enum { AHEAD = PS_FIXED_AHEAD };      /* W3: windows in which a node may turn inert */
static const double log_floor = 1e-9; /* of a relative path length: below it nothing moves in single precision */

typedef struct {
    ps_stats_cell cell;
    int window, size; /* size: cells of the stratum, at its first; else 0 */
    uint64_t line;
} kept_cell;

typedef struct {
    ps_metric_input in;
    double w1_zero, w1_steps;
    double moving, judged;        /* node-windows that begin dead: P4 */
    double out_still, out_judged; /* outgoing weights of nodes dead through the window: the clause is about those */
    double reopened_moving, reopened_judged; /* outgoing weights of nodes that had reopened at the window's start */
    double
        *drift[2]; /* W5: [near, alive][window * layers + layer]: mean log path per learning rate, ps_absent() without
                             nodes */
    unsigned char
        *mobility[AHEAD + 1]; /* W3: of each node, in the latest windows: window w stands in w % (AHEAD + 1) */
    ps_stats_two_way cascade; /* W3: layers by windows of a stage */
    ps_stats_cell *cells;     /* of one of them */
    kept_cell *kept;          /* all of them, for the terms; none without tables */
    size_t kept_count, kept_capacity;
    uint64_t *window_line[AHEAD + 1]; /* W3: of each layer's record, as mobility */
    double *sparsity;                 /* W4: [probe][layer]: l2/l1 of the weights */
    double
        *gradient; /* P9: gradient of each node in the latest window, of those dead and shut through it, else absent */
    double p9_weight, p9_sum, p9_cases;
    double *scratch;
    uint64_t line;
    uint64_t *first_line, *probe_line; /* of each layer's first record; of [probe][layer] */
} hypotheses_state;

static size_t cells(size_t a, size_t b) { return a * b + 1; }

static ps_status begin(const ps_metric_input *input, void **out) {
    hypotheses_state *state;
    const ps_run *run = input->run;
    size_t layers = (size_t)run->layer_count, windows = (size_t)run->window_count, nodes = (size_t)run->node_count;
    PS_TRY(PS_ALLOC(1, &state, "statistics of predictions"));
    *out = state;
    state->in = *input;
    for (int g = 0; g < 2; g++) {
        PS_TRY(PS_ALLOC(cells(windows, layers), &state->drift[g], "path lengths"));
        for (size_t i = 0; i < windows * layers; i++) state->drift[g][i] = ps_absent();
    }
    for (int k = 0; k <= AHEAD; k++) PS_TRY(PS_ALLOC(nodes + 1, &state->mobility[k], "mobility"));
    for (int k = 0; k <= AHEAD; k++) PS_TRY(PS_ALLOC(layers + 1, &state->window_line[k], "lines of records"));
    PS_TRY(ps_stats_two_way_init(&state->cascade, run->layer_count));
    PS_TRY(PS_ALLOC(layers + 1, &state->cells, "moving nodes"));
    PS_TRY(PS_ALLOC(cells((size_t)run->probe_count, layers), &state->sparsity, "layer ratios"));
    for (size_t i = 0; i < (size_t)run->probe_count * layers; i++) state->sparsity[i] = ps_absent();
    PS_TRY(PS_ALLOC(nodes + 1, &state->gradient, "gradients"));
    for (size_t i = 0; i < nodes; i++) state->gradient[i] = ps_absent();
    PS_TRY(PS_ALLOC(layers + 1, &state->first_line, "lines of records"));
    PS_TRY(PS_ALLOC(cells((size_t)run->probe_count, layers), &state->probe_line, "lines of records"));
    return PS_ALLOC(nodes + 1, &state->scratch, "scratch");
}

static void destroy(void *context) {
    hypotheses_state *state = context;
    for (int g = 0; g < 2; g++) ps_free(state->drift[g]);
    ps_stats_two_way_clear(&state->cascade);
    ps_free(state->cells);
    for (int k = 0; k <= AHEAD; k++) ps_free(state->mobility[k]);
    for (int k = 0; k <= AHEAD; k++) ps_free(state->window_line[k]);
    ps_free_array(state->kept);
    ps_free(state->sparsity);
    ps_free(state->gradient);
    ps_free(state->scratch);
    ps_free(state->first_line);
    ps_free(state->probe_line);
    ps_free(state);
}

static bool is_judged(ps_mobility mobility) { return mobility == PS_MOBILITY_MOVING || mobility == PS_MOBILITY_INERT; }

/* P4: outgoing weights of nodes dead through the window, and of those that reopened at its start and are open at its
 * end. */
static void count_outgoing(hypotheses_state *state, const ps_frame *frame, int node) {
    const ps_run *run = state->in.run;
    const ps_window_info *window = &run->windows[frame->index];
    unsigned start = ps_run_node_state(run, window->before, node), after = ps_run_node_state(run, window->after, node);
    bool through = ps_state_dead(start) && ps_state_dead(after);
    bool open = ps_state_known(start) && ps_state_known(after) && !ps_state_dead(start) && !ps_state_dead(after);
    bool reopened = open && window->before > 0 && ps_state_dead(ps_run_standing(run, window->before - 1, node));
    ps_mobility mobility = through || reopened ? ps_outgoing_mobility_of(run, frame, node) : PS_MOBILITY_UNKNOWN;
    if (!is_judged(mobility)) return;
    state->out_judged += through;
    state->out_still += through && mobility == PS_MOBILITY_INERT;
    state->reopened_judged += reopened;
    state->reopened_moving += reopened && mobility == PS_MOBILITY_MOVING;
}

/* W1: steps with a non-zero gradient among nodes dead at the window's start. P4: those that move. */
static void count_dead(hypotheses_state *state, const ps_frame *frame, int node, ps_mobility mobility) {
    const ps_window_info *window = &state->in.run->windows[frame->index];
    if (!ps_state_dead(ps_run_node_state(state->in.run, window->before, node))) return;
    double zero = ps_frame_value(frame, PS_Q_grad_zero_steps, node);
    /* One that reopened within the window got its gradient as a node that was no longer dead. */
    ps_group staying = state->in.run->population == PS_POPULATION_DEAD_AT_START ? PS_GROUP_DEAD : PS_GROUP_DEAD_THROUGH;
    if (!ps_is_absent(zero) && ps_group_has(state->in.run, window, staying, node)) {
        state->w1_zero += zero;
        state->w1_steps += frame->sampled[state->in.run->node_layer[node]];
    }
    if (!ps_group_has(state->in.run, window, ps_group_of_dead(state->in.run), node)) return;
    state->moving += mobility == PS_MOBILITY_MOVING;
    state->judged += is_judged(mobility);
}

static void note_drift(hypotheses_state *state, const ps_frame *frame, int l) {
    const ps_run *run = state->in.run;
    const ps_window_info *window = &run->windows[frame->index];
    const ps_trace_layer *layer = &run->layers[l];
    double sum[2] = {0, 0}, count[2] = {0, 0};
    if (!(window->lr_sum > 0)) return;
    for (int node = layer->first_node; node < layer->first_node + layer->channels; node++) {
        unsigned before = ps_run_node_state(run, window->before, node);
        if (!ps_state_near(before) && !ps_state_alive(before)) continue;
        double path =
            ps_ratio(ps_frame_value(frame, PS_Q_path, node), ps_frame_value(frame, PS_Q_weight_start_l2, node));
        if (!isfinite(path)) continue;
        int group = ps_state_near(before) ? 0 : 1;
        sum[group] += log10(fmax(path, log_floor) / window->lr_sum);
        count[group]++;
    }
    for (int g = 0; g < 2; g++)
        if (count[g] > 0) state->drift[g][frame->index * run->layer_count + l] = sum[g] / count[g];
}

/* P9: among the dead nodes of a normalised layer whose gate every training batch shut, those whose gradient was in the
 * upper half of the layer in one window against those in the lower half: who is open at the end of the next window?
 * Mantel-Haenszel weights over layers and windows. */
static void count_reopening(hypotheses_state *state, const ps_frame *frame, int l) {
    const ps_run *run = state->in.run;
    const ps_window_info *window = &run->windows[frame->index];
    const ps_trace_layer *layer = &run->layers[l];
    double high = 0, low = 0, high_open = 0, low_open = 0;
    size_t count = 0;
    if (layer->norm == NULL || window->after < 0) return;
    for (int node = layer->first_node; node < layer->first_node + layer->channels; node++)
        if (!isnan(state->gradient[node])) state->scratch[count++] = state->gradient[node];
    double middle = ps_stats_median(state->scratch, count);
    for (int node = layer->first_node; node < layer->first_node + layer->channels; node++) {
        unsigned after = ps_run_node_state(run, window->after, node);
        if (isnan(state->gradient[node]) || !ps_state_known(after)) continue;
        bool strong = state->gradient[node] > middle;
        high += strong;
        low += !strong;
        high_open += strong && !ps_state_dead(after);
        low_open += !strong && !ps_state_dead(after);
    }
    if (high == 0 || low == 0) return;
    double weight = high * low / (high + low);
    state->p9_weight += weight;
    state->p9_sum += weight * (high_open / high - low_open / low);
    state->p9_cases += high + low;
}

/* Dead on the probe set is not enough: a node that fired on a training batch may have been moved by its gamma and beta,
 * and is the nearest to reopening besides. Where every batch shut the gate, the gradient is the module's alone. */
static void keep_gradient(hypotheses_state *state, const ps_frame *frame) {
    const ps_run *run = state->in.run;
    const ps_window_info *window = &run->windows[frame->index];
    for (int node = 0; node < run->node_count; node++) {
        double sampled = frame->sampled[run->node_layer[node]];
        bool shut = sampled > 0 && ps_frame_value(frame, PS_Q_shut_steps, node) == sampled;
        state->gradient[node] = shut && ps_group_has(run, window, PS_GROUP_DEAD_THROUGH, node)
                                    ? ps_frame_value(frame, PS_Q_grad_norm_rms, node)
                                    : ps_absent();
    }
}

static void note_sparsity(hypotheses_state *state, const ps_frame *frame, int l) {
    const ps_trace_layer *layer = &state->in.run->layers[l];
    double l1 = 0, squares = 0;
    for (int node = layer->first_node; node < layer->first_node + layer->channels; node++) {
        double row = ps_frame_value(frame, PS_Q_weight_l2, node);
        l1 += ps_frame_value(frame, PS_Q_weight_l1, node);
        squares += row * row;
    }
    if (isfinite(l1) && l1 > 0) state->sparsity[frame->index * state->in.run->layer_count + l] = sqrt(squares) / l1;
}

static ps_mobility mobility_at(const hypotheses_state *state, int window, int node) {
    return (ps_mobility)state->mobility[window % (AHEAD + 1)][node];
}

static bool deaths_upstream(const ps_run *run, const ps_trace_layer *layer, const ps_window_info *window) {
    for (int i = 0; i < layer->input_count; i++) {
        const ps_trace_layer *input = &run->layers[layer->inputs[i]];
        for (int node = input->first_node; node < input->first_node + input->channels; node++) {
            unsigned from = ps_run_standing(run, window->before, node),
                     to = ps_run_node_state(run, window->after, node);
            if (ps_state_known(from) && !ps_state_dead(from) && ps_state_dead(to)) return true;
        }
    }
    return false;
}

/* Among the layer's nodes that move in window w and are not dead at its end, those inert in any of the next two. Nodes
 * that die in w are no more at risk: their own inertia would count against the layers they are compared with. */
static ps_stats_cell count_turning(const hypotheses_state *state, int w, int l) {
    const ps_run *run = state->in.run;
    const ps_trace_layer *layer = &run->layers[l];
    ps_stats_cell cell = {l, 0, 0, deaths_upstream(run, layer, &run->windows[w])};
    for (int node = layer->first_node; node < layer->first_node + layer->channels; node++) {
        unsigned after = ps_run_node_state(run, run->windows[w].after, node);
        if (mobility_at(state, w, node) != PS_MOBILITY_MOVING || !ps_state_known(after) || ps_state_dead(after))
            continue;
        bool inert = false;
        for (int k = 1; k <= AHEAD; k++) inert |= mobility_at(state, w + k, node) == PS_MOBILITY_INERT;
        cell.members++;
        cell.positive += inert;
    }
    return cell;
}

static bool reads_others(const ps_trace_layer *layer) { return !layer->shared && layer->input_count > 0; }

static ps_status keep_cells(hypotheses_state *state, int w, int count) {
    PS_TRY(PS_GROW(&state->kept, &state->kept_capacity, state->kept_count + (size_t)count, "terms of a prediction"));
    for (int i = 0; i < count; i++)
        state->kept[state->kept_count++] = (kept_cell){state->cells[i], w, i == 0 ? count : 0,
                                                       state->window_line[w % (AHEAD + 1)][state->cells[i].group]};
    return PS_OK;
}

/* W3: layers after deaths upstream against layers of the same stage after the same window without, each layer's own
 * level taken out: deaths and inertia that merely share a course over training, or are both common in a layer, do not
 * count. Called when the last of the windows in which a node may turn inert is known. */
static ps_status count_cascade(hypotheses_state *state, int w) {
    const ps_run *run = state->in.run;
    for (int first = 0; w >= 0 && first < run->layer_count; first++) {
        bool seen = !reads_others(&run->layers[first]);
        for (int l = 0; l < first && !seen; l++)
            seen = reads_others(&run->layers[l]) && strcmp(run->layers[l].stage, run->layers[first].stage) == 0;
        if (seen) continue;
        int count = 0;
        for (int l = first; l < run->layer_count; l++)
            if (reads_others(&run->layers[l]) && strcmp(run->layers[l].stage, run->layers[first].stage) == 0)
                state->cells[count++] = count_turning(state, w, l);
        ps_stats_two_way_add(&state->cascade, state->cells, count);
        if (state->in.tables != NULL) PS_TRY(keep_cells(state, w, count));
    }
    return PS_OK;
}

/* W3's difference as a sum: of each layer and window what layers and windows leave of "after deaths upstream", times
 * its nodes that turn inert, over the square of that times its nodes. */
static void write_cascade_terms(hypotheses_state *state) {
    const ps_run *run = state->in.run;
    for (size_t i = 0; i < state->kept_count; i += (size_t)state->kept[i].size) {
        const kept_cell *kept = &state->kept[i];
        for (int k = 0; k < kept->size; k++) state->cells[k] = kept[k].cell;
        ps_stats_two_way_residuals(&state->cascade, state->cells, kept->size, state->scratch);
        for (int k = 0; k < kept->size; k++) {
            const ps_stats_cell *cell = &kept[k].cell;
            double left = state->scratch[k];
            ps_metric_term(&state->in, (ps_term){"cascade_difference", &run->layers[cell->group],
                                                 run->windows[kept->window].window, run->windows[kept->window].first,
                                                 left * cell->positive, left * left * cell->members, kept[k].line});
        }
    }
}

/* What the counters have grown by since `before`, as terms of this layer and window. */
static void write_terms(const hypotheses_state *state, const hypotheses_state *before, const ps_frame *frame, int l) {
    const ps_run *run = state->in.run;
    const ps_term terms[] = {
        {.measure = "dead_gradient_steps",
         .weight = state->w1_steps - before->w1_steps,
         .amount = state->w1_steps - before->w1_steps - (state->w1_zero - before->w1_zero)},
        {.measure = "dead_moving_share",
         .weight = state->judged - before->judged,
         .amount = state->moving - before->moving},
        {.measure = "dead_outgoing_still",
         .weight = state->out_judged - before->out_judged,
         .amount = state->out_still - before->out_still},
        {.measure = "reopened_outgoing_moving",
         .weight = state->reopened_judged - before->reopened_judged,
         .amount = state->reopened_moving - before->reopened_moving},
        {.measure = "gradient_reopening",
         .weight = state->p9_weight - before->p9_weight,
         .amount = state->p9_sum - before->p9_sum},
    };
    for (size_t t = 0; t < sizeof terms / sizeof *terms; t++) {
        ps_term term = terms[t];
        term.layer = &run->layers[l];
        term.window = run->windows[frame->index].window;
        term.step = run->windows[frame->index].first;
        term.line = frame->line[l];
        ps_metric_term(&state->in, term);
    }
}

static ps_status take(void *context, const ps_frame *frame) {
    hypotheses_state *state = context;
    const ps_run *run = state->in.run;
    /* Other thresholds of mobility leave W2, W4, W5 and P9 as they are. */
    bool rests_on_nodes = (state->in.asked & (PS_RESTS_DEATH | PS_RESTS_WINDOWS | PS_RESTS_NEAR)) != 0;
    if (frame->is_window && !ps_run_counts(run, &run->windows[frame->index])) return PS_OK;
    if (state->line == 0 && frame->is_window && run->layer_count > 0) state->line = frame->line[0];
    for (int l = 0; l < run->layer_count; l++) {
        const ps_trace_layer *layer = &run->layers[l];
        if (layer->shared) continue;
        if (state->first_line[l] == 0) state->first_line[l] = frame->line[l];
        hypotheses_state before = *state;
        if (!frame->is_window) {
            note_sparsity(state, frame, l);
            state->probe_line[frame->index * run->layer_count + l] = frame->line[l];
            continue;
        }
        if (rests_on_nodes) note_drift(state, frame, l);
        if (rests_on_nodes) count_reopening(state, frame, l);
        for (int node = layer->first_node; node < layer->first_node + layer->channels; node++) {
            ps_mobility mobility = ps_mobility_of(run, frame, node);
            count_dead(state, frame, node, mobility);
            count_outgoing(state, frame, node);
            state->mobility[frame->index % (AHEAD + 1)][node] = (unsigned char)mobility;
        }
        state->window_line[frame->index % (AHEAD + 1)][l] = frame->line[l];
        write_terms(state, &before, frame, l);
    }
    if (!frame->is_window) return PS_OK;
    PS_TRY(count_cascade(state, frame->index - AHEAD));
    if (rests_on_nodes) keep_gradient(state, frame);
    return PS_OK;
}

/* W2: share that has moved towards life at the next probe, dead against near-dead nodes of the same layer (dead to
 * near-dead or alive, near-dead to alive); Mantel-Haenszel weights over layers and probes. */
static ps_status set_leaving(const hypotheses_state *state) {
    const ps_run *run = state->in.run;
    double weights = 0, sum = 0, cases = 0;
    for (int p = 1; p < run->probe_count; p++)
        for (int l = 0; l < run->layer_count; l++) {
            const ps_trace_layer *layer = &run->layers[l];
            double dead = 0, near = 0, dead_left = 0, near_left = 0;
            for (int node = layer->first_node; !layer->shared && node < layer->first_node + layer->channels; node++) {
                unsigned from = ps_run_standing(run, p - 1, node), to = ps_run_standing(run, p, node);
                if (!ps_state_known(from) || !ps_state_known(to)) continue;
                dead += ps_state_dead(from);
                near += ps_state_near(from);
                dead_left += ps_state_dead(from) && !ps_state_dead(to);
                near_left += ps_state_near(from) && ps_state_alive(to);
            }
            if (dead == 0 || near == 0) continue;
            double weight = dead * near / (dead + near);
            ps_metric_term(&state->in, (ps_term){"leave_difference", layer, -1, run->probes[p].step,
                                                 weight * (dead_left / dead - near_left / near), weight,
                                                 state->probe_line[(p - 1) * run->layer_count + l]});
            weights += weight;
            sum += weight * (dead_left / dead - near_left / near);
            cases += dead + near;
        }
    return ps_summary_set(state->in.summary, "leave_difference", weights > 0 ? sum / weights : ps_absent(), cases,
                          state->line);
}

/* Deaths and changes of log l2/l1 between neighbouring probes: [layer][interval]. */
typedef struct {
    double *change, *deaths, *at, *lead;
    int *layer; /* of each row */
    int rows;
} lead_panel;

static void clear_panel(lead_panel *panel) {
    ps_free(panel->change);
    ps_free(panel->deaths);
    ps_free(panel->at);
    ps_free(panel->lead);
    ps_free(panel->layer);
}

static ps_status init_panel(const ps_run *run, lead_panel *panel) {
    size_t layers = (size_t)run->layer_count, probes = (size_t)run->probe_count;
    memset(panel, 0, sizeof *panel);
    PS_TRY(PS_ALLOC(cells(probes, layers), &panel->change, "changes of l2/l1"));
    PS_TRY(PS_ALLOC(cells(probes, layers), &panel->deaths, "deaths"));
    PS_TRY(PS_ALLOC(probes + 1, &panel->at, "times of probes"));
    PS_TRY(PS_ALLOC(layers + 1, &panel->lead, "leads of layers"));
    return PS_ALLOC(layers + 1, &panel->layer, "layers");
}

/* Nodes not dead at a probe and dead at the next, as a share of the layer's nodes; ps_absent() where no node could die.
 * Not of those that could: what each death adds to l2/l1 would then weigh more the later it comes, and would no longer
 * be symmetric in time. */
static double share_dying(const ps_run *run, const ps_trace_layer *layer, int probe) {
    double died = 0, at_risk = 0;
    for (int node = layer->first_node; node < layer->first_node + layer->channels; node++) {
        unsigned from = ps_run_standing(run, probe, node), to = ps_run_standing(run, probe + 1, node);
        bool risk = ps_state_known(from) && ps_state_known(to) && !ps_state_dead(from);
        at_risk += risk;
        died += risk && ps_state_dead(to);
    }
    return at_risk > 0 ? died / layer->channels : ps_absent();
}

/* The panel's next row; kept where the layer has deaths, its l2/l1 changes, and enough intervals have both. */
static void add_row(const hypotheses_state *state, int l, lead_panel *panel) {
    const ps_run *run = state->in.run;
    int intervals = run->probe_count - 1, known = 0;
    double *change = panel->change + panel->rows * intervals, *deaths = panel->deaths + panel->rows * intervals,
           died = 0, moved = 0;
    for (int p = 0; p < intervals; p++) {
        deaths[p] = share_dying(run, &run->layers[l], p);
        change[p] = log(state->sparsity[(p + 1) * run->layer_count + l] / state->sparsity[p * run->layer_count + l]);
        if (isnan(change[p]) || isnan(deaths[p])) continue;
        known++;
        died += deaths[p];
        moved += fabs(change[p]);
    }
    if (known >= PS_FIXED_LEAD_INTERVALS && died > 0 && moved > 0) panel->layer[panel->rows++] = l;
}

/* W4: within a layer over time, the change of log l2/l1 between two probes with the deaths between the next two, less
 * with those between the two before (lead_lag.h); mean over layers. The change and not the level: weights carry their
 * past along, so that levels before and after a death hardly differ. */
static ps_status set_lead(const hypotheses_state *state) {
    const ps_run *run = state->in.run;
    lead_panel panel;
    double sum = 0, layers = 0;
    ps_status status = init_panel(run, &panel);
    for (int p = 0; status == PS_OK && p + 1 < run->probe_count; p++) panel.at[p] = (double)run->probes[p].step;
    for (int l = 0; status == PS_OK && run->probe_count > 0 && l < run->layer_count; l++)
        if (!run->layers[l].shared) add_row(state, l, &panel);
    bool enough = panel.rows >= PS_FIXED_LEAD_LAYERS;
    if (status == PS_OK && enough)
        status = ps_stats_lead_lag(panel.change, panel.deaths, panel.at, panel.rows, run->probe_count - 1, panel.lead);
    for (int r = 0; status == PS_OK && enough && r < panel.rows; r++) {
        int l = panel.layer[r];
        if (ps_is_absent(panel.lead[r])) continue;
        ps_metric_term(&state->in,
                       (ps_term){"sparsity_lead", &run->layers[l], -1, -1, panel.lead[r], 1, state->first_line[l]});
        sum += panel.lead[r];
        layers++;
    }
    clear_panel(&panel);
    PS_TRY(status);
    return ps_summary_set(state->in.summary, "sparsity_lead", layers > 0 ? sum / layers : ps_absent(), layers,
                          state->line);
}

/* Mean over layers of (late - early) of near-dead nodes less that of alive ones; early and late are the first and last
 * third of the windows that have nodes of both kinds. */
static ps_status set_slowing(const hypotheses_state *state) {
    const ps_run *run = state->in.run;
    double sum = 0, layers = 0;
    for (int l = 0; l < run->layer_count; l++) {
        int both = 0, seen = 0;
        double late = 0, late_count = 0, early = 0, early_count = 0;
        for (int pass = 0; pass < 2; pass++)
            for (int w = 0; w < run->window_count; w++) {
                double near = state->drift[0][w * run->layer_count + l],
                       alive = state->drift[1][w * run->layer_count + l];
                if (ps_is_absent(near) || ps_is_absent(alive)) continue;
                if (pass == 0) {
                    both++;
                    continue;
                }
                if (PS_FIXED_PARTS * (seen + 1) <= both) {
                    early += near - alive;
                    early_count++;
                } else if (PS_FIXED_PARTS * seen >= (PS_FIXED_PARTS - 1) * both) {
                    late += near - alive;
                    late_count++;
                }
                seen++;
            }
        if (early_count == 0 || late_count == 0) continue;
        double slowing = late / late_count - early / early_count;
        ps_metric_term(&state->in,
                       (ps_term){"near_dead_slowing", &run->layers[l], -1, -1, slowing, 1, state->first_line[l]});
        sum += slowing;
        layers++;
    }
    return ps_summary_set(state->in.summary, "near_dead_slowing", layers > 0 ? sum / layers : ps_absent(), layers,
                          state->line);
}

static ps_status end(void *context) {
    hypotheses_state *state = context;
    ps_summary *summary = state->in.summary;
    double nonzero = ps_ratio(state->w1_steps - state->w1_zero, state->w1_steps);
    PS_TRY(ps_summary_set(summary, "dead_gradient_steps", nonzero, state->w1_steps, state->line));
    PS_TRY(ps_summary_set(summary, "dead_moving_share", ps_ratio(state->moving, state->judged), state->judged,
                          state->line));
    PS_TRY(ps_summary_set(summary, "dead_outgoing_still", ps_ratio(state->out_still, state->out_judged),
                          state->out_judged, state->line));
    PS_TRY(ps_summary_set(summary, "reopened_outgoing_moving", ps_ratio(state->reopened_moving, state->reopened_judged),
                          state->reopened_judged, state->line));
    PS_TRY(ps_summary_set(summary, "gradient_reopening", ps_ratio(state->p9_sum, state->p9_weight), state->p9_cases,
                          state->line));
    double cases = state->cascade.members, cascade = ps_stats_two_way_effect(&state->cascade);
    PS_TRY(ps_summary_set(summary, "cascade_difference", cascade, cases, state->line));
    if (!ps_is_absent(cascade)) write_cascade_terms(state);
    if ((state->in.asked & (PS_RESTS_DEATH | PS_RESTS_WINDOWS | PS_RESTS_NEAR)) == 0) return PS_OK;
    PS_TRY(set_leaving(state));
    PS_TRY(set_lead(state));
    return set_slowing(state);
}

const ps_metric ps_metric_hypotheses = {
    "hypotheses",
    begin,
    take,
    NULL,
    end,
    destroy,
    PS_RESTS_DEATH | PS_RESTS_MOBILITY | PS_RESTS_WINDOWS | PS_RESTS_STAYING | PS_RESTS_LEAVING | PS_RESTS_NEAR};
