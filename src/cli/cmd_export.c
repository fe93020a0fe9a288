#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/export/export.h"
#include "cli/command_line.h"
#include "cli/commands.h"
#include "core/file.h"
#include "core/memory.h"

static ps_export_options export_options;

static const ps_option options[] = {
    PS_TEXT("format", export_options.formats, "LIST", "csv", "csv, npz, tensorboard, with commas between"),
    PS_TEXT("out", export_options.directory, "DIR", NULL, "where the files go [RUN/export]"),
    PS_FLAG("units", export_options.units, "units in the first row of tables: \"loss [nats]\""),
    PS_FLAG("force", export_options.force, "replace files that are there"),
    {0},
};

const ps_command ps_command_export = {
    .name = "export",
    .usage = "RUN [--format LIST] [--out DIR]",
    .summary =
        "Writes what a run (its directory or its trace, also packed, also of a run under way) has recorded in the "
        "formats of other programs:\n"
        "csv: tables for pandas and R, a row for each step (steps.csv), evaluation (evals.csv), node and window "
        "(windows.csv), node and probing\n"
        "(probes.csv, with the node's state), and quantities.csv with the unit and meaning of every column.\n"
        "npz: run.npz for numpy.load: windows/zeros/LAYER is an array [windows, nodes], probes/dead/LAYER 1 where a "
        "node is dead, steps/loss\n"
        "the losses, layers the names of the layers.\n"
        "tensorboard: tensorboard/, scalars of steps, evaluations and layers, and a histogram over the nodes of each "
        "quantity.\n"
        "Names and units are those of src/trace/FORMAT.md, values those of the trace. What was not measured is an "
        "empty cell, a NaN or no\n"
        "point. Files are put in place together, or none is. `poolscope import` leads back.",
    .examples =
        "  poolscope export runs/a\n"
        "  poolscope export runs/a --format npz,tensorboard --out exported\n"
        "  python3 -c 'import pandas; print(pandas.read_csv(\"runs/a/export/steps.csv\").tail())'\n"
        "  tensorboard --logdir exported\n",
    .options = options,
    .min_positional = 1,
    .max_positional = 1,
};

/* RUN/export of a directory, FILE.export of a trace. */
static ps_status usual_place(const char *given, char **place) {
    if (ps_file_is_directory(given)) return ps_file_join(given, "export", place);
    return ps_string_format(place, "%s.export", given);
}

ps_status ps_cmd_export(int argc, char **argv) {
    ps_arguments arguments;
    char *place = NULL;
    bool cut = false;
    PS_TRY(ps_command_parse(&ps_command_export, argc, argv, &arguments));
    const char *run = arguments.positional[0];
    if (export_options.directory == NULL) {
        PS_TRY(usual_place(run, &place));
        export_options.directory = place;
    }
    ps_status status = ps_export_run(run, &export_options, &cut);
    if (cut) fprintf(stderr, "note: %s: its last line is cut off and was left out\n", run);
    if (status == PS_OK) printf("%s: %s\n", export_options.directory, export_options.formats);
    free(place);
    return status;
}
