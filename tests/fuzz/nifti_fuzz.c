/* Input: a NIfTI file, packed or plain (zlib tells which). Its voxels are read as values and as labels, and a label map
 * is written in its geometry and read back. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "data/nifti.h"
#include "fuzz.h"

static void must_say(ps_status status) {
    if (status != PS_OK && ps_status_message()[0] == '\0') abort();
}

static void write_and_read(const char *path, const ps_nifti *header, int16_t *label) {
    char copy[300];
    const ps_nifti_labels labels = {3, -1};
    ps_nifti again;
    size_t count = ps_shape_positions(header->shape);
    for (size_t i = 0; i < count; i++) label[i] = (int16_t)(i % 3);
    snprintf(copy, sizeof copy, "%s/copy.nii.gz", fuzz_folder());
    if (ps_nifti_write_like(path, label, copy) != PS_OK || ps_nifti_open(copy, &again) != PS_OK) abort();
    if (ps_nifti_read_labels(copy, &again, &labels, label) != PS_OK) abort();
    for (size_t i = 0; i < count; i++)
        if (label[i] != (int16_t)(i % 3)) abort();
}

void fuzz_input(const uint8_t *bytes, size_t size) {
    char path[300];
    ps_nifti header;
    const ps_nifti_labels labels = {300, 7};
    fuzz_write("a.nii.gz", bytes, size);
    snprintf(path, sizeof path, "%s/a.nii.gz", fuzz_folder());
    ps_status status = ps_nifti_open(path, &header);
    must_say(status);
    size_t count = status == PS_OK ? ps_shape_elements(header.shape) : 0;
    if (count == 0) return;
    if (count > size * 1032) abort(); /* more than any file of this length can hold */
    float *value = malloc(count * sizeof *value);
    int16_t *label = malloc(count * sizeof *label);
    if (value == NULL || label == NULL) abort();
    status = ps_nifti_read(path, &header, 0, header.shape.c, value);
    must_say(status);
    if (header.shape.c == 1) {
        must_say(ps_nifti_read_labels(path, &header, &labels, label));
        if (count < 10000) write_and_read(path, &header, label);
    }
    free(value);
    free(label);
}
