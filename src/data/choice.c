#include "data/choice.h"

#include <stdlib.h>
#include <string.h>

#include "core/json.h"
#include "core/memory.h"

/* ---- folds ---- */

/* MT19937 (Matsumoto and Nishimura 1998), started as its authors do. */
enum { TWISTER_WORDS = 624, TWISTER_MIDDLE = 397, KFOLD_SEED = 12345 };

typedef struct {
    uint32_t word[TWISTER_WORDS];
    int next;
} twister;

static void twister_start(twister *t, uint32_t seed) {
    for (uint32_t i = 0; i < TWISTER_WORDS; i++) {
        t->word[i] = seed;
        seed = 1812433253u * (seed ^ seed >> 30) + i + 1;
    }
    t->next = TWISTER_WORDS;
}

static void twister_turn(twister *t) {
    for (int i = 0; i < TWISTER_WORDS; i++) {
        uint32_t y = (t->word[i] & 0x80000000u) | (t->word[(i + 1) % TWISTER_WORDS] & 0x7fffffffu);
        t->word[i] = t->word[(i + TWISTER_MIDDLE) % TWISTER_WORDS] ^ y >> 1 ^ (y & 1 ? 0x9908b0dfu : 0);
    }
    t->next = 0;
}

static uint32_t twister_draw(twister *t) {
    if (t->next == TWISTER_WORDS) twister_turn(t);
    uint32_t y = t->word[t->next++];
    y ^= y >> 11;
    y ^= y << 7 & 0x9d2c5680u;
    y ^= y << 15 & 0xefc60000u;
    return y ^ y >> 18;
}

/* Evenly from 0 to most: bits that suffice are drawn until they are not too many. */
static uint32_t twister_below(twister *t, uint32_t most) {
    uint32_t mask = most, value;
    for (int shift = 1; shift < 32; shift *= 2) mask |= mask >> shift;
    do value = twister_draw(t) & mask;
    while (value > most);
    return value;
}

void ps_choice_fold(int count, int folds, int fold, uint32_t *order, bool *in) {
    twister t;
    int first = 0;
    twister_start(&t, KFOLD_SEED);
    for (int i = 0; i < count; i++) {
        order[i] = (uint32_t)i;
        in[i] = false;
    }
    for (int i = count - 1; i > 0; i--) {
        uint32_t other = twister_below(&t, (uint32_t)i), held = order[i];
        order[i] = order[other];
        order[other] = held;
    }
    for (int k = 0; k <= fold; k++) {
        int size = count / folds + (k < count % folds);
        for (int i = first; k == fold && i < first + size; i++) in[order[i]] = true;
        first += size;
    }
}

/* ---- cases in the order of their names ---- */

typedef struct {
    const char *name; /* NULL: none has one */
    int index;
} named_case;

static int compare_cases(const void *a_, const void *b_) {
    const named_case *a = a_, *b = b_;
    int order = a->name != NULL && b->name != NULL ? strcmp(a->name, b->name) : 0;
    return order != 0 ? order : (a->index > b->index) - (a->index < b->index);
}

/* The training part; [count]. */
static ps_status sort_cases(const ps_source *source, named_case **out) {
    int count = source->count[PS_SOURCE_TRAIN];
    bool named = source->functions->name != NULL;
    PS_TRY(PS_ALLOC((size_t)count, out, "names of cases"));
    for (int i = 0; i < count; i++)
        (*out)[i] = (named_case){named ? source->functions->name(source, PS_SOURCE_TRAIN, i) : NULL, i};
    for (int i = 0; i < count; i++) named = named && (*out)[i].name != NULL;
    for (int i = 0; i < count && !named; i++) (*out)[i].name = NULL;
    if (count > 0) qsort(*out, (size_t)count, sizeof **out, compare_cases);
    return PS_OK;
}

/* ---- published lists ---- */

enum { IN_NONE, IN_TRAIN, IN_TEST };

