#include "cli/run.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/pairing.h"
#include "cli/planted.h"
#include "cli/session.h"
#include "cli/subject.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/json.h"
#include "core/memory.h"
#include "core/progress.h"
#include "kernels/gemm.h"
#include "kernels/simd.h"
#include "probe/reinit.h"
#include "trace/trace_records.h"

/* What a checkpoint says of the run it belongs to, beside its tensors: how long the trace was and what stood in it, so
 * that a resumed run cuts the trace back to exactly the state its weights have; the data; and the configuration. */
typedef struct {
    uint64_t trace_bytes, trace_digest, broken_steps;
    char data[17];
    cJSON *config;
} run_record;

/* A run under way. */
typedef struct {
    const ps_run_config *config;
    const ps_run_options *options;
    ps_session session;
    ps_trace_writer *trace;
    ps_probe *probe;
    ps_reinit *reinit; /* NULL: dead nodes are left alone */
    char *config_path, *trace_path, *checkpoint_path, *config_text;
    char fork_digest[17];
    char *planted;   /* cli/planted.h: in this run, and in what it was forked from */
    bool goes_on;    /* from a checkpoint */
    ps_graph *graph; /* of that, until the session has it */
    run_record record;
    uint64_t start, started_ns;
    uint64_t done, checkpointed; /* steps up to the latest window's end, and to the latest checkpoint */
    uint64_t broken_steps;       /* as in ps_train_options */
    int lock;                    /* the directory, held while the run goes on; -1: not yet */
    ps_progress progress;
} run;

/* ---- files of a run ---- */

static ps_status make_paths(run *r) {
    const char *directory = r->options->directory;
    PS_TRY(ps_file_join(directory, "config.json", &r->config_path));
    PS_TRY(ps_file_join(directory, "trace.jsonl", &r->trace_path));
    return ps_file_join(directory, "checkpoint.safetensors", &r->checkpoint_path);
}

