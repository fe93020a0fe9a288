/* The loss of classification against softened labels, and its gradient, for tests/grad/loss_parity_test.py:
 *   loss_tool ROWS CHANNELS SMOOTHING SHARE < outputs, labels, other labels > loss, gradient
 * Outputs [ROWS][CHANNELS] as floats, labels and others [ROWS] as 32-bit integers; a SHARE below 0: no other labels.
 * The loss is a double, the gradient floats. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/map_loss.h"
#include "task/task.h"

/* loss_tool map SAMPLES ROWS CHANNELS ce|dice|ce+dice BATCH_DICE BACKGROUND [WEIGHT..] < outputs, labels > loss,
 * gradient: of label maps, smooth 1e-5. */
static int run_map(int argc, char **argv) {
    size_t samples = (size_t)atoi(argv[2]), rows = (size_t)atoi(argv[3]), channels = (size_t)atoi(argv[4]), counted;
    size_t values = samples * rows * channels;
    float weight[PS_MAP_LOSS_MOST_CHANNELS], *output = malloc(values * sizeof *output),
                                             *gradient = malloc(values * sizeof *gradient);
    int32_t *label = malloc(samples * rows * sizeof *label);
    double *room = malloc(ps_map_loss_room(samples, (int)channels) * sizeof *room);
    ps_map_loss loss = {.cross_entropy = strncmp(argv[5], "ce", 2) == 0,
                        .dice = strstr(argv[5], "dice") != NULL,
                        .weight = argc > 8 ? weight : NULL,
                        .batch_dice = atoi(argv[6]) != 0,
                        .background = atoi(argv[7]) != 0,
                        .smooth = 1e-5};
    for (int i = 8; i < argc; i++) weight[i - 8] = strtof(argv[i], NULL);
    bool held = fread(output, sizeof *output, values, stdin) == values &&
                fread(label, sizeof *label, samples * rows, stdin) == samples * rows;
    if (held) {
        ps_map_batch batch = {output, label, samples, rows, (int)channels};
        double value = ps_map_loss_value(&loss, &batch, gradient, &counted, room, NULL);
        held = fwrite(&value, sizeof value, 1, stdout) == 1 &&
               fwrite(gradient, sizeof *gradient, values, stdout) == values;
    }
    free(output), free(gradient), free(label), free(room);
    return held ? 0 : 2;
}

int main(int argc, char **argv) {
    if (argc >= 8 && strcmp(argv[1], "map") == 0) return run_map(argc, argv);
    if (argc != 5) return 2;
    size_t rows = (size_t)atoi(argv[1]), channels = (size_t)atoi(argv[2]);
    double smoothing = strtod(argv[3], NULL), share = strtod(argv[4], NULL);
    float *output = malloc(rows * channels * sizeof *output), *gradient = malloc(rows * channels * sizeof *gradient);
    int32_t *label = malloc(rows * sizeof *label), *other = malloc(rows * sizeof *other);
    bool held = fread(output, sizeof *output, rows * channels, stdin) == rows * channels &&
                fread(label, sizeof *label, rows, stdin) == rows && fread(other, sizeof *other, rows, stdin) == rows;
    ps_soft_labels soft = {share < 0 ? NULL : other, share, smoothing};
    ps_loss_call call = {.output = output, .label = label, .soft = &soft, .samples = rows, .rows = rows};
    call.channels = (int)channels;
    if (held) {
        double loss = ps_cross_entropy.value(NULL, &call, gradient).loss;
        held = fwrite(&loss, sizeof loss, 1, stdout) == 1 &&
               fwrite(gradient, sizeof *gradient, rows * channels, stdout) == rows * channels;
    }
    free(output);
    free(gradient);
    free(label);
    free(other);
    return held ? 0 : 2;
}
