#include "analysis/relation.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/json.h"
#include "core/memory.h"
#include "core/text.h"

const ps_relation *ps_relation_of(const ps_arm *arm, const ps_arm *against) { return &arm->relations[against->index]; }

const ps_relation_pair *ps_relation_pair_of(const ps_arm *arm, const ps_arm_run *run, const ps_arm *against) {
    return &ps_relation_of(arm, against)->pairs[run - arm->runs];
}

const ps_arm_run *ps_relation_partner(const ps_arm *arm, const ps_arm_run *run, const ps_arm *against) {
    return ps_relation_pair_of(arm, run, against)->partner;
}

bool ps_relation_has_no_pair(const ps_arm *arm, const ps_arm *against) {
    const ps_relation *relation = ps_relation_of(arm, against);
    int partners = 0, pairs = 0;
    for (int r = 0; r < arm->run_count; r++) {
        partners += relation->pairs[r].partner != NULL;
        pairs += relation->pairs[r].partner != NULL && relation->pairs[r].differs[0] == '\0';
    }
    return partners > 0 && pairs == 0;
}

const char *ps_relation_way(const ps_relation *relation) { return relation->by_index ? "index" : "seed"; }

bool ps_key_is_digest(const char *key) {
    return strcmp(key, "backbone") == 0 || strcmp(key, "data") == 0 || strcmp(key, "order") == 0;
}

/* ---- differences ---- */

static double number_of(const cJSON *value) { return cJSON_IsNumber(value) ? value->valuedouble : NAN; }

/* A text as it is, a number to be read, anything else as JSON. */
static ps_status copy_value(const cJSON *value, char **text) {
    char *json = NULL, number[32];
    if (value == NULL) return ps_string_copy("missing", text);
    if (cJSON_IsString(value)) return ps_string_copy(value->valuestring, text);
    if (cJSON_IsNumber(value)) return ps_string_copy(ps_text_number(value->valuedouble, 9, number), text);
    PS_TRY(ps_json_text(value, &json));
    ps_status status = ps_string_copy(json, text);
    cJSON_free(json);
    return status;
}

static ps_status grow(ps_differences *all, const char *key, ps_difference **added) {
    PS_TRY(PS_GROW(&all->list, &all->capacity, all->count + 1, "what arms differ in"));
    *added = &all->list[all->count++];
    **added = (ps_difference){.own_number = NAN, .other_number = NAN};
    return ps_string_copy(key, &(*added)->key);
}

static ps_status add(ps_differences *all, const char *key, const cJSON *own, const cJSON *other) {
    ps_difference *d;
    PS_TRY(grow(all, key, &d));
    d->own_number = number_of(own);
    d->other_number = number_of(other);
    PS_TRY(copy_value(own, &d->own));
    return copy_value(other, &d->other);
}

static bool holds(const ps_differences *all, const char *key) {
    for (size_t i = 0; i < all->count; i++)
        if (strcmp(all->list[i].key, key) == 0) return true;
    return false;
}

static void clear_differences(ps_differences *all) {
    for (size_t i = 0; i < all->count; i++) {
        free(all->list[i].key);
        free(all->list[i].own);
        free(all->list[i].other);
    }
    ps_free_array(all->list);
    memset(all, 0, sizeof *all);
}

static const cJSON *get(const cJSON *object, const char *key) { return cJSON_GetObjectItemCaseSensitive(object, key); }

/* Values are texts; other writers may use numbers, which compare as JSON. */
static bool same(const cJSON *a, const cJSON *b) { return a != NULL && b != NULL && cJSON_Compare(a, b, true); }

/* Members of either object that the other lacks or has with another value, in the order of `own`. */
static ps_status compare_objects(const cJSON *own, const cJSON *other, ps_differences *all) {
    const cJSON *item;
    cJSON_ArrayForEach(item, own) if (!same(item, get(other, item->string)))
        PS_TRY(add(all, item->string, item, get(other, item->string)));
    cJSON_ArrayForEach(item, other) if (get(own, item->string) == NULL) PS_TRY(add(all, item->string, NULL, item));
    return PS_OK;
}

static ps_status append(char **list, const char *key) {
    char *longer;
    PS_TRY(ps_string_format(&longer, "%s%s%s", *list, **list != '\0' ? ", " : "", key));
    free(*list);
    *list = longer;
    return PS_OK;
}

static ps_status list_keys(const ps_differences *all, char **list) {
    PS_TRY(ps_string_copy("", list));
    for (size_t i = 0; i < all->count; i++) PS_TRY(append(list, all->list[i].key));
    return PS_OK;
}

/* ---- settings ---- */

static ps_status no_memory(void) { return ps_fail(PS_ERR_MEMORY, "no memory for what arms differ in"); }