/* Two processes that write one trace would ruin it. The lock goes with the process, however it ends. */
static ps_status lock_directory(run *r) {
    const char *directory = r->options->directory;
    PS_TRY(ps_file_make_directories(directory));
    r->lock = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (r->lock < 0)
        return ps_fail(PS_ERR_IO, "%s: cannot be opened (%s); mend its permissions or choose another place", directory,
                       strerror(errno));
    if (flock(r->lock, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK)
        return PS_OK; /* some file systems have no locks */
    return ps_fail(PS_ERR_USAGE, "%s: another process is running there; wait for it, or stop it first", directory);
}

/* Temporary files of a process that was killed while it wrote them (core/file.h). The lock is held, so they are
 * nobody's. */
static void remove_half_written(const run *r) {
    DIR *directory = opendir(r->options->directory);
    const struct dirent *entry;
    while (directory != NULL && (entry = readdir(directory)) != NULL)
        if (strncmp(entry->d_name, "checkpoint.safetensors.tmp", 26) == 0 ||
            strncmp(entry->d_name, "config.json.tmp", 15) == 0)
            unlinkat(dirfd(directory), entry->d_name, 0);
    if (directory != NULL) closedir(directory);
}

static ps_status config_to_text(const ps_run_config *config, char **text) {
    cJSON *json = NULL;
    ps_status status = ps_run_config_to_json(config, &json);
    char *printed = NULL;
    if (status == PS_OK) status = ps_json_text(json, &printed);
    cJSON_Delete(json);
    if (status == PS_OK) status = ps_string_copy(printed, text);
    cJSON_free(printed);
    return status;
}

static ps_status write_config(const run *r) {
    cJSON *json = NULL;
    ps_status status = ps_run_config_to_json(r->config, &json);
    char *text = NULL;
    if (status == PS_OK) status = ps_json_text_lines(json, &text);
    if (status == PS_OK) status = ps_file_write(r->config_path, text, strlen(text));
    cJSON_free(text);
    cJSON_Delete(json);
    return status;
}

ps_status ps_run_read_config(const char *directory, ps_run_config *config) {
    char *path = NULL;
    cJSON *json = NULL;
    ps_status status = PS_OK;
    PS_TRY_CLEANUP(ps_file_join(directory, "config.json", &path));
    if (!ps_file_exists(path))
        PS_TRY_CLEANUP(ps_fail(
            PS_ERR_INPUT, "%s: holds no run (no config.json in it); give a directory that `poolscope train --out` made",
            directory));
    PS_TRY_CLEANUP(ps_json_read(path, &json));
    status = ps_run_config_read_json(config, json, path, NULL);
cleanup:
    cJSON_Delete(json);
    free(path);
    return status;
}

/* The trace's last line, where it is whole and an `end` record: it says how the run ended. */
static bool read_end(const char *directory, const char *status) {
    char tail[4096], *path = NULL;
    bool found = false;
    if (ps_file_join(directory, "trace.jsonl", &path) != PS_OK) return false;
    FILE *stream = fopen(path, "rb");
    if (stream != NULL) {
        if (fseek(stream, -(long)(sizeof tail - 1), SEEK_END) != 0) rewind(stream);
        size_t size = fread(tail, 1, sizeof tail - 1, stream);
        tail[size] = '\0';
        char *line = size > 0 && tail[size - 1] == '\n' ? (tail[size - 1] = '\0', strrchr(tail, '\n')) : NULL;
        found = line != NULL && strstr(line, "{\"type\":\"end\"") == line + 1 && strstr(line, status) != NULL;
        fclose(stream);
    }
    free(path);
    return found;
}

bool ps_run_finished(const char *directory) { return read_end(directory, ""); }
bool ps_run_nonfinite(const char *directory) { return read_end(directory, "\"" PS_TRACE_EVENT_NONFINITE "\":"); }
bool ps_run_diverged(const char *directory) {
    return read_end(directory, "\"status\":\"" PS_TRACE_STATUS_DIVERGED "\"");
}

/* ---- what the header says ---- */

static ps_status write_header(run *r) {
    const ps_run_config *c = r->config;
    const ps_dataset *data = r->session.dataset;
    char cjson[32];
    ps_pairing pairing;
    struct utsname system;
    ps_pairing_of(&r->session, &pairing);
    snprintf(cjson, sizeof cjson, "%s", cJSON_Version());
    uname(&system);
    ps_probe_run header = {.producer = "poolscope " PS_VERSION,
                           .arm = c->arm,
                           .seed = (uint64_t)c->seed,
                           .config = r->config_text,
                           .data_source = ps_dataset_source(data),
                           .data_digest = ps_dataset_digest(data),
                           .sample = ps_dataset_sample_shape(data),
                           .classes = ps_dataset_classes(data),
                           .train_count = ps_dataset_count(data, PS_SPLIT_TRAIN),
                           .probe_count = r->session.probe_batches * c->batch, /* whole batches are measured */
                           .test_count = ps_dataset_count(data, PS_SPLIT_TEST),
                           .arch = system.machine,
                           .simd = ps_simd_name(ps_simd_detect()),
                           .library = {{"blas", ps_gemm_library()}, {"cjson", cjson}}};
    for (int i = 0; i < PS_PAIRING_KEYS; i++) {
        header.pairing[i].key = pairing.entry[i].key;
        header.pairing[i].value = pairing.entry[i].value;
    }
    return ps_probe_write_header(r->probe, &header);
}

static ps_status record_clipped(run *r) {
    for (int i = 0; i < r->session.graph->count; i++) {
        const ps_node *node = &r->session.graph->node[i];
        if (node->pool_size_asked == 0) continue;
        int fitted = 0;
        PS_TRY(ps_json_get_int(node->attributes, "pool_size", true, 1, 1 << 20, node->name, &fitted));
        if (!r->options->quiet)
            fprintf(stderr, "%s: pool size %d is larger than the map, clipped to %d\n", node->name,
                    node->pool_size_asked, fitted);
        PS_TRY(ps_trace_write_clipped_e(r->trace, 0, node->name, node->pool_size_asked, fitted));
    }
    return PS_OK;
}

static ps_status record_fork(run *r) {
    return r->fork_digest[0] == '\0' ? PS_OK : ps_trace_write_forked(r->trace, 0, r->fork_digest);
}

/* ---- checkpoints and evaluation: the run's own hooks, after the probe's ---- */

/* The trace is on the disk before a checkpoint that counts on it. */
static ps_status write_checkpoint(run *r, uint64_t step) {
    char *text = NULL;
    PS_TRY(ps_trace_flush(r->trace, true));
    PS_TRY(ps_string_format(&text,
                            "{\"trace_bytes\":%llu,\"trace_digest\":\"%016llx\",\"data_digest\":\"%s\","
                            "\"broken_steps\":%llu,\"planted\":%s,\"run\":%s}",
                            (unsigned long long)ps_trace_offset(r->trace),
                            (unsigned long long)ps_trace_digest(r->trace), ps_dataset_digest(r->session.dataset),
                            (unsigned long long)r->broken_steps, r->planted, r->config_text));
    ps_status status =
        ps_checkpoint_write(r->checkpoint_path, r->session.graph, r->session.net, r->session.optimiser, step, text);
    if (status == PS_OK) r->checkpointed = step;
    free(text);
    return status;
}

/* Without a test split nothing is measured, and there is no record. */
static ps_status evaluate(run *r, uint64_t step, ps_evaluation *evaluation) {
    *evaluation = ps_session_evaluate(&r->session, PS_SPLIT_TEST);
    if (evaluation->count == 0) return PS_OK;
    return ps_trace_write_eval(r->trace, step, "test", evaluation->loss, evaluation->accuracy,
                               (uint64_t)evaluation->count);
}

/* "  dead 3.1 %"; nothing before the first probing (of a resumed run, too). */
static const char *say_dead(double share, char text[32]) {
    text[0] = '\0';
    if (!isnan(share)) snprintf(text, 32, "  dead %.1f %%", 100.0 * share);
    return text;
}

static ps_status after_step(void *self, const ps_train_step *step) {
    run *r = self;
    char tail[160];
    r->broken_steps = ps_train_step_finite(step) ? 0 : r->broken_steps + 1;
    char dead_text[32];
    double dead = ps_probe_dead_share(r->probe), seconds = (double)(ps_clock_ns() - r->started_ns) * 1e-9;
    double images = (double)(step->step + 1 - r->start) * r->config->batch / seconds;
    snprintf(tail, sizeof tail, "loss %.4f  %.0f images/s%s", step->loss.loss, images, say_dead(dead, dead_text));
    ps_progress_update(&r->progress, step->step + 1, tail);
    if (r->options->state != NULL) {
        r->options->state->step = step->step + 1;
        r->options->state->loss = (float)step->loss.loss;
        r->options->state->dead_share = (float)dead;
    }
    return PS_OK;
}

static ps_status end_window(void *self, uint64_t first, uint64_t last) {
    run *r = self;
    uint64_t windows = first / (uint64_t)r->config->window + 1, done = last + 1;
    ps_evaluation evaluation;
    bool over = done == (uint64_t)r->config->steps;
    r->done = done;
    if (r->reinit != NULL && windows % (uint64_t)r->config->reinit_dead == 0 && !over)
        PS_TRY(ps_reinit_run(r->reinit, windows - 1, done, NULL));
    if (r->config->eval_every > 0 && windows % (uint64_t)r->config->eval_every == 0 && !over)
        PS_TRY(evaluate(r, done, &evaluation));
    if (over || (r->config->checkpoint_every > 0 && windows % (uint64_t)r->config->checkpoint_every == 0))
        return write_checkpoint(r, done);
    return PS_OK;
}

/* ---- starting ---- */

static ps_status start_probe(run *r) {
    ps_probe_options options = {.record = r->config->record,
                                .steps = (uint64_t)r->config->steps,
                                .window = (uint64_t)r->config->window,
                                .source = ps_session_probe_source(&r->session),
                                .trace = r->trace};
    return ps_probe_create(r->session.net, r->session.optimiser, &options, &r->probe);
}

static ps_status start_reinit(run *r) {
    ps_reinit_options options = {.net = r->session.net,
                                 .optimiser = r->session.optimiser,
                                 .scheme = r->config->init_scheme,
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
    unlink(r->trace_path);
    PS_TRY_CLEANUP(write_config(r));
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

static ps_status get_digest(const cJSON *json, const char *key, const char *path, const char **hex) {
    PS_TRY(ps_json_get_text(json, key, true, path, hex));
    if (strlen(*hex) == 16 && (*hex)[strspn(*hex, "0123456789abcdef")] == '\0') return PS_OK;
    return ps_fail(PS_ERR_INPUT, "%s: \"%s\" is no digest; take a copy that is whole, or train again", path, key);
}

static ps_status read_record(const cJSON *json, const char *path, run_record *record) {
    const char *trace, *data;
    double bytes = 0, broken = 0;
    PS_TRY(ps_json_get_double(json, "trace_bytes", true, 0, 9e15, path, &bytes));
    PS_TRY(ps_json_get_double(json, "broken_steps", false, 0, 9e15, path, &broken));
    PS_TRY(get_digest(json, "trace_digest", path, &trace));
    PS_TRY(get_digest(json, "data_digest", path, &data));
    record->trace_bytes = (uint64_t)bytes;
    record->broken_steps = (uint64_t)broken;
    record->trace_digest = strtoull(trace, NULL, 16);
    snprintf(record->data, sizeof record->data, "%s", data);
    return ps_json_copy(cJSON_GetObjectItemCaseSensitive(json, "run"), &record->config);
}

/* The checkpoint's network and record; nothing but what its digests vouch for. */
static ps_status open_checkpoint(const char *path, ps_graph **graph, run_record *record, uint64_t *step) {
    char *text = NULL;
    cJSON *json = NULL;
    ps_status status = PS_OK;
    PS_TRY_CLEANUP(ps_checkpoint_verify(path));
    PS_TRY_CLEANUP(ps_checkpoint_open(path, graph, &text, step));
    PS_TRY_CLEANUP(ps_json_parse(text, path, &json));
    status = read_record(json, path, record);
cleanup:
    cJSON_Delete(json);
    free(text);
    return status;
}

/* Before the first checkpoint the trace's header has the configuration; a trace without a whole header has nothing that
 * would not be written anew. */
static ps_status read_header(const char *path, run_record *record) {
    char *line = NULL;
    size_t capacity = 0, length = 0;
    cJSON *header = NULL;
    FILE *stream = fopen(path, "rb");
    if (stream == NULL) return PS_OK;
    ps_status status = ps_file_read_line(stream, path, 1, PS_TRACE_LONGEST_LINE, &line, &capacity, &length);
    fclose(stream);
    if (status == PS_OK && length > 0 && line[length - 1] == '\n') status = ps_json_try(line, &header);
    const char *data = cJSON_GetStringValue(
        cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(header, "pairing"), "data"));
    snprintf(record->data, sizeof record->data, "%s", data != NULL ? data : "");
    if (status == PS_OK) status = ps_json_copy(cJSON_GetObjectItemCaseSensitive(header, "config"), &record->config);
    cJSON_Delete(header);
    free(line);
    return status;
}

/* Exactly: cJSON_Compare takes neighbouring numbers for one. */
static bool same_value(const cJSON *a, const cJSON *b) {
    if (cJSON_IsNumber(a) && cJSON_IsNumber(b)) return a->valuedouble == b->valuedouble;
    return cJSON_Compare(a, b, true);
}

static ps_status refuse_edit(const char *directory, const cJSON *now, const cJSON *then) {
    char *is = NULL, *was = NULL;
    ps_status status = ps_json_text(now, &is);
    if (status == PS_OK) status = ps_json_text(then, &was);
    if (status == PS_OK)
        status = ps_fail(PS_ERR_INPUT,
                         "%s/config.json: \"%s\" is %.200s, but the run was started with %.200s; put it back, or start "
                         "another run with --out",
                         directory, then->string, is != NULL ? is : "missing", was);
    cJSON_free(is);
    cJSON_free(was);
    return status;
}

/* The place of the data may change; that they are the same is seen when they are read. And an older run of a network of
 * one's own has the name of a model beside it, which it never was. */
static bool may_differ(const cJSON *then, const cJSON *item) {
    const char *graph = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(then, "graph"));
    return strcmp(item->string, "data") == 0 ||
           (strcmp(item->string, "model") == 0 && graph != NULL && graph[0] != '\0');
}

static ps_status refuse_edits(const char *directory, const char *config_text, const cJSON *then) {
    cJSON *now;
    const cJSON *item;
    PS_TRY(ps_json_parse(config_text, directory, &now));
    ps_status status = PS_OK;
    cJSON_ArrayForEach(item, then) {
        const cJSON *own = cJSON_GetObjectItemCaseSensitive(now, item->string);
        if (status == PS_OK && !may_differ(then, item) && (own == NULL || !same_value(own, item)))
            status = refuse_edit(directory, own, item);
    }
    cJSON_Delete(now);
    return status;
}

static ps_status refuse_other_data(const char *directory, const ps_run_config *config, const ps_dataset *dataset,
                                   const run_record *record) {
    const char *now = ps_dataset_digest(dataset);
    if (record->data[0] == '\0' || strcmp(record->data, now) == 0) return PS_OK;
    return ps_fail(PS_ERR_INPUT,
                   "%s: the data \"%s\" are not the images that the run was started with (their digest is %s, not %s); "
                   "put those back, or start another run with --out",
                   directory, config->data, now, record->data);
}

/* Reads the data only where they are said to lie elsewhere now. */
static ps_status check_moved_data(const char *directory, const ps_run_config *config, const run_record *record) {
    const char *then = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(record->config, "data"));
    ps_dataset *dataset;
    if (then != NULL && strcmp(then, config->data) == 0) return PS_OK;
    PS_TRY(ps_session_open_data(config, &dataset));
    ps_status status = refuse_other_data(directory, config, dataset, record);
    ps_dataset_close(dataset);
    return status;
}

