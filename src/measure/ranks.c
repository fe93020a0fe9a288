#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/spectra/rank.h"
#include "measure/incoming.h"
#include "measure/measurement.h"
#include "run/subject.h"
#include "core/memory.h"
#include "kernels/gemm.h"

static double cosine, residual;
static bool running;

const ps_option ps_ranks_options[] = {
    PS_NUMBER("cosine", cosine, "X", "0.999", 1e-9, 1,
              "two nodes overlap from this cosine of their incoming weights on"),
    PS_NUMBER("residual", residual, "X", "0.001", 1e-9, 1,
              "a node depends on others when they leave less than this share of it"),
    PS_FLAG("running", running, "outputs with running statistics (default: statistics of the batch)"),
    {0},
};

static const double variance_share = 0.99;

/* One unit: its weights' part (none where the gate is shared) and its outputs' part. */
typedef struct {
    double *weights; /* [channels][columns] of ps_incoming_rows; NULL where shared */
    int columns;
    double *moment, *sum; /* [channels][channels], [channels] over the outputs of the probe set */
    double positions;
    double weight_effective, weight_stable, largest, smallest;
    double output_effective, output_stable, saturation;
    ps_overlap_list overlap, opposite;
    bool testable;
    double *residual; /* [channels], where testable */
    int dependent;
} layer;

typedef struct {
    const ps_measure *m;
    ps_session *session;
    const ps_units *units;
    layer *layer;
    float *products; /* [widest][widest] of one batch */
} ranks;

/* ---- gathering ---- */

/* Sums and products of one batch in single precision, over batches in double. */
static void add_outputs(const ranks *r, layer *l, ps_shape shape, const float *y) {
    size_t positions = ps_shape_positions(shape), channels = (size_t)shape.c;
    ps_gemm_parallel(true, false, shape.c, shape.c, (int)positions, y, shape.c, y, shape.c, false, r->products, shape.c,
                     r->session->threads);
    for (size_t i = 0; i < channels * channels; i++) l->moment[i] += (double)r->products[i];
    for (size_t p = 0; p < positions; p++)
        for (size_t c = 0; c < channels; c++) l->sum[c] += (double)y[p * channels + c];
    l->positions += (double)positions;
}

static void after_gate(void *self, int unit, ps_shape shape, const float *y) {
    ranks *r = self;
    add_outputs(r, &r->layer[unit], shape, y);
}

/* Heads of attention are few, and each reads by rows of three kinds: nothing is said of them. */
static bool is_measured(const ranks *r, int u) { return !r->units->unit[u].heads; }

static ps_status gather(ranks *r) {
    size_t widest = 0;
    PS_TRY(PS_ALLOC((size_t)r->units->count, &r->layer, "ranks"));
    for (int u = 0; u < r->units->count; u++) {
        const ps_unit *unit = &r->units->unit[u];
        if (!is_measured(r, u)) continue;
        size_t channels = (size_t)unit->channels;
        widest = channels > widest ? channels : widest;
        PS_TRY(PS_ALLOC(channels * channels, &r->layer[u].moment, "ranks"));
        PS_TRY(PS_ALLOC(channels, &r->layer[u].sum, "ranks"));
        if (!unit->shared) PS_TRY(ps_incoming_rows(r->session->net, unit, &r->layer[u].weights, &r->layer[u].columns));
    }
    PS_TRY(PS_ALLOC(widest * widest, &r->products, "ranks"));
    return ps_measure_gates(r->m, running ? PS_MODE_EVAL : PS_MODE_PROBE, after_gate, r);
}

/* ---- measuring ---- */

static ps_status measure_weights(const ps_unit *unit, layer *l) {
    int channels = unit->channels, least = channels < l->columns ? channels : l->columns;
    double *value = NULL;
    ps_status status = PS_OK;
    PS_TRY_CLEANUP(PS_ALLOC((size_t)least, &value, "ranks"));
    PS_TRY_CLEANUP(ps_rank_singular_values(l->weights, channels, l->columns, value));
    l->weight_effective = ps_rank_effective(value, least);
    l->weight_stable = ps_rank_stable(value, least);
    l->largest = value[0];
    l->smallest = value[least - 1];
    PS_TRY_CLEANUP(ps_overlap_find(l->weights, channels, l->columns, cosine, &l->overlap, &l->opposite));
    l->testable = ps_dependence_testable(channels, l->columns);
    if (!l->testable) goto cleanup;
    PS_TRY_CLEANUP(PS_ALLOC((size_t)channels, &l->residual, "ranks"));
    PS_TRY_CLEANUP(ps_dependence_residuals(l->weights, channels, l->columns, l->residual));
    for (int c = 0; c < channels; c++) l->dependent += l->residual[c] < residual;
cleanup:
    ps_free(value);
    return status;
}

