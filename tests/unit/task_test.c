/* Tasks: losses against central differences and by hand, measures of a header, chance levels. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/json.h"
#include "core/memory.h"
#include "task/task.h"
#include "tests/lib/images.h"

enum { ROWS = 5, CHANNELS = 3 };

static const float outputs[ROWS * CHANNELS] = {0.5f, -1.0f, 0.25f, 2.0f,  1.0f, -0.5f, 0.0f, 0.0f,
                                               0.0f, -2.0f, 0.75f, 1.25f, 3.0f, -1.5f, 0.5f};
static const int32_t labels[ROWS] = {0, 1, -1, 2, 1};
static const float direction[ROWS * CHANNELS] = {1.0f,  -0.5f, 0.25f, 0.5f, 2.0f,  -1.0f, 1.0f, 1.0f,
                                                 -1.0f, 0.75f, 0.0f,  1.5f, -2.0f, 0.5f,  1.0f};

static ps_loss_call call_of(const float *output) {
    return (ps_loss_call){
        .output = output, .label = labels, .samples = ROWS, .rows = ROWS, .channels = CHANNELS, .threads = NULL};
}

static void test_gradient_and_tangent(void **state) {
    (void)state;
    const ps_loss_function *loss = ps_task_classification.loss;
    const float step = 1.0f / 64;
    float gradient[ROWS * CHANNELS], above[ROWS * CHANNELS], below[ROWS * CHANNELS], dot[ROWS * CHANNELS];
    ps_loss_call call = call_of(outputs);
    assert_int_equal(loss->value(&call, gradient).counted, 4);
    loss->tangent(&call, direction, dot);
    float moved[ROWS * CHANNELS];
    for (int i = 0; i < ROWS * CHANNELS; i++) moved[i] = outputs[i] + step * direction[i];
    ps_loss_call up = call_of(moved);
    double high = loss->value(&up, above).loss;
    for (int i = 0; i < ROWS * CHANNELS; i++) moved[i] = outputs[i] - step * direction[i];
    double low = loss->value(&up, below).loss, inner = 0;
    for (int i = 0; i < ROWS * CHANNELS; i++) {
        inner += (double)gradient[i] * (double)direction[i];
        assert_true(fabs((double)(above[i] - below[i]) / (2.0 * (double)step) - (double)dot[i]) < 1e-3);
    }
    assert_true(fabs((high - low) / (2.0 * (double)step) - inner) < 1e-3);
    for (int k = 0; k < CHANNELS; k++) assert_true(gradient[2 * CHANNELS + k] == 0 && dot[2 * CHANNELS + k] == 0);
}

/* Labels 0 0 0 1 2 in the test split: naming class 0 is right three times of five. */
static void test_chance_is_the_commonest_class(void **state) {
    (void)state;
    const int16_t train[4] = {0, 1, 2, 2}, test[5] = {0, 0, 1, 0, 2};
    for (int with_test = 0; with_test < 2; with_test++) {
        ps_images images = {.shape = {1, 1, 1, 2, 2}, .type = PS_PIXEL_BYTE, .classes = 3, .labels_per_sample = 1};
        ps_dataset_options options = {.probe_count = 1};
        ps_dataset *dataset;
        const ps_task *task;
        ps_trace_task described;
        assert_int_equal(ps_images_reserve(&images, &images.train, 4), PS_OK);
        assert_int_equal(ps_images_reserve(&images, &images.test, 5), PS_OK);
        memset(images.train.pixel, 1, 16);
        memset(images.test.pixel, 2, 20);
        memcpy(images.train.label, train, sizeof train);
        memcpy(images.test.label, test, sizeof test);
        images.train.count = 4;
        images.test.count = with_test ? 5 : 0;
        assert_int_equal(ps_dataset_from_images("made up", &options, &images, &dataset), PS_OK);
        assert_int_equal(ps_task_of(dataset, &task), PS_OK);
        assert_string_equal(task->name, "classification");
        task->describe(dataset, &described);
        assert_int_equal(described.measures, 1);
        if (with_test) assert_true(described.measure[0].chance == 3.0 / 5.0);
        else assert_true(isnan(described.measure[0].chance));
        assert_int_equal(ps_dataset_count_labels(dataset, PS_SPLIT_TRAIN, 2), 1); /* the other one is the probe's */
        assert_int_equal(ps_dataset_count_labels(dataset, PS_SPLIT_PROBE, 2), 1);
        ps_dataset_close(dataset);
    }
}

