/* The terms of a report, folded away at its end. */
#include "reports/html.h"

#include <ctype.h>
#include <string.h>

#include "reports/escape.h"

static const struct {
    const char *term, *meaning;
} terms[] = {
#define PS_TERM(term, meaning) {term, meaning},
#include "reports/term_list.def"
#undef PS_TERM
};

enum { TERMS = sizeof terms / sizeof *terms };

/* "term-median-pair": letters of the term, all else as one dash. */
static void print_id(FILE *stream, const char *term) {
    fputs("term", stream);
    for (const char *p = term; *p != '\0'; p++) {
        bool letter = isalnum((unsigned char)*p);
        if (letter && (p == term || !isalnum((unsigned char)p[-1]))) putc('-', stream);
        if (letter) putc(tolower((unsigned char)*p), stream);
    }
}

void ps_report_html_term(FILE *stream, const char *term, const char *text) {
    size_t length = strlen(term);
    int found = 0;
    while (found < TERMS &&
           (strncmp(terms[found].term, term, length) != 0 || isalnum((unsigned char)terms[found].term[length])))
        found++;
    if (found < TERMS) {
        fputs("<a class=\"term\" href=\"#", stream);
        print_id(stream, terms[found].term);
        fputs("\">", stream);
    }
    ps_escape_html(stream, text);
    if (found < TERMS) fputs("</a>", stream);
}

void ps_report_html_terms(FILE *stream) {
    fputs("<details class=\"card\" id=\"terms\"><summary>Terms</summary><ul>\n", stream);
    for (size_t i = 0; i < TERMS; i++) {
        fputs("<li id=\"", stream);
        print_id(stream, terms[i].term);
        fputs("\"><b>", stream);
        ps_escape_html(stream, terms[i].term);
        fputs("</b>: ", stream);
        ps_escape_html(stream, terms[i].meaning);
        fputs("</li>\n", stream);
    }
    fputs("</ul></details>\n", stream);
}
