/* Input: a log of scalars, as an event file and, where it is text, as a table and as JSON. What is taken of it is in
 * order, and whatever it is, a trace of it follows the format. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "trace/event_file.h"
#include "trace/imported.h"
#include "trace/scalar_log.h"
#include "trace/trace_arm.h"
#include "trace/validate.h"

static void write_trace(const ps_scalar_log *log) {
    const char *path = fuzz_write("trace.jsonl", NULL, 0);
    ps_imported run = {.role = (int)PS_ARM_OTHER, .images = 1, .finished = true};
    ps_trace_writer *trace;
    ps_trace_check check;
    ps_trace_task_default(&run.task);
    for (size_t i = 0; i < log->count; i++) {
        const ps_scalar_series *s = &log->series[i];
        for (size_t k = 1; k < s->count; k++)
            if (s->points[k].step <= s->points[k - 1].step) abort();
        if (s->count == 0) continue;
        if (run.step[PS_STEP_loss] == NULL) run.step[PS_STEP_loss] = s;
        else if (run.test_loss == NULL) run.test_loss = s;
        else run.measure[0] = s;
    }
    if (ps_imported_check(&run) != PS_OK) return;
    if (ps_trace_create(path, &trace) != PS_OK || ps_imported_write(trace, &run) != PS_OK) abort();
    if (ps_trace_close(trace) != PS_OK || ps_trace_validate(path, stderr, 9, &check) != PS_OK) abort();
}

static void read_as(const char *name, const uint8_t *bytes, size_t size) {
    ps_scalar_log log;
    ps_status_reset();
    if (ps_scalar_log_read(fuzz_write(name, bytes, size), NULL, &log) == PS_OK) write_trace(&log);
    else if (ps_status_message()[0] == '\0') abort();
    ps_scalar_log_clear(&log);
}

static void put(uint8_t *to, uint64_t value, int size) {
    for (int i = 0; i < size; i++) to[i] = (uint8_t)(value >> (8 * i));
}

/* With checksums that hold, so that what is within is read. */
static void read_as_record(const uint8_t *bytes, size_t size) {
    uint8_t *record = malloc(size + 16);
    if (record == NULL) return;
    put(record, size, 8);
    put(record + 8, ps_event_crc(record, 8), 4);
    memcpy(record + 12, bytes, size);
    put(record + 12 + size, ps_event_crc(bytes, size), 4);
    read_as("events.out.tfevents.2", record, size + 16);
    free(record);
}

void fuzz_input(const uint8_t *bytes, size_t size) {
    read_as("events.out.tfevents.1", bytes, size);
    read_as_record(bytes, size);
    read_as("log.csv", bytes, size);
    read_as("log.jsonl", bytes, size);
    read_as("log.json", bytes, size);
}
