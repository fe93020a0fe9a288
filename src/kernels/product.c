#include "kernels/product.h"

#include <stdint.h>
#include <string.h>

#include "kernels/processor.h"
#include "kernels/product_simd.h"

enum {
    DEPTH = 512, /* of a slice of k */
    SMALL_DEPTH = 256,
    BLOCK_COLUMNS = 128, /* of c in a task: its packed slice of b takes 256 KiB, of the smaller depth 128 */
    BLOCK_ROWS = 240,    /* and fewest rows, for which that is packed anew */
    MOST_ROWS = 960,
    TASKS = 16, /* blocks are made large as long as there are so many, that threads end together */
    LEAST_COLUMNS = 64,
    LEAST_ROWS = 48,
    PASS_ROWS = 48, /* of a that pass by at a time: what is fetched while their neighbours are multiplied */
    SETS = 1024,    /* floats: rows a multiple of 4 KiB apart share cache sets */
    FEW_ROWS = 96,
    ONE_BLOCK = 12, /* rows; two without AVX-512 */
    LANES_MOST = 16,
    LARGE_FLOATS = 2 << 20,
    SWAPPED_ROWS = 32,     /* of c, two vectors, for which b that lies turned is read in place */
    SWAPPED_COLUMNS = 192, /* of a task, for which a is packed anew */
    SWAPPED_PASS = 6,      /* so few that they have room in a set of the nearest cache */
    SWAPPED_DEPTH = 2048,
    SMALL_SWAPPED_DEPTH = 512,
    WIDE_ROWS = 16, /* of c, for which b that lies along is read in place */
    WIDE_COLUMNS = 1024,
    WIDE_TASKS = 8,
    WIDE_FLOATS = 8 * 1024, /* of b in a slice */
    SHALLOW = 16,
    SHALLOW_COLUMNS = 2048
};

/* What a thread packs into; it stays in its second-level cache. */
typedef struct {
    _Alignas(64) float panels[DEPTH * BLOCK_COLUMNS];
    _Alignas(64) float rows[DEPTH * (PASS_ROWS + PS_PRODUCT_LINE)];
    _Alignas(64) float sums[SWAPPED_COLUMNS * SWAPPED_ROWS];
} packing_room;
static _Thread_local packing_room room;
_Static_assert(SWAPPED_DEPTH *SWAPPED_ROWS <= DEPTH * BLOCK_COLUMNS, "room for the short factor of few rows");
_Static_assert(SHALLOW *SHALLOW_COLUMNS <= DEPTH * BLOCK_COLUMNS, "room for a shallow product's factor");

static size_t smaller(size_t a, size_t b) { return a < b ? a : b; }
static size_t round_up(size_t count, size_t step) { return (count + step - 1) / step * step; }

const ps_product_kernels *ps_product_kernels_for(size_t columns) {
#if defined(__x86_64__)
    if (ps_simd_half_width(columns)) return ps_product_kernels_of_avx2();
#else
    (void)columns;
#endif
    return PS_SIMD_SELECT(ps_product_kernels_of)();
}

static const float *at(const ps_matrix *matrix, size_t row, size_t column) {
    return matrix->data + row * matrix->row + column * matrix->column;
}

/* Whether a, lying either way, is read as it lies. */
static bool a_in_place(const ps_product *p) { return (p->a.column == 1 ? p->a.row : p->a.column) % SETS != 0; }

/* A product on one thread and how it is cut: slices of k so deep, in which so many rows of a pass by at a time. stream:
 * c will have left the caches before it is read. along: one factor is so much larger than the other that all time goes
 * into reading it, in long pieces of few rows. The hardware's own prefetching does that best, so nothing is copied or
 * prefetched here. */
typedef struct {
    const ps_product *p;
    size_t depth, rows;
    bool stream, along;
} task;

/* Whether rows of b can be: whole vectors. */
static bool b_has_vectors(const ps_product *p) { return p->b.column == 1 && p->n % LANES_MOST == 0; }

