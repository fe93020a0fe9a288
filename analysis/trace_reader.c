#include "analysis/trace_reader.h"

#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/digest.h"
#include "core/json.h"
#include "core/memory.h"
#include "core/text.h"
#include "trace/trace_input.h"
#include "trace/trace_rules.h"

enum { MOST_SENTENCE = 1200 };

struct ps_trace_reader {
    ps_trace_input *input;
    bool at_end, cut;
    bool tested_nothing; /* the latest evaluation on the test split, or by the header every one, was of no image */
    uint64_t line;
    ps_trace_header header;
    int *slots; /* open-addressing hash of layer names: index + 1, 0 is empty */
    size_t slot_count;
    int last_layer;
    ps_trace_rules *rules;
    bool trusted;         /* the lines were checked in an earlier pass */
    double *scratch;      /* values of one array, as many as the widest layer has channels */
    char *breach, *fault; /* the first breach of the rules by the record at hand, "": none; room for a fault */
};

#define FAIL_HERE(reader, ...) fail_here((reader), __LINE__, __VA_ARGS__)
static ps_status __attribute__((format(printf, 3, 4))) fail_here(const ps_trace_reader *reader, int source_line,
                                                                 const char *format, ...) {
    char sentence[MOST_SENTENCE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(sentence, sizeof sentence, format, arguments);
    va_end(arguments);
    return ps_status_fail(PS_ERR_INPUT, __FILE__, source_line, "%s:%llu: %s", reader->header.path,
                          (unsigned long long)reader->line, sentence);
}

/* ---- rules ---- */

static void note_breach(void *context, const char *sentence, bool passed) {
    ps_trace_reader *reader = context;
    if (!passed && reader->breach[0] == '\0') snprintf(reader->breach, MOST_SENTENCE, "%s", sentence);
}

static ps_status kept_rules(const ps_trace_reader *reader) {
    return reader->breach[0] == '\0' ? PS_OK : FAIL_HERE(reader, "%s", reader->breach);
}

/* What is wrong with a line that the scanner does not take. */
static ps_status damaged(const ps_trace_reader *reader, const char *line) {
    const char *fault = ps_trace_line_fault(line, reader->fault, MOST_SENTENCE);
    return FAIL_HERE(reader, "%s", fault != NULL ? fault : "is not one JSON object on one line");
}

static ps_status check_tree(ps_trace_reader *reader, const char *line) {
    if (ps_trace_line_fault(line, reader->fault, MOST_SENTENCE) != NULL) return damaged(reader, line);
    cJSON *record;
    PS_TRY(ps_json_try(line, &record));
    if (record == NULL) return ps_fail(PS_ERR_MEMORY, "%s: no memory for a record", reader->header.path);
    ps_status status = ps_trace_rules_record(reader->rules, record);
    cJSON_Delete(record);
    PS_TRY(status);
    return kept_rules(reader);
}

/* ---- lines ---- */

/* Hands out the next line without its end, zero-terminated; *line is NULL at the end of the file, also where that has
 * grown meanwhile. *whole: it ended in '\n'. */
static ps_status next_line(ps_trace_reader *reader, char **line, bool *whole) {
    size_t length = 0;
    *line = NULL;
    if (reader->at_end) return PS_OK;
    PS_TRY(ps_trace_input_line(reader->input, line, &length));
    *whole = length > 0 && (*line)[length - 1] == '\n';
    reader->at_end = !*whole;
    if (length == 0) *line = NULL;
    if (*line == NULL) return PS_OK;
    reader->line++;
    if (*whole) (*line)[--length] = '\0';
    return strlen(*line) == length ? PS_OK : FAIL_HERE(reader, "holds a zero byte, so it is not a line of JSON");
}

/* ---- header ---- */

static ps_status copy_text(const cJSON *object, const char *key, char **out) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    return ps_string_copy(cJSON_IsString(item) ? item->valuestring : "", out);
}

static ps_status copy_name_or_null(const cJSON *object, const char *key, char **out) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    *out = NULL;
    return cJSON_IsString(item) ? ps_string_copy(item->valuestring, out) : PS_OK;
}

static double number_or(const cJSON *object, const char *key, double otherwise) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    return cJSON_IsNumber(item) ? item->valuedouble : otherwise;
}

static uint64_t name_digest(const char *name, size_t length) {
    ps_digest digest = ps_digest_start();
    ps_digest_bytes(&digest, name, length);
    return ps_digest_value(&digest);
}

static int find_layer(const ps_trace_reader *reader, const char *name, size_t length) {
    for (size_t slot = name_digest(name, length) & (reader->slot_count - 1);;
         slot = (slot + 1) & (reader->slot_count - 1)) {
        int index = reader->slots[slot] - 1;
        if (index < 0) return -1;
        const char *known = reader->header.layers[index].name;
        if (strlen(known) == length && memcmp(known, name, length) == 0) return index;
    }
}

