/* The quantities of the trace as quantity_list.def has them: what the probe records, the rules bound and the analysis
 * reads. */
#ifndef PS_TRACE_QUANTITY_H
#define PS_TRACE_QUANTITY_H

#include <stdbool.h>
#include <stddef.h>

#include "trace/trace_schema.h"

/* Of window and probe records. */
typedef enum {
#define PS_TRACE_STEP_QUANTITY(...)
#define PS_TRACE_QUANTITY(name, ...) PS_Q_##name,
#include "trace/quantity_list.def"
#undef PS_TRACE_QUANTITY
#undef PS_TRACE_STEP_QUANTITY
    PS_Q_COUNT
} ps_trace_quantity;

/* Of step records. */
typedef enum {
#define PS_TRACE_QUANTITY(...)
#define PS_TRACE_STEP_QUANTITY(name, ...) PS_STEP_##name,
#include "trace/quantity_list.def"
#undef PS_TRACE_STEP_QUANTITY
#undef PS_TRACE_QUANTITY
    PS_STEP_COUNT
} ps_trace_step_quantity;

/* What a quantity has one value of, with its word in the trace. */
#define PS_QUANTITY_PERS(PER) \
    PER(NODE, "node")         \
    PER(LAYER, "layer")       \
    PER(STEP, "step")
typedef enum {
#define PER(name, word) PS_PER_##name,
    PS_QUANTITY_PERS(PER)
#undef PER
} ps_quantity_per;

/* What a value can be, with the words of FORMAT.md. From COUNT on they are counts, which are whole. */
#define PS_TRACE_RANGES(RANGE)                                              \
    RANGE(ANY, "any")                                                       \
    RANGE(SIZE, "0 or more")                                                \
    RANGE(SHARE, "0 to 1")                                                  \
    RANGE(COUNT, "count")                                                   \
    RANGE(STEPS, "count, up to the window's recorded steps")                \
    RANGE(IMAGES, "count, up to the probe's images")                        \
    RANGE(OUTPUTS, "count, up to the record's elements")                    \
    RANGE(HALF, "count, up to the elements of half the images, rounded up") \
    RANGE(QUARTER, "count, up to the elements of a quarter of the images, rounded up")
typedef enum {
#define RANGE(name, words) PS_RANGE_##name,
    PS_TRACE_RANGES(RANGE)
#undef RANGE
} ps_trace_range;
static inline bool ps_trace_range_is_whole(ps_trace_range range) { return range >= PS_RANGE_COUNT; }

/* How a value of several windows comes from those of each. */
typedef enum { PS_JOIN_NOT, PS_JOIN_SUM, PS_JOIN_MEAN, PS_JOIN_MEAN_SQUARE, PS_JOIN_FIRST } ps_trace_join;

typedef struct {
    const char *name, *unit, *description, *more;
    size_t length; /* of the name */
    ps_quantity_per per;
    ps_record_type record;
    ps_trace_range range;
    bool rectified; /* rests on outputs of exactly 0, which tell nothing behind other activations */
    ps_trace_join joined;
} ps_trace_quantity_line;
extern const ps_trace_quantity_line ps_trace_quantities[PS_Q_COUNT], ps_trace_step_quantities[PS_STEP_COUNT];

/* The line of this name among both lists; NULL: no quantity of poolscope's own. */
const ps_trace_quantity_line *ps_trace_quantity_find(const char *name);

static inline const char *ps_quantity_name(ps_trace_quantity quantity) { return ps_trace_quantities[quantity].name; }
/* Stands in window records, else in probe records. */
static inline bool ps_quantity_is_window(ps_trace_quantity quantity) {
    return ps_trace_quantities[quantity].record == PS_RECORD_WINDOW;
}
/* One number a layer, else one a node. */
static inline bool ps_quantity_is_layer(ps_trace_quantity quantity) {
    return ps_trace_quantities[quantity].per == PS_PER_LAYER;
}

#endif
