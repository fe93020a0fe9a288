#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/command_line.h"
#include "cli/commands.h"
#include "core/file.h"
#include "core/memory.h"
#include "core/text.h"
#include "trace/validate.h"
#include "trace/trace_input.h"

const ps_command ps_command_validate = {
    .name = "validate",
    .usage = "TRACE",
    .summary =
        "Checks a trace (a file, or a run's directory) line by line against the format: types, order, lengths, steps, "
        "layers. One sentence a\n"
        "problem. Exit status 0: valid, 1: not.",
    .examples = "  poolscope validate runs/a\n  poolscope validate other-program.jsonl\n",
    .min_positional = 1,
    .max_positional = 1,
};

enum { SHOWN_PROBLEMS = 100 };

static void print_check(const char *path, const ps_trace_check *c) {
    ps_text_put(stdout, path, INT_MAX);
    printf(": %" PRIu64 " lines, %" PRIu64 " layers, %" PRIu64 " steps, %" PRIu64 " window and %" PRIu64
           " probe records: %s%s\n",
           c->lines, c->layers, c->steps, c->windows, c->probings,
           c->problems > 0 ? "does not follow the format" : "follows the format",
           c->ended     ? ""
           : c->cut_off ? " (cut off within the last line)"
                        : " (no end record: the run was cut off, or goes on)");
}

ps_status ps_cmd_validate(int argc, char **argv) {
    ps_arguments arguments;
    ps_trace_check check;
    char *path = NULL;
    PS_TRY(ps_command_parse(&ps_command_validate, argc, argv, &arguments));
    const char *given = arguments.positional[0];
    PS_TRY(ps_trace_path(given, &path));
    ps_status status = ps_trace_validate(path, stdout, SHOWN_PROBLEMS, &check);
    if (status == PS_OK || status == PS_ERR_CHECK) print_check(path, &check);
    free(path);
    return status;
}
