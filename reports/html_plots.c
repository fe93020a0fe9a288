/* The plots with their captions, and which layer has which number in them. */
#include "reports/html.h"

#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "reports/escape.h"
#include "reports/svg.h"

static ps_status print_picture(FILE *stream, const ps_report_content *content, const ps_plot *plot) {
    char *path = NULL, *labels = NULL;
    bool allowed = false;
    ps_status status = PS_OK;
    PS_TRY_CLEANUP(ps_string_format(&path, "%s/%s.svg", content->plots.folder, plot->id));
    PS_TRY_CLEANUP(ps_string_format(&labels, "t-%s c-%s", plot->id, plot->id));
    fprintf(stream, "<div class=\"scroll\" tabindex=\"0\" role=\"group\" aria-label=\"Drawing\">");
    PS_TRY_CLEANUP(ps_svg_inline(stream, path, plot->id, labels, &allowed));
    if (!allowed)
        fputs("<p>The drawing holds elements that are not expected of gnuplot, so it was left out of the page.</p>",
              stream);
    fputs("</div>", stream);
cleanup:
    free(path);
    free(labels);
    return status;
}

static void print_absent(FILE *stream, const ps_plot *plot) {
    const char *words = plot->state == PS_PLOT_NOT_RECORDED ? "Not recorded, or nothing to count: no value in "
                        : plot->state == PS_PLOT_FAILED     ? "This plot could not be drawn: "
                                                            : "Not drawn, because gnuplot is missing.";
    fprintf(stream, "<p>%s", words);
    ps_escape_html(stream, plot->note ? plot->note : "");
    fputs(".</p>", stream);
}

static ps_status print_lacks(FILE *stream, const ps_report_content *content, const ps_plot *plot) {
    char *sentence;
    int row = 0;
    for (;;) {
        PS_TRY(ps_report_next_lack(content, plot->id, &row, &sentence));
        if (sentence == NULL) return PS_OK;
        fputs("<p>", stream);
        ps_escape_html(stream, sentence);
        fputs("</p>", stream);
        free(sentence);
    }
}

static ps_status print_plot(FILE *stream, const ps_report_content *content, const ps_plot *plot) {
    bool drawn = plot->state == PS_PLOT_DRAWN;
    fprintf(stream, "<figure id=\"%s\"%s><h3 id=\"t-%s\">", plot->id, drawn ? "" : " class=\"absent\"", plot->id);
    ps_escape_html(stream, plot->title);
    fputs("</h3>\n", stream);
    if (drawn) PS_TRY(print_picture(stream, content, plot));
    else print_absent(stream, plot);
    fprintf(stream, "<figcaption id=\"c-%s\">", plot->id);
    ps_escape_html(stream, plot->caption);
    fputs("</figcaption>", stream);
    PS_TRY(print_lacks(stream, content, plot));
    if (drawn)
        fprintf(stream,
                "<p class=\"files\">Files beside this page: <a href=\"plots/%s.svg\">SVG</a>, <a "
                "href=\"plots/%s.png\">PNG</a>, "
                "<a href=\"plots/%s.gp\">script</a>, <a href=\"plots/data/\">data</a></p>",
                plot->id, plot->id, plot->id);
    fputs("</figure>\n", stream);
    return PS_OK;
}

/* The plots number layers: which is which. Rows of the table are many (one an arm and step); the first of each number
 * counts. */
void ps_report_html_layers(FILE *stream, const ps_report_content *content) {
    const ps_table *layers = &content->layers;
    int position = ps_table_column(layers, "position"), kind = ps_table_column(layers, "kind"), next = 0;
    if (layers->rows == 0 || position < 0) return;
    fputs(
        "<details class=\"card\" id=\"layers\"><summary>Layers by their numbers in the plots</summary><ul "
        "class=\"numbers\">\n",
        stream);
    for (int row = 0; row < layers->rows; row++) {
        if (ps_table_number(layers, row, position) != next) continue;
        fprintf(stream, "<li><b>%d</b> ", next++);
        ps_escape_html(stream, ps_table_text(layers, row, ps_table_column(layers, "layer")));
        if (strcmp(ps_table_text(layers, row, kind), "shared") == 0) fputs(" <small>shared gate</small>", stream);
        fputs("</li>\n", stream);
    }
    fputs("</ul></details>\n", stream);
}

ps_status ps_report_html_plot(FILE *stream, const ps_report_content *content, const char *id) {
    for (int i = 0; i < content->plots.count; i++)
        if (strcmp(content->plots.plots[i].id, id) == 0 && content->plots.plots[i].state != PS_PLOT_NOT_RECORDED)
            return print_plot(stream, content, &content->plots.plots[i]);
    return PS_OK;
}

/* Of one run alone, what wants a pair has no place, nor what its first screen has shown; what was not recorded is
 * named in one sentence. */
bool ps_report_html_shows(const ps_report_content *content, const ps_plot *plot) {
    static const char *const other[] = {"dead_heat", "loss", "measure", "dead_time"};
    if (content->single && strcmp(plot->section, PS_REPORT_PAIRS) == 0) return false;
    for (size_t i = 0; content->single && i < sizeof other / sizeof *other; i++)
        if (strcmp(plot->id, other[i]) == 0) return false;
    return !content->single || plot->state == PS_PLOT_DRAWN || plot->state == PS_PLOT_FAILED;
}

static void print_left_out(FILE *stream, const ps_report_content *content) {
    int count = 0;
    for (int i = 0; i < content->plots.count; i++) {
        if (content->plots.plots[i].state != PS_PLOT_NOT_RECORDED) continue;
        if (strcmp(content->plots.plots[i].section, PS_REPORT_PAIRS) == 0) continue;
        fputs(count++ == 0 ? "<p class=\"small\">Not recorded, or nothing to count: " : ", ", stream);
        ps_escape_html(stream, content->plots.plots[i].title);
    }
    if (count > 0) fputs(".</p>\n", stream);
}

ps_status ps_report_html_plots(FILE *stream, const ps_report_content *content) {
    const char *section = "";
    int number = 0;
    for (int i = 0; i < content->plots.count; i++) {
        const ps_plot *plot = &content->plots.plots[i];
        bool numbers = strcmp(plot->id, "classes") == 0, shown = ps_report_html_shows(content, plot);
        if (numbers && !shown) PS_TRY(ps_report_html_classes(stream, content));
        if (!shown) continue;
        if (strcmp(plot->section, section) != 0) {
            if (number) fputs("</section>\n", stream);
            section = plot->section;
            fprintf(stream, "<section aria-labelledby=\"s%d\"><h2 id=\"s%d\">", number, number);
            ps_escape_html(stream, section);
            fputs("</h2>\n", stream);
            number++;
        }
        PS_TRY(print_plot(stream, content, plot));
        if (numbers) PS_TRY(ps_report_html_classes(stream, content));
    }
    if (number) fputs("</section>\n", stream);
    if (content->single) print_left_out(stream, content);
    return PS_OK;
}
