/* What the runs of two arms share: the `pairing` object of a trace's header, which a comparison goes by
 * (analysis/relation.h). Arms may differ in any of it. Experiments ask before their first run, so that they can say
 * which predictions will not be testable, and refuse arms that leave nothing to compare. */
#ifndef PS_RUN_PAIRING_H
#define PS_RUN_PAIRING_H

#include "run/session.h"

enum { PS_PAIRING_KEYS = 8 };

typedef struct {
    const char *key;
    char value[512];
} ps_pairing_entry;

typedef struct {
    ps_pairing_entry entry[PS_PAIRING_KEYS];
} ps_pairing;

/* Of a session whose weights are those that the run starts from. */
void ps_pairing_of(const ps_session *session, ps_pairing *pairing);

/* An arm before its first run. */
typedef struct {
    const ps_run_config *config; /* of one of its runs; borrowed */
    ps_pairing pairing;
    ps_trace_arm is; /* without its activation */
    char **layer;    /* names; owned, as the others */
    int *channels;
    bool *recorded;
    int layers;
} ps_pairing_arm;

/* Whether what two arms start from, or train by, may differ at all, by their configurations of one seed alone. If not,
 * they are pairs. */
ps_status ps_pairing_may_differ(const ps_run_config *a, const ps_run_config *b, bool *may);
/* Builds the run up to its first step, and closes it again. ps_pairing_arm_clear frees what it holds. */
ps_status ps_pairing_arm_of(const ps_run_config *config, int threads, ps_pairing_arm *arm);
void ps_pairing_arm_clear(ps_pairing_arm *arm);

/* "layers" beside the keys. */
typedef struct {
    const char *key;
    char own[256], other[256]; /* the words that differ; "" where they say nothing to a reader */
} ps_pairing_difference;
/* Room for PS_PAIRING_KEYS + 1; returns how many there are. */
int ps_pairing_differences(const ps_pairing_arm *arm, const ps_pairing_arm *against, ps_pairing_difference *list);

/* Refuses (PS_ERR_INPUT) what leaves nothing to compare: other data, other recorded layers of one name, and another
 * backbone where both are forked from one parent. where: the file the arms stand in. */
ps_status ps_pairing_check(const ps_pairing_arm *reference, const ps_pairing_arm *arm, const char *where);

#endif
