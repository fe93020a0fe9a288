#include "analysis/check/check.h"

#include <stdlib.h>
#include <string.h>

#include "analysis/check/golden.h"
#include "analysis/check/rule.h"
#include "core/file.h"
#include "core/memory.h"
#include "core/text.h"
#include "trace/trace_input.h"

typedef struct {
    ps_rule **rules;
    size_t count, capacity;
} rule_list;

/* ---- rules ---- */

static ps_status add_rule(rule_list *list, const char *text, const char *where) {
    PS_TRY(PS_GROW(&list->rules, &list->capacity, list->count + 1, "rules"));
    PS_TRY(ps_rule_parse(text, where, &list->rules[list->count]));
    list->count++;
    return PS_OK;
}

/* A '#' starts a comment, but not within a text. */
static void cut_comment(char *line) {
    bool quoted = false;
    for (char *p = line; *p != '\0'; p++) {
        if (quoted && *p == '\\' && p[1] != '\0') p++;
        else if (*p == '"') quoted = !quoted;
        else if (*p == '#' && !quoted) *p = '\0';
        if (*p == '\0') break;
    }
    for (size_t length = strlen(line); length > 0 && strchr(" \t\r", line[length - 1]) != NULL;) line[--length] = '\0';
}

static ps_status read_rules(const char *path, rule_list *list) {
    char *content, *rest, *line, where[512];
    size_t size, before = list->count;
    PS_TRY(ps_file_read(path, &content, &size));
    ps_status status = ps_text_is_utf16(content) ? ps_fail(PS_ERR_INPUT, "%s: is UTF-16; save it as UTF-8", path)
                       : strlen(content) == size
                           ? PS_OK
                           : ps_fail(PS_ERR_INPUT, "%s: holds a zero byte; a checks file is text", path);
    rest = content + (ps_text_skip_mark(content) - content);
    for (int number = 1; status == PS_OK && (line = strsep(&rest, "\n")) != NULL; number++) {
        cut_comment(line);
        snprintf(where, sizeof where, "%.480s:%d", path, number);
        if (line[strspn(line, " \t")] != '\0') status = add_rule(list, line, where);
    }
    free(content);
    if (status == PS_OK && list->count == before)
        status = ps_fail(PS_ERR_INPUT, "%s: has no rules, so it would check nothing", path);
    return status;
}

static ps_status read_all_rules(const ps_check_request *request, rule_list *list) {
    for (int i = 0; i < request->expectation_count; i++) PS_TRY(add_rule(list, request->expectations[i], "--expect"));
    return request->checks == NULL ? PS_OK : read_rules(request->checks, list);
}

static ps_status check_rule(ps_run *run, const ps_rule *rule, ps_check_suite *suite) {
    ps_rule_outcome outcome;
    int result;
    PS_TRY(ps_check_suite_add_result(suite, rule->text, &result));
    PS_TRY(ps_rule_evaluate(rule, run, &outcome));
    PS_TRY(ps_check_suite_set_detail(suite, result, "%s", outcome.detail));
    if (outcome.held) return PS_OK;
    ps_check_finding finding = ps_check_finding_make(
        outcome.not_recorded ? PS_CHECK_FINDING_NOT_RECORDED : PS_CHECK_FINDING_EXPECTATION, result, outcome.detail);
    finding.expected = rule->text;
    return ps_check_suite_add_finding(suite, &finding);
}

/* Of a run that was cut off, or ended before its last planned step, rules would see only the beginning, and most would
 * hold; so they would of one whose last probing is not finite. */