/* "sgd lr=0.1": a setting of the key itself ("sgd"), and one of each word that names its value. */
static ps_status add_words(const char *key, const char *words, cJSON *settings) {
    char text[1024], bare[1024] = "", *rest = text, *word, *end;
    snprintf(text, sizeof text, "%s", words);
    while ((word = strsep(&rest, " ")) != NULL) {
        char *value = strchr(word, '=');
        size_t used = strlen(bare);
        if (value == NULL) {
            snprintf(bare + used, sizeof bare - used, "%s%s", used > 0 ? " " : "", word);
            continue;
        }
        *value++ = '\0';
        double number = strtod(value, &end);
        bool numeric = end != value && *end == '\0';
        if ((numeric ? cJSON_AddNumberToObject(settings, word, number)
                     : cJSON_AddStringToObject(settings, word, value)) == NULL)
            return no_memory();
    }
    double number = strtod(bare, &end);
    bool numeric = end != bare && *end == '\0';
    if (bare[0] == '\0') return PS_OK;
    return (numeric ? cJSON_AddNumberToObject(settings, key, number) : cJSON_AddStringToObject(settings, key, bare)) !=
                   NULL
               ? PS_OK
               : no_memory();
}

static ps_status settings_of_pairing(const cJSON *pairing, cJSON *settings) {
    const cJSON *item;
    cJSON_ArrayForEach(item, pairing) {
        cJSON *copy = NULL;
        if (ps_key_is_digest(item->string)) continue;
        if (cJSON_IsString(item)) PS_TRY(add_words(item->string, item->valuestring, settings));
        else PS_TRY(ps_json_copy(item, &copy));
        if (copy != NULL) cJSON_AddItemToObject(settings, item->string, copy);
    }
    return PS_OK;
}

/* Of the configuration, else of the pairing keys; without what the seed decides, and names. */
static ps_status settings_of(const ps_arm_run *run, bool configured, cJSON **settings) {
    static const char *const none[] = {"seed", "arm", "fork"};
    if (configured) PS_TRY(ps_json_copy(run->config, settings));
    else *settings = cJSON_CreateObject();
    if (*settings == NULL) return no_memory();
    if (!configured) PS_TRY(settings_of_pairing(run->pairing, *settings));
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) cJSON_DeleteItemFromObjectCaseSensitive(*settings, none[i]);
    return PS_OK;
}

static ps_status compare_settings(const ps_arm_run *a, const ps_arm_run *b, ps_differences *all) {
    bool configured = a->config != NULL && b->config != NULL;
    cJSON *own = NULL, *other = NULL;
    ps_status status = settings_of(a, configured, &own);
    if (status == PS_OK) status = settings_of(b, configured, &other);
    if (status == PS_OK) status = compare_objects(own, other, all);
    cJSON_Delete(own);
    cJSON_Delete(other);
    return status;
}

/* ---- two runs ---- */

static ps_status add_layers(const ps_arm_run *a, const ps_arm_run *b, ps_differences *all) {
    char own[1024], other[1024];
    ps_difference *d;
    if (ps_arms_same_layers(a, b)) return PS_OK;
    PS_TRY(grow(all, PS_KEY_LAYERS, &d));
    PS_TRY(ps_arms_name_layers(a, b, own, other, sizeof own));
    PS_TRY(ps_string_copy(own, &d->own));
    return ps_string_copy(other, &d->other);
}

/* Windows of which other steps were recorded are no pair, step by step. */
static ps_status add_every(const ps_arm_run *a, const ps_arm_run *b, ps_differences *all) {
    ps_difference *d;
    if (a->every == b->every) return PS_OK;
    PS_TRY(grow(all, PS_KEY(HEADER, every), &d));
    d->own_number = (double)a->every;
    d->other_number = (double)b->every;
    PS_TRY(ps_string_format(&d->own, "%lld", a->every));
    return ps_string_format(&d->other, "%lld", b->every);
}

static ps_status compare_runs(const ps_arm_run *a, const ps_arm_run *b, ps_differences *all) {
    if (a->pairing != NULL && b->pairing != NULL) PS_TRY(compare_objects(a->pairing, b->pairing, all));
    PS_TRY(add_every(a, b, all));
    return add_layers(a, b, all);
}

/* Networks that their headers declare to be others may have other layers; those that should be one network share some.
 */
static ps_status refuse_layers(const ps_arm *arm, const ps_arm_run *run, const ps_arm_run *reference) {
    const cJSON *mine = get(run->pairing, "backbone"), *theirs = get(reference->pairing, "backbone");
    bool declared = mine != NULL && theirs != NULL && !same(mine, theirs);
    if (run->layer_count == 0 || reference->layer_count == 0 || declared || ps_arms_share_layers(run, reference))
        return PS_OK;
    return ps_fail(PS_ERR_INPUT,
                   "seed %lld of arm %s shares no layer with the reference: the first is %.60s in %.120s and %.60s in "
                   "%.120s; a node must have the same name in both, that in the network without modules (a module put "
                   "into nn.Sequential renumbers what follows: tell the recorder the old names)",
                   run->seed, arm->name, run->layers[0].name, run->path, reference->layers[0].name, reference->path);
}

