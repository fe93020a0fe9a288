#include "reports/pictures.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/file_set.h"
#include "core/json.h"
#include "core/memory.h"

enum { MOST_BYTES = 4 << 20 /* of a picture: a page is to be opened on a phone */ };

/* ---- which runs ---- */

/* The folder of pictures beside the trace in a row of runs.tsv. NULL: the table does not tell. */
static ps_status folder_of(const ps_report_content *content, int row, char **folder) {
    const char *trace = ps_table_text(&content->runs, row, ps_table_column(&content->runs, "trace")),
               *from = ps_report_meta(content, "traces_from"), *slash = strrchr(trace, '/');
    char *beside = NULL, *start = NULL;
    ps_status status = PS_OK;
    *folder = NULL;
    if (ps_table_missing(&content->runs, row, ps_table_column(&content->runs, "trace"))) return PS_OK;
    PS_TRY(ps_string_format(&beside, "%.*s", slash != NULL ? (int)(slash - trace) : 1, slash != NULL ? trace : "."));
    if (trace[0] == '/') PS_TRY_CLEANUP(ps_string_copy(beside, &start));
    else {
        PS_TRY_CLEANUP(ps_string_format(&start, "%s/%s/%s", content->directory, from[0] != '\0' ? from : ".", beside));
    }
    status = ps_file_join(start, "pictures", folder);
cleanup:
    free(beside);
    free(start);
    return status;
}

static bool is_list(const cJSON *document) {
    double version = ps_report_number(document, "version");
    return strcmp(ps_report_text(document, "format"), "poolscope-pictures") == 0 && version == 1 &&
           cJSON_IsArray(cJSON_GetObjectItemCaseSensitive(document, "samples"));
}

/* NULL where there are none that belong together. */
static ps_status read_list(const char *folder, cJSON **document) {
    char *path;
    bool known = false;
    *document = NULL;
    PS_TRY(ps_file_join(folder, "pictures.json", &path));
    ps_status status = ps_file_set_check(folder, "pictures", "train the run again", &known);
    bool whole = status == PS_OK && known && ps_file_exists(path);
    if (whole) status = ps_json_read(path, document);
    free(path);
    if (status == PS_OK && *document != NULL && !is_list(*document)) {
        cJSON_Delete(*document);
        *document = NULL;
    }
    return status == PS_ERR_INPUT || status == PS_ERR_IO ? PS_OK : status;
}

static ps_status try_run(const ps_report_content *content, int row, char **folder, cJSON **document) {
    *document = NULL;
    PS_TRY(folder_of(content, row, folder));
    if (*folder == NULL) return PS_OK;
    ps_status status = read_list(*folder, document);
    if (status == PS_OK && *document != NULL) return PS_OK;
    free(*folder);
    *folder = NULL;
    return status;
}

/* The arm's run with this seed (NULL: any), the first that has pictures. *row -1: none. */
static ps_status find_run(const ps_report_content *content, const char *arm, const char *seed, int *row, char **folder,
                          cJSON **document) {
    const ps_table *runs = &content->runs;
    int arms = ps_table_column(runs, "arm"), seeds = ps_table_column(runs, "seed");
    for (*row = ps_table_find(runs, 0, arms, arm); *row >= 0; *row = ps_table_find(runs, *row + 1, arms, arm)) {
        if (seed != NULL && strcmp(ps_table_text(runs, *row, seeds), seed) != 0) continue;
        PS_TRY(try_run(content, *row, folder, document));
        if (*document != NULL) return PS_OK;
    }
    return PS_OK;
}

/* ---- which samples ---- */

static const cJSON *sample_of(const cJSON *document, int sample) {
    return cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(document, "samples"), sample);
}

static bool same_sample(const cJSON *a, const cJSON *b) {
    return a != NULL && b != NULL && ps_report_number(a, "index") == ps_report_number(b, "index") &&
           strcmp(ps_report_text(a, "name"), ps_report_text(b, "name")) == 0;
}

static bool *place_of(const ps_report_pictures *p, int sample, int arm) {
    return &p->there[(size_t)sample * (size_t)p->arms + (size_t)arm];
}

/* ---- copies ---- */

