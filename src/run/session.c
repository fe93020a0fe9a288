#include "run/session.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "run/held_apart.h"
#include "run/network.h"
#include "run/opened.h"
#include "run/planned.h"
#include "run/planted.h"
#include "run/directory.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/json.h"
#include "core/memory.h"
#include "layers/attributes.h"

static ps_status read_patch(const ps_run_config *c, ps_dataset_options *data) {
    int side[3], *sides = &data->patch_sides;
    if (c->patch_size[0] == '\0') {
        if (!c->pad_background) return PS_OK;
        return ps_fail(PS_ERR_USAGE,
                       "pad_background says what lies beyond a sample, and whole samples are used; give "
                       "patch_size, too, or leave it out");
    }
    PS_TRY(ps_parse_int_list(c->patch_size, "patch_size", 3, side, sides));
    for (int i = 0; i < 3; i++) data->patch[i] = i < 3 - *sides ? side[0] : side[i - 3 + *sides];
    return PS_OK;
}

ps_status ps_session_check_fold(const ps_run_config *c) {
    bool listed = c->split_file[0] != '\0';
    if (c->fold < 0 && !c->given[PS_GIVEN_fold] && (listed || ps_run_config_first_changed(c, "folds") != NULL))
        return ps_fail(PS_ERR_USAGE,
                       "%s says what folds there are, and none is held out; say which with fold, or leave "
                       "it out",
                       listed ? "split_file" : "folds");
    return PS_OK;
}

ps_status ps_session_read_moments(const ps_run_config *c, ps_dataset_options *data) {
    int deviations = 0;
    if (c->mean[0] == '\0' && c->std[0] == '\0') return PS_OK;
    if (!c->normalise)
        return ps_fail(PS_ERR_USAGE,
                       "mean and std say how images are normalised, and normalise = no leaves them as "
                       "they are; leave one of them out");
    PS_TRY(ps_parse_number_list(c->mean, "mean", PS_MOST_MOMENTS, data->mean, &data->moments));
    PS_TRY(ps_parse_number_list(c->std, "std", PS_MOST_MOMENTS, data->deviation, &deviations));
    if (data->moments == deviations) return PS_OK;
    return ps_fail(PS_ERR_USAGE, "mean has %d numbers and std has %d; give one of each for every channel",
                   data->moments, deviations);
}

/* Without what says which part of a sample is seen. */
ps_dataset_options ps_session_data_options(const ps_run_config *c) {
    bool held_out = c->fold >= 0, listed = held_out && c->split_file[0] != '\0';
    return (ps_dataset_options){.size = c->size,
                                .probe_count = c->probe,
                                .train_limit = c->train_limit,
                                .test_limit = c->test_limit,
                                .raw = !c->normalise,
                                .most_bytes = c->cache_mb > 0 ? (size_t)c->cache_mb << 20 : 1,
                                .pad_background = c->pad_background,
                                .skip_bad = c->skip_bad,
                                .fold = held_out ? c->fold : 0,
                                .folds = held_out && !listed ? c->folds : 0,
                                .split_file = listed ? c->split_file : NULL,
                                .seed = 0}; /* generated data are the same for every seed of the run, as files are */
}

ps_status ps_session_open_data(const ps_run_config *c, ps_dataset **dataset) {
    ps_dataset_options data = ps_session_data_options(c);
    PS_TRY(read_patch(c, &data));
    PS_TRY(ps_session_check_fold(c));
    PS_TRY(ps_session_read_moments(c, &data));
    if (ps_planned(c)) return ps_planned_open(c, &data, dataset);
    ps_source source;
    ps_status status = ps_opened_take(c->data, &data, &source);
    if (status == PS_OK) return ps_dataset_of_source(c->data, &data, &source, dataset);
    ps_source_close(&source);
    return status;
}

static ps_status read_range(const char *text, const char *name, ps_augment_range *range) {
    double value[2];
    int count;
    PS_TRY(ps_parse_number_list(text, name, 2, value, &count));
    if (count != 2) return ps_fail(PS_ERR_USAGE, "%s needs two numbers, LOW,HIGH, not \"%s\"", name, text);
    *range = (ps_augment_range){value[0], value[1]};
    return PS_OK;
}

