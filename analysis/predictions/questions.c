/* What is asked: the predictions of the list, and the contrasts that a registration adds; in which order they are
 * judged. */
#include "analysis/measures.h"
#include "analysis/predictions/predictions_internal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/memory.h"

/* A contrast of the user's own as a prediction, or one of the list that is bound to an arm. */
struct ps_own_question {
    ps_prediction prediction;
    ps_test_name measure;
    char id[16];
    ps_prediction_text title, statement, statistic;
};

const char *ps_question_place(int order, char text[24]) {
    if (order == PS_EXPLORATORY) return "exploratory";
    if (order == PS_PRIMARY_QUESTION) return "primary";
    snprintf(text, 24, "secondary %d", order);
    return text;
}

static int find_prediction(const char *id) {
    int count;
    const ps_prediction *const *list = ps_predictions(&count);
    for (int i = 0; i < count; i++)
        if (strcmp(list[i]->id, id) == 0) return i;
    return -1;
}

/* ---- before any run ---- */

/* "test_" begins the measures of the task, which is not known yet. */
static ps_status check_question(const ps_question *q, const char *where) {
    char known[2048] = "";
    int count, listed;
    const ps_prediction *const *list = ps_predictions(&count);
    const ps_run_measure *measures = ps_run_measures(&listed);
    ps_run_measure found;
    if (q->prediction[0] != '\0') {
        for (int i = 0; i < count; i++)
            snprintf(known + strlen(known), sizeof known - strlen(known), "%s%s", i > 0 ? ", " : "", list[i]->id);
        return find_prediction(q->prediction) >= 0
                   ? PS_OK
                   : ps_fail(PS_ERR_INPUT, "%s: there is no prediction \"%s\" to register; there are %s", where,
                             q->prediction, known);
    }
    if (ps_run_measure_find(NULL, q->measure, &found) || strncmp(q->measure, "test_", 5) == 0) return PS_OK;
    for (int m = 0; m < listed; m++)
        snprintf(known + strlen(known), sizeof known - strlen(known), "%s, ", measures[m].name);
    return ps_fail(
        PS_ERR_INPUT,
        "%s: there is no measure \"%s\" to register; there are %sand test_ with a measure of the task behind "
        "it",
        where, q->measure, known);
}

ps_status ps_questions_check(const ps_registration *registration, const char *where) {
    PS_TRY(check_question(&registration->primary, where));
    for (int i = 0; i < registration->secondaries; i++) PS_TRY(check_question(&registration->secondary[i], where));
    return PS_OK;
}

/* ---- contrasts of the user's own ---- */

/* An effect of the margin's size or more, or none of it. */
static void say_claim(struct ps_own_question *own, const ps_question *q, const ps_run_measure *of) {
    ps_prediction_unit unit = own->prediction.parts[0].unit;
    char size[PS_PREDICTION_AMOUNT];
    bool within = ps_direction_is_within(q->direction);
    ps_prediction_size(unit, q->margin, size);
    if (q->margin == 0) snprintf(size, sizeof size, "any amount");
    snprintf(own->title, sizeof own->title, "%s of %s is %s than of %s, by %s", of->title, q->arm,
             ps_direction_word(q->direction), q->against, size);
    snprintf(own->statement, sizeof own->statement,
             "In the median pair %s of arm %s is %s than that of arm %s by %s%s.", of->title, q->arm,
             ps_direction_word(q->direction), q->against, within || q->margin == 0 ? "" : "more than ", size);
    snprintf(own->statistic, sizeof own->statistic, "paired difference of %s", of->title);
}

