#include "analysis/causes.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/text.h"

typedef struct {
    const char *name, *nodes, *evidence, *rule, *remedy;
} cause_text;

static const cause_text causes[PS_CAUSE_COUNT] = {
#define PS_CAUSE(id, name, nodes, evidence, rule, remedy) {name, nodes, evidence, rule, remedy},
#include "analysis/cause_list.def"
#undef PS_CAUSE
};

const char *ps_cause_name(ps_cause cause) { return causes[cause].name; }
const char *ps_cause_rule(ps_cause cause) { return causes[cause].rule; }
const char *ps_cause_remedy(ps_cause cause) { return causes[cause].remedy; }
const char *ps_cause_nodes(ps_cause cause) { return causes[cause].nodes; }
const char *ps_cause_evidence_names(ps_cause cause) { return causes[cause].evidence; }

typedef enum { IN_TRAINING, AT_REST } shows;
static const struct {
    const char *name, *text;
    shows shows;
} conditions[PS_CONDITION_COUNT] = {
#define PS_CONDITION(id, name, shows, text) {name, text, shows},
#include "analysis/condition_list.def"
#undef PS_CONDITION
};

const char *ps_condition_name(ps_condition condition) { return conditions[condition].name; }
const char *ps_condition_text(ps_condition condition) { return conditions[condition].text; }
bool ps_condition_shows_at_rest(ps_condition condition) { return conditions[condition].shows == AT_REST; }

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

static bool is_broken(double value) { return !ps_is_absent(value) && !isfinite(value); }

/* Asked before all others: comparisons with a NaN are false, so that none of them would hold. */
static ps_cause nonfinite(const ps_cause_evidence *e) {
    if (is_broken(e->weight_l2) || is_broken(e->bias) || is_broken(e->gamma) || is_broken(e->beta) ||
        is_broken(e->running_mean) || is_broken(e->running_var) || e->running_var < 0)
        return PS_CAUSE_NONFINITE_PARAMETER;
    if (is_broken(e->mean_abs) || is_broken(e->pre_max) || is_broken(e->image_spread) || is_broken(e->nonzero_eval) ||
        (e->heads && is_broken(e->head_share)))
        return PS_CAUSE_NONFINITE_OUTPUT;
    if (is_broken(e->path_gradient) || is_broken(e->path_decay) || is_broken(e->weight_start_l2))
        return PS_CAUSE_NONFINITE_UPDATE;
    return PS_CAUSE_NONE;
}

typedef enum { NOT_SAID, VARIES, CONSTANT } variation;

static variation variation_of(const ps_cause_evidence *e) {
    if (ps_is_absent(e->image_spread)) return NOT_SAID;
    if (e->image_spread == 0) return e->mean_abs == 0 ? NOT_SAID : CONSTANT; /* 0 throughout: dead, or on the edge */
    if (ps_is_absent(e->mean_abs)) return NOT_SAID;
    return e->image_spread <= PS_CONSTANT_WITHIN * e->mean_abs ? CONSTANT : VARIES;
}

/* What makes the output constant, or would without a way around (a Pool Skip hands other channels' maxima on). */
static ps_cause structural(const ps_cause_evidence *e, unsigned *open) {
    const rule rules[] = {{PS_CAUSE_ZERO_INCOMING, e->weight_l2 == 0, PS_LACKS_WEIGHT_L2},
                          {PS_CAUSE_INPUTS_DEAD, e->inputs_alive == 0, PS_LACKS_INPUTS},
                          {PS_CAUSE_GAMMA_ZERO, e->gamma == 0, PS_LACKS_GAMMA}};
    return FIRST_OF(e, rules, open);
}

/* The gain of a normalisation across channels is the channel's own though the gate is not. */
static ps_cause gain(const ps_cause_evidence *e, unsigned *open) {
    const rule rules[] = {{PS_CAUSE_GAMMA_ZERO, e->gamma == 0, PS_LACKS_GAMMA}};
    return FIRST_OF(e, rules, open);
}

/* By so much of the shift the largest value may lie below it by rounding; else the normalisation is another one. */
#define PS_SHIFT_WITHIN 1e-3

/* The largest value that entered the gate would not be below 0 without the shift. */
static bool shift_suffices(const ps_cause_evidence *e) {
    return ps_is_absent(e->pre_max) || e->pre_max - e->beta >= -PS_SHIFT_WITHIN * fabs(e->beta);
}

/* Normalised over the batch, what enters the gate has mean 0 but for the shift: a largest value that is the shift says
 * that all are. Rounding may blow constant inputs up to something, but not to a thousandth of the scale, which the
 * largest of a million values that do vary exceeds. */
