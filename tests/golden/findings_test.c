/* The table of analysis/findings/FINDINGS.md is that of the rules. Where one was changed, `make golden-update` renews
 * it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/findings/finding.h"
#include "tests/lib/golden.h"

static void write_rate(FILE *out, const ps_finding_rule *rule) {
    const ps_finding_rate *rate = ps_finding_rate_of(rule);
    if (rate != NULL && rate->clean > 0) fprintf(out, " %d of %d |", rate->alarms, rate->clean);
    else fputs(" – |", out);
    if (rate != NULL && rate->planted > 0) fprintf(out, " %d of %d | %d |", rate->found, rate->planted, rate->first);
    else fputs(" – | – |", out);
    if (rate != NULL && rate->planted > 0 && rate->median_step >= 0) fprintf(out, " %.0f |\n", rate->median_step);
    else fputs(" – |\n", out);
}

static void the_table_is_that_of_the_rules(void **state) {
    (void)state;
    char *rows = NULL;
    size_t size;
    int count;
    const ps_finding_rule *const *rules = ps_finding_rules(&count);
    FILE *out = open_memstream(&rows, &size);
    assert_non_null(out);
    fputs(
        "| finding | group | level | what it finds | needs | at rest | threshold | false alarms | found | first | step "
        "|\n|---|---|---|---|---|---|---|---|---|---|---|\n",
        out);
    for (int i = 0; i < count; i++) {
        const ps_finding_rule *r = rules[i];
        fprintf(out, "| %s | %s | %s | %s | %s | %s | %s |", r->id, ps_finding_group_name(r->group),
                ps_finding_level_name(r->level), r->title, r->needs, r->at_rest ? "yes" : "no", r->source);
        write_rate(out, r);
    }
    assert_int_equal(fclose(out), 0);
    golden_table("analysis/findings/FINDINGS.md", "<!-- table of finding_list.def -->", rows);
    free(rows);
}

/* Every rule says all that is shown of it, in the group that its place in the list has, and no id stands twice. */
static void every_rule_is_whole(void **state) {
    (void)state;
    int count;
    const ps_finding_rule *const *rules = ps_finding_rules(&count);
    for (int i = 0; i < count; i++) {
        const ps_finding_rule *r = rules[i];
        assert_ptr_equal(ps_finding_rule_named(r->id), r);
        const char *const texts[] = {r->id, r->title, r->needs, r->source};
        for (size_t t = 0; t < sizeof texts / sizeof *texts; t++)
            if (texts[t] == NULL || texts[t][0] == '\0' || strpbrk(texts[t], "|\n\t") != NULL)
                fail_msg("rule %s: a text is missing, or would break a table", r->id);
        if (i > 0 && r->group < rules[i - 1]->group) fail_msg("rule %s stands in another group's place", r->id);
        assert_non_null(r->judge);
    }
}

/* What is not known is never healthy and never ill: without facts no rule finds anything, and none says "nothing". */
static void without_facts_nothing_is_judged(void **state) {
    (void)state;
    for (int at_rest = 0; at_rest < 2; at_rest++) {
        ps_facts facts;
        ps_findings findings;
        int count;
        ps_finding_rules(&count);
        ps_facts_init(&facts);
        facts.at_rest = at_rest == 1;
        assert_int_equal(ps_findings_judge(&facts, NULL, NULL, &findings), PS_OK);
        for (int i = 0; i < findings.count; i++)
            fail_msg("%s is found where nothing is known", findings.list[i].rule->id);
        if (findings.unknown_count != count) {
            for (int r = 0; r < count; r++) {
                bool unknown = false;
                for (int u = 0; u < findings.unknown_count; u++)
                    unknown = unknown || findings.unknown[u] == ps_finding_rules(&count)[r];
                if (!unknown) fail_msg("%s judges where nothing is known", ps_finding_rules(&count)[r]->id);
            }
        }
        ps_findings_clear(&findings);
        ps_facts_clear(&facts);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_is_that_of_the_rules),
        cmocka_unit_test(every_rule_is_whole),
        cmocka_unit_test(without_facts_nothing_is_judged),
    };
    return cmocka_run_group_tests_name("findings", tests, NULL, NULL);
}
