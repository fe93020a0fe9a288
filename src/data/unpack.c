#include "data/unpack.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

/* In the words of a sentence. zlib puts the file's name before its own. */
static const char *reason(const char *path, gzFile stream, int *code) {
    const char *text = gzerror(stream, code);
    size_t length = strlen(path);
    if (*code == Z_ERRNO) return strerror(errno);
    if (*code == Z_OK || text[0] == '\0') return "the file ends there";
    if (strncmp(text, path, length) == 0 && strncmp(text + length, ": ", 2) == 0) text += length + 2;
    return text;
}

/* What zlib calls an incorrect data check or length check: all bytes unpack, and are not those that were packed. */
static bool is_checksum(int code, const char *text) { return code == Z_DATA_ERROR && strstr(text, "check") != NULL; }

/* Of packed bytes that make no sense: where in what they hold that is, zlib does not say. */
static ps_status refuse_packed(const char *path, int code, const char *text) {
    if (is_checksum(code, text))
        return ps_fail(PS_ERR_INPUT,
                       "%s: is damaged: what it unpacks to has not the checksum that it was packed with (%s); fetch "
                       "the file again",
                       path, text);
    return ps_fail(PS_ERR_INPUT, "%s: is damaged: it does not unpack (%s); fetch the file again", path, text);
}

ps_status ps_unpack_refuse(const char *path, gzFile stream, uint64_t at, const char *of) {
    int code;
    const char *text = reason(path, stream, &code);
    if (code == Z_DATA_ERROR) return refuse_packed(path, code, text);
    return ps_fail(PS_ERR_INPUT, "%s: could not be read past byte %llu%s (%s); fetch the file again", path,
                   (unsigned long long)at, of, text);
}

ps_status ps_unpack_refuse_end(const char *path, gzFile stream) {
    int code;
    const char *text = reason(path, stream, &code);
    if (code == Z_DATA_ERROR) return refuse_packed(path, code, text);
    return ps_fail(PS_ERR_INPUT, "%s: is damaged at its end (%s); fetch the file again", path, text);
}
