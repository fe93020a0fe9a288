/* The first screen: what was asked, what can be said of it, and what to do next. */
#include "reports/html.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "reports/effect.h"
#include "reports/escape.h"

static bool has(const cJSON *object, const char *key, const char *text) {
    return strcmp(ps_report_text(object, key), text) == 0;
}

static bool is_level(const cJSON *prediction) {
    return cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(prediction, "level"));
}

/* Whether its verdict is one of the design's words. */
static bool is_judged(const cJSON *prediction) {
    return has(prediction, "verdict", "shown") || has(prediction, "verdict", "shown_not") ||
           has(prediction, "verdict", "undecided");
}

static void print_badge(FILE *stream, const cJSON *prediction) {
    const char *verdict = ps_report_text(prediction, "verdict");
    fputs("<span class=\"badge ", stream);
    ps_escape_html(stream, verdict);
    fputs("\">", stream);
    ps_escape_html(stream, ps_report_verdict_word(verdict));
    fputs("</span> ", stream);
}

/* "dead nodes reopen sooner, at a hazard 10 % higher (P2)" */
static void print_claim(FILE *stream, const cJSON *prediction) {
    ps_escape_html(stream, ps_report_text(prediction, "title"));
    fputs(" (", stream);
    ps_escape_html(stream, ps_report_text(prediction, "id"));
    fputs(")", stream);
}

/* The badge says "undecided" already. */
static const char *without_badge(const char *words) {
    static const char open[] = "undecided";
    if (strcmp(words, open) == 0) return "whether the claim holds is open";
    bool begins = strncmp(words, open, sizeof open - 1) == 0 && strncmp(words + sizeof open - 1, ": ", 2) == 0;
    return begins ? words + sizeof open + 1 : words;
}

/* "ps2 against baseline: higher by more than 2 points" */
static void print_words(FILE *stream, const cJSON *part) {
    const char *against = ps_report_text(part, "against"), *words = ps_report_text(part, "words");
    ps_escape_html(stream, ps_report_text(part, "arm"));
    if (*against) fputs(" against ", stream);
    ps_escape_html(stream, against);
    if (!*words) return;
    fputs(": <b>", stream);
    ps_escape_html(stream, without_badge(words));
    fputs("</b>", stream);
}

static void print_all_words(FILE *stream, const cJSON *prediction) {
    const cJSON *parts = cJSON_GetObjectItemCaseSensitive(prediction, "parts"), *part;
    cJSON_ArrayForEach(part, parts) {
        if (part != parts->child) fputs("; ", stream);
        print_words(stream, part);
    }
}

/* ---- the effect ---- */

/* Median and bounds in figures, with their terms. */
static void print_figures(FILE *stream, const cJSON *prediction, const cJSON *part) {
    char text[PS_EFFECT_TEXT], number[PS_ESCAPE_NUMBER];
    bool level = is_level(prediction), pair = *ps_report_text(part, "against") != '\0';
    double low = ps_report_number(part, "low"), high = ps_report_number(part, "high"),
           coverage = ps_report_number(part, "coverage");
    ps_report_html_term(stream, "median pair", pair ? "Median pair" : "Median seed");
    fprintf(stream, " <b>%s</b>", ps_effect_of(text, part, level, "estimate"));
    if (isfinite(coverage)) {
        fputs(", ", stream);
        ps_report_html_term(stream, "bounds", "bounds");
        fprintf(stream, " <b>%s</b> to ", ps_effect_amount(text, part, level, low));
        fprintf(stream, "<b>%s</b> (each right with 95&nbsp;%%, both with %s&nbsp;%%)",
                ps_effect_amount(text, part, level, high), ps_escape_percent(number, coverage, 0));
    } else fputs(", no bounds (fewer than five seeds have none)", stream);
    if (ps_report_number(part, "neither") > 0)
        fprintf(stream, "; %.0f of the seeds for neither side (no usable value)", ps_report_number(part, "neither"));
    fprintf(stream, "; %.0f of %.0f seeds beyond the ", ps_report_number(part, "beyond"), ps_report_number(part, "n"));
    ps_report_html_term(stream, "prediction, margin", "margin");
    fprintf(stream, " of %s", ps_effect_of(text, part, level, "margin"));
    if (!is_judged(prediction))
        fprintf(stream, ", p = %s, not corrected", ps_escape_number(number, ps_report_number(part, "p")));
    fputs(".", stream);
}

static void print_picture(FILE *stream, const cJSON *prediction, const cJSON *part) {
    const cJSON *values = cJSON_GetObjectItemCaseSensitive(part, "values");
    if (cJSON_GetArraySize(values) == 0) return;
    fputs("<div class=\"shown-effect\">", stream);
    ps_effect_picture(stream, prediction, part, true);
    fprintf(stream,
            "<p class=\"small\">A dot is a seed; the bar the bounds, the diamond the median; shaded: where the claim "
            "holds%s.</p></div>\n",
            is_level(prediction) ? "" : ", grey: smaller than the margin");
}