static ps_status read_jitter(const char *text, double jitter[3]) {
    int count;
    if (text[0] == '\0') return PS_OK;
    PS_TRY(ps_parse_number_list(text, "color_jitter", 3, jitter, &count));
    if (count == 3) return PS_OK;
    return ps_fail(PS_ERR_USAGE, "color_jitter needs three numbers, BRIGHTNESS,CONTRAST,SATURATION, not \"%s\"", text);
}

static ps_status read_augmentation(const ps_run_config *c, ps_augment_options *out) {
    bool part = c->resized_crop_scale[0] != '\0';
    *out = (ps_augment_options){.crop_pad = c->crop_pad,
                                .crop_black = c->crop_black,
                                .flip = c->flip,
                                .rotate = c->rotate,
                                .erase = c->erase,
                                .patch_turn = c->patch_turn,
                                .patch_zoom = c->patch_zoom,
                                .noise = c->noise,
                                .blur = c->blur,
                                .brightness = c->brightness,
                                .contrast = c->contrast,
                                .low_resolution = c->low_resolution,
                                .gamma_inverted = c->gamma_inverted,
                                .gamma = c->gamma,
                                .mirror = c->mirror};
    PS_TRY(ps_rand_augment_parse(c->rand_augment, &out->rand));
    if (part) PS_TRY(read_range(c->resized_crop_scale, "resized_crop_scale", &out->crop_scale));
    PS_TRY(read_range(c->resized_crop_ratio, "resized_crop_ratio", &out->crop_ratio));
    if (!part && ps_run_config_first_changed(c, "resized_crop_ratio") != NULL)
        return ps_fail(PS_ERR_USAGE,
                       "resized_crop_ratio says how parts are shaped, and none are taken; give "
                       "resized_crop_scale, too, or leave it out");
    if (c->patch_scale[0] != '\0') PS_TRY(read_range(c->patch_scale, "patch_scale", &out->patch_scale));
    PS_TRY(read_jitter(c->color_jitter, out->jitter));
    if (c->crop_black && c->crop_pad == 0 && c->patch_size[0] == '\0')
        return ps_fail(
            PS_ERR_USAGE,
            "crop_black says what crops are padded with, and none are taken; give crop_pad or patch_size, too, or "
            "leave it out");
    return PS_OK;
}

static ps_status read_mixing(const ps_run_config *c, ps_mix_options *out) {
    bool any = c->mixup > 0 || c->cutmix > 0, both = c->mixup > 0 && c->cutmix > 0;
    *out = (ps_mix_options){c->mixup, c->cutmix, c->mix_switch, c->mix_until_epoch};
    if (!both && ps_run_config_first_changed(c, "mix_switch") != NULL)
        return ps_fail(PS_ERR_USAGE,
                       "mix_switch chooses between mixup and cutmix, and they are not both in use; give both, or leave "
                       "mix_switch out");
    if (!any && c->mix_until_epoch > 0)
        return ps_fail(PS_ERR_USAGE,
                       "mix_until_epoch says how long images are mixed, and none are; give mixup or cutmix, too, or "
                       "leave it out");
    return PS_OK;
}

static bool softens(const ps_run_config *c) { return c->label_smoothing > 0 || c->mixup > 0 || c->cutmix > 0; }

static ps_status read_task_options(ps_session *s) {
    const ps_run_config *c = s->config;
    const char *idle = ps_run_config_first_changed(c, "Task");
    int weights;
    if (!ps_dataset_has_masks(s->dataset) && idle != NULL)
        return ps_fail(PS_ERR_USAGE,
                       "%s is of data with masks (a class for each position), and \"%s\" has one label a sample; leave "
                       "it out",
                       idle, c->data);
    if (ps_run_config_first_changed(c, "tolerance_mm") != NULL &&
        !ps_dataset_file_of(s->dataset, PS_SPLIT_TRAIN, 0).has_unit)
        return ps_fail(
            PS_ERR_USAGE,
            "tolerance_mm is of the normalised surface Dice, which volumes in mm are measured by, and \"%s\" "
            "has pictures, without a unit; leave it out",
            c->data);
    PS_TRY(ps_parse_number_list(c->class_weights, "class_weights", PS_MAX_CLASS_WEIGHTS, s->class_weight, &weights));
    s->asked = (ps_task_options){.loss = c->loss,
                                 .class_weight = s->class_weight,
                                 .class_weights = weights,
                                 .batch_dice = c->batch_dice,
                                 .dice_background = c->dice_background,
                                 .dice_smooth = c->dice_smooth,
                                 .tolerance_mm = c->tolerance_mm,
                                 .mirror = c->mirror_eval,
                                 .softened = softens(c)};
    return PS_OK;
}