static ps_status index_layers(ps_trace_reader *reader) {
    for (reader->slot_count = 64; reader->slot_count < 4 * (size_t)reader->header.layer_count;
         reader->slot_count *= 2) {
    }
    reader->slots = calloc(reader->slot_count, sizeof *reader->slots);
    if (reader->slots == NULL) return ps_fail(PS_ERR_MEMORY, "no memory for the index of layer names");
    for (int l = 0; l < reader->header.layer_count; l++) {
        const char *name = reader->header.layers[l].name;
        if (find_layer(reader, name, strlen(name)) >= 0)
            return FAIL_HERE(reader, "the header names two layers \"%s\"; names must differ", name);
        size_t slot = name_digest(name, strlen(name)) & (reader->slot_count - 1);
        while (reader->slots[slot] != 0) slot = (slot + 1) & (reader->slot_count - 1);
        reader->slots[slot] = l + 1;
    }
    return PS_OK;
}

static ps_status read_frozen(const cJSON *words, ps_trace_layer *layer) {
    char text[160] = "";
    const cJSON *word;
    cJSON_ArrayForEach(word, words) {
        size_t used = strlen(text);
        if (!cJSON_IsString(word)) continue;
        snprintf(text + used, sizeof text - used, "%s%s", used > 0 ? ", " : "", word->valuestring);
        layer->weight_frozen |= strcmp(word->valuestring, "weight") == 0;
        layer->readers_frozen |= strcmp(word->valuestring, "readers") == 0;
    }
    return ps_string_copy(text, &layer->frozen);
}

static ps_status read_layer(ps_trace_reader *reader, const cJSON *item, int index) {
    ps_trace_layer *layer = &reader->header.layers[index];
    const cJSON *name = cJSON_GetObjectItemCaseSensitive(item, PS_KEY(LAYER, name));
    const cJSON *kind = cJSON_GetObjectItemCaseSensitive(item, PS_KEY(LAYER, kind));
    double channels = number_or(item, PS_KEY(LAYER, channels), 0);
    if (!cJSON_IsString(name) || name->valuestring[0] == '\0')
        return FAIL_HERE(reader, "layer %d of the header has no name; every layer needs one", index);
    if (!(channels >= 1 && channels <= PS_TRACE_MOST_CHANNELS && channels == floor(channels)))
        return FAIL_HERE(reader, "layer \"%s\" needs \"channels\", a whole number from 1 on", name->valuestring);
    PS_TRY(copy_text(item, PS_KEY(LAYER, name), &layer->name));
    PS_TRY(copy_text(item, PS_KEY(LAYER, stage), &layer->stage));
    PS_TRY(copy_text(item, PS_KEY(LAYER, activation), &layer->activation));
    PS_TRY(copy_name_or_null(item, PS_KEY(LAYER, norm), &layer->norm));
    PS_TRY(copy_name_or_null(item, PS_KEY(LAYER, pool_skip), &layer->pool_skip));
    const char *over = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(item, PS_KEY(LAYER, norm_over)));
    layer->norm_of_sample = over != NULL && strcmp(over, PS_WORD(NORM_OVER, SAMPLE)) == 0;
    layer->shared = cJSON_IsString(kind) && strcmp(kind->valuestring, PS_WORD(KIND, SHARED)) == 0;
    layer->heads = cJSON_IsString(kind) && strcmp(kind->valuestring, PS_WORD(KIND, ATTENTION)) == 0;
    layer->death = ps_trace_death_of(item);
    layer->ceiling = number_or(item, PS_KEY(LAYER, ceiling), ps_absent());
    layer->groups = (int)number_or(item, PS_KEY(LAYER, groups), 1);
    layer->bias = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(item, PS_KEY(LAYER, bias)));
    layer->channels = (int)channels;
    layer->position = (int)number_or(item, PS_KEY(LAYER, position), index);
    layer->depth = number_or(item, PS_KEY(LAYER, depth), ps_absent());
    layer->fan_in = number_or(item, PS_KEY(LAYER, fan_in), ps_absent());
    layer->elements = number_or(item, PS_KEY(LAYER, elements), 0);
    layer->norm_eps = number_or(item, PS_KEY(LAYER, norm_eps), ps_absent());
    PS_TRY(read_frozen(cJSON_GetObjectItemCaseSensitive(item, PS_KEY(LAYER, frozen)), layer));
    layer->slope = number_or(item, PS_KEY(LAYER, slope), ps_absent());
    layer->first_node = reader->header.node_count;
    if (layer->channels > PS_TRACE_MOST_CHANNELS - reader->header.node_count)
        return FAIL_HERE(reader, "the header has more than %d nodes; is \"channels\" right?",
                         (int)PS_TRACE_MOST_CHANNELS);
    reader->header.node_count += layer->channels;
    return PS_OK;
}

