#include "measure/predict.h"

#include <dirent.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/json.h"
#include "core/memory.h"
#include "core/progress.h"
#include "core/text.h"
#include "data/nifti.h"
#include "data/png.h"
#include "task/overlay.h"
#include "task/segmentation.h"

typedef struct {
    ps_session *session;
    const ps_predict_options *options;
    ps_segmentation *segmentation;
    ps_file_writer csv;
    cJSON *cases;
} predicting;

/* ---- places ---- */

static ps_status refuse_occupied(const char *out) {
    bool empty = true;
    DIR *directory = opendir(out);
    if (directory == NULL) return PS_OK;
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;)
        empty = empty && (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0);
    closedir(directory);
    if (empty) return PS_OK;
    return ps_fail(PS_ERR_USAGE, "%s: holds files already, and nothing is written over; choose another --out", out);
}

/* A sample's name as a file's, or its number. */
static void name_of(const ps_dataset_file *file, int index, char *name, size_t size) {
    if (file->name == NULL) snprintf(name, size, "sample_%05d", index);
    else snprintf(name, size, "%s", file->name);
    for (char *p = name; *p != '\0'; p++)
        if (*p == '/') *p = '_';
}

static ps_status path_of(const predicting *p, const char *name, const char *suffix, char **path) {
    char *file;
    PS_TRY(ps_string_format(&file, "%s%s", name, suffix));
    ps_status status = ps_file_join(p->options->out, file, path);
    free(file);
    return status;
}

/* ---- label maps ---- */

static bool is_volume(const ps_dataset_file *file) { return file->has_unit || file->shape.d > 1; }

static bool is_nifti(const char *path) {
    size_t length = path != NULL ? strlen(path) : 0;
    return length > 4 &&
           (strcmp(path + length - 4, ".nii") == 0 || (length > 7 && strcmp(path + length - 7, ".nii.gz") == 0));
}

static ps_status write_map(const predicting *p, const ps_case *c, const char *name) {
    char *path;
    ps_status status;
    PS_TRY(path_of(p, name, is_volume(&c->file) ? ".nii.gz" : ".png", &path));
    if (!is_volume(&c->file)) status = ps_png_write_labels(path, c->shape.h, c->shape.w, c->predicted, NULL);
    else if (is_nifti(c->file.path)) status = ps_nifti_write_like(c->file.path, c->predicted, path);
    else status = ps_nifti_write_plain(c->shape, c->file.mm, c->predicted, path);
    free(path);
    return status;
}

static ps_status write_picture(const predicting *p, int index, const ps_case *c, const char *name) {
    static const ps_overlay_panel panels[] = {PS_OVERLAY_IMAGE, PS_OVERLAY_TRUTH, PS_OVERLAY_PREDICTED},
                                  unknown[] = {PS_OVERLAY_IMAGE, PS_OVERLAY_PREDICTED};
    char *path;
    ps_overlay *overlay;
    PS_TRY(path_of(p, name, ".overlay.png", &path));
    ps_status status = ps_overlay_open(p->session->dataset, p->options->split, index, c, 0, &overlay);
    if (status == PS_OK) {
        status = ps_overlay_write(overlay, c->known ? panels : unknown, c->known ? 3 : 2, path);
        ps_overlay_close(overlay);
    }
    free(path);
    return status;
}

/* ---- measures ---- */

static const char *short_name(const char *measure) { return strncmp(measure, "mean_", 5) == 0 ? measure + 5 : measure; }

static void put_csv(predicting *p, const char *name, const ps_segmentation_case *c) {
    const ps_trace_task *task = &p->session->described;
    int classes = ps_dataset_classes(p->session->dataset);
    for (int k = 0; k < classes; k++) {
        fprintf(p->csv.stream, "%s,%d,\"%s\"", name, k, ps_dataset_class_name(p->session->dataset, k));
        for (int m = 0; m < task->measures; m++) {
            double value = c->value[m * classes + k];
            if (isnan(value)) fprintf(p->csv.stream, ",");
            else fprintf(p->csv.stream, ",%.9g", value);
        }
        fprintf(p->csv.stream, "\n");
    }
}

static cJSON *numbers(const double *value, int count) {
    cJSON *array = cJSON_CreateArray();
    for (int k = 0; k < count; k++)
        cJSON_AddItemToArray(array, isnan(value[k]) ? cJSON_CreateNull() : cJSON_CreateNumber(value[k]));
    return array;
}

/* Each measure that has a number of some class. */
static void add_classes(cJSON *object, const ps_trace_task *task, const double *value, int classes, bool whole) {
    for (int m = 0; m < task->measures; m++) {
        bool any = false;
        for (int k = 0; k < classes; k++) any = any || !isnan(value[m * classes + k]);
        const char *name = task->measure[m].name;
        if (any) cJSON_AddItemToObject(object, whole ? name : short_name(name), numbers(value + m * classes, classes));
    }
}

static void note_case(predicting *p, const char *name, const ps_segmentation_case *c) {
    cJSON *one = cJSON_CreateObject(), *classes = cJSON_CreateObject();
    cJSON_AddStringToObject(one, "case", name);
    if (c->found.file.path != NULL) cJSON_AddStringToObject(one, "file", c->found.file.path);
    add_classes(classes, &p->session->described, c->value, ps_dataset_classes(p->session->dataset), false);
    cJSON_AddItemToObject(one, "classes", classes);
    cJSON_AddItemToArray(p->cases, one);
    put_csv(p, name, c);
}

