/* A source that was opened last: its headers are read once, though several ask for them before a run begins (how many
 * samples there are, what a plan comes to, the run itself). Not by several threads at once; a process that another one
 * started takes nothing that was left there. */
#ifndef PS_RUN_OPENED_H
#define PS_RUN_OPENED_H

#include "data/source.h"

/* As ps_source_open, but of files that were left it is what was left. The caller's, also after a failure; it is closed
 * with ps_source_close, or left for who comes next. */
ps_status ps_opened_take(const char *name, const ps_dataset_options *options, ps_source *out);
/* In the place of ps_source_close, of a source in which nothing was changed: of files it is kept until somebody takes
 * or leaves one. */
void ps_opened_leave(const char *name, ps_source *source);

#endif
