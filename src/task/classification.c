/* Classification: one class for an image. Loss: softmax cross-entropy, natural logarithm,
 * mean over the labels that count (negative ones do not); in training against targets where labels are softened.
 * Measure: accuracy, the share of these labels whose class has the largest output. */
#include <math.h>
#include <string.h>

#include "kernels/softmax.h"
#include "task/task.h"

typedef struct {
    double mean; /* NaN where no label counts */
    size_t correct, counted;
} score;

/* Of a batch, in training and evaluation alike. */
static score score_of(const ps_loss_call *call, float *gradient) {
    score s;
    double sum =
        ps_softmax_cross_entropy(call->output, call->label, call->soft, call->samples, call->rows / call->samples,
                                 call->channels, gradient, &s.correct, &s.counted, call->threads);
    s.mean = s.counted > 0 ? sum / (double)s.counted : (double)NAN;
    return s;
}

static ps_loss cross_entropy(void *self, const ps_loss_call *call, float *gradient) {
    (void)self;
    score s = score_of(call, gradient);
    return (ps_loss){.loss = s.mean, .counted = s.counted};
}

/* With p the softmax of the outputs t: dt = (p - target) / counted, and dot dt = p (dot t - <p, dot t>) / counted. */
static void cross_entropy_tangent(void *self, const ps_loss_call *call, const float *output_dot, float *gradient_dot) {
    (void)self;
    size_t channels = (size_t)call->channels, counted = ps_softmax_count(call->label, call->rows);
    for (size_t r = 0; r < call->rows; r++) {
        const float *t = call->output + r * channels, *t_dot = output_dot + r * channels;
        double top = (double)t[0], sum = 0, inner = 0;
        for (size_t k = 1; k < channels; k++) top = fmax(top, (double)t[k]);
        for (size_t k = 0; k < channels; k++) sum += exp((double)t[k] - top);
        for (size_t k = 0; k < channels; k++) inner += exp((double)t[k] - top) / sum * (double)t_dot[k];
        for (size_t k = 0; k < channels; k++) {
            double p = exp((double)t[k] - top) / sum;
            gradient_dot[r * channels + k] =
                call->label[r] < 0 ? 0.0f : (float)(p * ((double)t_dot[k] - inner) / (double)counted);
        }
    }
}

const ps_loss_function ps_cross_entropy = {cross_entropy, cross_entropy_tangent, NULL};

static ps_status open_loss(const ps_dataset *dataset, const ps_task_options *options, int batch,
                           ps_loss_function *out) {
    (void)dataset, (void)options, (void)batch;
    *out = ps_cross_entropy;
    return PS_OK;
}

static bool takes(const ps_dataset *dataset) { return ps_dataset_classes(dataset) > 0; }

/* Naming the commonest class every time is right as often as it occurs: 1 / classes where all are as common. */
static double chance_of(const ps_dataset *dataset) {
    size_t most = 0, counted = 0;
    for (int k = 0; k < ps_dataset_classes(dataset); k++) {
        size_t labels = ps_dataset_count_labels(dataset, PS_SPLIT_TEST, k);
        counted += labels;
        if (labels > most) most = labels;
    }
    return counted > 0 ? (double)most / (double)counted : (double)NAN;
}

static void describe(const ps_dataset *dataset, const ps_task_options *options, ps_trace_task *out) {
    (void)options;
    *out = (ps_trace_task){
        .name = "classification",
        .measures = 1,
        .measure = {{.name = "accuracy", .unit = "%", .higher_is_better = true, .chance = chance_of(dataset)}}};
}

static ps_status evaluate(const ps_task_split *on, ps_evaluation *out) {
    ps_threads *threads = ps_net_threads(on->net);
    int batch = ps_net_batch(on->net);
    size_t correct = 0, counted = 0;
    double loss_sum = 0;
    ps_loss_call call = {.label = on->label,
                         .samples = (size_t)batch,
                         .rows = (size_t)batch * ps_net_labels_per_sample(on->net),
                         .channels = ps_net_classes(on->net),
                         .threads = threads};
    *out = ps_evaluation_nothing();
    for (int first = 0; first < on->images; first += batch) {
        PS_TRY(ps_loader_plain_batch(on->loader, on->split, first / batch, on->x, on->label, NULL, threads));
        call.output = ps_net_forward(on->net, on->x, PS_MODE_EVAL, (ps_rng_key){{0, 0}}, NULL);
        score s = score_of(&call, NULL);
        if (s.counted == 0) continue;
        loss_sum += s.mean * (double)s.counted;
        correct += s.correct;
        counted += s.counted;
    }
    if (counted == 0) return PS_OK;
    out->loss = loss_sum / (double)counted;
    out->value[0] = (double)correct / (double)counted;
    out->count = on->images;
    return PS_OK;
}

const ps_task ps_task_classification = {
    .name = "classification", .takes = takes, .describe = describe, .open_loss = open_loss, .evaluate = evaluate};
