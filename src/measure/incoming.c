#include "measure/incoming.h"

#include "core/memory.h"

/* Behind a Pool Skip a bias is no constant any more: its places are sparse. */
static bool bias_counts(const ps_net *net, const ps_unit *unit) {
    return unit->norm_op < 0 || ps_net_graph(net)->op[unit->norm_op].input[0] != unit->source_op;
}

ps_status ps_incoming_rows(ps_net *net, const ps_unit *unit, double **rows, int *columns) {
    const ps_param *weight = ps_net_param(net, ps_net_op_param(net, unit->source_op, "weight"));
    int bias = bias_counts(net, unit) ? ps_net_op_param(net, unit->source_op, "bias") : -1;
    size_t length = weight->row_length;
    *columns = (int)length + (bias >= 0);
    PS_TRY(PS_ALLOC((size_t)unit->channels * (size_t)*columns, rows, "incoming weights"));
    for (int c = 0; c < unit->channels; c++) {
        double *row = *rows + (size_t)c * (size_t)*columns;
        for (size_t i = 0; i < length; i++) row[i] = (double)weight->value[(size_t)c * length + i];
        if (bias >= 0) row[length] = (double)ps_net_param(net, bias)->value[c];
    }
    return PS_OK;
}
