#include "task/surface.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"

/* ---- marching cubes ---- */

/* Corner i of the cube lies at (i >> 2 & 1, i >> 1 & 1, i & 1); an edge is the pair of its corners, and stands for the
 * point in its middle. A polygon has at most six of them, since the fewer corners are cut off. */
enum { CORNERS = 8, MOST_POINTS = 8 };

typedef struct {
    double x[3];
} point;

static point middle(int edge) {
    int a = edge / CORNERS, b = edge % CORNERS;
    point p;
    for (int axis = 0; axis < 3; axis++) p.x[axis] = ((a >> (2 - axis) & 1) + (b >> (2 - axis) & 1)) / 2.0;
    return p;
}

static int edge_of(int a, int b) { return a < b ? a * CORNERS + b : b * CORNERS + a; }
static bool is_in(int code, int corner) { return (code & 128 >> corner) != 0; }

/* Edges that are neighbours in a polygon; every edge that is cut lies on two faces, and so has two. */
typedef struct {
    int next[CORNERS * CORNERS][2];
    int count[CORNERS * CORNERS];
} links;

static void join(links *l, int a, int b) {
    l->next[a][l->count[a]++] = b;
    l->next[b][l->count[b]++] = a;
}

/* corner[4]: of a face, in a circle. */
static void cut_face(links *l, int code, const int corner[4], bool cut_off) {
    int edge[4], cut[4], cuts = 0;
    for (int i = 0; i < 4; i++) {
        edge[i] = edge_of(corner[i], corner[(i + 1) % 4]);
        if (is_in(code, corner[i]) != is_in(code, corner[(i + 1) % 4])) cut[cuts++] = i;
    }
    if (cuts == 2) join(l, edge[cut[0]], edge[cut[1]]);
    for (int i = 0; i < 4 && cuts == 4; i++)
        if (is_in(code, corner[i]) == cut_off) join(l, edge[i], edge[(i + 3) % 4]);
}

static links cut_cube(int code) {
    static const int circle[4][2] = {{0, 0}, {0, 1}, {1, 1}, {1, 0}};
    links l = {.count = {0}};
    int inside = 0;
    for (int i = 0; i < CORNERS; i++) inside += is_in(code, i);
    for (int face = 0; face < 6; face++) {
        int axis = face / 2, one = (axis + 1) % 3, two = (axis + 2) % 3, corner[4];
        for (int i = 0; i < 4; i++)
            corner[i] = face % 2 << (2 - axis) | circle[i][0] << (2 - one) | circle[i][1] << (2 - two);
        cut_face(&l, code, corner, inside <= 4);
    }
    return l;
}

/* scale: areas of the cell's three sides; 1, 1, 1 for a cube. */
static double triangle(point a, point b, point c, const double scale[3]) {
    double sum = 0;
    for (int i = 0; i < 3; i++) {
        int j = (i + 1) % 3, k = (i + 2) % 3;
        double n = (b.x[j] - a.x[j]) * (c.x[k] - a.x[k]) - (b.x[k] - a.x[k]) * (c.x[j] - a.x[j]);
        sum += n * n * scale[i] * scale[i];
    }
    return sqrt(sum) / 2;
}

/* Of points first .. last of a polygon: the largest area of its triangles for cubic cells; with the scale, theirs. */
static double triangles(const point *p, int first, int last, const double scale[3], double *scaled) {
    static const double cube[3] = {1, 1, 1};
    double best = 0;
    *scaled = 0;
    for (int k = first + 1; k < last; k++) {
        double left, right,
            area = triangles(p, first, k, scale, &left) + triangles(p, k, last, scale, &right) +
                   triangle(p[first], p[k], p[last], cube);
        if (area <= best + 1e-9) continue;
        best = area;
        *scaled = left + right + triangle(p[first], p[k], p[last], scale);
    }
    return best;
}

/* The polygon that an edge lies on; its edges are marked. */
static double polygon(const links *l, int first, bool *seen, const double scale[3]) {
    point p[MOST_POINTS];
    int count = 0, before = -1;
    double area;
    for (int edge = first; count < MOST_POINTS && !seen[edge];) {
        int next = l->next[edge][0] != before ? l->next[edge][0] : l->next[edge][1];
        seen[edge] = true;
        p[count++] = middle(edge);
        before = edge;
        edge = next;
    }
    triangles(p, 0, count - 1, scale, &area);
    return area;
}

void ps_surface_areas(const double mm[3], double area[256]) {
    const double scale[3] = {mm[1] * mm[2], mm[0] * mm[2], mm[0] * mm[1]};
    for (int code = 0; code < 256; code++) {
        links l = cut_cube(code);
        bool seen[CORNERS * CORNERS] = {false};
        area[code] = 0;
        for (int edge = 0; edge < CORNERS * CORNERS; edge++)
            if (l.count[edge] == 2 && !seen[edge]) area[code] += polygon(&l, edge, seen, scale);
    }
}

