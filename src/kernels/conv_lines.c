/* Convolution as products along lines: in channels-last memory the taps of a kernel along w are neighbours, so what a
 * position reads of one source line is one stretch of memory (with dilation or groups: one per tap), and the next
 * position's stretch lies a fixed step further. Register blocks of neighbouring positions keep their sums over the
 * stretches of all lines; nothing is gathered position by position. Lines with padding along w are copied once, padded,
 * for a run of target lines; without it the source is read in place. Backward-data runs once per residue of the
 * stride. Where taps along w lie apart, nothing is copied: a line is cut where a tap enters or leaves the source, and
 * each piece multiplies only what lies inside. The weight gradient does so in 3D too, tap by tap.
 * Any kernel up to 32 taps an axis and 128 stretches, stride, padding, dilation, groups; 2D and 3D.
 * Relative L2 error as the direct method's: sums in sequence, 1.1e-6 for 4608 products, 3e-6 for 27648;
 * backward-weights 1e-6. */
#include "kernels/conv_lines.h"

#include <string.h>

#include "kernels/conv_direct.h"
#include "kernels/conv_method.h"
#include "kernels/processor.h"

enum {
    RUN_POSITIONS = 192,       /* of a chunk, so that packed weights are read from the nearest cache many times */
    NEAR_POSITIONS = 512,      /* where these are few: longer, so that fewer lines are copied twice */
    NEAR_UNITS = 64,           /* of such a length that must be left for the threads */
    BUFFER_FLOATS = 64 * 1024, /* copied lines of a chunk: 256 KiB */
    SMALL_BUFFER_FLOATS = 32 * 1024,
    MOST_BUFFER = 1 << 20,     /* and of a single target line; beyond it the method declines */
    DEPTH_BLOCK = 384,         /* rows of packed weights used together: 48 KiB */
    MOST_LEAVES = 16,          /* sums of the weight gradient that are held at once */
    LEAVES_FLOATS = 4 << 20,   /* and the room they may take together: 16 MiB */
    GRADIENT_POSITIONS = 256,  /* of a unit of the weight gradient */
    STRIPE_FLOATS = 96 * 1024, /* of source and dy that trimmed sums of a leaf run over together: 384 KiB */
    SMALL_STRIPE_FLOATS = 32 * 1024,
    NEAR_FLOATS = 4096,   /* 16 KiB, of packed weights beside which lines have room in the nearest cache */
    FAR_FLOATS = 1 << 20, /* of the target that no second-level cache holds */
    MOST_AHEAD = 256,     /* channels of a target whose units may be fetched ahead */
    UNITS_AHEAD = 8,      /* units of a task where they are */
    LEAST_TRIMMED = 8,    /* channels of a tap that are worth a block of their own */
    FILTER_BLOCK = 64     /* filters of a task of the weight gradient where there are few such sums */
};

typedef struct {
    const ps_lines_kernels *kernels;
    const ps_direct_kernels *packing;
    ps_conv_sweep sweep;
    const float *source, *w, *bias, *dy;
    float *target, *packed, *buffers, *parts;
    bool copied;                            /* lines are copied with their padding; otherwise read in place */
    bool together;                          /* the packed weights of all panels stay in the nearest cache */
    bool far;                               /* the target (or dy) is beyond the nearer caches, and fetched ahead */
    bool trimmed;                           /* products leave out what lies outside the source along w */
    int low, columns;                       /* first source column of a line and how many the positions reach */
    int window;                             /* source lines per tap of d that a run of target lines reaches */
    size_t line_floats, buffer_floats;      /* of a line as the products see it; of a worker */
    size_t run, runs, piece, pieces, units; /* target lines of a unit, positions of a line; units in all */
    size_t panel, panels, passes;
    size_t blocks, part_step, sum_step; /* of the weight gradient */
    ps_gradient_cut cut;
    int kernel_taps, kh, kw;
    bool accumulate;
} lines_job;

static size_t round_up(size_t count, size_t step) { return (count + step - 1) / step * step; }

/* Half-width vectors where a whole one would be half empty. */
static void choose_kernels(lines_job *job, int channels) {
#if defined(__x86_64__)
    if (ps_simd_detect() == PS_SIMD_AVX512 && channels <= 8) {
        job->kernels = ps_lines_kernels_of_avx2(), job->packing = ps_direct_kernels_of_avx2();
        return;
    }
#else
    (void)channels;
#endif
    job->kernels = PS_SIMD_SELECT(ps_lines_kernels_of)(), job->packing = PS_SIMD_SELECT(ps_direct_kernels_of)();
}

static bool reads_inside(const ps_conv_axis *a) {
    return a->taps == 0 ||
           (a->delta[0] >= 0 && (a->count - 1) * a->source_step + a->delta[a->taps - 1] < a->source_size);
}

static bool is_identity(const ps_conv_axis *a) {
    return a->taps == 1 && a->delta[0] == 0 && a->source_step == 1 && a->count == a->source_size &&
           a->target_step == 1 && a->count == a->target_size;
}

/* Taps along w that lie apart are stretches of their own, which a piece of a line may leave out. In the weight gradient
 * every tap is, but narrow ones share a block of rows. */
static bool can_trim(const ps_conv_sweep *s, bool gradient) {
    bool apart = s->groups == 1 && s->w.taps > 1 && !s->wide_rows;
    if (!gradient) return apart;
    return s->groups == 1 && s->source_group >= LEAST_TRIMMED && (apart || s->d.taps > 1);
}

