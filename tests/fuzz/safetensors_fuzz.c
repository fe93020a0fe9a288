/* Input: a weight file. Every tensor of an accepted one must be found by its name and be readable, or say why not. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "net/safetensors.h"

static void read_all(const ps_tensor_file *file, size_t size) {
    for (int i = 0; i < ps_tensor_file_count(file); i++) {
        int rank;
        int64_t dims[8];
        size_t count = 1;
        ps_tensor_file_shape(file, i, &rank, dims);
        for (int k = 0; k < rank; k++) count *= (size_t)dims[k];
        if (count > size || ps_tensor_file_find(file, ps_tensor_file_name(file, i)) != i) abort();
        float *values = malloc(count * sizeof *values + 1);
        if (values != NULL && ps_tensor_file_read_float(file, i, values, count) != PS_OK &&
            ps_status_message()[0] == '\0')
            abort();
        free(values);
    }
}

void fuzz_input(const uint8_t *bytes, size_t size) {
    ps_tensor_file *file;
    ps_status_reset();
    if (ps_tensor_file_open(fuzz_write("weights.safetensors", bytes, size), &file) == PS_OK) {
        read_all(file, size);
        ps_tensor_file_metadata(file, "config");
        ps_tensor_file_close(file);
    } else if (ps_status_message()[0] == '\0') {
        abort();
    }
}
