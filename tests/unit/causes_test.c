/* Causes: each rule of causes.h, its place in the order, and what must not be accused. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "analysis/causes.h"
#include "core/file.h"

static const unsigned dead = PS_STATE_KNOWN | PS_STATE_DEAD, near_dead = PS_STATE_KNOWN | PS_STATE_NEAR,
                      alive = PS_STATE_KNOWN;

/* An alive, moving node of a layer without normalisation, everything recorded. */
static ps_cause_evidence healthy(void) {
    ps_cause_evidence e = {.state = alive,
                           .weight_l2 = 1,
                           .bias = 0.1,
                           .gamma = ps_absent(),
                           .beta = ps_absent(),
                           .out_l2 = 1,
                           .pre_max = 2,
                           .running_mean = ps_absent(),
                           .running_var = ps_absent(),
                           .nonzero_eval = ps_absent(),
                           .weight_start_l2 = 1,
                           .mean_abs = 0.5,
                           .image_spread = ps_absent(),
                           .inputs_alive = 8,
                           .mobility = PS_MOBILITY_MOVING,
                           .grad_zero_share = 0,
                           .path_gradient = 0.1,
                           .path_decay = 0.01,
                           .layer_path_median = 0.1};
    return e;
}

static ps_cause_evidence normalised(void) {
    ps_cause_evidence e = healthy();
    e.has_norm = true;
    e.bias = ps_absent();
    e.gamma = 1;
    e.beta = 0.1;
    return e;
}

static void expect(ps_cause_evidence e, ps_condition condition, ps_cause cause) {
    ps_condition found;
    ps_cause named = ps_cause_of(&e, &found);
    assert_string_equal(ps_cause_name(named), ps_cause_name(cause));
    assert_string_equal(ps_condition_name(found), ps_condition_name(condition));
}

static void nothing_wrong_nothing_said(void **state) {
    (void)state;
    expect(healthy(), PS_CONDITION_NONE, PS_CAUSE_NONE);
    expect(normalised(), PS_CONDITION_NONE, PS_CAUSE_NONE);
    ps_cause_evidence near_miss = healthy(); /* active on one image, however large the negative bias */
    near_miss.state = near_dead;
    near_miss.bias = -30;
    near_miss.pre_max = 1e-6;
    expect(near_miss, PS_CONDITION_NONE, PS_CAUSE_NONE);
    near_miss = normalised();
    near_miss.state = near_dead;
    near_miss.beta = -20;
    expect(near_miss, PS_CONDITION_NONE, PS_CAUSE_NONE);
}

static void each_cause_of_death(void **state) {
    (void)state;
    ps_cause_evidence e = healthy();
    e.state = dead;
    e.pre_max = -3.5;
    e.bias = -4;
    expect(e, PS_CONDITION_DEAD, PS_CAUSE_NEGATIVE_BIAS);
    e.pre_max = -4.1; /* the inputs alone would do, but the bias does more */
    expect(e, PS_CONDITION_DEAD, PS_CAUSE_NEGATIVE_BIAS);
    e.bias = -0.1;
    expect(e, PS_CONDITION_DEAD, PS_CAUSE_NEGATIVE_INPUT);
    e.bias = 0.5;
    expect(e, PS_CONDITION_DEAD, PS_CAUSE_NEGATIVE_INPUT);
    e = normalised();
    e.state = dead;
    e.beta = -6;
    expect(e, PS_CONDITION_DEAD, PS_CAUSE_NORM_SHIFT);
    e.beta = 0; /* normalised values have mean 0: beta = 0 cannot shut the gate alone */
    expect(e, PS_CONDITION_DEAD, PS_CAUSE_SILENT);
    e.gamma = 0;
    expect(e, PS_CONDITION_DEAD, PS_CAUSE_GAMMA_ZERO);
    e.inputs_alive = 0;
    expect(e, PS_CONDITION_DEAD, PS_CAUSE_INPUTS_DEAD);
    e.weight_l2 = 0;
    expect(e, PS_CONDITION_DEAD, PS_CAUSE_ZERO_INCOMING);
    e.out_l2 = 0; /* dead goes before unused */
    expect(e, PS_CONDITION_DEAD, PS_CAUSE_ZERO_INCOMING);
}

