/* Weight files: round trips, conversions, and headers that lie. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/status.h"
#include "core/file.h"
#include "net/safetensors.h"
#include "tests/lib/folder.h"
#include "tests/lib/graphs.h"

static char path[128];

static int make_paths(void **state) {
    if (make_folder(state) != 0) return 1;
    snprintf(path, sizeof path, "%s/t.safetensors", folder);
    return 0;
}

/* A file of this header and this many bytes of data (0, 1, 2 ...); claimed is written as the header's length. */
static void write_file(const char *header, uint64_t claimed, const void *data, size_t size) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    for (int i = 0; i < 8; i++) putc((int)(claimed >> 8 * i & 0xff), file);
    fwrite(header, 1, strlen(header), file);
    if (data != NULL) fwrite(data, 1, size, file);
    fclose(file);
}

static ps_status status_of(const char *header, size_t data_bytes) {
    ps_tensor_file *file;
    char *data = calloc(1, data_bytes + 1);
    write_file(header, strlen(header), data, data_bytes);
    free(data);
    ps_status status = ps_tensor_file_open(path, &file);
    assert_true((status == PS_OK) == (file != NULL));
    ps_tensor_file_close(file);
    return status;
}

static void what_is_written_is_read(void **state) {
    (void)state;
    const float a[6] = {1, -2.5f, NAN, INFINITY, -0.0f, 1e-45f}, b[1] = {7};
    ps_tensor_writer *writer;
    ps_tensor_file *file;
    float back[6];
    int rank;
    int64_t dims[8];
    assert_int_equal(ps_tensor_writer_create(&writer), PS_OK);
    assert_int_equal(ps_tensor_writer_metadata(writer, "config", "{\"a\": \"\\n\"}"), PS_OK);
    assert_int_equal(ps_tensor_writer_metadata(writer, "config", "quoted \" and \\ and\nnewline"), PS_OK);
    assert_int_equal(ps_tensor_writer_add(writer, "z \"weight\"", 2, (const int64_t[]){2, 3}, a), PS_OK);
    assert_int_equal(ps_tensor_writer_add(writer, "a", 0, NULL, b), PS_OK);
    assert_int_equal(ps_tensor_writer_add(writer, "empty", 2, (const int64_t[]){0, 5}, NULL), PS_OK);
    assert_sentence(ps_tensor_writer_add(writer, "a", 0, NULL, b), "\"a\"", NULL);
    assert_sentence(ps_tensor_writer_add(writer, "__metadata__", 0, NULL, b), "__metadata__", NULL);
    assert_int_equal(ps_tensor_writer_finish(writer, path), PS_OK);
    ps_tensor_writer_destroy(writer);
    assert_int_equal(ps_tensor_file_open(path, &file), PS_OK);
    assert_int_equal(ps_tensor_file_count(file), 3);
    assert_string_equal(ps_tensor_file_metadata(file, "config"), "quoted \" and \\ and\nnewline");
    assert_null(ps_tensor_file_metadata(file, "Config"));
    int index = ps_tensor_file_find(file, "z \"weight\"");
    assert_true(index >= 0);
    ps_tensor_file_shape(file, index, &rank, dims);
    assert_int_equal(rank, 2);
    assert_true(dims[0] == 2 && dims[1] == 3);
    assert_int_equal(ps_tensor_file_read_float(file, index, back, 6), PS_OK);
    assert_memory_equal(back, a, sizeof a); /* bit by bit: NaN and minus zero too */
    assert_sentence(ps_tensor_file_read_float(file, index, back, 5), "6 elements", "5", NULL);
    index = ps_tensor_file_find(file, "a");
    ps_tensor_file_shape(file, index, &rank, dims);
    assert_int_equal(rank, 0);
    assert_int_equal(ps_tensor_file_read_float(file, index, back, 1), PS_OK);
    assert_true(back[0] == 7);
    assert_int_equal(ps_tensor_file_read_float(file, ps_tensor_file_find(file, "empty"), back, 0), PS_OK);
    assert_int_equal(ps_tensor_file_find(file, "b"), -1);
    for (int i = 0; i < 3; i++) assert_int_equal(ps_tensor_file_find(file, ps_tensor_file_name(file, i)), i);
    ps_tensor_file_close(file);
}

