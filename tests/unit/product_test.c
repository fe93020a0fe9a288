/* Matrix products against sums in double, in every way the factors can lie, and the same bits however they are cut. */
#include "kernels/product.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "tests/lib/kernel_test.h"

typedef struct {
    size_t m, n, k, spare; /* spare: floats between rows that belong to nobody */
    bool a_turned, b_turned, accumulate, bias;
} product_case;

/* Sizes below, at and above a vector, a register block, a slice, a block of columns and of rows; rows that would share
 * cache sets (1024 floats), lying either way, and few of them beside rows of b that do; one that is large enough to be
 * written past the caches. */
static const product_case cases[] = {
    {1, 1, 1, 0, false, false, false, false},     {1, 17, 3, 2, false, true, false, true},
    {13, 32, 64, 0, false, false, true, false},   {12, 31, 513, 1, true, false, false, true},
    {65, 65, 64, 7, false, true, false, false},   {65, 64, 65, 0, true, false, true, false},
    {50, 8, 40, 3, false, false, false, true},    {49, 24, 1025, 0, true, true, false, false},
    {97, 130, 512, 0, false, true, true, false},  {30, 257, 512, 0, false, false, false, true},
    {512, 48, 300, 0, true, false, false, false}, {250, 40, 33, 5, true, true, true, false},
    {50, 33, 1024, 0, false, true, false, true},  {1024, 40, 70, 0, true, false, true, false},
    {30, 1024, 40, 0, false, false, false, true}, {9, 1024, 600, 0, true, false, false, false},
    {3, 5, 0, 1, false, false, false, true},      {4, 6, 0, 0, false, false, true, false},
    {2100, 2048, 5, 0, false, true, false, true}, {0, 4, 4, 0, false, false, false, false},
    {7, 700, 2100, 3, false, true, false, true},  {32, 200, 4096, 0, true, true, true, false},
    {16, 2080, 40, 0, false, false, false, true}, {11, 96, 2000, 0, true, false, true, false},
    {5, 9, 0, 0, false, true, false, true},       {31, 100, 2100, 1, false, true, false, true},
    {20, 200, 600, 0, true, true, true, false},   {700, 2100, 9, 0, true, false, false, true},
    {310, 2500, 9, 1, true, true, true, false},   {1, 400, 1024, 0, false, true, false, true},
};

/* Numbers of a case, in [-0.5, 0.5). */
static float *numbers(size_t count, unsigned seed) {
    float *values = NULL;
    assert_int_equal(PS_ALLOC(count + 1, &values, "test"), PS_OK);
    for (size_t i = 0; i < count; i++) {
        seed = seed * 1664525u + 1013904223u;
        values[i] = (float)(seed >> 8) / 16777216.0f - 0.5f;
    }
    return values;
}

static ps_matrix matrix_of(const float *data, bool turned, size_t rows, size_t columns, size_t spare) {
    return turned ? (ps_matrix){data, 1, rows + spare} : (ps_matrix){data, columns + spare, 1};
}

typedef struct {
    ps_product product;
    float *a, *b, *bias, *c, *start;
    size_t floats;
} made_case;

static made_case make(const product_case *t) {
    size_t row = t->n + t->spare;
    made_case made = {.floats = t->m * row};
    made.a = numbers((t->m + t->spare) * (t->k + t->spare), 1), made.b = numbers((t->k + t->spare) * row, 2);
    made.bias = numbers(t->n, 3), made.c = numbers(made.floats, 4), made.start = numbers(made.floats, 4);
    made.product = (ps_product){.m = t->m, .n = t->n, .k = t->k, .c = made.c, .c_row = row};
    made.product.a = matrix_of(made.a, t->a_turned, t->m, t->k, t->spare);
    made.product.b = matrix_of(made.b, t->b_turned, t->k, t->n, t->spare);
    made.product.bias = t->bias ? made.bias : NULL;
    made.product.accumulate = t->accumulate;
    return made;
}

static void release(made_case *made) {
    ps_free(made->a), ps_free(made->b), ps_free(made->bias), ps_free(made->c), ps_free(made->start);
}

static double element(const made_case *made, size_t i, size_t j, double *size) {
    const ps_product *p = &made->product;
    double sum = p->accumulate ? (double)made->start[i * p->c_row + j] : p->bias != NULL ? (double)p->bias[j] : 0.0;
    *size = 1.0;
    for (size_t d = 0; d < p->k; d++) {
        double a = (double)p->a.data[i * p->a.row + d * p->a.column];
        double term = a * (double)p->b.data[d * p->b.row + j * p->b.column];
        sum += term, *size += fabs(term);
    }
    return sum;
}

static void check(const made_case *made) {
    const ps_product *p = &made->product;
    for (size_t i = 0; i < p->m; i++)
        for (size_t j = 0; j < p->c_row; j++) {
            float found = made->c[i * p->c_row + j];
            double size, wanted = j < p->n ? element(made, i, j, &size) : 0.0;
            if (j < p->n) assert_true(fabs((double)found - wanted) <= 1e-6 * size);
            else assert_true(found == made->start[i * p->c_row + j]); /* between the rows nothing is written */
        }
}

static void products_are_those_of_sums_in_double(void **state) {
    (void)state;
    for (size_t t = 0; t < sizeof cases / sizeof *cases; t++) {
        made_case made = make(&cases[t]);
        ps_product_here(&made.product);
        check(&made);
        release(&made);
    }
}

/* Whole, over 1 to 3 threads, and each row alone. */
static void bits_do_not_depend_on_the_cut(void **state) {
    (void)state;
    for (size_t t = 0; t < sizeof cases / sizeof *cases; t++) {
        made_case made = make(&cases[t]);
        float *first = numbers(made.floats, 4);
        ps_product here = made.product;
        here.c = first;
        ps_product_here(&here);
        for (int threads = 1; threads <= 3; threads++) {
            ps_threads *pool = NULL;
            assert_int_equal(ps_threads_create(threads, &pool), PS_OK);
            memcpy(made.c, made.start, made.floats * sizeof *first);
            ps_product_run(&made.product, pool);
            assert_memory_equal(made.c, first, made.floats * sizeof *first);
            ps_threads_destroy(pool);
        }
        memcpy(made.c, made.start, made.floats * sizeof *first);
        for (size_t i = 0; i < cases[t].m; i += 1 + cases[t].m / 40) {
            ps_product row = made.product;
            row.m = 1, row.a.data += i * row.a.row, row.c += i * row.c_row;
            ps_product_here(&row);
            assert_memory_equal(row.c, first + i * row.c_row, row.n * sizeof *first);
        }
        ps_free(first);
        release(&made);
    }
}

/* NaN and infinity stay in their row and column. */
static void nan_stays_in_its_row_and_column(void **state) {
    (void)state;
    product_case t = {30, 70, 20, 0, false, false, false, false};
    made_case made = make(&t);
    made.a[7 * 20 + 3] = NAN;
    made.b[5 * 70 + 33] = INFINITY;
    ps_product_here(&made.product);
    for (size_t i = 0; i < 30; i++)
        for (size_t j = 0; j < 70; j++) {
            float c = made.c[i * 70 + j];
            assert_true(i == 7 ? isnan(c) : j == 33 ? !isfinite(c) : isfinite(c));
        }
    release(&made);
}

int main(int argc, char **argv) {
    (void)argc;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_are_those_of_sums_in_double),
        cmocka_unit_test(bits_do_not_depend_on_the_cut),
        cmocka_unit_test(nan_stays_in_its_row_and_column),
    };
    return kt_main(argv[0], tests);
}
