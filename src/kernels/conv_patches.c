/* Convolution by patches that do not overlap: no padding, and a stride at least as long as the kernel, as when sampling
 * down by 2x2x2 with stride 2, its transpose, and 1x1 with a stride. Then every input position belongs to one output
 * position at most. For a tap (td, th) the taps along w of a patch are one stretch of kw * c floats in memory, and
 * the stretches of the patches of an output line lie at even distances: a slice, the left factor of a matrix product
 * (product_simd.h) that is read where it lies. Backward-data writes such slices, each once. Slices of short lines
 * are brought together first; those of the weight gradient are always, since one line is too short to sum over.
 * Relative L2 error as the direct method's: sums in sequence. */
#include <string.h>

#include "kernels/conv_method.h"
#include "kernels/product_simd.h"

enum {
    TASK_POSITIONS = 256, /* of a task: what it reads and writes stays in the second-level cache */
    TASKS = 16,           /* wanted, of fewer positions if need be, but not below: */
    LEAST_POSITIONS = 24,
    DEPTH = 512,              /* of a product: a panel of weights takes 64 KiB */
    GRADIENT_POSITIONS = 128, /* copied at a time */
    SHORT = 12,               /* lines of fewer positions are brought together */
    LEAVES = 16,              /* sums of the weight gradient that are held at once */
    LEAVES_FLOATS = 4 << 20,  /* and the room they may take together: 16 MiB */
    LEAF_POSITIONS = 256      /* least of one */
};

typedef struct {
    const ps_conv_shape *s;
    const ps_product_kernels *kernels;
    size_t c, k, od, oh, ow;
    size_t slices, stretch, row; /* kd * kh; kw * c; all of a filter's weights */
    size_t lines;                /* n * od * oh */
    size_t x_step;               /* floats from a patch to the next */
} patches;

static patches patches_of(const ps_conv_shape *s, size_t columns) {
    patches p = {.s = s, .kernels = ps_product_kernels_for(columns), .c = (size_t)s->c, .k = (size_t)s->k};
    p.od = (size_t)ps_conv_out_d(s), p.oh = (size_t)ps_conv_out_h(s), p.ow = (size_t)ps_conv_out_w(s);
    p.slices = (size_t)s->kd * (size_t)s->kh, p.stretch = (size_t)s->kw * p.c, p.row = p.slices * p.stretch;
    p.lines = (size_t)s->n * p.od * p.oh, p.x_step = (size_t)s->stride_w * p.c;
    return p;
}

static bool apart(int kernel, int stride, int pad, int dilation) {
    return pad == 0 && stride >= kernel && (dilation == 1 || kernel == 1);
}

static bool can(const ps_conv_shape *s) {
    return s->groups == 1 && (s->stride_d > 1 || s->stride_h > 1 || s->stride_w > 1) &&
           apart(s->kd, s->stride_d, s->pad_d, s->dilation_d) && apart(s->kh, s->stride_h, s->pad_h, s->dilation_h) &&
           apart(s->kw, s->stride_w, s->pad_w, s->dilation_w);
}

/* Where the slice of an output line begins in the map of inputs. */
static size_t slice_at(const patches *p, size_t line, size_t slice) {
    const ps_conv_shape *s = p->s;
    size_t oh = line % p->oh, od = line / p->oh % p->od, n = line / p->oh / p->od;
    size_t d = od * (size_t)s->stride_d + slice / (size_t)s->kh, h = oh * (size_t)s->stride_h + slice % (size_t)s->kh;
    return ((n * (size_t)s->d + d) * (size_t)s->h + h) * (size_t)s->w * p->c;
}

static size_t smaller(size_t a, size_t b) { return a < b ? a : b; }

/* Of the panel that begins at column `first` of so many. */
static size_t panel_columns(const patches *p, size_t columns, size_t first) {
    return smaller(columns - first, p->kernels->panel);
}

/* ---- Forward and backward-data ---- */

/* A right factor, [depth][columns] a slice, packed: pieces of the depth, in each panels. */
typedef struct {
    size_t depth, columns, slices;
    float *panels;
} factor;

static size_t factor_floats(const factor *f) { return f->slices * f->depth * ps_conv_round16(f->columns); }

typedef struct {
    patches p;
    factor weights;
    const float *w, *source, *bias;
    float *target, *room;
    bool backward, accumulate;
    size_t chunks, room_floats; /* of a worker; 0: lines are long enough to be multiplied as they lie */
} sweep;

/* Forward multiplies by weights [kw * c][k], backward-data by [k][kw * c]. */
static factor factor_of(const patches *p, bool backward) {
    return (factor){backward ? p->k : p->stretch, backward ? p->stretch : p->k, p->slices, NULL};
}

