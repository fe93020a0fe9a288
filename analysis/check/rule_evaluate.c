/* A rule on a trace. A NaN, or no values in a stretch that was recorded, makes its comparison false and is said; an
 * `or` may still hold by its other side. A term that cannot be answered (not recorded, misspelt, ambiguous) fails the
 * whole rule: else a mistake beside an `or` would never be noticed. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "analysis/check/rule.h"
#include "core/memory.h"
#include "core/text.h"

typedef struct {
    const ps_rule *rule;
    ps_run *run;
    ps_rule_outcome *outcome;
    bool missing;    /* some term has no value */
    bool unanswered; /* and for another reason than that nothing happened in the stretch it asks about */
} evaluation;

static void say(evaluation *e, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(evaluation *e, const char *format, ...) {
    char *detail = e->outcome->detail;
    size_t used = strlen(detail), room = sizeof e->outcome->detail;
    va_list arguments;
    if (used > 0 && used + 3 < room) used += (size_t)snprintf(detail + used, room - used, "; ");
    va_start(arguments, format);
    vsnprintf(detail + used, room - used, format, arguments);
    va_end(arguments);
}

/* ---- windows ---- */

/* A trace of another program may have no step records; then windows and probings tell how far it went. */
static double trained_steps(const ps_run *run) {
    double steps = (double)run->steps_done;
    if (run->window_count > 0) steps = fmax(steps, (double)run->windows[run->window_count - 1].last + 1);
    if (run->probe_count > 0) steps = fmax(steps, (double)run->probes[run->probe_count - 1].step);
    return steps;
}

typedef struct {
    double from, to; /* both included */
    char reason[128];
} span;

static void span_of_windows(const ps_run *run, double from, double to, span *s) {
    int first = -1, last = -1;
    for (int w = 0; w < run->window_count; w++) {
        if ((double)run->windows[w].window == from) first = w;
        if ((double)run->windows[w].window == to) last = w;
    }
    if (first < 0 || last < 0)
        snprintf(s->reason, sizeof s->reason, "not recorded: the trace has %d windows", run->window_count);
    else *s = (span){(double)run->windows[first].first, (double)run->windows[last].last, ""};
}

static void span_of_ends(const ps_run *run, const ps_rule_window *window, span *s) {
    double steps = trained_steps(run), count = window->from;
    bool windows = window->kind == PS_WINDOW_LAST_WINDOWS || window->kind == PS_WINDOW_FIRST_WINDOWS;
    if (count > (windows ? run->window_count : steps)) {
        snprintf(s->reason, sizeof s->reason, "not recorded: the trace has %.0f steps and %d windows", steps,
                 run->window_count);
        return;
    }
    if (window->kind == PS_WINDOW_LAST_WINDOWS) s->from = (double)run->windows[run->window_count - (int)count].first;
    if (window->kind == PS_WINDOW_FIRST_WINDOWS) s->to = (double)run->windows[(int)count - 1].last;
    if (window->kind == PS_WINDOW_LAST_STEPS) s->from = steps - count;
    if (window->kind == PS_WINDOW_FIRST_STEPS) s->to = count - 1;
}

static span span_of(const ps_run *run, const ps_rule_window *window) {
    span s = {-INFINITY, INFINITY, ""};
    double steps = trained_steps(run);
    switch (window->kind) {
        case PS_WINDOW_ALL: break;
        case PS_WINDOW_LAST_SHARE: s.from = ceil(steps * (100 - window->from) / 100 - 1e-9); break;
        case PS_WINDOW_FIRST_SHARE: s.to = ceil(steps * window->from / 100 - 1e-9) - 1; break;
        case PS_WINDOW_STEPS:
            s.from = window->from;
            s.to = window->to;
            if (s.to >= steps) snprintf(s.reason, sizeof s.reason, "not recorded: the trace has %.0f steps", steps);
            break;
        case PS_WINDOW_WINDOWS: span_of_windows(run, window->from, window->to, &s); break;
        default: span_of_ends(run, window, &s); break;
    }
    return s;
}

static void cut_points(ps_rule_points *points, const span *s) {
    size_t kept = 0;
    for (size_t i = 0; i < points->count; i++)
        if (points->points[i].number >= s->from && points->points[i].number <= s->to)
            points->points[kept++] = points->points[i];
    points->count = kept;
}

/* ---- values ---- */

static ps_status evaluate_term(evaluation *e, const ps_rule_term *term, double *value) {
    ps_rule_points points;
    char reason[256] = "";
    span s = span_of(e->run, &term->window);
    PS_TRY(ps_rule_collect(e->run, term, &points));
    snprintf(reason, sizeof reason, "%s", points.reason[0] != '\0' ? points.reason : s.reason);
    bool countable = term->function == PS_FUNCTION_count && points.recorded && s.reason[0] == '\0';
    bool found = reason[0] == '\0' || countable;
    if (found) {
        cut_points(&points, &s);
        found = ps_rule_apply(points.is_measure && term->bare ? PS_FUNCTION_final : term->function, &points, value,
                              reason, sizeof reason);
    }
    size_t count = points.count;
    bool empty = count == 0 && points.recorded && points.fits && s.reason[0] == '\0';
    ps_free_array(points.points);
    int length = term->end - term->begin;
    const char *text = e->rule->text + term->begin;
    e->missing = e->missing || !found;
    e->unanswered = e->unanswered || (!found && !empty);
    if (found) {
        const char *note = isnan(*value) ? ": NaN compares with nothing" : "";
        char number[32];
        say(e, "%.*s = %s (of %zu value%s)%s", length, text, ps_text_number(*value, 9, number), count,
            count == 1 ? "" : "s", note);
    } else {
        *value = NAN;
        say(e, "%.*s: %s", length, text, reason);
    }
    return PS_OK;
}

static double calculate(ps_rule_operator operator, double left, double right) {
    switch (operator) {
        case PS_RULE_ADD: return left + right;
        case PS_RULE_SUBTRACT: return left - right;
        case PS_RULE_MULTIPLY: return left * right;
        default: return right == 0 ? NAN : left / right; /* an infinity would satisfy every > */
    }
}

static ps_status evaluate_number(evaluation *e, int index, double *value) {
    const ps_rule_node *node = &e->rule->nodes[index];
    double left, right;
    if (node->operator== PS_RULE_NUMBER) {
        *value = node->number;
        return PS_OK;
    }
    if (node->operator== PS_RULE_TERM) return evaluate_term(e, node->term, value);
    PS_TRY(evaluate_number(e, node->left, &left));
    if (node->operator== PS_RULE_NEGATE) {
        *value = -left;
        return PS_OK;
    }
    PS_TRY(evaluate_number(e, node->right, &right));
    *value = calculate(node->operator, left, right);
    if (isnan(*value) && !isnan(left) && !isnan(right)) {
        bool divided = node->operator== PS_RULE_DIVIDE && right == 0;
        say(e, "%s: NaN compares with nothing", divided ? "division by zero" : "arithmetic with infinity");
    }
    return PS_OK;
}

static bool compares(ps_rule_operator operator, double left, double right) {
    if (isnan(left) || isnan(right)) return false; /* with != as well: nothing is known about a NaN */
    switch (operator) {
        case PS_RULE_LESS: return left < right;
        case PS_RULE_LESS_EQUAL: return left <= right;
        case PS_RULE_GREATER: return left > right;
        case PS_RULE_GREATER_EQUAL: return left >= right;
        case PS_RULE_EQUAL: return left == right;
        default: return left != right;
    }
}

static ps_status evaluate_truth(evaluation *e, int index, bool *truth) {
    const ps_rule_node *node = &e->rule->nodes[index];
    if (node->operator== PS_RULE_AND || node->operator== PS_RULE_OR) {
        bool left, right;
        PS_TRY(evaluate_truth(e, node->left, &left));
        PS_TRY(evaluate_truth(e, node->right, &right));
        *truth = node->operator== PS_RULE_AND ? left && right : left || right;
        return PS_OK;
    }
    double left, right;
    PS_TRY(evaluate_number(e, node->left, &left));
    PS_TRY(evaluate_number(e, node->right, &right));
    *truth = compares(node->operator, left, right);
    return PS_OK;
}

ps_status ps_rule_evaluate(const ps_rule *rule, ps_run *run, ps_rule_outcome *outcome) {
    evaluation e = {.rule = rule, .run = run, .outcome = outcome};
    *outcome = (ps_rule_outcome){0};
    PS_TRY(evaluate_truth(&e, rule->root, &outcome->held));
    outcome->held = outcome->held && !e.unanswered;
    if (outcome->detail[0] == '\0') say(&e, "names no series of the trace");
    outcome->not_recorded = e.missing && !outcome->held;
    return PS_OK;
}
