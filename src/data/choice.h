/* Which samples of a source a split has, in their order: as its parts stand, by a fold of a cross-validation, or by a
 * published list; then limits, and the probe set cut from the end of the training samples, or, of a source whose
 * samples are in groups, taken out evenly spread over them. Where a fold is held out, it
 * is the test split, and the source's own test part is in no split. The caller clears. */
#ifndef PS_DATA_CHOICE_H
#define PS_DATA_CHOICE_H

#include "data/source.h"

/* Which sample of the source it is. */
typedef struct {
    ps_source_part part;
    int index;
} ps_source_place;

typedef struct {
    ps_source_place *place; /* of the training split, then of the probe and of the test split */
    int count[PS_SPLITS];
} ps_choice;

/* name: of the data, for sentences. bad[part][index]: samples that are in no split; NULL: all may be. */
ps_status ps_choice_make(const char *name, const ps_source *source, const ps_dataset_options *options,
                         bool *const bad[PS_SOURCE_PARTS], ps_choice *out);
void ps_choice_clear(ps_choice *choice);

/* Whether a fold is held out. */
bool ps_choice_has_fold(const ps_dataset_options *options);
/* Which samples of the training part no fold holds out, whatever is made of them later (limits, the probe set): all
 * that may be looked at in order to choose. *index [*count], in the order of the source, is the caller's (ps_free). */
ps_status ps_choice_training(const char *name, const ps_source *source, const ps_dataset_options *options, int **index,
                             int *count);

/* Fold `fold` of `folds`, as scikit-learn's KFold(folds, shuffle=True, random_state=12345) cuts 0 .. count - 1, which
 * is what nnU-Net does with the names of its cases in order: the old shuffle of NumPy on a Mersenne Twister. order
 * [count] is that shuffle, in [count] true for what is held out. */
void ps_choice_fold(int count, int folds, int fold, uint32_t *order, bool *in);

#endif
