/* Pictures of a sample in the geometry of its file: the image, its label map laid over it, and what was predicted laid
 * over it. A sample in 2D is one slice; of a volume there are three, one below the other, across d, h and w through the
 * middle of what is no background, cells in their true proportions. Pictures of bytes are shown in their own colours,
 * others in grey (the first channel). Below what is laid over, the image is grey: classes from 1 on in PASCAL VOC's
 * colours, half and half; class 0 has none, and positions without a label are pale. */
#ifndef PS_TASK_OVERLAY_H
#define PS_TASK_OVERLAY_H

#include "task/cases.h"

typedef enum { PS_OVERLAY_IMAGE, PS_OVERLAY_TRUTH, PS_OVERLAY_PREDICTED, PS_OVERLAY_PANELS } ps_overlay_panel;

typedef struct ps_overlay ps_overlay;

/* Of sample `index` of a split, and what was found of it, which is borrowed until closing. longest: sides of slices are
 * at most so many pixels, and those of volumes that are smaller are enlarged to it (0: a picture is as large as its
 * file, a slice of a volume as its finest cells make it, within bounds). */
ps_status ps_overlay_open(const ps_dataset *dataset, ps_split split, int index, const ps_case *found, int longest,
                          ps_overlay **out);
void ps_overlay_close(ps_overlay *overlay);
/* Panels side by side, in the order given, as a PNG file. */
ps_status ps_overlay_write(const ps_overlay *overlay, const ps_overlay_panel *panel, int panels, const char *path);

/* The colour that a class is laid over in; false: it has none. */
bool ps_overlay_colour(int class_index, uint8_t rgb[3]);

#endif
