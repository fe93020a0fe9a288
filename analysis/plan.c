#include "analysis/plan.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/metric.h"
#include "analysis/predictions/predictions.h"
#include "analysis/stats/binomial.h"
#include "analysis/stats/normal.h"
#include "analysis/stats/planning.h"
#include "analysis/stats/sequential.h"
#include "analysis/stats/sign_test.h"
#include "core/file.h"
#include "core/table.h"

/* ---- the pilot ---- */

/* Rows that belong together: of one part of the question. */
typedef struct {
    const char *table, *key_column, *key, *value_column, *arm, *against, *part;
} pilot_rows;

static bool is_of(const ps_table *t, int row, const char *column, const char *wanted) {
    return wanted == NULL || strcmp(ps_table_text(t, row, ps_table_column(t, column)), wanted) == 0;
}

/* Standard deviation of the finite values; fewer than two: NaN. */
static double spread_of(const ps_table *t, const pilot_rows *rows, ps_pilot *pilot) {
    double sum = 0, squares = 0, values[PS_REGISTRATION_MOST_SEEDS];
    int n = 0;
    for (int row = 0; row < t->rows && n < PS_REGISTRATION_MOST_SEEDS; row++) {
        double value = ps_table_number(t, row, ps_table_column(t, rows->value_column));
        if (!is_of(t, row, rows->key_column, rows->key) || !is_of(t, row, "arm", rows->arm)) continue;
        if (!is_of(t, row, "reference", rows->against) || !is_of(t, row, "part", rows->part) || !isfinite(value))
            continue;
        pilot->seed[n] = (long long)ps_table_number(t, row, ps_table_column(t, "seed"));
        sum += value;
        values[n++] = value;
    }
    for (int i = 0; i < n; i++) squares += (values[i] - sum / n) * (values[i] - sum / n);
    pilot->seeds = n > pilot->seeds ? n : pilot->seeds;
    return n > 1 ? sqrt(squares / (n - 1)) : (double)NAN;
}

/* A prediction's values stand by its id; a contrast's by what it compares, whether it was registered there or not. */
static pilot_rows rows_of(const ps_question *q) {
    bool listed = q->prediction[0] != '\0';
    if (listed)
        return (pilot_rows){
            "prediction_seeds", "id", q->prediction, "value", q->arm[0] != '\0' ? q->arm : NULL, NULL, NULL};
    return (pilot_rows){"pairs", "measure", q->measure, "difference", q->arm, q->against, NULL};
}

ps_status ps_pilot_read(const char *directory, const ps_question *question, ps_pilot *pilot) {
    static const char *const parts[PS_MOST_PARTS] = {"1", "2", "3"};
    ps_table table;
    char *tables = NULL;
    pilot_rows rows = rows_of(question);
    memset(pilot, 0, sizeof *pilot);
    pilot->sd = NAN;
    PS_TRY(ps_file_join(directory, "tables", &tables));
    ps_status status = ps_table_read_named(tables, rows.table, &table);
    free(tables);
    PS_TRY(status);
    for (int p = 0; p < (question->prediction[0] != '\0' ? PS_MOST_PARTS : 1); p++) {
        rows.part = question->prediction[0] != '\0' ? parts[p] : NULL;
        pilot->sd = fmax(pilot->sd, spread_of(&table, &rows, pilot));
    }
    ps_table_clear(&table);
    if (isnan(pilot->sd))
        return ps_fail(
            PS_ERR_INPUT,
            "%s: its comparison has no two seeds with a value of \"%s\"; give the directory of an experiment "
            "that ran these arms with 3 to 5 seeds",
            directory, rows.key);
    if (pilot->sd == 0)
        return ps_fail(PS_ERR_INPUT, "%s: all seeds have the same value of \"%s\", which tells no spread", directory,
                       rows.key);
    return PS_OK;
}

ps_status ps_pilot_check(const ps_pilot *pilot, const ps_registration *registration) {
    char list[512] = "";
    for (int i = 0; i < pilot->seeds; i++)
        for (int s = 0; s < registration->seeds; s++) {
            size_t used = strlen(list);
            if (pilot->seed[i] == registration->seed[s])
                snprintf(list + used, sizeof list - used, "%s%lld", used > 0 ? ", " : "", pilot->seed[i]);
        }
    if (list[0] == '\0') return PS_OK;
    return ps_fail(PS_ERR_INPUT,
                   "seeds of the pilot stand in the experiment, too (%s): what was looked at to plan a test cannot be "
                   "part of it; list other seeds",
                   list);
}

/* ---- the question ---- */

static double sign_of(bool greater) { return greater ? 1 : -1; }

