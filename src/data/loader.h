/* Batches. The batch of a training step is a pure function of (data set, seed, step): arms of an experiment see the
 * same images in the same order with the same augmentation, and a resumed run goes on exactly where it was.
 *
 * Each epoch is one random permutation of the training split, or its stored order; a last part smaller than a batch is
 * dropped. Augmentation and the place of a patch (training batches only) are drawn per (seed, epoch, sample), or per
 * (seed, epoch, row of the epoch) where samples are drawn with replacement: data/augment.h; mixing of images with each
 * other after it, per (seed, step): data/mix.h. */
#ifndef PS_DATA_LOADER_H
#define PS_DATA_LOADER_H

#include <stdbool.h>
#include <stdint.h>

#include "parallel/threads.h"
#include "data/augment.h"
#include "data/dataset.h"
#include "data/mix.h"

typedef struct {
    int batch;
    int parts; /* batches of a training step, which has batch x parts images; 0: 1 */
    uint64_t seed;
    bool stored_order; /* every epoch in the order of the files */
    /* An epoch is so many steps, whose samples are drawn anew each, with replacement; 0: see above. */
    int epoch_steps;
    /* Share of a batch whose patches lie around foreground: its rows from round(batch (1 - share)) on. */
    double foreground;
    ps_augment_options augment;
    ps_mix_options mix;
} ps_loader_options;

typedef struct ps_loader ps_loader;

/* dataset is borrowed and must outlive the loader. Fails when the training split holds less than one batch, when
 * samples differ in size and no patches are cut, when masks are not as large as the images that are to be cropped or
 * flipped, and when options ask for what the data do not allow. */
ps_status ps_loader_create(const ps_dataset *dataset, const ps_loader_options *options, ps_loader **out);
void ps_loader_destroy(ps_loader *loader);
uint64_t ps_loader_steps_per_epoch(const ps_loader *loader);

/* Share of neighbours in the first epoch's order that are neighbours in the stored order, too: 1 where nothing is
 * shuffled, about 1 over the number of images where all is. */
double ps_loader_file_order(ps_loader *loader);

/* Mean entropy of what labels become by mixing and by smoothing, as expected for the last tenth of so many steps. */
double ps_loader_target_entropy(const ps_loader *loader, double smoothing, uint64_t steps);

/* Some rows of a batch, so that its shards can be loaded apart: each row is what it is in the whole batch, bit for bit.
 * first + count is at most the batch (of a
 * training step: all its batches). */
typedef struct {
    int first, count;
} ps_loader_rows;

/* Fills x [batch x parts][d][h][w][c] and label [batch x parts][labels_per_sample] for a training step: the images of
 * one batch of that size, in its order. Where a sample cannot be read
 * these and the three below fail with the sentence of the first such row, whatever the number of threads. */
ps_status ps_loader_train_batch(ps_loader *loader, uint64_t step, float *x, int32_t *label, ps_threads *threads);
/* Those rows of it alone: x [rows.count][d][h][w][c], label [rows.count][labels_per_sample]. */
ps_status ps_loader_train_rows(ps_loader *loader, uint64_t step, ps_loader_rows rows, float *x, int32_t *label,
                               ps_threads *threads);
/* Of the training batch or rows that were filled last: labels of what they were mixed with [rows][labels_per_sample],
 * which count where a row's own label does, and the share of its own; NULL where nothing was mixed. A row of which one
 * label does not count has -1 in both. Borrowed, until the next batch. */
typedef struct {
    const int32_t *other;
    double share;
} ps_loader_mixed;
ps_loader_mixed ps_loader_mixed_with(const ps_loader *loader);
/* Batch number `index` of a split in stored order, unaugmented (ps_dataset_fixed); rows beyond the split's end repeat
 * the last sample with label -1 (ignored by the loss). *real: how many rows are real (NULL: not wanted). */
ps_status ps_loader_plain_batch(ps_loader *loader, ps_split split, int index, float *x, int32_t *label, int *real,
                                ps_threads *threads);
/* Those rows of it alone, and how many of them are real. */
ps_status ps_loader_plain_rows(ps_loader *loader, ps_split split, int index, ps_loader_rows rows, float *x,
                               int32_t *label, int *real, ps_threads *threads);

#endif
