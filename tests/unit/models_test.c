/* Named networks: sizes against PyTorch's, names in both numberings, where Pool Skip goes, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/graphs.h"

static size_t backbone_of(const ps_graph *graph) {
    size_t backbone, module;
    double macs;
    ps_graph_count(graph, &backbone, &module, &macs);
    return backbone;
}

static size_t module_of(const ps_graph *graph) {
    size_t backbone, module;
    double macs;
    ps_graph_count(graph, &backbone, &module, &macs);
    return module;
}

/* Figures printed by `python3 tests/ref/torch_models.py count MODEL [--width W] [--pool-skip 2]` (PyTorch 1.13). */
static void parameters_are_those_of_pytorch(void **state) {
    (void)state;
    static const struct {
        const char *model;
        double width;
        int e;
        size_t backbone, module;
    } expected[] = {{"resnet18", 1, 0, 11173962, 0},          {"resnet34", 1, 0, 21282122, 0},
                    {"resnet50", 1, 0, 23520842, 0},          {"resnet101", 1, 0, 42512970, 0},
                    {"resnet152", 1, 0, 58156618, 0},         {"vgg16", 1, 0, 33646666, 0},
                    {"resnet18", 1, 2, 11173962, 12537600},   {"vgg16", 1, 2, 33646666, 16298112},
                    {"resnet50", 0.25, 2, 1484186, 12737568}, {"mobilenet", 1, 2, 3223178, 59675328},
                    {"mobilenet", 0.3, 2, 305863, 5344040},   {"googlenet", 1, 2, 6310314, 13347040},
                    {"googlenet", 0.3, 2, 573794, 1199378},   {"vit_7_4_32", 1, 2, 3716874, 590080},
                    {"cvt_7_4_32", 1, 2, 3716619, 590080},    {"cct_7_3x1_32", 1, 2, 3760139, 590080},
                    {"cct_7_3x1_32", 0.25, 0, 251915, 0}};
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        ps_model_options options = model_options(expected[i].model);
        options.width = expected[i].width;
        options.pool_skip.pool_size = expected[i].e;
        ps_graph *graph = model_graph(expected[i].model, &options);
        assert_int_equal(backbone_of(graph), expected[i].backbone);
        assert_int_equal(module_of(graph), expected[i].module);
        ps_graph_destroy(graph);
    }
}

/* zoo of the paper: counted by building the public modules in PyTorch. */
static void segmentation_networks_have_the_published_sizes(void **state) {
    (void)state;
    /* Planned for scans of 3 x 0.76 x 0.76 mm, patches of 48 x 192 x 192. */
    static const ps_unet_plan btcv = {.stages = 6,
                                      .stride = {{1, 1, 1}, {1, 2, 2}, {2, 2, 2}, {2, 2, 2}, {2, 2, 2}, {1, 2, 2}},
                                      .kernel = {{1, 3, 3}, {3, 3, 3}, {3, 3, 3}, {3, 3, 3}, {3, 3, 3}, {3, 3, 3}},
                                      .channels = {32, 64, 128, 256, 320, 320}};
    static const struct {
        const char *model;
        ps_shape input;
        int classes;
        size_t backbone, module;
        const ps_unet_plan *plan;
    } expected[] = {{"deeplabv3plus-mobilenetv2", {1, 3, 1, 65, 65}, 21, 5225717, 2381104, NULL},
                    {"deeplabv3plus-mobilenetv2", {1, 3, 1, 64, 64}, 19, 5225203, 2381104, NULL},
                    {"deeplabv3plus-resnet101", {1, 3, 1, 33, 33}, 21, 58753973, 2381104, NULL},
                    {"vnet", {1, 1, 16, 16, 16}, 14, 45646126, 62288, NULL},
                    {"vnet", {1, 1, 16, 16, 16}, 16, 45654192, 62288, NULL},
                    {"unet2d", {1, 3, 1, 32, 32}, 21, 31038933, 0, NULL},
                    {"nnunet3d", {1, 1, 48, 192, 192}, 14, 30713158, 15761600, &btcv}};
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        ps_model_options options = model_options(expected[i].model);
        options.width = 1;
        options.input = expected[i].input;
        options.classes = expected[i].classes;
        options.segmentation.plan = expected[i].plan;
        options.pool_skip.pool_size = expected[i].module > 0 ? 2 : 0;
        ps_graph *graph = model_graph(expected[i].model, &options);
        assert_int_equal(backbone_of(graph), expected[i].backbone);
        assert_int_equal(module_of(graph), expected[i].module);
        ps_graph_destroy(graph);
    }
}

