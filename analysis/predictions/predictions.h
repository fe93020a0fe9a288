/* The verdicts of the predictions. What is predicted is fixed in one file each; nothing here looks at an outcome before
 * it has been tested. */
#ifndef PS_ANALYSIS_PREDICTIONS_PREDICTIONS_H
#define PS_ANALYSIS_PREDICTIONS_PREDICTIONS_H

#include "analysis/contrast.h"
#include "analysis/predictions/prediction.h"
#include "analysis/tables.h"

#define PS_VERDICTS(VERDICT)              \
    VERDICT(NOT_TESTABLE, "not_testable") \
    VERDICT(INCONCLUSIVE, "inconclusive") \
    VERDICT(SUPPORTED, "supported")       \
    VERDICT(REFUTED, "refuted")
typedef enum {
#define VERDICT(name, word) PS_VERDICT_##name,
    PS_VERDICTS(VERDICT)
#undef VERDICT
} ps_verdict;
const char *ps_verdict_name(ps_verdict verdict);

/* PS_SENTENCE: bytes that hold the longest sentence, with a statistic in full and names of arms as long as a file's. */
enum { PS_SENTENCE = 3072 };

/* What p-values, corrected over the family, must not exceed. */
#define PS_PREDICTION_LEVEL 0.05

typedef struct {
    long long seed;
    double value, cases;
    double value_arm, value_against; /* of a difference: what it is the difference of; else ps_absent() */
    double observed, expected,
        variance; /* of "@..." statistics: events of the arm, stratified by layer; else ps_absent() */
    bool diverged,
        no_event; /* diverged: a run of the pair did, and it counts by rank alone (never of a measure itself);
                                            no_event: of "@...", O - E = V = 0; the seed says nothing for either side */
    const char *trace, *against_trace; /* borrowed from the arms; the latter NULL for a measure itself */
    uint64_t first_line, against_line; /* of the traces, 0: none */
} ps_prediction_value;

/* A seed that gave no value. */
typedef struct {
    long long seed;
    const char *reason, *detail; /* detail: pairing keys, an arm or a quantity, NULL: none; borrowed */
    bool lost;                   /* counts towards PS_MOST_LOST: there was a run, or a pair */
} ps_prediction_left_out;

/* More than this share lost, and the prediction is not testable. */
#define PS_MOST_LOST (1.0 / 3)

typedef struct {
    const ps_arm *arm, *against; /* NULL: there is none; against also for a measure itself */
    int n, left_count, lost, diverged;
    double estimate; /* mean over seeds; the median when a run diverged */
    double p, p_refute, p_wilcoxon, best_p;
    /* Share of the private nodes of either arm on the edge, mean over probes and seeds; ps_absent() where a trace does
     * not tell, and where the statistic does not rest on deadness. */
    double edge_arm, edge_against;
    double size; /* the largest of the numbers that were compared: how finely the effects are known */
    ps_stats_interval interval;
    ps_prediction_value *values;  /* n */
    ps_prediction_left_out *left; /* left_count, by seed */
} ps_prediction_part_result;

typedef struct {
    const ps_prediction *prediction; /* in the words of the task */
    ps_prediction_tasked tasked;
    const ps_arm *arm, *against; /* of the deciding part; against NULL for a measure itself */
    ps_verdict verdict;
    int n, part; /* the part that decides: the one with the largest p; of a refuted prediction the one that refutes */
    double p_wilcoxon; /* signed-rank test in favour, beside p (the sign-flip test), which decides */
    double estimate, p, p_refute, p_holm, p_refute_holm, best_p, best_p_holm;
    ps_stats_interval interval;
    ps_prediction_part_result
        parts[PS_MOST_PARTS]; /* part_count of the prediction; not testable: as far as they were measured */
    char missing[256];        /* needed and not recorded in some run, separated by blanks */
    char sentence[PS_SENTENCE];
} ps_prediction_result;

/* "@reopening" (else "@dying") of a pair: Peto's one-step estimate of the log hazard ratio, 0 with no_event where
 * nothing happened. Sets value, cases, no_event, observed, expected and variance. */
ps_status ps_prediction_log_hazard_ratio(const ps_summary *reference, const ps_summary *arm, bool reopening,
                                         ps_prediction_value *v);
/* results has room for every prediction. faulty: an instrument check did not hold, so nothing can be concluded. */
ps_status ps_predictions_judge(const ps_arms *arms, bool faulty, ps_prediction_result *results);
/* The same from the measures under a variation (index into ps_variations). A prediction that rests on nothing it
 * touches keeps the p-values of primary, to be one of the family; its result is said to be unaffected
 * (ps_prediction_affected). */
ps_status ps_predictions_judge_varied(const ps_arms *arms, int variation, bool faulty,
                                      const ps_prediction_result *primary, ps_prediction_result *results);
bool ps_prediction_affected(const ps_prediction *prediction, int variation);
/* Appends the rows of prediction_rows.tsv that belong to pairs: O - E and V of each layer and step with an event, for
 * the hazard ratios that were measured. */
ps_status ps_predictions_write_terms(const ps_prediction_result *results, ps_tables *tables);
void ps_predictions_clear(ps_prediction_result *results);

#endif
