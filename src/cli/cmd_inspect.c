#include <stdio.h>
#include <string.h>

#include "cli/command_line.h"
#include "cli/commands.h"
#include "models/model.h"
#include "run/network.h"
#include "core/json.h"
#include "graph/units.h"
#include "layers/attributes.h"

static bool as_json, show_layers;
static const char *input_text;
static int classes;

static const ps_option options[] = {
    PS_TEXT("input", input_text, "C,H,W", NULL,
            "shape of the input (C,D,H,W for volumes) [the model's or the graph's own]"),
    PS_WHOLE("classes", classes, "N", NULL, 1, PS_OPTION_ANY, "number of classes [10; a graph's own]"),
    PS_FLAG("json", as_json, "print the network as a JSON graph instead, to edit and use with --graph"),
    PS_FLAG("layers", show_layers, "list the layer types and their attributes instead"),
    {0},
};

const ps_command ps_command_inspect = {
    .name = "inspect",
    .usage = "[--model NAME | --graph FILE] [options]",
    .summary =
        "Prints a network layer by layer, where its Pool Skip modules stand, and its gates: which nodes are recorded "
        "under which name.",
    .examples =
        "  poolscope inspect --model resnet18 --pool-skip 2\n"
        "  poolscope inspect --model resnet50 --pool-skip 4 --pool-skip-placement 1x1 --input 3,32,32\n"
        "  poolscope inspect --model plain9 --json > net.json\n",
    .options = options,
    .run_options = "Network,Pool Skip",
};

static ps_status parse_input(ps_shape *shape) {
    int value[4], count;
    if (input_text == NULL) input_text = "3,32,32";
    PS_TRY(ps_parse_int_list(input_text, "--input", 4, value, &count));
    if (count != 3 && count != 4)
        return ps_fail(PS_ERR_USAGE, "--input needs C,H,W or C,D,H,W, not \"%s\"", input_text);
    *shape = (ps_shape){1, value[0], count == 4 ? value[1] : 1, value[count - 2], value[count - 1]};
    if (shape->c < 1 || shape->d < 1 || shape->h < 1 || shape->w < 1)
        return ps_fail(PS_ERR_USAGE, "--input needs sizes of at least 1, not \"%s\"", input_text);
    return PS_OK;
}

static void print_shape(ps_shape s, char *text, size_t size) {
    if (s.d > 1) snprintf(text, size, "%dx%dx%dx%d", s.c, s.d, s.h, s.w);
    else if (s.h * s.w > 1) snprintf(text, size, "%dx%dx%d", s.c, s.h, s.w);
    else snprintf(text, size, "%d", s.c);
}

static size_t node_parameters(const ps_graph *graph, int i) {
    const ps_op *op = &graph->op[i];
    ps_param_spec specs[PS_LAYER_MAX_PARAMS];
    ps_shape in[PS_LAYER_MAX_INPUTS];
    size_t sum = 0;
    ps_graph_input_shapes(graph, i, in);
    int count = op->type->params != NULL ? op->type->params(op->config, in, op->shape, specs) : 0;
    for (int p = 0; p < count; p++) {
        size_t size = 1;
        for (int d = 0; d < specs[p].rank; d++) size *= (size_t)specs[p].dims[d];
        sum += size;
    }
    return sum;
}

static void print_nodes(const ps_graph *graph) {
    printf("%-40s %-16s %-14s %12s  %s\n", "node", "type", "output", "parameters", "inputs");
    for (int i = 0; i < graph->count; i++) {
        const ps_op *op = &graph->op[i];
        char shape[64];
        print_shape(op->shape, shape, sizeof shape);
        printf("%-40s %-16s %-14s %12zu ", op->name, op->type->name, shape, node_parameters(graph, i));
        for (int k = 0; k < op->inputs; k++) printf(" %s", op->input[k] < 0 ? "input" : graph->op[op->input[k]].name);
        printf("\n");
    }
}

