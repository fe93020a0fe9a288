/* Facts of a run, from two passes over its trace (run.h): of a run under way or another program's as well. What is
 * counted by layer stands in one table below, a line and a function each. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/causes.h"
#include "analysis/findings/alike.h"
#include "analysis/findings/facts_of_run.h"
#include "analysis/fixed.h"
#include "analysis/run.h"
#include "analysis/stats/order.h"
#include "core/json.h"
#include "core/memory.h"
#include "trace/trace_format.h"

struct ps_facts_filler {
    const ps_run *run;
    ps_facts *facts;
    double *scratch; /* node_count numbers */
    double *before;  /* running means at the last probe; NULL: there was none with any */
};

/* ---- by layer ---- */

typedef struct {
    const ps_run *run;
    const ps_frame *frame;
    const ps_trace_layer *layer;
    int index, probe;      /* of the layer; of the probe: this one, or that at which the window begins (-1: none) */
    double steps, sampled; /* of the window; of these were recorded */
    double *scratch;
    const double *before; /* running means at the probe before this one; NULL: not known */
} layer_view;

static double value_at(const layer_view *v, ps_trace_quantity quantity, int channel) {
    const double *values = v->frame->node[quantity];
    return values != NULL ? values[v->layer->first_node + channel] : ps_absent();
}

static unsigned state_at(const layer_view *v, int channel) {
    return ps_run_node_state(v->run, v->probe, v->layer->first_node + channel);
}

/* Share of the channels of which `is` holds, among those of which it is known (1 or 0; ps_absent(): not known). */
static double share(const layer_view *v, double (*is)(const layer_view *v, int channel)) {
    double known = 0, held = 0;
    for (int c = 0; c < v->layer->channels; c++) {
        double answer = is(v, c);
        if (ps_is_absent(answer)) continue;
        known++;
        held += answer;
    }
    return known > 0 ? held / known : ps_absent();
}

static double quotient(double a, double b) {
    return ps_is_absent(a) || ps_is_absent(b) || !(b > 0) ? ps_absent() : a / b;
}

/* Median over the channels that have the value; ps_absent(): none has. A NaN among them is no number to order by, but
 * the answer. */
static double median(const layer_view *v, double (*of)(const layer_view *v, int channel)) {
    size_t count = 0;
    for (int c = 0; c < v->layer->channels; c++) {
        double value = of(v, c);
        if (ps_is_absent(value)) continue;
        if (isnan(value)) return value;
        v->scratch[count++] = value;
    }
    return count > 0 ? ps_stats_median(v->scratch, count) : ps_absent();
}

static double root_mean_square(const layer_view *v, ps_trace_quantity quantity, double over) {
    double sum = 0;
    int count = 0;
    for (int c = 0; c < v->layer->channels; c++) {
        double value = value_at(v, quantity, c);
        if (ps_is_absent(value)) continue;
        sum += value * value;
        count++;
    }
    return count > 0 && over > 0 ? sqrt(sum / count / over) : ps_absent();
}

static double is_dead(const layer_view *v, int c) {
    unsigned state = state_at(v, c);
    return ps_state_seen(state) ? ps_state_dead(state) : ps_absent();
}
static double is_near(const layer_view *v, int c) {
    unsigned state = state_at(v, c);
    return ps_state_seen(state) ? ps_state_near(state) : ps_absent();
}
/* nonzero counts outputs: of all images and positions. */
static double is_rarely_open(const layer_view *v, int c) {
    double nonzero = value_at(v, PS_Q_nonzero, c), elements = v->frame->elements[v->index];
    if (ps_is_absent(nonzero) || isnan(nonzero) || !(elements > 0)) return ps_absent();
    return nonzero < PS_FINDINGS_RARELY * elements;
}
static double is_never_shut(const layer_view *v, int c) {
    double nonzero = value_at(v, PS_Q_nonzero, c), elements = v->frame->elements[v->index];
    if (ps_is_absent(nonzero) || isnan(nonzero) || !(elements > 0)) return ps_absent();
    return nonzero >= elements;
}
static double is_edge(const layer_view *v, int c) {
    unsigned state = state_at(v, c);
    return ps_state_seen(state) && (state & PS_STATE_EDGE_KNOWN) != 0 ? ps_state_edge(state) : ps_absent();
}

