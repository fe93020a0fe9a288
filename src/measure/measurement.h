/* What can be measured on a finished checkpoint: once by a command of its own (`poolscope ranks CHECKPOINT`), on every
 * run of an experiment ("measure" in its file), and gathered from the runs into the tables of a comparison.
 *
 * A measurement writes DIR/tables/(its tables).tsv; for a run of an experiment DIR is the run's directory.
 * DIR/tables/measurements.tsv says what was measured there, with which options, and on which checkpoint (digest of its
 * tensors and step): a finished measurement is not made again, and a comparison takes no numbers that belong to other
 * weights. All tables of all measurements there, and that record, are one set of files (core/file_set.h): a comparison
 * takes none of them where they do not belong together. */
#ifndef PS_MEASURE_MEASUREMENT_H
#define PS_MEASURE_MEASUREMENT_H

#include "analysis/compare.h"
#include "run/session.h"
#include "core/file_set.h"
#include "core/json.h"
#include "core/option.h"

/* What a measurement works on. */
typedef struct {
    ps_checkpoint_session *checkpoint;
    FILE *text;       /* what it found is printed here for people to read */
    const char *out;  /* where tables/ goes; NULL: no tables are wanted */
    bool quiet;       /* no progress */
    ps_file_set *set; /* the tables, which are put in place together when all is measured; NULL as out is */
    bool anew;        /* what was measured there before does not belong together, so it goes */
} ps_measure;

typedef struct {
    const char *name;
    const ps_option *options; /* its own */
    const char *tables;       /* the names of those it writes, with commas between */
    /* What the network lacks for this measurement, as a sentence; NULL where it can be measured. May itself be NULL:
     * always. */
    const char *(*lacks)(const ps_checkpoint_session *checkpoint);
    /* Prints what it found and writes its tables. PS_ERR_CHECK (an invariant of the measurement did not hold)
     * with all tables written. */
    ps_status (*measure)(const ps_measure *measure);
} ps_measurement;

#define PS_MEASUREMENT(name)                           \
    extern const ps_measurement ps_measurement_##name; \
    extern const ps_option ps_##name##_options[];
#include "measure/measurement_list.def"
#undef PS_MEASUREMENT
/* NULL-terminated. */
extern const ps_measurement *const ps_measurements[];

/* Makes one measurement of weights that were opened from `path`; PS_ERR_USAGE where the network lacks what it needs.
 * With measure->out its tables get in place as one. */
ps_status ps_measurement_run(ps_measure *measure, const ps_measurement *what, const char *path);

/* ---- for the measurements ---- */

/* Adds tables/name.tsv to what is put in place in the end, and writes its first line (names with tabs between). */
ps_status ps_measure_table(const ps_measure *measure, const char *name, const char *columns, FILE **stream);

/* Shows the output of every gate (private and shared) on every batch of the probe set, in order: unit counts as in
 * ps_net_units. */
typedef void ps_gate_function(void *self, int unit, ps_shape shape, const float *output);
ps_status ps_measure_gates(const ps_measure *measure, ps_mode mode, ps_gate_function *function, void *self);

/* ---- for experiments and comparisons ---- */

enum { PS_MAX_MEASUREMENTS = 16, PS_MAX_MEASUREMENT_OPTIONS = 64 };

/* Which measurements an experiment wants. */
typedef struct {
    const ps_measurement *what[PS_MAX_MEASUREMENTS];
    int count;
    /* of their options; owned: the options of the measurements point into them */
    char *value[PS_MAX_MEASUREMENT_OPTIONS];
    int values;
} ps_measurement_plan;

/* Reads "measure": a list of names, or an object of names, each with its options as {"probes": 2}, and sets the
 * options; where: leads every sentence of complaint. json may be NULL: nothing is to be measured. Cleared by the
 * caller, also after a failure. */
ps_status ps_measurement_plan_read(const cJSON *json, const char *where, ps_measurement_plan *plan);
void ps_measurement_plan_clear(ps_measurement_plan *plan);

/* Whether everything planned was measured on directory/checkpoint.safetensors with the options as they are set. */
bool ps_measurement_plan_done(const ps_measurement_plan *plan, const char *directory);
/* Makes what is missing, without progress and without a word on stdout. A measurement that the network has nothing for
 * is passed over; the record says why. *current, where not NULL, names what is being measured. */
ps_status ps_measurement_plan_run(const ps_measurement_plan *plan, const char *directory, int threads,
                                  const char **current);

/* ps_compare_run; part of the comparison is then also (out directory)/tables/(table).tsv with columns arm and seed in
 * front, for every table of a measurement that at least one of the runs has. Tables of another checkpoint than the
 * run's are left out, which a note on stderr says unless quiet; so are measurements that could not be made, whose
 * reasons stand in tables/unmeasured.tsv. */
ps_status ps_measurement_compare(const ps_compare_arm *arms, int arm_count, const ps_compare_options *options);

#endif
