/* JUnit XML in the form that both usual schemas take (the one of Ant's report and that of Jenkins' xunit plug-in):
 * every attribute that either asks for, elements in the stricter order. */
#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

#include "analysis/check/check_report.h"

/* Length of the UTF-8 character from two bytes on that starts here, 0: none that XML 1.0 allows. */
static size_t utf8_length(const unsigned char *text) {
    static const struct {
        unsigned char mask, lead;
    } forms[] = {{0xE0, 0xC0}, {0xF0, 0xE0}, {0xF8, 0xF0}};
    for (size_t f = 0; f < 3; f++) {
        if ((text[0] & forms[f].mask) != forms[f].lead) continue;
        for (size_t i = 1; i <= f + 1; i++)
            if ((text[i] & 0xC0) != 0x80) return 0;
        bool overlong =
            (f == 0 && text[0] < 0xC2) || (text[0] == 0xE0 && text[1] < 0xA0) || (text[0] == 0xF0 && text[1] < 0x90);
        bool outside = (text[0] == 0xED && text[1] > 0x9F) || text[0] > 0xF4 || (text[0] == 0xF4 && text[1] > 0x8F) ||
                       (text[0] == 0xEF && text[1] == 0xBF && text[2] >= 0xBE);
        return overlong || outside ? 0 : f + 2;
    }
    return 0;
}

/* Bytes that are no character of XML 1.0 become '?'; names in traces are untrusted. */
static void put_xml(FILE *stream, const char *text) {
    static const char *const named[128] = {
        ['&'] = "&amp;", ['<'] = "&lt;", ['>'] = "&gt;", ['"'] = "&quot;", ['\n'] = "&#10;", ['\t'] = "&#9;"};
    for (const unsigned char *p = (const unsigned char *)text; *p != '\0';) {
        size_t length = *p < 0x80 ? 1 : utf8_length(p);
        if (length == 1 && named[*p] != NULL) fputs(named[*p], stream);
        else if (length == 0 || *p < 0x20) fputc('?', stream);
        else fwrite(p, 1, length, stream);
        p += length > 0 ? length : 1;
    }
}

static void put_attribute(FILE *stream, const char *name, const char *text) {
    fprintf(stream, " %s=\"", name);
    put_xml(stream, text);
    fputc('"', stream);
}

/* *left: how many findings of the report may still be told. */
static void put_findings(FILE *stream, const ps_check_suite *suite, int check, size_t *left) {
    uint64_t untold = suite->results[check].failed;
    for (size_t i = 0; i < suite->finding_count && *left > 0; i++) {
        const ps_check_finding *f = &suite->findings[i];
        if (f->check != check) continue;
        fprintf(stream, "%s: ", ps_check_finding_id(f->kind));
        put_xml(stream, f->text);
        fputc('\n', stream);
        untold -= f->count;
        --*left;
    }
    if (untold > 0) fprintf(stream, "and %" PRIu64 " more\n", untold);
}

static const ps_check_finding *first_finding(const ps_check_suite *suite, int check) {
    for (size_t i = 0; i < suite->finding_count; i++)
        if (suite->findings[i].check == check) return &suite->findings[i];
    return NULL;
}

static void put_case(FILE *stream, const ps_check_suite *suite, int check, size_t *left) {
    const ps_check_result *result = &suite->results[check];
    fputs("    <testcase", stream);
    put_attribute(stream, "name", result->name);
    put_attribute(stream, "classname", suite->trace);
    fputs(" time=\"0\"", stream);
    if (result->held) {
        fputs("/>\n", stream);
        return;
    }
    const ps_check_finding *first = first_finding(suite, check);
    char message[256];
    snprintf(message, sizeof message, "%" PRIu64 " findings%s%s", result->failed, result->detail ? ": " : "",
             result->detail ? result->detail : "");
    fputs(">\n      <failure", stream);
    put_attribute(stream, "message", message);
    put_attribute(stream, "type", first ? ps_check_finding_id(first->kind) : "more-findings");
    fputc('>', stream);
    put_findings(stream, suite, check, left);
    fputs("</failure>\n    </testcase>\n", stream);
}

static void put_suite(FILE *stream, const ps_check_suite *suite, size_t id, const char *timestamp, size_t *left) {
    size_t failures = 0;
    for (size_t r = 0; r < suite->result_count; r++) failures += !suite->results[r].held;
    fputs("  <testsuite package=\"poolscope\"", stream);
    fprintf(stream, " id=\"%zu\"", id);
    put_attribute(stream, "name", suite->trace);
    fprintf(stream,
            " timestamp=\"%s\" hostname=\"localhost\" tests=\"%zu\" failures=\"%zu\" errors=\"0\" time=\"0\">\n",
            timestamp, suite->result_count, failures);
    fputs("    <properties>\n", stream);
    if (suite->golden != NULL) {
        fputs("      <property name=\"golden\"", stream);
        put_attribute(stream, "value", suite->golden);
        fputs("/>\n", stream);
    }
    fputs("    </properties>\n", stream);
    for (size_t r = 0; r < suite->result_count; r++) put_case(stream, suite, (int)r, left);
    fputs("    <system-out></system-out>\n    <system-err></system-err>\n  </testsuite>\n", stream);
}

void ps_check_write_junit(FILE *stream, const ps_check_report *report, int most) {
    size_t left = (size_t)most;
    char timestamp[32];
    time_t now = time(NULL);
    struct tm parts;
    gmtime_r(&now, &parts);
    strftime(timestamp, sizeof timestamp, "%Y-%m-%dT%H:%M:%S", &parts);
    fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n", stream);
    for (size_t i = 0; i < report->count; i++) put_suite(stream, &report->suites[i], i, timestamp, &left);
    fputs("</testsuites>\n", stream);
}