static float *piece_at(const factor *f, size_t slice, size_t start) {
    return f->panels + (slice * f->depth + start) * ps_conv_round16(f->columns);
}

static void pack_piece(void *context, size_t chunk, int worker) {
    (void)worker;
    const sweep *run = context;
    const patches *p = &run->p;
    const factor *f = &run->weights;
    size_t pieces = ps_threads_chunks(f->depth, DEPTH), slice = chunk / pieces, start = chunk % pieces * DEPTH;
    size_t depth = smaller(DEPTH, f->depth - start);
    const float *w = run->w + slice * p->stretch;
    float *to = piece_at(f, slice, start);
    if (run->backward) p->kernels->pack(w + start * p->row, p->row, depth, f->columns, to);
    else p->kernels->pack_turned(w + start, p->row, depth, f->columns, to);
}

/* A line's rows; where they lie next to each other on both sides, as one. */
static void copy_rows(const patches *p, const float *from, size_t from_step, size_t length, float *to, size_t to_step) {
    bool one = from_step == length && to_step == length;
    p->kernels->copy(from, from_step, one ? 1 : p->ow, one ? p->ow * length : length, to, to_step);
}

/* Lines [first, last) of a slice, between the map and rows next to each other. */
static void gather(const patches *p, const float *map, size_t slice, size_t first, size_t last, size_t length,
                   float *to) {
    for (size_t line = first; line < last; line++, to += p->ow * length)
        copy_rows(p, map + slice_at(p, line, slice), p->x_step, length, to, length);
}

static void spread(const patches *p, const float *from, size_t slice, size_t first, size_t last, size_t length,
                   float *map) {
    for (size_t line = first; line < last; line++, from += p->ow * length)
        copy_rows(p, from, length, length, map + slice_at(p, line, slice), p->x_step);
}

/* What the product makes of some of the depth and columns of a slice, for lines [first, last). */
typedef struct {
    size_t slice, start, depth, column, columns, first, last;
    float *room; /* of the worker: as many rows as a task has positions */
} share;

static ps_product_block block_of(const sweep *run, const share *part) {
    const patches *p = &run->p;
    const factor *f = &run->weights;
    size_t outputs = part->first * p->ow * p->k;
    ps_product_block block = {.depth = part->depth, .columns = part->columns, .depth_step = 1};
    block.b = piece_at(f, part->slice, part->start) + part->depth * part->column;
    block.accumulate = run->accumulate || part->start > 0 || (!run->backward && part->slice > 0);
    block.bias = block.accumulate || run->bias == NULL ? NULL : run->bias + part->column;
    if (run->backward) block.a = run->source + outputs + part->start, block.row_step = p->k;
    else block.c = run->target + outputs + part->column, block.c_row = p->k;
    return block;
}

/* Short lines: rows of many are brought together. */
static void multiply_gathered(const sweep *run, const share *part) {
    const patches *p = &run->p;
    ps_product_block block = block_of(run, part);
    block.rows = (part->last - part->first) * p->ow;
    if (!run->backward) {
        if (part->column == 0)
            gather(p, run->source + part->start, part->slice, part->first, part->last, part->depth, part->room);
        block.a = part->room, block.row_step = part->depth;
        p->kernels->multiply(&block);
        return;
    }
    float *map = run->target + part->column;
    if (block.accumulate) gather(p, map, part->slice, part->first, part->last, part->columns, part->room);
    block.c = part->room, block.c_row = part->columns;
    p->kernels->multiply(&block);
    spread(p, part->room, part->slice, part->first, part->last, part->columns, map);
}

/* What the next line reads of the inputs for the first time, or is about to write there. */
static ps_product_next inputs_to_come(const sweep *run, const share *part, size_t line) {
    const patches *p = &run->p;
    size_t at = slice_at(p, line, part->slice), length = run->backward ? part->columns : part->depth;
    if (run->backward ? part->start > 0 : part->column > 0) return (ps_product_next){0};
    const float *from = run->backward ? run->target + part->column : run->source + part->start;
    return (ps_product_next){from + at, p->ow, ps_conv_round16(length) / PS_PRODUCT_LINE, p->x_step};
}

static void multiply_lines(const sweep *run, const share *part) {
    const patches *p = &run->p;
    ps_product_block block = block_of(run, part);
    block.rows = p->ow;
    for (size_t line = part->first; line < part->last; line++) {
        size_t inputs = slice_at(p, line, part->slice);
        if (run->backward) block.c = run->target + inputs + part->column, block.c_row = p->x_step;
        else block.a = run->source + inputs + part->start, block.row_step = p->x_step;
        block.next[0] = line + 1 < part->last ? inputs_to_come(run, part, line + 1) : (ps_product_next){0};
        p->kernels->multiply(&block);
        if (run->backward) block.a += p->ow * p->k;
        else block.c += p->ow * p->k;
    }
}

