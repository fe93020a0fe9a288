/* The rules of findings about numbers, learning, gradients, updates, data and set-up, on made-up facts: each finds what
 * it is for, is silent right before its threshold, and cannot judge where nothing was recorded. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "analysis/findings/finding.h"
#include "analysis/json_scan.h"
#include "core/file.h"
#include "core/memory.h"

enum { STEPS = 200, WINDOW = 20, WINDOWS = STEPS / WINDOW, LAYERS = 4, NODES = 8, CLASSES = 10, PROBES = WINDOWS + 1 };
static const double chance = 2.302585092994046;

static void check(ps_status status) { assert_int_equal(status, PS_OK); }

/* A value for each step, each window or each probe; the line tells them apart. */
static void fill(ps_fact_series *series, int count, int every, double (*of)(double time, double x), double x) {
    ps_fact_clear(series);
    for (int i = 0; i < count; i++)
        check(ps_fact_add(series, i * every, of(count > 1 ? (double)i / (count - 1) : 0, x), (uint64_t)(100 + i)));
}

static double constant(double time, double x) {
    (void)time;
    return x;
}
static double falls_to(double time, double x) { return chance + (x - chance) * time; }
static double rises_to(double time, double x) { return 0.01 + (x - 0.01) * time; }
static double grows_by(double time, double x) { return 0.1 * pow(x, time); }

/* Falls at first, and then stands (with ripples, or two equal halves would have no error). */
static double falls_and_stands(double time, double x) {
    double ripple = 0.01 * sin(1000 * time);
    return (time < 0.4 ? chance + (x - chance) * time / 0.4 : x) + ripple;
}

/* Down to 0.5 and back to x. */
static double down_and_back(double time, double x) {
    return time < 0.5 ? chance + (0.5 - chance) * 2 * time : 0.5 + (x - 0.5) * (2 * time - 1);
}

/* Around 2, up and down by x from each step to the next. */
static double leaps_by(double time, double x) { return 1.5 + (lround(time * (STEPS - 1)) % 2 == 0 ? x / 2 : -x / 2); }

/* The lowest value in the middle is 1, x at the end. */
static double turns_to(double time, double x) {
    return time < 0.5 ? chance + (1 - chance) * 2 * time : 1 + (x - 1) * (2 * time - 1);
}

static void fill_layer(ps_layer_facts *layer, int index) {
    static const struct {
        ps_layer_fact fact;
        double value;
        bool window;
    } usual[] = {
        {PS_FACT_dead, 0, false},           {PS_FACT_near_dead, 0, false},     {PS_FACT_edge, 0, false},
        {PS_FACT_constant, 0, false},       {PS_FACT_weight_rms, 0.1, false},  {PS_FACT_output_rms, 1, false},
        {PS_FACT_rank_share, 1, false},     {PS_FACT_alike, 0, false},         {PS_FACT_shut_by_norm, 0, false},
        {PS_FACT_mode_gap, 0.1, false},     {PS_FACT_mode_scale, 0.1, false},  {PS_FACT_variance_low, 0, false},
        {PS_FACT_inert_alive, 0, true},     {PS_FACT_grad_rms, 0.1, true},     {PS_FACT_grad_zero, 0, true},
        {PS_FACT_update_ratio, 0.01, true}, {PS_FACT_decay_ratio, 0.01, true}, {PS_FACT_carried_ratio, 0.2, true}};
    char name[16];
    snprintf(name, sizeof name, "conv%d", index);
    check(ps_string_copy(name, &layer->name));
    check(ps_string_copy("relu", &layer->activation));
    layer->position = index;
    layer->nodes = NODES;
    layer->fan_in = 100;
    layer->own_gate = layer->normalised = layer->over_batch = true;
    for (size_t i = 0; i < sizeof usual / sizeof *usual; i++)
        fill(&layer->series[usual[i].fact], usual[i].window ? WINDOWS : PROBES, WINDOW, constant, usual[i].value);
}

