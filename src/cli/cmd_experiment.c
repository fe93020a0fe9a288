#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/plan.h"
#include "analysis/predictions/predictions.h"
#include "analysis/stats/sequential.h"
#include "analysis/predictions/foresee.h"
#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "measure/measurement.h"
#include "run/pairing.h"
#include "run/directory.h"
#include "run/estimate.h"
#include "run/run.h"
#include "run/schedule.h"
#include "core/file.h"
#include "core/memory.h"
#include "reports/report.h"

static const char *out, *compress;
static ps_experiment_subset subset;
static bool dry_run, force, quiet, no_report, no_pictures, sequential;
static int jobs, threads;

static const ps_option options[] = {
    PS_TEXT("out", out, "DIR", NULL, "directory of the experiment"),
    PS_TEXT("seeds", subset.seeds, "N,N..", NULL, "run only these of the file's seeds [all]"),
    PS_TEXT("arms", subset.arms, "NAME,NAME..", NULL,
            "run only these of the file's arms, and the reference (\"baseline\", else the first) [all]"),
    PS_WHOLE("jobs", jobs, "N", NULL, 0, 1024, "runs at a time [all processors]"),
    PS_WHOLE("threads", threads, "N", NULL, 0, 1024, "threads of each run [processors / jobs]"),
    PS_TEXT("compress", compress, "HOW", NULL,
            "pack the trace as trace.jsonl.gz or .zst, which every command reads: gzip or zstd [none]"),
    PS_FLAG("dry-run", dry_run, "only say what its seeds can decide, and what time, memory and disk it will need"),
    PS_FLAG("sequential", sequential,
            "look after 5, 8, 12, 16 and 20 of the file's 20 seeds, and stop once the primary question is answered"),
    PS_FLAG("force", force, "run anew what is there already"),
    PS_FLAG("no-report", no_report, "stop after tables and verdict"),
    PS_FLAG("no-pictures", no_pictures, "no pictures of what networks make of some test samples (masks)"),
    PS_FLAG("quiet", quiet, "no progress and no summary"),
    {0},
};

static const ps_option_hint hints[] = {
    {"seed", "the seeds stand in the file; --seeds 1,2 runs some of them"},
    {"arm", "the arms stand in the file; --arms NAME,NAME runs some of them"},
    {"resume", "the same command with the same --out goes on with what is unfinished"},
    {0},
};

const ps_command ps_command_experiment = {
    .name = "experiment",
    .usage = "CONFIG.json --out DIR [options]",
    .summary =
        "Runs every arm with every seed (same backbone weights, data order and augmentation in all arms of a seed), "
        "compares them and writes\n"
        "the report. A second call skips finished runs and goes on with unfinished ones. Run options override the file "
        "in every run.\n"
        "With --seeds or --arms the file's other runs are left as they are, and those that are finished stay in the "
        "comparison.\n"
        "\"measure\": [\"compensation\", \"ranks\", \"spectrum\"] in the file makes these measurements on the last "
        "checkpoint of every run;\n"
        "options are those of the commands: {\"ranks\": {}, \"spectrum\": {\"probes\": 2}}.\n"
        "\"primary\": \"P2\" in the file registers the question that the seeds are to answer: the id of a prediction, "
        "or "
        "{\"measure\":\n"
        "\"dead_end\", \"arm\": \"ps2\", \"against\": \"baseline\", \"direction\": \"higher\", \"margin\": 0.01}; "
        "\"secondary\": [...] are judged\n"
        "after it, one by one, while all before are shown. Without it all is exploratory.\n"
        "Arms may differ in any option; what differs beyond the arm is said before the first run, with the predictions "
        "that are then\n"
        "not testable.\n"
        "A run that diverges is an outcome: it is named, the others go on, and it stays in the comparison as the "
        "worst. "
        "Exit status 0:\n"
        "done, 1: an instrument check did not hold, 2: an error.",
    .examples =
        "  poolscope experiment examples/quickstart/experiment.json --out runs/quickstart\n"
        "  poolscope experiment examples/quickstart/experiment.json --seeds 1 --arms ps2 --out runs/try\n"
        "  poolscope experiment examples/cifar10/planted.json --data cifar10:DIR --out runs/planted\n",
    .options = options,
    .run_options = "*,!seed,!arm",
    .hints = hints,
    .min_positional = 1,
    .max_positional = 1,
};

static ps_status override(const void *context, ps_run_config *config) { return ps_run_settings_apply(context, config); }

