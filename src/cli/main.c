/* The one place that prints errors and exits: 0 done and held, 1 a check did not hold, 2 an error. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"
#include "core/text.h"
#include "kernels/gemm.h"
#include "kernels/simd.h"

typedef struct {
    const char *name, *summary;
    ps_status (*run)(int argc, char **argv);
} command;

static const command commands[] = {
#define PS_COMMAND(name, summary) {#name, summary, ps_cmd_##name},
#include "cli/command_list.def"
#undef PS_COMMAND
};
enum { COMMANDS = sizeof commands / sizeof *commands };

static void print_help(void) {
    printf("poolscope %s: singularity analysis and diagnostics for neural-network training\n\n", PS_VERSION);
    printf("usage: poolscope COMMAND [options]\n\nCommands\n");
    for (int i = 0; i < COMMANDS; i++) printf("  %-12s %s\n", commands[i].name, commands[i].summary);
    printf(
        "\n`poolscope COMMAND --help` explains a command. Exit status: 0 done and held, 1 a check did not hold, 2 an "
        "error.\n\n"
        "First steps\n"
        "  poolscope train --model plain9 --steps 200 --out runs/first\n"
        "  poolscope experiment examples/quickstart/experiment.json --out runs/quickstart\n");
}

static ps_status unknown(const char *word) {
    const char *best = NULL;
    int best_distance = 4;
    for (int i = 0; i < COMMANDS; i++) {
        int distance = ps_text_distance(word, commands[i].name);
        if (distance < best_distance) {
            best_distance = distance;
            best = commands[i].name;
        }
    }
    if (best != NULL) return ps_fail(PS_ERR_USAGE, "unknown command \"%s\"; did you mean \"%s\"?", word, best);
    return ps_fail(PS_ERR_USAGE, "unknown command \"%s\"; `poolscope --help` lists the commands", word);
}

static ps_status dispatch(int argc, char **argv) {
    const char *word = argc > 1 ? argv[1] : "--help";
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0) {
        print_help();
        return PS_OK;
    }
    if (strcmp(word, "--version") == 0) {
        printf("poolscope %s (%s)\n", PS_VERSION, ps_gemm_library());
        return PS_OK;
    }
    for (int i = 0; i < COMMANDS; i++)
        if (strcmp(word, commands[i].name) == 0) return commands[i].run(argc - 2, argv + 2);
    return unknown(word);
}

/* What was printed but could not be written (a full disk behind a redirection) is an error, too. */
static ps_status flush_output(void) {
    if (fflush(stdout) == 0 && !ferror(stdout)) return PS_OK;
    return ps_fail(PS_ERR_IO, "standard output could not be written completely; check the place it goes to");
}

int main(int argc, char **argv) {
    signal(SIGPIPE, SIG_IGN); /* a closed pager ends in a write error, not in a kill */
    signal(SIGXFSZ, SIG_IGN); /* and so does a file that may not grow */
    ps_gemm_setup();
    ps_status status = ps_simd_check();
    if (status == PS_OK) status = dispatch(argc, argv);
    if (status == PS_OK) status = flush_output();
    if (status == PS_OK) return 0;
    fflush(stdout);
    fprintf(stderr, "poolscope: %s\n", ps_status_message());
    if (getenv("PS_VERBOSE") != NULL) fprintf(stderr, "  (at %s)\n", ps_status_origin());
    return status == PS_ERR_CHECK ? 1 : 2;
}
