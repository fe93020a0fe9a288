#include "run/run.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "run/arm.h"
#include "run/directory.h"
#include "run/images.h"
#include "run/network.h"
#include "run/pairing.h"
#include "run/planned.h"
#include "run/planted.h"
#include "run/profile.h"
#include "run/resume.h"
#include "run/session.h"
#include "run/subject.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/json.h"
#include "core/memory.h"
#include "core/progress.h"
#include "core/text.h"
#include "core/version.h"
#include "data/census.h"
#include "kernels/gemm.h"
#include "kernels/processor.h"
#include "probe/reinit.h"
#include "task/pictures.h"
#include "trace/trace_records.h"

/* A run under way. */
typedef struct {
    const ps_run_config *config;
    const ps_run_options *options;
    ps_session session;
    ps_trace_writer *trace;
    ps_probe *probe;
    ps_reinit *reinit; /* NULL: dead nodes are left alone */
    char *config_path, *trace_path, *checkpoint_path, *pictures_path, *config_text;
    char *registration; /* as the header has it; NULL: none */
    char fork_digest[17];
    char *plan;      /* what the data are prepared by, as JSON; NULL: by none */
    char *planted;   /* run/planted.h: in this run, and in what it was forked from */
    bool goes_on;    /* from a checkpoint */
    ps_graph *graph; /* of that, until the session has it */
    ps_run_record record;
    uint64_t start, executed_ns, started_ns;
    uint64_t done, checkpointed; /* steps up to the latest window's end, and to the latest checkpoint */
    uint64_t broken_steps;       /* as in ps_train_options */
    int lock;                    /* the directory, held while the run goes on; -1: not yet */
    ps_progress progress;
    ps_run_profile profile; /* filled where the options ask for it; times of evaluations and checkpoints always */
} run;

/* A run that goes on does so in the trace that is there; packed or not is no matter of its configuration. */
static ps_status find_trace(run *r) {
    char name[32];
    if (r->options->resume) {
        PS_TRY(ps_trace_find(r->options->directory, &r->trace_path));
        if (ps_file_exists(r->trace_path)) return PS_OK;
        free(r->trace_path);
    }
    snprintf(name, sizeof name, "trace.jsonl%s", ps_packing_suffix(r->options->packing));
    return ps_file_join(r->options->directory, name, &r->trace_path);
}

/* Of an earlier run here, packed in another way. */
static ps_status remove_traces(const run *r) {
    for (int p = 0; p < PS_PACKINGS; p++) {
        char *path;
        PS_TRY(
            ps_string_format(&path, "%s/trace.jsonl%s", r->options->directory, ps_packing_suffix((ps_trace_packing)p)));
        unlink(path);
        free(path);
    }
    return PS_OK;
}

static ps_status make_paths(run *r) {
    const char *directory = r->options->directory;
    PS_TRY(ps_file_join(directory, "config.json", &r->config_path));
    PS_TRY(find_trace(r));
    PS_TRY(ps_file_join(directory, "pictures", &r->pictures_path));
    return ps_file_join(directory, "checkpoint.safetensors", &r->checkpoint_path);
}

/* ---- what the header says ---- */

/* What was found of the data, with the room for it. */
typedef struct {
    double *input_mean, *input_sd, *class_count;
    const char **class_name;
    ps_probe_data data;
} found;

