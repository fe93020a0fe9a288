/* Facts of a run, from two passes over its trace (run.h): of a run under way or another program's as well. */
#include <math.h>
#include <string.h>

#include "analysis/findings/facts.h"
#include "analysis/run.h"
#include "core/memory.h"

static ps_status describe_layers(const ps_run *run, ps_facts *facts) {
    PS_TRY(PS_ALLOC((size_t)run->layer_count, &facts->layers, "facts of layers"));
    facts->layer_count = run->layer_count;
    for (int l = 0; l < run->layer_count; l++) {
        const ps_trace_layer *layer = &run->layers[l];
        ps_layer_facts *out = &facts->layers[l];
        PS_TRY(ps_string_copy(layer->name, &out->name));
        PS_TRY(ps_string_copy(layer->activation, &out->activation));
        out->position = layer->position;
        out->nodes = layer->channels;
        out->fan_in = layer->fan_in > 0 ? layer->fan_in : ps_absent();
        out->own_gate = !layer->shared;
        out->normalised = layer->norm != NULL;
        out->has_module = layer->pool_skip != NULL;
    }
    return PS_OK;
}

ps_status ps_facts_of_trace(const char *path, ps_facts *facts) {
    ps_run *run = NULL;
    memset(facts, 0, sizeof *facts);
    ps_status status = ps_run_open(path, "", &run);
    if (status == PS_OK) status = ps_string_copy(path, &facts->target);
    if (status == PS_OK) status = describe_layers(run, facts);
    ps_run_close(run);
    if (status != PS_OK) ps_facts_clear(facts);
    return status;
}
