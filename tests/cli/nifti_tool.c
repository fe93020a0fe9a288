/* NIfTI files (data/nifti.h) by themselves, for tests/cli/nifti_test.py:
 *   nifti_tool read FILE             "d h w c mm mm mm" on a line, then the values as floats
 *   nifti_tool like INPUT FILE       writes the label map on standard input, 16-bit numbers, in the geometry of INPUT
 * Exit 1 with the sentence of what failed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "data/nifti.h"

static ps_status read_file(const char *path) {
    ps_nifti header;
    float *value;
    PS_TRY(ps_nifti_open(path, &header));
    PS_TRY(PS_ALLOC(ps_shape_elements(header.shape), &value, "test"));
    ps_status status = ps_nifti_read(path, &header, 0, header.shape.c, value);
    if (status == PS_OK) {
        const ps_shape *s = &header.shape;
        printf("%d %d %d %d %.9g %.9g %.9g\n", s->d, s->h, s->w, s->c, header.mm[0], header.mm[1], header.mm[2]);
        fwrite(value, sizeof *value, ps_shape_elements(header.shape), stdout);
    }
    ps_free(value);
    return status;
}

static ps_status write_file(const char *input, const char *path) {
    ps_nifti header;
    int16_t *label;
    PS_TRY(ps_nifti_open(input, &header));
    size_t count = ps_shape_positions(header.shape);
    PS_TRY(PS_ALLOC(count, &label, "test"));
    ps_status status =
        fread(label, sizeof *label, count, stdin) == count ? PS_OK : ps_fail(PS_ERR_USAGE, "too few labels");
    if (status == PS_OK) status = ps_nifti_write_like(input, label, path);
    ps_free(label);
    return status;
}

int main(int argc, char **argv) {
    if (argc < 3 || (strcmp(argv[1], "like") == 0 && argc < 4)) return 2;
    ps_status status = strcmp(argv[1], "read") == 0 ? read_file(argv[2]) : write_file(argv[2], argv[3]);
    if (status != PS_OK) fprintf(stderr, "%s\n", ps_status_message());
    return status == PS_OK ? 0 : 1;
}
