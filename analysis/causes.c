#include "analysis/causes.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

const char *ps_cause_name(ps_cause cause) {
    static const char *const names[PS_CAUSE_COUNT] = {
        "none",   "zero_incoming", "inputs_dead", "gamma_zero",  "norm_shift", "negative_bias",  "negative_input",
        "silent", "zero_outgoing", "no_gradient", "layer_inert", "decay",      "small_gradient", "unknown"};
    return names[cause];
}

const char *ps_condition_name(ps_condition condition) {
    static const char *const names[] = {"none", "dead", "constant", "unused", "inert"};
    return names[condition];
}

/* Comparisons with a missing value (a NaN) are false. */
typedef struct {
    ps_cause cause;
    bool holds;
    unsigned needs; /* PS_LACKS_... */
} rule;

/* The first rule that holds, PS_CAUSE_NONE: none does. *open: what the rules so far, also those asked before, needed
 * and the trace lacks. */
static ps_cause first_of(const ps_cause_evidence *e, const rule *rules, size_t count, unsigned *open) {
    for (size_t i = 0; i < count; i++) {
        *open |= rules[i].needs & e->lacks;
        if (rules[i].holds) return *open != 0 ? PS_CAUSE_UNKNOWN : rules[i].cause;
    }
    return PS_CAUSE_NONE;
}
#define FIRST_OF(e, rules, open) first_of((e), (rules), sizeof(rules) / sizeof *(rules), (open))

/* Rules 1 to 3: the output cannot depend on the input. */
static ps_cause structural(const ps_cause_evidence *e, unsigned *open) {
    const rule rules[] = {{PS_CAUSE_ZERO_INCOMING, e->weight_l2 == 0, PS_LACKS_WEIGHT_L2},
                          {PS_CAUSE_INPUTS_DEAD, e->inputs_alive == 0, PS_LACKS_INPUTS},
                          {PS_CAUSE_GAMMA_ZERO, e->gamma == 0, PS_LACKS_GAMMA}};
    return FIRST_OF(e, rules, open);
}

/* The largest value that entered the gate would not be below 0 without the shift, but for what rounding leaves of
 * it. */
static bool shift_suffices(const ps_cause_evidence *e) {
    return ps_is_absent(e->pre_max) || e->pre_max - e->beta >= -1e-3 * fabs(e->beta);
}

static ps_cause silence(const ps_cause_evidence *e, unsigned *open) {
    bool known = !ps_is_absent(e->pre_max);
    double bias = ps_is_absent(e->bias) ? 0 : e->bias, input_max = e->pre_max - bias;
    bool pushes = known && bias < 0 && (input_max > 0 || bias <= input_max);
    const rule normalised[] = {
        {PS_CAUSE_NORM_SHIFT, !ps_is_absent(e->gamma) && e->beta < 0 && shift_suffices(e), PS_LACKS_BETA},
        {PS_CAUSE_SILENT, true, 0}};
    const rule plain[] = {{PS_CAUSE_NEGATIVE_BIAS, pushes, PS_LACKS_BIAS | PS_LACKS_PRE_MAX},
                          {PS_CAUSE_NEGATIVE_INPUT, known, PS_LACKS_PRE_MAX},
                          {PS_CAUSE_SILENT, true, 0}};
    return e->has_norm ? FIRST_OF(e, normalised, open) : FIRST_OF(e, plain, open);
}

static ps_cause inertia(const ps_cause_evidence *e, unsigned *open) {
    const rule rules[] = {{PS_CAUSE_NO_GRADIENT, e->grad_zero_share == 1, PS_LACKS_GRAD_ZERO},
                          {PS_CAUSE_LAYER_INERT, e->layer_path_median < ps_inert_primary.below, 0},
                          {PS_CAUSE_DECAY, e->path_decay > e->path_gradient, PS_LACKS_PATH_DECAY},
                          {PS_CAUSE_SMALL_GRADIENT, true, 0}};
    return FIRST_OF(e, rules, open);
}

