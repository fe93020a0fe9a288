#include "analysis/run.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/fixed.h"
#include "core/json.h"
#include "core/memory.h"
#include "trace/node_state.h"

static const ps_dead_rule exact_rule = {PS_STATE_KNOWN, PS_STATE_DEAD, PS_STATE_NEAR};
const ps_inert_rule ps_inert_primary = {PS_FIXED_INERT, 0};

const char *ps_run_status_name(ps_run_status status) {
    static const char *const names[] = {
#define STATUS(name, word) word,
        PS_RUN_STATUSES(STATUS)
#undef STATUS
    };
    return names[status];
}

bool ps_run_lacks_end(ps_run_status status) { return status == PS_RUN_UNFINISHED || status == PS_RUN_NONFINITE; }

int ps_run_first_known(const ps_run *run) {
    for (int p = 0; p < run->probe_count; p++)
        for (int node = 0; node < run->node_count; node++)
            if (ps_state_seen(ps_run_node_state(run, p, node))) return p;
    return -1;
}

bool ps_run_knows_edge(const ps_run *run) {
    for (int p = 0; p < run->probe_count; p++)
        for (int node = 0; node < run->node_count; node++)
            if ((ps_run_node_state(run, p, node) & PS_STATE_EDGE_KNOWN) != 0) return true;
    return false;
}

/* As recorded, whatever the rule: every definition of deadness knows its nodes at a finite probe. */
static bool is_finite_probe(const ps_run *run, int probe) {
    size_t place = (size_t)(run->probe_map != NULL ? run->probe_map[probe] : probe);
    for (int node = 0; node < run->node_count; node++)
        if (run->states[place * (size_t)run->node_count + (size_t)node] != 0) return true;
    return false;
}

bool ps_run_counts(const ps_run *run, const ps_window_info *window) {
    return run->status != PS_RUN_DIVERGED || (window->after >= 0 && is_finite_probe(run, window->after));
}

#define FAIL_AT(run, record, ...) fail_at((run), (record)->line, __VA_ARGS__)
static ps_status __attribute__((format(printf, 3, 4))) fail_at(const ps_run *run, uint64_t line, const char *format,
                                                               ...) {
    char sentence[400];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(sentence, sizeof sentence, format, arguments);
    va_end(arguments);
    return ps_fail(PS_ERR_INPUT, "%s:%llu: %s", run->header->path, (unsigned long long)line, sentence);
}

/* ---- frames: gathering the records of one window or probe ---- */

typedef struct {
    double *storage[PS_Q_COUNT]; /* allocated when a quantity first appears */
    bool used[PS_Q_COUNT];
    uint64_t *line;
    double *images, *elements, *sampled;
    bool open, is_window, blown; /* blown: an event said that outputs were not finite at this probing */
    double key;                  /* window number or probe step */
} frame_builder;

static void clear_builder(frame_builder *builder) {
    for (int q = 0; q < PS_Q_COUNT; q++) ps_free(builder->storage[q]);
    ps_free(builder->line);
    ps_free(builder->images);
    ps_free(builder->elements);
    ps_free(builder->sampled);
}

static ps_status init_builder(frame_builder *builder, const ps_run *run) {
    memset(builder, 0, sizeof *builder);
    size_t layers = (size_t)run->layer_count + 1; /* never a zero size */
    PS_TRY(PS_ALLOC(layers, &builder->line, "lines of a frame"));
    PS_TRY(PS_ALLOC(layers, &builder->images, "images of a frame"));
    PS_TRY(PS_ALLOC(layers, &builder->sampled, "steps of a frame"));
    return PS_ALLOC(layers, &builder->elements, "elements of a frame");
}

static size_t values_of(const ps_run *run, int quantity) {
    return (size_t)(ps_quantity_is_layer((ps_trace_quantity)quantity) ? run->layer_count : run->node_count);
}

