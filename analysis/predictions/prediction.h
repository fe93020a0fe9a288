/* What a prediction is: who is compared, by which statistic, against which margin, and the words for it. One file here
 * and one line in prediction_list.def each (README.md). Fixed before any run was read; a margin is the smallest effect
 * that matters, and stands in the prediction's file alone. */
#ifndef PS_ANALYSIS_PREDICTIONS_PREDICTION_H
#define PS_ANALYSIS_PREDICTIONS_PREDICTION_H

#include "analysis/arms.h"
#include "analysis/fixed.h"
#include "analysis/metric.h"

enum { PS_MOST_PARTS = 3, PS_MOST_FIXED = 2, PS_MOST_PREDICTIONS = 64 };

/* How a value of the statistic is said: as a plain number, in points of a share, or as the ratio that it is the
 * logarithm of. */
#define PS_PREDICTION_UNITS(UNIT) \
    UNIT(NUMBER, "number")        \
    UNIT(SHARE, "share")          \
    UNIT(LOG_RATIO, "log ratio")
typedef enum {
#define UNIT(name, word) PS_UNIT_##name,
    PS_PREDICTION_UNITS(UNIT)
#undef UNIT
} ps_prediction_unit;
const char *ps_prediction_unit_name(ps_prediction_unit unit);

/* One comparison with a margin. Predictions of several parts are shown when all parts are (each at 5 %: an
 * intersection-union test), and shown not to hold when one part is, at 5 % over their number (Bonferroni). */
typedef struct {
    /* a measure of a run, or "@reopening", "@dying": log hazard ratio of a pair (Cox's partial likelihood, stratified
     * by layer, in a cohort fixed at the first probe: where its score U is 0, so that U at the margin tells which side
     * of it the pair is on) */
    const char *statistic;
    ps_arm_role arm,
        against; /* against == arm: the measure itself, else the difference arm - against of the same seed */
    int arm_size, against_size; /* pool size e wanted, 0: any */
    double margin;
    ps_prediction_unit unit;             /* of the statistic and the margin */
    const char *arm_name, *against_name; /* of a registered question that names arms; NULL: found by role */
} ps_prediction_part;

/* Stands for the first measure of the task, on the test split. Margins of it are shares, and written
 * for a measure of which more is better; ps_prediction_of_task turns them round where less is. */
#define PS_TEST_MEASURE "test_measure"

/* All texts may hold fields in braces (ps_prediction_words). */
typedef struct {
    const char *id, *title, *statement, *population, *statistic;
    struct {
        const char *name; /* NULL: no more */
        double value;
    } fixed[PS_MOST_FIXED]; /* numbers the statistic is counted by, from fixed.h, where the metrics have them from */
    const char *absent;     /* why a run may give no value, NULL: it "has no case to count" */
    const char *claim_of;   /* whose claim it is: the paper's, with its place, or poolscope's own */
    const char *supports;   /* NULL: "above {margin}" or "below {margin}", as greater says */
    const char *refutes;    /* NULL: the other one */
    bool greater;           /* predicted: above the margin; else below */
    bool level;             /* 0 is no mark of the statistic: a share or ratio of one arm, not a difference */
    /* a contrast of outcomes that diverging alone spoils: judged though a run of every pair diverged. Of others some
     * pair must have given a number */
    bool divergence_decides;
    bool divergence_favours; /* a diverged arm lies on the predicted side: "the loss is higher than with ..." */
    bool any_start;          /* averages over time are compared though the arms start with other nodes dead */
    bool any_pair;           /* the arms may differ in more than what they are named for */
    unsigned rests;          /* PS_RESTS_... of metric.h: what the statistic changes with */
    const char *needs;       /* quantities of the trace, separated by blanks; a run that lacks one gives no value */
    const char *tables;      /* where the counted rows stand, separated by blanks */
    const ps_trace_measure *measure; /* that PS_TEST_MEASURE stands for; NULL: of a trace without a task */
    int part_count;
    ps_prediction_part parts[PS_MOST_PARTS];
} ps_prediction;

/* Initialises parts and their number. */
#define PS_PREDICTION_PARTS(...)                                                                   \
    .part_count = (int)(sizeof((ps_prediction_part[]){__VA_ARGS__}) / sizeof(ps_prediction_part)), \
    .parts = {__VA_ARGS__}

#define PS_PREDICTION(x) extern const ps_prediction ps_prediction_##x;
#include "analysis/predictions/prediction_list.def"
#undef PS_PREDICTION

/* All of them, in the order of the list. */
const ps_prediction *const *ps_predictions(int *count);

/* PS_PREDICTION_WORDS: bytes that hold the longest text. */
enum { PS_PREDICTION_WORDS = 2048 };
typedef char ps_prediction_text[PS_PREDICTION_WORDS];

/* The text with its fields filled in from the margin m of part 1, or of part N for "{name N}":
 *   {margin}           m as it is                               -0.02
 *   {size}             without its sign                         0.1
 *   {percent}          the size of a share                      5 %
 *   {points}           the size of a difference of shares       2 points
 *   {points in words}  the same, where digits read badly        half a point
 *   {share}            the same as percent, but for a half      half
 *   {factor}           of a logarithm: the ratio it stands for  1.1
 *   {change}           by how much that ratio is off 1          10 %
 * and from the measure of the task:
 *   {measure}          its name                                 mean iou
 *   {lower}            what is worse                            lower
 *   {better}           what is better                           higher
 *   {raises}           what is better                           raises
 * A field that is none of these stays as it stands (the tests find it). */
void ps_prediction_words(const ps_prediction *prediction, const char *text, ps_prediction_text out);
/* The prediction for this task, with its texts filled in; borrows the task and lasts as long as `out` does. Without a
 * task (NULL: no data were looked at yet) the texts name no measure. */
typedef struct {
    ps_prediction prediction;
    ps_test_name measure;
    ps_prediction_text title, statistic, absent;
} ps_prediction_tasked;
const ps_prediction *ps_prediction_of_task(const ps_prediction *prediction, const ps_trace_task *task,
                                           ps_prediction_tasked *out);

void ps_prediction_statement(const ps_prediction *prediction, ps_prediction_text out);
/* What an effect is said in: "2 points", "a factor of 1.1", "0.05"; of a difference with its sign ("+2 points"), of a
 * log ratio as the ratio ("ratio 1.35"). */
enum { PS_PREDICTION_AMOUNT = 48 };
const char *ps_prediction_size(ps_prediction_unit unit, double size, char text[PS_PREDICTION_AMOUNT]);
const char *ps_prediction_amount(ps_prediction_unit unit, double value, bool level, char text[PS_PREDICTION_AMOUNT]);

void ps_prediction_supports(const ps_prediction *prediction, ps_prediction_text out);
void ps_prediction_refutes(const ps_prediction *prediction, ps_prediction_text out);

#endif
