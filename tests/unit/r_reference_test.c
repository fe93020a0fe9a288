/* The statistics against an independent code of R (tests/ref/statistics.R), through the results of it that are stored:
 * tests/ref/statistics.tsv, a row a line: name, inputs, results. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "analysis/json_scan.h"
#include "analysis/stats/binomial.h"
#include "analysis/stats/learned.h"
#include "analysis/stats/mcnemar.h"
#include "analysis/stats/planning.h"
#include "analysis/stats/rank_sum.h"
#include "analysis/stats/sequential.h"
#include "analysis/stats/sign_test.h"
#include "analysis/stats/survival.h"
#include "analysis/stats/words.h"
#include "core/memory.h"

enum { MOST = 512, SPELL = 5 };

/* in: count inputs; out: room for MOST results. Returns how many. */
typedef int (*statistic)(const double *in, int count, double *out);

static int sign(const double *in, int count, double *out) {
    ps_stats_sign test = ps_stats_sign_test(in + 1, count - 1, in[0], 0);
    double all[] = {test.beyond, test.against, test.ties, test.neither, test.p, test.p_against};
    memcpy(out, all, sizeof all);
    return 6;
}

static int bounds(const double *in, int count, double *out) {
    ps_stats_bounds b = ps_stats_sign_bounds(in, count, ps_stats_sign_needed(count, PS_SIGN_LEVEL));
    out[0] = b.low, out[1] = b.high, out[2] = b.coverage;
    return 3;
}

static int power(const double *in, int count, double *out) {
    int n = (int)in[0], needed = ps_stats_sign_needed(n, PS_SIGN_LEVEL);
    (void)count;
    out[0] = needed, out[1] = ps_stats_sign_size(n, needed), out[2] = ps_stats_sign_power(n, needed, in[1]);
    return 3;
}

static int offered(const double *in, int count, double *out) {
    int numbers[MOST], found = ps_stats_sign_offered_up_to((int)in[0], numbers);
    (void)count;
    for (int i = 0; i < found; i++) out[i] = numbers[i];
    return found;
}

static int equivalence(const double *in, int count, double *out) {
    int n = (int)in[0];
    (void)count;
    out[0] = ps_stats_equivalence_power(n, ps_stats_sign_needed(n, PS_SIGN_LEVEL), in[1], in[2]);
    return 1;
}

static int word(const double *in, int count, double *out) {
    (void)count;
    out[0] = ps_word_of(in[0], in[1], in[2], 0);
    return 1;
}

static int looks(const double *in, int count, double *out) {
    ps_looks design = {(count - 1) / 2, {0}, {0}};
    for (int i = 0; i < design.count; i++) {
        design.seeds[i] = (int)in[1 + i];
        design.needed[i] = (int)in[1 + design.count + i];
    }
    ps_looks_chances chances = ps_looks_chances_of(&design, in[0]);
    memcpy(out, chances.spent, (size_t)design.count * sizeof *out);
    out += design.count;
    out[0] = chances.shown, out[1] = chances.against, out[2] = chances.mean_seeds;
    return design.count + 3;
}

static int looks_bounds(const double *in, int count, double *out) {
    ps_stats_bounds b = ps_looks_bounds(&ps_looks_early, in, count);
    out[0] = b.low, out[1] = b.high;
    return 2;
}

static int mcnemar(const double *in, int count, double *out) {
    ps_stats_mcnemar test = ps_stats_mcnemar_test((int)in[0], (int)in[1]);
    (void)count;
    out[0] = test.more, out[1] = test.fewer, out[2] = test.two_sided;
    return 3;
}

static int mcnemar_power(const double *in, int count, double *out) {
    (void)count;
    out[0] = ps_stats_mcnemar_power((int)in[0], in[1], in[2], 0.05);
    return 1;
}

static int share_upper(const double *in, int count, double *out) {
    (void)count;
    out[0] = ps_stats_share_upper((int)in[0], (int)in[1], in[2]);
    return 1;
}

static int learned(const double *in, int count, double *out) {
    (void)count;
    out[0] = ps_stats_learned_p((int)in[0], (int)in[1], in[2]);
    return 1;
}

static int learned_floor(const double *in, int count, double *out) {
    (void)count;
    out[0] = ps_stats_learned_floor((int)in[0], in[1], (int)in[2]);
    return 1;
}

static int rank_sum(const double *in, int count, double *out) {
    ps_stats_rank_sum r;
    int nx = (int)in[0];
    assert_int_equal(ps_stats_rank_sum_of(in + 1, nx, in + 1 + nx, count - 1 - nx, 0, &r), PS_OK);
    out[0] = r.share, out[1] = r.greater, out[2] = r.less, out[3] = r.two_sided;
    return 4;
}