/* What leaves nothing to compare. */
static ps_status refuse(const ps_arm *arm, const ps_arm_run *run, const ps_arm_run *reference) {
    const cJSON *mine = get(run->pairing, "data"), *theirs = get(reference->pairing, "data");
    char *own = NULL, *other = NULL;
    if ((run->pairing == NULL) != (reference->pairing == NULL))
        return ps_fail(
            PS_ERR_INPUT,
            "%s: has nothing in \"pairing\" of its header while its partner %s has one; it cannot be told to be a pair",
            run->pairing == NULL ? run->path : reference->path, run->pairing == NULL ? reference->path : run->path);
    if ((mine == NULL && theirs == NULL) || same(mine, theirs)) return refuse_layers(arm, run, reference);
    ps_status status = copy_value(mine, &own);
    if (status == PS_OK) status = copy_value(theirs, &other);
    if (status == PS_OK)
        status = ps_fail(PS_ERR_INPUT,
                         "seed %lld of arm %s cannot be compared with the reference: \"data\" is \"%.200s\" in %s and "
                         "\"%.200s\" in %s; compare runs of the same training, probe and test images",
                         run->seed, arm->name, own, run->path, other, reference->path);
    free(own);
    free(other);
    return status;
}

/* ---- two arms ---- */

/* Whether the runs of a seed that both have begin with one backbone, as far as the headers say. */
static bool pairs_by_seed(const ps_arm *arm, const ps_arm *against) {
    bool common = false, told = arm->runs[0].pairing != NULL && against->runs[0].pairing != NULL;
    for (int r = 0; r < arm->run_count; r++) {
        const ps_arm_run *run = &arm->runs[r], *partner = ps_arm_find_seed(against, run->seed);
        if (partner == NULL) continue;
        const cJSON *own = get(run->pairing, "backbone"), *other = get(partner->pairing, "backbone");
        if (own == NULL || other == NULL || same(own, other)) return true;
        common = true;
    }
    return !common && !told;
}

/* Keys of all pairs: *union has those that differ in any, as the first has them. */
static ps_status note_pair(ps_relation *relation, ps_relation_pair *pair, const ps_arm_run *run) {
    ps_differences keys = {NULL, 0, 0};
    ps_status status = compare_runs(run, pair->partner, &keys);
    pair->unverified = run->pairing == NULL || pair->partner->pairing == NULL;
    free(pair->differs);
    pair->differs = NULL;
    if (status == PS_OK) status = list_keys(&keys, &pair->differs);
    for (size_t i = 0; status == PS_OK && i < keys.count; i++) {
        ps_difference *d = &keys.list[i];
        if (holds(&relation->keys, d->key)) continue;
        status = PS_GROW(&relation->keys.list, &relation->keys.capacity, relation->keys.count + 1, "keys");
        if (status != PS_OK) break;
        relation->keys.list[relation->keys.count++] = *d; /* with its texts */
        *d = (ps_difference){NULL};
    }
    clear_differences(&keys);
    return status;
}

static ps_status list_shared(const ps_arm_run *run, const ps_arm_run *partner, ps_relation *relation) {
    const cJSON *item;
    if (run->pairing != NULL && partner->pairing != NULL) cJSON_ArrayForEach(item, run->pairing) {
            bool shared = get(partner->pairing, item->string) != NULL && !holds(&relation->keys, item->string);
            if (shared) PS_TRY(append(&relation->shares, item->string));
        }
    return holds(&relation->keys, PS_KEY_LAYERS) ? PS_OK : append(&relation->shares, PS_KEY_LAYERS);
}

/* By their places in the rising order of each arm's seeds; registered seeds are one list for all arms, and stand beside
 * themselves, so that a run besides them, or one that is missing, moves none of them. */
static const ps_arm_run *partner_by_index(const ps_registration *registration, const ps_arm *arm, int r,
                                          const ps_arm *against) {
    int place = 0;
    if (registration == NULL) return r < against->run_count ? &against->runs[r] : NULL;
    if (ps_registration_has_seed(registration, arm->runs[r].seed)) return ps_arm_find_seed(against, arm->runs[r].seed);
    for (int i = 0; i < r; i++) place += !ps_registration_has_seed(registration, arm->runs[i].seed);
    for (int i = 0; i < against->run_count; i++)
        if (!ps_registration_has_seed(registration, against->runs[i].seed) && place-- == 0) return &against->runs[i];
    return NULL;
}

