#include "analysis/arms.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/variation.h"
#include "core/json.h"
#include "core/memory.h"
#include "core/text.h"

static const char *text_of(const cJSON *object, const char *key) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    return cJSON_IsString(item) ? item->valuestring : "";
}

/* Of the first run: runs of one arm have one configuration but for the seed. */
static void note_role(ps_arm *arm, const ps_trace_header *header) {
    arm->role = header->arm_is.role;
    arm->pool_size = header->arm_is.pool_size;
    arm->has_module = header->has_module;
}

/* A fork says so before its first step. */
static ps_status find_fork(ps_trace_reader *reader, ps_arm_run *run) {
    ps_trace_record record;
    bool more = true;
    while (more && run->fork == NULL) {
        PS_TRY(ps_trace_reader_next(reader, &record, &more));
        if (!more || record.type == PS_RECORD_STEP || record.type == PS_RECORD_WINDOW) break;
        if (!ps_trace_record_is_event(&record, PS_EVENT_FORKED)) continue;
        cJSON *event;
        PS_TRY(ps_json_try(record.text, &event));
        const char *digest = text_of(event, PS_KEY(FORKED, checkpoint));
        ps_status status = digest[0] != '\0' ? ps_string_copy(digest, &run->fork) : PS_OK;
        cJSON_Delete(event);
        PS_TRY(status);
    }
    return PS_OK;
}

/* What a layer is, beside its name and channels. An arm may change its activation and put a module into it. */
static const ps_trace_key layer_facts[] = {PS_KEY_LAYER_kind,  PS_KEY_LAYER_fan_in, PS_KEY_LAYER_elements,
                                           PS_KEY_LAYER_depth, PS_KEY_LAYER_stage,  PS_KEY_LAYER_inputs,
                                           PS_KEY_LAYER_bias,  PS_KEY_LAYER_norm};
enum { LAYER_FACTS = sizeof layer_facts / sizeof *layer_facts };

static const char *fact_name(int fact) { return ps_trace_keys[layer_facts[fact]].name; }

static ps_status copy_facts(const cJSON *layer, cJSON **facts) {
    *facts = cJSON_CreateObject();
    for (int i = 0; *facts != NULL && i < LAYER_FACTS; i++) {
        const cJSON *fact = cJSON_GetObjectItemCaseSensitive(layer, fact_name(i));
        cJSON *copy = NULL;
        PS_TRY(ps_json_copy(fact, &copy));
        if (copy != NULL) cJSON_AddItemToObject(*facts, fact_name(i), copy);
    }
    return *facts != NULL ? PS_OK : ps_fail(PS_ERR_MEMORY, "no memory for the layers of a run");
}

static ps_status copy_layers(const ps_trace_header *header, ps_arm_run *run) {
    const cJSON *document = cJSON_GetObjectItemCaseSensitive(header->document, PS_KEY(HEADER, layers));
    PS_TRY(PS_ALLOC((size_t)header->layer_count + 1, &run->layers, "layers of a run"));
    for (int l = 0; l < header->layer_count; l++) {
        run->layer_count = l + 1;
        run->layers[l].channels = header->layers[l].channels;
        run->layers[l].tells_dead = header->layers[l].tells_dead;
        run->layers[l].death = header->layers[l].death;
        run->layers[l].heads = header->layers[l].heads;
        PS_TRY(ps_string_copy(header->layers[l].activation, &run->layers[l].activation));
        PS_TRY(ps_string_copy(header->layers[l].name, &run->layers[l].name));
        PS_TRY(copy_facts(cJSON_GetArrayItem(document, l), &run->layers[l].facts));
    }
    return PS_OK;
}

const char *ps_arm_death(const ps_arm *arm) {
    ps_trace_death found = PS_DEATH_UNKNOWN;
    bool first = true;
    for (int r = 0; r < arm->run_count; r++)
        for (int l = 0; l < arm->runs[r].layer_count; l++, first = false) {
            ps_trace_death death = arm->runs[r].layers[l].death;
            if (death == PS_DEATH_UNKNOWN) return NULL;
            if (!first && death != found) return "mixed";
            found = death;
        }
    return found == PS_DEATH_UNKNOWN ? NULL : ps_words_at(PS_WORDS_DEATH, (int)found - 1);
}

