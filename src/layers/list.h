/* Declares the table of every type in layer_list.def. */
#ifndef PS_LAYERS_LIST_H
#define PS_LAYERS_LIST_H

#include "layers/layer.h"

#define PS_LAYER(name) extern const ps_layer_type ps_layer_##name;
#include "layers/layer_list.def"
#undef PS_LAYER

#endif
