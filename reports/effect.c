/* The picture of an effect: where seeds, median and bounds lie beside 0 and the margin. */
#include "reports/effect.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "reports/content.h"
#include "reports/escape.h"

static bool is_unit(const cJSON *part, const char *unit) { return strcmp(ps_report_text(part, "unit"), unit) == 0; }

char *ps_effect_amount(char text[PS_EFFECT_TEXT], const cJSON *part, bool level, double value) {
    char number[PS_ESCAPE_NUMBER];
    bool plus = !level && value > 0;
    if (!isfinite(value)) snprintf(text, PS_EFFECT_TEXT, "%s", ps_escape_number(number, value));
    else if (is_unit(part, "log ratio"))
        snprintf(text, PS_EFFECT_TEXT, "ratio %s", ps_escape_number(number, exp(value)));
    else if (is_unit(part, "share") && level) snprintf(text, PS_EFFECT_TEXT, "%.3g %%", 100 * value);
    else if (is_unit(part, "share"))
        snprintf(text, PS_EFFECT_TEXT, "%+.3g point%s", 100 * value, fabs(value) == 0.01 ? "" : "s");
    else snprintf(text, PS_EFFECT_TEXT, "%s%s", plus ? "+" : "", ps_escape_number(number, value));
    return text;
}

char *ps_effect_of(char text[PS_EFFECT_TEXT], const cJSON *part, bool level, const char *key) {
    return ps_effect_amount(text, part, level, ps_report_number(part, key));
}

/* ---- the picture ---- */

enum { LARGE_WIDTH = 400, SMALL_WIDTH = 136, EDGE = 14, MOST_DOTS = 256, MOST_LEVELS = 4 };

typedef struct {
    FILE *stream;
    const cJSON *part;
    bool large, level, greater;
    double margin, low, high, median; /* as in the part */
    double from, to;                  /* values at the left and the right end */
    int width, height, axis;          /* of the drawing; where its axis lies */
} picture;

static double at(const picture *p, double value) {
    double share = p->to > p->from ? (value - p->from) / (p->to - p->from) : 0.5;
    return EDGE + fmax(0, fmin(1, share)) * (p->width - 2 * EDGE);
}

static void widen(picture *p, double value) {
    if (!isfinite(value)) return;
    p->from = fmin(p->from, value);
    p->to = fmax(p->to, value);
}

/* All that is finite is on it, with room on both sides of every mark. */
static void choose_range(picture *p) {
    const cJSON *values = cJSON_GetObjectItemCaseSensitive(p->part, "values"), *item;
    bool has_margin = isfinite(p->margin);
    p->from = p->to = p->level ? (has_margin ? p->margin : 0) : 0;
    if (has_margin && !p->level) {
        widen(p, p->margin);
        widen(p, -p->margin);
    }
    widen(p, p->low);
    widen(p, p->high);
    widen(p, p->median);
    cJSON_ArrayForEach(item, values) widen(p, ps_report_number(item, "value"));
    double room = p->to > p->from ? 0.08 * (p->to - p->from) : fmax(fabs(p->to), 1e-3) * 0.5;
    p->from -= room;
    p->to += room;
}

static void rectangle(const picture *p, const char *kind, double from, double to, int y, int height) {
    double left = at(p, fmin(from, to)), right = at(p, fmax(from, to));
    fprintf(p->stream, "<rect class=\"%s\" x=\"%.1f\" y=\"%d\" width=\"%.1f\" height=\"%d\"/>", kind, left, y,
            fmax(0, right - left), height);
}

static void upright(const picture *p, const char *kind, double value, int from, int to) {
    fprintf(p->stream, "<line class=\"%s\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\"/>", kind, at(p, value),
            at(p, value), from, to);
}

static void words(const picture *p, double x, int y, const char *anchor, const char *text) {
    fprintf(p->stream, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"%s\">", x, y, anchor);
    ps_escape_html(p->stream, text);
    fputs("</text>", p->stream);
}

