#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/check/check.h"
#include "analysis/check/golden.h"
#include "analysis/check/calibrate.h"
#include "analysis/check/tolerance.h"
#include "cli/command_line.h"
#include "cli/commands.h"
#include "core/file.h"

static ps_option_values goldens, expectations, outs, formats;
static const char *checks, *tolerance;
static bool calibrate, bless, unfinished, quiet;
static int first_steps, show = -1, max_results = -1;
static double factor = -1;

static const ps_option options[] = {
    PS_REPEATED("golden", goldens, "FILE",
                "a golden trace: one for all traces, or repeated, one a trace (matched by arm and seed)"),
    PS_TEXT("tolerance", tolerance, "FILE", NULL,
            "tolerances per quantity (of --calibrate); without it values must be equal"),
    PS_WHOLE("first-steps", first_steps, "N", NULL, 0, PS_OPTION_ANY,
             "compare only what belongs to the first N steps [as the tolerance file says, else all]"),
    PS_FLAG("bless", bless, "make the trace the golden one, and show what that changes"),
    PS_FLAG("calibrate", calibrate,
            "the arguments are repeated runs: measure tolerances from them and write them to --out"),
    PS_NUMBER("factor", factor, "X", NULL, 1, 1e6, "with --calibrate: tolerance over the largest deviation [2]"),
    PS_REPEATED("expect", expectations, "RULE",
                "a rule that must hold, such as 'max(dead_share, last 20%) < 0.1'; may be repeated"),
    PS_TEXT("checks", checks, "FILE", NULL, "a file of rules, one a line, # starts a comment"),
    PS_FLAG("unfinished", unfinished, "let rules pass on a trace without end record (a run that goes on)"),
    PS_REPEATED("format", formats, "FORMAT",
                "text, json, junit or sarif [text]; repeated, each with its --out: all are put in place together"),
    PS_REPEATED("out", outs, "FILE", "write there instead of standard output (text is printed as well)"),
    PS_WHOLE("show", show, "N", NULL, 0, PS_OPTION_ANY,
             "findings shown per check as text [5]; one is all of a layer and quantity"),
    PS_WHOLE("max-results", max_results, "N", NULL, 1, PS_OPTION_ANY,
             "findings told in all as json, junit or sarif [50]; the rest is counted"),
    PS_FLAG("quiet", quiet, "print no report, only leave --out FILE and the exit status"),
    {0},
};

const ps_command ps_command_check = {
    .name = "check",
    .usage = "TRACE.. [--golden FILE] [--expect RULE] [options]",
    .summary =
        "Compares traces (files or directories of runs) with golden ones and with rules, for machines that test a "
        "training. "
        "Clock values never\n"
        "count; NaN equals nothing but NaN. The language of rules: analysis/check/GRAMMAR.md. Exit status 0: all held, "
        "1: "
        "not, 2: an error.",
    .examples =
        "  poolscope check runs/a --golden golden.jsonl --bless\n"
        "  poolscope check runs/b --golden golden.jsonl --format junit --out check.xml \\\n"
        "      --format sarif --out check.sarif\n"
        "  poolscope check --calibrate runs/1 runs/2 runs/3 --first-steps 20 --out tolerances.json\n"
        "  poolscope check runs/b --golden golden.jsonl --tolerance tolerances.json\n"
        "  poolscope check runs/a --expect 'max(dead_share[layer=~\"conv4.*\"], last 20%) < 0.10' \\\n"
        "      --expect 'revivals >= 1'\n",
    .options = options,
    .min_positional = 1,
    .max_positional = PS_OPTION_MAX_VALUES,
};

/* What an option would not do is refused: a check that its user only believes to run is worse than none. */
static ps_status refuse_unused(const char *mode, bool calibrates) {
    const struct {
        const char *name;
        bool given, calibrating, blessing; /* given, and what it means something to */
    } options_of[] = {{"golden", goldens.count > 0, false, true},
                      {"tolerance", tolerance != NULL, false, true},
                      {"expect", expectations.count > 0, false, false},
                      {"checks", checks != NULL, false, false},
                      {"unfinished", unfinished, false, false},
                      {"bless", bless, false, true},
                      {"factor", factor > 0, true, false},
                      {"format", formats.count > 0, false, false},
                      {"out", outs.count > 0, true, false},
                      {"show", show >= 0, false, true},
                      {"max-results", max_results >= 0, false, false},
                      {"quiet", quiet, true, true}};
    for (size_t i = 0; i < sizeof options_of / sizeof *options_of; i++)
        if (options_of[i].given && !(calibrates ? options_of[i].calibrating : options_of[i].blessing))
            return ps_fail(PS_ERR_USAGE, "--%s means nothing with --%s; leave it out, or run a check of its own",
                           options_of[i].name, mode);
    return PS_OK;
}

static ps_status run_calibration(const ps_arguments *arguments) {
    PS_TRY(refuse_unused("calibrate", true));
    if (arguments->positional_count < 2)
        return ps_fail(PS_ERR_USAGE, "--calibrate needs two runs or more; their deviations are the tolerances");
    if (outs.count != 1) return ps_fail(PS_ERR_USAGE, "--calibrate needs one --out FILE for the tolerances");
    PS_TRY(ps_tolerances_calibrate(arguments->positional, arguments->positional_count, first_steps,
                                   factor > 0 ? factor : 2, outs.value[0],
                                   quiet ? stderr : stdout)); /* warnings are no report */
    if (!quiet) printf("tolerances of %d runs: %s\n", arguments->positional_count, outs.value[0]);
    return PS_OK;
}

