#include "analysis/json_scan.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/json.h"

static inline bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }
static inline bool is_digit(char c) { return (unsigned char)(c - '0') < 10; }

const char *ps_scan_blanks(const char *text) {
    while (is_blank(*text)) text++;
    return text;
}

static const char *word(const char *text, const char *expected) {
    size_t length = strlen(expected);
    return strncmp(text, expected, length) == 0 ? text + length : NULL;
}

/* Values JSON has no numbers for: null, and texts as the format says. */
static const char *scan_special(const char *text, double *value) {
    static const struct {
        const char *text;
        double value;
    } specials[] = {{"NaN", NAN}, {"Infinity", INFINITY}, {"-Infinity", -INFINITY}};
    const char *end = word(text, "null");
    if (end != NULL) {
        *value = ps_absent();
        return end;
    }
    if (*text != '"') return NULL;
    for (size_t i = 0; i < sizeof specials / sizeof *specials; i++) {
        end = word(text + 1, specials[i].text);
        if (end == NULL || *end != '"') continue;
        *value = specials[i].value;
        return end + 1;
    }
    return NULL;
}

static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

/* Clinger's fast path: a mantissa below 2^53 and a power of ten up to 22 are exact doubles, so one multiplication or
 * division rounds correctly; everything else goes to strtod. */
const char *ps_scan_number(const char *text, double *value) {
    const char *p = text;
    bool negative = *p == '-';
    p += negative;
    if (!is_digit(*p)) return scan_special(text, value);
    uint64_t mantissa = 0;
    int exponent = 0;
    const char *start = p;
    if (*p == '0' && is_digit(p[1])) return NULL;
    while (is_digit(*p)) mantissa = mantissa * 10 + (uint64_t)(*p++ - '0');
    ptrdiff_t digits = p - start;
    if (*p == '.') {
        const char *fraction = ++p;
        while (is_digit(*p)) mantissa = mantissa * 10 + (uint64_t)(*p++ - '0');
        if (p == fraction) return NULL;
        digits += p - fraction;
        exponent = -(int)(p - fraction);
    }
    if (*p == 'e' || *p == 'E') {
        p++;
        bool down = *p == '-';
        p += *p == '-' || *p == '+';
        if (!is_digit(*p)) return NULL;
        int written = 0;
        while (is_digit(*p)) {
            if (written < 100000) written = written * 10 + (*p - '0');
            p++;
        }
        exponent += down ? -written : written;
    }
    if (p - text > PS_JSON_LONGEST_NUMBER) return NULL; /* the other readers of JSON here read no more */
    if (digits > 19 || mantissa >= (1ull << 53) || exponent < -22 || exponent > 22) {
        *value = strtod(text, NULL);
        return p;
    }
    double magnitude = exponent < 0 ? (double)mantissa / powers[-exponent] : (double)mantissa * powers[exponent];
    *value = negative ? -magnitude : magnitude;
    return p;
}

/* ---- eight digits at a time ---- */

static const uint64_t zeros = 0x3030303030303030u;

/* How many of the eight characters in `word` (the first in its lowest byte) are digits before the first that is none. A
 * digit's high half is 3, and stays so when 6 is added; a carry can only come from a character that is no digit, below
 * which all is told. */
static inline int leading_digits(uint64_t word) {
    uint64_t high = 0xf0f0f0f0f0f0f0f0u,
             other = ((word & high) ^ zeros) | (((word + 0x0606060606060606u) & high) ^ zeros);
    return other == 0 ? 8 : __builtin_ctzll(other) / 8;
}

/* The number that the first `digits` (0 to 8) of the characters make: leading zeros are shifted in, then neighbours are
 * joined. */
static inline uint64_t digits_value(uint64_t word, int digits) {
    if (digits < 8) word = (word - zeros) << (56 - 8 * digits) << 8;
    else word -= zeros;
    word = word * 10 + (word >> 8);
    return ((word & 0x000000ff000000ffu) * (100 + (1000000ull << 32)) +
            ((word >> 16) & 0x000000ff000000ffu) * (1 + (10000ull << 32))) >>
           32;
}