/* By the same measure as a node's condition (causes.h); a dead node is constant at 0, and is not counted here. */
static double is_constant(const layer_view *v, int c) {
    double spread = value_at(v, PS_Q_image_spread, c), size = value_at(v, PS_Q_mean_abs, c);
    if (ps_is_absent(spread) || ps_is_absent(size) || isnan(spread) || isnan(size)) return ps_absent();
    return size > 0 && !ps_state_dead(state_at(v, c)) && spread <= PS_CONSTANT_WITHIN * size;
}

static double is_inert_alive(const layer_view *v, int c) {
    if (!ps_state_alive(state_at(v, c))) return ps_absent();
    double moved = quotient(value_at(v, PS_Q_path_gradient, c), value_at(v, PS_Q_weight_start_l2, c));
    return ps_is_absent(moved) ? moved : moved < PS_FIXED_INERT;
}

static double gradient(const layer_view *v, int c) { return value_at(v, PS_Q_grad_norm_rms, c); }
static double zero_gradient(const layer_view *v, int c) {
    return quotient(value_at(v, PS_Q_grad_zero_steps, c), v->sampled);
}
static double step_over_weight(const layer_view *v, int c) {
    return quotient(quotient(value_at(v, PS_Q_path, c), value_at(v, PS_Q_weight_start_l2, c)), v->steps);
}
static double decay_over_gradient(const layer_view *v, int c) {
    return quotient(value_at(v, PS_Q_path_decay, c), value_at(v, PS_Q_path_gradient, c));
}
static double carried_over_path(const layer_view *v, int c) {
    return quotient(value_at(v, PS_Q_path_carried, c), value_at(v, PS_Q_path, c));
}

/* Values normalised over the batch are about normal, so that less than 1e-3 of them pass where the shift lies this many
 * scales below 0 (the standard normal's quantile of 1e-3). */
#define SHUT_BEYOND 3.0902323
static double is_shut_by_norm(const layer_view *v, int c) {
    double gamma = value_at(v, PS_Q_gamma, c), beta = value_at(v, PS_Q_beta, c);
    if (ps_is_absent(gamma) || ps_is_absent(beta) || isnan(gamma) || isnan(beta)) return ps_absent();
    return beta <= 0 && (gamma == 0 || beta < -SHUT_BEYOND * fabs(gamma));
}

static double of_dead(const layer_view *v) { return share(v, is_dead); }
static double of_near_dead(const layer_view *v) { return share(v, is_near); }
static double of_rarely_open(const layer_view *v) { return share(v, is_rarely_open); }
/* Of gates that are straight on either side of 0. */
static double of_linear(const layer_view *v) {
    const char *activation = v->layer->activation;
    if (strcmp(activation, "relu") == 0) return share(v, is_never_shut);
    if (strcmp(activation, "leaky_relu") != 0 || ps_is_absent(v->layer->slope)) return ps_absent();
    return v->layer->slope >= PS_FINDINGS_NO_GATE;
}
static double of_edge(const layer_view *v) { return share(v, is_edge); }
static double of_constant(const layer_view *v) { return share(v, is_constant); }
static double of_inert_alive(const layer_view *v) { return share(v, is_inert_alive); }
static double of_grad_rms(const layer_view *v) { return median(v, gradient); }
static double of_grad_zero(const layer_view *v) { return share(v, zero_gradient); }
/* Of frozen weights no movement is read; that there is none is known. */
static double of_update_ratio(const layer_view *v) {
    bool watched = !ps_is_absent(value_at(v, PS_Q_weight_start_l2, 0));
    return v->layer->weight_frozen && watched ? 0 : median(v, step_over_weight);
}
static double of_decay_ratio(const layer_view *v) { return median(v, decay_over_gradient); }
static double of_carried_ratio(const layer_view *v) { return median(v, carried_over_path); }
static double of_weight_rms(const layer_view *v) { return root_mean_square(v, PS_Q_weight_l2, v->layer->fan_in); }
static double of_output_rms(const layer_view *v) { return root_mean_square(v, PS_Q_rms, 1); }

/* A module behind the normalisation changes what reaches the gate, and so does what is added before a shared one. */
static double of_shut_by_norm(const layer_view *v) {
    bool meets_gate = v->layer->norm != NULL && v->layer->pool_skip == NULL && !v->layer->shared;
    return meets_gate ? share(v, is_shut_by_norm) : ps_absent();
}

