/* A run as a variation sees it: other rules over the same recorded states, and windows joined. It borrows the run,
 * which must outlive it, and holds memory that does not grow with the trace but for its lists of windows and probes. */
#ifndef PS_ANALYSIS_VIEW_H
#define PS_ANALYSIS_VIEW_H

#include "analysis/variation.h"

typedef struct {
    ps_run run;          /* to be read like any other run; its states are those of the run it looks at */
    const ps_run *whole; /* the run it looks at */
    int join;
    int *probe_map,
        *probe_index; /* of its probes: which of the run's; of the run's probes: which of its own, -1: left out */
    ps_window_info *windows;
    ps_probe_info *probes;
    double *sum[PS_Q_COUNT]; /* of the windows joined so far */
    bool used[PS_Q_COUNT];
    uint64_t *line;
    double *sampled; /* per layer, of the windows joined so far */
} ps_view;

/* join k: windows w = 0, k, 2k .. are joined with the k - 1 behind them, those left over at the end are left out; of
 * the probes those within a joined window are left out, the last one never is. After a failure ps_view_clear is still
 * right. */
ps_status ps_view_init(ps_view *view, const ps_run *run, const ps_variation *variation);
void ps_view_clear(ps_view *view);

/* Turns a frame of the run into one of the view: *ready is false where there is none (a window not yet whole, a probe
 * left out). Of a joined window sums and counts are added up, shares and mean squares are means over its recorded
 * steps, weight_start_l2 and out_start_l2 are those of its first window. Net displacements do not add up: net is not
 * recorded, and the sum that stands for out_net_gradient is an upper bound. What an earlier window of the joined one
 * carried over stays carried: path_gradient is a lower bound of what one long window would have recorded. */
ps_status ps_view_frame(ps_view *view, const ps_frame *frame, ps_frame *out, bool *ready);

#endif