static void each_pool_skip_adds_its_convolution(void **state) {
    (void)state;
    ps_model_options options = model_options("resnet34");
    options.pool_skip.pool_size = 4;
    ps_graph *graph = model_graph("resnet34", &options);
    size_t expected = 0;
    for (int i = 0; i < graph->count; i++) {
        const ps_op *node = &graph->op[i];
        size_t c = (size_t)node->shape.c;
        assert_int_equal(node->module, strcmp(node->type->name, "pool_skip") == 0);
        if (node->module) expected += 9 * c * c + c;
    }
    assert_int_equal(module_of(graph), expected);
    assert_int_equal(expected > 0, 1);
    ps_graph_destroy(graph);
}

static void known_sizes_and_depths(void **state) {
    (void)state;
    ps_model_options options = model_options("plain9");
    ps_graph *graph = model_graph("plain9", &options);
    /* By hand: weights 9 (3 12 + 2 12 12 + 12 24 + 2 24 24 + 24 48 + 2 48 48), norms 2 * 3 * 84, linear 48 * 10 +
     * 10. */
    assert_int_equal(backbone_of(graph), 9 * (36 + 288 + 288 + 1152 + 1152 + 4608) + 504 + 490);
    ps_graph_destroy(graph);
    options.batch_norm = false;
    graph = model_graph("plain9", &options);
    assert_int_equal(backbone_of(graph), 9 * (36 + 288 + 288 + 1152 + 1152 + 4608) + 252 + 490);
    for (int i = 0; i < graph->count; i++) assert_string_not_equal(graph->op[i].type->name, "batch_norm");
    ps_graph_destroy(graph);
    static const struct {
        const char *model;
        int layers;
    } depths[] = {{"plain9", 10},   {"plain20", 20},    {"vgg16", 16},      {"resnet18", 18}, {"resnet34", 34},
                  {"resnet50", 50}, {"resnet101", 101}, {"resnet152", 152}, {"d110", 110}};
    for (size_t m = 0; m < sizeof depths / sizeof *depths; m++) {
        options = model_options(depths[m].model);
        graph = model_graph(depths[m].model, &options);
        int layers = 0;
        for (int i = 0; i < graph->count; i++)
            layers +=
                (strcmp(graph->op[i].type->name, "conv") == 0 || strcmp(graph->op[i].type->name, "linear") == 0) &&
                strstr(graph->op[i].name, "shortcut") == NULL;
        assert_int_equal(layers, depths[m].layers);
        ps_graph_destroy(graph);
    }
}

/* Everything but the modules has the same name, type, shape and stage in both arms. */
static void arms_have_the_same_backbone(void **state) {
    (void)state;
    int count;
    const ps_model *models = ps_models(&count);
    for (int m = 0; m < count; m++) {
        ps_model_options options = models[m].defaults;
        options.width = 0.05;
        ps_graph *base = model_graph(models[m].name, &options);
        static const char *const placements[] = {"all", "blocks", NULL};
        for (int p = 0; placements[p] != NULL; p++) {
            options.pool_skip = (ps_pool_skip_config){.pool_size = 2, .placement = placements[p]};
            ps_graph *arm = model_graph(models[m].name, &options);
            int k = 0, modules = 0;
            for (int i = 0; i < arm->count; i++) {
                if (arm->op[i].module) {
                    modules++;
                    continue;
                }
                assert_true(k < base->count);
                assert_string_equal(arm->op[i].name, base->op[k].name);
                assert_string_equal(arm->op[i].stage, base->op[k].stage);
                assert_true(arm->op[i].type == base->op[k].type);
                assert_true(ps_shape_equal(arm->op[i].shape, base->op[k].shape));
                k++;
            }
            assert_int_equal(k, base->count);
            assert_true(modules > 0);
            ps_graph_destroy(arm);
        }
        ps_graph_destroy(base);
    }
}

static const ps_op *named(const ps_graph *graph, const char *name) {
    int index = ps_graph_find(graph, name);
    if (index < 0) fail_msg("no node is named %s", name);
    return &graph->op[index];
}