static ps_status find_data(const ps_session *session, found *f) {
    const ps_dataset *set = session->dataset;
    const ps_census_counts *census = ps_dataset_census(set);
    int channels = ps_dataset_sample_shape(set).c, classes = ps_dataset_classes(set);
    PS_TRY(PS_ALLOC((size_t)channels, &f->input_mean, "header"));
    PS_TRY(PS_ALLOC((size_t)channels, &f->input_sd, "header"));
    PS_TRY(PS_ALLOC((size_t)classes + 1, &f->class_count, "header"));
    PS_TRY(PS_ALLOC((size_t)classes + 1, &f->class_name, "header"));
    for (int i = 0; i < classes; i++) f->class_name[i] = ps_dataset_class_name(set, i);
    for (int c = 0; c < channels; c++) ps_dataset_input_moments(set, c, &f->input_mean[c], &f->input_sd[c]);
    for (int i = 0; i < classes; i++) f->class_count[i] = (double)ps_dataset_count_labels(set, PS_SPLIT_TRAIN, i);
    f->data = (ps_probe_data){.channels = channels,
                              .input_mean = f->input_mean,
                              .input_sd = f->input_sd,
                              .looked_at = ps_dataset_looked_at(set),
                              .class_count = f->class_count,
                              .class_name = ps_dataset_has_masks(set) ? f->class_name : NULL,
                              .no_class = (double)census->no_class,
                              .constant = census->constant,
                              .identical = census->identical,
                              .probe_distance = census->probe_distance,
                              .file_order = ps_loader_file_order(session->loader),
                              .loss_floor = ps_session_loss_floor(session)};
    return PS_OK;
}

static void clear_found(found *f) {
    ps_free(f->input_mean);
    ps_free(f->input_sd);
    ps_free(f->class_count);
    ps_free(f->class_name);
}

static ps_status write_header(run *r) {
    const ps_run_config *c = r->config;
    const ps_dataset *data = r->session.dataset;
    char cjson[32], class_name[PS_PROCESSOR_NAME];
    ps_pairing pairing;
    ps_trace_arm arm;
    struct utsname system;
    ps_pairing_of(&r->session, &pairing);
    ps_run_arm_of(r->session.net, c->reinit_dead, &arm);
    snprintf(cjson, sizeof cjson, "%s", cJSON_Version());
    uname(&system);
    found f = {0};
    ps_status status = find_data(&r->session, &f);
    ps_probe_run header = {.producer = "poolscope " PS_VERSION,
                           .arm = c->arm,
                           .arm_is = &arm,
                           .seed = (uint64_t)c->seed,
                           .config = r->config_text,
                           .registration = r->registration,
                           .data_source = ps_dataset_source(data),
                           .data_digest = ps_dataset_digest(data),
                           .sample = ps_dataset_sample_shape(data),
                           .classes = ps_dataset_classes(data),
                           .train_count = ps_dataset_count(data, PS_SPLIT_TRAIN),
                           .probe_count = r->session.probe_batches * c->batch, /* whole batches are measured */
                           .test_count = ps_dataset_count(data, PS_SPLIT_TEST),
                           .data = &f.data,
                           .task = &r->session.described,
                           .arch = system.machine,
                           .simd = ps_simd_name(ps_simd_detect()),
                           .processor_class = ps_processor_name(ps_processor_in_use(), class_name),
                           .library = {{"blas", ps_gemm_library()}, {"cjson", cjson}}};
    for (int i = 0; i < PS_PAIRING_KEYS; i++) {
        header.pairing[i].key = pairing.entry[i].key;
        header.pairing[i].value = pairing.entry[i].value;
    }
    if (status == PS_OK) status = ps_probe_write_header(r->probe, &header);
    clear_found(&f);
    return status;
}

static ps_status record_clipped(run *r) {
    for (int i = 0; i < r->session.graph->count; i++) {
        const ps_op *op = &r->session.graph->op[i];
        if (op->pool_size_asked == 0) continue;
        int fitted = 0;
        PS_TRY(ps_json_get_int(op->attributes, "pool_size", true, 1, 1 << 20, op->name, &fitted));
        if (!r->options->quiet)
            fprintf(stderr, "%s: pool size %d is larger than the map, clipped to %d\n", op->name, op->pool_size_asked,
                    fitted);
        PS_TRY(ps_trace_write_clipped_e(r->trace, 0, op->name, op->pool_size_asked, fitted));
    }
    return PS_OK;
}

static ps_status record_fork(run *r) {
    return r->fork_digest[0] == '\0' ? PS_OK : ps_trace_write_forked(r->trace, 0, r->fork_digest);
}

/* ---- checkpoints and evaluation: the run's own hooks, after the probe's ---- */

