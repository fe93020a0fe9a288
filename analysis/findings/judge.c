/* Asks every rule that is wanted, and puts the findings in order. */
#include <stdlib.h>
#include <string.h>

#include "analysis/findings/finding.h"
#include "analysis/json_scan.h"
#include "core/memory.h"

/* The next word of a list with commas between, cut to its room; NULL at the end. */
static const char *next_word(const char *at, char word[64]) {
    if (at == NULL || *at == '\0') return NULL;
    size_t length = strcspn(at, ","), kept = length < 63 ? length : 63;
    memcpy(word, at, kept);
    word[kept] = '\0';
    return at[length] == ',' ? at + length + 1 : at + length;
}

/* Whether `id` stands in a list with commas between. */
static bool is_named(const char *list, const char *id) {
    size_t length = strlen(id);
    for (const char *at = list; at != NULL; at = strchr(at, ','), at = at != NULL ? at + 1 : NULL)
        if (strncmp(at, id, length) == 0 && (at[length] == ',' || at[length] == '\0')) return true;
    return false;
}

/* PS_ERR_USAGE names what is no rule. */
ps_status ps_findings_check_ids(const char *list) {
    char id[64];
    for (const char *at = list; (at = next_word(at, id)) != NULL;)
        if (ps_finding_rule_named(id) == NULL)
            return ps_fail(PS_ERR_USAGE, "there is no finding \"%s\"; `poolscope diagnose --rules` lists all of them",
                           id);
    return PS_OK;
}

/* Of the two upper levels what explains goes before what follows from it: a dead layer is the worse of the two, but it
 * is the unnormalised input that has to be mended. */
static int in_order(const void *a, const void *b) {
    const ps_finding *x = a, *y = b;
    bool x_upper = x->level >= PS_LEVEL_SERIOUS, y_upper = y->level >= PS_LEVEL_SERIOUS;
    if (x_upper != y_upper) return x_upper ? -1 : 1;
    if (!x_upper && x->level != y->level) return x->level > y->level ? -1 : 1;
    if (x->rank != y->rank) return x->rank < y->rank ? -1 : 1;
    if (x->level != y->level) return x->level > y->level ? -1 : 1;
    if (x->strength != y->strength) return x->strength > y->strength ? -1 : 1;
    if (x->since != y->since) return x->since < y->since ? -1 : 1;
    return strcmp(x->rule->id, y->rule->id);
}

/* It follows from the cause: it is of its kind, and not from before it. What was so before any step follows from the
 * start, and from nothing else; what came later does not. */
static bool follows(const ps_finding *later, const ps_finding *cause) {
    if (cause->explains == NULL || !is_named(cause->explains, later->rule->id)) return false;
    if (later->of_checkpoint) return cause->rank >= PS_RANK_START; /* seen at the end, whenever it came */
    return cause->rank < PS_RANK_START ? later->since == 0 : later->since > 0 && later->since >= cause->since;
}

/* A cause is as grave as what came of it, as far as its rule goes, and stands before it: steps that are long for their
 * weights are worth a warning in a network that learns all the same, and all there is to mend where they shut its
 * gates. */
static void put_in_order(ps_findings *findings) {
    for (int c = 0; c < findings->count; c++)
        for (int i = 0; i < findings->count; i++) {
            ps_finding *cause = &findings->list[c], *later = &findings->list[i];
            if (!follows(later, cause) || follows(cause, later)) continue;
            ps_finding_level most = later->level < cause->rule->level ? later->level : cause->rule->level;
            if (most > cause->level) cause->level = most;
            if (later->rank <= cause->rank) later->rank = cause->rank + 1;
        }
    if (findings->count > 1) qsort(findings->list, (size_t)findings->count, sizeof *findings->list, in_order);
}

static ps_judgement judge_one(const ps_finding_rule *rule, const ps_facts *facts, ps_finding *out) {
    memset(out, 0, sizeof *out);
    out->rule = rule;
    out->level = rule->level;
    out->rank = rule->rank;
    out->since = -1;
    if (facts->at_rest && !rule->at_rest) return PS_JUDGED_UNKNOWN;
    return rule->judge(facts, out);
}

