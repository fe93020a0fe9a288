#include "layers/curved.h"

#include <math.h>

#include "kernels/pointwise.h"
#include "layers/rounding.h"

ps_status ps_curved_plan(const void *config, const ps_shape *in, int inputs, ps_shape out, int threads, void **plan,
                         ps_layer_sizes *sizes) {
    (void)config, (void)in, (void)inputs, (void)threads;
    *plan = NULL;
    size_t forward = ps_curve_workspace_bytes(out), edges = ps_rounding_entry_bytes(out);
    *sizes = (ps_layer_sizes){.workspace_bytes = forward > edges ? forward : edges};
    return PS_OK;
}

bool ps_curved_gate(const char *activation, ps_gate *gate) {
    *gate = (ps_gate){.activation = activation, .keeps_zero = true, .slope = NAN, .ceiling = INFINITY};
    return true;
}

void ps_curved_forward(const ps_layer_call *call, ps_curve curve) {
    ps_curve_forward(curve, call->x[0], call->out_shape, call->y, call->sums[PS_SUM_ZEROS], call->workspace,
                     call->threads);
}

void ps_curved_backward(const ps_layer_call *call, ps_curve curve, const float *from) {
    if (call->dx[0] == NULL) return;
    ps_curve_backward(curve, from, call->dy, call->out_shape, call->dx[0], call->accumulate[0],
                      call->sums[PS_SUM_INPUT_GRAD_SQUARES], call->workspace, call->threads);
}

void ps_curved_flat(const ps_layer_call *call, ps_curve curve, const float *v, double *count) {
    ps_curve_count_flat(curve, v, call->out_shape, PS_GATE_FLAT, count, call->workspace, call->threads);
}

void ps_curved_rounding(const ps_layer_call *call, float steepest) {
    size_t count = ps_shape_elements(call->out_shape);
    ps_vector_fill(call->bound, count, 0, call->threads);
    ps_vector_axpy(steepest, call->in_bound[0], count, call->bound, call->threads);
    ps_rounding_add_few(call->y, count, call->bound, call->threads);
}

/* dot y = f' dot x, and dot dx = f' dot dy + f'' dot x dy. */
typedef struct {
    const ps_layer_call *call;
    const ps_layer_tangent *tangent;
    ps_curve_slopes_of slopes;
    double alpha;
    bool back;
    size_t count, chunks;
} tangent_run;

static void tangent_task(void *context, size_t chunk, int worker) {
    (void)worker;
    const tangent_run *run = context;
    const float *x = run->call->x[0], *x_dot = run->tangent->x[0];
    size_t end = ps_threads_chunk_start(run->count, run->chunks, chunk + 1);
    for (size_t i = ps_threads_chunk_start(run->count, run->chunks, chunk); i < end; i++) {
        ps_curve_slopes s = run->slopes(run->alpha, (double)x[i]);
        if (!run->back) run->tangent->y[i] = (float)(s.first * (double)x_dot[i]);
        else
            run->tangent->dx[0][i] =
                (float)(s.first * (double)run->tangent->dy[i] + s.second * (double)x_dot[i] * (double)run->call->dy[i]);
    }
}

static void run_tangent(const ps_layer_call *call, const ps_layer_tangent *tangent, ps_curve_slopes_of slopes,
                        double alpha, bool back) {
    size_t count = ps_shape_elements(call->out_shape);
    tangent_run run = {call, tangent, slopes, alpha, back, count, ps_threads_chunks(count, 8192)};
    ps_threads_run(call->threads, run.chunks, tangent_task, &run);
}

void ps_curved_tangent_forward(const ps_layer_call *call, const ps_layer_tangent *tangent, ps_curve_slopes_of slopes,
                               double alpha) {
    run_tangent(call, tangent, slopes, alpha, false);
}

void ps_curved_tangent_backward(const ps_layer_call *call, const ps_layer_tangent *tangent, ps_curve_slopes_of slopes,
                                double alpha) {
    if (tangent->dx[0] != NULL) run_tangent(call, tangent, slopes, alpha, true);
}