/* A run that learns, of which everything was recorded. */
static void make(ps_facts *f) {
    ps_facts_init(f);
    check(ps_string_copy("run", &f->target));
    check(ps_string_copy("run/trace.jsonl", &f->trace));
    check(ps_string_copy("sgd", &f->optimiser));
    snprintf(f->task.name, sizeof f->task.name, "classification");
    f->task.measures = 1;
    snprintf(f->task.measure[0].name, sizeof f->task.measure[0].name, "accuracy");
    f->task.measure[0].higher_is_better = true;
    f->task.measure[0].chance = 0.1;
    f->chance_loss = chance;
    f->steps_planned = f->steps = STEPS;
    f->batch = 10;
    f->window = WINDOW;
    f->epoch_steps = 100;
    f->weight_decay = 1e-4;
    f->clip_limit = 5;
    f->warmup = 10;
    f->test_images = 1000;
    fill(&f->loss, STEPS, 1, falls_to, 0.3);
    fill(&f->lr, STEPS, 1, constant, 0.1);
    fill(&f->grad_norm, STEPS, 1, constant, 1);
    fill(&f->clip, STEPS, 1, constant, 1);
    fill(&f->test_loss, 5, 50, falls_to, 0.4);
    fill(&f->test_measure, 5, 50, rises_to, 0.9);
    fill(&f->probe_loss_batch, PROBES, WINDOW, falls_to, 0.4);
    fill(&f->probe_loss_eval, PROBES, WINDOW, falls_to, 0.4);
    check(PS_ALLOC(LAYERS, &f->layers, "test"));
    f->layer_count = LAYERS;
    for (int l = 0; l < LAYERS; l++) fill_layer(&f->layers[l], l);
    f->data.known = true;
    f->data.channels = 3;
    for (int c = 0; c < 3; c++) f->data.sd[c] = 1;
    f->data.train = 1000;
    f->data.test = 1000;
    f->data.constant = f->data.duplicates = f->data.out_of_range = 0;
    f->data.probe_distance = 0.05;
    f->data.order_repeats = 0.001;
    f->data.classes = CLASSES;
    check(PS_ALLOC(CLASSES, &f->data.class_count, "test"));
    for (int i = 0; i < CLASSES; i++) f->data.class_count[i] = 100;
}

/* ---- what is wrong, by a number ---- */

static void layer_fact(ps_facts *f, int first, int end, ps_layer_fact fact, double x) {
    for (int l = first; l < end; l++) {
        ps_fact_series *series = &f->layers[l].series[fact];
        fill(series, (int)series->count, WINDOW, constant, x);
    }
}

static void stay_at_chance(ps_facts *f) {
    fill(&f->loss, STEPS, 1, constant, chance);
    fill(&f->test_measure, 5, 50, constant, 0.1);
}

