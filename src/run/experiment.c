#include "run/experiment.h"

#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/json.h"
#include "core/memory.h"
#include "run/settle.h"

static const char *const document_keys[] = {"name",       "question",       "description", "base",    "arms",
                                            "seeds",      "fork",           "measure",     "primary", "secondary",
                                            "sequential", "collapse_below", NULL};
/* Of those, what is registered. */
static const char *const registered_keys[] = {"primary", "secondary", "seeds", "sequential", "collapse_below", NULL};
static const char *const arm_skips[] = {"name", NULL};

typedef struct {
    const char *path, *directory;
    const cJSON *document, *base, *fork;
    ps_experiment_override *override;
    const void *context;
    const ps_experiment_subset *subset;
    ps_experiment *out;
} reader;

/* ---- subsets ---- */

static bool is_listed(const char *list, const char *word) {
    size_t length = strlen(word);
    for (const char *p = list; p != NULL; p = strchr(p, ',') != NULL ? strchr(p, ',') + 1 : NULL)
        if (strncmp(p, word, length) == 0 && (p[length] == ',' || p[length] == '\0')) return true;
    return false;
}

/* Every word of the list must be one of the known, themselves a list. */
static ps_status check_list(const reader *r, const char *option, const char *list, const char *known) {
    for (const char *p = list; p != NULL; p = strchr(p, ',') != NULL ? strchr(p, ',') + 1 : NULL) {
        char word[80];
        snprintf(word, sizeof word, "%.*s", (int)strcspn(p, ","), p);
        if (word[0] == '\0' || !is_listed(known, word))
            return ps_fail(PS_ERR_USAGE, "--%s: \"%s\" is none of those in %s; it has %s", option, word, r->path,
                           known);
        const char *rest = strchr(p, ',');
        if (rest != NULL && is_listed(rest + 1, word))
            return ps_fail(PS_ERR_USAGE, "--%s: \"%s\" stands there twice; name each once", option, word);
    }
    return PS_OK;
}

/* Puts the seeds that are wanted in front, all in the order of the file. */
static ps_status pick_seeds(const reader *r) {
    ps_experiment *e = r->out;
    char known[PS_EXPERIMENT_MAX_SEEDS * 12] = "", word[16];
    int rest[PS_EXPERIMENT_MAX_SEEDS], kept = 0, left = 0;
    e->all_seeds = e->seeds;
    if (r->subset == NULL || r->subset->seeds == NULL) return PS_OK;
    for (int s = 0; s < e->seeds; s++)
        snprintf(known + strlen(known), sizeof known - strlen(known), "%s%d", s > 0 ? "," : "", e->seed[s]);
    PS_TRY(check_list(r, "seeds", r->subset->seeds, known));
    for (int s = 0; s < e->seeds; s++) {
        snprintf(word, sizeof word, "%d", e->seed[s]);
        if (is_listed(r->subset->seeds, word)) e->seed[kept++] = e->seed[s];
        else rest[left++] = e->seed[s];
    }
    memcpy(e->seed + kept, rest, (size_t)left * sizeof *rest);
    e->seeds = kept;
    return PS_OK;
}

static ps_status check_arms(const reader *r, const cJSON *arms) {
    char known[PS_EXPERIMENT_MAX_ARMS * 66] = "";
    const cJSON *arm;
    if (r->subset == NULL || r->subset->arms == NULL) return PS_OK;
    cJSON_ArrayForEach(arm, arms) {
        const char *name = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(arm, "name"));
        if (name == NULL) continue;
        snprintf(known + strlen(known), sizeof known - strlen(known), "%s%s", known[0] != '\0' ? "," : "", name);
    }
    return check_list(r, "arms", r->subset->arms, known);
}

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
    return pick_seeds(r);
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
    PS_TRY(ps_run_settle(&run->config));
    run->config.seed = run->seed;
    PS_TRY(set(&run->config, "arm", arm));
    return ps_string_format(&run->directory, "%s/runs/%s/seed-%d", r->directory, arm, run->seed);
}

/* A fork starts where its parent ended: from the parent's checkpoint, and unplanted (what the parent started from and
 * what was planted there is in its weights). Seen from the fork's directory, so that an experiment may be moved. */
static ps_status fork_from(ps_experiment_run *run) {
    char *checkpoint = NULL;
    PS_TRY(ps_string_format(&checkpoint, "run:../../parent/seed-%d/checkpoint.safetensors", run->seed));
    ps_status status = set(&run->config, "fork", checkpoint);
    if (status == PS_OK) status = set(&run->config, "plant", "");
    if (status == PS_OK) status = set(&run->config, "init", "");
    free(checkpoint);
    return status;
}