/* One corner, or all but one: half a diagonal. Two side by side: a side. Two opposite ones: two half diagonals. */
void ps_surface_lengths(const double mm[3], double length[16]) {
    double half = hypot(mm[1], mm[2]) / 2;
    for (int code = 0; code < 16; code++) {
        bool a = (code & 8) != 0, b = (code & 4) != 0, c = (code & 2) != 0, d = (code & 1) != 0;
        int inside = a + b + c + d;
        length[code] = inside == 1 || inside == 3 ? half : 0;
        if (inside == 2) length[code] = a == d ? 2 * half : a == b ? mm[2] : mm[1];
    }
}

/* ---- distances ---- */

typedef struct {
    double *square;
    size_t inner, length; /* of the axis: its step, and positions along it */
    double mm;
    double *room; /* [workers][length][3] */
    size_t lines, chunks;
} axis_job;

/* f [length], step apart, becomes the smallest (x - y)^2 + f(y) over y: the lower envelope of parabolas, whose places
 * and ends are held in `at` and `end`. */
static void lower(double *f, size_t step, size_t length, double mm, double *at, double *end, double *copy) {
    size_t count = 0;
    for (size_t i = 0; i < length; i++) {
        double own = f[i * step], x = (double)i * mm;
        copy[i] = own;
        if (isinf(own)) continue;
        double start = -INFINITY;
        while (count > 0) {
            double other = at[count - 1] * mm;
            start = ((own + x * x) - (copy[(size_t)at[count - 1]] + other * other)) / (2 * (x - other));
            if (start > end[count - 1]) break;
            count--;
            start = -INFINITY;
        }
        at[count] = (double)i;
        end[count++] = start;
    }
    for (size_t i = 0, k = 0; i < length && count > 0; i++) {
        while (k + 1 < count && end[k + 1] < (double)i * mm) k++;
        double away = ((double)i - at[k]) * mm;
        f[i * step] = away * away + copy[(size_t)at[k]];
    }
}

static void axis_chunk(void *context, size_t chunk, int worker) {
    const axis_job *j = context;
    double *room = j->room + (size_t)worker * 3 * j->length;
    size_t last = ps_threads_chunk_start(j->lines, j->chunks, chunk + 1);
    for (size_t line = ps_threads_chunk_start(j->lines, j->chunks, chunk); line < last; line++) {
        double *f = j->square + line / j->inner * j->inner * j->length + line % j->inner;
        lower(f, j->inner, j->length, j->mm, room, room + j->length, room + 2 * j->length);
    }
}

static int workers_of(ps_threads *threads) { return threads != NULL ? ps_threads_count(threads) : 1; }

ps_status ps_surface_distances(double *square, ps_shape grid, const double mm[3], ps_threads *threads) {
    const size_t side[3] = {(size_t)grid.d, (size_t)grid.h, (size_t)grid.w};
    size_t all = side[0] * side[1] * side[2], inner = 1, longest = side[0] > side[1] ? side[0] : side[1];
    double *room;
    if (side[2] > longest) longest = side[2];
    PS_TRY(PS_ALLOC((size_t)workers_of(threads) * 3 * longest, &room, "distances"));
    for (int axis = 2; axis >= 0; axis--) {
        axis_job j = {square, inner, side[axis], mm[axis], room, all / side[axis], 0};
        j.chunks = ps_threads_chunks(all, 32768);
        if (j.chunks > j.lines) j.chunks = j.lines;
        if (side[axis] > 1) ps_threads_run(threads, j.chunks, axis_chunk, &j);
        inner *= side[axis];
    }
    ps_free(room);
    return PS_OK;
}

/* ---- surfaces ---- */

/* Corners of the box around both, one more than voxels along each axis (but for d in 2D). */
typedef struct {
    const int16_t *map[2], *truth; /* truth, predicted */
    ps_shape shape, grid;
    int first[3]; /* voxel of the box's first corner */
    int k;
    bool flat;
    uint8_t *code[2];
    double *square[2];
    double area[256];
} surfaces;

typedef struct {
    double away, area;
} element;

typedef struct {
    element *element;
    size_t count;
    double area, near; /* of all, and of those within the tolerance */
} surface;

static bool is_class(const surfaces *s, int which, size_t at) { return s->map[which][at] == s->k && s->truth[at] >= 0; }

/* The box around all voxels of the class in either map; false where there is none. */
static bool find_box(surfaces *s, int last[3]) {
    bool any = false;
    size_t at = 0;
    for (int d = 0; d < s->shape.d; d++)
        for (int h = 0; h < s->shape.h; h++)
            for (int w = 0; w < s->shape.w; w++, at++) {
                if (!is_class(s, 0, at) && !is_class(s, 1, at)) continue;
                const int place[3] = {d, h, w};
                for (int a = 0; a < 3; a++) {
                    s->first[a] = !any || place[a] < s->first[a] ? place[a] : s->first[a];
                    last[a] = !any || place[a] > last[a] ? place[a] : last[a];
                }
                any = true;
            }
    return any;
}