/* Inputs are names of layers; a name that is no trace layer (the network input, say) reads nothing that can be dead. */
static ps_status link_inputs(ps_trace_reader *reader, const cJSON *item, ps_trace_layer *layer) {
    const cJSON *inputs = cJSON_GetObjectItemCaseSensitive(item, PS_KEY(LAYER, inputs)), *input;
    int count = cJSON_IsArray(inputs) ? cJSON_GetArraySize(inputs) : 0;
    layer->ungated_inputs = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(item, PS_KEY(LAYER, ungated_inputs)));
    layer->inputs_known = cJSON_IsArray(inputs);
    if (count == 0) return PS_OK;
    layer->inputs = calloc((size_t)count, sizeof *layer->inputs);
    if (layer->inputs == NULL) return ps_fail(PS_ERR_MEMORY, "no memory for the inputs of a layer");
    cJSON_ArrayForEach(input, inputs) {
        int index = cJSON_IsString(input) ? find_layer(reader, input->valuestring, strlen(input->valuestring)) : -1;
        if (index >= 0) layer->inputs[layer->input_count++] = index;
    }
    return PS_OK;
}

static ps_status read_layers(ps_trace_reader *reader, const cJSON *layers) {
    const cJSON *item;
    if (!cJSON_IsArray(layers)) return FAIL_HERE(reader, "the header needs \"layers\", an array of gates");
    size_t count = (size_t)cJSON_GetArraySize(layers);
    reader->header.layers = calloc(count > 0 ? count : 1, sizeof *reader->header.layers);
    if (reader->header.layers == NULL) return ps_fail(PS_ERR_MEMORY, "no memory for %zu layers", count);
    cJSON_ArrayForEach(item, layers) {
        reader->header.layer_count++;
        PS_TRY(read_layer(reader, item, reader->header.layer_count - 1));
    }
    PS_TRY(index_layers(reader));
    int index = 0;
    cJSON_ArrayForEach(item, layers) PS_TRY(link_inputs(reader, item, &reader->header.layers[index++]));
    return PS_OK;
}

static bool names(const cJSON *texts, const char *name) {
    const cJSON *text;
    cJSON_ArrayForEach(text, texts) if (cJSON_IsString(text) && strcmp(text->valuestring, name) == 0) return true;
    return false;
}

/* Whether it holds for all that train the run, where that is said. */
static bool holds(const cJSON *holds_for, const cJSON *optimisers) {
    const cJSON *optimiser;
    if (!cJSON_IsArray(holds_for)) return true;
    if (!cJSON_IsArray(optimisers)) return false;
    cJSON_ArrayForEach(optimiser, optimisers) {
        const cJSON *name = cJSON_GetObjectItemCaseSensitive(optimiser, PS_KEY(OPTIMISER, name));
        if (cJSON_IsString(name) && !names(holds_for, name->valuestring)) return false;
    }
    return true;
}

bool ps_trace_header_tells(const ps_trace_header *header, const cJSON *quantity) {
    return holds(cJSON_GetObjectItemCaseSensitive(quantity, PS_KEY(QUANTITY, holds_for)),
                 cJSON_GetObjectItemCaseSensitive(header->document, PS_KEY(HEADER, optimisers)));
}

static void read_untold(ps_trace_header *header) {
    const cJSON *item;
    cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(header->document, PS_KEY(HEADER, quantities))) {
        const cJSON *name = cJSON_GetObjectItemCaseSensitive(item, PS_KEY(QUANTITY, name));
        if (!cJSON_IsString(name) || ps_trace_header_tells(header, item)) continue;
        for (int q = 0; q < PS_Q_COUNT; q++)
            if (strcmp(name->valuestring, ps_quantity_name((ps_trace_quantity)q)) == 0) header->untold[q] = true;
    }
}

static void read_who_tells(ps_trace_header *header) {
    const cJSON *item;
    ps_trace_layer *layer = header->layers;
    bool leaky = ps_arm_roles[header->arm_is.role].leaky;
    cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(header->document, PS_KEY(HEADER, layers)))(layer++)
        ->tells_dead = ps_trace_tells_dead(item, leaky);
}