static ps_status check_end(const ps_run *run, bool allowed, ps_check_suite *suite) {
    int result;
    char steps[64] = "", message[256];
    PS_TRY(ps_check_suite_add_result(suite, "end record", &result));
    if (!ps_run_lacks_end(run->status)) return PS_OK;
    bool nonfinite = run->status == PS_RUN_NONFINITE;
    if (run->header->steps > 0) snprintf(steps, sizeof steps, " of %lld", run->header->steps);
    if (nonfinite)
        snprintf(message, sizeof message, "values are not finite, or not there, at the last probing, of step %lld",
                 run->probes[run->probe_count - 1].step);
    else if (run->has_end) snprintf(message, sizeof message, "it comes after %lld%s steps", run->steps_done, steps);
    else
        snprintf(message, sizeof message, "the trace has none: %lld%s steps are there%s", run->steps_done, steps,
                 run->cut ? ", and it ends within a line" : "");
    PS_TRY(ps_check_suite_set_detail(suite, result, "%s", message));
    if (allowed) return PS_OK;
    ps_check_finding finding = ps_check_finding_make(
        nonfinite ? PS_CHECK_FINDING_NONFINITE_END : PS_CHECK_FINDING_UNFINISHED, result, message);
    return ps_check_suite_add_finding(suite, &finding);
}

static ps_status check_rules(const ps_check_request *request, const char *trace, const rule_list *rules,
                             ps_check_suite *suite) {
    ps_run *run;
    if (rules->count == 0) return PS_OK;
    PS_TRY(ps_run_open(trace, "", &run));
    ps_status status = check_end(run, request->unfinished, suite);
    for (size_t i = 0; status == PS_OK && i < rules->count; i++) status = check_rule(run, rules->rules[i], suite);
    ps_run_close(run);
    return status;
}

/* ---- golden traces ---- */

typedef struct {
    char *arm;
    long long seed;
} identity;

static ps_status read_identity(const char *path, identity *out) {
    ps_trace_reader *reader;
    PS_TRY(ps_trace_reader_open(path, &reader));
    out->seed = ps_trace_reader_header(reader)->seed;
    ps_status status = ps_string_copy(ps_trace_reader_header(reader)->arm, &out->arm);
    ps_trace_reader_destroy(reader);
    return status;
}

static bool same_identity(const identity *a, const identity *b) {
    return a->seed == b->seed && strcmp(a->arm, b->arm) == 0;
}

/* Several goldens are matched by arm and seed, so that one swap is one finding and not thousands of differing values.
 * The golden at the trace's own place comes first, and is taken where none fits. */
static int golden_for(const identity *traces, const identity *goldens, int count, int trace) {
    for (int i = 0; i < count; i++) {
        int g = (trace + i) % count;
        if (same_identity(&traces[trace], &goldens[g])) return g;
    }
    return trace;
}

static ps_status match_goldens(const ps_check_request *request, int *golden_of) {
    identity *traces = NULL, *goldens = NULL;
    int count = request->trace_count;
    ps_status status = PS_OK;
    PS_TRY_CLEANUP(PS_ALLOC((size_t)count, &traces, "traces"));
    PS_TRY_CLEANUP(PS_ALLOC((size_t)count, &goldens, "goldens"));
    for (int i = 0; i < count; i++) {
        PS_TRY_CLEANUP(read_identity(request->traces[i], &traces[i]));
        PS_TRY_CLEANUP(read_identity(request->goldens[i], &goldens[i]));
    }
    for (int i = 0; i < count; i++) golden_of[i] = golden_for(traces, goldens, count, i);
cleanup:
    for (int i = 0; i < count; i++) {
        if (traces != NULL) free(traces[i].arm);
        if (goldens != NULL) free(goldens[i].arm);
    }
    ps_free(traces);
    ps_free(goldens);
    return status;
}

static ps_status note_reordered(const ps_check_request *request, int trace, int golden, ps_check_suite *suite) {
    int result;
    char message[600];
    if (request->golden_count < 2) return PS_OK;
    PS_TRY(ps_check_suite_add_result(suite, "golden order of arms", &result));
    if (golden == trace) return PS_OK;
    snprintf(message, sizeof message,
             "by arm and seed, trace %d belongs to golden trace %d (%.300s), not to golden trace %d", trace + 1,
             golden + 1, request->goldens[golden], trace + 1);
    ps_check_finding finding = ps_check_finding_make(PS_CHECK_FINDING_REORDERED_ARM, result, message);
    return ps_check_suite_add_finding(suite, &finding);
}

