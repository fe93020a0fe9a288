/* A picture of a sample as the net was given it, with its labels and with what was predicted, side by side: of a 2D
 * sample one row, of a volume three (the slices across d, h and w through the middle of what is no background). The
 * image is grey (the mean of its channels), classes are laid over it in PASCAL VOC's colours. */
#ifndef PS_MEASURE_OVERLAY_H
#define PS_MEASURE_OVERLAY_H

#include "task/cases.h"

ps_status ps_overlay_write(const char *path, const ps_case *found, int classes);

#endif
