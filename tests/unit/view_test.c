/* Views of a run: other rules over the recorded states, joined windows; a trace written by hand, every value worked out
 * by hand. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "analysis/metric.h"
#include "analysis/view.h"

enum { WINDOWS = 5, STEPS = 10, IMAGES = 10, NODES = 3 };

#define QUANTITY(name, record) \
    "{\"name\":\"" name "\",\"unit\":\"1\",\"per\":\"node\",\"record\":\"" record "\",\"description\":\"\"}"

static char path[] = "/tmp/ps_view_XXXXXX";

/* Node 0 is dead but for probe 2, node 1 near-dead (1 of 100 outputs), silent on the first quarter and, at probe 3, on
 * the first half, node 2 alive, but shut on every training batch of window 1. Window w moves node c by (w + 1) (c + 1)
 * / 10^4. */
static int make_trace(void **state) {
    (void)state;
    int file = mkstemp(path);
    FILE *out = file >= 0 ? fdopen(file, "w") : NULL;
    if (out == NULL) return 1;
    fputs(
        "{\"type\":\"header\",\"format\":\"poolscope-trace\",\"version\":1,\"producer\":\"t\",\"arm\":\"\",\"seed\":1,"
        "\"config\":{},\"pairing\":{},\"data\":{},\"machine\":{},\"model\":{},\"window\":10,\"steps\":50,"
        "\"quantities\":[" QUANTITY("zeros", "window") "," QUANTITY("grad_norm_rms", "window") ","
        QUANTITY("grad_zero_steps", "window") "," QUANTITY("shut_steps", "window") ","
        QUANTITY("path_gradient", "window") "," QUANTITY("net", "window") ","
        QUANTITY("weight_start_l2", "window") "," QUANTITY("nonzero", "probe") ","
        QUANTITY("nonzero_half", "probe") "," QUANTITY("nonzero_quarter", "probe") ","
        QUANTITY("mean_abs", "probe") "],"
        "\"layers\":[{\"name\":\"a\",\"gate\":\"r\",\"kind\":\"conv\",\"channels\":3,\"position\":0,\"depth\":0,"
        "\"stage\":\"\","
        "\"activation\":\"relu\",\"norm\":null,\"pool_skip\":null,\"bias\":true,\"fan_in\":9,\"inputs\":[],"
        "\"elements\":10}]}\n",
        out);
    for (int probe = 0; probe <= WINDOWS; probe++) {
        if (probe > 0) {
            int w = probe - 1;
            for (int s = 0; s < STEPS; s++)
                fprintf(out, "{\"type\":\"step\",\"step\":%d,\"loss\":1,\"lr\":0.5}\n", w * STEPS + s);
            fprintf(out,
                    "{\"type\":\"window\",\"window\":%d,\"first\":%d,\"last\":%d,\"layer\":\"a\",\"values\":{\"zeros\":"
                    "[1,0.5,%d],"
                    "\"grad_norm_rms\":[0,%d,1],\"grad_zero_steps\":[10,%d,0],\"shut_steps\":[10,0,%d],\"path_"
                    "gradient\":[%g,%g,%g],\"net\":[1,1,1],"
                    "\"weight_start_l2\":[%d,1,1]}}\n",
                    w, w * STEPS, w * STEPS + STEPS - 1, w == 1, w, w, w == 1 ? STEPS : 0, (w + 1) * 1e-4,
                    (w + 1) * 2e-4, (w + 1) * 3e-4, w + 1);
        }
        fprintf(out,
                "{\"type\":\"probe\",\"step\":%d,\"layer\":\"a\",\"images\":%d,\"elements\":100,\"values\":{"
                "\"nonzero\":[%d,1,90],"
                "\"nonzero_half\":[0,%d,45],\"nonzero_quarter\":[0,0,20],\"mean_abs\":[0,0.01,0.5]}}\n",
                probe * STEPS, IMAGES, probe == 2 ? 50 : 0, probe != 3);
    }
    fputs("{\"type\":\"end\",\"steps\":50,\"status\":\"finished\"}\n", out);
    return fclose(out);
}

static int remove_trace(void **state) {
    (void)state;
    return unlink(path);
}

static const ps_variation *variation_named(const char *id) {
    int count;
    const ps_variation *list = ps_variations(&count);
    for (int v = 0; v < count; v++)
        if (strcmp(list[v].id, id) == 0) return &list[v];
    fail_msg("there is no variation %s", id);
    return NULL;
}

