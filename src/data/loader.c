#include "data/loader.h"

#include <math.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "core/memory.h"
#include "core/rng.h"

/* Of the first row that could not be filled: sentences are the threads' own. */
typedef struct {
    pthread_mutex_t lock;
    size_t row;
    ps_status status;
    char message[1024];
} failure;

struct ps_loader {
    const ps_dataset *dataset;
    ps_loader_options options;
    ps_shape shape;
    size_t elements, labels; /* per sample */
    uint32_t train_count;
    ps_augment_plan augment;
    ps_rng_key order_key, mix_key;
    ps_mix mix;     /* of the latest training batch */
    float *partner; /* [batch][elements]: partners that are no rows of what is filled; NULL: nothing is mixed */
    int32_t *other; /* [batch]: labels of all partners */
    /* Permutations of an epoch with an even number and of one with an odd one, so that the end of an epoch can see the
     * start of the next; [0] alone where nobody looks ahead. */
    uint32_t *order[2];
    uint64_t order_epoch[2];
    bool order_known[2], ahead;
    failure failed; /* of the batch at hand */
};

/* One batch being filled; chunks of rows share nothing. */
typedef struct batch_job {
    const ps_loader *loader;
    ps_status (*fill_row)(const struct batch_job *job, size_t row);
    uint64_t epoch; /* training batches */
    ps_split split; /* plain batches */
    size_t count;   /* images in that split */
    size_t first;   /* place of the first row in the epoch's order, or in the stored order */
    size_t row;     /* and in its batch */
    size_t rows, chunks;
    float *x;
    int32_t *label;
    failure *failed;
} batch_job;

/* More than there can be are as many as can be, and refused with them. */
static int step_images(const ps_loader_options *options) {
    int64_t images = (int64_t)options->batch * (options->parts > 1 ? options->parts : 1);
    return images < INT32_MAX ? (int)images : INT32_MAX;
}

static ps_status prepare_mixing(ps_loader *loader) {
    size_t batch = (size_t)step_images(&loader->options);
    PS_TRY(PS_ALLOC(batch * loader->elements, &loader->partner, "mixing of images"));
    return PS_ALLOC(batch, &loader->other, "mixing of images");
}

/* Whole samples of unlike sizes make no batch; a task that cuts patches takes them one by one. */
static ps_status refuse_sizes(const ps_dataset *dataset) {
    for (int split = 0; split < PS_SPLITS; split++) {
        for (int i = 0; i < ps_dataset_count(dataset, (ps_split)split); i++) {
            ps_shape first = ps_dataset_shape_of(dataset, PS_SPLIT_TRAIN, 0, NULL),
                     other = ps_dataset_shape_of(dataset, (ps_split)split, i, NULL);
            if (ps_shape_equal(first, other)) continue;
            return ps_fail(PS_ERR_USAGE,
                           "%s: samples differ in size (%d x %d x %d and %d x %d x %d), and a batch wants one; %s",
                           ps_dataset_source(dataset), first.d, first.h, first.w, other.d, other.h, other.w,
                           ps_dataset_has_masks(dataset)
                               ? "cut patches of one size out of them with --patch-size (--size makes all of them "
                                 "cubes or squares)"
                               : "bring them to one size with --size");
        }
    }
    return ps_fail(PS_ERR_USAGE, "%s: masks differ in size, and a batch wants one; bring them to one size with --size",
                   ps_dataset_source(dataset));
}

/* What moves an image moves its mask. */
static ps_status refuse_masks(const ps_dataset *dataset, const ps_loader_options *options) {
    ps_shape mask, shape = ps_dataset_shape_of(dataset, PS_SPLIT_TRAIN, 0, &mask);
    bool moved = options->augment.crop_pad > 0 || options->augment.flip || options->augment.mirror;
    if (!moved || ps_dataset_has_patch(dataset) || ps_dataset_labels_per_sample(dataset) <= 1) return PS_OK;
    if (mask.d == shape.d && mask.h == shape.h && mask.w == shape.w) return PS_OK;
    return ps_fail(PS_ERR_USAGE,
                   "%s: masks of %d x %d x %d cannot be cropped and flipped with images of %d x %d x %d; leave that "
                   "out, or bring both to one size with --size",
                   ps_dataset_source(dataset), mask.d, mask.h, mask.w, shape.d, shape.h, shape.w);
}

