/* Other rules under which every prediction is judged again (variation_list.def). */
#ifndef PS_ANALYSIS_VARIATION_H
#define PS_ANALYSIS_VARIATION_H

#include "analysis/run.h"

/* Each with its name in sensitivity.tsv and the PS_RESTS_... (metric.h) that a variation of this kind changes. */
#define PS_VARIATION_KINDS(KIND)                    \
    KIND(DEFINITION, "definition", PS_RESTS_DEATH)  \
    KIND(THRESHOLD, "threshold", PS_RESTS_MOBILITY) \
    KIND(WINDOW, "window", PS_RESTS_WINDOWS)        \
    KIND(PROBE, "probe", PS_RESTS_DEATH)            \
    KIND(POPULATION, "population", PS_RESTS_STAYING)
typedef enum {
#define KIND(name, word, touches) PS_VARY_##name,
    PS_VARIATION_KINDS(KIND)
#undef KIND
} ps_variation_kind;

typedef struct {
    const char *id, *title;
    ps_variation_kind kind;
    const char *needs; /* quantities, separated by blanks */
    ps_dead_rule dead_rule;
    ps_inert_rule inert_rule;
    int join; /* so many windows become one, 1: as they are */
    ps_population population;
} ps_variation;

enum { PS_MOST_VARIATIONS = 32 };

const ps_variation *ps_variations(int *count);
const char *ps_variation_kind_name(ps_variation_kind kind);
/* The PS_RESTS_... of metric.h that it changes. */
unsigned ps_variation_touches(const ps_variation *variation);

#endif
