#include "run/schedule.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "run/directory.h"
#include "run/resume.h"
#include "run/run.h"
#include "core/file.h"
#include "core/json.h"
#include "core/memory.h"
#include "kernels/processor.h"
#include "parallel/processors.h"
#include "core/progress.h"
#include "core/text.h"

typedef enum { WAITING, RUNNING, DONE, FAILED } phase;

/* What a child tells its parent; lies in memory shared between both. */
typedef struct {
    ps_run_state state;
    ps_status status;
    char message[1024];
    const char
        *measuring; /* name of the present measurement; constant text, at the same address in both. NULL: training */
} report;

typedef struct {
    const ps_experiment *experiment;
    const ps_schedule_options *options;
    report *report; /* one per run, shared */
    phase *phase;
    pid_t *child;
    int jobs, threads, running;
    ps_status failure;
    ps_progress progress;
} schedule;

static bool asked_to_stop(const schedule *s) { return s->options->stop != NULL && *s->options->stop != 0; }

/* ---- what is there already ---- */

static ps_status compare_configs(const ps_experiment_run *run, const cJSON *wanted, const cJSON *found,
                                 const char *remedy) {
    const cJSON *item;
    cJSON_ArrayForEach(item, wanted) {
        if (strcmp(item->string, "data") == 0) continue; /* may have moved; what they are is looked at, not where */
        const cJSON *other = cJSON_GetObjectItemCaseSensitive(found, item->string);
        if (other == NULL || cJSON_Compare(item, other, true)) continue;
        char *was = NULL, *is = NULL;
        if (ps_json_text(other, &was) == PS_OK) (void)ps_json_text(item, &is);
        ps_status status =
            ps_fail(PS_ERR_USAGE, "%s: was run with %s = %s, now it is %s; choose another --out, or %s", run->directory,
                    item->string, was != NULL ? was : "?", is != NULL ? is : "?", remedy);
        cJSON_free(was);
        cJSON_free(is);
        return status;
    }
    return PS_OK;
}

static ps_status check_same(const ps_experiment_run *run, const char *remedy) {
    ps_run_config found;
    cJSON *wanted_json = NULL, *found_json = NULL;
    ps_status status = ps_run_config_init(&found);
    if (status == PS_OK) status = ps_run_read_config(run->directory, &found);
    if (status == PS_OK) status = ps_run_config_to_json(&run->config, &wanted_json);
    if (status == PS_OK) status = ps_run_config_to_json(&found, &found_json);
    if (status == PS_OK) status = compare_configs(run, wanted_json, found_json, remedy);
    cJSON_Delete(wanted_json);
    cJSON_Delete(found_json);
    ps_run_config_clear(&found);
    return status;
}

static bool started_before(const ps_experiment_run *run) {
    char *path = NULL;
    bool there = ps_file_join(run->directory, "config.json", &path) == PS_OK && ps_file_exists(path);
    free(path);
    return there;
}

/* Of finished runs: parents are measured by nobody, and diverged weights have nothing to tell. */
static bool needs_measuring(const schedule *s, int i) {
    const ps_experiment_run *run = &s->experiment->run[i];
    return run->arm >= 0 && !ps_run_diverged(run->directory) && s->options->then.count > 0 &&
           !s->options->then.done(s->options->then.self, run->directory);
}

static ps_status look(schedule *s, int i) {
    const ps_experiment_run *run = &s->experiment->run[i];
    s->phase[i] = WAITING;
    if (s->options->force || !started_before(run)) return PS_OK;
    PS_TRY(check_same(run, "--force to run it anew"));
    if (!ps_run_finished(run->directory)) return PS_OK;
    PS_TRY(ps_run_check_whole(run->directory, &run->config));
    s->report[i].state.step = (uint64_t)run->config.steps;
    if (!needs_measuring(s, i)) s->phase[i] = DONE;
    return PS_OK;
}

ps_status ps_schedule_find_present(ps_experiment *experiment) {
    for (int i = 0; i < experiment->others; i++) {
        ps_experiment_run *run = &experiment->other[i];
        if (!started_before(run) || !ps_run_finished(run->directory)) continue;
        PS_TRY(check_same(run, "--force without --seeds and --arms to run all anew"));
        PS_TRY(ps_run_check_whole(run->directory, &run->config));
        run->present = true;
    }
    return PS_OK;
}

/* ---- children ---- */

static ps_status train(schedule *s, int i) {
    const ps_experiment_run *run = &s->experiment->run[i];
    bool again = started_before(run) && !s->options->force;
    if (again && ps_run_finished(run->directory)) return PS_OK;
    ps_run_options options = {.directory = run->directory,
                              .resume = again,
                              .force = s->options->force,
                              .registration = s->experiment->registration_text,
                              .quiet = true,
                              .no_pictures = s->options->no_pictures,
                              .threads = s->threads,
                              .packing = s->options->packing,
                              .stop = s->options->stop,
                              .state = &s->report[i].state};
    return ps_run_execute(&run->config, &options);
}

