/* The report as Markdown, for a pull request: verdict, predictions, comparison; plots are shown from the folder
 * beside it. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "reports/classes.h"
#include "reports/effect.h"
#include "reports/escape.h"
#include "reports/pictures.h"

static void print_number(FILE *stream, double value) {
    char buffer[PS_ESCAPE_NUMBER];
    fprintf(stream, " %s |", ps_escape_number(buffer, value));
}

static void print_measure(FILE *stream, double value, int share, int is_signed) {
    char buffer[PS_ESCAPE_NUMBER];
    if (!share) print_number(stream, value);
    else
        fprintf(stream, " %s%s |", ps_escape_percent(buffer, value, is_signed),
                !isfinite(value) ? ""
                : is_signed      ? " pp"
                                 : " %");
}

static void print_cell(FILE *stream, const char *text) {
    fputc(' ', stream);
    ps_escape_markdown(stream, text);
    fputs(" |", stream);
}

/* ---- questions and predictions ---- */

static bool is_registered(const cJSON *prediction) {
    const char *place = ps_report_text(prediction, "place");
    return *place && strcmp(place, "exploratory") != 0;
}

static void print_amount(FILE *stream, const cJSON *prediction, const cJSON *part, const char *key) {
    char text[PS_EFFECT_TEXT];
    bool level = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(prediction, "level"));
    fprintf(stream, " %s |", ps_effect_of(text, part, level, key));
}

/* A part is a row: the first has the title, further ones the measure they are about. */
static void print_part(FILE *stream, const cJSON *prediction, const cJSON *part, bool first) {
    const char *against = ps_report_text(part, "against");
    fputs("| ", stream);
    ps_escape_markdown(stream, ps_report_text(prediction, "id"));
    print_cell(stream, first ? ps_report_text(prediction, "title") : ps_report_text(part, "measure"));
    fputc(' ', stream);
    ps_escape_markdown(stream, ps_report_text(part, "arm"));
    fputs(*against ? " against " : "", stream);
    ps_escape_markdown(stream, against);
    fputs(" |", stream);
    if (is_registered(prediction)) {
        print_cell(stream, ps_report_verdict_word(ps_report_text(prediction, "verdict")));
        print_cell(stream, ps_report_text(part, "words"));
    }
    print_amount(stream, prediction, part, "margin");
    print_amount(stream, prediction, part, "estimate");
    print_amount(stream, prediction, part, "low");
    print_amount(stream, prediction, part, "high");
    fprintf(stream, " %.0f of %.0f |", ps_report_number(part, "beyond"), ps_report_number(part, "n"));
    print_number(stream, ps_report_number(part, "p"));
    print_cell(stream, ps_report_text(prediction, "claim_of"));
    fputc('\n', stream);
}

static void print_prediction(FILE *stream, const cJSON *prediction) {
    const cJSON *parts = cJSON_GetObjectItemCaseSensitive(prediction, "parts"), *part;
    cJSON_ArrayForEach(part, parts) print_part(stream, prediction, part, part == parts->child);
}

static void print_registered(FILE *stream, const ps_report_content *content) {
    const cJSON *question = ps_report_question(content, "primary");
    char place[32];
    if (!question) return;
    fputs(
        "\n## Registered questions\n\n| question | arms | verdict | words | margin | median | low | high | beyond | p "
        "| "
        "claim of |\n|---|---|---|---|---:|---:|---:|---:|---:|---:|---|\n",
        stream);
    for (int i = 1; question; i++) {
        print_prediction(stream, question);
        snprintf(place, sizeof place, "secondary %d", i);
        question = ps_report_question(content, place);
    }
}

static void print_exploratory(FILE *stream, const ps_report_content *content) {
    const cJSON *predictions = cJSON_GetObjectItemCaseSensitive(content->verdict, "predictions"), *item;
    bool any = false;
    cJSON_ArrayForEach(item, predictions) {
        if (is_registered(item) || strcmp(ps_report_text(item, "verdict"), "not_testable") == 0) continue;
        if (!any)
            fputs(
                "\n## Exploratory\n\nNot registered before these runs, so nothing is concluded here; p is not "
                "corrected.\n\n| prediction | arms | margin | median | low | high | beyond | p | claim of "
                "|\n|---|---|---:|---:|---:|---:|---:|---:|---|\n",
                stream);
        any = true;
        print_prediction(stream, item);
    }
}

