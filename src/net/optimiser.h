/* Optimisers and clipping, in PyTorch's order: the clip coefficient scales the loss gradient, then decay is
 * added. SGD: B <- mu B + (c g + lambda w), w <- w - lr B (Nesterov: lr ((c g + lambda w) + mu B)). AdamW: Loshchilov &
 * Hutter 2019. Accounting of updates per row (node) is kernels/update_account.h; it never changes what is
 * updated. */
#ifndef PS_NET_OPTIMISER_H
#define PS_NET_OPTIMISER_H

#include "kernels/update.h"
#include "net/learning_rate.h"
#include "net/net.h"

typedef struct {
    const char *name; /* "sgd" or "adamw" */
    double momentum, weight_decay;
    bool nesterov;
    double beta1, beta2, eps;
    const char *freeze; /* patterns of names with commas between: parameters that are not updated; NULL, "": none */
    double clip;        /* largest gradient norm, backbone and modules apart; 0: no clipping */
    const char
        *decay_exempt; /* groups without weight decay: "norms", "biases", "embeddings"; NULL, "none": all decay */
    ps_lr_options rate;
    double backbone_factor; /* on the rate of parameters whose names begin with "backbone."; 0: 1 */
} ps_optimiser_options;

ps_status ps_optimiser_check(const ps_optimiser_options *options);

typedef struct ps_optimiser ps_optimiser;
/* net and options are borrowed. */
ps_status ps_optimiser_create(ps_net *net, const ps_optimiser_options *options, ps_optimiser **out);
void ps_optimiser_destroy(ps_optimiser *optimiser);

typedef struct {
    double lr;
    double grad_norm, grad_norm_module; /* before clipping */
    double clip, clip_module;           /* factors applied */
    bool finite; /* false: a gradient is NaN or infinite; the step is taken all the same, as PyTorch
                                           does, so the weights show it and the run ends as diverged */
} ps_update_report;
ps_update_report ps_optimiser_step(ps_optimiser *optimiser, uint64_t step, uint64_t steps);

/* Whether a parameter gets no update (`freeze`). */
bool ps_optimiser_freezes(const ps_optimiser *optimiser, int param);

/* Between windows: one row's momentum (AdamW: both moments) is zero, as at the start. Parameters without gradient have
 * none. */
void ps_optimiser_forget_row(ps_optimiser *optimiser, int param, int row);

/* Accounting of one parameter's updates per row, from now on (NULL where it is not tracked). */
ps_status ps_optimiser_track(ps_optimiser *optimiser, int param);
ps_update_account *ps_optimiser_account(ps_optimiser *optimiser, int param);
/* Begins a window: accounts are reset and take the present weights as their start. */
void ps_optimiser_begin_window(ps_optimiser *optimiser);
/* Ends it: accounts work out net displacements (kernels/update_account.h). */
void ps_optimiser_end_window(ps_optimiser *optimiser);

/* State arrays for checkpoints taken between windows: name, data and size of array `index`; false past the last. */
typedef struct {
    char name[192];
    float *data;
    size_t count;
} ps_state_array;
bool ps_optimiser_state(ps_optimiser *optimiser, int index, ps_state_array *array);

#endif