/* Variances below what a normalisation adds to them: nothing varies there, and a ratio says nothing. */
static double eps_of(const layer_view *v) {
    return ps_is_absent(v->layer->norm_eps) ? 1e-5 : v->layer->norm_eps; /* PyTorch's default */
}

static double has_low_variance(const layer_view *v, int c) {
    double variance = value_at(v, PS_Q_norm_var, c);
    return ps_is_absent(variance) || isnan(variance) ? ps_absent() : variance < eps_of(v);
}

static bool varies(const layer_view *v, int c) {
    double low = has_low_variance(v, c);
    return !ps_is_absent(low) && low == 0;
}

static double mean_apart(const layer_view *v, int c) {
    double apart = value_at(v, PS_Q_running_mean, c) - value_at(v, PS_Q_norm_mean, c);
    return varies(v, c) ? fabs(apart) / sqrt(value_at(v, PS_Q_norm_var, c)) : ps_absent();
}

static double scale_apart(const layer_view *v, int c) {
    double running = value_at(v, PS_Q_running_var, c) + eps_of(v);
    return varies(v, c) ? fabs(log(running / (value_at(v, PS_Q_norm_var, c) + eps_of(v)))) : ps_absent();
}

/* Of a mean that was off by a tenth of a deviation or more: with less, it is noise that would be divided by. */
static double closed(const layer_view *v, int c) {
    double was = v->before[v->layer->first_node + c], now = value_at(v, PS_Q_running_mean, c);
    double off = value_at(v, PS_Q_norm_mean, c) - was;
    bool far = varies(v, c) && off * off >= 0.01 * value_at(v, PS_Q_norm_var, c);
    if (!far || !isfinite(now - was)) return ps_absent();
    return now - was == 0 ? 0 : (now - was) / off; /* no -0 */
}

static double of_mode_follow(const layer_view *v) { return v->before != NULL ? median(v, closed) : ps_absent(); }

/* A ReLU6 takes no gradient at its ceiling either. */
static double flat_share(const layer_view *v, int c) {
    double flat = value_at(v, PS_Q_saturated, c);
    return ps_is_absent(flat) ? value_at(v, PS_Q_at_ceiling, c) : flat;
}
static double of_saturated(const layer_view *v) { return share(v, flat_share); } /* its mean */
static double of_mode_gap(const layer_view *v) { return share(v, mean_apart); }  /* its mean, as of all shares */
static double of_mode_scale(const layer_view *v) { return median(v, scale_apart); }
static double of_variance_low(const layer_view *v) { return share(v, has_low_variance); }

static double of_rank_share(const layer_view *v) {
    double dead = of_dead(v), constant = of_constant(v);
    if (ps_is_absent(dead)) return dead;
    return 1 - dead - (ps_is_absent(constant) ? 0 : constant);
}

/* The frame has the values of all nodes, layer by layer. */
static double of_alike(const layer_view *v) {
    const double *const *node = v->frame->node;
    const double *parts[] = {node[PS_Q_weight_l2], node[PS_Q_weight_l1], node[PS_Q_mean], node[PS_Q_rms]};
    for (int i = 0; i < 4; i++) {
        if (parts[i] == NULL) return ps_absent();
        parts[i] += v->layer->first_node;
    }
    return ps_findings_alike(v->layer->channels, parts[0], parts[1], parts[2], parts[3]);
}

static const struct {
    ps_layer_fact fact;
    bool of_window; /* else of a probe */
    double (*of)(const layer_view *v);
} layer_facts[] = {
    {PS_FACT_dead, false, of_dead},
    {PS_FACT_near_dead, false, of_near_dead},
    {PS_FACT_rarely_open, false, of_rarely_open},
    {PS_FACT_linear, false, of_linear},
    {PS_FACT_edge, false, of_edge},
    {PS_FACT_constant, false, of_constant},
    {PS_FACT_weight_rms, false, of_weight_rms},
    {PS_FACT_output_rms, false, of_output_rms},
    {PS_FACT_shut_by_norm, false, of_shut_by_norm},
    {PS_FACT_saturated, false, of_saturated},
    {PS_FACT_mode_gap, false, of_mode_gap},
    {PS_FACT_mode_scale, false, of_mode_scale},
    {PS_FACT_mode_follow, false, of_mode_follow},
    {PS_FACT_variance_low, false, of_variance_low},
    {PS_FACT_rank_share, false, of_rank_share},
    {PS_FACT_alike, false, of_alike},
    {PS_FACT_inert_alive, true, of_inert_alive},
    {PS_FACT_grad_rms, true, of_grad_rms},
    {PS_FACT_grad_zero, true, of_grad_zero},
    {PS_FACT_update_ratio, true, of_update_ratio},
    {PS_FACT_decay_ratio, true, of_decay_ratio},
    {PS_FACT_carried_ratio, true, of_carried_ratio},
};

