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
#include "core/rng.h"
#include "kernels/map_loss.h"
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
    const ps_loss_function *loss = &ps_cross_entropy;
    const float step = 1.0f / 64;
    float gradient[ROWS * CHANNELS], above[ROWS * CHANNELS], below[ROWS * CHANNELS], dot[ROWS * CHANNELS];
    ps_loss_call call = call_of(outputs);
    assert_int_equal(loss->value(loss->self, &call, gradient).counted, 4);
    loss->tangent(loss->self, &call, direction, dot);
    float moved[ROWS * CHANNELS];
    for (int i = 0; i < ROWS * CHANNELS; i++) moved[i] = outputs[i] + step * direction[i];
    ps_loss_call up = call_of(moved);
    double high = loss->value(loss->self, &up, above).loss;
    for (int i = 0; i < ROWS * CHANNELS; i++) moved[i] = outputs[i] - step * direction[i];
    double low = loss->value(loss->self, &up, below).loss, inner = 0;
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
        ps_task_options asked = {.loss = "ce"};
        task->describe(dataset, &asked, &described);
        assert_int_equal(described.measures, 1);
        if (with_test) assert_true(described.measure[0].chance == 3.0 / 5.0);
        else assert_true(isnan(described.measure[0].chance));
        assert_int_equal(ps_dataset_count_labels(dataset, PS_SPLIT_TRAIN, 2), 1); /* the other one is the probe's */
        assert_int_equal(ps_dataset_count_labels(dataset, PS_SPLIT_PROBE, 2), 1);
        ps_dataset_close(dataset);
    }
}

/* ---- losses of masks ---- */

enum { SAMPLES = 2, MAP = 70, CLASSES = 4, VALUES = SAMPLES * MAP * CLASSES };

static ps_dataset *masks(const int16_t *test, int classes, int w) {
    ps_images images = {
        .shape = {1, 1, 1, 1, w}, .type = PS_PIXEL_BYTE, .classes = classes, .labels_per_sample = (size_t)w};
    ps_dataset_options options = {.probe_count = 1};
    ps_dataset *dataset;
    assert_int_equal(ps_images_reserve(&images, &images.train, 2), PS_OK);
    assert_int_equal(ps_images_reserve(&images, &images.test, 1), PS_OK);
    ((uint8_t *)images.train.pixel)[0] = 3;
    memcpy(images.test.label, test, (size_t)w * sizeof *test);
    images.train.count = 2;
    images.test.count = 1;
    assert_int_equal(ps_dataset_from_images("made up", &options, &images, &dataset), PS_OK);
    return dataset;
}

static const int16_t some_mask[8] = {0, 0, 0, 1, 1, 2, -1, 0};
static const double some_weights[CLASSES] = {0.5, 2, 1, 0.25};

/* Every loss there is, and faults of options. */
static const ps_task_options kinds[] = {
    {.loss = "ce", .dice_smooth = 1e-5},
    {.loss = "ce", .dice_smooth = 1e-5, .class_weight = some_weights, .class_weights = CLASSES},
    {.loss = "dice", .dice_smooth = 1e-5},
    {.loss = "dice", .dice_smooth = 0.5, .batch_dice = true},
    {.loss = "dice", .dice_smooth = 1e-5, .dice_background = true},
    {.loss = "ce+dice", .dice_smooth = 1e-5},
    {.loss = "ce+dice", .dice_smooth = 1e-5, .batch_dice = true, .class_weight = some_weights, .class_weights = 4}};

typedef struct {
    float x[VALUES], direction[VALUES], moved[VALUES], gradient[VALUES], above[VALUES], below[VALUES], dot[VALUES];
    int32_t label[SAMPLES * MAP];
} map_case;

static void fill_map(map_case *m) {
    ps_rng_key key = ps_rng_key_of(7, "maps");
    for (int i = 0; i < VALUES; i++) {
        m->x[i] = 2 * ps_rng_normal(key, (uint64_t)i);
        m->direction[i] = ps_rng_normal(key, (uint64_t)(VALUES + i));
    }
    for (int i = 0; i < SAMPLES * MAP; i++) m->label[i] = i % 11 == 3 ? -1 : i * 7 % 5 % CLASSES;
}

static ps_loss_call map_call(const map_case *m, const float *x, ps_threads *threads) {
    return (ps_loss_call){.output = x,
                          .label = m->label,
                          .samples = SAMPLES,
                          .rows = SAMPLES * MAP,
                          .channels = CLASSES,
                          .threads = threads};
}