/* A measurement has no half-way: a signal ends it at once, and nothing of it was written. */
static ps_status measure(schedule *s, int i) {
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    if (asked_to_stop(s)) return ps_fail(PS_ERR_STOPPED, "stopped before measuring");
    return s->options->then.run(s->options->then.self, s->experiment->run[i].directory, s->threads,
                                &s->report[i].measuring);
}

static _Noreturn void be_child(schedule *s, int i) {
    prctl(PR_SET_PDEATHSIG, SIGTERM); /* a killed parent leaves no runs behind: they end their window */
    ps_status status = train(s, i);
    if (status == PS_OK && needs_measuring(s, i)) status = measure(s, i);
    s->report[i].status = status;
    snprintf(s->report[i].message, sizeof s->report[i].message, "%s", ps_status_message());
    _exit(s->report[i].status == PS_OK ? 0 : 2);
}

static ps_status start(schedule *s, int i) {
    fflush(NULL);                          /* what is buffered must not be written twice */
    s->report[i].status = PS_ERR_INTERNAL; /* stays when the child dies without a word */
    pid_t pid = fork();
    if (pid < 0)
        return ps_fail(PS_ERR_IO, "could not start a process for %s (%s)", s->experiment->run[i].directory,
                       strerror(errno));
    if (pid == 0) be_child(s, i);
    s->child[i] = pid;
    s->phase[i] = RUNNING;
    s->running++;
    return PS_OK;
}

static bool ready(const schedule *s, int i) {
    int parent = s->experiment->run[i].parent;
    return s->phase[i] == WAITING && (parent < 0 || s->phase[parent] == DONE);
}

static bool stopping(const schedule *s) { return s->failure != PS_OK || asked_to_stop(s); }

static ps_status start_ready(schedule *s) {
    for (int i = 0; i < s->experiment->runs && s->running < s->jobs && !stopping(s); i++)
        if (ready(s, i)) PS_TRY(start(s, i));
    return PS_OK;
}

static void note_failure(schedule *s, int i, int wait_status) {
    const report *r = &s->report[i];
    const char *directory = s->experiment->run[i].directory;
    s->phase[i] = FAILED;
    if (s->failure != PS_OK || (WIFSIGNALED(wait_status) && asked_to_stop(s))) return;
    if (WIFSIGNALED(wait_status))
        s->failure = ps_fail(
            PS_ERR_INTERNAL,
            "%s: the run was killed by signal %d (out of memory?); the same command goes on from its last checkpoint",
            directory, WTERMSIG(wait_status));
    else if (r->status != PS_ERR_STOPPED) s->failure = ps_fail(r->status, "%s: %s", directory, r->message);
}

static void reap(schedule *s) {
    for (int i = 0; i < s->experiment->runs; i++) {
        int status;
        if (s->phase[i] != RUNNING || waitpid(s->child[i], &status, WNOHANG) != s->child[i]) continue;
        s->running--;
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0) s->phase[i] = DONE;
        else note_failure(s, i, status);
    }
}

/* ---- progress over all runs ---- */

/* Measuring counts as a quarter of the run's steps for each measurement: only the bar and the time left see this
 * guess. */
static uint64_t work_of(const schedule *s, int i) {
    const ps_experiment_run *run = &s->experiment->run[i];
    uint64_t steps = (uint64_t)run->config.steps;
    return run->arm < 0 ? steps : steps + steps * (uint64_t)s->options->then.count / 4;
}

static uint64_t work_done(const schedule *s, int i) {
    return s->phase[i] == DONE ? work_of(s, i) : s->report[i].state.step; /* a diverged run is done early */
}

/* "  ps2/1 loss 1.234 dead 3%": what of it is known yet. */
static void say_run(const ps_experiment_run *run, const report *r, char *text, size_t size) {
    double loss = (double)r->state.loss, dead = (double)r->state.dead_share;
    snprintf(text, size, "  %s/%d", run->config.arm, run->seed);
    size_t used = strlen(text);
    if (r->measuring != NULL) snprintf(text + used, size - used, " measuring %s", r->measuring);
    if (r->measuring != NULL || r->state.step == 0) return;
    char number[32];
    snprintf(text + used, size - used, " loss %s", ps_text_decimal(loss, 3, number));
    used = strlen(text);
    if (!isnan(dead)) snprintf(text + used, size - used, " dead %.0f%%", 100.0 * dead);
}