/* And whether they are: for so few rows of a that packing them would not pay. */
static bool b_in_place(const task *t) {
    const ps_product *p = t->p;
    return b_has_vectors(p) && (t->along || (p->m <= FEW_ROWS && p->b.row % SETS != 0));
}

/* How deep the slice is that starts there. */
static size_t depth_at(const task *t, size_t start) { return smaller(t->depth, t->p->k - start); }

/* Rows of a: a pass of a slice. */
typedef struct {
    size_t first, rows, start, depth; /* start: of the slice */
} pass;

/* Where lines of `length` lie that are `step` apart. */
static ps_product_next lines_at(const float *data, size_t lines, size_t length, size_t step) {
    return (ps_product_next){data, lines, (length + PS_PRODUCT_LINE - 1) / PS_PRODUCT_LINE, step};
}

/* The pass after this one: the next rows, or the first of the next slice. rows 0: there is none. */
static pass pass_after(const task *t, const pass *now) {
    pass next = *now;
    next.first += now->rows, next.rows = smaller(t->rows, t->p->m - next.first);
    if (next.rows > 0 || now->start + now->depth >= t->p->k) return next;
    next.first = 0, next.rows = smaller(t->rows, t->p->m);
    next.start += now->depth, next.depth = depth_at(t, next.start);
    return next;
}

static ps_product_next rows_to_come(const task *t, const pass *now) {
    const ps_matrix *a = &t->p->a;
    pass next = pass_after(t, now);
    if (next.rows == 0) return (ps_product_next){0};
    const float *from = at(a, next.first, next.start);
    return a->column == 1 ? lines_at(from, next.rows, next.depth, a->row)
                          : lines_at(from, next.depth, next.rows, a->column);
}

/* This pass's part of the next slice of b. */
static ps_product_next slice_to_come(const task *t, const pass *now) {
    const ps_product *p = t->p;
    const ps_matrix *b = &p->b;
    size_t start = now->start + now->depth, end = now->first + now->rows;
    if (start >= p->k) return (ps_product_next){0};
    size_t depth = depth_at(t, start), lines = b->column == 1 ? depth : p->n;
    size_t first = lines * now->first / p->m, last = lines * end / p->m;
    return b->column == 1 ? lines_at(at(b, start + first, 0), last - first, p->n, b->row)
                          : lines_at(at(b, start, first), last - first, depth, b->column);
}

/* The rows of a pass where the products read them: as they lie, or copied so that they share no cache sets. */
static void find_rows(const task *t, const ps_product_kernels *kernels, const pass *at_hand, ps_product_block *block) {
    const ps_product *p = t->p;
    const ps_matrix *a = &p->a;
    const float *from = at(a, at_hand->first, at_hand->start);
    if (t->along || a_in_place(p)) {
        block->a = from, block->row_step = a->row, block->depth_step = a->column;
        return;
    }
    bool lie_along = a->column == 1;
    size_t lines = lie_along ? at_hand->rows : at_hand->depth, length = lie_along ? at_hand->depth : at_hand->rows;
    size_t step = round_up(length, PS_PRODUCT_LINE) + PS_PRODUCT_LINE, from_step = lie_along ? a->row : a->column;
    kernels->copy(from, from_step, lines, length, room.rows, step);
    block->a = room.rows;
    block->row_step = lie_along ? step : 1, block->depth_step = lie_along ? 1 : step;
}

static void find_slice(const task *t, const ps_product_kernels *kernels, size_t start, size_t depth,
                       ps_product_block *block) {
    const ps_product *p = t->p;
    const float *b = at(&p->b, start, 0);
    block->b = room.panels;
    if (b_in_place(t)) block->b = b, block->b_step = p->b.row;
    else if (p->b.column == 1) kernels->pack(b, p->b.row, depth, p->n, room.panels);
    else kernels->pack_turned(b, p->b.column, depth, p->n, room.panels);
}

