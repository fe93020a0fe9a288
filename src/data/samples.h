/* The samples in use of a source: decoded, and brought to one size where that is asked for. They are looked at between
 * `get` and `release`, and nobody can tell where they come from: they are decoded once and held where all of them fit
 * into the memory that they may take, else decoded anew each time, one at a time. What is seen is the same, bit for
 * bit. A cache between the two would change nothing here. */
#ifndef PS_DATA_SAMPLES_H
#define PS_DATA_SAMPLES_H

#include <stdbool.h>
#include <stddef.h>

#include "data/choice.h"

typedef struct {
    ps_choice choice;  /* which samples; taken over */
    int side;          /* wanted height and width (and depth in 3D); 0: as stored */
    size_t most_bytes; /* held where they take no more; 0: whatever they take */
    bool foreground;   /* classes of masks are counted, so that their positions can be drawn (data/foreground.h) */
} ps_samples_options;

typedef struct {
    ps_sample_size size; /* here: after resizing */
    size_t labels;       /* how many: 0, 1, or the positions of the mask */
    const void *pixel;
    const int16_t *label;
    const uint32_t *foreground; /* counts of classes, where they were asked for; else NULL */
} ps_sample_view;

typedef struct ps_samples ps_samples;

/* Takes the source over, and the choice, also on failure. name: of the data, for sentences; borrowed. */
ps_status ps_samples_create(const char *name, ps_source *source, ps_samples_options *options, ps_samples **out);
void ps_samples_destroy(ps_samples *samples);

/* What there is; its counts mean nothing any more, and where samples are held that have neither names nor a way back to
 * their files, it is closed (functions NULL). */
const ps_source *ps_samples_source(const ps_samples *samples);
int ps_samples_count(const ps_samples *samples, ps_split split);
/* Of all samples, where they are of one size: else only the channels say something. */
ps_sample_size ps_samples_common_size(const ps_samples *samples);
bool ps_samples_differ(const ps_samples *samples);
ps_sample_size ps_samples_size(const ps_samples *samples, ps_split split, int index);

ps_source_place ps_samples_place(const ps_samples *samples, ps_split split, int index);

/* From any thread. A view that was got is released once, on the same thread; nothing to release after a failure. */
ps_status ps_samples_get(ps_samples *samples, ps_split split, int index, ps_sample_view *out);
void ps_samples_release(ps_samples *samples);

#endif