/* Where the claim holds (of "not lower by M" that is above -M), and what is smaller than the margin. */
static void print_bands(const picture *p) {
    double size = fabs(p->margin);
    int top = p->large ? 20 : 0, height = p->axis - top;
    if (!isfinite(p->margin)) return;
    rectangle(p, "beyond", p->margin, p->greater ? p->to : p->from, top, height);
    if (size > 0 && !p->level) rectangle(p, "within", -size, size, top, height);
}

/* Room that the words of a margin take. */
enum { WORD = 72, LINE = 17, NEXT_LINE = 31 };

/* Whether the words of a margin on this side of 0 would run off the drawing beside their mark. */
static bool is_cramped(const picture *p, int side) {
    double mark = at(p, side * fabs(p->margin));
    return side > 0 ? mark > p->width - WORD : mark < WORD;
}

/* Whether 0 is far enough from the margins to be written between them. */
static bool has_room(const picture *p) {
    double word = is_unit(p->part, "log ratio") ? 22 : 10;
    return !(fabs(p->margin) > 0) || fabs(at(p, fabs(p->margin)) - at(p, 0)) > word;
}

static bool has_next_line(const picture *p) {
    return !p->level && fabs(p->margin) > 0 && (!has_room(p) || is_cramped(p, 1) || is_cramped(p, -1));
}

/* Beside its mark, away from 0; what would run off the drawing there stands at its edge on a line of its own. */
static void print_margin_word(const picture *p, int side) {
    char text[PS_EFFECT_TEXT];
    ps_effect_amount(text, p->part, false, side * fabs(p->margin));
    if (is_cramped(p, side)) words(p, side > 0 ? p->width : 0, p->axis + NEXT_LINE, side > 0 ? "end" : "start", text);
    else words(p, at(p, side * fabs(p->margin)), p->axis + LINE, side > 0 ? "start" : "end", text);
}

/* Between the words of the margin, or beneath them; left out where those fill both lines. */
static void print_zero_word(const picture *p) {
    bool room = has_room(p);
    if (!room && (is_cramped(p, 1) || is_cramped(p, -1))) return;
    words(p, at(p, 0), p->axis + (room ? LINE : NEXT_LINE), "middle", is_unit(p->part, "log ratio") ? "equal" : "0");
}

static void print_words(const picture *p) {
    char text[PS_EFFECT_TEXT];
    bool known = isfinite(p->margin);
    if (p->level) {
        if (known) words(p, at(p, p->margin), p->axis + LINE, "middle", ps_effect_of(text, p->part, true, "margin"));
        return;
    }
    print_zero_word(p);
    for (int side = -1; known && p->margin != 0 && side <= 1; side += 2) print_margin_word(p, side);
}

static void print_marks(const picture *p) {
    int top = p->large ? 20 : 1, bottom = p->axis + (p->large ? 4 : 0);
    if (!p->level) upright(p, "zero", 0, top, bottom);
    if (!isfinite(p->margin) || (p->margin == 0 && !p->level)) return;
    upright(p, "bar", p->margin, top, bottom);
    if (!p->level && p->large) upright(p, "other", -p->margin, top, bottom);
}