static ps_status find_case(const ps_dataset_options *o, const named_case *cases, int count, const char *wanted,
                           int *at) {
    const named_case key = {wanted, -1};
    int low = 0, high = count;
    while (low < high) {
        int middle = low + (high - low) / 2;
        if (compare_cases(&cases[middle], &key) < 0) low = middle + 1;
        else high = middle;
    }
    *at = low;
    if (low < count && strcmp(cases[low].name, wanted) == 0) return PS_OK;
    return ps_fail(PS_ERR_INPUT,
                   "%s: lists \"%s\", and the data have no such case (the first is \"%s\"); use the list that belongs "
                   "to them",
                   o->split_file, wanted, cases[0].name);
}

static ps_status mark_list(const ps_dataset_options *o, const cJSON *list, const named_case *cases, int count, int in,
                           int *where) {
    const cJSON *item;
    int at;
    if (!cJSON_IsArray(list))
        return ps_fail(PS_ERR_INPUT,
                       "%s: fold %d has no list \"%s\" of names; expected [{\"train\": [..], \"val\": [..]}, ..]",
                       o->split_file, o->fold, in == IN_TRAIN ? "train" : "val");
    cJSON_ArrayForEach(item, list) {
        if (!cJSON_IsString(item))
            return ps_fail(PS_ERR_INPUT, "%s: a list of fold %d holds something that is no name; expected [\"a\", ..]",
                           o->split_file, o->fold);
        PS_TRY(find_case(o, cases, count, item->valuestring, &at));
        if (where[at] != IN_NONE && where[at] != in)
            return ps_fail(PS_ERR_INPUT,
                           "%s: fold %d trains on \"%s\" and holds it out, too; take it from one of the lists",
                           o->split_file, o->fold, cases[at].name);
        if (where[at] == in)
            return ps_fail(PS_ERR_INPUT, "%s: a list of fold %d names \"%s\" twice; keep one", o->split_file, o->fold,
                           cases[at].name);
        where[at] = in;
    }
    return PS_OK;
}

static ps_status mark_fold(const ps_dataset_options *o, const cJSON *document, const named_case *cases, int count,
                           int *where) {
    int folds = cJSON_IsArray(document) ? cJSON_GetArraySize(document) : 1;
    const cJSON *fold = cJSON_IsArray(document) ? cJSON_GetArrayItem(document, o->fold) : document;
    if (folds == 0)
        return ps_fail(PS_ERR_INPUT, "%s: holds no folds; expected [{\"train\": [..], \"val\": [..]}, ..]",
                       o->split_file);
    if (o->fold >= folds)
        return ps_fail(PS_ERR_USAGE, "%s: holds %d folds, 0 to %d, and no fold %d", o->split_file, folds, folds - 1,
                       o->fold);
    const cJSON *held = cJSON_GetObjectItemCaseSensitive(fold, "val");
    if (held == NULL) held = cJSON_GetObjectItemCaseSensitive(fold, "test");
    PS_TRY(mark_list(o, cJSON_GetObjectItemCaseSensitive(fold, "train"), cases, count, IN_TRAIN, where));
    return mark_list(o, held, cases, count, IN_TEST, where);
}

static ps_status mark_listed(const char *name, const ps_dataset_options *o, const named_case *cases, int count,
                             int *where) {
    cJSON *document;
    if (count == 0 || cases[0].name == NULL)
        return ps_fail(PS_ERR_USAGE,
                       "%s: its samples have no names, so that no list of names can choose of them; "
                       "leave --split-file out",
                       name);
    PS_TRY(ps_json_read(o->split_file, &document));
    ps_status status = mark_fold(o, document, cases, count, where);
    cJSON_Delete(document);
    return status;
}

