/* Layouts of volumes: which cases there are, what they are called, what their labels mean, and what is wrong with a
 * folder, in one sentence. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/file.h"
#include "data/source.h"
#include "run/opened.h"
#include "tests/lib/folder.h"
#include "tests/lib/nifti_files.h"

static char path[256];
static const char *at(const char *name) {
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void write_text(const char *name, const char *text) { held(ps_file_write(at(name), text, strlen(text))); }

/* An image of floats, and its labels 0, 1, 2 or so. */
static void write_case(const char *image, const char *label, int side, int labels) {
    made_nifti what = {.side = {side, side + 1, side + 2}};
    double *value = calloc((size_t)(side * (side + 1) * (side + 2)), sizeof *value);
    for (int i = 0; i < side * (side + 1) * (side + 2); i++) value[i] = i % labels;
    if (image != NULL) write_nifti(at(image), &what);
    what.value = value;
    if (label != NULL) write_nifti(at(label), &what);
    free(value);
}

static int empty_folder(void **state) {
    (void)state;
    static const char *const folders[] = {"imagesTr", "labelsTr", "imagesTs", "labelsTs", "imagesVa",
                                          "labelsVa", "img",      "label",    "Training"};
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) ps_file_remove_directory(at(folders[i]));
    remove(at("dataset.json"));
    held(ps_file_make_directories(at("imagesTr")));
    held(ps_file_make_directories(at("labelsTr")));
    return 0;
}

static ps_status open_source(const char *format, ps_source *out) {
    static char name[128];
    const ps_dataset_options options = {.seed = 3};
    snprintf(name, sizeof name, "%s:%s", format, folder);
    return ps_source_open(name, &options, out);
}

static void refused(const char *format, const char *words) {
    ps_source source;
    ps_status status = open_source(format, &source);
    if (status == PS_OK) status = ps_source_check_bad(&source, format, false);
    const char *said = ps_status_message();
    if (status == PS_OK || strstr(said, words) == NULL || strstr(said, folder) == NULL)
        fail_msg("said \"%s\", not \"%s\"", status == PS_OK ? "nothing" : said, words);
    ps_source_close(&source);
}

static const char *name_of(const ps_source *s, ps_source_part part, int i) { return s->functions->name(s, part, i); }

/* ---- msd ---- */

static void cases_of_folders(void **state) {
    (void)state;
    ps_source s;
    write_case("imagesTr/b.nii.gz", "labelsTr/b.nii.gz", 4, 3);
    write_case("imagesTr/a.nii", "labelsTr/a.nii.gz", 3, 2);
    write_case("imagesTr/._a.nii", NULL, 3, 2); /* as other systems leave */
    held(ps_file_make_directories(at("imagesTs")));
    write_case("imagesTs/t.nii.gz", NULL, 5, 3);
    held(open_source("msd", &s));
    assert_int_equal(s.count[PS_SOURCE_TRAIN], 2);
    assert_int_equal(s.count[PS_SOURCE_TEST], 0); /* no labels, no test part */
    assert_int_equal(s.classes, 3);
    assert_string_equal(name_of(&s, PS_SOURCE_TRAIN, 0), "a");
    assert_string_equal(name_of(&s, PS_SOURCE_TRAIN, 1), "b");
    ps_sample_size size;
    ps_shape shape;
    double mm[3];
    s.functions->size(&s, PS_SOURCE_TRAIN, 0, &size);
    assert_true(ps_shape_equal(size.pixels, (ps_shape){1, 1, 5, 4, 3})); /* x is the last */
    s.functions->original(&s, PS_SOURCE_TRAIN, 0, &shape, mm);
    assert_true(ps_shape_equal(shape, size.mask));
    float pixel[60];
    int16_t label[60];
    held(s.functions->decode(&s, PS_SOURCE_TRAIN, 0, pixel, label));
    for (int i = 0; i < 60; i++) assert_true(pixel[i] == (float)(i % 7) && label[i] == i % 2);
    ps_source_close(&s);
    held(ps_file_make_directories(at("labelsTs")));
    write_case(NULL, "labelsTs/t.nii.gz", 5, 3);
    held(open_source("msd", &s));
    assert_int_equal(s.count[PS_SOURCE_TEST], 1);
    assert_string_equal(name_of(&s, PS_SOURCE_TEST, 0), "t");
    ps_source_close(&s);
}