static int shown(void) { return show >= 0 ? show : PS_CHECK_SHOWN; }

static ps_status run_bless(const ps_arguments *arguments, const ps_check_request *request) {
    ps_check_report report = {0};
    uint64_t records;
    PS_TRY(refuse_unused("bless", false));
    if (arguments->positional_count != 1 || goldens.count != 1)
        return ps_fail(PS_ERR_USAGE, "--bless takes one TRACE and one --golden FILE");
    bool existed = ps_file_exists(goldens.value[0]);
    if (existed) {
        /* A golden that cannot even be read is named, and replaced all the same: that is what blessing is for. */
        ps_status status = ps_check_run(request, &report);
        if (status == PS_OK && !quiet) ps_check_write_text(stdout, &report, shown());
        else if (status != PS_OK)
            fprintf(quiet ? stderr : stdout, "the golden trace so far cannot be compared: %s\n", ps_status_message());
        ps_check_report_clear(&report);
    }
    PS_TRY(ps_golden_bless(arguments->positional[0], goldens.value[0], &records));
    if (!quiet)
        printf("%s: %s, %" PRIu64 " records\n", goldens.value[0], existed ? "replaced" : "new golden trace", records);
    return PS_OK;
}

static const char *format_at(int index) { return index < formats.count ? formats.value[index] : "text"; }
static bool is_text(const char *format) { return strcmp(format, "text") == 0; }

static void write_form(FILE *stream, const ps_check_report *report, const char *format) {
    int most = is_text(format) ? shown() : max_results >= 0 ? max_results : PS_CHECK_RESULTS;
    ps_check_writer_find(format)(stream, report, most);
}

static ps_status write_files(const ps_check_report *report) {
    ps_file_writer writers[PS_OPTION_MAX_VALUES];
    ps_status status = PS_OK;
    int opened = 0;
    for (; opened < outs.count && status == PS_OK; opened += status == PS_OK) {
        status = ps_file_writer_open(&writers[opened], outs.value[opened]);
        if (status == PS_OK) write_form(writers[opened].stream, report, format_at(opened));
    }
    if (status == PS_OK) return ps_file_writers_commit(writers, opened);
    for (int i = 0; i < opened; i++) ps_file_writer_discard(&writers[i]);
    return status;
}

static ps_status write_report(const ps_check_report *report) {
    PS_TRY(write_files(report));
    if (!quiet && outs.count > 0) ps_check_write_text(stdout, report, shown());
    else if (!quiet) write_form(stdout, report, format_at(0));
    return PS_OK;
}

static ps_status check_formats(void) {
    for (int i = 0; i < formats.count; i++)
        if (ps_check_writer_find(formats.value[i]) == NULL)
            return ps_fail(PS_ERR_USAGE, "unknown format \"%s\"; text, json, junit and sarif are known",
                           formats.value[i]);
    if ((formats.count > 1 || outs.count > 1) && formats.count != outs.count)
        return ps_fail(PS_ERR_USAGE, "%d formats and %d files to write; give each --format its own --out",
                       formats.count, outs.count);
    for (int i = 0; i < outs.count; i++)
        for (int k = 0; k < i; k++)
            if (strcmp(outs.value[i], outs.value[k]) == 0)
                return ps_fail(PS_ERR_USAGE, "--out %s stands twice; give each --format its own", outs.value[i]);
    return PS_OK;
}

/* A report that nobody gets is not what was asked for. */
static ps_status check_output(void) {
    bool only_text = true;
    for (int i = 0; i < formats.count; i++) only_text = only_text && is_text(formats.value[i]);
    if (max_results > 0 && only_text)
        return ps_fail(PS_ERR_USAGE, "--max-results is about json, junit and sarif; --show is that of text");
    if (quiet && !only_text && outs.count == 0)
        return ps_fail(PS_ERR_USAGE, "--quiet leaves nothing of --format %s; give --out FILE, too", format_at(0));
    return PS_OK;
}

static ps_status run_checks(const ps_check_request *request) {
    ps_check_report report = {0};
    ps_status status = ps_check_run(request, &report);
    if (status == PS_OK) status = write_report(&report);
    uint64_t failures = ps_check_report_failures(&report), all = ps_check_report_results(&report);
    ps_check_report_clear(&report);
    if (status != PS_OK || failures == 0) return status;
    return ps_fail(PS_ERR_CHECK, "%" PRIu64 " of %" PRIu64 " checks did not hold", failures, all);
}

ps_status ps_cmd_check(int argc, char **argv) {
    ps_arguments arguments;
    PS_TRY(ps_command_parse(&ps_command_check, argc, argv, &arguments));
    PS_TRY(check_formats());
    if (calibrate) return run_calibration(&arguments);
    if (!bless) PS_TRY(check_output());
    if (factor > 0)
        return ps_fail(PS_ERR_USAGE, "--factor belongs to --calibrate; a check takes its tolerances as they are");
    ps_check_request request = {.traces = arguments.positional,
                                .trace_count = arguments.positional_count,
                                .goldens = goldens.value,
                                .golden_count = goldens.count,
                                .expectations = expectations.value,
                                .expectation_count = expectations.count,
                                .checks = checks,
                                .tolerance = tolerance,
                                .first_steps = first_steps,
                                .unfinished = unfinished};
    return bless ? run_bless(&arguments, &request) : run_checks(&request);
}
