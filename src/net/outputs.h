/* What of a network the loss reads: its last operation, and others that have a weight of their own in it (deep
 * supervision, Lee et al. 2015, arXiv 1409.5185). The loss of the whole is the sum of weight x loss over them, each
 * against the labels brought to its size: of the cell that its middle falls into (PyTorch's "nearest-exact"). */
#ifndef PS_NET_OUTPUTS_H
#define PS_NET_OUTPUTS_H

#include "graph/graph.h"
#include "net/loss.h"

typedef struct {
    int op;
    double weight;
    size_t rows, values;  /* positions of the batch; the same times channels */
    const int32_t *label; /* [rows]; of the batch at hand */
    int32_t *own;         /* memory for it where the size is another than the last operation's; else NULL */
    ps_shape shape;       /* n = batch */
} ps_output;

typedef struct {
    ps_output *output; /* in the graph's order: the last operation is the last */
    int count;
} ps_outputs;

/* The caller clears, also after a failure. */
ps_status ps_outputs_init(ps_outputs *outputs, const ps_graph *graph, int batch);
void ps_outputs_clear(ps_outputs *outputs);

/* label: of the last operation, [batch][positions]; borrowed until the next call. */
void ps_outputs_bring_labels(ps_outputs *outputs, const int32_t *label);
/* The loss of the outputs before and of this one; where none of its labels counts nothing is added. What is counted are
 * the labels of the last. */
ps_loss ps_outputs_add_loss(ps_loss before, ps_loss own, const ps_output *output);
/* gradient [values] *= share */
void ps_output_scale(const ps_output *output, float *gradient, double share);

#endif
