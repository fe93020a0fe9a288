/* Layer types: the list, attributes and their refusals, shapes, parameters, known answers, statistics. Gradients and
 * the comparison with the double-precision reference are in tests/grad/layers_test.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <math.h>

#include <cmocka.h>

#include "core/file.h"
#include "core/json.h"
#include "core/memory.h"
#include "layers/list.h"
#include "tests/lib/gradcheck.h"
#include "layers/attributes.h"

/* ---- Helpers ---- */

static void rig_make(gradcheck_rig *rig, const ps_layer_type *type, const char *sample, ps_mode mode) {
    if (gradcheck_rig_create(type, sample, mode, NULL, rig) != PS_OK) fail_msg("%s: %s", sample, ps_status_message());
}

static void set(float *array, const float *values, size_t count) { memcpy(array, values, count * sizeof *array); }

static void fill(float *array, size_t count, float value) {
    for (size_t i = 0; i < count; i++) array[i] = value;
}

static void expect_values(const float *got, const float *wanted, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (!(fabsf(got[i] - wanted[i]) <= 1e-6f))
            fail_msg("element %zu is %g, not %g", i, (double)got[i], (double)wanted[i]);
}

static size_t outputs(const gradcheck_rig *rig) { return ps_shape_elements(rig->out_shape); }

/* Parses and infers; the status of whichever failed, with its sentence in ps_status_message(). */
static ps_status try_layer(const char *type_name, const char *attributes, const ps_layer_input *in, int inputs,
                           ps_shape *out) {
    const ps_layer_type *type;
    cJSON *json;
    void *config = NULL;
    PS_TRY(ps_layer_find(type_name, "here", &type));
    PS_TRY(ps_json_parse(attributes, "here", &json));
    ps_status status = ps_attributes_read(type, json, "here", &config);
    if (status == PS_OK) status = type->infer(config, in, inputs, "here", out);
    else assert_null(config);
    ps_free(config);
    cJSON_Delete(json);
    return status;
}

/* ---- The list ---- */

static void test_list_is_whole(void **state) {
    (void)state;
    int count = 0;
    for (const ps_layer_type *const *t = ps_layer_types(); *t != NULL; t++, count++) {
        const ps_layer_type *type = *t, *found;
        assert_non_null(type->name), assert_non_null(type->summary);
        assert_non_null(type->infer), assert_non_null(type->forward), assert_non_null(type->backward);
        assert_true(type->min_inputs >= 1 && type->min_inputs <= type->max_inputs &&
                    type->max_inputs <= PS_LAYER_MAX_INPUTS);
        assert_int_equal(type->plan == NULL && type->unplan != NULL, 0);
        assert_true(type->role != PS_ROLE_GATE || type->gate != NULL);
        assert_true(type->gate == NULL || type->role == PS_ROLE_GATE || type->entering != NULL);
        assert_int_equal(type->merges != NULL, type->merged != NULL);
        /* Nothing hides what a node is but a mean whose weights every channel has a part in. */
        assert_true(type->role != PS_ROLE_OTHER || type == &ps_layer_sequence_pool);
        assert_int_equal(type->in_place && type->needs_input, 0); /* the input would be gone in backward */
        assert_int_equal(ps_layer_find(type->name, "here", &found), PS_OK);
        assert_ptr_equal(found, type); /* names are unique */
    }
    assert_true(count >= 14);
}

static void test_find_suggests(void **state) {
    (void)state;
    const ps_layer_type *type;
    assert_int_equal(ps_layer_find("conf", "net.json: nodes[3]", &type), PS_ERR_INPUT);
    assert_string_equal(ps_status_message(), "net.json: nodes[3]: unknown layer type \"conf\"; did you mean \"conv\"?");
    assert_null(type);
    assert_int_equal(ps_layer_find("transformer", "here", &type), PS_ERR_INPUT);
    assert_non_null(strstr(ps_status_message(), "known here: conv, conv_transpose, batch_norm"));
    assert_int_equal(ps_layer_find("Conv", "here", &type), PS_ERR_INPUT);
}

/* ---- Refusals: every one a sentence that leads with the place and names the culprit ---- */