/* A pointwise convolution is `lines` long lines: one, or one for each shard. */
static void merge_axes(ps_conv_sweep *s, int lines) {
    if (!is_identity(&s->d) || !is_identity(&s->h) || !is_identity(&s->w)) return;
    s->w.count = s->w.source_size = s->w.target_size = (int)(s->positions / (size_t)lines);
    s->d.count = s->d.source_size = s->d.target_size = s->h.count = s->h.source_size = s->h.target_size = 1;
    s->n = lines;
}

/* Shards of unequal size have a line for each sample. */
static int gradient_lines(const ps_conv_sweep *s) {
    ps_shards shards = ps_shards_of((size_t)s->n);
    return shards.samples % shards.count == 0 ? (int)shards.count : s->n;
}

static size_t window_of(const ps_conv_sweep *s, size_t run) {
    int reach = s->h.taps > 0 ? s->h.delta[s->h.taps - 1] - s->h.delta[0] : 0;
    return (run - 1) * (size_t)s->h.source_step + (size_t)reach + 1;
}

static size_t buffer_of(const lines_job *job, size_t run) {
    return (size_t)job->sweep.d.taps * window_of(&job->sweep, run) * job->line_floats;
}

/* Units of about `positions`: pieces of a long line, or as many lines of a plane as fit the buffer. */
static void cut_units(lines_job *job, size_t positions) {
    const ps_conv_sweep *s = &job->sweep;
    size_t width = (size_t)s->w.count, height = (size_t)s->h.count;
    job->pieces = job->copied ? 1 : ps_threads_chunks(width, positions);
    job->piece = (width + job->pieces - 1) / job->pieces;
    job->run = positions / job->piece;
    if (job->run > height) job->run = height;
    if (job->run < 1) job->run = 1;
    size_t room = ps_processor_choose(BUFFER_FLOATS, SMALL_BUFFER_FLOATS);
    while (job->copied && job->run > 1 && buffer_of(job, job->run) > room) job->run--;
    job->runs = ps_threads_chunks(height, job->run);
    job->run = (height + job->runs - 1) / job->runs;
    job->units = (size_t)s->n * (size_t)s->d.count * job->runs * job->pieces;
    job->window = (int)window_of(s, job->run);
    job->buffer_floats = job->copied ? round_up(buffer_of(job, job->run), 16) : 0;
    size_t channels = (size_t)s->target_channels, sizes = (size_t)s->d.target_size * (size_t)s->h.target_size;
    bool whole = s->d.target_step == 1 && s->h.target_step == 1 && s->w.target_step == 1;
    job->far = whole && s->groups == 1 && channels <= MOST_AHEAD &&
               (size_t)s->n * sizes * (size_t)s->w.target_size * channels >= FAR_FLOATS;
}

/* Tasks of a sweep. */
static size_t chunks_of(const lines_job *job) {
    return job->far ? ps_threads_chunks(job->units, UNITS_AHEAD) : job->units;
}

/* gradient: of the weights; then every line that a tap reaches must be in memory. */
static lines_job plan_lines(const ps_conv_sweep *sweep, bool gradient) {
    lines_job job = {.sweep = *sweep};
    ps_conv_sweep *s = &job.sweep;
    choose_kernels(&job, sweep->target_group);
    merge_axes(s, gradient ? gradient_lines(s) : 1);
    job.low = s->w.taps > 0 ? s->w.delta[0] : 0;
    int reach = s->w.taps > 0 ? s->w.delta[s->w.taps - 1] - job.low : 0;
    job.columns = (s->w.count - 1) * s->w.source_step + reach + 1;
    job.trimmed = can_trim(s, gradient);
    job.copied = !job.trimmed && (!reads_inside(&s->w) || (gradient && !(reads_inside(&s->h) && reads_inside(&s->d))));
    job.line_floats = (size_t)(job.copied ? job.columns : s->w.source_size) * (size_t)s->source_channels;
    job.panel = 2 * (size_t)job.kernels->lanes;
    job.panels = ps_threads_chunks((size_t)sweep->target_group, job.panel);
    job.together = !gradient && s->wide_rows && !job.trimmed && job.panels * job.panel * s->depth <= NEAR_FLOATS;
    bool longer = job.together && s->positions >= (size_t)NEAR_UNITS * NEAR_POSITIONS;
    cut_units(&job, gradient ? GRADIENT_POSITIONS : longer ? NEAR_POSITIONS : RUN_POSITIONS);
    return job;
}

/* Lines [first_line, first_line + lines) of a plane, positions [first, first + count) of each; first_source: of the
 * window. */
typedef struct {
    int n, d, first_line, lines, first_source;
    size_t first, count;
    const float *buffer;
    const float *ahead; /* NULL, or the next unit's part of the target or of dy, to be fetched meanwhile */
} unit;

static unit unit_of(const lines_job *job, size_t index) {
    const ps_conv_sweep *s = &job->sweep;
    size_t piece = index % job->pieces, run = index / job->pieces % job->runs, plane = index / job->pieces / job->runs;
    unit u = {.n = (int)(plane / (size_t)s->d.count), .d = (int)(plane % (size_t)s->d.count)};
    u.first = ps_threads_chunk_start((size_t)s->w.count, job->pieces, piece);
    u.count = ps_threads_chunk_start((size_t)s->w.count, job->pieces, piece + 1) - u.first;
    u.first_line = (int)ps_threads_chunk_start((size_t)s->h.count, job->runs, run);
    u.lines = (int)ps_threads_chunk_start((size_t)s->h.count, job->runs, run + 1) - u.first_line;
    u.first_source = u.first_line * s->h.source_step + (s->h.taps > 0 ? s->h.delta[0] : 0);
    return u;
}