ps_status ps_findings_judge(const ps_facts *facts, const char *only, const char *ignore, ps_findings *out) {
    memset(out, 0, sizeof *out);
    PS_TRY(ps_findings_check_ids(only));
    PS_TRY(ps_findings_check_ids(ignore));
    int count;
    const ps_finding_rule *const *rules = ps_finding_rules(&count);
    ps_status status = PS_OK;
    PS_TRY_CLEANUP(PS_ALLOC((size_t)count, &out->list, "findings"));
    PS_TRY_CLEANUP(PS_ALLOC((size_t)count, &out->unknown, "rules that cannot judge"));
    for (int i = 0; i < count; i++) {
        if (only != NULL && !is_named(only, rules[i]->id)) continue;
        if (ignore != NULL && is_named(ignore, rules[i]->id)) continue;
        ps_judgement judgement = judge_one(rules[i], facts, &out->list[out->count]);
        if (judgement == PS_JUDGED_FOUND) out->count++;
        if (judgement == PS_JUDGED_UNKNOWN) out->unknown[out->unknown_count++] = rules[i];
    }
    put_in_order(out);
    return PS_OK;
cleanup:
    ps_findings_clear(out);
    return status;
}

ps_status ps_findings_check_wanted(const char *list) {
    char word[64];
    ps_finding_level level;
    for (const char *at = list; (at = next_word(at, word)) != NULL;) {
        if (ps_finding_rule_named(word) != NULL) continue;
        if (ps_finding_level_read(word, &level) != PS_OK)
            return ps_fail(PS_ERR_USAGE,
                           "\"%s\" is neither a finding nor a level; the levels are note, warning, serious and "
                           "critical, and `poolscope diagnose --rules` lists the findings",
                           word);
    }
    return PS_OK;
}

static bool is_wanted(const ps_finding *finding, const char *list) {
    char word[64];
    for (const char *at = list; (at = next_word(at, word)) != NULL;) {
        if (strcmp(word, finding->rule->id) == 0) return true;
        for (int l = PS_LEVEL_NOTE; l <= (int)finding->level; l++)
            if (strcmp(word, ps_finding_level_name((ps_finding_level)l)) == 0) return true;
    }
    return false;
}

const ps_finding *ps_findings_wanted(const ps_findings *findings, const char *list) {
    for (int i = 0; i < findings->count; i++)
        if (is_wanted(&findings->list[i], list)) return &findings->list[i];
    return NULL;
}

/* `list` has room for every rule. */
void ps_findings_complete(ps_findings *findings, const ps_facts *facts, const ps_facts *rest) {
    int left = 0;
    if (facts->layer_count != rest->layer_count) return;
    for (int i = 0; i < findings->unknown_count; i++) {
        const ps_finding_rule *rule = findings->unknown[i];
        ps_judgement judgement = judge_one(rule, rest, &findings->list[findings->count]);
        if (judgement == PS_JUDGED_FOUND) findings->list[findings->count++].of_checkpoint = true;
        if (judgement == PS_JUDGED_UNKNOWN) findings->unknown[left++] = rule;
    }
    findings->unknown_count = left;
    put_in_order(findings);
}

void ps_findings_clear(ps_findings *findings) {
    ps_free(findings->list);
    ps_free(findings->unknown);
    memset(findings, 0, sizeof *findings);
}

const char *ps_finding_needs(const ps_finding_rule *rule, const ps_facts *facts, char text[PS_FINDING_NEEDS]) {
    const char *loss = facts->task.loss;
    if (!rule->by_guess || !ps_is_absent(facts->chance_loss) || ps_trace_task_is_cross_entropy(&facts->task))
        return rule->needs;
    snprintf(text, PS_FINDING_NEEDS, "the loss of a guess, which is not known %s%s",
             loss[0] != '\0' ? "for " : "where the task does not name its loss", loss);
    return text;
}
