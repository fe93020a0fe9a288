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

/* What a field says where a higher value is better, where a lower one is, and where it is not known what is measured:
 * before any data are looked at. */
static bool say_measure(const char *name, const ps_trace_measure *measure, char *out, size_t room) {
    static const char *const words[][4] = {{"lower", "lower", "higher", "worse"},
                                           {"better", "higher", "lower", "better"},
                                           {"raises", "raises", "lowers", "improves"}};
    char title[PS_TRACE_TASK_TEXT] = "the task's first measure";
    int column = measure == NULL ? 3 : measure->higher_is_better ? 1 : 2;
    if (measure != NULL) ps_trace_measure_title(measure, title);
    if (strcmp(name, "measure") == 0) snprintf(out, room, "%s", title);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(name, words[i][0]) == 0) snprintf(out, room, "%s", words[i][column]);
    return out[0] != '\0';
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
    out[0] = '\0';
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
    if (say_measure(name, prediction->measure, out, room)) return length + 2;
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

const ps_prediction *ps_prediction_of_task(const ps_prediction *prediction, const ps_trace_task *task,
                                           ps_prediction_tasked *out) {
    ps_prediction *own = &out->prediction;
    bool rests_on_task = false;
    *own = *prediction;
    for (int i = 0; task != NULL && i < own->part_count; i++) {
        ps_prediction_part *part = &own->parts[i];
        if (strcmp(part->statistic, PS_TEST_MEASURE) != 0) continue;
        own->measure = &task->measure[0];
        ps_summary_test_name(own->measure, out->measure);
        part->statistic = out->measure;
        if (!own->measure->higher_is_better) part->margin = -part->margin;
        rests_on_task = true;
    }
    if (rests_on_task && !own->measure->higher_is_better) own->greater = !own->greater;
    ps_prediction_words(own, prediction->title, out->title);
    ps_prediction_words(own, prediction->statistic, out->statistic);
    own->title = out->title;
    own->statistic = out->statistic;
    if (prediction->absent == NULL) return own;
    ps_prediction_words(own, prediction->absent, out->absent);
    own->absent = out->absent;
    return own;
}

const char *ps_prediction_unit_name(ps_prediction_unit unit) {
    static const char *const names[] = {
#define UNIT(name, word) word,
        PS_PREDICTION_UNITS(UNIT)
#undef UNIT
    };
    return names[unit];
}

const char *ps_prediction_size(ps_prediction_unit unit, double size, char text[PS_PREDICTION_AMOUNT]) {
    if (unit == PS_UNIT_SHARE)
        snprintf(text, PS_PREDICTION_AMOUNT, "%.3g point%s", 100 * size, size == 0.01 ? "" : "s");
    else if (unit == PS_UNIT_LOG_RATIO) snprintf(text, PS_PREDICTION_AMOUNT, "a factor of %.3g", exp(size));
    else snprintf(text, PS_PREDICTION_AMOUNT, "%.3g", size);
    return text;
}

const char *ps_prediction_amount(ps_prediction_unit unit, double value, bool level, char text[PS_PREDICTION_AMOUNT]) {
    const char *sign = level ? "" : "+";
    if (ps_is_absent(value)) snprintf(text, PS_PREDICTION_AMOUNT, "unknown");
    else if (isinf(value)) snprintf(text, PS_PREDICTION_AMOUNT, "%sinfinity", value < 0 ? "-" : sign);
    else if (unit == PS_UNIT_LOG_RATIO) snprintf(text, PS_PREDICTION_AMOUNT, "a ratio of %.3g", exp(value));
    else if (unit == PS_UNIT_SHARE && level) snprintf(text, PS_PREDICTION_AMOUNT, "%.3g %%", 100 * value);
    else if (unit == PS_UNIT_SHARE) snprintf(text, PS_PREDICTION_AMOUNT, "%+.3g points", 100 * value);
    else snprintf(text, PS_PREDICTION_AMOUNT, level ? "%.3g" : "%+.3g", value);
    return text;
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