static void the_layout_is_the_formats(void **state) {
    (void)state;
    const float value[1] = {1};
    ps_tensor_writer *writer;
    unsigned char bytes[256];
    assert_int_equal(ps_tensor_writer_create(&writer), PS_OK);
    assert_int_equal(ps_tensor_writer_add(writer, "w", 1, (const int64_t[]){1}, value), PS_OK);
    assert_int_equal(ps_tensor_writer_finish(writer, path), PS_OK);
    ps_tensor_writer_destroy(writer);
    FILE *file = fopen(path, "rb");
    size_t size = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    static const char header[] = "{\"w\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}";
    size_t length = (sizeof header - 1 + 7) / 8 * 8;
    assert_int_equal(size, 8 + length + 4);
    assert_int_equal(bytes[0], length);
    for (int i = 1; i < 8; i++) assert_int_equal(bytes[i], 0);
    assert_memory_equal(bytes + 8, header, sizeof header - 1);
    assert_memory_equal(bytes + 8 + length, "\0\0\x80\x3f", 4);
}

static void other_number_types_are_converted(void **state) {
    (void)state;
    /* F16: 1, -2, smallest subnormal, infinity, NaN, 65504; BF16: 1, -3; F64: 0.1, 1e300. */
    static const unsigned char data[] = {0x00, 0x3c, 0x00, 0xc0, 0x01, 0x00, 0x00, 0x7c, 0x01, 0x7e, 0xff,
                                         0x7b, 0x80, 0x3f, 0x40, 0xc0, 0x9a, 0x99, 0x99, 0x99, 0x99, 0x99,
                                         0xb9, 0x3f, 0x9c, 0x75, 0x00, 0x88, 0x3c, 0xe4, 0x37, 0x7e};
    static const char header[] =
        "{\"h\":{\"dtype\":\"F16\",\"shape\":[6],\"data_offsets\":[0,12]},"
        "\"b\":{\"dtype\":\"BF16\",\"shape\":[2],\"data_offsets\":[12,16]},"
        "\"d\":{\"dtype\":\"F64\",\"shape\":[2],\"data_offsets\":[16,32]},"
        "\"i\":{\"dtype\":\"I32\",\"shape\":[1],\"data_offsets\":[32,36]}}";
    unsigned char all[36] = {0};
    memcpy(all, data, sizeof data);
    write_file(header, sizeof header - 1, all, sizeof all);
    ps_tensor_file *file;
    float v[6];
    assert_int_equal(ps_tensor_file_open(path, &file), PS_OK);
    assert_int_equal(ps_tensor_file_read_float(file, ps_tensor_file_find(file, "h"), v, 6), PS_OK);
    assert_true(v[0] == 1 && v[1] == -2 && v[2] == 0x1p-24f && isinf(v[3]) && isnan(v[4]) && v[5] == 65504);
    assert_int_equal(ps_tensor_file_read_float(file, ps_tensor_file_find(file, "b"), v, 2), PS_OK);
    assert_true(v[0] == 1 && v[1] == -3);
    assert_int_equal(ps_tensor_file_read_float(file, ps_tensor_file_find(file, "d"), v, 2), PS_OK);
    assert_true(v[0] == 0.1f && isinf(v[1]));
    assert_sentence(ps_tensor_file_read_float(file, ps_tensor_file_find(file, "i"), v, 1), "\"i\"", "I32", NULL);
    ps_tensor_file_close(file);
}

#define ENTRY(name, type, shape, from, to) \
    "\"" name "\":{\"dtype\":\"" type "\",\"shape\":" shape ",\"data_offsets\":[" from "," to "]}"

