/* Works out which instruments run on which layers, and asks the engine for what they need. */
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "probe/probe_internal.h"

bool ps_probe_records(const ps_probe *probe, int quantity, int layer) {
    const ps_instrument *instrument = probe->quantity[quantity].instrument;
    return instrument != NULL && probe->record_quantity[quantity] && probe->record_layer[layer] &&
           ps_probe_attachment(probe, instrument, layer) != NULL;
}

ps_attachment *ps_probe_attachment(const ps_probe *probe, const ps_instrument *instrument, int layer) {
    for (int i = 0; i < probe->instruments; i++) {
        if (probe->instrument[i] != instrument) continue;
        ps_attachment *a = &probe->attached[i * probe->layers + layer];
        return a->instrument != NULL ? a : NULL;
    }
    return NULL;
}

static size_t map_values(const ps_instrument *instrument, const ps_probe_layer *layer) {
    return (size_t)instrument->map_columns * (size_t)layer->unit->elements * (size_t)layer->unit->channels;
}

static size_t features_of(const ps_instrument *instrument, const ps_probe_layer *layer) {
    return instrument->features != NULL ? instrument->features(layer) : 0;
}

static size_t state_values(const ps_instrument *instrument, const ps_probe_layer *layer) {
    return (size_t)instrument->columns * (size_t)layer->unit->channels + features_of(instrument, layer);
}

void ps_attachment_clear(const ps_probe *probe, ps_attachment *a) {
    size_t values = state_values(a->instrument, &probe->layer[a->layer]);
    if (values > 0) memset(a->state, 0, values * sizeof *a->state);
    if (a->maps != NULL) memset(a->maps, 0, map_values(a->instrument, &probe->layer[a->layer]) * sizeof *a->maps);
}

const double *ps_probe_state(const struct ps_probe *probe, const ps_instrument *instrument, int unit) {
    const ps_attachment *attachment = ps_probe_attachment(probe, instrument, unit);
    return attachment != NULL ? attachment->state : NULL;
}

/* ---- what the engine is asked for ---- */

static ps_status request_sums(ps_net *net, int node, unsigned sums, double **accumulator) {
    for (int s = 0; s < PS_SUMS; s++)
        if ((sums & (1u << s)) != 0) PS_TRY(ps_net_request_sum(net, node, (ps_sum)s, &accumulator[s]));
    return PS_OK;
}

/* What enters a shared gate is the sum behind its add, which fusing hides inside the node. */
static bool enters_inside(const ps_net *net, const ps_unit *unit) {
    return unit->shared && ps_net_graph(net)->op[unit->gate_op].type->entering != NULL;
}

static ps_status request(ps_probe *probe, const ps_instrument *instrument, ps_probe_layer *layer) {
    const ps_unit *unit = layer->unit;
    PS_TRY(request_sums(probe->net, unit->gate_op, instrument->gate_sums, layer->gate_sum));
    PS_TRY(request_sums(probe->net, unit->entry_op, instrument->entry_sums, layer->entry_sum));
    if ((instrument->entry_sums & 1u << PS_SUM_INPUT_GRAD_SQUARES) != 0 && enters_inside(probe->net, unit))
        PS_TRY(ps_net_request_sum(probe->net, unit->entry_op, PS_SUM_ENTERING_GRAD_SQUARES,
                                  &layer->entry_sum[PS_SUM_INPUT_GRAD_SQUARES]));
    if (instrument->pool_sums != 0)
        PS_TRY(request_sums(probe->net, unit->pool_skip_op, instrument->pool_sums, layer->pool_sum));
    if (instrument->account && layer->account == NULL) {
        PS_TRY(ps_optimiser_track(probe->optimiser, layer->weight));
        layer->account = ps_optimiser_account(probe->optimiser, layer->weight);
    }
    for (int i = 0; instrument->reader_accounts && i < unit->readers; i++)
        PS_TRY(ps_optimiser_track(probe->optimiser, ps_net_op_param(probe->net, unit->reader[i].op, "weight")));
    return PS_OK;
}

/* ---- rows of gradients ---- */

enum { BLOCK_ELEMENTS = 1 << 15 };

static ps_status add_blocks(ps_probe *probe, int param, double *squares) {
    const ps_param *p = ps_net_param(probe->net, param);
    size_t per_block = BLOCK_ELEMENTS / p->row_length + 1, rows = (size_t)p->spec.rows;
    for (size_t first = 0; first < rows; first += per_block) {
        size_t count = rows - first < per_block ? rows - first : per_block;
        PS_TRY(PS_GROW(&probe->block, &probe->block_capacity, probe->blocks + 1, "probe"));
        probe->block[probe->blocks++] =
            (ps_row_block){p->grad + first * p->row_length, p->row_length, count, squares + first};
    }
    return PS_OK;
}

/* ---- instruments ---- */

/* The node after which a tensor is ready: the later of what the node reads, while all of it is still in memory. */
static int ready_after(const ps_graph *graph, int node) {
    int latest = -1;
    for (int k = 0; k < graph->op[node].inputs; k++)
        if (graph->op[node].input[k] > latest) latest = graph->op[node].input[k];
    return latest;
}

