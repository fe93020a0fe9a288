/* Keys as titles. */
#ifndef PS_CORE_TITLE_H
#define PS_CORE_TITLE_H

#include <stddef.h>

/* "mean_iou" -> "mean IoU": spaces between words, and those that the field writes with capitals written so. Cut to what
 * fits. Returns text. */
const char *ps_title_of_key(const char *key, char *text, size_t size);

#endif
