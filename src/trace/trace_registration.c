#include "trace/trace_registration.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/digest.h"
#include "core/json.h"
#include "core/memory.h"
#include "trace/trace_schema.h"

#define Q(key) PS_KEY(QUESTION, key)
#define R(key) PS_KEY(REGISTRATION, key)

static const char *const direction_words[] = {
#define DIRECTION(name, word) word,
    PS_DIRECTIONS(DIRECTION)
#undef DIRECTION
};

const char *ps_direction_word(ps_direction direction) { return direction_words[direction]; }

bool ps_direction_is_up(ps_direction direction) {
    return direction == PS_DIRECTION_HIGHER || direction == PS_DIRECTION_NOT_LOWER;
}

bool ps_direction_is_within(ps_direction direction) {
    return direction == PS_DIRECTION_NOT_HIGHER || direction == PS_DIRECTION_NOT_LOWER;
}

/* ---- reading ---- */

static ps_status get_name(const cJSON *object, const char *key, bool required, const char *where, char *out) {
    const char *text = "";
    PS_TRY(ps_json_get_text(object, key, required, where, &text));
    if (strlen(text) >= PS_REGISTRATION_NAME || (required && text[0] == '\0'))
        return ps_fail(PS_ERR_INPUT, "%s: \"%s\" must be a name of 1 to %d bytes", where, key,
                       PS_REGISTRATION_NAME - 1);
    snprintf(out, PS_REGISTRATION_NAME, "%s", text);
    return PS_OK;
}

static ps_status get_direction(const cJSON *object, const char *where, ps_direction *direction) {
    const char *word = NULL;
    PS_TRY(ps_json_get_text(object, Q(direction), true, where, &word));
    for (int c = 0; c < PS_DIRECTION_COUNT; c++)
        if (strcmp(word, direction_words[c]) == 0) {
            *direction = (ps_direction)c;
            return PS_OK;
        }
    return ps_fail(PS_ERR_INPUT,
                   "%s: \"direction\" is \"%.60s\"; it must be higher, lower, not higher or not lower (what the arm is "
                   "expected to be against the other one)",
                   where, word);
}

static ps_status read_contrast(const cJSON *object, const char *where, ps_question *q) {
    PS_TRY(get_name(object, Q(measure), true, where, q->measure));
    PS_TRY(get_name(object, Q(arm), true, where, q->arm));
    PS_TRY(get_name(object, Q(against), true, where, q->against));
    PS_TRY(get_direction(object, where, &q->direction));
    PS_TRY(ps_json_get_double(object, Q(margin), true, 0, 1e30, where, &q->margin));
    bool equal = ps_direction_is_within(q->direction);
    if (equal && q->margin == 0)
        return ps_fail(PS_ERR_INPUT, "%s: \"%s\" needs a \"margin\" above 0: the smallest difference that would matter",
                       where, direction_words[q->direction]);
    if (strcmp(q->arm, q->against) == 0)
        return ps_fail(PS_ERR_INPUT, "%s: \"arm\" and \"against\" are both \"%s\"; name two arms", where, q->arm);
    return PS_OK;
}

static ps_status read_question(const cJSON *item, const char *where, ps_question *q) {
    const char *const of_prediction[] = {Q(prediction), Q(arm), Q(effect), Q(sd), NULL};
    const char *const of_contrast[] = {Q(measure), Q(arm), Q(against), Q(direction), Q(margin), Q(effect), Q(sd), NULL};
    *q = (ps_question){.effect = NAN, .sd = NAN};
    if (cJSON_IsString(item) && strlen(item->valuestring) < PS_REGISTRATION_NAME && item->valuestring[0] != '\0') {
        snprintf(q->prediction, sizeof q->prediction, "%s", item->valuestring);
        return PS_OK;
    }
    if (!cJSON_IsObject(item))
        return ps_fail(PS_ERR_INPUT,
                       "%s: must be the id of a prediction (\"P2\"), or an object with \"prediction\", or one with "
                       "\"measure\", \"arm\", \"against\", \"direction\" and \"margin\"",
                       where);
    bool listed = cJSON_GetObjectItemCaseSensitive(item, Q(prediction)) != NULL;
    PS_TRY(ps_json_check_keys(item, listed ? of_prediction : of_contrast, where));
    if (listed) {
        PS_TRY(get_name(item, Q(prediction), true, where, q->prediction));
        PS_TRY(get_name(item, Q(arm), false, where, q->arm));
    } else PS_TRY(read_contrast(item, where, q));
    PS_TRY(ps_json_get_double(item, Q(effect), false, -1e30, 1e30, where, &q->effect));
    PS_TRY(ps_json_get_double(item, Q(sd), false, 0, 1e30, where, &q->sd));
    if (q->sd == 0) return ps_fail(PS_ERR_INPUT, "%s: \"sd\" must be above 0", where);
    return PS_OK;
}

