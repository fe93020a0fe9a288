#include <glob.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command_line.h"
#include "cli/commands.h"
#include "measure/measurement.h"
#include "core/file.h"
#include "core/memory.h"
#include "reports/report.h"

enum { MAX_ARMS = 32 };

static ps_option_values arm_texts;
static const char *out;
static bool quiet;

static const ps_option options[] = {
    PS_REPEATED(
        "arm", arm_texts, "NAME=RUN,RUN..",
        "an arm and its runs (directories or trace files; patterns as 'runs/b*'), one per seed; repeat per arm or per "
        "run; a name with commas goes alone, as --arm NAME=RUN of its own, or with \\, for each of them"),
    PS_TEXT("out", out, "DIR", NULL, "where tables/ and verdict.json go"),
    PS_FLAG("quiet", quiet, "no summary on the terminal"),
    {0},
};

const ps_command ps_command_compare = {
    .name = "compare",
    .usage = "--arm baseline=RUN,.. --arm NAME=RUN,.. --out DIR",
    .summary =
        "Compares arms from their traces alone: tables, verdict and a summary. Arms may differ in anything; what they "
        "share is said,\n"
        "and a prediction that needs runs that differ in the arm alone is not testable where they do not. Runs stand "
        "side by side by\n"
        "seed where the backbone starts alike, by index else; other data is refused. The arm \"baseline\", else the "
        "first, is the reference. What "
        "`poolscope compensation`,\n"
        "`ranks` and `spectrum` left in the runs' directories (--out RUN) is gathered into the tables, too.",
    .examples =
        "  poolscope compare --arm baseline=runs/b1,runs/b2 --arm ps2=runs/p1,runs/p2 --out runs/cmp\n"
        "  poolscope compare --arm 'baseline=sweep/lr=0.1,seed=*' --arm 'ps2=sweep/lr=0.1,ps=2,seed=*' \\\n"
        "      --out runs/cmp\n"
        "  poolscope report runs/cmp\n",
    .options = options,
};

/* The runs of an arm, in the order in which they were named; owned. */
typedef struct {
    char *name;
    char **run;
    int count;
    size_t capacity;
} arm_runs;

static ps_status add_run(arm_runs *arm, const char *path) {
    if (arm->count == PS_OPTION_MAX_VALUES)
        return ps_fail(PS_ERR_USAGE, "--arm %s: more than %d runs", arm->name, PS_OPTION_MAX_VALUES);
    PS_TRY(PS_GROW(&arm->run, &arm->capacity, (size_t)arm->count + 1, "runs of an arm"));
    PS_TRY(ps_string_copy(path, &arm->run[arm->count]));
    arm->count++;
    return PS_OK;
}

/* Adds what a pattern matches, sorted; *any: whether it was something. */
static ps_status add_matches(arm_runs *arm, const char *pattern, bool *any) {
    glob_t found;
    ps_status status = PS_OK;
    int code = glob(pattern, 0, NULL, &found);
    *any = code == 0;
    if (code == GLOB_NOMATCH) return PS_OK;
    if (code != 0) return ps_fail(PS_ERR_IO, "--arm %s: \"%s\" could not be looked up", arm->name, pattern);
    for (size_t i = 0; i < found.gl_pathc && status == PS_OK; i++) status = add_run(arm, found.gl_pathv[i]);
    globfree(&found);
    return status;
}

/* A file of that very name goes before a pattern: names of folders may hold brackets. */
static ps_status add_name(arm_runs *arm, const char *name) {
    bool any;
    if (ps_file_exists(name) || strpbrk(name, "*?[") == NULL) return add_run(arm, name);
    PS_TRY(add_matches(arm, name, &any));
    if (any) return PS_OK;
    return ps_fail(PS_ERR_INPUT, "--arm %s: no run is called as \"%s\" says; look at the pattern", arm->name, name);
}

