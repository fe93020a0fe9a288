/* What the model families share: widths, stages, names in both numberings, and where Pool Skip goes.
 *
 * A family walks through its network in forward order; every function appends at the tail. A sequence stands for one
 * nn.Sequential of the public code and counts twice: `name` as if there were no Pool Skip (the same in every arm),
 * `file_name` with each Pool Skip taking an index of its own, as weight files of the public code have it. */
#ifndef PS_MODELS_BUILDER_H
#define PS_MODELS_BUILDER_H

#include "models/model.h"

enum { PS_BUILDER_MAX_STAGES = 16, PS_BUILDER_MAX_BLOCKS = 1000 };

typedef struct {
    ps_graph *graph; /* handed over by finish, destroyed by discard */
    const ps_model_options *options;
    const char *const *stage_names; /* in forward order; borrowed */
    int stage_count, stage;         /* stage: index of the present one; stage_count: past the last, in the head */
    const char *head;               /* name of what follows the stages; no Pool Skip goes there */
    const char *activation;         /* the model's own: "relu" unless the family says otherwise after begin */
    int tail;                       /* latest operation, -1: the network input */
    bool all, only_1x1;             /* placement: shortcuts and stem too; convolutions with a 1x1 kernel only */
    bool selected[PS_BUILDER_MAX_STAGES];
    int inserted, fitting, largest_side;
} ps_builder;

typedef struct {
    const char *prefix; /* "conv2_x.0.residual_function" */
    int index, file_index;
} ps_sequence;

/* A convolution; padding is kernel / 2, or none. */
typedef struct {
    int channels, kernel, stride;
    int groups; /* 0: 1 */
    bool unpadded, bias;
    bool outside; /* stem or shortcut: no Pool Skip unless the placement says "all" */
} ps_builder_conv_spec;

ps_status ps_builder_begin(ps_builder *builder, const char *name, const ps_model_options *options,
                           const char *const *stage_names, int stage_count, const char *head);
/* Checks that the placement found something to do. On failure *out is NULL. */
ps_status ps_builder_finish(ps_builder *builder, ps_graph **out);
void ps_builder_discard(ps_builder *builder);

/* Blocks per stage: the user's list where there is one. */
ps_status ps_builder_stages(const char *name, const ps_model_options *options, const int *own, int own_count, int most,
                            const int **stages, int *count);
int ps_builder_width(const ps_builder *builder, int channels);
/* For models whose blocks have no count to choose: refuses the option "stages". */
ps_status ps_builder_fixed_stages(const char *name, const ps_model_options *options);
/* The shape at the tail. */
ps_shape ps_builder_shape(const ps_builder *builder);

/* Any operation, reading the tail (and `second`, unless it is -1). */
ps_status ps_builder_add(ps_builder *builder, const char *type, const char *name, const char *file_name, int second,
                         const char *attributes);
/* The convolution and, where the placement says so, a Pool Skip named "NAME.pool_skip" behind it. */
ps_status ps_builder_conv(ps_builder *builder, const ps_builder_conv_spec *spec, const char *name,
                          const char *file_name, const char *skip_file_name);
/* Batch normalisation with the options' momentum; the layer's own eps. */
ps_status ps_builder_norm(ps_builder *builder, const char *name, const char *file_name);
/* The model's own activation, or what the options ask for. */
ps_status ps_builder_gate(ps_builder *builder, const char *name, const char *file_name);
ps_status ps_builder_linear(ps_builder *builder, int features, const char *name);
/* Dropout with the options' rate (own: the model's own rate); none where that is 0. */
ps_status ps_builder_dropout(ps_builder *builder, double own, const char *name);

/* The same as members of a sequence. */
ps_status ps_sequence_conv(ps_builder *builder, ps_sequence *sequence, const ps_builder_conv_spec *spec);
ps_status ps_sequence_norm(ps_builder *builder, ps_sequence *sequence);
/* With another eps. */
ps_status ps_sequence_norm_eps(ps_builder *builder, ps_sequence *sequence, double eps);
ps_status ps_sequence_gate(ps_builder *builder, ps_sequence *sequence);
ps_status ps_sequence_add(ps_builder *builder, ps_sequence *sequence, const char *type, const char *attributes);

#endif
