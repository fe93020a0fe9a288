#include "tests/lib/report_tables.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/json.h"

enum { window_steps = 10, named_arms = 6, most_arms = 64 };

static const char *const plain_arms[named_arms] = {"baseline", "ps2", "grid", "conv", "ps4", "zero"};
static const char *const hostile_arms[named_arms] = {"<script>alert(1)</script>", "`touch pwned`$(touch pwned)",
                                                     "\"quote\"|*md*\\'",         "{/Bold x}_a^b %s @M",
                                                     "&amp;<b>\xE2\x80\xAE \xFF", "#comment"};

typedef struct {
    const char *directory;
    const report_tables *spec;
    FILE *stream;
    bool failed;
    char arms[most_arms][64]; /* names */
} maker;

/* A number in 0..1 that depends on nothing but its arguments. */
static double noise(int a, int b, int c, int d) {
    uint64_t x = (uint64_t)a * 0x9E3779B97F4A7C15u ^ (uint64_t)b * 0xC2B2AE3D27D4EB4Fu ^
                 (uint64_t)c * 0x165667B19E3779F9u ^ (uint64_t)d * 0xD6E8FEB86659FD93u;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return (double)((x ^ (x >> 31)) >> 11) * 0x1p-53;
}

static void name_arms(maker *make) {
    const char *const *names = make->spec->hostile ? hostile_arms : plain_arms;
    for (int a = 0; a < make->spec->arms; a++)
        snprintf(make->arms[a], sizeof make->arms[a], a < named_arms ? "%s" : "%s %d", names[a % named_arms], a);
}

static const char *arm_name(const maker *make, int arm) { return make->arms[arm]; }

static const char *layer_name(const maker *make, int layer, char name[64]) {
    snprintf(name, 64, make->spec->hostile ? "<img src=x onerror=alert(%d)>`id`" : "stage%d.conv%d",
             make->spec->hostile ? layer : layer / 3 + 1, layer % 3 + 1);
    return name;
}

static void open_table(maker *make, const char *name, const char *columns) {
    char path[4096];
    snprintf(path, sizeof path, "%s/tables/%s.tsv", make->directory, name);
    make->stream = fopen(path, "w");
    if (!make->stream) make->failed = true;
    else fprintf(make->stream, "%s\n", columns);
}

static void close_table(maker *make) {
    if (make->stream && fclose(make->stream) != 0) make->failed = true;
    make->stream = NULL;
}

/* Share of a layer that is dead: deeper is worse, later is worse, and every arm after the first recovers. */
static double dead_share(const maker *make, int arm, int seed, int layer, int window) {
    double depth = (layer + 1.0) / make->spec->layers, time = (double)window / make->spec->windows;
    double start = 0.3 * depth, target = arm == 0 ? 0.25 * depth + 0.02 : 0.06 * depth * (1 + 0.4 * arm);
    double share = start + (target - start) * (1 - exp(-3 * time)) + 0.02 * (noise(arm, seed, layer, window) - 0.5);
    return fmin(1, fmax(0, share));
}

static double network_share(const maker *make, int arm, int seed, int window) {
    double sum = 0;
    for (int layer = 0; layer < make->spec->layers; layer++) sum += dead_share(make, arm, seed, layer, window);
    return sum / make->spec->layers;
}

static void write_runs(maker *make) {
    const report_tables *spec = make->spec;
    open_table(make, "meta", "key\tvalue");
    fprintf(
        make->stream,
        "version\tpoolscope 0.0 (tables made by hand)\nreference\t%s\narms\t%d\nwindow_steps\t%d\nthin_loss\tevery 1st "
        "step\n"
        "command\tpoolscope compare --arm a --out %s\nclass_unit.accuracy\tshare\nclass_better.accuracy\thigher\n"
        "class_unit.mean_distance\t%s\n",
        arm_name(make, 0), spec->arms, window_steps, spec->hostile ? "<script>" : "DIR",
        spec->hostile ? "<b>mm" : "mm");
    close_table(make);
    open_table(make, "arms", "arm\tindex\treference\truns\tpaired\tdiverged\tpool_skip");
    for (int a = 0; a < spec->arms; a++)
        fprintf(make->stream, "%s\t%d\t%d\t%d\t%d\t0\t%d\n", arm_name(make, a), a, a == 0, spec->seeds, spec->seeds,
                a > 0);
    close_table(make);
    open_table(make, "identity", "arm\tseed\tkey\tvalue");
    for (int a = 0; a < spec->arms; a++)
        fprintf(make->stream, "%s\t0\tdata.source\t%s\n%s\t0\tconfig.pool_skip\t%d\n%s\t0\tmachine.simd\tavx2\n",
                arm_name(make, a), spec->hostile ? "<script>x" : "synthetic", arm_name(make, a), 2 * (a > 0),
                arm_name(make, a));
    close_table(make);
    open_table(
        make, "runs",
        "arm\tseed\tpaired\tstatus\tsteps\twindow\tprobes\tprobe_images\tlayers\tnodes\tshared_nodes\tloss_start\tloss_"
        "end\t"
        "test_loss\ttest_accuracy\tdead_start\tdead_end\tdead_all_end\tdead_mean\tnear_dead_end\tdead_eval_end\tnever_"
        "alive\trevival_"
        "rate\tdeath_rate\t"
        "inert_dead_share\tgrad_dead_ratio\tgrad_dead_zero_share\tl2l1_weight_max\tl2l1_activation_max\trecord_"
        "cost\tpeak_"
        "memory_bytes\t"
        "parameters\tmodule_parameters\tmacs\tmodel\tproducer\ttrace");
    for (int a = 0; a < spec->arms; a++)
        for (int s = 0; s < spec->seeds; s++)
            fprintf(
                make->stream,
                "%s\t%d\t1\t%s\t%d\t%d\t%d\t512\t%d\t%d\t0\t2.31\t%.4f\t1.5\t%.4f\t0.15\t%.4f\t0.125\t%.4f\t0.01\t0."
                "15\t0."
                "02\t%"
                ".4f\t0.01\t%.3f\t%.4g\t"
                "%.3f\t1.4\t3.2\t0.0%d\t123456789\t100000\t%d\t12345678\tplain9\tpoolscope 0.0\truns/%d/trace.jsonl\n",
                arm_name(make, a), s, "finished", spec->windows * window_steps, window_steps, spec->windows + 1,
                spec->layers, spec->layers * spec->channels, 1.2 + 0.1 * a + 0.1 * noise(a, s, 1, 1),
                0.4 - 0.01 * a + 0.02 * noise(a, s, 2, 2), network_share(make, a, s, spec->windows),
                network_share(make, a, s, spec->windows / 2), a ? 0.3 + 0.1 * noise(a, s, 3, 3) : 0.1, a ? 0.1 : 1.0,
                a ? 0.02 : 0.0, a ? 0.0 : 1.0, s % 9 + 1, a ? 20000 : 0, a * 10 + s);
    close_table(make);
}