static ps_status check_mixing(const ps_dataset *dataset, const ps_loader_options *options) {
    PS_TRY(ps_mix_check(&options->mix));
    if (!ps_mix_used(&options->mix)) return PS_OK;
    if (ps_dataset_labels_per_sample(dataset) != 1)
        return ps_fail(PS_ERR_USAGE,
                       "%s: mixup and cutmix mix images with a class each, and these have %s; leave mixing out",
                       ps_dataset_source(dataset), ps_dataset_labels_per_sample(dataset) > 1 ? "masks" : "no labels");
    if (step_images(options) < 2)
        return ps_fail(PS_ERR_USAGE,
                       "mixup and cutmix mix the images of a batch with each other, and a batch of 1 has "
                       "none to mix; use a larger batch, or leave mixing out");
    if (options->stored_order)
        return ps_fail(PS_ERR_USAGE,
                       "mixup and cutmix mix the first image of a batch with its last and so on, which in stored order "
                       "would be the same two in every epoch; shuffle the images, or leave mixing out");
    return PS_OK;
}

static ps_status check_drawing(const ps_dataset *dataset, const ps_loader_options *options) {
    int images = ps_dataset_count(dataset, PS_SPLIT_TRAIN);
    if (options->epoch_steps == 0 && images < step_images(options))
        return ps_fail(PS_ERR_USAGE,
                       "%s: %d training images are less than one batch of %d; use a smaller batch or more images",
                       ps_dataset_source(dataset), images, step_images(options));
    if (options->epoch_steps > 0 && options->stored_order)
        return ps_fail(PS_ERR_USAGE,
                       "epoch_steps draws the samples of every step at random, and stored order does not; "
                       "leave one of them out");
    if (options->foreground <= 0) return PS_OK;
    if (!ps_dataset_has_patch(dataset))
        return ps_fail(PS_ERR_USAGE,
                       "foreground says where patches are cut, and whole samples are used; give "
                       "patch_size, too, or leave it out");
    if (ps_dataset_labels_per_sample(dataset) <= 1)
        return ps_fail(PS_ERR_USAGE, "%s: foreground is a matter of masks, and these samples have none; leave it out",
                       ps_dataset_source(dataset));
    return PS_OK;
}

ps_status ps_loader_create(const ps_dataset *dataset, const ps_loader_options *options, ps_loader **out) {
    ps_loader *loader = NULL;
    ps_augment_plan augment;
    int images = ps_dataset_count(dataset, PS_SPLIT_TRAIN);
    *out = NULL;
    if (options->batch < 1)
        return ps_fail(PS_ERR_USAGE, "a batch of %d images makes no sense; give 1 or more", options->batch);
    ps_shape shape = ps_dataset_sample_shape(dataset);
    if (ps_dataset_samples_differ(dataset) && !ps_dataset_has_patch(dataset)) return refuse_sizes(dataset);
    PS_TRY(ps_augment_plan_init(&augment, &options->augment, dataset, options->seed));
    PS_TRY(check_drawing(dataset, options));
    PS_TRY(refuse_masks(dataset, options));
    PS_TRY(check_mixing(dataset, options));
    PS_TRY(PS_ALLOC(1, &loader, "loader"));
    pthread_mutex_init(&loader->failed.lock, NULL);
    loader->dataset = dataset;
    loader->options = *options;
    loader->augment = augment;
    loader->shape = shape;
    loader->elements = ps_shape_elements(loader->shape);
    loader->labels = ps_dataset_labels_per_sample(dataset);
    loader->train_count = (uint32_t)images;
    loader->order_key = ps_rng_key_of(options->seed, "data/order");
    loader->mix_key = ps_rng_key_of(options->seed, "data/mix");
    loader->mix.share = 1;
    loader->ahead = !ps_dataset_is_held(dataset);
    ps_status status = PS_ALLOC(loader->train_count, &loader->order[0], "loader");
    if (status == PS_OK && loader->ahead) status = PS_ALLOC(loader->train_count, &loader->order[1], "loader");
    if (status == PS_OK && ps_mix_used(&options->mix)) status = prepare_mixing(loader);
    if (status != PS_OK) {
        ps_loader_destroy(loader);
        return status;
    }
    *out = loader;
    return PS_OK;
}

