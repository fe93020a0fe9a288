/* The verdicts of the predictions. What is predicted is fixed in one file each; nothing here looks at an outcome before
 * it has been tested. */
#ifndef PS_ANALYSIS_PREDICTIONS_PREDICTIONS_H
#define PS_ANALYSIS_PREDICTIONS_PREDICTIONS_H

#include "analysis/contrast.h"
#include "analysis/predictions/prediction.h"
#include "analysis/stats/sign_test.h"
#include "analysis/stats/survival.h"
#include "analysis/stats/words.h"
#include "analysis/tables.h"
#include "trace/trace_registration.h"

/* What became of a claim. NOT_JUDGED: nothing was tested, for it was not registered, or not before its runs, or stands
 * behind a claim that was not shown; its numbers are exploratory. */
#define PS_VERDICTS(VERDICT)                              \
    VERDICT(NOT_TESTABLE, "not_testable", "Not testable") \
    VERDICT(NOT_JUDGED, "not_judged", "Exploratory")      \
    VERDICT(UNDECIDED, "undecided", "Undecided")          \
    VERDICT(SHOWN, "shown", "Shown")                      \
    VERDICT(SHOWN_NOT, "shown_not", "Shown not to hold")
typedef enum {
#define VERDICT(name, word, words) PS_VERDICT_##name,
    PS_VERDICTS(VERDICT)
#undef VERDICT
} ps_verdict;
const char *ps_verdict_name(ps_verdict verdict);
const char *ps_verdict_words(ps_verdict verdict); /* "Shown not to hold": at the head of a sentence */

/* PS_SENTENCE: bytes that hold the longest sentence, with a statistic in full and names of arms as long as a file's. */
enum { PS_SENTENCE = 3072 };

/* ---- what is asked ---- */

enum { PS_EXPLORATORY = -1, PS_PRIMARY_QUESTION = 0 }; /* places in the order of the registration; 1..: secondary */

/* The predictions of the list, then the contrasts of the user's own that were registered. */
typedef struct {
    const ps_registration *registration; /* borrowed; NULL: nothing was registered */
    int count;
    const ps_prediction *prediction[PS_MOST_PREDICTIONS];
    int order[PS_MOST_PREDICTIONS]; /* PS_EXPLORATORY, PS_PRIMARY_QUESTION, or the place of a secondary one */
    struct ps_own_question *own;    /* what was made of the registration */
} ps_questions;

/* given: what the experiment's file registers, NULL: what the traces say. PS_ERR_INPUT where a registered question
 * names a prediction or measure that there is not; one about an arm that is not there is not testable. questions
 * borrows arms and given. */
ps_status ps_questions_of(const ps_arms *arms, const ps_registration *given, ps_questions *questions);
void ps_questions_clear(ps_questions *questions);
/* The same before any run, without arms: whether a registration's predictions and measures exist. where: the file. */
ps_status ps_questions_check(const ps_registration *registration, const char *where);
/* "primary", "secondary 2", "exploratory". */
const char *ps_question_place(int order, char text[24]);

/* ---- what came out ---- */

typedef struct {
    long long seed;
    double value, cases;
    double value_arm, value_against; /* of a difference: what it is the difference of; else ps_absent() */
    /* of "@..." statistics: events of the arm and what the margin's ratio lets expect while both arms had nodes at risk
     * (its score U = observed - expected), and all events of either arm; else ps_absent() */
    double observed, expected, events_arm, events_against;
    bool diverged, no_event; /* diverged: a run of the pair did, and it counts by rank alone (never of a measure
                              * itself); no_event: of "@...", nothing happened while both arms had nodes at risk: the
                              * seed is for neither side, and its value ps_absent() */
    const char *trace, *against_trace; /* borrowed from the arms; the latter NULL for a measure itself */
    uint64_t first_line, against_line; /* of the traces, 0: none */
} ps_prediction_value;

/* A seed that gave no value. */
typedef struct {
    long long seed;
    const char *reason, *detail; /* detail: pairing keys, an arm or a quantity, NULL: none; borrowed */
    bool lost;                   /* there was a run, or a pair */
} ps_prediction_left_out;