static void set_nonfinite(ps_facts *f, double x) {
    if (x == 0) return;
    const char *const what[] = {"loss", "gradient", "weight"};
    for (size_t i = 0; i < 3; i++) {
        check(PS_GROW(&f->nonfinite, &f->nonfinite_capacity, f->nonfinite_count + 1, "test"));
        ps_nonfinite_fact *fact = &f->nonfinite[f->nonfinite_count++];
        *fact = (ps_nonfinite_fact){.step = 37, .channel = i == 2 ? 5 : -1, .line = 1000 + i};
        check(ps_string_copy(what[i], &fact->what));
        if (i > 0) check(ps_string_copy("conv2", &fact->layer));
    }
}
static void set_loss_nan(ps_facts *f, double x) { f->loss.value[150] = x; }
static void set_outputs(ps_facts *f, double x) { layer_fact(f, 2, 3, PS_FACT_output_rms, x); }
static void set_weight_growth(ps_facts *f, double x) {
    f->layers[1].fan_in = 1e6; /* weights that are large from the start */
    fill(&f->layers[1].series[PS_FACT_weight_rms], PROBES, WINDOW, grows_by, x);
}
static void set_end_loss(ps_facts *f, double x) { fill(&f->loss, STEPS, 1, falls_to, x); }
static void set_lost_again(ps_facts *f, double x) { fill(&f->loss, STEPS, 1, down_and_back, x); }
static void set_start_loss(ps_facts *f, double x) { f->loss.value[0] = x; }
static void set_chance_loss(ps_facts *f, double x) {
    stay_at_chance(f);
    fill(&f->loss, STEPS, 1, constant, x);
}
static void set_dice(ps_facts *f, double x) { /* what a guess costs is not known */
    f->chance_loss = ps_absent();
    snprintf(f->task.loss, sizeof f->task.loss, "ce+dice");
    fill(&f->test_measure, 5, 50, constant, x);
}
static void set_slight_accuracy(ps_facts *f, double x) { /* above chance, after so many epochs */
    stay_at_chance(f);
    fill(&f->test_measure, 5, 50, constant, 0.15);
    f->epoch_steps = STEPS / x;
}
static void set_by_heart(ps_facts *f, double x) {
    fill(&f->test_loss, 5, 50, constant, x);
    fill(&f->test_measure, 5, 50, constant, 0.15);
}
static void set_chance_accuracy(ps_facts *f, double x) {
    stay_at_chance(f);
    fill(&f->test_measure, 5, 50, constant, x);
}
static void set_plateau(ps_facts *f, double x) { fill(&f->loss, STEPS, 1, falls_and_stands, x); }
static void set_leaps(ps_facts *f, double x) { fill(&f->loss, STEPS, 1, leaps_by, x); }
static void set_test_loss(ps_facts *f, double x) { fill(&f->test_loss, 5, 50, turns_to, x); }
static void set_probe_loss(ps_facts *f, double x) {
    ps_fact_clear(&f->test_loss);
    fill(&f->probe_loss_batch, PROBES, WINDOW, turns_to, x);
    fill(&f->probe_loss_eval, PROBES, WINDOW, turns_to, x);
}
static void set_first_gradient(ps_facts *f, double x) { layer_fact(f, 0, 1, PS_FACT_grad_rms, x); }
static void set_growing_gradient(ps_facts *f, double x) {
    ps_fact_clear(&f->grad_norm);
    for (int i = 0; i < STEPS; i++) check(ps_fact_add(&f->grad_norm, i, i < STEPS / 2 ? 1 : x, (uint64_t)i + 1));
}
static void set_shrinking_gradient(ps_facts *f, double x) {
    fill(&f->loss, STEPS, 1, falls_to, 2);
    set_growing_gradient(f, x);
}
static void set_zero_gradient(ps_facts *f, double x) { layer_fact(f, 1, 3, PS_FACT_grad_zero, x); }
static void set_only_bias(ps_facts *f, double x) {
    layer_fact(f, 0, LAYERS, PS_FACT_grad_zero, 1);
    layer_fact(f, LAYERS - 1, LAYERS, PS_FACT_dead, x);
}
static void set_clipped(ps_facts *f, double x) {
    for (int i = 0; i < STEPS; i++) f->clip.value[i] = i % 100 < 100 * x ? 0.5 : 1;
}
static void set_first_ratio(ps_facts *f, double x) { layer_fact(f, 0, 1, PS_FACT_update_ratio, x); }
static void set_small_ratio(ps_facts *f, double x) {
    layer_fact(f, 0, LAYERS, PS_FACT_update_ratio, x);
    fill(&f->loss, STEPS, 1, falls_to, 1.5);
}
static void set_decay(ps_facts *f, double x) { layer_fact(f, 0, 1, PS_FACT_decay_ratio, x); }
static void set_frozen(ps_facts *f, double x) { layer_fact(f, 3, 4, PS_FACT_update_ratio, x); }
static void set_carried(ps_facts *f, double x) { layer_fact(f, 0, 1, PS_FACT_carried_ratio, x); }
static void set_input_mean(ps_facts *f, double x) { f->data.mean[1] = x; }
static void set_input_sd(ps_facts *f, double x) { f->data.sd[2] = x; }
static void set_constant_images(ps_facts *f, double x) { f->data.constant = x; }
static void set_identical(ps_facts *f, double x) { f->data.duplicates = x; }
static void set_one_class(ps_facts *f, double x) {
    for (int i = 1; i < CLASSES; i++) f->data.class_count[i] = i == 1 ? x : 0;
}
static void set_one_count(ps_facts *f, double x) { f->data.class_count[4] = x; }
static void set_no_class(ps_facts *f, double x) { f->data.out_of_range = x; }
static void set_probe_distance(ps_facts *f, double x) { f->data.probe_distance = x; }
static void set_order(ps_facts *f, double x) { f->data.order_repeats = x; }
static void set_killed(ps_facts *f, double x) {
    for (int l = 0; l < LAYERS; l++)
        for (size_t i = 1; i < f->layers[l].series[PS_FACT_dead].count; i++)
            f->layers[l].series[PS_FACT_dead].value[i] = x;
}
static void set_killed_slowly(ps_facts *f, double x) {
    for (int l = 0; l < LAYERS; l++)
        for (size_t i = 1; i < f->layers[l].series[PS_FACT_dead].count; i++)
            f->layers[l].series[PS_FACT_dead].value[i] = x * (double)i / (PROBES - 1);
}
static void set_shut_layer(ps_facts *f, double x) { /* the last one, in the third window */
    ps_fact_series *dead = &f->layers[LAYERS - 1].series[PS_FACT_dead];
    for (size_t i = 3; i < dead->count; i++) dead->value[i] = x;
}
static void set_long_start(ps_facts *f, double x) {
    for (int l = 0; l < LAYERS; l++) f->layers[l].series[PS_FACT_update_ratio].value[0] = x;
}
static void set_falls_early(ps_facts *f, double x) {
    fill(&f->loss, STEPS, 1, falls_to, 1.5);
    for (int i = 0; i < STEPS; i++) f->lr.value[i] = i < x ? 0.1 : 1e-7;
}
static void set_epochs(ps_facts *f, double x) { f->epoch_steps = STEPS / x; }
static void set_planned(ps_facts *f, double x) { f->steps_planned = x; }

