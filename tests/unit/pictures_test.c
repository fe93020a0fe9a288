/* Data sets of pictures: folders of classes, PASCAL VOC, Cityscapes, CamVid, and generated shapes - tiny ones that are
 * right, and one sentence for each way to be wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/file.h"
#include "core/memory.h"
#include "data/source.h"
#include "tests/lib/folder.h"
#include "tests/lib/pictures.h"

enum { H = 4, W = 6, PATH_SIZE = 512 };

static const ps_dataset_options as_stored = {.size = 0};

/* ---- tiny files ---- */

static const char *in_folder(const char *name) {
    static char path[PATH_SIZE];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    char *slash = strrchr(path, '/');
    *slash = '\0';
    held(ps_file_make_directories(path));
    *slash = '/';
    return path;
}

/* A picture of which the red is `value` everywhere; a JPEG or a PNG file by its name. */
static void put_picture_of(const char *name, int h, int w, uint8_t value) {
    uint8_t rgb[64 * 64 * 3];
    for (int i = 0; i < h * w * 3; i++) rgb[i] = i % 3 == 0 ? value : 40;
    if (strstr(name, ".png") != NULL) write_png(in_folder(name), &(png_kind){.h = h, .w = w, .colour = true}, rgb);
    else write_jpeg(in_folder(name), &(jpeg_kind){.h = h, .w = w, .channels = 3, .quality = 100}, rgb);
}

static void put_picture(const char *name, uint8_t value) { put_picture_of(name, H, W, value); }

/* A label map: all `value`, but for the last position. */
static void put_mask(const char *name, uint8_t value, uint8_t last) {
    uint8_t number[H * W];
    memset(number, value, sizeof number);
    number[H * W - 1] = last;
    write_png(in_folder(name), &(png_kind){.h = H, .w = W, .palette = value % 2}, number);
}

static void put_text(const char *name, const char *text) { held(ps_file_write(in_folder(name), text, strlen(text))); }
static void take_away(const char *name) { assert_int_equal(unlink(in_folder(name)), 0); }

/* ---- opening ---- */

static char source_name[PATH_SIZE];
static const char *source_of(const char *format, const char *below) {
    snprintf(source_name, sizeof source_name, "%s:%s%s", format, folder, below);
    return source_name;
}

static void must_open(const char *format, const char *below, int train, int test, int classes, ps_source *out) {
    held(ps_source_open(source_of(format, below), &as_stored, out));
    held(ps_source_check_bad(out, "test", false));
    assert_int_equal(out->count[PS_SOURCE_TRAIN], train);
    assert_int_equal(out->count[PS_SOURCE_TEST], test);
    assert_int_equal(out->classes, classes);
}

/* The sentence begins with the path of what is wrong, says the other words, and what to do. */
static void says(const char *sentence, const char *file, const char *first, const char *second) {
    char begins[PATH_SIZE];
    snprintf(begins, sizeof begins, "%s%s%s: ", folder, file[0] != '\0' ? "/" : "", file);
    if (strstr(sentence, begins) == sentence && strstr(sentence, first) != NULL && strstr(sentence, second) != NULL &&
        strchr(sentence, ';') != NULL)
        return;
    fail_msg("\"%s\" does not begin with \"%s\" and say \"%s\", \"%s\"", sentence, begins, first, second);
}

/* One sample is left out with such a sentence, and all others are there. */
static void leaves_out(const char *format, int train, int test, const char *file, const char *first,
                       const char *second) {
    ps_source source;
    held(ps_source_open(source_of(format, ""), &as_stored, &source));
    assert_int_equal(source.count[PS_SOURCE_TRAIN], train);
    assert_int_equal(source.count[PS_SOURCE_TEST], test);
    assert_int_equal(source.bad_count, 1);
    says(source.bad[0], file, first, second);
    assert_int_equal(ps_source_check_bad(&source, "test", false), PS_ERR_INPUT);
    held(ps_source_check_bad(&source, "test", true));
    ps_source_close(&source);
}

static void refuses(const char *format, const char *file, const char *first, const char *second) {
    ps_source source;
    assert_int_equal(ps_source_open(source_of(format, ""), &as_stored, &source), PS_ERR_INPUT);
    says(ps_status_message(), file, first, second);
    ps_source_close(&source);
}

