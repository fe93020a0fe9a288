#include "task/overlay.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "data/png.h"

enum {
    GAP = 4,
    AXES = 3,
    RGB = 3,
    RGBA = 4,
    RANGE_SAMPLES = 1 << 16,
    LONGEST_SIDE = 2048,
    SHORTEST_SIDE = 160 /* of slices */
};

/* A slice: cells of the volume along rows and columns, and pixels of the picture. */
typedef struct {
    int rows, columns, height, width;
} slice;

struct ps_overlay {
    const ps_case *found;
    ps_shape shape;
    int channels;
    uint8_t *byte; /* [d][h][w][channels]; NULL: value */
    float *value;
    double low, high; /* of value: black and white */
    int middle[AXES];
    slice slice[AXES];
    int slices;
};

bool ps_overlay_colour(int class_index, uint8_t rgb[3]) {
    if (class_index < 1) return false;
    ps_png_voc_colour(class_index, rgb);
    return true;
}

/* ---- where ---- */

static size_t element(ps_shape s, int d, int h, int w) {
    return ((size_t)d * (size_t)s.h + (size_t)h) * (size_t)s.w + (size_t)w;
}

/* The cells of some label map that are no background: their mean place, and the box around them. */
typedef struct {
    double sum[AXES], count;
    int first[AXES], last[AXES];
} region;

static void add_cell(region *r, int d, int h, int w) {
    const int at[AXES] = {d, h, w};
    for (int a = 0; a < AXES; a++) {
        r->first[a] = r->count == 0 || at[a] < r->first[a] ? at[a] : r->first[a];
        r->last[a] = r->count == 0 || at[a] > r->last[a] ? at[a] : r->last[a];
        r->sum[a] += at[a];
    }
    r->count++;
}

static void add_map(region *r, ps_shape s, const int16_t *label) {
    for (int d = 0; d < s.d; d++)
        for (int h = 0; h < s.h; h++)
            for (int w = 0; w < s.w; w++, label++)
                if (*label > 0) add_cell(r, d, h, w);
}

/* Of what is labelled, else of what is predicted, else of all. */
static region find_region(const ps_overlay *o) {
    region r = {.count = 0};
    add_map(&r, o->shape, o->found->truth);
    if (r.count == 0) add_map(&r, o->shape, o->found->predicted);
    if (r.count > 0) return r;
    add_cell(&r, 0, 0, 0);
    add_cell(&r, o->shape.d - 1, o->shape.h - 1, o->shape.w - 1);
    return r;
}

/* ---- how bright ---- */