/* One slice's products, all rows of the task passing by. */
static void multiply_slice(const task *t, const ps_product_kernels *kernels, size_t start) {
    const ps_product *p = t->p;
    pass now = {.start = start, .depth = depth_at(t, start)};
    ps_product_block block = {.depth = now.depth, .columns = p->n, .c_row = p->c_row};
    find_slice(t, kernels, start, now.depth, &block);
    block.accumulate = p->accumulate || start > 0;
    block.bias = start == 0 ? p->bias : NULL;
    block.stream = t->stream && start + now.depth == p->k;
    for (; now.first < p->m; now.first += now.rows) {
        now.rows = smaller(t->rows, p->m - now.first);
        block.rows = now.rows, block.c = p->c + now.first * p->c_row;
        find_rows(t, kernels, &now, &block);
        if (!t->along) block.next[0] = rows_to_come(t, &now), block.next[1] = slice_to_come(t, &now);
        kernels->multiply(&block);
    }
}

/* An empty sum is its start. */
static void start_only(const ps_product *p) {
    for (size_t i = 0; i < p->m && !p->accumulate; i++) {
        float *c = p->c + i * p->c_row;
        if (p->bias != NULL) memcpy(c, p->bias, p->n * sizeof *c);
        else memset(c, 0, p->n * sizeof *c);
    }
}

static void run_task(const task *t) {
    const ps_product_kernels *kernels = ps_product_kernels_for(t->p->n);
    if (t->p->k == 0) start_only(t->p);
    for (size_t start = 0; start < t->p->k; start += depth_at(t, start)) multiply_slice(t, kernels, start);
}

/* How c is cut: rows x columns blocks, each a task. */
typedef struct {
    const ps_product *product;
    size_t rows, columns, depth, pass;
    bool stream, along;
} cut;

static ps_product block_of(const cut *c, size_t block) {
    ps_product p = *c->product;
    size_t column = block % c->columns, row = block / c->columns;
    size_t left = ps_threads_chunk_start(round_up(p.n, 32) / 32, c->columns, column) * 32;
    size_t right = smaller(ps_threads_chunk_start(round_up(p.n, 32) / 32, c->columns, column + 1) * 32, p.n);
    size_t top = ps_threads_chunk_start(p.m, c->rows, row), bottom = ps_threads_chunk_start(p.m, c->rows, row + 1);
    p.m = bottom - top, p.n = right - left;
    p.a.data = at(&p.a, top, 0), p.b.data = at(&p.b, 0, left);
    p.c += top * p.c_row + left;
    if (p.bias != NULL) p.bias += left;
    return p;
}

static void run_block(void *context, size_t block, int worker) {
    (void)worker;
    const cut *c = context;
    ps_product p = block_of(c, block);
    run_task(&(task){&p, c->depth, c->pass, c->stream, c->along});
}

static size_t usual_depth(void) { return ps_processor_choose(DEPTH, SMALL_DEPTH); }

/* Columns first: what is packed is used for as many rows as leave enough tasks. */
static cut cut_of(const ps_product *p) {
    cut c = {p, 1, ps_threads_chunks(p->n, BLOCK_COLUMNS), usual_depth(), PASS_ROWS, false, false};
    size_t rows = p->m * c.columns / TASKS;
    if (rows > MOST_ROWS) rows = MOST_ROWS;
    c.rows = ps_threads_chunks(p->m, rows < BLOCK_ROWS ? BLOCK_ROWS : rows);
    while (c.rows * c.columns < TASKS) {
        if (p->n >= 2 * c.columns * LEAST_COLUMNS) c.columns *= 2;
        else if (p->m >= 2 * c.rows * LEAST_ROWS) c.rows *= 2;
        else break;
    }
    return c;
}

