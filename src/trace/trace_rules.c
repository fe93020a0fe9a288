#include "trace/trace_rules.h"

#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/json.h"
#include "core/memory.h"
#include "trace/trace_arm.h"
#include "trace/trace_registration.h"
#include "trace/trace_schema.h"
#include "trace/trace_task.h"

enum { MOST_TEXT = 1024 };

typedef struct {
    char *name;
    int channels;
    double elements;
    bool in_first_window, in_this_window; /* has a window record */
    bool in_first_probe, in_this_probe;
} layer_state;

typedef struct {
    char *name;
    ps_record_type record;   /* that it stands in */
    size_t length;           /* of the name */
    bool per_node, per_step; /* neither: one number a layer */
    ps_trace_range range;
    uint64_t seen; /* number of the record that had it last */
} quantity_state;

struct ps_trace_rules {
    ps_trace_say *say;
    void *context;
    ps_trace_counts counts;
    double version;        /* of the format, by the header */
    bool header, headless; /* there is one; records that came before it were told */
    layer_state *layer;
    size_t layers, layer_capacity, next_layer; /* next_layer: where the next look-up starts, as records come in order */
    quantity_state *quantity;
    size_t quantities, quantity_capacity;
    ps_trace_task task;
    int classes;                                /* of the header's data; 0: not known */
    bool windows, probes;                       /* quantities of window and of probe records are listed */
    double nonfinite;                           /* events of that kind */
    double window_steps, every;                 /* of the header */
    double next_step;                           /* the least that may be trained next, by what was said so far */
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

/* ---- keys, as key_list.def has them ---- */

static const cJSON *get(const cJSON *object, const char *key) { return cJSON_GetObjectItemCaseSensitive(object, key); }

static const char *text_of(const cJSON *object, const char *key) { return cJSON_GetStringValue(get(object, key)); }

/* The whole number, NaN where it is none. */
static double whole_of(const cJSON *object, const char *key) {
    const cJSON *item = get(object, key);
    return ps_value_is_whole(item, 0, PS_TRACE_MOST_WHOLE) ? item->valuedouble : NAN;
}

/* A value that is not what key_list.def says. prefix: where it stands, "": in the record itself. */
static void breach_key(ps_trace_rules *r, const ps_trace_key_line *key, const cJSON *item, const char *prefix) {
    char text[MOST_TEXT];
    breach(r, "%s%s", prefix, ps_key_breach(key, item, text, sizeof text));
}

static void check_sound(ps_trace_rules *r, ps_trace_key key, const cJSON *item) {
    if (!ps_key_is_sound(&ps_trace_keys[key], item)) breach_key(r, &ps_trace_keys[key], item, "");
}

/* The same of a whole number that was read: NaN is none. */
static void check_number(ps_trace_rules *r, ps_trace_key key, double value) {
    if (isnan(value)) breach_key(r, &ps_trace_keys[key], NULL, "");
}

static void check_part(ps_trace_rules *r, ps_trace_object object, const cJSON *item, const char *prefix);

static void check_key(ps_trace_rules *r, const ps_trace_key_line *key, const cJSON *object, const char *prefix) {
    const cJSON *item = get(object, key->name);
    char inner[MOST_TEXT / 2];
    if (key->need > r->version || (item == NULL && key->need == 0)) return;
    if (!ps_key_is_sound(key, item)) {
        breach_key(r, key, item, prefix);
    } else if (key->kind.shape == PS_SHAPE_OBJECT) {
        snprintf(inner, sizeof inner, "%s\"%s\": ", prefix, key->name);
        check_part(r, (ps_trace_object)key->kind.of, item, inner);
    }
}

/* Every key of an object is there, and of its kind. */
static void check_part(ps_trace_rules *r, ps_trace_object object, const cJSON *item, const char *prefix) {
    for (int k = 0; k < PS_KEY_COUNT; k++)
        if (ps_trace_keys[k].object == object) check_key(r, &ps_trace_keys[k], item, prefix);
}

/* The same, without a word. */
static bool is_sound_part(ps_trace_object object, const cJSON *item) {
    for (int k = 0; k < PS_KEY_COUNT; k++)
        if (ps_trace_keys[k].object == object && !ps_key_is_sound(&ps_trace_keys[k], get(item, ps_trace_keys[k].name)))
            return false;
    return true;
}

static void check_record_keys(ps_trace_rules *r, ps_record_type type, const cJSON *record) {
    check_part(r, (ps_trace_object)type, record, "");
}

static void check_optional_value(ps_trace_rules *r, const cJSON *object, const char *key) {
    const cJSON *item = get(object, key);
    if (item != NULL && !ps_value_is_sound(item))
        breach(r, "\"%s\" must be a number, null, \"NaN\", \"Infinity\" or \"-Infinity\"", key);
}

static void check_range(ps_trace_rules *r, const char *key, double value, double low, double high) {
    if (value < low && high == INFINITY) breach(r, "\"%s\" is %g, which must not be below %g", key, value, low);
    else if (value < low || value > high) breach(r, "\"%s\" is %g, which must be from %g to %g", key, value, low, high);
}

static int by_key(const void *a, const void *b) {
    const cJSON *const *x = a, *const *y = b;
    return strcmp((*x)->string, (*y)->string);
}

/* Readers differ in which of two they take. */
static ps_status check_own_keys(ps_trace_rules *r, const cJSON *object) {
    const cJSON **members, *item;
    size_t count = (size_t)cJSON_GetArraySize(object), i = 0;
    if (count < 2) return PS_OK;
    PS_TRY(PS_ALLOC(count, &members, "keys of a record"));
    cJSON_ArrayForEach(item, object) members[i++] = item;
    qsort(members, count, sizeof *members, by_key);
    for (i = 1; i < count; i++)
        if (strcmp(members[i - 1]->string, members[i]->string) == 0)
            breach(r, "the key \"%.200s\" stands twice", members[i]->string);
    ps_free(members);
    return PS_OK;
}

/* Here and further in; JSON is nested 64 deep at most. */
ps_status ps_trace_rules_keys(ps_trace_rules *rules, const cJSON *item) {
    const cJSON *inner;
    if (cJSON_IsObject(item)) PS_TRY(check_own_keys(rules, item));
    cJSON_ArrayForEach(inner, item) if (inner->child != NULL) PS_TRY(ps_trace_rules_keys(rules, inner));
    return PS_OK;
}

/* ---- header ---- */

ps_trace_death ps_trace_death_of(const cJSON *layer) {
    const char *means = text_of(layer, PS_KEY(LAYER, dead_means)),
               *activation = text_of(layer, PS_KEY(LAYER, activation));
    if (means != NULL) return (ps_trace_death)(ps_words_find(PS_WORDS_DEATH, means) + 1);
    if (activation == NULL) return PS_DEATH_UNKNOWN;
    if (strcmp(activation, PS_WORD(ACTIVATION, RELU)) == 0) return PS_DEATH_ZERO;
    return strcmp(activation, PS_WORD(ACTIVATION, LEAKY_RELU)) == 0 ? PS_DEATH_NEVER : PS_DEATH_UNKNOWN;
}

bool ps_trace_tells_dead(const cJSON *layer, bool leaky) {
    const char *activation = text_of(layer, PS_KEY(LAYER, activation));
    ps_trace_death death = ps_trace_death_of(layer);
    bool control = leaky && activation != NULL && strcmp(activation, PS_WORD(ACTIVATION, LEAKY_RELU)) == 0;
    return control || death == PS_DEATH_ZERO || death == PS_DEATH_CEILING;
}

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

static void check_inputs(ps_trace_rules *r, const cJSON *layer, const char *prefix) {
    const cJSON *input;
    cJSON_ArrayForEach(input, get(layer, PS_KEY(LAYER, inputs))) {
        const char *text = cJSON_GetStringValue(input);
        if (text != NULL && find_layer(r, text) == NULL)
            breach(r, "%sits input \"%.200s\" is no layer before it", prefix, text);
    }
}

static void check_activation(ps_trace_rules *r, const cJSON *layer, const char *prefix) {
    const char *activation = text_of(layer, PS_KEY(LAYER, activation)), *known;
    for (int i = 0; activation != NULL && (known = ps_words_at(PS_WORDS_ACTIVATION, i)) != NULL; i++)
        if (strcmp(activation, known) != 0 && is_spelling_of(activation, known))
            breach(r, "%s\"%s\" is \"%s\"; write \"%s\"", prefix, PS_KEY(LAYER, activation), activation, known);
}

static void check_ceiling(ps_trace_rules *r, const cJSON *layer, const char *prefix) {
    bool has = cJSON_IsNumber(get(layer, PS_KEY(LAYER, ceiling)));
    if (has != (ps_trace_death_of(layer) == PS_DEATH_CEILING))
        breach(r, "%s\"%s\" and \"%s\": \"%s\" stand there both or neither", prefix, PS_KEY(LAYER, ceiling),
               PS_KEY(LAYER, dead_means), PS_WORD(DEATH, CEILING));
}

static void check_frozen(ps_trace_rules *r, const cJSON *layer, const char *prefix) {
    const cJSON *word;
    cJSON_ArrayForEach(word, get(layer, PS_KEY(LAYER, frozen))) {
        const char *text = cJSON_GetStringValue(word), *known;
        if (text == NULL || ps_words_find(PS_WORDS_FROZEN, text) >= 0) continue;
        char list[MOST_TEXT / 4] = "";
        for (int i = 0; (known = ps_words_at(PS_WORDS_FROZEN, i)) != NULL; i++)
            snprintf(list + strlen(list), sizeof list - strlen(list), "%s%s", i > 0 ? ", " : "", known);
        breach(r, "%s\"%s\" holds \"%.100s\", which is none of %s", prefix, PS_KEY(LAYER, frozen), text, list);
    }
}

/* A node reads the channels of its own group alone. */
static void check_groups(ps_trace_rules *r, const cJSON *layer, const char *prefix) {
    double groups = whole_of(layer, PS_KEY(LAYER, groups)), channels = whole_of(layer, PS_KEY(LAYER, channels));
    if (groups >= 1 && channels >= 1 && fmod(channels, groups) != 0)
        breach(r, "%s%g channels do not fall into %g \"%s\"", prefix, channels, groups, PS_KEY(LAYER, groups));
}

/* What a layer's values are counted by: 0 where it is wrong itself, or not the same for all images. */
static layer_state read_sizes(const cJSON *item) {
    const cJSON *channels = get(item, PS_KEY(LAYER, channels)), *elements = get(item, PS_KEY(LAYER, elements));
    layer_state layer = {0};
    if (ps_key_is_sound(&ps_trace_keys[PS_KEY_LAYER_channels], channels)) layer.channels = (int)channels->valuedouble;
    if (ps_value_is_whole(elements, 1, PS_TRACE_MOST_WHOLE)) layer.elements = elements->valuedouble;
    return layer;
}

static ps_status check_layer(ps_trace_rules *r, const cJSON *item) {
    const char *name = text_of(item, PS_KEY(LAYER, name));
    char prefix[MOST_TEXT / 2];
    if (name == NULL || name[0] == '\0') {
        snprintf(prefix, sizeof prefix, "layer %zu: ", r->layers);
        breach_key(r, &ps_trace_keys[PS_KEY_LAYER_name], NULL, prefix);
        return PS_OK;
    }
    snprintf(prefix, sizeof prefix, "layer \"%.300s\": ", name);
    if (find_layer(r, name) != NULL) breach(r, "there are two layers \"%s\"; names must differ", name);
    check_part(r, PS_OBJECT_LAYER, item, prefix);
    double position = whole_of(item, PS_KEY(LAYER, position));
    if (!isnan(position) && position != (double)r->layers)
        breach(r, "%s\"%s\" must be its place in the list, %zu", prefix, PS_KEY(LAYER, position), r->layers);
    check_activation(r, item, prefix);
    check_ceiling(r, item, prefix);
    check_inputs(r, item, prefix);
    check_frozen(r, item, prefix);
    check_groups(r, item, prefix);
    PS_TRY(PS_GROW(&r->layer, &r->layer_capacity, r->layers + 1, "trace layers"));
    layer_state *layer = &r->layer[r->layers];
    *layer = read_sizes(item);
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

static ps_status add_quantity(ps_trace_rules *r, const char *name, const char *per, ps_record_type record) {
    PS_TRY(PS_GROW(&r->quantity, &r->quantity_capacity, r->quantities + 1, "trace quantities"));
    quantity_state *quantity = &r->quantity[r->quantities++];
    *quantity = (quantity_state){.length = strlen(name),
                                 .record = record,
                                 .per_node = strcmp(per, ps_words_at(PS_WORDS_PER, PS_PER_NODE)) == 0,
                                 .per_step = strcmp(per, ps_words_at(PS_WORDS_PER, PS_PER_STEP)) == 0};
    const ps_trace_quantity_line *known = ps_trace_quantity_find(name);
    quantity->range = known != NULL ? known->range : PS_RANGE_ANY;
    r->windows |= record == PS_RECORD_WINDOW;
    r->probes |= record == PS_RECORD_PROBE;
    return ps_string_copy(name, &quantity->name);
}

/* What poolscope itself records is what it says, whoever wrote it. */
static void check_known(ps_trace_rules *r, const quantity_state *q, const char *per) {
    const ps_trace_quantity_line *known = ps_trace_quantity_find(q->name);
    if (q->per_step != (q->record == PS_RECORD_STEP))
        breach(r, "quantity \"%s\": what is per step stands in step records, and nothing else does", q->name);
    else if (known != NULL &&
             (known->record != q->record || strcmp(ps_words_at(PS_WORDS_PER, (int)known->per), per) != 0))
        breach(r, "quantity \"%s\" is per %s and stands in %s records; give another one another name", q->name,
               ps_words_at(PS_WORDS_PER, (int)known->per), ps_record_word(known->record));
}

static ps_status check_quantity(ps_trace_rules *r, const cJSON *item) {
    const char *name = text_of(item, PS_KEY(QUANTITY, name)), *per = text_of(item, PS_KEY(QUANTITY, per));
    const char *record = text_of(item, PS_KEY(QUANTITY, record));
    char prefix[MOST_TEXT / 2];
    snprintf(prefix, sizeof prefix, "quantity \"%.300s\": ", name != NULL ? name : "");
    check_part(r, PS_OBJECT_QUANTITY, item, prefix);
    if (name == NULL || per == NULL || record == NULL) return PS_OK;
    if (find_quantity(r, name, strlen(name), 0) != NULL) breach(r, "there are two quantities \"%s\"", name);
    ps_record_type holder = ps_record_find(record, strlen(record));
    if (ps_words_find(PS_WORDS_PER, per) < 0 || ps_words_find(PS_WORDS_HOLDER, record) < 0)
        return add_quantity(r, name, per, holder); /* that was said */
    PS_TRY(add_quantity(r, name, per, holder));
    check_known(r, &r->quantity[r->quantities - 1], per);
    return PS_OK;
}

/* Which process wrote the trace, of how many. */
static void check_ranks(ps_trace_rules *r, const cJSON *record) {
    const cJSON *rank = get(record, PS_KEY(HEADER, rank)), *ranks = get(record, PS_KEY(HEADER, ranks));
    if ((rank == NULL) != (ranks == NULL))
        breach(r, "\"%s\" and \"%s\" stand there both or neither", PS_KEY(HEADER, rank), PS_KEY(HEADER, ranks));
    else if (cJSON_IsNumber(rank) && cJSON_IsNumber(ranks) && rank->valuedouble >= ranks->valuedouble)
        breach(r, "\"%s\" is %g of %g \"%s\"; they count from 0 on", PS_KEY(HEADER, rank), rank->valuedouble,
               ranks->valuedouble, PS_KEY(HEADER, ranks));
}

/* Lists of the data that have a length, and numbers that have a sign. */
static void check_data(ps_trace_rules *r, const cJSON *data) {
    static const ps_trace_key of_classes[] = {PS_KEY_DATA_class_counts, PS_KEY_DATA_class_names},
                              of_channels[] = {PS_KEY_DATA_input_mean, PS_KEY_DATA_input_sd},
                              sizes[] = {PS_KEY_DATA_probe_distance, PS_KEY_DATA_loss_floor};
    double classes = whole_of(data, PS_KEY(DATA, classes));
    const cJSON *channels = cJSON_GetArrayItem(get(data, PS_KEY(DATA, sample)), 0);
    for (int i = 0; i < 2; i++) {
        const char *of_class = ps_trace_keys[of_classes[i]].name, *of_channel = ps_trace_keys[of_channels[i]].name;
        const cJSON *counted = get(data, of_class), *measured = get(data, of_channel);
        const cJSON *size = get(data, ps_trace_keys[sizes[i]].name);
        if (cJSON_IsArray(counted) && !isnan(classes) && cJSON_GetArraySize(counted) != classes)
            breach(r, "\"%s\": \"%s\" holds %d values for %g classes", PS_KEY(HEADER, data), of_class,
                   cJSON_GetArraySize(counted), classes);
        if (cJSON_IsArray(measured) && cJSON_IsNumber(channels) &&
            cJSON_GetArraySize(measured) != channels->valuedouble)
            breach(r, "\"%s\": \"%s\" holds %d values for %g channels", PS_KEY(HEADER, data), of_channel,
                   cJSON_GetArraySize(measured), channels->valuedouble);
        if (cJSON_IsNumber(size)) check_range(r, ps_trace_keys[sizes[i]].name, size->valuedouble, 0, INFINITY);
    }
    const cJSON *order = get(data, PS_KEY(DATA, file_order)), *item;
    if (cJSON_IsNumber(order)) check_range(r, PS_KEY(DATA, file_order), order->valuedouble, 0, 1);
    cJSON_ArrayForEach(item, get(data, PS_KEY(DATA, input_sd))) if (cJSON_IsNumber(item))
        check_range(r, PS_KEY(DATA, input_sd), item->valuedouble, 0, INFINITY);
}

static void check_optimisers(ps_trace_rules *r, const cJSON *record) {
    const cJSON *item;
    char prefix[MOST_TEXT / 2];
    int index = 0;
    cJSON_ArrayForEach(item, get(record, PS_KEY(HEADER, optimisers))) {
        snprintf(prefix, sizeof prefix, "\"%s\"[%d]: ", PS_KEY(HEADER, optimisers), index++);
        check_part(r, PS_OBJECT_OPTIMISER, item, prefix);
    }
}

/* How it was recorded, as far as that is said. */
static void check_recording(ps_trace_rules *r, const cJSON *record) {
    double every = whole_of(record, PS_KEY(HEADER, every));
    r->every = every >= 1 ? every : 1;
    check_ranks(r, record);
    check_optimisers(r, record);
}

static const char *first_with_module(const cJSON *layers) {
    const cJSON *layer;
    cJSON_ArrayForEach(layer, layers) if (cJSON_IsString(get(layer, PS_KEY(LAYER, pool_skip)))) {
        const char *name = text_of(layer, PS_KEY(LAYER, name));
        return name != NULL ? name : "";
    }
    return NULL;
}

static void check_arm(ps_trace_rules *r, const cJSON *record) {
    char buffer[MOST_TEXT];
    const char *module = first_with_module(get(record, PS_KEY(HEADER, layers)));
    const char *fault = ps_trace_arm_fault(get(record, PS_KEY(HEADER, arm_is)), module, buffer, sizeof buffer);
    if (fault != NULL) breach(r, "%s", fault);
}

static void check_registration(ps_trace_rules *r, const cJSON *record) {
    ps_registration registration;
    const char *fault;
    ps_registration_read(record, &registration, &fault);
    if (fault != NULL) breach(r, "%s", fault);
}

/* The keys that follow are those of the version that the header names. */
static void check_version(ps_trace_rules *r, const cJSON *record) {
    double version = whole_of(record, PS_KEY(HEADER, version));
    r->version = version >= 1 && version <= PS_TRACE_VERSION ? version : 1;
    if (version > PS_TRACE_VERSION)
        breach(r, "\"%s\" is %g; this program knows versions up to %d; take a newer poolscope", PS_KEY(HEADER, version),
               version, PS_TRACE_VERSION);
}

static void check_header_keys(ps_trace_rules *r, const cJSON *record) {
    check_version(r, record);
    check_record_keys(r, PS_RECORD_HEADER, record);
    bool said = r->version >= PS_TRACE_VERSION_ARM;
    if (said && is_sound_part(PS_OBJECT_ARM_IS, get(record, PS_KEY(HEADER, arm_is)))) check_arm(r, record);
    const char *fault = ps_trace_task_read(record, &r->task);
    if (fault != NULL) breach(r, "\"%s\": %s", PS_KEY(HEADER, task), fault);
    r->classes = ps_trace_classes(record);
    check_registration(r, record);
    check_recording(r, record);
    check_data(r, get(record, PS_KEY(HEADER, data)));
    double steps = whole_of(record, PS_KEY(HEADER, window));
    r->window_steps = steps >= 1 ? steps : NAN;
}

static ps_status check_header(ps_trace_rules *r, const cJSON *record) {
    const cJSON *item;
    size_t widest = 1;
    if (r->header) {
        breach(r, "there is a second header");
        return PS_OK;
    }
    r->header = true;
    check_header_keys(r, record);
    cJSON_ArrayForEach(item, get(record, PS_KEY(HEADER, layers))) PS_TRY(check_layer(r, item));
    cJSON_ArrayForEach(item, get(record, PS_KEY(HEADER, quantities))) PS_TRY(check_quantity(r, item));
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
        case PS_RANGE_COUNT: return PS_TRACE_MOST_WHOLE;
        case PS_RANGE_ANY:
        case PS_RANGE_SIZE: break;
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
    ps_record_type record = rules->is_probe ? PS_RECORD_PROBE : PS_RECORD_WINDOW;
    quantity_state *q = find_quantity(rules, name, length, guess < 0 ? 0 : (size_t)guess);
    int shown = length < 200 ? (int)length : 200;
    if (q == NULL) {
        breach(rules, "layer \"%s\": quantity \"%.*s\" is not in the header's list", rules->at->name, shown, name);
        return -1;
    }
    if (q->record != record) {
        const char *type = q->record != PS_RECORD_UNKNOWN ? ps_record_word(q->record) : "another";
        breach(rules, "layer \"%s\": quantity \"%s\" belongs into records of type %s", rules->at->name, q->name, type);
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
        if (sound && !ps_value_is_sound(item))
            breach(r, "layer \"%s\": \"%s\"[%zu] must be a number, null, \"NaN\", \"Infinity\" or \"-Infinity\"",
                   r->at->name, array->string, count);
        sound = sound && ps_value_is_sound(item);
        if (sound && count < (size_t)r->at->channels) r->scratch[count] = ps_value_of(item);
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
    double value = ps_value_of(item);
    if (ps_value_is_sound(item)) ps_trace_rules_values(r, quantity, &value, 1);
    else
        breach(r, "layer \"%s\": \"%s\" must be one number (or null, \"NaN\", \"Infinity\", \"-Infinity\")",
               r->at->name, item->string);
}

static void check_values(ps_trace_rules *r, const cJSON *record) {
    const cJSON *values = get(record, PS_KEY(WINDOW, values)), *item; /* as in probe records */
    int guess = 0;
    check_sound(r, r->is_probe ? PS_KEY_PROBE_values : PS_KEY_WINDOW_values, values);
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

/* Steps below this one are over. */
static void pass_to(ps_trace_rules *r, double step) {
    if (step > r->next_step) r->next_step = step;
}

/* No record concerns a step before what was said already. */
static void check_order(ps_trace_rules *r, double step) {
    if (isnan(step)) return;
    if (step < r->latest) breach(r, "step %g comes after step %g", step, r->latest);
    else r->latest = step;
    pass_to(r, step);
}

static void check_ended(ps_trace_rules *r) {
    if (r->counts.ended) breach(r, "a record follows the end record");
}

static void check_start(ps_trace_rules *r, ps_record_type record) {
    if (r->probes && r->counts.probings == 0 && !r->before_probe)
        breach(r, "a %s record comes before any probe record; a trace begins with the probing of step 0",
               ps_record_word(record));
    r->before_probe = true;
}

void ps_trace_rules_step(ps_trace_rules *rules, double step) {
    check_ended(rules);
    close_window(rules);
    close_probing(rules);
    check_start(rules, PS_RECORD_STEP);
    check_number(rules, PS_KEY_STEP_step, step);
    if (isnan(step)) return;
    if (step < rules->next_step)
        breach(rules, "step %g follows where step %g or a later one is due", step, rules->next_step);
    else rules->next_step = step + 1;
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
    if (last + 1 < r->next_step)
        breach(r, "window %g ends at step %g, but records before it are of step %g", window, last, r->next_step - 1);
    pass_to(r, last + 1);
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

/* Of the steps from..to, those that the header's `every` leaves to be recorded. */
static double steps_to_sample(const ps_trace_rules *r, double from, double to) {
    return floor(to / r->every) - ceil(from / r->every) + 1;
}

/* Steps that counts of a window's records are of. */
static double sampled_steps(ps_trace_rules *r, const ps_trace_place *place) {
    double most = steps_to_sample(r, place->first, place->last);
    if (place->sampled == -1) return most;
    check_number(r, PS_KEY_WINDOW_sampled, place->sampled);
    if (place->sampled > most)
        breach(r, "\"%s\" is %g, but the window has %g steps that \"%s\" leaves to be recorded",
               PS_KEY(WINDOW, sampled), place->sampled, most, PS_KEY(HEADER, every));
    return place->sampled;
}

void ps_trace_rules_window(ps_trace_rules *rules, const ps_trace_place *place) {
    double window = place->window, first = place->first, last = place->last;
    check_ended(rules);
    close_probing(rules);
    check_start(rules, PS_RECORD_WINDOW);
    check_number(rules, PS_KEY_WINDOW_window, window);
    check_number(rules, PS_KEY_WINDOW_first, first);
    check_number(rules, PS_KEY_WINDOW_last, last);
    if (!isnan(window) && !isnan(first) && !isnan(last)) {
        if (window != rules->window || !rules->window_open) open_window(rules, window, first, last);
        else if (first != rules->first || last != rules->last)
            breach(rules, "window %g covers steps %g to %g here and %g to %g before", window, first, last, rules->first,
                   rules->last);
        check_order(rules, last);
    }
    rules->steps = sampled_steps(rules, place);
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
    else if (step < r->next_step)
        breach(r, "the probing is of the state before step %g, but the next step is %g", step, r->next_step);
    pass_to(r, step);
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
    check_number(rules, PS_KEY_PROBE_step, step);
    if (images == 0 || elements == 0) breach(rules, "a probe record of 0 images has measured nothing; leave it out");
    check_number(rules, PS_KEY_PROBE_images, images);
    check_number(rules, PS_KEY_PROBE_elements, elements);
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
    if (images >= 1 && elements >= 1 && layer->elements >= 1 && elements != images * layer->elements)
        breach(rules, "layer \"%s\": \"elements\" is %g, but %g images of %g gate outputs are %g", layer->name,
               elements, images, layer->elements, images * layer->elements);
}

/* ---- records as trees ---- */

/* Of a record that concerns a layer; whether it names one is asked elsewhere. */
static int find_layer_of(ps_trace_rules *r, const cJSON *record) {
    const char *name = text_of(record, PS_KEY(WINDOW, layer)); /* the same key in all of them */
    const layer_state *layer = name != NULL ? find_layer(r, name) : NULL;
    if (name != NULL && layer == NULL) breach(r, "layer \"%s\" is not in the header's list", name);
    return layer != NULL ? (int)(layer - r->layer) : -1;
}

static int layer_of(ps_trace_rules *r, const cJSON *record, ps_trace_key key) {
    check_sound(r, key, get(record, ps_trace_keys[key].name));
    return find_layer_of(r, record);
}

bool ps_trace_rules_is_step_value(const char *key) {
    for (int q = 0; q < PS_STEP_COUNT; q++)
        if (strcmp(ps_trace_step_quantities[q].name, key) == 0) return true;
    return false;
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
        if (item != NULL && ps_value_is_sound(item))
            ps_trace_rules_step_value(r, (ps_trace_step_quantity)q, ps_value_of(item));
    }
    ps_trace_rules_step(r, whole_of(record, PS_KEY(STEP, step)));
}

static void check_window(ps_trace_rules *r, const cJSON *record) {
    bool sampled = get(record, PS_KEY(WINDOW, sampled)) != NULL;
    ps_trace_rules_window(r, &(ps_trace_place){.window = whole_of(record, PS_KEY(WINDOW, window)),
                                               .sampled = sampled ? whole_of(record, PS_KEY(WINDOW, sampled)) : -1,
                                               .first = whole_of(record, PS_KEY(WINDOW, first)),
                                               .last = whole_of(record, PS_KEY(WINDOW, last)),
                                               .layer = layer_of(r, record, PS_KEY_WINDOW_layer)});
    check_values(r, record);
}

static void check_probe(ps_trace_rules *r, const cJSON *record) {
    ps_trace_rules_probe(r, &(ps_trace_place){.step = whole_of(record, PS_KEY(PROBE, step)),
                                              .images = whole_of(record, PS_KEY(PROBE, images)),
                                              .elements = whole_of(record, PS_KEY(PROBE, elements)),
                                              .layer = layer_of(r, record, PS_KEY_PROBE_layer)});
    check_values(r, record);
}

static void check_channels(ps_trace_rules *r, const cJSON *record) {
    const cJSON *item;
    int layer = find_layer_of(r, record);
    if (layer < 0) return;
    cJSON_ArrayForEach(item, get(record, PS_KEY(PLANTED, channels))) { /* and REINITIALISED's */
        if (ps_value_is_whole(item, 0, PS_TRACE_MOST_WHOLE) && item->valuedouble >= r->layer[layer].channels)
            breach(r, "\"%s\": layer \"%s\" has channels 0 to %d", PS_KEY(PLANTED, channels), r->layer[layer].name,
                   r->layer[layer].channels - 1);
    }
}

static void check_event(ps_trace_rules *r, const cJSON *record) {
    const char *word = text_of(record, PS_KEY(EVENT, event));
    ps_trace_object event = word != NULL ? ps_event_find(word) : PS_OBJECT_COUNT;
    check_record_keys(r, PS_RECORD_EVENT, record);
    check_order(r, whole_of(record, PS_KEY(EVENT, step)));
    check_part(r, event, record, "");
    if (event == PS_OBJECT_PLANTED || event == PS_OBJECT_REINITIALISED) check_channels(r, record);
    r->nonfinite += event == PS_OBJECT_NONFINITE;
}

static void check_score(ps_trace_rules *r, const cJSON *record) {
    for (int m = 0; m < r->task.measures; m++) {
        const ps_trace_measure *measure = &r->task.measure[m];
        const cJSON *value = get(record, measure->name);
        check_optional_value(r, record, measure->name);
        if (value != NULL && ps_value_is_sound(value) && ps_trace_measure_is_share(measure))
            check_range(r, measure->name, ps_value_of(value), 0, 1);
    }
}

/* Of each class: measures of the task, a value for each class of the header's data. */
static void check_classes(ps_trace_rules *r, const cJSON *record) {
    const cJSON *item, *value;
    cJSON_ArrayForEach(item, get(record, PS_KEY(EVAL, classes))) {
        int m = 0;
        while (m < r->task.measures && strcmp(r->task.measure[m].name, item->string) != 0) m++;
        if (m == r->task.measures) {
            breach(r, "\"%s\": \"%.40s\" is no measure of the task", PS_KEY(EVAL, classes), item->string);
            continue;
        }
        if (!cJSON_IsArray(item) || (r->classes > 0 && cJSON_GetArraySize(item) != r->classes)) {
            breach(r, "\"%s\": \"%s\" must be an array of a value for each class", PS_KEY(EVAL, classes), item->string);
            continue;
        }
        cJSON_ArrayForEach(value, item) {
            bool sound = ps_value_is_sound(value);
            if (!sound) breach(r, "\"%s\": \"%s\" must hold numbers and nulls", PS_KEY(EVAL, classes), item->string);
            else if (!cJSON_IsNull(value) && ps_trace_measure_is_share(&r->task.measure[m]))
                check_range(r, item->string, ps_value_of(value), 0, 1);
        }
    }
}

static bool holds_number(const cJSON *item) { return item != NULL && !cJSON_IsNull(item); }

/* Half a sentence for an evaluation of no image that has numbers all the same. */
static void check_unmeasured(ps_trace_rules *r, const cJSON *record) {
    char text[MOST_TEXT], names[MOST_TEXT / 2] = "";
    bool measured = holds_number(get(record, PS_KEY(EVAL, loss)));
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
    check_record_keys(r, PS_RECORD_EVAL, record);
    check_order(r, whole_of(record, PS_KEY(EVAL, step)));
    check_score(r, record);
    check_classes(r, record);
    if (whole_of(record, PS_KEY(EVAL, count)) == 0) check_unmeasured(r, record);
}

static void check_count_of_nonfinite(ps_trace_rules *r, const cJSON *said) {
    if (cJSON_IsNumber(said) && said->valuedouble != r->nonfinite)
        breach(r, "\"%s\" is %g, but the trace holds %g such events", PS_KEY(END, nonfinite), said->valuedouble,
               r->nonfinite);
}

static void check_end(ps_trace_rules *r, const cJSON *record) {
    close_window(r);
    close_probing(r);
    check_record_keys(r, PS_RECORD_END, record);
    double steps = whole_of(record, PS_KEY(END, steps));
    if (!isnan(steps) && steps < r->next_step)
        breach(r, "\"%s\" is %g, but records before it are of %g steps", PS_KEY(END, steps), steps, r->next_step);
    if (!isnan(steps)) pass_to(r, steps);
    check_count_of_nonfinite(r, get(record, PS_KEY(END, nonfinite)));
    check_score(r, record);
    check_classes(r, record);
    r->counts.ended = true;
}

static void check_timing(ps_trace_rules *r, const cJSON *record) {
    check_record_keys(r, PS_RECORD_TIMING, record);
    check_order(r, whole_of(record, PS_KEY(TIMING, step)));
}

/* Those of a place are asked there whether the end record has come. */
static const struct {
    void (*check)(ps_trace_rules *r, const cJSON *record);
    bool placed;
} checks[PS_RECORD_COUNT] = {
    [PS_RECORD_STEP] = {check_step, true},   [PS_RECORD_WINDOW] = {check_window, true},
    [PS_RECORD_PROBE] = {check_probe, true}, [PS_RECORD_EVENT] = {check_event, false},
    [PS_RECORD_EVAL] = {check_eval, false},  [PS_RECORD_TIMING] = {check_timing, false},
    [PS_RECORD_END] = {check_end, false},
};

ps_status ps_trace_rules_record(ps_trace_rules *rules, const cJSON *record) {
    const char *word = text_of(record, PS_TRACE_TYPE);
    PS_TRY(ps_trace_rules_keys(rules, record));
    if (word == NULL) {
        breach(rules, "the record has no \"" PS_TRACE_TYPE "\"");
        return PS_OK;
    }
    ps_record_type type = ps_record_find(word, strlen(word));
    if (type == PS_RECORD_HEADER) return check_header(rules, record);
    if (!rules->header) { /* without its lists nothing can be said of a record */
        if (!rules->headless) breach(rules, "the first record must be the header, not one of type \"%.200s\"", word);
        rules->headless = true;
        return PS_OK;
    }
    if (type == PS_RECORD_UNKNOWN || !checks[type].placed) check_ended(rules);
    if (type == PS_RECORD_UNKNOWN) rules->counts.unknown_records++;
    else checks[type].check(rules, record);
    return PS_OK;
}

/* A run that goes on may lack the rest of its last window. */
void ps_trace_rules_finish(ps_trace_rules *rules) {
    if (!rules->counts.ended) return;
    if (rules->windows && rules->counts.windows == 0 && rules->next_step > 0)
        breach(rules, "the header lists quantities of window records, but there are none; leave them out of its list");
    if (rules->counts.windows > 0 && rules->last + 1 != rules->next_step)
        breach(rules, "the last window ends at step %g, but the last step is %g", rules->last, rules->next_step - 1);
    if (rules->counts.probings == 0) check_start(rules, PS_RECORD_END);
}

/* ---- the whole ---- */

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
    for (size_t i = 0; i < rules->quantities; i++) free(rules->quantity[i].name);
    ps_free_array(rules->layer);
    ps_free_array(rules->quantity);
    ps_free(rules->scratch);
    ps_free(rules);
}

const ps_trace_counts *ps_trace_rules_counts(const ps_trace_rules *rules) { return &rules->counts; }
