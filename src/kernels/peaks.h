/* What this machine can do at most, measured now: against it the times of operations are held. */
#ifndef PS_KERNELS_PEAKS_H
#define PS_KERNELS_PEAKS_H

#include "parallel/threads.h"

typedef struct {
    double flops; /* floating-point operations a second of fused multiply-adds in registers, two each, all threads */
    double bytes; /* a second from and to memory: y = a + b on arrays beyond the caches, three streams */
} ps_peaks;

/* A tenth of a second or so, and 96 MiB for a moment. The best of several rounds, as others may use the machine. */
ps_status ps_peaks_measure(ps_threads *threads, ps_peaks *peaks);

#endif
