/* Registered questions on made-up traces: what decides a verdict, and what must not change one. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/lib/compare_fixture.h"

#define IMAGES 1000 /* of the test split: a point is ten of them */
#define P6 "\"primary\":\"P6\""

/* The largest of the classes has a tenth of the images. */
static void tell_chance(const ct_runs *list) {
    ct_rewrite(list, "\"data\":{}",
               "\"task\":{\"name\":\"classification\",\"measures\":[{\"name\":\"accuracy\",\"unit\":\"%\",\"better\":"
               "\"higher\",\"chance\":0.1}]},\"data\":{}");
}

/* Pairs of which the accuracies alone matter: in thousandths, of both arms. */
static void add_pair(ct_runs *base, ct_runs *module, int seed, int theirs, int mine) {
    ps_fixture b = ps_fixture_default("baseline", (uint64_t)seed), m = ps_fixture_default("ps2", (uint64_t)seed);
    m.module = b.sparse = m.sparse = true;
    m.pool_size = 2;
    b.test_images = m.test_images = IMAGES;
    b.accuracy = abs(theirs) / (double)IMAGES;
    m.accuracy = abs(mine) / (double)IMAGES;
    b.diverged = theirs < 0;
    m.diverged = mine < 0;
    ct_add(base, &b);
    tell_chance(base);
    ct_add(module, &m);
    tell_chance(module);
}

enum { DIVERGES = -1 };

/* Thousandths by which the arm is better, seed by seed. */
static cJSON *compare_differences(const int *differences, int seeds) {
    ct_runs base = {0}, module = {0};
    for (int s = 0; s < seeds; s++) add_pair(&base, &module, s + 1, 500 + 3 * s, 500 + 3 * s + differences[s]);
    held(ct_compare(&base, &module));
    return ct_read_verdict();
}

static void assert_words(const cJSON *document, const char *id, const char *verdict, const char *words) {
    assert_string_equal(ct_verdict_of(document, id), verdict);
    const char *found = ct_text_in(ct_prediction_of(document, id), "words");
    if (strcmp(found, words) != 0) fail_msg("%s: \"%s\", not \"%s\"", id, found, words);
}

static bool summary_says(const cJSON *document, const char *text) {
    const cJSON *sentence;
    cJSON_ArrayForEach(sentence, cJSON_GetObjectItemCaseSensitive(
                                     document, "summary")) if (strstr(sentence->valuestring, text) != NULL) return true;
    return false;
}

/* ---- five of five ---- */

static void five_of_five_show_a_registered_primary(void **state) {
    static const int up[] = {12, 30, 25, 18, 40};
    (void)state;
    ct_register("\"primary\":\"C2\"", 5);
    cJSON *document = compare_differences(up, 5);
    const cJSON *c2 = ct_prediction_of(document, "C2");
    assert_words(document, "C2", "shown", "higher by more than 0.5 points");
    assert_float_equal(ct_number_in(c2, "p"), 1 / 32.0, 1e-12);
    assert_float_equal(ct_number_in(c2, "low"), 0.012, 1e-9);
    assert_float_equal(ct_number_in(c2, "high"), 0.040, 1e-9);
    assert_float_equal(ct_number_in(c2, "estimate"), 0.025, 1e-9);
    assert_float_equal(ct_number_in(c2, "coverage"), 0.9375, 1e-12);
    assert_true(summary_says(document, "Primary question, \"accuracy is higher, by 0.5 points\" (C2): Shown."));
    cJSON_Delete(document);
    /* The same runs without a registration: the same numbers, and none of the words. */
    ct_register(NULL, 0);
    document = compare_differences(up, 5);
    assert_words(document, "C2", "not_judged", "");
    assert_float_equal(ct_number_in(ct_prediction_of(document, "C2"), "p"), 1 / 32.0, 1e-12);
    assert_true(summary_says(document, "No question was registered before these runs"));
    assert_true(cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(document, "registration")));
    cJSON_Delete(document);
}

/* ---- words with their margins ---- */