static ps_status new_run(ps_experiment *e, bool wanted, ps_experiment_run **run) {
    if (wanted) {
        PS_TRY(PS_GROW(&e->run, &e->capacity, (size_t)e->runs + 1, "runs"));
        *run = &e->run[e->runs++];
    } else {
        PS_TRY(PS_GROW(&e->other, &e->other_capacity, (size_t)e->others + 1, "runs"));
        *run = &e->other[e->others++];
    }
    memset(*run, 0, sizeof **run);
    return PS_OK;
}

static ps_status add_run(const reader *r, int arm, int seed_index, const cJSON *own, const char *name) {
    ps_experiment *e = r->out;
    ps_experiment_run *run;
    char where[512];
    snprintf(where, sizeof where, "%s: %s \"%s\"", r->path, arm < 0 ? "" : "arm", name);
    PS_TRY(new_run(e, arm < 0 || (e->wanted[arm] && seed_index < e->seeds), &run));
    run->arm = arm;
    run->seed = e->seed[seed_index];
    run->parent = arm >= 0 && r->fork != NULL ? seed_index : -1; /* parents stand first, one a seed */
    PS_TRY(fill(r, run, own, name, where));
    return run->parent >= 0 ? fork_from(run) : PS_OK;
}

/* What the experiment itself decides for every run would be passed over in silence. */
static ps_status refuse_decided(const cJSON *object, const char *where, bool forks) {
    static const struct {
        const char *key, *advice;
        bool of_forks; /* decided only where the run starts from its parent's checkpoint */
    } decided[] = {{"seed", "seeds stand in \"seeds\" beside the arms", false},
                   {"arm", "an arm is called by its \"name\"", false},
                   {"plant", "the arms start from their parent's checkpoint; plant there, in \"fork\"", true},
                   {"init", "the arms start from their parent's checkpoint; write it into \"fork\"", true},
                   {"fork", "the arms start from their parent's checkpoint; leave it out", true}};
    for (size_t i = 0; i < sizeof decided / sizeof *decided; i++)
        if ((forks || !decided[i].of_forks) && cJSON_GetObjectItemCaseSensitive(object, decided[i].key) != NULL)
            return ps_fail(PS_ERR_INPUT, "%s: \"%s\" does nothing there: %s", where, decided[i].key, decided[i].advice);
    return PS_OK;
}

static ps_status read_arm(const reader *r, const cJSON *arm, int index) {
    const char *name = NULL;
    char where[512];
    snprintf(where, sizeof where, "%s: arms[%d]", r->path, index);
    PS_TRY(ps_json_get_text(arm, "name", true, where, &name));
    PS_TRY(check_arm_name(r, name));
    if (r->out->arms == PS_EXPERIMENT_MAX_ARMS)
        return ps_fail(PS_ERR_INPUT, "%s: more than %d arms", r->path, PS_EXPERIMENT_MAX_ARMS);
    PS_TRY(refuse_decided(arm, where, r->fork != NULL));
    int place = r->out->arms++;
    r->out->wanted[place] =
        r->subset == NULL || r->subset->arms == NULL || is_listed(r->subset->arms, name) || place == r->out->reference;
    PS_TRY(ps_string_copy(name, &r->out->arm[place]));
    for (int s = 0; s < r->out->all_seeds; s++) PS_TRY(add_run(r, place, s, arm, name));
    return PS_OK;
}

/* As analysis/compare.h has it. */
static int find_reference(const cJSON *arms) {
    const cJSON *arm;
    int index = 0;
    cJSON_ArrayForEach(arm, arms) {
        const char *name = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(arm, "name"));
        if (name != NULL && strcmp(name, "baseline") == 0) return index;
        index++;
    }
    return 0;
}

static ps_status check_object(const reader *r, const cJSON *item, const char *key) {
    char where[512];
    snprintf(where, sizeof where, "%s: \"%s\"", r->path, key);
    if (item == NULL) return PS_OK;
    if (cJSON_IsObject(item)) return refuse_decided(item, where, false);
    return ps_fail(PS_ERR_INPUT, "%s must be an object of run settings, as {\"steps\": 200}", where);
}

/* Sequential looks end with the last of these seeds (analysis/stats/sequential.h). */
enum { SEQUENTIAL_SEEDS = 20 };

static ps_status check_registration(const reader *r) {
    const ps_registration *registration = &r->out->registration;
    if (registration->sequential && registration->seeds != SEQUENTIAL_SEEDS)
        return ps_fail(
            PS_ERR_INPUT,
            "%s: \"sequential\" looks after 5, 8, 12, 16 and 20 seeds, so \"seeds\" must list 20, and not %d", r->path,
            registration->seeds);
    for (int i = -1; i < registration->secondaries; i++) {
        const ps_question *q = i < 0 ? &registration->primary : &registration->secondary[i];
        const char *const names[] = {q->arm, q->against};
        for (int n = 0; n < 2; n++) {
            bool known = names[n][0] == '\0';
            for (int a = 0; a < r->out->arms; a++) known |= strcmp(r->out->arm[a], names[n]) == 0;
            if (!known)
                return ps_fail(PS_ERR_INPUT,
                               "%s: the registered question \"%s\" names arm \"%s\", which is none of the file's",
                               r->path, q->prediction[0] != '\0' ? q->prediction : q->measure, names[n]);
        }
    }
    return PS_OK;
}

