#include <stdlib.h>
#include <string.h>

#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/measurement.h"
#include "core/memory.h"

enum { MAX_ARMS = 32 };

static ps_option_values arm_texts;
static const char *out;
static bool quiet;

static const ps_option options[] = {
    {"arm", PS_OPTION_REPEATED, &arm_texts, "NAME=RUN,RUN..",
     "an arm and its runs (directories or trace files), one per seed; repeat per arm"},
    {"out", PS_OPTION_TEXT, &out, "DIR", "where tables/ and verdict.json go"},
    {"quiet", PS_OPTION_FLAG, &quiet, "", "no summary on the terminal"},
    {0},
};

const ps_command ps_command_compare = {
    .name = "compare",
    .usage = "--arm baseline=RUN,.. --arm NAME=RUN,.. --out DIR",
    .summary =
        "Compares arms, paired by seed, from their traces alone: tables, verdict and a summary. Runs whose pairing "
        "differs (data,\n"
        "order, backbone start, steps) are refused. The arm \"baseline\", else the first, is the reference. What "
        "`poolscope compensation`,\n"
        "`ranks` and `spectrum` left in the runs' directories (--out RUN) is gathered into the tables, too.",
    .examples =
        "  poolscope compare --arm baseline=runs/b1,runs/b2,runs/b3 --arm ps2=runs/p1,runs/p2,runs/p3 --out runs/cmp\n"
        "  poolscope report runs/cmp\n",
    .options = options,
};

/* Cuts "name=a,b,c" in place; the pieces stay owned by `text`. */
static ps_status parse_arm(char *text, const char **runs, ps_compare_arm *arm) {
    char *equals = strchr(text, '=');
    if (equals == NULL || equals == text || equals[1] == '\0')
        return ps_fail(PS_ERR_USAGE, "--arm needs NAME=RUN or NAME=RUN,RUN.., not \"%s\"", text);
    *equals = '\0';
    *arm = (ps_compare_arm){text, runs, 0};
    for (char *rest = equals + 1, *run; (run = strsep(&rest, ",")) != NULL;) {
        if (run[0] == '\0') return ps_fail(PS_ERR_USAGE, "--arm %s: there is an empty name between commas", text);
        if (arm->run_count == PS_OPTION_MAX_VALUES)
            return ps_fail(PS_ERR_USAGE, "--arm %s: more than %d runs", text, PS_OPTION_MAX_VALUES);
        runs[arm->run_count++] = run;
    }
    return PS_OK;
}

static ps_status compare(void) {
    static const char *runs[MAX_ARMS][PS_OPTION_MAX_VALUES];
    char *texts[MAX_ARMS] = {NULL};
    ps_compare_arm arms[MAX_ARMS];
    ps_status status = PS_OK;
    for (int i = 0; i < arm_texts.count; i++) {
        PS_TRY_CLEANUP(ps_string_copy(arm_texts.value[i], &texts[i]));
        PS_TRY_CLEANUP(parse_arm(texts[i], runs[i], &arms[i]));
    }
    status = ps_measurement_compare(arms, arm_texts.count, &(ps_compare_options){.out_directory = out, .quiet = quiet});
cleanup:
    for (int i = 0; i < MAX_ARMS; i++) free(texts[i]);
    return status;
}

ps_status ps_cmd_compare(int argc, char **argv) {
    ps_arguments arguments;
    PS_TRY(ps_command_parse(&ps_command_compare, argc, argv, &arguments));
    if (arguments.help) return PS_OK;
    if (arm_texts.count == 0 || out == NULL)
        return ps_fail(PS_ERR_USAGE, "compare: needs --arm and --out; usage: poolscope compare %s",
                       ps_command_compare.usage);
    if (arm_texts.count > MAX_ARMS) return ps_fail(PS_ERR_USAGE, "compare: more than %d arms", MAX_ARMS);
    return compare();
}