static void start_frame(frame_builder *builder, const ps_run *run, const ps_trace_record *record) {
    size_t layers = (size_t)run->layer_count;
    builder->open = true;
    builder->blown = false;
    builder->is_window = record->type == PS_RECORD_WINDOW;
    builder->key = builder->is_window ? record->window : record->step;
    memset(builder->used, 0, sizeof builder->used);
    memset(builder->line, 0, layers * sizeof *builder->line);
    memset(builder->images, 0, layers * sizeof *builder->images);
    memset(builder->elements, 0, layers * sizeof *builder->elements);
    memset(builder->sampled, 0, layers * sizeof *builder->sampled);
}

static ps_status use_quantity(frame_builder *builder, const ps_run *run, ps_trace_quantity quantity) {
    if (builder->used[quantity]) return PS_OK;
    size_t count = values_of(run, quantity);
    if (builder->storage[quantity] == NULL) PS_TRY(PS_ALLOC(count, &builder->storage[quantity], "values of a frame"));
    for (size_t i = 0; i < count; i++) builder->storage[quantity][i] = ps_absent();
    builder->used[quantity] = true;
    return PS_OK;
}

/* Frozen weights stand still, and that says nothing of the node. */
static bool is_movement(ps_trace_quantity quantity) {
    static const ps_trace_quantity movements[] = {PS_Q_path,         PS_Q_path_gradient, PS_Q_path_carried,
                                                  PS_Q_path_decay,   PS_Q_path_residual, PS_Q_net,
                                                  PS_Q_net_gradient, PS_Q_net_decay};
    for (size_t i = 0; i < sizeof movements / sizeof *movements; i++)
        if (movements[i] == quantity) return true;
    return false;
}

/* What GELU rounds to 0 is no shut gate: of an activation that FORMAT.md does not name, what is counted of zeros stays
 * unknown, and with it who is dead. */
static bool is_told(const ps_trace_layer *layer, ps_trace_quantity quantity) {
    if (layer->weight_frozen && is_movement(quantity)) return false;
    if (layer->readers_frozen && quantity == PS_Q_out_net_gradient) return false;
    return layer->tells_dead || !ps_trace_quantities[quantity].rectified;
}

static ps_status add_record(frame_builder *builder, const ps_run *run, ps_trace_reader *reader,
                            const ps_trace_record *record, const bool *wanted) {
    const ps_trace_layer *layer = &run->layers[record->layer];
    const char *cursor = record->values, *value;
    ps_trace_quantity quantity;
    builder->line[record->layer] = record->line;
    if (record->type == PS_RECORD_WINDOW)
        builder->sampled[record->layer] = ps_trace_record_sampled(run->header, record);
    builder->images[record->layer] = ps_is_absent(record->images) ? 0 : record->images;
    builder->elements[record->layer] =
        !ps_is_absent(record->elements) ? record->elements : builder->images[record->layer] * layer->elements;
    for (;;) {
        PS_TRY(ps_trace_values_next(reader, record, &cursor, &quantity, &value));
        if (quantity == PS_Q_COUNT) return PS_OK;
        if (!wanted[quantity] || !is_told(layer, quantity)) continue;
        PS_TRY(use_quantity(builder, run, quantity));
        int place = ps_quantity_is_layer(quantity) ? record->layer : layer->first_node;
        PS_TRY(ps_trace_values_read(reader, record, quantity, value, builder->storage[quantity] + place));
    }
}

static void publish(const frame_builder *builder, ps_frame *frame, int index) {
    memset(frame, 0, sizeof *frame);
    frame->is_window = builder->is_window;
    frame->index = index;
    frame->line = builder->line;
    frame->images = builder->images;
    frame->elements = builder->elements;
    frame->sampled = builder->sampled;
    for (int q = 0; q < PS_Q_COUNT; q++) {
        if (!builder->used[q]) continue;
        if (ps_quantity_is_layer((ps_trace_quantity)q)) frame->layer[q] = builder->storage[q];
        else frame->node[q] = builder->storage[q];
    }
}

/* ---- first pass ---- */

static bool valid(double value) { return !isnan(value); }