/* Which run stands for an arm where the arms are compared by their settings; NULL: none is to be compared. */
static const ps_run_config *settings_of(const ps_experiment *e, int arm) {
    for (int i = 0; i < e->runs; i++)
        if (e->run[i].arm == arm) return &e->run[i].config;
    return NULL;
}

/* Whether any arm may differ in more than the arm: then all are built up to their first step. */
static ps_status may_differ(const ps_experiment *e, bool *may) {
    *may = false;
    for (int a = 0; a < e->arms && !*may; a++)
        if (settings_of(e, a) != NULL)
            PS_TRY(ps_pairing_may_differ(settings_of(e, e->reference), settings_of(e, a), may));
    return PS_OK;
}

/* The arms that are wanted, the reference first, and in what keys each differs from each. */
typedef struct {
    ps_pairing_arm arm[PS_EXPERIMENT_MAX_ARMS];
    ps_foreseen_arm known[PS_EXPERIMENT_MAX_ARMS];
    char keys[PS_EXPERIMENT_MAX_ARMS][PS_EXPERIMENT_MAX_ARMS][128];
    int count;
} arms_ahead;

static ps_status add_arm(const ps_experiment *e, int arm, arms_ahead *ahead) {
    ps_pairing_arm *added = &ahead->arm[ahead->count];
    ahead->count++;
    PS_TRY(ps_pairing_arm_of(settings_of(e, arm), threads, added));
    ahead->known[ahead->count - 1] = (ps_foreseen_arm){e->arm[arm], added->is.role, added->is.pool_size};
    return PS_OK;
}

static ps_status build_arms(const ps_experiment *e, const char *path, arms_ahead *ahead) {
    PS_TRY(add_arm(e, e->reference, ahead));
    for (int a = 0; a < e->arms; a++) {
        if (a == e->reference || settings_of(e, a) == NULL) continue;
        PS_TRY(add_arm(e, a, ahead));
        PS_TRY(ps_pairing_check(&ahead->arm[0], &ahead->arm[ahead->count - 1], path));
    }
    return PS_OK;
}

static void note_keys(arms_ahead *ahead) {
    ps_pairing_difference list[PS_PAIRING_KEYS + 1];
    for (int a = 0; a < ahead->count; a++)
        for (int b = 0; b < ahead->count; b++) {
            int count = a != b ? ps_pairing_differences(&ahead->arm[a], &ahead->arm[b], list) : 0;
            for (int i = 0; i < count; i++) {
                char *keys = ahead->keys[a][b];
                size_t used = strlen(keys);
                snprintf(keys + used, sizeof ahead->keys[a][b] - used, "%s%s", i > 0 ? ", " : "", list[i].key);
            }
        }
}

static void print_differences(const arms_ahead *ahead) {
    ps_pairing_difference list[PS_PAIRING_KEYS + 1];
    fprintf(stderr, "note: arms that differ from the reference \"%s\" in more than the arm:\n", ahead->known[0].name);
    for (int a = 1; a < ahead->count; a++) {
        int count = ps_pairing_differences(&ahead->arm[a], &ahead->arm[0], list);
        bool by_index = strstr(ahead->keys[a][0], "backbone") != NULL;
        if (count == 0) continue;
        fprintf(stderr, "  \"%s\": ", ahead->known[a].name);
        for (int i = 0; i < count; i++) {
            fprintf(stderr, "%s%s", i > 0 ? "; " : "", list[i].key);
            if (list[i].own[0] != '\0' || list[i].other[0] != '\0')
                fprintf(stderr, " (\"%s\" instead of \"%s\")", list[i].own, list[i].other);
        }
        fprintf(stderr, ". Runs will stand side by side by %s.\n",
                by_index ? "index, for no backbone is common" : "seed");
    }
}

/* One line for every two arms, with all predictions about them. */
static void print_untestable(const arms_ahead *ahead, ps_foreseen *foreseen, int found) {
    if (found == 0) fputs("  No prediction of the list compares arms that differ so.\n", stderr);
    for (int i = 0; i < found; i++) {
        int arm = foreseen[i].arm, against = foreseen[i].against;
        if (foreseen[i].id == NULL) continue;
        fputs("  Not testable, for they need runs that differ in the arm alone:", stderr);
        for (int k = i; k < found; k++) {
            if (foreseen[k].id == NULL || foreseen[k].arm != arm || foreseen[k].against != against) continue;
            fprintf(stderr, "%s %s", k > i ? "," : "", foreseen[k].id);
            foreseen[k].id = NULL;
        }
        fprintf(stderr, " (\"%s\" against \"%s\": %s).\n", ahead->known[arm].name, ahead->known[against].name,
                ahead->keys[arm][against]);
    }
}

