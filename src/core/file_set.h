/* Sets of files that belong together, such as the tables of a comparison and its verdict: put in place together, and
 * read as a whole or not at all.
 *
 * A set has a name and lies in a directory. Its manifest, DIRECTORY/NAME.manifest.tsv, names every member with its
 * size and digest (analysis/TABLES.md has the format). Writing goes in two stages. First every member and the manifest
 * are written whole under temporary names and brought to the disk: what fails there (a full disk, a kill) leaves the
 * earlier set as it was. Then the manifest is put in place, and after it member by member: what stops that leaves
 * members that do not agree with the manifest, and every reader refuses them, naming the first such file and the
 * remedy. So a reader has the earlier set, the new one, or a refusal, never some of both.
 *
 * Members named as pages have no reader that could refuse them, but people: the earlier ones are taken away before
 * anything else is put in place, so that none stands beside files it was not made with.
 *
 * While a set is being written its directory is locked against other writers. The creator commits or discards. */
#ifndef PS_CORE_FILE_SET_H
#define PS_CORE_FILE_SET_H

#include <stdbool.h>
#include <stdio.h>

#include "core/status.h"

typedef struct ps_file_set ps_file_set;

/* Begins to replace a set; the directory is made when missing. remedy: what makes the set anew, as the end of a
 * sentence ("run `poolscope compare` again"). Texts are copied. */
ps_status ps_file_set_begin(const char *directory, const char *name, const char *remedy, ps_file_set **set);

/* A member to be written to *stream until the commit, which reports the stream's errors. member: relative to the
 * directory, its folder is made when missing. A member is added once. */
ps_status ps_file_set_add(ps_file_set *set, const char *member, FILE **stream);
/* A folder of the set's own, empty, in which other programs may make members; it goes with the set. */
ps_status ps_file_set_workshop(ps_file_set *set, const char **folder);
/* A member that was made there and is moved into its place. */
ps_status ps_file_set_add_made(ps_file_set *set, const char *member, const char *made);
/* Makes the member added last a page (see above). */
void ps_file_set_is_page(ps_file_set *set);
/* Takes back the member added last: it is no part of the set after all. */
void ps_file_set_withdraw(ps_file_set *set);
/* A file that is no part of the set any more, should it be there; nothing where it was added. */
ps_status ps_file_set_remove(ps_file_set *set, const char *member);
/* A file that is no member but must stay as it is now for the set to be whole. */
ps_status ps_file_set_add_source(ps_file_set *set, const char *member);
/* Members of the earlier set that are not written anew stay members. */
ps_status ps_file_set_keep_others(ps_file_set *set);
/* Members of the earlier set that are not written anew go. */
ps_status ps_file_set_remove_others(ps_file_set *set);

/* Puts the set in place. Frees it, also after a failure. */
ps_status ps_file_set_commit(ps_file_set *set);
/* Leaves the earlier set as it was, and frees. NULL is fine. */
void ps_file_set_discard(ps_file_set *set);

/* Whether all members are those of the manifest: PS_ERR_INPUT names the first that is not, and the remedy. *known is
 * false where there is no manifest: nobody said what belongs together (may be NULL). */
ps_status ps_file_set_check(const char *directory, const char *name, const char *remedy, bool *known);

#endif