static void names_follow_the_public_code(void **state) {
    (void)state;
    ps_model_options options = model_options("resnet50");
    options.width = 0.0625;
    options.pool_skip.pool_size = 2;
    ps_graph *graph = model_graph("resnet50", &options);
    static const char *const expected[][3] = {
        {"conv1.0", "conv1.0", "conv"},
        {"conv1.1", "conv1.1", "batch_norm"},
        {"conv2_x.0.residual_function.0", "conv2_x.0.residual_function.0", "conv"},
        {"conv2_x.0.residual_function.0.pool_skip", "conv2_x.0.residual_function.1", "pool_skip"},
        {"conv2_x.0.residual_function.1", "conv2_x.0.residual_function.2", "batch_norm"},
        {"conv2_x.0.residual_function.2", "conv2_x.0.residual_function.3", "relu"},
        {"conv2_x.0.residual_function.3", "conv2_x.0.residual_function.4", "conv"},
        {"conv2_x.0.residual_function.3.pool_skip", "conv2_x.0.residual_function.5", "pool_skip"},
        {"conv2_x.0.residual_function.6", "conv2_x.0.residual_function.8", "conv"},
        {"conv2_x.0.residual_function.6.pool_skip", "conv2_x.0.residual_function.9", "pool_skip"},
        {"conv2_x.0.residual_function.7", "conv2_x.0.residual_function.10", "batch_norm"},
        {"conv2_x.0.shortcut.0", "conv2_x.0.shortcut.0", "conv"},
        {"conv2_x.0.shortcut.1", "conv2_x.0.shortcut.1", "batch_norm"},
        {"conv5_x.2.residual_function.7", "conv5_x.2.residual_function.10", "batch_norm"},
        {"fc", "fc", "linear"}};
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        const ps_op *node = named(graph, expected[i][0]);
        assert_string_equal(node->file_name, expected[i][1]);
        assert_string_equal(node->type->name, expected[i][2]);
    }
    assert_int_equal(ps_graph_find(graph, "conv2_x.1.shortcut.0"), -1);
    ps_graph_destroy(graph);
    options = model_options("vgg16");
    options.width = 0.0625;
    options.pool_skip.pool_size = 2;
    graph = model_graph("vgg16", &options);
    assert_string_equal(named(graph, "features.3")->type->name, "conv");
    assert_string_equal(named(graph, "features.3")->file_name, "features.4");
    assert_string_equal(named(graph, "features.3.pool_skip")->file_name, "features.5");
    assert_string_equal(named(graph, "features.6")->type->name, "max_pool");
    assert_string_equal(named(graph, "features.6")->file_name, "features.8");
    assert_string_equal(named(graph, "classifier.6")->file_name, "classifier.6");
    ps_graph_destroy(graph);
}

typedef struct {
    const char *name, *file_name, *type;
} expected_name;

static void names_are(const char *model, int pool_size, const expected_name *expected) {
    ps_model_options options = model_options(model);
    options.width = 0.0625;
    options.pool_skip.pool_size = pool_size;
    ps_graph *graph = model_graph(model, &options);
    for (const expected_name *e = expected; e->name != NULL; e++) {
        const ps_op *node = named(graph, e->name);
        assert_string_equal(node->file_name, e->file_name);
        assert_string_equal(node->type->name, e->type);
    }
    ps_graph_destroy(graph);
}

static void names_of_mobilenet(void **state) {
    (void)state;
    static const expected_name baseline[] = {{"stem.0.conv", "stem.0.conv", "conv"},
                                             {"stem.0.bn", "stem.0.bn", "batch_norm"},
                                             {"stem.1.depthwise.0", "stem.1.depthwise.0", "conv"},
                                             {"conv3.5.pointwise.1", "conv3.5.pointwise.1", "batch_norm"},
                                             {"conv4.1.pointwise.0", "conv4.1.pointwise.0", "conv"},
                                             {"fc", "fc", "linear"},
                                             {0}};
    static const expected_name skip[] = {{"stem.0.conv.pool_skip", "stem.0.pool_skip", "pool_skip"},
                                         {"stem.0.bn", "stem.0.bn", "batch_norm"},
                                         {"stem.1.depthwise.0.pool_skip", "stem.1.depthwise.1", "pool_skip"},
                                         {"stem.1.depthwise.1", "stem.1.depthwise.2", "batch_norm"},
                                         {"conv4.1.pointwise.0.pool_skip", "conv4.1.pointwise.1", "pool_skip"},
                                         {0}};
    names_are("mobilenet", 0, baseline);
    names_are("mobilenet", 2, skip);
    ps_model_options options = model_options("mobilenet");
    ps_graph *graph = model_graph("mobilenet", &options);
    const ps_op *last = named(graph, "conv4.1.pointwise.2");
    assert_int_equal(last->shape.c, 1024);
    assert_int_equal(last->shape.h, 2);
    ps_graph_destroy(graph);
}