/* What is behind a name may sort before the "." of its ending. */
static void names_that_begin_alike(void **state) {
    (void)state;
    static const char *const names[] = {"a", "a (1)", "a-b", "a_c"};
    ps_source s;
    for (int i = 0; i < 4; i++) {
        char image[64], label[64];
        snprintf(image, sizeof image, "imagesTr/%s.nii.gz", names[i]);
        snprintf(label, sizeof label, "labelsTr/%s.nii.gz", names[i]);
        write_case(image, label, 3, 3);
    }
    held(open_source("msd", &s));
    assert_int_equal(s.bad_count, 0);
    for (int i = 0; i < 4; i++) assert_string_equal(name_of(&s, PS_SOURCE_TRAIN, i), names[i]);
    ps_source_close(&s);
    write_case("imagesTr/a-b.nii", NULL, 3, 3);
    refused("msd", "imagesTr/a-b.nii.gz: is called as");
    remove(at("imagesTr/a-b.nii"));
    write_case(NULL, "labelsTr/a.nii", 3, 3);
    refused("msd", "labelsTr/a.nii.gz: is called as");
}

static void validation_cases_of_amos(void **state) {
    (void)state;
    ps_source s;
    held(ps_file_make_directories(at("imagesVa")));
    held(ps_file_make_directories(at("labelsVa")));
    write_case("imagesTr/amos_0001.nii.gz", "labelsTr/amos_0001.nii.gz", 3, 3);
    write_case("imagesTr/amos_0004.nii.gz", "labelsTr/amos_0004.nii.gz", 3, 3);
    write_case("imagesVa/amos_0008.nii.gz", "labelsVa/amos_0008.nii.gz", 3, 3);
    held(open_source("msd", &s));
    assert_int_equal(s.count[PS_SOURCE_TRAIN], 2); /* and not two channels of one case */
    assert_string_equal(name_of(&s, PS_SOURCE_TEST, 0), "amos_0008");
    ps_source_close(&s);
}

static void names_of_both_ways(void **state) {
    (void)state;
    static const char *const texts[] = {
        "{\"labels\": {\"0\": \"background\", \"1\": \"liver\", \"2\": \"tumour\"}, \"modality\": {\"0\": \"CT\"}}",
        "{\"labels\": {\"background\": 0, \"tumour\": 2, \"liver\": 1}, \"channel_names\": {\"0\": \"CT\"}, "
        "\"file_ending\": \".nii.gz\"}",
        "\xEF\xBB\xBF{\"labels\": {\"background\": \"0\", \"liver\": \"1\", \"tumour\": \"2\"}, \"modality\": {\"0\": "
        "\"CT\"}, "
        "\"training\": [{\"image\": \"./imagesTr/b.nii.gz\", \"label\": \"./labelsTr/b.nii.gz\"}]}"};
    for (int i = 0; i < 3; i++) {
        ps_source s;
        write_case("imagesTr/a.nii.gz", "labelsTr/a.nii.gz", 3, 2);
        write_case("imagesTr/b.nii.gz", "labelsTr/b.nii.gz", 3, 2);
        write_text("dataset.json", texts[i]);
        held(open_source("msd", &s));
        assert_int_equal(s.classes, 3); /* named, though no voxel is the third */
        assert_string_equal(s.class_names[2], "tumour");
        assert_string_equal(s.channel_names[0], "CT");
        assert_int_equal(s.count[PS_SOURCE_TRAIN], i == 2 ? 1 : 2);
        ps_source_close(&s);
    }
}

static void the_label_to_ignore(void **state) {
    (void)state;
    ps_source s;
    float pixel[60];
    int16_t label[60];
    write_case("imagesTr/a.nii.gz", "labelsTr/a.nii.gz", 3, 3);
    write_text("dataset.json", "{\"labels\": {\"background\": 0, \"liver\": 1, \"ignore\": 2}}");
    held(open_source("msd", &s));
    assert_int_equal(s.classes, 2);
    held(s.functions->decode(&s, PS_SOURCE_TRAIN, 0, pixel, label));
    for (int i = 0; i < 60; i++) assert_int_equal(label[i], i % 3 == 2 ? -1 : i % 3);
    ps_source_close(&s);
}

