/* The scores of a whole sample by a window that slides over it, as nnU-Net does: the window is the net's input shape;
 * starts are spread evenly, at most half a window apart; a window's softmax counts by a Gaussian around its centre
 * (sigma an eighth of each side; where that is 0 the smallest weight that is not); what overlaps is averaged. Samples
 * smaller than the window are padded on both sides. One window needs no weights. */
#ifndef PS_TASK_WINDOWS_H
#define PS_TASK_WINDOWS_H

#include "net/net.h"

typedef struct {
    ps_net *net;          /* takes windows by its batch */
    bool mirror;          /* mean over all mirror images along d, h and w (of sides over 1) */
    const float *outside; /* [channels]: what samples are padded with */
} ps_windows_options;

typedef struct ps_windows ps_windows;

/* Room for windows of the net, which is borrowed. Fails where the net's outputs are no map as large as its input. */
ps_status ps_windows_create(const ps_windows_options *options, ps_windows **out);
void ps_windows_destroy(ps_windows *windows);

/* How many windows a sample of this shape needs, mirror images not counted. */
size_t ps_windows_count(const ps_windows *windows, ps_shape shape);
/* score [d][h][w][classes], overwritten: the mean softmax of x [d][h][w][channels]. weight [d][h][w]: scratch memory.
 * The same bits for any number of threads. */
void ps_windows_run(ps_windows *windows, const float *x, ps_shape shape, float *score, float *weight);

/* Along one axis: how many windows there are, and where one of them starts; below 0 where the sample is padded. */
size_t ps_windows_steps(int size, int window);
int ps_windows_start(int size, int window, size_t step);

#endif
