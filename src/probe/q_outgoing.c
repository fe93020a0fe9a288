/* out_l2: all weights of convolutions and linear layers that read the node. */
#include <math.h>

#include "probe/instruments.h"
#include "probe/q_outgoing.h"

const ps_instrument ps_instrument_outgoing = {.heads = true};

/* Some channels of the unit, for which a chunk walks down their columns. */
enum { GRAIN_COLUMNS = 128 };

typedef struct {
    const float *values;
    size_t inputs, group_rows, row_length; /* inputs, rows: of a group */
    size_t first, stride, channels, chunks;
    double *squares;
} columns_run;

/* Columns [begin, end) of a group, of which the first belongs to feature `feature` of the unit. */
static void add_group(const columns_run *r, size_t group, size_t begin, size_t end, size_t feature) {
    const float *block = r->values + group * r->group_rows * r->row_length,
                *stop = block + r->group_rows * r->row_length;
    for (; block < stop; block += r->inputs)
        for (size_t i = begin; i < end; i++) {
            double w = (double)block[i];
            r->squares[r->stride == 1 ? feature + (i - begin) : (feature + (i - begin)) / r->stride] += w * w;
        }
}

static void add_columns(void *context, size_t chunk, int worker) {
    (void)worker;
    const columns_run *r = context;
    size_t input = r->first + ps_threads_chunk_start(r->channels, r->chunks, chunk) * r->stride,
           end = r->first + ps_threads_chunk_start(r->channels, r->chunks, chunk + 1) * r->stride;
    while (input < end) {
        size_t group = input / r->inputs, next = (group + 1) * r->inputs;
        if (next > end) next = end;
        add_group(r, group, input - group * r->inputs, next - group * r->inputs, input - r->first);
        input = next;
    }
}

/* Weight memory is [k][positions][c / groups]; output channel k reads the inputs of its own group alone. */
void ps_outgoing_add_squares(const ps_probe_layer *layer, const ps_unit_reader *reader, const float *values,
                             double *squares) {
    const ps_param *p = ps_net_param(layer->net, ps_net_op_param(layer->net, reader->op, "weight"));
    ps_shape in[PS_LAYER_MAX_INPUTS];
    ps_graph_input_shapes(ps_net_graph(layer->net), reader->op, in);
    size_t inputs = (size_t)ps_param_inputs(&p->spec), channels = (size_t)layer->unit->channels,
           stride = (size_t)reader->stride;
    columns_run run = {.values = values,
                       .inputs = inputs,
                       .group_rows = (size_t)p->spec.rows * inputs / (size_t)in[0].c,
                       .row_length = p->row_length,
                       .first = (size_t)reader->first_input,
                       .stride = stride,
                       .channels = channels,
                       .chunks = ps_threads_chunks(channels * stride, GRAIN_COLUMNS),
                       .squares = squares};
    if (run.chunks > channels) run.chunks = channels;
    ps_threads_run(ps_net_threads(layer->net), run.chunks, add_columns, &run);
}

void ps_head_squares(const ps_probe_layer *layer, const float *values, double *squares) {
    const ps_param *projection = ps_net_param(layer->net, layer->projection);
    size_t heads = (size_t)layer->unit->channels, size = projection->row_length / heads;
    for (size_t row = 0; row < (size_t)projection->spec.rows; row++)
        for (size_t head = 0; head < heads; head++)
            for (size_t j = 0; j < size; j++, values++) squares[head] += (double)*values * (double)*values;
}

bool ps_quantity_out_l2(const ps_probe_layer *layer, const double *state, double *out) {
    (void)state;
    const ps_unit *unit = layer->unit;
    if (!unit->heads && (unit->identity_path || unit->readers == 0)) return false;
    for (int c = 0; c < unit->channels; c++) out[c] = 0;
    for (int i = 0; i < unit->readers; i++) {
        const ps_unit_reader *reader = &unit->reader[i];
        const ps_param *p = ps_net_param(layer->net, ps_net_op_param(layer->net, reader->op, "weight"));
        ps_outgoing_add_squares(layer, reader, p->value, out);
    }
    if (unit->heads) ps_head_squares(layer, ps_net_param(layer->net, layer->projection)->value, out);
    for (int c = 0; c < unit->channels; c++) out[c] = sqrt(out[c]);
    return true;
}
