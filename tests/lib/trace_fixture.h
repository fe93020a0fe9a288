/* Writes traces of a made-up run with known truth, in the format of src/trace/FORMAT.md, without any engine: nodes follow a Markov
 * chain between alive, near-dead and dead, and every recorded number agrees with the state (all instrument checks hold). */
#ifndef PS_TESTS_TRACE_FIXTURE_H
#define PS_TESTS_TRACE_FIXTURE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/status.h"

typedef struct {
    const char *arm;
    uint64_t seed;
    int layers, channels, windows, window_steps;
    double dead_start;   /* share dead at the first probe */
    double death, revival; /* probability per node and window */
    bool module;         /* a Pool Skip module stands behind every layer */
    int pool_size;
    const char *mode;    /* pool_skip_mode of the configuration, NULL: "full" */
    double dead_ratio;   /* gradient of dead nodes over that of alive ones; 0 without a module */
    double accuracy;
    bool norm;           /* layers are normalised */
    const char *order;   /* pairing key "order", NULL: follows the seed */
    bool diverged, cut;  /* ends with a diverged event; ends in the middle of a line */
    bool sparse;         /* records nothing but nonzero */
    const char *fault;   /* plants a contradiction: "gradient" (a shut gate with gradient), "parts", "energy", or NULL */
    bool start_by_seed;  /* states at the first probe depend on the seed alone, not on the arm */
} ps_fixture;

/* 8 windows of 10 steps, 3 layers of 8 channels. */
ps_fixture ps_fixture_default(const char *arm, uint64_t seed);
ps_status ps_fixture_write(const ps_fixture *fixture, const char *path);

#endif
