/* Pictures of what networks made of some test samples, as runs leave them beside their traces (src/task/pictures.h):
 * the same samples for every arm, so that arms stand side by side. Nothing of it is needed: a run without pictures, or
 * with some that do not belong together, has none here. */
#ifndef PS_REPORTS_PICTURES_H
#define PS_REPORTS_PICTURES_H

#include "reports/content.h"

enum { PS_REPORT_MOST_PICTURES = 16, PS_REPORT_PICTURE_NAME = 48 };

/* Finds one run of each arm, with the same seed where it can be, and copies its pictures into the folder of the plots,
 * with which they go into the report. content->plots was drawn. */
ps_status ps_report_pictures_take(ps_report_content *content);
void ps_report_pictures_clear(ps_report_pictures *pictures);

/* Name of a file in plots/: the image (arm -1), its labels (-2), or what an arm predicted. */
enum { PS_REPORT_IMAGE = -1, PS_REPORT_TRUTH = -2 };
const char *ps_report_picture_name(int sample, int arm, char name[PS_REPORT_PICTURE_NAME]);
/* Whether the arm has pictures of this sample. */
bool ps_report_picture_is_there(const ps_report_pictures *pictures, int sample, int arm);
/* The seed of the arm's run that is shown, as runs.tsv has it. */
const char *ps_report_picture_seed(const ps_report_content *content, int arm);
/* What the sample is called: "case_004", "test sample 10". */
const char *ps_report_sample_name(const ps_report_pictures *pictures, int sample, char *text, size_t size);
/* Class k of the legend: its name, and its colour as "#rrggbb" (NULL: none); false past the last. */
bool ps_report_picture_class(const ps_report_pictures *pictures, int k, const char **name, const char **colour);

#endif