static void print_effect(FILE *stream, const cJSON *prediction) {
    const cJSON *part = ps_report_deciding_part(prediction);
    if (cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(part, "values")) == 0) return;
    fputs("<p>", stream);
    if (cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(prediction, "parts")) > 1)
        fprintf(stream, "Part %.0f: ", ps_report_number(prediction, "part"));
    print_figures(stream, prediction, part);
    fputs("</p>\n", stream);
}

/* ---- the questions ---- */

static void print_primary(FILE *stream, const cJSON *primary) {
    fputs("<p class=\"place\">Primary ", stream);
    ps_report_html_term(stream, "registered question", "question");
    fputs(": ", stream);
    print_claim(stream, primary);
    fputs(". <small>Whose claim: ", stream);
    ps_escape_html(stream, ps_report_text(primary, "claim_of"));
    fputs("</small></p>\n<p class=\"answer\">", stream);
    print_badge(stream, primary);
    if (is_judged(primary)) print_all_words(stream, primary);
    else ps_escape_html(stream, ps_report_text(primary, "sentence"));
    fputs("</p>\n", stream);
    if (is_judged(primary)) print_effect(stream, primary);
}

/* The first that has numbers, of what the paper claims before all else. */
static const cJSON *first_explored(const ps_report_content *content) {
    const cJSON *item;
    cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(content->verdict, "predictions")) {
        if (has(item, "verdict", "not_judged")) return item;
    }
    return NULL;
}

/* Nothing was registered, or no verdict was written at all. */
static void print_unregistered(FILE *stream, const ps_report_content *content, const cJSON *explored) {
    fputs("<p class=\"answer\">", stream);
    if (explored) {
        fputs("<span class=\"badge not_judged\">", stream);
        ps_report_html_term(stream, "exploratory", "exploratory");
        fputs("</span> ", stream);
    }
    ps_escape_html(stream, content->answer);
    if (content->numbers) {
        fputs("<small>", stream);
        ps_escape_html(stream, content->numbers);
        fputs("</small>", stream);
    }
    fputs("</p>\n", stream);
    if (!explored) return;
    fputs("<p>The first of the predictions below, only as a picture of what came out: ", stream);
    print_claim(stream, explored);
    fputs("; ", stream);
    print_words(stream, ps_report_deciding_part(explored));
    fputs(".</p>\n", stream);
    print_effect(stream, explored);
}

static void print_secondary(FILE *stream, const ps_report_content *content) {
    char place[32];
    const cJSON *question;
    for (int i = 1; snprintf(place, sizeof place, "secondary %d", i), (question = ps_report_question(content, place));
         i++) {
        fprintf(stream, "%s<li>", i == 1 ? "<ul class=\"secondary\">" : "");
        print_badge(stream, question);
        fprintf(stream, "Secondary question %d: ", i);
        print_claim(stream, question);
        if (is_judged(question)) {
            fputs("; ", stream);
            print_all_words(stream, question);
        }
        fputs("</li>\n", stream);
    }
    if (ps_report_question(content, "secondary 1")) fputs("</ul>\n", stream);
}

/* ---- outcomes of whole runs ---- */

static double count_of(const cJSON *outcome, const char *key) {
    double value = ps_report_number(outcome, key);
    return isfinite(value) ? value : 0;
}

enum { MOST_NAMES = 6 };

/* "baseline, ps2: ", or "10 arms: " of those with the same count of an item as this first one of them. */
static int print_group(FILE *stream, const cJSON *outcomes, const cJSON *first, int (*count)(const cJSON *)) {
    const cJSON *item;
    int arms = 0, named = 0;
    cJSON_ArrayForEach(item, outcomes) arms +=
        count(item) == count(first) && count_of(item, "runs") == count_of(first, "runs");
    if (arms > MOST_NAMES) fprintf(stream, "%d %sarms", arms, arms < cJSON_GetArraySize(outcomes) ? "other " : "");
    else cJSON_ArrayForEach(item, outcomes) {
            if (count(item) != count(first) || count_of(item, "runs") != count_of(first, "runs")) continue;
            fputs(named++ ? ", " : "", stream);
            ps_escape_html(stream, ps_report_text(item, "arm"));
        }
    return arms;
}

static bool is_first(const cJSON *outcomes, const cJSON *outcome, int (*count)(const cJSON *)) {
    const cJSON *item;
    cJSON_ArrayForEach(item, outcomes) {
        if (item == outcome) return true;
        if (count(item) == count(outcome) && count_of(item, "runs") == count_of(outcome, "runs")) return false;
    }
    return true;
}

static int collapsed(const cJSON *outcome) { return (int)count_of(outcome, "collapsed"); }

/* Of arms in which pairs differ enough for the test to say anything (five of them, all one way, give 0.0625). */
static void print_mcnemar(FILE *stream, const cJSON *outcomes) {
    const cJSON *outcome;
    char number[PS_ESCAPE_NUMBER];
    cJSON_ArrayForEach(outcome, outcomes) {
        double p = ps_report_number(outcome, "mcnemar_p");
        if (!isfinite(p) || p > 0.0625) continue;
        fputs("; exact McNemar test of ", stream);
        ps_escape_html(stream, ps_report_text(outcome, "arm"));
        fprintf(stream, " against the reference: p&nbsp;=&nbsp;%s", ps_escape_number(number, p));
    }
}