static void words_say_where_the_bounds_lie(void **state) {
    static const struct {
        int difference[5];
        const char *p6, *c2, *p6_words, *c2_words;
    } cases[] = {
        /* P6 claims "not lower by a point", C2 "higher by more than half a point" */
        {{12, 30, 25, 18, 40}, "shown", "shown", "higher by more than 1 point", "higher by more than 0.5 points"},
        {{1, 2, 3, 4, 3}, "shown", "shown_not", "higher, by less than 1 point", "higher, by less than 0.5 points"},
        {{1, 20, 3, 4, 3},
         "shown",
         "undecided",
         "higher; whether by more than 1 point is open",
         "higher; whether by more than 0.5 points is open"},
        {{-5, -9, -3, -1, -8},
         "shown",
         "shown_not",
         "lower, by less than 1 point",
         "lower; whether by more than 0.5 points is open"},
        {{-11, -30, -12, -15, -20},
         "shown_not",
         "shown_not",
         "lower by more than 1 point",
         "lower by more than 0.5 points"},
        {{-5, 4, 0, 1, -4},
         "shown",
         "shown_not",
         "equivalent: different by less than 1 point, either way",
         "not higher by 0.5 points; the direction is open"},
        {{-5, 30, 0, 1, -4}, "shown", "undecided", "undecided", "undecided"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int asked = 0; asked < 2; asked++) {
            ct_register(asked == 0 ? P6 : "\"primary\":\"C2\"", 5);
            cJSON *document = compare_differences(cases[i].difference, 5);
            if (asked == 1) assert_words(document, "C2", cases[i].c2, cases[i].c2_words);
            /* Of a claim of no harm the first words of the design may be wider than the claim. */
            else if (i != 6) assert_words(document, "P6", cases[i].p6, cases[i].p6_words);
            else assert_string_equal(ct_verdict_of(document, "P6"), "shown");
            cJSON_Delete(document);
        }
}

/* ---- ties by counts of images ---- */

static void ties_are_counts_of_images(void **state) {
    static const struct {
        int difference, images;
        int beyond, ties, against;
    } cases[] = {{-10, 1000, 0, 5, 0}, {-9, 1000, 5, 0, 0},  {-11, 1000, 0, 0, 5}, /* the margin is ten images */
                 {-10, 1024, 5, 0, 0}, {-11, 1024, 0, 0, 5},                       /* 10.24 images: nobody ties */
                 {-1, 50, 0, 0, 5},    {0, 50, 5, 0, 0}};                          /* half an image */
    (void)state;
    ct_register(P6, 5);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ct_runs base = {0}, module = {0};
        for (int s = 1; s <= 5; s++) {
            int theirs = cases[i].images / 3 + 7 * s % 11;
            ps_fixture b = ps_fixture_default("baseline", (uint64_t)s), m = ps_fixture_default("ps2", (uint64_t)s);
            m.module = b.sparse = m.sparse = true;
            b.test_images = m.test_images = cases[i].images;
            b.accuracy = (double)theirs / cases[i].images;
            m.accuracy = (double)(theirs + cases[i].difference) / cases[i].images;
            ct_add(&base, &b);
            ct_add(&module, &m);
        }
        held(ct_compare(&base, &module));
        cJSON *document = ct_read_verdict();
        const cJSON *p6 = ct_prediction_of(document, "P6");
        if ((int)ct_number_in(p6, "beyond") != cases[i].beyond || (int)ct_number_in(p6, "ties") != cases[i].ties ||
            (int)ct_number_in(p6, "against_it") != cases[i].against)
            fail_msg("%d of %d images: %g beyond, %g ties, %g against", cases[i].difference, cases[i].images,
                     ct_number_in(p6, "beyond"), ct_number_in(p6, "ties"), ct_number_in(p6, "against_it"));
        assert_string_equal(ct_verdict_of(document, "P6"), cases[i].beyond == 5    ? "shown"
                                                           : cases[i].against == 5 ? "shown_not"
                                                                                   : "undecided");
        cJSON_Delete(document);
    }
}

/* ---- runs that diverge, or are not there ---- */

