#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/spectra/lanczos.h"
#include "measure/measurement.h"
#include "run/subject.h"
#include "core/file.h"
#include "core/memory.h"
#include "core/progress.h"
#include "kernels/pointwise.h"
#include "net/hessian.h"
#include "core/table.h"

static int probes, steps, batches, seed;
static const char *against;
static bool running;

const ps_option ps_spectrum_options[] = {
    PS_WHOLE("probes", probes, "N", "4", 1, PS_OPTION_ANY, "random start vectors"),
    PS_WHOLE("steps", steps, "N", "40", 1, PS_OPTION_ANY, "Lanczos steps of each, at most one for every parameter"),
    PS_WHOLE("batches", batches, "N", "1", 1, PS_OPTION_ANY, "batches of the probe set the loss is averaged over"),
    PS_FLAG("running", running, "normalise with running statistics (default: statistics of the batch)"),
    PS_WHOLE("seed", seed, "N", "0", 0, PS_OPTION_ANY, "of the start vectors"),
    PS_TEXT("against", against, "DIR", "",
            "what DIR/tables holds of another network: mass near zero as the excess over it"),
    {0},
};

enum { NODE_DRAWS = 4, DENSITY_POINTS = 421, SWEEP = 4 }; /* SWEEP: an eighth, a quarter, half of the steps, and all */
static const double DENSITY_END = 1.05;                   /* in largest |lambda| */
static const double epsilons[] = {1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1};
enum { EPSILONS = sizeof epsilons / sizeof *epsilons };

/* What an element of a vector belongs to. NO_NODE: shared gates, modules, outputs. */
#define GROUP_LIST(GROUP) GROUP(NO_NODE, NULL) GROUP(DEAD, "dead") GROUP(ALIVE, "alive")
typedef enum {
#define GROUP(name, word) name,
    GROUP_LIST(GROUP)
#undef GROUP
        GROUPS
} node_group;
static const char *const group_names[] = {
#define GROUP(name, word) word,
    GROUP_LIST(GROUP)
#undef GROUP
};

typedef struct {
    const ps_measure *m;
    ps_session *session;
    ps_hessian *hessian;
    int steps; /* as asked for, but at most the dimension */
    ps_lanczos *probe;
    ps_table other;       /* mass of the network it is compared with; empty: none */
    unsigned char *group; /* of each element */
    double **nonzero;     /* per unit, per channel */
    int nodes[GROUPS];
    size_t parameters[GROUPS];
    void *workspace;
    ps_progress progress;
    uint64_t products;
    ps_status product_status; /* of the first product that failed */
} spectrum;

static ps_status fill_batch(void *self, int index, float *x, int32_t *label) {
    ps_session *s = self;
    return ps_loader_plain_batch(s->loader, PS_SPLIT_PROBE, index, x, label, NULL, s->threads);
}

/* Methods that only multiply know no failures: whoever runs one looks at product_status afterwards. */
static void apply(void *self, const float *x, float *y) {
    spectrum *s = self;
    ps_status status = ps_hessian_product(s->hessian, x, y, NULL, NULL);
    if (s->product_status == PS_OK) s->product_status = status;
    ps_progress_update(&s->progress, ++s->products, NULL);
}

/* ---- who is dead ---- */

static void count_nonzero(void *self, int unit, ps_shape shape, const float *y) {
    spectrum *s = self;
    ps_channel_summarise(y, shape, (ps_channel_sums){.nonzero = s->nonzero[unit]}, s->workspace, s->session->threads);
}

static void mark_node(spectrum *s, const ps_unit *unit, int channel, unsigned char group) {
    static const char *const suffixes[] = {"weight", "bias"};
    const int nodes[] = {unit->source_op, unit->norm_op};
    ps_net *net = s->session->net;
    for (int i = 0; i < 4; i++) {
        int param = nodes[i / 2] >= 0 ? ps_net_op_param(net, nodes[i / 2], suffixes[i % 2]) : -1;
        if (param < 0) continue;
        size_t length = ps_net_param(net, param)->row_length;
        memset(s->group + ps_hessian_offset(s->hessian, param) + (size_t)channel * length, group, length);
        s->parameters[group] += length;
    }
    s->nodes[group]++;
}