static ps_status read_header(ps_trace_reader *reader) {
    char *line;
    bool whole;
    ps_trace_header *header = &reader->header;
    PS_TRY(next_line(reader, &line, &whole));
    if (line == NULL) return ps_fail(PS_ERR_INPUT, "%s: is empty; a trace starts with a header line", header->path);
    const char *text = ps_text_skip_mark(line);
    if (*ps_scan_blanks(text) == '{' && ps_trace_line_fault(text, reader->fault, MOST_SENTENCE) != NULL)
        return damaged(reader, text);
    PS_TRY(ps_json_try(text, &header->document));
    const cJSON *format = cJSON_GetObjectItemCaseSensitive(header->document, PS_KEY(HEADER, format));
    if (!cJSON_IsString(format) || strcmp(format->valuestring, "poolscope-trace") != 0)
        return FAIL_HERE(reader, "is no trace header (\"format\":\"poolscope-trace\" is missing); give a trace.jsonl");
    double version = number_or(header->document, PS_KEY(HEADER, version), 0);
    if (!(version >= 1 && version <= PS_TRACE_VERSION && version == floor(version)))
        return FAIL_HERE(
            reader,
            "has trace version %g, and this program reads versions 1 to %d; take a newer poolscope, or have "
            "the trace written in version %d",
            version, PS_TRACE_VERSION, PS_TRACE_VERSION);
    PS_TRY(ps_trace_rules_record(reader->rules, header->document));
    PS_TRY(kept_rules(reader));
    ps_trace_task_read(header->document, &header->task); /* the rules have said what is wrong with it */
    const char *fault;
    if (!ps_registration_read(header->document, &header->registration, &fault)) header->registration.digest[0] = '\0';
    header->seed = (long long)number_or(header->document, PS_KEY(HEADER, seed), 0);
    header->window = (long long)number_or(header->document, PS_KEY(HEADER, window), 0);
    header->steps = (long long)number_or(header->document, PS_KEY(HEADER, steps), 0);
    header->every = (long long)number_or(header->document, PS_KEY(HEADER, every), 1);
    read_untold(header);
    const cJSON *model = cJSON_GetObjectItemCaseSensitive(header->document, PS_KEY(HEADER, model));
    header->parameters = number_or(model, PS_KEY(MODEL, parameters), ps_absent());
    header->module_parameters = number_or(model, PS_KEY(MODEL, module_parameters), ps_absent());
    header->macs = number_or(model, PS_KEY(MODEL, macs), ps_absent());
    PS_TRY(copy_text(header->document, PS_KEY(HEADER, arm), &header->arm));
    PS_TRY(copy_text(header->document, PS_KEY(HEADER, producer), &header->producer));
    PS_TRY(copy_text(model, PS_KEY(MODEL, name), &header->model));
    reader->tested_nothing =
        number_or(cJSON_GetObjectItemCaseSensitive(header->document, PS_KEY(HEADER, data)), PS_KEY(DATA, test), 1) == 0;
    PS_TRY(read_layers(reader, cJSON_GetObjectItemCaseSensitive(header->document, PS_KEY(HEADER, layers))));
    bool module = false;
    for (int l = 0; l < header->layer_count; l++) module |= header->layers[l].pool_skip != NULL;
    ps_trace_arm_read(header->document, module, &header->arm_is);
    read_who_tells(header);
    header->has_module = module || ps_arm_roles[header->arm_is.role].module;
    size_t widest = 1;
    for (int l = 0; l < header->layer_count; l++)
        if ((size_t)header->layers[l].channels > widest) widest = (size_t)header->layers[l].channels;
    return PS_ALLOC(widest, &reader->scratch, "values of a record");
}

ps_status ps_trace_reader_open(const char *path, ps_trace_reader **out) {
    ps_status status = PS_OK;
    ps_trace_reader *reader = calloc(1, sizeof *reader);
    *out = NULL;
    if (reader == NULL) return ps_fail(PS_ERR_MEMORY, "no memory for a trace reader");
    PS_TRY_CLEANUP(ps_trace_path(path, &reader->header.path));
    PS_TRY_CLEANUP(ps_trace_input_open(reader->header.path, &reader->input));
    PS_TRY_CLEANUP(PS_ALLOC(MOST_SENTENCE, &reader->breach, "sentences"));
    PS_TRY_CLEANUP(PS_ALLOC(MOST_SENTENCE, &reader->fault, "sentences"));
    PS_TRY_CLEANUP(ps_trace_rules_create(note_breach, reader, &reader->rules));
    PS_TRY_CLEANUP(read_header(reader));
    *out = reader;
    reader = NULL;
cleanup:
    ps_trace_reader_destroy(reader);
    return status;
}

static void clear_layer(ps_trace_layer *layer) {
    free(layer->name);
    free(layer->stage);
    free(layer->activation);
    free(layer->norm);
    free(layer->pool_skip);
    free(layer->frozen);
    free(layer->inputs);
}

void ps_trace_reader_destroy(ps_trace_reader *reader) {
    if (reader == NULL) return;
    ps_trace_input_close(reader->input);
    for (int l = 0; l < reader->header.layer_count; l++) clear_layer(&reader->header.layers[l]);
    free(reader->header.layers);
    free(reader->header.path);
    free(reader->header.arm);
    free(reader->header.producer);
    free(reader->header.model);
    cJSON_Delete(reader->header.document);
    ps_trace_rules_destroy(reader->rules);
    ps_free(reader->scratch);
    ps_free(reader->breach);
    ps_free(reader->fault);
    free(reader->slots);
    free(reader);
}