/* level: the one at `found`. since: the step, -2: any. */
static const struct {
    const char *id;
    void (*set)(ps_facts *facts, double x);
    double found, silent;
    ps_finding_level level;
    long long since;
} cases[] = {
    {"nonfinite", set_nonfinite, 1, 0, PS_LEVEL_CRITICAL, 37},
    {"loss_not_a_number", set_loss_nan, (double)NAN, 0.5, PS_LEVEL_CRITICAL, 150},
    {"loss_not_a_number", set_loss_nan, (double)INFINITY, 1e30, PS_LEVEL_CRITICAL, 150},
    {"overflow", set_outputs, 6600, 6500, PS_LEVEL_WARNING, -2},
    {"overflow", set_outputs, 65600, 6500, PS_LEVEL_SERIOUS, -2},
    {"overflow", set_weight_growth, 10.1, 9.9, PS_LEVEL_WARNING, -2},
    {"overflow", set_weight_growth, 101, 9.9, PS_LEVEL_SERIOUS, -2},
    {"divergence", set_end_loss, 4, 3, PS_LEVEL_CRITICAL, -2},
    {"divergence", set_lost_again, 2.6, 2.2, PS_LEVEL_CRITICAL, -2},
    {"start_loss", set_start_loss, 2.01 * 2.302585, 1.99 * 2.302585, PS_LEVEL_WARNING, 0},
    {"start_loss", set_start_loss, 4.01 * 2.302585, 0.51 * 2.302585, PS_LEVEL_SERIOUS, 0},
    {"start_loss", set_start_loss, 0.49 * 2.302585, 0.51 * 2.302585, PS_LEVEL_NOTE, 0},
    {"not_learning", set_chance_loss, 0.96 * 2.302585, 0.94 * 2.302585, PS_LEVEL_CRITICAL, 0},
    {"not_learning", set_chance_accuracy, 0.118, 0.12, PS_LEVEL_CRITICAL, 0},
    {"not_learning", set_dice, 0.118, 0.12, PS_LEVEL_SERIOUS, 0},
    {"not_learning", set_slight_accuracy, 3, 2.9, PS_LEVEL_SERIOUS, 0},
    {"not_learning", set_by_heart, 0.96 * 2.302585, 0.94 * 2.302585, PS_LEVEL_SERIOUS, 0},
    {"stagnation", set_plateau, 1.2, 1.1, PS_LEVEL_WARNING, 100},
    {"oscillation", set_leaps, 0.8, 0.7, PS_LEVEL_WARNING, 100},
    {"overfitting", set_test_loss, 1.25, 1.15, PS_LEVEL_WARNING, 100},
    {"overfitting", set_probe_loss, 2.5, 1.15, PS_LEVEL_SERIOUS, 100},
    {"vanishing_gradients", set_first_gradient, 0.9e-4, 1.1e-4, PS_LEVEL_WARNING, 0},
    {"vanishing_gradients", set_first_gradient, 0.9e-6, 1.1e-4, PS_LEVEL_SERIOUS, 0},
    {"vanishing_gradients", set_shrinking_gradient, 0.9e-3, 1.1e-3, PS_LEVEL_SERIOUS, -2},
    {"exploding_gradients", set_first_gradient, 101, 99, PS_LEVEL_WARNING, 0},
    {"exploding_gradients", set_growing_gradient, 101, 99, PS_LEVEL_SERIOUS, 100},
    {"no_gradient", set_zero_gradient, 1, 0.99, PS_LEVEL_SERIOUS, 0},
    {"only_last_bias", set_only_bias, 1, 0.9, PS_LEVEL_CRITICAL, 0},
    {"clipping", set_clipped, 0.51, 0.5, PS_LEVEL_WARNING, -2},
    {"frozen", set_frozen, 0, 1e-9, PS_LEVEL_SERIOUS, 0},
    {"updates_too_large", set_first_ratio, 0.101, 0.099, PS_LEVEL_WARNING, 0},
    {"updates_too_large", set_killed, 0.31, 0.29, PS_LEVEL_SERIOUS, 0},
    {"updates_too_large", set_killed, 1, 0.29, PS_LEVEL_SERIOUS, 0},
    {"updates_too_large", set_shut_layer, 1, 0.99, PS_LEVEL_SERIOUS, 2 * WINDOW},
    {"updates_too_large", set_long_start, 0.051, 0.049, PS_LEVEL_WARNING, 0},
    {"updates_too_small", set_small_ratio, 0.99e-4, 1.01e-4, PS_LEVEL_WARNING, 0},
    {"updates_too_small", set_small_ratio, 0.99e-5, 1.01e-4, PS_LEVEL_SERIOUS, 0},
    {"decay_over_gradients", set_decay, 1.01, 0.99, PS_LEVEL_WARNING, 0},
    {"momentum_carries", set_carried, 0.81, 0.79, PS_LEVEL_WARNING, 0},
    {"input_scale", set_input_mean, -2.1, 1.9, PS_LEVEL_WARNING, -1},
    {"input_scale", set_input_mean, 120, -1.9, PS_LEVEL_SERIOUS, -1},
    {"input_scale", set_input_sd, 3.1, 2.9, PS_LEVEL_WARNING, -1},
    {"input_scale", set_input_sd, 0.049, 0.051, PS_LEVEL_WARNING, -1},
    {"input_constant", set_input_sd, 0, 0.1, PS_LEVEL_WARNING, -1},
    {"input_constant", set_input_mean, (double)NAN, 0, PS_LEVEL_CRITICAL, -1},
    {"constant_images", set_constant_images, 10, 9, PS_LEVEL_WARNING, -1},
    {"constant_images", set_constant_images, 200, 9, PS_LEVEL_SERIOUS, -1},
    {"constant_images", set_constant_images, 900, 9, PS_LEVEL_CRITICAL, -1},
    {"identical_images", set_identical, 50, 49, PS_LEVEL_WARNING, -1},
    {"identical_images", set_identical, 500, 49, PS_LEVEL_SERIOUS, -1},
    {"one_class", set_one_class, 0, 1, PS_LEVEL_CRITICAL, -1},
    {"classes_missing", set_one_count, 0, 1, PS_LEVEL_WARNING, -1},
    {"classes_unequal", set_one_count, 1000, 999, PS_LEVEL_WARNING, -1},
    {"classes_unequal", set_one_count, 2, 11, PS_LEVEL_SERIOUS, -1},
    {"labels_out_of_range", set_no_class, 1, 0, PS_LEVEL_WARNING, -1},
    {"labels_out_of_range", set_no_class, 100, 0, PS_LEVEL_SERIOUS, -1},
    {"probe_unlike", set_probe_distance, 0.31, 0.29, PS_LEVEL_WARNING, -1},
    {"probe_unlike", set_probe_distance, 1.1, 0.29, PS_LEVEL_SERIOUS, -1},
    {"not_shuffled", set_order, 0.51, 0.49, PS_LEVEL_WARNING, 0},
    {"no_warmup", set_killed, 0.11, 0.09, PS_LEVEL_WARNING, 0},
    {"no_warmup", set_killed, 0.31, 0.09, PS_LEVEL_SERIOUS, 0},
    {"schedule_falls_early", set_falls_early, STEPS / 4, STEPS / 4 + 2, PS_LEVEL_SERIOUS, -2},
    {"schedule_never_falls", set_epochs, 5.1, 4.9, PS_LEVEL_NOTE, 0},
    {"short_run", set_planned, 99, 100, PS_LEVEL_NOTE, 0},
};
enum { CASES = sizeof cases / sizeof *cases };

