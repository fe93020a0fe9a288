#include <stdio.h>
#include <stdlib.h>

#include "analysis/findings/finding_write.h"
#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "run/directory.h"
#include "run/estimate.h"
#include "run/run.h"
#include "run/settle.h"
#include "core/clock.h"
#include "core/json.h"
#include "trace/trace_registration.h"

static const char *out, *resume, *registered, *stop_on, *compress;
static bool dry_run, force, quiet, no_pictures, profile;
static int threads;
static uint64_t began_ns;

static const ps_option options[] = {
    PS_TEXT("out", out, "DIR", NULL,
            "directory of the run: config.json, trace.jsonl, checkpoint.safetensors, pictures/"),
    PS_TEXT("resume", resume, "DIR", NULL, "go on with the run in DIR from its latest checkpoint, to the same trace"),
    PS_TEXT("register", registered, "FILE", NULL,
            "questions that the run is to help answer: JSON with \"primary\", \"seeds\", .. as experiments have them"),
    PS_TEXT("stop-on", stop_on, "LIST", NULL,
            "end the run at a window's end where a finding of this id or level is there (--stop-on critical)"),
    PS_TEXT("compress", compress, "HOW", NULL,
            "pack the trace as trace.jsonl.gz or .zst, which every command reads: gzip or zstd [none]"),
    PS_FLAG("force", force, "replace an earlier run in --out"),
    PS_FLAG("dry-run", dry_run, "only say what time, memory and disk the run will need"),
    PS_WHOLE("threads", threads, "N", NULL, 0, 1024, "threads; the trace does not depend on it [all processors]"),
    PS_FLAG(
        "profile", profile,
        "print at the end where the time went: parts of a step, and operations with their method, GFLOP/s, GB/s and "
        "share of what this machine can do"),
    PS_FLAG("no-pictures", no_pictures, "no pictures of what the network makes of some test samples (masks)"),
    PS_FLAG("quiet", quiet, "no progress"),
    {0},
};

const ps_command ps_command_train = {
    .name = "train",
    .usage = "[CONFIG.json] --out DIR [options]",
    .summary =
        "Trains one network, records every node and writes the trace. Settings come from the defaults, then "
        "CONFIG.json (the keys are the\n"
        "option names with underscores), then the command line. A run that diverges is whole and keeps its trace; the "
        "exit status is then 1\n"
        "(0: finished, 2: an error). With --stop-on a hopeless run ends early: status 1, the reason in one sentence, "
        "and a checkpoint from\n"
        "which --resume goes on (`poolscope diagnose --rules` lists the findings).",
    .examples =
        "  poolscope train --model plain9 --size 16 --steps 200 --out runs/first\n"
        "  poolscope train --model resnet18 --width 0.25 --pool-skip 2 --data cifar10:DIR --seed 1 \\\n"
        "      --steps 300 --out runs/a\n"
        "  poolscope train --resume runs/a\n",
    .options = options,
    .run_options = "*",
    .max_positional = 1,
};

static ps_status read_config(const ps_arguments *arguments, ps_run_config *config) {
    PS_TRY(ps_run_config_init(config));
    if (resume != NULL) {
        if (arguments->positional_count > 0 || arguments->run.name.count > 0 || out != NULL)
            return ps_fail(
                PS_ERR_USAGE,
                "--resume goes on with a run's own configuration; give no file, --out or run options beside it");
        return ps_run_read_config(resume, config);
    }
    if (arguments->positional_count > 0) {
        cJSON *json;
        PS_TRY(ps_json_read(arguments->positional[0], &json));
        ps_status status = ps_run_config_read_json(config, json, arguments->positional[0], NULL);
        cJSON_Delete(json);
        PS_TRY(status);
        PS_TRY(ps_run_config_resolve_fork(config, arguments->positional[0]));
    }
    PS_TRY(ps_run_settings_apply(&arguments->run, config));
    PS_TRY(ps_run_settle(config));
    return ps_run_settle_on_data(config);
}

static ps_status print_estimate(const ps_run_config *config) {
    ps_run_estimate e;
    PS_TRY(ps_run_estimate_of(config, threads, &e));
    printf(
        "time     %.1f s (%.1f ms a step, %.2f s a probing)\nmemory   %.0f MB\ndisk     %.1f MB\nlearned  %zu values\n",
        e.total_seconds, 1e3 * e.step_seconds, e.probe_seconds, 1e-6 * e.memory_bytes, 1e-6 * e.disk_bytes,
        e.parameters);
    return PS_OK;
}

/* One line and exit status 1, so that a script which goes on with the weights notices. */
static ps_status say_diverged(const char *directory) {
    return ps_fail(
        PS_ERR_CHECK,
        "%s: the run diverged: its weights, or its loss and gradient for three windows, are not finite (events "
        "\"nonfinite\" of the trace say where it began); try a lower --lr, --warmup or --clip",
        directory);
}

