#include "layers/window.h"

#include "core/json.h"
#include "core/memory.h"

#define AT(field) offsetof(ps_window_config, field)
const ps_attribute ps_window_attributes[] = {
    {"kernel", PS_ATTRIBUTE_EXTENT, AT(kernel), "2", 1, 1024, NULL, "size of the window"},
    {"stride", PS_ATTRIBUTE_EXTENT, AT(stride), "", 1, 1024, NULL,
     "step from one window to the next, the kernel where it is left out"},
    {"padding", PS_ATTRIBUTE_EXTENT, AT(padding), "0", 0, 1024, NULL, "around the map, at most half the kernel"},
    {0}};
#undef AT

ps_status ps_window_complete(void *config_, const char *where) {
    const ps_window_config *config = config_;
    const ps_extent *extents[] = {&config->kernel, &config->stride, &config->padding};
    int dims;
    return ps_extent_dims(extents, 3, where, &dims);
}

ps_pool_window ps_window_resolve(const ps_window_config *config, ps_shape in, ps_shape out) {
    const ps_extent *stride_given = config->stride.length > 0 ? &config->stride : &config->kernel;
    bool three = config->kernel.length == 3 || config->stride.length == 3 || config->padding.length == 3;
    bool two = config->kernel.length == 2 || config->stride.length == 2 || config->padding.length == 2;
    int dims = three || (!two && in.d > 1) ? 3 : 2, kernel[3], stride[3], pad[3];
    ps_extent_resolve(&config->kernel, dims, 1, kernel);
    ps_extent_resolve(stride_given, dims, 1, stride);
    ps_extent_resolve(&config->padding, dims, 0, pad);
    return (ps_pool_window){.in = in,
                            .out = out,
                            .kd = kernel[0],
                            .kh = kernel[1],
                            .kw = kernel[2],
                            .stride_d = stride[0],
                            .stride_h = stride[1],
                            .stride_w = stride[2],
                            .pad_d = pad[0],
                            .pad_h = pad[1],
                            .pad_w = pad[2]};
}

ps_status ps_window_infer(const void *config, const ps_layer_input *in, int inputs, const char *where, ps_shape *out) {
    (void)inputs;
    ps_shape x = in[0].shape;
    char text[48];
    ps_pool_window w = ps_window_resolve(config, x, x);
    /* Padding beyond half the kernel would allow windows without a single real element (PyTorch refuses it too). */
    if (2 * w.pad_d > w.kd || 2 * w.pad_h > w.kh || 2 * w.pad_w > w.kw)
        return ps_fail(PS_ERR_INPUT, "%s: \"padding\" must be at most half of \"kernel\" along every dimension", where);
    *out = (ps_shape){x.n, x.c, ps_window_positions(x.d, w.kd, w.stride_d, w.pad_d, 1),
                      ps_window_positions(x.h, w.kh, w.stride_h, w.pad_h, 1),
                      ps_window_positions(x.w, w.kw, w.stride_w, w.pad_w, 1)};
    if (out->d > 0 && out->h > 0 && out->w > 0) return PS_OK;
    return ps_fail(PS_ERR_INPUT,
                   "%s: a %dx%dx%d pooling window does not fit the input %s (c x d x h x w); take a smaller \"kernel\"",
                   where, w.kd, w.kh, w.kw, ps_shape_text(x, text));
}