static void print_dead(FILE *stream, const ps_report_content *content, const char *arm, const char *column) {
    double share = ps_report_arm_mean(content, arm, column);
    if (ps_report_never_dies(content, arm) && !(share > 0)) fputs(" cannot be exactly dead |", stream);
    else print_measure(stream, share, 1, 0);
}

static void print_outcomes(FILE *stream, const ps_report_content *content) {
    const cJSON *outcomes = cJSON_GetObjectItemCaseSensitive(content->verdict, "outcomes"), *item;
    if (cJSON_GetArraySize(outcomes) == 0) return;
    fputs(
        "\n## Did the runs learn?\n\nDead is the mean over the arm's runs at their end: nodes with a gate of their "
        "own; "
        "all gates' channels.\n\n| arm | collapsed | at most (95 %) | did not learn | dead, own gate | dead, all gates "
        "|\n|---|---:|---:|---:|---:|---:|\n",
        stream);
    cJSON_ArrayForEach(item, outcomes) {
        const char *arm = ps_report_text(item, "arm");
        fputc('|', stream);
        print_cell(stream, arm);
        fprintf(stream, " %.0f of %.0f |", ps_report_number(item, "collapsed"), ps_report_number(item, "runs"));
        print_measure(stream, ps_report_number(item, "upper"), 1, 0);
        fprintf(stream, " %d |", ps_report_unlearned(item));
        print_dead(stream, content, arm, "dead_end");
        print_dead(stream, content, arm, "dead_all_end");
        fputc('\n', stream);
    }
}

/* The arm, with the pairs that take no part. */
static void print_compared_arm(FILE *stream, const ps_table *table, int row) {
    int left_out = ps_table_column(table, "left_out");
    const char *reasons = left_out >= 0 ? ps_table_text(table, row, left_out) : "";
    fputc(' ', stream);
    ps_escape_markdown(stream, ps_table_text(table, row, ps_table_column(table, "arm")));
    if (*reasons && strcmp(reasons, "NA") != 0) {
        fputs(" (left out: ", stream);
        ps_escape_markdown(stream, reasons);
        fputc(')', stream);
    }
    fputs(" |", stream);
}

static void print_comparison(FILE *stream, const ps_report_content *content) {
    const ps_table *table = &content->comparison;
    if (table->rows == 0) return;
    fputs(
        "\n## Arms against the reference\n\nDifferences of shares are in percentage points (pp). Means over seeds; "
        "where a run "
        "diverged and a direction is wanted, medians in which it is infinitely bad.\n\n| measure | arm | "
        "reference | arm | difference | lowest seed | highest seed | p (not "
        "corrected) |\n|---|---|---:|---:|---:|---:|---:|---:|\n",
        stream);
    for (int row = 0; row < table->rows; row++) {
        int share = ps_report_is_share(ps_table_text(table, row, ps_table_column(table, "unit")));
        fputc('|', stream);
        print_cell(stream, ps_table_text(table, row, ps_table_column(table, "title")));
        print_compared_arm(stream, table, row);
        print_measure(stream, ps_table_number(table, row, ps_table_column(table, "mean_reference")), share, 0);
        print_measure(stream, ps_table_number(table, row, ps_table_column(table, "mean_arm")), share, 0);
        print_measure(stream, ps_table_number(table, row, ps_table_column(table, "mean_difference")), share, 1);
        print_measure(stream, ps_table_number(table, row, ps_table_column(table, "min_difference")), share, 1);
        print_measure(stream, ps_table_number(table, row, ps_table_column(table, "max_difference")), share, 1);
        print_number(stream, ps_table_number(table, row, ps_table_column(table, "p")));
        fputc('\n', stream);
    }
}

static void print_summary(FILE *stream, const ps_report_content *content) {
    const cJSON *summary = cJSON_GetObjectItemCaseSensitive(content->verdict, "summary");
    if (cJSON_GetArraySize(summary) > 1) fputc('\n', stream);
    for (int i = 1; i < cJSON_GetArraySize(summary); i++) {
        const char *sentence = cJSON_GetStringValue(cJSON_GetArrayItem(summary, i));
        fputs("- ", stream);
        ps_escape_markdown(stream, sentence ? sentence : "");
        fputc('\n', stream);
    }
}