/* The trace is on the disk before a checkpoint that counts on it. */
static ps_status write_checkpoint(run *r, uint64_t step) {
    char *text = NULL, *input = NULL;
    uint64_t began = ps_clock_ns();
    PS_TRY(ps_trace_flush(r->trace, true));
    PS_TRY(ps_images_moments_text(r->config, r->session.dataset, &input));
    ps_status status = ps_string_format(
        &text,
        "{\"trace_bytes\":%llu,\"trace_digest\":\"%016llx\",\"data_digest\":\"%s\",\"broken_steps\":%llu,"
        "\"planted\":%s%s%s%s%s,\"run\":%s}",
        (unsigned long long)ps_trace_offset(r->trace), (unsigned long long)ps_trace_digest(r->trace),
        ps_dataset_digest(r->session.dataset), (unsigned long long)r->broken_steps, r->planted,
        r->plan != NULL ? ",\"plan\":" : "", r->plan != NULL ? r->plan : "", input != NULL ? ",\"input\":" : "",
        input != NULL ? input : "", r->config_text);
    if (status == PS_OK)
        status =
            ps_checkpoint_write(r->checkpoint_path, r->session.graph, r->session.net, r->session.optimiser, step, text);
    if (status == PS_OK) r->checkpointed = step;
    r->profile.checkpoints += ps_clock_ns() - began;
    free(input);
    free(text);
    return status;
}

static ps_trace_score score_of(const run *r, const ps_evaluation *evaluation) {
    return (ps_trace_score){&r->session.described, evaluation->loss,    evaluation->value,
                            evaluation->per_class, evaluation->classes, (uint64_t)evaluation->count};
}

/* Without a test split nothing is measured, and there is no record. */
static ps_status evaluate(run *r, uint64_t step, ps_evaluation *evaluation) {
    uint64_t began = ps_clock_ns();
    PS_TRY(ps_session_evaluate(&r->session, PS_SPLIT_TEST, evaluation));
    r->profile.evaluating += ps_clock_ns() - began;
    if (evaluation->count == 0) return PS_OK;
    ps_trace_score score = score_of(r, evaluation);
    return ps_trace_write_eval(r->trace, step, "test", &score);
}

/* "  dead 3.1 %"; nothing before the first probing (of a resumed run, too). */
static const char *say_dead(double share, char text[32]) {
    text[0] = '\0';
    if (!isnan(share)) snprintf(text, 32, "  dead %.1f %%", 100.0 * share);
    return text;
}

static double images_of_step(const run *r) { return (double)r->config->batch * r->config->accumulate; }

static ps_status after_step(void *self, const ps_train_step *step) {
    run *r = self;
    char tail[160];
    uint64_t recording;
    r->broken_steps = ps_train_step_finite(step) ? 0 : r->broken_steps + 1;
    if (r->profile.steps == 0) ps_probe_cost(r->probe, &recording, &r->profile.start.probing);
    ps_run_profile_add_step(&r->profile, step);
    char dead_text[32], loss[32];
    double dead = ps_probe_dead_shares(r->probe).own, seconds = (double)(ps_clock_ns() - r->started_ns) * 1e-9;
    double images = (double)(step->step + 1 - r->start) * images_of_step(r) / seconds;
    const char *what = ps_dataset_sample_shape(r->session.dataset).d > 1 ? "volumes" : "images";
    snprintf(tail, sizeof tail, "loss %s  %.0f %s/s%s", ps_text_decimal(step->loss.loss, 4, loss), images, what,
             say_dead(dead, dead_text));
    ps_progress_update(&r->progress, step->step + 1, tail);
    if (r->options->state != NULL) {
        r->options->state->step = step->step + 1;
        r->options->state->loss = (float)step->loss.loss;
        r->options->state->dead_share = (float)dead;
    }
    return PS_OK;
}

static ps_status stop_where_hopeless(run *r, uint64_t windows) {
    const ps_run_options *o = r->options;
    bool stop = false;
    if (o->is_hopeless == NULL) return PS_OK;
    PS_TRY(ps_trace_flush(r->trace, false));
    PS_TRY(o->is_hopeless(o->is_hopeless_self, r->trace_path, windows, &stop));
    if (!stop) return PS_OK;
    return ps_fail(PS_ERR_STOPPED, "stopped after step %llu of %d", (unsigned long long)r->done - 1, r->config->steps);
}