/* For the probe to come. */
static ps_status keep_means(ps_facts_filler *f, const ps_frame *frame) {
    const double *means = frame->node[PS_Q_running_mean];
    if (means == NULL) return PS_OK;
    if (f->before == NULL) PS_TRY(PS_ALLOC((size_t)f->run->node_count + 1, &f->before, "running means"));
    memcpy(f->before, means, (size_t)f->run->node_count * sizeof *means);
    return PS_OK;
}

ps_status ps_facts_take_frame(void *self, const ps_frame *frame) {
    ps_facts_filler *f = self;
    const ps_run *run = f->run;
    const ps_window_info *window = frame->is_window ? &run->windows[frame->index] : NULL;
    long long step = window != NULL ? window->last : run->probes[frame->index].step;
    for (int l = 0; l < run->layer_count; l++) {
        if (frame->line[l] == 0) continue;
        layer_view view = {.run = run,
                           .frame = frame,
                           .layer = &run->layers[l],
                           .index = l,
                           .scratch = f->scratch,
                           .probe = window != NULL ? window->before : frame->index,
                           .before = f->before};
        view.steps = window != NULL ? (double)(window->last - window->first + 1) : 0;
        view.sampled = window != NULL ? frame->sampled[l] : 0;
        for (size_t i = 0; i < sizeof layer_facts / sizeof *layer_facts; i++) {
            if (layer_facts[i].of_window != frame->is_window) continue;
            double value = layer_facts[i].of(&view);
            if (ps_is_absent(value)) continue;
            ps_fact_series *series = &f->facts->layers[l].series[layer_facts[i].fact];
            PS_TRY(ps_fact_add(series, step, value, frame->line[l]));
        }
    }
    return frame->is_window ? PS_OK : keep_means(f, frame);
}

/* ---- of the whole network ---- */

static ps_status add_known(ps_fact_series *series, const ps_trace_record *record, double value) {
    return ps_is_absent(value) ? PS_OK : ps_fact_add(series, (long long)record->step, value, record->line);
}

static ps_status take_step(ps_facts *facts, const ps_trace_record *record) {
    PS_TRY(add_known(&facts->loss, record, record->loss));
    PS_TRY(add_known(&facts->lr, record, record->lr));
    PS_TRY(add_known(&facts->grad_norm, record, record->grad_norm));
    return add_known(&facts->clip, record, record->clip);
}

static ps_status take_evaluation(ps_facts *facts, const ps_trace_record *record) {
    if (strcmp(record->split, "probe") == 0) {
        PS_TRY(add_known(&facts->probe_loss_eval, record, record->loss));
        return add_known(&facts->probe_loss_batch, record, record->loss_batch);
    }
    if (!ps_trace_record_is_of_test(record)) return PS_OK;
    if (!ps_is_absent(record->count)) facts->test_images = record->count;
    PS_TRY(add_known(&facts->test_loss, record, record->loss));
    return add_known(&facts->test_measure, record, record->measured[0]);
}

static ps_status copy_text(const cJSON *object, const char *key, char **out) {
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));
    return ps_string_copy(text != NULL ? text : "", out);
}

static ps_status add_nonfinite(ps_facts *facts, const ps_trace_record *record, const cJSON *event) {
    size_t count = facts->nonfinite_count + 1;
    PS_TRY(PS_GROW(&facts->nonfinite, &facts->nonfinite_capacity, count, "values that are not finite"));
    ps_nonfinite_fact *fact = &facts->nonfinite[facts->nonfinite_count];
    memset(fact, 0, sizeof *fact);
    facts->nonfinite_count = count;
    fact->step = (long long)record->step;
    fact->channel = ps_is_absent(record->channel) ? -1 : (int)record->channel;
    fact->line = record->line;
    PS_TRY(copy_text(event, PS_KEY(NONFINITE, what), &fact->what));
    PS_TRY(copy_text(event, PS_KEY(NONFINITE, layer), &fact->layer));
    if (fact->layer[0] == '\0') {
        free(fact->layer);
        fact->layer = NULL;
    }
    return PS_OK;
}