static ps_status read_secondary(const cJSON *document, const char *where, ps_registration *out) {
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(document, R(secondary)), *item;
    char at[512];
    if (list == NULL) return PS_OK;
    if (!cJSON_IsArray(list)) return ps_fail(PS_ERR_INPUT, "%s: \"secondary\" must be an array of questions", where);
    cJSON_ArrayForEach(item, list) {
        if (out->secondaries == PS_REGISTRATION_MOST_SECONDARY)
            return ps_fail(PS_ERR_INPUT, "%s: more than %d questions in \"secondary\"", where,
                           PS_REGISTRATION_MOST_SECONDARY);
        snprintf(at, sizeof at, "%.400s: secondary[%d]", where, out->secondaries);
        PS_TRY(read_question(item, at, &out->secondary[out->secondaries]));
        out->secondaries++;
    }
    return PS_OK;
}

static bool asks_the_same(const ps_question *a, const ps_question *b) {
    return strcmp(a->prediction, b->prediction) == 0 && strcmp(a->measure, b->measure) == 0 &&
           strcmp(a->arm, b->arm) == 0 && strcmp(a->against, b->against) == 0 && a->direction == b->direction &&
           !(a->margin < b->margin) && !(a->margin > b->margin);
}

static ps_status check_repeated(const char *where, const ps_registration *r) {
    char title[PS_QUESTION_TITLE];
    for (int i = 0; i < r->secondaries; i++)
        for (int k = -1; k < i; k++)
            if (asks_the_same(k < 0 ? &r->primary : &r->secondary[k], &r->secondary[i]))
                return ps_fail(PS_ERR_INPUT, "%s: \"%s\" is asked twice; name each question once", where,
                               ps_question_title(&r->secondary[i], title));
    return PS_OK;
}

static ps_status read_seeds(const cJSON *document, const char *where, ps_registration *out) {
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(document, R(seeds)), *item;
    if (!cJSON_IsArray(list) || list->child == NULL)
        return ps_fail(PS_ERR_INPUT, "%s: needs \"seeds\": [1, 2, 3, 4, 5], the seeds that the question is judged by",
                       where);
    cJSON_ArrayForEach(item, list) {
        if (!cJSON_IsNumber(item) || item->valuedouble < 0 || item->valuedouble > 9007199254740992.0 ||
            item->valuedouble != floor(item->valuedouble))
            return ps_fail(PS_ERR_INPUT, "%s: \"seeds\" must be whole numbers from 0", where);
        if (out->seeds == PS_REGISTRATION_MOST_SEEDS)
            return ps_fail(PS_ERR_INPUT, "%s: more than %d seeds", where, PS_REGISTRATION_MOST_SEEDS);
        for (int s = 0; s < out->seeds; s++)
            if (out->seed[s] == (long long)item->valuedouble)
                return ps_fail(PS_ERR_INPUT, "%s: seed %lld stands twice in \"seeds\"", where, out->seed[s]);
        out->seed[out->seeds++] = (long long)item->valuedouble;
    }
    return PS_OK;
}

/* ---- writing ---- */

static void print_number(FILE *stream, const char *key, double value) {
    if (isnan(value)) return;
    fprintf(stream, ",\"%s\":", key);
    ps_json_print_double(stream, value);
}

static void print_text(FILE *stream, const char *key, const char *text) {
    fprintf(stream, "\"%s\":", key);
    ps_json_print_text(stream, text);
}

static void print_question(FILE *stream, const ps_question *q) {
    bool listed = q->prediction[0] != '\0';
    putc('{', stream);
    print_text(stream, listed ? Q(prediction) : Q(measure), listed ? q->prediction : q->measure);
    if (q->arm[0] != '\0') {
        putc(',', stream);
        print_text(stream, Q(arm), q->arm);
    }
    if (!listed) {
        putc(',', stream);
        print_text(stream, Q(against), q->against);
        putc(',', stream);
        print_text(stream, Q(direction), direction_words[q->direction]);
        print_number(stream, Q(margin), q->margin);
    }
    print_number(stream, Q(effect), q->effect);
    print_number(stream, Q(sd), q->sd);
    putc('}', stream);
}