/* Takes "a,b\\,c" apart: names between commas, of which one behind a backslash belongs to the name. */
static ps_status add_list(arm_runs *arm, char *list) {
    for (char *piece = list, *end; piece != NULL; piece = end) {
        char *to = piece;
        for (end = piece; *end != '\0' && *end != ','; end++) {
            if (end[0] == '\\' && end[1] == ',') end++;
            *to++ = *end;
        }
        end = *end == ',' ? end + 1 : NULL;
        *to = '\0';
        if (piece[0] == '\0')
            return ps_fail(PS_ERR_USAGE, "--arm %s: there is an empty name between commas", arm->name);
        PS_TRY(add_name(arm, piece));
    }
    return PS_OK;
}

/* Where a piece between commas is nothing that is there, the commas may belong to the name. */
static ps_status check_commas(const arm_runs *arm, const char *text) {
    for (int r = 0; r < arm->count; r++)
        if (!ps_file_exists(arm->run[r]))
            return ps_fail(
                PS_ERR_INPUT,
                "--arm %s: there is no \"%s\"; where the comma in \"%s\" belongs to the name of a run, give each "
                "run an --arm %s=RUN of its own, or write \\, for it",
                arm->name, arm->run[r], text, arm->name);
    return PS_OK;
}

/* All runs of one --arm. A name or a pattern with commas is taken as it stands where it is the only one. */
static ps_status add_runs(arm_runs *arm, const char *text) {
    char *list = NULL;
    bool any;
    if (ps_file_exists(text)) return add_run(arm, text);
    PS_TRY(add_matches(arm, text, &any));
    if (any) return PS_OK;
    PS_TRY(ps_string_copy(text, &list));
    ps_status status = add_list(arm, list);
    if (status == PS_OK && strchr(text, ',') != NULL) status = check_commas(arm, text);
    free(list);
    return status;
}

static ps_status parse_arm(const char *text, arm_runs *arms, int *count) {
    const char *equals = strchr(text, '=');
    if (equals == NULL || equals == text || equals[1] == '\0')
        return ps_fail(PS_ERR_USAGE, "--arm needs NAME=RUN or NAME=RUN,RUN.., not \"%s\"", text);
    size_t length = (size_t)(equals - text);
    int a = 0;
    while (a < *count && (strncmp(arms[a].name, text, length) != 0 || arms[a].name[length] != '\0')) a++;
    if (a == MAX_ARMS) return ps_fail(PS_ERR_USAGE, "compare: more than %d arms", MAX_ARMS);
    if (a == *count) {
        PS_TRY(ps_string_format(&arms[a].name, "%.*s", (int)length, text));
        ++*count;
    }
    return add_runs(&arms[a], equals + 1);
}

/* A report that was made from what was there before stays as it is, and so must not pass for this comparison's. The
 * sentence of a check that did not hold comes after. */
static ps_status note_older_report(ps_status status) {
    char sentence[1024];
    if (quiet || (status != PS_OK && status != PS_ERR_CHECK)) return status;
    snprintf(sentence, sizeof sentence, "%s", ps_status_message());
    ps_report_note_older(out);
    return status == PS_OK ? PS_OK : ps_fail(status, "%s", sentence);
}

static ps_status compare(void) {
    arm_runs named[MAX_ARMS] = {{0}};
    ps_compare_arm arms[MAX_ARMS];
    int count = 0;
    ps_status status = PS_OK;
    for (int i = 0; i < arm_texts.count; i++) PS_TRY_CLEANUP(parse_arm(arm_texts.value[i], named, &count));
    for (int a = 0; a < count; a++)
        arms[a] = (ps_compare_arm){named[a].name, (const char *const *)named[a].run, named[a].count};
    status = ps_measurement_compare(arms, count, &(ps_compare_options){.out_directory = out, .quiet = quiet});
    status = note_older_report(status);
cleanup:
    for (int a = 0; a < count; a++) {
        for (int r = 0; r < named[a].count; r++) free(named[a].run[r]);
        ps_free_array(named[a].run);
        free(named[a].name);
    }
    return status;
}

ps_status ps_cmd_compare(int argc, char **argv) {
    ps_arguments arguments;
    PS_TRY(ps_command_parse(&ps_command_compare, argc, argv, &arguments));
    if (arm_texts.count == 0 || out == NULL)
        return ps_fail(PS_ERR_USAGE, "compare: needs --arm and --out; usage: poolscope compare %s",
                       ps_command_compare.usage);
    return compare();
}
