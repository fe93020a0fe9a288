#include "tests/lib/nifti_files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

enum { HEADER = 348, OFFSET = 352 };

static void put(uint8_t *bytes, const made_field *field) {
    int16_t half = (int16_t)field->value;
    int32_t whole = (int32_t)field->value;
    float real = (float)field->value;
    switch (field->kind) {
        case 's': memcpy(bytes + field->at, &half, sizeof half); break;
        case 'i': memcpy(bytes + field->at, &whole, sizeof whole); break;
        case 'f': memcpy(bytes + field->at, &real, sizeof real); break;
        default: bytes[field->at] = (uint8_t)field->value; break;
    }
}

static void make_header(uint8_t *bytes, const made_nifti *what, int type) {
    const made_field fields[] = {{0, 'i', HEADER}, {40, 's', what->side[3] > 1 ? 4 : 3},
                                 {70, 's', type},  {72, 's', type == 16 ? 32 : type == 4 ? 16 : 8},
                                 {76, 'f', 1},     {108, 'f', OFFSET},
                                 {123, 'b', 2},    {254, 's', 1},
                                 {280, 'f', 1},    {300, 'f', 1},
                                 {320, 'f', 1}};
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) put(bytes, &fields[i]);
    for (int i = 0; i < 7; i++)
        put(bytes, &(made_field){42 + 2 * i, 's', i < 4 && what->side[i] > 0 ? what->side[i] : 1});
    for (int i = 0; i < 3; i++) put(bytes, &(made_field){80 + 4 * i, 'f', what->mm[i] != 0 ? what->mm[i] : 1});
    memcpy(bytes + 344, "n+1", 4);
    for (const made_field *f = what->fields; f != NULL && f->kind != 0; f++) put(bytes, f);
}

void write_nifti(const char *path, const made_nifti *what) {
    int type = what->type != 0 ? what->type : 2;
    size_t count = 1, size = type == 16 ? 4 : type == 4 ? 2 : 1, length = strlen(path);
    for (int i = 0; i < 4; i++) count *= what->side[i] > 0 ? (size_t)what->side[i] : 1;
    uint8_t *bytes = calloc(1, OFFSET + count * size);
    make_header(bytes, what, type);
    for (size_t i = 0; i < count; i++) {
        double value = what->value != NULL ? what->value[i] : (double)(i % 7);
        put(bytes, &(made_field){(int)(OFFSET + i * size), type == 16 ? 'f' : type == 4 ? 's' : 'b', value});
    }
    gzFile stream = gzopen(path, length > 3 && strcmp(path + length - 3, ".gz") == 0 ? "wb" : "wbT");
    gzwrite(stream, bytes, (unsigned)(OFFSET + (what->kept > 0 ? what->kept : count * size)));
    gzclose(stream);
    free(bytes);
}

void cut_nifti(const char *path, long bytes) {
    if (truncate(path, bytes) != 0) abort();
}

long length_of_file(const char *path) {
    FILE *stream = fopen(path, "rb");
    if (stream == NULL) abort();
    fseek(stream, 0, SEEK_END);
    long length = ftell(stream);
    fclose(stream);
    return length;
}