static void a_divergence_is_the_worst_value_of_its_side(void **state) {
    static const struct {
        int theirs, mine, beyond, against, neither;
    } cases[] = {{500, DIVERGES, 4, 1, 0}, {DIVERGES, 500, 5, 0, 0}, {DIVERGES, DIVERGES, 4, 0, 1}};
    (void)state;
    ct_register(P6, 5);
    for (int i = 0; i < 3; i++) {
        ct_runs base = {0}, module = {0};
        for (int s = 1; s <= 4; s++) add_pair(&base, &module, s, 500, 520 + s);
        add_pair(&base, &module, 5, cases[i].theirs, cases[i].mine);
        held(ct_compare(&base, &module));
        cJSON *document = ct_read_verdict();
        const cJSON *p6 = ct_prediction_of(document, "P6");
        assert_float_equal(ct_number_in(p6, "n"), 5, 0);
        assert_float_equal(ct_number_in(p6, "beyond"), cases[i].beyond, 0);
        assert_float_equal(ct_number_in(p6, "against_it"), cases[i].against, 0);
        assert_float_equal(ct_number_in(p6, "neither"), cases[i].neither, 0);
        assert_string_equal(ct_verdict_of(document, "P6"), i == 1 ? "shown" : "undecided");
        assert_float_equal(ct_number_in(ct_entry(document, "outcomes", "arm", "ps2"), "diverged"), i != 1, 0);
        assert_float_equal(ct_number_in(ct_entry(document, "outcomes", "arm", "baseline"), "diverged"), i != 0, 0);
        cJSON_Delete(document);
    }
}

/* Eleven registered, nine must agree: those that are missing, cut or never begun are for neither side. */
static void a_missing_seed_is_for_neither_side(void **state) {
    (void)state;
    ct_register(P6, 11);
    for (int missing = 1; missing <= 3; missing++) {
        ct_runs base = {0}, module = {0};
        for (int s = 1; s <= 11 - missing; s++) add_pair(&base, &module, s, 500, 530);
        held(ct_compare(&base, &module));
        cJSON *document = ct_read_verdict();
        const cJSON *p6 = ct_prediction_of(document, "P6");
        assert_float_equal(ct_number_in(p6, "n"), 11, 0);
        assert_float_equal(ct_number_in(p6, "neither"), missing, 0);
        assert_string_equal(ct_verdict_of(document, "P6"), missing <= 2 ? "shown" : "undecided");
        char next[64];
        snprintf(next, sizeof next, "%d of the 11 registered seeds are still to be run", missing);
        if (missing == 3) assert_non_null(strstr(ct_text_in(document, "next"), next));
        cJSON_Delete(document);
    }
}

/* ---- what else is there changes nothing ---- */

static void expect_the_same(const cJSON *a, const cJSON *b, const char *id) {
    static const char *const numbers[] = {"n", "beyond", "against_it", "ties", "neither", "p", "estimate", "coverage"};
    static const char *const texts[] = {"verdict", "words", "arm", "against", "place"};
    const cJSON *one = ct_prediction_of(a, id), *two = ct_prediction_of(b, id);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (ct_number_in(one, numbers[i]) != ct_number_in(two, numbers[i]))
            fail_msg("%s: %s is %g and %g", id, numbers[i], ct_number_in(one, numbers[i]),
                     ct_number_in(two, numbers[i]));
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_string_equal(ct_text_in(one, texts[i]), ct_text_in(two, texts[i]));
}

/* A baseline, a module e = 4 that the question is about, and arms of every other kind, e = 2 among them; of them some
 * were registered with the question and some came later. `arms` of them are compared. */
static cJSON *compare_among(int arms, bool registered_besides) {
    static const char *const names[] = {"baseline", "ps4", "ps2", "grid", "energy", "conv"};
    static const char *const modes[] = {NULL, "full", "full", "grid+conv+skip", "grid-energy+conv+skip", "conv+skip"};
    ct_runs runs[6] = {{{0}, {{0}}, 0}};
    ps_compare_arm given[6];
    for (int a = 0; a < arms; a++) {
        ct_register(a < 2 || registered_besides ? "\"primary\":\"P2\",\"secondary\":[\"P6\",\"C1\"]" : NULL, 8);
        for (int s = 1; s <= 8; s++) {
            ps_fixture f = ps_fixture_default(names[a], (uint64_t)s);
            f.channels = 24;
            f.start_by_seed = true;
            f.revival = a == 0 ? 0.05 : a == 1 ? 0.6 : 0.02; /* what ps4 does the others undo */
            f.module = a > 0;
            f.pool_size = a == 2 ? 2 : 4;
            f.mode = modes[a];
            f.accuracy = a == 1 ? 0.55 : a == 0 ? 0.5 : 0.3;
            ct_add(&runs[a], &f);
            if (a > 0) ct_start_at_zero(&runs[a]);
        }
        given[a] = (ps_compare_arm){names[a], runs[a].paths, runs[a].count};
    }
    ct_register(NULL, 0);
    held(ps_compare_run(given, arms, &(ps_compare_options){.out_directory = folder, .quiet = true}));
    return ct_read_verdict();
}