static void a_file_a_channel(void **state) {
    (void)state;
    ps_source s;
    float pixel[120];
    int16_t label[60];
    double value[60];
    for (int i = 0; i < 60; i++) value[i] = i;
    made_nifti second = {.side = {3, 4, 5}, .value = value};
    write_case("imagesTr/p_1_0000.nii.gz", "labelsTr/p_1.nii.gz", 3, 2);
    write_nifti(at("imagesTr/p_1_0001.nii.gz"), &second);
    write_text("dataset.json",
               "{\"labels\": {\"background\": 0, \"x\": 1}, \"channel_names\": {\"0\": \"T1\", \"1\": \"T2\"},"
               "\"training\": [{\"image\": \"./imagesTr/p_1.nii.gz\", \"label\": \"./labelsTr/p_1.nii.gz\"}]}");
    write_case(NULL, "labelsTr/p_2.nii.gz", 3, 2);
    refused("msd", "labelsTr/p_2.nii.gz: has no image (looked for p_2_0000 in");
    remove(at("labelsTr/p_2.nii.gz"));
    held(open_source("msd", &s));
    assert_int_equal(s.bad_count, 0);
    assert_string_equal(name_of(&s, PS_SOURCE_TRAIN, 0), "p_1");
    assert_string_equal(s.channel_names[1], "T2");
    held(s.functions->decode(&s, PS_SOURCE_TRAIN, 0, pixel, label));
    for (int i = 0; i < 60; i++) assert_true(pixel[2 * i] == (float)(i % 7) && pixel[2 * i + 1] == (float)i);
    ps_source_close(&s);
    remove(at("imagesTr/p_1_0000.nii.gz"));
    refused("msd", "is channel 1 of its case");
}

static void a_fourth_dimension_of_channels(void **state) {
    (void)state;
    ps_source s;
    float pixel[120];
    int16_t label[60];
    made_nifti both = {.side = {3, 4, 5, 2}};
    write_nifti(at("imagesTr/a.nii.gz"), &both);
    write_case(NULL, "labelsTr/a.nii.gz", 3, 2);
    held(open_source("msd", &s));
    held(s.functions->decode(&s, PS_SOURCE_TRAIN, 0, pixel, label));
    for (int i = 0; i < 60; i++)
        assert_true(pixel[2 * i] == (float)(i % 7) && pixel[2 * i + 1] == (float)((i + 60) % 7));
    ps_source_close(&s);
    write_nifti(at("labelsTr/a.nii.gz"), &both);
    refused("msd", "label map with a fourth dimension of 2");
}

/* Of many label maps without names for their labels a few say what there is: one more label in another is refused where
 * it is met, and none that is missing is. */
static void labels_of_a_large_set(void **state) {
    (void)state;
    enum { MANY = 9, PLACES = 60 };
    ps_source s;
    float pixel[PLACES];
    int16_t label[PLACES];
    for (int i = 0; i < MANY; i++) { /* four are looked at: 0, 2, 4 and 6 */
        char image[32], map[32];
        double value[PLACES] = {0};
        value[3] = i == 3 ? 5 : i == 4 ? 3 : 1;
        made_nifti labels = {.side = {3, 4, 5}, .value = value};
        snprintf(image, sizeof image, "imagesTr/c%d.nii.gz", i);
        snprintf(map, sizeof map, "labelsTr/c%d.nii.gz", i);
        write_case(image, NULL, 3, 2);
        write_nifti(at(map), &labels);
    }
    refused("msd", "label 5 occurs in the training cases, but label 2 does not");
    const ps_dataset_options few = {.large_bytes = 100};
    held(ps_msd_open(folder, &few, &s));
    assert_int_equal(s.classes, 4);
    held(s.functions->decode(&s, PS_SOURCE_TRAIN, 4, pixel, label));
    assert_int_equal(s.functions->decode(&s, PS_SOURCE_TRAIN, 3, pixel, label), PS_ERR_INPUT);
    assert_non_null(strstr(ps_status_message(), "c3.nii.gz: voxel ("));
    assert_non_null(strstr(ps_status_message(), "the 4 label maps that were looked at"));
    assert_non_null(strstr(ps_status_message(), "dataset.json"));
    ps_source_close(&s);
}

/* ---- row by row ---- */

enum { ROW_CHANNELS = 2, ROW_PLACES = 3 * 4 * 5 };

typedef struct {
    float pixel[ROW_PLACES * ROW_CHANNELS];
    int16_t label[ROW_PLACES];
    int taken;
} taken_rows;

static ps_status put_row(void *context, const ps_source_row *row) {
    taken_rows *to = context;
    assert_true((row->pixel == NULL) != (row->label == NULL));
    for (int i = 0; i < row->count; i++, to->taken++) {
        int64_t at = row->first + i * row->step;
        assert_true(at >= 0 && at < ROW_PLACES);
        if (row->pixel != NULL) to->pixel[at * ROW_CHANNELS + row->channel] = row->pixel[i];
        else to->label[at] = row->label[i];
    }
    return PS_OK;
}

