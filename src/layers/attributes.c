#include "layers/attributes.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/json.h"
#include "core/memory.h"

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

static ps_status parse_extent(const cJSON *attributes, const char *key, int low, int high, const char *where,
                              ps_extent *extent) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(attributes, key);
    if (item == NULL) return PS_OK;
    if (cJSON_IsArray(item)) return parse_list(item, key, low, high, where, extent);
    PS_TRY(ps_json_get_int(attributes, key, true, low, high, where, &extent->value[0]));
    extent->length = 1;
    return PS_OK;
}

/* ---- from the table ---- */

enum { MOST_ATTRIBUTES = 16 };

static bool ends(const ps_attribute *attribute) { return attribute == NULL || attribute->name == NULL; }

static void *field_of(const ps_attribute *a, void *config) { return (char *)config + a->at; }

static int find_word(const ps_attribute *a, const char *word) {
    for (int i = 0; a->words[i] != NULL; i++)
        if (strcmp(a->words[i], word) == 0) return i;
    return -1;
}

static void set_standard(const ps_attribute *a, void *config) {
    const char *text = a->standard;
    if (text == NULL || text[0] == '\0') return;
    switch (a->kind) {
        case PS_ATTRIBUTE_INT: *(int *)field_of(a, config) = atoi(text); break;
        case PS_ATTRIBUTE_NUMBER: *(double *)field_of(a, config) = strtod(text, NULL); break;
        case PS_ATTRIBUTE_FLAG: *(bool *)field_of(a, config) = strcmp(text, "true") == 0; break;
        case PS_ATTRIBUTE_WORD: *(int *)field_of(a, config) = find_word(a, text); break;
        case PS_ATTRIBUTE_EXTENT: *(ps_extent *)field_of(a, config) = (ps_extent){1, {atoi(text)}}; break;
    }
}

/* "\"a\", \"b\" or \"c\"". */
static void list_words(const ps_attribute *a, char *text, size_t size) {
    text[0] = '\0';
    for (int i = 0; a->words[i] != NULL; i++)
        snprintf(text + strlen(text), size - strlen(text), "%s\"%s\"",
                 i == 0                    ? ""
                 : a->words[i + 1] != NULL ? ", "
                                           : " or ",
                 a->words[i]);
}

static ps_status read_word(const ps_attribute *a, const cJSON *attributes, const char *where, int *index) {
    const char *word = NULL;
    char known[256];
    PS_TRY(ps_json_get_text(attributes, a->name, a->standard == NULL, where, &word));
    if (word == NULL) return PS_OK;
    int found = find_word(a, word);
    if (found >= 0) *index = found;
    if (found >= 0) return PS_OK;
    list_words(a, known, sizeof known);
    return ps_fail(PS_ERR_INPUT, "%s: \"%s\" must be %s, not \"%s\"", where, a->name, known, word);
}

static ps_status read_one(const ps_attribute *a, const cJSON *attributes, const char *where, void *config) {
    bool needed = a->standard == NULL;
    void *field = field_of(a, config);
    int low = (int)a->low, high = (int)a->high;
    switch (a->kind) {
        case PS_ATTRIBUTE_INT: return ps_json_get_int(attributes, a->name, needed, low, high, where, field);
        case PS_ATTRIBUTE_NUMBER: return ps_json_get_double(attributes, a->name, needed, a->low, a->high, where, field);
        case PS_ATTRIBUTE_FLAG: return ps_json_get_bool(attributes, a->name, needed, where, field);
        case PS_ATTRIBUTE_WORD: return read_word(a, attributes, where, field);
        case PS_ATTRIBUTE_EXTENT: return parse_extent(attributes, a->name, low, high, where, field);
    }
    return ps_fail(PS_ERR_INTERNAL, "attribute \"%s\" has no kind", a->name);
}

