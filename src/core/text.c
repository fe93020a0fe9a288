#include "core/text.h"

#include <fnmatch.h>
#include <stdint.h>
#include <math.h>
#include <string.h>

enum { LONGEST = 63 };

static int smallest(int a, int b, int c) {
    int m = a < b ? a : b;
    return m < c ? m : c;
}

int ps_text_distance(const char *a, const char *b) {
    int row[LONGEST + 1];
    int a_length = (int)strnlen(a, LONGEST), b_length = (int)strnlen(b, LONGEST);
    for (int j = 0; j <= b_length; j++) row[j] = j;
    for (int i = 1; i <= a_length; i++) {
        int diagonal = row[0];
        row[0] = i;
        for (int j = 1; j <= b_length; j++) {
            int above = row[j];
            row[j] = smallest(above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1]));
            diagonal = above;
        }
    }
    return row[b_length];
}

bool ps_text_matches(const char *pattern, const char *text) { return fnmatch(pattern, text, 0) == 0; }

/* Bytes of the character that begins here and its code point; 1 and 0xFFFFFFFF where the bytes are no UTF-8 (RFC
 * 3629). */
static int decode(const unsigned char *text, uint32_t *code) {
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    int length = text[0] < 0x80             ? 1
                 : (text[0] & 0xE0) == 0xC0 ? 2
                 : (text[0] & 0xF0) == 0xE0 ? 3
                 : (text[0] & 0xF8) == 0xF0 ? 4
                                            : 0;
    *code = length == 1 ? text[0] : text[0] & (0xFFu >> (length + 1));
    for (int i = 1; i < length; i++) {
        if ((text[i] & 0xC0) != 0x80) length = 0;
        else *code = *code << 6 | (text[i] & 0x3F);
    }
    bool valid = length > 0 && *code >= least[length] && *code <= 0x10FFFF && (*code < 0xD800 || *code > 0xDFFF);
    if (!valid) *code = UINT32_MAX;
    return valid ? length : 1;
}

int ps_text_utf8_length(const char *text) {
    uint32_t code;
    int length = decode((const unsigned char *)text, &code);
    return code != UINT32_MAX ? length : 0;
}

/* Almost every text is ASCII, and long ones are numbers: eight bytes at a time. */
const char *ps_text_find_foreign(const char *text) {
    const char *end = text + strlen(text);
    while (text < end) {
        uint64_t word = 0;
        size_t left = (size_t)(end - text), take = left < sizeof word ? left : sizeof word;
        memcpy(&word, text, take);
        if ((word & 0x8080808080808080u) == 0) {
            text += take;
            continue;
        }
        while ((unsigned char)*text < 0x80) text++;
        int length = ps_text_utf8_length(text);
        if (length == 0) return text;
        text += length;
    }
    return NULL;
}

bool ps_text_is_utf16(const char *text) {
    return strncmp(text, "\xFF\xFE", 2) == 0 || strncmp(text, "\xFE\xFF", 2) == 0;
}

const char *ps_text_skip_mark(const char *text) { return strncmp(text, "\xEF\xBB\xBF", 3) == 0 ? text + 3 : text; }

static bool is_showable(uint32_t code) {
    static const uint32_t hidden[][2] = {{0, 0x1F},        {0x7F, 0x9F},      {0xAD, 0xAD},     {0x61C, 0x61C},
                                         {0x200B, 0x200F}, {0x2028, 0x202E},  {0x2060, 0x206F}, {0xFEFF, 0xFEFF},
                                         {0xFFF9, 0xFFFB}, {0xE0000, 0xE007F}};
    for (size_t i = 0; i < sizeof hidden / sizeof *hidden; i++)
        if (code >= hidden[i][0] && code <= hidden[i][1]) return false;
    return code != UINT32_MAX;
}

void ps_text_make_showable(char *text, bool keep_lines) {
    char *to = text;
    for (const char *from = text; *from != '\0';) {
        uint32_t code;
        int length = decode((const unsigned char *)from, &code);
        bool kept = is_showable(code) || code == '\t' || (keep_lines && code == '\n');
        if (kept) memmove(to, from, (size_t)length);
        else *to = '?';
        to += kept ? length : 1;
        from += length;
    }
    *to = '\0';
}

bool ps_text_is_showable(const char *text) {
    uint32_t code = 0;
    for (; *text != '\0'; text += decode((const unsigned char *)text, &code)) {
        decode((const unsigned char *)text, &code);
        if (!is_showable(code)) return false;
    }
    return true;
}

int ps_text_put(FILE *stream, const char *text, int columns) {
    int column = 0;
    for (; *text != '\0' && column < columns; column++) {
        uint32_t code;
        int length = decode((const unsigned char *)text, &code);
        if (is_showable(code)) fwrite(text, 1, (size_t)length, stream);
        else fputc('?', stream);
        text += length;
    }
    return column;
}

static const char *broken_number(double value, char *buffer) {
    snprintf(buffer, 32, "%s", isnan(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity");
    return buffer;
}

const char *ps_text_number(double value, int digits, char *buffer) {
    if (!isfinite(value)) return broken_number(value, buffer);
    snprintf(buffer, 32, "%.*g", digits > 17 ? 17 : digits, value);
    return buffer;
}

const char *ps_text_decimal(double value, int decimals, char *buffer) {
    if (!isfinite(value)) return broken_number(value, buffer);
    if (fabs(value) >= 1e15) return ps_text_number(value, 6, buffer); /* longer than the buffer else */
    snprintf(buffer, 32, "%.*f", decimals > 12 ? 12 : decimals, value);
    return buffer;
}

static bool is_gap(char c) { return c == ' ' || c == '\0'; }

static int count_words(const char *text) {
    int words = 0;
    for (const char *p = text; *p != '\0'; p++) words += !is_gap(*p) && is_gap(p[1]);
    return words;
}

/* The next word at or behind *text, and its end in *text. */
static const char *next_word(const char **text) {
    const char *word = *text + strspn(*text, " ");
    *text = word + strcspn(word, " ");
    return word;
}

/* From a little before the first difference on, as much as there is room for. */
static void from_difference(const char *a, const char *b, char *out, size_t size) {
    enum { BEFORE = 20 };
    size_t first = 0, start, length = strlen(a);
    while (a[first] != '\0' && a[first] == b[first]) first++;
    start = first > BEFORE ? first - BEFORE : 0;
    if (length < size) start = 0;
    bool whole = length - start + 3 < size;
    snprintf(out, size, "%s%.*s%s", start > 0 ? "..." : "", whole ? (int)(length - start) : (int)size - 7, a + start,
             whole ? "" : "...");
}

void ps_text_difference(const char *a, const char *b, char *out, size_t size) {
    const char *x = a, *y = b;
    size_t used = 0;
    int words = count_words(a);
    if (words < 2 || words != count_words(b)) {
        from_difference(a, b, out, size);
        return;
    }
    out[0] = '\0';
    for (int i = 0; i < words; i++) {
        const char *mine = next_word(&x), *theirs = next_word(&y);
        size_t length = (size_t)(x - mine);
        if (length == (size_t)(y - theirs) && strncmp(mine, theirs, length) == 0) continue;
        if (used + length + 2 > size) {
            from_difference(a, b, out, size);
            return;
        }
        used += (size_t)snprintf(out + used, size - used, "%s%.*s", used > 0 ? " " : "", (int)length, mine);
    }
}