static bool is_near(double nonzero, double elements, double from) {
    return nonzero != 0 && elements > 0 && 1 - nonzero / elements >= from;
}

static unsigned silence_of(double nonzero, double elements, unsigned dead, unsigned near) {
    if (nonzero == 0) return dead;
    return is_near(nonzero, elements, PS_FIXED_NEAR_DEAD) ? near : 0;
}

/* Near-dead by the other thresholds. */
static unsigned nearness_of(double nonzero, double elements) {
    return (is_near(nonzero, elements, PS_FIXED_NEAR_DEAD_LOW) ? PS_STATE_NEAR_LOW : 0u) |
           (is_near(nonzero, elements, PS_FIXED_NEAR_DEAD_HIGH) ? PS_STATE_NEAR_HIGH : 0u);
}

/* The first half of n images are the first ceil(n / 2), as FORMAT.md says. */
static double elements_of_part(const ps_frame *frame, int layer, double parts) {
    double images = frame->images[layer];
    return images > 0 ? frame->elements[layer] * ceil(images / parts) / images : 0;
}

/* By the bounds of what enters the gate where they were recorded, else by whether an output differs from 0. */
static unsigned primary_of(const ps_frame *frame, int layer, int node) {
    const double *low = frame->node[PS_Q_pre_max_low], *high = frame->node[PS_Q_pre_max_high];
    double nonzero = frame->node[PS_Q_nonzero][node], elements = frame->elements[layer];
    double least = low != NULL ? low[node] : NAN, most = high != NULL ? high[node] : NAN;
    unsigned known = valid(least) && valid(most) ? PS_STATE_EDGE_KNOWN : 0u;
    switch (ps_node_state_of(nonzero, least, most)) {
        case PS_NODE_EDGE: return known | PS_STATE_EDGE;
        case PS_NODE_DEAD: return known | PS_STATE_KNOWN | PS_STATE_DEAD;
        default:
            return known | PS_STATE_KNOWN | (is_near(nonzero, elements, PS_FIXED_NEAR_DEAD) ? PS_STATE_NEAR : 0u) |
                   nearness_of(nonzero, elements);
    }
}

static unsigned activity_of(const ps_frame *frame, int layer, int node) {
    const double *nonzero = frame->node[PS_Q_nonzero], *evaluated = frame->node[PS_Q_nonzero_eval];
    const double *half = frame->node[PS_Q_nonzero_half], *quarter = frame->node[PS_Q_nonzero_quarter];
    unsigned state = 0;
    if (nonzero != NULL && valid(nonzero[node])) state |= primary_of(frame, layer, node);
    if (evaluated != NULL && valid(evaluated[node]))
        state |= PS_STATE_EVAL_KNOWN | (evaluated[node] == 0 ? PS_STATE_EVAL_DEAD : 0u);
    if (half == NULL || quarter == NULL || !valid(half[node]) || !valid(quarter[node])) return state;
    return state | PS_STATE_PART_KNOWN |
           silence_of(half[node], elements_of_part(frame, layer, 2), PS_STATE_HALF_DEAD, PS_STATE_HALF_NEAR) |
           silence_of(quarter[node], elements_of_part(frame, layer, 4), PS_STATE_QUARTER_DEAD, PS_STATE_QUARTER_NEAR);
}

/* A node whose mean |h| is 0 is dormant at every threshold, also where the whole layer is silent (0 / 0). */
static unsigned dormancy_of(double mean_abs, double layer_mean) {
    if (!valid(mean_abs)) return 0;
    double score = mean_abs == 0 ? 0 : mean_abs / layer_mean;
    return PS_STATE_DORMANT_KNOWN | (score <= 0 ? PS_STATE_DORMANT_0 : 0u) |
           (score <= 0.025 ? PS_STATE_DORMANT_025 : 0u) | (score <= 0.1 ? PS_STATE_DORMANT_100 : 0u);
}