static void move_map(map_case *m, float step) {
    for (int i = 0; i < VALUES; i++) m->moved[i] = m->x[i] + step * m->direction[i];
}

static void test_losses_of_masks(void **state) {
    (void)state;
    static map_case m;
    const float step = 1.0f / 64;
    ps_dataset *dataset = masks(some_mask, CLASSES, 8);
    fill_map(&m);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        ps_loss_function loss;
        double inner = 0;
        assert_int_equal(ps_task_segmentation.open_loss(dataset, &kinds[i], SAMPLES, &loss), PS_OK);
        ps_loss_call call = map_call(&m, m.x, NULL), away = map_call(&m, m.moved, NULL);
        ps_loss at = loss.value(loss.self, &call, m.gradient);
        assert_int_equal(at.counted, SAMPLES * MAP - 13);
        assert_true(at.loss > 0 && loss.value(loss.self, &call, NULL).loss == at.loss);
        loss.tangent(loss.self, &call, m.direction, m.dot);
        move_map(&m, step);
        double high = loss.value(loss.self, &away, m.above).loss;
        move_map(&m, -step);
        double low = loss.value(loss.self, &away, m.below).loss;
        for (int k = 0; k < VALUES; k++) {
            inner += (double)m.gradient[k] * (double)m.direction[k];
            assert_true(fabs((double)(m.above[k] - m.below[k]) / (2.0 * (double)step) - (double)m.dot[k]) < 2e-5);
            if (m.label[k / CLASSES] < 0) assert_true(m.gradient[k] == 0 && m.dot[k] == 0);
        }
        assert_true(fabs((high - low) / (2.0 * (double)step) - inner) < 2e-4);
        ps_task_close_loss(&loss);
    }
    ps_dataset_close(dataset);
}

/* Three positions, labels 1 0 1: p of class 1 is 1/2, 3/4 and the last does not count. */
static void test_dice_by_hand(void **state) {
    (void)state;
    const float x[6] = {0, 0, 0, 1.0986123f, 5, -5};
    const int32_t label[3] = {1, 0, -1};
    double room[2000];
    size_t counted;
    ps_map_loss dice = {.dice = true, .smooth = 0.25};
    ps_map_batch batch = {x, label, 1, 3, 2};
    assert_true(ps_map_loss_room(1, 2) <= 2000);
    double wanted = 1 - (2 * 0.5 + 0.25) / (0.5 + 0.75 + 1 + 0.25);
    assert_true(fabs(ps_map_loss_value(&dice, &batch, NULL, &counted, room, NULL) - wanted) < 1e-6);
    assert_int_equal(counted, 2);
    const float weight[2] = {1, 3};
    ps_map_loss entropy = {.cross_entropy = true, .weight = weight};
    wanted = (3 * log(2) + 1 * log(4)) / 4;
    assert_true(fabs(ps_map_loss_value(&entropy, &batch, NULL, &counted, room, NULL) - wanted) < 1e-6);
}

/* What counts for nothing is not measured; what is no class is NaN. */
static void test_losses_without_labels(void **state) {
    (void)state;
    const float x[4] = {1, 2, 3, 4}, weight[2] = {0, 1};
    float gradient[4];
    double room[2000];
    size_t counted;
    for (int dice = 0; dice < 2; dice++) {
        ps_map_loss loss = {.cross_entropy = true, .dice = dice == 1, .weight = weight, .smooth = 1e-5};
        const int32_t none[2] = {-1, -1}, background[2] = {0, 0}, beyond[2] = {1, 2};
        assert_true(isnan(ps_map_loss_value(&loss, &(ps_map_batch){x, none, 1, 2, 2}, gradient, &counted, room, NULL)));
        for (int i = 0; i < 4; i++) assert_true(gradient[i] == 0);
        if (dice == 0) assert_int_equal(counted, 0);
        double value =
            ps_map_loss_value(&loss, &(ps_map_batch){x, background, 1, 2, 2}, gradient, &counted, room, NULL);
        assert_true(dice ? isfinite(value) && counted == 2 : isnan(value) && counted == 0);
        for (int i = 0; i < 4; i++) assert_true(isfinite(gradient[i]) && (dice || gradient[i] == 0));
        value = ps_map_loss_value(&loss, &(ps_map_batch){x, beyond, 1, 2, 2}, gradient, &counted, room, NULL);
        assert_true(isnan(value) && counted == 2);
    }
}