static void refuses_sample(const char *format, int index, const char *file, const char *first, const char *second) {
    ps_source source;
    uint8_t rgb[H * W * 3];
    int16_t label[H * W];
    held(ps_source_open(source_of(format, ""), &as_stored, &source));
    assert_int_equal(source.functions->decode(&source, PS_SOURCE_TRAIN, index, rgb, label), PS_ERR_INPUT);
    says(ps_status_message(), file, first, second);
    ps_source_close(&source);
}

/* A sample whose red is about `red` (JPEG), with the label map: all `value`, but for the last position. */
static void expect_pair(const ps_source *source, ps_source_part part, int index, const char *name, int red, int value,
                        int last) {
    ps_sample_size size;
    uint8_t rgb[H * W * 3];
    int16_t label[H * W];
    source->functions->size(source, part, index, &size);
    assert_true(ps_shape_equal(size.pixels, (ps_shape){1, 3, 1, H, W}));
    assert_true(ps_shape_equal(size.mask, (ps_shape){1, 1, 1, H, W}));
    assert_string_equal(source->functions->name(source, part, index), name);
    assert_non_null(strstr(source->functions->path(source, part, index), name));
    held(source->functions->decode(source, part, index, rgb, label));
    for (int i = 0; i < H * W; i++) {
        assert_true(abs(rgb[3 * i] - red) <= 3);
        assert_int_equal(label[i], i == H * W - 1 ? last : value);
    }
}

/* ---- folders of classes ---- */

static void folders_are_classes(void **state) {
    (void)state;
    ps_source source;
    for (int i = 0; i < 6; i++) {
        char name[64];
        snprintf(name, sizeof name, "train/dog/%s%d.%s", i % 2 ? "deep/" : "", i, i % 3 ? "jpg" : "png");
        put_picture_of(name, H + i, W, (uint8_t)(100 + i));
    }
    put_picture("train/cat/b.JPEG", 10);
    put_picture("train/cat/a.png", 11);
    put_picture("val/dog/x.png", 20);
    put_text("train/cat/notes.txt", "no picture");
    put_text("train/readme.txt", "no class");
    put_text("train/.hidden/x", "no class either");
    must_open("images", "", 8, 1, 2, &source);
    assert_string_equal(source.class_names[0], "cat");
    assert_string_equal(source.class_names[1], "dog");
    /* in shares: of every four samples one is a cat */
    for (int half = 0; half < 2; half++) {
        int cats = 0;
        for (int i = 4 * half; i < 4 * half + 4; i++) {
            ps_sample_size size;
            uint8_t rgb[(H + 6) * W * 3];
            int16_t label = -7;
            source.functions->size(&source, PS_SOURCE_TRAIN, i, &size);
            held(source.functions->decode(&source, PS_SOURCE_TRAIN, i, rgb, &label));
            assert_true(label == 0 ? rgb[0] <= 14 : rgb[0] >= 97);
            if (label == 1) assert_true(abs(size.pixels.h - H - (rgb[0] - 100)) <= 3);
            cats += label == 0;
        }
        assert_int_equal(cats, 1);
    }
    assert_string_equal(source.functions->name(&source, PS_SOURCE_TEST, 0), "dog/x.png");
    ps_source_close(&source);
    put_picture("test/cat/x.png", 20); /* what is called test is tested on, where both are */
    must_open("images", "", 8, 1, 2, &source);
    assert_string_equal(source.functions->name(&source, PS_SOURCE_TEST, 0), "cat/x.png");
    ps_source_close(&source);
    must_open("images", "/train", 8, 0, 2, &source); /* the folders of classes themselves */
    ps_source_close(&source);
}

static void pictures_of_unlike_sizes_want_a_size(void **state) {
    (void)state;
    ps_dataset *dataset;
    ps_dataset_options options = {.probe_count = 1};
    put_picture_of("a/1.png", 8, 8, 1);
    put_picture_of("b/1.png", 9, 7, 2);
    put_picture_of("b/2.png", 9, 7, 3);
    held(ps_dataset_open(source_of("images", ""), &options, &dataset));
    assert_true(ps_dataset_samples_differ(dataset));
    ps_dataset_close(dataset);
    options.size = 8;
    held(ps_dataset_open(source_of("images", ""), &options, &dataset));
    assert_false(ps_dataset_samples_differ(dataset));
    assert_int_equal(ps_dataset_sample_shape(dataset).h, 8);
    ps_dataset_close(dataset);
}

