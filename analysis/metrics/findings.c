/* What is wrong with the run by itself (analysis/findings): so that no arm is compared in silence when one of its runs
 * is ill. */
#include "analysis/findings/finding_write.h"

#include <inttypes.h>
#include <stdio.h>

#include "analysis/findings/facts_of_run.h"
#include "analysis/metric.h"
#include "core/memory.h"
#include "core/text.h"

typedef struct {
    ps_metric_input in;
    ps_facts facts;
    ps_facts_filler *filler;
} findings_state;

static ps_status begin(const ps_metric_input *input, void **out) {
    findings_state *state;
    PS_TRY(PS_ALLOC(1, &state, "findings of a run"));
    *out = state;
    state->in = *input;
    return ps_facts_begin(input->run, &state->facts, &state->filler);
}

static ps_status take_frame(void *context, const ps_frame *frame) {
    return ps_facts_take_frame(((findings_state *)context)->filler, frame);
}

static ps_status take_record(void *context, const ps_trace_record *record) {
    return ps_facts_take_record(((findings_state *)context)->filler, record);
}

/* "share of dead nodes: 1 (held against 0.9), line 123; ..." */
static void say_evidence(const ps_finding *finding, char *text, size_t size) {
    size_t used = 0;
    text[0] = '\0';
    for (int i = 0; i < finding->evidences && used + 200 < size; i++) {
        const ps_finding_evidence *e = &finding->evidence[i];
        char value[32], threshold[32];
        used += (size_t)snprintf(text + used, size - used, "%s%s: %s", i > 0 ? "; " : "", e->what,
                                 ps_text_number(e->value, 4, value));
        if (!ps_is_absent(e->threshold))
            used += (size_t)snprintf(text + used, size - used, " (held against %s)",
                                     ps_text_number(e->threshold, 4, threshold));
        if (e->line > 0) used += (size_t)snprintf(text + used, size - used, ", line %" PRIu64, e->line);
    }
}

static void say_causes(const ps_finding *finding, char *text, size_t size) {
    size_t used = 0;
    text[0] = '\0';
    for (int i = 0; i < finding->causes && used < size; i++) {
        const ps_finding_cause *c = &finding->cause[i];
        used += (size_t)snprintf(text + used, size - used, "%s%d. %s%s%s", i > 0 ? " " : "", i + 1, c->cause,
                                 c->speaks[0] != '\0' ? ": " : "", c->speaks);
    }
}

static void write_finding(const findings_state *state, const ps_finding *f) {
    enum { LAYERS = 8 };
    const ps_run *run = state->in.run;
    char where[1024], evidence[2048], causes[PS_FINDING_MOST_CAUSES * (2 * PS_FINDING_TEXT + 8)];
    char rate[PS_FINDING_RATE_TEXT];
    say_evidence(f, evidence, sizeof evidence);
    say_causes(f, causes, sizeof causes);
    ps_finding_where(&state->facts, f, LAYERS, where, sizeof where);
    double since = f->since < 0 ? ps_absent() : (double)f->since;
    ps_tables_row(state->in.tables, PS_TABLE_findings, "slssdsssssssss", run->arm, run->header->seed, f->rule->id,
                  ps_finding_level_name(f->level), since, f->sentence, f->rule->title,
                  ps_finding_group_name(f->rule->group), f->layers > 0 ? where : NULL, evidence, causes, f->remedy,
                  ps_finding_rate_say(f->rule, rate), run->header->path);
}

static ps_status end(void *context) {
    findings_state *state = context;
    const ps_run *run = state->in.run;
    ps_findings findings;
    int serious = 0;
    PS_TRY(ps_findings_judge(&state->facts, NULL, NULL, &findings));
    for (int i = 0; i < findings.count; i++) {
        write_finding(state, &findings.list[i]);
        serious += findings.list[i].level >= PS_LEVEL_SERIOUS;
    }
    char needs[PS_FINDING_NEEDS];
    for (int i = 0; i < findings.unknown_count; i++)
        ps_tables_row(state->in.tables, PS_TABLE_findings_open, "slsss", run->arm, run->header->seed,
                      findings.unknown[i]->id, findings.unknown[i]->title,
                      ps_finding_needs(findings.unknown[i], &state->facts, needs));
    ps_status status = ps_summary_set(state->in.summary, "findings_serious", serious, 0, 0);
    if (status == PS_OK && !ps_is_absent(state->facts.chance_loss))
        status = ps_summary_set(state->in.summary, "chance_loss", state->facts.chance_loss, 0, 0);
    ps_findings_clear(&findings);
    return status;
}

static void destroy(void *context) {
    findings_state *state = context;
    ps_facts_end(state->filler);
    ps_facts_clear(&state->facts);
    ps_free(state);
}

const ps_metric ps_metric_findings = {"findings", begin, take_frame, take_record, end, destroy, 0};