static bool inside(int i, int size) { return i >= 0 && i < size; }

static const float *source_line(const lines_job *job, int n, int d, int h) {
    const ps_conv_sweep *s = &job->sweep;
    size_t line = ((size_t)n * (size_t)s->d.source_size + (size_t)d) * (size_t)s->h.source_size + (size_t)h;
    return job->source + line * (size_t)s->w.source_size * (size_t)s->source_channels;
}

static void copy_line(const lines_job *job, const float *from, float *to) {
    int size = job->sweep.w.source_size, columns = job->columns;
    int left = job->low < 0 ? -job->low : 0, skip = job->low > 0 ? job->low : 0;
    if (left > columns) left = columns;
    int middle = size - skip < columns - left ? size - skip : columns - left;
    if (from == NULL || middle < 0) left = columns, middle = 0;
    size_t c = (size_t)job->sweep.source_channels;
    memset(to, 0, (size_t)left * c * sizeof *to);
    if (middle > 0) memcpy(to + (size_t)left * c, from + (size_t)skip * c, (size_t)middle * c * sizeof *to);
    memset(to + (size_t)(left + middle) * c, 0, (size_t)(columns - left - middle) * c * sizeof *to);
}

/* Copies the lines that a unit reads; those outside the source as zeros. */
static void copy_lines(const lines_job *job, unit *u, int worker) {
    const ps_conv_sweep *s = &job->sweep;
    if (!job->copied) return;
    float *to = job->buffers + (size_t)worker * job->buffer_floats;
    u->buffer = to;
    int window = (int)window_of(s, (size_t)u->lines);
    for (int td = 0; td < s->d.taps; td++, to += (size_t)job->window * job->line_floats) {
        int d = u->d * s->d.source_step + s->d.delta[td];
        for (int i = 0; i < window; i++) {
            int h = u->first_source + i;
            bool in = inside(d, s->d.source_size) && inside(h, s->h.source_size);
            copy_line(job, in ? source_line(job, u->n, d, h) : NULL, to + (size_t)i * job->line_floats);
        }
    }
}

/* What the unit's first position reads first of tap td's line h of the source; the line is inside the source, or
 * copied. */
static const float *line_start(const lines_job *job, const unit *u, int td, int h) {
    const ps_conv_sweep *s = &job->sweep;
    size_t start = u->first * (size_t)s->w.source_step;
    if (job->copied) {
        size_t line = (size_t)(td * job->window + h - u->first_source);
        return u->buffer + line * job->line_floats + start * (size_t)s->source_channels;
    }
    int d = u->d * s->d.source_step + s->d.delta[td];
    return source_line(job, u->n, d, h) + ((size_t)job->low + start) * (size_t)s->source_channels;
}

/* The part of a stretch that depth [begin, end) takes. */
static void add_segment(ps_lines_product *p, const float *from, size_t at, size_t length, size_t begin, size_t end) {
    size_t first = at > begin ? at : begin, last = at + length < end ? at + length : end;
    if (first >= last) return;
    p->segment[p->segments++] = (ps_lines_segment){from + (first - at), first - begin, last - first};
}

static void find_segments(const lines_job *job, const unit *u, int line, int group, size_t begin, size_t end,
                          ps_lines_product *p) {
    const ps_conv_sweep *s = &job->sweep;
    size_t c = (size_t)s->source_group, row = (size_t)s->w.taps * c, at = 0;
    p->segments = 0;
    for (int td = 0; td < s->d.taps; td++) {
        bool in = inside(u->d * s->d.source_step + s->d.delta[td], s->d.source_size);
        for (int th = 0; th < s->h.taps; th++, at += row) {
            int h = line * s->h.source_step + s->h.delta[th];
            if (!in || !inside(h, s->h.source_size) || at >= end || at + row <= begin) continue;
            const float *from = job->trimmed ? NULL : line_start(job, u, td, h) + (size_t)group * c;
            if (s->wide_rows) {
                add_segment(p, from, at, row, begin, end);
                continue;
            }
            for (int tw = 0; tw < s->w.taps; tw++) {
                if (job->trimmed) {
                    int column = (int)u->first * s->w.source_step + s->w.delta[tw];
                    if (!inside(column, s->w.source_size)) continue;
                    const float *line_of = source_line(job, u->n, u->d * s->d.source_step + s->d.delta[td], h);
                    add_segment(p, line_of + (size_t)column * (size_t)s->source_channels, at + (size_t)tw * c, c, begin,
                                end);
                    continue;
                }
                size_t column = (size_t)(s->w.delta[tw] - job->low);
                add_segment(p, from + column * (size_t)s->source_channels, at + (size_t)tw * c, c, begin, end);
            }
        }
    }
}

/* The same for whole rows that are multiplied at once and not trimmed: few products a position, so that finding them
 * counts. */
