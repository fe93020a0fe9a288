/* The loss of classification against softened labels, and its gradient, for tests/grad/loss_parity_test.py:
 *   loss_tool ROWS CHANNELS SMOOTHING SHARE < outputs, labels, other labels > loss, gradient
 * Outputs [ROWS][CHANNELS] as floats, labels and others [ROWS] as 32-bit integers; a SHARE below 0: no other labels.
 * The loss is a double, the gradient floats. */
#include <stdio.h>
#include <stdlib.h>

#include "task/task.h"

int main(int argc, char **argv) {
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
        double loss = ps_task_classification.loss->value(&call, gradient).loss;
        held = fwrite(&loss, sizeof loss, 1, stdout) == 1 &&
               fwrite(gradient, sizeof *gradient, rows * channels, stdout) == rows * channels;
    }
    free(output);
    free(gradient);
    free(label);
    free(other);
    return held ? 0 : 2;
}
