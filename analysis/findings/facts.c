#include "analysis/findings/facts.h"

#include <stdlib.h>
#include <string.h>

#include "analysis/json_scan.h"
#include "core/memory.h"

const char *ps_layer_fact_name(ps_layer_fact fact) {
    static const char *const names[] = {
#define FACT(name, words) #name,
        PS_LAYER_FACTS(FACT)
#undef FACT
    };
    return names[fact];
}

const char *ps_layer_fact_words(ps_layer_fact fact) {
    static const char *const words_of[] = {
#define FACT(name, words) words,
        PS_LAYER_FACTS(FACT)
#undef FACT
    };
    return words_of[fact];
}

/* The three arrays grow together. */
ps_status ps_fact_add(ps_fact_series *series, long long step, double value, uint64_t line) {
    size_t capacity = series->capacity, steps = capacity, lines = capacity, count = series->count + 1;
    PS_TRY(PS_GROW(&series->value, &capacity, count, "a series of facts"));
    PS_TRY(PS_GROW(&series->step, &steps, count, "a series of facts"));
    PS_TRY(PS_GROW(&series->line, &lines, count, "a series of facts"));
    series->capacity = steps < lines ? steps : lines;
    if (capacity < series->capacity) series->capacity = capacity;
    series->value[series->count] = value;
    series->step[series->count] = step;
    series->line[series->count] = line;
    series->count = count;
    return PS_OK;
}

double ps_fact_first(const ps_fact_series *series) { return series->count > 0 ? series->value[0] : ps_absent(); }

double ps_fact_last(const ps_fact_series *series) {
    return series->count > 0 ? series->value[series->count - 1] : ps_absent();
}

void ps_facts_init(ps_facts *facts) {
    memset(facts, 0, sizeof *facts);
    facts->chance_loss = facts->steps_planned = facts->steps = facts->batch = ps_absent();
    facts->window = facts->epoch_steps = facts->test_images = ps_absent();
    facts->weight_decay = facts->clip_limit = facts->warmup = ps_absent();
    ps_data_facts *data = &facts->data;
    data->train = data->test = data->constant = data->duplicates = ps_absent();
    data->out_of_range = data->probe_distance = data->order_repeats = ps_absent();
}

void ps_fact_clear(ps_fact_series *series) {
    ps_free_array(series->value);
    ps_free_array(series->step);
    ps_free_array(series->line);
    memset(series, 0, sizeof *series);
}

static void clear_layer(ps_layer_facts *layer) {
    free(layer->name);
    free(layer->activation);
    for (int f = 0; f < PS_FACT_COUNT; f++) ps_fact_clear(&layer->series[f]);
}

void ps_facts_clear(ps_facts *facts) {
    ps_fact_series *const all[] = {
        &facts->loss,      &facts->lr,           &facts->grad_norm,        &facts->clip,
        &facts->test_loss, &facts->test_measure, &facts->probe_loss_batch, &facts->probe_loss_eval,
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) ps_fact_clear(all[i]);
    for (size_t i = 0; i < facts->nonfinite_count; i++) {
        free(facts->nonfinite[i].what);
        free(facts->nonfinite[i].layer);
    }
    ps_free_array(facts->nonfinite);
    for (int l = 0; l < facts->layer_count; l++) clear_layer(&facts->layers[l]);
    ps_free(facts->layers);
    ps_free(facts->data.class_count);
    free(facts->target);
    free(facts->trace);
    free(facts->optimiser);
    memset(facts, 0, sizeof *facts);
}
