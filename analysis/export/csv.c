#include <string.h>

#include "analysis/export/export.h"
#include "core/json.h"

/* Every row names arm and seed, so that tables of several runs may be put one behind the other. */

typedef enum {
    STEPS,
    EVALS,
    CLASSES,
    EVENTS,
    WINDOWS,
    WINDOW_LAYERS,
    PROBES,
    PROBE_LAYERS,
    LAYERS,
    QUANTITIES,
    TABLES
} table;
static const char *const table_names[TABLES] = {"steps.csv",   "evals.csv",         "classes.csv", "events.csv",
                                                "windows.csv", "window_layers.csv", "probes.csv",  "probe_layers.csv",
                                                "layers.csv",  "quantities.csv"};

typedef struct {
    const ps_export *export;
    FILE *stream[TABLES];
    int probe; /* index of the probing that is read */
} csv;

/* ---- cells ---- */

static void put_text(FILE *stream, const char *text) {
    size_t length = strlen(text);
    bool quoted = strpbrk(text, ",\"\r\n") != NULL || (length > 0 && (text[0] == ' ' || text[length - 1] == ' '));
    if (quoted) fputc('"', stream);
    for (; *text != '\0'; text++) {
        if (*text == '"') fputc('"', stream);
        fputc(*text, stream);
    }
    if (quoted) fputc('"', stream);
}

static void next_text(FILE *stream, const char *text) {
    fputc(',', stream);
    put_text(stream, text);
}

static void next_number(FILE *stream, double value) {
    char buffer[32];
    fputc(',', stream);
    fputs(ps_export_number(value, buffer), stream);
}

/* A number that a row has for certain, or -1: not known. */
static void next_whole(FILE *stream, long long value) {
    if (value < 0) fputc(',', stream);
    else fprintf(stream, ",%lld", value);
}

static void next_name(const csv *c, FILE *stream, const char *name, const char *unit) {
    char text[600];
    if (c->export->units && unit[0] != '\0') snprintf(text, sizeof text, "%.400s [%.150s]", name, unit);
    else snprintf(text, sizeof text, "%.590s", name);
    next_text(stream, text);
}

static void begin_row(const csv *c, FILE *stream) {
    put_text(stream, c->export->header->arm);
    fprintf(stream, ",%lld", c->export->header->seed);
}

/* ---- lines of names ---- */

static ps_status begin(csv *c, table t, const char *columns) {
    PS_TRY(ps_export_add(c->export, table_names[t], &c->stream[t]));
    fprintf(c->stream[t], "arm,seed,%s", columns);
    return PS_OK;
}

static const char *unit_of(const ps_trace_measure *measure) {
    return ps_trace_measure_is_share(measure) ? "share" : measure->unit;
}

static ps_status begin_scalars(csv *c) {
    const ps_trace_task *task = &c->export->header->task;
    PS_TRY(begin(c, STEPS, "step"));
    for (int q = 0; q < PS_STEP_COUNT; q++)
        next_name(c, c->stream[STEPS], ps_trace_step_quantities[q].name, ps_trace_step_quantities[q].unit);
    fputc('\n', c->stream[STEPS]);
    PS_TRY(begin(c, EVALS, "step,split"));
    const char *nats = ps_trace_step_quantities[PS_STEP_loss].unit;
    next_name(c, c->stream[EVALS], PS_KEY(EVAL, loss), nats);
    next_name(c, c->stream[EVALS], PS_KEY(EVAL, loss_batch), nats);
    for (int m = 0; m < task->measures; m++)
        next_name(c, c->stream[EVALS], task->measure[m].name, unit_of(&task->measure[m]));
    fprintf(c->stream[EVALS], ",%s\n", PS_KEY(EVAL, count));
    return begin(c, EVENTS, "step,event,record\n");
}

static bool has(const ps_export *export, ps_record_type record, bool per_node) {
    for (int q = 0; q < export->quantity_count; q++)
        if (export->quantities[q].record == record && export->quantities[q].per_node == per_node) return true;
    return false;
}

/* Of nodes or of layers; a table of which no quantity is listed there is not. */
static ps_status begin_values(csv *c, table t, ps_record_type record, bool per_node, const char *columns) {
    const ps_export *export = c->export;
    if (!has(export, record, per_node)) return ps_export_leave_out(export, table_names[t]);
    PS_TRY(begin(c, t, columns));
    for (int q = 0; q < export->quantity_count; q++)
        if (export->quantities[q].record == record && export->quantities[q].per_node == per_node)
            next_name(c, c->stream[t], export->quantities[q].name, export->quantities[q].unit);
    fputc('\n', c->stream[t]);
    return PS_OK;
}

