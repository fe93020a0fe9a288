/* Pictures with their labels, as the formats that differ in folders and names alone give them (folders.c, voc.c,
 * cityscapes.c, camvid.c): they say which files there are and what is in label maps, and all else is done here. Samples
 * are red, green and blue in bytes, as large as their pictures. */
#ifndef PS_DATA_PICTURES_H
#define PS_DATA_PICTURES_H

#include "data/names.h"
#include "data/source.h"

enum { PS_MASK_VALUES = 256, PS_MASK_REFUSED = -2 };

typedef struct {
    ps_label_kind labels; /* a class, or a mask */
    int classes;
    const char *const *class_names; /* [classes]; NULL: numbers */
    /* Of the numbers in label maps: what they are, in words, and the class of each; -1: does not count,
     * PS_MASK_REFUSED: must not occur, as all larger numbers. NULL where there are none. */
    const char *numbers;
    const int16_t *class_of; /* [PS_MASK_VALUES] */
} ps_pictures_kind;

/* Fills a table class_of: numbers are classes, but for `ignored`, which does not count. */
void ps_pictures_number_classes(int16_t class_of[PS_MASK_VALUES], int classes, int ignored);
/* Makes `out` a source without pictures. The words that kind->numbers points to must stay. */
ps_status ps_pictures_start(ps_source *out, const ps_pictures_kind *kind);
/* Reads the headers of a picture and of its label map, and adds them; what cannot be read, or does not fit, is left out
 * (ps_source_leave_out). mask NULL: the label is class_index; where labels are masks, no position has a label. */
ps_status ps_pictures_add(ps_source *source, ps_source_part part, const char *name, const char *image, const char *mask,
                          int class_index);
/* Adds folder/image and folder/mask, each of them a path below the folder. */
ps_status ps_pictures_add_pair(ps_source *source, ps_source_part part, const char *name, const char *folder,
                               const char *image, const char *mask);
/* Refuses a source in whose training part nothing was found. */
ps_status ps_pictures_check_found(const ps_source *source, const char *folder, const char *looked_for);

/* Refuses a source in which a name stands twice; lists: what says which names there are ("ImageSets/.."), in words. */
ps_status ps_pictures_check_once(const ps_source *source, const char *folder, const char *lists);

/* Whether a file's name ends as those of pictures do, in any case: .png, .jpg, .jpeg, and kinds that cannot be read
 * here, so that they are refused by name and not passed over. */
bool ps_picture_has_ending(const char *name);

#endif