/* Every run has a serious finding and a rule that could not judge it. */
static void write_findings(maker *make) {
    const report_tables *spec = make->spec;
    open_table(make, "findings",
               "arm\tseed\tid\tlevel\tsince\tsentence\ttitle\tgroup\twhere\tevidence\tcauses\tremedy\terrs\ttrace");
    for (int a = 0; a < spec->arms; a++)
        for (int s = 1; s <= spec->seeds; s++) {
            char name[64];
            fprintf(make->stream,
                    "%s\t%d\tdead_layer\tcritical\t7\tAll nodes of <i>%s</i> are dead.\ta layer is dead\tnodes\t%s\t"
                    "dead: 1, line 3\t1. steps too large\tLower the learning rate.\tnot measured\tt\n",
                    arm_name(make, a), s, layer_name(make, 0, name), layer_name(make, 0, name));
        }
    close_table(make);
    open_table(make, "findings_open", "arm\tseed\tid\ttitle\tneeds");
    for (int a = 0; a < spec->arms; a++)
        for (int s = 1; s <= spec->seeds; s++)
            fprintf(make->stream, "%s\t%d\tmode_loss\tthe modes disagree\tthe loss in both modes\n", arm_name(make, a),
                    s);
    close_table(make);
}

static void write_comparison(maker *make) {
    const report_tables *spec = make->spec;
    static const char *const measures[][4] = {{"dead_mean", "Dead share, time average", "share", "lower"},
                                              {"revival_rate", "Revivals per dead node and window", "rate", "higher"},
                                              {"test_accuracy", "Test accuracy", "share", "higher"}};
    open_table(
        make, "comparison",
        "measure\ttitle\tunit\tbetter\tarm\treference\tn\tmean_reference\tmean_arm\tmean_difference\tmedian_"
        "difference\t"
        "min_difference\tmax_difference\tlow\thigh\tinterval\tcoverage\twins\tlosses\tp\tp_less\tp_greater\tbest_"
        "p\tdiverged\tdifferences");
    for (int m = 0; m < 3; m++)
        for (int a = 1; a < spec->arms; a++)
            fprintf(
                make->stream,
                "%s\t%s\t%s\t%s\t%s\t%s\t%d\t0.2\t0.1\t-0.1\t-0.1\t-0.12\t-0.08\t-0.12\t-0.08\trange\t0.75\t%d\t0\t0."
                "25\t0.125\t1\t0.25\t0\t"
                "0:-0.1;1:-0.12;2:-0.08*\n",
                measures[m][0], measures[m][1], measures[m][2], measures[m][3], arm_name(make, a), arm_name(make, 0),
                spec->seeds, spec->seeds);
    /* One that no pair of these runs has. */
    for (int a = 1; a < spec->arms; a++)
        fprintf(
            make->stream,
            "never_alive\tShare never alive\tshare\tlower\t%s\t%s\t0\tNA\tNA\tNA\tNA\tNA\tNA\tNA\tNA\trange\tNA\t0\t0"
            "\tNA\tNA\tNA\tNA\t0\t\n",
            arm_name(make, a), arm_name(make, 0));
    close_table(make);
    open_table(make, "pairs", "measure\tarm\treference\tseed\tvalue_reference\tvalue_arm\tdifference\tdiverged");
    for (int m = 0; m < 3; m++)
        for (int a = 1; a < spec->arms; a++)
            for (int s = 0; s < spec->seeds; s++)
                fprintf(make->stream, "%s\t%s\t%s\t%d\t0.2\t%.4f\t%.4f\t0\n", measures[m][0], arm_name(make, a),
                        arm_name(make, 0), s, 0.1 + 0.02 * noise(m, a, s, 0), -0.1 + 0.02 * noise(m, a, s, 0));
    close_table(make);
    static const char *const definitions[][2] = {{"dead", "0"},       {"near_dead", "0.99"}, {"dead_eval", "0"},
                                                 {"dead_train", "1"}, {"dormant", "0.025"},  {"dormant", "0.1"}};
    open_table(
        make, "definitions",
        "definition\tthreshold\tmeasure\tarm\treference\tn\tmean_difference\tmin_difference\tmax_difference\tp\tbest_"
        "p\tdirection\tagrees");
    for (int d = 0; d < 6; d++)
        for (int a = 1; a < spec->arms; a++)
            fprintf(make->stream, "%s\t%s\tdead_mean\t%s\t%s\t%d\t%.4f\t%.4f\t%.4f\t0.25\t0.25\tless\t1\n",
                    definitions[d][0], definitions[d][1], arm_name(make, a), arm_name(make, 0), spec->seeds,
                    -0.1 - 0.01 * d, -0.14 - 0.01 * d, -0.05 - 0.01 * d);
    close_table(make);
    open_table(make, "sweep",
               "sweep\tfactor\tvalue\tarm\tseed\tstatus\tdiverged\tdead_share\tdead_share_all\ttest_accuracy");
    for (int a = 0; a < spec->arms; a++)
        for (int s = 0; s < spec->seeds; s++)
            fprintf(make->stream, "1\t%s\t%g\t%s\t%d\tfinished\t0\t%.4f\t%.4f\t%.4f\n",
                    spec->hostile ? "<script>`touch pwned`" : "lr", 0.001 * pow(4, a), arm_name(make, a), s,
                    network_share(make, a, s, spec->windows - 1), 0.9 * network_share(make, a, s, spec->windows - 1),
                    0.4 + 0.02 * noise(a, s, 0, 4));
    close_table(make);
    open_table(make, "checks", "check\tstatement\tarm\tseed\tcases\tviolations\tworst\tholds\tfirst_violation");
    for (int a = 0; a < spec->arms; a++)
        fprintf(make->stream, "C1\tA gate shut on a batch gives no gradient.\t%s\t0\t100\t0\t0\t1\tNA\n",
                arm_name(make, a));
    close_table(make);
}