static void note_layer_states(ps_run *run, const ps_frame *frame, int l, uint32_t *states) {
    const ps_trace_layer *layer = &run->layers[l];
    const double *mean_abs = frame->node[PS_Q_mean_abs];
    double sum = 0;
    for (int c = 0; c < layer->channels; c++) {
        int node = layer->first_node + c;
        states[node] = activity_of(frame, l, node);
        if (mean_abs != NULL) sum += mean_abs[node];
    }
    for (int c = 0; mean_abs != NULL && c < layer->channels; c++)
        states[layer->first_node + c] |= dormancy_of(mean_abs[layer->first_node + c], sum / layer->channels);
}

/* Zeros of the latest window, for the state at the probe that ends it. */
typedef struct {
    double *zeros;
    long long last; /* its last step, -1: no window yet */
} shut_gates;

static void note_shut(const ps_run *run, const shut_gates *shut, long long step, uint32_t *states) {
    if (shut->last < 0 || shut->last + 1 != step) return;
    for (int node = 0; node < run->node_count; node++)
        if (valid(shut->zeros[node]))
            states[node] |= PS_STATE_TRAIN_KNOWN | (shut->zeros[node] == 1 ? PS_STATE_TRAIN_DEAD : 0u);
}

/* Whether some node's output was recorded and is not finite. A NaN counts as an output other than zero, so the nonzero
 * of such a probe say nothing: once a run has diverged, every node would pass for alive. */
static bool blown_up(const ps_run *run, const ps_frame *frame) {
    static const ps_trace_quantity sizes[] = {PS_Q_mean_abs, PS_Q_rms};
    for (size_t q = 0; q < sizeof sizes / sizeof *sizes; q++)
        for (int node = 0; frame->node[sizes[q]] != NULL && node < run->node_count; node++) {
            double value = frame->node[sizes[q]][node];
            if (!ps_is_absent(value) && !isfinite(value)) return true;
        }
    return false;
}

/* The same of evaluation mode, whose outputs were NaN where nonzero_eval is. */
static bool blown_up_eval(const ps_run *run, const ps_frame *frame) {
    const double *evaluated = frame->node[PS_Q_nonzero_eval];
    for (int node = 0; evaluated != NULL && node < run->node_count; node++)
        if (!ps_is_absent(evaluated[node]) && isnan(evaluated[node])) return true;
    return false;
}

/* So many steps were trained, whether each has a record or not. */
static void note_done(ps_run *run, double steps) {
    if ((long long)steps > run->steps_done) run->steps_done = (long long)steps;
}

static ps_status note_probe(ps_run *run, const frame_builder *builder, const shut_gates *shut) {
    ps_frame frame;
    long long step = (long long)builder->key;
    publish(builder, &frame, run->probe_count);
    size_t count = (size_t)run->probe_count + 1, nodes = (size_t)run->node_count;
    PS_TRY(PS_GROW(&run->probes, &run->probe_capacity, count, "probes"));
    if (nodes > 0) PS_TRY(PS_GROW(&run->states, &run->state_capacity, count * nodes, "states of nodes"));
    ps_probe_info *probe = &run->probes[run->probe_count];
    probe->step = step;
    probe->images = 0;
    note_done(run, builder->key);
    bool blown = probe->blown = builder->blown || blown_up(run, &frame);
    for (int l = 0; l < run->layer_count; l++) {
        if (frame.line[l] == 0) continue;
        if (frame.images[l] > probe->images) probe->images = frame.images[l];
        if (!blown) note_layer_states(run, &frame, l, run->states + (count - 1) * nodes);
    }
    if (!blown) note_shut(run, shut, step, run->states + (count - 1) * nodes);
    if (blown_up_eval(run, &frame))
        for (size_t node = 0; node < nodes; node++)
            run->states[(count - 1) * nodes + node] &= ~(unsigned)(PS_STATE_EVAL_KNOWN | PS_STATE_EVAL_DEAD);
    run->probe_count++;
    return PS_OK;
}

