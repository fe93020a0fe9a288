/* Published recipes (run/recipe_list.def): settings of training and augmentation under a name. */
#ifndef PS_RUN_RECIPE_H
#define PS_RUN_RECIPE_H

#include "run/config.h"

/* Sets what config->recipe says and the user did not; "" is none. Refuses what was given and contradicts it: all of
 * training and augmentation that makes the recipe, but not its batch, its rate, its length and what goes by the
 * length, nor an augmentation that is switched off. */
ps_status ps_recipe_apply(ps_run_config *config);

/* Where nobody said it: soft Dice leaves class 0 out where it is the background of these data, and nowhere else. */
void ps_recipe_settle_background(ps_run_config *config, const char *data);

#endif