static void write_activity(maker *make) {
    const report_tables *spec = make->spec;
    char layer_text[64];
    open_table(
        make, "dead_time",
        "arm\tseed\tstep\tlevel\tname\tnodes\tdead\tnear_dead\talive\tdead_share\tnear_dead_share\tdead_eval_share\t"
        "dormant0_share\tdormant025_share\tdormant100_share\tdead_train_share");
    for (int a = 0; a < spec->arms; a++)
        for (int s = 0; s < spec->seeds; s++)
            for (int w = 0; w <= spec->windows; w++) {
                double share = network_share(make, a, s, w);
                fprintf(make->stream,
                        "%s\t%d\t%d\tnetwork\tprivate\t%d\t%.0f\t1\t90\t%.4f\t0.01\t%.4f\t%.4f\t%.4f\t%.4f\tNA\n",
                        arm_name(make, a), s, w * window_steps, spec->layers * spec->channels,
                        share * spec->layers * spec->channels, share, share * 1.1, share, share * 1.2, share * 1.5);
            }
    close_table(make);
    open_table(make, "dead_arm", "arm\tstep\tlevel\tname\tseeds\tmean\tmin\tmax\tnear_dead_mean");
    for (int a = 0; a < spec->arms; a++)
        for (int w = 0; w <= spec->windows; w++) {
            double share = network_share(make, a, 0, w);
            fprintf(make->stream, "%s\t%d\tnetwork\tprivate\t%d\t%.4f\t%.4f\t%.4f\t0.01\n", arm_name(make, a),
                    w * window_steps, spec->seeds, share, share * 0.9, share * 1.1);
        }
    close_table(make);
    open_table(make, "layer_arm",
               "arm\tstep\tlayer\tposition\tstage\tkind\tseeds\tdead_mean\tdead_min\tdead_max\tinert_mean");
    for (int a = 0; a < spec->arms; a++)
        for (int w = 0; w <= spec->windows; w++)
            for (int l = 0; l < spec->layers; l++)
                fprintf(make->stream, "%s\t%d\t%s\t%d\ts%d\tconv\t%d\t%.4f\t0\t1\t0.1\n", arm_name(make, a),
                        w * window_steps, layer_name(make, l, layer_text), l, l / 3, spec->seeds,
                        dead_share(make, a, 0, l, w));
    close_table(make);
    open_table(
        make, "flow",
        "arm\tseed\twindow\tfirst\tlast\tlevel\tname\tdead_before\tnot_dead_before\trevivals\tnew_deaths\trevival_"
        "rate\tdeath_rate");
    for (int a = 0; a < spec->arms; a++)
        for (int s = 0; s < spec->seeds; s++)
            for (int w = 0; w < spec->windows; w++)
                fprintf(make->stream, "%s\t%d\t%d\t%d\t%d\tnetwork\tprivate\t20\t100\t%d\t%d\t%.3f\t%.3f\n",
                        arm_name(make, a), s, w, w * window_steps, (w + 1) * window_steps - 1, 2 * a, 1,
                        0.1 * a + 0.05 * noise(a, s, w, 7), 0.02 * noise(a, s, w, 8));
    close_table(make);
    open_table(make, "survival",
               "arm\tseed\torigin\ttime\tat_risk\tevents\tcensored\tsurvival\tlow\thigh\tlevel\tname\tseeds");
    for (int a = 0; a < spec->arms; a++)
        for (int o = 0; o < 2; o++)
            for (int w = 0; w <= spec->windows; w++) {
                double alive = exp(-(0.02 + 0.1 * a) * w);
                fprintf(make->stream, "%s\tall\t%s\t%d\t%d\t1\t0\t%.4f\t%.4f\t%.4f\tnetwork\tprivate\t3\n",
                        arm_name(make, a), o ? "start" : "onset", w * window_steps, 100 - w, alive,
                        fmax(0, alive - 0.05), fmin(1, alive + 0.05));
            }
    close_table(make);
    open_table(make, "loss", "arm\tseed\tstep\tsteps\tloss\tlr\tgrad_norm\tgrad_norm_module\tclip\tclip_module");
    for (int a = 0; a < spec->arms; a++)
        for (int s = 0; s < spec->seeds; s++)
            for (int t = 0; t < spec->windows * window_steps; t++)
                fprintf(make->stream, "%s\t%d\t%d\t1\t%.4f\t0.1\t1\tNA\t1\tNA\n", arm_name(make, a), s, t,
                        1.0 + 1.3 * exp(-3.0 * t / (spec->windows * window_steps)) + 0.1 * a + 0.1 * noise(a, s, t, 9));
    close_table(make);
    open_table(make, "eval", "arm\tseed\tstep\tsplit\tloss\taccuracy\tcount");
    for (int a = 0; a < spec->arms; a++)
        for (int s = 0; s < spec->seeds; s++)
            for (int w = 0; w <= spec->windows; w += 4)
                fprintf(make->stream, "%s\t%d\t%d\ttest\t1.5\t%.4f\t1000\n", arm_name(make, a), s, w * window_steps,
                        0.1 + 0.3 * w / spec->windows + 0.02 * noise(a, s, w, 4));
    close_table(make);
    open_table(make, "classes", "arm\tseed\tmeasure\tclass\tname\tvalue");
    for (int a = 0; a < spec->arms; a++)
        for (int s = 0; s < spec->seeds; s++)
            for (int k = 0; k < 3; k++)
                fprintf(make->stream, "%s\t%d\taccuracy\t%d\t%s %d\t%.4f\n", arm_name(make, a), s, k,
                        spec->hostile ? "<img src=x onerror=alert(5)>|`&" : "class", k,
                        0.4 + 0.2 * k + 0.05 * noise(a, s, k, 5));
    /* In millimetres; class 1 was measured in the first arm alone, and there in its first seed. */
    for (int a = 0; a < spec->arms; a++)
        for (int s = 0; s < spec->seeds; s++)
            for (int k = 0; k < 3; k++)
                if (k != 1 || (a == 0 && s == 0))
                    fprintf(make->stream, "%s\t%d\tmean_distance\t%d\tclass %d\t%d\n", arm_name(make, a), s, k, k,
                            2 + s + 10 * a);
    close_table(make);
}

