#include "analysis/collect.h"

#include <stdlib.h>
#include <string.h>

#include "core/memory.h"

const ps_collect_label *ps_collect_label_of(const ps_collector *collector, int table, int id) {
    for (size_t i = 0; i < collector->label_count; i++)
        if (collector->labels[i].table == table && collector->labels[i].id == id) return &collector->labels[i];
    return NULL;
}

ps_status ps_collect_name(ps_collector *collector, int table, int id, int number, const char *a, const char *b,
                          const char *c) {
    const char *texts[] = {a, b, c};
    if (collector == NULL) return PS_OK;
    if (ps_collect_label_of(collector, table, id) != NULL) return PS_OK;
    PS_TRY(PS_GROW(&collector->labels, &collector->label_capacity, collector->label_count + 1, "labels of series"));
    ps_collect_label *label = &collector->labels[collector->label_count++];
    label->table = table;
    label->id = id;
    label->number = number;
    for (int i = 0; i < 3; i++)
        if (texts[i] != NULL) PS_TRY(ps_string_copy(texts[i], &label->text[i]));
    return PS_OK;
}

ps_status ps_collect_note(ps_collector *collector, int table, int id, long long step, double first, double second,
                          double third) {
    if (collector == NULL) return PS_OK;
    PS_TRY(PS_GROW(&collector->entries, &collector->entry_capacity, collector->entry_count + 1, "series of an arm"));
    ps_collect_entry *entry = &collector->entries[collector->entry_count];
    entry->table = table;
    entry->id = id;
    entry->order = (int)collector->entry_count++;
    entry->step = step;
    entry->value[0] = first;
    entry->value[1] = second;
    entry->value[2] = third;
    return PS_OK;
}

static int by_key(const void *a, const void *b) {
    const ps_collect_entry *x = a, *y = b;
    if (x->table != y->table) return (x->table > y->table) - (x->table < y->table);
    if (x->id != y->id) return (x->id > y->id) - (x->id < y->id);
    if (x->step != y->step) return (x->step > y->step) - (x->step < y->step);
    return (x->order > y->order) - (x->order < y->order);
}

void ps_collect_sort(ps_collector *collector) {
    if (collector->entry_count > 0)
        qsort(collector->entries, collector->entry_count, sizeof *collector->entries, by_key);
}

void ps_collect_clear(ps_collector *collector) {
    for (size_t i = 0; i < collector->label_count; i++)
        for (int t = 0; t < 4; t++) free(collector->labels[i].text[t]);
    ps_free_array(collector->entries);
    ps_free_array(collector->labels);
    memset(collector, 0, sizeof *collector);
}
