#include "probe/reinit.h"

#include "core/memory.h"
#include "trace/trace_records.h"

struct ps_reinit {
    ps_reinit_options options;
    ps_probe *probe; /* its own: what the run records must not decide what it does */
    double *value;   /* [most channels]: by which a node is judged */
    int *channel;    /* [most channels]: dead ones */
};

static ps_status build(ps_reinit *r) {
    const ps_units *units = ps_net_units(r->options.net);
    ps_probe_options probe = {.record = "nonzero,pre_max_high", .steps = 1, .window = 1, .source = r->options.source};
    int most = 1;
    for (int u = 0; u < units->count; u++)
        if (units->unit[u].channels > most) most = units->unit[u].channels;
    PS_TRY(PS_ALLOC((size_t)most, &r->value, "re-initialisation"));
    PS_TRY(PS_ALLOC((size_t)most, &r->channel, "re-initialisation"));
    return ps_probe_create(r->options.net, NULL, &probe, &r->probe);
}

ps_status ps_reinit_create(const ps_reinit_options *options, ps_reinit **out) {
    ps_reinit *r;
    *out = NULL;
    PS_TRY(PS_ALLOC(1, &r, "re-initialisation"));
    r->options = *options;
    ps_status status = build(r);
    if (status != PS_OK) ps_reinit_destroy(r);
    else *out = r;
    return status;
}

void ps_reinit_destroy(ps_reinit *reinit) {
    if (reinit == NULL) return;
    ps_probe_destroy(reinit->probe);
    ps_free(reinit->value);
    ps_free(reinit->channel);
    ps_free(reinit);
}

static ps_status renew_node(const ps_reinit *r, const ps_unit *unit, int channel, uint64_t window) {
    static const char *const suffixes[] = {"weight", "bias"};
    const int nodes[] = {unit->source_op, unit->norm_op};
    ps_net *net = r->options.net;
    for (int i = 0; i < 4; i++) {
        int param = nodes[i / 2] >= 0 ? ps_net_op_param(net, nodes[i / 2], suffixes[i % 2]) : -1;
        if (param < 0) continue;
        PS_TRY(ps_net_init_row(net, r->options.scheme, r->options.seed, window, param, channel));
        ps_optimiser_forget_row(r->options.optimiser, param, channel);
    }
    return PS_OK;
}

/* A node on the edge is not known to be dead, and is left alone. */
static ps_status renew_layer(ps_reinit *r, int layer, uint64_t window, uint64_t step, int *count) {
    const ps_unit *unit = &ps_net_units(r->options.net)->unit[layer];
    int dead = 0;
    if (unit->shared) return PS_OK;
    bool bounded = ps_probe_read(r->probe, "pre_max_high", layer, r->value);
    if (!bounded && !ps_probe_read(r->probe, "nonzero", layer, r->value)) return PS_OK;
    for (int c = 0; c < unit->channels; c++) {
        if (!(bounded ? r->value[c] <= 0 : r->value[c] == 0)) continue;
        r->channel[dead++] = c;
        PS_TRY(renew_node(r, unit, c, window));
    }
    *count += dead;
    return dead > 0 ? ps_trace_write_reinitialised(r->options.trace, step, unit->name, r->channel, dead) : PS_OK;
}

ps_status ps_reinit_run(ps_reinit *reinit, uint64_t window, uint64_t step, int *count) {
    int renewed = 0, layers = ps_net_units(reinit->options.net)->count;
    /* All layers are looked at before any is changed. */
    PS_TRY(ps_probe_measure(reinit->probe));
    for (int u = 0; u < layers; u++) PS_TRY(renew_layer(reinit, u, window, step, &renewed));
    if (count != NULL) *count = renewed;
    return PS_OK;
}
