/* The engine's training batches as they are, for tests/cli/order_test.py and tests/cli/augment_test.py:
 *   order_tool SOURCE SEED BATCH CROP_PAD FLIP STEPS PROBE TRAIN_LIMIT [NAME=VALUE..]
 * writes each step's labels [batch][per sample] as 32-bit integers and pixels [batch][d][h][w][c] as floats to standard
 * output. SOURCE "volume" is a made-up data set with depth: 23 images of 2 channels, 3 x 4 x 5, a label per position,
 * value v of image i (channels last) being the byte (31 i + 7 v) mod 251, its label (i + position) mod 3. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "data/loader.h"
#include "data/source.h"

enum { VOLUMES = 23 };

static void size_of(const ps_source *source, ps_source_part part, int index, ps_sample_size *out) {
    (void)source;
    (void)part;
    (void)index;
    *out = (ps_sample_size){.pixels = {1, 2, 3, 4, 5}, .mask = {1, 1, 3, 4, 5}};
}

static ps_status decode(const ps_source *source, ps_source_part part, int index, void *pixel, int16_t *label) {
    uint8_t *byte = pixel;
    (void)source;
    (void)part;
    for (int v = 0; v < 120; v++) byte[v] = (uint8_t)((31 * index + 7 * v) % 251);
    for (int p = 0; p < 60; p++) label[p] = (int16_t)((index + p) % 3);
    return PS_OK;
}

static void close_volumes(ps_source *source) { (void)source; }

static ps_status open_volumes(const ps_dataset_options *options, ps_dataset **out) {
    static const ps_source_functions functions = {.size = size_of, .decode = decode, .close = close_volumes};
    ps_source source = {
        .functions = &functions, .count = {VOLUMES, 0}, .type = PS_PIXEL_BYTE, .labels = PS_LABEL_MASK, .classes = 3};
    return ps_dataset_of_source("volume", options, &source, out);
}

static ps_status print_batches(const ps_dataset *dataset, const ps_loader_options *options, int steps) {
    ps_loader *loader;
    size_t elements = ps_shape_elements(ps_dataset_sample_shape(dataset)) * (size_t)options->batch,
           labels = ps_dataset_labels_per_sample(dataset) * (size_t)options->batch;
    float *x = NULL;
    int32_t *label = NULL;
    PS_TRY(ps_loader_create(dataset, options, &loader));
    ps_status status = PS_ALLOC(elements, &x, "batch");
    if (status == PS_OK) status = PS_ALLOC(labels, &label, "batch");
    for (int step = 0; status == PS_OK && step < steps; step++) {
        status = ps_loader_train_batch(loader, (uint64_t)step, x, label, NULL);
        if (status != PS_OK) break;
        if (fwrite(label, sizeof *label, labels, stdout) != labels ||
            fwrite(x, sizeof *x, elements, stdout) != elements)
            status = ps_fail(PS_ERR_INPUT, "cannot write");
    }
    ps_free(x);
    ps_free(label);
    ps_loader_destroy(loader);
    return status;
}

/* Further augmentations: crop_black, rotate, jitter ("B,C,S"), rand_augment, erase, scale and ratio ("LOW,HIGH"),
 * mixup, cutmix, switch and until; raw: as stored. */
static bool set(const char *word, ps_loader_options *options, bool *raw) {
    ps_augment_options *augment = &options->augment;
    const char *value = strchr(word, '=') + 1;
    double low = strtod(value, NULL), high = strchr(value, ',') != NULL ? strtod(strchr(value, ',') + 1, NULL) : 0;
    if (strncmp(word, "crop_black=", 11) == 0) augment->crop_black = low != 0;
    else if (strncmp(word, "rotate=", 7) == 0) augment->rotate = low;
    else if (strncmp(word, "erase=", 6) == 0) augment->erase = low;
    else if (strncmp(word, "scale=", 6) == 0) augment->crop_scale = (ps_augment_range){low, high};
    else if (strncmp(word, "ratio=", 6) == 0) augment->crop_ratio = (ps_augment_range){low, high};
    else if (strncmp(word, "mixup=", 6) == 0) options->mix.mixup = low;
    else if (strncmp(word, "cutmix=", 7) == 0) options->mix.cutmix = low;
    else if (strncmp(word, "switch=", 7) == 0) options->mix.cutmix_share = low;
    else if (strncmp(word, "until=", 6) == 0) options->mix.until_epoch = (int)low;
    else if (strncmp(word, "raw=", 4) == 0) *raw = low != 0;
    else if (strncmp(word, "jitter=", 7) == 0)
        return sscanf(value, "%lf,%lf,%lf", &augment->jitter[0], &augment->jitter[1], &augment->jitter[2]) == 3;
    else return strncmp(word, "rand_augment=", 13) == 0 && ps_rand_augment_parse(value, &augment->rand) == PS_OK;
    return true;
}

int main(int argc, char **argv) {
    if (argc < 9) return 2;
    ps_loader_options loader = {.batch = atoi(argv[3]),
                                .seed = (uint64_t)strtoull(argv[2], NULL, 10),
                                .augment = {.crop_pad = atoi(argv[4]), .flip = atoi(argv[5]) != 0}};
    ps_dataset_options data = {.probe_count = atoi(argv[7]), .train_limit = atoi(argv[8])};
    ps_dataset *dataset = NULL;
    for (int i = 9; i < argc; i++)
        if (!set(argv[i], &loader, &data.raw)) return 2;
    ps_status status =
        strcmp(argv[1], "volume") == 0 ? open_volumes(&data, &dataset) : ps_dataset_open(argv[1], &data, &dataset);
    if (status == PS_OK) status = print_batches(dataset, &loader, atoi(argv[6]));
    ps_dataset_close(dataset);
    if (status != PS_OK) fprintf(stderr, "%s\n", ps_status_message());
    return status == PS_OK ? 0 : 2;
}
