#include "watch/screen.h"

#include <langinfo.h>
#include <locale.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include <ncurses.h>
#include <term.h>

enum { ESCAPE = 0x1B, ESCAPE_MILLISECONDS = 50 };

static SCREEN *terminal;

bool ps_screen_can_open(void) {
    int found;
    if (setupterm(NULL, STDOUT_FILENO, &found) != OK) return false;
    const char *move = tigetstr("cup");
    bool can = move != NULL && move != (const char *)-1;
    del_curterm(cur_term);
    return can;
}

/* Characters are as wide as the locale says. A machine without the user's locale still has this one of UTF-8. */
static void choose_characters(void) {
    if (setlocale(LC_CTYPE, "") == NULL || strcmp(nl_langinfo(CODESET), "UTF-8") != 0) setlocale(LC_CTYPE, "C.UTF-8");
}

ps_status ps_screen_open(void) {
    choose_characters();
    use_tioctl(TRUE); /* LINES and COLUMNS of the environment do not follow a resize */
    terminal = newterm(NULL, stdout, stdin);
    if (terminal == NULL) return ps_fail(PS_ERR_IO, "the terminal cannot be set up; use --once");
    raw(); /* Ctrl-C comes as a key and Ctrl-Z does nothing, so the terminal is never left as it is now */
    noecho();
    keypad(stdscr, TRUE);
    set_escdelay(ESCAPE_MILLISECONDS);
    /* Arrows as terminals send them that were not told, or did not listen, to send the others. */
    define_key("\x1b[A", KEY_UP);
    define_key("\x1b[B", KEY_DOWN);
    curs_set(0);
    return PS_OK;
}

void ps_screen_close(void) {
    if (terminal == NULL) return;
    endwin();
    delscreen(terminal);
    terminal = NULL;
}

void ps_screen_size(int *width, int *height) { getmaxyx(stdscr, *height, *width); }

/* Each row is erased before its text, which also takes away what a row with wide characters let run over. */
void ps_screen_show(const char *text) {
    for (int row = 0; *text != '\0'; row++) {
        int length = (int)strcspn(text, "\n");
        move(row, 0);
        clrtobot();
        addnstr(text, length);
        text += length + (text[length] == '\n');
    }
    refresh();
}

static const struct {
    int code;
    ps_key key;
} keys[] = {{'q', PS_KEY_QUIT},      {'Q', PS_KEY_QUIT}, {'C' & 0x1F, PS_KEY_QUIT},   {'p', PS_KEY_PAUSE},
            {' ', PS_KEY_PAUSE},     {'k', PS_KEY_UP},   {KEY_UP, PS_KEY_UP},         {'j', PS_KEY_DOWN},
            {KEY_DOWN, PS_KEY_DOWN}, {'s', PS_KEY_SORT}, {KEY_PPAGE, PS_KEY_PAGE_UP}, {KEY_NPAGE, PS_KEY_PAGE_DOWN},
            {'h', PS_KEY_HELP},      {'?', PS_KEY_HELP}, {KEY_RESIZE, PS_KEY_RESIZED}};

/* A sequence unknown to terminfo comes byte by byte: none of them is a key. Its parameters end in one byte that names
 * the key. */
static void skip_sequence(void) {
    timeout(0);
    int byte = getch();
    if (byte != '[' && byte != 'O') {
        if (byte != ERR) ungetch(byte);
        return;
    }
    do byte = getch();
    while (byte >= 0x20 && byte <= 0x3F);
}

static bool is_closed(void) {
    struct pollfd input = {STDIN_FILENO, POLLIN, 0};
    return poll(&input, 1, 0) > 0 && (input.revents & (POLLHUP | POLLERR | POLLNVAL)) != 0;
}

ps_key ps_screen_key(int milliseconds) {
    timeout(milliseconds);
    int code = getch();
    if (code == ERR) return is_closed() ? PS_KEY_QUIT : PS_KEY_NONE;
    if (code == ESCAPE) skip_sequence();
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (keys[i].code == code) return keys[i].key;
    return PS_KEY_NONE;
}