static void write_gradients(maker *make) {
    const report_tables *spec = make->spec;
    char layer_text[64];
    open_table(
        make, "grad_layer",
        "arm\tseed\twindow\tfirst\tlast\tlayer\tposition\tstage\tkind\tnodes\tgrad_layer\tgrad_median_alive\tgrad_"
        "median_dead\tgrad_out_layer\talive\tdead");
    for (int a = 0; a < spec->arms; a++)
        for (int s = 0; s < spec->seeds; s++)
            for (int w = 0; w < spec->windows; w += spec->windows - 1 > 0 ? spec->windows - 1 : 1)
                for (int l = 0; l < spec->layers; l++)
                    fprintf(make->stream, "%s\t%d\t%d\t%d\t%d\t%s\t%d\ts\tconv\t%d\t%.5g\t%.5g\t%s\t0.01\t9\t1\n",
                            arm_name(make, a), s, w, w * window_steps, w * window_steps + 9,
                            layer_name(make, l, layer_text), l, spec->channels,
                            pow(10, -1 - 1.0 * l / spec->layers + 0.3 * noise(a, s, l, w)),
                            pow(10, -2 - 1.0 * l / spec->layers), a ? "1e-4" : "0");
    close_table(make);
    open_table(make, "grad_dead",
               "arm\tseed\twindow\tfirst\tlast\tlayer\tposition\tnodes\tzero_step_share\tratio_median\tratio_max\tno_"
               "reference\tidentity_energy\tpath_energy\t"
               "total_energy\tpath_share");
    for (int a = 0; a < spec->arms; a++)
        for (int s = 0; s < spec->seeds; s++)
            for (int w = 0; w < spec->windows; w++)
                fprintf(make->stream, "%s\t%d\t%d\t%d\t%d\tall\tNA\t20\t%d\t%.4g\t0.1\t0\t%s\t%s\t%s\t%s\n",
                        arm_name(make, a), s, w, w * window_steps, w * window_steps + 9, a == 0,
                        a ? 0.05 + 0.02 * noise(a, s, w, 1) : 0.0, a ? "0" : "NA", a ? "0.003" : "NA",
                        a ? "0.003" : "NA", a ? "1" : "NA");
    close_table(make);
    static const char *const states[] = {"dead", "near_dead", "alive", "dead_through", "all"};
    open_table(
        make, "inertia_time",
        "arm\tseed\twindow\tfirst\tlast\tstate\tnodes\tundefined\tpath_median\tpath_gradient_median\tpath_gradient_"
        "q25\tpath_gradient_q75\t"
        "path_carried_median\tpath_decay_median\tnet_median\tinert_share\tinert_relative_share");
    for (int a = 0; a < spec->arms; a++)
        for (int s = 0; s < spec->seeds; s++)
            for (int w = 0; w < spec->windows; w++)
                for (int k = 0; k < 5; k++) {
                    bool still = a == 0 && (k == 0 || k == 3);
                    double value = still ? 0 : 0.02 * (k == 2 ? 3 : 1) * (1 + noise(a, s, w, k));
                    fprintf(make->stream,
                            "%s\t%d\t%d\t%d\t%d\t%s\t30\t0\t%.4g\t%.4g\t%.4g\t%.4g\t0\t0.001\t0.01\t%d\t%d\n",
                            arm_name(make, a), s, w, w * window_steps, w * window_steps + 9, states[k], value, value,
                            value * 0.7, value * 1.4, still, still);
                }
    close_table(make);
    open_table(make, "l2l1",
               "arm\tseed\tstep\tlayer\tposition\tdepth\tstage\tkind\tweight_count\tweight_l2l1\tactivation_"
               "count\tactivation_l2l1\tweight_scaled\tactivation_scaled");
    close_table(make);
    open_table(
        make, "l2l1_arm",
        "arm\tlayer\tposition\tstage\tseeds\tstep\tweight_mean\tweight_min\tweight_max\tactivation_mean\tactivation_"
        "min\tactivation_max");
    for (int a = 0; a < spec->arms; a++)
        for (int l = 0; l < spec->layers; l++) {
            double weight = 1.17 + 0.1 * noise(a, l, 0, 0), active = 1.6 + noise(a, l, 1, 1);
            fprintf(make->stream, "%s\t%s\t%d\ts\t%d\t300\t%.4f\t%.4f\t%.4f\t%.4f\t%.4f\t%.4f\n", arm_name(make, a),
                    layer_name(make, l, layer_text), l, spec->seeds, weight, weight - 0.03, weight + 0.03, active,
                    active - 0.2, active + 0.2);
        }
    close_table(make);
    static const char *const groups[] = {"all", "dead", "alive"};
    open_table(
        make, "pool_path",
        "arm\tseed\twindow\tfirst\tlast\tlayer\tposition\tgroup\tnodes\tidentity\tpath\toutput\tshare\tcross\tidentit"
        "y_zero\tgrad_identity\tgrad_path\t"
        "grad_total\tgrad_share\tgrad_cross");
    for (int a = 1; a < spec->arms; a++)
        for (int s = 0; s < spec->seeds; s++)
            for (int w = spec->windows - 1; w < spec->windows; w++)
                for (int l = 0; l < spec->layers; l++)
                    for (int g = 0; g < 3; g++)
                        fprintf(make->stream,
                                "%s\t%d\t%d\t%d\t%d\t%s\t%d\t%s\t%d\t1\t0.3\t1.3\t%.4f\t0\t0\t0.1\t0.1\t0.2\t%.4f\t0\n",
                                arm_name(make, a), s, w, w * window_steps, w * window_steps + 9,
                                layer_name(make, l, layer_text), l, groups[g], spec->channels,
                                0.1 + 0.3 * noise(a, s, l, g), g == 1 ? 1.0 : 0.1 + 0.3 * noise(a, s, l, g + 3));
    close_table(make);
    open_table(
        make, "inertia",
        "arm\tseed\twindow\tfirst\tlast\tlayer\tposition\tchannel\tnode\tstate\tzeros\tpath\tpath_gradient\tpath_"
        "carried\tpath_decay\tnet\tinert\tgrad_ratio\tlr_sum");
    for (int a = 0; a < spec->arms; a++)
        for (int l = 0; l < spec->layers; l++)
            for (int c = 0; c < spec->channels && c < 30; c++) {
                bool dead = noise(a, l, c, 5) < dead_share(make, a, 0, l, spec->windows);
                double path = dead && a == 0 ? 0 : pow(10, -1.5 + 0.8 * noise(a, l, c, 6) - (dead ? 1 : 0));
                fprintf(make->stream,
                        "%s\t0\t%d\t0\t9\t%s\t%d\t%d\t%s:%d\t%s\t%.4f\t%.4g\t%.4g\t0\t0\t0.01\t%d\t0.5\t1\n",
                        arm_name(make, a), spec->windows - 1, layer_name(make, l, layer_text), l, c,
                        layer_name(make, l, layer_text), c, dead ? "dead" : "alive",
                        dead ? 1.0 : 0.3 + 0.5 * noise(a, l, c, 7), path, path, path < 1e-3);
            }
    close_table(make);
}