static void names_of_googlenet(void **state) {
    (void)state;
    static const expected_name baseline[] = {{"prelayer.6", "prelayer.6", "conv"}, {"a3.b1.0", "a3.b1.0", "conv"},
                                             {"a3.b3.4", "a3.b3.4", "batch_norm"}, {"e4.b4.1", "e4.b4.1", "conv"},
                                             {"linear", "linear", "linear"},       {0}};
    static const expected_name skip[] = {{"prelayer.3.pool_skip", "prelayer.5", "pool_skip"},
                                         {"prelayer.6", "prelayer.8", "conv"},
                                         {"a3.b2.3", "a3.b2.4", "conv"},
                                         {"a3.b3.6.pool_skip", "a3.b3.9", "pool_skip"},
                                         {"b5.b4.1", "b5.b4.1", "conv"},
                                         {"b5.b4.2", "b5.b4.3", "batch_norm"},
                                         {0}};
    names_are("googlenet", 0, baseline);
    names_are("googlenet", 2, skip);
    ps_model_options options = model_options("googlenet");
    ps_graph *graph = model_graph("googlenet", &options);
    assert_int_equal(named(graph, "b5.concat")->shape.c, 1024);
    assert_int_equal(named(graph, "b5.concat")->shape.h, 4);
    /* The public code's own slip, without which its weights compute something else. */
    double eps = cJSON_GetObjectItemCaseSensitive(named(graph, "b5.b3.4")->attributes, "eps")->valuedouble;
    assert_true(eps == 128);
    assert_null(cJSON_GetObjectItemCaseSensitive(named(graph, "b5.b3.7")->attributes, "eps"));
    ps_graph_destroy(graph);
    static const int stages[] = {1};
    options.stages = stages;
    options.stage_count = 1;
    assert_sentence(model_status("googlenet", &options), "googlenet", "stages", "leave it out", NULL);
}

static int skips(const char *model, const char *placement) {
    ps_model_options options = model_options(model);
    options.width = 0.05;
    options.pool_skip = (ps_pool_skip_config){.pool_size = 2, .placement = placement};
    ps_graph *graph = model_graph(model, &options);
    int count = 0;
    for (int i = 0; i < graph->count; i++) count += graph->op[i].module;
    ps_graph_destroy(graph);
    return count;
}

static void names_of_transformers(void **state) {
    (void)state;
    static const expected_name vit[] = {
        {"tokenizer.conv_layers.0.0", "tokenizer.conv_layers.0.0", "conv"},
        {"tokenizer.conv_layers.0.0.pool_skip", "tokenizer.conv_layers.0.1", "pool_skip"},
        {"classifier.class_emb", "classifier.class_emb", "class_token"},
        {"classifier.positional_emb", "classifier.positional_emb", "position_embedding"},
        {"classifier.blocks.6.pre_norm", "classifier.blocks.6.pre_norm", "layer_norm"},
        {"classifier.blocks.6.self_attn", "classifier.blocks.6.self_attn", "attention"},
        {"classifier.blocks.6.linear1", "classifier.blocks.6.linear1", "linear"},
        {"classifier.fc", "classifier.fc", "linear"},
        {0}};
    static const expected_name cct[] = {{"tokenizer.conv_layers.0.1", "tokenizer.conv_layers.0.2", "relu"},
                                        {"classifier.blocks.0.activation", "classifier.blocks.0.activation", "gelu"},
                                        {"classifier.attention_pool", "classifier.attention_pool", "sequence_pool"},
                                        {0}};
    names_are("vit_7_4_32", 2, vit);
    names_are("cct_7_3x1_32", 2, cct);
    assert_int_equal(skips("vit_7_4_32", "blocks"), 1);
    assert_int_equal(skips("cct_7_3x1_32", "blocks"), 1);
}

