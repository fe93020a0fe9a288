#include "layers/attributes.h"

#include <math.h>
#include <stdio.h>

#include "core/json.h"

static ps_status parse_list(const cJSON *list, const char *key, int low, int high, const char *where,
                            ps_extent *extent) {
    int length = cJSON_GetArraySize(list);
    if (length != 2 && length != 3)
        return ps_fail(PS_ERR_INPUT, "%s: \"%s\" must be a number, [h, w] or [d, h, w], not a list of %d", where, key,
                       length);
    int i = 0;
    const cJSON *item;
    cJSON_ArrayForEach(item, list) {
        double value = item->valuedouble;
        if (!cJSON_IsNumber(item) || !(value >= low && value <= high) || value != floor(value))
            return ps_fail(PS_ERR_INPUT, "%s: \"%s\" must hold whole numbers from %d to %d", where, key, low, high);
        extent->value[i++] = (int)value;
    }
    extent->length = length;
    return PS_OK;
}

ps_status ps_extent_parse(const cJSON *attributes, const char *key, int low, int high, const char *where,
                          ps_extent *extent) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(attributes, key);
    if (item == NULL) return PS_OK;
    if (cJSON_IsArray(item)) return parse_list(item, key, low, high, where, extent);
    PS_TRY(ps_json_get_int(attributes, key, true, low, high, where, &extent->value[0]));
    extent->length = 1;
    return PS_OK;
}

ps_status ps_extent_dims(const ps_extent *const *extents, int count, const char *where, int *dims) {
    *dims = 0;
    for (int i = 0; i < count; i++) {
        if (extents[i]->length < 2) continue;
        if (*dims != 0 && *dims != extents[i]->length)
            return ps_fail(PS_ERR_INPUT,
                           "%s: lists of 2 and of 3 numbers are mixed; give [h, w] or [d, h, w] throughout", where);
        *dims = extents[i]->length;
    }
    return PS_OK;
}

void ps_extent_resolve(const ps_extent *extent, int dims, int flat, int out[3]) {
    for (int i = 0; i < 3; i++)
        out[i] = extent->length == 3 ? extent->value[i] : extent->value[extent->length == 2 && i == 2];
    if (dims == 2) out[0] = flat;
}

int ps_window_positions(int size, int kernel, int stride, int pad, int dilation) {
    long long room = (long long)size + 2LL * pad - ((long long)dilation * (kernel - 1) + 1);
    return room < 0 ? 0 : (int)(room / stride + 1);
}

const char *ps_shape_text(ps_shape shape, char text[48]) {
    snprintf(text, 48, "%dx%dx%dx%d", shape.c, shape.d, shape.h, shape.w);
    return text;
}

ps_status ps_inputs_equal(const ps_layer_input *in, int inputs, const char *type, const char *where) {
    char first[48], other[48];
    for (int i = 1; i < inputs; i++)
        if (!ps_shape_equal(in[0].shape, in[i].shape))
            return ps_fail(PS_ERR_INPUT,
                           "%s: %s needs inputs of one shape (c x d x h x w), but input 0 is %s and input %d is %s",
                           where, type, ps_shape_text(in[0].shape, first), i, ps_shape_text(in[i].shape, other));
    return PS_OK;
}

ps_status ps_infer_same(const void *config, const ps_layer_input *in, int inputs, const char *where, ps_shape *out) {
    (void)config, (void)inputs, (void)where;
    *out = in[0].shape;
    return PS_OK;
}

ps_status ps_parse_nothing(const cJSON *attributes, const char *where, void **config) {
    static const char *const known[] = {NULL};
    *config = NULL;
    if (attributes != NULL && attributes->child != NULL && cJSON_IsObject(attributes))
        return ps_fail(PS_ERR_INPUT, "%s: unknown key \"%s\"; this layer type takes no attributes", where,
                       attributes->child->string);
    return ps_json_check_keys(attributes, known, where);
}
