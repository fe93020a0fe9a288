/* What was measured of each class on the test split, arm beside arm. */
#include "reports/html.h"

#include <math.h>

#include "reports/classes.h"
#include "reports/escape.h"

/* A longer table is folded. */
enum { ROWS_SHOWN = 40 };

static void print_value(FILE *stream, double value, bool share) {
    char number[PS_ESCAPE_NUMBER];
    if (share) fprintf(stream, "%s&nbsp;%%", ps_escape_percent(number, value, 0));
    else fputs(ps_escape_number(number, value), stream);
}

/* Mean over seeds, with the lowest and highest beneath, and how many they were where some lack it. */
static void print_class_cell(FILE *stream, const ps_report_class_value *v, bool share, int seeds) {
    char a[PS_ESCAPE_NUMBER], b[PS_ESCAPE_NUMBER];
    fputs("<td class=\"n\">", stream);
    if (v->count == 0) fputs("–", stream);
    else print_value(stream, v->mean, share);
    if (v->count > 1 && share)
        fprintf(stream, "<small>%s to %s</small>", ps_escape_percent(a, v->low, 0), ps_escape_percent(b, v->high, 0));
    else if (v->count > 1)
        fprintf(stream, "<small>%s to %s</small>", ps_escape_number(a, v->low), ps_escape_number(b, v->high));
    if (v->count > 0 && v->count < seeds) fprintf(stream, "<small>%d of %d seeds</small>", v->count, seeds);
    fputs("</td>", stream);
}

static void print_measure_head(FILE *stream, const ps_report_content *content, const ps_report_classes *c, int m) {
    const char *unit = ps_report_class_unit(content, c->measure[m]),
               *better = ps_report_class_better(content, c->measure[m]);
    fprintf(stream, "<tr><th scope=\"rowgroup\" colspan=\"%d\">", c->arms + 1);
    ps_escape_html(stream, ps_report_class_title(c->measure[m]));
    if (*unit && !ps_report_is_share(unit)) {
        fputs(", ", stream);
        ps_escape_html(stream, unit);
    }
    if (*better) {
        fputs(" <small>", stream);
        ps_escape_html(stream, better);
        fputs(" is better</small>", stream);
    }
    fputs("</th></tr>\n", stream);
}

static void print_whole(FILE *stream, const ps_report_content *content, const ps_report_classes *c, int m, bool share) {
    fputs("<tr class=\"whole\"><th scope=\"row\">whole test split</th>", stream);
    for (int a = 0; a < c->arms; a++) {
        const char *arm = ps_table_text(&content->arms, a, ps_table_column(&content->arms, "arm"));
        ps_report_class_value whole = ps_report_class_whole(content, c->measure[m], arm);
        print_class_cell(stream, &whole, share, ps_report_arm_runs(content, a));
    }
    fputs("</tr>\n", stream);
}

static void print_class_measure(FILE *stream, const ps_report_content *content, const ps_report_classes *c, int m) {
    bool share = ps_report_is_share(ps_report_class_unit(content, c->measure[m]));
    fputs("<tbody>\n", stream);
    print_measure_head(stream, content, c, m);
    for (int k = 0; k < c->classes; k++) {
        if (c->name[k] == NULL) continue;
        fputs("<tr><th scope=\"row\">", stream);
        ps_escape_html(stream, c->name[k]);
        fputs("</th>", stream);
        for (int a = 0; a < c->arms; a++)
            print_class_cell(stream, ps_report_class_value_of(c, m, k, a), share, ps_report_arm_runs(content, a));
        fputs("</tr>\n", stream);
    }
    print_whole(stream, content, c, m, share);
    fputs("</tbody>\n", stream);
}

static void print_table(FILE *stream, const ps_report_content *content, const ps_report_classes *c) {
    fprintf(stream,
            "<details class=\"card\"%s><summary>Measures of each class, in numbers</summary>\n<div class=\"scroll "
            "classes\" tabindex=\"0\" role=\"region\" aria-label=\"Measures of each class\"><table><caption><span>At "
            "the last evaluation on the test split: mean over each arm's seeds, lowest and highest seed beneath. –: "
            "not measured, as for a class that neither truth nor prediction holds. Class by class nothing is "
            "tested.</span></caption><thead><tr><th scope=\"col\">Class</th>",
            c->measures * (c->classes + 2) <= ROWS_SHOWN ? " open" : "");
    for (int a = 0; a < c->arms; a++) {
        fprintf(stream,
                "<th scope=\"col\" class=\"n\"><svg class=\"key\" viewBox=\"0 0 9 9\" aria-hidden=\"true\"><rect "
                "width=\"9\" height=\"9\" style=\"fill:var(--arm%d)\"/></svg>",
                a % 8 + 1);
        ps_escape_html(stream, ps_table_text(&content->arms, a, ps_table_column(&content->arms, "arm")));
        fputs("</th>", stream);
    }
    fputs("</tr></thead>\n", stream);
    for (int m = 0; m < c->measures; m++) print_class_measure(stream, content, c, m);
    fputs("</table></div></details>\n", stream);
}

ps_status ps_report_html_classes(FILE *stream, const ps_report_content *content) {
    ps_report_classes classes;
    PS_TRY(ps_report_classes_read(content, &classes));
    if (classes.measures > 0) print_table(stream, content, &classes);
    ps_report_classes_clear(&classes);
    return PS_OK;
}
