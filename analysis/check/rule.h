/* Rules about a trace: `max(dead_share[layer=~"conv4.*"], last 20%) < 0.10`. The language is described in GRAMMAR.md.
 * ps_rule_parse gives a rule that ps_rule_destroy frees; it can be evaluated on any number of traces. */
#ifndef PS_ANALYSIS_CHECK_RULE_H
#define PS_ANALYSIS_CHECK_RULE_H

#include <regex.h>
#include <stdbool.h>
#include <stddef.h>

#include "analysis/run.h"

enum {
    PS_RULE_MOST_NODES = 128,
    PS_RULE_MOST_SELECTORS = 4,
    PS_RULE_MOST_LENGTH = 700,
    PS_RULE_MOST_PATTERN = 200,
    PS_RULE_MOST_PLUS = 8,
    PS_RULE_MOST_DEPTH = 32
};

typedef enum {
#define PS_FUNCTION(name, description) PS_FUNCTION_##name,
#include "analysis/check/function_list.def"
#undef PS_FUNCTION
    PS_FUNCTION_COUNT
} ps_rule_function;

typedef enum {
    PS_SOURCE_STEP,
    PS_SOURCE_EVAL,
    PS_SOURCE_STATE,
    PS_SOURCE_FLOW,
    PS_SOURCE_RATIO,
    PS_SOURCE_RUN,
    PS_SOURCE_QUANTITY
} ps_series_source;

typedef struct {
    const char *name;
    ps_series_source source;
    const char *field;
    ps_rule_function bare;
    const char *description;
} ps_series_entry;

/* NULL: not in the list. ps_series_at walks the list, NULL at its end. */
const ps_series_entry *ps_series_find(const char *name);
const ps_series_entry *ps_series_at(size_t index);

typedef enum { PS_SELECT_LAYER, PS_SELECT_STAGE, PS_SELECT_NODE } ps_selector_kind;

typedef struct {
    ps_selector_kind kind;
    char *text;
    bool is_pattern;
    regex_t pattern;
} ps_rule_selector;

typedef enum {
    PS_WINDOW_ALL,
    PS_WINDOW_LAST_SHARE,
    PS_WINDOW_FIRST_SHARE,
    PS_WINDOW_LAST_STEPS,
    PS_WINDOW_FIRST_STEPS,
    PS_WINDOW_LAST_WINDOWS,
    PS_WINDOW_FIRST_WINDOWS,
    PS_WINDOW_STEPS,
    PS_WINDOW_WINDOWS
} ps_window_kind;

typedef struct {
    ps_window_kind kind;
    double from, to; /* share in per cent, or number of steps or windows, or a range with both ends */
} ps_rule_window;

typedef struct {
    char *name;
    const ps_series_entry *entry; /* NULL: a measure of the task, or a recorded quantity, of that name */
    bool bare;                    /* the rule names no function */
    ps_rule_selector selectors[PS_RULE_MOST_SELECTORS];
    int selector_count;
    ps_rule_window window;
    ps_rule_function function;
    int begin, end; /* place in the rule's text */
} ps_rule_term;

typedef enum {
    PS_RULE_NUMBER,
    PS_RULE_TERM,
    PS_RULE_NEGATE,
    PS_RULE_ADD,
    PS_RULE_SUBTRACT,
    PS_RULE_MULTIPLY,
    PS_RULE_DIVIDE,
    PS_RULE_LESS,
    PS_RULE_LESS_EQUAL,
    PS_RULE_GREATER,
    PS_RULE_GREATER_EQUAL,
    PS_RULE_EQUAL,
    PS_RULE_NOT_EQUAL,
    PS_RULE_AND,
    PS_RULE_OR
} ps_rule_operator;

typedef struct {
    ps_rule_operator operator;
    int left, right; /* indices of nodes */
    double number;
    ps_rule_term *term;
} ps_rule_node;

typedef struct {
    char *text;
    ps_rule_node nodes[PS_RULE_MOST_NODES];
    int node_count, root;
} ps_rule;

/* A mistake is PS_ERR_USAGE: the sentence, then the rule and a caret under the place, on lines of their own. `where`
 * ("--expect", "rules.txt:7") leads the sentence. */
ps_status ps_rule_parse(const char *text, const char *where, ps_rule **out);
void ps_rule_destroy(ps_rule *rule);

/* ---- evaluation ---- */

typedef struct {
    /* the step it counts under: of a window its last; of a probing or evaluation the last one trained before it */
    double number;
    double value;
} ps_rule_point;

typedef struct {
    ps_rule_point *points;
    size_t count, capacity;
    bool recorded;    /* the quantity stands in the trace at all, whatever the selectors chose */
    bool fits;        /* the selectors chose some layer or node */
    char reason[256]; /* why there are no points; "" where there are some */
    bool is_measure;  /* of a measure of the task: what a rule without a function takes is the last one */
} ps_rule_points;

/* The values of a term on a trace, in the order of the trace, selected but not yet cut to the term's window.
 * ps_free_array(points). */
ps_status ps_rule_collect(ps_run *run, const ps_rule_term *term, ps_rule_points *points);
/* false, with a reason, where the function has no answer. Sorts the points. */
bool ps_rule_apply(ps_rule_function function, ps_rule_points *points, double *value, char *reason, size_t reason_size);

typedef struct {
    bool held, not_recorded;
    char detail[1024]; /* the values that decided it */
} ps_rule_outcome;

ps_status ps_rule_evaluate(const ps_rule *rule, ps_run *run, ps_rule_outcome *outcome);

#endif
