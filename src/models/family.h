/* Inside src/models only: the options that every family starts from (CIFAR-sized input, 10 classes, no Pool Skip). */
#ifndef PS_MODELS_FAMILY_H
#define PS_MODELS_FAMILY_H

#include "models/model.h"

#define PS_FAMILY_FIELDS                                                                                          \
    .width = 1, .input = {1, 3, 1, 32, 32}, .classes = 10, .batch_norm = true, .norm_momentum = PS_NORM_MOMENTUM, \
    .dropout = -1, .drop_path = -1, .pool_skip = {.mode = "full", .placement = "blocks"}
#define PS_FAMILY_DEFAULTS {PS_FAMILY_FIELDS}

#endif
