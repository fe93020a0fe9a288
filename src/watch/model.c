#include "watch/model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/json.h"
#include "core/memory.h"
#include "core/text.h"
#include "trace/node_state.h"
#include "trace/trace_arm.h"
#include "trace/trace_schema.h"

enum { MOST_NODES = 1 << 24 };

double ps_series_last(const ps_series *series) { return series->count > 0 ? series->values[series->count - 1] : NAN; }

static ps_status push(ps_series *series, double value) {
    PS_TRY(PS_GROW(&series->values, &series->capacity, series->count + 1, "values of a series"));
    series->values[series->count++] = value;
    return PS_OK;
}

static const cJSON *get(const cJSON *object, const char *key) { return cJSON_GetObjectItemCaseSensitive(object, key); }
static double number_of(const cJSON *object, const char *key) {
    const cJSON *item = get(object, key);
    return cJSON_IsNumber(item) ? item->valuedouble : NAN;
}
static const char *text_of(const cJSON *object, const char *key) {
    const char *text = cJSON_GetStringValue(get(object, key));
    return text != NULL ? text : "";
}

/* ---- header ---- */

static bool has_frozen_weights(const cJSON *words) {
    const cJSON *word;
    bool found = false;
    cJSON_ArrayForEach(word, words) found |= cJSON_IsString(word) && strcmp(word->valuestring, "weight") == 0;
    return found;
}

static ps_status take_layer(ps_watch_model *model, const cJSON *item) {
    ps_watch_layer *layer = &model->layers[model->layer_count];
    double channels = number_of(item, PS_KEY(LAYER, channels));
    if (!(channels >= 1 && channels <= MOST_NODES - model->node_count))
        return ps_fail(PS_ERR_INPUT, "layer %d of the trace's header has no sound number of channels",
                       model->layer_count);
    PS_TRY(ps_string_copy(text_of(item, PS_KEY(LAYER, name)), &layer->name));
    layer->tells_dead = ps_trace_tells_dead(item, model->leaky);
    layer->shared = strcmp(text_of(item, PS_KEY(LAYER, kind)), PS_WORD(KIND, SHARED)) == 0;
    layer->frozen = has_frozen_weights(get(item, PS_KEY(LAYER, frozen)));
    layer->channels = (int)channels;
    layer->position = model->layer_count;
    layer->first_node = model->node_count;
    model->node_count += layer->channels;
    model->layer_count++;
    return PS_OK;
}

static ps_status take_header(ps_watch_model *model, const cJSON *record) {
    const cJSON *layers = get(record, PS_KEY(HEADER, layers)), *item;
    ps_trace_arm arm;
    if (strcmp(text_of(record, PS_KEY(HEADER, format)), PS_WORD(FORMAT, TRACE)) != 0)
        return ps_fail(PS_ERR_INPUT, "this is no trace: its first line is not a header");
    PS_TRY(ps_string_copy(text_of(get(record, PS_KEY(HEADER, model)), PS_KEY(MODEL, name)), &model->model));
    PS_TRY(ps_string_copy(text_of(record, PS_KEY(HEADER, arm)), &model->arm));
    ps_trace_task_read(record, &model->task); /* what is wrong with it the rules say */
    const cJSON *sample = get(get(record, PS_KEY(HEADER, data)), PS_KEY(DATA, sample));
    model->volumes = cJSON_GetNumberValue(cJSON_GetArrayItem(sample, 1)) > 1;
    model->seed = number_of(record, PS_KEY(HEADER, seed));
    model->steps = number_of(record, PS_KEY(HEADER, steps));
    ps_trace_arm_read(record, false, &arm);
    model->leaky = ps_arm_roles[arm.role].leaky;
    PS_TRY(PS_ALLOC((size_t)cJSON_GetArraySize(layers) + 1, &model->layers, "layers of a trace"));
    cJSON_ArrayForEach(item, layers) PS_TRY(take_layer(model, item));
    PS_TRY(PS_ALLOC((size_t)model->node_count + 1, &model->dead, "nodes of a trace"));
    PS_TRY(PS_ALLOC((size_t)model->node_count + 1, &model->scratch, "nodes of a trace"));
    memset(model->dead, -1, (size_t)model->node_count);
    model->probe_step = -1;
    model->images_per_second = model->peak_memory_bytes = NAN;
    model->has_header = true;
    return PS_OK;
}

/* ---- records ---- */

static ps_watch_layer *layer_of(ps_watch_model *model, const cJSON *record) {
    const char *name = text_of(record, PS_KEY(WINDOW, layer));
    for (int l = 0; l < model->layer_count; l++)
        if (strcmp(model->layers[l].name, name) == 0) return &model->layers[l];
    return NULL;
}

static ps_status take_step(ps_watch_model *model, const cJSON *record) {
    model->step = number_of(record, PS_KEY(STEP, step)) + 1;
    return push(&model->loss, number_of(record, ps_trace_step_quantities[PS_STEP_loss].name));
}

