#include "run/resume.h"

#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/json.h"
#include "kernels/processor.h"
#include "net/checkpoint.h"
#include "run/directory.h"
#include "run/session.h"
#include "trace/trace_writer.h"
#include "trace/trace_input.h"

static ps_status get_digest(const cJSON *json, const char *key, const char *path, const char **hex) {
    PS_TRY(ps_json_get_text(json, key, true, path, hex));
    if (strlen(*hex) == 16 && (*hex)[strspn(*hex, "0123456789abcdef")] == '\0') return PS_OK;
    return ps_fail(PS_ERR_INPUT, "%s: \"%s\" is no digest; take a copy that is whole, or train again", path, key);
}

static ps_status read_record(const cJSON *json, const char *path, ps_run_record *record) {
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
ps_status ps_run_open_checkpoint(const char *path, ps_graph **graph, ps_run_record *record, uint64_t *step) {
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

/* The caller's: cJSON_Delete. NULL: the trace has no whole one. */
static ps_status read_header(const char *path, cJSON **header) {
    char *line = NULL;
    size_t length = 0;
    ps_trace_input *input = NULL;
    *header = NULL;
    if (!ps_file_exists(path)) return PS_OK;
    PS_TRY(ps_trace_input_open(path, &input));
    ps_status status = ps_trace_input_line(input, &line, &length);
    if (status == PS_OK && length > 0 && line[length - 1] == '\n') status = ps_json_try(line, header);
    ps_trace_input_close(input);
    return status;
}

/* Before the first checkpoint the trace's header has the configuration; a trace without a whole header has nothing that
 * would not be written anew. */
ps_status ps_run_open_header(const char *path, ps_run_record *record) {
    cJSON *header;
    ps_status status = read_header(path, &header);
    const char *data = cJSON_GetStringValue(
        cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(header, PS_KEY(HEADER, pairing)), "data"));
    snprintf(record->data, sizeof record->data, "%s", data != NULL ? data : "");
    if (status == PS_OK)
        status = ps_json_copy(cJSON_GetObjectItemCaseSensitive(header, PS_KEY(HEADER, config)), &record->config);
    cJSON_Delete(header);
    return status;
}

static const char *machine_word(const cJSON *header, const char *key) {
    const cJSON *machine = cJSON_GetObjectItemCaseSensitive(header, PS_KEY(HEADER, machine));
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(machine, key));
}

/* An older trace says the instruction set alone: the cache is then this machine's. */
static ps_status class_of(const char *path, const cJSON *header, bool *known, ps_processor_class *class) {
    const char *name = machine_word(header, PS_KEY(MACHINE, class)),
               *simd = machine_word(header, PS_KEY(MACHINE, simd));
    *class = ps_processor_in_use();
    *known = name != NULL || simd != NULL;
    if (name != NULL ? ps_processor_named(name, class) : simd == NULL || ps_simd_named(simd, &class->simd))
        return PS_OK;
    return ps_fail(
        PS_ERR_INPUT,
        "%s: the run was begun in the processor class \"%.60s\", which this version does not know; go on with "
        "the version that began it, or start another run with --out",
        path, name != NULL ? name : simd);
}

ps_status ps_run_read_class(const char *path, bool *known, ps_processor_class *class) {
    cJSON *header;
    PS_TRY(read_header(path, &header));
    ps_status status = class_of(path, header, known, class);
    cJSON_Delete(header);
    return status;
}

/* Of a trace of an older version, or of another program's hand: what follows may round otherwise than what is there. */
static void say_class_taken(const char *path) {
    char name[PS_PROCESSOR_NAME];
    fprintf(stderr, "note: %s: does not say the processor class that the run was begun in; it goes on in %s\n", path,
            ps_processor_name(ps_processor_in_use(), name));
}

ps_status ps_run_keep_class(const char *path, bool has_steps) {
    bool known;
    ps_processor_class class;
    cJSON *header;
    PS_TRY(read_header(path, &header));
    ps_status status = class_of(path, header, &known, &class);
    bool whole = machine_word(header, PS_KEY(MACHINE, class)) != NULL;
    cJSON_Delete(header);
    if (status == PS_OK && known) status = ps_processor_use(class, path);
    if (status == PS_OK && !whole && has_steps) say_class_taken(path);
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

static bool has_graph(const cJSON *config) {
    const char *graph = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(config, "graph"));
    return graph != NULL && graph[0] != '\0';
}

/* The place of the data may change; that they are the same is seen when they are read. And an older run of a network of
 * one's own has the name of a model beside it, which it never was. */
static bool may_differ(const cJSON *now, const cJSON *then, const cJSON *item) {
    return strcmp(item->string, "data") == 0 ||
           (strcmp(item->string, "model") == 0 && (has_graph(now) || has_graph(then)));
}

ps_status ps_run_refuse_edits(const char *directory, const char *config_text, const cJSON *then) {
    cJSON *now;
    const cJSON *item;
    PS_TRY(ps_json_parse(config_text, directory, &now));
    ps_status status = PS_OK;
    cJSON_ArrayForEach(item, then) {
        const cJSON *own = cJSON_GetObjectItemCaseSensitive(now, item->string);
        if (status == PS_OK && !may_differ(now, then, item) && (own == NULL || !same_value(own, item)))
            status = refuse_edit(directory, own, item);
    }
    cJSON_Delete(now);
    return status;
}

ps_status ps_run_refuse_other_data(const char *directory, const ps_run_config *config, const ps_dataset *dataset,
                                   const ps_run_record *record) {
    const char *now = ps_dataset_digest(dataset);
    if (record->data[0] == '\0' || strcmp(record->data, now) == 0) return PS_OK;
    return ps_fail(PS_ERR_INPUT,
                   "%s: the data \"%s\" are not the images that the run was started with (their digest is %s, not %s); "
                   "put those back, or start another run with --out",
                   directory, config->data, now, record->data);
}

/* Reads the data only where they are said to lie elsewhere now. */
static ps_status check_moved_data(const char *directory, const ps_run_config *config, const ps_run_record *record) {
    const char *then = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(record->config, "data"));
    ps_dataset *dataset;
    if (then != NULL && strcmp(then, config->data) == 0) return PS_OK;
    PS_TRY(ps_session_open_data(config, &dataset));
    ps_status status = ps_run_refuse_other_data(directory, config, dataset, record);
    ps_dataset_close(dataset);
    return status;
}

ps_status ps_run_check_whole(const char *directory, const ps_run_config *config) {
    ps_run_record record = {0};
    ps_graph *graph = NULL;
    char *checkpoint = NULL, *trace = NULL, *text = NULL;
    uint64_t step;
    ps_status status = PS_OK;
    PS_TRY_CLEANUP(ps_file_join(directory, "checkpoint.safetensors", &checkpoint));
    PS_TRY_CLEANUP(ps_trace_find(directory, &trace));
    PS_TRY_CLEANUP(ps_run_config_text(config, &text));
    if (ps_file_exists(checkpoint)) {
        PS_TRY_CLEANUP(ps_run_open_checkpoint(checkpoint, &graph, &record, &step));
        PS_TRY_CLEANUP(ps_trace_check_start(trace, record.trace_bytes, record.trace_digest));
    } else {
        PS_TRY_CLEANUP(ps_run_open_header(trace, &record));
    }
    PS_TRY_CLEANUP(ps_run_refuse_edits(directory, text, record.config));
    status = check_moved_data(directory, config, &record);
cleanup:
    cJSON_Delete(record.config);
    ps_graph_destroy(graph);
    free(checkpoint);
    free(trace);
    free(text);
    return status;
}