static void find_rows(const lines_job *job, const unit *u, int line, int group, ps_lines_product *p) {
    const ps_conv_sweep *s = &job->sweep;
    size_t row = (size_t)s->w.taps * (size_t)s->source_group, at = 0;
    p->segments = 0;
    for (int td = 0; td < s->d.taps; td++) {
        const float *from = NULL;
        int before = 0;
        bool in = inside(u->d * s->d.source_step + s->d.delta[td], s->d.source_size);
        for (int th = 0; th < s->h.taps; th++, at += row) {
            int h = line * s->h.source_step + s->h.delta[th];
            if (!in || !inside(h, s->h.source_size)) continue;
            if (from == NULL) from = line_start(job, u, td, h) + group * s->source_group;
            else from += (size_t)(h - before) * job->line_floats;
            before = h;
            p->segment[p->segments++] = (ps_lines_segment){from, at, row};
        }
    }
}

/* Where the unit's positions of a line begin in the target (or in dy). */
static size_t target_at(const lines_job *job, const unit *u, int line) {
    const ps_conv_sweep *s = &job->sweep;
    size_t row = ((size_t)u->n * (size_t)s->d.target_size + (size_t)(u->d * s->d.target_step + s->d.target_first)) *
                     (size_t)s->h.target_size +
                 (size_t)(line * s->h.target_step + s->h.target_first);
    size_t column = u->first * (size_t)s->w.target_step + (size_t)s->w.target_first;
    return (row * (size_t)s->w.target_size + column) * (size_t)s->target_channels;
}

/* Positions of a trimmed line, from `first` on, that all taps along w reach alike: how many, at most `count`. */
static size_t alike_from(const ps_conv_axis *w, size_t first, size_t count) {
    size_t alike = count;
    for (int tap = 0; tap < w->taps; tap++) {
        /* The tap enters the source at position low, and leaves it before high. */
        int low = w->delta[tap] < 0 ? (-w->delta[tap] + w->source_step - 1) / w->source_step : 0,
            room = w->source_size - 1 - w->delta[tap], high = room < 0 ? 0 : room / w->source_step + 1;
        const int edges[2] = {low, high};
        for (int i = 0; i < 2; i++)
            if (edges[i] > (int)first && (size_t)edges[i] - first < alike) alike = (size_t)edges[i] - first;
    }
    return alike;
}

static void multiply_line(const lines_job *job, const unit *u, int line, int group, size_t begin, size_t end,
                          int channel, ps_lines_product *p) {
    unit piece = *u;
    for (size_t done = 0; done < u->count; done += piece.count) {
        piece.first = u->first + done;
        piece.count = u->count - done;
        if (job->trimmed) piece.count = alike_from(&job->sweep.w, piece.first, piece.count);
        find_segments(job, &piece, line, group, begin, end, p);
        p->count = piece.count;
        p->target = job->target + target_at(job, &piece, line) + channel;
        job->kernels->multiply(p);
        if (p->ahead != NULL) p->ahead += piece.count * job->panel;
    }
}

/* The share of a panel of channels in what is fetched for the next unit. */
static const float *panel_ahead(const lines_job *job, const unit *u, size_t panel) {
    return u->ahead == NULL ? NULL : u->ahead + panel * (size_t)u->lines * u->count * job->panel;
}

static void start_product(const lines_job *job, ps_lines_product *p) {
    const ps_conv_sweep *s = &job->sweep;
    p->step = (size_t)s->w.source_step * (size_t)s->source_channels;
    p->target_step = (size_t)s->w.target_step * (size_t)s->target_channels;
}

/* A panel of channels, from depth `begin` on. */
static void take_panel(const lines_job *job, int group, size_t panel, size_t begin, ps_lines_product *p) {
    const ps_conv_sweep *s = &job->sweep;
    int channel = (int)(panel * job->panel), left = s->target_group - channel;
    p->channels = left < (int)job->panel ? left : (int)job->panel;
    size_t width = p->channels > job->kernels->lanes ? job->panel : job->panel / 2;
    p->panel = job->packed + ((size_t)group * job->panels + panel) * s->depth * job->panel + begin * width;
    p->bias = begin == 0 && job->bias != NULL ? job->bias + group * s->target_group + channel : NULL;
    p->accumulate = begin > 0 || job->accumulate;
}

/* All lines of a unit for one panel of channels; depth in blocks whose weights stay in the nearest cache. */
static void multiply_panel(const lines_job *job, const unit *u, int group, size_t panel) {
    const ps_conv_sweep *s = &job->sweep;
    int channel = group * s->target_group + (int)(panel * job->panel);
    ps_lines_product p;
    start_product(job, &p);
    for (size_t pass = 0; pass < job->passes; pass++) {
        size_t begin = ps_threads_chunk_start(s->depth, job->passes, pass),
               end = ps_threads_chunk_start(s->depth, job->passes, pass + 1);
        take_panel(job, group, panel, begin, &p);
        p.ahead = pass == 0 ? panel_ahead(job, u, panel) : NULL;
        for (int line = u->first_line; line < u->first_line + u->lines; line++) {
            multiply_line(job, u, line, group, begin, end, channel, &p);
        }
    }
}

/* All panels of a line after one another, where their weights stay in the nearest cache together. */
static void multiply_together(const lines_job *job, const unit *u, int group) {
    ps_lines_product p;
    start_product(job, &p);
    p.ahead = panel_ahead(job, u, 0), p.count = u->count;
    for (int line = u->first_line; line < u->first_line + u->lines; line++) {
        find_rows(job, u, line, group, &p);
        float *target = job->target + target_at(job, u, line) + group * job->sweep.target_group;
        for (size_t panel = 0; panel < job->panels; panel++) {
            take_panel(job, group, panel, 0, &p);
            p.target = target + panel * job->panel;
            job->kernels->multiply(&p);
            if (p.ahead != NULL) p.ahead += u->count * job->panel;
        }
    }
}