/* Every voxel of the class puts its bit into the corners around it. */
static void set_codes(surfaces *s, int which, const int last[3]) {
    int depths = s->flat ? 1 : 2;
    for (int d = s->first[0]; d <= last[0]; d++)
        for (int h = s->first[1]; h <= last[1]; h++)
            for (int w = s->first[2]; w <= last[2]; w++) {
                if (!is_class(s, which, ((size_t)d * (size_t)s->shape.h + (size_t)h) * (size_t)s->shape.w + (size_t)w))
                    continue;
                for (int i = 0; i < 4 * depths; i++) {
                    int z = d - s->first[0] + (i >> 2 & 1), y = h - s->first[1] + (i >> 1 & 1),
                        x = w - s->first[2] + (i & 1);
                    /* Seen from the corner the voxel is neighbour 7 - i (2D: 3 - i). */
                    s->code[which][((size_t)z * (size_t)s->grid.h + (size_t)y) * (size_t)s->grid.w + (size_t)x] |=
                        (uint8_t)(1 << i);
                }
            }
}

static bool is_surface(const surfaces *s, int which, size_t at) {
    return s->code[which][at] != 0 && s->code[which][at] != (s->flat ? 15 : 255);
}

static ps_status prepare(surfaces *s, const int last[3], const double mm[3], ps_threads *threads) {
    s->grid = (ps_shape){1, 1, last[0] - s->first[0] + 2, last[1] - s->first[1] + 2, last[2] - s->first[2] + 2};
    if (s->flat) s->grid.d = 1;
    size_t corners = ps_shape_positions(s->grid);
    for (int which = 0; which < 2; which++) {
        PS_TRY(PS_ALLOC(corners, &s->code[which], "surfaces"));
        PS_TRY(PS_ALLOC(corners, &s->square[which], "surfaces"));
        set_codes(s, which, last);
        for (size_t i = 0; i < corners; i++) s->square[which][i] = is_surface(s, which, i) ? 0.0 : (double)INFINITY;
        PS_TRY(ps_surface_distances(s->square[which], s->grid, mm, threads));
    }
    if (s->flat) ps_surface_lengths(mm, s->area);
    else ps_surface_areas(mm, s->area);
    return PS_OK;
}

static int by_distance(const void *a, const void *b) {
    const element *x = a, *y = b;
    if (x->away != y->away) return x->away < y->away ? -1 : 1;
    return (x->area > y->area) - (x->area < y->area);
}

static ps_status measure(const surfaces *s, int which, double tolerance, surface *out) {
    size_t corners = ps_shape_positions(s->grid);
    for (size_t i = 0; i < corners; i++) out->count += is_surface(s, which, i);
    PS_TRY(PS_ALLOC(out->count + 1, &out->element, "surfaces"));
    size_t n = 0;
    for (size_t i = 0; i < corners; i++)
        if (is_surface(s, which, i))
            out->element[n++] = (element){sqrt(s->square[1 - which][i]), s->area[s->code[which][i]]};
    qsort(out->element, out->count, sizeof *out->element, by_distance);
    for (size_t i = 0; i < out->count; i++) {
        out->area += out->element[i].area;
        if (out->element[i].away <= tolerance) out->near += out->element[i].area;
    }
    return PS_OK;
}

/* The distance of the first element with which 95 % of the area are reached. */
static double within_95(const surface *s) {
    double sum = 0;
    if (s->count == 0) return (double)INFINITY;
    for (size_t i = 0; i < s->count; i++)
        if ((sum += s->element[i].area) / s->area >= 0.95) return s->element[i].away;
    return s->element[s->count - 1].away;
}

ps_status ps_surface_compare(const int16_t *truth, const int16_t *predicted, ps_shape shape, int k, const double mm[3],
                             double tolerance_mm, ps_threads *threads, ps_surface_agreement *out) {
    surfaces s = {.map = {truth, predicted}, .truth = truth, .shape = shape, .k = k, .flat = shape.d == 1};
    surface side[2] = {{.count = 0}, {.count = 0}};
    ps_status status = PS_OK;
    int last[3];
    *out = (ps_surface_agreement){(double)NAN, (double)NAN};
    if (!find_box(&s, last)) return PS_OK;
    PS_TRY_CLEANUP(prepare(&s, last, mm, threads));
    for (int which = 0; which < 2; which++) PS_TRY_CLEANUP(measure(&s, which, tolerance_mm, &side[which]));
    out->nsd = (side[0].near + side[1].near) / (side[0].area + side[1].area);
    out->hd95 = fmax(within_95(&side[0]), within_95(&side[1]));
cleanup:
    for (int which = 0; which < 2; which++) {
        ps_free(s.code[which]);
        ps_free(s.square[which]);
        ps_free(side[which].element);
    }
    return status;
}