void ps_loader_destroy(ps_loader *loader) {
    if (loader == NULL) return;
    pthread_mutex_destroy(&loader->failed.lock);
    for (int i = 0; i < 2; i++) ps_free(loader->order[i]);
    ps_free(loader->partner);
    ps_free(loader->other);
    ps_free(loader);
}

uint64_t ps_loader_steps_per_epoch(const ps_loader *loader) {
    if (loader->options.epoch_steps > 0) return (uint64_t)loader->options.epoch_steps;
    return loader->train_count / (uint32_t)step_images(&loader->options);
}

/* ---- batches ---- */

static bool mixes(const ps_loader *loader) { return loader->mix.share < 1; }

/* Row of the batch that a row is mixed with, counted from the first of those that are filled: it may not be one. */
static ptrdiff_t partner_of(const batch_job *job, size_t row) {
    ptrdiff_t last = step_images(&job->loader->options) - 1;
    return last - (ptrdiff_t)(job->row + row) - (ptrdiff_t)job->row;
}

static bool is_filled(const batch_job *job, ptrdiff_t row) { return row >= 0 && row < (ptrdiff_t)job->rows; }

static size_t slot_of(const ps_loader *loader, uint64_t epoch) { return loader->ahead ? epoch & 1 : 0; }

/* Sample number `place` of an epoch, whose order was drawn where there is one. */
static uint32_t sample_at(const ps_loader *loader, uint64_t epoch, uint64_t place) {
    if (loader->options.epoch_steps == 0) return loader->order[slot_of(loader, epoch)][place];
    return ps_rng_below(ps_rng_key_fold(loader->order_key, epoch), place, loader->train_count);
}

/* As nnU-Net has it, whose round() goes to the even one of two, too. */
static bool is_foreground(const ps_loader_options *options, int row) {
    return row >= (int)lrint(options->batch * (1 - options->foreground));
}

static ps_status load(const batch_job *job, ptrdiff_t row, float *x, int32_t *label) {
    const ps_loader *loader = job->loader;
    uint64_t place = (uint64_t)((ptrdiff_t)job->first + row);
    ps_augment_item item = {.epoch = job->epoch, .index = sample_at(loader, job->epoch, place)};
    item.draw = loader->options.epoch_steps > 0 ? place : item.index;
    item.foreground = is_foreground(&loader->options, (int)(place % (uint64_t)loader->options.batch));
    return ps_augment_load(&loader->augment, &item, x, label);
}

static ps_status fill_train_row(const batch_job *job, size_t row) {
    const ps_loader *loader = job->loader;
    PS_TRY(load(job, (ptrdiff_t)row, job->x + row * loader->elements, job->label + row * loader->labels));
    ptrdiff_t partner = partner_of(job, row);
    if (!mixes(loader) || is_filled(job, partner)) return PS_OK;
    return load(job, partner, loader->partner + row * loader->elements, loader->other + row);
}

static void mix_row(const batch_job *job, size_t row) {
    const ps_loader *loader = job->loader;
    float *own = job->x + row * loader->elements;
    ptrdiff_t partner = partner_of(job, row);
    if (!is_filled(job, partner))
        ps_mix_pair(&loader->mix, loader->shape, own, loader->partner + row * loader->elements);
    else if (partner > (ptrdiff_t)row)
        ps_mix_pair(&loader->mix, loader->shape, own, job->x + (size_t)partner * loader->elements);
}

static void mix_chunk(void *context, size_t chunk, int worker) {
    const batch_job *job = context;
    size_t end = ps_threads_chunk_start(job->rows, job->chunks, chunk + 1);
    (void)worker;
    for (size_t row = ps_threads_chunk_start(job->rows, job->chunks, chunk); row < end; row++) mix_row(job, row);
}

/* A row counts where both of its labels do. */
static void mix_labels(const batch_job *job) {
    int32_t *other = job->loader->other;
    for (size_t row = 0; row < job->rows; row++)
        if (is_filled(job, partner_of(job, row))) other[row] = job->label[partner_of(job, row)];
    for (size_t row = 0; row < job->rows; row++) {
        bool counts = job->label[row] >= 0 && other[row] >= 0;
        if (!counts) job->label[row] = other[row] = -1;
    }
}