/* Only the zeros are read, and nothing behind them. */
static ps_status read_zeros(const ps_run *run, const ps_trace_record *record, shut_gates *shut) {
    const char *cursor = record->values, *value;
    ps_trace_quantity quantity;
    if ((long long)record->last != shut->last)
        for (int node = 0; node < run->node_count; node++) shut->zeros[node] = ps_absent();
    shut->last = (long long)record->last;
    do {
        PS_TRY(ps_trace_values_next(run->reader, record, &cursor, &quantity, &value));
        if (quantity == PS_Q_zeros && is_told(&run->layers[record->layer], quantity))
            return ps_trace_values_read(run->reader, record, quantity, value,
                                        shut->zeros + run->layers[record->layer].first_node);
    } while (quantity != PS_Q_COUNT);
    return PS_OK;
}

static ps_status note_window(ps_run *run, const ps_trace_record *record) {
    ps_window_info *last = run->window_count > 0 ? &run->windows[run->window_count - 1] : NULL;
    if (last != NULL && record->window == (double)last->window) return PS_OK;
    PS_TRY(PS_GROW(&run->windows, &run->window_capacity, (size_t)run->window_count + 1, "windows"));
    ps_window_info *window = &run->windows[run->window_count++];
    window->window = (long long)record->window;
    window->first = (long long)record->first;
    window->last = (long long)record->last;
    window->lr_sum = ps_absent();
    note_done(run, record->last + 1);
    return PS_OK;
}

static ps_status note_step(ps_run *run, const ps_trace_record *record) {
    PS_TRY(PS_GROW(&run->lr, &run->lr_capacity, run->lr_count + 1, "learning rates"));
    run->lr[run->lr_count++] = (ps_run_rate){(long long)record->step, record->lr};
    note_done(run, record->step + 1);
    return PS_OK;
}

static ps_status intern_cause(ps_run *run, const char *cause, char **out) {
    for (size_t i = 0; i < run->planted_cause_count; i++)
        if (strcmp(run->planted_causes[i], cause) == 0) {
            *out = run->planted_causes[i];
            return PS_OK;
        }
    PS_TRY(PS_GROW(&run->planted_causes, &run->planted_capacity, run->planted_cause_count + 1, "planted causes"));
    PS_TRY(ps_string_copy(cause, &run->planted_causes[run->planted_cause_count]));
    *out = run->planted_causes[run->planted_cause_count++];
    return PS_OK;
}

static ps_status note_planted(ps_run *run, const ps_trace_record *record, const cJSON *event) {
    const cJSON *cause = cJSON_GetObjectItemCaseSensitive(event, PS_KEY(PLANTED, cause)), *channel;
    const cJSON *channels = cJSON_GetObjectItemCaseSensitive(event, PS_KEY(PLANTED, channels));
    const ps_trace_layer *layer = &run->layers[record->layer];
    char *name;
    PS_TRY(intern_cause(run, cJSON_IsString(cause) ? cause->valuestring : "unnamed", &name));
    cJSON_ArrayForEach(channel, channels) {
        double c = cJSON_IsNumber(channel) ? channel->valuedouble : -1;
        if (!(c >= 0 && c < layer->channels))
            return FAIL_AT(run, record, "a planted channel is not among the %d channels of layer \"%s\"",
                           layer->channels, layer->name);
        run->planted[layer->first_node + (int)c] = name;
    }
    return PS_OK;
}

static ps_status note_event(ps_run *run, const ps_trace_record *record) {
    if (ps_trace_record_is_event(record, PS_EVENT_DIVERGED)) run->status = PS_RUN_DIVERGED;
    if (ps_trace_record_is_event(record, PS_EVENT_FORKED)) run->forked = true;
    if (!ps_trace_record_is_event(record, PS_EVENT_PLANTED)) return PS_OK;
    cJSON *event;
    PS_TRY(ps_json_try(record->text, &event));
    ps_status status = note_planted(run, record, event);
    cJSON_Delete(event);
    return status;
}