static inline uint64_t eight_characters(const char *text) {
    uint64_t word;
    memcpy(&word, text, sizeof word);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

/* What ps_scan_number does, where 32 characters may be looked at; NULL for what is not common: more than 7 digits
 * before or 15 after the point, leading zeros, no number, or one that takes strtod to round. */
enum { COMMON_ROOM = 32 };
static inline const char *scan_common(const char *text, double *value) {
    static const uint64_t scales[] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000};
    bool negative = *text == '-';
    const char *p = text + negative;
    uint64_t word = eight_characters(p), mantissa;
    int digits = leading_digits(word), exponent = 0;
    if (digits == 0 || digits == 8 || (*p == '0' && digits > 1)) return NULL;
    mantissa = digits_value(word, digits);
    p += digits;
    if (*p == '.') {
        word = eight_characters(++p);
        int more = leading_digits(word);
        if (more == 0) return NULL;
        mantissa = mantissa * scales[more] + digits_value(word, more);
        p += more;
        exponent = -more;
        if (more == 8) {
            word = eight_characters(p);
            more = leading_digits(word);
            if (more == 8 || digits + 8 + more > 19) return NULL;
            mantissa = mantissa * scales[more] + digits_value(word, more);
            p += more;
            exponent -= more;
        }
    }
    if ((*p | 0x20) == 'e') {
        bool down = *++p == '-';
        p += *p == '-' || *p == '+';
        if (!is_digit(*p) || (is_digit(p[1]) && is_digit(p[2]))) return NULL;
        int written = *p++ - '0';
        if (is_digit(*p)) written = written * 10 + (*p++ - '0');
        exponent += down ? -written : written;
    }
    if (mantissa >= (1ull << 53) || exponent < -22 || exponent > 22) return NULL;
    double whole = (double)(int64_t)mantissa; /* cheaper than from an unsigned number */
    double magnitude = exponent < 0 ? whole / powers[-exponent] : whole * powers[exponent];
    *value = negative ? -magnitude : magnitude;
    return p;
}

const char *ps_scan_string(const char *text, const char **begin, size_t *length, bool *escaped) {
    if (*text != '"') return NULL;
    const char *p = text + 1;
    *escaped = false;
    while (*p != '"') {
        if ((unsigned char)*p < 0x20) return NULL;
        int bytes = *p == '\\' ? ps_json_escape_length(p) : 1;
        if (bytes == 0) return NULL;
        *escaped = *escaped || *p == '\\';
        p += bytes;
    }
    *begin = text + 1;
    *length = (size_t)(p - text - 1);
    return p + 1;
}

static const char *skip_scalar(const char *text) {
    double number;
    const char *begin, *end;
    size_t length;
    bool escaped;
    if (*text == '"') return ps_scan_string(text, &begin, &length, &escaped);
    if ((end = word(text, "true")) != NULL || (end = word(text, "false")) != NULL) return end;
    return ps_scan_number(text, &number);
}

static const char *skip_value(const char *text, int depth, bool strict);

/* Nothing that numbers and the blanks and commas between them do not hold: in blocks, so that the compiler can use
 * vectors. */
static bool all_plain(const char *text, const char *end) {
    enum { BLOCK = 32 };
    while (text < end) {
        unsigned char other = 0;
        if (end - text >= BLOCK) {
            for (int i = 0; i < BLOCK; i++) {
                unsigned char c = (unsigned char)text[i];
                other |= (unsigned char)!(((unsigned char)(c - '+') <= '9' - '+' && c != '/') || c == ' ' ||
                                          (c | 0x20) == 'e');
            }
            text += BLOCK;
        } else {
            unsigned char c = (unsigned char)*text++;
            other = !(((unsigned char)(c - '+') <= '9' - '+' && c != '/') || c == ' ' || (c | 0x20) == 'e');
        }
        if (other) return false;
    }
    return true;
}