static void write_nodes(maker *make) {
    const report_tables *spec = make->spec;
    static const char *const causes[] = {"silent_bias", "zero_incoming", "upstream_dead", "gamma_zero",
                                         "weights_drifted"};
    char layer_text[64];
    open_table(
        make, "nodes",
        "arm\tseed\tlayer\tposition\tdepth\tstage\tkind\tchannel\tnode\tstate\tstate_eval\tfirst_"
        "death\trevivals\tdeaths\tdead_share\tlifeline\tcause\tevidence\t"
        "mobility\tpath_gradient\tpath_decay\tgrad_ratio\tgrad_zero_share\tweight_l2\tbias\tgamma\tbeta\tout_l2\tpre_"
        "max\timages_active\timages\tplanted");
    int letters = spec->windows + 1 < 120 ? spec->windows + 1 : 120;
    for (int a = 0; a < spec->arms; a++)
        for (int s = 0; s < spec->seeds; s++)
            for (int l = 0; l < spec->layers; l++)
                for (int c = 0; c < spec->channels; c++) {
                    bool dead = noise(a, l, c, s + 5) < dead_share(make, a, s, l, spec->windows),
                         returns = !dead && noise(a, l, c, s + 50) < 0.1;
                    char life[128];
                    int turn = (int)(noise(a, l, c, s + 99) * letters);
                    for (int i = 0; i < letters; i++)
                        life[i] = dead      ? (i >= turn ? 'D' : 'A')
                                  : returns ? (i < turn       ? 'D'
                                               : i < turn + 3 ? 'n'
                                                              : 'A')
                                            : 'A';
                    life[letters] = '\0';
                    fprintf(make->stream,
                            "%s\t%d\t%s\t%d\t%d\ts%d\tconv\t%d\t%s:%d\t%s\t%s\t%s\t%d\t%d\t%.3f\t%s\t%s\tbias=-4.01 "
                            "pre_max=-0.2\t%s\t%.3g\t0.001\t%.3g\t%d\t0.9\t-4\tNA\tNA\t1.2\t"
                            "-0.2\t%d\t512\t%s\n",
                            arm_name(make, a), s, layer_name(make, l, layer_text), l, l, l / 3, c,
                            layer_name(make, l, layer_text), c, dead ? "dead" : "alive", dead ? "dead" : "alive",
                            dead      ? "120"
                            : returns ? "0"
                                      : "NA",
                            returns, dead, dead ? 0.4 : 0.0, life,
                            dead ? make->spec->hostile ? "<svg onload=alert(2)>" : causes[c % 5] : "none",
                            dead && a == 0 ? "inert" : "moving", dead ? 0.0 : 0.03, dead ? 0.0 : 1.1, dead,
                            dead ? 0 : 300, returns ? "bias" : "NA");
                }
    close_table(make);
    open_table(make, "causes", "arm\tseed\tlayer\tposition\tstage\tcause\tstate\tnodes");
    for (int a = 0; a < spec->arms; a++)
        for (int s = 0; s < spec->seeds; s++)
            for (int k = 0; k < 5; k++)
                fprintf(make->stream, "%s\t%d\t%s\t0\ts\t%s\tdead\t%d\n", arm_name(make, a), s,
                        layer_name(make, 0, layer_text), make->spec->hostile ? "<svg onload=alert(2)>" : causes[k],
                        (a ? 2 : 5) * (k + 1));
    close_table(make);
    open_table(make, "cause_texts", "cause\tasked_of\trule\tremedy");
    fprintf(make->stream, "%s\tdead\tIts norm is <b>0</b>.\tDraw it anew.\nnever_found\tdead\tNo node.\tNA\n",
            make->spec->hostile ? "<svg onload=alert(2)>" : "zero_incoming");
    close_table(make);
    open_table(
        make, "planted",
        "arm\tseed\tlayer\tchannel\tnode\tplanted\tstate_start\tcause_start\tstate_end\tcause_end\treopened_step");
    for (int a = 0; a < spec->arms; a++)
        for (int s = 0; s < spec->seeds; s++)
            for (int c = 0; c < 20; c++)
                fprintf(make->stream, "%s\t%d\t%s\t%d\t%s:%d\tbias\tdead\tsilent_bias\t%s\tnone\t%s\n",
                        arm_name(make, a), s, layer_name(make, 0, layer_text), c, layer_name(make, 0, layer_text), c,
                        a && c % 3 ? "alive" : "dead", a && c % 3 ? "40" : "NA");
    close_table(make);
}