/* Axes of the files run otherwise than those of the sample, and one is turned round; rows are of their files. */
static void rows_are_what_is_decoded(void **state) {
    (void)state;
    ps_source s;
    taken_rows by_row = {.taken = 0}, whole;
    double value[ROW_PLACES], label[ROW_PLACES];
    const made_field turned[] = {{280, 'f', 0},  {284, 'f', 1}, {296, 'f', 0}, {304, 'f', 1},
                                 {312, 'f', -1}, {300, 'f', 0}, {320, 'f', 0}, {0}};
    for (int i = 0; i < ROW_PLACES; i++) value[i] = 100 + i, label[i] = i % 4 == 3;
    made_nifti first = {.side = {3, 4, 5}, .fields = turned},
               second = {.side = {3, 4, 5}, .fields = turned, .value = value};
    made_nifti labels = {.side = {3, 4, 5}, .fields = turned, .value = label};
    write_nifti(at("imagesTr/p_0000.nii.gz"), &first);
    write_nifti(at("imagesTr/p_0001.nii.gz"), &second);
    write_nifti(at("labelsTr/p.nii.gz"), &labels);
    held(open_source("msd", &s));
    assert_int_equal(s.bad_count, 0);
    held(s.functions->decode(&s, PS_SOURCE_TRAIN, 0, whole.pixel, whole.label));
    for (int way = 0; way < 2; way++) { /* the format's own, and that of what is decoded */
        ps_source_functions f = *s.functions;
        ps_source other = s;
        if (way == 1) f.each_row = NULL;
        other.functions = &f;
        memset(&by_row, 0, sizeof by_row);
        held(ps_source_each_row(&other, PS_SOURCE_TRAIN, 0, PS_ROWS_OF_PIXELS, put_row, &by_row));
        assert_int_equal(by_row.taken, ROW_PLACES * ROW_CHANNELS);
        held(ps_source_each_row(&other, PS_SOURCE_TRAIN, 0, PS_ROWS_OF_LABELS, put_row, &by_row));
        assert_int_equal(by_row.taken, ROW_PLACES * (ROW_CHANNELS + 1));
        assert_memory_equal(by_row.pixel, whole.pixel, sizeof whole.pixel);
        assert_memory_equal(by_row.label, whole.label, sizeof whole.label);
    }
    ps_source_close(&s);
}

/* Samples that take more than a sixteenth of what makes a set large are looked at row by row: what is found of all of
 * them is what is found of them otherwise. */
static void large_samples_are_looked_at_row_by_row(void **state) {
    (void)state;
    enum { CASES = 4 };
    ps_dataset *whole, *by_row;
    char name[160];
    for (int i = 0; i < CASES; i++) {
        char image[32], map[32];
        snprintf(image, sizeof image, "imagesTr/c%d.nii.gz", i);
        snprintf(map, sizeof map, "labelsTr/c%d.nii", i);
        write_case(image, map, 4 + i, 3);
    }
    snprintf(name, sizeof name, "msd:%s", folder);
    held(ps_dataset_open(name, &(ps_dataset_options){.seed = 3}, &whole));
    held(ps_dataset_open(name, &(ps_dataset_options){.seed = 3, .large_bytes = 1000}, &by_row));
    assert_int_equal(ps_dataset_looked_at(whole), 0);
    assert_int_equal(ps_dataset_looked_at(by_row), CASES);
    for (int k = 0; k < 3; k++)
        assert_int_equal(ps_dataset_count_labels(by_row, PS_SPLIT_TRAIN, k),
                         ps_dataset_count_labels(whole, PS_SPLIT_TRAIN, k));
    double mean[2], deviation[2];
    ps_dataset_normalisation(whole, 0, &mean[0], &deviation[0]);
    ps_dataset_normalisation(by_row, 0, &mean[1], &deviation[1]);
    assert_true(fabs(mean[0] - mean[1]) < 1e-9 && fabs(deviation[0] - deviation[1]) < 1e-9);
    char before[17];
    snprintf(before, sizeof before, "%s", ps_dataset_digest(by_row));
    ps_dataset_close(whole);
    ps_dataset_close(by_row);
    /* One voxel is another: so is what stands for the data. */
    double value[4 * 5 * 6];
    for (int i = 0; i < 4 * 5 * 6; i++) value[i] = i == 77 ? 1 : i % 3;
    write_nifti(at("labelsTr/c0.nii"), &(made_nifti){.side = {4, 5, 6}, .value = value});
    held(ps_dataset_open(name, &(ps_dataset_options){.seed = 3, .large_bytes = 1000}, &by_row));
    assert_string_not_equal(ps_dataset_digest(by_row), before);
    ps_dataset_close(by_row);
    /* A fault of one that is looked at is that file's. */
    value[77] = 9;
    write_nifti(at("labelsTr/c0.nii"), &(made_nifti){.side = {4, 5, 6}, .value = value});
    write_text("dataset.json", "{\"labels\": {\"background\": 0, \"a\": 1, \"b\": 2}}");
    assert_int_equal(ps_dataset_open(name, &(ps_dataset_options){.seed = 3, .large_bytes = 1000}, &by_row),
                     PS_ERR_INPUT);
    assert_non_null(strstr(ps_status_message(), "labelsTr/c0.nii: voxel ("));
}

