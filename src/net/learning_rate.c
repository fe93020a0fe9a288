#include "net/learning_rate.h"

#include <math.h>
#include <string.h>

static bool is(const ps_lr_options *o, const char *schedule) { return strcmp(o->schedule, schedule) == 0; }

static bool ends_low(const ps_lr_options *o) { return is(o, "cosine") || is(o, "polynomial"); }

/* ---- options ---- */

static ps_status check_milestones(const ps_lr_options *o) {
    for (int i = 0; i < o->milestone_count; i++)
        if (!(o->milestones[i] >= 0))
            return ps_fail(PS_ERR_USAGE, "a milestone must be a share of all steps or an epoch, not %g",
                           o->milestones[i]);
    for (int i = 1; i < o->milestone_count; i++)
        if (!(o->milestones[i] > o->milestones[i - 1]))
            return ps_fail(PS_ERR_USAGE, "milestones must rise: %g stands behind %g", o->milestones[i],
                           o->milestones[i - 1]);
    return PS_OK;
}

static ps_status check_end(const ps_lr_options *o, uint64_t steps) {
    if ((o->minimum > 0 || o->cooldown > 0) && !ends_low(o))
        return ps_fail(
            PS_ERR_USAGE,
            "the schedule \"%s\" goes down to no least rate; choose cosine or polynomial, or leave the least "
            "rate and the cool-down out",
            o->schedule);
    if (o->minimum > o->lr)
        return ps_fail(PS_ERR_USAGE, "the least learning rate %g is above the rate %g it goes down from", o->minimum,
                       o->lr);
    if (o->cooldown > 0 && o->cooldown >= steps)
        return ps_fail(
            PS_ERR_USAGE,
            "a cool-down of %llu steps leaves nothing of a run of %llu steps; shorten it, or train for longer",
            (unsigned long long)o->cooldown, (unsigned long long)steps);
    return PS_OK;
}

ps_status ps_lr_check(const ps_lr_options *o, uint64_t steps) {
    if (!is(o, "constant") && !is(o, "step") && !ends_low(o))
        return ps_fail(PS_ERR_USAGE, "schedule \"%s\" is unknown; choose constant, step, cosine or polynomial",
                       o->schedule);
    if (!(o->lr >= 0 && o->lr <= 1e6))
        return ps_fail(PS_ERR_USAGE, "the learning rate must be from 0 to 1e+06, not %g", o->lr);
    if (o->from_given && o->warmup == 0)
        return ps_fail(PS_ERR_USAGE,
                       "the rate %g that warm-up starts from needs a warm-up; say how long it is, or leave it out",
                       o->from);
    PS_TRY(check_milestones(o));
    return check_end(o, steps);
}

/* ---- one step ---- */

static double scheduled(const ps_lr_options *o, double share) {
    static const double pi = 3.14159265358979323846;
    double lr = o->lr;
    if (is(o, "cosine")) return o->minimum + (lr - o->minimum) * (0.5 * (1.0 + cos(pi * share)));
    if (is(o, "polynomial")) return fmax(lr * pow(1.0 - share, o->power), o->minimum);
    if (is(o, "step"))
        for (int i = 0; i < o->milestone_count; i++) lr *= share >= o->milestones[i] ? o->step_factor : 1.0;
    return lr;
}

double ps_lr_of(const ps_lr_options *o, uint64_t step, uint64_t steps) {
    uint64_t hold = o->hold > 0 ? o->hold : 1, at = step - step % hold, moving = steps - o->cooldown;
    if (at < o->warmup && o->from_given) return o->from + (o->lr - o->from) * (double)at / (double)o->warmup;
    double share = moving > 0 ? (double)at / (double)moving : 0.0;
    double lr = scheduled(o, at < moving || o->cooldown == 0 ? share : 1.0);
    return at < o->warmup ? lr * ((double)(at + 1) / (double)o->warmup) : lr;
}