/* ---- the request ---- */

static ps_status check_counts(const ps_check_request *request) {
    if (request->golden_count > 1 && request->golden_count != request->trace_count)
        return ps_fail(PS_ERR_USAGE, "%d golden traces for %d traces; give one for all, or one a trace",
                       request->golden_count, request->trace_count);
    if (request->golden_count == 0 && request->expectation_count == 0 && request->checks == NULL)
        return ps_fail(PS_ERR_USAGE, "nothing to check: give --golden FILE, --expect 'RULE' or --checks FILE");
    if (request->golden_count == 0 && (request->tolerance != NULL || request->first_steps > 0))
        return ps_fail(PS_ERR_USAGE, "--tolerance and --first-steps are about golden traces: give --golden FILE, too");
    if (request->expectation_count == 0 && request->checks == NULL && request->unfinished)
        return ps_fail(PS_ERR_USAGE, "--unfinished is about rules: give --expect 'RULE' or --checks FILE, too");
    return PS_OK;
}

static ps_status choose_first_steps(const ps_check_request *request, const ps_tolerances *tolerances,
                                    long long *first_steps) {
    *first_steps = request->first_steps > 0 ? request->first_steps : tolerances->first_steps;
    if (tolerances->first_steps > 0 && *first_steps > tolerances->first_steps)
        return ps_fail(PS_ERR_USAGE,
                       "%s: its tolerances were measured over %lld steps and say nothing about %lld; give "
                       "--first-steps %lld or less",
                       request->tolerance, tolerances->first_steps, *first_steps, tolerances->first_steps);
    return PS_OK;
}

static ps_status check_trace(const ps_check_request *request, int trace, int golden, const ps_tolerances *tolerances,
                             long long first_steps, const rule_list *rules, ps_check_report *report) {
    ps_check_suite *suite;
    char *path;
    PS_TRY(ps_trace_path(request->traces[trace], &path));
    ps_status status = ps_check_report_add_suite(report, path, golden >= 0 ? request->goldens[golden] : NULL, &suite);
    free(path);
    PS_TRY(status);
    if (golden >= 0) {
        PS_TRY(note_reordered(request, trace, golden, suite));
        PS_TRY(ps_golden_compare(request->traces[trace], request->goldens[golden], tolerances, first_steps, suite));
    }
    PS_TRY(check_rules(request, request->traces[trace], rules, suite));
    return ps_check_suite_tell(suite);
}

ps_status ps_check_run(const ps_check_request *request, ps_check_report *report) {
    ps_tolerances tolerances = {0};
    rule_list rules = {0};
    int *golden_of = NULL;
    long long first_steps;
    ps_status status;
    PS_TRY_CLEANUP(check_counts(request));
    PS_TRY_CLEANUP(read_all_rules(request, &rules));
    if (request->tolerance != NULL) PS_TRY_CLEANUP(ps_tolerances_read(request->tolerance, &tolerances));
    PS_TRY_CLEANUP(choose_first_steps(request, &tolerances, &first_steps));
    PS_TRY_CLEANUP(PS_ALLOC((size_t)request->trace_count, &golden_of, "goldens"));
    if (request->golden_count > 1) PS_TRY_CLEANUP(match_goldens(request, golden_of));
    for (int i = 0; i < request->trace_count; i++) {
        int golden = request->golden_count == 0 ? -1 : golden_of[i];
        PS_TRY_CLEANUP(check_trace(request, i, golden, &tolerances, first_steps, &rules, report));
    }
cleanup:
    for (size_t i = 0; i < rules.count; i++) ps_rule_destroy(rules.rules[i]);
    ps_free_array(rules.rules);
    ps_free(golden_of);
    ps_tolerances_clear(&tolerances);
    return status;
}