/* A flat array of numbers is passed over without converting it; its numbers are checked when they are asked for. NULL:
 * it is none. */
static const char *skip_numbers(const char *text) {
    const char *end = strchr(text, ']');
    return end != NULL && all_plain(text, end) ? end + 1 : NULL;
}

static const char *skip_container(const char *text, char close, int depth, bool strict) {
    if (depth < 0) return NULL;
    if (close == ']' && !strict) {
        const char *end = skip_numbers(text);
        if (end != NULL) return end;
    }
    text = ps_scan_blanks(text);
    if (*text == close) return text + 1;
    for (;;) {
        if (close == '}') {
            const char *begin;
            size_t length;
            bool escaped;
            text = ps_scan_string(text, &begin, &length, &escaped);
            if (text == NULL || *(text = ps_scan_blanks(text)) != ':') return NULL;
            text = ps_scan_blanks(text + 1);
        }
        text = skip_value(text, depth, strict);
        if (text == NULL) return NULL;
        text = ps_scan_blanks(text);
        if (*text == close) return text + 1;
        if (*text != ',') return NULL;
        text = ps_scan_blanks(text + 1);
    }
}

static const char *skip_value(const char *text, int depth, bool strict) {
    if (*text == '{') return skip_container(text + 1, '}', depth - 1, strict);
    if (*text == '[') return skip_container(text + 1, ']', depth - 1, strict);
    return skip_scalar(text);
}

const char *ps_scan_skip(const char *text) { return skip_value(text, PS_JSON_MOST_DEPTH, false); }
const char *ps_scan_check(const char *text) { return skip_value(text, PS_JSON_MOST_DEPTH, true); }

const char *ps_scan_array(const char *text, double *values, size_t room, size_t *count) {
    size_t found = 0;
    double spare;
    if (*text != '[') return NULL;
    const char *end = strchr(text, ']');
    if (end == NULL) return NULL;
    text = ps_scan_blanks(text + 1);
    *count = 0;
    if (*text == ']') return text + 1;
    for (;;) {
        double *value = found < room ? &values[found] : &spare;
        const char *next = end - text >= COMMON_ROOM ? scan_common(text, value) : NULL;
        text = next != NULL ? next : ps_scan_number(text, value);
        if (text == NULL) return NULL;
        found++;
        if (is_blank(*text)) text = ps_scan_blanks(text);
        if (*text == ']') break;
        if (*text != ',') return NULL;
        if (is_blank(*++text)) text = ps_scan_blanks(text);
    }
    *count = found;
    return text + 1;
}

/* ---- 64 characters at a time ---- */

/* Bit i of each: what character i of a block is. */
typedef struct {
    uint64_t digit, zero, comma, dot, exponent, plus, minus;
} block_marks;

enum { BLOCK = 64 };
static const uint64_t highest = 0x8080808080808080u;

static inline uint64_t each(unsigned char c) { return 0x0101010101010101u * c; }

/* The highest bit of every byte that is c; none of the bytes has it itself. */
static inline uint64_t equal_to(uint64_t word, unsigned char c) { return highest - (word ^ each(c)); }

/* The highest bits of eight bytes, side by side in the place of the block's word `at`. */
static inline uint64_t gathered(uint64_t high, int at) {
    return (((high & highest) >> 7) * 0x0102040810204080u >> 56) << (8 * at);
}

/* within: up to the block's last comma. False where there is none, or a character before it is neither of a number nor
 * a comma. */
