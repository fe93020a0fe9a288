/* Writes traces of a made-up run with known truth, in the format of src/trace/FORMAT.md, without any engine: nodes
 * follow a Markov chain between alive, near-dead and dead, and every recorded number agrees with the state (all
 * instrument checks hold). */
#ifndef PS_TESTS_TRACE_FIXTURE_H
#define PS_TESTS_TRACE_FIXTURE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/status.h"

/* Where it is planted: in one window (or the probe behind it) of one layer. */
enum { PS_FIXTURE_FAULT_WINDOW = 3, PS_FIXTURE_FAULT_LAYER = 1 };

typedef struct {
    const char *arm;
    uint64_t seed;
    int layers, channels, windows, window_steps;
    double dead_start;     /* share dead at the first probe */
    double death, revival; /* probability per node and window */
    bool module;           /* a Pool Skip module stands behind every layer */
    int pool_size;
    const char *registration; /* object of the header, without its digest; NULL: nothing was registered */
    const char *mode;         /* of the modules, NULL: "full" */
    double dead_ratio;        /* gradient of dead nodes over that of alive ones; 0 without a module */
    double accuracy;
    int test_images;    /* that it is a share of; 0: 100 */
    bool norm;          /* layers are normalised */
    const char *order;  /* pairing key "order", NULL: follows the seed */
    bool diverged, cut; /* ends with a diverged event; ends in the middle of a line */
    int stop_after;     /* stops after so many windows of those it plans, with an end record unless no_end; 0: never */
    bool no_end;
    int probe_every; /* so many windows; 0: 1 */
    int blown_from;  /* from this probe on outputs are not finite, and none is zero; 0: never */
    bool sparse;     /* records nothing but nonzero */
    bool smooth;     /* gates are GELUs: who would be dead is saturated, and counts of zeros tell nothing */
    /* Plants the contradiction of one check of analysis/check_list.def: its id, for some in another form with a word
     * behind it (see the .c file); NULL: none. */
    const char *fault;
    double near_leave; /* probability per window that a near-dead node turns alive */
    bool noise; /* path lengths, gradients of dead nodes and l2/l1 vary at random, and 5 % of the living are inert */
    /* Effects, 0 for none; they need `noise`. */
    double cascade; /* added probability of inertia in the two windows after a death in the layer before */
    double lead;    /* by how much one standard deviation of l2/l1 raises the deaths of the next window, as a share */
    /* All that happens has a course in common, no effect of one on another: rates of deaths, revivals and inertia and
     * the paths of the living fall by this many e-folds over the run, around their values in its middle; l2/l1 falls by
     * this many deviations. */
    double trend;
    /* Each layer has a course of its own besides, by its seed: its deaths, and by another curve l2/l1, fall in a bent
     * line, up to this many e-folds and deviations. */
    double own_trend;
    /* What is random in a layer hangs on its past: the logarithm of its death rate keeps this share of its deviation
     * into the next window, and l2/l1 walks at random. 0: both are drawn anew in each window. */
    double memory;
    double answer;    /* deviations by which a death changes l2/l1 of its layer in the same window */
    double slowing;   /* decades by which near-dead nodes slow down over the run */
    double reopening; /* by how much a gradient above the median raises the next window's revivals, as a share */
    /* share of the windows through which a node is dead on the probe set in which one batch opens its gate all the
     * same: its gradient is four times as large then, and its revival in the next window four times as likely */
    double ajar;
    /* share of steps on which a node that begins its window dead gets a gradient; 0: as the states say */
    double dead_steps;
    /* multiplies the gradient-driven path of nodes that begin a window dead, over their weights; 0: 1, of the path */
    double dead_speed;
    double concentration[2]; /* added to the log of l2/l1 in the first and the last third of the layers */
    bool inert_causes;       /* some nodes are inert, each by one cause, or nearly so: ps_fixture_inertia_of */
    int inert_layer;         /* with inert_causes: all nodes of this layer are inert by their gradient; -1: none */
    bool rare;               /* near-dead nodes are silent on the first quarter of the probe images */
    bool no_parts;           /* nonzero_half and nonzero_quarter are not recorded */
    double out_dead;         /* displacement of the outgoing weights of dead nodes in a window, over their norm */
    bool out_frozen;         /* outgoing weights of other nodes hardly move either */
    bool start_by_seed;      /* states at the first probe depend on the seed alone, not on the arm */
    /* pre_max_low and pre_max_high are recorded: they tell dead and alive apart, but for this share of nodes and
     * probes, drawn by seed and arm, which stand on the edge whatever they are */
    bool edge_known;
    double edge;
} ps_fixture;

typedef enum {
    PS_FIXTURE_MOVING,
    PS_FIXTURE_NO_GRADIENT,
    PS_FIXTURE_DECAY,
    PS_FIXTURE_SMALL_GRADIENT,
    PS_FIXTURE_ONE_STEP,      /* small gradient, and zero on all steps but one */
    PS_FIXTURE_BARELY_MOVING, /* a path at 1.05 to 3 times the bound */
    PS_FIXTURE_ROLES
} ps_fixture_role;
/* What a node is with inert_causes. One in six is inert, so that the median of a wide layer moves unless it is the
 * inert layer: where most of a layer were inert by chance, "inert with its layer" would be the truth. */
ps_fixture_role ps_fixture_role_of(const ps_fixture *fixture, int node);

/* Whether the probe, counted from 0, sees the node on the edge. */
bool ps_fixture_on_edge(const ps_fixture *fixture, int probe, int node);

/* 8 windows of 10 steps, 3 layers of 8 channels. */
ps_fixture ps_fixture_default(const char *arm, uint64_t seed);
ps_status ps_fixture_write(const ps_fixture *fixture, const char *path);

#endif
