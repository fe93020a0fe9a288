#include "trace/trace_rules.h"

#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/json.h"
#include "core/memory.h"
#include "trace/trace_arm.h"
#include "trace/trace_format.h"
#include "trace/trace_registration.h"
#include "trace/trace_task.h"

enum { MOST_TEXT = 1024, MOST_CHANNELS = 1 << 24 };
static const double most_whole = 9007199254740992.0; /* 2^53: the whole numbers that doubles tell apart */

typedef struct {
    char *name;
    int channels;
    double elements;
    bool in_first_window, in_this_window; /* has a window record */
    bool in_first_probe, in_this_probe;
} layer_state;

typedef struct {
    char *name, *record;
    size_t length;           /* of the name */
    bool per_node, per_step; /* neither: one number a layer */
    ps_trace_range range;
    uint64_t seen; /* number of the record that had it last */
} quantity_state;

struct ps_trace_rules {
    ps_trace_say *say;
    void *context;
    ps_trace_counts counts;
    bool header, headless; /* there is one; records that came before it were told */
    layer_state *layer;
    size_t layers, layer_capacity, next_layer; /* next_layer: where the next look-up starts, as records come in order */
    quantity_state *quantity;
    size_t quantities, quantity_capacity;
    ps_trace_task task;
    bool probes;                                /* quantities of probe records are listed */
    double window_steps;                        /* of the header */
    double next_step;                           /* of the next step record */
    double window, first, last;                 /* of the latest window; -1: none yet */
    bool window_open, probe_open, before_probe; /* its records are coming; a record before the first probing was told */
    double probe_step, probe_images;            /* of the latest probing; -1: none yet */
    double latest;                              /* largest step that any record named */
    bool is_probe;                              /* what the values are of that come now: */
    const layer_state *at;
    double images, outputs, steps;
    uint64_t record;
    double *scratch; /* values of one array of a tree */
};

static void __attribute__((format(printf, 2, 3))) breach(ps_trace_rules *r, const char *format, ...) {
    char text[MOST_TEXT];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (length >= (int)sizeof text) memcpy(text + sizeof text - 5, " ...", 5);
    r->say(r->context, text, false);
}

/* ---- typed look-ups: each says what is missing or wrong ---- */

static const cJSON *get(const cJSON *object, const char *key) { return cJSON_GetObjectItemCaseSensitive(object, key); }

static const char *get_text(ps_trace_rules *r, const cJSON *object, const char *key) {
    const char *text = cJSON_GetStringValue(get(object, key));
    if (text == NULL) breach(r, "\"%s\" must be a text", key);
    return text;
}

static bool is_whole(const cJSON *item, double low) {
    return cJSON_IsNumber(item) && item->valuedouble == floor(item->valuedouble) && item->valuedouble >= low &&
           item->valuedouble <= most_whole;
}

/* The whole number, NaN where it is none. */
static double whole_of(const cJSON *object, const char *key) {
    const cJSON *item = get(object, key);
    return is_whole(item, 0) ? item->valuedouble : NAN;
}

/* The whole number, or NaN after a breach. */
static double get_whole(ps_trace_rules *r, const cJSON *object, const char *key, double low) {
    const cJSON *item = get(object, key);
    if (is_whole(item, low)) return item->valuedouble;
    breach(r, "\"%s\" must be a whole number from %.0f to 9007199254740992 (2^53)", key, low);
    return NAN;
}

static bool is_special(const cJSON *item) {
    const char *text = cJSON_GetStringValue(item);
    return text != NULL && (strcmp(text, PS_TRACE_NAN) == 0 || strcmp(text, PS_TRACE_INFINITY) == 0 ||
                            strcmp(text, PS_TRACE_MINUS_INFINITY) == 0);
}

static bool is_value(const cJSON *item) { return cJSON_IsNumber(item) || cJSON_IsNull(item) || is_special(item); }

static double value_of(const cJSON *item) {
    if (cJSON_IsNumber(item)) return item->valuedouble;
    const char *text = cJSON_GetStringValue(item);
    if (text == NULL || strcmp(text, PS_TRACE_NAN) == 0) return NAN;
    return text[0] == '-' ? -INFINITY : INFINITY;
}

static void check_optional_value(ps_trace_rules *r, const cJSON *object, const char *key) {
    const cJSON *item = get(object, key);
    if (item != NULL && !is_value(item))
        breach(r, "\"%s\" must be a number, null, \"NaN\", \"Infinity\" or \"-Infinity\"", key);
}

static bool is_one_of(const char *text, const char *const *known) {
    for (int i = 0; known[i] != NULL; i++)
        if (strcmp(text, known[i]) == 0) return true;
    return false;
}

static void check_object(ps_trace_rules *r, const cJSON *record, const char *key) {
    if (!cJSON_IsObject(get(record, key))) breach(r, "\"%s\" must be an object", key);
}

/* Readers differ in which of two they take. */
static void check_keys(ps_trace_rules *r, const cJSON *object) {
    for (const cJSON *item = object->child; item != NULL; item = item->next)
        for (const cJSON *other = object->child; other != item; other = other->next)
            if (strcmp(other->string, item->string) == 0) breach(r, "the key \"%s\" stands twice", item->string);
}

