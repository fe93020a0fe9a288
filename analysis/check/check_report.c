#include "analysis/check/check_report.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"

static const struct {
    const char *id, *description;
} kinds[] = {
#define PS_FINDING(name, id, description) {id, description},
#include "analysis/check/finding_list.def"
#undef PS_FINDING
};

const char *ps_finding_id(ps_finding_kind kind) { return kinds[kind].id; }
const char *ps_finding_description(ps_finding_kind kind) { return kinds[kind].description; }

ps_finding ps_finding_make(ps_finding_kind kind, int check, const char *message) {
    ps_finding finding = {.kind = kind, .check = check, .message = message, .step = -1, .window = -1};
    finding.absolute_error = finding.relative_error = finding.absolute_allowed = finding.relative_allowed = NAN;
    return finding;
}

ps_status ps_check_report_add_suite(ps_check_report *report, const char *trace, const char *golden,
                                    ps_check_suite **suite) {
    PS_TRY(PS_GROW(&report->suites, &report->capacity, report->count + 1, "traces of a check"));
    *suite = &report->suites[report->count++];
    PS_TRY(ps_string_copy(trace, &(*suite)->trace));
    return golden == NULL ? PS_OK : ps_string_copy(golden, &(*suite)->golden);
}

ps_status ps_check_suite_add_result(ps_check_suite *suite, const char *name, int *index) {
    PS_TRY(PS_GROW(&suite->results, &suite->result_capacity, suite->result_count + 1, "checks"));
    *index = (int)suite->result_count++;
    suite->results[*index].held = true;
    return ps_string_copy(name, &suite->results[*index].name);
}

ps_status ps_check_suite_set_detail(ps_check_suite *suite, int index, const char *format, ...) {
    char text[2048];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    free(suite->results[index].detail);
    return ps_string_copy(text, &suite->results[index].detail);
}

static ps_status copy(const char **text) {
    char *own = NULL;
    if (*text != NULL) PS_TRY(ps_string_copy(*text, &own));
    *text = own;
    return PS_OK;
}

ps_status ps_check_suite_add_finding(ps_check_suite *suite, const ps_finding *finding) {
    suite->results[finding->check].held = false;
    suite->results[finding->check].failed++;
    if (suite->findings_total++ >= PS_CHECK_MOST_FINDINGS) return PS_OK;
    PS_TRY(PS_GROW(&suite->findings, &suite->finding_capacity, suite->finding_count + 1, "findings"));
    ps_finding *kept = &suite->findings[suite->finding_count++];
    *kept = *finding;
    const char **texts[] = {&kept->record, &kept->node, &kept->quantity, &kept->expected, &kept->found, &kept->message};
    ps_status status = PS_OK;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (status != PS_OK) *texts[i] = NULL; /* never frees a borrowed text */
        else if ((status = copy(texts[i])) != PS_OK) *texts[i] = NULL;
    }
    return status;
}

static void clear_suite(ps_check_suite *suite) {
    for (size_t i = 0; i < suite->result_count; i++) {
        free(suite->results[i].name);
        free(suite->results[i].detail);
    }
    for (size_t i = 0; i < suite->finding_count; i++) {
        const ps_finding *f = &suite->findings[i];
        const char *texts[] = {f->record, f->node, f->quantity, f->expected, f->found, f->message};
        for (size_t t = 0; t < sizeof texts / sizeof *texts; t++) free((char *)texts[t]);
    }
    ps_free_array(suite->results);
    ps_free_array(suite->findings);
    free(suite->trace);
    free(suite->golden);
}

void ps_check_report_clear(ps_check_report *report) {
    for (size_t i = 0; i < report->count; i++) clear_suite(&report->suites[i]);
    ps_free_array(report->suites);
    *report = (ps_check_report){0};
}

uint64_t ps_check_report_results(const ps_check_report *report) {
    uint64_t count = 0;
    for (size_t i = 0; i < report->count; i++) count += report->suites[i].result_count;
    return count;
}

uint64_t ps_check_report_failures(const ps_check_report *report) {
    uint64_t count = 0;
    for (size_t i = 0; i < report->count; i++)
        for (size_t r = 0; r < report->suites[i].result_count; r++) count += !report->suites[i].results[r].held;
    return count;
}

static void print_part(FILE *stream, const char **gap, const char *label, const char *text) {
    if (text == NULL) return;
    fprintf(stream, "%s%s%s", *gap, label, text);
    *gap = ", ";
}

static void print_number(FILE *stream, const char **gap, const char *label, double number) {
    if (isnan(number)) return;
    fprintf(stream, "%s%s%.9g", *gap, label, number);
    *gap = ", ";
}

void ps_finding_print(FILE *stream, const ps_finding *f) {
    const char *gap = "";
    print_part(stream, &gap, "", f->node);
    if (f->window >= 0) print_number(stream, &gap, "window ", f->window);
    if (f->step >= 0) print_number(stream, &gap, "step ", f->step);
    print_part(stream, &gap, "", f->quantity);
    if (gap[0] != '\0') gap = ": ";
    print_part(stream, &gap, "", f->message);
    print_part(stream, &gap, "expected ", f->expected);
    print_part(stream, &gap, "found ", f->found);
    print_number(stream, &gap, "absolute error ", f->absolute_error);
    print_number(stream, &gap, "relative error ", f->relative_error);
    if (!isnan(f->absolute_allowed))
        fprintf(stream, " (allowed: %.6g and %.6g)", f->absolute_allowed, f->relative_allowed);
}

char *ps_finding_text(const ps_finding *finding) {
    char *text = NULL;
    size_t size;
    FILE *memory = open_memstream(&text, &size);
    if (memory == NULL) return NULL;
    ps_finding_print(memory, finding);
    fclose(memory);
    return text;
}

static const struct {
    const char *name;
    ps_check_writer *write;
} writers[] = {
#define PS_CHECK_FORMAT(name, summary) {#name, ps_check_write_##name},
#include "analysis/check/format_list.def"
#undef PS_CHECK_FORMAT
};

ps_check_writer *ps_check_writer_find(const char *format) {
    for (size_t i = 0; i < sizeof writers / sizeof *writers; i++)
        if (strcmp(writers[i].name, format) == 0) return writers[i].write;
    return NULL;
}
