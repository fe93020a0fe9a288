#include "cli/experiment.h"

#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/json.h"
#include "core/memory.h"

static const char *const document_keys[] = {"name",  "question", "description", "base", "arms",
                                            "seeds", "fork",     "measure",     NULL};
static const char *const arm_skips[] = {"name", NULL};

typedef struct {
    const char *path, *directory;
    const cJSON *document, *base, *fork;
    ps_experiment_override *override;
    const void *context;
    ps_experiment *out;
} reader;

/* Names of arms become folder names and table cells. */
static ps_status check_arm_name(const reader *r, const char *name) {
    const char *allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+-";
    if (name[0] == '\0' || name[0] == '.' || name[strspn(name, allowed)] != '\0' || strlen(name) > 64)
        return ps_fail(PS_ERR_INPUT,
                       "%s: arm name \"%s\" must be letters, digits, '.', '_', '+' and '-', and start with no dot",
                       r->path, name);
    if (strcmp(name, "parent") == 0)
        return ps_fail(PS_ERR_INPUT, "%s: \"parent\" is the name of the runs that are forked; call the arm otherwise",
                       r->path);
    for (int i = 0; i < r->out->arms; i++)
        if (strcmp(r->out->arm[i], name) == 0)
            return ps_fail(PS_ERR_INPUT, "%s: two arms are called \"%s\"", r->path, name);
    return PS_OK;
}

static ps_status read_seeds(const reader *r) {
    const cJSON *seeds = cJSON_GetObjectItemCaseSensitive(r->document, "seeds"), *item;
    if (!cJSON_IsArray(seeds) || seeds->child == NULL)
        return ps_fail(PS_ERR_INPUT, "%s: needs \"seeds\": [1, 2, 3]", r->path);
    cJSON_ArrayForEach(item, seeds) {
        ps_experiment *e = r->out;
        if (!cJSON_IsNumber(item) || item->valuedouble != item->valueint || item->valueint < 0)
            return ps_fail(PS_ERR_INPUT, "%s: \"seeds\" must be whole numbers from 0", r->path);
        if (e->seeds == PS_EXPERIMENT_MAX_SEEDS)
            return ps_fail(PS_ERR_INPUT, "%s: more than %d seeds", r->path, PS_EXPERIMENT_MAX_SEEDS);
        for (int i = 0; i < e->seeds; i++)
            if (e->seed[i] == item->valueint)
                return ps_fail(PS_ERR_INPUT, "%s: seed %d stands twice in \"seeds\"", r->path, item->valueint);
        e->seed[e->seeds++] = item->valueint;
    }
    return PS_OK;
}

static ps_status set(ps_run_config *config, const char *name, const char *value) {
    bool known;
    return ps_run_config_set(config, name, value, &known);
}

static ps_status fill(const reader *r, ps_experiment_run *run, const cJSON *own, const char *arm, const char *where) {
    PS_TRY(ps_run_config_init(&run->config));
    if (r->base != NULL) PS_TRY(ps_run_config_read_json(&run->config, r->base, where, NULL));
    if (own != NULL) PS_TRY(ps_run_config_read_json(&run->config, own, where, arm_skips));
    if (r->override != NULL) PS_TRY(r->override(r->context, &run->config));
    run->config.seed = run->seed;
    PS_TRY(set(&run->config, "arm", arm));
    return ps_string_format(&run->directory, "%s/runs/%s/seed-%d", r->directory, arm, run->seed);
}

/* A fork starts where its parent ended: from the parent's checkpoint, and unplanted (what the parent started from and
 * what was planted there is in its weights). */
static ps_status fork_from(const ps_experiment *e, ps_experiment_run *run) {
    char *checkpoint = NULL;
    PS_TRY(ps_file_join(e->run[run->parent].directory, "checkpoint.safetensors", &checkpoint));
    ps_status status = set(&run->config, "fork", checkpoint);
    if (status == PS_OK) status = set(&run->config, "plant", "");
    if (status == PS_OK) status = set(&run->config, "init", "");
    free(checkpoint);
    return status;
}

