/* JSON (finding.schema.json) and SARIF 2.1.0 (OASIS standard, 2020). */
#include <inttypes.h>
#include <string.h>

#include "analysis/check/check_report.h"
#include "analysis/findings/finding_write.h"
#include "analysis/json_scan.h"
#include "core/json.h"

static void text_member(FILE *stream, const char *key, const char *text) {
    fprintf(stream, ",\"%s\":", key);
    ps_json_print_text(stream, text);
}

static void number_member(FILE *stream, const char *key, double number) {
    fprintf(stream, ",\"%s\":", key);
    if (ps_is_absent(number)) fputs("null", stream);
    else ps_json_print_double(stream, number);
}

/* What was not recorded has no line, and none stands in a network at rest. */
static void line_member(FILE *stream, uint64_t line) {
    if (line > 0) fprintf(stream, ",\"line\":%" PRIu64, line);
}

static void write_rate(FILE *stream, const ps_finding_rule *rule) {
    const ps_finding_rate *rate = ps_finding_rate_of(rule);
    fputs(",\"errs\":", stream);
    if (rate == NULL) {
        fputs("null", stream);
        return;
    }
    fprintf(stream,
            "{\"clean\":%d,\"alarms\":%d,\"planted\":%d,\"found\":%d,\"first\":%d,\"median_step\":", rate->clean,
            rate->alarms, rate->planted, rate->found, rate->first);
    if (rate->median_step < 0) fputs("null}", stream);
    else fprintf(stream, "%.0f}", rate->median_step);
}

static void write_finding(FILE *stream, const ps_facts *facts, const ps_finding *f) {
    fprintf(stream, "{\"id\":\"%s\"", f->rule->id);
    text_member(stream, "group", ps_finding_group_name(f->rule->group));
    text_member(stream, "level", ps_finding_level_name(f->level));
    text_member(stream, "title", f->rule->title);
    text_member(stream, "sentence", f->sentence);
    number_member(stream, "strength", f->strength);
    if (f->since < 0) fputs(",\"since\":null", stream);
    else fprintf(stream, ",\"since\":%lld", f->since);
    fprintf(stream, ",\"of_checkpoint\":%s", f->of_checkpoint ? "true" : "false");
    fputs(",\"layers\":[", stream);
    for (int i = 0; i < f->layers; i++) {
        if (i > 0) fputc(',', stream);
        ps_json_print_text(stream, facts->layers[f->layer[i]].name);
    }
    fputs("],\"evidence\":[", stream);
    for (int i = 0; i < f->evidences; i++) {
        fputs(i > 0 ? ",{\"what\":" : "{\"what\":", stream);
        ps_json_print_text(stream, f->evidence[i].what);
        number_member(stream, "value", f->evidence[i].value);
        number_member(stream, "threshold", f->evidence[i].threshold);
        line_member(stream, f->evidence[i].line);
        fputc('}', stream);
    }
    fputs("],\"causes\":[", stream);
    for (int i = 0; i < f->causes; i++) {
        fputs(i > 0 ? ",{\"cause\":" : "{\"cause\":", stream);
        ps_json_print_text(stream, f->cause[i].cause);
        text_member(stream, "speaks", f->cause[i].speaks);
        fputc('}', stream);
    }
    fputc(']', stream);
    text_member(stream, "try", f->remedy);
    write_rate(stream, f->rule);
    fputc('}', stream);
}

void ps_findings_write_json(FILE *stream, const ps_facts *facts, const ps_findings *findings) {
    fputs("\"target\":", stream);
    ps_json_print_text(stream, facts->target);
    fputs(",\"trace\":", stream);
    if (facts->trace != NULL) ps_json_print_text(stream, facts->trace);
    else fputs("null", stream);
    fprintf(stream, ",\"at_rest\":%s,\"finished\":%s,\"diverged\":%s", facts->at_rest ? "true" : "false",
            facts->at_rest || !facts->unfinished ? "true" : "false", facts->diverged ? "true" : "false");
    number_member(stream, "steps", facts->steps);
    fputs(",\"findings\":[", stream);
    for (int i = 0; i < findings->count; i++) {
        fputs(i > 0 ? ",\n" : "\n", stream);
        write_finding(stream, facts, &findings->list[i]);
    }
    fputs("],\"cannot_be_judged\":[", stream);
    for (int i = 0; i < findings->unknown_count; i++) {
        char needs[PS_FINDING_NEEDS];
        fprintf(stream, "%s{\"id\":\"%s\"", i > 0 ? "," : "", findings->unknown[i]->id);
        text_member(stream, "title", findings->unknown[i]->title);
        text_member(stream, "needs", ps_finding_needs(findings->unknown[i], facts, needs));
        fputc('}', stream);
    }
    fputc(']', stream);
}

/* ---- SARIF ---- */