static ps_status mark_computed(const char *name, const ps_dataset_options *o, int count, int *where) {
    uint32_t *order = NULL;
    bool *in = NULL;
    ps_status status = PS_OK;
    if (o->folds < 2 || o->fold >= o->folds)
        return ps_fail(PS_ERR_USAGE, "fold %d of %d makes no sense; folds are 2 or more, and counted from 0", o->fold,
                       o->folds);
    if (count < o->folds)
        return ps_fail(PS_ERR_USAGE, "%s: %d training samples cannot be cut into %d folds; ask for fewer", name, count,
                       o->folds);
    PS_TRY_CLEANUP(PS_ALLOC((size_t)count, &order, "folds"));
    PS_TRY_CLEANUP(PS_ALLOC((size_t)count, &in, "folds"));
    ps_choice_fold(count, o->folds, o->fold, order, in);
    for (int i = 0; i < count; i++) where[i] = in[i] ? IN_TEST : IN_TRAIN;
cleanup:
    ps_free(order);
    ps_free(in);
    return status;
}

/* ---- the choice ---- */

/* What there is to train on and to test on, before limits and the probe set. */
typedef struct {
    ps_source_place *train, *test; /* rooms of all samples */
    int train_count, test_count;
} stock;

static ps_status stock_fold(const char *name, const ps_source *source, const ps_dataset_options *o, stock *all) {
    int count = source->count[PS_SOURCE_TRAIN], *where = NULL;
    named_case *cases = NULL;
    ps_status status = PS_OK;
    PS_TRY_CLEANUP(sort_cases(source, &cases));
    PS_TRY_CLEANUP(PS_ALLOC((size_t)count, &where, "folds"));
    if (o->split_file != NULL) PS_TRY_CLEANUP(mark_listed(name, o, cases, count, where));
    else PS_TRY_CLEANUP(mark_computed(name, o, count, where));
    for (int i = 0; i < count; i++) {
        ps_source_place place = {PS_SOURCE_TRAIN, cases[i].index};
        if (where[i] == IN_TRAIN) all->train[all->train_count++] = place;
        else if (where[i] == IN_TEST) all->test[all->test_count++] = place;
    }
cleanup:
    ps_free(cases);
    ps_free(where);
    return status;
}

static void stock_parts(const ps_source *source, stock *all) {
    all->train_count = source->count[PS_SOURCE_TRAIN];
    all->test_count = source->count[PS_SOURCE_TEST];
    for (int i = 0; i < all->train_count; i++) all->train[i] = (ps_source_place){PS_SOURCE_TRAIN, i};
    for (int i = 0; i < all->test_count; i++) all->test[i] = (ps_source_place){PS_SOURCE_TEST, i};
}

/* The first `limit` training samples and the last `probe` ones of them. */
static ps_status limit(const char *name, const stock *all, const ps_dataset_options *o, int count[PS_SPLITS]) {
    int stored = all->train_count, probe = o->probe_count, left = stored - probe;
    if (probe >= stored)
        return ps_fail(PS_ERR_USAGE,
                       "%s: a probe of %d images leaves none of its %d for training; give a smaller --probe", name,
                       probe, stored);
    if (o->train_limit > left)
        return ps_fail(
            PS_ERR_USAGE,
            "%s: %d training images wanted, but there are %d (%d less a probe of %d); ask for fewer, or give a "
            "smaller --probe",
            name, o->train_limit, left, stored, probe);
    if (o->test_limit > all->test_count)
        return ps_fail(PS_ERR_USAGE, "%s: %d test images wanted, but there are %d; ask for fewer", name, o->test_limit,
                       all->test_count);
    count[PS_SPLIT_TRAIN] = o->train_limit > 0 ? o->train_limit : left;
    count[PS_SPLIT_PROBE] = probe;
    count[PS_SPLIT_TEST] = o->test_limit > 0 ? o->test_limit : all->test_count;
    return PS_OK;
}