static void note_end(ps_run *run, const ps_trace_record *record) {
    if (run->status != PS_RUN_DIVERGED)
        run->status = strcmp(record->status, PS_WORD(STATUS, DIVERGED)) == 0 ? PS_RUN_DIVERGED : PS_RUN_FINISHED;
    run->has_end = true;
    if (!ps_is_absent(record->steps)) run->steps_done = (long long)record->steps;
    bool short_of_plan = run->header->steps > 0 && run->steps_done < run->header->steps;
    if (run->status == PS_RUN_FINISHED && short_of_plan) run->status = PS_RUN_UNFINISHED;
    if (!ps_trace_record_is_of_test(record)) return;
    for (int m = 0; m < PS_TRACE_MOST_MEASURES; m++)
        if (ps_is_absent(run->test_measure[m])) run->test_measure[m] = record->measured[m];
    if (ps_is_absent(run->test_loss)) run->test_loss = record->loss;
}

static bool knows_states(const ps_run *run, int probe) {
    bool known = false;
    for (int node = 0; node < run->node_count && !known; node++) {
        unsigned state = ps_run_node_state(run, probe, node);
        known = ps_state_known(state) || ps_state_edge(state);
    }
    return known;
}

/* Asked when all is read. */
static void judge_end(ps_run *run) {
    int last = run->probe_count - 1;
    if (run->status != PS_RUN_FINISHED || last < 0 || knows_states(run, last)) return;
    bool once = run->probes[last].blown;
    for (int p = 0; p < last && !once; p++) once = knows_states(run, p);
    if (once) run->status = PS_RUN_NONFINITE;
}

static ps_status note_other(ps_run *run, const ps_trace_record *record) {
    switch (record->type) {
        case PS_RECORD_STEP: return note_step(run, record);
        case PS_RECORD_EVENT: return note_event(run, record);
        case PS_RECORD_END: note_end(run, record); break;
        case PS_RECORD_EVAL:
            if (!ps_trace_record_is_of_test(record)) break;
            if (!ps_trace_record_measured(record) && ps_is_absent(record->loss)) break;
            memcpy(run->test_measure, record->measured, sizeof run->test_measure);
            run->test_images = record->count;
            run->test_loss = record->loss;
            break;
        case PS_RECORD_TIMING:
            if (!ps_is_absent(record->record_ns)) run->record_ns = record->record_ns;
            if (!ps_is_absent(record->probe_ns)) run->probe_ns = record->probe_ns;
            if (!ps_is_absent(record->train_ns)) run->train_ns = record->train_ns;
            if (!ps_is_absent(record->peak_memory_bytes)) run->peak_memory_bytes = record->peak_memory_bytes;
            break;
        default: break;
    }
    return PS_OK;
}

/* Events, evaluations and unknown records may stand between the records of one probe or window. */
static bool ends_frame(const frame_builder *builder, const ps_trace_record *record) {
    if (record->type == PS_RECORD_WINDOW) return !builder->is_window || record->window != builder->key;
    if (record->type == PS_RECORD_PROBE) return builder->is_window || record->step != builder->key;
    return record->type == PS_RECORD_STEP || record->type == PS_RECORD_END;
}

/* A trace that records little says by the event alone that a probing met outputs which are not finite. */
static ps_status note_nonfinite(frame_builder *builder, const ps_trace_record *record) {
    if (!builder->open || !ps_trace_record_is_event(record, PS_EVENT_NONFINITE)) return PS_OK;
    cJSON *event;
    PS_TRY(ps_json_try(record->text, &event));
    const char *what = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(event, PS_KEY(NONFINITE, what)));
    if (what != NULL && strcmp(what, "activation") == 0 && record->step == builder->key) builder->blown = true;
    cJSON_Delete(event);
    return PS_OK;
}

