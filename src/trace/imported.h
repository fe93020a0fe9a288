/* A run of which nothing but scalars is known, as a trace: steps, evaluations on the test split, and an end. Nothing is
 * said of nodes, nor of what was not told. */
#ifndef PS_TRACE_IMPORTED_H
#define PS_TRACE_IMPORTED_H

#include <stdbool.h>

#include "trace/scalar_log.h"
#include "trace/trace_quantity.h"
#include "trace/trace_task.h"
#include "trace/trace_writer.h"

/* All borrowed; NULL: not known. */
typedef struct {
    const char *arm, *const *pairing; /* pairing: key, text, key, text, .. */
    int role, pairing_count;          /* role: index into ps_arm_roles; count of keys */
    int64_t seed;
    const ps_scalar_series *step[PS_STEP_COUNT], *test_loss, *measure[PS_TRACE_MOST_MEASURES];
    ps_trace_task task;
    bool says_task;                /* it is no classification by its accuracy */
    bool percent;                  /* measures are from 0 to 100, of which shares are made */
    int images;                    /* that an evaluation measures; 0: there is none, or count says it */
    const ps_scalar_series *count; /* of images, at the steps of evaluations */
    bool finished;
} ps_imported;

/* How the producer of such a trace begins. */
#define PS_IMPORTED_BY "poolscope import "

/* PS_ERR_INPUT where a value is none that its quantity can have, with the tag. */
ps_status ps_imported_check(const ps_imported *run);
/* The whole trace. */
ps_status ps_imported_write(ps_trace_writer *trace, const ps_imported *run);

#endif
