/* Two traces of (supposedly) the same run laid side by side: layers matched by name, or by place where one was renamed;
 * records matched by key; missing, extra and reordered ones told apart. What happens to the matched values is the
 * visitor's business. Both traces are the caller's. */
#ifndef PS_ANALYSIS_CHECK_PAIR_RECORDS_H
#define PS_ANALYSIS_CHECK_PAIR_RECORDS_H

#include "analysis/check/check_report.h"
#include "analysis/check/records.h"

typedef struct {
    ps_check_trace golden, found;
    int *layer_of;      /* [golden layer]: layer of `found`, -1: missing */
    bool *renamed;      /* [golden layer] */
    bool *layer_extra;  /* [found layer] */
    const char **names; /* [found layer]: the golden name of each */
} ps_trace_pair;

ps_status ps_trace_pair_open(const char *golden, const char *found, long long first_steps, ps_trace_pair *pair);
void ps_trace_pair_close(ps_trace_pair *pair);

/* Where a value or a trouble lies; golden or found is NULL where that side has no such record. */
typedef struct {
    const ps_check_record *golden, *found;
} ps_pair_place;

typedef struct {
    void *context;
    /* A leaf: number, text, null or an array of them. The quantity is "TYPE.NAME". */
    ps_status (*value)(void *context, const ps_pair_place *place, const char *quantity, const cJSON *expected,
                       const cJSON *found);
    ps_status (*trouble)(void *context, ps_check_finding_kind kind, const ps_pair_place *place, const char *quantity,
                         const char *message);
} ps_pair_visitor;

/* Missing, extra and reordered records. */
ps_status ps_trace_pair_structure(const ps_trace_pair *pair, const ps_pair_visitor *visitor);
/* The values of one matched pair of records. */
ps_status ps_trace_pair_values(const ps_pair_place *place, const ps_pair_visitor *visitor);

/* Whether a count that tells dead from alive (ps_tolerance_tells_death) is of a node that stands on the edge in one of
 * the two records at least, where both hold the bounds that say so (FORMAT.md): which side it is on rounding decides.
 * expected and found: the arrays as a visitor gets them. Never of nonzero_eval, whose statistics are others. */
bool ps_pair_on_edge(const char *quantity, const cJSON *expected, const cJSON *found, int channel);

#endif