static ps_status begin_tables(csv *c) {
    PS_TRY(begin_scalars(c));
    PS_TRY(begin_values(c, WINDOWS, PS_RECORD_WINDOW, true, "window,first,last,sampled,layer,channel"));
    PS_TRY(begin_values(c, WINDOW_LAYERS, PS_RECORD_WINDOW, false, "window,first,last,sampled,layer"));
    PS_TRY(begin_values(c, PROBES, PS_RECORD_PROBE, true, "step,images,elements,layer,channel,state"));
    return begin_values(c, PROBE_LAYERS, PS_RECORD_PROBE, false, "step,images,elements,layer");
}

/* ---- tables that hold no records ---- */

static ps_status write_layers(csv *c) {
    const ps_trace_header *header = c->export->header;
    PS_TRY(begin(c, LAYERS, "layer,position,depth,stage,kind,activation,norm,pool_skip,channels,fan_in,elements\n"));
    FILE *stream = c->stream[LAYERS];
    for (int l = 0; l < header->layer_count; l++) {
        const ps_trace_layer *layer = &header->layers[l];
        begin_row(c, stream);
        next_text(stream, layer->name);
        next_whole(stream, layer->position);
        next_number(stream, layer->depth);
        next_text(stream, layer->stage);
        next_text(stream, layer->heads ? PS_WORD(KIND, ATTENTION) : layer->shared ? PS_WORD(KIND, SHARED) : "private");
        next_text(stream, layer->activation);
        next_text(stream, layer->norm != NULL ? layer->norm : "");
        next_text(stream, layer->pool_skip != NULL ? layer->pool_skip : "");
        next_whole(stream, layer->channels);
        next_number(stream, layer->fan_in);
        next_number(stream, layer->elements > 0 ? layer->elements : ps_absent());
        fputc('\n', stream);
    }
    return PS_OK;
}

static void put_quantity(csv *c, const char *name, const char *unit, const char *record, const char *per,
                         const char *description) {
    FILE *stream = c->stream[QUANTITIES];
    begin_row(c, stream);
    next_text(stream, name);
    next_text(stream, unit);
    next_text(stream, record);
    next_text(stream, per);
    next_text(stream, description);
    fputc('\n', stream);
}

static ps_status write_quantities(csv *c) {
    const ps_export *export = c->export;
    PS_TRY(begin(c, QUANTITIES, "name,unit,record,per,description\n"));
    for (int q = 0; q < PS_STEP_COUNT; q++) {
        const ps_trace_quantity_line *line = &ps_trace_step_quantities[q];
        put_quantity(c, line->name, line->unit, ps_record_word(PS_RECORD_STEP), ps_words_at(PS_WORDS_PER, PS_PER_STEP),
                     line->description);
    }
    for (int q = 0; q < export->quantity_count; q++) {
        const ps_export_quantity *line = &export->quantities[q];
        put_quantity(c, line->name, line->unit, ps_record_word(line->record),
                     ps_words_at(PS_WORDS_PER, line->per_node ? PS_PER_NODE : PS_PER_LAYER), line->description);
    }
    return PS_OK;
}

/* ---- records ---- */

static void write_step(csv *c, const ps_trace_record *record) {
    FILE *stream = c->stream[STEPS];
    double value[PS_STEP_COUNT];
    ps_export_step_read(record, value);
    begin_row(c, stream);
    next_number(stream, record->step);
    for (int q = 0; q < PS_STEP_COUNT; q++) next_number(stream, value[q]);
    fputc('\n', stream);
}

static void write_class_measure(csv *c, const ps_trace_record *record, const cJSON *values) {
    const char *name;
    const cJSON *value;
    int k = 0;
    cJSON_ArrayForEach(value, values) {
        FILE *stream = c->stream[CLASSES];
        begin_row(c, stream);
        next_number(stream, record->step);
        next_text(stream, record->split);
        next_text(stream, values->string);
        next_whole(stream, k);
        name = ps_trace_class_name(c->export->header->document, k++);
        next_text(stream, name != NULL ? name : "");
        next_number(stream, cJSON_IsNull(value) ? ps_absent() : ps_value_of(value));
        fputc('\n', stream);
    }
}

/* The table is begun with the first evaluation that has any. */
static ps_status write_classes(csv *c, const ps_trace_record *record) {
    cJSON *tree;
    const cJSON *values;
    ps_status status = PS_OK;
    PS_TRY(ps_json_try(record->text, &tree));
    const cJSON *classes = cJSON_GetObjectItemCaseSensitive(tree, PS_KEY(EVAL, classes));
    if (classes != NULL && c->stream[CLASSES] == NULL)
        status = begin(c, CLASSES, "step,split,measure,class,class_name,value\n");
    if (status == PS_OK) cJSON_ArrayForEach(values, classes) write_class_measure(c, record, values);
    cJSON_Delete(tree);
    return status;
}

