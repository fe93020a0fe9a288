/* Declares the table of every type in layer_list.def, or in a longer list of a test's own. */
#ifndef PS_LAYERS_LIST_H
#define PS_LAYERS_LIST_H

#include "layers/layer.h"

#ifndef PS_LAYER_LIST
#define PS_LAYER_LIST "layers/layer_list.def"
#endif

#define PS_LAYER(name) extern const ps_layer_type ps_layer_##name;
#include PS_LAYER_LIST
#undef PS_LAYER

#endif