static ps_status first_pass(ps_run *run, frame_builder *builder, shut_gates *shut) {
    static const bool wanted[PS_Q_COUNT] = {
        [PS_Q_nonzero] = true,         [PS_Q_nonzero_eval] = true, [PS_Q_nonzero_half] = true,
        [PS_Q_nonzero_quarter] = true, [PS_Q_pre_max_low] = true,  [PS_Q_pre_max_high] = true,
        [PS_Q_mean_abs] = true,        [PS_Q_rms] = true};
    for (;;) {
        ps_trace_record record;
        bool more;
        PS_TRY(ps_trace_reader_next(run->reader, &record, &more));
        if (builder->open && (!more || ends_frame(builder, &record))) {
            PS_TRY(note_probe(run, builder, shut));
            builder->open = false;
        }
        if (!more) break;
        run->lines = record.line;
        if (record.type == PS_RECORD_PROBE) {
            if (!builder->open) start_frame(builder, run, &record);
            run->in_probes[record.layer] = true;
            PS_TRY(add_record(builder, run, run->reader, &record, wanted));
        } else if (record.type == PS_RECORD_WINDOW) {
            run->in_windows[record.layer] = true;
            PS_TRY(note_window(run, &record));
            PS_TRY(read_zeros(run, &record, shut));
        } else {
            PS_TRY(note_nonfinite(builder, &record));
            PS_TRY(note_other(run, &record));
        }
    }
    run->cut = ps_trace_reader_was_cut(run->reader);
    return PS_OK;
}

/* Of the window's steps, each of which must have one; *at moves forward from window to window. */
static double sum_rates(const ps_run *run, const ps_window_info *window, size_t *at) {
    double sum = 0;
    long long count = 0;
    while (*at < run->lr_count && run->lr[*at].step < window->first) ++*at;
    for (; *at < run->lr_count && run->lr[*at].step <= window->last; ++*at, count++) sum += run->lr[*at].lr;
    return isnan(sum) || count != window->last - window->first + 1 ? ps_absent() : sum;
}

void ps_run_link_windows(ps_run *run) {
    int before = -1, after = 0; /* both only move forward, as windows and probes stand in order */
    size_t rate = 0;
    for (int w = 0; w < run->window_count; w++) {
        ps_window_info *window = &run->windows[w];
        while (before + 1 < run->probe_count && run->probes[before + 1].step <= window->first) before++;
        while (after < run->probe_count && run->probes[after].step <= window->last) after++;
        window->before = before;
        window->after = after < run->probe_count ? after : -1;
        window->lr_sum = sum_rates(run, window, &rate);
    }
}

static ps_status allocate(ps_run *run) {
    size_t nodes = (size_t)run->node_count + 1;
    PS_TRY(PS_ALLOC(nodes, &run->node_layer, "layers of nodes"));
    PS_TRY(PS_ALLOC(nodes, &run->planted, "planted nodes"));
    PS_TRY(PS_ALLOC((size_t)run->layer_count + 1, &run->in_windows, "layers of a run"));
    PS_TRY(PS_ALLOC((size_t)run->layer_count + 1, &run->in_probes, "layers of a run"));
    for (int l = 0; l < run->layer_count; l++)
        for (int c = 0; c < run->layers[l].channels; c++) run->node_layer[run->layers[l].first_node + c] = l;
    return PS_OK;
}

ps_status ps_run_open(const char *path, const char *arm, ps_run **out) {
    ps_status status = PS_OK;
    frame_builder builder;
    shut_gates shut = {NULL, -1};
    ps_run *run = calloc(1, sizeof *run);
    memset(&builder, 0, sizeof builder);
    *out = NULL;
    if (run == NULL) return ps_fail(PS_ERR_MEMORY, "no memory for a run");
    PS_TRY_CLEANUP(ps_trace_reader_open(path, &run->reader));
    run->header = ps_trace_reader_header(run->reader);
    run->arm = arm;
    run->layers = run->header->layers;
    run->layer_count = run->header->layer_count;
    run->node_count = run->header->node_count;
    run->lines = ps_trace_reader_line(run->reader);
    run->dead_rule = exact_rule;
    run->inert_rule = ps_inert_primary;
    run->test_loss = run->test_images = ps_absent();
    for (int m = 0; m < PS_TRACE_MOST_MEASURES; m++) run->test_measure[m] = ps_absent();
    run->record_ns = run->probe_ns = run->train_ns = run->peak_memory_bytes = ps_absent();
    PS_TRY_CLEANUP(allocate(run));
    PS_TRY_CLEANUP(init_builder(&builder, run));
    PS_TRY_CLEANUP(PS_ALLOC((size_t)run->node_count + 1, &shut.zeros, "zeros of a window"));
    PS_TRY_CLEANUP(first_pass(run, &builder, &shut));
    judge_end(run);
    ps_run_link_windows(run);
    *out = run;
    run = NULL;
cleanup:
    clear_builder(&builder);
    ps_free(shut.zeros);
    ps_run_close(run);
    return status;
}

