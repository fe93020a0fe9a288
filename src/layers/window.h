/* The window attributes that max_pool, avg_pool and max_unpool share. */
#ifndef PS_LAYERS_WINDOW_H
#define PS_LAYERS_WINDOW_H

#include "kernels/pooling.h"
#include "layers/attributes.h"

typedef struct {
    ps_extent kernel, stride, padding; /* stride of length 0: as the kernel */
} ps_window_config;

extern const ps_attribute ps_window_attributes[];
ps_status ps_window_complete(void *config, const char *where);
ps_status ps_window_infer(const void *config, const ps_layer_input *in, int inputs, const char *where, ps_shape *out);
/* The kernel's description of the window; a plain number reaches along d only where the input has depth. */
ps_pool_window ps_window_resolve(const ps_window_config *config, ps_shape in, ps_shape out);

#endif