/* Whoever looks at headers before a run leaves the source for it. */
static void a_source_is_opened_once(void **state) {
    (void)state;
    ps_source s, other;
    char name[160];
    const ps_dataset_options options = {.seed = 3};
    snprintf(name, sizeof name, "msd:%s", folder);
    write_case("imagesTr/a.nii.gz", "labelsTr/a.nii.gz", 3, 2);
    write_case("imagesTr/b.nii.gz", "labelsTr/b.nii.gz", 3, 2);
    held(ps_opened_take(name, &options, &s));
    const void *files = s.state;
    ps_opened_leave(name, &s);
    held(ps_opened_take("synthetic-3d", &options, &other)); /* another one is another one */
    assert_true(other.state != files);
    ps_opened_leave("synthetic-3d", &other); /* made as it is asked for: not kept */
    held(ps_opened_take(name, &options, &s));
    assert_ptr_equal(s.state, files);
    ps_opened_leave(name, &s);
    pid_t child = fork(); /* with whom files that are open would share the place that is read from */
    assert_true(child >= 0);
    if (child == 0) {
        ps_status status = ps_opened_take(name, &options, &other);
        _exit(status == PS_OK && other.state != files ? 0 : 1);
    }
    int ended;
    assert_true(waitpid(child, &ended, 0) == child && WIFEXITED(ended) && WEXITSTATUS(ended) == 0);
    held(ps_opened_take(name, &options, &s));
    assert_ptr_equal(s.state, files);
    ps_source_close(&s);
    held(ps_opened_take(name, &options, &s)); /* taken: nothing is left */
    ps_source_close(&s);
    remove(at("labelsTr/a.nii.gz"));
    held(ps_opened_take(name, &options, &s));
    assert_int_equal(s.bad_count, 1);
    ps_source_close(&s);
}

static void folders_with_faults(void **state) {
    (void)state;
    ps_file_remove_directory(at("imagesTr"));
    refused("msd", "holds no folder imagesTr");
    held(ps_file_make_directories(at("imagesTr")));
    refused("msd", "no training case");
    write_case("imagesTr/a.nii.gz", NULL, 3, 2);
    refused("msd", "imagesTr/a.nii.gz: there is no label map");
    write_case(NULL, "labelsTr/b.nii.gz", 3, 2);
    refused("msd", "labelsTr/b.nii.gz: has no image (looked for b in");
    remove(at("labelsTr/b.nii.gz"));
    write_case(NULL, "labelsTr/a.nii.gz", 4, 2);
    refused("msd", "labelsTr/a.nii.gz: has 4 x 5 x 6 voxels");
    write_case(NULL, "labelsTr/a.nii.gz", 3, 1);
    refused("msd", "no voxel of the training cases");
    write_case(NULL, "labelsTr/a.nii.gz", 3, 2);
    double gaps[60] = {0};
    gaps[7] = 5;
    made_nifti gappy = {.side = {3, 4, 5}, .value = gaps};
    write_nifti(at("labelsTr/a.nii.gz"), &gappy);
    refused("msd", "labelsTr/a.nii.gz has label 5)");
    made_nifti turned = {.side = {3, 4, 5}, .fields = (const made_field[]){{280, 'f', -1}, {0}}};
    write_nifti(at("labelsTr/a.nii.gz"), &turned);
    refused("msd", "its axes run otherwise");
    made_nifti coarse = {.side = {3, 4, 5}, .mm = {5, 1, 1}};
    write_nifti(at("labelsTr/a.nii.gz"), &coarse);
    refused("msd", "its voxels are 5 x 1 x 1 mm, but those of");
    write_case("imagesTr/a.nii.gz", "labelsTr/a.nii.gz", 3, 2);
    made_nifti both = {.side = {3, 4, 5, 2}};
    write_nifti(at("imagesTr/b.nii.gz"), &both);
    write_case(NULL, "labelsTr/b.nii.gz", 3, 2);
    refused("msd", "has 2 channels");
    cut_nifti(at("imagesTr/b.nii.gz"), 40);
    refused("msd", "imagesTr/b.nii.gz: could not be read");
}

