/* Checkpoints: one safetensors file with parameters and states under their PyTorch file names, optimiser and accounting
 * state under "optimiser/...", and in its metadata the step, the graph (JSON) and the configuration, so that a
 * checkpoint alone can be evaluated. Written in one step (temporary file, rename): a killed run leaves the previous one
 * whole.
 *
 * Two digests stand in the metadata: "state" of all tensors and the step, which is what a checkpoint is (two runs with
 * the same weights have the same, wherever and however fast they ran), and "digest" of that, the graph and the
 * configuration. A run goes on from, and is forked from, checkpoints that agree with them alone. */
#ifndef PS_NET_CHECKPOINT_H
#define PS_NET_CHECKPOINT_H

#include <stdbool.h>

#include "net/optimiser.h"
#include "net/safetensors.h"

/* optimiser may be NULL (weights alone). config: JSON text kept as metadata. graph: as the user gave it (unfused).
 * The gradients are written over: between steps they are of no use. */
ps_status ps_checkpoint_write(const char *path, const ps_graph *graph, ps_net *net, ps_optimiser *optimiser,
                              uint64_t step, const char *config);
/* Reads weights, states and, unless NULL, the optimiser. *step may be NULL. */
ps_status ps_checkpoint_read(const char *path, ps_net *net, ps_optimiser *optimiser, uint64_t *step);
/* PS_ERR_INPUT where the file is no checkpoint as it was written: damaged, changed by another program, or without
 * digests. Reads it whole. */
ps_status ps_checkpoint_verify(const char *path);
/* The digest "state" of the tensors and step as they are now; of other weights files that of the tensors. */
ps_status ps_checkpoint_digest(const char *path, char hex[17]);
/* The network and configuration a checkpoint was written with; free with ps_graph_destroy and free. */
ps_status ps_checkpoint_open(const char *path, ps_graph **graph, char **config, uint64_t *step);

/* Whether the file says of itself that it is a checkpoint of poolscope: anything else are weights alone. */
ps_status ps_checkpoint_check(const char *path, bool *is_checkpoint);

enum { PS_MOST_PREFIX = 64 };
/* What was met in a file of weights. */
typedef struct {
    char prefix[PS_MOST_PREFIX]; /* with which all names began, "module." of a wrapped model; "": none */
    int missing_states;          /* running means and variances that the file does not have */
    const char *wrapper;         /* a word that torch.compile and its like put into names, left out; NULL: none */
    int shared;                  /* parameters that the file has under another name (its metadata say which) */
    /* Of a backbone by itself: learned parameters that come from it, those that keep what they have, tensors that have
     * no place in the network, and the first of those. taken 0: it is none. */
    int taken, kept, idle;
    char first_idle[PS_MOST_PREFIX];
} ps_weights_note;

/* Loads weights by (file) name from any safetensors file. Every backbone parameter must be there with its shape;
 * `modules_optional` leaves missing module parameters as they are (forking a baseline checkpoint into arms). States may
 * be missing. A prefix that all names share is left out, and so are the words of wrappers. Of a network with a
 * "backbone." and without `modules_optional`, a file of such a backbone by itself (torchvision's, with another head or
 * none) gives that its weights, and all else keeps what it has; the note says so. *note may be NULL. Fails in
 * one sentence that counts the tensors that are missing, left over or of another shape, and names the first of each. */
ps_status ps_weights_load(const char *path, ps_net *net, bool modules_optional, ps_weights_note *note);

#endif
