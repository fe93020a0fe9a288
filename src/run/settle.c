#include "run/settle.h"

#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "run/held_apart.h"
#include "run/latest.h"
#include "run/looks.h"
#include "run/planned.h"
#include "run/recipe.h"
#include "run/session.h"

/* Headers say how many there are, but for samples that are left out because they cannot be decoded. */
static ps_status count_training(const ps_run_config *c, int *training) {
    ps_dataset *dataset;
    if (!c->skip_bad) return ps_held_apart_count(c, training);
    PS_TRY(ps_session_open_data(c, &dataset));
    *training = ps_dataset_count(dataset, PS_SPLIT_TRAIN);
    ps_dataset_close(dataset);
    return PS_OK;
}

static ps_status count_steps(const ps_run_config *c, uint64_t *epoch) {
    int training;
    PS_TRY(count_training(c, &training));
    *epoch = (uint64_t)training / ((uint64_t)c->batch * (uint64_t)c->accumulate);
    return PS_OK;
}

static ps_status steps_per_epoch(const ps_run_config *c, uint64_t *epoch) {
    static ps_latest latest;
    static uint64_t counted;
    char *key;
    if (c->epoch_steps > 0) {
        *epoch = (uint64_t)c->epoch_steps;
        return PS_OK;
    }
    PS_TRY(ps_string_format(&key, "%s %d %d %d %d %d %d %d %d %d %s %s", c->data, c->size, c->probe, c->train_limit,
                            c->test_limit, c->batch, c->accumulate, c->fold, c->folds, c->skip_bad, c->split_file,
                            c->patch_size));
    ps_status status = ps_latest_is(&latest, key) ? PS_OK : count_steps(c, &counted);
    ps_latest_keep(&latest, key, status == PS_OK);
    *epoch = counted;
    return status;
}

static ps_status count_epochs(ps_run_config *c) {
    uint64_t epoch;
    if (c->epochs == 0) return PS_OK;
    PS_TRY(steps_per_epoch(c, &epoch));
    uint64_t steps = epoch * (uint64_t)c->epochs;
    if (steps < 1 || steps > 1000000000)
        return ps_fail(PS_ERR_USAGE,
                       "--epochs %d of %llu steps each (of %lld images) are %llu steps, and a run has 1 to 1000000000; "
                       "give other --epochs, or another --batch",
                       c->epochs, (unsigned long long)epoch, (long long)c->batch * c->accumulate,
                       (unsigned long long)steps);
    if (c->given[PS_GIVEN_steps] && (uint64_t)c->steps != steps)
        return ps_fail(
            PS_ERR_USAGE,
            "--epochs %d are %llu steps of these data (%llu an epoch) and --steps says %d; leave one of them "
            "out",
            c->epochs, (unsigned long long)steps, (unsigned long long)epoch, c->steps);
    c->steps = (int)steps;
    return PS_OK;
}

static ps_status refuse_two(const ps_run_config *c) {
    if (c->eval_every > 0 && c->eval_every_epoch)
        return ps_fail(PS_ERR_USAGE,
                       "--eval-every %d and --eval-every-epoch both say when to evaluate; give one of them",
                       c->eval_every);
    if (c->warmup > 0 && c->warmup_epochs > 0)
        return ps_fail(PS_ERR_USAGE,
                       "--warmup %d and --warmup-epochs %g both say how long warm-up is; give one of them", c->warmup,
                       c->warmup_epochs);
    if (c->warmup_from < 0 && c->warmup_from != -1)
        return ps_fail(PS_ERR_USAGE, "--warmup-from takes a rate from 0 on, or -1, not %g", c->warmup_from);
    return PS_OK;
}

static ps_status refuse_idle(const ps_run_config *c) {
    if (c->recipe[0] != '\0' && c->pad_background && !c->given[PS_GIVEN_pad_background] && !ps_planned(c) &&
        c->patch_size[0] == '\0')
        return ps_fail(
            PS_ERR_USAGE,
            "the recipe %s trains on patches of a plan, and there is none; give --plan auto, or the file of a "
            "plan, or --patch-size",
            c->recipe);
    if (ps_planned(c) || ps_run_config_first_changed(c, "plan_network") == NULL) return PS_OK;
    return ps_fail(
        PS_ERR_USAGE,
        "--plan-network %s says which network of a plan, and there is none; give --plan, too, or leave it out",
        c->plan_network);
}

ps_status ps_run_settle(ps_run_config *config) {
    PS_TRY(ps_recipe_apply(config));
    ps_recipe_settle_background(config, config->data);
    PS_TRY(refuse_two(config));
    return refuse_idle(config);
}

ps_status ps_run_settle_on_data(ps_run_config *config) {
    int training;
    PS_TRY(ps_held_apart_settle(config));
    if (ps_planned(config)) PS_TRY(ps_held_apart_count(config, &training));
    const ps_dataset_options data = ps_session_data_options(config);
    PS_TRY(ps_planned_apply(config, &data));
    PS_TRY(count_epochs(config));
    ps_looks_settle(config);
    return PS_OK;
}
