/* A checkpoint's network over images without labels (data/unlabelled.h): nothing of the data that it was trained on is
 * needed, as the checkpoint says how they were prepared and normalised. */
#ifndef PS_RUN_IMAGES_H
#define PS_RUN_IMAGES_H

#include "run/session.h"

/* "{"mean":[..],"std":[..]}": by what a run's pixels are normalised, as its checkpoints keep it; NULL where they are
 * not, or have more channels than options can say. The caller frees. */
ps_status ps_images_moments_text(const ps_run_config *config, const ps_dataset *dataset, char **text);

/* given: what a command was told (run/subject.h), a checkpoint or a run's directory. The images are the training split
 * of the session's data; it has no loader and no optimiser. Closed with ps_checkpoint_session_close. */
ps_status ps_images_open(ps_checkpoint_session *session, const char *given, const ps_run_settings *settings,
                         const char *folder, int threads);

#endif