/* ---- header ---- */

static const char *const activations[] = {PS_TRACE_ACTIVATION_RELU, PS_TRACE_ACTIVATION_LEAKY_RELU, NULL};

bool ps_trace_knows_activation(const char *activation) { return is_one_of(activation, activations); }

/* "LeakyReLU" is leaky_relu: the same letters and digits. */
static bool is_spelling_of(const char *text, const char *known) {
    for (;; text++, known++) {
        while (*text != '\0' && !isalnum((unsigned char)*text)) text++;
        while (*known != '\0' && !isalnum((unsigned char)*known)) known++;
        if (tolower((unsigned char)*text) != *known) return false;
        if (*known == '\0') return true;
    }
}

static layer_state *find_layer(ps_trace_rules *r, const char *name) {
    for (size_t i = 0; i < r->layers; i++) {
        layer_state *layer = &r->layer[(r->next_layer + i) % r->layers];
        if (strcmp(layer->name, name) != 0) continue;
        r->next_layer = (r->next_layer + i + 1) % r->layers;
        return layer;
    }
    return NULL;
}

static void check_inputs(ps_trace_rules *r, const cJSON *layer, const char *name) {
    const cJSON *inputs = get(layer, "inputs"), *input;
    bool sound = cJSON_IsArray(inputs) || cJSON_IsNull(inputs);
    cJSON_ArrayForEach(input, inputs) {
        const char *text = cJSON_GetStringValue(input);
        sound = sound && text != NULL;
        if (text != NULL && find_layer(r, text) == NULL)
            breach(r, "layer \"%s\": its input \"%s\" is no layer before it", name, text);
    }
    if (!sound)
        breach(r, "layer \"%s\": \"inputs\" must be an array of layer names, or null where they are not known", name);
}

static void check_layer_key(ps_trace_rules *r, bool sound, const char *name, const char *key, const char *demand) {
    if (!sound) breach(r, "layer \"%s\": \"%s\" must be %s", name, key, demand);
}

static void check_activation(ps_trace_rules *r, const cJSON *layer, const char *name) {
    const char *activation = cJSON_GetStringValue(get(layer, "activation"));
    check_layer_key(r, activation != NULL, name, "activation", "a text");
    for (int i = 0; activation != NULL && activations[i] != NULL; i++)
        if (strcmp(activation, activations[i]) != 0 && is_spelling_of(activation, activations[i]))
            breach(r, "layer \"%s\": \"activation\" is \"%s\"; write \"%s\"", name, activation, activations[i]);
}

static void check_layer_keys(ps_trace_rules *r, const cJSON *item, const char *name) {
    static const char *const kinds[] = {PS_TRACE_KIND_CONV, PS_TRACE_KIND_LINEAR, PS_TRACE_KIND_SHARED, NULL};
    static const char *const texts[] = {"gate", "stage"}, *const names[] = {"norm", "pool_skip"};
    const char *kind = cJSON_GetStringValue(get(item, "kind"));
    const cJSON *position = get(item, "position"), *channels = get(item, "channels");
    const cJSON *ungated = get(item, "ungated_inputs");
    bool placed = is_whole(position, 0) && position->valuedouble == (double)r->layers;
    check_layer_key(r, kind != NULL && is_one_of(kind, kinds), name, "kind", "conv, linear or shared");
    check_layer_key(r, is_whole(channels, 1) && channels->valuedouble <= MOST_CHANNELS, name, "channels",
                    "a whole number from 1 to 16777216");
    check_layer_key(r, is_whole(get(item, "elements"), 1), name, "elements", "a whole number from 1 on");
    check_layer_key(r, is_whole(get(item, "depth"), 0), name, "depth", "a whole number from 0 on");
    check_layer_key(r, is_whole(get(item, "fan_in"), 0), name, "fan_in", "a whole number from 0 on");
    check_layer_key(r, cJSON_IsBool(get(item, "bias")), name, "bias", "true or false");
    check_layer_key(r, ungated == NULL || cJSON_IsBool(ungated), name, "ungated_inputs", "true or false, or left out");
    if (!placed) breach(r, "layer \"%s\": \"position\" must be its place in the list, %zu", name, r->layers);
    for (int i = 0; i < 2; i++) {
        const cJSON *other = get(item, names[i]);
        check_layer_key(r, cJSON_IsString(get(item, texts[i])), name, texts[i], "a text");
        check_layer_key(r, cJSON_IsString(other) || cJSON_IsNull(other), name, names[i], "a text or null");
    }
    check_activation(r, item, name);
    check_inputs(r, item, name);
}

static ps_status check_layer(ps_trace_rules *r, const cJSON *item) {
    const char *name = cJSON_GetStringValue(get(item, "name"));
    if (name == NULL || name[0] == '\0') {
        breach(r, "layer %zu: \"name\" must be a text", r->layers);
        return PS_OK;
    }
    const cJSON *channels = get(item, "channels"), *elements = get(item, "elements");
    if (find_layer(r, name) != NULL) breach(r, "there are two layers \"%s\"; names must differ", name);
    check_layer_keys(r, item, name);
    PS_TRY(PS_GROW(&r->layer, &r->layer_capacity, r->layers + 1, "trace layers"));
    layer_state *layer = &r->layer[r->layers];
    *layer = (layer_state){
        .channels = is_whole(channels, 1) && channels->valuedouble <= MOST_CHANNELS ? (int)channels->valuedouble : 0,
        .elements = is_whole(elements, 1) ? elements->valuedouble : 0};
    PS_TRY(ps_string_copy(name, &layer->name));
    r->layers++;
    return PS_OK;
}