static ps_status print_pool_skips(const ps_graph *graph) {
    int count = 0;
    for (int i = 0; i < graph->count; i++) count += graph->op[i].type->role == PS_ROLE_POOL_SKIP;
    printf("\nPool Skip modules: %d\n", count);
    for (int i = 0; i < graph->count; i++) {
        const ps_op *op = &graph->op[i];
        if (op->type->role != PS_ROLE_POOL_SKIP) continue;
        char *attributes;
        PS_TRY(ps_json_text(op->attributes, &attributes));
        printf("  after %-36s in files %-36s %s", graph->op[op->input[0]].name, op->file_name, attributes);
        if (op->pool_size_asked != 0) printf("  clipped to the map from %d", op->pool_size_asked);
        printf("\n");
        cJSON_free(attributes);
    }
    return PS_OK;
}

static ps_status print_units(const ps_graph *graph) {
    ps_units units;
    PS_TRY(ps_units_create(graph, &units));
    int nodes = 0;
    for (int u = 0; u < units.count; u++) nodes += units.unit[u].channels;
    printf("\nGates: %d with %d nodes (a node is layer:channel)\n", units.count, nodes);
    for (int u = 0; u < units.count; u++) {
        const ps_unit *unit = &units.unit[u];
        char sharing[640];
        ps_unit_sharing_text(graph, unit, sharing, sizeof sharing);
        printf("  %-40s %5d nodes  gate %-30s %s%s%s%s\n", unit->name, unit->channels, unit->gate,
               unit->shared ? "shared (" : "private", sharing, unit->shared ? ")" : "",
               unit->identity_path ? ", also read by an identity path" : "");
    }
    ps_units_clear(&units);
    return PS_OK;
}

static void print_layer_types(void) {
    char values[256];
    for (const ps_layer_type *const *type = ps_layer_types(); *type != NULL; type++) {
        printf("%-16s %s\n", (*type)->name, (*type)->summary);
        for (const ps_attribute *a = (*type)->attributes; a != NULL && a->name != NULL; a++) {
            ps_attribute_values(a, values, sizeof values);
            printf("  %-14s   %s", a->name, a->help);
            if (a->standard == NULL) printf(" (needed)");
            else if (a->standard[0] != '\0') printf(" [%s]", a->standard);
            printf("; %s\n", values);
        }
    }
}

/* A graph of the user's own says itself what it takes and gives, unless the options ask. */
static ps_status build(const ps_run_config *config, ps_graph **graph) {
    const ps_model *model;
    ps_shape input = {1, 3, 1, 32, 32};
    int outputs = 10;
    bool asked = input_text != NULL || classes > 0;
    if (config->graph[0] == '\0' && ps_model_find(config->model, &model) == PS_OK) {
        input = model->defaults.input;
        outputs = model->defaults.classes;
    }
    if (input_text != NULL) PS_TRY(parse_input(&input));
    if (config->graph[0] == '\0' || asked)
        return ps_network_build(config, input, classes > 0 ? classes : outputs, "input", graph);
    ps_graph *own;
    PS_TRY(ps_graph_read(config->graph, &own));
    ps_status status = ps_network_build(config, own->input, own->op[own->count - 1].shape.c, "input", graph);
    ps_graph_destroy(own);
    return status;
}

static ps_status inspect(const ps_run_config *config) {
    ps_graph *graph;
    size_t backbone, module;
    double macs;
    PS_TRY(build(config, &graph));
    ps_status status = PS_OK;
    if (as_json) {
        status = ps_graph_write(graph, stdout);
    } else {
        print_nodes(graph);
        status = print_pool_skips(graph);
        if (status == PS_OK) status = print_units(graph);
        ps_graph_count(graph, &backbone, &module, &macs);
        printf("\nParameters: %zu, and %zu in modules. Forward: %.1f MFLOPs an image.\n", backbone, module,
               macs * 2e-6);
    }
    ps_graph_destroy(graph);
    return status;
}

ps_status ps_cmd_inspect(int argc, char **argv) {
    ps_arguments arguments;
    ps_run_config config;
    PS_TRY(ps_command_parse(&ps_command_inspect, argc, argv, &arguments));
    if (show_layers) {
        print_layer_types();
        return PS_OK;
    }
    PS_TRY(ps_run_config_init(&config));
    ps_status status = ps_run_settings_apply(&arguments.run, &config);
    if (status == PS_OK) status = inspect(&config);
    ps_run_config_clear(&config);
    return status;
}