/* After so many windows, the latest of which did the steps first .. done - 1. */
static bool is_evaluated(const run *r, uint64_t windows, uint64_t first, uint64_t done) {
    uint64_t epoch = ps_loader_steps_per_epoch(r->session.loader);
    if (r->config->eval_every_epoch) return done / epoch > first / epoch;
    return r->config->eval_every > 0 && windows % (uint64_t)r->config->eval_every == 0;
}

static ps_status end_window(void *self, uint64_t first, uint64_t last) {
    run *r = self;
    uint64_t windows = first / (uint64_t)r->config->window + 1, done = last + 1;
    ps_evaluation evaluation;
    bool over = done == (uint64_t)r->config->steps;
    r->done = done;
    if (r->reinit != NULL && windows % (uint64_t)r->config->reinit_dead == 0 && !over)
        PS_TRY(ps_reinit_run(r->reinit, windows - 1, done, NULL));
    if (is_evaluated(r, windows, first, done) && !over) PS_TRY(evaluate(r, done, &evaluation));
    if (over || (r->config->checkpoint_every > 0 && windows % (uint64_t)r->config->checkpoint_every == 0))
        PS_TRY(write_checkpoint(r, done));
    return over ? PS_OK : stop_where_hopeless(r, windows);
}

/* ---- starting ---- */

static ps_status start_probe(run *r) {
    ps_probe_options options = {.record = r->config->record,
                                .steps = (uint64_t)r->config->steps,
                                .window = (uint64_t)r->config->window,
                                .parts = r->config->accumulate,
                                .source = ps_session_probe_source(&r->session),
                                .eval_every = r->config->probe_eval_every,
                                .trace = r->trace};
    return ps_probe_create(r->session.net, r->session.optimiser, &options, &r->probe);
}

static ps_status start_reinit(run *r) {
    ps_reinit_options options = {.net = r->session.net,
                                 .optimiser = r->session.optimiser,
                                 .scheme = ps_network_init_scheme(r->config),
                                 .seed = (uint64_t)r->config->seed,
                                 .source = ps_session_probe_source(&r->session),
                                 .trace = r->trace};
    return r->config->reinit_dead > 0 ? ps_reinit_create(&options, &r->reinit) : PS_OK;
}

static ps_status start_fresh(run *r) {
    ps_planting_list planted = {NULL, 0, 0};
    ps_status status = PS_OK;
    ps_probe_source source = ps_session_probe_source(&r->session);
    PS_TRY(ps_session_init_weights(&r->session, r->options->directory, r->fork_digest));
    if (!r->options->quiet)
        ps_subject_note(r->config->init[0] != '\0' ? r->config->init : r->config->fork, &r->session.weights);
    if (r->config->plant[0] != '\0') PS_TRY_CLEANUP(ps_plant(r->session.net, r->config->plant, &source, &planted));
    PS_TRY_CLEANUP(ps_planted_join(r->session.planted, &planted, &r->planted));
    /* A checkpoint of an earlier run here must not outlive that run's trace; and a trace always has its configuration
     * beside it. */
    unlink(r->checkpoint_path);
    PS_TRY_CLEANUP(remove_traces(r));
    ps_pictures_remove(r->pictures_path);
    PS_TRY_CLEANUP(ps_run_write_config(r->config_path, r->config));
    if (!r->options->resume) PS_TRY_CLEANUP(ps_run_write_registration(r->options->directory, r->options->registration));
    PS_TRY_CLEANUP(ps_run_read_registration(r->options->directory, &r->registration));
    PS_TRY_CLEANUP(ps_trace_create(r->trace_path, &r->trace));
    PS_TRY_CLEANUP(start_probe(r));
    PS_TRY_CLEANUP(write_header(r));
    PS_TRY_CLEANUP(ps_planted_record(r->planted, r->trace));
    PS_TRY_CLEANUP(record_clipped(r));
    PS_TRY_CLEANUP(record_fork(r));
cleanup:
    ps_planting_list_clear(&planted);
    return status;
}