static ps_status make_contrast(const ps_arms *arms, const ps_question *q, int order, struct ps_own_question *own) {
    ps_run_measure of;
    if (!ps_run_measure_find(arms, q->measure, &of))
        return ps_fail(PS_ERR_INPUT,
                       "the registered question is about \"%s\", which runs of this task do not measure; its measures "
                       "on the test split begin with \"%s\"",
                       q->measure, arms->measure[0].name);
    bool greater = ps_direction_is_up(q->direction);
    bool claims_more = greater != ps_direction_is_within(q->direction);
    bool of_loss = of.moment == PS_AT_LAST_LOSS;
    snprintf(own->id, sizeof own->id, "Q%d", order + 1);
    snprintf(own->measure, sizeof own->measure, "%s", of.name);
    own->prediction = (ps_prediction){
        .id = own->id,
        .title = own->title,
        .statement = own->statement,
        .population = of_loss ? "test split, end of the run" : "as the measure counts (TABLES.md, runs)",
        .statistic = own->statistic,
        .claim_of = "the experiment's own question",
        .greater = greater,
        .divergence_decides = of.better != PS_BETTER_NONE,
        .divergence_favours = of.better == (greater ? PS_BETTER_LOWER : PS_BETTER_HIGHER),
        .any_start = true,
        .any_pair = true,
        .rests = of_loss ? 0 : PS_RESTS_DEATH | PS_RESTS_WINDOWS,
        .needs = "",
        .tables = "runs pairs",
        .part_count = 1,
        .parts = {{.statistic = own->measure,
                   .arm_name = q->arm,
                   .against_name = q->against,
                   .margin = claims_more ? q->margin : -q->margin,
                   .unit = strcmp(of.unit, "share") == 0 ? PS_UNIT_SHARE : PS_UNIT_NUMBER}}};
    say_claim(own, q, &of);
    return PS_OK;
}

/* All parts of the arm that the prediction is about. */
static void bind_arm(const ps_question *q, const ps_prediction *listed, struct ps_own_question *own) {
    own->prediction = *listed;
    for (int p = 0; p < listed->part_count; p++)
        if (listed->parts[p].arm == listed->parts[0].arm) own->prediction.parts[p].arm_name = q->arm;
}

/* ---- the order ---- */

static ps_status add_question(const ps_arms *arms, const ps_question *q, int order, ps_questions *questions) {
    struct ps_own_question *own = &questions->own[order];
    if (q->prediction[0] == '\0') {
        PS_TRY(make_contrast(arms, q, order, own));
        questions->prediction[questions->count] = &own->prediction;
        questions->order[questions->count++] = order;
        return PS_OK;
    }
    int listed_count, place = find_prediction(q->prediction);
    if (place < 0)
        return ps_fail(PS_ERR_INPUT, "the registered question \"%s\" is no prediction that this program knows",
                       q->prediction);
    bool asked = questions->order[place] != PS_EXPLORATORY; /* of another arm: a question of its own */
    const ps_prediction *listed = ps_predictions(&listed_count)[place];
    if (q->arm[0] != '\0') bind_arm(q, listed, own);
    if (asked) place = questions->count++;
    questions->order[place] = order;
    questions->prediction[place] = q->arm[0] != '\0' ? &own->prediction : listed;
    return PS_OK;
}

ps_status ps_questions_of(const ps_arms *arms, const ps_registration *given, ps_questions *questions) {
    const ps_prediction *const *list = ps_predictions(&questions->count);
    questions->registration = given != NULL ? given : arms->registered ? &arms->registration : NULL;
    questions->own = NULL;
    for (int i = 0; i < questions->count; i++) {
        questions->prediction[i] = list[i];
        questions->order[i] = PS_EXPLORATORY;
    }
    const ps_registration *r = questions->registration;
    if (r == NULL) return PS_OK;
    PS_TRY(PS_ALLOC((size_t)r->secondaries + 1, &questions->own, "registered questions"));
    PS_TRY(add_question(arms, &r->primary, PS_PRIMARY_QUESTION, questions));
    for (int i = 0; i < r->secondaries; i++) PS_TRY(add_question(arms, &r->secondary[i], i + 1, questions));
    return PS_OK;
}

void ps_questions_clear(ps_questions *questions) {
    ps_free(questions->own);
    questions->own = NULL;
}
