/* Error rates and power of the predictions' tests, from simulated runs with known truth, recall and false alarms of the
 * diagnoses, from plantings, and how often the words of a verdict are false, from drawn differences of pairs: calibrate
 * [scale] (1), calibrate SCALE verdicts (these alone). Prints Markdown tables; exit 1 when a false-alarm rate lies
 * outside what chance allows around the exact size of its test, a diagnosis is wrong, or words are false too often. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "analysis/metric.h"
#include "analysis/predictions/predictions.h"
#include "analysis/stats/sign_test.h"
#include "core/memory.h"
#include "core/rng.h"
#include "tests/calibrate/diagnoses.h"
#include "tests/calibrate/verdicts.h"
#include "tests/lib/trace_fixture.h"

enum { NULL_PAIRS = 6000, EFFECT_PAIRS = 600 }; /* at scale 1 */

static const struct {
    const char *name, *measure; /* NULL: the log hazard ratio of a pair */
    bool greater, pair;
    bool at_margin; /* without effect the statistic's truth lies at the margin of the prediction; else at 0 */
} statistics[] = {
    {"share of steps with gradient, dead nodes (W1)", "dead_gradient_steps", false, false, true},
    {"leaving towards life, dead less near-dead (W2)", "leave_difference", false, false, false},
    {"inertia after deaths upstream (W3)", "cascade_difference", true, false, false},
    {"l2/l1 leads deaths (W4)", "sparsity_lead", true, false, false},
    {"near-dead nodes slow down (W5)", "near_dead_slowing", false, false, false},
    {"gradient of dead nodes over alive ones (P1)", "dead_gradient_ratio", true, false, true},
    {"log hazard ratio of reopening (P2)", NULL, true, true, false},
    {"log hazard ratio of dying (P3)", NULL, false, true, false},
    {"share of dead nodes that move (P4)", "dead_moving_share", true, false, true},
    {"log l2/l1 of shallow layers, paired difference (P5)", "l2l1_shallow_log", false, true, true},
    {"log l2/l1 of late layers, paired difference (P5)", "l2l1_late_log", false, true, true},
    {"test accuracy, paired difference (P6)", "test_accuracy", true, true, true},
    {"dead share over time, paired difference (P7, P8, M1, M2)", "dead_mean", false, true, false},
    {"reopening, more gradient less other (P9)", "gradient_reopening", true, false, false},
    {"dead share at the end, paired difference (M3)", "dead_end", false, true, false},
};
static const int sizes[] = {5, 8, 13, 20};
enum { STATISTICS = sizeof statistics / sizeof *statistics, SIZES = sizeof sizes / sizeof *sizes };

/* Where the statistic's truth lies without effect; the test is against it. */
static double margin_of(int k) {
    int count;
    const ps_prediction *const *list = ps_predictions(&count);
    for (int i = 0; statistics[k].at_margin && i < count; i++)
        for (int p = 0; p < list[i]->part_count; p++)
            if (strcmp(list[i]->parts[p].statistic, statistics[k].measure) == 0) return list[i]->parts[p].margin;
    return 0;
}

typedef struct {
    double *values[STATISTICS]; /* one a pair of runs; NaN where nothing could be counted */
    int pairs;
} sample;

/* What no test may take for an effect is in every run: a course common to all that happens, one of each layer besides,
 * noise that hangs on its past, and an l2/l1 that answers deaths at once. Without effect every statistic's truth lies
 * at its margin. Nodes that begin a window dead move by 0.1 dead_ratio dead_speed exp(0.5831 normal) of their weights,
 * and 5 % of them not at all: the factor 1.03925 puts the share above 1e-3 at one half. */