bool ps_arm_never_dies(const ps_arm *arm) {
    const char *death = ps_arm_death(arm);
    return death != NULL && strcmp(death, PS_WORD(DEATH, SATURATED)) == 0;
}

static bool same_measure(const ps_trace_measure *a, const ps_trace_measure *b) {
    return strcmp(a->name, b->name) == 0 && strcmp(a->unit, b->unit) == 0 &&
           a->higher_is_better == b->higher_is_better && strcmp(a->rule, b->rule) == 0;
}

/* Chance levels may differ with the data, which pairing looks at. */
static bool same_task(const ps_trace_task *a, const ps_trace_task *b) {
    bool same = strcmp(a->name, b->name) == 0 && a->measures == b->measures;
    for (int m = 0; same && m < a->measures; m++) same = same_measure(&a->measure[m], &b->measure[m]);
    return same;
}

/* The first run says what all are trained for. */
static ps_status note_task(ps_arms *arms, const ps_trace_header *header) {
    char title[PS_TRACE_TASK_TEXT];
    if (arms->task.measures > 0 && !same_task(&arms->task, &header->task))
        return ps_fail(PS_ERR_INPUT,
                       "%s: is a run of the task %s with measures of its own, but others here are of %s; compare runs "
                       "of one task",
                       header->path, header->task.name, arms->task.name);
    if (arms->task.measures > 0) return PS_OK;
    arms->task = header->task;
    arms->classes = ps_trace_classes(header->document);
    for (int m = 0; m < arms->task.measures; m++) {
        ps_summary_test_name(&arms->task.measure[m], arms->measure[m].name);
        snprintf(arms->measure[m].title, sizeof arms->measure[m].title, "test %s",
                 ps_trace_measure_title(&arms->task.measure[m], title));
    }
    const cJSON *data = cJSON_GetObjectItemCaseSensitive(header->document, PS_KEY(HEADER, data)),
                *names = cJSON_GetObjectItemCaseSensitive(data, PS_KEY(DATA, class_names));
    return names != NULL ? ps_json_copy(names, &arms->class_names) : PS_OK;
}

static void note_registration(ps_arms *arms, const ps_trace_header *header, ps_arm_run *run) {
    snprintf(run->registration, sizeof run->registration, "%s", header->registration.digest);
    if (arms->registered || run->registration[0] == '\0') return;
    arms->registered = true;
    arms->registration = header->registration;
}

/* What a reader wants to know of how the run was recorded. */
static ps_status note_recording(const ps_trace_header *header, ps_arm_run *run) {
    const cJSON *document = header->document, *item;
    const cJSON *rank = cJSON_GetObjectItemCaseSensitive(document, PS_KEY(HEADER, rank)),
                *ranks = cJSON_GetObjectItemCaseSensitive(document, PS_KEY(HEADER, ranks)),
                *batches = cJSON_GetObjectItemCaseSensitive(document, PS_KEY(HEADER, accumulate));
    const char *precision = text_of(document, PS_KEY(HEADER, precision));
    char text[400] = "", untold[600] = "";
    if (header->every > 1)
        snprintf(text, sizeof text, "one of %lld steps, from which path lengths are estimated", header->every);
    if (precision[0] != '\0')
        snprintf(text + strlen(text), sizeof text - strlen(text), "%sin %.100s", text[0] != '\0' ? "; " : "",
                 precision);
    if (cJSON_IsNumber(batches) && batches->valuedouble > 1)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%g batches a step", text[0] != '\0' ? "; " : "",
                 batches->valuedouble);
    if (cJSON_IsNumber(rank) && cJSON_IsNumber(ranks))
        snprintf(text + strlen(text), sizeof text - strlen(text), "%sby process %g of %g", text[0] != '\0' ? "; " : "",
                 rank->valuedouble, ranks->valuedouble);
    cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(document, PS_KEY(HEADER, quantities))) {
        const char *name = text_of(item, PS_KEY(QUANTITY, name));
        size_t used = strlen(untold);
        for (int q = 0; q < PS_Q_COUNT; q++)
            if (header->untold[q] && strcmp(name, ps_quantity_name((ps_trace_quantity)q)) == 0)
                snprintf(untold + used, sizeof untold - used, "%s%s", used > 0 ? ", " : "", name);
    }
    run->every = header->every;
    PS_TRY(ps_string_copy(untold, &run->untold));
    return ps_string_copy(text, &run->recording);
}

