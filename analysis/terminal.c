/* The summary that `compare` prints: every seed is shown, with what that many seeds can say at best. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/relation.h"
#include "analysis/tables.h"
#include "analysis/verdict.h"
#include "core/memory.h"
#include "core/text.h"

enum { MOST_SHOWN = 12 };

/* Of a measure's title; wider where "(median)" stands behind it. */
static int title_width(const ps_contrast *c) { return c->diverged_count > 0 ? 53 : 44; }

static bool is_percent(const char *unit) { return strcmp(unit, "share") == 0 || strcmp(unit, "rate") == 0; }

static void format_value(char *buffer, size_t size, double value, const char *unit, bool sign) {
    if (ps_is_absent(value)) snprintf(buffer, size, "-");
    else if (!isfinite(value)) snprintf(buffer, size, "%s", isnan(value) ? "NaN" : value > 0 ? "Inf" : "-Inf");
    else if (is_percent(unit)) snprintf(buffer, size, sign ? "%+.1f" : "%.1f", 100 * value);
    else snprintf(buffer, size, sign ? "%+.2g" : "%.3g", value);
}

/* A pair of the two arms, and why it takes no part in what belongs to the end of a run or goes over all of it, NULL: it
 * does. */
typedef struct {
    long long seed, reference_seed;
    bool diverged;
    const char *reason, *detail;
} shown_pair;

typedef struct {
    shown_pair pairs[PS_MOST_SEEDS];
    int count, whole, diverged;
} shown_pairs;

static void find_pairs(const ps_arm *reference, const ps_arm *arm, shown_pairs *out) {
    out->count = out->whole = out->diverged = 0;
    for (int r = 0; r < arm->run_count && out->count < PS_MOST_SEEDS; r++) {
        const ps_arm_run *run = &arm->runs[r], *partner = ps_relation_partner(arm, run, reference);
        if (partner == NULL) continue;
        shown_pair *pair = &out->pairs[out->count++];
        pair->seed = run->seed;
        pair->reference_seed = partner->seed;
        pair->diverged = run->status == PS_RUN_DIVERGED || partner->status == PS_RUN_DIVERGED;
        pair->reason = ps_arms_unequal(arm, run, reference, partner, PS_OVER_TIME, &pair->detail);
        out->whole += pair->reason == NULL;
        out->diverged += pair->diverged;
    }
}

/* "~": the pair does not take part everywhere; "*": a run of it diverged. */
static char mark_of(const shown_pair *pair) { return pair->reason != NULL ? '~' : pair->diverged ? '*' : ' '; }

static void print_marked(const char *text, char mark, FILE *stream) {
    if (mark == ' ') fprintf(stream, " %8s", text);
    else fprintf(stream, " %7s%c", text, mark);
}

/* A column a pair, empty where it has no such number. */
static void print_seeds(const ps_verdict_contrast *v, const shown_pairs *pairs, FILE *stream) {
    char buffer[32];
    const ps_contrast *c = &v->contrast;
    for (int p = 0; p < pairs->count && p < MOST_SHOWN; p++) {
        shown_pair pair = pairs->pairs[p];
        double difference = ps_absent();
        for (int i = 0; i < c->n; i++) {
            if (c->seed[i] != pair.seed) continue;
            difference = c->difference[i];
            pair.diverged = c->diverged[i]; /* by this measure */
        }
        format_value(buffer, sizeof buffer, difference, v->unit, true);
        print_marked(buffer, mark_of(&pair), stream);
    }
    if (pairs->count > MOST_SHOWN) fprintf(stream, " .. %d more", pairs->count - MOST_SHOWN);
}

static void print_contrast(const ps_verdict_contrast *v, const shown_pairs *pairs, FILE *stream) {
    char reference[32], arm[32], difference[32], title[64];
    const ps_contrast *c = &v->contrast;
    snprintf(title, sizeof title, "%s%s%s", v->title, is_percent(v->unit) ? ", %" : "",
             c->by_rank              ? " (median)"
             : c->diverged_count > 0 ? " (mean)"
                                     : "");
    format_value(reference, sizeof reference, c->centre_reference, v->unit, false);
    format_value(arm, sizeof arm, c->centre_arm, v->unit, false);
    format_value(difference, sizeof difference, c->centre, v->unit, true);
    fprintf(stream, "  %-*s %8s %8s %8s  p %-7.3g", title_width(c), title, reference, arm, difference,
            c->test.two_sided);
    print_seeds(v, pairs, stream);
    putc('\n', stream);
}