/* "baseline 1 of 5 (at most 66 % of such runs); ps2, ps4 0 of 5 each (at most 45 % of such runs)" */
static void print_collapses(FILE *stream, const cJSON *outcomes) {
    const cJSON *outcome;
    char number[PS_ESCAPE_NUMBER];
    int said = 0;
    fputs("<div><dt>", stream);
    ps_report_html_term(stream, "collapse", "Collapsed");
    fputs("</dt><dd>", stream);
    cJSON_ArrayForEach(outcome, outcomes) {
        if (!is_first(outcomes, outcome, collapsed)) continue;
        fputs(said++ ? "; " : "", stream);
        int arms = print_group(stream, outcomes, outcome, collapsed);
        fprintf(stream, ": %.0f of %.0f runs%s (95&nbsp;%% bound: at most %s&nbsp;%% of such runs)",
                count_of(outcome, "collapsed"), count_of(outcome, "runs"), arms > 1 ? " each" : "",
                ps_escape_percent(number, count_of(outcome, "upper"), 0));
    }
    print_mcnemar(stream, outcomes);
    fputs("</dd></div>\n", stream);
}

static void print_unlearned(FILE *stream, const cJSON *outcomes) {
    const cJSON *outcome;
    int said = 0;
    cJSON_ArrayForEach(outcome, outcomes) {
        if (ps_report_unlearned(outcome) == 0 || !is_first(outcomes, outcome, ps_report_unlearned)) continue;
        fputs(said++ ? "; " : "", stream);
        int arms = print_group(stream, outcomes, outcome, ps_report_unlearned);
        fprintf(stream, ": %d of %.0f runs%s", ps_report_unlearned(outcome), count_of(outcome, "runs"),
                arms > 1 ? " each" : "");
    }
    fputs(". Their shares of dead nodes are those of networks that learned nothing.", stream);
}

static void print_learned(FILE *stream, const cJSON *outcomes) {
    const cJSON *outcome;
    double runs = 0, unknown = 0;
    int unlearned = 0;
    cJSON_ArrayForEach(outcome, outcomes) {
        runs += count_of(outcome, "runs");
        unknown += count_of(outcome, "unknown");
        unlearned += ps_report_unlearned(outcome);
    }
    fprintf(stream, "<div%s><dt>", unlearned ? " class=\"flagged\"" : "");
    ps_report_html_term(stream, "learned", unlearned ? "Did not learn" : "Learned");
    fputs("</dt><dd>", stream);
    if (unlearned) print_unlearned(stream, outcomes);
    else if (unknown < runs) fprintf(stream, "%s%.0f runs", unknown > 0 ? "" : "all ", runs - unknown);
    if (unknown > 0) fprintf(stream, "%snot known of %.0f runs", unlearned || unknown < runs ? "; " : "", unknown);
    fputs("</dd></div>\n", stream);
}

/* What stands between backquotes is code. */
static void print_prose(FILE *stream, const char *text) {
    char piece[512];
    for (bool code = false; *text != '\0'; code = !code) {
        size_t length = strcspn(text, "`");
        snprintf(piece, sizeof piece, "%.*s", (int)length, text);
        fputs(code ? "<code>" : "", stream);
        ps_escape_html(stream, piece);
        fputs(code ? "</code>" : "", stream);
        text += length + (text[length] == '`');
    }
}

static void print_outcomes(FILE *stream, const ps_report_content *content) {
    const cJSON *outcomes = cJSON_GetObjectItemCaseSensitive(content->verdict, "outcomes");
    const char *next = ps_report_text(content->verdict, "next");
    if (cJSON_GetArraySize(outcomes) == 0 && !*next) return;
    fputs("<dl class=\"outcomes\">\n", stream);
    if (cJSON_GetArraySize(outcomes) > 0) {
        print_collapses(stream, outcomes);
        print_learned(stream, outcomes);
    }
    if (*next) {
        fputs("<div><dt>Next</dt><dd>", stream);
        print_prose(stream, next);
        fputs("</dd></div>\n", stream);
    }
    fputs("</dl>\n", stream);
}

void ps_report_html_answer(FILE *stream, const ps_report_content *content) {
    const cJSON *primary = ps_report_question(content, "primary"), *explored = primary ? NULL : first_explored(content);
    const cJSON *drawn = primary && is_judged(primary) ? primary : explored;
    fputs("<section class=\"card first\" aria-label=\"Answer\"><div class=\"beside\"><div>\n", stream);
    if (primary) print_primary(stream, primary);
    else print_unregistered(stream, content, explored);
    fputs("</div>\n", stream);
    if (drawn) print_picture(stream, drawn, ps_report_deciding_part(drawn));
    fputs("</div>\n", stream);
    print_secondary(stream, content);
    print_outcomes(stream, content);
    fputs("</section>\n", stream);
}