/* What stands in for death where nothing can be exactly dead: saturated gates, and heads of attention. */
static void write_smooth_nodes(maker *make) {
    const report_tables *spec = make->spec;
    char layer_text[64];
    open_table(make, "saturation",
               "arm\tseed\tstep\tlayer\tposition\tkind\tactivation\tnodes\tsaturated\tsaturated_share\tflat_share\t"
               "stuck\tconstant\tdormant025");
    for (int a = 0; a < spec->arms; a++)
        for (int s = 0; s < spec->seeds; s++)
            for (int step = 0; step <= 40; step += 20)
                fprintf(make->stream, "%s\t%d\t%d\t%s\t0\tprivate\tgelu\t%d\t1\t%.4f\t%.4f\tNA\t0\t0\n",
                        arm_name(make, a), s, step, layer_name(make, 0, layer_text), spec->channels,
                        1.0 / spec->channels, 0.1 + 0.1 * noise(a, s, step, 9));
    close_table(make);
    open_table(make, "heads",
               "arm\tseed\tstep\tlayer\tposition\thead\tshare\tentropy\tentropy_share\tweight_l2\tout_l2");
    for (int a = 0; a < spec->arms; a++)
        for (int s = 0; s < spec->seeds; s++)
            for (int head = 0; head < 2; head++)
                fprintf(make->stream, "%s\t%d\t40\t%s\t0\t%d\t0.5\t2\t%.4f\t1\t1\n", arm_name(make, a), s,
                        layer_name(make, 0, layer_text), head, 0.5 + 0.4 * noise(a, s, head, 10));
    close_table(make);
}

/* What was measured on the runs' checkpoints: compensation in the arms with modules, the Hessian in all arms but the
 * third. */
