/* Why a node is dead, constant, unused or inert, from what the trace recorded. The rules run in the order of the list;
 * the first that holds names the cause. Where a rule before it rests on a quantity that the trace does not hold, that
 * rule might have been the first: the cause is `unknown` then, and its evidence names the quantities. */
#ifndef PS_ANALYSIS_CAUSES_H
#define PS_ANALYSIS_CAUSES_H

#include <stdbool.h>
#include <stddef.h>

#include "analysis/metric.h"

/* What a node is, besides alive. Dead goes before constant, constant before unused, unused before inert. */
typedef enum {
    PS_CONDITION_NONE,
    PS_CONDITION_DEAD,     /* no gate output differs from 0 on the probe set */
    PS_CONDITION_CONSTANT, /* not dead, but its output cannot depend on the input: rules 1 to 3 hold */
    PS_CONDITION_UNUSED,   /* the next layer reads it with zero weights only; the node itself may be active */
    PS_CONDITION_INERT     /* gradient-driven path below 1e-3 of its weights in the latest window */
} ps_condition;

/* The rules:
 *  1 zero_incoming   the norm of its incoming weights is exactly 0
 *  2 inputs_dead     none of the channels its weights read is alive at this probe
 *  3 gamma_zero      the scale of its normalisation is exactly 0
 * for dead nodes:
 *  4 norm_shift      it is normalised, and the shift (beta) is negative and keeps all values at or below 0. Normalised
 *                    over the batch they have mean 0 without it, so that some would be above 0 however small |beta| /
 *                    |gamma| is: that the node is dead says that the shift is enough. Where pre_max was recorded that
 *                    is checked: without the shift the largest value (pre_max - beta) would not be below 0, as it may
 *                    be where the normalisation is another one
 *  5 negative_bias   no normalisation, and a negative bias: without it the largest value that enters the gate (pre_max
 *                    - bias) would be above 0, or the bias pushes it further down than the inputs do
 *  6 negative_input  no normalisation; the inputs alone keep all values at or below 0: the weights face away from them
 *  7 silent          dead, and the recorded quantities do not say why (for a gate after an add always: it has no
 *                    weights of its own)
 * for nodes that are not dead:
 *  8 zero_outgoing   the norm of all weights that read it is exactly 0
 * for inert nodes:
 *  9 no_gradient     on every step of the latest window each element of its gradient was exactly 0, though the node is
 *                    active
 * 10 layer_inert     the median of its layer's alive nodes is inert, too: a matter of the layer or the learning rate,
 *                    not of the node
 * 11 decay           weight decay moves it further than its gradient does
 * 12 small_gradient  else */
typedef enum {
    PS_CAUSE_NONE,
    PS_CAUSE_ZERO_INCOMING,
    PS_CAUSE_INPUTS_DEAD,
    PS_CAUSE_GAMMA_ZERO,
    PS_CAUSE_NORM_SHIFT,
    PS_CAUSE_NEGATIVE_BIAS,
    PS_CAUSE_NEGATIVE_INPUT,
    PS_CAUSE_SILENT,
    PS_CAUSE_ZERO_OUTGOING,
    PS_CAUSE_NO_GRADIENT,
    PS_CAUSE_LAYER_INERT,
    PS_CAUSE_DECAY,
    PS_CAUSE_SMALL_GRADIENT,
    PS_CAUSE_UNKNOWN,
    PS_CAUSE_COUNT
} ps_cause;

/* Quantities of the rules, in their order. */
enum {
    PS_LACKS_WEIGHT_L2 = 1,
    PS_LACKS_INPUTS = 2,
    PS_LACKS_GAMMA = 4,
    PS_LACKS_BETA = 8,
    PS_LACKS_BIAS = 16,
    PS_LACKS_PRE_MAX = 32,
    PS_LACKS_OUT_L2 = 64,
    PS_LACKS_GRAD_ZERO = 128,
    PS_LACKS_PATH_DECAY = 256
};

/* Values that do not exist (the bias of a layer without one) or were not recorded are ps_absent(); which of the two,
 * `lacks` says. */
typedef struct {
    unsigned state; /* at the probe */
    /* PS_LACKS_...: of this node not recorded, though it may have one; 0: whatever is absent does not exist */
    unsigned lacks;
    bool shared, has_norm;
    double weight_l2, bias, gamma, beta, out_l2, pre_max;
    double inputs_alive;  /* channels read that are not dead; ps_absent() for the network's input */
    ps_mobility mobility; /* of the latest window */
    double grad_zero_share, path_gradient, path_decay; /* of that window; paths over the weights' norm at its start */
    double layer_path_median;                          /* path_gradient, median of the layer's alive nodes */
} ps_cause_evidence;

ps_cause ps_cause_of(const ps_cause_evidence *evidence, ps_condition *condition);
const char *ps_cause_name(ps_cause cause);
const char *ps_condition_name(ps_condition condition);
/* The numbers the cause rests on, as "name=value name=value"; "" for none; of an unknown one
 * "not_recorded=name,name". */
void ps_cause_explain(const ps_cause_evidence *evidence, ps_cause cause, char *text, size_t size);

#endif
