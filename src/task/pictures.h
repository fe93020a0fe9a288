/* Pictures of what a net makes of a few samples with label maps, for people and for reports: a set of files (core/
 * file_set.h) in a folder of its own.
 *
 *   N.image.png, N.truth.png, N.predicted.png   of sample N = 1, 2, ..: panels of task/overlay.h
 *   pictures.json                               what the samples are, and the colours of classes
 *
 * Which samples they are depends on how many the split has, and on nothing else. */
#ifndef PS_TASK_PICTURES_H
#define PS_TASK_PICTURES_H

#include "task/task.h"

enum { PS_PICTURES_MOST = 16 };

/* Pictures of `count` samples, of as many as there are at most, in place of earlier ones. */
ps_status ps_pictures_draw(const ps_task_split *on, int count, const char *folder);
/* Takes away what that makes, and the folder where nothing else is in it. */
void ps_pictures_remove(const char *folder);

#endif