static bool is_mine(const ps_finding_rule *rule) {
    return rule->group != PS_GROUP_OF_NODES && rule->group != PS_GROUP_OF_NORMALISATION;
}

static const ps_finding *finding_of(const ps_findings *findings, const char *id) {
    for (int i = 0; i < findings->count; i++)
        if (strcmp(findings->list[i].rule->id, id) == 0) return &findings->list[i];
    return NULL;
}

static void say_what(const char *id, double x, const char *what) { print_message("# %s at %g: %s\n", id, x, what); }

/* A sentence, why, and what to do; layers that there are. */
static bool is_whole(const ps_finding *f) {
    size_t length = strlen(f->sentence);
    bool whole = length > 20 && length < PS_FINDING_TEXT - 1 && f->sentence[length - 1] == '.' && f->evidences > 0 &&
                 f->causes > 0 && f->remedy[0] != '\0' && f->strength >= 0.99 && f->level <= f->rule->level;
    for (int i = 0; i < f->layers; i++) whole = whole && f->layer[i] >= 0 && f->layer[i] < LAYERS;
    return whole;
}

/* A number that is none stands in the texts of a finding: one that is absent, where none of the facts is NaN itself. */
static bool says_nan(const ps_finding *f) {
    bool says = strstr(f->sentence, "NaN") != NULL || strstr(f->remedy, "NaN") != NULL;
    for (int i = 0; i < f->causes; i++) says = says || strstr(f->cause[i].speaks, "NaN") != NULL;
    for (int i = 0; i < f->evidences; i++) says = says || ps_is_absent(f->evidence[i].value);
    return says;
}

static void each_rule_finds_what_it_is_for(void **state) {
    (void)state;
    for (int i = 0; i < CASES; i++) {
        ps_facts facts;
        ps_findings findings;
        make(&facts);
        cases[i].set(&facts, cases[i].found);
        check(ps_findings_judge(&facts, cases[i].id, NULL, &findings));
        const ps_finding *f = finding_of(&findings, cases[i].id);
        if (f == NULL) say_what(cases[i].id, cases[i].found, "not found");
        assert_non_null(f);
        if (f->level != cases[i].level || (cases[i].since != -2 && f->since != cases[i].since)) {
            say_what(cases[i].id, cases[i].found, ps_finding_level_name(f->level));
            print_message("# since %lld\n", f->since);
        }
        assert_int_equal(f->level, cases[i].level);
        if (cases[i].since != -2) assert_int_equal(f->since, cases[i].since);
        if (!is_whole(f)) say_what(cases[i].id, cases[i].found, f->sentence);
        assert_true(is_whole(f));
        ps_findings_clear(&findings);
        ps_facts_clear(&facts);
    }
}

