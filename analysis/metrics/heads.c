/* Heads of attention, one row a head and probe: how much each adds to its layer's output, and how widely it looks. */
#include <math.h>

#include "analysis/metric.h"
#include "core/memory.h"

typedef struct {
    ps_metric_input in;
} heads_state;

static ps_status begin(const ps_metric_input *input, void **out) {
    heads_state *state;
    PS_TRY(PS_ALLOC(1, &state, "heads metric"));
    state->in = *input;
    *out = state;
    return PS_OK;
}

/* Of the most there can be: the logarithm of the positions, where all are looked at alike. One position leaves no
 * choice. */
static double entropy_share(double entropy, double positions) { return ps_ratio(entropy, log(positions)); }

static void write_head(const heads_state *state, const ps_frame *frame, int l, int head) {
    const ps_run *run = state->in.run;
    const ps_trace_layer *layer = &run->layers[l];
    int node = layer->first_node + head;
    double entropy = ps_frame_value(frame, PS_Q_head_entropy, node);
    ps_tables_row(state->in.tables, PS_TABLE_heads, "sllsiiddddd", run->arm, run->header->seed,
                  run->probes[frame->index].step, layer->name, layer->position, head,
                  ps_frame_value(frame, PS_Q_head_share, node), entropy, entropy_share(entropy, layer->elements),
                  ps_frame_value(frame, PS_Q_weight_l2, node), ps_frame_value(frame, PS_Q_out_l2, node));
}

static ps_status take(void *context, const ps_frame *frame) {
    const heads_state *state = context;
    const ps_run *run = state->in.run;
    if (frame->is_window || state->in.tables == NULL) return PS_OK;
    for (int l = 0; l < run->layer_count; l++)
        for (int head = 0; run->layers[l].heads && head < run->layers[l].channels; head++)
            write_head(state, frame, l, head);
    return PS_OK;
}

const ps_metric ps_metric_heads = {"heads", begin, take, NULL, NULL, ps_free, 0};