/* What is there of the run that is to go on. Killed before the first checkpoint it has nothing to go on from, so it
 * begins anew, with the same configuration. */
static ps_status open_earlier(run *r) {
    PS_TRY(ps_file_exists(r->checkpoint_path) ? open_checkpoint(r->checkpoint_path, &r->graph, &r->record, &r->start)
                                              : read_header(r->trace_path, &r->record));
    return refuse_edits(r->options->directory, r->config_text, r->record.config);
}

static ps_status start_resumed(run *r) {
    PS_TRY(ps_trace_resume_at(r->trace_path, r->record.trace_bytes, &r->record.trace_digest, &r->trace));
    r->broken_steps = r->record.broken_steps;
    PS_TRY(ps_planted_of_checkpoint(r->checkpoint_path, &r->planted));
    PS_TRY(start_probe(r)); /* tracks parameters, so that their accounts are there to be read */
    return ps_checkpoint_read(r->checkpoint_path, r->session.net, r->session.optimiser, &r->start);
}

ps_status ps_run_check_whole(const char *directory, const ps_run_config *config) {
    run_record record = {0};
    ps_graph *graph = NULL;
    char *checkpoint = NULL, *trace = NULL, *text = NULL;
    uint64_t step;
    ps_status status = PS_OK;
    PS_TRY_CLEANUP(ps_file_join(directory, "checkpoint.safetensors", &checkpoint));
    PS_TRY_CLEANUP(ps_file_join(directory, "trace.jsonl", &trace));
    PS_TRY_CLEANUP(config_to_text(config, &text));
    if (ps_file_exists(checkpoint)) {
        PS_TRY_CLEANUP(open_checkpoint(checkpoint, &graph, &record, &step));
        PS_TRY_CLEANUP(ps_trace_check_start(trace, record.trace_bytes, record.trace_digest));
    } else {
        PS_TRY_CLEANUP(read_header(trace, &record));
    }
    PS_TRY_CLEANUP(refuse_edits(directory, text, record.config));
    status = check_moved_data(directory, config, &record);
cleanup:
    cJSON_Delete(record.config);
    ps_graph_destroy(graph);
    free(checkpoint);
    free(trace);
    free(text);
    return status;
}

