/* Words of the trace format (FORMAT.md), shared by the writer, the validator, the probe and the analysis. */
#ifndef PS_TRACE_FORMAT_H
#define PS_TRACE_FORMAT_H

#define PS_TRACE_FORMAT_NAME "poolscope-trace"
#define PS_TRACE_VERSION 2     /* what is written; older ones are read */
#define PS_TRACE_VERSION_ARM 2 /* the first whose header says what the arm is ("arm_is") */

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

#endif