/* ---- going on ---- */

/* What is there of the run that is to go on. Killed before the first checkpoint it has nothing to go on from, so it
 * begins anew, with the same configuration; in the class it was begun in, either way. */
static ps_status open_earlier(run *r) {
    bool has_steps = ps_file_exists(r->checkpoint_path);
    PS_TRY(has_steps ? ps_run_open_checkpoint(r->checkpoint_path, &r->graph, &r->record, &r->start)
                     : ps_run_open_header(r->trace_path, &r->record));
    PS_TRY(ps_run_refuse_edits(r->options->directory, r->config_text, r->record.config));
    /* A damaged header is no word to go by. */
    if (has_steps) PS_TRY(ps_trace_check_start(r->trace_path, r->record.trace_bytes, r->record.trace_digest));
    return ps_run_keep_class(r->trace_path, has_steps);
}

static ps_status start_resumed(run *r) {
    PS_TRY(ps_trace_resume_at(r->trace_path, r->record.trace_bytes, &r->record.trace_digest, &r->trace));
    r->broken_steps = r->record.broken_steps;
    PS_TRY(ps_planted_of_checkpoint(r->checkpoint_path, &r->planted));
    PS_TRY(start_probe(r)); /* tracks parameters, so that their accounts are there to be read */
    return ps_checkpoint_read(r->checkpoint_path, r->session.net, r->session.optimiser, &r->start);
}

/* ---- the run ---- */

static ps_status record_cost(run *r, uint64_t step) {
    uint64_t record_ns, probe_ns, total = ps_clock_ns() - r->started_ns;
    ps_probe_cost(r->probe, &record_ns, &probe_ns);
    ps_trace_begin_record(r->trace, PS_RECORD_TIMING);
    ps_trace_add_whole(r->trace, PS_KEY(TIMING, step), (int64_t)step);
    ps_trace_add_whole(r->trace, PS_KEY(TIMING, threads), ps_threads_count(r->session.threads));
    ps_trace_add_whole(r->trace, PS_KEY(TIMING, train_ns), (int64_t)total);
    ps_trace_add_whole(r->trace, PS_KEY(TIMING, record_ns), (int64_t)record_ns);
    ps_trace_add_whole(r->trace, PS_KEY(TIMING, probe_ns), (int64_t)probe_ns);
    if (step > r->start)
        ps_trace_add_value(r->trace, PS_KEY(TIMING, images_per_second),
                           (double)(step - r->start) * images_of_step(r) / ((double)total * 1e-9));
    ps_trace_add_whole(r->trace, PS_KEY(TIMING, peak_memory_bytes), (int64_t)ps_memory_peak_bytes());
    return ps_trace_end_record(r->trace);
}

/* "mean IoU 61.20 %  dead 3.1 %", without what was not measured. */
static void describe_end(const run *r, const ps_evaluation *evaluation, bool diverged, char *text, size_t size) {
    const ps_trace_measure *measure = &r->session.described.measure[0];
    char title[PS_TRACE_TASK_TEXT], value[64] = "not measured (no test images)", dead_text[32];
    if (evaluation->count > 0) ps_trace_measure_show(measure, evaluation->value[0], 2, value, sizeof value);
    snprintf(text, size, "%s%s %s%s", diverged ? "diverged  " : "", ps_trace_measure_title(measure, title), value,
             say_dead(ps_probe_dead_shares(r->probe).own, dead_text));
}

