/* Input: one byte, which choice of files; then bytes that are laid over whole records (so that sizes are right often),
 * cut by up to a byte on either side. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "data/dataset.h"
#include "fuzz.h"

enum { RECORD = 3073, RECORDS_MOST = 3 };

static uint8_t file[RECORDS_MOST * (RECORD + 1) + 1];

void fuzz_input(const uint8_t *bytes, size_t size) {
    if (size < 1) return;
    uint8_t choice = bytes[0];
    bool hundred = (choice & 1) != 0;
    size_t record = hundred ? RECORD + 1 : RECORD, length = record * (1 + (choice >> 1 & 3) % RECORDS_MOST),
           used = size - 1;
    if ((choice & 8) != 0) length += (choice & 16) != 0 ? 1 : (size_t)-1;
    memset(file, 0, sizeof file);
    memcpy(file, bytes + 1, used < length ? used : length);
    fuzz_write(hundred ? "train.bin" : "data_batch_2.bin", file, length);
    fuzz_write(hundred ? "test.bin" : "test_batch.bin", (choice & 32) != 0 ? file : NULL, length);
    fuzz_write(hundred ? "fine_label_names.txt" : "batches.meta.txt", (choice & 64) != 0 ? bytes + 1 : NULL, used);
    char source[300] = "";
    ps_dataset *dataset;
    ps_dataset_options options = {.size = (choice & 128) != 0 ? 5 : 0};
    strcat(source, hundred ? "cifar100:" : "cifar10:");
    strncat(source, fuzz_folder(), sizeof source - 12);
    if (ps_dataset_open(source, &options, &dataset) == PS_OK) {
        for (int i = 0; i < ps_dataset_classes(dataset); i++) {
            if (strlen(ps_dataset_class_name(dataset, i)) > 63) abort();
        }
        ps_dataset_close(dataset);
    } else if (ps_status_message()[0] == '\0') {
        abort();
    }
}
