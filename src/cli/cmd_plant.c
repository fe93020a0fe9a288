#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "cli/command_line.h"
#include "cli/commands.h"
#include "run/directory.h"
#include "run/subject.h"

static const char *plant, *out;
static int threads;

static const ps_option options[] = {
    PS_TEXT("plant", plant, "SPEC", NULL, "what to plant: share=0.25,cause=bias,seed=1,layers=conv*"),
    PS_TEXT("out", out, "FILE", NULL, "the changed checkpoint, or weights"),
    PS_THREADS(threads),
    {0},
};

const ps_command ps_command_plant = {
    .name = "plant",
    .usage = PS_SUBJECT_USAGE " --plant SPEC --out FILE",
    .summary =
        "Makes nodes of a checkpoint dead on purpose and prints which (layer, channel, cause as tab-separated lines): "
        "a known truth to test a\n"
        "diagnosis against. Keys: share or count; cause = bias, weights-in, weights-out, gamma, ceiling, upstream, "
        "overlap, dependent, near-miss (several joined by +);\n"
        "seed; layers (pattern); value (of bias). Several plantings are separated by ';'. Of weights alone, weights "
        "alone are "
        "written.",
    .examples =
        "  poolscope plant runs/a/checkpoint.safetensors --plant share=0.1,cause=bias+gamma,seed=7 \\\n"
        "      --out planted.safetensors\n"
        "  poolscope plant weights.safetensors --graph net.json --plant count=3 --out planted.safetensors\n",
    .options = options,
    .run_options = PS_SUBJECT_OPTIONS,
    .min_positional = 1,
    .max_positional = 1,
};

static void print_planted(const ps_planting_list *list) {
    printf("layer\tchannel\tcause\n");
    for (int i = 0; i < list->count; i++)
        for (int c = 0; c < list->planting[i].channels; c++)
            printf("%s\t%d\t%s\n", list->planting[i].layer, list->planting[i].channel[c], list->planting[i].cause);
}

/* By file, not by name: ./a, a and a link to it are one. */
static ps_status refuse_input(const char *checkpoint) {
    struct stat from, to;
    if (stat(checkpoint, &from) != 0 || stat(out, &to) != 0 || from.st_ino != to.st_ino || from.st_dev != to.st_dev)
        return PS_OK;
    return ps_fail(PS_ERR_USAGE, "%s: --out would replace the checkpoint that is read; choose another name", out);
}

static ps_status change(ps_checkpoint_session *s) {
    ps_planting_list planted = {NULL, 0, 0};
    ps_probe_source source = ps_session_probe_source(&s->session);
    PS_TRY(ps_net_check_finite(s->session.net, PS_ERR_INPUT, s->path));
    ps_status status = ps_plant(s->session.net, plant, &source, &planted);
    const ps_graph *described = s->weights_only ? NULL : s->graph; /* weights alone have no step to go on from */
    if (status == PS_OK) status = ps_checkpoint_write(out, described, s->session.net, NULL, s->step, s->config_text);
    if (status == PS_OK) print_planted(&planted);
    ps_planting_list_clear(&planted);
    return status;
}

ps_status ps_cmd_plant(int argc, char **argv) {
    ps_arguments arguments;
    ps_checkpoint_session session;
    char *path;
    PS_TRY(ps_command_parse(&ps_command_plant, argc, argv, &arguments));
    if (plant == NULL || out == NULL) return ps_fail(PS_ERR_USAGE, "plant: needs --plant SPEC and --out FILE");
    PS_TRY(ps_run_weights_path(arguments.positional[0], &path));
    ps_status status = refuse_input(path);
    free(path);
    if (status == PS_OK) status = ps_subject_open(&session, arguments.positional[0], &arguments.run, threads);
    PS_TRY(status);
    status = change(&session);
    ps_checkpoint_session_close(&session);
    return status;
}
