/* What the tests of the kernels share: arrays of exact size (so that the address sanitizer sees one step too far),
 * scratch memory with a guard behind it, pools of several sizes, comparisons, and a main that runs the tests at every
 * instruction set. */
#ifndef PS_TESTS_KERNEL_TEST_H
#define PS_TESTS_KERNEL_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "parallel/threads.h"

/* count floats from N(0, 1), a function of name and count; free with free(). */
float *kt_numbers(const char *name, size_t count);
/* The same, rounded to multiples of `step`, so that ties and exact zeros occur. */
float *kt_coarse(const char *name, size_t count, float step);
float *kt_copy(const float *values, size_t count);
/* Zeroed memory of exactly that size. */
void *kt_room(size_t count, size_t size);

/* 64-byte aligned scratch filled with NaN patterns, with a guard behind; kt_workspace_free fails the test if it was
 * overrun.
 */
void *kt_workspace(size_t bytes);
void kt_workspace_free(void *workspace);

enum { KT_POOLS = 4 };
/* Pools of 1, 2, 3 and 8 threads, created once. */
ps_threads *kt_pool(int which);

/* ||got - want|| / ||want|| (absolute when want is zero); NaN where NaN is not shared. */
double kt_relative_error(const float *got, const double *want, size_t count);
void kt_assert_close_at(const float *got, const double *want, size_t count, double tolerance, const char *file,
                        int line);
#define kt_assert_close(got, want, count, tolerance) kt_assert_close_at(got, want, count, tolerance, __FILE__, __LINE__)
void kt_assert_near_at(double got, double want, double tolerance, const char *file, int line);
/* |got - want| <= tolerance * max(1, |want|). */
#define kt_assert_near(got, want, tolerance) kt_assert_near_at(got, want, tolerance, __FILE__, __LINE__)
#define kt_assert_same_bits(a, b, count) assert_memory_equal(a, b, (count) * sizeof *(a))

/* Runs `tests` here and, unless PS_SIMD or PS_CLASS is set already, once more in a child for every other processor
 * class of kt_run_other_classes. */
#define kt_main(program, tests) (kt_run_other_classes(program) + cmocka_run_group_tests(tests, NULL, kt_end))
/* Runs this program again with every lower instruction set, and as if the second-level cache were of the other size;
 * its TAP lines are part of ours. Returns the number of failures. */
int kt_run_other_classes(const char *program);
int kt_end(void **state);

#endif
