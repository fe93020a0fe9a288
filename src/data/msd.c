/* Folders of the Medical Segmentation Decathlon (Antonelli et al. 2022) and of those who keep theirs as it does:
 * nnU-Net's raw data, version 1 and 2 (a file a channel, named _0000, _0001, ...), AMOS22.
 *
 *   imagesTr/CASE.nii.gz  labelsTr/CASE.nii.gz   training cases: those of dataset.json's list, else all of the folder
 *   imagesTs labelsTs, else imagesVa labelsVa    the test part; without labels there is none
 *   dataset.json                                 may say what labels and channels mean; else label maps are looked at:
 *                                                all, or, of a large set, a few (data/volumes.c) */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/json.h"
#include "core/memory.h"
#include "core/text.h"
#include "data/volumes.h"

enum { CHANNELS_MOST = 64 };

typedef struct {
    const char *folder;
    char *where;     /* path of dataset.json */
    cJSON *document; /* NULL: there is none */
    bool a_file_a_channel;
    ps_source *out;
} layout;

/* ---- dataset.json ---- */

static bool is_number(const char *text) { return text[0] != '\0' && text[strspn(text, "0123456789")] == '\0'; }

/* Of {"1": "liver"} as of {"liver": 1}; -1: of neither. */
static int label_of(const cJSON *item, const char **name) {
    double value = -1;
    *name = item->string;
    if (cJSON_IsNumber(item)) value = item->valuedouble;
    else if (cJSON_IsString(item) && is_number(item->string)) value = atof(item->string), *name = item->valuestring;
    else if (cJSON_IsString(item) && is_number(item->valuestring)) value = atof(item->valuestring);
    return value >= 0 && value < PS_NIFTI_LABELS && value == (int)value ? (int)value : -1;
}

static void copy_name(char to[PS_CLASS_NAME_SIZE], const char *name) {
    snprintf(to, PS_CLASS_NAME_SIZE, "%s", name);
    ps_text_make_showable(to, false);
}

static ps_status read_label_names(layout *l, const cJSON *labels) {
    char names[PS_NIFTI_LABELS][PS_CLASS_NAME_SIZE] = {{0}};
    bool given[PS_NIFTI_LABELS] = {false};
    int classes = 0, ignored = -1;
    const cJSON *item;
    cJSON_ArrayForEach(item, labels) {
        const char *name;
        int label = label_of(item, &name);
        if (label < 0)
            return ps_fail(
                PS_ERR_INPUT,
                "%s: the label \"%s\" is no whole number below %d with a name (regions of several labels are not "
                "supported); write {\"name\": number}",
                l->where, item->string, PS_NIFTI_LABELS);
        if (given[label]) return ps_fail(PS_ERR_INPUT, "%s: label %d has two names; keep one", l->where, label);
        given[label] = true;
        if (strcmp(name, "ignore") == 0) {
            ignored = label;
            continue;
        }
        copy_name(names[label], name);
        if (label >= classes) classes = label + 1;
    }
    for (int i = 0; i < classes; i++)
        if (!given[i] || i == ignored)
            return ps_fail(PS_ERR_INPUT, "%s: labels go up to %d, but %d has no name; they count from 0 without gaps",
                           l->where, classes - 1, i);
    if (classes < 2) return ps_fail(PS_ERR_INPUT, "%s: \"labels\" name no class beside the background", l->where);
    PS_TRY(PS_ALLOC((size_t)classes, &l->out->class_names, "class names"));
    memcpy(l->out->class_names, names, (size_t)classes * sizeof names[0]);
    return ps_volumes_set_classes(l->out, classes, ignored);
}

static ps_status read_channel_names(layout *l, const cJSON *channels) {
    int count = cJSON_GetArraySize(channels);
    const cJSON *item;
    if (count < 1 || count > CHANNELS_MOST) return PS_OK;
    PS_TRY(PS_ALLOC((size_t)count, &l->out->channel_names, "channel names"));
    cJSON_ArrayForEach(item, channels) {
        const char *number = item->string != NULL ? item->string : "";
        if (!cJSON_IsString(item) || !is_number(number) || atof(number) >= count)
            return ps_fail(PS_ERR_INPUT, "%s: the channel \"%s\" is none of 0 to %d with a name; write {\"0\": \"CT\"}",
                           l->where, number, count - 1);
        copy_name(l->out->channel_names[atoi(number)], item->valuestring);
    }
    ps_volumes_set_channels(l->out, count, "dataset.json names");
    return PS_OK;
}

