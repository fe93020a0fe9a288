/* Segmentation: a class for each position. Loss: cross-entropy, soft Dice or their sum (kernels/map_loss.h), over the
 * labels that count. Measures: those of overlap.h. */
#include <math.h>
#include <string.h>

#include "core/memory.h"
#include "kernels/map_loss.h"
#include "task/cases.h"
#include "task/overlap.h"
#include "task/task.h"

/* ---- loss ---- */

/* In one piece: the weights, then scratch memory. */
typedef struct {
    ps_map_loss loss;
    float weight[PS_MAP_LOSS_MOST_CHANNELS];
    double room[];
} state;

static ps_map_batch batch_of(const ps_loss_call *call) {
    return (ps_map_batch){call->output, call->label, call->samples, call->rows / call->samples, call->channels};
}

/* Softened labels are of cross-entropy without weights alone (open_loss), which has a kernel for them. */
static bool is_softened(const ps_loss_call *call) {
    return call->soft != NULL && (call->soft->other != NULL || call->soft->smoothing > 0);
}

static ps_loss value(void *self, const ps_loss_call *call, float *gradient) {
    state *s = self;
    size_t counted;
    ps_map_batch batch = batch_of(call);
    if (is_softened(call)) return ps_cross_entropy.value(NULL, call, gradient);
    double loss = ps_map_loss_value(&s->loss, &batch, gradient, &counted, s->room, call->threads);
    return (ps_loss){.loss = loss, .counted = counted};
}

static void tangent(void *self, const ps_loss_call *call, const float *output_dot, float *gradient_dot) {
    state *s = self;
    ps_map_batch batch = batch_of(call);
    ps_map_loss_tangent(&s->loss, &batch, output_dot, gradient_dot, s->room, call->threads);
}

static ps_status read_name(const char *name, ps_map_loss *loss) {
    loss->cross_entropy = strcmp(name, "ce") == 0 || strcmp(name, "ce+dice") == 0;
    loss->dice = strcmp(name, "dice") == 0 || strcmp(name, "ce+dice") == 0;
    if (loss->cross_entropy || loss->dice) return PS_OK;
    return ps_fail(PS_ERR_USAGE, "loss must be ce, dice or ce+dice, not \"%s\"", name);
}

static ps_status check_weights(const ps_task_options *o, const ps_map_loss *loss, int classes) {
    double sum = 0;
    if (o->class_weights == 0) return PS_OK;
    if (!loss->cross_entropy)
        return ps_fail(PS_ERR_USAGE, "class_weights are of cross-entropy, and the loss is %s; leave them out", o->loss);
    if (o->class_weights != classes)
        return ps_fail(PS_ERR_USAGE, "class_weights has %d weights, and the data have %d classes; give one for each",
                       o->class_weights, classes);
    for (int k = 0; k < classes; k++) {
        if (!(o->class_weight[k] >= 0) || !isfinite((float)o->class_weight[k]))
            return ps_fail(PS_ERR_USAGE, "weight %d of class_weights is %g; it must be 0 or more, and finite", k + 1,
                           o->class_weight[k]);
        sum += o->class_weight[k];
    }
    if (sum > 0) return PS_OK;
    return ps_fail(PS_ERR_USAGE, "class_weights are all 0, so that no label counts; give one that is more");
}

static ps_status check_dice(const ps_task_options *o, const ps_map_loss *loss, int classes) {
    if (!loss->dice && (o->batch_dice || o->dice_background || o->dice_smooth != 1e-5))
        return ps_fail(PS_ERR_USAGE,
                       "batch_dice, dice_background and dice_smooth are of soft Dice, and the loss is %s; "
                       "leave them out, or give the loss dice or ce+dice",
                       o->loss);
    if (loss->dice && classes < 2 && !o->dice_background)
        return ps_fail(PS_ERR_USAGE,
                       "soft Dice leaves class 0 out as the background, and the data have no other; give "
                       "dice_background, or the loss ce");
    return PS_OK;
}

static ps_status check(const ps_task_options *o, const ps_map_loss *loss, int classes) {
    if (classes > PS_MAP_LOSS_MOST_CHANNELS)
        return ps_fail(PS_ERR_INPUT, "masks of %d classes cannot be trained on; there may be %d", classes,
                       PS_MAP_LOSS_MOST_CHANNELS);
    if (o->softened && (loss->dice || o->class_weights > 0))
        return ps_fail(PS_ERR_USAGE,
                       "mixup, cutmix and label_smoothing soften labels, which soft Dice and class_weights "
                       "do not take; leave one of them out");
    PS_TRY(check_weights(o, loss, classes));
    return check_dice(o, loss, classes);
}

