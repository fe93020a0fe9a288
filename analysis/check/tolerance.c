#include "analysis/check/tolerance.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/json.h"
#include "core/memory.h"

double ps_relative_error(double expected, double found) {
    double larger = fmax(fabs(expected), fabs(found));
    return larger > 0 ? fabs(found - expected) / larger : 0;
}

bool ps_tolerance_tells_death(const char *quantity) {
    static const char *const names[] = {"probe.nonzero", "probe.nonzero_eval", "probe.nonzero_half",
                                        "probe.nonzero_quarter", "probe.images_active"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(quantity, names[i]) == 0) return true;
    return false;
}

const ps_tolerance *ps_tolerances_find(const ps_tolerances *tolerances, const char *quantity) {
    for (size_t i = 0; tolerances != NULL && i < tolerances->count; i++)
        if (strcmp(tolerances->entries[i].quantity, quantity) == 0) return &tolerances->entries[i];
    return NULL;
}

ps_status ps_tolerances_at(ps_tolerances *tolerances, const char *quantity, ps_tolerance **entry) {
    const ps_tolerance *known = ps_tolerances_find(tolerances, quantity);
    if (known != NULL) {
        *entry = &tolerances->entries[known - tolerances->entries];
        return PS_OK;
    }
    PS_TRY(PS_GROW(&tolerances->entries, &tolerances->capacity, tolerances->count + 1, "tolerances"));
    *entry = &tolerances->entries[tolerances->count++];
    return ps_string_copy(quantity, &(*entry)->quantity);
}

void ps_tolerances_clear(ps_tolerances *tolerances) {
    for (size_t i = 0; i < tolerances->count; i++) free(tolerances->entries[i].quantity);
    ps_free_array(tolerances->entries);
    *tolerances = (ps_tolerances){0};
}

/* ---- reading ---- */

static ps_status read_entry(const cJSON *item, const char *path, ps_tolerances *tolerances) {
    static const char *const known[] = {
        "absolute", "relative", "largest_absolute", "largest_relative", "values", "differing", "flips", NULL};
    ps_tolerance *entry;
    char *where;
    PS_TRY(ps_tolerances_at(tolerances, item->string, &entry));
    PS_TRY(ps_string_format(&where, "%s: quantities.%s", path, item->string));
    ps_status status = cJSON_IsObject(item) ? ps_json_check_keys(item, known, where)
                                            : ps_fail(PS_ERR_INPUT, "%s must be an object", where);
    if (status == PS_OK) status = ps_json_get_double(item, "absolute", true, 0, DBL_MAX, where, &entry->absolute);
    if (status == PS_OK) status = ps_json_get_double(item, "relative", true, 0, DBL_MAX, where, &entry->relative);
    free(where);
    return status;
}

static ps_status read_document(const cJSON *document, const char *path, ps_tolerances *tolerances) {
    static const char *const known[] = {"format", "version", "first_steps", "factor", "derivation", "quantities", NULL};
    const char *format = "";
    double first_steps = 0;
    const cJSON *quantities = cJSON_GetObjectItemCaseSensitive(document, "quantities"), *item;
    PS_TRY(ps_json_check_keys(document, known, path));
    PS_TRY(ps_json_get_text(document, "format", true, path, &format));
    if (strcmp(format, PS_TOLERANCES_FORMAT) != 0)
        return ps_fail(PS_ERR_INPUT, "%s: \"format\" is not \"%s\"; `poolscope check --calibrate` writes such files",
                       path, PS_TOLERANCES_FORMAT);
    PS_TRY(ps_json_get_double(document, "first_steps", false, 0, 9e15, path, &first_steps));
    tolerances->first_steps = (long long)first_steps;
    if (!cJSON_IsObject(quantities))
        return ps_fail(PS_ERR_INPUT, "%s: \"quantities\" must be an object of tolerances", path);
    cJSON_ArrayForEach(item, quantities) PS_TRY(read_entry(item, path, tolerances));
    return PS_OK;
}

ps_status ps_tolerances_read(const char *path, ps_tolerances *tolerances) {
    cJSON *document;
    *tolerances = (ps_tolerances){0};
    PS_TRY(ps_json_read(path, &document));
    ps_status status = read_document(document, path, tolerances);
    cJSON_Delete(document);
    if (status != PS_OK) ps_tolerances_clear(tolerances);
    return status;
}