/* The series and numbers of a run, one by one, for what is not recorded. */
static bool forget(ps_facts *f, int which) {
    ps_fact_series *const series[] = {&f->loss,      &f->lr,           &f->grad_norm,        &f->clip,
                                      &f->test_loss, &f->test_measure, &f->probe_loss_batch, &f->probe_loss_eval};
    double *const numbers[] = {&f->chance_loss,     &f->steps_planned,    &f->batch,        &f->window,
                               &f->epoch_steps,     &f->test_images,      &f->weight_decay, &f->clip_limit,
                               &f->warmup,          &f->data.train,       &f->data.test,    &f->data.constant,
                               &f->data.duplicates, &f->data.out_of_range};
    int all = sizeof series / sizeof *series, counts = sizeof numbers / sizeof *numbers;
    if (which < all) ps_fact_clear(series[which]);
    else if (which < all + counts) *numbers[which - all] = ps_absent();
    else if (which < all + counts + PS_FACT_COUNT)
        for (int l = 0; l < LAYERS; l++) ps_fact_clear(&f->layers[l].series[which - all - counts]);
    else if (which == all + counts + PS_FACT_COUNT) f->data.known = false;
    else return false;
    return true;
}

/* What a rule can judge by without something, it says without it: never with a number that is none. */
static void no_finding_speaks_of_what_was_not_recorded(void **state) {
    (void)state;
    bool more = true;
    for (int which = -1; more; which++)
        for (int i = 0; i < CASES; i++) {
            ps_facts facts;
            ps_findings findings;
            if (!isfinite(cases[i].found)) continue; /* it speaks of what is not finite */
            make(&facts);
            cases[i].set(&facts, cases[i].found);
            more = which < 0 || forget(&facts, which);
            check(ps_findings_judge(&facts, NULL, NULL, &findings));
            for (int k = 0; k < findings.count; k++) {
                const ps_finding *f = &findings.list[k];
                if (says_nan(f) && f->rule != &ps_finding_nonfinite)
                    fail_msg("%s at %g without %d: %s: %s", cases[i].id, cases[i].found, which, f->rule->id,
                             f->sentence);
            }
            ps_findings_clear(&findings);
            ps_facts_clear(&facts);
        }
}

static void each_rule_is_silent_before_its_threshold(void **state) {
    (void)state;
    for (int i = 0; i < CASES; i++) {
        ps_facts facts;
        ps_findings findings;
        make(&facts);
        cases[i].set(&facts, cases[i].silent);
        check(ps_findings_judge(&facts, cases[i].id, NULL, &findings));
        if (findings.count > 0) say_what(cases[i].id, cases[i].silent, findings.list[0].sentence);
        assert_int_equal(findings.count, 0);
        assert_int_equal(findings.unknown_count, 0);
        ps_findings_clear(&findings);
        ps_facts_clear(&facts);
    }
}

/* Mixed and smoothed labels lift every loss: 0 to the least that they allow, while a guess costs what it did. */
static void soften_labels(ps_facts *f, double floor) {
    f->data.loss_floor = floor;
    for (size_t i = 0; i < f->loss.count; i++) f->loss.value[i] = floor + f->loss.value[i] * (chance - floor) / chance;
}

/* What rules make of a height of the loss is where it stands between the least and a guess. */
static void rules_know_that_softened_labels_lift_the_loss(void **state) {
    (void)state;
    static const char *const by_height[] = {"stagnation",   "schedule_falls_early", "vanishing_gradients",
                                            "not_learning", "updates_too_small",    "inert_nodes"};
    int judged = 0;
    for (int i = 0; i < CASES; i++) {
        bool mine = false;
        for (size_t k = 0; k < sizeof by_height / sizeof *by_height; k++)
            mine = mine || strcmp(cases[i].id, by_height[k]) == 0;
        for (int found = 0; mine && found < 2; found++, judged++) {
            ps_facts facts;
            ps_findings findings;
            make(&facts);
            cases[i].set(&facts, found ? cases[i].found : cases[i].silent);
            soften_labels(&facts, 1);
            check(ps_findings_judge(&facts, cases[i].id, NULL, &findings));
            if (findings.count != found) fail_msg("%s: %d findings of %d", cases[i].id, findings.count, found);
            ps_findings_clear(&findings);
            ps_facts_clear(&facts);
        }
    }
    assert_true(judged >= 12);
    /* Fallen all the way to that least there is nothing to be said, as where it is 0. */
    ps_facts facts;
    ps_findings findings;
    make(&facts);
    set_plateau(&facts, 0.1);
    soften_labels(&facts, 1.5);
    check(ps_findings_judge(&facts, NULL, NULL, &findings));
    for (int i = 0; i < findings.count; i++) print_message("# %s\n", findings.list[i].sentence);
    assert_int_equal(findings.count, 0);
    ps_findings_clear(&findings);
    ps_facts_clear(&facts);
}