static void transformers_are_free_in_shape(void **state) {
    (void)state;
    static const int depth[] = {2};
    ps_model_options options = model_options("cct_7_3x1_32");
    options.stages = depth;
    options.stage_count = 1;
    options.width = 0.1;
    options.tokens = (ps_token_options){.heads = 3, .tokenizer_kernel = 7, .tokenizer_layers = 2};
    options.drop_path = 0.3;
    ps_graph *graph = model_graph("cct_7_3x1_32", &options);
    const ps_op *tokens = named(graph, "classifier.positional_emb");
    assert_int_equal(tokens->shape.c, 27); /* 25.6 to a multiple of 3 heads */
    assert_int_equal(tokens->shape.h, 2);  /* 32: stride 2, pooled, twice */
    assert_int_equal(ps_graph_find(graph, "classifier.blocks.0.drop_path_mlp"), -1);
    double p = cJSON_GetObjectItemCaseSensitive(named(graph, "classifier.blocks.1.drop_path_mlp")->attributes, "p")
                   ->valuedouble;
    assert_true(p == 0.3);
    assert_int_equal(ps_graph_find(graph, "classifier.blocks.2.linear1"), -1);
    ps_graph_destroy(graph);
    options = model_options("vit_7_4_32");
    options.input.h = 30;
    assert_sentence(model_status("vit_7_4_32", &options), "30 x 32", "patches of 4", "--patch", NULL);
    options = model_options("vit_7_4_32");
    options.tokens.tokenizer_kernel = 3;
    assert_sentence(model_status("vit_7_4_32", &options), "--tokenizer", "--patch", NULL);
    options = model_options("cct_7_3x1_32");
    options.tokens.patch = 8;
    assert_sentence(model_status("cct_7_3x1_32", &options), "--patch", "--tokenizer", NULL);
    options.tokens = (ps_token_options){.tokenizer_kernel = 4, .tokenizer_layers = 1};
    assert_sentence(model_status("cct_7_3x1_32", &options), "odd", NULL);
    options = model_options("resnet18");
    options.tokens.heads = 2;
    assert_sentence(model_status("resnet18", &options), "options of transformers", NULL);
}

static void file_names_are_unique(void **state) {
    (void)state;
    static const char *const models[] = {"plain9",    "vgg16",      "resnet18",     "resnet50", "mobilenet",
                                         "googlenet", "vit_7_4_32", "cct_7_3x1_32", NULL};
    for (int m = 0; models[m] != NULL; m++) {
        ps_model_options options = model_options(models[m]);
        options.width = 0.05;
        options.pool_skip = (ps_pool_skip_config){.pool_size = 2, .placement = "all"};
        ps_graph *graph = model_graph(models[m], &options);
        for (int i = 0; i < graph->count; i++)
            for (int k = 0; k < i; k++) assert_string_not_equal(graph->op[i].file_name, graph->op[k].file_name);
        ps_graph_destroy(graph);
    }
}

static void inputs_of_other_sizes_fit(void **state) {
    (void)state;
    static const struct {
        const char *model, *last;
        int size, side;
    } expected[] = {{"resnet18", "conv5_x.1.relu", 32, 4}, {"resnet18", "conv5_x.1.relu", 16, 2},
                    {"resnet18", "conv5_x.1.relu", 13, 2}, {"vgg16", "features.42", 32, 2},
                    {"vgg16", "features.42", 16, 1},       {"vgg16", "features.42", 64, 4},
                    {"plain9", "stage3.2.relu", 16, 4},    {"d110", "conv5_x.2.relu", 16, 2}};
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        ps_model_options options = model_options(expected[i].model);
        options.width = 0.1;
        options.input.h = options.input.w = expected[i].size;
        options.classes = 7;
        ps_graph *graph = model_graph(expected[i].model, &options);
        const ps_op *node = named(graph, expected[i].last);
        assert_int_equal(node->shape.h, expected[i].side);
        assert_int_equal(node->shape.w, expected[i].side);
        assert_true(ps_shape_equal(graph->op[graph->count - 1].shape, (ps_shape){1, 7, 1, 1, 1}));
        ps_graph_destroy(graph);
    }
}