static ps_status read_run(ps_arms *arms, ps_arm *arm, const char *path, ps_arm_run *run) {
    ps_trace_reader *reader;
    ps_status status = PS_OK;
    int variations;
    PS_TRY(ps_trace_reader_open(path, &reader));
    const ps_trace_header *header = ps_trace_reader_header(reader);
    const cJSON *pairing = cJSON_GetObjectItemCaseSensitive(header->document, PS_KEY(HEADER, pairing));
    const cJSON *config = cJSON_GetObjectItemCaseSensitive(header->document, PS_KEY(HEADER, config));
    const cJSON *quantities = cJSON_GetObjectItemCaseSensitive(header->document, PS_KEY(HEADER, quantities));
    run->seed = header->seed;
    ps_variations(&variations);
    PS_TRY_CLEANUP(PS_ALLOC((size_t)variations, &run->varied, "summaries of a run"));
    PS_TRY_CLEANUP(ps_json_copy(cJSON_IsObject(pairing) && pairing->child != NULL ? pairing : NULL, &run->pairing));
    PS_TRY_CLEANUP(ps_json_copy(cJSON_IsObject(config) && config->child != NULL ? config : NULL, &run->config));
    PS_TRY_CLEANUP(ps_json_copy(cJSON_IsArray(quantities) ? quantities : NULL, &run->quantities));
    PS_TRY_CLEANUP(note_task(arms, header));
    note_registration(arms, header, run);
    if (run == arm->runs) note_role(arm, header);
    run->starts_zero = !header->has_module || header->arm_is.zero_init;
    PS_TRY_CLEANUP(note_recording(header, run));
    PS_TRY_CLEANUP(copy_layers(header, run));
    PS_TRY_CLEANUP(find_fork(reader, run));
    status = ps_string_copy(header->path, &run->path);
cleanup:
    ps_trace_reader_destroy(reader);
    return status;
}

/* ---- layers ---- */

void ps_arms_note_layers(ps_arm_run *entry, const ps_run *run) {
    entry->has_windows = run->window_count > 0;
    entry->has_probes = run->probe_count > 0;
    for (int l = 0; l < entry->layer_count && l < run->layer_count; l++) {
        entry->layers[l].in_windows = run->in_windows[l];
        entry->layers[l].in_probes = run->in_probes[l];
    }
}

/* A run that was cut off before its first window says nothing of what its windows would have had. */
static bool same_layer(const ps_arm_run *mine, int a, const ps_arm_run *theirs, int b) {
    const ps_arm_layer *x = &mine->layers[a], *y = &theirs->layers[b];
    bool windows = mine->has_windows && theirs->has_windows, probes = mine->has_probes && theirs->has_probes;
    return strcmp(x->name, y->name) == 0 && x->channels == y->channels &&
           (!windows || x->in_windows == y->in_windows) && (!probes || x->in_probes == y->in_probes);
}

/* Whether another run has this layer, the same in all it has; at its own place first. */
static bool has_twin(const ps_arm_run *run, int layer, const ps_arm_run *other) {
    if (layer < other->layer_count && same_layer(run, layer, other, layer)) return true;
    for (int l = 0; l < other->layer_count; l++)
        if (same_layer(run, layer, other, l)) return true;
    return false;
}

static const char *records_of(const ps_arm_layer *layer) {
    return layer->in_windows && layer->in_probes ? ""
           : layer->in_probes                    ? ", no window records"
           : layer->in_windows                   ? ", no probe records"
                                                 : ", no records";
}

/* "conv2 (64 nodes), conv5 (64 nodes, no records)": those that the other run has not; up to ten. */
static int list_layers(const ps_arm_run *run, const ps_arm_run *other, bool recorded, char *list, size_t size) {
    enum { SHOWN = 10 };
    int count = 0;
    list[0] = '\0';
    for (int l = 0; l < run->layer_count; l++) {
        size_t used = strlen(list);
        if (has_twin(run, l, other)) continue;
        if (count++ < SHOWN)
            snprintf(list + used, size - used, "%s%.60s (%d nodes%s)", used > 0 ? ", " : "", run->layers[l].name,
                     run->layers[l].channels, recorded ? records_of(&run->layers[l]) : "");
    }
    size_t used = strlen(list);
    if (count > SHOWN) snprintf(list + used, size - used, " and %d more", count - SHOWN);
    return count;
}

