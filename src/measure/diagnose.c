#include "measure/diagnose.h"

#include <math.h>
#include <string.h>

#include "core/memory.h"
#include "trace/node_state.h"
#include "trace/trace_schema.h"

/* What the rules of causes.h look at, and where it goes. */
typedef struct {
    const char *quantity;
    size_t offset; /* in ps_cause_evidence */
} source_of_evidence;

#define EVIDENCE(name) {#name, offsetof(ps_cause_evidence, name)}
static const source_of_evidence sources[] = {
    EVIDENCE(weight_l2), EVIDENCE(bias),        EVIDENCE(gamma),        EVIDENCE(beta),     EVIDENCE(out_l2),
    EVIDENCE(pre_max),   EVIDENCE(pre_max_low), EVIDENCE(pre_max_high), EVIDENCE(mean_abs), EVIDENCE(image_spread),
    EVIDENCE(saturated), EVIDENCE(at_ceiling),  EVIDENCE(head_share)};
#undef EVIDENCE
enum { SOURCES = sizeof sources / sizeof *sources };
static const char *const recorded =
    "nonzero,nonzero_eval,images_active,in_alive,weight_l2,bias,gamma,beta,out_l2,pre_max,pre_max_low,pre_max_high,"
    "mean_abs,image_spread,saturated,at_ceiling,head_share";

static ps_cause_evidence unknown(const ps_unit *unit) {
    double none = ps_absent();
    return (ps_cause_evidence){.shared = unit->shared,
                               .has_norm = unit->norm_op >= 0 || unit->gain_op >= 0,
                               .never_dies = !unit->rectifies && !unit->heads,
                               .saturated = none,
                               .at_ceiling = none,
                               .ceiling = (double)unit->ceiling,
                               .heads = unit->heads,
                               .head_share = none,
                               .weight_l2 = none,
                               .bias = none,
                               .gamma = none,
                               .beta = none,
                               .out_l2 = none,
                               .pre_max = none,
                               .pre_max_low = none,
                               .pre_max_high = none,
                               .nonzero_eval = none,
                               .running_mean = none,
                               .running_var = none,
                               .mean_abs = none,
                               .image_spread = none,
                               .images_active = none,
                               .images_active_eval = none,
                               .inputs_alive = none,
                               .mobility = PS_MOBILITY_UNKNOWN,
                               .grad_zero_share = none,
                               .path_gradient = none,
                               .path_decay = none,
                               .weight_start_l2 = none,
                               .layer_path_median = none};
}

static unsigned state_of(double nonzero, const ps_cause_evidence *e) {
    ps_node_state state = ps_node_state_of(nonzero, e->pre_max_low, e->pre_max_high);
    return state == PS_NODE_EDGE ? PS_STATE_EDGE : PS_STATE_KNOWN | (state == PS_NODE_DEAD ? PS_STATE_DEAD : 0u);
}

static void fill(const ps_probe *probe, int layer, int channels, bool tells_dead, ps_diagnosed_node *node,
                 double *value) {
    for (int i = 0; i < SOURCES; i++) {
        if (!ps_probe_read(probe, sources[i].quantity, layer, value)) continue;
        for (int c = 0; c < channels; c++)
            memcpy((char *)&node[c].evidence + sources[i].offset, &value[c], sizeof *value);
    }
    if (ps_probe_read(probe, "in_alive", layer, value))
        for (int c = 0; c < channels; c++) node[c].evidence.inputs_alive = value[0];
    if (ps_probe_read(probe, "images_active", layer, value))
        for (int c = 0; c < channels; c++) node[c].images_active = node[c].evidence.images_active = value[c];
    if (tells_dead && ps_probe_read(probe, "nonzero", layer, value))
        for (int c = 0; c < channels; c++) node[c].evidence.state = state_of(value[c], &node[c].evidence);
    if (tells_dead && ps_probe_read(probe, "nonzero_eval", layer, value))
        for (int c = 0; c < channels; c++) {
            node[c].evidence.nonzero_eval = value[c];
            if (isnan(value[c])) continue;
            node[c].evidence.state |= PS_STATE_EVAL_KNOWN | (value[c] == 0 ? PS_STATE_EVAL_DEAD : 0u);
            node[c].evidence.images_active_eval = value[c] == 0 ? 0 : ps_absent();
        }
}

