/* Checks a layer type against the double-precision reference (tests/ref/ref_layers.h) on one of its samples.
 *
 * With L = sum of r y for fixed random r, the gradients of the engine (float) are compared with central differences of
 * the reference's L in double: their own error is about 1e-9, so the tolerance is that of float arithmetic alone. Small
 * arrays are checked element by element, large ones at 64 random elements and along 3 random directions. Inputs are
 * permutations of equally spaced values without 0: no ties in a maximum, no kink of a rectifier within a step.
 *
 * Checked besides: shape, forward in the mode, bit-identity for 1 and 3 threads, in place where the type allows it,
 * accumulation, unwanted input gradients, per-channel sums, and that nothing is left unwritten or written past its
 * end. */
#ifndef PS_TESTS_LIB_GRADCHECK_H
#define PS_TESTS_LIB_GRADCHECK_H

#include "layers/layer.h"

typedef struct {
    bool passed;
    char message[512];    /* the first thing that did not hold, in words */
    double worst_forward; /* largest error over the largest reference value of the array */
    double worst_gradient;
    int compared; /* derivatives */
} gradcheck_result;

/* Tolerances, as above: largest error over the array's largest value. */
#define GRADCHECK_FORWARD_TOLERANCE 5e-6
#define GRADCHECK_GRADIENT_TOLERANCE 5e-6

void gradcheck_run(const ps_layer_type *type, const char *sample, ps_mode mode, gradcheck_result *result);

/* True where forward and backward give the same bits in both modes, so that a check of one is a check of the other. */
bool gradcheck_modes_agree(const ps_layer_type *type, const char *sample, ps_mode a, ps_mode b);

/* What the check is made of, for other tests: one configured layer with arrays for everything, each exactly as long as
 * promised. */
typedef struct {
    const ps_layer_type *type;
    cJSON *document; /* the sample */
    const cJSON *attributes;
    void *config, *plan;
    int inputs, params, states;
    ps_shape in_shape[PS_LAYER_MAX_INPUTS], out_shape, pool_shape;
    ps_layer_sizes sizes;
    ps_param_spec param_spec[PS_LAYER_MAX_PARAMS], state_spec[PS_LAYER_MAX_STATES];
    float *x[PS_LAYER_MAX_INPUTS], *dx[PS_LAYER_MAX_INPUTS], *y, *dy;
    float *param[PS_LAYER_MAX_PARAMS], *grad[PS_LAYER_MAX_PARAMS], *state[PS_LAYER_MAX_STATES];
    float *pool_x;
    void *save, *workspace, *pool_save;
    const void *in_save[PS_LAYER_MAX_INPUTS];
    bool accumulate[PS_LAYER_MAX_INPUTS];
    double *sums[PS_SUMS];
    ps_layer_call call;
} gradcheck_rig;

/* Parses, infers, plans, allocates and fills; sample as in layer.h. */
ps_status gradcheck_rig_create(const ps_layer_type *type, const char *sample, ps_mode mode, ps_threads *pool,
                               gradcheck_rig *rig);
void gradcheck_rig_clear(gradcheck_rig *rig);
/* Forward, then backward with only the arrays that the type says it reads. */
void gradcheck_rig_run(gradcheck_rig *rig);
/* Fails the result (keeping its first message) where results, gradients, running statistics or sums differ in a bit. */
void gradcheck_rig_compare(const char *how, const gradcheck_rig *plain, const gradcheck_rig *other,
                           gradcheck_result *result);
size_t gradcheck_param_elements(const ps_param_spec *spec);

#endif
