/* Gradients of every layer type in the list, on all its samples, against the double-precision reference; and proof that
 * the check notices a wrong layer. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "layers/list.h"
#include "tests/lib/gradcheck.h"

static const char *const mode_names[] = {"train", "probe", "eval"};

static void check_type(void **state) {
    const ps_layer_type *type = *state;
    double forward = 0, gradient = 0;
    int compared = 0;
    assert_non_null(type->samples);
    assert_non_null(type->samples[0]);
    for (int i = 0; type->samples[i] != NULL; i++)
        for (int mode = PS_MODE_TRAIN; mode <= PS_MODE_EVAL; mode++) {
            gradcheck_result result;
            if (mode != PS_MODE_TRAIN && gradcheck_modes_agree(type, type->samples[i], PS_MODE_TRAIN, (ps_mode)mode))
                continue;
            gradcheck_run(type, type->samples[i], (ps_mode)mode, &result);
            if (!result.passed)
                fail_msg("%s, %s, %s: %s", type->name, type->samples[i], mode_names[mode], result.message);
            assert_true(result.compared > 0);
            if (result.worst_forward > forward) forward = result.worst_forward;
            if (result.worst_gradient > gradient) gradient = result.worst_gradient;
            compared += result.compared;
        }
    print_message("# %-16s %6d derivatives, worst error: forward %.1e, gradient %.1e\n", type->name, compared, forward,
                  gradient);
}

/* ---- Planted faults: each wrapper differs from the real type in one thing. ---- */

static void expect_caught(const ps_layer_type *wrong, const ps_layer_type *right, const char *sample,
                          const char *message_part) {
    gradcheck_result result;
    gradcheck_run(right, sample, PS_MODE_TRAIN, &result);
    if (!result.passed) fail_msg("the right layer fails: %s", result.message);
    gradcheck_run(wrong, sample, PS_MODE_TRAIN, &result);
    assert_false(result.passed);
    if (strstr(result.message, message_part) == NULL) fail_msg("caught for another reason: %s", result.message);
}

static void linear_scaled(const ps_layer_call *call) {
    ps_layer_linear.backward(call);
    for (int i = 0; call->dx[0] != NULL && i < call->in_shape[0].n * call->in_shape[0].c; i++) call->dx[0][i] *= 1.001f;
}

static void conv_dropped_tap(const ps_layer_call *call) {
    ps_layer_conv.backward(call);
    call->grad[0][4] = 0.0f;
}

static void conv_swapped_taps(const ps_layer_call *call) {
    ps_layer_conv.backward(call);
    float first = call->grad[0][0];
    call->grad[0][0] = call->grad[0][3];
    call->grad[0][3] = first;
}

/* The weights read as if input and output channels stood the other way round. */
static void transposed_unturned(const ps_layer_call *call) {
    ps_layer_conv_transpose.backward(call);
    float kept = call->grad[0][1];
    call->grad[0][1] = call->grad[0][call->in_shape[0].c];
    call->grad[0][call->in_shape[0].c] = kept;
}

static void relu_open_gate(const ps_layer_call *call) {
    for (size_t i = 0; call->dx[0] != NULL && i < ps_shape_elements(call->out_shape); i++) call->dx[0][i] = call->dy[i];
}

/* Batch norm's classic mistake: the statistics treated as constants. */
static void norm_constant_statistics(const ps_layer_call *call) {
    ps_layer_call frozen = *call;
    frozen.mode = PS_MODE_EVAL;
    ps_layer_batch_norm.backward(&frozen);
}

static void relu_ignores_accumulate(const ps_layer_call *call) {
    ps_layer_call overwriting = *call;
    overwriting.accumulate = (const bool[]){false};
    ps_layer_relu.backward(&overwriting);
}

static void pool_last_output_wrong(const ps_layer_call *call) {
    ps_layer_max_pool.forward(call);
    call->y[ps_shape_elements(call->out_shape) - 1] += 1e-3f;
}

static void avg_writes_past_end(const ps_layer_call *call) {
    ps_layer_avg_pool.forward(call);
    call->y[ps_shape_elements(call->out_shape)] = 0.0f;
}

static void relu_wrong_zeros(const ps_layer_call *call) {
    ps_layer_relu.forward(call);
    if (call->sums[PS_SUM_ZEROS] != NULL) call->sums[PS_SUM_ZEROS][0] += 1.0;
}

