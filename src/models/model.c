#include "models/model.h"

#include <pthread.h>
#include <string.h>

#include "core/text.h"

#define PS_FAMILY(family) extern const ps_model ps_models_##family[];
#include "models/model_list.def"
#undef PS_FAMILY

#define PS_FAMILY(family) ps_models_##family,
static const ps_model *const families[] = {
#include "models/model_list.def"
    NULL};
#undef PS_FAMILY

enum { MOST_MODELS = 64 };
static ps_model models[MOST_MODELS];
static int model_count;
static pthread_once_t collected = PTHREAD_ONCE_INIT;

static void collect(void) {
    for (int f = 0; families[f] != NULL; f++)
        for (const ps_model *m = families[f]; m->name != NULL && model_count < MOST_MODELS; m++)
            models[model_count++] = *m;
}

const ps_model *ps_models(int *count) {
    pthread_once(&collected, collect);
    *count = model_count;
    return models;
}

ps_status ps_model_find(const char *name, const ps_model **model) {
    int count, nearest = 0, nearest_distance = 1000;
    const ps_model *all = ps_models(&count);
    *model = NULL;
    for (int i = 0; i < count; i++) {
        int distance = ps_text_distance(name, all[i].name);
        if (distance == 0 && strcmp(name, all[i].name) == 0) {
            *model = &all[i];
            return PS_OK;
        }
        if (distance < nearest_distance) {
            nearest_distance = distance;
            nearest = i;
        }
    }
    /* Of a word most of whose letters are others, nobody meant that one. */
    if (2 * nearest_distance > (int)strlen(name))
        return ps_fail(PS_ERR_USAGE, "model \"%.80s\" is unknown; `poolscope models` lists all", name);
    return ps_fail(PS_ERR_USAGE, "model \"%.80s\" is unknown; did you mean \"%s\"? `poolscope models` lists all", name,
                   all[nearest].name);
}

void ps_model_options_init(const ps_model *model, ps_model_options *options) { *options = model->defaults; }
