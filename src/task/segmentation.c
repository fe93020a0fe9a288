/* Segmentation: a class for each position. Loss: cross-entropy, soft Dice or their sum (kernels/map_loss.h), over the
 * labels that count. Measures: those of overlap.h. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/memory.h"
#include "kernels/map_loss.h"
#include "task/overlap.h"
#include "task/pictures.h"
#include "task/segmentation.h"
#include "task/surface.h"

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
                       "soft Dice leaves class 0 out as a background, and the data have no other; give "
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

enum { MOST = PS_MAP_LOSS_MOST_CHANNELS };

/* Masks of files that know their unit are scans, whose class 0 is the background. */
static bool is_scan(const ps_dataset *dataset) { return ps_dataset_file_of(dataset, PS_SPLIT_TRAIN, 0).has_unit; }
static int first_class(bool scan) { return scan ? 1 : 0; }

/* What naming one class everywhere reaches on the test split: its share s of the positions, an IoU of s, a Dice of
 * 2 s / (1 + s), and 0 for every other class that is there. */
typedef struct {
    double right, iou, dice;
} guess;

static guess guess_of(const ps_dataset *dataset, bool scan) {
    int classes = ps_dataset_classes(dataset), present = 0, counted = 0;
    double most = 0, most_counted = 0, all = 0;
    for (int k = 0; k < classes; k++) {
        double labels = (double)ps_dataset_count_labels(dataset, PS_SPLIT_TEST, k);
        all += labels;
        present += labels > 0;
        most = fmax(most, labels);
        if (k < first_class(scan)) continue;
        counted += labels > 0;
        most_counted = fmax(most_counted, labels);
    }
    if (all == 0) return (guess){(double)NAN, (double)NAN, (double)NAN};
    double share = most_counted / all;
    return (guess){most / all, most / all / present, counted > 0 ? 2 * share / (1 + share) / counted : (double)NAN};
}

#define DICE_RULE                                                                                                 \
    "2 TP / (2 TP + FP + FN) of each case and class; a class that a case has neither in truth nor in prediction " \
    "has none; mean over cases, then over classes"

static void describe_measures(const ps_dataset *dataset, const ps_task_options *options, ps_trace_task *out) {
    bool scan = is_scan(dataset);
    guess by_chance = guess_of(dataset, scan);
    const ps_trace_measure dice = {.name = "mean_dice",
                                   .unit = "%",
                                   .higher_is_better = true,
                                   .chance = by_chance.dice,
                                   .rule = DICE_RULE},
                           iou = {.name = "mean_iou",
                                  .unit = "%",
                                  .higher_is_better = true,
                                  .chance = by_chance.iou,
                                  .rule =
                                      "TP / (TP + FP + FN) of each class over all cases (one confusion matrix); mean "
                                      "over the classes that are in truth or prediction"},
                           right = {.name = "pixel_accuracy",
                                    .unit = "%",
                                    .higher_is_better = true,
                                    .chance = by_chance.right,
                                    .rule = "share of the positions that have a class"};
    *out = (ps_trace_task){.name = "segmentation", .measures = 3, .measure = {iou, right, dice}};
    if (!scan) return;
    *out = (ps_trace_task){.name = "segmentation",
                           .measures = 4,
                           .measure = {dice,
                                       {.name = "nsd", .unit = "%", .higher_is_better = true, .chance = (double)NAN},
                                       {.name = "hd95", .unit = "mm", .chance = (double)NAN},
                                       iou}};
    snprintf(out->measure[0].rule, PS_TRACE_RULE_TEXT, "%s without class 0", DICE_RULE);
    snprintf(out->measure[1].rule, PS_TRACE_RULE_TEXT,
             "normalised surface Dice at %g mm, by area; means as of Dice; a class in truth or prediction alone: 0",
             options->tolerance_mm);
    snprintf(out->measure[2].rule, PS_TRACE_RULE_TEXT,
             "95 %% of the surfaces, by area, are no farther apart; means as of Dice; a class in truth or prediction "
             "alone: the diagonal of the image");
}

static void describe(const ps_dataset *dataset, const ps_task_options *options, ps_trace_task *out) {
    describe_measures(dataset, options, out);
    snprintf(out->loss, sizeof out->loss, "%s%s", options->class_weights > 0 ? "weighted " : "", options->loss);
}

/* ---- evaluation ---- */

/* Of the measures that are means over cases: sums of each class, and of how many cases. */
typedef struct {
    double sum[MOST], cases[MOST];
} case_mean;

struct ps_segmentation {
    const ps_task_split *on;
    bool scan;
    ps_cases cases;
    case_mean dice, nsd, hd95;
    uint64_t *count;
    double *value; /* [PS_TRACE_MOST_MEASURES][classes] of the latest sample */
    double loss, counted;
    int images;
};

/* Places of the measures in `describe`; -1: not measured. */
typedef struct {
    int iou, right, dice, nsd, hd95;
} places;

static places places_of(bool scan) {
    return scan ? (places){.iou = 3, .right = -1, .dice = 0, .nsd = 1, .hd95 = 2}
                : (places){.iou = 0, .right = 1, .dice = 2, .nsd = -1, .hd95 = -1};
}

static void add_value(case_mean *m, int k, double value) {
    if (isnan(value)) return;
    m->sum[k] += value;
    m->cases[k]++;
}

static double diagonal(const ps_dataset_file *file) {
    return sqrt(pow(file->shape.d * file->mm[0], 2) + pow(file->shape.h * file->mm[1], 2) +
                pow(file->shape.w * file->mm[2], 2));
}