static ps_status fill_plain_row(const batch_job *job, size_t row) {
    const ps_loader *loader = job->loader;
    size_t index = job->first + row, last = job->count - 1;
    float *x = job->x + row * loader->elements;
    int32_t *label = job->label + row * loader->labels;
    if (job->count == 0) memset(x, 0, loader->elements * sizeof *x);
    else PS_TRY(ps_dataset_fixed(loader->dataset, job->split, (int)(index < last ? index : last), x, label));
    for (size_t i = 0; index >= job->count && i < loader->labels; i++) label[i] = -1;
    return PS_OK;
}

static void note_failure(failure *failed, size_t row, ps_status status) {
    pthread_mutex_lock(&failed->lock);
    if (failed->status == PS_OK || row < failed->row) {
        failed->row = row;
        failed->status = status;
        snprintf(failed->message, sizeof failed->message, "%s", ps_status_message());
    }
    pthread_mutex_unlock(&failed->lock);
}

static void fill_chunk(void *context, size_t chunk, int worker) {
    const batch_job *job = context;
    size_t end = ps_threads_chunk_start(job->rows, job->chunks, chunk + 1);
    (void)worker;
    for (size_t row = ps_threads_chunk_start(job->rows, job->chunks, chunk); row < end; row++) {
        ps_status status = job->fill_row(job, row);
        if (status != PS_OK) note_failure(job->failed, row, status);
    }
}

static ps_status fill_batch(ps_loader *loader, batch_job *job, ps_threads *threads) {
    enum { FLOATS_A_CHUNK = 16384 };
    size_t grain = FLOATS_A_CHUNK / loader->elements;
    loader->failed.status = PS_OK;
    job->loader = loader;
    job->failed = &loader->failed;
    job->chunks = ps_threads_chunks(job->rows, grain > 0 ? grain : 1);
    ps_threads_run(threads, job->chunks, fill_chunk, job);
    return loader->failed.status == PS_OK ? PS_OK : ps_fail(loader->failed.status, "%s", loader->failed.message);
}

static ps_loader_rows whole_batch(const ps_loader *loader) { return (ps_loader_rows){0, loader->options.batch}; }

static void draw_order(ps_loader *loader, uint64_t epoch) {
    size_t slot = slot_of(loader, epoch);
    uint32_t *order = loader->order[slot];
    bool drawn = loader->order_known[slot] && loader->order_epoch[slot] == epoch;
    if (drawn || loader->options.epoch_steps > 0) return;
    if (loader->options.stored_order)
        for (uint32_t i = 0; i < loader->train_count; i++) order[i] = i;
    else ps_rng_permutation(ps_rng_key_fold(loader->order_key, epoch), loader->train_count, order);
    loader->order_epoch[slot] = epoch;
    loader->order_known[slot] = true;
}

/* The images of the steps from this one on, for whoever decodes them meanwhile. */
static void expect_steps(ps_loader *loader, uint64_t step) {
    enum { MOST = 256 };
    uint32_t next[MOST];
    size_t count = 0, images = (size_t)step_images(&loader->options);
    uint64_t steps = ps_loader_steps_per_epoch(loader);
    if (!loader->ahead) return;
    for (; count < MOST; step++) {
        draw_order(loader, step / steps);
        for (size_t i = 0; i < images && count < MOST; i++)
            next[count++] = sample_at(loader, step / steps, step % steps * images + i);
    }
    ps_dataset_expect(loader->dataset, PS_SPLIT_TRAIN, next, count);
}

static void expect_plain(const ps_loader *loader, ps_split split, size_t first) {
    enum { MOST = 64 };
    uint32_t next[MOST];
    size_t count = 0, all = (size_t)ps_dataset_count(loader->dataset, split);
    for (; loader->ahead && count < MOST && first + count < all; count++) next[count] = (uint32_t)(first + count);
    if (count > 0) ps_dataset_expect(loader->dataset, split, next, count);
}

