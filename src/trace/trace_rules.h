/* The rules of a trace (FORMAT.md), asked record after record: the one set of rules for everything that reads traces,
 * so that no reader takes what another refuses. The caller parses the lines and knows their numbers; every breach is a
 * sentence handed to `say`, which may come for the record before (a window that lacks a layer is noticed when it is
 * over). After a breach the rules go on as well as they can. Nothing is allocated behind the header, but by
 * ps_trace_rules_record. */
#ifndef PS_TRACE_TRACE_RULES_H
#define PS_TRACE_TRACE_RULES_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/status.h"
#include "trace/trace_quantity.h"

typedef struct ps_trace_rules ps_trace_rules;
/* passed: readers take the trace all the same, as FORMAT.md says how; for validate alone. */
typedef void ps_trace_say(void *context, const char *sentence, bool passed);

ps_status ps_trace_rules_create(ps_trace_say *say, void *context, ps_trace_rules **out);
void ps_trace_rules_destroy(ps_trace_rules *rules);

/* NULL where a line (without its end) is a JSON object in UTF-8; else the half of a sentence behind "FILE:LINE: ", in
 * `buffer`. A byte order mark belongs to the first line alone and has been passed over (ps_text_skip_mark). */
const char *ps_trace_line_fault(const char *line, char *buffer, size_t size);

/* A record as a tree, the first of which must be the header. */
ps_status ps_trace_rules_record(ps_trace_rules *rules, const cJSON *record);

/* No key stands twice in an object of it; part of ps_trace_rules_record. */
ps_status ps_trace_rules_keys(ps_trace_rules *rules, const cJSON *item);

/* The same for the records that are many, without a tree. Numbers that the record lacks, or that are no whole numbers
 * from 0 on, are NaN; layer is its index in the header's list, -1: another one, or none. */
typedef struct {
    double step, window, first, last, images, elements;
    double sampled; /* of a window; -1: left out */
    int layer;
} ps_trace_place;
void ps_trace_rules_step(ps_trace_rules *rules, double step);
/* Whether this key of a step record must be a number (or null, or a text for what is not finite), and its value: within
 * what it can be; NaN passes. */
bool ps_trace_rules_is_step_value(const char *key);
void ps_trace_rules_step_value(ps_trace_rules *rules, ps_trace_step_quantity quantity, double value);
void ps_trace_rules_window(ps_trace_rules *rules, const ps_trace_place *place);
void ps_trace_rules_probe(ps_trace_rules *rules, const ps_trace_place *place);

/* A key of the "values" of that window or probe record: its index in the header's list of quantities, -1 after a breach
 * (not listed there, of another type of record, here for the second time). `guess`: where to look first. */
int ps_trace_rules_quantity(ps_trace_rules *rules, const char *name, size_t length, int guess);
const char *ps_trace_rules_name(const ps_trace_rules *rules, int quantity);
bool ps_trace_rules_is_per_node(const ps_trace_rules *rules, int quantity);
/* What is asked of each value: nothing, that it is not below 0, or more, for which it must be known. Where as many
 * values as there should be are seen to be so, ps_trace_rules_values has nothing to say. */
typedef enum { PS_TRACE_ASKS_NOTHING, PS_TRACE_ASKS_SIGN, PS_TRACE_ASKS_VALUE } ps_trace_asks;
ps_trace_asks ps_trace_rules_asks(const ps_trace_rules *rules, int quantity);
/* Its values: as many as the layer has channels (one number of a quantity per layer), each within what the quantity can
 * be; NaN passes. */
void ps_trace_rules_values(ps_trace_rules *rules, int quantity, const double *values, size_t count);

/* All is read: what can be said only of a trace that came to its end. */
void ps_trace_rules_finish(ps_trace_rules *rules);

typedef struct {
    uint64_t layers, steps, windows, probings, unknown_records;
    bool ended; /* there is an `end` record */
} ps_trace_counts;
const ps_trace_counts *ps_trace_rules_counts(const ps_trace_rules *rules);

/* What death can be behind a layer's activation, by its header: its word, else the activation's name. */
typedef enum {
    PS_DEATH_UNKNOWN,
    PS_DEATH_ZERO,
    PS_DEATH_CEILING, /* zero or ceiling */
    PS_DEATH_NEVER    /* saturated: no node can be exactly dead */
} ps_trace_death;
ps_trace_death ps_trace_death_of(const cJSON *layer);
/* Whether gate outputs of exactly 0 tell that a node is dead. Of LeakyReLU they do in the arms that have it as a
 * control (leaky: such a role), whose outputs are 0 where nothing enters a gate, and which show by them that nothing
 * dies. */
bool ps_trace_tells_dead(const cJSON *layer, bool leaky);

#endif
