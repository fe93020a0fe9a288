#include "analysis/stats/sequential.h"

#include <math.h>

#include "analysis/json_scan.h"

const ps_looks ps_looks_early = {5, {5, 8, 12, 16, 20}, {5, PS_LOOK_WITHOUT_VERDICT, 11, 13, 15}};
const ps_looks ps_looks_late = {5, {5, 8, 12, 16, 20}, {PS_LOOK_WITHOUT_VERDICT, 8, 10, 12, 15}};

int ps_looks_next(const ps_looks *looks, int seeds) {
    for (int i = 0; i < looks->count; i++)
        if (looks->seeds[i] > seeds) return i;
    return -1;
}

bool ps_looks_can_reach(const ps_looks *looks, int seeds, int count) {
    for (int i = 0; i < looks->count; i++)
        if (looks->seeds[i] > seeds && count + looks->seeds[i] - seeds >= looks->needed[i]) return true;
    return false;
}

/* chance[s]: that s of `seen` pairs are beyond, along paths that have not ended. */
static void walk(double *chance, int seen, int to, double beyond) {
    for (int n = seen + 1; n <= to; n++) {
        chance[n] = 0;
        for (int s = n; s > 0; s--) chance[s] = chance[s] * (1 - beyond) + chance[s - 1] * beyond;
        chance[0] *= 1 - beyond;
    }
}

static double take(double *chance) {
    double taken = *chance;
    *chance = 0;
    return taken;
}

/* One side alone: paths end where it is reached. */
static void spend(const ps_looks *looks, double beyond, double *spent) {
    double chance[PS_SIGN_MOST_PAIRS + 1] = {1}, sum = 0;
    for (int i = 0, seen = 0; i < looks->count; seen = looks->seeds[i++]) {
        walk(chance, seen, looks->seeds[i], beyond);
        for (int s = looks->needed[i]; s <= looks->seeds[i]; s++) sum += take(&chance[s]);
        spent[i] = sum;
    }
}

/* Both sides: paths end where either is reached, or neither can be. */
static void end_paths(const ps_looks *looks, int look, double *chance, ps_looks_chances *chances) {
    int seeds = looks->seeds[look], needed = looks->needed[look];
    for (int s = 0; s <= seeds; s++) {
        double ended = 0;
        if (s >= needed) chances->shown += ended = take(&chance[s]);
        else if (seeds - s >= needed) chances->against += ended = take(&chance[s]);
        else if (!ps_looks_can_reach(looks, seeds, s) && !ps_looks_can_reach(looks, seeds, seeds - s))
            ended = take(&chance[s]);
        chances->mean_seeds += ended * seeds;
    }
}

ps_looks_chances ps_looks_chances_of(const ps_looks *looks, double beyond) {
    ps_looks_chances chances = {.shown = 0};
    double chance[PS_SIGN_MOST_PAIRS + 1] = {1};
    spend(looks, beyond, chances.spent);
    for (int i = 0, seen = 0; i < looks->count; seen = looks->seeds[i++]) {
        walk(chance, seen, looks->seeds[i], beyond);
        end_paths(looks, i, chance, &chances);
    }
    return chances;
}

ps_stats_bounds ps_looks_bounds(const ps_looks *looks, const double *values, int n) {
    ps_stats_bounds all = {-INFINITY, INFINITY, ps_absent(), false};
    ps_looks_chances chances = ps_looks_chances_of(looks, 0.5);
    for (int i = 0; i < looks->count && looks->seeds[i] <= n; i++) {
        ps_stats_bounds b = ps_stats_sign_bounds(values, looks->seeds[i], looks->needed[i]);
        if (!b.given) continue;
        all.given = true;
        all.coverage = 1 - chances.shown - chances.against;
        if (fmax(all.low, b.low) > fmin(all.high, b.high)) continue;
        all.low = fmax(all.low, b.low);
        all.high = fmin(all.high, b.high);
    }
    return all;
}