/* Events that say of values that they were not finite, of the whole run: what was written before a resume, too. */
static ps_status count_nonfinite(run *r, uint64_t *events) {
    char *line = NULL, event[64], kind[64];
    size_t size = 0;
    ps_trace_input *input;
    *events = 0;
    int length = snprintf(event, sizeof event, "{\"%s\":\"%s\"", PS_TRACE_TYPE, ps_record_word(PS_RECORD_EVENT));
    snprintf(kind, sizeof kind, "\"%s\":\"%s\"", PS_KEY(EVENT, event), ps_event_word(PS_EVENT_NONFINITE));
    PS_TRY(ps_trace_flush(r->trace, false));
    PS_TRY(ps_trace_input_open(r->trace_path, &input));
    ps_status status;
    while ((status = ps_trace_input_line(input, &line, &size)) == PS_OK && size > 0) {
        line[size - 1] = '\0'; /* whole lines all */
        *events += strncmp(line, event, (size_t)length) == 0 && strstr(line, kind) != NULL;
    }
    ps_trace_input_close(input);
    return status;
}

enum { PICTURES = 3 };

/* Outputs that are not finite name no class. */
static ps_status draw_pictures(run *r, const ps_evaluation *evaluation, bool diverged) {
    const ps_task *task = r->session.task;
    bool wanted = task->draw != NULL && !r->options->no_pictures;
    if (!wanted || diverged || evaluation->count == 0 || !isfinite(evaluation->loss)) return PS_OK;
    ps_task_split on = ps_session_split(&r->session, PS_SPLIT_TEST);
    return task->draw(&on, PICTURES, r->pictures_path);
}

static ps_status finish(run *r, uint64_t steps, bool diverged) {
    ps_evaluation evaluation;
    char tail[160];
    uint64_t nonfinite;
    PS_TRY(evaluate(r, steps, &evaluation));
    PS_TRY(record_cost(r, steps));
    PS_TRY(draw_pictures(r, &evaluation, diverged));
    PS_TRY(count_nonfinite(r, &nonfinite));
    ps_trace_score score = score_of(r, &evaluation);
    PS_TRY(ps_trace_write_end(r->trace, steps, diverged ? PS_WORD(STATUS, DIVERGED) : PS_WORD(STATUS, FINISHED), &score,
                              nonfinite));
    PS_TRY(ps_trace_flush(r->trace, true));
    describe_end(r, &evaluation, diverged, tail, sizeof tail);
    ps_progress_end(&r->progress, tail);
    if (r->options->state != NULL) {
        r->options->state->diverged = diverged;
        r->options->state->nonfinite = nonfinite;
        r->options->state->finished = true;
    }
    return PS_OK;
}

static ps_status write_profile(run *r) {
    ps_run_profile *p = &r->profile;
    if (r->options->profile == NULL) return PS_OK;
    ps_probe_cost(r->probe, &p->recording, &p->probing);
    p->whole = ps_clock_ns() - r->started_ns;
    return ps_run_profile_write(p, r->session.net, r->options->profile);
}

/* Measures peaks last, which is no part of what goes before the first step. */
static ps_status begin_profile(run *r) {
    uint64_t began = r->options->began_ns > 0 ? r->options->began_ns : r->executed_ns;
    ps_run_start start = {.settings = r->executed_ns - began,
                          .data = r->session.data_ns,
                          .network = ps_clock_ns() - r->executed_ns - r->session.data_ns};
    PS_TRY(ps_run_profile_begin(&r->profile, r->session.net));
    r->profile.start = start;
    return PS_OK;
}

static ps_status train(run *r) {
    ps_train_hooks own = {.self = r, .after_step = after_step, .end_window = end_window};
    ps_train_hooks hooks[2] = {*ps_probe_hooks(r->probe), own};
    ps_train_options options = {.steps = (uint64_t)r->config->steps,
                                .window = (uint64_t)r->config->window,
                                .seed = (uint64_t)r->config->seed,
                                .start = r->start,
                                .broken_steps = r->broken_steps,
                                .source = ps_session_train_source(&r->session),
                                .hooks = hooks,
                                .hook_count = 2,
                                .stop = r->options->stop};
    uint64_t diverged_at;
    if (r->options->profile != NULL) PS_TRY(begin_profile(r));
    r->started_ns = ps_clock_ns();
    ps_progress_start(&r->progress, r->config->arm[0] != '\0' ? r->config->arm : r->session.graph->name, options.steps,
                      r->start, r->options->quiet);
    ps_status status = ps_train_run(r->session.net, r->session.optimiser, &options, &diverged_at);
    if (status == PS_ERR_STOPPED) {
        char sentence[256];
        snprintf(sentence, sizeof sentence, "%s", ps_status_message());
        ps_progress_end(&r->progress, NULL);
        if (r->checkpointed != r->done) PS_TRY(write_checkpoint(r, r->done));
        return ps_fail(PS_ERR_STOPPED, "%s; go on with: poolscope train --resume %s", sentence, r->options->directory);
    }
    PS_TRY(status);
    bool diverged = diverged_at != UINT64_MAX;
    PS_TRY(finish(r, diverged ? diverged_at + 1 : options.steps, diverged));
    return write_profile(r);
}

