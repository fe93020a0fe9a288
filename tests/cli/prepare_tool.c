/* A training sample as a plan prepares it (data/prepare.h), for tests/cli/prepare_test.py:
 *   prepare_tool DATA PLAN 2|3 INDEX
 * "d h w c" on a line, floats [d][h][w][c] and 16-bit labels [d][h][w]; then what its own labels, as scores of 1 and 0,
 * lead back to: "d h w" on a line and 16-bit labels. Exit 1 with the sentence of what failed. */
#include <stdio.h>
#include <stdlib.h>

#include "core/memory.h"
#include "data/prepare.h"

static ps_status show(const ps_source *s, int index) {
    ps_sample_size size;
    ps_shape file;
    double mm[3];
    float *pixel, *score;
    int16_t *label, *back;
    s->functions->size(s, PS_SOURCE_TRAIN, index, &size);
    s->functions->original(s, PS_SOURCE_TRAIN, index, &file, mm);
    size_t count = ps_shape_positions(size.mask), classes = (size_t)s->classes;
    PS_TRY(PS_ALLOC(ps_shape_elements(size.pixels), &pixel, "test"));
    PS_TRY(PS_ALLOC(count, &label, "test"));
    PS_TRY(PS_ALLOC(count * classes, &score, "test"));
    PS_TRY(PS_ALLOC(ps_shape_positions(file), &back, "test"));
    PS_TRY(s->functions->decode(s, PS_SOURCE_TRAIN, index, pixel, label));
    for (size_t i = 0; i < count; i++) score[i * classes + (size_t)(label[i] > 0 ? label[i] : 0)] = 1;
    PS_TRY(s->functions->restore(s, PS_SOURCE_TRAIN, index, score, s->classes, back));
    printf("%d %d %d %d\n", size.pixels.d, size.pixels.h, size.pixels.w, size.pixels.c);
    fwrite(pixel, sizeof *pixel, ps_shape_elements(size.pixels), stdout);
    fwrite(label, sizeof *label, count, stdout);
    printf("%d %d %d\n", file.d, file.h, file.w);
    fwrite(back, sizeof *back, ps_shape_positions(file), stdout);
    ps_free(pixel);
    ps_free(label);
    ps_free(score);
    ps_free(back);
    return PS_OK;
}

static ps_status run(char **argv) {
    ps_source source;
    ps_plan plan;
    const ps_dataset_options as_they_are = {.seed = 1};
    const ps_prepare_options options = {.dimensions = atoi(argv[3]), .quiet = true};
    PS_TRY(ps_plan_read(argv[2], &plan));
    ps_status status = ps_source_open(argv[1], &as_they_are, &source);
    if (status == PS_OK) status = ps_prepare(&source, argv[1], &plan, &options);
    if (status == PS_OK) status = show(&source, atoi(argv[4]));
    ps_source_close(&source);
    return status;
}

int main(int argc, char **argv) {
    if (argc != 5) return 2;
    ps_status status = run(argv);
    if (status != PS_OK) fprintf(stderr, "%s\n", ps_status_message());
    return status == PS_OK ? 0 : 1;
}