static quantity_state *find_quantity(const ps_trace_rules *r, const char *name, size_t length, size_t guess) {
    for (size_t i = 0; i < r->quantities; i++) {
        quantity_state *quantity = &r->quantity[(guess + i) % r->quantities];
        if (quantity->length == length && memcmp(quantity->name, name, length) == 0) return quantity;
    }
    return NULL;
}

static ps_status add_quantity(ps_trace_rules *r, const char *name, const char *per, const char *record) {
    PS_TRY(PS_GROW(&r->quantity, &r->quantity_capacity, r->quantities + 1, "trace quantities"));
    quantity_state *quantity = &r->quantity[r->quantities++];
    *quantity = (quantity_state){.length = strlen(name),
                                 .per_node = strcmp(per, PS_TRACE_PER_NODE) == 0,
                                 .per_step = strcmp(per, PS_TRACE_PER_STEP) == 0};
    const ps_trace_quantity_line *known = ps_trace_quantity_find(name);
    quantity->range = known != NULL ? known->range : PS_RANGE_ANY;
    r->probes |= strcmp(record, PS_TRACE_PROBE) == 0;
    PS_TRY(ps_string_copy(name, &quantity->name));
    return ps_string_copy(record, &quantity->record);
}

static ps_status check_quantity(ps_trace_rules *r, const cJSON *item) {
    static const char *const pers[] = {PS_TRACE_PER_NODE, PS_TRACE_PER_LAYER, PS_TRACE_PER_STEP, NULL};
    static const char *const records[] = {PS_TRACE_STEP, PS_TRACE_WINDOW, PS_TRACE_PROBE, NULL};
    const char *name = cJSON_GetStringValue(get(item, "name")), *per = cJSON_GetStringValue(get(item, "per"));
    const char *record = cJSON_GetStringValue(get(item, "record")), *shown = name != NULL ? name : "";
    if (name == NULL || name[0] == '\0') breach(r, "a quantity's \"name\" must be a text");
    if (per == NULL || !is_one_of(per, pers)) breach(r, "quantity \"%s\": \"per\" must be node, layer or step", shown);
    if (record == NULL || !is_one_of(record, records))
        breach(r, "quantity \"%s\": \"record\" must be step, window or probe", shown);
    if (!cJSON_IsString(get(item, "unit")) || !cJSON_IsString(get(item, "description")))
        breach(r, "quantity \"%s\": \"unit\" and \"description\" must be texts", shown);
    if (name == NULL || per == NULL || record == NULL) return PS_OK;
    if (find_quantity(r, name, strlen(name), 0) != NULL) breach(r, "there are two quantities \"%s\"", name);
    return add_quantity(r, name, per, record);
}

static void check_pairing(ps_trace_rules *r, const cJSON *record) {
    const cJSON *pairing = get(record, "pairing"), *item;
    check_object(r, record, "pairing");
    cJSON_ArrayForEach(item, pairing) {
        if (!cJSON_IsString(item))
            breach(r, "\"pairing\": the value of \"%s\" must be a text", item->string != NULL ? item->string : "");
    }
}

static const char *first_with_module(const cJSON *layers) {
    const cJSON *layer;
    cJSON_ArrayForEach(layer, layers) if (cJSON_IsString(get(layer, "pool_skip"))) {
        const char *name = cJSON_GetStringValue(get(layer, "name"));
        return name != NULL ? name : "";
    }
    return NULL;
}

static void check_arm(ps_trace_rules *r, const cJSON *record) {
    char buffer[MOST_TEXT];
    const char *fault =
        ps_trace_arm_fault(get(record, "arm_is"), first_with_module(get(record, "layers")), buffer, sizeof buffer);
    if (fault != NULL) breach(r, "%s", fault);
}

static void check_registration(ps_trace_rules *r, const cJSON *record) {
    ps_registration registration;
    const char *fault;
    ps_registration_read(record, &registration, &fault);
    if (fault != NULL) breach(r, "%s", fault);
}

static void check_header_keys(ps_trace_rules *r, const cJSON *record) {
    double version = get_whole(r, record, "version", 1);
    if (version > PS_TRACE_VERSION)
        breach(r, "\"version\" is %g; this program knows versions up to %d; take a newer poolscope", version,
               PS_TRACE_VERSION);
    if (version >= PS_TRACE_VERSION_ARM) check_arm(r, record);
    check_registration(r, record);
    get_text(r, record, "producer");
    get_text(r, record, "arm");
    get_whole(r, record, "seed", -most_whole);
    check_object(r, record, "config");
    check_pairing(r, record);
    check_object(r, record, "data");
    check_object(r, record, "machine");
    check_object(r, record, "model");
    r->window_steps = get_whole(r, record, "window", 1);
    get_whole(r, record, "steps", 0);
}