static const char *sarif_level(ps_finding_level level) {
    static const char *const words[] = {
        [PS_LEVEL_NOTE] = "note",
        [PS_LEVEL_WARNING] = "warning",
        [PS_LEVEL_SERIOUS] = "error",
        [PS_LEVEL_CRITICAL] = "error",
    };
    return words[level];
}

static void sarif_rules(FILE *stream) {
    int count;
    const ps_finding_rule *const *rules = ps_finding_rules(&count);
    for (int i = 0; i < count; i++) {
        char rate[PS_FINDING_RATE_TEXT];
        fprintf(stream, "%s\n{\"id\":\"%s\",\"shortDescription\":{\"text\":", i > 0 ? "," : "", rules[i]->id);
        ps_json_print_text(stream, rules[i]->title);
        fprintf(stream, "},\"defaultConfiguration\":{\"level\":\"%s\"},\"properties\":{\"group\":\"%s\"",
                sarif_level(rules[i]->level), ps_finding_group_name(rules[i]->group));
        text_member(stream, "needs", rules[i]->needs);
        text_member(stream, "threshold", rules[i]->source);
        text_member(stream, "errs", ps_finding_rate_say(rules[i], rate));
        fputs("}}", stream);
    }
}

static int place_of(const ps_finding_rule *rule) {
    int count, place = 0;
    const ps_finding_rule *const *rules = ps_finding_rules(&count);
    while (place < count && rules[place] != rule) place++;
    return place;
}

static uint64_t first_line(const ps_finding *f) {
    for (int i = 0; i < f->evidences; i++)
        if (f->evidence[i].line > 0) return f->evidence[i].line;
    return 1;
}

static void sarif_location(FILE *stream, const ps_facts *facts, const ps_finding *f) {
    fputs("{\"physicalLocation\":{\"artifactLocation\":{\"uri\":", stream);
    ps_sarif_print_uri(stream, facts->trace != NULL ? facts->trace : facts->target);
    fprintf(stream, "},\"region\":{\"startLine\":%" PRIu64 "}}", f != NULL ? first_line(f) : 1);
    if (f != NULL && f->layers > 0) {
        fputs(",\"logicalLocations\":[", stream);
        for (int i = 0; i < f->layers; i++) {
            fputs(i > 0 ? ",{\"fullyQualifiedName\":" : "{\"fullyQualifiedName\":", stream);
            ps_json_print_text(stream, facts->layers[f->layer[i]].name);
            fputc('}', stream);
        }
        fputc(']', stream);
    }
    fputc('}', stream);
}

static void sarif_result(FILE *stream, const ps_facts *facts, const ps_finding *f) {
    char since[40];
    fprintf(stream, "\n{\"ruleId\":\"%s\",\"ruleIndex\":%d,\"level\":\"%s\",\"message\":{\"text\":", f->rule->id,
            place_of(f->rule), sarif_level(f->level));
    ps_json_print_text(stream, f->sentence[0] != '\0' ? f->sentence : f->rule->title);
    fputs("},\"locations\":[", stream);
    sarif_location(stream, facts, f);
    fprintf(stream, "],\"properties\":{\"level\":\"%s\",\"since\":\"%s\"", ps_finding_level_name(f->level),
            ps_finding_since(f, since));
    if (f->causes > 0) text_member(stream, "likeliest_cause", f->cause[0].cause);
    text_member(stream, "try", f->remedy);
    fputs("}}", stream);
}

/* A rule that cannot judge is a result of its own kind: "notApplicable" would read as healthy. */
static void sarif_unknown(FILE *stream, const ps_facts *facts, const ps_finding_rule *rule) {
    char text[600], needs[PS_FINDING_NEEDS];
    snprintf(text, sizeof text, "cannot be judged: %s needs %s", rule->title, ps_finding_needs(rule, facts, needs));
    fprintf(stream, "\n{\"ruleId\":\"%s\",\"ruleIndex\":%d,\"kind\":\"open\",\"level\":\"none\",\"message\":{\"text\":",
            rule->id, place_of(rule));
    ps_json_print_text(stream, text);
    fputs("},\"locations\":[", stream);
    sarif_location(stream, facts, NULL);
    fputs("]}", stream);
}

void ps_findings_write_sarif(FILE *stream, const ps_facts *facts, const ps_findings *findings) {
    fputs(
        "{\"$schema\":\"https://json.schemastore.org/sarif-2.1.0.json\",\"version\":\"2.1.0\",\"runs\":[{\"tool\":"
        "{\"driver\":{\"name\":\"poolscope\",\"rules\":[",
        stream);
    sarif_rules(stream);
    fputs("]}},\"columnKind\":\"utf16CodeUnits\",\"results\":[", stream);
    for (int i = 0; i < findings->count; i++) {
        if (i > 0) fputc(',', stream);
        sarif_result(stream, facts, &findings->list[i]);
    }
    for (int i = 0; i < findings->unknown_count; i++) {
        if (i > 0 || findings->count > 0) fputc(',', stream);
        sarif_unknown(stream, facts, findings->unknown[i]);
    }
    fputs("]}]}\n", stream);
}
