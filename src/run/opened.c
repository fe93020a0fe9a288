#include "run/opened.h"

#include <string.h>
#include <unistd.h>

#include "run/latest.h"
#include "core/memory.h"

/* Sources of files are what their name says, whatever else is asked; what is made is made as it is asked for. */
static ps_latest latest;
static ps_source left;
static pid_t left_by;

ps_status ps_opened_take(const char *name, const ps_dataset_options *options, ps_source *out) {
    /* Files that were open when this process was started by another have one place that both read from. */
    if (!ps_latest_is(&latest, name) || left_by != getpid()) return ps_source_open(name, options, out);
    *out = left;
    memset(&left, 0, sizeof left);
    ps_latest_keep(&latest, NULL, false);
    return PS_OK;
}

void ps_opened_leave(const char *name, ps_source *source) {
    char *key = NULL;
    if (source->functions == NULL || source->made || ps_string_copy(name, &key) != PS_OK) {
        ps_source_close(source);
        return;
    }
    if (latest.key != NULL && left_by == getpid()) ps_source_close(&left);
    left = *source;
    left_by = getpid();
    memset(source, 0, sizeof *source);
    ps_latest_keep(&latest, key, true);
}
