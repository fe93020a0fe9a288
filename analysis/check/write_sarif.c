/* SARIF 2.1.0 (OASIS standard, 2020): one run, one rule a kind of finding, one result a finding, at its line of the
 * trace.
 */
#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/check/check_report.h"
#include "core/json.h"

static void write_rules(FILE *stream) {
    for (int k = 0; k < PS_FINDING_COUNT; k++) {
        fprintf(stream, "%s\n{\"id\":\"%s\",\"shortDescription\":{\"text\":", k > 0 ? "," : "",
                ps_finding_id((ps_finding_kind)k));
        ps_json_print_text(stream, ps_finding_description((ps_finding_kind)k));
        fputs("},\"defaultConfiguration\":{\"level\":\"error\"}}", stream);
    }
}

/* A path as a URI reference (RFC 3986): everything but unreserved characters and '/' in per cent. */
static void write_uri(FILE *stream, const char *path) {
    fputs(path[0] == '/' ? "\"file://" : "\"", stream);
    for (const unsigned char *p = (const unsigned char *)path; *p != '\0'; p++) {
        bool plain = *p < 0x80 && (isalnum(*p) || strchr("-._~/", *p) != NULL);
        fprintf(stream, plain ? "%c" : "%%%02X", *p);
    }
    fputc('"', stream);
}

static void write_message(FILE *stream, const ps_finding *finding) {
    char *line = ps_finding_text(finding);
    ps_json_print_text(stream, line != NULL && line[0] != '\0' ? line : ps_finding_description(finding->kind));
    free(line);
}

static void write_property(FILE *stream, const char *key, const char *text) {
    if (text == NULL) return;
    fprintf(stream, ",\"%s\":", key);
    ps_json_print_text(stream, text);
}

static void write_result(FILE *stream, const ps_check_suite *suite, const ps_finding *f) {
    fprintf(stream,
            "\n{\"ruleId\":\"%s\",\"ruleIndex\":%d,\"level\":\"error\",\"message\":{\"text\":", ps_finding_id(f->kind),
            (int)f->kind);
    write_message(stream, f);
    fputs("},\"locations\":[{\"physicalLocation\":{\"artifactLocation\":{\"uri\":", stream);
    write_uri(stream, suite->trace);
    fprintf(stream, "},\"region\":{\"startLine\":%" PRIu64 "}}", f->line > 0 ? f->line : 1);
    if (f->node != NULL) {
        fputs(",\"logicalLocations\":[{\"fullyQualifiedName\":", stream);
        ps_json_print_text(stream, f->node);
        fputs("}]", stream);
    }
    fputs("}],\"properties\":{\"check\":", stream);
    ps_json_print_text(stream, suite->results[f->check].name);
    write_property(stream, "quantity", f->quantity);
    write_property(stream, "expected", f->expected);
    write_property(stream, "found", f->found);
    if (!isnan(f->absolute_error)) {
        fputs(",\"absoluteError\":", stream);
        ps_json_print_double(stream, f->absolute_error);
        fputs(",\"relativeError\":", stream);
        ps_json_print_double(stream, f->relative_error);
    }
    fputs("}}", stream);
}

void ps_check_write_sarif(FILE *stream, const ps_check_report *report, int show) {
    (void)show;
    bool first = true;
    fputs(
        "{\"$schema\":\"https://json.schemastore.org/"
        "sarif-2.1.0.json\",\"version\":\"2.1.0\",\"runs\":[{\"tool\":{\"driver\":{",
        stream);
    fputs("\"name\":\"poolscope\",\"rules\":[", stream);
    write_rules(stream);
    fputs("]}},\"columnKind\":\"utf16CodeUnits\",\"results\":[", stream);
    for (size_t i = 0; i < report->count; i++)
        for (size_t f = 0; f < report->suites[i].finding_count; f++) {
            if (!first) fputc(',', stream);
            first = false;
            write_result(stream, &report->suites[i], &report->suites[i].findings[f]);
        }
    fputs("]}]}\n", stream);
}