/* Unit `index` of those before `last`, which one thread works on after another. */
static unit unit_before(const lines_job *job, size_t index, size_t last) {
    unit u = unit_of(job, index);
    if (job->far && index + 1 < last) {
        unit next = unit_of(job, index + 1);
        u.ahead = (job->dy != NULL ? job->dy : job->target) + target_at(job, &next, next.first_line);
    }
    return u;
}

static void convolve_units(void *context, size_t chunk, int worker) {
    const lines_job *job = context;
    size_t chunks = chunks_of(job), last = ps_threads_chunk_start(job->units, chunks, chunk + 1);
    for (size_t index = ps_threads_chunk_start(job->units, chunks, chunk); index < last; index++) {
        unit u = unit_before(job, index, last);
        copy_lines(job, &u, worker);
        for (int group = 0; group < job->sweep.groups; group++) {
            if (job->together) multiply_together(job, &u, group);
            else
                for (size_t panel = 0; panel < job->panels; panel++) multiply_panel(job, &u, group, panel);
        }
    }
}

static lines_job plan_sweep(const ps_conv_sweep *sweep) {
    lines_job job = plan_lines(sweep, false);
    job.passes = sweep->depth > 0 ? ps_threads_chunks(sweep->depth, DEPTH_BLOCK) : 1;
    return job;
}

static size_t packed_floats(const lines_job *job) {
    return round_up((size_t)job->sweep.groups * job->panels * job->sweep.depth * job->panel, 16);
}

static void pack_panel(void *context, size_t chunk, int worker) {
    (void)worker;
    const lines_job *job = context;
    const ps_conv_sweep *s = &job->sweep;
    size_t group = chunk / job->panels;
    int channel = (int)(chunk % job->panels * job->panel);
    float *panel = job->packed + chunk * s->depth * job->panel;
    if (job->kernel_taps == 0) {
        job->packing->pack_forward(job->w + group * (size_t)s->target_group * s->depth, s->depth, channel,
                                   s->target_group, panel);
    } else {
        const float *w = job->w + group * (size_t)s->source_group * (size_t)job->kernel_taps * (size_t)s->target_group;
        job->packing->pack_backward(s, job->kernel_taps, job->kh, job->kw, w, channel, panel);
    }
}

static void run_sweep(lines_job *job, void *workspace, ps_threads *threads) {
    job->packed = workspace;
    job->buffers = job->packed + packed_floats(job);
    if (job->sweep.depth > 0) ps_threads_run(threads, (size_t)job->sweep.groups * job->panels, pack_panel, job);
    ps_threads_run(threads, chunks_of(job), convolve_units, job);
}

static void lines_forward(const ps_conv_shape *s, const float *x, const float *w, const float *bias, float *y,
                          void *workspace, ps_threads *threads) {
    ps_conv_sweep sweep = ps_conv_sweep_forward(s);
    lines_job job = plan_sweep(&sweep);
    job.source = x, job.w = w, job.bias = bias, job.target = y;
    run_sweep(&job, workspace, threads);
}

static void lines_backward_data(const ps_conv_shape *s, const float *dy, const float *w, const float *bias, float *dx,
                                bool accumulate, void *workspace, ps_threads *threads) {
    for (int residue = 0; residue < ps_conv_sweep_residues(s); residue++) {
        ps_conv_sweep sweep = ps_conv_sweep_backward(s, residue);
        /* A residue without taps gets zeros. */
        if (sweep.positions == 0 || (sweep.depth == 0 && accumulate)) continue;
        lines_job job = plan_sweep(&sweep);
        job.source = dy, job.w = w, job.bias = bias, job.target = dx, job.accumulate = accumulate;
        job.kernel_taps = (int)ps_conv_taps(s), job.kh = s->kh, job.kw = s->kw;
        run_sweep(&job, workspace, threads);
    }
}

/* Backward-weights: rows are taps and input channels, vectors run along the filters; leaves of the batch's tree,
 * runs of units, have sums [depth][filters of the group] of their own. Few leaves are cut into blocks of filters
 * too, so that there is work for every thread. */
static lines_job plan_gradient(const ps_conv_shape *s) {
    ps_conv_sweep sweep = ps_conv_sweep_forward(s);
    lines_job job = plan_lines(&sweep, true);
    job.sum_step = round_up((size_t)sweep.target_group, job.panel);
    job.part_step = round_up((size_t)sweep.groups * sweep.depth * job.sum_step, 16);
    size_t units = ps_reduce_batch(job.units);
    job.cut = ps_cut_gradient((size_t)s->n, job.units / (size_t)job.sweep.n, job.part_step,
                              units < MOST_LEAVES ? units : MOST_LEAVES, LEAVES_FLOATS);
    if (job.sweep.n != s->n) job.cut.leaves.shards.samples = (size_t)job.sweep.n; /* lines stand for samples */
    bool many = job.cut.leaves.parts * job.cut.leaves.shards.whole >= 8;
    job.blocks = many ? 1 : ps_threads_chunks((size_t)sweep.target_group, FILTER_BLOCK);
    if (job.blocks > job.panels) job.blocks = job.panels;
    return job;
}