static void other_arms_change_no_verdict(void **state) {
    static const char *const asked[] = {"P2", "P6", "C1"};
    (void)state;
    cJSON *alone = compare_among(2, false), *among = compare_among(6, false);
    for (size_t i = 0; i < sizeof asked / sizeof *asked; i++) {
        assert_string_equal(ct_verdict_of(alone, asked[i]), "shown");
        assert_string_equal(ct_text_in(ct_prediction_of(alone, asked[i]), "arm"), "ps4");
        expect_the_same(alone, among, asked[i]);
    }
    cJSON_Delete(alone);
    cJSON_Delete(among);
}

/* Seeds that were not registered: other test images, no fork, the contrary effect. */
static void other_seeds_change_no_verdict(void **state) {
    (void)state;
    cJSON *documents[2];
    for (int more = 0; more < 2; more++) {
        ct_runs base, module;
        ct_register("\"primary\":\"P2\",\"secondary\":[\"P6\"]", 5);
        ct_make_arms(&base, &module, 5);
        ct_register(NULL, 0);
        for (int s = 6; more == 1 && s <= 12; s++) {
            ps_fixture b = ps_fixture_default("baseline", (uint64_t)s), m = ps_fixture_default("ps2", (uint64_t)s);
            b.channels = m.channels = 24;
            m.module = true;
            m.pool_size = 2;
            m.accuracy = 0.1;
            m.revival = 0;
            b.test_images = m.test_images = 37 + s;
            m.diverged = s == 9;
            m.cut = s == 10;
            ct_add(&base, &b);
            ct_add(&module, &m);
        }
        held(ct_compare(&base, &module));
        documents[more] = ct_read_verdict();
    }
    for (int i = 0; i < 2; i++) {
        const char *id = i == 0 ? "P2" : "P6";
        assert_string_equal(ct_verdict_of(documents[0], id), "shown");
        expect_the_same(documents[0], documents[1], id);
    }
    cJSON_Delete(documents[0]);
    cJSON_Delete(documents[1]);
}

/* Quantities that the question does not need. */
static void what_else_was_recorded_changes_no_verdict(void **state) {
    static const int up[] = {12, 30, 25, 18, 40};
    (void)state;
    ct_register("\"primary\":\"C2\",\"secondary\":[\"C1\"]", 5);
    cJSON *sparse = compare_differences(up, 5);
    ct_runs base = {0}, module = {0};
    for (int s = 0; s < 5; s++) {
        ps_fixture b = ps_fixture_default("baseline", (uint64_t)s + 1), m = ps_fixture_default("ps2", (uint64_t)s + 1);
        m.module = b.norm = m.norm = b.noise = m.noise = true;
        m.pool_size = 2;
        b.test_images = m.test_images = IMAGES;
        b.accuracy = (500 + 3 * s) / 1000.0;
        m.accuracy = b.accuracy + up[s] / 1000.0;
        ct_add(&base, &b);
        ct_add(&module, &m);
    }
    held(ct_compare(&base, &module));
    cJSON *full = ct_read_verdict();
    expect_the_same(sparse, full, "C2");
    cJSON_Delete(sparse);
    cJSON_Delete(full);
}

/* ---- order and registration ---- */