/* ReLU6: every output at 6. */
static ps_cause_evidence stuck(bool norm) {
    ps_cause_evidence e = norm ? normalised() : healthy();
    e.at_ceiling = 1;
    e.ceiling = 6;
    e.mean_abs = 6;
    e.image_spread = 0;
    return e;
}

static void each_cause_of_a_gate_stuck_at_its_ceiling(void **state) {
    (void)state;
    ps_cause_evidence e = stuck(false);
    e.pre_max = 9;
    e.bias = 7; /* by itself */
    expect(e, PS_CONDITION_STUCK, PS_CAUSE_CEILING_BIAS);
    e.bias = 4; /* without it none would reach the ceiling */
    expect(e, PS_CONDITION_STUCK, PS_CAUSE_CEILING_BIAS);
    e.bias = 1;
    expect(e, PS_CONDITION_STUCK, PS_CAUSE_CEILING_INPUT);
    e.bias = -1;
    expect(e, PS_CONDITION_STUCK, PS_CAUSE_CEILING_INPUT);
    e.weight_l2 = 0;
    expect(e, PS_CONDITION_STUCK, PS_CAUSE_ZERO_INCOMING);
    e = stuck(true);
    e.beta = 20;
    expect(e, PS_CONDITION_STUCK, PS_CAUSE_CEILING_SHIFT);
    e.beta = -1;
    expect(e, PS_CONDITION_STUCK, PS_CAUSE_SILENT);
    e.gamma = 0;
    expect(e, PS_CONDITION_STUCK, PS_CAUSE_GAMMA_ZERO);
    e.at_ceiling = 0.999; /* one output below: moving, if little */
    e.gamma = 1;
    e.image_spread = 0.1;
    expect(e, PS_CONDITION_NONE, PS_CAUSE_NONE);
    e = stuck(false);
    e.lacks = PS_LACKS_BIAS;
    e.bias = ps_absent();
    expect(e, PS_CONDITION_STUCK, PS_CAUSE_UNKNOWN);
    e.shared = true;
    e.lacks = 0;
    expect(e, PS_CONDITION_STUCK, PS_CAUSE_SILENT);
}

/* Behind a gate that cannot be exactly dead nobody knows a state, and nobody needs to. */
static ps_cause_evidence undying(bool norm) {
    ps_cause_evidence e = norm ? normalised() : healthy();
    e.state = 0;
    e.never_dies = true;
    e.image_spread = 0.2;
    return e;
}

static void each_cause_of_saturation(void **state) {
    (void)state;
    ps_cause_evidence e = undying(false);
    expect(e, PS_CONDITION_NONE, PS_CAUSE_NONE);
    e.saturated = 0.999;
    expect(e, PS_CONDITION_NONE, PS_CAUSE_NONE);
    e.saturated = 1;
    e.bias = -40;
    e.pre_max = -36;
    e.mean_abs = e.image_spread = 0; /* rounded to 0 throughout: no dead node */
    expect(e, PS_CONDITION_SATURATED, PS_CAUSE_NEGATIVE_BIAS);
    e.mean_abs = 1; /* ELU: -1 throughout */
    expect(e, PS_CONDITION_SATURATED, PS_CAUSE_NEGATIVE_BIAS);
    e.bias = 0;
    expect(e, PS_CONDITION_SATURATED, PS_CAUSE_NEGATIVE_INPUT);
    e.weight_l2 = 0; /* constant, whatever its derivative */
    expect(e, PS_CONDITION_CONSTANT, PS_CAUSE_ZERO_INCOMING);
    e = undying(true);
    e.saturated = 1;
    e.beta = -20;
    e.pre_max = -17;
    expect(e, PS_CONDITION_SATURATED, PS_CAUSE_NORM_SHIFT);
    e.shared = true; /* behind an add or a layer norm */
    expect(e, PS_CONDITION_SATURATED, PS_CAUSE_SILENT);
    e.gamma = 0; /* the gain of its channel */
    e.image_spread = 0;
    expect(e, PS_CONDITION_CONSTANT, PS_CAUSE_GAMMA_ZERO);
    e = undying(false);
    e.saturated = ps_absent();
    e.lacks = PS_LACKS_SATURATED;
    expect(e, PS_CONDITION_UNKNOWN, PS_CAUSE_UNKNOWN);
}