static ps_status find_dead(spectrum *s) {
    ps_session *session = s->session;
    const ps_units *units = ps_net_units(session->net);
    size_t workspace = 0;
    PS_TRY(PS_ALLOC((size_t)units->count, &s->nonzero, "spectrum"));
    for (int u = 0; u < units->count; u++) {
        const ps_unit *unit = &units->unit[u];
        ps_shape shape = {.n = session->config->batch, .c = unit->channels, .d = 1, .h = unit->elements, .w = 1};
        size_t bytes = ps_pointwise_workspace_bytes(shape);
        if (bytes > workspace) workspace = bytes;
        PS_TRY(PS_ALLOC((size_t)unit->channels, &s->nonzero[u], "spectrum"));
    }
    PS_TRY(ps_alloc(workspace, 1, "spectrum", &s->workspace));
    PS_TRY(PS_ALLOC(ps_hessian_dimension(s->hessian), &s->group, "spectrum"));
    PS_TRY(ps_measure_gates(s->m, running ? PS_MODE_EVAL : PS_MODE_PROBE, count_nonzero, s));
    for (int u = 0; u < units->count; u++)
        for (int c = 0; c < units->unit[u].channels; c++)
            if (!units->unit[u].shared) mark_node(s, &units->unit[u], c, s->nonzero[u][c] == 0 ? DEAD : ALIVE);
    return PS_OK;
}

/* ---- ||H P z|| / ||P z|| ---- */

static double action_on(spectrum *s, unsigned char group, int draw, float *z, float *hz) {
    size_t n = ps_hessian_dimension(s->hessian);
    ps_rng_key key = ps_rng_key_fold(ps_rng_key_of((uint64_t)seed, "spectrum/nodes"), (uint64_t)draw);
    for (size_t i = 0; i < n; i++) z[i] = s->group[i] == group ? ps_rng_normal(key, i) : 0.0f;
    apply(s, z, hz);
    return sqrt(ps_vector_sum_squares(hz, n, s->session->threads) / ps_vector_sum_squares(z, n, s->session->threads));
}

typedef struct {
    double mean, low, high;
} action;

static ps_status act_on_nodes(spectrum *s, action actions[GROUPS]) {
    float *z = NULL, *hz = NULL;
    ps_status status = PS_OK;
    PS_TRY_CLEANUP(PS_ALLOC(ps_hessian_dimension(s->hessian), &z, "spectrum"));
    PS_TRY_CLEANUP(PS_ALLOC(ps_hessian_dimension(s->hessian), &hz, "spectrum"));
    for (unsigned char g = 1; g <= 2; g++) {
        actions[g] = (action){0, INFINITY, -INFINITY};
        for (int d = 0; d < NODE_DRAWS && s->nodes[g] > 0; d++) {
            double ratio = action_on(s, g, d, z, hz);
            actions[g] = (action){actions[g].mean + ratio / NODE_DRAWS, fmin(actions[g].low, ratio),
                                  fmax(actions[g].high, ratio)};
        }
    }
cleanup:
    ps_free(z);
    ps_free(hz);
    return status;
}

/* ---- probes ---- */

static ps_status run_probes(spectrum *s) {
    ps_operator hessian = {s, ps_hessian_dimension(s->hessian), apply};
    PS_TRY(PS_ALLOC((size_t)probes, &s->probe, "spectrum"));
    ps_progress_start(&s->progress, "spectrum", (uint64_t)probes * (uint64_t)s->steps + 2 * NODE_DRAWS, 0, s->m->quiet);
    for (int p = 0; p < probes; p++) {
        ps_status status = ps_lanczos_run(&hessian, s->steps, (uint64_t)seed, p, s->session->threads, &s->probe[p]);
        PS_TRY(s->product_status);
        PS_TRY(status);
    }
    return PS_OK;
}

/* ---- mass near zero ---- */

typedef struct {
    double mass, error, lowest, highest; /* lowest, highest: over leaving out one probe */
    double excess, excess_error;         /* over the other network; NaN without one */
} near_zero;