static const char *first_other_fact(const ps_arm_layer *a, const ps_arm_layer *b) {
    for (int i = 0; i < LAYER_FACTS; i++) {
        const cJSON *x = cJSON_GetObjectItemCaseSensitive(a->facts, fact_name(i));
        const cJSON *y = cJSON_GetObjectItemCaseSensitive(b->facts, fact_name(i));
        if (x != y && (x == NULL || y == NULL || !cJSON_Compare(x, y, true))) return fact_name(i);
    }
    return NULL;
}

bool ps_arms_same_layers(const ps_arm_run *a, const ps_arm_run *b) {
    if (a->layer_count != b->layer_count) return false;
    for (int l = 0; l < a->layer_count; l++)
        if (!same_layer(a, l, b, l) || first_other_fact(&a->layers[l], &b->layers[l]) != NULL) return false;
    return true;
}

static ps_status refuse_fact(const ps_arm *arm, const ps_arm_run *run, const ps_arm_run *other, const char *what,
                             int layer, const char *key) {
    char *mine = NULL, *theirs = NULL;
    ps_status status = ps_json_text(cJSON_GetObjectItemCaseSensitive(run->layers[layer].facts, key), &mine);
    if (status == PS_OK)
        status = ps_json_text(cJSON_GetObjectItemCaseSensitive(other->layers[layer].facts, key), &theirs);
    if (status == PS_OK)
        status = ps_fail(PS_ERR_INPUT,
                         "seed %lld of arm %s is no pair with %s: \"%s\" of layer %s is %.200s in %s and %.200s in %s; "
                         "compare runs of one network",
                         run->seed, arm->name, what, key, run->layers[layer].name, mine ? mine : "missing", run->path,
                         theirs ? theirs : "missing", other->path);
    cJSON_free(mine);
    cJSON_free(theirs);
    return status;
}

static ps_status check_layers(const ps_arm *arm, const ps_arm_run *run, const ps_arm_run *other, const char *what,
                              bool recorded) {
    char mine[1024], theirs[1024];
    if (ps_arms_same_layers(run, other)) return PS_OK;
    int own = list_layers(run, other, recorded, mine, sizeof mine);
    int foreign = list_layers(other, run, recorded, theirs, sizeof theirs);
    for (int l = 0; own == 0 && foreign == 0 && l < run->layer_count; l++) {
        const char *key = same_layer(run, l, other, l) ? first_other_fact(&run->layers[l], &other->layers[l]) : NULL;
        if (key != NULL) return refuse_fact(arm, run, other, what, l, key);
    }
    if (own == 0 && foreign == 0)
        return ps_fail(PS_ERR_INPUT,
                       "seed %lld of arm %s is no pair with %s: its layers stand in another order in %s than in %s; a "
                       "trace lists them in forward order",
                       run->seed, arm->name, what, run->path, other->path);
    return ps_fail(PS_ERR_INPUT, "seed %lld of arm %s is no pair with %s: %s; only %s has %s, only %s has %s; %s",
                   run->seed, arm->name, what, recorded ? "other layers were recorded" : "the layers differ", run->path,
                   own > 0 ? mine : "none", other->path, foreign > 0 ? theirs : "none",
                   recorded ? "record the same ones in both"
                            : "a node must have the same name in both (that of the network without modules)");
}

/* "\"depth\" of layer conv2: 5", and the other one's alone. */
static ps_status name_fact(const ps_arm_run *a, const ps_arm_run *b, int layer, const char *key, char *own, char *other,
                           size_t size) {
    char *mine = NULL, *theirs = NULL;
    ps_status status = ps_json_text(cJSON_GetObjectItemCaseSensitive(a->layers[layer].facts, key), &mine);
    if (status == PS_OK) status = ps_json_text(cJSON_GetObjectItemCaseSensitive(b->layers[layer].facts, key), &theirs);
    snprintf(own, size, "\"%s\" of layer %.60s: %.200s", key, a->layers[layer].name, mine ? mine : "missing");
    snprintf(other, size, "%.200s", theirs ? theirs : "missing");
    cJSON_free(mine);
    cJSON_free(theirs);
    return status;
}