/* Inputs of lines [first, last) of the output, the last ones of a plane and of an image with the rest beyond them, that
 * no patch holds: the bias, or 0. */
static void fill_inputs(const sweep *run, size_t first, size_t last) {
    const patches *p = &run->p;
    const ps_conv_shape *s = p->s;
    size_t width = (size_t)s->w * p->c;
    for (size_t line = first; line < last; line++) {
        size_t oh = line % p->oh, od = line / p->oh % p->od, n = line / p->oh / p->od;
        size_t d_end = od + 1 < p->od ? (od + 1) * (size_t)s->stride_d : (size_t)s->d;
        size_t h_end = oh + 1 < p->oh ? (oh + 1) * (size_t)s->stride_h : (size_t)s->h;
        for (size_t d = od * (size_t)s->stride_d; d < d_end; d++)
            for (size_t h = oh * (size_t)s->stride_h; h < h_end; h++) {
                float *to = run->target + ((n * (size_t)s->d + d) * (size_t)s->h + h) * width;
                if (run->bias == NULL) memset(to, 0, width * sizeof *to);
                else
                    for (size_t w = 0; w < (size_t)s->w; w++) memcpy(to + w * p->c, run->bias, p->c * sizeof *to);
            }
    }
}

static bool covers(const patches *p) {
    const ps_conv_shape *s = p->s;
    return s->kd == s->stride_d && s->kh == s->stride_h && s->kw == s->stride_w &&
           p->od * (size_t)s->kd == (size_t)s->d && p->oh * (size_t)s->kh == (size_t)s->h &&
           p->ow * (size_t)s->kw == (size_t)s->w;
}

/* Panel by panel, so that its weights stay in the nearest cache while lines pass by. */
static void sweep_lines(void *context, size_t chunk, int worker) {
    const sweep *run = context;
    const patches *p = &run->p;
    const factor *f = &run->weights;
    size_t first = ps_threads_chunk_start(p->lines, run->chunks, chunk),
           last = ps_threads_chunk_start(p->lines, run->chunks, chunk + 1);
    if (run->backward && !run->accumulate && !covers(p)) fill_inputs(run, first, last);
    share part = {.first = first, .last = last, .room = run->room + (size_t)worker * run->room_floats};
    for (part.slice = 0; part.slice < f->slices; part.slice++)
        for (part.start = 0; part.start < f->depth; part.start += DEPTH) {
            part.depth = smaller(DEPTH, f->depth - part.start);
            for (part.column = 0; part.column < f->columns; part.column += p->kernels->panel) {
                part.columns = panel_columns(p, f->columns, part.column);
                if (run->room_floats > 0) multiply_gathered(run, &part);
                else multiply_lines(run, &part);
            }
        }
}

static sweep sweep_of(const ps_conv_shape *s, bool backward) {
    size_t stretch = (size_t)s->kw * (size_t)s->c;
    sweep run = {.p = patches_of(s, backward ? stretch : (size_t)s->k), .backward = backward};
    run.weights = factor_of(&run.p, backward);
    size_t positions = run.p.lines * run.p.ow / TASKS;
    if (positions > TASK_POSITIONS) positions = TASK_POSITIONS;
    if (positions < LEAST_POSITIONS) positions = LEAST_POSITIONS;
    size_t lines = (positions + run.p.ow - 1) / run.p.ow;
    run.chunks = ps_threads_chunks(run.p.lines, lines);
    if (run.p.ow < SHORT)
        run.room_floats = lines * run.p.ow * ps_conv_round16(backward ? run.p.kernels->panel : smaller(DEPTH, stretch));
    return run;
}

static void run_sweep(sweep *run, ps_threads *threads) {
    ps_threads_run(threads, run->weights.slices * ps_threads_chunks(run->weights.depth, DEPTH), pack_piece, run);
    ps_threads_run(threads, run->chunks, sweep_lines, run);
}

static void patches_forward(const ps_conv_shape *s, const float *x, const float *w, const float *bias, float *y,
                            void *workspace, ps_threads *threads) {
    sweep run = sweep_of(s, false);
    run.w = w, run.source = x, run.bias = bias, run.target = y, run.weights.panels = workspace;
    run.room = run.weights.panels + factor_floats(&run.weights);
    run_sweep(&run, threads);
}