static void compare_mass(const spectrum *s, int count, int steps_done, double epsilon, near_zero *at) {
    const ps_table *t = &s->other;
    at->excess = at->excess_error = NAN;
    for (int row = 0; row < t->rows; row++) {
        if (ps_table_number(t, row, ps_table_column(t, "probes")) != count ||
            ps_table_number(t, row, ps_table_column(t, "steps")) != steps_done ||
            ps_table_number(t, row, ps_table_column(t, "epsilon")) != epsilon)
            continue;
        at->excess = at->mass - ps_table_number(t, row, ps_table_column(t, "mass"));
        at->excess_error = hypot(at->error, ps_table_number(t, row, ps_table_column(t, "standard_error")));
    }
}

/* From the first `count` probes after `steps_done` steps. */
static ps_status mass_at(const spectrum *s, const ps_lanczos *probe, int count, int steps_done, double epsilon,
                         near_zero *at) {
    at->mass = ps_spectrum_mass_near_zero(probe, count, epsilon, &at->error);
    compare_mass(s, count, steps_done, epsilon, at);
    return ps_spectrum_mass_left_out(probe, count, epsilon, &at->lowest, &at->highest);
}

typedef ps_status mass_function(const spectrum *s, const ps_lanczos *probe, int steps_done, void *to);

/* Shows all probes as they were after an eighth of the steps, a quarter, half, all: what fewer steps had found costs no
 * further products. */
static ps_status sweep_steps(const spectrum *s, mass_function *function, void *to) {
    ps_lanczos *leading;
    ps_status status = PS_OK;
    PS_TRY(PS_ALLOC((size_t)probes, &leading, "probes"));
    for (int part = SWEEP - 1, before = 0; part >= 0; part--) {
        int steps_done = s->steps >> part;
        if (steps_done <= before) continue;
        before = steps_done;
        for (int p = 0; p < probes; p++) PS_TRY_CLEANUP(ps_lanczos_leading(&s->probe[p], steps_done, &leading[p]));
        PS_TRY_CLEANUP(function(s, leading, steps_done, to));
        for (int p = 0; p < probes; p++) ps_lanczos_clear(&leading[p]);
    }
cleanup:
    for (int p = 0; p < probes; p++) ps_lanczos_clear(&leading[p]);
    ps_free(leading);
    return status;
}

/* The rows that an excess is the difference to must be there, or the other was measured with other options. */
static ps_status read_other(spectrum *s) {
    char *folder = NULL;
    near_zero at = {0};
    if (against[0] == '\0') return PS_OK;
    PS_TRY(ps_file_set_check(against, "measurements", "measure that one again", NULL));
    PS_TRY(ps_file_join(against, "tables", &folder));
    ps_status status = ps_table_read_named(folder, "spectrum_mass", &s->other);
    free(folder);
    PS_TRY(status);
    compare_mass(s, probes, s->steps, epsilons[0], &at);
    if (!isnan(at.excess)) return PS_OK;
    return ps_fail(PS_ERR_USAGE,
                   "--against %s: its tables/spectrum_mass.tsv has no row for %d probes and %d steps; measure it with "
                   "the same options",
                   against, probes, s->steps);
}

/* ---- results ---- */

static ps_status print_mass(const spectrum *s, const ps_lanczos *probe, int steps_done, void *unused) {
    (void)unused;
    for (int e = 0; e < EPSILONS && steps_done == s->steps; e++) {
        near_zero at;
        PS_TRY(mass_at(s, probe, probes, steps_done, epsilons[e], &at));
        fprintf(s->m->text, "|lambda| <= %g of the largest: %.4f +- %.4f of the spectrum", epsilons[e], at.mass,
                at.error);
        if (probes > 1) fprintf(s->m->text, " (%.4f to %.4f without one probe)", at.lowest, at.highest);
        if (!isnan(at.excess))
            fprintf(s->m->text, "; excess over the other network %.4f +- %.4f", at.excess, at.excess_error);
        fprintf(s->m->text, "\n");
    }
    if (steps_done == s->steps) return PS_OK;
    fprintf(s->m->text, "after %d steps:", steps_done);
    for (int e = 0; e < EPSILONS; e++)
        fprintf(s->m->text, " %.4f", ps_spectrum_mass_near_zero(probe, probes, epsilons[e], NULL));
    fprintf(s->m->text, " (for eps = %g to %g)\n", epsilons[0], epsilons[EPSILONS - 1]);
    return PS_OK;
}