static ps_status check_header(ps_trace_rules *r, const cJSON *record) {
    const cJSON *item;
    size_t widest = 1;
    if (r->header) {
        breach(r, "there is a second header");
        return PS_OK;
    }
    r->header = true;
    const char *format = get_text(r, record, "format");
    if (format != NULL && strcmp(format, PS_TRACE_FORMAT_NAME) != 0)
        breach(r, "\"format\" is \"%s\", not \"" PS_TRACE_FORMAT_NAME "\"", format);
    check_header_keys(r, record);
    const char *fault = ps_trace_task_read(record, &r->task);
    if (fault != NULL) breach(r, "\"task\": %s", fault);
    if (!cJSON_IsArray(get(record, "layers"))) breach(r, "\"layers\" must be an array");
    cJSON_ArrayForEach(item, get(record, "layers")) PS_TRY(check_layer(r, item));
    if (!cJSON_IsArray(get(record, "quantities"))) breach(r, "\"quantities\" must be an array");
    cJSON_ArrayForEach(item, get(record, "quantities")) PS_TRY(check_quantity(r, item));
    for (size_t l = 0; l < r->layers; l++)
        if ((size_t)r->layer[l].channels > widest) widest = (size_t)r->layer[l].channels;
    r->next_layer = 0;
    r->counts.layers = r->layers;
    return PS_ALLOC(widest, &r->scratch, "values of a record");
}

/* ---- values ---- */

static double most_value(const ps_trace_rules *r, ps_trace_range range) {
    double images = r->images, outputs = r->outputs;
    switch (range) {
        case PS_RANGE_SHARE: return 1;
        case PS_RANGE_OUTPUTS: return outputs;
        case PS_RANGE_HALF: return images > 0 ? outputs / images * ceil(images / 2) : INFINITY;
        case PS_RANGE_QUARTER: return images > 0 ? outputs / images * ceil(images / 4) : INFINITY;
        case PS_RANGE_IMAGES: return images;
        case PS_RANGE_STEPS: return r->steps;
        case PS_RANGE_ANY:
        case PS_RANGE_SIZE:
        case PS_RANGE_COUNT: break;
    }
    return INFINITY;
}

/* Adding and taking away 2^52 rounds to a whole number; NaN passes every comparison. */
static bool out_of_bounds(double value, double most, bool whole) {
    double rounded = (value + 0x1p52) - 0x1p52;
    return value < 0 || value > most || (whole && (rounded < value || rounded > value));
}

static void check_bounds(ps_trace_rules *r, const quantity_state *q, const double *values, size_t count) {
    if (q->range == PS_RANGE_ANY) return;
    double most = most_value(r, q->range);
    if (isnan(most)) most = INFINITY; /* what bounds it is wrong itself, which was said */
    bool whole = ps_trace_range_is_whole(q->range), any = false;
    for (size_t i = 0; i < count; i++) {
        double value = values[i], rounded = (value + 0x1p52) - 0x1p52;
        any |= (value < 0) | (value > most) | (whole & ((rounded < value) | (rounded > value)));
    }
    for (size_t i = 0; any && i < count; i++) {
        if (!out_of_bounds(values[i], most, whole)) continue;
        if (values[i] >= 0 && values[i] <= most)
            breach(r, "layer \"%s\": \"%s\" is a count, but holds %g", r->at->name, q->name, values[i]);
        else breach(r, "layer \"%s\": \"%s\" is %g, which must be from 0 to %g", r->at->name, q->name, values[i], most);
        return; /* one sentence for the whole array */
    }
}

int ps_trace_rules_quantity(ps_trace_rules *rules, const char *name, size_t length, int guess) {
    const char *record = rules->is_probe ? PS_TRACE_PROBE : PS_TRACE_WINDOW;
    quantity_state *q = find_quantity(rules, name, length, guess < 0 ? 0 : (size_t)guess);
    int shown = length < 200 ? (int)length : 200;
    if (q == NULL) {
        breach(rules, "layer \"%s\": quantity \"%.*s\" is not in the header's list", rules->at->name, shown, name);
        return -1;
    }
    if (strcmp(q->record, record) != 0) {
        breach(rules, "layer \"%s\": quantity \"%s\" belongs into records of type %s", rules->at->name, q->name,
               q->record);
        return -1;
    }
    if (q->seen == rules->record) {
        breach(rules, "layer \"%s\": quantity \"%s\" stands twice", rules->at->name, q->name);
        return -1;
    }
    q->seen = rules->record;
    return (int)(q - rules->quantity);
}

const char *ps_trace_rules_name(const ps_trace_rules *rules, int quantity) { return rules->quantity[quantity].name; }

bool ps_trace_rules_is_per_node(const ps_trace_rules *rules, int quantity) {
    return rules->quantity[quantity].per_node;
}

ps_trace_asks ps_trace_rules_asks(const ps_trace_rules *rules, int quantity) {
    ps_trace_range range = rules->quantity[quantity].range;
    return range == PS_RANGE_ANY    ? PS_TRACE_ASKS_NOTHING
           : range == PS_RANGE_SIZE ? PS_TRACE_ASKS_SIGN
                                    : PS_TRACE_ASKS_VALUE;
}