static ps_status look_ahead(const ps_experiment *e, const char *path, arms_ahead *ahead) {
    const char *differs[PS_EXPERIMENT_MAX_ARMS * PS_EXPERIMENT_MAX_ARMS];
    ps_foreseen foreseen[PS_MOST_PREDICTIONS];
    int found;
    bool any = false;
    PS_TRY(build_arms(e, path, ahead));
    note_keys(ahead);
    for (int a = 0; a < ahead->count; a++) any |= ahead->keys[a][0][0] != '\0';
    for (int a = 0; a < ahead->count; a++)
        for (int b = 0; b < ahead->count; b++) differs[a * ahead->count + b] = ahead->keys[a][b];
    if (!any) return PS_OK;
    PS_TRY(ps_predictions_foresee(ahead->known, ahead->count, differs, foreseen, &found));
    print_differences(ahead);
    print_untestable(ahead, foreseen, found);
    return PS_OK;
}

/* Before hours of training: what the arms differ in, and what cannot be said of them for that reason. Refused is what
 * leaves nothing to compare. */
static ps_status check_pairs(const ps_experiment *e, const char *path) {
    bool may;
    arms_ahead *ahead;
    PS_TRY(may_differ(e, &may));
    if (!may) return PS_OK;
    PS_TRY(PS_ALLOC(1, &ahead, "arms ahead"));
    ps_status status = look_ahead(e, path, ahead);
    for (int a = 0; a < ahead->count; a++) ps_pairing_arm_clear(&ahead->arm[a]);
    ps_free(ahead);
    return status;
}

/* What a run of the arm needs; the parent's checkpoint of a fork need not be there yet. */
static ps_status estimate_run(const ps_experiment_run *run, ps_run_estimate *estimate) {
    ps_run_config config;
    PS_TRY(ps_run_config_copy(&run->config, &config));
    free(config.fork);
    ps_status status = ps_string_copy("", &config.fork);
    if (status == PS_OK) status = ps_run_estimate_of(&config, threads > 0 ? threads : 1, estimate);
    ps_run_config_clear(&config);
    return status;
}

static void print_question(const ps_experiment *e, const ps_trace_task *task) {
    if (e->registered) ps_plan_describe(&e->registration, task, stdout);
    else
        printf(
            "no question is registered (\"primary\" in the file): what comes out is exploratory, without a verdict\n");
    putchar('\n');
}

/* One run of each arm is measured; the others of the arm take as long. */
static ps_status print_estimate(const ps_experiment *e, const char *path) {
    double seconds = 0, disk = 0, memory = 0;
    int per_arm = e->seeds;
    PS_TRY(check_pairs(e, path));
    for (int i = 0; i < e->runs; i += per_arm) {
        ps_run_estimate estimate;
        PS_TRY(estimate_run(&e->run[i], &estimate));
        if (i == 0) print_question(e, &estimate.task);
        printf("%-16s %d runs of %.1f s on one thread, %.0f MB\n", e->run[i].config.arm, per_arm,
               estimate.total_seconds, 1e-6 * estimate.memory_bytes);
        seconds += per_arm * estimate.total_seconds;
        disk += per_arm * estimate.disk_bytes;
        if (estimate.memory_bytes > memory) memory = estimate.memory_bytes;
    }
    if (e->measure != NULL) printf("(without what is measured on the checkpoints afterwards)\n");
    printf("together         %d runs, %.0f s of one thread, %.0f MB a run, %.1f MB of disk\n", e->runs, seconds,
           1e-6 * memory, 1e-6 * disk);
    return PS_OK;
}

static const char *paths[PS_EXPERIMENT_MAX_ARMS][PS_EXPERIMENT_MAX_SEEDS];