static bool shift_is_all(const ps_cause_evidence *e) {
    if (ps_is_absent(e->pre_max) || ps_is_absent(e->beta)) return false;
    double above = e->pre_max - e->beta;
    if (above <= PS_CONSTANT_WITHIN * fabs(e->beta)) return above >= -PS_SHIFT_WITHIN * fabs(e->beta);
    return above > 0 && above <= PS_NOISE_WITHIN * fabs(e->gamma) && e->pre_max_low <= e->beta;
}

static ps_cause silence(const ps_cause_evidence *e, unsigned *open) {
    bool known = !ps_is_absent(e->pre_max);
    double bias = ps_is_absent(e->bias) ? 0 : e->bias, input_max = e->pre_max - bias;
    bool pushes = known && bias < 0 && (input_max > 0 || bias <= input_max);
    const rule normalised[] = {
        {PS_CAUSE_NO_VARIATION, shift_is_all(e), 0},
        {PS_CAUSE_NORM_SHIFT, !ps_is_absent(e->gamma) && e->beta < 0 && shift_suffices(e), PS_LACKS_BETA},
        {PS_CAUSE_SILENT, true, 0}};
    const rule plain[] = {{PS_CAUSE_NEGATIVE_BIAS, pushes, PS_LACKS_BIAS | PS_LACKS_PRE_MAX},
                          {PS_CAUSE_NEGATIVE_INPUT, known, PS_LACKS_PRE_MAX},
                          {PS_CAUSE_SILENT, true, 0}};
    return e->has_norm ? FIRST_OF(e, normalised, open) : FIRST_OF(e, plain, open);
}

static ps_cause loudness(const ps_cause_evidence *e, unsigned *open) {
    bool reaches = e->bias > 0 && (e->bias >= e->ceiling || e->pre_max - e->bias < e->ceiling);
    const rule normalised[] = {{PS_CAUSE_CEILING_SHIFT, e->beta > 0, PS_LACKS_BETA}, {PS_CAUSE_SILENT, true, 0}};
    const rule plain[] = {{PS_CAUSE_CEILING_BIAS, reaches, PS_LACKS_BIAS | PS_LACKS_PRE_MAX},
                          {PS_CAUSE_CEILING_INPUT, true, 0}};
    return e->has_norm ? FIRST_OF(e, normalised, open) : FIRST_OF(e, plain, open);
}

/* Of a gate that is shut, stuck or flat throughout; shared gates have nothing of their own to blame. */
static ps_cause blame(const ps_cause_evidence *e, ps_cause found, unsigned *open,
                      ps_cause (*own)(const ps_cause_evidence *e, unsigned *open)) {
    if (found != PS_CAUSE_NONE) return found;
    return e->shared || e->heads ? PS_CAUSE_SILENT : own(e, open);
}

static ps_cause inertia(const ps_cause_evidence *e, unsigned *open) {
    const rule rules[] = {{PS_CAUSE_NO_GRADIENT, e->grad_zero_share == 1, PS_LACKS_GRAD_ZERO},
                          {PS_CAUSE_LAYER_INERT, e->layer_path_median < ps_inert_primary.below, 0},
                          {PS_CAUSE_DECAY, e->path_decay > e->path_gradient, PS_LACKS_PATH_DECAY},
                          {PS_CAUSE_SMALL_GRADIENT, true, 0}};
    return FIRST_OF(e, rules, open);
}

unsigned ps_cause_head_state(const ps_cause_evidence *evidence) {
    if (!isfinite(evidence->head_share)) return 0;
    bool adds_nothing = evidence->head_share == 0 && evidence->weight_l2 != 0 && evidence->out_l2 != 0;
    return PS_STATE_KNOWN | (adds_nothing ? PS_STATE_DEAD : 0u);
}

