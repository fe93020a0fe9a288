#include "run/arm.h"

#include <string.h>

#include "layers/attributes.h"
#include "trace/trace_schema.h"

/* Modules that differ, or are no Pool Skip, are told as "mixed", which is the mode of no role. */
typedef struct {
    int count, pool_size;
    const char *mode, *cut;
} modules;

static void add_module(modules *all, const ps_op *op) {
    int size = op->pool_size_asked > 0 ? op->pool_size_asked : ps_attribute_int(op->type, op->attributes, "pool_size");
    const char *mode = ps_attribute_text(op->type, op->attributes, "mode"),
               *cut = ps_attribute_text(op->type, op->attributes, "cut");
    if (all->count++ == 0) {
        all->pool_size = size;
        all->mode = mode;
        all->cut = cut;
        return;
    }
    if (all->pool_size != size) all->pool_size = 0;
    if (strcmp(all->mode, mode) != 0 || strcmp(all->cut, cut) != 0) all->mode = "mixed";
}

/* An inserted module that is no Pool Skip. */
static void add_foreign(modules *all) {
    all->count++;
    all->pool_size = 0;
    all->mode = "mixed";
}

static const char *activation_of(const ps_units *units) {
    const char *activation = units->count > 0 ? units->unit[0].activation : "";
    for (int i = 1; i < units->count; i++)
        if (strcmp(units->unit[i].activation, activation) != 0) return "mixed";
    return activation;
}

/* Whatever brought the weights: a start at zero, a fork, or a file. */
static bool modules_are_zero(ps_net *net) {
    bool any = false;
    const ps_graph *graph = ps_net_graph(net);
    for (int i = 0; i < ps_net_param_count(net); i++) {
        const ps_param *p = ps_net_param(net, i);
        if (graph->op[p->op].type->role != PS_ROLE_POOL_SKIP || !p->learned) continue;
        any = true;
        for (size_t k = 0; k < p->count; k++)
            if (p->value[k] != 0) return false;
    }
    return any;
}

static ps_arm_cut cut_of(const char *word) {
    for (int cut = 0; cut < PS_CUT_COUNT; cut++)
        if (strcmp(ps_arm_cut_word((ps_arm_cut)cut), word) == 0) return (ps_arm_cut)cut;
    return PS_CUT_NONE;
}

void ps_run_arm_of(ps_net *net, int reinit_dead, ps_trace_arm *arm) {
    const ps_graph *graph = ps_net_graph(net);
    modules all = {.mode = "", .cut = "none"};
    for (int i = 0; i < graph->count; i++)
        if (graph->op[i].type->role == PS_ROLE_POOL_SKIP) add_module(&all, &graph->op[i]);
    for (int i = 0; i < graph->count; i++)
        if (graph->op[i].module && graph->op[i].type->role != PS_ROLE_POOL_SKIP) add_foreign(&all);
    *arm = (ps_trace_arm){.pool_size = all.pool_size,
                          .zero_init = all.count > 0 && modules_are_zero(net),
                          .cut = cut_of(all.cut),
                          .activation = activation_of(ps_net_units(net)),
                          .reinit_dead = reinit_dead};
    arm->role = ps_arm_role_of(all.count > 0, all.mode, arm->cut, graph->leaky_control, reinit_dead > 0);
}
