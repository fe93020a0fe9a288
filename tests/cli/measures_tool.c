/* Measures of label maps for tests/cli/measures_test.py:
 *   measures_tool CLASSES D H W MM_D MM_H MM_W TOLERANCE < truth, predicted > doubles
 * Maps [D][H][W] of 16-bit integers. Written are the share that is right, the mean IoU, then of each class IoU, Dice,
 * NSD and HD95; before all that 256 areas and 16 lengths for these cells. */
#include <stdio.h>
#include <stdlib.h>

#include "task/overlap.h"
#include "task/surface.h"

static void put(double value) { fwrite(&value, sizeof value, 1, stdout); }

static bool write_measures(const int16_t *truth, const int16_t *predicted, ps_shape shape, int classes,
                           const double mm[3], double tolerance) {
    double *iou = calloc((size_t)classes, sizeof *iou);
    uint64_t *count = calloc((size_t)classes * (size_t)classes, sizeof *count);
    bool held = true;
    ps_confusion_add(count, classes, truth, predicted, ps_shape_positions(shape));
    for (int k = 0; k < classes; k++) iou[k] = ps_confusion_iou(count, classes, k);
    put(ps_confusion_right(count, classes));
    put(ps_mean_of_numbers(iou, (size_t)classes));
    for (int k = 0; k < classes && held; k++) {
        ps_surface_agreement found;
        held = ps_surface_compare(truth, predicted, shape, k, mm, tolerance, NULL, &found) == PS_OK;
        put(iou[k]), put(ps_confusion_dice(count, classes, k)), put(found.nsd), put(found.hd95);
    }
    free(iou), free(count);
    return held;
}

int main(int argc, char **argv) {
    if (argc != 9) return 2;
    ps_shape shape = {1, 1, atoi(argv[2]), atoi(argv[3]), atoi(argv[4])};
    double mm[3] = {strtod(argv[5], NULL), strtod(argv[6], NULL), strtod(argv[7], NULL)}, table[256];
    size_t positions = ps_shape_positions(shape);
    int16_t *map = malloc(2 * positions * sizeof *map);
    ps_surface_areas(mm, table);
    fwrite(table, sizeof *table, 256, stdout);
    ps_surface_lengths(mm, table);
    fwrite(table, sizeof *table, 16, stdout);
    bool held = fread(map, sizeof *map, 2 * positions, stdin) == 2 * positions &&
                write_measures(map, map + positions, shape, atoi(argv[1]), mm, strtod(argv[8], NULL));
    free(map);
    return held ? 0 : 2;
}
