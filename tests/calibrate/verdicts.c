#include "tests/calibrate/verdicts.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "analysis/stats/binomial.h"
#include "analysis/stats/normal.h"
#include "analysis/stats/sequential.h"
#include "analysis/stats/sign_test.h"
#include "analysis/stats/survival.h"
#include "analysis/stats/words.h"
#include "core/memory.h"
#include "core/rng.h"

enum { EXPERIMENTS = 20000, FEWEST = 5, MOST = 20 }; /* at scale 1, a row */

static const double chance_999 = 3.290526731491926; /* 99.9 % of a normal distribution, both sides */

/* ---- differences of pairs, their median at 0 ---- */

typedef struct {
    ps_rng_key key;
    uint64_t next;
} stream;

static double uniform(stream *s) { return (double)ps_rng_uniform(s->key, s->next++); }
static double normal(stream *s) { return (double)ps_rng_normal(s->key, s->next++); }
static double cauchy(stream *s) { return tan(acos(-1) * (uniform(s) - 0.5)); }
static double exponential(stream *s) { return -log(1 - uniform(s)) - log(2); }
static double lognormal(stream *s) { return exp(normal(s)) - 1; }

/* The partner of one pair in so many collapses, by 20 standard deviations: the median of the mixture lies where
 * (1 - share) Phi(x) = 1/2. */
static double collapsing(stream *s, double share) {
    bool collapsed = uniform(s) < share;
    return normal(s) + (collapsed ? 20 : 0) - ps_stats_normal_inverse(0.5 / (1 - share));
}
static double collapsing_5(stream *s) { return collapsing(s, 0.05); }
static double collapsing_10(stream *s) { return collapsing(s, 0.1); }
static double own_collapsing_10(stream *s) { return -collapsing(s, 0.1); }
static double with_missing(stream *s) { return uniform(s) < 0.1 ? NAN : normal(s); }
static double with_ties(stream *s) { return ps_stats_round_to(normal(s), 0.5); }

static const struct {
    const char *name;
    double (*draw)(stream *);
} shapes[] = {
    {"normal", normal},
    {"Cauchy", cauchy},
    {"exponential", exponential},
    {"lognormal", lognormal},
    {"normal, other arm collapses, 5 %", collapsing_5},
    {"normal, other arm collapses, 10 %", collapsing_10},
    {"normal, own arm collapses, 10 %", own_collapsing_10},
    {"normal, 10 % of the pairs missing", with_missing},
    {"normal, in steps of half a standard deviation", with_ties},
};
enum { SHAPES = sizeof shapes / sizeof *shapes };

/* ---- one experiment ---- */

/* What a word says of the median, in margins: that it is above the one and below the other. */
static const struct {
    double above, below;
} says[PS_WORD_COUNT] = {[PS_WORD_BEYOND] = {1, INFINITY},
                         [PS_WORD_SMALLER] = {0, 1},
                         [PS_WORD_SAME_DIRECTION] = {0, INFINITY},
                         [PS_WORD_OPPOSITE_BEYOND] = {-INFINITY, -1},
                         [PS_WORD_OPPOSITE_SMALLER] = {-1, 0},
                         [PS_WORD_OPPOSITE] = {-INFINITY, 0},
                         [PS_WORD_EQUIVALENT] = {-1, 1},
                         [PS_WORD_NOT_BEYOND] = {-INFINITY, 1},
                         [PS_WORD_UNDECIDED] = {-INFINITY, INFINITY}};

/* What was said at any look. */
typedef struct {
    double above, below;
} said;

static ps_looks fixed_design(int n) { return (ps_looks){1, {n}, {ps_stats_sign_needed(n, PS_SIGN_LEVEL)}}; }

/* Bounds and word at every look, as a verdict has them; a number of seeds that is fixed has one look. */
static said judge(const ps_looks *looks, const double *values, double margin) {
    said all = {-INFINITY, INFINITY};
    for (int i = 0; i < looks->count; i++) {
        int n = looks->seeds[i];
        ps_stats_bounds b =
            looks->count == 1 ? ps_stats_sign_bounds(values, n, looks->needed[0]) : ps_looks_bounds(looks, values, n);
        ps_word word = ps_word_of(b.low, b.high, margin, 1e-9);
        all.above = fmax(all.above, says[word].above);
        all.below = fmin(all.below, says[word].below);
    }
    return all;
}