/* Where the first position of the unit finds row j of the product. */
static const float *row_start(const lines_job *job, const unit *u, int group, size_t j) {
    const ps_conv_sweep *s = &job->sweep;
    size_t c = (size_t)s->source_group, tap = j / c;
    int tw = (int)(tap % (size_t)s->w.taps), th = (int)(tap / (size_t)s->w.taps % (size_t)s->h.taps);
    int td = (int)(tap / (size_t)s->w.taps / (size_t)s->h.taps);
    const float *line = line_start(job, u, td, u->first_line * s->h.source_step + s->h.delta[th]);
    return line + (size_t)(s->w.delta[tw] - job->low) * (size_t)s->source_channels + (size_t)group * c + j % c;
}

/* Rows of the product that are next to each other in memory, where there is a block for such. */
static size_t run_of(const lines_job *job, int channels) {
    size_t row = (size_t)job->sweep.w.taps * (size_t)job->sweep.source_group;
    bool run = job->sweep.wide_rows && job->kernels->lanes == 16 && channels <= 16;
    return run && row >= PS_LINES_LEAST_RUN && row <= PS_LINES_MOST_RUN ? row : 1;
}

/* Rows of a block; where they come in runs, blocks are as even as they can be. */
static size_t block_rows(const lines_job *job, size_t run) {
    if (run == 1) return PS_LINES_ROWS;
    size_t runs = job->sweep.depth / run, blocks = ps_threads_chunks(runs, PS_LINES_RUN_ROWS / run);
    return ps_threads_chunks(runs, blocks) * run;
}

/* Every row of one panel of filters over a unit. */
static void outer_panel(const lines_job *job, const unit *u, int group, size_t panel, float *part, bool accumulate) {
    const ps_conv_sweep *s = &job->sweep;
    int channel = (int)(panel * job->panel), left = s->target_group - channel;
    ps_lines_outer o = {
        .channels = left < (int)job->panel ? left : (int)job->panel, .count = u->count, .accumulate = accumulate};
    o.lines = (size_t)u->lines;
    o.line_step = (size_t)s->h.source_step * job->line_floats;
    o.step = (size_t)s->w.source_step * (size_t)s->source_channels;
    o.dy_step = (size_t)s->target_channels, o.dy_line = (size_t)s->w.count * o.dy_step;
    o.dy = job->dy + target_at(job, u, u->first_line) + group * s->target_group + channel;
    o.sum_step = job->sum_step;
    size_t run = run_of(job, o.channels), most = block_rows(job, run);
    o.run = run > 1 ? (int)run : 0;
    for (size_t j = 0; j < s->depth; j += most) {
        o.rows = s->depth - j < most ? (int)(s->depth - j) : (int)most;
        for (int r = 0; r < o.rows; r++) o.from[r] = row_start(job, u, group, j + (size_t)r);
        o.sum = part + ((size_t)group * s->depth + j) * job->sum_step + channel;
        o.ahead = j == 0 ? panel_ahead(job, u, panel) : NULL;
        job->kernels->outer(&o);
    }
}

/* Positions or lines [low, high) of those from `first` on at which a tap's source lies inside. */
typedef struct {
    int low, high;
} range;

static range inside_of(const ps_conv_axis *a, int tap, int first, int count) {
    range r = {0, count};
    while (r.low < r.high && !inside((first + r.low) * a->source_step + a->delta[tap], a->source_size)) r.low++;
    while (r.high > r.low && !inside((first + r.high - 1) * a->source_step + a->delta[tap], a->source_size)) r.high--;
    return r;
}

/* The rows of one tap, over units [begin, end) and what lies inside the source of them. */
typedef struct {
    const lines_job *job;
    int td, th, tw, channel; /* channel: first of the panel */
    float *part;
} tap_rows;

static void outer_tap(const tap_rows *t, size_t j, int rows, size_t index, bool accumulate) {
    const lines_job *job = t->job;
    const ps_conv_sweep *s = &job->sweep;
    unit u = unit_of(job, index);
    int left = s->target_group - t->channel;
    ps_lines_outer o = {.channels = left < (int)job->panel ? left : (int)job->panel, .rows = rows};
    o.accumulate = accumulate, o.sum_step = job->sum_step;
    o.sum = t->part + j * job->sum_step + t->channel;
    o.line_step = (size_t)s->h.source_step * job->line_floats;
    o.step = (size_t)s->w.source_step * (size_t)s->source_channels;
    o.dy_step = (size_t)s->target_channels, o.dy_line = (size_t)s->w.count * o.dy_step;
    range h = inside_of(&s->h, t->th, u.first_line, u.lines), w = inside_of(&s->w, t->tw, (int)u.first, (int)u.count);
    int d = u.d * s->d.source_step + s->d.delta[t->td];
    bool any = inside(d, s->d.source_size) && h.low < h.high && w.low < w.high;
    if (!any && accumulate) return;
    if (any) {
        int line = (u.first_line + h.low) * s->h.source_step + s->h.delta[t->th];
        int column = ((int)u.first + w.low) * s->w.source_step + s->w.delta[t->tw];
        const float *from =
            source_line(job, u.n, d, line) + (size_t)column * (size_t)s->source_channels + j % (size_t)s->source_group;
        for (int r = 0; r < rows; r++) o.from[r] = from + r;
        o.lines = (size_t)(h.high - h.low), o.count = (size_t)(w.high - w.low);
        o.dy = job->dy + target_at(job, &u, u.first_line + h.low) + (size_t)w.low * o.dy_step + t->channel;
    } else {
        for (int r = 0; r < rows; r++) o.from[r] = job->source;
        o.dy = job->dy;
    }
    job->kernels->outer(&o);
}

