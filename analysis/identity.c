#include "analysis/identity.h"

#include <stdio.h>
#include <string.h>

enum { deepest = 8 };

static void format_value(const cJSON *item, char *value, size_t size) {
    if (cJSON_IsString(item)) snprintf(value, size, "%s", item->valuestring);
    else if (cJSON_IsNumber(item)) snprintf(value, size, "%.9g", item->valuedouble);
    else snprintf(value, size, "%s", cJSON_IsTrue(item) ? "true" : cJSON_IsFalse(item) ? "false" : "");
}

/* "3,1,16,16": the single values of a list; a text that is cut stays readable. */
static void format_list(const cJSON *list, char *value, size_t size) {
    size_t used = 0;
    const cJSON *item;
    value[0] = '\0';
    cJSON_ArrayForEach(item, list) {
        char one[256];
        format_value(item, one, sizeof one);
        int written = snprintf(value + used, size - used, "%s%s", used > 0 ? "," : "", one);
        if (written < 0 || (size_t)written >= size - used) return;
        used += (size_t)written;
    }
}

static void write_item(ps_tables *tables, const ps_run *run, const cJSON *item, const char *key, int depth) {
    char value[1024];
    if (cJSON_IsObject(item)) {
        const cJSON *child;
        cJSON_ArrayForEach(child, item) {
            char longer[512];
            snprintf(longer, sizeof longer, "%s.%s", key, child->string);
            if (depth < deepest) write_item(tables, run, child, longer, depth + 1);
        }
        return;
    }
    if (cJSON_IsArray(item) && cJSON_IsObject(item->child)) {
        int index = 0;
        const cJSON *child;
        cJSON_ArrayForEach(child, item) {
            char longer[512];
            snprintf(longer, sizeof longer, "%s.%d", key, index++);
            if (depth < deepest) write_item(tables, run, child, longer, depth + 1);
        }
        return;
    }
    if (cJSON_IsArray(item)) format_list(item, value, sizeof value);
    else format_value(item, value, sizeof value);
    ps_tables_row(tables, PS_TABLE_identity, "slss", run->arm, run->header->seed, key, value);
}

void ps_identity_write(ps_tables *tables, const ps_run *run) {
    static const ps_trace_key parts[] = {PS_KEY_HEADER_producer,   PS_KEY_HEADER_config,    PS_KEY_HEADER_data,
                                         PS_KEY_HEADER_machine,    PS_KEY_HEADER_model,     PS_KEY_HEADER_every,
                                         PS_KEY_HEADER_precision,  PS_KEY_HEADER_rank,      PS_KEY_HEADER_ranks,
                                         PS_KEY_HEADER_accumulate, PS_KEY_HEADER_optimisers};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        const char *part = ps_trace_keys[parts[i]].name;
        const cJSON *item = cJSON_GetObjectItemCaseSensitive(run->header->document, part);
        if (item != NULL) write_item(tables, run, item, part, 0);
    }
}

void ps_identity_write_class(ps_tables *tables, const ps_run *run) {
    const cJSON *machine = cJSON_GetObjectItemCaseSensitive(run->header->document, PS_KEY(HEADER, machine));
    const cJSON *class = cJSON_GetObjectItemCaseSensitive(machine, PS_KEY(MACHINE, class));
    if (cJSON_IsString(class)) write_item(tables, run, class, "machine.class", 0);
}