static ps_status print_lacks(FILE *stream, const ps_report_content *content, const ps_plot *plot) {
    char *sentence;
    int row = 0;
    for (;;) {
        PS_TRY(ps_report_next_lack(content, plot->id, &row, &sentence));
        if (sentence == NULL) return PS_OK;
        fputc('\n', stream);
        ps_escape_markdown(stream, sentence);
        fputc('\n', stream);
        free(sentence);
    }
}

static void print_sample_pictures(FILE *stream, const ps_report_content *content, int sample) {
    char name[PS_REPORT_PICTURE_NAME], title[128];
    const ps_report_pictures *p = &content->pictures;
    print_cell(stream, ps_report_sample_name(p, sample, title, sizeof title));
    for (int arm = PS_REPORT_IMAGE; arm >= PS_REPORT_TRUTH; arm--)
        fprintf(stream, " ![%s](plots/%s) |", arm == PS_REPORT_IMAGE ? "image" : "truth",
                ps_report_picture_name(sample, arm, name));
    for (int arm = 0; arm < p->arms; arm++) {
        if (ps_report_picture_is_there(p, sample, arm))
            fprintf(stream, " ![prediction](plots/%s) |", ps_report_picture_name(sample, arm, name));
        else fputs(" – |", stream);
    }
    fputc('\n', stream);
}

static void print_pictures(FILE *stream, const ps_report_content *content) {
    const ps_report_pictures *p = &content->pictures;
    if (p->samples == 0) return;
    fputs("\n## Prediction beside truth\n\n| sample | image | truth |", stream);
    for (int arm = 0; arm < p->arms; arm++) {
        fputc(' ', stream);
        ps_escape_markdown(stream, ps_table_text(&content->arms, arm, ps_table_column(&content->arms, "arm")));
        const char *seed = ps_report_picture_seed(content, arm);
        fputs(*seed ? ", seed " : "", stream);
        ps_escape_markdown(stream, seed);
        fputs(" |", stream);
    }
    fputs("\n|---|---|---|", stream);
    for (int arm = 0; arm < p->arms; arm++) fputs("---|", stream);
    fputc('\n', stream);
    for (int i = 0; i < p->samples; i++) {
        fputc('|', stream);
        print_sample_pictures(stream, content, i);
    }
}

/* A row: the arms' means over seeds; classes of a measure stand together, the whole test split below them. */
static void print_class_row(FILE *stream, const ps_report_content *content, const ps_report_classes *c, int m, int k) {
    const char *measure = c->measure[m], *unit = ps_report_class_unit(content, measure);
    bool share = ps_report_is_share(unit);
    fputs("| ", stream);
    ps_escape_markdown(stream, ps_report_class_title(measure));
    if (*unit && !share) {
        fputs(", ", stream);
        ps_escape_markdown(stream, unit);
    }
    fputs(" |", stream);
    print_cell(stream, k < c->classes ? c->name[k] : "whole test split");
    for (int a = 0; a < c->arms; a++) {
        const char *arm = ps_table_text(&content->arms, a, ps_table_column(&content->arms, "arm"));
        ps_report_class_value v =
            k < c->classes ? *ps_report_class_value_of(c, m, k, a) : ps_report_class_whole(content, measure, arm);
        print_measure(stream, v.count > 0 ? v.mean : NAN, share, 0);
    }
    fputc('\n', stream);
}

static void print_class_table(FILE *stream, const ps_report_content *content, const ps_report_classes *c) {
    fputs("\nMeans over each arm's seeds; –: not measured.\n\n| measure | class |", stream);
    for (int a = 0; a < c->arms; a++)
        print_cell(stream, ps_table_text(&content->arms, a, ps_table_column(&content->arms, "arm")));
    fputs("\n|---|---|", stream);
    for (int a = 0; a < c->arms; a++) fputs("---:|", stream);
    fputc('\n', stream);
    for (int m = 0; m < c->measures; m++)
        for (int k = 0; k <= c->classes; k++)
            if (k == c->classes || c->name[k] != NULL) print_class_row(stream, content, c, m, k);
}

static ps_status print_classes(FILE *stream, const ps_report_content *content) {
    ps_report_classes classes;
    PS_TRY(ps_report_classes_read(content, &classes));
    if (classes.measures > 0) print_class_table(stream, content, &classes);
    ps_report_classes_clear(&classes);
    return PS_OK;
}