static ps_status measure_outputs(const ps_unit *unit, layer *l) {
    size_t channels = (size_t)unit->channels;
    double *value = NULL;
    ps_status status = PS_OK;
    PS_TRY_CLEANUP(PS_ALLOC(channels, &value, "ranks"));
    for (size_t i = 0; i < channels; i++)
        for (size_t j = 0; j < channels; j++)
            l->moment[i * channels + j] =
                l->moment[i * channels + j] / l->positions - l->sum[i] / l->positions * (l->sum[j] / l->positions);
    PS_TRY_CLEANUP(ps_rank_covariance_values(l->moment, unit->channels, value));
    l->output_effective = ps_rank_effective(value, unit->channels);
    l->output_stable = ps_rank_stable(value, unit->channels);
    l->saturation = ps_rank_saturation(value, unit->channels, variance_share);
cleanup:
    ps_free(value);
    return status;
}

/* ---- results ---- */

static void print_pairs(FILE *text, const ps_unit *unit, const ps_overlap_list *list, const char *what) {
    for (int p = 0; p < list->count; p++)
        fprintf(text, "%s: nodes %d and %d %s (cosine %.6f)\n", unit->name, list->pair[p].first, list->pair[p].second,
                what, list->pair[p].cosine);
}

static void print_nodes(FILE *text, const ps_unit *unit, const layer *l) {
    print_pairs(text, unit, &l->overlap, "overlap");
    print_pairs(text, unit, &l->opposite, "are opposite");
    for (int c = 0; l->dependent > 0 && c < unit->channels; c++)
        if (l->residual[c] < residual)
            fprintf(text, "%s: node %d depends on others (they leave %.2g of it)\n", unit->name, c, l->residual[c]);
}

static void print_layers(const ranks *r) {
    int pairs = 0, opposite = 0, dependent = 0, nodes = 0;
    char moment[PS_MOMENT_TEXT];
    fprintf(r->m->text, "Ranks %s (outputs: %s, probe set of %d images)\n", ps_subject_moment(r->m->checkpoint, moment),
            running ? "running statistics" : "statistics of the batch",
            r->session->probe_batches * r->session->config->batch);
    fprintf(r->m->text, "%-24s %6s %8s %10s %9s %8s %10s %10s %10s %11s\n", "layer", "nodes", "weights", "effective",
            "stable", "overlap", "dependent", "out eff.", "out stable", "saturation");
    for (int u = 0; u < r->units->count; u++) {
        const ps_unit *unit = &r->units->unit[u];
        const layer *l = &r->layer[u];
        if (!is_measured(r, u)) continue;
        fprintf(r->m->text, "%-24s %6d ", unit->name, unit->channels);
        if (unit->shared) fprintf(r->m->text, "%8s %10s %9s %8s %10s", "-", "-", "-", "-", "-");
        else
            fprintf(r->m->text, "%8d %10.2f %9.2f %8d ", l->columns, l->weight_effective, l->weight_stable,
                    l->overlap.count);
        if (!unit->shared && l->testable) fprintf(r->m->text, "%9d", l->dependent);
        else if (!unit->shared) fprintf(r->m->text, "%9s", "-");
        fprintf(r->m->text, " %10.2f %10.2f %11.3f\n", l->output_effective, l->output_stable, l->saturation);
        pairs += l->overlap.count;
        opposite += l->opposite.count;
        dependent += l->dependent;
        nodes += unit->shared ? 0 : unit->channels;
    }
    fprintf(r->m->text, "%d overlapping pairs, %d dependent nodes among %d; %d opposite pairs\n", pairs, dependent,
            nodes, opposite);
    for (int u = 0; u < r->units->count; u++) print_nodes(r->m->text, &r->units->unit[u], &r->layer[u]);
}