static ps_status print_summary(const spectrum *s, ps_spectrum_summary sum, const action actions[GROUPS]) {
    const ps_lanczos *first = &s->probe[0];
    double all = (double)ps_hessian_dimension(s->hessian);
    char moment[PS_MOMENT_TEXT];
    fprintf(s->m->text, "Hessian of the loss %s (%s, %d images, no decay term): %.0f parameters\n",
            ps_subject_moment(s->m->checkpoint, moment), running ? "running statistics" : "statistics of the batch",
            batches * s->session->config->batch, all);
    fprintf(s->m->text, "largest    ");
    for (int k = 0; k < 5 && k < first->steps; k++) fprintf(s->m->text, " %.6g", first->value[first->steps - 1 - k]);
    fprintf(s->m->text,
            "   (Ritz values of the first probe)\nsmallest    %.6g\ntrace       %.6g +- %.2g (standard error over %d "
            "probes)\n",
            sum.smallest, sum.trace, sum.trace_error, probes);
    PS_TRY(sweep_steps(s, print_mass, NULL));
    for (int g = DEAD; g < GROUPS; g++) {
        if (s->nodes[g] == 0) fprintf(s->m->text, "||H P z|| / ||P z|| on %s nodes: there are none\n", group_names[g]);
        else
            fprintf(
                s->m->text,
                "||H P z|| / ||P z|| on %d %s nodes (%zu incoming weights, %.4f of the parameters): %.6g (%.6g to %.6g "
                "over %d draws)\n",
                s->nodes[g], group_names[g], s->parameters[g], (double)s->parameters[g] / all, actions[g].mean,
                actions[g].low, actions[g].high, NODE_DRAWS);
    }
    return PS_OK;
}

static ps_status write_ritz(const spectrum *s) {
    FILE *stream;
    PS_TRY(ps_measure_table(s->m, "spectrum", "probe\tindex\tvalue\tweight", &stream));
    for (int p = 0; p < probes; p++)
        for (int k = 0; k < s->probe[p].steps; k++)
            fprintf(stream, "%d\t%d\t%.9g\t%.9g\n", p, k, s->probe[p].value[k], s->probe[p].weight[k]);
    return PS_OK;
}

/* Gaussians a hundredth of the largest |lambda| wide, on a grid of multiples of it, so that the curves of several
 * networks can be laid over each other. */
static ps_status write_density(const spectrum *s, ps_spectrum_summary sum) {
    FILE *stream;
    double largest = fmax(fabs(sum.largest), fabs(sum.smallest)), scale = largest > 0 ? largest : 1,
           sigma = 0.01 * scale;
    PS_TRY(ps_measure_table(s->m, "spectrum_density", "relative\tlambda\tdensity\tsigma\trelative_density", &stream));
    for (int i = 0; i < DENSITY_POINTS; i++) {
        double relative = DENSITY_END * (2.0 * i / (DENSITY_POINTS - 1) - 1);
        double density = ps_spectrum_density(s->probe, probes, relative * scale, sigma);
        fprintf(stream, "%.9g\t%.9g\t%.9g\t%.9g\t%.9g\n", relative, relative * scale, density, sigma, density * scale);
    }
    return PS_OK;
}

static void put_value(FILE *stream, double value) {
    if (isnan(value)) fprintf(stream, "\tNA");
    else fprintf(stream, "\t%.9g", value);
}

/* Over probes: the first one, two, ... all of them. */
static ps_status write_mass_after(const spectrum *s, const ps_lanczos *probe, int steps_done, void *stream) {
    for (int count = 1; count <= probes; count++)
        for (int e = 0; e < EPSILONS; e++) {
            near_zero at;
            PS_TRY(mass_at(s, probe, count, steps_done, epsilons[e], &at));
            fprintf(stream, "%d\t%d\t%g", count, steps_done, epsilons[e]);
            const double values[] = {at.mass, at.error, at.lowest, at.highest, at.excess, at.excess_error};
            for (int v = 0; v < 6; v++) put_value(stream, values[v]);
            fputc('\n', stream);
        }
    return PS_OK;
}

static ps_status write_mass(const spectrum *s) {
    FILE *stream;
    PS_TRY(ps_measure_table(
        s->m, "spectrum_mass",
        "probes\tsteps\tepsilon\tmass\tstandard_error\tleft_out_min\tleft_out_max\texcess\texcess_standard_error",
        &stream));
    return sweep_steps(s, write_mass_after, stream);
}

