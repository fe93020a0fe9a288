/* Why a node is dead, constant, unused or inert, from what the trace recorded. The rules run in the order of the list;
 * the first that holds names the cause. Where a rule before it rests on a quantity that the trace does not hold, that
 * rule might have been the first: the cause is `unknown` then, and its evidence names the quantities. */
#ifndef PS_ANALYSIS_CAUSES_H
#define PS_ANALYSIS_CAUSES_H

#include <stdbool.h>
#include <stddef.h>

#include "analysis/metric.h"

/* What a node is, besides alive (condition_list.def, in the order in which it is decided). */
typedef enum {
#define PS_CONDITION(id, name, shows, text) PS_CONDITION_##id,
#include "analysis/condition_list.def"
#undef PS_CONDITION
    PS_CONDITION_COUNT
} ps_condition;

/* The rules (cause_list.def). */
typedef enum {
#define PS_CAUSE(id, name, nodes, evidence, rule, remedy) PS_CAUSE_##id,
#include "analysis/cause_list.def"
#undef PS_CAUSE
    PS_CAUSE_COUNT
} ps_cause;

/* Quantities of the rules, in their order, as bits. */
enum {
#define PS_LACKS(id, quantity) PS_LACKS_PLACE_##id,
#include "analysis/cause_quantity_list.def"
#undef PS_LACKS
    PS_LACKS_COUNT
};
enum {
#define PS_LACKS(id, quantity) PS_LACKS_##id = 1 << PS_LACKS_PLACE_##id,
#include "analysis/cause_quantity_list.def"
#undef PS_LACKS
};

/* Values that do not exist (the bias of a layer without one) or were not recorded are ps_absent(); which of the two,
 * `lacks` says. */
typedef struct {
    unsigned state; /* at the probe */
    /* PS_LACKS_...: of this node not recorded, though it may have one; 0: whatever is absent does not exist */
    unsigned lacks;
    bool shared, has_norm;
    bool never_dies;            /* its gate cannot be exactly dead: that is known without a look */
    double saturated;           /* share of outputs at which such a gate is flat */
    double at_ceiling, ceiling; /* share of outputs at the gate's ceiling, and where that is */
    bool heads; /* nodes are heads of attention: head_share tells what a gate's outputs tell of others */
    double weight_l2, bias, gamma, beta, out_l2, pre_max, pre_max_low, pre_max_high;
    double images_active, images_active_eval; /* probe images on which it is not 0, in batch and in evaluation mode */
    double head_share;                        /* what it adds to the layer's output, as a share of all heads' */
    double nonzero_eval;                      /* NaN: its outputs in evaluation mode are not finite */
    double running_mean, running_var;         /* of its normalisation: a trace does not hold them */
    double mean_abs, image_spread;            /* of its output */
    double inputs_alive;                      /* channels read that are not dead; ps_absent() for the network's input */
    ps_mobility mobility;                     /* of the latest window */
    double grad_zero_share, path_gradient, path_decay; /* of that window; paths over the weights' norm at its start */
    double weight_start_l2;                            /* that norm */
    double layer_path_median;                          /* path_gradient, median of the layer's alive nodes */
} ps_cause_evidence;

/* An output is constant where image_spread is at most this share of mean_abs: sixteen roundings of single precision.
 * Without image_spread (null, or a trace that does not record it) the parameters are asked instead. */
#define PS_CONSTANT_WITHIN 0x1p-20
/* Of a normalised node that is dead: beyond its shift, values this much smaller than its scale are rounding where the
 * bounds of rounding reach down to the shift. */
#define PS_NOISE_WITHIN 0x1p-10

/* The state of a head, for `state`: dead where it adds nothing though it reads something and is read. */
unsigned ps_cause_head_state(const ps_cause_evidence *evidence);
ps_cause ps_cause_of(const ps_cause_evidence *evidence, ps_condition *condition);
const char *ps_cause_name(ps_cause cause);
/* What stands in the list: the rule, what helps ("": nothing is needed), whom it is asked of. */
const char *ps_cause_rule(ps_cause cause);
const char *ps_cause_remedy(ps_cause cause);
const char *ps_cause_nodes(ps_cause cause);
/* The names that ps_cause_explain gives numbers for, separated by blanks. For tests. */
const char *ps_cause_evidence_names(ps_cause cause);
const char *ps_condition_name(ps_condition condition);
const char *ps_condition_text(ps_condition condition);
/* Whether one look at a checkpoint tells it. */
bool ps_condition_shows_at_rest(ps_condition condition);
/* The numbers the cause rests on, as "name=value name=value"; "" for none; of an unknown one
 * "not_recorded=name,name"; of a node on the edge, which has no cause, the bounds that say so. */
void ps_cause_explain(const ps_cause_evidence *evidence, ps_cause cause, char *text, size_t size);

#endif
