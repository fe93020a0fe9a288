/* The terminal, through ncurses: the whole screen while it is open, as it was before once it is closed. ps_screen_close
 * may be called twice, and without opening. */
#ifndef PS_WATCH_SCREEN_H
#define PS_WATCH_SCREEN_H

#include <stdbool.h>

#include "core/status.h"

typedef enum {
    PS_KEY_NONE,
    PS_KEY_QUIT,
    PS_KEY_PAUSE,
    PS_KEY_UP,
    PS_KEY_DOWN,
    PS_KEY_PAGE_UP,
    PS_KEY_PAGE_DOWN,
    PS_KEY_SORT,
    PS_KEY_HELP,
    PS_KEY_RESIZED
} ps_key;

/* Whether TERM names a terminal of this machine's terminfo that can move its cursor; an editor's window or a log
 * cannot. */
bool ps_screen_can_open(void);
ps_status ps_screen_open(void);
void ps_screen_close(void);
void ps_screen_size(int *width, int *height);
/* Shows lines from the first row on, in place of all that was there. */
void ps_screen_show(const char *text);
/* The next key, one for each call; waits up to so many milliseconds where none was typed. A closed terminal is
 * PS_KEY_QUIT.
 */
ps_key ps_screen_key(int milliseconds);

#endif
