/* The samples in use of a source: decoded, and brought to one size where that is asked for. They are looked at between
 * `get` and `release`, and nobody can tell where they come from: they are decoded once and held where all of them fit
 * into the memory that they may take, else each when it is wanted, or before, into a cache of that size (data/cache.h).
 * What is seen is the same, bit for bit. A set is large by what its samples take, whatever may be held: of a large one
 * opening decodes nothing. */
#ifndef PS_DATA_SAMPLES_H
#define PS_DATA_SAMPLES_H

#include <stdbool.h>
#include <stddef.h>

#include "data/choice.h"

enum { PS_LARGE_BYTES = 1 << 30 };

typedef struct {
    ps_choice choice;   /* which samples; taken over */
    int side;           /* wanted height and width (and depth in 3D); 0: as stored */
    size_t most_bytes;  /* held where they take no more, which is also what the cache holds; 0: no bound */
    size_t large_bytes; /* a set that takes more is large; 0: PS_LARGE_BYTES */
    bool foreground;    /* classes of masks are counted, so that their positions can be drawn (data/foreground.h) */
} ps_samples_options;

typedef struct {
    ps_sample_size size; /* here: after resizing */
    size_t labels;       /* how many: 0, 1, or the positions of the mask */
    const void *pixel;
    const int16_t *label;
    const uint32_t *foreground; /* counts of classes, where they were asked for; else NULL */
    size_t row;
} ps_sample_view;

typedef struct ps_samples ps_samples;

/* Takes the source over, and the choice, also on failure. Decodes every sample of a set that is not large; those that
 * cannot be are counted as bad, and no failure yet. name: of the data, for sentences; borrowed. */
ps_status ps_samples_create(const char *name, ps_source *source, ps_samples_options *options, ps_samples **out);
void ps_samples_destroy(ps_samples *samples);

/* How many are bad. Where any is, all that can be done is to take the source back, with their sentences left out in it
 * and their places marked in bad[part], and to create anew without them. */
size_t ps_samples_bad(const ps_samples *samples);
ps_status ps_samples_close_files(ps_samples *samples, ps_source *out, bool *bad[PS_SOURCE_PARTS]);
/* None is: what opened files for that lets go of them. */
void ps_samples_settle(ps_samples *samples);

/* What there is; its counts mean nothing any more, and where samples are held that have neither names nor a way back to
 * their files, it is closed (functions NULL). */
const ps_source *ps_samples_source(const ps_samples *samples);
int ps_samples_count(const ps_samples *samples, ps_split split);
/* Whether a sample of a large set takes so much that whoever needs not hold it should not, and can read it row by row
 * (source.h): as it is stored, and more than a sixteenth of what makes a set large. */
bool ps_samples_want_rows(const ps_samples *samples, ps_split split, int index);
/* Of all samples, where they are of one size: else only the channels say something. */
ps_sample_size ps_samples_common_size(const ps_samples *samples);
bool ps_samples_differ(const ps_samples *samples);
bool ps_samples_are_large(const ps_samples *samples);
bool ps_samples_are_held(const ps_samples *samples);
size_t ps_samples_mean_bytes(const ps_samples *samples);
ps_sample_size ps_samples_size(const ps_samples *samples, ps_split split, int index);
/* Before it is resized; the same where its source is closed. */
ps_sample_size ps_samples_stored_size(const ps_samples *samples, ps_split split, int index);
ps_source_place ps_samples_place(const ps_samples *samples, ps_split split, int index);

/* From any thread. A view that was got is released once; nothing to release after a failure. */
ps_status ps_samples_get(const ps_samples *samples, ps_split split, int index, ps_sample_view *out);
void ps_samples_release(const ps_samples *samples, const ps_sample_view *view);
/* Lets go of what is not held and in nobody's use. */
void ps_samples_forget(const ps_samples *samples);
/* What will be got next, in this order, so that it can be decoded meanwhile. */
void ps_samples_expect(const ps_samples *samples, ps_split split, const uint32_t *index, size_t count);

#endif