static void test_refusals(void **state) {
    (void)state;
    static const struct {
        const char *type, *attributes;
        int inputs;
        ps_shape in[3];
        const char *part;
    } rows[] = {
        {"conv", "{}", 1, {{1, 3, 1, 8, 8}}, "needs the key \"channels\""},
        {"attention", "{\"heads\": 4}", 1, {{1, 6, 1, 1, 9}}, "4 heads do not divide the 6 channels"},
        {"conv_transpose",
         "{\"channels\": 4, \"output_padding\": 2}",
         1,
         {{1, 3, 1, 8, 8}},
         "\"output_padding\" 2 must be smaller than the stride 2"},
        {"conv_transpose", "{\"channels\": 4, \"padding\": 9}", 1, {{1, 3, 1, 8, 8}}, "makes -2 positions"},
        {"conv_transpose", "{\"channels\": 4, \"stride\": 1024}", 1, {{1, 3, 1, 1, 1200}}, "positions along an axis"},
        {"resize", "{}", 1, {{1, 3, 1, 8, 8}}, "either \"scale\" or a second input"},
        {"resize", "{\"scale\": 2}", 2, {{1, 3, 1, 8, 8}, {1, 3, 1, 8, 8}}, "either \"scale\" or a second input"},
        {"resize",
         "{\"scale\": 2, \"mode\": \"nearest\", \"align_corners\": true}",
         1,
         {{1, 3, 1, 8, 8}},
         "leave it out"},
        {"pad", "{\"after\": 2}", 1, {{1, 3, 1, 8, 8}}, "\"after\" needs \"before\""},
        {"pad", "{\"before\": -4}", 1, {{1, 3, 1, 8, 9}}, "leave 0"},
        {"pad", "{\"before\": -8, \"after\": 3}", 1, {{1, 3, 1, 8, 8}}, "at least one position"},
        {"instance_norm", "{}", 1, {{4, 3, 1, 1, 1}}, "needs two"},
        {"token", "{\"index\": 9}", 1, {{1, 6, 1, 3, 3}}, "\"index\" is 9, but the input has 9 positions"},
        {"conv", "[]", 1, {{1, 3, 1, 8, 8}}, "must be a JSON object"},
        {"conv", "{\"channels\": 0}", 1, {{1, 3, 1, 8, 8}}, "\"channels\" must be a number from 1"},
        {"conv", "{\"channels\": 2.5}", 1, {{1, 3, 1, 8, 8}}, "whole number"},
        {"conv", "{\"channels\": \"many\"}", 1, {{1, 3, 1, 8, 8}}, "\"channels\" must be a number"},
        {"conv",
         "{\"channels\": 4, \"kernal\": 3}",
         1,
         {{1, 3, 1, 8, 8}},
         "unknown key \"kernal\"; did you mean \"kernel\"?"},
        {"conv", "{\"channels\": 4, \"Kernel\": 3}", 1, {{1, 3, 1, 8, 8}}, "unknown key \"Kernel\""},
        {"conv", "{\"channels\": 4, \"kernel\": 0}", 1, {{1, 3, 1, 8, 8}}, "\"kernel\" must be a number from 1"},
        {"conv", "{\"channels\": 4, \"kernel\": [3]}", 1, {{1, 3, 1, 8, 8}}, "not a list of 1"},
        {"conv", "{\"channels\": 4, \"kernel\": []}", 1, {{1, 3, 1, 8, 8}}, "not a list of 0"},
        {"conv",
         "{\"channels\": 4, \"kernel\": [3, \"x\"]}",
         1,
         {{1, 3, 1, 8, 8}},
         "\"kernel\" must hold whole numbers"},
        {"conv", "{\"channels\": 4, \"kernel\": [3, 2.5]}", 1, {{1, 3, 1, 8, 8}}, "\"kernel\" must hold whole numbers"},
        {"conv", "{\"channels\": 4, \"kernel\": {}}", 1, {{1, 3, 1, 8, 8}}, "\"kernel\" must be a number"},
        {"conv", "{\"channels\": 4, \"stride\": 0}", 1, {{1, 3, 1, 8, 8}}, "\"stride\""},
        {"conv", "{\"channels\": 4, \"padding\": -1}", 1, {{1, 3, 1, 8, 8}}, "\"padding\""},
        {"conv", "{\"channels\": 4, \"kernel\": 1e300}", 1, {{1, 3, 1, 8, 8}}, "\"kernel\""},
        {"conv", "{\"channels\": 4, \"bias\": 1}", 1, {{1, 3, 1, 8, 8}}, "\"bias\" must be true or false"},
        {"conv", "{\"channels\": 4, \"dims\": 1}", 1, {{1, 3, 1, 8, 8}}, "\"dims\""},
        {"conv", "{\"channels\": 4, \"dims\": 2, \"kernel\": [3, 3, 3]}", 1, {{1, 3, 1, 8, 8}}, "make them agree"},
        {"conv", "{\"channels\": 4, \"kernel\": [3, 3], \"stride\": [1, 1, 1]}", 1, {{1, 3, 1, 8, 8}}, "are mixed"},
        {"conv",
         "{\"channels\": 4, \"groups\": 3}",
         1,
         {{1, 3, 1, 8, 8}},
         "\"groups\" 3 does not divide \"channels\" 4"},
        {"conv",
         "{\"channels\": 4, \"groups\": 2}",
         1,
         {{1, 3, 1, 8, 8}},
         "does not divide the 3 channels of the input"},
        {"conv", "{\"channels\": 4, \"kernel\": 9}", 1, {{1, 3, 1, 8, 8}}, "does not fit the input 3x1x8x8"},
        {"conv", "{\"channels\": 4, \"dilation\": 1024, \"kernel\": 1024}", 1, {{1, 3, 1, 8, 8}}, "does not fit"},
        {"batch_norm", "{\"eps\": 0}", 1, {{1, 3, 1, 8, 8}}, "\"eps\""},
        {"batch_norm", "{\"momentum\": 1.5}", 1, {{1, 3, 1, 8, 8}}, "\"momentum\""},
        {"batch_norm", "{\"activation\": \"gelu\"}", 1, {{1, 3, 1, 8, 8}}, "\"leaky_relu\", not \"gelu\""},
        {"batch_norm", "{\"activation\": 3}", 1, {{1, 3, 1, 8, 8}}, "must be a text"},
        {"batch_norm", "{}", 2, {{1, 3, 1, 8, 8}, {1, 3, 1, 8, 7}}, "input 0 is 3x1x8x8 and input 1 is 3x1x8x7"},
        {"relu",
         "{\"slope\": 0.1}",
         1,
         {{1, 3, 1, 8, 8}},
         "unknown key \"slope\"; this layer type takes no attributes"},
        {"relu", "7", 1, {{1, 3, 1, 8, 8}}, "must be a JSON object"},
        {"leaky_relu", "{\"slope\": -0.1}", 1, {{1, 3, 1, 8, 8}}, "\"slope\""},
        {"leaky_relu", "{\"slope\": \"NaN\"}", 1, {{1, 3, 1, 8, 8}}, "\"slope\""},
        {"max_pool", "{\"kernel\": 9}", 1, {{1, 3, 1, 8, 8}}, "9x9 pooling window does not fit the input 3x1x8x8"},
        {"max_pool", "{\"kernel\": 2, \"padding\": 2}", 1, {{1, 3, 1, 8, 8}}, "at most half of \"kernel\""},
        {"max_pool", "{\"kernel\": 3, \"padding\": [2, 0]}", 1, {{1, 3, 1, 8, 8}}, "at most half of \"kernel\""},
        {"avg_pool", "{\"kernel\": 3, \"padding\": [0, 2]}", 1, {{1, 3, 1, 8, 8}}, "at most half of \"kernel\""},
        {"avg_pool", "{\"kernel\": 3, \"padding\": [2, 1, 1]}", 1, {{1, 3, 5, 8, 8}}, "at most half of \"kernel\""},
        {"max_pool", "{\"kernel\": [2, 2, 2], \"padding\": [0, 0]}", 1, {{1, 3, 1, 8, 8}}, "are mixed"},
        {"avg_pool", "{\"dilation\": 2}", 1, {{1, 3, 1, 8, 8}}, "unknown key \"dilation\""},
        {"max_unpool",
         "{}",
         2,
         {{1, 3, 1, 8, 8}, {1, 3, 1, 8, 8}},
         "must be the max_pool node whose places it uses, not the network input"},
        {"linear", "{}", 1, {{1, 3, 1, 1, 1}}, "needs the key \"features\""},
        {"add", "{}", 2, {{1, 3, 1, 8, 8}, {1, 4, 1, 8, 8}}, "add needs inputs of one shape"},
        {"add", "{}", 3, {{1, 3, 1, 8, 8}, {1, 3, 1, 8, 8}, {1, 3, 1, 8, 4}}, "input 2 is 3x1x8x4"},
        {"concat", "{}", 2, {{1, 3, 1, 8, 8}, {1, 3, 1, 8, 7}}, "maps of one size"},
        {"concat", "{}", 2, {{1, 1 << 24, 1, 1, 1}, {1, 1 << 24, 1, 1, 1}}, "more than"},
        {"flatten", "{}", 1, {{1, 1 << 20, 1, 100, 100}}, "pool the map first"},
        {"dropout", "{\"p\": 1.01}", 1, {{1, 3, 1, 8, 8}}, "\"p\""},
        {"dropout", "{\"p\": -0.5}", 1, {{1, 3, 1, 8, 8}}, "\"p\""},
        {"pool_skip", "{\"pool_size\": 0}", 1, {{1, 3, 1, 8, 8}}, "\"pool_size\""},
        {"pool_skip",
         "{\"pool_size\": 9}",
         1,
         {{1, 3, 1, 8, 8}},
         "\"pool_size\" 9 is larger than the map of its input 3x1x8x8"},
        {"pool_skip", "{\"pool_size\": 4}", 1, {{1, 3, 1, 8, 3}}, "is larger than the map"},
        {"pool_skip", "{\"pool_size\": 4}", 1, {{1, 3, 3, 8, 8}}, "is larger than the map"},
        {"pool_skip", "{\"pool_size\": 8}", 1, {{1, 3, 9, 9, 9}}, "at most 6 for maps with depth"},
        {"pool_skip", "{\"mode\": \"skip\"}", 1, {{1, 3, 1, 8, 8}}, "\"grid-energy+conv+skip\", not \"skip\""},
        {"pool_skip", "{\"cut\": \"both\"}", 1, {{1, 3, 1, 8, 8}}, "\"forward\" or \"gradient\", not \"both\""},
        {"pool_skip",
         "{\"cut\": \"forward\", \"mode\": \"pool+conv\"}",
         1,
         {{1, 3, 1, 8, 8}},
         "\"cut\" needs a mode with a skip"},
        {"pool_skip",
         "{\"zero_init\": true, \"mode\": \"pool+skip\"}",
         1,
         {{1, 3, 1, 8, 8}},
         "needs a mode with a convolution"},
        {"pool_skip", "{\"poolsize\": 2}", 1, {{1, 3, 1, 8, 8}}, "did you mean \"pool_size\"?"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ps_layer_input in[3] = {{.shape = rows[i].in[0]}, {.shape = rows[i].in[1]}, {.shape = rows[i].in[2]}};
        ps_shape out;
        ps_status_reset();
        ps_status status = try_layer(rows[i].type, rows[i].attributes, in, rows[i].inputs, &out);
        const char *message = ps_status_message();
        if (status != PS_ERR_INPUT || strncmp(message, "here: ", 6) != 0 || strstr(message, rows[i].part) == NULL)
            fail_msg("%s %s: status %d, \"%s\"", rows[i].type, rows[i].attributes, (int)status, message);
    }
}

/* The README's table of attributes says what the tables say, row by row. */
static void test_readme_lists_the_attributes(void **state) {
    (void)state;
    char *text = NULL;
    size_t size, rows = 0, found = 0;
    assert_int_equal(ps_file_read("src/layers/README.md", &text, &size), PS_OK);
    for (const ps_layer_type *const *type = ps_layer_types(); *type != NULL; type++)
        for (const ps_attribute *a = (*type)->attributes; a != NULL && a->name != NULL; a++) {
            char values[256], row[512];
            ps_attribute_values(a, values, sizeof values);
            snprintf(row, sizeof row, "| `%s` | `%s` | %s | %s | %s |\n", (*type)->name, a->name,
                     a->standard == NULL ? "needed" : a->standard, values, a->help);
            if (strstr(text, row) == NULL) fail_msg("src/layers/README.md lacks the row %s", row);
            rows++;
        }
    const char *table = strstr(text, "| type | attribute |"), *end = table != NULL ? strstr(table, "\n\n") : NULL;
    assert_non_null(end);
    for (const char *at = table; (at = strstr(at + 1, "\n| `")) != NULL && at < end;) found++;
    assert_int_equal(found, rows);
    free(text);
}

static void test_unpool_needs_its_pool(void **state) {
    (void)state;
    cJSON *json = cJSON_Parse("{\"kernel\": 3, \"stride\": 2}");
    void *config;
    ps_shape out;
    assert_int_equal(ps_attributes_read(&ps_layer_max_pool, json, "here", &config), PS_OK);
    ps_layer_input in[2] = {{.shape = {1, 3, 1, 3, 3}}, {.shape = {1, 3, 1, 3, 3}, .producer = &ps_layer_relu}};
    assert_int_equal(try_layer("max_unpool", "{}", in, 2, &out), PS_ERR_INPUT);
    assert_non_null(strstr(ps_status_message(), "not relu"));
    in[1].producer = &ps_layer_max_pool, in[1].producer_config = config,
    in[1].producer_input = (ps_shape){1, 3, 1, 7, 7};
    assert_int_equal(try_layer("max_unpool", "{}", in, 2, &out), PS_ERR_INPUT);
    assert_non_null(strstr(ps_status_message(), "windows do not overlap"));
    in[0].shape.c = 4;
    assert_int_equal(try_layer("max_unpool", "{}", in, 2, &out), PS_ERR_INPUT);
    assert_non_null(strstr(ps_status_message(), "max_unpool needs inputs of one shape"));
    ps_free(config);
    cJSON_Delete(json);
}

/* ---- Shapes and parameters ---- */

static void test_shapes(void **state) {
    (void)state;
    static const struct {
        const char *type, *attributes;
        ps_shape in, out;
    } rows[] = {
        {"conv", "{\"channels\": 8}", {1, 3, 1, 32, 30}, {1, 8, 1, 30, 28}},
        {"conv", "{\"channels\": 8, \"padding\": 1, \"stride\": 2}", {1, 3, 1, 32, 31}, {1, 8, 1, 16, 16}},
        {"conv",
         "{\"channels\": 8, \"kernel\": 7, \"padding\": 3, \"stride\": 2}",
         {1, 3, 1, 224, 224},
         {1, 8, 1, 112, 112}},
        {"conv", "{\"channels\": 8, \"kernel\": [1, 5]}", {1, 3, 1, 8, 8}, {1, 8, 1, 8, 4}},
        {"conv", "{\"channels\": 8, \"dilation\": 3, \"padding\": [3, 0]}", {1, 3, 1, 9, 9}, {1, 8, 1, 9, 3}},
        {"conv", "{\"channels\": 8, \"padding\": 1}", {1, 3, 5, 6, 7}, {1, 8, 5, 6, 7}},
        {"conv", "{\"channels\": 8, \"dims\": 2}", {1, 3, 5, 6, 7}, {1, 8, 5, 4, 5}},
        {"conv", "{\"channels\": 8, \"dims\": 3, \"padding\": 1}", {1, 3, 1, 6, 7}, {1, 8, 1, 6, 7}},
        {"conv", "{\"channels\": 8, \"kernel\": [1, 3, 3]}", {1, 3, 1, 6, 7}, {1, 8, 1, 4, 5}},
        {"conv", "{\"channels\": 8, \"kernel\": [3, 3]}", {1, 3, 4, 6, 7}, {1, 8, 4, 4, 5}},
        {"max_pool", "{}", {1, 3, 1, 7, 8}, {1, 3, 1, 3, 4}},
        {"max_pool", "{}", {1, 3, 5, 7, 8}, {1, 3, 2, 3, 4}},
        {"max_pool", "{\"kernel\": 3, \"stride\": 2, \"padding\": 1}", {1, 3, 1, 112, 111}, {1, 3, 1, 56, 56}},
        {"max_pool", "{\"kernel\": [1, 2]}", {1, 3, 1, 7, 8}, {1, 3, 1, 7, 4}},
        {"avg_pool", "{\"kernel\": 4}", {1, 3, 1, 4, 4}, {1, 3, 1, 1, 1}},
        {"global_avg_pool", "{}", {1, 3, 2, 4, 5}, {1, 3, 1, 1, 1}},
        {"linear", "{\"features\": 10}", {1, 77, 1, 1, 1}, {1, 10, 1, 1, 1}},
        {"linear", "{\"features\": 10}", {1, 7, 2, 3, 4}, {1, 10, 2, 3, 4}},
        {"flatten", "{}", {1, 3, 2, 4, 5}, {1, 120, 1, 1, 1}},
        {"attention", "{\"heads\": 3}", {1, 6, 2, 4, 5}, {1, 6, 2, 4, 5}},
        {"position_embedding", "{}", {1, 6, 2, 4, 5}, {1, 6, 2, 4, 5}},
        {"class_token", "{}", {1, 6, 2, 4, 5}, {1, 6, 1, 1, 41}},
        {"token", "{}", {1, 6, 1, 1, 41}, {1, 6, 1, 1, 1}},
        {"sequence_pool", "{}", {1, 6, 1, 4, 5}, {1, 6, 1, 1, 1}},
        {"dropout", "{}", {1, 3, 2, 4, 5}, {1, 3, 2, 4, 5}},
        {"pool_skip", "{\"pool_size\": 3}", {1, 3, 1, 4, 5}, {1, 3, 1, 4, 5}},
        {"pool_skip", "{\"pool_size\": 9, \"mode\": \"conv+skip\"}", {1, 3, 1, 4, 5}, {1, 3, 1, 4, 5}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ps_layer_input in = {.shape = rows[i].in};
        ps_shape out;
        if (try_layer(rows[i].type, rows[i].attributes, &in, 1, &out) != PS_OK)
            fail_msg("row %zu: %s", i, ps_status_message());
        if (!ps_shape_equal(out, rows[i].out))
            fail_msg("%s %s: %dx%dx%dx%d", rows[i].type, rows[i].attributes, out.c, out.d, out.h, out.w);
    }
}

static void expect_spec(const ps_param_spec *spec, const char *suffix, int rank, const int *dims, int rows,
                        ps_init_kind init, int fan_in) {
    assert_string_equal(spec->suffix, suffix);
    assert_int_equal(spec->rank, rank);
    for (int i = 0; i < rank; i++) assert_int_equal(spec->dims[i], dims[i]);
    assert_int_equal(spec->rows, rows);
    assert_int_equal(spec->init, init);
    assert_int_equal(spec->fan_in, fan_in);
}

/* Weights of a transposed convolution in files, [c][k / groups][taps], and in memory, [k][taps][c / groups]. */
static void test_order_of_transposed_weights(void **state) {
    (void)state;
    enum { C = 6, K = 4, GROUPS = 2, TAPS = 6, COUNT = C * (K / GROUPS) * TAPS };
    ps_param_spec spec = {
        .rank = 4, .dims = {C, K / GROUPS, 3, 2}, .channels_last = true, .inputs_first = GROUPS, .rows = K};
    float file[COUNT], memory[COUNT], back[COUNT];
    for (int i = 0; i < COUNT; i++) file[i] = (float)i;
    assert_true(ps_param_is_reordered(&spec));
    ps_param_to_memory_order(&spec, file, memory);
    for (int k = 0; k < K; k++)
        for (int t = 0; t < TAPS; t++)
            for (int c = 0; c < C / GROUPS; c++) {
                int input = k / (K / GROUPS) * (C / GROUPS) + c;
                assert_true(memory[(k * TAPS + t) * (C / GROUPS) + c] ==
                            file[(input * (K / GROUPS) + k % (K / GROUPS)) * TAPS + t]);
            }
    ps_param_to_file_order(&spec, memory, back);
    assert_memory_equal(back, file, sizeof file);
}

static void test_parameters(void **state) {
    (void)state;
    gradcheck_rig rig;
    rig_make(&rig, &ps_layer_conv,
             "{\"inputs\": [[1, 6, 1, 5, 5]], \"attributes\": {\"channels\": 4, \"groups\": 2, \"kernel\": [3, 2]}}",
             PS_MODE_TRAIN);
    assert_int_equal(rig.params, 2);
    expect_spec(&rig.param_spec[0], "weight", 4, (int[]){4, 3, 3, 2}, 4, PS_INIT_WEIGHT, 18);
    expect_spec(&rig.param_spec[1], "bias", 1, (int[]){4}, 4, PS_INIT_BIAS, 18);
    assert_true(rig.param_spec[0].channels_last);
    assert_true(rig.type->macs(rig.config, rig.in_shape, rig.out_shape) == 4.0 * 3 * 4 * 18);
    gradcheck_rig_clear(&rig);
    rig_make(&rig, &ps_layer_conv,
             "{\"inputs\": [[1, 2, 4, 5, 5]], \"attributes\": {\"channels\": 4, \"bias\": false}}", PS_MODE_TRAIN);
    assert_int_equal(rig.params, 1);
    expect_spec(&rig.param_spec[0], "weight", 5, (int[]){4, 2, 3, 3, 3}, 4, PS_INIT_WEIGHT, 54);
    gradcheck_rig_clear(&rig);
    rig_make(&rig, &ps_layer_conv_transpose,
             "{\"inputs\": [[1, 6, 1, 5, 5]], \"attributes\": {\"channels\": 4, \"groups\": 2, \"kernel\": [3, 2]}}",
             PS_MODE_TRAIN);
    expect_spec(&rig.param_spec[0], "weight", 4, (int[]){6, 2, 3, 2}, 4, PS_INIT_WEIGHT, 12);
    expect_spec(&rig.param_spec[1], "bias", 1, (int[]){4}, 4, PS_INIT_BIAS, 12);
    assert_int_equal(ps_param_inputs(&rig.param_spec[0]), 3);
    assert_true(rig.type->macs(rig.config, rig.in_shape, rig.out_shape) == 25.0 * 6 * 2 * 6);
    gradcheck_rig_clear(&rig);
    rig_make(&rig, &ps_layer_linear, "{\"inputs\": [[2, 7, 1, 1, 1]], \"attributes\": {\"features\": 5}}",
             PS_MODE_TRAIN);
    expect_spec(&rig.param_spec[0], "weight", 2, (int[]){5, 7}, 5, PS_INIT_WEIGHT, 7);
    assert_true(rig.type->macs(rig.config, rig.in_shape, rig.out_shape) == 70.0);
    gradcheck_rig_clear(&rig);
    rig_make(&rig, &ps_layer_batch_norm, "{\"inputs\": [[2, 7, 1, 2, 1]], \"attributes\": {}}", PS_MODE_TRAIN);
    expect_spec(&rig.param_spec[0], "weight", 1, (int[]){7}, 7, PS_INIT_ONES, 1);
    expect_spec(&rig.param_spec[1], "bias", 1, (int[]){7}, 7, PS_INIT_ZEROS, 1);
    expect_spec(&rig.state_spec[0], "running_mean", 1, (int[]){7}, 7, PS_INIT_ZEROS, 0);
    expect_spec(&rig.state_spec[1], "running_var", 1, (int[]){7}, 7, PS_INIT_ONES, 0);
    gradcheck_rig_clear(&rig);
    rig_make(&rig, &ps_layer_pool_skip, "{\"inputs\": [[1, 3, 1, 4, 4]], \"attributes\": {}}", PS_MODE_TRAIN);
    expect_spec(&rig.param_spec[0], "conv.weight", 4, (int[]){3, 3, 3, 3}, 3, PS_INIT_WEIGHT, 27);
    expect_spec(&rig.param_spec[1], "conv.bias", 1, (int[]){3}, 3, PS_INIT_BIAS, 27);
    assert_true(rig.type->macs(rig.config, rig.in_shape, rig.out_shape) == 16 * 3 * 27 / 4.0);
    gradcheck_rig_clear(&rig);
    rig_make(&rig, &ps_layer_pool_skip, "{\"inputs\": [[1, 3, 2, 4, 4]], \"attributes\": {\"zero_init\": true}}",
             PS_MODE_TRAIN);
    expect_spec(&rig.param_spec[0], "conv.weight", 5, (int[]){3, 3, 3, 3, 3}, 3, PS_INIT_ZEROS, 81);
    expect_spec(&rig.param_spec[1], "conv.bias", 1, (int[]){3}, 3, PS_INIT_ZEROS, 81);
    gradcheck_rig_clear(&rig);
    rig_make(&rig, &ps_layer_pool_skip, "{\"inputs\": [[1, 3, 1, 4, 4]], \"attributes\": {\"mode\": \"pool+skip\"}}",
             PS_MODE_TRAIN);
    assert_int_equal(rig.params, 0);
    gradcheck_rig_clear(&rig);
}

static void test_gates(void **state) {
    (void)state;
    static const struct {
        const ps_layer_type *type;
        const char *attributes;
        bool gate;
        float slope;
    } rows[] = {{&ps_layer_relu, "{}", true, 0.0f},
                {&ps_layer_leaky_relu, "{}", true, 0.01f},
                {&ps_layer_leaky_relu, "{\"slope\": 0.25}", true, 0.25f},
                {&ps_layer_batch_norm, "{}", false, 0.0f},
                {&ps_layer_batch_norm, "{\"activation\": \"relu\", \"slope\": 0.5}", true, 0.0f},
                {&ps_layer_batch_norm, "{\"activation\": \"leaky_relu\", \"slope\": 0.5}", true, 0.5f}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        cJSON *json = cJSON_Parse(rows[i].attributes);
        void *config;
        ps_gate gate = {.slope = -1};
        assert_int_equal(ps_attributes_read(rows[i].type, json, "here", &config), PS_OK);
        assert_int_equal(rows[i].type->gate(config, &gate), rows[i].gate);
        if (rows[i].gate) {
            assert_true(gate.slope == rows[i].slope && gate.rectifies == (gate.slope == 0));
            assert_string_equal(gate.activation, gate.rectifies ? "relu" : "leaky_relu");
        }
        ps_free(config);
        cJSON_Delete(json);
    }
}

static void test_describe(void **state) {
    (void)state;
    char text[256] = "";
    gradcheck_rig rig;
    rig_make(&rig, &ps_layer_conv, ps_layer_conv.samples[0], PS_MODE_TRAIN);
    rig.type->describe(rig.config, rig.plan, text, sizeof text);
    assert_non_null(strstr(text, "forward "));
    gradcheck_rig_clear(&rig);
    rig_make(&rig, &ps_layer_pool_skip, ps_layer_pool_skip.samples[0], PS_MODE_TRAIN);
    text[0] = '\0';
    rig.type->describe(rig.config, rig.plan, text, sizeof text);
    assert_true(strlen(text) > 0);
    gradcheck_rig_clear(&rig);
}

/* ---- Batch normalisation ---- */

static const char norm_sample[] = "{\"inputs\": [[2, 2, 1, 1, 2]], \"attributes\": {\"momentum\": 0.25}}";
/* Channel 0: 1 2 3 6, mean 3, unbiased variance 14 / 3; channel 1: constant 5. */
static const float norm_x[] = {1, 5, 2, 5, 3, 5, 6, 5};

static void norm_rig(gradcheck_rig *rig, ps_mode mode) {
    rig_make(rig, &ps_layer_batch_norm, norm_sample, mode);
    set(rig->x[0], norm_x, 8);
    set(rig->param[0], (const float[]){2, 1}, 2);
    set(rig->param[1], (const float[]){10, -1}, 2);
    set(rig->state[0], (const float[]){100, 1}, 2);
    set(rig->state[1], (const float[]){4, 9}, 2);
}

static void test_running_statistics(void **state) {
    (void)state;
    gradcheck_rig rig;
    norm_rig(&rig, PS_MODE_TRAIN);
    rig.type->forward(&rig.call);
    expect_values(rig.state[0], (const float[]){0.75f * 100 + 0.25f * 3, 0.75f * 1 + 0.25f * 5}, 2);
    expect_values(rig.state[1], (const float[]){0.75f * 4 + 0.25f * 14 / 3, 0.75f * 9}, 2);
    rig.type->forward(&rig.call); /* a second step goes on from there */
    assert_true(fabsf(rig.state[0][0] - (0.75f * 75.75f + 0.75f)) < 1e-5f);
    gradcheck_rig_clear(&rig);
    rig_make(&rig, &ps_layer_batch_norm, "{\"inputs\": [[1, 1, 1, 1, 3]], \"attributes\": {}}", PS_MODE_TRAIN);
    set(rig.x[0], (const float[]){10, 20, 30}, 3);
    rig.state[0][0] = 0, rig.state[1][0] = 1;
    rig.type->forward(&rig.call); /* PyTorch's default momentum, 0.1 */
    assert_true(fabsf(rig.state[0][0] - 2.0f) < 1e-6f && fabsf(rig.state[1][0] - 10.9f) < 1e-5f);
    gradcheck_rig_clear(&rig);
}

static void test_modes_of_batch_norm(void **state) {
    (void)state;
    gradcheck_rig rig;
    for (int mode = PS_MODE_PROBE; mode <= PS_MODE_EVAL; mode++) {
        norm_rig(&rig, (ps_mode)mode);
        rig.type->forward(&rig.call);
        expect_values(rig.state[0], (const float[]){100, 1}, 2);
        expect_values(rig.state[1], (const float[]){4, 9}, 2);
        bool batch = mode == PS_MODE_PROBE;
        double first = batch ? 2 * (1 - 3) / sqrt(3.5 + 1e-5) + 10 : 2 * (1 - 100) / sqrt(4 + 1e-5) + 10;
        double constant = batch ? -1.0 : 1 * (5 - 1) / sqrt(9 + 1e-5) - 1;
        assert_true(fabs((double)rig.y[0] - first) < 1e-5);
        assert_true(fabs((double)rig.y[1] - constant) < 1e-5);
        gradcheck_rig_clear(&rig);
    }
}

/* One value per channel has no variance: batch statistics give beta, and nothing is divided by zero. */
static void test_batch_norm_of_one_row(void **state) {
    (void)state;
    gradcheck_rig rig;
    rig_make(&rig, &ps_layer_batch_norm, "{\"inputs\": [[1, 3, 1, 1, 1]], \"attributes\": {}}", PS_MODE_TRAIN);
    gradcheck_rig_run(&rig);
    expect_values(rig.y, rig.param[1], 3);
    for (int c = 0; c < 3; c++)
        assert_true(isfinite(rig.state[1][c]) && fabsf(rig.dx[0][c]) < 1e-4f); /* 1 / sqrt(eps) = 316 roundings */
    gradcheck_rig_clear(&rig);
}

/* y = bn(a) + a: both gradients go to one array, the second is added. */
static void test_batch_norm_reads_a_node_twice(void **state) {
    (void)state;
    for (int activation = 0; activation < 2; activation++) {
        const char *sample =
            activation ? "{\"inputs\": [[2, 3, 1, 4, 3], [2, 3, 1, 4, 3]], \"attributes\": {\"activation\": \"relu\"}}"
                       : "{\"inputs\": [[2, 3, 1, 4, 3], [2, 3, 1, 4, 3]], \"attributes\": {}}";
        gradcheck_rig apart, joined;
        rig_make(&apart, &ps_layer_batch_norm, sample, PS_MODE_TRAIN);
        rig_make(&joined, &ps_layer_batch_norm, sample, PS_MODE_TRAIN);
        size_t count = outputs(&apart);
        set(apart.x[1], apart.x[0], count);
        gradcheck_rig_run(&apart);
        joined.call.x = (const float *const[]){joined.x[0], joined.x[0]};
        joined.call.dx = (float *const[]){joined.dx[0], joined.dx[0]};
        joined.call.accumulate = (const bool[]){false, true};
        gradcheck_rig_run(&joined);
        for (size_t i = 0; i < count; i++)
            assert_true(fabsf(joined.dx[0][i] - (apart.dx[0][i] + apart.dx[1][i])) < 1e-5f);
        gradcheck_rig_clear(&apart);
        gradcheck_rig_clear(&joined);
    }
}

/* ---- Dropout ---- */

static const char dropout_sample[] = "{\"inputs\": [[8, 32, 1, 20, 20]], \"attributes\": {\"p\": 0.3}}";

static void test_dropout_statistics(void **state) {
    (void)state;
    gradcheck_rig rig;
    rig_make(&rig, &ps_layer_dropout, dropout_sample, PS_MODE_TRAIN);
    size_t count = outputs(&rig), kept = 0, kept_by_channel[32] = {0}, runs = 0;
    fill(rig.x[0], count, 1.0f);
    rig.type->forward(&rig.call);
    for (size_t i = 0; i < count; i++) {
        assert_true(rig.y[i] == 0.0f || fabsf(rig.y[i] - 1.0f / 0.7f) < 1e-6f);
        kept += rig.y[i] != 0.0f;
        kept_by_channel[i % 32] += rig.y[i] != 0.0f;
        runs += i > 0 && (rig.y[i] != 0.0f) == (rig.y[i - 1] != 0.0f);
    }
    /* Binomial: five standard deviations. Neighbours agree with probability 0.7^2 + 0.3^2. */
    double n = (double)count, sigma = sqrt(n * 0.3 * 0.7);
    assert_true(fabs((double)kept - 0.7 * n) < 5 * sigma);
    assert_true(fabs((double)runs - 0.58 * n) < 5 * sqrt(n * 0.58 * 0.42) * 1.5);
    for (int c = 0; c < 32; c++) assert_true(fabs((double)kept_by_channel[c] - 0.7 * n / 32) < 5 * sigma / sqrt(32.0));
    gradcheck_rig_clear(&rig);
}

static void test_dropout_keys_and_modes(void **state) {
    (void)state;
    gradcheck_rig a, b;
    rig_make(&a, &ps_layer_dropout, dropout_sample, PS_MODE_TRAIN);
    rig_make(&b, &ps_layer_dropout, dropout_sample, PS_MODE_TRAIN);
    size_t count = outputs(&a), same = 0;
    a.type->forward(&a.call);
    b.type->forward(&b.call);
    assert_memory_equal(a.y, b.y, count * sizeof(float));
    b.call.key = ps_rng_key_fold(b.call.key, 1);
    b.type->forward(&b.call);
    for (size_t i = 0; i < count; i++) same += (a.y[i] != 0.0f) == (b.y[i] != 0.0f);
    assert_true(fabs((double)same - 0.58 * (double)count) <
                5 * sqrt((double)count * 0.58 * 0.42)); /* another step, another mask */
    for (int mode = PS_MODE_PROBE; mode <= PS_MODE_EVAL; mode++) {
        b.call.mode = (ps_mode)mode;
        gradcheck_rig_run(&b);
        assert_memory_equal(b.y, b.x[0], count * sizeof(float));
        assert_memory_equal(b.dx[0], b.dy, count * sizeof(float));
    }
    gradcheck_rig_clear(&a);
    gradcheck_rig_clear(&b);
}

/* ---- Known answers ---- */

static void test_unpool_of_odd_sizes(void **state) {
    (void)state;
    gradcheck_rig pool, unpool;
    rig_make(&pool, &ps_layer_max_pool, "{\"inputs\": [[1, 1, 1, 3, 5]], \"attributes\": {}}", PS_MODE_TRAIN);
    rig_make(&unpool, &ps_layer_max_unpool, "{\"pool\": {}, \"inputs\": [[1, 1, 1, 3, 5]], \"attributes\": {}}",
             PS_MODE_TRAIN);
    assert_int_equal(unpool.out_shape.h, 3);
    assert_int_equal(unpool.out_shape.w, 5);
    /* Ties: the first in scan order. The remainder (row 2, column 4) is in no window. */
    set(pool.x[0], (const float[]){1, 4, 7, 7, 99, 3, 2, 7, 7, 99, 99, 99, 99, 99, 99}, 15);
    pool.type->forward(&pool.call);
    expect_values(pool.y, (const float[]){4, 7}, 2);
    unpool.in_save[1] = pool.save;
    set(unpool.x[0], (const float[]){-4, 8}, 2);
    gradcheck_rig_run(&unpool);
    expect_values(unpool.y, (const float[]){0, -4, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 15);
    assert_true(unpool.dx[0][0] == unpool.dy[1] && unpool.dx[0][1] == unpool.dy[2]);
    expect_values(unpool.dx[1], (const float[]){0, 0}, 2); /* overwritten, though only the places of input 1 matter */
    gradcheck_rig_clear(&pool);
    gradcheck_rig_clear(&unpool);
}

static void test_flatten_order(void **state) {
    (void)state;
    gradcheck_rig rig;
    rig_make(&rig, &ps_layer_flatten, "{\"inputs\": [[1, 2, 1, 2, 2]], \"attributes\": {}}", PS_MODE_TRAIN);
    set(rig.x[0], (const float[]){0, 10, 1, 11, 2, 12, 3, 13}, 8);
    rig.type->forward(&rig.call);
    expect_values(rig.y, (const float[]){0, 1, 2, 3, 10, 11, 12, 13}, 8);
    gradcheck_rig_clear(&rig);
}

static void test_concat_and_add_of_one_node(void **state) {
    (void)state;
    const ps_layer_type *types[] = {&ps_layer_add, &ps_layer_concat};
    for (int i = 0; i < 2; i++) {
        gradcheck_rig rig;
        rig_make(&rig, types[i], "{\"inputs\": [[1, 1, 1, 1, 2], [1, 1, 1, 1, 2]], \"attributes\": {}}", PS_MODE_TRAIN);
        rig.call.dx = (float *const[]){rig.dx[0], rig.dx[0]};
        rig.call.accumulate = (const bool[]){false, true};
        set(rig.dy, (const float[]){1, 2, 4, 8}, i == 0 ? 2 : 4);
        gradcheck_rig_run(&rig);
        expect_values(rig.dx[0], i == 0 ? (const float[]){2, 4} : (const float[]){3, 12}, 2);
        gradcheck_rig_clear(&rig);
    }
}

/* NaN and infinity must reach the output: they are events, not noise. */
static void test_nan_survives(void **state) {
    (void)state;
    for (const ps_layer_type *const *t = ps_layer_types(); *t != NULL; t++) {
        gradcheck_rig rig;
        rig_make(&rig, *t, (*t)->samples[0], PS_MODE_TRAIN);
        rig.x[0][0] = NAN;
        rig.type->forward(&rig.call);
        size_t found = 0;
        for (size_t i = 0; i < outputs(&rig); i++) found += isnan(rig.y[i]) != 0;
        if (found == 0) fail_msg("%s swallows NaN", (*t)->name);
        gradcheck_rig_clear(&rig);
    }
}

/* ---- Pool Skip ---- */

static const char *pool_skip_modes[] = {"full",      "pool+skip",      "conv+skip",
                                        "pool+conv", "grid+conv+skip", "grid-energy+conv+skip"};

static void pool_skip_rig(gradcheck_rig *rig, const char *mode, const char *more) {
    char sample[256];
    snprintf(sample, sizeof sample, "{\"inputs\": [[1, 1, 1, 3, 5]], \"attributes\": {\"mode\": \"%s\"%s}}", mode,
             more);
    rig_make(rig, &ps_layer_pool_skip, sample, PS_MODE_TRAIN);
    set(rig->x[0], (const float[]){1, 4, 7, 7, 9, 3, 2, 7, 7, 9, 9, 9, 9, 9, 9}, 15);
    if (rig->params == 0) return;
    fill(rig->param[0], 9, 0.0f);
    rig->param[0][4] = 1.0f; /* the identity as a convolution, plus 0.5 */
    rig->param[1][0] = 0.5f;
}

static void test_pool_skip_modes(void **state) {
    (void)state;
    const float scale = sqrtf((16.0f + 49.0f) / (1.0f + 49.0f));
    const float path[6][15] = {{0, 4, 7}, {0, 4, 7}, {1, 4, 7, 7, 9, 3, 2, 7, 7, 9, 9, 9, 9, 9, 9},
                               {0, 4, 7}, {1, 0, 7}, {scale, 0, 7 * scale}};
    for (int m = 0; m < 6; m++) {
        gradcheck_rig rig;
        float wanted[15];
        pool_skip_rig(&rig, pool_skip_modes[m], "");
        rig.type->forward(&rig.call);
        for (int i = 0; i < 15; i++) wanted[i] = path[m][i] + (m == 1 ? 0.0f : 0.5f) + (m == 3 ? 0.0f : rig.x[0][i]);
        expect_values(rig.y, wanted, 15);
        gradcheck_rig_clear(&rig);
    }
}

/* With all-zero parameters the module is the identity, forward and backward, and its convolution still gets a
 * gradient. */
static void test_pool_skip_zero(void **state) {
    (void)state;
    gradcheck_rig rig;
    pool_skip_rig(&rig, "full", ", \"zero_init\": true");
    fill(rig.param[0], 9, 0.0f);
    fill(rig.param[1], 1, 0.0f);
    gradcheck_rig_run(&rig);
    assert_memory_equal(rig.y, rig.x[0], 15 * sizeof(float));
    assert_memory_equal(rig.dx[0], rig.dy, 15 * sizeof(float));
    assert_true(rig.grad[0][4] != 0.0f && rig.grad[1][0] != 0.0f);
    gradcheck_rig_clear(&rig);
}

static void test_pool_skip_cuts(void **state) {
    (void)state;
    gradcheck_rig whole, forward, gradient;
    pool_skip_rig(&whole, "full", "");
    pool_skip_rig(&forward, "full", ", \"cut\": \"forward\"");
    pool_skip_rig(&gradient, "full", ", \"cut\": \"gradient\"");
    gradcheck_rig_run(&whole);
    gradcheck_rig_run(&forward);
    gradcheck_rig_run(&gradient);
    assert_memory_equal(forward.y, forward.x[0], 15 * sizeof(float));       /* nothing is added ... */
    assert_memory_equal(forward.dx[0], whole.dx[0], 15 * sizeof(float));    /* ... yet the gradient flows */
    assert_memory_equal(gradient.y, whole.y, 15 * sizeof(float));           /* everything is added ... */
    assert_memory_equal(gradient.dx[0], gradient.dy, 15 * sizeof(float));   /* ... but y hears only of the skip */
    assert_memory_equal(forward.grad[0], whole.grad[0], 9 * sizeof(float)); /* the convolution learns in both arms */
    assert_memory_equal(gradient.grad[0], whole.grad[0], 9 * sizeof(float));
    gradcheck_rig_clear(&whole);
    gradcheck_rig_clear(&forward);
    gradcheck_rig_clear(&gradient);
}

/* ---- Determinism on sizes of many chunks: the same bits from 1, 2 and 5 threads ---- */

static const char *large_sample(const char *type) {
    if (strcmp(type, "conv") == 0)
        return "{\"inputs\": [[6, 32, 1, 23, 17]], \"attributes\": {\"channels\": 32, \"padding\": 1}}";
    if (strcmp(type, "conv_transpose") == 0)
        return "{\"inputs\": [[3, 32, 5, 13, 11]], \"attributes\": {\"channels\": 24}}";
    if (strcmp(type, "linear") == 0) return "{\"inputs\": [[70, 300, 1, 1, 1]], \"attributes\": {\"features\": 130}}";
    if (strcmp(type, "attention") == 0)
        return "{\"inputs\": [[40, 32, 1, 11, 13]], \"attributes\": {\"heads\": 4, \"dropout\": 0.2}}";
    if (strcmp(type, "pool_skip") == 0) return "{\"inputs\": [[6, 32, 1, 23, 17]], \"attributes\": {\"pool_size\": 4}}";
    if (strcmp(type, "add") == 0 || strcmp(type, "concat") == 0 || strcmp(type, "batch_norm") == 0 ||
        strcmp(type, "instance_norm") == 0)
        return "{\"inputs\": [[6, 32, 1, 23, 37], [6, 32, 1, 23, 37]], \"attributes\": {}}";
    if (strcmp(type, "resize") == 0 || strcmp(type, "pad") == 0)
        return "{\"inputs\": [[6, 32, 3, 13, 17], [6, 2, 5, 23, 15]], \"attributes\": {}}";
    if (strcmp(type, "max_unpool") == 0) return "{\"pool\": {}, \"inputs\": [[6, 32, 1, 23, 37]], \"attributes\": {}}";
    return "{\"inputs\": [[6, 32, 1, 23, 37]], \"attributes\": {}}";
}

static void test_threads_do_not_matter(void **state) {
    (void)state;
    for (const ps_layer_type *const *t = ps_layer_types(); *t != NULL; t++) {
        gradcheck_rig plain;
        rig_make(&plain, *t, large_sample((*t)->name), PS_MODE_TRAIN);
        gradcheck_rig_run(&plain);
        for (int threads = 2; threads <= 5; threads += 3) {
            ps_threads *pool;
            gradcheck_rig rig;
            gradcheck_result result = {.passed = true};
            assert_int_equal(ps_threads_create(threads, &pool), PS_OK);
            assert_int_equal(gradcheck_rig_create(*t, large_sample((*t)->name), PS_MODE_TRAIN, pool, &rig), PS_OK);
            gradcheck_rig_run(&rig);
            gradcheck_rig_compare("more threads", &plain, &rig, &result);
            if (!result.passed) fail_msg("%s, %d threads: %s", (*t)->name, threads, result.message);
            gradcheck_rig_clear(&rig);
            ps_threads_destroy(pool);
        }
        gradcheck_rig_clear(&plain);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_list_is_whole),
                                       cmocka_unit_test(test_find_suggests),
                                       cmocka_unit_test(test_refusals),
                                       cmocka_unit_test(test_readme_lists_the_attributes),
                                       cmocka_unit_test(test_unpool_needs_its_pool),
                                       cmocka_unit_test(test_shapes),
                                       cmocka_unit_test(test_parameters),
                                       cmocka_unit_test(test_order_of_transposed_weights),
                                       cmocka_unit_test(test_gates),
                                       cmocka_unit_test(test_describe),
                                       cmocka_unit_test(test_running_statistics),
                                       cmocka_unit_test(test_modes_of_batch_norm),
                                       cmocka_unit_test(test_batch_norm_of_one_row),
                                       cmocka_unit_test(test_batch_norm_reads_a_node_twice),
                                       cmocka_unit_test(test_dropout_statistics),
                                       cmocka_unit_test(test_dropout_keys_and_modes),
                                       cmocka_unit_test(test_unpool_of_odd_sizes),
                                       cmocka_unit_test(test_flatten_order),
                                       cmocka_unit_test(test_concat_and_add_of_one_node),
                                       cmocka_unit_test(test_nan_survives),
                                       cmocka_unit_test(test_pool_skip_modes),
                                       cmocka_unit_test(test_pool_skip_zero),
                                       cmocka_unit_test(test_pool_skip_cuts),
                                       cmocka_unit_test(test_threads_do_not_matter)};
    return cmocka_run_group_tests_name("layers", tests, NULL, NULL);
}
