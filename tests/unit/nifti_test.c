/* NIfTI files that lie, are cut or say strange things: the right volume or one sentence each, and no more memory than
 * the file deserves. What sound ones hold is held against nibabel in tests/cli/nifti_test.py. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <zlib.h>

#include "core/memory.h"
#include "core/rng.h"
#include "data/nifti.h"
#include "tests/lib/folder.h"
#include "tests/lib/nifti_files.h"

static char path[128];
static const char *in_folder(const char *name) {
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

/* One sentence that names the file and says `words`. */
static void refused(ps_status status, const char *words) {
    const char *said = ps_status_message();
    if (status == PS_OK || strstr(said, words) == NULL || strstr(said, folder) == NULL || strchr(said, '\n') != NULL)
        fail_msg("%s said \"%s\", not \"%s\"", path, status == PS_OK ? "nothing" : said, words);
}

/* Keeps some bits of a byte, and then flips some. */
static void change_byte(long place, int kept, int flipped) {
    FILE *stream = fopen(path, "r+b");
    fseek(stream, place, SEEK_SET);
    int byte = fgetc(stream);
    fseek(stream, place, SEEK_SET);
    fputc((byte & kept) ^ flipped, stream);
    fclose(stream);
}

static const int small[4] = {5, 4, 3, 1};

static made_nifti made(const made_field *fields) {
    made_nifti what = {.fields = fields};
    memcpy(what.side, small, sizeof small);
    return what;
}

/* ---- headers ---- */