typedef struct {
    const ps_arm *arm, *against;       /* NULL: there is none; against also for a measure itself */
    int n, left_count, lost, diverged; /* n: values */
    double median;                     /* of the pairs that were tested: the estimate */
    double mean, sd;                   /* of the finite values: description, no test rests on them */
    double pooled;                     /* of "@...": the one log ratio that fits all seeds together; else ps_absent() */
    ps_stats_sign sign;     /* its n: the registered seeds of a judged question, else the pairs with a value */
    ps_stats_bounds bounds; /* of the median pair, on the scale of the values */
    int look;               /* of a sequential design: seeds of the latest look that was reached, 0: none yet */
    double refuting_bound;  /* the bound that shows the part not to hold, at 5 % over the number of parts */
    ps_word word;           /* of a judged question that is no level */
    bool shown, shown_not;  /* by its bounds; of a prediction that is not judged, too, for the sensitivity alone */
    /* Share of the private nodes of either arm on the edge, mean over probes and seeds; ps_absent() where a trace does
     * not tell, and where the statistic does not rest on deadness. */
    double edge_arm, edge_against;
    double size;                  /* the largest of the numbers that were compared: how finely the effects are known */
    ps_prediction_value *values;  /* n */
    ps_prediction_left_out *left; /* left_count, by seed */
} ps_prediction_part_result;

typedef struct {
    const ps_prediction *prediction; /* in the words of the task */
    ps_prediction_tasked tasked;
    int order; /* as in ps_questions */
    ps_verdict verdict;
    ps_verdict
        outcome; /* what the bounds say, also of one that is not judged: for the sensitivity, never for a reader */
    const ps_arm_run *early; /* a run of it that was there before its registration; NULL: none */
    const char *behind;      /* id of the claim before it that was not shown; NULL: none */
    int part; /* the part that decides: the first that is not shown; of one shown not to hold the first that shows it */
    ps_prediction_part_result parts[PS_MOST_PARTS]; /* part_count of the prediction; not testable: as far as they were
                                                     * measured */
    char missing[256];                              /* needed and not recorded in some run, separated by blanks */
    char sentence[PS_SENTENCE];
} ps_prediction_result;

/* Whether the runs of a registered seed have come to an outcome in the part's arms: they are there, and ended. */
bool ps_prediction_seed_ended(const ps_prediction_part_result *part, long long seed);

/* What may be said of a part: "higher by more than 1 point", "equivalent ...". */
enum { PS_PART_WORDS = 160 };
const char *ps_prediction_part_words(const ps_prediction_result *result, int part, char text[PS_PART_WORDS]);
/* "@reopening" (else "@dying") of a pair: the log hazard ratio at which its score is 0. Sets value, cases, no_event,
 * observed, expected (at the margin) and the events. *sets: who was at risk at each event; the caller frees with
 * ps_free. */
ps_status ps_prediction_log_hazard_ratio(const ps_summary *reference, const ps_summary *arm, bool reopening,
                                         double margin, ps_prediction_value *v, ps_stats_risk_set **sets,
                                         size_t *set_count);
/* results has room for every question. faulty: an instrument check did not hold, so nothing can be concluded. */
ps_status ps_predictions_judge(const ps_arms *arms, const ps_questions *questions, bool faulty,
                               ps_prediction_result *results);
/* The same from the measures under a variation (index into ps_variations). One that rests on nothing it touches keeps
 * what primary says. */
ps_status ps_predictions_judge_varied(const ps_arms *arms, const ps_questions *questions, int variation, bool faulty,
                                      const ps_prediction_result *primary, ps_prediction_result *results);
bool ps_prediction_affected(const ps_prediction *prediction, int variation);
/* Appends the rows of prediction_rows.tsv that belong to pairs: events, and what was at risk, of each layer and step
 * with an event, for the hazard ratios that were measured. */
ps_status ps_predictions_write_terms(const ps_questions *questions, const ps_prediction_result *results,
                                     ps_tables *tables);
void ps_predictions_clear(ps_prediction_result *results, int count);

#endif
