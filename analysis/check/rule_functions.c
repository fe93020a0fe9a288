/* The functions of rules over the values of a term. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "analysis/check/rule.h"

typedef bool apply_function(const ps_rule_points *points, double *value, char *reason, size_t reason_size);

static bool has_nan(const ps_rule_points *points) {
    for (size_t i = 0; i < points->count; i++)
        if (isnan(points->points[i].value)) return true;
    return false;
}

static bool apply_max(const ps_rule_points *points, double *value, char *reason, size_t reason_size) {
    (void)reason, (void)reason_size;
    *value = -INFINITY;
    for (size_t i = 0; i < points->count; i++) *value = fmax(*value, points->points[i].value);
    return true;
}

static bool apply_min(const ps_rule_points *points, double *value, char *reason, size_t reason_size) {
    (void)reason, (void)reason_size;
    *value = INFINITY;
    for (size_t i = 0; i < points->count; i++) *value = fmin(*value, points->points[i].value);
    return true;
}

static bool apply_sum(const ps_rule_points *points, double *value, char *reason, size_t reason_size) {
    (void)reason, (void)reason_size;
    *value = 0;
    for (size_t i = 0; i < points->count; i++) *value += points->points[i].value;
    return true;
}

static bool apply_mean(const ps_rule_points *points, double *value, char *reason, size_t reason_size) {
    apply_sum(points, value, reason, reason_size);
    *value /= (double)points->count;
    return true;
}

static int by_value(const void *a, const void *b) {
    double left = ((const ps_rule_point *)a)->value, right = ((const ps_rule_point *)b)->value;
    return (left > right) - (left < right);
}

static bool apply_median(const ps_rule_points *points, double *value, char *reason, size_t reason_size) {
    size_t middle = points->count / 2;
    (void)reason, (void)reason_size;
    qsort(points->points, points->count, sizeof *points->points, by_value);
    *value = points->points[middle].value;
    if (points->count % 2 == 0) *value = (*value + points->points[middle - 1].value) / 2;
    return true;
}

static bool apply_count(const ps_rule_points *points, double *value, char *reason, size_t reason_size) {
    (void)reason, (void)reason_size;
    *value = (double)points->count;
    return true;
}

static bool at_time(const ps_rule_points *points, double number, double *value, char *reason, size_t reason_size) {
    size_t count = 0;
    for (size_t i = 0; i < points->count; i++) {
        if (points->points[i].number != number) continue;
        *value = points->points[i].value;
        count++;
    }
    if (count == 1) return true;
    snprintf(reason, reason_size,
             "has %zu values at that time; choose one with [node=\"LAYER:CHANNEL\"], or say max, min, mean or median",
             count);
    return false;
}

static bool apply_final(const ps_rule_points *points, double *value, char *reason, size_t reason_size) {
    double number = -INFINITY;
    for (size_t i = 0; i < points->count; i++) number = fmax(number, points->points[i].number);
    return at_time(points, number, value, reason, reason_size);
}

static bool apply_first(const ps_rule_points *points, double *value, char *reason, size_t reason_size) {
    double number = INFINITY;
    for (size_t i = 0; i < points->count; i++) number = fmin(number, points->points[i].number);
    return at_time(points, number, value, reason, reason_size);
}

static bool apply_only(const ps_rule_points *points, double *value, char *reason, size_t reason_size) {
    *value = points->points[0].value;
    if (points->count == 1) return true;
    snprintf(reason, reason_size, "has %zu values; say max, min, mean, median, sum, first or final of it",
             points->count);
    return false;
}

static apply_function *const functions[] = {
#define PS_FUNCTION(name, description) apply_##name,
#include "analysis/check/function_list.def"
#undef PS_FUNCTION
};

bool ps_rule_apply(ps_rule_function function, ps_rule_points *points, double *value, char *reason, size_t reason_size) {
    *value = NAN;
    if (points->count == 0 && function != PS_FUNCTION_count) {
        snprintf(reason, reason_size, "has no values there");
        return false;
    }
    bool picks = function == PS_FUNCTION_count || function == PS_FUNCTION_final || function == PS_FUNCTION_first;
    /* fmax and fmin drop a NaN, and a sort with one has no order; a NaN must come through, also a single one. */
    if (!picks && function != PS_FUNCTION_only && has_nan(points)) return true;
    return functions[function](points, value, reason, reason_size);
}