static double *row_of(const ps_segmentation *s, double *value, int place) {
    return value + (size_t)place * (size_t)s->cases.classes;
}

static void clear_values(const ps_segmentation *s, double *value) {
    for (int i = 0; i < PS_TRACE_MOST_MEASURES * s->cases.classes; i++) value[i] = (double)NAN;
}

static ps_status add_class(ps_segmentation *s, const ps_case *c, int k) {
    ps_surface_agreement surface;
    places at = places_of(s->scan);
    double dice = ps_confusion_dice(c->count, s->cases.classes, k);
    add_value(&s->dice, k, row_of(s, s->value, at.dice)[k] = dice);
    row_of(s, s->value, at.iou)[k] = ps_confusion_iou(c->count, s->cases.classes, k);
    if (!s->scan || k == 0) return PS_OK;
    PS_TRY(ps_surface_compare(c->truth, c->predicted, c->shape, k, c->file.mm, s->on->asked->tolerance_mm,
                              ps_net_threads(s->on->net), &surface));
    if (isinf(surface.hd95)) surface.hd95 = diagonal(&c->file);
    add_value(&s->nsd, k, row_of(s, s->value, at.nsd)[k] = surface.nsd);
    add_value(&s->hd95, k, row_of(s, s->value, at.hd95)[k] = surface.hd95);
    return PS_OK;
}

ps_status ps_segmentation_run(ps_segmentation *s, int index, ps_segmentation_case *out) {
    clear_values(s, s->value);
    PS_TRY(ps_cases_run(&s->cases, s->on->split, index, &out->found));
    const ps_case *c = &out->found;
    for (int k = 0; c->known && k < s->cases.classes; k++) PS_TRY(add_class(s, c, k));
    ps_confusion_sum(s->count, s->cases.classes, c->count);
    out->value = s->value;
    s->images += c->known;
    if (c->loss.counted == 0) return PS_OK;
    s->loss += c->loss.loss * (double)c->loss.counted;
    s->counted += (double)c->loss.counted;
    return PS_OK;
}

/* Into the measure's row of what is known of each class; returns the mean over classes. */
static double mean_of(const ps_segmentation *s, const case_mean *m, int place) {
    int classes = s->cases.classes, first = first_class(s->scan);
    double *value = row_of(s, s->on->per_class, place);
    for (int k = 0; k < classes; k++) value[k] = m->cases[k] > 0 ? m->sum[k] / m->cases[k] : (double)NAN;
    return ps_mean_of_numbers(value + first, (size_t)(classes - first));
}

static double mean_iou(const ps_segmentation *s, int place) {
    int classes = s->cases.classes;
    double *value = row_of(s, s->on->per_class, place);
    for (int k = 0; k < classes; k++) value[k] = ps_confusion_iou(s->count, classes, k);
    return ps_mean_of_numbers(value, (size_t)classes);
}

void ps_segmentation_sum_up(const ps_segmentation *s, ps_evaluation *out) {
    places at = places_of(s->scan);
    *out = ps_evaluation_nothing();
    if (s->images == 0) return;
    clear_values(s, s->on->per_class);
    out->loss = s->counted > 0 ? s->loss / s->counted : (double)NAN;
    out->value[at.iou] = mean_iou(s, at.iou);
    out->value[at.dice] = mean_of(s, &s->dice, at.dice);
    if (at.right >= 0) out->value[at.right] = ps_confusion_right(s->count, s->cases.classes);
    if (at.nsd >= 0) out->value[at.nsd] = mean_of(s, &s->nsd, at.nsd);
    if (at.hd95 >= 0) out->value[at.hd95] = mean_of(s, &s->hd95, at.hd95);
    out->per_class = s->on->per_class;
    out->classes = s->cases.classes;
    out->count = s->images;
}

static ps_status open_segmentation(ps_segmentation *s, const ps_task_split *on) {
    size_t classes = (size_t)ps_net_classes(on->net);
    s->on = on;
    s->scan = is_scan(on->dataset);
    PS_TRY(ps_cases_open(on, &s->cases));
    PS_TRY(PS_ALLOC(classes * classes, &s->count, "confusion matrix"));
    return PS_ALLOC((size_t)PS_TRACE_MOST_MEASURES * classes, &s->value, "measures of a sample");
}

ps_status ps_segmentation_open(const ps_task_split *on, ps_segmentation **out) {
    PS_TRY(PS_ALLOC(1, out, "evaluation"));
    ps_status status = open_segmentation(*out, on);
    if (status == PS_OK) return PS_OK;
    ps_segmentation_close(*out);
    *out = NULL;
    return status;
}

void ps_segmentation_close(ps_segmentation *s) {
    if (s == NULL) return;
    ps_cases_close(&s->cases);
    ps_free(s->count);
    ps_free(s->value);
    ps_free(s);
}

static ps_status evaluate(const ps_task_split *on, ps_evaluation *out) {
    ps_segmentation *s;
    ps_status status = PS_OK;
    *out = ps_evaluation_nothing();
    if (on->images == 0) return PS_OK;
    PS_TRY(ps_segmentation_open(on, &s));
    for (int i = 0; status == PS_OK && i < on->images; i++)
        status = ps_segmentation_run(s, i, &(ps_segmentation_case){.value = NULL});
    if (status == PS_OK) ps_segmentation_sum_up(s, out);
    ps_segmentation_close(s);
    return status;
}

const ps_task ps_task_segmentation = {.name = "segmentation",
                                      .takes = takes,
                                      .describe = describe,
                                      .open_loss = open_loss,
                                      .evaluate = evaluate,
                                      .draw = ps_pictures_draw};
