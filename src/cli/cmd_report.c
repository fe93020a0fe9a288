#include "cli/command_line.h"
#include "cli/commands.h"
#include "reports/report.h"

static ps_report_options report_options;

static const ps_option options[] = {
    PS_TEXT("format", report_options.formats, "LIST", "html", "html, md, json, pdf, with commas between"),
    PS_FLAG("open", report_options.open, "show the page in the desktop's browser"),
    PS_FLAG("quiet", report_options.quiet, "print nothing on success"),
    {0},
};

const ps_command ps_command_report = {
    .name = "report",
    .usage = "DIR [--format LIST] [--open]",
    .summary =
        "Draws plots (gnuplot; SVG and PNG) and writes one self-contained page from the tables and the verdict in DIR, "
        "as\n"
        "`poolscope compare` and `poolscope experiment` leave them.",
    .examples = "  poolscope report runs/quickstart --open\n",
    .options = options,
    .min_positional = 1,
    .max_positional = 1,
};

ps_status ps_cmd_report(int argc, char **argv) {
    ps_arguments arguments;
    PS_TRY(ps_command_parse(&ps_command_report, argc, argv, &arguments));
    return ps_report_write(arguments.positional[0], &report_options);
}
