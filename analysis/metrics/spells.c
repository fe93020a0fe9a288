/* Spells of deadness of private nodes: from the first probe that sees a node dead to the probe that sees it otherwise.
 * Spells present at the first probe are marked: how long they had lasted is not known. What lasts at the last probe is
 * censored. Probes that see a node on the edge neither begin nor end a spell or a life. */
#include "analysis/metric.h"
#include "core/memory.h"

#include <stdio.h>

static ps_status make_room_for_lines(const ps_run *run, ps_summary *summary) {
    size_t probes = (size_t)run->probe_count, layers = (size_t)run->layer_count;
    PS_TRY(PS_ALLOC(probes + 1, &summary->probe_steps, "steps of probes"));
    PS_TRY(PS_ALLOC(probes * layers + 1, &summary->probe_lines, "lines of probes"));
    for (size_t p = 0; p < probes; p++) summary->probe_steps[p] = run->probes[p].step;
    summary->probe_count = run->probe_count;
    summary->layer_count = run->layer_count;
    return PS_OK;
}

static ps_status begin(const ps_metric_input *input, void **out) {
    ps_metric_input *state;
    PS_TRY(PS_ALLOC(1, &state, "spells metric"));
    *state = *input;
    *out = state;
    return input->tables != NULL ? make_room_for_lines(input->run, input->summary) : PS_OK;
}

/* Where each probe stands in the trace. */
static ps_status take_lines(void *context, const ps_frame *frame) {
    const ps_metric_input *in = context;
    size_t layers = (size_t)in->run->layer_count;
    if (frame->is_window || in->tables == NULL) return PS_OK;
    for (size_t l = 0; l < layers; l++) in->summary->probe_lines[(size_t)frame->index * layers + l] = frame->line[l];
    return PS_OK;
}

/* A line number for a table, NA where there is none. */
static double line_at(const ps_summary *summary, long long step, int layer) {
    uint64_t line = ps_summary_probe_line(summary, step, layer);
    return line > 0 ? (double)line : ps_absent();
}

static ps_status add_spell(const ps_metric_input *in, ps_summary_spell spell) {
    const ps_run *run = in->run;
    const ps_trace_layer *layer = &run->layers[spell.layer];
    ps_summary *summary = in->summary;
    if (in->tables == NULL && !spell.at_start) return PS_OK; /* a variation asks for the cohorts alone */
    PS_TRY(PS_GROW(&summary->spells, &summary->spell_capacity, summary->spell_count + 1, "spells"));
    summary->spells[summary->spell_count++] = spell;
    char node[256];
    snprintf(node, sizeof node, "%s:%d", layer->name, spell.channel);
    ps_tables_row(in->tables, PS_TABLE_spells, "slsiisdddsidd", run->arm, run->header->seed, layer->name,
                  layer->position, spell.channel, node, (double)spell.start, (double)spell.end,
                  (double)(spell.end - spell.start), spell.revived ? "revived" : "censored", (int)spell.at_start,
                  line_at(summary, spell.start, spell.layer), line_at(summary, spell.end, spell.layer));
    return PS_OK;
}

static ps_status take_node(const ps_metric_input *in, int node) {
    const ps_run *run = in->run;
    int l = run->node_layer[node], since = -1, previous = -1;
    bool at_start = false;
    for (int p = 0; p < run->probe_count; p++) {
        unsigned state = ps_run_node_state(run, p, node);
        if (!ps_state_known(state)) continue;
        if (ps_state_dead(state) && since < 0) {
            since = p;
            at_start = previous < 0;
        } else if (!ps_state_dead(state) && since >= 0) {
            ps_summary_spell spell = {
                l,       node - run->layers[l].first_node, node, run->probes[since].step, run->probes[p].step, true,
                at_start};
            PS_TRY(add_spell(in, spell));
            since = -1;
        }
        previous = p;
    }
    /* A spell first seen at the very last probe has no length yet and says nothing. */
    if (since < 0 || previous <= since) return PS_OK;
    ps_summary_spell spell = {
        l,       node - run->layers[l].first_node, node, run->probes[since].step, run->probes[previous].step, false,
        at_start};
    return add_spell(in, spell);
}

static ps_status add_member(const ps_metric_input *in, const ps_summary_cohort *member) {
    ps_summary *summary = in->summary;
    for (size_t i = summary->alive_count; in->tables == NULL && i > 0 && summary->alive[i - 1].layer == member->layer;
         i--) {
        ps_summary_cohort *known = &summary->alive[i - 1];
        if (known->end != member->end || known->died != member->died) continue;
        known->nodes++;
        summary->alive_of[member->node] = (int)(i - 1);
        return PS_OK;
    }
    PS_TRY(PS_GROW(&summary->alive, &summary->alive_capacity, summary->alive_count + 1, "cohort of alive nodes"));
    if (in->tables == NULL) summary->alive_of[member->node] = (int)summary->alive_count;
    summary->alive[summary->alive_count++] = *member;
    return PS_OK;
}

/* Nodes that are counted together, under a variation, keep the way to their entry: a pair leaves out those that its
 * other run saw on the edge. */
static ps_status begin_cohort(const ps_metric_input *in) {
    if (in->tables != NULL) return PS_OK;
    PS_TRY(PS_ALLOC((size_t)in->run->node_count + 1, &in->summary->alive_of, "cohort of alive nodes"));
    for (int node = 0; node < in->run->node_count; node++) in->summary->alive_of[node] = -1;
    return PS_OK;
}

static ps_status take_cohort(const ps_metric_input *in, int start, int node) {
    const ps_run *run = in->run;
    int l = run->node_layer[node];
    unsigned first = ps_run_node_state(run, start, node);
    bool near = run->population == PS_POPULATION_NEAR_DEAD_COHORT;
    if (!(near ? ps_state_near(first) : ps_state_alive(first))) return PS_OK;
    ps_summary_cohort member = {l, node - run->layers[l].first_node, node, 0, false, 1};
    for (int p = start + 1; p < run->probe_count && !member.died; p++) {
        unsigned state = ps_run_node_state(run, p, node);
        if (!ps_state_known(state)) continue;
        member.end = run->probes[p].step - run->probes[start].step;
        member.died = ps_state_dead(state);
    }
    return member.end > 0 ? add_member(in, &member) : PS_OK;
}

static ps_status end(void *context) {
    const ps_metric_input *in = context;
    int start = ps_run_first_known(in->run);
    PS_TRY(begin_cohort(in));
    if (start >= 0) in->summary->start_step = in->run->probes[start].step;
    for (int l = 0; l < in->run->layer_count; l++) {
        const ps_trace_layer *layer = &in->run->layers[l];
        if (layer->shared) continue;
        PS_TRY(ps_collect_name(in->collector, PS_TABLE_survival, l, layer->position, layer->name, layer->stage, NULL));
    }
    for (int node = 0; node < in->run->node_count; node++) {
        if (in->run->layers[in->run->node_layer[node]].shared) continue;
        bool in_cohort = start >= 0 && ps_state_dead(ps_run_node_state(in->run, start, node));
        if (in->tables != NULL || in_cohort) PS_TRY(take_node(in, node));
        if (start >= 0) PS_TRY(take_cohort(in, start, node));
    }
    return PS_OK;
}

const ps_metric ps_metric_spells = {"spells",
                                    begin,
                                    take_lines,
                                    NULL,
                                    end,
                                    ps_free,
                                    PS_RESTS_DEATH | PS_RESTS_WINDOWS | PS_RESTS_COHORT | PS_RESTS_NEAR};