void ps_trace_rules_values(ps_trace_rules *rules, int quantity, const double *values, size_t count) {
    const quantity_state *q = &rules->quantity[quantity];
    size_t channels = (size_t)rules->at->channels;
    if (q->per_node && count != channels)
        breach(rules, "layer \"%s\": \"%s\" has %zu values, but the layer has %zu channels", rules->at->name, q->name,
               count, channels);
    else check_bounds(rules, q, values, count);
}

/* Of a tree: an array of values or one, by what the quantity is per. */
static void check_array(ps_trace_rules *r, int quantity, const cJSON *array) {
    const cJSON *item;
    size_t count = 0;
    bool sound = true;
    cJSON_ArrayForEach(item, array) {
        if (sound && !is_value(item))
            breach(r, "layer \"%s\": \"%s\"[%zu] must be a number, null, \"NaN\", \"Infinity\" or \"-Infinity\"",
                   r->at->name, array->string, count);
        sound = sound && is_value(item);
        if (sound && count < (size_t)r->at->channels) r->scratch[count] = value_of(item);
        count++;
    }
    if (sound) ps_trace_rules_values(r, quantity, r->scratch, count);
}

static void check_value(ps_trace_rules *r, const cJSON *item, int *guess) {
    int quantity = ps_trace_rules_quantity(r, item->string, strlen(item->string), *guess);
    if (quantity < 0) return;
    *guess = quantity + 1;
    if (ps_trace_rules_is_per_node(r, quantity)) {
        if (cJSON_IsArray(item)) check_array(r, quantity, item);
        else breach(r, "layer \"%s\": \"%s\" must be an array, one value per channel", r->at->name, item->string);
        return;
    }
    double value = value_of(item);
    if (is_value(item)) ps_trace_rules_values(r, quantity, &value, 1);
    else
        breach(r, "layer \"%s\": \"%s\" must be one number (or null, \"NaN\", \"Infinity\", \"-Infinity\")",
               r->at->name, item->string);
}

static void check_values(ps_trace_rules *r, const cJSON *record) {
    const cJSON *values = get(record, "values"), *item;
    int guess = 0;
    check_object(r, record, "values");
    if (r->at != NULL && cJSON_IsObject(values)) cJSON_ArrayForEach(item, values) check_value(r, item, &guess);
}

/* ---- order ---- */

/* The window must have had a record of every layer that the first one had. */
static void close_window(ps_trace_rules *r) {
    if (!r->window_open) return;
    r->window_open = false;
    for (size_t i = 0; i < r->layers; i++) {
        layer_state *layer = &r->layer[i];
        if (r->counts.windows == 1) layer->in_first_window = layer->in_this_window;
        if (r->counts.windows > 1 && layer->in_first_window && !layer->in_this_window)
            breach(r, "window %g has no record of layer \"%s\" (seen when the next record came)", r->window,
                   layer->name);
        layer->in_this_window = false;
    }
}

static void close_probing(ps_trace_rules *r) {
    if (!r->probe_open) return;
    r->probe_open = false;
    for (size_t i = 0; i < r->layers; i++) {
        layer_state *layer = &r->layer[i];
        if (r->counts.probings == 1) layer->in_first_probe = layer->in_this_probe;
        else if (layer->in_first_probe && !layer->in_this_probe)
            breach(r, "the probing at step %g has no record of layer \"%s\" (seen when the next record came)",
                   r->probe_step, layer->name);
        layer->in_this_probe = false;
    }
}

/* Records may concern a step that was reached, and none before what was said already. */
static void check_order(ps_trace_rules *r, double step) {
    if (isnan(step)) return;
    if (step > r->next_step) breach(r, "step %g is not reached yet: the next step is %g", step, r->next_step);
    else if (step < r->latest) breach(r, "step %g comes after step %g", step, r->latest);
    else r->latest = step;
}

static void check_ended(ps_trace_rules *r) {
    if (r->counts.ended) breach(r, "a record follows the end record");
}

static void check_start(ps_trace_rules *r, const char *record) {
    if (r->probes && r->counts.probings == 0 && !r->before_probe)
        breach(r, "a %s record comes before any probe record; a trace begins with the probing of step 0", record);
    r->before_probe = true;
}

void ps_trace_rules_step(ps_trace_rules *rules, double step) {
    check_ended(rules);
    close_window(rules);
    close_probing(rules);
    check_start(rules, PS_TRACE_STEP);
    if (isnan(step)) {
        breach(rules, "\"step\" must be a whole number of at least 0");
        return;
    }
    if (step != rules->next_step) breach(rules, "step %g follows where step %g is due", step, rules->next_step);
    rules->next_step = step + 1;
    if (step > rules->latest) rules->latest = step;
    rules->counts.steps++;
}

