#include "reports/escape.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#define REPLACEMENT "\xEF\xBF\xBD"

/* Length of the well-formed UTF-8 sequence at text, 0 where it is malformed (overlong, surrogate, cut short). */
static int sequence_length(const unsigned char *text) {
    unsigned char lead = text[0];
    if (lead < 0x80) return 1;
    int length = lead >= 0xC2 && lead <= 0xDF ? 2 : (lead & 0xF0) == 0xE0 ? 3 : lead >= 0xF0 && lead <= 0xF4 ? 4 : 0;
    for (int i = 1; i < length; i++)
        if ((text[i] & 0xC0) != 0x80) return 0;
    if ((lead == 0xE0 && text[1] < 0xA0) || (lead == 0xED && text[1] > 0x9F)) return 0;
    if ((lead == 0xF0 && text[1] < 0x90) || (lead == 0xF4 && text[1] > 0x8F)) return 0;
    return length;
}

/* C0 and C1 controls, and the marks that reorder or hide text. */
static bool is_control(const unsigned char *at, int length) {
    if (length == 1) return at[0] < 0x20 || at[0] == 0x7F;
    if (length == 2) return at[0] == 0xC2 && at[1] < 0xA0;
    if (length != 3 || at[0] != 0xE2) return false;
    return (at[1] == 0x80 && (at[2] == 0x8E || at[2] == 0x8F || (at[2] >= 0xA8 && at[2] <= 0xAE))) ||
           (at[1] == 0x81 && at[2] >= 0xA6 && at[2] <= 0xA9);
}

/* Moves past one character. *out is the character itself or the replacement for what cannot be shown. */
static const unsigned char *next_character(const unsigned char *at, const char **out, int *length) {
    int size = sequence_length(at);
    if (size == 0 || is_control(at, size)) {
        *out = REPLACEMENT;
        *length = 3;
        return at + (size ? size : 1);
    }
    *out = (const char *)at;
    *length = size;
    return at + size;
}

static const char *html_entity(char character) {
    switch (character) {
        case '&': return "&amp;";
        case '<': return "&lt;";
        case '>': return "&gt;";
        case '"': return "&quot;";
        case '\'': return "&#39;";
        default: return NULL;
    }
}

void ps_escape_html(FILE *stream, const char *text) {
    const unsigned char *at = (const unsigned char *)text;
    while (*at) {
        const char *out;
        int length;
        at = next_character(at, &out, &length);
        const char *entity = length == 1 ? html_entity(*out) : NULL;
        if (entity) fputs(entity, stream);
        else fwrite(out, 1, (size_t)length, stream);
    }
}

void ps_escape_markdown(FILE *stream, const char *text) {
    const unsigned char *at = (const unsigned char *)text;
    while (*at) {
        const char *out;
        int length;
        at = next_character(at, &out, &length);
        const char *entity = length == 1 ? html_entity(*out) : NULL;
        if (entity && !strchr("'\"", *out)) fputs(entity, stream);
        else if (length == 1 && strchr("@#", *out))
            fprintf(stream, "&#%d;", *out); /* mentions and references have no other escape */
        else {
            if (length == 1 && strchr("\\`*_[]|~$", *out)) fputc('\\', stream);
            fwrite(out, 1, (size_t)length, stream);
        }
    }
}

static int count_characters(const unsigned char *at) {
    int count = 0;
    while (*at) {
        const char *out;
        int length;
        at = next_character(at, &out, &length);
        count++;
    }
    return count;
}

void ps_escape_plot(FILE *stream, const char *text) {
    enum { longest = 48, head = 30, tail = 17 };
    const unsigned char *at = (const unsigned char *)text;
    int count = count_characters(at);
    if (count == 0) fputs("(no name)", stream);
    for (int i = 0; i < count; i++) {
        const char *out;
        int length;
        at = next_character(at, &out, &length);
        if (count > longest && i >= head && i < count - tail) {
            if (i == head) fputs("\xE2\x80\xA6", stream);
            continue;
        }
        if (length == 1 && *out == '"') fputc('\'', stream);
        else fwrite(out, 1, (size_t)length, stream);
    }
}

char *ps_escape_number(char buffer[PS_ESCAPE_NUMBER], double value) {
    if (isnan(value)) strcpy(buffer, "\xE2\x80\x93");
    else if (isinf(value)) strcpy(buffer, value > 0 ? "\xE2\x88\x9E" : "-\xE2\x88\x9E");
    else if (fabs(value) >= 1000 && fabs(value) < 1e6) snprintf(buffer, PS_ESCAPE_NUMBER, "%.0f", value);
    else snprintf(buffer, PS_ESCAPE_NUMBER, "%.3g", value);
    return buffer;
}

char *ps_escape_percent(char buffer[PS_ESCAPE_NUMBER], double share, int is_signed) {
    double percent = 100 * share;
    if (!isfinite(percent)) return ps_escape_number(buffer, percent);
    int digits = fabs(percent) < 0.1 && percent != 0 ? 3 : fabs(percent) < 10 ? 2 : 1;
    snprintf(buffer, PS_ESCAPE_NUMBER, is_signed ? "%+.*f" : "%.*f", percent == 0 ? 0 : digits, percent);
    return buffer;
}