/* ---- the run ---- */

static ps_status record_cost(run *r, uint64_t step) {
    uint64_t record_ns, probe_ns, total = ps_clock_ns() - r->started_ns;
    ps_probe_cost(r->probe, &record_ns, &probe_ns);
    ps_trace_begin_record(r->trace, PS_TRACE_TIMING);
    ps_trace_add_whole(r->trace, "step", (int64_t)step);
    ps_trace_add_whole(r->trace, "threads", ps_threads_count(r->session.pool));
    ps_trace_add_whole(r->trace, "train_ns", (int64_t)total);
    ps_trace_add_whole(r->trace, "record_ns", (int64_t)record_ns);
    ps_trace_add_whole(r->trace, "probe_ns", (int64_t)probe_ns);
    if (step > r->start)
        ps_trace_add_value(r->trace, "images_per_second",
                           (double)(step - r->start) * r->config->batch / ((double)total * 1e-9));
    ps_trace_add_whole(r->trace, "peak_memory_bytes", (int64_t)ps_memory_peak_bytes());
    return ps_trace_end_record(r->trace);
}

/* "accuracy 61.20 %  dead 3.1 %", without what was not measured. */
static void describe_end(const ps_evaluation *evaluation, double dead, bool diverged, char *text, size_t size) {
    char accuracy[48] = "accuracy not measured (no test images)", dead_text[32];
    if (evaluation->count > 0) snprintf(accuracy, sizeof accuracy, "accuracy %.2f %%", 100.0 * evaluation->accuracy);
    snprintf(text, size, "%s%s%s", diverged ? "diverged  " : "", accuracy, say_dead(dead, dead_text));
}

