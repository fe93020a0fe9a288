/* The analysis' reader of traces (src/trace/FORMAT.md). Others read records as trees: `validate`, the live view, a run
 * that goes on; all go by one set of rules (trace/trace_rules.h). Streams line by line: memory is that of the longest
 * line. Unknown types and keys are passed over; a last line that was cut off is left out and said; anything else that
 * breaks the format is an error that names file:line. Records borrow the reader's buffer and hold until the next call.
 * The creator destroys the reader; the header lives as long as the reader. */
#ifndef PS_ANALYSIS_TRACE_READER_H
#define PS_ANALYSIS_TRACE_READER_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "analysis/json_scan.h"
#include "core/status.h"
#include "trace/trace_arm.h"
#include "trace/trace_quantity.h"
#include "trace/trace_registration.h"
#include "trace/trace_rules.h"
#include "trace/trace_schema.h"
#include "trace/trace_task.h"

typedef struct {
    char *name, *stage, *activation, *norm,
        *pool_skip;  /* norm and pool_skip NULL where there is none; stage may be "" */
    bool shared;     /* a gate behind an add or the like: no weights of its own */
    bool heads;      /* no gate: the nodes are heads of attention */
    bool tells_dead; /* outputs of exactly 0 tell that a node is dead */
    ps_trace_death death;
    double ceiling; /* ps_absent() where there is none */
    int groups;     /* the channels it reads and its own fall into so many, and a node reads those of its own alone */
    bool bias;
    int channels, position;
    double depth, fan_in;   /* ps_absent() where not known */
    double elements;        /* 0 where it is not the same for all images */
    bool norm_of_sample;    /* its statistics are of one sample, not of the batch */
    double norm_eps, slope; /* ps_absent() where not said */
    int first_node;         /* index of channel 0 among all nodes of the run */
    int *inputs;            /* indices of trace layers that this one reads */
    int input_count;
    bool inputs_known;   /* all of them that are trace layers are named */
    bool ungated_inputs; /* it reads channels that no gate of the trace shuts, too */
    char *frozen;        /* "weight, bias": what of it is not trained; "": all is */
    bool weight_frozen, readers_frozen;
} ps_trace_layer;

typedef struct {
    char *path;
    char *arm, *producer, *model;
    long long seed;
    double parameters, module_parameters, macs; /* ps_absent() where not said */
    long long window, steps;                    /* 0 where not said */
    long long every;                            /* steps between those that window records are of; 1: all are */
    ps_trace_task task;
    ps_trace_layer *layers;
    int layer_count, node_count;
    ps_trace_arm arm_is;
    ps_registration registration; /* digest "": no question was registered before the run */
    bool has_module;              /* by its role, or as some layer names one */
    bool untold[PS_Q_COUNT];      /* does not hold for some optimiser of the run: is taken as not recorded */
    cJSON *document;              /* the whole header */
} ps_trace_header;

/* Numbers that a record does not have are ps_absent(); texts "". */
typedef struct {
    ps_record_type type;
    uint64_t line;
    const char *text; /* the whole line, zero-terminated */
    /* The keys that trace/key_list.def has held, each by its name: step, window, first, last, layer (its index in the
     * header, -1: none), values (the object, NULL: none), images, elements, event, split, count, steps, status and
     * times. */
#define HELD_NUMBER(key) double key;
#define HELD_TEXT(key) char key[32];
#define HELD_LAYER(key) int key;
#define HELD_VALUES(key) const char *key;
#define HELD_BEFORE(key)
#define HELD_NOT(key)
#define PS_TRACE_KEY(object, key, kind, need, held, meaning, more) HELD_##held(key)
#include "trace/key_list.def"
#undef PS_TRACE_KEY
#undef HELD_NUMBER
#undef HELD_TEXT
#undef HELD_LAYER
#undef HELD_VALUES
#undef HELD_BEFORE
#undef HELD_NOT
    /* The quantities of step records, each by its name: loss (of evaluations, too), lr, ... */
#define PS_TRACE_QUANTITY(...)
#define PS_TRACE_STEP_QUANTITY(name, ...) double name;
#include "trace/quantity_list.def"
#undef PS_TRACE_STEP_QUANTITY
#undef PS_TRACE_QUANTITY
    double measured[PS_TRACE_MOST_MEASURES]; /* of the measures of the header's task, in their order */
} ps_trace_record;

static inline bool ps_trace_record_is_event(const ps_trace_record *record, ps_event_kind event) {
    return record->type == PS_RECORD_EVENT && strcmp(record->event, ps_event_word(event)) == 0;
}

/* Whether losses and measures of an evaluation or an end record are of the test split. */
static inline bool ps_trace_record_is_of_test(const ps_trace_record *record) {
    const char *split = record->type == PS_RECORD_END ? record->loss_of : record->split;
    return split[0] == '\0' || strcmp(split, PS_WORD(LOSS_OF, TEST)) == 0;
}

/* Steps that a window record covers, and of these how many were recorded. */
static inline double ps_trace_record_steps(const ps_trace_record *record) { return record->last - record->first + 1; }
double ps_trace_record_sampled(const ps_trace_header *header, const ps_trace_record *record);
/* Of steps first..last, those that the header leaves to be recorded. */
double ps_trace_header_sampled(const ps_trace_header *header, double first, double last);

/* Whether an entry of the header's quantities holds for the run's optimisers. */
bool ps_trace_header_tells(const ps_trace_header *header, const cJSON *quantity);

/* Whether an evaluation holds any measure of the task. */
static inline bool ps_trace_record_measured(const ps_trace_record *record) {
    for (int m = 0; m < PS_TRACE_MOST_MEASURES; m++)
        if (!ps_is_absent(record->measured[m])) return true;
    return false;
}

typedef struct ps_trace_reader ps_trace_reader;

/* Opens a trace file, plain or packed, or the trace in a directory (trace/trace_input.h), and reads its header. */
ps_status ps_trace_reader_open(const char *path, ps_trace_reader **out);
void ps_trace_reader_destroy(ps_trace_reader *reader);
const ps_trace_header *ps_trace_reader_header(const ps_trace_reader *reader);

/* Lines were checked in an earlier pass, and are read faster. */
void ps_trace_reader_trust(ps_trace_reader *reader);

/* *more is false at the end of the trace. What comes out follows the format, values included. */
ps_status ps_trace_reader_next(ps_trace_reader *reader, ps_trace_record *record, bool *more);
/* True when the last line had been cut off (known at the end). */
bool ps_trace_reader_was_cut(const ps_trace_reader *reader);
/* Lines read so far; a second pass may stop where the first one did. */
uint64_t ps_trace_reader_line(const ps_trace_reader *reader);

/* Walks the values of a window or probe record: start with *cursor = record->values; *quantity is PS_Q_COUNT at the
 * end. Only known quantities that stand in this type of record come out, and hold for the run's optimisers. */
ps_status ps_trace_values_next(ps_trace_reader *reader, const ps_trace_record *record, const char **cursor,
                               ps_trace_quantity *quantity, const char **value);
/* Converts one value: one number per channel of the record's layer (a null array gives ps_absent everywhere), or one
 * number. Path lengths of a window of which some steps were recorded are those of as many steps as it has (FORMAT.md,
 * window). */
ps_status ps_trace_values_read(ps_trace_reader *reader, const ps_trace_record *record, ps_trace_quantity quantity,
                               const char *value, double *out);

#endif