static int by_value(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static float value_at(const ps_overlay *o, size_t at) { return o->value[at * (size_t)o->channels]; }

/* Of the box of the region at most so many cells, evenly: 1 % of them are black, and 1 % white. */
static ps_status find_range(ps_overlay *o, const region *r) {
    size_t side[AXES], cells = 1, count = 0;
    float *seen;
    for (int a = 0; a < AXES; a++) side[a] = (size_t)(r->last[a] - r->first[a]) + 1, cells *= side[a];
    size_t every = cells / RANGE_SAMPLES + 1;
    PS_TRY(PS_ALLOC(cells / every + 1, &seen, "a picture"));
    for (size_t i = 0; i < cells; i += every) {
        int w = (int)(i % side[2]), h = (int)(i / side[2] % side[1]), d = (int)(i / side[2] / side[1]);
        float v = value_at(o, element(o->shape, r->first[0] + d, r->first[1] + h, r->first[2] + w));
        if (isfinite(v)) seen[count++] = v;
    }
    if (count > 0) {
        qsort(seen, count, sizeof *seen, by_value);
        o->low = seen[count / 100], o->high = seen[count - 1 - count / 100];
    }
    ps_free(seen);
    return PS_OK;
}

/* ---- sizes ---- */

static int pixels_of(double length, double unit) {
    double pixels = floor(length / unit + 0.5);
    return pixels < 1 ? 1 : pixels > PS_PICTURE_SIDE_MOST ? PS_PICTURE_SIDE_MOST : (int)pixels;
}

/* How long a pixel is, in the unit of mm. Proportions of cells come from a file, and may be anything. */
static double unit_of(const double side[AXES], const double mm[AXES], int slices, int longest) {
    double most = fmax(side[1], side[2]), finest = fmin(mm[1], mm[2]);
    if (slices > 1) most = fmax(most, side[0]), finest = fmin(finest, mm[0]);
    bool as_it_is = longest == 0 || (slices == 1 && most / finest <= longest);
    if (as_it_is && slices > 1) return fmin(fmax(finest, most / LONGEST_SIDE), most / SHORTEST_SIDE);
    return as_it_is ? finest : most / longest;
}

static void find_sizes(ps_overlay *o, int longest) {
    ps_shape s = o->shape;
    const double *mm = o->found->file.mm, side[AXES] = {s.d * mm[0], s.h * mm[1], s.w * mm[2]};
    o->slices = s.d > 1 ? AXES : 1;
    double unit = unit_of(side, mm, o->slices, longest);
    for (int axis = 0; axis < o->slices; axis++) {
        int row = axis == 0 ? 1 : 0, column = axis == 2 ? 1 : 2;
        const int cells[AXES] = {s.d, s.h, s.w};
        o->slice[axis] = (slice){cells[row], cells[column], pixels_of(side[row], unit), pixels_of(side[column], unit)};
    }
}

/* ---- opening ---- */

static ps_status read_image(ps_overlay *o, const ps_dataset *dataset, ps_split split, int index) {
    size_t positions = ps_shape_positions(o->shape), values = positions * (size_t)o->channels;
    int16_t *label;
    if (ps_dataset_has_bytes(dataset)) PS_TRY(PS_ALLOC(values, &o->byte, "a picture"));
    else PS_TRY(PS_ALLOC(values, &o->value, "a picture"));
    PS_TRY(PS_ALLOC(positions, &label, "a picture"));
    ps_status status =
        ps_dataset_stored(dataset, split, index, o->byte != NULL ? (void *)o->byte : (void *)o->value, label);
    ps_free(label);
    return status;
}

static ps_status open_overlay(ps_overlay *o, const ps_dataset *dataset, ps_split split, int index, int longest) {
    region r;
    find_sizes(o, longest);
    PS_TRY(read_image(o, dataset, split, index));
    r = find_region(o);
    for (int a = 0; a < AXES; a++) o->middle[a] = (int)(r.sum[a] / r.count);
    return o->value != NULL ? find_range(o, &r) : PS_OK;
}

ps_status ps_overlay_open(const ps_dataset *dataset, ps_split split, int index, const ps_case *found, int longest,
                          ps_overlay **out) {
    PS_TRY(PS_ALLOC(1, out, "a picture"));
    ps_overlay *o = *out;
    o->found = found;
    o->shape = found->shape;
    o->channels = ps_dataset_sample_shape(dataset).c;
    ps_status status = open_overlay(o, dataset, split, index, longest);
    if (status == PS_OK) return PS_OK;
    ps_overlay_close(o);
    *out = NULL;
    return status;
}

void ps_overlay_close(ps_overlay *o) {
    if (o == NULL) return;
    ps_free(o->byte);
    ps_free(o->value);
    ps_free(o);
}

/* ---- drawing ---- */

static void colour_of_image(const ps_overlay *o, size_t at, double rgb[RGB]) {
    int channels = o->channels;
    if (o->byte != NULL) {
        for (int i = 0; i < RGB; i++) rgb[i] = o->byte[at * (size_t)channels + (size_t)(channels == RGB ? i : 0)];
        return;
    }
    double range = o->high - o->low, grey = range > 0 ? (value_at(o, at) - o->low) / range : 0.5;
    rgb[0] = rgb[1] = rgb[2] = grey >= 0 ? 255 * fmin(grey, 1) : 0;
}

/* As bright as it was. */
static void make_grey(double rgb[RGB]) { rgb[0] = rgb[1] = rgb[2] = 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2]; }

