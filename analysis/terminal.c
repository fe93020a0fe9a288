/* The summary that `compare` prints: the answer, a line an arm, the checks; what is behind them is in the report. It
 * fits a screen of 40 lines with the arms of any of the examples. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/metric.h"
#include "analysis/outcomes.h"
#include "analysis/relation.h"
#include "analysis/stats/order.h"
#include "analysis/verdict.h"
#include "core/memory.h"
#include "core/text.h"

enum { COLUMNS = 110, MOST_SEEDS_SHOWN = 12 };

/* Words of the text on lines of COLUMNS, with two blanks before the second and later ones. */
static void print_wrapped(const char *text, FILE *stream) {
    int column = 0;
    while (*text != '\0') {
        int length = (int)strcspn(text, " ");
        if (column > 0 && column + 1 + length > COLUMNS) column = fprintf(stream, "\n ") - 1;
        column += fprintf(stream, "%s%.*s", column > 0 ? " " : "", length, text);
        text += length + (text[length] == ' ');
    }
    putc('\n', stream);
}

static void format_share(char *buffer, size_t size, double share) {
    if (ps_is_absent(share)) snprintf(buffer, size, "-");
    else if (!isfinite(share)) snprintf(buffer, size, "%s", isnan(share) ? "NaN" : share > 0 ? "Inf" : "-Inf");
    else snprintf(buffer, size, "%.1f %%", 100 * share);
}

static void format_measure(char *buffer, size_t size, const ps_trace_measure *measure, double value) {
    if (ps_is_absent(value)) snprintf(buffer, size, "-");
    else if (ps_trace_measure_is_share(measure)) format_share(buffer, size, value);
    else ps_trace_measure_show(measure, value, 4, buffer, size);
}

/* Median over the runs that have the number; ps_absent(): none has. */
static double median_of(const ps_arm *arm, const char *name) {
    double values[PS_MOST_SEEDS];
    size_t count = 0;
    for (int r = 0; r < arm->run_count && count < PS_MOST_SEEDS; r++) {
        double value = ps_summary_get(&arm->runs[r].summary, name);
        if (!ps_is_absent(value) && !isnan(value)) values[count++] = value;
    }
    return ps_stats_median(values, count);
}

/* No share of 0 where no node can be exactly dead. */
static void format_dead(char *buffer, size_t size, const ps_arm *arm, const char *name) {
    double share = median_of(arm, name);
    if (ps_arm_never_dies(arm) && !(share > 0)) snprintf(buffer, size, "cannot");
    else format_share(buffer, size, share);
}

/* "!": the arm's numbers are those of networks of which some learned nothing. */
static void print_arm(const ps_arms *arms, const ps_arm *arm, FILE *stream) {
    char start[32], end[32], all[32], measured[64];
    ps_outcome_counts c = ps_outcomes_count(arm);
    format_dead(start, sizeof start, arm, "dead_start");
    format_dead(end, sizeof end, arm, "dead_end");
    format_dead(all, sizeof all, arm, "dead_all_end");
    format_measure(measured, sizeof measured, &arms->task.measure[0], median_of(arm, arms->measure[0].name));
    fprintf(stream, "  %-20.20s %5d %10s %10s %10s%c %16s %10d\n", arm->name, arm->run_count, start, end, all,
            c.unlearned + c.diverged > 0 ? '!' : ' ', measured, c.collapsed);
}

static void print_arms(const ps_arms *arms, FILE *stream) {
    fprintf(stream, "\n  %-20s %5s %10s %10s %10s  %16.16s %10s\n", "medians over runs", "runs", "dead first",
            "dead last", "all gates", arms->measure[0].title, "collapsed");
    for (int a = 0; a < arms->count; a++) print_arm(arms, &arms->arms[a], stream);
    fprintf(stream, "  dead: share of nodes with a gate of their own; all gates: with those behind sums, last probe\n");
    bool never = false;
    for (int a = 0; a < arms->count; a++) never = never || ps_arm_never_dies(&arms->arms[a]);
    if (never)
        fprintf(stream, "  cannot: none of its nodes can be exactly dead; saturation.tsv has what can be said\n");
}

static int pairs_of(const ps_arms *arms, const ps_arm *arm) {
    int pairs = 0;
    for (int r = 0; r < arm->run_count; r++) pairs += ps_relation_partner(arm, &arm->runs[r], &arms->arms[0]) != NULL;
    return pairs;
}

/* What so many seeds can say at all, before anyone reads a difference: "5 paired seeds an arm, ...". */
static void print_pairs(const ps_arms *arms, FILE *stream) {
    int least = 0, most = 0;
    for (int a = 1; a < arms->count; a++) {
        int pairs = pairs_of(arms, &arms->arms[a]);
        least = a == 1 || pairs < least ? pairs : least;
        most = pairs > most ? pairs : most;
    }
    if (most == 0) return;
    fputs("  ", stream);
    if (least < most) fprintf(stream, "%d to ", least);
    fprintf(stream, "%d paired seed%s an arm, which can show p = %.3g at best (two-sided)\n", most,
            most == 1 ? "" : "s", fmin(1, 2 * pow(0.5, most)));
}