ps_status ps_plan_question(const ps_question *q, const ps_trace_task *task, ps_planned_question *planned) {
    int count;
    const ps_prediction *const *list = ps_predictions(&count);
    bool greater = ps_direction_is_up(q->direction);
    bool within = ps_direction_is_within(q->direction);
    *planned = (ps_planned_question){.margin = within ? -q->margin : q->margin};
    ps_question_title(q, planned->title);
    snprintf(planned->claim_of, sizeof planned->claim_of, "the experiment's own question");
    for (int i = 0; q->prediction[0] != '\0' && i < count; i++) {
        ps_prediction_tasked tasked;
        const ps_prediction *p;
        if (strcmp(list[i]->id, q->prediction) != 0) continue;
        p = ps_prediction_of_task(list[i], task, &tasked);
        greater = p->greater;
        planned->level = p->level;
        planned->margin = -INFINITY;
        for (int k = 0; k < p->part_count; k++)
            planned->margin = fmax(planned->margin, sign_of(greater) * p->parts[k].margin);
        snprintf(planned->title, sizeof planned->title, "%.12s, \"%.280s\"", p->id, p->title);
        snprintf(planned->claim_of, sizeof planned->claim_of, "%s", p->claim_of);
    }
    planned->lies_beyond = isnan(q->effect) ? (double)NAN : sign_of(greater) * q->effect - planned->margin;
    if (planned->lies_beyond <= 0)
        return ps_fail(
            PS_ERR_INPUT,
            "the registered effect %g of %s does not lie beyond the margin, so that no number of seeds would "
            "show it; register the effect that you expect, or a smaller margin",
            q->effect, planned->title);
    return PS_OK;
}

/* ---- words ---- */

static void describe_fixed(const ps_registration *r, FILE *stream) {
    int n = r->seeds, needed = ps_stats_sign_needed(n, PS_SIGN_LEVEL), better = ps_stats_sign_as_good_as(n);
    if (needed > n) {
        fprintf(stream, "  %d seed%s can decide nothing: even if all agree, p is %.3g; register at least 5\n", n,
                n == 1 ? "" : "s", pow(0.5, n));
        return;
    }
    fprintf(stream,
            "  shown takes %d of %d seeds beyond the margin (it errs in %.1f %% at most), as does the opposite\n",
            needed, n, 100 * ps_stats_sign_size(n, needed));
    fprintf(stream,
            "  power where the true effect lies beyond the margin by 0.5, 1, 2 standard deviations: %.2f, %.2f, %.2f\n",
            ps_stats_sign_power(n, needed, 0.5), ps_stats_sign_power(n, needed, 1), ps_stats_sign_power(n, needed, 2));
    fprintf(
        stream,
        "  equivalence (no true effect) with a margin of 0.5, 1, 1.5, 2 standard deviations: %.2f, %.2f, %.2f, %.2f\n",
        ps_stats_equivalence_power(n, needed, 0, 0.5), ps_stats_equivalence_power(n, needed, 0, 1),
        ps_stats_equivalence_power(n, needed, 0, 1.5), ps_stats_equivalence_power(n, needed, 0, 2));
    if (better < n)
        fprintf(stream, "  wasteful: %d seeds have at least this power; %d have more\n", better,
                ps_stats_sign_offered_from(n));
    fprintf(stream, "  a run that collapses: with none of %d the true share may still be %.0f %%\n", n,
            100 * ps_stats_share_upper(0, n, 0.95));
}

static void describe_sequential(FILE *stream) {
    const ps_looks *looks = &ps_looks_early;
    ps_looks_chances one = ps_looks_chances_of(looks, ps_stats_normal(1));
    fputs("  looks after", stream);
    for (int k = 0; k < looks->count; k++) {
        fprintf(stream, "%s %d seeds", k > 0 ? "," : "", looks->seeds[k]);
        if (looks->needed[k] < PS_LOOK_WITHOUT_VERDICT) fprintf(stream, " (%d needed)", looks->needed[k]);
        else fputs(" (no verdict)", stream);
    }
    fprintf(stream, "; together they err in %.2f %% at most\n",
            100 * ps_looks_chances_of(looks, 0.5).spent[looks->count - 1]);
    fprintf(stream,
            "  where the true effect lies one standard deviation beyond the margin: shown with %.2f, after %.1f "
            "seeds on average\n",
            one.shown, one.mean_seeds);
}

static void describe_effect(const ps_registration *r, const ps_planned_question *planned, FILE *stream) {
    const ps_question *q = &r->primary;
    ps_stats_need need = {.effect = planned->lies_beyond, .sd = q->sd, .power = 0.8};
    if (!(planned->lies_beyond > 0) || isnan(q->sd)) return;
    double power = r->sequential ? ps_looks_chances_of(&ps_looks_early, ps_stats_normal(need.effect / q->sd)).shown
                                 : ps_stats_planned_power(&need, r->seeds);
    fprintf(stream, "  power for the registered effect of %g with a standard deviation of %g: %.2f\n", q->effect, q->sd,
            power);
}

