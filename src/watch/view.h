/* Draws a model as lines of text: a dashboard of a given size, or a snapshot of any length. Names from traces are
 * untrusted: control characters never reach the terminal. */
#ifndef PS_WATCH_VIEW_H
#define PS_WATCH_VIEW_H

#include <stdbool.h>
#include <stdio.h>

#include "watch/model.h"

typedef enum {
#define PS_WATCH_SORT(name, title) PS_SORT_##name,
#include "watch/sort_list.def"
#undef PS_WATCH_SORT
    PS_SORT_COUNT
} ps_watch_sort;

/* What is wrong with the run, in words that the caller found: the worst first. */
enum { PS_WATCH_FINDINGS = 4, PS_WATCH_FINDING_TEXT = 600 };
typedef struct {
    char text[PS_WATCH_FINDING_TEXT];
    bool is_new; /* it was not there when the run was judged before */
} ps_watch_finding;

typedef struct {
    const ps_watch_finding *finding; /* `findings` of them; NULL: the run was not judged */
    int findings, findings_all;      /* shown, and there are */
    const char *path;
    int width, height;              /* height 0: as long as needed */
    bool ascii, paused, help, gone; /* gone: the file of the trace is */
    ps_watch_sort sort;
    int scroll, help_scroll; /* first layer, first line of the help shown; ps_watch_draw keeps them within bounds */
} ps_watch_view;

/* Every line ends in '\n', but for the last one of a view with a height, which names the keys however small the view
 * is. Lines are cut at the width. */
ps_status ps_watch_draw(FILE *stream, const ps_watch_model *model, ps_watch_view *view);

#endif