static void concat_unwritten(const ps_layer_call *call) {
    float kept = call->dx[0] != NULL ? call->dx[0][0] : 0.0f;
    ps_layer_concat.backward(call);
    if (call->dx[0] != NULL) call->dx[0][0] = kept;
}

/* The product rule's second term forgotten: the share of x that passes, as if it did not depend on x. */
static void gelu_without_its_density(const ps_layer_call *call) {
    for (size_t i = 0; call->dx[0] != NULL && i < ps_shape_elements(call->out_shape); i++)
        call->dx[0][i] = call->dy[i] * (float)(erfc(-(double)call->x[0][i] * M_SQRT1_2) / 2);
}

static void silu_of_a_wrong_constant(const ps_layer_call *call) {
    ps_layer_silu.backward(call);
    for (size_t i = 0; call->dx[0] != NULL && i < ps_shape_elements(call->out_shape); i++)
        call->dx[0][i] += 1e-4f * call->dy[i];
}

/* As of an output, where it is the input that is read. */
static void elu_of_its_input(const ps_layer_call *call) {
    for (size_t i = 0; call->dx[0] != NULL && i < ps_shape_elements(call->out_shape); i++)
        call->dx[0][i] = call->x[0][i] > 0 ? call->dy[i] : call->dy[i] * (call->x[0][i] + 1);
}

static void relu6_without_ceiling(const ps_layer_call *call) { ps_layer_relu.backward(call); }

static void prelu_slope_of_all_inputs(const ps_layer_call *call) {
    ps_layer_prelu.backward(call);
    for (size_t i = 0; i < ps_shape_elements(call->out_shape); i++)
        if (call->x[0][i] > 0) call->grad[0][0] += call->x[0][i] * call->dy[i];
}

/* A row's moments treated as constants: the mistake of batch_norm, across channels. */
static void layer_norm_constant_moments(const ps_layer_call *call) {
    ps_layer_layer_norm.backward(call);
    size_t c = (size_t)call->out_shape.c, rows = ps_shape_positions(call->out_shape);
    const float *inverse = (const float *)call->save + rows;
    for (size_t i = 0; call->dx[0] != NULL && i < rows * c; i++)
        call->dx[0][i] = call->dy[i] * call->param[0][i % c] * inverse[i / c];
}

static void layer_norm_swapped_gradients(const ps_layer_call *call) {
    ps_layer_call swapped = *call;
    swapped.grad = (float *const[]){call->grad[1], call->grad[0]};
    ps_layer_layer_norm.backward(&swapped);
}

/* The moments of every sample taken for those of the batch. */
static void instance_norm_of_one_sample(const ps_layer_call *call) {
    float *mean = call->save;
    size_t c = (size_t)call->out_shape.c, n = (size_t)call->out_shape.n;
    for (size_t i = c; i < n * c; i++) mean[i] = mean[i % c];
    ps_layer_instance_norm.backward(call);
}

/* The last input line's part in the outputs forgotten. */
static void resize_without_its_end(const ps_layer_call *call) {
    ps_layer_resize.backward(call);
    if (call->dx[0] != NULL) call->dx[0][ps_shape_elements(call->in_shape[0]) - 1] *= 0.75f;
}

/* Everything a position too far. */
static void pad_shifted(const ps_layer_call *call) {
    ps_layer_call moved = *call;
    size_t c = (size_t)call->out_shape.c;
    moved.dy = call->dy + c;
    if (call->dx[0] == NULL) return;
    ps_layer_pad.backward(&moved);
}

/* What a sum kept per thread would do: the result depends on who ran the chunks. */
static void relu_thread_dependent(const ps_layer_call *call) {
    ps_layer_relu.forward(call);
    if (ps_threads_count(call->threads) > 1) call->y[0] *= 1.0000002f;
}

/* Softmax's classic mistake: the weights treated as constants, so that queries and keys get no gradient. */
static void attention_constant_weights(const ps_layer_call *call) {
    ps_layer_attention.backward(call);
    size_t c = (size_t)call->out_shape.c;
    for (size_t i = 0; i < 2 * c * c / 2; i++) call->grad[0][i] = 0.0f;
}

/* A gradient of parameters that only knows the last image. */
static void embedding_last_image(const ps_layer_call *call) {
    ps_layer_position_embedding.backward(call);
    size_t image = ps_shape_elements(ps_shape_with_batch(call->out_shape, 1));
    memcpy(call->grad[0], call->dy + ((size_t)call->out_shape.n - 1) * image, image * sizeof(float));
}