/* Would it live without its shift? Where the largest value is the shift itself it would not. */
static void a_shift_that_is_all_there_is_shuts_nothing(void **state) {
    (void)state;
    ps_cause_evidence e = normalised();
    e.state = dead;
    e.mean_abs = e.image_spread = 0;
    const double shifts[] = {-30, -0.25, -1e-6, 0};
    for (int i = 0; i < 4; i++) {
        e.beta = shifts[i];
        e.pre_max = e.beta * (1 - 0x1p-23);
        e.pre_max_low = e.beta - 1e-7;
        expect(e, PS_CONDITION_DEAD, PS_CAUSE_NO_VARIATION);
    }
    e.beta = -2;
    e.pre_max = -1.5;
    expect(e, PS_CONDITION_DEAD, PS_CAUSE_NORM_SHIFT);
    e.pre_max = -2 + 1e-4 * e.gamma; /* what rounding blew up, within its bounds */
    e.pre_max_low = -2 - 1e-4 * e.gamma;
    expect(e, PS_CONDITION_DEAD, PS_CAUSE_NO_VARIATION);
    e.pre_max_low = -2 + 0.9e-4 * e.gamma; /* and what is more than that */
    expect(e, PS_CONDITION_DEAD, PS_CAUSE_NORM_SHIFT);
    e.pre_max = -1; /* bounds so wide that they say nothing make no node constant */
    e.pre_max_low = -5;
    expect(e, PS_CONDITION_DEAD, PS_CAUSE_NORM_SHIFT);
    e.pre_max = -2.5; /* below its own shift: no normalisation over the batch */
    expect(e, PS_CONDITION_DEAD, PS_CAUSE_SILENT);
    e.pre_max = -2;
    e.weight_l2 = 0; /* the rules before go first */
    expect(e, PS_CONDITION_DEAD, PS_CAUSE_ZERO_INCOMING);
}

static void constant_and_unused_nodes(void **state) {
    (void)state;
    ps_cause_evidence e = healthy();
    e.weight_l2 = 0;
    expect(e, PS_CONDITION_CONSTANT, PS_CAUSE_ZERO_INCOMING);
    e = normalised();
    e.gamma = -0.0;
    expect(e, PS_CONDITION_CONSTANT, PS_CAUSE_GAMMA_ZERO);
    e = healthy();
    e.out_l2 = 0;
    expect(e, PS_CONDITION_UNUSED, PS_CAUSE_ZERO_OUTGOING);
}

static void each_cause_of_inertia(void **state) {
    (void)state;
    ps_cause_evidence e = healthy();
    e.mobility = PS_MOBILITY_INERT;
    e.path_gradient = 1e-5;
    e.path_decay = 0;
    expect(e, PS_CONDITION_INERT, PS_CAUSE_SMALL_GRADIENT);
    e.path_decay = 1e-3;
    expect(e, PS_CONDITION_INERT, PS_CAUSE_DECAY);
    e.layer_path_median = 1e-4;
    expect(e, PS_CONDITION_INERT, PS_CAUSE_LAYER_INERT);
    e.grad_zero_share = 1;
    expect(e, PS_CONDITION_INERT, PS_CAUSE_NO_GRADIENT);
}

static void missing_quantities_accuse_nobody(void **state) {
    (void)state;
    double no = ps_absent();
    ps_cause_evidence e = {.state = 0,
                           .weight_l2 = no,
                           .bias = no,
                           .gamma = no,
                           .beta = no,
                           .out_l2 = no,
                           .pre_max = no,
                           .running_mean = no,
                           .running_var = no,
                           .nonzero_eval = no,
                           .weight_start_l2 = no,
                           .mean_abs = no,
                           .image_spread = no,
                           .inputs_alive = no,
                           .mobility = PS_MOBILITY_UNKNOWN,
                           .grad_zero_share = no,
                           .path_gradient = no,
                           .path_decay = no,
                           .layer_path_median = no};
    expect(e, PS_CONDITION_UNKNOWN, PS_CAUSE_UNKNOWN);
    e.state = dead;
    expect(e, PS_CONDITION_DEAD, PS_CAUSE_SILENT);
    e.bias = -1; /* whether the inputs would have done it alone is not known */
    expect(e, PS_CONDITION_DEAD, PS_CAUSE_SILENT);
    e.has_norm = true;
    expect(e, PS_CONDITION_DEAD, PS_CAUSE_SILENT);
    e.shared = true;
    e.weight_l2 = 0;
    expect(e, PS_CONDITION_DEAD, PS_CAUSE_SILENT);
}

