#include <stdio.h>

#include "cli/command_line.h"
#include "cli/commands.h"
#include "core/file.h"
#include "data/plan.h"
#include "data/source.h"
#include "run/session.h"

static const char *out_path;
static bool as_json, skip_bad, quiet;

static const ps_option options[] = {
    PS_TEXT("out", out_path, "FILE", NULL, "write the plan as JSON, to look at, change, and train by"),
    PS_FLAG("json", as_json, "print it as JSON instead of a table"),
    PS_FLAG("skip-bad", skip_bad, "list cases that cannot be read and leave them out, instead of stopping"),
    PS_FLAG("quiet", quiet, "no progress line"),
    {0},
};

const ps_command ps_command_plan = {
    .name = "plan",
    .usage = "DATA [--fold N] [--out FILE] [--json]",
    .summary =
        "Plans how to train on volumes, by the rules of nnU-Net (version 2): reads every training case once and "
        "derives\n"
        "  spacing  the medians of the cases; of slices that lie far apart (3 times as far as pixels) the 10th "
        "percentile\n"
        "  axes     the coarsest one first, so that a network may leave it unhalved and a network in 2D slice across "
        "it\n"
        "  values   channels called CT are clipped to percentiles of the labelled voxels; others are standardised by "
        "case\n"
        "  network  as deep as maps of 4 to a side allow; axes halve while they are less than twice as coarse as the "
        "finest\n"
        "  patch    as large as the network's maps fit into the memory that nnU-Net plans for, no larger than the "
        "cases\n"
        "  batch    what is left of that memory, but no more than 5 % of all voxels, and at least 2\n"
        "Without --fold it is planned from all training cases, those of every fold, as nnU-Net does; with it, only "
        "from "
        "the\n"
        "cases that this fold leaves for training, as `poolscope train --plan auto --fold N` does: cases held out for "
        "the "
        "test\n"
        "choose nothing.\n"
        "The numbers are those that nnU-Net itself plans. A plan is a file: change the patch or the batch in it where "
        "your "
        "machine is smaller.",
    .examples =
        "  poolscope plan msd:Task04_Hippocampus\n"
        "  poolscope plan btcv:RawData --out plan.json\n"
        "  poolscope plan msd:Task04_Hippocampus --fold 0 --out fold-0.json\n"
        "  poolscope plan synthetic-3d --json\n",
    .options = options,
    .run_options = "fold,folds,split_file",
    .min_positional = 1,
    .max_positional = 1,
};

static ps_status write_plan(const ps_plan *plan) {
    ps_file_writer writer;
    PS_TRY(ps_file_writer_open(&writer, out_path));
    ps_plan_write(plan, writer.stream);
    return ps_file_writer_commit(&writer);
}

static ps_status print_plan(ps_source *source, const char *name, const ps_dataset_options *data) {
    ps_fingerprint fingerprint = {0};
    ps_plan plan;
    ps_status status = ps_fingerprint_take(source, name, data, quiet, &fingerprint);
    if (status == PS_OK) status = ps_plan_make(&fingerprint, &plan);
    ps_fingerprint_clear(&fingerprint);
    PS_TRY(status);
    for (size_t i = 0; i < source->bad_count; i++) fprintf(stderr, "left out: %s\n", source->bad[i]);
    if (out_path != NULL) PS_TRY(write_plan(&plan));
    if (as_json) ps_plan_write(&plan, stdout);
    else ps_plan_show(&plan, stdout);
    return PS_OK;
}

static ps_status plan_with(const ps_run_config *config, const char *name) {
    ps_source source;
    PS_TRY(ps_session_check_fold(config));
    ps_dataset_options data = ps_session_data_options(config);
    data.skip_bad = skip_bad;
    data.probe_count = 0; /* what is held apart for the probe is a training case, too */
    ps_status status = ps_source_open(name, &data, &source);
    if (status == PS_OK) status = print_plan(&source, name, &data);
    ps_source_close(&source);
    return status;
}

ps_status ps_cmd_plan(int argc, char **argv) {
    ps_arguments arguments;
    ps_run_config config;
    PS_TRY(ps_command_parse(&ps_command_plan, argc, argv, &arguments));
    PS_TRY(ps_run_config_init(&config));
    ps_status status = ps_run_settings_apply(&arguments.run, &config);
    if (status == PS_OK) status = plan_with(&config, arguments.positional[0]);
    ps_run_config_clear(&config);
    return status;
}
