#include "run/images.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/json.h"
#include "core/memory.h"
#include "data/prepare.h"
#include "data/unlabelled.h"
#include "run/directory.h"
#include "run/planned.h"

static const char moments_key[] = "input";

/* ---- moments ---- */

static void print_numbers(FILE *stream, const ps_dataset *dataset, bool deviations) {
    int channels = ps_dataset_sample_shape(dataset).c;
    for (int c = 0; c < channels; c++) {
        double mean, deviation;
        ps_dataset_normalisation(dataset, c, &mean, &deviation);
        fputs(c > 0 ? "," : "", stream);
        ps_json_print_double(stream, deviations ? deviation : mean);
    }
}

ps_status ps_images_moments_text(const ps_run_config *config, const ps_dataset *dataset, char **text) {
    size_t size;
    *text = NULL;
    if (!config->normalise || ps_dataset_sample_shape(dataset).c > PS_MOST_MOMENTS) return PS_OK;
    FILE *stream = open_memstream(text, &size);
    if (stream == NULL) return ps_fail(PS_ERR_MEMORY, "no memory for a checkpoint");
    fputs("{\"mean\":[", stream);
    print_numbers(stream, dataset, false);
    fputs("],\"std\":[", stream);
    print_numbers(stream, dataset, true);
    fputs("]}", stream);
    return ps_memory_stream_close(stream, text, "a checkpoint");
}

static int read_numbers(const cJSON *list, double *value) {
    int count = cJSON_GetArraySize(list);
    for (int i = 0; i < count && i < PS_MOST_MOMENTS; i++) value[i] = cJSON_GetNumberValue(cJSON_GetArrayItem(list, i));
    return count <= PS_MOST_MOMENTS ? count : 0;
}

/* Those of the command line, else those of the training. */
static ps_status find_moments(const ps_checkpoint_session *s, const char *path, ps_dataset_options *data) {
    cJSON *json;
    if (!s->config.normalise || s->config.mean[0] != '\0' || s->config.std[0] != '\0')
        return ps_session_read_moments(&s->config, data);
    PS_TRY(ps_json_parse(s->config_text, path, &json));
    const cJSON *input = cJSON_GetObjectItemCaseSensitive(json, moments_key);
    int deviations = read_numbers(cJSON_GetObjectItemCaseSensitive(input, "std"), data->deviation);
    data->moments = read_numbers(cJSON_GetObjectItemCaseSensitive(input, "mean"), data->mean);
    bool whole = data->moments > 0 && data->moments == deviations;
    cJSON_Delete(json);
    if (whole) return PS_OK;
    return ps_fail(
        PS_ERR_INPUT,
        "%s: does not say by what its images were normalised; give --mean and --std, as means and deviations "
        "of its training images (of pictures in shares of 255)",
        path);
}

/* ---- data ---- */

static ps_status check_channels(const ps_checkpoint_session *s, const char *folder, const ps_dataset *dataset) {
    int channels = ps_dataset_sample_shape(dataset).c, wanted = s->graph->input.c;
    if (channels == wanted) return PS_OK;
    return ps_fail(PS_ERR_INPUT,
                   "%s: images have %d channel%s, and the network takes %d; of volumes with a file a channel all must "
                   "be there (CASE_0000, CASE_0001, ..)",
                   folder, channels, channels == 1 ? "" : "s", wanted);
}

static ps_status prepare(const ps_run_config *c, const ps_dataset_options *data, const char *folder,
                         ps_source *source) {
    ps_plan plan;
    const ps_plan_network *network;
    if (!ps_planned(c)) return PS_OK;
    PS_TRY(ps_planned_read(c, data, &plan, &network));
    const ps_prepare_options how = {.dimensions = network->dimensions, .quiet = !isatty(STDERR_FILENO)};
    return ps_prepare(source, folder, &plan, &how);
}

static ps_status open_data(ps_checkpoint_session *s, const char *path, const char *folder) {
    const ps_run_config *c = &s->config;
    const ps_op *last = &s->graph->op[s->graph->count - 1];
    ps_source source;
    ps_dataset_options data = ps_session_data_options(c);
    data.probe_count = data.train_limit = data.test_limit = data.folds = data.fold = 0;
    data.split_file = NULL;
    PS_TRY(find_moments(s, path, &data));
    ps_status status = ps_unlabelled_open(folder, last->shape.c, s->graph->input.c, &source);
    if (status == PS_OK) status = ps_source_check_bad(&source, folder, c->skip_bad);
    if (status == PS_OK) status = prepare(c, &data, folder, &source);
    if (status == PS_OK) return ps_dataset_of_source(folder, &data, &source, &s->session.dataset);
    ps_source_close(&source);
    return status;
}

