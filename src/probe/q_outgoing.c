/* out_l2: all weights of convolutions and linear layers that read the node. */
#include <math.h>

#include "probe/instruments.h"
#include "probe/q_outgoing.h"

const ps_instrument ps_instrument_outgoing = {.heads = true};

/* Weight memory is [k][positions][c / groups]; output channel k reads the inputs of its own group alone. */
void ps_outgoing_add_squares(const ps_probe_layer *layer, const ps_unit_reader *reader, ps_weight_at *value,
                             const void *context, double *squares) {
    const ps_param *p = ps_net_param(layer->net, ps_net_op_param(layer->net, reader->op, "weight"));
    ps_shape in[PS_LAYER_MAX_INPUTS];
    ps_graph_input_shapes(ps_net_graph(layer->net), reader->op, in);
    size_t inputs = (size_t)ps_param_inputs(&p->spec), rows_per_group = (size_t)p->spec.rows * inputs / (size_t)in[0].c;
    size_t first = (size_t)reader->first_input, end = first + (size_t)layer->unit->channels * (size_t)reader->stride;
    for (size_t row = 0; row < (size_t)p->spec.rows; row++) {
        size_t group_start = row / rows_per_group * inputs;
        for (size_t i = 0; i < p->row_length; i++) {
            size_t input = group_start + i % inputs;
            if (input < first || input >= end) continue;
            double w = value(context, row * p->row_length + i);
            squares[(input - first) / (size_t)reader->stride] += w * w;
        }
    }
}

void ps_head_squares(const ps_probe_layer *layer, const float *values, double *squares) {
    const ps_param *projection = ps_net_param(layer->net, layer->projection);
    size_t heads = (size_t)layer->unit->channels, size = projection->row_length / heads;
    for (size_t row = 0; row < (size_t)projection->spec.rows; row++)
        for (size_t head = 0; head < heads; head++)
            for (size_t j = 0; j < size; j++, values++) squares[head] += (double)*values * (double)*values;
}

static double present(const void *context, size_t at) { return (double)((const float *)context)[at]; }

bool ps_quantity_out_l2(const ps_probe_layer *layer, const double *state, double *out) {
    (void)state;
    const ps_unit *unit = layer->unit;
    if (!unit->heads && (unit->identity_path || unit->readers == 0)) return false;
    for (int c = 0; c < unit->channels; c++) out[c] = 0;
    for (int i = 0; i < unit->readers; i++) {
        const ps_unit_reader *reader = &unit->reader[i];
        const ps_param *p = ps_net_param(layer->net, ps_net_op_param(layer->net, reader->op, "weight"));
        ps_outgoing_add_squares(layer, reader, present, p->value, out);
    }
    if (unit->heads) ps_head_squares(layer, ps_net_param(layer->net, layer->projection)->value, out);
    for (int c = 0; c < unit->channels; c++) out[c] = sqrt(out[c]);
    return true;
}