static int planned(const double *in, int count, double *out) {
    ps_stats_need need = {in[0], in[1], (int)in[2], 0.8, in[4] != 0};
    (void)count;
    out[0] = ps_stats_planned_power(&need, (int)in[3]);
    return 1;
}

static int plan(const double *in, int count, double *out) {
    ps_stats_need need = {in[0], in[1], (int)in[2], in[3], false};
    ps_stats_plan p = ps_stats_plan_seeds(&need);
    (void)count;
    out[0] = p.point, out[1] = p.averaged, out[2] = p.upper, out[3] = p.upper_factor;
    return 4;
}

static size_t risk_sets(const double *in, int count, ps_stats_risk_set **sets) {
    ps_stats_spell spells[MOST];
    size_t found;
    for (int i = 0; i < count / SPELL; i++, in += SPELL)
        spells[i] = (ps_stats_spell){in[0], in[1], (int)in[2], in[3] != 0, in[4] != 0};
    assert_int_equal(ps_stats_risk_sets(spells, (size_t)(count / SPELL), sets, &found), PS_OK);
    return found;
}

static int hazard(const double *in, int count, double *out) {
    ps_stats_risk_set *sets;
    size_t found = risk_sets(in + 1, count - 1, &sets);
    ps_stats_score score = ps_stats_hazard_score(sets, found, in[0]);
    ps_free(sets);
    out[0] = score.observed, out[1] = score.expected, out[2] = score.other_events;
    return 3;
}

static int pooled(const double *in, int count, double *out) {
    ps_stats_risk_set *sets;
    size_t found = risk_sets(in, count, &sets);
    out[0] = ps_stats_pooled_log_ratio(sets, found);
    ps_free(sets);
    return 1;
}

static struct {
    const char *name;
    statistic compute;
    double tolerance; /* over 1 + the result's size */
    int rows;
} statistics[] = {
    {"sign", sign, 1e-12, 0},
    {"bounds", bounds, 1e-12, 0},
    {"power", power, 1e-12, 0},
    {"offered", offered, 0, 0},
    {"equivalence", equivalence, 1e-12, 0},
    {"word", word, 0, 0},
    {"looks", looks, 1e-11, 0},
    {"looks_bounds", looks_bounds, 1e-12, 0},
    {"mcnemar", mcnemar, 1e-12, 0},
    {"mcnemar_power", mcnemar_power, 1e-12, 0},
    {"share_upper", share_upper, 1e-10, 0},
    {"learned", learned, 1e-12, 0},
    {"learned_floor", learned_floor, 0, 0},
    {"rank_sum", rank_sum, 1e-12, 0},
    {"planned", planned, 1e-7, 0},
    {"plan", plan, 1e-9, 0},
    {"hazard", hazard, 1e-12, 0},
    {"pooled", pooled, 1e-9, 0},
};
enum { STATISTICS = sizeof statistics / sizeof *statistics };

static int numbers_of(char *text, double *numbers) {
    int count = 0;
    for (char *end; count < MOST; text = end) {
        numbers[count] = strtod(text, &end);
        if (end == text) break;
        count++;
    }
    return count;
}

static bool same(double a, double b, double tolerance) {
    if (isnan(a) || isnan(b)) return isnan(a) && isnan(b);
    return a == b || fabs(a - b) <= tolerance * (1 + fabs(b));
}

static void compare(int which, char *inputs, char *results, int line) {
    double in[MOST], out[MOST], expected[MOST];
    int count = numbers_of(inputs, in), wanted = numbers_of(results, expected);
    int found = statistics[which].compute(in, count, out);
    if (found != wanted) fail_msg("line %d, %s: %d results, R has %d", line, statistics[which].name, found, wanted);
    for (int i = 0; i < found; i++)
        if (!same(out[i], expected[i], statistics[which].tolerance))
            fail_msg("line %d, %s: result %d is %.15g, in R %.15g", line, statistics[which].name, i + 1, out[i],
                     expected[i]);
    statistics[which].rows++;
}

static void results_are_those_of_r(void **state) {
    FILE *file = fopen("tests/ref/statistics.tsv", "r");
    char *line = NULL;
    size_t capacity = 0;
    (void)state;
    assert_non_null(file);
    for (int number = 1; getline(&line, &capacity, file) > 0; number++) {
        char *rest = line, *name = strsep(&rest, "\t"), *inputs = strsep(&rest, "\t");
        int which = 0;
        while (which < STATISTICS && strcmp(statistics[which].name, name) != 0) which++;
        if (which == STATISTICS || rest == NULL) fail_msg("line %d: %s is no statistic that is compared", number, name);
        compare(which, inputs, rest, number);
    }
    free(line);
    fclose(file);
    for (int i = 0; i < STATISTICS; i++)
        if (statistics[i].rows == 0) fail_msg("no row of %s", statistics[i].name);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(results_are_those_of_r)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