static ps_status open_data(ps_session *s) {
    const ps_run_config *c = s->config;
    ps_loader_options loader = {.batch = c->batch,
                                .parts = c->accumulate,
                                .seed = (uint64_t)c->seed,
                                .stored_order = !c->shuffle,
                                .epoch_steps = c->epoch_steps,
                                .foreground = c->foreground};
    PS_TRY(read_augmentation(c, &loader.augment));
    PS_TRY(read_mixing(c, &loader.mix));
    PS_TRY(ps_session_open_data(c, &s->dataset));
    for (int i = 0; ps_dataset_left_out(s->dataset, i) != NULL; i++)
        fprintf(stderr, "note: left out: %s\n", ps_dataset_left_out(s->dataset, i));
    PS_TRY(ps_task_of(s->dataset, &s->task));
    PS_TRY(read_task_options(s));
    PS_TRY(s->task->open_loss(s->dataset, &s->asked, c->batch, &s->loss));
    s->task->describe(s->dataset, &s->asked, &s->described);
    PS_TRY(ps_loader_create(s->dataset, &loader, &s->loader));
    s->probe_batches = ps_dataset_count(s->dataset, PS_SPLIT_PROBE) / c->batch;
    if (s->probe_batches == 0)
        return ps_fail(PS_ERR_USAGE,
                       "the probe set (%d images) must hold at least one batch of %d; raise --probe or lower --batch",
                       c->probe, c->batch);
    return PS_OK;
}

/* As shares of all steps, where they are given as epochs: at the very step an epoch begins with. */
static ps_status set_milestones(ps_session *s, ps_lr_options *rate) {
    const ps_run_config *c = s->config;
    double most = 0, epoch = (double)ps_loader_steps_per_epoch(s->loader);
    PS_TRY(
        ps_parse_number_list(c->milestones, "--milestones", PS_MAX_MILESTONES, s->milestones, &rate->milestone_count));
    for (int i = 0; i < rate->milestone_count; i++) most = s->milestones[i] > most ? s->milestones[i] : most;
    for (int i = 0; i < rate->milestone_count && most > 1; i++) {
        if (s->milestones[i] > 0 && s->milestones[i] < 1)
            return ps_fail(PS_ERR_USAGE,
                           "milestones %s: %g looks like a share of all steps and %g like an epoch; give all as one",
                           c->milestones, s->milestones[i], most);
        s->milestones[i] = floor(s->milestones[i] * epoch + 0.5) / (double)c->steps;
    }
    return PS_OK;
}

static uint64_t steps_of_epochs(const ps_session *s, double epochs) {
    return (uint64_t)floor(epochs * (double)ps_loader_steps_per_epoch(s->loader) + 0.5);
}

static ps_status set_rate(ps_session *s, ps_lr_options *rate) {
    const ps_run_config *c = s->config;
    *rate = (ps_lr_options){.lr = c->lr,
                            .minimum = c->lr_min,
                            .schedule = c->schedule,
                            .milestones = s->milestones,
                            .step_factor = c->step_factor,
                            .power = c->poly_power,
                            .warmup = c->warmup > 0 ? (uint64_t)c->warmup : steps_of_epochs(s, c->warmup_epochs),
                            .cooldown = steps_of_epochs(s, c->cooldown_epochs),
                            .hold = c->lr_by_epoch ? ps_loader_steps_per_epoch(s->loader) : 1,
                            .from_given = c->warmup_from >= 0,
                            .from = c->warmup_from};
    PS_TRY(set_milestones(s, rate));
    return ps_lr_check(rate, (uint64_t)c->steps);
}

