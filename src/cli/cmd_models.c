#include <stdio.h>

#include "cli/command_line.h"
#include "cli/commands.h"
#include "models/model.h"

const ps_command ps_command_models = {
    .name = "models",
    .usage = "",
    .summary =
        "Lists the named networks with their learned parameters and the FLOPs (two per multiply-add) of one image "
        "forward,\n"
        "at full width for 32x32 colour images and 10 classes, without and with Pool Skip 2 after every convolution of "
        "the blocks.",
    .examples = "  poolscope models\n  poolscope inspect --model resnet18 --pool-skip 2\n",
};

typedef struct {
    size_t backbone, module;
    double macs;
} size_of_model;

static ps_status measure(const ps_model *model, int pool_size, size_of_model *out) {
    ps_model_options options;
    ps_graph *graph;
    ps_model_options_init(model, &options);
    options.pool_skip.pool_size = pool_size;
    PS_TRY(model->build(&options, &graph));
    ps_graph_count(graph, &out->backbone, &out->module, &out->macs);
    ps_graph_destroy(graph);
    return PS_OK;
}

ps_status ps_cmd_models(int argc, char **argv) {
    ps_arguments arguments;
    int count;
    PS_TRY(ps_command_parse(&ps_command_models, argc, argv, &arguments));
    const ps_model *models = ps_models(&count);
    printf("%-10s %12s %10s %14s %14s  %s\n", "model", "parameters", "MFLOPs", "+ Pool Skip 2", "MFLOPs then", "");
    for (int i = 0; i < count; i++) {
        size_of_model plain, skipping;
        PS_TRY(measure(&models[i], 0, &plain));
        PS_TRY(measure(&models[i], 2, &skipping));
        printf("%-10s %12zu %10.0f %14zu %14.0f  %s\n", models[i].name, plain.backbone, plain.macs * 2e-6,
               skipping.module, skipping.macs * 2e-6, models[i].summary);
    }
    return PS_OK;
}
