/* What rows count over: all private gates, all shared gates, the private gates of each stage, each layer. */
#ifndef PS_ANALYSIS_SCOPE_H
#define PS_ANALYSIS_SCOPE_H

#include "analysis/run.h"

typedef struct {
    const char *level, *name; /* as in TABLES.md; borrowed from the run */
    int layer;                /* -1: not a single layer */
} ps_scope;

typedef struct {
    ps_scope *scopes;
    int count, network_count; /* the first network_count have level "network" */
} ps_scopes;

ps_status ps_scopes_init(ps_scopes *scopes, const ps_run *run);
void ps_scopes_clear(ps_scopes *scopes);
bool ps_scope_has(const ps_scope *scope, const ps_trace_layer *layer, int index);

#endif
