#include "analysis/measures.h"

#include <string.h>

static const ps_run_measure measures[] = {
#define LOWER PS_BETTER_LOWER
#define HIGHER PS_BETTER_HIGHER
#define NONE PS_BETTER_NONE
#define PS_MEASURE(name, title, unit, better, moment) {#name, title, unit, better, PS_##moment},
#include "analysis/measure_list.def"
#undef PS_MEASURE
#undef LOWER
#undef HIGHER
#undef NONE
};
enum { MEASURES = sizeof measures / sizeof *measures };

const ps_run_measure *ps_run_measures(int *count) {
    *count = MEASURES;
    return measures;
}

ps_run_measure ps_run_measure_of_task(const ps_arms *arms, int m) {
    const ps_trace_measure *of = &arms->task.measure[m];
    return (ps_run_measure){.name = arms->measure[m].name,
                            .title = arms->measure[m].title,
                            .unit = ps_trace_measure_is_share(of) ? "share" : of->unit,
                            .better = of->higher_is_better ? PS_BETTER_HIGHER : PS_BETTER_LOWER,
                            .moment = PS_AT_LAST_LOSS};
}

bool ps_run_measure_find(const ps_arms *arms, const char *name, ps_run_measure *out) {
    for (int m = 0; arms != NULL && m < arms->task.measures; m++) {
        if (strcmp(arms->measure[m].name, name) != 0) continue;
        *out = ps_run_measure_of_task(arms, m);
        return true;
    }
    for (int m = 0; m < MEASURES; m++) {
        if (strcmp(measures[m].name, name) != 0) continue;
        *out = measures[m];
        return true;
    }
    return false;
}