/* Events that say of values that they were not finite, of the whole run: what was written before a resume, too. */
static ps_status count_nonfinite(run *r, uint64_t *events) {
    static const char kind[] = "\"event\":\"" PS_TRACE_EVENT_NONFINITE "\"";
    char *line = NULL;
    size_t room = 0;
    *events = 0;
    PS_TRY(ps_trace_flush(r->trace, false));
    FILE *stream = fopen(r->trace_path, "rb");
    if (stream == NULL) return ps_fail(PS_ERR_IO, "%s: cannot be read back (%s)", r->trace_path, strerror(errno));
    while (getline(&line, &room, stream) > 0)
        *events += strncmp(line, "{\"type\":\"event\"", 15) == 0 && strstr(line, kind) != NULL;
    free(line);
    fclose(stream);
    return PS_OK;
}

static ps_status finish(run *r, uint64_t steps, bool diverged) {
    ps_evaluation evaluation;
    char tail[160];
    uint64_t nonfinite;
    PS_TRY(evaluate(r, steps, &evaluation));
    PS_TRY(record_cost(r, steps));
    PS_TRY(count_nonfinite(r, &nonfinite));
    PS_TRY(ps_trace_write_end(r->trace, steps, diverged ? PS_TRACE_STATUS_DIVERGED : PS_TRACE_STATUS_FINISHED,
                              evaluation.loss, evaluation.accuracy, (uint64_t)evaluation.count, nonfinite));
    PS_TRY(ps_trace_flush(r->trace, true));
    describe_end(&evaluation, ps_probe_dead_share(r->probe), diverged, tail, sizeof tail);
    ps_progress_end(&r->progress, tail);
    if (r->options->state != NULL) {
        r->options->state->accuracy = (float)evaluation.accuracy;
        r->options->state->diverged = diverged;
        r->options->state->nonfinite = nonfinite;
        r->options->state->finished = true;
    }
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
    return finish(r, diverged ? diverged_at + 1 : options.steps, diverged);
}

