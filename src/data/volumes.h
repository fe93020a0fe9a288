/* Cases of volumes in NIfTI files, as the formats that differ in folders and names alone give them (msd.c, btcv.c):
 * they say which files there are, and all else is done here. A case has one file a channel, or one with all channels
 * in its fourth dimension, and its label map. Samples are in the canonical order of axes (data/nifti.h). */
#ifndef PS_DATA_VOLUMES_H
#define PS_DATA_VOLUMES_H

#include "data/nifti.h"
#include "data/source.h"

/* The NIfTI files of a folder by their names without .nii and .nii.gz, sorted. Free with ps_volume_names_clear. */
typedef struct {
    char **stem, **path;
    size_t count, stem_room, path_room;
} ps_volume_names;
ps_status ps_volume_names_read(const char *folder, ps_volume_names *out);
void ps_volume_names_clear(ps_volume_names *names);
/* Place of a stem; -1: it is not there. */
int ps_volume_names_find(const ps_volume_names *names, const char *stem);

/* Makes `out` a source without cases. What is added is freed when the source is closed. */
ps_status ps_volumes_start(ps_source *out);
/* Adds a case by its files; label NULL: it has none, which is a fault of the case. */
ps_status ps_volumes_add(ps_source *source, ps_source_part part, const char *name, const char *const *image, int images,
                         const char *label);
/* Classes by their names; ignored: the label that does not count, -1: none. Else the classes are those of the training
 * labels. */
ps_status ps_volumes_set_classes(ps_source *source, int classes, int ignored);
/* Nobody knows labels: cases have none, and each position is -1. After that classes must be set. */
void ps_volumes_without_labels(ps_source *source);
/* Length of a stem without its number of a channel, "_0003"; 0: it ends otherwise. *channel: the number. */
size_t ps_volume_channel(const char *stem, int *channel);
/* How many channels cases have, and who says so (a literal: "dataset.json names"); else as many as most have. */
void ps_volumes_set_channels(ps_source *source, int channels, const char *by);
/* Reads the headers of all cases, and with them what the source says. `name`: of the data, for sentences. Classes that
 * nobody has set are found in the label maps of the training cases: in all of them, or, where their voxels take more
 * than large_bytes (0: PS_LARGE_BYTES), in a few, evenly spread. */
ps_status ps_volumes_finish(ps_source *source, const char *name, size_t large_bytes);

#endif
