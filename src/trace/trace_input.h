/* The text of a trace, wherever it is kept: plain, or compressed with gzip or zstd (told by its first bytes, whatever
 * the file is called), streamed so that memory does not grow with it. A trace that is cut off is read as far as it
 * goes, and reading may go on when the file has grown. The creator closes. */
#ifndef PS_TRACE_TRACE_INPUT_H
#define PS_TRACE_TRACE_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

#define PS_TRACE_PACKINGS(PACKING) \
    PACKING(NONE, "none", "")      \
    PACKING(GZIP, "gzip", ".gz")   \
    PACKING(ZSTD, "zstd", ".zst")
typedef enum {
#define PACKING(id, word, suffix) PS_PACKING_##id,
    PS_TRACE_PACKINGS(PACKING)
#undef PACKING
        PS_PACKINGS
} ps_trace_packing;

/* What the name of such a trace ends in, "" for none. */
const char *ps_packing_suffix(ps_trace_packing packing);
/* Of an option: "none", "gzip" or "zstd"; NULL: none. */
ps_status ps_packing_parse(const char *word, const char *option, ps_trace_packing *out);
/* By the end of a name. */
ps_trace_packing ps_packing_of_name(const char *path);

/* The trace in a directory: DIR/trace.jsonl, with the suffix of the packing that is there; the plain name where there
 * is none. PS_ERR_INPUT where there are several. Free with free. */
ps_status ps_trace_find(const char *directory, char **path);
/* The same where `given` is a directory, else a copy of it. */
ps_status ps_trace_path(const char *given, char **path);

typedef struct ps_trace_input ps_trace_input;

/* Opens a regular file and looks at its first bytes. What is packed in another way, or no text at all, is named. */
ps_status ps_trace_input_open(const char *path, ps_trace_input **out);
void ps_trace_input_close(ps_trace_input *input);
/* Up to `room` bytes of text; *count 0: the end, for now. */
ps_status ps_trace_input_read(ps_trace_input *input, char *text, size_t room, size_t *count);
/* The next line with its '\n', which the last one may lack; *length 0: the end. Borrowed until the next call. Longer
 * ones than PS_TRACE_LONGEST_LINE are refused. */
ps_status ps_trace_input_line(ps_trace_input *input, char **line, size_t *length);

/* Of plain text that was not read yet: goes on within its last so many bytes. */
void ps_trace_input_skip_to_tail(ps_trace_input *input, size_t bytes);
/* Gives back so many bytes of the line that was handed out last: half a line, whose rest is to come. */
void ps_trace_input_return(ps_trace_input *input, size_t length);
/* Whether the file is still the one that was read, and holds what was read of it last. */
bool ps_trace_input_still_holds(const ps_trace_input *input);

/* Bytes of text read so far; and the latest place at which packed data begin anew, in the file and in the text: what
 * stands before can be kept. Of plain text every place is such. */
typedef struct {
    uint64_t file, text;
} ps_trace_place_of_file;
ps_trace_place_of_file ps_trace_input_whole(const ps_trace_input *input);
ps_trace_packing ps_trace_input_packing(const ps_trace_input *input);

/* Whether these first bytes are of something packed that is read here. */
bool ps_trace_is_packed(const char *bytes, size_t count);
/* Half a sentence behind "FILE: " where these first bytes are of no trace (another compression, UTF-16, weights);
 * NULL: nothing. */
const char *ps_trace_file_fault(const char *bytes, size_t count);

#endif