static void add_whole(const predicting *p, const ps_evaluation *e, cJSON *object) {
    const ps_trace_task *task = &p->session->described;
    int classes = ps_dataset_classes(p->session->dataset);
    cJSON *names = cJSON_AddArrayToObject(object, "classes"), *rules = cJSON_AddObjectToObject(object, "rules"),
          *measures = cJSON_AddObjectToObject(object, "measures");
    for (int k = 0; k < classes; k++)
        cJSON_AddItemToArray(names, cJSON_CreateString(ps_dataset_class_name(p->session->dataset, k)));
    for (int m = 0; m < task->measures; m++) {
        cJSON_AddStringToObject(rules, task->measure[m].name, task->measure[m].rule);
        cJSON_AddItemToObject(measures, task->measure[m].name,
                              isfinite(e->value[m]) ? cJSON_CreateNumber(e->value[m]) : cJSON_CreateNull());
    }
    if (e->per_class == NULL) return;
    cJSON *each = cJSON_AddObjectToObject(object, "of_each_class");
    add_classes(each, task, e->per_class, classes, true);
}

static ps_status write_json(predicting *p, const ps_evaluation *e) {
    char *text = NULL, *path = NULL;
    cJSON *object = cJSON_CreateObject();
    ps_status status;
    cJSON_AddStringToObject(object, "checkpoint", p->options->checkpoint);
    cJSON_AddStringToObject(object, "data", ps_dataset_source(p->session->dataset));
    cJSON_AddNumberToObject(object, "samples", ps_dataset_count(p->session->dataset, p->options->split));
    cJSON_AddNumberToObject(object, "with_truth", e->count);
    add_whole(p, e, object);
    cJSON_AddItemToObject(object, "cases", p->cases);
    p->cases = NULL;
    PS_TRY_CLEANUP(ps_json_text(object, &text));
    PS_TRY_CLEANUP(ps_file_join(p->options->out, "measures.json", &path));
    status = ps_file_write(path, text, strlen(text));
cleanup:
    cJSON_Delete(object);
    cJSON_free(text);
    free(path);
    return status;
}

static ps_status open_csv(predicting *p) {
    char *path;
    const ps_trace_task *task = &p->session->described;
    PS_TRY(ps_file_join(p->options->out, "measures.csv", &path));
    ps_status status = ps_file_writer_open(&p->csv, path);
    free(path);
    PS_TRY(status);
    fprintf(p->csv.stream, "case,class,name");
    for (int m = 0; m < task->measures; m++) fprintf(p->csv.stream, ",%s", short_name(task->measure[m].name));
    fprintf(p->csv.stream, "\n");
    return PS_OK;
}

/* ---- all samples ---- */

static ps_status predict_one(predicting *p, int index) {
    char name[256];
    ps_segmentation_case c;
    PS_TRY(ps_segmentation_run(p->segmentation, index, &c));
    name_of(&c.found.file, index, name, sizeof name);
    PS_TRY(write_map(p, &c.found, name));
    if (p->options->pictures) PS_TRY(write_picture(p, index, &c.found, name));
    if (c.found.known && !p->options->unlabelled) note_case(p, name, &c);
    return PS_OK;
}

static ps_status predict_all(predicting *p, int count) {
    ps_progress progress;
    ps_status status = PS_OK;
    ps_progress_start(&progress, "predict", (uint64_t)count, 0, p->options->quiet);
    for (int i = 0; status == PS_OK && i < count; i++) {
        status = predict_one(p, i);
        ps_progress_update(&progress, (uint64_t)i + 1, NULL);
    }
    ps_progress_end(&progress, NULL);
    return status;
}

static ps_status write_all(predicting *p, int count, ps_evaluation *found) {
    if (p->options->unlabelled) return predict_all(p, count);
    PS_TRY(open_csv(p));
    ps_status status = predict_all(p, count);
    if (status != PS_OK) {
        ps_file_writer_discard(&p->csv);
        return status;
    }
    PS_TRY(ps_file_writer_commit(&p->csv));
    ps_segmentation_sum_up(p->segmentation, found);
    return write_json(p, found);
}

ps_status ps_predict(ps_session *session, const ps_predict_options *options, ps_evaluation *found) {
    predicting p = {.session = session, .options = options};
    int count = ps_dataset_count(session->dataset, options->split);
    *found = ps_evaluation_nothing();
    if (!ps_dataset_has_masks(session->dataset))
        return ps_fail(PS_ERR_USAGE,
                       "predict writes label maps, and \"%s\" has one label a sample; `poolscope eval` "
                       "measures such networks",
                       ps_dataset_source(session->dataset));
    PS_TRY(refuse_occupied(options->out));
    if (count == 0)
        return ps_fail(
            PS_ERR_INPUT,
            "data \"%s\": there are no samples in this split; choose another with --split, or name a folder of "
            "images without labels with --images",
            ps_dataset_source(session->dataset));
    PS_TRY(ps_file_make_directories(options->out));
    ps_task_split on = ps_session_split(session, options->split);
    PS_TRY(ps_segmentation_open(&on, &p.segmentation));
    p.cases = cJSON_CreateArray();
    ps_status status = write_all(&p, count, found);
    cJSON_Delete(p.cases);
    ps_segmentation_close(p.segmentation);
    return status;
}
