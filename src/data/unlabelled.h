/* Images whose labels nobody knows, to predict on: a folder of pictures (PNG, JPEG) or of volumes (NIfTI; one file a
 * channel, CASE_0000, CASE_0001, .., or one with all). They are a source of masks in whose training part each position
 * is -1. */
#ifndef PS_DATA_UNLABELLED_H
#define PS_DATA_UNLABELLED_H

#include "data/source.h"

/* channels: of the network that is to see them, which tells files of channels from cases. *out is to be closed after a
 * failure, too. */
ps_status ps_unlabelled_open(const char *folder, int classes, int channels, ps_source *out);

#endif
