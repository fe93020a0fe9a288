/* How often a run probes its network where nobody said: within its share of the training, the same for all arms. */
#include "run/looks.h"

#include "run/config.h"
#include "tests/lib/kernel_test.h"

static ps_run_config settled(int steps, int batch, int probe, int every) {
    ps_run_config c;
    assert_int_equal(ps_run_config_init(&c), PS_OK);
    c.steps = steps, c.batch = batch, c.probe = probe, c.probe_eval_every = every;
    ps_looks_settle(&c);
    assert_true(c.given[PS_GIVEN_window]);
    return c;
}

/* Passes, counted one by one. */
static double passes_of(const ps_run_config *c) {
    double passes = 0;
    int windows = (c->steps + c->window - 1) / c->window, every = c->probe_eval_every;
    for (int probing = 0; probing <= windows; probing++) {
        bool ends = probing > 0 && (windows - probing) % every == 0;
        bool starts = probing < windows && (windows - probing - 1) % every == 0;
        passes += ends || starts ? 2 : 1;
    }
    return passes;
}

static double share_of(const ps_run_config *c) { return passes_of(c) * 0.5 * c->probe / ((double)c->batch * c->steps); }

static void probings_take_their_share_and_no_more(void **state) {
    (void)state;
    const int sizes[] = {1, 40, 95, 240, 1000, 4321, 100000}, batches[] = {8, 64, 200}, probes[] = {64, 256, 512};
    for (int i = 0; i < 7 * 3 * 3 * 4; i++) {
        int steps = sizes[i % 7], batch = batches[i / 7 % 3], probe = probes[i / 21 % 3], every = 1 + i / 63;
        ps_run_config c = settled(steps, batch, probe, every);
        assert_true(ps_looks_passes(&c) == passes_of(&c));
        int half = (steps + 1) / 2, most = half > 40 ? half : 40;
        assert_true(c.window >= 40 && c.window <= most);
        assert_true(c.window == most || share_of(&c) <= PS_LOOKS_SHARE);
        bool more_often = c.window > 40 && c.window < most; /* and were they more, it would be more than that */
        c.window -= 10;
        assert_true(!more_often || share_of(&c) > PS_LOOKS_SHARE);
        ps_run_config_clear(&c);
    }
}

static void what_is_given_stands_and_modules_change_nothing(void **state) {
    (void)state;
    ps_run_config c = settled(1000, 64, 256, 4), d;
    assert_int_equal(ps_run_config_copy(&c, &d), PS_OK);
    d.given[PS_GIVEN_window] = false, d.window = 40, d.pool_skip = 2;
    ps_looks_settle(&d);
    assert_int_equal(d.window, c.window);
    d.window = 7;
    ps_looks_settle(&d);
    assert_int_equal(d.window, 7);
    ps_run_config_clear(&c), ps_run_config_clear(&d);
}

int main(int argc, char **argv) {
    (void)argc;
    const struct CMUnitTest tests[] = {cmocka_unit_test(probings_take_their_share_and_no_more),
                                       cmocka_unit_test(what_is_given_stands_and_modules_change_nothing)};
    return kt_main(argv[0], tests);
}