static void open_window(ps_trace_rules *r, double window, double first, double last) {
    close_window(r);
    if (window == r->window) breach(r, "window %g stands twice: all its records stand together", window);
    else if (window != r->window + 1) breach(r, "window %g follows where window %g is due", window, r->window + 1);
    if (first != r->last + 1) breach(r, "window %g begins at step %g, but step %g is due", window, first, r->last + 1);
    if (last < first) breach(r, "window %g ends at step %g, before its first step %g", window, last, first);
    if (last - first + 1 > r->window_steps)
        breach(r, "window %g has %g steps, more than the header's %g", window, last - first + 1, r->window_steps);
    if (last >= r->next_step)
        breach(r, "window %g ends at step %g, but %g steps are recorded before it", window, last, r->next_step);
    r->window_open = true;
    r->window = window;
    r->first = first;
    r->last = last;
    r->counts.windows++;
}

/* The layer that the values are of, NULL: the record cannot be gone on with. */
static bool enter_layer(ps_trace_rules *r, int layer, bool is_probe) {
    r->is_probe = is_probe;
    r->at = layer >= 0 && (size_t)layer < r->layers ? &r->layer[layer] : NULL;
    r->record++;
    return r->at != NULL;
}

void ps_trace_rules_window(ps_trace_rules *rules, const ps_trace_place *place) {
    double window = place->window, first = place->first, last = place->last;
    check_ended(rules);
    close_probing(rules);
    check_start(rules, PS_TRACE_WINDOW);
    if (isnan(window) || isnan(first) || isnan(last)) {
        breach(rules, "\"window\", \"first\" and \"last\" must be whole numbers of at least 0");
    } else {
        if (window != rules->window || !rules->window_open) open_window(rules, window, first, last);
        else if (first != rules->first || last != rules->last)
            breach(rules, "window %g covers steps %g to %g here and %g to %g before", window, first, last, rules->first,
                   rules->last);
        check_order(rules, last);
    }
    rules->steps = last - first + 1;
    rules->images = rules->outputs = NAN;
    if (!enter_layer(rules, place->layer, false)) return;
    layer_state *layer = &rules->layer[place->layer];
    if (layer->in_this_window) breach(rules, "window %g has two records of layer \"%s\"", rules->window, layer->name);
    if (!layer->in_first_window && rules->counts.windows > 1)
        breach(rules, "window %g has a record of layer \"%s\", which the first window lacks", rules->window,
               layer->name);
    layer->in_this_window = true;
}

static void open_probing(ps_trace_rules *r, double step, double images) {
    close_probing(r);
    if (step == r->probe_step) breach(r, "the probing at step %g stands twice: all its records stand together", step);
    if (r->counts.probings == 0 && step != 0)
        breach(r, "the first probing is of step %g; a trace begins with the probing of step 0", step);
    else if (step != r->next_step)
        breach(r, "the probing is of the state before step %g, but the next step is %g", step, r->next_step);
    r->probe_open = true;
    r->probe_step = step;
    r->probe_images = images;
    r->counts.probings++;
    if (step > r->latest) r->latest = step;
}

void ps_trace_rules_probe(ps_trace_rules *rules, const ps_trace_place *place) {
    double step = place->step, images = place->images, elements = place->elements;
    check_ended(rules);
    close_window(rules);
    if (isnan(step)) breach(rules, "\"step\" must be a whole number of at least 0");
    if (images == 0 || elements == 0) breach(rules, "a probe record of 0 images has measured nothing; leave it out");
    else if (!(images >= 1)) breach(rules, "\"images\" must be a whole number of at least 1");
    if (isnan(elements)) breach(rules, "\"elements\" must be a whole number of at least 1");
    if (!isnan(step) && (step != rules->probe_step || !rules->probe_open)) open_probing(rules, step, images);
    if (images >= 1 && rules->probe_images >= 1 && images != rules->probe_images)
        breach(rules, "the probing at step %g has %g images here and %g before", step, images, rules->probe_images);
    rules->images = images;
    rules->outputs = elements;
    rules->steps = NAN;
    if (!enter_layer(rules, place->layer, true)) return;
    layer_state *layer = &rules->layer[place->layer];
    if (layer->in_this_probe)
        breach(rules, "the probing at step %g has two records of layer \"%s\"", step, layer->name);
    if (rules->counts.probings > 1 && !layer->in_first_probe)
        breach(rules, "the probing at step %g has a record of layer \"%s\", which the first probing lacks", step,
               layer->name);
    layer->in_this_probe = true;
    if (images >= 1 && elements >= 1 && elements != images * layer->elements)
        breach(rules, "layer \"%s\": \"elements\" is %g, but %g images of %g gate outputs are %g", layer->name,
               elements, images, layer->elements, images * layer->elements);
}

/* ---- records as trees ---- */

static int layer_of(ps_trace_rules *r, const cJSON *record) {
    const char *name = get_text(r, record, "layer");
    const layer_state *layer = name != NULL ? find_layer(r, name) : NULL;
    if (name != NULL && layer == NULL) breach(r, "layer \"%s\" is not in the header's list", name);
    return layer != NULL ? (int)(layer - r->layer) : -1;
}

bool ps_trace_rules_is_step_value(const char *key) {
    for (int q = 0; q < PS_STEP_COUNT; q++)
        if (strcmp(ps_trace_step_quantities[q].name, key) == 0) return true;
    return false;
}

