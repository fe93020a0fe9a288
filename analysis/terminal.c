/* The summary that `compare` prints: every seed is shown, with what that many seeds can say at best. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

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

static void print_seeds(const ps_verdict_contrast *v, FILE *stream) {
    char buffer[32];
    const ps_contrast *c = &v->contrast;
    for (int i = 0; i < c->n && i < MOST_SHOWN; i++) {
        format_value(buffer, sizeof buffer, c->difference[i], v->unit, true);
        fprintf(stream, c->diverged[i] ? " %7s*" : " %8s", buffer);
    }
    if (c->n > MOST_SHOWN) fprintf(stream, " .. %d more", c->n - MOST_SHOWN);
}

static void print_contrast(const ps_verdict_contrast *v, FILE *stream) {
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
    print_seeds(v, stream);
    putc('\n', stream);
}

static void print_arm(const ps_verdict_document *verdict, const ps_arm *arm, FILE *stream) {
    const ps_contrast *any = NULL;
    for (size_t i = 0; i < verdict->contrast_count; i++) {
        const ps_verdict_contrast *v = &verdict->contrasts[i];
        if (v->arm != arm || v->contrast.n == 0) continue;
        if (any == NULL) {
            any = &v->contrast;
            fprintf(stream, "\n%s against %s: %d paired seed%s, which can show p = %.3g at best (two-sided)\n",
                    arm->name, verdict->arms->arms[0].name, any->n, any->n == 1 ? "" : "s", any->test.best_two_sided);
            fprintf(stream, "  %-*s %8s %8s %8s  %-9s", title_width(any),
                    any->diverged_count > 0 ? "median or mean over seeds" : "mean over seeds",
                    verdict->arms->arms[0].name, arm->name, "diff", "sign-flip");
            for (int s = 0; s < any->n && s < MOST_SHOWN; s++)
                fprintf(stream, any->diverged[s] ? " %7lld*" : " %8lld", any->seed[s]);
            fprintf(stream, "  <- seed\n");
        }
        print_contrast(v, stream);
    }
    if (any == NULL) fprintf(stream, "\n%s against %s: no paired seed\n", arm->name, verdict->arms->arms[0].name);
    else if (any->diverged_count > 0)
        fprintf(stream,
                "  * a run of this pair diverged. It stays in, and is worse than every other: medians over seeds stand "
                "where lower or higher is\n"
                "    better, in which, as in the test, a diverged run is infinitely bad (Inf), whatever it recorded. "
                "Means are of what was recorded.\n");
}

static void format_share(char *buffer, size_t size, double share) {
    if (ps_is_absent(share)) snprintf(buffer, size, "not recorded");
    else snprintf(buffer, size, "%.1f %%", 100 * share);
}

static void print_single(const ps_arm *arm, FILE *stream) {
    fprintf(stream, "\n%s: %d run%s, nothing to compare with\n", arm->name, arm->run_count,
            arm->run_count == 1 ? "" : "s");
    for (int r = 0; r < arm->run_count; r++) {
        char start[32], end[32], edge[32], accuracy[32];
        format_share(start, sizeof start, ps_summary_get(&arm->runs[r].summary, "dead_start"));
        format_share(end, sizeof end, ps_summary_get(&arm->runs[r].summary, "dead_end"));
        format_share(edge, sizeof edge, ps_summary_get(&arm->runs[r].summary, "edge_end"));
        format_share(accuracy, sizeof accuracy, ps_summary_get(&arm->runs[r].summary, "test_accuracy"));
        fprintf(stream, "  seed %lld: dead %s -> %s, on the edge %s, accuracy %s, %s\n", arm->runs[r].seed, start, end,
                edge, accuracy, ps_run_status_name(arm->runs[r].status));
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
    if (verdict->arms->count == 1) print_single(&verdict->arms->arms[0], stream);
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