static ps_status write_ranks(const ranks *r) {
    FILE *stream;
    PS_TRY(ps_measure_table(r->m, "ranks",
                            "layer\tposition\tdepth\tnodes\tweights\tweight_effective_rank\tweight_stable_rank\tsigma_"
                            "max\tsigma_min\toverlapping_pairs\topposite_pairs\t"
                            "dependent_nodes\toutput_effective_rank\toutput_stable_rank\tsaturation",
                            &stream));
    for (int u = 0; u < r->units->count; u++) {
        const ps_unit *unit = &r->units->unit[u];
        const layer *l = &r->layer[u];
        if (!is_measured(r, u)) continue;
        fprintf(stream, "%s\t%d\t%d\t%d\t", unit->name, u, unit->depth, unit->channels);
        if (unit->shared) fprintf(stream, "NA\tNA\tNA\tNA\tNA\tNA\tNA\t");
        else
            fprintf(stream, "%d\t%.9g\t%.9g\t%.9g\t%.9g\t%d\t%d\t", l->columns, l->weight_effective, l->weight_stable,
                    l->largest, l->smallest, l->overlap.count, l->opposite.count);
        if (l->testable) fprintf(stream, "%d\t", l->dependent);
        else fprintf(stream, "NA\t");
        fprintf(stream, "%.9g\t%.9g\t%.9g\n", l->output_effective, l->output_stable, l->saturation);
    }
    return PS_OK;
}

static void write_pairs(FILE *stream, const ps_unit *unit, const ps_overlap_list *list) {
    for (int p = 0; p < list->count; p++)
        fprintf(stream, "%s\t%d\t%d\t%.9g\n", unit->name, list->pair[p].first, list->pair[p].second,
                list->pair[p].cosine);
}

static ps_status write_overlap(const ranks *r, const char *table, bool opposite) {
    FILE *stream;
    PS_TRY(ps_measure_table(r->m, table, "layer\tchannel\tother\tcosine", &stream));
    for (int u = 0; u < r->units->count; u++)
        write_pairs(stream, &r->units->unit[u], opposite ? &r->layer[u].opposite : &r->layer[u].overlap);
    return PS_OK;
}

static ps_status write_dependent(const ranks *r) {
    FILE *stream;
    PS_TRY(ps_measure_table(r->m, "dependent", "layer\tchannel\tresidual", &stream));
    for (int u = 0; u < r->units->count; u++)
        for (int c = 0; r->layer[u].testable && c < r->units->unit[u].channels; c++)
            if (r->layer[u].residual[c] < residual)
                fprintf(stream, "%s\t%d\t%.9g\n", r->units->unit[u].name, c, r->layer[u].residual[c]);
    return PS_OK;
}

static ps_status write_tables(const ranks *r) {
    PS_TRY(write_ranks(r));
    PS_TRY(write_overlap(r, "overlap", false));
    PS_TRY(write_overlap(r, "opposite", true));
    return write_dependent(r);
}

static ps_status measure_all(ranks *r) {
    PS_TRY(gather(r));
    for (int u = 0; u < r->units->count; u++) {
        if (!is_measured(r, u)) continue;
        if (!r->units->unit[u].shared) PS_TRY(measure_weights(&r->units->unit[u], &r->layer[u]));
        PS_TRY(measure_outputs(&r->units->unit[u], &r->layer[u]));
    }
    print_layers(r);
    return r->m->out != NULL ? write_tables(r) : PS_OK;
}

static void clear(ranks *r) {
    for (int u = 0; r->layer != NULL && u < r->units->count; u++) {
        layer *l = &r->layer[u];
        ps_free(l->weights);
        ps_free(l->moment);
        ps_free(l->sum);
        ps_free(l->residual);
        ps_overlap_list_clear(&l->overlap);
        ps_overlap_list_clear(&l->opposite);
    }
    ps_free(r->layer);
    ps_free(r->products);
}

static ps_status measure(const ps_measure *m) {
    ps_session *session = &m->checkpoint->session;
    ranks r = {.m = m, .session = session, .units = ps_net_units(session->net)};
    ps_status status = measure_all(&r);
    clear(&r);
    return status;
}

const ps_measurement ps_measurement_ranks = {
    .name = "ranks",
    .options = ps_ranks_options,
    .tables = "ranks,overlap,opposite,dependent",
    .measure = measure,
};
