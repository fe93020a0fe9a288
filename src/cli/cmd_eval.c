#include <math.h>
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

/* Of the nodes with a gate of their own; NaN: not measured. */
typedef struct {
    double dead, edge;
} shares;

/* As in a trace: null where nothing was measured, a text for what JSON has no number for. */
static void print_json_value(const char *key, double value, bool measured) {
    printf(",\"%s\":", key);
    if (!measured) printf("null");
    else if (!isfinite(value)) printf("\"%s\"", isnan(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity");
    else printf("%.9g", value);
}

static void print_json(const ps_checkpoint_session *s, ps_evaluation e, shares share) {
    if (s->weights_only) printf("{\"checkpoint_step\":null,\"images\":%d", e.count);
    else printf("{\"checkpoint_step\":%llu,\"images\":%d", (unsigned long long)s->step, e.count);
    print_json_value("loss", e.loss, e.count > 0);
    print_json_value("accuracy", e.accuracy, e.count > 0);
    print_json_value("dead_share", share.dead, !isnan(share.dead));
    print_json_value("edge_share", share.edge, !isnan(share.edge));
    printf("}\n");
}

/* why: dead nodes were not looked for; "": they were, or no node can be dead. */
static void print_text(const ps_checkpoint_session *s, ps_evaluation e, shares share, const char *why) {
    if (s->weights_only) printf("step      not known (weights alone)\nimages    %d\n", e.count);
    else printf("step      %llu\nimages    %d\n", (unsigned long long)s->step, e.count);
    if (e.count == 0) printf("loss      not measured: the data have no test images\naccuracy  not measured\n");
    else if (isnan(e.loss)) printf("loss      nan\naccuracy  %.2f %%\n", 100 * e.accuracy);
    else printf("loss      %.6f\naccuracy  %.2f %%\n", e.loss, 100 * e.accuracy);
    if (why[0] != '\0') printf("dead      not measured: %s\n", why);
    else if (isnan(share.dead)) printf("dead      not measured: no node has a gate of its own\n");
    else
        printf("dead      %.2f %% of the nodes with a gate of their own (batch mode, %d probe images)\n",
               100 * share.dead, s->session.probe_batches * s->config.batch);
    if (!isnan(share.edge)) printf("on edge   %.2f %%: rounding decides whether they are dead\n", 100 * share.edge);
}

static bool has_private_gate(const ps_net *net) {
    const ps_units *units = ps_net_units(net);
    for (int u = 0; u < units->count; u++)
        if (!units->unit[u].shared) return true;
    return false;
}

static ps_status probe(ps_checkpoint_session *s, shares *share) {
    ps_probe *probe = NULL;
    ps_probe_options probe_options = {.record = "nonzero,pre_max_low,pre_max_high",
                                      .steps = 1,
                                      .window = 1,
                                      .source = ps_session_probe_source(&s->session)};
    PS_TRY(ps_probe_create(s->session.net, s->session.optimiser, &probe_options, &probe));
    ps_status status = ps_probe_measure(probe);
    *share = (shares){ps_probe_dead_share(probe), ps_probe_edge_share(probe)};
    ps_probe_destroy(probe);
    return status;
}

/* A network that cannot be probed (a single value a channel) can still be evaluated. */
static ps_status measure(ps_checkpoint_session *s) {
    char why[1024] = "";
    shares share = {NAN, NAN};
    if (ps_net_check_statistics(s->session.net) != PS_OK) {
        snprintf(why, sizeof why, "%s", ps_status_message());
        ps_status_reset();
    } else {
        PS_TRY(probe(s, &share));
    }
    if (isnan(share.dead) && why[0] == '\0' && has_private_gate(s->session.net))
        snprintf(why, sizeof why, "outputs on the probe set are not finite");
    ps_evaluation evaluation = ps_session_evaluate(&s->session, PS_SPLIT_TEST);
    if (as_json) print_json(s, evaluation, share);
    else print_text(s, evaluation, share, why);
    return PS_OK;
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