static void write_measurements(maker *make) {
    const report_tables *spec = make->spec;
    static const char *const states[] = {"dead", "alive"};
    char layer_text[64];
    open_table(make, "compensation",
               "arm\tseed\tlayer\tposition\tgroup\tchannels\tnorm\ty_energy\tpath_energy\taffine_same_share\taffine_"
               "cross_share\t"
               "dimensional_same_share\tdimensional_cross_share\tbias_same_share\tbias_cross_share");
    for (int a = 1; a < spec->arms; a++)
        for (int s = 0; s < spec->seeds; s++)
            for (int l = 0; l < spec->layers; l++) {
                double affine = 0.3 + 0.4 * noise(a, s, l, 1), rest = 1 - affine;
                fprintf(make->stream, "%s\t%d\t%s\t%d\tall\t%d\tNA\t1\t%.4f\t%.4f\t%.4f\t%.4f\t%.4f\t0\t%.4f\n",
                        arm_name(make, a), s, layer_name(make, l, layer_text), l, spec->channels,
                        0.1 * (1 + noise(a, s, l, 2)), 0.1 * affine, 0.9 * affine, 0.1 * rest, 0.5 * rest, 0.4 * rest);
            }
    close_table(make);
    open_table(
        make, "ranks",
        "arm\tseed\tlayer\tposition\tdepth\tnodes\tweights\tweight_effective_rank\tweight_stable_rank\tsigma_max\t"
        "sigma_min\toverlapping_pairs\topposite_pairs\tdependent_nodes\toutput_effective_rank\toutput_stable_"
        "rank\tsaturation");
    for (int a = 0; a < spec->arms; a++)
        for (int s = 0; s < spec->seeds; s++)
            for (int l = 0; l < spec->layers; l++)
                fprintf(make->stream, "%s\t%d\t%s\t%d\t%d\t%d\t27\t%.4f\t%.4f\t2\t0.1\t%d\t0\t%s\t%.4f\t1.5\t%.4f\n",
                        arm_name(make, a), s, layer_name(make, l, layer_text), l, l, spec->channels,
                        spec->channels * (0.7 + 0.2 * noise(a, s, l, 3)), 1.5 + noise(a, s, l, 4),
                        (int)(3 * noise(a, s, l, 5)), l % 3 == 2 ? "NA" : "1",
                        spec->channels * (0.4 + 0.2 * noise(a, s, l, 6)), 0.5 + 0.3 * noise(a, s, l, 7));
    close_table(make);
    open_table(make, "spectrum", "arm\tseed\tprobe\tindex\tvalue\tweight");
    for (int a = 0; a < spec->arms; a++)
        for (int s = 0; s < spec->seeds && a != 2; s++)
            for (int k = 0; k < 10; k++)
                fprintf(make->stream, "%s\t%d\t0\t%d\t%.4f\t0.1\n", arm_name(make, a), s, k,
                        3.0 * k - 5 + noise(a, s, k, 8));
    close_table(make);
    open_table(make, "spectrum_density", "arm\tseed\trelative\tlambda\tdensity\tsigma\trelative_density");
    for (int a = 0; a < spec->arms; a++)
        for (int s = 0; s < spec->seeds && a != 2; s++)
            for (int k = -10; k <= 10; k++) {
                double density = exp(-3.0 * abs(k) * (0.7 + 0.3 * noise(a, s, k + 10, 9)));
                fprintf(make->stream, "%s\t%d\t%g\t%g\t%.5g\t0.2\t%.5g\n", arm_name(make, a), s, 0.1 * k, 2.0 * k,
                        density, 20 * density);
            }
    close_table(make);
    open_table(make, "spectrum_mass",
               "arm\tseed\tprobes\tsteps\tepsilon\tmass\tstandard_error\tleft_out_min\tleft_out_max\texcess\texcess_"
               "standard_error");
    for (int a = 0; a < spec->arms; a++)
        for (int s = 0; s < spec->seeds && a != 2; s++)
            for (int k = 0; k < 24; k++)
                fprintf(make->stream, "%s\t%d\t%d\t%d\t%g\t%.4f\t0.01\t0.1\t0.2\tNA\tNA\n", arm_name(make, a), s,
                        k / 6 % 2 + 1, k < 12 ? 20 : 40, pow(10, k % 6 - 6),
                        0.15 * (k % 6) + 0.1 * noise(a, s, k % 12, 10) + (k < 12 ? 0.05 : 0));
    close_table(make);
    open_table(make, "spectrum_nodes",
               "arm\tseed\tstate\tnodes\tparameters\tshare\tdraws\tratio_mean\tratio_min\tratio_max");
    for (int a = 0; a < spec->arms; a++)
        for (int s = 0; s < spec->seeds && a != 2; s++)
            for (int k = 0; k < 2; k++)
                fprintf(make->stream, "%s\t%d\t%s\t9\t81\t0.1\t4\t%.4f\t%.4f\t%.4f\n", arm_name(make, a), s, states[k],
                        k * (0.5 + noise(a, s, k, 11)), k * 0.4, k * 1.6);
    close_table(make);
    static const char *const verdicts[] = {"shown",        "shown_not",     "undecided",
                                           "not_testable", "beyond_margin", "short_of_margin"};
    static const char *const variations[] = {"near_dead", "window x2", "without seed 1"};
    static const char *const hostile[] = {"`touch pwned`", "<script>alert(4)</script>", "\"'{/Bold x}"};
    open_table(make, "sensitivity",
               "prediction\tvariation\tkind\tverdict\tn\testimate\tlow\thigh\tprimary_verdict\tsame\tnote");
    for (int p = 0; p < 8 && spec->arms > 1; p++)
        for (int v = 0; v < 3; v++) {
            int verdict = (p + (v == 2 && p % 3 == 0)) % 6;
            fprintf(make->stream, "%s%d\t%s\tdefinition\t%s\t3\t-0.1\t-0.2\t0\t%s\t%d\tNA\n",
                    spec->hostile ? "<b>`id`" : "W", p + 1, (spec->hostile ? hostile : variations)[v],
                    verdicts[verdict], verdicts[p % 6], verdict == p % 6);
        }
    close_table(make);
}

static void print_values(FILE *stream, int seeds, double scale) {
    fputc('[', stream);
    for (int s = 0; s < seeds; s++)
        fprintf(stream, "%s{\"seed\":%d,\"value\":%.4f,\"diverged\":false}", s ? "," : "", s,
                scale * (1 + 0.3 * noise(s, 1, 2, 3)));
    fputc(']', stream);
}

static void print_arms(FILE *stream, const maker *make) {
    for (int a = 0; a < make->spec->arms; a++) {
        fputs(a ? ",{\"name\":" : "{\"name\":", stream);
        ps_json_print_text(stream, make->spec->hostile && a == 4 ? "odd" : arm_name(make, a));
        fprintf(stream, ",\"reference\":%s,\"pool_skip\":%s,\"runs\":[]}", a ? "false" : "true", a ? "true" : "false");
    }
}

