/* Input: a rule. What parses is destroyed again; what does not leaves a sentence. */
#include <stdlib.h>
#include <string.h>

#include "analysis/check/rule.h"
#include "fuzz.h"

void fuzz_input(const uint8_t *bytes, size_t size) {
    char *text = malloc(size + 1);
    ps_rule *rule;
    if (text == NULL) return;
    memcpy(text, bytes, size);
    text[size] = '\0';
    ps_status_reset();
    if (ps_rule_parse(text, "fuzz", &rule) == PS_OK) {
        if (rule->node_count < 3) abort(); /* a comparison and its two sides */
    } else if (rule != NULL || ps_status_message()[0] == '\0') {
        abort();
    }
    ps_rule_destroy(rule);
    free(text);
}