ps_cause ps_cause_of(const ps_cause_evidence *evidence, ps_condition *condition) {
    unsigned open = 0;
    ps_cause cause = evidence->shared ? PS_CAUSE_NONE : structural(evidence, &open);
    if (ps_state_dead(evidence->state)) {
        *condition = PS_CONDITION_DEAD;
        if (evidence->shared) return PS_CAUSE_SILENT;
        return cause != PS_CAUSE_NONE ? cause : silence(evidence, &open);
    }
    *condition = PS_CONDITION_CONSTANT;
    if (cause != PS_CAUSE_NONE) return cause;
    const rule unread[] = {{PS_CAUSE_ZERO_OUTGOING, evidence->out_l2 == 0, PS_LACKS_OUT_L2}};
    *condition = PS_CONDITION_UNUSED;
    if ((cause = FIRST_OF(evidence, unread, &open)) != PS_CAUSE_NONE) return cause;
    *condition = PS_CONDITION_INERT;
    if (evidence->mobility == PS_MOBILITY_INERT) return inertia(evidence, &open);
    *condition = PS_CONDITION_NONE;
    return PS_CAUSE_NONE;
}

static void append(char *text, size_t size, const char *name, double value) {
    size_t used = strlen(text);
    if (!ps_is_absent(value)) snprintf(text + used, size - used, "%s%s=%.6g", used > 0 ? " " : "", name, value);
}

/* Those of them that rules for such a node ask for. */
static void name_missing(const ps_cause_evidence *e, char *text, size_t size) {
    static const char *const names[] = {"weight_l2", "in_alive", "gamma",           "beta",      "bias",
                                        "pre_max",   "out_l2",   "grad_zero_steps", "path_decay"};
    const unsigned of_dead = 2 * PS_LACKS_PRE_MAX - 1,
                   of_others = ~(unsigned)(PS_LACKS_BETA | PS_LACKS_BIAS | PS_LACKS_PRE_MAX);
    unsigned missing = e->lacks & (ps_state_dead(e->state) ? of_dead : of_others);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        size_t used = strlen(text);
        if ((missing >> i & 1u) != 0)
            snprintf(text + used, size - used, "%s%s", used > 0 ? "," : "not_recorded=", names[i]);
    }
}

void ps_cause_explain(const ps_cause_evidence *e, ps_cause cause, char *text, size_t size) {
    text[0] = '\0';
    switch (cause) {
        case PS_CAUSE_ZERO_INCOMING: append(text, size, "weight_l2", e->weight_l2); break;
        case PS_CAUSE_INPUTS_DEAD: append(text, size, "inputs_alive", e->inputs_alive); break;
        case PS_CAUSE_GAMMA_ZERO:
        case PS_CAUSE_NORM_SHIFT:
            append(text, size, "gamma", e->gamma);
            append(text, size, "beta", e->beta);
            append(text, size, "beta_over_gamma",
                   e->gamma != 0 && !ps_is_absent(e->beta) ? e->beta / fabs(e->gamma) : ps_absent());
            break;
        case PS_CAUSE_NEGATIVE_BIAS:
        case PS_CAUSE_NEGATIVE_INPUT:
            append(text, size, "pre_max", e->pre_max);
            append(text, size, "bias", e->bias);
            break;
        case PS_CAUSE_SILENT: append(text, size, "pre_max", e->pre_max); break;
        case PS_CAUSE_ZERO_OUTGOING: append(text, size, "out_l2", e->out_l2); break;
        case PS_CAUSE_UNKNOWN: name_missing(e, text, size); break;
        case PS_CAUSE_NONE:
        case PS_CAUSE_COUNT: break;
        default:
            append(text, size, "path_gradient", e->path_gradient);
            append(text, size, "path_decay", e->path_decay);
            append(text, size, "grad_zero_share", e->grad_zero_share);
            append(text, size, "layer_median", e->layer_path_median);
    }
}
