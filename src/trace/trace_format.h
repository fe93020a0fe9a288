/* What the trace format (FORMAT.md) fixes beside its lists: versions, bounds, and texts that stand for numbers. Types
 * of records, events, keys and words stand in the lists of trace_schema.h, quantities in that of trace_quantity.h,
 * roles in that of trace_arm.h. */
#ifndef PS_TRACE_FORMAT_H
#define PS_TRACE_FORMAT_H

#include <stddef.h>

enum {
    PS_TRACE_VERSION = 2,     /* what is written; older ones are read */
    PS_TRACE_VERSION_ARM = 2, /* the first whose header says what the arm is ("arm_is") */
    PS_TRACE_MOST_CHANNELS = 1 << 24
};

/* Whole numbers up to 2^53 are told apart by every reader. */
#define PS_TRACE_MOST_WHOLE 9007199254740992.0

/* Longer lines are refused: this is a layer of more than ten million nodes. */
#define PS_TRACE_LONGEST_LINE ((size_t)256 << 20)

/* The key that every record begins with: its type, a word of record_list.def. */
#define PS_TRACE_TYPE "type"

/* Values that JSON has no numbers for. */
#define PS_TRACE_NAN "NaN"
#define PS_TRACE_INFINITY "Infinity"
#define PS_TRACE_MINUS_INFINITY "-Infinity"

#endif