void ps_run_close(ps_run *run) {
    if (run == NULL) return;
    for (size_t i = 0; i < run->planted_cause_count; i++) free(run->planted_causes[i]);
    ps_free_array(run->planted_causes);
    ps_free_array(run->probes);
    ps_free_array(run->windows);
    ps_free_array(run->states);
    ps_free_array(run->lr);
    ps_free(run->planted);
    ps_free(run->in_windows);
    ps_free(run->in_probes);
    ps_free(run->node_layer);
    ps_trace_reader_destroy(run->reader);
    free(run);
}

/* ---- second pass ---- */

typedef struct {
    ps_run *run;
    ps_trace_reader *reader;
    frame_builder builder;
    int next_window, next_probe;
} streamer;

static ps_status flush_frame(streamer *s, const ps_run_visitor *visitor) {
    ps_frame frame;
    if (!s->builder.open) return PS_OK;
    s->builder.open = false;
    publish(&s->builder, &frame, s->builder.is_window ? s->next_window++ : s->next_probe++);
    return visitor->frame(visitor->context, &frame);
}

/* A run that is resumed between the two passes cuts its trace back. */
static ps_status check_same(const streamer *s, const ps_trace_record *record) {
    const ps_run *run = s->run;
    bool window = record->type == PS_RECORD_WINDOW;
    bool same =
        window ? s->next_window < run->window_count && record->window == (double)run->windows[s->next_window].window
               : s->next_probe < run->probe_count && record->step == (double)run->probes[s->next_probe].step;
    return same && record->layer >= 0 ? PS_OK : FAIL_AT(run, record, "the trace changed while it was read; run again");
}

static ps_status take_record(streamer *s, const ps_run_visitor *visitor, const ps_trace_record *record,
                             const bool *wanted) {
    if (s->builder.open && ends_frame(&s->builder, record)) PS_TRY(flush_frame(s, visitor));
    if (record->type != PS_RECORD_WINDOW && record->type != PS_RECORD_PROBE)
        return visitor->record(visitor->context, record);
    if (!s->builder.open) {
        PS_TRY(check_same(s, record));
        start_frame(&s->builder, s->run, record);
    }
    return add_record(&s->builder, s->run, s->reader, record, wanted);
}

static ps_status stream_all(streamer *s, const ps_run_visitor *visitor) {
    bool wanted[PS_Q_COUNT], more = true;
    memset(wanted, true, sizeof wanted);
    while (more && ps_trace_reader_line(s->reader) < s->run->lines) {
        ps_trace_record record;
        PS_TRY(ps_trace_reader_next(s->reader, &record, &more));
        if (more) PS_TRY(take_record(s, visitor, &record, wanted));
    }
    return flush_frame(s, visitor);
}

ps_status ps_run_stream(ps_run *run, const ps_run_visitor *visitor) {
    ps_status status;
    streamer s;
    memset(&s, 0, sizeof s);
    s.run = run;
    PS_TRY_CLEANUP(ps_trace_reader_open(run->header->path, &s.reader));
    ps_trace_reader_trust(s.reader); /* the first pass checked it */
    PS_TRY_CLEANUP(init_builder(&s.builder, run));
    status = stream_all(&s, visitor);
cleanup:
    clear_builder(&s.builder);
    ps_trace_reader_destroy(s.reader);
    return status;
}
