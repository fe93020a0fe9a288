/* Files. Every failure names the path, the system's reason and a remedy. Nothing half-written ever looks whole:
 * documents are written to a temporary name beside the target and renamed when complete. Symbolic links are followed,
 * so that the file they lead to is replaced and not the link; what is no regular file (a device, a pipe, standard
 * output) is written to as it is. */
#ifndef PS_CORE_FILE_H
#define PS_CORE_FILE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "core/status.h"

bool ps_file_exists(const char *path);
bool ps_file_is_directory(const char *path);
/* Whether bytes, or a file, begin as weights in the safetensors format do: the length of a JSON header, and its '{'.
 * For sentences about files that were taken for others. */
bool ps_file_begins_as_weights(const char *bytes, size_t count);
bool ps_file_is_weights(const char *path);
/* Whether a file begins as those that torch.save writes: a zip archive (also NumPy's .npz), or a bare pickle. */
bool ps_file_is_pickle(const char *path);
/* Size in bytes; fails where the file is missing or is no regular file. */
ps_status ps_file_size(const char *path, uint64_t *size_bytes);

/* A path that begins with "~/" (or a path in "FORMAT:~/DIR", "NAME=~/a,~/b"): the shell puts the home folder there only
 * at the start of a word, so that a folder called "~" would be looked for, or made. PS_ERR_USAGE with what to write;
 * PS_OK where there is none, or where there is a file of that very name. */
ps_status ps_file_refuse_tilde(const char *text);

/* Whole file as a heap block with a terminating zero byte (not counted); free with free(). */
ps_status ps_file_read(const char *path, char **content, size_t *size_bytes);
/* Brings a file, or the names in a directory (what was renamed or removed there), to the disk. Some file systems cannot
 * do the latter, which is no failure. */
ps_status ps_file_sync(const char *path);
void ps_file_sync_directory(const char *directory);
/* Replaces path's content in one step (temporary file, fsync, rename, fsync of the directory). */
ps_status ps_file_write(const char *path, const void *content, size_t size_bytes);
/* mkdir -p. */
ps_status ps_file_make_directories(const char *path);
/* rm -rf; what cannot be removed stays. Only ever for folders that poolscope made for itself. */
void ps_file_remove_directory(const char *path);
/* "directory/name" as a heap string; free with free(). */
ps_status ps_file_join(const char *directory, const char *name, char **path);

/* The relative path that leads from one directory to another ("../../runs", "." for the same), by their real places:
 * links are resolved. Both must exist; free with free(). */
ps_status ps_file_way(const char *from, const char *to, char **way);

/* Whether the stream leads to a reader that has seen enough and is gone (`| head`): what it did not take is no
 * error. */
bool ps_file_reader_is_gone(FILE *stream);

/* What may be done about a failed write, by errno. */
const char *ps_file_remedy(int reason);

/* A document written in pieces: open the writer, print to stream, then commit (or discard, which removes the piece). */
typedef struct {
    FILE *stream;
    char *path;               /* as given, for sentences */
    char *temporary, *target; /* the former becomes the latter; NULL where the stream writes straight to its place */
} ps_file_writer;
ps_status ps_file_writer_open(ps_file_writer *writer, const char *path);
ps_status ps_file_writer_commit(ps_file_writer *writer);
/* Commits several at once, wherever they lie: all are brought to the disk first, and the earlier ones are removed
 * before the first is put in place, so that what a kill leaves is a file too few and never one of two calls beside the
 * other. Afterwards each is as after a commit. */
ps_status ps_file_writers_commit(ps_file_writer *writers, int count);
/* The two halves of a commit, for files that appear together (core/file_set.h): finish brings all that was written to
 * the disk under the temporary name; put renames, and cannot fail for want of space. The directory is not synced. */
ps_status ps_file_writer_finish(ps_file_writer *writer);
ps_status ps_file_writer_put(ps_file_writer *writer);
void ps_file_writer_discard(ps_file_writer *writer);

#endif