static ps_status add_point(ps_probe *probe, int layer, ps_tap tap) {
    const ps_graph *graph = ps_net_graph(probe->net);
    const ps_unit *unit = probe->layer[layer].unit;
    int node = unit->gate_op;
    if (tap == PS_TAP_ENTRY) node = graph->op[unit->entry_op].input[0];
    if (tap == PS_TAP_NORM) node = graph->op[unit->norm_op].input[0];
    if (tap == PS_TAP_SOURCE) node = graph->op[unit->source_op].input[0];
    if (ps_tap_is_entering(tap, unit)) node = ready_after(graph, unit->gate_op);
    for (size_t i = 0; i < probe->points; i++)
        if (probe->point[i].layer == layer && probe->point[i].tap == tap) return PS_OK;
    PS_TRY(PS_GROW(&probe->point, &probe->point_capacity, probe->points + 1, "probe"));
    probe->point[probe->points++] = (ps_tap_point){node, layer, tap};
    probe->tap_wanted[tap] = true;
    return PS_OK;
}

static ps_status attach_to_layer(ps_probe *probe, const ps_instrument *instrument, ps_attachment *a, int index) {
    ps_probe_layer *layer = &probe->layer[index];
    if (a->instrument != NULL || (layer->unit->heads && !instrument->heads)) return PS_OK;
    if (instrument->exists != NULL && !instrument->exists(layer)) return PS_OK;
    size_t channels = (size_t)layer->unit->channels;
    *a = (ps_attachment){.instrument = instrument, .layer = index};
    PS_TRY(PS_ALLOC(state_values(instrument, layer), &a->state, "probe"));
    if (instrument->map_columns > 0) PS_TRY(PS_ALLOC(map_values(instrument, layer), &a->maps, "probe"));
    PS_TRY(request(probe, instrument, layer));
    probe->stepping = probe->stepping || instrument->step != NULL;
    for (int tap = 0; tap < PS_TAPS; tap++)
        if ((instrument->taps & (1u << tap)) != 0 && (tap != PS_TAP_SOURCE || features_of(instrument, layer) > 0))
            PS_TRY(add_point(probe, index, (ps_tap)tap));
    if (instrument->row_param == NULL) return PS_OK;
    PS_TRY(PS_ALLOC(channels, &a->row_squares, "probe"));
    return add_blocks(probe, instrument->row_param(layer), a->row_squares);
}

static bool is_read(const ps_probe *probe, const ps_instrument *instrument) {
    for (int i = 0; i < probe->instruments; i++)
        if (probe->instrument[i]->needs == instrument) return true;
    return false;
}

/* An instrument runs on the recorded layers; one that others read runs everywhere. */
static ps_status attach_all(ps_probe *probe) {
    PS_TRY(PS_ALLOC((size_t)(probe->instruments * probe->layers), &probe->attached, "probe"));
    for (int k = 0; k < probe->instruments; k++) {
        bool everywhere = is_read(probe, probe->instrument[k]);
        for (int i = 0; i < probe->layers; i++)
            if (everywhere || probe->record_layer[i])
                PS_TRY(attach_to_layer(probe, probe->instrument[k], &probe->attached[k * probe->layers + i], i));
    }
    return PS_OK;
}

static ps_status use_instrument(ps_probe *probe, const ps_instrument *instrument) {
    for (int i = 0; i < probe->instruments; i++)
        if (probe->instrument[i] == instrument) return PS_OK;
    if (probe->instruments == PS_PROBE_MAX_INSTRUMENTS)
        return ps_fail(PS_ERR_INTERNAL, "the probe has room for %d instruments", PS_PROBE_MAX_INSTRUMENTS);
    probe->instrument[probe->instruments++] = instrument;
    return instrument->needs != NULL ? use_instrument(probe, instrument->needs) : PS_OK;
}

static int compare_points(const void *a_, const void *b_) {
    const ps_tap_point *a = a_, *b = b_;
    if (a->node != b->node) return a->node < b->node ? -1 : 1;
    if (a->layer != b->layer) return a->layer < b->layer ? -1 : 1;
    return (int)a->tap - (int)b->tap;
}

ps_status ps_probe_attach(ps_probe *probe) {
    bool probing = probe->options.source.batches > 0;
    for (int q = 0; q < probe->quantities; q++) {
        const ps_quantity *quantity = &probe->quantity[q];
        if (quantity->record == PS_RECORD_PROBE && !probing) probe->record_quantity[q] = false;
        if (quantity->record == PS_RECORD_WINDOW && probe->optimiser == NULL) probe->record_quantity[q] = false;
        if (quantity->instrument == NULL || !probe->record_quantity[q]) continue;
        PS_TRY(use_instrument(probe, quantity->instrument));
    }
    PS_TRY(attach_all(probe));
    if (probe->points > 0) qsort(probe->point, probe->points, sizeof *probe->point, compare_points);
    return PS_OK;
}