static void draw_pairs(stream *s, double (*draw)(stream *), double median, int n, double *values) {
    for (int i = 0; i < n; i++) values[i] = draw(s) + median;
}

static int experiments_at(double scale) { return (int)fmax(100, EXPERIMENTS * scale); }

/* ---- false words ---- */

typedef struct {
    int above, below; /* the larger of the counts with the median at -margin, at 0 and at margin */
} false_words;

static false_words count_false(const ps_looks *looks, int shape, double margin, int experiments) {
    int seeds = looks->seeds[looks->count - 1];
    stream s = {ps_rng_key_fold(ps_rng_key_of(1, shapes[shape].name), (uint64_t)(seeds * 100 + looks->count)), 0};
    int above[3] = {0}, below[3] = {0};
    for (int e = 0; e < experiments; e++) {
        double drawn[MOST], values[MOST];
        draw_pairs(&s, shapes[shape].draw, 0, seeds, drawn);
        for (int truth = -1; truth <= 1; truth++) {
            for (int i = 0; i < seeds; i++) values[i] = drawn[i] + truth * margin;
            said all = judge(looks, values, margin);
            above[truth + 1] += all.above >= truth;
            below[truth + 1] += all.below <= truth;
        }
    }
    false_words found = {0, 0};
    for (int t = 0; t < 3; t++) {
        found.above = above[t] > found.above ? above[t] : found.above;
        found.below = below[t] > found.below ? below[t] : found.below;
    }
    return found;
}

static void false_row(const ps_looks *looks, int shape, int experiments, int *wrong) {
    int last = looks->count - 1;
    double size = ps_looks_chances_of(looks, 0.5).spent[last];
    double most = size + chance_999 * sqrt(size * (1 - size) / experiments);
    false_words found = count_false(looks, shape, 1, experiments);
    double above = (double)found.above / experiments, below = (double)found.below / experiments;
    bool outside = above > most || below > most || size > PS_SIGN_LEVEL;
    *wrong += outside;
    if (looks->count > 1) printf("| %s | up to %d, 5 looks |", shapes[shape].name, looks->seeds[last]);
    else printf("| %s | %d |", shapes[shape].name, looks->seeds[last]);
    printf(" %.4f | %.4f | %.4f | %.4f%s |\n", size, above, below, most, outside ? " (!)" : "");
}

static void print_false(int experiments, int *wrong) {
    printf(
        "| differences of pairs | seeds | exact size | said above, falsely | said below, falsely | at most, with 99.9 "
        "%% "
        "of chance |\n|---|---|---|---|---|---|\n");
    for (int shape = 0; shape < SHAPES; shape++) {
        for (int n = FEWEST; n <= MOST; n++) {
            ps_looks looks = fixed_design(n);
            false_row(&looks, shape, experiments, wrong);
        }
        false_row(&ps_looks_early, shape, experiments, wrong);
    }
}

/* ---- power ---- */

/* As the design has them (its section 1 and 6), for effects of 0.5, 1 and 2 standard deviations beyond the margin; row
 * 0 is that of five looks. */
static const struct {
    int n;
    double power[3];
} design[] = {{0, {0.442, 0.928, 1}},   {5, {0.16, 0.42, 0.89}}, {6, {0.11, 0.35, 0.87}}, {8, {0.24, 0.63, 0.99}},
              {10, {0.14, 0.51, 0.98}}, {11, {0.29, 0.75, 1}},   {13, {0.39, 0.86, 1}},   {16, {0.42, 0.90, 1}},
              {18, {0.50, 0.95, 1}},    {20, {0.38, 0.92, 1}}};

static double of_design(int n, int effect) {
    for (size_t i = 0; i < sizeof design / sizeof *design; i++)
        if (design[i].n == n) return design[i].power[effect];
    return NAN;
}

static const double effects[] = {0.5, 1, 2}, margins[] = {0.5, 1, 1.5, 2};

