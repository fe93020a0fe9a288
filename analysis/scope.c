#include "analysis/scope.h"

#include <string.h>

#include "core/memory.h"

static void add(ps_scopes *scopes, const char *level, const char *name, int layer) {
    scopes->scopes[scopes->count++] = (ps_scope){level, name, layer};
}

static bool has_stage(const ps_scopes *scopes, const char *stage) {
    for (int s = 0; s < scopes->count; s++)
        if (strcmp(scopes->scopes[s].level, "stage") == 0 && strcmp(scopes->scopes[s].name, stage) == 0) return true;
    return false;
}

ps_status ps_scopes_init(ps_scopes *scopes, const ps_run *run) {
    bool shared = false;
    memset(scopes, 0, sizeof *scopes);
    PS_TRY(PS_ALLOC(2 + 2 * (size_t)run->layer_count, &scopes->scopes, "scopes"));
    add(scopes, "network", "private", -1);
    for (int l = 0; l < run->layer_count; l++) shared |= run->layers[l].shared;
    if (shared) add(scopes, "network", "shared", -1);
    scopes->network_count = scopes->count;
    for (int l = 0; l < run->layer_count; l++) {
        const ps_trace_layer *layer = &run->layers[l];
        if (!layer->shared && layer->stage[0] != '\0' && !has_stage(scopes, layer->stage))
            add(scopes, "stage", layer->stage, -1);
    }
    for (int l = 0; l < run->layer_count; l++) add(scopes, "layer", run->layers[l].name, l);
    return PS_OK;
}

void ps_scopes_clear(ps_scopes *scopes) {
    ps_free(scopes->scopes);
    memset(scopes, 0, sizeof *scopes);
}

bool ps_scope_has(const ps_scope *scope, const ps_trace_layer *layer, int index) {
    if (scope->layer >= 0) return scope->layer == index;
    if (strcmp(scope->level, "network") == 0) return layer->shared == (strcmp(scope->name, "shared") == 0);
    return !layer->shared && strcmp(layer->stage, scope->name) == 0;
}
