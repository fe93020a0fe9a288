#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/findings/finding_write.h"
#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/diagnose_nodes.h"
#include "core/file.h"
#include "core/memory.h"
#include "measure/at_rest.h"
#include "measure/diagnose.h"
#include "run/subject.h"
#include "trace/trace_input.h"

static int threads;
static bool as_json, as_tsv, as_sarif, all_nodes, rules;
static const char *fail_on, *only, *ignored;

static const ps_option options[] = {
    PS_THREADS(threads),
    PS_FLAG("nodes", all_nodes, "list every node with something wrong, not the first twenty alone"),
    PS_TEXT("only", only, "IDS", NULL, "ask these rules alone (--rules names them; commas between)"),
    PS_TEXT("ignore", ignored, "IDS", NULL, "leave these rules out"),
    PS_TEXT("fail-on", fail_on, "LEVEL", NULL,
            "exit status 1 where a finding is of this level or a worse one: note, warning, serious, critical"),
    PS_FLAG("json", as_json, "print one JSON object: findings, and nodes where there are weights"),
    PS_FLAG("sarif", as_sarif, "print the findings as SARIF 2.1.0"),
    PS_FLAG("tsv", as_tsv, "the list of nodes alone, as tab-separated lines with a header"),
    PS_FLAG("rules", rules, "list all rules instead: what each looks for, needs, and how often it errs"),
    {0},
};

const ps_command ps_command_diagnose = {
    .name = "diagnose",
    .usage = "RUN|TRACE|CHECKPOINT|WEIGHTS [--fail-on LEVEL] [--json|--sarif|--tsv] | --rules",
    .summary =
        "Says what is wrong with one run or with a network at rest: findings, the worst first, each with the layers, "
        "the step since\n"
        "when, the numbers and rows of the trace it rests on, likely causes, what to try, and how often its rule errs "
        "(`poolscope\n"
        "explain RUN FINDING` shows the rows). What was not recorded \"cannot be judged\"; it is never called healthy. "
        "A trace may be\n"
        "of a run under way, or of another program.\n"
        "\n"
        "Behind the findings, where there are weights, stands every node that is dead (batch mode), constant, dead in "
        "evaluation mode\n"
        "only, unused, or on the edge (rounding decides whether its gate ever opens; no fault), with the cause and the "
        "numbers\n"
        "it rests on (`poolscope explain --causes` says it in words). Parameters and running statistics that hold NaN "
        "or infinity, or a\n"
        "variance below 0, are named, and the exit status is 1: nothing can be said of what stands behind them.",
    .examples =
        "  poolscope diagnose runs/a\n"
        "  poolscope diagnose runs/a/trace.jsonl --fail-on serious\n"
        "  poolscope diagnose runs/a/checkpoint.safetensors --tsv > nodes.tsv\n"
        "  poolscope diagnose weights.safetensors --graph net.json --data cifar10:DIR\n",
    .options = options,
    .run_options = PS_SUBJECT_OPTIONS,
    .max_positional = 1,
};

/* What is looked at: a trace, weights, or both. */
typedef struct {
    const char *given;
    bool has_trace, has_weights, opened;
    ps_checkpoint_session session;
    ps_diagnosis diagnosis;
    ps_facts facts, rest; /* of the trace, and of the network at rest */
    ps_findings findings;
    int images;
} subject;

static bool begins_as_trace(const char *path) {
    uint64_t size; /* of a regular file: a pipe would be emptied */
    FILE *stream = ps_file_size(path, &size) == PS_OK ? fopen(path, "rb") : NULL;
    ps_status_reset();
    if (stream == NULL) return false;
    char first[4] = "";
    size_t read = fread(first, 1, sizeof first, stream);
    fclose(stream);
    if (ps_trace_is_packed(first, read)) return true;
    const char *at = read >= 3 && memcmp(first, "\xEF\xBB\xBF", 3) == 0 ? first + 3 : first;
    return *at == '{';
}

static ps_status has_file(const char *directory, const char *name, bool *has) {
    char *path;
    PS_TRY(ps_file_join(directory, name, &path));
    *has = ps_file_exists(path);
    free(path);
    return PS_OK;
}

static ps_status has_trace(const char *directory, bool *has) {
    char *path;
    PS_TRY(ps_trace_find(directory, &path));
    *has = ps_file_exists(path);
    free(path);
    return PS_OK;
}

/* A directory without a trace is asked for its checkpoint, which says what is missing. */
static ps_status look_at(subject *s, const ps_run_settings *settings) {
    if (ps_file_is_directory(s->given)) {
        PS_TRY(has_trace(s->given, &s->has_trace));
        PS_TRY(has_file(s->given, "checkpoint.safetensors", &s->has_weights));
    } else s->has_trace = begins_as_trace(s->given);
    s->has_weights = s->has_weights || !s->has_trace;
    if (s->has_weights) return PS_OK;
    if (as_tsv || all_nodes)
        return ps_fail(PS_ERR_USAGE,
                       "%s: is a trace without weights, of which --%s lists nodes; `poolscope explain` tells the story "
                       "of a node of a trace",
                       s->given, as_tsv ? "tsv" : "nodes");
    if (settings->name.count > 0)
        return ps_fail(PS_ERR_USAGE, "%s: is a trace, which says itself what was trained; leave out --%s", s->given,
                       settings->name.value[0]);
    return PS_OK;
}

