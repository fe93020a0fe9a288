/* Inside src/models only: the options that every family starts from (CIFAR-sized input and 10 classes where nothing
 * else is said, no Pool Skip). */
#ifndef PS_MODELS_FAMILY_H
#define PS_MODELS_FAMILY_H

#include "models/model.h"

#define PS_FAMILY_FIELDS_OF(d_, h_, w_, classes_)                                                    \
    .width = 1, .input = {1, (d_) > 1 ? 1 : 3, d_, h_, w_}, .classes = classes_, .batch_norm = true, \
    .norm_momentum = PS_NORM_MOMENTUM, .dropout = -1, .drop_path = -1,                               \
    .pool_skip = {.mode = "full", .placement = "blocks"}
#define PS_FAMILY_FIELDS PS_FAMILY_FIELDS_OF(1, 32, 32, 10)
#define PS_FAMILY_DEFAULTS {PS_FAMILY_FIELDS}
/* A map of 4 classes, of images with 3 channels or of volumes with 1. */
#define PS_FAMILY_SEGMENTATION(d, h, w) {PS_FAMILY_FIELDS_OF(d, h, w, 4)}
#define PS_FAMILY_SEGMENTATION_INIT(d, h, w, scheme) {PS_FAMILY_FIELDS_OF(d, h, w, 4), .init_scheme = scheme}

#define PS_FAMILY_PLANNED(d, h, w)                                                                  \
    {                                                                                               \
        PS_FAMILY_FIELDS_OF(d, h, w, 4), .init_scheme = "he", .segmentation = {.takes_plan = true } \
    }

#endif