static void expect_unknown(ps_cause_evidence e, unsigned lacks, ps_condition condition, const char *evidence) {
    char text[256];
    e.lacks = lacks;
    expect(e, condition, PS_CAUSE_UNKNOWN);
    ps_cause_explain(&e, PS_CAUSE_UNKNOWN, text, sizeof text);
    assert_string_equal(text, evidence);
}

/* Whatever goes before the rule that holds might have held, too. What comes behind it does not matter. */
static void a_rule_behind_an_unrecorded_one_names_no_cause(void **state) {
    (void)state;
    ps_cause_evidence e = normalised();
    e.state = dead;
    e.beta = -6;
    e.pre_max = -1;
    e.weight_l2 = ps_absent();
    expect_unknown(e, PS_LACKS_WEIGHT_L2, PS_CONDITION_DEAD, "not_recorded=weight_l2");
    e.weight_l2 = 1;
    e.inputs_alive = ps_absent();
    expect_unknown(e, PS_LACKS_INPUTS, PS_CONDITION_DEAD, "not_recorded=in_alive");
    e.lacks = 0; /* it reads the network's input */
    expect(e, PS_CONDITION_DEAD, PS_CAUSE_NORM_SHIFT);
    e.lacks = PS_LACKS_OUT_L2 | PS_LACKS_GRAD_ZERO | PS_LACKS_PATH_DECAY;
    expect(e, PS_CONDITION_DEAD, PS_CAUSE_NORM_SHIFT);
    e.gamma = e.beta = ps_absent();
    expect_unknown(e, PS_LACKS_GAMMA | PS_LACKS_BETA | PS_LACKS_OUT_L2, PS_CONDITION_DEAD, "not_recorded=gamma,beta");
    e.weight_l2 = 0; /* the first rule of all */
    expect(e, PS_CONDITION_DEAD, PS_CAUSE_ZERO_INCOMING);
    e = healthy();
    e.state = dead;
    e.bias = -1;
    e.pre_max = ps_absent();
    expect_unknown(e, PS_LACKS_PRE_MAX, PS_CONDITION_DEAD, "not_recorded=pre_max");
    e.pre_max = -3;
    e.bias = ps_absent();
    expect_unknown(e, PS_LACKS_BIAS, PS_CONDITION_DEAD, "not_recorded=bias");
    e.lacks = 0; /* it has none */
    expect(e, PS_CONDITION_DEAD, PS_CAUSE_NEGATIVE_INPUT);
    e = healthy();
    e.mobility = PS_MOBILITY_INERT;
    e.path_gradient = 1e-5;
    e.grad_zero_share = ps_absent();
    expect_unknown(e, PS_LACKS_GRAD_ZERO, PS_CONDITION_INERT, "not_recorded=grad_zero_steps");
    e.grad_zero_share = 0.5;
    e.path_decay = ps_absent();
    expect_unknown(e, PS_LACKS_PATH_DECAY, PS_CONDITION_INERT, "not_recorded=path_decay");
    e.layer_path_median = 1e-4; /* goes before decay */
    e.lacks = PS_LACKS_PATH_DECAY;
    expect(e, PS_CONDITION_INERT, PS_CAUSE_LAYER_INERT);
    e.mobility = PS_MOBILITY_MOVING; /* nobody is accused of nothing */
    e.lacks = ~0u;
    expect(e, PS_CONDITION_NONE, PS_CAUSE_NONE);
}

/* A normalisation over something else than the batch may leave all values below 0: then the shift is not what shuts the
 * gate. */
static void the_shift_is_accused_only_where_it_suffices(void **state) {
    (void)state;
    ps_cause_evidence e = normalised();
    e.state = dead;
    e.beta = -0.01; /* small beside gamma, and enough all the same */
    e.pre_max = -0.005;
    expect(e, PS_CONDITION_DEAD, PS_CAUSE_NORM_SHIFT);
    e.pre_max = -0.01 - 1e-9; /* values that do not vary but by rounding */
    expect(e, PS_CONDITION_DEAD, PS_CAUSE_NO_VARIATION);
    e.pre_max = ps_absent(); /* nobody looked */
    expect(e, PS_CONDITION_DEAD, PS_CAUSE_NORM_SHIFT);
    e.pre_max = -3;
    expect(e, PS_CONDITION_DEAD, PS_CAUSE_SILENT);
}