/* Moves every n / probe-th of n samples behind all others; both keep their order. */
static ps_status spread_probe(ps_source_place *place, int n, int probe) {
    ps_source_place *apart = NULL;
    int kept = 0, moved = 0;
    PS_TRY(PS_ALLOC((size_t)probe, &apart, "data set"));
    for (int i = 0; i < n; i++) {
        bool of_probe = moved < probe && i == (int)((2 * (int64_t)moved + 1) * n / (2 * (int64_t)probe));
        if (of_probe) apart[moved++] = place[i];
        else place[kept++] = place[i];
    }
    if (moved > 0) memcpy(place + kept, apart, (size_t)moved * sizeof *place);
    ps_free(apart);
    return PS_OK;
}

static void gather(const stock *all, ps_choice *out) {
    const int *count = out->count;
    const ps_source_place *from[PS_SPLITS] = {all->train, all->train + all->train_count - count[PS_SPLIT_PROBE],
                                              all->test};
    ps_source_place *to = out->place;
    for (int split = 0; split < PS_SPLITS; split++) {
        if (count[split] > 0) memcpy(to, from[split], (size_t)count[split] * sizeof *to);
        to += count[split];
    }
}

/* Folds are cut before: they are the same whatever can be read. */
static int leave_out(ps_source_place *place, int count, bool *const bad[PS_SOURCE_PARTS]) {
    int kept = 0;
    for (int i = 0; i < count; i++)
        if (bad == NULL || bad[place[i].part] == NULL || !bad[place[i].part][place[i].index]) place[kept++] = place[i];
    return kept;
}

bool ps_choice_has_fold(const ps_dataset_options *options) { return options->folds > 0 || options->split_file != NULL; }

ps_status ps_choice_make(const char *name, const ps_source *source, const ps_dataset_options *options,
                         bool *const bad[PS_SOURCE_PARTS], ps_choice *out) {
    size_t most = (size_t)source->count[PS_SOURCE_TRAIN] + (size_t)source->count[PS_SOURCE_TEST];
    stock all = {NULL, NULL, 0, 0};
    ps_status status = PS_OK;
    *out = (ps_choice){NULL, {0, 0, 0}};
    PS_TRY_CLEANUP(PS_ALLOC(most, &all.train, "data set"));
    PS_TRY_CLEANUP(PS_ALLOC(most, &all.test, "data set"));
    PS_TRY_CLEANUP(PS_ALLOC(most, &out->place, "data set"));
    if (ps_choice_has_fold(options)) PS_TRY_CLEANUP(stock_fold(name, source, options, &all));
    else stock_parts(source, &all);
    all.train_count = leave_out(all.train, all.train_count, bad);
    all.test_count = leave_out(all.test, all.test_count, bad);
    PS_TRY_CLEANUP(limit(name, &all, options, out->count));
    if (source->in_groups) PS_TRY_CLEANUP(spread_probe(all.train, all.train_count, out->count[PS_SPLIT_PROBE]));
    gather(&all, out);
cleanup:
    ps_free(all.train);
    ps_free(all.test);
    if (status != PS_OK) ps_choice_clear(out);
    return status;
}

static int compare_indices(const void *a_, const void *b_) {
    const int *a = a_, *b = b_;
    return (*a > *b) - (*a < *b);
}

ps_status ps_choice_training(const char *name, const ps_source *source, const ps_dataset_options *options, int **index,
                             int *count) {
    ps_dataset_options fold = {.fold = options->fold, .folds = options->folds, .split_file = options->split_file};
    ps_choice choice;
    *index = NULL;
    *count = 0;
    PS_TRY(ps_choice_make(name, source, &fold, NULL, &choice));
    int training = choice.count[PS_SPLIT_TRAIN];
    ps_status status = PS_ALLOC((size_t)training, index, "folds");
    for (int i = 0; status == PS_OK && i < training; i++) (*index)[i] = choice.place[i].index;
    if (status == PS_OK && training > 0) qsort(*index, (size_t)training, sizeof **index, compare_indices);
    if (status == PS_OK) *count = training;
    ps_choice_clear(&choice);
    return status;
}

void ps_choice_clear(ps_choice *choice) {
    ps_free(choice->place);
    memset(choice, 0, sizeof *choice);
}