static void behind_a_claim_that_was_not_shown_nothing_is_judged(void **state) {
    static const int up[] = {1, 2, 3, 4, 3};
    (void)state;
    ct_register("\"primary\":\"C2\",\"secondary\":[\"P6\"]", 5);
    cJSON *document = compare_differences(up, 5);
    assert_string_equal(ct_verdict_of(document, "C2"), "shown_not");
    assert_words(document, "P6", "not_judged", "");
    assert_true(summary_says(document, "(P6): no verdict."));
    cJSON_Delete(document);
    ct_register("\"primary\":\"P6\",\"secondary\":[\"C2\"]", 5);
    document = compare_differences(up, 5);
    assert_string_equal(ct_verdict_of(document, "P6"), "shown");
    assert_string_equal(ct_verdict_of(document, "C2"), "shown_not");
    cJSON_Delete(document);
    /* A primary that cannot be tested is not shown, either. */
    ct_register("\"primary\":\"P7\",\"secondary\":[\"P6\"]", 5);
    document = compare_differences(up, 5);
    assert_string_equal(ct_verdict_of(document, "P7"), "not_testable");
    assert_string_equal(ct_verdict_of(document, "P6"), "not_judged");
    cJSON_Delete(document);
}

static void a_question_later_than_its_runs_has_no_verdict(void **state) {
    (void)state;
    for (int late = 0; late < 2; late++) { /* one seed was there before, of one arm; or registered otherwise */
        ct_runs base = {0}, module = {0};
        for (int s = 1; s <= 5; s++) {
            ct_register(s < 5 ? P6 : late == 0 ? NULL : "\"primary\":\"C2\"", 5);
            add_pair(&base, &module, s, 500, 540);
        }
        held(ct_compare(&base, &module));
        cJSON *document = ct_read_verdict();
        assert_words(document, "P6", "not_judged", "");
        assert_non_null(
            strstr(ct_sentence_of(document, "P6"), "seed 5 was trained before the question was registered"));
        assert_non_null(strstr(ct_text_in(document, "next"), "The question came after some of its runs"));
        cJSON_Delete(document);
    }
}

static void a_changed_registration_is_refused(void **state) {
    static const struct {
        const char *from, *to;
    } changes[] = {{"\"P6\"", "\"C2\""},
                   {"[1,2,3,4,5]", "[1,2,3,4]"},
                   {"\"sequential\":false", "\"sequential\":true"},
                   {"\"digest\":\"", "\"digest\":\"0"}};
    (void)state;
    ct_register(P6, 5);
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        ct_runs base = {0}, module = {0};
        add_pair(&base, &module, 1, 500, 540);
        ct_rewrite(&module, changes[i].from, changes[i].to);
        assert_int_equal(ct_compare(&base, &module), PS_ERR_INPUT);
        assert_non_null(strstr(ps_status_message(), "registration"));
    }
}

/* The same prediction of two arms is two questions. */
static void one_prediction_may_be_asked_of_two_arms(void **state) {
    ct_runs runs[3] = {{{0}, {{0}}, 0}};
    static const char *const names[] = {"baseline", "ps2", "ps4"};
    ps_compare_arm given[3];
    (void)state;
    ct_register(
        "\"primary\":{\"prediction\":\"P6\",\"arm\":\"ps2\"},\"secondary\":[{\"prediction\":\"P6\",\"arm\":\"ps4\"}]",
        5);
    for (int a = 0; a < 3; a++) {
        for (int s = 1; s <= 5; s++) {
            ps_fixture f = ps_fixture_default(names[a], (uint64_t)s);
            f.module = a > 0;
            f.pool_size = 2 * a;
            f.sparse = true;
            f.accuracy = a == 2 ? 0.4 : 0.5;
            ct_add(&runs[a], &f);
        }
        given[a] = (ps_compare_arm){names[a], runs[a].paths, runs[a].count};
    }
    held(ps_compare_run(given, 3, &(ps_compare_options){.out_directory = folder, .quiet = true}));
    cJSON *document = ct_read_verdict();
    const cJSON *prediction;
    int found = 0;
    cJSON_ArrayForEach(prediction, cJSON_GetObjectItemCaseSensitive(document, "predictions")) {
        if (strcmp(ct_text_in(prediction, "id"), "P6") != 0) continue;
        bool first = strcmp(ct_text_in(prediction, "place"), "primary") == 0;
        assert_string_equal(ct_text_in(prediction, "place"), first ? "primary" : "secondary 1");
        assert_string_equal(ct_text_in(prediction, "arm"), first ? "ps2" : "ps4");
        assert_string_equal(ct_text_in(prediction, "verdict"), first ? "shown" : "shown_not");
        found++;
    }
    assert_int_equal(found, 2);
    cJSON_Delete(document);
    ct_register("\"primary\":\"P6\",\"secondary\":[\"P6\"]", 5);
    ps_fixture twice = ps_fixture_default("twice", 1);
    ct_runs none = {0};
    (void)none;
    twice.registration = "{\"primary\":\"P6\",\"secondary\":[\"P6\"],\"seeds\":[1]}";
    char path[128];
    snprintf(path, sizeof path, "%s/twice.jsonl", folder);
    assert_int_equal(ps_fixture_write(&twice, path), PS_ERR_INPUT);
    assert_non_null(strstr(ps_status_message(), "asked twice"));
    ct_register(NULL, 0);
}

