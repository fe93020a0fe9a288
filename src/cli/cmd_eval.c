#include <stdio.h>
#include <stdlib.h>

#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/session.h"
#include "core/json.h"
#include "probe/probe.h"

static const char *data;
static int threads;
static bool as_json;

static const ps_option options[] = {
    {"data", PS_OPTION_TEXT, &data, "SOURCE", "data to measure on [those of the run]"},
    {"threads", PS_OPTION_INT, &threads, "N", "threads [all processors]"},
    {"json", PS_OPTION_FLAG, &as_json, "", "print one JSON object"},
    {0},
};

static const ps_command command = {
    .name = "eval",
    .usage = "CHECKPOINT [--data SOURCE]",
    .summary = "Measures loss and accuracy of a checkpoint on the test split (evaluation mode), and the share of dead nodes on its probe set.",
    .examples = "  poolscope eval runs/a/checkpoint.safetensors --data cifar10:DIR\n",
    .options = options,
    .min_positional = 1,
    .max_positional = 1,
};

static ps_status measure(ps_session *session, const char *path, uint64_t step) {
    ps_probe *probe = NULL;
    ps_status status = PS_OK;
    PS_TRY_CLEANUP(ps_checkpoint_read(path, session->net, NULL, NULL));
    ps_probe_options probe_options = {.record = "nonzero", .steps = 1, .window = 1, .source = ps_session_probe_source(session)};
    PS_TRY_CLEANUP(ps_probe_create(session->net, session->optimiser, &probe_options, &probe));
    PS_TRY_CLEANUP(ps_probe_measure(probe));
    ps_evaluation e = ps_session_evaluate(session, PS_SPLIT_TEST);
    double dead = ps_probe_dead_share(probe);
    if (as_json)
        printf("{\"checkpoint_step\":%llu,\"images\":%d,\"loss\":%.9g,\"accuracy\":%.9g,\"dead_share\":%.9g}\n", (unsigned long long)step, e.count, e.loss,
               e.accuracy, dead);
    else
        printf("step      %llu\nimages    %d\nloss      %.6f\naccuracy  %.2f %%\ndead      %.2f %% of the nodes with a gate of their own (batch mode, %d probe images)\n",
               (unsigned long long)step, e.count, e.loss, 100 * e.accuracy, 100 * dead, session->probe_batches * session->config->batch);
cleanup:
    ps_probe_destroy(probe);
    return status;
}

static ps_status evaluate(const char *path, ps_run_config *config) {
    ps_graph *graph = NULL;
    char *text = NULL;
    cJSON *json = NULL;
    uint64_t step;
    ps_session session;
    ps_status status = PS_OK;
    bool known;
    PS_TRY_CLEANUP(ps_checkpoint_open(path, &graph, &text, &step));
    PS_TRY_CLEANUP(ps_json_parse(text, path, &json));
    PS_TRY_CLEANUP(ps_run_config_read_json(config, cJSON_GetObjectItemCaseSensitive(json, "run"), path, NULL));
    if (data != NULL) PS_TRY_CLEANUP(ps_run_config_set(config, "data", data, &known));
    PS_TRY_CLEANUP(ps_session_open(&session, config, graph, threads));
    status = measure(&session, path, step);
    ps_session_close(&session);
cleanup:
    cJSON_Delete(json);
    free(text);
    ps_graph_destroy(graph);
    return status;
}

ps_status ps_cmd_eval(int argc, char **argv) {
    ps_arguments arguments;
    ps_run_config config = {0};
    PS_TRY(ps_command_parse(&command, argc, argv, &arguments));
    if (arguments.help) return PS_OK;
    ps_status status = ps_run_config_init(&config);
    if (status == PS_OK) status = evaluate(arguments.positional[0], &config);
    ps_run_config_clear(&config);
    return status;
}