static bool is_png(const char *content, size_t size) {
    static const char signature[8] = {(char)0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
    return size > 33 && size <= MOST_BYTES && memcmp(content, signature, sizeof signature) == 0;
}

const char *ps_report_picture_name(int sample, int arm, char name[PS_REPORT_PICTURE_NAME]) {
    if (arm >= 0) snprintf(name, PS_REPORT_PICTURE_NAME, "sample-%d-arm-%d.png", sample + 1, arm + 1);
    else
        snprintf(name, PS_REPORT_PICTURE_NAME, "sample-%d-%s.png", sample + 1,
                 arm == PS_REPORT_IMAGE ? "image" : "truth");
    return name;
}

static ps_status copy(const ps_report_content *content, const char *folder, int sample, int arm, bool *copied) {
    char from[PS_REPORT_PICTURE_NAME], to[PS_REPORT_PICTURE_NAME], *source = NULL, *target = NULL, *picture = NULL;
    size_t size = 0;
    ps_status status = PS_OK;
    *copied = false;
    snprintf(from, sizeof from, "%d.%s.png", sample + 1,
             arm >= 0                 ? "predicted"
             : arm == PS_REPORT_IMAGE ? "image"
                                      : "truth");
    PS_TRY_CLEANUP(ps_file_join(folder, from, &source));
    PS_TRY_CLEANUP(ps_file_join(content->plots.folder, ps_report_picture_name(sample, arm, to), &target));
    if (!ps_file_exists(source)) goto cleanup;
    PS_TRY_CLEANUP(ps_file_read(source, &picture, &size));
    if (!is_png(picture, size)) goto cleanup;
    status = ps_file_write(target, picture, size);
    *copied = status == PS_OK;
cleanup:
    free(source);
    free(target);
    free(picture);
    return status;
}

/* What the first arm that has pictures shows is what all show. */
static ps_status take_base(ps_report_content *content, const char *folder, cJSON *document) {
    ps_report_pictures *p = &content->pictures;
    int listed = cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(document, "samples"));
    if (listed > PS_REPORT_MOST_PICTURES) listed = PS_REPORT_MOST_PICTURES;
    p->document = document;
    for (; p->samples < listed; p->samples++) {
        bool image, truth;
        PS_TRY(copy(content, folder, p->samples, PS_REPORT_IMAGE, &image));
        PS_TRY(copy(content, folder, p->samples, PS_REPORT_TRUTH, &truth));
        if (!image || !truth) return PS_OK;
    }
    return PS_OK;
}

static ps_status take_predictions(ps_report_content *content, int arm, const char *folder, const cJSON *document) {
    ps_report_pictures *p = &content->pictures;
    for (int i = 0; i < p->samples; i++)
        if (same_sample(sample_of(document, i), sample_of(p->document, i)))
            PS_TRY(copy(content, folder, i, arm, place_of(p, i, arm)));
    return PS_OK;
}

static ps_status take_arm(ps_report_content *content, int arm, const char **seed) {
    ps_report_pictures *p = &content->pictures;
    const char *name = ps_table_text(&content->arms, arm, ps_table_column(&content->arms, "arm"));
    char *folder = NULL;
    cJSON *document = NULL;
    int row = -1;
    ps_status status = find_run(content, name, *seed, &row, &folder, &document);
    if (status == PS_OK && document == NULL && *seed != NULL)
        status = find_run(content, name, NULL, &row, &folder, &document);
    p->row[arm] = document != NULL ? row : -1;
    bool base = status == PS_OK && document != NULL && p->document == NULL;
    if (base) {
        *seed = ps_table_text(&content->runs, row, ps_table_column(&content->runs, "seed"));
        status = take_base(content, folder, document);
    }
    if (status == PS_OK && document != NULL) status = take_predictions(content, arm, folder, document);
    if (!base) cJSON_Delete(document);
    free(folder);
    return status;
}

ps_status ps_report_pictures_take(ps_report_content *content) {
    ps_report_pictures *p = &content->pictures;
    const char *seed = NULL;
    p->arms = content->arms.rows;
    PS_TRY(PS_ALLOC((size_t)p->arms, &p->row, "pictures"));
    PS_TRY(PS_ALLOC((size_t)p->arms * PS_REPORT_MOST_PICTURES, &p->there, "pictures"));
    for (int arm = 0; arm < p->arms; arm++) PS_TRY(take_arm(content, arm, &seed));
    return PS_OK;
}

void ps_report_pictures_clear(ps_report_pictures *p) {
    cJSON_Delete(p->document);
    ps_free(p->row);
    ps_free(p->there);
    *p = (ps_report_pictures){.document = NULL};
}

/* ---- what is shown ---- */

bool ps_report_picture_is_there(const ps_report_pictures *p, int sample, int arm) { return *place_of(p, sample, arm); }

const char *ps_report_picture_seed(const ps_report_content *content, int arm) {
    int row = content->pictures.row[arm];
    return row >= 0 ? ps_table_text(&content->runs, row, ps_table_column(&content->runs, "seed")) : "";
}

const char *ps_report_sample_name(const ps_report_pictures *p, int sample, char *text, size_t size) {
    const cJSON *item = sample_of(p->document, sample);
    const char *name = ps_report_text(item, "name");
    double index = ps_report_number(item, "index");
    if (name[0] != '\0') snprintf(text, size, "%s", name);
    else if (isfinite(index)) snprintf(text, size, "test sample %.0f", index + 1);
    else snprintf(text, size, "test sample");
    return text;
}

static bool is_colour(const char *text) {
    return strlen(text) == 7 && text[0] == '#' && strspn(text + 1, "0123456789abcdef") == 6;
}

bool ps_report_picture_class(const ps_report_pictures *p, int k, const char **name, const char **colour) {
    const cJSON *item = cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(p->document, "classes"), k);
    if (item == NULL) return false;
    *name = ps_report_text(item, "name");
    *colour = ps_report_text(item, "colour");
    if (!is_colour(*colour)) *colour = NULL;
    return true;
}