/* Backward that draws another mask than forward. */
static void path_other_mask(const ps_layer_call *call) {
    ps_layer_call other = *call;
    other.key = ps_rng_key_fold(call->key, 1);
    ps_layer_drop_path.backward(&other);
}

static void attention_other_mask(const ps_layer_call *call) {
    ps_layer_call other = *call;
    other.key = ps_rng_key_fold(call->key, 1);
    ps_layer_attention.backward(&other);
}

/* The softmax's own part left out. */
static void pool_constant_weights(const ps_layer_call *call) {
    ps_layer_sequence_pool.backward(call);
    size_t c = (size_t)call->out_shape.c, positions = ps_shape_positions(ps_shape_with_batch(call->in_shape[0], 1));
    const float *p = call->save;
    for (size_t i = 0; call->dx[0] != NULL && i < (size_t)call->out_shape.n * positions; i++)
        for (size_t j = 0; j < c; j++) call->dx[0][i * c + j] = p[i] * call->dy[i / positions * c + j];
}

static void class_kept_from_input(const ps_layer_call *call) {
    ps_layer_class_token.backward(call);
    if (call->dx[0] != NULL) call->dx[0][0] = call->dy[0];
}

static void token_of_all(const ps_layer_call *call) {
    ps_layer_token.backward(call);
    if (call->dx[0] != NULL) call->dx[0][ps_shape_elements(call->in_shape[0]) - 1] += 0.01f;
}

static void test_planted_faults_of_tokens(void **state) {
    (void)state;
    ps_layer_type wrong = ps_layer_attention;
    wrong.backward = attention_constant_weights;
    expect_caught(&wrong, &ps_layer_attention, ps_layer_attention.samples[0], "qkv.weight");
    wrong = ps_layer_attention, wrong.backward = attention_other_mask;
    expect_caught(&wrong, &ps_layer_attention, ps_layer_attention.samples[2], "dx0");
    wrong = ps_layer_position_embedding, wrong.backward = embedding_last_image;
    expect_caught(&wrong, &ps_layer_position_embedding, ps_layer_position_embedding.samples[0], "gradient of");
    wrong = ps_layer_drop_path, wrong.backward = path_other_mask;
    expect_caught(&wrong, &ps_layer_drop_path, ps_layer_drop_path.samples[0], "dx0");
    wrong = ps_layer_sequence_pool, wrong.backward = pool_constant_weights;
    expect_caught(&wrong, &ps_layer_sequence_pool, ps_layer_sequence_pool.samples[0], "dx0");
    wrong = ps_layer_class_token, wrong.backward = class_kept_from_input;
    expect_caught(&wrong, &ps_layer_class_token, ps_layer_class_token.samples[0], "dx0");
    wrong = ps_layer_token, wrong.backward = token_of_all;
    expect_caught(&wrong, &ps_layer_token, ps_layer_token.samples[0], "dx0");
}

static void test_planted_faults(void **state) {
    (void)state;
    ps_layer_type wrong = ps_layer_linear;
    wrong.backward = linear_scaled;
    expect_caught(&wrong, &ps_layer_linear, ps_layer_linear.samples[0], "dx0");
    wrong = ps_layer_conv, wrong.backward = conv_dropped_tap;
    expect_caught(&wrong, &ps_layer_conv, ps_layer_conv.samples[0], "weight");
    wrong = ps_layer_conv, wrong.backward = conv_swapped_taps;
    expect_caught(&wrong, &ps_layer_conv, ps_layer_conv.samples[0], "weight");
    wrong = ps_layer_conv_transpose, wrong.backward = transposed_unturned;
    expect_caught(&wrong, &ps_layer_conv_transpose, ps_layer_conv_transpose.samples[0], "weight");
    wrong = ps_layer_relu, wrong.backward = relu_open_gate;
    expect_caught(&wrong, &ps_layer_relu, ps_layer_relu.samples[0], "dx0");
    wrong = ps_layer_batch_norm, wrong.backward = norm_constant_statistics;
    expect_caught(&wrong, &ps_layer_batch_norm, ps_layer_batch_norm.samples[0], "dx0");
    wrong = ps_layer_relu, wrong.backward = relu_ignores_accumulate;
    expect_caught(&wrong, &ps_layer_relu, ps_layer_relu.samples[0], "accumulated");
    wrong = ps_layer_max_pool, wrong.forward = pool_last_output_wrong;
    expect_caught(&wrong, &ps_layer_max_pool, ps_layer_max_pool.samples[0], "y[");
    wrong = ps_layer_avg_pool, wrong.forward = avg_writes_past_end;
    expect_caught(&wrong, &ps_layer_avg_pool, ps_layer_avg_pool.samples[0], "past the end");
    wrong = ps_layer_relu, wrong.forward = relu_wrong_zeros;
    expect_caught(&wrong, &ps_layer_relu, ps_layer_relu.samples[0], "zeros");
    wrong = ps_layer_concat, wrong.backward = concat_unwritten;
    expect_caught(&wrong, &ps_layer_concat, ps_layer_concat.samples[0], "dx0");
    wrong = ps_layer_relu, wrong.forward = relu_thread_dependent;
    expect_caught(&wrong, &ps_layer_relu, ps_layer_relu.samples[0], "3 threads");
}

