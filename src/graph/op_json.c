#include "graph/op_json.h"

#include <math.h>
#include <string.h>

#include "core/json.h"

/* Beyond any operation; it bounds the work that a hostile file can cause. */
enum { MOST_KEYS = 64 };

static const char *const op_keys[] = {"name",   "type", "inputs",          "file_name",   "stage",
                                      "module", "gate", "pool_size_asked", "loss_weight", NULL};

static ps_status check_values(const cJSON *item, const char *where) {
    if (cJSON_IsNumber(item) && !isfinite(item->valuedouble))
        return ps_fail(PS_ERR_INPUT, "%s: \"%s\" holds a number that is too large", where,
                       item->string ? item->string : "an array");
    for (const cJSON *child = item->child; child != NULL; child = child->next) PS_TRY(check_values(child, where));
    return PS_OK;
}

/* cJSON keeps both of two equal keys and finds only the first: what a person wrote second would be ignored in
 * silence. */
ps_status ps_graph_check_keys(const cJSON *object, const char *where) {
    if (cJSON_GetArraySize(object) > MOST_KEYS)
        return ps_fail(PS_ERR_INPUT, "%s: has more than %d keys", where, MOST_KEYS);
    for (const cJSON *a = object->child; a != NULL; a = a->next)
        if (cJSON_GetObjectItemCaseSensitive(object, a->string) != a)
            return ps_fail(PS_ERR_INPUT, "%s: the key \"%s\" stands twice; remove one", where, a->string);
    return PS_OK;
}

ps_status ps_graph_strip_attributes(const cJSON *op, const char *where, cJSON **out) {
    *out = NULL;
    if (op != NULL && !cJSON_IsObject(op)) return ps_fail(PS_ERR_INPUT, "%s: must be a JSON object {...}", where);
    if (op != NULL) {
        PS_TRY(ps_graph_check_keys(op, where));
        PS_TRY(check_values(op, where));
    }
    cJSON *copy = cJSON_CreateObject();
    bool whole = copy != NULL;
    for (const cJSON *item = op != NULL ? op->child : NULL; item != NULL && whole; item = item->next) {
        bool own = false;
        for (int i = 0; op_keys[i] != NULL && !own; i++) own = strcmp(item->string, op_keys[i]) == 0;
        if (own) continue;
        cJSON *value = NULL;
        whole =
            ps_json_copy(item, &value) == PS_OK && value != NULL && cJSON_AddItemToObject(copy, item->string, value);
        if (!whole) cJSON_Delete(value);
    }
    if (!whole) {
        cJSON_Delete(copy);
        return ps_fail(PS_ERR_MEMORY, "%s: could not allocate its attributes", where);
    }
    *out = copy;
    return PS_OK;
}