static void evidence_is_shown(void **state) {
    char text[256];
    (void)state;
    ps_cause_evidence e = normalised();
    e.gamma = -0.5;
    e.beta = -6;
    ps_cause_explain(&e, PS_CAUSE_NORM_SHIFT, text, sizeof text);
    assert_string_equal(text, "gamma=-0.5 beta=-6 beta_over_gamma=-12");
    ps_cause_explain(&e, PS_CAUSE_NONE, text, sizeof text);
    assert_string_equal(text, "");
}

/* Alive in the batch's statistics, silent in the running ones: a condition of its own, which what is worse goes before.
 */
static void dead_in_evaluation_only(void **state) {
    (void)state;
    ps_cause_evidence e = normalised();
    char text[256];
    e.state = alive | PS_STATE_EVAL_KNOWN;
    expect(e, PS_CONDITION_NONE, PS_CAUSE_NONE);
    e.state |= PS_STATE_EVAL_DEAD;
    e.images_active = 31;
    e.images_active_eval = 0;
    expect(e, PS_CONDITION_EVAL_DEAD, PS_CAUSE_RUNNING_STATISTICS);
    ps_cause_explain(&e, PS_CAUSE_RUNNING_STATISTICS, text, sizeof text);
    assert_string_equal(text, "images_active=31 images_active_eval=0");
    e.mobility = PS_MOBILITY_INERT;
    expect(e, PS_CONDITION_EVAL_DEAD, PS_CAUSE_RUNNING_STATISTICS);
    e.out_l2 = 0;
    expect(e, PS_CONDITION_UNUSED, PS_CAUSE_ZERO_OUTGOING);
    e.gamma = 0;
    expect(e, PS_CONDITION_CONSTANT, PS_CAUSE_GAMMA_ZERO);
    e.state |= PS_STATE_DEAD;
    expect(e, PS_CONDITION_DEAD, PS_CAUSE_GAMMA_ZERO);
    e = normalised();
    e.shared = true;
    e.state = alive | PS_STATE_EVAL_KNOWN | PS_STATE_EVAL_DEAD;
    expect(e, PS_CONDITION_EVAL_DEAD, PS_CAUSE_RUNNING_STATISTICS);
}

/* What a window holds of it counts as well: a node whose way is no number is not called sound. */
static void a_window_that_is_not_finite_is_no_sound_one(void **state) {
    (void)state;
    char text[256];
    ps_cause_evidence e = healthy();
    e.path_gradient = (double)NAN;
    e.mobility = PS_MOBILITY_UNKNOWN;
    expect(e, PS_CONDITION_NONFINITE, PS_CAUSE_NONFINITE_UPDATE);
    ps_cause_explain(&e, PS_CAUSE_NONFINITE_UPDATE, text, sizeof text);
    assert_non_null(strstr(text, "path_gradient=NaN"));
    e = healthy();
    e.path_gradient = 0; /* a path over an infinite norm */
    e.weight_start_l2 = (double)INFINITY;
    expect(e, PS_CONDITION_NONFINITE, PS_CAUSE_NONFINITE_UPDATE);
    e = healthy();
    e.nonzero_eval = -(double)NAN;
    expect(e, PS_CONDITION_NONFINITE, PS_CAUSE_NONFINITE_OUTPUT);
    ps_cause_explain(&e, PS_CAUSE_NONFINITE_OUTPUT, text, sizeof text);
    assert_non_null(strstr(text, "nonzero_eval=NaN"));
    e = normalised();
    e.running_var = -5;
    expect(e, PS_CONDITION_NONFINITE, PS_CAUSE_NONFINITE_PARAMETER);
}

