#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/findings/finding_write.h"
#include "analysis/json_scan.h"
#include "analysis/trace_reader.h"
#include "core/memory.h"
#include "core/text.h"

enum { WIDTH = 100, INDENT = 12, LAYERS_SHOWN = 6 };

const char *ps_finding_rate_say(const ps_finding_rule *rule, char text[PS_FINDING_RATE_TEXT]) {
    const ps_finding_rate *rate = ps_finding_rate_of(rule);
    int used = 0;
    if (rate == NULL || (rate->clean == 0 && rate->planted == 0)) {
        snprintf(text, PS_FINDING_RATE_TEXT, "not measured");
        return text;
    }
    if (rate->clean > 0)
        used = snprintf(text, PS_FINDING_RATE_TEXT, "false alarm in %d of %d clean runs", rate->alarms, rate->clean);
    if (rate->planted > 0)
        used += snprintf(text + used, PS_FINDING_RATE_TEXT - (size_t)used,
                         "%sfound in %d of %d runs with such a fault planted, as the first finding in %d",
                         used > 0 ? "; " : "", rate->found, rate->planted, rate->first);
    if (rate->planted > 0 && rate->median_step >= 0)
        snprintf(text + used, PS_FINDING_RATE_TEXT - (size_t)used, " (median step %.0f)", rate->median_step);
    return text;
}

const char *ps_finding_where(const ps_facts *facts, const ps_finding *finding, int most, char *text, size_t size) {
    size_t used = 0;
    text[0] = '\0';
    for (int i = 0; i < finding->layers && i < most && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%s", i > 0 ? ", " : "",
                                 facts->layers[finding->layer[i]].name);
    if (finding->layers > most && used < size)
        snprintf(text + used, size - used, " and %d more layers", finding->layers - most);
    return text;
}

const char *ps_finding_since(const ps_finding *finding, char text[40]) {
    if (finding->since < 0) text[0] = '\0';
    else if (finding->since == 0) snprintf(text, 40, "the start");
    else snprintf(text, 40, "step %lld", finding->since);
    return text;
}

const char *ps_findings_count_say(const ps_findings *findings, char *text, size_t size) {
    size_t used = 0;
    snprintf(text, size, "none");
    for (int level = PS_LEVEL_CRITICAL; level >= PS_LEVEL_NOTE; level--) {
        int count = 0;
        for (int i = 0; i < findings->count; i++) count += (int)findings->list[i].level == level;
        bool plural = count > 1 && (level == PS_LEVEL_NOTE || level == PS_LEVEL_WARNING);
        if (count > 0 && used < size)
            used += (size_t)snprintf(text + used, size - used, "%s%d %s%s", used > 0 ? ", " : "", count,
                                     ps_finding_level_name((ps_finding_level)level), plural ? "s" : "");
    }
    return text;
}

/* Words of `text` on lines of WIDTH columns, the first behind a label, the others below its text. */
static void print_labelled(FILE *stream, const char *label, const char *text) {
    int column = INDENT;
    fprintf(stream, "  %-*s", INDENT - 2, label);
    for (const char *at = text; *at != '\0';) {
        size_t length = strcspn(at, " \n");
        if (column > INDENT && column + 1 + (int)length > WIDTH) {
            fprintf(stream, "\n%*s", INDENT, "");
            column = INDENT;
        } else if (column > INDENT) {
            fputc(' ', stream);
            column++;
        }
        fwrite(at, 1, length, stream);
        column += (int)length;
        at += length + strspn(at + length, " \n");
    }
    fputc('\n', stream);
}

static void print_evidence(FILE *stream, const ps_facts *facts, const ps_finding *finding) {
    for (int i = 0; i < finding->evidences; i++) {
        const ps_finding_evidence *e = &finding->evidence[i];
        char text[400], value[32], threshold[32], place[240] = "";
        if (e->line > 0 && facts->trace != NULL)
            snprintf(place, sizeof place, " [%.180s:%" PRIu64 "]", facts->trace, e->line);
        int used = snprintf(text, sizeof text, "%s: %s", e->what, ps_text_number(e->value, 4, value));
        if (!ps_is_absent(e->threshold))
            used += snprintf(text + used, sizeof text - (size_t)used, " (held against %s)",
                             ps_text_number(e->threshold, 4, threshold));
        snprintf(text + used, sizeof text - (size_t)used, "%s", place);
        print_labelled(stream, i == 0 ? "evidence" : "", text);
    }
}

static void print_causes(FILE *stream, const ps_finding *finding) {
    for (int i = 0; i < finding->causes; i++) {
        const ps_finding_cause *c = &finding->cause[i];
        char text[2 * PS_FINDING_TEXT + 16];
        snprintf(text, sizeof text, "%d. %s%s%s", i + 1, c->cause, c->speaks[0] != '\0' ? ": " : "", c->speaks);
        print_labelled(stream, i == 0 ? "causes" : "", text);
    }
}

