/* How far the surfaces of one class in two label maps lie apart, in mm, weighed by area: normalised surface Dice and
 * the Hausdorff distance at 95 %. Definitions: Nikolov et al. 2018 (arXiv 1809.04430) and the program they published,
 * surface-distance. All arrays are the caller's.
 *
 * Surface elements sit where the corners of voxels meet; outside of the map nothing is of the class. Each element has
 * the area that marching cubes gives the 2x2x2 voxels around it (in 2D, maps with d = 1: the length that marching
 * squares gives 2x2 pixels), and its distance is that to the nearest element of the other map, exact (Felzenszwalb and
 * Huttenlocher 2012). The polygons of marching cubes are derived, not looked up: on a face with two opposite corners in
 * the class and two outside, those are cut off that are fewer in the cube (of as many: those in the class); a polygon
 * that is not flat is cut into triangles so that their area is largest for cubic voxels. All 254 areas are those of
 * surface-distance. */
#ifndef PS_TASK_SURFACE_H
#define PS_TASK_SURFACE_H

#include <stdint.h>

#include "core/shape.h"
#include "core/status.h"
#include "parallel/threads.h"

/* Areas in mm^2 (2D: lengths in mm) for cells of mm[d, h, w] by what is around a corner: bit 128 >> i (2D: 8 >> i) is
 * the neighbour at (i >> 2 & 1, i >> 1 & 1, i & 1). */
void ps_surface_areas(const double mm[3], double area[256]);
void ps_surface_lengths(const double mm[3], double length[16]);

/* Squared distance in mm^2 from every position of a grid [d][h][w] to the nearest one where *square is 0; INFINITY
 * elsewhere at first. Overwrites. */
ps_status ps_surface_distances(double *square, ps_shape grid, const double mm[3], ps_threads *threads);

typedef struct {
    double nsd;  /* areas of both surfaces within the tolerance of the other one, over both areas; 0: one is empty */
    double hd95; /* the larger of the two distances that 95 % of each surface are within; INFINITY: one is empty */
} ps_surface_agreement;

/* Class k of two maps [d][h][w]. Positions whose true label is below 0 count as outside in both. Both empty: NaN. */
ps_status ps_surface_compare(const int16_t *truth, const int16_t *predicted, ps_shape shape, int k, const double mm[3],
                             double tolerance_mm, ps_threads *threads, ps_surface_agreement *out);

#endif