static ps_status check_keys(const ps_layer_type *type, const cJSON *attributes, const char *where) {
    const char *known[MOST_ATTRIBUTES + 1] = {NULL};
    if (ends(type->attributes) && cJSON_IsObject(attributes) && attributes->child != NULL)
        return ps_fail(PS_ERR_INPUT, "%s: unknown key \"%s\"; this layer type takes no attributes", where,
                       attributes->child->string);
    for (int i = 0; !ends(type->attributes) && type->attributes[i].name != NULL; i++)
        known[i] = type->attributes[i].name;
    return ps_json_check_keys(attributes, known, where);
}

ps_status ps_attributes_read(const ps_layer_type *type, const cJSON *attributes, const char *where, void **config) {
    char *bytes = NULL;
    *config = NULL;
    PS_TRY(check_keys(type, attributes, where));
    if (type->config_bytes == 0) return PS_OK;
    PS_TRY(PS_ALLOC(type->config_bytes, &bytes, "layer configuration"));
    ps_status status = PS_OK;
    for (const ps_attribute *a = type->attributes; !ends(a) && status == PS_OK; a++) {
        set_standard(a, bytes);
        status = read_one(a, attributes, where, bytes);
    }
    if (status == PS_OK && type->complete != NULL) status = type->complete(bytes, where);
    if (status == PS_OK) *config = bytes;
    else ps_free(bytes);
    return status;
}

static const ps_attribute *find(const ps_layer_type *type, const char *name) {
    const ps_attribute *a = type->attributes;
    while (!ends(a) && strcmp(a->name, name) != 0) a++;
    return a;
}

const char *ps_attribute_text(const ps_layer_type *type, const cJSON *attributes, const char *name) {
    const char *given = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(attributes, name));
    return given != NULL ? given : find(type, name)->standard;
}

int ps_attribute_int(const ps_layer_type *type, const cJSON *attributes, const char *name) {
    const cJSON *given = cJSON_GetObjectItemCaseSensitive(attributes, name);
    return given != NULL ? given->valueint : atoi(find(type, name)->standard);
}

/* ---- in words ---- */

void ps_attribute_values(const ps_attribute *a, char *text, size_t size) {
    switch (a->kind) {
        case PS_ATTRIBUTE_INT: snprintf(text, size, "whole number from %g to %.9g", a->low, a->high); break;
        case PS_ATTRIBUTE_NUMBER: snprintf(text, size, "number from %g to %g", a->low, a->high); break;
        case PS_ATTRIBUTE_FLAG: snprintf(text, size, "true or false"); break;
        case PS_ATTRIBUTE_WORD: list_words(a, text, size); break;
        case PS_ATTRIBUTE_EXTENT: snprintf(text, size, "per dimension, each from %g to %g", a->low, a->high); break;
    }
}

/* ---- extents and shapes ---- */

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

int ps_filter_params(const int sides[5], int dimensions, bool bias, int rows, int fan_in, ps_param_spec *specs) {
    specs[0] = (ps_param_spec){
        .suffix = "weight", .channels_last = true, .rows = rows, .init = PS_INIT_WEIGHT, .fan_in = fan_in};
    for (int i = 0; i < 5; i++)
        if (i != 2 || dimensions == 3) specs[0].dims[specs[0].rank++] = sides[i];
    if (!bias) return 1;
    specs[1] = (ps_param_spec){
        .suffix = "bias", .rank = 1, .dims = {rows}, .rows = rows, .init = PS_INIT_BIAS, .fan_in = fan_in};
    return 2;
}

int ps_gain_and_shift_params(const void *config, const ps_shape *in, ps_shape out, ps_param_spec *specs) {
    (void)config, (void)in;
    specs[0] = (ps_param_spec){
        .suffix = "weight", .rank = 1, .dims = {out.c}, .rows = out.c, .init = PS_INIT_ONES, .fan_in = 1};
    specs[1] = (ps_param_spec){
        .suffix = "bias", .rank = 1, .dims = {out.c}, .rows = out.c, .init = PS_INIT_ZEROS, .fan_in = 1};
    return 2;
}