/* A run can come to its end with infinities in some layers alone; said even where nothing else is. */
static void note_nonfinite(const char *directory) {
    fprintf(stderr,
            "note: %s: the run is finished, but values were not finite on the way (events \"nonfinite\" of its trace "
            "name step and layer); nodes behind them cannot be judged\n",
            directory);
}

/* What is registered must be known before the first step: a run that goes on has what it began with. */
static ps_status read_registration(char **text) {
    cJSON *json;
    ps_registration registration;
    *text = NULL;
    if (registered == NULL) return PS_OK;
    if (resume != NULL)
        return ps_fail(PS_ERR_USAGE, "--register: the run in %s has begun; its questions are those it began with",
                       resume);
    PS_TRY(ps_json_read(registered, &json));
    ps_status status = ps_registration_parse(json, registered, &registration);
    if (status == PS_OK) status = ps_registration_text(&registration, text);
    cJSON_Delete(json);
    return status;
}

/* ---- --stop-on ---- */

typedef struct {
    uint64_t next; /* number of windows at which to judge again */
    char reason[2 * PS_FINDING_TEXT];
} stopper;

/* The whole trace is read to judge it, so the windows at which that is done lie ever further apart: each of the first
 * ten, then a tenth more windows each time. By their number alone, so that the same run stops at the same step. */
static ps_status is_hopeless(void *self, const char *trace, uint64_t windows, bool *stop) {
    stopper *s = self;
    ps_facts facts;
    ps_findings findings;
    if (windows < s->next) return PS_OK;
    while (s->next <= windows) s->next += 1 + s->next / 10; /* from 1 on, so also after a resume */
    PS_TRY(ps_facts_of_trace(trace, &facts));
    ps_status status = ps_findings_judge(&facts, NULL, NULL, &findings);
    if (status == PS_OK) {
        const ps_finding *found = ps_findings_wanted(&findings, stop_on);
        *stop = found != NULL;
        if (found != NULL)
            snprintf(s->reason, sizeof s->reason, "%s (%s): %s", ps_finding_level_name(found->level), found->rule->id,
                     found->sentence);
        ps_findings_clear(&findings);
    }
    ps_facts_clear(&facts);
    return status;
}

static ps_status train(const ps_run_config *config, const char *registration) {
    if (dry_run && out == NULL && resume == NULL) return print_estimate(config);
    if (out == NULL && resume == NULL)
        return ps_fail(PS_ERR_USAGE, "train: --out DIR is missing: where should the run go?");
    if (resume != NULL && ps_run_diverged(resume)) return say_diverged(resume);
    if (resume != NULL && ps_run_finished(resume)) {
        if (!quiet) fprintf(stderr, "%s: the run is finished already\n", resume);
        if (ps_run_nonfinite(resume)) note_nonfinite(resume);
        return PS_OK;
    }
    ps_run_state state = {0};
    ps_run_options run = {.directory = resume != NULL ? resume : out,
                          .resume = resume != NULL,
                          .force = force,
                          .registration = registration,
                          .quiet = quiet,
                          .no_pictures = no_pictures,
                          .profile = profile ? stdout : NULL,
                          .began_ns = began_ns,
                          .threads = threads,
                          .stop = ps_interrupt_flag(),
                          .state = &state};
    PS_TRY(ps_packing_parse(compress, "compress", &run.packing));
    if (compress != NULL && resume != NULL)
        return ps_fail(PS_ERR_USAGE, "--compress: the run in %s has begun, and goes on in the trace that it has",
                       resume);
    stopper stopping = {.next = 1};
    if (stop_on != NULL) {
        run.is_hopeless = is_hopeless;
        run.is_hopeless_self = &stopping;
    }
    if (dry_run) {
        PS_TRY(ps_run_check_place(run.directory, run.resume || run.force));
        return print_estimate(config);
    }
    ps_status status = ps_run_execute(config, &run);
    if (status == PS_ERR_STOPPED && stopping.reason[0] != '\0')
        return ps_fail(PS_ERR_CHECK,
                       "%s: stopped before step %llu by --stop-on: %s Go on with: poolscope train "
                       "--resume %s",
                       run.directory, (unsigned long long)state.step, stopping.reason, run.directory);
    PS_TRY(status);
    if (!state.diverged && state.nonfinite > 0) note_nonfinite(run.directory);
    return state.diverged ? say_diverged(run.directory) : PS_OK;
}

ps_status ps_cmd_train(int argc, char **argv) {
    ps_arguments arguments;
    ps_run_config config = {0};
    char *registration = NULL;
    began_ns = ps_clock_ns();
    PS_TRY(ps_command_parse(&ps_command_train, argc, argv, &arguments));
    if (stop_on != NULL) PS_TRY(ps_findings_check_wanted(stop_on));
    ps_status status = read_config(&arguments, &config);
    if (status == PS_OK) status = read_registration(&registration);
    if (status == PS_OK) status = train(&config, registration);
    free(registration);
    ps_run_config_clear(&config);
    return status;
}