/* A label map of these fields beside an axial image of voxels of 1 mm at the origin. */
static void try_place(const made_field *fields, const char *words) {
    ps_source s;
    made_nifti label = {.side = {30, 20, 10}, .fields = fields}, image = {.side = {30, 20, 10}};
    write_nifti(at("imagesTr/a.nii.gz"), &image);
    write_nifti(at("labelsTr/a.nii.gz"), &label);
    if (words != NULL) {
        refused("msd", words);
        return;
    }
    held(open_source("msd", &s));
    assert_int_equal(s.bad_count, 0);
    ps_source_close(&s);
}

static void label_maps_that_lie_elsewhere(void **state) {
    (void)state;
    /* Rows of the sform begin at bytes 280, 296 and 312, its origin is the last of each; the qform's begins at 256. */
    try_place((const made_field[]){{292, 'f', 100}, {0}}, "the same voxel is up to 100 mm apart");
    try_place((const made_field[]){{308, 'f', -3}, {0}}, "labelsTr/a.nii.gz: lies elsewhere than");
    try_place((const made_field[]){{292, 'f', 0.5}, {308, 'f', -0.4}, {0}}, NULL);
    try_place((const made_field[]){{280, 'f', 0.99}, {284, 'f', 0.01}, {0}}, NULL);
    try_place((const made_field[]){{280, 'f', 0.8}, {284, 'f', -0.6}, {296, 'f', 0.6}, {300, 'f', 0.8}, {0}},
              "by origin and direction");
    try_place((const made_field[]){{252, 's', 1}, {254, 's', 0}, {268, 'f', -60}, {0}}, "up to 60 mm apart");
    try_place((const made_field[]){{254, 's', 0}, {0}}, "its axes run otherwise");
    try_place((const made_field[]){{80, 'f', 1.0004}, {0}}, NULL); /* rounded */
    try_place((const made_field[]){{84, 'f', 1.01}, {0}}, "its voxels are 1 x 1.01 x 1 mm");
}

static void channels_of_most(void **state) {
    (void)state;
    ps_source s;
    made_nifti both = {.side = {3, 4, 5, 2}};
    write_nifti(at("imagesTr/a.nii.gz"), &both);
    write_case(NULL, "labelsTr/a.nii.gz", 3, 2);
    write_case("imagesTr/b.nii.gz", "labelsTr/b.nii.gz", 3, 2);
    write_case("imagesTr/c.nii.gz", "labelsTr/c.nii.gz", 3, 2);
    held(open_source("msd", &s));
    assert_int_equal(s.count[PS_SOURCE_TRAIN], 2);
    assert_int_equal(s.bad_count, 1);
    assert_non_null(strstr(s.bad[0], "imagesTr/a.nii.gz: has 2 channels, but most cases have 1"));
    assert_string_equal(name_of(&s, PS_SOURCE_TRAIN, 0), "b");
    ps_source_close(&s);
    write_text("dataset.json",
               "{\"labels\": {\"background\": 0, \"x\": 1}, "
               "\"modality\": {\"0\": \"T1\", \"1\": \"T2\"}}");
    held(open_source("msd", &s));
    assert_int_equal(s.count[PS_SOURCE_TRAIN], 1); /* though most have one */
    assert_int_equal(s.bad_count, 2);
    assert_non_null(strstr(s.bad[0], "imagesTr/b.nii.gz: has 1 channel, but dataset.json names 2"));
    ps_source_close(&s);
}

static void a_gap_of_one_case_is_its_own(void **state) {
    (void)state;
    ps_source s;
    double odd[60] = {0};
    odd[7] = 200;
    made_nifti gappy = {.side = {3, 4, 5}, .value = odd};
    write_case("imagesTr/a.nii.gz", "labelsTr/a.nii.gz", 3, 3);
    write_case("imagesTr/b.nii.gz", NULL, 3, 2);
    write_nifti(at("labelsTr/b.nii.gz"), &gappy);
    write_case("imagesTr/c.nii.gz", "labelsTr/c.nii.gz", 3, 2);
    held(open_source("msd", &s));
    assert_int_equal(s.classes, 3);
    assert_int_equal(s.count[PS_SOURCE_TRAIN], 2);
    assert_int_equal(s.bad_count, 1);
    assert_non_null(strstr(s.bad[0], "labelsTr/b.nii.gz: has label 200, which no other training case has"));
    ps_source_close(&s);
    write_nifti(at("labelsTr/c.nii.gz"), &gappy);
    refused("msd", "labelsTr/b.nii.gz has label 200)"); /* of several cases: the data's, with the first */
}