double ps_loader_file_order(ps_loader *loader) {
    uint64_t neighbours = 0, count = loader->train_count;
    if (loader->options.epoch_steps > 0)
        count = ps_loader_steps_per_epoch(loader) * (uint64_t)step_images(&loader->options);
    draw_order(loader, 0);
    for (uint64_t i = 1; i < count; i++) neighbours += sample_at(loader, 0, i) == sample_at(loader, 0, i - 1) + 1;
    return count > 1 ? (double)neighbours / ((double)count - 1) : 0;
}

/* That two labels are one and the same. */
static double chance_of_twins(const ps_dataset *dataset) {
    double all = 0, squares = 0;
    for (int k = 0; k < ps_dataset_classes(dataset); k++) {
        double count = (double)ps_dataset_count_labels(dataset, PS_SPLIT_TRAIN, k);
        all += count;
        squares += count * count;
    }
    return all > 0 ? squares / (all * all) : 0;
}

double ps_loader_target_entropy(const ps_loader *loader, double smoothing, uint64_t steps) {
    enum { MOST = 1000 };
    uint64_t last = steps - steps / 10, count = steps - last > MOST ? MOST : steps - last;
    double twins = chance_of_twins(loader->dataset), sum = 0;
    int classes = ps_dataset_classes(loader->dataset);
    if (count == 0) count = 1;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t step = steps - 1 - i * (steps - last) / count;
        ps_mix mix = ps_mix_draw(&loader->options.mix, loader->mix_key, step, step / ps_loader_steps_per_epoch(loader),
                                 loader->shape);
        sum += twins * ps_mix_entropy(mix.share, true, smoothing, classes) +
               (1 - twins) * ps_mix_entropy(mix.share, false, smoothing, classes);
    }
    return sum / (double)count;
}

ps_status ps_loader_train_rows(ps_loader *loader, uint64_t step, ps_loader_rows rows, float *x, int32_t *label,
                               ps_threads *threads) {
    uint64_t steps = ps_loader_steps_per_epoch(loader), epoch = step / steps;
    draw_order(loader, epoch);
    batch_job job = {.fill_row = fill_train_row,
                     .epoch = epoch,
                     .first = (size_t)(step % steps) * (size_t)step_images(&loader->options) + (size_t)rows.first,
                     .row = (size_t)rows.first,
                     .rows = (size_t)rows.count,
                     .x = x,
                     .label = label};
    loader->mix = ps_mix_draw(&loader->options.mix, loader->mix_key, step, epoch, loader->shape);
    PS_TRY(fill_batch(loader, &job, threads));
    expect_steps(loader, step + 1);
    if (!mixes(loader)) return PS_OK;
    ps_threads_run(threads, job.chunks, mix_chunk, &job);
    mix_labels(&job);
    return PS_OK;
}

ps_loader_mixed ps_loader_mixed_with(const ps_loader *loader) {
    return (ps_loader_mixed){mixes(loader) ? loader->other : NULL, loader->mix.share};
}

ps_status ps_loader_train_batch(ps_loader *loader, uint64_t step, float *x, int32_t *label, ps_threads *threads) {
    return ps_loader_train_rows(loader, step, (ps_loader_rows){0, step_images(&loader->options)}, x, label, threads);
}

ps_status ps_loader_plain_rows(ps_loader *loader, ps_split split, int index, ps_loader_rows rows, float *x,
                               int32_t *label, int *real, ps_threads *threads) {
    size_t count = (size_t)ps_dataset_count(loader->dataset, split), wanted = (size_t)rows.count;
    size_t first = (size_t)index * (size_t)loader->options.batch + (size_t)rows.first;
    size_t left = first < count ? count - first : 0;
    batch_job job = {.fill_row = fill_plain_row,
                     .split = split,
                     .first = first,
                     .rows = wanted,
                     .count = count,
                     .x = x,
                     .label = label};
    if (real != NULL) *real = (int)(left < wanted ? left : wanted);
    PS_TRY(fill_batch(loader, &job, threads));
    expect_plain(loader, split, first + wanted);
    return PS_OK;
}

ps_status ps_loader_plain_batch(ps_loader *loader, ps_split split, int index, float *x, int32_t *label, int *real,
                                ps_threads *threads) {
    return ps_loader_plain_rows(loader, split, index, whole_batch(loader), x, label, real, threads);
}