static void check_range(ps_trace_rules *r, const char *key, double value, double low, double high) {
    if (value < low && high == INFINITY) breach(r, "\"%s\" is %g, which must not be below %g", key, value, low);
    else if (value < low || value > high) breach(r, "\"%s\" is %g, which must be from %g to %g", key, value, low, high);
}

void ps_trace_rules_step_value(ps_trace_rules *rules, ps_trace_step_quantity quantity, double value) {
    const ps_trace_quantity_line *line = &ps_trace_step_quantities[quantity];
    if (line->range != PS_RANGE_ANY) check_range(rules, line->name, value, 0, most_value(rules, line->range));
}

static void check_step(ps_trace_rules *r, const cJSON *record) {
    for (int q = 0; q < PS_STEP_COUNT; q++) {
        const char *key = ps_trace_step_quantities[q].name;
        const cJSON *item = get(record, key);
        check_optional_value(r, record, key);
        if (item != NULL && is_value(item)) ps_trace_rules_step_value(r, (ps_trace_step_quantity)q, value_of(item));
    }
    ps_trace_rules_step(r, whole_of(record, "step"));
}

static void check_window(ps_trace_rules *r, const cJSON *record) {
    ps_trace_rules_window(r, &(ps_trace_place){.window = whole_of(record, "window"),
                                               .first = whole_of(record, "first"),
                                               .last = whole_of(record, "last"),
                                               .layer = layer_of(r, record)});
    check_values(r, record);
}

static void check_probe(ps_trace_rules *r, const cJSON *record) {
    ps_trace_rules_probe(r, &(ps_trace_place){.step = whole_of(record, "step"),
                                              .images = whole_of(record, "images"),
                                              .elements = whole_of(record, "elements"),
                                              .layer = layer_of(r, record)});
    check_values(r, record);
}

static void check_channels(ps_trace_rules *r, const cJSON *record) {
    const cJSON *channels = get(record, "channels"), *item;
    int layer = layer_of(r, record);
    if (!cJSON_IsArray(channels)) breach(r, "\"channels\" must be an array of channel numbers");
    if (layer < 0) return;
    cJSON_ArrayForEach(item, channels) {
        if (!is_whole(item, 0) || item->valuedouble >= r->layer[layer].channels)
            breach(r, "\"channels\": layer \"%s\" has channels 0 to %d", r->layer[layer].name,
                   r->layer[layer].channels - 1);
    }
}

static void check_event(ps_trace_rules *r, const cJSON *record) {
    check_order(r, get_whole(r, record, "step", 0));
    const char *event = get_text(r, record, "event");
    if (event == NULL) return;
    if (strcmp(event, PS_TRACE_EVENT_PLANTED) == 0) {
        get_text(r, record, "cause");
        check_channels(r, record);
    }
    if (strcmp(event, PS_TRACE_EVENT_REINITIALISED) == 0) check_channels(r, record);
    if (strcmp(event, PS_TRACE_EVENT_NONFINITE) == 0) get_text(r, record, "what");
    if (strcmp(event, PS_TRACE_EVENT_FORKED) == 0) get_text(r, record, "checkpoint");
}

static void check_score(ps_trace_rules *r, const cJSON *record) {
    check_optional_value(r, record, "loss");
    for (int m = 0; m < r->task.measures; m++) {
        const ps_trace_measure *measure = &r->task.measure[m];
        const cJSON *value = get(record, measure->name);
        check_optional_value(r, record, measure->name);
        if (value != NULL && is_value(value) && ps_trace_measure_is_share(measure))
            check_range(r, measure->name, value_of(value), 0, 1);
    }
}

static bool holds_number(const cJSON *item) { return item != NULL && !cJSON_IsNull(item); }

/* Half a sentence for an evaluation of no image that has numbers all the same. */
static void check_unmeasured(ps_trace_rules *r, const cJSON *record) {
    char text[MOST_TEXT], names[MOST_TEXT / 2] = "";
    bool measured = holds_number(get(record, "loss"));
    size_t used = 0;
    for (int m = 0; m < r->task.measures; m++) {
        const char *name = r->task.measure[m].name;
        measured = measured || holds_number(get(record, name));
        used += (size_t)snprintf(names + used, sizeof names - used, "%s\"%s\"",
                                 m + 1 == r->task.measures ? " and " : ", ", name);
    }
    snprintf(text, sizeof text, "\"count\" is 0: nothing was measured, so \"loss\"%s must be null", names);
    if (measured) r->say(r->context, text, true);
}

static void check_eval(ps_trace_rules *r, const cJSON *record) {
    check_order(r, get_whole(r, record, "step", 0));
    get_text(r, record, "split");
    get_whole(r, record, "count", 0);
    check_score(r, record);
    const cJSON *count = get(record, "count");
    if (cJSON_IsNumber(count) && count->valuedouble == 0) check_unmeasured(r, record);
}