static inline bool mark_block(const char *text, block_marks *marks, uint64_t *within) {
    *marks = (block_marks){0};
    for (int i = 0; i < BLOCK / 8; i++) {
        uint64_t word = eight_characters(text + 8 * i);
        if (word & highest) return false;
        marks->digit |= gathered(~((word ^ zeros) + each(0x76)), i);
        marks->zero |= gathered(equal_to(word, '0'), i);
        marks->comma |= gathered(equal_to(word, ','), i);
        marks->dot |= gathered(equal_to(word, '.'), i);
    }
    if (marks->comma == 0) return false;
    int length = BLOCK - __builtin_clzll(marks->comma);
    *within = ~(uint64_t)0 >> (BLOCK - length);
    uint64_t others = *within & ~(marks->digit | marks->comma | marks->dot);
    if (others == 0) return true;
    for (int i = 0; i < BLOCK / 8; i++) {
        uint64_t word = eight_characters(text + 8 * i);
        marks->exponent |= gathered(equal_to(word | each(0x20), 'e'), i);
        marks->minus |= gathered(equal_to(word, '-'), i);
        marks->plus |= gathered(equal_to(word, '+'), i);
    }
    return (others & ~(marks->exponent | marks->minus | marks->plus)) == 0;
}

/* The first characters behind the runs of digits that begin at `starts`: adding carries through each of them. */
static inline uint64_t behind_runs(uint64_t digits, uint64_t starts) { return (digits + starts) & ~digits; }

/* How many of a block's first characters are whole numbers, each with a comma behind it; 0: there are none, or others
 * than numbers. Every character is one of a number, and every one is where JSON's grammar wants it. */
static inline int whole_numbers(const char *text, bool not_negative, size_t *count) {
    block_marks m;
    uint64_t within;
    if (!mark_block(text, &m, &within)) return 0;
    uint64_t digits = m.digit & within, dots = m.dot & within, exponents = m.exponent & within;
    uint64_t numbers = (m.comma << 1 | 1) & within, signs = numbers & m.minus;
    uint64_t integers = (numbers & ~signs) | signs << 1, fractions = dots << 1;
    uint64_t behind = exponents << 1, down = behind & (m.plus | m.minus), powers_of = (behind & ~down) | down << 1;
    uint64_t end = behind_runs(digits, integers), end_fraction = behind_runs(digits, fractions),
             end_power = behind_runs(digits, powers_of);
    uint64_t wrong = (integers | fractions | powers_of) & ~digits;
    wrong |= (integers & m.zero) << 1 & digits;
    wrong |= (end & ~(dots | exponents | m.comma)) | (end_fraction & ~(exponents | m.comma)) | (end_power & ~m.comma);
    wrong |= (dots & ~end) | (exponents & ~(end | end_fraction));
    wrong |= (m.minus & within & ~(signs | down)) | (m.plus & within & ~down);
    if (wrong != 0 || (not_negative && signs != 0)) return 0;
    *count += (size_t)__builtin_popcountll(m.comma & within);
    return BLOCK - __builtin_clzll(within);
}

const char *ps_scan_count(const char *text, bool not_negative, size_t *count) {
    char last[BLOCK] = {0};
    if (*text != '[') return NULL;
    const char *end = strchr(text, ']');
    if (end == NULL) return NULL;
    *count = 0;
    for (text++; end - text >= BLOCK;) {
        int taken = whole_numbers(text, not_negative, count);
        if (taken == 0) return NULL;
        text += taken;
    }
    size_t left = (size_t)(end - text);
    memcpy(last, text, left);
    last[left] = ',';
    return whole_numbers(last, not_negative, count) == (int)left + 1 ? end + 1 : NULL;
}

const char *ps_scan_key(const char *text, bool first, const char **key, size_t *key_length, bool *done) {
    bool escaped;
    *done = false;
    text = ps_scan_blanks(text);
    if (*text == '}') {
        *done = true;
        return text + 1;
    }
    if (!first) {
        if (*text != ',') return NULL;
        text = ps_scan_blanks(text + 1);
    }
    text = ps_scan_string(text, key, key_length, &escaped);
    if (text == NULL || *(text = ps_scan_blanks(text)) != ':') return NULL;
    return ps_scan_blanks(text + 1);
}
