/* What a network is trained for, as the header of a trace says (FORMAT.md, "task"): a name, and the measures of its
 * evaluations beside the loss. Whoever shows, compares or judges a measure asks this for its name, unit and direction.
 * Plain values; nothing to free. */
#ifndef PS_TRACE_TRACE_TASK_H
#define PS_TRACE_TRACE_TASK_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>

enum { PS_TRACE_MOST_MEASURES = 4, PS_TRACE_TASK_TEXT = 32, PS_TRACE_RULE_TEXT = 256 };

typedef struct {
    char name[PS_TRACE_TASK_TEXT]; /* its key in `eval` and `end` records; letters, digits and "_" */
    char unit[PS_TRACE_TASK_TEXT]; /* "%": recorded as a share from 0 to 1, shown times 100; "": none */
    bool higher_is_better;
    double chance;                 /* what guessing reaches; NaN: not known */
    char rule[PS_TRACE_RULE_TEXT]; /* what it is a mean of, and what counts; "": nothing said */
} ps_trace_measure;

typedef struct {
    char name[PS_TRACE_TASK_TEXT];
    char loss[PS_TRACE_TASK_TEXT]; /* "ce", "ce+dice"; "": not said */
    int measures;                  /* from 1 on: the first is the one that a run is judged by */
    ps_trace_measure measure[PS_TRACE_MOST_MEASURES];
} ps_trace_task;

/* What a trace without the key is of. poolscope's first ones had none, and were all of classification: nowhere else
 * outside src/task is the measure of a task known by name. */
void ps_trace_task_default(ps_trace_task *task);
/* Reads a header's "task". NULL where it follows the format, or is not there; else the half of a sentence behind
 * "\"task\": ", and *task is the default. */
const char *ps_trace_task_read(const cJSON *header, ps_trace_task *task);

/* Whether the loss is cross-entropy over all classes alike, so that a uniform guess costs the logarithm of their
 * number. */
bool ps_trace_task_is_cross_entropy(const ps_trace_task *task);

/* Of a header's data: how many classes there are (0: not said), and what one is called (NULL: not said; borrowed). */
int ps_trace_classes(const cJSON *header);
const char *ps_trace_class_name(const cJSON *header, int class_index);

/* Whether it is a share, recorded from 0 to 1 and shown times 100. */
bool ps_trace_measure_is_share(const ps_trace_measure *measure);
/* "mean_iou" -> "mean IoU": the name in a sentence. Into `text` of PS_TRACE_TASK_TEXT bytes,
 * which is returned. */
const char *ps_trace_measure_title(const ps_trace_measure *measure, char *text);
/* "61.20 %", "0.4132 mm", "NaN": with `decimals` of them. Returns text. */
const char *ps_trace_measure_show(const ps_trace_measure *measure, double value, int decimals, char *text, size_t size);

#endif
