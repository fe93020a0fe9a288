/* Plans: what nnU-Net (version 2; Isensee et al., Nature Methods 2021) would train a set of volumes with, worked out
 * from its fingerprint: target spacing, order of axes, normalisation, and for a network in two and in three dimensions
 * the patch, the batch, stages, strides, kernels and features. Pure functions: the same fingerprint, the same plan.
 * Axes are d, h, w. tests/cli/plan_test.py holds every number against the package nnunetv2. */
#ifndef PS_DATA_PLAN_H
#define PS_DATA_PLAN_H

#include <stdbool.h>
#include <stdio.h>

#include "data/fingerprint.h"

enum { PS_PLAN_STAGES = 16 };

typedef enum {
    PS_NORMALISE_Z,    /* each case by its own mean and deviation */
    PS_NORMALISE_CT,   /* clipped to percentiles of the training set's foreground, then by its mean and deviation */
    PS_NORMALISE_NONE, /* as it is */
    PS_NORMALISE_UNIT, /* each case to 0 .. 1 */
    PS_NORMALISE_RGB,  /* divided by 255 */
    PS_NORMALISATIONS
} ps_normalisation;

typedef struct {
    ps_normalisation normalisation;
    ps_intensity intensity;
    char name[PS_CLASS_NAME_SIZE];
} ps_plan_channel;

/* A network in two or three dimensions. In two, element 0 of what goes by axes is 1, and 0 in `spacing`: slices are as
 * far apart as they are. */
typedef struct {
    int dimensions;               /* 2 or 3; 0: there is none (three dimensions for images without depth) */
    double spacing[3], median[3]; /* mm; median shape of the cases at that spacing */
    int patch[3], batch, stages;
    int stride[PS_PLAN_STAGES][3], kernel[PS_PLAN_STAGES][3], features[PS_PLAN_STAGES];
    bool batch_dice; /* Dice is summed over the batch, and not sample by sample */
    double estimate; /* values in the network's maps for one sample: what the patch is bounded by */
} ps_plan_network;

typedef struct {
    int cases, channels, classes;
    int axis[3]; /* axis i of prepared samples is this one of the file's d, h, w: the coarsest comes first */
    bool masked; /* Z: mean and deviation are those of what is not zero, which alone is changed */
    ps_plan_channel channel[PS_FINGERPRINT_CHANNELS];
    ps_plan_network flat, full; /* nnU-Net's 2d and 3d_fullres */
    bool low_resolution;        /* nnU-Net would plan a 3d_lowres, too: a patch sees less than a quarter of a case */
} ps_plan;

ps_status ps_plan_make(const ps_fingerprint *fingerprint, ps_plan *out);

/* As text for people, and as the JSON that src/data/PLAN.md describes. */
void ps_plan_show(const ps_plan *plan, FILE *stream);
void ps_plan_write(const ps_plan *plan, FILE *stream);
/* Reads such JSON; what is missing or impossible is named. */
ps_status ps_plan_read(const char *path, ps_plan *out);
/* The same of a text; where: what it is called in sentences. */
ps_status ps_plan_parse(const char *text, const char *where, ps_plan *out);

const char *ps_normalisation_name(ps_normalisation normalisation);

#endif