static ps_fixture fixture_of(uint64_t seed, bool module, bool effect) {
    ps_fixture f = ps_fixture_default(module ? "module" : "baseline", seed);
    ps_rng_key accuracy = ps_rng_key_of(seed, module ? "accuracy/module" : "accuracy/baseline");
    f.start_by_seed = f.noise = f.module = f.norm =
        true; /* both arms have modules: dead nodes of both get a gradient */
    f.pool_size = 2;
    f.layers = 6; /* two stages in which several layers read others (W3) */
    f.channels = 16;
    f.windows = 12;
    f.trend = 2; /* deaths, revivals, inertia, paths and l2/l1 all fall over the run */
    f.own_trend = 2;
    f.memory = 0.7;
    f.answer = -0.3;
    f.death = 0.03;
    f.revival = 0.15;
    f.near_leave = 0.15;
    f.dead_ratio = effect ? 0.011 : 0.01;
    f.dead_speed = effect ? 10 : 1.03925;
    f.dead_steps = effect ? 0.04 : 0.05;
    f.accuracy = 0.5 + 0.005 * (double)ps_rng_normal(accuracy, 0) - (module && !effect ? 0.01 : 0);
    f.concentration[0] = !module ? 0 : effect ? -0.04 : -0.02;
    f.concentration[1] = !module || effect ? 0 : 0.02;
    if (!effect) return f;
    f.cascade = 0.3;
    f.lead = 0.9;
    f.slowing = 0.5;
    f.reopening = 1.5;
    f.near_leave = 0.3;
    if (module) f.revival = 0.3;
    if (module) f.death = 0.01;
    return f;
}

static ps_status measure(const ps_fixture *fixture, const char *path, ps_summary *summary) {
    ps_run *run;
    ps_collector collector;
    memset(&collector, 0, sizeof collector);
    PS_TRY(ps_fixture_write(fixture, path));
    PS_TRY(ps_run_open(path, fixture->arm, &run));
    ps_status status = ps_metrics_run(run, NULL, summary, &collector);
    ps_run_close(run);
    ps_collect_clear(&collector);
    return status;
}

static ps_status hazard_of(const ps_summary *base, const ps_summary *module, bool reopening, ps_prediction_value *v) {
    ps_stats_risk_set *sets = NULL;
    size_t count;
    PS_TRY(ps_prediction_log_hazard_ratio(base, module, reopening, 0, v, &sets, &count));
    ps_free(sets);
    return PS_OK;
}

static ps_status draw_pair(uint64_t seed, bool effect, const char *path, double *values) {
    ps_summary base, module;
    ps_fixture b = fixture_of(seed, false, effect), m = fixture_of(seed, true, effect);
    memset(&base, 0, sizeof base);
    memset(&module, 0, sizeof module);
    ps_status status = measure(&b, path, &base);
    if (status == PS_OK) status = measure(&m, path, &module);
    for (int k = 0; status == PS_OK && k < STATISTICS; k++) {
        ps_prediction_value hazard = {.value = NAN};
        if (statistics[k].measure == NULL) {
            status = hazard_of(&base, &module, statistics[k].greater, &hazard);
            values[k] = hazard.value;
            continue;
        }
        values[k] = ps_summary_get(&base, statistics[k].measure);
        if (statistics[k].pair) values[k] = ps_summary_get(&module, statistics[k].measure) - values[k];
    }
    ps_summary_clear(&base);
    ps_summary_clear(&module);
    return status;
}

static ps_status draw_sample(sample *s, int pairs, bool effect, const char *folder) {
    char path[96];
    ps_status status = PS_OK;
    snprintf(path, sizeof path, "%s/trace.jsonl", folder);
    s->pairs = pairs;
    for (int k = 0; k < STATISTICS; k++) PS_TRY(PS_ALLOC((size_t)pairs, &s->values[k], "sample"));
    for (int i = 0; status == PS_OK && i < pairs; i++) {
        double values[STATISTICS] = {0};
        if (status == PS_OK) status = draw_pair((effect ? 1000000 : 1) + (uint64_t)i, effect, path, values);
        for (int k = 0; k < STATISTICS; k++) s->values[k][i] = values[k];
    }
    return status;
}

