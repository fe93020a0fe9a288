/* Pool Skip written out as primitive layers, for work that needs to see inside it (Hessian-vector products). */
#include <string.h>

#include "core/json.h"
#include "core/memory.h"
#include "graph/graph.h"

ps_status ps_graph_copy_node(const ps_graph *from, const ps_node *node, const char *gate, const cJSON *attributes,
                             const int *input, int inputs, const int *index, ps_graph *to, int *at) {
    ps_node_spec spec = {.name = node->name,
                         .file_name = node->file_name,
                         .stage = node->stage,
                         .gate = gate,
                         .module = node->module,
                         .pool_size_asked = node->pool_size_asked,
                         .type = node->type->name,
                         .inputs = inputs};
    for (int i = 0; i < inputs; i++) spec.input[i] = input[i] < 0 ? -1 : index[input[i]];
    return ps_graph_add_json(to, &spec, attributes, from->name, at);
}

typedef struct {
    ps_graph *to;
    const ps_node *node;
    int y, at; /* the module's input and its latest node in the new graph */
} expansion;

static ps_status add_piece(expansion *e, const char *suffix, const char *type, int first, int second,
                           const cJSON *attributes) {
    char name[256];
    snprintf(name, sizeof name, "%s%s", e->node->name, suffix);
    ps_node_spec spec = {.name = name,
                         .stage = e->node->stage,
                         .module = true,
                         .type = type,
                         .inputs = second >= 0 ? 2 : 1,
                         .input = {first, second}};
    return ps_graph_add_json(e->to, &spec, attributes, e->node->name, &e->at);
}

/* The grid's fixed place, the first of every window, is the maximum of a window of one element. */
static ps_status add_selection(expansion *e, int pool_size, bool grid) {
    cJSON *attributes = cJSON_CreateObject(), *none = cJSON_CreateObject();
    bool whole = attributes != NULL && none != NULL &&
                 cJSON_AddNumberToObject(attributes, "kernel", grid ? 1 : pool_size) != NULL &&
                 cJSON_AddNumberToObject(attributes, "stride", pool_size) != NULL;
    ps_status status =
        whole ? PS_OK : ps_fail(PS_ERR_MEMORY, "node \"%s\": could not allocate its attributes", e->node->name);
    if (status == PS_OK) status = add_piece(e, ".pool", "max_pool", e->y, -1, attributes);
    if (status == PS_OK) status = add_piece(e, ".unpool", "max_unpool", e->at, e->at, none);
    cJSON_Delete(attributes);
    cJSON_Delete(none);
    return status;
}

static ps_status add_conv(expansion *e) {
    cJSON *attributes = cJSON_CreateObject();
    bool whole = attributes != NULL && cJSON_AddNumberToObject(attributes, "channels", e->node->shape.c) != NULL &&
                 cJSON_AddNumberToObject(attributes, "padding", 1) != NULL;
    ps_status status = whole ? add_piece(e, ".conv", "conv", e->at, -1, attributes)
                             : ps_fail(PS_ERR_MEMORY, "node \"%s\": could not allocate its attributes", e->node->name);
    cJSON_Delete(attributes);
    return status;
}

static ps_status add_skip(expansion *e) {
    cJSON *none = cJSON_CreateObject();
    if (none == NULL) return ps_fail(PS_ERR_MEMORY, "node \"%s\": could not allocate its attributes", e->node->name);
    ps_status status = add_piece(e, "", "add", e->y, e->at, none);
    cJSON_Delete(none);
    return status;
}

/* Windows of one element also fit where a whole window does not: then the pieces would keep more than the grid does. */
static bool windows_fill(ps_shape s, int pool_size) {
    return s.h % pool_size == 0 && s.w % pool_size == 0 && (s.d == 1 || s.d % pool_size == 0);
}

static ps_status expand_module(const ps_graph *from, const ps_node *node, const int *index, ps_graph *to, int *at) {
    const char *mode = "full", *cut = "none";
    int pool_size = 2;
    PS_TRY(ps_json_get_int(node->attributes, "pool_size", false, 1, 1 << 20, node->name, &pool_size));
    PS_TRY(ps_json_get_text(node->attributes, "mode", false, node->name, &mode));
    PS_TRY(ps_json_get_text(node->attributes, "cut", false, node->name, &cut));
    bool dense = strcmp(mode, "conv+skip") == 0 || pool_size == 1, conv = strcmp(mode, "pool+skip") != 0,
         skip = strcmp(mode, "pool+conv") != 0;
    bool grid = strcmp(mode, "grid+conv+skip") == 0;
    if (strncmp(mode, "grid-energy", 11) == 0 || strcmp(cut, "none") != 0)
        return ps_fail(PS_ERR_USAGE,
                       "network %s: node \"%s\" (mode %s, cut %s) cannot be written out as primitive layers; take a "
                       "run with another mode "
                       "than grid-energy+conv+skip and no cut",
                       from->name, node->name, mode, cut);
    if (grid && !windows_fill(node->shape, pool_size))
        return ps_fail(PS_ERR_USAGE,
                       "network %s: node \"%s\" (mode %s) cannot be written out as primitive layers, because its map "
                       "is no multiple of its "
                       "pool_size %d; take another pool_size or a run with mode full",
                       from->name, node->name, mode, pool_size);
    expansion e = {.to = to, .node = node};
    e.y = e.at = node->input[0] < 0 ? -1 : index[node->input[0]];
    if (!dense) PS_TRY(add_selection(&e, pool_size, grid));
    if (conv) PS_TRY(add_conv(&e));
    if (skip) PS_TRY(add_skip(&e));
    *at = e.at;
    return PS_OK;
}

static ps_status expand_all(const ps_graph *graph, int *index, ps_graph *to) {
    for (int i = 0; i < graph->count; i++) {
        const ps_node *node = &graph->node[i];
        bool module = strcmp(node->type->name, "pool_skip") == 0;
        PS_TRY(module ? expand_module(graph, node, index, to, &index[i])
                      : ps_graph_copy_node(graph, node, node->gate, node->attributes, node->input, node->inputs, index,
                                           to, &index[i]));
    }
    return PS_OK;
}

ps_status ps_graph_expand(const ps_graph *graph, ps_graph **out) {
    int *index = NULL;
    ps_status status;
    *out = NULL;
    PS_TRY_CLEANUP(PS_ALLOC((size_t)graph->count, &index, "writing out modules"));
    PS_TRY_CLEANUP(ps_graph_create(graph->name, graph->input, out));
    status = expand_all(graph, index, *out);
cleanup:
    if (status != PS_OK) {
        ps_graph_destroy(*out);
        *out = NULL;
    }
    ps_free(index);
    return status;
}