const ps_trace_header *ps_trace_reader_header(const ps_trace_reader *reader) { return &reader->header; }
bool ps_trace_reader_was_cut(const ps_trace_reader *reader) { return reader->cut; }
uint64_t ps_trace_reader_line(const ps_trace_reader *reader) { return reader->line; }
void ps_trace_reader_trust(ps_trace_reader *reader) { reader->trusted = true; }

/* ---- records ---- */

typedef enum { FIELD_TYPE, FIELD_LAYER, FIELD_NUMBER, FIELD_TEXT, FIELD_VALUES } field_kind;

/* What of a line is held, as the lists say. */
static const struct field {
    const char *name;
    size_t length; /* of the name */
    field_kind kind;
    size_t offset, room;
} fields[] = {
#define HELD_NUMBER(name) {#name, sizeof #name - 1, FIELD_NUMBER, offsetof(ps_trace_record, name), 0},
#define HELD_TEXT(name) \
    {#name, sizeof #name - 1, FIELD_TEXT, offsetof(ps_trace_record, name), sizeof((ps_trace_record *)0)->name},
#define HELD_LAYER(name) {#name, sizeof #name - 1, FIELD_LAYER, 0, 0},
#define HELD_VALUES(name) {#name, sizeof #name - 1, FIELD_VALUES, 0, 0},
#define HELD_BEFORE(name)
#define HELD_NOT(name)
    {PS_TRACE_TYPE, sizeof PS_TRACE_TYPE - 1, FIELD_TYPE, 0, 0},
#define PS_TRACE_KEY(object, key, kind, need, held, meaning, more) HELD_##held(key)
#include "trace/key_list.def"
#undef PS_TRACE_KEY
#define PS_TRACE_QUANTITY(...)
#define PS_TRACE_STEP_QUANTITY(name, ...) HELD_NUMBER(name)
#include "trace/quantity_list.def"
#undef PS_TRACE_STEP_QUANTITY
#undef PS_TRACE_QUANTITY
#undef HELD_NUMBER
#undef HELD_TEXT
#undef HELD_LAYER
#undef HELD_VALUES
#undef HELD_BEFORE
#undef HELD_NOT
};

static void reset_record(ps_trace_record *record) {
    memset(record, 0, sizeof *record);
    record->type = PS_RECORD_UNKNOWN;
    record->layer = -1;
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        if (fields[i].kind == FIELD_NUMBER) *(double *)((char *)record + fields[i].offset) = ps_absent();
    for (int m = 0; m < PS_TRACE_MOST_MEASURES; m++) record->measured[m] = ps_absent();
}

/* Layer names with escapes are rare; they are unescaped by the full parser. */
static int layer_of(ps_trace_reader *reader, const char *value, const char *begin, size_t length, bool escaped) {
    if (escaped) {
        cJSON *text;
        if (ps_json_try(value, &text) != PS_OK) return -1; /* refused as an unknown layer */
        int index = cJSON_IsString(text) ? find_layer(reader, text->valuestring, strlen(text->valuestring)) : -1;
        cJSON_Delete(text);
        return index;
    }
    int guess = reader->last_layer + 1; /* records of a window come layer after layer */
    if (guess < reader->header.layer_count && strlen(reader->header.layers[guess].name) == length &&
        memcmp(reader->header.layers[guess].name, begin, length) == 0)
        return guess;
    return find_layer(reader, begin, length);
}

/* What the scanning of a record notes besides. */
enum { MOST_KEYS = 32 };
typedef struct {
    bool layer_named, unknown_layer;
    char layer[64];
    const char *no_number; /* name of a field that must be a number in a step record, and is none; NULL: all are */
    const char *twice;     /* a key that stands twice, NULL: none */
    bool nested;           /* an object or array stands where none is looked into */
    size_t twice_length;
    const char *keys[MOST_KEYS];
    size_t lengths[MOST_KEYS], key_count;
} record_note;

static void note_key(record_note *note, const char *key, size_t length) {
    for (size_t i = 0; i < note->key_count; i++)
        if (note->lengths[i] == length && memcmp(note->keys[i], key, length) == 0) {
            note->twice = key;
            note->twice_length = length;
        }
    if (note->key_count == MOST_KEYS) return;
    note->keys[note->key_count] = key;
    note->lengths[note->key_count++] = length;
}

static const char *read_text_field(ps_trace_reader *reader, ps_trace_record *record, const struct field *field,
                                   const char *value, record_note *note) {
    const char *begin, *end;
    size_t length;
    bool escaped;
    note->nested |= *value == '{' || *value == '[';
    if (*value != '"') return ps_scan_check(value);
    end = ps_scan_string(value, &begin, &length, &escaped);
    if (end == NULL) return NULL;
    if (field->kind == FIELD_TYPE) {
        record->type = ps_record_find(begin, length);
    } else if (field->kind == FIELD_LAYER) {
        note->layer_named = true;
        record->layer = layer_of(reader, value, begin, length, escaped);
        if (record->layer >= 0) reader->last_layer = record->layer;
        note->unknown_layer = record->layer < 0;
        snprintf(note->layer, sizeof note->layer, "%.*s", (int)(length < 60 ? length : 60), begin);
    } else {
        char *target = (char *)record + field->offset;
        if (length >= field->room) length = field->room - 1;
        memcpy(target, begin, length);
        target[length] = '\0';
    }
    return end;
}

/* A key that is no field may be a measure of the task. */
static const char *read_measure(const ps_trace_reader *reader, ps_trace_record *record, const char *key, size_t length,
                                const char *value, record_note *note) {
    const ps_trace_task *task = &reader->header.task;
    for (int m = 0; m < task->measures; m++) {
        double number;
        if (strlen(task->measure[m].name) != length || memcmp(task->measure[m].name, key, length) != 0) continue;
        if (ps_scan_number(value, &number) != NULL) record->measured[m] = number;
    }
    note->nested |= *value == '{' || *value == '[';
    return ps_scan_check(value);
}

static const char *read_field(ps_trace_reader *reader, ps_trace_record *record, const char *key, size_t length,
                              const char *value, record_note *note) {
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        const struct field *field = &fields[i];
        if (field->length != length || memcmp(field->name, key, length) != 0) continue;
        double number;
        switch (field->kind) {
            case FIELD_VALUES:
                if (*value == '{') record->values = value;
                note->nested |= *value == '[';
                return ps_scan_skip(value);
            case FIELD_NUMBER: {
                /* A key of an unknown record may hold anything; only a number is taken. */
                const char *end = ps_scan_number(value, &number);
                if (end == NULL) {
                    note->nested |= *value == '{' || *value == '[';
                    if (field->offset != offsetof(ps_trace_record, step)) note->no_number = field->name;
                    return ps_scan_check(value);
                }
                *(double *)((char *)record + field->offset) = number;
                return end;
            }
            default: return read_text_field(reader, record, field, value, note);
        }
    }
    return read_measure(reader, record, key, length, value, note);
}