static ps_status add_run(const reader *r, int arm, int seed_index, const cJSON *own, const char *name) {
    ps_experiment *e = r->out;
    char where[512];
    snprintf(where, sizeof where, "%s: %s \"%s\"", r->path, arm < 0 ? "" : "arm", name);
    PS_TRY(PS_GROW(&e->run, &e->capacity, (size_t)e->runs + 1, "runs"));
    ps_experiment_run *run = &e->run[e->runs++];
    run->arm = arm;
    run->seed = e->seed[seed_index];
    run->parent = arm >= 0 && r->fork != NULL ? seed_index : -1; /* parents stand first, one a seed */
    PS_TRY(fill(r, run, own, name, where));
    return run->parent >= 0 ? fork_from(e, run) : PS_OK;
}

static ps_status read_arm(const reader *r, const cJSON *arm, int index) {
    const char *name = NULL;
    char where[512];
    snprintf(where, sizeof where, "%s: arms[%d]", r->path, index);
    PS_TRY(ps_json_get_text(arm, "name", true, where, &name));
    PS_TRY(check_arm_name(r, name));
    if (r->out->arms == PS_EXPERIMENT_MAX_ARMS)
        return ps_fail(PS_ERR_INPUT, "%s: more than %d arms", r->path, PS_EXPERIMENT_MAX_ARMS);
    PS_TRY(ps_string_copy(name, &r->out->arm[r->out->arms++]));
    for (int s = 0; s < r->out->seeds; s++) PS_TRY(add_run(r, index, s, arm, name));
    return PS_OK;
}

static ps_status check_object(const reader *r, const cJSON *item, const char *key) {
    if (item == NULL || cJSON_IsObject(item)) return PS_OK;
    return ps_fail(PS_ERR_INPUT, "%s: \"%s\" must be an object of run settings, as {\"steps\": 200}", r->path, key);
}

static ps_status read_document(reader *r) {
    const char *name = r->path, *question = "";
    PS_TRY(ps_json_check_keys(r->document, document_keys, r->path));
    PS_TRY(ps_json_get_text(r->document, "name", false, r->path, &name));
    PS_TRY(ps_json_get_text(r->document, "question", false, r->path, &question));
    PS_TRY(ps_string_copy(name, &r->out->name));
    PS_TRY(ps_string_copy(question, &r->out->question));
    r->base = cJSON_GetObjectItemCaseSensitive(r->document, "base");
    r->fork = cJSON_GetObjectItemCaseSensitive(r->document, "fork");
    PS_TRY(check_object(r, r->base, "base"));
    PS_TRY(check_object(r, r->fork, "fork"));
    PS_TRY(
        ps_measurement_plan_read(cJSON_GetObjectItemCaseSensitive(r->document, "measure"), r->path, &r->out->measure));
    PS_TRY(read_seeds(r));
    for (int s = 0; r->fork != NULL && s < r->out->seeds; s++) PS_TRY(add_run(r, -1, s, r->fork, "parent"));
    const cJSON *arms = cJSON_GetObjectItemCaseSensitive(r->document, "arms"), *arm;
    if (!cJSON_IsArray(arms) || arms->child == NULL)
        return ps_fail(PS_ERR_INPUT,
                       "%s: needs \"arms\": [{\"name\": \"baseline\"}, {\"name\": \"ps2\", \"pool_skip\": 2}]",
                       r->path);
    int index = 0;
    cJSON_ArrayForEach(arm, arms) PS_TRY(read_arm(r, arm, index++));
    return PS_OK;
}

ps_status ps_experiment_read(const char *path, const char *directory, ps_experiment_override *override,
                             const void *context, ps_experiment *out) {
    cJSON *document;
    memset(out, 0, sizeof *out);
    PS_TRY(ps_json_read(path, &document));
    reader r = {.path = path,
                .directory = directory,
                .document = document,
                .override = override,
                .context = context,
                .out = out};
    ps_status status = read_document(&r);
    cJSON_Delete(document);
    if (status != PS_OK) ps_experiment_clear(out);
    return status;
}

void ps_experiment_clear(ps_experiment *experiment) {
    for (int i = 0; i < experiment->runs; i++) {
        ps_run_config_clear(&experiment->run[i].config);
        free(experiment->run[i].directory);
    }
    for (int i = 0; i < experiment->arms; i++) free(experiment->arm[i]);
    ps_free_array(experiment->run);
    ps_measurement_plan_clear(&experiment->measure);
    free(experiment->name);
    free(experiment->question);
    memset(experiment, 0, sizeof *experiment);
}