static void check_end(ps_trace_rules *r, const cJSON *record) {
    static const char *const states[] = {PS_TRACE_STATUS_FINISHED, PS_TRACE_STATUS_DIVERGED, NULL};
    close_window(r);
    close_probing(r);
    double steps = get_whole(r, record, "steps", 0);
    const char *status = get_text(r, record, "status");
    if (status != NULL && !is_one_of(status, states))
        breach(r, "\"status\" must be finished or diverged, not \"%s\"", status);
    if (!isnan(steps) && steps != r->next_step)
        breach(r, "\"steps\" is %g, but %g steps are recorded", steps, r->next_step);
    check_score(r, record);
    r->counts.ended = true;
}

static void check_timing(ps_trace_rules *r, const cJSON *record) { check_order(r, get_whole(r, record, "step", 0)); }

/* The first few are asked whether the end record has come where they are asked for their place. */
enum { PLACED = 3 };
static const struct {
    const char *type;
    void (*check)(ps_trace_rules *r, const cJSON *record);
} records[] = {{PS_TRACE_STEP, check_step},    {PS_TRACE_WINDOW, check_window}, {PS_TRACE_PROBE, check_probe},
               {PS_TRACE_EVENT, check_event},  {PS_TRACE_EVAL, check_eval},     {PS_TRACE_END, check_end},
               {PS_TRACE_TIMING, check_timing}};

ps_status ps_trace_rules_record(ps_trace_rules *rules, const cJSON *record) {
    const char *type = cJSON_GetStringValue(get(record, "type"));
    check_keys(rules, record);
    if (type == NULL) {
        breach(rules, "the record has no \"type\"");
        return PS_OK;
    }
    if (strcmp(type, PS_TRACE_HEADER) == 0) return check_header(rules, record);
    if (!rules->header) { /* without its lists nothing can be said of a record */
        if (!rules->headless) breach(rules, "the first record must be the header, not one of type \"%.200s\"", type);
        rules->headless = true;
        return PS_OK;
    }
    for (size_t i = 0; i < sizeof records / sizeof *records; i++) {
        if (strcmp(records[i].type, type) != 0) continue;
        if (i >= PLACED) check_ended(rules);
        records[i].check(rules, record);
        return PS_OK;
    }
    check_ended(rules);
    rules->counts.unknown_records++;
    return PS_OK;
}

/* A run that goes on may lack the rest of its last window. */
void ps_trace_rules_finish(ps_trace_rules *rules) {
    if (!rules->counts.ended) return;
    if (rules->counts.windows > 0 && rules->last + 1 != rules->next_step)
        breach(rules, "the last window ends at step %g, but the last step is %g", rules->last, rules->next_step - 1);
    if (rules->counts.probings == 0) check_start(rules, PS_TRACE_END);
}

/* ---- the whole ---- */

const char *ps_trace_file_fault(const char *bytes, size_t count) {
    static const struct {
        const char *bytes, *fault;
    } known[] = {{"\x1F\x8B", "is compressed with gzip; unpack it (gunzip)"},
                 {"\x28\xB5", "is compressed with zstd; unpack it (unzstd)"},
                 {"\xFD\x37", "is compressed with xz; unpack it (unxz)"},
                 {"BZ", "is compressed with bzip2; unpack it (bunzip2)"},
                 {"PK", "is a zip archive; unpack it (unzip)"},
                 {"\xFF\xFE", "is UTF-16; save it as UTF-8"},
                 {"\xFE\xFF", "is UTF-16; save it as UTF-8"}};
    if (ps_file_begins_as_weights(bytes, count))
        return "is a file of weights (safetensors), and a trace is wanted here; give the directory of the run, or its "
               "trace.jsonl";
    for (size_t i = 0; count >= 2 && i < sizeof known / sizeof *known; i++)
        if (memcmp(bytes, known[i].bytes, 2) == 0) return known[i].fault;
    return NULL;
}

const char *ps_trace_line_fault(const char *line, char *buffer, size_t size) {
    const char *why, *fault = ps_json_find_fault(line, &why), *start = line;
    while (*start == ' ' || *start == '\t' || *start == '\r') start++;
    if (*start == '\0') return "is empty, and no JSON object; a trace has one a line";
    if (fault != NULL)
        snprintf(buffer, size, "is not valid JSON from column %zu on: it %s", (size_t)(fault - line) + 1, why);
    else if (*start == '{') return NULL;
    else snprintf(buffer, size, "is not a JSON object");
    return buffer;
}

ps_status ps_trace_rules_create(ps_trace_say *say, void *context, ps_trace_rules **out) {
    PS_TRY(PS_ALLOC(1, out, "rules of a trace"));
    **out = (ps_trace_rules){.say = say, .context = context, .window = -1, .last = -1, .probe_step = -1};
    return PS_OK;
}

void ps_trace_rules_destroy(ps_trace_rules *rules) {
    if (rules == NULL) return;
    for (size_t i = 0; i < rules->layers; i++) free(rules->layer[i].name);
    for (size_t i = 0; i < rules->quantities; i++) {
        free(rules->quantity[i].name);
        free(rules->quantity[i].record);
    }
    ps_free_array(rules->layer);
    ps_free_array(rules->quantity);
    ps_free(rules->scratch);
    ps_free(rules);
}

const ps_trace_counts *ps_trace_rules_counts(const ps_trace_rules *rules) { return &rules->counts; }