/* A map large enough to be cut into parts, by one thread and by three. */
static void test_losses_are_the_same_for_any_threads(void **state) {
    (void)state;
    enum { ROWS_OF_LARGE = 20011, C = 3 };
    size_t values = (size_t)2 * ROWS_OF_LARGE * C, counted;
    float *x, *dx[2];
    int32_t *label;
    double *room, value[2];
    assert_int_equal(PS_ALLOC(values, &x, "test"), PS_OK);
    assert_int_equal(PS_ALLOC(values, &dx[0], "test"), PS_OK);
    assert_int_equal(PS_ALLOC(values, &dx[1], "test"), PS_OK);
    assert_int_equal(PS_ALLOC(values, &label, "test"), PS_OK);
    assert_int_equal(PS_ALLOC(ps_map_loss_room(2, C), &room, "test"), PS_OK);
    for (size_t i = 0; i < values; i++) x[i] = (float)(i * 37 % 101) / 25.0f;
    for (size_t i = 0; i < values; i++) label[i] = (int32_t)(i * 13 % 7 % 4) - 1;
    for (int batch_dice = 0; batch_dice < 2; batch_dice++) {
        ps_map_loss loss = {.cross_entropy = true, .dice = true, .smooth = 1e-5, .batch_dice = batch_dice == 1};
        for (int i = 0; i < 2; i++) {
            ps_threads *threads;
            assert_int_equal(ps_threads_create(1 + 2 * i, &threads), PS_OK);
            ps_map_batch batch = {x, label, 2, ROWS_OF_LARGE, C};
            value[i] = ps_map_loss_value(&loss, &batch, dx[i], &counted, room, threads);
            ps_threads_destroy(threads);
        }
        assert_true(value[0] == value[1] && memcmp(dx[0], dx[1], values * sizeof *x) == 0);
    }
    ps_free(x), ps_free(dx[0]), ps_free(dx[1]), ps_free(label), ps_free(room);
}

static void test_losses_refuse_what_does_not_fit(void **state) {
    (void)state;
    static const struct {
        ps_task_options options;
        const char *sentence;
    } wrong[] = {
        {{.loss = "focal", .dice_smooth = 1e-5}, "ce, dice or ce+dice"},
        {{.loss = "dice", .dice_smooth = 1e-5, .class_weight = some_weights, .class_weights = 4}, "of cross-entropy"},
        {{.loss = "ce", .dice_smooth = 1e-5, .class_weight = some_weights, .class_weights = 3}, "4 classes"},
        {{.loss = "ce", .dice_smooth = 1e-5, .batch_dice = true}, "of soft Dice"},
        {{.loss = "dice", .dice_smooth = 1e-5, .softened = true}, "soften"},
    };
    ps_dataset *dataset = masks(some_mask, CLASSES, 8);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        ps_loss_function loss;
        assert_int_equal(ps_task_segmentation.open_loss(dataset, &wrong[i].options, 2, &loss), PS_ERR_USAGE);
        assert_non_null(strstr(ps_status_message(), wrong[i].sentence));
    }
    ps_dataset_close(dataset);
}

/* Of seven positions that count, four are of class 0 and three classes are there. */
static void test_masks_are_segmented(void **state) {
    (void)state;
    ps_dataset *dataset = masks(some_mask, CLASSES, 8);
    const ps_task *task;
    ps_trace_task described;
    ps_task_options asked = {.loss = "ce", .dice_smooth = 1e-5};
    assert_int_equal(ps_task_of(dataset, &task), PS_OK);
    assert_string_equal(task->name, "segmentation");
    task->describe(dataset, &asked, &described);
    assert_string_equal(described.measure[0].name, "mean_iou");
    assert_true(fabs(described.measure[0].chance - 4.0 / 7.0 / 3.0) < 1e-12);
    assert_true(fabs(described.measure[1].chance - 4.0 / 7.0) < 1e-12);
    ps_dataset_close(dataset);
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
    assert_string_equal(ps_trace_measure_title(&task.measure[0], text), "mean IoU");
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
        cmocka_unit_test(test_losses_of_masks),
        cmocka_unit_test(test_dice_by_hand),
        cmocka_unit_test(test_losses_without_labels),
        cmocka_unit_test(test_losses_are_the_same_for_any_threads),
        cmocka_unit_test(test_losses_refuse_what_does_not_fit),
        cmocka_unit_test(test_masks_are_segmented),
        cmocka_unit_test(test_a_header_names_its_measures),
        cmocka_unit_test(test_wrong_tasks_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
