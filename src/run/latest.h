/* What was worked out last, kept by a key: the runs of an experiment share data, and to look at these takes long. A
 * static ps_latest stands beside a static value. */
#ifndef PS_RUN_LATEST_H
#define PS_RUN_LATEST_H

#include <stdbool.h>

typedef struct {
    char *key; /* NULL: nothing was */
} ps_latest;

bool ps_latest_is(const ps_latest *latest, const char *key);
/* The value is now that of this key, which is taken over (free); without a value (worked: false) there is none. */
void ps_latest_keep(ps_latest *latest, char *key, bool worked);

#endif
