/* Each axis changed end for end every second time, by itself. */
#include "data/augment.h"
#include "data/augment_cells.h"

static bool used(const ps_augment_options *options) { return options->mirror; }

/* blocks: of `count` parts of `part` bytes each, whose order is turned round. */
static void turn_round(char *block, size_t blocks, size_t count, size_t part) {
    for (size_t b = 0; b < blocks; b++, block += count * part)
        for (size_t low = 0, high = count - 1; low < high; low++, high--)
            ps_cells_swap(block + low * part, block + high * part, part);
}

static void mirror(char *volume, ps_shape s, uint32_t axes, size_t cell) {
    size_t d = (size_t)s.d, h = (size_t)s.h, w = (size_t)s.w;
    if (axes & 1) turn_round(volume, 1, d, h * w * cell);
    if (axes & 2) turn_round(volume, d, h, w * cell);
    if (axes & 4) turn_round(volume, d * h, w, cell);
}

static void apply(const ps_augment_options *options, ps_rng_key key, ps_augment_sample *sample) {
    uint32_t axes = ps_rng_u32(key, 0);
    (void)options;
    mirror(sample->pixel, sample->shape, axes, sample->cell);
    if (sample->label != NULL) mirror((char *)sample->label, sample->shape, axes, sizeof *sample->label);
}

const ps_augmentation ps_augment_mirror = {
    .name = "mirror", .stream = "data/augment/mirror", .side = PS_AUGMENT_CELLS, .used = used, .apply = apply};