static ps_status open_weights(subject *s, const ps_run_settings *settings) {
    PS_TRY(ps_subject_open(&s->session, s->given, settings, threads));
    s->opened = true;
    ps_probe_source source = ps_session_probe_source(&s->session.session);
    s->images = s->session.session.probe_batches * s->session.config.batch;
    return ps_diagnose(s->session.session.net, &source, &s->diagnosis);
}

/* Of a run with weights, the rules that lack something in its trace are asked of the checkpoint. */
static ps_status judge(subject *s) {
    if (as_tsv) return PS_OK;
    if (s->opened) PS_TRY(ps_facts_at_rest(&s->session, s->given, &s->rest));
    if (!s->has_trace) return ps_findings_judge(&s->rest, only, ignored, &s->findings);
    PS_TRY(ps_findings_judge(&s->facts, only, ignored, &s->findings));
    if (s->opened) ps_findings_complete(&s->findings, &s->facts, &s->rest);
    return PS_OK;
}

static ps_status print_json(const subject *s, const ps_facts *facts) {
    char *nodes = NULL;
    if (s->opened) PS_TRY(ps_nodes_json(&s->session, &s->diagnosis, s->images, &nodes));
    printf("{\"format\":\"poolscope-diagnosis\",\"version\":1,");
    ps_findings_write_json(stdout, facts, &s->findings);
    if (nodes != NULL) printf(",\n%s\n", nodes + 1); /* its members */
    else puts("}");
    cJSON_free(nodes);
    return PS_OK;
}

static ps_status print(const subject *s) {
    enum { SHOWN = 20 };
    const ps_facts *facts = s->has_trace ? &s->facts : &s->rest;
    if (as_json) return print_json(s, facts);
    if (as_sarif) ps_findings_write_sarif(stdout, facts, &s->findings);
    else if (as_tsv) ps_nodes_print_tsv(&s->diagnosis);
    else {
        PS_TRY(ps_findings_write_text(stdout, facts, &s->findings));
        char moment[PS_MOMENT_TEXT];
        if (s->opened) printf("\nNodes %s:\n", ps_subject_moment(&s->session, moment));
        if (s->opened) ps_nodes_print_table(s->session.session.net, &s->diagnosis, s->images, all_nodes ? -1 : SHOWN);
    }
    return PS_OK;
}

static ps_status fail_where_asked(const subject *s, ps_finding_level level) {
    int count = 0;
    for (int i = 0; i < s->findings.count; i++) count += s->findings.list[i].level >= level;
    if (count == 0) return PS_OK;
    return ps_fail(PS_ERR_CHECK, "%s: %d finding%s %s or worse (--fail-on), the first of them %s: %s", s->given, count,
                   count > 1 ? "s are" : " is", fail_on, s->findings.list[0].rule->id, s->findings.list[0].sentence);
}

static ps_status diagnose(subject *s, const ps_run_settings *settings, ps_finding_level level) {
    PS_TRY(look_at(s, settings));
    if (s->has_trace && !as_tsv) PS_TRY(ps_facts_of_trace(s->given, &s->facts));
    if (s->has_weights) PS_TRY(open_weights(s, settings));
    PS_TRY(judge(s));
    PS_TRY(print(s));
    if (s->opened) PS_TRY(ps_nodes_judge(s->session.session.net, &s->diagnosis, s->given));
    return fail_on != NULL ? fail_where_asked(s, level) : PS_OK;
}

static ps_status check_options(ps_finding_level *level) {
    if (as_json + as_tsv + as_sarif > 1)
        return ps_fail(PS_ERR_USAGE, "diagnose: choose one of --json, --sarif and --tsv");
    const char *judging = fail_on != NULL ? "fail-on" : only != NULL ? "only" : ignored != NULL ? "ignore" : NULL;
    if (as_tsv && judging != NULL)
        return ps_fail(PS_ERR_USAGE, "diagnose: --tsv lists nodes, and judges nothing; leave out --%s", judging);
    if (fail_on != NULL) PS_TRY(ps_finding_level_read(fail_on, level));
    PS_TRY(ps_findings_check_ids(only));
    return ps_findings_check_ids(ignored);
}

ps_status ps_cmd_diagnose(int argc, char **argv) {
    ps_arguments arguments;
    static subject s;
    ps_finding_level level = PS_LEVEL_NOTE;
    PS_TRY(ps_command_parse(&ps_command_diagnose, argc, argv, &arguments));
    if (rules) {
        ps_finding_rules_print(stdout);
        return PS_OK;
    }
    if (arguments.positional_count == 0)
        return ps_fail(PS_ERR_USAGE, "diagnose: something is missing; usage: poolscope diagnose %s",
                       ps_command_diagnose.usage);
    PS_TRY(check_options(&level));
    s.given = arguments.positional[0];
    ps_facts_init(&s.facts);
    ps_facts_init(&s.rest);
    ps_status status = diagnose(&s, &arguments.run, level);
    ps_findings_clear(&s.findings);
    ps_facts_clear(&s.facts);
    ps_facts_clear(&s.rest);
    ps_diagnosis_clear(&s.diagnosis);
    if (s.opened) ps_checkpoint_session_close(&s.session);
    return status;
}
