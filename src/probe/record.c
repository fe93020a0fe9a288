#include "probe/record.h"

#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "core/text.h"
#include "probe/quantity.h"

typedef struct {
    const ps_units *units;
    bool *quantity, *layer;
    bool quantity_item, layer_item; /* one was seen */
} selection;

static void set_all(bool *flag, int count, bool value) {
    for (int i = 0; i < count; i++) flag[i] = value;
}

static ps_status unknown_quantity(const char *pattern) {
    int count, best = -1, best_distance = 4;
    const ps_quantity *quantity = ps_quantities(&count);
    for (int i = 0; i < count; i++) {
        int distance = ps_text_distance(pattern, quantity[i].name);
        if (distance < best_distance) {
            best_distance = distance;
            best = i;
        }
    }
    if (best >= 0)
        return ps_fail(PS_ERR_USAGE, "--record: no quantity matches \"%s\"; did you mean \"%s\"?", pattern,
                       quantity[best].name);
    return ps_fail(PS_ERR_USAGE,
                   "--record: no quantity matches \"%s\"; the quantities are listed in src/trace/FORMAT.md, layers are "
                   "chosen with layer:PATTERN",
                   pattern);
}

static ps_status choose_quantities(selection *s, const char *pattern, bool value) {
    int count, matches = 0;
    const ps_quantity *quantity = ps_quantities(&count);
    /* The first item decides what "the rest" is. */
    if (!s->quantity_item) set_all(s->quantity, count, !value);
    s->quantity_item = true;
    if (strcmp(pattern, "none") == 0) {
        set_all(s->quantity, count, !value);
        return PS_OK;
    }
    for (int i = 0; i < count; i++) {
        if (strcmp(pattern, "all") != 0 && !ps_text_matches(pattern, quantity[i].name)) continue;
        s->quantity[i] = value;
        matches++;
    }
    return matches > 0 ? PS_OK : unknown_quantity(pattern);
}

static ps_status choose_layers(selection *s, const char *pattern, bool value) {
    int matches = 0;
    if (s->units == NULL) return PS_OK;
    if (!s->layer_item) set_all(s->layer, s->units->count, !value);
    s->layer_item = true;
    for (int i = 0; i < s->units->count; i++) {
        if (!ps_text_matches(pattern, s->units->unit[i].name)) continue;
        s->layer[i] = value;
        matches++;
    }
    if (matches > 0) return PS_OK;
    return ps_fail(PS_ERR_USAGE,
                   "--record: no layer matches \"%s\"; `poolscope inspect` lists them (the first is \"%s\")", pattern,
                   s->units->count > 0 ? s->units->unit[0].name : "");
}

static ps_status choose(selection *s, const char *item) {
    bool value = item[0] != '-';
    const char *pattern = value ? item : item + 1;
    if (pattern[0] == '\0')
        return ps_fail(PS_ERR_USAGE, "--record: an item is empty; write names separated by single commas");
    if (strncmp(pattern, "layer:", 6) == 0) return choose_layers(s, pattern + 6, value);
    return choose_quantities(s, pattern, value);
}

ps_status ps_record_parse(const char *text, const ps_units *units, bool *quantity, bool *layer) {
    int count;
    char *copy;
    selection s = {.units = units, .quantity = quantity, .layer = layer};
    ps_quantities(&count);
    set_all(quantity, count, true);
    if (units != NULL) set_all(layer, units->count, true);
    if (text == NULL || text[0] == '\0') return PS_OK;
    PS_TRY(ps_string_copy(text, &copy));
    ps_status status = PS_OK;
    for (char *item = copy, *next; status == PS_OK && item != NULL; item = next) {
        next = strchr(item, ',');
        if (next != NULL) *next++ = '\0';
        status = choose(&s, item);
    }
    free(copy);
    return status;
}