static int by_size(const void *a, const void *b) {
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

static ps_status take_window(ps_watch_model *model, const cJSON *record) {
    ps_watch_layer *layer = layer_of(model, record);
    const cJSON *values = get(record, PS_KEY(WINDOW, values));
    const cJSON *path = get(values, ps_quantity_name(PS_Q_path_gradient)),
                *norm = get(values, ps_quantity_name(PS_Q_weight_start_l2));
    size_t count = 0;
    if (layer == NULL || layer->frozen || !cJSON_IsArray(path) || !cJSON_IsArray(norm)) return PS_OK;
    for (path = path->child, norm = norm->child; path != NULL && norm != NULL && count < (size_t)layer->channels;
         path = path->next, norm = norm->next)
        if (cJSON_IsNumber(path) && cJSON_IsNumber(norm) && norm->valuedouble > 0)
            model->scratch[count++] = path->valuedouble / norm->valuedouble;
    if (count == 0) return PS_OK;
    qsort(model->scratch, count, sizeof *model->scratch, by_size);
    return push(&layer->inertia, model->scratch[count / 2]);
}

static void note_change(ps_watch_model *model, double step, int layer, int channel, bool revival) {
    model->changes[model->change_count++ % PS_WATCH_CHANGES] = (ps_watch_change){step, layer, channel, revival};
}

static void note_state(ps_watch_model *model, const ps_watch_layer *layer, int channel, double step, bool dead) {
    signed char *before = &model->dead[layer->first_node + channel];
    if (*before >= 0 && *before != dead) note_change(model, step, layer->position, channel, !dead);
    *before = dead;
}

static const cJSON *first_of(const cJSON *array) { return cJSON_IsArray(array) ? array->child : NULL; }
static double value_of(const cJSON *item) { return cJSON_IsNumber(item) ? item->valuedouble : NAN; }

static void add_counts(ps_watch_counts *sum, ps_watch_counts counts) {
    sum->known += counts.known;
    sum->dead += counts.dead;
    sum->edge += counts.edge;
}

static double share_of(const ps_watch_model *model, const ps_watch_counts *counts) {
    return model->probe_blown || counts->known == 0 ? (double)NAN : counts->dead / counts->known;
}

/* The network's share grows with the records of a probing; the last value of the series is that of the probing so
 * far. */
static ps_status add_to_share(ps_watch_model *model, double step, bool shared, ps_watch_counts counts) {
    if (step != model->probe_step) {
        model->probe_step = step;
        memset(&model->probe_own, 0, sizeof model->probe_own);
        memset(&model->probe_all, 0, sizeof model->probe_all);
        model->probe_blown = false;
        PS_TRY(push(&model->dead_share, NAN));
        PS_TRY(push(&model->dead_all_share, NAN));
    }
    model->probe_blown = model->probe_blown || isnan(counts.dead);
    add_counts(&model->probe_all, counts);
    if (!shared) add_counts(&model->probe_own, counts);
    model->dead_share.values[model->dead_share.count - 1] = share_of(model, &model->probe_own);
    model->dead_all_share.values[model->dead_all_share.count - 1] = share_of(model, &model->probe_all);
    return PS_OK;
}

/* "NaN" or "Infinity" among the sizes of its outputs. */
static bool is_blown(const cJSON *values) {
    static const ps_trace_quantity sizes[] = {PS_Q_mean_abs, PS_Q_rms};
    const cJSON *item;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        cJSON_ArrayForEach(item, get(values, ps_quantity_name(sizes[i]))) if (cJSON_IsString(item)) return true;
    return false;
}

static ps_status take_probe(ps_watch_model *model, const cJSON *record) {
    ps_watch_layer *layer = layer_of(model, record);
    const cJSON *values = get(record, PS_KEY(PROBE, values)), *nonzero = get(values, ps_quantity_name(PS_Q_nonzero)),
                *item;
    const cJSON *low = first_of(get(values, ps_quantity_name(PS_Q_pre_max_low)));
    const cJSON *high = first_of(get(values, ps_quantity_name(PS_Q_pre_max_high)));
    double step = number_of(record, PS_KEY(PROBE, step));
    ps_watch_counts n = {0, 0, 0};
    int channel = -1;
    if (layer == NULL || !layer->tells_dead || !cJSON_IsArray(nonzero) || number_of(record, PS_KEY(PROBE, images)) == 0)
        return PS_OK;
    if (is_blown(values)) {
        PS_TRY(push(&layer->dead, NAN));
        return add_to_share(model, step, layer->shared, (ps_watch_counts){0, NAN, 0});
    }
    cJSON_ArrayForEach(item, nonzero) {
        double least = value_of(low), most = value_of(high);
        low = low != NULL ? low->next : NULL;
        high = high != NULL ? high->next : NULL;
        if (++channel >= layer->channels || !cJSON_IsNumber(item)) continue;
        ps_node_state state = ps_node_state_of(item->valuedouble, least, most);
        model->knows_edge = model->knows_edge || (!isnan(least) && !isnan(most));
        n.known++;
        n.dead += state == PS_NODE_DEAD;
        n.edge += state == PS_NODE_EDGE;
        if (state != PS_NODE_EDGE) note_state(model, layer, channel, step, state == PS_NODE_DEAD);
    }
    if (n.known == 0) return PS_OK;
    PS_TRY(push(&layer->dead, n.dead / n.known));
    return add_to_share(model, step, layer->shared, n);
}

/* What is null, or of no image, was not measured. */
static ps_status take_eval(ps_watch_model *model, const cJSON *record) {
    const cJSON *value = get(record, model->task.measure[0].name);
    if (value == NULL || cJSON_IsNull(value) || number_of(record, PS_KEY(EVAL, count)) == 0) return PS_OK;
    return push(&model->measure, value_of(value));
}

static ps_status take_timing(ps_watch_model *model, const cJSON *record) {
    double rate = number_of(record, PS_KEY(TIMING, images_per_second)),
           memory = number_of(record, PS_KEY(TIMING, peak_memory_bytes));
    if (!isnan(rate)) model->images_per_second = rate;
    if (!isnan(memory)) model->peak_memory_bytes = memory;
    return PS_OK;
}

static ps_status take_event(ps_watch_model *model, const cJSON *record) {
    model->nonfinite += strcmp(text_of(record, PS_KEY(EVENT, event)), ps_event_word(PS_EVENT_NONFINITE)) == 0;
    return PS_OK;
}

static ps_status take_end(ps_watch_model *model, const cJSON *record) {
    free(model->status);
    model->status = NULL;
    /* As in comparisons: an end before the last planned step is that of a run that was stopped. */
    const char *status = text_of(record, PS_KEY(END, status));
    bool early = number_of(record, PS_KEY(END, steps)) < model->steps && strcmp(status, PS_WORD(STATUS, FINISHED)) == 0;
    return ps_string_copy(early ? "ended early" : status, &model->status);
}

static ps_status (*const takers[PS_RECORD_COUNT])(ps_watch_model *model, const cJSON *record) = {
    [PS_RECORD_STEP] = take_step,   [PS_RECORD_WINDOW] = take_window, [PS_RECORD_PROBE] = take_probe,
    [PS_RECORD_EVENT] = take_event, [PS_RECORD_EVAL] = take_eval,     [PS_RECORD_TIMING] = take_timing,
    [PS_RECORD_END] = take_end,
};

/* ---- lines ---- */

static void note_fault(void *context, const char *sentence, bool passed) {
    ps_watch_model *model = context;
    if (passed) return;
    model->is_broken = true;
    if (model->first_fault != NULL) return;
    model->first_broken = model->line;
    if (ps_string_copy(sentence, &model->first_fault) != PS_OK) model->first_fault = NULL; /* the count stays */
}

static ps_status take_record(ps_watch_model *model, const cJSON *record) {
    const char *word = text_of(record, PS_TRACE_TYPE);
    ps_record_type type = ps_record_find(word, strlen(word));
    if (!model->has_header) {
        PS_TRY(take_header(model, record));
        return ps_trace_rules_record(model->rules, record);
    }
    PS_TRY(ps_trace_rules_record(model->rules, record));
    return type != PS_RECORD_UNKNOWN && takers[type] != NULL ? takers[type](model, record) : PS_OK;
}

/* A damaged line must not end the view, but it must be seen. */
ps_status ps_watch_model_take(ps_watch_model *model, const char *line) {
    char buffer[400];
    const char *text = ++model->line == 1 ? ps_text_skip_mark(line) : line;
    if (model->rules == NULL) PS_TRY(ps_trace_rules_create(note_fault, model, &model->rules));
    const char *fault = ps_trace_line_fault(text, buffer, sizeof buffer);
    if (fault != NULL && !model->has_header)
        return ps_fail(PS_ERR_INPUT, "this is no trace: its first line is not a header (%s)", fault);
    model->is_broken = false;
    ps_status status = PS_OK;
    if (fault != NULL) {
        note_fault(model, fault, false);
    } else {
        cJSON *record;
        PS_TRY(ps_json_try(text, &record));
        status = record != NULL
                     ? take_record(model, record)
                     : ps_fail(PS_ERR_MEMORY, "no memory for line %llu of the trace", (unsigned long long)model->line);
        cJSON_Delete(record);
    }
    model->broken += model->is_broken;
    return status;
}

void ps_watch_model_clear(ps_watch_model *model) {
    for (int l = 0; l < model->layer_count; l++) {
        free(model->layers[l].name);
        ps_free_array(model->layers[l].dead.values);
        ps_free_array(model->layers[l].inertia.values);
    }
    ps_free_array(model->loss.values);
    ps_free_array(model->measure.values);
    ps_free_array(model->dead_share.values);
    ps_free_array(model->dead_all_share.values);
    ps_free(model->layers);
    ps_free(model->dead);
    ps_free(model->scratch);
    free(model->model);
    free(model->arm);
    free(model->status);
    free(model->first_fault);
    ps_trace_rules_destroy(model->rules);
    *model = (ps_watch_model){0};
}
