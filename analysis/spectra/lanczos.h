/* Spectra of large symmetric operators that are known only by their products: Lanczos with full reorthogonalisation and
 * stochastic Lanczos quadrature (Golub & Meurant; Ubaru, Chen & Saad 2017; as PyHessian, arXiv 1912.07145). The
 * tridiagonal eigenproblem is LAPACKE's. */
#ifndef PS_ANALYSIS_SPECTRA_LANCZOS_H
#define PS_ANALYSIS_SPECTRA_LANCZOS_H

#include <stddef.h>
#include <stdint.h>

#include "parallel/threads.h"
#include "core/status.h"

/* y = A x, both [dimension]; A symmetric. */
typedef struct {
    void *self;
    size_t dimension;
    void (*apply)(void *self, const float *x, float *y);
} ps_operator;

/* One Lanczos run: Ritz values, ascending, and the weights of a quadrature of the start vector's spectral measure
 * (squares of the first components of the tridiagonal's eigenvectors; they sum to 1). Owned; free with
 * ps_lanczos_clear. */
typedef struct {
    int steps;              /* done: fewer than asked for when the Krylov space is exhausted */
    double *value, *weight; /* [steps] */
    double *diagonal,
        *beside; /* [steps] of the tridiagonal; the last of `beside` is what a further step would begin with */
} ps_lanczos;

/* Starts from a Rademacher vector drawn from (seed, probe). Holds steps + 2 vectors of the dimension. */
ps_status ps_lanczos_run(const ps_operator *operator, int steps, uint64_t seed, int probe, ps_threads *threads,
                         ps_lanczos *out);
/* What the same run would have found after fewer steps (clamped to 1 ... the steps done), without another product: from
 * the leading block of the tridiagonal. */
ps_status ps_lanczos_leading(const ps_lanczos *lanczos, int steps, ps_lanczos *out);
void ps_lanczos_clear(ps_lanczos *lanczos);

/* Over several probes. All are estimates whose spread over probes says how good they are. */
typedef struct {
    double largest, smallest;  /* extreme Ritz values over all probes */
    double trace, trace_error; /* dimension x mean of sum w theta; standard error over probes (0 for one probe) */
} ps_spectrum_summary;
ps_spectrum_summary ps_spectrum_summarise(const ps_lanczos *probes, int count, size_t dimension);
/* Share of the spectrum with |lambda| <= epsilon max |lambda|, mean over probes; *error: standard error. */
double ps_spectrum_mass_near_zero(const ps_lanczos *probes, int count, double epsilon, double *error);
/* Its range over leaving out one probe after the other; NaN for a single probe. */
ps_status ps_spectrum_mass_left_out(const ps_lanczos *probes, int count, double epsilon, double *lowest,
                                    double *highest);
/* Density at lambda: Gaussians of width sigma on the quadrature nodes, mean over probes. */
double ps_spectrum_density(const ps_lanczos *probes, int count, double lambda, double sigma);

#endif
