/* The probe: attaches the chosen quantities' instruments to a training run and writes the trace.
 *
 * It watches through ps_train_hooks, engine sums and the optimiser's accounting, and looks at the state of the network
 * on fixed probe batches in modes that change nothing: weights are bit-identical with and without it. Instruments start
 * at zero with each window, so a run can go on from any window's end without instrument state. */
#ifndef PS_PROBE_PROBE_H
#define PS_PROBE_PROBE_H

#include "net/train.h"
#include "trace/dead_shares.h"
#include "trace/trace_arm.h"
#include "trace/trace_records.h"
#include "trace/trace_task.h"
#include "trace/trace_writer.h"

typedef struct ps_probe ps_probe;

/* Fixed batches of the probe set: fills x [batch][d][h][w][c] and says how many images of it are real (the rest is
 * filling). */
typedef struct {
    void *self;
    int batches;
    ps_status (*batch)(void *self, int index, float *x, int *images);
    /* Labels of the batch that `batch` filled last [batch][labels per sample], below 0 where none counts, and how
     * outputs are judged by them; NULL: no loss is recorded of the probe images. */
    const int32_t *label;
    const ps_loss_function *loss;
} ps_probe_source;

typedef struct {
    const char *record;     /* see record.h; NULL: everything */
    uint64_t steps, window; /* as in ps_train_options */
    int parts;              /* as in ps_train_source */
    ps_probe_source source; /* batches 0: no probe records */
    int probe_every;        /* windows between probings; 0 means 1. The first and the last state are always probed */
    /* The pass with running statistics is made at both ends of every so many-th window, counted back from the last (so
     * that whole windows are known in this mode, the last one among them); 0 means 1: in every probing. Elsewhere its
     * quantities are null and its loss is left out. */
    int eval_every;
    ps_trace_writer *trace; /* borrowed; its header is written by ps_probe_write_header */
} ps_probe_options;

/* Refuses to probe a net without values enough for batch statistics (ps_net_check_statistics). net and optimiser are
 * borrowed and outlive the probe. Everything is allocated here. optimiser and options->trace may
 * be NULL for a probe that only measures a network at rest (ps_probe_measure); it has no quantities of window
 * records. */
ps_status ps_probe_create(ps_net *net, ps_optimiser *optimiser, const ps_probe_options *options, ps_probe **out);
void ps_probe_destroy(ps_probe *probe);
/* Valid as long as the probe. Put it before the hooks that write checkpoints: what it writes for a state must precede
 * that state. */
const ps_train_hooks *ps_probe_hooks(ps_probe *probe);

/* Digest of the names and present values of all learned backbone parameters, for the pairing key `backbone`. */
void ps_probe_backbone_digest(ps_net *net, char hex[17]);

/* What was found of the data, as the keys of the trace's `data` say it. All borrowed. */
typedef struct {
    int channels;
    const double *input_mean, *input_sd; /* [channels] */
    const double *class_count;           /* [classes of the run]; whole numbers */
    const char *const *class_name;       /* [classes of the run]; NULL: nothing is measured of each class */
    int looked_at;                       /* training images that moments and counts were taken from; 0: all of them */
    double no_class, constant, identical, probe_distance, file_order;
    double loss_floor; /* NaN: labels are not softened */
} ps_probe_data;

/* What the header says of the run; the probe adds layers and quantities. All borrowed. */
typedef struct {
    const char *producer;       /* "poolscope 0.1.0" */
    const char *arm;            /* NULL: "" */
    const ps_trace_arm *arm_is; /* NULL: of no role that is known */
    uint64_t seed;
    const char *config;       /* JSON object text; NULL: {} */
    const char *registration; /* the same of trace/trace_registration.h; NULL: no question was registered */
    struct {
        const char *key, *value;
    } pairing[16]; /* up to the first NULL key */
    const char *data_source, *data_digest;
    ps_shape sample;
    int classes, train_count, probe_count, test_count;
    const ps_probe_data *data; /* NULL: was not looked at */
    const ps_trace_task *task; /* NULL: not said, which means classification */
    const char *arch, *simd, *processor_class;
    struct {
        const char *name, *version;
    } library[8]; /* up to the first NULL name */
} ps_probe_run;
ps_status ps_probe_write_header(ps_probe *probe, const ps_probe_run *run);

/* Of the latest probing, by the two populations that every command names (trace/dead_shares.h). */
ps_dead_shares ps_probe_dead_shares(const ps_probe *probe);
/* Own time so far, in nanoseconds: recording (within and between steps) and probing. */
void ps_probe_cost(const ps_probe *probe, uint64_t *record_ns, uint64_t *probe_ns);

/* Probes the present state now, without a trace record: for tests and for diagnosing a checkpoint. */
ps_status ps_probe_measure(ps_probe *probe);
/* Loss of the probe images, of the latest probing; what was not known is said. */
ps_trace_mode_loss ps_probe_loss_of(const ps_probe *probe);
/* A quantity of probe records after ps_probe_measure: out[channels] (per node) or out[1]. layer: index of the net's
 * units. false: not recorded, or does not exist there. */
bool ps_probe_read(const ps_probe *probe, const char *quantity, int layer, double *out);

#endif