static void models_take_volumes_or_say_that_they_do_not(void **state) {
    (void)state;
    int count, flat = 0;
    const ps_model *models = ps_models(&count);
    for (int m = 0; m < count; m++) {
        ps_model_options options = models[m].defaults;
        options.width = 0.0625;
        options.input = (ps_shape){1, 1, 16, 16, 16};
        options.pool_skip.pool_size = 2;
        if (models[m].defaults.classes == 4 && models[m].defaults.input.d == 1) { /* segmentation of images */
            assert_sentence(model_status(models[m].name, &options), "takes flat images", NULL);
            flat++;
            continue;
        }
        ps_graph *graph = model_graph(models[m].name, &options);
        assert_true(graph->op[0].shape.d > 1);
        ps_graph_destroy(graph);
    }
    assert_int_equal(flat, 4);
}

static void width_is_rounded_and_never_zero(void **state) {
    (void)state;
    ps_model_options options = model_options("plain9");
    options.width = 0.5;
    ps_graph *graph = model_graph("plain9", &options);
    assert_int_equal(graph->op[0].shape.c, 6);
    ps_graph_destroy(graph);
    options.width = 0.001;
    graph = model_graph("plain9", &options);
    assert_int_equal(graph->op[0].shape.c, 1);
    ps_graph_destroy(graph);
    options.width = 0.3; /* 12 * 0.3 = 3.6 */
    graph = model_graph("plain9", &options);
    assert_int_equal(graph->op[0].shape.c, 4);
    ps_graph_destroy(graph);
}

static void placements_select_what_they_say(void **state) {
    (void)state;
    assert_int_equal(skips("resnet18", NULL), 16);
    assert_int_equal(skips("resnet18", "blocks"), 16);
    assert_int_equal(skips("resnet18", "all"), 16 + 1 + 3);
    assert_int_equal(skips("resnet18", "conv2_x"), 4);
    assert_int_equal(skips("resnet18", "conv2_x..conv4_x"), 12);
    assert_int_equal(skips("resnet18", "conv2_x, conv5_x"), 8);
    assert_int_equal(skips("resnet18", "all,conv3_x"), 5);
    assert_int_equal(skips("resnet18", "all,conv1"), 1);
    assert_int_equal(skips("resnet50", "blocks"), 48);
    assert_int_equal(skips("resnet50", "1x1"), 32);
    assert_int_equal(skips("resnet50", "1x1,conv2_x"), 6);
    assert_int_equal(skips("resnet50", "1x1,all"), 32 + 4);
    assert_int_equal(skips("plain9", "blocks"), 9);
    assert_int_equal(skips("mobilenet", "blocks"), 27);
    assert_int_equal(skips("mobilenet", "1x1"), 13);
    assert_int_equal(skips("googlenet", "blocks"), 66);
    assert_int_equal(skips("googlenet", "a3..b3"), 14);
    assert_int_equal(skips("vgg16", "block1..block2"), 4);
}

static ps_status placement_status(const char *model, const char *placement, int e) {
    ps_model_options options = model_options(model);
    options.width = 0.05;
    options.pool_skip = (ps_pool_skip_config){.pool_size = e, .placement = placement};
    return model_status(model, &options);
}

static void impossible_placements_are_refused(void **state) {
    (void)state;
    assert_sentence(placement_status("resnet18", "conv9_x", 2), "conv9_x", "blocks", "conv2_x", NULL);
    assert_sentence(placement_status("resnet18", "conv2_x..", 2), "conv2_x..", NULL);
    assert_sentence(placement_status("resnet18", "", 2), "unknown", NULL);
    assert_sentence(placement_status("resnet18", "blocks,", 2), "unknown", NULL);
    assert_sentence(placement_status("resnet18", "conv4_x..conv2_x", 2), "backwards", NULL);
    assert_sentence(placement_status("resnet18", "1x1", 2), "selects no convolution", NULL);
    assert_sentence(placement_status("resnet18", "conv1", 2), "selects no convolution", NULL);
    assert_sentence(placement_status("resnet18", "blocks", 17), "17", "up to 16", NULL);
    assert_sentence(placement_status("resnet18", "conv5_x", 5), "larger than every map", "at most 4", NULL);
    assert_sentence(placement_status("resnet18", "blocks", -1), "-1", NULL);
    /* Without Pool Skip a placement changes nothing, for arms may share one configuration, but a mistyped one is
     * none. */
    assert_int_equal(placement_status("resnet18", "conv2_x", 0), PS_OK);
    assert_sentence(placement_status("resnet18", "conv9_x", 0), "conv9_x", NULL);
}

