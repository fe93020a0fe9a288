#include "layers/layer.h"

#include <stdio.h>
#include <string.h>

#include "core/text.h"
#include "layers/list.h"

#define PS_LAYER(name) &ps_layer_##name,
static const ps_layer_type *const types[] = {
#include PS_LAYER_LIST
    NULL};
#undef PS_LAYER

const ps_layer_type *const *ps_layer_types(void) { return types; }

static const char *nearest(const char *name) {
    const char *best = NULL;
    int best_distance = 4; /* further away is no typing mistake */
    for (int i = 0; types[i] != NULL; i++) {
        int distance = ps_text_distance(name, types[i]->name);
        if (distance >= best_distance) continue;
        best_distance = distance;
        best = types[i]->name;
    }
    return best;
}

ps_status ps_layer_find(const char *name, const char *where, const ps_layer_type **type) {
    *type = NULL;
    for (int i = 0; types[i] != NULL; i++)
        if (strcmp(types[i]->name, name) == 0) {
            *type = types[i];
            return PS_OK;
        }
    const char *guess = nearest(name);
    if (guess != NULL)
        return ps_fail(PS_ERR_INPUT, "%s: unknown layer type \"%s\"; did you mean \"%s\"?", where, name, guess);
    char list[512] = "";
    for (int i = 0; types[i] != NULL; i++)
        snprintf(list + strlen(list), sizeof list - strlen(list), "%s%s", i ? ", " : "", types[i]->name);
    return ps_fail(PS_ERR_INPUT, "%s: unknown layer type \"%s\"; known here: %s", where, name, list);
}
