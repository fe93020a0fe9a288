#include "analysis/summary.h"

#include <stdio.h>
#include <string.h>

#include "analysis/json_scan.h"
#include "core/memory.h"

const ps_summary_item *ps_summary_find(const ps_summary *summary, const char *name) {
    for (size_t i = 0; i < summary->item_count; i++)
        if (strcmp(summary->items[i].name, name) == 0) return &summary->items[i];
    return NULL;
}

double ps_summary_get(const ps_summary *summary, const char *name) {
    const ps_summary_item *item = ps_summary_find(summary, name);
    return item != NULL ? item->value : ps_absent();
}

ps_status ps_summary_set(ps_summary *summary, const char *name, double value, double cases, uint64_t first_line) {
    if (ps_summary_find(summary, name) != NULL) return ps_fail(PS_ERR_INTERNAL, "measure %s is set twice", name);
    PS_TRY(PS_GROW(&summary->items, &summary->item_capacity, summary->item_count + 1, "measures of a run"));
    ps_summary_item *item = &summary->items[summary->item_count++];
    snprintf(item->name, sizeof item->name, "%s", name);
    item->value = value;
    item->cases = cases;
    item->first_line = first_line;
    return PS_OK;
}

static bool is_of_start(const char *name) {
    static const char *const start[] = {"dead_start",   "dead_all_start", "loss_start",
                                        "probe_images", "chance_loss",    "findings_serious"};
    for (size_t i = 0; i < sizeof start / sizeof *start; i++)
        if (strcmp(start[i], name) == 0) return true;
    return strncmp(name, "check_", 6) == 0 || strcmp(name, "record_cost") == 0;
}

void ps_summary_forget_end(ps_summary *summary) {
    for (size_t i = 0; i < summary->item_count; i++)
        if (!is_of_start(summary->items[i].name)) summary->items[i].value = ps_absent();
}

void ps_summary_test_name(const ps_trace_measure *measure, ps_test_name out) {
    snprintf(out, sizeof(ps_test_name), "test_%s", measure->name);
}

void ps_summary_class_name(const ps_trace_measure *measure, int class_index, ps_class_measure out) {
    snprintf(out, sizeof(ps_class_measure), "test_%s class %d", measure->name, class_index);
}

bool ps_summary_is_of_loss(const char *name) { return strcmp(name, "loss_end") == 0 || strncmp(name, "test_", 5) == 0; }

void ps_summary_forget_probes(ps_summary *summary) {
    for (size_t i = 0; i < summary->item_count; i++) {
        ps_summary_item *item = &summary->items[i];
        if (!is_of_start(item->name) && !ps_summary_is_of_loss(item->name)) item->value = ps_absent();
    }
}

uint64_t ps_summary_line(const ps_summary *summary, const char *name) {
    const ps_summary_item *item = ps_summary_find(summary, name);
    return item != NULL ? item->first_line : 0;
}

uint64_t ps_summary_probe_line(const ps_summary *summary, long long step, int layer) {
    for (int p = 0; p < summary->probe_count && layer < summary->layer_count; p++)
        if (summary->probe_steps[p] == step)
            return summary->probe_lines[(size_t)p * (size_t)summary->layer_count + (size_t)layer];
    return 0;
}

bool ps_summary_starts_on_edge(const ps_summary *summary, int node) {
    return node < summary->start_nodes && summary->start_states[node] == 'e';
}

bool ps_summary_same_start(const ps_summary *a, const ps_summary *b) {
    if (a->start_nodes != b->start_nodes) return false;
    for (int node = 0; node < a->start_nodes; node++) {
        char x = a->start_states[node], y = b->start_states[node];
        if (x != y && x != 'e' && y != 'e') return false;
    }
    return true;
}

void ps_summary_clear(ps_summary *summary) {
    ps_free_array(summary->items);
    ps_free_array(summary->spells);
    ps_free_array(summary->alive);
    ps_free(summary->alive_of);
    ps_free(summary->start_states);
    ps_free(summary->probe_steps);
    ps_free(summary->probe_lines);
    memset(summary, 0, sizeof *summary);
}
