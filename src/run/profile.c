#include "run/profile.h"

#include <math.h>
#include <stdlib.h>

#include "core/memory.h"

enum { MOST_ROWS = 30 };

ps_status ps_run_profile_begin(ps_run_profile *profile, ps_net *net) {
    *profile = (ps_run_profile){0};
    PS_TRY(ps_peaks_measure(ps_net_threads(net), &profile->peaks));
    return ps_net_time_ops(net);
}

void ps_run_profile_add_step(ps_run_profile *profile, const ps_train_step *step) {
    profile->steps++;
    profile->time.input += step->time.input;
    profile->time.forward += step->time.forward;
    profile->time.loss += step->time.loss;
    profile->time.backward += step->time.backward;
    profile->time.update += step->time.update;
}

/* ---- before the first step ---- */

static void write_start(const ps_run_start *start, FILE *stream) {
    const struct {
        const char *name;
        uint64_t ns;
    } part[] = {{"settings", start->settings},
                {"data", start->data},
                {"network and trace", start->network},
                {"first probing", start->probing}};
    fprintf(stream, "  %-28s %10s\n", "before the first step", "ms");
    for (size_t i = 0; i < sizeof part / sizeof *part; i++)
        fprintf(stream, "  %-28s %10.2f\n", part[i].name, (double)part[i].ns * 1e-6);
    fprintf(stream, "\n");
}

/* ---- parts of the run ---- */

static void write_part(const ps_run_profile *p, const char *name, uint64_t ns, FILE *stream) {
    double share = p->whole > 0 ? 100.0 * (double)ns / (double)p->whole : 0;
    fprintf(stream, "  %-28s %10.2f %9.2f %6.1f %%\n", name, (double)ns * 1e-6 / (double)p->steps, (double)ns * 1e-9,
            share);
}

static void write_parts(const ps_run_profile *p, FILE *stream) {
    const ps_step_time *t = &p->time;
    uint64_t known = t->input + t->forward + t->loss + t->backward + t->update + p->recording + p->probing +
                     p->evaluating + p->checkpoints;
    fprintf(stream, "  %-28s %10s %9s %8s\n", "part", "ms a step", "s in all", "share");
    write_part(p, "waiting for input", t->input, stream);
    write_part(p, "forward", t->forward, stream);
    write_part(p, "loss", t->loss, stream);
    write_part(p, "backward", t->backward, stream);
    write_part(p, "update", t->update, stream);
    write_part(p, "recording", p->recording, stream);
    write_part(p, "probing, between steps", p->probing, stream);
    write_part(p, "evaluation, between steps", p->evaluating, stream);
    write_part(p, "checkpoints, between steps", p->checkpoints, stream);
    write_part(p, "all else", p->whole > known ? p->whole - known : 0, stream);
}

/* ---- operations ---- */

typedef struct {
    int op;
    uint64_t ns;
    double flops, bytes; /* of one step, forward and backward */
} work;

/* Everything that an operation reads is read once, and what it writes written. */
ps_op_work ps_run_profile_op_work(const ps_net *net, int i) {
    const ps_graph *graph = ps_net_graph(net);
    const ps_op *op = &graph->op[i];
    ps_shape in[PS_LAYER_MAX_INPUTS], out = ps_shape_with_batch(op->shape, ps_net_batch(net));
    ps_param_spec spec[PS_LAYER_MAX_PARAMS] = {0};
    double inputs = 0, wanted = 0, weights = 0, y = (double)ps_shape_elements(out);
    ps_graph_input_shapes(graph, i, in);
    for (int k = 0; k < op->inputs; k++) {
        in[k] = ps_shape_with_batch(in[k], out.n);
        double floats = (double)ps_shape_elements(in[k]);
        inputs += floats;
        if (op->input[k] >= 0) wanted += floats; /* nobody asks for the gradient of the network's input */
    }
    int params = op->type->params != NULL ? op->type->params(op->config, in, out, spec) : 0;
    for (int s = 0; s < params; s++) {
        double count = 1;
        for (int d = 0; d < spec[s].rank; d++) count *= spec[s].dims[d];
        weights += count;
    }
    double macs = op->type->macs != NULL ? op->type->macs(op->config, in, out) : 0;
    macs *= wanted > 0 ? 3 : 2;
    double forward = inputs + y + weights;
    double backward =
        y + wanted + 2 * weights + (op->type->needs_input ? inputs : 0) + (op->type->needs_output ? y : 0);
    return (ps_op_work){2 * macs, (forward + backward) * sizeof(float)};
}

