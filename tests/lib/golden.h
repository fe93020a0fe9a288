/* Texts that are made from lists: compared with what stands in a file, or, where PS_GOLDEN_UPDATE is set (make
 * golden-update), put there. Called within tests, run from the top folder; a difference fails the test. */
#ifndef PS_TESTS_GOLDEN_H
#define PS_TESTS_GOLDEN_H

/* The whole file. */
void golden_file(const char *path, const char *text);
/* The lines behind the one line `head` that begin with "|": a table with its titles. */
void golden_table(const char *path, const char *head, const char *rows);

#endif