static void fill_statistics(ps_net *net, const ps_unit *unit, ps_diagnosed_node *node) {
    static const char *const suffixes[] = {"running_mean", "running_var"};
    for (int i = 0; unit->norm_op >= 0 && i < 2; i++) {
        int param = ps_net_op_param(net, unit->norm_op, suffixes[i]);
        for (int c = 0; param >= 0 && c < unit->channels; c++) {
            ps_cause_evidence *e = &node[c].evidence;
            *(i == 0 ? &e->running_mean : &e->running_var) = (double)ps_net_param(net, param)->value[c];
        }
    }
}

/* Of a source that reads one gate in groups: a node's inputs are those of its own group alone. The gate's nodes, which
 * come before, were judged. */
static void fill_groups(const ps_units *units, int layer, ps_diagnosed_node *node) {
    const ps_unit *unit = &units->unit[layer];
    const ps_unit_feed *feed = unit->feed;
    bool alone = unit->groups > 1 && unit->feeds == 1 && feed->unit >= 0 && feed->dead != PS_CHANNEL_OPEN;
    if (!alone || feed->channels != units->unit[feed->unit].channels) return;
    const ps_diagnosed_node *input = node;
    for (int u = feed->unit; u < layer; u++) input -= units->unit[u].channels;
    int size = feed->channels / unit->groups, own = unit->channels / unit->groups;
    for (int c = 0; c < unit->channels; c++) {
        double alive = 0;
        for (int i = 0; i < size; i++) alive += !ps_state_dead(input[c / own * size + i].evidence.state);
        node[c].evidence.inputs_alive = alive;
    }
}

static void judge_layer(ps_net *net, const ps_probe *probe, int layer, ps_diagnosed_node *node, double *value) {
    const ps_unit *unit = &ps_net_units(net)->unit[layer];
    for (int c = 0; c < unit->channels; c++)
        node[c] = (ps_diagnosed_node){
            .layer = unit->name, .channel = c, .images_active = ps_absent(), .evidence = unknown(unit)};
    fill(probe, layer, unit->channels, unit->tells_dead, node, value);
    fill_groups(ps_net_units(net), layer, node);
    fill_statistics(net, unit, node);
    for (int c = 0; unit->heads && c < unit->channels; c++)
        node[c].evidence.state = ps_cause_head_state(&node[c].evidence);
    for (int c = 0; c < unit->channels; c++) node[c].cause = ps_cause_of(&node[c].evidence, &node[c].condition);
}

ps_status ps_diagnose(ps_net *net, const ps_probe_source *source, ps_diagnosis *out) {
    const ps_units *units = ps_net_units(net);
    ps_probe_options options = {.record = recorded, .steps = 1, .window = 1, .source = *source};
    ps_probe *probe = NULL;
    double *value = NULL;
    int most = 1, at = 0;
    ps_status status;
    *out = (ps_diagnosis){NULL, 0};
    for (int u = 0; u < units->count; u++) {
        out->count += units->unit[u].channels;
        if (units->unit[u].channels > most) most = units->unit[u].channels;
    }
    PS_TRY_CLEANUP(PS_ALLOC((size_t)out->count + 1, &out->node, "diagnosis"));
    PS_TRY_CLEANUP(PS_ALLOC((size_t)most, &value, "diagnosis"));
    PS_TRY_CLEANUP(ps_probe_create(net, NULL, &options, &probe));
    PS_TRY_CLEANUP(ps_probe_measure(probe));
    for (int u = 0; u < units->count; at += units->unit[u++].channels)
        judge_layer(net, probe, u, out->node + at, value);
cleanup:
    ps_probe_destroy(probe);
    ps_free(value);
    if (status != PS_OK) ps_diagnosis_clear(out);
    return status;
}

void ps_diagnosis_clear(ps_diagnosis *diagnosis) {
    ps_free(diagnosis->node);
    *diagnosis = (ps_diagnosis){NULL, 0};
}

int ps_diagnosis_count(const ps_diagnosis *diagnosis, ps_condition condition) {
    int count = 0;
    for (int i = 0; i < diagnosis->count; i++) count += diagnosis->node[i].condition == condition;
    return count;
}
