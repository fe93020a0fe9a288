/* Joins 2 to 16 inputs along the channels: rows of [c0], [c1], ... -> rows of [c0 + c1 + ...]. */
#include <string.h>

#include "layers/attributes.h"
#include "layers/list.h"
#include "layers/rounding.h"
#include "layers/tangent.h"

enum { GRAIN = 1 << 14 }; /* floats per chunk */

static ps_status concat_infer(const void *config, const ps_layer_input *in, int inputs, const char *where,
                              ps_shape *out) {
    (void)config;
    char first[48], other[48];
    *out = in[0].shape;
    for (int i = 1; i < inputs; i++) {
        ps_shape a = in[0].shape, b = in[i].shape;
        if (a.d != b.d || a.h != b.h || a.w != b.w)
            return ps_fail(
                PS_ERR_INPUT,
                "%s: concat joins channels of maps of one size, but input 0 is %s and input %d is %s (c x d x h x w)",
                where, ps_shape_text(a, first), i, ps_shape_text(b, other));
        if (b.c > (1 << 24) - out->c)
            return ps_fail(PS_ERR_INPUT, "%s: concat would have more than %d channels", where, 1 << 24);
        out->c += b.c;
    }
    return PS_OK;
}

static void split_rows(const ps_layer_call *call, size_t chunk, size_t *first, size_t *end) {
    size_t rows = ps_shape_positions(call->out_shape);
    size_t chunks = ps_threads_chunks(ps_shape_elements(call->out_shape), GRAIN);
    *first = ps_threads_chunk_start(rows, chunks, chunk);
    *end = ps_threads_chunk_start(rows, chunks, chunk + 1);
}

static void forward_chunk(void *context, size_t chunk, int worker) {
    (void)worker;
    const ps_layer_call *call = context;
    size_t first, end, width = (size_t)call->out_shape.c, offset = 0;
    split_rows(call, chunk, &first, &end);
    for (int i = 0; i < call->inputs; i++) {
        size_t c = (size_t)call->in_shape[i].c;
        for (size_t r = first; r < end; r++)
            memcpy(call->y + r * width + offset, call->x[i] + r * c, c * sizeof(float));
        offset += c;
    }
}

static void add_row(const float *source, size_t count, float *target) {
    for (size_t j = 0; j < count; j++) target[j] += source[j];
}

static void backward_chunk(void *context, size_t chunk, int worker) {
    (void)worker;
    const ps_layer_call *call = context;
    size_t first, end, width = (size_t)call->out_shape.c, offset = 0;
    split_rows(call, chunk, &first, &end);
    for (int i = 0; i < call->inputs; i++) {
        size_t c = (size_t)call->in_shape[i].c;
        for (size_t r = first; r < end && call->dx[i] != NULL; r++) {
            const float *source = call->dy + r * width + offset;
            if (call->accumulate[i]) add_row(source, c, call->dx[i] + r * c);
            else memcpy(call->dx[i] + r * c, source, c * sizeof(float));
        }
        offset += c;
    }
}

static void concat_forward(const ps_layer_call *call) {
    ps_threads_run(call->threads, ps_threads_chunks(ps_shape_elements(call->out_shape), GRAIN), forward_chunk,
                   (void *)call);
}

static void concat_backward(const ps_layer_call *call) {
    ps_threads_run(call->threads, ps_threads_chunks(ps_shape_elements(call->out_shape), GRAIN), backward_chunk,
                   (void *)call);
}

static const char *const concat_samples[] = {
    "{\"inputs\": [[2, 3, 1, 5, 3], [2, 1, 1, 5, 3]], \"attributes\": {}}",
    "{\"inputs\": [[1, 2, 2, 2, 3], [1, 5, 2, 2, 3], [1, 2, 2, 2, 3]], \"attributes\": {}}", NULL};

const ps_layer_type ps_layer_concat = {
    .name = "concat",
    .summary = "joins its inputs along the channels",
    .role = PS_ROLE_HANDS_ON,
    .min_inputs = 2,
    .max_inputs = PS_LAYER_MAX_INPUTS,
    .infer = concat_infer,
    .forward = concat_forward,
    .backward = concat_backward,
    .rounding = ps_rounding_hand_on,
    .carries_bounds = true,
    .tangent_forward = ps_tangent_linear_forward,
    .tangent_backward = ps_tangent_linear_backward,
    .samples = concat_samples,
};
