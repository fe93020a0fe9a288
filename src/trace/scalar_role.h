/* What a tag of somebody else's log is, as far as its words tell: "Loss/train", "val_acc", "lr-SGD". One strange word
 * ("train/loss_box"), and nothing is guessed; an accuracy that does not say of which samples it is, is not, either. */
#ifndef PS_TRACE_SCALAR_ROLE_H
#define PS_TRACE_SCALAR_ROLE_H

#include <stdbool.h>

#include "trace/scalar_log.h"

typedef enum {
    PS_SCALAR_IS_LOSS,
    PS_SCALAR_IS_LR,
    PS_SCALAR_IS_GRAD_NORM,
    PS_SCALAR_IS_TEST_LOSS,
    PS_SCALAR_IS_ACCURACY,
    PS_SCALAR_IS_COUNT,
    PS_SCALAR_IS_NONE = PS_SCALAR_IS_COUNT
} ps_scalar_role;

/* Samples that an evaluation is of; those to be tested on go before those to choose by. */
typedef enum {
    PS_SCALAR_OF_NONE,
    PS_SCALAR_OF_TEST,
    PS_SCALAR_OF_VALIDATION,
    PS_SCALAR_OF_EVALUATION,
    PS_SCALAR_OF_COUNT
} ps_scalar_split;

ps_scalar_role ps_scalar_role_of(const char *tag, ps_scalar_split *split);

/* The series that has this role: of several the one with most values, of evaluations rather none of single steps.
 * split: of evaluations. *others: how many more there are. NULL: none. */
const ps_scalar_series *ps_scalar_role_find(const ps_scalar_log *log, ps_scalar_role role, ps_scalar_split split,
                                            int *others);
/* The samples that evaluations are taken of: the first split with an accuracy, else with a loss. */
ps_scalar_split ps_scalar_split_find(const ps_scalar_log *log);

#endif
