/* A folder of the test's own, and statuses that must be good. */
#ifndef PS_TESTS_FOLDER_H
#define PS_TESTS_FOLDER_H

#include "core/status.h"

/* Made before and removed with all that is in it behind a test or a group of tests, as cmocka calls its fixtures. Under
 * TMPDIR, or /tmp. */
extern char folder[64];
int make_folder(void **state);
int remove_folder(void **state);

/* Fails the test unless the status is PS_OK, with the sentence of the failure and where it comes from. */
void held_at(ps_status status, const char *file, int line);
#define held(status) held_at((status), __FILE__, __LINE__)

#endif
