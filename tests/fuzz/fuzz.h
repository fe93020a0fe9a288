/* Shared by all fuzz targets. A target is one file tests/fuzz/NAME_fuzz.c with fuzz_input(); seeds, if any, lie in
 * tests/fuzz/seeds/NAME/. A reader must take any bytes: return an error with a sentence, or a valid result - never
 * crash, leak or hang. The sanitizers judge; a target may abort() on a broken promise of its own. */
#ifndef PS_TESTS_FUZZ_H
#define PS_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* One input; called again and again. */
void fuzz_input(const uint8_t *bytes, size_t size);

/* A folder of this process's own, removed at exit; borrowed. */
const char *fuzz_folder(void);
/* Writes folder/name (replacing it), or removes it when bytes is NULL. Returns the path; borrowed, valid until the next
 * call. */
const char *fuzz_write(const char *name, const uint8_t *bytes, size_t size);

#endif