static ps_status write_evaluation(csv *c, const ps_trace_record *record) {
    FILE *stream = c->stream[EVALS];
    ps_export_evaluation evaluation;
    PS_TRY(ps_export_evaluation_read(record, &evaluation));
    begin_row(c, stream);
    next_number(stream, record->step);
    next_text(stream, record->split);
    next_number(stream, evaluation.loss);
    next_number(stream, evaluation.loss_batch);
    for (int m = 0; m < c->export->header->task.measures; m++) next_number(stream, evaluation.measured[m]);
    next_number(stream, record->count);
    fputc('\n', stream);
    return write_classes(c, record);
}

static void write_event(csv *c, const ps_trace_record *record) {
    FILE *stream = c->stream[EVENTS];
    begin_row(c, stream);
    next_number(stream, record->step);
    next_text(stream, record->event);
    next_text(stream, record->text);
    fputc('\n', stream);
}

static ps_status take_record(void *self, const ps_trace_record *record) {
    csv *c = self;
    switch (record->type) {
        case PS_RECORD_STEP: write_step(c, record); return PS_OK;
        case PS_RECORD_EVAL: return write_evaluation(c, record);
        case PS_RECORD_EVENT: write_event(c, record); return PS_OK;
        default: return PS_OK;
    }
}

/* What it counts as at the probing, by all that the trace says of it. */
static const char *state_word(const csv *c, int node) {
    unsigned state = ps_run_node_state(c->export->run, c->probe, node);
    return ps_state_edge(state)     ? "edge"
           : !ps_state_known(state) ? ""
           : ps_state_dead(state)   ? "dead"
           : ps_state_near(state)   ? "near-dead"
                                    : "alive";
}

static void begin_values_row(const csv *c, FILE *stream, const ps_trace_record *record) {
    const ps_trace_header *header = c->export->header;
    begin_row(c, stream);
    if (record->type == PS_RECORD_WINDOW) {
        next_number(stream, record->window);
        next_number(stream, record->first);
        next_number(stream, record->last);
        next_number(stream, ps_trace_record_sampled(header, record));
    } else {
        next_number(stream, record->step);
        next_number(stream, record->images);
        next_number(stream, record->elements);
    }
    next_text(stream, header->layers[record->layer].name);
}

static void put_values(const csv *c, FILE *stream, const ps_trace_record *record, const double *const *value,
                       int channel) {
    const ps_export *export = c->export;
    for (int q = 0; q < export->quantity_count; q++) {
        if (export->quantities[q].record != record->type || export->quantities[q].per_node != (channel >= 0)) continue;
        next_number(stream, value[q] != NULL ? value[q][channel >= 0 ? channel : 0] : ps_absent());
    }
    fputc('\n', stream);
}

static void find_probe(csv *c, const ps_trace_record *record) {
    const ps_run *run = c->export->run;
    while (c->probe < run->probe_count - 1 && (double)run->probes[c->probe].step < record->step) c->probe++;
}

static ps_status take_layer(void *self, const ps_trace_record *record, const double *const *value) {
    csv *c = self;
    bool window = record->type == PS_RECORD_WINDOW;
    const ps_trace_layer *layer = &c->export->header->layers[record->layer];
    FILE *nodes = c->stream[window ? WINDOWS : PROBES], *layers = c->stream[window ? WINDOW_LAYERS : PROBE_LAYERS];
    if (!window) find_probe(c, record);
    for (int k = 0; nodes != NULL && k < layer->channels; k++) {
        begin_values_row(c, nodes, record);
        next_whole(nodes, k);
        if (!window) next_text(nodes, state_word(c, layer->first_node + k));
        put_values(c, nodes, record, value, k);
    }
    if (layers == NULL) return PS_OK;
    begin_values_row(c, layers, record);
    put_values(c, layers, record, value, -1);
    return PS_OK;
}

ps_status ps_export_write_csv(const ps_export *export) {
    csv c = {.export = export};
    const ps_export_visitor visitor = {&c, take_record, take_layer};
    PS_TRY(begin_tables(&c));
    PS_TRY(write_layers(&c));
    PS_TRY(write_quantities(&c));
    PS_TRY(ps_export_stream(export, &visitor));
    return c.stream[CLASSES] != NULL ? PS_OK : ps_export_leave_out(export, table_names[CLASSES]);
}
