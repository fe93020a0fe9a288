/* A margin stands once: what a prediction says in words is made from the number it is judged by. */
#include <ctype.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "analysis/predictions/prediction.h"

/* How long the field, or the name that has digits in it, is that begins here; 0: none does. */
static size_t known(const char *text) {
    static const char *const names[] = {"l2/l1", "e = 2", "e = 4", "(part 1)"};
    if (*text == '{') return strcspn(text, "}");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strncmp(text, names[i], strlen(names[i])) == 0) return strlen(names[i]);
    return 0;
}

/* The length of a remark in brackets that quotes the paper, 0: there is none here. */
static size_t quotation(const char *text) {
    const char *end = text[0] == '(' ? strchr(text, ')') : NULL, *paper = strstr(text, "paper");
    return end != NULL && paper != NULL && paper < end ? (size_t)(end - text) : 0;
}

/* The first digit of a text outside of fields, such names, and what the paper says. NULL: there is none. */
static const char *number_in(const char *text) {
    while (*text != '\0') {
        size_t skipped = known(text) > 0 ? known(text) : quotation(text);
        if (skipped == 0 && isdigit((unsigned char)*text)) return text;
        text += skipped > 0 ? skipped : 1;
    }
    return NULL;
}

/* Whether some field of the text is made from the part's margin. */
static bool names_part(const char *text, int part) {
    for (; (text = strchr(text, '{')) != NULL; text++) {
        const char *end = strchr(text, '}');
        assert_non_null(end);
        if ((isdigit((unsigned char)end[-1]) ? end[-1] - '1' : 0) == part) return true;
    }
    return false;
}

static bool names_margin(const ps_prediction *p, const char *text, double margin) {
    for (int i = 0; i < p->part_count; i++)
        if (p->parts[i].margin == margin && names_part(text, i)) return true;
    return false;
}

static void check_text(const ps_prediction *p, const char *what, const char *text, bool all) {
    if (text == NULL) return;
    if (number_in(text) != NULL) fail_msg("%s: %s writes a number itself: %s", p->id, what, number_in(text));
    for (int i = 0; all && i < p->part_count; i++)
        if (!names_margin(p, text, p->parts[i].margin)) fail_msg("%s: %s does not name margin %d", p->id, what, i + 1);
}

static void every_margin_is_named_and_none_is_repeated(void **state) {
    int count;
    const ps_prediction *const *list = ps_predictions(&count);
    (void)state;
    for (int i = 0; i < count; i++) {
        check_text(list[i], "the statement", list[i]->statement, true);
        check_text(list[i], "\"supports\"", list[i]->supports, true);
        check_text(list[i], "\"refutes\"", list[i]->refutes, false);
        if (list[i]->part_count > 1) assert_non_null(list[i]->supports); /* the usual words name one part */
    }
}

static void no_field_is_left_and_no_text_is_cut(void **state) {
    int count;
    const ps_prediction *const *list = ps_predictions(&count);
    (void)state;
    for (int i = 0; i < count; i++) {
        ps_prediction_text text[3];
        ps_prediction_statement(list[i], text[0]);
        ps_prediction_supports(list[i], text[1]);
        ps_prediction_refutes(list[i], text[2]);
        for (int t = 0; t < 3; t++) {
            if (strpbrk(text[t], "{}") != NULL) fail_msg("%s: a field nobody knows: %s", list[i]->id, text[t]);
            assert_in_range(strlen(text[t]), 1, PS_PREDICTION_WORDS - 2);
        }
    }
}

static void words_follow_the_margin(void **state) {
    static const struct {
        double margin;
        const char *text, *words;
    } cases[] = {
        {-0.02, "below {margin}, by {points}", "below -0.02, by 2 points"},
        {0.01, "{points}, {points in words}", "1 point, one point"},
        {-0.005, "{points in words}, {points}", "half a point, 0.5 points"},
        {0.05, "below {percent} ({size})", "below 5 % (0.05)"},
        {0.5, "{share} of it", "half of it"},
        {0.95, "{share} of it", "95 % of it"},
        {0.0953, "{margin} (log {factor}), {change}", "0.0953 (log 1.1), 10 %"},
        {-0.1054, "{margin} (log {factor}), {change}", "-0.1054 (log 0.9), 10 %"},
        {0.1, "{margin 1}, {margin 2}", "0.1, 7"},
        {0.1, "{margin 3} {other} { } {", "{margin 3} {other} { } {"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ps_prediction made_up = {.part_count = 2, .parts = {{.margin = cases[i].margin}, {.margin = 7}}};
        ps_prediction_text out;
        ps_prediction_words(&made_up, cases[i].text, out);
        assert_string_equal(out, cases[i].words);
    }
}

static void the_usual_words_say_which_side(void **state) {
    ps_prediction made_up = {.greater = true, .part_count = 1, .parts = {{.margin = 0.25}}};
    ps_prediction_text out;
    (void)state;
    ps_prediction_supports(&made_up, out);
    assert_string_equal(out, "above 0.25");
    ps_prediction_refutes(&made_up, out);
    assert_string_equal(out, "below 0.25");
    made_up.greater = false;
    ps_prediction_supports(&made_up, out);
    assert_string_equal(out, "below 0.25");
}

/* A text longer than the room ends there. */
static void long_texts_end_in_their_room(void **state) {
    static char text[4 * PS_PREDICTION_WORDS];
    ps_prediction made_up = {.part_count = 1, .parts = {{.margin = 0.123456}}};
    ps_prediction_text out;
    (void)state;
    for (size_t i = 0; i + 9 < sizeof text; i += 8) memcpy(text + i, "{margin}", 9);
    ps_prediction_words(&made_up, text, out);
    assert_in_range(strlen(out), PS_PREDICTION_WORDS - 16, PS_PREDICTION_WORDS - 1);
}

static void a_number_in_the_text_is_found(void **state) {
    (void)state;
    assert_non_null(number_in("by at least 2 points"));
    assert_null(number_in("l2/l1 falls with e = 2 by {points 1}"));
}

/* W4 says in words what its statistic is counted by. */
static void fixed_numbers_are_those_of_the_words(void **state) {
    char words[64];
    (void)state;
    snprintf(words, sizeof words, "(%d at least)", (int)PS_FIXED_LEAD_LAYERS);
    assert_non_null(strstr(ps_prediction_w4.population, words));
    snprintf(words, sizeof words, "(%d at least)", (int)PS_FIXED_LEAD_INTERVALS);
    assert_non_null(strstr(ps_prediction_w4.population, words));
    snprintf(words, sizeof words, "fewer than %d layers with %d intervals", (int)PS_FIXED_LEAD_LAYERS,
             (int)PS_FIXED_LEAD_INTERVALS);
    assert_non_null(strstr(ps_prediction_w4.absent, words));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_margin_is_named_and_none_is_repeated),
        cmocka_unit_test(no_field_is_left_and_no_text_is_cut),
        cmocka_unit_test(words_follow_the_margin),
        cmocka_unit_test(the_usual_words_say_which_side),
        cmocka_unit_test(long_texts_end_in_their_room),
        cmocka_unit_test(a_number_in_the_text_is_found),
        cmocka_unit_test(fixed_numbers_are_those_of_the_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
