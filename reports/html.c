/* The page: its frame, in which order its pieces stand. */
#include "reports/html.h"

#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/memory.h"
#include "reports/escape.h"

/* A file of the share folder as it is (style, script). */
static ps_status print_share_file(FILE *stream, const ps_report_content *content, const char *name) {
    char *path = NULL, *text = NULL;
    size_t size = 0;
    PS_TRY(ps_file_join(content->share, name, &path));
    ps_status status = ps_file_read(path, &text, &size);
    if (status == PS_OK) fwrite(text, 1, size, stream);
    free(text);
    free(path);
    return status;
}

static ps_status print_head(FILE *stream, const ps_report_content *content) {
    /* The policy forbids the page to load anything at all, whatever a name may have smuggled in. */
    fputs(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
        "script-src "
        "'unsafe-inline'; "
        "img-src data:; base-uri 'none'; form-action 'none'\">\n"
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"generator\" "
        "content=\"poolscope\">\n<title>",
        stream);
    ps_escape_html(stream, content->question);
    fputs(" – poolscope report</title>\n<link rel=\"icon\" href=\"data:,\">\n<style>\n", stream);
    PS_TRY(print_share_file(stream, content, "page.css"));
    fputs("</style>\n</head>\n<body>\n<a class=\"skip\" href=\"#main\">Skip to the verdict</a>\n", stream);
    return PS_OK;
}

static void print_first_words(FILE *stream, const ps_report_content *content) {
    fputs(
        "<header>\n<div class=\"brand\"><span>poolscope report</span><button type=\"button\" id=\"theme\" "
        "class=\"theme\" "
        "hidden>Dark page</button></div>\n<h1>",
        stream);
    ps_escape_html(stream, content->question);
    fputs("</h1>\n</header>\n<main id=\"main\">\n", stream);
    if (cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(content->verdict, "faulty")))
        fputs(
            "<p class=\"alarm\" role=\"alert\">An instrument check did not hold, so no prediction of this comparison "
            "counts. See the checks below.</p>\n",
            stream);
    ps_report_html_ill(stream, content);
    if (!content->single) ps_report_html_answer(stream, content);
}

/* What else the comparison says, after its answer; a long summary is folded. */
static void print_summary(FILE *stream, const ps_report_content *content) {
    const cJSON *summary = cJSON_GetObjectItemCaseSensitive(content->verdict, "summary");
    int count = cJSON_GetArraySize(summary), first = ps_report_answer_sentences(content);
    if (count <= first) return;
    fprintf(stream, "<details class=\"card\"%s><summary>What else to know</summary><ul>\n",
            count - first <= 5 ? " open" : "");
    for (int i = first; i < count; i++) {
        fputs("<li>", stream);
        const char *sentence = cJSON_GetStringValue(cJSON_GetArrayItem(summary, i));
        ps_escape_html(stream, sentence ? sentence : "");
        fputs("</li>\n", stream);
    }
    fputs("</ul></details>\n", stream);
}

static void print_navigation(FILE *stream, const ps_report_content *content) {
    const char *section = "";
    int number = 0;
    fputs("<nav aria-label=\"Sections\"><div>", stream);
    if (content->single) fputs("<a href=\"#main\">Findings</a>", stream);
    else fputs("<a href=\"#main\">Verdict</a><a href=\"#h-predictions\">Questions</a>", stream);
    if (content->findings.rows && !content->single) fputs("<a href=\"#h-findings\">Findings</a>", stream);
    if (content->comparison.rows) fputs("<a href=\"#h-comparison\">Comparison</a>", stream);
    if (content->pictures.samples) fputs("<a href=\"#h-pictures\">Pictures</a>", stream);
    for (int i = 0; i < content->plots.count; i++) {
        if (strcmp(content->plots.plots[i].section, section) == 0) continue;
        if (!ps_report_html_shows(content, &content->plots.plots[i])) continue;
        section = content->plots.plots[i].section;
        fprintf(stream, "<a href=\"#s%d\">", number++);
        ps_escape_html(stream, section);
        fputs("</a>", stream);
    }
    fputs("<a href=\"#h-nodes\">Nodes</a></div></nav>\n", stream);
}

static void print_footer(FILE *stream) {
    fputs(
        "</main>\n<footer><p>A node is an output channel with its own gate. Dead: no gate output differs from 0 on any "
        "element of the probe set, with batch statistics. "
        "Inert: the gradient-driven path of its weights in a window is shorter than a thousandth of their norm. The "
        "seed is "
        "the unit of every test; a diverged run stays in, and contrasts rank it worst. Verdicts are those of questions "
        "registered before training; all else is exploratory.</p>"
        "<p>Made from tables/ and verdict.json beside this page; it loads nothing from a network. Colours: Okabe and "
        "Ito; "
        "viridis.</p></footer>\n<script>\n",
        stream);
}

static ps_status print_page(FILE *stream, const ps_report_content *content) {
    PS_TRY(print_head(stream, content));
    print_first_words(stream, content);
    if (content->single) PS_TRY(ps_report_html_health(stream, content));
    else {
        ps_report_html_glance(stream, content);
        print_summary(stream, content);
    }
    ps_report_html_facts(stream, content);
    print_navigation(stream, content);
    if (!content->single) {
        ps_report_html_predictions(stream, content);
        ps_report_html_findings(stream, content);
    }
    ps_report_html_checks(stream, content);
    ps_report_html_configuration(stream, content);
    ps_report_html_runs(stream, content);
    ps_report_html_comparison(stream, content);
    PS_TRY(ps_report_html_pictures(stream, content));
    if (!content->plots.gnuplot)
        fputs(
            "<p class=\"alarm\">No plot could be drawn: the program gnuplot is missing. Install it (on Debian: apt "
            "install "
            "gnuplot-nox) and run `poolscope report` again.</p>\n",
            stream);
    ps_report_html_layers(stream, content);
    PS_TRY(ps_report_html_plots(stream, content));
    PS_TRY(ps_report_html_nodes(stream, content));
    ps_report_html_terms(stream);
    print_footer(stream);
    PS_TRY(print_share_file(stream, content, "page.js"));
    fputs("</script>\n</body>\n</html>\n", stream);
    return PS_OK;
}

ps_status ps_report_write_html(const ps_report_content *content, const char *path) {
    ps_file_writer writer;
    PS_TRY(ps_file_writer_open(&writer, path));
    ps_status status = print_page(writer.stream, content);
    if (status == PS_OK) return ps_file_writer_commit(&writer);
    ps_file_writer_discard(&writer);
    return status;
}
