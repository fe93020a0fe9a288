/* A crop of the image padded by `crop_pad` pixels, back to its size (DeVries & Taylor 2017: padded after normalisation,
 * so with the mean; public code pads before it, with black: crop_black). Before normalisation the mean is rounded to a
 * byte. */
#include <string.h>

#include "data/augment.h"
#include "data/augment_cells.h"

/* Where the crop starts, seen from the image itself: in [-pad, pad]. */
typedef struct {
    int z, y, x;
} offset;

static bool used(const ps_augment_options *options) { return options->crop_pad > 0; }

static ps_status check(const ps_augment_options *options, const ps_dataset *dataset) {
    ps_shape shape = ps_dataset_sample_shape(dataset);
    int side = shape.h < shape.w ? shape.h : shape.w;
    if (options->crop_pad >= 0 && options->crop_pad < side) return PS_OK;
    return ps_fail(PS_ERR_USAGE, "crop padding must be 0 (no crop) to %d, less than the image's side, not %d", side - 1,
                   options->crop_pad);
}

/* target[x] = source[x + shift] within a row of `width` cells, `outside` beyond it; target may be source. */
static void shift_row(char *target, const char *source, int width, int shift, size_t cell, const void *outside) {
    int kept = width - (shift < 0 ? -shift : shift);
    if (kept < 0) kept = 0;
    size_t gap = (size_t)(width - kept) * cell, held = (size_t)kept * cell;
    if (shift >= 0) {
        memmove(target, source + gap, held);
        ps_cells_fill(target + held, (size_t)(width - kept), cell, outside);
    } else {
        memmove(target + gap, source, held);
        ps_cells_fill(target, (size_t)(width - kept), cell, outside);
    }
}

/* volume[z][y][x] = volume[z + from.z][y + from.y][x + from.x], `outside` beyond it. Rows are visited so that a source
 * row is read before it is overwritten: along the shift of the depth, or where that is none, of the height. */
static void shift_volume(char *volume, ps_shape shape, offset from, size_t cell, const void *outside) {
    size_t row = (size_t)shape.w * cell;
    for (int i = 0; i < shape.d; i++) {
        int z = from.z >= 0 ? i : shape.d - 1 - i, from_z = z + from.z;
        for (int j = 0; j < shape.h; j++) {
            int y = from.y >= 0 ? j : shape.h - 1 - j, from_y = y + from.y;
            char *target = volume + ((size_t)z * (size_t)shape.h + (size_t)y) * row;
            if (from_z < 0 || from_z >= shape.d || from_y < 0 || from_y >= shape.h)
                ps_cells_fill(target, (size_t)shape.w, cell, outside);
            else
                shift_row(target, volume + ((size_t)from_z * (size_t)shape.h + (size_t)from_y) * row, shape.w, from.x,
                          cell, outside);
        }
    }
}

/* A flat image has no depth to crop. A label outside is -1, which the loss does not count. */
static void apply(const ps_augment_options *options, ps_rng_key key, ps_augment_sample *sample) {
    static const int32_t no_label = -1;
    int pad = options->crop_pad;
    uint32_t places = 2u * (uint32_t)pad + 1;
    offset from = {0};
    from.y = (int)ps_rng_below(key, 0, places) - pad;
    from.x = (int)ps_rng_below(key, 1, places) - pad;
    if (sample->shape.d > 1) from.z = (int)ps_rng_below(key, 2, places) - pad;
    if (from.z == 0 && from.y == 0 && from.x == 0) return;
    shift_volume(sample->pixel, sample->shape, from, sample->cell, sample->outside);
    if (sample->label != NULL)
        shift_volume((char *)sample->label, sample->shape, from, sizeof *sample->label, &no_label);
}

const ps_augmentation ps_augment_crop = {.name = "crop_pad",
                                         .stream = "data/augment",
                                         .side = PS_AUGMENT_CELLS,
                                         .used = used,
                                         .check = check,
                                         .apply = apply};
