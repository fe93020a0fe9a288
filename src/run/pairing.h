/* What two runs must have in common to be a pair: the `pairing` object of a trace's header, which a comparison goes by
 * (analysis/compare.h). Experiments ask before their first run, so that no run is trained for a comparison that would
 * refuse it. */
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

/* Refuses an arm (PS_ERR_INPUT) whose runs would be no pairs with those of the reference, by their configurations of
 * one seed; what stands in both is not looked at, only where network, data or start differ both are built up to their
 * first step. where: the file they stand in. */
ps_status ps_pairing_check(const ps_run_config *reference, const ps_run_config *arm, const char *where, int threads);

#endif
