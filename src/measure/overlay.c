#include "measure/overlay.h"

#include <math.h>
#include <string.h>

#include "core/memory.h"
#include "data/png.h"

/* The palette holds every class in so many greys, 0 being none at all. */
enum { GAP = 4, PANELS = 3, AXES = 3, COLOURS = 255 };

typedef struct {
    const ps_case *found;
    const int16_t *predicted; /* as large as the labels */
    int classes, greys;
    double low, high; /* of what is shown */
    int slice[AXES];  /* of each axis */
    int16_t *canvas;
    int width, height;
} picture;

static double grey_of(const picture *p, size_t at) {
    size_t channels = (size_t)p->found->given.c;
    double sum = 0;
    for (size_t c = 0; c < channels; c++) sum += (double)p->found->x[at * channels + c];
    return sum / (double)channels;
}

static void find_range(picture *p) {
    size_t positions = ps_shape_positions(p->found->given);
    p->low = INFINITY, p->high = -INFINITY;
    for (size_t i = 0; i < positions; i++) {
        double v = grey_of(p, i);
        if (!isfinite(v)) continue;
        p->low = fmin(p->low, v);
        p->high = fmax(p->high, v);
    }
}

/* The mean place of what is labelled, else predicted, as no background; without any the middle. */
static void find_slices(picture *p) {
    ps_shape s = p->found->map;
    const int side[AXES] = {s.d, s.h, s.w};
    double sum[AXES] = {0}, count = 0;
    for (int source = 0; source < 2 && count == 0; source++)
        for (size_t i = 0; i < ps_shape_positions(s); i++) {
            int label = source == 0 ? p->found->label[i] : p->predicted[i];
            if (label <= 0) continue;
            sum[0] += (double)(i / (size_t)s.w / (size_t)s.h);
            sum[1] += (double)(i / (size_t)s.w % (size_t)s.h);
            sum[2] += (double)(i % (size_t)s.w);
            count++;
        }
    for (int a = 0; a < AXES; a++) p->slice[a] = count > 0 ? (int)(sum[a] / count) : side[a] / 2;
}

/* Rows and columns of the slice across an axis. */
static void size_of(ps_shape s, int axis, int *rows, int *columns) {
    *rows = axis == 0 ? s.h : s.d;
    *columns = axis == 2 ? s.h : s.w;
}

static size_t place_of(const picture *p, int axis, int row, int column) {
    ps_shape s = p->found->map;
    int d = axis == 0 ? p->slice[0] : row,
        h = axis == 0   ? row
            : axis == 1 ? p->slice[1]
                        : column,
        w = axis == 2 ? p->slice[2] : column;
    return ((size_t)d * (size_t)s.h + (size_t)h) * (size_t)s.w + (size_t)w;
}

/* panel: 0 the image alone, 1 with its labels, 2 with what was predicted. */
static int16_t colour_of(const picture *p, int panel, size_t at) {
    double range = p->high - p->low, grey = range > 0 ? (grey_of(p, at) - p->low) / range : 0;
    int level = (int)(grey * (p->greys - 1) + 0.5), label = 0;
    if (!(grey >= 0)) level = 0;
    if (panel == 1) label = p->found->label[at];
    if (panel == 2) label = p->predicted[at];
    if (label < 0 || label >= p->classes) label = 0;
    return (int16_t)(1 + label * p->greys + level);
}

static void draw(picture *p, int axis, int top) {
    int rows, columns;
    size_of(p->found->map, axis, &rows, &columns);
    for (int panel = 0; panel < PANELS; panel++)
        for (int r = 0; r < rows; r++)
            for (int c = 0; c < columns; c++)
                p->canvas[(size_t)(top + r) * (size_t)p->width + (size_t)(panel * (columns + GAP) + c)] =
                    colour_of(p, panel, place_of(p, axis, r, c));
}

/* Background is grey as it is, other classes are half grey, half their colour. */
static void make_palette(const picture *p, uint8_t (*palette)[3]) {
    memset(palette, 255, PS_PNG_PALETTE * sizeof *palette);
    for (int k = 0; k < p->classes; k++)
        for (int level = 0; level < p->greys; level++) {
            uint8_t colour[3];
            int grey = p->greys > 1 ? 255 * level / (p->greys - 1) : 128;
            ps_png_voc_colour(k, colour);
            for (int i = 0; i < 3; i++)
                palette[1 + k * p->greys + level][i] = (uint8_t)(k == 0 ? grey : (grey + colour[i]) / 2);
        }
}

static ps_status draw_all(picture *p, const char *path) {
    static uint8_t palette[PS_PNG_PALETTE][3];
    int axes = p->found->map.d > 1 ? AXES : 1, top = 0;
    for (int axis = 0; axis < axes; axis++) {
        int rows, columns;
        size_of(p->found->map, axis, &rows, &columns);
        p->height += rows + (axis > 0 ? GAP : 0);
        int width = PANELS * columns + (PANELS - 1) * GAP;
        if (width > p->width) p->width = width;
    }
    PS_TRY(PS_ALLOC((size_t)p->width * (size_t)p->height, &p->canvas, "a picture"));
    for (int axis = 0; axis < axes; axis++) {
        int rows, columns;
        size_of(p->found->map, axis, &rows, &columns);
        draw(p, axis, top);
        top += rows + GAP;
    }
    make_palette(p, palette);
    ps_status status = ps_png_write_labels(path, p->height, p->width, p->canvas, (const uint8_t(*)[3])palette);
    ps_free(p->canvas);
    return status;
}

ps_status ps_overlay_write(const char *path, const ps_case *found, int classes) {
    picture p = {.found = found, .classes = classes < COLOURS ? classes : COLOURS};
    size_t positions = ps_shape_positions(found->map);
    int16_t *predicted;
    p.greys = (COLOURS - 1) / p.classes < 64 ? (COLOURS - 1) / p.classes : 64;
    if (p.greys < 1) p.greys = 1;
    if (positions != ps_shape_positions(found->given))
        return ps_fail(PS_ERR_INPUT,
                       "%s: labels are not as large as their images, so that no picture lays them over; "
                       "leave --pictures out",
                       path);
    PS_TRY(PS_ALLOC(positions, &predicted, "a picture"));
    ps_labels_of_scores(found->score, positions, classes, predicted);
    p.predicted = predicted;
    find_range(&p);
    find_slices(&p);
    ps_status status = draw_all(&p, path);
    ps_free(predicted);
    return status;
}
