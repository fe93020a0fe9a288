/* Words of the trace format (FORMAT.md), shared by the writer, the validator, the probe and the analysis. */
#ifndef PS_TRACE_FORMAT_H
#define PS_TRACE_FORMAT_H

#define PS_TRACE_FORMAT_NAME "poolscope-trace"
#define PS_TRACE_VERSION 1

/* Longer lines are refused: this is a layer of more than ten million nodes. */
#define PS_TRACE_LONGEST_LINE ((size_t)256 << 20)

/* Types of records. */
#define PS_TRACE_HEADER "header"
#define PS_TRACE_STEP "step"
#define PS_TRACE_WINDOW "window"
#define PS_TRACE_PROBE "probe"
#define PS_TRACE_EVENT "event"
#define PS_TRACE_EVAL "eval"
#define PS_TRACE_TIMING "timing"
#define PS_TRACE_END "end"

/* Kinds of layers. */
#define PS_TRACE_KIND_CONV "conv"
#define PS_TRACE_KIND_LINEAR "linear"
#define PS_TRACE_KIND_SHARED "shared"

/* Activations whose outputs of exactly 0 tell that a node is dead. */
#define PS_TRACE_ACTIVATION_RELU "relu"
#define PS_TRACE_ACTIVATION_LEAKY_RELU "leaky_relu"

/* What a quantity is measured per. */
#define PS_TRACE_PER_NODE "node"
#define PS_TRACE_PER_LAYER "layer"
#define PS_TRACE_PER_STEP "step"

/* Kinds of events. */
#define PS_TRACE_EVENT_PLANTED "planted"
#define PS_TRACE_EVENT_REINITIALISED "reinitialised"
#define PS_TRACE_EVENT_NONFINITE "nonfinite"
#define PS_TRACE_EVENT_DIVERGED "diverged"
#define PS_TRACE_EVENT_CLIPPED_E "clipped_e"
#define PS_TRACE_EVENT_FORKED "forked"

/* Status of a run that came to its end. */
#define PS_TRACE_STATUS_FINISHED "finished"
#define PS_TRACE_STATUS_DIVERGED "diverged"

/* Values that JSON has no numbers for. */
#define PS_TRACE_NAN "NaN"
#define PS_TRACE_INFINITY "Infinity"
#define PS_TRACE_MINUS_INFINITY "-Infinity"

/* Quantities of step records. */
#define PS_TRACE_LOSS "loss"
#define PS_TRACE_LR "lr"
#define PS_TRACE_GRAD_NORM "grad_norm"
#define PS_TRACE_GRAD_NORM_MODULE "grad_norm_module"
#define PS_TRACE_CLIP "clip"
#define PS_TRACE_CLIP_MODULE "clip_module"

/* Quantities of window records. */
#define PS_TRACE_ZEROS "zeros"
#define PS_TRACE_GRAD_NORM_RMS "grad_norm_rms"
#define PS_TRACE_GRAD_ZERO_STEPS "grad_zero_steps"
#define PS_TRACE_GRAD_OUT_RMS "grad_out_rms"
#define PS_TRACE_PATH "path"
#define PS_TRACE_PATH_GRADIENT "path_gradient"
#define PS_TRACE_PATH_CARRIED "path_carried"
#define PS_TRACE_PATH_DECAY "path_decay"
#define PS_TRACE_PATH_RESIDUAL "path_residual"
#define PS_TRACE_NET "net"
#define PS_TRACE_NET_GRADIENT "net_gradient"
#define PS_TRACE_NET_DECAY "net_decay"
#define PS_TRACE_WEIGHT_START_L2 "weight_start_l2"
#define PS_TRACE_OUT_NET_GRADIENT "out_net_gradient"
#define PS_TRACE_OUT_START_L2 "out_start_l2"
#define PS_TRACE_POOL_IDENTITY "pool_identity"
#define PS_TRACE_POOL_PATH "pool_path"
#define PS_TRACE_POOL_OUTPUT "pool_output"
#define PS_TRACE_POOL_GRAD_IDENTITY "pool_grad_identity"
#define PS_TRACE_POOL_GRAD_PATH "pool_grad_path"
#define PS_TRACE_POOL_GRAD_TOTAL "pool_grad_total"
#define PS_TRACE_POOL_CROSS "pool_cross"
#define PS_TRACE_POOL_GRAD_CROSS "pool_grad_cross"
#define PS_TRACE_POOL_ROW_GRAD_RMS "pool_row_grad_rms"
#define PS_TRACE_POOL_ROW_GRAD_ZERO_STEPS "pool_row_grad_zero_steps"
#define PS_TRACE_SHUT_STEPS "shut_steps"
#define PS_TRACE_SHUT_FILTER_GRAD_STEPS "shut_filter_grad_steps"
#define PS_TRACE_SHUT_GAMMA_GRAD_STEPS "shut_gamma_grad_steps"
#define PS_TRACE_SHUT_BETA_GRAD_STEPS "shut_beta_grad_steps"
#define PS_TRACE_SHUT_POOL_ROW_GRAD_STEPS "shut_pool_row_grad_steps"
#define PS_TRACE_SHUT_IDENTITY_GRAD_STEPS "shut_identity_grad_steps"
#define PS_TRACE_SHUT_READER_GRAD_STEPS "shut_reader_grad_steps"

/* Quantities of probe records. */
#define PS_TRACE_WEIGHT_L2 "weight_l2"
#define PS_TRACE_WEIGHT_L1 "weight_l1"
#define PS_TRACE_BIAS "bias"
#define PS_TRACE_GAMMA "gamma"
#define PS_TRACE_BETA "beta"
#define PS_TRACE_OUT_L2 "out_l2"
#define PS_TRACE_IN_ALIVE "in_alive"
#define PS_TRACE_NONZERO "nonzero"
#define PS_TRACE_IMAGES_ACTIVE "images_active"
#define PS_TRACE_MEAN "mean"
#define PS_TRACE_MEAN_ABS "mean_abs"
#define PS_TRACE_RMS "rms"
#define PS_TRACE_IMAGE_SPREAD "image_spread"
#define PS_TRACE_NONZERO_EVAL "nonzero_eval"
#define PS_TRACE_NONZERO_HALF "nonzero_half"
#define PS_TRACE_NONZERO_QUARTER "nonzero_quarter"
#define PS_TRACE_PRE_MAX "pre_max"
#define PS_TRACE_PRE_MAX_LOW "pre_max_low"
#define PS_TRACE_PRE_MAX_HIGH "pre_max_high"
#define PS_TRACE_IN_L2 "in_l2"
#define PS_TRACE_ACTIVATION_L1 "activation_l1"
#define PS_TRACE_ACTIVATION_L2 "activation_l2"
#define PS_TRACE_POOL_WEIGHT_L2 "pool_weight_l2"

#endif