static void test_planted_faults_in_activations_and_layer_norm(void **state) {
    (void)state;
    ps_layer_type wrong = ps_layer_gelu;
    wrong.backward = gelu_without_its_density;
    expect_caught(&wrong, &ps_layer_gelu, ps_layer_gelu.samples[0], "dx0");
    wrong = ps_layer_silu, wrong.backward = silu_of_a_wrong_constant;
    expect_caught(&wrong, &ps_layer_silu, ps_layer_silu.samples[0], "dx0");
    wrong = ps_layer_elu, wrong.backward = elu_of_its_input;
    expect_caught(&wrong, &ps_layer_elu, ps_layer_elu.samples[0], "dx0");
    wrong = ps_layer_relu6, wrong.backward = relu6_without_ceiling;
    expect_caught(&wrong, &ps_layer_relu6, ps_layer_relu6.samples[1], "dx0");
    wrong = ps_layer_prelu, wrong.backward = prelu_slope_of_all_inputs;
    expect_caught(&wrong, &ps_layer_prelu, ps_layer_prelu.samples[0], "weight");
    wrong = ps_layer_layer_norm, wrong.backward = layer_norm_constant_moments;
    expect_caught(&wrong, &ps_layer_layer_norm, ps_layer_layer_norm.samples[0], "dx0");
    wrong = ps_layer_instance_norm, wrong.backward = instance_norm_of_one_sample;
    expect_caught(&wrong, &ps_layer_instance_norm, ps_layer_instance_norm.samples[0], "dx0");
    wrong = ps_layer_resize, wrong.backward = resize_without_its_end;
    expect_caught(&wrong, &ps_layer_resize, ps_layer_resize.samples[0], "dx0");
    wrong = ps_layer_pad, wrong.backward = pad_shifted;
    expect_caught(&wrong, &ps_layer_pad, ps_layer_pad.samples[0], "dx0");
    wrong = ps_layer_layer_norm, wrong.backward = layer_norm_swapped_gradients;
    expect_caught(&wrong, &ps_layer_layer_norm, ps_layer_layer_norm.samples[0], "weight");
}

/* A type that uses what it did not ask for gets NULL from the check, as from the engine. */
static void test_unknown_type_fails(void **state) {
    (void)state;
    ps_layer_type stranger = ps_layer_relu;
    stranger.name = "stranger";
    gradcheck_result result;
    gradcheck_run(&stranger, ps_layer_relu.samples[0], PS_MODE_TRAIN, &result);
    assert_false(result.passed);
    assert_non_null(strstr(result.message, "does not know"));
}

int main(void) {
    enum { MOST = 64, OTHERS = 4 };
    struct CMUnitTest tests[MOST + OTHERS];
    int count = 0;
    for (const ps_layer_type *const *type = ps_layer_types(); *type != NULL && count < MOST; type++)
        tests[count++] = (struct CMUnitTest){(*type)->name, check_type, NULL, NULL, (void *)*type};
    tests[count++] = (struct CMUnitTest)cmocka_unit_test(test_planted_faults);
    tests[count++] = (struct CMUnitTest)cmocka_unit_test(test_planted_faults_of_tokens);
    tests[count++] = (struct CMUnitTest)cmocka_unit_test(test_planted_faults_in_activations_and_layer_norm);
    tests[count++] = (struct CMUnitTest)cmocka_unit_test(test_unknown_type_fails);
    return _cmocka_run_group_tests("layers", tests, (size_t)count, NULL, NULL);
}