static bool scan_record(ps_trace_reader *reader, const char *line, ps_trace_record *record, record_note *note) {
    const char *p = ps_scan_blanks(line), *key;
    size_t length;
    bool done = false;
    note->layer_named = note->unknown_layer = note->nested = false;
    note->no_number = note->twice = NULL;
    note->key_count = 0;
    reset_record(record);
    record->text = line;
    record->line = reader->line;
    if (*p++ != '{') return false;
    for (bool first = true;; first = false) {
        p = ps_scan_key(p, first, &key, &length, &done);
        if (p == NULL) return false;
        if (done) break;
        note_key(note, key, length);
        p = read_field(reader, record, key, length, p, note);
        if (p == NULL) return false;
    }
    return *ps_scan_blanks(p) == '\0';
}

/* ---- rules of a record ---- */

/* NaN where it is no whole number from 0 on, as the rules want it. */
static double whole_or_nan(double value) {
    return value >= 0 && value <= PS_TRACE_MOST_WHOLE && value == floor(value) ? value : NAN;
}

/* Whether the array is seen to keep the rules without working its numbers out; passes over it if so. */
static bool passes_at_sight(const ps_trace_reader *reader, const ps_trace_record *record, int quantity,
                            const char **cursor) {
    ps_trace_asks asks = ps_trace_rules_asks(reader->rules, quantity);
    size_t count;
    if (asks == PS_TRACE_ASKS_VALUE || !ps_trace_rules_is_per_node(reader->rules, quantity)) return false;
    const char *end = ps_scan_count(*cursor, asks == PS_TRACE_ASKS_SIGN, &count);
    if (end == NULL || count != (size_t)reader->header.layers[record->layer].channels) return false;
    *cursor = end;
    return true;
}

static ps_status check_quantity(ps_trace_reader *reader, const ps_trace_record *record, int quantity,
                                const char **cursor) {
    if (passes_at_sight(reader, record, quantity, cursor)) return PS_OK;
    const char *name = ps_trace_rules_name(reader->rules, quantity), *value = *cursor;
    const ps_trace_layer *layer = &reader->header.layers[record->layer];
    size_t count = 1;
    bool array = ps_trace_rules_is_per_node(reader->rules, quantity);
    *cursor = !array          ? ps_scan_number(value, reader->scratch)
              : *value == '[' ? ps_scan_array(value, reader->scratch, (size_t)layer->channels, &count)
                              : NULL;
    if (*cursor == NULL && ps_trace_line_fault(record->text, reader->fault, MOST_SENTENCE) != NULL)
        return damaged(reader, record->text);
    if (*cursor == NULL && array)
        return FAIL_HERE(reader,
                         "layer \"%s\": \"%s\" must be an array, one value per channel: numbers, null, \"NaN\", "
                         "\"Infinity\" or \"-Infinity\"",
                         layer->name, name);
    if (*cursor == NULL)
        return FAIL_HERE(reader,
                         "layer \"%s\": \"%s\" must be one number (or null, \"NaN\", \"Infinity\", \"-Infinity\")",
                         layer->name, name);
    ps_trace_rules_values(reader->rules, quantity, reader->scratch, count);
    return PS_OK;
}