static void wrong_folders_of_classes(void **state) {
    (void)state;
    ps_source source;
    put_picture("a/1.png", 1);
    refuses("images", "", "1 folders", "2 to");
    put_text("b/notes.txt", "none yet");
    refuses("images", "b", "holds no picture", "stands for a class");
    put_picture("b/1.png", 2);
    put_text("b/2.png", "broken");
    leaves_out("images", 2, 0, "b/2.png", "begins with bytes", "convert");
    put_text("b/2.png", "");
    leaves_out("images", 2, 0, "b/2.png", "is empty", "PNG or JPEG");
    take_away("b/2.png");
    put_text("b/3.WebP", "RIFF, of another kind");
    leaves_out("images", 2, 0, "b/3.WebP", "begins with bytes 52 49 46 46", "convert");
    put_picture("train/a/1.png", 1);
    put_picture("train/b/1.png", 1);
    put_picture("test/c/1.png", 1);
    refuses("images", "test/c", "no training picture is of such a class", "same names");
    assert_int_equal(ps_source_open("images:/nowhere/at/all", &as_stored, &source), PS_ERR_INPUT);
    assert_non_null(strstr(ps_status_message(), "/nowhere/at/all: No such file"));
    ps_source_close(&source);
    assert_int_equal(symlink(folder, in_folder("train/a/loop")), 0);
    refuses("images", "train/a/loop/train/a/loop/train/a/loop/train/a/loop/train/a/loop/train/a/loop/a",
            "more than 16 folders", "link");
}

/* ---- PASCAL VOC ---- */

static void put_voc(const char *root) {
    char name[PATH_SIZE];
    const char *const stems[] = {"2007_000032", "2007_000039", "2007_000063"};
    for (int i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "%sJPEGImages/%s.jpg", root, stems[i]);
        put_picture(name, (uint8_t)(50 * i));
        snprintf(name, sizeof name, "%sSegmentationClass/%s.png", root, stems[i]);
        put_mask(name, (uint8_t)(i == 0 ? 20 : i), 255);
    }
    snprintf(name, sizeof name, "%sJPEGImages/not_in_a_list.jpg", root);
    put_picture(name, 1);
    snprintf(name, sizeof name, "%sImageSets/Segmentation/train.txt", root);
    put_text(name, "2007_000039\r\n2007_000032 \n\n");
    snprintf(name, sizeof name, "%sImageSets/Segmentation/val.txt", root);
    put_text(name, "2007_000063");
}

static void voc_by_its_lists(void **state) {
    (void)state;
    const char *const roots[] = {"", "one/VOC2012/", "two/VOCdevkit/VOC2007/"}, *const asked[] = {"", "/one", "/two"};
    for (int i = 0; i < 3; i++) {
        ps_source source;
        put_voc(roots[i]);
        must_open("voc", asked[i], 2, 1, 21, &source);
        assert_string_equal(source.class_names[20], "tv monitor");
        expect_pair(&source, PS_SOURCE_TRAIN, 0, "2007_000039", 50, 1, -1);
        expect_pair(&source, PS_SOURCE_TRAIN, 1, "2007_000032", 0, 20, -1);
        expect_pair(&source, PS_SOURCE_TEST, 0, "2007_000063", 100, 2, -1);
        ps_source_close(&source);
    }
}

static void augmented_labels_are_trained_on(void **state) {
    (void)state;
    ps_source source;
    put_voc("");
    put_mask("SegmentationClassAug/2007_000032.png", 4, 0);
    must_open("voc", "", 2, 1, 21, &source); /* not without their list */
    ps_source_close(&source);
    put_text("ImageSets/Segmentation/train_aug.txt",
             "/JPEGImages/2007_000032.jpg /SegmentationClassAug/2007_000032.png\n");
    must_open("voc", "", 1, 1, 21, &source);
    expect_pair(&source, PS_SOURCE_TRAIN, 0, "2007_000032", 0, 4, 0);
    expect_pair(&source, PS_SOURCE_TEST, 0, "2007_000063", 100, 2, -1);
    ps_source_close(&source);
}

