/* The runs of a comparison: arms, their seeds, their layers. Who stands beside whom is found by relation.h.
 * ps_arms_clear frees everything but the relations. */
#ifndef PS_ANALYSIS_ARMS_H
#define PS_ANALYSIS_ARMS_H

#include "analysis/compare.h"
#include "analysis/run.h"
#include "analysis/summary.h"

/* A layer of a run, and which records it has. */
typedef struct {
    char *name, *activation;
    cJSON *facts; /* what else must be equal in a pair: all of its header but activation, modules and place */
    int channels;
    bool tells_dead; /* outputs of exactly 0 tell that a node is dead */
    ps_trace_death death;
    bool heads;                 /* no gate: heads of attention */
    bool in_windows, in_probes; /* false for all until ps_arms_note_layers */
} ps_arm_layer;

/* With the word of outcomes.tsv; NULL: not known. */
#define PS_LEARNED_STATES(STATE)    \
    STATE(PS_LEARNED_UNKNOWN, NULL) \
    STATE(PS_LEARNED, "yes")        \
    STATE(PS_LEARNED_NOTHING, "no")
typedef enum {
#define STATE(id, word) id,
    PS_LEARNED_STATES(STATE)
#undef STATE
} ps_learned;

/* What became of a run as a whole (outcomes.h). */
typedef struct {
    bool diverged, below, collapsed; /* below: the registered level */
    ps_learned learned;
    double learned_p; /* of as many correct test images by guessing; ps_absent(): not counted */
} ps_run_outcome;

typedef struct {
    char *path; /* of the trace */
    long long seed;
    /* copies from the header; NULL where it has none (of pairing and config: or an empty one) */
    cJSON *pairing, *config, *quantities;
    ps_arm_layer *layers;
    int layer_count;
    bool has_windows, has_probes; /* some layer has such records */
    bool paired;                  /* has a partner in the reference (of the reference's runs: in any arm) */
    char registration[17];        /* digest of the questions registered before it; "": none */
    char *fork;                   /* digest of the checkpoint it was forked from, NULL: not forked */
    long long every;              /* of so many steps one was recorded */
    char *recording;  /* "in mixed bfloat16; by process 0 of 4": what the header says of it, "" where nothing */
    char *untold;     /* "path (holds for SGD)": quantities that are not judged, "" for none */
    bool starts_zero; /* no module, or modules whose convolutions start at zero: the backbone's function at step 0 */
    ps_run_status status;
    bool has_end;             /* a run that has one is unfinished where it has fewer steps than planned */
    long long steps, planned; /* planned: 0 where not said */
    ps_run_outcome outcome;   /* once ps_outcomes_judge was asked */
    ps_summary summary;
    ps_summary *varied; /* the same under each variation (variation.h) */
} ps_arm_run;

typedef struct ps_relation ps_relation; /* relation.h */

typedef struct {
    const char *name;
    int index;              /* its place among the arms */
    ps_relation *relations; /* [arm], to each of the arms; NULL until they are found */
    ps_arm_role role;
    int pool_size; /* e, 0: none or not said */
    bool has_module;
    ps_arm_run *runs; /* by rising seed */
    int run_count;
} ps_arm;

/* Of a measure of the task, on the test split: "test_mean_iou", "test mean IoU". */
typedef struct {
    ps_test_name name, title;
} ps_arms_measure;

typedef struct {
    ps_trace_task task;           /* of all runs */
    bool registered;              /* some run's header has a registration: */
    ps_registration registration; /* the first of them */
    ps_arms_measure measure[PS_TRACE_MOST_MEASURES];
    int classes;        /* of the first run's data; 0: not said */
    cJSON *class_names; /* their names; NULL: not said */
    ps_arm *arms;       /* the reference first, then in the order given */
    int count;
    char *unpaired;  /* "ps2: seed 4; baseline: seed 7", "" for none */
    bool unverified; /* the traces' pairing objects are empty: pairs rest on the seed alone */
} ps_arms;

/* What a measure speaks of: the beginning of a run, its end as the evaluation has it or as the last probing has it,
 * or an average or event over its course. */
typedef enum { PS_AT_START, PS_AT_LAST_LOSS, PS_AT_END, PS_OVER_TIME } ps_moment;

/* Reads the headers and orders the arms. Runs of one arm must have the same layers: a node is found by its name, and a
 * renamed layer would leave its nodes out without a word. */
ps_status ps_arms_load(const ps_compare_arm *given, int count, ps_arms *arms);
void ps_arms_clear(ps_arms *arms);
const ps_arm_run *ps_arm_find_seed(const ps_arm *arm, long long seed);
/* What the death of a node can be in the arm's layers: a word of PS_WORDS_DEATH, "mixed" where they differ; NULL where
 * some layer does not say, or there is none. */
const char *ps_arm_death(const ps_arm *arm);
/* No node of it can be exactly dead: a share of 0 would say nothing. */
bool ps_arm_never_dies(const ps_arm *arm);
/* After a first pass: which layers have window and probe records. */
void ps_arms_note_layers(ps_arm_run *entry, const ps_run *run);
/* Whether the headers of two runs have the same layers, but for what an arm may change in them. */
bool ps_arms_same_layers(const ps_arm_run *a, const ps_arm_run *b);
/* Which layers, or which of their facts, the other lacks: "conv2 (64 nodes), conv5 (64 nodes)" of each, up to ten. */
ps_status ps_arms_name_layers(const ps_arm_run *a, const ps_arm_run *b, char *own, char *other, size_t size);
/* Whether some layer of the one has a namesake in the other. */
bool ps_arms_share_layers(const ps_arm_run *a, const ps_arm_run *b);
/* What about a layer of `run` the other does not have alike: its name (PS_ARMS_NO_NAMESAKE), or a key of the header;
 * NULL: nothing. */
#define PS_ARMS_NO_NAMESAKE "no layer of this name"
const char *ps_arms_layer_fault(const ps_arm_run *run, int layer, const ps_arm_run *other);
/* Once all are noted: refuses two runs of which one has records of a layer that the other has without them, for their
 * shares would be of other nodes. what: "the reference". */
ps_status ps_arms_check_recorded(const ps_arm *arm, const ps_arm_run *run, const ps_arm_run *other, const char *what);
/* Why such a measure of the run, or of the pair, is not what it claims to be, NULL: it is. A run that stopped early
 * has no end and no whole course, one whose last probing is not finite none that was probed; runs of other lengths, or
 * probed at other steps, are not compared in what hangs on it. Where the headers declare other numbers of steps the
 * ends are compared, and the course is not. A run that diverged is no such case. partner may be NULL; *detail is the
 * arm it lies with; both are borrowed. To be asked once the summaries are filled. */
const char *ps_arms_unequal(const ps_arm *arm, const ps_arm_run *run, const ps_arm *against, const ps_arm_run *partner,
                            ps_moment moment, const char **detail);
#endif
