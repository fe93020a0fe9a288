#include "analysis/causes.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

const char *ps_cause_name(ps_cause cause) {
    static const char *const names[PS_CAUSE_COUNT] = {
        "none",   "zero_incoming", "inputs_dead", "gamma_zero",  "norm_shift", "negative_bias", "negative_input",
        "silent", "zero_outgoing", "no_gradient", "layer_inert", "decay",      "small_gradient"};
    return names[cause];
}

const char *ps_condition_name(ps_condition condition) {
    static const char *const names[] = {"none", "dead", "constant", "unused", "inert"};
    return names[condition];
}

/* Rules 1 to 3: the output cannot depend on the input. Comparisons with a missing value (a NaN) are false. */
static ps_cause structural(const ps_cause_evidence *e) {
    if (e->weight_l2 == 0) return PS_CAUSE_ZERO_INCOMING;
    if (e->inputs_alive == 0) return PS_CAUSE_INPUTS_DEAD;
    if (e->gamma == 0) return PS_CAUSE_GAMMA_ZERO;
    return PS_CAUSE_NONE;
}

static ps_cause silence(const ps_cause_evidence *e) {
    if (e->shared) return PS_CAUSE_SILENT;
    if (e->has_norm) return ps_is_absent(e->gamma) || !(e->beta < 0) ? PS_CAUSE_SILENT : PS_CAUSE_NORM_SHIFT;
    if (ps_is_absent(e->pre_max)) return e->bias < 0 ? PS_CAUSE_NEGATIVE_BIAS : PS_CAUSE_SILENT;
    double bias = ps_is_absent(e->bias) ? 0 : e->bias, input_max = e->pre_max - bias;
    return bias < 0 && (input_max > 0 || bias <= input_max) ? PS_CAUSE_NEGATIVE_BIAS : PS_CAUSE_NEGATIVE_INPUT;
}

static ps_cause inertia(const ps_cause_evidence *e) {
    if (e->grad_zero_share == 1) return PS_CAUSE_NO_GRADIENT;
    if (e->layer_path_median < ps_inert_primary.below) return PS_CAUSE_LAYER_INERT;
    if (e->path_decay > e->path_gradient) return PS_CAUSE_DECAY;
    return PS_CAUSE_SMALL_GRADIENT;
}

ps_cause ps_cause_of(const ps_cause_evidence *evidence, ps_condition *condition) {
    ps_cause cause = evidence->shared ? PS_CAUSE_NONE : structural(evidence);
    if (ps_state_dead(evidence->state)) {
        *condition = PS_CONDITION_DEAD;
        return cause != PS_CAUSE_NONE ? cause : silence(evidence);
    }
    *condition = PS_CONDITION_CONSTANT;
    if (cause != PS_CAUSE_NONE) return cause;
    *condition = PS_CONDITION_UNUSED;
    if (evidence->out_l2 == 0) return PS_CAUSE_ZERO_OUTGOING;
    *condition = PS_CONDITION_INERT;
    if (evidence->mobility == PS_MOBILITY_INERT) return inertia(evidence);
    *condition = PS_CONDITION_NONE;
    return PS_CAUSE_NONE;
}

static void append(char *text, size_t size, const char *name, double value) {
    size_t used = strlen(text);
    if (!ps_is_absent(value)) snprintf(text + used, size - used, "%s%s=%.6g", used > 0 ? " " : "", name, value);
}

void ps_cause_explain(const ps_cause_evidence *e, ps_cause cause, char *text, size_t size) {
    text[0] = '\0';
    switch (cause) {
        case PS_CAUSE_ZERO_INCOMING:
            append(text, size, "weight_l2", e->weight_l2);
            break;
        case PS_CAUSE_INPUTS_DEAD:
            append(text, size, "inputs_alive", e->inputs_alive);
            break;
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
        case PS_CAUSE_SILENT:
            append(text, size, "pre_max", e->pre_max);
            break;
        case PS_CAUSE_ZERO_OUTGOING:
            append(text, size, "out_l2", e->out_l2);
            break;
        case PS_CAUSE_NONE:
        case PS_CAUSE_COUNT:
            break;
        default:
            append(text, size, "path_gradient", e->path_gradient);
            append(text, size, "path_decay", e->path_decay);
            append(text, size, "grad_zero_share", e->grad_zero_share);
            append(text, size, "layer_median", e->layer_path_median);
    }
}