/* Of the file's runs all that are there, in the order of its arms: a part that is run anew takes none out. */
static ps_status compare(const ps_experiment *e, bool *settled) {
    ps_compare_arm arms[PS_EXPERIMENT_MAX_ARMS] = {{0}};
    int count = 0;
    for (int a = 0; a < e->arms; a++) {
        int runs = 0;
        for (int i = 0; i < e->runs; i++)
            if (e->run[i].arm == a) paths[a][runs++] = e->run[i].directory;
        for (int i = 0; i < e->others; i++)
            if (e->other[i].arm == a && e->other[i].present) paths[a][runs++] = e->other[i].directory;
        if (runs > 0) arms[count++] = (ps_compare_arm){e->arm[a], paths[a], runs};
    }
    return ps_measurement_compare(arms, count,
                                  &(ps_compare_options){.out_directory = out,
                                                        .question = e->question,
                                                        .registration = e->registered ? &e->registration : NULL,
                                                        .settled = settled,
                                                        .quiet = quiet});
}

static ps_status copy_document(const char *path) {
    char *content = NULL, *copy = NULL;
    size_t size;
    ps_status status = PS_OK;
    PS_TRY_CLEANUP(ps_file_make_directories(out));
    PS_TRY_CLEANUP(ps_file_read(path, &content, &size));
    PS_TRY_CLEANUP(ps_file_join(out, "experiment.json", &copy));
    status = ps_file_write(copy, content, size);
cleanup:
    free(content);
    free(copy);
    return status;
}

/* ", ps2/seed-1": adds one to a list of runs, up to eight of them. */
static void add_name(char *list, size_t size, int *count, const ps_experiment_run *run) {
    enum { SHOWN = 8 };
    size_t used = strlen(list);
    if (++*count <= SHOWN)
        snprintf(list + used, size - used, "%s%s/seed-%d", used > 0 ? ", " : "", run->config.arm, run->seed);
    if (*count == SHOWN + 1) snprintf(list + used, size - used, ", and more");
}

/* What was asked for, and what else takes part in the comparison because it is there. */
static void note_subset(const ps_experiment *e) {
    int present = 0;
    char names[1024] = "";
    if (subset.seeds == NULL && subset.arms == NULL) return;
    fputs("note: asked for: arms", stderr);
    for (int a = 0, shown = 0; a < e->arms; a++)
        if (e->wanted[a])
            fprintf(stderr, "%s %s%s", shown++ > 0 ? "," : "", e->arm[a],
                    a == e->reference ? " (the reference, always part)" : "");
    fputs("; seeds", stderr);
    for (int s = 0; s < e->seeds; s++) fprintf(stderr, "%s %d", s > 0 ? "," : "", e->seed[s]);
    for (int i = 0; i < e->others; i++)
        if (e->other[i].present) add_name(names, sizeof names, &present, &e->other[i]);
    if (present == 0) fprintf(stderr, "; none of the file's other %d runs is there and finished\n", e->others);
    else
        fprintf(stderr, "; of the file's other %d runs %d are there, and compared, too: %s\n", e->others, present,
                names);
}

/* Also where nothing else is said. */
static void note_runs(const ps_experiment *e, bool (*holds)(const char *directory), const char *what,
                      const char *then) {
    int found = 0;
    char names[1024] = "";
    for (int i = 0; i < e->runs; i++)
        if (holds(e->run[i].directory)) add_name(names, sizeof names, &found, &e->run[i]);
    if (found > 0) fprintf(stderr, "note: %d of %d runs %s: %s; %s\n", found, e->runs, what, names, then);
}

static bool measured(const void *plan, const char *directory) { return ps_measurement_plan_done(plan, directory); }

static ps_status measure(const void *plan, const char *directory, int run_threads, const char **current) {
    return ps_measurement_plan_run(plan, directory, run_threads, current);
}

static bool only_nonfinite(const char *directory) { return ps_run_nonfinite(directory) && !ps_run_diverged(directory); }

static ps_status train_and_compare(ps_experiment *e, const ps_measurement_plan *plan, const char *path, bool *settled) {
    ps_trace_packing packing;
    PS_TRY(ps_packing_parse(compress, "compress", &packing));
    ps_schedule_options schedule = {.then = {plan, plan->count, measured, measure},
                                    .packing = packing,
                                    .jobs = jobs,
                                    .threads = threads,
                                    .force = force,
                                    .quiet = quiet,
                                    .no_pictures = no_pictures,
                                    .stop = ps_interrupt_flag()};
    PS_TRY(check_pairs(e, path));
    PS_TRY(ps_schedule_find_present(e));
    if (!quiet && !sequential) note_subset(e);
    PS_TRY(copy_document(path));
    PS_TRY(ps_schedule_run(e, &schedule));
    note_runs(e, ps_run_diverged, "diverged", "they stay in the comparison as the worst");
    note_runs(e, only_nonfinite, "came to their end with values that were not finite",
              "their traces name step and layer");
    return compare(e, settled);
}

