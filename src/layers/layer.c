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
    char list[1024] = "";
    for (int i = 0; types[i] != NULL; i++)
        snprintf(list + strlen(list), sizeof list - strlen(list), "%s%s", i ? ", " : "", types[i]->name);
    return ps_fail(PS_ERR_INPUT, "%s: unknown layer type \"%s\"; known here: %s", where, name, list);
}

/* ---- order of parameters: [k][c][taps] in files, [k][taps][c] in memory; [c][k][taps] in files of transposed
 * convolutions, group by group; or [parts][rows] and [rows][parts] ---- */

typedef struct {
    size_t outer, first, second,
        unit; /* files have [outer][first][second][unit], memory [outer][second][first][unit] */
} param_order;

static param_order order_of(const ps_param_spec *spec) {
    param_order o = {.outer = 1, .first = 1, .second = 1, .unit = 1};
    if (spec->parts > 1) {
        o.first = (size_t)spec->parts, o.second = (size_t)spec->rows;
        for (int d = 0; d < spec->rank; d++) o.unit *= (size_t)spec->dims[d];
        o.unit /= o.first * o.second;
        return o;
    }
    o.outer = (size_t)spec->dims[0], o.first = (size_t)spec->dims[1];
    for (int d = 2; d < spec->rank; d++) o.second *= (size_t)spec->dims[d];
    if (spec->inputs_first > 0) {
        o.second *= o.first;
        o.outer = (size_t)spec->inputs_first, o.first = (size_t)ps_param_inputs(spec);
    }
    return o;
}

bool ps_param_is_reordered(const ps_param_spec *spec) {
    if (!spec->channels_last && spec->parts <= 1) return false;
    param_order o = order_of(spec);
    return o.first > 1 && o.second > 1;
}

/* [outer][first][second][unit] to [outer][second][first][unit]. */
static void exchange(size_t outer, size_t first, size_t second, size_t unit, const float *from, float *to) {
    for (size_t k = 0; k < outer; k++)
        for (size_t i = 0; i < first; i++)
            for (size_t j = 0; j < second; j++)
                memcpy(to + ((k * second + j) * first + i) * unit, from + ((k * first + i) * second + j) * unit,
                       unit * sizeof *to);
}

void ps_param_to_file_order(const ps_param_spec *spec, const float *memory, float *file) {
    param_order o = order_of(spec);
    exchange(o.outer, o.second, o.first, o.unit, memory, file);
}

void ps_param_to_memory_order(const ps_param_spec *spec, const float *file, float *memory) {
    param_order o = order_of(spec);
    exchange(o.outer, o.first, o.second, o.unit, file, memory);
}