/* registration: NULL, nothing was registered. */
static ps_status relate(const ps_registration *registration, const ps_arm *arm, const ps_arm *against,
                        ps_relation *relation) {
    int first = -1;
    PS_TRY(PS_ALLOC((size_t)arm->run_count, &relation->pairs, "pairs of two arms"));
    PS_TRY(ps_string_copy("", &relation->shares));
    relation->by_index = !pairs_by_seed(arm, against);
    for (int r = 0; r < arm->run_count; r++) {
        ps_relation_pair *pair = &relation->pairs[r];
        PS_TRY(ps_string_copy("", &pair->differs));
        if (!relation->by_index) pair->partner = ps_arm_find_seed(against, arm->runs[r].seed);
        else pair->partner = partner_by_index(registration, arm, r, against);
        if (pair->partner == NULL) continue;
        if (against->index == 0) PS_TRY(refuse(arm, &arm->runs[r], pair->partner));
        PS_TRY(note_pair(relation, pair, &arm->runs[r]));
        if (first < 0) first = r;
    }
    PS_TRY(list_keys(&relation->keys, &relation->differs));
    if (first < 0) return PS_OK;
    PS_TRY(list_shared(&arm->runs[first], relation->pairs[first].partner, relation));
    return compare_settings(&arm->runs[first], relation->pairs[first].partner, &relation->settings);
}

/* ---- all arms ---- */

static ps_status note_unpaired(ps_arms *arms, const ps_arm *arm, long long seed) {
    char *longer;
    PS_TRY(ps_string_format(&longer, "%s%s%s: seed %lld", arms->unpaired, arms->unpaired[0] != '\0' ? "; " : "",
                            arm->name, seed));
    free(arms->unpaired);
    arms->unpaired = longer;
    return PS_OK;
}

/* A run of an arm is paired when it has a partner in the reference; a run of the reference when it is one. */
static ps_status note_partners(ps_arms *arms) {
    ps_arm *reference = &arms->arms[0];
    for (int a = 1; a < arms->count; a++)
        for (int r = 0; r < arms->arms[a].run_count; r++) {
            ps_arm_run *run = &arms->arms[a].runs[r];
            const ps_relation_pair *pair = ps_relation_pair_of(&arms->arms[a], run, reference);
            if (pair->partner == NULL) {
                PS_TRY(note_unpaired(arms, &arms->arms[a], run->seed));
                continue;
            }
            arms->unverified |= pair->unverified;
            run->paired = reference->runs[pair->partner - reference->runs].paired = true;
        }
    for (int r = 0; arms->count > 1 && r < reference->run_count; r++)
        if (!reference->runs[r].paired) PS_TRY(note_unpaired(arms, reference, reference->runs[r].seed));
    return PS_OK;
}

ps_status ps_relations_find(ps_arms *arms) {
    const ps_registration *registration = arms->registered ? &arms->registration : NULL;
    for (int a = 0; a < arms->count; a++)
        PS_TRY(PS_ALLOC((size_t)arms->count, &arms->arms[a].relations, "relations of arms"));
    for (int a = 0; a < arms->count; a++)
        for (int b = 0; b < arms->count; b++)
            if (a != b) PS_TRY(relate(registration, &arms->arms[a], &arms->arms[b], &arms->arms[a].relations[b]));
    return note_partners(arms);
}

void ps_relations_clear(ps_arms *arms) {
    for (int a = 0; a < arms->count; a++) {
        ps_arm *arm = &arms->arms[a];
        for (int b = 0; arm->relations != NULL && b < arms->count; b++) {
            ps_relation *relation = &arm->relations[b];
            for (int r = 0; relation->pairs != NULL && r < arm->run_count; r++) free(relation->pairs[r].differs);
            ps_free(relation->pairs);
            free(relation->shares);
            free(relation->differs);
            clear_differences(&relation->keys);
            clear_differences(&relation->settings);
        }
        ps_free(arm->relations);
        arm->relations = NULL;
    }
}

ps_status ps_relations_check_recorded(const ps_arms *arms) {
    for (int a = 0; a < arms->count; a++) {
        const ps_arm *arm = &arms->arms[a];
        for (int r = 1; r < arm->run_count; r++)
            PS_TRY(ps_arms_check_recorded(arm, &arm->runs[r], &arm->runs[0], "the other runs of the arm"));
        for (int r = 0; a > 0 && r < arm->run_count; r++) {
            const ps_arm_run *partner = ps_relation_partner(arm, &arm->runs[r], &arms->arms[0]);
            if (partner != NULL) PS_TRY(ps_arms_check_recorded(arm, &arm->runs[r], partner, "the reference"));
        }
    }
    return PS_OK;
}
