/* The words of a prediction, with the numbers that are made from its margins. */
#include "analysis/predictions/prediction.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static void say_points(double size, bool in_words, char *out, size_t room) {
    double points = 100 * size;
    if (in_words && points == 0.5) snprintf(out, room, "half a point");
    else if (in_words && points == 1) snprintf(out, room, "one point");
    else snprintf(out, room, "%g point%s", points, points == 1 ? "" : "s");
}

/* The field's name without braces and number; false where there is none of this name. */
static bool say_field(const char *name, double margin, char *out, size_t room) {
    double size = fabs(margin);
    if (strcmp(name, "margin") == 0) snprintf(out, room, "%g", margin);
    else if (strcmp(name, "size") == 0) snprintf(out, room, "%g", size);
    else if (strcmp(name, "percent") == 0) snprintf(out, room, "%g %%", 100 * size);
    else if (strcmp(name, "points") == 0) say_points(size, false, out, room);
    else if (strcmp(name, "points in words") == 0) say_points(size, true, out, room);
    else if (strcmp(name, "share") == 0 && size == 0.5) snprintf(out, room, "half");
    else if (strcmp(name, "share") == 0) snprintf(out, room, "%g %%", 100 * size);
    else if (strcmp(name, "factor") == 0) snprintf(out, room, "%.2g", exp(margin));
    else if (strcmp(name, "change") == 0) snprintf(out, room, "%.2g %%", 100 * fabs(exp(margin) - 1));
    else return false;
    return true;
}

/* "{name}" or "{name N}" from its brace on, into out; its length, 0: it is no field. */
static size_t fill_field(const ps_prediction *prediction, const char *text, char *out, size_t room) {
    char name[32];
    const char *end = strchr(text, '}');
    size_t length = end != NULL ? (size_t)(end - text) - 1 : sizeof name;
    int part = 0;
    if (length < 1 || length >= sizeof name) return 0;
    memcpy(name, text + 1, length);
    name[length] = '\0';
    if (length > 2 && name[length - 2] == ' ' && name[length - 1] >= '1' && name[length - 1] <= '9') {
        part = name[length - 1] - '1';
        name[length - 2] = '\0';
    }
    if (part >= prediction->part_count) return 0;
    return say_field(name, prediction->parts[part].margin, out, room) ? length + 2 : 0;
}

void ps_prediction_words(const ps_prediction *prediction, const char *text, ps_prediction_text out) {
    size_t used = 0;
    while (*text != '\0' && used + 1 < PS_PREDICTION_WORDS) {
        size_t field = *text == '{' ? fill_field(prediction, text, out + used, PS_PREDICTION_WORDS - used) : 0;
        if (field > 0) used += strlen(out + used);
        else out[used++] = *text;
        text += field > 0 ? field : 1;
    }
    out[used] = '\0';
}

static const char *beyond(bool above) { return above ? "above {margin}" : "below {margin}"; }

void ps_prediction_statement(const ps_prediction *prediction, ps_prediction_text out) {
    ps_prediction_words(prediction, prediction->statement, out);
}

void ps_prediction_supports(const ps_prediction *prediction, ps_prediction_text out) {
    bool own = prediction->supports != NULL;
    ps_prediction_words(prediction, own ? prediction->supports : beyond(prediction->greater), out);
}

void ps_prediction_refutes(const ps_prediction *prediction, ps_prediction_text out) {
    bool own = prediction->refutes != NULL;
    ps_prediction_words(prediction, own ? prediction->refutes : beyond(!prediction->greater), out);
}