static void print_head(const ps_verdict_document *verdict, const ps_arm *arm, const ps_contrast *any,
                       const shown_pairs *pairs, FILE *stream) {
    const char *reference = verdict->arms->arms[0].name;
    char seed[32];
    const ps_relation *relation = ps_relation_of(arm, &verdict->arms->arms[0]);
    fprintf(stream, "\n%s against %s: %d %s%s%s, ", arm->name, reference, pairs->count,
            relation->by_index ? "run" : "paired seed", pairs->count == 1 ? "" : "s",
            relation->by_index ? " each, side by side by index" : "");
    if (pairs->whole < pairs->count) fprintf(stream, "%d of them whole, ", pairs->whole);
    fprintf(stream, "which can show p = %.3g at best (two-sided)\n", any->test.best_two_sided);
    fprintf(stream, "  %-*s %8s %8s %8s  %-9s", title_width(any),
            any->diverged_count > 0 ? "median or mean over seeds" : "mean over seeds", reference, arm->name, "diff",
            "sign-flip");
    for (int p = 0; p < pairs->count && p < MOST_SHOWN; p++) {
        const shown_pair *pair = &pairs->pairs[p];
        snprintf(seed, sizeof seed, "%lld", pair->seed);
        size_t used = strlen(seed);
        if (pair->reference_seed != pair->seed)
            snprintf(seed + used, sizeof seed - used, ":%lld", pair->reference_seed);
        print_marked(seed, mark_of(&pairs->pairs[p]), stream);
    }
    fprintf(stream, "  <- seed%s\n", relation->by_index ? " (arm:reference where they are not the same)" : "");
}

static void print_marks(const ps_arms *arms, const ps_arm *arm, const shown_pairs *pairs, FILE *stream) {
    if (pairs->diverged > 0)
        fprintf(stream,
                "  * a run of this pair diverged. It stays in, and is worse than every other: medians over seeds stand "
                "where lower or higher is\n"
                "    better, in which, as in the test, a diverged run is infinitely bad (Inf), whatever it recorded. "
                "Means are of what was recorded.\n");
    if (pairs->whole == pairs->count) return;
    fprintf(stream, "  ~ this pair is left out of what belongs to the end of a run or goes over all of it:\n");
    for (int p = 0; p < pairs->count; p++) {
        const shown_pair *pair = &pairs->pairs[p];
        if (pair->reason == NULL) continue;
        bool own = strcmp(pair->detail, arm->name) == 0;
        const ps_arm_run *run = ps_arm_find_seed(own ? arm : &arms->arms[0], own ? pair->seed : pair->reference_seed);
        fprintf(stream, "    seed %lld %s %s (%lld", pair->seed, pair->reason, pair->detail, run->steps);
        if (run->planned > 0) fprintf(stream, " of %lld", run->planned);
        fprintf(stream, " steps)\n");
    }
}

static void print_arm(const ps_verdict_document *verdict, const ps_arm *arm, FILE *stream) {
    const ps_contrast *any = NULL;
    shown_pairs pairs;
    find_pairs(&verdict->arms->arms[0], arm, &pairs);
    for (size_t i = 0; i < verdict->contrast_count; i++) {
        const ps_verdict_contrast *v = &verdict->contrasts[i];
        if (v->arm != arm || v->contrast.n == 0) continue;
        if (any == NULL) print_head(verdict, arm, &v->contrast, &pairs, stream);
        any = &v->contrast;
        print_contrast(v, &pairs, stream);
    }
    if (any == NULL && pairs.count > 0)
        fprintf(stream, "\n%s against %s: no pair has a number in common\n", arm->name, verdict->arms->arms[0].name);
    else if (any == NULL) fprintf(stream, "\n%s against %s: no paired seed\n", arm->name, verdict->arms->arms[0].name);
    print_marks(verdict->arms, arm, &pairs, stream);
}

