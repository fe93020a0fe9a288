#include "run/estimate.h"

#include <math.h>

#include "core/clock.h"
#include "probe/probe.h"
#include "run/looks.h"
#include "run/session.h"

enum { TIMED_STEPS = 3 };

static double seconds_since(uint64_t start) { return (double)(ps_clock_ns() - start) * 1e-9; }

static ps_status time_step(ps_session *s, uint64_t step, double *seconds) {
    uint64_t start = ps_clock_ns();
    ps_train_source source = ps_session_train_source(s);
    ps_loss loss;
    ps_step_time time = {0};
    PS_TRY(ps_train_gradient(s->net, &source, ps_rng_key_of(0, "estimate"), step, s->x, s->label, &loss, &time));
    ps_optimiser_step(s->optimiser, step, (uint64_t)s->config->steps);
    *seconds = seconds_since(start);
    return PS_OK;
}

/* As evaluation does it, and as a probing does. */
static double time_forward(ps_session *s, bool plain) {
    uint64_t start = ps_clock_ns();
    if (plain) ps_net_forward_plain(s->net, s->x, PS_MODE_PROBE, NULL, NULL);
    else ps_net_forward(s->net, s->x, PS_MODE_PROBE, ps_rng_key_of(0, "estimate"), NULL);
    return seconds_since(start);
}

/* A recorded value takes about twelve characters; every node has about thirty a window. */
static double trace_bytes(const ps_run_config *c, const ps_units *units) {
    double nodes = 0, windows = ceil((double)c->steps / c->window) + 1;
    for (int u = 0; u < units->count; u++) nodes += units->unit[u].channels;
    return windows * nodes * 30 * 12 + (double)c->steps * 150;
}

/* What a run would do before its first step, and might refuse: plant, and attach what is recorded. */
static ps_status try_start(ps_session *session) {
    const ps_run_config *c = session->config;
    ps_planting_list planted = {NULL, 0, 0};
    ps_probe *probe = NULL;
    ps_probe_source source = ps_session_probe_source(session);
    ps_probe_options options = {.record = c->record, .source = source};
    PS_TRY(ps_net_check_statistics(session->net));
    ps_status status = c->plant[0] != '\0' ? ps_plant(session->net, c->plant, &source, &planted) : PS_OK;
    ps_planting_list_clear(&planted);
    if (status == PS_OK) status = ps_probe_create(session->net, NULL, &options, &probe);
    ps_probe_destroy(probe);
    return status;
}

ps_status ps_run_estimate_of(const ps_run_config *config, int threads, ps_run_estimate *estimate) {
    ps_session session;
    char digest[17];
    PS_TRY(ps_session_open(&session, config, NULL, threads));
    ps_status status = ps_session_init_weights(&session, ".", digest);
    if (status == PS_OK) status = try_start(&session);
    if (status == PS_OK && config->accumulate > 1) status = ps_net_prepare_parts(session.net);
    double fastest = 1e30;
    for (int i = 0; i <= TIMED_STEPS && status == PS_OK; i++) {
        double seconds;
        status = time_step(&session, (uint64_t)i, &seconds);
        if (status == PS_OK && i > 0) fastest = fmin(fastest, seconds); /* the first warms caches and page tables */
    }
    if (status == PS_OK) {
        double probings = ceil((double)config->steps / config->window) + 1;
        double forward = time_forward(&session, false), plain = time_forward(&session, true);
        ps_net_memory memory = ps_net_memory_use(session.net);
        double parameters = (double)memory.parameter_bytes;
        estimate->task = session.described;
        estimate->step_seconds = fastest;
        double probing = ps_looks_passes(config) * plain * session.probe_batches; /* all of them */
        estimate->probe_seconds = probing / probings;
        double test = forward * ps_dataset_count(session.dataset, PS_SPLIT_TEST) / config->batch;
        estimate->total_seconds = fastest * config->steps + probing + test;
        estimate->memory_bytes =
            (double)(memory.block_bytes + memory.workspace_bytes + memory.parts_bytes) + 4 * parameters;
        estimate->disk_bytes = trace_bytes(config, ps_net_units(session.net)) + 1.5 * parameters;
        estimate->parameters = memory.parameter_bytes / (2 * sizeof(float));
    }
    ps_session_close(&session);
    return status;
}
