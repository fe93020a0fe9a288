#include "run/looks.h"

static const double steps_a_pass = 0.5; /* of as many images */

double ps_looks_passes(const ps_run_config *c) {
    int windows = (c->steps + c->window - 1) / c->window, every = c->probe_eval_every;
    int probings = windows + 1, evaluated = (windows - 1) / every + 1;
    return every == 1 ? 2.0 * probings : probings + 2.0 * evaluated;
}

/* In steps. */
static double cost_of(const ps_run_config *c) {
    double batch = (double)c->batch * c->accumulate;
    return ps_looks_passes(c) * steps_a_pass * c->probe / batch;
}

void ps_looks_settle(ps_run_config *c) {
    enum { TEN = 10 };
    int half = (c->steps + 1) / 2, most = half > c->window ? half : c->window;
    if (c->given[PS_GIVEN_window]) return;
    while (c->window < most && cost_of(c) > PS_LOOKS_SHARE * c->steps) c->window += TEN;
    if (c->window > most) c->window = most;
    c->given[PS_GIVEN_window] = true;
}
