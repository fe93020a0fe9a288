/* Left and right changed, every second time. */
#include "data/augment.h"
#include "data/augment_cells.h"

/* Of the stream that crop and flip share: its numbers 0 to 2 are the crop's. */
enum { COIN = 3 };

static bool used(const ps_augment_options *options) { return options->flip; }

static void mirror(char *row, size_t rows, size_t width, size_t cell) {
    for (size_t r = 0; r < rows; r++, row += width * cell)
        for (size_t left = 0, right = width - 1; left < right; left++, right--)
            ps_cells_swap(row + left * cell, row + right * cell, cell);
}

static void apply(const ps_augment_options *options, ps_rng_key key, ps_augment_sample *sample) {
    size_t rows = (size_t)sample->shape.d * (size_t)sample->shape.h, width = (size_t)sample->shape.w;
    (void)options;
    if ((ps_rng_u32(key, COIN) & 1) == 0) return;
    mirror(sample->pixel, rows, width, sample->cell);
    if (sample->label != NULL) mirror((char *)sample->label, rows, width, sizeof *sample->label);
}

const ps_augmentation ps_augment_flip = {
    .name = "flip", .stream = "data/augment", .side = PS_AUGMENT_CELLS, .used = used, .apply = apply};
