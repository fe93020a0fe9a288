/* Where the time of a run goes, for people who want to know what a step waits for: parts of a step, work between steps,
 * and every operation of the network beside what the machine could do (kernels/peaks.h). Clock readings alone: nothing
 * of it enters the trace or what is computed. */
#ifndef PS_RUN_PROFILE_H
#define PS_RUN_PROFILE_H

#include <stdio.h>

#include "kernels/peaks.h"
#include "net/train.h"

/* What went before the first step, in ns. */
typedef struct {
    uint64_t settings; /* the command line, and what it leaves to the data's headers */
    uint64_t data;     /* opening and reading them */
    uint64_t network;  /* all else: its plan, optimiser and weights, the trace's header */
    uint64_t probing;  /* of the network that training begins with */
} ps_run_start;

typedef struct {
    ps_run_start start;
    ps_peaks peaks;    /* before the first step */
    uint64_t steps;    /* since this program began on the run */
    ps_step_time time; /* of all of them */
    /* ns: instruments at every step, probings, evaluations, checkpoints, and all from the first step on. Sums that
     * instruments ask of operations are in their passes. */
    uint64_t recording, probing, evaluating, checkpoints, whole;
} ps_run_profile;

/* Measures the peaks and begins to time operations. */
ps_status ps_run_profile_begin(ps_run_profile *profile, ps_net *net);
void ps_run_profile_add_step(ps_run_profile *profile, const ps_train_step *step);
/* What an operation does in a step, forward and backward. Multiply-adds count as two operations; a backward pass does
 * them twice, for the gradients of weights and of the input (the first layer: once). Bytes are the least that must
 * move: arrays read and written once. */
typedef struct {
    double flops, bytes;
} ps_op_work;
ps_op_work ps_run_profile_op_work(const ps_net *net, int op);

/* As tables of text: what went before the first step, parts, then operations by the time they took. Of peak: the least
 * time in which the machine could do all of an operation's work, of the time taken. */
ps_status ps_run_profile_write(const ps_run_profile *profile, const ps_net *net, FILE *stream);

#endif