static ps_status check_values(ps_trace_reader *reader, const ps_trace_record *record) {
    const char *key, *p = record->values + 1;
    int guess = 0;
    for (bool first = true, done = false;; first = false) {
        size_t length;
        p = ps_scan_key(p, first, &key, &length, &done);
        if (p == NULL) return damaged(reader, record->text);
        if (done) return PS_OK;
        int quantity = ps_trace_rules_quantity(reader->rules, key, length, guess);
        if (quantity < 0) return PS_OK; /* noted as a breach */
        guess = quantity + 1;
        PS_TRY(check_quantity(reader, record, quantity, &p));
    }
}

static bool has_key(const record_note *note, const char *key) {
    for (size_t i = 0; i < note->key_count; i++)
        if (note->lengths[i] == strlen(key) && memcmp(note->keys[i], key, note->lengths[i]) == 0) return true;
    return false;
}

static ps_status check_place(ps_trace_reader *reader, const ps_trace_record *record, const record_note *note) {
    const char *kind = ps_record_word(record->type);
    if (!note->layer_named)
        return FAIL_HERE(reader, "this %s record has no \"layer\"; every one names a layer of the header", kind);
    if (note->unknown_layer) return FAIL_HERE(reader, "layer \"%s\" is not in the header's list", note->layer);
    if (record->values == NULL) return FAIL_HERE(reader, "this %s record has no object \"values\"", kind);
    ps_trace_place place = {.step = whole_or_nan(record->step),
                            .window = whole_or_nan(record->window),
                            .first = whole_or_nan(record->first),
                            .last = whole_or_nan(record->last),
                            .images = whole_or_nan(record->images),
                            .elements = whole_or_nan(record->elements),
                            .sampled = has_key(note, PS_KEY(WINDOW, sampled)) ? whole_or_nan(record->sampled) : -1,
                            .layer = record->layer};
    if (record->type == PS_RECORD_WINDOW) ps_trace_rules_window(reader->rules, &place);
    else ps_trace_rules_probe(reader->rules, &place);
    return check_values(reader, record);
}

static void check_step_values(ps_trace_reader *reader, const ps_trace_record *record) {
    const double values[PS_STEP_COUNT] = {
#define PS_TRACE_QUANTITY(...)
#define PS_TRACE_STEP_QUANTITY(name, ...) [PS_STEP_##name] = record->name,
#include "trace/quantity_list.def"
#undef PS_TRACE_STEP_QUANTITY
#undef PS_TRACE_QUANTITY
    };
    for (int q = 0; q < PS_STEP_COUNT; q++)
        ps_trace_rules_step_value(reader->rules, (ps_trace_step_quantity)q, values[q]);
}

/* Keys that stand twice in objects which no one looks into. */
static ps_status check_nested(ps_trace_reader *reader, const ps_trace_record *record) {
    cJSON *tree;
    if (ps_trace_line_fault(record->text, reader->fault, MOST_SENTENCE) != NULL) return damaged(reader, record->text);
    PS_TRY(ps_json_try(record->text, &tree));
    ps_status status = ps_trace_rules_keys(reader->rules, tree);
    cJSON_Delete(tree);
    PS_TRY(status);
    return kept_rules(reader);
}

static ps_status check_record(ps_trace_reader *reader, const ps_trace_record *record, const record_note *note) {
    if (ps_text_find_foreign(record->text) != NULL) return damaged(reader, record->text);
    if (note->twice != NULL)
        return FAIL_HERE(reader, "the key \"%.*s\" stands twice",
                         (int)(note->twice_length < 100 ? note->twice_length : 100), note->twice);
    bool placed = record->type == PS_RECORD_WINDOW || record->type == PS_RECORD_PROBE;
    if (note->nested && (placed || record->type == PS_RECORD_STEP)) PS_TRY(check_nested(reader, record));
    if (placed) {
        PS_TRY(check_place(reader, record, note));
    } else if (record->type == PS_RECORD_STEP) {
        if (note->no_number != NULL && ps_trace_rules_is_step_value(note->no_number))
            return FAIL_HERE(reader, "\"%s\" must be a number, null, \"NaN\", \"Infinity\" or \"-Infinity\"",
                             note->no_number);
        check_step_values(reader, record);
        ps_trace_rules_step(reader->rules, whole_or_nan(record->step));
    } else {
        return check_tree(reader, record->text);
    }
    return kept_rules(reader);
}

/* Numbers beside a count of 0 are of no image, whoever wrote them: an evaluation of nothing, and an end record that
 * repeats it. */
