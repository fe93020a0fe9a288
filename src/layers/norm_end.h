/* What a normalisation may end in: an activation that graph fusion merged into it, with another input added before it.
 * A type of such layers has a configuration that begins with ps_norm_end; the functions below stand in its table as
 * they are, or take its calls. */
#ifndef PS_LAYERS_NORM_END_H
#define PS_LAYERS_NORM_END_H

#include "layers/layer.h"

typedef struct {
    double given_slope;
    int activation; /* ps_activation */
    float slope;    /* 0 where it is none of leaky_relu */
} ps_norm_end;

extern const char *const ps_norm_end_activations[];

/* Its attributes. at: where it lies in the configuration. */
#define PS_NORM_END_ATTRIBUTES(at)                  \
    {"activation",                                  \
     PS_ATTRIBUTE_WORD,                             \
     (at) + offsetof(ps_norm_end, activation),      \
     "none",                                        \
     0,                                             \
     0,                                             \
     ps_norm_end_activations,                       \
     "what it ends in"},                            \
        {"slope",                                   \
         PS_ATTRIBUTE_NUMBER,                       \
         (at) + offsetof(ps_norm_end, given_slope), \
         "0.01",                                    \
         0,                                         \
         1,                                         \
         NULL,                                      \
         "of leaky_relu, on the negative side"}

ps_status ps_norm_end_complete(void *config, const char *where);
bool ps_norm_end_gate(const void *config, ps_gate *gate);
void ps_norm_end_flat(const ps_layer_call *call, const float *v, double *count);
bool ps_norm_end_merges(const ps_layer_type *gate);
cJSON *ps_norm_end_merged(const cJSON *own, const ps_layer_type *gate, const void *gate_config,
                          const cJSON *gate_attributes);
const char *ps_norm_end_tangent_refuse(const void *config);
/* dx[1] of input 1, which was added, in a pass of its own: only the activation stands between it and dy. */
void ps_norm_end_backward_residual(const ps_layer_call *call);

#endif