static void print_members(FILE *stream, const ps_registration *r) {
    fprintf(stream, "\"%s\":", R(primary));
    print_question(stream, &r->primary);
    fprintf(stream, ",\"%s\":[", R(secondary));
    for (int i = 0; i < r->secondaries; i++) {
        if (i > 0) putc(',', stream);
        print_question(stream, &r->secondary[i]);
    }
    fprintf(stream, "],\"%s\":[", R(seeds));
    for (int s = 0; s < r->seeds; s++) fprintf(stream, "%s%lld", s > 0 ? "," : "", r->seed[s]);
    fprintf(stream, "],\"%s\":%s", R(sequential), r->sequential ? "true" : "false");
    print_number(stream, R(collapse_below), r->collapse_below);
}

/* digest: "" for the text that the digest is of. */
static ps_status print(const ps_registration *r, const char *digest, char **text) {
    size_t size;
    FILE *stream = open_memstream(text, &size);
    if (stream == NULL) return ps_fail(PS_ERR_MEMORY, "no memory for the registration");
    putc('{', stream);
    print_members(stream, r);
    if (digest[0] != '\0') fprintf(stream, ",\"%s\":\"%s\"", R(digest), digest);
    putc('}', stream);
    bool whole = !ferror(stream);
    if (fclose(stream) == 0 && whole) return PS_OK;
    free(*text);
    *text = NULL;
    return ps_fail(PS_ERR_MEMORY, "no memory for the registration");
}

static ps_status set_digest(ps_registration *r) {
    char *text;
    PS_TRY(print(r, "", &text));
    ps_digest digest = ps_digest_start();
    ps_digest_text(&digest, text);
    ps_digest_hex(&digest, r->digest);
    free(text);
    return PS_OK;
}

ps_status ps_registration_text(const ps_registration *registration, char **text) {
    return print(registration, registration->digest, text);
}

/* ---- whole ---- */

ps_status ps_registration_parse(const cJSON *document, const char *where, ps_registration *out) {
    const char *const keys[] = {R(primary), R(secondary), R(seeds), R(sequential), R(collapse_below), R(digest), NULL};
    const cJSON *primary = cJSON_GetObjectItemCaseSensitive(document, R(primary));
    char at[512];
    memset(out, 0, sizeof *out);
    out->collapse_below = NAN;
    if (!cJSON_IsObject(document)) return ps_fail(PS_ERR_INPUT, "%s: must be an object", where);
    PS_TRY(ps_json_check_keys(document, keys, where));
    if (primary == NULL)
        return ps_fail(PS_ERR_INPUT, "%s: needs \"primary\", the question that is judged first (\"P2\")", where);
    snprintf(at, sizeof at, "%.400s: primary", where);
    PS_TRY(read_question(primary, at, &out->primary));
    PS_TRY(read_secondary(document, where, out));
    PS_TRY(check_repeated(where, out));
    PS_TRY(read_seeds(document, where, out));
    PS_TRY(ps_json_get_bool(document, R(sequential), false, where, &out->sequential));
    PS_TRY(ps_json_get_double(document, R(collapse_below), false, -1e30, 1e30, where, &out->collapse_below));
    return set_digest(out);
}

bool ps_registration_read(const cJSON *header, ps_registration *out, const char **fault) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(header, PS_KEY(HEADER, registration));
    const char *digest = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(item, R(digest)));
    *fault = NULL;
    if (item == NULL) return false;
    if (ps_registration_parse(item, PS_KEY(HEADER, registration), out) != PS_OK) *fault = ps_status_message();
    else if (digest == NULL || strcmp(digest, out->digest) != 0)
        *fault =
            "\"registration\": its \"digest\" is not that of its questions and seeds, so that they were changed "
            "after they were written; put back what stood there, or take \"registration\" out (the run is then judged "
            "by "
            "none)";
    return *fault == NULL;
}

bool ps_registration_has_seed(const ps_registration *registration, long long seed) {
    for (int s = 0; s < registration->seeds; s++)
        if (registration->seed[s] == seed) return true;
    return false;
}

const char *ps_question_title(const ps_question *q, char title[PS_QUESTION_TITLE]) {
    bool equal = ps_direction_is_within(q->direction);
    if (q->prediction[0] != '\0') snprintf(title, PS_QUESTION_TITLE, "%s", q->prediction);
    else
        snprintf(title, PS_QUESTION_TITLE, "%s of %s is %s than of %s by %s%g", q->measure, q->arm,
                 direction_words[q->direction], q->against, equal ? "" : "more than ", q->margin);
    return title;
}