/* "Arms differ in more than the arm: adamw in optimiser, wide in backbone, layers"; their settings are in the notes. */
static void print_relations(const ps_arms *arms, FILE *stream) {
    char list[2304] = "Arms differ in more than the arm:";
    const size_t head = strlen(list);
    for (int a = 1; a < arms->count && strlen(list) + 400 < sizeof list; a++) {
        const char *differs = ps_relation_of(&arms->arms[a], &arms->arms[0])->differs;
        size_t used = strlen(list);
        if (differs[0] != '\0')
            snprintf(list + used, sizeof list - used, "%s%.64s in %.200s", used > head ? "; " : " ", arms->arms[a].name,
                     differs);
    }
    if (list[head] == '\0') return;
    size_t used = strlen(list);
    snprintf(list + used, sizeof list - used, " (against %.64s)", arms->arms[0].name);
    putc('\n', stream);
    print_wrapped(list, stream);
}

/* Every seed of the primary question: what a median of five hides. */
static void print_seeds(const ps_verdict_document *verdict, FILE *stream) {
    for (int i = 0; i < verdict->questions.count; i++) {
        const ps_prediction_result *r = &verdict->predictions[i];
        const ps_prediction_part_result *part = &r->parts[r->part];
        char amount[PS_PREDICTION_AMOUNT];
        if (verdict->questions.order[i] != PS_PRIMARY_QUESTION || part->n == 0) continue;
        fprintf(stream, "\n  %s by seed:", r->prediction->id);
        for (int v = 0; v < part->n && v < MOST_SEEDS_SHOWN; v++)
            fprintf(stream, " %lld: %s%s", part->values[v].seed,
                    part->values[v].diverged ? "diverged"
                    : part->values[v].no_event
                        ? "no event"
                        : ps_prediction_amount(r->prediction->parts[r->part].unit, part->values[v].value,
                                               r->prediction->level, amount),
                    v + 1 < part->n ? "," : "");
        if (part->n > MOST_SEEDS_SHOWN) fprintf(stream, " .. %d more", part->n - MOST_SEEDS_SHOWN);
        putc('\n', stream);
    }
}

/* Runs whose end is not like the others': their numbers are not all in the medians. */
static void print_ends(const ps_arms *arms, FILE *stream) {
    enum { SHOWN = 6 };
    char text[1024] = "";
    int count = 0;
    for (int a = 0; a < arms->count; a++)
        for (int r = 0; r < arms->arms[a].run_count; r++) {
            const ps_arm_run *run = &arms->arms[a].runs[r];
            size_t used = strlen(text);
            if (run->status == PS_RUN_FINISHED || count++ >= SHOWN) continue;
            used += (size_t)snprintf(text + used, sizeof text - used, "%s%.64s seed %lld %s", count > 1 ? "; " : "",
                                     arms->arms[a].name, run->seed,
                                     run->status == PS_RUN_DIVERGED    ? "diverged"
                                     : run->status == PS_RUN_NONFINITE ? "was not finite at its last probing"
                                     : run->has_end                    ? "has fewer steps than planned"
                                                                       : "has no end");
            if (run->status == PS_RUN_UNFINISHED && run->planned > 0)
                snprintf(text + used, sizeof text - used, " (%lld of %lld steps)", run->steps, run->planned);
        }
    if (count == 0) return;
    if (count > SHOWN) snprintf(text + strlen(text), sizeof text - strlen(text), "; and %d more", count - SHOWN);
    fputs("\nNot whole: ", stream);
    print_wrapped(text, stream);
}

static void print_checks(const ps_verdict_document *verdict, FILE *stream) {
    int held = 0, judged = 0;
    for (size_t i = 0; i < verdict->check_count; i++) {
        const ps_verdict_check *check = &verdict->checks[i];
        judged += check->cases > 0;
        held += check->cases > 0 && check->violations == 0;
        if (check->violations > 0)
            fprintf(stream, "\nFAULTY: %s\n  does not hold in %.0f of %.0f cases; first at %s\n", check->statement,
                    check->violations, check->cases, check->first);
    }
    int silent = (int)verdict->check_count - judged;
    fprintf(stream, "\nInstrument checks: %d of %d hold", held, (int)verdict->check_count);
    if (silent > 0) fprintf(stream, ", %d not recorded, or without a case in these networks", silent);
    putc('\n', stream);
}

static void print_rest(const ps_verdict_document *verdict, FILE *stream) {
    int notes = verdict->sentence_count - verdict->answer_count;
    fprintf(stream, "%d predictions with effect, bounds and seeds are in predictions.tsv", verdict->questions.count);
    if (notes > 0) fprintf(stream, ", %d note%s on the runs in verdict.json", notes, notes == 1 ? "" : "s");
    fprintf(stream, ";\n`poolscope report` shows all.\n");
}

static void print_verdict(const ps_verdict_document *verdict, FILE *stream) {
    putc('\n', stream);
    for (int i = 0; i < verdict->answer_count; i++) print_wrapped(verdict->sentences[i], stream);
    print_arms(verdict->arms, stream);
    print_pairs(verdict->arms, stream);
    print_relations(verdict->arms, stream);
    print_seeds(verdict, stream);
    print_ends(verdict->arms, stream);
    print_checks(verdict, stream);
    print_rest(verdict, stream);
}

/* Names of arms and layers are in it: what a terminal would obey is taken out. */
ps_status ps_verdict_print(const ps_verdict_document *verdict, FILE *stream) {
    char *text = NULL;
    size_t size;
    FILE *memory = open_memstream(&text, &size);
    if (memory == NULL) return ps_fail(PS_ERR_MEMORY, "no memory for the summary");
    print_verdict(verdict, memory);
    ps_status status = ps_memory_stream_close(memory, &text, "the summary");
    if (status == PS_OK) {
        ps_text_make_showable(text, true);
        fputs(text, stream);
    }
    free(text);
    return status;
}
