/* Augmentation: what is done to a training image before a network sees it. An operation is one .c file and one line in
 * augment_list.def; they are applied in the order of that list. What an operation does to a sample is a function of
 * (seed, epoch, sample) alone: arms of an experiment see the same images, for any number of threads, in batches of any
 * size and in any parts of them.
 *
 * An operation draws from a stream of its own (core/rng.h), so that one that is added, or left out, changes no other's
 * numbers. Nothing here allocates: bytes lie in the memory of the floats that they become. */
#ifndef PS_DATA_AUGMENT_H
#define PS_DATA_AUGMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/rng.h"
#include "data/dataset.h"
#include "data/image.h"

typedef struct {
    double low, high;
} ps_augment_range;

/* RandAugment (Cubuk et al. 2020) as timm (PyTorch Image Models) has it: `layers` operations drawn of fifteen, each
 * done with `probability`, at a magnitude of 0 to 10. */
typedef struct {
    int layers; /* 0: none */
    double probability, magnitude;
    double deviation; /* of the magnitude, which is normal; infinite: uniform from 0 to `magnitude` */
    bool increasing;  /* every operation is the stronger the larger its magnitude is */
} ps_rand_augment;

/* All zero: nothing is done. */
typedef struct {
    ps_augment_range crop_scale; /* share of the image's area that a resized crop keeps; high 0: none */
    ps_augment_range crop_ratio; /* its width over its height */
    int crop_pad;                /* pixels; 0: no crop */
    bool crop_black;             /* what a crop shows outside of the image is black, and not the mean */
    bool flip;
    double rotate; /* degrees, to either side */
    ps_rand_augment rand;
    double erase; /* probability */
    /* Flat samples are resized by a factor that is drawn, before a patch is cut out of them; high 0: they are not. */
    ps_augment_range patch_scale;
    double jitter[3]; /* of brightness, contrast and saturation: by factors from 1 - jitter to 1 + jitter */
    /* nnU-Net's, by their probabilities: of turning and scaling a patch while it is cut (data/augment_turn.h), and of
     * what changes values alone (data/augment_values.h). */
    double patch_turn, patch_zoom, noise, blur, brightness, contrast, low_resolution, gamma_inverted, gamma;
    bool mirror; /* along every axis, every second time */
} ps_augment_options;

/* "m9-mstd0.5-inc1": timm's way to write it, "rand-" before it or not. "": none. PS_ERR_USAGE with a sentence. */
ps_status ps_rand_augment_parse(const char *text, ps_rand_augment *out);

/* Where an operation stands to normalisation. Samples become floats after the last operation of those that are used
 * which wants bytes; so cells are moved before or after that, as the list has it. */
typedef enum {
    PS_AUGMENT_BYTES,  /* before it: on the bytes of flat images with one label, or none (but for keeps_places) */
    PS_AUGMENT_CELLS,  /* on either side: it moves pixels about, whatever they are, and a label a position with them */
    PS_AUGMENT_VALUES, /* after it: it changes values and moves none, of any images and volumes */
    PS_AUGMENT_FLOATS  /* after it: on flat images with one label, or none */
} ps_augment_side;

/* A sample under way. */
typedef struct {
    ps_shape shape;      /* n = 1 */
    void *pixel;         /* [d][h][w][c], of uint8_t before normalisation and of float after it */
    size_t cell;         /* bytes of a pixel, all its channels */
    const void *outside; /* a pixel [c] of what a crop shows outside of the image: the mean */
    const uint8_t *grey; /* [c], before normalisation: the mean of the training images, rounded; else NULL */
    uint8_t *room;       /* before normalisation: PS_AUGMENT_ROOM more images, for whatever is wanted; else NULL */
    int32_t *label;      /* one a position; NULL: none that could be moved */
} ps_augment_sample;

/* It, before normalisation. */
ps_image ps_augment_image(const ps_augment_sample *sample);

/* A table of functions without state, and constant. */
typedef struct {
    const char *name, *stream; /* of its random numbers */
    ps_augment_side side;
    bool keeps_places; /* changes values alone, so that a label a position stays right, whatever its side */
    bool (*used)(const ps_augment_options *options);
    /* Refuses what cannot be done with these data, in one sentence; NULL: nothing to refuse. Asked whether it is used
     * or not. */
    ps_status (*check)(const ps_augment_options *options, const ps_dataset *dataset);
    /* key: of (seed, epoch, sample) in its stream. */
    void (*apply)(const ps_augment_options *options, ps_rng_key key, ps_augment_sample *sample);
} ps_augmentation;

#define PS_AUGMENT(name) extern const ps_augmentation ps_augment_##name;
#include "data/augment_list.def"
#undef PS_AUGMENT

enum {
#define PS_AUGMENT(name) PS_AUGMENT_INDEX_##name,
#include "data/augment_list.def"
#undef PS_AUGMENT
    PS_AUGMENTATIONS
};

/* The operations in use, in their order. */
typedef struct {
    const ps_dataset *dataset; /* borrowed */
    ps_augment_options options;
    const ps_augmentation *operation[PS_AUGMENTATIONS];
    ps_rng_key key[PS_AUGMENTATIONS]; /* of the seed */
    ps_rng_key patch_key, scale_key, turn_key;
    int count, before; /* the first `before` are done on bytes */
} ps_augment_plan;

/* Refuses (PS_ERR_USAGE) what the data do not allow. Nothing to free. */
ps_status ps_augment_plan_init(ps_augment_plan *plan, const ps_augment_options *options, const ps_dataset *dataset,
                               uint64_t seed);
/* One training image of an epoch. */
typedef struct {
    uint64_t epoch;
    uint32_t index;  /* in the training split */
    uint64_t draw;   /* what tells it from all others of the epoch: its index, where each is seen once */
    bool foreground; /* its patch lies around a position of the foreground */
} ps_augment_item;
/* It, or a patch of it: x [d][h][w][c] and label [labels], normalised. From any thread. */
ps_status ps_augment_load(const ps_augment_plan *plan, const ps_augment_item *item, float *x, int32_t *label);

#endif
