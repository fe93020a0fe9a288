/* Series over the seeds of one arm: values noted while the runs are read, averaged at the arm's end. */
#ifndef PS_ANALYSIS_COLLECT_H
#define PS_ANALYSIS_COLLECT_H

#include <stddef.h>

#include "core/status.h"

enum { PS_COLLECT_VALUES = 3 };

typedef struct {
    int table, id, order; /* table: whose rows these become; id: which row of it; order keeps the order of noting */
    long long step;
    double value[PS_COLLECT_VALUES];
} ps_collect_entry;

typedef struct {
    int table, id;
    char *text[4];
    int number;
} ps_collect_label;

typedef struct {
    ps_collect_entry *entries;
    ps_collect_label *labels;
    size_t entry_count, entry_capacity, label_count, label_capacity;
} ps_collector;

/* Both: collector NULL, nowhere. Names a row once; texts are copied, NULL is kept. */
ps_status ps_collect_name(ps_collector *collector, int table, int id, int number, const char *a, const char *b,
                          const char *c);
ps_status ps_collect_note(ps_collector *collector, int table, int id, long long step, double first, double second,
                          double third);
/* Sorts by table, id, step, so that equal keys stand together. */
void ps_collect_sort(ps_collector *collector);
const ps_collect_label *ps_collect_label_of(const ps_collector *collector, int table, int id);
void ps_collect_clear(ps_collector *collector);

#endif