static void print_finding(FILE *stream, const ps_facts *facts, const ps_finding *finding, int number) {
    char text[2048], rate[PS_FINDING_RATE_TEXT];
    fprintf(stream, "\n%d. %s: %s (%s)\n", number, ps_finding_level_name(finding->level), finding->rule->title,
            finding->rule->id);
    print_labelled(stream, "what", finding->sentence);
    if (finding->layers > 0)
        print_labelled(stream, "where", ps_finding_where(facts, finding, LAYERS_SHOWN, text, sizeof text));
    if (finding->of_checkpoint)
        print_labelled(stream, "since", "not known: the trace lacks it, the checkpoint shows it");
    else if (ps_finding_since(finding, text)[0] != '\0') print_labelled(stream, "since", text);
    print_evidence(stream, facts, finding);
    print_causes(stream, finding);
    if (finding->remedy[0] != '\0') print_labelled(stream, "try", finding->remedy);
    print_labelled(stream, "errs", ps_finding_rate_say(finding->rule, rate));
}

/* What only a training shows, in one list: of a network at rest nothing was left out there. */
static void print_training(FILE *stream, const ps_findings *findings) {
    char text[8192] = "";
    for (int i = 0; i < findings->unknown_count; i++) {
        size_t used = strlen(text);
        if (!findings->unknown[i]->at_rest)
            snprintf(text + used, sizeof text - used, "%s%s", used > 0 ? ", " : "", findings->unknown[i]->id);
    }
    if (text[0] == '\0') return;
    fprintf(stream, "\nCannot be judged of a network at rest, as only a training shows it:\n");
    print_labelled(stream, "-", text);
}

static void print_unknown(FILE *stream, const ps_facts *facts, const ps_findings *findings) {
    bool headed = false;
    for (int i = 0; i < findings->unknown_count; i++) {
        char text[600], needs[PS_FINDING_NEEDS];
        if (facts->at_rest && !findings->unknown[i]->at_rest) continue;
        if (!headed) fprintf(stream, "\nCannot be judged, as what it needs was not recorded:\n");
        headed = true;
        snprintf(text, sizeof text, "%s (%s): needs %s", findings->unknown[i]->title, findings->unknown[i]->id,
                 ps_finding_needs(findings->unknown[i], facts, needs));
        print_labelled(stream, "-", text);
    }
    if (facts->at_rest) print_training(stream, findings);
}

static void print_head(FILE *stream, const ps_facts *facts, const ps_findings *findings) {
    char counts[160];
    int rules;
    ps_finding_rules(&rules);
    fprintf(stream, "%s: ", facts->target);
    if (facts->at_rest) fprintf(stream, "a network at rest");
    else fprintf(stream, "%.0f steps%s", facts->steps, facts->diverged ? ", diverged" : "");
    if (!facts->at_rest && facts->unfinished) fprintf(stream, ", not finished");
    fprintf(stream, ". Findings: %s.", ps_findings_count_say(findings, counts, sizeof counts));
    if (findings->unknown_count > 0)
        fprintf(stream, " Of %d rules %d cannot judge (named at the end).", rules, findings->unknown_count);
    fputc('\n', stream);
}

/* Of a stream of memory. */
static ps_status show(FILE *memory, char **text, FILE *stream) {
    PS_TRY(ps_memory_stream_close(memory, text, "findings"));
    ps_text_make_showable(*text, true);
    fputs(*text, stream);
    free(*text);
    return PS_OK;
}

ps_status ps_findings_write_text(FILE *stream, const ps_facts *facts, const ps_findings *findings) {
    char *text = NULL;
    size_t size;
    FILE *memory = open_memstream(&text, &size);
    if (memory == NULL) return ps_fail(PS_ERR_MEMORY, "no memory for findings");
    print_head(memory, facts, findings);
    for (int i = 0; i < findings->count; i++) print_finding(memory, facts, &findings->list[i], i + 1);
    print_unknown(memory, facts, findings);
    return show(memory, &text, stream);
}

void ps_finding_rules_print(FILE *stream) {
    int count, group = -1;
    const ps_finding_rule *const *rules = ps_finding_rules(&count);
    for (int i = 0; i < count; i++) {
        const ps_finding_rule *rule = rules[i];
        char rate[PS_FINDING_RATE_TEXT];
        if ((int)rule->group != group) fprintf(stream, "%s%s\n", i > 0 ? "\n" : "", ps_finding_group_name(rule->group));
        group = (int)rule->group;
        fprintf(stream, "\n  %s (%s%s)\n", rule->id, ps_finding_level_name(rule->level),
                rule->at_rest ? ", also of a network at rest" : "");
        print_labelled(stream, "finds", rule->title);
        print_labelled(stream, "needs", rule->needs);
        print_labelled(stream, "threshold", rule->source);
        print_labelled(stream, "errs", ps_finding_rate_say(rule, rate));
    }
}

