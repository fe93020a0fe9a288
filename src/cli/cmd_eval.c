#include <stdio.h>

#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/subject.h"
#include "probe/probe.h"

static int threads;
static bool as_json;

static const ps_option options[] = {
    {"threads", PS_OPTION_INT, &threads, "N", "threads [all processors]"},
    {"json", PS_OPTION_FLAG, &as_json, "", "print one JSON object"},
    {0},
};

const ps_command ps_command_eval = {
    .name = "eval",
    .usage = PS_SUBJECT_USAGE " [--data SOURCE]",
    .summary =
        "Measures loss and accuracy of a checkpoint on the test split (evaluation mode), and the share of dead nodes "
        "on its probe set.",
    .examples =
        "  poolscope eval runs/a\n"
        "  poolscope eval runs/a/checkpoint.safetensors --data cifar10:DIR\n"
        "  poolscope eval weights.safetensors --model resnet18 --data cifar10:DIR\n",
    .options = options,
    .run_options = PS_SUBJECT_OPTIONS,
    .min_positional = 1,
    .max_positional = 1,
};

static void print_result(const ps_checkpoint_session *s, ps_evaluation e, double dead) {
    char step[32] = "null";
    if (!s->weights_only) snprintf(step, sizeof step, "%llu", (unsigned long long)s->step);
    if (as_json)
        printf("{\"checkpoint_step\":%s,\"images\":%d,\"loss\":%.9g,\"accuracy\":%.9g,\"dead_share\":%.9g}\n", step,
               e.count, e.loss, e.accuracy, dead);
    else
        printf(
            "step      %s\nimages    %d\nloss      %.6f\naccuracy  %.2f %%\ndead      %.2f %% of the nodes with a "
            "gate of their own (batch mode, %d probe images)\n",
            s->weights_only ? "not known (weights alone)" : step, e.count, e.loss, 100 * e.accuracy, 100 * dead,
            s->session.probe_batches * s->config.batch);
}

static ps_status measure(ps_checkpoint_session *s) {
    ps_probe *probe = NULL;
    ps_status status = PS_OK;
    ps_probe_options probe_options = {
        .record = "nonzero", .steps = 1, .window = 1, .source = ps_session_probe_source(&s->session)};
    PS_TRY_CLEANUP(ps_probe_create(s->session.net, s->session.optimiser, &probe_options, &probe));
    PS_TRY_CLEANUP(ps_probe_measure(probe));
    print_result(s, ps_session_evaluate(&s->session, PS_SPLIT_TEST), ps_probe_dead_share(probe));
cleanup:
    ps_probe_destroy(probe);
    return status;
}

ps_status ps_cmd_eval(int argc, char **argv) {
    ps_arguments arguments;
    ps_checkpoint_session session;
    PS_TRY(ps_command_parse(&ps_command_eval, argc, argv, &arguments));
    if (arguments.help) return PS_OK;
    PS_TRY(ps_subject_open(&session, &arguments, threads));
    ps_status status = measure(&session);
    ps_checkpoint_session_close(&session);
    return status;
}