static ps_status take_event(ps_facts *facts, const ps_trace_record *record) {
    if (!ps_trace_record_is_event(record, PS_EVENT_NONFINITE)) return PS_OK;
    cJSON *event;
    PS_TRY(ps_json_try(record->text, &event));
    ps_status status = add_nonfinite(facts, record, event);
    cJSON_Delete(event);
    return status;
}

ps_status ps_facts_take_record(void *self, const ps_trace_record *record) {
    const ps_facts_filler *f = self;
    switch (record->type) {
        case PS_RECORD_STEP: return take_step(f->facts, record);
        case PS_RECORD_EVAL: return take_evaluation(f->facts, record);
        case PS_RECORD_EVENT: return take_event(f->facts, record);
        default: return PS_OK;
    }
}

/* ---- from the header ---- */

static ps_status describe_layers(const ps_run *run, ps_facts *facts) {
    PS_TRY(PS_ALLOC((size_t)run->layer_count, &facts->layers, "facts of layers"));
    facts->layer_count = run->layer_count;
    for (int l = 0; l < run->layer_count; l++) {
        const ps_trace_layer *layer = &run->layers[l];
        ps_layer_facts *out = &facts->layers[l];
        PS_TRY(ps_string_copy(layer->name, &out->name));
        PS_TRY(ps_string_copy(layer->activation, &out->activation));
        out->position = layer->position;
        out->nodes = layer->channels;
        out->fan_in = layer->fan_in > 0 ? layer->fan_in : ps_absent();
        out->own_gate = !layer->shared;
        out->normalised = layer->norm != NULL;
        out->over_batch = out->normalised && !layer->norm_of_sample;
        out->frozen = layer->weight_frozen;
        out->has_module = layer->pool_skip != NULL;
    }
    return PS_OK;
}

static double number_of(const cJSON *object, const char *key) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    return cJSON_IsNumber(item) ? item->valuedouble : ps_absent();
}

/* A whole number that a text begins with, as a word of its own; ps_absent(): it begins with something else. */
static double number_in(const char *text) {
    char *end;
    if (text == NULL || text[0] < '0' || text[0] > '9') return ps_absent();
    double value = strtod(text, &end);
    return *end == '\0' || *end == ' ' ? value : ps_absent();
}

/* "name=0.1" among the words of a text. */
static double word_in(const char *text, const char *name) {
    size_t length = strlen(name);
    for (const char *at = text; at != NULL && *at != '\0'; at += strspn(at, " ")) {
        if (strncmp(at, name, length) == 0 && at[length] == '=') return strtod(at + length + 1, NULL);
        at += strcspn(at, " ");
    }
    return ps_absent();
}

/* Of an array of numbers at most `room`; how many it holds, 0: it is none. */
static int numbers_of(const cJSON *object, const char *key, double *out, int room) {
    const cJSON *array = cJSON_GetObjectItemCaseSensitive(object, key), *item;
    int count = 0;
    if (!cJSON_IsArray(array)) return 0;
    cJSON_ArrayForEach(item, array) {
        if (count < room) out[count] = ps_value_of(item);
        count++;
    }
    return count;
}

static ps_status describe_data(const cJSON *data, ps_data_facts *out) {
    enum { MOST = sizeof out->mean / sizeof *out->mean };
    int means = numbers_of(data, PS_KEY(DATA, input_mean), out->mean, MOST),
        deviations = numbers_of(data, PS_KEY(DATA, input_sd), out->sd, MOST);
    out->channels = means == deviations ? (means < MOST ? means : MOST) : 0;
    out->known = out->channels > 0;
    out->out_of_range = number_of(data, PS_KEY(DATA, no_class));
    out->constant = number_of(data, PS_KEY(DATA, constant));
    out->duplicates = number_of(data, PS_KEY(DATA, identical));
    out->probe_distance = number_of(data, PS_KEY(DATA, probe_distance));
    out->order_repeats = number_of(data, PS_KEY(DATA, file_order));
    double floor = number_of(data, PS_KEY(DATA, loss_floor));
    out->loss_floor = floor > 0 ? floor : 0;
    int classes = numbers_of(data, PS_KEY(DATA, class_counts), NULL, 0);
    if (classes == 0 || classes != out->classes) return PS_OK;
    if (number_of(data, PS_KEY(DATA, looked_at)) > 0) return PS_OK; /* a class may be missing there alone */
    PS_TRY(PS_ALLOC((size_t)classes, &out->class_count, "facts of the data"));
    numbers_of(data, PS_KEY(DATA, class_counts), out->class_count, classes);
    return PS_OK;
}

