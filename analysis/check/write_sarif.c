/* SARIF 2.1.0 (OASIS standard, 2020): one run, one rule a kind of finding, one result a finding (with how many
 * failures it stands for), at its first line of the trace; the worst is a related location.
 */
#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/check/check_report.h"
#include "core/json.h"

static void write_rules(FILE *stream) {
    for (int k = 0; k < PS_CHECK_FINDING_COUNT; k++) {
        fprintf(stream, "%s\n{\"id\":\"%s\",\"shortDescription\":{\"text\":", k > 0 ? "," : "",
                ps_check_finding_id((ps_check_finding_kind)k));
        ps_json_print_text(stream, ps_check_finding_description((ps_check_finding_kind)k));
        fputs("},\"defaultConfiguration\":{\"level\":\"error\"}}", stream);
    }
}

void ps_sarif_print_uri(FILE *stream, const char *path) {
    fputs(path[0] == '/' ? "\"file://" : "\"", stream);
    for (const unsigned char *p = (const unsigned char *)path; *p != '\0'; p++) {
        bool plain = *p < 0x80 && (isalnum(*p) || strchr("-._~/", *p) != NULL);
        fprintf(stream, plain ? "%c" : "%%%02X", *p);
    }
    fputc('"', stream);
}

static void write_message(FILE *stream, const ps_check_finding *finding) {
    ps_json_print_text(stream, finding->text[0] != '\0' ? finding->text : ps_check_finding_description(finding->kind));
}

static void write_property(FILE *stream, const char *key, const char *text) {
    if (text == NULL) return;
    fprintf(stream, ",\"%s\":", key);
    ps_json_print_text(stream, text);
}

static void write_location(FILE *stream, const ps_check_suite *suite, const ps_check_finding *f) {
    fputs("{\"physicalLocation\":{\"artifactLocation\":{\"uri\":", stream);
    ps_sarif_print_uri(stream, suite->trace);
    fprintf(stream, "},\"region\":{\"startLine\":%" PRIu64 "}}", f->line > 0 ? f->line : 1);
    if (f->node != NULL) {
        fputs(",\"logicalLocations\":[{\"fullyQualifiedName\":", stream);
        ps_json_print_text(stream, f->node);
        fputs("}]", stream);
    }
}

static void begin_result(FILE *stream, ps_check_finding_kind kind, bool first) {
    fprintf(stream,
            "%s\n{\"ruleId\":\"%s\",\"ruleIndex\":%d,\"level\":\"error\",\"message\":{\"text\":", first ? "" : ",",
            ps_check_finding_id(kind), (int)kind);
}

static void write_result(FILE *stream, const ps_check_suite *suite, const ps_check_finding *f, bool first) {
    begin_result(stream, f->kind, first);
    write_message(stream, f);
    fputs("},\"locations\":[", stream);
    write_location(stream, suite, f);
    fputs("}]", stream);
    if (f->worst != NULL) {
        fputs(",\"relatedLocations\":[", stream);
        write_location(stream, suite, f->worst);
        fputs(",\"message\":{\"text\":\"the worst\"}}]", stream);
    }
    fprintf(stream, ",\"occurrenceCount\":%" PRIu64 ",\"properties\":{\"check\":", f->count);
    ps_json_print_text(stream, suite->results[f->check].name);
    write_property(stream, "layer", f->layer);
    write_property(stream, "quantity", f->quantity);
    write_property(stream, "expected", f->expected);
    write_property(stream, "found", f->found);
    const ps_check_finding *worst = f->worst != NULL ? f->worst : f;
    if (!isnan(worst->absolute_error)) {
        fputs(",\"absoluteError\":", stream);
        ps_json_print_double(stream, worst->absolute_error);
        fputs(",\"relativeError\":", stream);
        ps_json_print_double(stream, worst->relative_error);
    }
    fputs("}}", stream);
}

/* So that nobody takes the list for the whole. */
static void write_rest(FILE *stream, const ps_check_report *report, uint64_t untold, bool first) {
    if (untold == 0) return;
    begin_result(stream, PS_CHECK_FINDING_MORE, first);
    fprintf(stream, "\"and %" PRIu64 " more failures; --max-results sets how many findings are told\"},", untold);
    fputs("\"locations\":[", stream);
    write_location(stream, &report->suites[0], &(ps_check_finding){0});
    fprintf(stream, "}],\"occurrenceCount\":%" PRIu64 "}", untold);
}

void ps_check_write_sarif(FILE *stream, const ps_check_report *report, int most) {
    bool first = true;
    uint64_t untold = 0;
    fputs(
        "{\"$schema\":\"https://json.schemastore.org/"
        "sarif-2.1.0.json\",\"version\":\"2.1.0\",\"runs\":[{\"tool\":{\"driver\":{",
        stream);
    fputs("\"name\":\"poolscope\",\"rules\":[", stream);
    write_rules(stream);
    fputs("]}},\"columnKind\":\"utf16CodeUnits\",\"results\":[", stream);
    for (size_t i = 0; i < report->count; i++) {
        const ps_check_suite *suite = &report->suites[i];
        untold += suite->findings_total;
        for (size_t f = 0; f < suite->finding_count && most > 0; f++, most--) {
            write_result(stream, suite, &suite->findings[f], first);
            untold -= suite->findings[f].count;
            first = false;
        }
    }
    write_rest(stream, report, untold, first);
    fputs("]}]}\n", stream);
}
