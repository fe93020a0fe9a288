/* Before any run: which predictions will not be testable because the arms that they compare differ in more than the
 * arm (analysis/relation.h). */
#ifndef PS_ANALYSIS_PREDICTIONS_FORESEE_H
#define PS_ANALYSIS_PREDICTIONS_FORESEE_H

#include "analysis/predictions/prediction.h"

typedef struct {
    const char *name;
    ps_arm_role role;
    int pool_size;
} ps_foreseen_arm;

typedef struct {
    const char *id;
    int arm, against; /* whom it would compare; indices into the arms */
} ps_foreseen;

/* differs: [arm * count + against], the keys in which the two differ ("" none). Who is compared is chosen as in a
 * comparison. foreseen has room for PS_MOST_PREDICTIONS. */
ps_status ps_predictions_foresee(const ps_foreseen_arm *arms, int count, const char *const *differs,
                                 ps_foreseen *foreseen, int *found);

#endif