static ps_status open_optimiser(ps_session *s) {
    const ps_run_config *c = s->config;
    ps_optimiser_options *o = &s->optimiser_options;
    *o = (ps_optimiser_options){.name = c->optimiser,
                                .momentum = c->momentum,
                                .weight_decay = c->weight_decay,
                                .nesterov = c->nesterov,
                                .beta1 = c->beta1,
                                .beta2 = c->beta2,
                                .eps = c->eps,
                                .clip = c->clip,
                                .backbone_factor = c->backbone_lr_factor,
                                .freeze = c->freeze,
                                .decay_exempt = c->decay_exempt};
    PS_TRY(set_rate(s, &o->rate));
    return ps_optimiser_create(s->net, o, &s->optimiser);
}

/* One label a sample needs one position at the end. */
static ps_status check_outputs(const ps_session *s, const ps_graph *graph) {
    const ps_op *last = &graph->op[graph->count - 1];
    char text[48];
    if (ps_dataset_has_masks(s->dataset) || ps_net_labels_per_sample(s->net) == 1) return PS_OK;
    return ps_fail(
        PS_ERR_INPUT,
        "network %s: its last operation \"%s\" (%s) gives a map, %s (c x d x h x w), where the data have one "
        "label a sample; add a flatten (or a global_avg_pool) before it",
        graph->name, last->name, last->type->name, ps_shape_text(last->shape, text));
}

static ps_status open(ps_session *s, const ps_graph *graph, int threads) {
    PS_TRY(ps_threads_create(threads, &s->threads));
    uint64_t began = ps_clock_ns();
    PS_TRY(open_data(s));
    s->data_ns = ps_clock_ns() - began;
    ps_shape sample = ps_dataset_sample_shape(s->dataset);
    if (graph == NULL) {
        if (s->config->fork[0] != '\0' && s->config->init[0] != '\0')
            return ps_fail(PS_ERR_USAGE, "--fork and --init both say where the weights come from; give one of them");
        PS_TRY(ps_network_build(s->config, sample, ps_dataset_classes(s->dataset), "size", &s->graph));
        graph = s->graph;
    }
    PS_TRY(ps_net_create(graph, s->config->batch, s->threads, &s->net));
    PS_TRY(check_outputs(s, graph));
    size_t batch = (size_t)s->config->batch * (size_t)s->config->accumulate;
    if (ps_net_labels_per_sample(s->net) != ps_dataset_labels_per_sample(s->dataset) ||
        ps_net_classes(s->net) != ps_dataset_classes(s->dataset) ||
        !ps_shape_equal(ps_shape_with_batch(graph->input, 1), ps_shape_with_batch(sample, 1)))
        return ps_fail(PS_ERR_INPUT,
                       "network %s takes other input or gives other labels than the data \"%s\"; check --data, --size "
                       "and the network",
                       graph->name, s->config->data);
    PS_TRY(PS_ALLOC(batch * ps_shape_elements(sample), &s->x, "evaluation batch"));
    PS_TRY(PS_ALLOC(batch * ps_dataset_labels_per_sample(s->dataset), &s->label, "evaluation batch"));
    PS_TRY(
        PS_ALLOC((size_t)PS_TRACE_MOST_MEASURES * (size_t)ps_dataset_classes(s->dataset), &s->per_class, "evaluation"));
    return open_optimiser(s);
}

ps_status ps_session_open(ps_session *session, const ps_run_config *config, const ps_graph *graph, int threads) {
    memset(session, 0, sizeof *session);
    session->config = config;
    ps_status status = open(session, graph, threads);
    if (status != PS_OK) ps_session_close(session);
    return status;
}

void ps_session_close(ps_session *session) {
    ps_optimiser_destroy(session->optimiser);
    ps_net_destroy(session->net);
    ps_graph_destroy(session->graph);
    ps_task_close_loss(&session->loss);
    ps_loader_destroy(session->loader);
    ps_dataset_close(session->dataset);
    ps_threads_destroy(session->threads);
    ps_free(session->x);
    ps_free(session->label);
    ps_free(session->per_class);
    free(session->planted);
    memset(session, 0, sizeof *session);
}