/* The second arm has a run that did not learn. */
static void print_outcomes(FILE *stream, const maker *make) {
    for (int a = 0; a < make->spec->arms; a++) {
        fputs(a ? ",{\"arm\":" : "{\"arm\":", stream);
        ps_json_print_text(stream, arm_name(make, a));
        fprintf(stream,
                ",\"runs\":%d,\"diverged\":0,\"unlearned\":%d,\"unknown\":0,\"collapsed\":%d,\"upper\":0.45,"
                "\"mcnemar_p\":null,\"sentence\":\"so many collapsed\"}",
                make->spec->seeds, a == 1, a == 1);
    }
}

/* One part of a prediction; the second part of another has only what identifies it. */
static void print_part(FILE *stream, const maker *make, int p, bool tested, bool judged) {
    static const char *const units[] = {"share", "number", "log ratio"};
    fprintf(stream, "{\"measure\":\"measure_%d\",\"margin\":-0.05,\"unit\":\"%s\",\"arm\":", p, units[p % 3]);
    ps_json_print_text(stream, make->spec->hostile ? "<script>" : "ps2");
    fprintf(stream,
            ",\"against\":\"baseline\",\"n\":%d,\"beyond\":%d,\"against_it\":0,\"ties\":0,\"neither\":0,"
            "\"estimate\":%.3f,\"low\":-0.14,\"high\":-0.08,\"coverage\":0.9375,\"mean\":-0.11,\"sd\":0.02,"
            "\"pooled\":null,\"p\":0.03125,\"p_against\":1,\"words\":\"%s\",\"values\":",
            make->spec->seeds, tested ? make->spec->seeds : 0, tested ? -0.11 : 0.0,
            judged ? "lower by more than 5 points" : "");
    print_values(stream, tested ? make->spec->seeds : 0, -0.1);
    fputs("}", stream);
}

/* The first is the primary question, the second a secondary one, the fourth and the last cannot be tested. */
static void print_prediction(FILE *stream, const maker *make, int p) {
    static const char *const verdicts[] = {"shown", "undecided", "not_judged", "not_testable"};
    bool tested = p % 4 != 3, judged = p < 2;
    const char *verdict = verdicts[p < 2 ? p : tested ? 2 : 3];
    fprintf(stream,
            "{\"id\":\"W%d\",\"place\":\"%s\",\"title\":\"Prediction %d, by 5 points\",\"statement\":\"Dead nodes "
            "receive less gradient than living ones of their layer.\",\"population\":\"nodes\",\"statistic\":"
            "\"median\",\"claim_of\":\"the paper (figure %d)\",\"supports\":\"below -0.05\",\"fixed\":[{\"name\":"
            "\"windows_ahead\",\"value\":2}],\"direction\":\"less\",\"level\":false,\"margin\":-0.05,"
            "\"verdict\":\"%s\",\"needs\":[\"zeros\"],\"missing\":%s,\"sentence\":\"Lower in every seed.\","
            "\"part\":1,\"parts\":[",
            p + 1,
            p == 0   ? "primary"
            : p == 1 ? "secondary 1"
                     : "exploratory",
            p + 1, p + 1, verdict, tested ? "[]" : "[\"zeros\"]");
    print_part(stream, make, p, tested, judged);
    if (p % 2 == 0) {
        fputc(',', stream);
        print_part(stream, make, p + 1, tested, judged);
    }
    fputs("]}", stream);
}

static void write_verdict(maker *make) {
    char path[4096];
    snprintf(path, sizeof path, "%s/verdict.json", make->directory);
    FILE *stream = fopen(path, "w");
    if (!stream) {
        make->failed = true;
        return;
    }
    fputs("{\"format\":\"poolscope-verdict\",\"version\":2,\"reference\":", stream);
    ps_json_print_text(stream, arm_name(make, 0));
    fputs(",\"faulty\":false,\"arms\":[", stream);
    print_arms(stream, make);
    fputs("],\"seeds\":{\"paired\":[0],\"unpaired\":[]},\"answer_sentences\":1,\"summary\":[", stream);
    ps_json_print_text(stream, make->spec->hostile ? "</script><script>alert(3)</script>"
                                                   : "ps2 keeps fewer nodes dead than baseline in every seed.");
    fputs("],\"registration\":null,\"next\":\"Run `poolscope plan-seeds`.\",\"outcomes\":[", stream);
    print_outcomes(stream, make);
    fputs(
        "],\"checks\":[{\"id\":\"C1\",\"statement\":\"A gate shut on a batch gives no "
        "gradient.\",\"holds\":true,\"cases\":100,\"violations\":0,\"worst\":0,"
        "\"first_violation\":null}],\"comparison\":[],\"predictions\":[",
        stream);
    for (int p = 0; p < 8 && make->spec->arms > 1; p++) {
        fputs(p ? "," : "", stream);
        print_prediction(stream, make, p);
    }
    fputs("]}\n", stream);
    if (fclose(stream) != 0) make->failed = true;
}

bool report_tables_write(const char *directory, const report_tables *spec) {
    char tables[4096];
    snprintf(tables, sizeof tables, "%s/tables", directory);
    if (spec->arms > most_arms || ps_file_make_directories(tables) != PS_OK) return false;
    maker make = {.directory = directory, .spec = spec};
    name_arms(&make);
    write_runs(&make);
    write_findings(&make);
    write_comparison(&make);
    write_activity(&make);
    write_gradients(&make);
    write_nodes(&make);
    write_smooth_nodes(&make);
    write_measurements(&make);
    write_verdict(&make);
    return !make.failed;
}