/* A contrast of the user's own, in both directions of claim. */
static void contrasts_of_ones_own_are_judged(void **state) {
    static const int up[] = {12, 30, 25, 18, 40};
    static const struct {
        const char *direction, *verdict, *words;
        double margin;
    } cases[] = {{"higher", "shown", "higher by more than 1 point", 0.01},
                 {"higher", "undecided", "higher; whether by more than 2 points is open", 0.02},
                 {"higher", "shown_not", "higher, by less than 5 points", 0.05},
                 {"lower", "shown_not", "higher by more than 1 point", 0.01},
                 {"not lower", "shown", "higher by more than 1 point", 0.01},
                 {"not higher", "shown", "higher, by less than 5 points", 0.05},
                 {"not higher", "shown_not", "higher by more than 1 point", 0.01},
                 {"higher", "shown", "higher", 0}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char questions[256];
        snprintf(questions, sizeof questions,
                 "\"primary\":{\"measure\":\"test_accuracy\",\"arm\":\"ps2\",\"against\":\"baseline\",\"direction\":"
                 "\"%s\",\"margin\":%g}",
                 cases[i].direction, cases[i].margin);
        ct_register(questions, 5);
        cJSON *document = compare_differences(up, 5);
        assert_words(document, "Q1", cases[i].verdict, cases[i].words);
        cJSON_Delete(document);
    }
}

/* ---- looks ---- */

/* Seeds up to `seeds` of twenty registered ones; those in `fallen` (bit s - 1) lie against the margin, `lacking` never
 * finished. */
static cJSON *look_at(int seeds, unsigned fallen, unsigned lacking) {
    ct_runs base = {0}, module = {0};
    ct_register(P6 ",\"sequential\":true", 20);
    for (int s = 1; s <= seeds; s++)
        if ((lacking >> (s - 1) & 1) == 0) add_pair(&base, &module, s, 500, fallen >> (s - 1) & 1 ? 470 : 530);
    held(ct_compare(&base, &module));
    return ct_read_verdict();
}