void ps_plan_describe(const ps_registration *registration, const ps_trace_task *task, FILE *stream) {
    ps_planned_question planned;
    if (ps_plan_question(&registration->primary, task, &planned) != PS_OK)
        fprintf(stream, "note: %s\n", ps_status_message());
    fprintf(stream, "primary question: %s (%s); %d registered seed%s\n", planned.title, planned.claim_of,
            registration->seeds, registration->seeds == 1 ? "" : "s");
    if (registration->sequential) describe_sequential(stream);
    else describe_fixed(registration, stream);
    describe_effect(registration, &planned, stream);
    for (int i = 0; i < registration->secondaries; i++)
        if (ps_plan_question(&registration->secondary[i], task, &planned) == PS_OK)
            fprintf(stream, "secondary question %d, judged only if all before it are shown: %s\n", i + 1,
                    planned.title);
}

/* ---- the table ---- */

static void print_head(const ps_planned_question *planned, const ps_question *q, const ps_pilot *pilot, double sd,
                       FILE *stream) {
    fprintf(stream, "%s\n", planned->title);
    if (isnan(planned->lies_beyond))
        fprintf(stream,
                "no effect is registered: power is shown for effects 0.5, 1 and 2 standard deviations beyond the "
                "margin.\nWrite \"effect\" (the difference you expect) into the question, and \"sd\" or a --pilot.\n");
    else fprintf(stream, "effect %g: %g beyond the margin of %g\n", q->effect, planned->lies_beyond, planned->margin);
    if (pilot->seeds > 0)
        fprintf(stream, "standard deviation over %d pilot seeds %.4g; the true one is below %.4g with 80 %%\n",
                pilot->seeds, sd, sd * ps_stats_upper_sd_factor(pilot->seeds - 1));
    else if (!isnan(sd)) fprintf(stream, "standard deviation %g as registered\n", sd);
}

static void print_rows(const ps_stats_need *need, FILE *stream) {
    bool known = !isnan(need->effect) && !isnan(need->sd);
    fprintf(stream, "%6s %7s %6s  %s\n", "seeds", "needed", "size", known ? "power" : "power at 0.5, 1, 2 sd");
    for (int n = 5; n <= 40; n = ps_stats_sign_offered_from(n + 1)) {
        int needed = ps_stats_sign_needed(n, PS_SIGN_LEVEL);
        fprintf(stream, "%6d %7d %6.3f  ", n, needed, ps_stats_sign_size(n, needed));
        if (known) fprintf(stream, "%.2f\n", ps_stats_planned_power(need, n));
        else
            fprintf(stream, "%.2f  %.2f  %.2f\n", ps_stats_sign_power(n, needed, 0.5),
                    ps_stats_sign_power(n, needed, 1), ps_stats_sign_power(n, needed, 2));
    }
}

static const char *count_words(int seeds, char text[32]) {
    if (seeds > 0) snprintf(text, 32, "%d", seeds);
    else snprintf(text, 32, "more than %d", PS_PLAN_MOST_SEEDS);
    return text;
}

static void print_needed(const ps_stats_need *need, FILE *stream) {
    ps_stats_plan plan = ps_stats_plan_seeds(need);
    char point[32], averaged[32], upper[32];
    if (need->df == 0) {
        fprintf(stream, "seeds for a power of %.2g: %s\n", need->power, count_words(plan.point, point));
        return;
    }
    fprintf(stream,
            "seeds for a power of %.2g: %s, averaged over what the true spread may be (%s if the pilot's were the true "
            "one; "
            "%s at its upper 80 %% bound)\nThe seeds of the pilot leave the test: list others.\n",
            need->power, count_words(plan.averaged, averaged), count_words(plan.point, point),
            count_words(plan.upper, upper));
}

ps_status ps_plan_print(const ps_registration *registration, const ps_pilot *pilot, double power, FILE *stream) {
    const ps_question *q = &registration->primary;
    ps_planned_question planned;
    PS_TRY(ps_plan_question(q, NULL, &planned));
    double sd = pilot->seeds > 0 ? pilot->sd : q->sd;
    ps_stats_need need = {
        .effect = planned.lies_beyond, .sd = sd, .df = pilot->seeds > 1 ? pilot->seeds - 1 : 0, .power = power};
    print_head(&planned, q, pilot, sd, stream);
    print_rows(&need, stream);
    if (!isnan(need.effect) && !isnan(need.sd)) print_needed(&need, stream);
    fprintf(stream, "\nThe file's seeds:\n");
    ps_plan_describe(registration, NULL, stream);
    return PS_OK;
}