static void wrong_voc(void **state) {
    (void)state;
    put_voc("");
    put_mask("SegmentationClass/2007_000032.png", 3, 21);
    refuses_sample("voc", 1, "SegmentationClass/2007_000032.png", "row 3, column 5 has label 21", "0 to 20");
    put_picture("SegmentationClass/2007_000032.png", 3);
    leaves_out("voc", 1, 1, "SegmentationClass/2007_000032.png", "colour picture", "convert");
    write_jpeg(in_folder("SegmentationClass/2007_000032.png"), &(jpeg_kind){.h = H, .w = W, .channels = 1},
               (const uint8_t[H * W]){0});
    leaves_out("voc", 1, 1, "SegmentationClass/2007_000032.png", "JPEG file", "convert");
    write_flat_png(in_folder("SegmentationClass/2007_000032.png"), H, W - 1, 3);
    leaves_out("voc", 1, 1, "SegmentationClass/2007_000032.png", "is 4 x 5", "JPEGImages/2007_000032.jpg is 4 x 6");
    take_away("SegmentationClass/2007_000032.png");
    leaves_out("voc", 1, 1, "JPEGImages/2007_000032.jpg", "has no label map", "SegmentationClass/2007_000032.png");
    put_mask("SegmentationClass/2007_000032.png", 3, 3);
    take_away("JPEGImages/2007_000032.jpg");
    leaves_out("voc", 1, 1, "SegmentationClass/2007_000032.png", "has no picture", "JPEGImages/2007_000032.jpg");
    put_picture("JPEGImages/2007_000032.jpg", 3);
    put_picture("JPEGImages/2007_000039.jpg", 3);
    cut_file(in_folder("JPEGImages/2007_000039.jpg"), file_length(in_folder("JPEGImages/2007_000039.jpg")) - 4);
    refuses_sample("voc", 0, "JPEGImages/2007_000039.jpg", "damaged JPEG", "fetch");
    put_text("ImageSets/Segmentation/train.txt", "2007_000032\n2007_000039\n2007_000032\n");
    refuses("voc", "", "\"2007_000032\" stands more than once", "train.txt");
    put_text("ImageSets/Segmentation/train.txt", "2007_000032\n2007_000039\n");
    put_text("ImageSets/Segmentation/val.txt", "2007_000039\n");
    refuses("voc", "", "\"2007_000039\" is in the list of pictures to train on and", "val.txt");
    take_away("ImageSets/Segmentation/train.txt");
    take_away("ImageSets/Segmentation/val.txt");
    refuses("voc", "", "no pictures for training", "ImageSets/Segmentation/train.txt");
}

/* ---- Cityscapes ---- */

static void put_city(const char *place, uint8_t red, uint8_t id) {
    char name[PATH_SIZE];
    snprintf(name, sizeof name, "leftImg8bit/%s_leftImg8bit.png", place);
    put_picture(name, red);
    snprintf(name, sizeof name, "gtFine/%s_gtFine_labelIds.png", place);
    put_mask(name, id, 0);
}

static void ids_of_cityscapes_become_classes(void **state) {
    (void)state;
    const int known[][2] = {{7, 0},   {8, 1},   {11, 2},  {12, 3},  {13, 4},  {17, 5},  {19, 6},
                            {20, 7},  {21, 8},  {22, 9},  {23, 10}, {24, 11}, {25, 12}, {26, 13},
                            {27, 14}, {28, 15}, {31, 16}, {32, 17}, {33, 18}};
    ps_source source;
    for (int id = 0; id < 34; id++) {
        char place[64];
        int expected = -1;
        for (int i = 0; i < 19; i++)
            if (known[i][0] == id) expected = known[i][1];
        snprintf(place, sizeof place, "train/aachen/aachen_%06d_000019", id);
        put_city(place, (uint8_t)(3 * id), (uint8_t)id);
        if (id == 0) continue;
        snprintf(place, sizeof place, "aachen_%06d_000019", id);
        must_open("cityscapes", "", id + 1, 0, 19, &source);
        expect_pair(&source, PS_SOURCE_TRAIN, id, place, 3 * id, expected, -1);
        ps_source_close(&source);
    }
    put_city("val/ulm/ulm_1", 9, 33);
    put_city("test/bonn/bonn_1", 9, 0); /* whose labels are nobody's */
    put_text("gtFine/train/aachen/aachen_000000_000019_gtFine_polygons.json", "{}");
    must_open("cityscapes", "", 34, 1, 19, &source);
    assert_string_equal(source.class_names[18], "bicycle");
    expect_pair(&source, PS_SOURCE_TEST, 0, "ulm_1", 9, 18, -1);
    ps_source_close(&source);
}