/* Comparisons with NaN are false, so no other rule would hold: neither "dead" nor "nothing wrong" may be said. */
static void what_is_not_finite_is_called_that(void **state) {
    static const size_t own[] = {offsetof(ps_cause_evidence, weight_l2),    offsetof(ps_cause_evidence, bias),
                                 offsetof(ps_cause_evidence, gamma),        offsetof(ps_cause_evidence, beta),
                                 offsetof(ps_cause_evidence, running_mean), offsetof(ps_cause_evidence, running_var)};
    static const size_t outputs[] = {offsetof(ps_cause_evidence, pre_max), offsetof(ps_cause_evidence, mean_abs),
                                     offsetof(ps_cause_evidence, image_spread)};
    const double broken[] = {NAN, INFINITY, -INFINITY};
    const unsigned states[] = {0, alive, near_dead, dead};
    (void)state;
    for (size_t b = 0; b < 3; b++)
        for (size_t s = 0; s < 4; s++)
            for (int normed = 0; normed < 2; normed++) {
                ps_cause_evidence sound = normed ? normalised() : healthy();
                sound.state = states[s];
                for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
                    ps_cause_evidence e = sound;
                    memcpy((char *)&e + own[i], &broken[b], sizeof broken[b]);
                    expect(e, PS_CONDITION_NONFINITE, PS_CAUSE_NONFINITE_PARAMETER);
                }
                for (size_t i = 0; i < sizeof outputs / sizeof *outputs; i++) {
                    ps_cause_evidence e = sound;
                    memcpy((char *)&e + outputs[i], &broken[b], sizeof broken[b]);
                    expect(e, PS_CONDITION_NONFINITE, PS_CAUSE_NONFINITE_OUTPUT);
                }
            }
    ps_cause_evidence e = healthy();
    char text[256];
    e.weight_l2 = NAN;
    ps_cause_explain(&e, PS_CAUSE_NONFINITE_PARAMETER, text, sizeof text);
    assert_non_null(strstr(text, "weight_l2=NaN"));
}

/* Outputs decide; which rule of the parameters holds only says why. */
static void constancy_is_a_matter_of_outputs(void **state) {
    (void)state;
    ps_cause_evidence e = normalised();
    e.mean_abs = 0.5;
    e.image_spread = 0;
    expect(e, PS_CONDITION_CONSTANT, PS_CAUSE_NO_VARIATION);
    e.image_spread = 0.5 * 0x1p-20; /* rounding */
    expect(e, PS_CONDITION_CONSTANT, PS_CAUSE_NO_VARIATION);
    e.image_spread = 0.5 * 0x1p-19; /* small, and no rounding */
    expect(e, PS_CONDITION_NONE, PS_CAUSE_NONE);
    e.mean_abs = 1e-12; /* small throughout: how it varies counts beside its own size */
    e.image_spread = 1e-12;
    expect(e, PS_CONDITION_NONE, PS_CAUSE_NONE);
    e = normalised();
    e.image_spread = 0;
    e.gamma = 0;
    expect(e, PS_CONDITION_CONSTANT, PS_CAUSE_GAMMA_ZERO);
    e.weight_l2 = 0;
    expect(e, PS_CONDITION_CONSTANT, PS_CAUSE_ZERO_INCOMING);
    e.image_spread = 0.3; /* a way around the filter: other channels through a Pool Skip */
    expect(e, PS_CONDITION_NONE, PS_CAUSE_NONE);
    e.image_spread = ps_absent(); /* a trace that does not record it: the parameters are asked */
    expect(e, PS_CONDITION_CONSTANT, PS_CAUSE_ZERO_INCOMING);
    e = normalised();
    e.image_spread = 0.3;
    e.mean_abs = ps_absent();
    expect(e, PS_CONDITION_NONE, PS_CAUSE_NONE);
    e.shared = true; /* behind an add as well */
    e.image_spread = 0;
    expect(e, PS_CONDITION_CONSTANT, PS_CAUSE_NO_VARIATION);
    e.state = dead; /* dead goes first */
    expect(e, PS_CONDITION_DEAD, PS_CAUSE_SILENT);
    e = normalised(); /* 0 throughout, and not known to be dead: no constant */
    e.state = PS_STATE_EDGE | PS_STATE_EDGE_KNOWN;
    e.mean_abs = e.image_spread = 0;
    expect(e, PS_CONDITION_EDGE, PS_CAUSE_NONE);
}

static void without_a_state_nobody_is_called_healthy(void **state) {
    char text[256];
    (void)state;
    ps_cause_evidence e = healthy();
    e.state = 0;
    e.lacks = PS_LACKS_NONZERO;
    expect(e, PS_CONDITION_UNKNOWN, PS_CAUSE_UNKNOWN);
    ps_cause_explain(&e, PS_CAUSE_UNKNOWN, text, sizeof text);
    assert_string_equal(text, "not_recorded=nonzero");
    e.mobility = PS_MOBILITY_INERT;
    e.path_gradient = 1e-5;
    e.path_decay = 1e-6;
    expect(e, PS_CONDITION_INERT, PS_CAUSE_SMALL_GRADIENT);
}