static void module_settings_are_checked_without_modules(void **state) {
    (void)state;
    for (int size = 0; size <= 2; size += 2) {
        ps_model_options options = model_options("plain9");
        ps_graph *graph = NULL;
        const ps_model *model;
        assert_int_equal(ps_model_find("plain9", &model), PS_OK);
        options.pool_skip = (ps_pool_skip_config){.pool_size = size, .mode = "ful"};
        assert_sentence(model->build(&options, &graph), "\"ful\"", "grid+conv+skip", NULL);
        options.pool_skip = (ps_pool_skip_config){.pool_size = size, .mode = "full", .cut = "both"};
        assert_sentence(model->build(&options, &graph), "\"both\"", "forward", NULL);
    }
}

static void pool_size_is_clipped_and_said(void **state) {
    (void)state;
    ps_model_options options = model_options("resnet18");
    options.width = 0.05;
    options.pool_skip.pool_size = 8;
    ps_graph *graph = model_graph("resnet18", &options);
    int clipped = 0;
    for (int i = 0; i < graph->count; i++) {
        const ps_op *node = &graph->op[i];
        if (!node->module) continue;
        int e = cJSON_GetObjectItemCaseSensitive(node->attributes, "pool_size")->valueint;
        assert_int_equal(e, node->shape.h < 8 ? node->shape.h : 8);
        assert_int_equal(node->pool_size_asked, node->shape.h < 8 ? 8 : 0);
        clipped += node->pool_size_asked != 0;
    }
    assert_int_equal(clipped, 4);
    ps_graph_destroy(graph);
    /* conv+skip does not pool: nothing is clipped, however large e. */
    options.pool_skip.mode = "conv+skip";
    options.pool_skip.pool_size = 16;
    graph = model_graph("resnet18", &options);
    for (int i = 0; i < graph->count; i++) assert_int_equal(graph->op[i].pool_size_asked, 0);
    ps_graph_destroy(graph);
}

static void module_options_reach_the_nodes(void **state) {
    (void)state;
    ps_model_options options = model_options("plain9");
    options.pool_skip =
        (ps_pool_skip_config){.pool_size = 4, .mode = "grid+conv+skip", .zero_init = true, .cut = "gradient"};
    ps_graph *graph = model_graph("plain9", &options);
    char *text = graph_text(graph);
    assert_non_null(strstr(text, "\"pool_size\": 4"));
    assert_non_null(strstr(text, "\"mode\": \"grid+conv+skip\""));
    assert_non_null(strstr(text, "\"zero_init\": true"));
    assert_non_null(strstr(text, "\"cut\": \"gradient\""));
    free(text);
    ps_graph_destroy(graph);
    options.pool_skip.mode = "pool";
    assert_sentence(model_status("plain9", &options), "stage1.0.conv.pool_skip", "mode", NULL);
}

static void gates_and_dropout_are_options(void **state) {
    (void)state;
    ps_model_options options = model_options("vgg16");
    options.width = 0.05;
    options.leaky_slope = 0.01;
    ps_graph *graph = model_graph("vgg16", &options);
    int relu = 0, leaky = 0, dropout = 0;
    for (int i = 0; i < graph->count; i++) {
        relu += strcmp(graph->op[i].type->name, "relu") == 0;
        leaky += strcmp(graph->op[i].type->name, "leaky_relu") == 0;
        dropout += strcmp(graph->op[i].type->name, "dropout") == 0;
    }
    assert_int_equal(relu, 0);
    assert_int_equal(leaky, 15);
    assert_int_equal(dropout, 2);
    ps_graph_destroy(graph);
    options.dropout = 0;
    graph = model_graph("vgg16", &options);
    for (int i = 0; i < graph->count; i++) assert_string_not_equal(graph->op[i].type->name, "dropout");
    ps_graph_destroy(graph);
    options = model_options("resnet18");
    options.width = 0.05;
    options.dropout = 0.2;
    graph = model_graph("resnet18", &options);
    assert_string_equal(named(graph, "dropout")->type->name, "dropout");
    ps_graph_destroy(graph);
}

