#include "tests/lib/images.h"

#include <string.h>

#include "core/memory.h"

static size_t sample_bytes(const ps_images *images) {
    return ps_shape_elements(images->shape) * (images->type == PS_PIXEL_BYTE ? sizeof(uint8_t) : sizeof(float));
}

ps_status ps_images_reserve(const ps_images *images, ps_image_split *split, size_t count) {
    PS_TRY(ps_alloc(count, sample_bytes(images), "images", &split->pixel));
    PS_TRY(PS_ALLOC(count * images->labels_per_sample, &split->label, "labels"));
    split->count = (int)count;
    return PS_OK;
}

static void size_of(const ps_source *source, ps_source_part part, int index, ps_sample_size *out) {
    const ps_images *images = source->state;
    (void)part;
    (void)index;
    *out = (ps_sample_size){.pixels = images->shape};
    if (source->labels != PS_LABEL_MASK) return;
    out->mask = images->shape;
    out->mask.c = 1;
}

static ps_status decode(const ps_source *source, ps_source_part part, int index, void *pixel, int16_t *label) {
    const ps_images *images = source->state;
    const ps_image_split *split = part == PS_SOURCE_TEST ? &images->test : &images->train;
    size_t bytes = sample_bytes(images), labels = images->labels_per_sample;
    memcpy(pixel, (const char *)split->pixel + (size_t)index * bytes, bytes);
    memcpy(label, split->label + (size_t)index * labels, labels * sizeof *label);
    return PS_OK;
}

static void clear(ps_images *images) {
    ps_image_split *splits[] = {&images->train, &images->test};
    for (int i = 0; i < 2; i++) {
        ps_free(splits[i]->pixel);
        ps_free(splits[i]->label);
    }
}

static void close_images(ps_source *source) {
    if (source->state != NULL) clear(source->state);
    ps_free(source->state);
}

static const ps_source_functions functions = {.size = size_of, .decode = decode, .close = close_images};

ps_status ps_dataset_from_images(const char *name, const ps_dataset_options *options, ps_images *images,
                                 ps_dataset **out) {
    ps_images *kept = NULL;
    ps_status status = PS_ALLOC(1, &kept, "images");
    if (status != PS_OK) {
        clear(images);
        return status;
    }
    *kept = *images;
    ps_source source = {.functions = &functions,
                        .state = kept,
                        .count = {images->train.count, images->test.count},
                        .type = images->type,
                        .labels = images->labels_per_sample > 1 ? PS_LABEL_MASK : PS_LABEL_CLASS,
                        .classes = images->classes};
    return ps_dataset_of_source(name, options, &source, out);
}