static void headers_that_lie_are_refused(void **state) {
    (void)state;
    assert_int_equal(status_of("{}", 0), PS_OK);
    assert_int_equal(status_of("{" ENTRY("a", "F32", "[2]", "0", "8") "}", 8), PS_OK);
    assert_int_equal(status_of("{" ENTRY("a", "F32", "[2]", "0", "8") "," ENTRY("b", "F32", "[1]", "8", "12") "}", 12),
                     PS_OK);
    assert_sentence(status_of("{" ENTRY("a", "F32", "[2]", "0", "8") "," ENTRY("b", "F32", "[1]", "4", "8") "}", 12),
                    "overlap", NULL);
    assert_sentence(status_of("{" ENTRY("a", "F32", "[2]", "0", "8") "," ENTRY("b", "F32", "[2]", "0", "8") "}", 12),
                    "\"a\"", "\"b\"", "share", "overlap", "clone()", NULL);
    assert_sentence(status_of("{" ENTRY("a", "F32", "[2]", "0", "8") "}", 12), "12 bytes", "8", NULL);
    assert_sentence(status_of("{}", 1), "1 bytes", "0", NULL);
    assert_sentence(status_of("{" ENTRY("a", "F32", "[2]", "0", "8") "," ENTRY("a", "F32", "[1]", "8", "12") "}", 12),
                    "named \"a\"", NULL);
    assert_sentence(status_of("{" ENTRY("a", "F32", "[2]", "0", "8") "}", 7), "\"a\"", "cut short", NULL);
    assert_sentence(status_of("{" ENTRY("a", "F32", "[3]", "0", "8") "}", 8), "8 bytes", "12", NULL);
    assert_sentence(status_of("{" ENTRY("a", "F32", "[2]", "8", "0") "}", 8), "data_offsets", NULL);
    assert_sentence(status_of("{" ENTRY("a", "F32", "[2]", "-8", "0") "}", 8), "data_offsets", NULL);
    assert_sentence(status_of("{" ENTRY("a", "F32", "[2]", "0.5", "8.5") "}", 16), "data_offsets", NULL);
    assert_sentence(status_of("{" ENTRY("a", "F32", "[2]", "0", "1e300") "}", 16), "data_offsets", NULL);
    assert_sentence(status_of("{" ENTRY("a", "F32", "[2]", "0", "8, 9") "}", 16), "data_offsets", NULL);
    assert_sentence(status_of("{" ENTRY("a", "F32", "[4294967296, 4294967296, 2]", "0", "8") "}", 8), "\"a\"",
                    "elements", NULL);
    assert_sentence(status_of("{" ENTRY("a", "F32", "[-2]", "0", "8") "}", 8), "\"a\"", "whole", NULL);
    assert_sentence(status_of("{" ENTRY("a", "F32", "[1,1,1,1,1,1,1,1,2]", "0", "8") "}", 8), "\"a\"", "dimensions",
                    NULL);
    assert_sentence(status_of("{" ENTRY("a", "F32", "2", "0", "8") "}", 8), "\"a\"", "shape", NULL);
    assert_sentence(status_of("{" ENTRY("a", "F33", "[2]", "0", "8") "}", 8), "\"a\"", "F33", NULL);
    assert_sentence(status_of("{\"a\":{\"shape\":[2],\"data_offsets\":[0,8]}}", 8), "\"a\"", "number type", NULL);
    assert_sentence(status_of("{\"a\":3}", 8), "\"a\"", "object", NULL);
    assert_sentence(status_of("{\"__metadata__\":{\"k\":3}}", 0), "\"k\"", NULL);
    assert_sentence(status_of("{\"__metadata__\":[]}", 0), "__metadata__", NULL);
    assert_sentence(status_of("{\"__metadata__\":{},\"__metadata__\":{}}", 0), "twice", NULL);
    assert_sentence(status_of("[]", 0), "object", NULL);
    assert_sentence(status_of("{", 0), path, NULL);
    assert_sentence(status_of("{} x", 0), path, NULL);
    assert_sentence(status_of("", 0), path, NULL);
}