static void every_activation_can_be_asked_for(void **state) {
    (void)state;
    static const char *const names[] = {"relu", "leaky_relu", "relu6", "elu", "gelu", "silu", "prelu"};
    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
        ps_model_options options = model_options("plain9");
        options.width = 0.2;
        options.activation = names[k];
        ps_graph *graph = model_graph("plain9", &options);
        int gates = 0;
        for (int i = 0; i < graph->count; i++) {
            if (graph->op[i].gate == NULL) continue;
            assert_string_equal(graph->op[i].type->name, names[k]);
            gates++;
        }
        assert_int_equal(gates, 9);
        ps_graph_destroy(graph);
    }
    ps_model_options options = model_options("plain9");
    options.activation = "tanh";
    assert_sentence(model_status("plain9", &options), "tanh", "elu, gelu, silu, prelu", NULL);
    options.activation = "gelu";
    options.leaky_slope = 0.1;
    assert_sentence(model_status("plain9", &options), "slope", "gelu", NULL);
}

static void impossible_options_are_refused(void **state) {
    (void)state;
    static const int none[] = {0}, many[] = {1, 1, 1, 1, 1, 1, 1, 1};
    const ps_model *model;
    ps_model_options options = model_options("plain9");
    options.stages = none;
    options.stage_count = 1;
    assert_sentence(model_status("plain9", &options), "stage 1", "0 blocks", NULL);
    options.stages = many;
    options.stage_count = 8;
    assert_sentence(model_status("plain9", &options), "stages", "8", NULL);
    options.stage_count = 0;
    assert_sentence(model_status("plain9", &options), "stages", NULL);
    static const double widths[] = {0, -1, NAN, INFINITY, 1e9};
    for (size_t i = 0; i < sizeof widths / sizeof *widths; i++) {
        options = model_options("resnet18");
        options.width = widths[i];
        assert_sentence(model_status("resnet18", &options), "width", NULL);
    }
    options = model_options("resnet18");
    options.classes = 0;
    assert_sentence(model_status("resnet18", &options), "class", NULL);
    options = model_options("resnet18");
    options.leaky_slope = NAN;
    assert_sentence(model_status("resnet18", &options), "slope", NULL);
    options = model_options("resnet18");
    options.dropout = 1;
    assert_sentence(model_status("resnet18", &options), "dropout", NULL);
    options = model_options("resnet18");
    options.input.h = 0;
    assert_sentence(model_status("resnet18", &options), "input", NULL);
    assert_sentence(ps_model_find("resnet19", &model), "resnet19", "resnet1", NULL);
    assert_null(model);
}

static void stage_lists_are_free(void **state) {
    (void)state;
    static const int stages[] = {1, 2};
    ps_model_options options = model_options("resnet18");
    options.stages = stages;
    options.stage_count = 2;
    options.width = 0.1;
    ps_graph *graph = model_graph("resnet18", &options);
    assert_true(ps_graph_find(graph, "conv3_x.1.relu") >= 0);
    assert_int_equal(ps_graph_find(graph, "conv3_x.2.relu"), -1);
    assert_int_equal(ps_graph_find(graph, "conv4_x.0.relu"), -1);
    ps_graph_destroy(graph);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(parameters_are_those_of_pytorch),
                                       cmocka_unit_test(segmentation_networks_have_the_published_sizes),
                                       cmocka_unit_test(each_pool_skip_adds_its_convolution),
                                       cmocka_unit_test(known_sizes_and_depths),
                                       cmocka_unit_test(arms_have_the_same_backbone),
                                       cmocka_unit_test(names_follow_the_public_code),
                                       cmocka_unit_test(names_of_mobilenet),
                                       cmocka_unit_test(names_of_googlenet),
                                       cmocka_unit_test(names_of_transformers),
                                       cmocka_unit_test(transformers_are_free_in_shape),
                                       cmocka_unit_test(file_names_are_unique),
                                       cmocka_unit_test(inputs_of_other_sizes_fit),
                                       cmocka_unit_test(models_take_volumes_or_say_that_they_do_not),
                                       cmocka_unit_test(width_is_rounded_and_never_zero),
                                       cmocka_unit_test(placements_select_what_they_say),
                                       cmocka_unit_test(impossible_placements_are_refused),
                                       cmocka_unit_test(module_settings_are_checked_without_modules),
                                       cmocka_unit_test(pool_size_is_clipped_and_said),
                                       cmocka_unit_test(module_options_reach_the_nodes),
                                       cmocka_unit_test(gates_and_dropout_are_options),
                                       cmocka_unit_test(every_activation_can_be_asked_for),
                                       cmocka_unit_test(impossible_options_are_refused),
                                       cmocka_unit_test(stage_lists_are_free)};
    return cmocka_run_group_tests_name("models", tests, NULL, NULL);
}