static void wrong_cityscapes(void **state) {
    (void)state;
    refuses("cityscapes", "", "no pictures for training", "leftImg8bit/train/CITY");
    put_city("train/aachen/a", 1, 7);
    put_city("train/bochum/b", 1, 34);
    refuses_sample("cityscapes", 1, "gtFine/train/bochum/b_gtFine_labelIds.png", "label 34", "0 to 33");
    take_away("gtFine/train/bochum/b_gtFine_labelIds.png");
    leaves_out("cityscapes", 1, 0, "leftImg8bit/train/bochum/b_leftImg8bit.png", "no label map", "gtFine/train/bochum");
    put_mask("gtFine/train/bochum/b_gtFine_labelIds.png", 7, 7);
    take_away("leftImg8bit/train/bochum/b_leftImg8bit.png");
    leaves_out("cityscapes", 1, 0, "gtFine/train/bochum/b_gtFine_labelIds.png", "no picture", "leftImg8bit/train");
}

/* ---- CamVid ---- */

static void camvid_by_its_folders(void **state) {
    (void)state;
    ps_source source;
    for (uint8_t i = 0; i < 3; i++) {
        char name[64];
        snprintf(name, sizeof name, "train/seq_%d.png", i);
        put_picture(name, i);
        snprintf(name, sizeof name, "trainannot/seq_%d.png", i);
        put_mask(name, (uint8_t)(8 + i), 11);
    }
    must_open("camvid", "", 3, 0, 11, &source);
    assert_string_equal(source.class_names[8], "car");
    for (int i = 0; i < 3; i++) {
        char name[64];
        snprintf(name, sizeof name, "seq_%d", i);
        expect_pair(&source, PS_SOURCE_TRAIN, i, name, i, 8 + i, -1);
    }
    ps_source_close(&source);
    put_picture("val/v.png", 1);
    put_mask("valannot/v.png", 1, 1);
    must_open("camvid", "", 3, 1, 11, &source);
    expect_pair(&source, PS_SOURCE_TEST, 0, "v", 1, 1, 1);
    ps_source_close(&source);
    put_picture("test/t.png", 1);
    put_mask("testannot/t.png", 2, 2);
    must_open("camvid", "", 3, 1, 11, &source);
    expect_pair(&source, PS_SOURCE_TEST, 0, "t", 1, 2, 2);
    ps_source_close(&source);
    put_mask("trainannot/seq_1.png", 12, 1);
    refuses_sample("camvid", 1, "trainannot/seq_1.png", "row 0, column 0 has label 12", "0 to 10");
    put_mask("trainannot/alone.png", 1, 1);
    leaves_out("camvid", 3, 1, "trainannot/alone.png", "no picture", "train/alone.png");
    take_away("trainannot/alone.png");
    put_picture("train/alone.png", 1);
    leaves_out("camvid", 3, 1, "train/alone.png", "no label map", "trainannot/alone.png");
}

static void what_is_bad_is_named_and_may_be_skipped(void **state) {
    (void)state;
    ps_dataset *dataset;
    ps_dataset_options options = {.probe_count = 1};
    for (int i = 0; i < 5; i++) {
        char name[64];
        snprintf(name, sizeof name, "train/%d.png", i);
        put_picture(name, (uint8_t)i);
        snprintf(name, sizeof name, "trainannot/%d.png", i);
        put_mask(name, 1, 1);
    }
    cut_file(in_folder("train/1.png"), 20);
    put_text("trainannot/3.png", "nothing");
    assert_int_equal(ps_dataset_open(source_of("camvid", ""), &options, &dataset), PS_ERR_INPUT);
    assert_non_null(strstr(ps_status_message(), "train/1.png"));
    assert_non_null(strstr(ps_status_message(), "trainannot/3.png"));
    options.skip_bad = true;
    held(ps_dataset_open(source_of("camvid", ""), &options, &dataset));
    assert_int_equal(ps_dataset_count(dataset, PS_SPLIT_TRAIN), 2);
    assert_string_equal(ps_dataset_file_of(dataset, PS_SPLIT_TRAIN, 1).name, "4");
    assert_string_equal(ps_dataset_file_of(dataset, PS_SPLIT_PROBE, 0).name, "2"); /* the middle of what is left */
    says(ps_dataset_left_out(dataset, 0), "train/1.png", "damaged PNG", "header");
    says(ps_dataset_left_out(dataset, 1), "trainannot/3.png", "begins with bytes", "convert");
    assert_null(ps_dataset_left_out(dataset, 2));
    ps_dataset_close(dataset);
}

