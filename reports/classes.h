/* Measures of each class (classes.tsv) as every form of the report shows them: measures, classes and arms, and what
 * each arm's seeds come to. Owned by the holder; ps_report_classes_clear frees it. Texts are borrowed of the
 * content. */
#ifndef PS_REPORTS_CLASSES_H
#define PS_REPORTS_CLASSES_H

#include "reports/content.h"

/* Of one measure and class in one arm. count: the seeds that measured it; 0: none, and there are no numbers. */
typedef struct {
    double mean, low, high;
    int count;
} ps_report_class_value;

typedef struct {
    const char **measure;         /* [measures], as the tables name them, in their order */
    const char **name;            /* [classes]; NULL: no row has this class */
    ps_report_class_value *value; /* [measures][classes][arms] */
    int measures, classes, arms;
} ps_report_classes;

/* No measures where the task has none of classes. */
ps_status ps_report_classes_read(const ps_report_content *content, ps_report_classes *classes);
void ps_report_classes_clear(ps_report_classes *classes);
const ps_report_class_value *ps_report_class_value_of(const ps_report_classes *classes, int measure, int class_index,
                                                      int arm);
/* The measure on the whole test split, of what runs.tsv has. */
ps_report_class_value ps_report_class_whole(const ps_report_content *content, const char *measure, const char *arm);

/* A measure of one class: "mean_iou" is "iou" there. And its unit: "share", "mm", "" where the tables do not tell. */
const char *ps_report_class_title(const char *measure);
const char *ps_report_class_unit(const ps_report_content *content, const char *measure);
/* "lower", "higher" or "". */
const char *ps_report_class_better(const ps_report_content *content, const char *measure);

#endif
