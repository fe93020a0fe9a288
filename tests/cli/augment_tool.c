/* Operations on 8-bit images (data/image.h) by themselves, for tests/cli/augment_test.py:
 *   augment_tool H W C < images > images
 * Standard input holds jobs until its end, each a text line "NAME NUMBER.." and H W C bytes; each gives as many bytes.
 * Numbers: the parameters of the operation, in the order of the header; then for "warp" filter, six of the matrix and C
 * of the fill, for "rotate" filter, degrees and C of the fill, for "part" filter, top, left, height and width. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/image.h"

enum { MOST = 16 };

static void warp(ps_image *image, const double *number, bool rotate) {
    double m[6];
    uint8_t fill[MOST];
    const double *colour = number + (rotate ? 2 : 7);
    for (int c = 0; c < image->c; c++) fill[c] = (uint8_t)colour[c];
    if (rotate) ps_image_rotation(image, number[1], m);
    else memcpy(m, number + 1, sizeof m);
    ps_image_warp(image, m, (ps_image_filter)number[0], fill);
}

static bool apply(ps_image *image, const char *name, const double *n) {
    if (strcmp(name, "autocontrast") == 0) ps_image_autocontrast(image);
    else if (strcmp(name, "equalize") == 0) ps_image_equalize(image);
    else if (strcmp(name, "invert") == 0) ps_image_invert(image);
    else if (strcmp(name, "posterize") == 0) ps_image_posterize(image, (int)n[0]);
    else if (strcmp(name, "solarize") == 0) ps_image_solarize(image, (int)n[0]);
    else if (strcmp(name, "solarize_add") == 0) ps_image_solarize_add(image, (int)n[0]);
    else if (strcmp(name, "color") == 0) ps_image_color(image, (float)n[0]);
    else if (strcmp(name, "contrast") == 0) ps_image_contrast(image, (float)n[0]);
    else if (strcmp(name, "brightness") == 0) ps_image_brightness(image, (float)n[0]);
    else if (strcmp(name, "sharpness") == 0) ps_image_sharpness(image, (float)n[0]);
    else if (strcmp(name, "warp") == 0) warp(image, n, false);
    else if (strcmp(name, "rotate") == 0) warp(image, n, true);
    else if (strcmp(name, "part") == 0)
        ps_image_resize_part(image, (ps_image_part){(int)n[1], (int)n[2], (int)n[3], (int)n[4]}, (ps_image_filter)n[0]);
    else return false;
    return true;
}

static bool do_job(ps_image *image, char *line) {
    double number[MOST] = {0};
    char *rest = NULL, *name = strtok_r(line, " \n", &rest), *word;
    size_t bytes = (size_t)image->h * (size_t)image->w * (size_t)image->c;
    for (int i = 0; i < MOST && (word = strtok_r(NULL, " \n", &rest)) != NULL; i++) number[i] = strtod(word, NULL);
    return name != NULL && fread(image->pixel, 1, bytes, stdin) == bytes && apply(image, name, number) &&
           fwrite(image->pixel, 1, bytes, stdout) == bytes;
}

int main(int argc, char **argv) {
    char line[512];
    bool held = true;
    if (argc != 4) return 2;
    ps_image image = {.h = atoi(argv[1]), .w = atoi(argv[2]), .c = atoi(argv[3])};
    size_t bytes = (size_t)image.h * (size_t)image.w * (size_t)image.c;
    image.pixel = malloc(bytes);
    image.room = malloc(bytes);
    while (held && fgets(line, sizeof line, stdin) != NULL) held = do_job(&image, line);
    free(image.pixel);
    free(image.room);
    return held ? 0 : 2;
}