static ps_status verify_weights(const char *path) {
    bool is_checkpoint;
    PS_TRY(ps_checkpoint_check(path, &is_checkpoint));
    return is_checkpoint ? ps_checkpoint_verify(path) : PS_OK;
}

/* Weights of other programs have no digests; those of a checkpoint must be what was trained. */
static ps_status load_fork(ps_session *session, const char *directory, char *digest) {
    static const char of_run[] = "run:";
    const char *fork = session->config->fork;
    char *given = NULL, *path = NULL;
    ps_status status = PS_OK;
    bool seen_from_run = strncmp(fork, of_run, sizeof of_run - 1) == 0;
    PS_TRY_CLEANUP(seen_from_run ? ps_file_join(directory, fork + sizeof of_run - 1, &given)
                                 : ps_string_copy(fork, &given));
    PS_TRY_CLEANUP(ps_run_weights_path(given, &path));
    PS_TRY_CLEANUP(ps_weights_load(path, session->net, true, &session->weights));
    PS_TRY_CLEANUP(verify_weights(path));
    PS_TRY_CLEANUP(ps_net_check_finite(session->net, PS_ERR_INPUT, path));
    PS_TRY_CLEANUP(ps_planted_of_checkpoint(path, &session->planted));
    status = ps_checkpoint_digest(path, digest);
cleanup:
    free(given);
    free(path);
    return status;
}

/* Whoever names a file of weights may have made it himself; that it is no longer what was trained is said. */
static ps_status load_init(ps_session *session) {
    char *path;
    PS_TRY(ps_run_weights_path(session->config->init, &path));
    ps_status status = ps_weights_load(path, session->net, false, &session->weights);
    if (status == PS_OK) status = ps_net_check_finite(session->net, PS_ERR_INPUT, path);
    bool loaded = status == PS_OK;
    if (loaded) status = verify_weights(path);
    free(path);
    if (!loaded || status != PS_ERR_INPUT) return status;
    fprintf(stderr, "note: %s\n", ps_status_message());
    return PS_OK;
}

ps_status ps_session_init_weights(ps_session *session, const char *directory, char *fork_digest) {
    const ps_run_config *c = session->config;
    fork_digest[0] = '\0';
    PS_TRY(ps_net_init(session->net, ps_network_init_scheme(c), (uint64_t)c->seed));
    session->weights = (ps_weights_note){.prefix = ""};
    if (c->init[0] != '\0') PS_TRY(load_init(session));
    return c->fork[0] == '\0' ? ps_string_copy("[]", &session->planted) : load_fork(session, directory, fork_digest);
}

static ps_status probe_batch(void *self, int index, float *x, int *images) {
    ps_session *s = self;
    return ps_loader_plain_batch(s->loader, PS_SPLIT_PROBE, index, x, s->label, images, s->threads);
}

static ps_status train_batch(void *self, uint64_t step, float *x, int32_t *label) {
    ps_session *s = self;
    PS_TRY(ps_loader_train_batch(s->loader, step, x, label, s->threads));
    ps_loader_mixed with = ps_loader_mixed_with(s->loader);
    s->soft = (ps_soft_labels){with.other, with.share, s->config->label_smoothing};
    return PS_OK;
}

ps_probe_source ps_session_probe_source(ps_session *session) {
    return (ps_probe_source){.self = session,
                             .batches = session->probe_batches,
                             .batch = probe_batch,
                             .label = session->label,
                             .loss = &session->loss};
}

double ps_session_loss_floor(const ps_session *session) {
    const ps_run_config *c = session->config;
    if (!softens(c)) return (double)NAN;
    return ps_loader_target_entropy(session->loader, c->label_smoothing, (uint64_t)c->steps);
}

ps_train_source ps_session_train_source(ps_session *session) {
    const ps_run_config *c = session->config;
    return (ps_train_source){.self = session,
                             .parts = c->accumulate,
                             .train_batch = train_batch,
                             .loss = &session->loss,
                             .soft = softens(c) ? &session->soft : NULL};
}

ps_task_split ps_session_split(ps_session *session, ps_split split) {
    return (ps_task_split){.net = session->net,
                           .loader = session->loader,
                           .dataset = session->dataset,
                           .asked = &session->asked,
                           .loss = &session->loss,
                           .split = split,
                           .images = ps_dataset_count(session->dataset, split),
                           .per_class = session->per_class,
                           .x = session->x,
                           .label = session->label};
}