static void patches_backward_data(const ps_conv_shape *s, const float *dy, const float *w, const float *bias, float *dx,
                                  bool accumulate, void *workspace, ps_threads *threads) {
    sweep run = sweep_of(s, true);
    run.w = w, run.source = dy, run.target = dx, run.accumulate = accumulate, run.weights.panels = workspace;
    float *repeated = run.weights.panels + factor_floats(&run.weights); /* one for each tap along w */
    for (int tap = 0; tap < s->kw && bias != NULL; tap++)
        memcpy(repeated + (size_t)tap * run.p.c, bias, run.p.c * sizeof *bias);
    if (bias != NULL) run.bias = repeated;
    run.room = repeated + ps_conv_round16(run.p.stretch);
    run_sweep(&run, threads);
}

/* ---- The weight gradient ---- */

typedef struct {
    patches p;
    const float *x, *dy;
    float *dw, *parts, *room;
    size_t floats, room_floats, positions; /* of the gradient; of a worker; copied at a time */
    size_t blocks, pieces;                 /* of filters and of slices, tasks of a leaf */
    ps_gradient_cut cut;
} gradient;

static gradient gradient_of(const ps_conv_shape *s) {
    gradient g = {.p = patches_of(s, (size_t)s->kw * (size_t)s->c)};
    const patches *p = &g.p;
    size_t items = p->lines / (size_t)s->n;
    g.floats = p->k * p->row;
    size_t leaves = ps_threads_chunks(ps_reduce_batch((size_t)s->n) * items * p->ow, LEAF_POSITIONS);
    g.cut = ps_cut_gradient((size_t)s->n, items, ps_leaf_sum_step(g.floats), smaller(leaves, LEAVES), LEAVES_FLOATS);
    leaves = g.cut.leaves.parts * g.cut.leaves.shards.whole;
    g.pieces = leaves < TASKS ? p->slices : 1;
    g.blocks = leaves * g.pieces < TASKS ? smaller(ps_threads_chunks(p->k, 32), TASKS / (leaves * g.pieces)) : 1;
    g.positions = (GRADIENT_POSITIONS + p->ow - 1) / p->ow * p->ow;
    g.room_floats = g.positions * ps_conv_round16(p->stretch);
    return g;
}

/* A slice of lines [first, last) as the product reads it: panels of [positions][panel]. What the last panel has beyond
 * the columns only goes into sums that are not stored. */
static void copy_slice(const gradient *g, size_t slice, size_t first, size_t last, float *to) {
    const patches *p = &g->p;
    size_t positions = (last - first) * p->ow, half = p->kernels->panel / 2;
    for (size_t column = 0; column < p->stretch; column += p->kernels->panel) {
        size_t length = panel_columns(p, p->stretch, column), width = length > half ? p->kernels->panel : half;
        for (size_t line = first; line < last; line++)
            copy_rows(p, g->x + slice_at(p, line, slice) + column, p->x_step, length,
                      to + (line - first) * p->ow * width, width);
        to += positions * width;
    }
}

/* Lines [first, last) of a slice, where they will be wanted next; up to the end of a plane. */
static ps_product_next slice_to_come(const gradient *g, size_t slice, size_t first, size_t last) {
    const patches *p = &g->p;
    if (first >= last) return (ps_product_next){0};
    size_t lines = smaller(last - first, p->oh - first % p->oh);
    return (ps_product_next){g->x + slice_at(p, first, slice), lines, p->ow * p->x_step / PS_PRODUCT_LINE,
                             (size_t)p->s->stride_h * (size_t)p->s->w * p->c};
}

/* Filters [top, bottom), slices [low, high), lines [begin, end) of a leaf. */
typedef struct {
    size_t top, bottom, low, high, begin, end;
} block_of_sums;

static void sum_lines(const gradient *g, const block_of_sums *b, size_t first, size_t last, float *room, float *part) {
    const patches *p = &g->p;
    for (size_t slice = b->low; slice < b->high; slice++) {
        bool wraps = slice + 1 == b->high;
        size_t next = wraps ? last : first;
        copy_slice(g, slice, first, last, room);
        ps_product_block product = {.b = room, .rows = b->bottom - b->top, .depth = (last - first) * p->ow};
        product.a = g->dy + first * p->ow * p->k + b->top, product.row_step = 1, product.depth_step = p->k;
        product.columns = p->stretch, product.c_row = p->row;
        product.c = part + b->top * p->row + slice * p->stretch;
        product.accumulate = first > b->begin;
        size_t end = smaller(next + (last - first), b->end);
        product.next[0] = slice_to_come(g, wraps ? b->low : slice + 1, next, end);
        if (wraps && end > next)
            product.next[1] = (ps_product_next){g->dy + next * p->ow * p->k + b->top, (end - next) * p->ow,
                                                ps_conv_round16(b->bottom - b->top) / PS_PRODUCT_LINE, p->k};
        p->kernels->multiply(&product);
    }
}

