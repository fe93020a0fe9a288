/* Input: a trace. The reader, the run and a rule over it take any bytes, and what the validator takes and nothing else;
 * a golden check of a trace with itself holds. */
#include <stdlib.h>

#include "analysis/check/golden.h"
#include "analysis/check/rule.h"
#include "fuzz.h"
#include "trace/validate.h"

static void evaluate_rules(ps_run *run) {
    static const char *const rules[] = {"max(dead_share, last 20%) < 0.1", "revivals >= 1",
                                        "accuracy.final > 0.5 or inertia.final > 1",
                                        "mean(zeros[layer=~\".*1\"], first 1 windows) < 1"};
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        ps_rule *rule;
        ps_rule_outcome outcome;
        if (ps_rule_parse(rules[i], "fuzz", &rule) != PS_OK) abort();
        if (ps_rule_evaluate(rule, run, &outcome) != PS_OK && ps_status_message()[0] == '\0') abort();
        ps_rule_destroy(rule);
    }
}

void fuzz_input(const uint8_t *bytes, size_t size) {
    const char *path = fuzz_write("trace.jsonl", bytes, size);
    ps_check_report report = {0};
    ps_check_suite *suite;
    ps_run *run;
    ps_trace_check check;
    FILE *nowhere = fopen("/dev/null", "w");
    ps_status valid = ps_trace_validate(path, nowhere, 0, &check), status;
    fclose(nowhere);
    ps_status_reset();
    status = ps_run_open(path, "", &run);
    if ((status == PS_OK) != (valid == PS_OK || (valid == PS_ERR_CHECK && check.cut_off && check.problems == 1)))
        abort();
    if (status == PS_OK) {
        evaluate_rules(run);
        ps_run_close(run);
    } else if (ps_status_message()[0] == '\0') {
        abort();
    }
    if (ps_check_report_add_suite(&report, path, path, &suite) == PS_OK &&
        ps_golden_compare(path, path, NULL, 0, suite) == PS_OK && suite->findings_total > 0)
        abort();
    ps_check_report_clear(&report);
}