ps_status ps_run_check_place(const ps_run_options *options) {
    const char *directory = options->directory;
    char *trace = NULL;
    if (directory[0] == '\0') return ps_fail(PS_ERR_USAGE, "the name of a run's directory is empty; give one");
    if (ps_file_exists(directory) && !ps_file_is_directory(directory))
        return ps_fail(PS_ERR_USAGE, "%s: a file of that name is in the way; choose another --out", directory);
    PS_TRY(ps_file_join(directory, "trace.jsonl", &trace));
    bool taken = !options->resume && !options->force && ps_file_exists(trace);
    free(trace);
    if (!taken) return PS_OK;
    return ps_fail(PS_ERR_USAGE,
                   "%s: holds a run already; choose another --out, go on with --resume %s, or replace it with --force",
                   directory, directory);
}

/* A run that goes on has the network of its checkpoint, whatever has become of the file it was read from. */
static ps_status open_session(run *r) {
    PS_TRY(ps_session_open(&r->session, r->config, r->graph, r->options->threads));
    if (r->graph != NULL) {
        r->goes_on = true;
        r->session.graph = r->graph;
        r->graph = NULL;
    }
    return refuse_other_data(r->options->directory, r->config, r->session.dataset, &r->record);
}

ps_status ps_run_execute(const ps_run_config *config, const ps_run_options *options) {
    run r = {.config = config, .options = options, .lock = -1};
    ps_status status = PS_OK;
    PS_TRY_CLEANUP(make_paths(&r));
    PS_TRY_CLEANUP(ps_run_check_place(options));
    PS_TRY_CLEANUP(config_to_text(config, &r.config_text));
    if (options->resume) PS_TRY_CLEANUP(lock_directory(&r));
    if (options->resume) PS_TRY_CLEANUP(open_earlier(&r));
    PS_TRY_CLEANUP(open_session(&r));
    PS_TRY_CLEANUP(ps_net_check_statistics(r.session.net)); /* before an earlier run is replaced */
    if (!options->resume) PS_TRY_CLEANUP(lock_directory(&r));
    remove_half_written(&r);
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
    free(r.config_path);
    free(r.trace_path);
    free(r.checkpoint_path);
    free(r.config_text);
    free(r.planted);
    return status;
}

