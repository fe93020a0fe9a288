/* Turning and scaling of a patch while it is cut (data/patch.h), so that it shows what lies around it and no empty
 * corners: nnU-Net's spatial augmentation. */
#ifndef PS_DATA_AUGMENT_TURN_H
#define PS_DATA_AUGMENT_TURN_H

#include "data/augment.h"

/* Refuses (PS_ERR_USAGE) it where no patch is cut. */
ps_status ps_augment_turn_check(const ps_augment_options *options, const ps_dataset *dataset);
/* Fills the matrix for ps_cut_turn; false: nothing is turned or scaled. Volumes: by up to 30 degrees about each axis;
 * where the first side is less than a third of another, in its slices alone, and like flat patches: by up to 180
 * degrees, or, of a flat patch with one side more than 1.5 times the other, 15. Scaled by 0.7 to 1.4. */
bool ps_augment_turn_draw(const ps_augment_options *options, ps_shape patch, ps_rng_key key, double turn[3][3]);

#endif
