/* The terminal: plain ANSI sequences that every terminal of the last decades knows (alternate screen, cursor home, erase to
 * the end of a line). They need no library, and the dashboard redraws so little (a screen four times a second) that ncurses'
 * saving of output buys nothing. ps_screen_close restores everything; it is safe to call twice. */
#ifndef PS_WATCH_SCREEN_H
#define PS_WATCH_SCREEN_H

#include <stdbool.h>
#include <stddef.h>

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

ps_status ps_screen_open(void);
void ps_screen_close(void);
void ps_screen_size(int *width, int *height);
/* Shows a whole screen of lines. */
ps_status ps_screen_show(const char *text, size_t size);
/* The next key, one for each call; waits up to so many milliseconds where none was typed. The end of the input (a closed terminal) is PS_KEY_QUIT. */
ps_key ps_screen_key(int milliseconds);

#endif
