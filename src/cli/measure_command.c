#include "cli/measure_command.h"

static const char *out;
static int threads;
static bool quiet;

const ps_option ps_measure_common_options[] = {
    PS_TEXT("out", out, "DIR", NULL, "write DIR/tables/*.tsv (for a run: the run's directory)"),
    PS_THREADS(threads),
    PS_FLAG("quiet", quiet, "no progress"),
    {0},
};

ps_status ps_measure_command(const ps_command *command, const ps_measurement *what, int argc, char **argv) {
    ps_arguments arguments;
    ps_checkpoint_session session;
    PS_TRY(ps_command_parse(command, argc, argv, &arguments));
    PS_TRY(ps_subject_open(&session, arguments.positional[0], &arguments.run, threads));
    ps_measure measure = {.checkpoint = &session, .text = stdout, .out = out, .quiet = quiet};
    ps_status status = ps_measurement_run(&measure, what, session.path);
    ps_checkpoint_session_close(&session);
    return status;
}