static void documents_with_faults(void **state) {
    (void)state;
    static const char *const faults[][2] = {
        {"{\"labels\": {\"0\": \"background\", \"2\": \"x\"}}", "1 has no name"},
        {"{\"labels\": {\"background\": 0, \"x\": 0}}", "has two names"},
        {"{\"labels\": {\"background\": 0, \"whole\": [1, 2]}}", "regions"},
        {"{\"labels\": {\"background\": 0, \"x\": 1.5}}", "no whole number"},
        {"{\"labels\": {\"background\": 0, \"x\": 1e9}}", "no whole number"},
        {"{\"labels\": [\"background\", \"x\"]}", "its \"labels\" are no object"},
        {"{\"labels\": {\"background\": 0, \"x\": 1}, \"channel_names\": [\"CT\"]}", "its channels are no object"},
        {"{\"labels\": {\"background\": 0}}", "no class beside the background"},
        {"{\"labels\": {\"background\": 0, \"x\": 1}, \"file_ending\": \".png\"}", ".png"},
        {"{\"labels\": {\"background\": 0, \"x\": 1}, \"modality\": {\"7\": \"CT\"}}", "the channel \"7\""},
        {"{\"labels\": ", "dataset.json"},
        {"{\"training\": [{\"image\": \"./imagesTr/a.nii.gz\"}]}", "label"},
        {"{\"training\": [{\"image\": \"./imagesTr/a.nii.gz\", \"label\": \"./labelsTr/a.nii.gz\"}, "
         "{\"image\": \"./imagesTr/a.nii.gz\", \"label\": \"./labelsTr/a.nii.gz\"}]}",
         "names ./imagesTr/a.nii.gz twice"},
        {"{\"training\": [{\"image\": \"./imagesTr/a.nii.gz\", \"label\": \"./labelsTr/gone.nii.gz\"}]}", "gone"},
    };
    write_case("imagesTr/a.nii.gz", "labelsTr/a.nii.gz", 3, 2);
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        write_text("dataset.json", faults[i][0]);
        refused("msd", faults[i][1]);
    }
}

static void labels_beyond_the_classes(void **state) {
    (void)state;
    ps_source s;
    float pixel[60];
    int16_t label[60];
    write_case("imagesTr/a.nii.gz", "labelsTr/a.nii.gz", 3, 5);
    write_text("dataset.json", "{\"labels\": {\"background\": 0, \"x\": 1}}");
    held(open_source("msd", &s));
    assert_int_equal(s.functions->decode(&s, PS_SOURCE_TRAIN, 0, pixel, label), PS_ERR_INPUT);
    assert_non_null(strstr(ps_status_message(), "labelsTr/a.nii.gz: voxel (2, 0, 0) has label 2"));
    ps_source_close(&s);
}

static void bad_cases_are_left_out(void **state) {
    (void)state;
    ps_source s;
    write_case("imagesTr/a.nii.gz", "labelsTr/a.nii.gz", 3, 2);
    write_case("imagesTr/b.nii.gz", NULL, 3, 2);
    write_case("imagesTr/c.nii.gz", "labelsTr/c.nii.gz", 3, 2);
    write_case("imagesTr/d.nii.gz", "labelsTr/d.nii.gz", 3, 2);
    write_case("imagesTr/e.nii.gz", "labelsTr/e.nii.gz", 3, 2);
    cut_nifti(at("imagesTr/c.nii.gz"), 50);
    made_nifti half = {.side = {3, 4, 5}, .type = 16, .fields = (const made_field[]){{112, 'f', 0.5}, {0}}};
    write_nifti(at("labelsTr/d.nii.gz"), &half);
    held(open_source("msd", &s));
    assert_int_equal(s.count[PS_SOURCE_TRAIN], 2);
    assert_string_equal(name_of(&s, PS_SOURCE_TRAIN, 1), "e");
    assert_int_equal(s.bad_count, 3);
    assert_non_null(strstr(s.bad[0], "imagesTr/b.nii.gz"));
    assert_non_null(strstr(s.bad[1], "imagesTr/c.nii.gz"));
    assert_non_null(strstr(s.bad[2], "labelsTr/d.nii.gz"));
    ps_source_close(&s);
}

/* ---- btcv ---- */

