/* For people at a terminal: names come from traces, so nothing in them reaches it as a command. */
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/check/check_report.h"
#include "core/text.h"

static void put_text(FILE *stream, const char *text) { ps_text_put(stream, text, INT_MAX); }

/* A rule's one finding says what its result said already. */
static bool is_told(const ps_check_result *result, const ps_check_finding *finding) {
    return result->detail != NULL && finding->message != NULL && strcmp(result->detail, finding->message) == 0;
}

static void write_findings(FILE *stream, const ps_check_suite *suite, int check, int show) {
    int shown = 0;
    uint64_t left = suite->results[check].failed;
    for (size_t i = 0; i < suite->finding_count && shown < show; i++) {
        const ps_check_finding *finding = &suite->findings[i];
        if (finding->check != check) continue;
        shown++;
        left -= finding->count;
        if (is_told(&suite->results[check], finding)) continue;
        fputs("         ", stream);
        put_text(stream, finding->text);
        fputc('\n', stream);
    }
    if (left > 0) fprintf(stream, "         and %" PRIu64 " more\n", left);
}

static void write_suite(FILE *stream, const ps_check_suite *suite, int show) {
    put_text(stream, suite->trace);
    if (suite->golden != NULL) {
        fputs(" against ", stream);
        put_text(stream, suite->golden);
    }
    fputc('\n', stream);
    for (size_t r = 0; r < suite->result_count; r++) {
        const ps_check_result *result = &suite->results[r];
        fprintf(stream, "  %s ", result->held ? "ok  " : "FAIL");
        put_text(stream, result->name);
        if (result->compared > 0 && result->held) fprintf(stream, ": %" PRIu64 " values", result->compared);
        if (result->compared > 0 && !result->held)
            fprintf(stream, ": %" PRIu64 " of %" PRIu64 " values differ", result->failed, result->compared);
        if (result->detail != NULL) {
            fputs(": ", stream);
            put_text(stream, result->detail);
        }
        fputc('\n', stream);
        if (!result->held) write_findings(stream, suite, (int)r, show);
    }
}

void ps_check_write_text(FILE *stream, const ps_check_report *report, int show) {
    for (size_t i = 0; i < report->count; i++) write_suite(stream, &report->suites[i], show);
    uint64_t failures = ps_check_report_failures(report), all = ps_check_report_results(report);
    fprintf(stream, "%" PRIu64 " of %" PRIu64 " checks held%s\n", all - failures, all,
            failures > 0 ? "; the others did not" : "");
}