ps_status ps_arms_name_layers(const ps_arm_run *a, const ps_arm_run *b, char *own, char *other, size_t size) {
    int mine = list_layers(a, b, false, own, size), theirs = list_layers(b, a, false, other, size);
    bool order = mine == 0 && theirs == 0;
    if (mine == 0) snprintf(own, size, order ? "the same in another order" : "none of its own");
    if (theirs == 0) snprintf(other, size, order ? "its own order" : "none of its own");
    for (int l = 0; order && l < a->layer_count; l++) {
        const char *key = same_layer(a, l, b, l) ? first_other_fact(&a->layers[l], &b->layers[l]) : NULL;
        if (key != NULL) return name_fact(a, b, l, key, own, other, size);
    }
    return PS_OK;
}

static int find_layer(const ps_arm_run *run, const char *name) {
    for (int l = 0; l < run->layer_count; l++)
        if (strcmp(run->layers[l].name, name) == 0) return l;
    return -1;
}

bool ps_arms_share_layers(const ps_arm_run *a, const ps_arm_run *b) {
    for (int l = 0; l < a->layer_count; l++)
        if (find_layer(b, a->layers[l].name) >= 0) return true;
    return false;
}

const char *ps_arms_layer_fault(const ps_arm_run *run, int layer, const ps_arm_run *other) {
    int twin = find_layer(other, run->layers[layer].name);
    if (twin < 0) return PS_ARMS_NO_NAMESAKE;
    if (run->layers[layer].channels != other->layers[twin].channels) return PS_KEY(LAYER, channels);
    return first_other_fact(&run->layers[layer], &other->layers[twin]);
}

ps_status ps_arms_check_recorded(const ps_arm *arm, const ps_arm_run *run, const ps_arm_run *other, const char *what) {
    bool windows = run->has_windows && other->has_windows, probes = run->has_probes && other->has_probes;
    for (int l = 0; l < run->layer_count; l++) {
        int twin = find_layer(other, run->layers[l].name);
        const ps_arm_layer *x = &run->layers[l], *y = twin >= 0 ? &other->layers[twin] : NULL;
        if (y == NULL) continue;
        if ((windows && x->in_windows != y->in_windows) || (probes && x->in_probes != y->in_probes))
            return check_layers(arm, run, other, what, true);
    }
    return PS_OK;
}

static int by_seed(const void *a, const void *b) {
    const ps_arm_run *x = a, *y = b;
    return (x->seed > y->seed) - (x->seed < y->seed);
}

static ps_status load_arm(ps_arms *arms, const ps_compare_arm *given, ps_arm *arm) {
    arm->name = given->name;
    if (given->run_count < 1) return ps_fail(PS_ERR_USAGE, "arm %s has no runs; give at least one", given->name);
    PS_TRY(PS_ALLOC((size_t)given->run_count, &arm->runs, "runs of an arm"));
    for (int r = 0; r < given->run_count; r++) {
        arm->run_count = r + 1;
        PS_TRY(read_run(arms, arm, given->runs[r], &arm->runs[r]));
    }
    qsort(arm->runs, (size_t)arm->run_count, sizeof *arm->runs, by_seed);
    for (int r = 1; r < arm->run_count; r++)
        if (arm->runs[r].seed == arm->runs[r - 1].seed)
            return ps_fail(PS_ERR_USAGE, "arm %s has two runs of seed %lld (%s and %s); give one run per seed",
                           arm->name, arm->runs[r].seed, arm->runs[r - 1].path, arm->runs[r].path);
    for (int r = 1; r < arm->run_count; r++)
        PS_TRY(check_layers(arm, &arm->runs[r], &arm->runs[0], "the other runs of the arm", false));
    return PS_OK;
}

static ps_status check_names(const ps_compare_arm *given, int count) {
    if (count < 1) return ps_fail(PS_ERR_USAGE, "there is no arm to compare; give at least one");
    for (int a = 0; a < count; a++)
        if (ps_text_find_foreign(given[a].name) != NULL)
            return ps_fail(PS_ERR_USAGE, "the name of arm %d (\"%s\") is no UTF-8; give it another", a + 1,
                           given[a].name);
    for (int a = 0; a < count; a++)
        for (int b = 0; b < a; b++)
            if (strcmp(given[a].name, given[b].name) == 0)
                return ps_fail(PS_ERR_USAGE, "two arms are named %s; give each its own name", given[a].name);
    return PS_OK;
}