/* A stripe of units for every tap, block of its channels and panel: the sums stay close at hand over all of them. */
static void outer_stripe(const lines_job *job, size_t begin, size_t end, size_t first_panel, size_t last_panel,
                         float *part, bool accumulate) {
    const ps_conv_sweep *s = &job->sweep;
    size_t c = (size_t)s->source_group, blocks = ps_threads_chunks(c, PS_LINES_ROWS);
    for (size_t panel = first_panel; panel < last_panel; panel++)
        for (size_t tap = 0; tap < s->depth / c; tap++) {
            tap_rows t = {.job = job, .channel = (int)(panel * job->panel), .part = part};
            t.tw = (int)(tap % (size_t)s->w.taps), t.th = (int)(tap / (size_t)s->w.taps % (size_t)s->h.taps);
            t.td = (int)(tap / (size_t)s->w.taps / (size_t)s->h.taps);
            for (size_t block = 0; block < blocks; block++) {
                size_t row = ps_threads_chunk_start(c, blocks, block);
                int rows = (int)(ps_threads_chunk_start(c, blocks, block + 1) - row);
                for (size_t index = begin; index < end; index++)
                    outer_tap(&t, tap * c + row, rows, index, accumulate || index > begin);
            }
        }
}

static void trimmed_leaf(const lines_job *job, size_t begin, size_t end, size_t first_panel, size_t last_panel,
                         float *part) {
    const ps_conv_sweep *s = &job->sweep;
    size_t positions = job->run * job->piece, floats = positions * (size_t)(s->source_channels + s->target_channels);
    size_t stripe = ps_processor_choose(STRIPE_FLOATS, SMALL_STRIPE_FLOATS) / floats;
    if (stripe < 1) stripe = 1;
    for (size_t first = begin; first < end; first += stripe)
        outer_stripe(job, first, end - first < stripe ? end : first + stripe, first_panel, last_panel, part,
                     first > begin);
}

static void gradient_leaf(void *context, size_t chunk, int worker) {
    const lines_job *job = context;
    size_t block = chunk % job->blocks, leaf = chunk / job->blocks;
    size_t begin = ps_leaves_start(&job->cut.leaves, leaf), end = ps_leaves_start(&job->cut.leaves, leaf + 1);
    size_t first_panel = ps_threads_chunk_start(job->panels, job->blocks, block);
    size_t last_panel = ps_threads_chunk_start(job->panels, job->blocks, block + 1);
    float *part = job->parts + leaf * job->part_step;
    if (begin == end && block == 0) memset(part, 0, job->part_step * sizeof *part);
    if (job->trimmed) {
        trimmed_leaf(job, begin, end, first_panel, last_panel, part);
        return;
    }
    for (size_t index = begin; index < end; index++) {
        unit u = unit_before(job, index, end);
        copy_lines(job, &u, worker);
        for (int group = 0; group < job->sweep.groups; group++) {
            for (size_t panel = first_panel; panel < last_panel; panel++)
                outer_panel(job, &u, group, panel, part, index > begin);
        }
    }
}

static void write_panel(void *context, size_t chunk, int worker) {
    (void)worker;
    const lines_job *job = context;
    const ps_conv_sweep *s = &job->sweep;
    size_t group = chunk / job->panels, channel = chunk % job->panels * job->panel,
           left = (size_t)s->target_group - channel;
    job->kernels->turn(job->parts + group * s->depth * job->sum_step + channel, job->sum_step, s->depth,
                       left < job->panel ? left : job->panel,
                       job->target + (group * (size_t)s->target_group + channel) * s->depth, s->depth);
}

static void lines_backward_weights(const ps_conv_shape *s, const float *x, const float *dy, float *dw, void *workspace,
                                   ps_threads *threads) {
    lines_job job = plan_gradient(s);
    size_t leaves = job.cut.leaves.count;
    job.source = x, job.dy = dy, job.target = dw;
    job.parts = workspace;
    job.buffers = job.parts + leaves * job.part_step;
    ps_threads_run(threads, leaves * job.blocks, gradient_leaf, &job);
    ps_reduce_floats(job.parts, leaves, job.part_step, job.part_step, threads);
    ps_threads_run(threads, (size_t)s->groups * job.panels, write_panel, &job);
}

static size_t lines_workspace(const ps_conv_shape *s, ps_conv_pass pass, int threads) {
    if (pass == PS_CONV_BACKWARD_WEIGHTS) {
        lines_job job = plan_gradient(s);
        return (job.cut.leaves.count * job.part_step + (size_t)threads * job.buffer_floats) * sizeof(float);
    }
    size_t most = 0;
    for (int residue = 0; residue < (pass == PS_CONV_FORWARD ? 1 : ps_conv_sweep_residues(s)); residue++) {
        ps_conv_sweep sweep = pass == PS_CONV_FORWARD ? ps_conv_sweep_forward(s) : ps_conv_sweep_backward(s, residue);
        if (sweep.positions == 0) continue;
        lines_job job = plan_sweep(&sweep);
        size_t floats = packed_floats(&job) + (size_t)threads * job.buffer_floats;
        if (floats > most) most = floats;
    }
    return most * sizeof(float);
}

/* Stretches of a row: what a product's list must hold. */
static size_t segments_of(const ps_conv_sweep *s) {
    return (size_t)s->d.taps * (size_t)s->h.taps * (s->wide_rows ? 1 : (size_t)s->w.taps);
}

