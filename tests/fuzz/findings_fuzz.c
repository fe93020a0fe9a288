/* Input: a trace. Facts are taken of any that the reader takes, every rule judges them, and what is written of it is
 * whole: layers that there are, levels that the rule has, numbers with a text around them, JSON that is JSON, and
 * nothing that a terminal would obey. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "analysis/findings/finding_write.h"
#include "fuzz.h"

static void check_finding(const ps_facts *facts, const ps_finding *f) {
    if (f->sentence[0] == '\0' || f->remedy[0] == '\0' || f->level > f->rule->level || f->since < -1) abort();
    if (f->causes < 0 || f->causes > PS_FINDING_MOST_CAUSES || f->evidences > PS_FINDING_MOST_EVIDENCE) abort();
    for (int l = 0; l < f->layers; l++)
        if (f->layer[l] < 0 || f->layer[l] >= facts->layer_count) abort();
}

/* What a writer makes of the findings; the caller's to free. */
static char *written(void (*write)(FILE *, const ps_facts *, const ps_findings *), const ps_facts *facts,
                     const ps_findings *findings) {
    char *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);
    if (stream == NULL) abort();
    write(stream, facts, findings);
    fclose(stream);
    return text;
}

static void as_text(FILE *stream, const ps_facts *facts, const ps_findings *findings) {
    if (ps_findings_write_text(stream, facts, findings) != PS_OK) abort();
}

static void as_json(FILE *stream, const ps_facts *facts, const ps_findings *findings) {
    fputc('{', stream);
    ps_findings_write_json(stream, facts, findings);
    fputc('}', stream);
}

static void check_json(char *text) {
    cJSON *document = cJSON_Parse(text);
    if (document == NULL) abort();
    cJSON_Delete(document);
    free(text);
}

static void check_text(char *text) {
    for (const char *at = text; *at != '\0'; at++)
        if (iscntrl((unsigned char)*at) && *at != '\n') abort();
    free(text);
}

void fuzz_input(const uint8_t *bytes, size_t size) {
    const char *path = fuzz_write("trace.jsonl", bytes, size);
    ps_facts facts;
    ps_findings findings;
    if (ps_facts_of_trace(path, &facts) != PS_OK) {
        if (ps_status_message()[0] == '\0') abort();
        return;
    }
    if (ps_findings_judge(&facts, NULL, NULL, &findings) != PS_OK) abort();
    for (int i = 0; i < findings.count; i++) check_finding(&facts, &findings.list[i]);
    check_text(written(as_text, &facts, &findings));
    check_json(written(as_json, &facts, &findings));
    check_json(written(ps_findings_write_sarif, &facts, &findings));
    ps_findings_clear(&findings);
    ps_facts_clear(&facts);
}