static void looks_have_their_own_numbers(void **state) {
    static const struct {
        int seeds;
        unsigned fallen, lacking;
        int look;
        const char *verdict, *next;
    } cases[] = {
        {4, 0, 0, 0, "undecided", "next registered look is at 5 seeds"},
        {5, 0, 0, 5, "shown", "answered"},
        {5, 1, 0, 5, "undecided", "next registered look is at 8 seeds"},
        {7, 1, 0, 5, "undecided", "next registered look is at 8 seeds"},
        {8, 1, 0, 8, "undecided", "next registered look is at 12 seeds"}, /* seven of eight: there is none at 8 */
        {12, 1, 0, 12, "shown", "answered"},                              /* eleven of twelve */
        {12, 3, 0, 12, "undecided", "next registered look is at 16 seeds"},
        {16, 7, 0, 16, "shown", "answered"}, /* thirteen of sixteen */
        {20, 0x1f << 3, 0, 20, "shown", "answered"},
        {20, 0x3f << 3, 0, 20, "undecided", "All registered looks are used up"},
        {12, 0xfe0, 0, 12, "shown", "answered"},    /* a verdict at five is not lost by seven against it */
        {20, 0xfffe0, 0, 20, "shown", "answered"},  /* nor by fifteen */
        {5, 0x1f, 0, 5, "shown_not", "answered"},   /* the other side */
        {12, 0, 2, 12, "shown", "answered"},        /* a seed that never ended is for neither side */
        {12, 0, 6, 12, "undecided", "at 16 seeds"}, /* two of them are too many at twelve */
        {16, 0xaaaa, 0, 16, "undecided", "No later look can reach a verdict"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cJSON *document = look_at(cases[i].seeds, cases[i].fallen, cases[i].lacking);
        const cJSON *p6 = ct_prediction_of(document, "P6");
        if (strcmp(ct_verdict_of(document, "P6"), cases[i].verdict) != 0 || ct_number_in(p6, "look") != cases[i].look)
            fail_msg("%d seeds, %x, %x: %s at look %g", cases[i].seeds, cases[i].fallen, cases[i].lacking,
                     ct_verdict_of(document, "P6"), ct_number_in(p6, "look"));
        if (strstr(ct_text_in(document, "next"), cases[i].next) == NULL)
            fail_msg("%d seeds, %x: %s", cases[i].seeds, cases[i].fallen, ct_text_in(document, "next"));
        cJSON_Delete(document);
    }
    ct_register(NULL, 0);
}

/* ---- skew and collapse ---- */

/* Nine of ten a little better, one far worse: the median pair is better, and the collapse stands beside it. */
static void a_collapse_is_counted_beside_the_effect(void **state) {
    ct_runs base = {0}, module = {0};
    (void)state;
    ct_register(P6 ",\"collapse_below\":0.4", 10);
    for (int s = 1; s <= 10; s++) add_pair(&base, &module, s, 500, s == 4 ? 300 : s == 7 ? 101 : 502);
    held(ct_compare(&base, &module));
    cJSON *document = ct_read_verdict();
    const cJSON *p6 = ct_prediction_of(document, "P6"), *mine = ct_entry(document, "outcomes", "arm", "ps2"),
                *theirs = ct_entry(document, "outcomes", "arm", "baseline");
    assert_string_equal(ct_verdict_of(document, "P6"), "undecided"); /* eight of ten, nine are needed */
    assert_float_equal(ct_number_in(p6, "estimate"), 0.002, 1e-9);
    assert_true(ct_number_in(p6, "mean") < -0.05); /* description */
    assert_float_equal(ct_number_in(mine, "collapsed"), 2, 0);
    assert_float_equal(ct_number_in(mine, "unlearned"), 1, 0); /* 101 of 1000 with ten classes */
    assert_float_equal(ct_number_in(theirs, "collapsed"), 0, 0);
    assert_float_equal(ct_number_in(theirs, "upper"), 1 - pow(0.05, 0.1), 1e-9);
    assert_true(summary_says(document, "Collapses: baseline: 0 of 10 runs collapsed"));
    assert_true(summary_says(document, "2 of 10 runs collapsed"));
    assert_true(summary_says(
        document, "Runs that learned nothing, so that their dead nodes are those of such networks: ps2 (1 of 10)"));
    cJSON_Delete(document);
    ct_register(NULL, 0);
}

static void mcnemar_speaks_from_five_pairs_on(void **state) {
    (void)state;
    ct_register(P6, 12);
    for (int collapsed = 4; collapsed <= 6; collapsed++) {
        ct_runs base = {0}, module = {0};
        for (int s = 1; s <= 12; s++) add_pair(&base, &module, s, 500, s <= collapsed ? 100 : 520);
        held(ct_compare(&base, &module));
        cJSON *document = ct_read_verdict();
        assert_float_equal(ct_number_in(ct_entry(document, "outcomes", "arm", "ps2"), "mcnemar_p"),
                           fmin(1, 2 * ldexp(1, -collapsed)), 1e-12);
        assert_int_equal(summary_says(document, "McNemar"), collapsed >= 5);
        cJSON_Delete(document);
    }
    ct_register(NULL, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(five_of_five_show_a_registered_primary, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(words_say_where_the_bounds_lie, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(ties_are_counts_of_images, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(a_divergence_is_the_worst_value_of_its_side, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(a_missing_seed_is_for_neither_side, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(other_arms_change_no_verdict, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(other_seeds_change_no_verdict, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(what_else_was_recorded_changes_no_verdict, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(behind_a_claim_that_was_not_shown_nothing_is_judged, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(a_question_later_than_its_runs_has_no_verdict, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(a_changed_registration_is_refused, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(one_prediction_may_be_asked_of_two_arms, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(contrasts_of_ones_own_are_judged, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(looks_have_their_own_numbers, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(a_collapse_is_counted_beside_the_effect, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(mcnemar_speaks_from_five_pairs_on, make_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