/* Share of disjoint groups of n pairs in which the one-sided test says 5 %. */
static double alarm_rate(const sample *s, int k, int n, int *groups) {
    int alarms = 0;
    *groups = 0;
    for (int start = 0; start + n <= s->pairs; start += n) {
        double values[32];
        int count = 0;
        for (int i = 0; i < n; i++)
            if (isfinite(s->values[k][start + i])) values[count++] = s->values[k][start + i] - margin_of(k);
        if (count < n) continue;
        ps_stats_sign test = ps_stats_sign_test(values, n, 0, 0);
        (*groups)++;
        alarms += (statistics[k].greater ? test.p : test.p_against) <= PS_SIGN_LEVEL;
    }
    return *groups > 0 ? (double)alarms / *groups : NAN;
}

static int print_table(const sample *null, const sample *effect) {
    int wrong = 0;
    printf(
        "| statistic | margin | seeds | exact size | false alarms | 99.9 %% of chance | power "
        "|\n|---|---|---|---|---|---|---|\n");
    for (int k = 0; k < STATISTICS; k++)
        for (int s = 0; s < SIZES; s++) {
            int groups, effect_groups, n = sizes[s];
            double rate = alarm_rate(null, k, n, &groups), power = alarm_rate(effect, k, n, &effect_groups);
            double size = ps_stats_sign_size(n, ps_stats_sign_needed(n, PS_SIGN_LEVEL)),
                   half = 3.29 * sqrt(size * (1 - size) / groups);
            bool outside = !(rate <= size + half + 1e-12); /* fewer are no fault: pairs at the margin count for none */
            wrong += outside;
            printf("| %s | %g | %d | %.4f | %.4f of %d%s | %.4f to %.4f | ", statistics[k].name, margin_of(k), n, size,
                   rate, groups, outside ? " (!)" : "", fmax(0, size - half), size + half);
            if (effect_groups > 0) printf("%.2f of %d |\n", power, effect_groups);
            else printf("- |\n");
        }
    return wrong;
}

int main(int argc, char **argv) {
    double scale = argc > 1 ? atof(argv[1]) : 1;
    char folder[] = "/tmp/ps_calibrate_XXXXXX", command[64];
    sample null = {{NULL}, 0}, effect = {{NULL}, 0};
    int wrong = 0;
    if (argc > 2 && strcmp(argv[2], "verdicts") == 0) {
        if (ps_calibrate_verdicts(scale, &wrong) != PS_OK) return 2;
        return wrong > 0;
    }
    if (mkdtemp(folder) == NULL) return 2;
    ps_status status = draw_sample(&null, (int)(NULL_PAIRS * scale), false, folder);
    if (status == PS_OK) status = draw_sample(&effect, (int)(EFFECT_PAIRS * scale), true, folder);
    if (status == PS_OK) {
        wrong = print_table(&null, &effect);
        printf(
            "\n## Recall and false alarms of the diagnoses\n\n"
            "Nodes are planted (`poolscope plant`) in small networks that were trained shortly, and every node "
            "is then diagnosed as\n"
            "`poolscope diagnose` and `poolscope ranks` do, with their default bounds. \"False alarms\": nodes "
            "that nothing was planted\n"
            "in, some image activates, and that are called something all the same. Nodes that no image "
            "activates any more because\n"
            "others were planted are dead rightly; they stand by themselves. Intervals are Wilson's, 95 %%. In "
            "rows of near misses,\n"
            "\"found\" counts those called anything: none should be. Overlap is called from |cosine| 0.999 "
            "(2.563 degrees) on,\n"
            "dependence below a residual of 0.001: recall falls where the planted angle or noise crosses "
            "that.\n\n");
        status = ps_calibrate_diagnoses(scale, folder, &wrong);
    }
    if (status == PS_OK) status = ps_calibrate_verdicts(scale, &wrong);
    if (status != PS_OK) fprintf(stderr, "%s\n", ps_status_message());
    for (int k = 0; k < STATISTICS; k++) {
        ps_free(null.values[k]);
        ps_free(effect.values[k]);
    }
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    if (system(command) != 0 || status != PS_OK) return 2;
    return wrong > 0;
}