static ps_status read_document(layout *l) {
    const char *ending = ".nii.gz";
    PS_TRY(ps_file_join(l->folder, "dataset.json", &l->where));
    if (!ps_file_exists(l->where)) return PS_OK;
    PS_TRY(ps_json_read(l->where, &l->document));
    PS_TRY(ps_json_get_text(l->document, "file_ending", false, l->where, &ending));
    if (strcmp(ending, ".nii.gz") != 0 && strcmp(ending, ".nii") != 0)
        return ps_fail(PS_ERR_INPUT, "%s: its files end in %s, and .nii and .nii.gz can be read; convert them",
                       l->where, ending);
    const cJSON *labels = cJSON_GetObjectItemCaseSensitive(l->document, "labels"),
                *channels = cJSON_GetObjectItemCaseSensitive(l->document, "channel_names");
    if (channels == NULL) channels = cJSON_GetObjectItemCaseSensitive(l->document, "modality");
    if (labels != NULL && !cJSON_IsObject(labels))
        return ps_fail(PS_ERR_INPUT, "%s: its \"labels\" are no object; write {\"name\": number, ..}", l->where);
    if (channels != NULL && !cJSON_IsObject(channels))
        return ps_fail(PS_ERR_INPUT, "%s: its channels are no object with names; write {\"0\": \"CT\", ..}", l->where);
    if (labels != NULL) PS_TRY(read_label_names(l, labels));
    return channels != NULL ? read_channel_names(l, channels) : PS_OK;
}

/* ---- cases of a folder ---- */

static ps_status find_label(const ps_volume_names *labels, const char *stem, size_t length, const char **path) {
    char *name = NULL;
    PS_TRY(ps_string_format(&name, "%.*s", (int)length, stem));
    int at = ps_volume_names_find(labels, name);
    *path = at >= 0 ? labels->path[at] : NULL;
    free(name);
    return PS_OK;
}

/* amos_0001 may be a case or the second channel of one: the label of the first image tells. */
static void find_scheme(layout *l, const ps_volume_names *images, const ps_volume_names *labels) {
    int channel;
    l->a_file_a_channel = images->count > 0 && ps_volume_names_find(labels, images->stem[0]) < 0 &&
                          ps_volume_channel(images->stem[0], &channel) > 0;
}

static ps_status add_channels(layout *l, const ps_volume_names *images, size_t first, size_t length, size_t *next,
                              const ps_volume_names *labels, ps_source_part part) {
    const char *path[CHANNELS_MOST], *label, *stem = images->stem[first];
    int count = 0, channel;
    size_t i = first;
    for (; i < images->count && strncmp(images->stem[i], stem, length) == 0 &&
           ps_volume_channel(images->stem[i], &channel) == length;
         i++) {
        if (channel != count || count == CHANNELS_MOST)
            return ps_fail(PS_ERR_INPUT,
                           "%s: is channel %d of its case, but the %d of them before it are 0 to %d; add what "
                           "is missing",
                           images->path[i], channel, count, count - 1);
        path[count++] = images->path[i];
    }
    *next = i;
    PS_TRY(find_label(labels, stem, length, &label));
    char *name = NULL;
    PS_TRY(ps_string_format(&name, "%.*s", (int)length, stem));
    ps_status status = ps_volumes_add(l->out, part, name, path, count, label);
    free(name);
    return status;
}

/* Label maps without an image are named as images without a label map are. */
static ps_status leave_out_alone(const layout *l, const ps_volume_names *images, const ps_volume_names *labels,
                                 const char *image_folder) {
    for (size_t i = 0; i < labels->count; i++) {
        char *first = NULL;
        PS_TRY(ps_string_format(&first, "%s_0000", labels->stem[i]));
        bool there = ps_volume_names_find(images, labels->stem[i]) >= 0 ||
                     (l->a_file_a_channel && ps_volume_names_find(images, first) >= 0);
        ps_status status = PS_OK;
        if (!there)
            status = ps_source_leave_out(
                l->out,
                ps_fail(PS_ERR_INPUT, "%s: has no image (looked for %s in %s); add it, or take the label map away",
                        labels->path[i], l->a_file_a_channel ? first : labels->stem[i], image_folder));
        free(first);
        PS_TRY(status);
    }
    return PS_OK;
}

static ps_status add_folder(layout *l, const ps_volume_names *images, const ps_volume_names *labels,
                            ps_source_part part) {
    int channel;
    if (part == PS_SOURCE_TRAIN) find_scheme(l, images, labels);
    for (size_t i = 0; i < images->count;) {
        size_t length = l->a_file_a_channel ? ps_volume_channel(images->stem[i], &channel) : 0;
        const char *const path[] = {images->path[i]}, *label;
        if (length > 0) {
            PS_TRY(add_channels(l, images, i, length, &i, labels, part));
            continue;
        }
        PS_TRY(find_label(labels, images->stem[i], strlen(images->stem[i]), &label));
        PS_TRY(ps_volumes_add(l->out, part, images->stem[i], path, 1, label));
        i++;
    }
    return PS_OK;
}