static void drop_unmeasured(ps_trace_reader *reader, ps_trace_record *record) {
    if (record->type == PS_RECORD_EVAL && ps_trace_record_is_of_test(record))
        reader->tested_nothing = record->count == 0;
    bool nothing = (record->type == PS_RECORD_EVAL && record->count == 0) ||
                   (record->type == PS_RECORD_END && reader->tested_nothing);
    if (!nothing) return;
    record->loss = ps_absent();
    for (int m = 0; m < PS_TRACE_MOST_MEASURES; m++) record->measured[m] = ps_absent();
}

ps_status ps_trace_reader_next(ps_trace_reader *reader, ps_trace_record *record, bool *more) {
    char *line;
    bool whole;
    record_note note;
    *more = false;
    PS_TRY(next_line(reader, &line, &whole));
    if (line == NULL) {
        if (!reader->trusted) ps_trace_rules_finish(reader->rules);
        return kept_rules(reader);
    }
    if (!whole && ps_trace_line_fault(line, reader->fault, MOST_SENTENCE) != NULL) {
        reader->cut = true; /* a crash cut it off: everything before it counts */
        return PS_OK;
    }
    if (!scan_record(reader, line, record, &note)) return damaged(reader, line);
    if (!reader->trusted) PS_TRY(check_record(reader, record, &note));
    drop_unmeasured(reader, record);
    *more = true;
    return PS_OK;
}

/* ---- values ---- */

static ps_trace_quantity quantity_of(const char *name, size_t length, ps_record_type record) {
    for (int q = 0; q < PS_Q_COUNT; q++)
        if (ps_trace_quantities[q].record == record && ps_trace_quantities[q].length == length &&
            memcmp(ps_trace_quantities[q].name, name, length) == 0)
            return (ps_trace_quantity)q;
    return PS_Q_COUNT;
}

ps_status ps_trace_values_next(ps_trace_reader *reader, const ps_trace_record *record, const char **cursor,
                               ps_trace_quantity *quantity, const char **value) {
    const char *key, *p = *cursor;
    size_t length;
    bool first = p == record->values, done;
    if (first) p++;
    for (;; first = false) {
        p = ps_scan_key(p, first, &key, &length, &done);
        if (p == NULL) return FAIL_HERE(reader, "the object \"values\" is malformed");
        *quantity = PS_Q_COUNT;
        if (done) return PS_OK;
        *value = p;
        p = ps_scan_skip(p);
        if (p == NULL) return FAIL_HERE(reader, "the object \"values\" is malformed");
        *cursor = p;
        *quantity = quantity_of(key, length, record->type);
        if (*quantity != PS_Q_COUNT && !reader->header.untold[*quantity]) return PS_OK;
    }
}

double ps_trace_header_sampled(const ps_trace_header *header, double first, double last) {
    double every = (double)header->every;
    return floor(last / every) - ceil(first / every) + 1;
}

double ps_trace_record_sampled(const ps_trace_header *header, const ps_trace_record *record) {
    return !ps_is_absent(record->sampled) ? record->sampled
                                          : ps_trace_header_sampled(header, record->first, record->last);
}

/* Sums over steps: of recorded ones, and so an estimate of the window's where not all were. */
static bool is_path(ps_trace_quantity quantity) {
    return quantity == PS_Q_path || quantity == PS_Q_path_gradient || quantity == PS_Q_path_carried ||
           quantity == PS_Q_path_decay || quantity == PS_Q_path_residual;
}

static void scale_path(const ps_trace_reader *reader, const ps_trace_record *record, double *values, size_t count) {
    double steps = ps_trace_record_steps(record), sampled = ps_trace_record_sampled(&reader->header, record);
    if (sampled == steps) return;
    for (size_t i = 0; i < count; i++) {
        if (sampled == 0) values[i] = ps_absent();
        else if (!ps_is_absent(values[i])) values[i] *= steps / sampled;
    }
}

ps_status ps_trace_values_read(ps_trace_reader *reader, const ps_trace_record *record, ps_trace_quantity quantity,
                               const char *value, double *out) {
    const char *name = ps_quantity_name(quantity);
    size_t count, expected = (size_t)reader->header.layers[record->layer].channels;
    if (ps_quantity_is_layer(quantity)) {
        if (ps_scan_number(value, out) == NULL) return FAIL_HERE(reader, "\"%s\" must be one number (or null)", name);
        return PS_OK;
    }
    if (ps_scan_array(value, out, expected, &count) == NULL)
        return FAIL_HERE(reader, "\"%s\" must be an array of numbers (\"NaN\", \"Infinity\" and null are allowed)",
                         name);
    if (count != expected)
        return FAIL_HERE(reader, "\"%s\" of layer \"%s\" has %zu values for %zu channels", name,
                         reader->header.layers[record->layer].name, count, expected);
    if (is_path(quantity)) scale_path(reader, record, out, count);
    return PS_OK;
}
