#include <stdlib.h>
#include <string.h>

#include "analysis/compare.h"
#include "analysis/trace_reader.h"
#include "cli/command_line.h"
#include "cli/commands.h"
#include "core/file.h"
#include "core/memory.h"
#include "reports/report.h"
#include "trace/trace_input.h"

static ps_report_options report_options;

static const ps_option options[] = {
    PS_TEXT("format", report_options.formats, "LIST", "html", "html, md, json, pdf, with commas between"),
    PS_FLAG("open", report_options.open, "show the page in the desktop's browser"),
    PS_FLAG("quiet", report_options.quiet, "print nothing on success"),
    {0},
};

const ps_command ps_command_report = {
    .name = "report",
    .usage = "DIR|RUN [--format LIST] [--open]",
    .summary =
        "Draws plots (gnuplot; SVG and PNG) and writes one self-contained page from the tables and the verdict in DIR, "
        "as\n"
        "`poolscope compare` and `poolscope experiment` leave them. Of one RUN (its directory or its trace, also of a "
        "run under way) it\n"
        "makes the tables first, and a page in RUN/report: what is wrong with it, its health, and the plots that need "
        "no other run.",
    .examples = "  poolscope report runs/quickstart --open\n  poolscope report runs/a\n",
    .options = options,
    .min_positional = 1,
    .max_positional = 1,
};

/* Of a directory RUN/report, of a trace that is called otherwise than trace.jsonl FILE.report. */
static ps_status report_place(const char *given, char **place) {
    static const char usual[] = "trace.jsonl", folder[] = "report";
    if (ps_file_is_directory(given)) return ps_file_join(given, folder, place);
    const char *slash = strrchr(given, '/'), *name = slash != NULL ? slash + 1 : given;
    if (strncmp(name, usual, strlen(usual)) != 0 ||
        strcmp(name + strlen(usual), ps_packing_suffix(ps_packing_of_name(name))) != 0)
        return ps_string_format(place, "%s.%s", given, folder);
    return ps_string_format(place, "%.*s%s", (int)(name - given), given, folder);
}

static ps_status arm_of(const char *given, char **arm) {
    ps_trace_reader *reader;
    PS_TRY(ps_trace_reader_open(given, &reader));
    const char *name = ps_trace_reader_header(reader)->arm;
    ps_status status = ps_string_copy(name != NULL && name[0] != '\0' ? name : "run", arm);
    ps_trace_reader_destroy(reader);
    return status;
}

/* Tables that contradict themselves are shown all the same; the exit status says it in the end. */
static ps_status report_run(const char *given) {
    char *place = NULL, *arm = NULL, *question = NULL;
    ps_status status = PS_OK, faulty = PS_OK;
    PS_TRY_CLEANUP(report_place(given, &place));
    PS_TRY_CLEANUP(arm_of(given, &arm));
    PS_TRY_CLEANUP(ps_string_format(&question, "What is wrong with %s?", given));
    PS_TRY_CLEANUP(ps_file_make_directories(place));
    ps_compare_arm one = {arm, &given, 1};
    ps_compare_options compare = {.out_directory = place, .question = question, .quiet = true};
    faulty = ps_compare_run(&one, 1, &compare);
    status = faulty == PS_ERR_CHECK ? PS_OK : faulty;
    PS_TRY_CLEANUP(status);
    status = ps_report_write(place, &report_options);
    if (status == PS_OK && faulty != PS_OK)
        status = ps_fail(faulty, "%s: an instrument check did not hold; %s/verdict.json says which", given, place);
cleanup:
    free(question);
    free(place);
    free(arm);
    return status;
}

/* A file is a trace; a directory of a run holds one. */
static ps_status is_run(const char *given, bool *run) {
    char *trace;
    *run = !ps_file_is_directory(given) && ps_file_exists(given);
    if (*run) return PS_OK;
    PS_TRY(ps_trace_find(given, &trace));
    *run = ps_file_exists(trace);
    free(trace);
    return PS_OK;
}

ps_status ps_cmd_report(int argc, char **argv) {
    ps_arguments arguments;
    bool run;
    PS_TRY(ps_command_parse(&ps_command_report, argc, argv, &arguments));
    PS_TRY(is_run(arguments.positional[0], &run));
    return run ? report_run(arguments.positional[0]) : ps_report_write(arguments.positional[0], &report_options);
}
