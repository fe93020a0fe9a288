#include "analysis/check/check_report.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "core/digest.h"
#include "core/memory.h"
#include "core/text.h"

static const struct {
    const char *id, *description;
} kinds[] = {
#define PS_CHECK_FINDING(name, id, description) {id, description},
#include "analysis/check/finding_list.def"
#undef PS_CHECK_FINDING
};

const char *ps_check_finding_id(ps_check_finding_kind kind) { return kinds[kind].id; }
const char *ps_check_finding_description(ps_check_finding_kind kind) { return kinds[kind].description; }

ps_check_finding ps_check_finding_make(ps_check_finding_kind kind, int check, const char *message) {
    ps_check_finding finding = {.kind = kind, .check = check, .message = message, .step = -1, .window = -1};
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

/* All texts of a finding, by place. */
enum { TEXTS = 7 };
static void texts_of(ps_check_finding *f, const char **texts[TEXTS]) {
    const char **all[TEXTS] = {&f->layer, &f->record, &f->node, &f->quantity, &f->expected, &f->found, &f->message};
    memcpy(texts, all, sizeof all);
}

static void clear_finding(ps_check_finding *finding) {
    const char **texts[TEXTS];
    texts_of(finding, texts);
    for (int i = 0; i < TEXTS; i++) free((char *)*texts[i]);
    if (finding->worst != NULL) clear_finding(finding->worst);
    ps_free(finding->worst);
    free(finding->text);
}

static ps_status copy_finding(const ps_check_finding *finding, ps_check_finding *kept) {
    const char **texts[TEXTS];
    ps_status status = PS_OK;
    *kept = *finding;
    kept->worst = NULL;
    kept->text = NULL;
    texts_of(kept, texts);
    for (int i = 0; i < TEXTS; i++) {
        if (status != PS_OK) *texts[i] = NULL; /* never frees a borrowed text */
        else if ((status = copy(texts[i])) != PS_OK) *texts[i] = NULL;
    }
    return status;
}

/* ---- findings that are told together ---- */

static bool same_text(const char *a, const char *b) { return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0); }

/* A node dead in one trace only is another matter than a value that differs. */
static const char *flip_of(const ps_check_finding *f) { return f->kind == PS_CHECK_FINDING_VALUE ? f->message : NULL; }

static bool belong_together(const ps_check_finding *a, const ps_check_finding *b) {
    return a->kind == b->kind && a->check == b->check && same_text(flip_of(a), flip_of(b)) &&
           same_text(a->layer, b->layer) && same_text(a->quantity, b->quantity);
}

static uint64_t hash_of(const ps_check_finding *f) {
    ps_digest digest = ps_digest_start();
    ps_digest_u64(&digest, (uint64_t)f->kind << 32 | (uint64_t)f->check);
    ps_digest_text(&digest, f->layer != NULL ? f->layer : "");
    ps_digest_text(&digest, f->quantity != NULL ? f->quantity : "");
    return ps_digest_value(&digest);
}

/* Where the finding of this group is noted, or would be. */
static size_t *slot_of(const ps_check_suite *suite, const ps_check_finding *finding) {
    size_t place = hash_of(finding) & (suite->slot_count - 1);
    while (suite->slots[place] != 0 && !belong_together(&suite->findings[suite->slots[place] - 1], finding))
        place = (place + 1) & (suite->slot_count - 1);
    return &suite->slots[place];
}

static ps_status make_slots(ps_check_suite *suite) {
    if (suite->slots != NULL) return PS_OK;
    for (suite->slot_count = 1; suite->slot_count < 2 * (size_t)PS_CHECK_MOST_FINDINGS; suite->slot_count *= 2) {
    }
    return PS_ALLOC(suite->slot_count, &suite->slots, "findings");
}

/* NaN is no error to rank by: the first stays. */
static ps_status join(ps_check_finding *kept, const ps_check_finding *finding) {
    const ps_check_finding *worst = kept->worst != NULL ? kept->worst : kept;
    kept->count++;
    if (!(finding->relative_error > worst->relative_error)) return PS_OK;
    if (kept->worst != NULL) clear_finding(kept->worst);
    else PS_TRY(PS_ALLOC(1, &kept->worst, "findings"));
    return copy_finding(finding, kept->worst);
}

ps_status ps_check_suite_add_finding(ps_check_suite *suite, const ps_check_finding *finding) {
    suite->results[finding->check].held = false;
    suite->results[finding->check].failed++;
    suite->findings_total++;
    PS_TRY(make_slots(suite));
    size_t *slot = slot_of(suite, finding);
    if (*slot == 0 && suite->finding_count >= PS_CHECK_MOST_FINDINGS) return PS_OK;
    if (*slot != 0) return join(&suite->findings[*slot - 1], finding);
    PS_TRY(PS_GROW(&suite->findings, &suite->finding_capacity, suite->finding_count + 1, "findings"));
    *slot = ++suite->finding_count;
    suite->findings[*slot - 1] = (ps_check_finding){0};
    PS_TRY(copy_finding(finding, &suite->findings[*slot - 1]));
    suite->findings[*slot - 1].count = 1;
    return PS_OK;
}

static void clear_suite(ps_check_suite *suite) {
    for (size_t i = 0; i < suite->result_count; i++) {
        free(suite->results[i].name);
        free(suite->results[i].detail);
    }
    for (size_t i = 0; i < suite->finding_count; i++) clear_finding(&suite->findings[i]);
    ps_free(suite->slots);
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
    char text[32];
    if (isnan(number)) return;
    fprintf(stream, "%s%s%s", *gap, label, ps_text_number(number, 9, text));
    *gap = ", ";
}

/* Where, what and by how much. */
static void print_place(FILE *stream, const ps_check_finding *f) {
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
}

void ps_check_finding_print(FILE *stream, const ps_check_finding *f) {
    print_place(stream, f);
    char absolute[32], relative[32];
    if (!isnan(f->absolute_allowed))
        fprintf(stream, " (allowed: %s and %s)", ps_text_number(f->absolute_allowed, 6, absolute),
                ps_text_number(f->relative_allowed, 6, relative));
    if (f->count <= 1) return;
    fprintf(stream, "; the first of %llu such", (unsigned long long)f->count);
    if (f->layer != NULL) fprintf(stream, " in layer %s", f->layer);
    if (f->worst == NULL) return;
    fputs(", the worst ", stream);
    print_place(stream, f->worst);
}

char *ps_check_finding_text(const ps_check_finding *finding) {
    char *text = NULL;
    size_t size;
    FILE *memory = open_memstream(&text, &size);
    if (memory == NULL) return NULL;
    ps_check_finding_print(memory, finding);
    return ps_memory_stream_close(memory, &text, "a finding") == PS_OK ? text : NULL;
}

ps_status ps_check_suite_tell(ps_check_suite *suite) {
    for (size_t i = 0; i < suite->finding_count; i++) {
        free(suite->findings[i].text);
        suite->findings[i].text = ps_check_finding_text(&suite->findings[i]);
        if (suite->findings[i].text == NULL) return ps_fail(PS_ERR_MEMORY, "no memory for a finding");
    }
    return PS_OK;
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