static ps_run *open_run(void) {
    ps_run *run;
    if (ps_run_open(path, "arm", &run) != PS_OK) fail_msg("%s", ps_status_message());
    return run;
}

/* One letter a node and probe: as lifelines of nodes.tsv. */
static void expect_states(const char *variation, const char *const *expected) {
    ps_run *run = open_run();
    ps_view view;
    assert_int_equal(ps_view_init(&view, run, variation_named(variation)), PS_OK);
    for (int node = 0; node < NODES; node++) {
        char seen[16] = "";
        for (int p = 0; p < view.run.probe_count; p++) {
            unsigned s = ps_run_node_state(&view.run, p, node);
            seen[p] = !ps_state_known(s) ? '?' : ps_state_dead(s) ? 'D' : ps_state_near(s) ? 'n' : 'A';
        }
        if (strcmp(seen, expected[node]) != 0)
            fail_msg("%s, node %d: %s, not %s", variation, node, seen, expected[node]);
    }
    ps_view_clear(&view);
    ps_run_close(run);
}

static void definitions_of_deadness(void **state) {
    (void)state;
    expect_states("near_dead", (const char *const[]){"DDADDD", "DDDDDD", "AAAAAA"});
    expect_states("near_dead_0.95", (const char *const[]){"DDADDD", "nnnnnn", "AAAAAA"});
    expect_states("near_dead_0.999", (const char *const[]){"DDADDD", "AAAAAA", "AAAAAA"});
    expect_states("dead_eval", (const char *const[]){"??????", "??????", "??????"});
    /* Known from the first window on; near-dead by the probe, open on the training batches. */
    expect_states("dead_train", (const char *const[]){"?DDDDD", "?nnnnn", "?ADAAA"});
    expect_states("dormant_0", (const char *const[]){"DDDDDD", "nnnnnn", "AAAAAA"});
    expect_states("dormant_0.1", (const char *const[]){"DDDDDD", "DDDDDD", "AAAAAA"}); /* 0.01 / 0.17 */
    /* Half of 10 images: 1 of 50 outputs is more than 1 %, so node 1 is alive there. A quarter: 3 images. */
    expect_states("probe_half", (const char *const[]){"DDDDDD", "AAADAA", "AAAAAA"});
    expect_states("probe_quarter", (const char *const[]){"DDDDDD", "DDDDDD", "AAAAAA"});
}

static void joined_windows_leave_out_the_probes_within(void **state) {
    (void)state;
    /* Of 6 probes 0, 2, 4 and the last one remain in pairs, 0, 4 and the last one in fours. */
    expect_states("windows_2", (const char *const[]){"DADD", "nnnn", "AAAA"});
    expect_states("windows_4", (const char *const[]){"DDD", "nnn", "AAA"});
    ps_run *run = open_run();
    ps_view view;
    assert_int_equal(ps_view_init(&view, run, variation_named("windows_2")), PS_OK);
    assert_int_equal(view.run.window_count, 2); /* the fifth is left over */
    assert_int_equal(view.run.windows[1].first, 20);
    assert_int_equal(view.run.windows[1].last, 39);
    assert_int_equal(view.run.windows[1].before, 1);
    assert_int_equal(view.run.windows[1].after, 2);
    assert_float_equal(view.run.windows[1].lr_sum, 10, 1e-12);
    ps_view_clear(&view);
    ps_run_close(run);
}

typedef struct {
    ps_view view;
    int windows, probes;
} joiner;

static ps_status check_frame(void *context, const ps_frame *frame) {
    joiner *j = context;
    ps_frame seen;
    bool ready;
    PS_TRY(ps_view_frame(&j->view, frame, &seen, &ready));
    if (!ready) return PS_OK;
    if (!seen.is_window) {
        assert_int_equal(seen.index, j->probes++);
        return PS_OK;
    }
    int a = 2 * seen.index, b = a + 1;
    assert_int_equal(seen.index, j->windows++);
    assert_float_equal(seen.node[PS_Q_zeros][2], seen.index == 0 ? 0.5 : 0, 1e-12);
    assert_float_equal(seen.node[PS_Q_grad_norm_rms][1], sqrt((a * a + b * b) / 2.0), 1e-12);
    assert_float_equal(seen.node[PS_Q_grad_zero_steps][0], 20, 0);
    assert_float_equal(seen.node[PS_Q_grad_zero_steps][1], a + b, 0);
    assert_float_equal(seen.node[PS_Q_shut_steps][0], 20, 0);
    assert_float_equal(seen.node[PS_Q_shut_steps][2], seen.index == 0 ? STEPS : 0, 0);
    assert_float_equal(seen.node[PS_Q_path_gradient][2], (a + b + 2) * 3e-4, 1e-12);
    assert_float_equal(seen.node[PS_Q_weight_start_l2][0], a + 1, 0);
    assert_null(seen.node[PS_Q_net]); /* displacements do not add up */
    assert_null(seen.node[PS_Q_path]);
    return PS_OK;
}

