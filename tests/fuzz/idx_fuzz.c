/* Input: two bytes, the length of the image file; the image file; the rest is the label file. zlib tells .gz from
 * plain. */
#include <stdlib.h>
#include <string.h>

#include "data/dataset.h"
#include "fuzz.h"

void fuzz_input(const uint8_t *bytes, size_t size) {
    if (size < 2) return;
    size_t images = bytes[0] | (size_t)bytes[1] << 8, left = size - 2;
    if (images > left) images = left;
    fuzz_write("train-images-idx3-ubyte.gz", bytes + 2, images);
    fuzz_write("train-labels-idx1-ubyte.gz", bytes + 2 + images, left - images);
    char source[300] = "idx:";
    ps_dataset *dataset;
    ps_dataset_options options = {.probe_count = 1};
    strncat(source, fuzz_folder(), sizeof source - 5);
    if (ps_dataset_open(source, &options, &dataset) == PS_OK) {
        if (ps_dataset_count(dataset, PS_SPLIT_TRAIN) < 1) abort();
        ps_dataset_close(dataset);
    } else if (ps_status_message()[0] == '\0') {
        abort();
    }
}