static void sum_leaf(void *context, size_t chunk, int worker) {
    const gradient *g = context;
    const patches *p = &g->p;
    size_t block = chunk % g->blocks, piece = chunk / g->blocks % g->pieces, leaf = chunk / g->blocks / g->pieces;
    block_of_sums b = {ps_threads_chunk_start(p->k, g->blocks, block),
                       ps_threads_chunk_start(p->k, g->blocks, block + 1),
                       ps_threads_chunk_start(p->slices, g->pieces, piece),
                       ps_threads_chunk_start(p->slices, g->pieces, piece + 1),
                       ps_leaves_start(&g->cut.leaves, leaf),
                       ps_leaves_start(&g->cut.leaves, leaf + 1)};
    float *room = g->room + (size_t)worker * g->room_floats;
    float *part = ps_leaf_sum(g->parts, g->dw, g->cut.leaves.count, g->floats, leaf);
    if (b.begin == b.end && block + piece == 0) memset(part, 0, g->floats * sizeof *part);
    size_t lines = g->positions / p->ow;
    for (size_t first = b.begin; first < b.end; first += lines)
        sum_lines(g, &b, first, smaller(first + lines, b.end), room, part);
}

static void patches_backward_weights(const ps_conv_shape *s, const float *x, const float *dy, float *dw,
                                     void *workspace, ps_threads *threads) {
    gradient g = gradient_of(s);
    size_t leaves = g.cut.leaves.count;
    g.x = x, g.dy = dy, g.dw = dw, g.parts = workspace;
    g.room = g.parts + ps_leaf_sums_floats(leaves, g.floats);
    ps_threads_run(threads, leaves * g.pieces * g.blocks, sum_leaf, &g);
    ps_leaf_sums_add(g.parts, dw, leaves, g.floats, threads);
}

static size_t patches_workspace(const ps_conv_shape *s, ps_conv_pass pass, int threads) {
    if (pass == PS_CONV_BACKWARD_WEIGHTS) {
        gradient g = gradient_of(s);
        size_t sums = ps_leaf_sums_floats(g.cut.leaves.count, g.floats);
        return (sums + (size_t)threads * g.room_floats) * sizeof(float);
    }
    sweep run = sweep_of(s, pass == PS_CONV_BACKWARD_DATA);
    size_t repeated = ps_conv_round16(run.p.stretch); /* the bias */
    return (factor_floats(&run.weights) + repeated + (size_t)threads * run.room_floats) * sizeof(float);
}

/* In nanoseconds: 115 products each; a product of few columns, little depth or few rows is all start and end. For 1x1
 * the method pointwise brings all positions together and multiplies in larger blocks. */
static double patches_cost(const ps_conv_shape *s, ps_conv_pass pass) {
    if (!can(s)) return -1.0;
    bool of_weights = pass == PS_CONV_BACKWARD_WEIGHTS;
    patches p = patches_of(s, 32);
    double leaves = 1.0;
    if (of_weights) {
        ps_gradient_cut cut = gradient_of(s).cut;
        if (cut.depth_first) return -1.0;
        leaves = (double)cut.leaves.count;
    }
    double wide = pass == PS_CONV_FORWARD ? p.k : p.stretch;
    double deep = of_weights ? GRADIENT_POSITIONS : pass == PS_CONV_FORWARD ? p.stretch : p.k;
    double rows = of_weights ? p.k : p.ow < SHORT ? SHORT : p.ow;
    double lanes = wide <= 40 ? 8 : 16, waste = (double)ps_threads_chunks((size_t)wide, (size_t)lanes) * lanes / wide;
    if (ps_conv_taps(s) == 1) waste *= of_weights ? 1.0 + (double)p.c / 512.0 : 1.3;
    double read = (double)p.lines * p.ow * p.row, written = (double)p.lines * p.ow * p.k, weights = (double)p.k * p.row;
    return 1500.0 + ps_conv_macs(s) * waste * (1.0 + 12.0 / deep) * (1.0 + 1.0 / rows) / 115.0 +
           0.05 * (read + written) + 0.2 * weights * leaves;
}

const ps_conv_method ps_conv_method_patches = {
    "patches",
    true,
    true,
    patches_cost,
    patches_workspace,
    patches_forward,
    patches_backward_data,
    patches_backward_weights,
};