static ps_status describe_training(const ps_run *run, ps_facts *facts) {
    const cJSON *pairing = cJSON_GetObjectItemCaseSensitive(run->header->document, PS_KEY(HEADER, pairing));
    const cJSON *data = cJSON_GetObjectItemCaseSensitive(run->header->document, PS_KEY(HEADER, data));
    const char *optimiser = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(pairing, "optimiser"));
    const char *batch = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(pairing, "batch"));
    double parts = word_in(batch, "accumulate");
    facts->batch = number_in(batch);
    facts->data.train = number_of(data, PS_KEY(DATA, train));
    facts->data.test = number_of(data, PS_KEY(DATA, test));
    double classes = number_of(data, PS_KEY(DATA, classes));
    facts->data.classes = classes >= 1 && classes <= 1 << 24 ? (int)classes : 0;
    PS_TRY(describe_data(data, &facts->data));
    double given = word_in(batch, "epoch_steps");
    facts->epoch_given = given > 0;
    facts->epoch_steps =
        facts->epoch_given ? given : quotient(facts->data.train, parts > 1 ? parts * facts->batch : facts->batch);
    if (facts->data.classes > 1 && ps_trace_task_is_cross_entropy(&facts->task)) facts->chance_loss = log(classes);
    if (optimiser == NULL || optimiser[0] == '\0') return PS_OK;
    size_t length = strcspn(optimiser, " ");
    PS_TRY(ps_string_format(&facts->optimiser, "%.*s", (int)length, optimiser));
    facts->weight_decay = word_in(optimiser, "decay");
    facts->clip_limit = word_in(optimiser, "clip");
    double epochs = word_in(optimiser, "warmup_epochs");
    facts->warmup = epochs > 0 ? epochs * facts->epoch_steps : word_in(optimiser, "warmup");
    return PS_OK;
}

static void describe_run(const ps_run *run, ps_facts *facts) {
    facts->unfinished = run->status == PS_RUN_UNFINISHED;
    facts->diverged = run->status == PS_RUN_DIVERGED;
    facts->task = run->header->task;
    facts->steps_planned = run->header->steps > 0 ? (double)run->header->steps : ps_absent();
    facts->window = run->header->window > 0 ? (double)run->header->window : ps_absent();
    facts->steps = (double)run->steps_done;
}

ps_status ps_facts_begin(const ps_run *run, ps_facts *facts, ps_facts_filler **out) {
    ps_facts_filler *f;
    ps_facts_init(facts);
    PS_TRY(PS_ALLOC(1, out, "facts of a run"));
    f = *out;
    f->run = run;
    f->facts = facts;
    PS_TRY(ps_string_copy(run->header->path, &facts->target));
    PS_TRY(ps_string_copy(run->header->path, &facts->trace));
    describe_run(run, facts);
    PS_TRY(describe_layers(run, facts));
    PS_TRY(describe_training(run, facts));
    return PS_ALLOC((size_t)run->node_count + 1, &f->scratch, "values of a layer's nodes");
}

void ps_facts_end(ps_facts_filler *filler) {
    if (filler != NULL) ps_free(filler->scratch);
    if (filler != NULL) ps_free(filler->before);
    ps_free(filler);
}

static ps_status fill(const char *path, ps_run *run, ps_facts *facts) {
    ps_facts_filler *filler = NULL;
    ps_status status = ps_facts_begin(run, facts, &filler);
    ps_run_visitor visitor = {filler, ps_facts_take_frame, ps_facts_take_record};
    if (status == PS_OK) status = ps_run_stream(run, &visitor);
    ps_facts_end(filler);
    if (status != PS_OK) return status;
    free(facts->target);
    return ps_string_copy(path, &facts->target); /* as it was given: perhaps its directory */
}

ps_status ps_facts_of_trace(const char *path, ps_facts *facts) {
    ps_run *run = NULL;
    ps_facts_init(facts);
    ps_status status = ps_run_open(path, "", &run);
    if (status == PS_OK) status = fill(path, run, facts);
    ps_run_close(run);
    if (status != PS_OK) ps_facts_clear(facts);
    return status;
}