ps_status ps_session_evaluate(ps_session *session, ps_split split, ps_evaluation *out) {
    ps_task_split on = ps_session_split(session, split);
    return session->task->evaluate(&on, out);
}

/* A run remembers where its data were as it was told: a relative folder is found only from where it was started. */
static ps_status refuse_lost_data(const ps_run_config *config, const char *path, const ps_run_settings *given) {
    const char *colon = strchr(config->data, ':'), *folder = colon != NULL ? colon + 1 : "";
    bool named = ps_run_settings_find(given, "data") != NULL;
    if (named || folder[0] == '\0' || ps_file_exists(folder)) return PS_OK;
    if (folder[0] == '/')
        return ps_fail(PS_ERR_INPUT,
                       "%s: was trained on \"%s\", and there is no such folder any more; name its new place "
                       "with --data",
                       path, config->data);
    return ps_fail(PS_ERR_INPUT,
                   "%s: was trained on \"%s\", a folder relative to where the training was started, which is not found "
                   "from here; go there, or name its place with --data",
                   path, config->data);
}

/* Not planned anew: neither from data that are shown to it now, nor from a file that has changed. */
static ps_status take_plan(const cJSON *json, ps_run_config *config) {
    const cJSON *plan = cJSON_GetObjectItemCaseSensitive(json, "plan");
    char *text = NULL;
    if (plan == NULL) return PS_OK;
    PS_TRY(ps_json_text(plan, &text));
    free(config->plan);
    ps_status status = ps_string_copy(text, &config->plan);
    cJSON_free(text);
    return status;
}

static bool shows_other_data(const ps_run_settings *given) {
    return ps_run_settings_find(given, "data") != NULL && ps_run_settings_find(given, "probe") == NULL;
}

ps_status ps_checkpoint_session_config(ps_checkpoint_session *s, const char *path, const ps_run_settings *given) {
    cJSON *json;
    PS_TRY(ps_run_config_init(&s->config));
    PS_TRY(ps_checkpoint_open(path, &s->graph, &s->config_text, &s->step));
    PS_TRY(ps_json_parse(s->config_text, path, &json));
    ps_status status = ps_run_config_read_json(&s->config, cJSON_GetObjectItemCaseSensitive(json, "run"), path, NULL);
    if (status == PS_OK) status = take_plan(json, &s->config);
    cJSON_Delete(json);
    PS_TRY(status);
    return given != NULL ? ps_run_settings_apply(given, &s->config) : PS_OK;
}

ps_status ps_checkpoint_session_weights(ps_checkpoint_session *s, const char *path) {
    PS_TRY(ps_checkpoint_read(path, s->session.net, NULL, NULL));
    ps_status status = ps_checkpoint_verify(path);
    s->changed = status == PS_ERR_INPUT;
    if (!s->changed) return status;
    fprintf(stderr, "note: %s\n", ps_status_message());
    return PS_OK;
}

static ps_status open_checkpoint(ps_checkpoint_session *s, const char *path, const ps_run_settings *given,
                                 int threads) {
    PS_TRY(ps_checkpoint_session_config(s, path, given));
    PS_TRY(refuse_lost_data(&s->config, path, given));
    if (shows_other_data(given)) PS_TRY(ps_held_apart_refit(&s->config));
    PS_TRY(ps_session_open(&s->session, &s->config, s->graph, threads));
    return ps_checkpoint_session_weights(s, path);
}

ps_status ps_checkpoint_session_open(ps_checkpoint_session *s, const char *path, const ps_run_settings *given,
                                     int threads) {
    memset(s, 0, sizeof *s);
    ps_status status = open_checkpoint(s, path, given, threads);
    if (status != PS_OK) ps_checkpoint_session_close(s);
    return status;
}

void ps_checkpoint_session_close(ps_checkpoint_session *s) {
    ps_session_close(&s->session);
    ps_run_config_clear(&s->config);
    ps_graph_destroy(s->graph);
    free(s->config_text);
    free(s->path);
    memset(s, 0, sizeof *s);
}
