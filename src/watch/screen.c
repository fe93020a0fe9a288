#include "watch/screen.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

static struct termios saved;
static bool is_open;
static volatile sig_atomic_t resized;

static void note_resize(int number) {
    (void)number;
    resized = 1;
}

static ps_status write_all(const char *text, size_t size) {
    while (size > 0) {
        ssize_t written = write(STDOUT_FILENO, text, size);
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) return ps_fail(PS_ERR_IO, "the terminal could not be written (%s)", strerror(errno));
        text += written;
        size -= (size_t)written;
    }
    return PS_OK;
}

static ps_status send(const char *sequence) { return write_all(sequence, strlen(sequence)); }

ps_status ps_screen_open(void) {
    struct sigaction action;
    if (tcgetattr(STDIN_FILENO, &saved) != 0)
        return ps_fail(PS_ERR_IO, "the terminal's settings cannot be read (%s); use --once", strerror(errno));
    struct termios raw = saved;
    /* Without ISIG Ctrl-C comes as a key and Ctrl-Z does nothing, so the terminal is never left as it is now. */
    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO | ISIG);
    raw.c_cc[VMIN] = 0;
    raw.c_cc[VTIME] = 0;
    if (tcsetattr(STDIN_FILENO, TCSAFLUSH, &raw) != 0)
        return ps_fail(PS_ERR_IO, "the terminal cannot be set up (%s); use --once", strerror(errno));
    is_open = true;
    memset(&action, 0, sizeof action);
    action.sa_handler = note_resize;
    sigaction(SIGWINCH, &action, NULL);
    return send("\x1b[?1049h\x1b[?25l\x1b[2J");
}

void ps_screen_close(void) {
    if (!is_open) return;
    is_open = false;
    (void)send("\x1b[?25h\x1b[?1049l");
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &saved);
}

void ps_screen_size(int *width, int *height) {
    struct winsize size;
    bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 && size.ws_row > 0;
    *width = known ? size.ws_col : 80;
    *height = known ? size.ws_row : 24;
}

/* Erasing behind each line, instead of the screen before, keeps it from flickering. */
ps_status ps_screen_show(const char *text, size_t size) {
    PS_TRY(send("\x1b[H"));
    for (const char *end = text + size; text < end;) {
        const char *stop = memchr(text, '\n', (size_t)(end - text));
        size_t length = (size_t)((stop != NULL ? stop : end) - text);
        PS_TRY(write_all(text, length));
        PS_TRY(send(stop != NULL ? "\x1b[K\r\n" : "\x1b[K"));
        text += length + (stop != NULL);
    }
    return send("\x1b[J");
}

static const struct {
    const char *bytes;
    ps_key key;
} keys[] = {{"q", PS_KEY_QUIT},
            {"Q", PS_KEY_QUIT},
            {"\x03", PS_KEY_QUIT},
            {"p", PS_KEY_PAUSE},
            {" ", PS_KEY_PAUSE},
            {"k", PS_KEY_UP},
            {"\x1b[A", PS_KEY_UP},
            {"\x1bOA", PS_KEY_UP},
            {"j", PS_KEY_DOWN},
            {"\x1b[B", PS_KEY_DOWN},
            {"\x1bOB", PS_KEY_DOWN},
            {"\x1b[5~", PS_KEY_PAGE_UP},
            {"\x1b[6~", PS_KEY_PAGE_DOWN},
            {"s", PS_KEY_SORT},
            {"h", PS_KEY_HELP},
            {"?", PS_KEY_HELP}};

ps_key ps_screen_key(int milliseconds) {
    struct pollfd input = {STDIN_FILENO, POLLIN, 0};
    char bytes[16] = "";
    int ready = resized ? 0 : poll(&input, 1, milliseconds);
    if (resized) {
        resized = 0;
        return PS_KEY_RESIZED;
    }
    if (ready <= 0) return PS_KEY_NONE;
    ssize_t length = read(STDIN_FILENO, bytes, sizeof bytes - 1);
    if (length <= 0) return PS_KEY_QUIT;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (strncmp(bytes, keys[i].bytes, strlen(keys[i].bytes)) == 0) return keys[i].key;
    return PS_KEY_NONE;
}
