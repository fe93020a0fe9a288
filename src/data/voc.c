/* PASCAL VOC, segmentation of classes (Everingham et al. 2015): JPEGImages, label maps with VOC's palette in
 * SegmentationClass, lists of names in ImageSets/Segmentation. Where the labels of Hariharan et al. (2011) are there as
 * well, in SegmentationClassAug with a list train_aug.txt, they are what is trained on; what is tested on stays. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/memory.h"
#include "data/pictures.h"

enum { CLASSES = 21, IGNORED = 255 };

static const char *const class_names[CLASSES] = {
    "background", "aeroplane", "bicycle",      "bird",  "boat",         "bottle", "bus",
    "car",        "cat",       "chair",        "cow",   "dining table", "dog",    "horse",
    "motorbike",  "person",    "potted plant", "sheep", "sofa",         "train",  "tv monitor"};

/* Pictures with label maps of one folder, by the names of a list. */
typedef struct {
    const char *folder, *masks;
    ps_source_part part;
} listing;

/* Some lists have paths: /JPEGImages/x.jpg /SegmentationClassAug/x.png. */
static ps_status add_name(ps_source *source, const listing *l, const char *line) {
    const char *stem = strrchr(line, '/') != NULL ? strrchr(line, '/') + 1 : line, *end = strstr(stem, ".jpg");
    int length = (int)(end != NULL ? (size_t)(end - stem) : strlen(stem));
    char *name = NULL, *image = NULL, *mask = NULL;
    ps_status status = ps_string_format(&name, "%.*s", length, stem);
    if (status == PS_OK) status = ps_string_format(&image, "JPEGImages/%s.jpg", name);
    if (status == PS_OK) status = ps_string_format(&mask, "%s/%s.png", l->masks, name);
    if (status == PS_OK) status = ps_pictures_add_pair(source, l->part, name, l->folder, image, mask);
    free(name);
    free(image);
    free(mask);
    return status;
}

static ps_status add_list(ps_source *source, const listing *l, const char *path) {
    ps_names names = {NULL, 0, 0};
    ps_status status = ps_names_add_list(&names, path);
    for (size_t i = 0; status == PS_OK && i < names.count; i++) status = add_name(source, l, names.name[i]);
    ps_names_clear(&names);
    return status;
}

/* The first of some files that there is; *path is NULL where there is none. */
static ps_status find_file(const char *folder, const char *const *names, char **path) {
    for (; *names != NULL; names++) {
        PS_TRY(ps_file_join(folder, *names, path));
        if (ps_file_exists(*path)) return PS_OK;
        free(*path);
        *path = NULL;
    }
    return PS_OK;
}

static ps_status find_augmented(const char *folder, const char *argument, char **list) {
    static const char *const names[] = {"ImageSets/Segmentation/train_aug.txt", "ImageSets/Segmentation/trainaug.txt",
                                        "train_aug.txt", NULL};
    char *masks = NULL;
    PS_TRY(ps_file_join(folder, "SegmentationClassAug", &masks));
    bool there = ps_file_is_directory(masks);
    free(masks);
    *list = NULL;
    if (!there) return PS_OK;
    PS_TRY(find_file(folder, names, list));
    return *list == NULL ? find_file(argument, names, list) : PS_OK;
}

static ps_status add_training(ps_source *source, const char *folder, const char *argument) {
    static const char *const names[] = {"ImageSets/Segmentation/train.txt", NULL};
    char *list = NULL;
    PS_TRY(find_augmented(folder, argument, &list));
    listing l = {folder, list != NULL ? "SegmentationClassAug" : "SegmentationClass", PS_SOURCE_TRAIN};
    ps_status status = list == NULL ? find_file(folder, names, &list) : PS_OK;
    if (status == PS_OK && list != NULL) status = add_list(source, &l, list);
    free(list);
    return status;
}

static ps_status add_test(ps_source *source, const char *folder) {
    static const char *const names[] = {"ImageSets/Segmentation/val.txt", NULL};
    const listing l = {folder, "SegmentationClass", PS_SOURCE_TEST};
    char *list = NULL;
    ps_status status = find_file(folder, names, &list);
    if (status == PS_OK && list != NULL) status = add_list(source, &l, list);
    free(list);
    return status;
}

/* Whether folder/place, or the folder itself (NULL), holds pictures; *found is it then. */
static ps_status try_folder(const char *folder, const char *place, char **found) {
    char *images = NULL;
    PS_TRY(place != NULL ? ps_file_join(folder, place, found) : ps_string_copy(folder, found));
    ps_status status = ps_file_join(*found, "JPEGImages", &images);
    bool there = status == PS_OK && ps_file_is_directory(images);
    free(images);
    if (there) return PS_OK;
    free(*found);
    *found = NULL;
    return status;
}

/* The folder itself, or what the archives unpack into; of several years the latest. */
static ps_status find_folder(const char *argument, char **found) {
    enum { YEAR_FIRST = 2007, YEAR_LAST = 2012 };
    PS_TRY(try_folder(argument, NULL, found));
    for (int year = YEAR_LAST; year >= YEAR_FIRST && *found == NULL; year--) {
        char place[32];
        snprintf(place, sizeof place, "VOC%d", year);
        PS_TRY(try_folder(argument, place, found));
        if (*found != NULL) break;
        snprintf(place, sizeof place, "VOCdevkit/VOC%d", year);
        PS_TRY(try_folder(argument, place, found));
    }
    return PS_OK;
}

ps_status ps_voc_open(const char *argument, const ps_dataset_options *options, ps_source *out) {
    int16_t class_of[PS_MASK_VALUES];
    const ps_pictures_kind kind = {.labels = PS_LABEL_MASK,
                                   .classes = CLASSES,
                                   .class_names = class_names,
                                   .numbers = "0 to 20, and 255 where none counts",
                                   .class_of = class_of};
    char *folder = NULL;
    (void)options;
    ps_pictures_number_classes(class_of, CLASSES, IGNORED);
    PS_TRY(ps_pictures_start(out, &kind));
    out->in_groups = true;
    PS_TRY(find_folder(argument, &folder));
    ps_status status = folder != NULL ? add_training(out, folder, argument) : PS_OK;
    if (status == PS_OK && folder != NULL) status = add_test(out, folder);
    if (status == PS_OK)
        status = ps_pictures_check_found(out, folder != NULL ? folder : argument,
                                         "JPEGImages, SegmentationClass and ImageSets/Segmentation/train.txt");
    if (status == PS_OK && folder != NULL)
        status = ps_pictures_check_once(out, folder, "train.txt or train_aug.txt, val.txt");
    free(folder);
    return status;
}