static ps_status open_loss(const ps_dataset *dataset, const ps_task_options *options, int batch,
                           ps_loss_function *out) {
    int classes = ps_dataset_classes(dataset);
    ps_map_loss loss = {
        .batch_dice = options->batch_dice, .background = options->dice_background, .smooth = options->dice_smooth};
    char *block;
    PS_TRY(read_name(options->loss, &loss));
    PS_TRY(check(options, &loss, classes));
    size_t room = ps_map_loss_room((size_t)batch, classes) * sizeof(double);
    PS_TRY(PS_ALLOC(sizeof(state) + room, &block, "loss"));
    state *s = (state *)block;
    s->loss = loss;
    for (int k = 0; k < options->class_weights; k++) s->weight[k] = (float)options->class_weight[k];
    if (options->class_weights > 0) s->loss.weight = s->weight;
    *out = (ps_loss_function){value, tangent, s};
    return PS_OK;
}

/* ---- measures ---- */

static bool takes(const ps_dataset *dataset) {
    return ps_dataset_classes(dataset) > 0 && ps_dataset_has_masks(dataset);
}

/* What naming one class everywhere reaches on the test split: its share of the positions counts for one class of those
 * that are there. */
static void describe(const ps_dataset *dataset, const ps_task_options *options, ps_trace_task *out) {
    int classes = ps_dataset_classes(dataset), present = 0;
    double most = 0, all = 0;
    (void)options;
    for (int k = 0; k < classes; k++) {
        double labels = (double)ps_dataset_count_labels(dataset, PS_SPLIT_TEST, k);
        most = fmax(most, labels);
        all += labels;
        present += labels > 0;
    }
    double share = all > 0 ? most / all : (double)NAN;
    *out = (ps_trace_task){
        .name = "segmentation",
        .measures = 3,
        .measure = {{.name = "mean_iou", .unit = "%", .higher_is_better = true, .chance = share / present},
                    {.name = "pixel_accuracy", .unit = "%", .higher_is_better = true, .chance = share},
                    {.name = "mean_dice", .unit = "%", .higher_is_better = true, .chance = (double)NAN}}};
}

typedef struct {
    ps_cases cases;
    double *dice; /* [cases][classes] */
    uint64_t *count;
    double loss;
    size_t counted;
} sums;

static ps_status add_case(const ps_task_split *on, int index, sums *s) {
    size_t classes = (size_t)s->cases.classes;
    ps_case found;
    PS_TRY(ps_cases_run(&s->cases, on->split, index, &found));
    for (size_t k = 0; k < classes; k++)
        s->dice[(size_t)index * classes + k] = ps_confusion_dice(found.count, s->cases.classes, (int)k);
    ps_confusion_sum(s->count, s->cases.classes, found.count);
    if (found.loss.counted == 0) return PS_OK;
    s->loss += found.loss.loss * (double)found.loss.counted;
    s->counted += found.loss.counted;
    return PS_OK;
}

/* Of each class the mean over the cases that have it, then over classes. */
static double mean_dice(const sums *s, int images) {
    double sum[PS_MAP_LOSS_MOST_CHANNELS];
    for (int k = 0; k < s->cases.classes; k++) {
        double total = 0;
        int numbers = 0;
        for (int i = 0; i < images; i++) {
            double dice = s->dice[(size_t)i * (size_t)s->cases.classes + (size_t)k];
            if (isnan(dice)) continue;
            total += dice;
            numbers++;
        }
        sum[k] = numbers > 0 ? total / numbers : (double)NAN;
    }
    return ps_mean_of_numbers(sum, (size_t)s->cases.classes);
}

static void fill(const sums *s, int images, ps_evaluation *out) {
    double iou[PS_MAP_LOSS_MOST_CHANNELS];
    int classes = s->cases.classes;
    for (int k = 0; k < classes; k++) iou[k] = ps_confusion_iou(s->count, classes, k);
    out->loss = s->counted > 0 ? s->loss / (double)s->counted : (double)NAN;
    out->value[0] = ps_mean_of_numbers(iou, (size_t)classes);
    out->value[1] = ps_confusion_right(s->count, classes);
    out->value[2] = mean_dice(s, images);
    out->count = isnan(out->value[1]) ? 0 : images;
}

static ps_status evaluate_all(const ps_task_split *on, sums *s, ps_evaluation *out) {
    size_t classes = (size_t)ps_net_classes(on->net);
    PS_TRY(ps_cases_open(on, &s->cases));
    PS_TRY(PS_ALLOC((size_t)on->images * classes + 1, &s->dice, "Dice of cases"));
    PS_TRY(PS_ALLOC(classes * classes, &s->count, "confusion matrix"));
    for (int i = 0; i < on->images; i++) PS_TRY(add_case(on, i, s));
    fill(s, on->images, out);
    return PS_OK;
}

static ps_status evaluate(const ps_task_split *on, ps_evaluation *out) {
    sums s = {.loss = 0};
    *out = ps_evaluation_nothing();
    if (on->images == 0) return PS_OK;
    ps_status status = evaluate_all(on, &s, out);
    ps_cases_close(&s.cases);
    ps_free(s.dice);
    ps_free(s.count);
    return status;
}

const ps_task ps_task_segmentation = {
    .name = "segmentation", .takes = takes, .describe = describe, .open_loss = open_loss, .evaluate = evaluate};
