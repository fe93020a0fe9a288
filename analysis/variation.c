#include "analysis/variation.h"

#include "analysis/fixed.h"
#include "analysis/metric.h"

#define ZERO_SHARE (PS_STATE_DEAD | PS_STATE_NEAR) /* at least 99 % zeros, or all of them */
#define EXACT {PS_STATE_KNOWN, PS_STATE_DEAD, PS_STATE_NEAR}
#define NEAR_LOW {PS_STATE_KNOWN, PS_STATE_DEAD, PS_STATE_NEAR_LOW}
#define NEAR_HIGH {PS_STATE_KNOWN, PS_STATE_DEAD, PS_STATE_NEAR_HIGH}
#define NEAR_DEAD {PS_STATE_KNOWN, ZERO_SHARE, 0}
#define DORMANT_0 {PS_STATE_DORMANT_KNOWN, PS_STATE_DORMANT_0, ZERO_SHARE}
#define DORMANT_025 {PS_STATE_DORMANT_KNOWN, PS_STATE_DORMANT_025, ZERO_SHARE}
#define DORMANT_100 {PS_STATE_DORMANT_KNOWN, PS_STATE_DORMANT_100, ZERO_SHARE}
#define TRAIN {PS_STATE_TRAIN_KNOWN, PS_STATE_TRAIN_DEAD, ZERO_SHARE}
#define EVALUATED {PS_STATE_EVAL_KNOWN, PS_STATE_EVAL_DEAD, ZERO_SHARE}
#define HALF {PS_STATE_PART_KNOWN, PS_STATE_HALF_DEAD, PS_STATE_HALF_NEAR}
#define QUARTER {PS_STATE_PART_KNOWN, PS_STATE_QUARTER_DEAD, PS_STATE_QUARTER_NEAR}
#define PRIMARY {PS_FIXED_INERT, 0}
#define BELOW(threshold) {threshold, 0}
#define RELATIVE(share) {0, share}

static const ps_variation list[] = {
#define PS_VARIATION(id, kind, title, needs, dead_rule, inert_rule, join, population) \
    {#id, title, PS_VARY_##kind, needs, dead_rule, inert_rule, join, PS_POPULATION_##population},
#include "analysis/variation_list.def"
#undef PS_VARIATION
};
enum { VARIATIONS = sizeof list / sizeof *list };
_Static_assert((int)VARIATIONS <= (int)PS_MOST_VARIATIONS, "room for every variation");

const ps_variation *ps_variations(int *count) {
    *count = VARIATIONS;
    return list;
}

const char *ps_variation_kind_name(ps_variation_kind kind) {
    static const char *const names[] = {
#define KIND(name, word, touches) word,
        PS_VARIATION_KINDS(KIND)
#undef KIND
    };
    return names[kind];
}

unsigned ps_variation_touches(const ps_variation *variation) {
    static const unsigned touches[] = {
#define KIND(name, word, touches) touches,
        PS_VARIATION_KINDS(KIND)
#undef KIND
    };
    if (variation->population == PS_POPULATION_NEAR_DEAD_COHORT) return PS_RESTS_COHORT;
    if (variation->population == PS_POPULATION_DEAD_AT_START) return PS_RESTS_LEAVING;
    if (variation->kind == PS_VARY_THRESHOLD && variation->dead_rule.near != PS_STATE_NEAR) return PS_RESTS_NEAR;
    /* The relative threshold is that of the alive nodes; it is no other definition of who they are. */
    return touches[variation->kind];
}