static void scans_of_btcv(void **state) {
    (void)state;
    ps_source s;
    static const char *const places[] = {"Training/", ""};
    refused("btcv", "holds no folder img");
    for (int i = 0; i < 2; i++) {
        char name[2][64];
        snprintf(name[0], sizeof name[0], "%simg", places[i]);
        held(ps_file_make_directories(at(name[0])));
        snprintf(name[0], sizeof name[0], "%slabel", places[i]);
        held(ps_file_make_directories(at(name[0])));
        snprintf(name[0], sizeof name[0], "%simg/img0001.nii.gz", places[i]);
        snprintf(name[1], sizeof name[1], "%slabel/label0001.nii.gz", places[i]);
        write_case(name[0], name[1], 3, 14);
        held(open_source("btcv", &s));
        assert_int_equal(s.classes, 14);
        assert_string_equal(s.class_names[13], "left adrenal gland");
        assert_string_equal(s.channel_names[0], "CT");
        assert_string_equal(name_of(&s, PS_SOURCE_TRAIN, 0), "img0001");
        ps_source_close(&s);
    }
    write_case(NULL, "label/label0003.nii.gz", 3, 14);
    refused("btcv", "label0003.nii.gz: has no image (looked for img0003");
    remove(at("label/label0003.nii.gz"));
    write_case("img/img0002.nii.gz", NULL, 3, 14);
    refused("btcv", "img0002.nii.gz: there is no label map");
}

/* ---- synthetic-3d ---- */

static void volumes_that_are_made(void **state) {
    (void)state;
    ps_source s, again;
    ps_dataset_options options = {.seed = 7, .train_limit = 5, .probe_count = 1};
    held(ps_source_open("synthetic-3d", &options, &s));
    held(ps_source_open("synthetic-3d", &options, &again));
    assert_int_equal(s.count[PS_SOURCE_TRAIN], 6);
    for (int i = 0; i < 6; i++) {
        ps_sample_size size;
        ps_shape shape;
        double mm[3];
        s.functions->size(&s, PS_SOURCE_TRAIN, i, &size);
        s.functions->original(&s, PS_SOURCE_TRAIN, i, &shape, mm);
        assert_true(mm[0] >= 1 && mm[0] <= 1.5 && ps_shape_equal(shape, size.mask));
        size_t count = ps_shape_positions(size.pixels), of[4] = {0};
        float *pixel = calloc(count, sizeof *pixel), *other = calloc(count, sizeof *other);
        int16_t *label = calloc(count, sizeof *label), *other_label = calloc(count, sizeof *label);
        held(s.functions->decode(&s, PS_SOURCE_TRAIN, i, pixel, label));
        held(again.functions->decode(&again, PS_SOURCE_TRAIN, i, other, other_label));
        assert_memory_equal(pixel, other, count * sizeof *pixel);
        assert_memory_equal(label, other_label, count * sizeof *label);
        for (size_t k = 0; k < count; k++) of[label[k]]++;
        assert_true(of[0] > of[1] && of[1] > of[2] && of[2] > 0 && of[3] > 20);
        free(pixel);
        free(other);
        free(label);
        free(other_label);
    }
    ps_source_close(&s);
    ps_source_close(&again);
    options.size = 5;
    assert_int_equal(ps_source_open("synthetic-3d", &options, &s), PS_ERR_USAGE);
    ps_source_close(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(cases_of_folders, empty_folder),
        cmocka_unit_test_setup(names_that_begin_alike, empty_folder),
        cmocka_unit_test_setup(validation_cases_of_amos, empty_folder),
        cmocka_unit_test_setup(names_of_both_ways, empty_folder),
        cmocka_unit_test_setup(the_label_to_ignore, empty_folder),
        cmocka_unit_test_setup(a_file_a_channel, empty_folder),
        cmocka_unit_test_setup(a_fourth_dimension_of_channels, empty_folder),
        cmocka_unit_test_setup(labels_of_a_large_set, empty_folder),
        cmocka_unit_test_setup(rows_are_what_is_decoded, empty_folder),
        cmocka_unit_test_setup(large_samples_are_looked_at_row_by_row, empty_folder),
        cmocka_unit_test_setup(a_source_is_opened_once, empty_folder),
        cmocka_unit_test_setup(folders_with_faults, empty_folder),
        cmocka_unit_test_setup(label_maps_that_lie_elsewhere, empty_folder),
        cmocka_unit_test_setup(channels_of_most, empty_folder),
        cmocka_unit_test_setup(a_gap_of_one_case_is_its_own, empty_folder),
        cmocka_unit_test_setup(documents_with_faults, empty_folder),
        cmocka_unit_test_setup(labels_beyond_the_classes, empty_folder),
        cmocka_unit_test_setup(bad_cases_are_left_out, empty_folder),
        cmocka_unit_test_setup(scans_of_btcv, empty_folder),
        cmocka_unit_test(volumes_that_are_made),
    };
    return cmocka_run_group_tests_name("volumes", tests, make_folder, remove_folder);
}