static void headers_that_make_no_sense(void **state) {
    (void)state;
    static const struct {
        made_field field[3];
        const char *words;
    } cases[] = {
        {{{40, 's', 0}}, "0 dimensions"},
        {{{40, 's', 9}}, "9 dimensions"},
        {{{40, 's', 1}}, "1 dimensions"},
        {{{42, 's', 0}}, "dimension 1 is 0"},
        {{{44, 's', -4}}, "dimension 2 is -4"},
        {{{46, 's', 30000}, {42, 's', 30000}}, "claims"},
        {{{40, 's', 5}, {50, 's', 3}}, "dimension 5 of 3"},
        {{{70, 's', 128}}, "type 128"},
        {{{70, 's', 32}}, "type 32"},
        {{{70, 's', 1}}, "type 1 "},
        {{{70, 's', 1536}}, "type 1536"},
        {{{80, 'f', 0}}, "pixdim"},
        {{{84, 'f', (double)NAN}}, "pixdim"},
        {{{88, 'f', (double)INFINITY}}, "pixdim"},
        {{{88, 'f', 1e30}}, "pixdim"},
        {{{108, 'f', 20}}, "vox_offset"},
        {{{108, 'f', (double)NAN}}, "vox_offset"},
        {{{108, 'f', -352}}, "vox_offset"},
        {{{108, 'f', 1e30}}, "vox_offset"},
        {{{112, 'f', 2}, {116, 'f', (double)NAN}}, "scl_inter"},
        {{{0, 'i', 347}}, "does not begin"},
        {{{344, 'b', 'x'}}, "does not begin"},
        {{{345, 'b', 'i'}}, "pair of .hdr"},
        {{{42, 's', 2000}, {44, 's', 1000}, {46, 's', 1000}}, "calls for 2000000352 bytes"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ps_nifti header;
        made_field fields[4] = {{0}};
        memcpy(fields, cases[i].field, sizeof cases[i].field);
        made_nifti what = made(fields);
        for (int packed = 0; packed < 2; packed++) {
            write_nifti(in_folder(packed ? "a.nii.gz" : "a.nii"), &what);
            refused(ps_nifti_open(path, &header), cases[i].words);
        }
    }
}

static void headers_that_are_taken_as_they_are_meant(void **state) {
    (void)state;
    static const made_field fields[] = {{80, 'f', -0.5}, {108, 'f', 0}, {112, 'f', (double)NAN}, {0}};
    ps_nifti header;
    made_nifti what = made(fields);
    write_nifti(in_folder("a.nii"), &what);
    held(ps_nifti_open(path, &header));
    assert_float_equal(header.mm[2], 0.5, 0); /* the sign of a spacing is dropped */
    assert_false(header.scaled);
    assert_int_equal(header.offset, 352);
}

/* ---- lengths ---- */

static void cut_files_are_refused_at_any_byte(void **state) {
    (void)state;
    made_nifti what = made(NULL);
    for (int packed = 0; packed < 2; packed++) {
        write_nifti(in_folder(packed ? "a.nii.gz" : "a.nii"), &what);
        for (long bytes = length_of_file(path) - 1; bytes >= 0; bytes--) {
            ps_nifti header;
            float value[60];
            cut_nifti(path, bytes);
            ps_status status = ps_nifti_open(path, &header);
            /* The voxels may be whole where only the checksum behind them is cut, which is seen in reading. */
            if (status == PS_OK) status = ps_nifti_read(path, &header, 0, 1, value);
            refused(status, "fetch the file again");
        }
    }
}

static void a_gib_in_a_small_file_is_refused(void **state) {
    (void)state;
    static const made_field fields[] = {{42, 's', 1024}, {44, 's', 1024}, {46, 's', 1024}, {0}};
    ps_nifti header;
    made_nifti what = made(fields);
    size_t before = ps_memory_peak_bytes();
    write_nifti(in_folder("a.nii.gz"), &what);
    refused(ps_nifti_open(path, &header), "does not hold");
    /* A file of zeros that is long enough for the ratio of deflate, and too short for the claim. */
    made_nifti large = {.side = {1000, 1000, 20}, .fields = (const made_field[]){{44, 's', 1003}, {0}}};
    double *zeros = calloc(20000000, sizeof *zeros);
    large.value = zeros;
    write_nifti(in_folder("b.nii.gz"), &large);
    free(zeros);
    refused(ps_nifti_open(path, &header), "could not be read past byte 20000352");
    assert_true(ps_memory_peak_bytes() < before + 600u * 1000 * 1000); /* of which most is this test's own */
}

/* More voxels than the header calls for: rows would be read from the wrong places. */
static void headers_that_call_for_too_little(void **state) {
    (void)state;
    static const made_field sides[] = {{42, 's', 20}, {44, 's', 20}, {46, 's', 20}, {0}}, type[] = {{70, 's', 2}, {0}},
                            row[] = {{42, 's', 39}, {0}}, time[] = {{40, 's', 3}, {0}};
    static const struct {
        made_nifti what;
        const char *words;
    } cases[] = {{{.side = {40, 40, 40}, .fields = sides}, "calls for (20 x 20 x 20 voxels of 1 bytes)"},
                 {{.side = {40, 40, 40}, .type = 4, .fields = type}, "calls for (40 x 40 x 40 voxels of 1 bytes)"},
                 {{.side = {40, 30, 30}, .fields = row}, "behind the 35452 that its header calls for"},
                 {{.side = {30, 20, 10, 2}, .fields = time}, "more than 199 bytes behind the 6352"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (int packed = 0; packed < 2; packed++) {
            ps_nifti header;
            write_nifti(in_folder(packed ? "a.nii.gz" : "a.nii"), &cases[i].what);
            refused(ps_nifti_open(path, &header), cases[i].words);
        }
    }
}

/* One whose length of four bytes says what the header wants, in two packed pieces: reading finds it. */
static void what_the_last_four_bytes_hide(void **state) {
    (void)state;
    ps_nifti header;
    float value[60];
    made_nifti what = made(NULL);
    uint8_t *pieces[] = {calloc(1, 5000), calloc(1, 352 + 60)};
    write_nifti(in_folder("a.nii"), &what);
    FILE *stream = fopen(path, "rb");
    assert_int_equal(fread(pieces[0], 1, 352 + 60, stream), 352 + 60);
    fclose(stream);
    for (int i = 0; i < 2; i++) {
        gzFile out = gzopen(in_folder("b.nii.gz"), i == 0 ? "wb" : "ab");
        gzwrite(out, pieces[i], i == 0 ? 5000 : 352 + 60);
        gzclose(out);
        free(pieces[i]);
    }
    held(ps_nifti_open(path, &header));
    refused(ps_nifti_read(path, &header, 0, 1, value), "goes on for more than 11 bytes");
}

static void files_that_are_filled_up(void **state) {
    (void)state;
    ps_nifti header;
    made_nifti what = {.side = {80, 70, 60}};
    for (int packed = 0; packed < 2; packed++) {
        for (int more = 4095; more < 4198; more += 102) {
            uint8_t *rest = calloc(1, (size_t)more);
            float *value = calloc(80 * 70 * 60, sizeof *value);
            write_nifti(in_folder(packed ? "a.nii.gz" : "a.nii"), &what);
            gzFile stream = gzopen(path, packed ? "ab" : "abT");
            gzwrite(stream, rest, (unsigned)more);
            gzclose(stream);
            ps_status status = ps_nifti_open(path, &header);
            if (more < 4096) held(status);
            else refused(status, "goes on for more than 4096 bytes");
            if (more < 4096) held(ps_nifti_read(path, &header, 0, 1, value));
            free(value);
            free(rest);
        }
    }
}

static void damage_within_is_found_in_reading(void **state) {
    (void)state;
    enum { SIDE = 40 };
    double *noise = calloc(SIDE * SIDE * SIDE, sizeof *noise);
    float *value = calloc(SIDE * SIDE * SIDE, sizeof *value);
    made_nifti what = {.side = {SIDE, SIDE, SIDE}, .value = noise};
    ps_nifti header;
    for (int i = 0; i < SIDE * SIDE * SIDE; i++) noise[i] = ps_rng_below((ps_rng_key){{1, 2}}, (uint64_t)i, 256);
    write_nifti(in_folder("a.nii.gz"), &what);
    change_byte(length_of_file(path) - 7, 255, 255); /* in the checksum */
    held(ps_nifti_open(path, &header));
    refused(ps_nifti_read(path, &header, 0, 1, value), "has not the checksum that it was packed with (incorrect data");
    /* Of a file that is unpacked at once, the first read fails. */
    made_nifti tiny = made(NULL);
    write_nifti(in_folder("b.nii.gz"), &tiny);
    change_byte(length_of_file(path) - 7, 255, 255);
    refused(ps_nifti_open(path, &header), "has not the checksum that it was packed with (incorrect data");
    write_nifti(path, &tiny);
    change_byte(10, 0, 7); /* a block of no type that there is */
    refused(ps_nifti_open(path, &header), "does not unpack (invalid block type)");
    free(noise);
    free(value);
}

static void files_that_are_none(void **state) {
    (void)state;
    ps_nifti header;
    refused(ps_nifti_open(in_folder("missing.nii.gz"), &header), "missing");
    FILE *stream = fopen(in_folder("empty.nii"), "wb");
    fclose(stream);
    refused(ps_nifti_open(path, &header), "fetch the file again");
    stream = fopen(in_folder("text.nii.gz"), "wb");
    fputs("this is no volume, and it goes on for a while so that a header would have room in it", stream);
    fclose(stream);
    refused(ps_nifti_open(path, &header), "does not begin");
}

/* ---- values ---- */

static void what_is_no_number_is_refused_by_its_place(void **state) {
    (void)state;
    double value[60] = {0};
    float out[60];
    ps_nifti header;
    value[5 * 4 * 2 + 5 * 3 + 1] = NAN;
    made_nifti what = made(NULL);
    what.type = 16;
    what.value = value;
    write_nifti(in_folder("a.nii"), &what);
    held(ps_nifti_open(path, &header));
    refused(ps_nifti_read(path, &header, 0, 1, out), "voxel (1, 3, 2) is");
}

static void labels_are_whole_and_classes(void **state) {
    (void)state;
    static const struct {
        double value;
        int ignored, label; /* label -9: refused */
    } cases[] = {{1, -1, 1},    {0.9999, -1, 1}, {2.0004, -1, 2}, {0.5, -1, -9},      {3, -1, -9},
                 {-1, -1, -9},  {3, 3, -1},      {4, 3, -9},      {4, 4, -1},         {3, 4, -9},
                 {NAN, -1, -9}, {1e30, -1, -9},  {40000, -1, -9}, {-INFINITY, -1, -9}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        double value[60] = {0};
        int16_t out[60];
        ps_nifti header;
        const ps_nifti_labels labels = {.classes = 3, .ignored = cases[i].ignored};
        value[5 * 4 + 5 * 2 + 3] = cases[i].value;
        made_nifti what = made(NULL);
        what.type = 16;
        what.value = value;
        write_nifti(in_folder("a.nii.gz"), &what);
        held(ps_nifti_open(path, &header));
        ps_status status = ps_nifti_read_labels(path, &header, &labels, out);
        if (cases[i].label == -9) refused(status, "voxel (3, 2, 1) has label");
        else held(status);
        if (status == PS_OK) assert_int_equal(out[5 * 4 + 5 * 2 + 3], cases[i].label);
    }
}

static void a_file_that_changes_is_noticed(void **state) {
    (void)state;
    ps_nifti header;
    float *out = calloc(60, sizeof *out);
    made_nifti what = made(NULL), other = {.side = {50, 40, 30}};
    write_nifti(in_folder("a.nii.gz"), &what);
    held(ps_nifti_open(path, &header));
    write_nifti(path, &other);
    refused(ps_nifti_read(path, &header, 0, 1, out), "has changed");
    free(out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers_that_make_no_sense),
        cmocka_unit_test(headers_that_are_taken_as_they_are_meant),
        cmocka_unit_test(cut_files_are_refused_at_any_byte),
        cmocka_unit_test(a_gib_in_a_small_file_is_refused),
        cmocka_unit_test(headers_that_call_for_too_little),
        cmocka_unit_test(what_the_last_four_bytes_hide),
        cmocka_unit_test(files_that_are_filled_up),
        cmocka_unit_test(damage_within_is_found_in_reading),
        cmocka_unit_test(files_that_are_none),
        cmocka_unit_test(what_is_no_number_is_refused_by_its_place),
        cmocka_unit_test(labels_are_whole_and_classes),
        cmocka_unit_test(a_file_that_changes_is_noticed),
    };
    return cmocka_run_group_tests_name("nifti", tests, make_folder, remove_folder);
}
