#include <math.h>
#include <stdio.h>

#include "cli/command_line.h"
#include "cli/commands.h"
#include "run/subject.h"
#include "probe/probe.h"

static int threads;
static bool as_json;

static const ps_option options[] = {
    PS_THREADS(threads),
    PS_FLAG("json", as_json, "print one JSON object"),
    {0},
};

const ps_command ps_command_eval = {
    .name = "eval",
    .usage = PS_SUBJECT_USAGE " [--data SOURCE]",
    .summary =
        "Measures the loss of a checkpoint, and what its task measures, on the test split (evaluation mode), and the "
        "share of dead nodes on its probe set. Where weights, running statistics or outputs are not finite it says so, "
        "and the exit status "
        "is "
        "1.",
    .examples =
        "  poolscope eval runs/a\n"
        "  poolscope eval runs/a/checkpoint.safetensors --data cifar10:DIR\n"
        "  poolscope eval weights.safetensors --model resnet18 --data cifar10:DIR\n",
    .options = options,
    .run_options = PS_SUBJECT_OPTIONS ",tolerance_mm,mirror_eval",
    .min_positional = 1,
    .max_positional = 1,
};

/* As in a trace: null where nothing was measured, a text for what JSON has no number for. */
static void print_json_value(const char *key, double value, bool measured) {
    printf(",\"%s\":", key);
    if (!measured) printf("null");
    else if (!isfinite(value)) printf("\"%s\"", isnan(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity");
    else printf("%.9g", value);
}

static void print_json(const ps_checkpoint_session *s, ps_evaluation e, ps_dead_shares share) {
    if (s->weights_only) printf("{\"checkpoint_step\":null,\"images\":%d", e.count);
    else printf("{\"checkpoint_step\":%llu,\"images\":%d", (unsigned long long)s->step, e.count);
    print_json_value("loss", e.loss, e.count > 0);
    const ps_trace_task *task = &s->session.described;
    for (int m = 0; m < task->measures; m++)
        print_json_value(task->measure[m].name, e.value[m], e.count > 0 && isfinite(e.loss));
    print_json_value("dead_share", share.own, !isnan(share.own));
    print_json_value("dead_all_share", share.all, !isnan(share.all));
    print_json_value("edge_share", share.edge, !isnan(share.edge));
    printf("}\n");
}

static void print_measures(const ps_trace_task *task, ps_evaluation e) {
    char title[PS_TRACE_TASK_TEXT], value[64];
    for (int m = 0; m < task->measures; m++) {
        const ps_trace_measure *measure = &task->measure[m];
        bool measured = e.count > 0 && isfinite(e.loss);
        if (measured) ps_trace_measure_show(measure, e.value[m], 2, value, sizeof value);
        printf("%-9s %s\n", ps_trace_measure_title(measure, title), measured ? value : "not measured");
        if (measured && measure->rule[0] != '\0') printf("          (%s)\n", measure->rule);
    }
}

/* One line a class, with the measures that are known of any. */
static void print_classes(const ps_session *s, ps_evaluation e) {
    char title[PS_TRACE_TASK_TEXT], value[64];
    if (e.per_class == NULL || e.count == 0) return;
    for (int k = 0; k < e.classes; k++) {
        printf("class     %d %s:", k, ps_dataset_class_name(s->dataset, k));
        for (int m = 0; m < s->described.measures; m++) {
            double of_class = e.per_class[m * e.classes + k];
            if (isnan(of_class)) continue;
            printf("  %s %s", ps_trace_measure_title(&s->described.measure[m], title),
                   ps_trace_measure_show(&s->described.measure[m], of_class, 2, value, sizeof value));
        }
        printf("\n");
    }
}

static bool has_private_gate(const ps_net *net) {
    const ps_units *units = ps_net_units(net);
    for (int u = 0; u < units->count; u++)
        if (!units->unit[u].shared) return true;
    return false;
}

/* What samples are called. */
static const char *samples_of(const ps_dataset *dataset) {
    return ps_dataset_file_of(dataset, PS_SPLIT_TRAIN, 0).shape.d > 1 ? "volumes" : "images";
}

static void print_dead(const ps_checkpoint_session *s, ps_dead_shares share) {
    const ps_net *net = s->session.net;
    if (isnan(share.own))
        printf("dead      not measured: %s\n", has_private_gate(net) ? "behind these gates no node can be exactly dead"
                                                                     : "no node has a gate of its own");
    else
        printf("dead      %.2f %% of " PS_DEAD_OWN " (batch mode, %d probe %s)\n", 100 * share.own,
               s->session.probe_batches * s->config.batch, samples_of(s->session.dataset));
    if (!isnan(share.all)) printf("          %.2f %% of " PS_DEAD_ALL "\n", 100 * share.all);
}

/* Why no loss was measured. */
static void print_nothing(const ps_dataset *dataset) {
    int count = ps_dataset_count(dataset, PS_SPLIT_TEST);
    const char *samples = samples_of(dataset);
    if (count == 0) printf("loss      not measured: the data have no test %s\n", samples);
    else printf("loss      not measured: no position of the %d test %s has a label that counts\n", count, samples);
}

/* why: dead nodes were not looked for; "": they were, or no node can be dead. */
static void print_text(const ps_checkpoint_session *s, ps_evaluation e, ps_dead_shares share, const char *why) {
    if (s->weights_only) printf("step      not known (weights alone)\n");
    else printf("step      %llu\n", (unsigned long long)s->step);
    printf("%-9s %d\n", samples_of(s->session.dataset), e.count);
    if (e.count == 0) print_nothing(s->session.dataset);
    else if (!isfinite(e.loss)) printf("loss      %s\n", isnan(e.loss) ? "NaN" : "Infinity");
    else printf("loss      %.6f\n", e.loss);
    print_measures(&s->session.described, e);
    print_classes(&s->session, e);
    if (why[0] != '\0') printf("dead      not measured: %s\n", why);
    else print_dead(s, share);
    if (!isnan(share.edge)) printf("on edge   %.2f %%: rounding decides whether they are dead\n", 100 * share.edge);
}

static ps_status probe(ps_checkpoint_session *s, ps_dead_shares *share) {
    ps_probe *probe = NULL;
    ps_probe_options probe_options = {.record = "nonzero,pre_max_low,pre_max_high",
                                      .steps = 1,
                                      .window = 1,
                                      .source = ps_session_probe_source(&s->session)};
    PS_TRY(ps_probe_create(s->session.net, s->session.optimiser, &probe_options, &probe));
    ps_status status = ps_probe_measure(probe);
    *share = ps_probe_dead_shares(probe);
    ps_probe_destroy(probe);
    return status;
}

/* PS_ERR_CHECK, and so exit status 1, where what was measured rests on numbers that are not finite. */
static ps_status judge(ps_checkpoint_session *s, ps_evaluation e, bool blown, const char *path) {
    PS_TRY(ps_net_check_finite(s->session.net, PS_ERR_CHECK, path));
    if (e.count > 0 && !isfinite(e.loss))
        return ps_fail(PS_ERR_CHECK,
                       "%s: the loss is not finite on the test split, though all weights are: numbers overflow in the "
                       "network; `poolscope diagnose` names the nodes; look at the data, too",
                       path);
    if (!blown) return PS_OK;
    return ps_fail(PS_ERR_CHECK,
                   "%s: outputs on the probe set are not finite, though all weights are: numbers overflow in the "
                   "network; `poolscope diagnose` names the nodes",
                   path);
}

/* A network that cannot be probed (a single value a channel) can still be evaluated. */
static ps_status measure(ps_checkpoint_session *s, const char *path) {
    char why[1024] = "";
    ps_dead_shares share = {NAN, NAN, NAN, false};
    if (ps_net_check_statistics(s->session.net) != PS_OK) {
        snprintf(why, sizeof why, "%s", ps_status_message());
        ps_status_reset();
    } else {
        PS_TRY(probe(s, &share));
    }
    if (share.blown) snprintf(why, sizeof why, "outputs on the probe set are not finite");
    ps_evaluation evaluation;
    PS_TRY(ps_session_evaluate(&s->session, PS_SPLIT_TEST, &evaluation));
    if (as_json) print_json(s, evaluation, share);
    else print_text(s, evaluation, share, why);
    return judge(s, evaluation, share.blown, path);
}

ps_status ps_cmd_eval(int argc, char **argv) {
    ps_arguments arguments;
    ps_checkpoint_session session;
    PS_TRY(ps_command_parse(&ps_command_eval, argc, argv, &arguments));
    PS_TRY(ps_subject_open(&session, arguments.positional[0], &arguments.run, threads));
    ps_status status = measure(&session, arguments.positional[0]);
    ps_checkpoint_session_close(&session);
    return status;
}
