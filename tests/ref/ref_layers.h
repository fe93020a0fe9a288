/* Every layer type's forward pass in double precision, written from the formulas with plain loops and read from the
 * JSON attributes anew: it shares no code with src/layers or src/kernels except the random numbers of dropout. */
#ifndef PS_TESTS_REF_LAYERS_H
#define PS_TESTS_REF_LAYERS_H

#include <cjson/cJSON.h>
#include <stdbool.h>

#include "core/rng.h"
#include "core/shape.h"

typedef struct {
    const char *type;
    const cJSON *attributes;
    bool train, eval; /* neither: probe */
    int inputs;
    const ps_shape *in_shape;
    ps_shape out_shape;
    const double *const *x;
    const double *const *param; /* memory order of the engine: output channels outermost, channels last */
    const double *const *state;
    ps_rng_key key;
    const cJSON *pool; /* max_unpool: attributes of the max_pool and its input */
    ps_shape pool_shape;
    const double *pool_x;
    /* The function whose derivative backward promises, where that is not forward itself: what a cut or a rule holds
     * constant is taken at base_x, and a forward cut is undone. NULL: forward itself. */
    const double *const *base_x;
} ref_call;

/* Output shape; 0 sizes where the type or its attributes make none. */
ps_shape ref_out_shape(const ref_call *call);
/* y [elements of out_shape]. False: the type is unknown here. */
bool ref_forward(const ref_call *call, double *y);
/* The path of pool_skip alone (before any cut), at call->x. */
void ref_pool_skip_path(const ref_call *call, double *path);

#endif