static void a_clean_run_has_no_finding(void **state) {
    (void)state;
    ps_facts facts;
    ps_findings findings;
    make(&facts);
    check(ps_findings_judge(&facts, NULL, NULL, &findings));
    for (int i = 0; i < findings.count; i++) print_message("# %s\n", findings.list[i].sentence);
    assert_int_equal(findings.count, 0);
    for (int i = 0; i < findings.unknown_count; i++) assert_false(is_mine(findings.unknown[i]));
    ps_findings_clear(&findings);
    ps_facts_clear(&facts);
}

static void what_was_not_recorded_is_not_judged(void **state) {
    (void)state;
    int rules, mine = 0;
    ps_facts facts;
    ps_findings findings;
    ps_facts_init(&facts);
    const ps_finding_rule *const *rule = ps_finding_rules(&rules);
    check(ps_findings_judge(&facts, NULL, NULL, &findings));
    for (int i = 0; i < rules; i++) {
        bool unknown = false;
        if (!is_mine(rule[i])) continue;
        for (int k = 0; k < findings.unknown_count; k++) unknown = unknown || findings.unknown[k] == rule[i];
        if (!unknown) print_message("# %s judges by nothing\n", rule[i]->id);
        assert_true(unknown);
        mine++;
    }
    assert_int_equal(findings.count, 0);
    assert_int_equal(mine, 33);
    ps_findings_clear(&findings);
    ps_facts_clear(&facts);
}

/* Each rule of these groups has a case above. */
static void no_rule_is_untested(void **state) {
    (void)state;
    int rules;
    const ps_finding_rule *const *rule = ps_finding_rules(&rules);
    for (int i = 0; i < rules; i++) {
        bool tested = !is_mine(rule[i]);
        for (int k = 0; k < CASES; k++) tested = tested || strcmp(cases[k].id, rule[i]->id) == 0;
        if (!tested) print_message("# %s has no case\n", rule[i]->id);
        assert_true(tested);
    }
}

/* Where nothing was learned, what explains it is as bad, and comes before that. */
static void causes_come_before_what_they_do(void **state) {
    (void)state;
    static const struct {
        const char *id;
        ps_layer_fact fact;
        double value;
    } stuck[] = {{"updates_too_small", PS_FACT_update_ratio, 1e-5},
                 {"updates_too_large", PS_FACT_update_ratio, 0.3},
                 {"frozen", PS_FACT_update_ratio, 0}};
    for (size_t i = 0; i < sizeof stuck / sizeof *stuck; i++) {
        ps_facts facts;
        ps_findings findings;
        make(&facts);
        stay_at_chance(&facts);
        layer_fact(&facts, 0, LAYERS, stuck[i].fact, stuck[i].value);
        check(ps_findings_judge(&facts, NULL, NULL, &findings));
        assert_true(findings.count >= 2);
        assert_string_equal(findings.list[0].rule->id, stuck[i].id);
        assert_int_equal(findings.list[0].level, PS_LEVEL_CRITICAL);
        assert_non_null(finding_of(&findings, "not_learning"));
        ps_findings_clear(&findings);
        ps_facts_clear(&facts);
    }
}

/* Nodes that die one after the other are shut by no single step. */
static void deaths_tell_of_steps_only_where_they_come_at_once(void **state) {
    (void)state;
    ps_facts facts;
    ps_findings findings;
    make(&facts);
    set_killed_slowly(&facts, 0.9);
    check(ps_findings_judge(&facts, "updates_too_large", NULL, &findings));
    assert_int_equal(findings.count, 0);
    ps_findings_clear(&findings);
    for (int l = 0; l < LAYERS; l++) ps_fact_clear(&facts.layers[l].series[PS_FACT_update_ratio]);
    check(ps_findings_judge(&facts, "updates_too_large", NULL, &findings));
    assert_int_equal(findings.unknown_count, 1);
    ps_findings_clear(&findings);
    set_killed(&facts, 0.5); /* how long steps were is not known */
    check(ps_findings_judge(&facts, "updates_too_large", NULL, &findings));
    assert_int_equal(findings.unknown_count, 1);
    ps_findings_clear(&findings);
    ps_facts_clear(&facts);
}

/* Steps that are worth a warning alone are as grave as the layer they shut, and come before it; what was dead before
 * any step is the doing of none. */
static void a_cause_is_as_grave_as_what_came_of_it(void **state) {
    (void)state;
    for (int start = 0; start < 2; start++) {
        ps_facts facts;
        ps_findings findings;
        make(&facts);
        set_long_start(&facts, 0.06);
        for (size_t i = start ? 0 : 5; i < PROBES; i++)
            facts.layers[LAYERS - 1].series[PS_FACT_dead].value[i] = (int)i < 6 && !start ? 0.8 : 1;
        check(ps_findings_judge(&facts, "updates_too_large,dead_layer", NULL, &findings));
        assert_int_equal(findings.count, 2);
        assert_string_equal(findings.list[0].rule->id, start ? "dead_layer" : "updates_too_large");
        assert_int_equal(findings.list[start].level, start ? PS_LEVEL_WARNING : PS_LEVEL_CRITICAL);
        ps_findings_clear(&findings);
        ps_facts_clear(&facts);
    }
}

