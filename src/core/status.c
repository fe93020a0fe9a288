#include "core/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/text.h"

static _Thread_local char message[2048];
static _Thread_local char origin[256];

ps_status ps_status_fail(ps_status code, const char *file, int line, const char *format, ...) {
    char text[sizeof message];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    /* A sentence is one line; only one about the command line may show a place in it on further ones. */
    ps_text_make_showable(text, code == PS_ERR_USAGE);
    /* Formatted aside first: an argument may be the previous message itself. */
    memcpy(message, text, sizeof message);
    snprintf(origin, sizeof origin, "%s:%d", file, line);
    return code;
}

const char *ps_status_message(void) { return message; }

const char *ps_status_origin(void) { return origin; }

void ps_status_reset(void) {
    message[0] = '\0';
    origin[0] = '\0';
}