/* Few rows and a b that lies along: read in place, in long pieces, few rows of it at a time, since those a power of two
 * apart share cache sets. */
static cut cut_wide(const ps_product *p) {
    size_t columns = smaller(WIDE_COLUMNS, p->n / WIDE_TASKS);
    if (columns < LEAST_COLUMNS) columns = LEAST_COLUMNS;
    return (cut){p, 1, ps_threads_chunks(p->n, columns), WIDE_FLOATS / columns, PASS_ROWS, false, true};
}

/* So little depth that all time goes into writing c: long pieces of few rows. */
static cut cut_shallow(const ps_product *p) {
    size_t rows = p->m / TASKS;
    cut c = {.product = p, .columns = ps_threads_chunks(p->n, SHALLOW_COLUMNS), .depth = usual_depth()};
    c.rows = ps_threads_chunks(p->m, rows < LEAST_ROWS ? LEAST_ROWS : rows), c.pass = ONE_BLOCK;
    return c;
}

static cut cut_for(const ps_product *p) {
    if (p->m <= WIDE_ROWS && b_has_vectors(p)) return cut_wide(p);
    cut shallow = cut_shallow(p);
    return p->k <= SHALLOW && shallow.rows * shallow.columns >= TASKS ? shallow : cut_of(p);
}

void ps_product_here(const ps_product *p) {
    cut c = {p, 1, ps_threads_chunks(p->n, BLOCK_COLUMNS), usual_depth(), PASS_ROWS, false, false};
    for (size_t block = 0; p->m > 0 && block < c.columns; block++) run_block(&c, block, 0);
}

/* Few rows and a b that lies turned: c' = b' a', whose long factor is read as it lies, once. Every element is the same
 * sum in the same order. */
static void run_swapped(void *context, size_t block, int worker) {
    (void)worker;
    const cut *c = context;
    const ps_product *p = c->product;
    size_t first = ps_threads_chunk_start(p->n, c->columns, block), m = p->m;
    ps_product turned = {.m = ps_threads_chunk_start(p->n, c->columns, block + 1) - first, .n = m, .k = p->k};
    turned.a = (ps_matrix){at(&p->b, 0, first), p->b.column, p->b.row};
    turned.b = (ps_matrix){p->a.data, p->a.column, p->a.row};
    turned.c = room.sums, turned.c_row = m, turned.accumulate = true;
    for (size_t j = 0; j < turned.m; j++)
        for (size_t i = 0; i < m; i++)
            room.sums[j * m + i] = p->accumulate     ? p->c[i * p->c_row + first + j]
                                   : p->bias != NULL ? p->bias[first + j]
                                                     : 0.0f;
    run_task(&(task){&turned, c->depth, c->pass, false, true});
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < turned.m; j++) p->c[i * p->c_row + first + j] = room.sums[j * m + i];
}

static cut cut_swapped(const ps_product *p) {
    size_t columns = p->n / TASKS;
    if (columns > SWAPPED_COLUMNS) columns = SWAPPED_COLUMNS;
    if (columns < LEAST_ROWS) columns = LEAST_ROWS;
    size_t depth = ps_processor_choose(SWAPPED_DEPTH, SMALL_SWAPPED_DEPTH);
    return (cut){p, 1, ps_threads_chunks(p->n, columns), depth, SWAPPED_PASS, false, true};
}

void ps_product_run(const ps_product *p, ps_threads *threads) {
    if (p->m == 0 || p->n == 0) return;
    if (p->m <= SWAPPED_ROWS && p->b.column != 1) {
        cut c = cut_swapped(p);
        ps_threads_run(threads, c.columns, run_swapped, &c);
        return;
    }
    cut c = cut_for(p);
    c.stream = p->m * p->n >= LARGE_FLOATS && p->c_row % PS_PRODUCT_LINE == 0 && (uintptr_t)p->c % 64 == 0;
    ps_threads_run(threads, c.rows * c.columns, run_block, &c);
}
