#include "trace/validate.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/memory.h"
#include "core/text.h"
#include "trace/trace_format.h"

enum { MOST_TEXT = 1024 };

typedef struct {
    char *name;
    int channels;
    int64_t elements;
    bool in_first_window, in_this_window; /* has a window record */
    bool in_first_probe, in_this_probe;
} layer_state;

typedef struct {
    char *name, *per, *record;
} quantity_state;

typedef struct {
    const char *path;
    FILE *stream;
    uint64_t limit, line;
    ps_trace_check check;
    bool header;
    layer_state *layer;
    size_t layers, layer_capacity, next_layer; /* next_layer: where the next look-up starts, as records come in order */
    quantity_state *quantity;
    size_t quantities, quantity_capacity;
    double window_steps;             /* of the header */
    double next_step;                /* of the next step record */
    double window, first, last;      /* of the window whose records are coming; window -1: none yet */
    double probe_step, probe_images; /* of the probing whose records are coming; -1: none yet */
    double latest;                   /* largest step that any record named */
    uint64_t end_line;
} validation;

static void report(validation *v, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void report(validation *v, const char *format, ...) {
    char text[MOST_TEXT];
    va_list arguments;
    v->check.problems++;
    if (v->limit > 0 && v->check.problems > v->limit) return;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    ps_text_put(v->stream, v->path, INT_MAX);
    fprintf(v->stream, ":%llu: ", (unsigned long long)v->line);
    ps_text_put(v->stream, text, INT_MAX); /* names of the trace are in it */
    fputs(length >= (int)sizeof text ? " ...\n" : "\n", v->stream);
}

/* ---- typed look-ups: each reports what is missing or wrong ---- */

static const cJSON *get(const cJSON *object, const char *key) { return cJSON_GetObjectItemCaseSensitive(object, key); }

static const char *get_text(validation *v, const cJSON *object, const char *key) {
    const char *text = cJSON_GetStringValue(get(object, key));
    if (text == NULL) report(v, "\"%s\" must be a text", key);
    return text;
}

static bool is_whole(const cJSON *item) {
    return cJSON_IsNumber(item) && item->valuedouble == floor(item->valuedouble) &&
           fabs(item->valuedouble) <= 9007199254740992.0;
}

/* The whole number, or -1 after a report. */
static double get_whole(validation *v, const cJSON *object, const char *key, double low) {
    const cJSON *item = get(object, key);
    if (is_whole(item) && item->valuedouble >= low) return item->valuedouble;
    report(v, "\"%s\" must be a whole number of at least %g", key, low);
    return -1;
}

static bool is_special(const cJSON *item) {
    const char *text = cJSON_GetStringValue(item);
    return text != NULL && (strcmp(text, PS_TRACE_NAN) == 0 || strcmp(text, PS_TRACE_INFINITY) == 0 ||
                            strcmp(text, PS_TRACE_MINUS_INFINITY) == 0);
}

static bool is_value(const cJSON *item) { return cJSON_IsNumber(item) || cJSON_IsNull(item) || is_special(item); }

static void check_optional_value(validation *v, const cJSON *object, const char *key) {
    const cJSON *item = get(object, key);
    if (item != NULL && !is_value(item))
        report(v, "\"%s\" must be a number, null, \"NaN\", \"Infinity\" or \"-Infinity\"", key);
}

static bool is_one_of(const char *text, const char *const *known) {
    for (int i = 0; known[i] != NULL; i++)
        if (strcmp(text, known[i]) == 0) return true;
    return false;
}

static void check_object(validation *v, const cJSON *record, const char *key) {
    if (!cJSON_IsObject(get(record, key))) report(v, "\"%s\" must be an object", key);
}

/* ---- header ---- */

static layer_state *find_layer(validation *v, const char *name) {
    for (size_t i = 0; i < v->layers; i++) {
        layer_state *layer = &v->layer[(v->next_layer + i) % v->layers];
        if (strcmp(layer->name, name) != 0) continue;
        v->next_layer = (v->next_layer + i + 1) % v->layers;
        return layer;
    }
    return NULL;
}

static void check_inputs(validation *v, const cJSON *layer, const char *name) {
    const cJSON *inputs = get(layer, "inputs"), *input;
    if (!cJSON_IsArray(inputs)) {
        report(v, "layer \"%s\": \"inputs\" must be an array of layer names", name);
        return;
    }
    cJSON_ArrayForEach(input, inputs) {
        const char *text = cJSON_GetStringValue(input);
        if (text == NULL) report(v, "layer \"%s\": \"inputs\" must be an array of layer names", name);
        else if (find_layer(v, text) == NULL)
            report(v, "layer \"%s\": its input \"%s\" is no layer before it", name, text);
    }
}

static ps_status check_layer(validation *v, const cJSON *item) {
    static const char *const kinds[] = {PS_TRACE_KIND_CONV, PS_TRACE_KIND_LINEAR, PS_TRACE_KIND_SHARED, NULL};
    const char *name = cJSON_GetStringValue(get(item, "name"));
    if (name == NULL || name[0] == '\0') {
        report(v, "a layer's \"name\" must be a text");
        return PS_OK;
    }
    const cJSON *channels = get(item, "channels"), *elements = get(item, "elements");
    const char *kind = cJSON_GetStringValue(get(item, "kind"));
    if (find_layer(v, name) != NULL) report(v, "there are two layers \"%s\"", name);
    if (kind == NULL || !is_one_of(kind, kinds))
        report(v, "layer \"%s\": \"kind\" must be conv, linear or shared", name);
    if (!is_whole(channels) || channels->valuedouble < 1)
        report(v, "layer \"%s\": \"channels\" must be a whole number above 0", name);
    if (!is_whole(elements) || elements->valuedouble < 1)
        report(v, "layer \"%s\": \"elements\" must be a whole number above 0", name);
    const cJSON *position = get(item, "position");
    if (!is_whole(position) || position->valuedouble != (double)v->layers)
        report(v, "layer \"%s\": \"position\" must be its place in the list, %zu", name, v->layers);
    check_inputs(v, item, name);
    PS_TRY(PS_GROW(&v->layer, &v->layer_capacity, v->layers + 1, "trace layers"));
    layer_state *layer = &v->layer[v->layers];
    *layer = (layer_state){.channels = is_whole(channels) ? (int)channels->valuedouble : 0,
                           .elements = is_whole(elements) ? (int64_t)elements->valuedouble : 0};
    PS_TRY(ps_string_copy(name, &layer->name));
    v->layers++;
    return PS_OK;
}

static ps_status check_quantity(validation *v, const cJSON *item) {
    static const char *const pers[] = {PS_TRACE_PER_NODE, PS_TRACE_PER_LAYER, PS_TRACE_PER_STEP, NULL};
    static const char *const records[] = {PS_TRACE_STEP, PS_TRACE_WINDOW, PS_TRACE_PROBE, NULL};
    const char *name = cJSON_GetStringValue(get(item, "name")), *per = cJSON_GetStringValue(get(item, "per"));
    const char *record = cJSON_GetStringValue(get(item, "record"));
    if (name == NULL || name[0] == '\0') report(v, "a quantity's \"name\" must be a text");
    if (per == NULL || !is_one_of(per, pers))
        report(v, "quantity \"%s\": \"per\" must be node, layer or step", name != NULL ? name : "");
    if (record == NULL || !is_one_of(record, records))
        report(v, "quantity \"%s\": \"record\" must be step, window or probe", name != NULL ? name : "");
    if (name == NULL || per == NULL || record == NULL) return PS_OK;
    for (size_t i = 0; i < v->quantities; i++)
        if (strcmp(v->quantity[i].name, name) == 0) report(v, "there are two quantities \"%s\"", name);
    PS_TRY(PS_GROW(&v->quantity, &v->quantity_capacity, v->quantities + 1, "trace quantities"));
    quantity_state *quantity = &v->quantity[v->quantities++];
    *quantity = (quantity_state){0};
    PS_TRY(ps_string_copy(name, &quantity->name));
    PS_TRY(ps_string_copy(per, &quantity->per));
    return ps_string_copy(record, &quantity->record);
}

static void check_pairing(validation *v, const cJSON *record) {
    const cJSON *pairing = get(record, "pairing"), *item;
    check_object(v, record, "pairing");
    cJSON_ArrayForEach(item, pairing) if (!cJSON_IsString(item))
        report(v, "\"pairing\": the value of \"%s\" must be a text", item->string != NULL ? item->string : "");
}

static ps_status check_header(validation *v, const cJSON *record) {
    const cJSON *item;
    if (v->header) {
        report(v, "there is a second header");
        return PS_OK;
    }
    v->header = true;
    const char *format = get_text(v, record, "format");
    if (format != NULL && strcmp(format, PS_TRACE_FORMAT_NAME) != 0)
        report(v, "\"format\" is \"%s\", not \"" PS_TRACE_FORMAT_NAME "\"", format);
    double version = get_whole(v, record, "version", 1);
    if (version > PS_TRACE_VERSION)
        report(v, "\"version\" is %g; this program knows versions up to %d", version, PS_TRACE_VERSION);
    get_text(v, record, "producer");
    get_text(v, record, "arm");
    get_whole(v, record, "seed", -9007199254740992.0);
    check_object(v, record, "config");
    check_pairing(v, record);
    check_object(v, record, "data");
    check_object(v, record, "machine");
    check_object(v, record, "model");
    v->window_steps = get_whole(v, record, "window", 1);
    get_whole(v, record, "steps", 0);
    if (!cJSON_IsArray(get(record, "layers"))) report(v, "\"layers\" must be an array");
    cJSON_ArrayForEach(item, get(record, "layers")) PS_TRY(check_layer(v, item));
    if (!cJSON_IsArray(get(record, "quantities"))) report(v, "\"quantities\" must be an array");
    cJSON_ArrayForEach(item, get(record, "quantities")) PS_TRY(check_quantity(v, item));
    v->next_layer = 0;
    v->check.layers = v->layers;
    return PS_OK;
}

/* ---- values ---- */

/* What known quantities can be; the limits of those not listed are open. most: 0 none, 1 share, 2 gate outputs, 3
 * images. */
static const struct {
    const char *name;
    int most;
    bool whole;
} LIMITS[] = {{PS_TRACE_ZEROS, 1, false},
              {PS_TRACE_GRAD_ZERO_STEPS, 0, true},
              {PS_TRACE_POOL_ROW_GRAD_ZERO_STEPS, 0, true},
              {PS_TRACE_NONZERO, 2, true},
              {PS_TRACE_NONZERO_EVAL, 2, true},
              {PS_TRACE_IMAGES_ACTIVE, 3, true},
              {PS_TRACE_IN_ALIVE, 0, true},
              {PS_TRACE_GRAD_NORM_RMS, 0, false},
              {PS_TRACE_GRAD_OUT_RMS, 0, false},
              {PS_TRACE_PATH, 0, false},
              {PS_TRACE_PATH_GRADIENT, 0, false},
              {PS_TRACE_PATH_CARRIED, 0, false},
              {PS_TRACE_PATH_DECAY, 0, false},
              {PS_TRACE_NET, 0, false},
              {PS_TRACE_WEIGHT_START_L2, 0, false},
              {PS_TRACE_WEIGHT_L2, 0, false},
              {PS_TRACE_WEIGHT_L1, 0, false},
              {PS_TRACE_OUT_L2, 0, false},
              {PS_TRACE_MEAN_ABS, 0, false},
              {PS_TRACE_RMS, 0, false},
              {PS_TRACE_IMAGE_SPREAD, 0, false},
              {PS_TRACE_ACTIVATION_L1, 0, false},
              {PS_TRACE_ACTIVATION_L2, 0, false},
              {PS_TRACE_POOL_WEIGHT_L2, 0, false}};

typedef struct {
    const layer_state *layer;
    const char *type;
    double images, outputs; /* of a probing; 0 in windows */
} value_context;

static bool check_number(validation *v, const char *quantity, const cJSON *item, const value_context *context) {
    if (!cJSON_IsNumber(item)) return true;
    for (size_t i = 0; i < sizeof LIMITS / sizeof *LIMITS; i++) {
        if (strcmp(LIMITS[i].name, quantity) != 0) continue;
        double most[] = {INFINITY, 1, context->outputs, context->images};
        if (item->valuedouble < 0 || item->valuedouble > most[LIMITS[i].most]) {
            report(v, "layer \"%s\": \"%s\" is %g, which must be from 0 to %g", context->layer->name, quantity,
                   item->valuedouble, most[LIMITS[i].most]);
            return false;
        }
        if (LIMITS[i].whole && !is_whole(item)) {
            report(v, "layer \"%s\": \"%s\" is a count, but holds %g", context->layer->name, quantity,
                   item->valuedouble);
            return false;
        }
    }
    return true;
}

static void check_array(validation *v, const cJSON *values, const value_context *context) {
    const cJSON *item;
    int count = 0;
    bool sound = true;
    cJSON_ArrayForEach(item, values) {
        if (sound && !is_value(item)) {
            report(v, "layer \"%s\": \"%s\"[%d] must be a number, null, \"NaN\", \"Infinity\" or \"-Infinity\"",
                   context->layer->name, values->string, count);
            sound = false;
        }
        sound = sound && check_number(v, values->string, item, context);
        count++;
    }
    if (count != context->layer->channels)
        report(v, "layer \"%s\": \"%s\" has %d values, but the layer has %d channels", context->layer->name,
               values->string, count, context->layer->channels);
}

static const quantity_state *find_quantity(const validation *v, const char *name) {
    for (size_t i = 0; i < v->quantities; i++)
        if (strcmp(v->quantity[i].name, name) == 0) return &v->quantity[i];
    return NULL;
}

static void check_value(validation *v, const cJSON *item, const value_context *context) {
    const quantity_state *quantity = find_quantity(v, item->string);
    if (quantity == NULL) {
        report(v, "layer \"%s\": quantity \"%s\" is not in the header's list", context->layer->name, item->string);
        return;
    }
    if (strcmp(quantity->record, context->type) != 0)
        report(v, "layer \"%s\": quantity \"%s\" belongs into records of type %s", context->layer->name, item->string,
               quantity->record);
    if (strcmp(quantity->per, PS_TRACE_PER_NODE) == 0) {
        if (cJSON_IsArray(item)) check_array(v, item, context);
        else
            report(v, "layer \"%s\": \"%s\" must be an array, one value per channel", context->layer->name,
                   item->string);
    } else if (!is_value(item)) {
        report(v, "layer \"%s\": \"%s\" must be one number (or null, \"NaN\", \"Infinity\", \"-Infinity\")",
               context->layer->name, item->string);
    } else {
        check_number(v, item->string, item, context);
    }
}

static void check_values(validation *v, const cJSON *record, const value_context *context) {
    const cJSON *values = get(record, "values"), *item;
    check_object(v, record, "values");
    if (cJSON_IsObject(values)) cJSON_ArrayForEach(item, values) check_value(v, item, context);
}

/* ---- records between header and end ---- */

/* Records may concern a step that was reached, and none before what was said already. */
static void check_order(validation *v, double step) {
    if (step < 0) return;
    if (step < v->latest) report(v, "step %g comes after step %g", step, v->latest);
    else v->latest = step;
}

static void check_step(validation *v, const cJSON *record) {
    static const char *const values[] = {
        PS_TRACE_LOSS,        PS_TRACE_LR, PS_TRACE_GRAD_NORM, PS_TRACE_GRAD_NORM_MODULE, PS_TRACE_CLIP,
        PS_TRACE_CLIP_MODULE, NULL};
    double step = get_whole(v, record, "step", 0);
    for (int i = 0; values[i] != NULL; i++) check_optional_value(v, record, values[i]);
    if (step < 0) return;
    if (step != v->next_step) report(v, "step %g follows where step %g is due", step, v->next_step);
    v->next_step = step + 1;
    if (step > v->latest) v->latest = step;
    v->check.steps++;
}

/* The window that ends here must have had a record of every layer that the first one had. */
static void close_window(validation *v) {
    for (size_t i = 0; i < v->layers; i++) {
        layer_state *layer = &v->layer[i];
        if (v->window == 0) layer->in_first_window = layer->in_this_window;
        if (v->window > 0 && layer->in_first_window && !layer->in_this_window)
            report(v, "window %g has no record of layer \"%s\" (seen when the next record came)", v->window,
                   layer->name);
        layer->in_this_window = false;
    }
}

static void close_probing(validation *v) {
    if (v->probe_step < 0) return;
    for (size_t i = 0; i < v->layers; i++) {
        layer_state *layer = &v->layer[i];
        if (v->check.probings == 1) layer->in_first_probe = layer->in_this_probe;
        else if (v->check.probings > 1 && layer->in_first_probe && !layer->in_this_probe)
            report(v, "the probing at step %g has no record of layer \"%s\" (seen when the next record came)",
                   v->probe_step, layer->name);
        layer->in_this_probe = false;
    }
    v->probe_step = -1;
}

static void open_window(validation *v, double window, double first, double last) {
    close_window(v);
    if (window != v->window + 1) report(v, "window %g follows where window %g is due", window, v->window + 1);
    if (first != v->last + 1) report(v, "window %g begins at step %g, but step %g is due", window, first, v->last + 1);
    if (last < first) report(v, "window %g ends at step %g, before its first step %g", window, last, first);
    if (v->window_steps > 0 && last - first + 1 > v->window_steps)
        report(v, "window %g has %g steps, more than the header's %g", window, last - first + 1, v->window_steps);
    if (v->check.steps > 0 && last >= v->next_step)
        report(v, "window %g ends at step %g, but steps are recorded up to %g only", window, last, v->next_step - 1);
    v->window = window;
    v->first = first;
    v->last = last;
    v->check.windows++;
}

static layer_state *layer_of(validation *v, const cJSON *record) {
    const char *name = get_text(v, record, "layer");
    layer_state *layer = name != NULL ? find_layer(v, name) : NULL;
    if (name != NULL && layer == NULL) report(v, "layer \"%s\" is not in the header's list", name);
    return layer;
}

static void check_window(validation *v, const cJSON *record) {
    double window = get_whole(v, record, "window", 0), first = get_whole(v, record, "first", 0),
           last = get_whole(v, record, "last", 0);
    if (window >= 0 && first >= 0 && last >= 0) {
        if (window != v->window || v->check.windows == 0) open_window(v, window, first, last);
        else if (first != v->first || last != v->last)
            report(v, "window %g covers steps %g to %g here and %g to %g before", window, first, last, v->first,
                   v->last);
        check_order(v, last);
    }
    layer_state *layer = layer_of(v, record);
    if (layer == NULL) return;
    if (layer->in_this_window) report(v, "window %g has two records of layer \"%s\"", v->window, layer->name);
    if (v->window > 0 && !layer->in_first_window && v->check.windows > 1)
        report(v, "window %g has a record of layer \"%s\", which the first window lacks", v->window, layer->name);
    layer->in_this_window = true;
    check_values(v, record, &(value_context){layer, PS_TRACE_WINDOW, 0, 0});
}

static void check_probe(validation *v, const cJSON *record) {
    double step = get_whole(v, record, "step", 0), images = get_whole(v, record, "images", 1);
    double elements = get_whole(v, record, "elements", 1);
    layer_state *layer = layer_of(v, record);
    if (step >= 0 && step != v->probe_step) {
        close_probing(v);
        v->probe_step = step;
        v->probe_images = images;
        v->check.probings++;
        if (v->check.steps > 0 && step != v->next_step)
            report(v, "the probing is of the state before step %g, but the next step is %g", step, v->next_step);
        check_order(v, step);
    }
    if (images >= 0 && images != v->probe_images)
        report(v, "the probing at step %g has %g images here and %g before", step, images, v->probe_images);
    if (layer == NULL) return;
    if (layer->in_this_probe) report(v, "the probing at step %g has two records of layer \"%s\"", step, layer->name);
    if (v->check.probings > 1 && !layer->in_first_probe)
        report(v, "the probing at step %g has a record of layer \"%s\", which the first probing lacks", step,
               layer->name);
    layer->in_this_probe = true;
    if (images >= 0 && elements >= 0 && elements != images * (double)layer->elements)
        report(v, "layer \"%s\": \"elements\" is %g, but %g images of %lld gate outputs are %g", layer->name, elements,
               images, (long long)layer->elements, images * (double)layer->elements);
    check_values(v, record, &(value_context){layer, PS_TRACE_PROBE, images, elements});
}

static void check_channels(validation *v, const cJSON *record) {
    const cJSON *channels = get(record, "channels"), *item;
    const layer_state *layer = layer_of(v, record);
    if (!cJSON_IsArray(channels)) report(v, "\"channels\" must be an array of channel numbers");
    if (layer == NULL || !cJSON_IsArray(channels)) return;
    cJSON_ArrayForEach(item,
                       channels) if (!is_whole(item) || item->valuedouble < 0 || item->valuedouble >= layer->channels)
        report(v, "\"channels\": layer \"%s\" has channels 0 to %d", layer->name, layer->channels - 1);
}

static void check_event(validation *v, const cJSON *record) {
    check_order(v, get_whole(v, record, "step", 0));
    const char *event = get_text(v, record, "event");
    if (event != NULL && strcmp(event, PS_TRACE_EVENT_PLANTED) == 0) {
        get_text(v, record, "cause");
        check_channels(v, record);
    }
    if (event != NULL && strcmp(event, PS_TRACE_EVENT_REINITIALISED) == 0) check_channels(v, record);
    if (event != NULL && strcmp(event, PS_TRACE_EVENT_NONFINITE) == 0) get_text(v, record, "what");
}

static void check_eval(validation *v, const cJSON *record) {
    check_order(v, get_whole(v, record, "step", 0));
    get_text(v, record, "split");
    check_optional_value(v, record, "loss");
    check_optional_value(v, record, "accuracy");
    const cJSON *accuracy = get(record, "accuracy");
    if (cJSON_IsNumber(accuracy) && (accuracy->valuedouble < 0 || accuracy->valuedouble > 1))
        report(v, "\"accuracy\" is %g, which must be from 0 to 1", accuracy->valuedouble);
    const cJSON *count = get(record, "count"), *loss = get(record, "loss");
    bool measured = (loss != NULL && !cJSON_IsNull(loss)) || (accuracy != NULL && !cJSON_IsNull(accuracy));
    if (cJSON_IsNumber(count) && count->valuedouble == 0 && measured)
        report(v, "\"count\" is 0: nothing was measured, so \"loss\" and \"accuracy\" must be null");
}

static void check_end(validation *v, const cJSON *record) {
    static const char *const states[] = {PS_TRACE_STATUS_FINISHED, PS_TRACE_STATUS_DIVERGED, NULL};
    double steps = get_whole(v, record, "steps", 0);
    const char *status = get_text(v, record, "status");
    if (status != NULL && !is_one_of(status, states))
        report(v, "\"status\" must be finished or diverged, not \"%s\"", status);
    if (steps >= 0 && v->check.steps > 0 && steps != v->next_step)
        report(v, "\"steps\" is %g, but %g steps are recorded", steps, v->next_step);
    check_optional_value(v, record, "loss");
    check_optional_value(v, record, "accuracy");
    v->check.ended = true;
    v->end_line = v->line;
}

/* ---- lines ---- */

static ps_status check_record(validation *v, const cJSON *record) {
    const char *type = cJSON_GetStringValue(get(record, "type"));
    if (type == NULL) {
        report(v, "the record has no \"type\"");
        return PS_OK;
    }
    if (v->end_line > 0) report(v, "a record follows the end record of line %llu", (unsigned long long)v->end_line);
    if (strcmp(type, PS_TRACE_HEADER) == 0) return check_header(v, record);
    if (!v->header && v->line == 1) report(v, "the first record must be the header, not one of type \"%s\"", type);
    if (strcmp(type, PS_TRACE_PROBE) != 0 && strcmp(type, PS_TRACE_EVENT) != 0) close_probing(v);
    if (strcmp(type, PS_TRACE_STEP) == 0) check_step(v, record);
    else if (strcmp(type, PS_TRACE_WINDOW) == 0) check_window(v, record);
    else if (strcmp(type, PS_TRACE_PROBE) == 0) check_probe(v, record);
    else if (strcmp(type, PS_TRACE_EVENT) == 0) check_event(v, record);
    else if (strcmp(type, PS_TRACE_EVAL) == 0) check_eval(v, record);
    else if (strcmp(type, PS_TRACE_TIMING) == 0) check_order(v, get_whole(v, record, "step", 0));
    else if (strcmp(type, PS_TRACE_END) == 0) check_end(v, record);
    else v->check.unknown_records++;
    return PS_OK;
}

static ps_status check_line(validation *v, const char *line, size_t length) {
    const char *end = NULL;
    if (line[length - 1] != '\n') {
        report(v,
               "the line is cut off (the run was killed while it was written, or still goes on); everything before it "
               "can be read");
        v->check.cut_off = true;
        return PS_OK;
    }
    if (strlen(line) != length) {
        report(v, "the line holds a zero byte");
        return PS_OK;
    }
    cJSON *record = cJSON_ParseWithOpts(line, &end, true);
    ps_status status = PS_OK;
    if (record == NULL)
        report(v, "the line is not valid JSON from column %zu on", (size_t)(end != NULL ? end - line : 0) + 1);
    else if (!cJSON_IsObject(record)) report(v, "the line is not a JSON object");
    else status = check_record(v, record);
    cJSON_Delete(record);
    return status;
}

/* What can be said only when all is read; a run that goes on may lack the rest of its last window. */
static void check_whole(validation *v) {
    if (v->line == 0 || !v->header) {
        if (v->line == 0) v->line = 1;
        report(v, "there is no header");
    }
    if (!v->check.ended) return;
    close_window(v);
    close_probing(v);
    if (v->check.windows > 0 && v->check.steps > 0 && v->last + 1 != v->next_step)
        report(v, "the last window ends at step %g, but the last step is %g", v->last, v->next_step - 1);
}

static void release(validation *v) {
    for (size_t i = 0; i < v->layers; i++) free(v->layer[i].name);
    for (size_t i = 0; i < v->quantities; i++) {
        free(v->quantity[i].name);
        free(v->quantity[i].per);
        free(v->quantity[i].record);
    }
    ps_free_array(v->layer);
    ps_free_array(v->quantity);
}

ps_status ps_trace_validate(const char *path, FILE *stream, uint64_t limit, ps_trace_check *check) {
    validation v = {.path = path, .stream = stream, .limit = limit, .window = -1, .last = -1, .probe_step = -1};
    FILE *file = fopen(path, "rb");
    if (file == NULL) return ps_fail(PS_ERR_IO, "%s: cannot be read (%s); check the path", path, strerror(errno));
    ps_status status = PS_OK;
    char *line = NULL;
    size_t capacity = 0, length = 0;
    while (status == PS_OK) {
        status = ps_file_read_line(file, path, v.line + 1, PS_TRACE_LONGEST_LINE, &line, &capacity, &length);
        if (status != PS_OK || length == 0) break;
        v.line++;
        status = check_line(&v, line, length);
    }
    if (status == PS_OK) check_whole(&v);
    free(line);
    fclose(file);
    release(&v);
    v.check.lines = v.line;
    if (check != NULL) *check = v.check;
    PS_TRY(status);
    if (limit > 0 && v.check.problems > limit)
        fprintf(stream, "%s: and %llu more\n", path, (unsigned long long)(v.check.problems - limit));
    if (v.check.problems == 0) return PS_OK;
    return ps_fail(PS_ERR_CHECK, "%s: does not follow the trace format (%llu problems)", path,
                   (unsigned long long)v.check.problems);
}