/* The registration is a part of the file; nothing of it is said where "primary" is not. */
static ps_status read_registration(const reader *r) {
    ps_experiment *e = r->out;
    cJSON *part = cJSON_CreateObject();
    ps_status status = part != NULL ? PS_OK : ps_fail(PS_ERR_MEMORY, "no memory for the registration");
    e->registered = cJSON_GetObjectItemCaseSensitive(r->document, "primary") != NULL;
    for (int k = 0; registered_keys[k] != NULL && status == PS_OK; k++) {
        cJSON *item = cJSON_GetObjectItemCaseSensitive(r->document, registered_keys[k]);
        if (item == NULL) continue;
        if (!e->registered && strcmp(registered_keys[k], "seeds") != 0)
            status =
                ps_fail(PS_ERR_INPUT, "%s: \"%s\" needs a \"primary\" beside it, the question that is judged first",
                        r->path, registered_keys[k]);
        else if (!cJSON_AddItemReferenceToObject(part, registered_keys[k], item))
            status = ps_fail(PS_ERR_MEMORY, "no memory for the registration");
    }
    if (r->subset != NULL && r->subset->sequential) {
        cJSON_DeleteItemFromObjectCaseSensitive(part, "sequential");
        if (cJSON_AddTrueToObject(part, "sequential") == NULL)
            status = ps_fail(PS_ERR_MEMORY, "no memory for the registration");
    }
    if (status == PS_OK && e->registered) status = ps_registration_parse(part, r->path, &e->registration);
    if (status == PS_OK && e->registered) status = ps_registration_text(&e->registration, &e->registration_text);
    cJSON_Delete(part);
    return status;
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
    const cJSON *measure = cJSON_GetObjectItemCaseSensitive(r->document, "measure");
    if (measure != NULL) PS_TRY(ps_json_copy(measure, &r->out->measure));
    PS_TRY(read_seeds(r));
    PS_TRY(read_registration(r));
    for (int s = 0; r->fork != NULL && s < r->out->seeds; s++) PS_TRY(add_run(r, -1, s, r->fork, "parent"));
    const cJSON *arms = cJSON_GetObjectItemCaseSensitive(r->document, "arms"), *arm;
    if (!cJSON_IsArray(arms) || arms->child == NULL)
        return ps_fail(PS_ERR_INPUT,
                       "%s: needs \"arms\": [{\"name\": \"baseline\"}, {\"name\": \"ps2\", \"pool_skip\": 2}]",
                       r->path);
    PS_TRY(check_arms(r, arms));
    r->out->reference = find_reference(arms);
    int index = 0;
    cJSON_ArrayForEach(arm, arms) PS_TRY(read_arm(r, arm, index++));
    return r->out->registered ? check_registration(r) : PS_OK;
}

ps_status ps_experiment_read(const char *path, const char *directory, ps_experiment_override *override,
                             const void *context, const ps_experiment_subset *subset, ps_experiment *out) {
    cJSON *document;
    memset(out, 0, sizeof *out);
    PS_TRY(ps_json_read(path, &document));
    reader r = {.path = path,
                .directory = directory,
                .document = document,
                .override = override,
                .context = context,
                .subset = subset,
                .out = out};
    ps_status status = read_document(&r);
    cJSON_Delete(document);
    if (status != PS_OK) ps_experiment_clear(out);
    return status;
}

ps_status ps_experiment_settle_on_data(ps_experiment *e) {
    for (int i = 0; i < e->runs; i++) PS_TRY(ps_run_settle_on_data(&e->run[i].config));
    for (int i = 0; i < e->others; i++) PS_TRY(ps_run_settle_on_data(&e->other[i].config));
    return PS_OK;
}

static void clear_runs(ps_experiment_run *run, int count) {
    for (int i = 0; i < count; i++) {
        ps_run_config_clear(&run[i].config);
        free(run[i].directory);
    }
    ps_free_array(run);
}

void ps_experiment_clear(ps_experiment *experiment) {
    clear_runs(experiment->run, experiment->runs);
    clear_runs(experiment->other, experiment->others);
    for (int i = 0; i < experiment->arms; i++) free(experiment->arm[i]);
    cJSON_Delete(experiment->measure);
    free(experiment->registration_text);
    free(experiment->name);
    free(experiment->question);
    memset(experiment, 0, sizeof *experiment);
}
