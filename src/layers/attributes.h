/* What several layer types share while they read attributes and infer shapes. Nothing here keeps memory. */
#ifndef PS_LAYERS_ATTRIBUTES_H
#define PS_LAYERS_ATTRIBUTES_H

#include "layers/layer.h"

/* An attribute per dimension: a number (the same along every dimension), [h, w] or [d, h, w]. */
typedef struct {
    int length; /* 0: not given; 1: one number; 2 or 3: a list */
    int value[3];
} ps_extent;

/* The configuration of a type from the JSON object of an operation; keys it does not know are refused. Free with
 * ps_free; NULL where the type has none, and after a failure. */
ps_status ps_attributes_read(const ps_layer_type *type, const cJSON *attributes, const char *where, void **config);
/* One of an operation's attributes that ps_attributes_read has taken, its default where it was left out. Borrowed. */
const char *ps_attribute_text(const ps_layer_type *type, const cJSON *attributes, const char *name);
int ps_attribute_int(const ps_layer_type *type, const cJSON *attributes, const char *name);
/* What one may be, in words: "a whole number from 1 to 1024, [h, w] or [d, h, w]". */
void ps_attribute_values(const ps_attribute *attribute, char *text, size_t size);

/* Spatial dimensions that these attributes say, 0 where none is a list; fails where two lists differ in length. */
ps_status ps_extent_dims(const ps_extent *const *extents, int count, const char *where, int *dims);
/* d, h, w values; what lies along d in a 2D layer is `flat` (1 for kernels and strides, 0 for padding). */
void ps_extent_resolve(const ps_extent *extent, int dims, int flat, int out[3]);

/* Positions of a window along one dimension, floor((size + 2 pad - (dilation (kernel - 1) + 1)) / stride) + 1; 0 where
 * none fits. */
int ps_window_positions(int size, int kernel, int stride, int pad, int dilation);

/* Fails unless all inputs have the same shape; `type` names the layer in the sentence. */
ps_status ps_inputs_equal(const ps_layer_input *in, int inputs, const char *type, const char *where);
/* "64x1x8x8" (c x d x h x w) into text[48]; returns text. */
const char *ps_shape_text(ps_shape shape, char text[48]);

/* infer of the types whose output has the shape of their first input. */
ps_status ps_infer_same(const void *config, const ps_layer_input *in, int inputs, const char *where, ps_shape *out);

/* params of convolutions of any kind: a "weight" of these sides [5] in the order of files, without kd where there are
 * two dimensions, each of whose `rows` nodes has a filter; and a "bias" where wanted. Both start by fan_in. Returns how
 * many there are. */
int ps_filter_params(const int sides[5], int dimensions, bool bias, int rows, int fan_in, ps_param_spec *specs);

/* params of normalisations: a gain "weight" that starts at 1 and a shift "bias" at 0, one of each a channel. */
int ps_gain_and_shift_params(const void *config, const ps_shape *in, ps_shape out, ps_param_spec *specs);

#endif