static int by_time(const void *a, const void *b) {
    const work *x = a, *y = b;
    return x->ns < y->ns ? 1 : x->ns > y->ns ? -1 : x->op - y->op;
}

/* Seconds of a step that an operation would take at the machine's peaks. */
static double least_seconds(const ps_run_profile *p, const work *w) {
    return fmax(w->flops / p->peaks.flops, w->bytes / p->peaks.bytes);
}

/* What is beyond the peaks (fewer multiplications than the direct algorithm, maps that stay in caches) counts as
 * it was measured. */
static void write_bound(const ps_run_profile *p, const work *row, int count, uint64_t all, FILE *stream) {
    double least = 0, steps = (double)p->steps;
    for (int i = 0; i < count; i++) least += fmin(least_seconds(p, &row[i]), (double)row[i].ns * 1e-9 / steps);
    fprintf(
        stream,
        "\nAll operations take %.2f ms a step. Each at the machine's peaks, or as measured where it is beyond them, "
        "they would take %.2f ms.\n",
        (double)all * 1e-6 / steps, least * 1e3);
}

static void write_op(const ps_run_profile *p, const ps_net *net, const work *w, uint64_t all, FILE *stream) {
    const ps_op *op = &ps_net_graph(net)->op[w->op];
    const ps_op_time *time = &ps_net_op_times(net)[w->op];
    double steps = (double)p->steps, seconds = (double)w->ns * 1e-9 / steps;
    char method[160];
    ps_net_describe_op(net, w->op, method, sizeof method);
    fprintf(stream, "  %8.2f %9.2f %6.1f %% %8.3g %7.3g %6.0f %%  %s  %s%s%s\n",
            (double)time->forward_ns * 1e-6 / steps, (double)time->backward_ns * 1e-6 / steps,
            100.0 * (double)w->ns / (double)all, 1e-9 * w->flops / seconds, 1e-9 * w->bytes / seconds,
            100.0 * least_seconds(p, w) / seconds, op->name, op->type->name, method[0] != '\0' ? ", " : "", method);
}

static ps_status write_ops(const ps_run_profile *p, const ps_net *net, FILE *stream) {
    int count = ps_net_graph(net)->count, shown = 0;
    uint64_t all = 0, rest = 0;
    work *row;
    PS_TRY(PS_ALLOC((size_t)count, &row, "profile"));
    for (int i = 0; i < count; i++) {
        const ps_op_time *time = &ps_net_op_times(net)[i];
        ps_op_work does = ps_run_profile_op_work(net, i);
        row[i] = (work){i, time->forward_ns + time->backward_ns, does.flops, does.bytes};
        all += row[i].ns;
    }
    qsort(row, (size_t)count, sizeof *row, by_time);
    fprintf(stream, "  %8s %9s %8s %8s %7s %8s  %s\n", "forward", "backward", "share", "GFLOP/s", "GB/s", "of peak",
            "operation, its type and method; ms a step");
    for (; shown < count && shown < MOST_ROWS && row[shown].ns > 0; shown++) write_op(p, net, &row[shown], all, stream);
    for (int i = shown; i < count; i++) rest += row[i].ns;
    if (rest > 0)
        fprintf(stream, "  and %d more, %.2f ms a step (%.1f %%)\n", count - shown,
                (double)rest * 1e-6 / (double)p->steps, 100.0 * (double)rest / (double)all);
    write_bound(p, row, count, all, stream);
    ps_free(row);
    return PS_OK;
}

ps_status ps_run_profile_write(const ps_run_profile *p, const ps_net *net, FILE *stream) {
    int threads = ps_threads_count(ps_net_threads(net));
    if (p->steps == 0) {
        fprintf(stream, "No step was done, so that there is nothing to profile.\n");
        return PS_OK;
    }
    fprintf(stream,
            "Where the time of %llu steps went, with %d thread%s. This machine was measured to do %.0f GFLOP/s of "
            "multiply-adds and %.1f GB/s of streams.\n\n",
            (unsigned long long)p->steps, threads, threads == 1 ? "" : "s", 1e-9 * p->peaks.flops,
            1e-9 * p->peaks.bytes);
    write_start(&p->start, stream);
    write_parts(p, stream);
    fprintf(stream, "\n");
    PS_TRY(write_ops(p, net, stream));
    return PS_OK;
}