static const char *fault_of(const char *header, ps_trace_task *task) {
    cJSON *document;
    assert_int_equal(ps_json_try(header, &document), PS_OK);
    assert_non_null(document);
    const char *fault = ps_trace_task_read(document, task);
    cJSON_Delete(document);
    return fault;
}

static void test_a_header_names_its_measures(void **state) {
    (void)state;
    ps_trace_task task;
    char text[64];
    assert_null(fault_of("{}", &task));
    assert_string_equal(task.measure[0].name, "accuracy");
    assert_true(task.measures == 1 && task.measure[0].higher_is_better);
    assert_null(
        fault_of("{\"task\":{\"name\":\"segmentation\",\"measures\":["
                 "{\"name\":\"mean_iou\",\"unit\":\"%\",\"better\":\"higher\",\"chance\":0.25},"
                 "{\"name\":\"boundary_error\",\"unit\":\"px\",\"better\":\"lower\"}]}}",
                 &task));
    assert_true(task.measures == 2 && task.measure[0].chance == 0.25 && isnan(task.measure[1].chance));
    assert_true(task.measure[0].higher_is_better && !task.measure[1].higher_is_better);
    assert_string_equal(ps_trace_measure_show(&task.measure[0], 0.4132, 2, text, sizeof text), "41.32 %");
    assert_string_equal(ps_trace_measure_show(&task.measure[1], 1.5, 1, text, sizeof text), "1.5 px");
    assert_string_equal(ps_trace_measure_show(&task.measure[1], (double)NAN, 1, text, sizeof text), "NaN");
    assert_string_equal(ps_trace_measure_title(&task.measure[0], text), "mean iou");
}

static void test_wrong_tasks_are_told(void **state) {
    (void)state;
    static const struct {
        const char *header, *fault;
    } wrong[] = {
        {"{\"task\":3}", "must be an object"},
        {"{\"task\":{\"name\":\"x\",\"measures\":[]}}", "1 to 4"},
        {"{\"task\":{\"name\":\"x\",\"measures\":[{\"name\":\"loss\",\"unit\":\"\",\"better\":\"lower\"}]}}",
         "no other key"},
        {"{\"task\":{\"name\":\"x\",\"measures\":[{\"name\":\"a b\",\"unit\":\"\",\"better\":\"lower\"}]}}",
         "small letters"},
        {"{\"task\":{\"name\":\"x\",\"measures\":[{\"name\":\"a\",\"unit\":\"\",\"better\":\"more\"}]}}", "\"better\""},
        {"{\"task\":{\"name\":\"x\",\"measures\":[{\"name\":\"a\",\"unit\":\"%\",\"better\":\"lower\",\"chance\":50}]}"
         "}",
         "share"},
        {"{\"task\":{\"name\":\"x\",\"measures\":[{\"name\":\"a\",\"unit\":\"\",\"better\":\"lower\"},"
         "{\"name\":\"a\",\"unit\":\"\",\"better\":\"lower\"}]}}",
         "same"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        ps_trace_task task;
        const char *fault = fault_of(wrong[i].header, &task);
        assert_non_null(fault);
        assert_non_null(strstr(fault, wrong[i].fault));
        assert_string_equal(task.name, "classification"); /* readers go on as well as they can */
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gradient_and_tangent),
        cmocka_unit_test(test_chance_is_the_commonest_class),
        cmocka_unit_test(test_a_header_names_its_measures),
        cmocka_unit_test(test_wrong_tasks_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