/* Gradients that are to be summed depth first are left to the other methods. */
static bool gradient_fits(const ps_conv_shape *s) { return !plan_gradient(s).cut.depth_first; }

static bool lines_fit(const ps_conv_sweep *sweep, bool gradient) {
    lines_job job = plan_lines(sweep, gradient);
    return segments_of(sweep) <= PS_LINES_SEGMENTS && job.buffer_floats <= MOST_BUFFER;
}

/* The share of an axis' taps and positions that lie inside the source. */
static double share_inside(const ps_conv_axis *a) {
    double found = 0;
    for (int tap = 0; tap < a->taps; tap++) {
        range r = inside_of(a, tap, 0, a->count);
        found += r.high - r.low;
    }
    return a->taps > 0 ? found / ((double)a->taps * a->count) : 1.0;
}

/* Of the products, how many are made. In 3D and with taps apart alone: elsewhere the padding is little, and counts as
 * if it were multiplied. */
static double reached(const lines_job *job, bool gradient) {
    const ps_conv_sweep *s = &job->sweep;
    if (!job->trimmed && s->d.taps < 2) return 1.0;
    if (gradient && !job->trimmed) return 1.0;
    return share_inside(&s->d) * share_inside(&s->h) * (job->trimmed ? share_inside(&s->w) : 1.0);
}

/* Multiply-adds of vectors in nanoseconds: 83 products each in every instruction set, the scale of the other methods'
 * costs; half-width vectors take as long as whole ones. A single vector a row is bound by the loads of what it is
 * multiplied by. */
static double products_cost(const lines_job *job, bool gradient) {
    const ps_conv_sweep *s = &job->sweep;
    size_t vectors = ps_threads_chunks((size_t)s->target_group, (size_t)job->kernels->lanes);
    double native = PS_SIMD_SELECT(ps_lines_kernels_of)()->lanes;
    return (double)s->positions * (double)s->depth * s->groups * (double)vectors * native / 83.0 *
           (vectors == 1 ? 1.25 : 1.0) * reached(job, gradient);
}

static double copies_cost(const lines_job *job) {
    const ps_conv_sweep *s = &job->sweep;
    double read = (double)s->n * s->d.source_size * s->h.source_size * s->w.source_size * s->source_channels;
    double written = (double)s->positions * s->target_channels;
    return 0.05 * (read + written) + (job->copied ? 0.05 * (double)job->buffer_floats * (double)job->units : 0.0);
}

/* Products, slowed down where a line has few positions to share the weights they load; copies and memory; and the start
 * of every line and panel. */
static double sweep_cost(const ps_conv_sweep *s) {
    lines_job job = plan_sweep(s);
    double width = (double)job.piece, rows = width / (double)ps_threads_chunks(job.piece, 12);
    double slow = (1.0 + 0.6 / rows) * (rows < 4.0 ? 4.0 / rows : 1.0);
    double lines = (double)job.sweep.positions / width, starts = (double)(job.passes * job.panels) * s->groups;
    return 1500.0 + products_cost(&job, false) * slow + copies_cost(&job) +
           lines * starts * (10.0 + 4.0 * (double)segments_of(s)) + 0.1 * (double)s->depth * s->target_channels;
}

/* Rows a power of two apart share cache sets, and nothing is packed. */
static double gradient_cost(const ps_conv_shape *s) {
    lines_job job = plan_gradient(s);
    /* Tap by tap, sums are at hand over many lines. */
    if (job.trimmed)
        return 1500.0 + products_cost(&job, true) * 1.08 * (1.0 + 1.0 / (double)job.piece) + copies_cost(&job) +
               0.2 * (double)(job.cut.leaves.count * job.part_step);
    double slow = 1.15 * (1.0 + 2.0 / (double)job.piece) *
                  (job.panels == 1 && s->k / s->groups <= job.kernels->lanes ? 1.25 : 1.0);
    if (s->k % 256 == 0 && job.piece < 32) slow *= 1.5;
    return 1500.0 + products_cost(&job, true) * slow + copies_cost(&job) +
           0.2 * (double)(job.cut.leaves.count * job.part_step);
}

static double lines_cost(const ps_conv_shape *s, ps_conv_pass pass) {
    if (!ps_conv_sweep_fits(s)) return -1.0;
    if (pass != PS_CONV_BACKWARD_DATA) {
        ps_conv_sweep sweep = ps_conv_sweep_forward(s);
        if (!lines_fit(&sweep, pass == PS_CONV_BACKWARD_WEIGHTS)) return -1.0;
        if (pass == PS_CONV_FORWARD) return sweep_cost(&sweep) + ps_conv_far_weights(s, 0.4);
        return gradient_fits(s) ? gradient_cost(s) + ps_conv_far_weights(s, 1.3) : -1.0;
    }
    double cost = ps_conv_far_weights(s, 0.4);
    for (int residue = 0; residue < ps_conv_sweep_residues(s); residue++) {
        ps_conv_sweep sweep = ps_conv_sweep_backward(s, residue);
        if (sweep.positions == 0) continue;
        if (!lines_fit(&sweep, false)) return -1.0;
        cost += sweep_cost(&sweep);
    }
    return cost;
}

const ps_conv_method ps_conv_method_lines = {
    "lines", true, true, lines_cost, lines_workspace, lines_forward, lines_backward_data, lines_backward_weights,
};
