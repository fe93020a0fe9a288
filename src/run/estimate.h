/* What a run will need, measured on a few of its steps. */
#ifndef PS_RUN_ESTIMATE_H
#define PS_RUN_ESTIMATE_H

#include "run/config.h"
#include "trace/trace_task.h"

typedef struct {
    double step_seconds, probe_seconds, total_seconds;
    double memory_bytes, disk_bytes;
    size_t parameters;
    ps_trace_task task; /* what it is trained for */
} ps_run_estimate;
/* Nothing is written. Refuses every configuration that the run would. */
ps_status ps_run_estimate_of(const ps_run_config *config, int threads, ps_run_estimate *estimate);

#endif
