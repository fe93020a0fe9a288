#include "watch/screen.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
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

/* Line after line is erased and written, all in one piece, which keeps it from flickering. Erasing goes before the text: behind
 * a line of full width the cursor still stands on the last character, on terminals that wrap only with the next one. */
ps_status ps_screen_show(const char *text, size_t size) {
    char *frame = NULL;
    size_t frame_size = 0;
    FILE *memory = open_memstream(&frame, &frame_size);
    if (memory == NULL) return ps_fail(PS_ERR_MEMORY, "no memory for a screen");
    fputs("\x1b[H", memory);
    for (const char *end = text + size; text < end;) {
        const char *stop = memchr(text, '\n', (size_t)(end - text));
        size_t length = (size_t)((stop != NULL ? stop : end) - text);
        bool last = stop == NULL || stop + 1 == end;
        fputs(last ? "\x1b[J" : "\x1b[K", memory);
        fwrite(text, 1, length, memory);
        if (!last) fputs("\r\n", memory);
        text += length + (stop != NULL);
    }
    ps_status status = fclose(memory) == 0 ? write_all(frame, frame_size) : ps_fail(PS_ERR_MEMORY, "no memory for a screen");
    free(frame);
    return status;
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

/* Keys come together from fast fingers, slow lines and pasted text: bytes that are read and not yet taken as keys. */
static char typed[64];
static size_t typed_length;

/* Length of the first key typed, 0: an escape sequence whose end is still to come. */
static size_t first_key_length(void) {
    if (typed[0] != '\x1b' || typed_length == 1) return typed[0] != '\x1b';
    if (typed[1] == 'O') return typed_length >= 3 ? 3 : 0;
    if (typed[1] != '[') return 1;
    for (size_t i = 2; i < typed_length; i++)
        if (typed[i] < 0x20 || typed[i] > 0x3F) return i + 1; /* parameters end in one byte that names the key */
    return typed_length < sizeof typed ? 0 : typed_length;
}

static ps_key take_key(size_t length) {
    ps_key key = PS_KEY_NONE;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (strlen(keys[i].bytes) == length && memcmp(typed, keys[i].bytes, length) == 0) key = keys[i].key;
    typed_length -= length;
    memmove(typed, typed + length, typed_length);
    return key;
}

enum { SEQUENCE_MILLISECONDS = 50 };

/* Reads what was typed; false: the input has ended. */
static bool read_typed(int milliseconds, bool *any) {
    struct pollfd input = {STDIN_FILENO, POLLIN, 0};
    *any = false;
    if (poll(&input, 1, milliseconds) <= 0) return true;
    ssize_t length = read(STDIN_FILENO, typed + typed_length, sizeof typed - typed_length);
    if (length <= 0) return false;
    typed_length += (size_t)length;
    *any = true;
    return true;
}

ps_key ps_screen_key(int milliseconds) {
    bool any = true;
    if (!resized && typed_length == 0 && !read_typed(milliseconds, &any)) return PS_KEY_QUIT;
    if (resized) {
        resized = 0;
        return PS_KEY_RESIZED;
    }
    while (typed_length > 0) {
        size_t length = first_key_length();
        if (length == 0 && !read_typed(SEQUENCE_MILLISECONDS, &any)) return PS_KEY_QUIT;
        if (length == 0 && any) continue;
        ps_key key = take_key(length > 0 ? length : 1); /* an escape that nothing follows is a key of its own */
        if (key != PS_KEY_NONE) return key;
    }
    return PS_KEY_NONE;
}
