#include "run/network.h"

#include <stdio.h>
#include <string.h>

#include "models/model.h"
#include "run/planned.h"
#include "run/session.h"

enum { MAX_STAGES = 16 };

static const char *or_null(const char *text) { return text[0] != '\0' ? text : NULL; }

/* What shapes named models and does nothing to a graph of one's own. */
static ps_status refuse_idle(const ps_run_config *config) {
    char name[64];
    const char *idle = ps_run_config_first_changed(config, "Network,!model,!graph");
    if (idle == NULL) return PS_OK;
    ps_option_with_dashes(idle, name, sizeof name);
    return ps_fail(PS_ERR_USAGE, "--%s shapes named models only; write it into %s, or leave it out", name,
                   config->graph);
}

static ps_status read_own_graph(const ps_run_config *config, ps_shape input, int classes, const char *option,
                                ps_graph **out) {
    if (config->pool_skip != 0)
        return ps_fail(PS_ERR_USAGE,
                       "--pool-skip places modules in named models only; write them into %s as nodes of type pool_skip",
                       config->graph);
    PS_TRY(refuse_idle(config));
    ps_pool_skip_config unused = {.mode = config->pool_skip_mode, .cut = or_null(config->pool_skip_cut)};
    PS_TRY(ps_model_check_pool_skip(&unused));
    PS_TRY(ps_graph_read(config->graph, out));
    ps_shape own = (*out)->input;
    int outputs = (*out)->op[(*out)->count - 1].shape.c;
    if (ps_shape_equal(ps_shape_with_batch(own, 1), ps_shape_with_batch(input, 1)) && outputs == classes) return PS_OK;
    bool deep = own.d > 1 || input.d > 1;
    ps_status status =
        deep ? ps_fail(
                   PS_ERR_INPUT,
                   "%s: takes %dx%dx%dx%d input (c, d, h, w) and gives %d classes, not %dx%dx%dx%d and %d; change the "
                   "graph or what the data are cut to",
                   config->graph, own.c, own.d, own.h, own.w, outputs, input.c, input.d, input.h, input.w, classes)
             : ps_fail(
                   PS_ERR_INPUT,
                   "%s: takes %dx%dx%d input (c, h, w) and gives %d classes, not %dx%dx%d and %d; change the graph or "
                   "use --%s",
                   config->graph, own.c, own.h, own.w, outputs, input.c, input.h, input.w, classes, option);
    ps_graph_destroy(*out);
    *out = NULL;
    return status;
}

static ps_status parse_batch_norm(const ps_run_config *config, bool *value) {
    if (strcmp(config->batch_norm, "yes") == 0) *value = true;
    else if (strcmp(config->batch_norm, "no") == 0) *value = false;
    else if (config->batch_norm[0] != '\0')
        return ps_fail(PS_ERR_USAGE, "--batch-norm takes yes or no, not \"%s\"", config->batch_norm);
    return PS_OK;
}

static ps_status parse_tokenizer(const ps_run_config *config, ps_token_options *tokens) {
    int end = 0;
    const char *text = config->tokenizer;
    if (text[0] == '\0') return PS_OK;
    if (sscanf(text, "%3dx%3d%n", &tokens->tokenizer_kernel, &tokens->tokenizer_layers, &end) == 2 &&
        text[end] == '\0' && tokens->tokenizer_kernel > 0 && tokens->tokenizer_layers > 0)
        return PS_OK;
    return ps_fail(PS_ERR_USAGE, "--tokenizer takes a kernel and a number of convolutions as 3x1 or 7x2, not \"%.40s\"",
                   text);
}

/* The stages of the plan that the data are prepared by, for networks that are made of them. */
static ps_status read_plan(const ps_run_config *config, const ps_model *model, ps_unet_plan *stages,
                           ps_model_options *options) {
    ps_plan plan;
    const ps_plan_network *network;
    if (!model->defaults.segmentation.takes_plan || !ps_planned(config)) return PS_OK;
    const ps_dataset_options data = ps_session_data_options(config);
    PS_TRY(ps_planned_read(config, &data, &plan, &network));
    stages->stages = network->stages;
    for (int s = 0; s < network->stages; s++) {
        stages->channels[s] = network->features[s];
        memcpy(stages->stride[s], network->stride[s], sizeof stages->stride[s]);
        memcpy(stages->kernel[s], network->kernel[s], sizeof stages->kernel[s]);
    }
    options->segmentation.plan = stages;
    return PS_OK;
}

ps_status ps_network_build(const ps_run_config *config, ps_shape input, int classes, const char *option,
                           ps_graph **out) {
    const ps_model *model;
    ps_model_options options;
    ps_unet_plan planned = {0};
    int stages[MAX_STAGES], stage_count;
    if (config->graph[0] != '\0') return read_own_graph(config, input, classes, option, out);
    PS_TRY(ps_model_find(config->model, &model));
    ps_model_options_init(model, &options);
    PS_TRY(ps_parse_int_list(config->stages, "--stages", MAX_STAGES, stages, &stage_count));
    if (stage_count > 0) {
        options.stages = stages;
        options.stage_count = stage_count;
    }
    PS_TRY(parse_batch_norm(config, &options.batch_norm));
    options.width = config->width;
    options.input = input;
    options.classes = classes;
    options.norm_momentum = config->norm_momentum;
    options.activation = or_null(config->activation);
    options.leaky_slope = config->leaky_slope;
    if (config->dropout >= 0) options.dropout = config->dropout;
    if (config->drop_path >= 0) options.drop_path = config->drop_path;
    options.tokens = (ps_token_options){.heads = config->heads, .patch = config->patch};
    PS_TRY(parse_tokenizer(config, &options.tokens));
    options.segmentation = (ps_segmentation_options){.output_stride = config->output_stride,
                                                     .kernel = config->kernel,
                                                     .no_deep_supervision = !config->deep_supervision};
    PS_TRY(read_plan(config, model, &planned, &options));
    options.pool_skip = (ps_pool_skip_config){.pool_size = config->pool_skip,
                                              .mode = config->pool_skip_mode,
                                              .placement = config->pool_skip_placement,
                                              /* A fork must start as the function it was forked from. */
                                              .zero_init = config->pool_skip_zero_init || config->fork[0] != '\0',
                                              .cut = or_null(config->pool_skip_cut)};
    return model->build(&options, out);
}

const char *ps_network_init_scheme(const ps_run_config *config) {
    const ps_model *model;
    if (config->init_scheme[0] != '\0') return config->init_scheme;
    bool named = config->graph[0] == '\0' && ps_model_find(config->model, &model) == PS_OK;
    return named && model->defaults.init_scheme != NULL ? model->defaults.init_scheme : "torch";
}