static const char *stopped(const ps_arm_run *run, ps_moment moment) {
    if (run != NULL && run->status == PS_RUN_NONFINITE && moment != PS_AT_LAST_LOSS)
        return "was not finite at its last probing in arm";
    if (run == NULL || run->status != PS_RUN_UNFINISHED) return NULL;
    return run->has_end ? "has fewer steps than planned in arm" : "has no end in arm";
}

/* Each is as long as it was to be, and the headers say that they are not to be equal. */
static bool declares_steps(const ps_arm_run *a, const ps_arm_run *b) {
    const cJSON *own = cJSON_GetObjectItemCaseSensitive(a->pairing, "steps"),
                *other = cJSON_GetObjectItemCaseSensitive(b->pairing, "steps");
    return own != NULL && other != NULL && !cJSON_Compare(own, other, true);
}

const char *ps_arms_unequal(const ps_arm *arm, const ps_arm_run *run, const ps_arm *against, const ps_arm_run *partner,
                            ps_moment moment, const char **detail) {
    *detail = arm->name;
    if (moment == PS_AT_START) return NULL;
    if (stopped(run, moment) != NULL) return stopped(run, moment);
    if (partner == NULL) return NULL;
    *detail = against->name;
    if (stopped(partner, moment) != NULL) return stopped(partner, moment);
    if (run->status == PS_RUN_DIVERGED || partner->status == PS_RUN_DIVERGED) return NULL;
    *detail = run->steps < partner->steps ? arm->name : against->name;
    bool shorter = run->steps > 0 && partner->steps > 0 && run->steps != partner->steps;
    if (shorter && declares_steps(run, partner))
        return moment == PS_OVER_TIME ? "is planned with fewer steps than its partner in arm" : NULL;
    if (shorter) return "has fewer steps than its partner in arm";
    *detail = arm->name;
    bool probed = run->summary.probe_digest == partner->summary.probe_digest;
    return moment == PS_OVER_TIME && !probed ? "was probed at other steps than its partner in arm" : NULL;
}

ps_status ps_arms_load(const ps_compare_arm *given, int count, ps_arms *arms) {
    int reference = 0;
    memset(arms, 0, sizeof *arms);
    PS_TRY(check_names(given, count));
    for (int a = 0; a < count; a++)
        if (strcmp(given[a].name, "baseline") == 0) reference = a;
    PS_TRY(ps_string_copy("", &arms->unpaired));
    PS_TRY(PS_ALLOC((size_t)count, &arms->arms, "arms"));
    arms->count = count;
    for (int a = 0; a < count; a++) {
        int from = a == 0 ? reference : a <= reference ? a - 1 : a;
        arms->arms[a].index = a;
        PS_TRY(load_arm(arms, &given[from], &arms->arms[a]));
    }
    return PS_OK;
}

void ps_arms_clear(ps_arms *arms) {
    for (int a = 0; arms->arms != NULL && a < arms->count; a++) {
        for (int r = 0; r < arms->arms[a].run_count; r++) {
            ps_arm_run *run = &arms->arms[a].runs[r];
            free(run->path);
            free(run->fork);
            free(run->recording);
            free(run->untold);
            for (int l = 0; l < run->layer_count; l++) {
                free(run->layers[l].name);
                free(run->layers[l].activation);
                cJSON_Delete(run->layers[l].facts);
            }
            ps_free(run->layers);
            cJSON_Delete(run->pairing);
            cJSON_Delete(run->config);
            cJSON_Delete(run->quantities);
            ps_summary_clear(&run->summary);
            int variations;
            ps_variations(&variations);
            for (int v = 0; run->varied != NULL && v < variations; v++) ps_summary_clear(&run->varied[v]);
            ps_free(run->varied);
        }
        ps_free(arms->arms[a].runs);
    }
    ps_free(arms->arms);
    cJSON_Delete(arms->class_names);
    free(arms->unpaired);
    memset(arms, 0, sizeof *arms);
}

const ps_arm_run *ps_arm_find_seed(const ps_arm *arm, long long seed) {
    for (int r = 0; r < arm->run_count; r++)
        if (arm->runs[r].seed == seed) return &arm->runs[r];
    return NULL;
}
