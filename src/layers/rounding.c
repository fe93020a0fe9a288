#include "layers/rounding.h"

#include "kernels/pointwise.h"

static void map_bounds(const ps_layer_call *call, const float *const *bounds) {
    ps_layer_call moved = *call;
    moved.x = bounds;
    moved.y = call->bound;
    call->type->forward(&moved);
}

void ps_rounding_hand_on(const ps_layer_call *call) { map_bounds(call, call->in_bound); }

size_t ps_rounding_means_bytes(ps_shape in) { return ps_shape_elements(in) * sizeof(float); }

void ps_rounding_means(const ps_layer_call *call) {
    size_t count = ps_shape_elements(call->in_shape[0]);
    float *both = call->workspace;
    ps_vector_copy(call->in_bound[0], count, both, call->threads);
    ps_rounding_add_few(call->x[0], count, both, call->threads);
    map_bounds(call, (const float *const[]){both});
}

static ps_rounding_entry entry_of(const ps_layer_call *call, int images) {
    ps_shape s = ps_shape_with_batch(call->out_shape, images);
    return (ps_rounding_entry){.x = call->x[0], .x_bound = call->in_bound[0], .shape = s};
}

void ps_rounding_rectifier(const ps_layer_call *call) {
    ps_rounding_entry entry = entry_of(call, call->out_shape.n);
    entry.rectified = true;
    ps_rounding_entry_bound(&entry, call->bound, call->workspace, call->threads);
}

void ps_edges_activation(const ps_layer_call *call, int images, ps_layer_edges edges) {
    ps_rounding_entry entry = entry_of(call, images);
    ps_rounding_edges(&entry, edges, call->workspace, call->threads);
}
