/* How two arms stand to each other: which of their runs stand side by side, what these share and what they differ in.
 *
 * Arms may differ in anything that the headers of their traces declare. Two runs that share all that their `pairing`
 * objects name, and their layers, are a pair: they differ in the arm alone, and their nodes may be compared one by one.
 * Of others the keys are kept in which they differ; numbers of whole runs are compared all the same (contrast.h), and a
 * prediction that needs pairs leaves them out for that reason. Refused is what leaves nothing to compare: other data
 * (the key "data" covers the training, probe and test images), another task (arms.h), and a pairing object that one of
 * the two alone has.
 *
 * Runs stand side by side by seed where some seed of both arms has one backbone, or the headers do not say; else by
 * index, that is by their places in the list of registered seeds, and for the rest in the rising order of each arm's
 * seeds. */
#ifndef PS_ANALYSIS_RELATION_H
#define PS_ANALYSIS_RELATION_H

#include "analysis/arms.h"

/* Stands beside the pairing keys for the layers of two runs. */
#define PS_KEY_LAYERS "layers"

typedef struct {
    char *key;                       /* of a header, or PS_KEY_LAYERS */
    char *own, *other;               /* to be read; of digests as they are; "missing" */
    double own_number, other_number; /* NaN: no number */
} ps_difference;

typedef struct {
    ps_difference *list;
    size_t count, capacity;
} ps_differences;

/* Of one run. */
typedef struct {
    const ps_arm_run *partner; /* NULL: none */
    bool unverified;           /* the pairing objects are empty: the seed is all that is known */
    char *differs;             /* keys, "optimiser, batch"; "": a pair, or unverified, or no partner */
} ps_relation_pair;

struct ps_relation {
    bool by_index;
    ps_relation_pair *pairs; /* [run of the arm] */
    char *shares, *differs;  /* keys: those equal in all pairs, those unequal in any; "order, batch" */
    ps_differences keys;     /* those of differs, as the first pair has them that differs there */
    /* What the configurations say otherwise of the first runs side by side: from the header's config, where one lacks
     * it from the words of the pairing keys. The seed, the arm's name and the checkpoint forked from are left out. */
    ps_differences settings;
};

/* Fills the relations of all arms, both ways, and says which runs have a partner in the reference. */
ps_status ps_relations_find(ps_arms *arms);
void ps_relations_clear(ps_arms *arms);
/* Once all layers are noted: runs of one arm, and pairs with the same layers, must have recorded the same ones. */
ps_status ps_relations_check_recorded(const ps_arms *arms);

/* Of two arms of one ps_arms. */
const ps_relation *ps_relation_of(const ps_arm *arm, const ps_arm *against);
/* run: one of the arm's. */
const ps_relation_pair *ps_relation_pair_of(const ps_arm *arm, const ps_arm_run *run, const ps_arm *against);
const ps_arm_run *ps_relation_partner(const ps_arm *arm, const ps_arm_run *run, const ps_arm *against);

/* Whether some runs stand side by side, and all of them differ in more than the arm. */
bool ps_relation_has_no_pair(const ps_arm *arm, const ps_arm *against);
/* "seed" or "index". */
const char *ps_relation_way(const ps_relation *relation);
/* Whether the value of this key is a digest, which says nothing to a reader. */
bool ps_key_is_digest(const char *key);

#endif