static void show(schedule *s) {
    uint64_t done = 0;
    int finished = 0;
    char tail[256] = "";
    for (int i = 0; i < s->experiment->runs; i++) {
        done += work_done(s, i);
        finished += s->phase[i] == DONE;
        if (s->phase[i] == RUNNING && strlen(tail) <= 150)
            say_run(&s->experiment->run[i], &s->report[i], tail + strlen(tail), sizeof tail - strlen(tail));
    }
    char line[320];
    snprintf(line, sizeof line, "run %d of %d%s", finished < s->experiment->runs ? finished + 1 : finished,
             s->experiment->runs, tail);
    ps_progress_update(&s->progress, done, line);
}

static ps_status supervise(schedule *s) {
    const struct timespec pause = {0, 50000000};
    uint64_t total = 0, already = 0;
    for (int i = 0; i < s->experiment->runs; i++) {
        total += work_of(s, i);
        already += work_done(s, i);
    }
    ps_progress_start(&s->progress, s->experiment->name, total, already, s->options->quiet);
    ps_status status = start_ready(s);
    while (s->running > 0) {
        nanosleep(&pause, NULL);
        reap(s);
        if (status == PS_OK) status = start_ready(s);
        show(s);
    }
    ps_progress_end(&s->progress, NULL);
    if (status != PS_OK) return status;
    if (s->failure != PS_OK) return s->failure;
    if (stopping(s)) return ps_fail(PS_ERR_STOPPED, "stopped; the same command goes on from where the runs are");
    return PS_OK;
}

/* Said where runs of an experiment will not all be of one class. */
static void say_other_class(ps_processor_class begun, const char *trace) {
    char then[PS_PROCESSOR_NAME], now[PS_PROCESSOR_NAME];
    fprintf(stderr,
            "note: %s: was begun in the processor class %s, which cannot be used here; runs that begin now are of %s, "
            "and differ from it by rounding, too\n",
            trace, ps_processor_name(begun, then), ps_processor_name(ps_processor_in_use(), now));
}

/* The class of a run that has begun; known: whether its trace says one. What cannot be read of a finished run matters
 * to nobody here; a run that goes on is refused by itself. */
static ps_status class_of_begun(const ps_experiment_run *run, char **trace, bool *known, ps_processor_class *class) {
    *known = false;
    PS_TRY(ps_trace_find(run->directory, trace));
    if (ps_run_read_class(*trace, known, class) != PS_OK) *known = false;
    return PS_OK;
}

/* A run that stays as it is or goes on; NULL: this one does not. The experiment's other runs count as well. */
static const ps_experiment_run *begun_run(const schedule *s, int i) {
    const ps_experiment *e = s->experiment;
    if (i >= e->runs) return e->other[i - e->runs].present ? &e->other[i - e->runs] : NULL;
    return !s->options->force && started_before(&e->run[i]) ? &e->run[i] : NULL;
}

/* Runs that have yet to begin do so in the class of the first of those that have, where this processor can: an
 * experiment that is carried on elsewhere compares like with like. Those that go on have their own class. */
static ps_status follow_class(const schedule *s) {
    bool all_done = true, all_begun = true;
    for (int i = 0; i < s->experiment->runs; i++) {
        all_done &= s->phase[i] == DONE;
        all_begun &= begun_run(s, i) != NULL;
    }
    for (int i = 0; i < s->experiment->runs + s->experiment->others && !all_done; i++) {
        const ps_experiment_run *run = begun_run(s, i);
        char *trace = NULL;
        bool known = false;
        ps_processor_class class;
        if (run == NULL) continue;
        ps_status status = class_of_begun(run, &trace, &known, &class);
        if (status == PS_OK && known && ps_processor_can_use(class)) status = ps_processor_use(class, trace);
        else if (status == PS_OK && known && !all_begun) say_other_class(class, trace);
        free(trace);
        if (status != PS_OK || known) return status;
    }
    return PS_OK;
}

ps_status ps_schedule_run(const ps_experiment *experiment, const ps_schedule_options *options) {
    size_t runs = (size_t)experiment->runs, bytes = runs * sizeof(report);
    schedule s = {.experiment = experiment, .options = options};
    ps_status status = PS_OK;
    s.jobs = options->jobs > 0 ? options->jobs : ps_processors();
    if (s.jobs > experiment->runs) s.jobs = experiment->runs;
    s.threads = options->threads > 0 ? options->threads : ps_processors() / s.jobs > 1 ? ps_processors() / s.jobs : 1;
    s.report = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (s.report == MAP_FAILED) return ps_fail(PS_ERR_MEMORY, "no memory for %zu runs", runs);
    PS_TRY_CLEANUP(PS_ALLOC(runs, &s.phase, "schedule"));
    PS_TRY_CLEANUP(PS_ALLOC(runs, &s.child, "schedule"));
    for (int i = 0; i < experiment->runs; i++) PS_TRY_CLEANUP(look(&s, i));
    PS_TRY_CLEANUP(follow_class(&s));
    status = supervise(&s);
cleanup:
    munmap(s.report, bytes);
    ps_free(s.phase);
    ps_free(s.child);
    return status;
}