static ps_status read_folders(layout *l, const char *image_folder, const char *label_folder, ps_source_part part) {
    ps_volume_names images = {0}, labels = {0};
    char *image = NULL, *label = NULL;
    ps_status status = ps_file_join(l->folder, image_folder, &image);
    if (status == PS_OK) status = ps_file_join(l->folder, label_folder, &label);
    if (status == PS_OK) status = ps_volume_names_read(image, &images);
    if (status == PS_OK) status = ps_volume_names_read(label, &labels);
    if (status == PS_OK) status = add_folder(l, &images, &labels, part);
    if (status == PS_OK) status = leave_out_alone(l, &images, &labels, image);
    ps_volume_names_clear(&images);
    ps_volume_names_clear(&labels);
    free(image);
    free(label);
    return status;
}

/* ---- cases of dataset.json ---- */

static ps_status add_listed(layout *l, const char *image, const char *label) {
    char *image_path = NULL, *label_path = NULL, *name = NULL;
    const char *slash = strrchr(image, '/'), *file = slash != NULL ? slash + 1 : image;
    ps_status status = ps_file_join(l->folder, strncmp(image, "./", 2) == 0 ? image + 2 : image, &image_path);
    if (status == PS_OK)
        status = ps_file_join(l->folder, strncmp(label, "./", 2) == 0 ? label + 2 : label, &label_path);
    if (status == PS_OK) status = ps_string_format(&name, "%.*s", (int)strcspn(file, "."), file);
    const char *const path[] = {image_path};
    if (status == PS_OK) status = ps_volumes_add(l->out, PS_SOURCE_TRAIN, name, path, 1, label_path);
    free(image_path);
    free(label_path);
    free(name);
    return status;
}

/* Of nnU-Net's raw data the list names files without their channels' numbers: its folder is read then. */
static ps_status listed_is_there(const layout *l, const cJSON *list, bool *there) {
    const char *image = NULL;
    char *path = NULL;
    *there = false;
    const cJSON *first = cJSON_GetArrayItem(list, 0);
    if (!cJSON_IsObject(first)) return PS_OK;
    PS_TRY(ps_json_get_text(first, "image", true, l->where, &image));
    PS_TRY(ps_file_join(l->folder, strncmp(image, "./", 2) == 0 ? image + 2 : image, &path));
    *there = ps_file_exists(path);
    free(path);
    return PS_OK;
}

static ps_status refuse_twice(const layout *l, const cJSON *list, const cJSON *item, const char *image) {
    for (const cJSON *other = list->child; other != item; other = other->next) {
        const cJSON *before = cJSON_GetObjectItemCaseSensitive(other, "image");
        if (cJSON_IsString(before) && strcmp(before->valuestring, image) == 0)
            return ps_fail(PS_ERR_INPUT, "%s: its list \"training\" names %s twice; keep one", l->where, image);
    }
    return PS_OK;
}

static ps_status read_training(layout *l) {
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(l->document, "training"), *item;
    bool listed = false;
    if (cJSON_IsArray(list)) PS_TRY(listed_is_there(l, list, &listed));
    if (!listed) return read_folders(l, "imagesTr", "labelsTr", PS_SOURCE_TRAIN);
    cJSON_ArrayForEach(item, list) {
        const char *image = NULL, *label = NULL;
        PS_TRY(ps_json_get_text(item, "image", true, l->where, &image));
        PS_TRY(ps_json_get_text(item, "label", true, l->where, &label));
        PS_TRY(refuse_twice(l, list, item, image));
        PS_TRY(add_listed(l, image, label));
    }
    return PS_OK;
}

/* ---- opening ---- */

static ps_status has_folder(const layout *l, const char *name, bool *there) {
    char *path = NULL;
    PS_TRY(ps_file_join(l->folder, name, &path));
    *there = ps_file_is_directory(path);
    free(path);
    return PS_OK;
}

static ps_status read_test(layout *l) {
    static const char *const folders[][2] = {{"imagesTs", "labelsTs"}, {"imagesVa", "labelsVa"}};
    for (size_t i = 0; i < 2; i++) {
        bool images, labels;
        PS_TRY(has_folder(l, folders[i][0], &images));
        PS_TRY(has_folder(l, folders[i][1], &labels));
        if (images && labels) return read_folders(l, folders[i][0], folders[i][1], PS_SOURCE_TEST);
    }
    return PS_OK;
}

static ps_status open_layout(layout *l) {
    bool there;
    PS_TRY(has_folder(l, "imagesTr", &there));
    if (!there)
        return ps_fail(PS_ERR_INPUT, "%s: holds no folder imagesTr; give the folder that has imagesTr and labelsTr",
                       l->folder);
    PS_TRY(ps_volumes_start(l->out));
    PS_TRY(read_document(l));
    PS_TRY(read_training(l));
    return read_test(l);
}

ps_status ps_msd_open(const char *argument, const ps_dataset_options *options, ps_source *out) {
    layout l = {.folder = argument, .out = out};
    ps_status status = open_layout(&l);
    if (status == PS_OK) status = ps_volumes_finish(out, argument, options->large_bytes);
    cJSON_Delete(l.document);
    free(l.where);
    return status;
}