/* A gap between the modes is the doing of steps where running statistics follow and are off again, and of their
 * momentum where they do not. */
static void who_is_to_blame_for_running_statistics(void **state) {
    (void)state;
    static const double follow[] = {0.9, 0.02};
    for (int i = 0; i < 2; i++) {
        ps_facts facts;
        ps_findings findings;
        make(&facts);
        set_long_start(&facts, 0.06);
        for (int l = 0; l < LAYERS; l++) {
            fill(&facts.layers[l].series[PS_FACT_mode_follow], PROBES - 1, WINDOW, constant, follow[i]);
            layer_fact(&facts, l, l + 1, PS_FACT_mode_gap, 0.5);
        }
        for (size_t k = 1; k < PROBES; k++) facts.probe_loss_eval.value[k] = facts.probe_loss_batch.value[k] + 0.5;
        check(ps_findings_judge(&facts, "updates_too_large,mode_loss,running_statistics", NULL, &findings));
        assert_string_equal(findings.list[0].rule->id, i == 0 ? "updates_too_large" : "mode_loss");
        const ps_finding *modes = finding_of(&findings, "mode_loss");
        assert_true(is_whole(modes));
        assert_true((strstr(modes->cause[0].cause, "learning rate") != NULL) == (i == 0));
        const ps_finding *lag = finding_of(&findings, "running_statistics");
        assert_true((lag != NULL) == (i == 1));
        if (lag != NULL) assert_true(is_whole(lag) && lag->level == PS_LEVEL_WARNING);
        ps_findings_clear(&findings);
        ps_facts_clear(&facts);
    }
}

/* Of the same step, weights explain the gradient, and that the loss. */
static void the_first_value_that_is_not_finite_is_named(void **state) {
    (void)state;
    ps_facts facts;
    ps_findings findings;
    make(&facts);
    set_nonfinite(&facts, 1);
    check(ps_findings_judge(&facts, "nonfinite", NULL, &findings));
    assert_non_null(strstr(findings.list[0].sentence, "weights of conv2:5"));
    assert_int_equal(findings.list[0].layers, 1);
    assert_int_equal(findings.list[0].layer[0], 2);
    assert_int_equal(findings.list[0].evidence[2].line, 1002);
    ps_findings_clear(&findings);
    ps_facts_clear(&facts);
}

/* What is not finite is spelled as traces spell it; names stay what they are. */
static void numbers_are_spelled(void **state) {
    (void)state;
    ps_finding f = {0};
    ps_finding_say(&f, "%g, %g (%g) and %.0f %% of info, finance, nan_layer and x-inf", (double)INFINITY,
                   -(double)INFINITY, (double)NAN, -(double)NAN);
    assert_string_equal(f.sentence, "Infinity, -Infinity (NaN) and NaN % of info, finance, nan_layer and x-inf");
    char longest[PS_FINDING_TEXT];
    memset(longest, 'a', sizeof longest);
    longest[PS_FINDING_TEXT - 6] = '\0';
    ps_finding_say(&f, "%s %g", longest, (double)INFINITY); /* no room for the longer word */
    assert_true(strlen(f.sentence) < PS_FINDING_TEXT);
    ps_facts facts;
    ps_findings findings;
    make(&facts);
    for (size_t i = STEPS / 2; i < STEPS; i++) facts.loss.value[i] = INFINITY;
    check(ps_findings_judge(&facts, "divergence,loss_not_a_number", NULL, &findings));
    assert_int_equal(findings.count, 2);
    for (int i = 0; i < findings.count; i++) assert_null(strstr(findings.list[i].sentence, "inf"));
    ps_findings_clear(&findings);
    ps_facts_clear(&facts);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_rule_finds_what_it_is_for),
        cmocka_unit_test(no_finding_speaks_of_what_was_not_recorded),
        cmocka_unit_test(each_rule_is_silent_before_its_threshold),
        cmocka_unit_test(a_clean_run_has_no_finding),
        cmocka_unit_test(rules_know_that_softened_labels_lift_the_loss),
        cmocka_unit_test(what_was_not_recorded_is_not_judged),
        cmocka_unit_test(no_rule_is_untested),
        cmocka_unit_test(causes_come_before_what_they_do),
        cmocka_unit_test(deaths_tell_of_steps_only_where_they_come_at_once),
        cmocka_unit_test(a_cause_is_as_grave_as_what_came_of_it),
        cmocka_unit_test(who_is_to_blame_for_running_statistics),
        cmocka_unit_test(the_first_value_that_is_not_finite_is_named),
        cmocka_unit_test(numbers_are_spelled),
    };
    return cmocka_run_group_tests_name("finding_rules", tests, NULL, NULL);
}