/* A cell of a table in Markdown; bars are escaped. */
static void print_cell(FILE *stream, const char *text) {
    fputs(text[0] == '\0' ? " -" : " ", stream);
    for (; *text != '\0'; text++) fprintf(stream, *text == '|' ? "\\%c" : "%c", *text);
    fputs(" |", stream);
}

static void expect_row(const char *document, char *row) {
    if (strstr(document, row) == NULL) print_message("analysis/CAUSES.md lacks the row\n%s\n", row);
    assert_non_null(strstr(document, row));
    free(row);
}

/* Documents and program say the same: every line of the lists stands in the page, as it is. */
static void the_page_has_every_condition_and_cause(void **state) {
    (void)state;
    char *document, *row;
    size_t size;
    assert_int_equal(ps_file_read("analysis/CAUSES.md", &document, &size), PS_OK);
    for (int i = 0; i < PS_CONDITION_COUNT; i++) {
        FILE *stream = open_memstream(&row, &size);
        fprintf(stream, "| `%s` |", ps_condition_name((ps_condition)i));
        print_cell(stream, ps_condition_text((ps_condition)i));
        fclose(stream);
        expect_row(document, row);
    }
    for (int i = 0; i < PS_CAUSE_COUNT; i++) {
        ps_cause cause = (ps_cause)i;
        const char *evidence = ps_cause_evidence_names(cause);
        FILE *stream = open_memstream(&row, &size);
        fprintf(stream, "| `%s` |", ps_cause_name(cause));
        print_cell(stream, ps_cause_nodes(cause));
        fprintf(stream, evidence[0] != '\0' ? " `%s` |" : " -%s |", evidence);
        print_cell(stream, ps_cause_rule(cause));
        print_cell(stream, ps_cause_remedy(cause));
        fclose(stream);
        expect_row(document, row);
    }
    free(document);
}

/* What a list names as evidence is printed where it is known: no name leads nowhere. */
static void evidence_that_is_named_is_printed(void **state) {
    (void)state;
    ps_cause_evidence e = normalised();
    char names[256], text[256], start[64];
    e.bias = e.beta;
    e.images_active = e.images_active_eval = e.running_mean = e.running_var = e.image_spread = e.nonzero_eval = 1;
    for (int i = 0; i < PS_CAUSE_COUNT; i++) {
        if (i == PS_CAUSE_UNKNOWN) continue;
        ps_cause_explain(&e, (ps_cause)i, text, sizeof text);
        snprintf(names, sizeof names, "%s", ps_cause_evidence_names((ps_cause)i));
        for (char *save = NULL, *name = strtok_r(names, " ", &save); name != NULL; name = strtok_r(NULL, " ", &save)) {
            snprintf(start, sizeof start, "%s=", name);
            assert_non_null(strstr(text, start));
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_wrong_nothing_said),
        cmocka_unit_test(each_cause_of_a_gate_stuck_at_its_ceiling),
        cmocka_unit_test(each_cause_of_saturation),
        cmocka_unit_test(each_cause_of_death),
        cmocka_unit_test(a_shift_that_is_all_there_is_shuts_nothing),
        cmocka_unit_test(constant_and_unused_nodes),
        cmocka_unit_test(each_cause_of_inertia),
        cmocka_unit_test(missing_quantities_accuse_nobody),
        cmocka_unit_test(evidence_is_shown),
        cmocka_unit_test(a_rule_behind_an_unrecorded_one_names_no_cause),
        cmocka_unit_test(the_shift_is_accused_only_where_it_suffices),
        cmocka_unit_test(dead_in_evaluation_only),
        cmocka_unit_test(what_is_not_finite_is_called_that),
        cmocka_unit_test(a_window_that_is_not_finite_is_no_sound_one),
        cmocka_unit_test(constancy_is_a_matter_of_outputs),
        cmocka_unit_test(without_a_state_nobody_is_called_healthy),
        cmocka_unit_test(the_page_has_every_condition_and_cause),
        cmocka_unit_test(evidence_that_is_named_is_printed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
