/* What the model families share: widths, stages, names in both numberings, and where Pool Skip goes.
 *
 * A family walks through its network in forward order; every function appends at the tail. A sequence stands for one
 * nn.Sequential of the public code and counts twice: `name` as if there were no Pool Skip (the same in every arm),
 * `file_name` with each Pool Skip taking an index of its own, as weight files of the public code have it. */
#ifndef PS_MODELS_BUILDER_H
#define PS_MODELS_BUILDER_H

#include "models/model.h"

enum { PS_BUILDER_MAX_STAGES = 32, PS_BUILDER_MAX_BLOCKS = 1000 };

typedef struct {
    ps_graph *graph; /* handed over by finish, destroyed by discard */
    const ps_model_options *options;
    const char *const *stage_names; /* in forward order; borrowed */
    int stage_count, stage;         /* stage: index of the present one; stage_count: past the last, in the head */
    const char *head;               /* name of what follows the stages; no Pool Skip goes there */
    const char *activation;         /* the model's own: "relu" unless the family says otherwise after begin */
    double own_slope;               /* of that one, where it is "leaky_relu" */
    double own_momentum;            /* of normalisations where the options ask for none; begin: PS_NORM_MOMENTUM */
    int tail;                       /* latest operation, -1: the network input */
    bool all, only_1x1;             /* placement: shortcuts and stem too; convolutions with a 1x1 kernel only */
    bool ranges;                    /* placement: stages were named */
    bool selected[PS_BUILDER_MAX_STAGES];
    int inserted, fitting, largest_side;
} ps_builder;

typedef struct {
    const char *prefix; /* "conv2_x.0.residual_function" */
    int index, file_index;
} ps_sequence;

typedef struct {
    int side[3];
} ps_builder_extent;

/* A convolution; padding is dilation * (kernel / 2), or none. */
typedef struct {
    int channels, kernel, stride;
    int groups, dilation;               /* 0: 1 */
    ps_builder_extent kernels, strides; /* along d, h, w, instead of kernel and stride, where one of them is above 0 */
    bool unpadded, bias;
    bool outside; /* stem or shortcut: no Pool Skip unless the placement says "all" */
} ps_builder_conv_spec;

ps_status ps_builder_begin(ps_builder *builder, const char *name, const ps_model_options *options,
                           const char *const *stage_names, int stage_count, const char *head);
/* After begin: Pool Skip goes to these stages alone where the placement names none and does not say "all". */
void ps_builder_usual_stages(ps_builder *builder, int first, int last);
/* Checks that the placement found something to do. On failure *out is NULL. */
ps_status ps_builder_finish(ps_builder *builder, ps_graph **out);
void ps_builder_discard(ps_builder *builder);

/* Blocks per stage: the user's list where there is one. */
ps_status ps_builder_stages(const char *name, const ps_model_options *options, const int *own, int own_count, int most,
                            const int **stages, int *count);
int ps_builder_width(const ps_builder *builder, int channels);
/* For models whose blocks have no count to choose: refuses the option "stages". */
ps_status ps_builder_fixed_stages(const char *name, const ps_model_options *options);
/* Of the network's input: a volume, or flat. */
bool ps_builder_is_3d(const ps_builder *builder);
/* For models that take only volumes, or only images. */
ps_status ps_builder_check_dims(const ps_builder *builder, bool volumes);
/* For models whose maps are halved and meet again: every side of the input must be a multiple of factor (of what stands
 * along it). */
ps_status ps_builder_check_divides(const ps_builder *builder, const ps_builder_extent *factor);
/* The shape at the tail. */
ps_shape ps_builder_shape(const ps_builder *builder);

/* Any operation, reading the tail (and `second`, unless it is -1). */
ps_status ps_builder_add(ps_builder *builder, const char *type, const char *name, const char *file_name, int second,
                         const char *attributes);
/* The same, reading `first` and then the tail. */
ps_status ps_builder_join(ps_builder *builder, const char *type, const char *name, int first);
/* A transposed convolution whose kernel is its stride: the map becomes so much larger. */
ps_status ps_builder_conv_transpose(ps_builder *builder, int channels, const ps_builder_extent *strides, bool bias,
                                    const char *name, const char *file_name);
/* The 1x1 convolution with a bias that gives one channel a class at the tail. weight: NULL for the last of the graph,
 * else by which the loss reads it. */
ps_status ps_builder_classes(ps_builder *builder, const char *name, const char *file_name, const double *weight);
/* The convolution and, where the placement says so, a Pool Skip named "NAME.pool_skip" behind it. */
ps_status ps_builder_conv(ps_builder *builder, const ps_builder_conv_spec *spec, const char *name,
                          const char *file_name, const char *skip_file_name);
/* Batch normalisation with the options' momentum; the layer's own eps. */
ps_status ps_builder_norm(ps_builder *builder, const char *name, const char *file_name);
/* The model's own activation, or what the options ask for. */
ps_status ps_builder_gate(ps_builder *builder, const char *name, const char *file_name);
ps_status ps_builder_linear(ps_builder *builder, int features, const char *name);
/* The same of whole channels at a time. */
ps_status ps_builder_channel_dropout(ps_builder *builder, double own, const char *name);
/* Bilinear (trilinear) to the size of the operation `like` (-1: of the network's input), corners not aligned. */
ps_status ps_builder_resize(ps_builder *builder, const char *name, int like);
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
