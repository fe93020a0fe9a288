#include <inttypes.h>
#include <math.h>

#include "analysis/check/check_report.h"
#include "core/json.h"

static void write_text_member(FILE *stream, const char *key, const char *text) {
    if (text == NULL) return;
    fprintf(stream, ",\"%s\":", key);
    ps_json_print_text(stream, text);
}

static void write_number_member(FILE *stream, const char *key, double number, bool applies) {
    if (!applies) return;
    fprintf(stream, ",\"%s\":", key);
    ps_json_print_double(stream, number);
}

static void write_place(FILE *stream, const ps_check_finding *f) {
    write_text_member(stream, "record", f->record);
    write_text_member(stream, "node", f->node);
    write_number_member(stream, "step", f->step, f->step >= 0);
    write_number_member(stream, "window", f->window, f->window >= 0);
    write_text_member(stream, "expected", f->expected);
    write_text_member(stream, "found", f->found);
    write_number_member(stream, "absolute_error", f->absolute_error, !isnan(f->absolute_error));
    write_number_member(stream, "relative_error", f->relative_error, !isnan(f->relative_error));
    if (f->line > 0) fprintf(stream, ",\"line\":%" PRIu64, f->line);
    if (f->golden_line > 0) fprintf(stream, ",\"golden_line\":%" PRIu64, f->golden_line);
}

static void write_finding(FILE *stream, const ps_check_suite *suite, const ps_check_finding *f) {
    fprintf(stream, "{\"kind\":\"%s\",\"check\":", ps_check_finding_id(f->kind));
    ps_json_print_text(stream, suite->results[f->check].name);
    write_text_member(stream, "layer", f->layer);
    write_text_member(stream, "quantity", f->quantity);
    fprintf(stream, ",\"count\":%" PRIu64, f->count);
    write_place(stream, f);
    write_number_member(stream, "absolute_allowed", f->absolute_allowed, !isnan(f->absolute_allowed));
    write_number_member(stream, "relative_allowed", f->relative_allowed, !isnan(f->relative_allowed));
    write_text_member(stream, "message", f->message);
    if (f->worst != NULL) {
        fprintf(stream, ",\"worst\":{\"kind\":\"%s\"", ps_check_finding_id(f->kind));
        write_place(stream, f->worst);
        fputc('}', stream);
    }
    fputc('}', stream);
}

static void write_result(FILE *stream, const ps_check_result *result) {
    fputs("{\"name\":", stream);
    ps_json_print_text(stream, result->name);
    fprintf(stream, ",\"held\":%s,\"compared\":%" PRIu64 ",\"failed\":%" PRIu64, result->held ? "true" : "false",
            result->compared, result->failed);
    write_text_member(stream, "detail", result->detail);
    fputc('}', stream);
}

/* *left: how many findings of the report may still be told. */
static void write_suite(FILE *stream, const ps_check_suite *suite, size_t *left) {
    uint64_t told = 0;
    fputs("{\"trace\":", stream);
    ps_json_print_text(stream, suite->trace);
    write_text_member(stream, "golden", suite->golden);
    fputs(",\"results\":[", stream);
    for (size_t r = 0; r < suite->result_count; r++) {
        if (r > 0) fputs(",\n", stream);
        write_result(stream, &suite->results[r]);
    }
    fprintf(stream, "],\"findings_total\":%" PRIu64 ",\"findings\":[", suite->findings_total);
    for (size_t i = 0; i < suite->finding_count && *left > 0; i++, --*left) {
        if (i > 0) fputs(",\n", stream);
        write_finding(stream, suite, &suite->findings[i]);
        told += suite->findings[i].count;
    }
    fprintf(stream, "],\"findings_left_out\":%" PRIu64 "}", suite->findings_total - told);
}

void ps_check_write_json(FILE *stream, const ps_check_report *report, int most) {
    uint64_t failures = ps_check_report_failures(report);
    size_t left = (size_t)most;
    fprintf(stream,
            "{\"format\":\"poolscope-check\",\"version\":1,\"held\":%s,\"checks\":%" PRIu64 ",\"failures\":%" PRIu64
            ",\"suites\":[\n",
            failures == 0 ? "true" : "false", ps_check_report_results(report), failures);
    for (size_t i = 0; i < report->count; i++) {
        if (i > 0) fputs(",\n", stream);
        write_suite(stream, &report->suites[i], &left);
    }
    fputs("\n]}\n", stream);
}