ps_cause ps_cause_of(const ps_cause_evidence *evidence, ps_condition *condition) {
    unsigned open = 0;
    ps_cause cause = nonfinite(evidence);
    *condition = PS_CONDITION_NONFINITE;
    if (cause != PS_CAUSE_NONE) return cause;
    cause = evidence->shared ? gain(evidence, &open) : structural(evidence, &open);
    *condition = PS_CONDITION_DEAD;
    if (ps_state_dead(evidence->state)) return blame(evidence, cause, &open, silence);
    *condition = PS_CONDITION_STUCK;
    if (evidence->at_ceiling == 1) return blame(evidence, cause, &open, loudness);
    const rule constant[] = {{PS_CAUSE_NO_VARIATION, variation_of(evidence) == CONSTANT, 0}};
    *condition = PS_CONDITION_CONSTANT;
    if (cause != PS_CAUSE_NONE && variation_of(evidence) != VARIES) return cause;
    *condition = PS_CONDITION_SATURATED;
    if (evidence->saturated == 1) return blame(evidence, PS_CAUSE_NONE, &open, silence);
    *condition = PS_CONDITION_CONSTANT;
    if ((cause = FIRST_OF(evidence, constant, &open)) != PS_CAUSE_NONE) return cause;
    const rule unread[] = {{PS_CAUSE_ZERO_OUTGOING, evidence->out_l2 == 0, PS_LACKS_OUT_L2}};
    *condition = PS_CONDITION_UNUSED;
    if ((cause = FIRST_OF(evidence, unread, &open)) != PS_CAUSE_NONE) return cause;
    *condition = PS_CONDITION_EDGE;
    if (ps_state_edge(evidence->state)) return PS_CAUSE_NONE;
    *condition = PS_CONDITION_EVAL_DEAD;
    if ((evidence->state & PS_STATE_EVAL_DEAD) != 0) return PS_CAUSE_RUNNING_STATISTICS;
    *condition = PS_CONDITION_INERT;
    if (evidence->mobility == PS_MOBILITY_INERT) return inertia(evidence, &open);
    bool known = ps_state_known(evidence->state) || (evidence->never_dies && !ps_is_absent(evidence->saturated));
    *condition = known ? PS_CONDITION_NONE : PS_CONDITION_UNKNOWN;
    return known ? PS_CAUSE_NONE : PS_CAUSE_UNKNOWN;
}

static void append(char *text, size_t size, const char *name, double value) {
    size_t used = strlen(text);
    char number[32];
    if (ps_is_absent(value)) return;
    snprintf(text + used, size - used, "%s%s=%s", used > 0 ? " " : "", name, ps_text_number(value, 6, number));
}

/* Those of them that rules for such a node ask for. */
static void name_missing(const ps_cause_evidence *e, char *text, size_t size) {
    static const char *const names[PS_LACKS_COUNT] = {
#define PS_LACKS(id, quantity) quantity,
#include "analysis/cause_quantity_list.def"
#undef PS_LACKS
    };
    const unsigned of_dead = 2 * PS_LACKS_PRE_MAX - 1,
                   of_others = ~(unsigned)(PS_LACKS_BETA | PS_LACKS_BIAS | PS_LACKS_PRE_MAX);
    unsigned missing = e->lacks & (ps_state_dead(e->state) ? of_dead : of_others);
    for (size_t i = 0; i < PS_LACKS_COUNT; i++) {
        size_t used = strlen(text);
        if ((missing >> i & 1u) != 0)
            snprintf(text + used, size - used, "%s%s", used > 0 ? "," : "not_recorded=", names[i]);
    }
}

typedef struct {
    const char *name;
    double value;
} named_value;

static double value_of(const ps_cause_evidence *e, const char *name) {
    const named_value known[] = {
        {"weight_l2", e->weight_l2},
        {"inputs_alive", e->inputs_alive},
        {"gamma", e->gamma},
        {"beta", e->beta},
        {"beta_over_gamma", e->gamma != 0 && !ps_is_absent(e->beta) ? e->beta / fabs(e->gamma) : ps_absent()},
        {"bias", e->bias},
        {"pre_max", e->pre_max},
        {"saturated", e->saturated},
        {"at_ceiling", e->at_ceiling},
        {"out_l2", e->out_l2},
        {"running_mean", e->running_mean},
        {"running_var", e->running_var},
        {"mean_abs", e->mean_abs},
        {"image_spread", e->image_spread},
        {"nonzero_eval", e->nonzero_eval},
        {"images_active", e->images_active},
        {"images_active_eval", e->images_active_eval},
        {"path_gradient", e->path_gradient},
        {"path_decay", e->path_decay},
        {"weight_start_l2", e->weight_start_l2},
        {"grad_zero_share", e->grad_zero_share},
        {"layer_median", e->layer_path_median}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(known[i].name, name) == 0) return known[i].value;
    return ps_absent();
}

void ps_cause_explain(const ps_cause_evidence *e, ps_cause cause, char *text, size_t size) {
    char names[256];
    text[0] = '\0';
    if (cause == PS_CAUSE_UNKNOWN) name_missing(e, text, size);
    if (cause == PS_CAUSE_NONE && ps_state_edge(e->state)) {
        append(text, size, "pre_max_low", e->pre_max_low);
        append(text, size, "pre_max_high", e->pre_max_high);
    }
    if (cause == PS_CAUSE_UNKNOWN || cause == PS_CAUSE_COUNT) return;
    snprintf(names, sizeof names, "%s", causes[cause].evidence);
    for (char *save = NULL, *name = strtok_r(names, " ", &save); name != NULL; name = strtok_r(NULL, " ", &save))
        append(text, size, name, value_of(e, name));
}
