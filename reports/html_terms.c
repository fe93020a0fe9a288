/* The terms of a report, folded away at its end. */
#include "reports/html.h"

#include "reports/escape.h"

static const struct {
    const char *term, *meaning;
} terms[] = {
#define PS_TERM(term, meaning) {term, meaning},
#include "reports/term_list.def"
#undef PS_TERM
};

void ps_report_html_terms(FILE *stream) {
    fputs("<details class=\"card\" id=\"terms\"><summary>Terms</summary><ul>\n", stream);
    for (size_t i = 0; i < sizeof terms / sizeof *terms; i++) {
        fputs("<li><b>", stream);
        ps_escape_html(stream, terms[i].term);
        fputs("</b>: ", stream);
        ps_escape_html(stream, terms[i].meaning);
        fputs("</li>\n", stream);
    }
    fputs("</ul></details>\n", stream);
}