static ps_status write_nodes(const spectrum *s, const action actions[GROUPS]) {
    FILE *stream;
    PS_TRY(ps_measure_table(s->m, "spectrum_nodes",
                            "state\tnodes\tparameters\tshare\tdraws\tratio_mean\tratio_min\tratio_max", &stream));
    for (int g = DEAD; g < GROUPS; g++) {
        fprintf(stream, "%s\t%d\t%zu\t%.9g", group_names[g], s->nodes[g], s->parameters[g],
                (double)s->parameters[g] / (double)ps_hessian_dimension(s->hessian));
        if (s->nodes[g] == 0) fprintf(stream, "\t0\tNA\tNA\tNA\n");
        else fprintf(stream, "\t%d\t%.9g\t%.9g\t%.9g\n", NODE_DRAWS, actions[g].mean, actions[g].low, actions[g].high);
    }
    return PS_OK;
}

static ps_status write_tables(const spectrum *s, ps_spectrum_summary sum, const action actions[GROUPS]) {
    PS_TRY(write_ritz(s));
    PS_TRY(write_density(s, sum));
    PS_TRY(write_mass(s));
    return write_nodes(s, actions);
}

/* As many steps as there are parameters find the whole spectrum. */
static void cap_steps(const spectrum *s) {
    size_t most = ps_hessian_dimension(s->hessian);
    if ((size_t)steps <= most) return;
    if (!s->m->quiet)
        fprintf(stderr, "note: --steps %d is more than there are parameters; %zu find the whole spectrum.\n", steps,
                most);
    steps = (int)most;
}

static ps_status measure_all(spectrum *s) {
    action actions[GROUPS] = {{0, 0, 0}};
    ps_hessian_source source = {s->session, batches, fill_batch, &s->session->loss};
    if (batches > s->session->probe_batches)
        return ps_fail(PS_ERR_USAGE, "--batches must be 1 to %d: the probe set holds no more",
                       s->session->probe_batches);
    PS_TRY(ps_hessian_create(s->m->checkpoint->graph, s->session->net, running ? PS_MODE_EVAL : PS_MODE_PROBE, &source,
                             &s->hessian));
    cap_steps(s);
    PS_TRY(find_dead(s));
    s->steps = (size_t)steps > ps_hessian_dimension(s->hessian) ? (int)ps_hessian_dimension(s->hessian) : steps;
    PS_TRY(read_other(s));
    PS_TRY(run_probes(s));
    PS_TRY(act_on_nodes(s, actions));
    ps_progress_end(&s->progress, NULL);
    ps_spectrum_summary sum = ps_spectrum_summarise(s->probe, probes, ps_hessian_dimension(s->hessian));
    PS_TRY(print_summary(s, sum, actions));
    return s->m->out != NULL ? write_tables(s, sum, actions) : PS_OK;
}

static void clear(spectrum *s) {
    int units = ps_net_units(s->session->net)->count;
    for (int p = 0; s->probe != NULL && p < probes; p++) ps_lanczos_clear(&s->probe[p]);
    for (int u = 0; s->nonzero != NULL && u < units; u++) ps_free(s->nonzero[u]);
    ps_free(s->probe);
    ps_free(s->nonzero);
    ps_free(s->group);
    ps_free(s->workspace);
    ps_table_clear(&s->other);
    ps_hessian_destroy(s->hessian);
}

/* Networks with modules for which no second derivative is written: the sentence of the refusal. */
static const char *lacks(const ps_checkpoint_session *checkpoint) {
    ps_graph *expanded = NULL;
    ps_status status = ps_graph_expand(checkpoint->graph, &expanded);
    ps_graph_destroy(expanded);
    return status == PS_OK ? NULL : ps_status_message();
}

static ps_status measure(const ps_measure *m) {
    spectrum s = {.m = m, .session = &m->checkpoint->session};
    ps_status status = measure_all(&s);
    clear(&s);
    return status;
}

const ps_measurement ps_measurement_spectrum = {
    .name = "spectrum",
    .options = ps_spectrum_options,
    .tables = "spectrum,spectrum_density,spectrum_mass,spectrum_nodes",
    .lacks = lacks,
    .measure = measure,
};