static ps_status pass_record(void *context, const ps_trace_record *record) {
    (void)context;
    (void)record;
    return PS_OK;
}

static void joined_values_by_hand(void **state) {
    (void)state;
    ps_run *run = open_run();
    joiner j = {.windows = 0};
    assert_int_equal(ps_view_init(&j.view, run, variation_named("windows_2")), PS_OK);
    ps_run_visitor visitor = {&j, check_frame, pass_record};
    assert_int_equal(ps_run_stream(run, &visitor), PS_OK);
    assert_int_equal(j.windows, 2);
    assert_int_equal(j.probes, 4);
    ps_view_clear(&j.view);
    ps_run_close(run);
}

/* Every measure of every prediction under variations of mobility, from one pass. Node 0 is dead at the start of windows
 * 0, 1, 3 and 4, through all of them but window 1; it moves by 1e-4 of its weights; alive is node 2, which moves by 3
 * (w + 1) 1e-4, at most 15e-4. */
static void thresholds_by_hand(void **state) {
    static const struct {
        const char *variation;
        double moving;
    } cases[] = {{"inert_1e-4", 1}, {"inert_1e-2", 0}, {"inert_relative", 1}};
    (void)state;
    ps_run *run = open_run();
    ps_summary primary = {0}, varied[PS_MOST_VARIATIONS] = {{0}};
    int count;
    const ps_variation *list = ps_variations(&count);
    char directory[] = "/tmp/ps_view_tables_XXXXXX", command[64];
    ps_file_set *set;
    ps_tables *tables;
    ps_collector collector = {0};
    assert_non_null(mkdtemp(directory));
    assert_int_equal(ps_file_set_begin(directory, "tables", "", &set), PS_OK);
    assert_int_equal(ps_tables_open(set, &run->header->task, &tables), PS_OK);
    assert_int_equal(ps_metrics_run_varied(run, tables, &primary, &collector, varied), PS_OK);
    assert_float_equal(ps_summary_get(&primary, "dead_moving_share"), 0, 0);
    assert_float_equal(ps_summary_find(&primary, "dead_moving_share")->cases, 4, 0);
    assert_float_equal(ps_summary_find(&varied[variation_named("dead_through") - list], "dead_moving_share")->cases, 3,
                       0);
    assert_float_equal(ps_summary_find(&primary, "dead_gradient_ratio")->cases, 4, 0);
    assert_float_equal(ps_summary_find(&varied[variation_named("dead_through") - list], "dead_gradient_ratio")->cases,
                       3, 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const ps_summary *summary = &varied[variation_named(cases[i].variation) - list];
        assert_float_equal(ps_summary_get(summary, "dead_moving_share"), cases[i].moving, 0);
    }
    /* Node 0 is dead at 5 of 6 probes, in pairs at 3 of 4; the others never are. */
    assert_float_equal(ps_summary_get(&primary, "dead_mean"), 5.0 / 18, 1e-12);
    assert_float_equal(ps_summary_get(&varied[variation_named("windows_2") - list], "dead_mean"), 0.25, 1e-12);
    for (int v = 0; v < count; v++) ps_summary_clear(&varied[v]);
    ps_summary_clear(&primary);
    ps_collect_clear(&collector);
    ps_tables_close(tables);
    ps_file_set_discard(set);
    ps_run_close(run);
    snprintf(command, sizeof command, "rm -rf '%s'", directory);
    assert_int_equal(system(command), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(definitions_of_deadness),
        cmocka_unit_test(joined_windows_leave_out_the_probes_within),
        cmocka_unit_test(joined_values_by_hand),
        cmocka_unit_test(thresholds_by_hand),
    };
    return cmocka_run_group_tests(tests, make_trace, remove_trace);
}
