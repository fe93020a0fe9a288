#include "analysis/findings/finding.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "analysis/json_scan.h"

static const ps_finding_rule *const rules[] = {
#define PS_FINDING(id) &ps_finding_##id,
#include "analysis/findings/finding_list.def"
#undef PS_FINDING
    NULL, /* ends the list, and lets it be empty */
};

const ps_finding_rule *const *ps_finding_rules(int *count) {
    *count = (int)(sizeof rules / sizeof *rules) - 1;
    return rules;
}

const ps_finding_rule *ps_finding_rule_named(const char *id) {
    for (int i = 0; rules[i] != NULL; i++)
        if (strcmp(rules[i]->id, id) == 0) return rules[i];
    return NULL;
}

const char *ps_finding_level_name(ps_finding_level level) {
    static const char *const names[] = {
#define LEVEL(name, word) word,
        PS_FINDING_LEVELS(LEVEL)
#undef LEVEL
    };
    return names[level];
}

ps_status ps_finding_level_read(const char *word, ps_finding_level *level) {
    for (int l = PS_LEVEL_NOTE; l <= PS_LEVEL_CRITICAL; l++)
        if (strcmp(word, ps_finding_level_name((ps_finding_level)l)) == 0) {
            *level = (ps_finding_level)l;
            return PS_OK;
        }
    return ps_fail(PS_ERR_USAGE, "\"%.60s\" is no level; the levels are note, warning, serious and critical", word);
}

const ps_finding_rate *ps_finding_rate_of(const ps_finding_rule *rule) {
    static const ps_finding_rate rates[] = {
#define PS_ERROR_RATE(id, clean, alarms, planted, found, first, median_step) \
    {#id, clean, alarms, planted, found, first, median_step},
#include "analysis/findings/error_rate_list.def"
#undef PS_ERROR_RATE
        {0},
    };
    for (int i = 0; rates[i].id != NULL; i++)
        if (strcmp(rates[i].id, rule->id) == 0) return &rates[i];
    return NULL;
}

const char *ps_finding_group_name(ps_finding_group group) {
    static const char *const names[] = {
#define GROUP(name, word) word,
        PS_FINDING_GROUPS(GROUP)
#undef GROUP
    };
    return names[group];
}

/* What is not finite is spelled as traces spell it, where a word of printf's stands for it. */
static void spell(char *text, size_t size) {
    static const struct {
        const char *printed, *spelled;
    } words[] = {{"-nan", "NaN"}, {"nan", "NaN"}, {"-inf", "-Infinity"}, {"inf", "Infinity"}};
    for (char *at = text; *at != '\0'; at++) {
        bool begins = at == text || !(isalnum((unsigned char)at[-1]) || at[-1] == '_' || at[-1] == '-');
        for (size_t w = 0; begins && w < sizeof words / sizeof *words; w++) {
            size_t printed = strlen(words[w].printed), spelled = strlen(words[w].spelled), rest = strlen(at);
            if (strncmp(at, words[w].printed, printed) != 0 || isalnum((unsigned char)at[printed]) ||
                at[printed] == '_' || (size_t)(at - text) + rest + spelled - printed >= size)
                continue;
            memmove(at + spelled, at + printed, rest - printed + 1);
            memcpy(at, words[w].spelled, spelled);
            at += spelled - 1;
            break;
        }
    }
}

static void print(char *text, size_t size, const char *format, va_list arguments) {
    vsnprintf(text, size, format, arguments);
    spell(text, size);
}

void ps_finding_say(ps_finding *finding, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    print(finding->sentence, sizeof finding->sentence, format, arguments);
    va_end(arguments);
}

void ps_finding_add_layer(ps_finding *finding, int layer) {
    if (finding->layers < PS_FINDING_MOST_LAYERS) finding->layer[finding->layers++] = layer;
}

void ps_finding_add_evidence(ps_finding *finding, const char *what, double value, double threshold, uint64_t line) {
    if (finding->evidences == PS_FINDING_MOST_EVIDENCE || ps_is_absent(value)) return;
    ps_finding_evidence *evidence = &finding->evidence[finding->evidences++];
    snprintf(evidence->what, sizeof evidence->what, "%s", what);
    evidence->value = value;
    evidence->threshold = threshold;
    evidence->line = line;
}

/* One of the numbers that the text is made of is absent. Conversions of whole numbers, strings and doubles, as rules
 * use them. */
static bool lacks_a_number(const char *format, va_list arguments) {
    for (const char *at = strchr(format, '%'); at != NULL; at = strchr(at + 1, '%')) {
        at += 1 + strspn(at + 1, "+- #0123456789.");
        size_t length = strspn(at, "lz");
        char conversion = at[length];
        if (conversion == 's') (void)va_arg(arguments, const char *);
        else if (conversion == 'd' || conversion == 'u') {
            if (length == 0) (void)va_arg(arguments, int);
            else if (*at == 'z') (void)va_arg(arguments, size_t);
            else (void)va_arg(arguments, long long);
        } else if (conversion != '%' && ps_is_absent(va_arg(arguments, double))) return true;
        at += length;
    }
    return false;
}

void ps_finding_add_cause(ps_finding *finding, const char *cause, const char *speaks, ...) {
    if (finding->causes == PS_FINDING_MOST_CAUSES) return;
    ps_finding_cause *added = &finding->cause[finding->causes++];
    va_list arguments, numbers;
    va_start(arguments, speaks);
    va_copy(numbers, arguments);
    snprintf(added->cause, sizeof added->cause, "%s", cause);
    added->speaks[0] = '\0';
    if (!lacks_a_number(speaks, numbers)) print(added->speaks, sizeof added->speaks, speaks, arguments);
    va_end(numbers);
    va_end(arguments);
}

void ps_finding_try(ps_finding *finding, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    print(finding->remedy, sizeof finding->remedy, format, arguments);
    va_end(arguments);
}
