#include "run/planned.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/memory.h"
#include "data/prepare.h"
#include "run/latest.h"
#include "run/opened.h"

bool ps_planned(const ps_run_config *c) { return c->plan[0] != '\0'; }

static ps_status open_source(const ps_run_config *c, const ps_dataset_options *data, ps_source *source) {
    PS_TRY(ps_opened_take(c->data, data, source));
    return ps_source_check_bad(source, c->data, c->skip_bad);
}

static ps_status plan_data(const ps_run_config *c, const ps_dataset_options *data, ps_plan *plan) {
    ps_source source;
    ps_fingerprint fingerprint = {0};
    ps_status status = open_source(c, data, &source);
    size_t bad = source.bad_count; /* more, where cases were found that cannot be decoded */
    if (status == PS_OK) status = ps_fingerprint_take(&source, c->data, data, !isatty(STDERR_FILENO), &fingerprint);
    if (status == PS_OK) status = ps_plan_make(&fingerprint, plan);
    ps_fingerprint_clear(&fingerprint);
    if (status == PS_OK && source.bad_count == bad) ps_opened_leave(c->data, &source);
    else ps_source_close(&source);
    return status;
}

/* The runs of an experiment have the same data, and to plan is to read all of them. */
static ps_status plan_once(const ps_run_config *c, const ps_dataset_options *data, ps_plan *plan) {
    static ps_latest latest;
    static ps_plan made;
    char *key;
    PS_TRY(ps_string_format(&key, "%s %d %d %d %d %d %d %d %s", c->data, c->size, c->probe, c->train_limit,
                            c->test_limit, c->skip_bad, c->fold, c->folds, c->split_file));
    ps_status status = ps_latest_is(&latest, key) ? PS_OK : plan_data(c, data, &made);
    ps_latest_keep(&latest, key, status == PS_OK);
    *plan = made;
    return status;
}

ps_status ps_planned_read(const ps_run_config *c, const ps_dataset_options *data, ps_plan *plan,
                          const ps_plan_network **network) {
    bool flat = strcmp(c->plan_network, "2d") == 0;
    if (!flat && strcmp(c->plan_network, "3d_fullres") != 0)
        return ps_fail(PS_ERR_USAGE, "plan_network must be 3d_fullres or 2d, not \"%s\"", c->plan_network);
    if (c->size > 0)
        return ps_fail(PS_ERR_USAGE, "--size and --plan both say how large samples become; leave --size out");
    if (strcmp(c->plan, "auto") == 0) PS_TRY(plan_once(c, data, plan));
    else if (c->plan[0] == '{') PS_TRY(ps_plan_parse(c->plan, "the plan of the checkpoint", plan));
    else PS_TRY(ps_plan_read(c->plan, plan));
    *network = flat ? &plan->flat : &plan->full;
    if ((*network)->dimensions != 0) return PS_OK;
    return ps_fail(PS_ERR_USAGE, "%s: images without depth have no network in three dimensions; give --plan-network 2d",
                   c->data);
}

static ps_status patch_text(const ps_plan_network *n, char **text) {
    const int *p = n->patch;
    if (n->dimensions == 2) return ps_string_format(text, "%d,%d", p[1], p[2]);
    return ps_string_format(text, "%d,%d,%d", p[0], p[1], p[2]);
}

ps_status ps_planned_apply(ps_run_config *c, const ps_dataset_options *data) {
    ps_plan plan;
    const ps_plan_network *network;
    if (!ps_planned(c)) return PS_OK;
    PS_TRY(ps_planned_read(c, data, &plan, &network));
    if (!c->given[PS_GIVEN_batch]) c->batch = network->batch;
    if (!c->given[PS_GIVEN_normalise]) c->normalise = false; /* they are already */
    if (c->given[PS_GIVEN_patch_size]) return PS_OK;
    char *text = NULL;
    PS_TRY(patch_text(network, &text));
    free(c->patch_size);
    c->patch_size = text;
    return PS_OK;
}

ps_status ps_planned_text(const ps_run_config *c, const ps_dataset_options *data, char **text) {
    ps_plan plan;
    const ps_plan_network *network;
    size_t length;
    *text = NULL;
    if (!ps_planned(c)) return PS_OK;
    PS_TRY(ps_planned_read(c, data, &plan, &network));
    FILE *stream = open_memstream(text, &length);
    if (stream == NULL) return ps_fail(PS_ERR_MEMORY, "no memory for the plan");
    ps_plan_write(&plan, stream);
    return ps_memory_stream_close(stream, text, "the plan");
}

ps_status ps_planned_open(const ps_run_config *c, const ps_dataset_options *data, ps_dataset **out) {
    ps_plan plan;
    const ps_plan_network *network;
    ps_source source;
    *out = NULL;
    PS_TRY(ps_planned_read(c, data, &plan, &network));
    const ps_prepare_options how = {.dimensions = network->dimensions, .quiet = !isatty(STDERR_FILENO)};
    ps_status status = open_source(c, data, &source);
    if (status == PS_OK) status = ps_prepare(&source, c->data, &plan, &how);
    if (status == PS_OK) return ps_dataset_of_source(c->data, data, &source, out);
    ps_source_close(&source);
    return status;
}