/* ---- explain ---- */

static bool begins_with_word(const char *text, const char *word) {
    size_t length = strlen(word);
    return strncmp(text, word, length) == 0 && (text[length] == ' ' || text[length] == '\0');
}

/* What the quantities by layer are that the evidence names. */
static void print_meanings(FILE *stream, const ps_finding *finding) {
    for (int f = 0; f < PS_FACT_COUNT; f++) {
        const char *name = ps_layer_fact_name((ps_layer_fact)f);
        bool named = false;
        for (int i = 0; i < finding->evidences; i++) named = named || begins_with_word(finding->evidence[i].what, name);
        char text[300];
        snprintf(text, sizeof text, "%s: %s", name, ps_layer_fact_words((ps_layer_fact)f));
        if (named) print_labelled(stream, "meaning", text);
    }
}

static bool is_evidence(const ps_finding *finding, uint64_t line) {
    for (int i = 0; i < finding->evidences; i++)
        if (finding->evidence[i].line == line) return true;
    return false;
}

/* The lines themselves, each cut where it grows long: values of a layer are as many as its nodes. */
static ps_status print_rows(FILE *stream, const char *path, const ps_finding *finding) {
    enum { SHOWN = 400 };
    ps_trace_reader *reader;
    ps_trace_record record;
    bool more = true;
    PS_TRY(ps_trace_reader_open(path, &reader));
    ps_status status = PS_OK;
    while (status == PS_OK && more) {
        status = ps_trace_reader_next(reader, &record, &more);
        if (status != PS_OK || !more || !is_evidence(finding, record.line)) continue;
        fprintf(stream, "\n  %s:%" PRIu64 ":\n    %.*s%s\n", ps_trace_reader_header(reader)->path, record.line, SHOWN,
                record.text, strlen(record.text) > SHOWN ? " .." : "");
    }
    ps_trace_reader_destroy(reader);
    return status;
}

static ps_status refuse(const char *run, const ps_finding_rule *rule, const ps_facts *facts,
                        const ps_findings *findings) {
    char needs[PS_FINDING_NEEDS];
    for (int i = 0; i < findings->unknown_count; i++)
        if (findings->unknown[i] == rule)
            return ps_fail(PS_ERR_USAGE, "%s: whether %s (%s) cannot be judged: it needs %s", run, rule->title,
                           rule->id, ps_finding_needs(rule, facts, needs));
    return ps_fail(PS_ERR_USAGE, "%s: %s (%s) was looked for and not found; `poolscope diagnose %s` lists what was",
                   run, rule->title, rule->id, run);
}

static ps_status explain(FILE *stream, const char *run, const ps_finding_rule *rule, const ps_facts *facts) {
    ps_findings findings;
    PS_TRY(ps_findings_judge(facts, NULL, NULL, &findings));
    const ps_finding *finding = NULL;
    int place = 0;
    for (int i = 0; i < findings.count && finding == NULL; i++)
        if (findings.list[i].rule == rule) {
            finding = &findings.list[i];
            place = i + 1;
        }
    ps_status status = PS_OK;
    if (finding == NULL) status = refuse(run, rule, facts, &findings);
    else {
        fprintf(stream, "%s: finding %d of %d\n", run, place, findings.count);
        print_finding(stream, facts, finding, place);
        print_meanings(stream, finding);
        print_labelled(stream, "needs", rule->needs);
        print_labelled(stream, "threshold", rule->source);
        fprintf(stream, "\n  Rows of the trace that it rests on:\n");
        status = print_rows(stream, run, finding);
    }
    ps_findings_clear(&findings);
    return status;
}

ps_status ps_finding_explain(const char *run, const char *id, FILE *stream) {
    ps_facts facts;
    char *text = NULL;
    size_t size;
    const ps_finding_rule *rule = ps_finding_rule_named(id);
    if (rule == NULL) return ps_fail(PS_ERR_USAGE, "there is no finding \"%.60s\"", id);
    PS_TRY(ps_facts_of_trace(run, &facts));
    FILE *memory = open_memstream(&text, &size);
    ps_status status = memory == NULL ? ps_fail(PS_ERR_MEMORY, "no memory for a finding") : PS_OK;
    if (status == PS_OK) status = explain(memory, run, rule, &facts);
    if (status == PS_OK) status = show(memory, &text, stream);
    else if (memory != NULL) {
        fclose(memory);
        free(text);
    }
    ps_facts_clear(&facts);
    return status;
}
