/* Files that zlib reads, packed (.gz) and plain ones alike: why a read came short. */
#ifndef PS_DATA_UNPACK_H
#define PS_DATA_UNPACK_H

#include <stdint.h>
#include <zlib.h>

#include "core/status.h"

/* The failure of the last read of `stream`: one sentence that names the file, and what it is that went wrong. `at`: how
 * many bytes of what the file holds were read before. `of`: more about that number (" of the 20 its header calls for"),
 * or "". A read that came short without an error of zlib's has met the end of the file. */
ps_status ps_unpack_refuse(const char *path, gzFile stream, uint64_t at, const char *of);
/* Likewise, of a read behind all that is needed. */
ps_status ps_unpack_refuse_end(const char *path, gzFile stream);

#endif