static void format_share(char *buffer, size_t size, double share) {
    if (ps_is_absent(share)) snprintf(buffer, size, "not recorded");
    else if (!isfinite(share)) snprintf(buffer, size, "%s", isnan(share) ? "NaN" : share > 0 ? "Inf" : "-Inf");
    else snprintf(buffer, size, "%.1f %%", 100 * share);
}

static void format_measure(char *buffer, size_t size, const ps_trace_measure *measure, double value) {
    if (ps_is_absent(value)) snprintf(buffer, size, "not recorded");
    else if (ps_trace_measure_is_share(measure)) format_share(buffer, size, value);
    else ps_trace_measure_show(measure, value, 4, buffer, size);
}

static void print_single(const ps_arms *arms, FILE *stream) {
    const ps_arm *arm = &arms->arms[0];
    const ps_trace_measure *of = &arms->task.measure[0];
    fprintf(stream, "\n%s: %d run%s, nothing to compare with\n", arm->name, arm->run_count,
            arm->run_count == 1 ? "" : "s");
    for (int r = 0; r < arm->run_count; r++) {
        char start[32], end[32], edge[32], title[PS_TRACE_TASK_TEXT], measured[64];
        format_share(start, sizeof start, ps_summary_get(&arm->runs[r].summary, "dead_start"));
        format_share(end, sizeof end, ps_summary_get(&arm->runs[r].summary, "dead_end"));
        format_share(edge, sizeof edge, ps_summary_get(&arm->runs[r].summary, "edge_end"));
        format_measure(measured, sizeof measured, of, ps_summary_get(&arm->runs[r].summary, arms->measure[0].name));
        fprintf(stream, "  seed %lld: dead %s -> %s, on the edge %s, %s %s, %s\n", arm->runs[r].seed, start, end, edge,
                ps_trace_measure_title(of, title), measured, ps_run_status_name(arm->runs[r].status));
    }
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

/* Each with its sentence: interval, p, what so many seeds can show at best; or why it is not testable. */
static void print_predictions(const ps_verdict_document *verdict, int count, FILE *stream) {
    fprintf(stream, "\nPredictions\n");
    for (int i = 0; i < count; i++) {
        const ps_prediction_result *r = &verdict->predictions[i];
        char estimate[32];
        ps_tables_format(estimate, r->estimate);
        if (r->n > 0) snprintf(estimate, sizeof estimate, "%.4g", r->estimate);
        fprintf(stream, "  %-3s %-13s %-62s %10s  (margin %s %.3g)\n", r->prediction->id, ps_verdict_name(r->verdict),
                r->prediction->title, estimate, r->prediction->greater ? ">" : "<",
                r->prediction->parts[r->part].margin);
        fprintf(stream, "      %s\n", r->sentence);
    }
}

/* Only what could be tested, and what turns under some variation at full length. */
static void print_sensitivity(const ps_verdict_document *verdict, int count, FILE *stream) {
    bool any = false;
    for (int i = 0; i < count; i++) any |= verdict->predictions[i].verdict != PS_VERDICT_NOT_TESTABLE;
    if (!any) return;
    fprintf(stream, "\nSensitivity to definition, threshold, window and probe size (%d variations, sensitivity.tsv)\n",
            verdict->sensitivity[0].count);
    for (int i = 0; i < count; i++)
        if (verdict->predictions[i].verdict != PS_VERDICT_NOT_TESTABLE)
            fprintf(stream, "  %-3s %s\n", verdict->predictions[i].prediction->id, verdict->sensitivity[i].sentence);
}

static void print_verdict(const ps_verdict_document *verdict, FILE *stream) {
    int count;
    ps_predictions(&count);
    for (int a = 1; a < verdict->arms->count; a++) print_arm(verdict, &verdict->arms->arms[a], stream);
    if (verdict->arms->count == 1) print_single(verdict->arms, stream);
    print_checks(verdict, stream);
    print_predictions(verdict, count, stream);
    print_sensitivity(verdict, count, stream);
    for (int i = 0; i < verdict->sentence_count; i++)
        fprintf(stream, "%s%s\n", i == 0 ? "\n" : "", verdict->sentences[i]);
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