static ps_status print_plot(FILE *stream, const ps_report_content *content, const ps_plot *plot) {
    fprintf(stream, "\n### %s\n\n", plot->title);
    if (plot->state == PS_PLOT_DRAWN)
        fprintf(stream, "![%s](plots/%s.png)\n\n%s\n", plot->title, plot->id, plot->caption);
    else fprintf(stream, "%s.\n", plot->state == PS_PLOT_NOT_RECORDED ? "Not recorded" : "Not drawn");
    if (strcmp(plot->id, "classes") == 0) PS_TRY(print_classes(stream, content));
    return print_lacks(stream, content, plot);
}

/* What is wrong with single runs, as the table has it: the worst of each run first. */
static void print_findings(FILE *stream, const ps_report_content *content) {
    static const char *const columns[] = {"arm", "seed", "level", "since", "sentence", "causes", "remedy"};
    const ps_table *t = &content->findings;
    if (t->rows == 0 && !content->single) return;
    fprintf(stream, "\n## What is wrong with %s\n\n", content->single ? "the run" : "single runs");
    if (t->rows == 0) fputs("Nothing was found by the rules that could judge this run.\n", stream);
    else
        fputs("| arm | seed | level | since step | what | likely causes | try |\n|---|---|---|---:|---|---|---|\n",
              stream);
    for (int row = 0; row < t->rows; row++) {
        fputc('|', stream);
        for (size_t c = 0; c < sizeof columns / sizeof *columns; c++)
            print_cell(stream, ps_table_text(t, row, ps_table_column(t, columns[c])));
        fputc('\n', stream);
    }
    for (int row = 0; content->single && row < content->findings_open.rows; row++) {
        const ps_table *open = &content->findings_open;
        fputs(row == 0 ? "\nCannot be judged, as what is needed was not recorded: " : "; ", stream);
        ps_escape_markdown(stream, ps_table_text(open, row, ps_table_column(open, "title")));
    }
    if (content->single && content->findings_open.rows > 0) fputs(".\n", stream);
}

static void print_questions(FILE *stream, const ps_report_content *content) {
    print_registered(stream, content);
    print_outcomes(stream, content);
    print_exploratory(stream, content);
    print_comparison(stream, content);
}

static bool has_place(const ps_report_content *content, const ps_plot *plot) {
    return !content->single || strcmp(plot->section, PS_REPORT_PAIRS) != 0;
}

static void print_arms(FILE *stream, const ps_report_content *content) {
    char paired[1024];
    fprintf(stream, "%d arm%s, %d run%s; paired seeds: ", content->arms.rows, content->arms.rows == 1 ? "" : "s",
            content->runs.rows, content->runs.rows == 1 ? "" : "s");
    ps_report_write_seeds(ps_report_meta(content, "paired_seeds"), paired, sizeof paired);
    ps_escape_markdown(stream, *paired ? paired : "none named");
    fputs(".\n", stream);
}

static ps_status print_document(FILE *stream, const ps_report_content *content) {
    fputs("# ", stream);
    ps_escape_markdown(stream, content->question);
    fputs("\n\n", stream);
    if (cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(content->verdict, "faulty")))
        fputs("**An instrument check did not hold, so no prediction of this comparison counts.**\n\n", stream);
    if (!content->single) {
        fputs("**", stream);
        ps_escape_markdown(stream, content->answer);
        fputs("**\n\n", stream);
    }
    if (content->numbers) {
        ps_escape_markdown(stream, content->numbers);
        fputs("\n\n", stream);
    }
    if (!content->single) {
        print_arms(stream, content);
        print_summary(stream, content);
    }
    print_findings(stream, content);
    if (!content->single) print_questions(stream, content);
    print_pictures(stream, content);
    fputs(
        "\n## Plots\n\nThe pictures lie in `plots/` beside this file; where the text is pasted elsewhere, attach "
        "them.\n",
        stream);
    for (int i = 0; i < content->plots.count; i++)
        if (has_place(content, &content->plots.plots[i])) PS_TRY(print_plot(stream, content, &content->plots.plots[i]));
    return PS_OK;
}

ps_status ps_report_write_markdown(const ps_report_content *content, const char *path) {
    ps_file_writer writer;
    PS_TRY(ps_file_writer_open(&writer, path));
    ps_status status = print_document(writer.stream, content);
    if (status == PS_OK) return ps_file_writer_commit(&writer);
    ps_file_writer_discard(&writer);
    return status;
}