static int by_value(const void *a, const void *b) {
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* Dots that would cover each other stand on one another. */
static void print_dots(const picture *p) {
    const cJSON *values = cJSON_GetObjectItemCaseSensitive(p->part, "values"), *item;
    double value[MOST_DOTS] = {0}, last[MOST_LEVELS], radius = p->large ? 4.5 : 3.2;
    int count = 0;
    cJSON_ArrayForEach(item, values) {
        double v = ps_report_number(item, "value");
        if (!isnan(v) && count < MOST_DOTS) value[count++] = v;
    }
    qsort(value, (size_t)count, sizeof *value, by_value);
    for (int l = 0; l < MOST_LEVELS; l++) last[l] = -1e9;
    for (int i = 0; i < count; i++) {
        double x = isfinite(value[i]) ? at(p, value[i]) : value[i] < 0 ? EDGE / 2.0 : p->width - EDGE / 2.0;
        int level = 0;
        while (level + 1 < MOST_LEVELS && x - last[level] < 2 * radius) level++;
        if (x - last[level] < 2 * radius) level = i % MOST_LEVELS;
        last[level] = x;
        double y = p->large ? 62 - level * 9.5 : p->height / 2.0 - 4 - level * 3.0;
        fprintf(p->stream, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\"%s/>", x, y, radius,
                isfinite(value[i]) ? "" : " class=\"diverged\"");
    }
}

/* An end that is infinite goes on to the edge of the drawing. */
static void print_bounds(const picture *p) {
    bool has_low = isfinite(p->low), has_high = isfinite(p->high);
    int y = p->large ? 80 : p->height - 6, end = p->large ? 6 : 3;
    if (!isfinite(ps_report_number(p->part, "coverage"))) return;
    double left = has_low      ? at(p, p->low)
                  : p->low < 0 ? 0
                               : p->width,
           right = has_high      ? at(p, p->high)
                   : p->high > 0 ? p->width
                                 : 0;
    fprintf(p->stream, "<line class=\"bounds\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\"/>", left, right, y, y);
    if (has_low) upright(p, "bounds", p->low, y - end, y + end);
    if (has_high) upright(p, "bounds", p->high, y - end, y + end);
}

static void print_median(const picture *p) {
    double x = at(p, p->median), r = p->large ? 7 : 4, y = p->large ? 80 : p->height - 6;
    if (!isfinite(p->median)) return;
    fprintf(p->stream, "<path class=\"median\" d=\"M%.1f %.1fl%.1f %.1fl%.1f %.1fl%.1f %.1fz\"/>", x, y - r, r, r, -r,
            r, -r, -r);
}

/* On which side the claim lies, above the drawing. */
static void print_sides(const picture *p) {
    if (!isfinite(p->margin)) return;
    words(p, p->greater ? p->width - EDGE : EDGE, 14, p->greater ? "end" : "start",
          p->greater ? "claimed \xE2\x86\x92" : "\xE2\x86\x90 claimed");
}

static void print_name(const picture *p) {
    char low[PS_EFFECT_TEXT], high[PS_EFFECT_TEXT], median[PS_EFFECT_TEXT], margin[PS_EFFECT_TEXT];
    int seeds = cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(p->part, "values"));
    fprintf(p->stream, "%d seed%s, median ", seeds, seeds == 1 ? "" : "s");
    ps_escape_html(p->stream, ps_effect_amount(median, p->part, p->level, p->median));
    if (isfinite(p->low) || isfinite(p->high))
        fprintf(p->stream, ", bounds %s to %s", ps_effect_amount(low, p->part, p->level, p->low),
                ps_effect_amount(high, p->part, p->level, p->high));
    if (isfinite(p->margin)) fprintf(p->stream, ", margin %s", ps_effect_amount(margin, p->part, p->level, p->margin));
}

void ps_effect_picture(FILE *stream, const cJSON *prediction, const cJSON *part, bool large) {
    picture p = {.stream = stream,
                 .part = part,
                 .large = large,
                 .level = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(prediction, "level")),
                 .greater = strcmp(ps_report_text(prediction, "direction"), "greater") == 0,
                 .margin = ps_report_number(part, "margin"),
                 .low = ps_report_number(part, "low"),
                 .high = ps_report_number(part, "high"),
                 .median = ps_report_number(part, "estimate"),
                 .width = large ? LARGE_WIDTH : SMALL_WIDTH,
                 .height = large ? 134 : 30,
                 .axis = large ? 96 : 30};
    if (cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(part, "values")) == 0) return;
    choose_range(&p);
    if (large && !has_next_line(&p)) p.height -= NEXT_LINE - LINE;
    fprintf(stream, "<svg class=\"%s\" viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"", large ? "effect" : "strip",
            p.width, p.height);
    print_name(&p);
    fputs("\">", stream);
    print_bands(&p);
    if (large) fprintf(stream, "<line x1=\"0\" x2=\"%d\" y1=\"%d\" y2=\"%d\"/>", p.width, p.axis, p.axis);
    print_marks(&p);
    if (large) print_words(&p);
    if (large) print_sides(&p);
    print_dots(&p);
    print_bounds(&p);
    print_median(&p);
    fputs("</svg>", stream);
}
