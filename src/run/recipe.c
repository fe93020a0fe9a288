#include "run/recipe.h"

#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "data/source.h"

static const struct {
    const char *name, *settings;
} recipes[] = {
#define PS_RECIPE(name, what, settings) {name, settings},
#include "run/recipe_list.def"
#undef PS_RECIPE
};
enum { RECIPES = sizeof recipes / sizeof *recipes };

/* What makes a recipe, named by it or not. */
static const char makes[] =
    "Augmentation,foreground,epoch_steps,pad_background,loss,batch_dice,dice_background,dice_smooth,backbone_lr_factor,"
    "optimiser,momentum,nesterov,weight_decay,decay_exempt,beta1,beta2,eps,clip,schedule,milestones,"
    "step_factor,lr_min,poly_power,cooldown_epochs,lr_by_epoch,warmup,warmup_epochs,warmup_from";
/* And what of it may be another where the recipe names it: sizes of images and lengths of runs are the user's. */
static const char may_differ[] =
    "lr,batch,epochs,steps,epoch_steps,patch_size,mean,std,crop_pad,warmup_epochs,cooldown_epochs,mix_until_epoch";

static ps_status find(const char *name, const char **settings) {
    char known[240] = "";
    for (int i = 0; i < RECIPES; i++) {
        if (strcmp(recipes[i].name, name) == 0) {
            *settings = recipes[i].settings;
            return PS_OK;
        }
        size_t used = strlen(known);
        snprintf(known + used, sizeof known - used, "%s%s", i > 0 ? ", " : "", recipes[i].name);
    }
    return ps_fail(PS_ERR_USAGE, "recipe \"%s\" is unknown; there are %s", name, known);
}

/* The recipe alone: what it names over the defaults. */
static ps_status read_recipe(const char *settings, ps_run_config *recipe) {
    char *list, *save = NULL;
    bool known = true;
    PS_TRY(ps_run_config_init(recipe));
    PS_TRY(ps_string_copy(settings, &list));
    ps_status status = PS_OK;
    for (char *word = strtok_r(list, " ", &save); word != NULL && status == PS_OK; word = strtok_r(NULL, " ", &save)) {
        char *value = strchr(word, '=');
        *value++ = '\0';
        status = ps_run_config_set(recipe, word, value, &known);
        if (status == PS_OK && !known)
            status = ps_fail(PS_ERR_INTERNAL, "a recipe sets \"%s\", which is no option", word);
    }
    free(list);
    return status;
}

static ps_status refuse(const ps_run_config *config, const ps_run_config *recipe, const char *name) {
    char own[160], its[160];
    ps_run_config_show(config, name, own, sizeof own);
    ps_run_config_show(recipe, name, its, sizeof its);
    return ps_fail(
        PS_ERR_USAGE,
        "%s = %s contradicts the recipe \"%s\", in which it is %s; leave it out, or leave the recipe out and "
        "give its settings one by one",
        name, own, config->recipe, its);
}

/* An augmentation that is not done: each may be left out of a recipe, to see what it is for. */
static bool switched_off(const ps_run_config *config, const char *name) {
    return ps_run_config_in("Augmentation", name) && ps_run_config_first_changed(config, name) == NULL;
}

static ps_status settle(ps_run_config *config, const ps_run_config *recipe, const char *name) {
    bool given = ps_run_config_has(config, name), named = ps_run_config_has(recipe, name);
    bool is_length = strcmp(name, "epochs") == 0 && config->given[PS_GIVEN_steps];
    is_length = is_length || (strcmp(name, "steps") == 0 && config->given[PS_GIVEN_epochs]);
    if (!given && !is_length) return named ? ps_run_config_take(config, recipe, name) : PS_OK;
    bool free_to =
        named ? ps_run_config_in(may_differ, name) || switched_off(config, name) : !ps_run_config_in(makes, name);
    return free_to || ps_run_config_agree(config, recipe, name) ? PS_OK : refuse(config, recipe, name);
}

void ps_recipe_settle_background(ps_run_config *config, const char *data) {
    bool dice = strcmp(config->loss, "dice") == 0 || strcmp(config->loss, "ce+dice") == 0;
    if (dice && !config->given[PS_GIVEN_dice_background]) config->dice_background = !ps_source_has_background(data);
}

/* What the recipe says of an augmentation goes where the user switched that off. */
static void drop_idle(ps_run_config *config) {
    bool crops = config->crop_pad > 0 || config->patch_size[0] != '\0', mixes = config->mixup > 0 || config->cutmix > 0;
    if (!crops && !config->given[PS_GIVEN_crop_black]) config->crop_black = false;
    if (!mixes && !config->given[PS_GIVEN_mix_until_epoch]) config->mix_until_epoch = 0;
}

ps_status ps_recipe_apply(ps_run_config *config) {
    ps_run_config recipe = {0};
    ps_run_option_text option;
    const char *settings = "";
    if (config->recipe[0] == '\0') return PS_OK;
    PS_TRY(find(config->recipe, &settings));
    ps_status status = read_recipe(settings, &recipe);
    if (status == PS_OK) ps_recipe_settle_background(&recipe, config->data);
    for (int i = 0; status == PS_OK && ps_run_config_describe(i, &option); i++)
        status = settle(config, &recipe, option.name);
    if (status == PS_OK) drop_idle(config);
    ps_run_config_clear(&recipe);
    return status;
}
