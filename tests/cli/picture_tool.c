/* What a picture file is read as, for tests that hold it against another program's reading: "H W" in a line, then the
 * bytes: picture_tool rgb FILE (red, green, blue) or picture_tool labels FILE (16 bits each, the high ones first). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/picture.h"
#include "data/png.h"

static ps_status print(const char *path, int h, int w, int rgb) {
    size_t count = (size_t)h * (size_t)w;
    uint8_t *pixel = malloc(count * 3);
    uint16_t *number = malloc(count * sizeof *number);
    ps_status status = pixel == NULL || number == NULL ? PS_ERR_MEMORY
                       : rgb                           ? ps_picture_read_rgb(path, h, w, pixel)
                                                       : ps_png_read_labels(path, h, w, number);
    if (status == PS_OK) {
        printf("%d %d\n", h, w);
        for (size_t i = 0; !rgb && i < count; i++) putchar(number[i] >> 8), putchar(number[i] & 255);
        if (rgb) fwrite(pixel, 3, count, stdout);
    }
    free(pixel);
    free(number);
    return status;
}

int main(int argc, char **argv) {
    ps_picture_header header;
    if (argc != 3) return 2;
    ps_status status = ps_picture_read_header(argv[2], &header);
    if (status == PS_OK) status = print(argv[2], header.h, header.w, strcmp(argv[1], "rgb") == 0);
    if (status != PS_OK) fprintf(stderr, "%s\n", ps_status_message());
    return status != PS_OK;
}