/* Where no label counts there is no loss, and nothing is learned. */
static ps_status check_labels(const ps_dataset *set) {
    size_t labels = 0;
    if (!ps_dataset_has_masks(set) || ps_dataset_looked_at(set) > 0) return PS_OK;
    for (int k = 0; k < ps_dataset_classes(set); k++) labels += ps_dataset_count_labels(set, PS_SPLIT_TRAIN, k);
    if (labels > 0) return PS_OK;
    return ps_fail(PS_ERR_INPUT,
                   "%s: no position of the %d training samples has a label that counts, so that there is nothing to "
                   "learn; are these the right label maps?",
                   ps_dataset_source(set), ps_dataset_count(set, PS_SPLIT_TRAIN));
}

/* A run that goes on has the network of its checkpoint, whatever has become of the file it was read from. */
static ps_status open_session(run *r) {
    const ps_dataset_options data = ps_session_data_options(r->config);
    PS_TRY(ps_session_open(&r->session, r->config, r->graph, r->options->threads));
    PS_TRY(check_labels(r->session.dataset));
    PS_TRY(ps_planned_text(r->config, &data, &r->plan));
    if (r->graph != NULL) {
        r->goes_on = true;
        r->session.graph = r->graph;
        r->graph = NULL;
    }
    return ps_run_refuse_other_data(r->options->directory, r->config, r->session.dataset, &r->record);
}

ps_status ps_run_execute(const ps_run_config *config, const ps_run_options *options) {
    run r = {.config = config, .options = options, .executed_ns = ps_clock_ns(), .lock = -1};
    ps_status status = PS_OK;
    bool made = !ps_file_exists(options->directory);
    PS_TRY_CLEANUP(make_paths(&r));
    PS_TRY_CLEANUP(ps_run_check_place(options->directory, options->resume || options->force));
    PS_TRY_CLEANUP(ps_run_config_text(config, &r.config_text));
    if (options->resume) PS_TRY_CLEANUP(ps_run_lock(options->directory, &r.lock));
    if (options->resume) PS_TRY_CLEANUP(open_earlier(&r));
    PS_TRY_CLEANUP(open_session(&r));
    PS_TRY_CLEANUP(ps_net_check_statistics(r.session.net)); /* before an earlier run is replaced */
    if (!options->resume) PS_TRY_CLEANUP(ps_run_lock(options->directory, &r.lock));
    ps_run_remove_half_written(options->directory);
    PS_TRY_CLEANUP(r.goes_on ? start_resumed(&r) : start_fresh(&r));
    PS_TRY_CLEANUP(start_reinit(&r));
    status = train(&r);
cleanup:
    if (r.trace != NULL) {
        ps_status closed = ps_trace_close(r.trace);
        if (status == PS_OK) status = closed;
    }
    ps_reinit_destroy(r.reinit);
    ps_probe_destroy(r.probe);
    ps_session_close(&r.session);
    ps_graph_destroy(r.graph);
    cJSON_Delete(r.record.config);
    if (r.lock >= 0) close(r.lock);
    if (status != PS_OK && made) rmdir(options->directory); /* goes only where nothing came into it */
    free(r.config_path);
    free(r.trace_path);
    free(r.checkpoint_path);
    free(r.pictures_path);
    free(r.config_text);
    free(r.registration);
    free(r.plan);
    free(r.planted);
    return status;
}
