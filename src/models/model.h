/* Named networks as builders of graphs. One family is one .c file and one line in model_list.def. Pool Skip is an
 * option of the builder (models/builder.h inserts it), not a copy of the model. */
#ifndef PS_MODELS_MODEL_H
#define PS_MODELS_MODEL_H

#include "graph/graph.h"

/* As layers/batch_norm.c has it where a graph does not say. */
#define PS_NORM_MOMENTUM 0.1

typedef struct {
    int pool_size;    /* e; 0: no Pool Skip */
    const char *mode; /* "full", "pool+skip", "conv+skip", "pool+conv", "grid+conv+skip", "grid-energy+conv+skip" */
    const char *placement; /* "blocks" (default: every convolution of the blocks; stem and shortcuts not), "all", "1x1",
                                 or a stage range "conv2_x..conv4_x"; ranges and kinds combine with a comma */
    bool zero_init;        /* the module's convolution starts at zero: the function at step 0 is the baseline's */
    const char *cut;       /* NULL, "forward" or "gradient": mechanism arms */
} ps_pool_skip_config;

/* What shapes transformers and nothing else; 0: the model's own. Other models refuse what is set here. */
typedef struct {
    int heads;
    int patch;                              /* side of the patches that an image is cut into */
    int tokenizer_kernel, tokenizer_layers; /* of models whose tokenizer is a stack of convolutions */
} ps_token_options;

enum { PS_UNET_MOST_STAGES = 16 };
/* The encoder of an nnU-Net, as planned from data (zeros: from the input's shape alone): along d, h, w. */
typedef struct {
    int stages;
    int stride[PS_UNET_MOST_STAGES][3], kernel[PS_UNET_MOST_STAGES][3], channels[PS_UNET_MOST_STAGES];
} ps_unet_plan;

/* What shapes networks for segmentation and nothing else; 0: the model's own. Other models refuse what is set here. */
typedef struct {
    int output_stride;        /* of DeepLabv3+: 16 or 8 */
    int kernel;               /* of V-Net: 5 or 3 */
    bool no_deep_supervision; /* of nnU-Nets: the loss reads the last map alone */
    const ps_unet_plan *plan; /* of nnU-Nets; borrowed; NULL: from the input's shape */
    bool takes_plan;          /* in a model's defaults: it is one of these */
} ps_segmentation_options;

typedef struct {
    double width;      /* multiplies every width; at least one channel stays */
    const int *stages; /* blocks per stage; NULL: the model's own */
    int stage_count;
    ps_shape input; /* n = 1: c, d, h, w */
    int classes;
    bool batch_norm;        /* models that come with and without (plain, vgg); ignored elsewhere */
    double norm_momentum;   /* of batch normalisations, PS_NORM_MOMENTUM where nothing else is asked for */
    const char *activation; /* of all gates: a layer type's name; NULL or "": the model's own */
    double leaky_slope;     /* > 0: LeakyReLU gates of this slope, the negative control */
    double dropout;         /* < 0: the model's own */
    double drop_path;       /* of transformers: at the last block, rising from 0 at the first; < 0: the model's own */
    ps_token_options tokens;
    ps_segmentation_options segmentation;
    ps_pool_skip_config pool_skip;
    const char *init_scheme; /* how weights start where nothing else is asked for (ps_net_init); NULL: torch */
} ps_model_options;

typedef struct {
    const char *name; /* "resnet18" */
    const char *summary;
    ps_status (*build)(const ps_model_options *options, ps_graph **out);
    ps_model_options defaults; /* as published, CIFAR-sized input, 10 classes, where nothing else stands there */
} ps_model;

const ps_model *ps_models(int *count);
/* Fails with the nearest known name. */
ps_status ps_model_find(const char *name, const ps_model **model);
/* Whether mode and cut are known ones. Where no module is placed, nothing would read them, and a mistyped one would
 * pass for a choice. */
ps_status ps_model_check_pool_skip(const ps_pool_skip_config *pool_skip);
/* Default options of a model. */
void ps_model_options_init(const ps_model *model, ps_model_options *options);

#endif
