/* What the path of a Pool Skip adds, taken apart by where its inputs come from (Sun et al. 2025, "affine" and
 * "dimensional" compensation).
 *
 * y = conv(x) + b,  u = kept places of y,  o = y + conv3x3(u) + b~.  At output position p tap t reads u(p + t) = y(q),
 *                   itself a sum over the inputs that
 * the convolution sees from q. Such an input either lies in the receptive field of p, too (affine part: y(p) holds it
 * already), or not (dimensional part). What biases contribute, b~ and b through the path, is the bias part. Each part
 * splits into what comes from the output's own channel (same) and from others (cross). o = y + affine + dimensional +
 * bias holds exactly; `residual` says how exactly in floats.
 *
 * Behind the module the normalisation N(v) = gamma (v - mean) / sqrt(variance + eps) + beta decides by its sign what a
 * gate lets through. The module changes the non-positive region where the signs of N(o) and N(y) differ: with o's
 * statistics for both (frozen), or y's own for y (re-estimated). */
#ifndef PS_NET_COMPENSATION_H
#define PS_NET_COMPENSATION_H

#include "net/net.h"

#define PS_COMPENSATION_PARTS(PART)              \
    PART(AFFINE_SAME, "affine_same")             \
    PART(AFFINE_CROSS, "affine_cross")           \
    PART(DIMENSIONAL_SAME, "dimensional_same")   \
    PART(DIMENSIONAL_CROSS, "dimensional_cross") \
    PART(BIAS_SAME, "bias_same")                 \
    PART(BIAS_CROSS, "bias_cross")
typedef enum {
#define PART(name, word) PS_PART_##name,
    PS_COMPENSATION_PARTS(PART)
#undef PART
        PS_PARTS
} ps_compensation_part;

const char *ps_compensation_part_name(ps_compensation_part part);

typedef enum { PS_OPENED_FROZEN, PS_SHUT_FROZEN, PS_OPENED_OWN, PS_SHUT_OWN, PS_FLIPS } ps_compensation_flip;

/* Sums over positions and images, per channel [channels]; all owned. */
typedef struct {
    int channels;
    int norm_op; /* the normalisation that reads the module; -1: none does, and the signs are those of o and y */
    double *energy[PS_PARTS];          /* of each part */
    double *cross[PS_PARTS][PS_PARTS]; /* products of parts i < j; NULL elsewhere */
    double *with_y[PS_PARTS];          /* products with y */
    double *y_energy, *path_energy, *o_energy;
    double *flips[PS_FLIPS]; /* elements: opened where N(o) > 0 and not N(y) > 0, shut the other way round */
    double residual_energy, whole_energy; /* of o - (y + parts), and of o */
} ps_compensation;

typedef struct ps_compensation_job ps_compensation_job;

/* PS_ERR_USAGE where the Pool Skip of this node cannot be taken apart: without a convolution, with a scaled grid or
 * with a cut. */
ps_status ps_compensation_check(const ps_op *op);
/* For the Pool Skip at `pool_skip_node` of the net, behind the convolution `source_node`. Allocates everything it
 * needs. PS_ERR_USAGE where the module has no convolution or no convolution before it, or scales its grid. */
ps_status ps_compensation_create(ps_net *net, int pool_skip_op, int source_op, ps_compensation_job **out);
void ps_compensation_destroy(ps_compensation_job *job);
/* Adds one batch: x is the convolution's input, y its output, o the module's output. */
void ps_compensation_add(ps_compensation_job *job, const float *x, const float *y, const float *o);
const ps_compensation *ps_compensation_sums(const ps_compensation_job *job);

#endif