/* ---- estimates ---- */

enum { TIMED_STEPS = 3 };

static double seconds_since(uint64_t start) { return (double)(ps_clock_ns() - start) * 1e-9; }

static double time_step(ps_session *s, uint64_t step) {
    uint64_t start = ps_clock_ns();
    ps_loader_train_batch(s->loader, step, s->x, s->label, s->pool);
    ps_net_forward(s->net, s->x, PS_MODE_TRAIN, ps_rng_key_of(0, "estimate"), NULL);
    ps_net_loss(s->net, s->label, true);
    ps_net_backward(s->net);
    ps_optimiser_step(s->optimiser, step, (uint64_t)s->config->steps);
    return seconds_since(start);
}

static double time_forward(ps_session *s) {
    uint64_t start = ps_clock_ns();
    ps_net_forward(s->net, s->x, PS_MODE_PROBE, ps_rng_key_of(0, "estimate"), NULL);
    return seconds_since(start);
}

/* A recorded value takes about twelve characters; every node has about thirty a window. */
static double trace_bytes(const ps_run_config *c, const ps_units *units) {
    double nodes = 0, windows = ceil((double)c->steps / c->window) + 1;
    for (int u = 0; u < units->count; u++) nodes += units->unit[u].channels;
    return windows * nodes * 30 * 12 + (double)c->steps * 150;
}

/* What a run would do before its first step, and might refuse: plant, and attach what is recorded. */
static ps_status try_start(ps_session *session) {
    const ps_run_config *c = session->config;
    ps_planting_list planted = {NULL, 0, 0};
    ps_probe *probe = NULL;
    ps_probe_source source = ps_session_probe_source(session);
    ps_probe_options options = {.record = c->record, .source = source};
    PS_TRY(ps_net_check_statistics(session->net));
    ps_status status = c->plant[0] != '\0' ? ps_plant(session->net, c->plant, &source, &planted) : PS_OK;
    ps_planting_list_clear(&planted);
    if (status == PS_OK) status = ps_probe_create(session->net, NULL, &options, &probe);
    ps_probe_destroy(probe);
    return status;
}

ps_status ps_run_measure(const ps_run_config *config, int threads, ps_run_estimate *estimate) {
    ps_session session;
    char digest[17];
    PS_TRY(ps_session_open(&session, config, NULL, threads));
    ps_status status = ps_session_init_weights(&session, ".", digest);
    if (status == PS_OK) status = try_start(&session);
    if (status == PS_OK) {
        double fastest = 1e30;
        time_step(&session, 0); /* warms caches and page tables */
        for (int i = 1; i <= TIMED_STEPS; i++) fastest = fmin(fastest, time_step(&session, (uint64_t)i));
        double windows = ceil((double)config->steps / config->window) + 1;
        double forward = time_forward(&session);
        ps_net_memory memory = ps_net_memory_use(session.net);
        double parameters = (double)memory.parameter_bytes;
        estimate->step_seconds = fastest;
        estimate->probe_seconds = 2 * forward * session.probe_batches; /* batch mode and evaluation mode */
        double test = forward * ps_dataset_count(session.dataset, PS_SPLIT_TEST) / config->batch;
        estimate->total_seconds = fastest * config->steps + windows * estimate->probe_seconds + test;
        estimate->memory_bytes = (double)(memory.block_bytes + memory.workspace_bytes) + 4 * parameters;
        estimate->disk_bytes = trace_bytes(config, ps_net_units(session.net)) + 1.5 * parameters;
        estimate->parameters = memory.parameter_bytes / (2 * sizeof(float));
    }
    ps_session_close(&session);
    return status;
}