static ps_status write_report(ps_status verdict) {
    ps_report_options report = {.formats = "html,md", .quiet = quiet};
    if (verdict != PS_OK && verdict != PS_ERR_CHECK) return verdict;
    /* A check that did not hold is shown in the report, too, and then still decides the exit status. */
    char sentence[1024];
    snprintf(sentence, sizeof sentence, "%s", ps_status_message());
    if (!no_report) PS_TRY(ps_report_write(out, &report));
    else if (!quiet) ps_report_note_older(out);
    return verdict == PS_OK ? PS_OK : ps_fail(verdict, "%s", sentence);
}

static ps_status read_experiment(const ps_arguments *arguments, const ps_experiment_subset *wanted, ps_experiment *e) {
    PS_TRY(ps_experiment_read(arguments->positional[0], out != NULL ? out : ".", override, &arguments->run, wanted, e));
    ps_status status = e->registered ? ps_questions_check(&e->registration, arguments->positional[0]) : PS_OK;
    if (status == PS_OK) status = ps_experiment_settle_on_data(e);
    if (status != PS_OK) ps_experiment_clear(e);
    return status;
}

/* Seeds in the order of the file, as many as a look has: "1,2,3,4,5". */
static void list_seeds(const ps_registration *registration, int count, char *list, size_t size) {
    list[0] = '\0';
    for (int s = 0; s < count && s < registration->seeds; s++)
        snprintf(list + strlen(list), size - strlen(list), "%s%lld", s > 0 ? "," : "", registration->seed[s]);
}

/* One look: its seeds are run as a subset of the file, those of earlier looks are there. */
static ps_status run_look(const ps_arguments *arguments, const ps_registration *registration, int seeds,
                          bool *settled) {
    char list[PS_REGISTRATION_MOST_SEEDS * 12];
    ps_experiment_subset look = {.seeds = list, .arms = subset.arms, .sequential = true};
    ps_experiment experiment;
    ps_measurement_plan plan;
    list_seeds(registration, seeds, list, sizeof list);
    PS_TRY(read_experiment(arguments, &look, &experiment));
    if (!quiet) fprintf(stderr, "look at %d seeds\n", seeds);
    ps_status status = ps_measurement_plan_read(experiment.measure, arguments->positional[0], &plan);
    if (status == PS_OK) status = train_and_compare(&experiment, &plan, arguments->positional[0], settled);
    ps_measurement_plan_clear(&plan);
    ps_experiment_clear(&experiment);
    return status;
}

static ps_status run_looks(const ps_arguments *arguments, const ps_experiment *e) {
    const ps_registration registration = e->registration;
    ps_status status = PS_OK;
    bool settled = false;
    if (!e->registered)
        return ps_fail(PS_ERR_USAGE, "--sequential: %s registers no question to stop for; write \"primary\" into it",
                       arguments->positional[0]);
    for (int k = 0; k < ps_looks_early.count && !settled && status == PS_OK; k++)
        status = run_look(arguments, &registration, ps_looks_early.seeds[k], &settled);
    return write_report(status);
}

ps_status ps_cmd_experiment(int argc, char **argv) {
    ps_arguments arguments;
    ps_experiment experiment;
    PS_TRY(ps_command_parse(&ps_command_experiment, argc, argv, &arguments));
    if (out == NULL && !dry_run)
        return ps_fail(PS_ERR_USAGE, "experiment: --out DIR is missing: where should the runs go?");
    if (sequential && subset.seeds != NULL)
        return ps_fail(PS_ERR_USAGE, "--sequential takes the file's seeds in their order; leave --seeds out");
    subset.sequential = sequential;
    if (!no_report && !dry_run) PS_TRY(ps_report_ready());
    PS_TRY(read_experiment(&arguments, &subset, &experiment));
    ps_measurement_plan plan;
    ps_status status = ps_measurement_plan_read(experiment.measure, arguments.positional[0], &plan);
    if (status == PS_OK && dry_run) status = print_estimate(&experiment, arguments.positional[0]);
    else if (status == PS_OK && sequential) status = run_looks(&arguments, &experiment);
    else if (status == PS_OK)
        status = write_report(train_and_compare(&experiment, &plan, arguments.positional[0], NULL));
    ps_measurement_plan_clear(&plan);
    ps_experiment_clear(&experiment);
    return status;
}
