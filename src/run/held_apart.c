#include "run/held_apart.h"

#include "core/memory.h"
#include "data/choice.h"
#include "run/latest.h"
#include "run/opened.h"
#include "run/session.h"

enum { OF_SO_MANY = 4 };

static void close(const char *name, ps_source *source, ps_status status) {
    if (status == PS_OK) ps_opened_leave(name, source);
    else ps_source_close(source);
}

/* Of the data without a probe; -1: as many are made as are asked for. */
static ps_status count_training(const ps_run_config *c, int *count) {
    ps_dataset_options data = ps_session_data_options(c);
    ps_source source;
    int *index = NULL;
    data.probe_count = 0;
    PS_TRY(ps_session_check_fold(c));
    ps_status status = ps_opened_take(c->data, &data, &source);
    if (status == PS_OK && source.made && !ps_choice_has_fold(&data)) *count = -1;
    else if (status == PS_OK) status = ps_choice_training(c->data, &source, &data, &index, count);
    ps_free(index);
    close(c->data, &source, status);
    return status;
}

/* The runs of an experiment have the same data. */
static ps_status count_once(const ps_run_config *c, int *count) {
    static ps_latest latest;
    static int training;
    char *key;
    PS_TRY(ps_string_format(&key, "%s %d %d %d %d %d %s", c->data, c->size, c->train_limit, c->test_limit, c->fold,
                            c->folds, c->split_file));
    ps_status status = ps_latest_is(&latest, key) ? PS_OK : count_training(c, &training);
    ps_latest_keep(&latest, key, status == PS_OK);
    *count = training;
    return status;
}

static void settle(ps_run_config *c, int count) {
    int most = count < OF_SO_MANY ? 1 : count / OF_SO_MANY;
    if (count >= 0 && c->probe > most) c->probe = most;
    c->given[PS_GIVEN_probe] = true;
}

ps_status ps_held_apart_settle(ps_run_config *config) {
    int count;
    if (config->given[PS_GIVEN_probe]) return PS_OK;
    if (config->probe < config->batch) config->probe = config->batch;
    PS_TRY(count_once(config, &count));
    settle(config, count);
    return PS_OK;
}

ps_status ps_held_apart_refit(ps_run_config *config) {
    int count;
    PS_TRY(count_once(config, &count));
    if (config->probe >= count) settle(config, count);
    return PS_OK;
}

ps_status ps_held_apart_count(const ps_run_config *c, int *training) {
    const ps_dataset_options data = ps_session_data_options(c);
    ps_source source;
    ps_choice choice = {0};
    ps_status status = ps_opened_take(c->data, &data, &source);
    if (status == PS_OK) status = ps_choice_make(c->data, &source, &data, NULL, &choice);
    if (status == PS_OK) *training = choice.count[PS_SPLIT_TRAIN];
    ps_choice_clear(&choice);
    close(c->data, &source, status);
    return status;
}
