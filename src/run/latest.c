#include "run/latest.h"

#include <stdlib.h>
#include <string.h>

bool ps_latest_is(const ps_latest *latest, const char *key) {
    return latest->key != NULL && strcmp(latest->key, key) == 0;
}

void ps_latest_keep(ps_latest *latest, char *key, bool worked) {
    free(latest->key);
    latest->key = worked ? key : NULL;
    if (!worked) free(key);
}