/* Headers say all that opening wants: nothing is decoded, and memory is that of the names. */
static void opening_reads_headers_alone(void **state) {
    (void)state;
    enum { SIDE = 512, PICTURES = 40 };
    static uint8_t rgb[SIDE * SIDE * 3];
    ps_source source;
    for (int i = 0; i < SIDE * SIDE * 3; i++) rgb[i] = (uint8_t)(i * 7 % 251);
    for (int i = 0; i < PICTURES; i++) {
        char name[64];
        snprintf(name, sizeof name, "%s/%d.png", i % 2 ? "a" : "b", i);
        write_png(in_folder(name), &(png_kind){.h = SIDE, .w = SIDE, .colour = true}, rgb);
        cut_file(in_folder(name), 200 + file_length(in_folder(name)) / 2); /* the pixels are not whole */
    }
    size_t before = ps_memory_peak_bytes();
    must_open("images", "", PICTURES, 0, 2, &source);
    assert_true(ps_memory_peak_bytes() - before < (size_t)SIDE * SIDE * 3 * 2);
    ps_source_close(&source);
}

/* ---- generated shapes ---- */

static void shapes_are_a_function_of_seed_and_number(void **state) {
    (void)state;
    enum { SIDE = 64, CLASSES = 5 };
    static uint8_t first[SIDE * SIDE * 3], again[SIDE * SIDE * 3];
    static int16_t label[SIDE * SIDE], other[SIDE * SIDE];
    ps_source source, same;
    ps_dataset_options options = {.probe_count = 16};
    held(ps_source_open("synthetic-2d", &options, &source));
    options.train_limit = 7;
    held(ps_source_open("synthetic-2d", &options, &same));
    assert_int_equal(source.count[PS_SOURCE_TRAIN], 512 + 16);
    assert_int_equal(same.count[PS_SOURCE_TRAIN], 7 + 16);
    for (int start = 0; start < 16; start += 4) { /* each of the shapes in every run of four */
        size_t count[CLASSES] = {0};
        for (int i = start; i < start + 4; i++) {
            held(source.functions->decode(&source, PS_SOURCE_TRAIN, i, first, label));
            held(same.functions->decode(&same, PS_SOURCE_TRAIN, i, again, other));
            assert_memory_equal(first, again, sizeof first);
            assert_memory_equal(label, other, sizeof label);
            for (int p = 0; p < SIDE * SIDE; p++) {
                assert_in_range(label[p], 0, CLASSES - 1);
                count[label[p]]++;
            }
        }
        for (int c = 0; c < CLASSES; c++) assert_true(count[c] >= 10);
    }
    held(source.functions->decode(&source, PS_SOURCE_TEST, 3, again, other));
    held(source.functions->decode(&source, PS_SOURCE_TRAIN, 3, first, label));
    assert_memory_not_equal(first, again, sizeof first);
    ps_source_close(&source);
    ps_source_close(&same);
    options = (ps_dataset_options){.size = 8};
    assert_int_equal(ps_source_open("synthetic-2d", &options, &source), PS_ERR_USAGE);
    ps_source_close(&source);
}

/* The bytes are those of every machine. */
static void shapes_keep_their_digest(void **state) {
    (void)state;
    ps_dataset *dataset;
    ps_dataset_options options = {.size = 32, .probe_count = 2, .train_limit = 6, .test_limit = 2};
    held(ps_dataset_open("synthetic-2d", &options, &dataset));
    assert_string_equal(ps_dataset_digest(dataset), "00c31d945bf40779");
    assert_string_equal(ps_dataset_class_name(dataset, 3), "ring");
    ps_dataset_close(dataset);
}

int main(void) {
#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)
    const struct CMUnitTest tests[] = {
        IN_FOLDER(folders_are_classes),
        IN_FOLDER(pictures_of_unlike_sizes_want_a_size),
        IN_FOLDER(wrong_folders_of_classes),
        IN_FOLDER(voc_by_its_lists),
        IN_FOLDER(augmented_labels_are_trained_on),
        IN_FOLDER(wrong_voc),
        IN_FOLDER(ids_of_cityscapes_become_classes),
        IN_FOLDER(wrong_cityscapes),
        IN_FOLDER(camvid_by_its_folders),
        IN_FOLDER(what_is_bad_is_named_and_may_be_skipped),
        IN_FOLDER(opening_reads_headers_alone),
        cmocka_unit_test(shapes_are_a_function_of_seed_and_number),
        cmocka_unit_test(shapes_keep_their_digest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