/* ---- the network ---- */

static ps_status check_maps(const ps_checkpoint_session *s, const char *path) {
    ps_shape in = s->graph->input, out = s->graph->op[s->graph->count - 1].shape;
    if (ps_shape_positions(ps_shape_with_batch(out, 1)) > 1 || ps_shape_positions(ps_shape_with_batch(in, 1)) == 1)
        return PS_OK;
    return ps_fail(PS_ERR_USAGE, "predict writes label maps, and the network of %s names one class a sample", path);
}

/* No window slides over samples where outputs are no map of the input. */
static ps_status check_sizes(const ps_checkpoint_session *s, const char *folder) {
    ps_shape in = s->graph->input, out = s->graph->op[s->graph->count - 1].shape;
    const ps_dataset *dataset = s->session.dataset;
    if (ps_shape_same_sides(in, out)) return PS_OK;
    if (!ps_dataset_samples_differ(dataset) && ps_shape_same_sides(in, ps_dataset_sample_shape(dataset))) return PS_OK;
    return ps_fail(PS_ERR_INPUT,
                   "%s: the network's outputs are no map as large as its input (%d x %d x %d), so that images must be "
                   "as large as that; bring them to it with --size",
                   folder, in.d, in.h, in.w);
}

static ps_status fill_session(ps_checkpoint_session *s, const char *path, int threads) {
    ps_session *session = &s->session;
    const ps_run_config *c = &s->config;
    size_t batch = (size_t)c->batch;
    session->config = c;
    PS_TRY(ps_threads_create(threads, &session->threads));
    PS_TRY(ps_task_of(session->dataset, &session->task));
    session->asked = (ps_task_options){.loss = c->loss, .tolerance_mm = c->tolerance_mm, .mirror = c->mirror_eval};
    session->loss = ps_cross_entropy;
    session->task->describe(session->dataset, &session->asked, &session->described);
    PS_TRY(ps_net_create(s->graph, c->batch, session->threads, &session->net));
    PS_TRY(PS_ALLOC(batch * ps_shape_elements(ps_shape_with_batch(s->graph->input, 1)), &session->x, "images"));
    PS_TRY(PS_ALLOC((size_t)PS_TRACE_MOST_MEASURES * (size_t)ps_dataset_classes(session->dataset), &session->per_class,
                    "images"));
    return ps_checkpoint_session_weights(s, path);
}

static ps_status open_images(ps_checkpoint_session *s, const char *path, const ps_run_settings *settings,
                             const char *folder, int threads) {
    PS_TRY(ps_checkpoint_session_config(s, path, settings));
    PS_TRY(check_maps(s, path));
    PS_TRY(open_data(s, path, folder));
    for (int i = 0; ps_dataset_left_out(s->session.dataset, i) != NULL; i++)
        fprintf(stderr, "note: left out: %s\n", ps_dataset_left_out(s->session.dataset, i));
    PS_TRY(check_channels(s, folder, s->session.dataset));
    PS_TRY(check_sizes(s, folder));
    return fill_session(s, path, threads);
}

ps_status ps_images_open(ps_checkpoint_session *s, const char *given, const ps_run_settings *settings,
                         const char *folder, int threads) {
    bool is_checkpoint = false;
    char *path = NULL;
    memset(s, 0, sizeof *s);
    ps_status status = ps_run_weights_path(given, &path);
    if (status == PS_OK) status = ps_checkpoint_check(path, &is_checkpoint);
    if (status == PS_OK && !is_checkpoint)
        status = ps_fail(PS_ERR_USAGE,
                         "%s: holds weights alone, which do not say how their images were prepared; --images needs a "
                         "checkpoint",
                         path);
    if (status == PS_OK) status = open_images(s, path, settings, folder, threads);
    if (status != PS_OK) ps_checkpoint_session_close(s);
    free(path);
    return status;
}