static double found_beyond(const ps_looks *looks, double effect, int experiments) {
    int seeds = looks->seeds[looks->count - 1], found = 0;
    stream s = {
        ps_rng_key_fold(ps_rng_key_of(2, "beyond"), (uint64_t)(seeds * 1000 + looks->count * 100 + effect * 10)), 0};
    for (int e = 0; e < experiments; e++) {
        double values[MOST];
        draw_pairs(&s, normal, 1 + effect, seeds, values);
        found += judge(looks, values, 1).above >= 1;
    }
    return (double)found / experiments;
}

static double found_equivalent(const ps_looks *looks, double margin, int experiments) {
    int seeds = looks->seeds[looks->count - 1], found = 0;
    stream s = {ps_rng_key_fold(ps_rng_key_of(3, "equivalent"), (uint64_t)(seeds * 100 + margin * 10)), 0};
    for (int e = 0; e < experiments; e++) {
        double values[MOST];
        draw_pairs(&s, normal, 0, seeds, values);
        said all = judge(looks, values, margin);
        found += all.above >= -1 && all.below <= 1;
    }
    return (double)found / experiments;
}

/* Simulated against computed, and computed against the design's where it has the row. */
static void power_cell(double found, double computed, double designs, int experiments, int *wrong) {
    double half = chance_999 * sqrt(computed * (1 - computed) / experiments) + 1.0 / experiments;
    bool outside = fabs(found - computed) > half || fabs(computed - designs) > 0.0051; /* NaN: no such row */
    *wrong += outside;
    printf(" %.3f / %.3f%s |", found, computed, outside ? " (!)" : "");
}

static void print_power(int experiments, int *wrong) {
    printf("| seeds | 0.5 sd beyond | 1 sd | 2 sd |\n|---|---|---|---|\n");
    for (int n = FEWEST; n <= MOST + 1; n++) {
        ps_looks looks = n > MOST ? ps_looks_early : fixed_design(n);
        if (n > MOST) printf("| up to 20, 5 looks |");
        else printf("| %d |", n);
        for (int e = 0; e < 3; e++)
            power_cell(found_beyond(&looks, effects[e], experiments),
                       ps_looks_chances_of(&looks, ps_stats_normal(effects[e])).spent[looks.count - 1],
                       of_design(n > MOST ? 0 : n, e), experiments, wrong);
        printf("\n");
    }
}

static void print_equivalence(int experiments, int *wrong) {
    printf("| seeds | margin 0.5 sd | 1 sd | 1.5 sd | 2 sd |\n|---|---|---|---|---|\n");
    for (int n = FEWEST; n <= MOST; n++) {
        ps_looks looks = fixed_design(n);
        printf("| %d |", n);
        for (int m = 0; m < 4; m++)
            power_cell(found_equivalent(&looks, margins[m], experiments),
                       ps_stats_equivalence_power(n, looks.needed[0], 0, margins[m]), NAN, experiments, wrong);
        printf("\n");
    }
}

/* ---- votes of pairs whose hazards are compared ---- */

enum { NODES_MOST = 100, WINDOWS = 10 };

typedef struct {
    int nodes; /* an arm */
    double chance, ratio, scatter;
} hazards;

typedef struct {
    double score_above, score_below, side_above, side_below, events;
} votes;

/* Every node may have its event in each of ten windows; in the treated arm the chance is that of the others times the
 * pair's own ratio. */
static ps_status draw_hazards(stream *s, const hazards *h, votes *sum) {
    ps_stats_spell spells[2 * NODES_MOST];
    ps_stats_risk_set *sets;
    size_t count;
    int side;
    double log_ratio = log(h->ratio), own = exp(log_ratio + h->scatter * normal(s));
    for (int i = 0; i < 2 * h->nodes; i++) {
        double chance = h->chance * (i % 2 ? own : 1);
        int window = 1;
        bool event = uniform(s) < chance;
        for (; !event && window < WINDOWS; window++) event = uniform(s) < chance;
        spells[i] = (ps_stats_spell){0, window, 0, event, i % 2};
    }
    PS_TRY(ps_stats_risk_sets(spells, (size_t)(2 * h->nodes), &sets, &count));
    ps_stats_score score = ps_stats_hazard_score(sets, count, log_ratio);
    ps_status status = ps_stats_hazard_side(sets, count, log_ratio, &side);
    ps_free(sets);
    sum->score_above += score.observed > score.expected + 1e-9;
    sum->score_below += score.observed < score.expected - 1e-9;
    sum->side_above += side > 0;
    sum->side_below += side < 0;
    sum->events += score.observed + score.other_events;
    return status;
}

