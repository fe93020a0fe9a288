/* A whole trace as records with keys, for comparing it with another one. A key says what a record is about ("step 5",
 * "window 3 conv1", "probe 40 conv1", "event 5 planted conv1", "eval 40 test", "end"), so that records are found
 * whatever their order; the second record of a key gets " #2". Timing records are left out. All texts are in memory:
 * about the size of the file. ps_check_trace_clear frees everything. */
#ifndef PS_ANALYSIS_CHECK_RECORDS_H
#define PS_ANALYSIS_CHECK_RECORDS_H

#include "analysis/trace_reader.h"

typedef struct {
    ps_record_type type;
    char *text, *key;
    uint64_t line;
    int layer;           /* index into the header's layers, -1: none */
    double step, window; /* ps_absent() where the record has none; of a window, step is its last one */
    int repeats;         /* further records of the same key */
} ps_check_record;

typedef struct {
    ps_trace_reader *reader; /* owns the header */
    const ps_trace_header *header;
    ps_check_record *records;
    size_t count, capacity;
    size_t *slots; /* open-addressing hash of keys: index + 1, 0 is empty */
    size_t slot_count;
    bool cut;
} ps_check_trace;

/* first_steps > 0 keeps only what belongs to the first so many steps: steps below it, windows that end below it,
 * probings, events and evaluations up to it; the end record not. */
ps_status ps_check_trace_read(const char *path, long long first_steps, ps_check_trace *trace);
/* Makes the keys, with names[l] in place of the name of layer l (NULL: its own name). Once per trace. */
ps_status ps_check_trace_index(ps_check_trace *trace, const char *const *names);
const ps_check_record *ps_check_trace_find(const ps_check_trace *trace, const char *key);
void ps_check_trace_clear(ps_check_trace *trace);

#endif