static void colour_of(const ps_overlay *o, ps_overlay_panel panel, size_t at, double rgb[RGB]) {
    static const uint8_t pale[RGB] = {224, 224, 192};
    uint8_t colour[RGB];
    colour_of_image(o, at, rgb);
    if (panel == PS_OVERLAY_IMAGE) return;
    make_grey(rgb);
    int label = panel == PS_OVERLAY_TRUTH ? o->found->truth[at] : o->found->predicted[at];
    if (label < 0) memcpy(colour, pale, sizeof colour);
    else if (!ps_overlay_colour(label, colour)) return;
    for (int i = 0; i < RGB; i++) rgb[i] = (rgb[i] + colour[i]) / 2;
}

static size_t place_of(const ps_overlay *o, int axis, int row, int column) {
    const int *m = o->middle;
    if (axis == 0) return element(o->shape, o->slices > 1 ? m[0] : 0, row, column);
    return axis == 1 ? element(o->shape, row, m[1], column) : element(o->shape, row, column, m[2]);
}

/* The cells of a side that a pixel covers, and how much of the first and last. */
typedef struct {
    int first, last;
    double low, high;
} span;

static span span_of(int pixel, int cells, int pixels) {
    double low = (double)pixel * cells / pixels, high = (double)(pixel + 1) * cells / pixels;
    int last = (int)ceil(high) - 1;
    return (span){(int)low, last < cells ? last : cells - 1, low, high};
}

static double part_of(const span *s, int cell) { return fmin(s->high, cell + 1.0) - fmax(s->low, cell); }

/* The mean of what lies under a pixel; what lies between slices stays transparent. */
static void draw_pixel(const ps_overlay *o, ps_overlay_panel panel, int axis, const span *row, const span *column,
                       uint8_t *pixel) {
    double sum[RGB] = {0}, weight = 0;
    for (int r = row->first; r <= row->last; r++)
        for (int c = column->first; c <= column->last; c++) {
            double rgb[RGB], part = part_of(row, r) * part_of(column, c);
            if (part <= 0) continue;
            colour_of(o, panel, place_of(o, axis, r, c), rgb);
            for (int i = 0; i < RGB; i++) sum[i] += part * rgb[i];
            weight += part;
        }
    for (int i = 0; i < RGB; i++) pixel[i] = (uint8_t)(weight > 0 ? fmin(floor(sum[i] / weight + 0.5), 255) : 0);
    pixel[RGB] = 255;
}

/* Axes of a volume run up and to the front: what is last stands on top. */
static int row_of(const ps_overlay *o, const slice *s, int row) { return o->slices > 1 ? s->height - 1 - row : row; }

static void draw_slice(const ps_overlay *o, ps_overlay_panel panel, int axis, uint8_t *corner, size_t line) {
    const slice *s = &o->slice[axis];
    for (int y = 0; y < s->height; y++) {
        span row = span_of(row_of(o, s, y), s->rows, s->height);
        for (int x = 0; x < s->width; x++) {
            span column = span_of(x, s->columns, s->width);
            draw_pixel(o, panel, axis, &row, &column, corner + (size_t)y * line + (size_t)x * RGBA);
        }
    }
}

ps_status ps_overlay_write(const ps_overlay *o, const ps_overlay_panel *panel, int panels, const char *path) {
    int height = (o->slices - 1) * GAP, width = 0, top = 0;
    uint8_t *canvas;
    for (int a = 0; a < o->slices; a++) {
        height += o->slice[a].height;
        width = o->slice[a].width > width ? o->slice[a].width : width;
    }
    int whole = panels * width + (panels - 1) * GAP;
    size_t line = (size_t)whole * RGBA;
    PS_TRY(PS_ALLOC((size_t)height * line, &canvas, "a picture"));
    for (int a = 0; a < o->slices; top += o->slice[a++].height + GAP)
        for (int i = 0; i < panels; i++)
            draw_slice(o, panel[i], a, canvas + (size_t)top * line + (size_t)(i * (width + GAP)) * RGBA, line);
    ps_status status = ps_png_write_rgba(path, height, whole, canvas);
    ps_free(canvas);
    return status;
}