static void lengths_that_lie_are_refused(void **state) {
    (void)state;
    ps_tensor_file *file;
    static const uint64_t lengths[] = {3, 1000, UINT64_MAX, UINT64_MAX - 7, (uint64_t)1 << 63, (uint64_t)200 << 20};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        write_file("{}", lengths[i], NULL, 0);
        assert_sentence(ps_tensor_file_open(path, &file), path, "header", NULL);
        assert_null(file);
    }
    write_file("{\"a\":1}", 1, NULL, 0); /* the header ends too early */
    assert_sentence(ps_tensor_file_open(path, &file), path, NULL);
    write_file("{} \0", 4, "\0", 1);
    assert_int_equal(truncate(path, 5), 0);
    assert_sentence(ps_tensor_file_open(path, &file), "too short", NULL);
    unlink(path);
    assert_sentence(ps_tensor_file_open(path, &file), path, NULL);
    assert_sentence(ps_tensor_file_open(folder, &file), folder, NULL);
}

static void files_of_torch_save_are_named(void **state) {
    (void)state;
    static const char *const starts[] = {"PK\3\4\0\0\0\0\0\0", "\x80\2\x8a\nl\xfc\x9c\x46\xf9\x20",
                                         "\x80\4}q\1.\0\0\0\0", "\x80\6\0\0\0\0\0\0{}"};
    ps_tensor_file *file;
    for (int i = 0; i < 4; i++) {
        FILE *stream = fopen(path, "wb");
        assert_int_equal(fwrite(starts[i], 1, 10, stream), 10);
        fclose(stream);
        assert_int_equal(ps_file_is_pickle(path), i < 3);
        if (i < 3)
            assert_sentence(ps_tensor_file_open(path, &file), "torch.save", "safetensors.torch", "save_file(", NULL);
        else assert_sentence(ps_tensor_file_open(path, &file), path, "header", NULL);
        assert_null(file);
    }
}

static void a_zero_byte_in_the_header_is_refused(void **state) {
    (void)state;
    ps_tensor_file *file;
    write_file("{}", 8, "\0hidden", 6);
    assert_sentence(ps_tensor_file_open(path, &file), "zero byte", NULL);
}

static void many_tensors_are_found(void **state) {
    (void)state;
    enum { COUNT = 1500 };
    static float value[COUNT];
    ps_tensor_writer *writer;
    ps_tensor_file *file;
    char name[32];
    assert_int_equal(ps_tensor_writer_create(&writer), PS_OK);
    for (int i = 0; i < COUNT; i++) {
        value[i] = (float)i;
        snprintf(name, sizeof name, "t%d", i * 7919 % COUNT);
        assert_int_equal(ps_tensor_writer_add(writer, name, 1, (const int64_t[]){1}, &value[i]), PS_OK);
    }
    assert_int_equal(ps_tensor_writer_finish(writer, path), PS_OK);
    ps_tensor_writer_destroy(writer);
    assert_int_equal(ps_tensor_file_open(path, &file), PS_OK);
    for (int i = 0; i < COUNT; i++) {
        float back;
        snprintf(name, sizeof name, "t%d", i * 7919 % COUNT);
        assert_int_equal(ps_tensor_file_read_float(file, ps_tensor_file_find(file, name), &back, 1), PS_OK);
        assert_true(back == (float)i);
    }
    ps_tensor_file_close(file);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_is_written_is_read),
                                       cmocka_unit_test(the_layout_is_the_formats),
                                       cmocka_unit_test(other_number_types_are_converted),
                                       cmocka_unit_test(headers_that_lie_are_refused),
                                       cmocka_unit_test(lengths_that_lie_are_refused),
                                       cmocka_unit_test(files_of_torch_save_are_named),
                                       cmocka_unit_test(a_zero_byte_in_the_header_is_refused),
                                       cmocka_unit_test(many_tensors_are_found)};
    return cmocka_run_group_tests_name("safetensors", tests, make_paths, remove_folder);
}
