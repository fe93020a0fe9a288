/* Resizing by interpolation: x [n][d][h][w][c] -> y [n][od][oh][ow][c], `scale` times as large, or as large as input 1,
 * of which nothing but the size is used (it gets no gradient). Source: PyTorch's interpolate. */
#include <string.h>

#include "core/json.h"
#include "core/memory.h"
#include "kernels/conv_shape.h"
#include "kernels/resize.h"
#include "layers/attributes.h"
#include "layers/list.h"
#include "layers/rounding.h"
#include "layers/tangent.h"

typedef struct {
    int mode; /* which of modes */
    bool align_corners;
    ps_extent scale;
} resize_config;

enum { NEAREST, LINEAR };
static const char *const modes[] = {"nearest", "linear", NULL};

#define AT(field) offsetof(resize_config, field)
static const ps_attribute resize_attributes[] = {
    {"mode", PS_ATTRIBUTE_WORD, AT(mode), "linear", 0, 0, modes, "linear along every dimension: bilinear, trilinear"},
    {"align_corners", PS_ATTRIBUTE_FLAG, AT(align_corners), "false", 0, 0, NULL,
     "of linear: the outer positions lie on each other, not the outer edges"},
    {"scale", PS_ATTRIBUTE_EXTENT, AT(scale), "", 1, 1024, NULL,
     "how many times as large; left out: as large as input 1"},
    {0}};
#undef AT

static ps_status resize_complete(void *config_, const char *where) {
    resize_config *config = config_;
    const ps_extent *extents[] = {&config->scale};
    int dims;
    if (config->align_corners && config->mode == NEAREST)
        return ps_fail(PS_ERR_INPUT, "%s: \"align_corners\" is of the mode \"linear\" alone; leave it out", where);
    return ps_extent_dims(extents, 1, where, &dims);
}

static ps_status resize_infer(const void *config_, const ps_layer_input *in, int inputs, const char *where,
                              ps_shape *out) {
    const resize_config *config = config_;
    ps_shape x = in[0].shape;
    int scale[3], dims = config->scale.length > 1 ? config->scale.length : x.d > 1 ? 3 : 2;
    if ((inputs > 1) == (config->scale.length > 0))
        return ps_fail(PS_ERR_INPUT,
                       "%s: resize needs either \"scale\" or a second input that is as large as the output is to be",
                       where);
    if (inputs > 1) {
        ps_shape as = in[1].shape;
        *out = (ps_shape){x.n, x.c, as.d, as.h, as.w};
        return PS_OK;
    }
    ps_extent_resolve(&config->scale, dims, 1, scale);
    const int sizes[3] = {x.d, x.h, x.w};
    for (int i = 0; i < 3; i++)
        if ((long long)sizes[i] * scale[i] > PS_CONV_LARGEST)
            return ps_fail(PS_ERR_INPUT, "%s: %d positions, %d times, are more than %d; take a smaller \"scale\"",
                           where, sizes[i], scale[i], PS_CONV_LARGEST);
    *out = (ps_shape){x.n, x.c, x.d * scale[0], x.h * scale[1], x.w * scale[2]};
    return PS_OK;
}

/* Workspace: that of rounding's map, then the kernel's. */
static ps_status resize_plan(const void *config_, const ps_shape *in, int inputs, ps_shape out, int threads,
                             void **plan, ps_layer_sizes *sizes) {
    (void)inputs;
    const resize_config *config = config_;
    ps_resize_options options = {.linear = config->mode == LINEAR, .align_corners = config->align_corners};
    ps_resize_plan *made;
    *plan = NULL;
    PS_TRY(ps_resize_plan_create(options, in[0], out, &made));
    sizes->workspace_bytes = (ps_rounding_means_bytes(in[0]) + PS_ALIGNMENT - 1) / PS_ALIGNMENT * PS_ALIGNMENT +
                             ps_resize_workspace_bytes(made, threads);
    *plan = made;
    return PS_OK;
}

static void resize_unplan(void *plan) { ps_resize_plan_destroy(plan); }

static void *own_workspace(const ps_layer_call *call) {
    size_t means = (ps_rounding_means_bytes(call->in_shape[0]) + PS_ALIGNMENT - 1) / PS_ALIGNMENT * PS_ALIGNMENT;
    return (char *)call->workspace + means;
}

static void resize_forward(const ps_layer_call *call) {
    ps_resize_forward(call->plan, call->x[0], call->y, own_workspace(call), call->threads);
}

static void resize_backward(const ps_layer_call *call) {
    if (call->dx[0] != NULL)
        ps_resize_backward(call->plan, call->dy, call->dx[0], call->accumulate[0], own_workspace(call), call->threads);
    if (call->inputs > 1 && call->dx[1] != NULL && !call->accumulate[1])
        memset(call->dx[1], 0, ps_shape_elements(call->in_shape[1]) * sizeof(float));
}

static const char *const resize_samples[] = {
    "{\"inputs\": [[2, 3, 1, 4, 5]], \"attributes\": {\"scale\": 2}}",
    "{\"inputs\": [[2, 3, 1, 4, 3]], \"attributes\": {\"scale\": [3, 2], \"align_corners\": true}}",
    "{\"inputs\": [[1, 5, 2, 3, 2]], \"attributes\": {\"scale\": 2}}",
    "{\"inputs\": [[1, 2, 2, 3, 3]], \"attributes\": {\"scale\": [1, 2, 3], \"mode\": \"nearest\"}}",
    "{\"inputs\": [[2, 4, 1, 7, 6], [2, 3, 1, 4, 9]], \"attributes\": {}}",
    "{\"inputs\": [[1, 3, 4, 5, 3], [1, 1, 3, 7, 3]], \"attributes\": {\"align_corners\": true}}",
    "{\"inputs\": [[2, 3, 1, 7, 5], [2, 2, 1, 3, 8]], \"attributes\": {\"mode\": \"nearest\"}}",
    "{\"inputs\": [[2, 19, 1, 1, 1], [2, 2, 1, 3, 4]], \"attributes\": {}}",
    NULL};

const ps_layer_type ps_layer_resize = {
    .name = "resize",
    .summary = "interpolates a map to another size: some times as large, or as large as input 1",
    .attributes = resize_attributes,
    .config_bytes = sizeof(resize_config),
    .role = PS_ROLE_HANDS_ON,
    .min_inputs = 1,
    .max_inputs = 2,
    .value_inputs = 1,
    .sizes_only = true,
    .complete = resize_complete,
    .infer = resize_infer,
    .plan = resize_plan,
    .unplan = resize_unplan,
    .forward = resize_forward,
    .backward = resize_backward,
    .rounding = ps_rounding_means,
    .carries_bounds = true,
    .tangent_forward = ps_tangent_linear_forward,
    .tangent_backward = ps_tangent_linear_backward,
    .samples = resize_samples,
};