static ps_status vote_row(const hazards *h, uint64_t row, int pairs, int *wrong) {
    stream s = {ps_rng_key_fold(ps_rng_key_of(4, "votes"), row), 0};
    votes sum = {0};
    for (int i = 0; i < pairs; i++) PS_TRY(draw_hazards(&s, h, &sum));
    double most = 0.5 + chance_999 * sqrt(0.25 / pairs), score = fmax(sum.score_above, sum.score_below) / pairs;
    double side = fmax(sum.side_above, sum.side_below) / pairs;
    bool outside = h->scatter == 0 && side > most;
    *wrong += outside;
    printf("| %d | %g | %g | %g | %.1f | %.3f | %.3f | %.3f | %.3f%s |\n", h->nodes, h->chance, h->ratio, h->scatter,
           sum.events / pairs, score, ps_stats_binomial_at_least(18, score, 13), side,
           ps_stats_binomial_at_least(18, side, 13), outside ? " (!)" : "");
    return PS_OK;
}

static ps_status print_votes(double scale, int *wrong) {
    static const int nodes[] = {6, 12, 30, NODES_MOST};
    static const double chances[] = {0.02, 0.15}, ratios[] = {1, 1.1, 2}, scatters[] = {0, 0.5};
    uint64_t row = 0;
    printf(
        "| nodes an arm | chance a window | ratio | scatter of its logarithm | events a pair | sign of the score: "
        "larger "
        "share | 13 of 18 | fair vote: larger share | 13 of 18 |\n|---|---|---|---|---|---|---|---|---|\n");
    for (int n = 0; n < 4; n++)
        for (int c = 0; c < 2; c++)
            for (int r = 0; r < 3; r++)
                for (int k = 0; k < 2; k++) {
                    hazards h = {nodes[n], chances[c], ratios[r], scatters[k]};
                    PS_TRY(vote_row(&h, row++, (int)fmax(100, 10000 * scale), wrong));
                }
    return PS_OK;
}

ps_status ps_calibrate_verdicts(double scale, int *wrong) {
    int experiments = experiments_at(scale);
    printf(
        "\n## The words of a verdict\n\n"
        "%d experiments a row: differences of pairs are drawn, their bounds and the word for these come from what "
        "verdicts\n"
        "are made by (analysis/stats). The **median pair lies exactly at a mark**: at the margin, at 0, or at the "
        "margin of\n"
        "the other side. Whatever then says that it is above that mark, or below, is false; each column has the "
        "largest of\n"
        "the three rates. With five looks a word counts that was said at any of them. The exact size is computed, for "
        "every\n"
        "shape the same; a row in which either side is false more often than that and chance allow is marked (!).\n\n",
        experiments);
    print_false(experiments, wrong);
    printf(
        "\nHow often an effect beyond the margin is called so: simulated / computed, differences normal. Power is a\n"
        "sawtooth in the number of seeds; 5, 8, 11, 13, 16 and 18 have more than any fewer. Simulated and computed "
        "agree,\n"
        "and computed ones are those of the tables that the design was chosen by; else a cell is marked (!).\n\n");
    print_power(experiments, wrong);
    printf("\nHow often two arms without any difference are called equivalent: simulated / computed.\n\n");
    print_equivalence(experiments, wrong);
    printf(
        "\n## Votes of pairs whose hazards are compared\n\n"
        "In each of %d windows a node has its event by the chance given; in the other arm that chance times a ratio, "
        "which\n"
        "lies exactly at the margin, or scatters about it from pair to pair. A pair votes by the sign of its score, or "
        "by\n"
        "the fair vote (`ps_stats_hazard_side`), which is none where the score is too near to 0 for its events to "
        "tell.\n"
        "Shown are the share of the side with more of the votes, and what 18 seeds make of that share: how often at "
        "least\n"
        "13 are on that side, where .048 is meant. A share of the fair vote above one half by more than chance is "
        "marked\n"
        "(!), where all pairs have the ratio.\n\n",
        WINDOWS);
    return print_votes(scale, wrong);
}
