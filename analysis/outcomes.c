#include "analysis/outcomes.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "analysis/metric.h"
#include "analysis/relation.h"
#include "analysis/stats/binomial.h"
#include "analysis/stats/learned.h"

enum { WITHOUT_COUNT = -1 };

/* Correct test images, WITHOUT_COUNT where the trace does not tell, or guessing is not known. */
static int correct_images(const ps_arms *arms, const ps_arm_run *run, int *images) {
    const ps_trace_measure *measure = &arms->task.measure[0];
    double value = ps_summary_get(&run->summary, arms->measure[0].name);
    double count = ps_summary_get(&run->summary, "test_images");
    bool told = strcmp(arms->task.name, "classification") == 0 && ps_trace_measure_is_share(measure) &&
                !isnan(measure->chance) && isfinite(value) && count >= 1;
    *images = told ? (int)count : 0;
    return told ? (int)lround(value * count) : WITHOUT_COUNT;
}

/* Where the measure is no share of images that are right, there is no count to test: it is better than guessing, or it
 * is not. UNKNOWN where one of the two is not known. */
static ps_learned beyond_guessing(const ps_arms *arms, const ps_arm_run *run) {
    const ps_trace_measure *measure = &arms->task.measure[0];
    double value = ps_summary_get(&run->summary, arms->measure[0].name);
    if (isnan(measure->chance) || ps_is_absent(value) || !isfinite(value)) return PS_LEARNED_UNKNOWN;
    bool better = measure->higher_is_better ? value > measure->chance : value < measure->chance;
    return better ? PS_LEARNED : PS_LEARNED_NOTHING;
}

static void judge_learned(const ps_arms *arms, ps_arm_run *run, int runs) {
    int images, correct = correct_images(arms, run, &images);
    double first = ps_summary_get(&run->summary, "loss_start"), last = ps_summary_get(&run->summary, "loss_end");
    run->outcome.learned_p = ps_absent();
    if (correct != WITHOUT_COUNT) {
        double share = arms->task.measure[0].chance;
        run->outcome.learned_p = ps_stats_learned_p(correct, images, share);
        run->outcome.learned = ps_stats_has_learned(correct, images, share, runs) ? PS_LEARNED : PS_LEARNED_NOTHING;
    } else if (strcmp(arms->task.name, "classification") != 0 && beyond_guessing(arms, run) != PS_LEARNED_UNKNOWN)
        run->outcome.learned = beyond_guessing(arms, run);
    else if (!ps_is_absent(first) && !ps_is_absent(last))
        run->outcome.learned = last < first ? PS_LEARNED : PS_LEARNED_NOTHING;
    else run->outcome.learned = PS_LEARNED_UNKNOWN;
}

static bool is_below(const ps_arms *arms, const ps_arm_run *run, double level) {
    double value = ps_summary_get(&run->summary, arms->measure[0].name);
    if (isnan(level) || ps_is_absent(value)) return false;
    return arms->task.measure[0].higher_is_better ? !(value >= level) : !(value <= level);
}

void ps_outcomes_judge(ps_arms *arms, const ps_registration *registration) {
    int runs = 0;
    for (int a = 0; a < arms->count; a++) runs += arms->arms[a].run_count;
    for (int a = 0; a < arms->count; a++)
        for (int r = 0; r < arms->arms[a].run_count; r++) {
            ps_arm_run *run = &arms->arms[a].runs[r];
            run->outcome = (ps_run_outcome){.diverged = run->status == PS_RUN_DIVERGED};
            judge_learned(arms, run, runs);
            if (run->outcome.diverged) run->outcome.learned = PS_LEARNED_NOTHING;
            run->outcome.below = registration != NULL && is_below(arms, run, registration->collapse_below);
            run->outcome.collapsed = run->outcome.learned == PS_LEARNED_NOTHING || run->outcome.below;
        }
}

const char *ps_learned_word(ps_learned learned) {
    static const char *const words[] = {
#define STATE(id, word) word,
        PS_LEARNED_STATES(STATE)
#undef STATE
    };
    return words[learned];
}

ps_outcome_counts ps_outcomes_count(const ps_arm *arm) {
    ps_outcome_counts c = {.runs = arm->run_count};
    for (int r = 0; r < arm->run_count; r++) {
        const ps_run_outcome *o = &arm->runs[r].outcome;
        c.diverged += o->diverged;
        c.unlearned += !o->diverged && o->learned == PS_LEARNED_NOTHING;
        c.unknown += o->learned == PS_LEARNED_UNKNOWN;
        c.collapsed += o->collapsed;
    }
    c.upper = ps_stats_share_upper(c.collapsed, c.runs, 0.95);
    return c;
}

ps_stats_mcnemar ps_outcomes_mcnemar(const ps_arm *reference, const ps_arm *arm) {
    int mine = 0, theirs = 0;
    if (arm == reference) return ps_stats_mcnemar_test(0, 0);
    for (int r = 0; r < arm->run_count; r++) {
        const ps_arm_run *run = &arm->runs[r], *partner = ps_relation_partner(arm, run, reference);
        if (partner == NULL) continue;
        mine += run->outcome.collapsed && !partner->outcome.collapsed;
        theirs += !run->outcome.collapsed && partner->outcome.collapsed;
    }
    return ps_stats_mcnemar_test(mine, theirs);
}

const char *ps_outcomes_say(const ps_arm *arm, char text[PS_OUTCOME_TEXT]) {
    ps_outcome_counts c = ps_outcomes_count(arm);
    int below = c.collapsed - c.diverged - c.unlearned, used;
    used = snprintf(text, PS_OUTCOME_TEXT, "%d of %d run%s collapsed (95 %% bound: %.0f %% of such runs", c.collapsed,
                    c.runs, c.runs == 1 ? "" : "s", 100 * c.upper);
    const struct {
        int count;
        const char *what;
    } kinds[] = {{c.diverged, "diverged"}, {c.unlearned, "at chance"}, {below, "below the registered level"}};
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
        if (kinds[k].count > 0)
            used += snprintf(text + used, (size_t)(PS_OUTCOME_TEXT - used), "; %d %s", kinds[k].count, kinds[k].what);
    if (c.unknown > 0)
        used += snprintf(text + used, (size_t)(PS_OUTCOME_TEXT - used), "; of %d it is not known whether they learned",
                         c.unknown);
    snprintf(text + used, (size_t)(PS_OUTCOME_TEXT - used), ")");
    return text;
}
